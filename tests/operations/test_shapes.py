"""Inferred shapes and dtypes are those that NumPy gives, of every operation.

No test here names an operation where the registry can: each declared call, its value
and its derivatives, is made once with NumPy's arrays and once with arrays that have a
shape and a dtype only.
"""

import ast
import itertools
import math
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

import autograd_core as ag
from autograd_core.backend import backend
from autograd_core.declare import constant, general, linear, sample
from autograd_core.operation import registry
from autograd_core.testing import calls
from autograd_core.testing.samples import outputs, variants

xp = ag.ops
abstract = backend("abstract")
AbstractArray = type(abstract.zeros(()))

DECLARED = tuple(each for each in registry.values() if each.extension != "programs")
"""What is declared when the tests are collected; a loop is an operation of programs."""

WITH_ARRAYS = [
    operation
    for operation in DECLARED
    if any(shown.shapes for shown in operation.samples)
]
WITHOUT = {operation.name for operation in DECLARED} - {o.name for o in WITH_ARRAYS}
CALLS = [call for operation in WITH_ARRAYS for call in calls(operation)]

VARIED = (
    *("complex numbers", "axes of length 1 and 0", "more axes and fewer"),
    *("every axis and none", "switches"),
)


# ------------------------------------------------------------------ comparing


def specifications(ys):
    return [(tuple(y.shape), str(y.dtype)) for y in ys]


def value(function):
    return function


def reverse(function):
    """Return the results and the gradients."""

    def call(*xs):
        ys, pullback = ag.vjp(function, *xs)
        return (*ys, *pullback(ys))

    return call


def forward(function):
    """Return the results and their tangents."""

    def call(*xs):
        ys, y_dots = ag.jvp(function, xs, xs)
        return (*ys, *y_dots)

    return call


def second(function):
    """Return the gradients and how they change, forward over reverse."""
    return forward(reverse(function))


def batched(function):
    """Return the results for a batch of three, stacked along the last axis."""

    def call(*xs):
        mine = [
            xp.stack([x, x, x], axis=-1) if isinstance(x, AbstractArray) else many(x)
            for x in xs
        ]
        return ag.vmap(function, in_axes=-1)(*mine)

    return call


def many(x):
    """Stack an array with others in which no two elements are equal."""
    return np.stack([x, x + 0.001, x + 0.002], axis=-1).astype(x.dtype)


MODES = (value, reverse, forward, second, batched)


def abstracted(x):
    return AbstractArray(x.shape, x.dtype)


def on_abstract(call):
    """Return a call whose other parameters have no values either."""
    with ag.use_backend(abstract):
        return outputs(call.bound())


def difference(call, mode, dtype=None):
    """Return what is wrong with what is inferred in a mode, None if nothing is."""
    arrays = [np.asarray(x) for x in call.values]
    if dtype == "float32":
        kinds = {"f": "float32", "c": "complex64"}
        arrays = [x.astype(kinds[x.dtype.kind]) for x in arrays]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        right = specifications(mode(outputs(call))(*arrays))
    got = specifications(mode(on_abstract(call))(*map(abstracted, arrays)))
    return None if got == right else f"{call} {mode.__name__}: {got}, not {right}"


def name_of(call):
    statics = ",".join(f"{k}={v}" for k, v in call.sample.statics.items())
    return f"{call.operation.name}-{call.sample.shapes}-{statics}".replace(" ", "")


# ------------------------------------------------------------------ every operation


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_every_declared_call(call, dtype):
    for mode in MODES:
        assert difference(call, mode, dtype) is None


def test_a_mask_is_to_be_known():
    x, mask = AbstractArray((2, 3), "float64"), np.asarray([[True, False, True]] * 2)
    assert x[abstract.asarray(mask)].shape == (4,)
    assert x[:, abstract.asarray(mask[0])].shape == (2, 2)
    with pytest.raises(TypeError, match=r"array_index: .*shape depends on values"):
        x[AbstractArray((2, 3), "bool")]


@pytest.mark.parametrize("operation", WITH_ARRAYS, ids=str)
def test_variants_of_declared_calls(operation):
    """Complex numbers; of all but special functions other shapes and keywords too."""
    count = 0
    for name in VARIED[: 1 if operation.extension == "special" else None]:
        for call in variants(operation, name):
            count += 1
            for mode in (value, reverse, forward):
                for dtype in ("float64", "float32"):
                    assert not difference(call, mode, dtype)
    fixed = {"key", "shape"} <= set(operation.statics)  # pad_index, of which no variant
    assert count or fixed or not operation.takes_complex or operation.extension


