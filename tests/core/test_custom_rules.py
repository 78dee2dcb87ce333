"""Functions with rules of their own, in every nesting of the transforms.

The reference is the same function without rules. A rule with a factor of 3 shows that
it is the rule that is used.
"""

import numpy as np
import pytest
from core_support import assert_equal

import autograd_core as ag

xp = ag.ops

X, Y = np.asarray([0.3, 0.5]), np.asarray([1.0, 2.0])
V, W = np.asarray([1.0, -2.0]), np.asarray([0.5, 3.0])


def plain(x, y):
    return {"product": xp.sin(x) * y, "exponential": xp.exp(y)}


def by_jvp(factor=1.0):
    @ag.custom_jvp
    def f(x, y):
        return plain(x, y)

    @f.defjvp
    def f_jvp(primals, tangents):
        (x, y), (x_dot, y_dot) = primals, tangents
        product = x_dot * xp.cos(x) * y + xp.sin(x) * y_dot
        tangent = {
            "product": factor * product,
            "exponential": factor * y_dot * xp.exp(y),
        }
        return f(x, y), tangent

    return f


def by_vjp(factor=1.0):
    @ag.custom_vjp
    def f(x, y):
        return plain(x, y)

    def backward(residuals, t):
        x, y = residuals["x"], residuals["y"]
        x_bar = factor * t["product"] * xp.cos(x) * y
        y_bar = t["product"] * xp.sin(x) + t["exponential"] * xp.exp(y)
        return x_bar, factor * y_bar

    f.defvjp(lambda x, y: (f(x, y), {"x": x, "y": y, "words": ("kept", 3)}), backward)
    return f


def total(f):
    return lambda *xs: sum(xp.sum(y**2) for y in ag.pytree.flatten(f(*xs))[0])


