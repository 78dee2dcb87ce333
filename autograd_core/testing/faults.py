"""Faults: the ways in which a derivative can be wrong that the checker must notice.

A fault is a function of one application of a right rule, `Applied`, that returns what a
wrong rule would, or None where the wrong rule happens to be right. Its docstring is the
sentence that tables show, in which a seed is a tangent or a cotangent. Faults are
planted in copies of operations; the registry of operations stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from autograd_core.backend import backend_of, get_backend
from autograd_core.masks import plain
from autograd_core.operation import Operation, Rule
from autograd_core.reverse import stop_gradient
from autograd_core.source import public_function
from autograd_core.tensor import Dual, Tensor, Tracked, holds_tracked, lowest
from autograd_core.testing.arrays import Array, NDArray, is_complex, like, to_numpy
from autograd_core.testing.samples import variants

OFF = 1e-6  # relative: as small a fault as should be seen in double precision
OFF_SINGLE = 1e-2  # and in single precision
MANY = 1000  # elements; more make an array large
SMALL_SEED, LARGE_SEED = 1e-8, 1e3

FORWARD, REVERSE = "jvp", "vjp"
MODES = ((FORWARD, REVERSE), (FORWARD,), (REVERSE,))

Modes: TypeAlias = tuple[str, ...]
Plant: TypeAlias = Callable[[Operation, int, Modes], Operation | None]


@dataclass(frozen=True)
class Fault:
    """A way to be wrong.

    Attributes
    ----------
    name, sentence
        What it is called, and what it does.
    plant
        ``plant(operation, argument, modes)``: the wrong copy of an operation, or None
        where it has no place for this fault.
    modes
        In which modes it is planted: each entry makes a mutant.
    whole
        Whether it concerns the operation, not the rule of one argument.
    """

    name: str
    sentence: str
    plant: Plant
    modes: tuple[Modes, ...]
    whole: bool = False


FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""


# ------------------------------------------------------------------ planting


@dataclass
class Applied:
    """One application of a right rule, as a fault sees it.

    Attributes
    ----------
    operation, argument, mode
        Whose rule it is: the place of the argument, and ``"jvp"`` or ``"vjp"``.
    rule
        The right rule.
    xp, t, saved
        What it is called with.
    known
        What was asked for beside that, by name.
    memory
        What the fault remembers from one application to the next.
    """

    operation: Operation
    argument: int
    mode: str
    rule: Rule
    xp: Any
    t: Array
    saved: tuple[Any, ...]
    known: dict[str, Any]
    memory: dict[Any, Any]

    def right(self, t: Array | None = None) -> Array:
        """Return the right derivative, of another tangent or cotangent if given.

        Without the mask of a branch that was not taken, which numbers do not need.
        """
        t = self.t if t is None else t
        return plain(self.rule.function(self.xp, t, *self.saved))

    @property
    def primal(self) -> Any:
        """The argument itself, under all levels."""
        return lowest(self.known[self.operation.arguments[self.argument]])

    @property
    def others(self) -> list[Any]:
        """The other arguments, under all levels."""
        names = self.operation.arguments
        return [lowest(self.known[n]) for n in names if n != names[self.argument]]

    @property
    def tracked(self) -> bool:
        """Whether derivatives of this derivative are being taken."""
        return holds_tracked((self.t, *self.saved))

    def scaled(self, by: Any = 1 + OFF) -> Array:
        """Return the right derivative times a number, or elementwise an array."""
        return times(self.right(), by)

    def off_where(self, chosen: NDArray, off: Any = OFF) -> Array | None:
        """Return the derivative wrong for some elements of the argument."""
        if not chosen.any():
            return None
        weights = 1 + off * chosen
        if self.mode == FORWARD:  # the tangent has the shape of the argument
            return self.right(times(self.t, weights))
        right = self.right()
        fits = len(right.shape) >= weights.ndim and all(
            n in (1, m)
            for n, m in zip(weights.shape[::-1], right.shape[::-1], strict=False)
        )
        return times(right, weights if fits else 1 + off)


def times(x: Array, by: Any) -> Array:
    """Return an array times a number or an ndarray, in its own library and dtype."""
    if np.ndim(by) == 0:
        return x * float(by)
    return x * like(np.asarray(by), lowest(x))


def values(x: Any) -> NDArray:
    """Return the numbers under all levels."""
    return to_numpy(lowest(x))


def mutated(operation: Operation, **changed: Any) -> Operation:
    """Return a copy of an operation with other attributes, and functions to match."""
    wrong = copy.copy(operation)
    for name, value in changed.items():
        setattr(wrong, name, value)
    wrong.kept = frozenset(name for rule in wrong.vjp if rule for name in rule.names)
    wrong.function = public_function(wrong)
    return wrong


def with_rules(
    operation: Operation, k: int, modes: Modes, change: Callable[[str, Rule], Any]
) -> Operation | None:
    """Return a copy of an operation with other rules for one argument."""
    changed: dict[str, Any] = {}
    for mode in modes:
        rules = getattr(operation, mode)
        if operation.variadic and mode == FORWARD:
            return None  # a function linear in all its arguments has no forward rule
        changed[mode] = (*rules[:k], change(mode, rules[k]), *rules[k + 1 :])
    return mutated(operation, **changed)


Wrong: TypeAlias = Callable[[Applied], Array | None]


def fault(
    needs: str = "",
    *,
    modes: tuple[Modes, ...] = MODES,
    applies: Callable[[Operation], bool] = bool,
    saved: int = 0,
) -> Callable[[Wrong], Wrong]:
    """Declare a fault of single rules.

    Parameters
    ----------
    needs
        ``"arguments"``, ``"statics"`` or both, if it asks for them.
    modes
        In which modes to plant it.
    applies
        Whether an operation has a place for it.
    saved
        How many things a rule must save to have a place for it.
    """

    def declare(wrong: Wrong) -> Wrong:
        def plant(operation: Operation, k: int, modes: Modes) -> Operation | None:
            rules = [getattr(operation, mode)[k] for mode in modes]
            if not applies(operation) or not all(
                rule and len(rule.names) >= saved for rule in rules
            ):
                return None
            names: tuple[str, ...] = ()
            if "arguments" in needs:
                if operation.variadic:
                    return None
                names += operation.arguments
            if "statics" in needs:
                names += operation.statics
            memory: dict[Any, Any] = {}

            def change(mode: str, rule: Rule) -> Rule:
                return _wrong_rule(operation, k, mode, rule, names, wrong, memory)

            return with_rules(operation, k, modes, change)

        _register(wrong, plant, modes)
        return wrong

    return declare


def _wrong_rule(
    operation: Operation,
    k: int,
    mode: str,
    rule: Rule,
    needed: tuple[str, ...],
    wrong: Wrong,
    memory: dict[Any, Any],
) -> Rule:
    """Return a rule that is wrong where the fault says so, and else the right one."""
    own = len(rule.names)
    names = (*rule.names, *(name for name in needed if name not in rule.names))

    def function(xp: Any, t: Array, *given: Any) -> Array:
        known = dict(zip(names, given, strict=True))
        applied = Applied(operation, k, mode, rule, xp, t, given[:own], known, memory)
        result = wrong(applied)
        return rule.function(xp, t, *given[:own]) if result is None else result

    return Rule(function, names)


def whole_fault(*modes: Modes) -> Callable[[Plant], Plant]:
    """Declare a fault of an operation as a whole."""

    def declare(plant: Plant) -> Plant:
        _register(plant, plant, modes or MODES[:1], whole=True)
        return plant

    return declare


def _register(
    documented: Callable[..., Any],
    plant: Plant,
    modes: tuple[Modes, ...],
    whole: bool = False,
) -> None:
    sentence = " ".join((documented.__doc__ or "").partition("\n\n")[0].split())
    name = documented.__name__
    FAULTS[name] = Fault(name, sentence, plant, modes, whole)


# ------------------------------------------------------------------ everywhere


@fault()
def scaled(at: Applied) -> Array | None:
    """Multiply the derivative by 1 + 1e-6."""
    return at.scaled()


@fault()
def negated(at: Applied) -> Array | None:
    """Flip the sign of the derivative."""
    return -at.right()


@fault()
def largest_element_zeroed(at: Applied) -> Array | None:
    """Set the largest element of the derivative to 0."""
    right = at.right()
    return _without(right, np.argmax(np.abs(values(right)))) if _size(right) else None


@fault()
def smallest_element_zeroed(at: Applied) -> Array | None:
    """Set the smallest element of the derivative that is not 0 to 0."""
    right = at.right()
    sizes = np.abs(values(right))
    sizes = np.where(sizes > 0, sizes, np.inf)
    return _without(right, np.argmin(sizes)) if _size(right) else None


@fault()
def last_element_zeroed(at: Applied) -> Array | None:
    """Set the last element of the derivative to 0."""
    right = at.right()
    return _without(right, _size(right) - 1) if _size(right) else None


@fault()
def middle_element_off(at: Applied) -> Array | None:
    """Multiply one element in the middle of the derivative by 1 + 1e-5."""
    right = at.right()
    size = _size(right)
    return _without(right, size // 2, 1 + 1e-5) if size else None


def _size(x: Array) -> int:
    return int(np.prod(tuple(x.shape)))


def _without(x: Array, place: Any, weight: float = 0.0) -> Array:
    """Return an array with one element weighted, its place counted in a row."""
    weights = np.ones(tuple(x.shape))
    weights.reshape(-1)[place] = weight
    return times(x, weights)


@fault()
def term_added(at: Applied) -> Array | None:
    """Add 1e-6 times the sum of the seed to each element."""
    return at.right() + OFF * at.xp.sum(at.t)


@fault()
def constant_added(at: Applied) -> Array | None:
    """Add 1e-6 to each element, whatever the seed."""
    return at.right() + OFF


@fault()
def not_linear(at: Applied) -> Array | None:
    """Add 1e-6 r abs(r) to a derivative r, so that it is not linear in its seed."""
    right = at.right()
    return right + OFF * right * at.xp.abs(right)


@fault()
def rounded_to_single(at: Applied) -> Array | None:
    """Compute the derivative in single precision, and widen it again."""
    right = at.right()
    xp, dtype = at.xp, lowest(right).dtype
    if is_complex(lowest(right)):
        return None
    return xp.astype(xp.astype(right, _dtype(right, "float32")), dtype)


def _dtype(x: Array, name: str) -> Any:
    return backend_of(lowest(x)).dtype(name)


@fault()
def seed_ignored(at: Applied) -> Array | None:
    """Take every seed for ones."""
    return at.right(at.t * 0.0 + 1.0)


def _takes_complex_calls(operation: Operation) -> bool:
    """Say whether certificates call it with complex arrays."""
    if not operation.takes_complex:
        return False
    declared = (sample.is_complex for sample in operation.samples)
    return any(declared) or any(True for _ in variants(operation, "complex numbers"))


@fault(applies=_takes_complex_calls)
def conjugate_missing(at: Applied) -> Array | None:
    """Conjugate the derivative of a function of complex numbers."""
    right = at.right()
    return at.xp.conj(right) if is_complex(lowest(right)) else None


# ------------------------------------------------------------------ second order


@fault()
def seed_detached(at: Applied) -> Array | None:
    """Hold the seed constant: wrong where rules nest."""
    return at.right(stop_gradient(at.t)) if at.tracked else None


@fault(saved=1)
def residuals_detached(at: Applied) -> Array | None:
    """Hold constant what the rule saved: right at first order, not at second."""
    return _with_constants(at, slice(None)) if at.tracked else None


@fault(saved=2)
def first_residual_detached(at: Applied) -> Array | None:
    """Hold constant the first of several things that the rule saved."""
    return _with_constants(at, slice(0, 1)) if at.tracked else None


@fault(saved=2)
def second_residual_detached(at: Applied) -> Array | None:
    """Hold constant the second of several things that the rule saved."""
    return _with_constants(at, slice(1, 2)) if at.tracked else None


def _with_constants(at: Applied, which: slice) -> Array:
    """Apply the right rule with some of what it saved held constant."""
    saved = list(at.saved)
    saved[which] = map(stop_gradient, saved[which])
    return at.rule.function(at.xp, at.t, *saved)


@fault()
def result_detached(at: Applied) -> Array | None:
    """Hold the whole derivative constant, as if NumPy had computed it unseen."""
    return stop_gradient(at.right()) if at.tracked else None


@fault()
def refuses_to_nest(at: Applied) -> Array | None:
    """Take raw arrays only, and raise where rules nest."""
    if at.tracked:
        raise TypeError("this rule takes raw arrays only")
    return None


@fault()
def wrong_when_nested(at: Applied) -> Array | None:
    """Wrong by 1e-6 where rules nest."""
    return at.scaled() if at.tracked else None


@fault()
def wrong_for_tracked_seeds(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the seed is tracked."""
    return at.scaled() if isinstance(at.t, Tracked) else None


