"""The exception."""


class CompileError(Exception):
    """What compilers of C raise; there is none in a page."""
