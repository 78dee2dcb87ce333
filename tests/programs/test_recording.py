"""Recording: what a program is, and that it computes what was recorded."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from operations.test_every_operation import CALLS, name_of
from programs_support import assert_same_bits, flat, specs
from support.programs import programs

import autograd_core as ag
from autograd_core.programs.program import GuardError
from autograd_core.testing.samples import outputs

xp = ag.ops


def mlp(w1, w2, x, y):
    h = xp.tanh(x @ w1)
    pred = h @ w2
    residual = pred - y
    loss = xp.mean(residual**2)
    return loss  # noqa: RET504 (whose name is to be seen)


MLP = [(3, 4), (4, 1), (8, 3), (8, 1)]


def arrays_of(shapes, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for shape in shapes]


# ------------------------------------------------------------------ what it computes


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_a_recorded_call_and_its_derivatives_have_the_same_bits(backend, call):
    """From specs alone, for every operation: value, reverse and forward mode."""
    if backend.name != "numpy":
        pytest.skip("shapes and dtypes are NumPy's, and so are the bits")
    function = outputs(call.bound())
    arrays = [xp.asarray(value) for value in call.values]

    def reverse(*xs):
        ys, pullback = ag.vjp(function, *xs)
        return ys, pullback(ys)

    def forward(*xs):
        return ag.jvp(function, xs, xs)

    for f in (function, reverse, forward):
        program = ag.trace(f)(*specs(*arrays))
        if call.operation.name == "linalg.det" and f is not function:
            # eager rules look at the values, and take another way where they may
            np.testing.assert_allclose(flat(program(*arrays))[-1], flat(f(*arrays))[-1])
        else:
            assert_same_bits(program(*arrays), f(*arrays))


@given(programs())
def test_random_gradients_have_the_same_bits(program):
    def total(*xs):
        return sum(xp.sum(y * y) for y in program.function(xp, *xs))

    f = ag.value_and_grad(total, range(len(program.inputs)))
    recorded = ag.trace(f)(*specs(*program.inputs))
    assert_same_bits(recorded(*program.inputs), f(*program.inputs))
    of_value = ag.trace(total)(*specs(*program.inputs))
    names = [v.name for v in of_value.inputs]
    assert_same_bits(
        of_value.value_and_grad(names)(*program.inputs), f(*program.inputs)
    )


@pytest.mark.parametrize(
    "transform",
    [ag.grad, ag.hessian, lambda f: ag.vmap(ag.grad(f), (None, None, 0, 0)), ag.jacfwd],
    ids=["grad", "hessian", "per-example gradients", "jacfwd"],
)
def test_transforms_are_recorded(transform):
    arrays = arrays_of(MLP)
    if transform not in (ag.grad, ag.hessian, ag.jacfwd):
        arrays = arrays_of([(3, 4), (4, 1), (5, 8, 3), (5, 8, 1)])
    f = transform(mlp)
    assert_same_bits(ag.trace(f)(*specs(*arrays))(*arrays), f(*arrays))


def test_a_program_runs_on_every_library(backend):
    arrays = arrays_of(MLP)
    program = ag.trace(ag.grad(mlp, (0, 1)))(*specs(*arrays))
    own = [xp.asarray(x) for x in arrays]
    for x, y in zip(program(*own), ag.grad(mlp, (0, 1))(*own), strict=True):
        assert type(x) is type(y)
        np.testing.assert_allclose(
            np.from_dlpack(x), np.from_dlpack(y), rtol=1e-12, atol=0
        )


def test_recording_computes_nothing():
    program = ag.trace(ag.grad(lambda x: xp.sum(x @ x)))(ag.spec((10**6, 10**6)))
    assert program.outputs[0].type == "float64[1000000,1000000]"


def test_programs_are_differentiated_without_data_to_any_order():
    program = ag.trace(lambda x: xp.sum(xp.sin(x) * x))(ag.spec(3))
    x = np.asarray([0.5, 1.0, 2.0])
    f = lambda x: xp.sum(xp.sin(x) * x)  # noqa: E731
    hvp = program.grad().vjp("x")
    v = np.asarray([1.0, -1.0, 0.5])
    (seed,) = [v.name for v in hvp.inputs[1:]]
    expected = ag.vjp(ag.grad(f), x)
    assert_same_bits(hvp(x=x, **{seed: v}), (expected[0], expected[1](v)))
    y, y_dot = program.jvp()(x=x, x_dot=v)
    assert_same_bits((y, y_dot), ag.jvp(f, (x,), (v,)))


def test_a_program_is_a_function_for_transforms():
    program = ag.trace(mlp)(*map(ag.spec, MLP))
    arrays = arrays_of(MLP)
    assert_same_bits(ag.grad(program, (0, 1))(*arrays), ag.grad(mlp, (0, 1))(*arrays))
    batched = ag.vmap(program, (None, None, 0, None))
    xs = np.stack([arrays[2], 2 * arrays[2]])
    assert_same_bits(
        batched(arrays[0], arrays[1], xs, arrays[3]),
        ag.vmap(mlp, (None, None, 0, None))(arrays[0], arrays[1], xs, arrays[3]),
    )


def test_custom_rules_checkpoints_and_loops_are_recorded():
    @ag.custom_jvp
    def cube(x):
        return x**3

    @cube.defjvp
    def cube_jvp(primals, tangents):
        return cube(primals[0]), 7.0 * tangents[0]

    def f(x):
        y = ag.checkpoint(lambda x: xp.sin(cube(x)))(x)
        last, ys = ag.scan(lambda c, x: (c * x, c), 1.0, y)
        return last + xp.sum(ys)

    x = np.asarray([0.5, 1.0, 2.0])
    for g in (f, ag.grad(f), ag.hessian(f)):
        assert_same_bits(ag.trace(g)(ag.spec(3))(x), g(x))


def test_programs_do_not_forget_rules_of_ones_own():
    """Differentiated as programs: what was stopped stays so, the rest raises."""
    stopped = ag.trace(lambda x: xp.sum(ag.stop_gradient(x) * x))(ag.spec(3))
    x = np.asarray([1.0, 2.0, 3.0])
    assert_same_bits(stopped.grad()(x), x)
    assert_same_bits(ag.grad(stopped)(x), x)
    hooked = ag.trace(lambda x: xp.sum(ag.gradient_hook(x, lambda t: 2 * t)))(
        ag.spec(3)
    )
    words = "gradient_hook: was recorded as what it computes, without its own rule"
    for differentiate in (hooked.grad, hooked.jvp, lambda: ag.grad(hooked)(x)):
        with pytest.raises(NotImplementedError, match=words):
            differentiate()


def test_a_call_as_it_was_recorded():
    program = ag.trace(lambda y, n: y * n)(y=ag.spec(3), n=2.0)
    x = np.asarray([1.0, 2.0, 3.0])
    assert_same_bits(program(y=x, n=2.0), 2.0 * x)
    assert_same_bits(program(y=x), 2.0 * x)
    program = ag.trace(lambda y, n: y * n)(ag.spec(3), 1)
    for wrong in (x, True, 1.0, "1"):
        with pytest.raises(ValueError, match="was recorded as 1, which is part of the"):
            program(x, wrong)


def test_shapes_may_be_of_numpys_integers():
    assert ag.spec((np.int64(3), 2)).shape == ag.spec([3, np.int32(2)]).shape == (3, 2)
    assert ag.spec(np.int64(3)).shape == (3,)


def test_inputs_may_be_called_anything():
    program = ag.trace(lambda self, x: self * x)(ag.spec(()), ag.spec(()))
    assert program(self=2.0, x=3.0) == 6.0
    twice = ag.trace(lambda x: x**3)(ag.spec(())).jvp().jvp("x")
    assert [v.name for v in twice.inputs] == ["x", "x_dot", "x_dot_1"]


# ------------------------------------------------------------------ how it prints


PRINTED = """\
def mlp(w1: float64[3,4], w2: float64[4,1], x: float64[8,3], y: float64[8,1]):
    c1: float64[] is held = 1.0
    v1: float64[8,4] = matmul(x, w1)              # {file}:{1}
    h: float64[8,4] = tanh(v1)                    # {file}:{1}
    pred: float64[8,1] = matmul(h, w2)            # {file}:{2}
    residual: float64[8,1] = subtract(pred, y)    # {file}:{3}
    v2: float64[8,1] = pow(residual, 2)           # {file}:{4}
    loss: float64[] = mean(v2)                    # {file}:{4}
    v3: float64[] = divide(c1, 8)                 # gradient of {file}:{4}
    v4: float64[8,1] = broadcast_to(v3, shape=(8, 1))  # gradient of {file}:{4}
    v5: float64[8,1] = multiply(2, residual)      # gradient of {file}:{4}
    d_residual: float64[8,1] = multiply(v4, v5)   # gradient of {file}:{4}"""


