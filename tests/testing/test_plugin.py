"""The pytest plugin: which libraries, known failures, and leaving others alone."""

import os
import subprocess
import sys
import tomllib

import pytest
from core_support import ROOT

import autograd_core as ag
from autograd_core import backend
from autograd_core.backend import Backend

MODULE = "autograd_core.testing.plugin"
BOTH = "--autograd-backend=numpy,array-api-strict"
STRICT = ("--strict-markers", "--strict-config", "-W", "error")

USES = """
import autograd_core as ag

def test_it(xp, autograd_backend):
    assert xp is ag.ops
    assert ag.get_backend() is autograd_backend
    assert autograd_backend.owns(xp.ones(3))
"""


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """Load what is used, before `pytester` takes note of `sys.modules`.

    It takes out again what is imported later; no library survives a second import.
    """
    pytest.importorskip("array_api_strict")
    for name in ("numpy", "array-api-strict"):
        backend.backend(name).zeros((1,))


@pytest.fixture
def project(pytester):
    """Make a project that loads the plugin in its conftest."""
    pytester.makeconftest(f"pytest_plugins = [{MODULE!r}]")
    return pytester


def run(project, text, *options):
    """Run a project of one file, and return its result."""
    project.makepyfile(test_it=text)
    return project.runpytest_inprocess("-rA", *STRICT, *options)


