"""Cases in a process of their own, which is killed where one hangs."""

import multiprocessing
import traceback


def worker(connection, seed):
    """Run the cases whose numbers come, until None does."""
    import torch

    from tests.fuzz.running import run_case

    torch.set_num_threads(1)
    connection.send("ready")
    for index in iter(connection.recv, None):
        try:
            connection.send(run_case(seed, index))
        except Exception as error:  # of the driver itself
            connection.send(("driver", ("driver", "".join(traceback.format_exception(error)))))


class Runner:
    """One worker process, made anew when it hangs."""

    def __init__(self, seed, time_limit):
        self.seed, self.time_limit, self.process = seed, time_limit, None

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=worker, args=(other, self.seed), daemon=True)
        self.process.start()
        self.connection.recv()

    def __call__(self, index):
        if self.process is None or not self.process.is_alive():
            self.start()
        self.connection.send(index)
        if self.connection.poll(self.time_limit):
            try:
                return self.connection.recv()
            except EOFError:
                self.process = None
                return "?", ("hang", "the process died")
        self.process.kill()
        self.process = None
        return "?", ("hang", f"more than {self.time_limit} s")

    def close(self):
        if self.process is not None and self.process.is_alive():
            self.connection.send(None)
            self.process.join()
