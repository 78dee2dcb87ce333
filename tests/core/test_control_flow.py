"""Loops and branches: the same as Python's, differentiated, batched, checkpointed."""

import gc
import tracemalloc

import numpy as np
import pytest
from core_support import assert_equal
from test_custom_rules import assert_same

import autograd_core as ag

xp = ag.ops

W = np.asarray([0.5, -1.0, 0.3])
XS = np.linspace(-1.0, 1.0, 21).reshape(7, 3)


def step(w, carry, x):
    h = xp.tanh(carry["h"] * w + x)
    return {"h": h, "count": carry["count"] + 1}, (h * x, xp.sum(h))


def by_scan(w, xs, **options):
    init = {"h": xp.zeros_like(w), "count": 0}
    carry, (a, b) = ag.scan(lambda c, x: step(w, c, x), init, xs, **options)
    return {"h": carry["h"], "a": a, "b": b}


def by_python(w, xs, reverse=False, **_):
    carry, results = {"h": xp.zeros_like(w), "count": 0}, []
    for k in range(xs.shape[0])[:: -1 if reverse else 1]:
        carry, y = step(w, carry, xs[k, ...])
        results.append(y)
    results = results[::-1] if reverse else results
    a, b = (xp.stack(list(each)) for each in zip(*results, strict=True))
    return {"h": carry["h"], "a": a, "b": b}


def total(f, **options):
    def scalar(w, xs):
        y = f(w, xs, **options)
        return xp.sum(y["h"]) + xp.sum(y["a"] ** 2) + xp.sum(xp.exp(y["b"]))

    return scalar


NESTINGS = {
    "value": lambda f: f(W, XS),
    "grad": lambda f: ag.grad(f, (0, 1))(W, XS),
    "jvp": lambda f: ag.jvp(f, (W, XS), (W, XS)),
    "hessian": lambda f: ag.hessian(f)(W, XS),
    "grad of jvp": lambda f: ag.grad(lambda w: ag.jvp(f, (w, XS), (w, XS))[1])(W),
    "vmap of grad": lambda f: ag.vmap(ag.grad(f, (0, 1)), in_axes=(0, None))(
        np.stack([W, 2 * W]), XS
    ),
    "grad of vmap": lambda f: ag.grad(
        lambda w: xp.sum(ag.vmap(f, in_axes=(None, 0))(w, np.stack([XS, 2 * XS])))
    )(W),
}


@pytest.mark.parametrize("checkpoint", [False, True, 1, 2, 7, 100])
@pytest.mark.parametrize("nesting", NESTINGS)
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_loop(nesting, checkpoint, reverse):
    found = total(by_scan, reverse=reverse, checkpoint=checkpoint)
    assert_same(
        NESTINGS[nesting](found), NESTINGS[nesting](total(by_python, reverse=reverse))
    )


@pytest.mark.parametrize("checkpoint", [False, True])
def test_every_library(library, checkpoint):
    w, xs = library.asarray(W.tolist()), library.asarray(XS.tolist())
    found = ag.grad(total(by_scan, checkpoint=checkpoint), (0, 1))(w, xs)
    assert_same(found, ag.grad(total(by_python), (0, 1))(w, xs))
    assert_same(by_scan(w, xs), by_python(w, xs))


def test_scan_over_nothing_and_over_no_steps():
    total, ys = ag.scan(lambda c, _: (2 * c, c), 1.0, length=4)
    assert_equal(total, 16.0)
    assert_equal(ys, [1.0, 2.0, 4.0, 8.0])
    assert ag.scan(lambda c, x: (c, None), 1.0, XS)[1] is None
    carry, ys = ag.scan(lambda c, x: (c + x, {"y": 2 * x}), W, np.zeros((0, 3)))
    assert_equal(carry, W)
    assert ys["y"].shape == (0, 3)
    assert ag.scan(lambda c, x: (c, c * W), 1.0, length=0)[1].shape == (0, 3)


