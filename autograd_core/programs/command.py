"""``python -m autograd_core emit``: derivatives written as source, from the shell."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, signature, unwrap
from pathlib import Path
from typing import Any

from autograd_core import backend, tensor
from autograd_core.programs.emission import Module, module
from autograd_core.programs.passes import LEVELS
from autograd_core.programs.recording import Spec, placeholder, trace
from autograd_core.programs.targets import (
    UsageError,
    is_path,
    loaded,
    raised,
    with_places_in,
)
from autograd_core.reverse import grad, value_and_grad

DONE, UNUSABLE = 0, 2

EXAMPLE = "example"
"""The attribute of a function that holds its arguments."""

NAMESPACE = "xp"
"""What the first parameter is called where the function wants the namespace."""

DESCRIPTION = """\
Write a function, given as FILE.py::FUNCTION or MODULE::FUNCTION, or its derivative, as
source that needs nothing of autograd_core.

Arguments are described by --spec, in which parameters with default values may be left
out; without --spec, they are those of FUNCTION.example, a tuple. A first parameter
called xp is given the namespace autograd_core.ops. What depends on the values of arrays
(if loss < 1) can be recorded with FUNCTION.example only.
"""

EXAMPLES = """\
examples:
  python -m autograd_core emit model.py::loss --grad --spec "w=float64[3] x=float64[3]"
  python -m autograd_core emit model.py::loss --value-and-grad --argnums 0,1
  python -m autograd_core emit model.py::predict --output predict.py

exit status: 0 written; 2 the command cannot be carried out as given
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m autograd_core")
    add_emit(parser.add_subparsers(dest="command", required=True))
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except UsageError as fault:
        print(f"{parser.prog} {options.command}: {fault}", file=sys.stderr)
        return UNUSABLE
    return status


