"""Loops that are recorded as loops: a body that is recorded once, and runs many times.

`scan` becomes one instruction, ``loop``, whose body is a program of its own. Its
derivatives are loops again: forward mode runs the JVP of the body, reverse mode keeps
the carry of each step and runs the VJP of the body from the last step to the first. So
neither recording nor what is recorded grows with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from autograd_core import backend, pytree
from autograd_core.backend import Backend
from autograd_core.batching import Batch
from autograd_core.errors import dtype_name
from autograd_core.forward import jvp
from autograd_core.graph import Array
from autograd_core.operation import Operation, registry
from autograd_core.operators.calls import (
    Arrays,
    Pullback,
    call,
    filled,
    likes_of,
    over_batch,
    zeros_like,
)
from autograd_core.operators.closures import closed_over
from autograd_core.operators.control_flow import after_step
from autograd_core.programs.program import Program, Variable
from autograd_core.programs.recording import Spec
from autograd_core.programs.straight_line import straight_line
from autograd_core.reverse import vjp
from autograd_core.tensor import (
    Tracked,
    is_array,
    is_differentiable,
    is_recorded,
    lowest,
    make_batched,
    namespace_of,
)
from autograd_core.transform import Pytree, differentiable_places, filled_like, replaced

Body = Callable[[Arrays], list[Any]]
"""Of lists: carry, elements and what all steps share; returns carry and results."""


@dataclass(frozen=True)
class LoopRules:
    """A loop over the first axis of arrays, and its derivatives, which are loops.

    Attributes
    ----------
    body
        What one step does.
    carries, scanned
        How many of its arguments are the carry, and how many elements of arrays.
    length
        The number of steps.
    reverse
        Whether they go from the last element to the first.
    """

    body: Body
    carries: int
    scanned: int
    length: int
    reverse: bool
    name: str = "scan"

    def parts(self, leaves: Arrays) -> tuple[list[Any], list[Any], list[Any]]:
        """Return carry, scanned arrays, and what all steps share."""
        c, x = self.carries, self.carries + self.scanned
        return list(leaves[:c]), list(leaves[c:x]), list(leaves[x:])

    def value(self, leaves: Arrays) -> list[Any]:
        """Run the loop in Python, where nothing is recorded."""
        return stepped(self.body, self, leaves)

    def push(self, leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
        """Run a loop over values and tangents together."""
        moving = differentiable_places(leaves)
        groups = self.parts(range(len(leaves)))
        counts = [[k for k in group if k in moving] for group in groups]
        kinds: list[bool] = []

        def body(given: Arrays) -> list[Any]:
            primals, dots, rest = [], [], list(given)
            for group, chosen in zip(groups, counts, strict=True):
                primals += [rest.pop(0) for _ in group]
                dots += [rest.pop(0) for _ in chosen]

            def of_moving(*xs: Any) -> list[Any]:
                return self.body(replaced(primals, moving, xs))

            ys, y_dots = jvp(of_moving, tuple(primals[k] for k in moving), tuple(dots))
            kinds[:] = map(is_differentiable, ys)
            carry = [y_dots[k] for k in counts[0]]
            found = [y_dots[k] for k, is_moving in enumerate(kinds) if is_moving][
                len(carry) :
            ]
            n = self.carries
            return [*ys[:n], *carry, *ys[n:], *found]

        given = []
        for group, chosen in zip(groups, counts, strict=True):
            given += [leaves[k] for k in group]
            given += [dense(tangents[k], leaves[k]) for k in chosen]
        both = replace(
            self,
            body=body,
            carries=self.carries + len(counts[0]),
            scanned=self.scanned + len(counts[1]),
        )
        out = run_loop(both, given)
        n, m = self.carries, len(counts[0])
        results = len(kinds) - n
        ys = [*out[:n], *out[n + m : n + m + results]]
        dots = iter([*out[n : n + m], *out[n + m + results :]])
        return ys, [next(dots) if moves else 0.0 for moves in kinds]

    def pull(self, leaves: Arrays) -> tuple[list[Any], Sequence[Any], Pullback]:
        """Run the loop keeping each step's carry; return a loop the other way."""

        def keeping(given: Arrays) -> list[Any]:
            return [*self.body(given), *given[: self.carries]]

        out = run_loop(replace(self, body=keeping), leaves)
        last = len(out) - self.carries
        ys, olds = out[:last], out[last:]
        likes, count = likes_of(ys), len(leaves)
        _, xs, held = self.parts(leaves)

        def pullback(residuals: Sequence[Any], t: Any) -> list[Any]:
            return self._back(residuals[0], likes, count, t)

        return ys, ([*olds, *xs, *held],), pullback

    def _back(
        self, kept: Arrays, likes: Sequence[Any], count: int, t: Any
    ) -> list[Any]:
        """Carry cotangents from the last step to the first."""
        olds, xs, held = self.parts(kept)
        moving = differentiable_places([*[x[0, ...] for x in olds], *xs, *held])
        groups = self.parts(range(count))
        chosen = [[k for k in group if k in moving] for group in groups]
        of_carry, of_ys = likes[: self.carries], likes[self.carries :]
        bars = filled(likes, t)
        carry = [bars[k] for k, like in enumerate(of_carry) if like is not None]
        y_bars = [
            bars[k + self.carries] for k, like in enumerate(of_ys) if like is not None
        ]
        sums = [filled_like(held[k - len(olds) - len(xs)], 0.0) for k in chosen[2]]
        some_carry, some_held = len(carry), len(sums)

        def body(given: Arrays) -> list[Any]:
            rest = list(given)
            t_carry = [rest.pop(0) for _ in range(some_carry)]
            totals = [rest.pop(0) for _ in range(some_held)]
            primals = [rest.pop(0) for _ in (*olds, *xs)]
            t_ys = [rest.pop(0) for _ in y_bars]
            primals += rest

            def of_moving(*given: Any) -> list[Any]:
                ys = self.body(replaced(primals, moving, given))
                return [y for y, like in zip(ys, likes, strict=True) if like]

            _, back = vjp(of_moving, *(primals[k] for k in moving))
            found = dict(zip(moving, back([*t_carry, *t_ys]), strict=True))
            added = zip(totals, (found[k] for k in chosen[2]), strict=True)
            return [
                *(found[k] for k in chosen[0]),
                *(total + term for total, term in added),
                *(found[k] for k in chosen[1]),
            ]

        out = run_loop(
            replace(
                self,
                body=body,
                carries=some_carry + some_held,
                scanned=len(olds) + len(xs) + len(y_bars),
                reverse=not self.reverse,
            ),
            [*carry, *sums, *olds, *xs, *y_bars, *held],
        )
        order = [*chosen[0], *chosen[2], *chosen[1]]
        return replaced([0.0] * count, order, out)

    def batched(self, mapped: Sequence[bool]) -> Any:
        """Unused: `run_loop` takes batches apart before."""
        raise AssertionError("run_loop handles batches")

    def record(self, level: Any, leaves: Arrays) -> list[Any]:
        """Record the body once, and the loop as one instruction."""
        carry, xs, held = self.parts(leaves)
        described = [
            *_described("carry", [tuple(x.shape) for x in carry], carry),
            *_described("x", [tuple(x.shape[1:]) for x in xs], xs),
            *_described("held", [tuple(x.shape) for x in held], held),
        ]
        body = level.subprogram(self.name, self.body, described)
        made = [
            Variable((self.length, *y.shape), y.dtype)
            if k >= self.carries
            else Variable(y.shape, y.dtype)
            for k, y in enumerate(body.outputs)
        ]
        statics = {
            "body": body,
            "carries": self.carries,
            "scanned": self.scanned,
            "length": self.length,
            "reverse": self.reverse,
        }
        return list(level.instruction(LOOP, leaves, statics, tuple(made)))


