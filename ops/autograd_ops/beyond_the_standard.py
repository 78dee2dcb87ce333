"""Functions of the main namespace that the standard does not have.

They are few, and those that programs lean on everywhere: `einsum`, in which much of
machine learning and physics is written, `interp` and `trapezoid`, the two ends of
working with tabulated functions, `kron`, and `optimization_barrier`. Where nothing is
tracked the library's own function is called, or the body where it has none; where
something is, the body, so that the derivatives are those of its parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import autograd_core.tensor as tensor
from autograd_core.backend import implement
from autograd_core.declare import composite, elementwise, sample
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.tensor import stopped
from autograd_ops.axes import along, normalized

__all__ = ["einsum", "interp", "kron", "optimization_barrier", "trapezoid"]

Labels = list[str]
Term = tuple[Array, Labels]
"""An array, and what its axes are called."""

# ------------------------------------------------------------------ apart


def barrier_forward(xp: Any, x: Array) -> Array:
    return x


def barrier_x(xp: Any, t: Array) -> Array:
    return t


@elementwise(x=barrier_x, implementation=barrier_forward)
def optimization_barrier(x: Array, /) -> Array:
    """Return the array itself, in a program as if it were another.

    What is computed from it is not found to be the same as what is computed from ``x``,
    and so is computed again: what `checkpoint` wants.
    """


# ------------------------------------------------------------------ einsum


def einsum_forward(xp: Any, subscripts: str, *operands: Array) -> Array:
    """Contract operands from left to right, each pair by one product of matrices."""
    inputs, output = parsed(subscripts, operands)
    terms = [
        diagonal(xp, x, labels) for x, labels in zip(operands, inputs, strict=True)
    ]
    result, *rest = terms
    for k, term in enumerate(rest):
        later = {*output}.union(*(labels for _, labels in rest[k + 1 :]))
        result = pair(xp, result, term, later)
    x, labels = summed(xp, result, set(output))
    return xp.permute_dims(x, tuple(labels.index(label) for label in output))


def parsed(subscripts: str, operands: Sequence[Array]) -> tuple[list[Labels], Labels]:
    """Return the labels of the axes of each operand and of the result.

    An ellipsis stands for labels of its own, counted from the last axis.
    """
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise wrong(subscripts, operands, "a part for each operand")
    inputs = [
        spelled(part, len(x.shape) - len(part.replace("...", "")), subscripts, operands)
        for part, x in zip(parts, operands, strict=True)
    ]
    counts = Counter(label for labels in inputs for label in labels)
    hidden = sorted((x for x in counts if x[0] == "."), key=rank)
    if not arrow:
        once = sorted(x for x, n in counts.items() if n == 1 and x[0] != ".")
        return inputs, hidden + once
    before, dots, after = right.partition("...")
    output = [*before, *(hidden if dots else []), *after]
    if set(output) - set(counts) or len(set(output)) != len(output):
        raise wrong(subscripts, operands, "a result with labels of the operands, once")
    return inputs, output


def rank(label: str) -> int:
    """Return where an axis of an ellipsis stands, from the first on."""
    return -int(label[1:])


def spelled(
    part: str, missing: int, subscripts: str, operands: Sequence[Array]
) -> Labels:
    """Return the labels of one operand's axes, an ellipsis spelled out."""
    before, dots, after = part.partition("...")
    if missing < 0 or (missing > 0 and not dots):
        raise wrong(subscripts, operands, "a label for each axis")
    return [*before, *(f".{k}" for k in range(missing, 0, -1)), *after]


def wrong(subscripts: str, operands: Sequence[Array], rule: str) -> Exception:
    """Build the error of subscripts that do not fit their operands."""
    got = f"{subscripts!r} for {', '.join(map(describe, operands))}"
    remedy = "Write 'ij,jk->ik'."
    return error(ValueError, "einsum", f"subscripts have {rule}", got, remedy)


