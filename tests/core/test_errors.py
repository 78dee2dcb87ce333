"""Every error of the contract: what it says, and that nothing is half-changed.

The wording is one: ``operation: rule; got what. Remedy. (at file:line)``.
"""

import math
import re

import numpy as np
import pytest
from core_support import MODULES, assert_equal, differentiate, here

import autograd_core as ag
from autograd_core import declare, operation

xp = ag.ops
X = np.asarray([1.0, 2.0, 3.0])


def other_library():
    array_api_strict = pytest.importorskip("array_api_strict")
    return array_api_strict.asarray([1.0, 2.0, 3.0])


def message(raised):
    return str(raised.value)


# ------------------------------------------------------- two libraries


TWO_LIBRARIES = {
    "Tensor and Tensor": lambda t, u: ag.Tensor(t) * ag.Tensor(u),
    "Tensor and raw": lambda t, u: ag.Tensor(t) * u,
    "function of Tensor and raw": lambda t, u: xp.multiply(ag.Tensor(t), u),
    "function of raw and Tensor": lambda t, u: xp.multiply(t, ag.Tensor(u)),
    "raw and raw": lambda t, u: xp.multiply(t, u),
}


@pytest.mark.parametrize("call", TWO_LIBRARIES.values(), ids=TWO_LIBRARIES)
def test_two_libraries(call):
    u = other_library()
    with pytest.raises(
        TypeError,
        match=r"^multiply: .*two libraries, numpy and array-api-strict; "
        r"got x1: float64\[3\], x2: float64\[3\]\. .*asarray.*"
        r"use_backend.* \(at .*test_errors\.py:\d+\)$",
    ):
        call(X, u)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "numpy"])
def test_two_libraries_whichever_they_are(name):
    pytest.importorskip(MODULES[name], exc_type=ImportError)
    with ag.use_backend(name):
        u = ag.Tensor([1.0, 2.0, 3.0], dtype="float64")
    with pytest.raises(TypeError, match=f"two libraries, numpy and {name}"):
        ag.Tensor(X) + u
    with pytest.raises(TypeError, match=f"two libraries, {name} and numpy"):
        u + ag.Tensor(X)
    with pytest.raises(TypeError, match=f"two libraries, {name} and numpy"):
        u + X
    with pytest.raises(TypeError, match="two libraries"):
        X + u
    with pytest.raises(TypeError, match="two libraries"):
        xp.concat([ag.Tensor(X), u])
    with pytest.raises(TypeError, match="two libraries"):
        ag.grad(lambda a, b: xp.sum(a * b), (0, 1))(X, u.value)
    with pytest.raises(TypeError, match="two libraries"):
        ag.jvp(lambda a: xp.sum(a * u.value), (X,), (X,))


def test_two_libraries_by_way_of_a_mask():
    u = other_library()
    with pytest.raises(TypeError, match=r"^where: .*two libraries"):
        xp.where(u > 1, ag.Tensor(X), 0.0)


def test_two_libraries_by_way_of_an_index():
    array_api_strict = pytest.importorskip("array_api_strict")
    index = array_api_strict.asarray([0, 1])
    with pytest.raises(TypeError, match=r"^take: .*two libraries"):
        xp.take(ag.Tensor(X), index, axis=0)


def test_the_users_own_line_is_named():
    t, u = ag.Tensor(X), other_library()
    with pytest.raises(TypeError, match=here(+1)):
        t * u
    with pytest.raises(TypeError, match=here(+1)):
        ag.grad(lambda x: xp.sum(x * u))(X)


# ------------------------------------------------------- inputs without derivative


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint32, np.bool_])
@pytest.mark.parametrize("transform", [ag.grad, ag.value_and_grad])
def test_an_integer_input(transform, dtype):
    called = []
    with pytest.raises(
        TypeError,
        match=rf"^{transform.__name__}: argument 1 \(\w+\) "
        rf"must be floating-point.*; "
        rf"got {np.dtype(dtype).name}\[2,3\]\. .*astype.*{here(+2)}",
    ):
        transform(lambda a, b: called.append(1), 1)(X, np.ones((2, 3), dtype))
    assert not called, "raised before anything was computed"


def test_an_integer_input_of_vjp_and_jvp():
    x = np.asarray([1, 2])
    with pytest.raises(
        TypeError, match=r"^vjp: argument 0 \(\w+\) must be.*got int64\[2\]"
    ):
        ag.vjp(xp.sin, x)
    with pytest.raises(
        TypeError, match=r"^jvp: argument 0 \(\w+\) must be.*got int64\[2\]"
    ):
        ag.jvp(xp.sin, (x,), (x,))


