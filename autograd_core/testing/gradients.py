"""`check_grads`: whether a derivative is right, and if not, what is wrong with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from operator import index
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import pytree
from autograd_core.backend import backend_of, get_backend, use_backend
from autograd_core.errors import describe, error
from autograd_core.testing.arrays import (
    Array,
    NDArray,
    astype,
    is_complex,
    is_inexact,
    like,
    precision,
    row,
    to_numpy,
    zeros_like,
)
from autograd_core.testing.problem import (
    Arrays,
    Case,
    Operators,
    Problem,
    Pullback,
    flat,
    kept_outputs,
    names_of,
    scale_of,
)
from autograd_core.testing.properties import (
    PROPERTIES,
    Comparison,
    Point,
    Row,
    Skip,
    Violation,
    derivatives_are_like_their_primals,
    near,
)
from autograd_core.testing.reference import Reference, reference
from autograd_core.testing.report import (
    Failure,
    GradientError,
    InconclusiveError,
    Report,
    written,
)
from autograd_core.testing.shrinking import smallest

MODES = ("forward", "reverse")
MOVES = tuple(2.0**-k for k in (52, 49, 46, 40, 34, 28, 22, 16))
"""Distances of points at which to see how much noise is in a comparison."""
ENOUGH_MOVES = 3  # after which a gross error needs no more
CLOSE = 2.0**-40  # where errors are estimated as at the point itself
FEW = 64  # elements, among which the wrong one is named in any case
EXCUSED = 5.0  # times the range of that noise
BIAS = 0.7  # of the largest: a mean with which it is no noise
MODERATE = 1e60  # largest size of which second derivatives are taken
SINGLE_EPS = 1e-8  # between the rounding errors of float64 and of float32
AGREEMENT = 1e-9  # relative, between two libraries


@dataclass(frozen=True)
class Settings:
    """How a derivative is given and how it is checked; see `check_grads`."""

    order: int
    modes: tuple[str, ...]
    operators: Operators | None
    jvp: Callable[..., Any] | None
    vjp: Callable[..., Any] | None
    reference: Reference
    seed: int
    argnums: tuple[int, ...] | None
    single: bool = False


def check_grads(
    function: Callable[..., Any],
    *arguments: Any,
    order: int = 2,
    modes: Sequence[str] = MODES,
    argnums: int | Sequence[int] | None = None,
    using: Any = None,
    jvp: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    grad: Callable[..., Any] | None = None,
    reference: str = "auto",
    backends: Sequence[str] = (),
    seed: int = 0,
    shrink: bool = True,
    name: str | None = None,
) -> Report:
    """Check the derivative of a function at a point, and raise if it is wrong.

    The derivative may be this library's, another library's, or somebody's own. JVPs are
    compared element by element with extrapolated differences, which come with an
    estimate of their error, or with the complex step where the function is analytic;
    VJPs with JVPs by the adjoint identity, without differences; and so on through the
    properties that docs/testing.md lists. What rounding explains is not held against a
    derivative: how much that is, is seen by repeating a comparison beside the point.

    Parameters
    ----------
    function
        A function of pytrees of arrays of any library that returns a pytree of arrays.
    *arguments
        Where to check. Every array of floats in them, and every Python float, is
        differentiated; everything else is held constant. The point may lie on a kink:
        a derivative must then lie between the slopes around it.
    order
        The highest order of derivative to check, 1 or more.
    modes
        ``"forward"``, ``"reverse"`` or both.
    argnums
        Which positional arguments to differentiate; by default all.
    using
        A module or object whose ``jvp(f, primals, tangents)`` and ``vjp(f, *primals)``
        are to be checked, such as ``jax`` or ``torch.func``. By default autograd_core.
    jvp, vjp, grad
        Instead of `using`, derivatives of this one function: ``jvp(primals, tangents)``
        returns ``(y, y_dot)``; ``vjp(*arguments)`` returns ``y`` and a pullback from a
        cotangent like ``y`` to a tuple of one for each argument; ``grad(*arguments)``
        returns the gradient of a scalar function, or a tuple of one for each argument.
        They are checked to first order, as they cannot be differentiated again.
    reference
        ``"auto"``; ``"differences"``, never the complex step; ``"mparray"``, with sixty
        digits (the function must follow the standard, and mparray be installed).
    backends
        Names of libraries to repeat the check with, on converted arguments; their
        gradients must agree.
    seed
        Of the random directions.
    shrink
        Whether to look for a smaller failing input to report.
    name
        What to call the function in reports.

    Returns
    -------
    Report
        What was verified; prints as a table.

    Raises
    ------
    GradientError
        If the derivative is wrong. The message names the property that failed, the
        argument and element, what it is and should be, and a small failing input.
    InconclusiveError
        If the function is too rough, or not finite, at this point.
    TypeError, ValueError
        If nothing can be differentiated, or an option is not one of those above.

    Examples
    --------
    >>> import numpy as np, autograd_core as ag
    >>> from autograd_core.testing import check_grads
    >>> x = np.asarray([0.5, -1.0, 2.0])
    >>> report = check_grads(lambda x: ag.ops.tanh(x) * x, x)
    >>> "reverse mode is the transpose" in report
    True

    A gradient written by hand, with a mistake:

    >>> check_grads(lambda x: np.sum(x**3), x, grad=lambda x: 2 * x**2)
    Traceback (most recent call last):
    ...
    autograd_core.testing.report.GradientError: check_grads: ...
    """
    title = name or str(getattr(function, "__name__", type(function).__name__))
    settings = _settings(order, modes, argnums, using, jvp, vjp, grad, reference, seed)
    given = _case(function, arguments, settings.argnums)
    if settings.argnums is not None:
        numbers = tuple(k % len(arguments) for k in settings.argnums)
        settings = replace(settings, argnums=numbers)
    case = _in_double_precision(given)
    settings = replace(settings, single=case is not given)
    report = Report(title)
    with np.errstate(all="ignore"):
        first = _check(case, settings, report, title, shrink)
    expected = _derivatives(first) if backends else {}
    for backend in backends:
        with use_backend(backend), np.errstate(all="ignore"):
            there = _converted(case)
            called = f"{title} on {backend}"
            other = _check(there, settings, Report(title), called, shrink)
            report.rows.append((f"everything, on {backend}", "", "holds"))
            got = _derivatives(other)
        for mode, (names, arrays) in got.items():
            found = _agreeing(mode, arrays, expected[mode][1], names, backend)
            if found.failure:
                text = written(found.failure, there, title, iter(()))
                raise GradientError(text, found.failure)
            report.rows.append((found.name, "", found.outcome))
    return report


# ------------------------------------------------------------------ what is given


def _settings(
    order: int,
    modes: Sequence[str],
    argnums: int | Sequence[int] | None,
    using: Any,
    jvp: Callable[..., Any] | None,
    vjp: Callable[..., Any] | None,
    grad: Callable[..., Any] | None,
    reference_name: str,
    seed: int,
) -> Settings:
    own = [n for n, f in (("jvp", jvp), ("vjp", vjp), ("grad", grad)) if f is not None]
    rule = ""
    if isinstance(modes, str) or not modes or not set(modes) <= set(MODES):
        rule, got = f"modes must be a tuple of some of {MODES}", repr(modes)
    elif not (isinstance(order, int) and order >= 1):
        rule, got = "order must be 1 or more", repr(order)
    elif own and using is not None:
        rule, got = "give either using, or derivatives of this function", ", ".join(own)
    elif vjp is not None and grad is not None:
        rule, got = "give vjp or grad, which both say what reverse mode does", "both"
    elif using is not None and not (hasattr(using, "jvp") or hasattr(using, "vjp")):
        name = getattr(using, "__name__", type(using).__name__)
        rule, got = "using must have a function jvp or vjp", str(name)
    if rule:
        raise error(ValueError, "check_grads", rule, got, "See help(check_grads).")
    operators = None if own else _operators(using if using is not None else ag)
    return Settings(
        order,
        tuple(modes),
        operators,
        jvp,
        _pullback_of_grad(grad) if grad is not None else vjp,
        reference(reference_name),
        seed,
        None if argnums is None else tuple(map(index, np.atleast_1d(argnums))),
    )


def _operators(using: Any) -> Operators:
    package = getattr(using, "__name__", "").partition(".")[0]
    return Operators(
        getattr(using, "jvp", None),
        getattr(using, "vjp", None),
        ours=using is ag,
        bilinear=getattr(using, "bilinear", package == "jax"),
    )


def _pullback_of_grad(grad: Callable[..., Any]) -> Callable[..., Any]:
    """Return a VJP made of a gradient; it has no values."""

    def vjp(*arguments: Any) -> tuple[None, Callable[..., Any]]:
        gradients = grad(*arguments)
        return None, lambda u: pytree.map(lambda g: _times(g, u), gradients)

    return vjp


def _times(gradient: Array, u: Array) -> Array:
    """Return a gradient times a 0-d cotangent, in the dtype that it has."""
    if not is_inexact(gradient):
        return gradient
    return gradient * backend_of(gradient).namespace.astype(u, gradient.dtype)


def _case(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    argnums: tuple[int, ...] | None,
) -> Case:
    """Find the leaves to differentiate, and make arrays of Python floats."""
    leaves, structure = pytree.flatten(arguments)
    # copies, so that a derivative that writes to its arguments spoils nobody's
    leaves = [like(to_numpy(x), x) if is_inexact(x) else x for x in leaves]
    arrays = [x for x in leaves if is_inexact(x)]
    owner = [k for k, x in enumerate(arguments) for _ in pytree.flatten(x)[0]]
    if argnums is not None:
        count = len(arguments)
        if not all(-count <= k < count for k in argnums):
            raise error(
                ValueError,
                "check_grads",
                f"argnums must name some of the {count} arguments after the function",
                f"argnums={argnums}",
                "Count from 0.",
            )
        argnums = tuple(k % count for k in argnums)
    chosen = []
    for k, x in enumerate(leaves):
        if argnums is not None and owner[k] not in argnums:
            continue
        if type(x) is float:
            xp = backend_of(arrays[0]) if arrays else get_backend()
            leaves[k] = x = xp.asarray(x, dtype=arrays[0].dtype if arrays else None)
        if is_inexact(x):
            chosen.append(k)
    if not chosen:
        raise error(
            TypeError,
            "check_grads",
            "there must be an array of floats, or a float, to differentiate",
            ", ".join(map(describe, leaves)) or "no arguments",
            "Pass the arguments after the function: check_grads(f, x, y).",
        )
    return Case(function, pytree.unflatten(structure, leaves), tuple(chosen))


def _in_double_precision(case: Case) -> Case:
    """Return a case in float64, if it is all in float32 and can be: judged is better.

    The float32 derivative is then checked against the one in float64.
    """
    if any(str(x.dtype)[-2:] == "64" and not is_complex(x) for x in case.leaves):
        return case
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library without float64 says so
        try:
            leaves = [astype(x, "float64") for x in case.leaves]
            wider = replace(case, arguments=case.with_leaves(leaves))
            results = pytree.flatten(wider.function(*wider.arguments))[0]
        except Exception:  # the function takes float32 only
            return case
    fine = precision(filter(is_inexact, (*leaves, *results))) < SINGLE_EPS
    return wider if fine else case


def _converted(case: Case) -> Case:
    """Return a case with its arrays in the current backend."""
    xp = get_backend()
    found, structure = pytree.flatten(case.arguments)
    moved = [xp.asarray(to_numpy(x)) if hasattr(x, "dtype") else x for x in found]
    return replace(case, arguments=pytree.unflatten(structure, moved))


def _problem(case: Case, settings: Settings) -> tuple[Problem, tuple[float, ...]]:
    """Return the problem, and the sizes of its results."""
    y = case.function(*case.arguments)
    kept, outputs = kept_outputs(y)
    if not kept:
        raise error(
            TypeError,
            "check_grads",
            "the function must return arrays of floats",
            ", ".join(map(describe, pytree.flatten(y)[0])) or repr(y),
            "Return what is to be differentiated.",
        )
    function, leaves = flat(case, kept), case.leaves
    every = names_of(case.function, pytree.flatten(case.arguments)[1])
    names = tuple(every[k] for k in case.chosen)
    given = settings.operators or settings
    own = Given(case, kept, settings)
    problem = Problem(
        function,
        leaves,
        names,
        outputs,
        own.push if given.jvp and "forward" in settings.modes else None,
        own.pull if given.vjp and "reverse" in settings.modes else None,
        settings.operators,
        tuple(map(scale_of, leaves)),
    )
    if settings.operators:
        problem = problem.of(function)
    if problem.jvp is None and problem.vjp is None:
        raise error(
            ValueError,
            "check_grads",
            "there must be a derivative for one of the modes",
            f"modes={settings.modes}",
            "Name the mode of the derivative that is given.",
        )
    return problem, tuple(map(scale_of, problem.values()))


@dataclass(frozen=True)
class Given:
    """Derivatives of one function, given by somebody, on flat tuples."""

    case: Case
    kept: tuple[int, ...]
    settings: Settings

    def push(self, primals: Arrays, tangents: Arrays) -> Arrays:
        """Return the tangents of the results."""
        full, structure = pytree.flatten(self.case.with_leaves(primals))
        along = [zeros_like(x) if is_inexact(x) else None for x in full]
        for k, v in zip(self.case.chosen, tangents, strict=True):
            along[k] = v
        arguments = tuple(pytree.unflatten(structure, full))
        directions = tuple(pytree.unflatten(structure, along))
        assert self.settings.jvp is not None
        found = pytree.flatten(self.settings.jvp(arguments, directions)[1])[0]
        return tuple(found[k] for k in self.kept)

    def pull(self, primals: Arrays) -> tuple[Arrays, Pullback]:
        """Return the results and the pullback."""
        arguments = self.case.with_leaves(primals)
        assert self.settings.vjp is not None
        y, pullback = self.settings.vjp(*arguments)
        if y is None:
            y = self.case.function(*arguments)
        found, structure = pytree.flatten(y)

        def pull(cotangents: Arrays) -> Arrays:
            full = [zeros_like(x) if is_inexact(x) else None for x in found]
            for k, u in zip(self.kept, cotangents, strict=True):
                full[k] = u
            return self._chosen(pullback(pytree.unflatten(structure, full)), arguments)

        return tuple(found[k] for k in self.kept), pull

    def _chosen(self, bars: Any, arguments: tuple[Any, ...]) -> Arrays:
        """Return the gradients of the differentiated leaves, however wrapped."""
        numbers = self.settings.argnums or tuple(range(len(arguments)))
        trees = [(bars,)] if len(numbers) == 1 else []
        if isinstance(bars, (tuple, list)) and len(bars) == len(numbers):
            trees.append(tuple(bars))
        for tree in trees:
            found = self._leaves(tree, numbers, arguments)
            if found is not None:
                return found
        expected = pytree.flatten(tuple(arguments[k] for k in numbers))[1]
        raise error(
            ValueError,
            "check_grads",
            f"the gradient must have the structure of the arguments, {expected}",
            str(pytree.flatten(bars)[1]),
            "Return one gradient for each argument, in a tuple; name others with "
            "argnums.",
        )

    def _leaves(
        self, tree: tuple[Any, ...], numbers: tuple[int, ...], arguments: Any
    ) -> Arrays | None:
        """Return the gradients in a tuple of one for each argument, if it is that.

        An argument that is held constant may have None.
        """
        places: dict[int, Array] = {}
        start = 0
        for number, argument in enumerate(arguments):
            leaves, structure = pytree.flatten(argument)
            inside = range(start, start + len(leaves))
            start += len(leaves)
            if number not in numbers or not set(inside) & set(self.case.chosen):
                continue
            found, given = pytree.flatten(tree[numbers.index(number)])
            if given != structure:
                return None
            places |= dict(zip(inside, found, strict=True))
        return tuple(places[k] for k in self.case.chosen)


# ------------------------------------------------------------------ the check


@dataclass(frozen=True)
class Outcome:
    """How a property went."""

    row: Row
    stage: tuple[str, ...]
    elements: int
    skipped: str = ""
    unknown: str = ""
    failure: Failure | None = None
    kinked: bool = False


def _check(
    case: Case, settings: Settings, report: Report, title: str, shrink: bool
) -> Point:
    """Check everything, fill the report in, and raise what is wrong."""
    point = _point(case, settings)
    unknown, kinked = "", False
    for outcome in _outcomes(point, settings.order):
        kinked |= outcome.kinked
        if outcome.failure:
            raise _failed(outcome.failure, case, settings, title, shrink)
        unknown = unknown or outcome.unknown
        how = f"{outcome.elements} elements" if outcome.elements else ""
        stage = " of the ".join(outcome.stage)
        report.rows.append((outcome.row.name, stage, how or outcome.skipped or "holds"))
    if settings.order > 1 and not settings.operators:
        why = "not checked: a given derivative does not nest"
        report.rows.append(("second order", "", why))
    elif settings.order > 1 and kinked:
        why = "not checked: the first derivative jumps at a kink"
        report.rows.append(("second order", "", why))
    elif settings.order > 1 and not _moderate(point):
        why = "not checked: its numbers may overflow"
        report.rows.append(("second order", "", why))
    if unknown:
        raise InconclusiveError(
            f"check_grads: the derivative of {title} cannot be judged here: {unknown}"
        )
    return point


def _point(case: Case, settings: Settings) -> Point:
    problem, sizes = _problem(case, settings)
    point = Point(problem, settings.reference, settings.seed, sizes=sizes, case=case)
    # Derivatives written for float64 only are often not written for float32.
    point.single = settings.operators is not None or settings.single
    return point


def _outcomes(
    point: Point,
    order: int,
    stage: tuple[str, ...] = (),
    only: Failure | None = None,
) -> Iterator[Outcome]:
    """Yield how each property went, of the function and then of its derivatives."""
    problem, kinked = point.problem, False
    for listed in PROPERTIES:
        if only and not _concerns(listed, stage, only):
            continue
        if _applies(listed, problem, order, stage):
            outcome = _outcome(listed, point, stage)
            kinked |= outcome.kinked
            yield outcome
    if kinked:
        return  # where the first derivative jumps there is no second
    if order > 1 and problem.operators and _moderate(point):
        for name, derived in _derived(point):
            yield from _outcomes(derived, order - 1, (name, *stage), only)


def _concerns(listed: Row, stage: tuple[str, ...], failure: Failure) -> bool:
    """Say whether a property must be looked at to see a failure again."""
    same = (failure.property, failure.stage) == (listed.name, stage)
    return same or (not stage and listed.check is derivatives_are_like_their_primals)


def _moderate(point: Point) -> bool:
    """Say whether products of sizes, in second derivatives, stay within range."""
    sizes = (*point.problem.scales, *point.sizes)
    return all(1 / MODERATE < size < MODERATE for size in sizes)


def _derived(point: Point) -> Iterator[tuple[str, Point]]:
    """Yield the derivatives of a problem as problems."""
    problem = point.problem
    point.start("derivatives")
    u, v = point.cotangents(problem.values()), point.directions()
    derivatives = []
    if problem.vjp:
        derivatives.append(("gradient", problem.of_pullback(u)))
    if problem.jvp:
        derivatives.append(("tangent", problem.of_pushforward(v)))
    for name, derived in derivatives:
        sizes = tuple(map(scale_of, derived.values()))
        yield name, replace(point, problem=derived, sizes=sizes, case=None)


def _applies(listed: Row, problem: Problem, order: int, stage: tuple[str, ...]) -> bool:
    modes = {m for m, f in (("forward", problem.jvp), ("reverse", problem.vjp)) if f}
    return (
        listed.modes <= modes
        and order >= listed.order
        and (listed.nests or not stage)
        and (problem.ours or not listed.ours)
        and (problem.operators is not None or not listed.operators)
    )


def _outcome(listed: Row, point: Point, stage: tuple[str, ...]) -> Outcome:
    """Check one property."""
    point.start(listed.name)
    elements, unknown, skipped, kinked = 0, "", "", False
    for k, found in enumerate(listed.check(point)):
        failure = None
        if isinstance(found, Skip):
            skipped = found.reason
            continue
        if isinstance(found, Violation):
            failure = Failure(listed.name, listed.sentence, stage, found.subject)
            failure.violation = found
        else:
            elements += found.got.size
            kinked |= bool((found.low != found.high).any())
            wrong = _wrong(listed, point, k, found)
            if wrong.any():
                failure = Failure(listed.name, listed.sentence, stage, found.what)
                failure.comparison, failure.wrong = found, wrong
            unknown = unknown or _unknown(found)
        if failure:
            return Outcome(listed, stage, elements, failure=failure)
    return Outcome(listed, stage, elements, skipped, unknown, kinked=kinked)


def _unknown(found: Comparison) -> str:
    """Say where a comparison leaves the derivative unjudged."""
    if not found.inconclusive or found.unknown is None or not found.unknown.any():
        return ""
    place = found.place(int(np.argmax(found.unknown)))
    return (
        f"{found.what}, {place}: differences do not settle down there, or the value "
        "is not finite. Check beside this point, or give reference='mparray'."
    )


def _wrong(listed: Row, point: Point, k: int, found: Comparison) -> NDArray:
    """Return what is wrong: off by more than the comparison varies beside the point.

    There differences take other steps and rounding errors are others: what is due to
    them varies, by sign too, however badly conditioned the function is, and what is
    due to a wrong rule stays.
    """
    wrong = found.off
    if found.exact or not wrong.any():
        return wrong
    first, careful = found, _again(listed, replace(point, cautious=True), k, found)
    found = careful or found
    if found.unknown is not None:  # on second thoughts
        before = False if first.unknown is None else first.unknown
        first.unknown = np.asarray(before | (found.unknown & wrong))
    ratios, tolerances = [], [found.tolerance]
    rng = np.random.default_rng(point.seed)
    for move, distance in enumerate(MOVES):
        moved = _moved(point, rng, distance, 1 + (move + 1) / 8)
        again = _again(listed, moved, k, found)
        if again is not None and np.isfinite(again.miss).all():
            ratios.append(again.miss / _size(again))
            if distance <= CLOSE:
                tolerances.append(again.tolerance)
        if move >= ENOUGH_MOVES and _beyond_doubt(found, ratios, tolerances):
            break
    if not ratios:
        return wrong
    noise = EXCUSED * np.ptp(ratios, axis=0) * _size(found)
    one_sided = np.abs(np.mean(ratios, axis=0)) > BIAS * np.max(np.abs(ratios), axis=0)
    tolerance = np.max(tolerances, axis=0) + np.where(one_sided, 0.0, noise)
    # What is wrong at a kink alone is right beside it.
    kinked = (first.low != first.high) | np.isinf(first.low)
    return np.asarray(wrong & (kinked | ~(np.abs(found.miss) <= tolerance)))


def _beyond_doubt(
    found: Comparison, ratios: list[NDArray], tolerances: list[NDArray]
) -> bool:
    """Say whether an element is so wrong that more moved points will not excuse it."""
    noise = EXCUSED * np.ptp(ratios, axis=0) * _size(found) if ratios else 0.0
    tolerance = np.max(tolerances, axis=0) + noise
    return bool((np.abs(found.miss) > 10 * tolerance).any())


def _size(found: Comparison) -> NDArray:
    """Return the size of each element of a comparison, 1 where it is 0."""
    size = np.maximum(np.abs(found.got), np.abs(found.low))
    return np.where((size > 0) & np.isfinite(size), size, 1.0)


def _again(listed: Row, point: Point, k: int, found: Comparison) -> Comparison | None:
    """Return the same comparison at another point, if it can be made there."""
    point.start(listed.name)
    try:
        again = next(islice(listed.check(point), k, None))
    except Exception:  # the point is at the edge of where the function is
        return None
    if isinstance(again, Comparison) and again.miss.shape == found.miss.shape:
        return again
    return None


def _moved(
    point: Point, rng: np.random.Generator, distance: float, stretch: float
) -> Point:
    """Return a point at a relative distance, with directions of another length."""
    leaves = []
    for x, scale in zip(point.problem.leaves, point.problem.scales, strict=True):
        value = to_numpy(x)
        sizes = np.where(value == 0, scale, value)
        # no element stands still, and no two that are equal stay so
        by = rng.uniform(1, 4, value.shape) * rng.choice([-1.0, 1.0], value.shape)
        moved = value + distance * sizes * by
        leaves.append(like(moved, x))
    problem = point.problem.at(leaves)
    return replace(point, problem=problem, stretch=stretch, cautious=True)


def _closer(failure: Failure) -> Failure:
    """Name the wrong element of the argument, where looking at each one finds it."""
    comparison = failure.comparison
    if comparison is None or comparison.closer is None:
        return failure
    found = max(comparison.closer(), key=lambda one: one.excess, default=comparison)
    if not found.off.any():
        return failure
    subject = found.what or failure.subject
    return replace(failure, comparison=found, wrong=found.off, subject=subject)


# ------------------------------------------------------------------ what is wrong


def _failed(
    failure: Failure, case: Case, settings: Settings, title: str, shrink: bool
) -> GradientError:
    """Return the error for a failure, at the smallest input that shows it."""

    def again(smaller: Case) -> Failure | None:
        point = _point(smaller, settings)
        if not np.isfinite(row(point.problem.values())).all():
            return None
        for outcome in _outcomes(point, settings.order, only=failure):
            if outcome.row.name == failure.property:
                return outcome.failure
            if outcome.failure:  # another fault: of arrays of a shape that is fixed
                return None
        return None

    if shrink:
        case, failure = smallest(case, failure, again)
    if shrink or sum(to_numpy(x).size for x in case.leaves) <= FEW:
        failure = _closer(failure)
    hints = _hints(failure, case, settings) if shrink else iter(())
    return GradientError(written(failure, case, title, hints), failure)


def _hints(failure: Failure, case: Case, settings: Settings) -> Iterator[str]:
    """Yield what else narrows the fault down."""
    given = settings.operators or settings
    both = len(settings.modes) == 2 and given.jvp and given.vjp
    if failure.stage or failure.property == "all nestings agree":
        yield (
            "first derivatives are right; what fails is the derivative of a rule, as "
            "if something in it was held constant"
        )
    elif failure.property == "reverse mode is the transpose" and both:
        yield "forward mode is right here, so the fault is in a VJP"
    elif failure.property == "forward mode is the derivative" and both:
        backwards = replace(settings, modes=("reverse",), order=1)
        with suppress(Exception):
            right = all(
                not outcome.failure for outcome in _outcomes(_point(case, backwards), 1)
            )
            yield (
                "reverse mode is right here, so the fault is in a JVP"
                if right
                else "reverse mode is wrong too, so the fault is in what both share"
            )
    yield from _suspects(case, settings)


def _suspects(case: Case, settings: Settings) -> Iterator[str]:
    """Yield what is known against the operations that the function is made of."""
    if settings.operators and settings.operators.ours:
        from autograd_core.testing.suspects import suspects  # which checks as we do

        with suppress(Exception):  # a hint must not hide what is wrong
            yield from suspects(_point(case, settings).problem)


@dataclass(frozen=True)
class Agreement:
    """Whether two libraries agree, for the report."""

    name: str
    outcome: str
    failure: Failure | None = None


def _agreeing(
    mode: str, got: Arrays, expected: Arrays, names: tuple[str, ...], backend: str
) -> Agreement:
    """Compare derivatives computed by two libraries."""
    found = near(f"{mode} on {backend}", got, expected, names, AGREEMENT)
    name = "libraries agree"
    if not found.off.any():
        elements = f"{found.got.size} elements of the {mode} on {backend}"
        return Agreement(name, elements)
    sentence = "Every library gives the same derivative."
    failure = Failure(name, sentence, (), found.what, found)
    failure.wrong = found.off
    return Agreement(name, "", failure)


def _derivatives(point: Point) -> dict[str, tuple[tuple[str, ...], Arrays]]:
    """Return the gradient and the tangent, with the names of their arrays."""
    problem, found = point.problem, {}
    if problem.vjp:
        values, pullback = problem.pull()
        point.start("libraries agree")
        found["gradient"] = problem.names, pullback(point.cotangents(values))
    if problem.jvp:
        point.start("libraries agree")
        found["tangent"] = problem.outputs, problem.push(point.directions())
    return found
