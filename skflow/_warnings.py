"""Warnings that point to the user's own line."""

from __future__ import annotations

import sys
import warnings

_PACKAGES = ("skflow", "sklearn", "joblib", "torch", "skorch")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost frame outside this package and those that call it.

    :func:`warnings.warn` has `skip_file_prefixes` for that from Python 3.12 on; here the frames are counted, so that
    3.11 does the same.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _PACKAGES
