"""`check_grads` as those who call it see it: what it takes, says, catches and refuses.

That right derivatives pass at hard points, and that every rule's mutants are caught, is
measured elsewhere: `bench/false_alarms.py` and `autograd_core.testing.mutation`.
"""

import collections
from types import SimpleNamespace

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.declare import elementwise, general, sample
from autograd_core.operation import registry
from autograd_core.testing import GradientError, InconclusiveError, check_grads
from autograd_core.testing.properties import PROPERTIES

xp = ag.ops

X, Y = np.asarray([0.5, -1.0, 2.0]), np.asarray([1.5, 0.25, -0.75])
BOTH = "forward mode is the derivative", "reverse mode is the transpose"


def refused(function, *arguments, **options):
    """Check a wrong derivative, and return the error."""
    with pytest.raises(GradientError) as caught:
        check_grads(function, *arguments, **options)
    return caught.value


def pulled_back(derivative):
    """Return the VJP of an elementwise function of NumPy arrays."""

    def vjp(x):
        return None, lambda u: (u * derivative(x),)

    return vjp


def pushed(derivative):
    """Return the JVP of an elementwise function of NumPy arrays."""
    return lambda primals, tangents: (None, tangents[0] * derivative(primals[0]))


def line(error, word):
    """Return what a report says after a word."""
    lines = str(error).splitlines()
    return next(
        found.removeprefix(f"  {word}").strip()
        for found in lines
        if found.startswith(f"  {word}")
    )


def shown(error):
    """Return the inputs that a report shows."""
    text = str(error).partition("smallest failing input found:\n")[2]
    return [found.strip() for found in text.splitlines()]


@pytest.fixture
def forgotten():
    """Take operations that a test declares out of the registry again."""
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


# ------------------------------------------------------------------ what it takes

Layer = collections.namedtuple("Layer", "weights bias")


def test_a_right_derivative_gives_a_table_of_what_was_verified():
    report = check_grads(lambda x, y: xp.tanh(x) * y, X, Y, name="product")
    assert str(report).splitlines()[0] == "product: the derivative is right"
    for name in (*BOTH, "all nestings agree", "f(x, x) adds", "backward() agrees"):
        assert name in report, name
    assert "broadcasting sums" not in report  # nothing is broadcast: not verified
    table = "\n".join(str(report).splitlines()[1:])
    for listed in PROPERTIES:
        assert listed.name in table
    assert "of the gradient" in table
    assert "of the tangent" in table


def test_a_function_is_called_by_its_name():
    def half(x):
        return x / 2

    assert str(check_grads(half, X)).startswith("half:")
    assert "of half is wrong" in str(refused(half, X, jvp=pushed(np.sign)))
    assert "of other is wrong" in str(
        refused(half, X, jvp=pushed(np.sign), name="other")
    )


def test_pytrees_in_and_out():
    def network(layers, x):
        hidden = xp.tanh(x @ layers[0].weights + layers[0].bias)
        return {"y": hidden @ layers[1].weights + layers[1].bias, "hidden": [hidden]}

    rng = np.random.default_rng(0)
    layers = [
        Layer(rng.normal(size=(3, 4)), rng.normal(size=4)),
        Layer(rng.normal(size=4), np.asarray(0.5)),
    ]
    assert "containers are kept" not in check_grads(network, layers, X)  # no elements
    report = check_grads(network, layers, rng.normal(size=(2, 3)))
    assert ("containers are kept", "", "holds") in report.rows


def test_what_is_no_float_is_held_constant():
    seen = []

    def f(x, times, how, index, flags, nothing=None):
        seen.append((times, how, nothing, flags))
        return xp.take(x, index, axis=0) ** times if how == "power" else x

    index = np.asarray([0, 0, 2])
    check_grads(f, X, 3, "power", index, {"on": True, "off": np.asarray([True])})
    for times, how, nothing, flags in seen:
        assert (times, how, nothing) == (3, "power", None)
        assert flags["on"] is True
        assert flags["off"].dtype == bool


def test_python_floats_are_differentiated():
    with pytest.raises(GradientError) as caught:
        check_grads(
            lambda x, scale: x * scale,
            X,
            2.0,
            vjp=lambda x, scale: (x * scale, lambda u: (u * scale, 0 * np.sum(u * x))),
        )
    assert caught.value.element == "scale"
    check_grads(lambda x: x**3, 2.0)
    check_grads(lambda x, scale: x * scale, X.astype("float32"), 2.0)


def test_a_python_float_beside_arrays_of_another_library():
    strict = pytest.importorskip("array_api_strict")
    check_grads(lambda x, scale: x * scale, strict.asarray(X), 2.0)


def test_single_precision():
    single = X.astype("float32")
    check_grads(lambda x: xp.sin(x) * x, single)
    error = refused(np.sin, single, vjp=pulled_back(lambda x: np.cos(x) * 1.0001))
    assert error.property == "reverse mode is the transpose"
    assert line(error, "it looks") == "as if it was multiplied by 1.0001"


def test_a_function_that_knows_single_precision_only():
    def f(x):
        assert x.dtype == np.float32
        return x * np.float32(2)

    single = X.astype("float32")
    check_grads(f, single, jvp=lambda p, t: (None, t[0] * np.float32(2)))
    wrong = lambda p, t: (None, t[0] * np.float32(2.01))  # noqa: E731
    assert refused(f, single, jvp=wrong).property == BOTH[0]


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_any_size(size):
    x = np.linspace(-2.0, 2.0, size)
    check_grads(lambda x: xp.exp(x) * x, x)
    check_grads(lambda x: xp.sum(x * x), x)


