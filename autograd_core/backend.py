"""Numerical libraries behind one small interface, chosen at run time.

A backend is the Array-API namespace of a library plus the few things that the
standard does not give: how to recognise the library's arrays, the transposes of
indexing, and a way to notice that memory was written to. This module knows no
library; the backends are declared in ``autograd_backends`` or in a third party's
package (entry-point group ``autograd_core.backends``).
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, ClassVar

from autograd_core.errors import describe, dtype_name, error

ENTRY_POINTS = "autograd_core.backends"
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("lt", "le", "gt", "ge", "eq", "ne"),
    *("and", "or", "xor", "lshift", "rshift"),
)
ENVIRONMENT_VARIABLE = "AUTOGRAD_BACKEND"

SMALL = 64 * 1024
"""Bytes up to which captured memory is copied (1.4 us on NumPy) and not watched."""

implementations: dict[str, Callable[..., Any]] = {}
"""Operations that a library may lack: ``name -> function(xp, *arguments)``."""

extensions: set[str] = set()
"""The namespaces within the namespace: ``linalg``, ``fft``, ``special``."""


preferred: set[str] = set()
"""Those of them that are taken where the library has a function of that name, too."""


def implement(
    name: str, function: Callable[..., Any], *, everywhere: bool = False
) -> None:
    """Say how to compute what libraries do not have, or what to take everywhere."""
    implementations[name] = function
    if everywhere:
        preferred.add(name)
    extension, _, last = name.rpartition(".")
    for instance in (*_instances.values(), *_by_namespace.values()):
        place = instance.__dict__.get(extension) if extension else instance
        if place is not None:
            place.__dict__.pop(last, None)  # what an earlier declaration left


class Extension:
    """A namespace within a library's namespace: its functions, and ours it lacks.

    A backend overrides ``special.erf`` by a method ``special_erf``.
    """

    def __init__(self, of: Backend, name: str, namespace: Any) -> None:
        self._of, self._name, self._namespace = of, name, namespace

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(type(self._of), f"{self._name}_{name}", None)
        if value is not None:
            value = partial(value, self._of)
        else:
            full_name = f"{self._name}.{name}"
            value = self._of._found(self._namespace, name, full_name)
        setattr(self, name, value)
        return value

    def __repr__(self) -> str:
        return f"{self._of}.{self._name}"


class Backend:
    """A numerical library: its namespace, and what the standard does not give.

    Every function of the library's Array-API namespace is an attribute of the
    backend. A subclass names a library and overrides the primitives for which the
    library has something better; the ones written here are portable.

    Parameters
    ----------
    namespace
        A namespace that complies with the Array API standard. A subclass imports its
        own in `load`.
    """

    name: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()
    """Top-level packages in which the types of the library's arrays are defined."""
    distribution: ClassVar[str] = ""
    requirement: ClassVar[str] = ""
    """What to give to ``pip install``."""
    capabilities: ClassVar[tuple[str, ...]] = ()
    listed: ClassVar[bool] = True
    """Whether `backends` lists it, and "all" means it: not what computes nothing."""

    def __init__(self, namespace: Any = None) -> None:
        self.namespace = self.load() if namespace is None else namespace
        self._kinds: dict[Any, str | None] = {}

    def load(self) -> Any:
        """Import the library and return its Array-API namespace."""
        raise TypeError(f"{type(self).__name__}: give a namespace")

    def __getattr__(self, name: str) -> Any:
        """Look a function of the namespace up, and remember it."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name in extensions:
            value = Extension(self, name, self.extension(name))
        else:
            value = self._found(self.namespace, name, name)
        setattr(self, name, value)
        return value

    def _found(self, namespace: Any, name: str, full_name: str) -> Any:
        """Return a function of a namespace, or the portable one of ours."""
        if full_name in preferred:
            return partial(implementations[full_name], self)
        try:
            return getattr(namespace, name)
        except AttributeError:
            if full_name not in implementations:
                raise AttributeError(
                    f"{self}: the library has no {full_name!r}", name=name, obj=self
                ) from None
            return partial(implementations[full_name], self)

    def extension(self, name: str) -> Any:
        """Return the library's namespace of an extension, None if it has none."""
        return getattr(self.namespace, name, None)

    def __repr__(self) -> str:
        return self.name or getattr(self.namespace, "__name__", repr(self.namespace))

    def is_floating(self, dtype: Any) -> bool:
        """Say whether a dtype is floating-point, real or complex."""
        return self._floating_kind(dtype) is not None

    def is_complex(self, dtype: Any) -> bool:
        """Say whether a dtype is complex."""
        return self._floating_kind(dtype) == "complex floating"

    def _floating_kind(self, dtype: Any) -> str | None:
        """Return the standard's kind of a dtype that can be differentiated, or None."""
        try:
            return self._kinds[dtype]
        except KeyError:
            kinds = ("real floating", "complex floating")
            of = (kind for kind in kinds if self.namespace.isdtype(dtype, kind))
            return self._kinds.setdefault(dtype, next(of, None))

    def dtype(self, dtype: Any) -> Any:
        """Return the library's own dtype for a name or another library's dtype."""
        dtype = {bool: "bool", int: "int64", float: "float64"}.get(dtype, dtype)
        name = dtype if isinstance(dtype, str) else dtype_name(dtype)
        return getattr(self.namespace, name, dtype)

    def owns(self, x: Any) -> bool:
        """Say whether a value is an array of this library."""
        return is_array(x) and backend_of(x) is self

    def refusal(self, x: Any) -> str | None:
        """Say why an array of the library is not one of the standard, if it is not."""
        return None

    def plain(self, x: Any) -> Any:
        """Return an array without what the library itself may record of it."""
        return x

    # What the standard does not give. `getitem` and its two transposes, one for keys
    # of slices and integers and one for everything that can name an element twice.

    def getitem(self, x: Any, /, *, key: Any) -> Any:
        """Return ``x[key]``."""
        return x[key]

    def pad_index(self, x: Any, /, *, key: Any, shape: tuple[int, ...]) -> Any:
        """Return zeros of a shape with ``x`` at a key: the transpose of ``x[key]``.

        The standard has newaxis in what is read, not in what is written to.
        """
        keys = key if isinstance(key, tuple) else (key,)
        keys = tuple(k for k in keys if k is not None)
        if not any(k is Ellipsis for k in keys):
            keys = (*keys, ...)
        result = self.zeros(shape, dtype=x.dtype, device=self.device_of(x))
        result[keys] = self.reshape(x, tuple(result[keys].shape))
        return result

    def index_add(self, x: Any, positions: Any, /, *, size: int) -> Any:
        """Return ``size`` zeros to which each ``x[k]`` was added at ``positions[k]``.

        The portable form, for libraries without a scatter: the updates are ordered by
        position and summed segment by segment in a logarithmic number of steps, so
        that the rounding is that of a pairwise sum and a nan stays in its segment.
        """
        order = self.argsort(positions, stable=True)
        positions, total = self.take(positions, order), self.take(x, order)
        length, step = int(x.shape[0]), 1
        while step < length:
            same = positions[step:] == positions[:-step]
            moved = self.where(same, total[:-step], self.zeros_like(total[step:]))
            total = self.concat([total[:step], total[step:] + moved])
            step *= 2
        slots = self.arange(size, dtype=positions.dtype, device=self.device_of(x))
        if length == 0:
            return self.zeros((size,), dtype=x.dtype, device=self.device_of(x))
        last = self.searchsorted(positions, slots, side="right") - 1
        last = self.clip(last, 0, length - 1)
        found = self.take(positions, last) == slots
        summed = self.take(total, last)
        return self.where(found, summed, self.zeros_like(summed))

    def device_of(self, x: Any) -> Any:
        """Return the device on which an array lies."""
        return x.device

    # Memory that the user owns and may write to between forward and backward.

    def snapshot(self, x: Any) -> tuple[Any, Callable[[], bool] | None]:
        """Return an array to keep, and a check that it still holds what it held.

        Where the kept array cannot change (it is a copy, or immutable), the check is
        None.
        """
        return self.asarray(x, copy=True), None

    def copy_of_small(self, x: Any) -> Any:
        """Return an array that cannot change with ``x``, or None if ``x`` is large."""
        return None

    def for_array(self, x: Any) -> Backend:
        """Return the backend that computes with an array of this size in a transform.

        This one, unless a library has something of its own for large arrays.
        """
        return self

    apply_rule: Any = None
    """What the sweep calls in the place of a rule, if a backend wants it to:
    ``apply_rule(xp, t, operation, rule, *saved)``."""

    def sum_of(self, a: Any, b: Any) -> Any:
        """Return the sum of two cotangents, where there is an `apply_rule`."""
        return a + b

    def release_memory(self) -> None:
        """Give back to the system what the library keeps for arrays to come."""

    def unshared(self, x: Any) -> Any:
        """Return ``x`` as an array that nobody else holds, to hand to the user."""
        return self.asarray(x, copy=True)

    def compile(self, program: Any, **options: Any) -> Callable[..., list[Any]]:
        """Return what runs a program: a function of arrays, one for each input.

        It raises `GuardError` where the recorded code would take another path. Results
        share memory where those of the recorded calls do. What a library does not know
        among the options it may ignore.
        """
        from autograd_core.programs.straight_line import straight_line

        return straight_line(program, self)

    def synchronize(self) -> None:
        """Wait until the device has finished: for timing."""