@fault()
def wrong_below_reverse_mode(at: Applied) -> Array | None:
    """Wrong by 1e-6 where reverse mode differentiates the rule."""
    return at.scaled() if _any_is(Tensor, at) else None


@fault()
def wrong_below_forward_mode(at: Applied) -> Array | None:
    """Wrong by 1e-6 where forward mode differentiates the rule."""
    return at.scaled() if _any_is(Dual, at) else None


def _any_is(kind: type, at: Applied) -> bool:
    return any(isinstance(x, kind) for x in (at.t, *at.saved))


@fault()
def wrong_at_third_order(at: Applied) -> Array | None:
    """Wrong by 1e-6 where two transforms differentiate the rule."""
    return at.scaled() if max(map(_levels, (at.t, *at.saved))) > 1 else None


def _levels(x: Any) -> int:
    """Return how many transforms are above an array."""
    count = 0
    while isinstance(x, Tracked):
        x, count = x.value, count + 1
    return count


# ------------------------------------------------------------------ order of elements


@fault()
def transposed(at: Applied) -> Array | None:
    """Transpose the derivative where it is square."""
    right = at.right()
    shape = right.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return None
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    return at.xp.permute_dims(right, axes)


@fault()
def reversed_order(at: Applied) -> Array | None:
    """Reverse the order of the elements."""
    right = at.right()
    return at.xp.flip(right) if right.shape else None


