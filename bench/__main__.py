"""Run the workloads, with the peers side by side.

    python -m bench                                    every workload
    python -m bench W2 W3 --repeats 20 --json results.json --plot ratios.svg
    python -m bench --history bench/history.jsonl      and keep it
    python -m bench compare old.json new.json          what became slower
    python -m bench compare bench/history.jsonl        the last two of a history

Prints a table in Markdown for each case, and the bars with whether they were met; what
it is doing goes to the standard error. `docs/benchmarks.md` says what is measured.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # of XLA
)
"""What the libraries read when they are imported."""


def set_threads(count: int) -> None:
    """Give the libraries so many threads each, unless it is too late."""
    if "numpy" not in sys.modules:
        os.environ.update(dict.fromkeys(THREADS, str(count)))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__.partition("\n")[0],
        epilog="`python -m bench compare OLD NEW` shows what became slower.",
    )
    made.add_argument("workloads", nargs="*", help="names, or parts of them")
    made.add_argument("--repeats", type=int, default=20, help="rounds (default 20)")
    made.add_argument(
        "--limit",
        type=float,
        default=120.0,
        help="seconds for the rounds of a case (default 120)",
    )
    made.add_argument("--size", choices=("smoke", "default", "full"), default="default")
    made.add_argument(
        "--only", default="", help="contenders with one of these words: 'HIPS;JAX'"
    )
    made.add_argument(
        "--without", default="", help="leave out those with one of these words"
    )
    made.add_argument("--case", default="", help="cases with this in their title")
    made.add_argument(
        "--clock",
        choices=("wall", "processor"),
        default="wall",
        help="whose time counts (default wall)",
    )
    made.add_argument("--base", default="", help="give ratios to this contender")
    made.add_argument(
        "--blas-threads", type=int, default=1, help="of each library (default 1)"
    )
    made.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    made.add_argument("--json", type=Path, help="write all that was found")
    made.add_argument("--plot", type=Path, help="write a plot, as SVG")
    made.add_argument("--history", type=Path, help="append to a file of JSON lines")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["compare"]:
        return compare(words[1:])
    options = parser().parse_args(words)
    set_threads(options.blas_threads)
    from bench.command import run  # imports NumPy, which now has its threads

    return run(options)


def compare(words: Sequence[str]) -> int:
    """Compare two runs; the exit status is 1 if something of ours became worse."""
    from bench import history

    made = argparse.ArgumentParser(prog="python -m bench compare")
    made.add_argument("old", type=Path, help="a file of --json, or a history")
    made.add_argument("new", type=Path, nargs="?", help="another; without it, the last")
    made.add_argument("--slower", type=float, default=history.SLOWER)
    options = made.parse_args(words)
    old = history.read(options.old, 1 if options.new else 2)
    new = history.read(options.new or options.old)
    lines, fine = history.comparison(old, new, options.slower)
    print("\n".join(lines))
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
