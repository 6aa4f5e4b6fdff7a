// Python in a worker of its own: it loads once, then runs one cell after another.
import { loadPyodide } from "./pyodide/pyodide.mjs";

// Packages come from here, not from where Pyodide would look for them.
const NO_PACKAGES = {
  info: { abi_version: "2026_0", arch: "wasm32", platform: "emscripten_5_0_3", python: "3.14.0", version: "314.0.3" },
  packages: {},
};
// PyMC takes half of the processors for threads of the others, and of one it has none left.
const ENVIRONMENT = { PYTHON_CPU_COUNT: "2" };
const here = new URL("./", import.meta.url).href;
let index; // what there is to fetch, with its bytes
let run; // the Python function that runs a cell
let loaded = 0; // bytes

self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "start") run = await start(data.folder);
    const outcome = data.kind === "run" ? await run(data.source, data.label, data.expect) : "ready";
    self.postMessage({ kind: "done", outcome });
  } catch (error) {
    console.error(error);
    self.postMessage({ kind: "failed", text: String(error.message || error) });
  }
};

// Start Python with what every page needs; what only some need is fetched when it is imported.
async function start(folder) {
  index = await (await get("index.json")).json();
  const first = index.files.filter((file) => file.first);
  const total = index.core + first.reduce((sum, file) => sum + file.bytes, 0);
  const count = (bytes) => tell("Loading Python", (loaded += bytes), total);
  const ordinary = self.fetch;
  self.fetch = async (request, ...settings) => {
    const address = String(request.url ?? request);
    const packed = address.endsWith(".wasm");
    const answer = counted(await ordinary(packed ? `${address}.gz` : request, ...settings), count);
    return packed && answer.ok ? unpacked(answer) : answer;
  };
  const [pyodide, ...contents] = await Promise.all([
    loadPyodide({ indexURL: `${here}pyodide/`, lockFileContents: NO_PACKAGES, env: ENVIRONMENT }),
    ...first.map(async (file) => new Uint8Array(await (await get(`files/${file.name}`)).arrayBuffer())),
  ]);
  self.fetch = ordinary;
  tell("Starting Python", total, total);
  pyodide.FS.mkdirTree("/inside");
  for (const name of ["cells.py", "intervals.py"]) {
    pyodide.FS.writeFile(`/inside/${name}`, await (await get(name)).text());
  }
  const cells = pyodide.runPython("import sys; sys.path.append('/inside'); import cells; cells");
  const post = (message) => self.postMessage(JSON.parse(message));
  cells.start(JSON.stringify(index), fetchNow, post, folder);
  for (const [place, file] of first.entries()) cells.packages.put(file.name, contents[place]);
  // Where the browser lets Python wait for others, chains run side by side.
  const waits = "Suspending" in WebAssembly;
  if (waits) self.runAside = runAside;
  return (...cell) => (waits ? cells.run.callPromising(...cell) : cells.run(...cell));
}

// Run a program once for each of several settings, each in a worker of its own.
function runAside(program, arrays, settings) {
  let ended = 0;
  const count = () => tell(`Sampling: ${ended++} of ${settings.length} chains have ended`, 0, 0);
  count();
  const finished = settings.map(
    (own) =>
      new Promise((resolve, reject) => {
        const aside = new Worker(`${here}chain.js`);
        // Where there is no worker to be had, the chain runs here.
        aside.onerror = () => Promise.resolve().then(() => (0, eval)(program)(arrays, own)).then(resolve, reject);
        aside.onmessage = ({ data }) => {
          aside.terminate();
          count();
          if (data.error) reject(new Error(data.error));
          else resolve(data.result);
        };
        aside.postMessage({ program, arrays, settings: own });
      }),
  );
  return Promise.all(finished);
}

async function get(name) {
  // The index has the same name in every edition of the book; all else is named by what it holds.
  const answer = await self.fetch(here + name, name === "index.json" ? { cache: "no-cache" } : {});
  if (!answer.ok) throw new Error(`${name} could not be fetched (${answer.status}).`);
  return answer;
}

// Fetch a file while Python waits for it.
function fetchNow(name) {
  const { bytes } = index.files.find((file) => file.name === name);
  tell(`Loading ${name.split("-")[0]}`, 0, bytes);
  const request = new XMLHttpRequest();
  request.open("GET", `${here}files/${name}`, false);
  request.responseType = "arraybuffer";
  try {
    request.send();
  } catch {} // without a network its status is 0
  if (request.status !== 200) throw new Error(`${name} could not be fetched (${request.status || "no network"}).`);
  tell("Running", 0, 0);
  return new Uint8Array(request.response);
}

// An answer that reports how much of it has come.
function counted(answer, count) {
  if (!answer.body || !answer.ok) return answer;
  const counter = new TransformStream({
    transform(piece, controller) {
      count(piece.byteLength);
      controller.enqueue(piece);
    },
  });
  return new Response(answer.body.pipeThrough(counter), { headers: answer.headers });
}

function unpacked(answer) {
  const content = answer.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(content, { headers: { "Content-Type": "application/wasm" } });
}

function tell(what, done, total) {
  self.postMessage({ kind: "progress", what, done, total });
}
