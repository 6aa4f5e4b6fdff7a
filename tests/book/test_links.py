"""Every link of the built pages leads somewhere: in the book, the repository, to Binder, to downloads."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

import jupytext
import nbclient
import nbformat
import pytest
import yaml
from browsing import HTML, build_book
from bs4 import BeautifulSoup
from repository import listed_and_new
from sphinx_external_toc.parsing import parse_toc_yaml

pytest_plugins = ["browsing"]
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
PAGES = list(parse_toc_yaml(ROOT / "_toc.yml"))
# What a package says of itself is no notebook.
NOTEBOOKS = [page for page in PAGES if not page.startswith("packages/")]
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
RUNS_QUICKLY = "chapters/hierarchical-models"


@pytest.fixture(scope="module", autouse=True)
def _built():
    build_book()


@cache
def places(file):
    """Return the addresses on a page, and its ids."""
    soup = BeautifulSoup(file.read_text(), "html.parser")
    return [tag["href"] for tag in soup.select("a[href]")], {tag["id"] for tag in soup.select("[id]")}


@cache
def tree():
    """Return the files of the repository."""
    return set(listed_and_new())


def fault(address, page):
    """Say what is wrong with an address on a page, or nothing."""
    link = urlsplit(address)
    if link.scheme == "mailto":
        return ""
    if link.hostname == "mybinder.org":
        return binder_fault(link, page)
    if address.startswith(REPOSITORY["url"]):
        return repository_fault(address)
    if link.scheme or link.hostname:
        return "" if link.scheme == "https" else "not https"
    path = unquote(urlsplit(urljoin(f"{page}.html", link.path)).path) if link.path else f"{page}.html"
    if not (HTML / path).is_file():
        return "no such file in the built book"
    if link.fragment and path.endswith(".html") and unquote(link.fragment) not in places(HTML / path)[1]:
        return "no such place on that page"
    return ""


def binder_fault(link, page):
    """Hold a launch link against the repository and its tree."""
    owner_and_name = urlsplit(REPOSITORY["url"]).path
    if link.path != f"/v2/gh{owner_and_name}/{REPOSITORY['branch']}":
        return "another repository or branch"
    (path,) = parse_qs(link.query)["urlpath"]
    if path != f"lab/tree/{page}.md":
        return "another page"
    return "" if path.removeprefix("lab/tree/") in tree() else "no such file in the repository"


def repository_fault(address):
    """Hold a link to the repository against its tree."""
    rest = address.removeprefix(REPOSITORY["url"]).partition("?")[0]
    match = re.fullmatch(rf"/(?:blob|tree|edit|raw)/{REPOSITORY['branch']}/(.+)", rest)
    if match:
        known = tree() | {parent.as_posix() for name in tree() for parent in Path(name).parents}
        return "" if match[1].rstrip("/") in known else "no such file in the repository"
    return "" if rest in ("", "/", "/issues", "/issues/new") else "an address that is not understood"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    addresses = places(HTML / f"{page}.html")[0]
    assert {address: why for address in addresses if (why := fault(address, page))} == {}


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_each_page_can_be_launched_and_downloaded(page):
    addresses = places(HTML / f"{page}.html")[0]
    assert sum("mybinder.org" in address for address in addresses) == 1
    assert REPOSITORY["url"] in addresses
    downloads = {urljoin(f"{page}.html", address) for address in addresses if "_sources/" in address}
    assert downloads == {f"_sources/{page}.ipynb", f"_sources/{page}.md"}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("recap.html#no-such-place", "no such place on that page"),
        ("no-such-page.html", "no such file in the built book"),
        ("../_sources/chapters/recap.txt", "no such file in the built book"),
        (
            "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/chapters/audit.md",
            "another repository or branch",
        ),
        (f"{REPOSITORY['url']}/blob/main/chapters/no.md", "no such file in the repository"),
        (f"{REPOSITORY['url']}/blob/main/chapters/audit.md", ""),
        ("recap.html", ""),
        ("", ""),
    ],
)
def test_a_wrong_link_is_found(address, why):
    assert fault(address, "chapters/audit") == why


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_downloads_are_the_page(page):
    source = ROOT / f"{page}.md"
    assert (HTML / f"_sources/{page}.md").read_text() == source.read_text()
    notebook = nbformat.read(HTML / f"_sources/{page}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec"}, "no pairing with a file that the reader does not have"
    assert not any(cell.get("outputs") for cell in notebook.cells)
    numbered = [f"cell-{number}" for number in range(len(notebook.cells))]
    assert [cell.id for cell in notebook.cells] == numbered, "the same in each build"
    original = jupytext.read(source, fmt="md:myst")
    assert code(notebook) == code(original)
    first, *cells = notebook.cells
    assert len(cells) == len(original.cells)
    assert "%pip install" in first.source
    assert REPOSITORY["url"] in first.source
    words = "".join(cell.source for cell in cells if cell.cell_type == "markdown")
    left = r"^\s*(?::::|```)\{|\{(?:ref|term|glue:text|cite:[pt]|eq|doc)\}`|^\([\w.:-]+\)=$"
    assert re.findall(left, words, re.MULTILINE) == [], "no MyST is left"
    numbers = [str(role) for role in re.findall(r"\{glue:text\}", source.read_text())]
    html = BeautifulSoup((HTML / f"{page}.html").read_text(), "html.parser")
    assert len(html.select(".pasted-text")) == len(numbers), "each computed number is put in its place"


def code(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.browser
def test_a_notebook_from_the_menu_runs(browser, site, tmp_path):
    page = browser.new_page()
    page.goto(f"{site}{RUNS_QUICKLY}.html")
    page.get_by_role("button", name="Download this page").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Notebook (.ipynb)").click()
    path = tmp_path / started.value.suggested_filename
    started.value.save_as(path)
    page.close()
    assert path.suffix == ".ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))


@pytest.mark.parametrize("page", PAGES)
def test_the_foot_of_each_page_has_date_and_versions(page):
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(), "html.parser")
    (foot,) = soup.select("footer .extra_footer")
    said = " ".join(foot.get_text().split())
    lock = (ROOT / "requirements.txt").read_text()
    assert re.search(r"Built on \d{1,2} [A-Z][a-z]+ \d{4} with Python 3\.\d+\.\d+", said)
    for name in ("PyMC", "nutpie", "ArviZ", "NumPy", "SciPy"):
        version = re.search(rf"{name} ([\d.]+\d)", said)[1]
        assert re.search(rf"^{name.lower()}=={re.escape(version)} ", lock, re.MULTILINE)


# The glossary ------------------------------------------------------------------------------

# What a reader may not know, and each page that uses it should explain by a link.
CORE = ["partial pooling", "complete pooling", "shrinkage", "hyperparameter", "funnel", "divergence"]


@cache
def prose(page):
    """Return the paragraphs of a page."""
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(), "html.parser")
    return [tag for tag in soup.select("article :is(p, li)") if not tag.find_parent("figcaption")]


def terms_linked_from(page):
    addresses = places(HTML / f"{page}.html")[0]
    return {match[1] for address in addresses if (match := re.search(r"glossary\.html#(term-.+)", address))}


def test_every_term_of_the_glossary_is_linked_from_a_page():
    soup = BeautifulSoup((HTML / "glossary.html").read_text(), "html.parser")
    linked = set().union(*map(terms_linked_from, PAGES))
    entries = [[]]
    for tag in soup.select("dl.glossary > *"):
        if tag.name == "dt":
            entries[-1].append(tag["id"])
        else:
            entries.append([])
    assert len(entries) > 30
    assert [entry for entry in entries[:-1] if not linked.intersection(entry)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("chapters/")])
@pytest.mark.parametrize("term", CORE)
def test_a_page_that_uses_a_term_links_it(page, term):
    if page == "chapters/audit":
        pytest.skip("its sentences are claims of the source")
    uses = [tag for tag in prose(page) if re.search(rf"\b{term}\b", tag.get_text())]
    linked = {name for name in terms_linked_from(page) if name.startswith(f"term-{term.replace(' ', '-')}")}
    assert not uses or linked, uses[0].get_text()


def test_a_link_to_a_page_says_what_it_is_about():
    descriptions = {}
    for page in PAGES:
        head = BeautifulSoup((HTML / f"{page}.html").read_text(), "html.parser").head
        said = {tag.get("property", tag.get("name")): tag["content"] for tag in head.select("meta[content]")}
        assert said["og:title"]
        assert said["description"] == said["og:description"]
        assert 40 < len(said["description"]) <= 200
        descriptions[page] = said["description"]
    assert len(set(descriptions.values())) == len(PAGES)
