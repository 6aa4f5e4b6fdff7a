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
  const { name, numbers, model } = spec.usermeta.explorer;
  const bound = spec.signals?.filter((signal) => signal.bind) ?? [];
  const controls = explorer.querySelector(".explorer-controls");
  const options = { mode: "vega", renderer: "svg", actions: false, bind: controls };
  const { view } = await vegaEmbed(explorer.querySelector(".explorer-chart"), spec, options);
  explorer.classList.add("explorer-runs");
  for (const { name } of bound) if (name.endsWith("_step")) say(controls, view, name);
  for (const buttons of controls.querySelectorAll(".vega-bind-radio")) group(buttons.parentNode);
  const table = explorer.querySelector("table");
  const sources = [...new Set(marksNamed(spec.marks, "numbers").map((mark) => mark.from.data))];
  const rows = () => sources.flatMap((source) => view.data(source));
  const tell = announcer(explorer.querySelector(".explorer-says"));
  const follow = followers(name, view);
  const show = () => {
    fill(table.tBodies[0], rows(), numbers.map(([field]) => field));
    follow(rows(), numbers[0][0]);
  };
  for (const source of sources) {
    view.addDataListener(source, show);
    view.addDataListener(source, () => tell(() => rows().flatMap(({ says }) => says ?? []).join("; ")));
  }
  show();
  explorer.querySelector(".explorer-reset").addEventListener("click", () => {
    for (const { name, value } of bound) view.signal(name, value);
    view.runAsync();
    explorer.querySelector("form")?.reset();
  });
  explorer.querySelector(".explorer-copy").addEventListener("click", async () => {
    await copy(table);
    tell(() => "Copied: the numbers, for a spreadsheet.", 0);
  });
  explorer.view = view; // for the tests, and for the curious
  // For a script of the explorer's own, which may set what `move` does.
  explorer.dispatchEvent(new CustomEvent("explorer", { bubbles: true, detail: { view, model } }));
  const [grip] = marksNamed(spec.marks, "grip");
  if (grip) {
    const setting = bound.find(({ name }) => name === grip.encode.update.x.field);
    const set = (_, value) => view.signal(setting.name, value).runAsync();
    layGrips(explorer, view, grip, explorer.move ?? set, setting?.bind);
  }
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

// Radio buttons are one group, with the name that stands before them.
function group(buttons) {
  buttons.setAttribute("role", "radiogroup");
  buttons.setAttribute("aria-label", buttons.querySelector(".vega-bind-name").textContent.trim());
}

// What says a text to those who do not see the chart, once nothing has changed for a moment.
function announcer(place) {
  let waiting;
  return (text, pause = 700) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (place.textContent = text()), pause);
  };
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

// Numbers in the text follow the explorer that they name: `data-follows="explorer/row/field"`, or "explorer/setting".
function followers(explorer, view) {
  const places = [...document.querySelectorAll(`[data-follows^="${explorer}/"]`)].map((place) => {
    const [, key, field] = place.dataset.follows.split("/");
    place.className = "follows";
    place.title = "follows the figure";
    return { place, key, field, stated: place.textContent };
  });
  return (rows, name) => {
    for (const { place, key, field, stated } of places)
      place.textContent = field ? like(stated, rows.find((row) => String(row[name]) === key)[field]) : view.signal(key);
  };
}

// A number as the page states another one: with as many decimals, or in percent.
function like(stated, value) {
  if (typeof value !== "number") return value;
  const decimals = stated.match(/\.(\d+)/)?.[1].length ?? 0;
  const text = stated.endsWith("%") ? `${(100 * value).toFixed(decimals)}%` : value.toFixed(decimals);
  return text.replace("-", "−");
}

// Put a table into the clipboard, as spreadsheets take it.
async function copy(table) {
  const cells = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.replace("−", "-")));
  const text = cells.map((row) => row.join("\t")).join("\n");
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers keep the clipboard from pages that came unencrypted, but for this old way.
  const area = table.parentNode.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
  area.select();
  document.execCommand("copy");
  area.remove();
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
