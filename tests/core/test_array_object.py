"""The Tensor as the standard's array object: its attributes, methods and operators.

Writing is in tests/operations/test_writing.py; the suite of the standard itself is run
by tests/conformance/run.py.
"""

import inspect
import operator

import numpy as np
import pytest
from core_support import assert_equal

import autograd_core as ag
from autograd_core.tensor import Dual

xp = ag.ops

BITWISE = ("and_", "or_", "xor", "lshift", "rshift")
IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow")
SIGNATURES = {
    "__array_namespace__": "self, /, *, api_version=None",
    "__dlpack__": "self, /, *, stream=None, max_version=None, dl_device=None, "
    "copy=None",
    "__dlpack_device__": "self, /",
    "__getitem__": "self, key, /",
    "__setitem__": "self, key, value, /",
    "to_device": "self, device, /, *, stream=None",
}


@pytest.fixture(params=["eager", "grad", "jvp"])
def within(request):
    """Return a function that calls another on an array tracked in some way."""

    def call(f, x):
        result = []

        def recorded(x):
            result.append(f(x))
            return xp.sum(x)

        if request.param == "eager":
            recorded(ag.Tensor(x) * 1.0)
        elif request.param == "grad":
            ag.grad(recorded)(x)
        else:
            ag.jvp(recorded, (x,), (x,))
        return result[0]

    call.mode = request.param
    return call


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    expected = inspect.signature(eval(f"lambda {SIGNATURES[name]}: None"))
    given = inspect.signature(getattr(ag.Tensor, name))
    pairs = zip(given.parameters.values(), expected.parameters.values(), strict=True)
    for p, q in pairs:
        assert (p.name, p.default) == (q.name, q.default)
        assert q.name == "self" or p.kind is q.kind


def test_namespace_of_a_version(within):
    def f(x):
        namespace = x.__array_namespace__()
        assert x.__array_namespace__(api_version="2023.12") is namespace
        assert namespace.__name__ == "autograd_ops"
        assert isinstance(namespace.sin(x), type(x))
        with pytest.raises(ValueError, match=r"^__array_namespace__: .*'9999\.12'"):
            x.__array_namespace__(api_version="9999.12")

    within(f, np.ones(2))


def test_the_namespace_describes_the_default_backend():
    for name in ("numpy", "array-api-strict"):
        with ag.use_backend(name) as backend:
            own = backend.namespace
            assert xp.__array_api_version__ == own.__array_api_version__
            info = xp.__array_namespace_info__()
            expected = own.__array_namespace_info__()
            assert info.capabilities() == expected.capabilities()
            assert info.dtypes() == expected.dtypes()


@pytest.mark.parametrize("name", BITWISE)
def test_bitwise_operators_are_refused(within, name):
    operate = getattr(operator, name)

    def f(x):
        for pair in ((x, 1), (1, x), (x, x)):
            with pytest.raises(TypeError, match=r"^bitwise operator: .*float64\[2\]"):
                operate(*pair)
        with pytest.raises(TypeError, match=r"^bitwise operator"):
            getattr(operator, "i" + name.rstrip("_"))(x, 1)

    within(f, np.ones(2))


def test_bitwise_inversion_is_refused(within):
    def f(x):
        with pytest.raises(
            TypeError, match=r"^bitwise operator: .*got float64\[2\]\. "
        ):
            operator.inv(x)

    within(f, np.ones(2))


# ------------------------------------------------------------------ in place


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_operators_bind_the_name_anew(name):
    operate = getattr(operator, name)
    plain = getattr(operator, name[1:])

    def f(x, y):
        before = x
        z = operate(x, y)
        assert before is x
        return xp.sum(x * y) + xp.sum(z)

    x, y = np.asarray([5.0, 3.0]), np.asarray([2.0, 1.5])
    expected = ag.grad(lambda x, y: xp.sum(x * y) + xp.sum(plain(x, y)))(x, y)
    assert_equal(ag.grad(f)(x, y), expected)
    assert_equal(x, [5.0, 3.0])


def test_matrix_product_in_place():
    def f(x):
        y = x
        y @= x
        return xp.sum(y) + xp.sum(x)

    x = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert_equal(ag.grad(f)(x), ag.grad(lambda x: xp.sum(x @ x) + xp.sum(x))(x))


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_operators_keep_the_shape(within, name):
    def f(x):
        with pytest.raises(
            ValueError, match=r"in place: .*float64\[3,2\] from float64"
        ):
            getattr(operator, name)(x, np.ones((3, 2)))

    within(f, np.ones(2))


def test_in_place_operators_keep_the_dtype(within):
    def f(x):
        with pytest.raises(
            TypeError, match=r"^add in place: .*float64\[2\] from float32"
        ):
            x += np.ones(2)

    within(f, np.ones(2, dtype=np.float32))


def test_a_raw_array_does_not_take_a_tracked_one_in_place(within):
    raw = np.ones(2)

    def f(x):
        total = raw
        with pytest.raises(TypeError, match=r"^numpy\.add: .*Write x = x \+ y for"):
            total += x

    within(f, np.ones(2))
    assert_equal(raw, [1.0, 1.0])


# ------------------------------------------------------------------ leaving


def test_numbers(within):
    def f(x):
        assert int(x) == 2
        assert bool(x)
        with pytest.raises(TypeError, match=r"^index: .*float64\[\]"):
            operator.index(x)
        with pytest.raises(TypeError, match=r"^index: "):
            range(3)[x]
        if within.mode == "eager":
            assert float(x) == 2.5
            assert complex(x) == 2.5
        else:
            for convert in (float, complex):
                with pytest.raises(TypeError, match="takes a value out of"):
                    convert(x)

    within(f, np.asarray(2.5))


def test_exports_are_refused(within):
    def f(x):
        with pytest.raises(TypeError, match=r"^__dlpack__: .*derivative would be lost"):
            np.from_dlpack(x)
        with pytest.raises(TypeError, match=r"^numpy\.asarray: .*derivative"):
            np.asarray(x)
        with pytest.raises(TypeError, match=r"^numpy\.asarray: .*derivative"):
            np.asarray([x, x])
        assert x.__dlpack_device__() == np.ones(2).__dlpack_device__()

    within(f, np.ones(2))


def test_from_dlpack_keeps_what_is_tracked():
    def f(x):
        y = xp.from_dlpack(x, copy=True)
        assert y is not x
        return xp.sum(xp.from_dlpack(y) * x)

    assert_equal(ag.grad(f)(np.asarray([1.0, 3.0])), [2.0, 6.0])


# ------------------------------------------------------------------ sequences


def test_length_iteration_and_unpacking(within):
    def f(x):
        a, b, c = x
        assert len(x) == 3
        assert [int(part) for part in x] == [1, 2, 3]
        assert all(isinstance(part, (ag.Tensor, Dual)) for part in (a, b, c))
        assert 2.0 in x
        with pytest.raises(TypeError, match=r"^len\(\): a 0-d array has no length"):
            iter(a)

    within(f, np.asarray([1.0, 2.0, 3.0]))


def test_unpacking_is_differentiated():
    def f(x):
        (a, b), (c, d) = x
        return a * d - b * c

    x = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert_equal(ag.grad(f)(x), [[4.0, -3.0], [-2.0, 1.0]])
