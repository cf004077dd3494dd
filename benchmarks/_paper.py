"""What the parts of ``reproduce.py`` share: findings, work that may be interrupted, images, small classifiers."""

import json
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import ttest_1samp

from _protocol import FrozenCNN, SmallCNN, few_labels, load, load_usps
from skflow import OTDDFlowTransformer, Reference

DATASETS = {"M": "mnist", "U": "usps", "F": "fashion_mnist", "K": "kmnist"}


@dataclass(frozen=True)
class Finding:
    """One line of the summary: a table or figure of the paper, what it shows, what is measured here, and why."""

    figure: str
    paper: str
    here: str
    remark: str = ""


class Work:
    """Units of work whose figures are kept in a file, a line each: an interrupted run goes on where it stopped."""

    def __init__(self, path=None):
        self.path, self.done = path, {}
        if path is not None and path.exists():
            self.done = dict(json.loads(line) for line in path.read_text().splitlines())

    def each(self, part, units, compute):
        """Yield every unit with its figures, a dict of numbers; what is known for the same settings is not redone."""
        units, start, fresh = list(units), time.perf_counter(), 0
        for i, unit in enumerate(units, 1):
            key = json.dumps([part, *unit])
            if key not in self.done:
                self.done[key] = {name: float(value) for name, value in compute(*unit).items()}
                if self.path is not None:
                    with self.path.open("a") as file:
                        file.write(json.dumps([key, self.done[key]]) + "\n")
                fresh += 1
                left = (time.perf_counter() - start) / fresh * (len(units) - i) / 60
                print(f"{key}: {i} of {len(units)}, {left:.0f} min left", file=sys.stderr, flush=True)
            yield unit, self.done[key]


def interval(differences):
    """Mean and 95 % t interval of paired differences."""
    if len(differences) < 2:
        return (float(np.mean(differences)),) * 3
    low, high = ttest_1samp(differences, 0).confidence_interval()
    return float(np.mean(differences)), float(low), float(high)


def images(letter, data):
    """Rows of one of the four data sets of section 7.2."""
    return load_usps(data) if letter == "U" else load(DATASETS[letter], data)


def few_shots(letter, k, data, seed=0):
    """k rows a class of a target, and its test rows."""
    X, y, X_test, y_test = images(letter, data)
    chosen = few_labels(y, k, seed) >= 0
    return (X[chosen], y[chosen]), (X_test[:1000], y_test[:1000])


def paper_flow(target, **params):
    """The flow of the paper and nothing else: no alignment before it, no safeguard behind it, all mass moves."""
    bare = {"alignment": None, "safeguard": False, "mass": 1.0, "random_state": 0}
    return OTDDFlowTransformer(Reference(*target), **bare | params)


def train(X, y, weight=None, steps=300, batch=32, net=None, seed=0):
    """A LeNet, or `net`, trained on weighted rows for a number of steps, by Adam as in appendix C."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = (SmallCNN() if net is None else net).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(net.train().parameters(), 1e-3, weight_decay=1e-6, fused=True)
        weight = torch.ones(len(X)) if weight is None else torch.tensor(weight, dtype=torch.float32)
        X, y = torch.tensor(X), torch.tensor(y)
        for rows in torch.multinomial(weight, steps * batch, replacement=True).split(batch):
            loss = F.cross_entropy(net(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return FrozenCNN(net.eval(), np.arange(net(X[:1]).shape[1]))
