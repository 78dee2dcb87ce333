"""Layers against plain NumPy."""

import numpy
import pytest

import autograd_core as ag
from autograd_train import layers
from autograd_train.data import to_numpy

xp = ag.ops


def test_dense_is_an_affine_map(backend):
    layer = layers.dense(3, 2)
    parameters = layer.init(numpy.random.default_rng(1))
    x = numpy.random.default_rng(2).normal(size=(5, 3))
    expected = x @ to_numpy(parameters["weight"]) + to_numpy(parameters["bias"])
    result = to_numpy(layer.apply(parameters, xp.asarray(x)))
    numpy.testing.assert_allclose(result, expected, rtol=1e-14)


def test_weights_are_spread_as_glorot_and_bengio_say():
    parameters = layers.dense(200, 100).init(numpy.random.default_rng(0))
    limit = (6.0 / 300) ** 0.5
    assert numpy.abs(parameters["weight"]).max() <= limit
    assert numpy.var(parameters["weight"]) == pytest.approx(limit**2 / 3, rel=0.03)
    assert not parameters["bias"].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parameters_have_the_dtype_asked_for(backend, dtype):
    for affine in layers.mlp(2, [4], 1).init(numpy.random.default_rng(0), dtype):
        assert to_numpy(affine["weight"]).dtype == dtype
        assert to_numpy(affine["bias"]).dtype == dtype


def test_one_seed_gives_the_same_parameters_on_every_backend(backend):
    drawn = layers.dense(4, 3).init(numpy.random.default_rng(7))["weight"]
    with ag.use_backend("numpy"):
        expected = layers.dense(4, 3).init(numpy.random.default_rng(7))["weight"]
    assert numpy.array_equal(to_numpy(drawn), expected)


def test_mlp_is_dense_layers_with_the_activation_between():
    network = layers.mlp(2, (5, 4), 3, activation=xp.sin)
    parameters = network.init(numpy.random.default_rng(3))
    x = numpy.random.default_rng(4).normal(size=(6, 2))
    expected = x
    for index, affine in enumerate(parameters):
        expected = expected @ affine["weight"] + affine["bias"]
        expected = expected if index == 2 else numpy.sin(expected)
    numpy.testing.assert_allclose(network.apply(parameters, x), expected, rtol=1e-13)


def test_mlp_without_hidden_layers_is_affine():
    (affine,) = layers.mlp(3, (), 2).init(numpy.random.default_rng(0))
    assert affine["weight"].shape == (3, 2)


def test_serial_nests():
    inner = layers.serial(layers.dense(2, 2), xp.tanh)
    network = layers.serial(inner, layers.dense(2, 1))
    parameters = network.init(numpy.random.default_rng(0))
    assert [type(stage) for stage in parameters] == [list, dict]
    assert network.apply(parameters, xp.ones((3, 2))).shape == (3, 1)


def test_a_layer_needs_at_least_one_column():
    with pytest.raises(
        ValueError,
        match=r"dense: inputs and outputs must be at least 1; got 0 and 2\. Give",
    ):
        layers.dense(0, 2)


def test_the_columns_of_the_input_are_checked():
    layer = layers.dense(3, 2)
    parameters = layer.init(numpy.random.default_rng(0))
    with pytest.raises(
        ValueError, match=r"dense: x must have 3 columns; got shape \(5, 4\)\. Give"
    ):
        layer.apply(parameters, xp.ones((5, 4)))
