"""Linear algebra beside JAX and PyTorch, and where matrices are degenerate.

A program is written once, for any namespace of the standard. What is compared does not
depend on phases of eigenvectors or signs of ``Q``.
"""

import itertools
import math
import warnings

import numpy as np
import pytest

import autograd_core as ag

xp = ag.ops


def adjoint(np, x):
    return np.conj(np.matrix_transpose(x))


def positive_definite(np, x):
    return x @ adjoint(np, x) + 2 * np.eye(3, dtype=x.dtype)


def cholesky(np, x):
    return np.linalg.cholesky(positive_definite(np, x))


def cholesky_upper(np, x):
    return np.linalg.cholesky(positive_definite(np, x), upper=True)


def numbers(np, x, n):
    return np.sum(np.tril(np.ones((n, n), dtype=x.dtype)), axis=1)


def eigh(np, x):
    w, v = np.linalg.eigh(x + adjoint(np, x))
    return w, (v * numbers(np, v, 3)) @ adjoint(np, v)


def eigvalsh(np, x):
    return np.linalg.eigvalsh(x + adjoint(np, x))


def eig(np, x):
    """Eigenvalues come in no certain order: sums of functions of them."""
    w, v = np.linalg.eig(x)
    of_vectors = np.abs(v) ** 4
    return np.sum(np.exp(w / 4)), np.sum(np.real(w) * np.sum(of_vectors, axis=-2))


def eigvals(np, x):
    return np.sum(np.exp(np.linalg.eigvals(x) / 4))


def svd(np, x):
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    weights = numbers(np, u, s.shape[-1])
    of_u = (u * weights) @ adjoint(np, u)
    return s, (u * weights) @ vh, of_u


def qr(np, x):
    q, r = np.linalg.qr(x)
    weights = numbers(np, q, q.shape[-1])
    return (q * weights) @ r, (q * weights) @ adjoint(np, q), adjoint(np, r) @ r


def norm(ord, **keywords):
    return lambda np, x: np.linalg.vector_norm(x, ord=ord, **keywords)


def matrix_norm(ord):
    return lambda np, x: np.linalg.matrix_norm(x, ord=ord)


A, TALL, WIDE = (3, 3), (4, 2), (2, 4)
PROGRAMS = {
    "inv": (lambda np, x: np.linalg.inv(x), A),
    "solve": (lambda np, x, b: np.linalg.solve(x, b), A, (3, 2)),
    "solve of a vector": (lambda np, x, b: np.linalg.solve(x, b), A, (3,)),
    "solve of stacks": (lambda np, x, b: np.linalg.solve(x, b), (2, 2, 2), (2, 1)),
    "pinv of tall": (lambda np, x: np.linalg.pinv(x), TALL),
    "pinv of wide": (lambda np, x: np.linalg.pinv(x), WIDE),
    "det": (lambda np, x: np.linalg.det(x), A),
    "slogdet": (lambda np, x: tuple(np.linalg.slogdet(x)), A),
    "cholesky": (cholesky, A),
    "cholesky, upper": (cholesky_upper, A),
    "eigh": (eigh, A),
    "eigvalsh": (eigvalsh, A),
    "eig": (eig, A),
    "eigvals": (eigvals, A),
    "svd": (svd, A),
    "svd of tall": (svd, TALL),
    "svd of wide": (svd, WIDE),
    "svdvals": (lambda np, x: np.linalg.svdvals(x), TALL),
    "qr": (qr, A),
    "qr of tall": (qr, TALL),
    "qr of wide": (qr, WIDE),
    "matrix_power": (lambda np, x: np.linalg.matrix_power(x, 5), A),
    "matrix_power, negative": (lambda np, x: np.linalg.matrix_power(x, -2), A),
    "diagonal": (lambda np, x: np.linalg.diagonal(x, offset=-1), TALL),
    "trace": (lambda np, x: np.linalg.trace(x, offset=1), WIDE),
    "cross": (lambda np, x, y: np.linalg.cross(x, y), (2, 3), (2, 3)),
    "outer": (lambda np, x, y: np.linalg.outer(x, y), (2,), (3,)),
    "matmul": (lambda np, x, y: np.linalg.matmul(x, y), TALL, (2, 3)),
    "tensordot": (lambda np, x, y: np.linalg.tensordot(x, y, axes=1), TALL, (2, 3)),
    "vecdot": (lambda np, x, y: np.linalg.vecdot(x, y), (2, 3), (2, 3)),
    "matrix_transpose": (lambda np, x: np.linalg.matrix_transpose(x), TALL),
    **{f"vector_norm {p}": (norm(p), (4,)) for p in (1, 2, 3, 0.5, -1, math.inf)},
    "vector_norm over axes": (norm(2, axis=(0, 2), keepdims=True), (2, 3, 2)),
    "vector_norm -inf": (norm(-math.inf, axis=0), (3, 2)),
    **{
        f"matrix_norm {ord}": (matrix_norm(ord), (3, 2))
        for ord in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    },
}
LACKING = {"JAX": {"qr of wide", "eig", "eigvals"}, "PyTorch": set()}
"""What a peer has no rule for."""


