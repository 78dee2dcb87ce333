"""Seen from outside: every operation and rule under its own name and file."""

import ast
import inspect
import pathlib
import pstats

import pytest
from core_support import OURS, ROOT, run_python

import autograd_core as ag
from autograd_core import operation

FILES = sorted(
    path
    for room in OURS
    for path in (ROOT / room).rglob("*.py")
    if "testing" not in path.parts  # checks, which no user's profile shows
)

MODEL = """
import cProfile, os, sys
os.environ.setdefault("JAX_ENABLE_X64", "1")
import numpy as np
import autograd_core as ag

xp = ag.ops
ag.set_backend({backend!r})
rng = np.random.default_rng(0)
SIZE = {size}
x = xp.asarray(rng.uniform(0.5, 1.5, size=(SIZE, 3)))
w = xp.asarray(rng.uniform(0.5, 1.5, size=(3, 4)))
index = xp.asarray(np.arange(SIZE)[::-1].copy())

def model(w, x):
    h = xp.tanh(x @ w + 0.5)
    h = xp.maximum(h, 0.2) / (1.0 + xp.exp(-h)) - xp.sqrt(h * h + 1.0)
    h = xp.concat([h, xp.sin(h)], axis=1)
    h = xp.take(h, index, axis=0) * xp.where(h > 0.0, h, 0.1 * h)
    h = xp.permute_dims(xp.reshape(h, (SIZE, 2, 4)), (1, 0, 2))[0, ...]
    h = xp.mean(h) + xp.std(h) + xp.sum(xp.max(h, axis=0)) + xp.clip(h, 0.0, 1.0)
    return xp.sum(h)

def work():
    for _ in range(2):
        ag.value_and_grad(model, (0, 1))(w, x)
        ag.jvp(model, (w, x), (w, x))
        ag.grad(lambda w: xp.sum(ag.grad(model)(w, x) ** 2))(w)
        ag.grad(lambda w: (model(w, x), (w, 1.0)), has_aux=True)(w)
        t = ag.Tensor(w)
        (2.0 * t - t * x[:4, :1].T[:, :1] + 1.0).backward()

work()  # the first call of everything
profile = cProfile.Profile()
profile.runcall(work)
profile.dump_stats({out!r})
"""

FORWARD = [
    "tanh", "matmul", "add", "maximum", "divide", "exp", "negative", "subtract",
    "sqrt", "multiply", "concat", "sin", "take", "where", "reshape", "permute_dims",
    "basic_index", "mean", "std", "sum", "max", "clip",
]  # fmt: skip
RULES = [
    "tanh_x", "matmul_x1", "matmul_x2", "maximum_x1", "divide_x1", "divide_x2", "exp_x",
    "negative_x", "subtract_x2", "sqrt_x", "multiply_x1", "multiply_x2",
    "concat_transpose", "sin_x", "take_transpose", "where_x1", "where_x2", "as_before",
    "permute_dims_transpose", "basic_index_transpose", "mean_transpose", "std_vjp",
    "std_jvp", "sum_transpose", "extreme_vjp", "extreme_jvp",
]  # fmt: skip


def profiled(folder, backend="numpy", size=6):
    out = folder / "stats"
    run_python(MODEL.format(backend=backend, size=size, out=str(out)))
    return pstats.Stats(str(out)).stats


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return profiled(tmp_path_factory.mktemp("profile"))


def file_of(name):
    """Return where an operation or rule is written, by reading the sources."""
    return {
        str(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == name
    }


def test_every_operation_and_rule_has_a_row_of_its_own(rows):
    files = {}
    for file, _, name in rows:
        files.setdefault(name, set()).add(file)
    for name in FORWARD + RULES:
        assert name in files, f"{name} has no row"
        assert files[name] & file_of(name), f"{name} is shown in {files[name]}"


def test_a_row_points_to_the_lines_of_the_declaration(rows):
    for name in FORWARD:
        function = operation.registry[name].function
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
        own = [
            line
            for file, line, row in rows
            if row == name and file == inspect.getsourcefile(inspect.unwrap(function))
        ]
        assert own
        for line in own:
            assert first - 1 <= line <= first + len(lines), (name, own, first)


def anonymous(rows):
    """Return the rows without a name or a file, ours and generated ones."""
    rooms = tuple(str(ROOT / room) for room in OURS)
    ours = [row for row in rows if row[0].startswith(rooms)]
    assert len(ours) > 50
    unnamed = [row for row in ours if row[2] == "<lambda>"]
    nowhere = [row for row in rows if row[0].startswith("<string") or not row[0]]
    program = ("<module>", "model", "work", "<lambda>")  # run with python -c
    return unnamed + [row for row in nowhere if row[2] not in program]


def test_no_row_is_anonymous(rows):
    assert anonymous(rows) == []


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_no_row_is_anonymous_where_memory_is_watched(tmp_path, backend):
    """Large captured arrays take other ways than small ones."""
    pytest.importorskip(backend, exc_type=ImportError)
    assert anonymous(profiled(tmp_path, backend, 4000)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_lambda_is_written(path):
    """A lambda would be a row that says nothing; in a docstring it harms nobody."""
    lambdas = [
        f"{path}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Lambda)
    ]
    assert lambdas == []


@pytest.mark.parametrize("name", sorted(operation.registry))
def test_an_operation_says_what_it_is(name):
    declared = operation.registry[name]
    function = declared.function
    last = name.rpartition(".")[2]
    assert function.__name__ == last
    assert function.__qualname__.rpartition(".")[2] == last
    assert function.__doc__
    assert function.__code__.co_name == last
    assert not function.__code__.co_filename.startswith("<")
    assert pathlib.Path(function.__code__.co_filename).exists()
    assert function.__code__.co_filename == inspect.getsourcefile(
        inspect.unwrap(function)
    )
    for rule in (*declared.jvp, *declared.vjp):
        if rule is not None:
            code = rule.function.__code__
            assert not code.co_name.startswith("<")
            assert pathlib.Path(code.co_filename).exists()


def test_operations_keep_their_signatures():
    assert str(inspect.signature(ag.ops.sin)).startswith("(x")
    assert list(inspect.signature(ag.ops.sum).parameters) == [
        "x",
        "axis",
        "dtype",
        "keepdims",
    ]
    with pytest.raises(TypeError, match=r"sum\(\)"):
        ag.ops.sum(ag.Tensor([1.0]), axes=0)


def test_tracebacks_show_the_operation_and_the_users_line():
    import traceback

    try:
        ag.ops.reshape(ag.Tensor([1.0, 2.0]), (7,))
    except ValueError as error:
        frames = traceback.extract_tb(error.__traceback__)
    names = [frame.name for frame in frames]
    assert "reshape" in names
    assert frames[0].filename == __file__
    at = frames[names.index("reshape")]
    assert at.filename.endswith("manipulation_functions.py")
    assert at.line, "the line of the declaration is shown"
