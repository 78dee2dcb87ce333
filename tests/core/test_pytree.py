"""Pytrees: what is a container, what is a leaf, and that nothing is lost."""

from collections import OrderedDict, namedtuple
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_core import pytree

Pair = namedtuple("Pair", "first second")


class Typed(NamedTuple):
    weight: float
    bias: object = None


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
]


@pytest.mark.parametrize("tree", TREES, ids=str)
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