def _described(
    name: str, shapes: Sequence[tuple[int, ...]], arrays: Arrays
) -> list[Spec]:
    """Return the types of a body's inputs, called after what they stand for."""
    pairs = zip(shapes, arrays, strict=True)
    return [
        Spec(shape, dtype_name(x.dtype), f"{name}_{k}" if len(arrays) > 1 else name)
        for k, (shape, x) in enumerate(pairs)
    ]


def run_loop(rules: LoopRules, leaves: Arrays) -> list[Any]:
    """Run a loop on leaves of any levels; a batch of loops is a loop over batches."""
    levels = [x.world.level for x in leaves if isinstance(x, Tracked)]
    highest = max(levels, key=_number, default=None)
    if not isinstance(highest, Batch):
        return call(rules, leaves)
    carry, xs, held = rules.parts(leaves)
    mapped = [highest.holds(x) for x in leaves]
    flags = [True] * len(carry) + mapped[len(carry) :]
    lower = [
        *(highest.spread(x) for x in carry),
        *(_steps_first(highest, x) for x in xs),
        *map(highest.lowered, held),
    ]
    out = run_loop(replace(rules, body=over_batch(rules.body, flags)), lower)
    n = rules.carries
    found = [*out[:n], *(namespace_of(y).moveaxis(y, 1, 0) for y in out[n:])]
    return [make_batched(y, highest) for y in found]


def _number(level: Any) -> int:
    number: int = level.number
    return number


