"""``x[key] = value``: what is written, its derivatives, and what is refused.

NumPy's own writing says what each key means.
"""

import numpy as np
import pytest
from operations.test_indexing import BASIC, KEYS, MASKS, as_own, key_for
from support.arrays import check, from_numpy

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import points

xp = ag.ops

WRITTEN = [
    name
    for name, (_, key) in KEYS.items()
    if not any(k is None for k in (key if isinstance(key, tuple) else (key,)))
]
"""Every kind of key but newaxis, which the standard does not write to."""


def numbers(shape, start=1.0):
    return np.asarray(start + np.arange(float(np.prod(shape))).reshape(shape))


def write(x, value, key):
    """Write as users do, into a result of ``x``."""
    y = x * 1.0
    y[key] = value
    return y


@pytest.mark.parametrize("broadcast", [False, True], ids=["whole", "scalar"])
@pytest.mark.parametrize("name", WRITTEN)
def test_key(backend, name, broadcast):
    """The result and both derivatives are NumPy's own writes, to the last bit."""
    shape, key = key_for(backend, name)
    whole = numbers(shape)[key].shape
    part = () if broadcast else whole
    x, x_dot, y_bar = (numbers(shape, start) for start in (1.0, 100.0, 200.0))
    value, value_dot = numbers(part, 300.0), numbers(part, 400.0)
    expected, expected_dot, x_bar = x.copy(), x_dot.copy(), y_bar.copy()
    expected[key], expected_dot[key], x_bar[key] = value, value_dot, 0.0
    writer = np.full(shape, -1)  # which element of the value was written last
    writer[key] = np.arange(np.prod(whole, dtype=int)).reshape(whole)
    value_bar = np.zeros(np.prod(whole, dtype=int))
    value_bar[writer[writer >= 0]] = y_bar[writer >= 0]
    value_bar = value_bar.sum() if broadcast else value_bar.reshape(whole)

    def f(x, value):
        return write(x, value, as_own(key))

    primals = from_numpy(x), from_numpy(value)
    y, y_dot = ag.jvp(f, primals, (from_numpy(x_dot), from_numpy(value_dot)))
    np.testing.assert_array_equal(to_numpy(y), expected)
    np.testing.assert_array_equal(to_numpy(y_dot), expected_dot)
    y, pullback = ag.vjp(f, *primals)
    np.testing.assert_array_equal(to_numpy(y), expected)
    bars = pullback(from_numpy(y_bar))
    np.testing.assert_array_equal(to_numpy(bars[0]), x_bar)
    np.testing.assert_array_equal(to_numpy(bars[1]), value_bar)


@pytest.mark.parametrize("name", WRITTEN)
def test_higher_orders(name):
    shape, key = KEYS[name]
    x, value = points([shape, numbers(shape)[key].shape])
    check(lambda x, v: xp.setitem(x, v, key=key) ** 2, x, value)


@pytest.mark.parametrize("name", WRITTEN)
def test_raw_arrays_are_not_written_to(backend, name):
    shape, key = key_for(backend, name)
    x = from_numpy(numbers(shape))
    y = xp.setitem(x, -1.0, key=as_own(key))
    expected = numbers(shape)
    np.testing.assert_array_equal(to_numpy(x), expected)
    expected[key] = -1.0
    np.testing.assert_array_equal(to_numpy(y), expected)
    assert type(y) is type(x)


def test_what_must_not_be_skipped(backend):
    for name in WRITTEN if backend.name == "numpy" else {*BASIC, *MASKS} & {*WRITTEN}:
        key_for(backend, name)


def test_the_last_of_several_writes_counts(backend):
    """And the derivative is that of what was written: 0 for what was overwritten."""
    x, value = from_numpy(numbers((4,))), from_numpy(numbers((5,), 10.0))
    key = xp.asarray([2, 0, 2, -1, 2])
    y, pullback = ag.vjp(lambda x, v: xp.setitem(x, v, key=key), x, value)
    np.testing.assert_array_equal(to_numpy(y), [11.0, 2.0, 14.0, 13.0])
    x_bar, value_bar = pullback(from_numpy(numbers((4,))))
    np.testing.assert_array_equal(to_numpy(x_bar), [0.0, 2.0, 0.0, 0.0])
    np.testing.assert_array_equal(to_numpy(value_bar), [0.0, 1.0, 0.0, 4.0, 3.0])


