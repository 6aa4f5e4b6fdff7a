"""Compile the numerical kernels that the book's models need, before any page asks for them.

PyTensor keeps compiled kernels on disk for all later processes, as Python does with byte code. The survey
model alone needs a hundred of them, three quarters of a minute's work that no page should wait for.
"""

import os
from concurrent.futures import ProcessPoolExecutor

from support import datasets, models, sampling

# Between them these use every kernel that the other models use.
MODELS = {
    "survey_hierarchical": "survey",
    "hospitals_hierarchical": "hospitals",
    "instructors_partial": "instructors",
    "schools_noncentred": "eight_schools",
    "rats_hierarchical": "rat_tumours",
}


def compile_kernels(name):
    """Build one model and draw a few samples, which compiles all it needs."""
    data = getattr(datasets, MODELS[name])()
    model = getattr(models, name)(data)
    sampling.sample(model, draws=4, tune=4, chains=1, report=False)


if __name__ == "__main__":
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_kernels, MODELS))
