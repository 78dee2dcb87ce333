"""Train models with gradients from `autograd_core`: a small library of functions.

`autograd_train.layers` and `autograd_train.losses` are functions of pytrees of
parameters, `autograd_train.optimizers` with `autograd_train.schedules` move them,
`autograd_train.data` brings the rows and `autograd_train.loop` goes round.
`autograd_train.quantile` puts them together for quantile regression; from a shell,
``python -m autograd_train quantile``.

Importing it needs the core only. Plots, tables, model files and exact solutions need
``pip install "autograd-core[train]"``.
"""

from autograd_train import data, layers, loop, losses, optimizers, quantile, schedules
from autograd_train.errors import InputError, MissingExtraError

__all__ = [
    "InputError",
    "MissingExtraError",
    "data",
    "layers",
    "loop",
    "losses",
    "optimizers",
    "quantile",
    "schedules",
]