@pytest.mark.parametrize("key", [slice(1, 3), [1, 2], [False, True, True, False]])
def test_nothing_leaks_from_what_was_overwritten(backend, key):
    """The old value is nan, with an infinite derivative."""
    key = key if isinstance(key, slice) else xp.asarray(key)

    def f(x):
        y = xp.sqrt(x)
        y[key] = 1.0
        return xp.sum(y * y)

    x = from_numpy(np.asarray([4.0, 0.0, -1.0, 9.0]))
    with np.errstate(all="ignore"):
        y, x_dot = ag.jvp(f, (x,), (xp.asarray([1.0, 1.0, 1.0, 1.0], dtype=x.dtype),))
    assert float(y) == 15.0
    assert float(x_dot) == 2.0
    inf_and_nan = from_numpy(np.asarray([2.0, np.inf, np.nan, 3.0]))
    bars = ag.grad(lambda x: xp.sum(write(x, 1.0, key)))(inf_and_nan)
    np.testing.assert_array_equal(to_numpy(bars), [1.0, 0.0, 0.0, 1.0])


def test_what_was_read_before_keeps_its_value_and_its_derivative(backend):
    def f(x):
        y = x * x
        before = y[0]  # 1
        square = y * y
        y[0] = 10.0 * x[2]
        return xp.sum(y) + 100.0 * before + square[0]

    x = from_numpy(np.asarray([1.0, 2.0, 3.0]))
    value, gradient = ag.value_and_grad(f)(x)
    assert float(value) == 30.0 + 4.0 + 9.0 + 100.0 + 1.0
    np.testing.assert_array_equal(to_numpy(gradient), [204.0, 4.0, 16.0])


def test_every_name_of_the_array_sees_the_write(backend):
    def f(x):
        y = x * 1.0
        same, part = y, y[1:]
        y[1] = 7.0
        assert same is y
        assert float(ag.stop_gradient(same)[1]) == 7.0
        assert float(ag.stop_gradient(part)[0]) == 2.0
        return xp.sum(same)

    x = from_numpy(np.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [1.0, 0.0, 1.0])


def test_a_copy_does_not_see_the_write(backend):
    def f(x):
        y = x * 1.0
        copies = [xp.asarray(y, copy=True), xp.clip(y), xp.positive(y)]
        copies += [xp.astype(y, y.dtype), xp.reshape(y, (3,), copy=True)]
        y[...] = 0.0
        return sum(map(xp.sum, copies))

    x = from_numpy(np.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [5.0, 5.0, 5.0])


def test_a_loop_of_writes(backend):
    def f(x):
        y = xp.zeros_like(x) + x[0]
        for k in range(1, 5):
            y[k] = y[k - 1] * x[k]
        return y[-1]

    x = np.asarray([1.5, -0.5, 2.0, 1.25, 3.0])
    gradient = to_numpy(ag.grad(f)(from_numpy(x)))  # of the product of all
    np.testing.assert_allclose(gradient, np.prod(x) / x, rtol=1e-14)


def test_the_argument_of_a_transform_may_be_written_to(backend):
    def f(x):
        x[0] = x[1] ** 2
        return xp.sum(x * x)

    x = from_numpy(np.asarray([5.0, 3.0, 2.0]))
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [0.0, 4 * 27 + 6.0, 4.0])
    np.testing.assert_array_equal(to_numpy(x), [5.0, 3.0, 2.0])
    second = ag.grad(lambda x: xp.sum(ag.grad(f)(x)))(x)
    np.testing.assert_array_equal(to_numpy(second), [0.0, 12 * 9 + 2.0, 2.0])


@pytest.mark.parametrize("inner", ["grad", "jvp"])
@pytest.mark.parametrize("outer", ["grad", "jvp"])
def test_a_value_of_an_inner_transform(backend, outer, inner):
    """An array of the outer level becomes one of the inner, whatever their modes."""

    def derivative(mode, f, x):
        return ag.grad(f)(x) if mode == "grad" else ag.jvp(f, (x,), (x * 0 + 1.0,))[1]

    def f(a):
        def g(b):
            x = a * xp.asarray([1.0, 2.0], dtype=a.dtype)
            x[0] = b * b
            return x[0] * x[1]  # 2 a b^2

        return derivative(inner, g, a)  # 4 a b at b = a

    a = from_numpy(np.asarray(3.0))
    assert float(derivative(outer, f, a)) == 24.0


def test_augmented_writes(backend):
    def f(x):
        y = x * 1.0
        y[1:] *= y[0]
        y[0] += y[-1]
        return xp.sum(y)  # x0 + 2 x0 x2 + x0 x1

    x = from_numpy(np.asarray([2.0, 3.0, 5.0]))
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [14.0, 2.0, 4.0])


def test_eager_tensors(backend):
    a = ag.Tensor(from_numpy(np.asarray([1.0, 2.0, 3.0])))
    b = ag.Tensor(from_numpy(np.asarray(4.0)))
    y = a * a
    y[1] = b
    y[y > 8.0] = b * b
    xp.sum(y).backward()
    np.testing.assert_array_equal(to_numpy(a.grad), [2.0, 0.0, 0.0])
    assert float(b.grad) == 9.0


