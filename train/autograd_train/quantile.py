"""Quantile regression: the model, its training, and its coefficients.

The model maps features to one column for each quantile, with an affine map or a
multi-layer perceptron, and is trained on the mean pinball loss. Features and target
are standardised inside, and everything that comes out is in the original units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
from numpy.typing import NDArray

import autograd_core as ag
from autograd_core import pytree
from autograd_train import layers, losses, optimizers, schedules
from autograd_train.data import Scaling, batches, to_numpy
from autograd_train.errors import InputError
from autograd_train.loop import fit
from autograd_train.types import Array, Tree

xp = ag.ops

OPTIMIZERS = ("sgd", "adam", "adamw")
"""The names of the optimisers that `Settings` accepts."""

LEARNING_RATE_FALL = 1e-4
"""The last step's learning rate over the first's."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes
    ----------
    hidden : tuple of int
        Widths of the hidden layers; none for a linear model.
    optimizer : {"adam", "adamw", "sgd"}
    learning_rate : float, optional
        Of the first step; it falls exponentially to 1/10,000 of this. If None, 0.05
        for Adam and 0.5 for SGD, and a fifth of that with hidden layers.
    momentum : float
        For SGD.
    weight_decay : float
        For AdamW.
    batch_size : int
        Rows of a mini-batch.
    steps : int
        Mini-batches to train on.
    dtype : {"float64", "float32"}
        Of the parameters and of the computation.
    """

    hidden: tuple[int, ...] = ()
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float = 0.01
    batch_size: int = 256
    steps: int = 3000
    dtype: str = "float64"

    def build_optimizer(self) -> optimizers.Optimizer:
        """Return the optimiser with its learning-rate schedule.

        Raises
        ------
        ValueError
            If the optimiser's name is unknown or one of its numbers out of range.
        """
        initial = self.learning_rate
        if initial is None:
            initial = 0.5 if self.optimizer == "sgd" else 0.05
            initial = initial / 5 if self.hidden else initial
        final = initial * LEARNING_RATE_FALL
        rate = schedules.exponential(initial, final, self.steps)
        if self.optimizer == "sgd":
            return optimizers.sgd(rate, momentum=self.momentum)
        if self.optimizer == "adam":
            return optimizers.adam(rate)
        if self.optimizer == "adamw":
            return optimizers.adamw(rate, weight_decay=self.weight_decay)
        raise ValueError(
            f"Settings: optimizer must be one of {', '.join(OPTIMIZERS)}; got "
            f"{self.optimizer!r}. Choose one of these."
        )


@dataclass(frozen=True, eq=False)
class QuantileModel:
    """A trained model, with all that is needed to predict again.

    Attributes
    ----------
    features : tuple of str
        The names of the feature columns.
    target : str
        The name of the target column.
    quantiles : tuple of float
    hidden : tuple of int
        Widths of the hidden layers; none for a linear model.
    feature_scaling, target_scaling : Scaling
    parameters : list of dict of ndarray
        Of `autograd_train.layers.mlp`, as NumPy arrays.
    """

    features: tuple[str, ...]
    target: str
    quantiles: tuple[float, ...]
    hidden: tuple[int, ...]
    feature_scaling: Scaling
    target_scaling: Scaling
    parameters: Tree

    @property
    def layer(self) -> layers.Layer:
        """The function from scaled features to scaled quantiles."""
        return layers.mlp(len(self.features), self.hidden, len(self.quantiles))

    @property
    def dtype(self) -> str:
        """The name of the dtype of the parameters."""
        return str(self.parameters[0]["weight"].dtype)

    def predict(self, features: NDArray[Any]) -> NDArray[numpy.float64]:
        """Return the quantiles of the target, computed on the active backend.

        Parameters
        ----------
        features : ndarray, shape (rows, number of features)
            In the original units, in the order of `QuantileModel.features`.

        Returns
        -------
        ndarray of float64, shape (rows, number of quantiles)

        Raises
        ------
        ValueError
            If the number of columns is not the number of features.
        """
        if features.ndim != 2 or features.shape[1] != len(self.features):
            raise ValueError(
                f"predict: features must have shape (rows, {len(self.features)}); got "
                f"{features.shape}. Give the columns {', '.join(self.features)}."
            )
        x = self.feature_scaling.apply(features).astype(self.dtype)
        parameters = pytree.map(xp.asarray, self.parameters)
        y = to_numpy(self.layer.apply(parameters, xp.asarray(x)))
        scale, shift = unit_of(self.target_scaling)
        return numpy.asarray(shift + scale * y, dtype=numpy.float64)

    def coefficients(self) -> NDArray[numpy.float64]:
        """Return intercept and slopes of a linear model, in the original units.

        Returns
        -------
        ndarray of float64, shape (number of quantiles, 1 + number of features)

        Raises
        ------
        ValueError
            If the model has hidden layers.
        """
        if self.hidden:
            raise ValueError(
                "coefficients: the model must be linear; got hidden layers of widths "
                f"{', '.join(map(str, self.hidden))}. Use predict."
            )
        (affine,) = self.parameters
        scaled = numpy.column_stack([affine["bias"], affine["weight"].T])
        return in_original_units(scaled, self.feature_scaling, self.target_scaling)


def unit_of(scaling: Scaling) -> tuple[float, float]:
    """Return scale and shift of one column, where a constant has scale 1."""
    scale, shift = scaling.scale[0], scaling.mean[0]
    return (scale if numpy.isfinite(scale) else 1.0), shift


def in_original_units(
    coefficients: NDArray[Any], feature_scaling: Scaling, target_scaling: Scaling
) -> NDArray[numpy.float64]:
    """Return the coefficients of a linear model of the unscaled columns.

    ``slope = scale_y * slope / scale_x`` and ``intercept = mean_y + scale_y *
    intercept - sum(slope * mean_x)``.

    Parameters
    ----------
    coefficients : ndarray, shape (rows, 1 + number of features)
        Intercept and slopes in scaled units.
    feature_scaling, target_scaling : Scaling

    Examples
    --------
    >>> import numpy
    >>> x, y = Scaling((10.0,), (2.0,)), Scaling((100.0,), (4.0,))
    >>> in_original_units(numpy.asarray([[1.0, 3.0]]), x, y)
    array([[44.,  6.]])
    """
    scale, shift = unit_of(target_scaling)
    wide = numpy.asarray(coefficients, dtype=numpy.float64)
    slopes = scale * wide[:, 1:] / numpy.asarray(feature_scaling.scale)
    offset = slopes @ numpy.asarray(feature_scaling.mean)
    return numpy.column_stack([shift + scale * wide[:, 0] - offset, slopes])


def check_quantiles(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return the quantiles in rising order.

    Raises
    ------
    InputError
        If there are none, one is not strictly between 0 and 1, or two are equal.

    Examples
    --------
    >>> check_quantiles([0.9, 0.1])
    (0.1, 0.9)
    """
    for quantile in quantiles:
        if not 0.0 < quantile < 1.0:
            raise InputError(
                "quantiles: each must lie strictly between 0 and 1; got "
                f"{quantile:g}. Write 0.9 for the 90 % quantile."
            )
    if not quantiles or len(set(quantiles)) < len(quantiles):
        raise InputError(
            "quantiles: there must be at least one and no two alike; got "
            f"{', '.join(f'{quantile:g}' for quantile in quantiles) or 'none'}. "
            "Write for example 0.1,0.5,0.9."
        )
    return tuple(sorted(float(quantile) for quantile in quantiles))