def scalar(np, program, arrays):
    """Return a real number that depends on every element of the results."""
    ys = program(np, *arrays)
    total = 0.0
    for y in ys if isinstance(ys, tuple) else (ys,):
        if "complex" in str(y.dtype):
            y = np.real(y) + 2 * np.imag(y)
        total = total + np.sum(y * y / 2 + y)
    return total


def draw(shapes, is_complex, seed=0):
    """Return arrays; square matrices far from singular and from degenerate."""
    rng = np.random.default_rng(seed)
    result = []
    for shape in shapes:
        x = rng.normal(size=shape) / 2
        if is_complex:
            x = x + 1j * rng.normal(size=shape) / 2
        if len(shape) > 1:
            x = x + np.eye(*shape[-2:]) * np.arange(2.0, 2.0 + 2 * shape[-1], 2)
        result.append(x)
    return tuple(result)


def ours(program, arrays, directions):
    """Return JVP, gradients and Hessian-vector products, forward over reverse too."""
    every = tuple(range(len(arrays)))
    f = lambda *xs: scalar(xp, program, xs)  # noqa: E731
    gradient = ag.grad(f, every)

    def along(*xs):
        terms = zip(gradient(*xs), directions, strict=True)
        return sum(xp.sum(real(xp, g * np.conj(v))) for g, v in terms)

    _, y_dot = ag.jvp(f, arrays, directions)
    _, mixed = ag.jvp(gradient, arrays, directions)
    return y_dot, gradient(*arrays), ag.grad(along, every)(*arrays), mixed


def real(np, x):
    return np.real(x) if "complex" in str(x.dtype) else x


def held(x):
    return x.detach().resolve_conj().numpy()


def pytorch(program, arrays, directions):
    torch = pytest.importorskip("torch")
    namespace = pytest.importorskip("array_api_compat.torch")
    xs = [torch.tensor(x, requires_grad=True) for x in arrays]
    vs = [torch.tensor(v) for v in directions]
    y = scalar(namespace, program, xs)
    grads = torch.autograd.grad(y, xs, create_graph=True)
    pairs = list(zip(grads, vs, strict=True))
    along = sum(torch.sum(real(torch, g * v.conj())) for g, v in pairs)
    if along.requires_grad:
        seconds = torch.autograd.grad(along, xs, allow_unused=True)
    else:
        seconds = [None] * len(xs)
    zeros = [np.zeros(x.shape, x.dtype) for x in arrays]
    seconds = [z if h is None else held(h) for h, z in zip(seconds, zeros, strict=True)]
    return along.item(), [held(g) for g in grads], seconds


def jax(program, arrays, directions):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    namespace, every = jax.numpy, tuple(range(len(arrays)))
    f = lambda *xs: scalar(namespace, program, xs)  # noqa: E731
    gradient = jax.grad(f, every)

    @jax.jit
    def everything(xs, vs):
        _, y_dot = jax.jvp(f, xs, vs)
        grads, seconds = jax.jvp(gradient, xs, vs)
        return y_dot, grads, seconds

    y_dot, grads, seconds = everything(arrays, directions)
    # conjugates: JAX pairs without one
    return float(y_dot), [np.conj(g) for g in grads], [np.conj(h) for h in seconds]


