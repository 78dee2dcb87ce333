"""Planted faults, shown to this project's gradient checker and to its peers.

    python bench/checkers.py [--sizes 3,30,1000] [--only NAME] [--checkers NAME;...]

Every fault is a function with a derivative that is wrong on purpose, written once and
given to each checker by the way in which its library takes a rule of one's own
(`torch.autograd.Function`, `jax.custom_jvp` and `custom_vjp`, HIPS autograd's
`primitive`; here plain functions, and an operation made by `autograd_core.declare`).
Checkers run with the tolerances that they have by default, at first and at second
order, in all modes that the library offers. Each is shown the right derivative of the
same function as well. The table says for each fault

- caught: the checker refuses the wrong derivative and accepts the right one;
- missed: it accepts both;
- alarm: it refuses both, and so tells nothing;
- unsure: it says that it cannot judge the wrong one;
- n.a.: the fault cannot be expressed in that library, or the library repairs it.

A peer that is not installed is reported as missing. `scipy.optimize.check_grad` gives a
number and no verdict; more than 1e-5 is taken for a refusal.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy

import autograd_core as ag
from autograd_core.declare import general, sample
from autograd_core.operation import registry
from autograd_core.testing import InconclusiveError, check_grads

Array: TypeAlias = Any
Map: TypeAlias = Callable[["Library", tuple[Array, ...], Array], Array]
Stage: TypeAlias = Callable[[], None]

SIZES = (3, 30, 1000)
DTYPES = ("float64", "float32")
REFUSED_BY_SCIPY = 1e-5


@dataclass(frozen=True)
class Library:
    """What a rule needs of the library it is written for, beyond its namespace."""

    xp: Any
    constant: Callable[[Any], Array]
    detach: Callable[[Array], Array]
    cast: Callable[[Array, str], Array]
    write: Callable[[Array], None]
    packed: Callable[[Array], bool] = lambda x: True


@dataclass(frozen=True)
class Function:
    """A function and its right derivative: maps of each argument's tangent, and back.

    A map is ``map(library, arguments, tangent or cotangent)``. Cotangents of complex
    numbers pair as ``sum(u * v)``, as in JAX and HIPS autograd; the others conjugate.
    """

    value: Callable[..., Array]
    push: tuple[Map, ...]
    pull: tuple[Map, ...]
    arguments: Callable[[int], tuple[Any, ...]]


@dataclass(frozen=True)
class Fault:
    """A function whose derivative is changed in one mode or in both."""

    name: str
    function: Function
    push: tuple[Map, ...] = ()
    pull: tuple[Map, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes in which it is wrong."""
        both = (("forward", self.push), ("reverse", self.pull))
        return tuple(mode for mode, maps in both if maps)

    def planted(self, size: int, dtype: str) -> Planted:
        """Return the wrong derivative, and where to check it."""
        right = self.function
        arguments = tuple(
            numpy.asarray(x, dtype=narrowed(numpy.asarray(x).dtype, dtype))
            for x in right.arguments(size)
        )
        return Planted(
            right.value,
            self.push or right.push,
            self.pull or right.pull,
            arguments,
            self.modes,
        )


@dataclass(frozen=True)
class Planted:
    """A function with the rules that a checker is shown, right or wrong."""

    value: Callable[..., Array]
    push: tuple[Map, ...]
    pull: tuple[Map, ...]
    arguments: tuple[Any, ...]
    modes: tuple[str, ...]

    def pushed(self, lib: Library, xs: Sequence[Array], ts: Sequence[Array]) -> Array:
        """Return the tangent of the result; a tangent may be None, for zeros."""
        maps = zip(self.push, ts, strict=True)
        terms = [push(lib, tuple(xs), t) for push, t in maps if t is not None]
        return sum(terms[1:], terms[0])

    def pulled(self, lib: Library, xs: Sequence[Array], u: Array) -> tuple[Array, ...]:
        """Return the cotangents of the arguments."""
        return tuple(pull(lib, tuple(xs), u) for pull in self.pull)

    @property
    def complex(self) -> bool:
        """Whether it is a function of complex numbers."""
        return any(numpy.iscomplexobj(x) for x in self.arguments)

    def conjugating(self) -> Planted:
        """Return the same for libraries whose cotangents pair as sum(conj(u) * v)."""
        if not self.complex:
            return self

        def around(pull: Map) -> Map:
            return lambda lib, xs, u: lib.xp.conj(pull(lib, xs, lib.xp.conj(u)))

        return replace(self, pull=tuple(map(around, self.pull)))


