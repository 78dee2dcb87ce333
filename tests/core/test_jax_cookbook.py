"""What JAX's autodiff cookbook and torch.func's tutorials compute, done here and there.

Each recipe is written once, for two sets of operators and two namespaces.
"""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import pytree

DRAWN = np.random.default_rng(0)
INPUTS = np.asarray(
    [[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]]
)
TARGETS = np.asarray([1.0, 1.0, 0.0, 1.0])
W, B = DRAWN.normal(size=3), DRAWN.normal()
SIZES = [3, 5, 2]
NETWORK = [
    {"w": DRAWN.normal(size=(n, m)) / 2, "b": DRAWN.normal(size=n) / 2}
    for m, n in pairwise(SIZES)
]


@pytest.fixture(scope="module")
def jax():
    """JAX's operators, those of ``lax`` among them."""
    jax = pytest.importorskip("jax")
    names = ("scan", "cond", "while_loop", "fori_loop", "map", "stop_gradient")
    return SimpleNamespace(
        **{name: value for name, value in vars(jax).items() if name[0] != "_"}
        | {name: getattr(jax.lax, name) for name in names}
        | {"namespace": jax.numpy}
    )


def leaves(tree):
    return [np.asarray(x) for x in pytree.flatten(tree)[0]]


RECIPES = {}


def recipe(function):
    """Declare a recipe: of operators and a namespace, it returns a pytree."""
    RECIPES[function.__name__] = function
    return function


# ------------------------------------------------------------------ the cookbook


def predict(xp, w, b, inputs):
    return 0.5 * (xp.tanh((inputs @ w + b) / 2) + 1)


def loss(xp, w, b):
    y = predict(xp, w, b, xp.asarray(INPUTS))
    t = xp.asarray(TARGETS)
    return -xp.sum(xp.log(y * t + (1 - y) * (1 - t)))


@recipe
def gradients_of_logistic_regression(m, xp):
    w, b = xp.asarray(W), xp.asarray(B)
    f = lambda w, b: loss(xp, w, b)  # noqa: E731
    of_dict = lambda p: loss(xp, p["w"], p["b"])  # noqa: E731
    return {
        "0": m.grad(f, argnums=0)(w, b),
        "both": m.grad(f, argnums=(0, 1))(w, b),
        "value": m.value_and_grad(f, argnums=(1, 0))(w, b),
        "dict": m.grad(of_dict)({"w": w, "b": b}),
    }


@recipe
def hessian_vector_products(m, xp):
    w, b, v = xp.asarray(W), xp.asarray(B), xp.asarray(np.cos(W))
    f = lambda w: loss(xp, w, b)  # noqa: E731
    return [
        m.grad(lambda x: m.grad(f)(x) @ v)(w),
        m.jvp(m.grad(f), (w,), (v,))[1],
        m.grad(lambda x: m.jvp(f, (x,), (v,))[1])(w),
        m.linearize(m.grad(f), w)[1](v),
        m.hessian(f)(w) @ v,
    ]


@recipe
def jacobians_and_hessians(m, xp):
    w, b, inputs = xp.asarray(W), xp.asarray(B), xp.asarray(INPUTS)
    f = lambda w: predict(xp, w, b, inputs)  # noqa: E731
    g = lambda p: predict(xp, p["w"], p["b"], inputs)  # noqa: E731
    return {
        "fwd": m.jacfwd(f)(w),
        "rev": m.jacrev(f)(w),
        "dict": m.jacrev(g)({"w": w, "b": b}),
        "hessian": m.jacfwd(m.jacrev(f))(w),
        "dicts": m.hessian(g)({"w": w, "b": b}),
    }


@recipe
def matrix_jacobian_products(m, xp):
    w, b, inputs = xp.asarray(W), xp.asarray(B), xp.asarray(INPUTS)
    f = lambda w: predict(xp, w, b, inputs)  # noqa: E731
    y, pullback = m.vjp(f, w)
    push = lambda v: m.jvp(f, (w,), (v,))[1]  # noqa: E731
    basis = xp.asarray(np.cos(np.arange(12.0).reshape(3, 4)))
    columns = xp.asarray(np.sin(np.arange(6.0).reshape(2, 3)))
    return y, m.vmap(pullback)(basis), m.vmap(push, out_axes=1)(columns)


@recipe
def holomorphic_functions(m, xp):
    z, zs = xp.asarray(1.5 - 0.5j), xp.asarray([1 + 2j, 0.3 - 1j])
    return [
        m.grad(xp.sin, holomorphic=True)(z),
        m.jacrev(lambda z: z**2 * z[0], holomorphic=True)(zs),
        m.jacfwd(lambda z: z**2 * z[0], holomorphic=True)(zs),
        m.jvp(lambda z: xp.conj(z) * z, (z,), (xp.asarray(1j),)),
    ]


@recipe
def real_functions_of_complex_numbers(m, xp):
    """JAX's gradient is the conjugate of the direction of steepest ascent: ours."""
    z = xp.asarray([3 + 4j, 1 - 2j])
    found = m.grad(lambda z: xp.sum(xp.abs(z) ** 2 * xp.real(z)))(z)
    return found if m is ag else xp.conj(found)


