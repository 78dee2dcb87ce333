"""W5: Hessians, and their products with vectors.

Rosenbrock's function of 100 variables, and logistic regression with 500 rows and 50
columns. NumPy by hand is here the least that a person would compute, with the
derivatives worked out on paper: what no library can beat without knowing more than the
program says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.contenders import BY_HAND, OURS, Arrays, contender
from bench.declare import COMPILED, ON_JAX, ON_TORCH, Bar, Case, Make, Workload
from bench.measure import timed

CONTENDERS = (
    OURS,
    COMPILED,
    f"{COMPILED}, fast",
    ON_TORCH,
    ON_JAX,
    "HIPS autograd",
    "advect",
    "torch.func",
    "JAX jit",
)


# ------------------------------------------------------------------ Rosenbrock


def rosenbrock(np: Any, x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_bands(x: Any) -> tuple[Any, Any]:
    """Return the diagonal of the Hessian and what is beside it."""
    diagonal = np.full(x.shape, 200.0)
    diagonal[0] = 0.0
    diagonal[:-1] += 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    return diagonal, -400.0 * x[:-1]


def rosenbrock_hessian(x: Any) -> Any:
    diagonal, beside = rosenbrock_bands(x)
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def rosenbrock_product(x: Any, v: Any) -> Any:
    diagonal, beside = rosenbrock_bands(x)
    product = diagonal * v
    product[:-1] += beside * v[1:]
    product[1:] += beside * v[:-1]
    return product


# ------------------------------------------------------------------ logistic regression


def logistic(np: Any, w: Any, rows: Any, labels: Any) -> Any:
    return np.sum(np.log1p(np.exp(-labels * (rows @ w))))


def weights(w: Any, rows: Any) -> Any:
    p = 1.0 / (1.0 + np.exp(-(rows @ w)))
    return p * (1.0 - p)


def logistic_hessian(w: Any, rows: Any, labels: Any) -> Any:
    return (rows.T * weights(w, rows)) @ rows


def logistic_product(w: Any, v: Any, rows: Any, labels: Any) -> Any:
    return rows.T @ (weights(w, rows) * (rows @ v))


# ------------------------------------------------------------------ cases


def observations(rows: int, columns: int) -> Arrays:
    random = np.random.default_rng(0)
    labels = np.where(random.random(rows) < 0.5, -1.0, 1.0)
    return random.normal(size=(rows, columns)), labels


def cases(size: str) -> Iterator[Case]:
    many, rows, columns = (6, 12, 4) if size == "smoke" else (100, 500, 50)
    yield from pair(
        f"Rosenbrock of {many}",
        (rosenbrock, rosenbrock_hessian, rosenbrock_product),
        many,
        (),
    )
    yield from pair(
        f"logistic {rows} x {columns}",
        (logistic, logistic_hessian, logistic_product),
        columns,
        observations(rows, columns),
    )


def pair(
    title: str, functions: tuple[Callable[..., Any], ...], count: int, data: Arrays
) -> Iterator[Case]:
    """Yield the Hessian and the product of a program."""
    program, hessian, product = functions
    x, v = np.random.default_rng(1).normal(size=(2, count)) / 4

    def whole(name: str) -> Make:
        return lambda: ((who := contender(name)).hessian(program, x, data), who)

    def times(name: str) -> Make:
        return lambda: ((who := contender(name)).product(program, x, v, data), who)

    by_hand: Make = lambda: (lambda: hessian(x, *data), None)  # noqa: E731
    makes = {BY_HAND: by_hand} | {name: whole(name) for name in CONTENDERS}
    yield Case(f"{title}, Hessian", makes)
    by_hand = lambda: (lambda: product(x, v, *data), None)  # noqa: E731
    makes = {BY_HAND: by_hand} | {name: times(name) for name in CONTENDERS}
    yield Case(f"{title}, product", makes)


HESSIANS = Workload(
    "W5",
    "Hessians, and their products with a vector, float64",
    timed,
    cases=cases,
    bars=(
        Bar(OURS, "HIPS autograd", 0.1, "Hessian"),
        Bar(COMPILED, "HIPS autograd", 0.1, "Hessian"),
        Bar(COMPILED, "JAX jit", 1.0, "product"),
    ),
)
