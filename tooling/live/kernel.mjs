// The Python of the pages for notebooks: their kernel imports this module in the place of Pyodide's own.
import { begin } from "./python.js";

export function loadPyodide({ stdout, stderr }) {
  return begin("notebooks", () => {}, { stdout, stderr });
}
