"""W1: the ancestors' model, a quantile regression trained in mini-batches.

The ancestors are brief-ds' micrograd and the libraries that its author compared it with
on this job: float32, data of up to 600 MB in memory, and one pass over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from bench.contenders import (
    BY_HAND,
    CONTENDERS,
    WITH_OUT,
    Arrays,
    Contender,
    Gradient,
    Run,
    contender,
)
from bench.declare import ALL, COMPILED, Bar, Case, Make, Workload
from bench.measure import timed

COLUMNS, HIDDEN, QUANTILES = 100, 64, 9
BATCH, RATE = 5000, 0.1
BYTES = {"smoke": 40_000, "default": 60_000_000, "full": 600_000_000}
TRAINED = tuple(range(6))
PEERS = (
    "TensorFlow",
    "PyTorch eager",
    "JAX jit",
    "micrograd (brief-ds)",
    "HIPS autograd",
    "advect",
)


def program(
    np: Any,
    w1: Any,
    b1: Any,
    w2: Any,
    b2: Any,
    w3: Any,
    b3: Any,
    x: Any,
    y: Any,
    q: Any,
) -> Any:
    h1 = np.tanh(np.matmul(x, w1) + b1)
    h2 = np.tanh(np.matmul(h1, w2) + b2)
    u = y - (np.matmul(h2, w3) + b3)
    return np.sum(np.maximum(u * q, u * (q - 1.0))) * (1.0 / (x.shape[0] * QUANTILES))


def by_hand(
    w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any, q: Any
) -> tuple[Any, Arrays]:
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    u = y - (h2 @ w3 + b3)
    scale = 1.0 / u.size
    value = np.sum(np.maximum(u * q, u * (q - 1.0))) * scale
    t3 = np.where(u > 0, -q, 1.0 - q) * np.float32(scale)
    t2 = (t3 @ w3.T) * (1.0 - h2 * h2)
    t1 = (t2 @ w2.T) * (1.0 - h1 * h1)
    return value, (
        x.T @ t1,
        np.sum(t1, axis=0),
        h1.T @ t2,
        np.sum(t2, axis=0),
        h2.T @ t3,
        np.sum(t3, axis=0),
    )


def with_out(*arrays: Any) -> Gradient:
    """Return the same into buffers: sums over rows are products, no branches."""
    *parameters, x, _, _ = arrays
    rows, dtype = len(x), x.dtype
    h1, h2, t1, t2 = (np.empty((rows, HIDDEN), dtype) for _ in range(4))
    u, v, t3 = (np.empty((rows, QUANTILES), dtype) for _ in range(3))
    negative, ones = np.empty(u.shape, bool), np.ones(rows, dtype)
    scale = np.asarray(1.0 / u.size, dtype)
    grads = tuple(np.empty_like(p) for p in parameters)
    g1, c1, g2, c2, g3, c3 = grads

    def dense(x: Any, w: Any, b: Any, out: Any) -> None:
        np.matmul(x, w, out=out)
        np.add(out, b, out=out)

    def back(t: Any, w: Any, h: Any, out: Any) -> None:
        np.matmul(t, w.T, out=out)
        np.multiply(h, h, out=h)
        np.subtract(1.0, h, out=h)
        np.multiply(out, h, out=out)

    def both(
        w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, y: Any, q: Any
    ) -> tuple[Any, Arrays]:
        dense(x, w1, b1, h1)
        np.tanh(h1, out=h1)
        dense(h1, w2, b2, h2)
        np.tanh(h2, out=h2)
        dense(h2, w3, b3, u)
        np.subtract(y, u, out=u)
        np.multiply(u, q, out=v)
        np.subtract(v, u, out=t3)
        np.maximum(v, t3, out=v)
        value = np.add.reduce(v, axis=None) * scale
        np.less(u, 0.0, out=negative)
        np.subtract(negative, q, out=t3)
        np.multiply(t3, scale, out=t3)
        np.matmul(h2.T, t3, out=g3)
        np.matmul(ones, t3, out=c3)
        back(t3, w3, h2, t2)
        np.matmul(h1.T, t2, out=g2)
        np.matmul(ones, t2, out=c2)
        back(t2, w2, h1, t1)
        np.matmul(x.T, t1, out=g1)
        np.matmul(ones, t1, out=c1)
        return value, grads

    return both


def data(size: str) -> tuple[Arrays, Any, Any, int]:
    """Return parameters with quantiles, rows, targets, and the rows of a batch."""
    random = np.random.default_rng(0)
    rows = BYTES[size] // (4 * (COLUMNS + 1))
    batch = min(BATCH, rows // 2)
    rows -= rows % batch
    x = random.standard_normal((rows, COLUMNS), dtype="float32")
    y = (x[:, :3].sum(axis=1, keepdims=True) / 2).astype("float32")
    y += random.standard_normal((rows, 1), dtype="float32")
    parameters: list[Any] = []
    widths = (COLUMNS, HIDDEN, HIDDEN, QUANTILES)
    for inner, outer in pairwise(widths):
        w = random.standard_normal((inner, outer), dtype="float32")
        parameters += [w / np.float32(inner) ** 0.5, np.zeros(outer, "float32")]
    levels = np.arange(1, QUANTILES + 1, dtype="float32") / (QUANTILES + 1)
    return (*parameters, levels), x, y, batch


Update = Callable[[Arrays, Arrays, float], Arrays]


def epoch(both: Gradient, start: Arrays, batches: Any, updated: Update) -> Any:
    """Return the losses and the parameters of one pass over the data."""
    *parameters, levels = start
    losses = []
    for x, y in batches:
        loss, gradients = both(*parameters, x, y, levels)
        losses.append(loss)
        parameters = updated(tuple(parameters), gradients, RATE)  # type: ignore[assignment]
    return losses, parameters


def cases(size: str) -> Iterator[Case]:
    start, x, y, batch = data(size)
    pieces = [(x[k : k + batch], y[k : k + batch]) for k in range(0, len(x), batch)]
    first = (*start[:-1], *pieces[0], start[-1])

    def numpy(both: Gradient) -> Run:
        def updated(parameters: Arrays, gradients: Arrays, rate: float) -> Arrays:
            for p, g in zip(parameters, gradients, strict=True):
                p -= rate * g
            return parameters

        def run() -> Any:
            mine = (*(p.copy() for p in start[:-1]), start[-1])
            return epoch(both, mine, pieces, updated)

        return run

    def library(who: Contender) -> tuple[Run, Contender]:
        width = 1 if who.broadcasts else QUANTILES
        wide = np.broadcast_to(first[7], (batch, width))
        both, moved = who.gradient(program, (*first[:7], wide, first[8]), TRAINED)
        mine = (*moved[:6], moved[8])
        batches = [
            (who.moved(x), who.moved(np.broadcast_to(y, (batch, width)).copy()))
            for x, y in pieces
        ]
        return lambda: who.ready(epoch(both, mine, batches, who.updated)), who

    makes: dict[str, Make] = {
        BY_HAND: lambda: (numpy(by_hand), None),
        WITH_OUT: lambda: (numpy(with_out(*first)), None),
    }
    for name in ALL:
        makes[name] = lambda name=name: library(contender(name))  # type: ignore[misc]
    megabytes = round((x.nbytes + y.nbytes) / 1e6)
    yield Case(
        f"{megabytes} MB, {len(pieces)} batches of {batch}",
        makes,
        tolerance=2e-4,
        result_bytes=sum(p.nbytes for p in start),
    )


QUANTILE = Workload(
    "W1",
    "quantile regression, 100-64-64-9, float32: one pass in mini-batches with updates",
    timed,
    cases=cases,
    bars=(
        Bar(COMPILED, WITH_OUT, 1.05),
        *(Bar(COMPILED, peer, 1.0, size="full") for peer in PEERS),
        Bar(f"{COMPILED}, 2 threads", WITH_OUT, 0.85, size="full"),
    ),
)
assert set(PEERS) <= set(CONTENDERS)
