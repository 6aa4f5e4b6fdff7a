// The search finds American spellings too, and says of a glossary entry what it is. It wraps Sphinx's own.
"use strict";

(() => {
  // From American to British; what is not a word of this book stays as it was typed.
  const SPELLINGS = [
    [/center/, "centre"], [/centering/, "centring"], [/centered/, "centred"], [/iz(?=e|ing|at)/, "is"],
    [/yz(?=e|ing)/, "ys"], [/or(?=s?$|ed|ing)/, "our"], [/(?<=[aeiou])l(?=ed$|ing$)/, "ll"], [/se$/, "ce"],
  ];
  const BEFORE = [[/^noncent/, "non-cent"], [/^multi-level/, "multilevel"]];

  function british(query) {
    const { terms, titleterms } = Search._index;
    const stemmer = new Stemmer();
    const known = (word) =>
      word.split("-").every((part) => [terms, titleterms].some((one) => Object.hasOwn(one, stemmer.stemWord(part))));
    return query.toLowerCase().trim().replace(/[\p{Letter}-]+/gu, (word) => {
      const typed = BEFORE.reduce((text, [from, to]) => text.replace(from, to), word);
      const all = SPELLINGS.map(([from, to]) => typed.replace(from, to)).filter((one) => one !== typed);
      return all.find((one) => known(one)) ?? typed;
    });
  }

  // The name of an entry of the glossary in place of "Glossary"; each entry once.
  function named(results) {
    const seen = new Set();
    const best = [];
    for (const result of results.toReversed()) {
      const [page, , anchor] = result;
      if (seen.has(page + anchor)) continue;
      seen.add(page + anchor);
      if (anchor.startsWith("#term-")) {
        result[1] = `${anchor.slice("#term-".length).replaceAll("-", " ")} (glossary)`;
        result[3] = null;
      }
      best.push(result);
    }
    return best.toReversed();
  }

  const { query, _performSearch, htmlToText } = Search;
  Search.query = (typed) => query(british(typed));
  Search._performSearch = (...asked) => named(_performSearch(...asked));
  Search.htmlToText = (page, anchor) => {
    if (!anchor?.startsWith("#term-")) return htmlToText(page, anchor);
    const entry = new DOMParser().parseFromString(page, "text/html").querySelector(anchor);
    entry.querySelector(".headerlink")?.remove();
    const definition = entry.parentElement.querySelector(`${anchor} ~ dd`);
    return `${entry.textContent}: ${definition.textContent}`;
  };
})();
