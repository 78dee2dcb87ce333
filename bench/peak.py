"""Peak memory of one call, in a process of its own.

    python -m bench.peak WORKLOAD CASE CONTENDER SIZE      prints bytes

The process first runs the workload in small, which loads what the library loads late.
Then it prepares the contender, notes what it holds with the inputs in place, calls once
(which compiles, and fills whatever is kept between calls), and calls again: the figure
is the most that it held during this second call, beyond what it held before the first.
It is that of the system (resident pages), so that it means the same for every library,
whoever allocates; less than a megabyte is noise. Only Linux tells the peak of a part of
a process; elsewhere, the first call counts too.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

from bench.workloads import WORKLOADS

STATUS, REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def highest() -> int:
    """Return the most bytes that the process has held since `forget`."""
    if STATUS.exists():
        return field("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def field(name: str) -> int:
    """Return an entry of what Linux says of this process, in bytes."""
    lines = STATUS.read_text().splitlines()
    return next(int(s.split()[1]) for s in lines if s.startswith(name)) * 1024


def forget() -> None:
    """Begin to look for the peak anew, where the system can, with free memory gone."""
    gc.collect()
    if STATUS.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
        REFS.write_text("5")


def main(arguments: list[str] | None = None) -> None:
    """Measure in this process."""
    workload, case, contender, size = arguments or sys.argv[1:]
    cases = WORKLOADS[workload].cases
    assert cases is not None
    next(cases("smoke")).makes[contender]()[0]()
    run, _ = next(c for c in cases(size) if c.title == case).makes[contender]()
    forget()
    before = highest()
    run()
    forget()
    run()
    print(highest() - before)


if __name__ == "__main__":
    main()
