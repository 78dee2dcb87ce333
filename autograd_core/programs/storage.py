"""Programs as files: data in, data out, no code.

A file is a zip archive of ``program.json`` and of ``constants/0.npy``, ``1.npy``, ...,
the arrays that the program holds, as NumPy writes them. The first lists what is in a
program in its order; a variable is its number, counted from the inputs on over the
constants to the results. `encoded` says how parameters are written.

Loading builds what the file describes and believes nothing. Operations are looked up
among the declared ones, operands are defined before they are read, shapes and dtypes
are inferred again and held against what the file says; nothing is taken from the
archive but members of these names, of the size that the shapes ask for. Containers of
results are tuples, lists and dicts. Classes of the user's are taken from those that
the caller gives or has registered, and are never imported.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from os import PathLike
from typing import IO, Any, TypeAlias

from autograd_core import backend, pytree
from autograd_core.errors import describe, dtype_name, error
from autograd_core.graph import Array
from autograd_core.operation import registry
from autograd_core.programs.loops import LOOP
from autograd_core.programs.naming import is_identifier
from autograd_core.programs.program import (
    DEVICE,
    DType,
    Guard,
    Instruction,
    Program,
    Variable,
    item_size,
    last_uses,
    variables_in,
)
from autograd_core.programs.recording import DTYPES

FORMAT, VERSION = "autograd-core program", 1

TEXT = "program.json"

MOST_TEXT = 256 * 2**20
"""Bytes of ``program.json`` at most: a million instructions."""

MOST_ELEMENTS = 2**48
"""Elements of an array at most."""

MOST_AXES, LONGEST_NAME = 64, 1_000

File: TypeAlias = "str | PathLike[str] | IO[bytes]"


# ------------------------------------------------------------------ out


def save(program: Program, file: File) -> None:
    """Write a program to a file, with the arrays that it holds as they are now.

    Parameters
    ----------
    program
        A program.
    file
        A path, or a binary file that is open for writing.

    Raises
    ------
    TypeError
        If an argument that was recorded as part of the program (a function, say), or
        what is static in a container, cannot be written as data.
    """
    arrays: list[Array] = []
    described = {"format": FORMAT, "version": VERSION, **content(program, arrays)}
    described["arrays"] = len(arrays)
    text = json.dumps(described, allow_nan=False, separators=(",", ":"))
    with zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        archive.writestr(_member(TEXT), text, zipfile.ZIP_DEFLATED)
        for k, x in enumerate(arrays):
            archive.writestr(_member(_place(k)), npy(x), zipfile.ZIP_STORED)


def content(program: Program, arrays: list[Array]) -> dict[str, Any]:
    """Return a program as JSON; what arrays it holds is added to a list."""
    numbers = {variable: k for k, variable in enumerate(_variables(program))}

    def written(value: Any) -> Any:
        if isinstance(value, Program):  # the body of a loop
            return {"program": content(value, arrays)}
        return encoded(value, numbers)

    constants = []
    for variable, x in program.constants.items():
        constants.append([*_typed(variable), variable in program.own, len(arrays)])
        arrays.append(x)
    signature = program.signature
    return {
        "name": program.name,
        "inputs": [_typed(v) for v in program.inputs],
        "constants": constants,
        "instructions": [
            [
                each.operation,
                written(each.arguments),
                {k: written(x) for k, x in each.statics.items()},
                [_typed(v) for v in each.results],
                isinstance(each.result, tuple),
            ]
            for each in program.instructions
        ],
        "outputs": [written(y) for y in program.outputs],
        "guards": [[numbers[g.variable], g.answer, g.line] for g in program.guards],
        "structure": encoded_structure(program.structure),
        "signature": None if signature is None else encoded_structure(signature),
        "fixed": [[k, written(x)] for k, x in program.fixed.items()],
    }


def _variables(program: Program) -> Iterator[Variable]:
    """Yield the variables in the order in which they are numbered."""
    yield from program.inputs
    yield from program.constants
    for each in program.instructions:
        yield from each.results


def _typed(variable: Variable) -> list[Any]:
    return [list(variable.shape), variable.dtype, variable.name, variable.line]


def _place(k: int) -> str:
    return f"constants/{k}.npy"


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member without a date, so that equal programs make equal files."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def encoded(value: Any, numbers: Mapping[Variable, int]) -> Any:
    """Return a parameter as JSON.

    None, switches, integers, finite floats and text are themselves, tuples are lists;
    all else is an object of one key that says what it is.
    """
    if isinstance(value, Variable):
        return {"variable": numbers[value]}
    if isinstance(value, DType):
        return {"dtype": str(value)}
    if value is DEVICE:
        return {"device": None}
    if value is Ellipsis:
        return {"ellipsis": None}
    if value is None or isinstance(value, bool):
        return value
    if type(value) is tuple:
        return [encoded(part, numbers) for part in value]
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else {"float": repr(number)}
    if isinstance(value, complex):
        return {"complex": [encoded(x, numbers) for x in (value.real, value.imag)]}
    if type(value) is str:
        return value
    raise error(
        TypeError,
        "save",
        "what is part of a program must be numbers, text, None or tuples of them",
        describe(value),
        "Give arrays as arguments, and put functions inside the recorded function.",
    )


PLAIN: dict[str, type] = {
    "tuple": tuple,
    "list": list,
    "dict": dict,
    "ordered": OrderedDict,
}
"""Containers that are loaded without more."""


def encoded_structure(structure: pytree.Structure) -> Any:
    """Return the structure of a pytree as JSON."""
    kind = structure.container
    if kind is object:
        return "leaf"
    if kind is type(None):
        return None
    if kind is pytree.Static:
        return {"static": encoded(structure.auxiliary, {})}
    name = next((k for k, cls in PLAIN.items() if cls is kind), qualified(kind))
    keys = [encoded(key, {}) for key in structure.keys]
    children = [encoded_structure(child) for child in structure.children]
    auxiliary = encoded(structure.auxiliary, {})
    return {"container": [name, keys, children, auxiliary]}


def qualified(cls: type) -> str:
    """Return the full name of a class."""
    return f"{cls.__module__}.{cls.__qualname__}"


# ------------------------------------------------------------------ arrays


def kind_of(dtype: str) -> str:
    """Return NumPy's name of a dtype of the standard in memory, ``<f8``."""
    letter = {"float": "f", "complex": "c", "int": "i", "uint": "u", "bool": "b"}
    size = item_size(dtype)
    return f"{'<' if size > 1 else '|'}{letter[dtype.rstrip('0123456789')]}{size}"


