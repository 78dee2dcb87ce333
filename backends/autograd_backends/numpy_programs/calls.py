"""How each operation is written as a call of NumPy, with the bits of the eager one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

import numpy

from autograd_backends.numpy_programs import runtime
from autograd_backends.numpy_programs.layout import (
    VIEWS,
    Strides,
    is_dense,
    is_row_major,
)
from autograd_backends.scipy_special import WIDER, SciPySpecial
from autograd_core.backend import backend
from autograd_core.library import SCALARS
from autograd_core.programs.naming import key_text, literal
from autograd_core.programs.program import DEVICE, DType, Instruction, Variable

Known: TypeAlias = dict[Variable, "Strides | None"]


@dataclass(frozen=True)
class Function:
    """A function that source calls by a name of its own.

    Attributes
    ----------
    path
        Where it is found, ``numpy.add.reduce``.
    value
        The function itself, where no import finds it.
    """

    path: str
    value: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Number:
    """A number as an array without axes, which NumPy takes in half of the time."""

    text: str
    dtype: str


@dataclass(frozen=True, eq=False)
class Held:
    """An operand that source has no literal for."""

    value: Any


@dataclass(frozen=True)
class Call:
    """A call: a template of source, and what stands in it.

    Attributes
    ----------
    text
        Source with ``{0}``, ``{1}`` ... for operands, and ``{f}`` for the function.
    operands
        Variables and numbers.
    function
        What ``{f}`` is.
    into
        The same with ``{out}``, an array for the result; None if it takes none.
    kind
        ``elementwise``, ``view`` (of its first operand), ``fresh`` (it shares no
        memory) or ``unknown``.
    """

    text: str
    operands: tuple[Any, ...]
    function: Function | None = None
    into: str | None = None
    kind: str = "fresh"
    several: bool = False
    """Whether the call gives a tuple."""
    room: str = ""
    """The dtype of an array for what is in between, ``{room}``."""


MOST_POWERS = {2: "square", 0.5: "sqrt", -1: "reciprocal", 1: "positive"}
"""What ``x ** exponent`` calls for an array of floating-point numbers."""

REDUCTIONS = {
    "sum": "numpy.add.reduce",
    "prod": "numpy.multiply.reduce",
    "max": "numpy.maximum.reduce",
    "min": "numpy.minimum.reduce",
}

BY_NAME_ONLY = ("maximum", "minimum")
"""Universal functions whose ``out`` by position is deprecated."""


def call_of(instruction: Instruction, known: Known) -> Call:
    """Return how an instruction is written."""
    operation = instruction.operation
    if instruction.arguments and all(type(x) in SCALARS for x in instruction.arguments):
        return _ours(instruction)
    if operation in SPECIAL:
        call = SPECIAL[operation](instruction, known)
        if call is not None:
            return call
    function = attrgetter(operation)(backend("numpy"))
    if isinstance(function, numpy.ufunc) and function.signature is None:
        return _universal(instruction, function, known)
    if _is_narrowed(function) and not any(
        numpy.dtype(v.dtype).name in WIDER for v in instruction.operands
    ):
        function = function.args[0]  # of double precision it is SciPy's own
    if operation in ("index_add", "pad_index"):  # methods of the eager backend
        function = getattr(runtime, operation)
        return _general(instruction, f"runtime.{operation}", function)
    path = plain_path(operation, function)
    own = None if path else _wrapped(instruction, function)
    if own is not None:
        return _general(instruction, own.path, own.value)
    return _general(instruction, path, function)


def _is_narrowed(function: Any) -> bool:
    """Say whether it is a function of SciPy's in the arrays' precision."""
    inner = getattr(function, "func", None)
    return getattr(inner, "__func__", None) is SciPySpecial._narrowed


def plain_path(operation: str, function: Any) -> str:
    """Return from where a function is imported, "" if from nowhere in NumPy or SciPy.

    It is there under the same name, or what is there is called like the operation.
    """
    import numpy.fft
    import numpy.linalg

    places: list[Any] = [numpy, numpy.linalg, numpy.fft]
    if operation.startswith("special."):
        import scipy.special

        places = [scipy.special]
    for place in places:
        name = getattr(function, "__name__", "")
        if name and getattr(place, name, None) is function:
            return f"{place.__name__}.{name}"
    return ""


CHANGED = frozenset(
    (
        *("linalg.eig", "linalg.eigvals", "nonzero"),
        *("unique_all", "unique_counts", "unique_inverse", "unique_values"),
    )
)
"""Functions that array-api-compat makes do something else than NumPy's own."""


