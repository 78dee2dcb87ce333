"""Functions that are evaluated again in the backward pass, and what is kept."""

import gc
import math
import re
import tracemalloc
from functools import partial

import numpy as np
import pytest
from core_support import assert_equal, here
from test_custom_rules import assert_same

import autograd_core as ag

xp = ag.ops

W = np.asarray([[0.5, -1.0], [0.3, 0.8]])
H = np.asarray([0.2, 0.7])
ROWS = np.asarray([[0.2, 0.7], [1.0, -0.5], [0.0, 0.1]])


class Counter:
    """A layer that counts how often it is evaluated."""

    def __init__(self):
        self.calls = 0

    def __call__(self, w, h):
        self.calls += 1
        product = ag.checkpoint_name(w @ h, "product")
        return {"h": xp.tanh(product) * xp.exp(-h), "norm": xp.sum(product**2)}


def layer(w, h):
    return Counter()(w, h)


def loss(f):
    def deep(w, h):
        first = f(w, h)
        second = f(w, first["h"])
        return xp.sum(second["h"] ** 2) + first["norm"] * second["norm"]

    return deep


POLICIES = {
    "inputs": None,
    "names": ("product",),
    "other names": {"nothing"},
    "matmul": lambda operation, result: operation == "matmul",
    "everything": lambda operation, result: True,
    "large": lambda operation, result: math.prod(result.shape) > 1,
}