def test_an_integer_tensor():
    with pytest.raises(TypeError, match=r"^Tensor: data must be.*got int64\[2\]"):
        ag.Tensor([1, 2])
    with pytest.raises(TypeError, match=r"^Tensor: data must be.*got bool\[1\]"):
        ag.Tensor([True])


def test_a_python_integer_says_how_to_write_it():
    with pytest.raises(TypeError, match=r"argument 0 .*; got int 2\. Give 2\.0 for 2"):
        ag.grad(lambda x: x * x)(2)


def test_the_path_in_a_pytree_is_named():
    params = {"w": [np.ones(2), np.asarray([1, 2])], "b": 1.0}
    with pytest.raises(
        TypeError,
        match=r"grad: argument 0 \(\w+\)\['w'\]\[1\] must be .*got int64\[2\]",
    ):
        ag.grad(lambda p: p["b"])(params)


@pytest.mark.parametrize(
    "thing", ["text", object(), {1, 2}], ids=["text", "object", "set"]
)
def test_an_input_that_is_no_array(thing):
    with pytest.raises(
        TypeError, match=r"^grad: argument 0 \(\w+\) must be an array of float"
    ):
        ag.grad(lambda x: x)(thing)


def test_a_complex_input():
    assert ag.grad(xp.abs)(np.asarray(2j)) == 1j
    assert ag.Tensor([1j]).dtype == np.complex128
    with pytest.raises(TypeError, match=r"^maximum: takes real numbers.*complex128"):
        ag.grad(lambda z: xp.abs(xp.maximum(z, z)))(np.asarray(1j))


@pytest.mark.parametrize(("mode", "expected"), [("grad", np.ones(3)), ("jvp", 6.0)])
@pytest.mark.parametrize(
    "f",
    [lambda x: x * (1 + 2j), lambda x: xp.astype(x, np.complex128)],
    ids=["times 1 + 2j", "astype"],
)
def test_a_complex_result_in_between(mode, expected, f):
    derivative = differentiate(mode, lambda x: xp.sum(xp.real(f(x))), X)
    assert_equal(derivative, expected)
    assert derivative.dtype == np.float64


# ------------------------------------------------------- the output of grad


@pytest.mark.parametrize(
    ("output", "got"),
    [
        (lambda x: x, r"float64\[3\]"),
        (lambda x: x[:1], r"float64\[1\]"),
        (lambda x: 3.0, r"float 3\.0"),
        (lambda x: None, "NoneType None"),
        (lambda x: (xp.sum(x), xp.sum(x)), "tuple"),
    ],
    ids=["vector", "one element", "float", "None", "tuple"],
)
def test_a_non_scalar_output_to_grad(output, got):
    with pytest.raises(
        TypeError,
        match=rf"^grad: the function must return a 0-d array.*; got {got}.*"
        rf"sum or mean, or use vjp.*{here(+2)}",
    ):
        ag.grad(output)(X)


def test_an_integer_output_to_grad():
    with pytest.raises(TypeError, match=r"grad: the result must be floating-point"):
        ag.grad(lambda x: xp.argmax(x))(X)


@pytest.mark.parametrize("result", [lambda x: x, lambda x: [x, x], lambda x: (x,)])
def test_has_aux_without_a_pair(result):
    match = r"has_aux=True the function returns a pair.*got .*leave has_aux out"
    for f in (ag.grad(result, has_aux=True), ag.value_and_grad(result, has_aux=True)):
        with pytest.raises(TypeError, match=match):
            f(np.asarray([1.0, 2.0]))
    with pytest.raises(TypeError, match=match):
        ag.vjp(result, np.asarray([1.0, 2.0]), has_aux=True)
    x = np.asarray([1.0, 2.0])
    with pytest.raises(TypeError, match=match):
        ag.jvp(result, (x,), (x,), has_aux=True)


# ------------------------------------------------------- argnums


@pytest.mark.parametrize("argnums", [2, -3, (0, 5)])
def test_wrong_argnums(argnums):
    number = re.escape(str(argnums))
    with pytest.raises(
        ValueError,
        match=rf"^grad: argnums must name one of the 2 positional arguments; "
        rf"got argnums={number}\. .*by position.*{here(+2)}",
    ):
        ag.grad(lambda a, b: a * b, argnums)(1.0, 2.0)


def test_argnums_of_a_keyword_argument():
    with pytest.raises(ValueError, match=r"one of the 0 positional arguments"):
        ag.grad(lambda x: x)(x=1.0)