# ------------------------------------------------------------------ what is known

known: dict[str, type[Backend]] = {}
_instances: dict[str, Backend] = {}
_by_namespace: dict[int, Backend] = {}
_by_type: dict[type, Backend] = {}
_lock = threading.RLock()


def register_backend(backend: type[Backend]) -> type[Backend]:
    """Make a backend known by its name; usable as a class decorator.

    Raises
    ------
    ValueError
        If the class has no name or no packages.
    """
    if not (backend.name and backend.packages):
        raise error(
            ValueError,
            "register_backend",
            "a backend has a name and the packages that define its arrays",
            f"{backend.__name__}(name={backend.name!r}, packages={backend.packages!r})",
            "Set both as class attributes.",
        )
    known[backend.name] = backend
    return backend


def _load_entry_points() -> None:
    """Register the backends of other installed packages."""
    from importlib.metadata import entry_points  # 10 ms, not wanted at import

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name in known:
            continue
        try:
            register_backend(entry.load())
        except Exception as cause:  # one broken package must not take the rest along
            message = f"autograd_core: backend {entry.name!r} ({entry.value}) is broken"
            warnings.warn(f"{message}: {cause!r}", RuntimeWarning, stacklevel=3)


def _class_named(name: str) -> type[Backend]:
    if name not in known:
        _load_entry_points()
    if name not in known:
        from difflib import get_close_matches

        listed = sorted(name for name, cls in known.items() if cls.listed)
        near = get_close_matches(name, listed, n=3, cutoff=0.4)
        hints = [f"{each!r} (pip install {known[each].requirement})" for each in near]
        hint = f"Did you mean {' or '.join(hints)}? " if hints else ""
        raise error(
            ValueError,
            "set_backend",
            f"no backend has this name; known are {', '.join(listed)}",
            repr(name),
            f"{hint}Or give a namespace that complies with the Array API.",
        )
    return known[name]