def test_a_gradient_prints_with_the_users_names_and_lines():
    text = str(ag.trace(ag.grad(mlp, (0, 1)))(*map(ag.spec, MLP)))
    first = inspect.getsourcelines(mlp)[1]
    lines = {str(k): first + k for k in range(6)}
    expected = PRINTED
    for k, line in lines.items():
        expected = expected.replace("{" + k + "}", str(line))
    for line in expected.replace("{file}", "test_recording.py").splitlines():
        assert line in text, text
    assert text.rstrip().endswith("return d_w1, d_w2")


def test_programs_compare():
    one = ag.trace(mlp)(*map(ag.spec, MLP))
    assert one == ag.trace(mlp)(*map(ag.spec, MLP))
    assert one.grad(["w1", "w2"]) == ag.trace(ag.grad(mlp, (0, 1)))(*map(ag.spec, MLP))
    assert one != one.grad()
    assert one != ag.trace(mlp)(*[ag.spec(shape, "float32") for shape in MLP])
    f, g = (ag.trace(lambda x, c=c: x * c)(ag.spec(2)) for c in (2.0, 3.0))
    assert f != g
    f, g = (
        ag.trace(lambda x, c=c: x * c)(ag.spec(2)) for c in (np.ones(2), np.zeros(2))
    )
    assert f != g