def test_the_same_argument_twice_is_refused_or_given_twice():
    """Never half of the answer: a zero for one of them would be silent."""
    try:
        first, second = ag.grad(lambda x: x**2, (0, 0))(3.0)
    except ValueError:
        return
    assert (float(first), float(second)) == (6.0, 6.0)


# ------------------------------------------------------- cotangents and tangents


@pytest.mark.parametrize(
    ("cotangent", "got"),
    [
        (np.ones(2), r"float64\[2\]"),
        (np.ones((1, 3)), r"float64\[1,3\]"),
        (np.asarray(1.0), r"float64\[\]"),
        (np.ones(3, np.float32), r"float32\[3\]"),
        (np.ones(3, np.int64), r"int64\[3\]"),
    ],
    ids=["short", "2-d", "0-d", "float32", "int64"],
)
def test_a_cotangent_unlike_the_result(cotangent, got):
    match = (
        rf"the cotangent must be like its primal, float64\[3\] of numpy; got {got} of "
        r"numpy\. Give an array of that shape, dtype and library"
    )
    _, pullback = ag.vjp(xp.sin, X)
    with pytest.raises(ValueError, match=rf"^vjp: pullback: {match}"):
        pullback(cotangent)
    t = ag.Tensor(X)
    (t * 2.0).backward()
    before = t.grad
    with pytest.raises(ValueError, match=rf"^backward: {match}.*{here(+1)}"):
        xp.sin(t).backward(cotangent)
    assert t.grad is before, "nothing half-changed"


def test_a_cotangent_of_another_library():
    _, pullback = ag.vjp(xp.sin, X)
    with pytest.raises(ValueError, match=r"got float64\[3\] of array-api-strict"):
        pullback(other_library())


def test_a_cotangent_of_another_structure():
    _, pullback = ag.vjp(lambda x: (x, {"a": x}), X)
    with pytest.raises(
        ValueError,
        match=r"pullback: .*structure of the result, "
        r"tuple\(0: \*, 1: dict\('a': \*\)\); got tuple\(0: \*, 1: \*\)",
    ):
        pullback((X, X))


def test_a_tangent_unlike_its_primal():
    with pytest.raises(
        ValueError,
        match=r"^jvp: tangent 1 must be like its primal, float64\[3\] of numpy; "
        rf"got float64\[2\].*{here(+2)}",
    ):
        ag.jvp(lambda a, b: a * b, (X, X), (X, X[:2]))
    with pytest.raises(ValueError, match=r"tangent 0.*got float32\[3\]"):
        ag.jvp(xp.sin, (X,), (X.astype("float32"),))


def test_tangents_of_another_structure():
    with pytest.raises(
        ValueError, match=r"structure of the primals, \(\*, \*\); got \(\*\)"
    ):
        ag.jvp(lambda a, b: a * b, (X, X), (X,))
    with pytest.raises(
        ValueError, match=r"\(dict\('a': \*\)\); got \(dict\('b': \*\)\)"
    ):
        ag.jvp(lambda p: p["a"], ({"a": X},), ({"b": X},))


def test_primals_that_are_no_tuple():
    with pytest.raises(TypeError, match=r"^jvp: primals must be a tuple.*\(f, \(x,\)"):
        ag.jvp(xp.sin, X, X)
    with pytest.raises(TypeError, match=r"^jvp: tangents must be a tuple"):
        ag.jvp(xp.sin, (X,), X)


def test_backward_inside_a_transform():
    with pytest.raises(TypeError, match=r"^backward: .*eager.*grad.*use .*grad or vjp"):
        ag.grad(lambda x: xp.sum(x).backward())(X)


# ------------------------------------------------------- backends


def test_an_unknown_backend_names_the_nearest_ones():
    ag.set_backend("array-api-strict")
    with pytest.raises(
        ValueError,
        match=r"^set_backend: no backend has this name; known are array-api-strict, "
        rf".*numpy.*; got 'nunpy'\. Did you mean 'numpy'.*{here(+2)}",
    ):
        ag.set_backend("nunpy")
    assert str(ag.get_backend()) == "array-api-strict"
    with pytest.raises(ValueError, match=r"Did you mean 'torch'"):
        ag.set_backend("pytorch")
    with pytest.raises(ValueError, match=r"got 'zzz'\. Or give a namespace"):
        ag.set_backend("zzz")


def test_an_unknown_backend_says_how_to_install_what_it_may_mean():
    with pytest.raises(ValueError, match=r"pip install torch"):
        ag.set_backend("pytorch")


def test_an_unknown_backend_in_use_backend_names_the_users_line():
    with pytest.raises(ValueError, match=here()), ag.use_backend("nunpy"):
        pass
    assert str(ag.get_backend()) == "numpy"