@fault()
def rolled(at: Applied) -> Array | None:
    """Shift the elements by one place."""
    right = at.right()
    return at.xp.roll(right, 1) if right.shape else None


# ------------------------------------------------------------------ broadcasting


def _broadcasts(operation: Operation) -> bool:
    return operation.broadcasts and len(operation.signature.parameters) > 1


@whole_fault((REVERSE,))
def broadcast_sum_dropped(
    operation: Operation, k: int, modes: Modes
) -> Operation | None:
    """Leave out the sum over the axes along which an argument was broadcast."""
    if not _broadcasts(operation):
        return None
    return mutated(operation, broadcasts=False, elementwise=False)


@fault("arguments", modes=((REVERSE,),), applies=_broadcasts)
def broadcast_mean(at: Applied) -> Array | None:
    """Average over broadcast axes instead of summing: every shape is right."""
    right = at.right()
    factor = np.prod(np.shape(at.primal)) / max(_size(right), 1)
    return times(right, factor) if factor != 1 else None


@whole_fault(*MODES)
def rules_swapped(operation: Operation, k: int, modes: Modes) -> Operation | None:
    """Exchange the rules of the first two arguments."""
    if len(operation.arguments) < 2:
        return None
    changed = {}
    for mode in modes:
        one, two, *rest = getattr(operation, mode)
        if one is None or two is None:
            return None
        x1, x2 = operation.arguments[:2]
        changed[mode] = (_at_home(two, x2, x1), _at_home(one, x1, x2), *rest)
    return mutated(operation, **changed)


