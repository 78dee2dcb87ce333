"""vmap: axes of pytrees, what depends on the batch and what does not, and nestings."""

import re
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from core_support import assert_equal, here, to_numpy

import autograd_core as ag
from autograd_core import batching, declare
from autograd_core.backend import backend_of
from autograd_core.operation import registry

xp = ag.ops
ROWS = np.asarray([[0.5, -1.0], [2.0, 3.0], [-0.25, 1.5]])


@dataclass
class Layer:
    w: Any
    b: Any


def loop(f, *columns):
    """Apply a function to one example after the other."""
    return np.stack([to_numpy(f(*row)) for row in zip(*columns, strict=True)])


# ------------------------------------------------------------------ axes


@pytest.mark.parametrize("shape", [(), (4,), (4, 5)])
@pytest.mark.parametrize("result", [0, 1])
def test_every_axis_in_and_out(shape, result):
    x = np.arange(3.0 * np.prod(shape)).reshape(3, *shape)
    f = lambda x: xp.stack([x, x**2])[result:, ...]  # noqa: E731
    expected = loop(f, x)
    for into in range(-x.ndim, x.ndim):
        for out in range(-expected.ndim, expected.ndim):
            y = ag.vmap(f, in_axes=into, out_axes=out)(np.moveaxis(x, 0, into))
            assert_equal(y, np.moveaxis(expected, 0, out))


def test_axes_of_pytrees():
    p = {"layer": Layer(np.ones((2, 3)), np.arange(3.0)), "scale": (2.0, None)}
    axes = {"layer": Layer(1, 0), "scale": None}
    g = lambda p, x: {"y": p["layer"].w * x + p["layer"].b, "s": p["scale"][0]}  # noqa: E731
    y = ag.vmap(g, in_axes=(axes, 1), out_axes={"y": -1, "s": None})(p, ROWS.T)
    assert_equal(y["y"], (ROWS + np.arange(3.0)[:, None]).T)
    assert y["s"] == 2.0


def test_in_axes_as_list_and_prefix():
    f = lambda x, t: x * t[0] + t[1]["k"]  # noqa: E731
    t = (ROWS, {"k": ROWS[:, 0]})
    expected = ROWS * ROWS + ROWS[:, :1]
    assert_equal(ag.vmap(f)(ROWS, t), expected)
    assert_equal(ag.vmap(f, [0, 0])(ROWS, t), expected)
    assert_equal(ag.vmap(f, (0, (0, 0)))(ROWS, t), expected)
    shared = ag.vmap(f, (0, (0, {"k": None})))(ROWS, (ROWS, {"k": 2.0}))
    assert_equal(shared, ROWS * ROWS + 2.0)


def test_keywords_have_their_examples_first():
    f = lambda x, *, y, z=1.0: x * xp.sum(y["y"]) * z  # noqa: E731
    got = ag.vmap(f, in_axes=1)(ROWS.T, y={"y": ROWS}, z=ROWS[:, 0])
    assert_equal(got, ROWS * ROWS.sum(axis=1)[:, None] * ROWS[:, :1])


def test_axis_size():
    assert_equal(ag.vmap(lambda: xp.asarray(2.0), axis_size=3)(), [2.0, 2.0, 2.0])
    got = ag.vmap(lambda x: x + 1, in_axes=None, axis_size=2)(ROWS[0])
    assert_equal(got, [ROWS[0] + 1] * 2)


def test_results_that_do_not_depend_on_the_batch():
    f = lambda x: {"shared": xp.asarray([1, 2]), "number": 3.0, "x": x, "none": None}  # noqa: E731
    out = ag.vmap(f)(ROWS)
    assert_equal(out["shared"], [[1, 2]] * 3)
    assert out["shared"].dtype == np.int64
    assert_equal(out["number"], [3.0] * 3)
    assert out["none"] is None
    out = ag.vmap(f, out_axes={"shared": None, "number": None, "x": 1, "none": 0})(ROWS)
    assert_equal(out["shared"], [1, 2])
    assert out["number"] == 3.0
    assert_equal(out["x"], ROWS.T)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 100])