def add_emit(commands: Any) -> None:
    """Declare the command among others."""
    emit = commands.add_parser(
        "emit",
        help="write a function or its derivative as source",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    emit.set_defaults(run=run_emit)
    emit.add_argument("function", metavar="FILE.py::FUNCTION")
    which = emit.add_mutually_exclusive_group()
    which.add_argument("--grad", action="store_true", help="write the gradient")
    which.add_argument(
        "--value-and-grad", action="store_true", help="write the value and the gradient"
    )
    emit.add_argument(
        "--argnums",
        type=places,
        help="arguments to differentiate, such as 0,1 (default: the first)",
    )
    emit.add_argument(
        "--spec",
        type=specs,
        action="append",
        default=[],
        help='types of arguments, such as "w=float64[3] x=float32[5,3] s=float64[]"',
    )
    emit.add_argument(
        "--target",
        default="xp",
        help="xp: for any array library; numpy: for NumPy, with buffers (default: xp)",
    )
    emit.add_argument(
        "--level",
        choices=LEVELS,
        default="exact",
        help="what may be simplified (default: exact, which keeps every bit)",
    )
    emit.add_argument("--name", default="", help="what the function is called")
    emit.add_argument(
        "--output",
        type=file_of_module,
        metavar="MODULE.py",
        help="where to write it; large arrays go beside it, into MODULE.npz",
    )


def places(text: str) -> int | tuple[int, ...]:
    """Read ``0,1``.

    Examples
    --------
    >>> places("0,1"), places("2")
    ((0, 1), 2)
    """
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not places, as in 0,1")
    numbers = tuple(map(int, parts))
    return numbers if len(numbers) > 1 else numbers[0]


def specs(text: str) -> dict[str, Spec]:
    """Read ``w=float64[3] x=float64[5,3]``.

    Examples
    --------
    >>> specs("w=float32[3,4]")
    {'w': Spec(w: float32[3,4])}
    """
    found = {}
    for part in re.split(r"\s+(?=\w+=)", text.strip()):
        match = re.fullmatch(r"(\w+)=(\w+)\[([0-9,\s]*)\]", part)
        if match is None:
            raise argparse.ArgumentTypeError(
                f'{part!r} is not a type; write them as in "w=float64[3] s=float64[]"'
            )
        name, dtype, lengths = match.groups()
        shape = [int(n) for n in lengths.split(",") if n.strip()]
        try:
            found[name] = placeholder(name, shape, dtype)
        except ValueError as fault:
            text = with_places_in(str(fault), ())
            raise argparse.ArgumentTypeError(text) from fault
    return found


def file_of_module(text: str) -> Path:
    """Read ``MODULE.py``.

    Examples
    --------
    >>> file_of_module("written.py").name
    'written.py'
    """
    path = Path(text)
    if path.suffix != ".py":
        raise argparse.ArgumentTypeError(f"{text!r} is no file of Python, MODULE.py")
    return path


# ------------------------------------------------------------------ the command


def run_emit(options: argparse.Namespace) -> int:
    """Write a function or its derivative."""
    function = loaded(options.function)
    given = {name: x for each in options.spec for name, x in each.items()}
    called, arguments = call_of(function, options.function, given)
    if options.output is not None:
        refuse_source_of(function, options.function, options.output)
    made = written(differentiated(called, options), arguments, options)
    if options.output is None:
        if made.constants:
            held = ", ".join(sorted(made.constants))
            raise UsageError(
                f"{options.function} holds arrays that are too large for source "
                f"({held}). Give --output, so that they are written beside it."
            )
        print(made.text, end="")
        return DONE
    save(made, options.output)
    return DONE


def written(
    function: Callable[..., Any], arguments: Sequence[Any], options: argparse.Namespace
) -> Module:
    """Record a function, and return its source."""
    beside = options.output.with_suffix(".npz").name if options.output else ""
    try:
        program = trace(function)(*arguments)
        return module(
            program,
            options.target,
            name=options.name or named(options),
            level=options.level,
            beside=beside,
        )
    except Exception as cause:  # the function's own, or the core's about it
        raise UsageError(
            f"{options.function} cannot be written: {raised(cause)}"
        ) from cause


def named(options: argparse.Namespace) -> str:
    """Return what to call the function that is written."""
    name = re.split(r"[.:]", options.function)[-1]
    suffix = {True: "_gradient"}.get(options.grad, "")
    return f"{name}{'_and_gradient' if options.value_and_grad else suffix}"


def differentiated(
    function: Callable[..., Any], options: argparse.Namespace
) -> Callable[..., Any]:
    """Return a function, or its derivative, as it is asked for."""
    if not (options.grad or options.value_and_grad):
        if options.argnums is not None:
            raise UsageError("--argnums goes with --grad or --value-and-grad.")
        return function
    transform = grad if options.grad else value_and_grad
    derivative: Callable[..., Any] = transform(
        function, 0 if options.argnums is None else options.argnums
    )
    return derivative


def refuse_source_of(function: Callable[..., Any], target: str, path: Path) -> None:
    """Raise if a file is the one that a function was read from."""
    place = target.partition("::")[0]
    module = None if is_path(place) else getattr(sys.modules[place], "__file__", None)
    code = getattr(unwrap(function), "__code__", None)
    for file in (place, module, getattr(code, "co_filename", None)):
        if file and path.exists() and Path(file).exists() and path.samefile(file):
            raise UsageError(
                f"--output {path} holds the source of {target}. Give another file."
            )


def save(made: Module, path: Path) -> None:
    """Write a module, and its arrays beside it."""
    try:
        path.write_text(made.text, encoding="utf-8")
        if made.constants:
            numpy = backend.backend("numpy").namespace
            numpy.savez(path.with_suffix(".npz"), **made.constants)
    except OSError as cause:
        raise UsageError(f"{path} cannot be written: {cause}") from cause


# ------------------------------------------------------------------ its arguments


def call_of(
    function: Callable[..., Any], target: str, given: Mapping[str, Spec]
) -> tuple[Callable[..., Any], list[Any]]:
    """Return a function of arguments by position, and the arguments to record."""
    parameters = list(signature(function).parameters.values())
    lead: tuple[Any, ...] = ()
    if parameters and parameters[0].name == NAMESPACE:
        lead, parameters = (tensor.operations,), parameters[1:]
    if not given:
        example = getattr(function, EXAMPLE, None)
        if isinstance(example, tuple):
            return under(function, lead, parameters[: len(example)], ()), list(example)
        if any(_is_needed(p) for p in parameters):
            raise UsageError(
                f"{target} has no example. Give --spec, as in "
                f'--spec "{parameters[0].name}=float64[3]".'
            )
        return under(function, lead, (), ()), []
    names = [p.name for p in parameters]
    for name in given:
        if name not in names:
            raise UsageError(
                f"--spec: {target} has no parameter {name!r}, only {', '.join(names)}."
            )
    missing = [p.name for p in parameters if _is_needed(p) and p.name not in given]
    if missing:
        raise UsageError(f"--spec says nothing of {', '.join(missing)} of {target}.")
    chosen = [p for p in parameters if p.name in given]
    by_place: list[Parameter] = []
    for parameter, own in zip(chosen, parameters, strict=False):
        if parameter is not own or parameter.kind is Parameter.KEYWORD_ONLY:
            break
        by_place.append(parameter)
    by_name = chosen[len(by_place) :]
    return under(function, lead, by_place, by_name), [given[p.name] for p in chosen]


def _is_needed(parameter: Parameter) -> bool:
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return parameter.default is Parameter.empty and parameter.kind not in variadic


def under(
    function: Callable[..., Any],
    lead: tuple[Any, ...],
    by_place: Sequence[Parameter],
    by_name: Sequence[Parameter],
) -> Callable[..., Any]:
    """Return a function with its arguments by position, under their names."""

    def call(*values: Any) -> Any:
        rest = values[len(values) - len(by_name) :] if by_name else ()
        positional = values[: len(values) - len(by_name)]
        named = dict(zip([p.name for p in by_name], rest, strict=True))
        return function(*lead, *positional, **named)

    call.__name__ = str(getattr(function, "__name__", type(function).__name__))
    kind = Parameter.POSITIONAL_OR_KEYWORD
    parameters = [Parameter(p.name, kind) for p in (*by_place, *by_name)]
    vars(call)["__signature__"] = Signature(parameters)
    return call
