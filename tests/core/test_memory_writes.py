"""Memory that the user owns and writes to between forward and backward.

Small arrays are copied, and the gradient is right. Large ones are watched, and the
backward pass raises, naming the line that used them. Never a wrong gradient.
"""

import contextlib
import re

import numpy as np
import pytest
from core_support import assert_equal, here, to_numpy

import autograd_core as ag

xp = ag.ops
SMALL, LARGE = 8, 10_000  # float64: 64 bytes and 80 kB


def both(size):
    rng = np.random.default_rng(size)
    return rng.uniform(1.0, 2.0, size), rng.uniform(1.0, 2.0, size)


CAPTURES = {
    "x * c": (lambda x, c: x * c, lambda x, c: c),
    "c * x": (lambda x, c: c * x, lambda x, c: c),
    "x / c": (lambda x, c: x / c, lambda x, c: 1 / c),
    "c / x": (lambda x, c: c / x, lambda x, c: -c / x**2),
    "x @ c": (lambda x, c: x @ c, lambda x, c: c),
    "x[None] * c[:, None]": (
        lambda x, c: x[None] * c[:3, None],
        lambda x, c: np.full(x.shape, c[:3].sum()),
    ),
    "maximum": (lambda x, c: xp.maximum(x, c), lambda x, c: 1.0 * (x > c)),
    "vecdot": (lambda x, c: xp.vecdot(x, c), lambda x, c: c),
    "where": (lambda x, c: xp.where(x > c, x, c), lambda x, c: 1.0 * (x > c)),
    "pow": (lambda x, c: x**c, lambda x, c: c * x ** (c - 1)),
}


def write_to(array):
    array[...] = 1e4


# ------------------------------------------------------- constants


@pytest.mark.parametrize(("f", "slope"), CAPTURES.values(), ids=CAPTURES)
def test_a_write_to_a_small_constant_changes_nothing(f, slope):
    x, c = both(SMALL)
    expected = np.array(slope(x, c))
    t = ag.Tensor(x)
    y = f(t, c)
    write_to(c)
    y.backward()
    assert_equal(t.grad, expected)


@pytest.mark.parametrize(
    "name", ["x * c", "c * x", "x / c", "x @ c", "maximum", "vecdot", "pow"]
)
def test_a_write_to_a_large_constant_raises(name):
    f, _ = CAPTURES[name]
    x, c = both(LARGE)
    t = ag.Tensor(x)
    y = f(t, c)
    c[123] += 1.0
    with pytest.raises(
        ValueError,
        match=r"^\w+: an array was written to in place after it was used and before "
        rf"the backward pass.*; got float64\[{LARGE}\]\. Write to a copy.*"
        r"test_memory_writes\.py:\d+",
    ):
        y.backward()
    assert t.grad is None, "nothing half-changed"


@pytest.mark.parametrize(("f", "slope"), CAPTURES.values(), ids=CAPTURES)
def test_without_a_write_large_arrays_work(f, slope):
    x, c = both(LARGE)
    t = ag.Tensor(x)
    f(t, c).backward()
    assert_equal(t.grad, slope(x, c))


def test_the_line_named_is_the_one_that_used_the_array():
    x, c = both(LARGE)
    t = ag.Tensor(x)
    line = here(+1)
    y = t * c
    z = y + 1.0
    write_to(c)
    with pytest.raises(ValueError, match=rf"^multiply: .*{line}"):
        z.backward()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_write_to_a_constant_that_no_rule_reads_is_harmless(size):
    x, c = both(size)
    t = ag.Tensor(x)
    y = (t + c) - c
    write_to(c)
    y.backward()
    assert_equal(t.grad, np.ones(size))


# ------------------------------------------------------- leaves


def test_a_write_to_a_small_leaf_changes_nothing():
    x, _ = both(SMALL)
    before = x.copy()
    t = ag.Tensor(x)
    write_to(x)
    assert_equal(t.value, before)
    (t * t).backward()
    assert_equal(t.grad, 2 * before)


def test_a_write_to_a_large_leaf_raises():
    x, _ = both(LARGE)
    line = here(+1)
    t = ag.Tensor(x)
    y = t * t
    x[7] = 0.0
    with pytest.raises(ValueError, match=rf"^Tensor: .*written to in place.*{line}"):
        y.backward()
    assert t.grad is None


@pytest.mark.parametrize("transform", ["vjp", "grad", "value_and_grad"])
def test_a_write_to_a_large_argument_raises(transform):
    x, _ = both(LARGE)

    def f(y):
        y = xp.sum(xp.sin(y))
        if transform != "vjp":
            x[3] = 0.0
        return y

    if transform == "vjp":
        _, pullback = ag.vjp(f, x)
        x[3] = 0.0
        with pytest.raises(ValueError, match=r"^vjp: .*written to in place"):
            pullback(np.asarray(1.0))
    else:
        with pytest.raises(ValueError, match=f"^{transform}: .*written to in place"):
            getattr(ag, transform)(f)(x)