def test_chunks(chunk_size):
    f = lambda x, w: {"y": xp.sum(x * w), "w": w, "x": x}  # noqa: E731
    sizes = []

    def g(x, w):
        y = f(x, w)
        sizes.append(y["x"].value.shape[0])
        return y

    got = ag.vmap(g, (0, None), {"y": 0, "w": None, "x": 1}, chunk_size=chunk_size)(
        ROWS, ROWS[0]
    )
    assert max(sizes) == min(chunk_size, 3)
    assert sum(sizes) == 3
    assert_equal(got["y"], ROWS @ ROWS[0])
    assert_equal(got["w"], ROWS[0])
    assert_equal(got["x"], ROWS.T)


# ------------------------------------------------------------------ nestings

LOSS = lambda x: xp.sum(xp.sin(x) * x[0]) ** 2  # noqa: E731
TRANSFORMS = {
    "grad": ag.grad(LOSS),
    "jvp": lambda x: ag.jvp(LOSS, (x,), (xp.cos(x),))[1],
    "vjp": lambda x: ag.vjp(xp.sin, x)[1](x)[0],
    "hessian": ag.hessian(LOSS),
    "hessian in chunks": ag.hessian(LOSS, chunk_size=1),
    "jacobian": ag.jacobian(lambda x: xp.sin(x) * x[0]),
    "hvp": lambda x: ag.hvp(LOSS, (x,), (x,)),
    "linearize": lambda x: ag.linearize(LOSS, x)[1](x),
    "checkpoint": ag.grad(ag.checkpoint(LOSS)),
    "scan": ag.grad(lambda x: ag.scan(lambda c, z: (xp.sin(c * z), c), 1.0, x)[0]),
    "cond": ag.grad(lambda x: ag.cond(x[0] > 0, LOSS, xp.sum, x)),
    "stop_gradient": ag.grad(lambda x: LOSS(x) * xp.sum(ag.stop_gradient(x))),
    "vmap": ag.vmap(ag.grad(lambda x: xp.sin(x) * x)),
}


@pytest.mark.parametrize("what", TRANSFORMS)
@pytest.mark.parametrize("chunk_size", [None, 2])
def test_of_every_transform(what, chunk_size):
    f = TRANSFORMS[what]
    assert_equal(ag.vmap(f, chunk_size=chunk_size)(ROWS), loop(f, ROWS))


@pytest.mark.parametrize("what", TRANSFORMS)
def test_every_transform_of_it(what):
    """The derivative of a sum over examples is that of each example."""
    f = TRANSFORMS[what]
    total = lambda g: lambda x: xp.sum(xp.sin(g(x)))  # noqa: E731
    each = loop(ag.grad(total(f)), ROWS)
    assert_equal(ag.grad(total(ag.vmap(f)))(ROWS), each, 1e-10)
    direction = np.cos(ROWS)
    expected = loop(lambda x, t: ag.jvp(f, (x,), (t,))[1], ROWS, direction)
    assert_equal(ag.jvp(ag.vmap(f), (ROWS,), (direction,))[1], expected, 1e-10)


def test_nested_in_itself():
    """All pairs: a batch of batches, each over an argument of its own."""
    f = lambda x, y: xp.sum(x * xp.cos(y))  # noqa: E731
    pairs = ag.vmap(ag.vmap(f, (None, 0)), (0, None))
    expected = ROWS @ np.cos(ROWS).T
    assert_equal(pairs(ROWS, ROWS), expected)
    grads = ag.vmap(ag.vmap(ag.grad(f), (None, 0)), (0, None))(ROWS, ROWS)
    assert_equal(grads, np.broadcast_to(np.cos(ROWS), (3, 3, 2)))
    swapped = ag.vmap(ag.vmap(f, (0, None)), (None, 0), out_axes=1)
    assert_equal(swapped(ROWS, ROWS), expected)


def test_over_a_batch_that_is_closed_over():
    f = lambda x: ag.vmap(lambda y: xp.sum(x) * y)(x)  # noqa: E731
    assert_equal(ag.vmap(f)(ROWS), ROWS * ROWS.sum(axis=1)[:, None])
    got = ag.grad(lambda w: xp.sum(ag.vmap(lambda x: xp.sum(w * x) ** 2)(ROWS)))(
        ROWS[0]
    )
    assert_equal(got, 2 * ROWS.T @ (ROWS @ ROWS[0]))


