"""Complex numbers: what a gradient is, in every transform, nesting and library.

A complex number is a pair of real ones. The gradient of a real function is ``df/dx + i
df/dy``, the direction of steepest ascent, as in PyTorch; so everything can be compared
with a function of real and imaginary parts.
"""

import numpy as np
import pytest
from core_support import assert_equal, to_numpy

import autograd_core as ag
from autograd_core.testing import check_grads

xp = ag.ops

Z = np.asarray([0.5 + 1.0j, -1.5 + 0.25j, 2.0 - 0.75j])
W = np.asarray([1.0 - 0.5j, 0.25 + 2.0j, -1.0 - 1.5j])
X = np.asarray([0.5, 1.5, 2.5])
MATRIX = np.reshape(np.arange(9) * 7 % 5 - 2 + 1j * (np.arange(9) * 4 % 7 - 3), (3, 3))


def of_parts(f):
    """Return a function of complex numbers as one of their real and imaginary parts."""
    return lambda x, y: f(x + 1j * y)


def steepest(f, z):
    """Return ``df/dx + i df/dy`` by real arithmetic alone."""
    by_x, by_y = ag.grad(of_parts(f), argnums=(0, 1))(z.real.copy(), z.imag.copy())
    assert by_x.dtype == by_y.dtype == np.float64
    return by_x + 1j * by_y


def drawn(like, seed=0):
    rng = np.random.default_rng(seed)
    draw = rng.standard_normal(np.shape(like))
    if np.iscomplexobj(like):
        draw = draw + 1j * rng.standard_normal(np.shape(like))
    return np.asarray(draw)


def pairing(a, b):
    return np.sum(np.real(np.conj(to_numpy(a)) * to_numpy(b)))


# ------------------------------------------------------------------ real functions

REAL_FUNCTIONS = {
    "abs squared": lambda z: xp.sum(xp.abs(z) ** 2),
    "abs": lambda z: xp.sum(xp.abs(z)),
    "real": lambda z: xp.sum(xp.real(z)),
    "imag": lambda z: xp.sum(xp.imag(z)),
    "real of a product": lambda z: xp.real(xp.sum(z * W)),
    "imag of exp": lambda z: xp.sum(xp.imag(xp.exp(z))),
    "quotient": lambda z: xp.sum(xp.abs(W / z)),
    "conjugates": lambda z: xp.real(xp.sum(xp.conj(z) * z * W)),
    "power": lambda z: xp.sum(xp.abs(z**3 - 1j)),
    "complex power": lambda z: xp.sum(xp.real(z ** (1.5 + 0.5j))),
    "exponent": lambda z: xp.sum(xp.real((2.0 + 1.0j) ** z)),
    "real base": lambda z: xp.sum(xp.imag(2.0**z)),
    "negative base": lambda z: xp.sum(xp.real((-2.0) ** z)),
    "direction": lambda z: xp.sum(xp.real(xp.sign(z) * W)),
    "mean": lambda z: xp.abs(xp.mean(z * z)),
    "prod": lambda z: xp.real(xp.prod(z)),
    "cumulative_prod": lambda z: xp.sum(xp.real(xp.cumulative_prod(z) * W)),
    "cumulative_sum": lambda z: xp.sum(xp.abs(xp.cumulative_sum(z))),
    "matmul": lambda z: xp.sum(xp.abs(MATRIX @ z)),
    "vecdot": lambda z: xp.abs(xp.vecdot(z, W)),
    "vecdot, other side": lambda z: xp.abs(xp.vecdot(W, z)),
    "tensordot": lambda z: xp.abs(xp.tensordot(z, W, axes=1)),
    "index": lambda z: xp.real(z[0] * z[2]) + xp.imag(z[1:][0]),
    "take": lambda z: xp.sum(xp.abs(xp.take(z, np.asarray([0, 0, 2])))),
    "where": lambda z: xp.sum(xp.abs(xp.where(np.asarray([True, False, True]), z, W))),
    "joined": lambda z: xp.sum(xp.abs(xp.concat([z, z * 1j])) ** 3),
    "sqrt and log": lambda z: xp.sum(xp.real(xp.sqrt(z) + xp.log(z) * 1j)),
    "trigonometric": lambda z: xp.sum(xp.imag(xp.tanh(z) + xp.sin(z) * xp.atan(z))),
    "astype": lambda z: xp.sum(xp.abs(xp.astype(xp.real(z), np.complex128) + z)),
    "write": lambda z: xp.sum(xp.abs(written(z))),
}


