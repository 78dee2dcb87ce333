"""The commands behind two pages of the documentation, and that the pages are theirs."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from core_support import ROOT

import autograd_core as ag
from autograd_core.declare import elementwise, sample
from autograd_core.operation import registry

xp = ag.ops


def command(name):
    """Import a script of the documentation."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(page, part):
    """Return the rows of the last table in a generated part of a page."""
    text = (ROOT / "docs" / page).read_text()
    found = re.search(f"<!-- generated: {part} -->(.*?)<!-- end -->", text, re.DOTALL)
    lines = [line for line in found[1].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


# ------------------------------------------------------------------ support


@pytest.fixture
def support():
    return command("check_support")


def test_the_matrix_has_a_row_for_every_operation(support):
    written = rows("support_matrix.md", "support")
    assert set(support.checked()) <= set(written)


def test_every_operation_of_the_matrix_is_right_on_numpy():
    written = rows("support_matrix.md", "support")
    libraries = written["function"]
    at = libraries.index("numpy")
    for name, cells in written.items():
        if name in registry and any(registry[name].jvp):
            assert {"F", "R"} <= set(cells[at].split()), name


def test_a_cell_is_what_the_checks_find(support):
    assert support.cell(registry["sin"]) == "F R Fc Rc"
    assert support.cell(registry["maximum"]) == "F R"
    assert support.cell(registry["floor"]) == "0"


@pytest.fixture
def faulty():
    def right(xp, t, x):
        return 2 * t

    def wrong(xp, t, x):
        return 2.001 * t

    def forward(xp, x):
        return 2 * x

    @elementwise(x=(right, wrong), implementation=forward, samples=(sample((3,)),))
    def faulty_twice(x, /):
        """Double, with a fault in reverse mode."""

    yield registry["faulty_twice"]
    del registry["faulty_twice"]


def test_a_fault_is_not_in_the_matrix(support, faulty, capsys):
    assert support.cell(faulty) == "F Fc"
    assert "faulty_twice" in capsys.readouterr().err


# ------------------------------------------------------------------ consumers


@pytest.fixture
def consumers():
    return command("check_consumers")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: xp.sin(x), "right"),
        (lambda x: xp.sin(x) + ag.stop_gradient(1e-3 * x), "WRONG"),
        (lambda x: xp.sin(x) * np.nan, "cannot be judged"),
        (lambda x: 1 / 0, "the library refuses NumPy arrays: ZeroDivisionError: "),
        (lambda x: xp.sum(np.asarray(x)), "TypeError: numpy.asarray: a tracked array"),
    ],
    ids=["right", "wrong", "nan", "refused", "lost"],
)
def test_verdicts(consumers, function, expected):
    assert consumers.verdict(function, [np.asarray([0.5, 1.0])]).startswith(expected)


CHEAP = (
    "scipy.spatial.transform",
    "scipy.optimize",
    "array_api_extra",
    "einops.array_api",
)


def test_what_the_page_calls_right_is_right():
    """Of the modules that are installed, those that are checked in seconds."""
    installed = [name for name in CHEAP if importlib.util.find_spec(name.split(".")[0])]
    if not installed:
        pytest.skip("none of the libraries is installed")
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run(
        [sys.executable, ROOT / "docs/check_consumers.py", *installed],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=ROOT,
    )
    written = rows("array_api_consumers.md", "consumers")
    right = {call for call, cells in written.items() if cells == ["right"]}
    printed = run.stdout.splitlines()
    for line in printed[printed.index("| call | derivative |") + 2 :]:
        call, verdict = line.strip("| ").rsplit(" | ", 1)
        assert verdict == "right" or call.strip("`") not in right, line
    assert right
