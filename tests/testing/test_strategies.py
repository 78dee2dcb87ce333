"""What the strategies draw, how simple counter-examples are, and what they find.

pytest tests/testing/test_strategies.py --hypothesis-profile thorough
"""

import copy
import math
import re
import types
from random import Random

import array_api_compat.numpy
import numpy as np
import pytest
from core_support import run_python
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import autograd_core as ag
from autograd_core import pytree
from autograd_core.masks import Masked
from autograd_core.operation import POSITIVE, REAL, Rule, registry
from autograd_core.source import public_function
from autograd_core.testing import GradientError, check_grads, strategies
from autograd_core.testing.arrays import to_numpy

xp = ag.ops

INF = math.inf
DOMAINS = [
    *(REAL, POSITIVE, (-1.0, 1.0), (1.0, INF), (-INF, -3.0), (-1.5, 1.5)),
    *((5.0, 6.0), (0.1, 0.3), (-1.0, 100.0), (1e6, INF), (0.0, 1e-12)),
]
DECLARED = [operation for operation in registry.values() if operation.samples]
OF_EXTENSIONS = ("linalg.inv", "fft.fft")
"""One that makes its matrices of what is drawn, and one of complex numbers."""

DIFFERENTIATED = [
    operation
    for operation in DECLARED
    if any(operation.jvp)
    and (not operation.extension or operation.name in OF_EXTENSIONS)
]
ENOUGH = settings(
    max_examples=300, database=None, phases=[Phase.generate, Phase.shrink]
)


def simplest(strategy, condition=lambda _: True):
    """Return the example that hypothesis shrinks to."""
    return find(strategy, condition, settings=ENOUGH, random=Random(0))


# ------------------------------------------------------------------ arrays


@pytest.mark.parametrize("options", [{}, {"distinct": False}, {"kinks": True}], ids=str)
@given(st.data())
@settings(max_examples=3 * settings.default.max_examples)
def test_elements_lie_inside_the_domain(options, data):
    low, high = domain = data.draw(st.sampled_from(DOMAINS))
    x = data.draw(strategies.arrays(domain=domain, **options))
    assert x.dtype == np.float64
    assert np.all((low < x) & (x < high) & np.isfinite(x))


@given(st.data())
def test_an_array_is_what_was_asked_for(backend, data):
    device = data.draw(strategies.devices())
    dtype = data.draw(strategies.dtypes(with_complex=True, device=device))
    shape = data.draw(strategies.shapes())
    kinks = data.draw(st.booleans())
    x = data.draw(strategies.arrays(shape, dtype, device=device, kinks=kinks))
    assert ag.backend.backend_of(x) is backend
    assert tuple(x.shape) == shape
    assert x.dtype == dtype
    assert backend.device_of(x) == device
    assert np.isfinite(to_numpy(x)).all()


def test_by_default_arrays_are_as_precise_as_can_be(backend):
    drawn = simplest(strategies.arrays())
    assert drawn.dtype == backend.float64
    assert backend.device_of(drawn) == backend.device_of(backend.zeros(()))


def test_the_backend_is_that_of_the_draw():
    drawn = strategies.arrays()
    for name in ("numpy", "array-api-strict"):
        with ag.use_backend(name) as active:
            assert ag.backend.backend_of(simplest(drawn)) is active


@given(
    x=strategies.arrays(strategies.shapes(min_dims=1, min_side=1, max_side=6)),
    y=strategies.arrays((40,), domain=POSITIVE),
)
def test_distinct_elements_are_in_general_position(x, y):
    for values in (np.abs(x).ravel(), y):
        quotients = values[:, None] / values
        whole = quotients == np.round(quotients)
        assert np.array_equal(whole, np.eye(values.size, dtype=bool))
        assert np.all(values > 0)


