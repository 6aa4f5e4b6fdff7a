"""Kernels that start with the packages of pages imported.

To import PyMC and its like takes each notebook three seconds of a processor, and its first model three more
than the others. A nursery imports them and compiles a model once, and divides itself (by ``fork``) for each
notebook, which then runs in a process of its own as ever.
"""

import contextlib
import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from importlib.metadata import EntryPoint
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import psutil
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from tooling import environment

WORTHWHILE = 4
IMPORTED = """
    altair IPython.core.interactiveshell arviz hierarchical_exact ipykernel.kernelapp matplotlib.pyplot
    myst_nb nutpie pandas pymc scipy.integrate scipy.optimize scipy.signal support.checks support.exercises
    support.figures support.models support.sampling tooling.explorers watermark
""".split()  # noqa: SIM905
lock = threading.Lock()
nurseries = {}  # the one of this process, and the pipe to it


def use(notebooks):
    """Have the kernels of this process start so, if it runs as many notebooks as make this worth it.

    All get the environment of pages.
    """
    name = "Nursery" if notebooks >= WORTHWHILE and sys.platform.startswith("linux") else "OfPages"
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[name] = EntryPoint(name, f"{__name__}:{name}", factory.GROUP_NAME)
    factory.default_provisioner_name = name


class OfPages(LocalProvisioner):
    """What Jupyter asks for a kernel."""

    async def pre_launch(self, **kwargs):
        """Choose what a kernel gets."""
        kwargs["env"] = environment.of_page(kwargs.get("env") or os.environ)
        return await super().pre_launch(**kwargs)


class Nursery(OfPages):
    """The same, of a process that divides itself."""

    async def launch_kernel(self, cmd, **kwargs):
        """Start a kernel with the arguments after its launcher's name."""
        arguments = cmd[cmd.index("ipykernel_launcher") :]
        given = kwargs.get("env") or dict(os.environ)
        number = started(arguments, str(kwargs["cwd"]), given, quiet=kwargs.get("stderr") is not None)
        self.process, self.pid, self.pgid = Kernel(number), number, number
        self.cwd = kwargs["cwd"]
        return self.connection_info


class Kernel(psutil.Process):
    """A process that is nobody's child, as `subprocess.Popen` shows one."""

    stdin = stdout = stderr = None

    def poll(self):
        """Return None while it runs."""
        return None if self.is_running() else 0

    def send_signal(self, number):
        """Send a signal; one that has just ended needs none, which psutil takes for an error."""
        with contextlib.suppress(psutil.NoSuchProcess):
            super().send_signal(number)


def started(*request, **options):
    """Return the process number of a new kernel; the first one waits for the nursery."""
    with lock:
        if os.getpid() not in nurseries:
            nurseries[os.getpid()] = open_nursery()
        process, pipe = nurseries[os.getpid()]
        try:
            pipe.send((request, options))
            return pipe.recv()
        except (EOFError, ConnectionError):
            del nurseries[os.getpid()]
            words = f"the process that divides for each notebook has ended (status {process.wait()})"
            raise ChildProcessError(f"{words}: what it wrote says why, unless a signal ended it") from None


def open_nursery():
    """Start a nursery; return it, and the pipe by which it is asked."""
    ours, theirs = Pipe()
    with theirs:
        command = [sys.executable, "-m", "tooling.kernels", str(theirs.fileno())]
        root = Path(__file__).parents[1]
        given = environment.of_page(os.environ)  # what imports add here, they add in a fresh process
        # In a session of its own, Ctrl-C does not reach it: it ends with this process.
        process = subprocess.Popen(
            command,
            env=given,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            cwd=root,
            start_new_session=True,
        )
    return process, ours


def serve(requests):
    """Import what pages import, then divide for each request, until nobody is left to ask."""
    given = set(os.environ)
    # What a kernel tells Matplotlib before any page can import it.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in IMPORTED:
        importlib.import_module(name)
    compile_once()
    sys.modules["pandas"].options.display.max_columns = 20  # as in a notebook; it took this for a terminal
    by_packages = {name: value for name, value in os.environ.items() if name not in given}
    gc.collect()
    gc.freeze()  # so that collecting garbage in a kernel does not copy all that is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a kernel that has ended
    with contextlib.suppress(EOFError):
        while True:
            (arguments, folder, environment), options = requests.recv()
            with warnings.catch_warnings():
                # The threads that Python warns of are OpenBLAS's and jemalloc's, which know what a fork is.
                warnings.simplefilter("ignore", DeprecationWarning)
                number = os.fork()
            if number == 0:
                requests.close()
                become_kernel(arguments, folder, by_packages | environment, **options)
            requests.send(number)


def compile_once():
    """Compile a model without data: what the first one makes ready serves all."""
    import nutpie
    import pymc as pm

    with pm.Model() as model:
        pm.Normal("x")
    nutpie.compile_pymc_model(model)


def become_kernel(arguments, folder, environment, quiet):
    """Go on as ``python -m ipykernel_launcher`` would, with a session, a folder and chance of its own."""
    import numpy as np
    from ipykernel import kernelapp

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if quiet:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    np.random.seed()  # noqa: NPY002 (the one that all kernels would share)
    sys.argv = [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]  # with which it ends too
    kernelapp.launch_new_instance()
    sys.exit()


if __name__ == "__main__":
    del sys.path[0]  # the folder of the command, where a notebook does not look first
    serve(Connection(int(sys.argv[1])))
