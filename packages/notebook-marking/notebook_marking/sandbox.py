"""Run a student's notebook where it can harm nobody, and take out one JSON text: its answers.

The notebook may be hostile. Whatever it does, :func:`run` returns a :class:`~notebook_marking.runs.Run`; only
a fault of the machinery itself raises.

What every engine gives (the contract):

- no network;
- a view of the system's programs, of Python and its packages, of ``support`` without ``notebook_marking``,
  all read-only, and of nothing else: no other submission, solution, key, gradebook or home;
- one writable folder, of limited size, gone afterwards;
- an environment of our own making, and an ordinary user, even when started by root;
- limits on wall time, CPU time, memory, processes, the size of files, output and what comes out;
- the end of all its processes, with the notebook's end.

Engines:

``bubblewrap``
    The default: Debian's package of that name, Linux only. When root starts it, each run has a user of its
    own, so that no other run's processes count towards its limit.
``podman``, ``docker``
    The same contract by a container engine, with the host's Python mounted into any small image. **Their
    commands are tested, but never ran**: neither engine worked where this was written.
``trust``
    No sandbox: a plain process in a temporary folder, with the same limits where there can be any, for
    notebooks that one would run oneself.

:mod:`notebook_marking.inside` is what runs inside; :mod:`notebook_marking.watching` watches from outside.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import support
from notebook_marking.runs import Ended, Limits, Run, SandboxError, SandboxMissing, read
from notebook_marking.seccomp import filter_program
from notebook_marking.watching import watch

# Above what useradd gives, and what is set aside for containers.
FIRST_USER = 2_000_000_000
USERS = 100_000_000
# Holds nothing but the folders into which the host's are mounted.
IMAGE = "debian:stable-slim"
# The writable folder inside.
SCRATCH = "/tmp"

PACKAGE = Path(support.__file__).resolve().parent
INSIDE = Path(__file__).resolve().with_name("inside.py")


def run(
    notebook: bytes,
    suffix: str,
    exercise: str,
    *,
    engine: str = "bubblewrap",
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
    engine : {"bubblewrap", "podman", "docker", "trust"}
        How to keep it in, see :mod:`notebook_marking.sandbox`.
    limits : Limits, optional
        What it may use.
    processors : collection of int, optional
        The only ones on which it may run, where the system and the engine can say so.

    Returns
    -------
    Run
        Whatever the notebook does.

    Raises
    ------
    SandboxMissing
        If the engine is not installed.
    SandboxError
        If the engine does not start.
    ValueError
        If an argument is not as described.

    Examples
    --------
    >>> page = b"```{code-cell}\nprint(6 * 7)\n```\n```{code-cell}\n1 / 0\n```"
    >>> run(page, ".md", "5.8.1", engine="trust")
    Run(status='no answers', answers={}, remarks=('code cell 2: ZeroDivisionError: division by zero',))
    """
    limits = limits or Limits()
    _check(suffix, exercise, engine)
    if len(notebook) > limits.notebook:
        return Run("not a notebook", {}, (f"the file is larger than {limits.notebook:,} bytes",))
    with tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True) as folder:
        request = _request(suffix, exercise, engine, limits, folder)
        ended = _watched(engine, request, notebook, limits, folder, processors)
    return read(ended, limits)


def check(engine: str = "bubblewrap") -> None:
    """Make sure that an engine works here, by running a notebook of one cell that imports ``support``.

    Parameters
    ----------
    engine : {"bubblewrap", "podman", "docker", "trust"}
        How notebooks are kept in.

    Raises
    ------
    SandboxMissing, SandboxError
        If it does not; the message says why.

    Examples
    --------
    >>> check("trust")
    """
    result = run(b"```{code-cell}\nimport support.exercises\n```", ".md", "check", engine=engine)
    if result != Run("no answers", {}):
        raise SandboxError(f"a notebook that imports `support` does not run in {engine}: {result}")


def _check(suffix: str, exercise: str, engine: str) -> None:
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}: give one of {', '.join(ENGINES)}")
    if suffix not in (".ipynb", ".md"):
        raise ValueError(f"suffix is {suffix!r}: give '.ipynb' or '.md'")
    if not exercise or "/" in exercise or exercise.startswith("."):
        raise ValueError(f"exercise is {exercise!r}: give its number, for example '5.8.1'")