def test_kinks_are_zeros_and_ties():
    several = strategies.arrays((3,), kinks=True)
    assert list(simplest(several)) == [0, 0, 0]
    ties = simplest(several, lambda x: x[0] == x[1] != x[2] and x.all())
    assert list(ties) == [0.5, 0.5, -0.5] or list(ties) == [0.5, 0.5, 1.0]
    assert simplest(strategies.arrays((), kinks=True, domain=(5.0, 6.0))) == 5.5


def test_elements_may_coincide_where_they_need_not_be_distinct():
    same = simplest(strategies.arrays((4,), distinct=False), lambda x: x[0] < -1)
    assert list(same) == [-1.25] * 4
    with pytest.raises(NoSuchExample):
        simplest(strategies.arrays((4,)), lambda x: len(np.unique(x)) < 4)


@given(st.data())
def test_elements_keep_away_from_points(data):
    points = data.draw(st.lists(st.floats(-2, 2), max_size=3))
    kinks = data.draw(st.booleans())
    x = data.draw(strategies.arrays(kinks=kinks, away_from=points))
    for point in points:
        assert np.all(np.abs(x - point) >= 0.25)


@given(
    strategies.arrays(
        (3,), domain=(0.0, 10.0), away_from=[5.0], elements=st.integers(-20, 20)
    )
)
def test_elements_of_ones_own(x):
    assert set(x) <= {1, 2, 3, 4, 6, 7, 8, 9}
    assert len(set(x)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": (1.0, 1.0)}, r"an open interval .* got \(1.0, 1.0\)\."),
        ({"domain": (0, 1), "away_from": np.linspace(0, 1, 99)}, "distinct numbers"),
        (
            {"domain": (0, 1), "away_from": np.linspace(0, 1, 99), "kinks": True},
            "must be plain numbers to draw elements from; got the interval",
        ),
    ],
)
def test_where_nothing_can_be_drawn(options, message):
    with pytest.raises(ValueError, match=message):
        simplest(strategies.arrays(**options))


def layout(x):
    """Say what the strides of a matrix are."""
    if 0 in x.strides:
        return "of stride 0"
    if min(x.strides) < 0:
        return "reversed"
    if x.flags.c_contiguous:
        return "as it is"
    return "transposed" if x.flags.f_contiguous else "spaced out"


@pytest.mark.parametrize(
    "name", ["as it is", "transposed", "reversed", "spaced out", "of stride 0"]
)
def test_layouts(name):
    drawn = strategies.arrays((2, 3), distinct=False, layouts=True)
    with ag.use_backend("numpy"):
        x = simplest(drawn, lambda x: layout(x) == name)
    assert x.shape == (2, 3)
    assert np.array_equal(x, np.full((2, 3), 0.5))


def test_distinct_elements_have_no_stride_0():
    drawn = strategies.arrays((2, 3), layouts=True)
    with ag.use_backend("numpy"), pytest.raises(NoSuchExample):
        simplest(drawn, lambda x: layout(x) == "of stride 0")


def test_other_libraries_have_no_layouts(backend):
    x = simplest(strategies.arrays((2, 3), distinct=False, layouts=True))
    assert ag.backend.backend_of(x) is backend


# ------------------------------------------------------------------ shrinking


@pytest.mark.parametrize(
    ("domain", "condition", "expected"),
    [
        (REAL, lambda x: x.size and x.max() > 0.3, [0.5]),
        (REAL, lambda x: x.size and x.min() < -1, [-1.25]),
        (REAL, lambda x: x.size > 1 and x[0] > x[1], [0.75, 0.5]),
        (POSITIVE, lambda x: x.size and x.max() > 5, [5.75]),
        ((-1.0, 1.0), lambda x: x.size, [0.125]),
        ((1.0, INF), lambda x: x.size, [1.5]),
        ((-INF, -3.0), lambda x: x.size, [-3.5]),
    ],
)
def test_counter_examples_are_small_and_of_few_digits(domain, condition, expected):
    vectors = strategies.arrays(strategies.shapes(1, 1), domain=domain)
    with ag.use_backend("numpy"):
        assert list(simplest(vectors, condition)) == expected


