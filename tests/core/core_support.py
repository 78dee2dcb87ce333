"""Helpers of the tests of the core."""

import os
import pathlib
import re
import subprocess
import sys
from types import FrameType

import numpy as np

import autograd_core as ag

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = (ROOT, ROOT / "ops", ROOT / "backends", ROOT / "train")
OURS = ("autograd_core", "ops/autograd_ops", "backends/autograd_backends")

MODULES = {
    "numpy": "numpy",
    "array-api-strict": "array_api_strict",
    "torch": "torch",
    "jax": "jax",
}
"""The libraries of the test matrix, and the module whose import says it is there."""


def to_numpy(x):
    """Return a raw array of any library as a NumPy array."""
    if isinstance(x, (np.ndarray, np.generic, float)):
        return np.asarray(x)
    return np.array(np.from_dlpack(x))


def assert_equal(x, expected, tolerance=1e-12):
    np.testing.assert_allclose(
        to_numpy(x), np.asarray(expected), rtol=tolerance, atol=tolerance
    )


def differentiate(mode: str, f, x):
    """Differentiate a scalar function: eagerly, in a transform, or in two."""
    if mode == "eager":
        t = ag.Tensor(x)
        f(t).backward()
        return t.grad
    if mode == "jvp":
        return ag.jvp(f, (x,), (x,))[1]
    if mode == "nested":
        return ag.grad(lambda x: ag.ops.sum(ag.grad(f)(x)))(x)
    return ag.grad(f)(x)


def here(offset: int = 0) -> str:
    """Return a pattern for ``file:line`` of the caller's line plus an offset."""
    frame: FrameType = sys._getframe(1)
    return re.escape(f"{frame.f_code.co_filename}:{frame.f_lineno + offset}") + r"\b"


def run_python(
    source: str, *options: str, path: tuple = (), timeout: int = 120, **environment
) -> str:
    """Run a program in a fresh interpreter and return what it printed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (*path, *ROOMS))),
        **environment,
    }
    done = subprocess.run(
        [sys.executable, *options, "-c", source],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout
