"""Memory that NumPy's large arrays use again: never while anybody can see it.

Arrays of 64 bytes count as large here, so that programs are small and many. What is
computed with reused memory is compared with what NumPy computes without, bit for bit,
and what was handed out is compared with itself, later.
"""

import gc
import operator
import subprocess
import sys
import threading
import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest
from core_support import MODULES
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_core as ag
from autograd_backends import numpy_memory, numpy_pool
from autograd_backends.numpy_pool import Lease, Pool, pool

xp = ag.ops
LARGE = 64
NEVER = 1 << 60


@pytest.fixture(autouse=True)
def small_arrays_count_as_large(monkeypatch):
    monkeypatch.setattr(numpy_memory, "LARGE", LARGE)
    pool.clear()
    yield
    pool.clear()


def without(f):
    """Call a function with memory that nobody uses again."""
    before, numpy_memory.LARGE = numpy_memory.LARGE, NEVER
    try:
        return f()
    finally:
        numpy_memory.LARGE = before


def arrays_of(result):
    return ag.pytree.flatten(result)[0]


def assert_same(found, expected):
    """Compare bits, dtypes, layouts and types."""
    for x, y in zip(arrays_of(found), arrays_of(expected), strict=True):
        assert type(x) is type(y)
        x, y = np.asarray(x), np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert x.flags.c_contiguous == y.flags.c_contiguous
        assert x.flags.f_contiguous == y.flags.f_contiguous
        assert x.flags.writeable == y.flags.writeable
        assert x.tobytes() == y.tobytes()


# ------------------------------------------------------------------ random programs

SHAPE = (4, 6)


def halves(x, y):
    return xp.concat([x[:2], y[2:]])


UNARY = (
    xp.sin,
    xp.exp,
    xp.tanh,
    xp.negative,
    xp.square,
    xp.abs,
    xp.positive,
    lambda x: x**2,
    lambda x: x**3,
    lambda x: 2.0 * x - 1,
    lambda x: 1 / (2 + x * x),
    lambda x: xp.permute_dims(xp.sin(xp.permute_dims(x, (1, 0))), (1, 0)),
    lambda x: xp.reshape(xp.reshape(x, (-1,)) * 3.0, SHAPE),
    lambda x: x[::-1] * x[:, ::-1],
    lambda x: x[1:2] + x,
    lambda x: xp.broadcast_to(xp.sum(x, axis=0), SHAPE),
    lambda x: x / (1.5 + xp.sum(x * x)),
    lambda x: xp.matmul(xp.matmul(x, xp.permute_dims(x, (1, 0))), x) / 10,
)
BINARY = (
    xp.add,
    xp.subtract,
    xp.multiply,
    xp.maximum,
    lambda x, y: x / (2 + xp.abs(y)),
    lambda x, y: xp.where(x > y, x, y * y),
    lambda x, y: x * y[0],
    halves,
)
STEPS = st.one_of(
    st.tuples(st.sampled_from(UNARY), st.integers(0, 5)),
    st.tuples(st.sampled_from(BINARY), st.integers(0, 5), st.integers(0, 5)),
)
PROGRAMS = st.lists(STEPS, min_size=1, max_size=8)


