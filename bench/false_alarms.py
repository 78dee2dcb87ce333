"""How often the gradient checker is wrong about a right derivative.

    python bench/false_alarms.py [--count 2000] [--seed 0] [--first 0] [--only KIND]
    python bench/false_alarms.py --wrong 1e-3

Case ``k`` of a seed is always the same, whatever the count is: a correct function at a
point that is hard on a checker, drawn from one kind of many in turn. Derivatives are
this library's, `torch.func`'s, JAX's, or exact formulas. Kinds of a library that is not
installed are left out, and named.

``--first K --count 1 -v`` shows what the checker says of case K. ``--wrong 1e-3``
multiplies every derivative by 1 + 1e-3 and counts how many are caught: what is gentle
with right derivatives should not be so with wrong ones. (Where all derivatives are 0,
or infinite, there is nothing to catch.)
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

import autograd_core as ag
from autograd_core import pytree
from autograd_core.testing import GradientError, InconclusiveError, calls, check_grads

Array: TypeAlias = Any
xp = ag.ops


@dataclass
class Case:
    """One call of the checker on something that is right."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Check it; the checker raises where it is wrong."""
        check_grads(self.function, *self.arguments, name=self.name, **self.keywords)

    def times(self, factor: float) -> Case:
        """Return the case with derivatives multiplied by a number, all of them."""
        keywords: dict[str, Any] = {**self.keywords, "shrink": False}
        if "jvp" in keywords:
            times = Times(SimpleNamespace(**keywords), factor)
            keywords |= {"jvp": times.jvp, "vjp": times.vjp}
        else:
            keywords["using"] = Times(keywords.get("using", ag), factor)
        return replace(self, keywords=keywords)


class Times:
    """Operators that return the derivatives of others times a number."""

    def __init__(self, library: Any, factor: float) -> None:
        self.library, self.factor = library, factor
        self.bilinear = getattr(library, "__name__", "") == "jax"

    def jvp(self, *arguments: Any) -> Any:
        """Return the value and a wrong tangent."""
        y, y_dot = self.library.jvp(*arguments)
        return y, pytree.map(lambda t: t * self.factor, y_dot)

    def vjp(self, *arguments: Any) -> Any:
        """Return the value and a wrong pullback."""
        y, pullback = self.library.vjp(*arguments)
        return y, lambda u: pytree.map(lambda t: t * self.factor, pullback(u))


