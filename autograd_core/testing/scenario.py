"""What a scenario is: something that is asked of a backend, in several cases.

A scenario is a generator of faults; the registry `scenarios` holds all of them, and the
rows of a certificate derive from it. What it asks is the first line of its docstring,
addressed to the backend. To add one is to write one function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import autograd_core as ag
from autograd_core.operation import registry
from autograd_core.testing.arrays import Array
from autograd_core.testing.libraries import Library

Faults: TypeAlias = Iterator[str]
Case: TypeAlias = tuple[str, Any]
"""What a case is called in the certificate, and what its scenario is given."""
Cases: TypeAlias = Callable[[Library], Iterable[Case]]


class NotApplicableError(Exception):
    """A library cannot be asked this, and need not be."""


@dataclass(frozen=True)
class Scenario:
    """What is asked of a backend, in which cases, and how to find faults."""

    name: str
    asks: str
    faults: Callable[..., Faults]
    cases: Cases | None


scenarios: dict[str, Scenario] = {}


def scenario(
    cases: Cases | None = None,
) -> Callable[[Callable[..., Faults]], Callable[..., Faults]]:
    """Register a generator of faults as a scenario, to be run in each of its cases."""

    def register(faults: Callable[..., Faults]) -> Callable[..., Faults]:
        asks = (faults.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        scenarios[faults.__name__] = Scenario(faults.__name__, asks, faults, cases)
        return faults

    return register


STANDARD = sorted(
    name
    for name, operation in registry.items()
    if operation.declaration.__module__.startswith("autograd_ops")
    and not operation.extension
)
"""Operations that this project declares in the main namespace.

Those of extensions (``linalg``, ``fft``, ``special``) are computed by the same few
means: they say nothing new of a library. `certify_operation` asks for them.
"""


class Expression:
    """A line of Python as a function of ``x``, ``y`` and ``z``; other names are given.

    Certificates show the line, which so can be tried by hand.
    """

    def __init__(self, text: str, **given: Any) -> None:
        self.text = text.strip()
        self.given = given

    def __call__(self, *arrays: Array) -> Any:
        """Evaluate the line."""
        names = {name: getattr(ag.ops, name) for name in STANDARD}
        names |= {"stop_gradient": ag.stop_gradient, **self.given}
        return eval(self.text, names | dict(zip("xyz", arrays, strict=False)))


def lines(text: str) -> Cases:
    """Make one case of each expression, as semicolons and line ends separate them."""

    def cases(library: Library) -> Iterator[Case]:
        for line in text.strip().splitlines():
            for part in line.split(";"):
                yield part.strip(), part.strip()

    return cases
