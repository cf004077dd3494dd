"""FlowReport: one page that stands alone, says what the flow did, and escapes what is the user's."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from skflow import (
    ConstrainedFlow,
    DomainAligner,
    GradualAligner,
    MultiDomainFlow,
    OTDDFlowTransformer,
    PseudoLabelFlow,
    Reference,
    RepurposedClassifier,
    RepurposedRegressor,
)
from skflow.functionals import NormPotential
from skflow.inspection import FlowReport
from skflow.safeguard import ClassShare

pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")

QUICK = {"max_iter": 10, "tol": 0.02, "pushforward": LinearRegression(), "random_state": 0}
EVIL = "<script>alert('x & \"y\"')</script>"


def blobs(shift=0.0, names=("a", "b", "c"), n=90, d=4):
    X, y = make_blobs(n, n_features=d, centers=5 * np.eye(3, d), random_state=0)
    return X + shift, np.array(names)[y]


@pytest.fixture(scope="module")
def reference():
    return Reference(*blobs())


@pytest.fixture(scope="module")
def source():
    return blobs(shift=8.0)


@pytest.fixture(scope="module")
def flow(reference, source):
    return OTDDFlowTransformer(reference, **QUICK).fit(*source)


@pytest.fixture(scope="module")
def model(reference):
    return FrozenEstimator(LogisticRegression().fit(*reference))


class Page(HTMLParser):
    """Elements, their texts and their attributes; every element is closed in its turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.texts = [], [], {}
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else None, []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.seen if name == tag]