def _steps_first(level: Batch, x: Any) -> Any:
    """Return arrays to scan with the steps before the examples."""
    lower = level.lowered(x)
    return namespace_of(lower).moveaxis(lower, 1, 0) if level.holds(x) else x


def dense(t: Any, primal: Any) -> Any:
    """Return a tangent as an array."""
    return t if is_array(t) else zeros_like(primal)


def stepped(body: Body, rules: Any, leaves: Arrays) -> list[Any]:
    """Take the steps of a loop one after the other."""
    carry, xs, held = rules.parts(leaves)
    rows = []
    order = range(rules.length)
    for k in reversed(order) if rules.reverse else order:
        out = body([*carry, *(x[k, ...] for x in xs), *held])
        carry = out[: rules.carries]
        rows.append(out[rules.carries :])
    if rules.reverse:
        rows.reverse()
    columns = zip(*rows, strict=True)
    return [*carry, *(namespace_of(*ys).stack(list(ys)) for ys in columns)]


# ------------------------------------------------------------------ scan


def recorded_scan(
    f: Callable[[Pytree, Pytree], tuple[Pytree, Pytree]],
    init: Pytree,
    xs: Sequence[Array],
    structure: pytree.Structure,
    length: int,
    reverse: bool,
) -> tuple[Pytree, Pytree]:
    """Do what `scan` says, as a loop that is recorded as one."""
    held, build = closed_over(f)
    first, carried = pytree.flatten(init)
    like = next(x for x in (*first, *xs, *held) if is_array(x))
    carry = [x if is_array(x) else _as_array(x, like) for x in first]
    out = [pytree.LEAF]

    def body(given: Arrays) -> list[Any]:
        c, x = len(carry), len(carry) + len(xs)
        before = pytree.unflatten(carried, given[:c])
        found = build(given[x:])(before, pytree.unflatten(structure, given[c:x]))
        after, y = after_step(before, found)
        ys, out[0] = pytree.flatten(y)
        return [*pytree.flatten(after)[0], *(_array(y, like) for y in ys)]

    rules = LoopRules(body, len(carry), len(xs), length, reverse)
    results = run_loop(rules, [*carry, *xs, *held])
    n = len(carry)
    return (
        pytree.unflatten(carried, results[:n]),
        pytree.unflatten(out[0], results[n:]),
    )


def is_recorded_anywhere(f: Callable[..., Any], *trees: Pytree) -> bool:
    """Say whether a loop is computed on something that is recorded."""
    leaves = pytree.flatten(trees)[0]
    return any(map(is_recorded, leaves)) or any(map(is_recorded, closed_over(f)[0]))


def _array(y: Any, like: Array) -> Any:
    return y if is_array(y) else _as_array(y, like)


def _as_array(y: Any, like: Array) -> Any:
    """Return a number as an array, in the dtype of another where that can hold it."""
    raw = lowest(like)
    xp = backend.backend_of(raw)
    fits = is_differentiable(like) and isinstance(y, float)
    return xp.asarray(y, dtype=raw.dtype if fits else None)


# ------------------------------------------------------------------ the operation


def loop(
    *leaves: Array,
    body: Program,
    carries: int,
    scanned: int,
    length: int,
    reverse: bool = False,
) -> tuple[Array, ...]:
    """Run a program once for each element along the first axis of arrays.

    The first arrays are the carry, the next ones those that are scanned, the others
    what all steps share. Returns the last carry, and results stacked.
    """
    if any(isinstance(x, Tracked) for x in leaves):
        rules = LoopRules(body.evaluate, carries, scanned, length, reverse)
        return tuple(run_loop(rules, leaves))
    xp = backend.backend_of(leaves[0])
    found: tuple[Array, ...] = xp.loop(
        *leaves,
        body=body,
        carries=carries,
        scanned=scanned,
        length=length,
        reverse=reverse,
    )
    return found


def loop_forward(xp: Backend, /, *leaves: Array, body: Program, **sizes: Any) -> Any:
    """Run a loop on raw arrays, whose body is written for their library once."""
    by_library = _bodies.setdefault(body, {})
    if xp not in by_library:
        by_library[xp] = straight_line(body, xp)
    rules = LoopRules(by_library[xp], **{"reverse": False, **sizes})
    return tuple(rules.value(leaves))


_bodies: WeakKeyDictionary[Program, dict[Backend, Any]] = WeakKeyDictionary()

LOOP = Operation(loop, ("leaves",), variadic=True)
LOOP.extension, LOOP.is_composite = "programs", True  # no function of the namespace
LOOP.function = loop
registry["loop"] = LOOP
backend.implement("loop", loop_forward)
