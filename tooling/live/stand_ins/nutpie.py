"""In the place of nutpie, which is compiled: the sampler of pages, by the name that PyMC asks for."""

from page_nuts import compile_pymc_model, sample

__all__ = ["compile_pymc_model", "sample"]

__version__ = "0.16.10+page"  # the first that PyMC takes
