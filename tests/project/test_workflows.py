"""The workflows: valid, pinned, with no more rights than they need, and in step with the project."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from browsing import need_chromium
from click.testing import CliRunner
from repository import git

from tooling.scripts import chromium

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
# All that any job may do beyond reading, and why.
MAY_WRITE = {
    ("book.yml", "publish"): {"pages", "id-token"},  # deploying to Pages asks for both
    ("weekly.yml", "report"): {"issues"},
}
PIN = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def check_schema(schema, path):
    """Return what a schema that check-jsonschema brings along says against a file, or nothing."""
    result = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, str(path)])
    return result.output if result.exit_code else ""


def faults(text, name):
    """Return what is wrong with a workflow, one sentence each."""
    workflow = yaml.safe_load(text)
    found = [
        f"not pinned by commit, with the version in a comment: {uses}"
        for uses in re.findall(r"uses: *(.+)", text)
        if not PIN.fullmatch(uses.strip())
    ]
    if workflow.get("permissions") != {}:
        found.append("the workflow must give no rights (permissions: {}); each job takes its own")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for job_name, job in workflow["jobs"].items():
        if "permissions" not in job:
            found.append(f"{job_name} declares no permissions")
        rights = {right for right, level in job.get("permissions", {}).items() if level != "read"}
        if not rights <= MAY_WRITE.get((name, job_name), set()):
            found.append(f"{job_name} may write {', '.join(sorted(rights))}")
        commands = "\n".join(step.get("run", "") for step in job["steps"])
        if "${{" in commands:
            found.append(f"{job_name} pastes an expression into a command: pass it by env")
        unknown = set(re.findall(r"\bmake +([\w-]+)", commands)) - set(targets)
        found += [f"{job_name} calls make {target}, which the Makefile does not have" for target in unknown]
    return found


@pytest.mark.parametrize(
    ("variables", "end"),
    [({}, pytest.skip), ({"CI": "true"}, pytest.fail), ({"CI": "true", "BOOK_BARE": "1"}, pytest.skip)],
)
def test_a_missing_browser_is_an_excuse_but_in_ci(monkeypatch, variables, end):
    monkeypatch.setattr(chromium, "PATH", None)
    for name in ("CI", "BOOK_BARE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception), match="Chromium is not") as raised:
        need_chromium()
    assert raised.type is end.Exception


def jobs(name):
    return yaml.safe_load((GITHUB / "workflows" / name).read_text())["jobs"]


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_are_valid_and_keep_the_rules(path):
    assert check_schema("vendor.github-workflows", path) == ""
    assert check_schema("custom.github-workflows-require-timeout", path) == ""
    assert faults(path.read_text(), path.name) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "not pinned by commit"),
        (" # v7.0.1", "", "not pinned by commit"),
        (" # v7.0.1", " # v7", "not pinned by commit"),
        ("permissions: {}\n", "", "must give no rights"),
        ("    permissions:\n      contents: read\n", "", "test declares no permissions"),
        ("contents: read", "contents: write", "test may write contents"),
        ("pages: write", "pages: write\n      packages: write", "may write id-token, packages"),
        ("make book", "make books", "make books, which the Makefile does not have"),
        ("$BOOK_PYTHON", "${{ matrix.python }}", "pastes an expression into a command"),
    ],
)
def test_a_breach_of_the_rules_is_found(old, new, fault):
    text = (GITHUB / "workflows/book.yml").read_text()
    assert old in text
    assert any(fault in sentence for sentence in faults(text.replace(old, new, 1), "book.yml"))


@pytest.mark.parametrize(
    ("schema", "old", "new"),
    [
        ("vendor.github-workflows", "runs-on:", "run-on:"),
        ("custom.github-workflows-require-timeout", "timeout-minutes: 45", "if: true"),
    ],
)
def test_the_schemas_bite(tmp_path, schema, old, new):
    path = tmp_path / "book.yml"
    path.write_text((GITHUB / "workflows/book.yml").read_text().replace(old, new, 1))
    assert check_schema(schema, path) != ""


def test_other_files_that_services_read_are_valid():
    assert check_schema("vendor.dependabot", GITHUB / "dependabot.yml") == ""
    assert check_schema("vendor.citation-file-format", ROOT / "CITATION.cff") == ""


def test_each_action_has_one_version():
    pins = {uses.strip() for path in WORKFLOWS for uses in re.findall(r"uses: *(.+)", path.read_text())}
    assert len({pin.split("@")[0] for pin in pins}) == len(pins)


def test_the_same_python_versions_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = jobs("book.yml")["test"]["strategy"]["matrix"]["python"]
    named = re.findall(r":: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    assert tested == named
    assert project["requires-python"] == f">={tested[0]}"
    assert f"Python {tested[0]} or newer" in (ROOT / "README.md").read_text()
    assert (ROOT / ".python-version").read_text().strip() in tested


def test_a_job_of_the_matrix_tests_on_its_own_version():
    job = jobs("book.yml")["test"]
    assert job["env"]["BOOK_PYTHON"] == "${{ matrix.python }}"
    assert [command for command in commands(job) if command.startswith("make")] == [
        "make setup",
        "make test",
        "make book",
        "make pdf",
    ]
    (check,) = (command for command in commands(job) if "BOOK_PYTHON" in command)
    *_, own = (line for line in check.splitlines() if "grep" in line)
    script = own.replace(".venv/bin/python", sys.executable)
    version = "{}.{}".format(*sys.version_info)
    for asked, code in ((version, 0), ("3.1", 1), ("2.7", 1)):
        process = subprocess.run(
            ["bash", "-ec", script], env={"BOOK_PYTHON": asked, "PATH": "/usr/bin:/bin"},
            capture_output=True, check=False,
        )  # fmt: skip
        assert process.returncode == code


def test_what_make_sets_up_is_set_up_on_windows_too():
    """Without make and sh, the workflow installs by itself, and a package that it forgets ends the tests."""
    (setup,) = (text for text in commands(jobs("book.yml")["elsewhere"]) if "--editable" in text)
    installed = set(re.findall(r"--editable (\S+)", setup))
    script = (ROOT / "tooling/scripts/setup.sh").read_text(encoding="utf8")
    assert installed == set(re.findall(r"--editable (\S+)", script))
    assert installed == {".", *(f"packages/{path.name}" for path in (ROOT / "packages").iterdir())}


def test_only_main_is_published_and_only_what_passed():
    publish = jobs("book.yml")["publish"]
    assert publish["needs"] == ["test", "pages"]
    assert publish["if"].startswith("github.ref == 'refs/heads/main' && ")
    (upload,) = (step for step in jobs("book.yml")["test"]["steps"] if "upload" in step.get("uses", ""))
    assert upload["if"].startswith(publish["if"])
    assert jobs("book.yml")["test"]["steps"][-1] == upload


GH = """\
#!/bin/sh
case "$2" in
list) printf '%s\\n' "$OPEN" ;;
create) printf '%s\\n' "$@" >created ;;
esac
"""


def report(folder, **variables):
    """Run the step that reports, with a stand-in for GitHub's command; return the issue it opens."""
    (step,) = jobs("weekly.yml")["report"]["steps"]
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    title = step["env"]["TITLE"]
    settings = {"TITLE": title, "RUN": "the run", "OPEN": "", "VERSIONS": "", "FAULTS": ""}
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", **settings, **variables},
        check=True,
    )
    created = folder / "created"
    return created.read_text() if created.exists() else None