# ------------------------------------------------------------------ inputs


def test_placeholders_are_given_by_name():
    x, w = ag.placeholder("x", (2, 3)), ag.placeholder("w", 3, "float32")
    program = ag.trace(lambda a, b: a @ ag.ops.astype(b["w"], "float64"))(x, {"w": w})
    given = {"x": np.ones((2, 3)), "w": np.ones(3, "float32")}
    np.testing.assert_array_equal(program(**given), [3.0, 3.0])
    np.testing.assert_array_equal(program(given["x"], {"w": given["w"]}), [3.0, 3.0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"x": np.ones(2)},
            r"<lambda>: needs an array for each of x: float64\[2\], y: float64\[3\]; "
            r"got none for y: float64\[3\]\. Give them by name\.",
        ),
        ({}, r"got none for x: float64\[2\], y: float64\[3\]"),
        (
            {"x": np.ones(2), "y": np.ones(3), "yy": 1.0},
            r"has no input of this name, only x: .*; got 'yy'\. Did you mean 'y'\?",
        ),
        (
            {"x": np.ones(2), "y": np.ones(4)},
            r"input y was recorded as float64\[3\]; got float64\[4\]\. Give an array "
            "of that shape and dtype, or record",
        ),
        (
            {"x": np.ones(2), "y": np.ones(3, "float32")},
            r"input y was recorded as float64\[3\]; got float32\[3\]",
        ),
        ({"x": np.ones(2), "y": "three"}, r"float64\[3\]; got str 'three'"),
    ],
)
def test_wrong_inputs_raise(given, words):
    program = ag.trace(lambda a, b: (a, xp.sin(b)))(
        ag.placeholder("x", 2), ag.placeholder("y", 3)
    )
    with pytest.raises((TypeError, ValueError), match=words):
        program(**given)


def test_other_arguments_are_part_of_the_program():
    program = ag.trace(lambda x, n, *, scale: x**n * scale)(ag.spec(2), 3, scale=2.0)
    assert [v.name for v in program.inputs] == ["x"]
    np.testing.assert_array_equal(program(np.ones(2), 3, scale=2.0), [2.0, 2.0])
    words = (
        r"argument \[0\]\[1\] was recorded as 3, which is part of the program; got int"
    )
    with pytest.raises(ValueError, match=words):
        program(np.ones(2), 4, scale=2.0)
    with pytest.raises(TypeError, match="was recorded for arguments"):
        program(np.ones(2), 3)


