// A preview of what a link leads to, when the pointer rests on it or the keyboard reaches it: a figure, an
// equation, an exercise, a term of the glossary, the beginning of a section. It is read from the page that
// the link leads to, which is fetched only then. Escape closes it. Without scripts, links are links.
(() => {
  const LINKS = ".bd-article a.reference[href]:not(.headerlink, .external)";
  const WAIT = 200; // milliseconds: a pointer that only passes opens nothing
  const MATHJAX = new URL("../mathjax/tex-mml-chtml.js", document.currentScript.src).href;
  const pages = new Map();
  const box = document.createElement("div");
  Object.assign(box, { id: "link-preview", className: "link-preview", hidden: true });
  box.setAttribute("role", "tooltip");
  let link, timer;

  function page(address) {
    if (!pages.has(address)) {
      pages.set(address, fetch(address).then(async (answer) => {
        if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
        return new DOMParser().parseFromString(await answer.text(), "text/html");
      }));
    }
    return pages.get(address);
  }

  // What a reader needs to see of the element that has the label.
  function shown(element) {
    if (element.matches("dt")) {
      while (element.matches("dt")) element = element.nextElementSibling; // terms may share a definition
      return [element];
    }
    const whole = element.closest("figure, div.math, .admonition, .citation, tbody");
    if (whole) return [whole];
    const section = element.closest("section") ?? element.querySelector("section") ?? element;
    const title = section.querySelector(":is(h1, h2, h3, h4)");
    const first = [...section.children].find((child) => child.matches("p, div.math, .admonition"));
    return [title, first].filter(Boolean);
  }

  function copy(element, address) {
    const clone = document.importNode(element, true);
    clone.querySelectorAll(".headerlink, script, style, button").forEach((part) => part.remove());
    clone.querySelectorAll("a").forEach((part) => part.replaceWith(...part.childNodes));
    for (const part of [clone, ...clone.querySelectorAll("*")]) part.removeAttribute("id");
    for (const image of clone.querySelectorAll("img")) image.src = new URL(image.getAttribute("src"), address);
    if (!clone.matches("tbody")) return clone;
    const table = document.createElement("table");
    table.append(clone);
    return table;
  }

  async function mathematics() {
    if (!box.querySelector(".math")) return;
    if (!window.MathJax?.startup) {
      // This page has none of its own, and has not loaded MathJax.
      window.MathJax = { startup: { typeset: false } };
      const script = Object.assign(document.createElement("script"), { src: MATHJAX });
      await new Promise((done, failed) => {
        Object.assign(script, { onload: done, onerror: failed });
        document.head.append(script);
      });
    }
    await MathJax.startup.promise;
    await MathJax.typesetPromise([box]);
  }

  async function show(target) {
    const [address, label] = target.href.split("#");
    const there = await page(address).catch(() => null); // a page opened as a file may not read others
    const element = there && (label ? there.getElementById(decodeURIComponent(label)) : there.querySelector("h1"));
    if (!element || link !== target) return;
    window.MathJax?.typesetClear?.([box]);
    box.replaceChildren(...shown(element).map((part) => copy(part, address)));
    box.hidden = false;
    target.setAttribute("aria-describedby", box.id);
    await mathematics();
    place(target);
  }

  function place(target) {
    const at = target.getBoundingClientRect();
    const below = at.bottom + box.offsetHeight < innerHeight;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${below ? at.bottom : Math.max(8, at.top - box.offsetHeight)}px`;
  }

  function open(event, wait) {
    const target = event.target.closest?.(LINKS);
    clearTimeout(timer);
    if (!target || target === link) return;
    hide();
    link = target;
    timer = setTimeout(() => show(target), wait);
  }

  function hide() {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = undefined;
    box.hidden = true;
  }

  function leave(event) {
    if (link && !box.contains(event.relatedTarget) && !link.contains(event.relatedTarget)) {
      clearTimeout(timer);
      timer = setTimeout(hide, WAIT); // time to reach the preview, which stays while the pointer is on it
    }
  }

  document.body.append(box);
  document.addEventListener("pointerover", (event) => {
    if (box.contains(event.target)) clearTimeout(timer);
    else if (event.pointerType === "mouse" && event.target.closest?.(LINKS)) open(event, WAIT);
  });
  document.addEventListener("pointerout", (event) => {
    if (event.target === link || link?.contains(event.target) || box.contains(event.target)) leave(event);
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(":focus-visible")) open(event, 0);
  });
  document.addEventListener("focusout", (event) => event.target === link && hide());
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
})();