def backend(name_or_namespace: Any) -> Backend:
    """Return the backend of a name or of an Array-API namespace, importing it.

    Raises
    ------
    ValueError
        If no backend has the name.
    ImportError
        If the library is not installed; the message says how to install it.
    TypeError
        If the object is neither a name nor a namespace of the standard.
    """
    if isinstance(name_or_namespace, Backend):
        return name_or_namespace
    if not isinstance(name_or_namespace, str):
        return _backend_of_namespace(name_or_namespace)
    cls = _class_named(name_or_namespace)
    with _lock:
        if cls.name not in _instances:
            try:
                _instances[cls.name] = cls()
            except ImportError as cause:
                raise error(
                    ImportError,
                    "set_backend",
                    f"backend {cls.name!r} needs a library that is not installed",
                    str(cause),
                    f"Install it: pip install {cls.requirement}",
                ) from cause
        return _instances[cls.name]


def _backend_of_namespace(namespace: Any) -> Backend:
    name = getattr(namespace, "__name__", "").removeprefix("array_api_compat.")
    for cls in known.values():
        if name.partition(".")[0] in cls.packages:
            return backend(cls.name)
    if not (hasattr(namespace, "asarray") and hasattr(namespace, "isdtype")):
        raise error(
            TypeError,
            "set_backend",
            "takes a backend's name or a namespace that complies with the Array API",
            describe(namespace),
            "Give a name from autograd_core.backends() or a module such as "
            "array_api_strict.",
        )
    with _lock:
        if id(namespace) not in _by_namespace:
            _by_namespace[id(namespace)] = Backend(namespace)
        return _by_namespace[id(namespace)]


