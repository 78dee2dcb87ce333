"""The command that runs workloads; imported once the threads have been limited."""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import groupby

from bench import history, report
from bench.contenders import OURS
from bench.declare import Options, Result, Workload
from bench.workloads import WORKLOADS


def run(arguments: argparse.Namespace) -> int:
    """Measure, report, and return the exit status: 1 if a contender was refused."""
    options = Options(
        size=arguments.size,
        repeats=arguments.repeats,
        limit=arguments.limit,
        only=tuple(filter(None, arguments.only.split(";"))),
        without=tuple(filter(None, arguments.without.split(";"))),
        memory=not arguments.no_memory,
        base=arguments.base,
        case=arguments.case,
        clock=arguments.clock,
    )
    workloads = chosen(arguments.workloads)
    results = measured(workloads, options)
    print_bars(workloads, results, options)
    if arguments.json or arguments.history:
        found = history.record(results, options, arguments.blas_threads)
        for path in filter(None, (arguments.json, arguments.history)):
            history.write(path, found)
    if arguments.plot:
        arguments.plot.write_text(report.plot(results), encoding="utf-8")
    return int(any(wrong(result) for result in results))


def chosen(names: list[str]) -> list[Workload]:
    """Return the workloads with these names; all of them for none."""
    unknown = [n for n in names if not any(n in each for each in WORKLOADS)]
    if unknown:
        known = ", ".join(WORKLOADS)
        sys.exit(f"no workload {unknown[0]!r}; there are {known}")
    return [
        w for w in WORKLOADS.values() if not names or any(n in w.name for n in names)
    ]


def measured(workloads: list[Workload], options: Options) -> list[Result]:
    """Measure workloads, and print the table of each case when it is done."""
    results: list[Result] = []
    for workload in workloads:
        with warnings.catch_warnings():  # of libraries, about themselves
            warnings.simplefilter("ignore")
            found = workload.measure(workload, options)
            for _, case in groupby(found, lambda result: result.case):
                together = list(case)
                for line in report.tables(together, {workload.name: workload.what}):
                    print(line, flush=True)
                results += together
    return results


def print_bars(
    workloads: list[Workload], results: list[Result], options: Options
) -> None:
    """Print which bars were met."""
    rows = list(report.bars(workloads, results, options.size))
    if rows:
        print("| workload | bar | found | |\n|---|---|---|---|")
        for row in rows:
            print(f"| {' | '.join(row)} |")


def wrong(result: Result) -> bool:
    """Say whether a result is that of a wrong contender, or a failure of ours."""
    ours = result.contender.startswith(OURS)
    return result.why.startswith("refused") or (
        ours and result.why.startswith("failed")
    )
