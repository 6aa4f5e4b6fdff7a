"""nbgrader takes the exercises as they are released; tooling/scripts/nbgrader.sh installs it (optional)."""

import csv
import os
import shutil
import subprocess
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "_build" / "nbgrader" / "bin"


@pytest.mark.slow
@pytest.mark.skipif(not (PROGRAMS / "nbgrader").exists(), reason="needs tooling/scripts/nbgrader.sh")
def test_nbgrader_accepts_an_exercise(tmp_path):
    def nbgrader(*arguments):
        environment = os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        command = [PROGRAMS / "nbgrader", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
        )

    (tmp_path / "nbgrader_config.py").write_text('get_config().CourseDirectory.course_id = "course"\n')
    (tmp_path / "source" / "pooling").mkdir(parents=True)
    exercise = jupytext.read(ROOT / "exercises" / "shrinkage-arithmetic.md", fmt="md:myst")
    jupytext.write(exercise, tmp_path / "source" / "pooling" / "shrinkage-arithmetic.ipynb")
    nbgrader("generate_assignment", "pooling", "--create")
    handed_in = tmp_path / "submitted" / "ada" / "pooling"
    handed_in.mkdir(parents=True)
    shutil.copy(tmp_path / "release" / "pooling" / "shrinkage-arithmetic.ipynb", handed_in)
    nbgrader("autograde", "pooling")
    run = jupytext.read(tmp_path / "autograded" / "ada" / "pooling" / "shrinkage-arithmetic.ipynb")
    outputs = [output for cell in run.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert "(a) not answered yet: factors, ranks, most, least" in outputs[0]["text"]
    nbgrader("export")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        assert [row["student_id"] for row in csv.DictReader(file)] == ["ada"]
