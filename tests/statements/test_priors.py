"""Sentences are checked for the priors of their pages: whoever changes one is told what else has it."""

from statements import PRIORS, ROOT, priors


def test_sentences_were_checked_with_the_priors_that_their_pages_have():
    before, now = PRIORS.read_text("utf-8").splitlines(), priors()
    changed = sorted({*before} ^ {*now})
    pages = {line.partition(": ")[0] for line in changed}
    tests = sorted(ROOT.glob("tests/**/test_*.py"))
    theirs = [path.name for path in tests if any(page in path.read_text("utf-8") for page in pages)]
    assert not changed, (
        f"these priors are new, or no longer there: {changed}. What checks sentences of {sorted(pages)} has "
        f"priors of its own: change them in {theirs}, and in claims.py and sensitivity.py of tooling/audit "
        "where they stand there, then run `.venv/bin/python tests/helpers/statements.py`"
    )


def test_all_pages_with_a_model_have_priors():
    pages = {line.partition(": ")[0] for line in priors()}
    models = [path for path in ROOT.glob("chapters/*.md") if "with pm.Model" in path.read_text("utf-8")]
    assert models
    assert pages > {path.relative_to(ROOT).as_posix() for path in models}
