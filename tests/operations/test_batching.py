"""Every operation of the registry under `vmap`: one call gives what a loop gives.

No test here names an operation where the registry can: each declared call, and each
parameter that may differ between examples, is checked against a loop over them.
"""

import inspect
import itertools
from dataclasses import replace

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import batching, pytree
from autograd_core.declare import general, linear, sample
from autograd_core.library import call_library
from autograd_core.operation import registry
from autograd_core.testing import calls
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import outputs
from autograd_core.testing.samples import variants as variants_of

xp = ag.ops

DECLARED = tuple(registry.values())
"""What is declared when the tests are collected."""


def is_taken_apart(operation):
    """Say whether a composite is declared: its parts are batched."""
    return bool(operation.arguments) and not operation.jvp


LOOPED = frozenset()
"""Operations that vmap computes in a loop, each with its reason: none."""


@pytest.fixture(autouse=True)
def loops_are_told(monkeypatch):
    """Let every test hear of a loop: `looped` warns once of an operation."""
    monkeypatch.setattr(batching, "_said", set())


# ------------------------------------------------------------------ examples


class Mapped:
    """A declared call as a function of all its arrays, its array parameters included.

    Attributes
    ----------
    names
        What each array is called, those that have no derivative last.
    count
        How many have one.
    """

    def __init__(self, call):
        self.call = call
        held = call.sample.statics.items()
        self.extra = [name for name, value in held if isinstance(value, list)]
        self.count = len(call.names)
        self.names = (*call.names, *self.extra)

    def __call__(self, *arrays):
        """Call the operation: a tuple of results."""
        arrays, extra = arrays[: self.count], arrays[self.count :]
        statics = self.call.sample.statics | dict(zip(self.extra, extra, strict=True))
        shown = replace(self.call.sample, statics=statics)
        return outputs(replace(self.call, sample=shown).bound())(*arrays)

    def of(self, k):
        """Return the arrays of the ``k``-th example."""
        call = self.call.redrawn(100 * k) if k else self.call
        extra = [moved(self.call.sample.statics[name], k) for name in self.extra]
        return (*map(xp.asarray, (*call.values, *extra)),)


