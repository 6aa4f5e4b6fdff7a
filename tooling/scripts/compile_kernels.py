"""Compile the numerical kernels that the book's models need, before any page asks for them.

PyTensor keeps compiled kernels on disk for all later processes, as Python does with byte code. All models
together need hundreds of them, each half a second's work or more that no page should wait for.
"""

import signal
import warnings
from concurrent.futures import ProcessPoolExecutor

from tooling.environment import end_when_interrupted  # first: it lets Ctrl-C end the next ones

# isort: split
from support import sampling
from tooling.audit.calibration import CASES

# The matrices of these models are small.
warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS")


def compile_kernels(name):
    """Build one model and draw a few samples, which compiles all it needs."""
    model = CASES[name].build(CASES[name].design())
    sampling.sample(model, draws=4, tune=4, chains=1, report=False)


if __name__ == "__main__":
    # Of all that hear a Ctrl-C, only this process says so, and ends the others.
    with ProcessPoolExecutor(None, None, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        end_when_interrupted("Run make again.")
        list(pool.map(compile_kernels, reversed(CASES)))  # the last ones take longest
