"""Loops that are recorded as loops: the same results, and nothing that grows."""

import numpy as np
import pytest
from programs_support import assert_same_bits

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy

xp = ag.ops
W = np.asarray([[0.5, 0.1], [-0.2, 0.7]])
X0, XS = np.ones(2), np.random.default_rng(0).normal(size=(5, 2))


def network(w, x0, xs, reverse=False):
    def step(c, x):
        c = xp.tanh(w @ c + x)
        return c, {"norm": xp.sum(c**2), "last": c[0], "none": None}

    last, ys = ag.scan(step, x0, xs, reverse=reverse)
    return xp.sum(last) + xp.sum(ys["norm"] * 0.5) + xp.sum(ys["last"][1:])


def all_three(transform, **options):
    return lambda *arrays: transform(network, (0, 1, 2), **options)(*arrays)


TRANSFORMS = {
    "value": lambda *a: network(*a),
    "backwards": lambda *a: network(*a, reverse=True),
    "grad": all_three(ag.grad),
    "grad, backwards": lambda *a: ag.grad(lambda *a: network(*a, reverse=True))(*a),
    "jvp": lambda *a: ag.jvp(network, a, a),
    "hessian": lambda *a: ag.hessian(network)(*a),
    "reverse over reverse": lambda *a: ag.jacrev(ag.grad(network, 2), 0)(*a),
    "forward over reverse": lambda *a: ag.jacfwd(ag.grad(network, 1), 2)(*a),
    "linearize": lambda *a: ag.linearize(lambda w: network(w, *a[1:]), a[0])[1](a[0]),
    "a batch of sequences": lambda w, x0, xs: ag.vmap(
        ag.grad(network, (0, 2)), (None, None, 0)
    )(w, x0, xp.stack([xs, 2 * xs])),
    "a batch of weights": lambda w, x0, xs: ag.vmap(ag.grad(network), (0, None, None))(
        xp.stack([w, 2 * w]), x0, xs
    ),
    "gradient of a batch": lambda w, x0, xs: ag.grad(
        lambda w: xp.sum(ag.vmap(network, (None, None, 0))(w, x0, xp.stack([xs, -xs])))
    )(w),
}


@pytest.mark.parametrize("f", TRANSFORMS.values(), ids=TRANSFORMS)
def test_recorded_loops_agree_with_pythons(backend, f):
    arrays = [xp.asarray(x) for x in (W, X0, XS)]
    program = ag.trace(f)(*arrays)
    assert "loop" in {each.operation for each in program.instructions}
    for g in (program, program.optimise(), ag.compile(f)):
        got, expected = (ag.pytree.flatten(h(*arrays))[0] for h in (g, f))
        for x, y in zip(got, expected, strict=True):
            np.testing.assert_allclose(to_numpy(x), to_numpy(y), rtol=1e-12, atol=1e-13)


def test_programs_do_not_grow_with_the_number_of_steps():
    def lengths(f):
        return [
            len(ag.trace(f)(ag.spec((2, 2)), ag.spec(2), ag.spec((n, 2))))
            for n in (2, 99)
        ]

    for f in (network, all_three(ag.grad), TRANSFORMS["hessian"]):
        few, many = lengths(f)
        assert few == many


def test_programs_with_loops_are_differentiated_printed_and_compared():
    described = [ag.spec((2, 2)), ag.spec(2), ag.spec((5, 2))]
    program = ag.trace(network)(*described)
    gradient = program.grad()
    assert_same_bits(
        gradient(W, X0, XS), ag.trace(ag.grad(network))(*described)(W, X0, XS)
    )
    np.testing.assert_allclose(gradient(W, X0, XS), ag.grad(network)(W, X0, XS))
    text = str(program)
    assert "def scan(carry: float64[2], x: float64[2], held: float64[2,2]):" in text
    assert "loop(x0, xs, w, body=scan, carries=1, scanned=1, length=5)" in text
    assert program == ag.trace(network)(*described)
    other = ag.trace(lambda w, x0, xs: network(w, x0, 2 * xs))(*described)
    assert program != other

    def changed(w, x0, xs):
        return ag.scan(lambda c, x: (xp.sin(w @ c + x), None), x0, xs)[0]

    def also(w, x0, xs):
        return ag.scan(lambda c, x: (xp.cos(w @ c + x), None), x0, xs)[0]

    assert ag.trace(changed)(*described) != ag.trace(also)(*described)


def test_numbers_start_a_carry_and_closed_over_arrays_are_held():
    scale = np.asarray(2.0)

    def f(xs):
        return ag.scan(lambda c, x: (c + scale * x, c), 0.0, xs)

    program = ag.trace(f)(ag.spec(3))
    xs = np.asarray([1.0, 2.0, 3.0])
    assert_same_bits(program(xs)[1], f(xs)[1])
    scale[...] = 5.0
    assert float(program(xs)[0]) == 30.0


def test_a_loop_of_100_000_steps_is_compiled_at_once():
    def f(x, xs):
        return ag.scan(lambda c, x: (c * 0.999 + xp.sin(x), None), x, xs)[0]

    g = ag.compile(ag.grad(f, (0, 1)))
    xs = np.linspace(0.0, 1.0, 100_000)
    x_bar, xs_bar = g(np.asarray(1.0), xs)
    assert len(g.programs[0]) < 10
    np.testing.assert_allclose(xs_bar[-1], np.cos(1.0))
    np.testing.assert_allclose(x_bar, 0.999**100_000)


def test_what_a_body_may_not_do_raises():
    xs = ag.spec(3)
    with pytest.raises(TypeError, match="has no value to decide by"):
        ag.trace(lambda xs: ag.scan(lambda c, x: (c if c > 0 else x, c), 0.0, xs))(xs)
    with pytest.raises(ValueError, match="the carry must keep its shape and dtype"):
        ag.trace(lambda xs: ag.scan(lambda c, x: (xs, c), 0.0, xs))(xs)
    with pytest.raises(TypeError, match=r"must return a pair \(carry, y\)"):
        ag.trace(lambda xs: ag.scan(lambda c, x: c, 0.0, xs))(xs)
