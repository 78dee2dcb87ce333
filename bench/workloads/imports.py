"""W7: what importing a library adds to importing NumPy, and what is installed.

Each import is a process of its own that imports NumPy first; they take turns. Sizes of
peers are those of the files that their distribution lists, without what it requires.
This library's are those of its packages, and of a wheel of them (compressed as wheels
are, without metadata).
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from bench.contenders import OURS
from bench.declare import Bar, Options, Result, Workload
from bench.measure import spread

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    OURS: "autograd_core",
    "HIPS autograd": "autograd",
    "advect": "advect",
    "MyGrad": "mygrad",
    "PyTorch": "torch",
    "JAX": "jax",
    "TensorFlow": "tensorflow",
    "MLX": "mlx",
}
CODE = """
import sys, time
import numpy
start = time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - start) * 1e3)
"""
IMPORT, WHEEL = "milliseconds to import, beyond NumPy's", "kB of the wheel"
INSTALLED = "kB installed"
RUNS = {"smoke": 1}


def measure(workload: Workload, options: Options) -> Iterator[Result]:
    """Measure imports, in turn, and sizes."""
    chosen = [name for name in PACKAGES if options.wants(name, OURS)]
    wanted = {name: PACKAGES[name] for name in chosen}
    times = import_times(wanted, RUNS.get(options.size, options.repeats))
    for name, found in times.items():
        yield result(workload, IMPORT, name, found)
    for name, package in wanted.items():
        size = installed(package)
        yield result(workload, INSTALLED, name, [size / 1e3] if size else [])
    yield result(workload, WHEEL, OURS, [wheel() / 1e3])


def result(workload: Workload, what: str, name: str, found: list[float]) -> Result:
    """Return a result; without numbers, the library is missing."""
    if not found:
        return Result(workload.name, what, name, why="missing")
    return Result(
        workload.name,
        what,
        name,
        what.partition(" ")[0],
        *spread(found),
        measure=what,
        rounds=tuple(found),
    )


# ------------------------------------------------------------------ time


def import_times(packages: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Return the milliseconds of each import; none for a missing library."""
    found: dict[str, list[float]] = {name: [] for name in packages}
    missing = {name for name, package in packages.items() if seconds(package) is None}
    for _ in range(runs):  # the imports above may have had to write bytecode
        for name, package in packages.items():
            if name not in missing and (took := seconds(package)) is not None:
                found[name].append(took)
    return found


def seconds(package: str) -> float | None:
    """Import a package in a new process, after NumPy; return milliseconds."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, package],
        capture_output=True,
        text=True,
        check=False,
    )
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


# ------------------------------------------------------------------ size


def sources() -> list[Path]:
    """Return the files of this library that are installed."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    paths = (path for package in packages for path in (ROOT / package).rglob("*"))
    return [p for p in paths if p.is_file() and "__pycache__" not in p.parts]


def installed(package: str) -> int | None:
    """Return the bytes of the files of a package; None if it is missing."""
    if package == PACKAGES[OURS]:
        return sum(path.stat().st_size for path in sources())
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in files]
    return sum(
        path.stat().st_size
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    )


def wheel() -> int:
    """Return the bytes of the packages, compressed as in a wheel."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources():
            archive.write(path, path.relative_to(ROOT))
    return len(packed.getvalue())


IMPORTS = Workload(
    "W7",
    "the time of an import, and the size of what is installed",
    measure,
    bars=(
        Bar(OURS, "", 50.0, measure=IMPORT),
        Bar(OURS, "", 150.0, measure=WHEEL),
    ),
)