def _request(suffix: str, exercise: str, engine: str, limits: Limits, folder: str) -> dict:
    """Return what :mod:`notebook_marking.inside` must know."""
    home = folder if engine == "trust" else SCRATCH
    becomes_user = os.geteuid() == 0 and engine == "bubblewrap"
    return {
        "suffix": suffix,
        "exercise": exercise,
        "limits": asdict(limits),
        "user": FIRST_USER + secrets.randbelow(USERS) if becomes_user else None,
        "sandboxed": engine == "bubblewrap",
        "caches": {library: [str(place), f"{home}/.{library}"] for library, place in _caches().items()},
    }


def _watched(
    engine: str,
    request: dict,
    notebook: bytes,
    limits: Limits,
    folder: str,
    processors: Collection[int] | None,
) -> Ended:
    """Start an engine, watch it, and clear up after it."""
    name = f"notebook-{secrets.token_hex(8)}"
    with _filter(engine) as descriptor:
        words = command(engine, limits, This(request["user"], name, descriptor))
        try:
            return watch(
                words,
                json.dumps(request).encode() + b"\n" + notebook,
                limits,
                environment=_outer_environment(engine, folder),
                folder=folder,
                descriptors=() if descriptor is None else (descriptor,),
                processors=processors,
            )
        finally:
            if engine in ("podman", "docker"):  # whose containers outlive the command
                subprocess.run([engine, "rm", "--force", name], capture_output=True, check=False)


@contextmanager
def _filter(engine: str) -> Iterator[int | None]:
    """Open the filter of system calls for bubblewrap to read."""
    program = filter_program() if engine == "bubblewrap" else b""
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


# The commands --------------------------------------------------------------------------------


class This(NamedTuple):
    """What the command of one run has of its own.

    Attributes
    ----------
    user : int or None
        The user that it will become, when this process is root's.
    name : str
        Of the container, for podman and docker.
    filter : int or None
        Descriptor of the filter of system calls, for bubblewrap.
    """

    user: int | None = None
    name: str = ""
    filter: int | None = None


def command(engine: str, limits: Limits, this: This = This()) -> list[str]:  # noqa: B008 (immutable)
    """Return the command that starts :mod:`notebook_marking.inside` in an engine.

    Parameters
    ----------
    engine : {"bubblewrap", "podman", "docker", "trust"}
        How the notebook is kept in.
    limits : Limits
        What it may use.
    this : This
        What this run has of its own.

    Returns
    -------
    list of str
        The command.

    Raises
    ------
    SandboxMissing
        If its program is not installed; the message says how to install it.

    Examples
    --------
    >>> command("trust", Limits())[-1].endswith("inside.py")
    True
    """
    program = ENGINES[engine].program
    if program and not shutil.which(program):
        raise SandboxMissing(ENGINES[engine].missing)
    start = [shutil.which(program)] if program else []
    # Python is isolated from its environment, and writes no byte code.
    python = [sys.executable, "-I", "-B", str(INSIDE)]
    return [*start, *ENGINES[engine].arguments(limits, this), *python]


def _bubblewrap(limits: Limits, this: This) -> list[str]:
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv"]
    if this.user is None:
        words += ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
    else:  # root needs no user namespace, and gives up the rest itself
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    words += ["--hostname", "sandbox"]
    words += [] if this.filter is None else ["--seccomp", str(this.filter)]
    for name, value in environment(SCRATCH).items():
        words += ["--setenv", name, value]
    return [*words, *_file_system(limits)]


def _file_system(limits: Limits) -> list[str]:
    """Build what is to be seen in bubblewrap, from nothing."""
    words, made, hidden = ["--proc", "/proc", "--dev", "/dev"], {Path("/"), Path(SCRATCH)}, []
    for path in ("/dev/shm", SCRATCH):
        words += ["--perms", "1777", "--size", str(limits.scratch), "--tmpfs", path]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for path in _shown():
        words += [*_parents(path, made), "--ro-bind", str(path), str(path)]
        for folder in _hidden_in(path):
            words += ["--perms", "0755", "--tmpfs", str(folder)]
            hidden.append(folder)
    for path in [*reversed(hidden), "/dev", "/"]:
        words += ["--remount-ro", str(path)]
    return [*words, "--chdir", SCRATCH]


