"""A kernel that was divided off runs a page as any other does, and ends with who asked for it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from tooling import kernels

pytestmark = [
    pytest.mark.slow,  # it imports what pages import, twice
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kernels are divided off on Linux only"),
]
ROOT = Path(__file__).resolve().parents[2]
STATE = """
import json, locale, logging, os, re, signal, sys, threading, warnings
names = sorted(globals())
import arviz, matplotlib, matplotlib.pyplot, nutpie, numpy, pandas, pymc, support.figures, xarray
with pymc.Model() as model:
    pymc.Normal("x")
nutpie.compile_pymc_model(model)  # which adds to what Python warns of and where it looks
print(json.dumps({
    "names": [name for name in names if not name.startswith("_")],
    "main": __name__, "argv": sys.argv[1:2], "path": sys.path, "flags": str(sys.flags), "cwd": os.getcwd(),
    "environment": {key: value for key, value in sorted(os.environ.items()) if key != "JPY_PARENT_PID"},
    "settings": {key: str(value) for key, value in matplotlib.rcParams.items()},
    "backend": matplotlib.get_backend(), "xarray": str(xarray.get_options()),
    "warnings": sorted(str(one) for one in warnings.filters), "locale": locale.getlocale(),
    "numpy": str(numpy.get_printoptions()), "errors": numpy.geterr(),
    "pandas": re.findall(r"currently: .*", pandas.describe_option(_print_desc=False).lower()),
    "handlers": {name: str(signal.getsignal(getattr(signal, name))).split(" at ")[0]
                 for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE")},
    "loggers": {name: logging.getLogger(name).level for name in ("pymc", "pytensor", "arviz", "matplotlib")},
    "group": os.getpgrp() == os.getpid() == os.getsid(0), "mask": os.umask(0o22),
}))
"""


@pytest.fixture
def nursery():
    """Let this process ask a nursery for its kernels."""
    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    kernels.use(kernels.WORTHWHILE)
    yield
    factory.default_provisioner_name = before


def run(*cells, folder, timeout=300):
    """Run cells in a kernel, and return what they print."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(folder)}}).execute()
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]


def test_a_page_finds_what_it_would_find_in_a_fresh_process(nursery, tmp_path, monkeypatch):
    # As where threadpoolctl was imported already, which sets it.
    monkeypatch.setenv("KMP_DUPLICATE_LIB_OK", "True")
    kernels.nurseries.pop(os.getpid(), None)
    [divided] = run(STATE, folder=tmp_path)
    kernels.use(1)
    [fresh] = run(STATE, folder=tmp_path)
    divided, fresh = json.loads(divided), json.loads(fresh)
    for what in fresh:
        assert divided[what] == fresh[what], what


@pytest.mark.parametrize("notebooks", [1, kernels.WORTHWHILE])
def test_a_page_gets_nothing_that_is_not_on_the_list(nursery, tmp_path, monkeypatch, notebooks):
    given = {"USER", "CI", "GITHUB_TOKEN", "HTTPS_PROXY", "PYTEST_XDIST_WORKER", "SOMETHING"}
    for name in given:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    kernels.use(notebooks)
    [seen] = run("import os\nprint(*os.environ)", folder=tmp_path)
    assert "MPLCONFIGDIR" in seen.split()
    assert given & set(seen.split()) == set()


def test_ctrl_c_does_not_reach_what_imports_for_all(nursery, tmp_path):
    run("1", folder=tmp_path)
    process, _ = kernels.nurseries[os.getpid()]
    assert os.getpgid(process.pid) != os.getpgid(0)


def test_packages_are_there_and_nothing_is_shared(nursery, tmp_path):
    chance = "import random, sys, numpy\nprint('pymc' in sys.modules, random.random(), numpy.random.random())"
    (one,), (other,) = run(chance, folder=tmp_path), run(chance, folder=tmp_path)
    assert one.startswith("True")
    assert other.startswith("True")
    assert not set(one.split()[1:]) & set(other.split()[1:])


def test_what_a_page_starts_is_waited_for(nursery, tmp_path):
    [said] = run("import subprocess\nprint(subprocess.run(['false']).returncode)", folder=tmp_path)
    assert said == "1\n"


def test_a_cell_that_takes_too_long_is_interrupted_and_a_dead_kernel_is_noticed(nursery, tmp_path):
    manager = KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    client.execute("import time\nprint('begun', flush=True)\ntime.sleep(600)")
    while client.get_iopub_msg(timeout=300)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    assert client.get_shell_msg(timeout=300)["content"]["ename"] == "KeyboardInterrupt"
    process = manager.provisioner.process
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    assert not process.is_running()
    with pytest.raises(DeadKernelError):
        run("import os\nos.kill(os.getpid(), 9)", folder=tmp_path)


def test_all_ends_with_who_asked(tmp_path):
    asker = subprocess.Popen(
        [sys.executable, "-c", f"""
import os, sys, time
from tooling import kernels
arguments = ["kernel", "-f", {str(tmp_path / "kernel.json")!r}]
print(kernels.started(arguments, ".", dict(os.environ), quiet=True), flush=True)
time.sleep(600)
"""],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    asker.stdout.readline()
    family = psutil.Process(asker.pid).children(recursive=True)
    assert len(family) == 2
    asker.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=120)[1] == []


def test_a_nursery_that_ends_is_named(monkeypatch):
    monkeypatch.setattr(kernels, "nurseries", {})
    monkeypatch.setattr(kernels.sys, "executable", "/bin/false")
    with pytest.raises(ChildProcessError, match="has ended"):
        kernels.started([], ".", {}, quiet=True)
    assert os.getpid() not in kernels.nurseries


def test_a_signal_to_a_kernel_that_has_just_ended_is_no_error():
    """As when it ends by itself between two looks of who asked for it."""
    process = subprocess.Popen(["sleep", "600"])
    kernel = kernels.Kernel(process.pid)
    process.kill()
    process.wait()
    kernel.send_signal(signal.SIGKILL)
    assert kernel.poll() == 0
