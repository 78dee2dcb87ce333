"""Deep graphs, wide graphs, and what is kept of them for how long."""

import contextlib
import gc
import itertools
import sys
import tracemalloc
import weakref

import numpy as np
import pytest
from core_support import assert_equal, run_python

import autograd_core as ag
from autograd_core import declare, operation

xp = ag.ops
MB = 1024 * 1024
numbers = itertools.count()


@pytest.fixture
def counted():
    """Declare an operation whose forward calls and rule calls are counted."""
    calls = {"forward": 0, "rule": 0}

    def counted_x(xp, t):
        calls["rule"] += 1
        return t * 1.0

    def counted_forward(xp, x):
        calls["forward"] += 1
        return x * 1.0

    def counted(x, /):
        """Multiply by 1."""

    counted.__name__ = f"counted_{next(numbers)}"
    declared = declare.elementwise(x=counted_x, implementation=counted_forward)(counted)
    yield declared, calls
    del operation.registry[counted.__name__]


@pytest.fixture
def without_gc():
    """Switch the cyclic collector off: only reference counts free."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_an_operation_declared_again_is_the_new_one():
    """As when the cell of a notebook is run twice."""

    def rule(xp, t):
        return t

    for k in (1.0, 2.0):

        def forward(xp, x, k=k):
            return x * k

        @declare.elementwise(x=rule, implementation=forward)
        def declared_again(x, /):
            """Multiply."""

        assert declared_again(ag.Tensor(1.0)).item() == k
    del operation.registry["declared_again"]


# ------------------------------------------------------- deep


def test_a_chain_of_100_000_operations(counted):
    identity, calls = counted
    n = 100_000

    def f(x):
        for _ in range(n):
            x = identity(x)
        return x

    assert ag.grad(f)(2.0) == 1.0
    assert calls == {"forward": n, "rule": n}


def test_a_chain_of_100_000_mixed_operations():
    def f(x):
        for _ in range(25_000):
            x = xp.sin(x + 0.5) * 0.5 - (-x)
        return x

    x = np.asarray(0.3)
    value, slope = x, 1.0
    for _ in range(25_000):
        slope *= np.cos(value + 0.5) * 0.5 + 1
        value = np.sin(value + 0.5) * 0.5 + value
    got_value, got_slope = ag.value_and_grad(f)(x)
    np.testing.assert_allclose(got_value, value, rtol=1e-8)
    np.testing.assert_allclose(got_slope, slope, rtol=1e-6, atol=1e-300)


def test_a_chain_of_100_000_operations_eagerly():
    t = ag.Tensor(1.0)
    y = t
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert t.grad == 1.0


def test_a_deep_chain_at_second_order(counted):
    identity, calls = counted
    n = 10_000

    def f(x):
        y = x * x
        for _ in range(n):
            y = identity(y)
        return y

    assert ag.grad(ag.grad(f))(3.0) == 2.0
    assert ag.jvp(ag.grad(f), (3.0,), (1.0,))[1] == 2.0
    assert calls["forward"] == 2 * n
    assert calls["rule"] <= 5 * n, "linear in the length of the chain"


@pytest.mark.parametrize("transform", ["grad", "jvp"])
def test_no_recursion(transform):
    """With next to no stack left, a chain far longer than it still runs."""
    limit = sys.getrecursionlimit()
    depth = 0
    frame = sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back

    def f(x):
        for _ in range(5_000):
            x = xp.sin(x)
        return x

    sys.setrecursionlimit(depth + 40)
    try:
        if transform == "grad":
            result = ag.grad(f)(0.0)
        else:
            result = ag.jvp(f, (0.0,), (1.0,))[1]
    finally:
        sys.setrecursionlimit(limit)
    assert result == 1.0


# ------------------------------------------------------- wide


def test_a_node_shared_a_thousand_times_is_visited_once(counted):
    identity, calls = counted

    def f(x):
        y = identity(x)
        total = y * 1.0
        for k in range(1, 1000):
            total = total + y * float(k)
        return total

    assert ag.grad(f)(2.0) == 1.0 + sum(range(1, 1000))
    assert calls == {"forward": 1, "rule": 1}


def test_a_ladder_of_doublings_is_linear(counted):
    """2**60 paths, 60 nodes."""
    identity, calls = counted

    def f(x):
        for _ in range(60):
            x = identity(x) * 0.5
            x = x + x
        return x

    assert ag.grad(f)(1.0) == 1.0
    assert calls == {"forward": 60, "rule": 60}


def test_only_what_the_result_depends_on_is_visited(counted):
    identity, calls = counted
    x = ag.Tensor([1.0, 2.0])
    for _ in range(10):
        aside = identity(x)
    (x * 2.0).backward()
    assert calls["rule"] == 0
    assert_equal(x.grad, [2.0, 2.0])
    aside.backward()
    assert calls["rule"] == 1


def test_data_that_is_not_differentiated_has_no_rule_called(counted):
    identity, calls = counted
    data = np.ones(3)
    ag.grad(lambda x: xp.sum(identity(data) * x))(np.ones(3))
    assert calls == {"forward": 1, "rule": 0}


# ------------------------------------------------------- what is kept


def values_kept_by(f):
    """Say which intermediate values live on, while only the result is held."""
    x = ag.Tensor(np.ones(10))
    names, result = f(x)
    return [name for name, ref in names.items() if ref() is not None], result


def ref(t):
    return weakref.ref(t.value)


def test_values_that_no_rule_needs_are_freed(without_gc):
    def f(x):
        a = x + 1.0
        b = a * 2.0
        c = xp.sum(xp.reshape(-b, (2, 5)), axis=0)
        return {"a": ref(a), "b": ref(b), "c": ref(c)}, c + x[:5]

    kept, _ = values_kept_by(f)
    assert kept == []


def test_values_that_a_rule_needs_are_kept_until_the_graph_goes(without_gc):
    def f(x):
        a = x + 1.0
        b = xp.sin(a)  # names x: keeps a
        c = xp.exp(b)  # names y: keeps c, not b
        return {"a": ref(a), "b": ref(b), "c": ref(c)}, c + 1.0

    kept, result = values_kept_by(f)
    assert kept == ["a", "c"]
    del result


def test_only_the_operand_that_is_needed_is_kept(without_gc):
    """Of x / y the numerator is not needed, the quotient and the divisor are."""

    def f(x):
        a, b = x + 1.0, x + 2.0
        c = a / b
        return {"a": ref(a), "b": ref(b), "c": ref(c)}, c + 1.0

    kept, _ = values_kept_by(f)
    assert kept == ["b", "c"]


def test_a_transform_keeps_no_more(without_gc):
    refs = {}

    def f(x):
        a = x + 1.0
        b = xp.sin(a)
        refs.update(a=ref(a), b=ref(b))
        return xp.sum(b)

    _, pullback = ag.vjp(f, np.ones(10))
    assert refs["a"]() is not None
    assert refs["b"]() is None
    pullback(np.asarray(1.0))
    del pullback
    assert refs["a"]() is None


def chain_of_large_arrays(rule_needs, n):
    def f(x):
        for _ in range(n):
            x = xp.sin(x) if rule_needs else x + 1.0
        return xp.sum(x)

    return f


def peak_of(call):
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_memory_of_a_chain_that_needs_nothing_does_not_grow():
    x = np.ones(MB // 8)
    peak = peak_of(lambda: ag.grad(chain_of_large_arrays(False, 50))(x))
    assert peak < 5 * MB


def test_residuals_and_cotangents_are_freed_as_the_walk_goes():
    """n residuals are kept; the backward pass adds a few arrays, not n."""
    n, x = 40, np.ones(MB // 8)
    f = chain_of_large_arrays(True, n)
    forward = peak_of(lambda: ag.vjp(f, x))
    both = peak_of(lambda: ag.grad(f)(x))
    assert forward > (n - 2) * MB, "the residuals of sin are needed"
    assert both < forward + 6 * MB


def test_forward_mode_keeps_nothing():
    x = np.ones(MB // 8)
    f = chain_of_large_arrays(True, 40)
    assert peak_of(lambda: ag.jvp(f, (x,), (x,))) < 8 * MB


def test_accumulation_does_not_pile_up():
    """A leaf used many times holds one sum, not many terms."""
    x = np.ones(MB // 8)

    def f(x):
        total = x[0] * 0.0
        for k in range(40):
            total = total + xp.sum(x * float(k))
        return total

    assert peak_of(lambda: ag.grad(f)(x)) < 8 * MB


# ------------------------------------------------------- no reference cycles


GRAPHS = {
    "elementwise": lambda x: xp.sum(xp.sin(x) * x + xp.exp(x)),
    "broadcasting": lambda x: xp.sum(x[:, None] * x / np.ones((10, 10))),
    "indexing": lambda x: xp.sum(x[np.asarray([0, 0, 3])] * x[1:4]),
    "matmul": lambda x: x @ np.ones((10, 2)) @ np.ones(2),
    "statistics": lambda x: xp.std(x) + xp.max(x) + xp.prod(x),
    "inner grad": lambda x: xp.sum(ag.grad(lambda y: xp.sum(y**3 * x))(x)),
    "inner jvp": lambda x: xp.sum(ag.jvp(xp.sin, (x,), (x,))[1]),
}


@pytest.mark.parametrize("f", GRAPHS.values(), ids=GRAPHS)
def test_a_dropped_eager_graph_is_freed_at_once(f, without_gc):
    x = ag.Tensor(np.linspace(0.1, 1.0, 10))
    y = f(x)
    y.backward()
    refs = [weakref.ref(x), weakref.ref(x.node), weakref.ref(y.node)]
    del x, y
    assert [r() for r in refs] == [None, None, None]


@pytest.mark.parametrize("f", GRAPHS.values(), ids=GRAPHS)
@pytest.mark.parametrize("mode", ["grad", "jvp", "vjp", "grad of grad"])
def test_a_transform_leaves_no_garbage(f, mode, without_gc):
    data, seen = np.linspace(0.1, 1.0, 10), []

    def g(x):
        seen.append(weakref.ref(x))
        return f(x)

    def run():
        if mode == "grad":
            ag.grad(g)(data)
        elif mode == "jvp":
            ag.jvp(g, (data,), (data,))
        elif mode == "vjp":
            _, pullback = ag.vjp(g, data)
            pullback(np.asarray(1.0))
        else:
            ag.grad(lambda x: xp.sum(ag.grad(g)(x) ** 2))(data)

    run()  # first calls fill caches
    gc.collect()
    run()
    assert all(r() is None for r in seen)
    assert gc.collect() == 0, "something was left for the cyclic collector"


def test_large_captured_arrays_are_freed_at_once(without_gc):
    big = np.ones(100_000)
    there = weakref.ref(big)
    y = ag.Tensor(np.ones(100_000)) / big
    y.backward()
    del big, y
    assert there() is None


def test_an_error_in_the_function_leaves_no_graph(without_gc):
    seen = []

    def f(x):
        y = x * 2.0
        seen.append(weakref.ref(y.node))
        raise KeyError

    with contextlib.suppress(KeyError):
        ag.grad(f)(1.0)
    assert seen[0]() is None


# ------------------------------------------------------- deletion


DELETE = """
import threading
import autograd_core as ag

