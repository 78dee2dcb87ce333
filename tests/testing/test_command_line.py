"""``python -m autograd_core``: what is found, what is said, and the exit status."""

import os
import subprocess
import sys

import numpy as np
import pytest
from core_support import ROOMS

import autograd_core as ag
from autograd_core import backend
from autograd_core.operation import registry
from autograd_core.testing import arguments, backends, command
from autograd_core.testing.scenario import scenarios

MODEL = '''
import numpy as np

import autograd_core as ag
from autograd_core.declare import elementwise

xp = ag.ops
LIMIT = 3


def loss(w, x, y):
    print("noise")
    return xp.mean((x @ w - y) ** 2)


def matrices(x):
    if x.ndim != 2:
        raise ValueError("two axes, please")
    return x.T @ x


def defaults(x, scale=2.0, kind="sum", n=2, flat=False, *, power=3.0, bias=None):
    assert (kind, n, flat, bias) == ("sum", 2, False, None)
    assert type(n) is int
    return scale * xp.sum(x**n) * power


def wanting_namespace(xp, x):
    return xp.tanh(x)


def of_example(x, n, scale=1.0):
    assert (x.shape, n) == ((2,), 3)
    return scale * x**n


of_example.example = (np.asarray([1.0, 2.0], dtype=np.float32), 3)


def logarithm(x):
    return xp.log(x)


def far(x):
    assert bool(xp.all(x < -5.0)) and bool(xp.all(x > -10.0))
    return xp.sin(x)


def refusing(x, y):
    raise RuntimeError(f"no such thing as {x.shape}")


def number_of_a_vector(x):
    return xp.sin(x) if x.ndim == 2 else 3


def square(x):
    """A function of one's own with the name of an operation."""
    return xp.sum(x * x)


def of_nothing():
    return xp.ones(3)


def of_integers(n=2):
    return xp.ones(3) * n


def number(x):
    return float(xp.sum(x))


def whole(x):
    return xp.astype(x, xp.int64)


def leaving(x):
    return xp.asarray(np.asarray(x) ** 2)


def rough(x):
    noise = ag.stop_gradient((xp.sin(x * 1e7) * 1e4) % 1.0)
    return 5.0 * x - ag.stop_gradient(4.0 * x) + 1e-3 * noise


def numpy_only(x):
    if "strict" in type(x).__module__:
        raise TypeError("numpy, please")
    return xp.sin(x)


class Layer:
    @staticmethod
    def apply(x):
        return xp.exp(x)


def wrong_x(xp, t, x):
    return t * xp.cos(x) * (1 + 1e-6)


def wrong_forward(xp, x):
    return xp.sin(x)


@elementwise(x=wrong_x, implementation=wrong_forward)
def planted(x, /):
    """Sine with a wrong derivative."""


def fine_x(xp, t, x):
    return t * xp.cos(x)


@elementwise(x=fine_x, implementation=wrong_forward)
def correct(x, /):
    """Sine again."""


def using_planted(x, y):
    return xp.sum(planted(x) * y)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a file to check, and forget what it brought."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("AUTOGRAD_BACKEND", raising=False)
    modules = set(sys.modules)
    operations, forms = dict(registry), dict(backend.implementations)
    (tmp_path / "model.py").write_text(MODEL)
    yield tmp_path
    for table, before in ((registry, operations), (backend.implementations, forms)):
        table.clear()
        table.update(before)
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def run(folder, capsys):
    """Run the command line in this process: status, stdout, stderr."""

    def run(*words):
        status = command.main(list(words))
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def right(run):
    """Run a check that succeeds, and return what it says."""

    def right(function, *options):
        status, out, err = run("check", f"model.py::{function}", *options)
        assert (status, err) == (0, "")
        assert out.startswith(f"model.py::{function}\n")
        return out

    return right


@pytest.fixture
def refused(run):
    """Run a command that cannot be carried out, and return why."""

    def refused(*words):
        status, out, err = run(*words)
        assert status == 2
        assert "right" not in out
        assert err.count("\n") == 1
        return err

    return refused


# ------------------------------------------------------------------ right and wrong


def test_a_right_function_is_right_on_each_library(right):
    pytest.importorskip("array_api_strict")
    out = right("loss", "--backend", "numpy,array-api-strict")
    for row in ag.backends():
        assert (f"\n{row.name} {row.version}\n" in out) == (
            row.name in ("numpy", "array-api-strict")
        )
    assert out.count("loss: the derivative is right") == 2
    assert out.endswith("\nright on numpy, array-api-strict\n")
    assert "noise" not in out


def test_a_wrong_derivative_is_named(run):
    status, out, _ = run("check", "model.py::using_planted")
    assert status == 1
    assert "the derivative of using_planted is wrong" in out
    assert "with respect to x" in out
    assert "smallest failing input" in out
    assert out.endswith("\nNOT right on numpy\n")


def test_a_declared_operation_is_certified(run):
    status, out, _ = run("check", "model.py::planted")
    assert status == 1
    assert "model.py::planted: a declared operation, certified by its samples" in out
    assert "operation planted on numpy" in out
    assert "FAILED" in out
    status, out, _ = run("check", "model.py::correct")
    assert status == 0
    assert "operation correct on numpy" in out
    assert "FAILED" not in out


def test_what_an_operation_has_no_use_for_is_refused(refused):
    options = ("--samples", "2", "--shapes", "x=3")
    message = refused("check", "model.py::planted", *options)
    assert "Leave --shapes and --samples out" in message


def test_what_is_no_declared_operation_is_a_function(right, run):
    assert "square: the derivative is right" in right("square")


def test_what_is_composed_of_operations_is_one_too(run):
    status, out, _ = run("check", f"{ag.ops.diff.__module__}::diff")
    assert status == 0
    assert "diff: a declared operation, certified by its samples" in out


def test_what_leaves_the_computation_is_not_right(run):
    status, out, _ = run("check", "model.py::leaving")
    assert status == 1
    assert "leaving raises TypeError: " in out
    assert "stop_gradient" in out


def test_what_cannot_be_judged_is_not_right(run):
    status, out, _ = run("check", "model.py::rough")
    assert status == 1
    assert "cannot be judged here" in out
    assert "NOT right on numpy" in out


def test_a_library_on_which_a_function_fails_does_not_stop_the_others(run):
    pytest.importorskip("array_api_strict")
    names = "array-api-strict,numpy"
    status, out, _ = run("check", "model.py::numpy_only", "--backend", names)
    assert status == 1
    assert "numpy_only raises TypeError: numpy, please (at " in out
    assert "model.py:" in out
    assert out.endswith("\nright on numpy; NOT right on array-api-strict\n")


# ------------------------------------------------------------------ arguments


def test_shapes_are_found_by_trying_and_said(right):
    assert "  x = float64[2,3]: drawn, shape found by trying\n" in right("matrices")
    assert "  x = float64[2,3]: drawn" in right("number_of_a_vector")
    out = right("loss")
    for name in "wxy":
        assert f"  {name} = float64[3]: drawn, shape found by trying\n" in out


def test_shapes_that_are_given_lead_the_search(right):
    out = right("loss", "--shapes", "w=5 x=50,5")
    assert "  w = float64[5]: drawn, --shapes\n" in out
    assert "  x = float64[50,5]: drawn, --shapes\n" in out
    assert "  y = float64[50]: drawn, shape found by trying\n" in out


def test_defaults_are_used(right):
    out = right("defaults")
    assert "  scale = 2.0: its default\n" in out
    assert "  power = 3.0: its default\n" in out
    for text in ("kind = 'sum'", "n = 2", "flat = False", "bias = None"):
        assert f"  {text}: its default, held constant\n" in out
    out = right("defaults", "--shapes", "power=()")
    assert "  power = float64[]: drawn, --shapes\n" in out


def test_a_default_that_is_a_float_is_differentiated(run, folder):
    text = MODEL + "\n\ndef sized(x, scale=2.0):\n    return planted(scale) * x\n"
    (folder / "model.py").write_text(text)
    status, out, _ = run("check", "model.py::sized")
    assert status == 1
    assert "with respect to scale" in out


def test_an_example_is_the_arguments(right, refused):
    out = right("of_example", "--samples", "5")
    assert "  x = float32[2]: of_example.example\n" in out
    assert "  n = 3: of_example.example, held constant\n" in out
    assert "scale" not in out
    assert "points" not in out
    out = right("of_example", "--dtype", "float64")
    assert "  x = float32[2], as float64: of_example.example\n" in out
    message = refused("check", "model.py::of_example", "--shapes", "x=3")
    assert "of_example.example gives the arguments" in message


def test_the_namespace_is_given(right):
    out = right("wanting_namespace")
    assert "  xp = autograd_core.ops\n  x = float64[3]" in out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_that_asked_for(folder, dtype):
    call = arguments.find(command.loaded("model.py::defaults"))
    values = call.values(dtype)
    assert [str(x.dtype) for x in values if hasattr(x, "dtype")] == [dtype] * 3


def test_the_domain_is_kept_to(right, refused):
    message = refused("check", "model.py::logarithm")
    assert 'Say where it is defined: --domain "x=0,inf"' in message
    for domain in ("--domain=x=0,inf", "--domain=0,inf"):
        assert "  x = float64[3] in (0, inf): drawn" in right("logarithm", domain)
    right("far", "--domain", "x=-10,-5", "--samples", "3")
    message = refused("check", "model.py::defaults", "--domain", "scale=0,1")
    assert '--shapes "scale=..."' in message


def test_samples_are_different_points(right, folder):
    out = right("matrices", "--samples", "3", "--seed", "7")
    assert "  at 3 points, seeds 7 to 9\n" in out
    call = arguments.find(command.loaded("model.py::matrices"))
    first, second = (call.values(seed=seed)[0] for seed in (7, 8))
    assert not np.any(first == second)
    assert np.array_equal(first, call.values(seed=7)[0])


def test_a_failing_sample_has_its_seed(run, folder):
    text = MODEL.replace("(1 + 1e-6)", "xp.where(x > 1.0, 1.1 + 0 * x, 1 + 0 * x)")
    (folder / "model.py").write_text(text)
    options = ("--samples", "20", "--shapes", "x=1 y=1")
    status, out, _ = run("check", "model.py::using_planted", *options)
    assert status == 1
    first = out.partition("\n  seed ")[2].partition(":")[0]
    assert first.isdecimal()
    assert int(first) > 0


def test_options_reach_the_check(run, monkeypatch):
    seen = []

    def check_grads(function, *values, **keywords):
        seen.append(keywords)
        return ag.testing.Report("it")

    monkeypatch.setattr(command.testing, "check_grads", check_grads)
    options = ("--order", "3", "--modes", "reverse", "--seed", "4")
    assert run("check", "model.py::matrices", *options)[0] == 0
    assert seen == [{"order": 3, "modes": ("reverse",), "seed": 4}]


def test_parts_of_a_class_can_be_named(right):
    right("Layer.apply")
    right("Layer::apply")


def test_a_module_is_found_by_its_name(run, folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "package").mkdir()
    (folder / "package/__init__.py").write_text("from .inner import cube\n")
    (folder / "package/inner.py").write_text("def cube(x):\n    return x**3\n")
    assert run("check", "package.inner::cube")[0] == 0
    assert run("check", "package::cube")[0] == 0


def test_the_folder_of_the_file_is_on_the_path(run, folder):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "powers.py").write_text("def cube(x):\n    return x**3\n")
    (inner / "uses.py").write_text("from powers import cube\n")
    assert run("check", "inner/uses.py::cube")[0] == 0


def test_a_file_called_like_a_module_does_not_replace_it(run, folder):
    (folder / "numpy.py").write_text("def cube(x):\n    return x**3\n")
    assert run("check", "numpy.py::cube")[0] == 0
    assert sys.modules["numpy"] is np


# ------------------------------------------------------------------ what cannot be done


def test_a_missing_file(refused):
    message = refused("check", "nothing.py::f")
    assert "nothing.py does not exist. Give path/to/file.py::function" in message
    assert "is not a Python file" in refused("check", "./::f")
    assert "nothing_at_all" in refused("check", "nothing_at_all::f")


@pytest.mark.parametrize("name", ["::nothing", "", "::", "::Layer.nothing", "::LIMIT"])
def test_a_missing_function_lists_those_of_the_file(refused, name):
    message = refused("check", f"model.py{name}")
    assert "It has loss, matrices, defaults, " in message
    assert "elementwise" not in message


def test_a_syntax_error_has_its_line(refused, folder):
    (folder / "broken.py").write_text("x = 1\ndef f(x:\n")
    message = refused("check", "broken.py::f")
    assert "broken.py:2: SyntaxError" in message


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "x = 1\n1 / 0",
            "cannot be imported: ZeroDivisionError: division by zero (at ",
        ),
        ("import nothing_at_all", "cannot be imported: ModuleNotFoundError"),
        ("from . import inner", "give package.module::function"),
        ("raise SystemExit", 'under if __name__ == "__main__"'),
    ],
)
def test_a_file_that_raises(refused, folder, text, rule):
    (folder / "raising.py").write_text(text)
    message = refused("check", "raising.py::f")
    assert "raising.py" in message
    assert rule in message


def test_a_function_that_always_raises_shows_what(refused):
    message = refused("check", "model.py::refusing")
    assert "refusing raises for each of 100 combinations of shapes tried" in message
    assert "with [3] for all: RuntimeError: no such thing as (3,) (at " in message
    assert '--shapes "x=3 y=3"' in message
    message = refused("check", "model.py::refusing", "--shapes", "x=3 y=2")
    assert (
        "refusing cannot be called with x = float64[3]: drawn, --shapes; y" in message
    )
    assert "RuntimeError: no such thing" in message


def test_the_search_ends(refused, monkeypatch):
    monkeypatch.setattr(arguments, "ATTEMPTS", 7)
    assert "each of 7 combinations" in refused("check", "model.py::refusing")
    monkeypatch.setattr(arguments, "SECONDS", 0.0)
    assert "each of 1 combinations" in refused("check", "model.py::refusing")


@pytest.mark.parametrize(
    ("function", "rule"),
    [
        ("of_nothing", "has no argument that is an array of floats"),
        ("of_integers", "has no argument that is an array of floats"),
        ("number", "returns no array of floats, but float"),
        ("whole", "returns no array of floats, but int64[3]"),
    ],
)
def test_what_is_no_function_of_floats(refused, function, rule):
    assert rule in refused("check", f"model.py::{function}")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--shapes", "z=3"), "--shapes: loss has no parameter 'z'; it has w, x, y"),
        (("--domain", "z=0,1"), "--domain: loss has no parameter 'z'"),
        (("--backend", "nunpy"), "--backend: no backend is called 'nunpy'"),
        (("--backend", ""), "--backend: names no backend"),
    ],
)
def test_an_option_that_does_not_fit(refused, options, rule):
    assert rule in refused("check", "model.py::loss", *options)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--shapes", "w"), "'w' is not a shape"),
        (("--shapes", "w=3,a"), "'w=3,a' is not a shape"),
        (("--shapes", "w=-3"), "'w=-3' is not a shape"),
        (("--domain", "x=3"), "'x=3' is not an interval"),
        (("--domain", "x=1,0"), "'x=1,0' is not an interval"),
        (("--domain", "x=nan,0"), "'x=nan,0' is not an interval"),
        (("--modes", "backward"), "'backward' is not forward, reverse or both"),
        (("--order", "0"), "'0' is no whole number from 1 upwards"),
        (("--seed", "-1"), "'-1' is no whole number from 0 upwards"),
        (("--samples", "many"), "'many' is no whole number"),
        (("--dtype", "int8"), "invalid choice: 'int8'"),
        (("--sha", "w=3"), "unrecognized arguments"),
    ],
)
def test_an_option_that_cannot_be_read(folder, capsys, options, rule):
    with pytest.raises(SystemExit) as stop:
        command.main(["check", "model.py::loss", *options])
    assert stop.value.code == 2
    assert rule in capsys.readouterr().err


def test_a_library_that_is_missing(run, refused, monkeypatch):
    class Absent(backend.Backend):
        name, packages, requirement = "absent", ("absent",), "absent>=2"

        def load(self):
            raise ImportError("No module named 'absent'")

    monkeypatch.setattr(backend, "known", {"absent": Absent, **backend.known})
    message = refused("check", "model.py::loss", "--backend", "numpy,absent")
    assert "--backend: absent is not installed" in message
    for name in set(backend.known) - {"numpy", "absent"}:
        monkeypatch.delitem(backend.known, name)
    status, out, _ = run("check", "model.py::matrices", "--backend", "all")
    assert status == 0
    assert "skipped: absent is not installed: No module named 'absent'" in out
    assert out.endswith("\nright on numpy\n")


def test_the_library_of_the_environment_is_the_default(run, refused, monkeypatch):
    pytest.importorskip("array_api_strict")
    monkeypatch.setenv("AUTOGRAD_BACKEND", "array-api-strict")
    assert run("check", "model.py::matrices")[1].endswith("on array-api-strict\n")
    monkeypatch.setenv("AUTOGRAD_BACKEND", "nunpy")
    assert "AUTOGRAD_BACKEND: no backend" in refused("check", "model.py::matrices")


# ------------------------------------------------------------------ other commands


def test_operations_are_certified_by_name_or_place(run, refused):
    status, out, _ = run("certify", "operation", "cos")
    assert status == 0
    assert "operation cos on numpy" in out
    status, out, _ = run("certify", "operation", "model.py::planted")
    assert status == 1
    assert "FAILED" in out
    message = refused("certify", "operation", "coss")
    assert "no operation with rules is called 'coss'. Did you mean cos" in message
    assert "is no declared" in refused("certify", "operation", "model.py::loss")
    assert "'floor'" in refused("certify", "operation", "floor")


@pytest.fixture
def brief(monkeypatch):
    """Let backends be certified by one scenario; the others have tests of their own."""
    monkeypatch.setattr(backends, "scenarios", {"values": scenarios["values"]})


@pytest.mark.usefixtures("brief")
def test_backends_are_certified_by_name(run, refused):
    status, out, _ = run("certify", "backend", "numpy")
    assert status == 0
    assert "backend numpy" in out
    assert "FAILED" not in out
    assert "'nunpy'" in refused("certify", "backend", "nunpy")
    message = refused("certify", "backend", "numpy", "--backend", "numpy")
    assert "--backend is for operations" in message


@pytest.mark.usefixtures("brief")
def test_a_lying_backend_is_not_certified(run, monkeypatch):
    numpy = backend.backend("numpy")
    monkeypatch.setitem(vars(numpy), "sin", lambda x: np.sin(x) * (1 + 1e-6))
    status, out, _ = run("certify", "backend", "numpy")
    assert status == 1
    assert "FAILED" in out
    assert "sin(float64" in out


def test_the_table_of_backends(run):
    status, out, _ = run("backends")
    assert status == 0
    assert out == f"{ag.backends()}\n"


# ------------------------------------------------------------------ from the shell


def shell(folder, *words):
    rooms = [*map(str, ROOMS), *sys.path]
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "autograd_core", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, rooms))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("function", "status"), [("loss", 0), ("using_planted", 1), ("nothing", 2)]
)
def test_exit_statuses(folder, function, status):
    done = shell(folder, "check", f"model.py::{function}")
    assert done.returncode == status, done.stderr
    assert bool(done.stderr) == (status == 2)


def test_without_a_command_there_is_help(folder):
    assert "usage: python -m autograd_core" in shell(folder).stderr
    helped = shell(folder, "check", "--help")
    assert helped.returncode == 0
    for option in ("backend", "order", "modes", "shapes", "domain", "dtype", "seed"):
        assert f"--{option} " in helped.stdout
    assert "--samples " in helped.stdout
