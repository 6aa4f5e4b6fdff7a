// A preview of what a link leads to, when the pointer rests on it or the keyboard reaches it: a figure, an
// equation, an exercise, a term of the glossary, the beginning of a section. It is read from the page that
// the link leads to, which is fetched only then. Escape closes it. Without scripts, links are links.
(() => {
  const LINKS = ".bd-article a.reference:not(.external)";
  const WAIT = 200; // milliseconds: a pointer that only passes opens nothing, and has time to reach the preview
  const pages = new Map();
  const box = document.createElement("div");
  Object.assign(box, { id: "link-preview", className: "link-preview", hidden: true, role: "tooltip" });
  document.body.append(box);
  let link, timer;

  async function read(address) {
    const answer = await fetch(address);
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  }

  // What a reader needs to see of the element that a link names.
  function shown(element) {
    while (element.matches("dt")) element = element.nextElementSibling; // terms may share a definition
    const whole = element.closest("dd, figure, div.math, .admonition, .citation, tbody");
    if (whole) return [whole];
    const section = element.closest("section");
    const first = [...section.children].find((child) => child.matches("p, div.math, .admonition"));
    return [section.querySelector("h1, h2, h3, h4"), first].filter(Boolean);
  }

  function copy(element, address) {
    const frame = document.createElement(element.matches("tbody") ? "table" : "div");
    frame.append(document.importNode(element, true));
    frame.querySelectorAll(".headerlink, script, button").forEach((part) => part.remove());
    frame.querySelectorAll("a").forEach((part) => part.replaceWith(...part.childNodes));
    frame.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
    for (const image of frame.querySelectorAll("img")) image.src = new URL(image.getAttribute("src"), address);
    return frame;
  }

  async function show(target) {
    const [address, label] = target.href.split("#");
    if (!pages.has(address)) pages.set(address, read(address).catch(() => null)); // no fetching from files
    const page = await pages.get(address);
    const element = page?.querySelector(label ? `[id="${decodeURIComponent(label)}"]` : ".bd-article h1");
    if (!element || link !== target) return;
    box.replaceChildren(...shown(element).map((part) => copy(part, address)));
    box.hidden = false;
    target.setAttribute("aria-describedby", box.id);
    await window.MathJax?.typesetPromise?.([box]);
    const at = target.getBoundingClientRect();
    const below = at.bottom + box.offsetHeight < innerHeight;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${below ? at.bottom : Math.max(8, at.top - box.offsetHeight)}px`;
  }

  function open(target, wait) {
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

  document.addEventListener("pointerover", ({ target, pointerType }) => {
    const found = target.closest?.(LINKS);
    if (found && pointerType === "mouse") return open(found, WAIT);
    clearTimeout(timer);
    if (!box.contains(target) && link !== document.activeElement) timer = setTimeout(hide, WAIT);
  });
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(":focus-visible")) open(target.closest(LINKS), 0);
  });
  document.addEventListener("focusout", ({ target }) => target === link && hide());
  document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
})();
