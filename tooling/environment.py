"""The environment of the project's commands, without what of the user's would change a page.

``python tooling/environment.py -m pytest`` goes on as ``python -m pytest`` in it, and with ``--lab`` first in
that of JupyterLab, which leaves the desktop alone. Whatever tools keep goes below ``home`` in ``.venv``: the
home folder need not be writable, and its settings for Matplotlib, IPython, Jupyter or PyTensor have no say.
"""

import signal

if __name__ == "__main__":
    # What follows is imported while Ctrl-C may come.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import contextlib
import hashlib
import json
import os
import runpy
import shutil
import sys
import tempfile
import time
from pathlib import Path

# Where jsonschema finds this, it parses the grammar of internet addresses at each start, for a check that
# nobody asks for: half of the time that a build takes to start.
sys.modules.setdefault("rfc3987_syntax", None)


def hold_back(how):
    """Hold Ctrl-C back from now on (``SIG_BLOCK``) or let it come (``SIG_UNBLOCK``).

    What this process starts, or becomes, begins so too.
    """
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(how, {signal.SIGINT})


if Path(getattr(sys.modules["__main__"], "__file__", None) or ".").is_relative_to(Path(__file__).parent):
    # What a command imports takes a second, in which Ctrl-C ends it without a word. Afterwards it says more.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    hold_back(signal.SIG_UNBLOCK)

