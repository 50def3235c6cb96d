"""The floors of the house: a module imports from its own floor and lower ones only, and in no circle."""

import ast
import graphlib
from pathlib import Path

import pytest

import keras_actsel

pytestmark = pytest.mark.on_one_backend

PACKAGE = Path(keras_actsel.__file__).parent
FLOORS = {
    "_spelling": 0,
    "statistics": 0,
    "_verdict": 0,
    "results": 0,
    "activations": 1,
    "layers": 2,
    "surgery": 3,
    "initializers": 3,
    "callbacks": 3,
    "testing": 3,
    "datasets": 3,
    "data": 3,
    "search": 4,
    "tuner": 5,
    "cli": 6,
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(name):
    """The room of a dotted module name: `search` for `keras_actsel.search._select`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def dotted(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path):
    """Dotted names that a file imports, wherever in the file, but for those that only type checkers see."""
    names = []
    module = ast.parse(path.read_text(encoding="utf-8"))
    module.body = [
        node for node in module.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def rooms_entered(path):
    """The other rooms that a file imports from."""
    own = {name for name in imports(path) if name.split(".")[0] == "keras_actsel"}
    return {room(name) for name in own} - {room(dotted(path)), "__version__"}


@pytest.mark.parametrize("path", [m for m in MODULES if room(dotted(m))], ids=dotted)
def test_imports_go_to_the_same_or_lower_floors(path):
    own = room(dotted(path))
    assert all(FLOORS[target] <= FLOORS[own] for target in rooms_entered(path))


def test_there_are_no_circles():
    graph = {}
    for path in MODULES:
        if room(dotted(path)):
            graph.setdefault(room(dotted(path)), set()).update(rooms_entered(path))
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_keras_is_used_by_its_public_name(path):
    assert not [name for name in imports(path) if name.split(".")[:2] == ["keras", "src"]]


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_files_and_functions_stay_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 400
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 60, f"{path}: {node.name} has {lines} lines"


def test_every_room_has_a_floor():
    assert {room(dotted(path)) for path in MODULES} - {""} == set(FLOORS)