def npy(x: Array) -> bytes:
    """Return an array in the file format of NumPy, version 1.0, in row order."""
    numpy = backend.backend("numpy").namespace
    data = numpy.asarray(x, dtype=kind_of(dtype_name(x.dtype)))
    return header(dtype_name(x.dtype), tuple(x.shape)) + bytes(data.tobytes())


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return what is before the elements in such a file."""
    text = (
        f"{{'descr': {kind_of(dtype)!r}, 'fortran_order': False, 'shape': {shape}, }}"
    )
    length = 64 * math.ceil((len(text) + 11) / 64) - 10
    line = text.ljust(length - 1) + "\n"
    start = b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little")
    return start + line.encode("ascii")


def of_npy(data: bytes, variable: Variable) -> Array:
    """Return the array of a file that begins as it must."""
    before = header(variable.dtype, variable.shape)
    if not data.startswith(before):
        raise damaged(f"an array that is no {variable.type}")
    numpy = backend.backend("numpy").namespace
    elements = numpy.frombuffer(bytearray(data[len(before) :]), kind_of(variable.dtype))
    return numpy.reshape(elements.astype(variable.dtype, copy=False), variable.shape)


# ------------------------------------------------------------------ in


def load(file: File, *, containers: Collection[type] = ()) -> Program:
    """Read a program from a file that `save` wrote. No code of the file's is run.

    Parameters
    ----------
    file
        A path, or a binary file that is open for reading.
    containers
        Classes in which arguments or results may come: named tuples, dataclasses.
        Those given to `pytree.register` need not be named.

    Returns
    -------
    Program
        Which holds NumPy's arrays, and runs on any library.

    Raises
    ------
    ValueError
        If the file is damaged, no program, of another version, or wants operations or
        classes that are not there.
    OSError
        If it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            reader = Reader(archive, containers)
            program = reader.program(reader.described(), whole=True)
        check(program)
    except DamagedError as fault:
        raise error(
            ValueError,
            "load",
            "a file is a program as save writes it",
            str(fault),
            "Save it again, with this version of autograd_core.",
        ) from fault.__cause__
    except OSError:
        raise
    except Exception as cause:  # of zipfile, json, or an operation that refuses
        what = type(cause).__name__
        raise error(
            ValueError,
            "load",
            "a file is a program as save writes it",
            f"one that is damaged ({what}: {' '.join(str(cause).split())[:200]})",
            "Save it again, with this version of autograd_core.",
        ) from cause
    return program


