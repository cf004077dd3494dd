"""RepurposedClassifier: a frozen classifier in the source's own labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ._blackbox import BlackBox
from ._evidence import TEMPER, weigh_evidence
from .base import FLOATS
from .codewords import codewords, decoder, n_letters
from .labelling import NeighbourGraph, combine, confidence_of, is_unlabelled, rows_to_one, temper
from .metrics import label_distances

LEAST = 0.01
"""Least power of the model's answers to rows as they are for which predictions ask for them."""


class RepurposedClassifier(ClassifierMixin, BaseEstimator):
    """Classifies the source's rows, in the source's labels, by a classifier that was trained on other data.

    `fit` fits the flow, and never the classifier: rows are carried to the classifier's own domain, and its answers
    decoded through the class coupling (section 6.4). It may have other classes than the source, and fewer.

    Where labels are few or missing, the classifier's answers to the rows as they are count as evidence: they are
    spread over the rows' neighbour graph and balanced, given as much trust as the known labels bear out, and
    multiplied with what the known labels themselves say when spread. The flow starts from the labels that come out of
    it. New rows are classified by the classifier's answers to the carried rows, to the rows as they are, as far as
    they are trusted, and by the beliefs about their neighbours.

    Parameters
    ----------
    classifier : fitted classifier, FrozenEstimator or callable
        The classifier, which stays as it is. A callable takes an array of rows and returns probabilities
        ``(n_samples, n_model_classes)`` or labels ``(n_samples,)``. Inside of anything that clones, wrap a fitted
        classifier in :class:`sklearn.frozen.FrozenEstimator`.
    flow : OTDDFlowTransformer, PseudoLabelFlow or another flow with a target
        From the source towards (a sample of) the classifier's training data; it is cloned.
    model_classes : array-like of shape (n_model_classes,), default=None
        Labels of the classifier's outputs. None: its `classes_`; of a callable, the target's classes in sorted order.
    n_flows : int or "auto", default="auto"
        Flows whose answers are combined. With more than one, each source class has a codeword, one target class for
        each flow (compare :class:`sklearn.multiclass.OutputCodeClassifier`), chosen to lower the label distances and
        to keep words apart. "auto" is 1 where the target has enough classes, else one more than needed to tell the
        source's classes apart. A `correspondence` of the flow is only heeded with one flow.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`; with None all labels are labels, and so is -1 where 1 is the only other.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The source's labels; the classifier's where none is known.
    flows_ : list of n_flows flows
        The fitted flows.
    codewords_ : ndarray of shape (n_classes, n_flows)
        Target label that each class goes to, most of its mass where the coupling is soft.
    decoders_ : list of ndarray of shape (n_target_classes, n_classes)
        The linear layers after the classifier, one for each flow; rows sum to one.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Beliefs about the training rows; known labels are certain.
    transduction_ : ndarray of shape (n_samples,)
        Their labels: what is known, else believed.
    trust_ : float or None
        Power that the classifier's answers to rows as they are have earned: 0 where they mislead, at most 1/4. None
        where they were not asked for: with full labels, or with labels that are not the classifier's.
    n_queries_ : int
        Rows that the classifier was asked about in `fit`.
    n_queries_per_row_ : int
        Queries that each row costs in `predict`.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    PseudoLabelFlow : Pseudo-labels without a classifier to ask.

    References
    ----------
    .. [1] D. Alvarez-Melis, N. Fusi, "Dataset Dynamics via Gradient Flows in Probability Space", ICML 2021, sections
       6.3, 6.4 and 7.3.

    Examples
    --------
    A classifier of digits from 0 to 4 tells letters apart that it has never seen:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.svm import SVC
    >>> from skflow import OTDDFlowTransformer, Reference, RepurposedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> low = y < 5
    >>> reference = Reference(X[low][:400], y[low][:400])
    >>> model = SVC(probability=False).fit(*reference)
    >>> X_src, y_src = X[~low], y[~low].astype(str)
    >>> flow = OTDDFlowTransformer(reference, random_state=0)
    >>> clf = RepurposedClassifier(FrozenEstimator(model), flow).fit(X_src[:400], y_src[:400])
    >>> clf.classes_.tolist()
    ['5', '6', '7', '8', '9']
    >>> bool(clf.score(X_src[400:], y_src[400:]) > 0.9)
    True
    """

    _parameter_constraints: dict = {
        "classifier": [HasMethods("predict"), callable],
        "flow": [HasMethods(["fit", "transform"])],
        "model_classes": ["array-like", None],
        "n_flows": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "unlabelled": "no_validation",
    }

    def __init__(
        self,
        classifier: Any | Callable[[np.ndarray], ArrayLike],
        flow: Any,
        *,
        model_classes: ArrayLike | None = None,
        n_flows: int | str = "auto",
        unlabelled: Any = -1,
    ) -> None:
        self.classifier = classifier
        self.flow = flow
        self.model_classes = model_classes
        self.n_flows = n_flows
        self.unlabelled = unlabelled

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> RepurposedClassifier:
        """Fit the flows; the classifier stays as it is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled` where there is none; None: no label at all, the classes are the
            classifier's.

        Returns
        -------
        self : RepurposedClassifier

        Raises
        ------
        NotFittedError
            If `classifier` is not fitted, as after cloning where it was not wrapped in a `FrozenEstimator`.
        ValueError
            For a flow without a target, classes or outputs of the classifier that do not fit the target's, or too few
            flows to tell the classes apart.
        """
        if y is None:
            X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
            known = np.zeros(len(X), dtype=bool)
        else:
            X, y = validate_data(self, X, y, dtype=FLOATS)
            known = ~is_unlabelled(y, self.unlabelled)
        if known.any():
            check_classification_targets(y[known].tolist() if y.dtype.kind == "O" else y[known])
        target = self._target(X, y)
        target_classes = np.unique(target[1])
        self._model = BlackBox(self.classifier, self.model_classes, target_classes)
        self.classes_ = np.unique(y[known]) if known.any() else target_classes
        codes = np.searchsorted(self.classes_, y[known]) if known.any() else np.empty(0, dtype=int)
        self.trust_, beliefs = None, np.zeros((len(X), len(self.classes_)))
        if not known.all():
            beliefs = self._believe(X, known, codes)
        beliefs[known] = np.eye(len(self.classes_))[codes]
        self.label_distributions_ = beliefs
        self.transduction_ = self.classes_[beliefs.argmax(axis=1)]
        self._fit_flows(X, target, target_classes)
        self.n_queries_ = 0 if self.trust_ is None else len(X)
        self.n_queries_per_row_ = len(self.flows_) + bool(self.trust_)
        return self

    def _target(self, X: np.ndarray, y: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The flow's reference dataset."""
        target = getattr(self.flow, "target", None)
        if target is None:
            raise ValueError(f"flow={self.flow!r} has no target, the data that the classifier knows.")
        if callable(target):
            target = target(X.copy(), np.full(len(X), -1) if y is None else y.copy())
        X_target, y_target = target
        return np.asarray(X_target), np.asarray(y_target)

    def _believe(self, X: np.ndarray, known: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Beliefs (n, K) about the training rows from the model's answers and the known labels."""
        self._graph, answers = NeighbourGraph(X.astype(np.float64)), None
        self._goes_to = self._known_as() if known.any() else np.arange(len(self.classes_))
        if self._goes_to is not None:
            answers = self._answers(X)
            self._warn_if_blind(answers, known)
        rows = np.flatnonzero(known)
        beliefs, powers = weigh_evidence(self._graph, answers, rows, codes, len(self.classes_))
        if answers is not None:
            # No more than a quarter for new rows: the beliefs about their neighbours hold the answers already.
            self.trust_ = float(min(powers[0], TEMPER)) if powers[0] > LEAST else 0.0
        return beliefs

    def _answers(self, X: np.ndarray) -> np.ndarray:
        """What the model says of rows as they are, in the source's classes."""
        return rows_to_one(self._model(X)[:, self._goes_to] + 1e-9)

    def _warn_if_blind(self, said: np.ndarray, known: np.ndarray) -> None:
        found = len(np.unique(said.argmax(axis=1)))
        if not known.any() and found < (said.shape[1] + 1) / 2:
            warnings.warn(
                f"The classifier finds only {found} of its {said.shape[1]} classes in rows of the source; its answers "
                "say little about them, and there are no labels.",
                stacklevel=4,
            )

    def _known_as(self) -> np.ndarray | None:
        """Target code of each source class where the user says so, by name or mapping; None where it is to be found."""
        correspondence = getattr(self.flow, "correspondence", "auto")
        names = self.classes_.tolist()
        if isinstance(correspondence, Mapping):
            names = [correspondence.get(name) for name in names]
        elif correspondence not in ("auto", "same"):
            return None
        codes = {name: code for code, name in enumerate(self._model.target_classes.tolist())}
        return np.array([codes[name] for name in names]) if all(name in codes for name in names) else None

    def _fit_flows(self, X: np.ndarray, target: tuple[np.ndarray, np.ndarray], target_classes: np.ndarray) -> None:
        y, K = self.transduction_, len(self.classes_)
        n_flows = n_letters(K, len(target_classes)) if self.n_flows == "auto" else self.n_flows
        flows = [clone(self.flow) for _ in range(n_flows)]
        if n_flows > 1:
            distances = label_distances(X, y, *target)
            for flow, letter in zip(flows, codewords(distances, n_flows).T, strict=True):
                names = target_classes[letter].tolist()
                flow.set_params(correspondence=dict(zip(np.unique(y).tolist(), names, strict=True)))
        extra = {}
        if has_fit_parameter(self.flow, "confidence"):
            extra["confidence"] = confidence_of(self.label_distributions_)
        if "unlabelled" in self.flow.get_params():
            for flow in flows:
                flow.set_params(unlabelled=None)
        self.flows_ = [flow.fit(X, y, **extra) for flow in flows]
        self.codewords_ = np.empty((K, n_flows), dtype=target_classes.dtype)
        self.decoders_ = []
        for r, flow in enumerate(self.flows_):
            rows = np.searchsorted(self.classes_, flow.classes_)
            mass = np.zeros((K, len(target_classes)))
            mass[rows] = flow.coupling_
            self.codewords_[:, r] = target_classes[mass.argmax(axis=1)]
            self.decoders_.append(decoder(mass))

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the source's classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=FLOATS)
        decoded = self.decode([flow.transform(X) for flow in self.flows_])
        if not hasattr(self, "_graph"):
            return decoded
        witnesses = [temper(decoded, TEMPER), self._graph.extend(X, self.label_distributions_)]
        if self.trust_:
            witnesses.append(temper(self._answers(X), self.trust_))
        return combine(*witnesses)

    def decode(self, carried: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities of the source's classes for rows that the flows have carried, or for their particles.

        Parameters
        ----------
        carried : sequence of n_flows arrays of shape (n_samples, n_features)
            The same rows, carried by each of `flows_`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Product of the classifier's answers, each decoded by the linear layer of its flow.
        """
        return combine(*(rows_to_one(self._model(rows) @ d) for rows, d in zip(carried, self.decoders_, strict=True)))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Classes of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.

        Returns
        -------
        ndarray of shape (n_samples,)
            The source's labels.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags
