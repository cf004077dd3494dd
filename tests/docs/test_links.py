"""Links lead somewhere: in the sources without a build, and in the built pages where there are some. No network."""

import importlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import skflow

ROOT = Path(skflow.__file__).parents[1]
DOCS = ROOT / "docs"
if not DOCS.exists():
    pytest.skip("the pages are not there: an installed package has none", allow_module_level=True)
BUILT = DOCS / "_build" / "html"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if not {"_build", "auto_examples", "generated"} & set(path.parts))
NOTES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
SOURCES = [*PAGES, *NOTES, ROOT / "CITATION.cff", ROOT / "pyproject.toml", *sorted((ROOT / "examples").glob("*.py"))]


def test_files_that_the_notes_link_to_exist():
    """Markdown links of the README and its neighbours, anchors too."""
    for note in NOTES:
        for target in re.findall(r"\]\(([^)\s]+)\)", note.read_text()):
            path, _, anchor = target.partition("#")
            if urlsplit(target).scheme:
                continue
            linked = note.parent / path if path else note
            assert linked.exists(), f"{note.name}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", linked.read_text(), flags=re.MULTILINE)
                anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
                assert anchor in anchors, f"{note.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_in_pages_are_public(page):
    """A role that names nothing is printed without a link, and Sphinx says nothing."""
    text = page.read_text()
    for name in re.findall(r":(?:class|func|meth|attr|mod):`(?:[^`<]*<)?~?(skflow[\w.]*)>?`", text):
        module, _, rest = name.partition(".")
        found = importlib.import_module(module)
        for part in rest.split(".") if rest else ():
            assert not part.startswith("_"), f"{page.name}: {name}"
            try:
                found = getattr(found, part)
            except AttributeError:  # a module that nothing has imported yet
                found = importlib.import_module(f"{found.__name__}.{part}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_and_files_named_in_pages_exist(page):
    text = page.read_text()
    for name in re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", text):
        folder = DOCS if name.startswith("/") else page.parent
        target = folder / f"{name.strip('/')}.rst"
        made = "auto_examples" in name and (ROOT / "examples" / f"{target.stem}.py").exists()
        assert target.exists() or made, f"{page.name}: {name}"
    for name in re.findall(r":ref:`(?:[^`<]*<)?(sphx_glr_auto_examples_[\w.]+)>?`", text):
        assert (ROOT / "examples" / name.removeprefix("sphx_glr_auto_examples_")).exists(), f"{page.name}: {name}"
    for name in re.findall(r"`(?:`)?((?:benchmarks|examples|docs|tests|skflow)/[\w./]+\.\w+)`", text):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_lines_of_code_beside_the_equations():
    """Each excerpt of the mathematics page stands in its file, once, as one piece."""
    excerpts = re.findall(
        r"\.\. literalinclude:: (\S+)\n   :caption: (\S+)\n   :start-at: (.+)\n   :end-at: (.+)\n",
        (DOCS / "mathematics.rst").read_text(),
    )
    assert len(excerpts) >= 9
    for path, caption, start, end in excerpts:
        code = (DOCS / path).read_text()
        assert (DOCS / path).resolve() == (ROOT / caption).resolve()
        assert code.count(start) == 1, f"{caption}: {start}"
        lines = code[code.index(start) :].partition(end)
        assert lines[1], f"{caption}: {end} does not follow {start}"
        assert lines[0].count("\n") < 12, f"{caption}: from {start} to {end} are too many lines"


def test_addresses_are_well_formed():
    """What a network is needed for is done by `make links`."""
    for source in SOURCES:
        for address in re.findall(r"\bhttps?:[^\s`'\"<>)\]]*", source.read_text()):
            host = urlsplit(address).hostname or ""
            assert re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/[\w./~%#?=&+:,-]*)?", address), (
                f"{source.name}: {address}"
            )
            assert not host.endswith(("example.com", "example.org")), f"{source.name}: {address}"


class Anchors(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self):
        super().__init__()
        self.links, self.places = [], set()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.places.update(filter(None, (attrs.get("id"), attrs.get("name"))))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("img", "script") and attrs.get("src"):
            self.links.append(attrs["src"])


@pytest.mark.slow
@pytest.mark.skipif(not (BUILT / "index.html").exists(), reason="the pages are not built; `make docs` does it")
def test_links_of_the_built_pages():
    """Every link within the pages: the file is there, and so is the place in it."""
    pages = {}
    for path in BUILT.rglob("*.html"):
        if "_static" in path.parts:  # the theme's own, a template
            continue
        pages[path.resolve()] = reader = Anchors()
        reader.feed(path.read_text())
    broken = []
    for page, reader in pages.items():
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            linked = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not linked.exists() or (
                parts.fragment and linked in pages and unquote(parts.fragment) not in pages[linked].places
            ):
                broken.append(f"{page.name}: {link}")
    assert not broken