def written(z):
    y = z * 1
    y[1] = z[0] * z[2]
    return y


@pytest.mark.parametrize("name", REAL_FUNCTIONS)
def test_the_gradient_points_where_a_function_rises_fastest(name):
    f = REAL_FUNCTIONS[name]
    grad = ag.grad(f)(Z)
    assert grad.dtype == Z.dtype
    assert_equal(grad, steepest(f, Z))
    check_grads(f, Z)


@pytest.mark.parametrize("name", REAL_FUNCTIONS)
def test_all_ways_to_a_second_derivative_agree(name):
    f = REAL_FUNCTIONS[name]
    v, w = drawn(Z, 1), drawn(Z, 2)

    def along_v(z):
        return ag.jvp(f, (z,), (v,))[1]

    def pulled(z):
        return ag.vjp(f, z)[1](np.asarray(1.0))[0]

    expected = pairing(w, ag.jvp(ag.grad(f), (Z,), (v,))[1])
    for product in (
        ag.grad(lambda z: xp.real(xp.sum(np.conj(v) * ag.grad(f)(z))))(Z),
        ag.grad(along_v)(Z),
        ag.vjp(ag.grad(f), Z)[1](v)[0],
        ag.jvp(pulled, (Z,), (v,))[1],
    ):
        assert product.dtype == Z.dtype
        np.testing.assert_allclose(pairing(w, product), expected, rtol=1e-10)
    twice = ag.jvp(along_v, (Z,), (w,))[1]
    assert twice.dtype == np.float64
    np.testing.assert_allclose(twice, expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["abs squared", "direction", "complex power", "prod"])
def test_a_tensor_gets_the_same_gradient(name):
    f = REAL_FUNCTIONS[name]
    z = ag.Tensor(Z)
    f(z).backward()
    assert z.grad.dtype == Z.dtype
    assert_equal(z.grad, ag.grad(f)(Z))


def test_a_complex_tensor_takes_a_complex_cotangent():
    z = ag.Tensor(Z)
    (z * W).backward(W)
    assert_equal(z.grad, np.conj(W) * W)


@pytest.mark.parametrize(
    "name",
    [
        *("abs squared", "abs", "real", "imag of exp", "conjugates", "power", "prod"),
        *("complex power", "exponent", "direction", "mean", "trigonometric", "index"),
    ],
)
def test_against_pytorch(name):
    """Its functions are found by the names of the standard."""
    torch = pytest.importorskip("torch", exc_type=ImportError)
    namespace = pytest.importorskip("array_api_compat.torch")
    f = REAL_FUNCTIONS[name]
    z = torch.tensor(Z, requires_grad=True)

    class Names:
        def __getattr__(self, name):
            return getattr(namespace, name)

        def sign(self, z):
            return torch.sgn(z)

    within = {"xp": Names(), "W": torch.tensor(W)}
    same = type(f)(f.__code__, within)
    same(z).backward()
    assert_equal(ag.grad(f)(Z), z.grad.resolve_conj().numpy(), 1e-10)


@pytest.mark.parametrize("name", ["abs squared", "imag of exp", "power", "prod"])
def test_jax_has_the_conjugate(name):
    jax = pytest.importorskip("jax", exc_type=ImportError)
    f = REAL_FUNCTIONS[name]
    same = type(f)(f.__code__, {"xp": jax.numpy, "W": W})
    with jax.enable_x64(True):
        expected = np.conj(np.asarray(jax.grad(same)(jax.numpy.asarray(Z))))
    assert_equal(ag.grad(f)(Z), expected, 1e-10)


# ------------------------------------------------------------------ complex derivatives

