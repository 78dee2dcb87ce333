"""Forward and reverse mode nested in every order, never confusing perturbations."""

import asyncio
import itertools
import math

import numpy as np
import pytest
from core_support import assert_equal

import autograd_core as ag

xp = ag.ops


def forward(f):
    """Differentiate a function of a 0-d array in forward mode."""

    def derivative(x):
        return ag.jvp(f, (x,), (1.0,))[1]

    return derivative


def reverse(f):
    """Differentiate it in reverse mode, with an explicit pullback."""

    def derivative(x):
        y, pullback = ag.vjp(f, x)
        return pullback(xp.ones_like(y))[0]

    return derivative


MODES = {"forward": forward, "reverse": reverse, "grad": ag.grad}


@pytest.fixture(params=itertools.product(MODES, MODES), ids="-".join)
def two_modes(request):
    return [MODES[name] for name in request.param]


@pytest.fixture(params=itertools.product(MODES, MODES, MODES), ids="-".join)
def three_modes(request):
    return [MODES[name] for name in request.param]


# ------------------------------------------------------- three levels


def test_third_derivative(three_modes):
    outer, middle, inner = three_modes
    third = outer(middle(inner(lambda x: xp.exp(2.0 * x) * xp.sin(x))))
    x = 0.7
    # e^(2x) sin x = Im e^((2+i)x): the third derivative is Im (2+i)^3 e^((2+i)x)
    expected = ((2 + 1j) ** 3 * np.exp((2 + 1j) * x)).imag
    assert_equal(third(x), expected)


def test_three_levels_of_closures(three_modes):
    """d/dx x * d/dy (y * d/dz (x y z^2)) = d/dx x * d/dy (2 x y^2 z) at y=x+1, z=2y."""
    outer, middle, inner = three_modes

    def of_x(x):
        def of_y(y):
            def of_z(z):
                return x * y * z * z

            return y * inner(of_z)(2.0 * y)  # y * 2 x y (2 y) = 4 x y^3

        return x * middle(of_y)(x + 1.0)  # x * 12 x (x + 1)^2

    x = 0.6
    expected = 24 * x * (x + 1) ** 2 + 24 * x**2 * (x + 1)
    assert_equal(outer(of_x)(x), expected)


def test_each_level_sees_its_own_variable_only(three_modes):
    """d/dx (x d/dy (y d/dz (z) )) = 1 whatever the innermost does not depend on."""
    outer, middle, inner = three_modes

    def of_x(x):
        return x * middle(lambda y: y * inner(lambda z: x * 0.0 + y * 0.0 + z)(1.0))(
            1.0
        )

    assert_equal(outer(of_x)(5.0), 1.0)


def test_inner_derivative_of_a_constant_is_zero(three_modes):
    outer, middle, inner = three_modes
    f = outer(lambda x: middle(lambda y: inner(lambda z: x * y)(1.0) + x * y)(1.0))
    assert_equal(f(3.0), 1.0)


def test_broadcasting_and_reductions_at_third_order(three_modes):
    outer, middle, inner = three_modes
    c = np.asarray([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]])

    def f(x):
        return xp.sum(xp.exp(x * c) @ xp.asarray([1.0, 2.0, -1.0]))

    weights = np.asarray([1.0, 2.0, -1.0])
    expected = np.sum((c**3 * np.exp(0.3 * c)) @ weights)
    assert_equal(outer(middle(inner(f)))(0.3), expected)


# ------------------------------------------------------- perturbation confusion


def test_siskind_and_pearlmutter(two_modes):
    """D(x -> x * D(y -> x + y)(1))(1) = 1, not 2 (Siskind & Pearlmutter 2005)."""
    outer, inner = two_modes
    assert_equal(outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0), 1.0)


def test_siskind_and_pearlmutter_with_a_product(two_modes):
    outer, inner = two_modes
    assert_equal(outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0), 6.0)


