// Handles in a chart: each a slider over a mark, which mouse, touch and keys move along the axis.
"use strict";

// `move(row, value)` is called with the row behind the mark; `bind` may have the least and largest value and the step.
function layGrips(explorer, view, mark, move, bind = {}) {
  const { scale, field } = mark.encode.update.x;
  const chart = explorer.querySelector(".explorer-chart");
  const svg = chart.querySelector("svg");
  const handles = [];

  function place() {
    const [around, drawn] = [chart.getBoundingClientRect(), svg.querySelectorAll(`.${mark.name} > path`)];
    while (handles.length > drawn.length) handles.pop().remove();
    for (const [i, path] of drawn.entries()) {
      handles[i] ??= chart.appendChild(makeHandle());
      const [handle, at, row] = [handles[i], path.getBoundingClientRect(), path.__data__.datum];
      handle.row = row;
      handle.style.left = `${at.x + at.width / 2 - around.x}px`;
      handle.style.top = `${at.y + at.height / 2 - around.y}px`;
      handle.title = row.words;
      const [low, high] = view.scale(scale).domain();
      const now = { label: row.name, valuetext: row.words, valuenow: row[field], valuemin: low, valuemax: high };
      for (const [name, value] of Object.entries(now)) handle.setAttribute(`aria-${name}`, value);
    }
  }

  // Steps of a slider, or about a fiftieth of the axis for a key and a tenth of that for a pointer.
  function set(handle, value, step) {
    const rounded = Number((Math.round(value / step) * step).toPrecision(12));
    const within = Math.min(Math.max(rounded, bind.min ?? -Infinity), bind.max ?? Infinity);
    if (within !== handle.row[field]) move(handle.row, within);
  }

  function keyStep() {
    const [low, high] = view.scale(scale).domain();
    return bind.step ?? 10 ** Math.floor(Math.log10((high - low) / 30));
  }

  function makeHandle() {
    const handle = document.createElement("div");
    handle.className = "explorer-grip";
    handle.setAttribute("role", "slider");
    handle.tabIndex = 0;
    let from = null;
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      const [x, drawn] = [view.scale(scale), svg.getBoundingClientRect().width / svg.viewBox.baseVal.width];
      // Both as they are now: the axis may change while something is pulled past its end.
      from = { x: event.clientX, value: handle.row[field], perPixel: 1 / ((x(1) - x(0)) * drawn) };
      from.step = bind.step ?? keyStep() / 10;
    });
    handle.addEventListener("pointermove", (event) => {
      if (from) set(handle, from.value + (event.clientX - from.x) * from.perPixel, from.step);
    });
    for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => (from = null));
    handle.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      const end = { Home: bind.min, End: bind.max }[event.key];
      if (steps === undefined && end === undefined) return;
      event.preventDefault();
      set(handle, end ?? handle.row[field] + steps * keyStep(), bind.step ?? keyStep() / 10);
    });
    return handle;
  }

  // A run within a run is an error, and what calls this is one.
  view.addDataListener(mark.from.data, () => queueMicrotask(() => view.runAsync().then(place)));
  new ResizeObserver(place).observe(svg);
  place();
}

// Marks of views whose name is this, or begins with it and "_".
function marksNamed(marks, name) {
  return marks.flatMap((mark) =>
    new RegExp(`^${name}(_\\w+)?_marks$`).test(mark.name) ? [mark] : marksNamed(mark.marks ?? [], name),
  );
}
