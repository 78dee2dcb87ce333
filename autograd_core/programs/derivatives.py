"""Derivatives of programs, as programs: without data, by recording them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from autograd_core import pytree
from autograd_core.errors import error
from autograd_core.forward import jvp
from autograd_core.programs.program import Program, Variable
from autograd_core.programs.recording import Spec, recorded, taken_name
from autograd_core.reverse import grad, value_and_grad, vjp
from autograd_core.transform import replaced


def gradient(program: Program, wrt: str | Sequence[str] | None) -> Program:
    """Do what `Program.grad` says."""
    return _reverse(program, wrt, grad)


def value_and_gradient(program: Program, wrt: str | Sequence[str] | None) -> Program:
    """Do what `Program.value_and_grad` says."""
    return _reverse(program, wrt, value_and_grad)


def _reverse(program: Program, wrt: Any, transform: Callable[..., Any]) -> Program:
    places = places_of(program, wrt)
    chosen = places if wrt is not None and not isinstance(wrt, str) else places[0]
    made = recorded(transform(_function(program), chosen), _specs(program.inputs), {})
    return replace(
        made,
        name=f"{transform.__name__}_of_{program.name}",
        signature=program.signature,
        fixed=program.fixed,
    )


def pushforward(program: Program, wrt: str | Sequence[str] | None) -> Program:
    """Do what `Program.jvp` says."""
    places, function = places_of(program, wrt), _function(program)

    def push(*leaves: Any) -> Any:
        primals, tangents = leaves[: len(program.inputs)], leaves[len(program.inputs) :]

        def of_chosen(*chosen: Any) -> Any:
            return function(*replaced(primals, places, chosen))

        return jvp(of_chosen, tuple(primals[k] for k in places), tangents)

    taken = {v.name for v in program.inputs}
    tangents = [_beside(program.inputs[k], "dot", taken) for k in places]
    made = recorded(push, [*_specs(program.inputs), *tangents], {})
    return replace(made, name=f"jvp_of_{program.name}")


def pullback(program: Program, wrt: str | Sequence[str] | None) -> Program:
    """Do what `Program.vjp` says."""
    places, function = places_of(program, wrt), _function(program)

    def pull(*leaves: Any) -> Any:
        primals, cotangents = (
            leaves[: len(program.inputs)],
            leaves[len(program.inputs) :],
        )

        def of_chosen(*chosen: Any) -> Any:
            return function(*replaced(primals, places, chosen))

        y, back = vjp(of_chosen, *(primals[k] for k in places))
        return y, back(pytree.unflatten(program.structure, cotangents))

    results = [y for y in program.outputs if isinstance(y, Variable)]
    taken = {v.name for v in program.inputs}
    bars = [_beside(y, "bar", taken, f"y{k}") for k, y in enumerate(results)]
    made = recorded(pull, [*_specs(program.inputs), *bars], {})
    return replace(made, name=f"vjp_of_{program.name}")


def places_of(program: Program, wrt: str | Sequence[str] | None) -> list[int]:
    """Return the places of inputs with these names; of the first if none is given."""
    names = [v.name for v in program.inputs]
    given: Any = names[:1] if wrt is None else wrt
    wanted = list(given) if isinstance(given, (list, tuple)) else [given]
    for name in wanted:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise error(
                ValueError,
                program.name,
                f"has the inputs {', '.join(names) or '(none)'}",
                f"wrt={name!r}",
                f"{hint}Give a name, or a sequence of names.",
            )
    return [names.index(name) for name in wanted]


def _function(program: Program) -> Callable[..., Any]:
    def function(*leaves: Any) -> Any:
        return pytree.unflatten(program.structure, program.evaluate(leaves))

    return function


def _specs(variables: Sequence[Variable]) -> list[Spec]:
    return [Spec(v.shape, v.dtype, v.name) for v in variables]


def _beside(
    variable: Variable, suffix: str, taken: set[str], otherwise: str = ""
) -> Spec:
    """Describe an input like a variable, with a name of its own."""
    name = taken_name(f"{variable.name or otherwise}_{suffix}", taken)
    return Spec(variable.shape, variable.dtype, name)
