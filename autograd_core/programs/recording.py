"""Recording: a level whose arrays have no values, and which writes down every call.

It lies below all transforms, where otherwise the library computes, so that gradients,
batches and whatever else is above are recorded as the calls they come down to. What an
array's shape and dtype are is inferred by the abstract backend; nothing is computed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import count, takewhile
from operator import index
from typing import Any, Self

from autograd_core import backend, pytree
from autograd_core.apply import dispatch
from autograd_core.batching import refused
from autograd_core.errors import describe, describe_arguments, dtype_name, error
from autograd_core.graph import (
    Array,
    Level,
    NoValueError,
    eager,
    new,
    recording,
)
from autograd_core.operation import Operation, registry
from autograd_core.operators.calls import Arrays, PullRules, PushRules, Rules
from autograd_core.programs.naming import is_identifier
from autograd_core.programs.opaque import own_rule
from autograd_core.programs.program import (
    DEVICE,
    DType,
    Guard,
    Instruction,
    Program,
    Variable,
    device_of,
)
from autograd_core.programs.provenance import Provenance, entry
from autograd_core.tensor import (
    Constant,
    Recorded,
    Tracked,
    is_array,
    is_recorded,
)
from autograd_core.transform import Pytree, require_function


class Spec:
    """The type of an array that does not exist yet, and maybe what it is called.

    Attributes
    ----------
    shape, dtype
        Its type; the dtype by its name in the standard.
    name
        What the program's input is called; by default after the parameter.
    """

    __slots__ = ("dtype", "name", "shape")  # no dataclass, which would be a pytree

    def __init__(self, shape: tuple[int, ...], dtype: str, name: str = "") -> None:
        self.shape, self.dtype, self.name = shape, dtype, name

    def __repr__(self) -> str:
        named = f"{self.name}: " if self.name else ""
        return f"Spec({named}{self.dtype}[{','.join(map(str, self.shape))}])"


def spec(shape: int | Sequence[int], dtype: Any = "float64") -> Spec:
    """Describe an array for `trace`: its shape and dtype, no data.

    Parameters
    ----------
    shape
        The lengths of the axes.
    dtype
        The standard's name of a dtype, or a library's dtype.

    Raises
    ------
    TypeError, ValueError
        If the shape is none, or there is no such dtype.

    Examples
    --------
    >>> import autograd_core as ag
    >>> program = ag.trace(lambda x: x @ x)(ag.spec((3, 3), "float32"))
    >>> program.outputs[0].type
    'float32[3,3]'
    """
    return placeholder("", shape, dtype)


def placeholder(
    name: str, shape: int | Sequence[int] = (), dtype: Any = "float64"
) -> Spec:
    """Describe an array for `trace`, with the name by which it is given later.

    Parameters
    ----------
    name
        An identifier of Python.
    shape, dtype
        As in `spec`.

    Raises
    ------
    TypeError, ValueError
        If the name is no identifier, the shape is none, or there is no such dtype.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> x, y = ag.placeholder("x", 2), ag.placeholder("y", 2)
    >>> program = ag.trace(lambda a, b: a * b)(x, y)
    >>> program(x=numpy.asarray([1.0, 2.0]), y=numpy.asarray([3.0, 4.0]))
    array([3., 8.])
    """
    what = "placeholder" if name else "spec"
    if not isinstance(name, str) or (name and not is_identifier(name)):
        raise error(
            TypeError if not isinstance(name, str) else ValueError,
            what,
            "the name must be an identifier of Python",
            repr(name),
            "Use letters (in Unicode's form NFKC), digits and underscores.",
        )
    lengths = _lengths(shape)
    if lengths is None:
        raise error(
            ValueError,
            what,
            "the shape must be lengths of axes, from 0 on",
            repr(shape),
            "Give a tuple of ints; sizes that vary need a program each.",
        )
    known = dtype if isinstance(dtype, str) else dtype_name(dtype)
    if known not in DTYPES:
        raise error(
            ValueError,
            what,
            "the dtype must be one of the standard's",
            repr(dtype),
            f"Use one of {', '.join(DTYPES)}.",
        )
    return Spec(lengths, known, name)


def _lengths(shape: Any) -> tuple[int, ...] | None:
    """Return a shape as Python's own integers, None if it is none."""
    try:
        lengths = (index(shape),) if hasattr(shape, "__index__") else tuple(shape)
        found = tuple(map(index, lengths))
    except TypeError:
        return None
    is_shape = all(n >= 0 for n in found) and not isinstance(shape, bool)
    return found if is_shape else None


