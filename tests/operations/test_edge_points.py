"""Points at the edge, with one right answer each: in both modes, to several orders.

Each row says a function of one array, a point, and its derivatives there, written out
by hand: the gradient of the sum of the results, the Hessian, the third derivatives.
They are computed in every sequence of forward and reverse mode, one direction at a
time, so that an infinity or a nan beside them would be seen.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.arrays import from_numpy

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy

xp = ag.ops
inf, nan = math.inf, math.nan
LN2 = math.log(2)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy: 1 / 0


@dataclass(frozen=True)
class Edge:
    """A function at a point, and its derivatives there; None where there are none."""

    name: str
    function: Any
    x: Any
    first: Any
    second: Any = None
    third: Any = None

    def __repr__(self):
        return self.name


def diagonal(*entries, order=2):
    """Return derivatives of an elementwise function: zero off the diagonal."""
    n = len(entries)
    full = np.zeros((n,) * order)
    full[(np.arange(n),) * order] = entries
    return full


def third(*entries):
    return diagonal(*entries, order=3)


def in_any_order(n, *entries):
    """Return a symmetric array from a few of its entries: ``((i, j, k), value)``."""
    full = np.zeros((n,) * len(entries[0][0]))
    for place, value in entries:
        for permuted in itertools.permutations(place):
            full[permuted] = value
    return full


def like(x, *numbers):
    """Return numbers as a constant array beside an array."""
    return from_numpy(np.asarray(numbers, dtype=np.float64))


def flat(*shape):
    return np.zeros(shape)


# ------------------------------------------------------------------ branches not taken


def nested(x):
    inner = xp.where(x > 1, xp.log(x - 1), 1 / x)
    return xp.where(x > 0, inner, xp.sqrt(x))


BRANCHES = [
    Edge(
        "where(x > 0, log(x), 0)",
        lambda x: xp.where(x > 0, xp.log(x), 0.0),
        *([0.0, -1.0, 2.0], [0, 0, 0.5]),
        *(diagonal(0, 0, -0.25), third(0, 0, 0.25)),
    ),
    Edge(
        "where(x > 0, sqrt(x), 0)",
        lambda x: xp.where(x > 0, xp.sqrt(x), 0.0),
        *([0.0, -1.0, 4.0], [0, 0, 0.25]),
        *(diagonal(0, 0, -1 / 32), third(0, 0, 3 / 256)),
    ),
    Edge(
        "where(x == 0, x, 1 / x)",
        lambda x: xp.where(x == 0, x, 1 / x),
        *([0.0, 2.0], [1, -0.25], diagonal(0, 0.25), third(0, -0.375)),
    ),
    Edge(
        "where(x > 0, x log(x), 0)",
        lambda x: xp.where(x > 0, x * xp.log(x), 0.0),
        *([0.0, 1.0], [0, 1], diagonal(0, 1), third(0, -1)),
    ),
    Edge(
        "where(x == 0, 1, sin(x) / x)",
        lambda x: xp.where(x == 0, 1.0, xp.sin(x) / x),
        *([0.0], [0], flat(1, 1), flat(1, 1, 1)),
    ),
    Edge(
        "where(x < 700, exp(x), x)",
        lambda x: xp.where(x < 700, xp.exp(x), x),
        *([1000.0, 0.0], [1, 1], diagonal(0, 1), third(0, 1)),
    ),
    Edge("where in where", nested, [0.5, 2.0], [-4, 1], diagonal(16, -1)),
    Edge(
        "where(x > 0, where(x > 1, log(x - 1), x), 0)",
        lambda x: xp.where(x > 0, xp.where(x > 1, xp.log(x - 1), x), 0.0),
        *([0.0, 1.0, 3.0], [0, 1, 0.5], diagonal(0, 0, -0.25), third(0, 0, 0.25)),
    ),
    Edge(
        "where(x > 0, sqrt(x)**3, 0)",
        lambda x: xp.where(x > 0, xp.sqrt(x) ** 3, 0.0),
        *([0.0, 4.0], [0, 3], diagonal(0, 0.375)),
    ),
    Edge(
        "where(x > 0, sum(log(x)), 0): one scalar, both branches",
        lambda x: xp.where(x[1] > 3, xp.sum(xp.log(x)), xp.sum(x)),
        *([0.0, 2.0], [1, 1], flat(2, 2), flat(2, 2, 2)),
    ),
    Edge(
        "maximum(log(x), 0)",
        lambda x: xp.maximum(xp.log(x), 0.0),
        *([0.0, 0.5, math.e], [0, 0, 1 / math.e], diagonal(0, 0, -math.exp(-2))),
    ),
    Edge(
        "minimum(exp(x), 1)",
        lambda x: xp.minimum(xp.exp(x), 1.0),
        *([1000.0, -1.0], [0, math.exp(-1)]),
        *(diagonal(0, math.exp(-1)), third(0, math.exp(-1))),
    ),
    Edge(
        "clip(1 / x, -1, 1)",
        lambda x: xp.clip(1 / x, -1.0, 1.0),
        *([0.0, 2.0], [0, -0.25], diagonal(0, 0.25), third(0, -0.375)),
    ),
    Edge(
        "clip(log(x), -1, 1)",
        lambda x: xp.clip(xp.log(x), -1.0, 1.0),
        *([0.0, 2.0], [0, 0.5], diagonal(0, -0.25), third(0, 0.25)),
    ),
    Edge(
        "log(x)[x > 0]",
        lambda x: xp.log(x)[lowest_positive(x)],
        *([0.0, 2.0], [0, 0.5], diagonal(0, -0.25), third(0, 0.25)),
    ),
    Edge(
        "take(sqrt(x), 1)",
        lambda x: xp.take(xp.sqrt(x), indices(1), axis=0),
        *([0.0, 4.0], [0, 0.25], diagonal(0, -1 / 32), third(0, 3 / 256)),
    ),
    Edge(
        "max(log(x))",
        lambda x: xp.max(xp.log(x)),
        *([0.0, 2.0], [0, 0.5], diagonal(0, -0.25), third(0, 0.25)),
    ),
    Edge(
        "min(1 / x)",
        lambda x: xp.min(1 / x),
        *([0.0, 2.0], [0, -0.25], diagonal(0, 0.25), third(0, -0.375)),
    ),
    Edge(
        "0 / 0 where it is not asked for",
        lambda x: xp.where(x > 0, x / xp.abs(x), 0.0),
        *([0.0, 2.0], [0, 0], flat(2, 2), flat(2, 2, 2)),
    ),
]


def lowest_positive(x):
    return ag.stop_gradient(x) > 0


def indices(*numbers):
    return xp.asarray(np.asarray(numbers, dtype=np.int64))


# ------------------------------------------------------------------ powers

POWERS = [
    Edge("x**0", lambda x: x**0, [0.0, 2.0], [0, 0], flat(2, 2), flat(2, 2, 2)),
    Edge("x**1", lambda x: x**1, [0.0, 2.0], [1, 1], flat(2, 2), flat(2, 2, 2)),
    Edge("x**2", lambda x: x**2, [0.0, 3.0], [0, 6], diagonal(2, 2), flat(2, 2, 2)),
    Edge("x**3", lambda x: x**3, [0.0], [0], [[0]], [[[6]]]),
    Edge("x**2.0", lambda x: x**2.0, [0.0], [0], [[2]], [[[0]]]),
    Edge("x**0.5", lambda x: x**0.5, [0.0], [inf], [[-inf]], [[[inf]]]),
    Edge("x**1.5", lambda x: x**1.5, [0.0], [0], [[inf]], [[[-inf]]]),
    Edge("x**-1", lambda x: x**-1, [0.0], [-inf], [[inf]], [[[-inf]]]),
    Edge("(-2)**2", lambda x: x**2, [-2.0], [-4], [[2]], [[[0]]]),
    Edge("(-2)**3.0", lambda x: x**3.0, [-2.0], [12], [[-12]], [[[6]]]),
    Edge(
        "x**[0, 1, 2]",
        lambda x: x ** like(x, 0, 1, 2),
        *([0.0, 0.0, 0.0], [0, 1, 0], diagonal(0, 0, 2), flat(3, 3, 3)),
    ),
    Edge(
        "x**[3, 4]",
        lambda x: x ** like(x, 3, 4),
        *([0.0, 0.0], [0, 0], flat(2, 2), third(6, 0)),
    ),
    Edge("0**p", lambda p: 0.0**p, [2.0, 0.5], [0, 0], flat(2, 2), flat(2, 2, 2)),
    Edge("1**p", lambda p: 1.0**p, [0.0, 2.0], [0, 0], flat(2, 2), flat(2, 2, 2)),
    Edge("2**p", lambda p: 2.0**p, [0.0], [LN2], [[LN2**2]], [[[LN2**3]]]),
    Edge(
        "[0, 2]**p",
        lambda p: like(p, 0, 2) ** p,
        *([2.0, 0.0], [0, LN2], diagonal(0, LN2**2), third(0, LN2**3)),
    ),
    Edge("x1**x2 at 0**2", lambda x: x[0] ** x[1], [0.0, 2.0], [0, 0], diagonal(2, 0)),
    Edge("square", xp.square, [0.0], [0], [[2]], [[[0]]]),
    Edge("x * x", lambda x: x * x, [0.0], [0], [[2]], [[[0]]]),
    Edge("sqrt", xp.sqrt, [0.0], [inf], [[-inf]], [[[inf]]]),
    Edge("reciprocal", xp.reciprocal, [0.0], [-inf], [[inf]], [[[-inf]]]),
    Edge("1 / x", lambda x: 1 / x, [0.0], [-inf], [[inf]], [[[-inf]]]),
    Edge("x / 1e300", lambda x: x / 1e300, [0.0], [1e-300], [[0]], [[[0]]]),
]

# ----------------------------------------------------------- kinks and the origin

KINKS = [
    Edge("abs", xp.abs, [0.0, -2.0], [0, -1], flat(2, 2), flat(2, 2, 2)),
    Edge("x abs(x)", lambda x: x * xp.abs(x), [0.0, -2.0], [0, 4], diagonal(0, -2)),
    Edge("abs(x)**3", lambda x: xp.abs(x) ** 3, [0.0], [0], [[0]], [[[0]]]),
    Edge("abs(x)**2", lambda x: xp.abs(x) ** 2, [2.0, -2.0], [4, -4], diagonal(2, 2)),
    Edge("hypot at 0", lambda x: xp.hypot(x[0], x[1]), [0.0, 0.0], [0, 0]),
    Edge("hypot on the axis", lambda x: xp.hypot(x[0], x[1]), [0.0, 2.0], [0, 1],
         diagonal(0.5, 0)),
    Edge("hypot, large", lambda x: xp.hypot(x[0], x[1]), [3e200, 4e200], [0.6, 0.8]),
    Edge("hypot, small", lambda x: xp.hypot(x[0], x[1]), [3e-200, 4e-200], [0.6, 0.8]),
    Edge("atan2(0, 1)", lambda x: xp.atan2(x[0], x[1]), [0.0, 1.0], [1, 0],
         [[0, -1], [-1, 0]]),
    Edge("atan2(0, -1)", lambda x: xp.atan2(x[0], x[1]), [0.0, -1.0], [-1, 0],
         [[0, -1], [-1, 0]]),
    Edge("atan2(1, 0)", lambda x: xp.atan2(x[0], x[1]), [1.0, 0.0], [0, -1],
         [[0, 1], [1, 0]]),
    Edge("atan2(-1, 0)", lambda x: xp.atan2(x[0], x[1]), [-1.0, 0.0], [0, 1],
         [[0, 1], [1, 0]]),
    Edge("atan2, large", lambda x: xp.atan2(x[0], x[1]), [1e200, 1e200],
         [5e-201, -5e-201]),
    Edge("atan2, small", lambda x: xp.atan2(x[0], x[1]), [1e-200, 1e-200],
         [5e199, -5e199]),
    Edge("vector_norm at 0", lambda x: xp.linalg.vector_norm(x), [0.0, 0.0], [0, 0]),
    Edge("vector_norm on an axis", lambda x: xp.linalg.vector_norm(x), [0.0, 2.0],
         [0, 1], diagonal(0.5, 0)),
    Edge("abs by hypot", lambda x: xp.hypot(x, 0 * x), [0.0], [0]),
    Edge("abs by maximum", lambda x: xp.maximum(x, -x), [0.0], [0], [[0]]),
    Edge("x by maximum and minimum", lambda x: xp.maximum(x, 0.0) + xp.minimum(x, 0.0),
         [0.0], [1], [[0]]),
    Edge("copysign(x, 1) at 0", lambda x: xp.copysign(x, 1.0), [0.0], [1], [[0]]),
    Edge("copysign(x, -1) at 0", lambda x: xp.copysign(x, -1.0), [0.0], [-1], [[0]]),
    Edge("sign", xp.sign, [0.0, 1.0], [0, 0]),
    Edge("floor", xp.floor, [0.0, 1.0], [0, 0]),
    Edge("remainder by infinity", lambda x: x % inf, [1.0], [1], [[0]]),
    Edge("remainder, between", lambda x: x[0] % x[1], [7.5, 2.0], [1, -3], flat(2, 2)),
    Edge("tie of maximum", lambda x: xp.maximum(x[0], x[1]), [1.0, 1.0], [0.5, 0.5],
         flat(2, 2)),
    Edge("tie of max", xp.max, [1.0, 3.0, 3.0], [0, 0.5, 0.5], flat(3, 3)),
    Edge("tie of min", xp.min, [3.0, 1.0, 1.0, 1.0], [0, 1 / 3, 1 / 3, 1 / 3]),
    Edge("tie of clip", lambda x: xp.clip(x, 0.0, 1.0), [0.0, 1.0], [0.5, 0.5]),
    Edge("tie of infinities", xp.max, [inf, inf], [0.5, 0.5], flat(2, 2)),
    Edge("tie of sort", lambda x: xp.sort(x) * like(x, 1, 2, 4), [3.0, 1.0, 3.0],
         [2, 1, 4], flat(3, 3)),
    Edge("std of a constant", xp.std, [2.0, 2.0], [0, 0]),
    Edge("std of one", xp.std, [2.0], [0]),
    Edge("var of a constant", xp.var, [2.0, 2.0], [0, 0], [[0.5, -0.5], [-0.5, 0.5]],
         flat(2, 2, 2)),
    Edge("var of one", xp.var, [2.0], [0], [[0]], [[[0]]]),
]  # fmt: skip

# ------------------------------------------------------------------ products at zeros

PRODUCTS = [
    Edge(
        "prod with a zero",
        xp.prod,
        *([0.0, 2.0, 3.0], [6, 0, 0], [[0, 3, 2], [3, 0, 0], [2, 0, 0]]),
        in_any_order(3, ((0, 1, 2), 1)),
    ),
    Edge(
        "prod with two zeros",
        xp.prod,
        *([0.0, 0.0, 3.0], [0, 0, 0], [[0, 3, 0], [3, 0, 0], [0, 0, 0]]),
        in_any_order(3, ((0, 1, 2), 1)),
    ),
    Edge(
        "prod of zeros",
        xp.prod,
        *([0.0, 0.0, 0.0], [0, 0, 0], flat(3, 3), in_any_order(3, ((0, 1, 2), 1))),
    ),
    Edge(
        "cumulative_prod with a zero",
        lambda x: xp.cumulative_prod(x),
        *([0.0, 2.0, 3.0], [9, 0, 0], [[0, 4, 2], [4, 0, 0], [2, 0, 0]]),
        in_any_order(3, ((0, 1, 2), 1)),
    ),
    Edge(
        "cumulative_prod with two zeros",
        lambda x: xp.cumulative_prod(x),
        *([2.0, 0.0, 0.0], [1, 2, 0], [[0, 1, 0], [1, 0, 2], [0, 2, 0]]),
        in_any_order(3, ((0, 1, 2), 1)),
    ),
    Edge(
        "cumulative_prod of zeros",
        lambda x: xp.cumulative_prod(x),
        *([0.0, 0.0, 0.0], [1, 0, 0], [[0, 1, 0], [1, 0, 0], [0, 0, 0]]),
        in_any_order(3, ((0, 1, 2), 1)),
    ),
    Edge("cumulative_sum beside infinity", xp.cumulative_sum, [1.0, inf, 2.0],
         [3, 2, 1], flat(3, 3)),
    Edge("sum beside infinity", xp.sum, [1.0, inf], [1, 1], flat(2, 2)),
    Edge("mean beside infinity", xp.mean, [1.0, inf], [0.5, 0.5], flat(2, 2)),
]  # fmt: skip

# ------------------------------------------------------------------ extremes


def logaddexp(x):
    return xp.logaddexp(x[0], x[1])


TINY = 1e-20

EXTREMES = [
    Edge("logaddexp(-inf, -inf)", logaddexp, [-inf, -inf], [0.5, 0.5]),
    Edge("logaddexp(inf, inf)", logaddexp, [inf, inf], [0.5, 0.5]),
    Edge("logaddexp(inf, 1)", logaddexp, [inf, 1.0], [1, 0], flat(2, 2)),
    Edge("logaddexp(1, inf)", logaddexp, [1.0, inf], [0, 1], flat(2, 2)),
    Edge("logaddexp(-inf, 1)", logaddexp, [-inf, 1.0], [0, 1], flat(2, 2)),
    Edge("logaddexp(inf, -inf)", logaddexp, [inf, -inf], [1, 0], flat(2, 2)),
    Edge("logaddexp(0, 0)", logaddexp, [0.0, 0.0], [0.5, 0.5],
         [[0.25, -0.25], [-0.25, 0.25]], flat(2, 2, 2)),
    Edge("logaddexp, huge tie", logaddexp, [1e17, 1e17], [0.5, 0.5],
         [[0.25, -0.25], [-0.25, 0.25]]),
    Edge("logaddexp(x, 0)", lambda x: xp.logaddexp(x, 0.0 * x),
         [1000.0, -1000.0], [1, 0], flat(2, 2), flat(2, 2, 2)),
    Edge("softplus", lambda x: xp.special.softplus(x), [1000.0, -1000.0], [1, 0],
         flat(2, 2)),
    Edge("expit", lambda x: xp.special.expit(x), [1000.0, -1000.0, 0.0], [0, 0, 0.25],
         flat(3, 3)),
    Edge("logsumexp with -inf", lambda x: xp.special.logsumexp(x), [-inf, 1.0], [0, 1],
         flat(2, 2)),
    Edge("logsumexp, large", lambda x: xp.special.logsumexp(x), [1e4, 1e4], [0.5, 0.5],
         [[0.25, -0.25], [-0.25, 0.25]]),
    Edge("x log(x) by xlogy", lambda x: xp.special.xlogy(x, x + 1), [0.0], [0], [[2]]),
    Edge("sinc at 0", lambda x: xp.special.sinc(x), [0.0], [0], [[-math.pi**2 / 3]]),
    Edge("log1p(exp(-1000))", lambda x: xp.log1p(xp.exp(x)), [-1000.0], [0], [[0]],
         [[[0]]]),
    Edge("exp overflows", xp.exp, [1000.0], [inf], [[inf]], [[[inf]]]),
    Edge("exp underflows", xp.exp, [-1000.0], [0], [[0]], [[[0]]]),
    Edge("tanh saturates", xp.tanh, [1000.0, -1000.0], [0, 0], flat(2, 2)),
    Edge("1 / (1 + exp(-x))", lambda x: 1 / (1 + xp.exp(-x)), [-300.0, 30.0],
         [math.exp(-300), 1 / (2 + 2 * math.cosh(30))]),
    Edge("expm1 near 0", xp.expm1, [TINY], [1], [[1]], [[[1]]]),
    Edge("expm1 far left", xp.expm1, [-50.0], [math.exp(-50)], [[math.exp(-50)]]),
    Edge("log1p near 0", xp.log1p, [TINY], [1], [[-1]], [[[2]]]),
    Edge("log1p at -1", xp.log1p, [-1.0], [inf], [[-inf]], [[[inf]]]),
    Edge("log", xp.log, [0.0], [inf], [[-inf]], [[[inf]]]),
    Edge("log of infinity", xp.log, [inf], [0], [[0]], [[[0]]]),
    Edge("asin at 1", xp.asin, [1.0], [inf], [[inf]]),
    Edge("acos at 1", xp.acos, [1.0], [-inf], [[-inf]]),
    Edge("acosh at 1", xp.acosh, [1.0], [inf]),
    Edge("acosh, large", xp.acosh, [1e200], [1e-200]),
    Edge("asinh, large", xp.asinh, [1e200, -1e200], [1e-200, 1e-200]),
    Edge("atanh at 1", xp.atanh, [1.0], [inf]),
    Edge("atan of infinity", xp.atan, [inf], [0]),
    Edge("tan near its pole", xp.tan, [math.pi / 2], [1 + math.tan(math.pi / 2) ** 2]),
]  # fmt: skip

EVERY = [*BRANCHES, *POWERS, *KINKS, *PRODUCTS, *EXTREMES]


# --------------------------------------------------------- all sequences of modes


def along(function, k, mode):
    """Return the derivative along an axis, in a mode, as a function."""

    def forward(x):
        e = np.zeros(x.shape)
        e[k] = 1.0
        return ag.jvp(function, (x,), (from_numpy(e),))[1]

    def reverse(x):
        return ag.grad(function)(x)[k]

    return forward if mode == "forward" else reverse


def total_of(edge):
    def total(x):
        return xp.sum(edge.function(x))

    return total


def derivatives(edge, modes):
    """Return the derivatives of an order, computed in a sequence of modes, by place."""
    x = from_numpy(np.asarray(edge.x, dtype=np.float64))
    result = {}
    for place in itertools.combinations_with_replacement(
        range(len(edge.x)), len(modes)
    ):
        function = total_of(edge)
        for k, mode in zip(place, modes, strict=True):
            function = along(function, k, mode)
        result[place] = to_numpy(function(x))
    return result


def sequences(order):
    return list(itertools.product(("forward", "reverse"), repeat=order))


def require(edge, order, expected):
    """Raise unless all sequences of modes give the derivatives of an order."""
    expected = np.asarray(expected, dtype=float)
    assert expected.shape == (len(edge.x),) * order
    for modes in sequences(order):
        for place, got in derivatives(edge, modes).items():
            np.testing.assert_allclose(
                *(got, expected[place]),
                rtol=1e-12,
                equal_nan=False,
                err_msg=f"{modes}, {place}",
            )


@pytest.mark.parametrize("edge", EVERY, ids=str)
def test_the_gradient(backend, edge):
    require(edge, 1, edge.first)


@pytest.mark.parametrize("edge", [e for e in EVERY if e.second is not None], ids=str)
def test_the_hessian(backend, edge):
    require(edge, 2, edge.second)


@pytest.mark.parametrize("edge", [e for e in EVERY if e.third is not None], ids=str)
def test_the_third_derivatives(backend, edge):
    require(edge, 3, edge.third)
