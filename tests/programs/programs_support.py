"""What the tests of programs share."""

from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy


def flat(tree: Any) -> list[Any]:
    return ag.pytree.flatten(tree)[0]


def assert_same_bits(got: Any, expected: Any) -> None:
    """Assert that two pytrees of arrays are equal to the bit, shape and dtype too."""
    assert ag.pytree.flatten(got)[1] == ag.pytree.flatten(expected)[1]
    for x, y in zip(flat(got), flat(expected), strict=True):
        x, y = to_numpy(x), to_numpy(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        np.testing.assert_array_equal(x, y)
        same = (np.signbit(a) == np.signbit(b) for a, b in parts(x, y))
        assert all(map(np.all, same)), "the sign of a zero"


def parts(x: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    if x.dtype.kind == "c":
        return [(x.real, y.real), (x.imag, y.imag)]
    return [(x, y)] if x.dtype.kind == "f" else []


def specs(*arrays: Any) -> list[Any]:
    return [ag.spec(tuple(x.shape), x.dtype) for x in arrays]
