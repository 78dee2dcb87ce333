"""Linear algebra: decompositions and equations, small and large."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.contenders import OURS
from bench.declare import COMPILED, Case, Differentiated, Workload
from bench.measure import timed

CONTENDERS = (OURS, COMPILED, "HIPS autograd", "PyTorch eager", "JAX jit")
# ------------------------------------------------------------------ log-determinant


def logdet(np: Any, x: Any) -> Any:
    return np.linalg.slogdet(x)[1]


def logdet_by_hand(x: Any) -> tuple[Any, Any]:
    return np.linalg.slogdet(x)[1], (np.linalg.inv(x).T,)


# ------------------------------------------------------------------ Cholesky


def cholesky(np: Any, x: Any, w: Any) -> Any:
    return np.sum(np.linalg.cholesky(x + x.T) * w)


def cholesky_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    factor = np.linalg.cholesky(x + x.T)
    inverse = np.linalg.inv(factor)
    p = np.tril(factor.T @ w)
    p[np.diag_indices(len(x))] /= 2
    bar = inverse.T @ p @ inverse
    return np.sum(factor * w), (bar + bar.T,)


# ------------------------------------------------------------------ eigenvectors


def eigh(np: Any, x: Any, w: Any) -> Any:
    values, vectors = np.linalg.eigh(x + x.T)
    return np.sum((w[0] @ vectors) ** 2 * np.exp(-values))


def eigh_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    values, vectors = np.linalg.eigh(x + x.T)
    b, decay = w[0] @ vectors, np.exp(-values)
    gaps = values - values[:, None]
    np.fill_diagonal(gaps, np.inf)
    inner = np.outer(b, 2 * b * decay) / gaps
    np.fill_diagonal(inner, -b * b * decay)
    bar = vectors @ inner @ vectors.T
    return np.sum(b**2 * decay), (bar + bar.T,)


# ------------------------------------------------------------------ singular vectors


def svd(np: Any, x: Any, w: Any) -> Any:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.sum(((u * np.sqrt(s)) @ vh) * w)


def svd_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    root = np.sqrt(s)
    p = u.T @ w @ vh.T
    a, b = p * root, p.T * root  # of u and of v, in their own bases
    gaps = s**2 - s[:, None] ** 2
    np.fill_diagonal(gaps, np.inf)
    inner = (a - a.T) / gaps * s + s[:, None] * ((b - b.T) / gaps)
    inner += np.diag(np.diag(p) / (2 * root))
    return np.sum((u * root) @ vh * w), (u @ inner @ vh,)


# ------------------------------------------------------------------ equations


def solve(np: Any, x: Any, w: Any) -> Any:
    return np.sum(np.linalg.solve(x, w) ** 2)


def solve_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    y = np.linalg.solve(x, w)
    return np.sum(y**2), (-2 * np.linalg.solve(x.T, y) @ y.T,)


# ------------------------------------------------------------------ all of them

PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[Any, Any]]]] = {
    "logdet": (logdet, logdet_by_hand),
    "cholesky": (cholesky, cholesky_by_hand),
    "eigh": (eigh, eigh_by_hand),
    "svd": (svd, svd_by_hand),
    "solve": (solve, solve_by_hand),
}


def cases(size: str) -> Iterator[Case]:
    for count in (3,) if size == "smoke" else (4, 200):
        random = np.random.default_rng(0)
        x = random.normal(size=(count, count)) / count**0.5 + 3 * np.eye(count)
        w = random.normal(size=(count, count)) / count
        for name, (program, by_hand) in PROGRAMS.items():
            arrays = (x,) if name == "logdet" else (x, w)
            measured = Differentiated(
                program, arrays, (0,), by_hand, contenders=CONTENDERS
            )
            yield measured.case(f"{name} of {count} x {count}", tolerance=1e-8)


LINEAR_ALGEBRA = Workload(
    "linear algebra",
    "decompositions and equations, float64: a number made of them and its gradient",
    timed,
    cases=cases,
)
