"""What goes wrong on the user's side, and the extras that only some commands need."""

from __future__ import annotations

import importlib
from types import ModuleType


class InputError(ValueError):
    """What the user gave cannot be used: a file, a column, a cell, a setting."""


class MissingExtraError(ImportError):
    """A library is needed that ``pip install autograd-core`` does not bring."""


def require(module: str) -> ModuleType:
    """Import a module of the ``train`` extra, where it is used and not before.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> require("math").sqrt(4.0)
    2.0
    >>> require("missing_library")
    Traceback (most recent call last):
        ...
    autograd_train.errors.MissingExtraError: missing_library: this needs a library \
that is not installed. Run: pip install "autograd-core[train]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{module}: this needs a library that is not installed. "
            'Run: pip install "autograd-core[train]"'
        ) from error