def diagonal(xp: Any, x: Array, labels: Labels) -> Term:
    """Take the diagonal of axes that are called the same."""
    for label, times in Counter(labels).items():
        for _ in range(times - 1):
            i = labels.index(label)
            j = labels.index(label, i + 1)
            others = [k for k in range(len(labels)) if k not in (i, j)]
            x = xp.permute_dims(x, (*others, i, j))
            n = x.shape[-1]
            x = xp.reshape(x, (*x.shape[:-2], n * n))
            x = x[(..., slice(None, None, n + 1))] if n else x
            labels = [*(labels[k] for k in others), label]
    return x, labels


def summed(xp: Any, term: Term, kept: set[str]) -> Term:
    """Sum over the axes whose labels are not kept."""
    x, labels = term
    gone = tuple(k for k, label in enumerate(labels) if label not in kept)
    if gone:
        x = xp.sum(x, axis=gone)
    return x, [label for label in labels if label in kept]


def pair(xp: Any, first: Term, second: Term, later: set[str]) -> Term:
    """Multiply two terms, and sum over the labels that nothing later names."""
    first = summed(xp, first, later | set(second[1]))
    second = summed(xp, second, later | set(first[1]))
    (x, labels_x), (y, labels_y) = first, second
    shared = [label for label in labels_x if label in labels_y]
    batch = [label for label in shared if label in later]
    inner = [label for label in shared if label not in later]
    rows = [label for label in labels_x if label not in shared]
    columns = [label for label in labels_y if label not in shared]
    for label in inner:  # an axis of length 1 goes with any other
        x, y = alike(xp, x, labels_x.index(label), y, labels_y.index(label))
    x = xp.permute_dims(x, tuple(map(labels_x.index, batch + rows + inner)))
    y = xp.permute_dims(y, tuple(map(labels_y.index, batch + inner + columns)))
    n, m, k = len(batch), len(rows), len(inner)
    x_batch, x_rows = x.shape[:n], x.shape[n : n + m]
    y_batch, y_columns = y.shape[:n], y.shape[n + k :]
    if inner:
        x = xp.reshape(x, (*x_batch, product(x_rows), product(x.shape[n + m :])))
        y = xp.reshape(y, (*y_batch, product(y.shape[n : n + k]), product(y_columns)))
        z = xp.matmul(x, y)
        z = xp.reshape(z, (*z.shape[:n], *x_rows, *y_columns))
    else:
        y = xp.reshape(y, (*y_batch, *(1 for _ in rows), *y_columns))
        z = xp.reshape(x, (*x.shape, *(1 for _ in columns))) * y
    return z, batch + rows + columns


def alike(xp: Any, x: Array, i: int, y: Array, j: int) -> tuple[Array, Array]:
    """Broadcast an axis of ``x`` and one of ``y`` to the same length."""
    n = max(x.shape[i], y.shape[j])
    if x.shape[i] != n:
        x = xp.broadcast_to(x, (*x.shape[:i], n, *x.shape[i + 1 :]))
    if y.shape[j] != n:
        y = xp.broadcast_to(y, (*y.shape[:j], n, *y.shape[j + 1 :]))
    return x, y


def product(lengths: Sequence[int]) -> int:
    """Return the product of the lengths of axes."""
    total = 1
    for n in lengths:
        total *= n
    return total


implement("einsum", einsum_forward, everywhere=True)


@composite(
    "operands",
    variadic=True,
    samples=(
        sample((2, 3), (3, 4), subscripts="ij,jk->ik"),
        sample((3, 3), subscripts="ii"),
        sample((2, 3, 4), (4, 2), (3,), subscripts="abc,ca,b->ac"),
        sample((2, 1, 3), (4, 3), subscripts="...i,...i->..."),
    ),
)
def einsum(subscripts: str, /, *operands: Array) -> Array:
    """Einstein's summation: products along axes of one name, summed over the others.

    With repeated names (diagonals), an ellipsis and implicit results, as in NumPy.
    Linear in each operand; the operands are contracted from left to right.
    """
    return einsum_forward(tensor.operations, subscripts, *operands)