N, WHAT = {n}, {what!r}

def build():
    x = ag.Tensor(1.0)
    y = x
    if WHAT == "chain":
        for _ in range(N):
            y = y + 1.0
    elif WHAT == "chain of keepers":
        for _ in range(N):
            y = ag.ops.sin(y)
    elif WHAT == "squares":
        y = ag.Tensor(1.0)
        for _ in range(N):
            y = y * y
    elif WHAT == "ladder":
        for _ in range(N):
            y = y * 0.5
            y = y + y
    elif WHAT == "braid":
        z = x
        for _ in range(N):
            y, z = z * 0.5, y * 0.5 + z * 0.5
        del z
    elif WHAT == "loop of 61":
        for _ in range(N // 61):
            y = y + 1.0
            for _ in range(60):
                x * 1.0
    if {backward}:
        y.backward()
    del x
    del y
    done.append(True)

done = []
threading.stack_size(512 * 1024)
thread = threading.Thread(target=build)
thread.start()
thread.join()
assert done == [True]
print("deleted")
"""


@pytest.mark.parametrize(
    ("what", "n"), [("chain", 1_000_000), ("chain of keepers", 100_000)]
)
def test_deletion_of_a_million_nodes_on_a_small_stack(what, n):
    program = DELETE.format(n=n, what=what, backward=False)
    assert run_python(program) == "deleted\n"


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("what", ["squares", "ladder", "braid", "loop of 61"])
def test_deletion_of_unusual_graphs_on_a_small_stack(what, backward):
    n = 300_000 if what == "loop of 61" else 50_000
    program = DELETE.format(n=n, what=what, backward=backward)
    assert run_python(program) == "deleted\n"