def _at_home(rule: Rule, there: str, here: str) -> Rule:
    """Let a rule that names its argument's shape name that of its new argument."""
    own = {f"{there}_{suffix}": f"{here}_{suffix}" for suffix in ("shape", "device")}
    return Rule(rule.function, tuple(own.get(name, name) for name in rule.names))


# ------------------------------------------------------------------ kinds of arrays


@fault()
def wrong_in_single_precision(at: Applied) -> Array | None:
    """Wrong by 1e-2 for float32 only."""
    single = str(lowest(at.t).dtype).endswith("float32")
    return at.scaled(1 + OFF_SINGLE) if single else None


def _shapes(at: Applied) -> list[tuple[int, ...]]:
    """Return the shapes of the seed and of the derivative."""
    return [tuple(at.t.shape), tuple(at.right().shape)]


@fault()
def wrong_for_large_arrays(at: Applied) -> Array | None:
    """Wrong by 1e-6 for arrays of more than 1000 elements."""
    return at.scaled() if max(map(np.prod, _shapes(at))) > MANY else None


@fault()
def one_of_many_elements_off(at: Applied) -> Array | None:
    """In arrays of more than 1000 elements one is multiplied by 1 + 1e-5."""
    right = at.right()
    if _size(right) <= MANY:
        return None
    return _without(right, np.argmax(np.abs(values(right))), 1 + 1e-5)


