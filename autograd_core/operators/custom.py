"""Functions with derivative rules of their own: `custom_jvp` and `custom_vjp`.

Both serve both modes. The rule of one mode is linear, in the tangents or in the
cotangents, and its transpose is the rule of the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

from autograd_core import pytree
from autograd_core.errors import describe, error
from autograd_core.graph import Array
from autograd_core.operators.calls import (
    Arrays,
    PullRules,
    PushRules,
    Rules,
    call,
    zeros_like,
)
from autograd_core.tensor import is_differentiable
from autograd_core.transform import Like, require_function

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]


class _Custom(Generic[P, R]):
    """A function whose derivative is given, and how its arguments become leaves."""

    def __init__(
        self, function: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()
    ) -> None:
        require_function(type(self).__name__, function)
        self.function = function
        if isinstance(nondiff_argnums, int):
            nondiff_argnums = (nondiff_argnums,)
        self.nondiff_argnums = tuple(nondiff_argnums)
        self.name = getattr(function, "__name__", type(function).__name__)
        update_wrapper(self, function, updated=())  # the attributes are our own

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> R:
        """Evaluate the function."""
        positional = self._positional(arguments, keywords)
        apart = self._apart(len(positional))
        fixed = [positional[k] for k in apart]
        rest = tuple(x for k, x in enumerate(positional) if k not in apart)
        one = _Call(self, fixed, rest)
        ys = call(self._rules(one), one.leaves)
        y: R = pytree.unflatten(one.out, ys)  # the structure is known from now on
        return y

    def _rules(self, one: _Call) -> Rules:
        raise NotImplementedError

    def _positional(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Return all arguments by position."""
        if not keywords:
            return arguments
        bound = inspect.signature(self.function).bind(*arguments, **keywords)
        bound.apply_defaults()
        if bound.kwargs:
            raise self.fault(
                "takes arguments that have a position",
                f"keyword-only {', '.join(bound.kwargs)}",
                "Make them positional, or bind them with functools.partial.",
            )
        return bound.args

    def _apart(self, count: int) -> list[int]:
        """Return which arguments are not differentiated."""
        apart = [k + count if k < 0 else k for k in self.nondiff_argnums]
        if all(0 <= k < count for k in apart):
            return sorted(apart)
        raise self.fault(
            f"nondiff_argnums must name some of the {count} arguments",
            str(self.nondiff_argnums),
            "Count positions from 0.",
            kind=ValueError,
        )

    def merged(self, fixed: Sequence[Any], rest: Sequence[Any]) -> list[Any]:
        """Return all arguments in their order."""
        apart = self._apart(len(fixed) + len(rest))
        one, other = iter(fixed), iter(rest)
        count = len(fixed) + len(rest)
        return [next(one if k in apart else other) for k in range(count)]

    def fault(
        self, rule: str, got: str, remedy: str, kind: type[Exception] = TypeError
    ) -> Exception:
        """Build an error that names the function."""
        return error(kind, f"{type(self).__name__} {self.name}", rule, got, remedy)


class _Call:
    """One call of a custom function, in flat lists.

    Attributes
    ----------
    leaves, structure
        The arguments that are differentiated.
    out
        The structure of the result, known once it has been computed.
    """

    def __init__(
        self, custom: _Custom[Any, Any], fixed: Sequence[Any], rest: tuple[Any, ...]
    ) -> None:
        self.custom, self.fixed = custom, fixed
        self.leaves, self.structure = pytree.flatten(rest)
        self.out = pytree.LEAF

    def arguments(self, leaves: Arrays) -> Any:
        """Return the tuple of arguments that leaves stand for."""
        return pytree.unflatten(self.structure, leaves)

    def value(self, leaves: Arrays) -> list[Any]:
        """Evaluate the function."""
        everything = self.custom.merged(self.fixed, self.arguments(leaves))
        return self.flat(self.custom.function(*everything))

    def flat(self, y: Any) -> list[Any]:
        """Return the leaves of a result."""
        ys, self.out = pytree.flatten(y)
        return ys

    def pair(self, found: Any, rule: str, what: str) -> tuple[Any, Any]:
        """Return the two things that a rule must return."""
        if isinstance(found, tuple) and len(found) == 2:
            return found
        raise self.custom.fault(
            f"{rule} must return a pair, {what}",
            describe(found),
            "Return the two, as a tuple.",
        )

    def fitting(self, what: str, given: Any, like: Any) -> Array:
        """Return a derivative from a rule if it has its primal's shape and dtype."""
        expected = Like(like)
        if expected.takes(given) and expected.shape == ():
            return expected.library.asarray(given, dtype=expected.dtype)
        if getattr(given, "shape", None) is None or not expected.fits(given):
            raise self.custom.fault(
                f"{what} must be like what it is the derivative of or to, "
                f"{describe(like)}",
                describe(given),
                "Correct the rule: sum over broadcast axes, keep the dtype.",
                kind=ValueError,
            )
        return given