@pytest.mark.parametrize(
    "thing", [3, None, math, object()], ids=["3", "None", "math", "object"]
)
def test_something_that_is_no_backend(thing):
    with pytest.raises(
        TypeError, match=r"set_backend: takes a backend's name or a namespace"
    ):
        ag.set_backend(thing)
    assert str(ag.get_backend()) == "numpy"


# ------------------------------------------------------- missing rules


@pytest.fixture
def without_rules():
    """Declare an operation that is not registered for longer than the test."""

    @declare.general(
        jvp={"x1": None, "x2": pass_through},
        vjp={"x1": None, "x2": pass_through},
        samples=(operation.sample((3,), (3,)),),
        implementation=ruleless_forward,
    )
    def ruleless(x1, x2, /):
        """Add, without a rule for the first argument."""

    yield ruleless
    del operation.registry["ruleless"]


def ruleless_forward(xp, x1, x2):
    computed.append(1)
    return x1 + x2


def pass_through(xp, t):
    return t


computed: list[int] = []


def test_a_missing_rule_in_reverse_mode(without_rules):
    computed.clear()
    with pytest.raises(
        NotImplementedError,
        match=r"^ruleless: has no derivative rule for argument x1 in reverse mode; "
        r"got x1: float64\[3\], x2: float64\[3\]\. Declare one.*stop_gradient.*"
        + here(+2),
    ):
        without_rules(ag.Tensor(X), X)
    assert not computed, "raised before anything was computed"
    t = ag.Tensor(X)
    without_rules(X, t).backward()
    assert_equal(t.grad, np.ones(3))


def test_a_missing_rule_in_forward_mode(without_rules):
    with pytest.raises(NotImplementedError, match=r"x1 in forward mode"):
        ag.jvp(lambda x: without_rules(x, x), (X,), (X,))


def test_a_function_of_the_library_that_has_no_rule():
    t = ag.Tensor(np.eye(2))
    with pytest.raises(
        NotImplementedError,
        match=rf"^nanmedian: has no derivative rule; got float64\[2,2\].*{here(+2)}",
    ):
        xp.nanmedian(t)


def test_a_name_that_nobody_has():
    with pytest.raises(AttributeError, match="no_such_function"):
        xp.no_such_function  # noqa: B018


# ------------------------------------------------------- leaving the computation


