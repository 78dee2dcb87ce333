"""Pytrees: what is a container, what is a leaf, and that nothing is lost."""

import copy
import pickle
from collections import OrderedDict, defaultdict, deque, namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass, field, fields
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import pytest
from core_support import here
from hypothesis import given
from hypothesis import strategies as st

import autograd_core as ag
from autograd_core import pytree

Pair = namedtuple("Pair", "first second")


class Typed(NamedTuple):
    weight: float
    bias: object = None


@dataclass
class Layer:
    weight: Any
    bias: Any = None
    name: Any = field(default="layer", metadata={"static": True})


@dataclass(frozen=True, slots=True)
class Frozen:
    first: Any
    second: Any = 2.0


class Matrix:
    """A node of the user's own."""

    def __init__(self, rows, kind):
        self.rows, self.kind = rows, kind

    def __eq__(self, other):
        return (self.rows, self.kind) == (other.rows, other.kind)

    __hash__ = None


pytree.register(
    Matrix,
    lambda matrix: (matrix.rows, matrix.kind),
    lambda kind, children: Matrix(list(children), kind),
)

TREES = [
    1.0,
    None,
    (),
    [],
    {},
    (1.0,),
    [1.0, [2.0, (3.0, None)]],
    {"b": 1.0, "a": {"d": 2.0, "c": 3.0}},
    {2: 1.0, 1: 2.0},
    Pair(1.0, (2.0, Pair(3.0, None))),
    Typed(1.0),
    OrderedDict(b=1.0, a=[2.0]),
    {"mixed": 1.0, 3: 2.0},
    Layer(1.0),
    Layer((1.0, None), {"a": Layer(2.0)}, name=None),
    Frozen([1.0], Frozen(3.0)),
    Matrix([1.0, Layer(2.0, Matrix([], None))], "upper"),
]


@pytest.mark.parametrize("tree", TREES, ids=range(len(TREES)))
def test_unflatten_undoes_flatten(tree):
    leaves, structure = pytree.flatten(tree)
    rebuilt = pytree.unflatten(structure, leaves)
    assert rebuilt == tree
    assert type(rebuilt) is type(tree)
    assert pytree.flatten(rebuilt) == (leaves, structure)


trees = st.recursive(
    st.floats(allow_nan=False) | st.none() | st.text(max_size=2),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Layer, inner, inner, st.text(max_size=2)),
        st.builds(Frozen, inner, inner),
        st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(trees)
def test_unflatten_undoes_flatten_on_any_tree(tree):
    leaves, structure = pytree.flatten(tree)
    assert pytree.unflatten(structure, leaves) == tree
    assert len(list(pytree.paths(structure))) == len(leaves)
    assert pytree.map(lambda x: x, tree) == tree
    assert pytree.map(lambda x, y: (x, y), tree, tree) == pytree.unflatten(
        structure, [(x, x) for x in leaves]
    )


@given(trees)
def test_every_path_leads_to_its_leaf(tree):
    leaves, structure = pytree.flatten(tree)
    for path, leaf in zip(pytree.paths(structure), leaves, strict=True):
        found = eval(f"tree{path}", {"tree": tree})
        assert found is leaf or found == leaf


def test_leaves_are_in_the_order_of_the_keys():
    assert pytree.flatten({"b": 1, "a": 2, "c": 0})[0] == [2, 1, 0]
    assert pytree.flatten([3, (1, 2)])[0] == [3, 1, 2]


def test_equal_dicts_have_equal_structures():
    one, other = {"a": 1.0, "b": 2.0}, {"b": 1.0, "a": 2.0}
    assert pytree.flatten(one)[1] == pytree.flatten(other)[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1.0, 2.0), [1.0, 2.0]),
        ((1.0, 2.0), Pair(1.0, 2.0)),
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0}, OrderedDict(a=1.0)),
        ((1.0, None), (1.0, 2.0)),
        ((1.0,), (1.0, ())),
        (Layer(1.0), Layer(1.0, 2.0)),
        (Layer(1.0), Layer(1.0, name="other")),
        (Layer(1.0, 2.0), Frozen(1.0, 2.0)),
        (Matrix([1.0], "upper"), Matrix([1.0], "lower")),
        (Matrix([1.0], None), Matrix([1.0, 2.0], None)),
    ],
)
def test_different_containers_have_different_structures(one, other):
    assert pytree.flatten(one)[1] != pytree.flatten(other)[1]
    with pytest.raises(ValueError, match=r"^pytree\.map: .*one structure.*; got"):
        pytree.map(lambda x, y: x, one, other)


