"""Backends are certified, and backends that lie are caught, each in what it lies about.

A liar is NumPy's backend but for one thing. It takes NumPy's place in the registries
for the time of a test, so that all ndarrays are its arrays.
"""

import itertools
import re
from types import SimpleNamespace

import array_api_compat.numpy as compat
import numpy as np
import pytest

import autograd_core as ag
from autograd_backends import NumPy
from autograd_core import backend as backends
from autograd_core.operation import registry
from autograd_core.testing.array_scenarios import STANDARD
from autograd_core.testing.backends import certify_backend
from autograd_core.testing.certificate import CertificationError
from autograd_core.testing.operation_scenarios import WITHOUT_RULE
from autograd_core.testing.scenario import scenarios

REGISTRIES = ("known", "_instances", "_by_namespace", "_by_type")


@pytest.fixture(autouse=True)
def _registries():
    """Put back what a test changes in the registries of backends."""
    held = {name: dict(getattr(backends, name)) for name in REGISTRIES}
    yield
    for name, content in held.items():
        getattr(backends, name).clear()
        getattr(backends, name).update(content)


def alone(cls):
    """Make a backend the only one that is known."""
    for name in REGISTRIES:
        getattr(backends, name).clear()
    ag.register_backend(cls)
    return cls.name


def certificate_of(cls, *only, **keywords):
    return certify_backend(alone(cls), only=only, raises=False, **keywords)


def row_of(certificate, name):
    (row,) = [row for row in certificate.rows if row.scenario.startswith(f"{name}:")]
    return row


# ------------------------------------------------------------------ the honest


def test_the_chosen_backend_is_certified(backend):
    certificate = certify_backend(backend.name)
    assert len(certificate.rows) == len(scenarios)
    assert certificate.passed


class Liar(NumPy):
    """NumPy's backend under another name, honest until it is told otherwise."""

    name = "liar"
    packages = ("numpy",)
    requirement = "liar"


class Portable(ag.Backend):
    """NumPy's namespace with the portable forms of everything else."""

    name = "portable"
    packages = ("numpy",)
    requirement = "portable"
    lacks: tuple[str, ...] = ()

    def load(self):
        names = {n: getattr(compat, n) for n in dir(compat) if n not in self.lacks}
        return SimpleNamespace(**names)


def test_an_honest_backend_in_numpys_place_passes():
    assert certificate_of(Liar).passed


def test_the_portable_forms_pass():
    certificate = certify_backend(alone(Portable))
    assert {row.outcome for row in certificate.rows} == {"passed"}


class Own(np.ndarray):
    """The array of a library that nobody has registered."""

    def __array_namespace__(self, api_version=None):
        return UNHEARD_OF

    def __getitem__(self, key):
        return np.asarray(super().__getitem__(key)).view(Own)  # no scalars of NumPy's


class UnheardOf:
    """A namespace that nobody has registered."""

    __name__ = "unheard_of"

    def __getattr__(self, name):
        value = getattr(compat, name)
        if isinstance(value, type) or not callable(value):
            return value
        return lambda *given, **keywords: self.own(value(*given, **keywords))

    def own(self, y):
        if isinstance(y, (tuple, list)):
            return [self.own(part) for part in y]
        is_array = isinstance(y, (np.ndarray, np.generic))
        return np.asarray(y).view(Own) if is_array else y


UNHEARD_OF = UnheardOf()


def test_a_namespace_that_nobody_has_registered():
    backends.known.clear()
    certificate = certify_backend(UNHEARD_OF)
    assert str(certificate).startswith("backend unheard_of (float64, rtol 1.0e-10): ")


def test_a_namespace_whose_arrays_belong_to_another_backend():
    names = {name: getattr(np, name) for name in dir(np) if name[0] != "_"}
    only = ("recognition",)
    certificate = certify_backend(SimpleNamespace(**names), only=only, raises=False)
    row = row_of(certificate, "recognition")
    assert row.outcome == "FAILED"
    assert "asarray returned a numpy.ndarray, which belongs to numpy, not to" in (
        row.detail
    )
    assert "see the attribute `packages`" in row.detail