class DamagedError(Exception):
    """A file is not what `save` writes."""


def damaged(what: str) -> DamagedError:
    """Return the error for what is wrong with a file."""
    return DamagedError(what)


def require(condition: object, what: str) -> None:
    """Raise unless a file is as it must be."""
    if not condition:
        raise damaged(what)


class Reader:
    """Reads one file."""

    def __init__(
        self, archive: zipfile.ZipFile, containers: Collection[type] = ()
    ) -> None:
        self.archive = archive
        several = [each.result for each in registry.values() if each.result]
        known = [*several, *pytree.registered(), *containers]
        self.containers = {qualified(cls): cls for cls in known}
        self.variables: list[Variable] = []

    # ---- the archive

    def described(self) -> dict[str, Any]:
        """Return what ``program.json`` says."""
        names = self.archive.namelist()
        require(TEXT in names, f"an archive without {TEXT}")
        text = self.member(TEXT, MOST_TEXT, zipfile.ZIP_DEFLATED)
        found = json.loads(text, parse_constant=_no_number)
        require(isinstance(found, dict), f"a {TEXT} that is no object")
        require(found.get("format") == FORMAT, f"format {found.get('format')!r}")
        version = found.get("version")
        require(version == VERSION, f"version {version!r}, where {VERSION} is known")
        count = found["arrays"]
        require(type(count) is int and count == len(names) - 1, "other members")
        wanted = [TEXT, *map(_place, range(count))]
        require(sorted(names) == sorted(wanted), "an archive with other members")
        described: dict[str, Any] = found
        return described

    def member(self, name: str, most: int, method: int) -> bytes:
        """Return a member, which may have so many bytes at most."""
        information = self.archive.getinfo(name)
        fits = information.file_size <= most and information.compress_type == method
        require(fits, f"{name} of {information.file_size} bytes, {most} at most")
        with self.archive.open(information) as stream:
            data = stream.read(most + 1)
        require(len(data) == information.file_size, f"{name} of another length")
        return data

    # ---- the program

    def program(self, found: dict[str, Any], *, whole: bool) -> Program:
        """Return the program that is described; of the body of a loop not all."""
        name = found["name"]
        require(isinstance(name, str) and len(name) <= LONGEST_NAME, "a name")
        inputs = tuple(self.input(each) for each in items(found["inputs"]))
        names = [v.name for v in inputs]
        require(len(set(names)) == len(names), "two inputs of one name")
        constants, own = self.constants(found["constants"])
        instructions = tuple(self.instruction(x) for x in items(found["instructions"]))
        structure = self.structure(found["structure"])
        outputs = tuple(self.output(y) for y in items(found["outputs"]))
        fits = leaves(structure) == len(outputs) or not whole
        require(fits, "as many results as leaves")
        fixed = self.fixed(found["fixed"])
        signature = found["signature"]
        if signature is not None:
            signature = self.structure(signature)
            given = len(inputs) + len(fixed)
            require(leaves(signature) == given, "as many arguments as leaves")
            require(all(k < given for k in fixed), "arguments among the leaves")
        return Program(
            name,
            inputs,
            constants,
            instructions,
            outputs,
            tuple(self.guard(x) for x in items(found["guards"])),
            structure,
            signature,
            fixed,
            own,
        )

    def variable(self, shape: Any, dtype: Any, name: Any, line: Any) -> Variable:
        """Return a new variable."""
        lengths = items(shape)
        whole = all(type(n) is int and n >= 0 for n in lengths)
        require(whole and len(lengths) <= MOST_AXES, f"the shape {shape!r:.60}")
        require(math.prod(lengths) <= MOST_ELEMENTS, f"the shape {shape!r:.60}")
        require(type(dtype) is str and dtype in DTYPES, f"the dtype {dtype!r:.60}")
        texts = type(name) is str and type(line) is str
        require(texts and len(name) + len(line) <= 2 * LONGEST_NAME, "a name or line")
        require(not name or is_identifier(name), f"the name {name!r:.60}")
        made = Variable(tuple(lengths), dtype, name, line)
        self.variables.append(made)
        return made

    def input(self, described: Any) -> Variable:
        """Return an input, which has a name."""
        made = self.variable(*items(described))
        require(made.name, "an input without a name")
        return made

    def constants(
        self, described: Any
    ) -> tuple[dict[Variable, Array], frozenset[Variable]]:
        """Return the constants, and which of them are the recording's."""
        found: dict[Variable, Array] = {}
        own = set()
        for each in items(described):
            *typed, is_own, k = items(each)
            variable = self.variable(*typed)
            most = len(header(variable.dtype, variable.shape)) + variable.nbytes
            require(type(k) is int, "the place of an array")
            data = self.member(_place(k), most, zipfile.ZIP_STORED)
            require(len(data) == most, f"an array that is no {variable.type}")
            found[variable] = of_npy(data, variable)
            require(type(is_own) is bool, "a switch")
            if is_own:
                own.add(variable)
        return found, frozenset(own)

    def instruction(self, described: Any) -> Instruction:
        """Return an instruction, whose operands are defined."""
        name, given, statics, results, several = items(described)
        require(type(name) is str and name in registry, f"the operation {name!r:.60}")
        require(isinstance(statics, dict), f"{name}: parameters")
        arguments = self.value(given)
        require(isinstance(arguments, tuple), f"{name}: arguments")
        require(all(map(_is_operand, arguments)), f"{name}: arguments")
        parameters = {
            k: self.body(x) if (name, k) == (LOOP.name, "body") else self.value(x)
            for k, x in statics.items()
        }
        made = tuple(self.variable(*items(each)) for each in items(results))
        require(type(several) is bool and (several or len(made) == 1), "results")
        call = Instruction(name, arguments, parameters, made if several else made[0])
        require(call.operands, f"{name} of no array")
        require(not set(call.operands) & set(made), f"{name} of its own result")
        require(_is_called_rightly(call), f"{name} with {', '.join(parameters)}")
        return call

    def body(self, described: Any) -> Program:
        """Return the body of a loop, whose variables are its own."""
        require(isinstance(described, dict), "the body of a loop")
        reader = Reader(self.archive)
        return reader.program(described["program"], whole=False)

    def guard(self, described: Any) -> Guard:
        """Return a guard."""
        number, answer, line = items(described)
        variable = self._variable(number)
        require(variable.size == 1, "a guard on one element")
        require(type(answer) in (bool, int) and type(line) is str, "a guard")
        return Guard(variable, answer, line)

    def output(self, described: Any) -> Any:
        """Return a result."""
        y = self.value(described)
        plain = (Variable, int, float, complex, str, type(None))
        require(isinstance(y, plain), "a result that is neither array nor number")
        return y

    def fixed(self, described: Any) -> dict[int, Any]:
        """Return the arguments that are part of the program."""
        found = {}
        for each in items(described):
            place, value = items(each)
            require(type(place) is int and place >= 0, "the place of an argument")
            found[place] = self.value(value)
        return found

    # ---- values

    def value(self, described: Any) -> Any:
        """Return a parameter."""
        if isinstance(described, list):
            return tuple(map(self.value, described))
        if not isinstance(described, dict):
            return described
        ((kind, content),) = described.items()
        require(kind in self.KINDS, f"a value that is {kind!r:.60}")
        return self.KINDS[kind](self, content)

    def _variable(self, number: Any) -> Variable:
        defined = type(number) is int and 0 <= number < len(self.variables)
        require(defined, f"variable {number!r:.60} before it is defined")
        found: Variable = self.variables[number]
        return found

    def _dtype(self, name: Any) -> DType:
        require(type(name) is str and name in DTYPES, f"the dtype {name!r:.60}")
        return DType(name)

    def _device(self, content: Any) -> Any:
        return DEVICE

    def _ellipsis(self, content: Any) -> Any:
        return Ellipsis

    def _slice(self, ends: Any) -> slice:
        start, stop, step = items(ends)
        whole = all(k is None or type(k) is int for k in (start, stop, step))
        require(whole and step != 0, "a slice of whole numbers")
        return slice(start, stop, step)

    def _float(self, text: Any) -> float:
        require(text in ("inf", "-inf", "nan"), f"the number {text!r:.60}")
        return float(text)

    def _complex(self, parts: Any) -> complex:
        real, imag = map(self.value, items(parts))
        require(type(real) is float and type(imag) is float, "a complex number")
        return complex(real, imag)

    KINDS: Mapping[str, Callable[[Reader, Any], Any]] = {
        "variable": _variable,
        "dtype": _dtype,
        "device": _device,
        "ellipsis": _ellipsis,
        "slice": _slice,
        "float": _float,
        "complex": _complex,
    }

    # ---- pytrees

    def structure(self, described: Any) -> pytree.Structure:
        """Return the structure of a pytree."""
        if described == "leaf":
            return pytree.LEAF
        if described is None:
            return pytree.Structure(type(None))
        ((kind, content),) = described.items()
        if kind == "static":
            return pytree.Structure(pytree.Static, auxiliary=self.value(content))
        require(kind == "container", f"a pytree of {kind!r:.60}")
        name, keys, children, auxiliary = items(content)
        require(type(name) is str, "the name of a class")
        cls = PLAIN.get(name) or self.containers.get(name)
        if cls is None:
            raise damaged(
                f"one with the class {name!r:.100}, which is not among the containers "
                "given to load"
            )
        found = [self.structure(child) for child in items(children)]
        names = self.keys(cls, [self.value(key) for key in items(keys)])
        require(len(names) == len(found), f"a key for each child of {name}")
        return pytree.Structure(cls, names, tuple(found), self.value(auxiliary))

    def keys(self, cls: type, keys: list[Any]) -> Sequence[Any]:
        """Return the keys of a container as pytrees have them."""
        require(len(set(keys)) == len(keys), "keys of which none is there twice")
        if hasattr(cls, "_fields"):
            require(tuple(keys) == cls._fields, f"the fields of {qualified(cls)}")
        elif hasattr(cls, "__dataclass_fields__"):
            fields = set(cls.__dataclass_fields__)
            require(set(keys) <= fields, f"the fields of {qualified(cls)}")
        if cls in (tuple, list):
            require(keys == [*range(len(keys))], "places from 0 on")
        is_counted = keys == [*range(len(keys))] and not issubclass(cls, dict)
        return range(len(keys)) if is_counted else tuple(keys)