class Draw:
    """Random choices for one case."""

    def __init__(self, seed: int, case: int) -> None:
        self.rng = np.random.default_rng([seed, case])

    def choose(self, options: Sequence[Any]) -> Any:
        """Draw one of some options."""
        return options[int(self.rng.integers(len(options)))]

    def dtype(self) -> str:
        """Draw a dtype, more often the wider one."""
        return str(self.choose(["float64", "float64", "float32"]))

    def size(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def normal(self, *shape: int) -> Any:
        """Draw normal numbers."""
        return self.rng.normal(size=shape)

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:
        """Draw numbers of an interval."""
        return self.rng.uniform(low, high, size=size)

    def power(self, low: float, high: float) -> float:
        """Draw a number whose logarithm is uniform."""
        return float(10 ** self.uniform(low, high))

    def distance(self) -> float:
        """Draw how far from a kink to be: 1e-1 to 1e-12, or on it."""
        return float(self.choose([0.0, *(10.0**-k for k in range(1, 13))]))


# ------------------------------------------------------------------ our operations

UNARY = (
    *("xp.sin({x})", "xp.cos({x})", "xp.tanh({x})", "xp.atan({x})", "xp.asinh({x})"),
    *("xp.exp({x} / 4)", "xp.log1p({x} * {x})", "xp.sqrt(1 + {x} * {x})", "-{x}"),
    *("1 / (1 + xp.exp(-{x}))", "{x} ** 3 / 8", "2.5 - {x}", "xp.square({x}) - 1"),
    *("xp.sinh({x} / 4)", "xp.abs({x})", "xp.clip({x}, -0.5, 1.25)", "{x} % 1.5"),
    *("xp.where({x} > 0.25, {x} * {x}, xp.sin({x}))", "xp.maximum({x}, 0.1)"),
)
BINARY = (
    *("{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / (1.5 + {y} * {y})"),
    *("xp.hypot({x}, 1 + {y} * {y})", "xp.atan2({x}, 1 + xp.exp(-{y}))"),
    *("xp.logaddexp({x}, {y})", "xp.maximum({x}, {y})", "xp.minimum({x}, {y})"),
    "xp.pow(xp.square({x}) + 0.5, {y} / 4)",
)
ALONG = (
    *("xp.sort({x}, axis={axis})", "xp.cumulative_sum({x}, axis={axis})"),
    *("xp.flip({x}, axis={axis})", "xp.roll({x}, 1, axis={axis})", "{x}[..., ::-1]"),
    *("xp.concat([{x}, xp.sin({x})], axis={axis})", "xp.diff({x}, axis={axis})"),
    *("xp.sum({x}, axis={axis})", "xp.mean({x}, axis={axis}, keepdims=True)"),
    *("xp.max({x}, axis={axis})", "xp.std({x} + xp.cos({x}), axis={axis})"),
    *("xp.prod({x}, axis={axis})", "xp.vecdot({x}, xp.tanh({x}))", "{x}[..., :1]"),
    "xp.take({x}, xp.asarray([0, -1, 0]), axis={axis})",
)


def program(draw: Draw) -> Case:
    """Draw a straight-line program, and scale what becomes large."""
    shapes = draw.choose([[(4,), (4,)], [(3, 1), (4,)], [(), (5,)], [(2, 3), (2, 3)]])
    dtype = draw.dtype()
    values = {f"x{k}": draw.normal(*s).astype(dtype) for k, s in enumerate(shapes)}
    inputs, lines = tuple(values.values()), []
    parameters = list(values)
    for _ in range(draw.size(3, 12)):
        expression = step(draw, values)
        try:
            value = np.asarray(eval(expression, {"xp": xp, **values}))
        except (ValueError, IndexError):  # shapes that do not go together
            continue
        largest = float(np.max(np.abs(value), initial=0.0))
        if not (value.size and np.isfinite(largest)):
            continue
        if largest > 6:
            scale = 2.0 ** -np.ceil(np.log2(largest / 2))
            expression, value = (
                f"({expression}) * {scale}",
                value * value.dtype.type(scale),
            )
        values[f"x{len(values)}"] = value
        lines.append(f"x{len(values) - 1} = {expression}")
    last = list(values)[-draw.size(1, 3) :]
    result = ", ".join([*last, *parameters[: draw.size(0, 1)]])
    body = "".join(f"    {line}\n" for line in lines)
    source = f"def f({', '.join(parameters)}):\n{body}    return ({result},)\n"
    scope: dict[str, Any] = {"xp": xp}
    exec(source, scope)
    return Case(f"{dtype}\n{source}", scope["f"], inputs)


def step(draw: Draw, values: dict[str, Any]) -> str:
    names = list(values)[-5:]
    x, y = draw.choose(names), draw.choose(names)
    axis = draw.choose([0, -1])
    options = draw.choose([UNARY, BINARY, ALONG])
    return str(draw.choose(options).format(x=x, y=y, axis=axis))


def operation(draw: Draw) -> Case:
    """Draw an operation of the registry, at one of its own samples."""
    registry = importlib.import_module("autograd_core.operation").registry
    differentiable = [op for op in registry.values() if any(op.jvp)]
    op = draw.choose(differentiable)
    call = draw.choose(list(calls(op)))
    return Case(str(call), call, tuple(call.values))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": xp.sum,
    "mean": xp.mean,
    "std": xp.std,
    "var": xp.var,
    "max": xp.max,
    "norm": lambda x: xp.sqrt(xp.sum(x * x)),
    "logsumexp": lambda x: log_sum_exp(x),
    "sum of sines": lambda x: xp.sum(xp.sin(x)),
    "cumulative_sum": xp.cumulative_sum,
    "product of 1 + x/n": lambda x: xp.prod(1 + x / x.shape[0]),
    "vecdot with itself": lambda x: xp.vecdot(x, x),
    "softmax": lambda x: softmax(x),
    "sort": xp.sort,
}


def log_sum_exp(x: Array) -> Array:
    top = xp.max(x)
    return top + xp.log(xp.sum(xp.exp(x - top)))


def softmax(x: Array) -> Array:
    e = xp.exp(x - xp.max(x))
    return e / xp.sum(e)


def large_reduction(draw: Draw) -> Case:
    name, dtype = draw.choose(list(REDUCTIONS)), draw.dtype()
    n, offset = draw.choose([1000, 10_000, 100_000]), draw.choose([0, 0, 10, 1000])
    x = (draw.normal(n) + offset).astype(dtype)
    return Case(f"{name} of {n} {dtype}, offset {offset}", REDUCTIONS[name], (x,))


