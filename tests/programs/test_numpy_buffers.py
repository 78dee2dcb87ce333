"""Memory of the NumPy executor: used again, but never what somebody else can see."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from programs_support import assert_same_bits, specs
from support.programs import programs
from test_numpy_executor import (
    assert_runs_as_evaluated,
    random_gradient,
    random_values,
)

import autograd_core as ag
from autograd_backends.numpy_programs import buffers, calls, clusters, executor, steps
from autograd_core.programs.program import GuardError

xp = ag.ops


@pytest.fixture(autouse=True)
def numpy_only():
    with ag.use_backend("numpy"):
        yield


def recurrent(x, w):
    for _ in range(6):
        x = xp.tanh(x @ w) * 0.5 + xp.sin(x)
    return xp.sum(x * x), x


def inputs(*shapes):
    random = np.random.default_rng(1)
    return [random.normal(size=shape) for shape in shapes]


def gradient(f):
    return ag.value_and_grad(lambda *xs: f(*xs)[0], (0, 1))


# ------------------------------------------------------------------ used again


def test_memory_is_used_again():
    program = ag.trace(lambda x: xp.sin(xp.cos(xp.exp(xp.sin(x * 2) + 1))) - x)(
        ag.spec(1000)
    )
    run = executor(program)
    assert len(program) > 5
    assert run.peak_bytes == 2 * 8000  # one buffer, and the result
    assert run.source.count("numpy.empty((1000,)") == 1


def test_workspaces_are_kept_and_as_many_as_calls_at_once():
    arrays = inputs((20, 8), (8, 8))
    run = executor(ag.trace(gradient(recurrent))(*specs(*arrays)))
    workspaces = run.run.__globals__["workspaces"]
    for _ in range(5):
        run(arrays)
        assert len(workspaces) == 1


@given(programs())
def test_nothing_read_is_overwritten(program):
    """Every value still is what it was when it is read for the last time.

    In the source each line's operands are compared with the evaluated values.
    """
    made = random_gradient(program)
    assert_runs_as_evaluated(made, list(program.inputs))


# ------------------------------------------------------------------ never shared


def test_results_are_nobody_elses():
    def f(x, y):
        z = x * y
        return x, x.T, z, z, z[1:], xp.reshape(z, (-1,)), z.T, xp.sum(z), xp.real(z)

    arrays = inputs((4, 4), (4, 4))
    assert_runs_as_evaluated(ag.trace(f)(*specs(*arrays)), arrays)


def test_a_broadcast_result_can_be_written_to():
    (x,) = inputs((4,))
    (y,) = executor(ag.trace(lambda x: xp.broadcast_to(x * 2, (3, 4)))(ag.spec(4)))([x])
    y[0, 0] = 7.0
    assert y[1, 0] == 2 * x[0]


def test_results_of_earlier_calls_stay():
    arrays = inputs((20, 8), (8, 8))
    run = executor(ag.trace(recurrent)(*specs(*arrays)))
    first = run(arrays)
    kept = [np.array(y) for y in first]
    run([2 * x for x in arrays])
    assert_same_bits([np.asarray(y) for y in first], kept)


def test_results_that_are_dropped_leave_their_memory_and_others_do_not():
    """Large results are of a pool: nothing in it may still be looked at."""
    program = ag.trace(lambda x: (x * 2, x + 1))(ag.spec(100_000))
    x = np.arange(100_000.0)
    run = executor(program)
    views = []
    for k in range(6):
        twice, more = run([x + k])
        views.append((k, twice[10:20], more.reshape(100, 1000)[5]))
        del twice, more
    for k, part, row in views:
        np.testing.assert_array_equal(part, 2 * (x + k)[10:20])
        np.testing.assert_array_equal(row, (x + k)[5000:6000] + 1)


def test_constants_are_read_anew_in_each_call():
    held = np.ones(5)
    program = ag.trace(lambda x: (x * held, held))(ag.spec(5))
    run = executor(program)
    x = np.arange(5.0)
    assert_same_bits(run([x])[0], x)
    held[:] = 3.0
    got = run([x])
    assert_same_bits(got[0], 3 * x)
    got[1][:] = 0.0
    assert held[0] == 3.0


def test_constants_of_any_layout():
    for held in (np.asfortranarray(inputs((6, 5))[0]), np.ones((6, 5))[::-1]):
        program = ag.trace(lambda x, h=held: xp.sum(xp.sin(x) * h, axis=0))(
            ag.spec((6, 5))
        )
        assert_runs_as_evaluated(program, inputs((6, 5)))


# ------------------------------------------------------------------ several calls


def test_threads_that_call_one_executor():
    program = ag.trace(gradient(recurrent))(*specs(*inputs((64, 32), (32, 32))))
    run = executor(program)
    tasks = []
    for k in range(8):
        random = np.random.default_rng(k)
        arrays = [random.normal(size=(64, 32)), random.normal(size=(32, 32))]
        tasks.append((arrays, program.evaluate(arrays)))

    def call(k):
        arrays, expected = tasks[k % 8]
        assert_same_bits(run(arrays), expected)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(200)))


def test_threads_that_call_one_executor_in_tiles(monkeypatch):
    monkeypatch.setattr(clusters, "LEAST", 0)
    monkeypatch.setattr(clusters, "LARGE", 0)
    f = ag.value_and_grad(lambda x: xp.sum(xp.tanh(x * x) * x))
    program = ag.trace(f)(ag.spec(20_000))
    for threads in (1, 2):
        run = executor(program, threads=threads, tile=8192)
        tasks = [[np.random.default_rng(k).normal(size=20_000)] for k in range(5)]
        expected = [program.evaluate(arrays) for arrays in tasks]

        def call(k, run=run, tasks=tasks, expected=expected):
            assert_same_bits(run(tasks[k % 5]), expected[k % 5])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(call, range(60)))


def test_an_exception_leaves_everything_usable():
    program = ag.trace(lambda x, a: xp.sum(xp.linalg.inv(a * 2) @ xp.sin(x)))(
        *map(ag.spec, [(4,), (4, 4)])
    )
    run = executor(program)
    x, a = inputs((4,), (4, 4))
    for _ in range(3):
        with pytest.raises(np.linalg.LinAlgError):
            run([x, np.zeros((4, 4))])
        assert_same_bits(run([x, a]), program.evaluate([x, a]))


def test_an_exception_in_a_tile_reaches_the_caller(monkeypatch):
    monkeypatch.setattr(clusters, "LEAST", 0)
    monkeypatch.setattr(clusters, "LARGE", 0)
    program = ag.trace(lambda x: xp.sum(xp.exp(x) * x))(ag.spec(5000))
    for threads in (1, 2):
        run = executor(program, threads=threads, tile=2048)
        x = np.zeros(5000)
        expected = run([x])
        with np.errstate(over="raise"), pytest.raises(FloatingPointError):
            run([x + 1000])  # in this thread: others have settings of their own
        assert_same_bits(run([x]), expected)


# ------------------------------------------------------------------ guards


def branching(x, y):
    unused = xp.exp(y) * 2
    if xp.sum(x) > 0:
        return unused + x
    return x - y


def test_guards_come_first():
    x, y = np.ones(3), np.ones(3)
    program = ag.trace(branching)(x, y)
    run = executor(program)
    assert_same_bits(run([x, y]), program.evaluate([x, y]))
    with pytest.raises(GuardError, match=r"test_numpy_buffers.py:\d+"):
        run([-x, y])
    assert_same_bits(run([x, y]), program.evaluate([x, y]))
    lines = run.source.splitlines()
    (guard,) = [k for k, line in enumerate(lines) if "raise GuardError" in line]
    (exp,) = [k for k, line in enumerate(lines) if "= exp(" in line]
    assert guard < exp


def test_guards_on_integers():
    def f(x, n):
        return x * int(n)

    x, n = np.ones(3), np.asarray(3)
    run = executor(ag.trace(f)(x, n))
    assert_same_bits(run([x, n])[0], 3 * x)
    with pytest.raises(GuardError):
        run([x, np.asarray(4)])


# ------------------------------------------------------------------ odd programs


def test_empty_arrays_and_numbers():
    def f(x, y):
        return xp.sin(x) * 2, xp.sum(x, axis=0), xp.sum(y) ** 2, 3.5, None, y * y + 1

    for shapes in (((0,), ()), ((0, 4), (0,)), ((3, 0), (1,)), ((1, 1), (1, 1))):
        arrays = inputs(*shapes)
        program = ag.trace(f)(*specs(*arrays))
        expected = program.evaluate(arrays)
        for got, y in zip(executor(program)(arrays), expected, strict=True):
            if isinstance(y, (np.ndarray, np.generic)):
                assert_same_bits(got, y)
            else:
                assert got is y or got == y


def test_numbers_are_arrays_without_axes_or_not_as_they_were():
    program = ag.trace(lambda x: (xp.sum(x), xp.sin(xp.sum(x)) * 2, x[0]))(ag.spec(3))
    x = np.arange(3.0)
    for got, y in zip(executor(program)([x]), program.evaluate([x]), strict=True):
        assert type(got) is type(y) or got.ndim == 0


def test_names_that_the_source_has_for_something_else():
    def f(numpy, add, w1, workspaces, loop):
        i = numpy + add
        lambda_ = xp.sin(i) * w1
        return xp.sum(lambda_ + workspaces * loop * 2), i

    arrays = inputs(*[(3,)] * 5)
    run = assert_runs_as_evaluated(ag.trace(f)(*specs(*arrays)), arrays)
    assert "numpy_" in run.source


def test_long_programs_run_in_steps(monkeypatch):
    arrays = inputs((5, 3), (3, 3))
    program = ag.trace(gradient(recurrent))(*specs(*arrays))
    compiled = executor(program)
    monkeypatch.setattr(steps, "LONGEST", 3)
    run = assert_runs_as_evaluated(program, arrays)
    assert isinstance(run.run, steps.Steps)
    assert not isinstance(compiled.run, steps.Steps)
    guarded = ag.trace(branching)(np.ones(3), np.ones(3))
    run = executor(guarded)
    with pytest.raises(GuardError):
        run([-np.ones(3), np.ones(3)])


@given(programs())
def test_random_programs_in_steps(program):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "LONGEST", 0)
        patch.setattr(calls, "MANY", 0)
        assert_runs_as_evaluated(random_gradient(program), list(program.inputs))
        assert_runs_as_evaluated(random_values(program), list(program.inputs))


def test_a_program_of_30_000_calls():
    def f(x):
        for _ in range(15_000):
            x = xp.sin(x) * 1.01
        return x

    program = ag.trace(f)(ag.spec(4))
    assert len(program) == 30_000
    assert_runs_as_evaluated(program, inputs((4,)))


# ------------------------------------------------------------------ without us


def test_source_runs_without_us(tmp_path):
    arrays = inputs((20, 8), (8, 8))
    program = ag.trace(gradient(recurrent))(*specs(*arrays))
    run = executor(program)
    constants = list(program.constants.values())
    (tmp_path / "emitted.py").write_text(run.source)
    np.savez(tmp_path / "given.npz", *arrays, *constants)
    name = run.run.__name__
    script = f"""