def test_counter_examples_are_simple_in_every_library(backend):
    drawn = strategies.arrays(strategies.shapes(min_dims=1))
    x = simplest(drawn, lambda x: 0 not in x.shape and bool(xp.any(x > 1.0)))
    np.testing.assert_array_equal(to_numpy(x), [1.25])


def test_a_failing_example_is_printed_as_its_call():
    call = simplest(strategies.calls("max"), lambda call: call.values[0].ndim == 2)
    assert repr(call).startswith("max(float64[1,1]")


# ------------------------------------------------------------------ shapes and axes


@given(st.data())
def test_shapes_are_within_their_limits(data):
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, 4)] * 2)))
    shape = data.draw(strategies.shapes(low, high, high, high + 2))
    assert low <= len(shape) <= high
    assert all(high <= n <= high + 2 for n in shape)


@given(st.integers(1, 4).flatmap(strategies.broadcastable_shapes))
def test_shapes_broadcast(several):
    common = np.broadcast_shapes(*several)
    assert len(common) <= 3
    assert all(n <= 4 for n in common)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a, b: a == () != b,
        lambda a, b: 0 in a and 1 in b,
        lambda a, b: len(a) > len(b) > 0 and 1 in b and max(a) > 1,
        lambda a, b: a == b and len(a) == 2 and min(a) > 1,
    ],
)
def test_shapes_of_all_kinds_are_drawn(wanted):
    simplest(strategies.broadcastable_shapes(2), lambda pair: wanted(*pair))


@given(st.data())
def test_axes_are_valid(data):
    ndim = data.draw(st.integers(0, 4))
    none, several = data.draw(st.booleans()), data.draw(st.booleans())
    if not (ndim or none or several):
        return
    axis = data.draw(strategies.axes(ndim, allow_none=none, allow_tuple=several))
    np.sum(np.zeros((2,) * ndim), axis=axis)
    assert none or axis is not None
    assert several or not isinstance(axis, tuple)


@pytest.mark.parametrize("wanted", [-3, 2, None, (), (0, 1), (-1,), (1, -3)])
def test_axes_of_all_kinds_are_drawn(wanted):
    simplest(strategies.axes(3), lambda axis: axis == wanted)


# ------------------------------------------------------------------ dtypes and devices


def test_dtypes_are_those_of_the_backend(backend):
    def all_of(strategy):
        found = []
        while True:
            try:
                found.append(simplest(strategy, lambda dtype: dtype not in found))
            except NoSuchExample:
                return found

    real = [backend.float64, backend.float32]
    assert all_of(strategies.dtypes()) == real
    both = {backend.complex128, backend.complex64}
    assert set(all_of(strategies.dtypes(with_complex=True))) == both.union(real)


def test_a_device_has_dtypes_of_its_own():
    with ag.use_backend("array-api-strict") as strict:
        device = simplest(strategies.devices(), lambda d: "no_float64" in str(d))
        assert simplest(strategies.dtypes(device=device)) == strict.float32
        x = simplest(strategies.arrays((2,), device=device))
        assert strict.device_of(x) == device


def test_devices_hold_numbers(backend):
    for _ in range(3):
        device = simplest(strategies.devices())
        assert device == backend.device_of(backend.zeros(()))
    with pytest.raises(NoSuchExample):  # PyTorch's, which holds none
        simplest(strategies.devices(), lambda device: "meta" in str(device))


def test_without_float64(backend):
    if backend.name != "jax":
        pytest.skip("JAX alone has float64 by switch")
    import jax

    with jax.enable_x64(False):
        x = simplest(strategies.arrays((2,)))
    assert x.dtype == backend.float32


