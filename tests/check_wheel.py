"""Check a built wheel: its top-level names, its marker files and its size.

python tests/check_wheel.py dist/*.whl
"""

import sys
import zipfile
from pathlib import Path

PACKAGES = {"autograd_core", "autograd_ops", "autograd_backends", "autograd_train"}
LARGEST = 150_000


def check(wheel: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    found = {name for name in top if not name.endswith(".dist-info")}
    faults = []
    if found != PACKAGES:
        faults.append(f"top-level names are {sorted(found)}, not {sorted(PACKAGES)}")
    untyped = [p for p in sorted(PACKAGES) if f"{p}/py.typed" not in names]
    if untyped:
        faults.append(f"no py.typed in {untyped}")
    if wheel.stat().st_size > LARGEST:
        faults.append(f"{wheel.stat().st_size} bytes, more than {LARGEST}")
    return faults


if __name__ == "__main__":
    wheel = Path(sys.argv[1])
    faults = check(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size} bytes; {'; '.join(faults) or 'fine'}")
    sys.exit(bool(faults))
