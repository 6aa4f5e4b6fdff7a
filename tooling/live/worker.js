// Python in a worker of its own: it loads once, then runs one cell after another.
import { begin, here } from "./python.js";

const LOST = /fetch|network|load failed/i; // as browsers put it
let run; // the Python function that runs a cell
let read; // and the one that reads a file that a cell has written

self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") run = await start(data.folder);
    let outcome = "ready";
    if (data.kind === "run") outcome = await run(data.source, data.label, data.expect, data.lenient);
    else if (data.kind === "read") outcome = read(data.path);
    self.postMessage({ kind: "done", outcome });
  } catch (error) {
    console.error(error);
    const text = String(error.message || error);
    const lost = !run && LOST.test(text);
    const said = lost ? "Python could not be fetched: see that there is a network." : `Python has failed: ${text}`;
    self.postMessage({ kind: "failed", text: said });
  }
};

async function start(folder) {
  const pyodide = await begin("cells", tell);
  const cells = pyodide.pyimport("cells");
  cells.start((message) => self.postMessage(JSON.parse(message)), folder);
  // Where the browser lets Python wait for others, chains run side by side.
  const waits = "Suspending" in WebAssembly;
  if (waits) self.runAside = runAside;
  read = cells.read;
  return (...cell) => (waits ? cells.run.callPromising(...cell) : cells.run(...cell));
}

// Run a program once for each of several settings, each in a worker of its own; where one fails, all end.
async function runAside(program, arrays, settings) {
  let ended = 0;
  const count = () => tell(`Sampling: ${ended++} of ${settings.length} chains have ended`, 0, 0);
  const asides = settings.map(() => new Worker(`${here}chain.js`));
  const chain = (aside, place) =>
    new Promise((resolve, reject) => {
      const own = settings[place];
      const fail = (text) =>
        reject(new Error(`chain ${place + 1} of ${settings.length}: ${text}. Run the cell again; fewer draws need less memory`));
      aside.onerror = ({ message }) => {
        if (message) return fail(message);
        // Where there is no worker to be had, the chain runs here.
        const alone = async () => (0, eval)(program)(arrays, own);
        alone().then(resolve, ({ message }) => fail(message));
      };
      aside.onmessageerror = () => fail("its draws could not be taken over");
      aside.onmessage = ({ data }) => {
        if (data.error) return fail(data.error);
        aside.terminate();
        count();
        resolve(data.result);
      };
      aside.postMessage({ program, arrays, settings: own });
    });
  count();
  try {
    return await Promise.all(asides.map(chain));
  } finally {
    for (const aside of asides) aside.terminate();
  }
}

function tell(what, done, total) {
  self.postMessage({ kind: "progress", what, done, total });
}
