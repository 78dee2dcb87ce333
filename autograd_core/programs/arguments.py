"""The arguments of a call of a program: found, and held against what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from autograd_core import pytree
from autograd_core.backend import get_backend
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.programs.program import Program, Variable
from autograd_core.programs.surroundings import is_same
from autograd_core.tensor import is_array


def leaves_of(
    program: Program, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> list[Array]:
    """Return an array for each input, from arguments or by the inputs' names."""
    leaves, signature = pytree.flatten((arguments, dict(keywords)))
    names = {v.name for v in program.inputs}
    named = not names.isdisjoint(keywords) or not keywords
    if signature != program.signature and not arguments and named:
        found = _by_name(program, keywords)
    else:
        found = _by_place(program, leaves, signature)
    found = [as_array(x) for x in found]
    for variable, x in zip(program.inputs, found, strict=True):
        _require_type(program, variable, x)
    return found


def as_array(x: Any) -> Any:
    """Return nested lists and numbers as arrays of the default backend."""
    is_data = isinstance(x, (list, float, int, complex))
    return get_backend().asarray(x) if is_data else x


def _by_name(program: Program, keywords: Mapping[str, Any]) -> list[Array]:
    names = [v.name for v in program.inputs]
    missing = [v for v in program.inputs if v.name not in keywords]
    if missing:
        raise error(
            TypeError,
            program.name,
            f"needs an array for each of {_listed(program.inputs)}",
            f"none for {_listed(missing)}",
            "Give them by name.",
        )
    for name in keywords:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise error(
                TypeError,
                program.name,
                f"has no input of this name, only {_listed(program.inputs)}",
                repr(name),
                f"{hint}Leave it out.",
            )
    return [keywords[name] for name in names]


def _by_place(
    program: Program, leaves: list[Any], signature: pytree.Structure
) -> list[Array]:
    if signature != program.signature:
        raise error(
            TypeError,
            program.name,
            f"was recorded for arguments {program.signature}",
            str(signature),
            f"Give the same pytrees, or {_listed(program.inputs)} by name.",
        )
    paths = list(pytree.paths(signature))
    for k, recorded in program.fixed.items():
        if not is_same(leaves[k], recorded):
            raise error(
                ValueError,
                program.name,
                f"argument {paths[k]} was recorded as {recorded!r}, which is part of "
                "the program",
                describe(leaves[k]),
                "Give the same, give an array to trace, or record it again.",
            )
    return [x for k, x in enumerate(leaves) if k not in program.fixed]


def _listed(variables: Any) -> str:
    return ", ".join(f"{v.name}: {v.type}" for v in variables) or "no inputs"


def _require_type(program: Program, variable: Variable, x: Any) -> None:
    """Raise unless an array is of the type that was recorded."""
    if is_array(x) and describe(x) == variable.type:
        return
    raise error(
        ValueError if is_array(x) else TypeError,
        program.name,
        f"input {variable.name} was recorded as {variable.type}",
        describe(x),
        "Give an array of that shape and dtype, or record the function again.",
    )
