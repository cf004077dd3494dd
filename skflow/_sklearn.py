"""The one door to scikit-learn's private names, and what parameter objects and estimators share because of it."""

from __future__ import annotations

import difflib
from typing import Any

from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_params,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import _ovr_decision_function
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_n_features,
    _check_sample_weight,
    _get_feature_names,
)

__all__ = [
    "BaseComposition",
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "ParameterObject",
    "StrOptions",
    "ValidatedParameters",
    "check_matplotlib_support",
    "check_feature_names_in",
    "check_n_features",
    "check_sample_weight",
    "feature_names",
    "fit_context",
    "get_output_config",
    "has_callbacks",
    "safe_indexing",
    "ovr_decision_function",
    "validate_params",
]

BaseComposition = _BaseComposition
check_feature_names_in = _check_feature_names_in
check_n_features = _check_n_features
check_sample_weight = _check_sample_weight
feature_names = _get_feature_names
fit_context = _fit_context
get_output_config = _get_output_config
safe_indexing = _safe_indexing
ovr_decision_function = _ovr_decision_function


def has_callbacks(estimator: BaseEstimator) -> bool:
    """Whether anybody watches its fit."""
    return bool(getattr(estimator, "_skl_callbacks", ()))


class ValidatedParameters(BaseEstimator):
    """Adds a guess at what was meant to scikit-learn's own message on a parameter."""

    _parameter_constraints: dict = {}

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            hint = "".join(filter(None, map(self._did_you_mean, self.get_params(deep=False))))
            raise InvalidParameterError(f"{error}{hint}") from None

    def _did_you_mean(self, name: str) -> str | None:
        value: Any = getattr(self, name)
        for constraint in self._parameter_constraints.get(name, []):
            if isinstance(value, str) and isinstance(constraint, StrOptions) and value not in constraint.options:
                near = difflib.get_close_matches(value, constraint.options, n=1)
                return f" Did you mean {near[0]!r}?" if near else None
        return None


class ParameterObject(ValidatedParameters):
    """A configured option: its constructor stores parameters alone, and who uses it calls :meth:`validate` first.

    Functionals, dynamics, optimizers, solvers and invariances are such objects: they print, clone and compare like
    estimators, and a search reaches their parameters by ``name__parameter``.
    """

    def validate(self) -> None:
        """Raise where a parameter is out of range.

        Raises
        ------
        InvalidParameterError
            A ValueError that names the parameter and the value received.
        """
        self._validate_params()
