"""NUTS for PyMC's models in a page: the model becomes JavaScript, and so does the sampler."""

from page_nuts.graph import Unsupported
from page_nuts.sampling import Compiled, compile_pymc_model, sample

__all__ = ["Compiled", "Unsupported", "compile_pymc_model", "sample"]