def narrowed(dtype: Any, to: str) -> Any:
    """Return a dtype of floats, real or complex, in single or double precision."""
    complex_ = {"float32": "complex64", "float64": "complex128"}[to]
    return complex_ if numpy.issubdtype(dtype, numpy.complexfloating) else to


# ------------------------------------------------------------------ functions


def diagonal(partial: Callable[[Library, Array], Array]) -> Map:
    """Return the map of a function of one argument, element by element."""
    return lambda lib, xs, t: t * partial(lib, xs[0])


def elementwise(
    value: Callable[..., Array],
    partial: Callable[[Library, Array], Array],
    arguments: Callable[[int], tuple[Any, ...]],
) -> Function:
    maps = (diagonal(partial),)
    return Function(value, maps, maps, arguments)


def normal(size: int) -> tuple[Any, ...]:
    """Draw normal numbers, the first of which is -1.5."""
    x = numpy.random.default_rng(size).normal(size=size)
    x[0] = -1.5
    return (x,)


def away_from_zero(size: int) -> tuple[Any, ...]:
    (x,) = normal(size)
    return (x + numpy.copysign(0.25, x),)


def with_a_zero(size: int) -> tuple[Any, ...]:
    (x,) = away_from_zero(size)
    x[1] = 0.0
    return (x,)


def scales(size: int) -> tuple[Any, ...]:
    return (numpy.logspace(-3, 0, size),)


def two(size: int) -> tuple[Any, ...]:
    rng = numpy.random.default_rng(size)
    return rng.normal(size=size), rng.normal(size=size)


def factor_and_array(size: int) -> tuple[Any, ...]:
    return numpy.asarray([0.75]), *normal(size)


def matrices(size: int) -> tuple[Any, ...]:
    """Draw two square matrices of about so many elements."""
    rng, n = numpy.random.default_rng(size), round(size**0.5)
    return rng.normal(size=(n, n)), rng.normal(size=(n, n))


def complex_numbers(size: int) -> tuple[Any, ...]:
    a, b = two(size)
    return (a + 1j * b,)


def cosine(lib: Library, x: Array) -> Array:
    return lib.xp.cos(x)


def by_sign(
    positive: float, at_zero: float, negative: float
) -> Callable[[Library, Array], Array]:
    """Return the partial derivative that is one of three numbers."""

    def partial(lib: Library, x: Array) -> Array:
        ones = lib.xp.ones_like(x)
        below = lib.xp.where(x < 0, negative * ones, at_zero * ones)
        return lib.xp.where(x > 0, positive * ones, below)

    return partial


def safe_root(lib: Library, x: Array) -> Array:
    root = lib.xp.sqrt(lib.xp.where(x > 0, x, lib.xp.ones_like(x)))
    return lib.xp.where(x > 0, 0.5 / root, 0 * x)


def unsafe_root(lib: Library, x: Array) -> Array:
    """Give nan where the root is not taken: nan times 0 is nan."""
    taken = lib.xp.where(x > 0, lib.xp.ones_like(x), 0 * x)
    return taken * 0.5 / lib.xp.sqrt(x)


def root_of_positive(lib: Library, x: Array) -> Array:
    root = lib.xp.sqrt(lib.xp.where(x > 0, x, lib.xp.ones_like(x)))
    return lib.xp.where(x > 0, root, 0 * x)