HOLOMORPHIC = {
    "square": (lambda z: z * z, lambda z: 2 * z),
    "exp": (xp.exp, np.exp),
    "sin": (xp.sin, np.cos),
    "log": (xp.log, lambda z: 1 / z),
    "sqrt": (xp.sqrt, lambda z: 0.5 / np.sqrt(z)),
    "1 / z": (lambda z: 1 / z, lambda z: -1 / z**2),
    "z**(1 + 2j)": (lambda z: z ** (1 + 2j), lambda z: (1 + 2j) * z**2j),
    "(1 + 2j)**z": (
        lambda z: (1 + 2j) ** z,
        lambda z: (1 + 2j) ** z * np.log(1 + 2j),
    ),
    "acosh": (xp.acosh, lambda z: 1 / (np.sqrt(z - 1) * np.sqrt(z + 1))),
    "asinh": (xp.asinh, lambda z: 1 / np.sqrt(z * z + 1)),
    "acos": (xp.acos, lambda z: -1 / np.sqrt(1 - z * z)),
    "atanh": (xp.atanh, lambda z: 1 / (1 - z * z)),
}


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_the_complex_derivative(name):
    f, derivative = HOLOMORPHIC[name]
    for z in (*Z, -2.0 + 0.5j, -0.25 - 3.0j):
        z = np.asarray(z)
        grad = ag.grad(f, holomorphic=True)(z)
        assert_equal(grad, derivative(z))
        assert_equal(ag.jvp(f, (z,), (np.asarray(1j),))[1], 1j * derivative(z))
        value, again = ag.value_and_grad(f, holomorphic=True)(z)
        assert_equal(value, to_numpy(f(z)))
        assert_equal(again, derivative(z))


def test_the_complex_derivative_of_a_complex_derivative():
    third = xp.exp
    for _ in range(3):
        third = ag.grad(third, holomorphic=True)
    assert_equal(third(np.asarray(0.5 + 1j)), np.exp(0.5 + 1j))


def test_a_python_complex_number_is_a_primal():
    assert_equal(ag.grad(lambda z: xp.abs(z) ** 2)(1 + 2j), 2 + 4j)
    assert_equal(ag.jvp(xp.exp, (0j,), (1j,))[1], 1j)


# ------------------------------------------------------------------ both modes

PAIRS = {
    "z * w": (lambda z, w: z * w, Z, W),
    "x * z": (lambda x, z: x * z, X, Z),
    "z - x": (lambda z, x: z - x, Z, X),
    "x / z": (lambda x, z: x / z, X, Z),
    "z / x": (lambda z, x: z / x, Z, X),
    "x**z": (lambda x, z: x**z, X, Z),
    "z**x": (lambda z, x: z**x, Z, X),
    "z**w": (lambda z, w: z**w, Z, W),
    "broadcast": (lambda x, z: x * z, X[0], Z),
    "broadcast, other way": (lambda z, x: z * x, Z[0], X),
    "matmul": (lambda a, z: a @ z, np.real(MATRIX).copy(), Z),
    "matmul, other way": (lambda a, x: a @ x, MATRIX, X),
    "matmul of vectors": (lambda x, z: x @ z, X, Z),
    "vecdot": (xp.vecdot, X, Z),
    "vecdot, other way": (xp.vecdot, Z, X),
    "vecdot of complex": (xp.vecdot, Z, W),
    "tensordot": (lambda x, z: xp.tensordot(x, z, axes=0), X, Z),
    "tensordot, other way": (lambda z, x: xp.tensordot(z, x, axes=1), Z, X),
    "where": (lambda x, z: xp.where(np.asarray([True, False, True]), x, z), X, Z),
    "concat": (lambda x, z: xp.concat([x, z]), X, Z),
    "stack": (lambda z, x: xp.stack([z, x]), Z, X),
    "write": (lambda z, x: after_write(z, x), Z, X),
    "conj": (lambda x, z: xp.conj(x) * xp.conj(z), X, Z),
    "real and imag": (lambda x, z: xp.real(z) * x + xp.imag(z) * xp.real(x), X, Z),
    "abs": (lambda x, z: xp.abs(x + z), X, Z),
    "to complex": (lambda x, z: xp.astype(x, np.complex128) * z, X, Z),
    "times 1j": (lambda x, z: x * 1j + z, X, Z),
}


def after_write(z, x):
    y = z + 0 * x
    y[...] = xp.astype(x, np.complex128)
    return y * z


