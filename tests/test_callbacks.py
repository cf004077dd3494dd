"""scikit-learn's callbacks on flows: one task a step, with access to the state so far, and early stop."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_blobs
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skflow import ConstrainedFlow, OTDDFlowTransformer
from skflow.flow import JointVariableLabels
from skflow.functionals import NormPotential

X, y = make_blobs(60, centers=3, random_state=0)
TARGET = make_blobs(60, centers=3, random_state=1)


class CountedRegression(LinearRegression):
    n_fits = 0

    def fit(self, X, y):
        type(self).n_fits += 1
        return super().fit(X, y)


def flow(**params):
    defaults = {
        "alignment": None,
        "safeguard": False,
        "pushforward": CountedRegression(),
        "max_iter": 12,
        "tol": 0,
        "random_state": 0,
    }
    return OTDDFlowTransformer(TARGET, **(defaults | params))


class Plain:
    """A callback with no wish but to look on."""

    def __init__(self):
        self.tasks, self.log = [], []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.tasks.append(("end", context.task_name, context.task_id))


class Recorder(Plain):
    """Records every step's state."""

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name == "flow step":
            self.log.append((context.task_id, fitted_estimator, X, y))


class StopBelow(Plain):
    """Ends the flow when the objective has fallen enough."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        return context.task_name == "flow step" and fitted_estimator.objective_[-1] < self.objective


pytestmark = pytest.mark.filterwarnings("ignore:The flow did not converge")


def test_one_task_a_step():
    callback = Plain()
    estimator = flow().set_callbacks(callback).fit(X, y)
    steps = [task for task in callback.tasks if task[1:2] == ("flow step",)]
    assert steps == [(when, "flow step", i) for i in range(12) for when in ("begin", "end")]
    assert callback.tasks[:2] == ["setup", ("begin", "fit", 0)]
    assert callback.tasks[-2:] == [("end", "fit", 0), "teardown"]
    assert estimator.n_iter_ == 12


def test_access_to_objective_and_particles():
    callback = Recorder()
    estimator = flow(keep_trajectory=13).set_callbacks(callback).fit(X, y)
    assert [task_id for task_id, *_ in callback.log] == list(range(12))
    for step, (_, fitted, X_seen, y_seen) in enumerate(callback.log, start=1):
        np.testing.assert_array_equal(fitted.objective_, estimator.objective_[: step + 1])
        np.testing.assert_array_equal(fitted.particles_, estimator.trajectory_[step])
        assert fitted.n_iter_ == step
        assert fitted.coupling_.shape == (3, 3)
        np.testing.assert_array_equal(X_seen, X)
        np.testing.assert_array_equal(y_seen, y)


def test_the_state_is_that_of_a_flow_that_ended_there():
    callback = Recorder()
    estimator = flow().set_callbacks(callback).fit(X, y)
    short = flow(max_iter=4).fit(X, y)
    fitted = callback.log[3][1]
    np.testing.assert_array_equal(fitted.particles_, short.particles_)
    np.testing.assert_allclose(fitted.transform(X), short.transform(X))
    np.testing.assert_allclose(fitted.coupling_, short.coupling_)
    assert fitted.label_map_ == short.label_map_
    assert not np.allclose(fitted.transform(X), estimator.transform(X))


def test_push_forwards_are_learnt_only_where_they_are_used():
    CountedRegression.n_fits = 0
    callback = Recorder()
    flow().set_callbacks(callback).fit(X, y)
    assert CountedRegression.n_fits == 1
    callback.log[0][1].transform(X)
    callback.log[0][1].transform(X)
    assert CountedRegression.n_fits == 2


@pytest.mark.parametrize("pushforward", [None, LinearRegression()])
def test_callbacks_change_no_result(pushforward):
    plain = flow(pushforward=pushforward, max_iter=3).fit(X, y)
    watched = flow(pushforward=pushforward, max_iter=3).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(plain.transform(X), watched.transform(X))


def test_early_stop():
    full = flow().fit(X, y)
    goal = full.objective_[5]
    stopped = flow().set_callbacks(StopBelow(goal * 1.0001)).fit(X, y)
    assert stopped.n_iter_ == 5
    np.testing.assert_allclose(stopped.objective_, full.objective_[:6])


def test_stopping_is_no_failure_to_converge(recwarn):
    flow().set_callbacks(StopBelow(np.inf)).fit(X, y)
    assert not [w for w in recwarn if "converge" in str(w.message)]


def test_scoring_monitor():
    def scores(estimator, X, y):
        return {"moved": np.linalg.norm(estimator.transform(X) - X), "objective": estimator.objective_[-1]}

    monitor = ScoringMonitor(scoring=scores)
    estimator = flow().set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "flow step"]
    np.testing.assert_allclose([row["objective"] for row in rows], estimator.objective_[1:])
    assert rows[0]["moved"] < rows[-1]["moved"]
    (end,) = [row for row in monitor.get_logs().data if row["task_name"] == "fit"]
    assert end["moved"] == np.linalg.norm(estimator.transform(X) - X)


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    flow().set_callbacks(ProgressBar()).fit(X, y)
    assert "OTDDFlowTransformer" in capsys.readouterr().out


def test_in_a_pipeline(capsys):
    pytest.importorskip("rich")
    pipe = make_pipeline(StandardScaler(), flow(), LinearRegression()).set_callbacks(
        ProgressBar(max_propagation_depth=2)
    )
    pipe.fit(X, y)
    assert "OTDDFlowTransformer" in capsys.readouterr().out


def test_constrained_flow():
    callback = Recorder()
    estimator = ConstrainedFlow(
        [("norm", NormPotential())], max_iter=6, pushforward=LinearRegression(), random_state=0
    ).set_callbacks(callback)
    estimator.fit(X)
    for step, (_, fitted, *_) in enumerate(callback.log, start=1):
        np.testing.assert_array_equal(fitted.objective_terms_["norm"], fitted.objective_)
        assert fitted.n_iter_ == step


@pytest.mark.parametrize("dynamics", ["jd-fl", JointVariableLabels(recluster_every=2)])
def test_other_dynamics(dynamics):
    callback = Recorder()
    estimator = flow(dynamics=dynamics, keep_trajectory=13).set_callbacks(callback).fit(X, y)
    for step, (_, fitted, *_) in enumerate(callback.log, start=1):
        np.testing.assert_array_equal(fitted.particles_, estimator.trajectory_[step])
        assert fitted.coupling_.shape == (len(fitted.classes_), 3)


def test_fitted_state_pickles():
    callback = Recorder()
    flow(pushforward=LinearRegression()).set_callbacks(callback).fit(X, y)
    fitted = clone(flow()).fit(X, y)
    fitted.__dict__.update({k: v for k, v in vars(callback.log[2][1]).items() if k.endswith("_")})
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), callback.log[2][1].transform(X))


def test_verbose_prints_a_line_now_and_then(capsys):
    flow(verbose=1, max_iter=25).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["10:", "20:"]
    flow(max_iter=25).fit(X, y)
    assert capsys.readouterr().out == ""
