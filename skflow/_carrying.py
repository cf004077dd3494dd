"""What a fitted flow does with rows: carry them, carry them back, name its columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ._inputs import FLOATS
from ._learning import LearntMap, PartOfTheWay
from ._rowwise import RowMap, transform_rows
from ._sklearn import check_feature_names_in
from ._trusting import FlowTrust


class CarriesRows(TransformerMixin):
    """Carries rows by the fitted attributes `aligner_` and `pushforward_`, and back by `inverse_pushforward_`."""

    aligner_: Any
    pushforward_: Any
    inverse_pushforward_: Any
    decision_: Any
    particles_: np.ndarray
    safeguard: Any
    verbose: int

    def transform(self, X: ArrayLike | Iterator[ArrayLike], t: float = 1.0) -> np.ndarray | Iterator[np.ndarray]:
        """Carry samples of the source domain along the learnt movement.

        Rows are carried block by block, with a progress bar where `verbose` is set. What is larger than memory stays
        out of memory: a memory map, an iterator or a dask array comes back as one, and is read and checked one block
        at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), iterator of such, or dask array
            Samples, seen in `fit` or not; no labels are needed. An iterator yields blocks of rows, such as the frames
            of ``pandas.read_csv(..., chunksize=10_000)``.
        t : float, default=1.0
            How far along, from 0, where rows are as they came, to 1, where the map takes them: on the straight lines
            between (displacement interpolation). Less than 1 takes as many columns as the target has.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            The samples where the push-forward takes them, in the dtype of `X` (float32 or float64). A
            :class:`numpy.memmap` comes back as a map of a temporary file, which is there as long as the array; an
            iterator as an iterator of ndarrays, a block each; a dask array as a dask array, which computes when asked.

        Examples
        --------
        A file of one's own, written block by block::

            X = np.load("X.npy", mmap_mode="r")
            Z = np.lib.format.open_memmap("Z.npy", mode="w+", dtype=X.dtype, shape=X.shape)
            blocks = list(gen_batches(len(X), 10_000))  # of sklearn.utils
            for rows, moved in zip(blocks, flow.transform(X[rows] for rows in blocks)):
                Z[rows] = moved
        """
        check_is_fitted(self)
        if not 0 <= t <= 1:
            raise ValueError(f"t={t!r} must be from 0 to 1.")
        row_map: RowMap = self._row_map()
        if t < 1:
            if self._n_features_out != self.n_features_in_:
                raise ValueError(
                    f"t={t!r}: there is no way between {self.n_features_in_} features and {self._n_features_out}."
                )
            row_map = PartOfTheWay(row_map, t)
        return transform_rows(self, X, row_map, self._n_features_out, self.verbose)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Carry rows from where the target's are back to where the source's are.

        The map back is learnt from the particles, with `fit_inverse_transform`; the alignment is undone exactly, as far
        as it can be.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Rows in the target's columns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the source's columns.

        Raises
        ------
        NotFittedError
            Where no map back was learnt.
        """
        check_is_fitted(self)
        if not hasattr(self, "inverse_pushforward_"):
            raise NotFittedError("There is no map back: set fit_inverse_transform=True and fit again.")
        rows = check_array(X, dtype=FLOATS, input_name="X")
        if rows.shape[1] != self._n_features_out:
            raise ValueError(f"X has {rows.shape[1]} features, but transform returns {self._n_features_out}.")
        share = self._row_map().share
        if share is None:
            return rows
        aligned = LearntMap(None, self.inverse_pushforward_, share)(rows)
        return aligned if self.aligner_ is None else self.aligner_.inverse_transform(aligned)

    def trust(self, X: ArrayLike, model: Any = None) -> np.ndarray:
        """How far an answer on each row deserves belief, be it seen in `fit` or not.

        Signs are the distance from where the map was learnt, how differently the neighbours moved, whether their
        classes are that of the answer, whether models of the target answer alike for the row as it came, aligned and
        moved, and how sure they are of it. Their weights are learnt on held-out rows whose label is known; without
        labels they are fixed, and rows are ranked by them. Each row of the fit counts once, whatever its weight was.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source domain.
        model : fitted classifier or None, default=None
            The frozen model whose answers are in question; it is asked about carried rows. Without it quick models of
            the target stand in for it, as they do in the safeguard unless that was given a model.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 to 1; with labels the probability that the model is right on the carried row.

        Raises
        ------
        ValueError
            If `model` does not predict.
        """
        check_is_fitted(self)
        if model is not None and not hasattr(model, "predict"):
            raise ValueError(f"model must be a fitted classifier, with predict, got {model!r}.")
        rows = validate_data(self, X, reset=False, dtype=FLOATS, order="C")
        if model is None and hasattr(self.safeguard, "predict"):
            model = self.safeguard
        if model is not None:
            return FlowTrust(self, self._row_map(), model)(rows)
        if getattr(self, "_trust_", None) is None:
            self._trust_ = FlowTrust(self, self._row_map())
        return self._trust_(rows)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns that `transform` returns: the target's, or the source's where it has none.

        Parameters
        ----------
        input_features : array-like of shape (n_features,) or None, default=None
            Names of the source's columns.

        Returns
        -------
        ndarray of shape (n_columns,)
        """
        check_is_fitted(self)
        if self.aligner_ is None:
            return check_feature_names_in(self, input_features)
        return self.aligner_.get_feature_names_out(input_features)

    def _row_map(self) -> LearntMap:
        share = 1.0 if self.decision_ is None else self.decision_.chosen.share
        target = getattr(self, "target_", None)
        support = None if target is None else target.find_support()
        limits = None if self.decision_ is None else self.decision_.limits
        return LearntMap(self.aligner_, self.pushforward_, share, getattr(self, "_local_mass_", None), support, limits)

    @property
    def _n_features_out(self) -> int:
        return self.particles_.shape[1]
