"""Plain NumPy calls on tracked arrays: NEP 13 and NEP 18."""

import numpy as np
import pytest
from core_support import assert_equal, differentiate, here

import autograd_core as ag

xp = ag.ops
X = np.asarray([[0.2, 0.9, 0.4], [0.7, 0.1, 0.6]])
C = np.asarray([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
INDEX = np.asarray([2, 0, 0])

# Each function is run on tracked arrays, and on raw ones by NumPy itself; derivatives
# are compared with differences.
CALLS = {
    "sin": np.sin,
    "exp": np.exp,
    "arctan": np.arctan,
    "abs": np.abs,
    "negative": np.negative,
    "square": np.square,
    "add": lambda x: np.add(x, C),
    "multiply": lambda x: np.multiply(C, x),
    "power": lambda x: np.power(x, 3.0),
    "true_divide": lambda x: np.true_divide(C, x),
    "maximum": lambda x: np.maximum(x, 0.5),
    "hypot": lambda x: np.hypot(x, C),
    "arctan2": lambda x: np.arctan2(x, C),
    "matmul": lambda x: np.matmul(C.T, x),
    "ndarray * t": lambda x: C * x,
    "ndarray - t": lambda x: C - x,
    "ndarray / t": lambda x: C / x,
    "ndarray @ t": lambda x: C.T @ x,
    "ndarray ** t": lambda x: np.abs(C) ** x,
    "float64 * t": lambda x: np.float64(2.5) * x,
    "t * float64": lambda x: x * np.float64(2.5),
    "float64 - t": lambda x: np.float64(2.5) - x,
    "float64 / t": lambda x: np.float64(2.5) / x,
    "0-d ndarray * t": lambda x: np.asarray(2.5) * x,
    "sum": np.sum,
    "sum, axis": lambda x: np.sum(x, axis=0),
    "sum, positional axis": lambda x: np.sum(x, 1),
    "sum, keepdims": lambda x: np.sum(x, axis=-1, keepdims=True) * C,
    "mean": lambda x: np.mean(x, axis=(0, 1)),
    "prod": lambda x: np.prod(x, axis=1),
    "max": lambda x: np.max(x, axis=0),
    "min": np.min,
    "var": lambda x: np.var(x, axis=1),
    "var, ddof": lambda x: np.var(x, axis=0, ddof=1),
    "std": np.std,
    "std, ddof": lambda x: np.std(x, ddof=1),
    "cumsum": lambda x: np.cumsum(x, axis=1) * C,
    "cumsum of all": lambda x: np.cumsum(x) * np.ravel(C),
    "cumprod": lambda x: np.cumprod(x, axis=0) * C,
    "concatenate": lambda x: np.concatenate([x, C, x]) * 2.0,
    "concatenate, axis": lambda x: np.concatenate((x, C * x), axis=1),
    "stack": lambda x: np.stack([x, x * C], axis=1),
    "where": lambda x: np.where(C > 0, x, -x),
    "where, constant": lambda x: np.where(X > 0.5, x, 0.0),
    "clip": lambda x: np.clip(x, 0.25, 0.65) * C,
    "reshape": lambda x: np.reshape(x, (3, 2)) * C.T,
    "ravel": lambda x: np.ravel(x) * np.ravel(C),
    "transpose": lambda x: np.transpose(x) * C.T,
    "transpose, axes": lambda x: np.transpose(x, (1, 0)) * C.T,
    "swapaxes": lambda x: np.swapaxes(x, 0, 1) * C.T,
    "moveaxis": lambda x: np.moveaxis(x, 0, 1) * C.T,
    "expand_dims": lambda x: np.expand_dims(x, 1) * C,
    "squeeze": lambda x: np.squeeze(x[None]) * C,
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)) * C,
    "flip": lambda x: np.flip(x, axis=1) * C,
    "roll": lambda x: np.roll(x, 1, axis=0) * C,
    "tile": lambda x: np.tile(x, (2, 1)) * np.tile(C, (2, 1)),
    "repeat": lambda x: np.repeat(x, 2, axis=1),
    "take": lambda x: np.take(x, INDEX, axis=1) * C,
    "dot": lambda x: np.dot(x, C.T),
    "dot of vectors": lambda x: np.dot(x[0], C[0]),
    "outer": lambda x: np.outer(x[0], C[1]),
    "tensordot": lambda x: np.tensordot(x, C, axes=([1], [1])),
    "vecdot": lambda x: np.vecdot(x, C),
    "diff": lambda x: np.diff(x, axis=1) * C[:, :2],
    "einsum": lambda x: np.einsum("ij,kj->ik", x, C),
    "einsum, optimize": lambda x: np.einsum("ij,ij->", x, C, optimize=True),
    "interp": lambda x: np.interp(x, np.asarray([0.0, 0.35, 1.0]), C[0]),
    "trapezoid": lambda x: np.trapezoid(x, axis=0),
    "trapezoid, x": lambda x: np.trapezoid(C, x, axis=1),
    "kron": lambda x: np.kron(x, C),
    "sinc": np.sinc,
    "cbrt": np.cbrt,
    "linalg.inv": lambda x: np.linalg.inv(x[:, :2]),
    "fft.rfft": lambda x: np.real(np.fft.rfft(x, axis=1)),
    "tril": lambda x: np.tril(x) * C,
    "meshgrid": lambda x: np.meshgrid(x[0], x[1])[0] * np.arange(9.0).reshape(3, 3),
}


