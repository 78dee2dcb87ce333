"""The checker itself: every rule is perturbed in many ways, and each fault is found.

A fault is planted in a copy of a declared operation, whose public function is written
anew from the wrong rule; the registry stays as it is.
"""

import copy

import numpy as np
import pytest
from support.checking import (
    InconclusiveError,
    WrongDerivativeError,
    calls,
    check,
    differences,
    points,
)

import autograd_core as ag
from autograd_core.operation import Rule, registry
from autograd_core.source import public_function

xp = ag.ops
OPERATIONS = [op for op in registry.values() if any(op.jvp)]


@pytest.fixture(autouse=True)
def numpy_backend():
    with ag.use_backend("numpy"):
        yield


def mutant(operation, **changed):
    """Return an operation with other attributes, and its public function."""
    changed_operation = copy.copy(operation)
    for name, value in changed.items():
        setattr(changed_operation, name, value)
    needed = {name for rule in changed_operation.vjp if rule for name in rule.names}
    changed_operation.kept = frozenset(needed)
    changed_operation.function = public_function(changed_operation)
    return changed_operation


def replaced(rules, k, rule):
    return (*rules[:k], rule, *rules[k + 1 :])


def is_caught(operation, *, shapes_may_clash=False):
    """Say whether any of the operation's own samples tells it from a right one."""
    for call in calls(operation):
        try:
            check(call, *call.values)
        except WrongDerivativeError:
            return True
        except ValueError:
            if not shapes_may_clash:
                raise
            return True
    return False


# ------------------------------------------------------------------ faults


def scaled(rule):
    def wrong(xp, t, *saved):
        return rule.function(xp, t, *saved) * (1 + 1e-6)

    return Rule(wrong, rule.names)


def negated(rule):
    def wrong(xp, t, *saved):
        return -rule.function(xp, t, *saved)

    return Rule(wrong, rule.names)


def with_the_largest_element_zeroed(rule):
    def wrong(xp, t, *saved):
        right = rule.function(xp, t, *saved)
        sizes = np.abs(ag.stop_gradient(right))
        return right * (sizes < np.max(sizes, initial=0.0)).astype(right.dtype)

    return Rule(wrong, rule.names)


def with_a_term_added(rule):
    def wrong(xp, t, *saved):
        return rule.function(xp, t, *saved) + 1e-6 * xp.sum(t)

    return Rule(wrong, rule.names)


def with_constant_residuals(rule):
    """Right at first order, wrong at the second: what was saved is held constant."""

    def wrong(xp, t, *saved):
        return rule.function(xp, t, *map(ag.stop_gradient, saved))

    return Rule(wrong, rule.names)


def with_constant_cotangent(rule):
    def wrong(xp, t, *saved):
        return rule.function(xp, ag.stop_gradient(t), *saved)

    return Rule(wrong, rule.names)


FAULTS = [
    scaled,
    negated,
    with_the_largest_element_zeroed,
    with_a_term_added,
    with_constant_cotangent,
]
MODES = [("jvp", "vjp"), ("jvp",), ("vjp",)]
LOCALLY_LINEAR = {
    *("abs", "maximum", "minimum", "copysign", "remainder", "max", "min", "sort"),
}
"""What their rules save decides between branches: constant residuals are no fault."""


def plantable(operation, mode):
    """Leave out the forward rules of variadic operations: they are never called."""
    return not (operation.variadic and "jvp" in mode)


@pytest.mark.parametrize("mode", MODES, ids="+".join)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_every_rule_with_a_fault_is_caught(fault, mode):
    survivors = []
    for operation in OPERATIONS:
        if not plantable(operation, mode):
            continue
        for k in range(len(operation.arguments)):
            rules = {
                m: replaced(getattr(operation, m), k, fault(getattr(operation, m)[k]))
                for m in mode
            }
            if not is_caught(mutant(operation, **rules)):
                survivors.append((operation.name, operation.arguments[k]))
    assert not survivors


def saves_what_varies(operation, rule):
    return bool({"y", *operation.arguments} & set(rule.names))


@pytest.mark.parametrize("mode", MODES, ids="+".join)
def test_a_fault_in_the_second_derivative_only_is_caught(mode):
    survivors, planted = [], 0
    for operation in OPERATIONS:
        if operation.name in LOCALLY_LINEAR or not plantable(operation, mode):
            continue
        for k in range(len(operation.arguments)):
            chosen = {m: getattr(operation, m)[k] for m in mode}
            if not all(saves_what_varies(operation, r) for r in chosen.values()):
                continue
            planted += 1
            rules = {
                m: replaced(getattr(operation, m), k, with_constant_residuals(rule))
                for m, rule in chosen.items()
            }
            if not is_caught(mutant(operation, **rules)):
                survivors.append((operation.name, operation.arguments[k]))
    assert planted > 40
    assert not survivors


SYMMETRIC = {"add"}


def at_home(rule, argument):
    """Let a rule that names another argument's shape name this one's."""
    names = (f"{argument}_shape" if n.endswith("_shape") else n for n in rule.names)
    return Rule(rule.function, tuple(names))


