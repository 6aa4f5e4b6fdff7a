// Mark what scrolls sideways while there is more of it on the right: there `book.css` lets it fade.
(() => {
  const PLACES = ".bd-article :is(mjx-container, pre, .output, .audit-scroll, .explorer-scroll, " +
    ".pst-scrollable-table-container)";

  // A formula is a stop for the keyboard only where it has something to scroll.
  function look(place) {
    if (place.localName === "mjx-container") {
      if (place.scrollWidth > place.clientWidth + 1) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    }
    const more = place.scrollLeft + place.clientWidth < place.scrollWidth - 1;
    place.toggleAttribute("data-goes-on", more && getComputedStyle(place).overflowX !== "visible");
  }

  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => look(entry.target)));

  function watch() {
    for (const place of document.querySelectorAll(PLACES)) {
      sizes.observe(place); // which looks at it at once, too
      place.addEventListener("scroll", () => look(place), { passive: true });
    }
  }

  // Formulas are there when MathJax has set them.
  addEventListener("load", () => Promise.resolve(window.MathJax?.startup?.promise).then(watch));
})();