class custom_jvp(_Custom[P, R]):  # noqa: N801 (used as a function)
    r"""Give a function a rule for its tangent, :math:`(x, \dot x) \mapsto (y, \dot y)`.

    Reverse mode uses the transpose of the rule, which must be linear in the tangents.
    For derivatives of higher order the rule itself is differentiated.

    Parameters
    ----------
    function
        A function of pytrees of arrays, which returns a pytree of arrays.
    nondiff_argnums
        The positions, or the one, of arguments that are no arrays: functions, flags.
        They come first in the rule.

    Raises
    ------
    TypeError, ValueError
        When it is differentiated: if there is no rule, or if the rule does not return a
        pair of a result and a tangent of its structure, shapes and dtypes.

    Examples
    --------
    >>> import autograd_core as ag
    >>> xp = ag.ops
    >>> @ag.custom_jvp
    ... def log1pexp(x):
    ...     return xp.log1p(xp.exp(x))
    >>> @log1pexp.defjvp
    ... def log1pexp_jvp(primals, tangents):
    ...     (x,), (x_dot,) = primals, tangents
    ...     return log1pexp(x), x_dot * (1 - 1 / (1 + xp.exp(x)))
    >>> print(ag.grad(log1pexp)(0.0), ag.grad(ag.grad(log1pexp))(0.0))
    0.5 0.25
    """

    rule: Function | None = None

    def defjvp(self, rule: Function) -> Function:
        """Set the rule: ``rule(*nondiff, primals, tangents)`` returns ``(y, y_dot)``.

        Returns the rule, so that this may be used as a decorator.
        """
        self.rule = rule
        return rule

    def defjvps(self, *rules: Function | None) -> None:
        """Set one rule for each argument: ``rule(x_dot, y, *primals)`` returns `y_dot`.

        None stands for a derivative that is zero.
        """

        def rule(*given: Any) -> Any:
            primals, tangents = given[-2:]
            if self.nondiff_argnums:
                raise self.fault(
                    "defjvps takes rules of arguments that are all differentiated",
                    f"nondiff_argnums={self.nondiff_argnums}",
                    "Give one rule with defjvp.",
                )
            if len(rules) != len(primals):
                raise self.fault(
                    f"defjvps takes one rule for each of the {len(primals)} arguments",
                    str(len(rules)),
                    "Give None for an argument whose derivative is zero.",
                )
            y: Any = self(*primals)  # type: ignore[call-arg]
            total: Any = pytree.map(zeros_like, y)
            for one, x_dot in zip(rules, tangents, strict=True):
                if one is not None:
                    total = pytree.map(_add, total, one(x_dot, y, *primals))
            return y, total

        self.rule = rule

    def _rules(self, one: _Call) -> Rules:
        def push(leaves: Arrays, tangents: Arrays) -> tuple[list[Any], list[Any]]:
            if self.rule is None:
                raise self.fault("has no rule", self.name, "Give one with defjvp.")
            directions = [
                x_dot if is_differentiable(x) else zeros_like(x)
                for x, x_dot in zip(leaves, tangents, strict=True)
            ]
            found = self.rule(
                *one.fixed, one.arguments(leaves), one.arguments(directions)
            )
            y, y_dot = one.pair(found, "defjvp's rule", "the result and its tangent")
            ys = one.flat(y)
            y_dots, structure = pytree.flatten(y_dot)
            if structure != one.out:
                raise self.fault(
                    f"the tangent must have the structure of the result, {one.out}",
                    str(structure),
                    "Return a tangent for each array of the result.",
                    kind=ValueError,
                )
            return ys, [
                one.fitting("the tangent", t, y) if is_differentiable(y) else t
                for t, y in zip(y_dots, ys, strict=True)
            ]

        return PushRules(f"custom_jvp {self.name}", one.value, push)


