"""Loops over tiles: the same bits, wherever arrays are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs_support import assert_same_bits, specs
from support.programs import programs
from test_numpy_executor import assert_runs_as_evaluated, random_gradient

import autograd_core as ag
from autograd_backends.numpy_programs import calls, clusters, executor, runtime, tiles

xp = ag.ops


@pytest.fixture(autouse=True)
def numpy_only():
    with ag.use_backend("numpy"):
        yield


@pytest.fixture(autouse=True, scope="module")
def small_clusters():
    """Tile arrays of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "LEAST", 0)
        patch.setattr(clusters, "LARGE", 0)
        patch.setattr(calls, "MANY", 0)
        yield


def wave(x, w, b):
    return xp.sum(xp.tanh(x * w + b) * xp.exp(-(x**2)) / (1 + x**2))


def softmax(x, w, b):
    z = x * w + b
    e = xp.exp(z - xp.max(z, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def layer(x, w, b):
    h = xp.tanh(x * w + b)
    return h, xp.sum(h * x, axis=0), xp.sum(h, axis=-1), xp.max(h, axis=-1)


def masked(x, w, b):
    y = xp.where(x > 0, x * w, xp.sin(x))
    return y, xp.minimum(y, b), xp.sum(y, axis=0, keepdims=True)


def of_all(x, w, b):
    y = x * w
    z = y + b
    return xp.sum(y), xp.sum(z), xp.sqrt(xp.sum(z * z)) * y


FUNCTIONS = [wave, softmax, layer, masked, of_all]
BOUNDARIES = [1, 2, 127, 128, 129, 135, 136, 255, 256, 257, 264, 1000, 1024, 4095, 5000]
DTYPES = ["float64", "float32", "complex128", "complex64"]


def drawn(shapes, dtype, seed=0):
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=shape) for shape in shapes]
    if dtype.startswith("complex"):
        arrays = [x + 1j * random.normal(size=x.shape) for x in arrays]
    return [np.asarray(x, dtype) for x in arrays]


def loops_in(run):
    return run.source.count("def loop")


# ------------------------------------------------------------------ lengths


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", BOUNDARIES)
@pytest.mark.parametrize("f", [wave, of_all])
def test_lengths_about_the_boundaries_of_tiles(f, length, dtype):
    arrays = drawn([(length,)] * 3, dtype)
    made = [f]
    if dtype.startswith("float"):
        made.append(gradient(f))
    for each in made:
        program = ag.trace(each)(*specs(*arrays))
        for size in (1 << 10, 3000, 1 << 20):
            for threads in (1, 2):
                run = assert_runs_as_evaluated(
                    program, arrays, tile=size, threads=threads
                )
                assert loops_in(run)


def gradient(f):
    def total(*arrays):
        parts = f(*arrays)
        parts = parts if isinstance(parts, tuple) else (parts,)
        return sum((xp.sum(y) for y in parts), 0.0)

    return ag.value_and_grad(total, (0, 1, 2))