def test_a_view_of_a_leaf_is_the_leaf():
    x, _ = both(2 * LARGE)
    y = xp.sum(xp.sin(ag.Tensor(x[::2])))
    x[4] = 0.0
    with pytest.raises(ValueError, match="written to in place"):
        y.backward()


def test_an_error_of_one_leaf_sets_no_gradient_of_another():
    (x, _), (z, _) = both(LARGE), both(SMALL)
    t, u = ag.Tensor(x), ag.Tensor(z)
    y = xp.sum(t * 2.0) * xp.sum(u)
    write_to(x)
    with pytest.raises(ValueError, match="written to in place"):
        y.backward()
    assert t.grad is None
    assert u.grad is None


# ------------------------------------------------------- index arrays and masks


@pytest.mark.parametrize("kind", ["array", "list", "tuple of arrays", "mask"])
def test_a_write_to_a_small_index_changes_nothing(kind):
    x = np.asarray([1.0, 2.0, 3.0, 4.0])
    index = {
        "array": np.asarray([0, 0, 2]),
        "list": [0, 0, 2],
        "tuple of arrays": (np.asarray([0, 0, 2]),),
        "mask": np.asarray([True, False, True, False]),
    }[kind]
    t = ag.Tensor(x)
    y = t[index] * 2.0
    target = index[0] if kind == "tuple of arrays" else index
    target[0] = False if kind == "mask" else 3
    y.backward()
    assert_equal(t.grad, [2.0, 0.0, 2.0, 0.0] if kind == "mask" else [4.0, 0, 2.0, 0])


def test_a_write_to_a_small_index_of_take_changes_nothing():
    t, index = ag.Tensor([1.0, 2.0, 3.0]), np.asarray([0, 2])
    y = xp.take(t, index, axis=0)
    index[:] = 1
    y.backward()
    assert_equal(t.grad, [1.0, 0.0, 1.0])


def test_a_write_to_a_large_index_raises():
    t = ag.Tensor(np.ones(5))
    index = np.zeros(20_000, np.int64)
    line = here(+1)
    y = t[index]
    index[5] = 3
    with pytest.raises(ValueError, match=rf"array_index: .*int64\[20000\].*{line}"):
        y.backward()


def test_a_write_to_a_mask_of_where():
    x, _ = both(SMALL)
    mask = np.arange(SMALL) % 2 == 0
    expected = 1.0 * mask
    t = ag.Tensor(x)
    y = xp.where(mask, t, 0.0)
    mask[...] = False
    y.backward()
    assert_equal(t.grad, expected)


def test_a_write_to_a_large_mask_raises():
    t = ag.Tensor(np.ones(100_000))
    mask = np.ones(100_000, bool)
    y = xp.where(mask, t, 0.0)
    mask[99_999] = False
    with pytest.raises(ValueError, match=r"^where: .*bool\[100000\]"):
        y.backward()


# ------------------------------------------------------- layouts and kinds of arrays


def layouts(n):
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(2 * n, 2 * n)) + 3.0
    return {
        "contiguous": whole[:n, :n].copy(),
        "fortran": np.asfortranarray(whole[:n, :n]),
        "transposed": whole[:n, :n].copy().T,
        "strided": whole[::2, ::2],
        "reversed": whole[:n, :n].copy()[::-1, ::-1],
        "float32": whole[:n, :n].astype("float32"),
        "float16": whole[:n, :n].astype("float16").copy(),
        "longdouble, strided": whole.astype("longdouble")[::2, ::2],
    }


@pytest.mark.parametrize("layout", layouts(1))
def test_a_write_to_a_small_array_of_any_layout(layout):
    c = layouts(4)[layout]
    expected = c.copy()
    t = ag.Tensor(np.ones((4, 4), c.dtype))
    y = t * c
    write_to(c)
    y.backward()
    assert_equal(t.grad, expected)


@pytest.mark.parametrize("layout", layouts(1))
@pytest.mark.parametrize("where", [(0, 0), (-1, -1), (50, 171)])
def test_a_write_to_a_large_array_of_any_layout(layout, where):
    c = layouts(200)[layout]
    t = ag.Tensor(np.ones((200, 200), c.dtype))
    y = t * c
    y.backward()
    assert_equal(t.grad, c)
    expected = c.copy()
    c[where] += 1.0
    if c.dtype == np.longdouble:  # copied: its padding has no fingerprint
        y.backward()
        assert_equal(t.grad, expected)
    else:
        with pytest.raises(ValueError, match="written to in place"):
            y.backward()


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf, 1 + 2**-52])
def test_any_change_of_bits_is_seen(value):
    c = np.zeros(LARGE) if value == 0 else np.ones(LARGE)
    y = ag.Tensor(np.ones(LARGE)) * c
    c[4321] = value
    with pytest.raises(ValueError, match="written to in place"):
        y.backward()