def run(steps, x, w):
    """Return a sum, and all that came up on the way: what users may keep."""
    values = [x, w]
    for function, *places in steps:
        y = function(*(values[-1 - k % len(values)] for k in places))
        values.append(xp.tanh(y) if len(values) % 3 == 0 else y)
    total = xp.sum(values[-1] * values[len(values) // 2] + x)
    return total, values[2:]


def inputs(dtype="float64"):
    random = np.random.default_rng(0)
    return tuple(random.normal(size=SHAPE).astype(dtype) for _ in range(2))


def views(x):
    """Return what looks into an array's memory in other ways."""
    if x.ndim == 0:
        return [x[()], x.reshape(1)]
    return [x[1:], x[::-1], x.T, x.reshape(-1)[3:], memoryview(x[1:]), x[0][1:].T]


class Kept:
    """Results of calls, in part as views only, and what they held when they came."""

    def __init__(self):
        self.held = []

    def keep(self, result, how):
        for k, x in enumerate(arrays_of(result)):
            for kept in ([x], views(x)[:3], views(x)[3:], [])[(how + k) % 4]:
                self.held.append((kept, np.array(kept).tobytes()))

    def check(self):
        for x, contents in self.held:
            assert np.array(x).tobytes() == contents


def check_programs(programs, dtype="float64"):
    """Call programs in turn, twice, keep what comes, and compare all of it."""
    x, w = inputs(dtype)
    kept = Kept()
    for k, steps in enumerate((*programs, *programs)):
        f = ag.value_and_grad(partial(run, steps), (0, 1), has_aux=True)
        with np.errstate(all="ignore"):
            expected = without(partial(f, x, w))
            found = f(x, w)
        assert_same(found, expected)
        kept.keep(found, k)
        del found, expected
        kept.check()


@settings(max_examples=60, deadline=None)
@given(st.lists(PROGRAMS, min_size=1, max_size=3), st.sampled_from(["f4", "f8"]))
def test_what_was_handed_out_stays(programs, dtype):
    check_programs(programs, dtype)


@settings(max_examples=30, deadline=None)
@given(PROGRAMS, PROGRAMS)
def test_what_a_pullback_keeps_stays(steps, others):
    """Other programs run between forward and backward, and between two backwards."""

    def f(x, w):
        return run(steps, x, w)[0]

    x, w = inputs()
    with np.errstate(all="ignore"):
        expected = without(lambda: ag.vjp(f, x, w)[1](np.ones(())))
        _, pullback = ag.vjp(f, x, w)
        for _ in range(2):
            check_programs([others])
            assert_same(pullback(np.ones(())), expected)


KINDS = ("hessian", "again", "mixed", "complex")


def busy(x, w):
    a = xp.tanh(x * w + 1) * xp.exp(-(x**2)) / (1 + x**2)
    return xp.sum(xp.where(a > 0.1, a * x, xp.sin(w)) + xp.matmul(a, a.T)[0, 0])


def planted_take(self, size):
    """Give out what is in use, too: the pool without its references."""
    stack = self.free.setdefault(size, [])
    if not stack:
        stack.append(self.fresh(size))
    return stack[-1]


def test_a_pool_that_ignores_references_is_caught(monkeypatch):
    steps = [(xp.sin, 0), (xp.multiply, 0, 1), (xp.exp, 0), (xp.add, 0, 2)]
    check_programs([steps])
    monkeypatch.setattr(Pool, "take", planted_take)
    with pytest.raises(AssertionError):
        check_programs([steps])


def through_views(x):
    """What the last product keeps are views of arrays that nobody else holds."""
    return xp.sum((x * 2.0)[::-1].T * (x * 3.0)[1:2].T * xp.exp(x).T)


def test_a_pool_that_forgets_views_is_caught(monkeypatch):
    """Memory that comes back when its first array dies, whatever looks into it."""

    class Forgetful(np.ndarray):
        """An array that gives its memory back when it dies itself."""

        memory = None

        def __del__(self):
            if self.memory is not None:
                pool.give(self.memory)

    def forgetful(shape, dtype, size):
        memory = pool.take(size)
        x = memory[0].view(dtype).reshape(shape).view(Forgetful)
        x.memory = memory
        return x

    x = inputs()[0]
    expected = without(lambda: ag.grad(through_views)(x))
    for _ in range(2):
        assert_same(ag.grad(through_views)(x), expected)
    kinds = numpy_memory.ARRAYS | {Forgetful}
    monkeypatch.setattr(numpy_memory, "empty", forgetful)
    monkeypatch.setattr(numpy_memory, "ARRAYS", kinds)
    with pytest.raises(AssertionError):
        assert_same(ag.grad(through_views)(x), expected)


# ------------------------------------------------------------------ transforms


@pytest.mark.parametrize(
    "transformed",
    [
        ag.grad(busy),
        ag.value_and_grad(busy, (0, 1)),
        lambda x, w: ag.jvp(busy, (x, w), (w, x)),
        ag.grad(lambda x, w: xp.sum(ag.grad(busy)(x, w) ** 2)),
        lambda x, w: ag.jvp(lambda x: ag.grad(busy)(x, w), (x,), (w,)),
        lambda x, w: ag.vmap(lambda r: ag.grad(lambda r: xp.sum(xp.sin(r) * r))(r))(x),
        ag.hessian(lambda x, w: xp.sum(xp.tanh(x) ** 2 * w)),
        ag.grad(lambda x, w: busy(ag.checkpoint(lambda x: xp.sin(x) * x)(x), w)),
        ag.grad(lambda x, w: busy(xp.astype(x, "float32"), w[:1])),
        ag.grad(lambda x, w: xp.real(xp.sum((x + 1j * w) ** 2 * xp.exp(1j * x)))),
    ],
    ids=[*("grad", "value", "jvp", "grad2", "hvp", "vmap"), *KINDS],
)
def test_transforms_give_the_same_bits(transformed):
    x = np.random.default_rng(0).normal(size=(4, 4))
    w = np.random.default_rng(1).normal(size=(4, 4))
    kept, expected = Kept(), without(lambda: transformed(x, w))
    for k in range(4):
        found = transformed(x, w)
        assert_same(found, expected)
        kept.keep(found, k)
        kept.check()


def test_eager_tensors():
    def gradient():
        x, w = map(ag.Tensor, inputs())
        y = xp.sum(xp.sin(x) * w)
        y.backward()
        return x.grad, w.grad

    expected, kept = without(gradient), Kept()
    for k in range(3):
        found = gradient()
        assert_same(found, expected)
        kept.keep(found, k)
        kept.check()


def test_users_may_write_to_what_they_get():
    x, w = inputs()
    expected = without(lambda: ag.vjp(multiplied, x, w)[1](np.ones(SHAPE)))
    y, pullback = ag.vjp(multiplied, x, w)
    y[...] = 7.0
    for _ in range(2):
        grads = pullback(np.ones(SHAPE))
        assert_same(grads, expected)
        for grad in grads:
            grad[...] = 7.0


def multiplied(x, w):
    return xp.exp(x * w) * xp.tanh(x)


def test_an_exception_leaves_nothing_behind():
    x, w = inputs()
    expected = without(lambda: ag.grad(multiplied_sum)(x, w))
    kept = Kept()
    for k in range(4):
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            ag.grad(lambda x: xp.sum(xp.exp(xp.sin(x) * 1e9) / x))(x)
        found = ag.grad(multiplied_sum)(x, w)
        assert_same(found, expected)
        kept.keep(found, k)
        kept.check()


def multiplied_sum(x, w):
    return xp.sum(multiplied(x, w))


def test_only_our_rules_see_operands():
    seen = []
    f = ag.custom_vjp(xp.sin)

    def backward(x, t):
        seen.extend(map(type, (x, t)))
        return (t * np.cos(x),)

    f.defvjp(lambda x: (xp.sin(x), x), backward)
    grad = ag.grad(lambda x: xp.sum(f(x * 2) * x))(inputs()[0])
    assert seen
    assert numpy_memory.Operand not in seen
    assert type(grad) is np.ndarray


# ------------------------------------------------------------------ threads


def test_threads_share_nothing():
    f = ag.value_and_grad(busy, (0, 1))
    count, rounds = 8, 30
    barrier = threading.Barrier(count, timeout=60)
    given = [np.random.default_rng(k).normal(size=(2, 5, 5)) for k in range(count)]
    expected = [without(partial(f, x, w)) for x, w in given]
    handed, faults = [None] * count, []

    def work(k):
        kept = Kept()
        barrier.wait()
        for r in range(rounds):
            found = f(*given[k])
            handed[k] = found[1][0]  # others let go of it
            handed[(k + r) % count] = None
            try:
                assert_same(found, expected[k])
                kept.keep(found, r)
                kept.check()
            except AssertionError as fault:
                faults.append(fault)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not faults


def test_memory_ends_with_its_thread():
    memory = []

    def work():
        ag.grad(multiplied_sum)(*inputs())
        memory.extend(weakref.ref(m) for s in pool.free.values() for m, _ in s)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    del thread
    gc.collect()
    assert memory
    assert not any(m() is not None for m in memory)


def test_what_outlives_its_thread_is_whole():
    results = []
    work = partial(lambda: results.append(ag.grad(multiplied_sum)(*inputs())))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    check_programs([[(xp.sin, 0), (xp.exp, 0)]])
    assert_same(results[0], without(lambda: ag.grad(multiplied_sum)(*inputs())))
    before = pool.idle
    del results[:]
    gc.collect()
    assert pool.idle > before  # it is the memory of the thread that lets go of it


# ------------------------------------------------------------------ how much is kept


def test_the_second_call_asks_the_system_for_nothing(monkeypatch):
    asked = []
    fresh = Pool.fresh
    monkeypatch.setattr(
        Pool, "fresh", lambda self, size: (asked.append(size), fresh(self, size))[1]
    )
    f, (x, w) = ag.value_and_grad(multiplied_sum, (0, 1)), inputs()
    f(x, w)
    assert asked
    asked.clear()
    f(x, w)
    assert not asked


def idle_bytes():
    return sum(size * len(stack) for size, stack in pool.free.items())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3000), st.lists(st.integers(8, 120), min_size=1, max_size=12))
