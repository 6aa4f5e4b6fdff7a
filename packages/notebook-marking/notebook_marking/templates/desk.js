// Marking prose by click. Served by notebook_marking.desk; without it, the page is only to be read.
"use strict";

const articles = [...document.querySelectorAll("article")];
const rubric = [...document.querySelectorAll("aside li[data-points]")].map((item) => Number(item.dataset.points));
const most = Number(document.querySelector("div.review").dataset.outOf);
const undone = [];
let marks = {};
let current = 0;
let queue = Promise.resolve();

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const progress = make("progress", { max: articles.length, value: 0 });
const count = make("span");
const status = make("span", { className: "status" });
status.setAttribute("role", "status");
const undo = make("button", { type: "button", textContent: "Undo (u)", onclick: takeBack });
const keys =
  "j, k: next, previous · n: next unmarked · 1–9: criterion · 0: no points · f: all points · c: comment (Esc leaves it) · u: undo";
document.querySelector("h1").after(
  make("div", { className: "desk" }, make("a", { href: "./", textContent: "All questions" }), progress, count, undo, status),
  make("p", { className: "keys", textContent: keys }),
);

// One number as people write it: 0.1 + 0.2 is 0.3.
function plain(number) {
  return String(Math.round(number * 1e6) / 1e6);
}

function chosen(code) {
  return new Set((marks[code].rubric || "").split(" ").filter(Boolean).map(Number));
}

function show(article) {
  const mark = marks[article.id];
  const own = chosen(article.id);
  article.querySelectorAll("button[data-criterion]").forEach((button) => {
    button.setAttribute("aria-pressed", String(own.has(Number(button.dataset.criterion))));
  });
  const points = article.querySelector("input.points");
  const comment = article.querySelector("textarea");
  if (document.activeElement !== points) points.value = mark.points;
  if (document.activeElement !== comment) comment.value = mark.comment;
  article.classList.toggle("done", mark.points.trim() !== "");
  const done = articles.filter((each) => marks[each.id].points.trim() !== "").length;
  progress.value = done;
  count.textContent = `${done} of ${articles.length} marked`;
  undo.disabled = undone.length === 0;
}

// Marks are saved one after the other, in the order in which they were given.
function save(article, change, remember = true) {
  queue = queue.then(async () => {
    status.textContent = "saving …";
    try {
      const answer = await fetch("mark", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ code: article.id, ...change }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(text);
      if (remember) undone.push({ article, before: JSON.parse(text) });
      marks[article.id] = { ...marks[article.id], ...change };
      status.textContent = "saved";
      status.classList.remove("fault");
    } catch (error) {
      status.textContent = `NOT saved: ${error.message}`;
      status.classList.add("fault");
    }
    show(article);
  });
  return queue;
}

function give(article, points, criteria = "") {
  const seen = { text: article.dataset.version, note: "" };
  return save(article, { points, rubric: criteria, ...seen });
}

function toggle(article, criterion) {
  return (queue = queue.then(() => {
    const own = chosen(article.id);
    if (!own.delete(criterion)) own.add(criterion);
    const points = [...own].reduce((sum, each) => sum + rubric[each - 1], 0);
    give(article, plain(points), [...own].sort((a, b) => a - b).join(" "));
  }));
}

function takeBack() {
  queue = queue.then(() => {
    const last = undone.pop();
    if (!last) return;
    go(articles.indexOf(last.article));
    save(last.article, last.before, false);
  });
}

function go(place) {
  if (place < 0 || place >= articles.length) return;
  articles[current].classList.remove("current");
  current = place;
  articles[current].classList.add("current");
  articles[current].scrollIntoView({ block: "nearest" });
}

function nextUnmarked() {
  const order = [...articles.keys()].map((i) => (current + 1 + i) % articles.length);
  const place = order.find((i) => marks[articles[i].id].points.trim() === "");
  if (place !== undefined) go(place);
}

function prepare(article, place) {
  article.querySelectorAll(".given, .trouble").forEach((element) => element.classList.contains("given") && element.remove());
  const buttons = rubric.map((points, i) => {
    const button = make("button", { type: "button", textContent: `${i + 1}: ${points}`, onclick: () => toggle(article, i + 1) });
    button.dataset.criterion = i + 1;
    button.title = document.querySelectorAll("aside li[data-points]")[i].textContent;
    return button;
  });
  const none = make("button", { type: "button", textContent: "0: none", onclick: () => give(article, "0") });
  const points = make("input", { className: "points", inputMode: "decimal", onchange: () => give(article, points.value.trim()) });
  points.setAttribute("aria-label", `points, of ${most}`);
  const comment = make("textarea", { rows: 2, placeholder: "comment for the student", onchange: () => save(article, { comment: comment.value }) });
  comment.setAttribute("aria-label", "comment for the student");
  article.append(make("div", { className: "controls" }, ...buttons, none, points, make("span", { textContent: `of ${most}` })), comment);
  article.addEventListener("focusin", () => go(place));
  article.addEventListener("click", () => go(place));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, textarea");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const article = articles[current];
  const actions = {
    j: () => go(current + 1),
    k: () => go(current - 1),
    n: nextUnmarked,
    u: takeBack,
    c: () => article.querySelector("textarea").focus(),
    f: () => give(article, plain(most), rubric.map((_, i) => i + 1).join(" ")),
    0: () => give(article, "0"),
  };
  const criterion = Number(event.key);
  if (criterion >= 1 && criterion <= rubric.length) toggle(article, criterion);
  else if (event.key in actions) actions[event.key]();
  else return;
  event.preventDefault();
}

async function start() {
  const answer = await fetch("marks");
  if (!answer.ok) {
    status.textContent = await answer.text();
    status.classList.add("fault");
    return;
  }
  marks = await answer.json();
  articles.forEach(prepare);
  articles.forEach(show);
  document.addEventListener("keydown", pressed);
  go(0);
  if (marks[articles[0].id].points.trim() !== "") nextUnmarked();
}

start();