class Frozen(np.ndarray):
    """An array that cannot be written to."""

    def __setitem__(self, key, value):
        raise TypeError("frozen arrays are immutable. Make another one")


class Immutable(Portable):
    """Arrays that nobody can write to, as JAX's."""

    def asarray(self, *given, **keywords):
        return self.namespace.asarray(*given, **keywords).view(Frozen)

    def snapshot(self, x):
        return x, None

    def pad_index(self, x, /, *, key, shape):
        result = np.zeros(shape, x.dtype)
        result[key] = x
        return result.view(Frozen)


def test_arrays_that_cannot_be_written_to():
    names = ("small_writes", "large_writes", "snapshots", "unshared", "results")
    certificate = certificate_of(Immutable, "getitem", "pad_index", *names)
    assert certificate.passed
    for name in names:
        row = row_of(certificate, name)
        assert row.outcome == "not applicable"
        assert row.detail == (
            "arrays cannot be written to: frozen arrays are immutable"
        )


# ------------------------------------------------------------------ what is missing


def test_missing_functions_are_not_applicable_and_named():
    class Lacking(Portable):
        lacks = ("hypot", "take_along_axis", "searchsorted", "tile", "unstack")

    only = ("functions", "values", "index_add", "constants", "programs")
    certificate = certify_backend(alone(Lacking), only=only)
    row = row_of(certificate, "functions")
    assert row.outcome == "not applicable"
    assert row.detail == (
        "the library has no hypot, searchsorted, take_along_axis, tile, unstack"
    )
    assert row_of(certificate, "values").outcome == "passed"
    assert row.detail in str(certificate)
    row = row_of(certificate, "index_add")  # of which the portable form searches
    assert row.detail == "the library has no 'searchsorted'"


def test_without_what_differentiation_needs():
    class Crippled(Portable):
        lacks = ("sum", "hypot")

    certificate = certificate_of(Crippled)
    row = row_of(certificate, "functions")
    assert row.outcome == "FAILED"
    assert "the namespace has no 'sum'" in row.detail
    assert len(certificate.rows) == len(scenarios)


def test_a_misspelt_attribute_is_no_missing_function():
    class Misspelt(Liar):
        def sin(self, x, /):
            return self.nmpy.sin(x)

    row = row_of(certificate_of(Misspelt, "values"), "values")
    assert row.outcome == "FAILED"
    assert "sin(float64[3,4]): raised AttributeError" in row.detail
    assert "'nmpy'" in row.detail
    assert "test_certify_backend.py:" in row.detail


class SinglePrecision(Portable):
    """A library of which float32 is the widest real dtype."""

    def load(self):
        names = {n: getattr(compat, n) for n in dir(compat) if "64" not in n}
        for name, function in names.items():
            if callable(function) and not isinstance(function, type):
                names[name] = self.narrowed(function)
        info = SimpleNamespace(dtypes=lambda: {"float32", "int32", "bool"})
        names["__array_namespace_info__"] = lambda: info
        return SimpleNamespace(**names, int64=np.dtype("int32"))

    def narrowed(self, function):
        def call(*given, **keywords):
            return self.narrow(function(*given, **keywords))

        return call

    def narrow(self, y):
        if isinstance(y, (tuple, list)):
            return [self.narrow(part) for part in y]
        if getattr(y, "dtype", None) == np.float64:
            return y.astype(np.float32)
        return y


def test_a_library_without_float64_is_judged_in_float32():
    certificate = certify_backend(alone(SinglePrecision))
    assert str(certificate).startswith("backend portable (float32, rtol 1.2e-05)")