def _parents(path: Path, made: set[Path]) -> list[str]:
    """Make the folders above a path for all to enter: bubblewrap would make them for root only."""
    missing = [parent for parent in reversed(path.parents) if parent not in made]
    made.update(missing)
    made.add(path)
    return [word for parent in missing for word in ("--perms", "0755", "--dir", str(parent))]


def _container(limits: Limits, this: This) -> list[str]:
    """Return the arguments of podman or docker."""
    user = os.geteuid() or FIRST_USER
    words = ["run", "--rm", "--interactive", "--name", this.name, "--network", "none", "--read-only"]
    words += ["--user", f"{user}:{user}"]
    words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--hostname", "sandbox"]
    words += ["--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    words += ["--pids-limit", str(limits.processes), "--ulimit", "core=0"]
    for path in ("/dev/shm", SCRATCH):
        words += ["--tmpfs", f"{path}:rw,nosuid,nodev,mode=1777,size={limits.scratch}"]
    for path in _shown():
        words += ["--mount", f"type=bind,src={path},dst={path},readonly"]
        for hidden in _hidden_in(path):
            words += ["--tmpfs", f"{hidden}:ro,size=4096"]
    for name, value in environment(SCRATCH).items():
        words += ["--env", f"{name}={value}"]
    return [*words, "--workdir", SCRATCH, "--entrypoint", "", IMAGE]


def _trust(*_: object) -> list[str]:
    return []


class Engine(NamedTuple):
    """A way to keep a notebook in: its program, what to say without it, and its command."""

    program: str
    missing: str
    arguments: Callable[[Limits, This], list[str]]


TRUST = "Only if you would run each of these notebooks yourself, add --trust: then there is no sandbox."
ENGINES = {
    "bubblewrap": Engine(
        "bwrap",
        "bubblewrap, which keeps submissions from doing harm, is not installed: run `sudo apt install "
        f"bubblewrap` (Debian, Ubuntu) or `sudo dnf install bubblewrap` (Fedora). {TRUST}",
        _bubblewrap,
    ),
    "podman": Engine("podman", f"podman is not installed: see podman.io. {TRUST}", _container),
    "docker": Engine("docker", f"docker is not installed: see docs.docker.com. {TRUST}", _container),
    "trust": Engine("", "", _trust),
}


# What is to be seen --------------------------------------------------------------------------


def _shown() -> list[Path]:
    """Folders and files that a notebook needs, outer ones first."""
    system = [Path("/usr"), Path("/etc/ld.so.cache"), Path("/etc/alternatives"), Path("/etc/localtime")]
    python = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()]
    paths = {path for path in [*system, *python, PACKAGE, INSIDE, *_caches().values()] if path.exists()}
    return sorted(paths, key=lambda path: path.parts)


def _hidden_in(path: Path) -> list[Path]:
    """Return what must not be seen of a folder: the marking, and the project around ``support``."""
    if path == PACKAGE:
        return [PACKAGE / "grading"]
    project = PACKAGE.parent
    return [project] if path in project.parents and (project / "solutions").is_dir() else []


def _caches() -> dict[str, Path]:
    """Return the folders of compiled code and of lists of fonts, by the library that uses them."""
    flags = dict(flag.partition("=")[::2] for flag in os.environ.get("PYTENSOR_FLAGS", "").split(","))
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = {
        "pytensor": Path(flags.get("base_compiledir") or Path.home() / ".pytensor"),
        "matplotlib": Path(os.environ.get("MPLCONFIGDIR") or caches / "matplotlib"),
    }
    places = {library: place.expanduser().resolve() for library, place in places.items()}
    return {library: place for library, place in places.items() if place.is_dir()}


def environment(home: str) -> dict[str, str]:
    """Return the whole environment of a notebook.

    Parameters
    ----------
    home : str
        Its writable folder.

    Returns
    -------
    dict
        Names and values.

    Examples
    --------
    >>> environment("/tmp")["MPLBACKEND"]
    'Agg'
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
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
        "PYTENSOR_FLAGS": f"base_compiledir={home}/.pytensor",
        "MALLOC_ARENA_MAX": "2",  # else each thread reserves address space
        **dict.fromkeys(threads, "1"),
    }


def _outer_environment(engine: str, folder: str) -> dict[str, str]:
    """Return the environment of the engine's own program; bubblewrap's could be read inside."""
    if engine == "trust":
        return environment(folder)
    return {} if engine == "bubblewrap" else dict(os.environ)
