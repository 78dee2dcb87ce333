"""Fourier transforms: against dense matrices, PyTorch, JAX, and rules of their own.

A transform of one axis is a matrix, whose adjoint is its conjugate transpose; so both
modes are compared with sums that are written out. What returns real numbers is the real
part of such a sum.
"""

import itertools

import numpy as np
import pytest
from support.arrays import from_numpy

import autograd_core as ag
from autograd_core.testing import check_grads
from autograd_core.testing.arrays import to_numpy

xp = ag.ops

NORMS = ("backward", "ortho", "forward")
COMPLEX_TO_COMPLEX = ("fft", "ifft")
REAL_TO_HALF = ("rfft", "ihfft")
HALF_TO_REAL = ("irfft", "hfft")
ONE_AXIS = (*COMPLEX_TO_COMPLEX, *REAL_TO_HALF, *HALF_TO_REAL)
SEVERAL_AXES = ("fftn", "ifftn", "rfftn", "irfftn")


def close(got, expected, tolerance=1e-12):
    np.testing.assert_allclose(
        to_numpy(got), expected, rtol=tolerance, atol=tolerance * 10
    )


def drawn(shape, is_complex, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


def takes_complex(name):
    return name not in ("rfft", "ihfft", "rfftn")


# ------------------------------------------------------------------ dense matrices


def factor(name, norm, n):
    """Return what a transform of length ``n`` is divided by."""
    inverse = name in ("ifft", "irfft", "ihfft")
    return {"backward": n if inverse else 1, "forward": 1 if inverse else n}.get(
        norm, np.sqrt(n)
    )


def dense(name, length, n, norm):
    """Return the matrix of a transform from a line of some length, cut or padded.

    Of what returns real numbers the real part is to be taken; `hfft` is a sum over
    conjugates.
    """
    count = n // 2 + 1 if name in HALF_TO_REAL else n
    rows = n // 2 + 1 if name in REAL_TO_HALF else n
    sign = -1 if name in ("fft", "rfft") else 1  # of `hfft` with conjugates
    angles = np.outer(np.arange(rows), np.arange(count))
    matrix = np.exp(sign * 2j * np.pi * angles / n) / factor(name, norm, n)
    if name in HALF_TO_REAL:
        twice = [k not in (0, n / 2) for k in range(count)]
        matrix = matrix * np.where(twice, 2, 1)
    fit = np.eye(count, length)
    return matrix @ fit


def forwards(name, matrix, x):
    y = matrix @ (np.conj(x) if name == "hfft" else x)
    return y.real if name in HALF_TO_REAL else y


def backwards(name, matrix, t):
    x = np.conj(matrix.T) @ t
    if name == "hfft":
        return np.conj(x)
    return x.real if name in REAL_TO_HALF else x


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ONE_AXIS)
def test_both_modes_are_the_dense_matrix_and_its_adjoint(backend, name, norm):
    """For all parities of both lengths, cut and padded."""
    function = getattr(xp.fft, name)
    for length, n in itertools.product((1, 2, 3, 4, 5), (None, 1, 2, 3, 4, 5, 6, 7, 8)):
        default = 2 * (length - 1) if name in HALF_TO_REAL else length
        taken = default if n is None else n
        if taken < 1:
            continue
        matrix = dense(name, length, taken, norm)
        x, x_dot = (drawn(length, takes_complex(name), seed) for seed in (1, 2))

        def transform(x, function=function, n=n):
            return function(x, n=n, norm=norm)

        y, y_dot = ag.jvp(transform, (from_numpy(x),), (from_numpy(x_dot),))
        close(y, forwards(name, matrix, x))
        close(y_dot, forwards(name, matrix, x_dot))
        t = drawn(tuple(y.shape), name not in HALF_TO_REAL, 3)
        _, pullback = ag.vjp(transform, from_numpy(x))
        (x_bar,) = pullback(from_numpy(t))
        close(x_bar, backwards(name, matrix, t))


