"""``python -m autograd_core emit``: modules that run where autograd-core is not."""

import ast
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from core_support import ROOMS

import autograd_core as ag
from autograd_core.programs import command as emit
from autograd_core.testing import command as checks

MODEL = """
import numpy as np

import autograd_core as ag

xp = ag.ops
BASIS = np.linspace(0.0, 1.0, 60).reshape(3, 20)


def loss(w, x, y, scale=2.0):
    h = xp.tanh(x @ w)
    residual = h - y
    return scale * xp.sum(residual**2)


def wanting_namespace(xp, x, *, power=2.0, shift):
    return xp.sum((x - shift) ** power)


def with_control_flow(x):
    y = xp.sum(x)
    if y > 1:
        y = y * 2.0
    return y


with_control_flow.example = (np.asarray([1.0, 2.0]),)


def holding(x):
    return xp.sum((x @ BASIS) ** 2)


def nothing():
    return xp.ones(3)


def failing(x):
    raise RuntimeError("out of cheese")
"""

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("autograd"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import written
given = np.load("given.npz")
keywords = {}
if len(sys.argv) > 2:
    keywords["constants"] = np.load("written.npz")
y = getattr(written, sys.argv[1])(*[given[k] for k in sorted(given)], xp=np, **keywords)
flat = [p for q in (y if isinstance(y, tuple) else (y,)) for p in
        (q if isinstance(q, tuple) else (q,))]
np.savez("results.npz", **{f"y{k}": p for k, p in enumerate(flat)})
assert not [m for m in sys.modules if m.startswith("autograd")]
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "blocked.py").write_text(BLOCKED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if "model" in name:
            del sys.modules[name]


def run(*words):
    return emit.main(["emit", *words])


def loaded(model):
    return emit.loaded("model.py::loss").__globals__


def without_us(name, *arrays, constants=False):
    """Return what a written module computes where autograd-core is not installed."""
    np.savez("given.npz", **{f"x{k}": x for k, x in enumerate(arrays)})
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    words = [sys.executable, "blocked.py", name, *(["constants"] if constants else [])]
    subprocess.run(words, check=True, env=environment, timeout=120)
    with np.load("results.npz") as found:
        return [found[k] for k in sorted(found)]


def drawn(*shapes):
    draw = np.random.default_rng(0)
    return [draw.standard_normal(shape) for shape in shapes]


def assert_same_bits(got, expected):
    expected = ag.pytree.flatten(expected)[0]
    assert len(got) == len(expected)
    for x, y in zip(got, expected, strict=True):
        y = np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert x.tobytes() == y.tobytes()


def test_a_gradient_runs_without_us_with_the_same_bits(model):
    spec = "w=float64[3,2] x=float64[5,3] y=float64[5,2]"
    assert (
        run("model.py::loss", "--grad", "--spec", spec, "--output", "written.py") == 0
    )
    assert not (model / "written.npz").exists()
    arrays = drawn((3, 2), (5, 3), (5, 2))
    loss = loaded(model)["loss"]
    assert_same_bits(without_us("loss_gradient", *arrays), ag.grad(loss)(*arrays))


def test_values_and_gradients_of_several_arguments(model):
    words = ["--value-and-grad", "--argnums", "0,2", "--name", "step"]
    specs = ["--spec", "w=float64[3,2] x=float64[5,3]", "--spec", "y=float64[5,2]"]
    assert run("model.py::loss", *words, *specs, "--output", "written.py") == 0
    arrays = drawn((3, 2), (5, 3), (5, 2))
    loss = loaded(model)["loss"]
    expected = ag.value_and_grad(loss, (0, 2))(*arrays)
    assert_same_bits(without_us("step", *arrays), expected)


def test_large_arrays_are_written_beside_the_module(model):
    spec = ["--spec", "x=float64[4,3]"]
    assert run("model.py::holding", "--grad", *spec, "--output", "written.py") == 0
    assert "as in written.npz" in (model / "written.py").read_text()
    (x,) = drawn((4, 3))
    expected = ag.grad(loaded(model)["holding"])(x)
    got = without_us("holding_gradient", x, constants=True)
    assert_same_bits(got, expected)


def test_large_arrays_need_a_place(model, capsys):
    assert run("model.py::holding", "--spec", "x=float64[4,3]") == 2
    assert "Give --output" in capsys.readouterr().err


def test_the_source_is_printed(model, capsys):
    spec = "x=float32[3] shift=float32[]"
    assert run("model.py::wanting_namespace", "--spec", spec) == 0
    text = capsys.readouterr().out
    assert "def wanting_namespace(x, shift, *, xp):" in text
    assert "xp.sum((x - shift) ** 2.0)  # model.py:" in text
    ast.parse(text)


def test_examples_decide_the_control_flow(model, capsys):
    assert run("model.py::with_control_flow", "--grad") == 0
    assert 'raise ValueError("recorded for y > 1 being True' in capsys.readouterr().out
    assert run("model.py::with_control_flow", "--spec", "x=float64[2]") == 2
    assert "recorded without data" in capsys.readouterr().err


def test_functions_of_nothing(model, capsys):
    assert run("model.py::nothing") == 0
    assert "def nothing(*, xp):" in capsys.readouterr().out


@pytest.mark.parametrize("level", ["exact", "stable", "fast"])
def test_every_level_is_written(model, capsys, level):
    spec = "w=float64[3,2] x=float64[5,3] y=float64[5,2]"
    assert run("model.py::loss", "--grad", "--spec", spec, "--level", level) == 0
    assert "def loss_gradient" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model.py::los"], "no function 'los'"),
        (["other.py::loss"], "does not exist"),
        (["model.py::loss"], 'Give --spec, as in --spec "w=float64[3]"'),
        (["model.py::loss", "--spec", "w=float64[3]"], "nothing of x, y"),
        (["model.py::loss", "--spec", "v=float64[3]"], "no parameter 'v'"),
        (["model.py::failing", "--spec", "x=float64[3]"], "out of cheese"),
        (["model.py::failing", "--spec", "x=float64[3]", "--argnums", "1"], "--grad"),
        (
            ["model.py::with_control_flow", "--name", "f(): pass\nimport os #"],
            "identifier",
        ),
        (
            ["model.py::with_control_flow", "--target", "abstract"],
            "no source of its own",
        ),
        (["model.py::with_control_flow", "--output", "no/such/folder.py"], "written"),
    ],
    ids=range(10),
)
def test_what_cannot_be_done_is_said(model, capsys, words, said):
    assert run(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--output", "model.py"],
        ["--output", "other/../model.py"],
        ["--output", "linked.py"],
    ],
)
@pytest.mark.parametrize("place", ["model.py", "./model.py", "model"])
def test_the_functions_own_file_is_not_overwritten(model, capsys, place, words):
    (model / "other").mkdir()
    (model / "linked.py").symlink_to(model / "model.py")
    sys.path.insert(0, str(model))
    assert run(f"{place}::with_control_flow", *words) == 2
    assert "holds the source of" in capsys.readouterr().err
    assert (model / "model.py").read_text() == MODEL


