"""RepurposedClassifier: a frozen classifier in the source's own labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from ._blackbox import BlackBox
from ._evidence import TEMPER, can_be_hidden, halves, read_as, weigh_evidence, weigh_second
from .base import FLOATS
from .codewords import codewords, decoder, n_letters
from .labelling import NeighbourGraph, combine, confidence_of, is_unlabelled, rows_to_one, temper
from .metrics import label_distances

LEAST = 0.01
"""Least power of the model's answers to rows as they are for which predictions ask for them."""

MANY = 4
"""Rows for each class from which on half of them will do for a flow."""

BLUNDERS = 0.05
"""Share of the answers to carried rows that may be wrong whatever their probabilities."""


class RepurposedClassifier(ClassifierMixin, BaseEstimator):
    """Classifies the source's rows, in the source's labels, by a classifier that was trained on other data.

    `fit` fits the flow, and never the classifier: rows are carried to the classifier's own domain, and its answers
    decoded through the class coupling (section 6.4). It may have other classes than the source, and fewer.

    Where labels are few or missing, the classifier's answers are evidence, and a loop closes:

    1. It is asked about the rows as they are. Its answers are read as what it is found to say of each class [2]_,
       spread over the rows' neighbour graph and balanced, and multiplied with what the known labels say when spread.
    2. Flows start from the labels that come out of it, one from each half of the rows, and their maps carry the other
       half. The classifier is asked again, about the carried rows.
    3. Each witness is given the power under which the witnesses foretell the known labels best, none having been told
       the label in question: those that mislead fall silent.
    4. The flow starts from what is believed then.

    New rows are classified by the classifier's answers to the carried rows, to the rows as they are, as far as they
    are trusted, and by the beliefs about their neighbours.

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
    second_query : bool, default=True
        Whether to ask about carried training rows, too, where labels are missing. It takes twice the time to fit.
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
    powers_ : dict
        Power that each witness has earned, 0 where it misleads: the classifier's answers to the rows as they are,
        "answers", and what they say when spread, "spread"; its answers to carried rows, "carried"; the known labels,
        "labels". Empty with full labels; with labels that are not the classifier's there are no answers to rows as
        they are.
    trust_ : float or None
        Power of the answers to new rows as they are: what they have earned in all, at most 1/4, or 0 where they
        mislead. None where they were not asked for.
    confusion_ : ndarray of shape (n_classes, n_classes) or None
        How the classifier answers rows of each class as they are, as far as the known labels tell: probabilities of the
        answers, of rows that sum to one. Its answers are read by it. None where it was not asked, or a class has fewer
        than two labels.
    n_queries_ : int
        Rows that the classifier was asked about in `fit`: none with full labels, else each once as it is, if the labels
        are the classifier's, and once carried by each flow.
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
    .. [2] A. P. Dawid, A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm",
       Applied Statistics, 1979.

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
        "second_query": ["boolean"],
        "unlabelled": "no_validation",
    }

    def __init__(
        self,
        classifier: Any | Callable[[np.ndarray], ArrayLike],
        flow: Any,
        *,
        model_classes: ArrayLike | None = None,
        n_flows: int | str = "auto",
        second_query: bool = True,
        unlabelled: Any = -1,
    ) -> None:
        self.classifier = classifier
        self.flow = flow
        self.model_classes = model_classes
        self.n_flows = n_flows
        self.second_query = second_query
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
        self.powers_, self.trust_, self.confusion_, self.n_queries_ = {}, None, None, 0
        beliefs = np.zeros((len(X), len(self.classes_)))
        if not known.all():
            beliefs = self._believe(X, known, codes, target)
        beliefs[known] = np.eye(len(self.classes_))[codes]
        self.label_distributions_ = beliefs
        self.transduction_ = self.classes_[beliefs.argmax(axis=1)]
        self.flows_, masses = self._fit_flows(X, beliefs, target)
        self.codewords_ = target_classes[np.stack([mass.argmax(axis=1) for mass in masses], axis=1)]
        self.decoders_ = [decoder(mass) for mass in masses]
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

    def _believe(self, X: np.ndarray, known: np.ndarray, codes: np.ndarray, target: tuple) -> np.ndarray:
        """Beliefs (n, K) about the training rows from the model's answers and the known labels."""
        self._graph, answers = NeighbourGraph(X.astype(np.float64)), None
        self._goes_to = self._known_as() if known.any() else np.arange(len(self.classes_))
        if self._goes_to is not None:
            answers = self._answers(X)
            self.n_queries_ += len(X)
            self._warn_if_blind(answers, known)
        rows, K = np.flatnonzero(known), len(self.classes_)
        evidence = weigh_evidence(self._graph, answers, rows, codes, K)
        beliefs, self.powers_, self.confusion_ = evidence.beliefs, evidence.powers, evidence.confusion
        if answers is not None:
            # No more than a quarter for new rows: the beliefs about their neighbours hold the answers already.
            self.trust_ = min(evidence.trust, TEMPER) if evidence.trust > LEAST else 0.0
        if self.second_query and len(X) >= MANY * K:
            carried, powers = self._ask_again(X, known, codes, target, answers, beliefs)
            beliefs = combine(*(temper(of, power) for of, power in zip((beliefs, carried), powers, strict=True)))
            before, second = powers.tolist()
            self.powers_ = {name: power * before for name, power in self.powers_.items()} | {"carried": second}
        return beliefs

    def _ask_again(
        self,
        X: np.ndarray,
        known: np.ndarray,
        codes: np.ndarray,
        target: tuple,
        answers: np.ndarray | None,
        beliefs: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The model's answers to carried rows (n, K), and the powers that beliefs and these answers have earned.

        Each half of the rows is carried by flows that were fitted to the other: a map that was fitted to a row says of
        it what it was told. Where each class has two labels or more, one of those in the half that is carried is hidden
        for a test, from the beliefs, too, that the flows start from.
        """
        K, said, tested, before = len(self.classes_), np.empty_like(beliefs), np.zeros(len(X), bool), beliefs.copy()
        truth = np.full(len(X), -1)
        truth[known] = codes
        for half in halves(np.where(known, truth, beliefs.argmax(axis=1)), known):
            hidden = np.zeros(len(X), bool)
            if can_be_hidden(codes, K):
                rows = np.flatnonzero(known & ~half)
                hidden[rows[np.unique(truth[rows], return_index=True)[1]]] = True
            told = known & ~hidden
            start = weigh_evidence(self._graph, answers, np.flatnonzero(told), truth[told], K).beliefs
            before[hidden], tested = start[hidden], tested | hidden
            start[told] = np.eye(K)[truth[told]]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the flow of all rows will tell
                flows, masses = self._fit_flows(X[half], start[half], target)
            carried = [flow.transform(X[~half]) for flow in flows]
            said[~half] = self._decode(carried, [decoder(mass) for mass in masses])
            self.n_queries_ += len(flows) * len(X[~half])
        said = (1 - BLUNDERS) * said + BLUNDERS / K
        return said, weigh_second(before[tested], said[tested], truth[tested])

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

    def _fit_flows(
        self, X: np.ndarray, beliefs: np.ndarray, target: tuple[np.ndarray, np.ndarray]
    ) -> tuple[list, list[np.ndarray]]:
        """Flows from the labels believed in, and the coupling (K, K') of each."""
        y, K, target_classes = self.classes_[beliefs.argmax(axis=1)], len(self.classes_), self._model.target_classes
        n_flows = n_letters(K, len(target_classes)) if self.n_flows == "auto" else self.n_flows
        flows = [clone(self.flow) for _ in range(n_flows)]
        if n_flows > 1:
            distances = label_distances(X, y, *target)
            for flow, letter in zip(flows, codewords(distances, n_flows).T, strict=True):
                names = target_classes[letter].tolist()
                flow.set_params(correspondence=dict(zip(np.unique(y).tolist(), names, strict=True)))
        extra = {"confidence": confidence_of(beliefs)} if has_fit_parameter(self.flow, "confidence") else {}
        if "unlabelled" in self.flow.get_params():
            for flow in flows:
                flow.set_params(unlabelled=None)
        masses = []
        for flow in flows:
            flow.fit(X, y, **extra)
            masses.append(np.zeros((K, len(target_classes))))
            masses[-1][np.searchsorted(self.classes_, flow.classes_)] = flow.coupling_
        return flows, masses

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
        witnesses = [decoded, self._graph.extend(X, self.label_distributions_)]
        if self.trust_:
            answers = self._answers(X)
            if self.confusion_ is not None:
                answers = read_as(answers, self.confusion_)
            witnesses.append(temper(answers, self.trust_))
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
        return self._decode(carried, self.decoders_)

    def _decode(self, carried: Sequence[np.ndarray], decoders: Sequence[np.ndarray]) -> np.ndarray:
        return combine(*(rows_to_one(self._model(rows) @ d) for rows, d in zip(carried, decoders, strict=True)))

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
