"""Optimisers against updates worked out by hand and independent formulas."""

import math
from itertools import pairwise

import numpy
import pytest

import autograd_core as ag
from autograd_core import pytree
from autograd_train import optimizers, schedules
from autograd_train.data import to_numpy

xp = ag.ops

GRADIENTS = [2.0, -1.0, 0.5, 4.0]
ALL = [
    optimizers.sgd(0.1),
    optimizers.sgd(0.1, momentum=0.9),
    optimizers.adam(0.1),
    optimizers.adamw(0.1),
]


def run(optimizer, gradients, start=1.0):
    p = xp.asarray(numpy.asarray(start))
    state = optimizer.init(p)
    path = []
    for g in gradients:
        p, state = optimizer.update(xp.asarray(numpy.asarray(g)), state, p)
        path.append(float(p))
    return path


def test_gradient_descent_by_hand(backend):
    assert run(optimizers.sgd(0.1), [2.0, -1.0]) == pytest.approx([0.8, 0.9])


def test_momentum_by_hand(backend):
    # v = 2, then 0.5 * 2 - 1 = 0, then 0 + 0.5
    path = run(optimizers.sgd(0.1, momentum=0.5), GRADIENTS[:3])
    assert path == pytest.approx([0.8, 0.8, 0.75])


def test_nesterov_by_hand():
    # v = 2 and 0; steps of 2 + 1 and -1 + 0
    path = run(optimizers.sgd(0.1, momentum=0.5, nesterov=True), GRADIENTS[:2])
    assert path == pytest.approx([0.7, 0.8])


def test_the_first_step_of_adam_is_the_learning_rate(backend):
    assert run(optimizers.adam(0.1), [1e-3]) == pytest.approx([0.9], abs=2e-6)


def adam_from_sums(gradients, rate, b, c, epsilon, decay):
    """Adam with its moments as explicit weighted sums over all steps so far."""
    p, path = 1.0, []
    for n in range(1, len(gradients) + 1):
        weights = [(b ** (n - i), c ** (n - i)) for i in range(1, n + 1)]
        seen = gradients[:n]
        m = math.fsum(w * g for (w, _), g in zip(weights, seen, strict=True))
        s = math.fsum(w * g * g for (_, w), g in zip(weights, seen, strict=True))
        m /= math.fsum(w for w, _ in weights)
        s /= math.fsum(w for _, w in weights)
        p -= rate * (m / (math.sqrt(s) + epsilon) + decay * p)
        path.append(p)
    return path


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_is_its_formula(backend, decay):
    settings = {"moment_decay": (0.8, 0.95), "epsilon": 1e-4}
    optimizer = optimizers.adam(0.1, **settings)
    if decay:
        optimizer = optimizers.adamw(0.1, weight_decay=decay, **settings)
    expected = adam_from_sums(GRADIENTS, 0.1, 0.8, 0.95, 1e-4, decay)
    assert run(optimizer, GRADIENTS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_as_pytorch_does(name):
    torch = pytest.importorskip("torch")
    ours, theirs = {
        "SGD": (
            optimizers.sgd(0.1, momentum=0.9, nesterov=True),
            {"momentum": 0.9, "nesterov": True},
        ),
        "Adam": (optimizers.adam(0.1), {}),
        "AdamW": (optimizers.adamw(0.1, weight_decay=0.2), {"weight_decay": 0.2}),
    }[name]
    parameter = torch.tensor(1.0, dtype=torch.float64)
    reference = getattr(torch.optim, name)([parameter], lr=0.1, **theirs)
    expected = []
    for g in GRADIENTS:
        parameter.grad = torch.tensor(g, dtype=torch.float64)
        reference.step()
        expected.append(float(parameter))
    assert run(ours, GRADIENTS) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("optimizer", ALL)
def test_structure_and_dtype_are_kept_and_nothing_is_changed(backend, optimizer):
    def tree(value):
        row = numpy.full(3, value, dtype="float32")
        return {"a": [xp.asarray(row)], "b": (xp.asarray(row), None)}

    parameters, gradients = tree(1.0), tree(0.5)
    state = optimizer.init(parameters)
    once, after = optimizer.update(gradients, state, parameters)
    again, _ = optimizer.update(gradients, state, parameters)
    assert after.step == 1
    assert state.step == 0
    assert pytree.flatten(once)[1] == pytree.flatten(parameters)[1]
    for first, second, start in zip(
        *(pytree.flatten(t)[0] for t in (once, again, parameters)), strict=True
    ):
        assert to_numpy(first).dtype == numpy.float32
        assert numpy.array_equal(to_numpy(first), to_numpy(second))
        assert numpy.array_equal(to_numpy(start), numpy.ones(3))


def test_the_learning_rate_follows_a_schedule():
    path = run(optimizers.sgd(lambda step: 0.1 * (step + 1)), [1.0, 1.0, 1.0])
    assert path == pytest.approx([0.9, 0.7, 0.4])


def test_the_learning_rate_comes_from_a_generator():
    path = run(optimizers.sgd(rate for rate in (0.1, 0.2)), [1.0, 1.0])
    assert path == pytest.approx([0.9, 0.7])


def test_a_generator_that_ends_is_reported():
    with pytest.raises(
        ValueError,
        match=r"learning_rate: the iterable must give a rate for every step; it ended "
        r"after 1, at step 1\. Give",
    ):
        run(optimizers.sgd([0.1]), [1.0, 1.0])


def test_what_a_generator_gave_is_remembered():
    rate = schedules.as_schedule(iter([3.0, 2.0, 1.0]))
    assert [rate(2), rate(0), rate(1)] == [1.0, 3.0, 2.0]


def test_exponential_goes_from_first_to_last_by_equal_factors():
    rates = [schedules.exponential(1.0, 1e-4, 8)(step) for step in range(10)]
    ratios = [b / a for a, b in pairwise(rates[:9])]
    assert ratios == pytest.approx([10**-0.5] * 8)
    assert rates[8] == pytest.approx(1e-4)
    assert rates[9] == rates[8]


def test_cosine_falls_from_first_to_last():
    rate = schedules.cosine(2.0, 10, final=1.0)
    assert [rate(0), rate(5), rate(10), rate(99)] == pytest.approx([2, 1.5, 1, 1])


def test_warmup_rises_to_the_rate_and_follows_it():
    rate = schedules.warmup(2, schedules.constant(0.4))
    assert [rate(0), rate(1), rate(7)] == pytest.approx([0.2, 0.4, 0.4])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: optimizers.sgd(0.1, momentum=1.0),
            r"sgd: momentum must be at least 0 and below 1; got 1\.0\. Try 0\.9\.",
        ),
        (
            lambda: optimizers.adam(0.1, moment_decay=(0.9, 1.5)),
            r"adam: moment_decay\[1\] must be at least 0 and below 1; got 1\.5\.",
        ),
        (
            lambda: optimizers.adamw(0.1, weight_decay=-1.0),
            r"adamw: weight_decay must be at least 0; got -1\.0\.",
        ),
        (
            lambda: optimizers.sgd(-0.1),
            r"constant: a learning rate must be positive and finite; got -0\.1\.",
        ),
        (
            lambda: schedules.exponential(0.1, 0.0, 5),
            r"exponential: a learning rate must be positive and finite; got 0\.0\.",
        ),
        (
            lambda: schedules.cosine(0.1, 0),
            r"cosine: steps must be at least 1; got 0\. Give the number",
        ),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