# ------------------------------------------------------------------ custom rules


@recipe
def log1pexp(m, xp):
    @m.custom_jvp
    def log1pexp(x):
        return xp.log(1.0 + xp.exp(x))

    @log1pexp.defjvp
    def rule(primals, tangents):
        (x,), (x_dot,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + xp.exp(x))) * x_dot

    xs = xp.asarray([-1.0, 0.0, 3.0, 100.0])
    twice = m.grad(m.grad(log1pexp))
    return (
        m.vmap(m.grad(log1pexp))(xs),
        m.vmap(twice)(xs),
        m.jvp(log1pexp, (xs,), (xs,)),
    )


@recipe
def clipped_gradient(m, xp):
    @m.custom_vjp
    def clip(low, high, x):
        return x

    def backward(residuals, t):
        return None, None, xp.clip(t, *residuals)

    clip.defvjp(lambda low, high, x: (x, (low, high)), backward)
    f = lambda x: xp.sum(xp.sin(clip(-0.75, 0.75, x)))  # noqa: E731
    xs = xp.asarray(np.linspace(0.0, 6.0, 9))
    return m.grad(f)(xs), m.vmap(m.grad(f))(xs)


@recipe
def rules_of_a_function_of_functions(m, xp):
    def app(f, x):
        return f(x)

    custom = m.custom_jvp(app, nondiff_argnums=(0,))
    custom.defjvp(lambda f, primals, tangents: (f(*primals), 2.0 * tangents[0]))
    return m.grad(lambda x: custom(lambda y: 3.0 * y, x))(xp.asarray(1.0))


@recipe
def straight_through(m, xp):
    def f(x):
        return xp.sum((x + m.stop_gradient(xp.round(x) - x)) ** 2)

    return m.value_and_grad(f)(xp.asarray([0.2, 1.7, -2.4]))


@recipe
def temporal_difference_update(m, xp):
    theta = xp.asarray([0.1, -0.1, 0.0])
    before, reward, after = (
        xp.asarray([1.0, 2.0, -1.0]),
        1.0,
        xp.asarray([2.0, 1.0, 0.0]),
    )

    def loss(theta):
        target = reward + after @ theta
        return (m.stop_gradient(target) - before @ theta) ** 2

    return m.grad(loss)(theta)


@recipe
def an_implicit_function(m, xp):
    """The fixed point of Heron's step, by the implicit function theorem."""

    def solve(a):
        far = lambda s: xp.abs(s[0] - s[1]) > 1e-12  # noqa: E731
        step = lambda s: (s[1], (s[1] + a / s[1]) / 2)  # noqa: E731
        return m.while_loop(far, step, (a * 0.0, a / 2 + 0.5))[1]

    root = m.custom_vjp(solve)

    def backward(residuals, t):
        a, x = residuals
        _, of_a = m.vjp(lambda a: (x + a / x) / 2, a)
        _, of_x = m.vjp(lambda x: (x + a / x) / 2, x)
        u = m.while_loop(
            lambda u: xp.abs(u[0] - u[1]) > 1e-12,
            lambda u: (u[1], t + of_x(u[1])[0]),
            (t + 1.0, t),
        )[1]
        return of_a(u)

    root.defvjp(lambda a: (solve(a), (a, solve(a))), backward)
    a = xp.asarray(2.0)
    rows = xp.asarray([2.0, 3.0, 10.0])
    return root(a), m.grad(root)(a), m.vmap(m.grad(root))(rows), m.vmap(root)(rows)


# ------------------------------------------------------------------ control flow


@recipe
def a_recurrent_network(m, xp):
    w = xp.asarray(np.asarray([[0.3, -0.4], [0.5, 0.2]]))
    xs = xp.asarray(np.sin(np.arange(10.0).reshape(5, 2)))

    def f(w, xs):
        def step(h, x):
            h = xp.tanh(w @ h + x)
            return h, xp.sum(h**2)

        h, ys = m.scan(m.checkpoint(step), xp.zeros(2, dtype=xp.float64), xs)
        return xp.sum(h) + xp.sum(ys)

    several = xp.stack([xs, 2 * xs])
    return {
        "gradient": m.value_and_grad(f, argnums=(0, 1))(w, xs),
        "hessian": m.hessian(f)(w, xs),
        "examples": m.vmap(m.grad(f), in_axes=(None, 0))(w, several),
    }


@recipe
def branches_and_loops(m, xp):
    f = lambda x: m.cond(x > 0.5, xp.log, lambda x: x * x, x)  # noqa: E731
    power = lambda x: m.fori_loop(0, 3, lambda k, y: y * x, x)  # noqa: E731
    halved = lambda x: m.while_loop(lambda y: y > 0.3, lambda y: y * 0.5, x)  # noqa: E731
    xs = xp.asarray([0.25, 0.75, 2.0])
    return [
        m.vmap(m.grad(f))(xs),
        m.vmap(m.grad(m.grad(power)))(xs),
        m.vmap(lambda x: m.jvp(halved, (x,), (x * 0 + 1.0,)))(xs),
        m.map(m.grad(f), xs),
    ]