@pytest.mark.parametrize("name", PAIRS)
def test_the_pullback_is_the_adjoint_of_the_pushforward(name):
    f, *primals = PAIRS[name]
    primals = [np.asarray(x) for x in primals]
    tangents = tuple(drawn(x, k) for k, x in enumerate(primals))
    y, y_dot = ag.jvp(f, tuple(primals), tangents)
    assert y.dtype == y_dot.dtype
    y_bar = drawn(y, 7)
    bars = ag.vjp(f, *primals)[1](y_bar)
    for x, bar in zip(primals, bars, strict=True):
        assert bar.dtype == x.dtype
        assert bar.shape == x.shape
    paired = sum(pairing(bar, t) for bar, t in zip(bars, tangents, strict=True))
    np.testing.assert_allclose(paired, pairing(y_bar, y_dot), rtol=1e-12)
    check_grads(f, *primals)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("k", [0, 1])
def test_one_of_two_is_a_constant(name, k):
    f, *primals = PAIRS[name]

    def alone(x):
        return f(*(x if j == k else other for j, other in enumerate(primals)))

    y, pullback = ag.vjp(alone, primals[k])
    y_bar = drawn(y, 7)
    (bar,) = pullback(y_bar)
    assert_equal(bar, ag.vjp(f, *primals)[1](y_bar)[k])


def test_real_input_through_complex_numbers_has_a_real_gradient():
    def f(x):
        return xp.sum(xp.abs(xp.exp(x * 1j) + x) ** 2)

    assert_equal(ag.grad(f)(X), 2 * X + 2 * np.cos(X) - 2 * X * np.sin(X))
    assert ag.grad(f)(X).dtype == np.float64


@pytest.mark.parametrize("function", [xp.conj, xp.real, xp.abs, xp.sign, xp.imag])
def test_functions_of_complex_numbers_of_real_ones(function):
    expected = {"abs": np.sign(X), "sign": 0 * X, "imag": 0 * X}
    grad = ag.grad(lambda x: xp.sum(function(x)) + 0 * xp.sum(x))(X)
    assert_equal(grad, expected.get(function.__name__, np.ones(3)))


@pytest.mark.parametrize("function", [xp.abs, xp.sign])
def test_at_zero(function):
    zero = np.zeros(2, dtype=np.complex128)
    (bar,) = ag.vjp(function, zero)[1](function(zero) + 1)
    assert_equal(bar, zero)
    assert_equal(ag.jvp(function, (zero,), (zero + 1j,))[1], [0, 0])


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda z: z**0, 0),
        (lambda z: z**1, 1),
        (lambda z: z**2, 0),
        (lambda z: z ** np.asarray([1.0 + 0j]), 1),
        (lambda z: xp.prod(z), 1),
        (lambda z: xp.square(z), 0),
        (lambda z: xp.abs(z) ** 2, 0),
    ],
)
def test_powers_at_zero(f, expected):
    zero = np.zeros(1, dtype=np.complex128)
    y, pullback = ag.vjp(f, zero)
    (bar,) = pullback(np.ones_like(y))
    assert_equal(bar, [expected])


# ------------------------------------------------------------------ shapes and dtypes


@pytest.mark.parametrize("name", REAL_FUNCTIONS)
def test_single_precision_is_not_widened(name):
    if name in ("astype", "matmul"):
        pytest.skip("says complex128 itself")
    f = REAL_FUNCTIONS[name]
    narrow = type(f)(f.__code__, f.__globals__ | {"W": W.astype(np.complex64)})
    z = Z.astype(np.complex64)
    assert ag.grad(narrow)(z).dtype == np.complex64
    y, y_dot = ag.jvp(narrow, (z,), (z,))
    assert y.dtype == y_dot.dtype == np.float32
    second = ag.jvp(ag.grad(narrow), (z,), (z,))[1]
    assert second.dtype == np.complex64
    assert_equal(ag.grad(narrow)(z), ag.grad(f)(Z), 1e-4)


@pytest.mark.parametrize(("wide", "narrow"), [("8", "16"), ("16", "8")])
def test_mixed_precision(wide, narrow):
    z = Z.astype(f"c{wide}")
    w = W.astype(f"c{narrow}")
    by_z, by_w = ag.grad(lambda z, w: xp.real(xp.sum(z * w)), argnums=(0, 1))(z, w)
    assert (by_z.dtype, by_w.dtype) == (z.dtype, w.dtype)
    x = X.astype(np.float32)
    assert ag.grad(lambda x: xp.sum(xp.abs(x * z)))(x).dtype == np.float32


