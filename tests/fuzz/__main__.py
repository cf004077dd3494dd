"""Run many cases: ``python -m tests.fuzz --cases 7800 --seed 0 --jobs 1 --time-limit 20``.

Each case runs in a worker process, which is killed where it does not answer in time. What went wrong is counted by its
kind and shown; ``--only 17 203`` runs these cases of the seed alone, with their whole tracebacks.
"""

import argparse
import collections
import os
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fuzz.workers import Runner

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=7800)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--time-limit", type=float, default=20.0)
    parser.add_argument("--only", type=int, nargs="*")
    options = parser.parse_args()
    indices = options.only or range(options.first, options.first + options.cases)
    counts, start = collections.Counter(), time.time()

    def run(part):
        runner = Runner(options.seed, options.time_limit)
        for index in part:
            description, fault = runner(index)
            counts["cases"] += 1
            if fault:
                counts[fault[0]] += 1
                print(f"#{index} {fault[0]}: {description}\n    {fault[1]}", flush=True)
            elif options.only:
                print(f"#{index} right: {description}")
        runner.close()

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, [indices[job :: options.jobs] for job in range(options.jobs)]))
    print(dict(counts), f"in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