def refused(project, text, *options):
    """Run a project, and return the usage error that ends it."""
    result = run(project, text, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, result.stdout.str()
    assert "PASSED" not in result.stdout.str()
    return result.stderr.str()


def pretend(monkeypatch, name, load):
    """Make a backend known for the length of a test."""
    body = {"name": name, "packages": (name,), "requirement": f"{name}>=2"}
    monkeypatch.setitem(
        backend.known, name, type(name, (Backend,), {**body, "load": load})
    )


# ------------------------------------------------------------------ which libraries


def test_numpy_is_the_default_and_is_put_back(project):
    with ag.use_backend("array-api-strict") as before:
        result = run(project, USES)
        assert ag.get_backend() is before
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED test_it.py::test_it[[]numpy[]]"])


def test_each_chosen_library_has_a_run_with_its_name(project):
    result = run(project, USES, BOTH)
    result.assert_outcomes(passed=2)
    lines = ["*test_it[[]numpy[]]", "*test_it[[]array-api-strict[]]"]
    result.stdout.fnmatch_lines(["PASSED" + line for line in lines])


def test_spaces_and_repeated_names_do_no_harm(project):
    run(project, USES, "--autograd-backend= numpy,,numpy").assert_outcomes(passed=1)


def test_the_setting_chooses_and_the_option_wins(project):
    project.makeini("[pytest]\nautograd_backend = array-api-strict, numpy")
    run(project, USES).assert_outcomes(passed=2)
    result = run(project, USES, "--autograd-backend=numpy")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("names", ["all", "numpy,torch,all"])
def test_all_is_every_known_library(project, names):
    result = run(project, USES, f"--autograd-backend={names}", "--collect-only", "-q")
    for row in ag.backends():
        assert f"test_it[{row.name}]" in result.stdout.str()


@pytest.mark.parametrize("names", ["nunpy", "numpy,nunpy", "", ","])
def test_an_unknown_name_is_refused_with_the_known_ones(project, names):
    message = refused(project, USES, f"--autograd-backend={names}")
    assert message.startswith("ERROR: --autograd-backend: ")
    assert ("'nunpy'" if "nunpy" in names else "names no backend") in message
    for row in ag.backends():
        assert row.name in message


def test_an_unknown_name_in_the_setting_is_refused(project):
    project.makeini("[pytest]\nautograd_backend = nunpy")
    message = refused(project, USES)
    assert message.startswith("ERROR: autograd_backend: no backend is called 'nunpy'")


def test_a_missing_library_skips_with_the_reason(project, monkeypatch):
    def load(self):
        raise ImportError("No module named 'absent'")

    pretend(monkeypatch, "absent", load)
    result = run(project, USES, "--autograd-backend=numpy,absent")
    result.assert_outcomes(passed=1, skipped=1)
    reason = "absent is not installed: No module named 'absent' (pip install absent>=2)"
    assert reason in result.stdout.str()


def test_a_library_without_a_device_skips_and_no_other_fault_does(project, monkeypatch):
    class NoDeviceError(Exception):
        __module__ = "cupy_backends.cuda.api.runtime"

    def failing(fault):
        class Namespace:
            @staticmethod
            def zeros(shape):
                raise fault

        return lambda self: Namespace

    pretend(monkeypatch, "lacking", failing(NoDeviceError("no CUDA device")))
    pretend(monkeypatch, "broken", failing(RuntimeError("broken")))
    result = run(project, USES, "--autograd-backend=lacking,broken")
    result.assert_outcomes(skipped=1, errors=1)
    assert "lacking has no device: no CUDA device" in result.stdout.str()


def test_a_library_that_fails_at_import_is_an_error_of_the_test(project, monkeypatch):
    def load(self):
        raise OSError("libbroken.so")

    pretend(monkeypatch, "broken", load)
    result = run(project, USES, "--autograd-backend=broken,numpy")
    result.assert_outcomes(passed=1, errors=1)


def test_fixtures_of_the_project_compute_with_the_library(project):
    text = """
    import pytest
    import autograd_core as ag

    @pytest.fixture(scope="module")
    def ones(xp):
        return xp.ones(3)

    @pytest.fixture
    def default():
        return ag.get_backend()

    def test_it(ones, default, autograd_backend):
        assert autograd_backend.owns(ones)
        assert default is autograd_backend

    def test_another(ones):
        assert ag.get_backend().owns(ones)
    """
    run(project, text, BOTH).assert_outcomes(passed=4)


def test_a_test_may_choose_for_itself(project):
    text = """
    import pytest

    @pytest.mark.parametrize("autograd_backend", ["array-api-strict"], indirect=True)
    def test_it(xp):
        assert "strict" in type(xp.ones(3)).__module__
    """
    run(project, text, "--autograd-backend=numpy").assert_outcomes(passed=1)


def test_hypothesis_takes_the_fixtures(project):
    text = """
    from hypothesis import given, strategies as st

    @given(x=st.floats(-1, 1))
    def test_it(xp, autograd_backend, x):
        assert autograd_backend.owns(xp.asarray(x))
    """
    project.makepyfile(text)
    project.runpytest_subprocess(*STRICT, BOTH).assert_outcomes(passed=2)


# ------------------------------------------------------------------ known failures


def marked(marker, body="assert False"):
    return f"import pytest\n\n@pytest.mark.{marker}\ndef test_it(xp):\n    {body}\n"


XFAIL = "autograd_xfail('numpy', reason='a bug')"


def test_a_known_failure_is_one(project):
    result = run(project, marked(XFAIL))
    result.assert_outcomes(xfailed=1)
    assert "numpy: a bug" in result.stdout.str()


@pytest.mark.parametrize("setting", ["true", "false"])
def test_a_known_failure_that_passes_fails_the_run(project, setting):
    project.makeini(f"[pytest]\nxfail_strict = {setting}")
    result = run(project, marked(XFAIL, "pass"))
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "[XPASS(strict)] numpy: a bug" in result.stdout.str()


def test_a_marker_concerns_only_the_libraries_it_names(project):
    result = run(project, marked(XFAIL), BOTH)
    result.assert_outcomes(xfailed=1, failed=1)
    result = run(project, marked(XFAIL), "--autograd-backend=array-api-strict")
    result.assert_outcomes(failed=1)
    both = "autograd_xfail('numpy', 'array-api-strict', reason='a bug')"
    run(project, marked(both), BOTH).assert_outcomes(xfailed=2)


def test_a_known_failure_by_another_exception_is_a_failure(project):
    marker = "autograd_xfail('numpy', reason='a bug', raises=ValueError)"
    run(project, marked(marker)).assert_outcomes(failed=1)
    result = run(project, marked(marker, "raise ValueError"))
    result.assert_outcomes(xfailed=1)


def test_skip_skips_where_it_says(project):
    marker = "autograd_skip('numpy', reason='crashes')"
    result = run(project, marked(marker, "pass"), BOTH)
    result.assert_outcomes(skipped=1, passed=1)
    assert "numpy: crashes" in result.stdout.str()


def test_a_marker_on_a_module_a_class_and_a_case(project):
    text = """
    import pytest

    pytestmark = pytest.mark.autograd_skip("array-api-strict", reason="slow")

    @pytest.mark.autograd_xfail("numpy", reason="a bug")
    class TestIt:
        def test_it(self, xp):
            assert False

        def test_apart(self):
            pass

    case = pytest.param(2, marks=pytest.mark.autograd_xfail("numpy", reason="two"))

    @pytest.mark.parametrize("x", [1, case])
    def test_cases(xp, x):
        assert x == 1
    """
    run(project, text, BOTH).assert_outcomes(xfailed=2, passed=2, skipped=3)


@pytest.mark.parametrize(
    ("marker", "rule"),
    [
        ("autograd_xfail('numpy')", "has no reason"),
        ("autograd_xfail('numpy', reason=' ')", "has no reason"),
        ("autograd_xfail('numpy', reason=7)", "has no reason"),
        ("autograd_skip('numpy')", "has no reason"),
        ("autograd_xfail('nunpy', reason='a')", "no backend is called 'nunpy'; known"),
        ("autograd_skip('nunpy', reason='a')", "no backend is called 'nunpy'; known"),
        ("autograd_xfail(['numpy'], reason='a')", "no backend is called ['numpy']"),
        ("autograd_xfail(reason='a')", "or use pytest.mark.xfail for all"),
        ("autograd_xfail('numpy', reason='a', strict=False)", "got strict"),
        ("autograd_skip('numpy', reason='a', raises=OSError)", "got raises"),
    ],
)
def test_a_marker_misused_is_refused_naming_the_test(project, marker, rule):
    message = refused(project, marked(marker), "--autograd-backend=array-api-strict")
    name = marker.partition("(")[0]
    assert f"ERROR: test_it.py::test_it[array-api-strict]: {name}: " in message
    assert rule in message


def test_a_marker_without_effect_is_refused(project):
    text = marked(XFAIL).replace("(xp)", "()")
    message = refused(project, text)
    assert "test_it: autograd_xfail: the test takes neither xp nor" in message


def test_all_misuses_are_told_at_once(project):
    text = marked("autograd_xfail('numpy')") + "\n" + marked("autograd_skip('numpy')")
    message = refused(project, text.replace("def test_it", "def test_that", 1))
    assert "test_that[numpy]: autograd_xfail" in message
    assert "test_it[numpy]: autograd_skip" in message


def test_the_markers_are_listed(project):
    text = project.runpytest_inprocess("--markers").stdout.str()
    assert "@pytest.mark.autograd_xfail(*backends, reason, raises=None):" in text
    assert "@pytest.mark.autograd_skip(*backends, reason):" in text


# ------------------------------------------------------------------ what is reported


def headers(result):
    lines = result.stdout.lines
    return [k for k, line in enumerate(lines) if line.startswith("autograd backends: ")]


def test_the_header_names_libraries_and_versions(project, monkeypatch):
    pretend(monkeypatch, "absent", lambda self: None)
    result = run(project, USES, "--autograd-backend=numpy,absent", "--collect-only")
    versions = {row.name: row.version for row in ag.backends()}
    line = f"autograd backends: numpy {versions['numpy']}, absent (not installed)"
    assert [result.stdout.lines[k] for k in headers(result)] == [line]
    assert result.stdout.lines.index(line) < 6


def test_the_setting_has_a_header_too(project):
    project.makeini("[pytest]\nautograd_backend = numpy")
    assert len(headers(run(project, "def test_it(): pass"))) == 1


def test_the_default_is_named_where_a_test_uses_it(project):
    result = run(project, USES)
    (k,) = headers(result)
    assert "collected 1 item" in result.stdout.lines[k - 1]
    assert not headers(run(project, USES, "-q"))


# ------------------------------------------------------------------ being there


def test_a_project_that_does_not_ask_is_left_alone(project):
    text = """
    import pytest

    @pytest.fixture
    def xp():
        return "mine"

    def test_own(xp):
        assert xp == "mine"

    @pytest.mark.parametrize("xp", [1, 2])
    def test_given(xp):
        assert xp in (1, 2)

    @pytest.mark.xfail(reason="as ever")
    def test_xfail():
        assert False

    def test_plain(request):
        assert request.fixturenames == ["request"]
    """
    result = run(project, text)
    result.assert_outcomes(passed=4, xfailed=1)
    result.stdout.fnmatch_lines(["PASSED test_it.py::test_own"])
    assert not headers(result)


def environment(*folders):
    rooms = [ROOT, ROOT / "ops", ROOT / "backends", *folders]
    return os.pathsep.join(map(str, rooms))


def test_loading_imports_no_library_and_no_hypothesis():
    program = f"import sys, {MODULE}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {
        "hypothesis",
        "torch",
        "jax",
        "cupy",
        "array_api_strict",
        "scipy",
        "mpmath",
    }
    assert not loaded & heavy