CANCELLATIONS: dict[str, tuple[Callable[..., Any], Callable[[Draw], Any]]] = {
    "(1 + x) - 1": (lambda x: (1 + x) - 1, lambda d: d.power(-12, 0) * d.normal(5)),
    "1 - cos(x)": (lambda x: 1 - xp.cos(x), lambda d: d.power(-8, 0) * d.normal(5)),
    "x - sin(x)": (lambda x: x - xp.sin(x), lambda d: d.power(-4, 0) * d.normal(5)),
    "exp(x) - 1": (lambda x: xp.exp(x) - 1, lambda d: d.power(-12, 0) * d.normal(5)),
    "log(1 + x)": (lambda x: xp.log(1 + x), lambda d: d.power(-12, -1) * d.normal(5)),
    "sqrt(x + 1) - sqrt(x)": (
        lambda x: xp.sqrt(x + 1) - xp.sqrt(x),
        lambda d: d.power(0, 10) * d.uniform(1, 2, 5),
    ),
    "x**2 - y**2, x near y": (
        lambda x: x[0] ** 2 - x[1] ** 2,
        lambda d: 1 + d.power(-10, 0) * d.normal(2, 5),
    ),
    "sum of large terms that cancel": (
        xp.sum,
        lambda d: np.concatenate([y := d.power(0, 10) * d.normal(50), -y, d.normal(3)]),
    ),
    "variance far from 0": (xp.var, lambda d: d.power(0, 6) + d.normal(20)),
    "1 - tanh(x)**2": (lambda x: 1 - xp.tanh(x) ** 2, lambda d: d.uniform(-9, 9, 8)),
    "exp(log(x))": (
        lambda x: xp.exp(xp.log(x)),
        lambda d: d.power(-9, 9) + 0 * d.normal(3),
    ),
    "alternating series": (
        lambda x: 1 - x + x**2 / 2 - x**3 / 6 + x**4 / 24 - x**5 / 120,
        lambda d: d.uniform(0, 9, 6),
    ),
}


def cancellation(draw: Draw) -> Case:
    name, dtype = draw.choose(list(CANCELLATIONS)), draw.dtype()
    function, at = CANCELLATIONS[name]
    return Case(f"{name}, {dtype}", function, (np.asarray(at(draw), dtype),))