import sys, numpy as np
from emitted import {name}
given = np.load("given.npz")
np.savez("got.npz", *{name}(*(given[k] for k in given)))
assert not [m for m in sys.modules if m.startswith("autograd")]
"""
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path[:0] = ['.']\n{script}",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    got = np.load(tmp_path / "got.npz")
    for key, y in zip(got, program.evaluate(arrays), strict=True):
        assert_same_bits(got[key], np.asarray(y))


# ------------------------------------------------------------------ planted faults


def test_a_plan_that_frees_one_use_too_early_is_caught(monkeypatch):
    real = buffers.last_reads

    def early(program, units, roots):
        last = real(program, units, roots)
        reads = [
            v for unit in units for v in unit.reads if 0 < last[v] < buffers.ALWAYS
        ]
        victim = max(set(reads), key=reads.count)  # read most often
        return {**last, victim: last[victim] - 1}

    arrays = inputs((20, 8), (8, 8))
    program = ag.trace(gradient(recurrent))(*specs(*arrays))
    found = 0
    monkeypatch.setattr(buffers, "last_reads", early)
    try:
        assert_runs_as_evaluated(program, arrays)
    except (AssertionError, KeyError, ValueError):
        found += 1
    assert found


def test_a_workspace_that_calls_share_is_caught():
    """The fault of the prototype: 60 wrong results of 60."""
    f = gradient(recurrent)
    program = ag.trace(f)(*specs(*inputs((400, 64), (64, 64))))
    run = executor(program)
    source = run.source.replace("workspaces.pop()", "workspaces[0]")
    source = source.replace("workspaces.append(arrays)", "pass")
    source += "\nworkspaces.append(workspace())\n"
    scope = {}
    exec(source, scope)
    shared = scope[run.run.__name__]
    tasks = [inputs((400, 64), (64, 64)) for _ in range(4)]
    tasks = [[x * (k + 1) / 4 for x in arrays] for k, arrays in enumerate(tasks)]
    expected = [run(arrays) for arrays in tasks]

    def call(k):
        y = shared(*tasks[k % 4], *program.constants.values())
        return all(
            np.array_equal(a, b) for a, b in zip(y, expected[k % 4], strict=True)
        )

    with ThreadPoolExecutor(4) as pool:
        assert not all(pool.map(call, range(60)))
