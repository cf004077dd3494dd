"""FlowReport: what a fitted flow did to rows, for people to read."""

from __future__ import annotations

from functools import cached_property
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _report_sections as sections
from ._markup import Markup, element, joined, number, percent
from ._movement import Distances, class_movement, column_movement, distances
from ._report_evidence import evidence
from ._report_movement import classes, columns
from ._report_notes import headline, notes
from ._report_pictures import clouds, images
from ._subject import Subject, fitted_part


class FlowReport:
    """What a fitted flow did to rows, and how far to believe it, as a page to read.

    A notebook shows the page where the report is the last line of a cell. :meth:`write_html` writes it to a file that
    stands alone: it loads nothing from the network, runs no script, follows the reader's light or dark theme, and fits
    a phone.

    The page says what moved (by columns and by classes), what the safeguard decided and why, the global map in words,
    how far rows are from the model's data before and after, what did not converge, which rows to distrust, and shows
    pictures. What is not known is left out: without `X` there is nothing to say about rows.

    Parameters
    ----------
    flow : fitted estimator
        Any flow, a :class:`~skflow.DomainAligner`, a :class:`~skflow.RepurposedClassifier` or
        :class:`~skflow.RepurposedRegressor`, a pipeline with one of these, or a search over such. The model that ends a
        pipeline is asked, too. Of a :class:`~skflow.MultiDomainFlow` pass the flow of one domain,
        ``flow.flows_[domain]``; a :class:`~skflow.GradualAligner` has no report.
    X : array-like of shape (n_samples, n_features), default=None
        Rows of the source as they come to `flow`; those it was fitted on, or others. Of many, a draw is looked at.
    y : array-like of shape (n_samples,), default=None
        Their labels; -1, None or NaN where a row has none. They are used for the tables and colours, and to count what
        the model gets right.
    image_shape : tuple (height, width) or (height, width, channels), default=None
        For rows that are images; needs matplotlib.

    Raises
    ------
    ValueError
        If there is no flow in `flow`, or `X`, `y` and `image_shape` do not fit; NotFittedError, which is one, if it is
        not fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skflow import DomainAligner
    >>> from skflow.inspection import FlowReport
    >>> X, y = load_digits(return_X_y=True)
    >>> aligner = DomainAligner((X[:500], y[:500]), random_state=0).fit(16 - X[500:1000])
    >>> report = FlowReport(aligner, 16 - X[1000:], y[1000:], image_shape=(8, 8))
    >>> report.headline
    'Rows are carried by one global map.'
    >>> page = report.to_html()  # or report.write_html("report.html")
    """

    def __init__(
        self,
        flow: Any,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self._subject = Subject.of(flow, X, y)
        self.image_shape = None if image_shape is None else _checked_shape(image_shape, self._subject)

    @property
    def headline(self) -> str:
        """What was done to the rows, in a sentence."""
        return headline(self._subject)

    def to_html(self) -> str:
        """The page, whole, as text."""
        head = [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"Flow report: {type(self._subject.classifier or self._subject.flow).__name__}"),
            _style(),
        ]
        body = element("main", self._content, class_="skflow-report whole")
        return f"<!DOCTYPE html>\n{element('html', element('head', *head), element('body', body), lang='en')}\n"

    def write_html(self, path: str | PathLike[str]) -> None:
        """Write the page to one file that needs no other.

        Parameters
        ----------
        path : str or path-like
            The file; what is there is overwritten.
        """
        Path(path).write_text(self.to_html(), encoding="utf-8")

    def _repr_html_(self) -> str:
        return element("div", _style(), self._content, class_="skflow-report")

    def __repr__(self) -> str:
        return f"FlowReport({type(self._subject.flow).__name__}: {self.headline})"

    @cached_property
    def _trust(self) -> np.ndarray | None:
        """Trust of each row, where the flow has it."""
        for holder in (self._subject.classifier, self._subject.flow):
            if hasattr(holder, "trust") and self._subject.X is not None:
                return np.asarray(holder.trust(self._subject.X), dtype=float)
        return None

    @cached_property
    def _content(self) -> Markup:
        subject, trust = self._subject, self._trust
        apart, moved = distances(subject), column_movement(subject)
        shown = clouds(subject, trust)
        strips = None if self.image_shape is None else images(subject, self.image_shape)
        pictures = None if shown is None else sections.section("In pictures", shown, strips or "", wide=True)
        return joined(
            [
                self._header(apart),
                sections.attention(notes(subject, apart, trust)),
                pictures,
                sections.distance(apart, subject),
                sections.alignment(subject, self.image_shape),
                sections.decision(subject),
                sections.course(subject),
                columns(moved, subject),
                classes(class_movement(subject), subject),
                evidence(subject),
                sections.rows_to_distrust(subject, trust),
                self._footer(),
            ]
        )

    def _header(self, apart: Distances | None) -> Markup:
        subject = self._subject
        facts = [type(subject.classifier or subject.flow).__name__]
        if subject.n_rows:
            facts.append(f"{subject.n_rows:,} rows")
        d, k = len(subject.names), len(subject.names_out)
        facts.append(f"{d:,} columns" if d == k else f"{d:,} columns → {k:,}")
        classes = fitted_part(subject, "classes_")
        if classes is not None:
            facts.append(f"{len(classes):,} classes")
        figures = [element("div", element("dt", name), element("dd", value)) for name, value in self._figures(apart)]
        return element(
            "header",
            element("p", "Flow report", class_="kicker"),
            element("h1", self.headline),
            element("p", " · ".join(facts), class_="facts"),
            element("dl", *figures, class_="figures") if figures else "",
        )

    def _figures(self, apart: Distances | None) -> list[tuple[str, str]]:
        """The two or three numbers that matter most."""
        subject, found = self._subject, []
        right = _accuracy(subject)
        if right is not None:
            before, after = right
            change = percent(after, 1) if before is None else f"{percent(before, 1)} → {percent(after, 1)}"
            found.append(("The model is right on", change))
        if apart is not None:
            change = number(apart.after) if apart.before is None else f"{number(apart.before)} → {number(apart.after)}"
            found.append(("Distance to its data", change))
        if self._trust is not None:
            found.append(("Rows with a trust of ½ or more", percent(float((self._trust >= 0.5).mean()))))
        return found

    def _footer(self) -> Markup:
        subject = self._subject
        some = len(subject.rows) < subject.n_rows
        draw = f"Of {subject.n_rows:,} rows, a draw of {len(subject.rows):,} was looked at. " if some else ""
        none = "No rows were given, so nothing is said about rows: pass X, and y where it is known. "
        parameters = sections.folded("Parameters", element("pre", repr(subject.estimator), tabindex=0))
        said = none if subject.X is None else draw
        return element("footer", parameters, element("p", f"{said}Written by skflow.", class_="small"))