PEERS = {"PyTorch": pytorch, "JAX": jax}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    ("peer", "is_complex"),
    [
        pytest.param("PyTorch", False, id="PyTorch-real"),
        pytest.param("PyTorch", True, id="PyTorch-complex"),
        pytest.param("JAX", True, id="JAX-complex"),  # compiles: half of it will do
    ],
)
def test_derivatives_are_those_of_peers(peer, name, is_complex):
    if name in LACKING[peer]:
        pytest.skip(f"{peer} has no rule for it")
    program, *shapes = PROGRAMS[name]
    arrays = draw(shapes, is_complex)
    directions = draw(shapes, is_complex, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = PEERS[peer](program, arrays, directions)
    y_dot, grads, seconds, mixed = ours(program, arrays, directions)
    np.testing.assert_allclose(y_dot, expected[0], rtol=1e-9, atol=1e-9)
    for g, g_expected in zip(grads, expected[1], strict=True):
        np.testing.assert_allclose(g, g_expected, rtol=1e-9, atol=1e-9)
    for h, h_mixed, h_expected in zip(seconds, mixed, expected[2], strict=True):
        np.testing.assert_allclose(h, h_expected, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(h_mixed, h_expected, rtol=1e-8, atol=1e-8)


# ------------------------------------------------------------------ determinants


def by_permutations(x):
    """Return the determinant as the polynomial that it is."""
    n, total = x.shape[-1], 0.0
    for order in itertools.permutations(range(n)):
        term = round(float(np.linalg.det(np.eye(n)[list(order)])))
        for row, column in enumerate(order):
            term = term * x[row, column]
        total = total + term
    return total


def along(f, *directions):
    """Return the derivative along each direction in turn, in forward mode."""
    for v in directions:
        f = lambda x, f=f, v=v: ag.jvp(f, (x,), (v,))[1]  # noqa: E731
    return f


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("rank", range(5))
def test_every_derivative_of_det_at_every_rank(rank, is_complex):
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(4, rank)) @ rng.normal(size=(rank, 4))
    if is_complex:
        x = x * (0.6 + 0.8j)
    directions = (rng.normal(size=(4, 4, 4)) * (1j if is_complex else 1)).astype(
        x.dtype
    )
    for order in range(1, 5):
        got = along(xp.linalg.det, *directions[:order])(x)
        expected = along(by_permutations, *directions[:order])(x)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("rank", range(4))
def test_hessian_of_det_in_reverse_mode(backend, rank):
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(3, rank)) @ rng.normal(size=(rank, 3))
    v = rng.normal(size=(3, 3))

    def second(f, x, v):
        return ag.grad(lambda x: xp.sum(ag.grad(f)(x) * v))(x)

    got = second(xp.linalg.det, xp.asarray(x), xp.asarray(v))
    expected = second(by_permutations, x, v)
    np.testing.assert_allclose(np.asarray(got), expected, atol=1e-12)


def test_cofactors_of_stacked_matrices_of_several_ranks():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(3, 3))
    stack = np.stack([np.zeros((3, 3)), full[:, :1] @ full[:1], full, np.eye(3)])
    stack = np.concatenate([stack, [full[:, :2] @ full[:2]]])
    got = ag.vjp(xp.linalg.det, stack)[1](np.ones(5))[0]
    for x, bar in zip(stack, got, strict=True):
        np.testing.assert_allclose(bar, ag.grad(by_permutations)(x), atol=1e-13)


