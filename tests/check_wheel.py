"""Check a built wheel: its top-level names, its marker files and its size.

python tests/check_wheel.py dist/*.whl
"""

import sys
import zipfile
from pathlib import Path

PACKAGES = {"autograd_core", "autograd_ops", "autograd_backends", "autograd_train"}
TESTING = "autograd_core/testing/"
LARGEST = 410_000
"""Bytes of what differentiating needs; the checks of `ag.testing` have their own."""
LARGEST_TESTING = 120_000


def check(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    files = zipfile.ZipFile(wheel).infolist()
    names = [file.filename for file in files]
    testing = sum(f.compress_size for f in files if f.filename.startswith(TESTING))
    top = {name.partition("/")[0] for name in names}
    found = {name for name in top if not name.endswith(".dist-info")}
    faults = []
    if found != PACKAGES:
        faults.append(f"top-level names are {sorted(found)}, not {sorted(PACKAGES)}")
    untyped = [p for p in sorted(PACKAGES) if f"{p}/py.typed" not in names]
    if untyped:
        faults.append(f"no py.typed in {untyped}")
    rest = wheel.stat().st_size - testing
    for what, size, largest in (
        ("the library", rest, LARGEST),
        (TESTING, testing, LARGEST_TESTING),
    ):
        if size > largest:
            faults.append(f"{what} has {size} bytes, more than {largest}")
    return faults


if __name__ == "__main__":
    wheel = Path(sys.argv[1])
    faults = check(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size} bytes; {'; '.join(faults) or 'fine'}")
    sys.exit(bool(faults))