def test_functions_without_a_signature():
    check_grads(np.square, X, grad=lambda x: 2 * x, jvp=pushed(lambda x: 2 * x))
    error = refused(np.square, X, jvp=pushed(np.abs))
    assert error.property == BOTH[0]


# ------------------------------------------------------------------ how it is given


def test_a_gradient_alone_or_in_a_tuple():
    square = lambda x: np.sum(x * x)  # noqa: E731
    check_grads(square, X, grad=lambda x: 2 * x)
    check_grads(square, X, grad=lambda x: (2 * x,))
    product = lambda x, y: np.sum(x * y)  # noqa: E731
    check_grads(product, X, Y, grad=lambda x, y: (y, x))
    check_grads(product, X, Y, grad=lambda x, y: x, argnums=1)
    check_grads(product, X, Y, grad=lambda x, y: (x,), argnums=(1,))
    error = refused(product, X, Y, grad=lambda x, y: (x, y))
    assert error.property == BOTH[1]


def test_a_gradient_in_containers():
    def loss(layer, x):
        return np.sum((x @ layer.weights + layer.bias) ** 2)

    def gradient(layer, x):
        r = 2 * (x @ layer.weights + layer.bias)
        return Layer(r @ x, np.sum(r))

    layer, x = Layer(X, np.asarray(0.5)), np.arange(12.0).reshape(4, 3) / 7
    check_grads(loss, layer, x, grad=gradient, argnums=0)
    error = refused(
        loss,
        layer,
        x,
        grad=lambda layer, x: Layer(gradient(layer, x)[0], 1 + gradient(layer, x)[1]),
        argnums=0,
    )
    assert error.element == "layer.bias"


def test_a_jvp_and_a_vjp_together():
    right, wrong = np.cos, lambda x: np.cos(x) * 1.001
    check_grads(np.sin, X, jvp=pushed(right), vjp=pulled_back(right))
    error = refused(np.sin, X, jvp=pushed(right), vjp=pulled_back(wrong))
    assert error.property == BOTH[1]
    assert "forward mode is right here, so the fault is in a VJP" in str(error)
    error = refused(np.sin, X, jvp=pushed(wrong), vjp=pulled_back(right))
    assert error.property == BOTH[0]
    assert "reverse mode is right here, so the fault is in a JVP" in str(error)
    error = refused(np.sin, X, jvp=pushed(wrong), vjp=pulled_back(wrong))
    shared = "reverse mode is wrong too, so the fault is in what both share"
    assert shared in str(error)


def test_gradients_of_constants_may_be_none():
    def vjp(x, times):
        return x * times, lambda u: (u * times, None)

    check_grads(lambda x, times: x * times, X, 3, vjp=vjp)


def test_given_derivatives_are_not_nested():
    report = check_grads(np.sin, X, jvp=pushed(np.cos), order=2)
    assert "not checked: a given derivative does not nest" in str(report)


def test_operators_of_any_library():
    like_a_module = SimpleNamespace(jvp=ag.jvp, vjp=ag.vjp)
    report = check_grads(lambda x: xp.sin(x) * x, X, using=like_a_module)
    assert "all nestings agree" in report
    assert "backward() agrees" not in str(report)  # promised by this library only
    for operator, other in (("jvp", BOTH[1]), ("vjp", BOTH[0])):
        one = SimpleNamespace(**{operator: getattr(ag, operator)})
        report = check_grads(lambda x: xp.sin(x) * x, X, using=one)
        assert other not in report


def test_operators_that_are_wrong():
    def jvp(f, primals, tangents):
        y, y_dot = ag.jvp(f, primals, tangents)
        return y, ag.pytree.map(lambda v: v * (1 + 1e-6), y_dot)

    error = refused(xp.sin, X, using=SimpleNamespace(jvp=jvp, vjp=ag.vjp))
    assert error.property == BOTH[0]
    assert line(error, "it looks") == "as if it was multiplied by 1 +1e-06"


def test_modes():
    wrong = pushed(lambda x: np.cos(x) * 2)
    right = pulled_back(np.cos)
    check_grads(np.sin, X, jvp=wrong, vjp=right, modes=("reverse",))
    refused(np.sin, X, jvp=wrong, vjp=right, modes=("forward",))
    report = check_grads(xp.sin, X, modes=("forward",))
    assert BOTH[0] in report
    assert BOTH[1] not in report
    report = check_grads(xp.sin, X, modes=("reverse",))
    assert BOTH[0] not in report
    assert BOTH[1] in report


def test_argnums():
    def vjp(x, y):  # wrong in y only
        return x * y, lambda u: (u * y, u * x * 2)

    f = lambda x, y: x * y  # noqa: E731
    only_x = lambda x, y: (x * y, lambda u: u * y)  # noqa: E731
    check_grads(f, X, Y, vjp=only_x, argnums=0)
    check_grads(f, X, Y, vjp=only_x, argnums=-2)
    assert refused(f, X, Y, vjp=vjp, argnums=(0, 1)).element.startswith("y")
    report = check_grads(f, X, Y, argnums=-1)
    assert any("some arguments are held constant" in row[2] for row in report.rows)


