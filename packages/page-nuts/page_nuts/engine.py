"""Runs JavaScript: in a page that of the browser, elsewhere Node's."""

import base64
import json
import shutil
import subprocess
import sys

import numpy as np

# Arrays of numbers go as the bytes that they are.
DRIVER = """
const unpack = (text) => new Float64Array(new Uint8Array(Buffer.from(text, "base64")).buffer);
const pack = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
const { program, arrays, settings } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const unpacked = Object.fromEntries(Object.entries(arrays).map(([name, text]) => [name, unpack(text)]));
let packed;
try {
  const result = eval(program)(unpacked, settings);
  packed = Object.fromEntries(Object.entries(result).map(([name, array]) => [name, pack(array)]));
} catch (error) {
  packed = { failure: error.message };
}
process.stdout.write(JSON.stringify(packed));
"""


def run(program: str, arrays: dict[str, np.ndarray], settings: dict) -> dict[str, np.ndarray]:
    """Call a function of JavaScript.

    Parameters
    ----------
    program : str
        An expression: a function of the arrays, as an object of ``Float64Array``, and the settings, which
        returns an object of ``Float64Array``.
    arrays : dict of numpy.ndarray
        Flat arrays of numbers.
    settings : dict
        Numbers by name.

    Returns
    -------
    dict of numpy.ndarray
        Flat.

    Raises
    ------
    RuntimeError
        If there is no JavaScript here, or it fails.
    """
    return run_each(program, arrays, [settings])[0]


def run_each(
    program: str, arrays: dict[str, np.ndarray], settings: list[dict]
) -> list[dict[str, np.ndarray]]:
    """Call a function of JavaScript once for each of several settings.

    They run side by side where a page has ``runAside``, a function of the program, the arrays and the list
    of settings that returns a promise of the list of results, and Python can wait for it; else one after
    another.

    Parameters
    ----------
    program, arrays
        As for `run`.
    settings : list of dict
        Numbers by name.

    Returns
    -------
    list of dict of numpy.ndarray
        As `run` returns them.

    Raises
    ------
    RuntimeError
        As `run` raises it.
    """
    flat = {name: np.ascontiguousarray(value, dtype=float).ravel() for name, value in arrays.items()}
    if sys.platform == "emscripten":
        return _in_page(program, flat, settings)
    return [_in_node(program, flat, own) for own in settings]


def _in_page(program, arrays, settings):
    import js
    from pyodide.code import run_js
    from pyodide.ffi import JsException, can_run_sync, run_sync, to_js

    def convert(entries):
        return to_js(entries, dict_converter=js.Object.fromEntries)

    try:
        if len(settings) > 1 and hasattr(js, "runAside") and can_run_sync():
            results = run_sync(js.runAside(program, convert(arrays), convert(settings)))
        else:
            function = run_js(program)
            results = [function(convert(arrays), convert(own)) for own in settings]
    except JsException as error:
        raise RuntimeError(f"the sampler failed: {error}") from None
    return [
        {name: np.asarray(array.to_py()) for name, array in result.object_entries()} for result in results
    ]


def _in_node(program, arrays, settings):
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("page_nuts runs in a page, or where Node is installed: elsewhere use nutpie")
    packed = {name: base64.b64encode(value.tobytes()).decode() for name, value in arrays.items()}
    task = json.dumps({"program": program, "arrays": packed, "settings": settings})
    done = subprocess.run([node, "-e", DRIVER], input=task, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the sampler failed: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if "failure" in result:
        raise RuntimeError(f"the sampler failed: {result['failure']}")
    return {name: np.frombuffer(base64.b64decode(text)) for name, text in result.items()}