def test_a_wrong_shape_rule_is_found(monkeypatch):
    def wrong_shape(xp, x, axis):
        return x.shape[1:]

    def wrong_dtype(xp, x, axis):
        return xp.empty((), dtype="float32")

    call = next(calls(registry["sum"]))
    assert difference(call, value) is None
    for rule in (wrong_shape, wrong_dtype):
        monkeypatch.setattr(registry["sum"], "shape", rule)
        assert "sum" in difference(call, value)
        assert "sum" in difference(call, reverse)


# ------------------------------------------------------------------ what has no sample

OPERANDS = {
    "x": np.asarray([[1.5, -2.5, 0.25], [0.0, 2.0, -0.75]]),
    "f": np.asarray([-2.0, 0.5, 3.0], dtype=np.float32),
    "n": np.asarray([[6], [3]], dtype=np.int32),
    "p": np.asarray([True, False, True]),
    "c": np.asarray([1.0 + 2.0j, 0.5j, 2.0], dtype=np.complex64),
    "s": np.asarray(2.5, dtype=np.float32),
}

EXPRESSIONS = """
ceil(x); floor(f); trunc(f); round(c); signbit(f); isfinite(x); isinf(f); isnan(c)
floor_divide(f, 2); floor_divide(n, 2); floor_divide(x, f); equal(x, f); equal(n, 2)
not_equal(f, 1.0); less(x, n); less_equal(n, 3); greater(f, x); greater_equal(1, n)
logical_and(p, p); logical_or(p, x > 0.0); logical_xor(p, p); logical_not(p)
bitwise_and(n, 3); bitwise_or(n, n); bitwise_xor(n, n); bitwise_invert(n)
bitwise_left_shift(n, 2); bitwise_right_shift(n, n); bitwise_invert(p)
all(p); any(p); any(x > 1.0, axis=1, keepdims=True); all(x > 0.0, axis=0)
argmax(x); argmin(x, axis=1, keepdims=True); argmax(f, axis=0)
argmax(x, keepdims=True)
count_nonzero(x); count_nonzero(x, axis=0)
count_nonzero(x, axis=(0, 1), keepdims=True)
searchsorted(f, x); searchsorted(f, f, side="right")
searchsorted(f, x, sorter=argsort(f))
argsort(x); argsort(f, descending=True); argsort(x, axis=0, stable=False)
isin(n, n); isin(x, f, invert=True); linalg.matrix_rank(x)
linalg.matrix_rank(x @ x.mT)
linalg.matrix_rank(x[None, ...], rtol=f[:1]); special.gammasgn(f); special.gammasgn(x)
ones_like(x); zeros_like(n); zeros_like(f, dtype=int32); empty_like(c); ones_like(p)
zeros((2, 3)); zeros(3, dtype=float32); ones((), dtype=int8); empty((0, 2)); ones(4)
eye(3); eye(2, 3, k=1, dtype=float32); full((2, 0), 3.0); full(3, 1); full((), True)
full((2,), 1.0j); full((2,), 3, dtype=float32); full_like(x, 7); full_like(n, 2)
full((2, 3), s); full_like(f, 1.0, dtype=float64)
arange(5); arange(5.0); arange(1, 7, 2); arange(0, 1, 0.3); arange(3, 0, -1)
arange(5, 2); arange(5, dtype=float32); arange(1, 4.5); arange(0.0, 3)
linspace(0.0, 1.0, 5); linspace(0, 1, 5); linspace(0.0, 1.0, 4, dtype=float32)
linspace(0.0, 1.0j, 3); linspace(0, 1, 0); linspace(0.0, 1.0, 1, endpoint=False)
fft.fftfreq(5); fft.fftfreq(4, d=0.5); fft.rfftfreq(5); fft.rfftfreq(4, dtype=float32)
asarray(2.5); asarray(3); asarray(True); asarray(f); asarray(f, dtype=float64)
asarray([[1, 2, 3]]); asarray(2, dtype=float32)
"""
LINES = [part.strip() for part in EXPRESSIONS.replace("\n", ";").split(";") if part]
SHAPE_OF_VALUES = {"nonzero", *(n for n in WITHOUT if n.startswith("unique_"))}