def test_a_liar_without_float64():
    class Off(SinglePrecision):
        def exp(self, x, /):
            return np.exp(x) * np.float32(1.0001)

    row = row_of(certificate_of(Off, "values"), "values")
    assert row.outcome == "FAILED"
    assert "exp(" in row.detail


# ------------------------------------------------------------------ the table


class SinIsCos(Liar):
    def sin(self, x, /):
        return np.cos(x)


def test_the_words_of_the_table():
    certificate = certificate_of(SinIsCos, "index_add", "values", "adjoint")
    values, title = scenarios["values"], f"{'':2}values: {scenarios['values'].asks}"
    lines = str(certificate).splitlines()
    assert lines[0] == "backend liar (float64, rtol 1.0e-10): 2 passed, 1 FAILED"
    assert [line.split()[0] for line in lines[1:4]] == [
        "index_add:",
        "values:",
        "adjoint:",
    ]
    assert lines[2].startswith(title)
    assert lines[2].endswith("FAILED")
    assert lines[4:6] == ["", f"values: {values.asks}:"]
    assert len(lines) == 7
    assert re.fullmatch(
        r"  sin\(float64\[3,4\]\): value: element \[0, 0\] is 0\.\d+; expected 0\.\d+ "
        r"\(12 of 12 differ, by more than 1\.0e-10\) \(and 1 more\)",
        lines[6],
    )


def test_a_failure_raises_the_table():
    with pytest.raises(CertificationError) as raised:
        certify_backend(alone(SinIsCos), only=["values"])
    certificate = certify_backend("liar", only=["values"], raises=False)
    assert not certificate.passed
    assert str(raised.value) == str(certificate)


def test_many_faults_are_not_all_shown():
    class AllWrong(Liar):
        def reshape(self, x, /, shape, *, copy=None):
            raise RuntimeError("out of order")

        sum = broadcast_to = where = permute_dims = reshape

    detail = row_of(certificate_of(AllWrong, "gradients"), "gradients").detail
    assert len(detail.splitlines()) == 11
    assert detail.splitlines()[-1].startswith("  and ")
    assert "raised RuntimeError: out of order; in the backward pass of " in detail


def test_an_unknown_backend_raises_before_anything():
    for raises in (True, False):
        with pytest.raises(ValueError, match="no backend has this name"):
            certify_backend("nunpy", raises=raises)


def test_an_unknown_scenario():
    with pytest.raises(
        ValueError, match=r"^certify_backend: `only` names scenarios; got "
    ):
        certify_backend("numpy", only=["vlaues"])


def test_the_tolerance_is_the_backends():
    class Rough(Liar):
        def exp(self, x, /):
            return np.exp(x) * (1 + 1e-8)

    assert not certificate_of(Rough, "values").passed
    assert certificate_of(Rough, "values", rtol=1e-6).passed


def test_the_default_backend_stays():
    before = ag.get_backend()
    certify_backend("numpy", only=["mixing", "default"])
    assert ag.get_backend() is before


# ------------------------------------------------------------------ completeness


def test_every_operation_is_asked_for():
    """By its samples where it has a rule, else by an expression."""
    for name in STANDARD:
        assert any(registry[name].jvp) or f"{name}(" in WITHOUT_RULE, name


def test_every_scenario_has_a_sentence_and_a_liar():
    for name, scenario in scenarios.items():
        assert scenario.asks, name
    assert {name for name, _, _ in LIES} == set(scenarios) - {"functions"}
    assert len(LIES) > 15


# ------------------------------------------------------------------ lies

LIES = []


def lie(scenario, culprit):
    """Name the scenario that must catch a liar, and what its detail must say."""

    def register(cls):
        LIES.append((scenario, culprit, cls))
        return cls

    return register


@lie(
    "recognition", "asarray returned a test_certify_backend.Stranger, which belongs to"
)
class ArraysOfAnother(Liar):
    packages = ("nowhere",)

    def asarray(self, *given, **keywords):
        return compat.asarray(*given, **keywords).view(Stranger)