def _accuracy(subject: Subject) -> tuple[float | None, float] | None:
    """Share of the labelled rows on which the model is right, before, if it can be asked, and after."""
    if subject.labels is None or subject.X is None or subject.after is None:
        return None
    known = np.array([label is not None for label in subject.labels.tolist()])
    label_map = getattr(subject.flow, "label_map_", {})
    truth = np.array([label_map.get(label, label) for label in subject.labels[known].tolist()])
    if subject.classifier is not None:
        right = np.asarray(subject.classifier.predict(subject.X))[known].astype(str)
        return None, float((right == subject.labels[known].astype(str)).mean())
    if subject.model is None or not hasattr(subject.model, "classes_"):
        return None

    def right_on(rows: Any) -> float:
        return float((np.asarray(subject.model.predict(rows))[known].astype(str) == truth.astype(str)).mean())

    after = right_on(subject.flow.transform(subject.X))
    return right_on(subject.X) if subject.same_columns else None, after


def _checked_shape(image_shape: Any, subject: Subject) -> tuple[int, ...]:
    widths = {len(subject.names), len(subject.names_out)}
    whole = isinstance(image_shape, tuple | list) and all(isinstance(n, int | np.integer) for n in image_shape)
    if not whole or len(image_shape) not in (2, 3) or int(np.prod(image_shape)) not in widths:
        raise ValueError(
            f"image_shape={image_shape!r} must be (height, width) or (height, width, channels) with as many values as "
            f"rows have columns: {' or '.join(map(str, sorted(widths)))}."
        )
    return tuple(int(n) for n in image_shape)


def _style() -> Markup:
    return Markup(f"<style>{files(__package__).joinpath('report.css').read_text(encoding='utf-8')}</style>")