@pytest.mark.parametrize("wrong_order", [1, 2, 3])
def test_order(forgotten, wrong_order):
    """A rule that is right, but whose own derivative is not, and so on."""

    def square_x(xp, t, x):
        return t * (2.01 * x if wrong_order == 1 else 2 * x)

    @elementwise(x=square_x, implementation=lambda xp, x: x * x)
    def faulty_square(x, /):
        """x * x."""

    def cube_x(xp, t, x):
        held = ag.stop_gradient(x) if wrong_order == 2 else x
        return t * (3 * held * held)

    @elementwise(x=cube_x, implementation=lambda xp, x: x * x * x)
    def faulty_cube(x, /):
        """x * x * x."""

    def second_x(xp, t, x):
        return t * (12 * ag.stop_gradient(x) if wrong_order == 3 else 12 * x) * x

    @elementwise(x=second_x, implementation=lambda xp, x: 4 * x * x * x)
    def derivative_of_fourth(x, /):
        """4 * x * x * x."""

    def fourth_x(xp, t, x):
        return t * derivative_of_fourth(x)

    @elementwise(x=fourth_x, implementation=lambda xp, x: x * x * x * x)
    def faulty_fourth(x, /):
        """x * x * x * x."""

    function = (faulty_square, faulty_cube, faulty_fourth)[wrong_order - 1]
    for order in range(1, wrong_order):
        check_grads(function, X, order=order)
    error = refused(function, X, order=wrong_order)
    if wrong_order < 3:
        assert f"{function.__name__} fails its own check" in str(error)
    if wrong_order > 1:
        assert "first derivatives are right" in str(error)
        assert line(error, "what").count("of the") >= wrong_order - 1


def test_the_seed_draws_directions_and_nothing_else_is_random():
    wrong = pushed(lambda x: np.cos(x) * 2)
    one, same = (str(refused(np.sin, X, jvp=wrong, seed=1)) for _ in range(2))
    assert one == same
    for seed in range(5):
        check_grads(lambda x: xp.sin(x) * x, X, seed=seed)


# ------------------------------------------------------------------ what a report says


def test_the_whole_report():
    def loss(params, data):
        return np.sum((data["x"] @ params["w"] - data["y"]) ** 2)

    def gradient(params, data):
        r = data["x"] @ params["w"] - data["y"]
        return {"w": 2 * data["x"].T @ r * np.where(params["w"] > 0, 1, -1)}

    params = {"w": np.asarray([-1.0, 2.0])}
    data = {"x": np.asarray([[1.0, 0.0], [0.0, 1.0]]), "y": np.asarray([1.0, 1.0])}
    error = refused(loss, params, data, grad=gradient, argnums=0, shrink=False)
    text = str(error).splitlines()
    assert text[0] == "check_grads: the derivative of loss is wrong"
    assert line(error, "what") == "gradient of output with respect to params['w']"
    assert line(error, "element") == "params['w'][0]"
    assert line(error, "property").startswith(
        "reverse mode is the transpose: ``<u, J v>"
    )
    assert line(error, "expected").startswith("-4 +- ")
    assert line(error, "got") == "4"
    assert line(error, "wrong") == "1 of 2 elements"
    assert line(error, "it looks") == "as if the sign was flipped"
    assert "params['w'] = asarray([-1.0, 2.0])  # float64[2]" in shown(error)


def test_the_errors_attributes():
    error = refused(lambda x: np.sum(x**3), X, grad=lambda x: 3 * x * x + (x > 1))
    assert isinstance(error, AssertionError)
    assert error.property == BOTH[1]
    assert error.subject == "gradient of output with respect to x"
    assert error.element.startswith("x[")
    assert error.got == pytest.approx(error.expected + 1, rel=1e-9)
    assert 0 < error.error < 1e-9 * abs(error.expected)


@pytest.mark.parametrize("index", [(0, 0), (1, 2), (2, 3)])
def test_the_element_is_named(index):
    x = 1 + np.arange(12.0).reshape(3, 4) / 7
    mask = np.ones((3, 4))
    mask[index] = 0
    f = lambda x: np.sum(x**3)  # noqa: E731
    name = f"x[{index[0]}, {index[1]}]"
    options = {"shrink": False}
    gradient = lambda x: 3 * x**2 * mask.astype(x.dtype)  # noqa: E731
    error = refused(f, x, grad=gradient, **options)
    assert error.element == name
    assert line(error, "wrong") == "1 of 12 elements"
    assert error.expected == pytest.approx(3 * x[index] ** 2)
    tangent = lambda p, t: (None, np.sum(t[0] * gradient(p[0])))  # noqa: E731
    error = refused(f, x, jvp=tangent, **options)
    assert error.subject == f"derivative with respect to {name}"
    assert error.element == "output"
    assert error.expected == pytest.approx(3 * x[index] ** 2)
    tangent = lambda p, t: (None, t[0] * gradient(p[0]))  # noqa: E731
    error = refused(lambda x: x**3, x, jvp=tangent, **options)
    assert error.subject == f"derivative with respect to {name}"
    assert error.element == name.replace("x", "output")


def test_the_result_is_named():
    def vjp(x):
        return (x, {"twice": 2 * x}), lambda u: (u[0] + 3 * u[1]["twice"],)

    error = refused(lambda x: (x, {"twice": 2 * x}), X, vjp=vjp)
    assert "output[1]['twice']" in error.subject
    jvp = lambda p, t: (None, (t[0], {"twice": 3 * t[0]}))  # noqa: E731
    error = refused(lambda x: (x, {"twice": 2 * x}), X, jvp=jvp)
    assert error.element.startswith("output[1]['twice'][")


LIKE = np.asarray([0.3, 0.7, 1.1, 1.9])
LOOKS = {
    "as if the sign was flipped": lambda g: -g,
    "detached: the derivative is 0": lambda g: 0 * g,
    "as if it was multiplied by 2": lambda g: 2 * g,
    "as if it was multiplied by 1.001": lambda g: 1.001 * g,
    "as if it was multiplied by 1 +1e-06": lambda g: g * (1 + 1e-6),
    "as if the elements were in the wrong order": lambda g: g[::-1],
    "as if 0 * inf, inf - inf or 0 / 0 was computed: nan": lambda g: g * np.nan,
    "as if something was divided by 0: inf": lambda g: g / (0 * g),
}