HOME = Path(sys.executable).parents[1] / "home"  # below `.venv`, which Python's prefix is with `site` only
# What a machine must say of itself to a page.
OF_MACHINE = {"PATH", "LD_LIBRARY_PATH", "TMPDIR"}
OF_MACHINE |= {"SYSTEMROOT", "COMSPEC", "PATHEXT", "TEMP", "TMP"}  # on Windows
# To commands it says more, which changes nothing that is printed or kept.
KEPT = OF_MACHINE | {"TMPDIR_OF_BOOK", "TERM", "USER", "LOGNAME", "CI"}
# How the package index is reached, where a copy of the book is set up.
KEPT |= {"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}
ASKED = "BOOK_"  # what pages are asked begins so
KEPT_PREFIXES = (ASKED, "GITHUB_", "PYTEST_XDIST_")
# Whatever the user has. Pages and tests run side by side: threads of linear algebra would wait for each
# other, in busy loops.
FIXED = {"LANG": "C.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "1"}
# Where no desktop may suffer, only what begins so is taken away.
OF_TOOLS = ("IPYTHON", "JUPYTER", "MATPLOTLIB", "MPL", "NUMBA", "PYTENSOR", "PYTHON")
MAKE_IT_YOURS = "make the folder yours, as by `sudo chown -R $(id -u) .` in it, and run make again."
TEMPORARY = "TMPDIR_OF_BOOK"  # which of the folders for temporary files is that of the command above
GO_ON = "--go-on"
temporary = []  # the folder that this process has made


def folders():
    """Return what tells each tool where to keep its files."""
    # PyTensor reads it as a shell would, but for commas, which `shlex.quote` leaves bare.
    place = str(HOME / ".pytensor").replace("'", "'\"'\"'")
    return {
        "IPYTHONDIR": str(HOME / ".ipython"),
        "JUPYTER_CONFIG_DIR": str(HOME / ".jupyter"),
        "JUPYTER_DATA_DIR": str(HOME / ".local/share/jupyter"),
        "JUPYTER_RUNTIME_DIR": str(HOME / ".local/share/jupyter/runtime"),
        "MPLCONFIGDIR": str(HOME / ".config/matplotlib"),
        "PYTENSOR_FLAGS": f"base_compiledir='{place}'",
        "PYTENSORRC": str(HOME / ".pytensorrc"),
    }


def own(given, book=None):
    """Return the environment of the project, made from the one given.

    With a book, notebooks import ``support`` from its folder.
    """
    kept = {name: value for name, value in given.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    # Git asks the user's settings whether the folder may be read at all.
    git = given.get("GIT_CONFIG_GLOBAL") or f"{given.get('HOME', '')}/.gitconfig"
    home = {"HOME": str(HOME), "USERPROFILE": str(HOME), "GIT_CONFIG_GLOBAL": git}
    return kept | home | FIXED | folders() | ({"PYTHONPATH": str(book)} if book else {})


def of_page(given):
    """Return what of the project's environment a page gets."""
    names = OF_MACHINE | {"HOME", "USERPROFILE", "PYTHONPATH"} | FIXED.keys() | folders().keys()
    return {name: value for name, value in given.items() if name in names or name.startswith(ASKED)}


def of_lab(given):
    """Return the environment given, without what would change how a notebook runs."""
    return {name: value for name, value in given.items() if not name.startswith(OF_TOOLS)} | folders()


def drop_damaged():
    """Drop and name what an interrupted machine has left empty or cut of Numba's compiled code.

    Numba would fail on it; of what is missing it makes another.
    """
    for path in HOME.glob(".pytensor/numba/*.nb[ic]"):
        with contextlib.suppress(OSError), path.open("rb") as file:  # what another user keeps is of no use
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - 1, 0))
            if file.read() == b".":  # the end of everything that was pickled
                continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            sys.exit(f"{path} cannot be read or removed ({error.strerror}): {MAKE_IT_YOURS}")
        print(f"{path} is damaged; it is dropped and made again", file=sys.stderr)


def drop_cut_settings():
    """Drop and name settings that JupyterLab could not read, since it was killed while it wrote them."""
    for path in HOME.glob(".jupyter/labconfig/*.json"):
        try:
            json.loads(path.read_text(encoding="utf8"))
        except ValueError:
            path.unlink()
            print(f"{path} is damaged; it is dropped", file=sys.stderr)


def drop_old_byte_code(root):
    """Drop the byte code of our own modules whenever one of them has another content.

    Python knows it by time and size only, which may be the same, as after the clock was set back.
    """
    folders = (root / name for name in ("support", "packages", "tooling", "solutions", "tests"))
    # An editor's lock, `.#models.py`, is a link that leads nowhere.
    found = (path for folder in folders for path in folder.rglob("[!.]*.py"))
    sources = sorted(path for path in found if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    known, new = HOME / "sources", HOME / f"sources.{os.getpid()}"
    with contextlib.suppress(OSError):  # what cannot be read counts as changed
        if known.read_bytes() == digest.encode():
            return
    for folder in {path.parent for path in sources}:
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    try:
        new.write_text(digest)
        new.replace(known)  # though it be another user's
    except OSError as error:
        sys.exit(f"{known} cannot be written ({error.strerror}): {MAKE_IT_YOURS}")


def to_stderr(words):
    """Write a line, whatever Python is doing with its own streams."""
    os.write(2, f"{words}\n".encode())


def end_when_interrupted(words, write=to_stderr):
    """End at once when told to (Ctrl-C), with all that was started: a notebook may compute for minutes.

    Once nothing runs any more, the words are written.
    """
    import psutil  # now: at the signal, another import of it may be half done

    def end(number, frame):  # noqa: ARG001 (Python passes both)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for folder in temporary:
            folder.cleanup()
        write(f"\nInterrupted. {words}")
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    hold_back(signal.SIG_UNBLOCK)
    take_temporary_folder()  # whatever ends so abruptly


def refuse_settings(root):
    """End where a page would find settings in its own folder, where Matplotlib looks before all others."""
    for path in (*root.glob("matplotlibrc"), *root.glob("*/matplotlibrc")):
        sys.exit(f"{path} would change the figures of all pages, and no other reader has it: move it away.")


def take_temporary_folder():
    """Give what tools leave behind (PyTensor a file for each function) a folder that goes at the end."""
    tempfile.tempdir = None  # ask again; where that one cannot be written, Python takes another
    if os.environ.get(TEMPORARY) != tempfile.gettempdir():
        temporary.append(tempfile.TemporaryDirectory(prefix="book-", ignore_cleanup_errors=True))
        os.environ["TMPDIR"] = os.environ[TEMPORARY] = tempfile.tempdir = temporary[-1].name
        os.chmod(tempfile.tempdir, 0o711)  # users of sandboxes have folders in it


def enter(book=None):
    """Put this process and all that it starts into the environment of the project."""
    HOME.mkdir(exist_ok=True)
    refuse_settings(book or Path(__file__).resolve().parents[1])
    wanted = own(os.environ, book)
    os.environ.clear()
    os.environ.update(wanted)
    take_temporary_folder()
    if hasattr(time, "tzset"):
        time.tzset()


def replace(path, text):
    """Write a text at once or not at all, whoever else writes it too."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.write_text(text, encoding="utf8")
    new.replace(path)


@contextlib.contextmanager
def alone(root):
    """Wait until no other process builds the book or writes into what it keeps."""
    try:
        import fcntl
    except ImportError:  # on Windows
        yield
        return
    path = root / "_build" / ".lock"
    try:
        path.parent.mkdir(exist_ok=True)
        lock = path.open("w")
    except PermissionError:
        sys.exit(f"{path} belongs to another user: {MAKE_IT_YOURS}")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another process builds this book: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    """Go on as Python with these arguments."""
    HOME.mkdir(exist_ok=True)
    root = Path(__file__).resolve().parents[1]
    refuse_settings(root)
    drop_damaged()
    drop_old_byte_code(root)
    arguments = sys.argv[1:]
    wanted = own(os.environ)
    if arguments[0] == "--lab":
        drop_cut_settings()
        arguments, wanted = arguments[1:], of_lab(os.environ)
    if arguments[0] != "-c":
        arguments = [__file__, GO_ON, *arguments]
        hold_back(signal.SIG_BLOCK)  # which this file ends once Python has started
    os.execve(sys.executable, [sys.executable, *arguments], wanted)


def go_on():
    """Run a module, after ``-m``, or a script as Python would."""
    del sys.argv[:2]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        sys.path[0] = os.getcwd()
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    go_on() if sys.argv[1] == GO_ON else main()
