"""What a command line names: ``path/to/file.py::function``, ``module::function``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, TypeVar

from autograd_core.errors import OURS

T = TypeVar("T")

PLACE = re.compile(r" \(at (.+?):\d+\)")
"""Where the user called, as the words of an error end with it."""

LIBRARIES = OURS | {"importlib"}
"""Packages whose lines say nothing to the user."""

IN_PACKAGE = "The file belongs to a package: give package.module::function."


class UsageError(Exception):
    """The command cannot be carried out as given."""


def loaded(target: str) -> Callable[..., Any]:
    """Return the function of ``path/to/file.py::function`` or ``module::function``."""
    place, _, name = target.partition("::")
    module = of_file(Path(place)) if is_path(place) else of_name(place)
    if not name:
        raise UsageError(f"{target} names no function: {place}::... {offered(module)}")
    found: Any = module
    for part in name.replace("::", ".").split("."):
        if not hasattr(found, part):
            raise UsageError(f"{place} has no function {name!r}. {offered(module)}")
        found = getattr(found, part)
    if not callable(found):
        kind = type(found).__name__
        raise UsageError(f"{target} is no function but {kind}. {offered(module)}")
    function: Callable[..., Any] = found
    return function


def is_path(place: str) -> bool:
    """Say whether a file is meant, and not a module."""
    return place.endswith(".py") or "/" in place or os.sep in place


def of_file(path: Path) -> ModuleType:
    """Import a file, with its folder on the path as Python has it for scripts."""
    if not path.is_file() or path.suffix != ".py":
        what = "is not a Python file" if path.exists() else "does not exist"
        raise UsageError(f"{path} {what}. Give path/to/file.py::function.")
    sys.path.insert(0, str(path.parent.resolve()))
    name = path.stem if path.stem not in sys.modules else f"_checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    loader = spec.loader
    assert loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    importing(str(path), partial(loader.exec_module, module))
    return module


def of_name(name: str) -> ModuleType:
    """Import a module by its name."""
    return importing(name, partial(importlib.import_module, name))


def importing(place: str, load: Callable[[], T]) -> T:
    """Import, and raise what that raises as an error of the one who named it."""
    try:
        return load()
    except SyntaxError as cause:
        where = f"{cause.filename}:{cause.lineno}"
        raise UsageError(f"{where}: SyntaxError: {cause.msg}") from cause
    except SystemExit as cause:
        raise UsageError(
            f"{place} exits when it is imported. Put what it runs under "
            'if __name__ == "__main__".'
        ) from cause
    except Exception as cause:
        hint = f" {IN_PACKAGE}" if "relative import" in str(cause) else ""
        raise UsageError(
            f"{place} cannot be imported: {raised(cause)}.{hint}"
        ) from cause


def offered(module: ModuleType) -> str:
    """Say which functions a module defines."""
    names = [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    return f"It has {', '.join(names) or 'no functions'}."


def raised(cause: BaseException) -> str:
    """Say what was raised and where: ``ValueError: no (at model.py:12)``."""
    texts = [str(cause), *getattr(cause, "__notes__", ())]
    text = "; ".join(" ".join(text.split()).rstrip(".") for text in texts)
    places = users_places(cause)
    text = with_places_in(text, [file for file, _ in places])
    if places and "(at " not in text:
        text += " (at {}:{})".format(*places[-1])
    return f"{type(cause).__name__}: {text}"


def users_places(cause: BaseException) -> list[tuple[str, int]]:
    """Return the files and lines of an exception that no library owns."""
    found = []
    for frame, line in walk_tb(cause.__traceback__):
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        file = frame.f_code.co_filename
        library = (
            package in LIBRARIES or file.startswith("<") or "site-packages" in file
        )
        if not library:
            found.append((file, line))
    return found


def with_places_in(text: str, files: Collection[str]) -> str:
    """Return the words of an error without lines of other files: the command's own."""

    def kept(found: re.Match[str]) -> str:
        return found[0] if found[1] in files else ""

    return PLACE.sub(kept, text)
