"""Cost of eager differentiation, beside hand-written NumPy and the peers.

    python bench/eager.py [--repeats 30] [--json FILE]

Every contender computes the same value and gradient; they are compared before anything
is timed. The contenders of a workload run in turn, in one process, and each figure is
the ratio of a contender's time to hand-written NumPy's in the same round: median, and
the 10th and 90th percentile, over the rounds. A peer that is not installed is reported
as missing. Absolute times mean little on a shared machine and are not printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

import autograd_core as ag

Gradient = Callable[[], tuple[Any, Any]]
xp = ag.ops


# ------------------------------------------------------------------ W2: tiny arrays
# 50 elementwise operations and a sum of float64[8].


def tiny_program(np: Any, x: Any) -> Any:
    for _ in range(10):
        x = np.sin(x) * 1.1 + np.tanh(x) * x
    return np.sum(x)


def tiny_by_hand(x: Any) -> tuple[Any, Any]:
    saved = []
    for _ in range(10):
        s, h = numpy.sin(x), numpy.tanh(x)
        saved.append((x, h))
        x = s * 1.1 + h * x
    t = numpy.ones(8)
    for x0, h in reversed(saved):
        t = t * 1.1 * numpy.cos(x0) + t * h + t * x0 * (1 - h * h)
    return numpy.sum(x), t


def tiny() -> dict[str, Gradient | None]:
    x = numpy.linspace(0.1, 1.0, 8)
    return contenders(tiny_program, (x,), lambda: tiny_by_hand(x))


# ------------------------------------------------------------------ an MLP, small batch


def mlp_program(np: Any, w1: Any, w2: Any, w3: Any, x: Any, y: Any) -> Any:
    h = np.tanh(np.matmul(x, w1))
    h = np.tanh(np.matmul(h, w2))
    return np.sum((np.matmul(h, w3) - y) ** 2)


def mlp_by_hand(w1: Any, w2: Any, w3: Any, x: Any, y: Any) -> tuple[Any, Any]:
    h1 = numpy.tanh(x @ w1)
    h2 = numpy.tanh(h1 @ w2)
    r = h2 @ w3 - y
    t3 = 2 * r
    t2 = (t3 @ w3.T) * (1 - h2 * h2)
    t1 = (t2 @ w2.T) * (1 - h1 * h1)
    return numpy.sum(r**2), x.T @ t1


def mlp(batch: int) -> dict[str, Gradient | None]:
    random = numpy.random.default_rng(0)
    shapes = [(32, 64), (64, 64), (64, 1), (batch, 32), (batch, 1)]
    arrays = tuple(random.normal(size=shape) / 8 for shape in shapes)
    return contenders(mlp_program, arrays, lambda: mlp_by_hand(*arrays), trained=3)


# ------------------------------------------------------------------ contenders


def contenders(
    program: Callable[..., Any],
    arrays: tuple[Any, ...],
    by_hand: Gradient,
    trained: int = 1,
) -> dict[str, Gradient | None]:
    """Return each contender's value and gradient, None for a missing library."""
    found: dict[str, Gradient | None] = {"NumPy by hand": by_hand}
    numbers = tuple(range(trained))
    ours = ag.value_and_grad(lambda *a: program(xp, *a), numbers)
    found["autograd-core"] = lambda: first(*ours(*arrays))
    for name, make in {
        "HIPS autograd": hips,
        "PyTorch eager": pytorch,
        "JAX, not jitted": jax_eager,
        "JAX jit": jax_jit,
    }.items():
        try:
            found[name] = make(program, arrays, numbers)
        except ImportError:
            found[name] = None
    return found


def first(value: Any, grads: Any) -> tuple[Any, Any]:
    return value, grads[0]


def hips(program: Any, arrays: Any, numbers: Any) -> Gradient:
    np = importlib.import_module("autograd.numpy")
    both = importlib.import_module("autograd").value_and_grad(
        lambda *a: program(np, *a), numbers
    )
    return lambda: first(*both(*arrays))


def pytorch(program: Any, arrays: Any, numbers: Any) -> Gradient:
    torch = importlib.import_module("torch")
    tensors = [
        torch.tensor(a, requires_grad=k in numbers) for k, a in enumerate(arrays)
    ]

    def run() -> tuple[Any, Any]:
        y = program(torch, *tensors)
        grads = torch.autograd.grad(y, [tensors[k] for k in numbers])
        return y.detach(), grads[0]

    return run


def jax_both(program: Any, arrays: Any, numbers: Any) -> tuple[Any, Any]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    np = importlib.import_module("jax.numpy")
    both = jax.value_and_grad(lambda *a: program(np, *a), numbers)
    return jax, both


def jax_eager(program: Any, arrays: Any, numbers: Any) -> Gradient:
    jax, both = jax_both(program, arrays, numbers)
    moved = [jax.numpy.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(first(*both(*moved)))


def jax_jit(program: Any, arrays: Any, numbers: Any) -> Gradient:
    jax, both = jax_both(program, arrays, numbers)
    moved, fast = [jax.numpy.asarray(a) for a in arrays], jax.jit(both)
    return lambda: jax.block_until_ready(first(*fast(*moved)))


# ------------------------------------------------------------------ timing


def agree(found: dict[str, Gradient | None]) -> None:
    """Raise unless all contenders compute the same value and gradient."""
    reference = found["NumPy by hand"]
    assert reference is not None
    value, grad = reference()
    for name, run in found.items():
        if run is not None:
            for got, expected in zip(run(), (value, grad), strict=True):
                numpy.testing.assert_allclose(
                    numpy.asarray(got), expected, rtol=1e-9, err_msg=name
                )


def seconds(run: Gradient, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def ratios(
    found: dict[str, Gradient | None], repeats: int
) -> dict[str, list[float] | None]:
    """Time the contenders in turn; return each one's ratios to NumPy by hand."""
    agree(found)
    runs = {name: run for name, run in found.items() if run is not None}
    calls = {name: max(1, int(0.01 / seconds(run, 3))) for name, run in runs.items()}
    rounds = [
        {name: seconds(run, calls[name]) for name, run in runs.items()}
        for _ in range(repeats)
    ]
    return {
        name: [r[name] / r["NumPy by hand"] for r in rounds] if run else None
        for name, run in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="rounds (default 30)")
    parser.add_argument("--json", help="write the ratios to this file")
    options = parser.parse_args()
    workloads = {
        "W2: 50 elementwise operations and a sum, float64[8]": tiny(),
        "MLP 32-64-64-1, batch 32": mlp(32),
        "MLP 32-64-64-1, batch 4096": mlp(4096),
    }
    record: dict[str, dict[str, float | None]] = {}
    for title, found in workloads.items():
        print(
            f"\n{title}\n{'time / NumPy by hand':24}{'median':>8}{'p10':>8}{'p90':>8}"
        )
        record[title] = {}
        for name, values in ratios(found, options.repeats).items():
            if values is None:
                record[title][name] = None
                print(f"{name:24}{'missing':>8}")
                continue
            low, *_, high = statistics.quantiles(values, n=10)
            median = statistics.median(values)
            record[title][name] = median
            print(f"{name:24}{median:8.2f}{low:8.2f}{high:8.2f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(record, file, indent=2)


if __name__ == "__main__":
    main()