def moved(values, k):
    """Return other numbers of the same use: floats in order, indices in range."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return values + 0.125 * k
    return np.roll(values, k, axis=-1)


def stacked(examples, mapped, axes=None):
    """Return the arrays of all examples, those that are not mapped as they are."""
    columns = zip(*examples, strict=True)
    return [
        xp.stack(list(column), axis=0 if axes is None else axes[k])
        if k in mapped
        else column[0]
        for k, column in enumerate(columns)
    ]


def in_axes(count, mapped, axes=None):
    return tuple(
        (0 if axes is None else axes[k]) if k in mapped else None for k in range(count)
    )


def subsets(names):
    """Return the non-empty subsets of places, all together first."""
    places = range(len(names))
    sizes = range(len(names), 0, -1)
    return [set(s) for n in sizes for s in itertools.combinations(places, n)]


def looped(function, examples):
    """Return what a loop over the examples gives, stacked."""
    flat = [pytree.flatten(function(*example))[0] for example in examples]
    return [np.stack([to_numpy(y) for y in part]) for part in zip(*flat, strict=True)]


def differing(function, mapped, count=3):
    """Return examples that differ in some of the arrays, and that the library takes."""
    first, found = function.of(0), []
    for k in range(50):
        pairs = enumerate(zip(function.of(k), first, strict=True))
        example = [x if place in mapped else same for place, (x, same) in pairs]
        try:
            function(*example)
        except ValueError:
            continue
        found.append(example)
        if len(found) == count:
            return found
    return pytest.skip("the library takes no such call")


def assert_same(got, expected, name, tolerance=1e-10):
    got = [to_numpy(y) for y in pytree.flatten(got)[0]]
    assert len(got) == len(expected), name
    for y, y_loop in zip(got, expected, strict=True):
        assert (y.dtype, y.shape) == (y_loop.dtype, y_loop.shape), name
        if y.dtype.kind in "fc":
            scale = np.max(np.abs(y_loop), initial=1.0, where=np.isfinite(y_loop))
            np.testing.assert_allclose(
                y, y_loop, rtol=tolerance, atol=tolerance * scale, err_msg=name
            )
        else:
            np.testing.assert_array_equal(y, y_loop, err_msg=name)


def check_value(function, mapped, count=3, axes=None):
    """Compare vmap of an operation with a loop."""
    examples = differing(function, mapped, count)
    axes_in = in_axes(len(function.names), mapped, axes)
    got = ag.vmap(function, in_axes=axes_in)(*stacked(examples, mapped, axes))
    assert_same(got, looped(function, examples), f"{function.call} {mapped}")


# ------------------------------------------------------------------ what is called

WITH_ARRAYS = [
    operation
    for operation in DECLARED
    if any(operation.jvp) or any(shown.shapes for shown in operation.samples)
]
CALLS = [call for operation in WITH_ARRAYS for call in calls(operation)]


def complex_calls(operation):
    """Return one call with complex numbers, if it takes them and none is declared."""
    if any(shown.is_complex for shown in operation.samples):
        return []
    return list(variants_of(operation, "complex numbers"))[:1]


def name_of(call):
    shapes = "-".join("x".join(map(str, shape)) or "0d" for shape in call.sample.shapes)
    statics = ",".join(f"{k}={v}" for k, v in call.sample.statics.items())
    number = "-complex" if call.sample.is_complex else ""
    return (
        f"{call.operation.name}-{shapes}" + (f"-{statics}" if statics else "") + number
    )


def is_mask(mapped_call, mapped):
    """Say whether a mask in a key differs, and with it the shape of the result."""
    names = {mapped_call.names[k] for k in mapped}
    key = mapped_call.call.sample.statics.get("key")
    return "key" in names and np.asarray(key).dtype.kind == "b"


def refuses(function):
    with pytest.raises(TypeError, match="shape depends on values"):
        function()


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_value(backend, call):
    """Of every subset of the arrays that may differ between examples."""
    function = Mapped(call)
    for mapped in subsets(function.names):
        if is_mask(function, mapped):
            refuses(lambda m=mapped: check_value(function, m))
        else:
            check_value(function, mapped)
    whole = set(range(len(function.names)))
    if not is_mask(function, whole):
        check_value(function, whole, count=1)
        check_value(function, whole, axes=[-1] * len(function.names))


@pytest.mark.parametrize("operation", WITH_ARRAYS, ids=str)
def test_complex_value(backend, operation):
    for call in complex_calls(operation):
        function = Mapped(call)
        for mapped in subsets(function.names):
            if not is_mask(function, mapped):
                check_value(function, mapped)


VARIED = ("every axis and none", "more axes and fewer", "switches")


@pytest.mark.parametrize("operation", WITH_ARRAYS, ids=str)
def test_value_of_variants(backend, operation):
    """Of every axis, of more and fewer of them, of switches turned."""
    for call in itertools.chain(*(variants_of(operation, each) for each in VARIED)):
        function = Mapped(call)
        whole = set(range(len(function.names)))
        for mapped in (whole, {0}, {len(function.names) - 1}):
            if not is_mask(function, mapped):
                check_value(function, mapped, count=2)


@pytest.mark.parametrize("operation", WITH_ARRAYS, ids=str)
def test_no_example(backend, operation):
    """A batch of none has the shape and the dtype that others have."""
    function = Mapped(next(calls(operation)))
    whole = set(range(len(function.names)))
    if not whole or is_mask(function, whole):
        return
    few = [function.of(k) for k in range(2)]
    none = [x[:0, ...] for x in stacked(few, whole)]
    try:
        ys = ag.vmap(function)(*none)
    except (RuntimeError, UserWarning) as refusal:
        assert backend.name in ("torch", "jax")
        pytest.skip(f"the library takes no empty stack: {refusal}")
    for y, y_one in zip(ys, function(*few[0]), strict=True):
        assert tuple(y.shape) == (0, *y_one.shape)
        assert y.dtype == y_one.dtype


# ------------------------------------------------------------------ constants

NUMBERS = {
    "floats": [[[0.75, -1.5, 0.0], [2.25, 0.5, -0.75]], [[1.0, -1.5, 0.5]]],
    "integers": [[[3, 1, 2], [0, 5, 1]], [[1, 2, 3]]],
    "booleans": [[[True, False, True], [True, True, False]], [[False, True, True]]],
}
"""What is given to functions without a derivative: as the first array, the others."""

CHOICES = {
    "axis": [None, 0, -1],
    "keepdims": [False, True],
    "side": ["left", "right"],
    "invert": [False, True],
    "descending": [False, True],
}
"""What is given for other parameters, all with all."""

CONSTANT = [
    operation
    for operation in DECLARED
    if not operation.arguments and {"x", "x1"} & set(operation.statics)
]
REFUSED = {
    operation.name for operation in DECLARED if operation.batching is batching.refused
}


ANY = inspect.Parameter("axis", inspect.Parameter.KEYWORD_ONLY)


class Plain:
    """A call of an operation that has no derivative, as a function of its arrays."""

    def __init__(self, operation, statics):
        self.call, self.operation, self.statics = operation.name, operation, statics
        self.names = [name for name in operation.statics if name in ("x", "x1", "x2")]

    def __call__(self, *arrays):
        given = dict(zip(self.names, arrays, strict=True)) | self.statics
        positional, by_name = [], {}
        for p in self.operation.signature.parameters.values():
            if p.name in given and p.kind is p.POSITIONAL_ONLY:
                positional.append(given[p.name])
            elif p.name in given:
                by_name[p.name] = given[p.name]
        return pytree.flatten(self.operation.function(*positional, **by_name))[0]


def plain_calls(operation):
    """Return the calls with every choice of the other parameters."""
    names = [name for name in operation.statics if name in CHOICES]
    if operation.signature.parameters.get("axis", ANY).annotation == "int":
        names.remove("axis")
    for values in itertools.product(*(CHOICES[name] for name in names)):
        yield Plain(operation, dict(zip(names, values, strict=True)))


def plain_examples(function, kind):
    """Return three examples; those of `searchsorted` are sorted."""
    first, *others = NUMBERS[kind]
    if function.operation.name == "searchsorted":
        first = sorted(first[0])
    values = [first, *others * (len(function.names) - 1)]
    turned = [[np.roll(np.asarray(x), k, axis=-1) for x in values] for k in range(3)]
    if function.operation.name == "searchsorted":
        turned = [
            [np.sort(x + np.asarray(k, dtype=x.dtype)), *y]
            for k, (x, *y) in enumerate(turned)
        ]
    return [[xp.asarray(x) for x in example] for example in turned]


def takes(function, example):
    """Say whether the library has the function for these numbers."""
    try:
        function(*example)
    except (TypeError, ValueError, RuntimeError, RuntimeWarning, AttributeError):
        return False
    return True


@pytest.mark.parametrize("operation", CONSTANT, ids=str)
def test_constants(backend, operation):
    """Functions without a derivative, of floats, integers and booleans."""
    seen = 0
    for function, kind in itertools.product(plain_calls(operation), NUMBERS):
        examples = plain_examples(function, kind)
        if not takes(function, examples[0]):
            continue
        seen += 1
        for mapped in subsets(function.names):
            chosen = [
                [x if k in mapped else examples[0][k] for k, x in enumerate(example)]
                for example in examples
            ]
            arrays = stacked(chosen, mapped)
            transformed = ag.vmap(function, in_axes=in_axes(len(arrays), mapped))
            if operation.name in REFUSED:
                refuses(lambda f=transformed, a=arrays: f(*a))
            elif operation.name == "empty_like":
                (y,) = transformed(*arrays)
                assert (tuple(y.shape), y.dtype) == ((3, 2, 3), arrays[0].dtype)
            else:
                name = f"{operation} {kind} {function.statics} {mapped}"
                assert_same(transformed(*arrays), looped(function, chosen), name)
    if not seen:
        pytest.skip("the library lacks it")


def test_every_operation_has_a_batching_rule():
    loops = {
        operation.name
        for operation in DECLARED
        if not is_taken_apart(operation)
        and operation.batching in (None, batching.looped)
    }
    assert loops == LOOPED


def test_what_is_refused_has_no_shape_of_its_own():
    """Creation functions take sizes; `nonzero` finds as many as there are."""
    assert {"empty", "eye", "nonzero", "ones", "zeros"} == REFUSED


@pytest.mark.parametrize("name", sorted(n for n in registry if n.startswith("unique")))
def test_distinct_elements_are_refused(backend, name):
    x = xp.asarray([[1.0, 2.0], [3.0, 3.0]])
    refuses(lambda: ag.vmap(registry[name].function)(x))
    assert ag.vmap(lambda a: a + xp.sum(xp.unique_values(x)))(x).shape == (2, 2)


# ------------------------------------------------------------------ derivatives

FLOATS = ("real floating", "complex floating")


class Problem:
    """What the checks of derivatives of one call share: three examples of each.

    Attributes
    ----------
    arrays, extras
        The arrays that have a derivative, and the parameters that are arrays.
    tangents, cotangents
        Of the arrays, and of the results that are floats.
    """

    def __init__(self, call):
        self.call = Mapped(call)
        every, count = set(range(len(self.call.names))), self.call.count
        self.extra_axis = None if is_mask(self.call, every) else 0
        if self.extra_axis is None:
            every = set(range(count))
        examples = differing(self.call, every)
        self.arrays = [tuple(example[:count]) for example in examples]
        self.extras = [tuple(example[count:]) for example in examples]
        self.tangents = [like(x, seed=k) for k, x in enumerate(self.arrays)]
        ys = self.function(self.extras[0])(*self.arrays[0])
        self.cotangents = [like(ys, seed=k) for k in range(3)]

    def __str__(self):
        return repr(self.call.call)

    def function(self, extra):
        """Return the function of the arrays that have a derivative."""

        def f(*arrays):
            ys = self.call(*arrays, *extra)
            return tuple(y for y in ys if xp.isdtype(y.dtype, FLOATS))

        return f

    def batched(self, transformed, *parts):
        """Compare vmap of ``transformed(f, *parts)`` with a loop over examples."""

        def one(extra, *each):
            return transformed(self.function(extra), *each)

        axes = (self.extra_axis, *(0 for _ in parts))
        extra = self.extras[0]
        if self.extra_axis == 0:
            extra = stacked_trees(self.extras)
        got = ag.vmap(one, in_axes=axes)(extra, *map(stacked_trees, parts))
        expected = looped(one, zip(self.extras, *parts, strict=True))
        assert_same(got, expected, f"{transformed.__name__} of {self}", 1e-8)


def like(arrays, seed):
    """Draw arrays of the shapes and dtypes of others."""
    rng = np.random.default_rng(seed)
    drawn = []
    for x in map(to_numpy, arrays):
        t = rng.uniform(-1.0, 1.0, x.shape)
        if x.dtype.kind == "c":
            t = t + 1j * rng.uniform(-1.0, 1.0, x.shape)
        drawn.append(xp.asarray(t.astype(x.dtype)))
    return tuple(drawn)


def stacked_trees(examples):
    """Stack tuples of arrays."""
    return tuple(xp.stack(list(column)) for column in zip(*examples, strict=True))


def energy(f):
    """Return the sum of squares of all results of a function."""

    def total(*arrays):
        return sum(xp.sum(xp.square(xp.abs(y))) for y in f(*arrays))

    return total


def pushed(f, arrays, tangents):
    return ag.jvp(f, arrays, tangents)[1]


def pulled(f, arrays, cotangents):
    return ag.vjp(f, *arrays)[1](cotangents)


def gradient(f, arrays):
    return ag.grad(energy(f), tuple(range(len(arrays))))(*arrays)


def curvature(f, arrays, tangents):
    return ag.jvp(lambda *xs: gradient(f, xs), arrays, tangents)[1]


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_transforms_of_examples(backend, call):
    """Vmap of jvp, of vjp, of grad and of the second derivative."""
    problem = Problem(call)
    problem.batched(pushed, problem.arrays, problem.tangents)
    problem.batched(pulled, problem.arrays, problem.cotangents)
    problem.batched(gradient, problem.arrays)
    problem.batched(curvature, problem.arrays, problem.tangents)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_directions_at_one_point(backend, call):
    """What Jacobians and Hessians are made of: many directions, one set of primals."""
    problem = Problem(call)
    f, primals = problem.function(problem.extras[0]), problem.arrays[0]
    functions = [
        (lambda *t: ag.jvp(f, primals, t)[1], problem.tangents),
        (lambda *t: ag.vjp(f, *primals)[1](t), problem.cotangents),
        (ag.vjp(lambda *xs: gradient(f, xs), *primals)[1], problem.tangents),
        (lambda *t: curvature(f, primals, t), problem.tangents),
    ]
    _, pullback = ag.vjp(f, *primals)
    functions.append((lambda *t: pullback(t), problem.cotangents))
    functions[2] = (lambda *t, pull=functions[2][0]: pull(t), problem.tangents)
    for k, (function, directions) in enumerate(functions):
        got = ag.vmap(function)(*stacked_trees(directions))
        assert_same(got, looped(function, directions), f"{k} of {problem}", 1e-8)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_transforms_of_the_batch(backend, call):
    """Derivatives of vmap are those of a loop; what is shared collects a sum."""
    problem = Problem(call)
    f, name = problem.function(problem.extras[0]), str(problem)
    count = len(problem.arrays[0])
    for mapped in (set(range(count)), {0}):
        examples = [
            tuple(x if k in mapped else problem.arrays[0][k] for k, x in enumerate(xs))
            for xs in problem.arrays
        ]
        try:
            each = [gradient(f, example) for example in examples]
        except ValueError:  # the library takes no such mixture
            continue
        axes = in_axes(count, mapped)
        whole = tuple(stacked(examples, mapped))
        got = gradient(ag.vmap(f, in_axes=axes), whole)
        for k, x in enumerate(got):
            rows = np.stack([to_numpy(grads[k]) for grads in each])
            expected = rows if k in mapped else np.sum(rows, axis=0)
            assert_same([x], [expected], name, 1e-8)
        t = like(whole, seed=0)
        y_dot = pushed(ag.vmap(f, in_axes=axes), whole, t)
        rows = [
            tuple(d[j, ...] if k in mapped else d for k, d in enumerate(t))
            for j in range(3)
        ]
        pairs = zip(examples, rows, strict=True)
        assert_same(y_dot, looped(lambda x, d: pushed(f, x, d), pairs), name, 1e-8)


@pytest.mark.parametrize("call", CALLS, ids=name_of)
def test_vmap_in_vmap(backend, call):
    """The outer maps the first array, the inner one the others, and both all."""
    function = Mapped(call)
    names = function.names
    places = set(range(len(names)))
    if is_mask(function, places):
        return
    first = differing(function, {0}, 2)
    others = places - {0} or places
    outer = stacked(first, {0})[0]
    if len(names) > 1:
        inner = differing(function, others, 2)
        mixed = [[a[0], *b[1:]] for a in first for b in inner]
        whole = [outer, *stacked(inner, others)[1:]]
        f = ag.vmap(function, in_axes=in_axes(len(names), others))
        g = ag.vmap(f, in_axes=in_axes(len(names), {0}))
        assert_nested(g(*whole), function, mixed, 2)
    every = differing(function, places, 4)
    rows = [stacked(every[k : k + 2], places) for k in (0, 2)]
    g = ag.vmap(ag.vmap(function))
    assert_nested(g(*stacked(rows, places)), function, every, 2)


def assert_nested(got, function, examples, rows):
    try:
        expected = looped(function, examples)
    except ValueError:  # the library takes no such mixture
        return
    expected = [y.reshape((rows, len(y) // rows, *y.shape[1:])) for y in expected]
    assert_same(got, expected, repr(function.call))


# ------------------------------------------------------------------ keys


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)


def places(*shape, below, seed=0):
    return np.random.default_rng(seed).integers(-below, below, shape)


def compare(function, *arrays, mapped, tolerance=1e-12):
    """Compare vmap with a loop, for NumPy's arrays of which some are batches."""
    chosen = [xp.asarray(x) for x in arrays]
    axes = tuple(0 if k in mapped else None for k in range(len(chosen)))
    size = chosen[min(mapped)].shape[0]
    examples = [
        [x[j, ...] if k in mapped else x for k, x in enumerate(chosen)]
        for j in range(size)
    ]
    got = ag.vmap(function, in_axes=axes)(*chosen)
    assert_same(got, looped(function, examples), "", tolerance)