KINKED: dict[str, Callable[..., Any]] = {
    "abs": xp.abs,
    "maximum(x, 0)": lambda x: xp.maximum(x, 0.0),
    "minimum(x, x**2)": lambda x: xp.minimum(x, x * x),
    "clip": lambda x: xp.clip(x, 0.0, 1.0),
    "sort": xp.sort,
    "max": xp.max,
    "median": lambda x: xp.sort(x)[x.shape[0] // 2],
    "where(x > 0, x, 0.1 x)": lambda x: xp.where(x > 0, x, 0.1 * x),
    "sum of abs": lambda x: xp.sum(xp.abs(x)),
    "sin(abs(x))": lambda x: xp.sin(xp.abs(x)),
    "abs(x)**3": lambda x: xp.abs(x) ** 3,
    "x * abs(x)": lambda x: x * xp.abs(x),
    "maximum(x, x[::-1])": lambda x: xp.maximum(x, x[::-1]),
    "abs of a product": lambda x: xp.abs(x @ xp.cos(xp.asarray([1.0, 2, 3, 4, 5]))),
    "two layers": lambda x: xp.maximum(x[None, :] * x[:, None], 0.0) @ x,
}


def kink(draw: Draw) -> Case:
    """Draw a point near a kink at 0, one at 1, and a near tie; or on them."""
    name, dtype, d = draw.choose(list(KINKED)), draw.dtype(), draw.distance()
    x = draw.normal(5)
    x[1] = draw.choose([-1, 1]) * d
    x[2] = x[0] + draw.choose([-1, 1]) * d
    x[3] = 1 + draw.choose([-1, 1]) * d
    chosen = x.astype(dtype)
    return Case(f"{name} at {d:g} from kinks, {dtype}", KINKED[name], (chosen,))


STEEP: dict[str, tuple[Callable[..., Any], Callable[[Draw], Any]]] = {
    "exp(50 x)": (lambda x: xp.exp(50 * x), lambda d: d.normal(6) / 2),
    "tanh(1e4 x)": (lambda x: xp.tanh(1e4 * x), lambda d: d.power(-6, 0) * d.normal(6)),
    "sigmoid": (
        lambda x: 1 / (1 + xp.exp(-x)),
        lambda d: d.power(0, 1.8) * d.normal(6),
    ),
    "log near 0": (xp.log, lambda d: 10 ** d.uniform(-12, 0, 6)),
    "x**0.1 near 0": (lambda x: x**0.1, lambda d: 10 ** d.uniform(-12, 0, 6)),
    "sqrt near 0": (xp.sqrt, lambda d: 10 ** d.uniform(-12, 0, 6)),
    "1/x near 0": (lambda x: 1 / x, lambda d: 10 ** d.uniform(-9, 0, 6)),
    "x log x near 0": (lambda x: x * xp.log(x), lambda d: 10 ** d.uniform(-9, 0, 6)),
    "sin(1e3 x)": (lambda x: xp.sin(1e3 * x), lambda d: d.normal(6)),
    "sin(1e6 x)": (lambda x: xp.sin(1e6 * x), lambda d: d.normal(6)),
    "exp(-x**2) far out": (lambda x: xp.exp(-x * x), lambda d: d.uniform(-6, 6, 6)),
    "softmax, large spread": (softmax, lambda d: d.power(0, 2) * d.normal(6)),
    "logsumexp, large spread": (log_sum_exp, lambda d: d.power(0, 3) * d.normal(6)),
    "logaddexp, large spread": (
        lambda x: xp.logaddexp(x, x[::-1]),
        lambda d: d.power(0, 2.5) * d.normal(6),
    ),
    "softplus": (
        lambda x: xp.logaddexp(x, 0 * x),
        lambda d: d.power(0, 2) * d.normal(6),
    ),
    "huge numbers": (lambda x: xp.sin(x / 1e150), lambda d: 1e150 * d.normal(6)),
    "tiny numbers": (lambda x: xp.sin(x / 1e-150), lambda d: 1e-150 * d.normal(6)),
    "huge results": (lambda x: 1e150 * xp.sin(x), lambda d: d.normal(6)),
    "tiny results": (lambda x: 1e-150 * xp.sin(x), lambda d: d.normal(6)),
    "1e-300": (lambda x: 1e-300 * xp.tanh(x), lambda d: d.normal(6)),
    "1e300": (lambda x: 1e300 * xp.tanh(x), lambda d: d.normal(6)),
    "atan(1e6 x)": (lambda x: xp.atan(1e6 * x), lambda d: d.power(-8, 0) * d.normal(6)),
    "x**20": (lambda x: x**20, lambda d: d.normal(6) * 2),
    "tan near its poles": (xp.tan, lambda d: np.pi / 2 - 10 ** d.uniform(-6, 0, 6)),
    "acosh near 1": (xp.acosh, lambda d: 1 + 10 ** d.uniform(-9, 0, 6)),
    "asin near 1": (xp.asin, lambda d: 1 - 10 ** d.uniform(-9, 0, 6)),
    "gaussian mixture": (
        lambda x: xp.log(xp.exp(-50 * (x - 1) ** 2) + xp.exp(-50 * (x + 1) ** 2)),
        lambda d: d.uniform(-2, 2, 6),
    ),
}


def steep(draw: Draw) -> Case:
    name, dtype = draw.choose(list(STEEP)), draw.dtype()
    function, at = STEEP[name]
    if any(word in name for word in ("150", "300", "huge", "tiny")):
        dtype = "float64"
    return Case(f"{name}, {dtype}", function, (np.asarray(at(draw), dtype),))


MIXED: dict[str, Callable[..., Any]] = {
    "asinh": xp.asinh,
    "x * x": lambda x: x * x,
    "sqrt(1 + x * x)": lambda x: xp.sqrt(1 + x * x),
    "log1p(x * x)": lambda x: xp.log1p(x * x),
    "tanh": xp.tanh,
    "atan": xp.atan,
    "x / (1 + x * x)": lambda x: x / (1 + x * x),
    "hypot of neighbours": lambda x: xp.hypot(x[1:], x[:-1]),
    "atan2 of neighbours": lambda x: xp.atan2(x[1:], x[:-1]),
    "product of neighbours": lambda x: x[1:] * x[:-1],
    "quotient of neighbours": lambda x: x[1:] / x[:-1],
    "sum": xp.sum,
    "var": xp.var,
    "norm": lambda x: xp.sqrt(xp.sum(x * x)),
    "cumulative_sum": xp.cumulative_sum,
    "log(abs(x))": lambda x: xp.log(xp.abs(x)),
}


def mixed_magnitudes(draw: Draw) -> Case:
    name, dtype = draw.choose(list(MIXED)), draw.dtype()
    span = draw.choose([3, 6, 9] if dtype == "float64" else [2, 4])
    x = draw.choose([-1, 1]) * 10 ** draw.uniform(-span, span, 8)
    name_ = f"{name} of 1e-{span} to 1e{span}, {dtype}"
    return Case(name_, MIXED[name], (np.asarray(x, dtype),))


JUMPS: dict[str, Callable[..., Any]] = {
    "floor(x) * x": lambda x: xp.floor(x) * x,
    "x % 1": lambda x: x % 1.0,
    "where(x > 1, x**2, sin(x) + 3)": lambda x: xp.where(x > 1, x * x, xp.sin(x) + 3),
    "sign(x) + x": lambda x: xp.sign(x) + x,
    "round(x) + x**2": lambda x: xp.round(x + 0.5) + x * x,
    "1 / (x - 1)": lambda x: 1 / (x - 1),
    "atan(1 / (x - 1))": lambda x: xp.atan(1 / (x - 1)),
}


def jump_nearby(draw: Draw) -> Case:
    """Draw a point with a jump nearby, and not on one."""
    name, dtype = draw.choose(list(JUMPS)), draw.dtype()
    d = draw.distance() or 0.25
    d = max(d, 1e-6) if dtype == "float32" else d
    base = np.asarray([0.0, 1.0, -2.0, 5.0]) if "1 /" not in name else np.ones(4)
    signs = draw.rng.choice([-1.0, 1.0], size=4)
    x = np.asarray(base + signs * d, dtype)
    return Case(f"{name} at {d:g} from jumps, {dtype}", JUMPS[name], (x,))


# ------------------------------------------------------------------ by hand

Rules: TypeAlias = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]


