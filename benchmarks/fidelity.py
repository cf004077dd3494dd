"""Does an alignment carry content? The frozen model on mapped unseen rows, and R² to the row as it was before the
shift.

Each cell is "accuracy (worst seed) / R²" of a frozen model, mean over the seeds; accuracy in percent. Where the
source has other columns than the model, R² is to the model's own columns. Peers run with POT's defaults, in the same
draw of rows: linear (Gaussian) and Sinkhorn transport without labels, exact transport with the labels that there are,
Gromov-Wasserstein with barycentric images (of the unseen rows themselves), correlation alignment (CORAL). "flow" is the
alignment with the default flow on top, where all labels are known; "retrained" is the same model fitted on them.

The alignment's settings were chosen on digits and Fashion-MNIST of seeds 100 to 108, and on tables of breast cancer and
wine of seeds 100 to 115. What an order of columns and the verdict rest on was chosen on other tables: diabetes, heart
disease, features of histology, clothes, letters and spectra, iris, and made ones. Seeds 0, 1, ... are printed.

Five seeds take, in seconds of one thread and without the peers: "full labels", "no labels" and "tables" 60 to 70 each,
"frequencies" and "350 rows" 30 to 40 each, "other columns" 26, "parity" and "one class" 16 each; "usps" 23 a seed and
"fashion, full labels" 13 a seed.

    python benchmarks/fidelity.py [--data DIR] [--seeds N] [--only TABLE] [--peers] [--quick]
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import ot
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter, rotate, zoom
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from _protocol import add_data_argument, load, load_usps
from _tables import markdown
from skflow import OTDDFlowTransformer
from skflow.alignment import align


@dataclass
class Case:
    """One shift in one draw of rows: the model's data, the source's, unseen rows and what they were."""

    T: np.ndarray
    t: np.ndarray
    S: np.ndarray
    s: np.ndarray
    U: np.ndarray
    u: np.ndarray
    truth: np.ndarray | None
    models: dict
    group: Callable | None = None  # labels that are known, of the true ones


def svc(T, t):
    return {"SVC": SVC(C=5.0).fit(T, t)}


def logistic(T, t):
    return {"LR": LogisticRegression(max_iter=2000).fit(T, t)}


def both(T, t):
    return logistic(T, t) | svc(T, t)


def quarter_turn(Z, side):
    return np.rot90(Z.reshape(-1, side, side), axes=(1, 2)).reshape(len(Z), -1).copy()


def pictures(change, side):
    return lambda Z: np.stack([change(z) for z in Z.reshape(-1, side, side)]).reshape(len(Z), -1)


def smaller(Z):
    return np.stack([zoom(z, 6 / 8, order=1).ravel() * 8 / 6 for z in Z.reshape(-1, 8, 8)])


def digits(seed, shifts, n=700, group=None, rare=False):
    """Digits with `n` rows a side; with `rare`, classes from 5 up are five times rarer in the source."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    random = np.random.RandomState(seed)
    order = random.permutation(len(X))
    target, source, unseen = order[:n], order[n : 2 * n], order[1400:]
    if rare:
        source, unseen = (i[(y[i] < 5) | (random.rand(len(i)) < 0.2)] for i in (source, unseen))
    known = digit_shifts(random)
    for name in shifts:
        shift = known[name]
        case = Case(
            X[target], y[target], shift(X[source]), y[source], shift(X[unseen]), y[unseen], X[unseen], {}, group
        )
        case.models = svc(case.T, case.t)
        yield name, case


def digit_shifts(random):
    order, some = random.permutation(64), random.permutation(64)[:48]
    turn, wide = (np.linalg.qr(random.randn(d, 64))[0] for d in (64, 100))
    return {
        "rot90": lambda Z: quarter_turn(Z, 8),
        "invert": lambda Z: 1 - Z,
        "permute": lambda Z: Z[:, order],
        "rotation": lambda Z: Z @ turn,
        "gain": lambda Z: Z * np.linspace(0.4, 1.6, 64),
        "blur": lambda Z: gaussian_filter(Z.reshape(-1, 8, 8), (0, 0.7, 0.7)).reshape(len(Z), -1),
        "contrast+noise": lambda Z: np.clip(0.4 * Z + 0.3 + 0.1 * random.randn(*Z.shape), 0, 1),
        "6x6": smaller,
        "100-d": lambda Z: Z @ wide.T,
        "48 of 64": lambda Z: Z[:, some],
    }