# ------------------------------------------------------------------ whose array is it

_NOT_ARRAYS = {
    bool,
    int,
    float,
    complex,
    str,
    tuple,
    list,
    slice,
    type(None),
    type(...),
}


def backend_of(x: Any) -> Backend:
    """Return the backend of an array, whatever the default is.

    Raises
    ------
    TypeError
        If the value is not an array of a known library or of the standard.
    """
    try:
        return _by_type[type(x)]
    except KeyError:
        return _recognise(x)


def is_array(x: Any) -> bool:
    """Say whether a value is an array of some library."""
    if type(x) in _by_type:
        return True
    if type(x) in _NOT_ARRAYS:
        return False
    return hasattr(x, "dtype") and hasattr(x, "shape") and _owner(type(x)) is not None


def is_array_type(array_type: type) -> bool:
    """Say whether the instances of a type are arrays, of some library or of ours."""
    if hasattr(array_type, "__array_namespace__"):
        return True
    is_array_like = hasattr(array_type, "dtype") and hasattr(array_type, "shape")
    return is_array_like and _owner(array_type) is not None


def _owner(array_type: type) -> str | None:
    """Return the name of the backend whose packages define a type or its bases."""
    for base in array_type.__mro__:
        package = base.__module__.partition(".")[0]
        if package == "autograd_core":
            return None  # tracked: its library is that of the array under it
        for cls in known.values():
            if package in cls.packages:
                return cls.name
    return "" if hasattr(array_type, "__array_namespace__") else None


def _recognise(x: Any) -> Backend:
    name = _owner(type(x)) if hasattr(x, "dtype") and hasattr(x, "shape") else None
    if name is None:
        raise error(
            TypeError,
            "array",
            "is not an array of a library that complies with the Array API",
            describe(x),
            "Convert it with autograd_core.ops.asarray.",
        )
    found = backend(name) if name else _backend_of_namespace(x.__array_namespace__())
    refusal = found.refusal(x)
    if refusal:
        remedy = "Convert it to a plain array first."
        raise error(TypeError, "array", refusal, describe(x), remedy)
    _let_defer(x)
    _by_type[type(x)] = found
    return found


def _let_defer(x: Any) -> None:
    """Let ``array * tracked`` reach the tracked operand's ``__rmul__``.

    An operator that does not know its right operand returns NotImplemented. Where a
    library raises instead (array-api-strict does), its operators are wrapped so that
    they defer to tracked arrays, and to nothing else.
    """
    try:
        type(x).__add__(x, _Foreign())
    except TypeError:
        for name in OPERATORS:
            method = getattr(type(x), f"__{name}__", None)
            if method is not None:
                setattr(type(x), f"__{name}__", _deferring(method))