@fault()
def wrong_for_axes_of_length_1(at: Applied) -> Array | None:
    """Wrong by 1e-6 for arrays with an axis of length 1."""
    return at.scaled() if any(1 in shape for shape in _shapes(at)) else None


@fault()
def wrong_for_no_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 for 0-d arrays."""
    return at.scaled() if () in _shapes(at) else None


@fault()
def wrong_for_one_axis(at: Applied) -> Array | None:
    """Wrong by 1e-6 for arrays of one axis."""
    return at.scaled() if 1 in map(len, _shapes(at)) else None


@fault()
def wrong_for_three_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 for arrays of three axes and more."""
    return at.scaled() if max(map(len, _shapes(at))) > 2 else None


@fault()
def wrong_for_square_arrays(at: Applied) -> Array | None:
    """Wrong by 1e-6 for arrays whose axes are of one length."""
    square = [len(shape) > 1 and len(set(shape)) == 1 for shape in _shapes(at)]
    return at.scaled() if any(square) else None


@fault()
def wrong_shape_for_nothing(at: Applied) -> Array | None:
    """Give an array without elements another shape."""
    right = at.right()
    if _size(right):
        return None
    return at.xp.reshape(right, (*right.shape, 1, 1))


@fault()
def raises_for_nothing(at: Applied) -> Array | None:
    """Raise an error for an array without elements."""
    if any(0 in shape for shape in _shapes(at)):
        raise ZeroDivisionError("there are no elements")
    return None


# ------------------------------------------------------------------ parameters


def _has_axis(operation: Operation) -> bool:
    return "axis" in operation.statics


@fault("statics", applies=_has_axis)
def wrong_for_negative_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 if an axis is counted from the end."""
    axis = at.known["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    return at.scaled() if any(a is not None and a < 0 for a in axes) else None


@fault("statics", applies=_has_axis)
def wrong_for_positive_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 if an axis other than the first is counted from the front."""
    axis = at.known["axis"]
    axes = axis if isinstance(axis, tuple) else (axis,)
    return at.scaled() if any(a is not None and a > 0 for a in axes) else None


@fault("statics", applies=_has_axis)
def wrong_for_all_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 if no axis is given."""
    return at.scaled() if at.known["axis"] is None else None


@fault("statics", applies=_has_axis)
def wrong_for_several_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the axis is a tuple of two or more."""
    axis = at.known["axis"]
    return at.scaled() if isinstance(axis, tuple) and len(axis) > 1 else None


