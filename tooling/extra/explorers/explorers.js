// Put each explorer's chart, with its controls, in the place of its picture.
"use strict";

for (const explorer of document.querySelectorAll("div.explorer")) {
  start(explorer).catch((error) => {
    explorer.classList.remove("explorer-runs");
    throw error; // the picture stays, and the console says why
  });
}

async function start(explorer) {
  const spec = JSON.parse(explorer.querySelector("script").textContent);
  const { name, numbers, link, model } = spec.usermeta.explorer;
  const settings = spec.signals.filter((signal) => signal.bind).map((signal) => signal.name);
  const controls = explorer.querySelector(".explorer-controls");
  const options = { mode: "vega", renderer: "svg", actions: false, bind: controls };
  const { view } = await vegaEmbed(explorer.querySelector(".explorer-chart"), spec, options);
  explorer.classList.add("explorer-runs");
  for (const setting of settings) if (setting.endsWith("_step")) say(controls, view, setting);
  const table = explorer.querySelector("tbody");
  const sources = behind(spec.marks);
  const rows = () => sources.flatMap((source) => view.data(source));
  const show = () => fill(table, rows(), numbers.map(([field]) => field));
  for (const source of sources) view.addDataListener(source, show);
  show();
  if (link) carry(explorer.querySelector(".explorer-link"), view, name, settings);
  explorer.view = view; // for the tests, and for the curious
  // For a script of the explorer's own.
  explorer.dispatchEvent(new CustomEvent("explorer", { bubbles: true, detail: { view, model } }));
  explorer.dataset.ready = "true";
}

// A slider over a list of values says the value, not its place in the list.
function say(controls, view, setting) {
  const input = controls.querySelector(`input[name="${setting}"]`);
  const output = document.createElement("output");
  const update = (name, value) => {
    output.textContent = value;
    input.setAttribute("aria-valuetext", value);
  };
  const name = setting.replace(/_step$/, "");
  input.nextSibling.replaceWith(output);
  view.addSignalListener(name, update);
  update(name, view.signal(name));
}

// The data behind the marks of views whose name begins with "numbers".
function behind(marks) {
  return marks.flatMap((mark) =>
    /^numbers(_\w+)?_marks$/.test(mark.name) ? [mark.from.data] : behind(mark.marks ?? []),
  );
}

// One row for each entry, the first cell its name.
function fill(table, rows, fields) {
  table.replaceChildren(
    ...rows.map((row) => {
      const line = document.createElement("tr");
      for (const [place, field] of fields.entries()) {
        const cell = line.appendChild(document.createElement(place ? "td" : "th"));
        if (!place) cell.scope = "row";
        const value = row[field];
        const rounds = typeof value === "number" && !Number.isInteger(value);
        cell.textContent = rounds ? value.toFixed(2) : (value ?? "");
      }
      return line;
    }),
  );
}

// The address in the link sets what it names; the link names what is set.
function carry(link, view, name, settings) {
  const given = new URLSearchParams(location.search);
  for (const setting of settings) {
    const text = given.get(setting);
    if (text === null) continue;
    const number = Number(text);
    view.signal(setting, text.trim() === "" || Number.isNaN(number) ? null : number);
  }
  const update = () => {
    const address = new URL(location.href);
    for (const setting of settings) address.searchParams.set(setting, view.signal(setting) ?? "");
    address.hash = `explorer-${name}`;
    link.href = address.href;
  };
  for (const setting of settings) view.addSignalListener(setting, update);
  view.run();
  update();
}

// Standard Normal numbers that a seed repeats: mulberry32, by the method of Box and Muller.
function normals(seed) {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
