"""What a RepurposedClassifier believes, and on what evidence."""

from __future__ import annotations

import numpy as np

from ._markup import Markup, bar, element, name_of, percent, table
from ._report_sections import section
from ._subject import Subject

_NAMES = {
    "predictions": "The classifier, asked about rows as they are",
    "spread": "The same, spread over the neighbour graph",
    "carried": "The classifier, asked about carried rows",
    "labels": "The known labels, spread over the neighbour graph",
}


def evidence(subject: Subject) -> Markup | None:
    """Weights of the evidence, and the classes that rows are believed to be of; None without such a classifier."""
    classifier = subject.classifier
    if classifier is None:
        return None
    weights = getattr(classifier, "evidence_weights_", {})
    content = []
    if weights:
        longest = max(*weights.values(), 1e-12)
        rows = [
            (_NAMES.get(name, name), bar(value / longest, f"{value:.2f}", "accent" if value else "muted"))
            for name, value in weights.items()
        ]
        silent = [name for name, value in weights.items() if not value]
        said = "Every piece of evidence counts." if not silent else f"{len(silent)} of {len(weights)} pieces mislead."
        caption = "Weight that each piece of evidence has earned; nought where it misleads"
        content += [element("p", said, class_="said"), table(caption, ["Evidence", "Weight"], rows)]
    else:
        content.append(element("p", "All rows had labels: no other evidence was needed.", class_="said"))
    content.append(_classes_found(subject))
    asked = f"The classifier was asked about {classifier.n_queries_:,} rows in fit"
    asked += f", and {classifier.n_queries_per_row_} times for each new row."
    content.append(element("p", asked, class_="small"))
    return section("What the classifier believes", *content, wide=True)


def _classes_found(subject: Subject) -> Markup:
    believed = np.asarray(subject.classifier.transduction_)
    classes = subject.classifier.classes_
    shares = [float((believed == label).mean()) for label in classes]
    words = subject.classifier.codewords_
    rows = [
        (name_of(label), ", ".join(map(name_of, word)), bar(share / max(shares), percent(share)))
        for label, word, share in zip(classes.tolist(), words.tolist(), shares, strict=True)
    ]
    return table("Classes of the training rows, known or believed", ["Class", "Goes to", "Share of rows"], rows)
