"""Which libraries are known, how one is chosen, and how another is added."""

import shutil
import sys
import types

import numpy as np
import pytest
from core_support import MODULES, assert_equal, run_python

import autograd_core as ag
from autograd_core import backend as backends_module

xp = ag.ops
NAMES = ("array-api-strict", "cupy", "jax", "numpy", "torch")


# ------------------------------------------------------- what is known


def test_the_known_backends():
    rows = {row.name: row for row in ag.backends()}
    assert set(NAMES) <= set(rows)
    assert rows["numpy"].version == np.__version__
    assert rows["numpy"].loaded is True
    assert rows["cupy"].requirement.startswith("cupy-cuda")
    assert all(row.capabilities for row in rows.values())


def test_a_library_that_is_not_installed_says_so():
    row = next(row for row in ag.backends() if row.name == "cupy")
    assert row.version is None
    assert row.loaded is False


def test_the_table_prints():
    lines = repr(ag.backends()).splitlines()
    assert lines == str(ag.backends()).splitlines()
    assert lines[0].split() == ["name", "version", "loaded", "install", "capabilities"]
    (numpy_line,) = [line for line in lines if line.startswith("numpy ")]
    assert np.__version__ in numpy_line
    assert "pip install numpy" in numpy_line
    assert "float64" in numpy_line
    assert not any(line.endswith(" ") for line in lines)
    columns = [line.index("pip install") for line in lines[1:]]
    assert len(set(columns)) == 1, "the columns are aligned"


def test_names_are_the_same_in_the_registry_and_the_table():
    listed = {name for name, cls in backends_module.known.items() if cls.listed}
    assert [row.name for row in ag.backends()] == sorted(listed)
    assert set(backends_module.known) - listed == {"abstract"}


# ------------------------------------------------------- choosing one


def test_every_installed_backend_is_chosen_by_name(library):
    ag.set_backend(library.name)
    assert ag.get_backend() is library
    assert str(ag.get_backend()) == library.name
    x = xp.asarray([1.0, 2.0])
    for made in (x, xp.zeros((2,)), xp.arange(3.0), ag.Tensor([1.0]).value):
        assert type(made) is type(library.asarray([1.0]))
    assert ag.Tensor([1.0]).dtype == library.asarray([1.0]).dtype
    with ag.use_backend("numpy"):
        assert type(xp.zeros(2)) is np.ndarray
    assert ag.get_backend() is library


def test_a_backend_object_is_accepted(library):
    ag.set_backend(library)
    assert ag.get_backend() is library
    with ag.use_backend(library) as chosen:
        assert chosen is library


@pytest.mark.parametrize(
    "module",
    [
        "numpy",
        "array_api_compat.numpy",
        "array_api_strict",
        "torch",
        "array_api_compat.torch",
        "jax.numpy",
    ],
)
def test_a_known_librarys_module_is_that_library(module):
    import importlib

    pytest.importorskip(module.removeprefix("array_api_compat."), exc_type=ImportError)
    name = module.removeprefix("array_api_compat.").partition(".")[0].replace("_", "-")
    ag.set_backend(importlib.import_module(module))
    assert str(ag.get_backend()) == name
    assert ag.get_backend() is backends_module.backend(name)


def test_dtypes_and_constants_are_the_default_librarys(library):
    with ag.use_backend(library):
        assert xp.float32 == library.float32
        assert xp.asarray([1, 2], dtype=xp.int32).dtype == library.int32
        assert xp.isdtype(xp.float64, "real floating")
        assert xp.finfo(xp.float32).eps > 0
        assert xp.__array_api_version__ >= "2023.12"
    assert (xp.pi, xp.newaxis) == (np.pi, None)


def test_iteration_and_indexing_on_every_library(library):
    t = ag.Tensor(library.reshape(library.arange(6, dtype=library.float64), (2, 3)))
    rows = [xp.sum(row * row) for row in t]
    (rows[0] + 2.0 * rows[1]).backward()
    assert_equal(t.grad, [[0.0, 2.0, 4.0], [12.0, 16.0, 20.0]])
    y = t[1, 0] * t[0, -1] + xp.sum(t[..., ::-1][0, :2]) + xp.sum(t[:, None, 1:])
    y.backward()
    assert_equal(t.grad, [[0.0, 2.0, 5.0], [2.0, 1.0, 1.0]])