@pytest.mark.parametrize("f", CALLS.values(), ids=CALLS)
def test_a_function_of_numpy(f):
    def scalar(x):
        return xp.sum(xp.sin(f(x)))

    value, result = ag.value_and_grad(scalar)(X)
    np.testing.assert_allclose(value, np.sum(np.sin(f(X))), rtol=1e-14)
    step = 1e-6
    for place in np.ndindex(X.shape):
        e = np.zeros_like(X)
        e[place] = step
        by_difference = np.sum(np.sin(f(X + e)) - np.sin(f(X - e))) / (2 * step)
        np.testing.assert_allclose(result[place], by_difference, rtol=2e-6, atol=2e-8)
    along = ag.jvp(scalar, (X,), (C,))[1]
    np.testing.assert_allclose(along, np.sum(result * C), rtol=1e-12, atol=1e-13)


def test_constants_of_shape():
    t = ag.Tensor(X)
    assert np.shape(t) == (2, 3)
    assert np.ndim(t) == 2
    assert np.size(t) == 6
    assert np.argmax(t) == np.argmax(X)
    assert np.array_equal(np.isfinite(t), np.isfinite(X))
    assert np.array_equal(np.greater(C, t), C > X)
    assert np.array_equal(np.sign(t - 0.5), np.sign(X - 0.5))


def test_a_function_of_numpy_on_another_librarys_tensor(library):
    x = library.asarray([0.5, 1.5], dtype=library.float64)
    result = ag.grad(lambda x: np.sum(np.sin(x) * np.exp(x)))(x)
    assert type(result) is type(x)
    raw = np.asarray([0.5, 1.5])
    assert_equal(result, np.exp(raw) * (np.sin(raw) + np.cos(raw)))


# ------------------------------------------------------- refused


