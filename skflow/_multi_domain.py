"""MultiDomainFlow: rows of several domains, each with a map of its own, and new domains later."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._aligned import ReturnsTargetColumns
from ._domain_map import CANDIDATES, DomainMap, WholeMovement
from ._domains import Domain, DomainJudge, as_flow, check_known, read_domains
from ._fresh_fit import fresh_fit
from ._inputs import FLOATS
from ._sklearn import HasMethods, ValidatedParameters, fit_context
from ._target import Reference, as_given, read_target
from ._threads import cores_for
from .labelling import as_array
from .safeguard import Decision, Gains


class MultiDomainFlow(ReturnsTargetColumns, ValidatedParameters, BaseEstimator):
    """Moves rows of several domains (hospitals, instruments, sites) to one reference dataset; new domains come later.

    Each domain gets a clone of `flow`, fitted to its own rows. What the domains have in common is the mean of their
    maps. For each domain it is decided whether its rows are left as they are, carried by a share of what the *other*
    domains have in common, by its own map, or by the mean of these two: by its labels, as far as it has some, and by
    what the same choice gained at the other domains, whose labels stand in for those that are missing. So a domain with
    few rows is like the others, and one with many rows and labels is what its own rows say.

    The target is read once, and so are the models that judge.

    Parameters
    ----------
    flow : flow or aligner
        With the target, such as ``OTDDFlowTransformer(target=(X, y))``. It is cloned for each domain. Where labels of a
        domain are missing, the clone is that of a :class:`PseudoLabelFlow`.
    unlabelled : object, default=-1
        What marks an unlabelled row in `y`, beside None and NaN.
    random_state : int, RandomState instance or None, default=None
        Of flows that have none, and of the judges.

    Attributes
    ----------
    domains_ : list
        Labels of the domains, those of `fit` first.
    flows_ : dict
        The fitted flow of each domain; None where a new domain needed none.
    decisions_ : dict
        For each domain a :class:`~skflow.safeguard.Decision`: what is done with its rows, all candidates, and why. None
        where there is one domain alone, whose flow decides by itself.
    evidence_ : dict
        For each domain of `fit` with labels, what candidates gain there: "labelled", and "blind" where its own map is
        fitted without the labels, as that of a new domain will be.
    target_ : Reference
        The reference dataset, checked.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where `X` has them.

    See Also
    --------
    OTDDFlowTransformer : One domain.
    GradualAligner : Domains in the order of time, each near the one before.

    Notes
    -----
    `sample_domain` is the name of skada. With ``sklearn.set_config(enable_metadata_routing=True)`` it reaches the flow
    in a pipeline: ``flow.set_fit_request(sample_domain=True).set_transform_request(sample_domain=True)``.

    Examples
    --------
    Two scanners are known, with labels. A third comes, and nobody has labelled a row of it:

    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from skflow import MultiDomainFlow, OTDDFlowTransformer
    >>> X, y = load_wine(return_X_y=True)
    >>> X, order = scale(X), np.random.default_rng(0).permutation(len(X))
    >>> home, a, b, c, unseen = np.split(order, [58, 88, 118, 138])
    >>> model = LogisticRegression().fit(X[home], y[home])
    >>> def scanned(rows, gain):
    ...     return gain * X[rows] + 3 * gain
    >>> flow = OTDDFlowTransformer((X[home], y[home]), alignment="diagonal", max_iter=20)
    >>> flow = MultiDomainFlow(flow, random_state=0)
    >>> known, labels = np.r_[scanned(a, 1.0), scanned(b, 1.2)], np.r_[y[a], y[b]]
    >>> flow = flow.fit(known, labels, sample_domain=np.repeat(["A", "B"], 30))
    >>> flow = flow.fit_new_domain(scanned(c, 1.1), sample_domain="C")
    >>> new = scanned(unseen, 1.1)
    >>> print(f"{model.score(new, y[unseen]):.1f}")
    0.3
    >>> print(f"{model.score(flow.transform(new, sample_domain='C'), y[unseen]):.1f}")
    0.8
    """

    _parameter_constraints: dict = {
        "flow": [HasMethods(["fit", "transform", "set_params"])],
        "unlabelled": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(
        self, flow: Any, *, unlabelled: Any = -1, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.flow = flow
        self.unlabelled = unlabelled
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_domain: ArrayLike | None = None) -> MultiDomainFlow:
        """Fit a flow to each domain, find what they have in common, and decide for each.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, with `unlabelled`, None or NaN where there is none.
        sample_domain : array-like of shape (n_samples,) or None, default=None
            The domain of each row: numbers or text (routable metadata). None: all rows are of one domain, called 1.

        Returns
        -------
        self : MultiDomainFlow

        Raises
        ------
        ValueError
            For parameters out of range, a flow without a target, or domains that are missing values.
        """
        with fresh_fit(self):
            rows = validate_data(self, X, dtype=FLOATS, order="C", ensure_min_samples=2)
            with cores_for(rows):
                names = read_domains(1 if sample_domain is None else sample_domain, len(rows))
                labels = np.full(len(rows), None, dtype=object) if y is None else as_given(as_array(y))
                check_consistent_length(rows, labels)
                self.target_ = self._read_target(rows, None if y is None else labels)
                self._judge_ = DomainJudge(self.target_, self.flow, check_random_state(self.random_state))
                known = {
                    domain: self._domain(rows[names == domain], labels[names == domain])
                    for domain in dict.fromkeys(names.tolist())
                }
                for domain in known.values():
                    domain.flow = domain.fit_flow()
                self.domains_: list = []
                self.flows_: dict[Any, Any] = {}
                self.decisions_: dict[Any, Decision | None] = {}
                self.evidence_: dict[Any, dict[str, Gains]] = {}
                self._maps_: dict[Any, DomainMap] = {}
                self._movements_ = {name: domain.movements() for name, domain in known.items()}
                if len(known) > 1:
                    for name, domain in known.items():
                        if domain.is_evidence:
                            self.evidence_[name] = self._judge_.evidence(domain, self._others(name))
                self._add(known)
        return self

    def fit_new_domain(self, X: ArrayLike, y: ArrayLike | None = None, *, sample_domain: Any) -> MultiDomainFlow:
        """Add a domain to a fitted flow; nothing of the others is fitted again, and their rows are not needed.

        The new domain has a flow of its own where flows without labels have paid at the others, or where its own
        labels are many. Else what the others have in common is ready, and this takes no time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the new domain.
        y : array-like of shape (n_samples,) or None, default=None
            Their labels, as in :meth:`fit`. None: no label at all.
        sample_domain : object, or array-like of shape (n_samples,)
            What the new domain is called; or the domain of each row, where there are several. A domain that is known
            gets a new map, as when labels have come in; the others' are not changed by it.

        Returns
        -------
        self : MultiDomainFlow
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=FLOATS, order="C", ensure_min_samples=2)
        names = read_domains(sample_domain, len(rows))
        labels = np.full(len(rows), None, dtype=object) if y is None else as_given(as_array(y))
        check_consistent_length(rows, labels)
        with cores_for(rows):
            self._add({name: self._domain(rows[names == name], labels[names == name]) for name in dict.fromkeys(names)})
        return self

    def transform(self, X: ArrayLike, sample_domain: ArrayLike | None = None) -> np.ndarray:
        """Carry rows to where the target's are, each by its domain's map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, seen in `fit` or not.
        sample_domain : object, array-like of shape (n_samples,) or None, default=None
            The domain of each row, or one for all (routable metadata). None where only one domain is known.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            In the target's columns, in the dtype of `X`.

        Raises
        ------
        ValueError
            For a domain that is not known, or none where several are.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=FLOATS, order="C")
        if sample_domain is None:
            if len(self.domains_) > 1:
                raise ValueError(
                    f"sample_domain=None, but the flow knows several domains: {self.domains_}. Say which one each row "
                    "is of."
                )
            sample_domain = self.domains_[0]
        names = read_domains(sample_domain, len(rows))
        check_known(names, self.domains_)
        out = np.empty((len(rows), self._n_features_out), dtype=rows.dtype)
        for name in dict.fromkeys(names.tolist()):
            out[names == name] = self._maps_[name](rows[names == name])
        return out

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_domain: ArrayLike | None = None
    ) -> np.ndarray:
        """``fit(X, y, sample_domain).transform(X, sample_domain)``.

        Parameters
        ----------
        X, y, sample_domain
            See :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
        """
        return self.fit(X, y, sample_domain).transform(X, sample_domain)

    def _read_target(self, rows: np.ndarray, labels: np.ndarray | None) -> Reference:
        given = self.flow.get_params().get("target") or self.flow.get_params().get("flow__target")
        y = np.full(len(rows), -1) if labels is None else labels
        names = getattr(self, "feature_names_in_", None)
        target = read_target(given, rows, y, names=names, same_columns=False, classes=False)
        if target is None:
            raise ValueError(f"flow={self.flow!r} has no target: {type(self).__name__} has nothing to carry rows to.")
        return target

    def _domain(self, rows: np.ndarray, labels: np.ndarray) -> Domain:
        rng = check_random_state(self.random_state)
        flow = as_flow(self.flow, self.target_, int(rng.randint(np.iinfo(np.int32).max)))
        return Domain.of(flow, rows, labels, self.target_, self.unlabelled)

    def _others(self, name: Any) -> dict[str, list[WholeMovement]]:
        """Movements of all domains of `fit` but one, of the kinds that each of them has."""
        others = [movements for other, movements in self._movements_.items() if other != name]
        kinds = [kind for kind in ("units", "common") if others and all(kind in of for of in others)]
        return {kind: [of[kind] for of in others] for kind in kinds}

    def _add(self, domains: dict[Any, Domain]) -> None:
        """Decide what is done with the rows of domains: of all, or of none where one fails."""
        decided = {name: self._decide(name, domain) for name, domain in domains.items()}
        for name, (domain_map, decision) in decided.items():
            self._maps_[name], self.flows_[name], self.decisions_[name] = domain_map, domain_map.own, decision
        self.domains_ = list(dict.fromkeys([*self.domains_, *decided]))

    def _decide(self, name: Any, domain: Domain) -> tuple[DomainMap, Decision | None]:
        others, evidence = self._others(name), [e for other, e in self.evidence_.items() if other != name]
        if domain.flow is None and self._judge_.is_own_worth_it(domain, others, evidence):
            domain.flow = domain.fit_flow()
        decision = self._judge_.decide(domain, others, evidence) if others else None
        chosen = "own" if decision is None else decision.chosen.name
        candidate = next(candidate for candidate in CANDIDATES if candidate.name == chosen)
        return DomainMap(candidate, domain.flow, others, self.target_.find_support()), decision
