"""Transport problems as the OTDD makes them, with everything refreshed at every step unless asked otherwise."""

from skflow.transport import Task, TransportProblem, bind_solver, make_label_cost, prefers_images


def make_problem(
    source, target, solver="auto", *, reg, tol=1e-3, batch_size=None, kind="gaussian", negligible=0.0, refresh_tol=0.0,
    **kwargs,
):  # fmt: skip
    bound = bind_solver(solver, Task(source, target, reg, tol), batch_size=batch_size)
    cost = make_label_cost(
        kind, source, target, negligible=negligible, by_image=prefers_images(source, target, bound)
    )  # fmt: skip
    return TransportProblem(source, target, solver=bound, label_cost=cost, refresh_tol=refresh_tol, **kwargs)


class Matrix:
    """A cost matrix, which a solver may overwrite and ask for again."""

    def __init__(self, make):
        self.matrix = make