def test_the_same_answer_from_every_library(library):
    rng = np.random.default_rng(1)
    raw = rng.uniform(0.5, 1.5, size=(3, 4)), rng.uniform(0.5, 1.5, size=(4, 2))

    def model(a, b):
        h = xp.tanh(a @ b) * xp.asarray([0.5, 2.0], dtype=xp.float64)
        h = xp.concat([h, xp.exp(-h)], axis=1)
        h = xp.take(h, xp.asarray([2, 0, 0]), axis=0)
        h = xp.where(h > 0.4, h * h, xp.sqrt(h))
        return xp.mean(h) + xp.std(xp.reshape(h, (2, -1)), axis=0)[1] + xp.max(h)

    expected = ag.value_and_grad(model, (0, 1))(*raw)
    with ag.use_backend(library):
        arrays = [xp.asarray(a.tolist(), dtype=xp.float64) for a in raw]
        value, (a_bar, b_bar) = ag.value_and_grad(model, (0, 1))(*arrays)
    assert_equal(value, expected[0], 1e-13)
    assert_equal(a_bar, expected[1][0], 1e-12)
    assert_equal(b_bar, expected[1][1], 1e-12)


# ------------------------------------------------------- the environment variable


SHOW = "import autograd_core as ag; print(ag.get_backend(), type(ag.ops.ones(2)))"


def test_the_environment_variable():
    pytest.importorskip("array_api_strict")
    shown = run_python(SHOW, AUTOGRAD_BACKEND="array-api-strict")
    assert shown.startswith("array-api-strict <class 'array_api_strict")
    assert run_python(SHOW, AUTOGRAD_BACKEND="").startswith("numpy <class 'numpy.nd")


def test_set_backend_wins_over_the_environment_variable():
    program = (
        "import autograd_core as ag; ag.set_backend('numpy'); print(ag.get_backend())"
    )
    assert run_python(program, AUTOGRAD_BACKEND="array-api-strict") == "numpy\n"