def _wrapped(instruction: Instruction, function: Any) -> Function | None:
    """Return NumPy's own function where array-api-compat has only wrapped it.

    If it takes the same parameters, which the tests compare on every operation.
    """
    if not getattr(function, "__module__", "").startswith("array_api_compat."):
        return None
    operation = instruction.declared
    if operation.name in CHANGED or instruction.statics.get("upper"):
        return None
    home = f"numpy.{operation.extension}".rstrip(".")
    place = attrgetter(operation.extension)(numpy) if operation.extension else numpy
    value = getattr(place, operation.identifier, None)
    _, named = operation.written(
        instruction.arguments, instruction.statics, brief=operation.is_composite
    )
    if value is None or not set(_told(named)) <= set(_defaults(value)):
        return None
    return Function(f"{home}.{operation.identifier}", value)


def _told(named: dict[str, Any]) -> dict[str, Any]:
    """Return parameters without those that say what NumPy does anyway."""
    same = {"descending": False, "device": None}
    return {k: x for k, x in named.items() if k not in same or same[k] is not x}


def can_hold(variable: Variable, known: Known) -> bool:
    """Say whether a result may be computed into an array that is there already."""
    return bool(variable.shape) and is_dense(variable, known[variable])


# ------------------------------------------------------------------ universal functions


def _universal(instruction: Instruction, function: Any, known: Known) -> Call:
    name = function.__name__
    home = "numpy" if getattr(numpy, name, None) is function else "scipy.special"
    given, _ = instruction.parameters
    arrays = [x for x in given if isinstance(x, Variable)]
    operands = tuple(_operand(x, arrays, instruction.operation) for x in given)
    places = ", ".join(f"{{{k}}}" for k in range(len(operands)))
    out = "out={out}" if name in BY_NAME_ONLY else "{out}"
    (y,) = instruction.results
    holds = can_hold(y, known) and _makes(function, arrays, operands, y)
    return Call(
        f"{{f}}({places})",
        operands,
        Function(f"{home}.{name}"),
        f"{{f}}({places}, {out})" if holds else None,
        "elementwise",
    )


def _makes(
    function: Any, arrays: list[Variable], operands: tuple[Any, ...], y: Variable
) -> bool:
    """Say whether a universal function gives the dtype of a result by itself."""
    kinds = [
        numpy.dtype(x.dtype)
        if isinstance(x, (Variable, Number))
        else numpy.dtype(bool)  # which is not weak
        if isinstance(x, bool)
        else type(x)
        for x in operands
    ]
    resolved = function.resolve_dtypes((*kinds, *[None] * function.nout))
    return function.nout == 1 and bool(resolved[-1] == numpy.dtype(y.dtype))


COMPARISONS = frozenset(
    ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
)


def _operand(x: Any, arrays: list[Variable], operation: str) -> Any:
    """Return a number as an array of the dtype that NumPy would take it in."""
    if isinstance(x, Variable) or type(x) not in SCALARS or not arrays:
        return x
    if any(not v.shape for v in arrays):
        return x  # arithmetic of NumPy's scalars is faster with Python's numbers
    dtype = numpy.result_type(*(numpy.dtype(v.dtype) for v in arrays))
    if dtype.kind in "iu" and type(x) is int and operation not in COMPARISONS:
        fits = numpy.iinfo(dtype).min <= x <= numpy.iinfo(dtype).max
        return Number(repr(x), dtype.name) if fits else x
    if dtype.kind == "c" or (dtype.kind == "f" and type(x) is not complex):
        return Number(_shortest(x, dtype), dtype.name)
    return x


def _shortest(x: Any, dtype: Any) -> str:
    """Return a number as the dtype writes it: 2.0 for what was 2."""
    if dtype.kind == "f":
        x = float(x)
    return literal(x, str)


# ------------------------------------------------------------------ with care


