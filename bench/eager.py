"""Cost of eager differentiation, beside hand-written NumPy and the peers.

    python bench/eager.py [--repeats 30] [--only W3] [--json FILE]

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
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
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


# ------------------------------------------------------------------ W3: large arrays
# Most of the time goes into pages that are fresh from the system, and whether they are
# depends on what else a process has done. So each contender has one of its own here.

PLAYERS = ("NumPy by hand", "autograd-core", "HIPS autograd", "PyTorch eager")
LARGE = {f"W3: elementwise, float64[{n:,}]": n for n in (100_000, 1_000_000)}


def large_program(np: Any, x: Any, w: Any, b: Any) -> Any:
    return np.sum(np.tanh(x * w + b) * np.exp(-(x**2)) / (1 + x**2))


def large_by_hand(x: Any, w: Any, b: Any) -> tuple[Any, Any]:
    """Return the value and all three gradients, of which the first is compared."""
    a, e, d = numpy.tanh(x * w + b), numpy.exp(-(x**2)), 1 + x**2
    n = a * e
    q = n / d
    t = numpy.ones_like(q)
    t_n = t / d
    t_d = -t * q / d
    t_b = t_n * e * (1 - a * a)
    t_w = t_b * x
    t_x = t_b * w + t_d * (2 * x) - t_n * a * e * (2 * x)
    return numpy.sum(q), (t_x, t_w, t_b)


def large(size: int, only: str) -> Gradient | None:
    random = numpy.random.default_rng(0)
    x, w, b = (random.normal(size=size) for _ in range(3))

    def by_hand() -> tuple[Any, Any]:
        value, grads = large_by_hand(x, w, b)
        return value, grads[0]

    return contenders(large_program, (x, w, b), by_hand, 3, (only,))[only]


def serve(size: int, name: str, questions: Any) -> None:
    """Answer, in a process of its own, first with a result and then with times."""
    run = large(size, name)
    questions.send(run() if run else None)
    while run and questions.recv():
        questions.send(seconds(run, max(1, 1_000_000 // size)))


def ratios_apart(size: int, repeats: int) -> dict[str, list[float] | None]:
    """Time contenders in turn, each in a process of its own; return the ratios."""
    context = multiprocessing.get_context("spawn")
    ends, results = {}, {}
    for name in PLAYERS:
        ends[name], other = context.Pipe()
        context.Process(target=serve, args=(size, name, other), daemon=True).start()
        results[name] = ends[name].recv()
    expected = results["NumPy by hand"]
    times: dict[str, list[float]] = {}
    for name, result in results.items():
        if result is not None:
            compare(name, result, expected)
            times[name] = []
    for _ in range(repeats + 1):  # the first is to warm up
        for name, each in times.items():
            ends[name].send(True)
            each.append(ends[name].recv())
    for name in times:
        ends[name].send(False)
    hand = times["NumPy by hand"]
    return {
        name: [t / h for t, h in zip(times[name], hand, strict=True)][1:]
        if name in times
        else None
        for name in PLAYERS
    }


# ------------------------------------------------------------------ contenders


def contenders(
    program: Callable[..., Any],
    arrays: tuple[Any, ...],
    by_hand: Gradient,
    trained: int = 1,
    only: tuple[str, ...] = (),
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
        if only and name not in only:
            continue
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
            compare(name, run(), (value, grad))


def compare(name: str, found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """Raise unless a contender's value and gradient are those of another."""
    for got, wanted in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(
            numpy.asarray(got), wanted, rtol=1e-9, atol=1e-12, err_msg=name
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


def together(
    make: Callable[[], dict[str, Gradient | None]], repeats: int
) -> dict[str, list[float] | None]:
    return ratios(make(), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30, help="rounds (default 30)")
    parser.add_argument("--only", default="", help="what the titles have in them")
    parser.add_argument("--json", help="write the ratios to this file")
    options = parser.parse_args()
    repeats = options.repeats
    workloads = {
        "W2: 50 elementwise operations and a sum, float64[8]": partial(
            together, tiny, repeats
        ),
        "MLP 32-64-64-1, batch 32": partial(together, partial(mlp, 32), repeats),
        "MLP 32-64-64-1, batch 4096": partial(together, partial(mlp, 4096), repeats),
    }
    workloads |= {
        title: partial(ratios_apart, size, repeats) for title, size in LARGE.items()
    }
    workloads = {t: run for t, run in workloads.items() if options.only in t}
    record: dict[str, dict[str, float | None]] = {}
    for title, measure in workloads.items():
        print(
            f"\n{title}\n{'time / NumPy by hand':24}{'median':>8}{'p10':>8}{'p90':>8}"
        )
        record[title] = {}
        for name, values in measure().items():
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