def test_no_more_than_the_cap_lies_idle(cap, sizes):
    before, Pool.cap = Pool.cap, cap
    try:
        pool.clear()
        for n in sizes:
            ag.grad(lambda x: xp.sum(xp.sin(x) * xp.exp(x)))(np.ones(n))
            assert pool.idle == idle_bytes() <= cap
    finally:
        Pool.cap = before


def test_memory_can_be_released():
    ag.grad(multiplied_sum)(*inputs())
    assert pool.idle
    ag.get_backend().release_memory()
    assert pool.idle == idle_bytes() == 0


def test_idle_memory_of_another_size_makes_room(monkeypatch):
    """The peak is what it is without a pool, and SLACK."""
    monkeypatch.setattr(numpy_pool, "SLACK", 0)
    tracemalloc.start()
    try:
        for n in (1000, 1100, 1200):
            pool.clear()
            gc.collect()
            f = ag.grad(lambda x: xp.sum(xp.sin(x) * xp.exp(x) * xp.tanh(x)))
            f(np.ones(2 * n))
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0] - pool.idle
            f(np.ones(n + 8))
            reused = tracemalloc.get_traced_memory()[1] - held
            pool.clear()
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0]
            without(partial(f, np.ones(2 * n)))
            assert reused <= 1.1 * (tracemalloc.get_traced_memory()[1] - held) + 8_000
    finally:
        tracemalloc.stop()


