"""`compile`: the same results as the function's own, whatever it is called with."""

import copy
import pickle
import threading
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from programs_support import assert_same_bits
from support.programs import programs

import autograd_core as ag
from autograd_core.testing.arrays import to_numpy

xp = ag.ops


def loss(w, x):
    return xp.sum((x @ w - 1.0) ** 2)


W, X = np.asarray([1.0, 2.0]), np.asarray([[1.0, 0.5], [2.0, -1.0], [0.0, 3.0]])


def compiled(f, **options):
    """Compile a function; a warning is an error in these tests anyway."""
    return ag.compile(f, **options)


# ------------------------------------------------------------------ the same results


@pytest.mark.parametrize("level", ["exact", "stable", "fast"])
@pytest.mark.parametrize(
    "transform",
    [ag.grad, ag.value_and_grad, ag.hessian, ag.jacfwd, lambda f: f],
    ids=["grad", "value_and_grad", "hessian", "jacfwd", "none"],
)
def test_transforms_are_compiled(backend, transform, level):
    w, x = xp.asarray(W), xp.asarray(X)
    f = transform(loss)
    g = compiled(f, level=level)
    for _ in range(3):
        got, expected = g(w, x), f(w, x)
        if level == "exact" and backend.name == "numpy":
            assert_same_bits(got, expected)
        for a, b in zip(
            *(ag.pytree.flatten(y)[0] for y in (got, expected)), strict=True
        ):
            if backend.name != "numpy":  # of which numbers come as 0-d arrays
                assert type(a) is type(b)
            a, b = np.asarray(to_numpy(a)), np.asarray(to_numpy(b))
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    assert len(g.programs) == 1


@given(programs())
def test_random_gradients_compiled_have_the_same_bits(program):
    def total(*xs):
        return sum(xp.sum(y * y) for y in program.function(xp, *xs))

    f = ag.value_and_grad(total, range(len(program.inputs)))
    g = compiled(f)
    for scale in (1.0, 0.5):
        inputs = [np.asarray(x * scale, x.dtype) for x in program.inputs]
        assert_same_bits(g(*inputs), f(*inputs))


def test_pytrees_and_keywords():
    @ag.compile
    def step(params, x, *, power, name="y"):
        return {name: params["w"] * x**power, "none": None, "number": 3}

    got = step({"w": W}, 2.0 * W, power=2)
    assert (got["number"], got["none"]) == (3, None)
    np.testing.assert_array_equal(got["y"], W * 4 * W**2)
    np.testing.assert_array_equal(step({"w": W}, W, power=3, name="z")["z"], W * W**3)
    assert len(step.programs) == 2


def test_shapes_and_dtypes_are_recorded_once_each():
    log = SimpleNamespace(calls=0)  # of a list the growing length would be noticed

    @ag.compile
    def f(x):
        log.calls += 1
        return xp.sin(x)

    for x in (W, W, W.astype("float32"), X, X, W.astype("float32")):
        assert_same_bits(f(x), np.sin(x))
    assert len(f.programs) == 3
    assert log.calls == 6  # each is recorded a second time, to see that it is the same


def test_it_is_a_decorator_with_options_and_for_methods():
    class Model:
        def __init__(self, scale):
            self.scale, self.w = scale, np.ones(2)

        @ag.compile(level="fast")
        def predict(self, x):
            """Predict."""
            return x @ self.w * self.scale

    one, two = Model(1.0), Model(2.0)
    np.testing.assert_array_equal(one.predict(X), X @ np.ones(2))
    np.testing.assert_array_equal(two.predict(X), X @ np.ones(2) * 2)
    one.w = np.full(2, 3.0)
    np.testing.assert_array_equal(one.predict(X), X @ np.full(2, 3.0))
    one.w[:] = 4.0
    np.testing.assert_array_equal(one.predict(X), X @ np.full(2, 4.0))
    one.scale = 0.5
    np.testing.assert_array_equal(one.predict(X), X @ np.full(2, 4.0) * 0.5)
    assert Model.predict.__name__ == "predict"
    assert Model.predict.__doc__ == "Predict."


