"""What a function keeps for its backward pass: a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from autograd_core import backend, pytree
from autograd_core.errors import dtype_name, user_line
from autograd_core.graph import Array, Node
from autograd_core.operators.watching import Watch
from autograd_core.reverse import Trace, traced
from autograd_core.tensor import Tensor, lowest
from autograd_core.transform import Pytree


class Residual(NamedTuple):
    """One array that is kept."""

    operation: str
    """The operation whose rule needs it, or ``argument``."""
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    line: str
    """The user's line, ``file:number``."""


class Residuals(list[Residual]):
    """The arrays that a function keeps, in order of its calls; prints as a table."""

    @property
    def bytes(self) -> int:
        """The sum of their bytes."""
        return sum(row.bytes for row in self)

    def __repr__(self) -> str:
        titles = ("operation", "dtype", "shape", "bytes", "line")
        rows = [tuple(map(str, row)) for row in self]
        rows = [titles, *rows, ("total", "", "", str(self.bytes), "")]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = zip(row, widths, strict=True)
            lines.append("  ".join(cell.ljust(n) for cell, n in cells).rstrip())
        return "\n".join(lines)


def saved_residuals(function: Callable[..., Pytree], *primals: Pytree) -> Residuals:
    """Report what a function keeps for its backward pass: every array once.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays.
    *primals
        Where to evaluate it.

    Returns
    -------
    Residuals
        A list of rows ``operation``, ``dtype``, ``shape``, ``bytes`` and ``line``, with
        the sum of the bytes as ``.bytes``. An array that several operations keep is
        listed with the first. Views of one piece of memory count each.

    Raises
    ------
    TypeError
        If a primal is an integer, or no array.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> f = lambda x: ag.ops.sum(ag.ops.sin(ag.ops.exp(x)))
    >>> for row in ag.saved_residuals(f, numpy.zeros(1000)):
    ...     print(row.operation, row.dtype, row.shape, row.bytes)
    exp float64 (1000,) 8000
    >>> g = lambda x: f(ag.ops.sinh(x))
    >>> ag.saved_residuals(g, numpy.zeros(1000)).bytes
    16000
    >>> ag.saved_residuals(ag.checkpoint(g), numpy.zeros(1000)).bytes
    8000
    """
    report: list[tuple[Node, str, str]] = []
    given: set[int] = set()

    def watched(*arguments: Pytree) -> Pytree:
        given.update(id(lowest(x)) for x in pytree.flatten(arguments)[0])
        with Reporter(report) as level:
            y = function(*pytree.map(level.watched, arguments))
            return pytree.map(level.lowered, y)

    trace, _, _ = traced("saved_residuals", watched, primals, False, named=function)
    kept = Residuals()
    seen: set[int] = set()
    reached = set(_nodes(trace))
    for node, name, line in report:
        if node not in reached:
            continue
        for x in _arrays(edge[1:] for edge in node.edges):
            if id(x) not in seen:
                seen.add(id(x))
                kept.append(_row("argument" if id(x) in given else name, x, line))
    return kept


def _row(name: str, x: Array, line: str) -> Residual:
    size = _itemsize(x)
    for length in x.shape:
        size *= length
    return Residual(name, dtype_name(x.dtype), tuple(x.shape), size, line)


def _itemsize(x: Array) -> int:
    """Return the bytes of one element."""
    xp = backend.backend_of(x)
    if xp.isdtype(x.dtype, "bool"):
        return 1
    if not xp.is_floating(x.dtype):
        return int(xp.iinfo(x.dtype).bits) // 8
    return int(xp.finfo(x.dtype).bits) // 8 * (2 if xp.is_complex(x.dtype) else 1)


class Reporter(Watch):
    """A level that notes the node and the user's line of every call."""

    __slots__ = ("report",)

    def __init__(self, report: list[tuple[Node, str, str]]) -> None:
        super().__init__("saved_residuals")
        self.report = report

    def seen(self, name: str, compute: Callable[[], Any]) -> tuple[Any, None]:
        """Compute, and note the nodes of the results."""
        found = compute()
        for y in found if isinstance(found, (tuple, list)) else (found,):
            if isinstance(y, Tensor):
                line = user_line()
                self.report += [(node, name, line) for node in _own(y.node)]
        return found, None


def _own(node: Node) -> Iterator[Node]:
    """Yield a node and, of one of several results, the node of the call."""
    yield node
    if node.operation is None:
        yield from (edge[0] for edge in node.edges)


def _nodes(trace: Trace) -> Iterator[Node]:
    """Yield every node from which a result was computed."""
    waiting = [root for root in trace.roots if root is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        for edge in node.edges:
            if edge[0] not in seen:
                seen.add(edge[0])
                waiting.append(edge[0])


def _arrays(values: Any) -> Iterator[Array]:
    """Yield the raw arrays in what edges keep."""
    for value in values:
        if isinstance(value, Trace):
            for node in _nodes(value):
                yield from _arrays(edge[1:] for edge in node.edges)
        elif isinstance(value, dict):
            yield from _arrays(value.values())
        elif isinstance(value, (tuple, list)):
            yield from _arrays(value)
        elif backend.is_array(raw := lowest(value)):
            yield raw