SHAPES = [
    [(300, 7), (300, 7), (300, 7)],
    [(300, 7), (7,), ()],
    [(300, 7), (300, 1), (1, 7)],
    [(64, 3, 5), (3, 5), (64, 1, 1)],
    [(1, 900), (900,), (1, 1)],
    [(900, 1), (900, 1), ()],
    [(7, 300), (300,), (7, 1)],
    [(40, 40), (40,), (40, 40)],
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("f", FUNCTIONS)
def test_rows_columns_and_numbers(f, shapes, dtype):
    arrays = drawn(shapes, dtype)
    for each in (f, gradient(f)):
        program = ag.trace(each)(*specs(*arrays))
        for size in (1, 200, 5000):
            assert_runs_as_evaluated(program, arrays, tile=size)
            assert_runs_as_evaluated(program, arrays, tile=size, threads=2)


@given(
    st.sampled_from(FUNCTIONS),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from(["float64", "float32"]),
    st.integers(1, 4000),
    st.booleans(),
)
def test_any_shape_and_any_tile(f, shape, how, dtype, size, turned):
    shape = tuple(shape)
    other = {0: shape, 1: shape[1:], 2: (shape[0], *[1] * (len(shape) - 1)), 3: ()}
    arrays = drawn([shape, other[how], other[(how + 1) % 4]], dtype)
    g = gradient(f)

    def function(x, w, b):
        return (
            g(xp.permute_dims(x, range(x.ndim)[::-1]), w, b) if turned else g(x, w, b)
        )

    if turned:
        arrays[0] = np.ascontiguousarray(arrays[0].T)
    program = ag.trace(function)(*specs(*arrays))
    assert_runs_as_evaluated(program, arrays, tile=size)


@given(programs(), st.integers(1, 200))
def test_random_programs_in_tiles(program, size):
    inputs = list(program.inputs)
    assert_runs_as_evaluated(random_gradient(program), inputs, tile=size)


def test_an_array_that_is_cut_for_one_call_and_whole_for_another():
    def f(x, w):
        return xp.sin(x) + xp.sum(w * x, axis=1), xp.cos(x) * w

    arrays = drawn([(30,), (30, 30)], "float64")
    assert_runs_as_evaluated(ag.trace(f)(*specs(*arrays)), arrays, tile=1000)


# ------------------------------------------------------------------ special numbers


@pytest.mark.parametrize("special", [-0.0, 0.0, np.inf, np.nan, 5e-324])
def test_special_numbers_keep_their_bits(special):
    arrays = drawn([(1000,)] * 3, "float64")
    for x in arrays:
        x[::3] = special
    everywhere = [np.full((500, 4), special)] * 3
    with np.errstate(all="ignore"):
        for given_arrays in (arrays, everywhere):
            for f in (of_all, layer if given_arrays is everywhere else of_all):
                program = ag.trace(f)(*specs(*given_arrays))
                assert_runs_as_evaluated(program, given_arrays, tile=2000)


# ------------------------------------------------------------------ the order of a sum


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(100_003,), (317, 211), (7, 91, 53)])
def test_a_sum_in_tiles_is_numpys_own(dtype, shape):
    (x,) = drawn([shape], dtype)
    width = 2 if dtype.startswith("complex") else 1
    flat, n = x.reshape(-1), x.size
    for most in (128, 1000, 4096, 65536):
        cut = runtime.halves(0, n, most, width)
        assert cut[0][0] == 0
        assert cut[-1][1] == n
        parts = [np.add.reduce(flat[i:j]) for i, j in cut]
        total = runtime.pairwise(iter(parts), n, most, width)
        assert total.tobytes() == np.add.reduce(x, axis=None).tobytes()


# ------------------------------------------------------------------ planted faults


def test_a_loop_that_drops_the_remainder_is_caught(monkeypatch):
    def whole_only(length, most):
        return [(i, i + most) for i in range(0, length - most + 1, most)]

    monkeypatch.setattr("inspect.getsource", source_of(rows=whole_only))
    arrays = drawn([(300, 7)] * 3, "float64")
    program = ag.trace(layer)(*specs(*arrays))
    with pytest.raises(AssertionError):
        assert_runs_as_evaluated(program, arrays, tile=1000)


def source_of(**replaced):
    import inspect

    real_source = inspect.getsource

    def source(function):
        found = replaced.get(function.__name__, function)
        return real_source(found).replace("whole_only", function.__name__).lstrip()

    return source


def test_sums_from_left_to_right_are_caught():
    arrays = drawn([(5000,)] * 3, "float64")
    program = ag.trace(wave)(*specs(*arrays))
    run = executor(program, tile=1024)
    total = run(arrays)[0]
    parts = run.source.replace(
        "pairwise(iter(loop_parts), 5000, 128, 1)", "sum(loop_parts)"
    )
    assert parts != run.source
    scope = {}
    exec(parts, scope)
    assert scope["wave"](*arrays) != total


def test_small_arrays_are_not_tiled(monkeypatch):
    monkeypatch.setattr(clusters, "LEAST", 16 << 20)
    monkeypatch.setattr(clusters, "LARGE", 128 << 10)
    for length, loops in ((10_000, 0), (1_000_000, 1)):
        program = ag.trace(wave)(*[ag.spec(length)] * 3)
        assert loops_in(executor(program)) == loops
    assert tiles.TILE >= 256 << 10


def test_results_of_one_call_are_the_same_with_any_number_of_threads():
    arrays = drawn([(100_000,)] * 3, "float64")
    program = ag.trace(gradient(of_all))(*specs(*arrays))
    expected = executor(program)(arrays)
    for threads in (2, 3, 5):
        run = executor(program, threads=threads, tile=4096)
        for _ in range(3):
            assert_same_bits(run(arrays), expected)
