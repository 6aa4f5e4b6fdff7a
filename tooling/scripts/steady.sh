#!/bin/sh
# Run what waits for browsers, sandboxes and other processes again and again, while all cores are busy with other
# things: steady.sh 20. What passes by chance fails here sooner or later; the first failure ends it. Twice as many
# tests as cores run at once, and what they leave of a core is taken by a loop.
set -eu
cd "$(dirname "$0")/../.."

busy=
trap '[ -z "$busy" ] || kill $busy' EXIT
trap 'exit 130' HUP INT TERM
cores=$(getconf _NPROCESSORS_ONLN)
for _ in $(seq "$cores"); do
    (trap - EXIT; while kill -0 $$; do :; done) 2>/dev/null &  # a signal at its birth may be lost
    renice -n 19 $! >/dev/null
    busy="$busy $!"
done

python=".venv/bin/python -ES tooling/environment.py"
for run in $(seq "$1"); do
    echo "Run $run of $1"
    $python -m pytest -q -n $((2 * cores)) --dist loadfile -m browser tests
    $python -m pytest -q -n $((2 * cores)) --dist loadfile packages/notebook-marking tests/book/test_interruptions.py tests/book/test_kernels.py
done