# ------------------------------------------------------------------ tables


def interp_forward(xp: Any, x: Array, nodes: Array, values: Array) -> Array:
    """Interpolate in calls of the standard."""
    shape, last = tuple(x.shape), nodes.shape[0] - 1
    x = xp.reshape(x, (-1,))
    if last == 0:
        return xp.reshape(values + 0.0 * x, shape)
    after = xp.searchsorted(stopped(nodes), stopped(x), side="right")
    after = xp.clip(after, 1, last)
    left, right = xp.take(nodes, after - 1), xp.take(nodes, after)
    below, above = xp.take(values, after - 1), xp.take(values, after)
    y = below + (x - left) * ((above - below) / (right - left))
    y = xp.where(x < nodes[0], values[0], xp.where(x > nodes[last], values[last], y))
    return xp.reshape(y, shape)


implement("interp", interp_forward)


def in_order(
    xp: Any, x: Array, nodes: Array, values: Array
) -> tuple[Array, Array, Array]:
    """Return arguments with nodes that increase."""
    return x, xp.sort(nodes), values


@composite(
    *("x", "nodes", "values"),
    domain={"x": (0.0, 1.0)},
    samples=(
        sample((3,), nodes=[-1.0, 0.25, 0.5, 2.0], values=[1.0, 3.0, -1.0, 0.5]),
        sample((2, 2), (3,), (3,)).of(in_order),
    ),
)
def interp(x: Array, nodes: Array, values: Array, /) -> Array:
    """Linear interpolation between increasing nodes, at which there are values.

    Outside the first or the last value. At a node the derivative in x is that of the
    interval to its right, at the last node that of the last interval.
    """
    return interp_forward(tensor.operations, x, nodes, values)


def trapezoid_forward(
    xp: Any, y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1
) -> Array:
    """Integrate in calls of the standard."""
    (k,) = normalized(axis, len(y.shape))
    late, early = along(k, slice(1, None)), along(k, slice(0, -1))
    pairs = y[late] + y[early]
    if x is None:
        return xp.sum(dx * pairs / 2.0, axis=k)
    if len(x.shape) == 1:
        steps = xp.reshape(
            x[1:] - x[:-1], (-1, *(1 for _ in range(len(y.shape) - k - 1)))
        )
    else:
        j = k - len(y.shape) + len(x.shape)
        steps = x[along(j, slice(1, None))] - x[along(j, slice(0, -1))]
    return xp.sum(steps * pairs / 2.0, axis=k)


implement("trapezoid", trapezoid_forward)


@composite(
    *("y", "x"),
    samples=(
        sample((5,)),
        sample((3, 4), (4,)),
        sample((3, 4), dx=0.5, axis=0),
    ),
)
def trapezoid(y: Array, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """Integral along an axis by the trapezoidal rule; linear in y, and in x."""
    return trapezoid_forward(tensor.operations, y, x, dx, axis)


def kron_forward(xp: Any, a: Array, b: Array) -> Array:
    """Multiply in calls of the standard."""
    ndim = max(len(a.shape), len(b.shape))
    a_shape = (*(1 for _ in range(ndim - len(a.shape))), *a.shape)
    b_shape = (*(1 for _ in range(ndim - len(b.shape))), *b.shape)
    rows = [n for length in a_shape for n in (length, 1)]
    columns = [n for length in b_shape for n in (1, length)]
    product = xp.reshape(a, tuple(rows)) * xp.reshape(b, tuple(columns))
    lengths = (m * n for m, n in zip(a_shape, b_shape, strict=True))
    return xp.reshape(product, tuple(lengths))


implement("kron", kron_forward)


@composite(
    *("a", "b"),
    samples=(sample((2, 3), (3, 2)), sample((2,), (2, 2))),
)
def kron(a: Array, b: Array, /) -> Array:
    """Kronecker product: every element of ``a`` times the whole of ``b``."""
    return kron_forward(tensor.operations, a, b)