def test_amazing_bug_of_higher_order_functions(two_modes):
    """A curried shift differentiated twice (Manzyuk et al. 2019, section 4).

    s(u)(f)(x) = f(x + u), D the derivative at u = 0: D(s)(D(s)(exp))(1) = e, 0 with a
    confused perturbation.
    """
    outer, _ = two_modes

    def shift_derivative(f):
        return lambda x: outer(lambda u: f(x + u))(0.0)

    assert_equal(shift_derivative(shift_derivative(xp.exp))(1.0), math.e)


def test_inner_variable_equal_to_the_outer_one(two_modes):
    outer, inner = two_modes
    assert_equal(outer(lambda x: inner(lambda y: y * x)(x))(4.0), 1.0)
    assert_equal(outer(lambda x: inner(lambda y: y * y * x)(x))(4.0), 16.0)


def test_same_function_at_two_levels(two_modes):
    outer, inner = two_modes
    derivative = inner(xp.sin)
    f = outer(lambda x: derivative(x) * xp.sin(x) + derivative(2.0 * x))
    x = 0.4
    assert_equal(f(x), math.cos(2 * x) - 2 * math.sin(2 * x))


def test_derivative_in_a_direction_that_depends_on_the_point():
    def f(x):
        return ag.jvp(lambda y: y**3, (x,), (x,))[1]  # 3 x^3

    assert_equal(ag.grad(f)(2.0), 36.0)
    assert_equal(forward(f)(2.0), 36.0)


def test_constant_primal_with_an_outer_tangent():
    """The tangent is tracked while the value is not."""

    def f(x):
        return ag.jvp(lambda y: y * y, (3.0,), (xp.asarray(x),))[1]  # 6 x

    assert_equal(ag.grad(f)(5.0), 6.0)
    assert_equal(forward(f)(5.0), 6.0)


def test_constant_primal_with_an_outer_cotangent(two_modes):
    outer, _ = two_modes

    def f(x):
        _, pullback = ag.vjp(lambda y: y**3, 2.0)
        return pullback(x)[0] * x  # 12 x^2

    assert_equal(outer(f)(5.0), 120.0)


# ------------------------------------------------------- pullbacks


def test_a_pullback_may_be_called_several_times():
    x = np.asarray([1.0, 2.0])
    _, pullback = ag.vjp(lambda x: x**3, x)
    results = [pullback(np.asarray([k, 1.0]))[0] for k in (1.0, 2.0, 1.0)]
    assert_equal(results[0], [3.0, 12.0])
    assert_equal(results[1], [6.0, 12.0])
    assert_equal(results[2], results[0])
    assert results[2] is not results[0]


def test_a_pullback_may_be_differentiated_in_its_cotangent(two_modes):
    outer, _ = two_modes
    _, pullback = ag.vjp(lambda x: x**3, 2.0)
    assert_equal(outer(lambda t: pullback(t)[0] ** 2)(5.0), 2 * 5.0 * 144.0)


def test_forward_over_a_pullback_is_a_second_derivative():
    def derivative(x):
        y, pullback = ag.vjp(lambda x: xp.sin(x) * x, x)
        return pullback(xp.ones_like(y))[0]

    x = 0.9
    assert_equal(forward(derivative)(x), 2 * math.cos(x) - x * math.sin(x))


def test_pullbacks_called_in_another_order_than_they_were_made():
    pullbacks = [ag.vjp(lambda x, k=k: x**k, 2.0)[1] for k in (2, 3, 4)]
    t = np.asarray(1.0)
    assert [float(p(t)[0]) for p in reversed(pullbacks)] == [32.0, 12.0, 4.0]


def test_hessian_vector_product_all_ways():
    def f(x):
        return xp.sum(xp.sin(x) * x[::-1])

    x, v = np.asarray([0.1, 0.5, -0.4]), np.asarray([1.0, -2.0, 0.5])
    step = 1e-6
    slope = ag.grad(f)
    expected = (slope(x + step * v) - slope(x - step * v)) / (2 * step)
    ways = {
        "forward over reverse": ag.jvp(slope, (x,), (v,))[1],
        "reverse over reverse": ag.grad(lambda x: xp.sum(slope(x) * v))(x),
        "reverse over forward": ag.grad(lambda x: ag.jvp(f, (x,), (v,))[1])(x),
    }
    for way, result in ways.items():
        np.testing.assert_allclose(result, expected, rtol=1e-7, err_msg=way)
    assert_equal(ways["forward over reverse"], ways["reverse over forward"])
    assert_equal(ways["forward over reverse"], ways["reverse over reverse"])