KEYS = {
    "one array": lambda i, j: (i,),
    "one array and the rest": lambda i, j: (i, ...),
    "after a slice": lambda i, j: (slice(None), i),
    "after an ellipsis": lambda i, j: (..., i),
    "after newaxis": lambda i, j: (None, slice(0, 2), i),
    "side by side": lambda i, j: (slice(None), i, j),
    "a slice between": lambda i, j: (i, slice(1, None), j),
    "an integer between": lambda i, j: (i, 1, j),
    "an integer, a slice, an array": lambda i, j: (0, slice(None), j),
    "newaxis between": lambda i, j: (i, None, j),
    "a mask beside": lambda i, j: (MASK, j),
}
"""Keys of integer arrays in an array of three axes, of length 3, 4 and 5."""

MASK = np.asarray([True, False, True])


@pytest.mark.parametrize("mapped", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}], ids=str)
@pytest.mark.parametrize("shapes", [((2,), (2,)), ((), ()), ((2, 1), (2,))], ids=str)
@pytest.mark.parametrize("key", KEYS)
def test_keys_of_numpy(key, shapes, mapped):
    """Where the axes of arrays in a key go is NumPy's rule; the derivative follows."""
    make = KEYS[key]
    x = drawn(*((3,) if 0 in mapped else ()), 3, 4, 5)
    first, second = (
        places(*((3,) if k in mapped else ()), *shape, below=3, seed=k)
        for k, shape in enumerate(shapes, start=1)
    )
    with ag.use_backend("numpy"):

        def read(x, i, j):
            return xp.getitem(x, key=make(i, j))

        def slope(x, i, j):
            return ag.grad(lambda x: xp.sum(xp.getitem(x, key=make(i, j)) ** 2))(x)

        compare(read, x, first, second, mapped=mapped)
        compare(slope, x, first, second, mapped=mapped)