WRONG_SCANS = {
    "no pair": (
        lambda: ag.scan(lambda c, x: c, W, XS),
        TypeError,
        r"scan: the function must return a pair \(carry, y\); got float64\[3\]",
    ),
    "structure": (
        lambda: ag.scan(lambda c, x: ((c, c), x), W, XS),
        ValueError,
        r"scan: the carry must keep its structure, \*; got tuple\(0: \*, 1: \*\)",
    ),
    "shape": (
        lambda: ag.scan(lambda c, x: ({"a": c["a"][:1]}, x), {"a": W}, XS),
        ValueError,
        r"the carry\['a'\] must keep its shape and dtype, float64\[3\]; got .*\[1\]",
    ),
    "dtype": (
        lambda: ag.scan(lambda c, x: (c + x, x), W.astype(np.float32), XS),
        ValueError,
        r"must keep its shape and dtype, float32\[3\]; got float64\[3\]",
    ),
    "lengths": (
        lambda: ag.scan(lambda c, x: (c, x), W, (XS, XS[:2])),
        ValueError,
        r"scan: the arrays of xs must have one length.*got float64\[7,3\], float",
    ),
    "no length": (
        lambda: ag.scan(lambda c, x: (c, x), W),
        ValueError,
        "without arrays to go over the length must be given; got length=None",
    ),
    "no axis": (
        lambda: ag.scan(lambda c, x: (c, x), W, {"x": 2.0}),
        TypeError,
        r"scan: xs\['x'\] has no first axis to go over; got float 2\.0",
    ),
    "checkpoint": (
        lambda: ag.scan(lambda c, x: (c, x), W, XS, checkpoint=-1),
        ValueError,
        "checkpoint is True, or a number of steps, at least 1; got -1",
    ),
}


@pytest.mark.parametrize("name", WRONG_SCANS)
def test_what_a_wrong_scan_is_told(name):
    call, kind, words = WRONG_SCANS[name]
    with pytest.raises(kind, match=words):
        call()


# ------------------------------------------------------------------ other loops


@pytest.mark.parametrize("checkpoint", [False, True, 3])
def test_fori_loop(checkpoint):
    def power(x):
        def body(k, state):
            return {"y": state["y"] * x, "sum": state["sum"] + k * state["y"]}

        init = {"y": 1.0, "sum": 0.0}
        return ag.fori_loop(2, 9, body, init, checkpoint=checkpoint)

    def expected(x):
        y, sum_ = 1.0, 0.0
        for k in range(2, 9):
            y, sum_ = y * x, sum_ + k * y
        return {"y": y, "sum": sum_}

    x = np.asarray(1.1)
    assert_same(power(x), expected(x))
    assert_same(ag.jacrev(power)(x), ag.jacrev(expected)(x))
    assert_same(ag.jacfwd(power)(x), ag.jacfwd(expected)(x))
    assert ag.fori_loop(3, 3, lambda k, y: y + 1, 5) == 5


def test_map_is_vmap_one_by_one():
    def f(x):
        return {"sum": xp.sum(x), "square": x**2}

    def gradient(m):
        return ag.grad(lambda xs: xp.sum(m(f, xs)["square"]))(XS)

    assert_same(ag.map(f, XS), ag.vmap(f)(XS))
    assert_same(ag.map(f, XS, batch_size=3), ag.vmap(f)(XS))
    assert_equal(gradient(ag.map), 2 * XS)


def halve(x, limit=1.0, **options):
    """Halve until below a limit."""
    return ag.while_loop(
        lambda s: s[0] > limit, lambda s: (s[0] / 2, s[1] + 1), (x, 0), **options
    )