@fault("statics", applies=_has_axis)
def wrong_for_an_empty_tuple_of_axes(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the axis is an empty tuple."""
    return at.scaled() if at.known["axis"] == () else None


def _defaults(operation: Operation) -> dict[str, Any]:
    """Return the parameters that are not differentiated, with their defaults."""
    parameters = operation.signature.parameters
    return {name: parameters[name].default for name in operation.statics}


def _has_switches(operation: Operation) -> bool:
    return any(isinstance(value, bool) for value in _defaults(operation).values())


@fault("statics", applies=_has_switches)
def wrong_with_a_switch_turned(at: Applied) -> Array | None:
    """Wrong by 1e-6 if a keyword that is True or False has not its default value."""
    for name, default in _defaults(at.operation).items():
        if isinstance(default, bool) and at.known[name] is not default:
            return at.scaled()
    return None


@fault("statics", applies=lambda op: bool(op.statics))
def wrong_for_negative_parameters(at: Applied) -> Array | None:
    """Wrong by 1e-6 if a number, not an axis, is negative: an offset, a shift."""
    numbers = [
        value
        for name, value in at.known.items()
        if name in at.operation.statics and name != "axis"
        if isinstance(value, (int, float))
    ]
    return at.scaled() if any(number < 0 for number in numbers) else None


@fault("statics", applies=lambda op: bool(op.statics))
def wrong_for_given_parameters(at: Applied) -> Array | None:
    """Wrong by 1e-6 if a number, not an axis or a switch, has not its default value."""
    for name, default in _defaults(at.operation).items():
        value = at.known[name]
        number = type(default) in (int, float) and type(value) in (int, float)
        if number and value != default:
            return at.scaled()
    return None


# ------------------------------------------------------------------ regions


@fault("arguments")
def wrong_below_minus_one(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is below -1."""
    return at.off_where(values(at.primal) < -1)


@fault("arguments")
def wrong_above_three_halves(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is above 1.5."""
    return at.off_where(values(at.primal) > 1.5)


def _takes_any_shape(operation: Operation) -> bool:
    return operation.elementwise and not operation.statics


@fault("arguments", applies=_takes_any_shape)
def wrong_in_a_narrow_band(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is between 0.30 and 0.32."""
    x = values(at.primal)
    return at.off_where((x > 0.3) & (x < 0.32))


@fault("arguments")
def wrong_for_large_values(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is beyond 10 on either side."""
    return at.off_where(np.abs(values(at.primal)) > 10)


@fault("arguments")
def wrong_for_huge_values(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is beyond 1000 on either side."""
    return at.off_where(np.abs(values(at.primal)) > 1000)


@fault("arguments")
def wrong_for_small_values(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is within 1e-2 of 0."""
    return at.off_where(np.abs(values(at.primal)) < 1e-2)


@fault("arguments")
def wrong_for_tiny_values(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is within 1e-6 of 0, but not 0."""
    x = np.abs(values(at.primal))
    return at.off_where((x < 1e-6) & (x > 0))


@fault("arguments")
def wrong_at_zero(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is exactly 0."""
    return at.off_where(values(at.primal) == 0)


@fault("arguments")
def nan_at_zero(at: Applied) -> Array | None:
    """Not a number where the argument is exactly 0, as after a division by it."""
    return at.off_where(values(at.primal) == 0, np.nan)


@fault("arguments")
def wrong_at_whole_numbers(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument is a whole number other than 0."""
    x = values(at.primal)
    return at.off_where((x == np.round(x)) & (x != 0))


@fault("arguments")
def wrong_at_ties(at: Applied) -> Array | None:
    """Wrong by 1e-6 for elements of the argument that are equal."""
    x = values(at.primal)
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return at.off_where(counts[inverse].reshape(x.shape) > 1)


@fault("arguments", applies=lambda op: len(op.arguments) > 1)
def wrong_for_equal_arguments(at: Applied) -> Array | None:
    """Wrong by 1e-6 where the argument equals another one."""
    x = values(at.primal)
    for other in at.others:
        if np.shape(other) == x.shape:
            return at.off_where(x == values(other))
    return None


@fault("arguments", applies=lambda op: bool(op.kinks))
def wrong_at_declared_kinks(at: Applied) -> Array | None:
    """At a declared kink 1e-3 times the sum of the seed is added."""
    given = [values(at.known[name]) for name in at.operation.arguments]
    for kink in at.operation.kinks:
        pairs = zip(given, kink.values, strict=True)
        if all(np.array_equal(x, np.asarray(point)) for x, point in pairs):
            return at.right() + 1e-3 * at.xp.sum(at.t)
    return None


# ------------------------------------------------------------------ memory layout


def _strides(x: Any) -> tuple[int, ...]:
    """Return an array's strides, as far as its library has any."""
    raw = lowest(x)
    if isinstance(raw, np.ndarray):
        return raw.strides if raw.size > 1 else ()
    return raw.stride() if hasattr(raw, "stride") else ()


def _is_turned(x: Any) -> bool:
    """Say whether later axes have longer strides than earlier ones."""
    strides = _strides(x)
    return any(a < b for a, b in pairwise(strides))


@fault("arguments")
def wrong_for_reversed_arguments(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the argument has negative strides."""
    return at.scaled() if any(n < 0 for n in _strides(at.primal)) else None


@fault("arguments")
def wrong_for_transposed_arguments(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the argument is transposed in memory."""
    return at.scaled() if _is_turned(at.primal) else None


@fault()
def wrong_for_reversed_seeds(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the seed has negative strides."""
    return at.scaled() if any(n < 0 for n in _strides(at.t)) else None


@fault()
def wrong_for_transposed_seeds(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the seed is transposed in memory."""
    return at.scaled() if _is_turned(at.t) else None


@fault(modes=((REVERSE,),))
def wrong_for_seeds_of_stride_0(at: Applied) -> Array | None:
    """Wrong by 1e-6 if the cotangent has stride 0, as that of a sum has."""
    return at.scaled() if 0 in _strides(at.t) else None


# ------------------------------------------------------------------ the other operand


def _has_others(operation: Operation) -> bool:
    return len(operation.arguments) > 1


@fault("arguments", applies=_has_others)
def wrong_beside_a_float(at: Applied) -> Array | None:
    """Wrong by 1e-6 if another argument is a Python float."""
    return at.scaled() if any(type(x) is float for x in at.others) else None


@fault("arguments", applies=_has_others)
def wrong_beside_an_integer(at: Applied) -> Array | None:
    """Wrong by 1e-6 if another argument is a Python int."""
    return at.scaled() if any(type(x) is int for x in at.others) else None


@fault("arguments", applies=_has_others)
def wrong_beside_another_dtype(at: Applied) -> Array | None:
    """Wrong by 1e-2 if another argument is an array of another dtype."""
    dtypes = {str(x.dtype) for x in (at.primal, *at.others) if hasattr(x, "dtype")}
    return at.scaled(1 + OFF_SINGLE) if len(dtypes) > 1 else None


@fault("arguments", applies=_has_others)
def wrong_beside_another_shape(at: Applied) -> Array | None:
    """Wrong by 1e-6 if another argument is an array of another shape."""
    shapes = {tuple(x.shape) for x in (at.primal, *at.others) if hasattr(x, "shape")}
    return at.scaled() if len(shapes) > 1 else None


@fault("arguments", applies=_has_others)
def wrong_for_the_same_argument_twice(at: Applied) -> Array | None:
    """Wrong by 1e-6 if two arguments are one array."""
    return at.scaled() if any(x is at.primal for x in at.others) else None


# ------------------------------------------------------------------ special seeds


@fault()
def wrong_beside_zeros_in_the_seed(at: Applied) -> Array | None:
    """Wrong by 1e-6 if some elements of the seed are 0."""
    zeros = values(at.t) == 0
    return at.scaled() if zeros.any() and not zeros.all() else None


@fault()
def nan_at_zeros_of_the_seed(at: Applied) -> Array | None:
    """Not a number where the seed is 0, as after a division by it."""
    zeros = values(at.t) == 0
    if not zeros.any():
        return None
    if at.operation.elementwise:
        return at.scaled(np.where(zeros, np.nan, 1.0))
    return at.scaled(np.nan) if zeros.all() else None


@fault()
def wrong_for_seeds_of_ones(at: Applied) -> Array | None:
    """Wrong by 1e-6 if all of two or more elements of the seed are 1."""
    seed = values(at.t)
    return at.scaled() if seed.size > 1 and (seed == 1).all() else None


@fault()
def wrong_for_positive_seeds(at: Applied) -> Array | None:
    """Wrong by 1e-6 if all of two or more elements of the seed are positive."""
    seed = values(at.t)
    return at.scaled() if seed.size > 1 and (seed.real > 0).all() else None


@fault()
def tiny_seeds_dropped(at: Applied) -> Array | None:
    """Take elements of the seed below 1e-8 for 0."""
    seed = np.abs(values(at.t))
    tiny = (seed < SMALL_SEED) & (seed > 0)
    return at.right(times(at.t, np.where(tiny, 0.0, 1.0))) if tiny.any() else None


@fault()
def large_seeds_clipped(at: Applied) -> Array | None:
    """Clip elements of the seed above 1000 to that."""
    seed = np.abs(values(at.t))
    if not (seed > LARGE_SEED).any():
        return None
    return at.right(times(at.t, np.minimum(1.0, LARGE_SEED / np.maximum(seed, 1.0))))


# ------------------------------------------------------------------ kinds of results


@fault()
def widened(at: Applied) -> Array | None:
    """Return float64 for float32."""
    right = at.right()
    single = str(lowest(right).dtype).endswith("float32")
    return at.xp.astype(right, _dtype(right, "float64")) if single else None


@fault()
def first_element_for_all(at: Applied) -> Array | None:
    """Return the first element only, in shape (1,), which broadcasts."""
    right = at.right()
    if _size(right) < 2:
        return None
    return at.xp.reshape(right, (-1,))[0:1]


@fault()
def axis_too_many(at: Applied) -> Array | None:
    """Return an axis of length 1 too many."""
    right = at.right()
    return at.xp.reshape(right, (1, *right.shape))


@fault()
def python_number_for_no_axes(at: Applied) -> Array | None:
    """Return a Python number for a 0-d array."""
    right = at.right()
    if right.shape or isinstance(right, Tracked):
        return None
    return float(values(right))


def _not_numpy(operation: Operation) -> bool:
    return get_backend().name != "numpy"


@fault(applies=_not_numpy)
def of_another_library(at: Applied) -> Array | None:
    """Return an array of NumPy, whatever library computes."""
    right = at.right()
    raw = lowest(right)
    if isinstance(right, Tracked) or isinstance(raw, (np.ndarray, np.generic)):
        return None
    return values(raw)


@fault()
def missing(at: Applied) -> Array | None:
    """Raise NotImplementedError: the rule is still to be written."""
    raise NotImplementedError("this rule is still to be written")


# ------------------------------------------------------------------ manners


def _written(x: Any, by: float) -> bool:
    """Multiply an array in place, if its library lets one."""
    if isinstance(x, Tracked) or not getattr(x, "shape", ()):
        return False
    try:
        x[...] = x * by
    except (TypeError, ValueError):  # the library's arrays, or this one, are constant
        return False
    return True


@fault()
def seed_written_to(at: Applied) -> Array | None:
    """Double the seed in place after use."""
    right = at.right() * 1.0
    return right if _written(at.t, 2.0) else None


@fault(saved=1)
def residual_written_to(at: Applied) -> Array | None:
    """Double in place, after use, what the rule saved."""
    right = at.right() * 1.0
    written = [_written(x, 2.0) for x in at.saved]
    return right if any(written) else None


@fault()
def seed_returned(at: Applied) -> Array | None:
    """Return the seed itself where the derivative equals it."""
    right = at.right()
    same = right.shape == at.t.shape and not isinstance(right, Tracked)
    return at.t if same and np.array_equal(values(right), values(at.t)) else None


@fault()
def view_of_the_seed_returned(at: Applied) -> Array | None:
    """Return a view of the seed where it has the derivative's elements."""
    right = at.right()
    if isinstance(right, Tracked) or isinstance(at.t, Tracked):
        return None
    if _size(right) != _size(at.t) or not right.shape:
        return None
    view = at.xp.reshape(at.t, right.shape)
    return view if np.array_equal(values(right), values(view)) else None


@fault()
def one_buffer_for_all(at: Applied) -> Array | None:
    """Write every derivative of one shape to the same memory."""
    right = at.right()
    if isinstance(right, Tracked) or not right.shape:
        return None
    kind = right.shape, right.dtype, _strides(right)  # sums depend on the strides
    buffer = at.memory.setdefault(kind, right * 1.0)
    try:
        buffer[...] = right
    except (TypeError, ValueError):
        return None
    return buffer


@fault()
def noisy(at: Applied) -> Array | None:
    """Multiply by 1 + noise of size 1e-12, other each time."""
    rng = at.memory.setdefault("rng", np.random.default_rng(0))
    return at.scaled(1 + 1e-12 * rng.normal())


@fault()
def wrong_every_third_time(at: Applied) -> Array | None:
    """Wrong by 1e-6 at every third application."""
    at.memory["times"] = at.memory.get("times", 0) + 1
    return at.scaled() if at.memory["times"] % 3 == 0 else None


@fault()
def first_result_remembered(at: Applied) -> Array | None:
    """Remember the first derivative of each shape, and give it ever after."""
    right = at.right()
    if isinstance(right, Tracked):
        return None
    return at.memory.setdefault((right.shape, right.dtype), right)


# ------------------------------------------------------------------ the function


@whole_fault()
def value_changed_by_tracking(
    operation: Operation, k: int, modes: Modes
) -> Operation | None:
    """Change the result by a rounding error where it is differentiated."""
    return _wrapped(operation, lambda y: y * (1 + 2.3e-16) if holds_tracked(y) else y)


@whole_fault()
def axis_added_by_tracking(
    operation: Operation, k: int, modes: Modes
) -> Operation | None:
    """Add an axis to the result where it is differentiated."""
    return _wrapped(operation, lambda y: y[None, ...] if holds_tracked(y) else y)


def _wrapped(operation: Operation, change: Callable[[Any], Any]) -> Operation:
    """Return an operation whose public function changes its result."""
    wrong = mutated(operation)
    function = wrong.function
    wrong.function = lambda *arrays, **others: change(function(*arrays, **others))
    return wrong


@whole_fault()
def input_written_to(operation: Operation, k: int, modes: Modes) -> Operation | None:
    """Double the first argument in place after use."""
    wrong = mutated(operation)
    function = wrong.function

    def writes(*arrays: Any, **others: Any) -> Any:
        y = function(*arrays, **others)
        first = arrays[0][0] if operation.variadic else arrays[0]
        _written(lowest(first), 2.0)
        return y

    wrong.function = writes
    return wrong