@pytest.mark.parametrize("looks", LOOKS)
def test_what_a_fault_looks_like(looks):
    fault = LOOKS[looks]
    f = lambda x: np.sum(np.sin(x))  # noqa: E731
    error = refused(f, LIKE, grad=lambda x: fault(np.cos(x)), shrink=False)
    assert line(error, "it looks").startswith(looks)


def test_a_term_too_many():
    error = refused(lambda x: x * 0.0, X, vjp=pulled_back(np.ones_like))
    assert (
        line(error, "it looks") == "as if a term was added that does not belong there"
    )


def test_what_fits_no_description_gets_none():
    f = lambda x: np.sum(np.sin(x))  # noqa: E731
    error = refused(f, LIKE, grad=lambda x: np.cos(x) + x, shrink=False)
    assert "it looks" not in str(error)


def test_shape_and_dtype_faults_say_so():
    twice = lambda x: 2 * x  # noqa: E731
    for fault, text in (
        (lambda u: u.astype("float32"), "has dtype float32, its primal has float64"),
        (lambda u: u[None], "has shape (1, 3), its primal has (3,)"),
        (lambda u: np.sum(u), "has shape (), its primal has (3,)"),
        (lambda u: np.ones(4), "has shape (4,), its primal has (3,)"),
    ):
        vjp = lambda x, fault=fault: (2 * x, lambda u: (fault(2 * u),))  # noqa: E731
        error = refused(twice, X, vjp=vjp, shrink=False)
        assert error.property == "derivatives are like their primals"
        assert error.subject == "gradient with respect to x"
        assert text in line(error, "found")
        assert error.element == ""
        assert error.expected is None


def test_a_gradient_in_the_wrong_precision():
    f = lambda x: np.sum(2 * x)  # noqa: E731
    error = refused(f, X, grad=lambda x: np.full(x.shape, 2, "float32"))
    assert "has dtype float32, its primal has float64" in str(error)


# ------------------------------------------------------------------ smaller inputs


def test_the_failing_input_is_small():
    def f(a, b):
        return a @ b

    def vjp(a, b):
        return a @ b, lambda u: (u @ b.T, (a.T @ u) * 1.001)

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 30)), rng.normal(size=(30, 10))
    error = refused(f, a, b, vjp=vjp)
    for shape in shown(error):
        assert shape.endswith("# float64[1,1]")
    large = refused(f, a, b, vjp=vjp, shrink=False)
    assert [row.partition(",")[0] for row in shown(large)] == [
        "a = float64[20",
        "b = float64[30",
    ]


def test_only_inputs_that_fail_in_the_same_way_are_shown():
    """The fault needs two elements that differ, and the report shows two."""

    def vjp(x):
        return None, lambda u: (u * np.cos(x[::-1]),)

    error = refused(np.sin, np.linspace(-2.0, 2.5, 30), vjp=vjp)
    (text,) = shown(error)
    x = eval(text.partition("=")[2], {"asarray": np.asarray})
    assert 2 <= x.size <= 3
    assert refused(np.sin, x, vjp=vjp).property == error.property


def test_a_function_that_takes_no_other_shape_keeps_it():
    weights = np.asarray([1.0, 2.0, 3.0])
    f = lambda x: x @ weights  # noqa: E731
    error = refused(f, X, grad=lambda x: (weights + 1).astype(x.dtype))
    (text,) = shown(error)
    assert text.endswith("# float64[3]")


# ------------------------------------------------------------------ every property


def fault_in_forward_mode():
    check_grads(np.sin, X, jvp=pushed(lambda x: np.cos(x) * (1 + 1e-6)))


def fault_in_forward_linearity():
    jvp = lambda p, t: (  # noqa: E731
        None,
        t[0] * p[1] + t[1] * p[0] + 1e-3 * t[0] * t[1],
    )
    check_grads(lambda x, y: x * y, X, Y, jvp=jvp)


def fault_in_zero_tangents():
    jvp = lambda p, t: (None, t[0] * np.cos(p[0]) + 1e-300)  # noqa: E731
    check_grads(np.sin, X, jvp=jvp)


def fault_in_reverse_mode():
    check_grads(np.sin, X, vjp=pulled_back(lambda x: np.cos(x) * (1 + 1e-6)))


def fault_in_zero_cotangents():
    vjp = lambda x: (None, lambda u: (u * np.cos(x) + 1e-300,))  # noqa: E731
    check_grads(np.sin, X, vjp=vjp)


def fault_in_reverse_linearity():
    """Right for cotangents of the sizes that are drawn, wrong for larger ones."""

    def vjp(x):
        return None, lambda u: (u * np.cos(x) * np.where(abs(u) > 6, 1.001, 1),)

    check_grads(np.sin, np.asarray([1.25, -1.0, 1.0]), vjp=vjp)


def fault_in_nestings():
    def cube_jvp(xp, t, x):
        return t * 3 * x * x

    def cube_vjp(xp, t, x):
        return t * 3 * ag.stop_gradient(x) * x

    @general(
        jvp={"x": cube_jvp},
        vjp={"x": cube_vjp},
        implementation=lambda xp, x: x * x * x,
        samples=(sample((3,)),),
    )
    def faulty_cube(x, /):
        """x * x * x."""

    check_grads(faulty_cube, X)


def fault_in_the_same_argument_twice():
    def product(x, y):
        return x * (ag.stop_gradient(y) if x is y else y)

    check_grads(product, X, Y)


def fault_in_broadcasting():
    def scaled(a, x):
        return (ag.stop_gradient(a) if a.shape == x.shape else a) * x

    check_grads(scaled, np.asarray([2.0]), X)