class Stranger(np.ndarray):
    """An array of nobody's."""


Stranger.__module__ = "test_certify_backend"


@lie("recognition", "owns(Judged) is True")
class OwnsEverything(Liar):
    def owns(self, x):
        return True


@lie("recognition", "plain returned [[0. 0.] [0. 0.]]; expected [[1. 2.] [3. 4.]]")
class PlainIsZero(Liar):
    def plain(self, x):
        return 0 * x


@lie("dtypes", "float64: dtype(...) is float32; expected float64")
class Float64IsFloat32(Liar):
    def dtype(self, dtype):
        own = super().dtype(dtype)
        return np.dtype("float32") if own == np.float64 else own


@lie("dtypes", "int64: is_floating is True")
class IntegersFloat(Liar):
    def is_floating(self, dtype):
        return True


@lie("dtypes", "complex64: is_complex is False")
class NothingIsComplex(Liar):
    def is_complex(self, dtype):
        return False


@lie("devices", "device_of(x) is 'gpu'; x.device is 'cpu'")
class OnAnotherDevice(Liar):
    def device_of(self, x):
        return "gpu"

    def zeros(self, shape, *, dtype=None, device=None):
        return np.zeros(shape, dtype)

    def full(self, shape, fill_value, *, dtype=None, device=None):
        return np.full(shape, fill_value, dtype)


@lie("getitem", "key=slice(5, 1, -2): x[key]: element [0] is")
class NoNegativeStep(Liar):
    def getitem(self, x, /, *, key):
        return (
            x[key][::-1] if isinstance(key, slice) and (key.step or 1) < 0 else x[key]
        )


@lie("pad_index", "key=2: pad_index: element [2] is 0.0; expected 0.546875")
class PadShifts(Liar):
    def pad_index(self, x, /, *, key, shape):
        return np.roll(super().pad_index(x, key=key, shape=shape), 1)


@lie("pad_index", "x of float32[5], key=2: pad_index: dtype float64; expected float32")
class PadWidens(Liar):
    def pad_index(self, x, /, *, key, shape):
        return super().pad_index(x, key=key, shape=shape).astype(float)


@lie("index_add", "float64[5] to size=3: index_add: element [0] is")
class LosesRepeats(Liar):
    def index_add(self, x, positions, /, *, size):
        result = np.zeros(size, x.dtype)
        result[positions] = x
        return result


@lie("index_add", "float64[0] to size=3: raised IndexError")
class CrashesOnNothing(Liar):
    def index_add(self, x, positions, /, *, size):
        positions[0]
        return super().index_add(x, positions, size=size)


@lie("index_add", "float32[0] to size=3: index_add: dtype float64; expected float32")
class AddsInFloat64(Liar):
    def index_add(self, x, positions, /, *, size):
        return np.bincount(positions, x, size).astype(float)


@lie("index_add", "to size=1000: index_add: element [1] is 0.0; expected nan")
class DropsNan(Liar):
    def index_add(self, x, positions, /, *, size):
        return super().index_add(np.nan_to_num(x), positions, size=size)


@lie("index_add", "float64[20000] to size=1000: index_add: element")
class WrongFastPath(Liar):
    def index_add(self, x, positions, /, *, size):
        if x.size > 10_000:
            x = x.astype(np.float16).astype(x.dtype) * 1.0001
        return super().index_add(x, positions, size=size)


@lie("small_writes", "c * x, left operand c written to before the pullback: gradient:")
class KeepsByReference(Liar):
    def copy_of_small(self, x):
        return x


@lie("small_writes", "mask m written to before the pullback: gradient:")
class SnapshotIsTheArray(Liar):
    def snapshot(self, x):
        return x, None


@lie("large_writes", "x * c, right operand c written to before backward(): gradient:")
class NeverNotices(Liar):
    def _still(self, before, x):
        return True


@lie("snapshots", "the check of snapshot is False though nothing was written to")
class AlwaysAlarmed(Liar):
    def _still(self, before, x):
        return False