def test_arrays_strings_and_objects_are_leaves():
    array, thing = np.ones((2, 2)), object()
    leaves, _ = pytree.flatten({"a": array, "b": "text", "c": thing, "d": {1, 2}})
    assert leaves[0] is array
    assert leaves[1] == "text"
    assert leaves[2] is thing
    assert leaves[3] == {1, 2}


def test_none_has_no_leaves():
    assert pytree.flatten(None)[0] == []
    assert pytree.map(lambda x: x + 1, (1, None)) == (2, None)


def test_structures_print_and_hash():
    structure = pytree.flatten({"w": [1.0, None], "p": Pair(1.0, 2.0)})[1]
    text = "dict('p': Pair('first': *, 'second': *), 'w': list(0: *, 1: None))"
    assert str(structure) == text
    assert len({structure, pytree.flatten({"w": [5, None], "p": Pair(3, 4)})[1]}) == 1


def test_paths_are_written_as_one_would_index():
    tree = {"w": [1.0, (2.0,)], "p": Pair(3.0, None)}
    paths = list(pytree.paths(pytree.flatten(tree)[1]))
    assert paths == ["['p'].first", "['w'][0]", "['w'][1][0]"]


def test_too_few_leaves_are_an_error():
    _, structure = pytree.flatten((1.0, 2.0))
    with pytest.raises((ValueError, StopIteration, RuntimeError)):
        pytree.unflatten(structure, [1.0])


def test_a_structure_survives_pickling_and_copying():
    tree = {"l": Layer(1.0, (2.0, None)), "m": Matrix([3.0], "upper"), "p": Pair(4, 5)}
    leaves, structure = pytree.flatten(tree)
    for again in (pickle.loads(pickle.dumps(structure)), copy.deepcopy(structure)):
        assert again == structure
        assert hash(again) == hash(structure)
        assert pytree.unflatten(again, leaves) == tree
    assert pytree.unflatten(structure, leaves) is not tree


# ------------------------------------------------------- dataclasses


def test_the_fields_of_a_dataclass_are_its_children_in_order():
    leaves, structure = pytree.flatten({"l": Layer([1.0, 2.0], 3.0), "f": Frozen(4.0)})
    assert leaves == [4.0, 2.0, 1.0, 2.0, 3.0]
    paths = ["['f'].first", "['f'].second", "['l'].weight[0]", "['l'].weight[1]"]
    assert list(pytree.paths(structure)) == [*paths, "['l'].bias"]
    assert str(pytree.flatten(Layer(1.0))[1]) == (
        "Layer('weight': *, 'bias': None, 'name': 'layer')"
    )


def test_neither_init_nor_its_checks_run_again():
    @dataclass(frozen=True)
    class Positive:
        value: Any
        root: Any = field(init=False)
        scale: InitVar[float] = 1.0
        shared: ClassVar[int] = 5

        def __post_init__(self, scale):
            if not self.value > 0:
                raise ValueError("not positive")
            object.__setattr__(self, "root", scale * self.value**0.5)

    tree = Positive(4.0, scale=3.0)
    assert pytree.flatten(tree)[0] == [4.0, 6.0]
    result = pytree.map(lambda x: -x, tree)
    assert (result.value, result.root, result.shared) == (-4.0, -6.0, 5)
    assert pytree.map(lambda x: None, tree).value is None
    with pytest.raises(AttributeError, match="cannot assign"):
        result.value = 1.0


def test_a_field_without_a_value_stays_without():
    @dataclass(slots=True)
    class Lazy:
        given: Any
        later: Any = field(init=False)

    result = pytree.map(lambda x: x + 1, Lazy(1.0))
    assert result.given == 2.0
    assert not hasattr(result, "later")
    full = Lazy(1.0)
    full.later = 5.0
    assert pytree.map(lambda x: x + 1, full).later == 6.0
    assert pytree.flatten(full)[1] != pytree.flatten(Lazy(1.0))[1]


def test_own_setters_are_passed_by_and_other_attributes_left_behind():
    @dataclass
    class Strict:
        value: Any

        def __setattr__(self, name, value):
            if not isinstance(value, float):
                raise TypeError("floats only")
            super().__setattr__(name, value)

    tree = Strict(1.0)
    tree.beside = 2.0
    result = pytree.map(lambda x: "text", tree)
    assert vars(result) == {"value": "text"}


def test_generic_and_derived_dataclasses():
    Value = TypeVar("Value")

    @dataclass
    class Box(Generic[Value]):
        value: Value

    @dataclass
    class Labelled(Box[float]):
        label: str = field(default="", kw_only=True, metadata={"static": True})

    result = pytree.map(lambda x: x * 2, [Box[float](1.0), Labelled(2.0, label="l")])
    assert [type(x) for x in result] == [Box, Labelled]
    assert (result[0].value, result[1].value, result[1].label) == (2.0, 4.0, "l")