@pytest.mark.parametrize("name", ONE_AXIS)
def test_every_axis(backend, name):
    function = getattr(xp.fft, name)
    x = drawn((3, 4, 5), takes_complex(name))
    for axis in range(-3, 3):
        last = np.moveaxis(x, axis, -1)
        y, pullback = ag.vjp(lambda x, k=axis: function(x, axis=k, n=4), from_numpy(x))
        y_last, pullback_last = ag.vjp(lambda x: function(x, n=4), from_numpy(last))
        close(y, np.moveaxis(to_numpy(y_last), -1, axis))
        t = drawn(tuple(y.shape), name not in HALF_TO_REAL, 3)
        (x_bar,) = pullback(from_numpy(t))
        (bar_last,) = pullback_last(from_numpy(np.moveaxis(t, axis, -1)))
        close(x_bar, np.moveaxis(to_numpy(bar_last), -1, axis))


KEYWORDS = [
    {},
    {"axes": (0,)},
    {"axes": (-1, 0), "norm": "ortho"},
    {"s": (3, 4), "axes": (1, 2), "norm": "forward"},
    {"s": (5, 3, 2), "axes": (2, 0, 1)},
]


@pytest.mark.parametrize("keywords", KEYWORDS, ids=str)
@pytest.mark.parametrize("name", SEVERAL_AXES)
def test_several_axes_are_one_after_the_other(backend, name, keywords):
    """Their gradient is that of one-axis transforms, composed by hand."""
    x = from_numpy(drawn((2, 3, 4), takes_complex(name)))
    function = getattr(xp.fft, name)
    axes = keywords.get("axes", (0, 1, 2))
    norm = keywords.get("norm", "backward")
    lengths = keywords.get("s", (None,) * len(axes))

    def composed(x):
        inner = xp.fft.fft if name in ("fftn", "rfftn") else xp.fft.ifft
        steps = [(inner, *pair) for pair in zip(lengths[:-1], axes[:-1], strict=True)]
        last = (getattr(xp.fft, name[:-1]), lengths[-1], axes[-1])
        steps = [last, *steps] if name == "rfftn" else [*steps, last]
        for one, n, axis in steps:
            x = one(x, n=n, axis=axis, norm=norm)
        return x

    y, pullback = ag.vjp(lambda x: function(x, **keywords), x)
    expected, pullback_by_hand = ag.vjp(composed, x)
    close(y, to_numpy(expected))
    t = from_numpy(drawn(tuple(y.shape), name != "irfftn", 3))
    close(pullback(t)[0], to_numpy(pullback_by_hand(t)[0]))


# ------------------------------------------------------------------ other libraries


CALLS = [
    *((name, {"n": n, "norm": norm}) for name in ONE_AXIS for n in (None, 3, 6, 7)
      for norm in ("backward", "ortho")),
    *((name, {}) for name in SEVERAL_AXES),
    *((name, {"s": (3, 5), "axes": (0, 1)}) for name in SEVERAL_AXES),
]  # fmt: skip


def our_gradient(name, keywords, x, w):
    def loss(x):
        y = getattr(xp.fft, name)(x, **keywords)
        return xp.sum(xp.abs(y) ** 2 * w) + xp.sum(xp.real(y) * w)

    return ag.grad(loss)(x)


def example(name, keywords):
    x = drawn((2, 5), takes_complex(name), 5)
    shape = getattr(np.fft, name)(x, **keywords).shape
    return x, drawn(shape, False, 6)


@pytest.mark.parametrize(("name", "keywords"), CALLS, ids=str)
def test_against_pytorch(name, keywords):
    torch = pytest.importorskip("torch", exc_type=ImportError)
    x, w = example(name, keywords)
    renamed = {{"axes": "dim"}.get(k, k): v for k, v in keywords.items()}
    t = torch.tensor(x, requires_grad=True)
    y = getattr(torch.fft, name)(t, **renamed)
    weights = torch.tensor(w)
    loss = (y.abs() ** 2 * weights).sum() + (torch.real(y) * weights).sum()
    loss.backward()
    close(our_gradient(name, keywords, x, w), t.grad.resolve_conj().numpy(), 1e-10)


