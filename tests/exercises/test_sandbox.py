"""The book's pages and models in the sandbox that marks a class."""

from pathlib import Path

import pytest
from myst_nb.core.read import read_myst_markdown_notebook

from notebook_marking import inside
from notebook_marking.course import Course
from notebook_marking.sandbox import run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "chapters").glob("*.md")), *sorted((ROOT / "solutions").glob("*.md"))]


@pytest.mark.sampling
@pytest.mark.slow
def test_a_model_is_fitted_within_the_default_limits():
    cells = (
        "import json, os\nfrom support import datasets, models, sampling",
        "idata = sampling.sample(models.schools_noncentred(datasets.eight_schools()))",
        "mean = float(idata['posterior']['mu'].mean())",
        "os.mkdir('answers')\njson.dump({'mean': mean}, open('answers/5.8.1.json', 'w'))",
    )
    page = "".join(f"```{{code-cell}}\n{cell}\n```\n" for cell in cells).encode()
    result = run(page, ".md", "5.8.1", view=Course.read(ROOT).view)
    assert (result.status, result.remarks) == ("finished", ())
    assert 2 < result.answers["mean"] < 8


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_light_reader_finds_the_cells_that_the_build_finds(path):
    text = path.read_text(encoding="utf8")
    notebook = read_myst_markdown_notebook(text, path=path)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert [source.strip() for source in inside.read_myst(text)] == [source.strip() for source in cells]