LEAVING = {
    "float()": float,
    "math.sin": math.sin,
    "item()": ag.Tensor.item,
    "complex()": complex,
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
@pytest.mark.parametrize("transform", ["grad", "vjp", "jvp"])
def test_a_value_does_not_leave_a_transform(leave, transform):
    line = here(+3)

    def f(x):
        leave(x)
        return x

    with pytest.raises(
        TypeError,
        match=rf"^\w+\(\): takes a value out of {transform} and would lose its "
        rf"derivative; got float64\[\]\. .*stop_gradient.*{line}",
    ):
        run_transform(transform, f)


def run_transform(name, f):
    if name == "grad":
        return ag.grad(f)(0.5)
    return ag.vjp(f, 0.5) if name == "vjp" else ag.jvp(f, (0.5,), (1.0,))


def test_an_eager_tensor_gives_its_value():
    t = ag.Tensor(0.5) * 1.0
    assert float(t) == 0.5
    assert math.sin(t) == math.sin(0.5)
    assert t.item() == 0.5
    assert f"{float(t):.2f}" == "0.50"
    assert isinstance(t.item(), float)


def test_control_flow_is_allowed_inside_a_transform():
    def f(x):
        if x > 0.0 and bool(x):
            return x * [0.0, 10.0, 20.0][int(x)]
        return x

    assert ag.grad(f)(1.5) == 10.0
    assert ag.grad(f)(-1.5) == 1.0
    assert ag.jvp(f, (2.5,), (1.0,))[1] == 20.0


# ------------------------------------------------------- kept after its transform


@pytest.fixture(params=["grad", "vjp", "jvp"])
def kept(request):
    """Return a tracked array that outlived its transform."""
    box = []
    run_transform(request.param, lambda x: box.append(x * 2.0) or x)
    return request.param, box[0]


USES = {
    "with the other's own": lambda old, x: x * old,
    "the other way round": lambda old, x: old + x,
    "alone, then returned": lambda old, x: xp.sin(old),
    "in a function of one": lambda old, x: xp.sin(old) * x,
    "times a number": lambda old, x: (old * 2.0) * x,
    "with itself": lambda old, x: (old * old) * x,
    "as auxiliary operand": lambda old, x: xp.stack([x, old])[0],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("other", ["grad", "vjp", "jvp"])
def test_a_tensor_kept_after_its_transform_ended(kept, use, other):
    name, old = kept
    with pytest.raises(
        ValueError,
        match=rf"kept from a call of {name} that has ended; got .*float64\[.*"
        r"(Return it|stop_gradient).*test_errors\.py:\d+",
    ):
        run_transform(other, lambda x: use(old, x))


def test_a_tensor_kept_after_its_transform_ended_and_used_eagerly(kept):
    with pytest.raises(ValueError, match="that has ended"):
        ag.Tensor(1.0) * kept[1]


def test_what_was_kept_can_be_read(kept):
    _, old = kept
    assert float(ag.stop_gradient(old)) == 1.0
    assert "1.0" in repr(old)


def test_a_transform_ends_also_when_the_function_raises():
    box = []

    def f(x):
        box.append(x)
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        ag.grad(f)(1.0)
    with pytest.raises(ValueError, match="kept from a call of grad that has ended"):
        ag.grad(lambda x: x * box[0])(1.0)
    assert ag.grad(lambda x: x * x)(3.0) == 6.0


# ------------------------------------------------------- writing in place


def test_a_tensor_made_from_data_cannot_be_written_to():
    t = ag.Tensor(X)
    with pytest.raises(
        TypeError,
        match=r"x\[key\] = value: .*in place.*got float64\[3\] and float 5\.0\. "
        rf"Use x = ops\.setitem.*{here(+2)}",
    ):
        t[0] = 5.0
    assert_equal(t.value, X)


def test_an_augmented_assignment_makes_a_new_array():
    t = ag.Tensor(X)
    u = t
    u += 1.0
    assert u is not t
    assert_equal(t.value, X)
    a = X.copy()
    with pytest.raises(TypeError, match=r"numpy\.add: .*with out"):
        a += t
    assert_equal(a, X)


# ------------------------------------------------------- the library's own errors


def notes(raised):
    return "\n".join(getattr(raised.value, "__notes__", ()))


@pytest.mark.parametrize(
    ("call", "note"),
    [
        (lambda t: t + np.ones(2), r"add\(x1: float64\[3\], x2: float64\[2\]\)"),
        (lambda t: np.ones(2) * t, r"multiply\(x1: float64\[2\], x2: float64\[3\]\)"),
        (lambda t: t @ np.ones((2, 2)), r"matmul\(x1: float64\[3\], x2: float64\[2,2"),
        (lambda t: xp.reshape(t, (7, 7)), r"reshape\(x: float64\[3\]"),
        (lambda t: xp.concat([t, t[None]]), r"concat\(arrays\[0\]: float64\[3\], arr"),
        (lambda t: xp.permute_dims(t, (0, 1)), r"permute_dims\(x: float64\[3\]"),
        (lambda t: t[7], r"basic_index\(x: float64\[3\]"),
        (lambda t: xp.sum(t, axis=4), r"sum\(x: float64\[3\]"),
    ],
    ids=["add", "mul", "matmul", "reshape", "concat", "permute", "index", "sum"],
)
@pytest.mark.parametrize("mode", ["eager", "grad", "jvp", "nested"])
def test_a_librarys_error_carries_the_operation_and_the_line(call, note, mode):
    def f(x):
        return xp.sum(call(x))

    with pytest.raises((ValueError, IndexError)) as raised:
        differentiate(mode, f, X)
    assert re.search(note + r".*\(at .*test_errors\.py:\d+\)", notes(raised))
    assert len(raised.value.__notes__) == 1


def test_broadcasting_mismatch_on_raw_arrays_carries_it_too():
    with pytest.raises(ValueError, match="broadcast") as raised:
        xp.add(X, np.ones(2))
    assert "add(x1: float64[3], x2: float64[2])" in notes(raised)


# ------------------------------------------------------- making Tensors


def test_a_tensor_of_a_tensor():
    with pytest.raises(TypeError, match=r"^Tensor: takes data.*stop_gradient"):
        ag.Tensor(ag.Tensor(1.0))


def test_len_and_transpose_of_what_has_no_such_axes():
    with pytest.raises(TypeError, match="0-d"):
        len(ag.Tensor(1.0))
    with pytest.raises(ValueError, match=r"^T: .*two axes; got float64\[3\].*\.mT"):
        ag.Tensor(X).T  # noqa: B018


def test_an_unknown_dtype_is_refused():
    with pytest.raises((TypeError, ValueError), match="float65"):
        ag.Tensor([1.0], dtype="float65")