def test_the_environment_says_how_much(tmp_path):
    code = "from autograd_backends.numpy_pool import Pool; print(Pool.cap)"
    environment = {
        "PYTHONPATH": ":".join(sys.path),
        numpy_pool.ENVIRONMENT_VARIABLE: "7",
    }
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert found.stdout == "7\n"


def test_arrays_that_live_to_the_end_of_the_process():
    code = """
import numpy, autograd_core as ag
f = ag.value_and_grad(lambda x: ag.ops.sum(ag.ops.sin(x) * x))
kept = [f(numpy.ones(100_000)) for _ in range(3)]
class Cycle: pass
loop = Cycle(); loop.loop, loop.kept = loop, f(numpy.ones(100_000))
"""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (found.returncode, found.stderr) == (0, "")


# ------------------------------------------------------------------ NumPy's functions


def layouts(x):
    """Return an array of two axes in every layout, and smaller ones beside it."""
    wide = np.repeat(x, 2, axis=1)
    return {
        "C": x,
        "Fortran": np.asfortranarray(x),
        "strided": wide[:, ::2],
        "reversed": x[::-1],
        "repeated number": np.broadcast_to(x[0, 0], x.shape),
        "repeated row": np.broadcast_to(x[0], x.shape),
        "repeated column": np.broadcast_to(x[:, :1], x.shape),
        "row": x[0].copy(),
        "column": x[:, :1].copy(),
        "0-d": np.asarray(x[0, 0]),
        "scalar": x[0, 0],
        "number": 2.0 if x.dtype.kind in "fc" else 2,
        "float32": x.astype("complex64" if x.dtype.kind == "c" else "float32"),
        "integers": np.ones(x.shape, "int64"),
        "swapped": x.astype(x.dtype.newbyteorder()),
        "a subclass": np.ma.masked_array(x),
    }


