"""The page that searches loads what finds other spellings, and nothing else does."""


def add_script(app, page, template, context, tree):  # noqa: ARG001 (Sphinx passes them)
    """Let the page that searches load the script of ``tooling/extra/``, once Sphinx's own is there."""
    if page == "search":
        app.add_js_file("../search/search.js", loading_method="defer")


def setup(app):
    """Connect to Sphinx."""
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
