"""What must never go wrong without a word: found by a hostile reading of the core."""

import threading

import numpy as np
import pytest

import autograd_core as ag

xp = ag.ops
X = np.array([1.0, 2.0, 3.0])


def test_writing_to_a_stopped_value_does_not_reach_the_graph():
    def f(x):
        y = xp.exp(x)
        stopped = ag.stop_gradient(y)
        stopped *= 0
        return xp.sum(y)

    np.testing.assert_allclose(ag.grad(f)(X), np.exp(X))


@pytest.mark.parametrize("size", [3, 100_000])
def test_writing_to_an_auxiliary_result_does_not_reach_the_graph(size):
    x = np.linspace(0.0, 1.0, size)

    def f(x):
        y = xp.exp(x)
        return xp.sum(y), y

    _, pullback, aux = ag.vjp(f, x, has_aux=True)
    aux *= 0
    np.testing.assert_allclose(pullback(1.0)[0], np.exp(x))


def test_an_auxiliary_result_is_not_the_users_input():
    big = np.ones(100_000)
    _, _, aux = ag.vjp(lambda x: (xp.sum(x), x), big, has_aux=True)
    assert not np.shares_memory(aux, big)


def test_objects_are_refused():
    with pytest.raises(
        TypeError, match=r"multiply: .*cannot be differentiated; got ob"
    ):
        ag.grad(lambda x: (np.array([1.0, 2.0], dtype=object) * x).sum() * x)(2.0)


@pytest.mark.parametrize("size", [3, 100_000])
def test_masked_arrays_are_refused(size):
    masked = np.ma.array(np.ones(size), mask=np.arange(size) % 2)
    with pytest.raises(TypeError, match="MaskedArray does not behave as the standard"):
        ag.grad(lambda x: xp.sum(x * x))(masked)


def test_sorting_all_elements():
    m = np.arange(12.0).reshape(3, 4)
    grad = ag.grad(lambda x: np.sum(np.sort(x, axis=None) * np.arange(12.0)))(m)
    np.testing.assert_array_equal(grad, m)


def test_a_rule_that_gives_another_shape_is_noticed():
    with pytest.raises(ValueError, match="cotangent of another shape than its primal"):
        ag.grad(lambda x: xp.sum(xp.sort(x, axis=None)))(np.ones((2, 3)))


def test_linspace_of_arrays_is_refused_and_ends_where_it_should():
    with pytest.raises(ValueError, match="linspace: takes numbers and 0-d arrays"):
        ag.jvp(lambda x: xp.linspace(x, 10.0, 3), (X,), (X,))
    for a, b in np.random.default_rng(0).normal(size=(100, 2)):
        y = xp.linspace(ag.Tensor(float(a)), ag.Tensor(float(b)), 50)
        assert (float(y[0]), float(y[-1])) == (a, b)


def test_an_escaped_tensor_is_refused_as_primal_cotangent_and_static():
    kept = []
    ag.grad(lambda x: (kept.append(x), x * x)[1])(2.0)
    with pytest.raises(ValueError, match="kept from a call of grad that has ended"):
        ag.grad(lambda z: z * z)(kept[0])
    with pytest.raises(ValueError, match="kept from a call of grad that has ended"):
        ag.vjp(lambda z: z * z, 2.0)[1](kept[0])
    with pytest.raises(ValueError, match="kept from a call of grad that has ended"):
        ag.grad(lambda z: xp.sum(xp.where(kept[0] > 0, z, 0.0)))(X)


def test_flat_take_and_numbers_of_numpy_as_axes():
    m = np.arange(6.0).reshape(2, 3)
    grad = ag.grad(lambda x: np.sum(np.take(x, [1, 5, 5])))(m)
    np.testing.assert_array_equal(grad, [[0, 1, 0], [0, 0, 2]])
    for f in (
        lambda x: xp.sum(xp.sum(x, axis=np.int64(0)) ** 2),
        lambda x: xp.sum(xp.max(x, axis=np.int64(1))),
        lambda x: xp.sum(xp.roll(x, np.int64(1), axis=0) * m),
        lambda x: xp.sum(xp.concat([x, x], axis=np.int64(1)) ** 2),
        lambda x: xp.sum(xp.tensordot(x, m, axes=(0, 0))),
    ):
        assert ag.grad(f)(m).shape == (2, 3)
    assert ag.grad(lambda x, y: x * y, argnums=np.int64(1))(2.0, 3.0) == 2.0


def test_an_error_in_a_rule_says_which_operation(monkeypatch):
    from autograd_core.declare import elementwise
    from autograd_core.operation import registry

    def fragile_x(xp, t):
        raise RuntimeError("no luck")

    def fragile_forward(xp, x):
        return x * 1.0

    @elementwise(x=fragile_x, implementation=fragile_forward)
    def fragile(x, /):
        """Fail in both modes."""

    monkeypatch.delitem(registry, "fragile")
    with pytest.raises(RuntimeError) as reverse:
        ag.grad(fragile)(1.0)
    assert reverse.value.__notes__ == ["in the backward pass of fragile"]
    with pytest.raises(RuntimeError) as forward:
        ag.jvp(fragile, (1.0,), (1.0,))
    assert forward.value.__notes__ == ["in forward mode of fragile"]


def test_lists_of_tracked_scalars_keep_float32():
    x = np.float32(1.0) * np.ones((), np.float32)
    y = xp.asarray([ag.Tensor(x), 1.0])
    assert y.dtype == np.float32
    assert y.shape == (2,)


def test_a_number_of_numpy_beside_another_library_is_a_float():
    strict = pytest.importorskip("array_api_strict")
    x = strict.asarray([1.0, 2.0])
    grad = ag.grad(lambda x: xp.sum(x * np.float64(3.0)))(x)
    assert grad.__array_namespace__() is strict
    np.testing.assert_array_equal(np.asarray(grad), [3.0, 3.0])


def test_a_constant_has_a_zero_tangent():
    assert ag.jvp(lambda x: 3.0, (1.0,), (1.0,)) == (3.0, 0.0)


def test_one_use_backend_in_two_threads():
    chosen, seen = ag.use_backend("array-api-strict"), []
    barrier = threading.Barrier(2)

    def run():
        with chosen:
            barrier.wait(10)
            seen.append(ag.get_backend().name)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["array-api-strict"] * 2
    assert ag.get_backend().name == "numpy"


def test_joining_many_arrays_takes_each_slice_once():
    parts = [ag.Tensor([float(k)]) for k in range(5000)]
    xp.sum(xp.concat(parts) * np.arange(5000.0)).backward()
    assert [float(p.grad[0]) for p in parts[:3]] == [0.0, 1.0, 2.0]


def test_a_creation_function_heeds_the_device_of_a_tracked_value():
    strict = pytest.importorskip("array_api_strict")
    other = strict.Device("device1")
    x = ag.Tensor(strict.asarray(2.0))
    for y in (
        xp.full((3,), x, device=other),
        xp.linspace(x, 3.0, 4, device=other),
        xp.asarray(x, device=other),
    ):
        assert y.device == other
    xp.sum(xp.full((3,), x, device=other)).backward()
    assert (float(x.grad), x.grad.device) == (3.0, x.device)
