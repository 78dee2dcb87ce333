"""Quantile regression: Engel's coefficients, determinism, agreement of backends."""

import numpy
import pytest

import autograd_core as ag
from autograd_core import pytree
from autograd_train import losses, optimizers
from autograd_train.errors import InputError
from autograd_train.quantile import QuantileModel, Settings, train_quantiles
from autograd_train.reference import ENGEL_COEFFICIENTS, exact_coefficients, score
from autograd_train.tables import load_engel

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@pytest.fixture(scope="module")
def engel():
    values = load_engel().numbers(["income", "foodexp"])
    return values[:, :1], values[:, 1]


@pytest.fixture(scope="module")
def exact(engel):
    pytest.importorskip("scipy")
    return exact_coefficients(*engel, QUANTILES)


def same(first, second):
    leaves = zip(pytree.flatten(first)[0], pytree.flatten(second)[0], strict=True)
    return all(numpy.array_equal(a, b) for a, b in leaves)


def test_the_exact_solution_is_the_published_one(exact):
    published = numpy.asarray([ENGEL_COEFFICIENTS[q] for q in QUANTILES])
    numpy.testing.assert_allclose(exact, published, atol=6e-5)


def test_the_exact_solution_cannot_be_bettered_nearby(engel, exact):
    features, target = engel

    def loss(coefficients):
        predicted = coefficients[:, 0] + features @ coefficients[:, 1:].T
        return score(predicted, target, QUANTILES).loss

    best = loss(exact)
    for step in (1e-6, -1e-6):
        for direction in ([1.0, 0.0], [0.0, 1.0], [1.0, -1e-3], [1.0, 1e-3]):
            moved = loss(exact * (1.0 + step * numpy.asarray(direction)))
            assert (moved > best).all()


