"""JupyterLab as Binder starts it, for tests and measurements."""

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
from jupyter_client import BlockingKernelClient

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """JupyterLab on this machine; what it writes for itself goes below a folder that it is given.

    It shows the files of the book, unless told of another root.
    """

    def __init__(self, folder, root=ROOT, options=()):
        self.root = root
        self.options = options
        self.runtime = folder / "runtime"
        self.token = secrets.token_hex(16)
        self.environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_TOKEN": self.token,
        }
        self.process = None

    def start(self):
        tool = Path(sys.executable).with_name("jupytext-config")
        subprocess.run(
            [tool, "set-default-viewer", "markdown"],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", *self.options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={self.root}"],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.wait()

    def wait(self):
        """Wait until the server has written down its port and answers."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("JupyterLab ended by itself")
            try:
                (description,) = self.runtime.glob("jpserver-*.json")
                self.address = json.loads(description.read_text())["url"]
                return self.ask("api/status")
            except (OSError, ValueError):
                time.sleep(0.2)
        raise TimeoutError("JupyterLab did not start within two minutes")

    def ask(self, path, data=None, method=None):
        """Return the answer to a request, if there is one; with data, post it."""
        request = urllib.request.Request(
            self.address + path,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def open(self, page):
        """Start the kernel of a page; return a client of it, and the source of the page's code cells."""
        content = self.ask(f"api/contents/{page}?type=notebook&content=1")["content"]
        session = {"path": page, "name": page, "type": "notebook", "kernel": {"name": "python3"}}
        kernel = self.ask("api/sessions", session)["kernel"]["id"]
        client = BlockingKernelClient(connection_file=str(self.runtime / f"kernel-{kernel}.json"))
        client.load_connection_file()
        # Without the heartbeat, which takes a kernel on a busy machine for a dead one.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=120)
        return client, [cell["source"] for cell in content["cells"] if cell["cell_type"] == "code"]

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        for kernel in self.ask("api/kernels"):
            self.ask(f"api/kernels/{kernel['id']}", method="DELETE")
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # it waits for a kernel that was starting
            for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
                process.kill()
            self.process.wait(timeout=60)