class Scaled:
    def __init__(self):
        self.scale = 2.0

    @ag.compile
    def times(self, x):
        return x * self.scale


def test_objects_with_compiled_methods_are_copied_and_pickled():
    one = Scaled()
    assert_same_bits(one.times(W), 2.0 * W)
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        other.scale = 3.0
        assert_same_bits(other.times(W), 3.0 * W)
        assert_same_bits(one.times(W), 2.0 * W)
    assert pickle.loads(pickle.dumps(doubled)) is doubled


def test_objects_without_a_dict_have_compiled_methods_too():
    class Slotted:
        __slots__ = ("w",)

        @ag.compile
        def times(self, x):
            return x * 2.0

    assert_same_bits(Slotted().times(W), 2.0 * W)


@ag.compile
def doubled(x):
    return x * 2.0


def test_it_composes_with_transforms_from_outside():
    g = compiled(loss)
    assert_same_bits(ag.grad(g)(W, X), ag.grad(loss)(W, X))
    assert_same_bits(
        ag.vmap(g, (None, 0))(W, np.stack([X, X])),
        ag.vmap(loss, (None, 0))(W, np.stack([X, X])),
    )
    h = compiled(lambda w, x: ag.grad(g)(w, x) * 2.0)
    assert_same_bits(h(W, X), ag.grad(loss)(W, X) * 2.0)
    assert_same_bits(
        ag.jvp(h, (W, X), (W, X)),
        ag.jvp(lambda w, x: ag.grad(loss)(w, x) * 2.0, (W, X), (W, X)),
    )


def test_tensors_are_differentiated_through():
    w = ag.Tensor(W)
    compiled(loss)(w, X).backward()
    assert_same_bits(w.grad, ag.grad(loss)(W, X))


def test_another_library_computes():
    pytest.importorskip("array_api_strict")
    f = compiled(ag.grad(loss), backend="array-api-strict")
    got = f(W, X)
    assert type(got).__module__.startswith("array_api_strict")
    np.testing.assert_allclose(np.from_dlpack(got), ag.grad(loss)(W, X), rtol=1e-14)


# ------------------------------------------------------------------ control flow


def branches(x):
    if xp.sum(x) > 0:
        return x * 2.0
    return -x


def test_each_way_through_the_code_is_recorded_once():
    f = compiled(branches)
    for x in (W, -W, 3 * W, -4 * W, W):
        assert_same_bits(f(x), branches(x))
    assert len(f.programs) == 2


def test_loops_whose_number_of_steps_depends_on_values():
    def newton(x):
        y = x
        while abs(y * y - x) > 1e-12:
            y = (y + x / y) / 2
        return y

    f, g = compiled(newton), compiled(ag.grad(newton))
    for x in (2.0, 3.0, 1e6, 2.0):
        assert_same_bits(f(np.asarray(x)), newton(np.asarray(x)))
        assert_same_bits(g(np.asarray(x)), ag.grad(newton)(np.asarray(x)))


