"""Write into the documentation what is known elsewhere: declarations and measurements.

    python docs/generate.py                                       rewrite stale parts
    python docs/generate.py --check                               fail if one is stale
    python docs/generate.py --insert mutation < mutation.md       put a measurement in

A part of a page stands between two comments:

    <!-- generated: kinks -->
    ...
    <!-- end -->

``properties``, ``kinks`` and ``special functions`` come from declarations;
``operators`` and ``elsewhere`` from the front door, its docstrings and the page of each
operator; ``workloads`` and ``bars`` from the benchmarks. ``output`` is what the block
of Python above it prints. ``mutation``, ``checkers``, ``false alarms``, ``support``,
``consumers`` and ``benchmarks`` are measured, by commands that the pages name, and only
inserted.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import autograd_core as ag
from autograd_core.operation import Kink, Operation, registry
from autograd_core.programs.passes.registry import LEVELS, Optimisation, optimisations
from autograd_core.testing.properties import PROPERTIES, Row

ROOT = Path(__file__).resolve().parent.parent
OPERATORS = ROOT / "docs/operators"
PAGES = (*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")))

PART = re.compile(
    r"(?P<start><!-- generated: (?P<name>[a-z ]+) -->\n)"
    r"(?P<text>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)
BLOCK = re.compile(r"^```python(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.DOTALL)
ERROR = re.compile(r" \+- [0-9.e+-]+")
NUMBER = re.compile(r"-?\d+\.\d+(e[+-]?\d+)?")

MATH = re.compile(r":math:`([^`]*)`")
COST = re.compile(r"^\*\*Cost\.\*\* (.+?)\.\s", re.MULTILINE | re.DOTALL)

NO_OPERATORS = tuple(
    f"autograd_core.{name}" for name in ("backend", "tensor", "programs.program")
)
"""Modules whose public names are libraries, arrays and programs."""

MEASURED = (
    "mutation",
    "checkers",
    "false alarms",
    "support",
    "consumers",
    "benchmarks",
)

Source = Callable[[str], str]
"""Makes the text of a part from the page above it."""

SOURCES: dict[str, Source] = {}


def source(name: str) -> Callable[[Source], Source]:
    """Declare where the text of a part comes from."""

    def declare(make: Source) -> Source:
        SOURCES[name] = make
        return make

    return declare


def table(*rows: tuple[str, ...]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


# ------------------------------------------------------------------ properties


@source("properties")
def properties(above: str) -> str:
    """Return the table of what `check_grads` verifies."""
    head = ("property", "what it says", "applies to")
    rows = [(row.name, marked(row.sentence), applies(row)) for row in PROPERTIES]
    return table(head, *rows)


def marked(sentence: str) -> str:
    """Return a sentence of a docstring in Markdown."""
    return sentence.replace("``", "`").replace("|", "\\|")


def applies(row: Row) -> str:
    """Say to what a property applies."""
    words = [" and ".join(f"{mode} mode" for mode in sorted(row.modes)) or "all"]
    if row.order > 1:
        words.append(f"order {row.order} and more")
    if row.nests:
        words.append("derivatives too")
    if row.ours:
        words.append("this library's derivatives")
    elif row.operators:
        words.append("operators (`using=`)")
    return "; ".join(words)


# ------------------------------------------------------------------ kinks


@source("kinks")
def kinks(above: str) -> str:
    """Return the table of the kinks that operations declare."""
    rows = [
        (f"`{operation.name}`", where(operation, kink), derivative(kink), kink.reason)
        for operation in registry.values()
        if operation.declaration.__module__.startswith("autograd_ops")
        for kink in operation.kinks
    ]
    head = ("operation", "at", "derivative", "why")
    return table(head, *(tuple(map(marked, row)) for row in sorted(rows)))


def where(operation: Operation, kink: Kink) -> str:
    """Return ``x1 = 1, x2 = 1``."""
    given = dict(zip(operation.arguments, kink.values, strict=True)) | kink.statics
    return ", ".join(f"`{name}` = {number(x)}" for name, x in given.items())


def derivative(kink: Kink) -> str:
    """Return the gradient of each argument."""
    return ", ".join(map(number, kink.gradient))


def number(x: Any) -> str:
    """Return a number, or nested lists of them, as people write them."""
    if isinstance(x, list):
        parts = [number(part) for part in x]
        return parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    if isinstance(x, float):
        return f"{x:g}".replace("inf", "∞")
    return str(x)


# ------------------------------------------------------------------ special functions


@source("special functions")
def special_functions(above: str) -> str:
    """Return the table of special functions, as their docstrings describe them."""
    rows = [
        (f"`{operation.identifier}`", marked(" ".join(sentence(operation).split())))
        for operation in registry.values()
        if operation.declaration.__module__.startswith("autograd_ops.special_")
    ]
    return table(("function", "what it is, and its derivative"), *sorted(rows))


def sentence(operation: Operation) -> str:
    """Return the first paragraph of an operation's docstring."""
    return (operation.declaration.__doc__ or "").strip().partition("\n\n")[0]


# ------------------------------------------------------------------ operators


def operators() -> list[str]:
    """Return the public names that stand for transforms and the like."""
    public = [(name, getattr(ag, name)) for name in ag.__all__]
    return [
        name for name, x in public if callable(x) and x.__module__ not in NO_OPERATORS
    ]


