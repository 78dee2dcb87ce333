"""Expressions of Python: put together with no more parentheses than a person writes.

And set in lines of 88 columns, as ``ruff format`` leaves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 88

ATOM, POWER, SIGN, COMPARISON = 10, 9, 8, 1
"""How tightly operators bind, more is tighter."""

RANKS = {
    COMPARISON: ("==", "!=", "<", "<=", ">", ">="),
    2: ("|",),
    3: ("^",),
    4: ("&",),
    5: ("<<", ">>"),
    6: ("+", "-"),
    7: ("*", "/", "//", "%", "@"),
    POWER: ("**",),
}
BINARY = {operator: rank for rank, group in RANKS.items() for operator in group}


class Expression(NamedTuple):
    """Source of a value.

    Attributes
    ----------
    text
        All of it in one line.
    rank
        How tightly its outermost operator binds.
    parts
        What is between its brackets, if it is a call or a collection.
    is_simple
        Whether it is a name, an attribute or a number, next to which ``**`` has no
        spaces.
    """

    text: str
    rank: int = ATOM
    parts: tuple[Expression, ...] = ()
    is_simple: bool = False

    @property
    def ends(self) -> tuple[str, str]:
        """What is before the parts, and after them."""
        length = len(", ".join(part.text for part in self.parts)) + 1
        if self.text.endswith(",)"):
            length += 1
        return self.text[:-length], self.text[-1]

    @property
    def is_collection(self) -> bool:
        """Whether it is a tuple, list or dict."""
        return bool(self.parts) and len(self.ends[0]) == 1


def name(text: str) -> Expression:
    """Return a name, or an attribute of one."""
    return Expression(text, is_simple=True)


def number(text: str) -> Expression:
    """Return a number."""
    return Expression(text, SIGN if text.startswith("-") else ATOM, is_simple=True)


def call(function: str, arguments: Sequence[Expression]) -> Expression:
    """Return a call."""
    return bracketed(f"{function}(", arguments, ")")


def bracketed(before: str, parts: Sequence[Expression], after: str) -> Expression:
    """Return parts between brackets; of one part a tuple has a comma."""
    comma = "," if before == "(" and len(parts) == 1 else ""
    inner = ", ".join(part.text for part in parts)
    return Expression(f"{before}{inner}{comma}{after}", parts=tuple(parts))


def labelled(label: str, value: Expression) -> Expression:
    """Return a value with what stands before it: ``axis=0``, ``"w": d_w``."""
    return Expression(f"{label}{value.text}", value.rank, value.parts)


def indexed(x: Expression, key: str) -> Expression:
    """Return ``x[key]``."""
    return Expression(f"{within(x, ATOM)}[{key}]")


def attribute(x: Expression, which: str) -> Expression:
    """Return ``x.which``."""
    return Expression(f"{within(x, ATOM)}.{which}", is_simple=x.is_simple)


def unary(operator: str, x: Expression) -> Expression:
    """Return ``-x``."""
    inner = f"({x.text})" if x.rank == POWER else within(x, SIGN)
    return Expression(f"{operator}{inner}", SIGN)


def binary(operator: str, left: Expression, right: Expression) -> Expression:
    """Return ``left + right``."""
    rank = BINARY[operator]
    if operator == "**":
        base = within(left, ATOM)
        exponent = right.text if right.rank == SIGN else within(right, ATOM)
        simple = left.is_simple and left.rank == ATOM and right.is_simple
        return Expression(
            f"{base}**{exponent}" if simple else f"{base} ** {exponent}", 9
        )
    least = rank + 1 if rank == COMPARISON else rank
    text = f"{within(left, least)} {operator} {within(right, rank + 1)}"
    return Expression(text, rank)


def within(x: Expression, rank: int) -> str:
    """Return the text of an operand of what binds so tightly."""
    return x.text if x.rank >= rank else f"({x.text})"


# ------------------------------------------------------------------ lines


def lines(before: str, x: Expression, after: str = "", indent: int = 0) -> list[str]:
    """Return ``before x after`` in lines, broken between brackets if it is too long."""
    space = " " * indent
    whole = f"{space}{before}{x.text}{after}"
    if len(whole) <= WIDTH:
        return [whole]
    if not x.parts:
        return in_parentheses(before, x, after, indent)
    opening, closing = x.ends
    first, last = f"{space}{before}{opening}", f"{space}{closing}{after}"
    inner = ", ".join(part.text for part in x.parts)
    if not x.is_collection and indent + 4 + len(inner) <= WIDTH:
        return [first, f"{space}    {inner}", last]
    found = [first]
    for part in x.parts:
        found += lines("", part, ",", indent + 4)
    return [*found, last]


def in_parentheses(before: str, x: Expression, after: str, indent: int) -> list[str]:
    """Return lines of what has no brackets of its own, between parentheses."""
    space = " " * indent
    fits = indent + 4 + len(x.text) <= WIDTH
    if not (before.endswith("= ") and fits):
        return [f"{space}{before}{x.text}{after}"]
    return [f"{space}{before}(", f"{space}    {x.text}", f"{space}){after}"]


def quoted(text: str) -> str:
    """Return the literal of a string, in ASCII and with double quotes if it may be."""
    found = ascii(text)
    return f'"{found[1:-1]}"' if found[0] == "'" and '"' not in found else found