DTYPES = (
    *("float64", "float32", "complex128", "complex64", "bool"),
    *("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8"),
    "float16",
)


# ------------------------------------------------------------------ the level


class Record(Level):
    """A level that writes down the calls of operations on its arrays.

    Attributes
    ----------
    instructions, constants, own, guards
        What a `Program` is made of.
    library
        The library the program is recorded for: that of the examples, if any.
    outer
        Arrays of transforms around the recording, with the inputs that stand for them;
        None where there must not be any.
    stable
        Whether functions are rewritten before they are differentiated (`primals`).
    examples
        An array for each input, of which guards are computed; None if there are none.
    """

    __slots__ = (
        "_before",
        "abstract",
        "answers",
        "computed",
        "constants",
        "examples",
        "guards",
        "inputs",
        "instructions",
        "library",
        "masks",
        "outer",
        "own",
        "provenance",
        "stable",
        "values",
    )

    def __init__(self, name: str, library: backend.Backend | None = None) -> None:
        super().__init__(name, forward=False)
        self.abstract = backend.backend("abstract")
        self.library = self.abstract if library is None else library
        self.instructions: list[Instruction] = []
        self.inputs: list[Variable] = []
        self.constants: dict[int, tuple[Variable, Array]] = {}
        self.own: set[Variable] = set()
        self.masks: set[Variable] = set()
        self.guards: list[Guard] = []
        self.examples: Sequence[Array] | None = None
        self.answers: Iterator[bool | int] | None = None
        self.stable = False
        self.outer: dict[int, tuple[Variable, Tracked]] | None = None
        self.values: dict[Variable, Array] = {}
        self.computed = 0
        self.provenance = Provenance()

    def __enter__(self) -> Self:
        self._before = recording.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        recording.reset(self._before)
        self.close()

    # ---- arrays of the recording

    def input(self, described: Spec) -> Recorded:
        """Return the array that stands for a new input."""
        variable = Variable(described.shape, described.dtype, described.name)
        self.inputs.append(variable)
        return self.recorded(variable)

    def recorded(self, variable: Variable) -> Recorded:
        """Return the array that stands for a variable."""
        result = new(Recorded)
        dtype = self.abstract.dtype(variable.dtype)
        result.value = self.abstract.empty(variable.shape, dtype=dtype)
        result.node, result.world = variable, self.world(self.abstract)
        return result

    def own_dtype(self, dtype: Any) -> Any:
        """Return a dtype as the library that is recorded for has it."""
        own = self.library.dtype(dtype_name(dtype))
        return dtype if callable(own) else own  # where types stand for NumPy's dtypes

    def constant(self, x: Array) -> Variable:
        """Return the variable of an array that is no result of the recording."""
        own = self.abstract.owns(x) and x.own
        x = x.data if self.abstract.owns(x) else x
        if id(x) not in self.constants:
            found = backend.backend_of(x)
            if not (own or self.library is self.abstract or found is self.library):
                raise error(
                    TypeError,
                    self.name,
                    f"is recorded for arrays of {self.library}",
                    f"{describe(x)} of {found}",
                    "Convert it with autograd_core.ops.asarray.",
                )
            variable = Variable(tuple(x.shape), dtype_name(x.dtype))
            self.constants[id(x)] = variable, x  # held, so that the id stays its own
            if own:
                self.own.add(variable)
        return self.constants[id(x)][0]

    # ---- calls

    def apply(
        self, operation: Operation, arguments: tuple[Any, ...], statics: tuple[Any, ...]
    ) -> Any:
        """Write a call of an operation down."""
        if operation.batching is refused:
            raise _shape_of_values(operation, arguments, statics)
        with inferring():
            y = dispatch(operation, self.lowered(arguments), self.lowered(statics))
        if operation.name == "array_index":
            self.guard_masks(statics[0])
        named = zip(operation.statics, statics, strict=True)
        return self.written(operation, arguments, dict(named), y)

    def guard_masks(self, key: Any) -> None:
        """Make it a guard in how many places a mask holds: a shape depends on that."""
        for mask in filter(_is_mask, key if isinstance(key, tuple) else (key,)):
            variable = self.constant(mask)
            if variable not in self.masks:
                self.masks.add(variable)
                count = registry["count_nonzero"].function(self.recorded(variable))
                self.guards.append(Guard(count.node, int(mask.sum())))

    def composite(
        self, operation: Operation, arguments: Sequence[Any], keywords: dict[str, Any]
    ) -> Any:
        """Write the call of a function composed of others down, as one."""
        statics = operation.signature.bind(*arguments, **keywords).arguments
        here = list(takewhile(statics.__contains__, operation.arguments))
        given = tuple(map(statics.pop, here))
        if operation.variadic:
            given = tuple(given[0])
        positional, named = operation.written(given, statics)
        with inferring():
            y = operation.function(*self.lowered(positional), **self.lowered(named))
        return self.written(operation, given, statics, y)

    def written(
        self,
        operation: Operation,
        arguments: Sequence[Any],
        statics: Mapping[str, Any],
        y: Any,
    ) -> Any:
        """Append an instruction; return the arrays of its results."""
        several = isinstance(y, tuple)
        made = tuple(
            Variable(tuple(each.shape), dtype_name(each.dtype))
            for each in (y if several else (y,))
        )
        statics = {name: self.static(name, value) for name, value in statics.items()}
        result = made if several else made[0]
        found = self.instruction(operation, arguments, statics, result)
        if operation.result is not None:
            return operation.result(*found)
        return found if several else found[0]

    def instruction(
        self,
        operation: Operation,
        arguments: Sequence[Any],
        statics: Mapping[str, Any],
        result: Variable | tuple[Variable, ...],
    ) -> tuple[Recorded, ...]:
        """Append an instruction that defines variables; return their arrays."""
        origin = self.provenance.of_call()
        operands = tuple(self.operand(x) for x in arguments)
        made = Instruction(operation.name, operands, statics, result)
        self.instructions.append(made)
        for variable in made.results:
            variable.line = origin.line
        self.provenance.name(origin, made.results[-1])
        return tuple(map(self.recorded, made.results))

    def subprogram(
        self,
        name: str,
        function: Callable[[Sequence[Any]], list[Any]],
        described: Sequence[Spec],
    ) -> Program:
        """Record a function of a list of arrays as a program of its own."""
        with Record(name, self.library) as inner:
            inner.stable = self.stable
            outputs = function([inner.input(each) for each in described])
            return inner.program(name, outputs)

    def call(self, rules: Rules, leaves: Arrays) -> list[Any]:
        """Record what a function with rules of its own does."""
        record = getattr(rules, "record", None)
        if record is not None:
            found: list[Any] = record(self, leaves)
            return found
        ys = rules.value(leaves)
        if not isinstance(rules, (PushRules, PullRules)):
            return ys
        return [own_rule(y, name=rules.name) if is_recorded(y) else y for y in ys]

    def lowered(self, value: Any) -> Any:
        """Return a value one level down, where everything is abstract."""
        if isinstance(value, Tracked):
            if self.is_here(value):
                return value.value
            return self.recorded(self.outer_variable(value)).value
        if type(value) in (tuple, list):
            return type(value)(map(self.lowered, value))
        if isinstance(value, dict):
            return {name: self.lowered(x) for name, x in value.items()}
        if backend.is_array(value) and not self.abstract.owns(value):
            dtype = self.abstract.dtype(dtype_name(value.dtype))
            made = self.abstract.empty(tuple(value.shape), dtype=dtype)
            made.data = value if _is_mask(value) else None
            return made
        return value

    def is_here(self, x: Tracked) -> bool:
        """Say whether an array is one of the recording."""
        return x.world.level is self

    def outer_variable(self, x: Tracked) -> Variable:
        """Return the variable of an array of a transform around the recording."""
        if self.outer is None:
            raise error(
                ValueError,
                self.name,
                "the function depends on an array of "
                f"{x.world.level.name or 'another level'} that it was not given",
                describe(x),
                "Pass it to the function as an argument.",
            )
        if id(x) not in self.outer:
            described = Spec(tuple(x.shape), dtype_name(x.dtype))
            self.outer[id(x)] = self.input(described).node, x
        return self.outer[id(x)][0]

    def operand(self, x: Any) -> Any:
        """Return what stands for an argument in an instruction."""
        if isinstance(x, Recorded) and self.is_here(x):
            return x.node
        if isinstance(x, Tracked):
            return self.outer_variable(x)
        if backend.is_array(x):
            return self.constant(x)
        return x

    def static(self, name: str, value: Any) -> Any:
        """Return what stands for any other parameter in an instruction."""
        if name == "device":
            return None if value is None else DEVICE
        if name == "dtype":
            return (
                None if value is None else DType(dtype_name(self.abstract.dtype(value)))
            )
        return self._literal(value)

    def _literal(self, value: Any) -> Any:
        """Return a parameter as data: sequences as tuples, arrays as variables."""
        if isinstance(value, (tuple, list)):
            return tuple(map(self._literal, value))
        if isinstance(value, slice):
            return slice(*map(_bound, (value.start, value.stop, value.step)))
        if is_array(value):
            return self.operand(value)
        is_int = hasattr(value, "__index__") and not isinstance(value, bool)
        return index(value) if is_int else value

    def before_derivatives(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as a transform is to differentiate it."""
        if not self.stable:
            return function
        from autograd_core.programs.primals import stabilised

        return stabilised(function, self.library)

    # ---- what control flow asks

    def told(self, x: Recorded, kind: type[int]) -> Any:
        """Compute a value from the examples, and make it a guard."""
        if self.examples is None:
            raise error(
                NoValueError,
                f"{kind.__name__}()",
                "an array that is recorded without data has no value to decide by",
                describe(x),
                "Use where, autograd_core.cond or while_loop, or give trace an array "
                "as example.",
            )
        if self.answers is None:
            answer = kind(self.value_of(x.node))
        else:
            answer = next(self.answers)
        self.guards.append(Guard(x.node, answer, self.provenance.of_call().line))
        return answer

    def value_of(self, variable: Variable) -> Array:
        """Compute what a variable is for the examples: all calls up to now."""
        assert self.examples is not None
        values, library = self.values, self.library
        values.update(zip(self.inputs, self.examples, strict=True))
        for constant, x in self.constants.values():
            values[constant] = x if library.owns(x) else library.asarray(x)
        device = device_of(self.examples)
        for instruction in self.instructions[self.computed :]:
            instruction.run(values, device)
        self.computed = len(self.instructions)
        return values[variable]

    # ---- the end

    def output(self, y: Any) -> Any:
        """Return what stands for a result in a program."""
        return self.operand(y.value if isinstance(y, Constant) else y)

    def program(self, name: str, outputs: Sequence[Any], **rest: Any) -> Program:
        """Return what was recorded, as a program with these results."""
        results = tuple(map(self.output, outputs))  # which may be constants
        return Program(
            name,
            tuple(self.inputs),
            dict(self.constants.values()),
            tuple(self.instructions),
            results,
            tuple(self.guards),
            own=frozenset(self.own),
            **rest,
        )


def _is_mask(x: Any) -> bool:
    """Say whether an array is a mask that may be looked into: NumPy's, of booleans."""
    found = not isinstance(x, Tracked) and backend.is_array(x) and x.shape
    return bool(found) and dtype_name(x.dtype) == "bool" and hasattr(x, "__array__")


@contextmanager
def inferring() -> Iterator[None]:
    """Compute with arrays without values, of which nothing is to be recorded."""
    before = recording.set(None)
    try:
        yield
    finally:
        recording.reset(before)


def _bound(k: Any) -> int | None:
    """Return the bound of a slice as Python's own integer."""
    return None if k is None else index(k)


def _shape_of_values(
    operation: Operation, arguments: Sequence[Any], statics: Sequence[Any]
) -> TypeError:
    names = operation.arguments + operation.statics
    return error(
        TypeError,
        operation.name,
        "has a result whose shape depends on values, which a program does not have",
        describe_arguments(names, (*arguments, *statics)),
        "Use where and a mask of fixed shape.",
    )


# ------------------------------------------------------------------ trace


def trace(function: Callable[..., Pytree]) -> Callable[..., Program]:
    """Make the function that records what a function computes.

    Parameters
    ----------
    function
        A function of pytrees of arrays that returns a pytree of arrays; transforms of
        functions are functions, too: ``trace(grad(loss))``.

    Returns
    -------
    callable
        Takes arguments like the function's, with arrays, or what describes one (`spec`,
        `placeholder`), in the places of arrays; returns a `Program`, whose inputs these
        are. Everything else, Python's numbers included, becomes part of the program.
        Nothing is computed, except where the function's control flow asks an array for
        its value: that takes arrays as examples, and becomes a guard of the program.

    Raises
    ------
    TypeError
        If control flow asks for a value and there are no examples; if a number is
        taken out of an array (``float(x)``); if a shape depends on values.
    ValueError
        If two inputs are given the same name.

    Examples
    --------
    >>> import autograd_core as ag
    >>> def loss(w, x):
    ...     residual = x @ w - 1.0
    ...     return ag.ops.sum(residual**2)
    >>> program = ag.trace(ag.grad(loss))(ag.spec(3), ag.spec((4, 3)))
    >>> len(program.inputs), program.outputs[0].type
    (2, 'float64[3]')
    """
    require_function("trace", function)

    @wraps(function)
    def record(*arguments: Any, **keywords: Any) -> Program:
        return recorded(function, arguments, keywords)

    return record


@entry
def recorded(
    function: Callable[..., Pytree],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    *,
    answers: Iterator[bool | int] | None = None,
    name: str = "trace",
    stable: bool = False,
) -> Program:
    """Record a call of a function.

    Guards may be given answers instead of being computed. If it shall be stable,
    functions are rewritten before they are differentiated (`primals`).
    """
    leaves, signature = pytree.flatten((tuple(arguments), dict(keywords)))
    leaves = [_raw(name, x) for x in leaves]
    places = [k for k, x in enumerate(leaves) if isinstance(x, Spec) or is_array(x)]
    concrete = [leaves[k] for k in places if not isinstance(leaves[k], Spec)]
    library = backend.backend_of(concrete[0]) if concrete else None
    with Record(name, library) as level:
        level.stable = stable
        if len(concrete) == len(places):
            level.examples = concrete
        level.answers = answers
        tracked = list(leaves)
        for k, described in zip(
            places, _described(function, signature, leaves, places), strict=True
        ):
            tracked[k] = level.input(described)
        again, named = pytree.unflatten(signature, tracked)
        outputs, structure = pytree.flatten(function(*again, **named))
        return level.program(
            getattr(function, "__name__", type(function).__name__),
            outputs,
            structure=structure,
            signature=signature,
            fixed={k: x for k, x in enumerate(leaves) if k not in places},
        )


def _raw(name: str, x: Any) -> Any:
    """Return a leaf of the arguments: of what is tracked, what data it has."""
    if isinstance(x, Constant) or (isinstance(x, Tracked) and x.world.level is eager):
        return x.value
    if isinstance(x, Tracked):
        raise error(
            TypeError,
            name,
            "records a function for arrays, not within a transform",
            describe(x),
            f"Call {name} outside, and the program inside.",
        )
    return x


def _described(
    function: Callable[..., Any],
    signature: pytree.Structure,
    leaves: Sequence[Any],
    places: Sequence[int],
) -> list[Spec]:
    """Return the type and the name of each input."""
    paths = list(pytree.paths(signature))
    taken: set[str] = {leaves[k].name for k in places if isinstance(leaves[k], Spec)}
    described = []
    for k in places:
        x = leaves[k]
        if isinstance(x, Spec) and x.name:
            described.append(x)
            continue
        name = taken_name(input_name(function, paths[k]), taken)
        described.append(Spec(tuple(x.shape), dtype_of(x), name))
    names = [each.name for each in described]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise error(
            ValueError,
            "trace",
            "each input has a name of its own",
            f"two called {min(twice)!r}",
            "Give placeholders different names.",
        )
    return described


def taken_name(base: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, with a number if need be, and take it."""
    name, number = base, count(1)
    while name in taken:
        name = f"{base}_{next(number)}"
    taken.add(name)
    return name


def dtype_of(x: Any) -> str:
    """Return the name of the dtype of an array or of what describes one."""
    return x.dtype if isinstance(x, Spec) else dtype_name(x.dtype)


def input_name(function: Callable[..., Any], path: str) -> str:
    """Return what to call an argument: the parameter, and the path in its pytree.

    A path reads ``[0][2]['w']``: of the positional arguments the third, key ``w``.
    """
    parts = re.findall(r"[A-Za-z_0-9]+", path)
    if parts[0] == "0":
        parts = [_parameter(function, int(parts[1])), *parts[2:]]
    else:
        parts = parts[1:]
    name = "_".join(parts)
    return name if is_identifier(name) else f"x_{name}"


def _parameter(function: Callable[..., Any], place: int) -> str:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a function of C
        return f"x{place}"
    for parameter in parameters[: place + 1]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return f"{parameter.name}_{place - parameters.index(parameter)}"
    return parameters[place].name if place < len(parameters) else f"x{place}"