def _pow(instruction: Instruction, known: Known) -> Call:
    """Return ``x1 ** x2``, whose operator knows some exponents, or what it calls."""
    x1, x2 = instruction.arguments
    (y,) = instruction.results
    if not isinstance(x1, Variable):
        return _operator(f"{_base(literal(x1, str))} ** {{0}}", x2)
    alike = x1.dtype == y.dtype and can_hold(y, known)
    if isinstance(x2, Variable):
        text = "{0} ** {1}"
        if not alike or not x2.shape or x2.dtype != y.dtype:
            return _operator(text, x1, x2)
        return _operator(text, x1, x2, name="power")
    text = f"{{0}} ** {_base(literal(x2, str))}"
    kind = numpy.dtype(y.dtype).kind
    if alike and kind in "fc" and not isinstance(x2, complex) and x2 in MOST_POWERS:
        return _operator(text, x1, name=MOST_POWERS[x2])
    if alike and kind == "f" and not isinstance(x2, complex):
        number = Number(literal(float(x2), str), y.dtype)
        return _operator("{0} ** {1}", x1, number, name="power")
    return _operator(text, x1)


def _operator(text: str, *operands: Any, name: str = "") -> Call:
    """Return an expression, and the universal function that it is, if that is known."""
    places = "".join(f"{{{k}}}, " for k in range(len(operands)))
    into = f"{{f}}({places}{{out}})" if name else None
    function = Function(f"numpy.{name}") if name else None
    return Call(text, operands, function, into, "elementwise")


def _base(text: str) -> str:
    """Return a number as an operand of ``**``."""
    return f"({text})" if text.startswith("-") else text


def _reduction(instruction: Instruction, known: Known) -> Call | None:
    (x,) = instruction.arguments
    (y,) = instruction.results
    statics = dict(instruction.statics)
    axis, dtype = statics.get("axis"), statics.get("dtype")
    if not isinstance(x, Variable) or set(statics) - {"axis", "dtype", "keepdims"}:
        return None
    given = [_text(axis), _text(dtype), "None", _text(bool(statics.get("keepdims")))]
    into = None
    if can_hold(y, known) and x.dtype == y.dtype and is_row_major(x, known[x]):
        rest = ", True" if statics.get("keepdims") else ""
        into = f"{{f}}({{0}}, {_text(axis)}, {_text(dtype)}, {{out}}{rest})"
    if given[-1] == "False":
        given = given[:2] if dtype is not None else given[:1]
    function = Function(REDUCTIONS[instruction.operation])
    return Call(f"{{f}}({{0}}, {', '.join(given)})", (x,), function, into)


def _matmul(instruction: Instruction, known: Known) -> Call:
    (y,) = instruction.results
    operands = instruction.arguments
    alike = all(isinstance(x, Variable) and x.dtype == y.dtype for x in operands)
    into = "{f}({0}, {1}, {out})" if alike and can_hold(y, known) else None
    return Call("{f}({0}, {1})", operands, Function("numpy.matmul"), into)


def _reshape(instruction: Instruction, known: Known) -> Call:
    (x,) = instruction.arguments
    (y,) = instruction.results
    if instruction.statics.get("copy") is not None:
        return _general(instruction, "", attrgetter("reshape")(backend("numpy")))
    assert isinstance(x, Variable)
    kind = "view" if is_row_major(x, known[x]) else "unknown"
    return Call(f"{{0}}.reshape({_text(y.shape)})", (x,), None, None, kind)


def _permuted(instruction: Instruction, known: Known) -> Call:
    axes = tuple(instruction.statics["axes"])
    turned = axes == tuple(range(len(axes)))[::-1]
    text = "{0}.T" if turned else f"{{0}}.transpose({_text(axes)})"
    return Call(text, instruction.arguments, None, None, "view")


def _indexed(instruction: Instruction, known: Known) -> Call:
    (x,) = instruction.arguments
    key = instruction.statics["key"]
    operands = [x]

    def name(variable: Variable) -> str:
        operands.append(variable)
        return f"{{{len(operands) - 1}}}"

    text = key_text(key, name)
    kind = "view" if instruction.operation == "basic_index" else "unknown"
    return Call(f"{{0}}[{text}]", tuple(operands), None, None, kind)


MANY = 4096
"""Elements from which a choice is made by bits: 0.4 ns an element instead of 1.2."""