def text_of(report):
    page = re.sub(r"<style>.*?</style>", "", report.to_html(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def check(report):
    """What holds of every page."""
    html = report.to_html()
    page = Page(html)
    ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))  # as strict as XML, too
    assert page.all("html") == [{"lang": "en"}]
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.seen}
    addresses = [value for _, own in page.seen for name, value in own.items() if name in {"src", "href", "srcset"}]
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "http" not in html
    assert "url(" not in html
    assert len(page.all("h1")) == 1
    assert all(own.get("alt") for own in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(own.get("scope") in {"col", "row"} for own in page.all("th"))
    assert len(page.all("svg")) == html.count("<title>") - 1
    assert not any("id" in own for _, own in page.seen)  # two reports may share a page
    assert not [name for _, own in page.seen for name in own if name.startswith("on")]
    assert Page(report._repr_html_()).all("h2") == page.all("h2")
    return page


def test_a_flow_with_rows_and_labels(flow, source):
    report = FlowReport(flow, *source)
    page = check(report)
    assert page.texts["h2"] == [
        "What to watch",
        "In pictures",
        "Distance to the model's data",
        "The global map",
        "The decision",
        "The flow",
        "Columns that moved most",
        "Classes",
        "Rows to distrust",
    ]
    assert "Rows are aligned by one global map" in report.headline
    assert flow.decision_.reason.replace("'", "&#x27;") in report.to_html()
    assert "All values are shifted by −8" in text_of(report)


@pytest.mark.parametrize("kind", ["constrained", "pseudo", "aligner", "repurposed", "pipeline", "no alignment"])
def test_every_estimator_with_and_without_rows(kind, reference, source, model):
    X, y = source
    few = np.where(np.arange(len(y)) < 15, y, None)
    quick = OTDDFlowTransformer(reference, **QUICK)
    fitted = {
        "constrained": lambda: ConstrainedFlow([("norm", NormPotential(weight=0.1))], **QUICK).fit(X, y),
        "pseudo": lambda: PseudoLabelFlow(reference, flow=OTDDFlowTransformer(**QUICK)).fit(X, few),
        "aligner": lambda: DomainAligner(reference, random_state=0).fit(X),
        "repurposed": lambda: RepurposedClassifier(model, quick, second_query=False).fit(X, few),
        "pipeline": lambda: make_pipeline(quick, model).fit(X, y),
        "no alignment": lambda: OTDDFlowTransformer(reference, alignment=None, safeguard=False, **QUICK).fit(X, y),
    }[kind]()
    check(FlowReport(fitted))
    check(FlowReport(fitted, X))
    report = FlowReport(fitted, X, y)
    check(report)
    if kind in ("repurposed", "pipeline"):
        assert "The model is right on" in text_of(report)
    if kind == "repurposed":
        assert "What the classifier believes" in text_of(report)


def test_accuracy_is_the_models_own(source, reference, model):
    X, y = 10 - source[0], source[1]
    pipe = make_pipeline(OTDDFlowTransformer(reference, **QUICK), model).fit(X, y)
    before, after = model.score(X, y), pipe.score(X, y)
    assert before < after
    assert f"{100 * before:.1f} % → {100 * after:.1f} %" in text_of(FlowReport(pipe, X, y))


def test_names_are_escaped(reference):
    X, y = blobs(8.0, names=(EVIL, "b", "c"))
    frame = pd.DataFrame(X, columns=[EVIL, "b", "c", "d"], index=[f"{EVIL}{i}" for i in range(len(X))])
    target = Reference(
        pd.DataFrame(reference.X, columns=frame.columns), np.where(reference.y == "a", EVIL, reference.y)
    )
    flow = OTDDFlowTransformer(target, **QUICK).fit(frame, y)
    flow.trust = lambda rows: np.linspace(0, 1, len(rows))
    report = FlowReport(flow, frame, y)
    check(report)
    assert "<script" not in report.to_html()
    assert "&lt;script&gt;alert(" in report.to_html()
    assert "Rows to distrust" in text_of(report)


def test_other_columns_and_images():
    pytest.importorskip("matplotlib")
    X, y = blobs(d=4)
    aligner = DomainAligner((X, y), random_state=0).fit(X[:, :3])
    page = check(FlowReport(aligner, X[:, :3], y, image_shape=(2, 2)))
    assert len(page.all("img")) == 2
    assert "3 columns → 4" in text_of(FlowReport(aligner, X[:, :3], y))


def test_what_the_safeguard_and_trust_add(flow, source):
    X, y = source
    shares = [ClassShare(label, share, 1 / 3, 0.011) for label, share in zip("abc", (0.2, 0.3, 0.5), strict=True)]
    told = {"unmatched_classes_": {"source": ["zebra"], "target": []}, "class_proportions_": shares}
    extended = OTDDFlowTransformer()
    extended.__dict__ = flow.__dict__ | told | {"trust": lambda rows: np.where(np.arange(len(rows)) < 20, 0.1, 0.9)}
    words = text_of(FlowReport(extended, X, y))
    assert "without a counterpart: zebra" in words
    assert "50 % ± 1.1 %" in words
    assert "22 % of the rows have a trust below 0.5" in words
    assert "78 % of the rows have a trust of 0.5 or more" in words


def test_many_rows_are_drawn_from(reference):
    X, _ = blobs(8.0)
    aligner = DomainAligner(reference, invariance="translation", random_state=0).fit(X)
    report = FlowReport(aligner, np.tile(X, (30, 1)))
    assert "Of 2,700 rows, a draw of 2,000 was looked at" in text_of(report)


def test_a_flow_that_did_not_converge_says_so(reference, source):
    flow = OTDDFlowTransformer(reference, **(QUICK | {"max_iter": 2, "tol": 1e-9})).fit(*source)
    assert "The flow used all of its 2 steps and may not have converged" in text_of(FlowReport(flow))


def test_of_a_repurposed_regressor_its_flow_is_told(reference, source):
    numbers = LinearRegression().fit(reference.X, reference.X[:, 0])
    aligner = DomainAligner(Reference(reference.X, reference.X[:, 0]), invariance="diagonal", random_state=0)
    answers = RepurposedRegressor(numbers, aligner).fit(source[0])
    assert FlowReport(answers, source[0]).headline == FlowReport(answers.flow_).headline
    answers.decision_ = "leave"
    assert "asked about rows as they are" in FlowReport(answers, source[0]).headline


def test_several_labels_a_row(reference, flow):
    """Continuous ones are no classes; a flow of classes knows one label a row."""
    rows, pairs = reference.X + 1, reference.X[:, :2]
    aligner = DomainAligner(Reference(reference.X, pairs), invariance="translation", random_state=0).fit(rows, pairs)
    assert text_of(FlowReport(aligner, rows, pairs)) == text_of(FlowReport(aligner, rows))
    with pytest.raises(ValueError, match="y should be a 1d array"):
        FlowReport(flow, rows, pairs)


def test_what_has_several_maps_says_which_to_pass(flow, reference, source):
    several = MultiDomainFlow(OTDDFlowTransformer(reference, **QUICK))
    several.flows_ = {"here": flow}
    with pytest.raises(ValueError, match=r"pass flow.flows_\[domain\]"):
        FlowReport(make_pipeline(several), *source)
    assert FlowReport(several.flows_["here"]).headline == FlowReport(flow).headline
    gradual = GradualAligner(reference)
    gradual.maps_ = []
    with pytest.raises(ValueError, match="one map after another"):
        FlowReport(gradual)


def test_report_leaves_the_flow_and_the_data_alone(flow, source):
    X, y = source[0].copy(), source[1].copy()
    flow.trust(X)  # what trust needs is kept from when it is first asked for
    before = sorted(vars(flow))
    FlowReport(flow, X, y).to_html()
    assert sorted(vars(flow)) == before
    np.testing.assert_array_equal(X, source[0])
    assert FlowReport(flow, X, y).to_html() == FlowReport(flow, X, y).to_html()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda flow, X, y: FlowReport(OTDDFlowTransformer()), NotFittedError, "not fitted"),
        (lambda flow, X, y: FlowReport(LinearRegression().fit(X, X)), ValueError, "holds no flow"),
        (lambda flow, X, y: FlowReport(flow, y=y), ValueError, "y was given, but X=None"),
        (lambda flow, X, y: FlowReport(flow, X, y[:-1]), ValueError, "y has 89 labels for the 90 rows"),
        (lambda flow, X, y: FlowReport(flow, X, image_shape=(3, 3)), ValueError, r"image_shape=\(3, 3\) must be"),
        (lambda flow, X, y: FlowReport(flow, X[:, :2]).to_html(), ValueError, "features"),
    ],
)
def test_errors_name_what_is_wrong(flow, source, make, error, message):
    with pytest.raises(error, match=message):
        make(flow, *source)