def test_a_dataclass_itself_is_a_leaf():
    assert pytree.flatten([Layer, Pair, tuple])[0] == [Layer, Pair, tuple]


def test_static_arrays_that_do_not_compare_are_refused():
    one, other = (pytree.flatten(Layer(1.0, name=np.ones(2)))[1] for _ in range(2))
    assert one == copy.copy(one)
    with pytest.raises(
        TypeError,
        match=r"^pytree: what is static in a pytree must be equal or not to another; "
        rf"got float64\[2\]\. Make arrays children.*{here(+2)}",
    ):
        assert one == other


def test_static_lists_compare_though_they_do_not_hash():
    one, other = (pytree.flatten(Layer(1.0, name=[1, 2]))[1] for _ in range(2))
    assert one == other
    assert one != pytree.flatten(Layer(1.0, name=[1]))[1]


# ------------------------------------------------------- arrays are leaves


def test_arrays_of_every_library_are_leaves(library):
    x = library.asarray([1.0, 2.0])
    (leaf,), structure = pytree.flatten(x)
    assert leaf is x
    assert structure is pytree.LEAF
    with pytest.raises(
        TypeError, match=r"^pytree\.register: arrays, numbers and text are leaves; got "
    ):
        pytree.register(type(x), lambda x: ((), x), lambda x, _: x)


def test_tracked_arrays_are_leaves():
    inside = []
    ag.grad(lambda x: inside.append(pytree.flatten(x)) or x)(1.0)
    assert inside[0][1] is pytree.LEAF
    for kind in (ag.Tensor, ag.Constant, type(inside[0][0][0]), float, str):
        with pytest.raises(TypeError, match="are leaves; got"):
            pytree.register(kind, lambda x: ((), x), lambda x, _: x)


def test_a_dataclass_that_is_an_array_is_a_leaf():
    @dataclass
    class Quantity:
        magnitude: Any

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.magnitude, dtype)

    @dataclass
    class Standard:
        shape: tuple
        dtype: Any

        def __array_namespace__(self, api_version=None):
            return np

    class List(list):
        __array_namespace__ = Standard.__array_namespace__

    @dataclass
    class OfLibrary:
        shape: tuple
        dtype: Any

    OfLibrary.__module__ = "cupy.somewhere"  # of a library that we know
    things = Quantity(1.0), Standard((2,), float), List([1.0]), OfLibrary((), float)
    for thing in things:
        assert pytree.flatten(thing) == ([thing], pytree.LEAF)


def test_a_structured_matrix_with_shape_and_dtype_is_a_container():
    @dataclass
    class Diagonal:
        diagonal: Any

        @property
        def shape(self):
            return (len(self.diagonal),) * 2

        @property
        def dtype(self):
            return self.diagonal.dtype

    x = np.ones(2)
    assert pytree.flatten(Diagonal(x))[0] == [x]
    result = ag.grad(lambda d: ag.ops.sum(d.diagonal**2))(Diagonal(np.ones(2)))
    assert type(result) is Diagonal


def test_results_of_libraries_that_are_named_tuples_are_containers():
    leaves, structure = pytree.flatten(np.linalg.slogdet(np.eye(2)))
    assert leaves == [1.0, 0.0]
    assert list(pytree.paths(structure)) == [".sign", ".logabsdet"]


# ------------------------------------------------------- the user's own nodes


def own_type(name="Own"):
    return type(
        name,
        (),
        {"__init__": lambda self, *children: vars(self).update(children=children)},
    )


def children_of(own):
    return own.children, None


def test_a_registered_type_is_a_container_from_then_on():
    own = own_type()
    tree = own(1.0, [2.0])
    assert pytree.flatten(tree)[0] == [tree]
    pytree.register(own, children_of, lambda _, children: own(*children))
    leaves, structure = pytree.flatten({"o": tree})
    assert leaves == [1.0, 2.0]
    assert str(structure) == "dict('o': Own(0: *, 1: list(0: *)))"
    assert list(pytree.paths(structure)) == ["['o'][0]", "['o'][1][0]"]
    result = pytree.map(lambda x: -x, tree)
    assert type(result) is own
    assert result.children == (-1.0, [-2.0])


def test_registering_holds_for_the_type_only():
    own = own_type()
    pytree.register(own, children_of, lambda _, children: own(*children))
    derived = type("Derived", (own,), {})
    thing = derived(1.0)
    assert pytree.flatten(thing)[0] == [thing]


