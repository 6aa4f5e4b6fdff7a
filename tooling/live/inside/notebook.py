"""What IPython runs first in a notebook of the browser."""

import sys

import arriving
from IPython import get_ipython


def _say(shell, kind, error, trace, tb_offset=None):
    """Show a sentence, where one says it all, in the place of the traceback."""
    if sentence := arriving.sentence(error):
        shell._showtraceback(kind, error, [sentence])
    else:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


get_ipython().set_custom_exc((ModuleNotFoundError, arriving.NotFetched), _say)
get_ipython().Completer.use_jedi = False  # which is not sent
sys.path.remove("")  # the notebook's folder, where each import would ask the page for files