def test_gradients_of_each_example_on_pytrees():
    p = {"w": ROWS[0], "b": np.asarray(0.5)}
    loss = lambda p, x, y: (xp.sum(p["w"] * x) + p["b"] - y) ** 2  # noqa: E731
    ys = np.asarray([1.0, 2.0, 3.0])
    grads = ag.vmap(ag.grad(loss), (None, 0, 0))(p, ROWS, ys)
    residuals = 2 * (ROWS @ p["w"] + p["b"] - ys)
    assert_equal(grads["b"], residuals)
    assert_equal(grads["w"], residuals[:, None] * ROWS)


# ------------------------------------------------------------------ inside


INSIDE = {
    "Python scalars": lambda x: 2 - x * 3 + x / 2 + 2**x,
    "operators": lambda x: -abs(x) + x @ x + x[::-1] % 0.7,
    "masks": lambda x: xp.where((x > 0) & ~(x > 1) | (x < -0.5), x, -x),
    "a mask as an array": lambda x: xp.astype(x > 0, xp.float64) * x,
    "any and all": lambda x: xp.where(xp.any(x > 2.5), x, xp.zeros_like(x)),
    "integers": lambda x: x * xp.asarray([1, 2]) + xp.argmax(x),
    "an index of each": lambda x: xp.take(x, xp.argsort(x), axis=0),
    "numpy's functions": lambda x: (
        np.sin(x) * np.sum(np.exp(x)) + np.where(x > 0, x, 1)
    ),
    "shape": lambda x: xp.reshape(x, (x.shape[0], 1)) * xp.ones(x.shape) / x.ndim,
    "iteration": lambda x: sum(z * k for k, z in enumerate(x)),
    "unpacking": lambda x: (lambda a, b: a * b)(*x),
}


@pytest.mark.parametrize("what", INSIDE)
def test_what_may_stand_inside(what):
    f = INSIDE[what]
    got = ag.vmap(f)(ROWS)
    expected = loop(f, ROWS)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    assert_equal(got, expected)


def test_writing():
    def f(x):
        y = 0.0 * x
        y[0] = x[1] ** 2
        y[1:] += x[0]
        return y * x

    assert_equal(ag.vmap(f)(ROWS), loop(f, ROWS))
    g = ag.grad(lambda x: xp.sum(f(x)))
    assert_equal(ag.vmap(g)(ROWS), loop(g, ROWS))