def total(lib: Library, x: Array) -> Array:
    """Return the sum as an array of one element."""
    return lib.xp.reshape(lib.xp.sum(x), (1,))


sine = elementwise(lambda lib, x: lib.xp.sin(x), cosine, normal)
cube = elementwise(lambda lib, x: x * x * x / 3, lambda lib, x: x * x, scales)
square = elementwise(lambda lib, z: z * z, lambda lib, z: 2 * z, complex_numbers)
absolute = elementwise(lambda lib, x: lib.xp.abs(x), by_sign(1, 0, -1), with_a_zero)
relu = elementwise(
    lambda lib, x: lib.xp.where(x > 0, x, 0 * x), by_sign(1, 0, 0), with_a_zero
)
root = elementwise(root_of_positive, safe_root, away_from_zero)
scaling = Function(
    lambda lib, a, x: a * x,
    (lambda lib, xs, t: t * xs[1], lambda lib, xs, t: xs[0] * t),
    (lambda lib, xs, u: total(lib, u * xs[1]), lambda lib, xs, u: u * xs[0]),
    factor_and_array,
)
wave = Function(
    lambda lib, a, x: a * lib.xp.sin(x),
    *(
        (
            lambda lib, xs, t: t * lib.xp.sin(xs[1]),
            lambda lib, xs, t: t * xs[0] * lib.xp.cos(xs[1]),
        ),
    )
    * 2,
    two,
)
product = Function(
    lambda lib, a, b: a @ b,
    (lambda lib, xs, t: t @ xs[1], lambda lib, xs, t: xs[0] @ t),
    (lambda lib, xs, u: u @ xs[1].T, lambda lib, xs, u: xs[0].T @ u),
    matrices,
)
summation = Function(
    lambda lib, x: lib.xp.sum(x),
    (lambda lib, xs, t: lib.xp.sum(t),),
    (lambda lib, xs, u: u * lib.xp.ones_like(xs[0]),),
    normal,
)


# ------------------------------------------------------------------ faults


def changed(
    change: Callable[[Library, tuple[Array, ...], Array], Array], maps: tuple[Map, ...]
) -> tuple[Map, ...]:
    """Return maps whose results are changed."""

    def around(right: Map) -> Map:
        return lambda lib, xs, t: change(lib, xs, right(lib, xs, t))

    return tuple(map(around, maps))


def times(factor: float) -> Map:
    return lambda lib, xs, r: r * factor


