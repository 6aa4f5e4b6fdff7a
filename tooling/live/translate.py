"""Translates the modules in archives into byte code, within the Python of the page, for ``compile.mjs``."""

import importlib.util
import marshal
import sys
import warnings
import zipfile
from pathlib import Path

SOURCES = Path("/host")
sys.path.append(str(SOURCES))
import archives  # noqa: E402 (it lies there)

SMALLEST = (zipfile.ZIP_ZSTANDARD, 19)
LIBRARY = "python_stdlib.zip"  # Python reads it by itself, and no other kind
# Byte code that is taken without a look at its source.
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)


def translate(name, content):
    """Return a file of a package, as byte code if it is a module of Python."""
    if not name.endswith(".py"):
        return name, content
    try:
        code = compile(content, f"/site/{name}", "exec", dont_inherit=True)
    except SyntaxError:  # a template, or for another Python
        return name, content
    return f"{name}c", HEADER + marshal.dumps(code)


warnings.simplefilter("ignore")  # of other people's code
for source in sorted(SOURCES.glob("*.zip")):
    with zipfile.ZipFile(source) as opened:
        members = [
            translate(info.filename, opened.read(info)) for info in opened.infolist() if not info.is_dir()
        ]
    target = SOURCES / "compiled" / source.name
    if source.name == LIBRARY:
        archives.write(target, members)
    else:
        archives.pack(target, members, SMALLEST)
