// Remember on the reader's own device which questions were answered, and show it on the first page.
(() => {
  const KEY = "questions";

  function read() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch { // no storage, or not ours
      return {};
    }
  }

  function write(pages) {
    try {
      localStorage.setItem(KEY, JSON.stringify(pages));
    } catch { /* without storage nothing is remembered, and nothing else is lost */ }
  }

  // A question counts as answered, and its first choice as the answer, when a choice is opened.
  function watch(page) {
    const questions = [...document.querySelectorAll(".admonition.question")];
    if (questions.length === 0) return;
    const title = document.querySelector("h1").childNodes[0].textContent;
    const update = (change) => {
      const pages = read();
      const known = pages[page]?.first ?? [];
      const first = questions.map((_, i) => known[i] ?? null);
      change(first);
      write({ ...pages, [page]: { title, first } });
    };
    update(() => {});
    questions.forEach((question, i) => {
      for (const choice of question.querySelectorAll("details")) {
        choice.addEventListener("toggle", () => {
          if (choice.open) update((first) => { first[i] ??= choice.classList.contains("right"); });
        });
      }
    });
  }

  function show(place) {
    const pages = Object.entries(read());
    const list = document.createElement("ul");
    for (const [page, { title, first }] of pages) {
      const right = first.filter((answer) => answer === true).length;
      const answered = first.filter((answer) => answer !== null).length;
      const link = document.createElement("a");
      link.href = page;
      link.textContent = title;
      const item = document.createElement("li");
      item.append(link, `: ${answered} of ${first.length} answered, ${right} right at once`);
      list.append(item);
    }
    const forget = document.createElement("button");
    forget.type = "button";
    forget.className = "button";
    forget.textContent = "Forget all this";
    forget.addEventListener("click", () => {
      localStorage.removeItem(KEY);
      show(place);
    });
    place.replaceChildren(...(pages.length > 0 ? [list, forget] : ["You have opened no chapter yet."]));
  }

  addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("progress");
    // Addresses relative to the first page, so that they hold wherever the book is served.
    const root = new URL(document.documentElement.dataset.content_root ?? "./", location.href);
    if (place) show(place);
    else watch(location.href.split(/[?#]/)[0].replace(root.href, ""));
  });
})();