def tables(seed):
    """Standardised tables: turned, with some of their columns in another order, or all of them and in other units."""
    for name, load_table, n_columns in (("cancer", load_breast_cancer, 15), ("wine", load_wine, 10)):
        X, y = load_table(return_X_y=True)
        random = np.random.RandomState(seed)
        a, s, u = np.array_split(random.permutation(len(X)), [len(X) * 2 // 5, len(X) * 4 // 5])
        X = StandardScaler().fit(X[a]).transform(X)
        turn = np.linalg.qr(random.randn(X.shape[1], X.shape[1]))[0]
        order = random.permutation(X.shape[1])
        some, units, zeros = order[:n_columns], np.exp(random.randn(X.shape[1])), 2 * random.randn(X.shape[1])
        for kind, shift in {
            "rotated": lambda Z, Q=turn: Z @ Q,
            f"{n_columns} columns": lambda Z, i=some: Z[:, i],
            "units and order": lambda Z, i=order, g=units, b=zeros: Z[:, i] * g + b,
        }.items():
            yield (
                f"{name}, {kind}",
                Case(X[a], y[a], shift(X[s]), y[s], shift(X[u]), y[u], X[u], logistic(X[a], y[a])),
            )


def images(name, shifts, seed, data, n=1000, group=None, models=both):
    X, y, X_test, y_test = load(name, data)
    random = np.random.RandomState(seed)
    rows, unseen = random.permutation(len(X)), random.permutation(len(X_test))[:1000]
    target, source, order = rows[:n], rows[n : 2 * n], random.permutation(784)
    known = {
        "invert": lambda Z: 1 - Z,
        "permute": lambda Z: Z[:, order],
        "rot90": lambda Z: quarter_turn(Z, 28),
        "rot30": pictures(lambda z: rotate(z, 30, reshape=False, order=1), 28),
        "blur": pictures(lambda z: gaussian_filter(z, 1.5), 28),
    }
    frozen = models(X[target], y[target])
    for shift in shifts:
        h = known[shift]
        S, U, truth = h(X[source]), h(X_test[unseen]), X_test[unseen]
        yield (
            f"{name}, {shift}",
            Case(X[target], y[target], S, y[source], U, y_test[unseen], truth, frozen, group),
        )


def usps(seed, data, n=2000):
    T, t, _, _ = load("mnist", data)
    S, s, U, u = load_usps(data)
    random = np.random.RandomState(seed)
    i, j = random.permutation(len(T))[:n], random.permutation(len(S))[:n]
    yield "usps to mnist", Case(T[i], t[i], S[j], s[j], U, u, None, svc(T[i], t[i]))


def parity(y):
    return y % 2


def one_class(y):
    return np.where(y == 3, 3, -1)


def everything(y):
    return y


TURNS = ["rot90", "invert", "permute"]
TABLES = {
    "full labels": lambda seed, data: digits(seed, [*TURNS, "gain", "blur", "contrast+noise"], group=everything),
    "parity": lambda seed, data: digits(seed, TURNS, group=parity),
    "one class": lambda seed, data: digits(seed, TURNS, group=one_class),
    "no labels": lambda seed, data: digits(seed, [*TURNS, "rotation", "gain", "blur", "contrast+noise"]),
    "350 rows": lambda seed, data: digits(seed, [*TURNS, "rotation"], n=350),
    "frequencies": lambda seed, data: digits(seed, ["invert", "rot90", "rotation"], rare=True),
    "other columns": lambda seed, data: digits(seed, ["6x6", "100-d", "48 of 64"]),
    "tables": lambda seed, data: tables(seed),
    "fashion": lambda seed, data: images("fashion_mnist", ["invert", "rot90", "rot30", "blur"], seed, data),
    "characters": lambda seed, data: (
        case
        for name in ("mnist", "kmnist")
        for case in images(name, ["invert", "permute", "rot90"], seed, data, models=svc)
    ),
    "fashion, full labels": lambda seed, data: images("fashion_mnist", ["rot30"], seed, data, group=everything),
    "usps": usps,
}


def skflow(case):
    """The alignment's map, with the labels that the case knows."""
    known = case.group or everything
    y = None if case.group is None else case.group(case.s)
    h = align(case.S, case.T, y=y, y_target=known(case.t))
    return h.transform(case.U), f"{h.invariance}, {h.verdict}"


def flow(case):
    """The whole default flow, for rows whose labels are all known: the alignment, and what held-out rows add to it."""
    if case.group is not everything:
        return None
    moved = OTDDFlowTransformer(target=(case.T, case.t), random_state=0).fit(case.S, case.s)
    return moved.transform(case.U), moved.decision_.chosen.name


def peer(transport, with_labels=False):
    def run(case):
        if case.S.shape[1] != case.T.shape[1] or (with_labels and case.group is None):
            return None
        labels = {} if case.group is None or not with_labels else {"ys": case.group(case.s), "yt": case.group(case.t)}
        return transport.fit(Xs=case.S, Xt=case.T, **labels).transform(Xs=case.U), ""

    return run


def coral(case):
    """Second moments of the source made the target's (Sun, Feng, Saenko, 2016)."""
    if case.S.shape[1] != case.T.shape[1]:
        return None
    eye = 1e-2 * case.T.var(0).mean() * np.eye(case.T.shape[1])
    whiten = np.linalg.inv(np.real(sqrtm(np.cov(case.S.T) + eye)))
    A = whiten @ np.real(sqrtm(np.cov(case.T.T) + eye))
    return (case.U - case.S.mean(0)) @ A + case.T.mean(0), ""


def gromov(case):
    """Barycentric images of the unseen rows under a Gromov-Wasserstein coupling with the target."""
    C, D = (ot.dist(Z, Z, "euclidean") for Z in (case.U[:400], case.T[:400]))
    P = ot.gromov.gromov_wasserstein(C / C.max(), D / D.max(), max_iter=200)
    return P @ case.T[:400] / P.sum(1, keepdims=True), ""


def nothing(case):
    return (case.U, "") if case.U.shape[1] == case.T.shape[1] else None


METHODS = {"nothing": nothing, "**alignment**": skflow, "**flow**": flow}
PEERS = {
    "POT linear": peer(ot.da.LinearTransport()),
    "POT Sinkhorn": peer(ot.da.SinkhornTransport(reg_e=0.05, norm="max")),
    "POT EMD, labels": peer(ot.da.EMDTransport(norm="max"), with_labels=True),
    "CORAL": coral,
    "Gromov-Wasserstein": gromov,
}


def r2(Z, truth):
    return 1 - ((Z - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()


def run(name, seeds, data, methods):
    """Print one table: a row for each shift, a column for each method."""
    values, notes = {}, {}
    for seed in seeds:
        for shift, case in TABLES[name](seed, data):
            cell = values.setdefault(shift, {})
            if case.truth is not None:
                for model, frozen in case.models.items():
                    cell.setdefault((model, "unshifted"), []).append((frozen.score(case.truth, case.u), np.nan))
            for method, how in methods.items():
                start = time.perf_counter()
                answer = how(case)
                seconds = time.perf_counter() - start
                if answer is None:
                    continue
                Z, note = answer
                u, truth = case.u[: len(Z)], None if case.truth is None else case.truth[: len(Z)]
                for model, frozen in case.models.items():
                    score = frozen.score(Z, u), np.nan if truth is None else r2(Z, truth)
                    cell.setdefault((model, method), []).append(score)
                if note:
                    notes.setdefault(shift, []).append(f"{note} ({seconds:.1f} s)")
            for model, frozen in case.models.items() if case.group is everything else ():
                again = type(frozen)(**frozen.get_params()).fit(case.S, case.s)
                cell.setdefault((model, "retrained"), []).append((again.score(case.U, case.u), np.nan))
    print(f"\n### {name}: accuracy % (worst of {len(seeds)} seeds) / R²\n")
    columns = list(dict.fromkeys(key for cell in values.values() for key in cell))
    print(
        markdown(
            ["", *(f"{method}, {model}" for model, method in columns)],
            [[shift, *(_cell(cell.get(key)) for key in columns)] for shift, cell in values.items()],
        )
    )
    for shift, lines in notes.items():
        print(f"{shift}: {'; '.join(lines)}")


def _cell(scores):
    if scores is None:
        return ""
    accuracy, content = np.array(scores).T
    said = f"{100 * accuracy.mean():.1f} ({100 * accuracy.min():.1f})"
    return said if np.isnan(content).all() else f"{said} / {np.nanmean(content):.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--seeds", type=int, default=5, help="number of draws (default: 5)")
    parser.add_argument("--only", choices=list(TABLES), help="one of the tables")
    parser.add_argument("--peers", action="store_true", help="the peers too")
    parser.add_argument("--quick", action="store_true", help="one draw, tables of digits alone: to see that it runs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [args.only] if args.only else ["no labels", "other columns"] if args.quick else list(TABLES)
    methods = METHODS | (PEERS if args.peers else {})
    for name in names:
        run(name, range(1 if args.quick else args.seeds), args.data, methods)


if __name__ == "__main__":
    main()
