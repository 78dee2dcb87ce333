"""Jacobians and what is made of them, on pytrees, in every library and nesting."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from core_support import assert_equal, here, to_numpy

import autograd_core as ag
from autograd_core.backend import backend_of

xp = ag.ops
X = np.asarray([0.5, -1.0, 2.0])
JACOBIANS = {"jacfwd": ag.jacfwd, "jacrev": ag.jacrev, "jacobian": ag.jacobian}


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass
class Layer:
    w: Any
    b: Any


@pytest.fixture(params=JACOBIANS.values(), ids=JACOBIANS)
def jacobian(request):
    return request.param


def differences(f, x, step=1e-6):
    """Return the Jacobian of a function of one float64 array by central differences."""
    columns = []
    for unit in np.eye(x.size).reshape(x.size, *x.shape) * step:
        columns.append((np.asarray(f(x + unit)) - np.asarray(f(x - unit))) / (2 * step))
    y_shape = columns[0].shape
    return np.stack(columns, axis=-1).reshape(*y_shape, *x.shape)


def shapes(tree):
    """Return the structure and the shapes of the leaves of a pytree."""
    leaves, structure = ag.pytree.flatten(tree)
    return str(structure), [tuple(x.shape) for x in leaves]


# ------------------------------------------------------------------ values and shapes

FUNCTIONS = {
    "fewer results": lambda x: xp.sum(x[:, None] * x, axis=0)[:2] * x[0],
    "more results": lambda x: xp.sin(x[:, None] * x),
    "a number": lambda x: xp.prod(x) + xp.sum(x**3),
    "identity": lambda x: x,
    "no result": lambda x: x[:0],
    "constant": lambda x: xp.asarray([[1.0, 2.0]]),
    "partly constant": lambda x: xp.stack([x[0] ** 2, xp.asarray(3.0), x[2]]),
}


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 100])
@pytest.mark.parametrize("what", FUNCTIONS)
def test_against_differences(jacobian, what, chunk_size):
    f = FUNCTIONS[what]
    result = jacobian(f, chunk_size=chunk_size)(X)
    assert result.dtype == X.dtype
    expected = differences(f, X)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-7)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("chunk_size", [None, 1, 4])
def test_every_shape_of_argument(jacobian, shape, chunk_size):
    x = np.linspace(0.5, 1.0, int(np.prod(shape))).reshape(shape)
    result = jacobian(lambda x: xp.stack([x, x**2]), chunk_size=chunk_size)(x)
    assert result.shape == (2, *shape, *shape)
    flat = result.reshape(2, x.size, x.size)
    assert_equal(flat[0], np.eye(x.size))
    assert_equal(flat[1], np.diag(2 * x.reshape(-1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_library_are_kept(library, jacobian, dtype):
    x = library.asarray([1.0, 2.0], dtype=getattr(library, dtype))
    f = lambda x: {"sum": xp.sum(x), "outer": x[:, None] * x}  # noqa: E731
    result = jacobian(f)(x)
    hessian = ag.hessian(lambda x: xp.sum(x**3))(x)
    laplacian = ag.laplacian(lambda x: xp.sum(x**3))(x)
    for y in (*result.values(), hessian, laplacian):
        assert backend_of(y) is library
        assert y.dtype == x.dtype
    assert_equal(result["sum"], [1.0, 1.0])
    assert_equal(
        result["outer"], [[[2.0, 0.0], [2.0, 1.0]], [[2.0, 1.0], [0.0, 4.0]]], 1e-6
    )
    assert_equal(hessian, [[6.0, 0.0], [0.0, 12.0]], 1e-6)
    assert_equal(laplacian, 18.0, 1e-6)


def test_results_of_two_dtypes(jacobian):
    x, z = X.astype(np.float32), X
    f = lambda x, z: (x * 2, xp.sum(z))  # noqa: E731
    (xx, xz), (zx, zz) = jacobian(f, (0, 1))(x, z)
    assert [a.shape for a in (xx, xz, zx, zz)] == [(3, 3), (3, 3), (3,), (3,)]
    assert_equal(xx, 2 * np.eye(3))
    assert_equal(zz, np.ones(3))
    assert not xz.any()
    assert not zx.any()


# ------------------------------------------------------------------ pytrees


def model(p, x):
    h = xp.tanh(p["layer"].w @ x + p["layer"].b)
    return Pair(h * p["scale"][0], [None, {"norm": xp.sum(h**2)}])


def parameters():
    layer = Layer(np.asarray([[0.1, 0.2], [0.3, -0.4]]), np.asarray([0.5, -0.5]))
    return {"layer": layer, "scale": (np.asarray(2.0), None)}


def test_pytrees(jacobian):
    p, x = parameters(), np.asarray([1.0, -2.0])
    result = jacobian(model)(p, x)
    assert type(result) is Pair
    h = np.tanh(p["layer"].w @ x + p["layer"].b)
    slope = 1 - h**2
    of_first, of_norm = result.first, result.second[1]["norm"]
    assert result.second[0] is None
    for part in (of_first, of_norm):
        assert type(part["layer"]) is Layer
        assert part["scale"][1] is None
    assert_equal(of_first["layer"].b, 2 * np.diag(slope))
    expected = 2 * np.einsum("i,ij,k->ijk", slope, np.eye(2), x)
    assert_equal(of_first["layer"].w, expected)
    assert_equal(of_first["scale"][0], h)
    assert_equal(of_norm["layer"].w, np.outer(2 * h * slope, x))
    assert_equal(of_norm["layer"].b, 2 * h * slope)
    assert_equal(of_norm["scale"][0], 0.0)


def test_all_agree_on_pytrees_in_chunks():
    p, x = parameters(), np.asarray([1.0, -2.0])
    expected = ag.jacrev(model, (1, 0))(p, x)
    for name, one in JACOBIANS.items():
        for size in (1, 2, 5, 50):
            result = one(model, (1, 0), chunk_size=size)(p, x)
            assert shapes(result) == shapes(expected), name
            ag.pytree.map(assert_equal, result, expected)


def test_hessian_of_pytrees():
    p = {"a": np.asarray([1.0, 2.0]), "b": (np.asarray(3.0), None)}
    f = lambda p: p["b"][0] ** 2 * xp.sum(p["a"] ** 3)  # noqa: E731
    h = ag.hessian(f, chunk_size=2)(p)
    assert_equal(h["a"]["a"], np.diag([54.0, 108.0]))
    assert_equal(h["a"]["b"][0], [18.0, 72.0])
    assert_equal(h["b"][0]["a"], [18.0, 72.0])
    assert_equal(h["b"][0]["b"][0], 18.0)
    assert h["b"][1] is None
    v = {"a": np.asarray([1.0, -1.0]), "b": (np.asarray(0.5), None)}
    product = ag.hvp(f, (p,), (v,))
    assert_equal(product["a"], [54.0 + 9.0, -108.0 + 36.0])
    assert_equal(product["b"][0], 18.0 - 72.0 + 9.0)
    assert_equal(ag.laplacian(f, chunk_size=1)(p), 54.0 + 108.0 + 18.0)


def test_hessian_of_many_results():
    h = ag.hessian(lambda x: [x**3, xp.sum(x)])(X)
    expected = np.zeros((3, 3, 3))
    for k in range(3):
        expected[k, k, k] = 6 * X[k]
    assert_equal(h[0], expected)
    assert_equal(h[1], np.zeros((3, 3)))


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_pytrees_without_arrays(jacobian, chunk_size):
    assert jacobian(lambda x: None, chunk_size=chunk_size)(X) is None
    nothing = {"a": None, "b": ()}
    assert jacobian(lambda p: xp.ones(2), chunk_size=chunk_size)(nothing) == nothing
    y = jacobian(lambda p, x: [x**2, None], (0, 1))(nothing, X)
    assert y[0][0] == nothing
    assert_equal(y[0][1], np.diag(2 * X))
    assert y[1] is None
    assert ag.hessian(lambda p: xp.asarray(1.0))(nothing) == nothing
    assert ag.laplacian(lambda p: xp.asarray(1.0))(nothing) == 0.0


# ------------------------------------------------------------------ arguments


def scaled(x, y, *, factor=1.0):
    return factor * x * y


ARGUMENTS = {
    "default": ({}, "x"),
    "a number": ({"argnums": 1}, "y"),
    "from the end": ({"argnums": -1}, "y"),
    "numbers": ({"argnums": (1, 0)}, ("y", "x")),
    "one in a tuple": ({"argnums": (0,)}, ("x",)),
    "a name": ({"argnames": "y"}, "y"),
    "a keyword": ({"argnames": "factor"}, "factor"),
    "names": ({"argnames": ("factor", "x")}, ("factor", "x")),
    "both": ({"argnums": 1, "argnames": "factor"}, ("y", "factor")),
}


@pytest.mark.parametrize("what", ARGUMENTS)
def test_which_arguments(jacobian, what):
    options, asked = ARGUMENTS[what]
    x, y, factor = np.asarray([1.0, 2.0]), np.asarray([3.0, 5.0]), 2.0
    known = {"x": np.diag(2 * y), "y": np.diag(2 * x), "factor": x * y}
    result = jacobian(scaled, **options)(x, y, factor=factor)
    if isinstance(asked, str):
        return assert_equal(result, known[asked])
    assert isinstance(result, tuple)
    for one, name in zip(result, asked, strict=True):
        assert_equal(one, known[name])
    return None


def test_which_arguments_of_a_hessian():
    x, y = np.asarray([1.0, 2.0]), np.asarray([3.0, 5.0])
    f = lambda x, y: xp.sum(x**2 * y)  # noqa: E731
    (xx, xy), (yx, yy) = ag.hessian(f, (0, 1))(x, y)
    assert_equal(xx, np.diag(2 * y))
    assert_equal(xy, np.diag(2 * x))
    assert_equal(yx, xy)
    assert_equal(yy, np.zeros((2, 2)))
    assert_equal(ag.hessian(f, argnames="y")(x, y=y), np.zeros((2, 2)))
    assert_equal(ag.laplacian(f, (0, 1))(x, y), 16.0)
    assert_equal(ag.elementwise_grad(f, 1)(x, y), x**2)
    hx, hy = ag.hvp(f, (x, y), (np.ones(2), np.zeros(2)))
    assert_equal(hx, 2 * y)
    assert_equal(hy, 2 * x)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_auxiliary_results(jacobian, chunk_size):
    f = lambda x: (x**2, {"double": 2 * x, "text": "kept"})  # noqa: E731
    result, aux = jacobian(f, has_aux=True, chunk_size=chunk_size)(X)
    assert_equal(result, np.diag(2 * X))
    assert aux["text"] == "kept"
    assert type(aux["double"]) is np.ndarray
    assert_equal(aux["double"], 2 * X)
    h, aux = ag.hessian(
        lambda x: (xp.sum(x**3), x), has_aux=True, chunk_size=chunk_size
    )(X)
    assert_equal(h, np.diag(6 * X))
    assert_equal(aux, X)


def test_holomorphic(jacobian):
    z = np.asarray([1 + 2j, -0.5j])
    result = jacobian(lambda z: z**3 + 1j * z[0], holomorphic=True)(z)
    expected = np.diag(3 * z**2) + np.asarray([[1j, 0], [1j, 0]])
    assert_equal(result, expected)


# ------------------------------------------------------------------ the others


def test_elementwise_grad(library):
    x = library.asarray([[0.5, 1.0]], dtype=library.float32)
    result = ag.elementwise_grad(ag.elementwise_grad(xp.exp))(x)
    assert (result.dtype, tuple(result.shape)) == (x.dtype, (1, 2))
    assert_equal(result, np.exp([[0.5, 1.0]]), 1e-6)


@pytest.mark.parametrize("order", range(5))
def test_derivative_of_any_order(order):
    f = ag.derivative(
        lambda x, k: {"power": x**4, "vector": xp.stack([x, k * x])}, order
    )
    powers = [x := 1.5**4, 4 * 1.5**3, 12 * 1.5**2, 24 * 1.5, 24.0]
    vectors = [[1.5, 3.0], [1.0, 2.0]] + 3 * [[0.0, 0.0]]
    result = f(np.asarray(1.5), 2.0)
    assert_equal(result["power"], powers[order])
    assert_equal(result["vector"], vectors[order])
    assert x == 1.5**4


def test_linearize_and_its_transpose_on_pytrees(library):
    def of(*values):
        return [library.asarray(v, dtype=library.float64) for v in values]

    w, b = of([[1.0, 2.0], [0.5, -1.0]], [0.1, 0.2])
    f = lambda p: (xp.sin(p["w"] @ p["b"]), {"same": p["b"]})  # noqa: E731
    point, direction = {"w": w, "b": b}, {"w": w * 0.5, "b": b + 1.0}
    y, push = ag.linearize(f, point)
    expected = ag.jvp(f, (point,), (direction,))
    ag.pytree.map(
        lambda a, e: assert_equal(a, to_numpy(e)), (y, push(direction)), expected
    )
    pull = ag.linear_transpose(push, point)
    ag.pytree.map(
        lambda a, e: assert_equal(a, to_numpy(e)), pull(y), ag.vjp(f, point)[1](y)
    )
    y, push, aux = ag.linearize(lambda b: (b * b, "aux"), b, has_aux=True)
    assert aux == "aux"
    assert_equal(push(b), 2 * to_numpy(b) ** 2)


def test_linear_transpose_of_what_is_not_square():
    a = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    f = lambda x, y: {"ax": a @ x, "shifted": x[1:] + 2.0 * y}  # noqa: E731
    transposed = ag.linear_transpose(f, np.ones(3), np.ones(2))
    t, u = np.asarray([1.0, -1.0]), np.asarray([10.0, 20.0])
    x_bar, y_bar = transposed({"ax": t, "shifted": u})
    assert_equal(x_bar, a.T @ t + np.asarray([0.0, 10.0, 20.0]))
    assert_equal(y_bar, 2.0 * u)


# ------------------------------------------------------------------ nestings


def cubic(x):
    return xp.stack([xp.sum(x**3), xp.prod(x)])


@pytest.mark.parametrize("outer", JACOBIANS)
@pytest.mark.parametrize("inner", JACOBIANS)
def test_nested_in_each_other(outer, inner):
    second = JACOBIANS[outer](JACOBIANS[inner](cubic, chunk_size=2))(X)
    assert_equal(second[0], np.diag(6 * X))
    products = np.asarray([[0, X[2], X[1]], [X[2], 0, X[0]], [X[1], X[0], 0]])
    assert_equal(second[1], products)


@pytest.mark.parametrize("chunk_size", [None, 2])
def test_under_vmap(jacobian, chunk_size):
    rows = np.stack([X, 2 * X, -X])
    result = ag.vmap(jacobian(cubic, chunk_size=chunk_size))(rows)
    assert_equal(result, np.stack([jacobian(cubic)(row) for row in rows]))
    columns = ag.vmap(ag.hessian(lambda x: cubic(x)[0], chunk_size=chunk_size), 1, -1)
    assert_equal(columns(rows.T), np.stack([np.diag(6 * row) for row in rows], -1))
    result = ag.vmap(ag.laplacian(lambda x: cubic(x)[0]))(rows)
    assert_equal(result, 6 * rows.sum(axis=1))


def test_of_a_gradient_and_gradient_of_it(jacobian):
    assert_equal(jacobian(ag.grad(lambda x: xp.sum(x**3)))(X), np.diag(6 * X))
    size = ag.grad(lambda x: xp.sum(jacobian(cubic)(x) ** 2))(X)
    a, b, c = X
    grads = [36 * a**3, 36 * b**3, 36 * c**3]
    grads = np.asarray(grads) + 2 * np.asarray(
        [a * (b**2 + c**2), b * (a**2 + c**2), c * (a**2 + b**2)]
    )
    assert_equal(size, grads)


def test_eager_tensors_inside(jacobian):
    w = ag.Tensor(np.asarray([1.0, 2.0, 3.0]))
    result = jacobian(lambda x: w * x)(X)
    xp.sum(result).backward()
    assert_equal(w.grad, np.ones(3))
    t = ag.Tensor(X)
    xp.sum(jacobian(lambda x: x**2)(t)).backward()
    assert_equal(t.grad, 2 * np.ones(3))


# ------------------------------------------------------------------ errors

INTEGERS = np.asarray([1, 2, 3])
REFUSED = {
    "integers": (
        lambda j: j(lambda x: x)(INTEGERS),
        TypeError,
        "must be .*float.*int64",
    ),
    "an integer result": (
        lambda j: j(lambda x: xp.argmax(x))(X),
        TypeError,
        "the result must be .*float.*int64",
    ),
    "no array as result": (
        lambda j: j(lambda x: "text")(X),
        TypeError,
        "the result must be .*float.*str",
    ),
    "a list for an array": (lambda j: j(lambda x: x)([1, 2]), TypeError, "float"),
    "no such number": (
        lambda j: j(lambda x: x, 1)(X),
        ValueError,
        "argnums",
    ),
    "no such name": (lambda j: j(lambda x: x, argnames="y")(X), ValueError, "argnames"),
    "chunk_size": (
        lambda j: j(lambda x: x, chunk_size=0),
        ValueError,
        r"chunk_size is a number of directions, at least 1; got 0\. Leave it out",
    ),
    "chunk_size of half a direction": (
        lambda j: j(lambda x: x, chunk_size=1.5),
        TypeError,
        r"chunk_size is a number of directions, at least 1; got float 1\.5",
    ),
    "no function": (
        lambda j: j(X),
        TypeError,
        r"takes a function and returns one; got float64\[3\]\. Write \w+\(f\)\(x\)",
    ),
    "no pair": (lambda j: j(lambda x: x, has_aux=True)(X), TypeError, "pair"),
    "complex": (
        lambda j: j(lambda z: z)(X + 1j),
        TypeError,
        r"must be real; got complex128\[3\]\. Say holomorphic=True",
    ),
    "real where complex": (
        lambda j: j(lambda z: z, holomorphic=True)(X),
        TypeError,
        r"must be complex where holomorphic=True; got float64\[3\]",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_errors(jacobian, what):
    call, kind, words = REFUSED[what]
    with pytest.raises(kind, match=f"^{jacobian.__name__}: .*{words}"):
        call(jacobian)


def one_rule_for_two_arguments():
    product = ag.custom_jvp(lambda x, y: x * y)
    product.defjvps(lambda x_dot, z, x, y: x_dot * y)
    ag.grad(product)(1.0, 2.0)


OTHERS = {
    "one rule for two arguments": (
        one_rule_for_two_arguments,
        TypeError,
        r"^custom_jvp .*defjvps takes one rule for each of the 2 arguments; got 1\.",
    ),
    "hessian of integers": (
        lambda: ag.hessian(xp.sum)(INTEGERS),
        TypeError,
        "^hessian: .*float",
    ),
    "laplacian of many": (
        lambda: ag.laplacian(lambda x: x)(X),
        TypeError,
        r"^laplacian: the function must return a 0-d array of floats; got float64\[3\]",
    ),
    "hvp of many": (
        lambda: ag.hvp(lambda x: x, (X,), (X,)),
        TypeError,
        r"^hvp: the function must return a 0-d array of floats; got float64\[3\]",
    ),
    "hvp without tuples": (
        lambda: ag.hvp(xp.sum, X, X),
        TypeError,
        "^hvp: .*tuple",
    ),
    "hvp of a wrong shape": (
        lambda: ag.hvp(xp.sum, (X,), (X[:2],)),
        ValueError,
        r"^hvp: .*float64\[3\].*; got float64\[2\]",
    ),
    "derivative of a vector": (
        lambda: ag.derivative(lambda x: x)(X),
        TypeError,
        r"^derivative: the first argument must be a number or a 0-d array; got "
        r"float64\[3\]\. Map it over the elements with vmap",
    ),
    "derivative of an integer": (
        lambda: ag.derivative(lambda x: x)(2),
        TypeError,
        r"^derivative: .*got int 2\. Give 2\.0 for 2",
    ),
    "order": (
        lambda: ag.derivative(lambda x: x, -1),
        ValueError,
        "^derivative: the order is a number of times, from 0 on; got -1",
    ),
    "order of a half": (
        lambda: ag.derivative(lambda x: x, 0.5),
        TypeError,
        r"^derivative: the order is a number of times, from 0 on; got float 0\.5",
    ),
    "elementwise_grad of a complex": (
        lambda: ag.elementwise_grad(lambda x: x * 1j)(X),
        TypeError,
        "^elementwise_grad: the result must be real",
    ),
    "pushforward of a wrong shape": (
        lambda: ag.linearize(xp.sin, X)[1](X[:2]),
        ValueError,
        r"^linearize: pushforward: .*float64\[3\].*; got float64\[2\]",
    ),
    "pushforward of a wrong structure": (
        lambda: ag.linearize(lambda p: p["x"], {"x": X})[1]({"y": X}),
        ValueError,
        r"^linearize: pushforward: .*'x'.*got .*'y'",
    ),
    "linearize no function": (
        lambda: ag.linearize(X, X),
        TypeError,
        r"^linearize: takes a function and where.*got float64\[3\]\. Write lin",
    ),
    "transpose no function": (
        lambda: ag.linear_transpose(X, X),
        TypeError,
        "^linear_transpose: takes a function and arrays like its arguments; got float",
    ),
    "derivative of no function": (
        lambda: ag.derivative(X),
        TypeError,
        r"^derivative: takes a function and returns one; got float64\[3\]",
    ),
    "checkpoint of no function": (
        lambda: ag.checkpoint(X),
        TypeError,
        r"^checkpoint: takes a function and returns one; got float64\[3\]",
    ),
    "rule for no function": (
        lambda: ag.custom_vjp(X),
        TypeError,
        r"^custom_vjp: takes a function and returns one; got float64\[3\]",
    ),
    "a negative length": (
        lambda: ag.scan(lambda c, x: (c, c), 1.0, length=-1),
        ValueError,
        "^scan: length is a number of steps, from 0 on; got -1",
    ),
    "not linear": (
        lambda: ag.linear_transpose(lambda x: x + 1.0, X),
        ValueError,
        r"^linear_transpose: the function must be linear, and of zeros it is not zero",
    ),
    "cotangent of a wrong shape": (
        lambda: ag.linear_transpose(lambda x: x[1:], X)(X),
        ValueError,
        r"^linear_transpose: .*float64\[2\].*got float64\[3\]",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_errors(what):
    call, kind, words = OTHERS[what]
    with pytest.raises(kind, match=words):
        call()


def test_the_users_line_is_named(jacobian):
    with pytest.raises(TypeError, match=here(+1)):
        jacobian(lambda x: x)(INTEGERS)
    with pytest.raises(TypeError, match=here(+1)):
        ag.derivative(lambda x: x)(X)


def test_checkpointed_values_beside_the_result():
    """What is the same for all directions comes back without a batch."""

    def f(x):
        y = ag.checkpoint(lambda x: {"y": xp.sum(x**2), "z": x**3})(x)
        return y["z"], y["y"]

    x = np.asarray([1.0, 2.0])
    for operator in (ag.jacfwd, ag.jacrev, ag.jacobian):
        jacobian, aux = operator(f, has_aux=True)(x)
        np.testing.assert_allclose(jacobian, np.diag(3 * x**2))
        assert isinstance(aux, np.ndarray)
        np.testing.assert_allclose(aux, 5.0)
