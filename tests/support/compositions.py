"""Random nestings of the differential operators: Python source over a dialect.

A composition is text, as the programs of `support.programs` are. It begins with a small
function of a pytree; each further function is made of the one before by an operator,
and takes the same argument. A dialect gives the operators their meaning: ours, JAX's,
or plain loops around `jvp` and `vjp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from random import Random
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core import pytree

LARGEST = 12
"""Elements of one array of a result; what is larger is summed along its first axis."""
COSTLIEST = 60
"""Evaluations of the first function, in one of ours."""
MATRIX = "xp.asarray([[0.5, -1.0, 0.3, 0.7], [0.2, 0.4, -0.6, 0.1]], dtype=xp.float64)"
UNIT = "xp.eye(4, dtype=xp.float64)"

SHAPES = {
    "p": ("*", [(4,)]),
    "p[0], p[1]": ("(*, *)", [(2,), (1, 2)]),
    "p['b'][0], p['a'], p['b'][2]": ("{'a': *, 'b': [*, None, *]}", [(2,), (), (1,)]),
}
"""How the leaves of a pytree are written, of four numbers, the form, their shapes."""

STEPS = [
    *("xp.sin({x}) * {y}", "{x} / (1.5 + {y} ** 2)", "xp.tanh({x} + {y})"),
    *("xp.exp(-({x} ** 2)) - 0.2 * {y}", "xp.cumulative_sum({x}) / 3", "xp.flip({x})"),
    *("xp.where({x} > 0.3 * {y} + 0.1, xp.sin({x}), {x} * {y})", "xp.roll({x}, 1)"),
    *("xp.maximum({x}, 0.3 * {y} + 0.1)", "{x}[1::2][0] * xp.cos({y})", "xp.abs({x})"),
    *("xp.outer_({x}, xp.sin({y})) @ {x} / 4", "{x} * xp.mean({y})", "xp.sort({x})"),
    *("xp.sqrt(1.0 + {x} ** 2)", "xp.take({x}, xp.asarray([2, 0, 2, 1]), axis=0)"),
    *("xp.concat([{x}[1:], {y}[:1]])", "xp.log(2 + xp.cos({x} * {y}))"),
    *("xp.atan2({x}, 2 + xp.sin({y}))", "xp.prod(1 + xp.sin({x}) / 2) * {y}"),
    *("xp.max({x}) * {y} / 2", "xp.mean(xp.stack([{x}, {y}]), axis=0)"),
    *("xp.reshape(xp.reshape({x}, (2, 2)) @ xp.reshape({y}, (2, 2)).mT, (4,)) / 2",),
    "xp.linalg.solve(" + UNIT + " + xp.outer_(xp.sin({x}), {y}) / 3, {y})",
    "xp.broadcast_to(xp.expand_dims({x}, axis=0), (3, 4))[1, ...] * {y}",
    "m.name(xp.sinh({x} / 4), 'kept') + {y} / 2",
]
"""From vectors of four numbers to another."""

RESULTS = [
    *("xp.sum({x} * {y})", "{x}", "({x}[:2], xp.mean({y}))", "[None, {x} @ {y}]"),
    *("{{'s': xp.sum({x}), 'v': " + MATRIX + " @ {y}}}", "xp.outer_({x}[:2], {y})"),
]

OPERATORS = {
    "grad": (2, "m.grad(lambda q: m.total({f}(q)))(p)"),
    "value_and_grad": (
        4,
        "m.value_and_grad(lambda q: (m.total({f}(q)), {f}(q)), has_aux=True)(p)",
    ),
    "jvp": (2, "m.jvp({f}, (p,), (m.map(xp.cos, p),))"),
    "jvp of ones": (2, "m.jvp({f}, (p,), (m.map(xp.ones_like, p),))[1]"),
    "vjp": (2, "m.pulled(*m.vjp({f}, p))"),
    "linearize": (3, "m.pushed(*m.linearize({f}, p), p)"),
    "linear_transpose": (3, "m.transposed(*m.linearize({f}, p), p)"),
    "jacfwd": (3, "m.jacfwd({f})(p)"),
    "jacrev": (3, "m.jacrev({f})(p)"),
    "jacobian in chunks": (4, "m.jacobian({f}, chunk_size=3)(p)"),
    "hessian": (5, "m.hessian(lambda q: m.total({f}(q)))(p)"),
    "hvp": (4, "m.hvp(lambda q: m.total({f}(q)), (p,), (m.map(xp.sin, p),))"),
    "vmap": (2, "m.vmap({f}, in_axes=({axes},), out_axes={out})(m.spread(p, {axes}))"),
    "vmap in chunks": (3, "m.vmap({f}, chunk_size=2)(m.spread(p, 0))"),
    "vmap of jvp": (
        3,
        "m.vmap(lambda t: m.jvp({f}, (p,), (t,))[1], out_axes={out})(m.spread(p, 0))",
    ),
    "vmap of vjp": (3, "m.vmap(m.vjp({f}, p)[1])(m.spread({f}(p), 0))"),
    "vmap of grad": (
        3,
        "m.vmap(lambda c: m.grad(lambda q: m.total({f}(m.scaled(c, q))))(p))"
        "(xp.asarray([0.5, 2.0]))",
    ),
    "vmap of nothing": (3, "m.vmap(lambda c: {f}(p), axis_size=2, in_axes=None)(1.0)"),
    "checkpoint": (2, "m.checkpoint({f})(p)"),
    "checkpoint by name": (2, "m.checkpoint({f}, policy='kept')(p)"),
    "checkpoint of products": (2, "m.checkpoint({f}, policy='products')(p)"),
    "checkpoint of a closure": (
        2,
        "m.checkpoint(lambda q: m.scaled(m.total(p), {f}(q)))(m.map(xp.sin, p))",
    ),
    "custom_jvp": (2, "m.custom_jvp({f}, 1.5)(p)"),
    "custom_vjp": (2, "m.custom_vjp({f}, 1.5)(p)"),
    "vmap of custom_vjp": (
        3,
        "m.vmap(lambda c: m.custom_vjp(lambda t: m.scaled(t[0], {f}(t[1])), 0.5)"
        "((c, p)))(xp.asarray([0.5, 2.0]))",
    ),
    "scan": (
        6,
        "m.scan(lambda c, x: (m.moved(c, x * m.total({f}(c))), {f}(c)), p, "
        "xp.asarray([0.3, -0.5, 1.1]), reverse={flag}, checkpoint={flag2})",
    ),
    "cond": (
        2,
        "m.cond(m.total(p) > 0.1, {f}, lambda q: m.scaled(2.0, {f}(q)), p)",
    ),
    "while_loop": (
        4,
        "m.while_loop(lambda s: (m.total(s[1]) < 0.8) & (s[0] < 3), "
        "lambda s: (s[0] + 1, m.moved(s[1], m.total({f}(s[1])))), (0, p))[1]",
    ),
    "fori_loop": (
        3,
        "m.fori_loop(0, 2, lambda k, c: m.moved(c, (k + 1) * m.total({f}(c))), p, "
        "checkpoint={flag})",
    ),
    "map": (3, "m.lax_map({f}, m.spread(p, 0))"),
    "stop_gradient": (2, "m.times({f}(p), {f}(m.stop_gradient(p)))"),
}
"""What each costs, in evaluations of ``f``, and how it is written."""


# ------------------------------------------------------------------ drawing


@dataclass(frozen=True)
class Composition:
    """Source of functions of one argument, and the argument, a pytree of ndarrays."""

    source: str
    argument: Any
    operators: tuple[str, ...]

    @cached_property
    def program(self) -> Callable[..., Any]:
        """``program(m, xp)`` returns the last function."""
        scope: dict[str, Any] = {}
        exec(self.source, scope)
        return scope["program"]

    def __repr__(self) -> str:
        nesting = " of ".join(reversed(self.operators))
        return f"\n# {nesting}\np = {self.argument!r}\n{self.source}"


def composition(random: Random, depth: int = 4) -> Composition:
    """Draw a composition of up to so many operators."""
    argument, lines = first(random)
    chosen: list[str] = []
    cost = 1
    for _ in range(random.randint(1, depth)):
        fitting = [
            k for k, (factor, _) in OPERATORS.items() if factor * cost <= COSTLIEST
        ]
        if not fitting:
            break
        name = random.choice(fitting)
        cost *= OPERATORS[name][0]
        text = OPERATORS[name][1].format(
            f=f"f{len(chosen)}",
            axes=axes(random, argument),
            out=random.choice((0, -1)),
            flag=random.choice((True, False)),
            flag2=random.choice((True, False)),
        )
        chosen.append(name)
        lines += [f"def f{len(chosen)}(p):", f"    return m.small({text})"]
    body = "".join(f"    {line}\n" for line in [*lines, f"return f{len(chosen)}"])
    return Composition(f"def program(m, xp):\n{body}", argument, tuple(chosen))


def first(random: Random) -> tuple[Any, list[str]]:
    """Return an argument, and the lines of a function of it."""
    written = random.choice(list(SHAPES))
    form, shapes = SHAPES[written]
    values = np.random.default_rng(random.randrange(2**16))
    leaves = [np.asarray(values.uniform(-1.5, 1.5, shape)) for shape in shapes]
    argument = pytree.unflatten(pytree.flatten(written_form(form))[1], leaves)
    lines = [f"def f0(p):", f"    v0 = m.flat({written})"]  # noqa: F541
    count = random.randint(1, 4)
    for k in range(count):
        x, y = (f"v{random.randint(max(0, k - 1), k)}" for _ in range(2))
        lines.append(f"    v{k + 1} = {random.choice(STEPS).format(x=x, y=y)}")
    x, y = f"v{count}", f"v{random.randint(0, count)}"
    lines.append(f"    return {random.choice(RESULTS).format(x=x, y=y)}")
    return argument, lines


def written_form(form: str) -> Any:
    """Return the pytree that is written with a star for each leaf."""
    return eval(form.replace("*", "0.0"))


def axes(random: Random, argument: Any) -> Any:
    """Draw along which axes the examples of an argument lie: one, or one for each."""
    if random.random() < 0.5:
        return random.choice((0, -1))
    leaves, structure = pytree.flatten(argument)
    each = [random.choice((None, *range(-x.ndim - 1, x.ndim + 1))) for x in leaves]
    if all(axis is None for axis in each):
        each[-1] = 0
    return pytree.unflatten(structure, each)


# ------------------------------------------------------------------ dialects


class Dialect:
    """What all have in common: arithmetic on pytrees."""

    def __init__(self, xp: Any, **others: Callable[..., Any]) -> None:
        self.xp = Extended(xp, **others)

    def flat(self, *leaves: Any) -> Any:
        """Return one vector of all leaves."""
        return self.xp.concat([self.xp.reshape(x, (-1,)) for x in leaves])

    def map(self, function: Callable[..., Any], *trees: Any) -> Any:
        return pytree.map(function, *trees)

    def scaled(self, factor: Any, tree: Any) -> Any:
        return self.map(lambda x: factor * x, tree)

    def moved(self, tree: Any, by: Any) -> Any:
        return self.map(lambda x: self.xp.sin(x) + 0.1 * self.xp.tanh(by), tree)

    def times(self, tree: Any, other: Any) -> Any:
        return self.map(lambda x, y: x * self.xp.sin(y), tree, other)

    def with_factor(self, f: Any, factor: float) -> Any:
        """Return a function whose derivative is that of ``f`` times a factor."""

        def g(p: Any) -> Any:
            y = f(p)
            y_stopped = self.scaled(factor - 1.0, self.stop_gradient(y))
            return self.map(lambda a, b: factor * a - b, y, y_stopped)

        return g

    def weights(self, shape: tuple[int, ...]) -> Any:
        values = np.cos(np.arange(float(math.prod(shape))))
        return self.xp.asarray(values.reshape(shape))

    def total(self, tree: Any) -> Any:
        """Return a sum of all elements, each with its own weight."""
        total = 0.0
        for x in pytree.flatten(tree)[0]:
            total = total + self.xp.sum(x * self.weights(tuple(x.shape)))
        return total

    def small(self, tree: Any) -> Any:
        """Sum large arrays, with weights, along their first axis."""

        def one(x: Any) -> Any:
            while math.prod(x.shape) > LARGEST:
                rest = (1,) * (len(x.shape) - 1)
                factors = self.xp.reshape(self.weights(x.shape[:1]), (-1, *rest))
                x = self.xp.sum(x * factors, axis=0)
            return x

        return self.map(one, tree)

    def spread(self, tree: Any, axes: Any) -> Any:
        """Return three examples along axes."""
        leaves, structure = pytree.flatten(tree)
        each = [axes] * len(leaves)
        if not isinstance(axes, int):
            each = list(flat_axes(axes, structure))
        spread = [
            x
            if axis is None
            else self.xp.stack([x * c for c in (1.0, 0.5, -0.7)], axis=axis)
            for x, axis in zip(leaves, each, strict=True)
        ]
        return pytree.unflatten(structure, spread)

    def pulled(self, y: Any, pullback: Any) -> Any:
        return pullback(self.map(self.xp.sin, y))[0]

    def pushed(self, y: Any, pushforward: Any, p: Any) -> Any:
        return y, pushforward(self.map(self.xp.cos, p))

    def transposed(self, y: Any, pushforward: Any, p: Any) -> Any:
        return self.linear_transpose(pushforward, p)(self.map(self.xp.cos, y))[0]


def flat_axes(axes: Any, structure: pytree.Structure) -> list[Any]:
    """Return the axis of each leaf; None stands for a leaf that is not mapped."""
    if structure.container is object:
        return [axes]
    keys, children = structure.keys, structure.children
    pairs = zip(keys, children, strict=True)
    return [axis for key, child in pairs for axis in flat_axes(axes[key], child)]


class Extended:
    """A namespace, with an outer product of vectors and other functions put in."""

    def __init__(self, xp: Any, **others: Callable[..., Any]) -> None:
        self.namespace = xp
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.namespace, name)

    def outer_(self, x: Any, y: Any) -> Any:
        xp = self.namespace
        return xp.expand_dims(x, axis=1) * xp.expand_dims(y, axis=0)


class Ours(Dialect):
    """The operators of this library."""

    name = staticmethod(ag.checkpoint_name)
    grad = staticmethod(ag.grad)
    value_and_grad = staticmethod(ag.value_and_grad)
    jvp = staticmethod(ag.jvp)
    vjp = staticmethod(ag.vjp)
    linearize = staticmethod(ag.linearize)
    linear_transpose = staticmethod(ag.linear_transpose)
    jacfwd = staticmethod(ag.jacfwd)
    jacrev = staticmethod(ag.jacrev)
    jacobian = staticmethod(ag.jacobian)
    hessian = staticmethod(ag.hessian)
    hvp = staticmethod(ag.hvp)
    vmap = staticmethod(ag.vmap)
    scan = staticmethod(ag.scan)
    cond = staticmethod(ag.cond)
    while_loop = staticmethod(ag.while_loop)
    fori_loop = staticmethod(ag.fori_loop)
    lax_map = staticmethod(ag.map)
    stop_gradient = staticmethod(partial(pytree.map, ag.stop_gradient))

    def __init__(self, **others: Callable[..., Any]) -> None:
        super().__init__(ag.ops, **others)

    def checkpoint(self, f: Any, policy: str | None = None) -> Any:
        if policy == "products":
            return ag.checkpoint(f, policy=lambda name, y: name == "matmul")
        return ag.checkpoint(f, policy=(policy,) if policy else None)

    def custom_jvp(self, f: Any, factor: float) -> Any:
        """Return a function whose derivative is that of ``f`` times a factor."""
        g = ag.custom_jvp(f)

        def rule(primals: Any, tangents: Any) -> Any:
            y_dot = ag.jvp(f, primals, tangents)[1]
            return g(*primals), self.scaled(factor, y_dot)

        g.defjvp(rule)
        return g

    def custom_vjp(self, f: Any, factor: float) -> Any:
        g = ag.custom_vjp(f)

        def backward(p: Any, t: Any) -> Any:
            return self.scaled(factor, ag.vjp(f, p)[1](t))

        g.defvjp(lambda p: (g(p), p), backward)
        return g


class Loops(Ours):
    """Nothing but `jvp` and `vjp`; loops of Python for all else."""

    def name(self, x: Any, name: str) -> Any:
        return x

    def linearize(self, f: Any, p: Any) -> Any:
        return f(p), lambda t: ag.jvp(f, (p,), (t,))[1]

    def linear_transpose(self, f: Any, p: Any) -> Any:
        return ag.vjp(f, self.map(self.xp.zeros_like, p))[1]

    def checkpoint(self, f: Any, policy: str | None = None) -> Any:
        return f

    custom_jvp = custom_vjp = Dialect.with_factor

    def directions(self, tree: Any) -> list[Any]:
        """Return all unit vectors of a pytree."""
        leaves, structure = pytree.flatten(tree)
        found = []
        for k, x in enumerate(leaves):
            for one in np.eye(math.prod(x.shape)):
                units = list(map(self.xp.zeros_like, leaves))
                units[k] = self.xp.asarray(one.reshape(x.shape))
                found.append(pytree.unflatten(structure, units))
        return found

    def jacfwd(self, f: Any) -> Any:
        def evaluate(p: Any) -> Any:
            columns = [ag.jvp(f, (p,), (t,))[1] for t in self.directions(p)]
            leaves, structure = pytree.flatten(p)
            each = [pytree.flatten(column)[0] for column in columns]
            out = pytree.flatten(columns[0])[1]
            table = [
                pytree.unflatten(structure, self.parts(list(entries), leaves, -1))
                for entries in zip(*each, strict=True)
            ]
            return pytree.unflatten(out, table)

        return evaluate

    def parts(self, entries: list[Any], leaves: list[Any], axis: int) -> list[Any]:
        """Stack the derivatives along each leaf's directions, in its shape."""
        found, start = [], 0
        for x in leaves:
            stop = start + math.prod(x.shape)
            y = self.xp.stack(entries[start:stop], axis=axis)
            rest = tuple(entries[0].shape)
            shape = (*rest, *x.shape) if axis else (*x.shape, *rest)
            found.append(self.xp.reshape(y, shape))
            start = stop
        return found

    def jacrev(self, f: Any, chunk_size: int | None = None) -> Any:
        def evaluate(p: Any) -> Any:
            y, pullback = ag.vjp(f, p)
            rows = [pytree.flatten(pullback(t)[0])[0] for t in self.directions(y)]
            outputs, out = pytree.flatten(y)
            structure = pytree.flatten(p)[1]
            columns = [
                self.parts(list(entries), outputs, 0)
                for entries in zip(*rows, strict=True)
            ]
            table = zip(*columns, strict=True)
            return pytree.unflatten(
                out, [pytree.unflatten(structure, each) for each in table]
            )

        return evaluate

    jacobian = jacrev

    def hessian(self, f: Any) -> Any:
        return self.jacrev(ag.grad(f))

    def hvp(self, f: Any, primals: Any, tangents: Any) -> Any:
        return ag.jvp(ag.grad(f), primals, tangents)[1]

    def vmap(
        self,
        f: Any,
        in_axes: Any = 0,
        out_axes: int = 0,
        axis_size: int | None = None,
        chunk_size: int | None = None,
    ) -> Any:
        def evaluate(p: Any) -> Any:
            leaves, structure = pytree.flatten(p)
            axes = in_axes[0] if isinstance(in_axes, tuple) else in_axes
            if axes is None or isinstance(axes, int):
                each = [axes] * len(leaves)
            else:
                each = flat_axes(axes, structure)
            pairs = list(zip(leaves, each, strict=True))
            size = axis_size or next(x.shape[a] for x, a in pairs if a is not None)
            results = []
            for k in range(size):
                one = [x if a is None else self.example(x, a, k) for x, a in pairs]
                results.append(f(pytree.unflatten(structure, one)))
            stack = lambda *ys: self.xp.stack(list(ys), axis=out_axes)  # noqa: E731
            return pytree.map(stack, *results)

        return evaluate

    def example(self, x: Any, axis: int, k: int) -> Any:
        before = axis % len(x.shape)
        return x[(*(slice(None),) * before, k, ...)]

    def scan(self, f: Any, init: Any, xs: Any, reverse: bool, checkpoint: bool) -> Any:
        order = range(xs.shape[0])[:: -1 if reverse else 1]
        carry, ys = init, {}
        for k in order:
            carry, ys[k] = f(carry, xs[k])
        ordered = [ys[k] for k in range(len(ys))]
        return carry, pytree.map(lambda *y: self.xp.stack(list(y)), *ordered)

    def cond(self, predicate: Any, one: Any, other: Any, *operands: Any) -> Any:
        holds = bool(ag.stop_gradient(predicate))
        return (one if holds else other)(*operands)

    def while_loop(self, condition: Any, body: Any, state: Any) -> Any:
        while bool(ag.stop_gradient(condition(state))):
            state = body(state)
        return state

    def fori_loop(
        self, lower: int, upper: int, body: Any, state: Any, checkpoint: bool
    ) -> Any:
        for k in range(lower, upper):
            state = body(k, state)
        return state

    def lax_map(self, f: Any, xs: Any) -> Any:
        return self.vmap(f)(xs)


