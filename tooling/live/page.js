// Run the cells of a page in it: buttons at each cell, and Python in a worker once one is pressed.
"use strict";

(() => {
  const folder = new URL("./", document.currentScript.src);
  const page = document.currentScript.dataset.page;
  if (!("Worker" in window) || location.protocol === "file:") return; // the printed page says it all
  const kept = `cells of ${new URL(`../${page}`, folder).pathname}`; // of this book, where a host has several
  const elements = new Map(
    [...document.querySelectorAll("div.cell[class*='cell-']")].map((element) => [
      element.className.match(/\bcell-\d+/)[0],
      element,
    ]),
  );
  let worker; // Python, if it is there
  let answer; // what is done when the worker answers
  let fetching; // ends the fetching of the cells
  let notebook; // of the page
  let cells; // all its code cells, hidden ones too
  let running = null; // the cell that the reader has started

  // At each cell ---------------------------------------------------------------------------

  function addTools(id, element) {
    const input = element.querySelector(".cell_input");
    const tools = bar(
      "",
      "This cell",
      // The second of two quick clicks is not meant to stop what the first has started.
      button("Run", "Run this cell, and first those above that have not run (Shift+Enter)", ({ detail }) =>
        running !== id ? press(id) : detail < 2 && stop(),
      ),
      button("Edit", "Edit this cell", () => edit(id)),
      button("Reset", "Show the printed code and output again", () => reset(id)),
      button("Run all above", "Run all cells above, from the first", () => press(id, true)),
    );
    (input.closest("details") ?? input).after(tools);
    tools.querySelector("[data-action='Reset']").hidden = true;
  }

  // Buttons, and a place that says what became of them.
  function bar(classes, label, ...content) {
    const made = make("div", `live-tools ${classes}`);
    made.setAttribute("role", "group");
    made.setAttribute("aria-label", label);
    const status = make("div", "live-status");
    status.setAttribute("role", "status");
    made.append(...content, status);
    return made;
  }

  function button(name, title, action) {
    const made = make("button", "live-button", name);
    made.type = "button";
    made.title = title;
    made.dataset.action = name;
    made.addEventListener("click", action);
    // A key that is held down is one press.
    made.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault());
    return made;
  }

  const tool = (id, name) => elements.get(id).querySelector(`.live-tools [data-action='${name}']`);

  // Put an editor in the place of the code.
  function edit(id, text) {
    const element = elements.get(id);
    const input = element.querySelector(".cell_input");
    const details = input.closest("details");
    if (details) details.open = true;
    let editor = input.querySelector(".live-editor");
    if (!editor) {
      const printed = input.querySelector("pre");
      editor = make("textarea", "live-editor");
      editor.setAttribute("aria-label", "The code of this cell; Shift+Enter runs it, Escape leaves the editor");
      Object.assign(editor, { value: printed.textContent.replace(/\n$/, ""), spellcheck: false });
      editor.dataset.printed = editor.value;
      // What was typed is not put back by the browser too, which may know another cell by it.
      editor.autocomplete = "off";
      editor.addEventListener("input", () => changed(id));
      editor.addEventListener("keydown", (event) => typed(event, id));
      input.append(editor, make("div", "live-paper")); // which has the code on paper
      input.classList.add("live-edited");
      tool(id, "Edit").hidden = true;
      tool(id, "Reset").hidden = false;
    }
    if (text !== undefined) editor.value = text;
    fit(id, editor);
    if (text === undefined) editor.focus();
    return editor;
  }

  function typed(event, id) {
    if (event.isComposing) return; // Enter ends a word of an input method
    if (event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      if (!event.repeat) press(id);
    } else if (event.key === "Escape") tool(id, "Run").focus();
    else if (event.key === "Enter") {
      const { value, selectionStart } = event.target;
      const line = value.slice(value.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart);
      const blanks = line.match(/^ */)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
      event.preventDefault();
      event.target.setRangeText(`\n${blanks}`, selectionStart, event.target.selectionEnd, "end");
      event.target.dispatchEvent(new Event("input"));
    }
  }

  function changed(id) {
    fit(id, elements.get(id).querySelector(".live-editor"));
    if (!keep(id)) say(id, "This browser keeps nothing: what you write here is lost when you leave.", "problem");
    else if (running !== id) sayIfChanged(id);
  }

  function fit(id, editor) {
    editor.rows = editor.value.split("\n").length + 1;
    editor.nextSibling.textContent = editor.value;
    editor.parentNode.classList.toggle("live-own", edited(id));
  }

  function reset(id) {
    if (running) return say(id, "A cell is running: stop it first, or wait.");
    const element = elements.get(id);
    element.querySelectorAll(".live-editor, .live-paper").forEach((part) => part.remove());
    element.querySelector(".cell_input").classList.remove("live-edited", "live-own");
    clear(id);
    say(id, "");
    tool(id, "Edit").hidden = false;
    tool(id, "Reset").hidden = true;
    tool(id, "Run").focus();
    keep(id);
  }

  // What stands below the code may be of other code.
  function sayIfChanged(id) {
    const cell = cells?.find((cell) => cell.id === id);
    if (!cell || [undefined, source(cell)].includes(cell.ran)) return false;
    say(id, "You have changed this since it ran: Run brings it up to date.", "problem");
    return true;
  }

  // Tell whether the reader has changed a cell.
  function edited(id) {
    const editor = elements.get(id)?.querySelector(".live-editor");
    return Boolean(editor) && editor.value !== editor.dataset.printed;
  }

  // What a reader wrote stays on the device, and is shown again; it runs when Run is pressed. Tells whether it is kept.
  function keep(id) {
    const written = stored(); // by another tab too
    const editor = elements.get(id).querySelector(".live-editor");
    if (edited(id)) written[id] = { printed: editor.dataset.printed, text: editor.value };
    else delete written[id];
    try {
      if (Object.keys(written).length) localStorage.setItem(kept, JSON.stringify(written));
      else localStorage.removeItem(kept);
    } catch {
      return false;
    }
    return true;
  }

  function stored() {
    try {
      return JSON.parse(localStorage.getItem(kept)) ?? {};
    } catch {
      return {};
    }
  }

  const printedCode = (id) => elements.get(id)?.querySelector(".cell_input pre")?.textContent.replace(/\n$/, "");

  // Where what was written belongs: to the cell with the same code, wherever it is now, else to the cell in its place.
  function placed() {
    const found = {};
    const rest = [];
    for (const [id, entry] of Object.entries(stored())) {
      const same = [id, ...elements.keys()].find((own) => !(own in found) && printedCode(own) === entry.printed);
      if (same) found[same] = entry;
      else rest.push([id, entry]);
    }
    for (const [id, entry] of rest) {
      const free = printedCode(id) !== undefined && !(id in found);
      found[free ? id : `gone ${Object.keys(found).length}`] = entry;
    }
    return found;
  }

  // What was written in a cell that is no longer there.
  function showGone(texts) {
    const box = make("details", "live-gone");
    box.append(make("summary", "", "What you wrote in cells that this page no longer has"));
    box.append(...texts.map((text) => trace(text)));
    document.querySelector("h1")?.after(box);
  }

  function remember() {
    const written = placed();
    try {
      if (Object.keys(written).length) localStorage.setItem(kept, JSON.stringify(written));
    } catch {} // it is shown all the same
    const gone = Object.keys(written).filter((id) => !elements.has(id));
    if (gone.length) showGone(gone.map((id) => written[id].text));
    for (const [id, { printed, text }] of Object.entries(written)) {
      if (!elements.has(id)) continue;
      edit(id, text);
      const other = printedCode(id) !== printed;
      const since = other ? " The book has since changed this cell: Reset shows it as it is now." : "";
      say(id, `This is what you wrote here before; it is kept on this device only.${since}`);
    }
  }

  // Running --------------------------------------------------------------------------------

  async function press(id, again = false) {
    if (running) {
      if (running !== id) say(id, "Another cell is running: stop it first, or wait.");
      return;
    }
    running = id;
    tool(id, "Run").textContent = "Stop";
    try {
      await begin();
      const place = cells.indexOf(cellOf(id));
      // From the first that has not run as it stands, all: what is below rests on it.
      const first = again ? 0 : cells.findIndex((cell) => cell.ran !== source(cell));
      const above = cells.slice(first < 0 ? place : first, place);
      if (await runAll(id, above)) if (again || (await runAll(id, [cells[place]]))) end(id, above, again);
    } catch (error) {
      if (error !== STOPPED) say(id, sentence(error, "Press Run to try again."), "problem");
    } finally {
      running = null;
      tool(id, "Run").textContent = "Run";
    }
  }

  const STOPPED = new Error("stopped");
  const NOT_FETCHED = "Python could not be fetched: see that there is a network.";
  const CHANGED = new Error("The book has changed since this page was opened: reload the page.");
  const sentence = (error, then) => (error === CHANGED ? error.message : `${error.message} ${then}`);

  async function begin() {
    say(running, "Loading Python …");
    await fetchCells();
    if (worker) return;
    worker = new Worker(new URL("worker.js", folder), { type: "module" });
    for (const cell of cells) delete cell.ran;
    await ask({ kind: "start", folder: page.replace(/\/?[^/]*$/, "") });
  }

  async function fetchCells() {
    if (cells) return;
    const path = new URL(`../_sources/${page}.ipynb`, folder);
    fetching = new AbortController();
    try {
      const answer = await fetch(path, { signal: fetching.signal, cache: "no-cache" });
      if (!answer.ok) throw new Error(answer.status);
      notebook = await answer.json();
    } catch (error) {
      throw error.name === "AbortError" ? STOPPED : new Error("The code of this page could not be fetched.");
    }
    const found = notebook.cells
      .filter((cell) => cell.cell_type === "code")
      .map(({ id, source, metadata }) => ({ id, metadata, source: [source].flat().join(""), outputs: [] }));
    // What runs is what is shown.
    const sources = new Map(found.map(({ id, source }) => [id, source.trim()]));
    const same = (id) => printedCode(id) === undefined || printedCode(id).trim() === sources.get(id);
    if (![...elements.keys()].every(same)) throw CHANGED;
    cells = found;
  }

  // Ask the worker, and wait for its answer.
  function ask(question, show = () => {}) {
    return new Promise((resolve, reject) => {
      const lost = (text) => {
        drop();
        reject(new Error(text));
      };
      answer = { reject };
      const begins = question.kind === "start";
      worker.onerror = () => lost(begins ? NOT_FETCHED : "Python has ended by itself.");
      worker.onmessage = ({ data }) => {
        if (data.kind === "done") resolve(data.outcome);
        else if (data.kind === "failed") lost(data.text);
        else if (data.kind === "progress") progress(data);
        else show(data);
      };
      worker.postMessage(question);
    });
  }

  function drop() {
    if (!worker) return;
    // What it says as it ends may come when there is another, which is not to end with it.
    worker.onerror = worker.onmessage = null;
    worker.terminate();
    worker = undefined;
  }

  function stop() {
    fetching?.abort();
    drop();
    say(running, "Stopped. Python has forgotten all values; Run begins again with the cells above.", "problem");
    answer?.reject(STOPPED);
  }

  // Run cells in their order; tell whether all came to their end.
  async function runAll(id, list) {
    const hidden = list.filter((cell) => !shown(cell)).length;
    for (const [place, cell] of list.entries()) {
      const first = `First the cells above: ${place + 1} of ${list.length}${hidden ? `, ${hidden} of them hidden` : ""} …`;
      say(id, cell.id === id ? "Running …" : first);
      if (await runOne(cell)) continue;
      if (cell.id === id) say(id, "This cell ended with an error.", "problem");
      else say(id, `A cell above, cell ${number(cell)}, ended with an error.`, "problem");
      // An error that has no place on the page is shown here.
      if (!elements.has(cell.id)) {
        new Output(cellOf(id)).put(trace(cell.outputs.at(-1).traceback.join("\n")));
        tool(id, "Reset").hidden = false;
      }
      return false;
    }
    return true;
  }

  // Run a cell; tell whether it came to its end.
  async function runOne(cell) {
    const text = source(cell);
    const before = cell.ran;
    delete cell.ran; // until it has come to its end
    const output = new Output(cell);
    // What hidden cells check holds of the printed numbers only.
    const lenient = output.changed && !shown(cell);
    const label = `cell ${number(cell)}`;
    const question = { kind: "run", source: text, label, expect: cell.metadata.expect, lenient };
    const outcome = await ask(question, (data) => output.add(data));
    output.end(outcome);
    // Many hidden cells only reckon numbers of the text, which stays as printed.
    const failed = outcome === "failed" && !(lenient && !elements.has(cell.id));
    if (failed || before !== text) outdate(cell);
    if (!failed) cell.ran = text;
    return !failed;
  }

  const shown = (cell) => elements.get(cell.id)?.querySelector(".live-tools");

  // What ran below a cell rests on what that gave before.
  function outdate(cell) {
    for (const below of cells.slice(number(cell)).filter(({ ran }) => ran !== undefined)) {
      delete below.ran;
      if (shown(below)) say(below.id, "Something above has changed since this ran: Run brings it up to date.", "problem");
    }
  }

  function end(id, above, again) {
    const cell = cellOf(id);
    const first = above.length ? ` ${above.length === 1 ? "One cell" : `${above.length} cells`} above ran first.` : "";
    if (again) say(id, ["No cell is above.", "The cell above has run."][above.length] ?? `The ${above.length} cells above have run.`);
    else if (!sayIfChanged(id)) say(id, cell.verdict + first, cell.kind);
  }

  const cellOf = (id) => cells.find((cell) => cell.id === id);
  const number = (cell) => cells.indexOf(cell) + 1;

  // The code of a cell as the reader has it.
  function source(cell) {
    return elements.get(cell.id)?.querySelector(".live-editor")?.value ?? cell.source;
  }

  // Where the reader has pressed something, it is read out.
  function say(id, text, kind = "") {
    const status = elements.get(id).querySelector(".live-status");
    status.ariaLive = [id, null].includes(running) ? "polite" : "off";
    tell(status, text, kind);
  }

  function tell(status, text, kind = "") {
    status.className = `live-status ${kind}`;
    status.replaceChildren(text);
  }

  function progress({ what, done, total }) {
    const status = elements.get(running)?.querySelector(".live-status");
    if (!status) return;
    const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
    // Read out at its beginning, not at every step.
    let bar = status.querySelector("progress");
    if (!bar || bar.dataset.what !== what) {
      bar = Object.assign(make("progress"), { max: 1 });
      bar.dataset.what = what;
      bar.setAttribute("aria-label", what);
      status.replaceChildren(total ? `${what}, ${megabytes(total)} MB, kept for later pages ` : `${what} …`);
      if (total) status.append(bar);
    }
    if (total) bar.value = Math.min(done / total, 1);
  }

  // What a cell shows ----------------------------------------------------------------------

  // The reader's own output of a cell, in the place of the printed one.
  class Output {
    constructor(cell) {
      this.cell = cell;
      cell.outputs = [];
      this.changed = cells.slice(0, cells.indexOf(cell)).some(({ id }) => edited(id));
      this.element = elements.get(cell.id);
      this.own = make("div"); // for a cell that the page does not show
      if (this.element) clear(cell.id);
      this.printed = this.element?.querySelector(".cell_output");
      this.shown = false;
    }

    add(data) {
      if (data.kind === "clear") return this.empty();
      this.note(data);
      if (data.kind === "stream") {
        const warns = data.name === "stderr";
        if (warns && !this.changed && !edited(this.cell.id)) return; // as in the printed page
        const classes = `live-text${warns ? " live-warning" : ""}`;
        if (this.stream?.className !== classes) this.put((this.stream = make("pre", classes)));
        this.stream.append(data.text);
        return;
      }
      this.stream = undefined;
      if (data.kind === "error") {
        this.put(trace(data.text));
        return;
      }
      this.put(rendered(data.data, this.cell, this.changed || edited(this.cell.id)));
    }

    empty() {
      this.cell.outputs = [];
      this.stream = undefined;
      for (const part of [...this.own.children]) if (!part.matches("figcaption, span")) part.remove();
    }

    // Note it for the notebook that is handed in.
    note({ kind, name, text, data }) {
      const { outputs } = this.cell;
      const last = outputs.at(-1);
      if (kind === "stream" && last?.name === name) last.text += text;
      else if (kind === "stream") outputs.push({ output_type: kind, name, text });
      else if (kind === "error") {
        const evalue = text.trimEnd().split("\n").at(-1);
        outputs.push({ output_type: kind, ename: evalue.split(":")[0], evalue, traceback: text.split("\n") });
      } else {
        const count = kind === "execute_result" ? { execution_count: null } : {};
        outputs.push({ output_type: kind, data, metadata: {}, ...count });
      }
    }

    // Add something, before the caption of the printed figure.
    put(node) {
      if (!this.shown && this.element) this.show();
      // A chart of the printed page stays, unless one stands in its place.
      if (!this.printed?.querySelector(".explorer") || node.matches(".live-chart")) this.replace();
      for (const { id } of node.querySelectorAll("[id]"))
        for (const place of [this.own, ...this.own.children]) if (place.id === id) place.removeAttribute("id");
      this.own.insertBefore(node, this.caption ?? null);
      if (node.matches(".output_area")) window.MathJax?.typesetPromise?.([node]);
    }

    // Stand below the printed output, with the caption of its figure.
    show() {
      this.shown = true;
      const caption = this.printed?.querySelector("figcaption");
      this.own = make(caption ? "figure" : "div", "cell_output docutils container live-output");
      if (caption) this.own.append((this.caption = caption.cloneNode(true)));
      this.own.classList.toggle("live-own", this.changed || edited(this.cell.id));
      (this.printed ?? this.element.lastElementChild).after(this.own);
    }

    // Stand in the place of the printed output: what leads to that leads here.
    replace() {
      if (!this.printed || this.printed.matches(".live-replaced")) return;
      this.printed.classList.add("live-replaced");
      for (const named of this.printed.querySelectorAll("[id]:not(svg *, pre)")) {
        if (named.matches("figure")) this.own.id = named.id;
        else this.own.prepend(Object.assign(make("span"), { id: named.id }));
        named.dataset.liveId = named.id;
        named.removeAttribute("id");
      }
    }

    // Say what became of the cell.
    end(outcome) {
      if (!this.element) return;
      const { cell } = this;
      const ended = outcome === "different" ? "This differs from the printed output." : "Finished.";
      const follows = this.changed ? "This follows from what you changed above." : ended;
      cell.verdict = outcome === "stated" ? "As stated." : edited(cell.id) ? "Your own result." : follows;
      cell.kind = outcome === "stated" ? "stated" : "";
      const quiet = outcome === "failed" || cell.verdict === "Finished.";
      if (shown(cell) && cell.id !== running) say(cell.id, quiet ? "" : cell.verdict, cell.kind);
      if (outcome !== "failed" && !this.shown && this.printed) {
        this.put(make("p", "live-note", "This run has shown nothing."));
        this.replace();
      }
      const reset = tool(cell.id, "Reset");
      if (reset && this.shown) reset.hidden = false;
    }
  }

  function clear(id) {
    const element = elements.get(id);
    element.querySelector(".live-output")?.remove();
    element.querySelector(".live-replaced")?.classList.remove("live-replaced");
    for (const named of element.querySelectorAll("[data-live-id]")) {
      named.id = named.dataset.liveId;
      delete named.dataset.liveId;
    }
  }

  function trace(text) {
    return Object.assign(make("pre", "live-error", text), { tabIndex: 0 });
  }

  const NO_SCRIPTS = "Scripts in what a cell shows do not run in the page.";

  // A chart as it comes from Python; a script of its own goes with the printed one only.
  function chart(spec, other) {
    if (spec.usermeta?.explorer?.model) return make("p", "live-note", "The chart stays as printed, by a script of its own.");
    if (!other) return make("p", "live-note", "The chart with its controls is the printed one.");
    const place = make("div", "live-chart explorer-chart");
    const failed = (error) => place.replaceChildren(trace(`The chart cannot be drawn: ${error.message}`));
    if (window.vegaEmbed) vegaEmbed(place, spec, { actions: false, renderer: "svg" }).catch(failed);
    else failed(new Error("this page has no explorer, and so nothing that draws charts."));
    return place;
  }

  function rendered(data, cell, other) {
    const drawn = Object.keys(data).find((kind) => kind.startsWith("application/vnd.vega"));
    if (drawn) return chart(data[drawn], other);
    const image = ["image/png", "image/jpeg"].find((kind) => kind in data);
    const output = make("div", "output");
    if (data["text/html"]) {
      output.classList.add("text_html");
      // Formulas of Markdown and LaTeX are typeset.
      if (data["text/markdown"] || data["text/latex"]) output.classList.add("output_area");
      output.innerHTML = data["text/html"];
      if (output.querySelector("script")) output.append(make("p", "live-note", NO_SCRIPTS));
    } else if (data["application/javascript"]) output.append(make("p", "live-note", NO_SCRIPTS));
    else if (image || data["image/svg+xml"]) {
      const picture = output.appendChild(make("img"));
      picture.src = image
        ? `data:${image};base64,${data[image]}`
        : `data:image/svg+xml;charset=utf-8,${encodeURIComponent(data["image/svg+xml"])}`;
      const { image: header } = cell.metadata.mystnb ?? {};
      picture.alt = `Drawn by your run. As printed: ${header?.alt ?? "see the caption"}`;
    } else output.append(make("pre", "live-text", data["text/plain"]));
    return output;
  }

  // Handing in -----------------------------------------------------------------------------

  // An exercise ends with how to hand it in; from the page it goes so.
  function addDownload(section) {
    const box = bar(
      "live-hand-in",
      "Hand in from this page",
      make(
        "p",
        "",
        "Without an installation: what you write in this page is kept in this browser, on this device only. " +
          "Run each cell, then download the notebook with your code and what it showed, and hand in that file. " +
          "Here no cells can be added: write all into those that are there. Run all above, and then Run at the last " +
          "cell, does what a kernel that is restarted does.",
      ),
      button("Download for submission", "Download this page as a notebook, with your code and its outputs", () =>
        download(say, box).catch((error) => say(sentence(error, "Press the button to try again."), "problem")),
      ),
    );
    const say = (text, kind) => tell(box.querySelector(".live-status"), text, kind);
    const other = make("p", "", "Or open it ");
    other.append(notebookLink("", "as a notebook in your browser"), ", whose File menu has Download.");
    box.append(other);
    section.querySelector("p:last-of-type").after(box);
  }

  async function download(say, box) {
    await fetchCells();
    const handed = structuredClone(notebook);
    let waiting = 0;
    for (const cell of handed.cells.filter((cell) => cell.cell_type === "code")) {
      const own = cellOf(cell.id);
      cell.source = source(own);
      const ran = own.ran === cell.source;
      if (!ran) waiting += 1;
      cell.outputs = ran ? own.outputs : [];
    }
    const lines = cells.map(source).join("\n").split("\n").filter((line) => !/^\s*#/.test(line));
    const made = lines.join("\n").match(/\bAnswers\(\s*["']([\w.-]+)["']\s*,\s*student\s*=\s*["']([^"'\n]*)/);
    const exercise = made?.[1];
    const student = made?.[2].trim().replace(/[^\p{L}\p{N}_.+@-]/gu, "_");
    const name = `${student ? `${student}_${exercise}` : page.split("/").at(-1)}.ipynb`;
    const content = new Blob([JSON.stringify(handed, null, 1), "\n"], { type: "application/x-ipynb+json" });
    const link = fileLink(content, name);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    if (exercise && worker && !running) await offerAnswers(`${exercise}.json`, box);
    const cellsWait = waiting === 1 ? "One cell has" : `${waiting} cells have`;
    const missing = [
      waiting && `${cellsWait} not run as the code stands, and no output of it goes along: run all, and download again.`,
      !student && 'No student is named: write your id into the first cell, in student="".',
    ].filter(Boolean);
    say(
      [`${name} is in your downloads${missing.length ? "." : ": hand it in."}`, ...missing].join(" "),
      missing.length ? "problem" : "stated",
    );
  }

  function fileLink(content, name) {
    return Object.assign(make("a", "", name), { href: URL.createObjectURL(content), download: name });
  }

  // The answers alone, which Python has written beside the page, for who is asked for that file.
  async function offerAnswers(name, box) {
    const text = await ask({ kind: "read", path: `answers/${name}` });
    if (!text) return;
    const line = make("p", "live-answers", "Your answers alone, where they are asked for: ");
    line.append(fileLink(new Blob([text], { type: "application/json" }), name), ".");
    box.querySelector(".live-answers")?.remove();
    box.append(line);
  }

  // The same page as a notebook, in Jupyter itself: beside Binder, and where an exercise is handed in.
  function notebookLink(classes, text) {
    const address = new URL(`lite/notebooks/index.html?path=${page}.ipynb`, folder);
    const title = "Open this page as a notebook in your browser: no server, and what you write stays on this device";
    return Object.assign(make("a", classes, text), { href: address, target: "_blank", title });
  }

  function addNotebook(menu) {
    const link = notebookLink("btn btn-sm dropdown-item live-notebook", "");
    const icon = make("span", "btn__icon-container");
    icon.append(make("i", "fas fa-code"));
    link.append(icon, make("span", "btn__text-container", "In your browser"));
    const item = make("li");
    item.append(link);
    menu.prepend(item);
  }

  function make(name, classes = "", text = "") {
    return Object.assign(document.createElement(name), { className: classes, textContent: text });
  }

  // All is known: begin.
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${folder}page.css` }));
  for (const [id, element] of elements) if (element.querySelector(".cell_input")) addTools(id, element);
  const handIn = document.getElementById("hand-in");
  if (handIn) addDownload(handIn);
  const menu = document.querySelector(".dropdown-launch-buttons .dropdown-menu");
  if (menu) addNotebook(menu);
  const foot = document.querySelector(".extra_footer");
  if (foot) {
    const about = Object.assign(make("a", "", "What runs in the page"), { href: `${folder}about.html` });
    foot.append(" ", about, ", with versions and licences.");
  }
  remember();
})();
