// Python with the packages that come first, within a worker: for the cells of a page, and for a notebook.
import { NO_PACKAGES } from "./lock.mjs";
import { loadPyodide } from "./pyodide/pyodide.mjs";

// PyMC takes half of the processors for threads of the others, and of one it has none left.
const ENVIRONMENT = { PYTHON_CPU_COUNT: "2", PYTHONSTARTUP: "/inside/notebook.py" };
const INSIDE = ["arriving.py", "cells.py", "intervals.py", "notebook.py"];
export const here = new URL("./", import.meta.url).href;
let index; // what there is to fetch, with its bytes
let loaded = 0; // bytes

// Start Python with the files that are first for something; what only some need is fetched when it is imported.
// `tell` says what is being done, and how much of it.
export async function begin(something, tell, settings = {}) {
  index = await (await get("index.json")).json();
  const first = index.files.filter((file) => file.first.includes(something));
  const total = index.core + first.reduce((sum, file) => sum + file.bytes, 0);
  const count = (bytes) => tell("Loading Python", (loaded += bytes), total);
  const ordinary = self.fetch;
  const loading = new Promise((resolve, reject) => {
    self.fetch = async (request, ...settings) => {
      const address = String(request.url ?? request);
      const packed = address.endsWith(".wasm");
      try {
        const answer = counted(await ordinary(packed ? `${address}.gz` : request, ...settings), count);
        return packed && answer.ok ? await unpacked(answer) : answer;
      } catch (error) {
        reject(error); // Pyodide would wait for its program for ever, or complain a second time
        return new Promise(() => {});
      }
    };
    Promise.all([
      loadPyodide({ ...settings, indexURL: `${here}pyodide/`, lockFileContents: NO_PACKAGES, env: ENVIRONMENT }),
      Promise.all(INSIDE.map(async (name) => (await get(name)).text())),
      ...first.map(async (file) => new Uint8Array(await (await get(`files/${file.name}`)).arrayBuffer())),
    ]).then(resolve, reject);
  });
  const [pyodide, inside, ...contents] = await loading;
  self.fetch = ordinary;
  tell("Starting Python", total, total);
  pyodide.FS.mkdirTree("/inside");
  for (const [place, name] of INSIDE.entries()) pyodide.FS.writeFile(`/inside/${name}`, inside[place]);
  // What cells find in their namespace is theirs.
  pyodide.runPython("import sys; sys.path.append('/inside')", { globals: pyodide.toPy({}) });
  const arriving = pyodide.pyimport("arriving");
  const unpackHere = (content, folder) => unpack(content, folder, pyodide.FS);
  const packages = arriving.begin(JSON.stringify(index), (name) => fetchNow(name, tell), unpackHere);
  for (const [place, file] of first.entries()) packages.put(file.name, contents[place]);
  return pyodide;
}

async function get(name) {
  // The files are named by what they hold; all else has the same name in every edition of the book.
  const answer = await self.fetch(here + name, name.startsWith("files/") ? {} : { cache: "no-cache" });
  if (!answer.ok) throw new Error(`${name} could not be fetched (${answer.status}).`);
  return answer;
}

// Fetch a file while Python waits for it.
function fetchNow(name, tell) {
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

// Write the files of an archive, in which they are stored as they are. With Python doing it, all unpacking takes half as long again.
function unpack(content, folder, files) {
  const buffer = content.getBuffer("u8");
  const { data } = buffer;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const made = new Set();
  for (let at = 0; view.getUint32(at, true) === 0x04034b50; ) {
    const [size, inName, extra] = [view.getUint32(at + 18, true), view.getUint16(at + 26, true), view.getUint16(at + 28, true)];
    const start = at + 30 + inName + extra;
    const place = `${folder}/${new TextDecoder().decode(data.slice(at + 30, at + 30 + inName))}`;
    const parent = place.slice(0, place.lastIndexOf("/"));
    if (!made.has(parent)) files.mkdirTree(parent);
    made.add(parent);
    at = start + size;
    files.writeFile(place, data.subarray(start, at));
  }
  buffer.release();
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

// Some hosts say of what is packed that it is packed, and browsers then unpack it by themselves.
async function unpacked(answer) {
  const [head, body] = answer.body.tee();
  const reader = head.getReader();
  const { value } = await reader.read();
  reader.cancel();
  const packed = value?.[0] === 0x1f && value[1] === 0x8b;
  const content = packed ? body.pipeThrough(new DecompressionStream("gzip")) : body;
  return new Response(content, { headers: { "Content-Type": "application/wasm" } });
}
