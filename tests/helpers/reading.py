"""What is wrong with a page as a browser shows it: each check returns one sentence for each fault."""

import base64
import io
import re
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
from PIL import Image

DESKTOP, PHONE = (1280, 900), (390, 844)
MOST_BYTES = 1_000_000  # what one page may need, as sent
MOST_CODE = 0.2  # of the height of a chapter
FIRST_CONTENT, READY = 1.0, 2.0  # seconds
LOADS = 5  # of which the fastest counts, so that it matters less what else the machine does

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
# axe-core takes its time for every element. What is hidden from screen readers or looks like another in the
# same block of code, drawing or table is looked at once, or not at all: all would take three times as long.
NOT_FOR_AXE = ["[data-again]"]
LIGHTEN = """() => {
  const seen = new Set();
  const kind = (e) => `${e.tagName}.${e.getAttribute("class")}`;
  const alike = ".audit tbody *, table.dataframe tr, pre span, .sig span, .explorer svg *:not(:has(*))";
  for (const one of document.querySelectorAll(alike)) {
    const around = one.closest(".audit, .cell_input, .cell_output, .explorer svg, .sig");
    const kinds = [around, one.parentElement, one, ...one.querySelectorAll("*")].map((e) => e && kind(e));
    const key = [one.matches("tr:nth-child(odd)"), ...kinds].join(" ");
    if (seen.has(key)) one.dataset.again = "";
    seen.add(key);
  }
  const spans = ":is(pre, .sig) [data-again]";
  for (const one of document.querySelectorAll(spans)) one.replaceWith(...one.childNodes);
  for (const one of document.querySelectorAll(":is(tr, svg *)[data-again]")) one.remove();
  for (const one of document.querySelectorAll("mjx-assistive-mml *")) one.replaceWith(one.textContent);
  for (const drawn of document.querySelectorAll("mjx-math")) {
    const box = document.createElement("span");
    const { width, height } = drawn.getBoundingClientRect();
    box.style.cssText = `display: inline-block; width: ${width}px; height: ${height}px`;
    drawn.replaceWith(box);
  }
}"""

# Seconds to first content; and until all scripts of the page have done their work, and the browser has
# nothing left to do. The browser may write down later than that when it showed the first content.
WHEN_READY = """async () => {
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  while (document.readyState !== "complete") await wait(10);
  await window.MathJax?.startup?.promise;
  const waiting = () => document.querySelector("div.explorer:not([data-ready])");
  while (waiting() && performance.now() < 15000) await wait(10);
  await document.fonts.ready;
  await new Promise((done) => requestIdleCallback(done));
  const ready = performance.now();
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0];
  while (!painted() && performance.now() < 30000) await wait(10);
  return [painted().startTime / 1000, ready / 1000];
}"""
# Until what is put off for a moment is done, as long as the page is busy: the theme looks 300 ms after a
# change of size for what scrolls. In a page, what falls due first is done first. A browser may draw no frame
# of what it thinks that nobody sees, and nothing ends a wait for it but this.
SETTLED = """async (resized) => {
  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const frame = () => Promise.race([new Promise((done) => requestAnimationFrame(done)), pause(5000)]);
  await frame();
  await frame();
  // The theme makes what scrolls a stop for the keyboard, some time after the last change of size.
  const places = "pre, .cell_output > .output, .jp-RenderedHTMLCommon, .pst-scrollable-table-container";
  const scrolls = (e) => e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight;
  const told = () => [...document.querySelectorAll(places)].every((e) => (e.tabIndex === 0) === scrolls(e));
  for (let tries = 0; resized && !told() && tries < 200; tries++) await pause(50);
  const ended = document.getAnimations().map((one) => one.finished.catch(() => null));
  await Promise.race([Promise.all(ended), pause(5000)]);
}"""
FETCH = """async (url) => {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


class Visit:
    """One first visit to a page: what it asked for, and what the console said."""

    def __init__(self, page, address, host):
        self.page, self.host = page, host
        self.requests, self.errors, self.bytes = [], [], 0
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)
        network = page.context.new_cdp_session(page)
        network.on("Network.loadingFinished", self._received)
        network.send("Network.enable")
        page.goto(address, wait_until="load")
        self.first_content, self.ready = page.evaluate(WHEN_READY)
        page.wait_for_load_state("networkidle")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _received(self, event):
        self.bytes += event["encodedDataLength"]

    def restyle(self, theme, size):
        """Show the page in another theme, and in a window of another size."""
        before, after = self.page.viewport_size, {"width": size[0], "height": size[1]}
        self.page.emulate_media(color_scheme=theme)
        self.page.set_viewport_size(after)
        self.page.wait_for_function("(theme) => document.documentElement.dataset.theme === theme", arg=theme)
        self.page.evaluate(SETTLED, before != after)


@contextmanager
def visiting(browser, host, name, *, theme="light", size=DESKTOP):
    """Visit a page with nothing of it in the browser's cache."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, reduced_motion="reduce"
    )
    try:
        yield Visit(context.new_page(), host + name, host)
    finally:
        context.close()


