"""Smaller inputs that still show what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from autograd_core import pytree
from autograd_core.backend import is_array
from autograd_core.testing.arrays import NDArray, like, to_numpy
from autograd_core.testing.problem import Case
from autograd_core.testing.report import Failure

TRIALS = 60


def smallest(
    case: Case, failure: Failure, again: Callable[[Case], Failure | None]
) -> tuple[Case, Failure]:
    """Return the smallest case found that still fails in the same property.

    Axes are cut, those of one length together, and values rounded, as long as the
    function takes the result and fails.
    """
    trials = iter(range(TRIALS))
    progress = True
    while progress:
        progress = False
        for candidate in candidates(case):
            if next(trials, None) is None:
                return case, failure
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                try:
                    found = again(candidate)
                except Exception:  # the function takes no such arguments
                    continue
            if found is not None and _same_kind(found, failure):
                case, failure, progress = candidate, found, True
                break
    return case, failure


def _same_kind(found: Failure, failure: Failure) -> bool:
    """Say whether a failure is not of infinite numbers where another was of finite."""
    finite = [bool(np.isfinite(one.worst()[1] or 0.0)) for one in (found, failure)]
    return finite[0] or not finite[1]


def candidates(case: Case) -> Iterator[Case]:
    """Yield calls with smaller arrays, then calls with rounder values."""
    leaves, structure = pytree.flatten(case.arguments)
    values = {k: to_numpy(x) for k, x in enumerate(leaves) if is_array(x)}

    def changed(new: dict[int, NDArray]) -> Case:
        rebuilt = [like(new[k], x) if k in new else x for k, x in enumerate(leaves)]
        return replace(case, arguments=pytree.unflatten(structure, rebuilt))

    lengths = {n for value in values.values() for n in value.shape if n > 1}
    for n in sorted(lengths, reverse=True):
        for shorter in sorted({1, 2, n // 2} & set(range(1, n))):
            yield changed({k: cut(x, n, shorter) for k, x in values.items()})
    for digits in (0, 1, 2):
        for k in case.chosen:
            rounded = np.round(values[k], digits)
            if not np.array_equal(rounded, values[k]):
                yield changed({k: rounded})


def cut(x: NDArray, length: int, shorter: int) -> NDArray:
    """Return an array whose axes of one length are cut to another."""
    keys = tuple(slice(shorter if n == length else None) for n in x.shape)
    return np.array(x[keys])
