"""The loop, and the batches that it goes through."""

import numpy
import pytest

import autograd_core as ag
from autograd_train import data, loop, losses, optimizers
from autograd_train.data import to_numpy
from autograd_train.errors import InputError

xp = ag.ops


def line(parameters, x, y):
    prediction = x * parameters["slope"] + parameters["offset"]
    return losses.mean_squared_error(prediction, y)


def start():
    return {name: xp.asarray(numpy.asarray(0.0)) for name in ("slope", "offset")}


def rows(seed=0, count=50):
    x = numpy.random.default_rng(seed).normal(size=count)
    return x, 3.0 * x - 1.0


def shuffled(arrays, batch_size, steps, seed=0):
    return data.batches(
        arrays,
        batch_size=batch_size,
        steps=steps,
        generator=numpy.random.default_rng(seed),
    )


def test_a_line_is_found(backend):
    batches = shuffled(rows(), 10, 300)
    result = loop.fit(line, start(), optimizers.sgd(0.1, momentum=0.5), batches)
    assert float(result.parameters["slope"]) == pytest.approx(3.0, abs=1e-9)
    assert float(result.parameters["offset"]) == pytest.approx(-1.0, abs=1e-9)
    assert len(result.losses) == 300
    assert result.losses[-1] < 1e-15 < result.losses[0]


def test_each_step_is_seen_in_order():
    seen = []
    result = loop.fit(
        line,
        start(),
        optimizers.sgd(0.1),
        shuffled(rows(), 10, 7),
        on_step=lambda step, loss: seen.append((step, loss)),
    )
    assert seen == list(enumerate(result.losses))


@pytest.mark.parametrize("optimizer", [optimizers.adam(0.1), optimizers.sgd(0.1)])
def test_training_can_stop_and_go_on(optimizer):
    batches = list(shuffled(rows(), 10, 12))
    whole = loop.fit(line, start(), optimizer, batches)
    half = loop.fit(line, start(), optimizer, batches[:5])
    rest = loop.fit(line, half.parameters, optimizer, batches[5:], state=half.state)
    assert rest.parameters == whole.parameters
    assert half.losses + rest.losses == whole.losses


def test_a_loss_that_is_not_finite_is_reported():
    x = numpy.asarray([1.0, numpy.nan])
    with pytest.raises(
        FloatingPointError,
        match=r"fit: the loss must stay finite; got nan at step 1\. Lower the learning",
    ):
        loop.fit(line, start(), optimizers.sgd(0.1), [(x[:1], x[:1]), (x, x)])


def test_each_pass_uses_every_row_once():
    x = numpy.arange(10.0)
    passes = [to_numpy(batch) for (batch,) in shuffled((x,), 4, 6)]
    assert [len(batch) for batch in passes] == [4, 4, 2, 4, 4, 2]
    first, second = numpy.concatenate(passes[:3]), numpy.concatenate(passes[3:])
    assert sorted(first) == sorted(second) == list(x)
    assert list(first) != list(second)


def test_rows_of_all_arrays_stay_together():
    x = numpy.arange(9.0)
    for a, b in shuffled((x, x[:, None] * 2), 2, 9):
        assert numpy.array_equal(b[:, 0], 2 * a)


def test_one_batch_of_all_rows_is_not_shuffled():
    x = numpy.arange(5.0)
    for (batch,) in shuffled((x,), 100, 3):
        assert numpy.array_equal(batch, x)


def test_one_seed_gives_the_same_batches_on_every_backend(backend):
    x = numpy.arange(20.0)
    here = [to_numpy(batch) for (batch,) in shuffled((x,), 6, 8)]
    with ag.use_backend("numpy"):
        expected = [batch for (batch,) in shuffled((x,), 6, 8)]
    assert all(map(numpy.array_equal, here, expected))


def test_batches_keep_float32(backend):
    ((batch,),) = shuffled((numpy.zeros(4, dtype="float32"),), 4, 1)
    assert to_numpy(batch).dtype == numpy.float32


@pytest.mark.parametrize(
    ("arrays", "batch_size", "message"),
    [
        ((numpy.zeros(3), numpy.zeros(4)), 2, r"one number of rows.*got \[3, 4\]"),
        ((numpy.zeros(0),), 2, r"at least 1; got \[0\]"),
        ((numpy.zeros(3),), 0, r"batch_size must be at least 1; got 0"),
    ],
)
def test_batches_that_cannot_be_are_refused(arrays, batch_size, message):
    with pytest.raises(ValueError, match=r"batches: .*" + message):
        shuffled(arrays, batch_size, 1)


@pytest.mark.parametrize(("holdout", "held"), [(0.0, 0), (0.2, 4), (0.001, 1)])
def test_rows_are_held_back_once_each(holdout, held):
    random = numpy.random.default_rng(0)
    training, held_back = data.split_rows(20, holdout, random)
    assert len(held_back) == held
    assert sorted([*training, *held_back]) == list(range(20))


def test_one_row_cannot_be_split():
    with pytest.raises(InputError, match=r"holdout: .*got 1 rows, of which 0\.2 are"):
        data.split_rows(1, 0.2, numpy.random.default_rng(0))


def test_scaled_columns_have_mean_0_and_deviation_1():
    values = numpy.random.default_rng(0).normal(5.0, 3.0, size=(40, 2))
    scaled = data.Scaling.of(values).apply(values)
    numpy.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-14)
    numpy.testing.assert_allclose(scaled.std(axis=0), 1.0, rtol=1e-14)


def test_a_constant_column_is_scaled_to_0_whatever_its_value():
    scaling = data.Scaling.of(numpy.full((3, 1), 0.1))
    assert scaling.scale == (numpy.inf,)
    assert not scaling.apply(numpy.asarray([[0.1], [1e9]])).any()


def test_values_whose_spread_overflows_are_refused():
    with pytest.raises(InputError, match=r"scaling: .*finite; got values up to 1e\+30"):
        data.Scaling.of(numpy.asarray([[1e308], [-1e308]]))
