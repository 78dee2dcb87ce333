"""Which arguments are differentiated: argnums, argnames, and what containers hold."""

import functools
import re
from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from core_support import assert_equal, here

import autograd_core as ag
from autograd_core.transform import Selection

xp = ag.ops
TRANSFORMS = [ag.grad, ag.value_and_grad]
A, B, C = np.asarray([1.0, 2.0]), np.asarray([3.0, -1.0]), np.asarray([0.1, 0.2])
A_BAR, B_BAR, C_BAR = 2 * A * B, A * A, np.cos(C)


def f(a, b, *, c=C):
    return xp.sum(a * a * b) + xp.sum(xp.sin(c))


# ------------------------------------------------------- argnames


@pytest.mark.parametrize(
    ("argnums", "argnames", "expected"),
    [
        (None, None, A_BAR),
        (None, "a", A_BAR),
        (None, "b", B_BAR),
        (None, "c", C_BAR),
        (1, None, B_BAR),
        (None, ("c",), (C_BAR,)),
        (None, ["c", "a"], (C_BAR, A_BAR)),
        (0, "c", (A_BAR, C_BAR)),
        ((1, 0), "c", (B_BAR, A_BAR, C_BAR)),
        (-1, ("c", "a"), (B_BAR, C_BAR, A_BAR)),
        ((), ("b",), (B_BAR,)),
        ((), None, ()),
    ],
)
def test_one_gives_its_gradient_and_several_a_tuple(argnums, argnames, expected):
    result = ag.grad(f, argnums, argnames=argnames)(A, B, c=C)
    value, same = ag.value_and_grad(f, argnums, argnames=argnames)(A, B, c=C)
    assert_equal(value, np.sum(A * A * B) + np.sum(np.sin(C)))
    assert type(result) is type(same) is type(expected)
    if not isinstance(expected, tuple):
        result, same, expected = (result,), (same,), (expected,)
    for got, again, wanted in zip(result, same, expected, strict=True):
        assert_equal(got, wanted)
        assert_equal(again, wanted)


def test_a_name_is_found_by_position_and_by_keyword():
    gradient = ag.grad(f, argnames="b")
    for result in (gradient(A, B), gradient(A, b=B), gradient(b=B, a=A)):
        assert_equal(result, B_BAR)


def test_names_among_any_keywords():
    def g(x, **options):
        return xp.sum(x * options["scale"] ** 2)

    scale, x = ag.grad(g, argnames=["scale", "x"])(A, scale=3.0)
    assert_equal(scale, 6 * np.sum(A))
    assert_equal(x, [9.0, 9.0])


def test_a_positional_only_parameter_has_a_name_too():
    def g(x, /, y):
        return xp.sum(x * y)

    assert_equal(ag.grad(g, argnames="x")(A, y=B), B)


def test_names_of_methods_and_partial_functions():
    class Model:
        def loss(self, w, *, x):
            return xp.sum(w * x)

    assert_equal(ag.grad(Model().loss, argnames="w")(A, x=B), B)
    assert_equal(ag.grad(Model().loss, argnames="x")(A, x=B), A)
    assert_equal(ag.grad(functools.partial(f, A), argnames="b")(B), B_BAR)
    partial = functools.partial(f, b=B)
    assert_equal(ag.grad(partial, argnames="b")(A, b=2 * B), B_BAR)


def test_a_callable_object_and_an_operation():
    class Product:
        def __call__(self, x, y):
            return xp.sum(x * y)

    assert_equal(ag.grad(Product(), argnames="y")(A, B), A)
    assert_equal(ag.grad(xp.sum, argnames="x")(A), np.ones(2))


def test_names_are_those_of_the_inner_function_in_nested_transforms():
    def g(x, *, scale):
        return xp.sum(x) * scale**3

    second = ag.grad(ag.grad(g, argnames="scale"), argnames="scale")
    assert_equal(second(A, scale=2.0), 6 * 2.0 * 3.0)
    mixed = ag.grad(lambda x, s: xp.sum(ag.grad(g)(x, scale=s)), argnames="s")
    assert_equal(mixed(A, 2.0), 2 * 3 * 4.0)


def test_a_keyword_argument_may_be_a_container():
    def g(x, *, layer):
        return xp.sum(x * layer["w"]) + layer["b"]

    layer = {"w": B, "b": 1.0, "none": None}
    result = ag.grad(g, argnames="layer")(A, layer=layer)
    assert_equal(result["w"], A)
    assert_equal(result["b"], 1.0)
    assert result["none"] is None


def test_a_number_by_keyword_becomes_like_the_array_beside_it(library):
    x = library.asarray([1.0, 2.0], dtype=library.float32)
    result = ag.grad(lambda x, *, s: xp.sum(x * s), argnames="s")(x, s=2.0)
    assert result.dtype == x.dtype
    assert_equal(result, 3.0)