def fault_in_dtype():
    vjp = lambda x: (None, lambda u: ((2 * u).astype("float32"),))  # noqa: E731
    check_grads(lambda x: 2 * x, X, vjp=vjp)


def fault_in_single_precision():
    """Nobody asked for float32 here, but operators promise to keep it."""
    two = np.asarray(2.0)
    given = SimpleNamespace(
        jvp=lambda f, primals, tangents: (
            f(*primals),
            tuple(v * two for v in tangents),
        ),
        vjp=lambda f, *primals: (f(*primals), lambda u: tuple(v * two for v in u)),
    )
    check_grads(lambda x: x * 2, X, using=given, order=1)


def fault_in_values():
    def f(x):
        return xp.sin(x) + (1e-9 if isinstance(x, ag.Tensor) else 0.0)

    check_grads(f, X)


def fault_between_runs():
    runs = []

    def vjp(x):
        def pullback(u):
            runs.append(None)
            return (u * np.cos(x) * (1 + (len(runs) % 2) * np.finfo(x.dtype).eps),)

        return None, pullback

    check_grads(np.sin, X, vjp=vjp)


def fault_of_writing_to_a_cotangent():
    def vjp(x):
        return None, lambda u: (np.multiply(u, np.cos(x), out=u),)

    check_grads(np.sin, X, vjp=vjp)


def fault_of_writing_to_an_argument():
    def vjp(x):
        def pullback(u):
            bar = u * np.cos(x)
            x[...] = 0
            return (bar,)

        return None, pullback

    check_grads(np.sin, X.copy(), vjp=vjp)


def fault_of_writing_to_a_tangent():
    def jvp(primals, tangents):
        tangents[0][...] *= np.cos(primals[0])
        return None, tangents[0].copy()

    check_grads(np.sin, X, jvp=jvp)


def fault_of_shared_memory(monkeypatch):
    vjp = ag.vjp

    def aliased(f, *primals):
        value, _ = vjp(f, *primals)
        return value, lambda u: u

    monkeypatch.setattr(ag, "vjp", aliased)
    check_grads(lambda x: x + 0.0, X, order=1)


def fault_in_memory_layout():
    def vjp(x):
        in_memory = np.cos(x).ravel(order="K").reshape(x.shape)
        return None, lambda u: (u * in_memory,)

    check_grads(np.sin, np.arange(1.0, 7.0).reshape(2, 3), vjp=vjp)


def fault_in_containers():
    def listed(tree):
        if isinstance(tree, dict):
            return list(tree.values())
        return tuple(map(listed, tree)) if isinstance(tree, tuple) else tree

    def vjp(f, *primals):
        value, pullback = ag.vjp(f, *primals)
        return value, lambda u: listed(pullback(u))

    given = SimpleNamespace(jvp=ag.jvp, vjp=vjp)
    check_grads(lambda p: p["a"] * p["b"], {"a": X, "b": Y}, using=given)


def fault_in_backward(monkeypatch):
    backward = ag.Tensor.backward

    def twice(self, cotangent):
        backward(self, 2 * cotangent)

    monkeypatch.setattr(ag.Tensor, "backward", twice)
    check_grads(xp.sin, X)


FAULTS = {
    "forward mode is the derivative": [fault_in_forward_mode],
    "forward mode is linear": [fault_in_forward_linearity, fault_in_zero_tangents],
    "reverse mode is the transpose": [fault_in_reverse_mode],
    "reverse mode is linear": [fault_in_zero_cotangents, fault_in_reverse_linearity],
    "all nestings agree": [fault_in_nestings],
    "f(x, x) adds": [fault_in_the_same_argument_twice],
    "broadcasting sums": [fault_in_broadcasting],
    "derivatives are like their primals": [fault_in_dtype, fault_in_single_precision],
    "values are the function's own": [fault_in_values],
    "two runs are bit-equal": [fault_between_runs],
    "nothing is written to or shared": [
        fault_of_writing_to_a_cotangent,
        fault_of_writing_to_an_argument,
        fault_of_writing_to_a_tangent,
        fault_of_shared_memory,
    ],
    "memory layout does not matter": [fault_in_memory_layout],
    "containers are kept": [fault_in_containers],
    "backward() agrees": [fault_in_backward],
}


@pytest.mark.parametrize(
    ("name", "fault"), [(name, f) for name, found in FAULTS.items() for f in found]
)
def test_a_fault_that_one_property_catches(forgotten, monkeypatch, name, fault):
    takes = fault.__code__.co_varnames[: fault.__code__.co_argcount]
    with pytest.raises(GradientError) as caught:
        fault(monkeypatch) if takes else fault()
    assert caught.value.property == name
    listed = next(row for row in PROPERTIES if row.name == name)
    assert f"{name}: {listed.sentence}" in str(caught.value)


def test_every_property_has_such_a_fault():
    assert {row.name for row in PROPERTIES} == set(FAULTS)


def test_sentences_are_sentences():
    for row in PROPERTIES:
        assert row.sentence.endswith("."), row.name
        assert "\n" not in row.sentence


# ------------------------------------------------------------------ small faults

N = 1000
LARGE = np.random.default_rng(0).normal(size=N)


@pytest.mark.parametrize(
    ("dtype", "seed"), [("float64", 0), ("float64", 1), ("float32", 0)]
)
def test_faults_that_other_checkers_accept(dtype, seed):
    """A zero derivative of many small terms; one element of a thousand; 1e-6."""
    x = LARGE.astype(dtype)
    options = {"seed": seed, "shrink": False}
    mean = lambda x: np.mean(np.tanh(x))  # noqa: E731
    right = lambda x: (1 - np.tanh(x) ** 2) / N  # noqa: E731
    check_grads(mean, x, grad=right, **options)
    error = refused(mean, x, grad=lambda x: 0 * x, **options)
    assert line(error, "it looks").startswith("detached")
    for k in (0, 500, N - 1):
        others = (np.arange(N) != k).astype(dtype)
        refused(
            mean, x, grad=lambda x, o=others: right(x) * o.astype(x.dtype), **options
        )
    refused(mean, x, grad=lambda x: right(x) * x.dtype.type(1 + 1e-6), **options)