@pytest.mark.parametrize("mapped", [{0}, {1}, {0, 1}], ids=str)
def test_writing_at_places_that_differ(backend, mapped):
    x = drawn(*((3,) if 0 in mapped else ()), 4)
    where = places(*((3,) if 1 in mapped else ()), 3, below=4)
    value = drawn(3, seed=1)

    def write(x, i):
        return xp.setitem(x, xp.asarray(value), key=(i,))

    def slope(x, i):
        return ag.grad(lambda x: xp.sum(write(x * x, i) ** 2))(x)

    def slope_of_value(x, i):
        y = xp.asarray(value)
        return ag.grad(lambda y: xp.sum(xp.setitem(x, y * y, key=(i,)) ** 2))(y)

    for function in (write, slope, slope_of_value):
        compare(function, x, where, mapped=mapped)


@pytest.mark.parametrize("mapped", [{0}, {1}, {0, 1}], ids=str)
@pytest.mark.parametrize("shape", [(3, 4), (3,)], ids=str)
def test_writing_under_masks_that_differ(backend, shape, mapped):
    x = drawn(*((3,) if 0 in mapped else ()), 3, 4)
    mask = drawn(*((3,) if 1 in mapped else ()), *shape, seed=1) > 0.0

    def write(x, mask):
        return xp.setitem(x, 0.5, key=mask)

    compare(write, x, mask, mapped=mapped)
    compare(
        lambda x, m: ag.grad(lambda x: xp.sum(write(x, m) ** 2))(x),
        x,
        mask,
        mapped=mapped,
    )


