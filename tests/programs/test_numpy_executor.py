"""The NumPy executor: the bits of evaluation call by call, and memory of its own."""

import numpy as np
import pytest
from hypothesis import given, reject
from operations.test_every_operation import CALLS, name_of
from programs_support import assert_same_bits, specs
from support.programs import programs

import autograd_core as ag
from autograd_backends.numpy_programs import executor
from autograd_backends.numpy_programs.layout import is_plain, layouts
from autograd_core.testing.samples import outputs

xp = ag.ops


@pytest.fixture(autouse=True)
def numpy_only():
    with ag.use_backend("numpy"):
        yield


def assert_runs_as_evaluated(program, arrays, **options):
    """Assert the same bits and kinds of results, twice, and that inputs stay."""
    expected = program.evaluate(arrays)
    before = [np.array(x) for x in arrays]
    run = executor(program, **options)
    first = run(arrays)
    kept = [np.array(y) for y in first]
    for results in (first, run(arrays)):
        assert_same_bits(results, expected)
    assert_same_bits(arrays, before)
    assert_same_bits(list(map(np.asarray, first)), kept)
    assert_apart(run, [*first, *run(arrays)], [*arrays, *program.constants.values()])
    return run


def assert_apart(run, results, held):
    """Assert that no two results share memory, nor one with what is held."""
    results = [y for y in results if isinstance(y, np.ndarray)]
    for k, y in enumerate(results):
        for other in (*results[:k], *held):
            assert not np.may_share_memory(y, other)


def recorded(f, arrays):
    try:
        return ag.trace(f)(*specs(*arrays))
    except TypeError as refusal:
        if "shape depends on values" not in str(refusal):
            raise
        pytest.skip("a boolean key")


def random_gradient(program):
    """Record value and gradient of a drawn program, if its shapes are known."""

    def total(*xs):
        return sum(xp.sum(y * y) for y in program.function(xp, *xs))

    f = ag.value_and_grad(total, range(len(program.inputs)))
    return random_values(program, f)


def random_values(program, f=None):
    f = f or (lambda *xs: program.function(xp, *xs))
    try:
        return ag.trace(f)(*specs(*program.inputs))
    except TypeError as refusal:
        if "shape depends on values" not in str(refusal):
            raise
        return reject()


def derivatives(function):
    def reverse(*xs):
        ys, pullback = ag.vjp(function, *xs)
        return ys, pullback(ys)

    def forward(*xs):
        return ag.jvp(function, xs, xs)

    return function, reverse, forward


# ------------------------------------------------------------------ the same bits


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_every_operation_and_its_derivatives(call):
    arrays = [np.ascontiguousarray(x) for x in call.values]
    for f in derivatives(outputs(call.bound())):
        program = recorded(f, arrays)
        assert_runs_as_evaluated(program, arrays)
        assert_layouts_are_known(program, arrays)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_every_operation_on_transposed_results(call):
    """What a program computes has other layouts than its inputs."""
    arrays = [np.ascontiguousarray(x.T) for x in map(np.asarray, call.values)]
    function = outputs(call.bound())

    def turned(*xs):
        return function(*(xp.permute_dims(x, range(x.ndim)[::-1]) for x in xs))

    program = recorded(turned, arrays)
    assert_runs_as_evaluated(program, arrays)
    assert_layouts_are_known(program, arrays)


def assert_layouts_are_known(program, arrays):
    """Assert that values lie in memory as it was planned."""
    known = layouts(program)
    values = dict(zip(program.inputs, arrays, strict=True)) | dict(program.constants)
    for instruction in program.instructions:
        instruction.run(values, "cpu")
        for variable in instruction.results:
            strides, y = known[variable], np.asarray(values[variable])
            if strides is None or not is_plain(y) or y.size == 0:
                continue
            pairs = zip(y.shape, y.strides, strides, strict=True)
            assert all(n == 1 or s == t for n, s, t in pairs), instruction


@given(programs())
def test_random_programs(program):
    inputs = list(program.inputs)
    made = random_gradient(program)
    assert_runs_as_evaluated(made, inputs)
    assert_layouts_are_known(made, inputs)
    assert_runs_as_evaluated(random_values(program), inputs)


# ------------------------------------------------------------------ other layouts


def smooth(x, y):
    return xp.sum(xp.sin(x) * y, axis=0), xp.sum(x * y), x.T * 2


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: np.flip(np.flip(x, 0).copy(), 0),
        lambda x: (
            np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:]
            .view(x.dtype)
            .reshape(x.shape)
        ),
        lambda x: x.astype(x.dtype.newbyteorder()),
    ],
    ids=["Fortran", "strided", "as it was", "reversed", "unaligned", "byte order"],
)
def test_inputs_of_other_layouts(change):
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(7, 50)) for _ in range(2)]
    program = ag.trace(smooth)(*specs(*arrays))
    changed = [change(x) for x in arrays]
    got = executor(program)(changed)
    for x, y in zip(got, program.evaluate(changed), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def test_pythons_booleans_among_operands():
    def f(x):
        return xp.where(xp.logical_or(x > 0, False), x, 0.0), xp.logical_and(
            x > 0, True
        )

    x = np.asarray([1.0, -1.0, 2.0])
    assert_same_bits(ag.compile(f)(x), f(x))