@pytest.mark.parametrize(("name", "keywords"), CALLS, ids=str)
def test_against_jax(name, keywords):
    """JAX's gradient of a real function of complex numbers is the conjugate of ours."""
    jax = pytest.importorskip("jax", exc_type=ImportError)
    jnp = jax.numpy
    x, w = example(name, keywords)

    def loss(x):
        y = getattr(jnp.fft, name)(x, **keywords)
        return jnp.sum(jnp.abs(y) ** 2 * w) + jnp.sum(jnp.real(y) * w)

    with jax.enable_x64(True):
        expected = np.conj(np.asarray(jax.grad(loss)(jnp.asarray(x))))
    assert expected.dtype.itemsize == x.dtype.itemsize
    close(our_gradient(name, keywords, x, w), expected, 1e-10)


# ------------------------------------------------------------------ dtypes and kinds


@pytest.mark.parametrize("name", [*ONE_AXIS, *SEVERAL_AXES])
def test_single_precision_is_not_widened(backend, name):
    is_complex = takes_complex(name)
    dtype = "complex64" if is_complex else "float32"
    x = from_numpy(drawn((3, 4), is_complex), dtype)
    function = getattr(xp.fft, name)
    y, y_dot = ag.jvp(function, (x,), (x,))
    assert y_dot.dtype == y.dtype
    assert to_numpy(y).dtype.name in ("complex64", "float32")
    (x_bar,) = ag.vjp(function, x)[1](y)
    assert x_bar.dtype == x.dtype

    def curved(x):
        return xp.sum(xp.abs(function(x)) ** 2)

    along = ag.jvp(ag.grad(curved), (x,), (x,))[1]
    assert along.dtype == x.dtype


@pytest.mark.autograd_xfail(
    "array-api-strict", reason="it does not, as the standard says", raises=TypeError
)
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft", "fftn", "irfftn"])
def test_real_input_has_a_real_gradient(backend, name):
    """Where the library takes real numbers for complex ones."""
    function = getattr(xp.fft, name)
    x = from_numpy(drawn((2, 5), False), "float64")
    y, pullback = ag.vjp(function, x)
    t = from_numpy(drawn(tuple(y.shape), name not in (*HALF_TO_REAL, "irfftn"), 3))
    (x_bar,) = pullback(t)
    assert x_bar.dtype == x.dtype
    _, of_complex = ag.vjp(function, xp.astype(x, xp.complex128))
    close(x_bar, to_numpy(of_complex(t)[0]).real)
    check_grads(function, x, order=2)


@pytest.mark.parametrize("name", ["rfft", "ihfft", "rfftn"])
def test_complex_input_is_refused_by_transforms_of_real_numbers(name):
    with pytest.raises(TypeError, match=f"fft.{name}: takes real numbers"):
        ag.vjp(getattr(xp.fft, name), np.ones(3, dtype=np.complex128))