def test_registering_comes_before_what_is_known():
    @dataclass
    class Wrapped:
        value: Any
        note: str

    Named = namedtuple("Named", "a b")
    kept = Wrapped(1.0, "n"), Named(1.0, "n")
    assert len(pytree.flatten(kept)[0]) == 4
    pytree.register(
        Wrapped, lambda w: ((w.value,), w.note), lambda note, c: Wrapped(*c, note)
    )
    pytree.register(Named, lambda n: ([n.a], n.b), lambda b, c: Named(*c, b))
    assert pytree.flatten(kept)[0] == [1.0, 1.0]
    assert pytree.map(lambda x: x + 1, kept) == (Wrapped(2.0, "n"), Named(2.0, "n"))


def test_names_for_the_children():
    own = own_type()
    pytree.register(
        own,
        lambda x: (x.children, None, [f"part {k}" for k in range(len(x.children))]),
        lambda _, children: own(*children),
    )
    structure = pytree.flatten(own(1.0, 2.0))[1]
    assert list(pytree.paths(structure)) == ["['part 0']", "['part 1']"]


@pytest.mark.parametrize("taken", [tuple, dict, OrderedDict, type(None), Matrix])
def test_a_type_is_registered_once(taken):
    with pytest.raises(
        ValueError,
        match=r"^pytree\.register: a type is registered once, as pytrees of it may be "
        rf"in use; got {taken.__name__}\. Register a type of your own.*{here(+2)}",
    ):
        pytree.register(taken, children_of, lambda *_: None)
    assert pytree.map(abs, Matrix([-1.0], "k")) == Matrix([1.0], "k")


@pytest.mark.parametrize(
    "wrong",
    [(3, children_of, list), (own_type(), None, list), (own_type(), children_of, 1.0)],
)
def test_registering_something_else(wrong):
    with pytest.raises(
        TypeError,
        match=r"^pytree\.register: takes a type and two functions; got .*, .*\. Write "
        rf"pytree\.register\(Layer, flatten, unflatten\)\. \(at {here(+2)}",
    ):
        pytree.register(*wrong)


def test_a_registered_function_that_returns_no_pair():
    own = own_type()
    pytree.register(own, lambda x: x.children, lambda _, children: own(*children))
    with pytest.raises(
        TypeError, match=r"^pytree: Own: its registered flatten returns a pair.*; got t"
    ):
        pytree.flatten(own(1.0))


def test_threads_register_one_after_the_other():
    types = [own_type(f"Own{k}") for k in range(20)]

    def attempt(k):
        own = types[k % len(types)]
        tree = own(1.0)
        pytree.flatten([tree])
        try:
            pytree.register(own, children_of, lambda _, children: own(*children))
        except ValueError:
            return False
        return pytree.flatten([tree])[0] == [1.0]

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(attempt, range(8 * len(types))))
    assert sum(done) == len(types)
    assert all(pytree.flatten(own(2.0))[0] == [2.0] for own in types)


# ------------------------------------------------------- optree


def test_what_optree_knows_is_known_here():
    optree = pytest.importorskip("optree")
    own, other, unknown = own_type("Own"), own_type("Other"), own_type("Unknown")
    optree.register_pytree_node(
        own,
        lambda x: (x.children, "data", ["a", "b"]),
        lambda data, children: own(*children, data),
        namespace="autograd-core tests",
    )
    optree.register_pytree_node(
        other,
        children_of,
        lambda _, children: other(*children),
        namespace="autograd-core tests",
    )
    found = pytree.register_from_optree("autograd-core tests")
    assert {own, other} <= set(found)
    assert not {tuple, dict, defaultdict, deque} & set(found)
    assert pytree.register_from_optree("autograd-core tests") == []
    tree = {"x": own(1.0, other(2.0)), "y": [None, unknown(3.0)]}
    leaves, structure = pytree.flatten(tree)
    theirs, spec = optree.tree_flatten(tree, namespace="autograd-core tests")
    assert leaves == theirs
    assert list(pytree.paths(structure))[:2] == ["['x']['a']", "['x']['b'][0]"]
    one, two = pytree.unflatten(structure, leaves), optree.tree_unflatten(spec, leaves)
    assert one["x"].children[2] == two["x"].children[2] == "data"
    assert type(one["x"].children[1]) is other


def test_optree_dataclasses_keep_what_is_no_child():
    optree = pytest.importorskip("optree")

    @optree.dataclasses.dataclass(namespace="autograd-core dataclasses")
    class Theirs:
        weight: Any
        name: Any = optree.dataclasses.field(default="n", pytree_node=False)

    pytree.register_from_optree("autograd-core dataclasses")
    assert [f.name for f in fields(Theirs)] == ["weight", "name"]
    assert pytree.flatten(Theirs(1.0))[0] == [1.0]
    assert pytree.map(abs, Theirs(-1.0, "m")) == Theirs(1.0, "m")