def fastest(browser, host, name, *, loads=LOADS):
    """Least seconds to first content and to readiness, and bytes, of several first visits."""
    visits = []
    for _ in range(loads):
        with visiting(browser, host, name) as visit:
            visits.append((visit.first_content, visit.ready, visit.bytes))
    return [min(values) for values in zip(*visits, strict=True)]


def requests_elsewhere(visit):
    """Requests to any other host."""
    own = (visit.host, "data:", "blob:")
    return [f"asks another host: {url}" for url in visit.requests if not url.startswith(own)]


def script_errors(visit):
    """Errors and warnings in the console, files that are missing among them."""
    return [f"the console says: {error}" for error in visit.errors]


def weight(visit):
    """More bytes than a page may need."""
    if visit.bytes <= MOST_BYTES:
        return []
    return [f"needs {visit.bytes:,.0f} bytes of at most {MOST_BYTES:,}"]


def code_share(page):
    """Part of the height of a page that is open code."""
    return page.evaluate("""() => {
      // Browsers lay out what is folded, and do not show it.
      const open = (e) => e.checkVisibility();
      const code = [...document.querySelectorAll(".bd-article .cell_input")].filter(open);
      const heights = code.map((e) => e.offsetHeight);
      return heights.reduce((sum, one) => sum + one, 0) / document.querySelector(".bd-article").offsetHeight;
    }""")


def much_code(visit):
    """More code than a reader should have to pass."""
    share = code_share(visit.page)
    return [f"code takes {share:.0%} of the height, of at most {MOST_CODE:.0%}"] if share > MOST_CODE else []


def late_picture(visit):
    """A first picture, or explorer, that is not on the first screen."""
    top = visit.page.evaluate("""() => Math.min(...[...document.querySelectorAll(
      ".bd-article :is(figure img, .cell_output img, .explorer)")]
      .filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().top + scrollY), 1e6)""")
    height = visit.page.viewport_size["height"]
    late = height <= top < 1e6  # one that is not there is not late
    return [f"its first picture begins {top:.0f} pixels down, below {height}"] if late else []


def keyboard_stops(visit):
    """Formulas at which the keyboard stops though they have nothing to scroll."""
    return visit.page.evaluate("""() => [...document.querySelectorAll("mjx-container[tabindex='0']")]
      .filter((e) => e.scrollWidth <= e.clientWidth + 1)
      .map((e) => "a stop: " + e.textContent.slice(0, 60))""")


def skip_link(visit):
    """The first stop of the keyboard, if it does not show a link that leads past the menus to the text."""
    page = visit.page
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    page.keyboard.press("Tab")
    first = page.evaluate("""async () => {
      await new Promise((done) => requestAnimationFrame(done));
      await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)));
      const box = document.activeElement.getBoundingClientRect();
      const seen = box.width > 1 && box.height > 1 && box.top >= 0 && box.bottom <= innerHeight;
      return seen ? document.activeElement.getAttribute("href") : null;
    }""")
    if first != "#main-content":
        return [f"the keyboard stops first at {first}, not at a link to the text"]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("() => document.querySelector('#main-content').contains(document.activeElement)")
    return [] if inside else ["the link to the text does not lead there"]


def unseen_stops(visit, most=400):
    """Stops of the keyboard that show no frame."""
    page, seen = visit.page, {}
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    for _ in range(most):
        page.keyboard.press("Tab")
        stop, framed = page.evaluate("""() => {
          const one = document.activeElement;
          if (one === document.body) return [null, true];
          one.dataset.stop ??= document.querySelectorAll("[data-stop]").length;
          const { outlineStyle, outlineWidth } = getComputedStyle(one);
          const framed = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
          return [one.dataset.stop + one.outerHTML.slice(0, 120), framed];
        }""")
        if stop is None or stop in seen:
            break
        seen[stop] = framed
    return [f"no frame shows the keyboard at {stop}" for stop, framed in seen.items() if not framed]


def crowded_corrections(visit):
    """Corrections of the source that stand on one screen with the one before."""
    return visit.page.evaluate("""() => {
      const tops = [...document.querySelectorAll(".correction")].map((e) => e.getBoundingClientRect().top);
      return tops.slice(1).filter((top, i) => top - tops[i] < innerHeight)
        .map((top, i) => `a correction stands ${Math.round(top - tops[i])} pixels below another`);
    }""")