def test_inputs_are_named_after_parameters_and_paths():
    def f(params, *rest, scale):
        return params["w"][0] * rest[1] * scale

    one = ag.spec(())
    program = ag.trace(f)({"w": [one]}, one, one, scale=one)
    names = [v.name for v in program.inputs]
    assert names == ["params_w_0", "rest_0", "rest_1", "scale"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ag.spec(-1),
            r"spec: the shape must be lengths of axes, from 0 on; got",
        ),
        (
            lambda: ag.spec(None),
            "the shape must be lengths of axes, from 0 on; got None",
        ),
        (
            lambda: ag.spec(True),
            "the shape must be lengths of axes, from 0 on; got True",
        ),
        (
            lambda: ag.trace(lambda x: x)(ag.spec(())).grad(3),
            r"has the inputs x; got wrt=3\. Give a name, or a sequence of names",
        ),
        (
            lambda: ag.spec(2, "float63"),
            "spec: the dtype must be one of the standard's",
        ),
        (lambda: ag.placeholder("a b"), "must be an identifier of Python; got 'a b'"),
        (lambda: ag.placeholder(3), "must be an identifier of Python; got 3"),
        (
            lambda: ag.trace(lambda x, y: x)(ag.placeholder("x"), ag.placeholder("x")),
            "trace: each input has a name of its own; got two called 'x'",
        ),
    ],
)
def test_wrong_descriptions_raise(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


# ------------------------------------------------------------------ what it refuses


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (
            lambda x: x if x[0] > 0 else -x,
            r"bool\(\): an array that is recorded without data has no value to decide "
            r"by; got bool\[\]\. Use where, autograd_core\.cond or while_loop, or give",
        ),
        (lambda x: x * float(x[0]), r"float\(\): takes a number out of trace, which"),
        (lambda x: x * x[0].item(), r"item\(\): takes a number out of trace"),
        (lambda x: x[x > 0.0], "shape depends on values"),
        (
            lambda x: xp.nonzero(x),
            "nonzero: has a result whose shape depends on values",
        ),
        (lambda x: np.asarray(x), r"numpy\.asarray: a tracked array is not handed to"),
    ],
)
def test_what_needs_values_raises(f, words):
    with pytest.raises(TypeError, match=words):
        ag.trace(f)(ag.spec(3))


def test_an_array_of_a_transform_around_it_is_refused():
    def f(w):
        return ag.trace(lambda x: x * w)(ag.spec(3))

    with pytest.raises(
        ValueError, match=r"trace: .* array of grad that it was not given"
    ):
        ag.grad(f)(np.ones(3))


def test_arrays_do_not_outlive_the_recording():
    kept = []
    ag.trace(lambda x: kept.append(x) or x * 2.0)(ag.spec(2))
    with pytest.raises(ValueError, match="kept from a call of trace that has ended"):
        kept[0] + 1.0


# ------------------------------------------------------------------ control flow


def branches(x):
    if xp.sum(x) > 0:
        return x * 2.0
    return -x


def test_examples_make_guards():
    program = ag.trace(branches)(np.ones(2))
    np.testing.assert_array_equal(program(np.ones(2)), [2.0, 2.0])
    words = (
        r"branches: was recorded for a value \(test_recording\.py:\d+\) whose bool is "
        r"True; got False\. Record it again"
    )
    with pytest.raises(GuardError, match=words):
        program(-np.ones(2))


def test_derivatives_of_programs_keep_their_guards():
    program = ag.trace(lambda x: xp.sum(branches(x)))(np.ones(2))
    gradient = program.grad()
    np.testing.assert_array_equal(gradient(np.ones(2)), [2.0, 2.0])
    with pytest.raises(GuardError):
        gradient(-np.ones(2))


def test_integers_guide_control_flow_too():
    def f(x, n):
        for _ in range(int(n)):
            x = x * 2.0
        return x

    program = ag.trace(f)(np.ones(2), np.asarray(3))
    np.testing.assert_array_equal(program(np.ones(2), np.asarray(3)), [8.0, 8.0])
    with pytest.raises(GuardError, match="whose int is 3; got 4"):
        program(np.ones(2), np.asarray(4))


def test_a_while_loop_of_python_is_a_guard_for_each_step():
    def newton(x):
        y = x
        while abs(y * y - x) > 1e-12:
            y = (y + x / y) / 2
        return y

    program = ag.trace(newton)(np.asarray(2.0))
    assert len(program.guards) == 6
    assert program(np.asarray(2.0)) == newton(np.asarray(2.0))


# ------------------------------------------------------------------ constants


def test_closed_over_arrays_are_held_by_reference():
    w = np.ones(2)
    program = ag.trace(ag.grad(lambda x: xp.sum(x * w)))(ag.spec(2))
    w[:] = 5.0
    np.testing.assert_array_equal(program(np.zeros(2)), [5.0, 5.0])


def test_printing_and_comparing_need_no_library_but_numpy():
    code = (
        "import autograd_core as ag, sys; print(ag.trace(lambda x: x)(ag.spec(1)));"
        "assert not {'torch', 'jax', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