def test_det_of_what_has_no_finite_value():
    x = np.asarray([[np.nan, 1.0], [0.0, 2.0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(ag.grad(xp.linalg.det)(x)).any()


def test_det_inside_jit():
    jax = pytest.importorskip("jax")
    x = np.ones((3, 3)) + np.diag([0.0, 0.0, 1.0])  # of rank 2
    got = jax.jit(ag.grad(xp.linalg.det))(jax.numpy.asarray(x))
    np.testing.assert_allclose(got, ag.grad(by_permutations)(x), atol=1e-5)


def test_slogdet_of_a_singular_matrix_is_nan(backend):
    bar = ag.grad(lambda x: xp.linalg.slogdet(x).logabsdet)(xp.zeros((2, 2)))
    assert np.isnan(np.asarray(bar)).all()


def test_the_sign_of_a_complex_determinant():
    (x,) = draw([A], True)
    f = lambda x: xp.imag(xp.log(xp.linalg.slogdet(x).sign))  # noqa: E731
    g = lambda x: xp.imag(xp.log(xp.linalg.det(x)))  # noqa: E731
    np.testing.assert_allclose(ag.grad(f)(x), ag.grad(g)(x), atol=1e-14)
    sign = ag.grad(lambda x: xp.sum(xp.linalg.slogdet(x).sign))
    assert not sign(np.asarray([[0.0, 2.0], [1.0, 0.0]])).any()


# ------------------------------------------------------------------ degenerate


def orthogonal(n, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


Q = orthogonal(4)
EQUAL = Q @ np.diag([1.0, 1.0, 2.0, 2.0]) @ Q.T

SYMMETRIC = {
    "sum": (lambda w: xp.sum(w), lambda x: np.eye(4)),
    "logdet": (lambda w: xp.sum(xp.log(w)), np.linalg.inv),
    "squares": (lambda w: xp.sum(w * w), lambda x: 2 * x),
    "cubes": (lambda w: xp.sum(w**3), lambda x: 3 * x @ x),
}


@pytest.mark.parametrize("x", [EQUAL, np.eye(4)], ids=["pairs", "identity"])
@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("values", ["eigvalsh", "eigh", "eigvals", "svdvals", "svd"])
def test_symmetric_functions_of_equal_values(values, name, x):
    function, gradient = SYMMETRIC[name]

    def f(x):
        y = getattr(xp.linalg, values)(x)
        y = y if not isinstance(y, tuple) else y[1] if values == "svd" else y[0]
        return xp.real(function(y)) if values == "eigvals" else function(y)

    np.testing.assert_allclose(ag.grad(f)(x), gradient(x), atol=1e-12)
    v = Q * np.arange(4.0)
    expected = np.sum(gradient(x) * v)
    np.testing.assert_allclose(ag.jvp(f, (x,), (v,))[1], expected, atol=1e-12)


@pytest.mark.parametrize("x", [EQUAL, np.eye(4), np.zeros((4, 4))], ids=str)
@pytest.mark.parametrize("name", ["eigh", "svd"])
def test_vectors_of_equal_values_have_finite_derivatives(backend, name, x):
    x, v = xp.asarray(x), xp.asarray(Q)
    f = lambda x: sum(xp.sum(part**3) for part in getattr(xp.linalg, name)(x))  # noqa: E731
    gradient = ag.grad(f)
    second = ag.grad(lambda x: xp.sum(gradient(x) * v))
    for y in (gradient(x), second(x), ag.jvp(gradient, (x,), (v,))[1]):
        assert np.isfinite(np.asarray(y)).all()


def test_the_polar_factor_at_equal_singular_values():
    """Of an orthogonal matrix ``x``, ``U Vh`` moves by ``x`` times the skew part."""
    v = np.arange(16.0).reshape(4, 4)

    def polar(x):
        u, _, vh = xp.linalg.svd(x)
        return u @ vh

    skew = Q.T @ v
    expected = Q @ (skew - skew.T) / 2
    np.testing.assert_allclose(ag.jvp(polar, (Q,), (v,))[1], expected, atol=1e-12)
    bar = ag.vjp(polar, Q)[1](v)[0]
    np.testing.assert_allclose(bar, expected, atol=1e-12)  # its own adjoint


def test_the_nuclear_norm_at_deficient_rank(backend):
    u, v = Q[:, :2], orthogonal(3)[:, :2]
    x = xp.asarray(u @ np.diag([3.0, 1.0]) @ v.T)
    for f in (
        lambda x: xp.linalg.matrix_norm(x, ord="nuc"),
        lambda x: xp.sum(xp.linalg.svdvals(x)),
        lambda x: xp.sum(xp.linalg.svd(x).S),
        lambda x: xp.sum(xp.linalg.svd(x, full_matrices=False).S),
    ):
        np.testing.assert_allclose(np.asarray(ag.grad(f)(x)), u @ v.T, atol=1e-13)


def test_projectors_of_full_matrices():
    """The null space of ``x^H`` is what its orthogonal complement leaves."""
    x, v = draw([TALL, TALL], False)

    def by_svd(x):
        rest = xp.linalg.svd(x).U[:, 2:]
        return rest @ rest.T

    def by_qr(x):
        rest = xp.linalg.qr(x, mode="complete").Q[:, 2:]
        return rest @ rest.T

    def directly(x):
        return np.eye(4) - x @ xp.linalg.inv(x.T @ x) @ x.T

    expected = ag.jvp(directly, (x,), (v,))[1]
    t = Q + Q.T
    for f in (by_svd, by_qr):
        np.testing.assert_allclose(ag.jvp(f, (x,), (v,))[1], expected, atol=1e-13)
        bars = [ag.vjp(g, x)[1](t)[0] for g in (f, directly)]
        np.testing.assert_allclose(*bars, atol=1e-12)


def test_pinv_at_constant_rank():
    """Along a curve of matrices of rank 1, it is the derivative of ``v u^T``."""
    u, v = np.asarray([1.0, 2.0, -1.0]), np.asarray([0.5, 3.0])

    def by_pinv(u, v):
        return xp.linalg.pinv(xp.linalg.outer(u, v))

    def directly(u, v):
        return xp.linalg.outer(v, u) / (xp.sum(u * u) * xp.sum(v * v))

    t = np.arange(6.0).reshape(2, 3)
    for f in (by_pinv, directly):
        assert np.isfinite(f(u, v)).all()
    bars, expected = (ag.vjp(f, u, v)[1](t) for f in (by_pinv, directly))
    for bar, bar_expected in zip(bars, expected, strict=True):
        np.testing.assert_allclose(bar, bar_expected, atol=1e-13)


def test_gradients_of_functions_of_the_hermitian_part_are_hermitian():
    (x,) = draw([A], True)
    x = positive_definite(np, x)
    for f in (
        lambda x: xp.sum(xp.real(xp.linalg.cholesky(x)) ** 3),
        lambda x: xp.sum(xp.linalg.eigvalsh(x) ** 3),
        lambda x: xp.sum(xp.abs(xp.linalg.eigh(x).eigenvectors) ** 4),
    ):
        g = ag.grad(f)(x)
        assert np.abs(g).max() > 1e-3
        np.testing.assert_array_equal(g, g.conj().T)


def test_complex_eigenvalues_of_real_matrices(backend):
    """Gradients are real, the second ones too: of ``trace(x^3)``."""
    x = xp.asarray([[0.0, -2.0], [1.0, 0.5]], dtype=xp.float64)
    v = xp.asarray([[1.0, 2.0], [3.0, 4.0]], dtype=xp.float64)

    def by_eig(x):
        return xp.real(xp.sum(xp.linalg.eig(x).eigenvalues ** 3))

    def directly(x):
        return xp.linalg.trace(x @ x @ x)

    for derivative in (
        lambda f: ag.grad(f)(x),
        lambda f: ag.grad(lambda x: xp.sum(ag.grad(f)(x) * v))(x),
        lambda f: ag.jvp(ag.grad(f), (x,), (v,))[1],
    ):
        got, expected = (np.asarray(derivative(f)) for f in (by_eig, directly))
        np.testing.assert_allclose(got, expected, atol=1e-13)


# ------------------------------------------------------------------ norms at kinks

KINKED = [(), (0.0,), (0.0, 0.0), (3.0, -3.0), (0.0, 2.0, -2.0), (1.0, 0.0, 1.0)]
EQUAL_FUNCTIONS = {
    1: lambda x: xp.sum(xp.abs(x)),
    math.inf: lambda x: xp.max(xp.abs(x)),
    -math.inf: lambda x: xp.min(xp.abs(x)),
}


@pytest.mark.parametrize("values", KINKED[1:], ids=str)
@pytest.mark.parametrize("ord", EQUAL_FUNCTIONS)
def test_equal_functions_have_equal_gradients(backend, ord, values):
    x = xp.asarray(values, dtype=xp.float64)
    norm = lambda x: xp.linalg.vector_norm(x, ord=ord)  # noqa: E731
    got, expected = (ag.grad(f)(x) for f in (norm, EQUAL_FUNCTIONS[ord]))
    np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize("values", [v for v in KINKED if len(v) == 2], ids=str)
def test_three_ways_to_a_length(values):
    x = np.asarray(values)
    expected = ag.grad(lambda x: xp.hypot(x[0], x[1]))(x)
    for f in (
        xp.linalg.vector_norm,
        lambda x: xp.linalg.matrix_norm(x[None, :]),
        lambda x: xp.linalg.matrix_norm(x[None, :], ord="nuc"),
        lambda x: xp.linalg.matrix_norm(x[None, :], ord=2),
    ):
        np.testing.assert_allclose(ag.grad(f)(x), expected, atol=1e-15)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("values", KINKED[1:], ids=str)
@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 3, math.inf, -math.inf, -1, -2.5])
def test_no_nan_at_kinks(ord, values):
    x = np.asarray(values)
    gradient = ag.grad(lambda x: xp.linalg.vector_norm(x, ord=ord))
    second = ag.grad(lambda x: xp.sum(gradient(x) * 1.5))
    forward = lambda x: ag.jvp(gradient, (x,), (np.ones_like(x),))[1]  # noqa: E731
    for f in (gradient, second, forward):
        assert np.isfinite(f(x)).all()


def test_the_spectral_norm_shares_among_equal_singular_values():
    f = lambda x: xp.linalg.matrix_norm(x, ord=2)  # noqa: E731
    np.testing.assert_allclose(ag.grad(f)(2 * Q), Q / 4, atol=1e-13)


# ------------------------------------------------------------------ powers and errors


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 3, 7, 8])
def test_powers_are_products(n):
    (x,) = draw([A], True)

    def product(x):
        y, factor = np.eye(3, dtype=x.dtype), xp.linalg.inv(x) if n < 0 else x
        for _ in range(abs(n)):
            y = factor @ y
        return y

    t = np.arange(9.0).reshape(3, 3) * (1 + 1j)
    got = ag.vjp(lambda x: xp.linalg.matrix_power(x, n), x)[1](t)[0]
    expected = ag.vjp(product, x)[1](t)[0] if n else np.zeros((3, 3))
    np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_rank_is_constant(backend):
    seen = []

    def f(x):
        seen.append(xp.linalg.matrix_rank(x))
        return xp.sum(x)

    ag.grad(f)(xp.eye(3))
    assert not isinstance(seen[0], ag.Tensor)
    assert int(seen[0]) == 3


def test_what_a_library_refuses_names_the_operation():
    with pytest.raises(np.linalg.LinAlgError) as caught:
        ag.grad(lambda x: xp.sum(xp.linalg.cholesky(x)))(-np.eye(2))
    assert any("linalg.cholesky" in note for note in caught.value.__notes__)


def test_values_alone_do_not_need_vectors(monkeypatch):
    """The coefficients that equal eigenvalues make large are not computed."""
    from autograd_ops import decompositions

    def refuse(*_):
        raise AssertionError("computed for nothing")

    monkeypatch.setattr(decompositions, "inverse_differences", refuse)
    for f in (
        lambda x: xp.sum(xp.linalg.eigh(x).eigenvalues),
        lambda x: xp.sum(xp.linalg.svd(x).S),
        lambda x: xp.real(xp.sum(xp.linalg.eig(x).eigenvalues)),
    ):
        np.testing.assert_allclose(ag.grad(f)(np.diag([1.0, 2.0])), np.eye(2))
