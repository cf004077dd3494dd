"""Figures by row and column, averaged over repetitions."""

import numpy as np

from _tables import markdown


class Scores:
    """A table that fills cell by cell; each cell is the mean of what was added to it."""

    def __init__(self):
        self.values = {}

    def add(self, row, column, value):
        self.values.setdefault(row, {}).setdefault(column, []).append(value)

    def mean(self, row, column):
        return float(np.mean(self.values[row][column]))

    def table(self, form):
        columns = list(dict.fromkeys(column for row in self.values.values() for column in row))
        return markdown(
            ["", *columns],
            [[row, *(form(np.mean(by[c])) if c in by else "" for c in columns)] for row, by in self.values.items()],
        )


def percent(share):
    return f"{100 * share:.1f}"
