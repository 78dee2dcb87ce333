"""What importing autograd_core adds to importing NumPy.

    python bench/import_time.py [--runs 15]

Each run is a new process that imports NumPy first; the figure is the median, in
milliseconds, beside NumPy's own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CODE = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import autograd_core
print((middle - start) * 1e3, (time.perf_counter() - middle) * 1e3)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="processes (default 15)")
    options = parser.parse_args()
    rows = []
    for _ in range(options.runs + 1):  # the first may have to write bytecode
        done = subprocess.run(
            [sys.executable, "-c", CODE], capture_output=True, check=True, text=True
        )
        rows.append([float(part) for part in done.stdout.split()])
    numpy, ours = map(statistics.median, zip(*rows[1:], strict=True))
    print(f"numpy {numpy:.0f} ms, autograd_core {ours:.0f} ms more")


if __name__ == "__main__":
    main()