REFUSED = {
    "a ufunc without rule": (lambda t: np.spacing(t), r"numpy\.spacing"),
    "ufunc.reduce": (lambda t: np.add.reduce(t), r"numpy\.add\.reduce"),
    "ufunc.outer": (lambda t: np.multiply.outer(t, t), r"numpy\.multiply\.outer"),
    "ufunc.at": (lambda t: np.add.at(t, [0], 1.0), r"numpy\.add\.at"),
    "ufunc, where": (lambda t: np.sin(t, where=X > 0.5), r"numpy\.sin.* with where"),
    "ufunc, dtype": (lambda t: np.sin(t, dtype="f4"), r"numpy\.sin.* with dtype"),
    "ufunc, out": (lambda t: np.sin(t, out=X.copy()), r"numpy\.sin.* with out"),
    "raw ufunc, out": (lambda t: np.sin(X, out=t), r"numpy\.sin.* with out"),
    "sum, out": (lambda t: np.sum(t, axis=0, out=np.ones(3)), r"numpy\.sum.* with out"),
    "sum, where": (lambda t: np.sum(t, where=X > 0.5), r"numpy\.sum.* with where"),
    "sum, initial": (lambda t: np.sum(t, initial=3.0), r"numpy\.sum.* with initial"),
    "mean, where": (lambda t: np.mean(t, where=X > 0.5), r"numpy\.mean.* with where"),
    "max, where": (
        lambda t: np.max(t, initial=0.0, where=X > 0.5),
        r"numpy\.max.* with",
    ),
    "concatenate, out": (
        lambda t: np.concatenate([t, t], out=np.ones((4, 3))),
        r"numpy\.concat\w+.* with out",
    ),
    "reshape, order": (
        lambda t: np.reshape(t, (3, 2), order="F"),
        r"numpy\.reshape.* with order",
    ),
    "ravel, order": (lambda t: np.ravel(t, order="F"), r"numpy\.ravel.* with order"),
    "linalg.norm": (lambda t: np.linalg.norm(t), r"numpy\.\w*\.?norm"),
    "bincount": (lambda t: np.bincount(t), r"numpy\.bincount"),
    "fft, out": (lambda t: np.fft.fft(t, out=X), r"numpy\.\w*\.?fft"),
    "median": (lambda t: np.median(t), r"numpy\.median"),
    "copyto": (lambda t: np.copyto(X.copy(), t), r"numpy\.copyto"),
}


@pytest.mark.parametrize(("call", "name"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("mode", ["eager", "grad", "jvp"])
def test_what_has_no_counterpart_says_so(call, name, mode):
    def f(x):
        call(x)
        return xp.sum(x)

    with pytest.raises(
        TypeError,
        match=rf"^{name}[^;]*; got .*Use autograd_core\.ops, or stop_gradient.*"
        r"test_numpy_protocol\.py:\d+",
    ):
        differentiate(mode, f, X)


def test_the_users_line_is_named():
    t = ag.Tensor(X)
    with pytest.raises(TypeError, match=here(+1)):
        np.median(t)
    with pytest.raises(TypeError, match=here(+1)):
        np.asarray(t)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        np.array,
        lambda t: np.array(t, dtype=float),
        lambda t: np.asarray([t[0], t[1]]),
        lambda t: np.ascontiguousarray(t),
        lambda t: np.atleast_1d(np.zeros(3)).__setitem__(slice(None), t[0]),
    ],
    ids=[
        "asarray",
        "array",
        "array, dtype",
        "list of tracked",
        "contiguous",
        "setitem",
    ],
)
@pytest.mark.parametrize("mode", ["eager", "grad"])
def test_a_tracked_array_does_not_become_an_ndarray(convert, mode):
    def f(x):
        convert(x)
        return xp.sum(x)

    with pytest.raises(TypeError, match=r"derivative would be lost|counterpart"):
        f(ag.Tensor(X)) if mode == "eager" else ag.grad(f)(X)


def test_out_is_refused_and_leaves_the_array_alone():
    out = np.zeros_like(X)
    with pytest.raises(TypeError, match="with out"):
        np.multiply(ag.Tensor(X), 2.0, out=out)
    assert not out.any()


def test_unknown_arguments_get_numpys_own_error():
    with pytest.raises(TypeError, match="axes"):
        np.sum(ag.Tensor(X), axes=1)


def test_a_python_list_as_operand():
    """Refused, or read at the call: never read again when it has changed."""
    t, c = ag.Tensor([1.0, 2.0]), [3.0, 4.0]
    try:
        y = t * c
    except TypeError:
        return
    c[0] = 100.0
    y.backward()
    assert_equal(t.grad, [3.0, 4.0])
