"""The command line: ``quantile`` trains and reports, ``predict`` predicts again.

Everything is checked before anything is trained, and files are written last, all of
them or none. What the user can put right is one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

import autograd_core as ag
from autograd_train import report
from autograd_train.errors import InputError, MissingExtraError, require
from autograd_train.job import Follow, read_job
from autograd_train.options import build_parser
from autograd_train.quantile import QuantileModel
from autograd_train.storage import check_writable, load_model, save_model, staged
from autograd_train.tables import load_engel, read_table

MODEL_FILE, PLOT_FILE = "model.safetensors", "quantiles.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0, or 2 if what was asked for cannot be done, or 130 if it was interrupted.
    """
    options = build_parser().parse_args(arguments)
    try:
        RUN[options.command](options)
    except (InputError, MissingExtraError, FloatingPointError, OSError) as error:
        print(f"autograd_train: error: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("autograd_train: interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def run_quantile(options: argparse.Namespace) -> None:
    """Train, report, save, and check that the saved model predicts the same."""
    with backend(options.backend):
        job = read_job(options)
        check_writable(options.output, MODEL_FILE, PLOT_FILE)
        check_extras()
        print(job.summary())
        with progress() as follow:
            held_back = job.evaluate(follow)
            model = job.train(job.all_rows, follow("all rows", job.steps(job.rows)))
        for table in job.tables(model, held_back):
            require("rich").print(table)
        with staged(options.output) as folder:
            save_model(model, folder / MODEL_FILE)
            check_same_predictions(model, folder / MODEL_FILE, job.features)
            report.plot_quantiles(model, job.features, job.target, folder / PLOT_FILE)
        for name in (MODEL_FILE, PLOT_FILE):
            print(f"wrote {Path(options.output) / name}")


def run_predict(options: argparse.Namespace) -> None:
    """Add a column for each quantile to a table."""
    with backend(options.backend):
        model = load_model(options.model)
        table = read_table(options.data) if options.data else load_engel()
        quantiles = model.predict(table.numbers(model.features))
    names = [f"{model.target}_quantile_{quantile}" for quantile in model.quantiles]
    result = table.with_columns(names, quantiles)
    if options.output is None:
        sys.stdout.write(result.text())
        return
    output = Path(options.output)
    check_writable(output.parent, output.name)
    with staged(output.parent) as folder:
        (folder / output.name).write_text(result.text(), encoding="utf-8")
    print(f"wrote {output}")


@contextlib.contextmanager
def backend(name: str | None) -> Iterator[None]:
    """Compute on a backend, in double precision where a library has to be asked."""
    with contextlib.ExitStack() as stack:
        try:
            if name is not None:
                stack.enter_context(ag.use_backend(name))
            active = ag.get_backend().name
        except (ValueError, LookupError, ImportError) as error:
            message, _, _ = one_line(error).partition(" (at ")  # a line of ours
            raise InputError(message) from error
        if active == "jax":
            importlib.import_module("jax").config.update("jax_enable_x64", True)
        yield


def check_extras() -> None:
    """Raise MissingExtraError now rather than after the training."""
    for module in ("matplotlib.figure", "rich", "safetensors.numpy", "scipy.optimize"):
        require(module)


@contextlib.contextmanager
def progress() -> Iterator[Follow]:
    """Show progress bars on stderr while the block runs."""
    bars = require("rich.progress")
    console = require("rich.console").Console(stderr=True)
    text = bars.TextColumn("[progress.description]{task.description}")
    loss_text = bars.TextColumn("loss {task.fields[loss]:.4f}")
    columns = (text, bars.BarColumn(), bars.MofNCompleteColumn(), loss_text)
    with bars.Progress(*columns, bars.TimeElapsedColumn(), console=console) as shown:

        def follow(title: str, steps: int) -> Callable[[int, float], object]:
            task = shown.add_task(f"{title:<13}", total=steps, loss=math.nan)

            def on_step(step: int, loss: float) -> None:
                if step % 50 == 0 or step == steps - 1:
                    shown.update(task, completed=step + 1, loss=loss)

            return on_step

        yield follow


def check_same_predictions(
    model: QuantileModel, path: Path, features: NDArray[Any]
) -> None:
    """Raise RuntimeError unless the saved model predicts exactly as the model does."""
    if not numpy.array_equal(
        load_model(path).predict(features), model.predict(features)
    ):
        raise RuntimeError(
            f"{path}: the saved model must predict as the trained one did; got other "
            "values. Nothing was kept; please report this."
        )


RUN = {"quantile": run_quantile, "predict": run_predict}
