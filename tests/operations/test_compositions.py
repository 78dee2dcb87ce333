"""Random nestings of all operators: against JAX's, and against plain loops.

pytest tests/operations/test_compositions.py --hypothesis-profile thorough
"""

from importlib import import_module
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from support.compositions import Composition, Jax, Loops, Ours, composition

import autograd_core as ag
from autograd_core import pytree
from autograd_core.operation import registry
from autograd_core.operators import calls, checkpointing, control_flow, jacobians
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.faults import FAULTS

TOLERANCE = 1e-8
LESS = settings(suppress_health_check=list(HealthCheck))


def evaluated(drawn: Composition, dialect):
    """Return the leaves of the result, as ndarrays, and its structure."""
    argument = pytree.map(ag.ops.asarray, drawn.argument)
    y = drawn.program(dialect, dialect.xp)(argument)
    leaves, structure = pytree.flatten(y)
    return [to_numpy(x) for x in leaves], structure


def ours(drawn, **functions):
    """Return what we say; functions stand in for those of the namespace."""
    return evaluated(drawn, Ours(**functions))


def by_loops(drawn):
    return evaluated(drawn, Loops())


def by_jax(drawn, jax, own=True):
    """Return what JAX says, by its own custom rules or by `stop_gradient`."""
    dialect = Jax(jax, own)
    f = drawn.program(dialect, dialect.xp)
    # most of the time would go into optimizations that are of no use for one call
    f = jax.jit(f, compiler_options={"xla_backend_optimization_level": 0})
    leaves, structure = pytree.flatten(f(drawn.argument))
    return [np.asarray(x) for x in leaves], structure


def check_against_jax(drawn, jax):
    """Compare with JAX; of custom rules with the same derivative by `stop_gradient`.

    Where JAX has no custom rule: it refuses forward mode of a `custom_vjp`, and forgets
    a `custom_jvp` in what it has traced (`process_custom_jvp_call` of its partial
    evaluation), as in forward over reverse mode through `lax.map`.
    """
    got = ours(drawn)
    try:
        assert_same(got, by_jax(drawn, jax))
    except (AssertionError, TypeError, NotImplementedError):
        if not any("custom" in name for name in drawn.operators):
            raise
        assert_same(got, by_jax(drawn, jax, own=False))


def assert_same(got, expected):
    (leaves, structure), (others, other) = got, expected
    assert structure == other
    for x, y in zip(leaves, others, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert np.all(np.isfinite(y))
        scale = max(1.0, np.max(np.abs(y), initial=0.0))
        np.testing.assert_allclose(x / scale, y / scale, rtol=0, atol=TOLERANCE)


def drawn_by(random):
    drawn = composition(random)
    note(repr(drawn))
    return drawn


@given(st.randoms(use_true_random=False))
@LESS
def test_against_jax(random):
    jax = pytest.importorskip("jax")
    drawn = drawn_by(random)
    with ag.use_backend("numpy"):
        check_against_jax(drawn, jax)


@given(random=st.randoms(use_true_random=False))
@LESS
def test_against_loops(backend, random):
    drawn = drawn_by(random)
    assert_same(ours(drawn), by_loops(drawn))


# ------------------------------------------------------------------ planted faults


def is_caught(most=150, **functions):
    """Say whether some composition shows that ours and the loops disagree."""
    with ag.use_backend("numpy"):
        for seed in range(most):
            drawn = composition(Random(seed))
            expected = by_loops(drawn)
            try:
                assert_same(ours(drawn, **functions), expected)
            except (AssertionError, TypeError, ValueError):
                return True
    return False


def test_nothing_is_caught_where_nothing_is_wrong():
    assert not is_caught()


@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize("name", ["sin", "sort", "mean", "where"])
def test_a_wrong_rule_is_caught(name, mode):
    operation = registry[name]
    wrong = FAULTS["scaled"].plant(operation, len(operation.vjp) - 1, (mode,))
    assert is_caught(**{name: wrong.function})


BATCHING = {
    "flip": lambda call: call.again(axis=0),
    "cumulative_sum": lambda call: call.again(axis=-1) * 1.001,
    "mean": lambda call: call.again(axis=0)[None, ...] + 0.0 * call["x"][..., 0],
    "solve": lambda call: call.again(x1=call["x1"][::-1, ...]),
}


@pytest.mark.parametrize("name", BATCHING)
def test_a_wrong_batching_rule_is_caught(name, monkeypatch):
    operation = registry.get(name) or registry[f"linalg.{name}"]
    monkeypatch.setattr(operation, "batching", BATCHING[name])
    assert is_caught()


def altered(change):
    """Return how to plant a change of what a function returns."""
    return lambda function: lambda *given, **named: change(function(*given, **named))


def times(factor):
    return altered(lambda xs: [x if x is None else factor * x for x in xs])


CORE = {
    "vmap puts results elsewhere": (
        import_module(ag.vmap.__module__),  # the name is that of the function, too
        "_placed",
        altered(lambda y: ag.ops.flip(y, axis=0)),
    ),
    "a transposed rule has a factor": (calls, "_transposed", times(1.001)),
    "cotangents of shared arrays are not summed": (
        calls,
        "_summed",
        lambda _: (
            lambda xs, mapped: [
                x if m else x[0] for x, m in zip(xs, mapped, strict=False)
            ]
        ),
    ),
    "a checkpoint forgets a factor": (
        checkpointing.Checkpointed,
        "gradients",
        times(0.999),
    ),
    "scans go forward only": (control_flow, "_ordered", lambda _: lambda xs, _: xs),
    "examples that have ended go on": (
        control_flow,
        "_chosen",
        lambda function: lambda holds, one, other: function(holds, one, one),
    ),
    "directions are mixed up": (
        jacobians,
        "_split",
        altered(lambda parts: [x[::-1, ...] if x.ndim else x for x in parts]),
    ),
}


@pytest.mark.parametrize("what", CORE)
def test_a_fault_in_an_operator_is_caught(what, monkeypatch):
    place, name, plant = CORE[what]
    monkeypatch.setattr(place, name, plant(getattr(place, name)))
    assert is_caught()