def test_the_smallest_element_counts_as_much_as_the_largest():
    x = np.logspace(-8, 0, 9)
    right = lambda x: 3 * x * x  # noqa: E731
    wrong = lambda x: 3 * x * x * (x > x.min())  # noqa: E731
    cube = lambda x: x**3  # noqa: E731
    check_grads(cube, x, jvp=pushed(right), vjp=pulled_back(right))
    for given in (
        {"jvp": pushed(wrong)},
        {"jvp": pushed(right), "vjp": pulled_back(wrong)},
    ):
        error = refused(cube, x, shrink=False, **given)
        assert "x[0]" in (error.element, error.subject.rpartition(" ")[2])
    # In a sum a difference cannot see it, but forward mode tells.
    tangent = lambda p, t: (None, np.sum(t[0] * right(p[0])))  # noqa: E731
    total = lambda x: np.sum(x**3)  # noqa: E731
    error = refused(total, x, jvp=tangent, grad=wrong, shrink=False)
    assert error.element == "x[0]"


# ------------------------------------------------------------------ kinks


def like(g, x):
    return np.asarray(g, dtype=x.dtype)


@pytest.mark.parametrize("x", [0.0, [0.0], [0.0, 1.0], [[-1.0, 0.0], [0.0, 2.0]]])
@pytest.mark.parametrize("slope", [-1.0, 0.0, 0.3, 1.0])
def test_a_slope_inside_the_subdifferential_is_right(slope, x):
    derivative = lambda x: like(np.where(x == 0, slope, np.sign(x)), x)  # noqa: E731
    vjp, jvp = pulled_back(derivative), pushed(derivative)
    check_grads(np.abs, np.asarray(x), vjp=vjp, jvp=jvp)
    check_grads(np.abs, np.asarray(x), vjp=vjp)


@pytest.mark.parametrize("x", [0.0, [0.0], [0.0, 1.0], [[-1.0, 0.0], [0.0, 2.0]]])
@pytest.mark.parametrize("slope", [-5.0, -1.01, 1.01, 5.0, np.inf, np.nan])
def test_a_slope_outside_is_wrong(slope, x):
    derivative = lambda x: like(np.where(x == 0, slope, np.sign(x)), x)  # noqa: E731
    for given in (
        {"vjp": pulled_back(derivative)},
        {"jvp": pushed(derivative)},
        {"jvp": pushed(np.sign), "vjp": pulled_back(derivative)},
    ):
        assert refused(np.abs, np.asarray(x), **given).property in BOTH


@pytest.mark.parametrize("x", [[0.0, 1.0], [-1.0, 0.0, 2.0]])
@pytest.mark.parametrize("form", ["jvp", "vjp"])
def test_a_report_of_a_kink_gives_the_slopes_on_its_sides(form, x):
    derivative = lambda x: like(np.where(x == 0, 5.0, np.sign(x)), x)  # noqa: E731
    given = {"jvp": pushed, "vjp": pulled_back}[form](derivative)
    error = refused(np.abs, np.asarray(x), **{form: given})
    assert error.expected == pytest.approx((-1.0, 1.0))
    assert error.got == 5.0
    text = line(error, "expected")
    assert text.startswith("between -1 and 1 (a kink: the slopes on its sides)")


TIE = np.asarray([1.0, 0.0, 1.0])
ORIGIN = np.zeros(2)
KINKS = {
    "max": (np.max, TIE, [[0.5, 0, 0.5], [1, 0, 0], [0.2, 0, 0.8]]),
    "relu": (lambda x: np.maximum(x, 0), np.asarray(0.0), [0.0, 0.5, 1.0]),
    "norm": (lambda x: np.sqrt(np.sum(x * x)), ORIGIN, [[0, 0], [0.6, 0.8], [0, 0.5]]),
    "sum of abs": (lambda x: np.sum(np.abs(x)), ORIGIN, [[0, 0], [1, -1], [0.5, 1]]),
    "floor": (np.floor, np.asarray(1.0), [0.0]),
}
WRONG_THERE = {
    "max": [[0.9, 0, 0.9], [0.5, 0.5, 0], [-0.1, 0, 1.1]],
    "relu": [-0.1, 1.1, 2.0],
    "norm": [[2, 0], [0.9, 0.9]],
    "sum of abs": [[1.1, 0], [0, 2], [-3, 0]],
    "floor": [1.0, np.inf],
}


@pytest.mark.parametrize("name", KINKS)
def test_gradients_at_kinks(name):
    f, x, right = KINKS[name]
    for gradient in right:
        check_grads(f, x, grad=lambda x, g=gradient: like(g, x))
    for gradient in WRONG_THERE[name]:
        refused(f, x, grad=lambda x, g=gradient: like(g, x))


@pytest.mark.parametrize("f", [np.sqrt, np.cbrt])
def test_an_infinite_slope(f):
    x = np.asarray([0.0, 1.0])
    at_one = {np.sqrt: 0.5, np.cbrt: 1 / 3}[f]
    derivative = lambda slope: (  # noqa: E731
        lambda x: like(np.where(x == 0, slope, at_one), x)
    )
    check_grads(f, x, vjp=pulled_back(derivative(np.inf)))
    for slope in (0.0, 1.0, np.nan):
        refused(f, x, vjp=pulled_back(derivative(slope)))