def test_a_wrong_environment_variable_is_an_error_that_names_it():
    program = (
        "import autograd_core as ag\n"
        "try:\n"
        "    ag.get_backend()\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    said = run_python(program, AUTOGRAD_BACKEND="nunpy")
    assert "'nunpy'" in said
    assert "Did you mean 'numpy'" in said


# ------------------------------------------------------- any compliant namespace


def copy_of(module):
    """Return a module under another name with the same contents."""
    copy = types.ModuleType("somebody_elses_arrays")
    copy.__dict__.update(
        {k: v for k, v in vars(module).items() if not k.startswith("__")}
    )
    return copy


def test_a_namespace_that_is_a_copy_of_a_module():
    array_api_strict = pytest.importorskip("array_api_strict")
    namespace = copy_of(array_api_strict)
    ag.set_backend(namespace)
    assert str(ag.get_backend()) == "somebody_elses_arrays"
    ag.set_backend("numpy")
    with ag.use_backend(namespace) as chosen:
        assert ag.get_backend() is chosen
        t = ag.Tensor([1.0, 2.0])
        assert type(t.value) is type(array_api_strict.asarray(1.0))
        y = xp.sum(t * xp.asarray([3.0, 4.0]) + t * t)
        y.backward()
        assert_equal(t.grad, [5.0, 8.0])
        assert_equal(ag.grad(ag.grad(lambda x: x**3))(2.0), 12.0)


def test_a_namespace_is_any_object_with_the_functions():
    namespace = types.SimpleNamespace(
        **{k: v for k, v in vars(np).items() if not k.startswith("_")}
    )
    with ag.use_backend(namespace):
        result = ag.grad(lambda x: xp.sum(x * xp.asarray([3.0, 4.0])))(
            xp.asarray([1.0, 2.0])
        )
    assert_equal(result, [3.0, 4.0])


@pytest.fixture
def unheard_of(tmp_path, monkeypatch):
    """A library that nobody here has heard of: array-api-strict, renamed."""
    array_api_strict = pytest.importorskip("array_api_strict")
    source = array_api_strict.__path__[0]
    shutil.copytree(
        source, tmp_path / "unheard_of", ignore=shutil.ignore_patterns("tests", "*.pyc")
    )
    for file in (tmp_path / "unheard_of").glob("*.py"):  # it names itself
        file.write_text(file.read_text().replace("array_api_strict", "unheard_of"))
    monkeypatch.syspath_prepend(str(tmp_path))
    before = dict(backends_module.known)
    import importlib

    module = importlib.import_module("unheard_of")
    yield module
    for name in [n for n in sys.modules if n.partition(".")[0] == "unheard_of"]:
        del sys.modules[name]
    for name in set(backends_module.known) - set(before):
        del backends_module.known[name]
        backends_module._instances.pop(name, None)
    backends_module._by_type.clear()


def test_arrays_of_an_unheard_of_library(unheard_of):
    """They are recognised by the standard alone, and stay where they are."""
    x = unheard_of.asarray([[0.5, 1.5], [2.5, 3.5]])
    zero = unheard_of.asarray([0, 0])

    def f(x):
        y = xp.exp(x) * x - x[:, ::-1]
        return xp.sum(y / 2.0) + xp.max(x[:, 0] ** 2) + xp.sum(xp.take(x, zero, axis=0))

    result = ag.grad(f)(x)
    assert type(result) is type(x)
    raw = np.asarray([[0.5, 1.5], [2.5, 3.5]])
    expected = np.exp(raw) * (raw + 1) / 2 - 0.5 + [[2.0, 2.0], [0, 0]]
    expected[1, 0] += 2 * 2.5
    assert_equal(result, expected)


def test_second_order_in_an_unheard_of_library(unheard_of):
    with ag.use_backend(unheard_of) as chosen:
        assert str(chosen) == "unheard_of"
        x = xp.asarray([0.5, 1.5])
        result = ag.grad(lambda x: xp.sum(ag.grad(lambda x: xp.sum(x**3))(x) * x))(x)
    assert type(result) is type(x)
    assert_equal(result, 9 * np.asarray([0.5, 1.5]) ** 2)


def test_an_unheard_of_library_and_numpy_are_two(unheard_of):
    with pytest.raises(TypeError, match="two libraries, numpy and unheard_of"):
        xp.add(np.ones(2), ag.Tensor(unheard_of.asarray([1.0, 2.0])))


# ------------------------------------------------------- a third party's package


PLUGIN = '''
from autograd_core.backend import Backend

class UnheardOf(Backend):
    """The backend of a third party."""

    name = "unheard-of"
    packages = ("unheard_of",)
    distribution = "unheard-of-plugin"
    requirement = "unheard-of"
    capabilities = ("cpu", "tests")

    def load(self):
        import unheard_of

        return unheard_of
'''


@pytest.fixture
def plugin(unheard_of, tmp_path):
    (tmp_path / "unheard_of_plugin.py").write_text(PLUGIN)
    meta = tmp_path / "unheard_of_plugin-1.5.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: unheard-of-plugin\nVersion: 1.5\n"
    )
    (meta / "entry_points.txt").write_text(
        "[autograd_core.backends]\nunheard-of = unheard_of_plugin:UnheardOf\n"
    )
    yield unheard_of
    sys.modules.pop("unheard_of_plugin", None)


def test_an_entry_point_adds_a_backend(plugin):
    (row,) = [row for row in ag.backends() if row.name == "unheard-of"]
    assert (row.version, row.requirement) == ("1.5", "unheard-of")
    assert row.capabilities == ("cpu", "tests")
    assert "unheard-of" in repr(ag.backends())
    with ag.use_backend("unheard-of") as chosen:
        assert str(chosen) == "unheard-of"
        t = ag.Tensor([2.0, 3.0])
        (t * t).backward()
        assert type(t.grad).__module__.startswith("unheard_of")
        assert_equal(t.grad, [4.0, 6.0])


