"""A flow on two processes against the same flow on one."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
from sklearn.linear_model import LinearRegression

from skflow import OTDDFlowTransformer
from skflow.transport import Task, bind_solver
from tests._data import labelled, points

SETTINGS = [{}, {"correspondence": "coupling"}, {"label_distance": "means"}]


def flow(settings, solver):
    """In single precision, of features of unit spread, so that 1e-5 are some eighty units in the last place."""
    (X, y), (X_target, y_target) = labelled(301, d=6, k=3, shift=1.0), labelled(200, d=6, k=3, seed=1)
    X, target = X / X_target.std(), (X_target / X_target.std(), y_target)
    return OTDDFlowTransformer(
        target,
        alignment=None,
        safeguard=False,
        solver=solver,
        max_iter=8,
        tol=0,
        pushforward=LinearRegression(),
        device="cpu",
        **settings,
    ).fit(X.astype("float32"), y)


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    for i, settings in enumerate(SETTINGS):
        fitted = flow(settings, "sharded")
        np.savez(f"{folder}/{rank}-{i}.npz", x=fitted.particles_, objective=fitted.objective_, mass=fitted.coupling_)
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_two_processes_give_the_particles_of_one(tmp_path):
    torch.multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=2)
    for i, settings in enumerate(SETTINGS):
        alone = flow(settings, "tiled")
        for rank in range(2):
            with np.load(tmp_path / f"{rank}-{i}.npz") as shared:
                np.testing.assert_allclose(shared["x"], alone.particles_, rtol=0, atol=1e-5)
                np.testing.assert_allclose(shared["objective"], alone.objective_, rtol=1e-5)
                np.testing.assert_allclose(shared["mass"], alone.coupling_, atol=1e-6)


def test_without_processes_it_says_what_is_missing():
    with pytest.raises(ValueError, match="call torch.distributed.init_process_group"):
        bind_solver("sharded", Task(points(), points(), 1.0))
