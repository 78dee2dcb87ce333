"""Threads and asynchronous tasks: derivatives and defaults do not meet."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from core_support import MODULES, assert_equal

import autograd_core as ag

xp = ag.ops


def in_threads(*calls):
    """Run calls in threads of their own; return their results or raise."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


# ------------------------------------------------------- derivatives


def test_two_threads_in_the_middle_of_a_transform():
    """Both are inside grad at once: each waits for the other half way."""
    barrier = threading.Barrier(2, timeout=30)

    def differentiate(k):
        def f(x):
            y = x**k
            barrier.wait()
            z = xp.sin(y) * x
            barrier.wait()
            return z

        return ag.grad(f)(0.7)

    results = in_threads(lambda: differentiate(2), lambda: differentiate(3))
    for k, result in zip((2, 3), results, strict=True):
        assert_equal(result, np.sin(0.7**k) + 0.7**k * k * np.cos(0.7**k))


def test_forward_and_reverse_at_once_and_nested():
    barrier = threading.Barrier(4, timeout=30)

    def meet(x):
        barrier.wait()
        return x

    calls = [
        lambda: ag.grad(lambda x: meet(x) ** 3)(2.0),
        lambda: ag.jvp(lambda x: meet(x) ** 3, (2.0,), (1.0,))[1],
        lambda: ag.grad(ag.grad(lambda x: meet(x) ** 3))(2.0),
        lambda: ag.jvp(ag.grad(lambda x: meet(x) ** 3), (2.0,), (1.0,))[1],
    ]
    assert [float(x) for x in in_threads(*calls)] == [12.0, 12.0, 12.0, 12.0]


def test_many_threads_many_times():
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=20) for _ in range(4)]

    def f(x):
        return xp.sum(xp.exp(xp.sin(x)) * x[::-1] / (1 + x * x))

    expected = [ag.grad(f)(x) for x in inputs]

    def work(x):
        return [ag.grad(f)(x) for _ in range(50)]

    for results, wanted in zip(
        in_threads(*(lambda x=x: work(x) for x in inputs)), expected, strict=True
    ):
        for result in results:
            assert np.array_equal(result, wanted)


def test_a_pool_inside_grad():
    """Parts of one function, computed by threads, belong to its transform."""
    with ThreadPoolExecutor(3) as pool:

        def f(x):
            parts = list(pool.map(lambda k: xp.sum(x**k), (1, 2, 3)))
            return parts[0] + parts[1] + parts[2]

        x = np.asarray([1.0, 2.0])
        assert_equal(ag.grad(f)(x), 1 + 2 * x + 3 * x**2)
        second = ag.grad(lambda x: xp.sum(ag.grad(f)(x)))(x)
        assert_equal(second, 2 + 6 * x)


def test_a_pullback_called_from_many_threads():
    x = np.linspace(0.1, 1.0, 50)
    _, pullback = ag.vjp(lambda x: xp.sin(x) * x, x)
    expected = np.cos(x) * x + np.sin(x)
    calls = [lambda k=k: pullback(np.full(50, float(k)))[0] for k in range(8)]
    for k, result in enumerate(in_threads(*calls)):
        assert_equal(result, k * expected)


def test_eager_graphs_in_two_threads():
    shared = np.asarray([1.0, 2.0])

    def work(k):
        for _ in range(20):
            t = ag.Tensor(shared)
            (t * float(k) * t).backward()
        return t.grad

    for k, result in enumerate(in_threads(lambda: work(0), lambda: work(1))):
        assert_equal(result, 2 * k * shared)


# ------------------------------------------------------- the default library


def test_use_backend_is_of_its_thread_only():
    pytest.importorskip("array_api_strict")
    barrier = threading.Barrier(2, timeout=30)
    seen = {}

    def work(name):
        with ag.use_backend(name):
            barrier.wait()
            seen[name] = (str(ag.get_backend()), type(xp.zeros(2)).__module__)
            barrier.wait()
        seen[name] += (str(ag.get_backend()),)

    in_threads(lambda: work("numpy"), lambda: work("array-api-strict"))
    assert seen["numpy"] == ("numpy", "numpy", "numpy")
    assert seen["array-api-strict"][0] == "array-api-strict"
    assert seen["array-api-strict"][1].startswith("array_api_strict")
    assert seen["array-api-strict"][2] == "numpy"