@pytest.mark.parametrize("n", [6, 7])
def test_parts_without_influence_have_no_gradient(backend, n):
    x = from_numpy(drawn(n // 2 + 1, True))
    bar = to_numpy(ag.grad(lambda x: xp.sum(xp.fft.irfft(x, n=n) ** 3))(x))
    once = [0, n // 2] if n % 2 == 0 else [0]
    assert (bar.imag[once] == 0).all()
    inside = [k for k in range(n // 2 + 1) if k not in once]
    assert (np.abs(bar.imag[inside]) > 1e-3).all()


# ------------------------------------------------------------------ of all together


def test_parseval(backend):
    """``sum(abs(fft(x))**2) / n`` is ``sum(x**2)``, and so are its derivatives."""
    x = from_numpy(drawn(7, False), "float64")

    def energy(x):
        y = xp.fft.rfft(x)
        return (2 * xp.sum(xp.abs(y[1:]) ** 2) + xp.abs(y[0]) ** 2) / 7

    close(ag.grad(energy)(x), 2 * to_numpy(x))
    direction = from_numpy(drawn(7, False, 9), "float64")
    for hessian_times in (
        lambda: ag.jvp(ag.grad(energy), (x,), (direction,))[1],
        lambda: ag.grad(lambda x: xp.sum(ag.grad(energy)(x) * direction))(x),
        lambda: ag.grad(lambda x: ag.jvp(energy, (x,), (direction,))[1])(x),
        lambda: ag.vjp(ag.grad(energy), x)[1](direction)[0],
    ):
        close(hessian_times(), 2 * to_numpy(direction))


@pytest.mark.parametrize("n", [6, 7])
def test_inverses_have_the_identity_for_a_derivative(backend, n):
    x = from_numpy(drawn(n, False), "float64")
    t = from_numpy(drawn(n, False, 1), "float64")
    for there, back in (("rfft", "irfft"), ("ihfft", "hfft")):
        forth, home = getattr(xp.fft, there), getattr(xp.fft, back)

        def both(x, forth=forth, home=home):
            return home(forth(x), n=n)

        close(ag.vjp(both, x)[1](t)[0], to_numpy(t))
        close(ag.jvp(both, (x,), (t,))[1], to_numpy(t))


def test_convolution_by_the_spectrum(backend):
    x, kernel = (from_numpy(drawn(8, False, seed), "float64") for seed in (1, 2))

    def by_spectrum(x, kernel):
        return xp.fft.irfft(xp.fft.rfft(x) * xp.fft.rfft(kernel), n=8)

    def by_sums(x, kernel):
        rolled = [xp.roll(x, k) * kernel[k] for k in range(8)]
        return xp.sum(xp.stack(rolled), axis=0)

    t = from_numpy(drawn(8, False, 3), "float64")
    y, pullback = ag.vjp(by_spectrum, x, kernel)
    expected, by_hand = ag.vjp(by_sums, x, kernel)
    close(y, to_numpy(expected))
    for bar, other in zip(pullback(t), by_hand(t), strict=True):
        close(bar, to_numpy(other))
    check_grads(by_spectrum, x, kernel, order=2)


@pytest.mark.parametrize("axes", [None, 0, (1,), (0, -1)])
@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
def test_shifts(backend, name, axes):
    x = drawn((3, 4), True)
    back = {"fftshift": "ifftshift", "ifftshift": "fftshift"}[name]
    y, pullback = ag.vjp(lambda x: getattr(xp.fft, name)(x, axes=axes), from_numpy(x))
    close(y, getattr(np.fft, name)(x, axes=axes))
    close(pullback(from_numpy(x))[0], getattr(np.fft, back)(x, axes=axes))


@pytest.mark.parametrize("name", ["fftfreq", "rfftfreq"])
def test_frequencies(backend, name):
    function = getattr(xp.fft, name)
    close(function(7, d=0.5, dtype=xp.float64), getattr(np.fft, name)(7, d=0.5))
    assert to_numpy(function(4, dtype=xp.float32)).dtype == np.float32
    d = from_numpy(0.5, "float64")
    expected = -getattr(np.fft, name)(7, d=0.5) / 0.5
    close(ag.jvp(lambda d: function(7, d=d), (d,), (xp.ones_like(d),))[1], expected)


def test_spectra_of_a_tensor():
    x = ag.Tensor(drawn(6, False))
    xp.sum(xp.abs(xp.fft.rfft(x)) ** 2).backward()
    expected = ag.grad(lambda x: xp.sum(xp.abs(xp.fft.rfft(x)) ** 2))(drawn(6, False))
    close(x.grad, expected)
