"""What lets Python start soon in the page: packages as byte code, and a shorter loop in its loader.

Only the Python of the page writes the byte code that it reads. It runs :mod:`tooling.live.translate` here,
in the JavaScript engine that Playwright brings.
"""

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from tooling.live.archives import replace

HERE = Path(__file__).resolve().parent
LIBRARY = "python_stdlib.zip"
LOADER = "pyodide.asm.mjs"
# For each of a hundred compiled modules it goes through the symbols of all: those not yet found will do.
LOOP = {
    "var GOT={};": "var GOT={},UNFOUND=new Map;",
    "if(!weakImports.has(symName)){rtn": "UNFOUND.set(symName,rtn);if(!weakImports.has(symName)){rtn",
    "for(var[symName,entry]of Object.entries(GOT))": "for(var[symName,entry]of UNFOUND)",
    ")}}}};var loadDylibs=": ")}}}UNFOUND.clear()};var loadDylibs=",
}


def shorten(loader):
    """Return Pyodide's loader of compiled modules, bytes, with its loop over symbols made shorter."""
    text = loader.decode()
    for old, new in LOOP.items():
        if text.count(old) != 1:
            sys.exit(f"{LOADER} has {old!r} {text.count(old)} times, not once: see LOOP in {__file__}.")
        text = text.replace(old, new)
    return text.encode()


def compile_sources(cache):
    """Compile the archives in ``sources`` into ``files``, and Python's own library into ``pyodide``.

    What an interrupted command has left in ``sources`` is compiled by the next.
    """
    sources = cache / "sources"
    if not sources.exists():
        return
    print("live: compiling packages for the page; this is done once, in about a minute", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        python = Path(temporary)
        shutil.copytree(cache / "pyodide", python, dirs_exist_ok=True)
        for packed in python.glob("*.wasm.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        shutil.copyfile(HERE / "archives.py", sources / "archives.py")
        node = compute_driver_executable()[0]
        command = [node, HERE / "compile.mjs", python, HERE / "translate.py", sources]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        # Before the message stands a line of Pyodide's, half a megabyte long.
        sys.exit(f"Packages for the page could not be compiled: {done.stderr[-2000:]}")
    for made in (sources / "compiled").iterdir():
        place = cache / ("pyodide" if made.name == LIBRARY else "files") / made.name
        replace(place, made.read_bytes())
    shutil.rmtree(sources)