def pages_of_operators() -> dict[str, Path]:
    """Return the page of each operator: that whose title has its name."""
    pages: dict[str, Path] = {}
    for path in sorted(OPERATORS.glob("*.md")):
        if path.stem != "index":
            title = path.read_text(encoding="utf-8").partition("\n")[0]
            pages |= dict.fromkeys(title.removeprefix("# ").split(", "), path)
    if set(pages) != set(operators()):
        odd = ", ".join(sorted(set(pages) ^ set(operators())))
        raise ValueError(f"operators without a page, or pages without one: {odd}")
    return pages


@source("operators")
def all_operators(above: str) -> str:
    """Return the table of operators: what each is, and what it costs."""
    rows = [("operator", "", "cost")]
    for name, path in pages_of_operators().items():
        what = (inspect.getdoc(getattr(ag, name)) or "").partition("\n")[0]
        found = COST.search(path.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{path.name} has no paragraph that begins with **Cost.**")
        cost = " ".join(found[1].split())
        rows.append((linked(name, path), marked(MATH.sub(r"$\1$", what)), cost))
    return table(*rows)


@source("elsewhere")
def elsewhere(above: str) -> str:
    """Return the table of what other libraries call the operators, from their pages."""
    rows = [("", "JAX", "PyTorch", "HIPS autograd", "what differs")]
    for name, path in pages_of_operators().items():
        row = re.search(
            rf"^\| `{name}` \|(.*)\|$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        if row is None:
            raise ValueError(f"{path.name} has no row `{name}` of names elsewhere")
        cells = [cell.strip() for cell in row[1].split("|")]
        if len(cells) != len(rows[0]) - 1:
            raise ValueError(f"{path.name}: the row `{name}` has {len(cells)} cells")
        rows.append((linked(name, path), *cells))
    return table(*rows)


def linked(name: str, path: Path) -> str:
    """Return a name that leads to its page."""
    return f"[`{name}`]({path.name})"


# ------------------------------------------------------------------ passes


@source("passes")
def passes(above: str) -> str:
    """Return the table of the passes over programs: what each does."""
    rows = [("pass", "level", "")]
    for each in sorted(optimisations.values(), key=_level):
        text = " ".join(each.reason.partition("\n\n")[0].split())
        rows.append((each.name, each.level, marked(text)))
    return table(*rows)


def _level(optimisation: Optimisation) -> int:
    return LEVELS.index(optimisation.level)


# ------------------------------------------------------------------ benchmarks


@source("workloads")
def workloads(above: str) -> str:
    """Return the table of what is measured."""
    rows = [(name, workload.what) for name, workload in benchmarks().items()]
    return table(("workload", "what is computed"), *rows)


@source("bars")
def bars(above: str) -> str:
    """Return the table of what the workloads are to reach."""
    declared = importlib.import_module("bench.report").declared
    head = ("workload", "where", "who", "what")
    return table(head, *declared(benchmarks().values()))


def benchmarks() -> dict[str, Any]:
    """Return the workloads, which are not installed with the library."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    found: dict[str, Any] = importlib.import_module("bench.workloads").WORKLOADS
    return found


# ------------------------------------------------------------------ output


@source("output")
def output(above: str) -> str:
    """Return what the last block of Python above prints, after those it continues."""
    chain: list[str] = []
    for block in BLOCK.finditer(above):
        options = block["info"].split()
        if "notest" not in options:
            chain = [*(chain if "continuation" in options else []), block["code"]]
    scope: dict[str, Any] = {"__name__": "fence"}
    printed = StringIO()
    for code in chain:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, "model.py", "exec"), scope)
    return f"```text\n{printed.getvalue().rstrip()}\n```"


def alike(text: str, other: str) -> bool:
    """Say whether two texts are the same to what rounding may do to their numbers."""
    return rounded(text) == rounded(other)


def rounded(text: str) -> str:
    """Return a text with numbers of six digits, and without estimated errors."""
    return NUMBER.sub(lambda m: f"{float(m[0]):.6g}", ERROR.sub("", text))


# ------------------------------------------------------------------ pages


def rewritten(page: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a page that are stale: what they say, and should say."""
    for part in PART.finditer(page):
        name = part["name"]
        if name in MEASURED:
            continue
        if name not in SOURCES:
            known = ", ".join(sorted((*SOURCES, *MEASURED)))
            raise ValueError(f"nothing generates {name!r}; known are {known}")
        fresh = SOURCES[name](page[: part.start()])
        if not alike(fresh, part["text"].strip()):
            yield part[0], filled(part, fresh)


def inserted(page: str, name: str, text: str) -> str:
    """Return a page with a measurement in its place."""

    def put(part: re.Match[str]) -> str:
        return filled(part, text) if part["name"] == name else part[0]

    return PART.sub(put, page)


def filled(part: re.Match[str], text: str) -> str:
    """Return a part with another text."""
    return f"{part['start']}\n{text.strip()}\n\n{part['end']}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--insert", choices=MEASURED, metavar="|".join(MEASURED))
    options = parser.parse_args(arguments)
    measured = sys.stdin.read() if options.insert else ""
    stale = []
    for path in PAGES:
        page = before = path.read_text(encoding="utf-8")
        if options.insert:
            page = inserted(page, options.insert, measured)
        else:
            for old, new in rewritten(page):
                page = page.replace(old, new, 1)
        if page != before:
            stale.append(path.relative_to(ROOT).as_posix())
            if not options.check:
                path.write_text(page, encoding="utf-8")
    verb = "stale" if options.check else "rewritten"
    for name in stale:
        print(f"{verb}: {name}")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
