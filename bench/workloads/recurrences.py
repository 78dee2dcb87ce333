"""W6: recurrences of 10,000 and of 100,000 steps; the time grows with their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.contenders import BY_HAND, OURS, Contender, Program, contender
from bench.declare import (
    COMPILED,
    COMPILING,
    EAGER,
    GROWTH,
    Bar,
    Case,
    Differentiated,
    Make,
    Options,
    Result,
    Workload,
)
from bench.measure import (
    compiling,
    prepared,
    quotients,
    spread,
    summary,
    turns,
)

TIME = 2.0
"""Of the equation x' = sin x that is integrated, so that gradients do not vanish."""

STEPS = {"smoke": (20, 200), "default": (10_000, 100_000)}
LOOPS = (*EAGER, COMPILED)
SCANS = (OURS, COMPILED, "JAX jit")
"""Contenders with a loop of their own, which is not unrolled."""


def loop(steps: int) -> Program:
    """Return the recurrence as a loop of Python."""

    def program(np: Any, x: Any) -> Any:
        for _ in range(steps):
            x = x + TIME / steps * np.sin(x)
        return np.sum(x)

    return program


def scan(who: Contender, steps: int) -> Program:
    """Return the recurrence as the loop of a library."""
    scan = who.scan

    def program(np: Any, x: Any) -> Any:
        def step(x: Any, _: Any) -> tuple[Any, None]:
            return x + TIME / steps * np.sin(x), None

        return np.sum(scan(step, x, None, steps)[0])

    return program


def by_hand(steps: int, x: Any) -> tuple[Any, tuple[Any]]:
    saved = []
    for _ in range(steps):
        saved.append(x)
        x = x + TIME / steps * np.sin(x)
    t = np.ones_like(x)
    while saved:
        t = t + TIME / steps * np.cos(saved.pop()) * t
    return np.sum(x), (t,)


def cases(size: str) -> Iterator[Case]:
    x = np.linspace(0.1, 1.0, 8)
    for steps in STEPS.get(size, STEPS["default"]):
        looped = Differentiated(
            loop(steps),
            (x,),
            (0,),
            lambda x, steps=steps: by_hand(steps, x),
            contenders=LOOPS,
        )
        makes = dict(looped.makes())
        makes |= {f"{name}, scan": scanned(name, steps, x) for name in SCANS}
        yield Case(f"{steps:,} steps", makes)


def scanned(name: str, steps: int, x: Any) -> Make:
    def make() -> tuple[Any, Contender]:
        who = contender(name)
        both, arrays = who.gradient(scan(who, steps), (x,), (0,))
        return lambda: who.ready(both(*arrays)), who

    return make


def growing(workload: Workload, options: Options) -> Iterator[Result]:
    """Measure both numbers of steps in the same rounds, and the growth."""
    few, many = cases(options.size)
    found = {case.title: prepared(workload.name, case, options) for case in (few, many)}
    turns([each for runners, _ in found.values() for each in runners], options)
    for case in (few, many):
        runners, absent = found[case.title]
        for name, why in absent.items():
            yield Result(workload.name, case.title, name, why=why)
        for each in runners:
            yield summary(workload.name, case, each, runners[0], None)
    short = {each.name: each for each in found[few.title][0]}
    both = [
        (short[long.name], long) for long in found[many.title][0] if long.name in short
    ]
    for few_of, many_of in both:
        growth = quotients(many_of.seconds, few_of.seconds)
        yield grown(workload, many_of.name, GROWTH, growth)
    for few_of, many_of in both:
        if many_of.compiles and (less := compiling(few_of)):
            growth = [compiling(many_of) / less]
            yield grown(workload, many_of.name, COMPILING, growth)


def grown(workload: Workload, name: str, what: str, growth: list[float]) -> Result:
    """Return by what something grows."""
    return Result(
        workload.name,
        what,
        name,
        "times",
        *spread(growth),
        measure=what,
        rounds=tuple(growth),
    )


RECURRENCES = Workload(
    "W6",
    "x + h sin(x) on float64[8], in steps of h = 2 / steps; value and gradient",
    growing,
    cases=cases,
    bars=(
        *(
            Bar(name, "", 12.0, measure=GROWTH)
            for name in (OURS, COMPILED, f"{OURS}, scan", f"{COMPILED}, scan")
        ),
        Bar(f"{COMPILED}, scan", "", 2.0, measure=COMPILING),  # it is not unrolled
    ),
)
assert BY_HAND in next(cases("smoke")).makes