def inverse() -> Rules:
    inv = np.linalg.inv
    return (
        inv,
        lambda p, t: (y := inv(p[0]), -y @ t[0] @ y),
        lambda a: (y := inv(a), lambda u: (-y.T @ u @ y.T,)),
    )


def solving() -> Rules:
    solve = np.linalg.solve

    def jvp(p: Any, t: Any) -> Any:
        y = solve(*p)
        return y, solve(p[0], t[1] - t[0] @ y)

    def vjp(a: Any, b: Any) -> Any:
        y = solve(a, b)

        def pullback(u: Any) -> Any:
            bar = solve(a.T, u)
            return -np.outer(bar, y), bar

        return y, pullback

    return solve, jvp, vjp


def determinant() -> Rules:
    det, inv = np.linalg.det, np.linalg.inv
    return (
        lambda a: np.asarray(det(a), a.dtype),
        lambda p, t: (det(p[0]), np.asarray(det(p[0]) * np.sum(inv(p[0]).T * t[0]))),
        lambda a: (np.asarray(det(a)), lambda u: (u * det(a) * inv(a).T,)),
    )


def log_determinant() -> Rules:
    inv = np.linalg.inv

    def value(a: Any) -> Any:
        return np.asarray(np.linalg.slogdet(a)[1], a.dtype)

    return (
        value,
        lambda p, t: (value(p[0]), np.asarray(np.sum(inv(p[0]).T * t[0]))),
        lambda a: (value(a), lambda u: (u * inv(a).T,)),
    )


def symmetric(a: Any) -> Any:
    return (a + a.T) / 2


def lower(x: Any) -> Any:
    """Return the lower triangle with half the diagonal."""
    return np.tril(x) - np.diag(np.diag(x)) / 2


def cholesky() -> Rules:
    inv = np.linalg.inv

    def value(a: Any) -> Any:
        return np.linalg.cholesky(symmetric(a))

    def jvp(p: Any, t: Any) -> Any:
        y = value(p[0])
        z = inv(y)
        return y, y @ lower(z @ symmetric(t[0]) @ z.T)

    def vjp(a: Any) -> Any:
        y = value(a)
        z = inv(y)
        return y, lambda u: (z.T @ symmetric(lower(y.T @ u)) @ z,)

    return value, jvp, vjp


def eigenvalues() -> Rules:
    eigh = np.linalg.eigh

    def jvp(p: Any, t: Any) -> Any:
        w, v = eigh(symmetric(p[0]))
        return w, np.sum(v * (symmetric(t[0]) @ v), axis=0)

    def vjp(a: Any) -> Any:
        w, v = eigh(symmetric(a))
        return w, lambda u: ((v * u) @ v.T,)

    return (lambda a: eigh(symmetric(a))[0]), jvp, vjp


LINALG: dict[str, Callable[[], Rules]] = {
    "inv": inverse,
    "solve": solving,
    "det": determinant,
    "slogdet": log_determinant,
    "cholesky": cholesky,
    "eigvalsh": eigenvalues,
}


def conditioned(draw: Draw, n: int, condition: float, positive: bool) -> Any:
    """Draw a matrix of a given condition number."""
    u, v = (np.linalg.qr(draw.normal(n, n))[0] for _ in range(2))
    d = np.logspace(0, -np.log10(condition), n)
    return (u * d) @ (u if positive else v).T


def matrix(draw: Draw, name: str, n: int, dtype: str) -> tuple[str, tuple[Any, ...]]:
    """Draw the arguments of a function of matrices."""
    condition = draw.power(2, 12 if dtype == "float64" else 4)
    positive = "cholesky" in name or "eigvalsh" in name
    a = conditioned(draw, n, condition, positive).astype(dtype)
    b = (draw.normal(n).astype(dtype),) if name == "solve" else ()
    return f"{name} of {dtype}[{n},{n}], condition {condition:.1e}", (a, *b)


def linear_algebra(draw: Draw) -> Case:
    name = draw.choose(list(LINALG))
    text, arguments = matrix(draw, name, draw.size(2, 7), draw.dtype())
    value, jvp, vjp = LINALG[name]()
    return Case(text, value, arguments, {"jvp": jvp, "vjp": vjp})


