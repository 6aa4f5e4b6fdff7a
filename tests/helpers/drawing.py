"""Figures of the pages, drawn by their own cells: of these, only the statements that a figure needs."""

import ast
import contextlib
import functools
import tempfile

import matplotlib.pyplot as plt
from statements import ROOT

from myst_nbval.pages import code_cells, read

FILLS = ("append", "extend", "update")  # what changes a thing and gives no name


def names(tree, context):
    return {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }


def gives(statement):
    """Names that a statement gives a value to, and those whose value it only changes."""
    if isinstance(statement, ast.FunctionDef):
        return {statement.name}, set()
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}, set()
    changed = {
        node.value.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name)
        if isinstance(node.ctx, ast.Store) or getattr(node, "attr", "") in FILLS
    }
    return names(statement, ast.Store), changed


def needed(statements, wanted):
    """Those of the statements that give or change a name that is used later, in their order."""
    chosen = []
    for statement in reversed(statements):
        given, changed = gives(statement)
        if (given | changed) & wanted:
            if isinstance(statement, ast.Assign | ast.FunctionDef | ast.Import | ast.ImportFrom):
                wanted -= given
            wanted |= names(statement, ast.Load)
            chosen.append(statement)
    return chosen[::-1]


@functools.cache
def drawn(page, name):
    """Return the Figure of this name, such as ``fig-5-37``, as its page draws it."""
    cells = [cell for cell, _ in code_cells(read(ROOT / page))]
    trees = [ast.parse(cell.source) for cell in cells]
    here = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells].index(name)
    before = [statement for tree in trees[:here] for statement in tree.body]
    *body, last = trees[here].body
    space = {}
    code = ast.Module([*needed(before, names(trees[here], ast.Load)), *body], [])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # for answers that are recorded
        exec(compile(code, page, "exec"), space)
        shown = eval(compile(ast.Expression(last.value), page, "eval"), space)
    figure = shown if isinstance(shown, plt.Figure) else plt.gcf()
    plt.close(figure)
    return figure