class Names(dict):
    """The names of a backend, and the operands."""

    def __init__(self, library, given):
        super().__init__(given)
        self.library = library

    def __missing__(self, name):
        return getattr(self.library, name)


def evaluated(library, text, convert):
    given = {name: convert(x) for name, x in OPERANDS.items()}
    return eval(text, {"__builtins__": {}}, Names(library, given))


@pytest.mark.parametrize("text", LINES)
def test_operations_without_a_derivative(text):
    right = evaluated(backend("numpy"), text, np.asarray)
    got = evaluated(abstract, text, abstracted)
    assert specifications([got]) == specifications([right])


def test_every_operation_without_a_derivative_is_called_here():
    called = set()
    for node in itertools.chain(*(ast.walk(ast.parse(text)) for text in LINES)):
        if isinstance(node, ast.Call):
            called.add(ast.unparse(node.func))
    assert called >= WITHOUT - SHAPE_OF_VALUES


@pytest.mark.parametrize("name", sorted(SHAPE_OF_VALUES))
def test_a_shape_that_depends_on_values_is_refused(name):
    with pytest.raises(TypeError) as caught:
        getattr(xp, name)(AbstractArray((3, 4), "float64"))
    assert str(caught.value).startswith(
        f"{name}: has a result whose shape depends on values, and an array has no "
        "values: it was recorded without data, from its shape and dtype; got x: "
        "float64[3,4]. Use where and a mask of fixed shape, or record with example "
        "arrays. (at "
    )


# ------------------------------------------------------------------ promotion

KINDS = (
    *("bool", "int8", "uint8", "int32", "int64"),
    *("float32", "float64", "complex64", "complex128"),
)
WEAK = (True, 3, 0.5, 1.0j)
POINTWISE = [
    operation
    for operation in DECLARED
    if not operation.extension
    and operation.batching is not None
    and operation.batching.__name__ == "pointwise"
]


def operands(count):
    """Return NumPy's arrays and numbers of all dtypes, arrays of one or no axis."""
    arrays = [np.ones(shape, dtype=kind) for kind in KINDS for shape in ((2,), ())]
    if count == 1:
        return [(x,) for x in arrays]
    mixed = itertools.product(arrays[::2], [*arrays, *WEAK])
    return [*mixed, *itertools.product(WEAK, arrays[::2])]


def result_or_error(function, arguments):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return specifications([function(*arguments)])
        except (TypeError, ValueError, OverflowError) as refusal:
            return type(refusal)


@pytest.mark.parametrize("operation", POINTWISE, ids=str)
def test_promotion_of_corresponding_elements(operation):
    positional = [
        p
        for p in operation.signature.parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_ONLY
    ]
    if len(positional) > 2:
        pytest.skip("where has a test of its own")
    for given_ in operands(len(positional)):
        right = result_or_error(getattr(backend("numpy"), operation.name), given_)
        there = [abstracted(x) if hasattr(x, "shape") else x for x in given_]
        got = result_or_error(getattr(abstract, operation.name), there)
        assert got == right, (operation, given_)


def test_promotion_in_where():
    condition = np.asarray([True, False])
    for x1, x2 in operands(2):
        right = backend("numpy").where(condition, x1, x2)
        there = [abstracted(x) if hasattr(x, "shape") else x for x in (x1, x2)]
        got = abstract.where(abstracted(condition), *there)
        assert specifications([got]) == specifications([right])


