"""What a book may ask to be told, by a function of the same name in its ``conftest.py``."""

from pathlib import Path

from nbformat import NotebookNode


def pytest_myst_nbval_passed(path: Path, notebook: NotebookNode) -> None:
    """Take a page whose cells have all run and passed.

    Parameters
    ----------
    path : pathlib.Path
        The page.
    notebook : nbformat.NotebookNode
        Its cells, with the outputs that were compared.
    """