NESTINGS = {
    "value": lambda f: f(W, H),
    "grad": lambda f: ag.grad(f, (0, 1))(W, H),
    "jvp": lambda f: ag.jvp(f, (W, H), (W, H)),
    "jvp of grad": lambda f: ag.jvp(ag.grad(f), (W, H), (W, H)),
    "grad of grad": lambda f: ag.grad(lambda w: xp.sum(ag.grad(f)(w, H) ** 2))(W),
    "grad of jvp": lambda f: ag.grad(lambda w: ag.jvp(f, (w, H), (w, H))[1])(W),
    "hessian": lambda f: ag.hessian(f, 1)(W, H),
    "vmap of grad": lambda f: ag.vmap(ag.grad(f), in_axes=(None, 0))(W, ROWS),
    "grad of vmap": lambda f: ag.grad(
        lambda w: xp.sum(ag.vmap(f, in_axes=(None, 0))(w, ROWS))
    )(W),
    "linearize": lambda f: ag.linearize(f, W, H)[1](W, H),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_it_changes_no_derivative(policy, nesting):
    f = ag.checkpoint(layer, policy=POLICIES[policy])
    expected = NESTINGS[nesting](loss(layer))
    assert_same(NESTINGS[nesting](loss(f)), expected)
    assert_same(NESTINGS[nesting](ag.checkpoint(loss(f))), expected)


def test_every_library(library):
    w, h = library.asarray(W.tolist()), library.asarray(H.tolist())
    for policy in POLICIES.values():
        f = ag.checkpoint(layer, policy=policy)
        assert_same(ag.grad(loss(f), (0, 1))(w, h), ag.grad(loss(layer), (0, 1))(w, h))


def test_it_is_evaluated_again_in_the_backward_pass_only():
    counter = Counter()
    f = ag.checkpoint(counter)
    _, pullback = ag.vjp(f, W, H)
    assert counter.calls == 1
    pullback({"h": H, "norm": 1.0})
    assert counter.calls == 2
    pullback({"h": H, "norm": 1.0})
    assert counter.calls == 3
    ag.jvp(f, (W, H), (W, H))
    f(W, H)
    assert counter.calls == 5


def products(f):
    """Count the matrix products of a backward pass."""
    _, pullback = ag.vjp(f, W, H)
    library, count = ag.get_backend(), 0
    matmul = library.matmul

    def counting(*arguments):
        nonlocal count
        count += 1
        return matmul(*arguments)

    library.matmul = counting
    try:
        pullback({"h": H, "norm": 1.0})
    finally:
        library.matmul = matmul
    return count


@pytest.mark.parametrize("policy", POLICIES)
def test_what_a_policy_keeps_is_not_computed_again(policy):
    again = policy in ("inputs", "other names")
    found = products(ag.checkpoint(layer, policy=POLICIES[policy]))
    assert found == products(layer) + again


def test_keeping_a_conversion_is_of_no_use_and_does_no_harm():
    """Gradients convert, too, where dtypes are mixed."""

    def mixed(x):
        return xp.sum(xp.astype(x, xp.float64) * W * xp.astype(xp.sin(x), xp.float64))

    x = W.astype(np.float32)
    f = ag.checkpoint(mixed, policy=lambda operation, result: True)
    assert_same(ag.grad(f)(x), ag.grad(mixed)(x))


@pytest.mark.parametrize("policy", ["names", "everything"])
def test_custom_rules_inside(policy):
    @ag.custom_vjp
    def f(x):
        return xp.sin(x)

    f.defvjp(lambda x: (f(x), xp.cos(x)), lambda c, t: (t * c,))

    def function(x):
        y = ag.checkpoint_name(xp.exp(x), "product")
        return xp.sum(xp.exp(f(y) * xp.cos(ag.checkpoint_name(xp.exp(y), "product"))))

    wrapped = ag.checkpoint(function, policy=POLICIES[policy])
    assert_same(ag.grad(wrapped)(H), ag.grad(function)(H))


# ------------------------------------------------------------------ closures


class Layer:
    """As a layer of a network holds its weights."""

    def __init__(self, w):
        self.parameters = {"w": w}

    def __call__(self, h):
        return layer(self.parameters["w"], h)

    def forward(self, h):
        return self(h)


def closures(w):
    """Functions of ``h`` that depend on ``w`` in all ways that are found."""

    def helper(h):
        return layer(w, h)

    def keyword(h, *, weight):
        return layer(weight, h)

    nested = {"w": [w]}

    def default(h, weight=w):
        return layer(weight, h)

    def outer(h):
        return inner(h, 3)

    def inner(h, n):
        return layer(w, h) if n == 0 else inner(h, n - 1)

    return {
        "cell": lambda h: layer(w, h),
        "function": lambda h: helper(h),
        "container": lambda h: layer(nested["w"][0], h),
        "partial": partial(layer, w),
        "partial keyword": partial(keyword, weight=w),
        "default": default,
        "two functions, one of which calls itself": outer,
        "object": Layer(w),
        "method": Layer(w).forward,
        "transformed": lambda h: ag.pytree.map(
            lambda y: y[0, ...], ag.vmap(lambda h: layer(w, h))(h[None, ...])
        ),
    }


@pytest.mark.parametrize("kind", closures(W))
def test_what_a_function_closes_over_is_found(kind):
    def closed(w, h):
        f = ag.checkpoint(closures(w)[kind])
        return loss(lambda _, h: f(h))(w, h)

    assert_same(ag.grad(closed, (0, 1))(W, H), ag.grad(loss(layer), (0, 1))(W, H))


GLOBAL = ag.Tensor(W)


def with_global(h):
    return layer(GLOBAL, h)["norm"]


@pytest.mark.parametrize("f", [with_global, lambda h: with_global(h)])
def test_a_global_tensor_is_found(f):
    ag.checkpoint(f)(H).backward()
    assert_same(GLOBAL.grad, ag.grad(lambda w: layer(w, H)["norm"])(W))


def test_a_function_that_calls_itself():
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    assert_equal(ag.grad(ag.checkpoint(lambda x: power(x, 3)))(2.0), 32.0)


class Hidden:
    """An object that is no function and holds an array as an attribute."""

    def __init__(self, w):
        self.w = w


@pytest.mark.parametrize("argument", [H, None])
def test_what_is_not_found_is_said(argument):
    def f(w):
        hidden = Hidden(w)
        h = xp.sum(w, axis=0) if argument is None else argument
        return ag.checkpoint(lambda h: xp.sum(hidden.w @ h))(h)

    with pytest.raises(
        ValueError,
        match=r"checkpoint .*: the function depends on an array of grad that it was "
        r"not given; got float64\[\]\. "
        r"Pass that array to the function as an argument",
    ):
        ag.grad(f)(W)


@pytest.mark.parametrize("kind", [ag.checkpoint, ag.custom_jvp, ag.custom_vjp])
def test_results_of_unknown_types_are_refused(kind):
    with pytest.raises(
        TypeError, match=r"must return arrays, numbers, text.*; got Hidd"
    ):
        kind(lambda x: Hidden(2 * x))(W)


def test_functions_that_share_another():
    def loop(a):
        def residual(x):
            return x * x - a

        return ag.while_loop(
            lambda x: xp.abs(residual(x)) > 1e-12,
            lambda x: x - residual(x) / (2 * x),
            1.0,
            checkpoint=True,
        )

    assert_equal(ag.grad(loop)(4.0), 0.25)


def test_a_name_for_an_argument_and_operations_that_are_constant_for_real_numbers():
    def f(x):
        x = ag.checkpoint_name(x, "product")
        y = xp.sign(x) * x + xp.sign(x + 1j) * x**2
        return xp.sum(xp.real(y))

    x = np.asarray([1.0, 2.0, 3.0])
    for policy in (("product",), POLICIES["everything"]):
        assert_same(ag.grad(ag.checkpoint(f, policy=policy))(x), ag.grad(f)(x))


def test_a_write_between_forward_and_backward_is_noticed():
    large = np.ones(100_000)
    w = np.asarray(2.0)
    y, pullback = ag.vjp(
        lambda w: ag.checkpoint(lambda w, x: xp.sum(w * x))(w, large), w
    )
    large[:] = 0.0
    with pytest.raises(ValueError, match=r"checkpoint .*written to in place"):
        pullback(y)


@pytest.mark.parametrize("policy", ["product", 3])
def test_what_a_wrong_policy_is_told(policy):
    with pytest.raises(TypeError, match="checkpoint: policy must be a collection of"):
        ag.checkpoint(layer, policy=policy)


# ------------------------------------------------------------------ memory


def peak(call):
    gc.collect()
    ag.get_backend().release_memory()  # what is used again is not seen
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def chain(x, *, depth, wrap):
    for _ in range(depth):
        x = wrap(x)
    return xp.sum(x)


def block(x):
    for _ in range(8):
        x = xp.sin(x)
    return x


def test_a_chain_of_checkpointed_blocks_keeps_one_array_for_each():
    """In units of one array: 8 a block, against 1 a block and 8 for one block."""
    x, depth = np.ones(20_000), 16
    plain = peak(lambda: ag.grad(partial(chain, depth=depth, wrap=block))(x))
    wrapped = ag.checkpoint(block)
    less = peak(lambda: ag.grad(partial(chain, depth=depth, wrap=wrapped))(x))
    assert plain / x.nbytes > 8 * depth
    assert less / x.nbytes < depth + 8 + 8
    assert_equal(
        ag.grad(partial(chain, depth=3, wrap=wrapped))(x),
        ag.grad(partial(chain, depth=3, wrap=block))(x),
    )


def test_the_report_tells_what_the_memory_holds():
    x, depth = np.ones(20_000), 4
    for wrap in (block, ag.checkpoint(block)):
        f = partial(chain, depth=depth, wrap=wrap)
        reported = ag.saved_residuals(f, x).bytes
        _, pullback = ag.vjp(f, x)
        gc.collect()
        ag.get_backend().release_memory()  # what is used again is not seen
        tracemalloc.start()
        held = ag.vjp(f, x)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del held, pullback
        assert abs(size - reported) < 2.5 * x.nbytes  # the leaf's copy, the result


# ------------------------------------------------------------------ the report


def test_the_report_names_operations_shapes_bytes_and_lines():
    line = re.compile(here(3))

    def f(w, h):
        return xp.sum(xp.tanh(w @ h)), xp.exp(w)

    rows = ag.saved_residuals(lambda w, h: f(w, h)[0], W, H)
    assert [(r.operation, r.dtype, r.shape, r.bytes) for r in rows] == [
        ("argument", "float64", (2,), 16),
        ("argument", "float64", (2, 2), 32),
        ("tanh", "float64", (2,), 16),
    ]
    assert all(line.fullmatch(row.line) for row in rows)
    assert rows.bytes == 64
    first, *_, last = str(rows).splitlines()
    assert first.split() == ["operation", "dtype", "shape", "bytes", "line"]
    assert last.split() == ["total", "64"]


def test_the_report_of_other_dtypes_and_of_several_results():
    mask = np.asarray([True, False])
    rows = ag.saved_residuals(lambda x: xp.sum(xp.where(mask, x, 0.0) ** 2), H)
    assert [(r.dtype, r.bytes) for r in rows] == [("bool", 2), ("float64", 16)]
    z = np.asarray([1j, 2.0])
    assert ag.saved_residuals(lambda z: xp.sum(xp.abs(z * z)), z).bytes >= 2 * 32
    symmetric = np.asarray([[2.0, 1.0], [1.0, 3.0]])
    rows = ag.saved_residuals(lambda a: xp.linalg.eigh(a).eigenvalues, symmetric)
    assert rows.bytes >= 32


def test_the_report_of_custom_rules():
    f = ag.custom_vjp(xp.sin)
    f.defvjp(lambda x: (xp.sin(x), (x, xp.cos(x))), lambda r, t: (t * r[1],))
    rows = ag.saved_residuals(lambda x: xp.sum(f(xp.exp(x))), H)
    assert [row.operation for row in rows] == ["exp", "custom_vjp sin"]