def test_nor_is_that_of_a_function_that_a_module_imported(model, capsys):
    (model / "front.py").write_text("from model import with_control_flow as f\n")
    assert run("front.py::f", "--output", "model.py") == 2
    assert (model / "model.py").read_text() == MODEL
    assert run("front.py::f", "--output", "front.py") == 2
    assert run("front.py::f", "--output", "written.py") == 0
    assert run("front.py::f", "--output", "written.py", "--grad") == 0
    assert "def f_gradient" in (model / "written.py").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["model.py::loss", "--spec", "x=float64[2]", "--target", "fortran"],
        ["model.py::with_control_flow", "--target", "fortran"],
        ["model.py::with_control_flow", "--spec", "x=float64[2]"],
        ["model.py::loss", "--spec", "x=float65[2]"],
        ["model.py::loss", "--spec", "__debug__=float64[2]"],
        ["model.py::failing", "--spec", "x=float64[2]"],
        ["nowhere::f"],
    ],
    ids=range(7),
)
def test_errors_name_no_line_but_the_users(model, words):
    paths = os.pathsep.join(map(str, ROOMS))
    done = subprocess.run(
        [sys.executable, "-m", "autograd_core", "emit", *words],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    places = re.findall(r"\(at (.*?):", done.stderr)
    assert {os.path.basename(place) for place in places} <= {"model.py"}


def test_small_arrays_stand_in_the_source_for_numpy(model, capsys):
    words = ["--grad", "--target", "numpy", "--spec"]
    assert run("model.py::with_control_flow", "--grad", "--target", "numpy") == 0
    assert "The program holds" not in capsys.readouterr().out
    assert run("model.py::holding", *words, "x=float64[4,3]") == 2
    assert "Give --output" in capsys.readouterr().err
    words += ["x=float64[4,3]", "--output", "written.py"]
    assert run("model.py::holding", *words) == 0
    text = " ".join((model / "written.py").read_text().split())
    assert "as in written.npz." in text


@pytest.mark.parametrize(
    "words",
    [
        ["--output", ""],
        ["--output", "."],
        ["--output", "written.npz"],
        ["--spec", "x"],
        ["--spec", "x=float64"],
        ["--spec", "x=float65[3]"],
        ["--spec", "x=float64[-3]"],
        ["--argnums", "a"],
        ["--grad", "--value-and-grad"],
        ["--level", "bold"],
    ],
)
def test_options_are_checked(model, capsys, words):
    with pytest.raises(SystemExit) as stopped:
        run("model.py::loss", *words)
    assert stopped.value.code == 2


def test_it_is_listed_among_the_commands(capsys):
    with pytest.raises(SystemExit):
        checks.main(["--help"])
    assert "emit" in capsys.readouterr().out


def test_the_command_does_not_import_the_checks(model):
    program = (
        "import runpy, sys\n"
        "sys.argv = ['autograd_core', 'emit', 'model.py::nothing']\n"
        "try:\n"
        "    runpy.run_module('autograd_core', run_name='__main__')\n"
        "except SystemExit as stopped:\n"
        "    assert stopped.code == 0\n"
        "assert 'autograd_core.testing' not in sys.modules\n"
    )
    paths = os.pathsep.join(map(str, ROOMS))
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "def nothing(*, xp):" in done.stdout