def items(described: Any) -> list[Any]:
    """Return a list of a file."""
    require(isinstance(described, list), "a list")
    found: list[Any] = described
    return found


def leaves(structure: pytree.Structure) -> int:
    """Return the number of leaves."""
    if structure.container is object:
        return 1
    return sum(map(leaves, structure.children))


def _no_number(text: str) -> float:
    raise damaged(f"the number {text}")


def _is_operand(x: Any) -> bool:
    return x is None or isinstance(x, Variable | int | float | complex)


def _is_called_rightly(call: Instruction) -> bool:
    """Say whether an operation has the parameters of its declaration."""
    operation = call.declared
    if operation.is_composite:
        known = set(operation.signature.parameters)
        positional, named = call.parameters
        operation.signature.bind(*positional, **named)
        return known >= set(call.statics)
    count = len(operation.arguments)
    fits = operation.variadic or len(call.arguments) == count
    return fits and tuple(call.statics) == operation.statics


def check(program: Program) -> None:
    """Raise unless the types of all results are what the operations make of arguments.

    Nothing is computed: arrays are shapes and dtypes.
    """
    library = backend.backend("abstract")
    last = last_uses(program)
    values: dict[Variable, Any] = {}
    for variable in (*program.inputs, *program.constants):
        values[variable] = _of_type(variable)
    for k, instruction in enumerate(program.instructions):
        if instruction.operation == LOOP.name:
            check_loop(instruction)
            values.update({v: _of_type(v) for v in instruction.results})
        else:
            plain = {v: values[v] for v in instruction.operands}
            if instruction.operation == "array_index":
                plain |= _masks(instruction, program)
            instruction.run(plain, library.device_of(None))
            values.update((v, plain[v]) for v in instruction.results)
        for variable in instruction.results:
            x = values[variable]
            require(
                describe(x) == variable.type,
                f"{instruction.operation} with a result {variable.type}, where it "
                f"gives {describe(x)}",
            )
        for variable in last.get(k, ()):
            del values[variable]


