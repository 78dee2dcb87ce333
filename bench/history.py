"""Runs as files: one as JSON, many as lines of a history; and how two differ."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from bench.declare import Options, Result

Run: TypeAlias = dict[str, Any]

LIBRARIES = (
    "numpy",
    "autograd",
    "advect",
    "mygrad",
    "micrograd",
    "torch",
    "jax",
    "tensorflow",
    "mlx",
)
SLOWER = 1.1
"""How much larger a ratio must be to count as a regression, by default."""


def record(results: Sequence[Result], options: Options, threads: int) -> Run:
    """Return what a run found, and under which circumstances."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "size": options.size,
        "clock": options.clock,
        "repeats": options.repeats,
        "libraries": dict(versions()),
        "results": [asdict(result) for result in results],
    }


def commit() -> str:
    """Return the commit that was measured, with a plus sign if files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def versions() -> Iterator[tuple[str, str]]:
    """Yield the versions of the libraries that are installed."""
    for name in LIBRARIES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def write(path: Path, run: Run) -> None:
    """Write a run; to a history (``.jsonl``) as one line more, without its rounds."""
    if path.suffix != ".jsonl":
        path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
        return
    short = [{k: v for k, v in r.items() if k != "rounds"} for r in run["results"]]
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**run, "results": short}) + "\n")


def read(path: Path, back: int = 1) -> Run:
    """Return a run from its file; from a history the last, or one further back."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".jsonl":
        return dict(json.loads(text))
    lines = text.splitlines()
    if len(lines) < back:
        raise ValueError(f"{path.name} has {len(lines)} runs; compare needs {back}")
    return dict(json.loads(lines[-back]))


def compared(
    old: Run, new: Run, slower: float = SLOWER
) -> Iterator[tuple[str, str, str, float, float, str]]:
    """Yield workload, case, contender, both medians, and what to think of them.

    A figure that is larger by the factor is a regression if the two spreads are apart,
    too: the new 10th percentile beyond the old 90th. Results with nothing to compare
    them with are left out, unless they are there no longer.
    """
    before = {key(r): r for r in old["results"] if r["median"] is not None}
    after = {key(r): r for r in new["results"]}
    for place, was in before.items():
        now = after.get(place)
        if now is None:
            continue
        if now["median"] is None:
            yield *place, was["median"], float("nan"), f"lost: {now['why']}"
            continue
        yield *place, was["median"], now["median"], judged(was, now, slower)
        if was["peak"] and now["peak"] and now["peak"] > max(slower, 1.1) * was["peak"]:
            sizes = was["peak"] / 1e6, now["peak"] / 1e6
            if sizes[1] > sizes[0] + 5:
                yield *place, *sizes, "regression (MB)"


def judged(was: dict[str, Any], now: dict[str, Any], slower: float) -> str:
    """Say what became of a figure; smaller is better."""
    if now["median"] > slower * was["median"] and now["low"] > was["high"]:
        return "regression"
    if was["median"] > slower * now["median"] and was["low"] > now["high"]:
        return "better"
    return ""


def key(result: dict[str, Any]) -> tuple[str, str, str]:
    """Return what identifies a result."""
    return result["workload"], result["case"], result["contender"]


def comparison(old: Run, new: Run, slower: float = SLOWER) -> tuple[list[str], bool]:
    """Return the lines of a table, and whether nothing of ours became worse."""
    lines = ["| | was | is | |", "|---|---|---|---|"]
    worse = False
    for workload, case, name, was, now, verdict in compared(old, new, slower):
        lines.append(
            f"| {workload}, {case}: {name} | {was:.3g} | {now:.3g} | {verdict} |"
        )
        ours = name.startswith("autograd-core")
        worse = worse or (ours and verdict.startswith(("regression", "lost")))
    return lines, not worse