def test_lists_of_tracked_numbers(backend):
    def f(x):
        y = x * 1.0
        y[:2] = [x[2], 3.0 * x[2]]
        return xp.sum(y)

    x = from_numpy(np.asarray([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(to_numpy(ag.grad(f)(x)), [0.0, 0.0, 5.0])


def test_the_array_keeps_its_dtype(backend):
    value = xp.asarray([1.0, 2.0], dtype=xp.float64)

    def f(value):
        x = xp.astype(value, xp.float32) * 1.0
        x[:1] = value[1:] * 2.0
        x[xp.asarray([1])] = value[:1] * 3.0
        assert x.dtype == xp.float32
        return xp.sum(xp.astype(x, xp.float64))

    gradient = ag.grad(f)(value)
    assert gradient.dtype == xp.float64
    np.testing.assert_array_equal(to_numpy(gradient), [3.0, 2.0])


@pytest.mark.parametrize("value", [2, True, np.float32(2.5)])
def test_numbers_of_other_kinds(value):
    y = ag.Tensor([1.0, 2.0]) * 1.0
    y[0] = value
    assert float(y[0]) == float(value)


# ------------------------------------------------------------------ what is refused


def test_newaxis_is_refused(backend):
    x = ag.Tensor(from_numpy(numbers((3,)))) * 1.0
    with pytest.raises(IndexError, match=r"^x\[key\] = value: .*newaxis"):
        x[None, 0] = 1.0


def test_a_value_of_another_shape_is_refused(backend):
    x = ag.Tensor(from_numpy(numbers((3,)))) * 1.0
    before = x.value
    for key in (slice(2), xp.asarray([0, 1]), xp.asarray([True, False, True])):
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            x[key] = xp.asarray([1.0, 2.0, 3.0], dtype=xp.float64)
    assert x.value is before


def test_a_complex_value_is_refused(backend):
    x = ag.Tensor(from_numpy(numbers((3,)))) * 1.0
    for value in (1j, xp.asarray([1j, 2j])):
        with pytest.raises(TypeError, match=r"^x\[key\] = value: a real array"):
            x[:2] = value


def test_a_leaf_is_refused(backend):
    x = ag.Tensor(from_numpy(numbers((3,))))
    with pytest.raises(TypeError, match=r"^x\[key\] = value: a Tensor made from data"):
        x[0] = 1.0
    x = +x
    x[0] = 1.0


RAW_WRITES = {
    "one element": (0, lambda x: x[0]),
    "slice": (slice(0, 2), lambda x: x[:2]),
    "everything": (..., lambda x: x),
    "mask": ("mask", lambda x: x[:1]),
}


@pytest.mark.parametrize("write", RAW_WRITES)
@pytest.mark.parametrize("mode", ["grad", "eager"])
def test_a_raw_array_takes_no_tracked_value(backend, mode, write):
    """It would lose the derivative; the remedy keeps it."""
    key, part = RAW_WRITES[write]
    x = from_numpy(np.asarray([1.0, 2.0, 3.0]))
    if key == "mask":
        key = xp.asarray([True, False, False])
    raw = xp.zeros((3,), dtype=xp.float64)

    def f(x):
        raw[key] = part(x * 1.0)
        return xp.sum(x)

    with pytest.raises((TypeError, ValueError)) as caught:
        ag.grad(f)(x) if mode == "grad" else f(ag.Tensor(x))
    np.testing.assert_array_equal(to_numpy(raw), [0.0, 0.0, 0.0])
    if backend.name in ("numpy", "array-api-strict"):  # the others have their own words
        ours = (
            caught.value if type(caught.value) is TypeError else caught.value.__cause__
        )
        assert "derivative" in str(ours)
    gradient = ag.grad(lambda x: xp.sum(xp.setitem(raw, part(x), key=key) * 2.0))(x)
    assert to_numpy(gradient)[0] == 2.0


def test_a_number_taken_out_on_purpose():
    """``losses[k] = float(loss)`` is not ``losses[k] = loss``."""
    losses, loss = np.zeros(2), ag.Tensor(3.0) * 2.0
    losses[0] = float(loss)
    losses[1] = loss.item()
    assert list(losses) == [6.0, 6.0]
    with pytest.raises(ValueError, match="sequence") as caught:
        losses[0] = loss
    assert "array[key] = value" in str(caught.value.__cause__)
    with pytest.raises(TypeError, match=r"^array\[key\] = value"):
        np.zeros(2, dtype=np.complex128)[0] = loss
