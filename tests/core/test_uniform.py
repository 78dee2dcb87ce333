"""What code written for the standard gets: one namespace, and arrays of ours only."""

import operator

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import Constant, backend
from autograd_core.tensor import Dual, Tensor

xp = ag.ops
X = np.asarray([0.1, 1.0, 2.0])


def consumer(*arrays):
    """Do what SciPy does first: ask all arrays for their namespace, and want one."""
    namespaces = {x.__array_namespace__() for x in arrays}
    (namespace,) = namespaces
    return namespace


def piecewise(x):
    """A function as consumers write them: masks, buffers, writes."""
    namespace = consumer(x)
    small = x < 0.5
    y = namespace.zeros(x.shape, dtype=x.dtype)
    consumer(x, small, y, namespace.isfinite(x))
    y[small] = x[small] ** 2
    y[~small] = namespace.exp(x[~small])
    y[2:] += namespace.ones(1)
    return namespace.sum(y * namespace.asarray([1.0, 2.0, 3.0]))


SLOPES = np.asarray([0.2, 2 * np.exp(1.0), 3 * np.exp(2.0)])


def test_a_consumer_is_differentiated_in_both_modes(backend):
    x = backend.asarray(X)
    np.testing.assert_allclose(np.asarray(ag.grad(piecewise)(x)), SLOPES)
    for k in range(3):
        direction = backend.asarray(np.eye(3)[k])
        _, slope = ag.jvp(piecewise, (x,), (direction,))
        np.testing.assert_allclose(float(slope), SLOPES[k])


def test_and_to_second_order():
    curvature = ag.grad(lambda x: xp.sum(ag.grad(piecewise)(x)))(X)
    np.testing.assert_allclose(curvature, [2.0, SLOPES[1], SLOPES[2]])


def test_there_is_one_namespace_for_a_library():
    pytest.importorskip("array_api_strict")
    strict = backend.backend("array-api-strict").asarray([1.0])
    one, other = ag.Tensor(X).__array_namespace__(), ag.Tensor(X).__array_namespace__()
    assert one is other
    assert ag.Tensor(strict).__array_namespace__() is not one
    assert one.__name__ == "autograd_ops"
    assert one.linalg.__name__ == "autograd_ops.linalg"
    assert hash(one) == hash(other)
    assert set(dir(one)) == set(dir(xp))


def test_arrays_are_made_in_the_library_of_the_array_that_was_asked():
    pytest.importorskip("array_api_strict")
    strict = backend.backend("array-api-strict")
    with ag.use_backend("numpy"):
        namespace = ag.Tensor(strict.asarray([1.0])).__array_namespace__()
        made = namespace.zeros(3, dtype=namespace.float32)
        assert type(made.value) is type(strict.asarray([1.0]))
        assert ag.get_backend().name == "numpy"


def test_what_has_no_derivative_is_a_constant():
    def f(x):
        namespace = consumer(x)
        made = (
            namespace.ones(2),
            namespace.less(x, 1.0),
            x < 1.0,
            x > namespace.asarray(1.0),
            namespace.argmax(x),
            namespace.nonzero(x)[0],
            namespace.zeros(3)[:2],
            namespace.linalg.matrix_transpose(namespace.ones((2, 2))),
        )
        assert [type(y) for y in made] == [Constant] * len(made)
        assert namespace.ones(2).__array_namespace__() is namespace
        assert type(namespace.sin(x)) is type(x)
        return namespace.sum(x)

    ag.grad(f)(X)
    ag.jvp(f, (X,), (X,))


def test_without_being_asked_masks_stay_raw():
    def f(x):
        assert type(x < 1.0) is np.ndarray
        assert type(xp.ones(2)) is np.ndarray
        return xp.sum(x)

    ag.grad(f)(X)
    eager = ag.Tensor(X)
    eager.__array_namespace__()  # eager Tensors belong to no transform that would end
    assert type(eager < 1.0) is np.ndarray