@pytest.mark.parametrize("checkpoint", [False, True])
def test_while_loop_in_both_modes_and_batched(checkpoint):
    def f(x):
        return halve(x, checkpoint=checkpoint)[0]

    xs = np.asarray([0.5, 3.0, 100.0])
    slopes = np.asarray([1.0, 0.25, 1 / 128])
    assert [halve(x, checkpoint=checkpoint)[1] for x in xs] == [0, 2, 7]
    for x, slope in zip(xs, slopes, strict=True):
        x = np.asarray(x)
        assert_equal(ag.grad(f)(x), slope)
        assert_equal(ag.jvp(f, (x,), (np.asarray(1.0),))[1], slope)
    assert_equal(ag.vmap(f)(xs), slopes * xs)
    assert_equal(ag.vmap(ag.grad(f))(xs), slopes)
    assert_equal(ag.grad(lambda x: xp.sum(ag.vmap(f)(x)))(xs), slopes)
    assert_equal(ag.vmap(lambda x: halve(x, checkpoint=checkpoint)[1])(xs), [0, 2, 7])


def test_a_bound_on_the_steps():
    assert halve(np.asarray(100.0), max_steps=7)[1] == 7
    with pytest.raises(
        RuntimeError,
        match=r"while_loop: the condition still holds after max_steps=6 steps; got "
        r"float64\[\], int 6\. Allow more steps",
    ):
        halve(np.asarray(100.0), max_steps=6)


def test_examples_that_have_ended_do_not_spoil_others():
    """Newton's method would divide by zero in the example that has arrived."""

    def root(a):
        return ag.while_loop(
            lambda x: xp.abs(x * x - a) > 1e-9, lambda x: x - (x * x - a) / (2 * x), a
        )

    a = np.asarray([1.0, 2.0, 9.0])
    assert_equal(ag.vmap(root)(a), np.sqrt(a), 1e-8)
    assert_equal(ag.vmap(ag.grad(root))(a), np.stack([ag.grad(root)(x) for x in a]))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (lambda x: x, r"the condition must be one boolean; got float64\[3\]"),
        (lambda x: None, "the condition must be one boolean; got NoneType None"),
        (xp.sum, r"the condition must be one boolean; got float64\[\]"),
    ],
)
def test_what_is_no_condition(condition, words):
    with pytest.raises(TypeError, match="while_loop: " + words):
        ag.while_loop(condition, lambda x: x, W)
    with pytest.raises(TypeError, match="cond: " + words):
        ag.cond(condition(W), xp.sin, xp.cos, W)


# ------------------------------------------------------------------ branches


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy: log(-1)
def test_cond_takes_the_value_and_the_derivative_of_one_branch():
    def f(x):
        return ag.cond(x > 0, lambda x: {"y": xp.log(x)}, lambda x: {"y": x * x}, x)[
            "y"
        ]

    xs = np.asarray([-1.0, 0.0, 2.0])
    slopes = [-2.0, 0.0, 0.5]
    assert_equal(np.stack([ag.grad(f)(x) for x in xs]), slopes)
    assert_equal(ag.vmap(f)(xs), [1.0, 0.0, np.log(2.0)])
    assert_equal(ag.vmap(ag.grad(f))(xs), slopes)
    assert_equal(ag.grad(lambda x: xp.sum(ag.vmap(f)(x)))(xs), slopes)
    assert_equal(ag.jvp(ag.vmap(f), (xs,), (np.ones(3),))[1], slopes)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy: sqrt(-1)
@pytest.mark.parametrize("wrap", [ag.checkpoint, lambda f: f])
def test_a_branch_that_is_one_step_does_not_leak(wrap):
    xs = np.asarray([0.0, 4.0, -1.0])

    def by_cond(x):
        return ag.cond(x > 0, wrap(xp.sqrt), lambda x: 0 * x, x)

    def by_switch(x):
        number = xp.astype(x > 0, xp.int64)
        return ag.switch(number, [lambda x: 0 * x, wrap(xp.sqrt)], x)

    for batched in map(ag.vmap, (by_cond, by_switch)):
        _, pullback = ag.vjp(batched, xs)
        assert_equal(pullback(np.ones(3))[0], [0.0, 0.25, 0.0])
        assert_equal(ag.jvp(batched, (xs,), (np.ones(3),))[1], [0.0, 0.25, 0.0])
    assert_equal(ag.vmap(ag.grad(by_cond))(xs), [0.0, 0.25, 0.0])
    assert_equal(ag.vmap(ag.grad(by_switch))(xs), [0.0, 0.25, 0.0])


