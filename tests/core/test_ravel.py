"""ravel_pytree: a pytree as one vector, and back, in every library and mode."""

import numpy as np
import pytest
from core_support import assert_equal, here, to_numpy

import autograd_core as ag

xp = ag.ops


def tree_of(library):
    return {
        "w": library.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=library.float32),
        "b": [library.asarray(7.0, dtype=library.float64), None],
        "empty": library.zeros((0, 3), dtype=library.float64),
    }


def test_there_and_back(library):
    tree = tree_of(library)
    flat, unravel = ag.ravel_pytree(tree)
    assert type(flat) is type(tree["w"])
    assert flat.dtype == library.float64
    assert_equal(flat, [7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    result = unravel(flat * 2)
    leaves, structure = ag.pytree.flatten(tree)
    moved, same = ag.pytree.flatten(result)
    assert structure == same
    for x, y in zip(leaves, moved, strict=True):
        assert type(x) is type(y)
        assert (x.dtype, tuple(x.shape)) == (y.dtype, tuple(y.shape))
        assert_equal(y, to_numpy(x) * 2)


def test_complex_and_real_leaves(library):
    tree = {
        "real": library.asarray([1.0, 2.0], dtype=library.float64),
        "complex": library.asarray([1 + 2j, 3j], dtype=library.complex64),
    }
    flat, unravel = ag.ravel_pytree(tree)
    assert flat.dtype == library.complex128
    assert_equal(flat, [1 + 2j, 3j, 1.0, 2.0])
    result = unravel(flat * (2 + 1j))
    assert result["real"].dtype == library.float64
    assert result["complex"].dtype == library.complex64
    assert_equal(result["real"], [2.0, 4.0])
    assert_equal(result["complex"], [5j, -3 + 6j])


def test_python_numbers_become_arrays_like_those_beside_them(library):
    x = library.asarray([1.0, 2.0], dtype=library.float32)
    flat, unravel = ag.ravel_pytree((0.5, x))
    assert flat.dtype == library.float32
    half = unravel(flat)[0]
    assert (tuple(half.shape), half.dtype) == ((), library.float32)


def test_python_numbers_alone():
    flat, unravel = ag.ravel_pytree([1.0, (2.0, 3j)])
    assert flat.dtype == np.complex128
    assert_equal(flat, [1.0, 2.0, 3j])
    assert unravel(flat)[1][0].dtype == np.float64


@pytest.mark.parametrize("tree", [(), None, {"a": [None, {}]}])
def test_a_tree_without_leaves(library, tree):
    with ag.use_backend(library):
        flat, unravel = ag.ravel_pytree(tree)
    assert type(flat) is type(library.zeros((0,)))
    assert flat.dtype == library.zeros((0,)).dtype
    assert tuple(flat.shape) == (0,)
    assert unravel(flat) == tree


def test_what_comes_out_is_the_callers_own():
    tree = {"a": np.ones(3), "b": np.ones(2)}
    flat, unravel = ag.ravel_pytree(tree)
    result = unravel(flat)
    flat[:] = 5.0
    result["a"][:] = 7.0
    assert_equal(tree["a"], np.ones(3))
    assert_equal(result["b"], np.ones(2))
    assert_equal(flat, np.full(5, 5.0))
    alone, _ = ag.ravel_pytree(tree["a"])
    alone[:] = 3.0
    assert_equal(tree["a"], np.ones(3))


# ------------------------------------------------------- derivatives


def value(tree):
    return xp.sum(tree["w"] ** 2) * tree["b"][0]


def value_of_flat(tree):
    flat, _ = ag.ravel_pytree(tree)
    return xp.sum(flat[1:] ** 2) * flat[0]


def test_gradients_through_the_vector(library):
    tree = tree_of(library)
    expected = ag.grad(value)(tree)
    result = ag.grad(value_of_flat)(tree)
    for got, wanted in zip(
        ag.pytree.flatten(result)[0], ag.pytree.flatten(expected)[0], strict=True
    ):
        assert got.dtype == wanted.dtype
        assert_equal(got, wanted)


def test_gradients_with_respect_to_the_vector(library):
    tree = tree_of(library)
    flat, unravel = ag.ravel_pytree(tree)
    result = ag.grad(lambda flat: value(unravel(flat)))(flat)
    assert result.dtype == flat.dtype
    assert_equal(result, ag.ravel_pytree(ag.grad(value)(tree))[0])


def test_both_modes_agree_to_second_order():
    tree = tree_of(np)
    flat, unravel = ag.ravel_pytree(tree)
    gradient = ag.grad(lambda flat: value_of_flat(unravel(flat)))
    hessian = [ag.jvp(gradient, (flat,), (row,))[1] for row in np.eye(7)]
    w = flat[1:]
    expected = np.zeros((7, 7))
    expected[0, 1:] = expected[1:, 0] = 2 * w
    expected[1:, 1:] = 2 * flat[0] * np.eye(6)
    assert_equal(np.stack(hessian), expected)
    _, forward = ag.jvp(lambda tree: ag.ravel_pytree(tree)[0], (tree,), (tree,))
    assert_equal(forward, flat)
    for row in np.eye(7):
        _, back = ag.jvp(unravel, (flat,), (row,))
        assert_equal(ag.ravel_pytree(back)[0], row)


def test_the_gradient_of_a_real_leaf_among_complex_ones_is_real():
    tree = {"r": np.asarray([1.0, 2.0]), "z": np.asarray([1 + 2j])}

    def f(tree):
        return xp.sum(xp.abs(ag.ravel_pytree(tree)[0] * (1 + 1j)) ** 2)

    result = ag.grad(f)(tree)
    assert result["r"].dtype == np.float64
    assert_equal(result["r"], [4.0, 8.0])
    assert_equal(result["z"], [4 + 8j])
    flat, unravel = ag.ravel_pytree(tree)
    back = ag.grad(lambda flat: xp.sum(unravel(flat)["r"] ** 2))(flat)
    assert_equal(back, [2.0, 4.0, 0.0])


def test_tracked_and_plain_leaves_together():
    plain = np.asarray([3.0, 4.0])

    def f(x):
        flat, unravel = ag.ravel_pytree({"x": x, "c": plain, "n": 2.0})
        return xp.sum(flat**2) + xp.sum(unravel(flat)["x"])

    x = np.asarray([1.0, 2.0])
    assert_equal(ag.grad(f)(x), 2 * x + 1)
    assert_equal(ag.jvp(f, (x,), (x,))[1], np.sum(2 * x**2 + x))


def test_constants_of_code_for_the_standard():
    def f(x):
        namespace = x.__array_namespace__()
        flat, _ = ag.ravel_pytree((x, namespace.ones(2)))
        return xp.sum(flat**2)

    assert_equal(ag.grad(f)(np.ones(3)), [2.0, 2.0, 2.0])


def test_the_order_is_that_of_jax():
    pytest.importorskip("jax", exc_type=ImportError)
    from jax.flatten_util import ravel_pytree

    tree = {"b": [np.ones(2), (2.0, np.zeros((2, 1)))], "a": np.arange(3.0)}
    assert_equal(ag.ravel_pytree(tree)[0], np.asarray(ravel_pytree(tree)[0]))


# ------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("wrong", "kind", "got"),
    [
        (np.ones(6), ValueError, r"float64\[6\] of numpy"),
        (np.ones(8), ValueError, r"float64\[8\] of numpy"),
        (np.ones((7, 1)), ValueError, r"float64\[7,1\] of numpy"),
        (np.ones(7, np.int64), TypeError, r"int64\[7\] of numpy"),
        (np.ones(7, np.complex128), TypeError, r"complex128\[7\] of numpy"),
        ([1.0] * 7, TypeError, r"list \[1\.0, .*\]"),
        (1.0, TypeError, r"float 1\.0"),
    ],
    ids=["short", "long", "2-d", "integers", "complex", "list", "float"],
)
def test_a_vector_unlike_that_of_the_tree(wrong, kind, got):
    _, unravel = ag.ravel_pytree(tree_of(np))
    with pytest.raises(
        kind,
        match=r"^unravel: the vector must be like that of ravel_pytree, float64\[7\] "
        rf"of numpy; got {got}\. Give an array of 7 numbers, of float64\. "
        rf"\(at {here(+2)}",
    ):
        unravel(wrong)


def test_a_vector_of_another_dtype_of_its_kind_is_taken():
    _, unravel = ag.ravel_pytree(tree_of(np))
    assert unravel(np.ones(7, np.float32))["b"][0].dtype == np.float64


def test_a_vector_of_another_library():
    strict = pytest.importorskip("array_api_strict")
    _, unravel = ag.ravel_pytree(tree_of(np))
    with pytest.raises(TypeError, match=r"got float64\[7\] of array-api-strict"):
        unravel(strict.ones(7))
    with pytest.raises(
        TypeError,
        match=r"^ravel_pytree: the leaves must be of one library, and the first is of "
        r"numpy; got float64\[2\] of array-api-strict as leaf 1\. Convert one.*"
        + here(+2),
    ):
        ag.ravel_pytree([np.ones(2), strict.ones(2)])


@pytest.mark.parametrize(
    ("leaf", "got"),
    [(np.asarray([1]), r"int64\[1\]"), (2, "int 2"), ("text", "str 'text'")],
)
def test_a_leaf_that_is_not_floating_point(leaf, got):
    with pytest.raises(
        TypeError,
        match=r"^ravel_pytree: argument 0 \(tree\)\['a'\]\[1\] must be .*; "
        rf"got {got}\.",
    ):
        ag.ravel_pytree({"a": [1.0, leaf]})
