"""Cost of differentiating linear algebra, beside hand-written NumPy and the peers.

    python -m bench.linalg [--repeats 30] [--sizes 4,200] [--only WORD]

As `bench/eager.py`: the contenders compute the same value and gradient, which is
checked, run in turn in one process, and each figure is the ratio of a contender's time
to hand-written NumPy's in the same round, median over the rounds. Time is that of the
processor, so that other work on the machine does not count; give all contenders one
thread (``OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1``).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

from bench.eager import Gradient, contenders

BY_HAND = "NumPy by hand"
LEFT_OUT = "JAX, not jitted"  # compiles every operation of every shape, and is no peer


# ------------------------------------------------------------------ log-determinant


def logdet(np: Any, x: Any) -> Any:
    return np.linalg.slogdet(x)[1]


def logdet_by_hand(x: Any) -> tuple[Any, Any]:
    return numpy.linalg.slogdet(x)[1], numpy.linalg.inv(x).T


# ------------------------------------------------------------------ Cholesky


def cholesky(np: Any, x: Any, w: Any) -> Any:
    return np.sum(np.linalg.cholesky(x + x.T) * w)


def cholesky_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    factor = numpy.linalg.cholesky(x + x.T)
    inverse = numpy.linalg.inv(factor)
    p = numpy.tril(factor.T @ w)
    p[numpy.diag_indices(len(x))] /= 2
    bar = inverse.T @ p @ inverse
    return numpy.sum(factor * w), bar + bar.T


# ------------------------------------------------------------------ eigenvectors


def eigh(np: Any, x: Any, w: Any) -> Any:
    values, vectors = np.linalg.eigh(x + x.T)
    return np.sum((w[0] @ vectors) ** 2 * np.exp(-values))


def eigh_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    values, vectors = numpy.linalg.eigh(x + x.T)
    b, decay = w[0] @ vectors, numpy.exp(-values)
    gaps = values - values[:, None]
    numpy.fill_diagonal(gaps, numpy.inf)
    inner = numpy.outer(b, 2 * b * decay) / gaps
    numpy.fill_diagonal(inner, -b * b * decay)
    bar = vectors @ inner @ vectors.T
    return numpy.sum(b**2 * decay), bar + bar.T


# ------------------------------------------------------------------ singular vectors


def svd(np: Any, x: Any, w: Any) -> Any:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.sum(((u * np.sqrt(s)) @ vh) * w)


def svd_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    u, s, vh = numpy.linalg.svd(x, full_matrices=False)
    root = numpy.sqrt(s)
    p = u.T @ w @ vh.T
    a, b = p * root, p.T * root  # of u and of v, in their own bases
    gaps = s**2 - s[:, None] ** 2
    numpy.fill_diagonal(gaps, numpy.inf)
    inner = (a - a.T) / gaps * s + s[:, None] * ((b - b.T) / gaps)
    inner += numpy.diag(numpy.diag(p) / (2 * root))
    return numpy.sum((u * root) @ vh * w), u @ inner @ vh


# ------------------------------------------------------------------ equations


def solve(np: Any, x: Any, w: Any) -> Any:
    return np.sum(np.linalg.solve(x, w) ** 2)


def solve_by_hand(x: Any, w: Any) -> tuple[Any, Any]:
    y = numpy.linalg.solve(x, w)
    return numpy.sum(y**2), -2 * numpy.linalg.solve(x.T, y) @ y.T


# ------------------------------------------------------------------ all of them

Program = tuple[Callable[..., Any], Callable[..., tuple[Any, Any]]]

PROGRAMS: dict[str, Program] = {
    "logdet": (logdet, logdet_by_hand),
    "cholesky": (cholesky, cholesky_by_hand),
    "eigh": (eigh, eigh_by_hand),
    "svd": (svd, svd_by_hand),
    "solve": (solve, solve_by_hand),
}


def workload(name: str, size: int) -> dict[str, Gradient | None]:
    """Return each contender's value and gradient of a program."""
    program, by_hand = PROGRAMS[name]
    random = numpy.random.default_rng(0)
    x = random.normal(size=(size, size)) / size**0.5 + 3 * numpy.eye(size)
    w = random.normal(size=(size, size)) / size
    arrays = (x,) if name == "logdet" else (x, w)
    found = contenders(program, arrays, lambda: by_hand(*arrays))
    del found[LEFT_OUT]
    return found


def agree(found: dict[str, Gradient | None]) -> None:
    """Raise unless all contenders compute the same value and gradient."""
    reference = found[BY_HAND]
    assert reference is not None
    expected = reference()
    for name, run in found.items():
        for got, right in zip(run() if run else (), expected, strict=bool(run)):
            off = numpy.max(numpy.abs(numpy.asarray(got) - right))
            if not off <= 1e-8 * numpy.max(numpy.abs(right)):
                raise AssertionError(f"{name} is off by {off}")


def seconds(run: Callable[[], Any], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - start) / calls


def ratios(found: dict[str, Gradient | None], repeats: int) -> dict[str, float | None]:
    """Time the contenders in turn; return the median of each one's ratios."""
    agree(found)
    return ratios_to(BY_HAND, found, repeats)


def ratios_to(
    base: str, found: dict[str, Callable[[], Any] | None], repeats: int
) -> dict[str, float | None]:
    """Return the medians over rounds in which the contenders run in turn."""
    runs = {name: run for name, run in found.items() if run is not None}
    calls = {
        name: max(1, int(0.01 / (seconds(run, 2) or 0.01)))
        for name, run in runs.items()
    }
    rounds = [
        {name: seconds(run, calls[name]) for name, run in runs.items()}
        for _ in range(repeats)
    ]
    return {
        name: statistics.median(r[name] / r[base] for r in rounds) if run else None
        for name, run in found.items()
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="rounds (default 30)")
    parser.add_argument("--sizes", default="4,200", help="of the matrices")
    parser.add_argument("--only", default="", help="programs with this in their name")
    options = parser.parse_args(arguments)
    for n, size in enumerate(map(int, options.sizes.split(","))):
        for name in PROGRAMS:
            if options.only not in name:
                continue
            found = ratios(workload(name, size), options.repeats)
            if n == 0 and name == next(p for p in PROGRAMS if options.only in p):
                print("| program | size |", " | ".join(found), "|")
                print("|---|---|" + "---|" * len(found))
            cells = ("missing" if r is None else f"{r:.2f}" for r in found.values())
            print(f"| {name} | {size} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