def without_one(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    kept = numpy.arange(r.shape[0]) != r.shape[0] // 2
    return lib.xp.where(lib.constant(kept), r, 0 * r)


def smallest_dropped(lib: Library, xs: tuple[Array, ...], t: Array) -> Array:
    (x,) = xs
    return lib.xp.where(lib.xp.abs(x) > lib.xp.min(lib.xp.abs(x)), t * x * x, 0 * t)


def doubled_below(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    return lib.xp.where(xs[0] < -1, 2 * r, r)


def in_double(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    return lib.cast(r, "float64")


def by_way_of_single(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    return lib.cast(lib.cast(r, "float32"), "float64")


def with_noise(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    """Change the last bits by chance, as sums in no fixed order do."""
    eps = 1.2e-7 if "32" in str(r.dtype) else 2.2e-16
    return r * (1 + eps * random.choice((-4, -3, -2, 2, 3, 4)))


def writing_to_the_argument(lib: Library, xs: tuple[Array, ...], u: Array) -> Array:
    bar = u * lib.xp.cos(xs[0])
    lib.write(xs[0])
    return bar


def writing_to_the_cotangent(lib: Library, xs: tuple[Array, ...], u: Array) -> Array:
    bar = u * lib.xp.cos(xs[0])
    lib.write(u)
    return bar


def one_off(lib: Library, xs: tuple[Array, ...], r: Array) -> Array:
    one = numpy.arange(r.shape[0]) == r.shape[0] // 2
    return lib.xp.where(lib.constant(one), r * 1.001, r)


def with_a_term(lib: Library, xs: tuple[Array, ...], t: Array) -> Array:
    """Add what a wrong index or a term forgotten in a proof may add."""
    return t * lib.xp.cos(xs[0]) + 1e-5 * lib.xp.sum(t)


def for_ones_only(lib: Library, xs: tuple[Array, ...], u: Array) -> Array:
    return lib.xp.cos(xs[0])


def for_packed_only(lib: Library, xs: tuple[Array, ...], u: Array) -> Array:
    """Take the cotangent's memory for what it is not, unless it has no gaps."""
    return lib.xp.cos(xs[0]) * (u if lib.packed(u) else lib.xp.roll(u, 1))


def second_off(lib: Library, xs: tuple[Array, ...], t: Array) -> Array:
    """Be right at first order; the derivative of this is -sin(x) * 1.001."""
    (x,) = xs
    at = lib.detach(x)
    return t * (lib.xp.cos(at) - 1.001 * (x - at) * lib.xp.sin(at))


def detached(lib: Library, xs: tuple[Array, ...], t: Array) -> Array:
    return t * lib.xp.cos(lib.detach(xs[0]))


REPAIRED = "the library converts it back"
IMMUTABLE = "arrays cannot be written to"
FIRST = "checks first derivatives only"
REVERSE = "takes gradients only"
TRANSPOSED = "reverse mode is derived from forward mode"
JAX, TORCH = ("JAX", "ours on JAX"), ("PyTorch", "PyTorch fast", "ours on PyTorch")


def both(
    name: str, function: Function, change: Map, absent: dict[str, str] | None = None
) -> Fault:
    """Return a fault in both modes."""
    push, pull = changed(change, function.push), changed(change, function.pull)
    return Fault(name, function, push, pull, absent=absent or {})


def reverse_only(
    name: str,
    function: Function,
    *maps: Map,
    absent: dict[str, str] | None = None,
    dtypes: tuple[str, ...] = DTYPES,
) -> Fault:
    return Fault(name, function, (), maps, dtypes, absent or {})


def faults() -> list[Fault]:
    """Return all faults, those that are wrong by the least first."""
    in_float32 = ("float32",)
    first_only = {"ours, given rules": FIRST, "scipy": FIRST}
    not_forward = dict.fromkeys(JAX, TRANSPOSED) | {"scipy": REVERSE}
    not_in_jax = dict.fromkeys(JAX, IMMUTABLE)
    complex_ = {"scipy": "real numbers only", "ours, declared": "real numbers only"}
    step = (diagonal(lambda lib, x: lib.xp.cos(x)),)
    conjugate = (diagonal(lambda lib, z: 2 * lib.xp.conj(z)),)
    detaching = (detached,)
    at_abs, at_relu = (diagonal(by_sign(1, 5, -1)),), (diagonal(by_sign(1, 5, 0)),)
    unsafe = (diagonal(unsafe_root),)
    minimal, added, off = (smallest_dropped,), (with_a_term,), (second_off,)
    no_strides = dict.fromkeys((*JAX, "scipy"), "there are no strides")
    return [
        replace(both("times 1 + 1e-6", sine, times(1 + 1e-6)), dtypes=("float64",)),
        replace(
            both("computed in float32", sine, by_way_of_single), dtypes=("float64",)
        ),
        replace(both("times 1 + 1e-4", sine, times(1 + 1e-4)), dtypes=in_float32),
        both("times 1 + 1e-3", sine, times(1 + 1e-3)),
        both("sign flipped", sine, times(-1)),
        both("zero", sine, times(0)),
        both("zero, of a sum", summation, times(0)),
        both("one element zeroed", sine, without_one),
        both("one element times 1 + 1e-3", sine, one_off),
        Fault("a term of 1e-5 added", sine, added, added),
        Fault("smallest element zeroed", cube, minimal, minimal),
        both("rolled by one place", sine, lambda lib, xs, r: lib.xp.roll(r, 1)),
        reverse_only(
            "one term of the broadcast sum",
            scaling,
            lambda lib, xs, u: (u * xs[1])[-1:],
            scaling.pull[1],
        ),
        reverse_only(
            "mean for the broadcast sum",
            scaling,
            lambda lib, xs, u: total(lib, u * xs[1]) / xs[1].shape[0],
            scaling.pull[1],
        ),
        Fault("arguments swapped", wave, wave.push[::-1], wave.pull[::-1]),
        Fault(
            "matrix transposed",
            product,
            (lambda lib, xs, t: t @ xs[1].T, product.push[1]),
            (lambda lib, xs, u: u @ xs[1], product.pull[1]),
        ),
        Fault("conjugate missing", square, conjugate, conjugate, absent=complex_),
        Fault(
            "second derivative detached", sine, detaching, detaching, absent=first_only
        ),
        Fault("second derivative times 1 + 1e-3", sine, off, off, absent=first_only),
        reverse_only(
            "cotangent ignored",
            sine,
            for_ones_only,
            absent={"scipy": "has no cotangents"},
        ),
        reverse_only(
            "strides of the cotangent ignored",
            sine,
            for_packed_only,
            absent=no_strides,
        ),
        reverse_only(
            "times 1 + 1e-3, reverse only", sine, *changed(times(1.001), step)
        ),
        Fault(
            "times 1 + 1e-3, forward only",
            sine,
            changed(times(1.001), step),
            absent=not_forward,
        ),
        Fault("nan in the branch not taken", root, unsafe, unsafe),
        Fault("abs'(0) = 5", absolute, at_abs, at_abs),
        Fault("relu'(0) = 5", relu, at_relu, at_relu),
        reverse_only(
            "float64 for float32",
            sine,
            *changed(in_double, step),
            dtypes=in_float32,
            absent=dict.fromkeys(TORCH, REPAIRED) | {"scipy": "computes in float64"},
        ),
        reverse_only(
            "another shape, that broadcasts", summation, lambda lib, xs, u: 1 * u
        ),
        reverse_only(
            "argument written to",
            sine,
            writing_to_the_argument,
            absent=not_in_jax | {"ours, declared": "rules have a copy"},
        ),
        reverse_only(
            "cotangent written to",
            sine,
            writing_to_the_cotangent,
            absent=not_in_jax | {"scipy": "has no cotangents"},
        ),
        both("another result each time", sine, with_noise),
        both("wrong where x < -1", sine, doubled_below),
    ]


# ------------------------------------------------------------------ checkers
# Each returns the stages of a check: functions that raise where they refuse.


def write_numpy(x: Array) -> None:
    if isinstance(x, numpy.ndarray) and x.flags.writeable:
        x[..., 0] += 1


def packed(x: Array) -> bool:
    return not isinstance(x, numpy.ndarray) or bool(x.flags.c_contiguous)


def astype(x: Array, dtype: str) -> Array:
    return x.astype(dtype)


NUMPY = Library(numpy, numpy.asarray, lambda x: x, astype, write_numpy, packed)


def numpy_value(planted: Planted) -> Callable[..., Array]:
    return lambda *xs: planted.value(NUMPY, *xs)


def ours_given(planted: Planted) -> list[Stage]:
    planted = planted.conjugating()
    value = numpy_value(planted)

    def jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
        return value(*primals), planted.pushed(NUMPY, primals, tangents)

    def vjp(*xs: Array) -> tuple[Array, Callable[[Array], Any]]:
        return value(*xs), lambda u: planted.pulled(NUMPY, xs, u)

    return [lambda: report(value, *planted.arguments, jvp=jvp, vjp=vjp)]


def report(*arguments: Any, **keywords: Any) -> None:
    check_grads(*arguments, **keywords)


numbers = itertools.count()


def ours_declared(planted: Planted) -> list[Stage]:
    return [lambda: with_declared(planted, report)]


def with_declared(planted: Planted, check: Callable[..., None]) -> None:
    """Declare an operation with these rules, check it, and forget it."""

    def library(xp: Any) -> Library:
        astype, detach = xp.astype, ag.stop_gradient
        return Library(xp, numpy.asarray, detach, astype, write_numpy, packed)

    name = f"planted_{next(numbers)}"
    count = len(planted.arguments)
    names = ("x1", "x2")[:count]
    jvp: dict[str, Callable[..., Any] | None] = {}
    vjp: dict[str, Callable[..., Any] | None] = {}
    for argument, push, pull in zip(names, planted.push, planted.pull, strict=True):
        jvp[argument] = one_rule(library, push, count)
        vjp[argument] = one_rule(library, pull, count)
    declaration = declarations()[count - 1]
    declaration.__name__ = name
    try:
        operation = general(
            jvp=jvp,
            vjp=vjp,
            samples=[sample(*(x.shape for x in planted.arguments))],
            implementation=lambda xp, *xs: planted.value(library(xp), *xs),
        )(declaration)
        check(operation, *planted.arguments)
    finally:
        registry.pop(name, None)


def declarations() -> tuple[Callable[..., Any], Callable[..., Any]]:
    def of_one(x1: Any, /) -> Any:
        """Compute a planted fault of one argument."""

    def of_two(x1: Any, x2: Any, /) -> Any:
        """Compute a planted fault of two arguments."""

    return of_one, of_two


def one_rule(
    library: Callable[[Any], Library], rule: Map, count: int
) -> Callable[..., Array]:
    """Return a map as a rule, which names the arguments as its parameters."""

    def of_one(xp: Any, t: Array, x1: Array) -> Array:
        return rule(library(xp), (x1,), t)

    def of_two(xp: Any, t: Array, x1: Array, x2: Array) -> Array:
        return rule(library(xp), (x1, x2), t)

    return of_one if count == 1 else of_two


def write_torch(x: Array) -> None:
    x.detach()[..., 0].add_(1)


def torch_function(planted: Planted) -> tuple[Any, Callable[..., Any], list[Any]]:
    torch = importlib.import_module("torch")
    lib = Library(
        torch,
        torch.as_tensor,
        lambda x: x.detach(),
        lambda x, dtype: x.to(getattr(torch, dtype)),
        write_torch,
        lambda x: x.is_contiguous(),
    )
    planted = planted.conjugating()

    class Rule(torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(*xs: Any) -> Any:
            return planted.value(lib, *xs)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, u: Any) -> Any:
            return planted.pulled(lib, ctx.saved_tensors, u)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            return planted.pushed(lib, ctx.saved_tensors, tangents)

    return torch, Rule.apply, [torch.tensor(x) for x in planted.arguments]


def pytorch(planted: Planted, fast: bool = False) -> list[Stage]:
    torch, function, arguments = torch_function(planted)

    def inputs() -> list[Any]:
        torch.manual_seed(0)
        return [x.clone().requires_grad_() for x in arguments]

    check = torch.autograd.gradcheck
    twice = torch.autograd.gradgradcheck
    return [
        lambda: check(function, inputs(), check_forward_ad=True, fast_mode=fast),
        lambda: twice(function, inputs(), check_fwd_over_rev=True, fast_mode=fast),
    ]


def pytorch_fast(planted: Planted) -> list[Stage]:
    return pytorch(planted, fast=True)


def ours_on_torch(planted: Planted) -> list[Stage]:
    """Check both modes at first order, and reverse over reverse at second.

    Forward over forward mode of a `torch.autograd.Function` is 0 in PyTorch, whatever
    its rules are, and is refused.
    """
    torch, function, arguments = torch_function(planted)
    func = torch.func
    return [
        lambda: report(function, *arguments, using=func, order=1),
        lambda: report(function, *arguments, using=func, modes=("reverse",)),
    ]


def jax_function(planted: Planted) -> tuple[Any, Callable[..., Any], Any, list[str]]:
    """Return a function with a rule of its own, and the modes that it has."""
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp, stop = jax.numpy, jax.lax.stop_gradient
    lib = Library(jnp, jnp.asarray, stop, astype, lambda x: None)
    arguments = tuple(map(jnp.asarray, planted.arguments))

    def value(*xs: Array) -> Array:
        return planted.value(lib, *xs)

    if planted.modes == ("reverse",):
        function = jax.custom_vjp(value)
        function.defvjp(
            lambda *xs: (value(*xs), xs), lambda xs, u: planted.pulled(lib, xs, u)
        )
        return jax, function, arguments, ["reverse"]
    function = jax.custom_jvp(value)
    function.defjvp(lambda xs, ts: (function(*xs), planted.pushed(lib, xs, ts)))
    return jax, function, arguments, ["forward", "reverse"]


def jax_checker(planted: Planted) -> list[Stage]:
    _, function, arguments, modes = jax_function(planted)
    check = importlib.import_module("jax.test_util").check_grads
    short = [mode[:3].replace("for", "fwd") for mode in modes]
    return [
        lambda: check(function, arguments, order=1, modes=short),
        lambda: check(function, arguments, order=2, modes=short),
    ]


def ours_on_jax(planted: Planted) -> list[Stage]:
    jax, function, arguments, modes = jax_function(planted)
    return [lambda: report(function, *arguments, using=jax, modes=modes)]


def hips(planted: Planted) -> list[Stage]:
    extend = importlib.import_module("autograd.extend")
    anp = importlib.import_module("autograd.numpy")
    check = importlib.import_module("autograd.test_util").check_grads
    getval = importlib.import_module("autograd.tracer").getval
    lib = Library(anp, numpy.asarray, getval, astype, write_numpy, packed)
    function = extend.primitive(numpy_value(planted))
    places = range(len(planted.arguments))
    extend.defvjp(
        function,
        *(lambda y, *xs, k=k: lambda u: planted.pull[k](lib, xs, u) for k in places),
    )
    extend.defjvp(
        function, *(lambda t, y, *xs, k=k: planted.push[k](lib, xs, t) for k in places)
    )

    def at(order: int) -> None:
        numpy.random.seed(0)
        check(function, order=order)(*planted.arguments)

    return [lambda: at(1), lambda: at(2)]


def scipy(planted: Planted) -> list[Stage]:
    """Check the gradient of a weighted sum of the results, of all arguments in one."""
    check = importlib.import_module("scipy.optimize").check_grad
    shapes = [x.shape for x in planted.arguments]
    ends = numpy.cumsum([x.size for x in planted.arguments])[:-1]
    dtype = planted.arguments[0].dtype
    at = numpy.concatenate([x.ravel() for x in planted.arguments])
    y = planted.value(NUMPY, *planted.arguments)
    weights = numpy.asarray(numpy.cos(numpy.arange(y.size)).reshape(y.shape), dtype)

    def split(x: Array) -> list[Array]:
        parts = zip(numpy.split(x, ends), shapes, strict=True)
        return [part.reshape(shape).astype(dtype, copy=False) for part, shape in parts]

    def function(x: Array) -> Any:
        return numpy.sum(weights * planted.value(NUMPY, *split(x)))

    def gradient(x: Array) -> Array:
        bars = planted.pulled(NUMPY, split(x), weights.copy())
        return numpy.concatenate([numpy.ravel(bar) for bar in bars])

    def run() -> None:
        error = float(check(function, gradient, at.copy()))
        assert error <= REFUSED_BY_SCIPY, error

    return [run]


CHECKERS: dict[str, tuple[Callable[[Planted], list[Stage]], str]] = {
    "ours, given rules": (ours_given, "autograd_core"),
    "ours, declared": (ours_declared, "autograd_core"),
    "ours on PyTorch": (ours_on_torch, "torch"),
    "ours on JAX": (ours_on_jax, "jax"),
    "PyTorch": (pytorch, "torch"),
    "PyTorch fast": (pytorch_fast, "torch"),
    "JAX": (jax_checker, "jax"),
    "HIPS": (hips, "autograd"),
    "scipy": (scipy, "scipy"),
}


# ------------------------------------------------------------------ verdicts


def refused(stage: Stage) -> str:
    """Run a stage; say whether it refuses, accepts, or cannot tell."""
    random.seed(0)
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            stage()
        except InconclusiveError:
            return "unsure"
        except NotImplementedError:  # the library, not the checker, stops here
            return "accepted"
        except Exception:  # whatever a checker or its library raises
            return "refused"
    return "accepted"


def verdict(
    name: str, fault: Fault, size: int, dtype: str, right: dict[Any, Any]
) -> str:
    """Say what a checker makes of a fault; `right` remembers it of the right rules."""
    if name in fault.absent:
        return "n.a."
    checker, _ = CHECKERS[name]
    planted = fault.planted(size, dtype)
    key = (name, id(fault.function), size, dtype, planted.modes)
    if key not in right:
        same = fault.function
        control = replace(planted, push=same.push, pull=same.pull)
        right[key] = [refused(stage) for stage in checker(control)]
    if right[key][0] != "accepted":
        return "alarm"
    wrong = [
        refused(stage)
        for stage, of_right in zip(checker(planted), right[key], strict=True)
        if of_right == "accepted"
    ]
    if "refused" in wrong:
        return "caught"
    return "unsure" if "unsure" in wrong else "missed"


def installed(package: str) -> bool:
    with contextlib.suppress(ImportError):
        importlib.import_module(package)
        return True
    return False


def summary(verdicts: dict[int, str]) -> str:
    """Return one cell of the table: a word, and the sizes where there are others."""
    found = set(verdicts.values())
    if len(found) == 1:
        return found.pop()
    return ", ".join(
        f"{word} at {' and '.join(str(n) for n, v in verdicts.items() if v == word)}"
        for word in ("alarm", "unsure", "missed", "n.a.")
        if word in found
    )


def measure(
    shown: Sequence[Fault], checkers: Sequence[str], sizes: Sequence[int]
) -> Iterator[tuple[Fault, str, dict[str, dict[int, str]]]]:
    """Yield each fault and dtype with the verdict of each checker at each size."""
    right: dict[Any, Any] = {}
    for fault in shown:
        for dtype in fault.dtypes:
            yield (
                fault,
                dtype,
                {
                    name: {n: verdict(name, fault, n, dtype, right) for n in sizes}
                    for name in checkers
                },
            )


def table(
    shown: Sequence[Fault], checkers: Sequence[str], sizes: Sequence[int]
) -> Iterator[str]:
    """Yield the lines of a Markdown table, and of the totals under it."""
    totals: dict[str, list[str]] = {name: [] for name in checkers}
    yield f"| fault | dtype | {' | '.join(checkers)} |"
    yield "|---|---|" + "---|" * len(checkers)
    for fault, dtype, row in measure(shown, checkers, sizes):
        for name, verdicts in row.items():
            totals[name] += verdicts.values()
        cells = " | ".join(summary(verdicts) for verdicts in row.values())
        yield f"| {fault.name} | {dtype} | {cells} |"
    for word in ("caught", "missed", "alarm", "unsure", "n.a."):
        counts = " | ".join(str(totals[name].count(word)) for name in checkers)
        yield f"| **{word}** | cases | {counts} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    parser.add_argument(
        "--checkers", default="", help="names of columns, between semicolons"
    )
    options = parser.parse_args(arguments)
    wanted = [name.strip() for name in options.checkers.split(";") if name.strip()]
    names = [name for name in CHECKERS if not wanted or name in wanted]
    for name in names:
        if not installed(CHECKERS[name][1]):
            print(f"{name}: missing")
    present = [name for name in names if installed(CHECKERS[name][1])]
    shown = [fault for fault in faults() if options.only in fault.name]
    sizes = [int(n) for n in options.sizes.split(",")]
    for line in table(shown, present, sizes):
        print(line, flush=True)


if __name__ == "__main__":
    main()
