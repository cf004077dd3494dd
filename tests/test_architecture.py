"""The package's layout: imports go down, rooms keep their private names, and one name is one thing.

Each rule collects all that breaks it, so that one run says what is left to do.
"""

import ast
import inspect
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

import skflow
from skflow.transport.solvers._entropic import EntropicSolver
from tests._data import PLAIN

PACKAGE = Path(skflow.__file__).parent
MAX_LINES = 300
MAX_METHODS = 12
MAX_PARAMETERS = 23

FLOORS = (
    ("_sklearn", "_warnings", "_inputs", "_threads", "_device", "_fresh_fit", "_support", "_column_widths"),
    ("_target", "_proportions", "_standard_units", "_repeats", "_remembered", "_panel"),
    ("transport",),
    ("flow",),
    ("functionals",),
    ("alignment",),
    ("pushforward",),
    ("metrics",),
    ("labelling",),
    ("inspection", "trajectories"),
    ("safeguard",),
    (
        "_run",
        "_reporting",
        "_learning",
        "_candidates",
        "_held_out",
        "_lossy_alignment",
        "_safeguarding",
        "_matching",
        "_trusting",
        "_rowwise",
        "_aligned",
        "_aligner",
        "_gradual_aligner",
        "_drift_detector",
    ),
    ("_carrying", "_unfinished"),
    ("_flow",),
    ("_otdd_flow", "_constrained_flow"),
    ("_pseudo_label",),
    ("_domain_map", "_domains", "_multi_domain"),
    ("repurposed",),
    ("__init__",),
)
"""Rooms and modules of the package's root, from the ground up; a file imports from its own floor and those below."""

HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
SAME_EVERYWHERE = {"_base.py", "__init__.py"}
"""Files that are the same thing in every room: its base classes, and its public names."""


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


TREES = {module_name(path): (path, ast.parse(path.read_text())) for path in sorted(PACKAGE.rglob("*.py"))}


