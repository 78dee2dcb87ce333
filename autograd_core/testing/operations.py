"""`certify_operation`: all that is asked of an operation, from its declaration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from autograd_core import backend
from autograd_core.errors import describe, error
from autograd_core.forward import jvp
from autograd_core.operation import Kink, Operation, Sample, operation_of, registry
from autograd_core.reverse import vjp
from autograd_core.testing.arrays import Array, NDArray, row, to_numpy
from autograd_core.testing.certificate import FAILED, PASSED, SKIPPED, Certificate
from autograd_core.testing.gradients import check_grads
from autograd_core.testing.report import GradientError, InconclusiveError
from autograd_core.testing.samples import (
    Call,
    calls,
    is_taken,
    outputs,
    variants,
)

Scenario: TypeAlias = Callable[[Operation], Iterator[str]]

SCENARIOS: dict[str, Scenario] = {}
MAGNITUDES = (1e-9, 1e-3, 20.0, 4e3)
MIXED = ((1.0, 1e-9, 1e-3, 20.0),)  # steps are then those of the larger elements
NUMBERS = (2.0, 2, 0.5)
NARROW = 1e-5  # by which a gradient in float32 may differ from one in float64

_shrinks: ContextVar[bool] = ContextVar("shrinks", default=True)


def scenario(name: str) -> Callable[[Scenario], Scenario]:
    """Declare a scenario: a function that yields what it checked."""

    def declare(check: Scenario) -> Scenario:
        SCENARIOS[name] = check
        return check

    return declare


def certify_operation(
    operation: Operation | Callable[..., Any] | str,
    *,
    only: Sequence[str] = (),
    raises: bool = True,
) -> Certificate:
    """Put a declared operation through everything asked of this project's own.

    Its declared samples are checked to second order with every property of
    `check_grads`; then mechanical variants of them, to first order: axes of length 1
    and 0, no axes, negative ones, all and none; switches turned; large arrays; other
    magnitudes; Python numbers in place of arrays; mixed dtypes. At its declared kinks
    the gradient must be the declared one, between the slopes around.

    Parameters
    ----------
    operation
        A declared operation, its public function, or its name.
    only
        Names of scenarios, to leave the others out.
    raises
        Whether to raise if a scenario fails.

    Returns
    -------
    Certificate
        What was asked and how it went; prints as a table.

    Raises
    ------
    CertificationError
        If a scenario fails. The message is the table, with a report of each failure.
    TypeError
        If it is not a declared operation, or one without rules.

    Examples
    --------
    >>> from autograd_core.testing import certify_operation
    >>> certify_operation("tanh").passed
    True
    """
    found = _declared(operation)
    certificate = Certificate(f"operation {found.name} on {backend.get_backend()}")
    for name, check in _chosen(only).items():
        checked = 0
        try:
            for _ in check(found):
                checked += 1
        except (GradientError, InconclusiveError) as fault:
            certificate.record(name, FAILED, str(fault))
        except Exception as fault:
            what = f"{type(fault).__name__}: {fault}"
            certificate.record(name, FAILED, f"raised {what}")
        else:
            if checked:
                certificate.record(name, PASSED, f"{checked} calls")
            else:
                certificate.record(name, SKIPPED, "the operation takes no such call")
    return certificate.require() if raises else certificate


def first_failure(
    operation: Operation, likely: str | None = None, only: Sequence[str] = ()
) -> tuple[str, Exception] | None:
    """Return the first scenario that an operation fails, and how; None if it passes.

    For mutation runs, which need no more: nothing is shrunk. The scenario that is
    likely to fail comes first.
    """
    before = _shrinks.set(False)
    try:
        scenarios = _chosen(only)
        for name in sorted(scenarios, key=lambda name: name != likely):
            try:
                for _ in scenarios[name](operation):
                    pass
            except Exception as fault:
                return name, fault
    finally:
        _shrinks.reset(before)
    return None


def _declared(operation: Operation | Callable[..., Any] | str) -> Operation:
    found = operation_of(operation)
    if found is None or not _has_calls(found):
        raise error(
            TypeError,
            "certify_operation",
            "there must be a declared operation of arrays, with samples",
            describe(operation),
            "Declare it with autograd_core.declare; check other functions with "
            "check_grads.",
        )
    return found


def _chosen(only: Sequence[str]) -> dict[str, Scenario]:
    for name in only:
        if name not in SCENARIOS:
            raise error(
                ValueError,
                "certify_operation",
                f"only must name scenarios, among {', '.join(map(repr, SCENARIOS))}",
                repr(name),
                "Leave it out for all.",
            )
    return {name: SCENARIOS[name] for name in only or SCENARIOS}


def _has_calls(operation: Operation) -> bool:
    """Say whether there are calls with arrays, and rules or a body for them."""
    derivable = any(operation.jvp) or not operation.jvp
    return derivable and any(sample.shapes for sample in operation.samples)


def _check(call: Call, order: int, seed: int = 0) -> str:
    """Check one call, and say which."""
    check_grads(
        call,
        *call.arrays(),
        order=order,
        seed=seed,
        shrink=_shrinks.get(),
        name=repr(call),
    )
    return repr(call)


# ------------------------------------------------------------------ scenarios


@scenario("declared samples, to second order")
def declared_samples(operation: Operation) -> Iterator[str]:
    """Check the calls of the declaration with every property."""
    for call in calls(operation):
        # a library's own function may take less than what ours is composed of
        if any(operation.jvp) or is_taken(call):
            yield _check(call, order=2)


def _varied(name: str) -> None:
    @scenario(name)
    def varied(operation: Operation) -> Iterator[str]:
        for call in variants(operation, name):
            yield _check(call, order=1)


for _name in (
    "axes of length 1 and 0",
    "more axes and fewer",
    "every axis and none",
    "switches",
    "complex numbers",
    "large arrays",
):
    _varied(_name)


@scenario("other magnitudes")
def other_magnitudes(operation: Operation) -> Iterator[str]:
    """Check where values are small, and where they are large."""
    for call in list(calls(operation))[:2]:
        for factor in (*MAGNITUDES, *MIXED):
            values = [
                _within(value * np.resize(factor, value.shape), domain)
                for value, domain in zip(call.values, call.domains, strict=True)
            ]
            other = replace(call, values=tuple(values))
            if is_taken(other):
                with suppress(InconclusiveError):  # many jumps to one step, say
                    _check(other, order=1)
                yield repr(other)


def _within(value: NDArray, domain: tuple[float, float]) -> NDArray:
    """Return values reflected into a domain where they are out of it."""
    low, high = domain
    value = np.where(value <= low, 2 * low - value + 1e-2, value)
    inside = low + (high - low) / 2 if np.isfinite(low + high) else high - 1
    return np.where(value >= high, inside, value)


@scenario("other points")
def other_points(operation: Operation) -> Iterator[str]:
    """Check the first samples at values of other draws."""
    for call in list(calls(operation))[:2]:
        for seed in (101, 102, 103):
            other = call.redrawn(seed)
            if is_taken(other):
                yield _check(other, order=1, seed=seed)


@scenario("whole numbers")
def whole_numbers(operation: Operation) -> Iterator[str]:
    """Check at zeros, whole numbers and ties: rules may treat them apart."""
    some = np.asarray([0.0, 1.0, 2.0, -1.0, 0.0, 3.0, 2.0])
    for call in list(calls(operation))[:2]:
        for numbers in (some, -some, np.zeros(1)):
            values = [
                _within(np.resize(numbers, v.shape), domain)
                for v, domain in zip(call.values, call.domains, strict=True)
            ]
            other = replace(call, values=tuple(values))
            if is_taken(other):
                with suppress(InconclusiveError):
                    _check(other, order=1)
                yield repr(other)


@scenario("beyond the domain")
def beyond_the_domain(operation: Operation) -> Iterator[str]:
    """Check at negated values, where they leave the domain and the call still holds."""
    if all(domain[0] == -np.inf for domain in operation.domain.values()):
        return
    for call in list(calls(operation))[:2]:
        for k in range(len(call.values)):
            values = list(call.values)
            values[k] = -values[k]
            other = replace(call, values=tuple(values))
            if is_taken(other):
                with suppress(InconclusiveError):
                    _check(other, order=1)
                yield repr(other)


@scenario("one array for all arguments")
def one_array_for_all(operation: Operation) -> Iterator[str]:
    """Check ``f(x, x)`` with samples whose arguments have several shapes."""
    for call in calls(operation):
        if len(call.values) < 2 or not operation.jvp:
            continue
        for value in call.values[:2]:
            shapes = tuple(value.shape for _ in call.values)
            alike = replace(call.sample, shapes=shapes)
            other = replace(call, sample=alike, values=(value,) * len(shapes))
            if is_taken(other):
                with suppress(InconclusiveError):
                    _check(other, order=1)
                yield repr(other)


@scenario("mixed dtypes")
def mixed_dtypes(operation: Operation) -> Iterator[str]:
    """Check each argument in float32 beside others in float64, held constant or not."""
    call = max(calls(operation), key=lambda call: len(call.values))
    if len(call.values) < 2 or not operation.jvp:
        return
    xp = backend.get_backend()
    for k in range(len(call.values)):
        arrays = list(call.arrays())
        arrays[k] = xp.namespace.astype(arrays[k], xp.dtype("float32"))
        if not _takes(call, *arrays):
            continue
        held = _held(call, arrays, k)
        others = [x for j, x in enumerate(arrays) if j != k]
        name = f"{call!r} with {call.names[k]} in float32"
        check_grads(held, *others, order=1, shrink=_shrinks.get(), name=name)
        _, pullback = vjp(outputs(call), *arrays)
        values = outputs(call)(*arrays)
        bar = pullback(tuple(xp.ones_like(y) for y in values))[k]
        wide = list(call.arrays())
        wide[k] = xp.namespace.astype(arrays[k], xp.dtype("float64"))
        _, pullback = vjp(outputs(call), *wide)
        values = outputs(call)(*wide)
        expected = to_numpy(pullback(tuple(xp.ones_like(y) for y in values))[k])
        if bar.dtype != arrays[k].dtype:
            raise AssertionError(f"{name}: its gradient is {bar.dtype}")
        if not np.allclose(to_numpy(bar), expected, rtol=NARROW, atol=NARROW):
            raise AssertionError(f"{name}: its gradient is {bar}, not {expected}")
        yield name


def _held(call: Call, arrays: Sequence[Array], k: int) -> Callable[..., Any]:
    """Return a call as a function of all arrays but one."""

    def held(*others: Array) -> Any:
        return call(*others[:k], arrays[k], *others[k:])

    return held


@scenario("one sample, to third order")
def third_order(operation: Operation) -> Iterator[str]:
    """Check the smallest sample that is not empty one order higher."""
    sizes = {
        k: sum(v.size for v in call.values) for k, call in enumerate(calls(operation))
    }
    filled = [k for k, size in sizes.items() if size]
    if filled:
        smallest = min(filled, key=lambda k: sizes[k])
        call = list(calls(operation))[smallest]
        if any(operation.jvp) or is_taken(call):
            yield _check(call, order=3)


@scenario("Python numbers for arrays")
def python_numbers(operation: Operation) -> Iterator[str]:
    """Check ``f(x, 2.0)``, ``f(2, x)`` and so on: rules may treat numbers apart."""
    call = max(calls(operation), key=lambda call: len(call.values))
    if operation.variadic or len(call.values) < 2 or not operation.jvp:
        return
    for k in range(len(call.values)):
        for number in NUMBERS:
            alone = _with_numbers(call, k, number)
            x = backend.get_backend().asarray(call.values[k])
            name = f"{operation.name} of {call.names[k]}, the rest {number!r}"
            if _takes(alone, x):
                check_grads(alone, x, shrink=_shrinks.get(), name=name)
                yield name


def _with_numbers(call: Call, k: int, number: float) -> Callable[[Array], Any]:
    """Return a call as a function of one array, a number for each of the others."""

    def alone(x: Array) -> Any:
        given: list[Any] = [number] * len(call.values)
        given[k] = x
        return call(*given)

    return alone


def _takes(function: Callable[..., Any], *arrays: Array) -> bool:
    try:
        return bool(np.isfinite(row(outputs(function)(*arrays))).all())
    except Exception:  # whatever the library says
        return False


@scenario("declared kinks")
def declared_kinks(operation: Operation) -> Iterator[str]:
    """Compare the gradient with the declared one, and both with the slopes around."""
    for kink in operation.kinks:
        call = _call_at(operation, kink)
        _require_declared(call, kink)
        if np.isfinite(np.concatenate([np.ravel(g) for g in kink.gradient])).all():
            # where the function exists at isolated points only, nothing can be said
            with suppress(InconclusiveError):
                _check(call, order=1)
        yield repr(call)


def _call_at(operation: Operation, kink: Kink) -> Call:
    values = tuple(np.asarray(value, dtype=np.float64) for value in kink.values)
    shapes = tuple(value.shape for value in values)
    return Call(operation, Sample(shapes, kink.statics), values)


def _require_declared(call: Call, kink: Kink) -> None:
    """Raise unless the gradient at a kink is the declared one, in both modes."""
    function, arrays = outputs(call), call.arrays()
    xp = backend.get_backend()
    with np.errstate(all="ignore"):
        values, pullback = vjp(function, *arrays)
        bars = pullback(tuple(xp.ones_like(y) for y in values))
        for k, (bar, declared) in enumerate(zip(bars, kink.gradient, strict=True)):
            name = f"{call!r}: the gradient of {call.names[k]}"
            expected = np.broadcast_to(declared, tuple(bar.shape))
            _require_equal(name, to_numpy(bar), expected)
            direction = xp.ones_like(arrays[k])
            alone = _with_others(function, arrays, k)
            _, y_dot = jvp(alone, (arrays[k],), (direction,))
            total = np.asarray(row(y_dot).sum())
            _require_equal(f"{name} in forward mode", total, expected.sum())


def _with_others(
    function: Callable[..., Any], arrays: Sequence[Array], k: int
) -> Callable[[Array], Any]:
    """Return a function of one of its arguments."""
    return lambda x: function(*arrays[:k], x, *arrays[k + 1 :])


def _require_equal(name: str, got: NDArray, expected: Any) -> None:
    if not np.array_equal(got, expected, equal_nan=True):
        raise AssertionError(f"{name} is {got}, declared is {expected}")


def certify_operations(
    operations: Sequence[Operation] | None = None,
) -> Iterator[Certificate]:
    """Yield the certificate of every registered operation that has a derivative."""
    for operation in operations or registry.values():
        if _has_calls(operation):
            yield certify_operation(operation, raises=False)
