"""Random programs: straight-line Python source over an Array-API namespace.

A program is text, so that a failing one can be read and run by hand. While it is drawn
it is also computed, by NumPy itself, so that values stay moderate and a step that would
come near a kink is replaced by another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import array_api_compat.numpy as reference
import numpy as np
from hypothesis import strategies as st

LARGEST = 64  # elements
HIGHEST = 6.0  # absolute value
GAP = 1e-2  # between an argument and a kink


@dataclass(frozen=True)
class Program:
    """Source of a function ``program(xp, *inputs)``, and where to evaluate it."""

    source: str
    inputs: tuple[np.ndarray, ...]

    @cached_property
    def function(self) -> Callable[..., Any]:
        scope: dict[str, Any] = {}
        exec(self.source, scope)
        return scope["program"]

    def __repr__(self) -> str:
        values = "".join(f"v{k} = {x!r}\n" for k, x in enumerate(self.inputs))
        return f"\n{values}{self.source}"


UNARY = [
    *("xp.sin({x})", "xp.cos({x})", "xp.tanh({x})", "xp.atan({x})", "xp.asinh({x})"),
    *("xp.exp(-xp.square({x}))", "xp.expm1({x} / 4)", "xp.log1p({x} * {x})"),
    *("xp.sqrt(1.0 + {x} ** 2)", "1 / (1 + xp.exp(-{x}))", "xp.log(2.0 + xp.sin({x}))"),
    *("-{x}", "{x} ** 3 / 8", "2.5 - {x}", "0.5 * {x}", "xp.square({x}) - 1"),
    *("xp.sinh({x} / 4)", "xp.cosh({x} / 4)", "xp.reciprocal(1.5 + xp.cos({x}))"),
    *("xp.asin(xp.tanh({x}) / 2)", "xp.atanh(xp.sin({x}) / 2)", "xp.pow(1.25, {x})"),
    *("xp.log2(3 + xp.cos({x}))", "xp.acosh(2 + xp.square({x}))", "xp.tan({x} / 8)"),
]
BINARY = [
    *("{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / (1.5 + xp.square({y}))"),
    *("xp.hypot({x}, 1.0 + {y} * {y})", "xp.atan2({x}, 1.0 + xp.exp(-{y}))"),
    *("xp.logaddexp({x}, {y})", "xp.pow(xp.square({x}) + 0.5, {y} / 4)"),
    "xp.multiply({x}, xp.sin({y}))",
]


class Drawing:
    """A program in the making: lines, and the value of every variable."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self.draw = draw
        self.values: dict[str, np.ndarray] = {}
        self.lines: list[str] = []

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def variable(self, fits: Callable[[np.ndarray], bool] = lambda x: True) -> str:
        """Choose a variable, a late one more often than an early one."""
        names = [name for name, value in self.values.items() if fits(value)]
        if not names:
            raise DoesNotFitError
        return names[-1 - min(self.integer(0, 5), len(names) - 1)]

    def compute(self, expression: str) -> np.ndarray:
        return np.asarray(eval(expression, {"xp": reference, **self.values}))

    def add(self, expression: str) -> None:
        """Add a line, scaled where its values are large."""
        value = self.compute(expression)
        if not 0 < value.size <= LARGEST:
            raise DoesNotFitError
        size = float(np.max(np.abs(value)))
        if not math.isfinite(size):
            raise DoesNotFitError
        if size > HIGHEST:
            factor = 2.0 ** -math.ceil(math.log2(size / 2))
            expression = f"({expression}) * {factor}"
        name = f"v{len(self.values)}"
        self.values[name] = self.compute(expression)
        self.lines.append(f"{name} = {expression}")

    def axis(self, x: str) -> int:
        ndim = self.values[x].ndim
        if ndim == 0:
            raise DoesNotFitError
        return self.integer(-ndim, ndim - 1)

    def far_from(self, *expressions: str) -> None:
        """Refuse a step where one of these expressions comes near 0."""
        for expression in expressions:
            if np.min(np.abs(self.compute(expression)), initial=np.inf) < GAP:
                raise DoesNotFitError

    def distinct(self, x: str) -> None:
        """Refuse a step where two elements of a variable are near each other."""
        steps = np.diff(np.sort(self.values[x], axis=None))
        if np.min(steps, initial=np.inf) < GAP:
            raise DoesNotFitError


