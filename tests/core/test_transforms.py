"""grad, value_and_grad, vjp and jvp: their arguments and what they return."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from core_support import assert_equal

import autograd_core as ag

xp = ag.ops
Point = namedtuple("Point", "x y")


def f(a, b, c):
    return xp.sum(a * a * b) + xp.sum(xp.sin(c))


A, B, C = np.asarray([1.0, 2.0]), np.asarray([3.0, -1.0]), np.asarray([0.1, 0.2])
A_BAR, B_BAR, C_BAR = 2 * A * B, A * A, np.cos(C)


# ------------------------------------------------------- argnums and keywords


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [(0, A_BAR), (1, B_BAR), (2, C_BAR), (-1, C_BAR), (-3, A_BAR)],
)
def test_argnums_of_one_number(argnums, expected):
    assert_equal(ag.grad(f, argnums)(A, B, C), expected)
    value, result = ag.value_and_grad(f, argnums)(A, B, C)
    assert_equal(result, expected)
    assert_equal(value, np.sum(A * A * B) + np.sum(np.sin(C)))


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [
        ((0,), (A_BAR,)),
        ((0, 2), (A_BAR, C_BAR)),
        ((2, 0), (C_BAR, A_BAR)),
        ((-1, 1), (C_BAR, B_BAR)),
        ([0, 1, 2], (A_BAR, B_BAR, C_BAR)),
    ],
)
def test_argnums_of_several_numbers_give_a_tuple(argnums, expected):
    result = ag.grad(f, argnums)(A, B, C)
    assert type(result) is tuple
    assert len(result) == len(expected)
    for got, wanted in zip(result, expected, strict=True):
        assert_equal(got, wanted)


def test_keywords_are_passed_on_and_not_differentiated():
    def g(x, *, power, flip=False):
        return xp.sum(x**power) * (-1.0 if flip else 1.0)

    assert_equal(ag.grad(g)(A, power=3), 3 * A**2)
    assert_equal(ag.grad(g)(A, power=2, flip=True), -2 * A)


def test_other_positional_arguments_may_be_anything():
    def g(name, x, flags):
        return xp.sum(x) if flags["on"] and name == "sum" else xp.max(x)

    assert_equal(ag.grad(g, 1)("sum", A, {"on": True}), np.ones(2))


def test_a_transformed_function_keeps_its_name_and_documentation():
    def model(x):
        """Square."""
        return x * x

    assert ag.grad(model).__name__ == "model"
    assert ag.value_and_grad(model).__doc__ == "Square."


def test_callables_without_a_name_work():
    import functools

    assert_equal(ag.grad(functools.partial(f, c=C))(A, B), A_BAR)


# ------------------------------------------------------- pytrees


def test_a_gradient_has_the_structure_of_its_argument():
    tree = {
        "w": [A, (B, None)],
        "point": Point(x=1.0, y=C),
        "nothing": None,
        "empty": (),
        "layers": {},
    }

    def g(p):
        return xp.sum(p["w"][0] * p["w"][1][0]) * p["point"].x + xp.sum(
            p["point"].y ** 2
        )

    result = ag.grad(g)(tree)
    assert set(result) == set(tree)
    assert type(result["w"]) is list
    assert type(result["w"][1]) is tuple
    assert type(result["point"]) is Point
    assert result["nothing"] is None
    assert result["w"][1][1] is None
    assert result["empty"] == ()
    assert result["layers"] == {}
    assert_equal(result["w"][0], B)
    assert_equal(result["w"][1][0], A)
    assert_equal(result["point"].x, np.sum(A * B))
    assert_equal(result["point"].y, 2 * C)


def test_ordered_dicts_keep_their_type():
    tree = OrderedDict(z=A, a=B)
    result = ag.grad(lambda p: xp.sum(p["z"] * p["a"]))(tree)
    assert type(result) is OrderedDict
    assert_equal(result["z"], B)
    assert_equal(result["a"], A)


def test_dicts_with_keys_that_do_not_compare():
    result = ag.grad(lambda p: xp.sum(p[1] * p["a"]))({1: A, "a": B})
    assert_equal(result[1], B)
    assert_equal(result["a"], A)


def test_several_pytrees_in_vjp_and_jvp():
    def g(p, q):
        return {"out": p["a"] * q[0], "twice": [q[1] * 2.0]}

    primals = ({"a": A}, (B, C))
    y, pullback = ag.vjp(g, *primals)
    assert_equal(y["out"], A * B)
    p_bar, q_bar = pullback({"out": np.asarray([1.0, 10.0]), "twice": [C]})
    assert_equal(p_bar["a"], B * [1.0, 10.0])
    assert_equal(q_bar[0], A * [1.0, 10.0])
    assert_equal(q_bar[1], 2 * C)
    y, y_dot = ag.jvp(g, primals, ({"a": B}, (A, C)))
    assert_equal(y_dot["out"], B * B + A * A)
    assert_equal(y_dot["twice"][0], 2 * C)


# ------------------------------------------------------- auxiliary results


def test_has_aux():
    def g(x):
        return xp.sum(x * x), {"last": x * 3.0, "name": "g", "n": 2}

    gradient, aux = ag.grad(g, has_aux=True)(A)
    assert_equal(gradient, 2 * A)
    assert (aux["name"], aux["n"]) == ("g", 2)
    assert type(aux["last"]) is np.ndarray
    assert_equal(aux["last"], 3 * A)
    (value, aux), gradient = ag.value_and_grad(g, has_aux=True)(A)
    assert_equal(value, np.sum(A * A))
    assert_equal(aux["last"], 3 * A)
    assert_equal(gradient, 2 * A)
    y, pullback, aux = ag.vjp(g, A, has_aux=True)
    assert_equal(pullback(np.asarray(2.0))[0], 4 * A)
    assert type(aux["last"]) is np.ndarray
    y, y_dot, aux = ag.jvp(g, (A,), (B,), has_aux=True)
    assert_equal(y_dot, 2 * np.sum(A * B))
    assert type(aux["last"]) is np.ndarray
    assert_equal(y, np.sum(A * A))


def test_aux_of_an_inner_transform_belongs_to_the_outer_one():
    def g(x):
        slope, kept = ag.grad(lambda y: (y**3, y * x), has_aux=True)(x)
        return slope * kept  # 3 x^4

    assert_equal(ag.grad(g)(2.0), 96.0)
    assert_equal(ag.jvp(g, (2.0,), (1.0,))[1], 96.0)


# ------------------------------------------------------- results of many parts


def test_a_pullback_of_several_results():
    y, pullback = ag.vjp(lambda x: (x * x, [xp.sum(x)], x), A)
    assert type(y) is tuple
    assert type(y[1]) is list
    t = np.asarray([1.0, 10.0])
    (x_bar,) = pullback((t, [np.asarray(5.0)], t))
    assert_equal(x_bar, 2 * A * t + 5 + t)


def test_the_same_result_twice():
    def g(x):
        y = x * x
        return y, y

    _, pullback = ag.vjp(g, A)
    t = np.asarray([1.0, 2.0])
    assert_equal(pullback((t, 10 * t))[0], 2 * A * 11 * t)
    assert_equal(t, [1.0, 2.0])


def test_an_argument_as_result():
    y, pullback = ag.vjp(lambda x: x, A)
    assert_equal(y, A)
    assert_equal(pullback(B)[0], B)


def test_constants_as_results():
    constant = np.asarray([7.0])
    y, pullback = ag.vjp(lambda x: (constant, xp.sum(x), xp.argmax(x)), A)
    assert_equal(y[0], [7.0])
    result = pullback((constant, np.asarray(3.0), y[2]))[0]
    assert_equal(result, [3.0, 3.0])
    y, y_dot = ag.jvp(lambda x: (constant, xp.sum(x)), (A,), (B,))
    assert_equal(y_dot[0], [0.0])
    assert_equal(y_dot[1], np.sum(B))


def test_a_constant_function_has_gradient_zero(library):
    x = library.ones((2, 3), dtype=library.float32)
    one = library.asarray(1.0, dtype=library.float32)
    result = ag.grad(lambda x: one)(x)
    assert type(result) is type(x)
    assert tuple(result.shape) == (2, 3)
    assert result.dtype == x.dtype
    assert_equal(result, np.zeros((2, 3)))


def test_an_argument_that_is_not_used_has_gradient_zero():
    a_bar, b_bar = ag.grad(lambda a, b: xp.sum(a), (0, 1))(A, B)
    assert_equal(a_bar, np.ones(2))
    assert_equal(b_bar, np.zeros(2))


def test_conversion_to_integers_has_derivative_zero():
    def g(x):
        return xp.astype(xp.astype(x, xp.int64), xp.float64) * 1.0

    assert ag.grad(g)(2.5) == 0.0
    assert ag.jvp(g, (2.5,), (3.0,))[1] == 0.0


def test_stop_gradient_of_a_pytree():
    def g(p):
        q = ag.stop_gradient(p)
        assert type(q["a"]) is np.ndarray
        return xp.sum(p["a"] * q["a"])

    assert_equal(ag.grad(g)({"a": A})["a"], A)
    assert_equal(ag.jvp(g, ({"a": A},), ({"a": B},))[1], np.sum(A * B))


# ------------------------------------------------------- dtypes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_are_kept_in_every_transform(library, dtype):
    x = library.asarray([0.5, 1.5], dtype=getattr(library, dtype))

    def g(x):
        return 2 * xp.mean(xp.exp(-x) / 3 + 1.0) ** 2

    value, result = ag.value_and_grad(g)(x)
    assert value.dtype == x.dtype
    assert result.dtype == x.dtype
    y, pullback = ag.vjp(xp.tanh, x)
    assert y.dtype == x.dtype
    assert pullback(x)[0].dtype == x.dtype
    y, y_dot = ag.jvp(g, (x,), (x,))
    assert y.dtype == x.dtype
    assert y_dot.dtype == x.dtype
    assert ag.grad(lambda x: xp.sum(ag.grad(g)(x) ** 2))(x).dtype == x.dtype


def test_arguments_of_two_dtypes_get_gradients_of_their_own(library):
    x32 = library.asarray([1.0, 2.0], dtype=library.float32)
    x64 = library.asarray([3.0, 4.0], dtype=library.float64)
    a, b = ag.grad(lambda a, b: xp.sum(a * b), (0, 1))(x32, x64)
    assert (a.dtype, b.dtype) == (x32.dtype, x64.dtype)
    assert_equal(a, [3.0, 4.0])
    assert_equal(b, [1.0, 2.0])
    _, y_dot = ag.jvp(lambda a, b: a * b, (x32, x64), (x32, x64))
    assert y_dot.dtype == x64.dtype


def test_a_python_float_becomes_an_array_of_the_default_library(library):
    with ag.use_backend(library):
        value, result = ag.value_and_grad(lambda x: x**3)(2.0)
        expected = library.asarray(2.0)
    assert type(result) in (type(expected), type(expected * 1))
    assert result.dtype == expected.dtype
    assert result.shape == ()
    assert_equal(result, 12.0)
    assert_equal(value, 8.0)


@pytest.mark.parametrize("x", [np.float64(2.0), np.float32(2.0), np.asarray(2.0)])
def test_scalars_of_numpy(x):
    result = ag.grad(lambda x: x**3)(x)
    assert result.dtype == x.dtype
    assert result == 12.0
    assert ag.jvp(lambda x: x**3, (x,), (x,))[1] == 24.0


def test_a_python_float_beside_an_array_of_another_library(library):
    """What Python scalars are is the library's affair: they are weak."""
    x = library.asarray([1.0, 2.0], dtype=library.float64)
    slope, x_bar = ag.grad(lambda a, x: xp.sum(a * x), (0, 1))(3.0, x)
    assert_equal(x_bar, [3.0, 3.0])
    assert_equal(slope, 3.0)


