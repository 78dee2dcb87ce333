"""Running a long program as a list of steps, where compiling it would cost more.

Compiling takes 11 us and 4 KB for each call; a step, a twentieth more time than it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy

from autograd_backends.numpy_programs import runtime
from autograd_backends.numpy_programs.buffers import Plan, Unit, View
from autograd_backends.numpy_programs.calls import Call, Function, Held, Number
from autograd_core.programs.program import (
    Guard,
    Program,
    Variable,
    guards_of,
    require_guards,
)

LONGEST = 20_000
"""Calls up to which a program is compiled."""

Step = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]
"""A function, the places of its arguments, and those of its results."""


class Steps:
    """A program whose values have places in a list, and its calls, ready to be made."""

    def __init__(self, program: Program, units: Sequence[Unit], plan: Plan) -> None:
        self.program, self.plan = program, plan
        self.places: dict[Any, int] = {}
        self.fixed: list[Any] = []
        self.functions: dict[Any, Callable[..., Any]] = {}
        self.steps: list[Step] = []
        self.workspaces: list[list[Any]] = []
        outside = (*program.inputs, *program.constants)
        guards = guards_of(program)
        for variable in outside:
            self._place(variable)
        for variable in outside:
            self._guard(variable, guards.get(variable, ()))
        for k, unit in enumerate(units):
            ((results, call),) = unit.writes
            self._add(results, call)
            for variable in results:
                self._guard(variable, guards.get(variable, ()))
            dead = tuple(map(self._place, plan.dead.get(k, ())))
            if dead:
                self.steps.append((partial(nothing, len(dead)), (), dead))

    def _place(self, key: Any, value: Any = None) -> int:
        """Return the place of a value, which is fixed if it is given."""
        if key not in self.places:
            self.places[key] = len(self.fixed)
            self.fixed.append(value)
        return self.places[key]

    def _operand(self, x: Any) -> int:
        if isinstance(x, Variable):
            return self._place(x)
        if isinstance(x, Number):
            return self._place(x, numpy.asarray(eval(x.text), x.dtype))
        if isinstance(x, Held):
            return self._place(x, x.value)
        return self._place((type(x), repr(x)), x)

    def _add(self, results: tuple[Variable, ...], call: Call) -> None:
        view = self.plan.views.get(results[0])
        places = [self._operand(x) for x in call.operands]
        names = [f"x{k}" for k in range(len(places))]
        text, parameters = call.text, list(names)
        if view is not None and call.into is not None:
            text = call.into
            parameters.append("out")
            places.append(self._place(view, view))
            if call.room:
                room = self.plan.rooms[results[0]]
                parameters.append("room")
                places.append(self._place(room, room))
        key = (text, call.function, len(results), call.several)
        if key not in self.functions:
            body = text.format(*names, f="f", out="out", room="room")
            body = body if call.several else f"({body},)"
            scope = {"numpy": numpy, "f": found(call.function)}
            made = eval(f"lambda {', '.join(parameters)}: {body}", scope)
            self.functions[key] = made
        made = tuple(map(self._place, results))
        self.steps.append((self.functions[key], tuple(places), made))

    def _guard(self, variable: Variable, guards: Sequence[Guard]) -> None:
        if guards:
            check = partial(checked, self.program, guards)
            self.steps.append((check, (self._place(variable),), ()))

    # ---- running

    def __call__(self, *arrays: Any) -> list[Any]:
        """Return the results."""
        try:
            base = self.workspaces.pop()
        except IndexError:
            base = self._workspace()
        values = list(base)
        values[: len(arrays)] = arrays
        for function, places, made in self.steps:
            ys = function(*[values[k] for k in places])
            for k, y in zip(made, ys, strict=True):
                values[k] = y
        self.workspaces.append(base)
        own: Any = runtime.own
        taken, results = list(arrays), []
        for y in self.program.outputs:
            if isinstance(y, Variable):
                y = own(values[self.places[y]], *taken)
                taken.append(y)
            results.append(y)
        return results

    def _workspace(self) -> list[Any]:
        """Return the fixed values, with arrays for results."""
        buffers = self.plan.pool.buffers
        memory = {b: numpy.empty(max(b.nbytes, 1), "uint8") for b in buffers}
        values = list(self.fixed)
        for k, x in enumerate(values):
            if isinstance(x, View):
                room = memory[x.buffer]
                values[k] = numpy.ndarray(x.shape, x.dtype, room, 0, x.strides)
        return values


def found(function: Function | None) -> Any:
    """Return what a call calls."""
    if function is None or function.value is not None:
        return None if function is None else function.value
    home, _, rest = function.path.partition(".")
    for module in (f"{home}.{rest.split('.')[0]}", home):
        try:
            place: Any = import_module(module)
        except ImportError:
            continue
        for part in function.path.removeprefix(f"{module}.").split("."):
            place = getattr(place, part)
        return place
    raise ImportError(function.path)


def nothing(count: int) -> tuple[None, ...]:
    """Return what takes the place of arrays that nobody reads any more."""
    return (None,) * count


def checked(program: Program, guards: Sequence[Guard], value: Any) -> tuple[()]:
    """Raise if a value would lead the user's code on another path."""
    require_guards(program, guards, value)
    return ()