def test_results_come_out_raw():
    def f(x):
        namespace = consumer(x)
        return x * 2.0, namespace.ones(2), (x > 1.0)

    y, pullback = ag.vjp(f, X)
    assert [type(part) for part in y] == [np.ndarray] * 3
    bar = (np.ones(3), np.ones(2), np.ones(3, dtype=bool))
    np.testing.assert_array_equal(pullback(bar)[0], [2.0, 2.0, 2.0])
    _, aux = ag.grad(lambda x: (xp.sum(x), consumer(x).ones(2)), has_aux=True)(X)
    assert type(aux) is np.ndarray


# ------------------------------------------------------------------ the object


def test_a_constant_is_made_of_data_or_of_a_raw_array():
    assert Constant([1.0, 2.0]).shape == (2,)
    assert Constant(X).value is X
    assert Constant(Constant(X)).value is X
    with pytest.raises(TypeError, match=r"^Constant: takes data.*stop_gradient"):
        Constant(ag.Tensor(X))


@pytest.mark.parametrize(
    "operate",
    [
        *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow),
        *(operator.lt, operator.ge, operator.eq, operator.matmul, operator.mod),
    ],
)
def test_operators(operate):
    expected = operate(X, X + 1.0)
    for left, right in (
        (Constant(X), Constant(X + 1.0)),
        (Constant(X), X + 1.0),
        (X, Constant(X + 1.0)),
    ):
        result = operate(left, right)
        np.testing.assert_array_equal(np.asarray(result), expected)
    assert type(operate(Constant(X), Constant(X + 1.0))) is Constant


def test_bitwise_operators_and_shifts():
    a, b = np.asarray([5, 6]), np.asarray([3, 2])
    for operate in (
        *(operator.and_, operator.or_, operator.xor),
        *(operator.lshift, operator.rshift),
    ):
        result = operate(Constant(a), Constant(b))
        np.testing.assert_array_equal(result.value, operate(a, b))
        np.testing.assert_array_equal(operate(Constant(a), 2).value, operate(a, 2))
    np.testing.assert_array_equal((~Constant(a)).value, ~a)


def test_with_a_tracked_array_the_result_is_tracked():
    t = ag.Tensor(X)
    for y in (Constant(X) * t, t * Constant(X), X * t):
        assert type(y) is Tensor
        y.backward()
        np.testing.assert_array_equal(t.grad, X)


def test_leaving():
    one = Constant(np.asarray(3))
    assert (int(one), float(one), complex(one), bool(one)) == (3, 3.0, 3 + 0j, True)
    assert list(range(5))[Constant(np.asarray(1))] == 1
    assert np.asarray(Constant(X)).tolist() == X.tolist()
    assert np.from_dlpack(Constant(X)).tolist() == X.tolist()
    assert X[Constant(X > 0.5)].tolist() == [1.0, 2.0]
    assert repr(Constant(X)).startswith("Constant(")


def test_a_write_makes_it_what_is_written():
    def f(x):
        buffer = Constant(np.zeros(3))
        seen = buffer + 0.0
        buffer[0] = 1.0
        assert type(buffer) is Constant
        buffer[1:] = x[1:] ** 2
        assert type(buffer) is type(x)
        assert seen.value.tolist() == [0.0, 0.0, 0.0]
        return xp.sum(buffer)

    assert ag.grad(f)(X).tolist() == [0.0, 2.0, 4.0]
    _, slope = ag.jvp(f, (X,), (np.ones(3),))
    assert type(ag.jvp(f, (X,), (np.ones(3),))[1]) is not Dual
    assert slope == 6.0


def test_a_write_leaves_the_raw_array_alone():
    before = X.copy()
    constant = Constant(X)
    constant[0] = 7.0
    np.testing.assert_array_equal(X, before)
    assert constant.value[0] == 7.0


def test_it_stands_for_its_array_in_the_namespace():
    mask, index = Constant(X > 0.5), Constant(np.asarray([2, 0]))
    t = ag.Tensor(X)
    for y in (t[mask], xp.where(mask, t, 0.0), t[index], xp.take(t, index)):
        y.backward()
    np.testing.assert_array_equal(t.grad, [1.0, 0.0, 1.0])
    assert type(xp.concat([t, Constant(X)])) is Tensor
    assert xp.sum(Constant(X)).value == np.sum(X)
    assert xp.diff(Constant(X)).value.tolist() == np.diff(X).tolist()
    assert xp.broadcast_arrays(Constant(X), t)[1].shape == (3,)
