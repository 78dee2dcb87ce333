"""``python -m autograd_core``: checks of derivatives from the shell.

``emit``, which writes derivatives as source, is in `autograd_core.programs.command`.

The exit status is that of a linter: 0 if all is right, 1 if something is wrong or
cannot be judged, 2 if the command cannot be carried out as given.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from io import StringIO
from textwrap import indent
from typing import Any

import autograd_core as ag
from autograd_core import testing
from autograd_core.backend import ENVIRONMENT_VARIABLE
from autograd_core.operation import Domain, Operation, operation_of, registry
from autograd_core.programs.command import add_emit
from autograd_core.programs.targets import UsageError, loaded, raised
from autograd_core.testing import choice
from autograd_core.testing.arguments import (
    Call,
    CannotCallError,
    Shape,
    find,
)

RIGHT, WRONG, UNUSABLE = 0, 1, 2

DEFAULTS: dict[str, Any] = {
    "order": 2,
    "modes": ("forward", "reverse"),
    "shapes": {},
    "domain": {},
    "dtype": None,
    "seed": 0,
    "samples": 1,
}
"""The options of ``check`` that a declared operation has no use for."""

EXAMPLES = """\
examples:
  python -m autograd_core check model.py::loss
  python -m autograd_core check model.py::loss --backend all --samples 10
  python -m autograd_core check model.py::loss --shapes "w=3 x=50,3" --domain "w=0,inf"
  python -m autograd_core check my_package.activations::softplus --dtype float32
  python -m autograd_core certify operation sin
  python -m autograd_core certify backend torch
  python -m autograd_core backends
  python -m autograd_core emit model.py::loss --grad --spec "w=float64[3] x=float64[3]"

exit status: 0 right; 1 wrong, or not to be judged; 2 the command cannot be carried out
"""

CHECK = """\
Check the derivative of a function, given as FILE.py::FUNCTION or MODULE::FUNCTION.
What is checked is that autograd_core differentiates it rightly, with your rules if it
uses operations that you declared. A declared operation is certified instead.

Arguments come from FUNCTION.example, a tuple, if there is such an attribute; else from
--shapes; else from default values (numbers and arrays of floats are differentiated, the
rest is held constant); and for the remaining parameters small shapes are tried until a
call succeeds. A first parameter called xp is given the namespace autograd_core.ops.
What the function prints is not shown.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except (UsageError, CannotCallError) as fault:
        print(f"{parser().prog} {options.command}: {fault}", file=sys.stderr)
        return UNUSABLE
    return status


# ------------------------------------------------------------------ options


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    as_written = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m autograd_core",
        description="Derivatives: checks of them, and their source.",
        epilog=EXAMPLES,
        formatter_class=as_written,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="check the derivative of a function",
        description=CHECK,
        formatter_class=as_written,
        allow_abbrev=False,
    )
    add_check_options(check)
    certify = commands.add_parser(
        "certify",
        help="put an operation or a backend through everything that is asked of it",
        allow_abbrev=False,
    )
    certify.add_argument("kind", choices=("operation", "backend"))
    certify.add_argument(
        "name", help="an operation's name or FILE.py::FUNCTION; a backend's name"
    )
    certify.add_argument("--backend", metavar="NAMES", help=BACKENDS)
    certify.set_defaults(run=run_certify)
    listed = commands.add_parser("backends", help="list the array libraries")
    listed.set_defaults(run=run_backends)
    add_emit(commands)
    return top


BACKENDS = (
    "array libraries, separated by commas, or 'all' "
    "(default: AUTOGRAD_BACKEND, else numpy)"
)