def test_an_entry_point_is_found_by_name_alone(plugin):
    with ag.use_backend("unheard-of") as chosen:
        assert type(chosen).__name__ == "UnheardOf"


def test_a_plugins_backend_is_that_of_its_arrays_seen_before(plugin):
    """Arrays that came first, and the name that came later, are one library."""
    x = plugin.asarray([1.0, 2.0])
    ag.grad(lambda x: xp.sum(x * x))(x)
    with ag.use_backend("unheard-of"):
        result = ag.grad(lambda x: xp.sum(x * xp.asarray([3.0, 4.0])))(x)
    assert_equal(result, [3.0, 4.0])


def test_near_names_know_of_plugins(plugin):
    with pytest.raises(ValueError, match="Did you mean 'unheard-of'"):
        ag.set_backend("unheard-off")


def test_a_broken_plugin_does_not_take_the_others_with_it(plugin, tmp_path):
    (tmp_path / "unheard_of_plugin.py").write_text("import no_such_module_at_all\n")
    with pytest.warns(
        RuntimeWarning, match=r"'unheard-of' \(unheard_of_plugin.*broken"
    ):
        names = [row.name for row in ag.backends()]
    assert "numpy" in names


# ------------------------------------------------------- registering a class


def test_a_backend_needs_a_name_and_packages():
    with pytest.raises(ValueError, match=r"^register_backend: a backend has a name"):

        @ag.register_backend
        class Nameless(ag.Backend):
            """No name."""


def test_a_registered_class_is_known_and_recognises_its_arrays(unheard_of):
    @ag.register_backend
    class Mine(ag.Backend):
        """One of the user's own."""

        name = "mine"
        packages = ("unheard_of",)
        requirement = "mine"

        def load(self):
            return unheard_of

    assert backends_module.backend_of(unheard_of.asarray(1.0)).name == "mine"
    assert "mine" in [row.name for row in ag.backends()]


# ------------------------------------------------------- not installed


def test_a_library_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "array_api_strict", None)
    monkeypatch.delitem(backends_module._instances, "array-api-strict", raising=False)
    with pytest.raises(
        ImportError,
        match=r"^set_backend: backend 'array-api-strict' needs a library that is not "
        r"installed; got .*array_api_strict.*pip install array-api-strict.*"
        r"test_backends\.py:\d+",
    ) as raised:
        ag.set_backend("array-api-strict")
    assert isinstance(raised.value.__cause__, ImportError)
    assert str(ag.get_backend()) == "numpy"


# ------------------------------------------------------- CuPy, without a device


def test_cupys_class_is_there_without_cupy():
    import autograd_backends

    assert autograd_backends.CuPy.name == "cupy"
    assert backends_module.known["cupy"] is autograd_backends.CuPy


def test_cupy_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(backends_module._instances, "cupy", raising=False)
    with pytest.raises(
        ImportError, match=r"backend 'cupy' needs .*pip install cupy-cuda\d+x"
    ):
        ag.set_backend("cupy")
    assert str(ag.get_backend()) == "numpy"


@pytest.fixture
def cupy(monkeypatch):
    """The CuPy backend on a stand-in: NumPy under CuPy's names."""
    import array_api_compat.numpy

    import autograd_backends

    waits = []
    stream = types.SimpleNamespace(synchronize=lambda: waits.append(1))
    stand_in = types.ModuleType("cupy")
    stand_in.__dict__.update(zeros=np.zeros, add=np.add, asarray=np.asarray)
    stand_in.cuda = types.SimpleNamespace(get_current_stream=lambda: stream)
    extra = types.ModuleType("cupyx")
    extra.scatter_add = np.add.at
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setitem(sys.modules, "cupyx", extra)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", array_api_compat.numpy)
    monkeypatch.setattr(array_api_compat, "cupy", array_api_compat.numpy, raising=False)
    backend = autograd_backends.CuPy()
    backend.waits = waits
    return backend


