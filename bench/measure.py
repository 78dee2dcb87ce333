"""How contenders are compared: agreement first, then rounds in which they take turns.

They share a process, or have one each (`bench.apart`). In a round every contender runs
for at least ten milliseconds, in an order that rotates from round to round; its time is
divided by that of the base in the same round, so that what else the machine does
meanwhile meets all of them. A figure is the median over the rounds, with the 10th and
the 90th percentile. Slow contenders sit out once they have had their share of the time,
after three rounds at least.
"""

from __future__ import annotations

import importlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy

from bench.contenders import Run, Unavailable, host
from bench.declare import Case, Make, Options, Result, Workload

SHORTEST = 0.01
"""Seconds that a contender runs for in a round, at least."""

FEWEST = 3
"""Rounds that a contender takes part in, however slow."""


class DisagreementError(AssertionError):
    """A contender computes something else than the others."""


Timing: TypeAlias = Callable[[int], tuple[float, float]]
"""Calls a contender so often; gives seconds of the clock, and of the processor."""


def nothing() -> None:
    """Do nothing."""


@dataclass
class Runner:
    """A contender that is ready to run, and what has been found so far."""

    name: str
    timing: Timing
    compiles: bool
    first: float
    """Seconds that preparing and the first call took."""

    result: list[numpy.ndarray] = field(default_factory=list)
    """Of the first call, until it has been checked."""

    stop: Callable[[], None] = nothing
    """What to do when it will not run again."""

    calls: int = 1
    seconds: list[float | None] = field(default_factory=list)
    processor: float = 0.0
    wall: float = 0.0
    """Both times, of all rounds."""


def timed(workload: Workload, options: Options) -> Iterator[Result]:
    """Measure the cases of a workload."""
    assert workload.cases is not None
    for case in workload.cases(options.size):
        if options.case not in case.title:
            continue
        print(f"{workload.name}: {case.title}", file=sys.stderr, flush=True)
        yield from measured(workload.name, case, options)


def measured(workload: str, case: Case, options: Options) -> Iterator[Result]:
    """Compare the contenders of a case, and yield a result for each."""
    runners, absent = prepared(workload, case, options)
    turns(runners, options)
    for each in runners:
        each.stop()
    by_name = {r.name: r for r in runners}
    base = by_name.get(options.base, by_name[case.base])
    for name in case.makes:
        if name in by_name:
            runner = by_name[name]
            held = None
            if case.result_bytes and options.memory:
                held = held_by(workload, case.title, name, options.size)
            yield summary(workload, case, runner, base, held)
        elif name in absent:
            yield Result(workload, case.title, name, why=absent[name])


def held_by(workload: str, case: str, contender: str, size: str) -> float | None:
    """Return the bytes that a call takes, in a new process; None if it cannot tell."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.peak", workload, case, contender, size],
        capture_output=True,
        text=True,
        check=False,
    )
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


# ------------------------------------------------------------------ preparation


def prepared(
    workload: str, case: Case, options: Options
) -> tuple[list[Runner], dict[str, str]]:
    """Return those that can run, and agree; and why others cannot."""
    runners: list[Runner] = []
    absent: dict[str, str] = {}
    expected = host(case.makes[case.base]()[0]())
    for name, make in case.makes.items():
        if not options.wants(name, case.base):
            continue
        if case.apart:
            place = (workload, case.title, name, options.size)
            found = importlib.import_module("bench.apart").Process(*place).runner()
        else:
            found = runner(name, make)
        if isinstance(found, str):
            absent[name] = found
            continue
        try:
            check(found.result, expected, case.tolerance)
        except DisagreementError as why:
            absent[name] = f"refused: {why}"
            found.stop()
        else:
            found.result = []
            runners.append(found)
    return runners, absent


def runner(name: str, make: Make) -> Runner | str:
    """Prepare a contender and call it once, or say why that is impossible."""
    start = time.perf_counter()
    try:
        run, who = make()
        result = run()
        took = time.perf_counter() - start
        arrays = host(result)
    except ImportError:
        return "missing"
    except Unavailable as why:
        return f"n.a.: {why}"
    except Exception as error:  # a peer's bug, or limit, is its own
        text = str(error).strip().partition("\n")[0][:60]
        return f"failed: {type(error).__name__}: {text}"
    compiles = who is not None and who.compiles
    return Runner(name, partial(elapsed, run), compiles, took, arrays)


def check(
    found: list[numpy.ndarray], right: list[numpy.ndarray], tolerance: float
) -> None:
    """Raise unless two results are alike."""
    if [a.shape for a in found] != [a.shape for a in right]:
        shapes = ", ".join(str(a.shape) for a in found)
        raise DisagreementError(f"arrays of the shapes {shapes}")
    for k, (a, b) in enumerate(zip(found, right, strict=True)):
        off = numpy.max(numpy.abs(a - b), initial=0.0)
        if not off <= tolerance * max(numpy.max(numpy.abs(b), initial=0.0), 1e-300):
            raise DisagreementError(f"off by {off:.3g} in result {k}")


# ------------------------------------------------------------------ rounds


def turns(runners: list[Runner], options: Options) -> None:
    """Let the contenders run in turn, and note the times."""
    for each in runners:
        each.calls = calls(each)
    share = options.limit / len(runners)
    for k in range(options.repeats):
        first = k % len(runners)
        for each in runners[first:] + runners[:first]:
            if k >= FEWEST and each.wall > share:
                each.seconds.append(None)
            else:
                once(each, options.clock)


def calls(each: Runner) -> int:
    """Return how often to call a contender in a round."""
    count = 1
    if not each.compiles and each.first > 10 * SHORTEST:
        return count
    while (took := each.timing(count)[0]) < SHORTEST / 4:
        count *= 4
    return max(1, round(SHORTEST / (took / count)))


def compiling(each: Runner) -> float:
    """Return the seconds by which the first call was longer than later ones."""
    steady = statistics.median(s for s in each.seconds if s is not None)
    return max(0.0, each.first - steady)


def elapsed(run: Run, count: int) -> tuple[float, float]:
    """Return the seconds that so many calls take, of the clock and the processor."""
    processor, start = time.process_time(), time.perf_counter()
    for _ in range(count):
        run()
    return time.perf_counter() - start, time.process_time() - processor


def once(each: Runner, clock: str) -> None:
    """Let a contender have its turn."""
    wall, processor = each.timing(each.calls)
    counted = wall if clock == "wall" else processor
    each.seconds.append(counted / each.calls)
    each.processor += processor
    each.wall += wall


# ------------------------------------------------------------------ results


def summary(
    workload: str, case: Case, runner: Runner, base: Runner, held: float | None
) -> Result:
    """Return what was found for a contender."""
    ratios = quotients(runner.seconds, base.seconds)
    return Result(
        workload,
        case.title,
        runner.name,
        f"of {base.name}",
        *spread(ratios),
        compiling=compiling(runner) if runner.compiles else None,
        peak=held,
        cores=runner.processor / max(runner.wall, 1e-9),
        rounds=tuple(runner.seconds),
        result_bytes=case.result_bytes,
    )


def quotients(
    these: list[float | None] | tuple[float | None, ...],
    those: list[float | None] | tuple[float | None, ...],
) -> list[float]:
    """Return the ratios in the rounds in which both took part."""
    pairs = zip(these, those, strict=True)
    return [a / b for a, b in pairs if a is not None and b is not None]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return median, 10th and 90th percentile."""
    low, high = numpy.quantile(values, [0.1, 0.9])
    return statistics.median(values), float(low), float(high)
