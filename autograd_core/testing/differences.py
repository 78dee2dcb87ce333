"""Slopes by extrapolated differences that know their own error, kinks included.

`slopes` differentiates a function of one number at 0, element by element. Central
differences at halved steps are extrapolated to step 0 (L. F. Richardson 1911; choice
among the extrapolations and its error estimate: C. J. F. Ridders, "Accurate computation
of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982). Beside them runs
the tableau of second differences over the step, which tends to the jump of the slope: 0
where the function is smooth. Where it is not, differences on one side give an interval,
between the slopes to the left and to the right.

Steps are powers of two and directions have few digits (`directions`), so that an input
moves by exactly what it was meant to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autograd_core.testing.arrays import NDArray

FIRST, LAST = 4, 46  # exponents of the steps, from 1/16 to 1e-14
PROBES = (18, 19, 20)  # exponents of short steps that longer ones must not contradict
NOISE = 1e-6  # relative to a function's values; more than that is not noise
QUANTUM = 1e-4  # relative to a function's values; larger steps are its own
COLUMNS = 6  # of a tableau: what is older does not count any more
SOON, LATE = 1e-11, 1e-9  # relative errors with which to be content, at once and later
ENOUGH = 1e-7  # relative error above which a slope is looked at from each side
POOR = 1e-3  # relative error with which a slope tells nothing
SAFETY = 4.0  # an estimated error may be this much too small

Along = Callable[[float], NDArray]


@dataclass(frozen=True)
class Slopes:
    """What is known of the derivative of each element.

    Attributes
    ----------
    low, high
        The derivative lies between them; they are equal where the function is smooth,
        and differ at a kink. Infinite where the slope grows without bound.
    error
        Estimated error of the two, for which `SAFETY` allows.
    unknown
        Where the differences tell nothing.
    """

    low: NDArray
    high: NDArray
    error: NDArray
    unknown: NDArray

    @property
    def kinked(self) -> NDArray:
        """Where the slopes on the two sides differ, or are infinite."""
        return np.asarray((self.low != self.high) | np.isinf(self.low))


def slopes(
    function: Along,
    eps: float = float(np.finfo(np.float64).eps),
    cautious: bool = False,
) -> Slopes:
    """Return the derivative at 0 of a function of one number, with its error.

    Parameters
    ----------
    function
        Returns an ndarray of one axis.
    eps
        Relative rounding error of its values.
    cautious
        Whether an element may have the rounding errors of its larger neighbours, as it
        does where it is small because terms cancel.
    """
    with np.errstate(all="ignore"):
        best, error, size = _two_sided(function, eps, cautious)
        rough = ~(SAFETY * error <= ENOUGH * np.maximum(np.abs(best), size))
        found = Slopes(best, best.copy(), error, np.zeros(best.shape, bool))
        if rough.any():
            _from_each_side(function, eps, rough, found)
    return found


def extrapolated(
    before: list[NDArray], newest: NDArray, first: int, by: int
) -> list[NDArray]:
    """Return the next row of a tableau for step 0, where steps are halved.

    The error of `newest` is a series in the step with powers ``first``, ``first + by``,
    ``first + 2 * by``, ...
    """
    row = [newest]
    for j, older in enumerate(before[: COLUMNS - 1]):
        factor = 2.0 ** (first + by * j)
        row.append(row[-1] + (row[-1] - older) / (factor - 1))
    return row


def _two_sided(
    function: Along, eps: float, cautious: bool
) -> tuple[NDArray, NDArray, NDArray]:
    """Return slopes, their errors, and the size of the function's values.

    Where a function jumps or oscillates, differences over long steps may agree by
    chance. So three short steps are taken first, and what contradicts them has that for
    an error; and as long as halving a step does not halve the change of the quotient,
    that change is part of the error.
    """
    at = function(0.0)
    near, doubt = _probe(function, eps)
    noise = np.asarray(0.0)
    if cautious:
        noise = np.maximum(_noise(function), _quantum(function))
    best, error = np.full(at.shape, np.nan), np.full(at.shape, np.inf)
    central: list[NDArray] = []
    jumps: list[NDArray] = []
    change = np.full(at.shape, np.inf)
    for k in range(FIRST, LAST):
        h = 2.0**-k
        above, below = function(h), function(-h)
        size = np.maximum(np.abs(above), np.abs(below))
        level = _with_neighbours(2 * eps * size) if cautious else 2 * eps * size
        rounding = np.maximum(level, noise) / h
        older = central
        central = extrapolated(central, (above - below) / (2 * h), 2, 2)
        jumps = extrapolated(jumps, ((above - at) - (at - below)) / h, 1, 2)
        before, change = change, np.abs(central[0] - older[0]) if older else change
        if k < FIRST + 2:
            continue
        unresolved = np.where(change > before / 2 + 4 * rounding, change, 0)
        if k < min(PROBES):
            unresolved += np.maximum(np.abs(central[0] - near) - change - doubt, 0)
        for j in range(1, len(central)):
            spread = np.maximum(
                np.abs(central[j] - central[j - 1]),
                np.abs(central[j] - older[j - 1]),
            )
            kink = np.maximum(np.abs(jumps[j]) - 8 * rounding, 0)
            found = spread + rounding + kink + unresolved
            better = found < error
            best = np.where(better, central[j], best)
            error = np.where(better, found, error)
        relative = LATE if k > FIRST + 8 else SOON
        settled = SAFETY * error <= relative * np.maximum(np.abs(best), size)
        if (settled | (rounding >= error)).all():  # shorter steps are no better
            break
    return best, error, size


def _probe(function: Along, eps: float) -> tuple[NDArray, NDArray]:
    """Return the slope over a short step, and by how much noise may falsify it.

    What varies by more than noise is a function that is not resolved by longer steps.
    """
    quotients, size = [], np.asarray(0.0)
    for k in PROBES:
        above, below = function(2.0**-k), function(-(2.0**-k))
        size = _with_neighbours(np.abs(above)) * 2.0**k
        quotients.append((above - below) * 2.0 ** (k - 1))
    noise = np.minimum(8 * (np.ptp(quotients, axis=0) + eps * size), NOISE * size)
    return quotients[-1], np.where(np.isfinite(noise), noise, np.inf)


def _noise(function: Along) -> NDArray:
    """Return how noisy the values are, from differences of high order over tiny steps.

    There a smooth function is a straight line, and what is left is rounding: J. J. More
    and S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011.
    """
    values = np.stack([function(k * 2.0**-24) for k in range(-3, 4)])
    levels = []
    for order in range(1, 6):
        values = np.diff(values, axis=0)
        weight = math.factorial(order) ** 2 / math.factorial(2 * order)
        levels.append(np.sqrt(weight * np.mean(values**2, axis=0)))
    found = np.max(levels[2:], axis=0)
    return np.where(np.isfinite(found), found, 0.0)


def _quantum(function: Along) -> NDArray:
    """Return the steps of values that are few numbers, as where all digits cancel.

    Then halving a step does not halve the difference: it stays, or becomes 0. Steps
    that are large for the values belong to the function: `floor` has them.
    """
    quantum = np.full(function(0.0).shape, np.inf)
    size = np.abs(function(0.0))
    before = np.zeros(size.shape)
    for k in range(FIRST, PROBES[-1] + 4):
        difference = np.abs(function(2.0**-k) - function(-(2.0**-k)))
        stuck = (before > 0) & ((difference == 0) | (difference == before))
        quantum = np.where(stuck, np.minimum(quantum, before), quantum)
        before = difference
    return np.where(quantum <= QUANTUM * size, quantum, 0.0)


def _with_neighbours(sizes: NDArray) -> NDArray:
    """Return sizes, those below the median raised to it."""
    return np.maximum(sizes, np.median(sizes)) if sizes.size else sizes


# ------------------------------------------------------------------ at a kink


def _from_each_side(function: Along, eps: float, where: NDArray, found: Slopes) -> None:
    """Replace what differences over both sides say in some places."""
    at = function(0.0)[where]
    up, up_error, size = _one_sided(lambda h: function(h)[where], at, eps)
    down, down_error, down_size = _one_sided(lambda h: function(-h)[where], at, eps)
    down = -down
    # Where the function does not exist on one side, the other one decides.
    alone, no = np.isnan(down), np.isnan(up)
    down, down_error = np.where(alone, (up, up_error), (down, down_error))
    up, up_error = np.where(no, (down, down_error), (up, up_error))
    low, high = np.minimum(up, down), np.maximum(up, down)
    error = np.maximum(up_error, down_error)
    # A smooth function of noisy values: differences over both sides are the better.
    both, both_error = found.low[where], found.error[where]
    smooth = (error >= both_error) & (high - low <= 2 * SAFETY * error)
    smooth |= ~np.isfinite(error) & np.isfinite(both_error)
    found.low[where] = np.where(smooth, both, low)
    found.high[where] = np.where(smooth, both, high)
    found.error[where] = error = np.where(smooth, both_error, error)
    scale = np.fmax(np.abs(at), np.fmax(size, down_size))
    found.unknown[where] = ~(SAFETY * error <= POOR * scale) | np.isnan(low)


def _one_sided(
    function: Along, at: NDArray, eps: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Return slopes to one side, their errors, and the slope of the longest step.

    They are nan where there is no function on that side.
    """
    best, error = np.full(at.shape, np.nan), np.full(at.shape, np.inf)
    rows: list[NDArray] = []
    quotients = []
    for k in range(FIRST, LAST):
        h = 2.0**-k
        value = function(h)
        rounding = 16 * eps * np.maximum(np.abs(value), np.abs(at)) / h
        older = rows
        rows = extrapolated(rows, (value - at) / h, 1, 1)
        quotients.append(rows[0])
        for j in range(1, len(rows)):
            spread = np.maximum(
                np.abs(rows[j] - rows[j - 1]), np.abs(rows[j] - older[j - 1])
            )
            found = spread + rounding
            better = found < error
            best = np.where(better, rows[j], best)
            error = np.where(better, found, error)
    # All steps may have been too long, on the other side of a pole.
    usual = 0.5 * np.abs(best) + 1e-6 * np.abs(quotients[0])
    contradicted = np.abs(quotients[-1] - best) > usual + 8 * rounding + SAFETY * error
    error = np.where(contradicted, np.inf, error)
    unbounded = _grows_without_bound(np.asarray(quotients[-8:]))
    best = np.where(unbounded, np.copysign(np.inf, quotients[-1]), best)
    error = np.where(unbounded, 0.0, error)
    return best, error, np.abs(quotients[0])


def _grows_without_bound(quotients: NDArray) -> NDArray:
    """Say where quotients at halved steps grow by as much each time, or by more."""
    grows = np.diff(np.abs(quotients), axis=0)
    return np.asarray(
        np.isfinite(quotients).all(axis=0)
        & (grows > 0).all(axis=0)
        & (grows[1:] > 0.9 * grows[:-1]).all(axis=0)
    )