def test_a_new_thread_does_not_inherit_use_backend():
    pytest.importorskip("array_api_strict")
    seen = []
    with ag.use_backend("array-api-strict"):
        thread = threading.Thread(target=lambda: seen.append(str(ag.get_backend())))
        thread.start()
        thread.join()
    assert seen == ["numpy"]


def test_a_thread_that_is_given_the_context_has_it():
    pytest.importorskip("array_api_strict")
    with ag.use_backend("array-api-strict"):
        context = contextvars.copy_context()
    (seen,) = in_threads(lambda: context.run(lambda: str(ag.get_backend())))
    assert seen == "array-api-strict"


def test_set_backend_is_seen_by_new_threads_and_running_ones():
    pytest.importorskip("array_api_strict")
    chosen, seen = threading.Event(), []

    def running():
        seen.append(str(ag.get_backend()))
        started.set()
        chosen.wait(30)
        seen.append(str(ag.get_backend()))

    started = threading.Event()
    thread = threading.Thread(target=running)
    thread.start()
    started.wait(30)
    ag.set_backend("array-api-strict")
    chosen.set()
    thread.join()
    assert seen == ["numpy", "array-api-strict"]
    assert in_threads(lambda: str(ag.get_backend())) == ["array-api-strict"]


def test_use_backend_wins_over_set_backend():
    pytest.importorskip("array_api_strict")
    with ag.use_backend("numpy"):
        ag.set_backend("array-api-strict")
        assert str(ag.get_backend()) == "numpy"
    assert str(ag.get_backend()) == "array-api-strict"


def test_use_backend_nests_and_is_undone_by_an_error():
    pytest.importorskip("array_api_strict")
    with ag.use_backend("array-api-strict") as outer:
        assert str(outer) == "array-api-strict"
        with pytest.raises(KeyError), ag.use_backend("numpy"):
            raise KeyError
        assert ag.get_backend() is outer
    assert str(ag.get_backend()) == "numpy"


def test_asynchronous_tasks_have_defaults_of_their_own():
    names = [n for n in MODULES if n in ("numpy", "array-api-strict")]
    pytest.importorskip("array_api_strict")

    async def work(name):
        seen = []
        with ag.use_backend(name):
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(str(ag.get_backend()))
                seen.append(type(ag.grad(lambda x: x * x)(1.0)).__module__)
        await asyncio.sleep(0)
        return seen, str(ag.get_backend())

    async def main():
        return await asyncio.gather(*(work(name) for name in names))

    for name, (seen, after) in zip(names, asyncio.run(main()), strict=True):
        assert seen[::2] == [name] * 3
        assert {m.partition(".")[0] for m in seen[1::2]} == {name.replace("-", "_")}
        assert after == "numpy"


def test_threads_with_different_libraries_differentiate_at_once():
    pytest.importorskip("array_api_strict")
    barrier = threading.Barrier(2, timeout=30)

    def work(name):
        with ag.use_backend(name):
            x = xp.asarray([1.0, 2.0])

            def f(x):
                barrier.wait()
                y = xp.sum(x * xp.asarray([3.0, 4.0]) * x)
                barrier.wait()
                return y

            return ag.grad(f)(x)

    results = in_threads(lambda: work("numpy"), lambda: work("array-api-strict"))
    assert type(results[0]) is np.ndarray
    assert type(results[1]).__module__.startswith("array_api_strict")
    for result in results:
        assert_equal(result, [6.0, 16.0])


def test_first_use_in_many_threads_makes_one_backend():
    from autograd_core import backend

    name = "array-api-strict"
    pytest.importorskip("array_api_strict")
    found = in_threads(*(lambda: backend.backend(name) for _ in range(8)))
    assert all(one is found[0] for one in found)