def test_arrays_of_every_dtype():
    n = np.asarray([[1, 2], [3, 4]])
    got = ag.vmap(lambda n: n * 2 + xp.sum(n))(n)
    assert got.dtype == np.int64
    assert_equal(got, n * 2 + n.sum(axis=1)[:, None])
    assert ag.vmap(lambda m: ~m)(n > 2).tolist() == [[True, True], [False, False]]
    z = ROWS + 1j
    assert_equal(
        ag.vmap(lambda z: xp.sum(xp.conj(z) * z))(z), (abs(z) ** 2).sum(axis=1)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library(library, dtype):
    x = library.asarray(ROWS, dtype=getattr(library, dtype))
    f = lambda x: (xp.tanh(x * 2.0) @ x, xp.where(x > 0, x, 0.0 * x)[..., 0])  # noqa: E731
    for g in (f, ag.jacobian(f)):
        got = ag.vmap(g)(x)
        expected = zip(*[g(x[k, ...]) for k in range(3)], strict=True)
        for y, each in zip(got, expected, strict=True):
            assert backend_of(y) is library
            assert y.dtype == x.dtype
            assert_equal(y, np.stack([to_numpy(one) for one in each]), 1e-6)


def test_no_examples():
    none = ROWS[:0]
    f = lambda x: (xp.sum(x), xp.sin(x)[:, None] @ x[None, :])  # noqa: E731
    for chunk_size in (None, 2):
        y, z = ag.vmap(f, chunk_size=chunk_size)(none)
        assert (y.shape, z.shape) == ((0,), (0, 2, 2))
    assert ag.vmap(ag.hessian(LOSS))(none).shape == (0, 2, 2)


def test_eager_tensors():
    w, x = ag.Tensor(ROWS[0]), ag.Tensor(ROWS)
    y = ag.vmap(lambda x: xp.sum(w * x**2))(x)
    xp.sum(y).backward()
    assert_equal(w.grad, (ROWS**2).sum(axis=0))
    assert_equal(x.grad, 2 * ROWS * ROWS[0])


def test_threads():
    """Each thread has levels of its own."""
    f = ag.vmap(ag.grad(LOSS))
    expected, results = loop(ag.grad(LOSS), ROWS), {}
    gate = threading.Barrier(4)

    def work(k):
        gate.wait()
        results[k] = [f(ROWS * 1.0) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        for got in results[k]:
            assert_equal(got, expected)


# ------------------------------------------------------------------ without a rule


@pytest.fixture
def fresh(monkeypatch):
    """Undo what a test declares, and let it hear of a loop."""
    monkeypatch.setattr(batching, "_said", set())
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


def square_rule(xp, t, x):
    return 2.0 * x * t


def square_forward(xp, x):
    return x * x


@pytest.mark.usefixtures("fresh")
def test_without_a_rule_it_loops_and_says_so_once():
    @declare.general(
        jvp={"x": square_rule},
        vjp={"x": square_rule},
        implementation=square_forward,
        samples=[declare.sample((3,))],
    )
    def slow_square(x, /):
        """Square."""

    f = lambda x: xp.sum(slow_square(x) * x)  # noqa: E731
    with pytest.warns(RuntimeWarning, match="slow_square has no batching rule"):
        got = ag.vmap(f)(ROWS)
    ag.vmap(ag.hessian(f))(ROWS)  # a second warning would be an error
    assert_equal(got, (ROWS**3).sum(axis=1))
    assert_equal(ag.vmap(ag.grad(f))(ROWS), 3 * ROWS**2)
    assert_equal(
        ag.vmap(ag.grad(lambda x: xp.sum(x * slow_square(ROWS))))(ROWS),
        loop(lambda x: (ROWS**2).sum(axis=0), ROWS),
    )
    with pytest.raises(ValueError, match=r"slow_square: .*at least one example"):
        ag.vmap(slow_square)(ROWS[:0])


# ------------------------------------------------------------------ errors

REFUSED = {
    "if": (lambda x: x if x[0] > 0 else -x, "bool()", r"3 examples of bool\[\].*where"),
    "and": (lambda x: x[0] > 0 and x[1], "bool()", "where"),
    "float": (lambda x: float(x[0]), "float()", r"float64\[\]"),
    "int": (lambda x: int(x[0]), "int()", r"float64\[\]"),
    "index": (lambda x: [1, 2][xp.argmax(x)], "index", r"int64\[\]"),
    "while": (lambda x: [None for _ in iter(lambda: bool(x[0] > 0), 0)], "bool()", ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_values_are_not_known(what):
    f, name, words = REFUSED[what]
    match = (
        f"^{re.escape(name)}: a batch of values in vmap is no one value; got .*{words}"
    )
    with pytest.raises(TypeError, match=match):
        ag.vmap(f)(ROWS)


def test_a_shape_that_depends_on_values():
    for f in (xp.nonzero, lambda x: x[x > 0], xp.unique_values):
        with pytest.raises(TypeError, match=r"shape depends on values.*where"):
            ag.vmap(f)(ROWS)


ERRORS = {
    "sizes": (
        lambda: ag.vmap(lambda x, y: x)(ROWS, ROWS[:2]),
        ValueError,
        r"the arguments must have the same number of examples; got 3 in argument 0 "
        r"\(x\): float64\[3,2\]; 2 in argument 1 \(y\): float64\[2,2\]\. Say None",
    ),
    "axis_size": (
        lambda: ag.vmap(lambda x: x, axis_size=4)(ROWS),
        ValueError,
        r"same number of examples; got 4 in axis_size; 3 in argument 0 \(x\)",
    ),
    "a number": (
        lambda: ag.vmap(lambda x, y: x)(ROWS, 2.0),
        TypeError,
        r"argument 1 \(y\) has no axis of examples; got float 2\.0\. Give an array, or "
        "say None in in_axes",
    ),
    "a list": (
        lambda: ag.vmap(lambda x: x)([1.0, 2.0]),
        TypeError,
        r"argument 0 \(x\)\[0\]",
    ),
    "a 0-d array": (
        lambda: ag.vmap(lambda x: x)(np.asarray(1.0)),
        ValueError,
        r"argument 0 \(x\) has no axis 0; got float64\[\]",
    ),
    "an axis too many": (
        lambda: ag.vmap(lambda p: p, in_axes=2)({"w": ROWS}),
        ValueError,
        r"argument 0 \(p\)\['w'\] has no axis 2; got float64\[3,2\]",
    ),
    "too few axes": (
        lambda: ag.vmap(lambda x, y: x, in_axes=(0,))(ROWS, ROWS),
        ValueError,
        r"in_axes must name an axis, or None, for each of the 2 positional arguments; "
        r"got in_axes=\(0,\)",
    ),
    "another structure": (
        lambda: ag.vmap(lambda p: p, in_axes=({"v": 0},))({"w": ROWS}),
        TypeError,
        r"in_axes must be an integer, None, or have the form of argument 0 \(p\)",
    ),
    "nothing mapped": (
        lambda: ag.vmap(lambda x: x, in_axes=None)(ROWS),
        ValueError,
        "no argument has an axis of examples; .*Map one, or say axis_size",
    ),
    "out_axes None": (
        lambda: ag.vmap(lambda x: x, out_axes=None)(ROWS),
        ValueError,
        "a result for which out_axes is None must be the same for all examples",
    ),
    "out_axes too large": (
        lambda: ag.vmap(lambda x: x, out_axes=3)(ROWS),
        ValueError,
        "a result has no place for an axis 3",
    ),
    "out_axes of another structure": (
        lambda: ag.vmap(lambda x: x, out_axes=(0, 0))(ROWS),
        TypeError,
        "out_axes must be an integer, None, or have the form of the result",
    ),
    "no function": (
        lambda: ag.vmap(ROWS),
        TypeError,
        r"takes a function and returns one; got float64\[3,2\]\. Write vmap\(f\)\(x\)",
    ),
    "axis_size of text": (
        lambda: ag.vmap(lambda x: x, axis_size="3"),
        TypeError,
        "axis_size is a number of examples, from 0 on; got str '3'",
    ),
    "chunk_size of half an example": (
        lambda: ag.vmap(lambda x: x, chunk_size=0.5),
        TypeError,
        r"chunk_size is a number of examples, at least 1; got float 0\.5",
    ),
    "chunk_size": (
        lambda: ag.vmap(lambda x: x, chunk_size=0),
        ValueError,
        "chunk_size is a number of examples, at least 1; got 0",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what):
    call, kind, words = ERRORS[what]
    with pytest.raises(kind, match=rf"^vmap: .*{words}"):
        call()


def test_axes_that_are_no_integers():
    for axes in ("0", 1.0, (0.0,), object()):
        with pytest.raises(TypeError, match=r"^vmap: in_axes must be an integer"):
            ag.vmap(lambda x: x, in_axes=axes)(ROWS)


def test_the_users_line_is_named():
    with pytest.raises(TypeError, match=here(+1)):
        ag.vmap(lambda x: x if x[0] > 0 else -x)(ROWS)
    with pytest.raises(ValueError, match=here(+1)):
        ag.vmap(lambda x, y: x)(ROWS, ROWS[:2])


def test_an_array_that_is_kept_beyond_its_vmap():
    kept = []
    ag.vmap(lambda x: kept.append(x) or x)(ROWS)
    with pytest.raises((RuntimeError, ValueError), match=r"vmap.*\(at "):
        xp.sin(kept[0])


def test_an_error_inside_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        ag.vmap(lambda x: 1 / 0)(ROWS)
    assert_equal(ag.vmap(LOSS)(ROWS), loop(LOSS, ROWS))
    assert_equal(ag.grad(LOSS)(ROWS[0]), loop(ag.grad(LOSS), ROWS)[0])