# ------------------------------------------------------------------ torch.func


def forward(xp, network, x):
    for layer in network[:-1]:
        x = xp.tanh(layer["w"] @ x + layer["b"])
    return network[-1]["w"] @ x + network[-1]["b"]


def per_example(xp, network, x, t):
    return xp.sum((forward(xp, network, x) - t) ** 2)


@recipe
def gradients_of_each_example(m, xp):
    network = pytree.map(xp.asarray, NETWORK)
    f = lambda *given: per_example(xp, *given)  # noqa: E731
    return m.vmap(m.grad(f), (None, 0, 0))(
        network, xp.asarray(INPUTS), xp.asarray(TARGETS)
    )


@recipe
def an_ensemble(m, xp):
    models = pytree.map(lambda x: xp.stack([xp.asarray(x), xp.asarray(2 * x)]), NETWORK)
    inputs = xp.asarray(INPUTS)
    one = m.vmap(lambda *given: forward(xp, *given), (None, 0))
    shared = m.vmap(one, (0, None))(models, inputs)
    own = m.vmap(one, (0, 0))(models, xp.stack([inputs, -inputs]))
    return shared, own


@recipe
def jacobians_of_each_example(m, xp):
    network = pytree.map(xp.asarray, NETWORK)
    f = lambda *given: forward(xp, *given)  # noqa: E731
    total = lambda p, x: xp.sum(f(p, x) ** 2)  # noqa: E731
    inputs = xp.asarray(INPUTS)
    return {
        "inputs": m.vmap(m.jacrev(f, argnums=1), (None, 0))(network, inputs),
        "hessians": m.vmap(m.hessian(total, argnums=1), (None, 0))(network, inputs),
        "parameters": m.jacfwd(f)(network, inputs[0, ...]),
    }


@recipe
def neural_tangent_kernel(m, xp):
    """By contraction of Jacobians, and by a product of a JVP with a VJP."""
    network = pytree.map(xp.asarray, NETWORK)
    inputs = xp.asarray(INPUTS)
    f = lambda p, x: forward(xp, p, x)  # noqa: E731
    jacobians = m.vmap(m.jacrev(f), (None, 0))(network, inputs)
    flat = xp.concat(
        [xp.reshape(x, (4, 2, -1)) for x in pytree.flatten(jacobians)[0]], axis=-1
    )

    def pair(x, z):
        _, pullback = m.vjp(lambda p: f(p, x), network)

        def column(t):
            return m.jvp(lambda p: f(p, z), (network,), pullback(t))[1]

        return m.vmap(column)(xp.eye(2, dtype=xp.float64))

    rows = m.vmap(m.vmap(pair, (None, 0)), (0, None))(inputs, inputs)
    return xp.tensordot(flat, flat, axes=((2,), (2,))), rows


@recipe
def transposes(m, xp):
    w = xp.asarray(INPUTS)
    f = lambda x: {"wx": w @ x, "first": x[:2]}  # noqa: E731
    x = xp.asarray(W)
    transposed = m.linear_transpose(f, x)
    y = f(x)
    return transposed(y), m.vmap(transposed)(
        pytree.map(lambda y: xp.stack([y, 2 * y]), y)
    )


def test_two_ways_of_the_tangent_kernel_agree():
    contracted, products = RECIPES["neural_tangent_kernel"](ag, ag.ops)
    np.testing.assert_allclose(
        np.moveaxis(contracted, 1, 2), np.moveaxis(products, -1, -2), rtol=1e-10
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torch_func():
    """torch.func's own results, for its tutorial's network."""
    torch = pytest.importorskip("torch")
    network, inputs = pytree.map(torch.asarray, (NETWORK, INPUTS))
    targets = torch.asarray(TARGETS)
    f = lambda *given: per_example(ag.ops, *given)  # noqa: E731
    g = lambda *given: per_example(torch, *given)  # noqa: E731
    for ours, theirs in (
        (ag.grad, torch.func.grad),
        (ag.hessian, torch.func.hessian),
        (ag.jacfwd, torch.func.jacfwd),
    ):
        got = ag.vmap(ours(f), (None, 0, 0))(network, inputs, targets)
        expected = torch.func.vmap(theirs(g), (None, 0, 0))(network, inputs, targets)
        for y, y_torch in zip(leaves(got), leaves(expected), strict=True):
            np.testing.assert_allclose(y, y_torch, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name, jax):
    got = RECIPES[name](ag, ag.ops)
    expected = RECIPES[name](jax, jax.namespace)
    assert pytree.flatten(got)[1] == pytree.flatten(expected)[1]
    found = leaves(got)
    assert found
    for y, y_jax in zip(found, leaves(expected), strict=True):
        assert (y.shape, y.dtype) == (y_jax.shape, y_jax.dtype)
        np.testing.assert_allclose(y, y_jax, rtol=1e-9, atol=1e-11)
