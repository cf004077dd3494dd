"""The how-tos: their snippets run, and their words are easy to read."""

import doctest
import re
import statistics
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import skflow

DOCS = Path(skflow.__file__).parents[1] / "docs"
if not DOCS.exists():
    pytest.skip("the pages are not there: an installed package has none", allow_module_level=True)
HOWTOS = sorted((DOCS / "howto").glob("*.rst"))
RUN = [*HOWTOS, DOCS / "glossary.rst", DOCS / "wrong.rst", DOCS / "which.rst"]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def words_for_pages():
    """What the how-tos speak of: a model, its data, and the same kind of data inverted and shifted."""
    X, y = make_blobs(150, n_features=4, centers=5 * np.eye(3, 4), random_state=0)
    X, y = X * [1.0, 1.3, 0.8, 1.1], np.array(["a", "b", "c"])[y]
    X_ref, X_other, y_ref, y_other = train_test_split(X, y, train_size=60, stratify=y, random_state=0)
    X_src, X_new, y_src, y_new = train_test_split(
        12 - X_other, y_other, train_size=60, stratify=y_other, random_state=0
    )
    clf = LogisticRegression().fit(X_ref, y_ref)
    data = {"X_ref": X_ref, "y_ref": y_ref, "X_src": X_src, "y_src": y_src, "X_new": X_new, "y_new": y_new}
    return data | {"clf": clf, "np": np}


NEEDS = {"neighbours": ("imblearn", "skada")}
"""Other packages that a page is about."""


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore:The flow did not converge", "ignore:.*class labels")
def test_snippets_run(page, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    if not all(map(find_spec, NEEDS.get(page.stem, ()))):
        pytest.skip("needs `pip install '.[test]'`")
    with config_context():  # skada's import turns metadata routing on
        failures, _ = doctest.testfile(str(page), module_relative=False, globs=words_for_pages(), optionflags=FLAGS)
    import matplotlib.pyplot as plt

    plt.close("all")
    assert not failures


def prose(page):
    """The page's own sentences, without headings, code and markup."""
    text = re.sub(r"^(.+)\n([=\-~])\2{2,}\n", "", page.read_text(), flags=re.M)  # headings
    lines, code = [], False
    for line in text.splitlines():
        if line.startswith((">>>", "...")):
            code = True
        elif not line.strip():
            code = False
            lines.append("")
        elif line.startswith(("    ", "..", "   ")):
            continue
        elif not code:
            lines.append(line)
    text = re.sub(r":\w+:`~?(?:[^`<]*<)?([^`>]+)>?`", lambda m: m.group(1).rpartition(".")[2], "\n".join(lines))
    text = re.sub(r"`([^`<]+) <[^>]+>`__", r"\1", text)
    text = re.sub(r"``[^`]+``", "name", text)  # a name in code is one word, and not the reader's to pronounce
    text = re.sub(r"[*_`]", "", text)
    blocks = [re.sub(r"\s+", " ", block).strip() for block in re.split(r"\n\s*\n|\n(?=\d\. |- |  \S)|^- ", text)]
    return [re.sub(r"^(\d\.|-) ", "", block).rstrip(":") for block in blocks if block]


def sentences(page):
    found = [s for block in prose(page) for s in re.split(r"(?<=[.!?:])\s+", block)]
    return [s for s in found if len(s.split()) > 1]


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_sentences_are_short(page):
    assert statistics.median(len(s.split()) for s in sentences(page)) <= 18


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_pages_are_easy_to_read(page):
    """Flesch's reading ease: 50 and above is what most adults read with ease."""
    textstat = pytest.importorskip("textstat", reason="needs `pip install '.[test]'`")
    text = " ".join(s if s.endswith((".", "!", "?")) else f"{s.rstrip(':')}." for s in sentences(page))
    assert textstat.flesch_reading_ease(text) >= 50


def test_skops_loads_what_it_is_told_to_trust(tmp_path):
    """As `howto/saving` says."""
    sio = pytest.importorskip("skops.io", reason="needs skops")
    data = words_for_pages()
    aligner = skflow.DomainAligner(skflow.Reference(data["X_ref"], data["y_ref"]), random_state=0).fit(data["X_src"])
    sio.dump(aligner, tmp_path / "aligner.skops")
    unknown = sio.get_untrusted_types(file=tmp_path / "aligner.skops")
    assert all(name.startswith(("skflow.", "sklearn.", "numpy.")) for name in unknown)
    again = sio.load(tmp_path / "aligner.skops", trusted=unknown)
    np.testing.assert_array_equal(again.transform(data["X_new"]), aligner.transform(data["X_new"]))
