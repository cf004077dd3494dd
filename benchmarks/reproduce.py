"""Table 1 and figures 1 to 12 of the paper: what it shows beside what is measured here.

Each part prints its tables, draws its figures into ``--figures DIR``, and at full size writes its lines of the summary,
``reproduced.json`` and the page ``docs/reproduced.rst``. What is finished is kept in ``DIR/progress.jsonl``: a run that
was interrupted goes on where it stopped.

    python benchmarks/reproduce.py [--data DIR] [--figures DIR] [--quick] [--again]
                                   [--only table1|shapes|paths|shots|oracle|histology]
"""

import argparse
import json
import warnings
from dataclasses import asdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from _paper import Finding, Work
from _paper_frozen import oracle, table_1
from _paper_histology import histology
from _paper_shapes import paths, shapes
from _paper_shots import shots
from _protocol import ROOT, add_data_argument
from pseudo_labels import PAPER

PARTS = {
    "table1": table_1,
    "shapes": shapes,
    "paths": paths,
    "shots": shots,
    "oracle": oracle,
    "histology": histology,
}
SUMMARY = Path(__file__).with_name("reproduced.json")
PAGE = ROOT / "docs" / "reproduced.rst"
HEAD = """The paper, reproduced
=====================

What the paper shows (D. Alvarez-Melis, N. Fusi, ICML 2021), and what `make reproduce` measures here. The paper's
figures have no numbers of their own; what its text says of them stands in their place. Where ours differs, the last
column says why. M, U, F and K are MNIST, USPS, Fashion-MNIST and KMNIST; brackets hold 95 % intervals over pairs of
these. This page is written by ``benchmarks/reproduce.py``.

.. list-table::
   :header-rows: 1
   :widths: 10 28 36 26

   * - in the paper
     - it shows
     - measured here
     - remark
"""


def page(findings):
    """The page of the documentation."""
    lines = []
    for finding in sorted(findings, key=order):
        cells = [finding.figure, finding.paper, finding.here, finding.remark]
        lines += [f"   {'*' if i == 0 else ' '} - {cell}".rstrip() for i, cell in enumerate(cells)]
    return HEAD + "\n".join(lines) + "\n"


def order(finding):
    """Table 1, then figures by number."""
    kind, number = finding.figure.split()
    return kind != "Table", int(number.rstrip("abcde-")), number


def read_summary():
    """Findings by part."""
    parts = json.loads(SUMMARY.read_text()) if SUMMARY.exists() else {}
    return {part: [Finding(**finding) for finding in findings] for part, findings in parts.items()}


def write_summary(new):
    """Put the findings of a part in the place of its old ones, and write the page again."""
    parts = read_summary() | new
    SUMMARY.write_text(
        json.dumps({part: [asdict(f) for f in of] for part, of in sorted(parts.items())}, indent=1) + "\n"
    )
    PAGE.write_text(page([finding for findings in parts.values() for finding in findings]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where to draw (default: figures)")
    parser.add_argument("--quick", action="store_true", help="few rows, few steps: to see that it runs")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run has finished")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="some of the parts")
    parser.add_argument("--sets", nargs="+", choices=list(PAPER), default=list(PAPER), help="of table 1")
    parser.add_argument("--rows", type=int, default=5000, help="of each data set of table 1 (default: 5000)")
    parser.add_argument("--particles", type=int, default=1000, help="source rows of the k-shot tasks (default: 1000)")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 10, 100], help="rows a class (1 5 10 100)")
    parser.add_argument("--draws", type=int, default=3, help="draws of the shots, below 100 (default: 3)")
    parser.add_argument("--steps", type=int, default=200, help="of a k-shot classifier; twice that from 100 shots on")
    parser.add_argument("--cifar-steps", type=int, default=1500, help="of a CIFAR-10 network (default: 1500)")
    parser.add_argument(
        "--networks", type=int, default=3, help="CIFAR-10 networks, each of a seed of its own (default: 3)"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    args.figures.mkdir(parents=True, exist_ok=True)
    progress = args.figures / "progress.jsonl"
    if args.again:
        progress.unlink(missing_ok=True)
    work = Work(None if args.quick else progress)
    for name in args.only:
        findings = PARTS[name](args, work)
        if not args.quick:
            write_summary({name: findings})


if __name__ == "__main__":
    main()
