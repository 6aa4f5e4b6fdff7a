"""Cells that run in the page, in the system's own Firefox, which speaks WebDriver BiDi.

``make test-live`` runs this where there is a Firefox; without one it is skipped.
"""

import itertools
import json
import shutil
import subprocess

import pytest
import websocket
from browsing import skip
from living import EIGHT_SCHOOLS

pytest_plugins = ["browsing"]
pytestmark = [pytest.mark.slow, pytest.mark.browser]
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WAITS = 600  # seconds, of a busy machine
# Press Run below a cell; what is said and shown when it has ended.
RUN = """
(async (name) => {
  const cell = document.querySelector(name);
  const button = (text) => [...cell.querySelectorAll("button")].find((one) => one.textContent === text);
  button("Run").click();
  const said = () => cell.querySelector(".live-status").innerText;
  do await new Promise((resolve) => setTimeout(resolve, 200));
  while (button("Stop") || !said());
  return JSON.stringify([said(), cell.querySelector(".live-output").innerText]);
})
"""

# Wait until an expression has a value that holds; return it.
AWAITED = """
(async (value) => {
  let found;
  do await new Promise((resolve) => setTimeout(resolve, 200));
  while (!(found = value()));
  return found;
})
"""
CENTRE = """
const { x, y, width, height } = element?.getBoundingClientRect() ?? {};
return width && JSON.stringify([x + width / 2, y + height / 2].map(Math.round));
"""
# The numbers at the cells of a notebook, once all have one.
NUMBERED = r"""
const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
return prompts.every((prompt) => /^\[\d+\]:$/.test(prompt.textContent.trim())) && prompts.length;
"""


class Firefox:
    """One window without a screen."""

    def __init__(self, profile, preferences):
        lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in preferences.items()]
        (profile / "user.js").write_text("\n".join(lines))
        command = [FIREFOX, "--headless", "--remote-debugging-port", "0", "--profile", str(profile)]
        surroundings = {"HOME": str(profile), "PATH": "/usr/bin:/bin"}
        self.process = subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE, text=True)
        said = next(line for line in self.process.stderr if "WebDriver BiDi listening on" in line)
        address = f"{said.split()[-1]}/session"
        self.socket = websocket.create_connection(address, timeout=WAITS, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.ask("session.new", capabilities={})
        self.window = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method, **params):
        """Send a command and return its result."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return answer["result"]

    def open(self, address):
        """Open a page."""
        self.ask("browsingContext.navigate", context=self.window, url=address, wait="complete")

    def evaluate(self, expression):
        """Return the value of an expression, or of its promise."""
        found = self.ask(
            "script.evaluate", expression=expression, target={"context": self.window}, awaitPromise=True
        )
        assert found["type"] == "success", found
        return found["result"]["value"]

    def wait(self, function):
        """Return the value of a function's body, once it holds."""
        return self.evaluate(f"{AWAITED}(() => {{ {function} }})")

    def click(self, element):
        """Click where an element is, once it is there."""
        x, y = json.loads(self.wait(f"const element = {element}; {CENTRE}"))
        steps = [{"type": "pointerMove", "x": x, "y": y}]
        steps += [{"type": f"pointer{way}", "button": 0} for way in ("Down", "Up")]
        pointer = {"type": "pointer", "id": "mouse", "actions": steps}
        self.ask("input.performActions", context=self.window, actions=[pointer])

    def run(self, cell):
        """Run a cell with those above it; return what is said of it, and its output."""
        return json.loads(self.evaluate(f"{RUN}({json.dumps(cell)})"))

    def close(self):
        """End it."""
        self.socket.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture(params=[True, False], ids=["python waits", "python does not wait"])
def firefox(request, tmp_path, every_page):
    """Yield a Firefox that lets Python wait for promises, or does not, as those of old."""
    if FIREFOX is None:
        skip("there is no Firefox (Debian and Ubuntu: apt install firefox-esr, or firefox)")
    begun = Firefox(tmp_path, {"javascript.options.wasm_js_promise_integration": request.param})
    yield begun, request.param
    begun.close()


def test_a_reader_samples_in_firefox(firefox, live):
    window, waits = firefox
    window.open(f"{live}{EIGHT_SCHOOLS}")
    assert window.evaluate("'Suspending' in WebAssembly") == waits
    said, shown = window.run(".cell-9")
    assert said.startswith("Finished. ")
    assert "divergences" in shown
    window.open(f"{live}chapters/recap.html")
    assert window.run(".cell-6")[0] == "As stated. 2 cells above ran first."


@pytest.mark.parametrize("firefox", [True], indirect=True)
def test_a_page_runs_as_a_notebook_in_firefox(firefox, live):
    window, _ = firefox
    window.open(f"{live}live/lite/notebooks/index.html?path=chapters/recap.ipynb")
    name = "one.textContent.trim().startsWith('Python')"  # of the kernel, once it is there
    window.wait(f"return [...document.querySelectorAll('.jp-Toolbar jp-button')].some((one) => {name})")
    window.click("[...document.querySelectorAll('.lm-MenuBar-item')].find((one) => one.innerText === 'Run')")
    window.click("document.querySelector('.lm-Menu-item[data-command=\"runmenu:run-all\"]')")
    assert window.wait(NUMBERED) > 20
    shown = window.evaluate("document.querySelector('.jp-Notebook').innerText")
    assert "formula   -0.832   8.207" in shown
    assert "divergences 0" in shown  # of what it samples
    assert "Traceback" not in shown