# ------------------------------------------------------- interleaving


def test_interleaved_generators():
    """Values of an outer transform, drawn from generators inside inner ones."""

    def powers(x):
        y = x
        while True:
            yield y
            y = y * x

    def f(x):
        ours = powers(x)
        next(ours)

        def g(y):
            theirs = powers(y)
            total = 0.0 * y
            for _ in range(3):
                total = total + next(ours) * next(theirs)
            return total  # x^2 y + x^3 y^2 + x^4 y^3

        return ag.grad(g)(2.0) * next(ours)  # (x^2 + 4 x^3 + 12 x^4) x^5

    x = 1.1
    assert_equal(ag.grad(f)(x), 7 * x**6 + 32 * x**7 + 108 * x**8)
    assert_equal(forward(f)(x), 7 * x**6 + 32 * x**7 + 108 * x**8)


def test_two_generators_that_differentiate_in_turn():
    def descend(x, target):
        while True:
            slope = ag.grad(lambda x: (x - target) ** 2)(x)
            x = x - 0.25 * slope
            yield float(x)

    a, b = descend(8.0, 0.0), descend(-8.0, 2.0)
    assert [next(g) for _ in range(3) for g in (a, b)] == [
        4.0,
        -3.0,
        2.0,
        -0.5,
        1.0,
        0.75,
    ]


def test_tasks_that_differentiate_in_turn():
    async def second_derivative(k):
        t = ag.Tensor([float(k)])
        await asyncio.sleep(0)
        y = t**3
        await asyncio.sleep(0)
        (xp.sum(y)).backward()
        await asyncio.sleep(0)
        inner = ag.grad(ag.grad(lambda x: x**3 * k))(1.0)
        return t.grad[0], inner

    async def main():
        return await asyncio.gather(*(second_derivative(k) for k in range(1, 6)))

    for k, (first, second) in enumerate(asyncio.run(main()), start=1):
        assert_equal(first, 3.0 * k * k)
        assert_equal(second, 6.0 * k)


def test_a_coroutine_is_driven_inside_a_transform():
    async def work(x):
        y = xp.sin(x)
        await asyncio.sleep(0)
        return y * ag.grad(lambda z: z * z * x)(x)

    def f(x):
        return asyncio.run(work(x))  # 2 x^2 sin x

    x = 0.8
    expected = 4 * x * math.sin(x) + 2 * x * x * math.cos(x)
    assert_equal(ag.grad(f)(x), expected)


def test_nesting_on_every_library(library):
    x = library.asarray([0.3, -0.7], dtype=library.float64)

    def f(x):
        return xp.sum(xp.exp(x) * xp.sin(x[::-1]) + x**3)

    def g(x):
        return xp.sum(ag.grad(f)(x) ** 2)

    result = ag.grad(g)(x)
    assert type(result) is type(x)
    a, b = 0.3, -0.7
    e, s, c = math.exp, math.sin, math.cos
    slope = [
        e(a) * s(b) + e(b) * c(a) + 3 * a * a,
        e(b) * s(a) + e(a) * c(b) + 3 * b * b,
    ]
    hessian = np.asarray(
        [
            [e(a) * s(b) - e(b) * s(a) + 6 * a, e(a) * c(b) + e(b) * c(a)],
            [e(b) * c(a) + e(a) * c(b), e(b) * s(a) - e(a) * s(b) + 6 * b],
        ]
    )
    assert_equal(result, 2 * hessian @ slope)
    v = library.asarray([1.0, 2.0], dtype=library.float64)
    assert_equal(ag.jvp(ag.grad(f), (x,), (v,))[1], hessian @ [1.0, 2.0])
