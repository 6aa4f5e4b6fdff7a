"""In the place of watermark, which needs IPython: the versions of what a page has imported."""

import platform
import sys
from types import ModuleType


def watermark(*, python, iversions, globals_):  # noqa: ARG001 (the page passes them)
    """Return Python's version, and those of the packages among the names of a page."""
    names = {value.__name__.partition(".")[0] for value in globals_.values() if isinstance(value, ModuleType)}
    packages = [(name, getattr(sys.modules.get(name), "__version__", None)) for name in sorted(names)]
    lines = [f"{name}: {version}" for name, version in packages if version]
    return "\n".join([f"Python version: {platform.python_version()}", "", *lines])