def test_numbers_among_the_results():
    _, ys = ag.scan(lambda c, x: (c + 1.0, c), 0.5, np.arange(3.0))
    assert_equal(ys, [0.5, 1.5, 2.5])
    with pytest.raises(ValueError, match=r"carry must keep .* float 0\.5; got int64"):
        ag.scan(lambda c, x: (x, c), 0.5, np.arange(3))


def test_only_the_branch_that_is_taken_is_called():
    def refuse(x):
        raise AssertionError

    assert_equal(ag.cond(True, xp.sin, refuse, 0.0), 0.0)
    assert_equal(ag.grad(lambda x: ag.cond(x < 0, refuse, xp.sin, x))(0.0), 1.0)


def test_switch():
    branches = [xp.sin, xp.cos, xp.exp]
    for number, expected in ((-1, 0.0), (0, 0.0), (1, 1.0), (2, 1.0), (7, 1.0)):
        assert_equal(ag.switch(number, branches, 0.0), expected)
    numbers, x = np.asarray([-1, 0, 1, 2, 7]), np.full(5, 0.3)

    def f(number, x):
        return ag.switch(number, branches, x)

    expected = [np.sin(0.3), np.sin(0.3), np.cos(0.3), np.exp(0.3), np.exp(0.3)]
    assert_equal(ag.vmap(f)(numbers, x), expected)
    slopes = [np.cos(0.3), np.cos(0.3), -np.sin(0.3), np.exp(0.3), np.exp(0.3)]
    assert_equal(ag.vmap(ag.grad(f, 1))(numbers, x), slopes)
    with pytest.raises(ValueError, match="switch: there must be a branch; got none"):
        ag.switch(0, [], 1.0)


@pytest.mark.parametrize("number", [1.0, np.asarray(1.0), np.asarray([1]), True])
def test_what_is_no_number_of_a_branch(number):
    if number is True:
        assert_equal(ag.switch(True, [xp.sin, xp.cos], 0.0), 1.0)
        return
    with pytest.raises(TypeError, match="switch: the number of a branch must be one"):
        ag.switch(number, [xp.sin, xp.cos], 0.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.scan(W, W, XS),
        lambda: ag.map(3.0, XS),
        lambda: ag.fori_loop(0, 2, 3.0, W),
        lambda: ag.while_loop(True, xp.sin, W),
        lambda: ag.cond(True, xp.sin, 3.0, W),
        lambda: ag.switch(0, [3.0], W),
    ],
)
def test_what_is_no_function(call):
    with pytest.raises(TypeError, match="takes functions, which it calls itself; got"):
        call()


def test_bounds_that_are_no_integers():
    with pytest.raises(
        TypeError, match=r"fori_loop: lower and upper are integers; got"
    ):
        ag.fori_loop(0, 2.5, lambda k, y: y, W)


def test_branches_that_differ():
    def f(x):
        return ag.cond(x > 0, lambda x: (x, x), lambda x: x, x)

    with pytest.raises(ValueError, match=r"cond: the result of the second branch must"):
        ag.vmap(f)(np.ones(3))


# ------------------------------------------------------------------ long loops


def recurrence(count, checkpoint):
    xs = np.full(count, 0.1)

    def f(a):
        carry, _ = ag.scan(
            lambda c, x: (xp.sin(c * a) + x, None), 0.5, xs, checkpoint=checkpoint
        )
        return carry

    gc.collect()
    tracemalloc.start()
    slope = ag.grad(f)(0.9)
    size = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return slope, size


def test_memory_grows_as_the_square_root_of_the_steps():
    slope, small = recurrence(400, True)
    again, large = recurrence(6_400, True)
    plain, whole = recurrence(6_400, False)
    assert_equal(again, plain)
    assert_equal(slope, recurrence(400, False)[0])
    assert large / small < 8  # 4, where all would be 16
    assert whole / large > 8


def test_a_hundred_thousand_steps():
    slope, size = recurrence(100_000, True)
    assert np.isfinite(slope)
    assert size < 8e6
