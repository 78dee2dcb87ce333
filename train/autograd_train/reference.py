"""What a fitted quantile regression is compared with.

Exact coefficients from linear programming, published coefficients of Engel's data,
and the two numbers by which any quantile model is judged on rows it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from autograd_train.data import Scaling
from autograd_train.errors import require
from autograd_train.quantile import in_original_units

ENGEL_COEFFICIENTS = {
    0.05: (124.8801, 0.3434),
    0.25: (95.4835, 0.4741),
    0.5: (81.4822, 0.5602),
    0.75: (62.3966, 0.6440),
    0.95: (64.1040, 0.7091),
}
"""Published intercept and slope of ``foodexp`` on ``income``, by quantile.

The median from Koenker and Bassett's model (Econometrica 50, 1982) as fitted in the
documentation of R's quantreg and of statsmodels; the others from the example
"Quantile regression" of the documentation of statsmodels (after Koenker and Hallock,
Journal of Economic Perspectives 15, 2001). All are rounded to four decimals.
"""


class Score(NamedTuple):
    """How well predicted quantiles fit observed values, for each quantile.

    Attributes
    ----------
    loss : ndarray, shape (number of quantiles,)
        Mean pinball loss, in the unit of the target.
    coverage : ndarray, shape (number of quantiles,)
        The part of the rows at or below the prediction; ideally the quantile itself.
    """

    loss: NDArray[numpy.float64]
    coverage: NDArray[numpy.float64]


def score(
    prediction: NDArray[Any], target: NDArray[Any], quantiles: Sequence[float]
) -> Score:
    """Return pinball loss and coverage of each quantile.

    Parameters
    ----------
    prediction : ndarray, shape (rows, number of quantiles)
    target : ndarray, shape (rows,)
    quantiles : sequence of float

    Examples
    --------
    >>> import numpy
    >>> score(numpy.full((4, 1), 2.5), numpy.asarray([1.0, 2.0, 3.0, 4.0]), [0.5])
    Score(loss=array([0.5]), coverage=array([0.5]))
    """
    levels, residual = numpy.asarray(quantiles), target[:, None] - prediction
    loss = numpy.maximum(levels * residual, (levels - 1.0) * residual)
    return Score(loss.mean(axis=0), (residual <= 0).mean(axis=0))


def exact_coefficients(
    features: NDArray[Any], target: NDArray[Any], quantiles: Sequence[float]
) -> NDArray[numpy.float64]:
    """Return the linear quantile regressions that minimise the pinball loss exactly.

    For each quantile ``q`` it solves the dual linear program ``max y @ a`` subject to
    ``X.T @ a = (1 - q) * X.T @ 1`` and ``0 <= a <= 1`` (Koenker, 2005, section 6.2)
    with HiGHS; the multipliers of the equations are the coefficients.

    Parameters
    ----------
    features : ndarray, shape (rows, number of features)
    target : ndarray, shape (rows,)
    quantiles : sequence of float

    Returns
    -------
    ndarray of float64, shape (number of quantiles, 1 + number of features)
        Intercept and slopes. Where the minimum is not unique, one of the minima.

    Raises
    ------
    MissingExtraError
        If SciPy is not installed.
    RuntimeError
        If the solver fails.

    Examples
    --------
    >>> import numpy
    >>> x = numpy.asarray([[0.0], [1.0], [2.0]])
    >>> exact_coefficients(x, 1.0 + 2.0 * x[:, 0], [0.5]).round(6)
    array([[1., 2.]])
    """
    linprog = require("scipy.optimize").linprog
    feature_scaling = Scaling.of(features)
    target_scaling = Scaling.of(target[:, None])
    x = feature_scaling.apply(features)
    y = target_scaling.apply(target[:, None])[:, 0]
    design = numpy.column_stack([numpy.ones(len(x)), x]).T
    solutions = []
    for quantile in quantiles:
        balance = (1.0 - quantile) * design.sum(axis=1)
        result = linprog(-y, A_eq=design, b_eq=balance, bounds=(0.0, 1.0))
        if not result.success:
            raise RuntimeError(
                f"exact_coefficients: HiGHS must find the solution for the quantile "
                f"{quantile:g}; got: {result.message} Check the features for columns "
                "that repeat one another."
            )
        solutions.append(-result.eqlin.marginals)
    return in_original_units(numpy.asarray(solutions), feature_scaling, target_scaling)