NESTINGS = {
    "value": lambda f: f(X, Y),
    "jvp": lambda f: ag.jvp(f, (X, Y), (V, W)),
    "vjp": lambda f: ag.vjp(f, X, Y)[1]({"product": V, "exponential": W}),
    "one argument": lambda f: ag.grad(total(f), 1)(X, Y),
    "linearize": lambda f: ag.linearize(f, X, Y)[1](V, W),
    "jvp of grad": lambda f: ag.jvp(ag.grad(total(f), (0, 1)), (X, Y), (V, W))[1],
    "grad of grad": lambda f: ag.grad(lambda x: xp.sum(ag.grad(total(f), 1)(x, Y) * V))(
        X
    ),
    "grad of jvp": lambda f: ag.grad(lambda x: ag.jvp(total(f), (x, Y), (V, W))[1])(X),
    "jvp of jvp": lambda f: ag.jvp(lambda x: ag.jvp(f, (x, Y), (V, W))[1], (X,), (V,))[
        1
    ],
    "hessian": lambda f: ag.hessian(total(f), (0, 1))(X, Y),
    "jacfwd": lambda f: ag.jacfwd(f, (0, 1))(X, Y),
    "jacrev": lambda f: ag.jacrev(f, (0, 1))(X, Y),
    "vmap": lambda f: ag.vmap(f)(X, Y),
    "vmap of one": lambda f: ag.vmap(f, in_axes=(0, None))(X, np.asarray(0.7)),
    "vmap of grad": lambda f: ag.vmap(ag.grad(total(f), (0, 1)))(X, Y),
    "grad of vmap of one": lambda f: ag.grad(
        total(ag.vmap(f, in_axes=(0, None))), (0, 1)
    )(X, np.asarray(0.7)),
    "jvp of vmap": lambda f: ag.jvp(
        ag.vmap(f, in_axes=(None, 0)), (np.asarray(0.7), Y), (np.asarray(2.0), W)
    ),
    "vmap of vmap": lambda f: ag.vmap(ag.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(
        X, Y
    ),
    "checkpoint": lambda f: ag.grad(total(ag.checkpoint(f)), (0, 1))(X, Y),
}


def assert_same(found, expected):
    leaves, structure = ag.pytree.flatten(found)
    others, other = ag.pytree.flatten(expected)
    assert structure == other
    for x, y in zip(leaves, others, strict=True):
        assert_equal(x, y)


@pytest.mark.parametrize("make", [by_jvp, by_vjp])
@pytest.mark.parametrize("nesting", NESTINGS)
def test_both_kinds_serve_every_transform(make, nesting):
    assert_same(NESTINGS[nesting](make()), NESTINGS[nesting](plain))


@pytest.mark.parametrize("make", [by_jvp, by_vjp])
@pytest.mark.parametrize("nesting", ["jvp", "vjp", "jacfwd", "linearize"])
def test_it_is_the_rule_that_is_used(make, nesting):
    three = NESTINGS[nesting](make(3.0))
    one = NESTINGS[nesting](make(1.0))
    if nesting == "jvp":
        three, one = three[1], one[1]
    assert_same(three, ag.pytree.map(lambda x: 3.0 * x, one))


@pytest.mark.parametrize("make", [by_jvp, by_vjp])
def test_every_library(library, make):
    f = make()
    x, y = (library.asarray([0.3, 0.5], dtype=library.float64) for _ in range(2))
    found = ag.grad(total(f), (0, 1))(x, y), ag.jvp(f, (x, y), (y, x))[1]
    expected = ag.grad(total(plain), (0, 1))(x, y), ag.jvp(plain, (x, y), (y, x))[1]
    assert_same(found, expected)


@pytest.mark.parametrize("make", [by_jvp, by_vjp])
def test_eager_tensors(make):
    x, y = ag.Tensor(X), ag.Tensor(Y)
    total(make())(x, y).backward()
    assert_same((x.grad, y.grad), ag.grad(total(plain), (0, 1))(X, Y))


def test_complex_numbers_have_their_adjoint():
    square = ag.custom_vjp(lambda z: z * z)
    square.defvjp(lambda z: (z * z, z), lambda z, t: (2 * xp.conj(z) * t,))
    z, t = np.asarray([1 + 2j, 3j]), np.asarray([1j, 2.0])
    expected = ag.jvp(lambda z: z * z, (z,), (t,))[1]
    assert_equal(ag.jvp(square, (z,), (t,))[1], expected)
    assert_equal(ag.vjp(square, z)[1](t)[0], ag.vjp(lambda z: z * z, z)[1](t)[0])


# ------------------------------------------------------------------ conveniences


def test_one_rule_for_each_argument():
    @ag.custom_jvp
    def f(x, y, z):
        return x * y + z

    f.defjvps(lambda t, _, x, y, z: t * y, lambda t, _, x, y, z: t * x, None)
    assert_same(ag.grad(f, (0, 1, 2))(2.0, 3.0, 4.0), (3.0, 2.0, 0.0))


@pytest.mark.parametrize("position", [(0,), (-2,), 0])
def test_what_is_not_differentiated_comes_first_in_the_rule(position):
    @ag.custom_jvp
    def first(function, x):
        return function(x)

    first = ag.custom_jvp(first.function, nondiff_argnums=position)

    @first.defjvp
    def first_jvp(function, primals, tangents):
        return function(*primals), 2 * tangents[0]

    assert_equal(ag.grad(lambda x: first(xp.sin, x))(0.3), 2.0)
    second = ag.custom_vjp(lambda x, function: function(x), nondiff_argnums=(1,))
    second.defvjp(
        lambda x, function: (function(x), x), lambda function, x, t: (function(x) * t,)
    )
    assert_equal(ag.grad(lambda x: second(x, xp.sin))(0.3), np.sin(0.3))


def test_arguments_by_name_and_by_default():
    @ag.custom_vjp
    def f(x, scale=3.0):
        return x * scale

    f.defvjp(lambda x, scale: (x * scale, scale), lambda s, t: (t * s, None))
    assert_equal(ag.grad(lambda x: f(x=x))(2.0), 3.0)
    assert_equal(ag.grad(lambda x: f(scale=5.0, x=x))(2.0), 5.0)


def test_none_stands_for_zeros_and_integers_pass():
    @ag.custom_vjp
    def pick(x, k):
        return x["values"][k]

    pick.defvjp(lambda x, k: (x["values"][k], None), lambda _, t: (None, None))
    g = ag.grad(lambda x: pick(x, np.asarray(1)))({"values": X})
    assert_equal(g["values"], [0.0, 0.0])


def test_it_looks_like_the_function():
    @ag.custom_jvp
    def name_of_it(x):
        """Say what it does."""
        return x

    assert name_of_it.__name__ == "name_of_it"
    assert name_of_it.__doc__ == "Say what it does."


# ------------------------------------------------------------------ what is wrong


def wrong_vjp(backward, forward=lambda x, y: (x * y, (x, y))):
    f = ag.custom_vjp(lambda x, y: x * y)
    f.function.__name__ = f.name = "product"
    f.defvjp(forward, backward)
    return lambda: ag.grad(lambda x: xp.sum(f(x, Y)))(X)


def wrong_jvp(rule):
    f = ag.custom_jvp(lambda x: {"a": 2 * x})
    f.name = "double"
    f.defjvp(rule)
    return lambda: ag.jvp(f, (X,), (V,))


WRONG = {
    "too few": (
        wrong_vjp(lambda r, t: (t,)),
        TypeError,
        "custom_vjp product: bwd must return a tuple of 2, one cotangent for each "
        "argument; got 1",
    ),
    "no tuple": (
        wrong_vjp(lambda r, t: t),
        TypeError,
        r"bwd must return a tuple of 2, .*; got float64\[2\]",
    ),
    "shape": (
        wrong_vjp(lambda r, t: (xp.sum(t), t)),
        ValueError,
        r"the cotangent of argument 0 must be like .*float64\[2\]; got float64\[\]",
    ),
    "dtype": (
        wrong_vjp(lambda r, t: (t, xp.astype(t, xp.float32))),
        ValueError,
        r"the cotangent of argument 1 must be like .*float64\[2\]; got float32\[2\]",
    ),
    "structure": (
        wrong_vjp(lambda r, t: ([t], t)),
        ValueError,
        r"the cotangent of argument 0 must have its structure, \*; got list",
    ),
    "fwd": (
        wrong_vjp(lambda r, t: (t, t), forward=lambda x, y: x * y),
        TypeError,
        r"fwd must return a pair, the result and the residuals; got float64\[2\]",
    ),
    "jvp no pair": (
        wrong_jvp(lambda p, t: p[0]),
        TypeError,
        "custom_jvp double: defjvp's rule must return a pair, the result and its",
    ),
    "jvp structure": (
        wrong_jvp(lambda p, t: ({"a": 2 * p[0]}, 2 * t[0])),
        ValueError,
        r"the tangent must have the structure of the result, dict\('a': \*\); got \*",
    ),
    "jvp shape": (
        wrong_jvp(lambda p, t: ({"a": 2 * p[0]}, {"a": 2 * t[0][:1]})),
        ValueError,
        r"the tangent must be like .*float64\[2\]; got float64\[1\]",
    ),
    "no jvp": (
        lambda: ag.grad(ag.custom_jvp(xp.sin))(1.0),
        TypeError,
        "custom_jvp sin: has no rule; got sin. Give one with defjvp",
    ),
    "no vjp": (
        lambda: ag.grad(ag.custom_vjp(xp.sin))(1.0),
        TypeError,
        "custom_vjp sin: has no rule; got sin. Give one with defvjp",
    ),
    "nondiff": (
        lambda: ag.custom_jvp(xp.sin, nondiff_argnums=(3,))(1.0),
        ValueError,
        r"nondiff_argnums must name some of the 1 arguments; got \(3,\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_wrong_rule_is_told(name):
    call, kind, words = WRONG[name]
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize("transform", [ag.grad, ag.jacfwd, ag.vmap])
@pytest.mark.parametrize("kind", [ag.custom_jvp, ag.custom_vjp])
def test_an_array_that_is_closed_over_is_refused(kind, transform):
    def loss(w):
        f = kind(lambda x: w * x)
        if kind is ag.custom_jvp:
            f.defjvp(lambda p, t: (w * p[0], w * t[0]))
        else:
            f.defvjp(lambda x: (w * x, None), lambda _, t: (w * t,))
        return f(w)

    words = f"depends on an array of {transform.__name__} that it was not given"
    x = np.ones(2) if transform is ag.vmap else 2.0
    with pytest.raises(ValueError, match=words):
        transform(loss)(x)


# ------------------------------------------------------------------ hooks


def test_a_hook_sees_the_sum_of_what_all_uses_give():
    seen = []

    def loss(x):
        x = ag.gradient_hook(x, seen.append)
        return xp.sum(x * Y) + xp.sum(x)

    assert_equal(ag.grad(loss)(X), Y + 1)
    (t,) = seen
    assert_equal(t, Y + 1)


@pytest.mark.parametrize("order", ["vmap of grad", "grad of vmap"])
def test_a_hook_sees_one_example_of_a_batch(order):
    def loss(x):
        x = ag.gradient_hook(x, lambda t: t / xp.sqrt(xp.sum(t * t)))
        return xp.sum(x * x)

    rows = np.asarray([[3.0, 4.0], [0.0, 2.0]])
    if order == "vmap of grad":
        found = ag.vmap(ag.grad(loss))(rows)
    else:
        found = ag.grad(lambda x: xp.sum(ag.vmap(loss)(x)))(rows)
    assert_equal(found, [[0.6, 0.8], [0.0, 1.0]])


def test_a_hook_leaves_values_and_tangents_alone_and_can_be_differentiated():
    def loss(x):
        return ag.gradient_hook({"x": x, "n": 3}, lambda t: 10 * t)["x"] ** 3

    assert_equal(loss(2.0), 8.0)
    assert_equal(ag.jvp(loss, (2.0,), (1.0,))[1], 12.0)
    assert_equal(ag.grad(loss)(2.0), 120.0)
    assert_equal(ag.jvp(ag.grad(loss), (2.0,), (1.0,))[1], 120.0)
    assert_equal(ag.grad(lambda x: ag.jvp(loss, (x,), (1.0,))[1])(2.0), 120.0)


def test_a_hook_on_an_eager_tensor():
    x = ag.Tensor([1.0, 2.0])
    xp.sum(ag.gradient_hook(x, lambda t: xp.clip(5 * t, -1.0, 1.0)) * 2.0).backward()
    assert_equal(x.grad, [1.0, 1.0])


def test_what_a_wrong_hook_is_told():
    with pytest.raises(
        ValueError, match=r"gradient_hook: .*float64\[2\].* got float64\[\]"
    ):
        ag.grad(lambda x: xp.sum(ag.gradient_hook(x, xp.sum)))(X)
    with pytest.raises(
        TypeError, match="gradient_hook: takes a pytree of arrays and a"
    ):
        ag.gradient_hook(X, 3.0)


# ------------------------------------------------------------------ found by reading


def test_a_mapped_integer_differentiated_outside():
    f = ag.custom_jvp(lambda x, k: x * k)
    f.defjvp(lambda p, t: (f(*p), t[0] * p[1]))
    ks = np.asarray([2, 3])
    found = ag.grad(lambda x: xp.sum(ag.vmap(f, in_axes=(None, 0))(x, ks)))(2.0)
    assert_equal(found, 5.0)


def test_a_custom_function_of_a_custom_function():
    inner = by_jvp()
    outer = ag.custom_vjp(inner)
    outer.defvjp(lambda x, y: (inner(x, y), (x, y)), lambda r, t: r)
    assert outer.function is inner
    assert_same(ag.grad(total(outer), (0, 1))(X, Y), (X, Y))


def test_rules_for_each_argument_where_some_have_none():
    f = ag.custom_jvp(lambda n, x: x**n, nondiff_argnums=0)
    f.defjvps(lambda t, _, x: t)
    with pytest.raises(
        TypeError, match="defjvps takes rules of arguments that are all"
    ):
        ag.grad(f, 1)(3, 2.0)


def test_a_hook_that_writes_leaves_other_cotangents_alone():
    def loss(x, y):
        return xp.sum((ag.gradient_hook(x, lambda t: t.__imul__(0.0)) + y) * W)

    assert_same(ag.grad(loss, (0, 1))(X, Y), (np.zeros(2), W))


def test_a_hook_that_keeps_an_array_of_a_transform():
    def loss(x):
        return xp.sum(ag.gradient_hook(2 * x, lambda t: t * x))

    with pytest.raises(ValueError, match="kept from a call of grad that has ended"):
        ag.grad(loss)(X)


def test_linearize_of_results_that_are_no_floats():
    _, pushforward = ag.linearize(lambda x: (2 * x, xp.argmax(x), 1.5), X)
    found = pushforward(V)
    assert_same(found, (2 * V, 0, 0.0))


def test_forward_mode_below_a_complex_reverse_mode():
    def f(z):
        def inner(w):
            g = ag.grad(lambda v: xp.real(w * v))(np.asarray(2.0 + 1j))
            return xp.real(g)

        return ag.jvp(inner, (z,), (np.asarray(1.0 + 0j),))

    y, y_bar = ag.vjp(f, np.asarray(1.0 + 2j))
    assert_same(y, (1.0, 1.0))
    assert_same(y_bar((np.asarray(1.0), np.asarray(0.0)))[0], 1.0 + 0j)