SPECIAL: dict[str, tuple[str, Callable[..., Any], tuple[float, float]]] = {
    "erf": ("erf", lambda s, x: 2 / np.sqrt(np.pi) * np.exp(-x * x), (-5, 5)),
    "erfc": ("erfc", lambda s, x: -2 / np.sqrt(np.pi) * np.exp(-x * x), (-3, 9)),
    "gammaln": ("gammaln", lambda s, x: s.digamma(x), (0.01, 60)),
    "gamma": ("gamma", lambda s, x: s.gamma(x) * s.digamma(x), (0.1, 20)),
    "gamma, negative": (
        "gamma",
        lambda s, x: s.gamma(x) * s.digamma(x),
        (-1.95, -1.05),
    ),
    "digamma": ("digamma", lambda s, x: s.polygamma(1, x), (0.01, 60)),
    "expit": ("expit", lambda s, x: s.expit(x) * s.expit(-x), (-80, 80)),
    "logit": ("logit", lambda s, x: 1 / (x * (1 - x)), (0.001, 0.999)),
    "log_ndtr": (
        "log_ndtr",
        lambda s, x: np.exp(-x * x / 2 - s.log_ndtr(x)) / np.sqrt(2 * np.pi),
        (-30, 5),
    ),
    "j0": ("j0", lambda s, x: -s.j1(x), (-30, 30)),
    "i0": ("i0", lambda s, x: s.i1(x), (-20, 20)),
    "k0": ("k0", lambda s, x: -s.k1(x), (0.01, 20)),
    "ellipk": (
        "ellipk",
        lambda s, x: (s.ellipe(x) / (1 - x) - s.ellipk(x)) / (2 * x),
        (0.1, 0.999),
    ),
    "dawsn": ("dawsn", lambda s, x: 1 - 2 * x * s.dawsn(x), (-2, 2)),
    "expi": ("expi", lambda s, x: np.exp(x) / x, (0.05, 20)),
    "spence": ("spence", lambda s, x: np.log(x) / (1 - x), (0.1, 0.9)),
    "ndtri": (
        "ndtri",
        lambda s, x: np.sqrt(2 * np.pi) * np.exp(s.ndtri(x) ** 2 / 2),
        (0.001, 0.999),
    ),
    "zetac": ("loggamma", lambda s, x: s.digamma(x), (0.01, 9)),
}


def special(draw: Draw) -> Case:
    """Draw a function of SciPy; its derivative is computed in float64."""
    s = importlib.import_module("scipy.special")
    name, dtype = draw.choose(list(SPECIAL)), draw.dtype()
    attribute, partial, (low, high) = SPECIAL[name]
    function = getattr(s, attribute)
    x = np.asarray(draw.uniform(low, high, 6), dtype)

    def slope(x: Any) -> Any:
        return np.asarray(partial(s, x.astype("float64")), x.dtype)

    keywords = {
        "jvp": lambda p, t: (function(p[0]), t[0] * slope(p[0])),
        "vjp": lambda x: (function(x), lambda u: (u * slope(x),)),
    }
    return Case(f"{name}, {dtype}", function, (x,), keywords)


def fourier(draw: Draw) -> Case:
    """Draw a real or complex transform, which is its own JVP."""
    n, real = draw.choose([4, 5, 8, 31, 256]), draw.choose([True, False])
    x = draw.normal(n) * draw.power(-6, 6)
    if not real:
        x = x + 1j * draw.normal(n)
    function, fft = np.fft.fft, np.fft

    def transpose(u: Any) -> Any:
        bar = fft.ifft(u, norm="forward")
        return (bar.real if real else bar,)

    keywords = {
        "jvp": lambda p, t: (function(p[0]), function(t[0])),
        "vjp": lambda x: (function(x), transpose),
    }
    return Case(f"fft of {n} {x.dtype}", function, (x,), keywords)


# ------------------------------------------------------------------ torch.func, JAX

TORCH: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "inv": lambda t: t.linalg.inv,
    "solve": lambda t: t.linalg.solve,
    "det": lambda t: t.linalg.det,
    "slogdet": lambda t: lambda a: t.linalg.slogdet(a)[1],
    "cholesky": lambda t: lambda a: t.linalg.cholesky((a + a.mT) / 2),
    "eigvalsh": lambda t: lambda a: t.linalg.eigvalsh((a + a.mT) / 2),
    "svdvals": lambda t: t.linalg.svdvals,
    "pinv": lambda t: t.linalg.pinv,
}

# What is wrong in PyTorch itself up to 2.13, and so is no false alarm: derivatives of
# these tangents (pytorch/pytorch 192540), and the Hessian of det (192521). Not among
# them is matrix_exp, whose derivative loses digits with the size of the tangent (18 %
# at 2.0**60), and is refused as not linear.
WRONG_IN_TORCH: dict[str, dict[str, Any]] = {
    "solve": {"modes": ("reverse",)},
    "slogdet": {"modes": ("reverse",)},
    "det": {"order": 1},
}


def torch_linalg(draw: Draw) -> Case:
    torch = importlib.import_module("torch")
    name = draw.choose(list(TORCH))
    text, arguments = matrix(draw, name, draw.size(2, 6), draw.dtype())
    moved = tuple(map(torch.tensor, arguments))
    keywords = {"using": torch.func, **WRONG_IN_TORCH.get(name, {})}
    return Case(text, TORCH[name](torch), moved, keywords)


TORCH_SMOOTH = (
    *("gelu", "softplus", "silu", "logsigmoid", "celu", "softsign", "mish", "elu"),
    *("relu", "leaky_relu", "hardtanh", "log_softmax", "softmax"),
)
TORCH_SPECIAL = (
    *("erf", "erfc", "erfcx", "gammaln", "digamma", "log_ndtr", "i0", "i0e", "i1"),
    *("expit", "xlog1py", "entr", "ndtri", "sinc"),
)


