"""What newcomers ask is found by the pages' own search box, in a real browser; needs the built pages and Chromium."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import skflow

DOCS = Path(skflow.__file__).parents[1] / "docs"
if not DOCS.exists():
    pytest.skip("the pages are not there: an installed package has none", allow_module_level=True)
BUILT = DOCS / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FIRST = 5
"""Hits among which the answer must be: those that are seen without scrolling."""

# Words that somebody with the question types, for each question of `questions.rst` and in its order.
TYPED = [
    "frozen model shifted data",
    "which estimator",
    "training data sample",
    "predict new rows",
    "retrain model",
    "scaler",
    "source target",
    "class names",
    "unlabelled rows",
    "no labels",
    "imbalanced classes",
    "missing class",
    "regression",
    "other columns",
    "order of columns",
    "images",
    "DataFrame",
    "NaN reg",
    "grid search",
    "search without labels",
    "schemes of the paper",
    "squared distance",
    "distance to itself",
    "did not converge",
    "memory",
    "GPU",
    "save a model",
    "reproducible results",
    "drift",
    "report",
    "accuracy worse",
    "trust rows",
    "inverse",
    "compare POT",
]
SEARCH = """<!DOCTYPE html><meta charset=utf-8><body><div id="search-progress"></div><pre id="found"></pre>
<script>const DOCUMENTATION_OPTIONS = {URL_ROOT: "", BUILDER: "html", FILE_SUFFIX: ".html", LINK_SUFFIX: ".html"};
const SPHINX_HIGHLIGHT_ENABLED = false, _ = (text) => text, _ready = () => {};</script>
<script src="BUILT/_static/language_data.js"></script><script src="BUILT/_static/searchtools.js"></script>
<script src="BUILT/searchindex.js"></script>
<script>const found = QUERIES.map((query) => Search._performSearch(...Search._parseQuery(query)).reverse());
const pages = found.map((hits) => hits.map((hit) => hit[0]));
document.getElementById("found").textContent = JSON.stringify(pages);</script>"""


def questions():
    """The questions of the page, and the pages that each is led to."""
    items = re.findall(
        r"^- \*(.+?)\*(.*?)(?=\n- |\n\n|\Z)", (DOCS / "questions.rst").read_text(), re.MULTILINE | re.DOTALL
    )
    return {question: re.findall(r":(?:doc|ref):`(?:[^`<]*<)?([^`>]+)>?`", answer) for question, answer in items}


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    """Pages by what is typed, the best first, as the built search has them."""
    if not (BUILT / "searchindex.js").exists():
        pytest.skip("the pages are not built; `make docs` does it")
    if CHROMIUM is None:
        pytest.skip("no Chromium; Debian's package is `chromium`")
    folder = tmp_path_factory.mktemp("search")
    typed = [*TYPED, *questions()]
    page = SEARCH.replace("BUILT", BUILT.as_uri()).replace("QUERIES", json.dumps(typed))
    (folder / "search.html").write_text(page)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", "--allow-file-access-from-files"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", f"file://{folder}/search.html"]
    done = subprocess.run([CHROMIUM, *options], capture_output=True, text=True, timeout=90)
    found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
    return {query: list(dict.fromkeys(pages)) for query, pages in zip(typed, found, strict=True)}


def test_every_question_has_words_and_a_page():
    assert len(questions()) == len(TYPED) >= 30
    assert all(questions().values())


@pytest.mark.slow
def test_the_answer_is_among_the_first_hits(hits):
    answers = dict(zip(TYPED, questions().values(), strict=True))
    assert not {typed: hits[typed][:FIRST] for typed, pages in answers.items() if not {*pages} & {*hits[typed][:FIRST]}}


@pytest.mark.slow
def test_questions_typed_as_they_stand(hits):
    """The list of questions comes first, or a page with the answer."""
    lost = {q: hits[q][:FIRST] for q, pages in questions().items() if not {"questions", *pages} & set(hits[q][:FIRST])}
    assert not lost
