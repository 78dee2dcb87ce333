"""What a program costs, before it runs: operations, bytes, and memory.

Floating-point operations (flops) are counted as textbooks do:

- elementwise functions: one for each element of the result, be it an addition or a
  logarithm; special functions, too, though each is a hundred additions;
- sums, maxima and other reductions: ``n - 1`` for ``n`` elements;
- products of matrices: ``2 m n k``;
- factorizations: the leading terms of Golub and Van Loan, Matrix Computations (4th
  edition), which agree with LAPACK Working Note 41; where an algorithm iterates (SVD,
  eigenvalues), their estimates;
- Fourier transforms: ``5 n log2 n``, of real numbers half of it, as FFTW counts;
- sorting: ``n log2 n`` comparisons;
- moving data (indexing, joining, transposing) and making it: none.

On complex numbers each is counted four times: a product of complex numbers and a sum
are eight operations on real ones, instead of two.

Bytes are those of the arrays that are read and written. A view is neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from autograd_core.batching import pointwise
from autograd_core.programs.emission import BACKWARD
from autograd_core.programs.program import (
    Instruction,
    Program,
    Variable,
    last_uses,
    variables_in,
)
from autograd_core.programs.rewriting import VIEWS as MAY_BE_VIEWS

Formula: TypeAlias = Callable[[Instruction], float]

formulas: dict[str, Formula] = {}
"""How many flops a call of an operation is, where its form does not say."""


# ------------------------------------------------------------------ counts


@dataclass(frozen=True)
class Cost:
    """What calls cost together.

    Attributes
    ----------
    calls
        How many calls there are.
    flops
        Floating-point operations.
    read, written
        Bytes of arrays.
    """

    calls: int = 0
    flops: int = 0
    read: int = 0
    written: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.flops + other.flops,
            self.read + other.read,
            self.written + other.written,
        )


class Counts:
    """What the calls of a program cost; prints as a table.

    Attributes
    ----------
    instructions
        The cost of each instruction, in their order.
    total, forward, backward
        Of all; of what computes values; of what computes derivatives in reverse mode.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        roots = roots_of(program)
        self.instructions = [cost(each, roots) for each in program.instructions]
        self.total, self.forward, self.backward = Cost(), Cost(), Cost()
        for instruction, each in zip(
            program.instructions, self.instructions, strict=True
        ):
            self.total += each
            if is_backward(instruction):
                self.backward += each
            else:
                self.forward += each

    @property
    def ratio(self) -> float:
        """The flops of all over those of the values: below 5 for a gradient, mostly."""
        return self.total.flops / self.forward.flops if self.forward.flops else math.inf

    def by_operation(self) -> dict[str, Cost]:
        """Return the cost of each operation, the dearest first."""
        found: dict[str, Cost] = {}
        pairs = zip(self.program.instructions, self.instructions, strict=True)
        for instruction, each in pairs:
            name = instruction.operation
            found[name] = found.get(name, Cost()) + each
        order = sorted(found.items(), key=_dearest)
        return dict(order)

    def __repr__(self) -> str:
        rows: list[tuple[str, ...]] = [("", "calls", "flops", "read", "written")]
        parts = [("forward", self.forward), ("backward", self.backward)]
        named = [*parts, ("total", self.total)] if self.backward.calls else parts[:1]
        for name, each in (*named, *self.by_operation().items()):
            rows.append(
                (
                    name,
                    str(each.calls),
                    quantity(each.flops),
                    f"{quantity(each.read)}B",
                    f"{quantity(each.written)}B",
                )
            )
        lines = [_aligned(row, rows) for row in rows]
        lines.insert(len(named) + 1, "-" * max(map(len, lines)))
        return "\n".join(lines)


def _dearest(pair: tuple[str, Cost]) -> tuple[int, int, str]:
    name, each = pair
    return -each.flops, -each.read - each.written, name


