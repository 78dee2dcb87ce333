"""The NumPy executor: the bits of evaluation call by call, and memory of its own."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, reject
from operations.test_every_operation import CALLS, name_of
from programs_support import assert_same_bits, specs
from support.programs import programs

import autograd_core as ag
from autograd_backends.numpy_programs import Executor, executor
from autograd_backends.numpy_programs.layout import is_plain, layouts
from autograd_core.programs.emission import module
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


# ------------------------------------------------------------------ as source


def drawn(*shapes):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in shapes]


def alone(program, *arrays):
    """Return what the source for NumPy computes, and what it was given."""
    made = module(program, "numpy", name="f")
    assert "autograd_" not in made.text
    scope = {}
    exec(made.text, scope)
    return scope["f"](*arrays, *made.constants.values()), made


@pytest.mark.parametrize(
    "held",
    [
        *(np.asarray(x) for x in (2.5, -0.0, np.nan, -np.inf, True)),
        np.asarray([1e20, 5e-324, np.nan, -np.inf, 0.1]),
        np.asarray([0.1, 1 / 3, 1e-45], dtype=np.float32),
        np.asarray([1 - 2j, complex(-0.0, np.inf)]),
        np.asarray([True, False]),
        np.asarray([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]).T,
        np.zeros((3, 0)),
        np.full((30, 40), 0.1),
        np.asfortranarray(np.full((30, 40), 0.1)),
        np.broadcast_to(np.float64(2.5), (1000, 1000)),
        np.broadcast_to([[0.1], [0.2], [0.3]], (3, 200)),
    ],
    ids=lambda x: f"{x.dtype.name}{list(x.shape)}",
)
def test_small_arrays_stand_in_the_source_with_their_layout(held):
    program = ag.trace(lambda x: (x * 2.0, held, xp.any(held)))(ag.spec(3))
    (_, got, _), made = alone(program, np.ones(3))
    assert not made.constants
    assert (got.shape, got.dtype) == (held.shape, held.dtype)
    assert got.tobytes("A") == held.copy("K").tobytes("A")
    assert got.flags.writeable


def test_large_arrays_are_parameters_that_the_docstring_names():
    held, small = drawn((3, 4), (4,))
    program = ag.trace(lambda x: xp.sum(x @ held + small))(ag.spec((5, 3)))
    (x,) = drawn((5, 3))
    got, made = alone(program, x)
    assert_same_bits(got, program(x))
    assert [y.shape for y in made.constants.values()] == [(3, 4)]
    (name,) = made.constants
    assert f"The program holds {name}: float64[3,4]." in made.text
    beside = module(program, "numpy", beside='a"""b.npz').text
    assert 'as in a\\"\\"\\"b.npz.' in beside


@pytest.mark.parametrize(
    "transform", [lambda f: f, ag.grad, ag.value_and_grad, ag.hessian]
)
def test_gradients_run_alone(transform):
    weights = np.random.default_rng(0).normal(size=(3, 2))

    def loss(x):
        return xp.mean(xp.tanh(x @ weights) ** 2) + xp.sum(xp.mean(x, axis=0)[1:])

    (x,) = drawn((4, 3))
    program = ag.trace(transform(loss))(x)
    got, made = alone(program, x)
    assert all(y.size > 8 for y in made.constants.values())
    got = got if isinstance(got, tuple) else (got,)
    for y, expected in zip(got, program.evaluate([x]), strict=True):
        assert_same_bits(np.asarray(y), np.asarray(expected))


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: xp.sort(x, descending=True), "sort"),
        (lambda x: xp.special.log_sum_exp(x), r"special\.log_sum_exp"),
        (lambda x: xp.sort(xp.einsum("i->i", x), descending=True), "einsum, sort"),
        (ag.grad(ag.checkpoint(lambda x: xp.sum(xp.sin(x)))), "optimization_barrier"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_numpy_has_no_function_for_is_named(function, named):
    program = ag.trace(function)(ag.spec(3))
    said = rf"source: target 'numpy' .*; got a program with {named}\. Use target='xp'"
    with pytest.raises(NotImplementedError, match=said):
        program.source("numpy")
    x = np.asarray([1.0, 3.0, 2.0])
    assert_same_bits(executor(program)([x])[0], program.evaluate([x])[0])


def test_loops_have_no_source_for_numpy():
    def f(x):
        return ag.scan(lambda c, row: (c + row, None), 0.0, x)[0]

    said = "target 'numpy' writes no loops; .* Use target='xp'"
    with pytest.raises(NotImplementedError, match=said):
        ag.trace(f)(ag.spec(20)).source("numpy")


def test_results_that_are_no_arrays_have_no_source():
    program = ag.trace(lambda x: x * 2.0)(ag.spec(2))
    program = dataclasses.replace(program, outputs=(object(),))
    with pytest.raises(TypeError, match="no literal in source"):
        module(program, "numpy")


def test_writing_source_runs_nothing(monkeypatch):
    program = ag.trace(lambda x, y: xp.sin(x * y) + x)(ag.spec(2**46), ag.spec(2**46))

    def forbidden(run):
        raise AssertionError

    monkeypatch.setattr(Executor, "run", property(forbidden))
    text = program.source("numpy")
    assert f"rows({2**46}, " in text


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