@pytest.mark.parametrize(
    ("number", "of_array", "expected"),
    [
        (2.0, "complex64", "float32"),
        (2.0, "complex128", "float64"),
        (2j, "float32", "complex64"),
        (2j, "float64", "complex128"),
    ],
)
def test_a_number_beside_arrays_of_the_other_kind(library, number, of_array, expected):
    x = library.asarray([1.0, 2.0], dtype=getattr(library, of_array))
    result = ag.grad(lambda s, x: xp.sum(xp.abs(s * x) ** 2))(number, x)
    assert result.dtype == getattr(library, expected)
    assert_equal(result, 10.0 * number)


def test_auxiliary_results_and_complex_derivatives_by_name():
    def g(x, *, scale):
        return xp.sum(x) * scale, {"scale": scale}

    slope, aux = ag.grad(g, argnames="scale", has_aux=True)(A, scale=2.0)
    assert_equal(slope, 3.0)
    assert type(aux["scale"]) is np.ndarray
    square = ag.grad(lambda *, z: z * z, argnames="z", holomorphic=True)
    assert square(z=1 + 2j) == 2 + 4j


# ------------------------------------------------------- a selection as such


def test_a_selection_for_other_transforms():
    chosen = Selection("jacobian", f, 1, "c").of((A, B), {"c": C})
    assert chosen.places == [1, "c"]
    assert [x is y for x, y in zip(chosen.primals, (B, C), strict=True)] == [True] * 2
    assert_equal(chosen.function(C, B), f(A, C, c=B))
    leaves, structures = chosen.flatten()
    assert len(leaves) == len(structures) == 2
    assert chosen.pack([1, 2]) == (1, 2)
    assert Selection("hessian", f, None, "c").of((A, B), {"c": C}).pack([1]) == 1


def test_the_arguments_of_the_call_are_left_as_they_were():
    arguments, keywords = (A, B), {"c": C}
    Selection("grad", f, 0, "c").of(arguments, keywords).function(B, A)
    assert arguments[0] is A
    assert keywords["c"] is C


# ------------------------------------------------------- errors when it is made