def torch_function(draw: Draw) -> Case:
    torch = importlib.import_module("torch")
    dtype = draw.dtype()
    x = torch.tensor(np.asarray(draw.normal(6) * draw.power(-3, 1), dtype))
    if draw.choose([True, False]):
        name = draw.choose(TORCH_SMOOTH)
        function = getattr(torch.nn.functional, name)
        of = (lambda x: function(x, dim=0)) if "softmax" in name else function
    else:
        name = draw.choose(TORCH_SPECIAL)
        special = getattr(torch.special, name)
        of = (lambda x: special(x, x**2)) if name == "xlog1py" else special
        x = torch.sigmoid(x) if name in ("ndtri", "entr") else x.abs()
    return Case(f"{name}, {dtype}", of, (x,), {"using": torch.func})


COMPLEX: dict[str, Callable[..., Any]] = {
    "exp": lambda m, z: m.exp(z),
    "sin": lambda m, z: m.sin(z),
    "z**2": lambda m, z: z * z,
    "z**3": lambda m, z: z**3,
    "1/z": lambda m, z: 1 / z,
    "sqrt": lambda m, z: m.sqrt(z),
    "log": lambda m, z: m.log(z),
    "abs": lambda m, z: m.abs(z),
    "real * imag": lambda m, z: m.real(z) * m.imag(z),
    "conj": lambda m, z: m.conj(z) * z,
    "angle": lambda m, z: m.angle(z),
    "tanh": lambda m, z: m.tanh(z),
    "fft": lambda m, z: m.fft.fft(z),
    "abs of fft": lambda m, z: m.abs(m.fft.fft(z)),
    "fft of the real part": lambda m, z: m.fft.fft(m.real(z)),
    "norm": lambda m, z: m.sqrt(m.sum(m.abs(z) ** 2)),
}


def complex_point(draw: Draw) -> Any:
    """Draw complex numbers, some near the branch cut of log and sqrt."""
    z = draw.normal(4) + 1j * draw.normal(4)
    if draw.choose([True, False]):
        z[0] = -abs(z[0].real) + 1j * draw.choose([-1, 1]) * draw.power(-9, -1)
    return z * draw.power(-3, 3)


def torch_complex(draw: Draw) -> Case:
    torch = importlib.import_module("torch")
    name = draw.choose(list(COMPLEX))
    z, of = torch.tensor(complex_point(draw)), COMPLEX[name]
    if draw.choose([False, False, True]):
        z = z.to(torch.complex64)
    keywords = {"using": torch.func}
    return Case(f"{name}, {z.dtype}", lambda z: of(torch, z), (z,), keywords)


def jax_complex(draw: Draw) -> Case:
    jax = jax_in_double()
    name = draw.choose(list(COMPLEX))
    z, of = jax.numpy.asarray(complex_point(draw)), COMPLEX[name]
    return Case(f"{name}, {z.dtype}", lambda z: of(jax.numpy, z), (z,), {"using": jax})


def jax_in_double() -> Any:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    return jax


JAX: dict[str, tuple[Callable[..., Any], tuple[float, float]]] = {
    "gammaln": (lambda j, x: j.scipy.special.gammaln(x), (0.05, 30)),
    "digamma": (lambda j, x: j.scipy.special.digamma(x), (0.05, 30)),
    "erf": (lambda j, x: j.scipy.special.erf(x), (-4, 4)),
    "erfinv": (lambda j, x: j.scipy.special.erfinv(x), (-0.99, 0.99)),
    "log_ndtr": (lambda j, x: j.scipy.special.log_ndtr(x), (-20, 4)),
    "i0e": (lambda j, x: j.scipy.special.i0e(x), (0.1, 9)),
    "logsumexp": (lambda j, x: j.scipy.special.logsumexp(x), (-90, 90)),
    "softmax": (lambda j, x: j.nn.softmax(x), (-30, 30)),
    "gelu": (lambda j, x: j.nn.gelu(x), (-6, 6)),
    "relu": (lambda j, x: j.nn.relu(x), (-1, 1)),
    "sinc": (lambda j, x: j.numpy.sinc(x), (-3, 3)),
    "cumulative product": (lambda j, x: j.numpy.cumprod(x), (-2, 2)),
    "sort": (lambda j, x: j.numpy.sort(x), (-2, 2)),
}


def jax_function(draw: Draw) -> Case:
    jax = jax_in_double()
    name, dtype = draw.choose(list(JAX)), draw.dtype()
    of, (low, high) = JAX[name]
    x = jax.numpy.asarray(draw.uniform(low, high, 4), dtype=dtype)
    return Case(f"{name}, {dtype}", lambda x: of(jax, x), (x,), {"using": jax})


