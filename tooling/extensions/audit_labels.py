"""Let ``{ref}`` lead to the entries of the audit, which are rows of a table that code computes.

Sphinx knows labels of the text only. So give it one for each group of stated numbers and for each
claim: ``audit-`` and its name.
"""

from pathlib import Path

import yaml

PAGE = "chapters/audit"
FILES = ("stated.yaml", "claims.yaml")


def labels(root, pages):
    """Return the labels of the entries that concern these pages."""
    folder = Path(root) / "tooling" / "audit" / "data"
    files = [yaml.safe_load((folder / name).read_text(encoding="utf8")) for name in FILES]
    entries = [entry for file in files for entry in file]
    return [f"audit-{entry['id']}" for entry in entries if entry["page"].partition(".md")[0] in pages]


def register(app, env):
    """Make the labels known, if the book has the page that they lead to."""
    if PAGE not in env.found_docs:
        return
    standard = env.get_domain("std")
    # In the edition for a class the page leaves out what belongs to the solutions.
    for label in labels(app.srcdir, env.found_docs):
        standard.anonlabels[label] = (PAGE, label)
        standard.labels[label] = (PAGE, label, "audit")


def setup(app):
    """Register once all pages are read, before references are resolved."""
    app.connect("env-updated", register)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