def test_our_own_kinks():
    for f in (xp.abs, xp.max, lambda x: xp.maximum(x, 0.0), xp.sort, xp.floor):
        check_grads(f, np.asarray([0.0, 1.0, 1.0, -2.0]))


# ------------------------------------------------------------------ inconclusive

ROUGH = {
    "outside the domain": (lambda x: np.log(x), lambda x: 1 / x, [1.0, -1.0]),
    "oscillates": (
        lambda x: np.where(x == 0, 0.0, x * np.sin(1 / np.where(x == 0, 1.0, x))),
        lambda x: 1e3 + 0 * x,
        [0.0],
    ),
    "noisy": (
        lambda x: x + 1e-3 * ((np.sin(x * 1e7) * 1e4) % 1),
        lambda x: 5 + 0 * x,
        [0.3],
    ),
    "infinite": (lambda x: x / 0.0, lambda x: np.inf + x, X),
    "nan": (lambda x: x * np.nan, lambda x: np.nan * x, X),
}


@pytest.mark.parametrize("name", ROUGH)
def test_what_cannot_be_judged(name):
    f, derivative, x = ROUGH[name]
    for given in ({"jvp": pushed(derivative)}, {"vjp": pulled_back(derivative)}):
        with pytest.raises(InconclusiveError) as caught, np.errstate(all="ignore"):
            check_grads(f, np.asarray(x), name="rough", **given)
        text = str(caught.value)
        assert text.startswith(
            "check_grads: the derivative of rough cannot be judged here: "
        )
        assert "Check beside this point" in text


@pytest.mark.parametrize("f", [xp.log, lambda x: x / 0.0], ids=["log", "infinite"])
def test_what_cannot_be_judged_of_ours(f):
    with pytest.raises(InconclusiveError):
        check_grads(f, np.asarray([1.0, -1.0]))


def test_what_can_be_judged_elsewhere_is_judged_all_the_same():
    """A fault in another element is found, though one element cannot be judged."""

    def f(x):
        return np.where(x < 0, np.nan, x**2)

    refused(f, np.asarray([1.0, -1.0]), jvp=pushed(lambda x: 3 * x))


# ------------------------------------------------------------------ manners


def test_nothing_of_the_users_is_written_to():
    arrays = {"a": X.copy(), "b": [Y.copy(), np.asarray(2.0)]}
    frozen = [X.copy(), Y.copy()]
    check_grads(lambda t: t["a"] * t["b"][0] * t["b"][1], arrays)
    refused(np.sin, arrays["a"], jvp=pushed(np.sin))
    with pytest.raises(GradientError):  # not even where the derivative writes
        check_grads(
            np.sin, arrays["a"], vjp=lambda x: (None, lambda u: (_emptied(x, u),))
        )
    np.testing.assert_array_equal(arrays["a"], frozen[0], strict=True)
    np.testing.assert_array_equal(arrays["b"][0], frozen[1], strict=True)


def _emptied(x, u):
    bar = u * np.cos(x)
    x[...] = 0
    return bar


def test_read_only_arguments_are_taken():
    x = X.copy()
    x.flags.writeable = False
    check_grads(lambda x: xp.sin(x) * x, x)


def test_exceptions_of_the_function_come_through():
    def fails(x):
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        check_grads(fails, X)


def test_a_function_that_raises_beside_the_point_is_judged_where_it_does_not():
    def root(x):
        if (x < 0).any():
            raise ValueError("negative")
        return np.sqrt(x)

    x = np.asarray([1e-3, 2.0])
    right = lambda x: 0.5 / np.sqrt(x)  # noqa: E731
    check_grads(root, x, jvp=pushed(right))
    refused(root, x, jvp=pushed(lambda x: right(x) * 1.001))


# ------------------------------------------------------------------ references


@pytest.mark.parametrize("name", ["auto", "differences"])
def test_references(name):
    check_grads(lambda x: xp.exp(x) * x, X, reference=name)
    wrong = pushed(lambda x: np.cos(x) * (1 + 1e-8))
    refused(np.sin, X, jvp=wrong, reference=name)


def test_arbitrary_precision():
    pytest.importorskip("mparray")
    f = lambda x: xp.sum(x - xp.sin(x))  # noqa: E731
    x = np.asarray([1e-4, 2e-4])
    check_grads(f, x, reference="mparray")

    def jvp(f, primals, tangents):
        y, y_dot = ag.jvp(f, primals, tangents)
        return y, ag.pytree.map(lambda v: v * (1 + 1e-4), y_dot)

    given = SimpleNamespace(jvp=jvp)
    error = refused(f, x, reference="mparray", using=given, order=1)
    assert error.property == BOTH[0]


def test_where_values_cancel_a_factor_of_two_is_seen():
    f = lambda x: x - np.sin(x)  # noqa: E731
    right = lambda x: 2 * np.sin(x / 2) ** 2  # noqa: E731
    check_grads(f, np.asarray([1e-4]), jvp=pushed(right))
    refused(f, np.asarray([1e-4]), jvp=pushed(lambda x: 2 * right(x)))


# ------------------------------------------------------------------ libraries


def test_libraries_agree():
    pytest.importorskip("array_api_strict")
    report = check_grads(
        lambda x: xp.tanh(x) * x, X, backends=("numpy", "array-api-strict")
    )
    rows = [row for row in report.rows if row[0] == "libraries agree"]
    assert len(rows) == 4  # the gradient and the tangent on each
    assert all("array-api-strict" in "".join(row) for row in rows[2:])