JAX_LINALG: dict[str, Callable[..., Any]] = {
    "inv": lambda m, a: m.linalg.inv(a),
    "solve": lambda m, a, b: m.linalg.solve(a, b),
    "det": lambda m, a: m.linalg.det(a),
    "slogdet": lambda m, a: m.linalg.slogdet(a)[1],
    "cholesky": lambda m, a: m.linalg.cholesky((a + a.T) / 2),
    "eigvalsh": lambda m, a: m.linalg.eigvalsh((a + a.T) / 2),
}


def jax_linalg(draw: Draw) -> Case:
    jax = jax_in_double()
    name = draw.choose(list(JAX_LINALG))
    text, arguments = matrix(draw, name, 3, "float64")
    of, moved = JAX_LINALG[name], tuple(map(jax.numpy.asarray, arguments))
    return Case(text, lambda *xs: of(jax.numpy, *xs), moved, {"using": jax})


# ------------------------------------------------------------------ the measurement

KINDS: dict[str, tuple[Callable[[Draw], Case], str, int]] = {
    "random programs": (program, "autograd_core", 6),
    "operations of the registry": (operation, "autograd_core", 2),
    "large reductions": (large_reduction, "autograd_core", 2),
    "cancellation": (cancellation, "autograd_core", 2),
    "near kinks, and on them": (kink, "autograd_core", 5),
    "steep, flat, huge and tiny": (steep, "autograd_core", 5),
    "mixed magnitudes": (mixed_magnitudes, "autograd_core", 3),
    "jumps nearby": (jump_nearby, "autograd_core", 2),
    "linear algebra by hand": (linear_algebra, "autograd_core", 4),
    "special functions by hand": (special, "scipy", 3),
    "FFT by hand": (fourier, "autograd_core", 1),
    "linear algebra of torch.func": (torch_linalg, "torch", 3),
    "functions of torch.func": (torch_function, "torch", 2),
    "complex functions of torch.func": (torch_complex, "torch", 2),
    "functions of JAX": (jax_function, "jax", 1),
    "linear algebra of JAX": (jax_linalg, "jax", 1),
    "complex functions of JAX": (jax_complex, "jax", 1),
}
OUTCOMES = {
    "passed": "missed",
    "false alarm": "caught",
    "inconclusive": "inconclusive",
    "error": "error",
}
"""How a case may go, and what that is called where the derivative is wrong."""


def installed(package: str) -> bool:
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True


def case(seed: int, k: int) -> tuple[str, Callable[[], Case]]:
    """Return the kind of a case, and what makes it."""
    turns = [kind for kind, (_, _, share) in KINDS.items() for _ in range(share)]
    kind = turns[k % len(turns)]
    return kind, lambda: KINDS[kind][0](Draw(seed, k))


def outcome(found: Case) -> tuple[str, str]:
    """Run a case; return how it went, and what the checker said."""
    try:
        found.run()
    except GradientError as said:
        return "false alarm", str(said)
    except InconclusiveError as said:
        return "inconclusive", str(said)
    except Exception as said:  # of the checker or of the library
        return "error", f"{type(said).__name__}: {said}"
    return "passed", ""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what libraries warn of (overflow, their own deprecations) to themselves."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def measure(
    seed: int, first: int, count: int, only: str = "", wrong: float = 0.0
) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield number, kind, name, outcome and message of each case."""
    for k in range(first, first + count):
        kind, make = case(seed, k)
        if only in kind and installed(KINDS[kind][1]):
            with quiet():
                found = make()
                how, said = outcome(found.times(1 + wrong) if wrong else found)
            yield k, kind, found.name, how, said


def table(
    results: Sequence[tuple[int, str, str, str, str]], wrong: float = 0.0
) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    words = OUTCOMES.values() if wrong else OUTCOMES
    yield f"| kind | cases | {' | '.join(words)} |"
    yield "|---|" + "---|" * (1 + len(OUTCOMES))
    for kind in [*KINDS, ""]:
        found = [how for _, of, _, how, _ in results if kind in ("", of)]
        counts = " | ".join(str(found.count(name)) for name in OUTCOMES)
        yield f"| {kind or '**all**'} | {len(found)} | {counts} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--wrong", type=float, default=0.0, help="error to plant")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args(arguments)
    for package in {package for _, package, _ in KINDS.values()}:
        if not installed(package):
            print(f"{package}: missing")
    results = []
    numbers = options.seed, options.first, options.count
    for result in measure(*numbers, options.only, options.wrong):
        results.append(result)
        k, kind, name, how, said = result
        if how != ("false alarm" if options.wrong else "passed"):
            word = OUTCOMES[how] if options.wrong else how
            print(f"[{k}] {kind}: {name}: {word}", flush=True)
            if options.verbose:
                print(said, flush=True)
        elif options.verbose and options.count == 1:
            print(name, how)
    for line in table(results, options.wrong):
        print(line)


if __name__ == "__main__":
    main()