def add_check_options(check: argparse.ArgumentParser) -> None:
    """Declare the options of ``check``."""
    check.set_defaults(run=run_check, **DEFAULTS)
    check.add_argument("target", metavar="FILE.py::FUNCTION")
    check.add_argument("--backend", metavar="NAMES", help=BACKENDS)
    check.add_argument("--order", type=at_least(1), help="highest order (default: 2)")
    check.add_argument(
        "--modes",
        type=modes,
        help="forward, reverse or both (default: forward,reverse)",
    )
    check.add_argument(
        "--shapes",
        type=shapes,
        help='shapes of parameters, such as "w=3 x=50,3 s=()"',
    )
    check.add_argument(
        "--domain",
        type=domains,
        help='open intervals to draw from, such as "x=0,inf"; without a name, '
        "for all: --domain=-1,1",
    )
    check.add_argument(
        "--dtype",
        choices=("float64", "float32"),
        help="of all floats (default: float64 for what is drawn, else as it is)",
    )
    check.add_argument("--seed", type=at_least(0), help="of what is drawn (default: 0)")
    check.add_argument(
        "--samples",
        type=at_least(1),
        help="how many points to draw, by seeds that follow one another (default: 1)",
    )


def at_least(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from a least one upwards."""

    def number(text: str) -> int:
        if not (text.isdecimal() and int(text) >= least):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {least} upwards"
            )
        return int(text)

    return number


def modes(text: str) -> tuple[str, ...]:
    """Read ``forward,reverse``."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(names) <= {"forward", "reverse"}:
        raise argparse.ArgumentTypeError(f"{text!r} is not forward, reverse or both")
    return names


def shapes(text: str) -> dict[str, Shape]:
    """Read ``w=3 x=50,3 s=()``.

    Examples
    --------
    >>> shapes("w=3 x=50,3 s=()")
    {'w': (3,), 'x': (50, 3), 's': ()}
    """
    result = {}
    for part in text.split():
        name, equals, lengths = part.partition("=")
        numbers = [n for n in lengths.strip("()").split(",") if n]
        if not (equals and name and all(n.isdecimal() for n in numbers)):
            raise argparse.ArgumentTypeError(
                f'{part!r} is not a shape; write them as in "w=3 x=50,3 s=()"'
            )
        result[name] = tuple(map(int, numbers))
    return result


def domains(text: str) -> dict[str | None, Domain]:
    """Read ``x=0,inf``, or ``0,inf`` for everything that is drawn.

    Examples
    --------
    >>> domains("x=0,inf y=-1,1")
    {'x': (0.0, inf), 'y': (-1.0, 1.0)}
    >>> domains("0,1")
    {None: (0.0, 1.0)}
    """
    result: dict[str | None, Domain] = {}
    for part in text.split():
        name, _, ends = part.rpartition("=")
        try:
            low, high = map(float, ends.split(","))
        except ValueError:
            low, high = 1.0, 0.0
        if not low < high:
            raise argparse.ArgumentTypeError(
                f'{part!r} is not an interval; write it as in "x=0,inf"'
            )
        result[name or None] = (low, high)
    return result


# ------------------------------------------------------------------ commands


def run_check(options: argparse.Namespace) -> int:
    """Check a function on each chosen library."""
    names = libraries(options.backend, options.dtype)
    function = loaded(options.target)
    operation = declared(function)
    if operation is not None:
        given = [name for name in DEFAULTS if vars(options)[name] != DEFAULTS[name]]
        if given:
            raise UsageError(
                f"{operation} is a declared operation, checked as its declaration "
                f"says. Leave --{' and --'.join(given)} out."
            )
        print(f"{options.target}: a declared operation, certified by its samples")
        return each(names, lambda: certified(operation))
    with ag.use_backend("numpy" if "numpy" in names else names[0]):
        call = find(function, options.shapes, options.domain, options.seed)
    print(options.target)
    print(indent("\n".join(call.described(options.dtype)), "  "))
    return each(names, lambda: judged(call, options))


def run_certify(options: argparse.Namespace) -> int:
    """Certify a backend, or an operation on each chosen library."""
    if options.kind == "backend":
        if options.backend:
            raise UsageError(
                "--backend is for operations; give the backend's name only"
            )
        return each(libraries(options.name, option="backend"), certified_backend)
    names = libraries(options.backend)
    operation = registered(options.name)
    return each(names, lambda: certified(operation))


def run_backends(options: argparse.Namespace) -> int:
    """Print the table of array libraries."""
    print(ag.backends())
    return RIGHT


def each(names: Sequence[str], check: Callable[[], tuple[bool, str]]) -> int:
    """Check with each library as the default, print how it went, and sum up."""
    outcomes: dict[bool, list[str]] = {True: [], False: []}
    for name in names:
        with ag.use_backend(name):
            right, text = check()
        outcomes[right].append(name)
        print(f"\n{choice.labelled([name])}\n{indent(text, '  ')}", flush=True)
    right_on, not_on = (", ".join(outcomes[key]) for key in (True, False))
    summary = [f"right on {right_on}"] if right_on else []
    summary += [f"NOT right on {not_on}"] if not_on else []
    print(f"\n{'; '.join(summary)}")
    return WRONG if not_on else RIGHT


def judged(call: Call, options: argparse.Namespace) -> tuple[bool, str]:
    """Check a function at each point with the current backend: right, and the text."""
    seeds = range(options.seed, options.seed + (options.samples if call.drawn else 1))
    report = None
    for seed in seeds:
        where = f"seed {seed}: " if len(seeds) > 1 else ""
        try:
            with redirect_stdout(StringIO()):  # what it prints, hundreds of times
                report = testing.check_grads(
                    call.bound(),
                    *call.values(options.dtype, seed),
                    order=options.order,
                    modes=options.modes,
                    seed=seed,
                )
        except (testing.GradientError, testing.InconclusiveError) as fault:
            return False, f"{where}{fault}"
        except Exception as cause:  # the function's own, or the core's about it
            return False, f"{where}{call.name} raises {raised(cause)}"
    points = f"\nat {len(seeds)} points, seeds {seeds[0]} to {seeds[-1]}"
    return True, f"{report}{points if len(seeds) > 1 else ''}"


def certified(operation: Operation) -> tuple[bool, str]:
    """Certify an operation with the current backend: right, and the table."""
    return passed(lambda: testing.certify_operation(operation))


def certified_backend() -> tuple[bool, str]:
    """Certify the current backend: right, and the table."""
    from autograd_core.testing.backends import certify_backend

    return passed(lambda: certify_backend(ag.get_backend()))


def passed(certify: Callable[[], testing.Certificate]) -> tuple[bool, str]:
    """Return whether something passes, and the table."""
    try:
        certificate = certify()
    except testing.CertificationError as fault:
        return False, str(fault)
    return certificate.passed, str(certificate)


# ------------------------------------------------------------------ what is named


def libraries(
    given: str | None, dtype: str | None = None, option: str = "--backend"
) -> list[str]:
    """Return the names of the libraries to compute with, which are all usable.

    One that is missing is passed over where all were asked for, and an error where it
    was named.
    """
    origin = ENVIRONMENT_VARIABLE if given is None else option
    given = os.environ.get(ENVIRONMENT_VARIABLE, "numpy") if given is None else given
    try:
        names = choice.chosen(given)
    except ValueError as fault:
        raise UsageError(f"{origin}: {fault}") from fault
    if "jax" in names and dtype != "float32":
        os.environ.setdefault("JAX_ENABLE_X64", "1")  # read when JAX is imported
    usable = []
    for name in names:
        reason = choice.unusable(name)
        if reason is None:
            usable.append(name)
        elif choice.ALL in given.split(","):
            print(f"skipped: {reason}")
        else:
            raise UsageError(f"{origin}: {reason}.")
    return usable


def declared(function: Callable[..., Any]) -> Operation | None:
    """Return the operation that a function is, if it is one with rules to check."""
    operation = operation_of(function)
    return operation if operation is not None and operation.samples else None


def registered(name: str) -> Operation:
    """Return the operation of a name, or of ``file.py::function``."""
    if "::" in name:
        operation = declared(loaded(name))
        if operation is None:
            raise UsageError(f"{name} is no declared operation with rules.")
        return operation
    known = [each for each, operation in registry.items() if operation.samples]
    if name not in known:
        near = get_close_matches(name, known)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"no operation with rules is called {name!r}. {hint}One of yours is "
            "path/to/file.py::function."
        )
    return registry[name]
