"""One run of quantile regression on a table: checked, trained twice, compared."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy
from numpy.typing import NDArray

import autograd_core as ag
from autograd_train import reference, report
from autograd_train.data import split_rows
from autograd_train.errors import InputError
from autograd_train.quantile import QuantileModel, Settings, train_quantiles
from autograd_train.tables import Table, load_engel, read_table

EXACT_LIMIT = 1_000_000
"""The most cells of features for which the exact solution is computed."""

Follow = Callable[[str, int], Callable[[int, float], object]]
"""Start a progress bar of a title and length; what comes back moves it."""


@dataclass(frozen=True)
class Job:
    """All that a run of ``quantile`` needs, checked."""

    table: Table
    features: NDArray[Any]
    target: NDArray[Any]
    feature_names: tuple[str, ...]
    target_name: str
    quantiles: tuple[float, ...]
    settings: Settings
    epochs: int | None
    seed: int
    training_rows: NDArray[Any]
    held_rows: NDArray[Any]
    published: dict[float, tuple[float, float]]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.target)

    @property
    def all_rows(self) -> NDArray[Any]:
        """The numbers of all rows."""
        return numpy.arange(self.rows)

    def steps(self, rows: int) -> int:
        """Return how many steps the training on so many rows takes."""
        if self.epochs is None:
            return self.settings.steps
        return self.epochs * math.ceil(rows / self.settings.batch_size)

    def summary(self) -> str:
        """Return a line that says what will be done."""
        kind = "x".join(map(str, self.settings.hidden)) or "linear"
        lines = [
            f"{self.table.source}: {self.rows} rows, {self.target_name} on "
            f"{', '.join(self.feature_names)}; {kind} model, {ag.get_backend().name}, "
            f"{self.settings.dtype}, seed {self.seed}"
        ]
        for column, name in zip(self.features.T, self.feature_names, strict=True):
            if column.min() == column.max():
                lines.append(f"note: {name!r} is constant, and its coefficient is 0")
        return "\n".join(lines)

    def train(
        self, rows: NDArray[Any], on_step: Callable[[int, float], object]
    ) -> QuantileModel:
        """Train on some of the rows."""
        with numpy.errstate(over="ignore", invalid="ignore"):
            return train_quantiles(
                self.features[rows],
                self.target[rows],
                self.quantiles,
                replace(self.settings, steps=self.steps(len(rows))),
                seed=self.seed,
                feature_names=self.feature_names,
                target_name=self.target_name,
                on_step=on_step,
            )

    def evaluate(self, follow: Follow) -> reference.Score | None:
        """Train without the rows held back, and score the predictions for them."""
        if len(self.held_rows) == 0:
            return None
        bar = follow("training rows", self.steps(len(self.training_rows)))
        model = self.train(self.training_rows, bar)
        predicted = model.predict(self.features[self.held_rows])
        return reference.score(predicted, self.target[self.held_rows], self.quantiles)

    def exact(self) -> NDArray[Any] | None:
        """Return the exact coefficients, or None where they are out of reach."""
        if self.settings.hidden or self.features.size > EXACT_LIMIT:
            return None
        return reference.exact_coefficients(self.features, self.target, self.quantiles)

    def tables(
        self, model: QuantileModel, held_back: reference.Score | None
    ) -> Iterator[Any]:
        """Yield the tables of results."""
        if not model.hidden:
            exact = self.exact()
            yield report.coefficient_table(model, exact, self.published)
            if exact is not None:
                yield report.compare_losses(
                    self.loss(model.coefficients()), self.loss(exact)
                )
        if held_back is not None:
            yield report.score_table(model, held_back, len(self.held_rows))

    def loss(self, coefficients: NDArray[Any]) -> float:
        """Return the mean pinball loss of linear models on all rows."""
        predicted = coefficients[:, 0] + self.features @ coefficients[:, 1:].T
        scores = reference.score(predicted, self.target, self.quantiles)
        return float(scores.loss.mean())


def read_job(options: argparse.Namespace) -> Job:
    """Read the data and check every option against it."""
    if options.data is None:
        table, target = load_engel(), options.target or "foodexp"
    elif options.target is None:
        raise InputError(
            "--target: with --data the column to predict must be named; got none. "
            "Give --target COLUMN."
        )
    else:
        table, target = read_table(options.data), options.target
    y = table.numbers([target])[:, 0]
    names = options.features or [name for name in table.header if name != target]
    if not names or target in names or len(set(names)) < len(names):
        raise InputError(
            "--features: there must be at least one, all different, and not the "
            f"target {target!r}; got {', '.join(names) or 'none'}. Name other columns."
        )
    x = table.numbers(names)
    (stream,) = numpy.random.SeedSequence(options.seed).spawn(1)
    random = numpy.random.default_rng(stream)
    training, held = split_rows(len(y), options.holdout, random)
    published = options.data is None and (target, names) == ("foodexp", ["income"])
    settings = Settings(
        hidden=options.hidden,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        batch_size=options.batch_size,
        steps=options.steps,
        dtype=options.dtype,
    )
    return Job(
        table=table,
        features=x,
        target=y,
        feature_names=tuple(names),
        target_name=target,
        quantiles=options.quantiles,
        settings=settings,
        epochs=options.epochs,
        seed=options.seed,
        training_rows=training,
        held_rows=held,
        published=reference.ENGEL_COEFFICIENTS if published else {},
    )