class _Foreign:
    """An operand that no library knows, and that NumPy too leaves alone."""

    __array_ufunc__ = None


def _deferring(method: Callable[..., Any]) -> Callable[..., Any]:
    from autograd_core.tensor import Tracked

    @wraps(method)
    def operator(self: Any, other: Any) -> Any:
        return NotImplemented if isinstance(other, Tracked) else method(self, other)

    return operator


# ------------------------------------------------------------------ the default

_default: Backend | None = None
_overrides: ContextVar[tuple[Backend, ...]] = ContextVar("autograd_backend", default=())


def set_backend(name_or_namespace: Any) -> None:
    """Choose the library in which arrays are created from now on, in all threads.

    Arrays that already exist keep their library: differentiating a function of
    PyTorch arrays gives PyTorch arrays whatever the default is.

    Parameters
    ----------
    name_or_namespace
        The name of a backend (`backends` lists them), or any namespace object that
        complies with the Array API standard.

    Raises
    ------
    ValueError, ImportError, TypeError
        As `backend` does; the default stays what it was.

    Examples
    --------
    >>> set_backend("numpy")
    >>> get_backend()
    numpy
    """
    global _default
    _default = backend(name_or_namespace)


def get_backend() -> Backend:
    """Return the backend in which arrays are created.

    The innermost `use_backend` of this thread or task, else what `set_backend` chose,
    else the environment variable ``AUTOGRAD_BACKEND``, else NumPy.
    """
    overrides = _overrides.get()
    if overrides:
        return overrides[-1]
    if _default is None:
        try:
            set_backend(os.environ.get(ENVIRONMENT_VARIABLE) or "numpy")
        except Exception as cause:
            cause.add_note(f"from the environment variable {ENVIRONMENT_VARIABLE}")
            raise
        return get_backend()
    return _default


class use_backend:  # noqa: N801 (used as a function)
    """Choose the library for a block, in this thread or asynchronous task only.

    Raises what `set_backend` raises, before the block is entered.

    Examples
    --------
    >>> with use_backend("numpy") as chosen:
    ...     print(chosen)
    numpy
    """

    def __init__(self, name_or_namespace: Any) -> None:
        self.chosen = backend(name_or_namespace)

    def __enter__(self) -> Backend:
        _overrides.set((*_overrides.get(), self.chosen))
        return self.chosen

    def __exit__(self, *_: object) -> None:
        _overrides.set(_overrides.get()[:-1])


class Backends(list[SimpleNamespace]):
    """The known backends, one row each; prints as a table."""

    def __repr__(self) -> str:
        titles = ("name", "version", "loaded", "install", "capabilities")
        rows = [titles, *(self._cells(row) for row in self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            )
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    @staticmethod
    def _cells(row: SimpleNamespace) -> tuple[str, ...]:
        return (
            row.name,
            row.version or "not installed",
            "yes" if row.loaded else "no",
            f"pip install {row.requirement}",
            ", ".join(row.capabilities),
        )


def backends() -> Backends:
    """List the known backends: installed or not, version, loaded, capabilities.

    No library is imported for it.

    Returns
    -------
    Backends
        A list of rows with ``name``, ``version`` (None where the library is not
        installed), ``loaded``, ``requirement`` and ``capabilities``; prints as a table.

    Examples
    --------
    >>> [row.name for row in backends() if row.name == "numpy"]
    ['numpy']
    """
    _load_entry_points()
    return Backends(
        SimpleNamespace(
            name=cls.name,
            version=_version(cls.distribution),
            loaded=cls.name in _instances,
            requirement=cls.requirement,
            capabilities=cls.capabilities,
        )
        for _, cls in sorted(known.items())
        if cls.listed
    )


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution) if distribution else None
    except PackageNotFoundError:
        return None