def _of_type(variable: Variable) -> Any:
    """Return an array without values of the type of a variable."""
    library = backend.backend("abstract")
    return library.empty(variable.shape, dtype=library.dtype(variable.dtype))


def _masks(instruction: Instruction, program: Program) -> dict[Variable, Any]:
    """Return the masks among the keys of an instruction, which say how long it is."""
    found = {}
    for variable in variables_in((instruction.statics["key"],)):
        if variable.dtype == "bool" and variable in program.constants:
            found[variable] = _of_type(variable)
            found[variable].data = program.constants[variable]
    return found


def check_loop(instruction: Instruction) -> None:
    """Raise unless the body of a loop takes and gives what the loop does."""
    sizes, given = instruction.statics, instruction.arguments
    numbers = [sizes[k] for k in ("carries", "scanned", "length")]
    counted = all(type(n) is int and n >= 0 for n in numbers)
    require(counted and type(sizes.get("reverse", False)) is bool, "a loop's sizes")
    carries, scanned, length = numbers
    body: Program = sizes["body"]
    check(body)
    arrays = all(isinstance(x, Variable) for x in (*given, *body.outputs))
    require(arrays and len(given) == len(body.inputs), "a loop of arrays")
    before = [length] * scanned
    wanted = [
        *(v.type for v in body.inputs[:carries]),
        *(stacked(v, n) for v, n in zip(body.inputs[carries:], before, strict=False)),
        *(v.type for v in body.inputs[carries + scanned :]),
    ]
    require([v.type for v in variables_in(given)] == wanted, "a loop's arguments")
    outputs = list(variables_in(body.outputs))
    carried = [v.type for v in outputs[:carries]]
    require(carried == wanted[:carries], "a loop's carry")
    gives = [*carried, *(stacked(v, length) for v in outputs[carries:])]
    require([v.type for v in instruction.results] == gives, "a loop's results")


def stacked(variable: Variable, length: int) -> str:
    """Return the type of a stack of arrays."""
    return Variable((length, *variable.shape), variable.dtype).type