# ------------------------------------------------------- ownership


FUNCTIONS = {
    "identity": lambda x: x,
    "sum": lambda x: xp.sum(x, axis=0),
    "transpose": lambda x: xp.permute_dims(x, (1, 0)),
    "slice": lambda x: x[1:],
    "add": lambda x: x + x,
    "positive": lambda x: +x,
    "reshape": lambda x: xp.reshape(x, (-1,)),
    "times constant": lambda x: x * np.ones((2, 3)),
    "concat": lambda x: xp.concat([x, x]),
    "constant": lambda x: np.ones(3),
}


@pytest.mark.parametrize("g", FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_are_the_callers_own(g):
    """Not views, not read-only, not shared: with the cotangent, input or another."""
    x = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y, pullback = ag.vjp(lambda a, b: g(a) + g(b), x, x)
    t = np.ones(y.shape)
    a_bar, b_bar = pullback(t)
    again, _ = pullback(t)
    for result in (a_bar, b_bar, again):
        assert result.flags.writeable
        assert result.base is None
        assert not np.shares_memory(result, x)
        assert not np.shares_memory(result, t)
    assert not np.shares_memory(a_bar, b_bar)
    assert not np.shares_memory(a_bar, again)
    before = again.copy()
    a_bar += 100.0
    assert_equal(again, before)
    assert_equal(pullback(t)[0], before)
    assert_equal(t, np.ones(y.shape))


@pytest.mark.parametrize("size", [3, 100_000])
def test_results_are_not_the_users_input(size):
    x = np.ones(size)
    y, _ = ag.vjp(lambda x: x, x)
    assert not np.shares_memory(y, x)
    assert y.flags.writeable


def test_writing_to_a_result_does_not_change_the_pullback():
    x = np.asarray([0.0, 1.0])
    y, pullback = ag.vjp(xp.exp, x)
    expected = np.exp(x)
    y *= 0.0
    assert_equal(pullback(np.ones(2))[0], expected)


@pytest.mark.parametrize("size", [3, 100_000])
def test_nothing_that_is_given_is_changed(size):
    rng = np.random.default_rng(0)
    x, t, c = (rng.normal(size=size) for _ in range(3))
    copies = [a.copy() for a in (x, t, c)]

    def g(x):
        y = x * c + x
        y = y + y * x
        return y + xp.maximum(y, x)

    _, pullback = ag.vjp(g, x)
    pullback(t)
    pullback(t)
    ag.jvp(g, (x,), (t,))
    ag.grad(lambda x: xp.sum(g(x)))(x)
    for a, before in zip((x, t, c), copies, strict=True):
        assert np.array_equal(a, before)
        assert a.flags.writeable


def test_read_only_input_is_welcome():
    x = np.broadcast_to(np.asarray([1.0, 2.0]), (3, 2))
    assert_equal(ag.grad(lambda x: xp.sum(x * x))(x), 2 * x)


def test_strided_input():
    whole = np.arange(24.0).reshape(4, 6)
    for x in (whole.T, whole[::2, ::-3], whole[1], whole[:, 2]):
        result = ag.grad(lambda x: xp.sum(x**2))(x)
        assert_equal(result, 2 * x)
        assert result.shape == x.shape


def test_calling_again_gives_the_same():
    g = ag.value_and_grad(lambda x: xp.sum(xp.sin(x) * x))
    first, second = g(A), g(A)
    assert_equal(first[0], second[0], 0.0)
    assert_equal(first[1], second[1], 0.0)
