"""RepurposedClassifier: a frozen classifier in the source's own labels."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from numbers import Integral
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from .._inputs import FLOATS, read_weights
from .._sklearn import HasMethods, Interval, StrOptions, feature_names, fit_context
from .._target import Reference, pair_of, read_target
from .._threads import cores_for
from ..labelling import as_array, split_labels
from ._black_box import BlackBox
from ._calibration import Calibration, calibrate, least_trust, read_reject
from ._flows import FlowPlan, align_once, correspondence_of, target_of
from ._names import classes_and_targets
from ._predicting import PredictsLabels
from ._training_rows import believe, certain


class RepurposedClassifier(PredictsLabels, BaseEstimator):
    """Classifies the source's rows, in the source's labels, by a classifier that was trained on other data.

    `fit` fits the flow, and never the classifier: rows are carried to the classifier's own domain, and its answers
    decoded through the class coupling (section 6.4). It may have other classes than the source, and fewer.

    Where labels are few or missing, the classifier's predictions are evidence, and a loop closes:

    1. It is asked about the rows as they are. Its predictions are read as what it is found to say of each class [2]_,
       spread over the rows' neighbour graph and balanced, and multiplied with what the known labels say when spread.
    2. Flows start from the labels that come out of it, one from each half of the rows, and their maps carry the other
       half. The classifier is asked again, about the carried rows.
    3. Each piece of evidence is given the weight under which all fit the known labels best, none having been told the
       label in question: those that mislead fall silent.
    4. The flow starts from what is believed then.

    New rows are classified by the classifier's predictions for the carried rows, for the rows as they are, as far as
    they are trusted, and by the beliefs about their neighbours.

    A class without a label does not vanish: where all labels are names of target classes (or of a `correspondence`
    mapping) and rows without a label are left, all those classes are looked for.

    Parameters
    ----------
    classifier : fitted classifier, FrozenEstimator or callable
        The classifier, which stays as it is. It is asked by `predict_proba`, `decision_function` or `predict`, the
        first that it has. A callable takes an array of rows and returns probabilities or their logarithms
        ``(n_samples, n_model_classes)``, probabilities of the second of two classes, or labels ``(n_samples,)``. Where
        it was fitted on a DataFrame it is given one. Inside of anything that clones, wrap a fitted classifier in
        :class:`sklearn.frozen.FrozenEstimator`.
    flow : OTDDFlowTransformer, PseudoLabelFlow or another flow with a target
        From the source towards (a sample of) the classifier's training data; it is cloned. Of more than 3000 rows a
        stratified subsample of that many flows, unless its `max_particles` says otherwise.
    model_classes : array-like of shape (n_model_classes,), default=None
        Labels of the classifier's outputs. None: its `classes_`; of a callable, the target's classes in sorted order.
    n_flows : int or "auto", default="auto"
        Flows whose predictions are combined. With more than one, each source class has a codeword, one target class for
        each flow (compare :class:`sklearn.multiclass.OutputCodeClassifier`), chosen to lower the label distances and
        to keep codewords apart. "auto" is 1 where the target has enough classes, else one more than needed to tell the
        source's classes apart. A `correspondence` of the flow is only heeded with one flow.
    second_query : bool, default=True
        Whether to ask about carried training rows, too, where labels are missing. It takes twice the time to fit.
    calibrate : bool, default=True
        Whether left-out training rows tell how sure answers may be: a temperature of the probabilities, and the weights
        of what makes up :meth:`trust`.
    reject : ("error", share), ("coverage", share) or None, default=None
        Which rows `predict` gives no answer on, by their trust: with ("error", 0.05) as many as it takes for an
        estimated share of 0.05 of the given answers to be wrong, with ("coverage", 0.8) a share of 0.2 of rows like
        those of `fit`. They are marked by -1 or None, see :meth:`predict`. None answers always.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`; missing values (None, NaN, ``pandas.NA``) always do. With None nothing else
        does. -1 is a label where it is a class of the target, and where all other rows are 1 and no fewer than a
        quarter. Among text labels -1 is a marker in lists and in arrays of dtype object; the text "-1" is refused, see
        :func:`skflow.labelling.split_labels`.

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
    evidence_weights_ : dict
        Weight that each piece of evidence has earned, 0 where it misleads: the classifier's predictions for the rows as
        they are, "predictions", and what they say when spread, "spread"; its predictions for carried rows, "carried";
        the known labels, "labels". Empty with full labels, and where the classifier's own answers stand; with labels
        that are not the classifier's there are no predictions for rows as they are.
    prediction_weight_ : float or None
        Weight of the predictions for new rows before any flow: what they have earned in all, or 0 where they mislead;
        at most 1/4, or 1 where labels bear out that rows are better aligned. None where they were not asked for.
    confusion_ : ndarray of shape (n_classes, n_classes) or None
        What the classifier predicts for rows of each class as they are, as far as the known labels tell: probabilities
        of the predictions, of rows that sum to one. Its predictions are read by it. None where it was not asked, or a
        class has fewer than two labels.
    decision_ : {"flow", "predictions"}
        "predictions" where the classifier's own predictions stand. If each class has a label, known rows say first:
        all evidence, not told their labels, is to be more often right, clearly so where the rows lie where the target's
        do, elsewhere by one standard error. If not, or some class has no label, all rows say: it is to fit the target's
        classes and the rows' neighbourhoods better, by 10 % for 2000 rows, more for fewer, or 5 % where rows are lost.
        Rows are first limited to the target's range, or aligned, where that brings them nearer to the target.
        Known labels must not be clearly against limits, and clearly for an alignment; where some class has none, what
        learns from the answers must be no less often right on the target, or clearly more often.
    odds_ : ndarray of shape (n_target_classes,) or None
        Factors for the classifier's own predictions where rows lie where the target's do and classes seem to be rarer
        or more frequent than there [3]_: half of the change in the logarithms of the odds. None where they are not.
    temperature_ : float
        By which the logarithms of the probabilities are divided; 1 without `calibrate`.
    n_queries_ : int
        Rows that it was asked about in `fit`: none for full labels; else each as it is, if the labels are its own, and
        nearer to the target, if it can be brought there; at most 2000 of the target; and each carried by every flow,
        twice with `calibrate`.
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
    .. [3] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the outputs of a classifier to new a priori
       probabilities", Neural Computation, 2002.

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
    >>> model = SVC().fit(*reference)
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
        "calibrate": ["boolean"],
        "reject": [tuple, list, None],
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
        calibrate: bool = True,
        reject: tuple[str, float] | None = None,
        unlabelled: Any = -1,
    ) -> None:
        self.classifier = classifier
        self.flow = flow
        self.model_classes = model_classes
        self.n_flows = n_flows
        self.second_query = second_query
        self.calibrate = calibrate
        self.reject = reject
        self.unlabelled = unlabelled

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> RepurposedClassifier:
        """Fit the flows; the classifier stays as it is.

        A fit that fails leaves the estimator as it was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled` where there is none; None: no label at all, the classes are the
            classifier's.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the flows, whose `fit` must take them. A row without weight is as if absent. What is
            believed of rows without a label, which codewords classes get, and the calibration do not depend on
            weights.

        Returns
        -------
        self : RepurposedClassifier

        Raises
        ------
        NotFittedError
            If `classifier` is not fitted, as after cloning where it was not wrapped in a `FrozenEstimator`.
        ValueError
            For a flow without a target, a target with other columns than `X`, classes or outputs of the classifier that
            do not fit the target's, or too few flows to tell the classes apart.

        Warns
        -----
        UserWarning
            Where some of the classes have no label, or where, without any, the classifier finds few of its classes.
        """
        fresh = copy(self)
        fresh._fit(X, y, sample_weight)
        self.__dict__ = fresh.__dict__
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None) -> None:
        rows: np.ndarray = validate_data(self, X, dtype=FLOATS)
        values, weight = np.full(len(rows), -1) if y is None else as_array(y), read_weights(sample_weight, rows)
        check_consistent_length(rows, values)
        if weight is not None and not weight.all():  # rows without weight are as if absent
            rows, values, weight = rows[weight > 0], values[weight > 0], weight[weight > 0]
        target = self._read_target(rows, column_or_1d(values))
        target_classes = self._model.target_classes
        none = values[:0], np.zeros(len(rows), dtype=bool)
        labels, known = none if y is None else split_labels(values, self.unlabelled, target_classes=target_classes)
        with cores_for(rows):
            full = bool(known.all())
            self.classes_, goes_to = classes_and_targets(labels, full, correspondence_of(self.flow), target_classes)
            truth = np.full(len(rows), -1)
            truth[known] = np.searchsorted(self.classes_, labels)
            many = len(self.classes_) > len(target_classes)
            flow = align_once(self.flow, rows, truth, target, goes_to, many=many, sample_weight=weight)
            plan = FlowPlan(flow, self.classes_, target, self.n_flows, goes_to)
            found = certain(truth, plan) if full else believe(rows, truth, self._model, plan, self.second_query, weight)
            self._found, self._goes_to = found, goes_to
            self.evidence_weights_, self.prediction_weight_ = found.evidence_weights, found.prediction_weight
            self.confusion_, self.n_queries_, self.decision_ = found.confusion, found.n_queries, found.decision
            self.odds_, self.label_distributions_ = found.odds, found.beliefs
            self.transduction_ = self.classes_[found.beliefs.argmax(axis=1)]
            carrying = self._carrying = plan.fit(rows, found.beliefs, weight)
            self.flows_, self.decoders_ = carrying.flows, carrying.decoders
            self.codewords_ = target_classes[np.stack([mass.argmax(axis=1) for mass in carrying.couplings], axis=1)]
            self._calibrate(rows, truth)
            asked_as_they_are = bool(found.prediction_weight)
            self.n_queries_per_row_ = 1 if found.decision == "predictions" else len(self.flows_) + asked_as_they_are

    def _calibrate(self, X: np.ndarray, truth: np.ndarray) -> None:
        """Learn from left-out training rows how sure answers may be, and which of them to give."""
        reject, self._calibration = read_reject(self.reject), Calibration(1.0, 1.0)
        if self.calibrate:
            pieces, graph, carried = self._left_out_pieces(X), self._found.graph, self._found.carried
            judges = pieces if carried is None else [carried, *pieces[1:]]
            if self._found.decision == "flow":
                self.n_queries_ += len(X) * len(self.flows_)
            elif graph is not None:
                judges = [*pieces, graph.left_out(pieces[0])]
            self._calibration = calibrate(pieces, judges, truth)
            self._calibration.learn_trust(X, pieces, truth, self._found.beliefs.argmax(axis=1))
            if reject is not None:
                self._calibration.threshold = least_trust(self._calibration.left_out_trust(pieces), reject)
        elif reject is not None:
            raise ValueError(f"reject={self.reject!r} needs calibrate=True.")
        self.temperature_ = 1 / self._calibration.sureness

    def _read_target(self, X: np.ndarray, y: np.ndarray) -> Reference:
        """The flow's reference dataset, checked; sets the model that knows its classes."""
        target = target_of(self.flow)
        if target is None:
            raise ValueError(f"flow={self.flow!r} has no target, the data that the classifier knows.")
        pair, names = pair_of(target, X, y), getattr(self, "feature_names_in_", None)
        checked = cast(Reference, read_target(pair, X, y, names=names))
        columns = feature_names(pair[0]) if names is None else names
        self._model = BlackBox(self.classifier, self.model_classes, np.unique(checked.y), columns)
        return checked
