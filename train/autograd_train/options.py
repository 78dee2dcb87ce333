"""The options of the command line, each checked as it is read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, NoReturn

from autograd_train.errors import InputError
from autograd_train.quantile import OPTIMIZERS, check_quantiles

EXAMPLES = """\
examples:
  python -m autograd_train quantile
  python -m autograd_train quantile --backend torch --dtype float32
  python -m autograd_train quantile --data houses.csv --target price \\
      --quantiles 0.1,0.5,0.9 --hidden 64,64 --batch-size 128 --epochs 200
  python -m autograd_train predict quantile-output/model.safetensors \\
      --data houses.csv --output predicted.csv
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message, say where help is, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (--help says more)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="python -m autograd_train",
        description="Train models with gradients from autograd_core.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_quantile(commands)
    _add_predict(commands)
    return parser


def _add_quantile(commands: Any) -> None:
    parser = commands.add_parser(
        "quantile",
        help="train a quantile regression, report on it and save it",
        description="Train a quantile regression. It is trained twice: once without "
        "the rows held back, to report the loss and coverage on them, and once on all "
        "rows, which is the model that is reported, drawn and saved.",
    )
    parser.set_defaults(command="quantile")
    add = parser.add_argument_group("data").add_argument
    add("--data", metavar="FILE.csv", help="default: Engel's household data")
    add("--target", metavar="COLUMN", help="what to predict (required with --data)")
    add(
        "--features",
        metavar="COLUMN,...",
        type=_names,
        help="what to predict it from (default: every other column)",
    )
    add(
        "--holdout",
        metavar="PART",
        type=_fraction,
        default=0.2,
        help="part of the rows to hold back, 0 for none (default: 0.2)",
    )
    add = parser.add_argument_group("model").add_argument
    add(
        "--quantiles",
        metavar="Q,...",
        type=_quantiles,
        default=(0.05, 0.25, 0.5, 0.75, 0.95),
        help="each between 0 and 1 (default: 0.05,0.25,0.5,0.75,0.95)",
    )
    add(
        "--hidden",
        metavar="WIDTH,...",
        type=_widths,
        default=(),
        help="widths of hidden layers, as 64,64 (default: none, a linear model)",
    )
    training = parser.add_argument_group("training")
    add = training.add_argument
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="(default: adam)")
    add(
        "--learning-rate",
        metavar="RATE",
        type=_positive,
        help="of the first step; it falls to 1/10000 of this by the last (default: "
        "0.05, for sgd 0.5; a fifth of that with hidden layers)",
    )
    add(
        "--momentum",
        metavar="M",
        type=_fraction,
        default=0.9,
        help="of sgd (default: 0.9)",
    )
    add(
        "--weight-decay",
        metavar="W",
        type=_positive,
        default=0.01,
        help="of adamw (default: 0.01)",
    )
    add(
        "--batch-size",
        metavar="N",
        type=_count,
        default=256,
        help="rows of a mini-batch; all rows if there are no more (default: 256)",
    )
    length = training.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        metavar="N",
        type=_count,
        default=3000,
        help="mini-batches to train on (default: 3000)",
    )
    length.add_argument(
        "--epochs", metavar="N", type=_count, help="passes over the rows, instead"
    )
    add("--seed", metavar="N", type=_seed, default=0, help="(default: 0)")
    add = parser.add_argument_group("computation").add_argument
    _add_backend(add)
    add(
        "--dtype",
        choices=("float64", "float32"),
        default="float64",
        help="(default: float64)",
    )
    add = parser.add_argument_group("results").add_argument
    add(
        "--output",
        metavar="DIR",
        default="quantile-output",
        help="folder for model.safetensors and quantiles.png "
        "(default: quantile-output)",
    )


def _add_predict(commands: Any) -> None:
    parser = commands.add_parser(
        "predict",
        help="predict with a model that was saved",
        description="Add a column for each quantile to a CSV file.",
    )
    parser.set_defaults(command="predict")
    parser.add_argument("model", metavar="MODEL.safetensors")
    parser.add_argument(
        "--data", metavar="FILE.csv", help="default: Engel's household data"
    )
    parser.add_argument("--output", metavar="FILE.csv", help="default: standard output")
    _add_backend(parser.add_argument)


def _add_backend(add: Callable[..., Any]) -> None:
    add(
        "--backend",
        metavar="NAME",
        help="numpy, array-api-strict, torch, jax, cupy, or another that is installed "
        "(default: numpy, or the environment variable AUTOGRAD_BACKEND)",
    )


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        return check_quantiles([float(part) for part in text.split(",")])
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            str(error)
            if isinstance(error, InputError)
            else f"quantiles: must be numbers with commas between; got {text!r}. "
            "Write for example 0.1,0.5,0.9."
        ) from error


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(",")) if text.strip() else ()


def _number(
    kind: type, text: str, holds: Callable[[Any], bool], rule: str, example: str
) -> Any:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not holds(value):
        raise argparse.ArgumentTypeError(
            f"must be {rule}; got {text!r}. Write for example {example}."
        )
    return value


def _count(text: str) -> int:
    rule = "a whole number, at least 1"
    return int(_number(int, text, lambda value: value >= 1, rule, "64"))


def _seed(text: str) -> int:
    rule = "a whole number, at least 0"
    return int(_number(int, text, lambda value: value >= 0, rule, "0"))


def _positive(text: str) -> float:
    rule = "a positive finite number"
    return float(_number(float, text, lambda value: 0 < value < math.inf, rule, "0.01"))


def _fraction(text: str) -> float:
    rule = "at least 0 and below 1"
    return float(_number(float, text, lambda value: 0 <= value < 1, rule, "0.2"))