@lie("snapshots", "every second element of [6]: snapshot returned")
class SnapshotOfTheBase(Liar):
    def snapshot(self, x):
        return (x if x.base is None else x.base[: x.size]).copy(), None


@lie("unshared", "unshared returned memory that the array shares")
class SharesMemory(Liar):
    def unshared(self, x):
        return np.asarray(x)


@lie("results", "x, y): raised ValueError: assignment destination is read-only")
class HandsOutArguments(Liar):
    def unshared(self, x):
        return np.asarray(x)


@lie("results", "x: a write to the gradient changed the gradient of a second run")
class CachesZeros(Liar):
    def full(self, shape, fill_value, *, dtype=None, device=None):
        key = (tuple(np.atleast_1d(shape)), fill_value, str(dtype))
        cache = self.__dict__.setdefault("cache", {})
        return cache.setdefault(key, np.full(shape, fill_value, dtype))


class Greedy(np.ndarray):
    """An array whose operators take any operand that holds an array."""

    def __mul__(self, other):
        return np.asarray(self) * np.asarray(ag.stop_gradient(other))


class SwallowsOperands(Liar):
    def asarray(self, *given, **keywords):
        return compat.asarray(*given, **keywords).view(Greedy)


@lie("operators", "raw * x: gradient: element [0] is 0.0; expected")
class SwallowsTracked(SwallowsOperands):
    pass


@lie("mixing", "other * x: x of reference, other of liar: computed the tangent")
class MixesLibraries(SwallowsOperands):
    pass


@lie("values", "raised ValueError: no elements; sin(x: float64[0,2])")
class CrashesOnZeroSize(Liar):
    def sin(self, x, /):
        if not np.size(x):
            raise ValueError("no elements")
        return np.sin(x)


lie("values", "sin(float64[3,4]): value: element [0, 0] is")(SinIsCos)


@lie("values", "exp(float64[3,4]): value: element")
class ExpIsOff(Liar):
    def exp(self, x, /):
        return np.exp(x) * (1 + 1e-6)


@lie("values", "keepdims=True): value: shape (2, 4); expected (2, 1, 4)")
class IgnoresKeepdims(Liar):
    def sum(self, x, /, *, axis=None, dtype=None, keepdims=False):
        return super().sum(x, axis=axis, dtype=dtype)


@lie("programs", "logaddexp(x, sum(z * z)) @ (y @ y) + take")
class TransposesSquares(Liar):
    def matmul(self, x1, x2, /):
        square = x1.ndim == 2 and x1.shape[0] == x1.shape[1]
        return np.matmul(x1.T if square else x1, x2)


@lie("tangents", "sin(float64[3,4]): tangent: element")
class CosIsSin(Liar):
    def cos(self, x, /):
        return np.sin(x)


@lie("gradients", "abs(float64[3,4]): gradient: element")
class SignIsOne(Liar):
    def sign(self, x, /):
        return np.ones_like(x)


@lie("second_derivatives", "cos(float64[3,4]): curvature: element")
class SinIsCosAgain(SinIsCos):
    pass


@lie("variations", "sum(float64[36,37]")
class LosesTheLastOfMany(Liar):
    def sum(self, x, /, *, axis=None, dtype=None, keepdims=False):
        x = x[:-1] if x.size > 1000 else x
        return super().sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


@lie("adjoint", "take(float64[4], indices=[0, 3, 3]): <u, J v> is")
class LosesRepeatsAgain(LosesRepeats):
    pass


@lie("float32", "sum(float64[3,4]): value: dtype float64; expected float32")
class SumWidens(Liar):
    def sum(self, x, /, *, axis=None, dtype=None, keepdims=False):
        return np.sum(x, axis=axis, dtype=dtype or float, keepdims=keepdims)