def train_quantiles(
    features: NDArray[Any],
    target: NDArray[Any],
    quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
    settings: Settings | None = None,
    *,
    seed: int = 0,
    feature_names: Sequence[str] | None = None,
    target_name: str = "target",
    on_step: Callable[[int, float], object] | None = None,
) -> QuantileModel:
    """Train a quantile regression on the active backend.

    One seed gives the same initial parameters and the same mini-batches on every
    backend, and the same model, bit for bit, whenever it is repeated on one.

    Parameters
    ----------
    features : ndarray, shape (rows, number of features)
    target : ndarray, shape (rows,)
    quantiles : sequence of float, default: (0.05, 0.25, 0.5, 0.75, 0.95)
        Each strictly between 0 and 1.
    settings : Settings, optional
    seed : int, default: 0
    feature_names : sequence of str, optional
        By default ``x0``, ``x1``, ...
    target_name : str, default: "target"
    on_step : callable, optional
        Called as ``on_step(step, loss)`` after each step.

    Raises
    ------
    InputError
        If a quantile is out of range.
    ValueError
        If the shapes do not fit together, or a setting is out of range.
    FloatingPointError
        If the loss becomes infinite or nan.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.linspace(0.0, 1.0, 11)[:, None]
    >>> model = train_quantiles(x, 3.0 + 2.0 * x[:, 0], [0.5], Settings(steps=500))
    >>> numpy.round(model.coefficients(), 2)
    array([[3., 2.]])
    """
    settings = settings or Settings()
    levels = check_quantiles(quantiles)
    if features.ndim != 2 or target.shape != features.shape[:1]:
        raise ValueError(
            "train_quantiles: features must have shape (rows, columns) and target "
            f"(rows,); got {features.shape} and {target.shape}. Reshape them."
        )
    names = feature_names or [f"x{index}" for index in range(features.shape[1])]
    untrained = QuantileModel(
        features=tuple(names),
        target=target_name,
        quantiles=levels,
        hidden=settings.hidden,
        feature_scaling=Scaling.of(features),
        target_scaling=Scaling.of(target[:, None]),
        parameters=None,
    )
    x = untrained.feature_scaling.apply(features).astype(settings.dtype)
    y = untrained.target_scaling.apply(target[:, None])[:, 0].astype(settings.dtype)
    layer = untrained.layer
    columns = xp.asarray(numpy.asarray(levels, dtype=settings.dtype))

    def loss(parameters: Tree, x: Array, y: Array) -> Array:
        return losses.pinball(layer.apply(parameters, x), y, columns)

    random = numpy.random.default_rng(seed)
    result = fit(
        loss,
        layer.init(random, settings.dtype),
        settings.build_optimizer(),
        batches(
            (x, y),
            batch_size=settings.batch_size,
            steps=settings.steps,
            generator=random,
        ),
        on_step=on_step,
    )
    return replace(untrained, parameters=pytree.map(to_numpy, result.parameters))