def test_swapped_rules_are_caught():
    survivors = []
    for operation in OPERATIONS:
        if len(operation.arguments) != 2 or operation.name in SYMMETRIC:
            continue
        swapped = {
            m: tuple(map(at_home, getattr(operation, m)[::-1], operation.arguments))
            for m in ("jvp", "vjp")
        }
        if not is_caught(mutant(operation, **swapped), shapes_may_clash=True):
            survivors.append(operation.name)
    assert not survivors


def test_a_dropped_sum_over_broadcast_axes_is_caught():
    survivors = []
    for operation in OPERATIONS:
        shapes = [set(sample.shapes) for sample in operation.samples]
        if operation.broadcasts and any(len(several) > 1 for several in shapes):
            dropped = mutant(operation, broadcasts=False, elementwise=False)
            if not is_caught(dropped, shapes_may_clash=True):
                survivors.append(operation.name)
    assert not survivors


def test_a_mean_instead_of_a_sum_over_broadcast_axes_is_caught():
    """Every shape is right then, as in a rule that forgot only the summing."""
    add = registry["add"]

    def wrong(xp, t, x2_shape):
        bar = t
        for axis, n in enumerate(x2_shape):
            if n == 1:
                bar = bar / t.shape[axis]
        return bar

    vjp = replaced(add.vjp, 1, Rule(wrong, ("x2_shape",)))
    broken = mutant(add, vjp=vjp).function
    check(broken, *points([(3, 4), (3, 4)]))
    with pytest.raises(WrongDerivativeError, match="adjoint"):
        check(broken, *points([(3, 4), (3, 1)]))


# ------------------------------------------------------------------ manners


def test_a_changed_value_is_caught():
    def rounded_when_tracked(x):
        return xp.sin(x) if isinstance(x, np.ndarray) else xp.sin(x) * (1 + 2.3e-16)

    with pytest.raises(WrongDerivativeError, match="value in vjp"):
        check(rounded_when_tracked, *points([(7,)]))


def test_a_widened_gradient_is_caught():
    square = registry["square"]

    def wrong(xp, t, x):
        return t * (2 * xp.astype(x, xp.float64))

    broken = mutant(square, vjp=(Rule(wrong, ("x",)),)).function
    with pytest.raises(WrongDerivativeError, match="float32 gradient: dtype"):
        check(broken, *points([(3,)]))


def test_a_nan_at_a_zero_cotangent_is_caught():
    square = registry["square"]

    def wrong(xp, t, x):
        return t * (2 * x) / xp.where(t == 0, 0.0, 1.0)

    broken = mutant(square, vjp=(Rule(wrong, ("x",)),)).function
    with (
        pytest.warns(RuntimeWarning, match="invalid value"),
        pytest.raises(WrongDerivativeError, match="zero cotangent"),
    ):
        check(broken, *points([(3,)]))


def test_a_write_to_a_cotangent_is_caught():
    square = registry["square"]

    def wrong(xp, t, x):
        bar = t * (2 * x)
        t *= 2.0
        return bar

    broken = mutant(square, vjp=(Rule(wrong, ("x",)),)).function
    with pytest.raises(WrongDerivativeError, match="wrote to its cotangent"):
        check(broken, *points([(3,)]), order=1)


def test_a_write_to_an_input_is_caught():
    def writes(x):
        if isinstance(x, np.ndarray):
            x[0] += 1.0
        return xp.sin(x[1:])

    with pytest.raises(WrongDerivativeError, match="input was written to"):
        check(writes, *points([(3,)]), order=1)


def test_a_kink_is_not_judged():
    with pytest.raises(InconclusiveError, match="kink"):
        check(lambda x: xp.abs(x), np.asarray([1.0, 1e-6]))


def test_differences_at_an_infinite_slope_say_so():
    _, error = differences(lambda h: np.cbrt(np.asarray([0.0]) + h))
    assert error > 1.0


def test_large_arrays_do_not_loosen_the_check():
    """A checker whose tolerance grows with the size accepts this."""
    sin = registry["sin"]
    broken = mutant(sin, **dict.fromkeys(("jvp", "vjp"), (one_wrong(),))).function
    with pytest.raises(WrongDerivativeError):
        check(broken, *points([(10_000,)]), order=1)


def one_wrong():
    def wrong(xp, t, x):
        right = t * xp.cos(x)
        mask = np.ones(right.shape)
        mask[1234:1235] = 1 + 1e-5
        return right * mask

    return Rule(wrong, ("x",))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_differences_know_their_error(scale):
    for f, slope in [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (lambda x: x**3, lambda x: 3 * x**2),
        (np.arctan, lambda x: 1 / (1 + x * x)),
    ]:
        x = np.linspace(-2.0, 2.0, 21)
        got, error = differences(lambda h, f=f, x=x: scale * f(x + h))
        assert (np.abs(got - scale * slope(x)) <= 4 * error).all()
        assert (error <= 1e-9 * scale * (1 + np.abs(slope(x)))).all()
