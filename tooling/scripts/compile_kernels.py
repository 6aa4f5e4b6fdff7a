"""Compile the numerical kernels that the book's models need, before any page asks for them.

PyTensor keeps compiled kernels on disk for all later processes, as Python does with byte code. The survey
model alone needs a hundred of them, three quarters of a minute's work that no page should wait for.
"""

import signal
from concurrent.futures import ProcessPoolExecutor

from tooling.environment import end_when_interrupted  # first: it lets Ctrl-C end the next ones

# isort: split
from support import datasets, models, sampling
from tooling.audit import builders

# Between them these use every kernel that the other models use.
MODELS = {
    models.survey_hierarchical: datasets.survey,
    models.hospitals_hierarchical: datasets.hospitals,
    builders.instructors_partial: datasets.instructors,
    models.schools_noncentred: datasets.eight_schools,
    builders.rats_hierarchical: datasets.rat_tumours,
}


def compile_kernels(build):
    """Build one model and draw a few samples, which compiles all it needs."""
    sampling.sample(build(MODELS[build]()), draws=4, tune=4, chains=1, report=False)


if __name__ == "__main__":
    # Of all that hear a Ctrl-C, only this process says so, and ends the others.
    with ProcessPoolExecutor(None, None, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        end_when_interrupted("Run make again.")
        list(pool.map(compile_kernels, MODELS))