UFUNCS = sorted(
    name
    for name in dir(np)
    if isinstance(getattr(np, name), np.ufunc) and getattr(np, name).nin < 3
)


def outcome(f, *arguments):
    try:
        return f(*arguments)
    except (TypeError, ValueError) as cause:
        return type(cause)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UFUNCS)
def test_universal_functions_give_what_numpy_gives(name):
    ufunc = getattr(np, name)
    reusing = numpy_memory.reusing(ufunc)
    for dtype in ("f8", "f4", "c16", "i8", "?"):
        x = np.random.default_rng(3).integers(1, 4, (3, 8)).astype(dtype)
        table = layouts(x)
        for first in table.values():
            seconds = table.values() if ufunc.nin == 2 else (None,)
            for second in seconds:
                arguments = (first,) if second is None else (first, second)
                with np.errstate(all="ignore"):
                    expected = outcome(ufunc, *arguments)
                    found = outcome(reusing, *arguments)
                assert_same_array(found, expected)


def assert_same_array(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, (np.ma.MaskedArray, type)):
        return
    for x, y in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
        assert x.tobytes() == y.tobytes()
    for x, y in zip(*map(as_tuple, (found, expected)), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype
        assert x.strides == y.strides
        assert x.flags.c_contiguous == y.flags.c_contiguous


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_operators_give_what_numpy_gives(name):
    function = getattr(operator, name)
    for dtype in ("f8", "f4", "c16"):
        x = np.random.default_rng(3).normal(size=(3, 8)).astype(dtype)
        table = layouts(x)
        del table["a subclass"]
        for first in table.values():
            for second in table.values():
                with np.errstate(all="ignore"):
                    expected = function(first, second)
                    a, b = map(numpy_memory.as_operand, (first, second))
                    found = numpy_memory.as_array(function(a, b))
                assert_same_array(found, expected)


def test_operators_of_operands_defer_to_tracked_arrays():
    x = numpy_memory.as_operand(inputs()[0])
    assert type(x) is numpy_memory.Operand
    assert_same(ag.grad(lambda y: xp.sum(x * y))(inputs()[1]), inputs()[0])


def test_products_of_matrices_give_what_numpy_gives():
    x = np.random.default_rng(3).normal(size=(9, 9))
    for a in (x, x.T, x[::2], np.asfortranarray(x), x.astype("f4"), x[0], x[None]):
        for b in (x, x.T, x[:, ::2], x.astype("f4"), x.astype("c16"), x[:, 0]):
            expected = outcome(np.matmul, a, b)
            assert_same_array(outcome(numpy_memory.matmul, a, b), expected)


def test_results_own_memory_as_far_as_users_can_tell():
    grad = ag.grad(multiplied_sum)(*inputs())
    assert type(grad) is np.ndarray
    assert type(grad.base) is Lease
    assert grad.flags.writeable
    assert grad.flags.aligned
    copy = grad.copy()
    grad.shape = (2, 12)
    grad.flags.writeable = False
    check_programs([[(xp.sin, 0), (xp.exp, 0)]])
    assert np.array_equal(grad, copy.reshape(2, 12))


@pytest.mark.parametrize("other", [True, 2, 2.0, np.float64(2.0), np.bool_(True)])
def test_numbers_beside_large_arrays(other):
    def f(x):
        return xp.sum(x * other + xp.sin(x * other))

    x = inputs()[0]
    assert_same(ag.grad(f)(x), without(lambda: ag.grad(f)(x)))


def test_other_libraries_compute_with_themselves():
    assert "numpy" in MODULES
    strict = pytest.importorskip("array_api_strict")
    x = strict.asarray(np.ones(100))
    assert type(ag.grad(lambda x: xp.sum(x * x))(x)) is type(x)