@pytest.mark.parametrize("shape", [(0,), (2, 0), ()])
def test_sizes_zero_and_one(shape):
    z = drawn(np.empty(shape, dtype=complex))
    for f in (xp.abs, xp.exp, lambda z: z * 1j, xp.conj, xp.sign, lambda z: z**2):
        y, pullback = ag.vjp(f, z)
        (bar,) = pullback(y)
        assert (bar.shape, bar.dtype) == (shape, z.dtype)
        assert ag.jvp(f, (z,), (z,))[1].shape == shape
    assert ag.grad(lambda z: xp.sum(xp.abs(z)))(z).shape == shape


def test_every_library(library):
    """Gradients, tangents and second derivatives are the library's own arrays."""
    z, x = (library.asarray(value) for value in (Z, X))
    f = REAL_FUNCTIONS["imag of exp"]
    assert_equal(ag.grad(f)(z), ag.grad(f)(Z))
    assert library.owns(ag.grad(f)(z))
    assert_equal(ag.jvp(ag.grad(f), (z,), (z,))[1], ag.jvp(ag.grad(f), (Z,), (Z,))[1])

    def mixed(x, z):
        return xp.sum(xp.abs(x * z + 1j) ** 2)

    ours = ag.grad(mixed, argnums=(0, 1))(x, z)
    for got, expected in zip(ours, ag.grad(mixed, argnums=(0, 1))(X, Z), strict=True):
        assert library.owns(got)
        assert_equal(got, expected)
    tensor = ag.Tensor(z)
    xp.sum(xp.abs(tensor) ** 2).backward()
    assert library.owns(tensor.grad)
    assert_equal(tensor.grad, 2 * Z)


# ------------------------------------------------------------------ errors


def test_a_complex_result_needs_a_decision():
    with pytest.raises(
        TypeError,
        match=r"^grad: the function must return a real number; got complex128\[\]\. "
        r"Take abs or the real part .* holomorphic=True",
    ):
        ag.grad(lambda z: xp.sum(z))(Z)
    with pytest.raises(TypeError, match="must return a complex number where holo"):
        ag.grad(lambda z: xp.sum(xp.abs(z)), holomorphic=True)(Z)
    with pytest.raises(TypeError, match="must return a real number"):
        ag.grad(lambda x: xp.sum(x * 1j))(X)


REAL_ONLY = {
    "maximum": lambda z: xp.maximum(z, z),
    "minimum": lambda z: xp.minimum(z, z),
    "max": xp.max,
    "min": xp.min,
    "sort": xp.sort,
    "hypot": lambda z: xp.hypot(z, z),
    "atan2": lambda z: xp.atan2(z, z),
    "logaddexp": lambda z: xp.logaddexp(z, z),
    "remainder": lambda z: z % 2.0,
    "copysign": lambda z: xp.copysign(z, 1.0),
    "var": xp.var,
    "std": xp.std,
    "fft.rfft": xp.fft.rfft,
}


WAYS = {
    "jvp": lambda f: ag.jvp(f, (Z,), (Z,)),
    "vjp": lambda f: ag.vjp(f, Z),
    "Tensor": lambda f: f(ag.Tensor(Z)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", REAL_ONLY)
def test_functions_of_real_numbers_refuse(name, way):
    with pytest.raises(TypeError, match=rf"^{name}: takes real numbers.*complex128"):
        WAYS[way](REAL_ONLY[name])


def test_tangents_and_cotangents_are_of_their_primals_kind():
    with pytest.raises(ValueError, match="tangent 0 must be like its primal"):
        ag.jvp(xp.exp, (X,), (X * 1j,))
    _, pullback = ag.vjp(xp.abs, Z)
    with pytest.raises(ValueError, match="the cotangent must be like its primal"):
        pullback(Z)
    _, pullback = ag.vjp(lambda x: x * 1j, X)
    with pytest.raises(ValueError, match="the cotangent must be like its primal"):
        pullback(X)


def test_complex_numbers_do_not_become_real_ones_silently(backend):
    z = xp.asarray([1.0 + 2.0j])
    for function in (xp.astype, lambda z, dtype: xp.sum(z, dtype=dtype)):
        with pytest.raises(TypeError, match=r"real numbers of complex .* real\(x\)"):
            ag.vjp(lambda z, f=function: f(z, "float64"), z)
