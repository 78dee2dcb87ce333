"""Losses against plain NumPy, and their gradients against differences."""

import numpy
import pytest

import autograd_core as ag
from autograd_core import pytree
from autograd_train import layers, losses
from autograd_train.data import to_numpy

xp = ag.ops

RANDOM = numpy.random.default_rng(0)
PREDICTION, TARGET = RANDOM.normal(size=(2, 7)) * 2
QUANTILES = (0.1, 0.5, 0.9)
COLUMNS = RANDOM.normal(size=(7, 3))


def huber_by_cases(r, delta):
    near, far = r**2 / 2, delta * (abs(r) - delta / 2)
    return numpy.where(abs(r) <= delta, near, far).mean()


def pinball_by_cases(prediction, target, quantiles):
    costs = [
        q * (y - p) if y >= p else (1 - q) * (p - y)
        for row, y in zip(prediction, target, strict=True)
        for p, q in zip(row, quantiles, strict=True)
    ]
    return sum(costs) / len(costs)


REFERENCES = {
    "mean_squared_error": lambda p, y: ((p - y) ** 2).mean(),
    "mean_absolute_error": lambda p, y: abs(p - y).mean(),
    "huber": lambda p, y: huber_by_cases(p - y, 1.0),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_loss_is_its_formula(backend, name):
    result = getattr(losses, name)(xp.asarray(PREDICTION), xp.asarray(TARGET))
    assert float(result) == pytest.approx(REFERENCES[name](PREDICTION, TARGET))


def test_huber_with_another_delta():
    expected = huber_by_cases(PREDICTION - TARGET, 0.3)
    assert float(losses.huber(PREDICTION, TARGET, 0.3)) == pytest.approx(expected)


def test_pinball_is_its_formula(backend):
    result = losses.pinball(xp.asarray(COLUMNS), xp.asarray(TARGET), QUANTILES)
    expected = pinball_by_cases(COLUMNS, TARGET, QUANTILES)
    assert float(result) == pytest.approx(expected)


def test_pinball_takes_quantiles_as_an_array():
    as_array = losses.pinball(COLUMNS, TARGET, numpy.asarray(QUANTILES))
    assert as_array == losses.pinball(COLUMNS, TARGET, QUANTILES)


def test_pinball_at_the_median_is_half_the_absolute_error():
    half = losses.pinball(COLUMNS[:, :1], TARGET, [0.5])
    whole = losses.mean_absolute_error(COLUMNS[:, 0], TARGET)
    assert float(half) == pytest.approx(float(whole) / 2)


def test_pinball_keeps_float32(backend):
    columns = xp.asarray(COLUMNS.astype("float32"))
    result = losses.pinball(columns, xp.asarray(TARGET.astype("float32")), QUANTILES)
    assert to_numpy(result).dtype == numpy.float32


@pytest.mark.parametrize("hidden", [(), (5, 4)])
def test_gradient_of_a_whole_loss_against_differences(backend, hidden):
    layer = layers.mlp(2, hidden, 3)
    x = RANDOM.normal(size=(7, 2))
    parameters = layer.init(numpy.random.default_rng(5))

    def loss(parameters, x, y):
        return losses.pinball(layer.apply(parameters, x), y, QUANTILES)

    arguments = (xp.asarray(x), xp.asarray(TARGET))
    value, gradients = ag.value_and_grad(loss)(parameters, *arguments)
    assert float(value) == pytest.approx(float(loss(parameters, *arguments)))

    flat, structure = pytree.flatten(pytree.map(to_numpy, parameters))
    slopes, _ = pytree.flatten(pytree.map(to_numpy, gradients))
    for index, slope in enumerate(slopes):
        assert slope.shape == flat[index].shape
        for place in numpy.ndindex(slope.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [leaf.copy() for leaf in flat]
                moved[index][place] += step
                tree = pytree.unflatten(structure, [xp.asarray(m) for m in moved])
                ends.append(float(loss(tree, *arguments)))
            difference = (ends[0] - ends[1]) / 2e-6
            assert slope[place] == pytest.approx(difference, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", REFERENCES)
def test_a_column_against_a_row_is_refused(name):
    column, row = numpy.zeros((4, 1)), numpy.zeros(4)
    with pytest.raises(
        ValueError,
        match=rf"{name}: the prediction must have shape \(4,\), as the target says; "
        r"got \(4, 1\)\. Reshape",
    ):
        getattr(losses, name)(column, row)


def test_pinball_needs_a_column_for_each_quantile():
    with pytest.raises(
        ValueError,
        match=r"pinball: the prediction must have shape \(7, 2\), .*got \(7, 3\)",
    ):
        losses.pinball(COLUMNS, TARGET, [0.1, 0.9])


def test_huber_needs_a_positive_delta():
    with pytest.raises(ValueError, match=r"huber: delta must be positive; got 0\. "):
        losses.huber(PREDICTION, TARGET, 0)