def luminance(colour):
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        *((ink, paper) for ink in ("ink", "soft", "accent") for paper in ("page", "card")),
        *((ink, "faint") for ink in ("ink", "soft")),
        *(
            (ink, paper)
            for paper, own in (("warn-page", "warn-ink"), ("hint-page", "hint-ink"))
            for ink in ("ink", own)
        ),
        ("fine", "card"),
    ],
)
def test_text_can_be_read(theme, ink, paper):
    """WCAG 2.1, level AA: a contrast of 4.5 or more."""
    style = files("skflow.inspection").joinpath("report.css").read_text()
    found = [re.findall(rf"--{name}: (#[0-9a-f]{{6}})", style)[theme] for name in (ink, paper)]
    lighter, darker = sorted(map(luminance, found), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium; Debian's package is `chromium`")
def test_a_real_browser_shows_it_and_a_phone_does_not_scroll_sideways(flow, source, tmp_path):
    FlowReport(flow, *source).write_html(tmp_path / "report.html")
    (tmp_path / "phone.html").write_text(
        """<!DOCTYPE html><iframe src="report.html" width="360" height="700"></iframe><p></p><script>
        onload = () => { const page = document.querySelector("iframe").contentDocument;
          document.querySelector("p").textContent = [page.documentElement.scrollWidth,
            page.querySelectorAll("section").length, page.querySelector("h1").textContent,
            [...page.querySelectorAll("svg circle")].every(dot => dot.getBoundingClientRect().width > 1)].join(";") }
        </script>"""
    )
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [CHROMIUM, *options, f"file://{tmp_path}/phone.html"], capture_output=True, text=True, timeout=60
    )
    width, n_sections, headline, drawn = re.search(r"<p>(.*?)</p>", done.stdout).group(1).split(";")
    assert int(width) <= 360
    assert int(n_sections) == 9
    assert headline == FlowReport(flow).headline
    assert drawn == "true"
