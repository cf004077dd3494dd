"""How close is close, in one place. All are relative unless a test says otherwise."""

import torch

ROUNDING = {torch.float32: 1e-5, torch.float64: 1e-12}
"""The same number by two ways of summing."""

ORACLE = 1e-8
"""A converged solver against another library's, in float64."""

EXACT_OTDD = 1e-6
"""The exact OTDD against POT's network simplex on the whole cost matrix, in float64."""

GRADIENT = 1e-5
"""A gradient against central differences, in float64."""