def room_of(module):
    return module.partition(".")[0]


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def imports(module):
    """Modules of the package that a module imports, with the names taken from each, in all scopes."""
    path, tree = TREES[module]
    package = [*path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                target = ".".join([*base, *(node.module.split(".") if node.module else [])])
            elif node.module and node.module.partition(".")[0] == "skflow":
                target = node.module.partition(".")[2]
            else:
                continue
            for alias in node.names:
                inner = ".".join(filter(None, (target, alias.name)))
                yield (inner, None) if inner in TREES else (target or "__init__", alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "skflow":
                    yield alias.name.partition(".")[2] or "__init__", None


def report(problems):
    problems = sorted(set(problems))
    assert not problems, f"{len(problems)} cases:\n" + "\n".join(problems)


def test_every_room_has_a_floor():
    report(f"{room}: on no floor of FLOORS" for room in {room_of(module) for module in TREES} - set(HEIGHT))


def test_imports_go_down_only():
    report(
        f"{module} imports {target}"
        for module in TREES
        for target, _ in imports(module)
        if HEIGHT.get(room_of(target), 0) > HEIGHT.get(room_of(module), 0)
    )


def test_no_import_circles():
    graph = {module: {t for t, _ in imports(module) if t in TREES} - {module, "__init__"} for module in TREES}
    packages = {module for module, (path, _) in TREES.items() if path.name == "__init__.py"}
    reached = {}

    def below(module):
        """All that a module leads to."""
        if module not in reached:
            seen, left = set(), [module]
            while left:
                for target in graph[left.pop()] - seen:
                    seen.add(target)
                    left.append(target)
            reached[module] = seen
        return reached[module]

    def partners(module):
        return sorted(other for other in below(module) if module in below(other) and other != module)

    report(f"{module} <-> {', '.join(partners(module))}" for module in set(TREES) - packages if partners(module))


def test_rooms_are_no_circles():
    graph = defaultdict(set)
    for module in TREES:
        graph[room_of(module)] |= {room_of(t) for t, _ in imports(module)} - {room_of(module), "__init__"}
    report(f"{a} <-> {b}" for a in graph for b in graph[a] if a < b and a in graph[b])


def test_no_private_names_from_other_rooms():
    def problems():
        for module in TREES:
            for target, name in imports(module):
                if room_of(target) == room_of(module):
                    continue
                inside = target.split(".")[1:]
                if any(map(is_private, inside)) or (name is not None and is_private(name)):
                    yield f"{module} imports {name or ''} from {target}"

    report(problems())


def test_scikit_learns_private_names_come_through_one_door():
    def problems():
        for module, (_, tree) in TREES.items():
            for node in ast.walk(tree):
                if module == "_sklearn" or not isinstance(node, (ast.ImportFrom, ast.Import)):
                    continue
                source = getattr(node, "module", None) or ""
                for alias in node.names:
                    parts = [*source.split("."), *alias.name.split(".")]
                    if "sklearn" in parts[:2] and any(map(is_private, parts)) and not getattr(node, "level", 0):
                        yield f"{module} imports {alias.name} from {source}"

    report(problems())


def test_one_name_is_one_thing():
    """Files, classes, and the functions and constants that modules share; private ones are a file's own."""
    found = defaultdict(list)
    for module, (path, tree) in TREES.items():
        if path.name not in SAME_EVERYWHERE:
            found[f"file {path.name}"].append(module)
        for node in tree.body:
            names = []
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                targets = [t for target in node.targets for t in getattr(target, "elts", [target])]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            for name in names:
                if isinstance(node, ast.ClassDef) or not name.startswith("_"):
                    found[name].append(module)
    several = {name: modules for name, modules in found.items() if len(set(modules)) > 1}
    report(f"{name}: {', '.join(modules)}" for name, modules in several.items())


def test_no_code_touches_the_processs_settings():
    """They are the user's, and those of all threads."""
    forbidden = {"catch_warnings", "simplefilter", "filterwarnings", "seterr", "set_printoptions", "set_default_dtype"}

    def names(tree):
        return {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(tree)}

    report(f"{module}: {names(tree) & forbidden}" for module, (_, tree) in TREES.items() if names(tree) & forbidden)


def test_files_are_short():
    lengths = {module: len(path.read_text().splitlines()) for module, (path, _) in TREES.items()}
    report(f"{module}: {n} lines" for module, n in lengths.items() if n > MAX_LINES)


def test_classes_are_small():
    def methods(node):
        return [n for n in node.body if isinstance(n, ast.FunctionDef)]

    report(
        f"{module}.{node.name}: {len(methods(node))} methods"
        for module, (_, tree) in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and len(methods(node)) > MAX_METHODS
    )


@pytest.mark.parametrize("name", skflow.__all__)
def test_estimators_have_few_parameters(name):
    thing = getattr(skflow, name)
    if inspect.isclass(thing):
        parameters = list(inspect.signature(thing).parameters)
        assert len(parameters) <= MAX_PARAMETERS, f"{name}: {len(parameters)} parameters"


@pytest.mark.filterwarnings("ignore:The flow did not converge")
def test_a_solve_is_near_the_users_fit(monkeypatch):
    """Between the `fit` that a user calls and the solve of a step are few frames and few files, all to be read."""
    stacks = []

    def solve(self, cost):
        stacks.append([(Path(frame.filename).name, frame.function) for frame in inspect.stack(context=0)])
        return plain(self, cost)

    plain = EntropicSolver.solve
    monkeypatch.setattr(EntropicSolver, "solve", solve)
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 0, 1, 1, 1])
    skflow.OTDDFlowTransformer((X + 1, y), correspondence="coupling", max_iter=1, **PLAIN).fit(X, y)
    for stack in stacks:
        frames = stack[: stack.index(("_otdd_flow.py", "fit")) + 1]
        assert len(frames) <= 8, frames
        assert len({file for file, _ in frames[1:-1]}) <= 5, frames
    assert stacks
