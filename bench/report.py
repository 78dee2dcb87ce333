"""Reports: tables in Markdown, a plot in SVG, and which bars were met."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from bench.declare import PEAK, TIME, Bar, Result, Workload
from bench.measure import quotients, spread

HEAD = ("", "median", "10 %", "90 %", "compiling", "memory", "cores")


# ------------------------------------------------------------------ tables


def tables(results: Iterable[Result], what: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a table for each case."""
    for (workload, case), found in groupby(results, lambda r: (r.workload, r.case)):
        present = list(found)
        missing = [r.contender for r in present if r.why == "missing"]
        yield f"**{workload}** ({what[workload]}): {case}\n"
        yield from table([r for r in present if r.why != "missing"])
        yield f"\nMissing: {'; '.join(missing)}.\n" if missing else ""


def table(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a table; columns that say nothing are left out."""
    unit = next((r.unit for r in results if r.unit), "")
    words = " ".join(dict.fromkeys(f"{r.measure}, {r.unit}" for r in results if r.unit))
    rows = [cells(result) for result in results]
    kept = [k for k in range(len(HEAD)) if k < 2 or any(row[k] for row in rows)]
    if not unit:
        kept = kept[:2]
    head = [words or "", *HEAD[1:]]
    yield f"| {' | '.join(head[k] for k in kept)} |"
    yield "|---" * len(kept) + "|"
    for row in rows:
        yield f"| {' | '.join(row[k] for k in kept)} |"


def cells(result: Result) -> tuple[str, ...]:
    """Return the entries of a row."""
    if result.median is None:
        return (result.contender, result.why, "", "", "", "", "")
    spreads = result.low != result.high
    return (
        result.contender,
        number(result.median),
        number(result.low) if spreads else "",
        number(result.high) if spreads else "",
        "" if result.compiling is None else f"{result.compiling:.2f} s",
        "" if result.peak is None else f"{result.peak / 1e6:.0f} MB",
        "" if result.cores is None else f"{result.cores:.1f}",
    )


def number(x: float | None) -> str:
    """Return three digits, as people write them."""
    if x is None:
        return ""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"


# ------------------------------------------------------------------ bars


def bars(
    workloads: Iterable[Workload], results: Sequence[Result], size: str
) -> Iterator[tuple[str, ...]]:
    """Yield rows: workload and case, bar, what was found, and whether it was met."""
    for workload in workloads:
        for bar in workload.bars:
            yield from verdicts(workload.name, bar, results, size)


def verdicts(
    workload: str, bar: Bar, results: Sequence[Result], size: str
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each case that a bar is of."""
    for result in results:
        if (result.workload, result.contender) != (workload, bar.contender):
            continue
        if bar.case not in result.case or bar.measure not in (result.measure, PEAK):
            continue
        other = against(bar, result, results)
        place, goal = f"{workload}, {result.case}", bar.sentence()
        if bar.size not in ("", size):
            yield place, goal, "", f"of size {bar.size}"
        elif result.median is None or isinstance(other, str):
            yield place, goal, "", result.why or str(other)
        elif (found := reached(bar, result, other)) is not None:
            met = "met" if found <= bar.at_most else "**missed**"
            yield place, goal, number(found), met


def against(bar: Bar, result: Result, results: Sequence[Result]) -> Result | str | None:
    """Return with what a result is compared, or why that is impossible."""
    if not bar.against or on_its_own(bar, result):
        return None
    place = (result.workload, result.case, bar.against)
    for other in results:
        if (other.workload, other.case, other.contender) == place:
            return other if other.median is not None else other.why
    return "not measured"


def on_its_own(bar: Bar, result: Result) -> bool:
    """Say whether a bar of memory is in units of the result itself."""
    return bar.measure == PEAK and result.measure == TIME


def reached(bar: Bar, result: Result, other: Result | None) -> float | None:
    """Return the number that a bar bounds; None if it was not measured."""
    if on_its_own(bar, result):
        if result.peak is None or not result.result_bytes:
            return None
        return result.peak / result.result_bytes
    if other is None:
        return result.median
    return spread(quotients(result.rounds, other.rounds))[0]


def declared(workloads: Iterable[Workload]) -> Iterator[tuple[str, ...]]:
    """Yield the bars of all workloads: workload, case, contender, bar."""
    for workload in workloads:
        for bar in workload.bars:
            of = f"of {bar.against}" if bar.against else ""
            when = ", ".join(
                part for part in (bar.case, bar.size and f"`--size {bar.size}`") if part
            )
            bound = f"{bar.measure} at most {bar.at_most:g} {of}".strip()
            yield workload.name, when, bar.contender, bound


# ------------------------------------------------------------------ plot

ROW, LEFT, WIDTH, RIGHT = 18, 230, 420, 70


def plot(results: Sequence[Result]) -> str:
    """Return an SVG: ratios on a logarithmic axis, with their spread, by case."""
    shown = [r for r in results if r.median is not None and r.unit.startswith("of ")]
    groups = [
        (f"{w}: {c}", list(g))
        for (w, c), g in groupby(shown, lambda r: (r.workload, r.case))
    ]
    lines: list[str] = []
    y = 10
    for title, group in groups:
        lines.append(text(10, y + 14, f"{title}; time {group[0].unit}", "bold"))
        y += 24
        lines += panel(group, y)
        y += ROW * len(group) + 34
    total = LEFT + WIDTH + RIGHT
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {y}" '
            f'width="{total}" height="{y}" font-family="sans-serif" font-size="12">',
            f'<rect width="{total}" height="{y}" fill="white"/>',
            *lines,
            "</svg>\n",
        )
    )


def panel(group: Sequence[Result], top: float) -> Iterator[str]:
    """Yield the rows of a case, and its axis."""
    numbers = [x for r in group for x in (r.low, r.high, 1.0) if x]
    low = math.floor(math.log10(min(numbers)))
    high = max(low + 1, math.ceil(math.log10(max(numbers))))

    def place(x: float) -> float:
        return LEFT + WIDTH * (math.log10(x) - low) / (high - low)

    bottom = top + ROW * len(group)
    for power in range(low, high + 1):
        yield line(place(10.0**power), top, place(10.0**power), bottom, "#ddd")
        yield text(place(10.0**power), bottom + 14, f"{10.0**power:g}", anchor="middle")
    yield line(place(1.0), top, place(1.0), bottom, "#888")
    for k, result in enumerate(group):
        y = top + ROW * (k + 0.5)
        colour = (
            "#c0392b" if result.contender.startswith("autograd-core") else "#2c5f8a"
        )
        assert result.low is not None
        assert result.high is not None
        assert result.median is not None
        yield text(LEFT - 8, y + 4, result.contender, anchor="end")
        yield line(place(result.low), y, place(result.high), y, colour, 3)
        x = place(result.median)
        yield f'<circle cx="{x:.1f}" cy="{y}" r="4" fill="{colour}"/>'
        yield text(LEFT + WIDTH + 8, y + 4, number(result.median))


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1
) -> str:
    """Return a line of SVG."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" stroke="{colour}" '
        f'stroke-width="{width}"/>'
    )


def text(
    x: float, y: float, words: str, weight: str = "normal", anchor: str = "start"
) -> str:
    """Return a text of SVG."""
    return (
        f'<text x="{x:.1f}" y="{y}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
