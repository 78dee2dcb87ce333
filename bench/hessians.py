"""Hessians and Hessian-vector products, beside the peers (workload W5).

    python -m bench.hessians [--repeats 30] [--only WORD]

Rosenbrock's function of 100 variables, and logistic regression with 500 rows and 50
columns. As `bench/linalg.py`: the contenders' results are compared before anything is
timed, they run in turn in one process, and each figure is the ratio of a contender's
time to HIPS autograd's in the same round, median over the rounds, in time of the
processor; give all contenders one thread (``OMP_NUM_THREADS=1
OPENBLAS_NUM_THREADS=1``). Without HIPS autograd the ratios are to the arithmetic alone.

"Arithmetic" is the least a person would compute with NumPy, with the derivatives worked
out by hand: what no library can beat without knowing more than the program says.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Any

import numpy

import autograd_core as ag
from bench.linalg import ratios_to

Run = Callable[[], Any]
ARITHMETIC, OURS, HIPS = "arithmetic", "autograd-core", "HIPS autograd"


# ------------------------------------------------------------------ the functions


def rosenbrock(np: Any, x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_bands(x: Any) -> tuple[Any, Any]:
    """Return the diagonal of the Hessian and what is beside it."""
    diagonal = numpy.full(x.shape, 200.0)
    diagonal[0] = 0.0
    diagonal[:-1] += 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    return diagonal, -400.0 * x[:-1]


def rosenbrock_hessian(x: Any) -> Any:
    diagonal, beside = rosenbrock_bands(x)
    return numpy.diag(diagonal) + numpy.diag(beside, 1) + numpy.diag(beside, -1)


def rosenbrock_product(x: Any, v: Any) -> Any:
    diagonal, beside = rosenbrock_bands(x)
    product = diagonal * v
    product[:-1] += beside * v[1:]
    product[1:] += beside * v[:-1]
    return product


RANDOM = numpy.random.default_rng(0)
ROWS = RANDOM.normal(size=(500, 50))
LABELS = numpy.where(RANDOM.random(500) < 0.5, -1.0, 1.0)


def logistic(np: Any, w: Any, rows: Any, labels: Any) -> Any:
    return np.sum(np.log1p(np.exp(-labels * (rows @ w))))


def weights(w: Any, rows: Any) -> Any:
    p = 1.0 / (1.0 + numpy.exp(-(rows @ w)))
    return p * (1.0 - p)


def logistic_hessian(w: Any, rows: Any, labels: Any) -> Any:
    return (rows.T * weights(w, rows)) @ rows


def logistic_product(w: Any, v: Any, rows: Any, labels: Any) -> Any:
    return rows.T @ (weights(w, rows) * (rows @ v))


Program = tuple[
    Callable[..., Any], Callable[..., Any], Callable[..., Any], int, tuple[Any, ...]
]
PROGRAMS: dict[str, Program] = {
    "Rosenbrock": (rosenbrock, rosenbrock_hessian, rosenbrock_product, 100, ()),
    "logistic": (logistic, logistic_hessian, logistic_product, 50, (ROWS, LABELS)),
}


# ------------------------------------------------------------------ the contenders


def contenders(name: str) -> dict[str, dict[str, Run | None]]:
    """Return each contender's Hessian and product of a program."""
    program, hessian, product, size, data = PROGRAMS[name]
    x, v = RANDOM.normal(size=(2, size)) / 4
    found: dict[str, tuple[Run, Run] | None] = {
        ARITHMETIC: (lambda: hessian(x, *data), lambda: product(x, v, *data))
    }
    for contender, make in {
        OURS: ours,
        HIPS: hips,
        "torch.func": torch_func,
        "JAX jit": jax_jit,
    }.items():
        try:
            found[contender] = make(program, x, v, data)
        except ImportError:
            found[contender] = None
    return {
        f"{name}, {what}": {c: runs and runs[k] for c, runs in found.items()}
        for k, what in enumerate(("Hessian", "product"))
    }


def ours(program: Any, x: Any, v: Any, data: Any) -> tuple[Run, Run]:
    f = lambda x: program(ag.ops, x, *data)  # noqa: E731
    return lambda: ag.hessian(f)(x), lambda: ag.hvp(f, (x,), (v,))


def hips(program: Any, x: Any, v: Any, data: Any) -> tuple[Run, Run]:
    autograd = importlib.import_module("autograd")
    np = importlib.import_module("autograd.numpy")
    f = lambda x: program(np, x, *data)  # noqa: E731
    hessian, product = autograd.hessian(f), autograd.hessian_vector_product(f)
    return lambda: hessian(x), lambda: product(x, v)


def torch_func(program: Any, x: Any, v: Any, data: Any) -> tuple[Run, Run]:
    torch = importlib.import_module("torch")
    func = importlib.import_module("torch.func")
    x, v, *data = map(torch.asarray, (x, v, *data))
    f = lambda x: program(torch, x, *data)  # noqa: E731
    hessian, gradient = func.hessian(f), func.grad(f)
    return lambda: hessian(x), lambda: func.jvp(gradient, (x,), (v,))[1]


def jax_jit(program: Any, x: Any, v: Any, data: Any) -> tuple[Run, Run]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    np = importlib.import_module("jax.numpy")
    f = lambda x: program(np, x, *data)  # noqa: E731
    hessian = jax.jit(jax.hessian(f))
    product = jax.jit(lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1])
    return (
        lambda: hessian(x).block_until_ready(),
        lambda: product(x, v).block_until_ready(),
    )


# ------------------------------------------------------------------ the measurement


def agree(runs: dict[str, Run | None]) -> None:
    """Raise unless all contenders compute the same."""
    expected = runs[ARITHMETIC]
    assert expected is not None
    right = expected()
    for name, run in runs.items():
        if run is None:
            continue
        off = numpy.max(numpy.abs(numpy.asarray(run()) - right))
        if not off <= 1e-9 * numpy.max(numpy.abs(right)):
            raise AssertionError(f"{name} is off by {off}")


def ratios(runs: dict[str, Run | None], repeats: int) -> dict[str, float | None]:
    """Time the contenders in turn; return the median of each one's ratios."""
    agree(runs)
    return ratios_to(HIPS if runs[HIPS] else ARITHMETIC, runs, repeats)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="rounds (default 30)")
    parser.add_argument("--only", default="", help="programs with this in their name")
    options = parser.parse_args(arguments)
    table = {k: runs for name in PROGRAMS for k, runs in contenders(name).items()}
    chosen = {name: runs for name, runs in table.items() if options.only in name}
    for k, (name, runs) in enumerate(chosen.items()):
        found = ratios(runs, options.repeats)
        if k == 0:
            print("| workload |", " | ".join(found), "|")
            print("|---|" + "---|" * len(found))
        cells = ("missing" if r is None else f"{r:.3f}" for r in found.values())
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