def test_what_moved_opens_an_issue(tmp_path):
    issue = report(
        tmp_path,
        OPEN="Another issue",
        FAULTS="FAILED chapters/eight-schools.md::cell 3",
        VERSIONS="-numpy==1\n+numpy==2",
    )
    assert "The book does not hold with the newest versions" in issue.splitlines()
    assert "the run" in issue
    assert "FAILED chapters/eight-schools.md::cell 3" in issue
    assert "-numpy==1\n+numpy==2" in issue


def test_text_from_a_log_is_not_run(tmp_path):
    issue = report(tmp_path, FAULTS="$(touch run) `touch run` %s\n; touch run")
    assert "$(touch run) `touch run` %s" in issue
    assert not (tmp_path / "run").exists()


def test_no_second_issue_while_one_is_open(tmp_path):
    title = jobs("weekly.yml")["report"]["steps"][0]["env"]["TITLE"]
    assert report(tmp_path, OPEN=f"Another\n{title}") is None


def test_the_weekly_run_starts_from_nothing_and_reports_any_fault(tmp_path):
    execute, bare, steady, other, issue = jobs("weekly.yml").values()
    assert issue["needs"] == ["execute", "bare", "steady", "other"]
    assert re.findall(r"\bmake (\w+)$", "\n".join(commands(bare)), re.MULTILINE) == ["book", "test"]
    assert not any("cache" in step.get("uses", "") for step in execute["steps"])
    assert "\n".join(commands(execute)).startswith("rm requirements.txt\nmake lock\n")
    assert commands(steady)[-1] == "make book steady"
    assert commands(other) == ["make test SEED=7 SAMPLER=pymc"]
    succeeded = " ".join(["success"] * len(issue["needs"]))
    assert issue["if"] == f"${{{{ !cancelled() && join(needs.*.result, ' ') != '{succeeded}' }}}}"

    (gather,) = (step["run"] for step in execute["steps"] if step.get("id") == "faults")
    (tmp_path / "test.log").write_text("...\nFAILED tests/test_x.py::test - assert 1 == 2\n1 failed\n")
    output = tmp_path / "output"
    # The log of the build is missing where the set-up failed.
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", gather],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output)},
        check=True,
    )
    assert output.read_text().splitlines() == [
        "faults<<END_OF_FAULTS",
        "FAILED tests/test_x.py::test - assert 1 == 2",
        "END_OF_FAULTS",
    ]


def test_the_versions_that_changed_are_listed(tmp_path):
    (lock,) = (step["run"] for step in jobs("weekly.yml")["execute"]["steps"] if step.get("id") == "lock")
    command = [git(), "-c", "user.name=t", "-c", "user.email=t@t"]
    (tmp_path / "requirements.txt").write_text("a==1 \\\n    --hash=sha256:0\nb==1 ; x \\\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "."]):
        subprocess.run([*command, *words], cwd=tmp_path, check=True)
    script = "#!/bin/sh\nprintf 'a==1 \\\\\\n    --hash=sha256:0\\nb==2 ; x \\\\\\n' >requirements.txt\n"
    (tmp_path / "make").write_text(script)
    (tmp_path / "make").chmod(0o755)
    output = tmp_path / "output"
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", lock],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "GITHUB_OUTPUT": str(output)},
        check=True,
    )
    assert output.read_text().splitlines() == [
        "versions<<END_OF_VERSIONS",
        "-b==1",
        "+b==2",
        "END_OF_VERSIONS",
    ]
