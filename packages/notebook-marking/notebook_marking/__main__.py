"""The command that marks a class: ``notebook-marking SUBMISSIONS OUT``."""

import argparse
import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psutil

from notebook_marking import (
    cgroups,
    decisions,
    gradebooks,
    overview,
    plain,
    reports,
    review,
    rosters,
    sandbox,
    similar,
)
from notebook_marking.course import Course
from notebook_marking.marking import Marked, mark, unmarked
from notebook_marking.running import run_all
from notebook_marking.runs import Limits, SandboxError
from notebook_marking.sandbox import find_package
from notebook_marking.submissions import absent, find

# By these an OUT of an earlier run is known.
OURS = ("runs", "review", "grades.csv")
ALL_MARKED, CANNOT_RUN, NEEDS_HUMAN = 0, 2, 3

EXAMPLE = """\
A course is a folder whose pyproject.toml has a section [tool.notebook-marking]: see the package's README.
SUBMISSIONS is what Canvas, Moodle, Blackboard, Brightspace, Gradescope, GitHub Classroom or nbgrader export,
a folder or a zip file, or one folder of <student>_<exercise>.ipynb. Notebooks (.ipynb or .md) run in a
sandbox. OUT gets grades.csv, feedback/, gradescope/ and review/. What has been run already is not run again,
so that a killed run goes on where it stopped.

example:
  notebook-marking ~/course/submitted ~/course/marked --course ~/course/book --jobs 4

exit status:
  0  all is marked
  2  wrong use, or the run could not be made
  3  something needs a human: see the summary and OUT/review/
"""


