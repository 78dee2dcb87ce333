"""What the variables of a program are called when it is written, and its literals.

No text of a user's reaches source that is run but as an identifier or as the literal of
a string.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from autograd_core.programs.program import DEVICE, DType, Program, Variable


def names_of(program: Program, reserved: Iterable[str] = ()) -> dict[Variable, str]:
    """Return an identifier for each variable, no two alike: the user's where possible.

    Parameters
    ----------
    program
        A program.
    reserved
        Names that are taken. Inputs keep theirs even so, as they are given by name.
    """
    found: dict[Variable, str] = {}
    taken, last = set(reserved), dict[str, int]()
    for variable in program.inputs:
        found[variable] = variable.name
        taken.add(variable.name)
    for variable in program.constants:
        found[variable] = _free(_identifier(variable.name) or "c", taken, last)
    for instruction in program.instructions:
        for variable in instruction.results:
            found[variable] = _free(_identifier(variable.name) or "v", taken, last)
    return found


def is_identifier(name: str) -> bool:
    """Say whether a name is an identifier as Python keeps it, which is normal.

    Others would become the same in source, or be refused there.
    """
    normal = unicodedata.normalize("NFKC", name) == name
    return name.isidentifier() and normal and name != "__debug__"


def _identifier(name: str) -> str:
    """Return a name if it may stand in source, else nothing."""
    plain = name.isidentifier() and name.isascii() and not name.startswith("__")
    return name if plain and not keyword.iskeyword(name) else ""


def _free(name: str, taken: set[str], last: dict[str, int]) -> str:
    """Return a name that is not taken, and take it; ``last`` is the number it had."""
    numbered = name in ("v", "c")
    number = last.get(name, 0) + 1
    found = f"{name}1" if numbered else name
    while found in taken or (number > 1 and found == name):
        found = f"{name}{number}" if numbered else f"{name}_{number}"
        number += 1
    taken.add(found)
    last[name] = max(number - 1, 1)
    return found


def literal(value: Any, names: Callable[[Variable], str], xp: str = "xp") -> str:
    """Return the source of a parameter: a variable by its name, a dtype as of ``xp``.

    Raises
    ------
    TypeError
        If it is none of what `Instruction` lists.
    """
    if isinstance(value, Variable):
        return names(value)
    if isinstance(value, DType):
        return f"{xp}.{value}" if xp else repr(str(value))
    if value is DEVICE:
        return "device"
    if value is Ellipsis:
        return "..."
    if isinstance(value, bool | int | str) or value is None:
        return repr(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, complex):
        return f"complex({number(value.real)}, {number(value.imag)})"
    if isinstance(value, slice):
        return _slice(value)
    if isinstance(value, tuple):
        parts = [literal(part, names, xp) for part in value]
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    raise TypeError(f"{type(value).__name__} has no literal in a program")


def number(value: float) -> str:
    """Return the source of a float: ``repr`` gives none for inf and nan."""
    text = repr(float(value))
    return text if text[-1].isdigit() else f"float({text!r})"


def _slice(key: slice) -> str:
    start, stop, step = key.start, key.stop, key.step
    return f"slice({start}, {stop}, {step})"


def key_text(key: Any, names: Callable[[Variable], str]) -> str:
    """Return the source of what stands between brackets: ``1:, None``."""
    parts = key if isinstance(key, tuple) else (key,)
    texts = [_colons(p) if isinstance(p, slice) else literal(p, names) for p in parts]
    whole = isinstance(key, tuple)
    return ", ".join(texts) + ("," if whole and len(texts) == 1 else "") or "()"


def _colons(key: slice) -> str:
    ends = ["" if k is None else str(k) for k in (key.start, key.stop)]
    return ":".join(ends) + ("" if key.step is None else f":{key.step}")