@lie("inputs", "exp(float64[3,4]): the value wrote [[")
class WritesToItsArgument(Liar):
    def exp(self, x, /):
        in_place = isinstance(x, np.ndarray) and x.flags.writeable
        return np.exp(x, out=x if in_place else None)


@lie("inputs", "negative(float64[3,4]): the value wrote [[0. 0. 0. 0.] [0. 0. 0. 0.]")
class ClearsItsArgument(Liar):
    def negative(self, x, /):
        y = np.negative(x)
        if isinstance(x, np.ndarray) and x.flags.writeable and x.size > 3:
            x.fill(0.0)
        return y


@lie("repeatable", "sin(float64[3,4]): value [[")
class NeverTheSame(Liar):
    counter = itertools.count()

    def sin(self, x, /):
        return np.sin(x) * (1 + 1e-15 * (next(self.counter) % 5))


@lie("repeatable", "cos(float64[3,4]): a value changed when another was computed")
class ReusesMemory(Liar):
    def cos(self, x, /):
        scratch = self.__dict__.setdefault("scratch", {})
        return np.cos(x, out=scratch.setdefault(np.shape(x), np.zeros(np.shape(x))))


@lie("layouts", "reshape(float64[3,4], shape=(2, 6)), transposed: value: element")
class TakesMemoryOrder(Liar):
    def reshape(self, x, /, shape, *, copy=None):
        return x.ravel(order="K").reshape(shape)


@lie("constants", "equal(x, y): value: element [0, 1] is 1.0; expected 0.0")
class AlwaysEqual(Liar):
    def equal(self, x1, x2, /):
        return np.broadcast_arrays(x1, x2)[0] == np.broadcast_arrays(x1, x2)[0]


@lie(
    "constants", "argsort(v, descending=True): value: element [0] is 0.0; expected 2.0"
)
class IgnoresDescending(Liar):
    def argsort(self, x, /, *, axis=-1, descending=False, stable=True):
        return np.argsort(x, axis=axis, stable=stable)


@lie("scalars", "x * 1.5: tangent: dtype float64; expected float32")
class StrongScalars(Liar):
    def multiply(self, x1, x2, /):
        return np.multiply(np.asarray(x1), np.asarray(x2))


@lie("sizes", "sort(x, axis=0) of shape (0,): raised IndexError")
class CannotSortNothing(Liar):
    def sort(self, x, /, *, axis=-1, descending=False, stable=True):
        x.ravel()[0]
        return compat.sort(x, axis=axis, descending=descending, stable=stable)


@lie(
    "programs", "mean(tanh(tanh(x @ y + z) @ matrix_transpose(y)) ** 2, axis=1): value:"
)
class TanhIsOff(Liar):
    def tanh(self, x, /):
        return np.tanh(x) + 1e-7


@lie("eager", "grad 0: element [0, 0] is 0.0; expected")
class UnsharedIsZero(Liar):
    def unshared(self, x):
        return np.zeros_like(x)


@lie("default", "raised")
class UsesTheDefault(Liar):
    def pad_index(self, x, /, *, key, shape):
        result = ag.get_backend().zeros(shape, dtype=x.dtype)
        result[key] = x
        return result


@pytest.mark.parametrize(
    ("scenario", "culprit", "cls"), LIES, ids=[cls.__name__ for _, _, cls in LIES]
)
def test_a_liar_is_caught(scenario, culprit, cls):
    row = row_of(certificate_of(cls, scenario), scenario)
    assert row.outcome == "FAILED"
    assert culprit in row.detail


def test_a_scenario_that_fails_does_not_stop_the_others():
    only = ("recognition", "mixing", "values", "tangents")
    certificate = certificate_of(CrashesOnZeroSize, *only)
    outcomes = {row.scenario.partition(":")[0]: row.outcome for row in certificate.rows}
    assert set(outcomes) == set(only)
    assert outcomes["values"] == outcomes["tangents"] == "FAILED"
    assert outcomes["recognition"] == outcomes["mixing"] == "passed"
