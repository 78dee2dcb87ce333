"""What a check says: the table of what held, or what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd_core import pytree
from autograd_core.backend import is_array
from autograd_core.errors import describe
from autograd_core.testing.arrays import NDArray, to_numpy
from autograd_core.testing.problem import Case, names_of
from autograd_core.testing.properties import Comparison, Violation

WRITTEN_OUT = 12  # elements of an array that a report shows
ALIKE = 1e-5  # relative, by which ratios may differ and be called one


class GradientError(AssertionError):
    """A derivative contradicts its function, or another derivative.

    Attributes
    ----------
    property
        The name of the property that failed.
    subject
        What was differentiated, and how: ``gradient of f with respect to x``.
    element
        The element that is wrong: ``x[0, 2]``.
    got, expected
        What it is, and what it should be: a number, or an interval at a kink.
    error
        The estimated error of the expectation.
    """

    def __init__(self, text: str, failure: Failure) -> None:
        super().__init__(text)
        self.property = failure.property
        self.subject = failure.subject
        self.element, self.got, self.expected, self.error = failure.worst()


class InconclusiveError(AssertionError):
    """The function is too rough at this point for its derivative to be judged."""


@dataclass
class Failure:
    """A property that does not hold."""

    property: str
    sentence: str
    stage: tuple[str, ...]
    subject: str
    comparison: Comparison | None = None
    violation: Violation | None = None
    wrong: NDArray | None = None

    def worst(self) -> tuple[str, Any, Any, float | None]:
        """Return the wrong element, what it is and should be, and to what error."""
        found = self.comparison
        if found is None or self.wrong is None:
            return "", None, None, None
        k = _clearest(found, self.wrong)
        low, high = float(found.low[k]), float(found.high[k])
        expected = low if low == high else (low, high)
        error = float(found.error[k]) if found.error is not None else None
        return found.place(k), float(found.got[k]), expected, error


def _clearest(found: Comparison, wrong: NDArray) -> int:
    """Return which of the wrong elements is off by the most, for its size."""
    with np.errstate(all="ignore"):
        sizes = np.maximum(np.abs(found.low), np.abs(found.got))
        excess = np.abs(found.miss) / np.where(sizes > 0, sizes, 1)
    return int(np.argmax(np.where(wrong, np.nan_to_num(excess, nan=np.inf), -1)))


@dataclass
class Report:
    """What `check_grads` verified; prints as a table.

    Attributes
    ----------
    subject
        The function's name.
    rows
        ``(property, stage, outcome)``: how many elements were compared, or why the
        property does not apply.
    """

    subject: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        width = max((len(name) for name, _, _ in self.rows), default=0)
        lines = [f"{self.subject}: the derivative is right"]
        for name, stage, outcome in self.rows:
            of = f" of the {stage}" if stage else ""
            lines.append(f"  {name:<{width}}  {outcome}{of}")
        return "\n".join(lines)

    def __contains__(self, name: str) -> bool:
        """Say whether a property was verified."""
        return any(name == row[0] and row[2].endswith("elements") for row in self.rows)


# ------------------------------------------------------------------ the text


def written(failure: Failure, case: Case, name: str, hints: Iterator[str]) -> str:
    """Return the whole report of a failure."""
    element, got, expected, error = failure.worst()
    subject = " of the ".join((failure.subject, *failure.stage))
    lines = [
        f"check_grads: the derivative of {name} is wrong",
        "",
        f"  what      {subject}",
        *([f"  element   {element}"] if element else []),
        f"  property  {failure.property}: {failure.sentence}",
    ]
    if failure.violation:
        lines.append(f"  found     it {failure.violation.text}")
    if failure.comparison is not None and failure.wrong is not None:
        lines += _numbers(failure, got, expected, error)
    lines += [f"  {word:<8}  {text}" for word, text in _advice(failure, hints)]
    lines += ["", "  smallest failing input found:"]
    lines += [f"    {line}" for line in inputs(case)]
    return "\n".join(lines)


def _numbers(
    failure: Failure, got: float, expected: Any, error: float | None
) -> Iterator[str]:
    known = f" +- {error:.1e}" if error else ""
    if isinstance(expected, tuple):
        known = f" (a kink: the slopes on its sides){known}"
        expected = f"between {expected[0]:.17g} and {expected[1]:.17g}"
    else:
        expected = f"{expected + 0.0:.17g}"
    yield f"  expected  {expected}{known}"
    yield f"  got       {got + 0.0:.17g}"
    assert failure.wrong is not None
    yield f"  wrong     {int(failure.wrong.sum())} of {failure.wrong.size} elements"


def _advice(failure: Failure, hints: Iterator[str]) -> Iterator[tuple[str, str]]:
    if failure.comparison is not None and failure.wrong is not None:
        looks = resemblance(failure.comparison, failure.wrong)
        if looks:
            yield "it looks", looks
    for hint in hints:
        yield "hint", hint


def resemblance(found: Comparison, wrong: NDArray) -> str:
    """Say in words how what was got relates to what was expected."""
    got, expected = found.got[wrong], found.low[wrong]
    if (found.low != found.high)[wrong].any():
        return ""
    if np.isnan(got).any():
        return (
            "as if 0 * inf, inf - inf or 0 / 0 was computed: nan does not belong here"
        )
    if np.isinf(got).any():
        return "as if something was divided by 0: inf does not belong here"
    if (got == 0).all():
        return (
            "detached: the derivative is 0, as if a value left the computation, was "
            "taken for a constant, or a term is missing"
        )
    if (expected == 0).all():
        return "as if a term was added that does not belong there"
    with np.errstate(all="ignore"):
        ratios = got / expected
    if not np.isfinite(ratios).all() or np.ptp(ratios) > ALIKE * np.abs(ratios).max():
        same = got.size > 1 and np.allclose(np.sort(got), np.sort(expected), ALIKE)
        return "as if the elements were in the wrong order" if same else ""
    ratio = float(ratios[0])
    names = [found.place(int(k)) for k in np.flatnonzero(wrong)]
    if abs(ratio + 1) < ALIKE:
        imaginary = all(name.endswith(".imag") for name in names)
        return (
            f"as if {'a conjugate is missing' if imaginary else 'the sign was flipped'}"
        )
    if abs(ratio - 1) < 1e-12 or not (got.size > 1 or _telling(ratio)):
        return ""
    factor = f"{ratio:.7g}" if abs(ratio - 1) > ALIKE else f"1 {ratio - 1:+.3g}"
    return f"as if it was multiplied by {factor}"


def _telling(ratio: float) -> bool:
    """Say whether a single ratio is no accident: 2, -1/3, 1.001."""
    near = any(abs(ratio * n - round(ratio * n)) < ALIKE for n in (1, 2, 3, 4))
    return near or abs(ratio - 1) < 0.02


def inputs(case: Case) -> Iterator[str]:
    """Yield the arguments of a case, as one would write them."""
    leaves, structure = pytree.flatten(case.arguments)
    for x, name in zip(leaves, names_of(case.function, structure), strict=True):
        yield f"{name} = {_shown(x)}"


def _shown(x: Any) -> str:
    if not is_array(x):
        return repr(x)
    value = to_numpy(x)
    kind = describe(x)
    if value.size > WRITTEN_OUT:
        return f"{kind}, {value.ravel()[:3].tolist()} ..."
    return f"asarray({value.tolist()})  # {kind}"
