"""Compiling: a function is recorded once for each kind of arguments, then run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import update_wrapper
from threading import Lock
from types import MethodType
from typing import Any, TypeAlias

from autograd_core import backend as libraries
from autograd_core import pytree
from autograd_core.errors import describe, error, user_line
from autograd_core.graph import Array
from autograd_core.programs import loops  # noqa: F401 (declares the operation)
from autograd_core.programs.program import GuardError, Program
from autograd_core.programs.recording import Spec, recorded
from autograd_core.programs.surroundings import (
    OWN_KEYS,
    VALUES,
    Place,
    Surroundings,
)
from autograd_core.tensor import Tracked, is_array
from autograd_core.transform import Pytree, require_count, require_function

Run: TypeAlias = Callable[[Sequence[Array]], list[Any]]
"""A compiled program: arrays in, in the order of its inputs, arrays out."""

PATHS = 16
"""Programs that are kept for one kind of arguments; then the function runs itself."""


def compile(
    function: Callable[..., Pytree] | None = None,
    *,
    level: str = "exact",
    backend: Any = None,
    threads: int = 1,
) -> Any:
    """Make a function that is recorded, optimised, and run as a program.

    Parameters
    ----------
    function
        A function of pytrees of arrays; transforms of functions are functions, too:
        ``compile(value_and_grad(loss))``. Without it, a decorator.
    level
        What the program may do otherwise than the function: ``"exact"`` nothing, the
        results are the same to the bit; ``"stable"`` what is more accurate; ``"fast"``
        what rounds otherwise (docs/programs.md lists the passes).
    backend
        The name of the library that runs it, if it is another than the arrays'; they
        are converted to it, and the results stay there.
    threads
        How many threads NumPy's loops over large arrays are divided among.

    Returns
    -------
    callable
        Of the same arguments. Arrays of each shape, dtype and library, each structure
        of pytrees, and each value of any other argument (Python's numbers too) are
        recorded once. Where the control flow depends on values of arrays, these are
        checked in each call, and each path through the function is recorded once.
        Called with tracked arrays it is the function itself. Its attribute ``programs``
        lists what was recorded.

    Raises
    ------
    ValueError
        If there is no such level.
    TypeError
        While recording: if the function takes a number out of an array (``float(x)``),
        or a shape depends on values.

    Warns
    -----
    RuntimeWarning
        Once, if a function is recorded too often: because its numbers, the arrays it
        closes over, or its control flow keep changing; or if it does not compute the
        same when called again (random numbers). It then runs uncompiled.

    Notes
    -----
    Arrays that the function closes over are held by reference: what is written to them
    is seen, and another array or number in their place is noticed. What the function
    does beside computing its result (printing, counting, writing to its arguments)
    happens while recording only.

    Examples
    --------
    >>> import numpy, autograd_core as ag
    >>> @ag.compile
    ... @ag.value_and_grad
    ... def loss(w, x):
    ...     return ag.ops.sum((x @ w - 1.0) ** 2)
    >>> value, gradient = loss(numpy.asarray([1.0, 2.0]), numpy.eye(2))
    >>> print(value, gradient)
    1.0 [0. 2.]
    """
    from autograd_core.programs.passes import LEVELS

    if level not in LEVELS:
        raise error(
            ValueError,
            "compile",
            f"level is one of {', '.join(map(repr, LEVELS))}",
            repr(level),
            "Use 'exact' for the same bits.",
        )
    require_count("compile", "threads is a number, at least 1", threads, 1, "Use 2.")
    options = {"threads": threads}
    library = None if backend is None else libraries.backend(backend)

    def decorate(function: Callable[..., Pytree]) -> Compiled:
        require_function("compile", function)
        return Compiled(function, level, library, options)

    return decorate if function is None else decorate(function)


class Path:
    """One program of a function, and what runs it."""

    __slots__ = ("program", "run", "structure")

    def __init__(self, program: Program, run: Run) -> None:
        self.program, self.run = program, run
        self.structure = program.structure


class Variant:
    """The programs for one kind of arguments: a path for each way through the code."""

    __slots__ = ("held", "paths", "places", "surroundings")

    def __init__(
        self, places: tuple[int, ...], surroundings: Surroundings, held: list[Any]
    ) -> None:
        self.places, self.surroundings = places, surroundings
        self.held = held  # so that the identities in the key stay their own
        self.paths: list[Path] = []


class Compiled:
    """A function that runs as a program; made by `compile`."""

    def __init__(
        self,
        function: Callable[..., Pytree],
        level: str,
        library: libraries.Backend | None,
        options: dict[str, Any],
    ) -> None:
        update_wrapper(self, function)
        self.function = function
        self.level, self.library, self.options = level, library, options
        self._variants: dict[Any, Variant] = {}
        self._recorded = 0
        self._given_up = False
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<compiled {getattr(self, '__name__', self.function)}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind to an object, as a method is: its attributes are what it closes over."""
        if instance is None or isinstance(self.function, staticmethod):
            return self
        kept = getattr(instance, "__dict__", None)
        if not isinstance(kept, dict):
            return MethodType(self, instance)
        name = f"{OWN_KEYS}{getattr(self, '__name__', '')}_{id(self)}"
        bound = kept.get(name)
        if bound is None or bound.function.__self__ is not instance:  # of a copy
            method = MethodType(self.function, instance)
            bound = Compiled(method, self.level, self.library, self.options)
            kept[name] = bound
        return bound

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle and copy as functions are, by name; of an object's own, nothing.

        What is compiled for an object is kept in it, and made again when it is missing.
        """
        if isinstance(self.function, MethodType):
            return _nothing, ()
        return str(vars(self).get("__qualname__", self.function))

    @property
    def programs(self) -> list[Program]:
        """What was recorded and optimised so far."""
        return [p.program for v in list(self._variants.values()) for p in v.paths]

    def __call__(self, /, *arguments: Any, **keywords: Any) -> Pytree:
        """Run the program for these arguments, recorded now if there is none."""
        if self._given_up:
            return self.function(*arguments, **keywords)
        if not keywords and all(map(libraries.is_array, arguments)):
            leaves: Sequence[Any] = arguments  # the common case, four times as fast
            key: Any = tuple([(type(x), x.dtype, x.shape) for x in arguments])
        else:
            leaves, signature = pytree.flatten((arguments, keywords))
            key = (signature, *map(_kind, leaves))
        variant = self._variants.get(key)
        if variant is None:
            variant = self._new_variant(key, leaves)
        elif changed := variant.surroundings.changed():
            variant = self._again(key, leaves, changed)
        if variant is None:
            return self.function(*arguments, **keywords)
        given = [leaves[k] for k in variant.places]
        if self.library is not None:
            given = [self.library.asarray(x) for x in given]
        for path in variant.paths:
            try:
                return pytree.unflatten(path.structure, path.run(given))
            except GuardError:
                continue
        new = self._new_path(variant, arguments, keywords, given)
        if new is None:
            return self.function(*arguments, **keywords)
        return pytree.unflatten(new.structure, new.run(given))

    # ---- recording

    def _new_variant(self, key: Any, leaves: Sequence[Any]) -> Variant | None:
        """Return what holds the programs for another kind of arguments.

        None where the function is to run as it is, as something is tracked.
        """
        for x in leaves:
            if isinstance(x, Spec):
                raise error(
                    TypeError,
                    "compile",
                    "the compiled function takes arrays",
                    repr(x),
                    "Use autograd_core.trace for a program without data.",
                )
        with self._lock:
            objects = [x for x in leaves if not is_array(x)]
            surroundings = Surroundings(self.function, *objects)
            if surroundings.are_tracked or any(isinstance(x, Tracked) for x in leaves):
                return None
            places = tuple(k for k, x in enumerate(leaves) if is_array(x))
            variant = Variant(places, surroundings, objects)
            return self._variants.setdefault(key, variant)

    def _again(
        self, key: Any, leaves: Sequence[Any], changed: tuple[Place, Any]
    ) -> Variant | None:
        """Forget the programs of a function that closes over something else now."""
        self._recorded += 1
        if self._recorded > PATHS:
            (_, _, name), value = changed
            self._give_up(
                f"closes over {describe(value)} (in {name!r}), which is another in "
                "every call",
                "Pass it as an argument.",
            )
            return None
        self._variants.pop(key, None)
        return self._new_variant(key, leaves)

    def _new_path(
        self,
        variant: Variant,
        arguments: Sequence[Any],
        keywords: dict[str, Any],
        given: Sequence[Array],
    ) -> Path | None:
        """Record the way through the function that these arguments take."""
        if len(variant.paths) >= PATHS or len(self._variants) > 4 * PATHS:
            numbers = len(self._variants) > 4 * PATHS
            self._give_up(
                "was recorded for so many "
                + ("different arguments" if numbers else "ways through its code"),
                "Python's numbers and functions are part of a program: pass arrays."
                if numbers
                else "Use where or cond instead of Python's if.",
            )
            return None
        program = self._program(arguments, keywords)
        if not self._is_repeatable(program, arguments, keywords):
            return None
        from autograd_core.programs.passes import optimise  # of no use before

        program = optimise(program, self.level)
        library = self.library
        if library is None:
            library = (
                libraries.backend_of(given[0]) if given else libraries.get_backend()
            )
        path = Path(program, library.compile(program, **self.options))
        variant.paths.append(path)
        return path

    def _program(
        self,
        arguments: Sequence[Any],
        keywords: dict[str, Any],
        answers: Iterator[bool | int] | None = None,
    ) -> Program:
        """Record the function."""
        return recorded(
            self.function,
            arguments,
            keywords,
            answers=answers,
            name="compile",
            stable=self.level != "exact",
        )

    def _is_repeatable(
        self, program: Program, arguments: Sequence[Any], keywords: dict[str, Any]
    ) -> bool:
        """Say whether the function computes the same when it is called again."""
        answers = iter([guard.answer for guard in program.guards])
        try:
            again = self._program(arguments, keywords, answers)
        except StopIteration:
            again = None
        if again == program:
            return True
        self._give_up(
            "computes something else in each call (random numbers, a counter)",
            "Pass what changes as an argument.",
        )
        return False

    def _give_up(self, why: str, remedy: str) -> None:
        """Run the function itself from now on, and say why."""
        self._given_up = True
        name = getattr(self, "__name__", repr(self.function))
        warnings.warn(
            f"compile: {name} {why}; it runs uncompiled from now on. {remedy} (at "
            f"{user_line()})",
            RuntimeWarning,
            stacklevel=4,
        )


def _nothing() -> None:
    return None


def _kind(x: Any) -> Any:
    """Return what a program depends on of an argument's leaf."""
    if is_array(x):
        return type(x), x.dtype, x.shape
    if isinstance(x, VALUES):
        return type(x), repr(x)
    return type(x), id(x)
