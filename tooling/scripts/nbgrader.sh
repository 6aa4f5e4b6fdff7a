#!/bin/sh
# Install nbgrader into _build/nbgrader, beside the book's own packages: tooling/scripts/nbgrader.sh
# It is no dependency of the book. The benchmark measures against it, and a test hands it an exercise.
set -eu
unset CDPATH
cd "$(dirname "$0")/../.."

folder=_build/nbgrader
[ ! -x "$folder/bin/nbgrader" ] || exit 0
uv=$(command -v uv || echo .tools/bin/uv)
export UV_NO_PROGRESS=1
if [ -n "${PIP_INDEX_URL-}" ]; then  # uv does not read pip's settings
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX-$PIP_INDEX_URL}"
fi
rm -rf "$folder"
mkdir -p _build
"$uv" venv --quiet --no-project --python .venv/bin/python "$folder"
packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -c 'import os, sysconfig
print(sysconfig.get_path("purelib"), os.getcwd(), sep="\n")' >"$packages/book.pth"
"$uv" pip install --quiet --python "$folder/bin/python" nbgrader==0.9.6