def main(arguments=None):
    """Mark a class and return the exit status."""
    # Not every terminal can show every name.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    fault = _fault(options)
    if fault:
        parser.error(fault)
    others = _descendants()  # of a program that calls this: they are its own
    try:
        course = Course.read(options.course)
        _check_out(options, course)
        waiting = f"waiting for another run that writes to {options.out}"
        lock = plain.locked(options.out / ".lock", lambda: print(waiting, file=sys.stderr, flush=True))
        with _stopped_by_signals(), lock:
            return grade(options, course)
    except (ValueError, OSError, SandboxError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return CANNOT_RUN
    except KeyboardInterrupt:
        for process in _descendants() - others:  # else those without a sandbox would go on
            with suppress(psutil.Error):
                process.kill()
        sandbox.wait_until_gone()
        print(f"\n{parser.prog}: stopped; the same command goes on from here", file=sys.stderr)
        return CANNOT_RUN


def _descendants():
    """Return the processes that this one started, and those that they did."""
    return set(psutil.Process().children(recursive=True))


@contextmanager
def _stopped_by_signals():
    """Let a terminal that closes, or whoever ends processes, stop this one as Ctrl-C does."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # Those that are ignored, as with nohup, stay so.
    before = {one: signal.getsignal(one) for one in numbers if signal.getsignal(one) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def grade(options, course):
    """Find, run, mark, report."""
    # Broken tables are known before hours of work.
    review.read(options.out / "review" / "marks.csv")
    decisions.read(options.out / "overrides.csv", course.schemes)
    roster = rosters.read(options.roster) if options.roster else rosters.NOBODY
    pages = {scheme.page: scheme.id for scheme in course.schemes.values()}
    submissions = find(options.submissions, pages, roster, options.exercise or ())
    if not submissions:
        raise ValueError(
            f"SUBMISSIONS={options.submissions} holds no notebook: it should hold "
            "<student>/<assignment>/<notebook>.ipynb, <student>_<exercise>.ipynb, or what a system exports"
        )
    submissions = _asked_for(submissions, options.exercise, course.schemes)
    exercises = {one.exercise for one in submissions} & set(course.schemes) | set(options.exercise or ())
    if options.gradebook:
        submissions = gradebooks.with_times(options.gradebook, submissions, exercises)
    submissions += absent(submissions, roster, exercises)
    how = {"view": course.view, "trust": options.trust}
    if not options.dask:  # the workers of a cluster have sandboxes of their own
        sandbox.check(**how)
    runs = run_all(submissions, options.out / "runs", jobs=options.jobs, dask=options.dask, **how)
    rules = {"require_id": options.require_id}
    marked = [
        _mark(submission, run, course, **rules) for submission, run in zip(submissions, runs, strict=True)
    ]
    marked = similar.flagged(marked, course)
    rules = {"lateness": replace(options.late, due=options.due), "hints": options.hints}
    with plain.locked(options.out / "review" / ".lock"):  # against `review`, which writes marks too
        report = reports.report(marked, course, options.out, **rules)
        files = report.files | {"class.html": overview.page(report.marked, course)}
        reports.write(files, options.out)
    print(report.summary)
    if not (options.trust or options.dask or cgroups.scope(Limits().memory)):
        print(cgroups.ABSENT)
    dated = [one for one in submissions if (options.due or one.due) and not (one.absent or one.late)]
    unknown = [one for one in dated if not plain.handed_in(one.time)]
    if unknown:
        print(f"For {len(unknown)} submissions nothing says when they were handed in: taken as in time.")
    if options.gradebook:
        text, missing = gradebooks.fill(options.gradebook, report.marked)
        reports.write({"gradebook.csv": text}, options.out)
        print(f"{options.gradebook.name}, filled in, is {options.out / 'gradebook.csv'}.")
        out_of = {exercise: course.schemes[exercise].out_of for exercise in exercises}
        words = gradebooks.other_points(options.gradebook, out_of)
        words += [f"Not in {options.gradebook.name}: {plain.one_line(name)}" for name in missing]
        print("".join(f"{line}\n" for line in words), end="")
    elif (options.out / "gradebook.csv").exists():
        print(f"{options.out / 'gradebook.csv'} is of an earlier run: add --gradebook to fill it in anew.")
    for name in reports.leftovers(report.files, options.out):
        print(f"{options.out / name} is left from an earlier run; no submission goes with it any more.")
    print(f"Grades are in {options.out / 'grades.csv'}, feedback in {options.out / 'feedback'}.")
    if report.needs_human:
        print(f"Something needs a human: exit status {NEEDS_HUMAN}.")
    return NEEDS_HUMAN if report.needs_human else ALL_MARKED


def _asked_for(submissions, exercises, schemes):
    """Leave out what was handed in for known exercises that are not asked for, and say how much it was."""
    unknown = set(exercises or ()) - set(schemes)
    if unknown:
        raise ValueError(f"--exercise is {min(unknown)!r}: give one of {', '.join(map(repr, schemes))}")
    others = set(schemes) - set(exercises) if exercises else set()
    kept = [submission for submission in submissions if submission.exercise not in others]
    if len(kept) < len(submissions):
        print(f"Left out: {len(submissions) - len(kept)} notebooks of other exercises.")
    return kept


def _mark(submission, run, course, **rules):
    """Mark one submission; one to no known exercise has nothing to mark."""
    scheme = course.schemes.get(submission.exercise)
    if not scheme:
        return Marked(submission, run, (), {}, ())
    try:
        return mark(submission, run, scheme, course, **rules)
    except Exception as error:  # whatever it recorded, the others get their marks
        fault = f"could not be marked: {type(error).__name__}: {error}"
        return Marked(submission, run, unmarked(scheme, fault), {}, (fault,))  # for `overrides.csv` to fill


def _parser():
    parser = argparse.ArgumentParser(
        prog="notebook-marking",
        description="Run the notebooks of a class in a sandbox, and mark the answers that they record.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("submissions", metavar="SUBMISSIONS", type=_path, help="folder or zip file of the notebooks")
    add("out", metavar="OUT", type=_path, help="folder for grades and feedback")
    add("--course", metavar="FOLDER", type=_path, default=Path(), help="the course (default: this folder)")
    add("--roster", metavar="FILE", type=_path, help="CSV of the class: id, name, and names in each system")
    add("--gradebook", metavar="FILE", type=_path, help="CSV exported by Canvas or Moodle, to be filled in")
    add("--exercise", metavar="ID", action="append", help="mark only this one (may be given several times)")
    add("--due", metavar="TIME", type=_checked(plain.moment), help="by when, as in '2026-03-05 23:59'")
    add(
        "--late",
        metavar="RULE",
        type=_checked(decisions.lateness),
        default=decisions.NEVER,
        help="what each day that has begun takes away: points, or per cent of those to be had, as in 10%%",
    )
    add("--hints", action="store_true", help="feedback with hints only: nothing of what is right")
    add("--require-id", action="store_true", help="report answers on the data of the text, known to all")
    add(
        "--trust",
        action="store_true",
        help="no sandbox: every notebook can do all that you can do with this computer, "
        "and read other submissions and the keys",
    )
    add(
        "--jobs",
        metavar="N",
        type=int,
        default=os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        help="how many notebooks to run at a time (default: one for each core)",
    )
    add("--dask", metavar="ADDRESS", help="run on a Dask cluster, as in tcp://host:8786")
    return parser


def _checked(read):
    """Let a function read an argument, and its error be that of the argument."""

    def checked(text):
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _path(text):
    """Path in an argument; behind `OUT=` not every shell knows what ~ is."""
    return Path(text).expanduser()


def _fault(options):
    """Say what is wrong with the arguments and what to do; empty if nothing is."""
    if not options.submissions.exists():
        return f"SUBMISSIONS={options.submissions} is not there: give the folder or zip file of the notebooks"
    if not options.submissions.is_dir() and options.submissions.suffix.lower() != ".zip":
        return f"SUBMISSIONS={options.submissions} is no folder and no zip file: give one"
    for name in ("roster", "gradebook"):
        file = getattr(options, name)
        if file and not file.is_file():
            return f"--{name} is {file}, which is no file: give a CSV file"
    if options.late.each and not (options.due or options.roster):
        return "--late needs a date: add --due, or a roster with a column due"
    submissions, out = options.submissions.resolve(), options.out.resolve()
    if out == submissions or submissions in out.parents:
        return f"OUT={options.out} is in SUBMISSIONS: give a folder outside it"
    if out.exists() and not out.is_dir():
        return f"OUT={options.out} is a file: give a folder"
    names = [path.name for path in out.iterdir() if not path.name.startswith(".")] if out.exists() else []
    if names and not any((out / name).exists() for name in OURS):
        return f"OUT={options.out} holds {min(names)!r}: give a new folder, or the OUT of an earlier run"
    if options.jobs is not None and options.jobs < 1:
        return f"--jobs is {options.jobs}: give at least 1"
    if options.dask and find_spec("distributed") is None:
        return (
            f"--dask is {options.dask}, and the package distributed is not installed: install it here and "
            f"on the workers (here by `uv pip install --python {sys.executable} distributed`)"
        )
    return ""


def _check_out(options, course):
    """Refuse to write into what the course has itself."""
    packages = [place for name in course.packages for place in find_package(name)]
    own = [course.solutions, course.keys, *packages]
    out = options.out.resolve()
    if out == course.root or any(place in (out, *out.parents) for place in own):
        raise ValueError(f"OUT={options.out} is among the course's own files: give a folder elsewhere")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