def test_a_function_whose_ways_keep_changing_says_so_once():
    def count(x):
        return x * int(xp.sum(x))

    def check(f):
        for k in range(20):
            assert_same_bits(f(np.full(2, float(k))), np.full(2, float(k) * 2 * k))

    f = compiled(count)
    with pytest.warns(
        RuntimeWarning,
        match=r"compile: count was recorded for so many ways through its code; it runs "
        r"uncompiled from now on\. Use where or cond instead of Python's if\. \(at .*"
        r"test_compile\.py",
    ):
        check(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same_bits(f(np.full(2, 50.0)), np.full(2, 5000.0))


def test_numbers_that_keep_changing_are_named_once():
    def check(f):
        for k in range(80):
            assert_same_bits(f(W, float(k)), W * k)

    f = compiled(lambda x, lr: x * lr)
    with pytest.warns(
        RuntimeWarning,
        match="so many different arguments.*numbers and functions are part of",
    ):
        check(f)


# ------------------------------------------------------------------ what is around it

rate = 0.5
table = {"w": np.ones(2)}


def scaled(x):
    return x * rate


def with_globals(x):
    return scaled(x) + table["w"]


def test_changed_globals_are_noticed(monkeypatch):
    f = compiled(with_globals)
    np.testing.assert_array_equal(f(W), W * 0.5 + 1)
    monkeypatch.setitem(globals(), "rate", 2.0)
    np.testing.assert_array_equal(f(W), W * 2 + 1)
    monkeypatch.setitem(table, "w", np.full(2, 7.0))
    np.testing.assert_array_equal(f(W), W * 2 + 7)
    table["w"][:] = 9.0
    np.testing.assert_array_equal(f(W), W * 2 + 9)
    monkeypatch.setitem(globals(), "scaled", lambda x: x)
    np.testing.assert_array_equal(f(W), W + 9)


def test_changed_closures_defaults_and_bound_arguments_are_noticed():
    c, held = 2.0, [1.0]

    def f(x, *, d=held):
        return x * c + d[0]

    g = compiled(f)
    np.testing.assert_array_equal(g(W), W * 2 + 1)
    c = 3.0
    np.testing.assert_array_equal(g(W), W * 3 + 1)
    held[0] = 5.0
    np.testing.assert_array_equal(g(W), W * 3 + 5)
    bound = partial(lambda p, x: p["k"] * x, {"k": 2.0})
    h = compiled(bound)
    np.testing.assert_array_equal(h(W), 2 * W)
    bound.args[0]["k"] = 4.0
    np.testing.assert_array_equal(h(W), 4 * W)


def test_a_transformed_functions_closure_is_watched_too():
    c = 2.0

    def f(x):
        return xp.sum(x * c)

    g = compiled(ag.grad(f))
    np.testing.assert_array_equal(g(W), [2.0, 2.0])
    c = 3.0
    np.testing.assert_array_equal(g(W), [3.0, 3.0])


def test_what_is_rebound_in_every_call_is_named():
    w = np.ones(2)

    def f(x):
        return x * w

    g = compiled(f)

    def check():
        nonlocal w
        for k in range(20):
            w = np.full(2, float(k))
            np.testing.assert_array_equal(g(W), W * k)

    with pytest.warns(
        RuntimeWarning,
        match=r"closes over float64\[2\].*another in every call.*Pass it as an",
    ):
        check()


@pytest.mark.parametrize(
    "noise", [lambda: np.random.rand(2), lambda: float(np.random.rand())]
)
def test_random_numbers_are_not_frozen(noise):
    f = compiled(lambda x: x * noise())
    with pytest.warns(RuntimeWarning, match="computes something else in each call"):
        first = f(W)
    assert not np.array_equal(first, f(W))


def test_writes_inside_are_those_of_a_functional_array():
    def f(x):
        y = xp.zeros_like(x)
        y[0] = x[1]
        y += x
        return y

    x = np.asarray([1.0, 2.0])
    assert_same_bits(compiled(f)(x), np.asarray([3.0, 2.0]))
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_closed_over_masks_choose_by_what_they_hold_now():
    mask = np.asarray([True, False, True])
    f = ag.grad(lambda x: xp.sum(x[mask] ** 2))
    g, x = compiled(f), np.asarray([1.0, 2.0, 3.0])
    for held in ([1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]):
        mask[:] = held
        assert_same_bits(g(x), f(x))
    assert len(g.programs) == 3


@pytest.mark.parametrize("level", ["stable", "fast"])
def test_formulas_are_rewritten_before_they_are_differentiated(level):
    def softplus(x):
        return xp.sum(xp.log(1 + xp.exp(x)))

    def entropy(w, x, y):  # closes over nothing, and is not differentiated in x and y
        p = xp.exp(x @ w) / xp.sum(xp.exp(x @ w), axis=-1, keepdims=True)
        return -xp.mean(xp.sum(y * xp.log(p), axis=-1))

    x = np.asarray([1000.0, -1000.0, 1.0])
    sigmoid = np.asarray([1.0, 0.0, 1 / (1 + np.exp(-1.0))])
    value, gradient = compiled(ag.value_and_grad(softplus), level=level)(x)
    assert np.isclose(value, 1000 + np.log1p(np.exp(1.0)))
    np.testing.assert_allclose(gradient, sigmoid, rtol=1e-14)
    curvature = compiled(ag.hessian(softplus), level=level)(x)
    np.testing.assert_allclose(
        np.diagonal(curvature), sigmoid * (1 - sigmoid), atol=1e-15
    )
    w, data, y = 400.0 * np.eye(3), np.eye(3)[[0, 1, 2, 0]], np.eye(3)[[1, 1, 0, 0]]
    value, gradient = compiled(ag.value_and_grad(entropy), level=level)(w, data, y)
    assert value == 200.0
    assert np.all(np.isfinite(gradient))
    assert gradient[0, 0] == 0.25


def test_all_that_a_function_reads_is_watched(monkeypatch):
    """Each of these once kept what it had been recorded with."""
    options, hooks, place = {}, [], slice(0, 1)

    def f(x):
        y = x * options.get("scale", 1.0) + len(hooks)
        return y[place]

    g = compiled(f)
    assert_same_bits(g(W), f(W))
    options["scale"] = 3.0
    assert_same_bits(g(W), f(W))
    hooks.append(None)
    assert_same_bits(g(W), f(W))
    place = slice(1, 2)
    assert_same_bits(g(W), f(W))

    def inner(x):
        return ag.grad(lambda v: xp.sum(v * v) * rate)(x)

    g = compiled(inner)
    assert_same_bits(g(W), inner(W))
    monkeypatch.setitem(globals(), "rate", 7.0)
    assert_same_bits(g(W), inner(W))

    def with_default(x, c=2.0):
        return x * c

    g = compiled(with_default)
    assert_same_bits(g(W), 2.0 * W)
    with_default.__defaults__ = (5.0,)
    assert_same_bits(g(W), 5.0 * W)


def test_attributes_of_classes_are_watched():
    class Base:
        factor = 2.0

        @ag.compile
        def times(self, x):
            return x * self.factor

    class Derived(Base):
        @ag.compile
        def times(self, x):
            return super().times(x) + 1.0

        @staticmethod
        @ag.compile
        def thrice(x):
            return 3.0 * x

        @classmethod
        @ag.compile
        def by_factor(cls, x):
            return x * cls.factor

        twice = ag.compile(lambda self, x: 2.0 * x)
        four_times = ag.compile(lambda self, x: 4.0 * x)

    one = Derived()
    assert_same_bits(one.times(W), 2.0 * W + 1.0)
    Base.factor = 5.0
    assert_same_bits(one.times(W), 5.0 * W + 1.0)
    one.factor = 7.0
    assert_same_bits(one.times(W), 7.0 * W + 1.0)
    other = copy.copy(one)
    other.factor = 1.0
    assert_same_bits(other.times(W), W + 1.0)
    assert_same_bits(one.times(W), 7.0 * W + 1.0)
    assert_same_bits(one.twice(W), 2.0 * W)
    assert_same_bits(one.four_times(W), 4.0 * W)
    assert_same_bits(one.thrice(W), 3.0 * W)
    assert_same_bits(Derived.by_factor(W), 5.0 * W)


def test_arguments_that_are_equal_but_not_the_same():
    class Equal:
        def __init__(self, scale):
            self.scale = scale

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 0

    f = compiled(lambda x, other: x * other.scale)
    assert_same_bits(f(W, Equal(2.0)), 2.0 * W)
    assert_same_bits(f(W, Equal(5.0)), 5.0 * W)
    g = compiled(lambda x, some: x * len(some))
    assert_same_bits(g(W, {1, 2}), 2 * W)
    h = compiled(lambda x, z: z * x)
    for z in (complex(1, -0.0), complex(1, 0.0)):
        assert_same_bits(h(W, z), z * W)


def test_tracked_arrays_around_it_are_differentiated():
    f = ag.grad(lambda w: ag.compile(lambda x: xp.sum(x * w))(W))
    assert_same_bits(f(W), W)


@pytest.mark.parametrize("level", ["exact", "stable", "fast"])
def test_rules_of_ones_own_are_kept(level):
    @ag.custom_vjp
    def clipped(x):
        return x * 1.0

    clipped.defvjp(lambda x: (x, None), lambda _, t: (xp.clip(t, -0.1, 0.1),))

    @ag.custom_jvp
    def through(x):
        return xp.sign(x)

    through.defjvp(lambda p, t: (through(p[0]), 2.0 * t[0]))
    x = np.asarray([1.0, -2.0, 3.0])
    for f in (
        lambda x: xp.sum(ag.stop_gradient(x) * x),
        lambda x: xp.sum(ag.gradient_hook(x, lambda t: t * 10.0)),
        lambda x: xp.sum(clipped(x) * 5.0),
        lambda x: xp.sum(through(x) * x),
        lambda x: xp.sum(ag.checkpoint(lambda x: ag.stop_gradient(x) * x)(x)),
    ):
        for transform in (ag.grad, ag.value_and_grad, lambda f: ag.jacrev(ag.grad(f))):
            expected = transform(f)(x)
            assert_same_bits(compiled(transform(f), level=level)(x), expected)


# ------------------------------------------------------------------ memory


def test_results_are_nobody_elses():
    constant = np.ones(2)
    f = compiled(
        lambda x: (
            x,
            x,
            constant,
            x[::-1],
            x * 2.0,
            ag.grad(lambda x: xp.sum(x * constant))(x),
        )
    )
    x = np.asarray([1.0, 2.0])
    first = f(x)
    for y in first:
        y += 100.0
    np.testing.assert_array_equal(x, [1.0, 2.0])
    np.testing.assert_array_equal(constant, [1.0, 1.0])
    before = [y.copy() for y in first]
    second = f(x)
    for y, same in zip(first, before, strict=True):
        np.testing.assert_array_equal(y, same)
    np.testing.assert_array_equal(second[4], [2.0, 4.0])


def test_threads_do_not_disturb_each_other():
    f = ag.value_and_grad(lambda x: xp.sum(xp.tanh(x) * xp.sin(x) + x**3))
    g = compiled(f)
    points = [np.linspace(0.0, k, 1000) for k in range(1, 9)]
    expected = [f(x) for x in points]
    wrong = []

    def run(k):
        for _ in range(50):
            for x, y in zip(g(points[k]), expected[k], strict=True):
                if not np.array_equal(x, y):
                    wrong.append(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(g.programs) <= 8


def test_an_exception_leaves_it_usable():
    f = compiled(lambda x: xp.linalg.cholesky(x) * 2.0)
    with pytest.raises(np.linalg.LinAlgError):
        f(-np.eye(2))
    np.testing.assert_array_equal(f(np.eye(2)), 2 * np.eye(2))


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: ag.compile(loss, level="faster"),
            r"compile: level is one of 'exact', 'stable', 'fast'; got 'faster'\. Use",
        ),
        (
            lambda: ag.compile(loss, threads=0),
            "compile: threads is a number, at least 1",
        ),
        (lambda: ag.compile(3), "compile: "),
        (
            lambda: ag.compile(lambda x: x * float(x))(np.asarray(2.0)),
            r"float\(\): takes a number out of compile, which would stay the same for "
            r"all other arguments; got float64\[\]\. Compute with autograd_core\.ops",
        ),
        (
            lambda: ag.compile(lambda x: x[x > 0.0])(W),
            "shape depends on values",
        ),
    ],
)
def test_errors(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_wrong_shapes_raise_the_librarys_error_with_the_users_line():
    with pytest.raises(ValueError, match=r"matmul|mismatch") as caught:
        ag.compile(loss)(W, W[:1])
    notes = getattr(caught.value, "__notes__", [])
    assert "test_compile.py" in "".join([str(caught.value), *notes])