def test_reading_under_masks_that_differ_is_refused(backend):
    x = xp.asarray(drawn(3, 4))
    refuses(lambda: ag.vmap(lambda a: a[a > 0.0])(x))
    refuses(lambda: ag.vmap(lambda a: xp.setitem(a, a[:2], key=a > 0.0))(x))
    refuses(lambda: ag.vmap(lambda a, n: xp.repeat(a, n))(x, xp.asarray([1, 2, 3])))


# ------------------------------------------------------------------ parameters

PARAMETERS = {
    "take of many axes": lambda x, k: xp.take(x, k, axis=1),
    "take from the end": lambda x, k: xp.take(x, k, axis=-2),
    "searchsorted, right": lambda x, k: xp.searchsorted(
        xp.sort(x[:, 0]), xp.astype(k, x.dtype) / 4.0, side="right"
    ),
    "searchsorted, a sorter": lambda x, k: xp.searchsorted(
        x[:, 0], x[0, :], sorter=xp.argsort(x[:, 0])
    ),
    "isin": lambda x, k: xp.isin(k, k[:1]),
    "isin of a number": lambda x, k: xp.isin(1, k),
    "pinv": lambda x, k: xp.linalg.pinv(x, rtol=xp.abs(x[0, 0]) / 2),
    "matrix_rank": lambda x, k: xp.linalg.matrix_rank(x, rtol=xp.abs(x[0, 0])),
    "reshape": lambda x, k: xp.reshape(x, (2, -1, 1)),
    "roll": lambda x, k: xp.roll(x, 2),
    "masks": lambda x, k: (x > 0.0) & ~(x > 0.5) | (k[0] == 1),
    "bits": lambda x, k: (k << 1) ^ (k & 1),
    "mean of a mask": lambda x, k: xp.mean(xp.astype(x > 0.0, x.dtype)),
}

