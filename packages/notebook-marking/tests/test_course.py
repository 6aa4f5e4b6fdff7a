"""A course: what is wrong with its description, schemes and keys is said before anything runs."""

import shutil
import subprocess
import sys

import pytest

from notebook_marking.course import Course
from notebook_marking.keys import Key

SETTINGS = """
[tool.notebook-marking]
solutions = "worked"
keys = "worked/keys"
"""


@pytest.fixture
def book(course, tmp_path, monkeypatch):
    """A copy of the course, to be spoilt."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copytree(course.root, tmp_path / "book", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "book"


def test_a_course_is_read(course):
    assert {scheme.page for scheme in course.schemes.values()} == {"sums", "range"}
    assert course.view.packages == ("sums",)
    assert course.view.hidden == str(course.root)
    assert course.data("1", "ada") == {"": ((4.0, 5.0, 7.0),)}
    assert course.page(course.schemes["1"]).name == "sums.md"
    assert course.forms()["2"]["parts"]["a"]["span"] == {"kind": "number", "is": "from the one to the other"}


def test_only_solutions_and_keys_are_needed(book):
    (book / "pyproject.toml").write_text(SETTINGS)
    course = Course.read(book)
    assert course.data("1", "ada") is None
    assert course.packages == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[tool.notebook-marking]",
            "[tool.other]",
            r"course is '.*': give a folder whose pyproject.toml has",
        ),
        ("[tool.notebook-marking]", "[tool", "pyproject.toml is not TOML"),
        ('solutions = "worked"\n', "", "has no 'solutions': give the folder of the solutions"),
        ('keys = "worked/keys"\n', "", "has no 'keys': give the folder of the keys"),
        ('solutions = "worked"', "solutions = 3", "solutions is 3: give a text"),
        ('solutions = "worked"', 'solutions = "nowhere"', "solutions is 'nowhere': give a folder inside"),
        ('keys = "worked/keys"', 'keys = "/tmp"', "keys is '/tmp': give a folder inside the course"),
        (
            'keys = "worked/keys"',
            'keys = "sums"',
            "sums.md has no key: write one of sums.py and sums.yaml in",
        ),
        ('solutions = "worked"', 'solutions = "sums"', r"solutions is 'sums': give a folder with pages"),
        ("data =", "datum =", "has 'datum': give only solutions, keys, data, packages"),
        ("sums.personal:data", "sums.personal", "data is 'sums.personal': give module:function"),
        ("sums.personal:data", "sums.nothing:data", "data is 'sums.nothing:data': give module:function"),
        ("sums.personal:data", "sums.personal:__name__", "which is no function"),
        ('["sums"]', '"sums"', "packages is 'sums': give a list"),
        ('["sums"]', '["sums.personal"]', "packages has 'sums.personal': give the names"),
        ('["sums"]', '["no_such_package"]', "'no_such_package', which is not found: install it"),
        ('["sums"]', '["worked"]', "packages has 'worked', with which notebooks would see .*worked: give"),
    ],
)
def test_what_is_wrong_with_a_setting_is_named(book, old, new, message):
    text = (book / "pyproject.toml").read_text()
    assert old in text
    (book / "pyproject.toml").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        Course.read(book)


def test_a_package_inside_the_solutions_or_around_the_course_is_refused(book):
    text = (book / "pyproject.toml").read_text()
    (book / "pyproject.toml").write_text(text.replace('["sums"]', '["keys"]'))
    sys.path.append(str(book / "worked"))
    with pytest.raises(ValueError, match="packages has 'keys', with which notebooks would see"):
        Course.read(book)
    (book / "pyproject.toml").write_text(text.replace('["sums"]', '["book"]'))
    sys.path.append(str(book.parent))
    with pytest.raises(ValueError, match="packages has 'book', with which notebooks would see"):
        Course.read(book)


# Pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("exercise:", "exercises:", "range.md has no `exercise` in its front matter"),
        ("---\nexercise:", "exercise:", "range.md has no `exercise` in its front matter"),
        ("# Solution 2: Range", "", "range.md has the heading '': give one such as"),
        ('id: "2"', 'id: "1"', "sums.md has the id '1', as range.md has: give another one"),
        ("kind: choice", "kind: menu", "range.md, `exercise` in the front matter"),
        (
            "span: {",
            "range: {",
            "range.yaml and the scheme of range.md differ in a.range, a.span: name the same",
        ),
    ],
)
def test_what_is_wrong_with_a_page_is_named(book, old, new, message):
    page = book / "worked" / "range.md"
    assert old in page.read_text()
    page.write_text(page.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        Course.read(book)


# Keys ----------------------------------------------------------------------------------------


def test_a_key_that_is_a_module_knows_the_data_and_what_came_before(course):
    key = course.key("sums", course.data("1", "ada"))
    assert key["a.total"].value == 16
    assert key["a.total"].mistakes == {"taking the product": 140}
    assert course.key("sums", course.data("1", "ada"), {"a.total": 5.0})["b.twice"].value == 10


def test_a_key_that_is_data(course):
    assert course.key("range", None) == {
        "a.ends": Key([1, 4]),
        "a.span": Key(3, mistakes={"counting both ends": 4}),
        "a.sign": Key(["positive", "not negative"]),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value: 3,", "value: 3e-1x,", "a.span is '3e-1x': give numbers in the shape of the scheme"),
        ("value: 3,", "value: 1e-3,", r"a.span is '1e-3': give numbers .*write 1\.0e-3"),
        ("value: 3,", "value: [3, 4],", r"a.span is \[3, 4\]: give numbers in the shape of the scheme"),
        ("value: 3,", "value: .inf,", "a.span is inf: give numbers"),
        ("value: [1, 4]", "value: 1", "a.ends is 1: give numbers in the shape of the scheme"),
        ("both ends: 4", "both ends: four", "a.span is 'four': give numbers"),
        ("both ends: 4", "both ends: 4", ""),
        (
            "[positive,",
            "[upward,",
            "a.sign is .*: give one of 'positive', 'not negative', 'negative', or a list",
        ),
        (
            "value: 3, mistakes",
            "values: 3, mistakes",
            "range.yaml is no key: give answers as `a.total: {value",
        ),
        ("a.ends: {", "a.ends: [", "range.yaml is no key"),
    ],
)
def test_what_is_wrong_with_a_key_that_is_data_is_named(book, old, new, message):
    key = book / "worked" / "keys" / "range.yaml"
    text = key.read_text().replace('"counting both ends"', "both ends")
    assert old in text
    key.write_text(text.replace(old, new))
    if not message:
        assert Course.read(book).key("range", None)["a.span"].value == 3
        return
    with pytest.raises(ValueError, match=message):
        Course.read(book)


def test_two_keys_for_a_page_are_refused(book):
    (book / "worked/keys/range.py").write_text("")
    with pytest.raises(ValueError, match=r"range.md has two keys: write one of range.py and range.yaml in"):
        Course.read(book)


def test_a_posterior_needs_a_module(book):
    (book / "worked/keys/sums.py").unlink()
    names = ("a.total", "a.largest", "b.twice", "c.mean", "c.fit")
    values = {"a.largest": "{value: third}"}
    text = "".join(f"{name}: {values.get(name, '{value: 1}')}\n" for name in names)
    (book / "worked/keys/sums.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"c\.fit is 1: give the key of a posterior as a module"):
        Course.read(book)


def test_a_key_of_the_same_name_in_another_course_is_not_taken(course, book):
    assert course.key("sums", course.data("1", ""))  # now `worked.keys.sums` is imported
    with pytest.raises(ValueError, match="imported in place of"):
        Course.read(book).key("sums", {"": ((1.0,),)})


# What it imports -----------------------------------------------------------------------------


@pytest.mark.slow
def test_marking_imports_neither_a_sampler_nor_arviz_nor_what_notebooks_import(course):
    code = (
        "import sys\n"
        "from notebook_marking import __main__\n"
        "from notebook_marking.course import Course\n"
        f"course = Course.read({str(course.root)!r})\n"
        "course.key('sums', course.data('1', ''))\n"
        "print(sorted(set(sys.modules) & {'pymc', 'arviz', 'xarray', 'scipy', 'distributed', 'IPython'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_packages_are_found_without_being_imported(book):
    (book / "fruits.py").write_text("raise RuntimeError('imported')")
    text = (book / "pyproject.toml").read_text()
    (book / "pyproject.toml").write_text(text.replace('["sums"]', '["sums", "fruits"]'))
    assert Course.read(book).packages == ("sums", "fruits")
