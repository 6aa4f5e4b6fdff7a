// Compile archives of Python by the Python of the page: node compile.mjs PYODIDE PROGRAM FOLDER
// The program finds the folder as /host.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { NO_PACKAGES } from "./lock.mjs";

// The same bytes each time, sets too.
const ENVIRONMENT = { PYTHONHASHSEED: "0" };
const [pyodide, program, folder] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodide}/pyodide.mjs`));
const python = await loadPyodide({ indexURL: `${pyodide}/`, lockFileContents: NO_PACKAGES, env: ENVIRONMENT });
python.mountNodeFS("/host", folder);
python.runPython(readFileSync(program, "utf8"));