def test_two_writes_that_cancel_in_the_sum_are_seen():
    c = np.arange(float(LARGE))
    y = ag.Tensor(np.ones(LARGE)) * c
    c[0], c[1] = c[0] + 5.0, c[1] - 5.0
    with pytest.raises(ValueError, match="written to in place"):
        y.backward()


def test_a_0_d_array():
    c = np.asarray(3.0)
    t = ag.Tensor(2.0)
    y = t * c
    c[...] = 100.0
    y.backward()
    assert t.grad == 3.0


def test_a_subclass_of_ndarray_is_copied_too():
    class Sub(np.ndarray):
        pass

    c = np.asarray([3.0, 4.0]).view(Sub)
    t = ag.Tensor([1.0, 1.0])
    y = t * c
    c[...] = 100.0
    y.backward()
    assert_equal(np.asarray(t.grad), [3.0, 4.0])


def test_a_memory_map_is_copied_too(tmp_path):
    c = np.memmap(tmp_path / "data", dtype="float64", mode="w+", shape=(2,))
    c[:] = [3.0, 4.0]
    t = ag.Tensor([1.0, 1.0])
    y = xp.sum(t * c)
    c[:] = 100.0
    y.backward()
    assert_equal(np.asarray(t.grad), [3.0, 4.0])


# ------------------------------------------------------- inside transforms


def test_a_reused_buffer_inside_grad():
    """As numerical code does: one work array, filled anew in every step."""
    buffer = np.empty(4)

    def f(x):
        total = xp.sum(x) * 0.0
        for k in range(1, 4):
            buffer[...] = k
            total = total + xp.sum(x * buffer)
        return total

    assert_equal(ag.grad(f)(np.ones(4)), np.full(4, 6.0))
    assert_equal(ag.jvp(f, (np.ones(4),), (np.ones(4),))[1], 24.0)


def test_a_large_reused_buffer_inside_grad_raises():
    buffer = np.empty(LARGE)

    def f(x):
        total = xp.sum(x) * 0.0
        for k in range(1, 4):
            buffer[...] = k
            total = total + xp.sum(x * buffer)
        return total

    with pytest.raises(ValueError, match=r"^multiply: .*written to in place"):
        ag.grad(f)(np.ones(LARGE))
    assert ag.jvp(f, (np.ones(LARGE),), (np.ones(LARGE),))[1] == 6.0 * LARGE


def test_a_write_between_two_levels():
    c = np.asarray([2.0, 3.0])

    def f(x):
        y = xp.sum(x * x * x * c)
        c[...] = 50.0
        return y

    def g(x):
        c[...] = [2.0, 3.0]
        return xp.sum(ag.grad(f)(x))

    assert_equal(ag.grad(g)(np.asarray([1.0, 1.0])), [12.0, 18.0])


def test_a_write_after_the_backward_pass_is_harmless():
    x, c = both(LARGE)
    t = ag.Tensor(x)
    y = t * c
    y.backward()
    first = t.grad.copy()
    write_to(c)
    assert_equal(t.grad, first)


# ------------------------------------------------------- other libraries


@pytest.mark.parametrize("size", [3, 100_000], ids=["small", "large"])
@pytest.mark.parametrize("what", ["constant", "leaf", "index", "mask"])
def test_a_write_to_an_array_of_torch(size, what):
    """Small ones are copied; large ones have a version of PyTorch's own."""
    torch = pytest.importorskip("torch", exc_type=ImportError)
    x, c = torch.ones(size), torch.full((size,), 2.0)
    index, mask = torch.zeros(size, dtype=torch.int64), torch.ones(size) > 0
    t = ag.Tensor(x)
    written = {"constant": c, "leaf": x, "index": index, "mask": mask}[what]
    y = xp.where(mask, (t * c)[index], 0.0)
    written[0] = 0 if what != "index" else 1
    if size == 3:
        y.backward()
        assert_equal(t.grad, [6.0, 0.0, 0.0])
        return
    with pytest.raises(ValueError, match=r"written to in place") as raised:
        y.backward()
    assert re.search(r"test_memory_writes\.py:\d+", str(raised.value))
    assert t.grad is None


def test_torch_knows_of_a_write_through_a_view():
    torch = pytest.importorskip("torch", exc_type=ImportError)
    x = torch.ones(300, 300)
    y = ag.Tensor(x.T) * 2.0
    x.view(-1)[4] = 7.0
    with pytest.raises(ValueError, match="written to in place"):
        y.backward()


def test_no_library_gives_a_wrong_gradient(library):
    """Whatever its way: a copy, a watch, or arrays that cannot be written to."""
    c = library.asarray([3.0, 4.0], dtype=library.float64)
    t = ag.Tensor(library.asarray([1.0, 1.0], dtype=library.float64))
    y = xp.sum(t * c)
    with contextlib.suppress(TypeError):  # JAX refuses
        c[0] = 100.0
    try:
        y.backward()
    except ValueError as error:
        refusal = str(error)
    else:
        assert_equal(to_numpy(t.grad), [3.0, 4.0])
        return
    assert "written to in place" in refusal
