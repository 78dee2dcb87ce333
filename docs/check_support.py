"""Check every operation on every library that is installed, and print the table.

    JAX_ENABLE_X64=1 python docs/check_support.py > support.md
    python docs/generate.py --insert support < support.md

For each operation, library, mode, and real and complex numbers, the first call of its
declaration that the library takes is checked with `check_grads`. Half an hour on one
core, most of it JAX, which compiles every call.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator

import autograd_core as ag
from autograd_core.backend import backend
from autograd_core.operation import Operation, registry
from autograd_core.testing import check_grads
from autograd_core.testing.samples import Call, call_of, calls, is_taken

LIBRARIES = ("numpy", "array-api-strict", "torch", "jax", "cupy")
MODES = {"F": "forward", "R": "reverse"}
CONSTANT = "0"
NOT_THERE = "none"


def installed() -> list[str]:
    """Return the libraries that can compute here."""
    found = []
    for name in LIBRARIES:
        try:
            backend(name).asarray([1.0])
        except Exception as reason:  # not installed, or a library without its device
            print(f"{name}: {type(reason).__name__}", file=sys.stderr)
        else:
            found.append(name)
    return found


def cell(operation: Operation) -> str:
    """Return what was found to be right of an operation on the current backend."""
    if not operation.samples:
        return CONSTANT
    real = list(calls(operation))
    right = [mark for mark in MODES if first_is_right(real, MODES[mark])]
    if operation.takes_complex:
        drawn = [call_of(operation, call.sample.complex()) for call in real]
        right += [f"{mark}c" for mark in MODES if first_is_right(drawn, MODES[mark])]
    return " ".join(right) or NOT_THERE


def first_is_right(several: list[Call], mode: str) -> bool:
    """Say whether the first call that the library takes has a right derivative."""
    for call in several:
        if not is_taken(call):
            continue
        try:
            check_grads(call, *call.arrays(), order=1, modes=(mode,), shrink=False)
        except Exception as reason:
            print(f"{call!r}, {mode}: {reason}", file=sys.stderr)
            return False
        return True
    return False


def rows(names: list[str], libraries: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, one for each operation."""
    yield ("function", *libraries)
    for name in names:
        cells = []
        for library in libraries:
            with ag.use_backend(library), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cells.append(cell(registry[name]))
        print(name, *cells, file=sys.stderr)
        yield (f"`{name}`", *cells)


def checked() -> list[str]:
    """Return the names of the operations that the table is about."""
    return sorted(
        name
        for name, operation in registry.items()
        if operation.declaration.__module__.startswith("autograd_ops")
        and (not operation.samples or any(s.shapes for s in operation.samples))
    )


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("operations", nargs="*", help="by default all")
    options = parser.parse_args()
    lines = [
        f"| {' | '.join(row)} |"
        for row in rows(options.operations or checked(), installed())
    ]
    width = lines[0].count("|") - 1
    print("\n".join([lines[0], "|---" * width + "|", *lines[1:]]))


if __name__ == "__main__":
    main()