def small_letters(visit):
    """Figures whose letters, of 11 points in a figure of 180 dots an inch, have less than 9 pixels."""
    return visit.page.evaluate("""() => [...document.querySelectorAll(".bd-article img[src$='.png']")]
      .filter((e) => e.offsetWidth && e.naturalWidth > 1000)
      .filter((e) => (11 / 72) * 180 * (e.offsetWidth / e.naturalWidth) < 9)
      .map((e) => `letters too small, ${e.offsetWidth} pixels: ${e.alt.slice(0, 60)}`)""")


def mathematics(visit):
    """Formulas that MathJax did not set, unknown macros, and characters that its fonts lack."""
    return visit.page.evaluate("""() => [
      ...[...document.querySelectorAll(".bd-article .math")]
        .filter((e) => !e.querySelector("mjx-container")).map((e) => "not set: " + e.textContent),
      ...[...document.querySelectorAll("mjx-merror, mjx-container [style*='red']")]
        .map((e) => "MathJax does not know: " + (e.dataset.mjxError ?? e.textContent)),
      ...[...document.querySelectorAll("mjx-utext")].map((e) => "no glyph for: " + e.textContent),
      ...[...document.fonts].filter((f) => f.status === "error").map((f) => "font is missing: " + f.family),
    ]""")


def missing_alternatives(visit):
    """Pictures in the text that say nothing to those who cannot see them."""
    images = visit.page.evaluate(
        "() => [...document.querySelectorAll('.bd-article img')].map((e) => [e.getAttribute('alt'), e.src])"
    )
    return [f"alt text {alt!r} says nothing: {url}" for alt, url in images if len((alt or "").split()) < 3]


def accessibility(visit, rules=None):
    """What axe-core finds; it leaves less of the page for other checks."""
    options = {"preload": False, "resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = rules
    if not visit.page.evaluate("'axe' in window"):
        visit.page.evaluate(AXE.read_text(encoding="utf8"))
        visit.page.evaluate(LIGHTEN)
    found = visit.page.evaluate(
        "async ([exclude, options]) => (await axe.run({exclude}, options)).violations",
        [[[selector] for selector in NOT_FOR_AXE], options],
    )
    return [
        f"{violation['impact']} {violation['id']}: {node['html'][:200]}"
        for violation in found
        for node in violation["nodes"]
        if not is_left_to_theme(violation, node)
    ]


def is_left_to_theme(violation, node):
    """The theme's logo stands outside every landmark, which is no harm: the link has a name."""
    return violation["id"] == "region" and "logo__image" in node["html"]


def sideways(visit):
    """What makes the whole page scroll sideways, or is cut off at its side."""
    return visit.page.evaluate("""() => {
      const width = innerWidth;
      const scrollable = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
      const scrolls = (e) => e && (scrollable(e) || scrolls(e.parentElement));
      const wide = [...document.querySelectorAll(".bd-article-container *")].filter((e) => {
        const box = e.getBoundingClientRect();
        return box.width && box.height && box.right > width + 1 && !e.closest("mjx-assistive-mml")
          && !e.closest(".dropdown-menu") && !scrolls(e.parentElement);
      });
      const found = wide.slice(0, 5).map((e) => "wider than the page: " + e.outerHTML.slice(0, 150));
      const whole = document.documentElement.scrollWidth;
      return whole > width ? [`the page scrolls sideways: ${whole} > ${width}`, ...found] : found;
    }""")


def faint_figures(visit):
    """Figures whose strongest ink has a contrast of less than 7 to 1 with what lies behind them."""
    figures = visit.page.evaluate("""() => {
      const behind = (e) => {
        const colour = e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)";
        return /, 0\\)$/.test(colour) ? behind(e.parentElement) : colour;
      };
      return [...document.querySelectorAll(".bd-article img")]
        .filter((e) => e.offsetWidth && /\\.png$/.test(e.src)).map((e) => [e.src, behind(e)]);
    }""")
    found = []
    for url, colour in figures:
        with Image.open(io.BytesIO(base64.b64decode(visit.page.evaluate(FETCH, url)))) as picture:
            contrast = strongest_contrast(picture, tuple(map(int, re.findall(r"\d+", colour)[:3])))
        if contrast < 7:
            found.append(f"contrast {contrast:.1f} on {colour}: {url}")
    return found


def strongest_contrast(picture, behind):
    """Largest contrast of a colour that covers at least a thousandth with the commonest colour."""
    ground = Image.new("RGBA", picture.size, (*behind, 255))
    shown = Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    counts = sorted(shown.getcolors(maxcolors=shown.width * shown.height), reverse=True)
    enough = shown.width * shown.height / 1000
    paper = luminance(counts[0][1])
    inks = [luminance(colour) for count, colour in counts if count >= enough]
    return max((max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) for ink in inks)


def luminance(colour):
    """Relative luminance as WCAG defines it."""
    parts = [value / 255 for value in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