def test_cupys_primitives_on_a_stand_in(cupy):
    x = np.asarray([1.0, 2.0, 4.0], dtype="float32")
    added = cupy.index_add(x, np.asarray([2, 0, 2]), size=4)
    assert added.dtype == np.float32
    assert_equal(added, [2.0, 0.0, 5.0, 0.0])
    kept, check = cupy.snapshot(x)
    assert kept is not x
    assert check is None
    assert_equal(cupy.getitem(x, key=slice(1, None)), [2.0, 4.0])
    assert_equal(cupy.pad_index(x, key=slice(1, 4), shape=(5,)), [0, 1, 2, 4, 0])
    assert not np.shares_memory(cupy.unshared(x), x)
    cupy.synchronize()
    assert cupy.waits == [1]
    assert cupy.is_floating(np.dtype("float32"))
    assert not cupy.is_floating(np.dtype("int64"))


# ------------------------------------------------------- primitives of every backend


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("positions", "size"), [([2, 0, 2, 2], 4), ([0, 0, 0, 0], 1), ([3, 2, 1, 0], 7)]
)
def test_index_add(library, dtype, positions, size):
    x = library.asarray([1.0, 2.0, 4.0, 8.0], dtype=getattr(library, dtype))
    where = library.asarray(positions, dtype=library.int64)
    result = library.index_add(x, where, size=size)
    expected = np.zeros(size)
    np.add.at(expected, positions, [1.0, 2.0, 4.0, 8.0])
    assert type(result) is type(x)
    assert result.dtype == x.dtype
    assert_equal(result, expected)


def test_index_add_of_nothing(library):
    x = library.zeros((0,), dtype=library.float64)
    where = library.zeros((0,), dtype=library.int64)
    assert_equal(library.index_add(x, where, size=3), np.zeros(3))


def test_index_add_keeps_a_nan_where_it_belongs(library):
    x = library.asarray([1.0, float("nan"), 4.0], dtype=library.float64)
    where = library.asarray([0, 1, 2], dtype=library.int64)
    result = library.index_add(x, where, size=4)
    np.testing.assert_array_equal(np.from_dlpack(result), [1.0, np.nan, 4.0, 0.0])


def test_the_portable_index_add_agrees_with_numpys(library):
    rng = np.random.default_rng(0)
    positions, values = rng.integers(0, 4, size=9), rng.normal(size=9)
    x = library.asarray(values.tolist(), dtype=library.float64)
    where = library.asarray(positions.tolist(), dtype=library.int64)
    result = ag.Backend.index_add(library, x, where, size=5)
    expected = np.bincount(positions, values, 5)
    assert_equal(result, expected, 1e-12)


@pytest.mark.parametrize(
    "key",
    [
        slice(1, None),
        slice(None, None, -1),
        slice(4, 0, -2),
        (2, slice(None)),
        (..., slice(None, None, -2)),
        (None, slice(1, 4), 0),
        (slice(0, 0), ...),
    ],
    ids=str,
)
def test_getitem_and_its_transpose(library, key):
    raw = np.arange(15.0).reshape(5, 3)
    x = library.reshape(library.arange(15, dtype=library.float64), (5, 3))
    if not isinstance(key, tuple) and library.name == "array-api-strict":
        key = (key, ...)
    picked = library.getitem(x, key=key)
    assert_equal(picked, raw[key])
    expected = np.zeros((5, 3))
    expected[key] = raw[key]
    assert_equal(library.pad_index(picked, key=key, shape=(5, 3)), expected)


def test_synchronize_returns_nothing(library):
    assert library.synchronize() is None


def test_an_attribute_that_the_library_lacks(library):
    with pytest.raises(AttributeError, match=f"{library.name}: the library has no"):
        library.no_such_function  # noqa: B018


def test_every_installed_library_of_the_matrix_is_in_the_table():
    assert set(MODULES) <= {row.name for row in ag.backends()}
