"""Run all submissions, side by side, each once: here or on a Dask cluster.

What became of a notebook is stored as soon as it is known, under a hash of its content and of what runs it:
a run that was killed goes on where it was, and a notebook that has not changed is not run again.
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue

import joblib
from tqdm import tqdm

from notebook_marking import sandbox
from notebook_marking.runs import STATUSES, Limits, Run, SandboxError
from notebook_marking.submissions import Submission, read

# A notebook's numbers may change with these.
PACKAGES = ("numpy", "scipy", "xarray", "pandas", "pymc", "pytensor", "nutpie", "arviz", "ipython")


def run_all(
    submissions: Sequence[Submission],
    store: str | os.PathLike,
    *,
    engine: str = "bubblewrap",
    jobs: int | None = None,
    dask: str | None = None,
    limits: Limits | None = None,
    progress: bool = True,
) -> list[Run]:
    """Run all submissions in sandboxes and return what became of each.

    Parameters
    ----------
    submissions : sequence of Submission
        As :func:`notebook_marking.submissions.find` found them. Those with a problem are not run.
    store : path
        Folder for what became of each; made if need be.
    engine : {"bubblewrap", "podman", "docker", "trust"}
        How to keep notebooks in, see :mod:`notebook_marking.sandbox`.
    jobs : int, optional
        How many to run at a time; as many as there are processors, if not given. Each has processors of its
        own as long as there are enough, so that none can slow another. On a cluster, Dask decides.
    dask : str, optional
        Address of a Dask scheduler, for example ``tcp://cluster:8786``. Its workers need this project's
        environment and the engine, but no shared disk.
    limits : Limits, optional
        What each notebook may use.
    progress : bool
        Show a progress bar (on standard error).

    Returns
    -------
    list of Run
        One for each submission, in their order.

    Raises
    ------
    SandboxError
        If the sandbox itself failed for some, once the others have run and are stored.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> run_all([Submission("ada", "5.8.9", Path("x.md"), "there is no exercise of this name")], folder)
    [Run(status='not run', answers={}, remarks=('there is no exercise of this name',))]
    """
    limits = limits or Limits()
    folder = Path(store)
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(engine, limits)
    keys = [None if submission.problem else _key(submission, fingerprint) for submission in submissions]
    by_key = dict(zip(keys, submissions, strict=True))
    by_key.pop(None, None)
    runs = {key: run for key in by_key if (run := _load(folder / f"{key}.json"))}
    todo = {key: submission for key, submission in by_key.items() if key not in runs}
    failures = []
    # On a cluster, joblib counts its processors.
    jobs = -1 if dask else jobs or os.cpu_count()
    silent = not progress or not todo
    with _cluster(dask), tqdm(desc="running", unit="notebook", total=len(todo), disable=silent) as bar:
        for key, outcome in _outcomes(todo, engine, limits, jobs, local=not dask):
            bar.update()
            if isinstance(outcome, Run):
                _save(folder / f"{key}.json", outcome)
                runs[key] = outcome
            else:
                failures.append(f"{todo[key].path}: {outcome}")
    if failures:
        raise SandboxError(_failed(failures, len(todo)))
    return [
        runs[key] if key else Run("not run", {}, (submission.problem,))
        for key, submission in zip(keys, submissions, strict=True)
    ]


def _failed(failures: list[str], total: int) -> str:
    return (
        f"{len(failures)} of {total} notebooks could not be run, through no fault of theirs; the others are "
        f"stored, and the same command tries these again. First: {failures[0]}"
    )


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let joblib use a Dask cluster, if there is an address."""
    if not address:
        yield
        return
    from distributed import Client  # takes a second to import

    with Client(address) as client, joblib.parallel_config(backend="dask", client=client):
        yield


def _outcomes(
    todo: dict[str, Submission], engine: str, limits: Limits, jobs: int, *, local: bool
) -> Iterator:
    """Yield each key with its run, or with what went wrong, as they come."""
    # Here threads do: they only wait for the sandboxes, which are processes of their own.
    backend, shares = ("threading", _shares(jobs)) if local else (None, None)
    parallel = joblib.Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered")
    return parallel(
        joblib.delayed(_task)(
            key, read(submission), submission.path.suffix, submission.exercise, engine, limits, shares
        )
        for key, submission in todo.items()
    )


def _shares(jobs: int) -> SimpleQueue | None:
    """Divide this computer's processors among so many runs at a time."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    processors = sorted(os.sched_getaffinity(0))
    shares = SimpleQueue()
    for job in range(jobs):
        shares.put(processors[job::jobs] or [processors[job % len(processors)]])
    return shares


@contextmanager
def _share(shares: SimpleQueue | None) -> Iterator[Collection[int] | None]:
    """Take one share, and give it back."""
    if shares is None:
        yield None
        return
    share = shares.get()
    try:
        yield share
    finally:
        shares.put(share)


def _task(
    key: str,
    notebook: bytes,
    suffix: str,
    exercise: str,
    engine: str,
    limits: Limits,
    shares: SimpleQueue | None,
) -> tuple[str, Run | str]:
    """Run one notebook. An exception must not end the others, so it comes back as text."""
    try:
        with _share(shares) as processors:
            options = {"engine": engine, "limits": limits, "processors": processors}
            return key, sandbox.run(notebook, suffix, exercise, **options)
    except Exception as error:
        return key, f"{type(error).__name__}: {error}"


# The store -----------------------------------------------------------------------------------


@cache
def _fingerprint(engine: str, limits: Limits) -> str:
    """Return a hash of all that decides, beside its content, what becomes of a notebook."""
    marking = sandbox.PACKAGE / "grading"
    inside = [marking / f"{name}.py" for name in ("inside", "runs", "sandbox", "seccomp", "watching")]
    files = [
        path
        for path in sorted(sandbox.PACKAGE.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and (marking not in path.parents or path in inside)
    ]
    content = {
        "engine": engine,
        "limits": asdict(limits),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "files": {
            str(path.relative_to(sandbox.PACKAGE)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _key(submission: Submission, fingerprint: str) -> str:
    """Return the hash under which a submission's run is stored."""
    words = [fingerprint, submission.path.suffix, submission.exercise]
    return hashlib.sha256(json.dumps(words).encode() + read(submission)).hexdigest()


def _load(path: Path) -> Run | None:
    """Return a stored run; None if there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
        run = Run(content["status"], content["answers"], tuple(content["remarks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run if run.status in STATUSES and isinstance(run.answers, dict) else None


def _save(path: Path, run: Run) -> None:
    """Store a run, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".json")
    try:
        with os.fdopen(descriptor, "w", encoding="utf8") as file:
            json.dump(asdict(run), file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