def _aligned(row: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [row[0].ljust(widths[0])]
    cells += [
        cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
    ]
    return "  ".join(cells).rstrip()


def quantity(number: int) -> str:
    """Return a number in three digits: ``1.23 M``, with a space at the end.

    Examples
    --------
    >>> quantity(1234567), quantity(42)
    ('1.23 M', '42 ')
    """
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            text = f"{number / 10**power:#.3g}".rstrip(".")
            return f"{text} {prefix}"
    return f"{number} "


def counts(program: Program) -> Counts:
    """Count the operations of a program, and the bytes that they read and write.

    Examples
    --------
    >>> import autograd_core as ag
    >>> def loss(w, x):
    ...     return ag.ops.sum((x @ w) ** 2)
    >>> found = counts(ag.trace(loss)(ag.spec(3), ag.spec((10, 3))))
    >>> found.total.flops  # 10 products of 3 elements, 10 squares, 9 additions
    79
    """
    return Counts(program)


def is_backward(instruction: Instruction) -> bool:
    """Say whether a call belongs to the reverse pass of a derivative."""
    return instruction.results[0].line.startswith(BACKWARD)


def cost(instruction: Instruction, roots: dict[Variable, Variable]) -> Cost:
    """Return the cost of a call; of a loop, that of all its steps and of the stacks."""
    results = instruction.results
    if instruction.operation == "loop":
        step, length = Counts(instruction.statics["body"]).total, _steps(instruction)
        stacks = sum(v.nbytes for v in _stacks(instruction))
        return Cost(
            step.calls * length,
            step.flops * length,
            step.read * length + stacks,
            step.written * length + stacks,
        )
    if roots[results[0]] is not results[0]:
        return Cost(calls=1)  # a view
    written = sum(v.nbytes for v in results)
    operands = dict.fromkeys(instruction.operands)
    read = sum(min(v.nbytes, roots[v].nbytes) for v in operands)
    if instruction.operation in PARTIAL:  # only what is asked for
        (x, *rest) = operands
        indices = sum(v.nbytes for v in rest)
        read = min(x.nbytes, sum(v.size for v in results) * _width(x)) + indices
    return Cost(1, flops(instruction), read, written)


def _steps(instruction: Instruction) -> int:
    length: int = instruction.statics["length"]
    return length


def _stacks(instruction: Instruction) -> tuple[Variable, ...]:
    """Return the results of a loop that are stacked."""
    return instruction.results[instruction.statics["carries"] :]


def _width(x: Variable) -> int:
    return x.nbytes // x.size if x.size else 0


PARTIAL = frozenset(["take", "take_along_axis", "array_index"])
"""Operations that read no more elements than they return."""


# ------------------------------------------------------------------ flops


def flops(instruction: Instruction) -> int:
    """Return the floating-point operations of a call.

    Of an operation that nothing is known of, one for each element of the result.
    """
    name, operation = instruction.operation, instruction.declared
    formula = formulas.get(name)
    if formula is not None:
        number = formula(instruction)
    elif name in FREE:
        number = 0
    elif operation.elementwise or operation.batching is pointwise:
        number = instruction.results[0].size
    else:
        number = sum(v.size for v in instruction.results)
    everything = (*instruction.operands, *instruction.results)
    is_complex = any(v.dtype.startswith("complex") for v in everything)
    return round(number * (4 if is_complex else 1))


FREE = frozenset(
    (
        *("astype", "to_device", "basic_index", "pad_index", "array_index", "take"),
        *("take_along_axis", "reshape", "expand_dims", "squeeze", "broadcast_to"),
        *("broadcast_arrays", "permute_dims", "moveaxis", "flip", "roll", "concat"),
        *("stack", "unstack", "repeat", "tile", "arange", "empty", "empty_like", "eye"),
        *("full", "full_like", "linspace", "meshgrid", "ones", "ones_like", "zeros"),
        *("zeros_like", "tril", "triu", "fft.fftshift", "fft.ifftshift", "index_set"),
        *("fft.fftfreq", "fft.rfftfreq", "matrix_transpose", "linalg.diagonal"),
        *("real", "imag", "positive"),
    )
)
"""Operations that compute nothing: they move elements, or make them."""


def costs(*names: str) -> Callable[[Formula], Formula]:
    """Declare how many flops a call of operations is."""

    def declare(formula: Formula) -> Formula:
        formulas.update(dict.fromkeys(names, formula))
        return formula

    return declare


def first(instruction: Instruction) -> Variable:
    """Return the first array that a call reads."""
    return instruction.operands[0]


def size_of(x: Any) -> int:
    """Return the number of elements of an array or of a number."""
    return x.size if isinstance(x, Variable) else 1


@costs("sum", "prod", "max", "min", "all", "any", "count_nonzero", "argmax", "argmin")
def reduction(instruction: Instruction) -> float:
    """One less than there are elements, for each result."""
    return max(first(instruction).size - instruction.results[0].size, 0)


@costs("mean")
def mean(instruction: Instruction) -> float:
    """Those of a sum, and a division."""
    return reduction(instruction) + instruction.results[0].size


@costs("var", "std")
def variance(instruction: Instruction) -> float:
    """Two means, and a difference and a square for each element; and the root."""
    roots = instruction.results[0].size if instruction.operation == "std" else 0
    return 2 * mean(instruction) + 2 * first(instruction).size + roots


@costs("linalg.vector_norm")
def vector_norm(instruction: Instruction) -> float:
    """Two for each element: squares, and their sum."""
    return 2 * first(instruction).size


@costs("cumulative_sum", "cumulative_prod")
def cumulation(instruction: Instruction) -> float:
    """One for each element but the first ones."""
    x, axis = first(instruction), instruction.statics["axis"]
    length = x.shape[axis or 0] if x.shape else 1
    return x.size - (x.size // length if length else 0)


@costs("index_add")
def scattered(instruction: Instruction) -> float:
    """One for each element that is added."""
    return first(instruction).size


@costs("diff")
def differences(instruction: Instruction) -> float:
    """One for each element, as often as it is taken."""
    times: int = instruction.statics.get("n", 1)
    return times * instruction.results[0].size


@costs("trapezoid")
def trapezoid(instruction: Instruction) -> float:
    """Four for each element: a sum of two, two products, and the sum of all."""
    return 4 * first(instruction).size


@costs("clip")
def clip(instruction: Instruction) -> float:
    """One for each bound."""
    bounds = sum(x is not None for x in instruction.arguments[1:])
    return bounds * instruction.results[0].size


@costs("sort", "argsort", "unique_all", "unique_counts", "unique_inverse")
def sorting(instruction: Instruction) -> float:
    """``n log2 n`` comparisons of each row of ``n``."""
    x, axis = first(instruction), instruction.statics.get("axis", -1)
    length = x.shape[axis] if x.shape else 1
    return x.size * math.log2(length) if length > 1 else 0


formulas["unique_values"] = sorting


@costs("searchsorted")
def searching(instruction: Instruction) -> float:
    """``log2 n`` comparisons for each element that is looked up."""
    among = instruction.statics["x1"]
    return instruction.results[0].size * math.log2(max(size_of(among), 2))


# ------------------------------------------------------------------ products


@costs("matmul")
def product(instruction: Instruction) -> float:
    """``2 m n k``."""
    x1 = instruction.arguments[0]
    length = x1.shape[-1] if isinstance(x1, Variable) and x1.shape else 1
    return 2 * instruction.results[0].size * length


@costs("vecdot")
def dot(instruction: Instruction) -> float:
    """``2 n``."""
    length: int = first(instruction).shape[instruction.statics["axis"]]
    return 2 * instruction.results[0].size * length


@costs("tensordot")
def tensordot(instruction: Instruction) -> float:
    """Two for each element of the result and each one that is summed over."""
    x1, x2 = instruction.operands[0], instruction.operands[-1]
    result = instruction.results[0].size
    return 2 * math.sqrt(x1.size * x2.size * result) if result else 0


@costs("einsum")
def einsum(instruction: Instruction) -> float:
    """Two for each value of all indices, and each product."""
    subscripts = instruction.statics["subscripts"].replace(" ", "").partition("->")[0]
    lengths: dict[str, int] = {}
    for part, x in zip(subscripts.split(","), instruction.arguments, strict=True):
        shape = x.shape if isinstance(x, Variable) else ()
        for label, n in zip(_labels(part, len(shape)), shape, strict=True):
            lengths[label] = max(n, lengths.get(label, 1))
    count = max(len(instruction.arguments), 2)
    return (count - 1) * 2 * math.prod(lengths.values())


def _labels(part: str, ndim: int) -> list[str]:
    before, _, after = part.partition("...")
    missing = ndim - len(before) - len(after) if "..." in part else 0
    return [*before, *(f".{k}" for k in range(missing, 0, -1)), *after]


@costs("linalg.trace")
def trace(instruction: Instruction) -> float:
    """``n - 1`` for each matrix."""
    count, _, n = stack_of_matrices(first(instruction))
    return count * max(n - 1, 0)


@costs(
    *("special.softmax", "special.log_softmax", "special.logsumexp"),
    *("special.log_sum_exp", "special.weighted_log_sum_exp"),
)
def exponentials(instruction: Instruction) -> float:
    """Five for each element: maximum, difference, exponential, sum, quotient."""
    return 5 * first(instruction).size


@costs("interp")
def interpolation(instruction: Instruction) -> float:
    """``log2 n`` comparisons for each element, and four for the line."""
    among = max(size_of(instruction.arguments[1]), 2)
    return instruction.results[0].size * (math.log2(among) + 4)


@costs("isin")
def membership(instruction: Instruction) -> float:
    """``log2 n`` comparisons for each element."""
    among = max(size_of(instruction.statics["x2"]), 2)
    return instruction.results[0].size * math.log2(among)


@costs("linalg.cross")
def cross(instruction: Instruction) -> float:
    """Two products and a difference for each element."""
    return 3 * instruction.results[0].size


# ------------------------------------------------------------------ factorizations


def stack_of_matrices(x: Variable) -> tuple[int, int, int]:
    """Return how many matrices there are, the longer and the shorter side of each."""
    *stack, m, n = x.shape
    return math.prod(stack), max(m, n), min(m, n)


@costs("linalg.cholesky")
def cholesky(instruction: Instruction) -> float:
    """``n^3 / 3`` (Golub and Van Loan, algorithm 4.2.2)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * n**3 / 3


@costs("linalg.det", "linalg.slogdet")
def elimination(instruction: Instruction) -> float:
    """``2 n^3 / 3``, of the LU factorization (algorithm 3.4.1)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 2 * n**3 / 3


@costs("linalg.inv")
def inverse(instruction: Instruction) -> float:
    """``2 n^3`` (section 3.4)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 2 * n**3


@costs("linalg.solve")
def solve(instruction: Instruction) -> float:
    """``2 n^3 / 3``, and ``2 n^2`` for each right side."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 2 * n**3 / 3 + 2 * n * instruction.results[0].size


@costs("linalg.qr")
def qr(instruction: Instruction) -> float:
    """``4 n^2 (m - n/3)`` with ``Q`` by Householder reflections (section 5.2).

    Where all of ``Q`` is wanted, ``4 (m^2 n - m n^2 + n^3/3)`` for it.
    """
    x = first(instruction)
    count, longer, shorter = stack_of_matrices(x)
    m, n = x.shape[-2:]
    factor = 2 * shorter**2 * (longer - shorter / 3)
    if instruction.statics["mode"] == "complete" and m > n:
        return count * (factor + 4 * (m**2 * n - m * n**2 + n**3 / 3))
    return count * 2 * factor


@costs("linalg.eigh")
def eigh(instruction: Instruction) -> float:
    """``9 n^3`` (section 8.3)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 9 * n**3


@costs("linalg.eigvalsh")
def eigvalsh(instruction: Instruction) -> float:
    """``4 n^3 / 3`` (section 8.3)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 4 * n**3 / 3


@costs("linalg.eig")
def eig(instruction: Instruction) -> float:
    """``25 n^3`` (section 7.5)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 25 * n**3


@costs("linalg.eigvals")
def eigvals(instruction: Instruction) -> float:
    """``10 n^3`` (section 7.5)."""
    count, n, _ = stack_of_matrices(first(instruction))
    return count * 10 * n**3


@costs("linalg.svd")
def svd(instruction: Instruction) -> float:
    """``14 m n^2 + 8 n^3``; with all vectors ``4 m^2 n + 8 m n^2 + 9 n^3`` (8.6)."""
    count, m, n = stack_of_matrices(first(instruction))
    if instruction.statics["full_matrices"]:
        return count * (4 * m**2 * n + 8 * m * n**2 + 9 * n**3)
    return count * (14 * m * n**2 + 8 * n**3)


@costs("linalg.svdvals", "linalg.matrix_rank")
def svdvals(instruction: Instruction) -> float:
    """``4 m n^2 - 4 n^3 / 3`` (section 8.6)."""
    count, m, n = stack_of_matrices(first(instruction))
    return count * (4 * m * n**2 - 4 * n**3 / 3)


@costs("linalg.matrix_norm")
def matrix_norm(instruction: Instruction) -> float:
    """Singular values for the norms made of them, else two for each element."""
    if instruction.statics["ord"] in (2, -2, "nuc"):
        return svdvals(instruction)
    return 2 * first(instruction).size


@costs("linalg.pinv")
def pinv(instruction: Instruction) -> float:
    """Those of the singular value decomposition, and of the product of two factors."""
    count, m, n = stack_of_matrices(first(instruction))
    return count * (14 * m * n**2 + 8 * n**3 + 2 * m * n**2)


@costs("linalg.matrix_power")
def matrix_power(instruction: Instruction) -> float:
    """``2 n^3`` for each product, by squaring; of a negative power, and the inverse."""
    count, n, _ = stack_of_matrices(first(instruction))
    power: int = instruction.statics["n"]
    products = abs(power).bit_length() + abs(power).bit_count() - 2
    return count * 2 * n**3 * (max(products, 0) + (power < 0))


# ------------------------------------------------------------------ Fourier transforms


@costs("fft.fft", "fft.ifft", "fft.rfft", "fft.irfft", "fft.hfft", "fft.ihfft")
def fourier(instruction: Instruction) -> float:
    """``5 n log2 n`` for each row, in real operations; of real rows half of it."""
    return transform(instruction, (instruction.statics["axis"],))


@costs("fft.fftn", "fft.ifftn", "fft.rfftn", "fft.irfftn")
def fourier_in_axes(instruction: Instruction) -> float:
    """``5 N log2 N`` for ``N`` elements of all axes that are transformed."""
    axes = instruction.statics["axes"]
    shape = first(instruction).shape
    count = len(instruction.statics["s"] or shape)
    return transform(instruction, axes or range(-count, 0))


def transform(instruction: Instruction, axes: Iterable[int]) -> float:
    """Return the operations of a transform, over the four for complex numbers."""
    x, y = first(instruction), instruction.results[0]
    larger = x if x.size >= y.size else y
    length = math.prod(larger.shape[k] for k in axes)
    is_real = not (x.dtype.startswith("complex") and y.dtype.startswith("complex"))
    return 5 * larger.size * math.log2(max(length, 1)) / (8 if is_real else 4)


# ------------------------------------------------------------------ memory

VIEWS = MAY_BE_VIEWS - {"meshgrid"}
"""Operations whose result lies in the memory of its argument."""

IN_ORDER = frozenset(["reshape", "expand_dims", "squeeze", "to_device"])
"""Those of them that leave the elements in the order of the memory."""


def roots_of(program: Program) -> dict[Variable, Variable]:
    """Return, for each variable, that in whose memory its elements lie.

    A reshaped array is a copy where the elements do not lie in the order of rows.
    """
    roots = {v: v for v in (*program.inputs, *program.constants)}
    scattered: set[Variable] = set()
    for each in program.instructions:
        view = each.operation in VIEWS and bool(each.arguments)
        sources = list(variables_in(each.arguments))
        copied = each.operation == "reshape" and sources[0] in scattered
        for k, variable in enumerate(each.results):
            x = sources[min(k, len(sources) - 1)] if view else variable
            is_view = view and not copied and not _computes(each, x)
            roots[variable] = roots[x] if is_view else variable
            if is_view and (each.operation not in IN_ORDER or x in scattered):
                scattered.add(variable)
    return roots


def _computes(instruction: Instruction, x: Variable) -> bool:
    """Say whether `imag` makes zeros of real numbers."""
    return instruction.operation == "imag" and not x.dtype.startswith("complex")


def peak_bytes(program: Program) -> int:
    """Return the most memory that arrays take while a program is evaluated.

    Counted is what the program makes, its results included; not its inputs and the
    constants that it holds, which are there before. An array is let go after its last
    use, unless a view of it is still read. What an operation needs besides its result
    (NumPy's `var`, LAPACK's workspace) is not known.
    """
    return max(alive(program), default=0)


def alive(program: Program) -> Iterator[int]:
    """Yield the bytes of the arrays that there are during each instruction."""
    roots, last = roots_of(program), last_uses(program)
    given = {*program.inputs, *program.constants}
    readers: dict[Variable, int] = {}  # variables that lie in each root's memory
    total = 0
    for k, instruction in enumerate(program.instructions):
        for variable in instruction.results:
            root = roots[variable]
            readers[root] = readers.get(root, 0) + 1
            if root is variable:
                total += variable.nbytes
        yield total + _within(instruction)
        for variable in last.get(k, ()):
            root = roots[variable]
            if variable in given:
                continue
            readers[root] -= 1
            if not readers[root] and root not in given:
                total -= root.nbytes


def _within(instruction: Instruction) -> int:
    """Return what a loop needs beside its results: rows to stack, or its last step."""
    if instruction.operation != "loop":
        return 0
    rows = sum(v.nbytes for v in _stacks(instruction))
    return max(rows, peak_bytes(instruction.statics["body"]))
