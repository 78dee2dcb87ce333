"""The law of the house: who imports whom, and how much code the core is."""

import ast
import io
import sys
import tokenize

import pytest
from core_support import ROOT, run_python

ROOMS = {
    "autograd_core": ROOT / "autograd_core",
    "autograd_ops": ROOT / "ops/autograd_ops",
    "autograd_backends": ROOT / "backends/autograd_backends",
    "autograd_train": ROOT / "train/autograd_train",
}
FRONT_DOOR = ROOMS["autograd_core"] / "__init__.py"

CORE = ROOMS["autograd_core"]
TESTING = CORE / "testing"

CORE_LINES, OPERATOR_LINES = 3_650, 2_100
PROGRAM_LINES, PASS_LINES, EXECUTOR_LINES = 4_500, 1_000, 1_900
"""The reader's evening: code lines of autograd_core, docstrings and comments apart.

Of its `operators` apart, each of which is read for itself, of its `programs` and their
passes, and of what runs programs on NumPy; without its `testing`, which is a product of
its own that the core does not import.
"""

HEAVY = ("torch", "jax", "cupy", "array_api_strict", "scipy", "matplotlib", "pandas")


def files(room):
    return sorted(ROOMS[room].rglob("*.py"))


def imports(path):
    """Yield every import of a file, at whatever depth: (line, level, module)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.level, node.module or ""


def allowed_in(room, path):
    """Say which top-level packages a file may import, the standard library apart."""
    if path.is_relative_to(TESTING):
        libraries = {
            "libraries.py": {"array_api_compat"},
            "plugin.py": {"pytest"},
            "strategies.py": {"hypothesis"},
        }
        return {"autograd_core", "numpy"} | libraries.get(path.name, set())
    if room == "autograd_core":
        own = {"autograd_core"}
        if path == FRONT_DOOR:
            own |= {"autograd_ops", "autograd_backends"}
        return own
    if room == "autograd_ops":
        # array_api_compat knows `to_device`, numpy which of its functions are ours
        return {"autograd_core", "autograd_ops", "array_api_compat", "numpy"}
    if path.parent.name == "numpy_programs":
        return {"autograd_core", "autograd_backends", "numpy", "scipy"}
    if room == "autograd_backends":
        library = {path.stem, path.stem.partition("_")[0], "array_api_compat"}
        library -= {"__init__", ""}
        # what CuPy and NumPy have beside themselves, imported when it is used
        return {"autograd_core", "autograd_backends", "cupyx", "scipy"} | library
    return None


CASES = [(room, path) for room in ROOMS for path in files(room)]


@pytest.mark.parametrize(
    ("room", "path"), CASES, ids=[str(p.relative_to(ROOT)) for _, p in CASES]
)
def test_a_file_imports_what_its_room_may(room, path):
    allowed = allowed_in(room, path)
    for line, level, module in imports(path):
        place = f"{path}:{line} imports {'.' * level}{module}"
        assert level == 0, f"{place}: imports are absolute"
        top = module.partition(".")[0]
        if room == "autograd_train":
            if top in ROOMS and top != "autograd_train":
                assert module == "autograd_core", f"{place}: not the front door"
        elif top not in sys.stdlib_module_names:
            assert top in allowed, place


def test_the_core_does_not_import_its_checks():
    for path in files("autograd_core"):
        if not path.is_relative_to(TESTING) and path.name != "__main__.py":
            for line, _, module in imports(path):
                assert "testing" not in module, f"{path}:{line}"


@pytest.mark.parametrize("room", ["autograd_ops", "autograd_backends"])
def test_no_other_room_uses_the_front_door(room):
    """What is inside does not import what is assembled from it (a circle)."""
    for path in files(room):
        for line, _, module in imports(path):
            assert module != "autograd_core", f"{path}:{line}"


def test_train_takes_from_the_front_door_what_it_exports():
    import autograd_core

    for path in files("autograd_train"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "autograd_core":
                for alias in node.names:
                    assert alias.name in autograd_core.__all__, f"{path}:{node.lineno}"


def test_everything_exported_is_there_and_documented():
    import autograd_core

    assert sorted(autograd_core.__all__) == autograd_core.__all__
    for name in autograd_core.__all__:
        assert getattr(autograd_core, name).__doc__, name


def test_importing_the_front_door_imports_no_library_but_numpy():
    program = "import sys, autograd_core; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run_python(program).split()}
    assert not loaded & {*HEAVY, "hypothesis", "pytest"}
    assert "autograd_ops" in loaded
    assert "autograd_train" not in loaded


def test_the_checks_are_loaded_when_they_are_asked_for():
    program = (
        "import sys, autograd_core as ag\n"
        "assert 'autograd_core.testing' not in sys.modules\n"
        "ag.testing\n"
        "assert 'autograd_core.testing.gradients' not in sys.modules\n"
        "ag.testing.check_grads(lambda x: x * x, 1.5)\n"
        "print(*sys.modules)"
    )
    loaded = {name.partition(".")[0] for name in run_python(program).split()}
    assert not loaded & {*HEAVY, "hypothesis", "pytest"}


def test_differentiating_on_numpy_imports_no_other_library():
    program = (
        "import sys, autograd_core as ag\n"
        "ag.grad(lambda x: ag.ops.sum(ag.ops.sin(x)))(ag.ops.ones(3))\n"
        "str(ag.backends())\n"
        "print(*sys.modules)"
    )
    loaded = {name.partition(".")[0] for name in run_python(program).split()}
    assert not loaded & set(HEAVY)
    assert "numpy" in loaded


def test_the_core_alone_does_not_import_numpy():
    """Every module of the core but the front door, loaded without it."""
    program = (
        "import importlib, sys, types, pathlib\n"
        f"folder = pathlib.Path({str(ROOMS['autograd_core'])!r})\n"
        "package = types.ModuleType('autograd_core')\n"
        "package.__path__ = [str(folder)]\n"
        "sys.modules['autograd_core'] = package\n"
        "for file in sorted(folder.glob('[a-z]*.py')):\n"
        "    importlib.import_module('autograd_core.' + file.stem)\n"
        "print(*sys.modules)"
    )
    loaded = {name.partition(".")[0] for name in run_python(program).split()}
    third_party = loaded - set(sys.stdlib_module_names) - set(ROOMS)
    assert "numpy" not in loaded
    assert "array_api_compat" not in loaded
    assert not loaded & {"autograd_ops", "autograd_backends"}
    assert not third_party & set(HEAVY)


def code_lines(source):
    """Count the lines that are neither blank, nor comment, nor docstring."""
    lines = set()
    skipped = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
        tokenize.ENCODING,
    )
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement in body:  # docstrings, and strings under an assignment
                if isinstance(statement, ast.Expr) and isinstance(
                    getattr(statement.value, "value", None), str
                ):
                    lines -= set(range(statement.lineno, statement.end_lineno + 1))
    return len(lines)


def test_code_lines_counts_code_lines():
    source = '"""Doc."""\n\n# comment\nx = 1  # code\n\n\ndef f():\n'
    source += '    """Doc\n\n    more."""\n'
    source += '    return """a\nb"""\n'
    assert code_lines(source) == 4


@pytest.mark.parametrize(
    ("folder", "budget"),
    [
        (CORE, CORE_LINES),
        (CORE / "operators", OPERATOR_LINES),
        (CORE / "programs", PROGRAM_LINES),
        (CORE / "programs/passes", PASS_LINES),
        (ROOMS["autograd_backends"] / "numpy_programs", EXECUTOR_LINES),
    ],
)
def test_the_core_stays_within_its_budget(folder, budget):
    counts = {p.name: code_lines(p.read_text()) for p in folder.glob("*.py")}
    assert len(counts) > 7
    assert sum(counts.values()) <= budget, counts


@pytest.mark.parametrize("folder", ["operators", "programs"])
def test_the_core_does_not_import_what_is_built_on_it(folder):
    """But for the front doors, and for a backend, which is handed a program to run."""
    doors = {"__init__.py", "__main__.py"}
    apart = {"operators": doors, "programs": {*doors, "backend.py"}}
    for path in CORE.glob("*.py"):
        found = [m for _, _, m in imports(path) if f"autograd_core.{folder}" in m]
        assert not found or path.name in apart[folder], path


BACKENDS = sorted(ROOMS["autograd_backends"].glob("*.py"))


@pytest.mark.parametrize("path", BACKENDS, ids=lambda p: p.name)
def test_a_backend_is_a_short_file(path):
    """NumPy's has fast spellings and fingerprints too, PyTorch's negative steps.

    What makes memory be used again is of NumPy only, and in two files of its own.
    """
    budgets = {"numpy.py": 115, "torch.py": 105, "jax.py": 75}
    budgets |= {"abstract.py": 130, "abstract_array.py": 105, "inference.py": 140}
    budgets |= {"numpy_memory.py": 160, "numpy_pool.py": 70}
    budget = budgets.get(path.name, 60)
    assert code_lines(path.read_text()) <= budget
