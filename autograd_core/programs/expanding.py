"""Programs in calls of the standard only.

What the standard does not have is written by what computes it on libraries that lack
it: their implementations, which are made of calls of the standard, are recorded in
place of the call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from autograd_core import backend, tensor
from autograd_core.backend import Backend, implementations, use_backend
from autograd_core.errors import error
from autograd_core.graph import Array
from autograd_core.operation import Operation
from autograd_core.programs.program import Instruction, Program, Variable, mapped
from autograd_core.programs.rewriting import Call, Rule, rewrite

STANDARD = ("", "linalg", "fft")
"""The namespace of the standard and its extensions."""

NUMBERS = {
    "full": ("fill_value",),
    "full_like": ("fill_value",),
    "arange": ("start", "stop", "step"),
    "linspace": ("start", "stop"),
}
"""Parameters that are numbers in the standard, where ours may be arrays."""

SPELLED = ("basic_index", "index_add", "loop")
"""What is not a function of the standard, but has a spelling of its own."""

DEPTH = 20
"""More than there are implementations within implementations."""


class HostedError(Exception):
    """What an operation is computed by is no calls of the standard."""


class Standard:
    """The namespace that implementations are given: what they call is recorded."""

    capabilities = ()

    def device_of(self, x: Array) -> Any:
        """Return no device: what is made becomes a constant, on that of the inputs."""
        return None

    def __getattr__(self, name: str) -> Any:
        """Return a name of the namespace of arrays that are recorded."""
        if name in ("on_host", "to_host"):
            raise HostedError
        return getattr(tensor.operations, name)


def is_standard(operation: Operation) -> bool:
    """Say whether the standard has an operation, so that every library does."""
    ours = operation.name in implementations or hasattr(Backend, operation.name)
    return operation.extension in STANDARD and not ours


def expanded(program: Program) -> tuple[Program, set[str]]:
    """Return a program in calls of the standard, and which others are left.

    Those are special functions that have no formula in calls of the standard; indexing
    and `index_add`, which are written in a way of their own; and no others.

    Raises
    ------
    NotImplementedError
        If there is no way to compute an operation in calls of the standard.
    """
    hosted: set[str] = set()
    for _ in range(DEPTH):
        before = program
        with use_backend("numpy"):
            program = rewrite(program, _rule(hosted))
        if program is before:
            break
    for instruction in program.instructions:
        if not _stays(instruction, hosted) and instruction.operation != "array_index":
            raise not_portable(instruction.operation)
    if any(each.operation == "loop" for each in program.instructions):
        instructions = [_with_body(each, hosted) for each in program.instructions]
        program = replace(program, instructions=tuple(instructions))
    return program, hosted


def _with_body(instruction: Instruction, hosted: set[str]) -> Instruction:
    """Return an instruction, of a loop with a body in calls of the standard."""
    if instruction.operation != "loop":
        return instruction
    body, found = expanded(instruction.statics["body"])
    hosted |= found
    return replace(instruction, statics={**instruction.statics, "body": body})


def _stays(instruction: Instruction, hosted: set[str]) -> bool:
    name = instruction.operation
    return name in hosted or name in SPELLED or in_standard(instruction)


def _rule(hosted: set[str]) -> Rule:
    """Return the rule that writes out what is not in the standard."""

    def rule(call: Call) -> Any:
        instruction, name = call.instruction, call.operation
        if _stays(instruction, hosted):
            return None
        try:
            return written_out(instruction, call.array)
        except HostedError:
            if instruction.declared.extension != "special":
                raise not_portable(name) from None
            hosted.add(name)
            return None

    return rule


def in_standard(instruction: Instruction) -> bool:
    """Say whether the standard has the call."""
    numbers = NUMBERS.get(instruction.operation, ())
    given = _given(instruction)
    arrays = any(isinstance(given.get(name), Variable) for name in numbers)
    return is_standard(instruction.declared) and not arrays


def _given(instruction: Instruction) -> dict[str, Any]:
    operation = instruction.declared
    pairs = zip(operation.arguments, instruction.arguments, strict=False)
    return {**dict(pairs), **instruction.statics}


def written_out(instruction: Instruction, array: Callable[[Any], Any]) -> Any:
    """Compute in calls of the standard what an instruction computes.

    None says that it is to stay as it is.
    """
    operation = instruction.declared
    arguments = mapped(instruction.arguments, array)
    statics = mapped(instruction.statics, array)
    own = OWN.get(operation.name)
    if own is not None:
        return own(*arguments, **statics)
    positional, named = operation.written(arguments, statics)
    implementation = implementations.get(operation.name)
    if implementation is None:
        if operation.is_composite:
            return operation.declaration(*positional, **named)
        raise HostedError
    bound = operation.signature.bind(*positional, **named)
    bound.apply_defaults()  # implementations have none
    return implementation(Standard(), *bound.args, **bound.kwargs)


def not_portable(name: str) -> NotImplementedError:
    """Return the error for an operation that the standard cannot express."""
    return error(
        NotImplementedError,
        name,
        "is computed by a library of its own, not in calls of the Array API standard",
        "a program to be written for any library",
        "Run the program here, or write it with target='numpy'.",
    )


# ------------------------------------------------------------------ places


def pad_index(x: Array, *, key: Any, shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with ``x`` at a basic key, by joining zeros to it."""
    slices = spelled_out(key, shape)
    lengths = [len(range(n)[k]) for n, k in zip(shape, slices, strict=True)]
    xp = tensor.operations
    if tuple(x.shape) != tuple(lengths):
        x = xp.reshape(x, tuple(lengths))
    for axis, (n, key) in enumerate(zip(shape, slices, strict=True)):
        x = _placed(x, axis, range(n)[key], n)
    return x