@pytest.mark.parametrize(
    ("argnums", "got"),
    [
        (1.0, "argnums=1.0"),
        (True, "argnums=True"),
        ((0, False), r"argnums=\(0, False\)"),
        ([0, 1.5], r"argnums=\[0, 1\.5\]"),
        ({0, 1}, r"argnums=\{0, 1\}"),
        (np.asarray([0, 1]), r"argnums=array\(\[0, 1\]\)"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_argnums_that_are_no_ints(transform, argnums, got):
    name = transform.__name__
    with pytest.raises(
        TypeError,
        match=rf"^{name}: argnums must be an int or a sequence of ints; got {got}\. "
        rf"Write argnums=0, or argnums=\(0, 2\) for several arguments\..*{here(+2)}",
    ):
        transform(f, argnums)


@pytest.mark.parametrize("argnums", ["x", ("x", "y"), [0, "y"]])
def test_argnums_that_are_names(argnums):
    with pytest.raises(
        TypeError,
        match=rf"sequence of ints; got argnums={re.escape(repr(argnums))}\. "
        "Name parameters with argnames instead",
    ):
        ag.grad(f, argnums)


@pytest.mark.parametrize("argnames", [0, ("a", 1), 1.0, {"a"}, True])
def test_argnames_that_are_no_names(argnames):
    with pytest.raises(
        TypeError,
        match=r"^grad: argnames must be a str or a sequence of strs; "
        rf"got argnames={re.escape(repr(argnames))}\. Write argnames='x', or number "
        rf"arguments with argnums\..*{here(+2)}",
    ):
        ag.grad(f, argnames=argnames)


def test_a_name_that_is_no_parameter():
    def model(weight, bias, *, scale):
        return weight

    with pytest.raises(
        ValueError,
        match=r"^grad: argnames must name parameters of the function, weight, bias, "
        rf"scale; got argnames='wieght'\. Did you mean 'weight'\? \(at {here(+2)}",
    ):
        ag.grad(model, argnames="wieght")
    with pytest.raises(ValueError, match=r"got argnames='q'\. Or use argnums\. \(at"):
        ag.grad(model, argnames="q")
    with pytest.raises(ValueError, match=r"got argnums=0, argnames=\['Bias'\]\. Did "):
        ag.value_and_grad(model, 0, argnames=["Bias"])


def test_the_name_of_the_other_positional_arguments():
    with pytest.raises(ValueError, match=r"must name parameters of the function, x;"):
        ag.grad(lambda x, *rest: x, argnames="rest")


@pytest.mark.parametrize("given", [A, 3.0, None])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_something_else_than_a_function(transform, given):
    name = transform.__name__
    with pytest.raises(
        TypeError,
        match=rf"^{name}: takes a function and returns one; got .*\. "
        rf"Write {name}\(f\)\(x\), not {name}\(f\(x\)\)\. \(at {here(+2)}",
    ):
        transform(given)


# ------------------------------------------------------- errors of a call


@pytest.mark.parametrize(
    ("argnums", "argnames", "got"),
    [
        ((0, 0), None, r"argnums=\(0, 0\)"),
        ((0, -2), None, r"argnums=\(0, -2\)"),
        (0, "a", "argnums=0, argnames='a'"),
        (None, ("c", "c"), r"argnames=\('c', 'c'\)"),
        (1, ["c", "b"], r"argnums=1, argnames=\['c', 'b'\]"),
    ],
)
def test_the_same_argument_twice(argnums, argnames, got):
    with pytest.raises(
        ValueError,
        match=rf"^grad: arg.* must name each argument once; got {got}\. "
        rf"Leave one of them out\. \(at {here(+2)}",
    ):
        ag.grad(f, argnums, argnames=argnames)(A, B, c=C)


def test_a_number_out_of_range_beside_a_name():
    with pytest.raises(
        ValueError,
        match=r"^grad: argnums must name one of the 2 positional arguments; got "
        rf"argnums=2, argnames='a'\. .*by position.*argnames\. \(at {here(+2)}",
    ):
        ag.grad(f, 2, argnames="a")(A, B, c=C)


def test_a_name_that_the_call_leaves_out():
    with pytest.raises(
        ValueError,
        match=r"^grad: argnames must name arguments that the call gives; "
        r"got argnames='c', and c was left at its default, float64\[2\]\. "
        rf"Give c in the call\. \(at {here(+2)}",
    ):
        ag.grad(f, argnames="c")(A, B)
    with pytest.raises(
        ValueError, match=r"got argnames='b', and b was left out\. Give b in the call"
    ):
        ag.grad(f, argnames="b")(A)
    with pytest.raises(ValueError, match="and y was left out"):
        ag.grad(lambda **options: 1.0, argnames="y")(x=1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.asarray([1, 2]), r"must be floating-point.*; got int64\[2\]\. .*astype"),
        (2, r"must be an array of floats.*; got int 2\. Give 2\.0 for 2"),
        ("text", r"must be an array of floats.*; got str 'text'\."),
    ],
    ids=["integers", "int", "str"],
)
def test_what_cannot_be_differentiated_is_named(wrong, message):
    with pytest.raises(TypeError, match=rf"^grad: argument 'c' {message}"):
        ag.grad(f, argnames="c")(A, B, c=wrong)
    with pytest.raises(TypeError, match=rf"^grad: argument 1 \(b\) {message}"):
        ag.grad(f, argnames=("a", "b"))(A, wrong)
    with pytest.raises(TypeError, match=rf"^grad: argument 'c'\['k'\]\[0\] {message}"):
        ag.grad(f, argnames="c")(A, B, c={"k": [wrong]})


def test_a_list_of_ints_says_which_one_and_what_to_do():
    with pytest.raises(
        TypeError,
        match=r"^grad: argument 0 \(x\)\[0\] must be .*; got int 1\. Give 2\.0 for 2, "
        r"convert lists with autograd_core\.ops\.asarray",
    ):
        ag.grad(lambda x: xp.sum(x))([1, 2, 3])


def test_a_result_of_many_elements_says_what_to_use():
    with pytest.raises(
        TypeError,
        match=r"^grad: the function must return a 0-d array of floats; got "
        r"float64\[2\]\. Reduce the result with sum or mean, or use vjp or jacobian",
    ):
        ag.grad(lambda x, *, c: x * c, argnames="c")(A, c=B)


# ------------------------------------------------------- containers


@dataclass
class Layer:
    weight: Any
    bias: Any = None
    activation: Any = field(default=xp.tanh, metadata={"static": True})

    def __call__(self, x):
        y = x @ self.weight
        return self.activation(y if self.bias is None else y + self.bias)


class Scaled:
    """A registered node: an array and a factor that is not differentiated."""

    def __init__(self, array, factor):
        self.array, self.factor = array, factor

    def value(self):
        return self.array * self.factor


ag.pytree.register(
    Scaled,
    lambda scaled: ((scaled.array,), scaled.factor),
    lambda factor, children: Scaled(children[0], factor),
)

Model = namedtuple("Model", "first rest")
W = np.asarray([[0.1, 0.2], [0.3, 0.4]])


def model():
    first = Layer(Scaled(W, 2.0), bias=0.5)
    return Model(first, {"last": [Layer(W)], "nothing": None})


def loss(model, x, *, power=2):
    first = model.first
    h = first.activation(x @ first.weight.value() + first.bias)
    return xp.sum(model.rest["last"][0](h) ** power)


def plain_loss(w, b, w_last, x):
    return xp.sum(xp.tanh(xp.tanh(x @ (w * 2.0) + b) @ w_last) ** 2)


PLAIN = ag.grad(plain_loss, (0, 1, 2))(W, 0.5, W, A)


def assert_is_the_gradient(result):
    assert type(result) is Model
    assert type(result.first) is type(result.rest["last"][0]) is Layer
    assert type(result.first.weight) is Scaled
    assert result.first.weight.factor == 2.0
    assert result.first.activation is xp.tanh
    assert result.rest["nothing"] is result.rest["last"][0].bias is None
    leaves = ag.pytree.flatten(result)[0]
    assert len(leaves) == 3
    for leaf, expected in zip(leaves, PLAIN, strict=True):
        assert_equal(leaf, expected)


def test_gradients_of_nested_containers():
    assert_is_the_gradient(ag.grad(loss)(model(), A))
    assert_is_the_gradient(ag.grad(loss, argnames="model")(x=A, model=model()))
    assert_is_the_gradient(ag.value_and_grad(loss)(model(), A, power=2)[1])


def test_pullbacks_of_nested_containers():
    y, pullback = ag.vjp(lambda model: loss(model, A), model())
    assert_is_the_gradient(pullback(np.ones_like(y))[0])


def test_tangents_of_nested_containers():
    tangent = ag.pytree.map(np.ones_like, model())
    _, y_dot = ag.jvp(lambda model: loss(model, A), (model(),), (tangent,))
    assert_equal(y_dot, sum(np.sum(part) for part in PLAIN))


def test_containers_as_results():
    def layers(layer):
        return Layer(layer.weight * 2.0, Scaled(layer.bias, 3.0), "name"), None

    given = Layer(W, A)
    (y, nothing), pullback = ag.vjp(layers, given)
    assert nothing is None
    assert type(y) is Layer
    assert type(y.bias) is Scaled
    assert (y.activation, y.bias.factor) == ("name", 3.0)
    (bar,) = pullback((Layer(W, Scaled(B, 3.0), "name"), None))
    assert_equal(bar.weight, 2 * W)
    assert_equal(bar.bias, B)
    (y, _), (y_dot, _) = ag.jvp(layers, (given,), (Layer(W, A),))
    assert_equal(y_dot.weight, 2 * W)
    assert_equal(y_dot.bias.array, A)


def test_a_container_as_auxiliary_result():
    _, aux = ag.grad(lambda x: (xp.sum(x), Layer(x, Scaled(x, 1.0))), has_aux=True)(A)
    assert type(aux.weight) is type(aux.bias.array) is np.ndarray


def test_gradients_twice_through_containers():
    def slope(layer):
        return ag.grad(lambda layer: xp.sum(layer.weight**3) + layer.bias)(layer)

    result = ag.grad(lambda layer: xp.sum(slope(layer).weight))(Layer(A, 1.0))
    assert_equal(result.weight, 6 * A)
    assert_equal(result.bias, 0.0)


def test_static_fields_must_agree():
    _, pullback = ag.vjp(lambda x: Layer(x, None, "relu"), A)
    assert_equal(pullback(Layer(B, None, "relu"))[0], B)
    with pytest.raises(
        ValueError,
        match=r"structure of the result, Layer\('weight': \*, 'bias': None, "
        r"'activation': 'relu'\); got Layer\(.*'activation': 'tanh'\)",
    ):
        pullback(Layer(B, None, "tanh"))
    with pytest.raises(
        ValueError, match=r"\(Scaled\[2\.0\]\(0: \*\)\); got \(Scaled\[3\.0\]\(0: \*\)"
    ):
        ag.jvp(Scaled.value, (Scaled(A, 2.0),), (Scaled(A, 3.0),))


def test_the_path_through_containers_is_named():
    wrong = Model(Layer(Scaled(np.asarray([1]), 2.0)), None)
    with pytest.raises(
        TypeError, match=r"^grad: argument 0 \(model\)\.first\.weight\[0\] must be"
    ):
        ag.grad(loss)(wrong, A)
    wrong = Model(None, {"last": [Layer(1)]})
    with pytest.raises(
        TypeError, match=r"^grad: argument 'model'\.rest\['last'\]\[0\]\.weight must be"
    ):
        ag.grad(loss, argnames="model")(x=A, model=wrong)