@pytest.fixture
def installed(pytester, monkeypatch):
    """Make a folder that says of this package what its installation would say."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entries = declared["entry-points"]["pytest11"]
    assert entries == {MODULE: MODULE}  # else the plugin is loaded twice, and clashes
    info = pytester.mkdir("site") / "autograd_core_again-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: autograd-core-again\nVersion: 1\n")
    lines = ["[pytest11]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", environment(info.parent))
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)
    return pytester


CONFTEST = f"pytest_plugins = [{MODULE!r}]"


@pytest.mark.parametrize("conftest", ["", CONFTEST], ids=["alone", "and a conftest"])
@pytest.mark.parametrize("options", [(), ("-p", MODULE)], ids=["", "and -p"])
def test_the_entry_point_loads_it(installed, conftest, options):
    installed.makeconftest(conftest)
    installed.makepyfile(test_it=USES)
    result = installed.runpytest_subprocess(*options, *STRICT, BOTH)
    result.assert_outcomes(passed=2)


def test_a_conftest_loads_it_where_no_entry_point_does(installed, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    installed.makepyfile(test_it=USES)
    installed.makeconftest("")
    assert installed.runpytest_subprocess(BOTH).ret == pytest.ExitCode.USAGE_ERROR
    installed.makeconftest(CONFTEST)
    installed.runpytest_subprocess(*STRICT, BOTH).assert_outcomes(passed=2)


def test_it_can_be_switched_off(installed):
    installed.makepyfile(test_it="def test_it(xp): pass")
    result = installed.runpytest_subprocess("-p", f"no:{MODULE}")
    result.assert_outcomes(errors=1)
    assert "fixture 'xp' not found" in result.stdout.str()