REDUCTIONS = ["sum", "prod", "mean", "max", "cumulative_sum", "cumulative_prod", "std"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_of_reductions(name, kind):
    x = np.ones(3, dtype=kind)
    for keywords in ({}, {"axis": 0}, {"dtype": np.float32}):
        if "dtype" in keywords and name in ("mean", "max", "std"):
            continue
        pairs = ((backend("numpy"), x), (abstract, abstracted(x)))
        results = [
            result_or_error(partial(getattr(library, name), **keywords), (y,))
            for library, y in pairs
        ]
        assert results[0] == results[1]


# ------------------------------------------------------------------ keys


@given(st.data())
def test_basic_keys(data):
    shape = data.draw(arrays_of.array_shapes(min_dims=0, min_side=0))
    key = data.draw(arrays_of.basic_indices(shape, allow_newaxis=True))
    right = np.zeros(shape)[key]
    assert AbstractArray(shape, "float64")[key].shape == right.shape


@given(st.data())
def test_keys_of_integer_arrays_and_slices(data):
    shape = data.draw(arrays_of.array_shapes(min_dims=2, max_dims=4))
    where = data.draw(arrays_of.broadcastable_shapes((2, 3), max_dims=2, max_side=3))
    part = st.sampled_from(
        [
            np.zeros(where, dtype=int),
            np.zeros((), int),
            0,
            slice(None),
            slice(0, 1),
            None,
        ]
    )
    parts = data.draw(st.lists(part, max_size=len(shape)))
    place = data.draw(st.integers(0, len(parts)))
    key = (*parts[:place], ..., *parts[place:])
    right = np.zeros(shape)[key]
    abstract_key = tuple(abstracted(k) if hasattr(k, "dtype") else k for k in key)
    assert AbstractArray(shape, "float64")[abstract_key].shape == right.shape


@pytest.mark.parametrize("key", [3, -4, (0, 4), (slice(None), -5), (0, 0, 0)])
def test_a_key_out_of_bounds_is_refused(key):
    with pytest.raises(IndexError, match=r"x\[key\]: .*; got float64\[3,4\]\. "):
        AbstractArray((3, 4), "float64")[key]


# ------------------------------------------------------------------ shapes that misfit

WRONG = """
x + x[0, :2]; x @ x; matmul(x, s); reshape(x, (4, 2)); reshape(x, (-1, 4))
broadcast_to(x, (3, 3)); squeeze(x, axis=0); concat([x, x[:, :2]]); sum(x, axis=2)
tensordot(x, x, axes=1); linalg.inv(x); take_along_axis(x, n, axis=2)
reshape(x, (-2, -3))
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in WRONG.replace("\n", ";").split(";") if t]
)
def test_what_numpy_refuses_is_refused(text):
    with pytest.raises((ValueError, IndexError)):
        evaluated(backend("numpy"), text, np.asarray)
    with pytest.raises((ValueError, IndexError)):
        evaluated(abstract, text, abstracted)


def test_a_misfit_names_the_operation():
    x = AbstractArray((2, 3), "float64")
    with pytest.raises(ValueError, match=r"^matmul: .*; got float64\[2,3\], float64"):
        abstract.matmul(x, x)
    with pytest.raises(ValueError, match=r"^reshape: .*\(4, 2\); got float64\[2,3\]"):
        abstract.reshape(x, (4, 2))
    with pytest.raises(ValueError, match=r"^add: .*; got x1: float64\[2,3\], x2: floa"):
        x + AbstractArray((2,), "float64")


# ------------------------------------------------------------------ the array itself


def test_what_an_abstract_array_is():
    x = AbstractArray((3, 4), "float32")
    assert repr(x) == "AbstractArray(float32[3,4])"
    assert (x.shape, x.ndim, x.size, len(x), x.device) == ((3, 4), 2, 12, 3, "cpu")
    assert x.dtype == np.dtype("float32")
    assert [row.shape for row in x] == [(4,)] * 3
    assert x.mT.shape == x.T.shape == (4, 3)
    assert backend("abstract").owns(x)
    assert xp.zeros_like(x).shape == (3, 4)
    with pytest.raises(TypeError, match="without axes"):
        len(AbstractArray((), "float32"))


ASKED = {
    "bool()": bool,
    "int()": int,
    "float()": float,
    "complex()": complex,
    "index": range,
    "item()": lambda x: x.item(),
    "numpy.asarray": np.asarray,
    "__dlpack__": lambda x: x.__dlpack__(),
}


@pytest.mark.parametrize("how", ASKED)
def test_there_are_no_values(how):
    with pytest.raises(TypeError) as caught:
        ASKED[how](AbstractArray((), "int64"))
    assert str(caught.value).startswith(
        f"{how}: an array has no values: it was recorded without data, from its shape "
        "and dtype; got int64[]. Choose with where, cond or while_loop; or record with "
        "example arrays. (at "
    )


OPERATORS = """
x + 1; 1 + x; x - f; 2.0 - x; x * x; 2 * f; x / 2; 2 / n; x // 2; 2 // f; x % 2; 2 % f
x**2; 2.0**f; x @ f; f @ x.mT; -x; +f; abs(c); n & 3; 3 & n; n | 1; 1 | n; n ^ 1; 1 ^ n
n << 1; 1 << n; n >> 1; 1 >> n; ~p; x < 1.0; 1 <= f; x > f; n >= 2; c == 1; x != f
x[0, ...]; x[..., 0]; x[:, 1:]; x[None, ...]; x.T; x.mT
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in OPERATORS.replace("\n", ";").split(";") if t]
)
def test_operators(text):
    right = evaluated(backend("numpy"), text, np.asarray)
    got = evaluated(abstract, text, abstracted)
    assert isinstance(got, AbstractArray)
    assert specifications([got]) == specifications([right])