def test_a_namespace_of_an_older_version_of_the_standard():
    old = types.ModuleType("older_namespace")
    vars(old).update(vars(array_api_compat.numpy), __name__="older_namespace")
    del old.__array_namespace_info__
    old.__array_api_version__ = "1900.01"
    with ag.use_backend(old):
        x = simplest(strategies.arrays((2,)), lambda x: x[0] < 0)
        assert list(x) == [-0.5, 0.75]
        assert x.dtype == np.float64
        every = strategies.dtypes(with_complex=True)
        assert simplest(every, lambda dtype: "complex" in str(dtype)) == np.complex128
        assert simplest(strategies.devices()) == "cpu"


# ------------------------------------------------------------------ pytrees


@given(strategies.pytrees(max_leaves=4))
def test_pytrees_have_arrays_as_their_leaves(tree):
    leaves, _ = pytree.flatten(tree)
    assert 1 <= len(leaves) <= 4
    assert all(isinstance(x, np.ndarray) for x in leaves)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda t: isinstance(t, dict) and isinstance(t.get("a"), tuple),
        lambda t: isinstance(t, tuple) and None in t,
        lambda t: isinstance(t, list) and len(t) == 2 and isinstance(t[1], dict),
    ],
)
def test_pytrees_of_all_kinds_are_drawn(wanted):
    simplest(strategies.pytrees(st.integers(0, 3)), wanted)


def test_the_simplest_pytree_is_a_leaf():
    assert simplest(strategies.pytrees(st.integers(0, 3))) == 0
    assert simplest(strategies.pytrees(st.integers(0, 3), min_leaves=0)) in (0, None)


# ------------------------------------------------------------------ calls


@pytest.mark.parametrize("operation", DIFFERENTIATED, ids=repr)
def test_calls_of_every_operation_have_right_derivatives(backend, operation):
    """JAX compiles each operation for each shape: hence fewer there.

    Those of extensions, which differ in their rules alone, are certified.
    """
    few = settings.default.max_examples // (6 if backend.name != "jax" else 12)

    @settings(max_examples=few)
    @given(strategies.calls(operation))
    def check(call):
        check_grads(call, *call.arrays(), order=1, shrink=False)

    check()


@given(st.data())
def test_values_of_calls(data):
    operation = data.draw(st.sampled_from(DECLARED))
    call = data.draw(strategies.calls(operation))
    for value, shape, (low, high) in zip(
        call.values, call.sample.shapes, call.domains, strict=True
    ):
        is_complex = call.sample.is_complex
        assert value.dtype == (np.complex128 if is_complex else np.float64)
        assert value.shape == shape
        assert np.all((low < value.real) & (value.real < high))
        assert np.all((abs(value.imag) < 1) & ((value.imag != 0) == is_complex))
    sizes = np.abs(np.concatenate([[], *(x.real.ravel() for x in call.values)]))
    assert len(np.unique(sizes)) == sizes.size
    assert np.all(sizes > 0)


def statics(**wanted):
    def has(call):
        given = call.sample.statics
        return all(name in given and given[name] == v for name, v in wanted.items())

    return has


def shapes_stretch_each_other(a, b):
    return np.broadcast_shapes(a, b) not in (a, b)


def shapes_are(*wanted):
    return lambda call: call.sample.shapes == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("max", statics(axis=-2, keepdims=True)),
        ("max", lambda call: call.sample.statics.get("axis", 0) is None),
        ("prod", statics(axis=())),
        ("sum", lambda call: 0 in call.sample.shapes[0]),
        ("var", lambda call: call.sample.shapes == ((1,),)),
        ("sort", statics(axis=-2, descending=True, stable=False)),
        ("cumulative_sum", statics(axis=-1, include_initial=True)),
        ("matmul", lambda call: call.sample.shapes[0] == (1, 1)),
        ("matmul", lambda call: call.sample.shapes[0][1:] == (0,)),
        ("vecdot", lambda call: len(call.sample.shapes[1]) == 2),
        ("add", lambda call: shapes_stretch_each_other(*call.sample.shapes)),
        ("add", lambda call: call.sample.shapes[0] == () and call.values[1].size > 1),
        ("take", lambda call: call.sample.shapes[0][:1] not in [(4,), (3,), (2,)]),
        ("broadcast_to", statics(shape=(2, 1, 4))),
        ("concat", shapes_are((1, 1), (4, 1))),
    ],
)
def test_calls_of_all_kinds_are_drawn(name, wanted):
    with ag.use_backend("numpy"):
        find(
            strategies.calls(name),
            wanted,
            settings=settings(ENOUGH, max_examples=3000, phases=[Phase.generate]),
            random=Random(0),
        )


