"""Which libraries somebody has chosen, and whether they can compute here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import autograd_core as ag
from autograd_core import backend

ALL = "all"
NO_DEVICE = ("cupy", "cupy_backends")
"""Packages whose own exceptions, when a first array is made, say: no such device."""


def chosen(given: str) -> list[str]:
    """Return the names in ``numpy,torch``, each once, or every known name for ``all``.

    Raises
    ------
    ValueError
        If a name is not known, or none is given.

    Examples
    --------
    >>> chosen("numpy, torch,numpy")
    ['numpy', 'torch']
    """
    names = [name for part in given.split(",") if (name := part.strip())]
    if ALL in names:
        return [row.name for row in ag.backends()]
    wrong = unknown(names)
    if wrong or not names:
        rule = f"no backend is called {wrong[0]!r}" if wrong else "names no backend"
        known = ", ".join(sorted(backend.known))
        raise ValueError(f"{rule}; got {given!r}. Known are {known}; or give {ALL!r}.")
    return list(dict.fromkeys(names))


def unknown(names: Iterable[Any]) -> list[Any]:
    """Return what is no name of a backend, asking other packages only if need be."""
    names = list(names)
    if any(name not in list(backend.known) for name in names):
        ag.backends()  # loads the entry points of other packages
    return [name for name in names if name not in list(backend.known)]


def unusable(name: str) -> str | None:
    """Say why a library cannot compute here, if it cannot.

    Only what is missing is a reason: other exceptions are let through.
    """
    try:
        backend.backend(name).zeros((1,))
    except ImportError as missing:
        cause, needs = missing.__cause__ or missing, backend.known[name].requirement
        return f"{name} is not installed: {cause} (pip install {needs})"
    except Exception as fault:
        if type(fault).__module__.partition(".")[0] not in NO_DEVICE:
            raise
        return f"{name} has no device: {fault}"
    return None


def labelled(names: Iterable[str]) -> str:
    """Return ``numpy 2.3.0, torch (not installed)``."""
    versions = {row.name: row.version or "(not installed)" for row in ag.backends()}
    return ", ".join(f"{name} {versions[name]}" for name in names)