def test_engels_coefficients_are_the_published_ones(engel):
    model = train_quantiles(*engel, QUANTILES)
    published = numpy.asarray([ENGEL_COEFFICIENTS[q] for q in QUANTILES])
    numpy.testing.assert_allclose(model.coefficients(), published, rtol=2e-4)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(optimizer="sgd", steps=2000),
        Settings(dtype="float32", steps=2000),
        Settings(optimizer="adamw", weight_decay=1e-6, steps=2000),
    ],
    ids=["sgd", "float32", "adamw"],
)
def test_other_settings_agree_with_the_exact_solution(engel, exact, settings):
    model = train_quantiles(*engel, QUANTILES, settings)
    assert model.dtype == settings.dtype
    numpy.testing.assert_allclose(model.coefficients(), exact, rtol=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_is_computed_in_the_dtype_asked_for(engel, monkeypatch, dtype):
    seen = set()

    def watched(prediction, target, levels):
        seen.update(str(array.dtype) for array in (prediction, target, levels))
        return pinball(prediction, target, levels)

    pinball = losses.pinball
    monkeypatch.setattr(losses, "pinball", watched)
    train_quantiles(*engel, [0.5], Settings(dtype=dtype, steps=3))
    assert seen == {dtype}


def test_mini_batches_come_near(engel):
    settings = Settings(batch_size=64, steps=4000)
    model = train_quantiles(*engel, [0.5], settings)
    numpy.testing.assert_allclose(model.coefficients(), [[81.48, 0.5602]], rtol=0.02)


def test_as_many_rows_lie_below_as_the_quantile_says(engel):
    features, target = engel
    model = train_quantiles(features, target, QUANTILES, Settings(steps=2000))
    coverage = score(model.predict(features), target, QUANTILES).coverage
    numpy.testing.assert_allclose(coverage, QUANTILES, atol=0.01)


def test_hidden_layers_fit_better_than_a_line():
    x = numpy.linspace(-2.0, 2.0, 81)[:, None]
    y = numpy.sin(2.0 * x[:, 0])
    linear = train_quantiles(x, y, [0.5], Settings(steps=500))
    curved = train_quantiles(x, y, [0.5], Settings(hidden=(16, 16), steps=500))
    found = [score(m.predict(x), y, [0.5]).loss[0] for m in (linear, curved)]
    assert found[1] < 0.1 * found[0]


@pytest.mark.parametrize("hidden", [(), (8, 8)])
def test_a_seed_decides_everything(backend, engel, hidden):
    settings = Settings(hidden=hidden, batch_size=50, steps=30)
    first, again, other = (
        train_quantiles(*engel, QUANTILES, settings, seed=seed) for seed in (3, 3, 4)
    )
    assert same(first.parameters, again.parameters)
    assert not same(first.parameters, other.parameters)


@pytest.mark.parametrize("hidden", [(), (8, 8)])
def test_backends_agree_to_rounding(backend, engel, hidden):
    settings = Settings(hidden=hidden, batch_size=50, steps=100)
    here = train_quantiles(*engel, QUANTILES, settings)
    predicted = here.predict(engel[0])
    with ag.use_backend("numpy"):
        expected = train_quantiles(*engel, QUANTILES, settings)
        numpy.testing.assert_allclose(
            predicted, expected.predict(engel[0]), rtol=1e-9, atol=0
        )
        for a, b in zip(here.parameters, expected.parameters, strict=True):
            numpy.testing.assert_allclose(a["weight"], b["weight"], atol=1e-9)


def test_coefficients_predict_as_the_model_does(engel):
    features, target = engel
    model = train_quantiles(features, target, [0.5], Settings(steps=20))
    ((intercept, slope),) = model.coefficients()
    numpy.testing.assert_allclose(
        model.predict(features)[:, 0], intercept + slope * features[:, 0], rtol=1e-12
    )


def test_a_constant_feature_gets_coefficient_0(engel):
    features, target = engel
    both = numpy.column_stack([features, numpy.full(len(target), 0.1)])
    settings = Settings(steps=2000)
    model = train_quantiles(both, target, [0.5], settings)
    numpy.testing.assert_allclose(
        model.coefficients(), [[81.4822, 0.5602, 0.0]], rtol=1e-3
    )
    pytest.importorskip("scipy")
    numpy.testing.assert_allclose(
        exact_coefficients(both, target, [0.5]), [[81.4822, 0.5602, 0.0]], rtol=1e-4
    )


def test_a_constant_target_is_predicted():
    x = numpy.arange(10.0)[:, None]
    model = train_quantiles(x, numpy.full(10, 7.0), [0.1, 0.9], Settings(steps=1000))
    numpy.testing.assert_allclose(model.predict(x), 7.0, atol=1e-3)


def test_quantiles_are_put_in_order(engel):
    model = train_quantiles(*engel, [0.9, 0.1], Settings(steps=1))
    assert model.quantiles == (0.1, 0.9)


def test_names_default_to_numbers(engel):
    model = train_quantiles(*engel, [0.5], Settings(steps=1))
    assert (model.features, model.target) == (("x0",), "target")


@pytest.mark.parametrize(
    ("quantiles", "message"),
    [
        ([0.0], r"strictly between 0 and 1; got 0\. Write 0\.9"),
        ([1.0], r"strictly between 0 and 1; got 1\. Write"),
        ([90.0], r"strictly between 0 and 1; got 90\. Write"),
        ([float("nan")], r"strictly between 0 and 1; got nan\. Write"),
        ([], r"at least one and no two alike; got none\. Write"),
        ([0.5, 0.5], r"at least one and no two alike; got 0\.5, 0\.5\. Write"),
    ],
)
def test_wrong_quantiles_are_refused(engel, quantiles, message):
    with pytest.raises(InputError, match=r"quantiles: .*" + message):
        train_quantiles(*engel, quantiles)


def test_shapes_that_do_not_fit_are_refused(engel):
    features, target = engel
    with pytest.raises(ValueError, match=r"got \(235, 1\) and \(234,\)\. Reshape"):
        train_quantiles(features, target[1:])
    model = train_quantiles(features, target, [0.5], Settings(steps=1))
    with pytest.raises(
        ValueError, match=r"predict: features must have shape \(rows, 1\); got \(1, 2\)"
    ):
        model.predict(numpy.zeros((1, 2)))


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(
        ValueError, match=r"optimizer must be one of sgd, adam, adamw; got 'bfgs'\."
    ):
        Settings(optimizer="bfgs").build_optimizer()


def test_the_default_optimizer_is_adam():
    assert isinstance(Settings().build_optimizer().init(0.0), optimizers.AdamState)


def test_a_model_with_hidden_layers_has_no_coefficients(engel):
    model = train_quantiles(*engel, [0.5], Settings(hidden=(3, 2), steps=1))
    assert isinstance(model, QuantileModel)
    with pytest.raises(ValueError, match=r"must be linear; got .* widths 3, 2\. Use"):
        model.coefficients()