def spelled_out(key: Any, shape: tuple[int, ...]) -> list[slice]:
    """Return a slice for each axis: of an integer, one of length 1."""
    keys = [k for k in (key if isinstance(key, tuple) else (key,)) if k is not None]
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    k = keys.index(Ellipsis)
    keys[k : k + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    found = []
    for part, n in zip(keys, shape, strict=True):
        at = part if isinstance(part, slice) else slice(part % n, part % n + 1)
        found.append(at)
    return found


def _placed(x: Array, axis: int, places: range, length: int) -> Array:
    """Return an array whose elements are at places along an axis, among zeros."""
    xp = tensor.operations
    shape = tuple(x.shape)
    if len(places) == 0:
        return _zeros((*shape[:axis], length, *shape[axis + 1 :]), x)
    if places.step < 0:
        x, places = xp.flip(x, axis=axis), places[::-1]
    step = places.step if len(places) > 1 else 1
    if step > 1:  # zeros after each element, and off again after the last
        apart = (*shape[:axis], len(places), 1, *shape[axis + 1 :])
        zeros = (*shape[:axis], len(places), step - 1, *shape[axis + 1 :])
        x = xp.concat([xp.reshape(x, apart), _zeros(zeros, x)], axis=axis + 1)
        x = xp.reshape(x, (*shape[:axis], len(places) * step, *shape[axis + 1 :]))
    spread = len(places) * step
    before, after = places.start, length - places.start - spread
    if after < 0:
        x, after = x[(*(slice(None),) * axis, slice(None, after), ...)], 0
    parts = [x]
    if before:
        parts.insert(0, _zeros((*shape[:axis], before, *shape[axis + 1 :]), x))
    if after:
        parts.append(_zeros((*shape[:axis], after, *shape[axis + 1 :]), x))
    return xp.concat(parts, axis=axis) if len(parts) > 1 else x


def _zeros(shape: tuple[int, ...], like: Array) -> Array:
    library = backend.backend("numpy")
    dtype = library.dtype(like.dtype)
    return library.broadcast_to(library.zeros((), dtype=dtype), shape)


def index_set(x: Array, value: Any, *, key: Any) -> Array:
    """Return ``x`` with a value at a basic key, by choosing between the two."""
    xp, shape = tensor.operations, tuple(x.shape)
    library = backend.backend("numpy")
    places = library.zeros(shape, dtype=library.bool)
    places[key] = True
    target = tuple(places[key].shape)
    if not hasattr(value, "shape"):
        return xp.where(places, value, x)
    if tuple(value.shape) != target:
        missing = len(value.shape) - len(target)
        if missing > 0:  # axes of length 1
            value = xp.reshape(value, tuple(value.shape)[missing:])
        value = xp.broadcast_to(value, target)
    return xp.where(places, pad_index(value, key=key, shape=shape), x)


def array_index(x: Array, key: Any) -> Array | None:
    """Return ``x[key]`` by `take`, where one array of integers is all there is.

    The standard has no key of arrays and slices.
    """
    keys = key if isinstance(key, tuple) else (key,)
    arrays = [k for k in keys if hasattr(k, "shape")]
    if len(arrays) != 1 or "int" not in str(arrays[0].dtype) or len(x.shape) == 1:
        return None
    if any(k not in (Ellipsis, slice(None)) for k in keys if k is not arrays[0]):
        return None
    place = next(k for k, part in enumerate(keys) if part is arrays[0])
    if Ellipsis in keys[:place]:
        place += len(x.shape) - len(keys)
    xp, indices = tensor.operations, arrays[0]
    if len(indices.shape) == 1:
        return xp.take(x, indices, axis=place)
    flat = xp.reshape(indices, (math.prod(indices.shape),))
    taken = xp.take(x, flat, axis=place)
    shape = tuple(x.shape)
    return xp.reshape(taken, (*shape[:place], *indices.shape, *shape[place + 1 :]))


def to_device(x: Array, **_: Any) -> Array:
    """Return an array as it is: a program is on the device of its inputs."""
    return x


OWN: dict[str, Callable[..., Any]] = {
    "array_index": array_index,
    "pad_index": pad_index,
    "index_set": index_set,
    "to_device": to_device,
}
"""Operations that are written for emission: functional, and as people would."""