def test_operators_of_numpys_arrays_leave_it_to_ours():
    x = AbstractArray((3, 4), "float32")
    for other in (np.ones(4, dtype=np.float32), np.float32(2.0)):
        assert specifications([other * x, x * other]) == [((3, 4), "float32")] * 2
    with pytest.raises(TypeError, match="unsupported operand"):
        x + "text"


def test_operators_leave_it_to_tracked_arrays():
    x = AbstractArray((3, 4), "float64")
    for function in (
        lambda t: x * t,
        lambda t: x - t,
        lambda t: x @ t.mT,
        lambda t: t / x,
    ):
        y, pullback = ag.vjp(function, x)
        assert isinstance(y, AbstractArray)
        assert specifications(pullback(y)) == [((3, 4), "float64")]


def test_a_function_of_numpy_that_is_no_operation_is_refused():
    with pytest.raises(TypeError) as caught:
        xp.flatnonzero(AbstractArray((3,), "float64"))
    assert str(caught.value).startswith(
        "flatnonzero: is no declared operation, so that nothing is known of its result "
        "for an array that has no values: it was recorded without data; got "
    )
    assert abstract.finfo(np.float32).bits == 32
    x = AbstractArray((3,), "float32")
    assert abstract.result_type(x, np.int64, 1.0) == np.float64
    assert abstract.isdtype(x.dtype, "real floating")
    assert math.isclose(abstract.pi, math.pi)


# ------------------------------------------------------------------ third parties


def total_forward(xp, x, axis=-1):
    return xp.sum(x * 2.0, axis=axis)


def total_transpose(xp, t, x_shape, axis):
    return 2.0 * xp.broadcast_to(xp.expand_dims(t, axis=axis), x_shape)


def declared_total(**keywords):
    def total(x, /, axis=-1):
        """Sum twice the elements."""

    return linear(
        x=total_transpose,
        implementation=total_forward,
        samples=[sample((2, 3))],
        **keywords,
    )(total)


def test_an_implementation_infers_without_a_rule():
    total = declared_total()
    x = AbstractArray((2, 3), "float32")
    y, pullback = ag.vjp(total, x)
    assert specifications([y, *pullback(y)]) == [((2,), "float32"), ((2, 3), "float32")]


def test_a_rule_is_asked_first():
    def rule(xp, x, axis):
        return (7,)

    assert declared_total(shape=rule)(AbstractArray((2, 3), "float32")).shape == (7,)


def test_a_rule_that_names_what_there_is_not_is_refused():
    def rule(xp, x, axes):
        return x.shape

    total = declared_total(shape=rule)
    with pytest.raises(
        TypeError, match=r"total: shape rule rule names 'axes', which is"
    ):
        total(AbstractArray((2, 3), "float32"))


def test_without_rule_and_implementation_numpy_computes_on_ones():
    def nanmax_jvp(xp, t, x):
        raise AssertionError

    @general(jvp={"x": nanmax_jvp}, vjp={"x": None}, samples=[sample((2, 3))])
    def nanmax(x, /, axis=None):
        """Maximum of what is not nan."""

    @constant
    def nanargmax(x, /, *, axis=None):
        """Where the maximum is."""

    x = AbstractArray((2, 10**6, 3), "float32")
    assert specifications([nanmax(x, 1)]) == [((2, 3), "float32")]
    assert specifications([nanargmax(x, axis=1)]) == [((2, 3), "int64")]
    assert registry["nanmax"].shape is None
