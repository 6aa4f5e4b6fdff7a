"""In the place of MyST-NB, of which pages use one function."""


def glue(name, variable, display=True):  # noqa: FBT002 (as there)
    """Leave the prose as it is: what the cell computes is in its variables."""
