"""Run all submissions, side by side, each once: here or on a Dask cluster.

What became of a notebook is stored as soon as it is known, under a hash of its content and of what runs it:
a run that was killed goes on where it was, and a notebook that has not changed is not run again.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from queue import SimpleQueue

import joblib
from tqdm import tqdm

from notebook_marking import plain, sandbox
from notebook_marking.runs import STATUSES, Limits, Run, SandboxError
from notebook_marking.sandbox import NO_COURSE, View, find_package
from notebook_marking.submissions import Submission, read

# The modules of this package that decide what becomes of a notebook; all others come after its run.
PART = ("answers", "cgroups", "checking", "forms", "inside", "runs", "sandbox", "seccomp", "watching")


def run_all(
    submissions: Sequence[Submission],
    store: str | os.PathLike,
    *,
    view: View = NO_COURSE,
    trust: bool = False,
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
    view : View
        What notebooks may see of the course.
    trust : bool
        Run them without a sandbox.
    jobs : int, optional
        How many to run at a time; as many as there are processors, if not given. Each has processors of its
        own as long as there are enough, so that none can slow another. On a cluster, Dask decides.
    dask : str, optional
        Address of a Dask scheduler, for example ``tcp://cluster:8786``. Its workers need this package with
        its extra ``cluster``, the course's and bubblewrap, but no shared disk.
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

    See Also
    --------
    notebook_marking.submissions.find : Finds what is to be run.
    notebook_marking.sandbox.run : One notebook.
    notebook_marking.marking.mark : Marks what came of it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> run_all([Submission("ada", "5.8.9", Path("x.md"), "there is no exercise of this name")], folder)
    [Run(status='not run', answers={}, remarks=('there is no exercise of this name',))]
    """
    limits = limits or Limits()
    folder = Path(store)
    folder.mkdir(parents=True, exist_ok=True)
    options = {"view": view, "trust": trust, "limits": limits}
    fingerprint = _fingerprint(**options)
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
        for key, outcome in _outcomes(todo, options, jobs, local=not dask):
            bar.update()
            if isinstance(outcome, Run):
                plain.write(folder / f"{key}.json", json.dumps(asdict(outcome)))
                runs[key] = outcome
            else:
                failures.append(f"{todo[key].path}: {outcome}")
    if failures:
        raise SandboxError(
            f"{len(failures)} of {len(todo)} notebooks could not be run, through no fault of theirs; the "
            f"others are stored, and the same command tries these again. First: {failures[0]}"
        )
    return [
        runs[key] if key else Run("not run", {}, (submission.problem,))
        for key, submission in zip(keys, submissions, strict=True)
    ]


@contextmanager
def _cluster(address):
    """Let joblib use a Dask cluster, if there is an address."""
    if not address:
        yield
        return
    from distributed import Client  # takes a second to import

    with Client(address) as client, joblib.parallel_config(backend="dask", client=client):
        yield


def _outcomes(todo, options, jobs, *, local):
    """Yield each key with its run, or with what went wrong, as they come."""
    # Here threads do: they only wait for the sandboxes, which are processes of their own.
    backend, shares = ("threading", _shares(jobs)) if local else (None, None)
    parallel = joblib.Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered")
    return parallel(
        joblib.delayed(_task)(key, read(submission), submission.suffix, submission.exercise, options, shares)
        for key, submission in todo.items()
    )


def _shares(jobs):
    """Divide this computer's processors among so many runs at a time."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    processors = sorted(os.sched_getaffinity(0))
    shares = SimpleQueue()
    for job in range(jobs):
        shares.put(processors[job::jobs] or [processors[job % len(processors)]])
    return shares


@contextmanager
def _share(shares):
    """Take one share, and give it back."""
    if shares is None:
        yield None
        return
    share = shares.get()
    try:
        yield share
    finally:
        shares.put(share)


def _task(key, notebook, suffix, exercise, options, shares):
    """Run one notebook. An exception must not end the others, so it comes back as text."""
    try:
        with _share(shares) as processors:
            return key, sandbox.run(notebook, suffix, exercise, processors=processors, **options)
    except Exception as error:
        return key, f"{type(error).__name__}: {error}"


# The store -----------------------------------------------------------------------------------


def _fingerprint(view, limits, *, trust):
    """Return a hash of all that decides, beside its content, what becomes of a notebook."""
    files = [(f"{name}.py", sandbox.INSIDE.with_name(f"{name}.py")) for name in PART]
    for place in (place for name in view.packages for place in find_package(name)):
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        files += [(str(path.relative_to(place.parent)), path) for path in found if path.is_file()]
    content = {
        "trust": trust,
        "limits": asdict(limits),
        "python": platform.python_version(),
        "installed": sorted({f"{one.name} {one.version}" for one in metadata.distributions()}),
        "files": {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files
            if path.suffix != ".pyc"
        },
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _key(submission, fingerprint):
    """Return the hash under which a submission's run is stored."""
    words = [fingerprint, submission.suffix, submission.exercise]
    return hashlib.sha256(json.dumps(words).encode() + read(submission)).hexdigest()


def _load(path):
    """Return a stored run; None if there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
        run = Run(content["status"], content["answers"], tuple(content["remarks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return run if run.status in STATUSES and isinstance(run.answers, dict) else None
