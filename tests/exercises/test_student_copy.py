"""What a class gets has nothing by which it could be marked, and links to its own repository only."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from repository import listed_and_new

from notebook_marking import review
from notebook_marking.course import Course
from notebook_marking.rosters import plain_name
from tooling.scripts import student_copy
from tooling.scripts.build import BOOK, copy_without_solutions

ROOT = Path(__file__).resolve().parents[2]
COURSE = Course.read(ROOT)
OWN = "https://github.com/school01/class01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("class") / "copy"
    student_copy.copy(ROOT, out, OWN)
    return out


@pytest.fixture(scope="module")
def texts(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


KILLED = """import os, signal
from tooling.scripts import student_copy
whole = student_copy.with_links
def with_links(text, *others):
    if "conftest" in text:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(text, *others)
student_copy.with_links = with_links
student_copy.main()
"""


@pytest.mark.slow
def test_of_a_copy_that_was_killed_nothing_stays(tmp_path, texts):
    out = tmp_path / "copy"
    command = [sys.executable, "-c", KILLED, out, "--repository", OWN]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert not out.exists()
    command = [sys.executable, ROOT / "tooling/scripts/student_copy.py", out, "--repository", OWN]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(texts)


def test_it_has_what_a_class_needs(texts):
    for name in ("exercises/shrinkage-arithmetic.md", "chapters/recap.md", "support/exercises/__init__.py"):
        assert name in texts
    for name in ("Makefile", "requirements.txt", ".python-version", "tooling/scripts/setup.sh"):
        assert name in texts


def test_the_work_of_a_class_that_lies_beside_the_book_is_not_in_it(tmp_path):
    for name in ("marked/review/b.html", "marked.zip", "roster.csv", "exercises/shrinkage-arithmetic.md"):
        (tmp_path / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / name).write_text("student01")
    (tmp_path / "book/_toc.yml").write_text("root: intro\n")
    copy_without_solutions(tmp_path / "book", tmp_path / "copy")
    files = {path.relative_to(tmp_path / "copy").as_posix() for path in tmp_path.glob("copy/**/*.*")}
    assert files == {"_toc.yml", "exercises/shrinkage-arithmetic.md"}


def test_every_part_of_the_book_is_known_as_one():
    parts = {name.split("/")[0] for name in listed_and_new()}
    assert {name for name in parts if not name.startswith(".")} - {"tests"} == BOOK


def test_it_has_no_solution_key_test_or_history(texts):
    for name in texts:
        assert not re.search(r"(^|/)(\.git|tests|solutions|keys|answers)/", name), name
        assert not re.match(r"INSTRUCTORS|CONTRIBUTING", name), name


def test_no_key_and_no_model_answer_is_in_it(texts):
    everything = [plain_name(content.decode("utf-8", "replace")) for content in texts.values()]
    wanted = [path.read_text("utf-8") for path in COURSE.keys.glob("*.py")]
    wanted += [
        text
        for scheme in COURSE.schemes.values()
        for text in review.model_answers(COURSE.page(scheme)).values()
    ]
    wanted += [
        criterion.criterion
        for scheme in COURSE.schemes.values()
        for _, answer in scheme.entries()
        for criterion in getattr(answer, "rubric", ())
    ]
    wanted = [text for text in map(plain_name, wanted) if len(text) > 40]
    assert len(wanted) > 40
    for text in wanted:
        assert not any(text in content for content in everything), text[:80]
        assert len(text) < 200 or not any(text[100:200] in content for content in everything), text[:80]


def test_it_cannot_mark(folder):
    with pytest.raises(ValueError, match="give a folder inside the course"):
        Course.read(folder)


def test_it_cannot_check_and_does_not_say_that_it_could(folder, texts, tmp_path):
    page = texts["exercises/shrinkage-arithmetic.md"].decode()
    assert "`record` says at once" in page
    assert "answers.check" not in page
    assert "answers.check" in (ROOT / "exercises/shrinkage-arithmetic.md").read_text("utf-8")
    code = (
        "from support.exercises import Answers; a = Answers('5.8.1'); a.record('d', factor=0.4); a.check('d')"
    )
    where = {
        "PYTHONPATH": f"{folder}:{folder}/packages/notebook-marking:{folder}/packages/hierarchical-exact"
    }
    words = [
        sys.executable,
        "-c",
        f"import support; assert support.__file__.startswith({str(folder)!r}); {code}",
    ]
    done = subprocess.run(words, cwd=tmp_path, env=where, capture_output=True, text=True, check=False)
    assert "(d) cannot be checked here" in done.stdout, done.stderr


def test_its_links_lead_to_its_own_repository(texts):
    old = "partial-pooling/partial-pooling-book"
    assert [name for name, content in texts.items() if old.encode() in content] == []
    assert OWN in texts["_config.yml"].decode()
    assert "mybinder.org/v2/gh/school01/class01/main" in texts["README.md"].decode()


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "x").touch()
    words = [sys.executable, ROOT / "tooling/scripts/student_copy.py", tmp_path]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "is there already: give a new folder" in done.stderr