def test_libraries_that_do_not_agree():
    pytest.importorskip("array_api_strict")

    def factor(x):
        return 2 if ag.backend.get_backend().name == "numpy" else 3

    error = refused(lambda x: x * factor(x), X, backends=("array-api-strict",))
    assert error.property == "libraries agree"
    assert "on array-api-strict" in error.subject
    assert line(error, "it looks") == "as if it was multiplied by 1.5"


def test_a_fault_in_one_library_only():
    pytest.importorskip("array_api_strict")

    def f(x):
        on_numpy = ag.backend.get_backend().name == "numpy"
        return x * (x if on_numpy else ag.stop_gradient(x))

    check_grads(f, X)
    error = refused(f, X, backends=("array-api-strict",), name="f")
    assert "the derivative of f on array-api-strict is wrong" in str(error)


# ------------------------------------------------------------------ complex numbers

Z = np.asarray([1 + 2j, 0.5 - 1j])


def test_complex_numbers():
    """Pairing is the real part of ``sum(conj(u) v)``: pullbacks conjugate."""
    square = lambda z: z**2  # noqa: E731
    check_grads(square, Z, jvp=pushed(lambda z: 2 * z))
    check_grads(square, Z, vjp=pulled_back(lambda z: np.conj(2 * z)))
    error = refused(square, Z, vjp=pulled_back(lambda z: 2 * z))
    assert error.property == BOTH[1]
    assert error.element.startswith("z[")


def test_functions_that_are_not_holomorphic():
    size = lambda z: np.sum((z * np.conj(z)).real)  # noqa: E731
    check_grads(size, Z, vjp=lambda z: (None, lambda u: (2 * z * u,)))
    refused(size, Z, vjp=lambda z: (None, lambda u: (2 * np.conj(z) * u,)))
    refused(np.conj, Z, jvp=pushed(np.ones_like))


def test_real_to_complex():
    wave = lambda x: np.exp(1j * x)  # noqa: E731
    vjp = lambda x: (None, lambda u: ((np.conj(1j * np.exp(1j * x)) * u).real,))  # noqa: E731
    check_grads(wave, X, vjp=vjp)
    wrong = lambda x: (None, lambda u: ((1j * np.exp(1j * x) * u).real,))  # noqa: E731
    refused(wave, X, vjp=wrong)


# ------------------------------------------------------------------ what it refuses

MISUSES = {
    "nothing to differentiate": (
        lambda: check_grads(lambda n: n, 3),
        TypeError,
        "check_grads: there must be an array of floats, or a float, to differentiate; "
        "got int 3.",
    ),
    "no arguments": (
        lambda: check_grads(lambda: 1.0),
        TypeError,
        "got no arguments. Pass the arguments after the function: check_grads(f, x, y)",
    ),
    "argnums names no floats": (
        lambda: check_grads(lambda x, n: x * n, X, 3, argnums=1),
        TypeError,
        "to differentiate; got",
    ),
    "argnums out of range": (
        lambda: check_grads(xp.sin, X, argnums=3),
        (IndexError, TypeError, ValueError),
        "argnums",
    ),
    "no floats come out": (
        lambda: check_grads(lambda x: 3, X),
        TypeError,
        "the function must return arrays of floats; got int 3. Return what is to be "
        "differentiated.",
    ),
    "modes": (
        lambda: check_grads(xp.sin, X, modes=("backward",)),
        ValueError,
        "('forward', 'reverse')",
    ),
    "one mode as a string": (
        lambda: check_grads(xp.sin, X, modes="forward"),
        ValueError,
        "tuple",
    ),
    "no modes": (
        lambda: check_grads(xp.sin, X, modes=()),
        ValueError,
        "('forward', 'reverse')",
    ),
    "order": (
        lambda: check_grads(xp.sin, X, order=0),
        ValueError,
        "order must be 1 or more; got 0",
    ),
    "using and a derivative": (
        lambda: check_grads(xp.sin, X, using=ag, grad=np.cos),
        ValueError,
        "give either using, or derivatives of this function; got grad",
    ),
    "vjp and grad": (
        lambda: check_grads(xp.sin, X, vjp=np.cos, grad=np.cos),
        ValueError,
        "give vjp or grad",
    ),
    "using without operators": (
        lambda: check_grads(xp.sin, X, using=np),
        ValueError,
        "using must have a function jvp or vjp; got",
    ),
    "reference": (
        lambda: check_grads(xp.sin, X, reference="exact"),
        ValueError,
        "reference must be one of 'auto', 'differences', 'mparray'; got 'exact'",
    ),
    "no derivative for the mode": (
        lambda: check_grads(xp.sin, X, modes=("forward",), grad=np.cos),
        ValueError,
        "there must be a derivative for one of the modes; got modes=('forward',)",
    ),
    "a backend that nobody knows": (
        lambda: check_grads(xp.sin, X, backends=("nunpy",)),
        ValueError,
        "got 'nunpy'. Did you mean 'numpy'",
    ),
    "gradient of another structure": (
        lambda: check_grads(lambda d: d["a"], {"a": X}, grad=lambda d: d["a"]),
        ValueError,
        "the gradient must have the structure of the arguments, "
        "tuple(0: dict('a': *)); got *. Return one gradient for each argument, in a "
        "tuple; name others with argnums.",
    ),
    "too many gradients": (
        lambda: check_grads(np.sum, X, grad=lambda x: (x, x)),
        ValueError,
        "got tuple(0: *, 1: *)",
    ),
    "no gradient": (
        lambda: check_grads(np.sum, X, grad=lambda x: None),
        ValueError,
        "got None",
    ),
}


@pytest.mark.parametrize("name", MISUSES)
def test_misuse_says_what_to_do(name):
    call, kind, text = MISUSES[name]
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(("check_grads: ", "set_backend: "))
    assert text in str(caught.value)