class Jax(Dialect):
    """JAX's operators; ``own`` says whether to use its custom rules.

    As its reverse mode refuses a `while_loop`, that is a `scan` of conditional steps.
    """

    def __init__(self, jax: Any, own: bool = True) -> None:
        super().__init__(jax.numpy)
        self.jax, self.own = jax, own
        self.grad, self.value_and_grad = jax.grad, jax.value_and_grad
        self.jvp, self.vjp = jax.jvp, jax.vjp
        self.linearize, self.jacfwd, self.jacrev = jax.linearize, jax.jacfwd, jax.jacrev
        self.hessian, self.cond = jax.hessian, jax.lax.cond
        self.lax_map, self.stop_gradient = jax.lax.map, jax.lax.stop_gradient

    def map(self, function: Callable[..., Any], *trees: Any) -> Any:
        return self.jax.tree.map(function, *trees)

    def name(self, x: Any, name: str) -> Any:
        from jax.ad_checkpoint import checkpoint_name

        return checkpoint_name(x, name)

    def linear_transpose(self, f: Any, p: Any) -> Any:
        return self.jax.linear_transpose(f, p)

    def jacobian(self, f: Any, chunk_size: int) -> Any:
        return self.jax.jacrev(f)

    def hvp(self, f: Any, primals: Any, tangents: Any) -> Any:
        return self.jax.jvp(self.jax.grad(f), primals, tangents)[1]

    def vmap(self, f: Any, chunk_size: int | None = None, **options: Any) -> Any:
        return self.jax.vmap(f, **options)

    def checkpoint(self, f: Any, policy: str | None = None) -> Any:
        policies = self.jax.checkpoint_policies
        known = {
            "kept": policies.save_only_these_names("kept"),
            "products": policies.dots_saveable,
            None: None,
        }
        return self.jax.checkpoint(f, policy=known[policy])

    def custom_jvp(self, f: Any, factor: float) -> Any:
        if not self.own:
            return self.with_factor(f, factor)
        g = self.jax.custom_jvp(f)

        def rule(primals: Any, tangents: Any) -> Any:
            y_dot = self.jax.jvp(f, primals, tangents)[1]
            return g(*primals), self.scaled(factor, y_dot)

        g.defjvp(rule)
        return g

    def custom_vjp(self, f: Any, factor: float) -> Any:
        if not self.own:
            return self.with_factor(f, factor)
        g = self.jax.custom_vjp(f)

        def backward(p: Any, t: Any) -> Any:
            return self.scaled(factor, self.jax.vjp(f, p)[1](t))

        g.defvjp(lambda p: (g(p), p), backward)
        return g

    def scan(self, f: Any, init: Any, xs: Any, reverse: bool, checkpoint: bool) -> Any:
        return self.jax.lax.scan(f, init, xs, reverse=reverse)

    def while_loop(self, condition: Any, body: Any, state: Any) -> Any:
        def step(state: Any, _: None) -> Any:
            cond = self.jax.lax.cond
            return cond(condition(state), body, lambda s: s, state), None

        return self.jax.lax.scan(step, state, None, length=3)[0]

    def fori_loop(
        self, lower: int, upper: int, body: Any, state: Any, checkpoint: bool
    ) -> Any:
        return self.jax.lax.fori_loop(lower, upper, body, state)