OF_NUMPY = {
    "linspace": lambda x, k: xp.linspace(x[0, 0], 2.0, 3),
    "full": lambda x, k: xp.full((2, 2), x[0, 0]),
    "full_like": lambda x, k: xp.full_like(x, x[0, 0]),
    "asarray": lambda x, k: xp.asarray([x[0, 0], 1.0, x[1, 1]]),
    "methods": lambda x, k: x.mT.reshape((-1,)).sum() + x.max(axis=0)[0],
}
"""What raw arrays of other libraries do not have, or do in another dtype."""


@pytest.mark.parametrize("mapped", [{0}, {1}, {0, 1}], ids=str)
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(backend, name, mapped):
    """What no declared sample shows."""
    x = drawn(*((3,) if 0 in mapped else ()), 4, 3)
    k = places(*((3,) if 1 in mapped else ()), 3, below=3)
    compare(PARAMETERS[name], x, k, mapped=mapped)


@pytest.mark.parametrize("name", OF_NUMPY)
def test_parameters_of_numpy(name):
    with ag.use_backend("numpy"):
        compare(OF_NUMPY[name], drawn(3, 4, 3), places(3, below=3), mapped={0})


def test_a_batch_is_no_number(backend):
    """What would ask one value of a batch says what to do instead."""
    x = xp.asarray(drawn(3, 4))
    for ask in (bool, int, float, complex):
        with pytest.raises(TypeError, match="a batch of values in vmap"):
            ag.vmap(lambda a, ask=ask: ask(a[0]))(x)
    with pytest.raises(TypeError, match="a batch of values in vmap"):
        ag.vmap(lambda a: xp.arange(0.0, a[0]))(x)
    refuses(lambda: ag.vmap(lambda k: xp.zeros((k,)))(xp.asarray([1, 2])))


