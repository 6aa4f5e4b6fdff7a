"""What Binder gives a reader: the lock, Python 3.13, and pages that open and run as notebooks."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient

ROOT = Path(__file__).resolve().parent.parent
PAGE = "chapters/mathematical-structure.md"


def test_binder_takes_the_same_python_and_lock():
    version = (ROOT / ".python-version").read_text().strip()
    assert (ROOT / "runtime.txt").read_text().strip() == f"python-{version}"
    assert os.access(ROOT / "postBuild", os.X_OK)
    # A folder of Binder's own, or a conda list, would take the place of requirements.txt.
    for other in ("binder", ".binder", "environment.yml", "Pipfile", "setup.py"):
        assert not (ROOT / other).exists()


def test_the_lock_holds_what_plain_pip_can_install():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 100
    for line in pinned:
        assert re.match(r"[\w.-]+==[^ ]+ .*\\$", line), f"not an exact version with hashes: {line}"
    assert not re.search(r"https?://|file:", "\n".join(lines)), "the address of an index"


class Server:
    """JupyterLab on this machine, with the folders that it may write to below a given one."""

    def __init__(self, folder):
        self.runtime = folder / "runtime"
        self.environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_TOKEN": secrets.token_hex(16),
        }
        self.process = None

    def start(self):
        tool = Path(sys.executable).with_name("jupytext-config")
        subprocess.run(
            [tool, "set-default-viewer", "myst"],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={ROOT}"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait()

    def wait(self):
        """Wait until the server has written down its port and answers."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "JupyterLab ended by itself"
            try:
                (description,) = self.runtime.glob("jpserver-*.json")
                self.address = json.loads(description.read_text())["url"]
                return self.ask("api/status")
            except (OSError, ValueError):
                time.sleep(0.2)
        pytest.fail("JupyterLab did not start within two minutes")

    def ask(self, path, data=None):
        """Return the answer to a request; with data, post it."""
        request = urllib.request.Request(
            self.address + path,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {self.environment['JUPYTER_TOKEN']}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        for kernel in self.ask("api/kernels"):
            request = urllib.request.Request(
                self.address + f"api/kernels/{kernel['id']}",
                headers={"Authorization": f"token {self.environment['JUPYTER_TOKEN']}"},
                method="DELETE",
            )
            urllib.request.urlopen(request, timeout=60).close()
        self.process.terminate()
        self.process.wait(timeout=60)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.stop()


@pytest.mark.slow
def test_a_page_opens_as_a_notebook_in_jupyterlab_and_runs(server):
    settings = server.ask("lab/api/settings/@jupyterlab/docmanager-extension:plugin")
    viewers = settings["schema"]["properties"]["defaultViewers"]["default"]
    assert viewers.get("myst") == "Jupytext Notebook"

    page = server.ask(f"api/contents/{PAGE}?type=notebook&content=1")
    cells = [cell for cell in page["content"]["cells"] if cell["cell_type"] == "code"]
    assert cells

    session = {"path": PAGE, "name": PAGE, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = server.ask("api/sessions", session)["kernel"]["id"]
    client = BlockingKernelClient(connection_file=str(server.runtime / f"kernel-{kernel}.json"))
    client.load_connection_file()
    # Without the heartbeat, which takes a kernel on a busy machine for a dead one.
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=120)
        for number, cell in enumerate(cells, start=1):
            reply = client.execute_interactive(
                cell["source"], timeout=300, allow_stdin=False, output_hook=lambda message: None
            )
            content = reply["content"]
            assert content["status"] == "ok", f"cell {number}: {content.get('evalue')}"
    finally:
        client.stop_channels()