class DoesNotFitError(Exception):
    """The drawn step cannot be added here."""


# ------------------------------------------------------------------ kinds of steps


def unary(d: Drawing) -> str:
    return d.choose(*UNARY).format(x=d.variable())


def binary(d: Drawing) -> str:
    x = d.variable()
    y = d.variable(lambda y: broadcasts(y.shape, d.values[x].shape))
    return d.choose(*BINARY).format(x=x, y=y)


def broadcasts(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def choice(d: Drawing) -> str:
    x = d.variable()
    y = d.variable(lambda y: broadcasts(y.shape, d.values[x].shape))
    kind = d.choose("maximum", "minimum", "where", "abs", "remainder", "clip")
    if kind in ("abs", "remainder"):
        d.far_from(x)
        return f"xp.abs({x})" if kind == "abs" else f"{x} % (9.0 + xp.tanh({y}))"
    if kind == "clip":
        d.far_from(f"{x} + 0.5", f"{x} - 1.25")
        return f"xp.clip({x}, -0.5, 1.25)"
    if kind == "where":
        d.far_from(f"{x} - 0.25")
        return f"xp.where({x} > 0.25, {x} * {x}, xp.sin({y}))"
    d.far_from(f"{x} - {y}")
    return f"xp.{kind}({x}, {y})"


def reduction(d: Drawing) -> str:
    x = d.variable()
    ndim = d.values[x].ndim
    axes = [None, *range(-ndim, ndim), *([(0, -1), (-1, -2)] if ndim > 1 else [])]
    axis, keepdims = d.choose(*axes), d.choose(True, False)
    kind = d.choose("sum", "mean", "prod", "max", "min", "var", "std")
    if kind in ("max", "min"):
        d.distinct(x)
    call = f"xp.{kind}({x}, axis={axis}, keepdims={keepdims})"
    if kind == "std":
        d.far_from(call)
    return call


def scan(d: Drawing) -> str:
    x = d.variable(lambda x: x.ndim > 0)
    kind = d.choose("sum", "prod")
    return f"xp.cumulative_{kind}({x}, axis={d.axis(x)})"


def ordering(d: Drawing) -> str:
    x = d.variable(lambda x: x.ndim > 0)
    d.distinct(x)
    return f"xp.sort({x}, axis={d.axis(x)}, descending={d.choose(True, False)})"


def shaping(d: Drawing) -> str:
    x = d.variable()
    value = d.values[x]
    n, ndim = value.size, value.ndim
    kind = d.choose(
        "reshape", "permute_dims", "expand_dims", "moveaxis", "broadcast_to"
    )
    if kind == "reshape":
        rows = d.choose(*(k for k in range(1, n + 1) if n % k == 0))
        return f"xp.reshape({x}, {d.choose((rows, n // rows), (-1,), (n, 1))})"
    if kind == "permute_dims":
        return f"xp.permute_dims({x}, {tuple(d.draw(st.permutations(range(ndim))))})"
    if kind == "expand_dims":
        return f"xp.expand_dims({x}, axis={d.integer(-ndim - 1, ndim)})"
    if kind == "moveaxis":
        return f"xp.moveaxis({x}, {d.axis(x)}, {d.axis(x)})"
    return f"xp.broadcast_to({x}, {(d.integer(1, 3), *value.shape)})"


def moving(d: Drawing) -> str:
    x = d.variable(lambda x: x.ndim > 0)
    axis = d.axis(x)
    other = d.choose(x, f"xp.tanh({x})", f"{x} * {x}")
    return d.choose(
        f"xp.flip({x}, axis={axis})",
        f"xp.roll({x}, {d.integer(-3, 3)}, axis={axis})",
        f"xp.concat([{x}, {other}], axis={axis})",
        f"xp.stack([{other}, {x}], axis={axis})",
        f"xp.repeat({x}, {d.integer(1, 3)}, axis={axis})",
        f"xp.tile({x}, {(d.integer(1, 2), d.integer(1, 2))})",
        f"xp.diff({x}, axis={axis})",
    )


def indexing(d: Drawing) -> str:
    x = d.variable(lambda x: x.ndim > 0)
    shape = d.values[x].shape
    first, last = shape[0], shape[-1]
    axis = d.axis(x)
    some = [d.integer(-shape[axis], shape[axis] - 1) for _ in range(d.integer(1, 4))]
    start, step = d.integer(0, last - 1), d.integer(1, 2)
    mask = d.draw(st.lists(st.booleans(), min_size=first, max_size=first))
    along = [[d.integer(0, first - 1)] * last, [d.integer(0, first - 1)] * last]
    options = [
        f"{x}[{d.integer(-first, first - 1)}, ...]",
        f"{x}[..., {start}::{step}]",
        f"{x}[None, ..., {start}]",
        f"{x}[{d.integer(0, first - 1)}:{first}, ...]",
        f"xp.take({x}, xp.asarray({some}), axis={axis})",
    ]
    if len(shape) == 1:
        options += [f"{x}[xp.asarray({some})]", f"{x}[xp.asarray({mask})]"]
    if len(shape) == 2:
        options += [
            f"xp.take_along_axis({x}, xp.asarray({along}), axis=0)",
            f"xp.{d.choose('tril', 'triu')}({x}, k={d.integer(-1, 1)})",
        ]
    return d.choose(*options)


def product(d: Drawing) -> str:
    x = d.variable(lambda x: x.ndim > 0)
    shape = d.values[x].shape
    options = [f"xp.vecdot({x}, xp.sin({x}))"]
    if len(shape) == 1:
        options += [f"{x} @ xp.cos({x})", f"xp.tensordot({x}, {x}, axes=0)"]
    else:
        turned = f"xp.matrix_transpose(xp.tanh({x}))"
        options += [
            f"{x} @ {turned}",
            f"{turned} @ {x}",
            f"xp.matmul({x}, {x}[..., 0])"
            if shape[-1] == shape[-2]
            else f"{x} @ {turned}",
            f"xp.tensordot({x}, xp.cos({x}), axes=(({d.axis(x)},), (0,)))",
        ]
    columns = [
        name for name, y in d.values.items() if y.ndim == 2 and y.shape[0] == shape[-1]
    ]
    options += [f"{x} @ {y}" for y in columns[-2:]]
    return d.choose(*options)


KINDS = (
    *(unary, unary, binary, binary, choice, reduction, scan, ordering),
    *(shaping, moving, indexing, product),
)


@st.composite
def programs(draw: Callable[..., Any], max_steps: int = 24) -> Program:
    """Draw a program that returns every value it did not use itself."""
    d = Drawing(draw)
    count = d.integer(1, 3)
    for k in range(count):
        shape = tuple(d.integer(1, 4) for _ in range(d.integer(0, 3)))
        seed = d.integer(0, 2**16)
        value = np.random.default_rng(seed).uniform(-2.0, 2.0, size=shape)
        d.values[f"v{k}"] = np.asarray(value)
    inputs = tuple(d.values.values())
    for _ in range(d.integer(max_steps // 3, max_steps)):
        kind = d.choose(*KINDS)
        try:
            d.add(kind(d))
        except (DoesNotFitError, ValueError, IndexError):
            d.add(unary(d))
    body = "".join(f"    {line}\n" for line in d.lines)
    names = list(d.values)
    parameters = ", ".join(names[:count])
    used = set(
        re.findall(r"v\d+", " ".join(line.partition("=")[2] for line in d.lines))
    )
    result = ", ".join(name for name in names if name not in used)
    source = f"def program(xp, {parameters}):\n{body}    return ({result},)\n"
    return Program(source, inputs)