# ------------------------------------------------------------------ the cost

FACTORS = {
    "x @ w": (lambda w, x: x @ w, (100, 16)),
    "w @ x": (lambda w, x: w @ x, (100, 16)),
    "rows @ w": (lambda w, x: x @ w, (100, 5, 16)),
    "solve(w, x)": (lambda w, x: xp.linalg.solve(w, x), (100, 16)),
    "tensordot(w, x)": (lambda w, x: xp.tensordot(w, x, axes=1), (100, 16)),
}
"""What many examples do with one matrix."""


@pytest.mark.parametrize("name", FACTORS)
def test_one_matrix_is_not_copied(name):
    """All examples go through one call, in which the matrix stands once."""
    function, shape = FACTORS[name]
    w, x = drawn(16, 16) + 4 * np.eye(16), drawn(*shape)
    compare(function, w, x, mapped={1})
    seen = []

    def watch(operation, arguments, statics):
        seen.append([y.shape for y in arguments])
        return call_library(operation, arguments, statics)

    with ag.use_backend("numpy"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("autograd_core.apply.call_library", watch)
        ag.vmap(function, in_axes=(None, 0))(w, x)
    ((first, second),) = seen
    assert (16, 16) in (first, second)
    assert len(first) == len(second) == 2


# ------------------------------------------------------------------ the checks


def declared_wrongly():
    """Declare a sum that batches as if the axis of examples were not there."""

    def transpose(xp, t, x_shape, axis):
        return xp.broadcast_to(xp.expand_dims(t, axis=axis), x_shape)

    def forward(xp, x, axis):
        return xp.sum(x, axis=axis)

    @linear(
        x=transpose,
        implementation=forward,
        batching=batching.stacked,
        samples=[sample((3, 3), axis=0)],
    )
    def wrong_sum(x, /, *, axis=0):
        """Sum along an axis."""

    return next(calls(registry["wrong_sum"]))


def test_a_wrong_rule_is_found(backend):
    call = declared_wrongly()
    with pytest.raises(AssertionError):
        test_value(backend, call)
    with pytest.raises(AssertionError):
        test_transforms_of_examples(backend, call)


def test_a_missing_rule_is_told(backend):
    """A loop gives the same; it warns, which the checks take for an error."""

    def rule(xp, t, x, n):
        return t * n * x ** (n - 1)

    def forward(xp, x, n):
        return x**n

    @general(
        jvp={"x": rule},
        vjp={"x": rule},
        implementation=forward,
        samples=[sample((3,), n=2)],
    )
    def slow_power(x, /, n=2):
        """Power."""

    call = next(calls(registry["slow_power"]))
    with pytest.raises(RuntimeWarning, match="slow_power has no batching rule"):
        test_value(backend, call)
    test_value(backend, call)  # what was said once is not said again
    test_transforms_of_examples(backend, call)
    with pytest.raises(ValueError, match="at least one example"):
        ag.vmap(slow_power)(xp.zeros((0, 3)))