class custom_vjp(_Custom[P, R]):  # noqa: N801 (used as a function)
    r"""Give a function a rule for cotangents, :math:`\bar y \mapsto J^T \bar y`.

    Forward mode uses the transpose of the rule, which must be linear in the cotangent.
    For derivatives of higher order the rule itself is differentiated.

    Parameters
    ----------
    function
        A function of pytrees of arrays, which returns a pytree of arrays.
    nondiff_argnums
        The positions, or the one, of arguments that are no arrays: functions, flags.
        They come first in ``bwd``, and in their places in ``fwd``.

    Raises
    ------
    TypeError, ValueError
        When it is differentiated: if there is no rule, if ``fwd`` does not return a
        pair, or if ``bwd`` does not return a tuple of one cotangent for each argument,
        of its structure, shapes and dtypes.

    Examples
    --------
    The gradient is clipped:

    >>> import autograd_core as ag
    >>> xp = ag.ops
    >>> @ag.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(
    ...     lambda x: (x, None),
    ...     lambda residuals, x_bar: (xp.clip(x_bar, -1.0, 1.0),),
    ... )
    >>> print(ag.grad(lambda x: 10.0 * clipped(x))(2.0))
    1.0
    """

    fwd: Function | None = None
    bwd: Function | None = None

    def defvjp(self, fwd: Function, bwd: Function) -> None:
        """Set the rule.

        Parameters
        ----------
        fwd
            Of the function's arguments; returns the result and residuals, a pytree.
        bwd
            ``bwd(*nondiff, residuals, y_bar)`` returns a tuple of the cotangents of the
            arguments. None stands for zeros.
        """
        self.fwd, self.bwd = fwd, bwd

    def _rules(self, one: _Call) -> Rules:
        kept = pytree.LEAF

        def forward(leaves: Arrays) -> tuple[list[Any], list[Any]]:
            nonlocal kept
            if self.fwd is None:
                raise self.fault("has no rule", self.name, "Give one with defvjp.")
            found = self.fwd(*self.merged(one.fixed, one.arguments(leaves)))
            y, residuals = one.pair(found, "fwd", "the result and the residuals")
            flat, kept = pytree.flatten((residuals, tuple(leaves)))
            return one.flat(y), flat

        def backward(residuals: Arrays, ts: Arrays) -> list[Any]:
            assert self.bwd is not None
            of_user, leaves = pytree.unflatten(kept, residuals)
            y_bar = pytree.unflatten(one.out, ts)
            found = self.bwd(*one.fixed, of_user, y_bar)
            return self._cotangents(one, leaves, found)

        return PullRules(f"custom_vjp {self.name}", one.value, forward, backward)

    def _cotangents(self, one: _Call, leaves: Arrays, found: Any) -> list[Any]:
        """Return what ``bwd`` gave as a list with one cotangent for each leaf."""
        children = one.structure.children
        if not (isinstance(found, tuple) and len(found) == len(children)):
            count = len(found) if isinstance(found, tuple) else describe(found)
            raise self.fault(
                f"bwd must return a tuple of {len(children)}, one cotangent for each "
                "argument",
                f"{count}" if isinstance(found, tuple) else str(count),
                "Return None for an argument whose cotangent is zero.",
            )
        result: list[Any] = []
        for position, (x_bar, structure) in enumerate(
            zip(found, children, strict=True)
        ):
            below = len(list(pytree.paths(structure)))
            primals = leaves[len(result) : len(result) + below]
            if x_bar is None:
                result += map(zeros_like, primals)
                continue
            parts, got = pytree.flatten(x_bar)
            if got != structure:
                raise self.fault(
                    f"the cotangent of argument {position} must have its structure, "
                    f"{structure}",
                    str(got),
                    "Return a cotangent for each of its arrays.",
                    kind=ValueError,
                )
            what = f"the cotangent of argument {position}"
            result += [
                one.fitting(what, t, x) if is_differentiable(x) else zeros_like(x)
                for t, x in zip(parts, primals, strict=True)
            ]
        return result


def _add(x: Array, y: Array) -> Array:
    return x + y