def _where(instruction: Instruction, known: Known) -> Call | None:
    (y,) = instruction.results
    mask = instruction.statics["condition"]
    x1, x2 = instruction.arguments
    dtype = numpy.dtype(y.dtype)
    numbers = [_alike(x, y) for x in (x1, x2)]
    if y.size < MANY or dtype.kind not in "fiu" or not can_hold(y, known):
        return None
    if not isinstance(mask, Variable) or mask.dtype != "bool" or None in numbers:
        return None
    text, operands = "numpy.where({0}, {1}, {2})", (mask, *numbers)
    unsigned = f"uint{8 * dtype.itemsize}"
    if numbers[1] == Number(_shortest(0, dtype), dtype.name):
        function = Function("runtime.masked", runtime.masked)
        return Call(text, operands, function, "{f}({0}, {1}, {out})")
    function = Function("runtime.chosen", runtime.chosen)
    into = "{f}({0}, {1}, {2}, {out}, {room})"
    return Call(text, operands, function, into, room=unsigned)


def _alike(x: Any, y: Variable) -> Any:
    """Return an operand of the dtype of the result, None if it has another."""
    if isinstance(x, Variable):
        return x if x.dtype == y.dtype else None
    dtype = numpy.dtype(y.dtype)
    whole = type(x) is int or dtype.kind == "f"
    if not whole or type(x) not in (int, float):
        return None
    return Number(_shortest(x, dtype), dtype.name)


def _astype(instruction: Instruction, known: Known) -> Call | None:
    (x,) = instruction.arguments
    (y,) = instruction.results
    if not isinstance(x, Variable) or x.dtype.startswith("complex") or not x.shape:
        return None
    if instruction.statics.get("copy", True) is not True:
        return None
    return Call(f'{{0}}.astype("{y.dtype}")', (x,), None, None, "elementwise")


SPECIAL: dict[str, Callable[[Instruction, Known], Call | None]] = {
    **dict.fromkeys(REDUCTIONS, _reduction),
    "array_index": _indexed,
    "astype": _astype,
    "basic_index": _indexed,
    "matmul": _matmul,
    "permute_dims": _permuted,
    "pow": _pow,
    "reshape": _reshape,
    "where": _where,
}


# ------------------------------------------------------------------ everything else


def _general(instruction: Instruction, path: str, function: Any) -> Call:
    """Return a call as users write it, of the function that the eager backend calls."""
    operation = instruction.declared  # libraries have defaults of their own
    positional, named = operation.written(
        instruction.arguments, instruction.statics, brief=operation.is_composite
    )
    if not operation.is_composite:
        default = _defaults(function) if path else {}
        named = {k: x for k, x in named.items() if default.get(k, ...) is not x}
    if path:
        named = _told(named)
    operands: list[Any] = []

    def text(value: Any) -> str:
        if isinstance(value, Variable):
            operands.append(value)
            return f"{{{len(operands) - 1}}}"
        if type(value) is tuple:
            parts = [text(part) for part in value]
            return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
        try:
            return _text(value)
        except TypeError:  # a program, as of a loop
            operands.append(Held(value))
            return f"{{{len(operands) - 1}}}"

    parts = [text(x) for x in positional]
    parts += [f"{name}={text(x)}" for name, x in named.items()]
    if instruction.operation in VIEWS:
        kind = "view"
    else:
        kind = "fresh" if instruction.operation in FRESH else "unknown"
    home = path or f"autograd_core.ops.{instruction.operation}"
    return Call(
        f"{{f}}({', '.join(parts)})",
        tuple(operands),
        Function(home, None if path and not home.startswith("runtime.") else function),
        None,
        kind,
        isinstance(instruction.result, tuple),
    )


def _defaults(function: Any) -> dict[str, Any]:
    """Return the defaults of a function's parameters."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function of C
        return {}
    return {p.name: p.default for p in parameters}


FRESH = frozenset(
    (
        *("concat", "repeat", "roll", "take", "where", "pad_index", "index_add"),
        *("cumulative_prod", "cumulative_sum", "mean", "std", "var"),
        *("linalg.cholesky", "linalg.inv", "linalg.solve"),
    )
)
"""Functions whose results share no memory with what they take."""


def _ours(instruction: Instruction) -> Call:
    """Return the call of an operation on nothing but Python's numbers."""
    function = instruction.declared.function
    return _general(instruction, "", function)


def _text(value: Any) -> str:
    """Return the source of a literal, in which braces stand for themselves."""
    if isinstance(value, DType):
        return f'"{value}"'
    if value is DEVICE:
        return '"cpu"'
    if type(value) is tuple:
        parts = [_text(part) for part in value]
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    if isinstance(value, float) and not math.isfinite(value):
        return literal(value, str)
    return literal(value, str, xp="").replace("{", "{{").replace("}", "}}")