def test_calls_at_kinks():
    with ag.use_backend("numpy"):
        tie = simplest(
            strategies.calls("maximum", kinks=True),
            lambda call: np.any(np.equal(*call.values)),
        )
    assert [value.tolist() for value in tie.values] == [0.0, 0.0]


@given(st.data())
@settings(max_examples=5)
def test_an_operation_is_given_in_any_form(data):
    for operation in ("tanh", xp.tanh, registry["tanh"]):
        call = data.draw(strategies.calls(operation))
        assert call.operation is registry["tanh"]


@pytest.mark.parametrize("wrong", ["no_such_operation", xp.floor, len, 3])
def test_what_is_no_operation_with_samples(wrong):
    with pytest.raises(TypeError, match=r"strategies.calls: takes a declared operat"):
        strategies.calls(wrong)


# ------------------------------------------------------------------ planted faults


def planted(name, wrong):
    """Return a copy of an operation whose VJP of the first argument is wrong."""
    operation = copy.copy(registry[name])
    rule = operation.vjp[0]

    def vjp(xp, t, *needed):
        right = rule.function(xp, t, *needed)
        factor = wrong(dict(zip(rule.names, needed, strict=True)))
        if isinstance(right, Masked):
            return Masked(right.value * factor, right.mask)
        return right * factor

    operation.vjp = (Rule(vjp, rule.names), *operation.vjp[1:])
    operation.function = public_function(operation)
    return operation


def negative_axes(known):
    axis = known["axis"]
    return 1.001 if isinstance(axis, int) and axis < 0 else 1.0


def axes_of_length_1(known):
    return 0.0 if 1 in known["x"].shape else 1.0


def below_minus_1(known):
    x = ag.stop_gradient(known["x"])
    return np.where(x < -1, 1 + 1e-6, 1.0).astype(x.dtype)


def an_empty_tuple(known):
    return -1.0 if known["axis"] == () else 1.0


@pytest.mark.parametrize(
    ("name", "wrong", "expected", "value"),
    [
        ("max", negative_axes, r"max\(float64\[1(,1)?\], axis=-[12]\)", 0.5),
        ("sum", an_empty_tuple, r"sum\(float64\[(1|1,1)?\], axis=\(\)\)", 0.5),
        ("max", axes_of_length_1, r"max\(float64\[1(,1)?\]\)", 0.5),
        ("square", below_minus_1, r"square\(float64\[\]\)", -1.25),
    ],
)
def test_a_fault_in_one_corner_is_found_and_shown_in_a_simple_call(
    name, wrong, expected, value
):
    def is_wrong(call):
        try:
            check_grads(call, *call.arrays(), order=1, shrink=False)
        except GradientError:
            return True
        return False

    with ag.use_backend("numpy"):
        call = simplest(strategies.calls(planted(name, wrong)), is_wrong)
    assert re.fullmatch(expected, repr(call))
    assert call.values[0].item() == value


# ------------------------------------------------------------------ importing


def test_hypothesis_is_imported_with_the_strategies_only():
    run_python(
        "import sys, autograd_core as ag\n"
        "ag.testing.check_grads\n"
        "assert 'hypothesis' not in sys.modules\n"
        "ag.testing.strategies.arrays\n"
        "assert 'hypothesis' in sys.modules\n"
    )
