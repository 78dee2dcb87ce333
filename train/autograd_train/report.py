"""What a person sees of a trained quantile regression: tables and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from autograd_train.errors import require
from autograd_train.quantile import QuantileModel
from autograd_train.reference import Score

CURVE_POINTS = 400


def coefficient_table(
    model: QuantileModel,
    exact: NDArray[Any] | None,
    published: Mapping[float, tuple[float, ...]],
) -> Any:
    """Return a table of fitted, published and exact coefficients.

    Parameters
    ----------
    model : QuantileModel
        Linear.
    exact : ndarray, shape (number of quantiles, 1 + number of features), optional
        From `autograd_train.reference.exact_coefficients`.
    published : mapping of quantile to intercept and slopes
        Empty if nothing is published for the data.
    """
    table = _table("Coefficients, fitted on all rows")
    table.add_column("quantile")
    table.add_column("coefficient", justify="left")
    table.add_column("fitted")
    if published:
        table.add_column("published")
    if exact is not None:
        table.add_column("exact (LP)")
        table.add_column("off by")
    names = ("intercept", *model.features)
    for row, quantile in enumerate(model.quantiles):
        for column, name in enumerate(names):
            fitted = model.coefficients()[row, column]
            cells = [f"{quantile:g}", _plain(name), f"{fitted + 0.0:.6g}"]
            if published:
                known = published.get(quantile)
                cells.append(f"{known[column]:.6g}" if known else "-")
            if exact is not None:
                value = exact[row, column]
                cells += [f"{value:.6g}", _off_by(fitted, value)]
            table.add_row(*cells, end_section=column == len(names) - 1)
    return table


def compare_losses(fitted: float, exact: float) -> str:
    r"""Return a sentence on how near the loss is to the least one there is.

    Examples
    --------
    >>> compare_losses(2.002, 2.0)
    'mean pinball loss on all rows: fitted 2.002, exact 2, off by 0.1000 %\n'
    """
    off_by = _off_by(fitted, exact)
    return (
        f"mean pinball loss on all rows: fitted {fitted:.6g}, exact {exact:.6g}, "
        f"off by {off_by}\n"
    )


def score_table(model: QuantileModel, held_back: Score, rows: int) -> Any:
    """Return a table of pinball loss and coverage on the rows held back.

    The coverage should be the quantile, give or take the standard deviation
    ``sqrt(q * (1 - q) / rows)`` that it has in as many independent rows.
    """
    table = _table(f"On {rows} rows held back")
    loss_heading = f"pinball loss ({_plain(model.target)})"
    for heading in ("quantile", loss_heading, "coverage", "sampling error"):
        table.add_column(heading)
    for quantile, loss, coverage in zip(model.quantiles, *held_back, strict=True):
        deviation = math.sqrt(quantile * (1.0 - quantile) / rows)
        cells = (
            f"{loss:.6g}",
            f"{coverage:.3f}",
            f"\N{PLUS-MINUS SIGN} {deviation:.3f}",
        )
        table.add_row(f"{quantile:g}", *cells)
    return table


def plot_quantiles(
    model: QuantileModel, features: NDArray[Any], target: NDArray[Any], path: Path
) -> None:
    """Draw the rows and the fitted quantiles, and write the picture.

    With one feature the quantiles are curves over it. With several, each row is drawn
    over the fitted quantile of it that is nearest the median.

    Parameters
    ----------
    model : QuantileModel
    features : ndarray, shape (rows, number of features)
    target : ndarray, shape (rows,)
    path : Path
        Its ending says the format: ``.png``, ``.svg``, ``.pdf``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = require("matplotlib.figure").Figure(figsize=(7.0, 5.0), dpi=150)
    axes = figure.add_subplot()
    x, curve_x, curves, label = _curves(model, features)
    axes.plot(x, target, ".", color="0.6", markersize=4, zorder=0)
    middle = (len(model.quantiles) - 1) / 2
    for index, quantile in enumerate(model.quantiles):
        shade = 0.45 + 0.4 * (index - middle) / max(middle, 1.0)
        color = require("matplotlib").colormaps["viridis"](shade)
        style = "-" if len(model.features) == 1 else "."
        axes.plot(
            curve_x, curves[:, index], style, color=color, label=f"{quantile:g}", ms=3
        )
    axes.set_xlabel(label, parse_math=False)
    axes.set_ylabel(model.target, parse_math=False)
    axes.legend(title="quantile", frameon=False, reverse=True)
    figure.savefig(path, bbox_inches="tight")


def _curves(
    model: QuantileModel, features: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]:
    """Return where the rows lie, where the curves do, their heights, and the label."""
    if len(model.features) == 1:
        x = features[:, 0]
        grid = numpy.linspace(x.min(), x.max(), CURVE_POINTS)
        return x, grid, model.predict(grid[:, None]), model.features[0]
    predicted = model.predict(features)
    distance = numpy.abs(numpy.asarray(model.quantiles) - 0.5)
    central = int(distance.argmin())
    x = predicted[:, central]
    return x, x, predicted, f"fitted {model.quantiles[central]:g} quantile"


def _table(title: str) -> Any:
    rich = require("rich.table")
    box = require("rich.box").SIMPLE_HEAD
    return rich.Table(title=title, title_justify="left", box=box)


def _plain(name: str) -> str:
    """Return a name from the user's data with no meaning to rich's markup."""
    return str(require("rich.markup").escape(name))


def _off_by(fitted: float, exact: float) -> str:
    if abs(exact) < 1e-9:
        return f"{fitted - exact:.1e}"
    return f"{100 * abs(fitted / exact - 1):.4f} %"
