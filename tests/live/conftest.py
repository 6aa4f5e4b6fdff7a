"""The built book with what its cells need, for every browser."""

import pytest
from browsing import serving
from living import assemble


@pytest.fixture(scope="module")
def live(browser, tmp_path_factory, request):
    """Return the address of the built book with what its cells need, from a folder of its own."""
    folder = tmp_path_factory.mktemp("live") / "html"
    if not assemble(folder):
        say = pytest.fail if request.config.option.every_page else pytest.skip
        say("what cells in the page need could not be fetched")
    with serving(folder) as address:
        yield address


@pytest.fixture
def every_page(request):
    """Leave a long test to ``make test-live``."""
    if not request.config.option.every_page:
        pytest.skip("make test-live runs it")
