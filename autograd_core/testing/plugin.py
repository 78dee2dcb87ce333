"""A pytest plugin: tests that run once for each array library that is chosen.

pytest --autograd-backend=numpy,torch    or all: every library that is known
autograd_backend = "numpy,torch"         the same in the configuration file

A test that takes ``xp``, the differentiable namespace, or ``autograd_backend``, the
`Backend` object, runs once for each library, with that library as the default. What
fails on some of them for a known reason is marked, and must then fail:

    @pytest.mark.autograd_xfail("torch", reason="no int8 sums there", raises=TypeError)
    def test_sum(xp): ...

The plugin is there wherever autograd-core is installed, and does nothing to tests that
do not ask for it. It imports no library that is not chosen. JAX computes in float32
unless ``JAX_ENABLE_X64=1`` is set before it is imported: in the environment, or in the
first lines of ``conftest.py``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from types import ModuleType
from typing import Any

import pytest

import autograd_core as ag
from autograd_core import backend
from autograd_core.testing import choice

OPTION, SETTING, FIXTURE = "--autograd-backend", "autograd_backend", "autograd_backend"
DEFAULT = "numpy"
XFAIL, SKIP = "autograd_xfail", "autograd_skip"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the choice of libraries, as an option and as a setting."""
    what = "array libraries for tests that take xp or autograd_backend: names "
    what += "separated by commas, or 'all'"
    group = parser.getgroup("autograd-core")
    group.addoption(OPTION, metavar="NAMES", help=what)
    parser.addini(SETTING, f"{what} (default: {DEFAULT})", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and the fixture, whose parameters are known only now."""
    for marker in (
        f"{XFAIL}(*backends, reason, raises=None)",
        f"{SKIP}(*backends, reason)",
    ):
        verb = "fail (strictly)" if marker.startswith(XFAIL) else "be skipped"
        line = f"{marker}: the test is to {verb} where one of these libraries computes."
        config.addinivalue_line("markers", line)

    # Not of function scope, which hypothesis refuses beside @given. The fixture holds
    # nothing open, so that a longer life does no harm.
    @pytest.fixture(params=chosen(config), scope="module")
    def autograd_backend(request: pytest.FixtureRequest) -> ag.Backend:
        """Each chosen array library in turn, the default throughout the test."""
        return usable(request.param)

    fixtures = ModuleType("autograd_chosen_backends")
    vars(fixtures)[FIXTURE] = autograd_backend
    config.pluginmanager.register(fixtures, fixtures.__name__)


@pytest.fixture(scope="module")
def xp(autograd_backend: ag.Backend) -> ModuleType:
    """Return the differentiable namespace; each chosen library in turn computes."""
    return ag.ops


# ------------------------------------------------------------------ which libraries


def chosen(config: pytest.Config) -> list[str]:
    """Return the names that the option gives, else the setting."""
    option = config.getoption(OPTION)
    given = option if option is not None else config.getini(SETTING) or DEFAULT
    try:
        return choice.chosen(given)
    except ValueError as fault:
        origin = SETTING if option is None else OPTION
        raise pytest.UsageError(f"{origin}: {fault}") from fault


def usable(name: str) -> ag.Backend:
    """Return a backend, or skip the test where its library cannot compute."""
    reason = choice.unusable(name)
    if reason:
        pytest.skip(reason)
    return backend.backend(name)


def parameter(item: pytest.Item) -> Any:
    """Return the name of the library that a test is for, if it is for one."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(FIXTURE) if callspec else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test and its fixtures with its library as the default."""
    name = parameter(item)
    context: AbstractContextManager[Any] = nullcontext()
    if name is not None:
        with suppress(Exception):  # the fixture raises the same, as the test's own
            context = ag.use_backend(name)
    with context:
        return (yield)


# ------------------------------------------------------------------ known failures


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Turn our markers into pytest's own, on the tests for the libraries they name."""
    faults = []
    for item in items:
        for name in (XFAIL, SKIP):
            for mark in item.iter_markers(name):
                fault = misuse(mark, item)
                if fault:
                    faults.append(f"{item.nodeid}: {fault}")
                elif parameter(item) in mark.args:
                    item.add_marker(translated(mark, parameter(item)))
    if faults:
        raise pytest.UsageError("\n".join(dict.fromkeys(faults)))


def translated(mark: pytest.Mark, name: str) -> pytest.MarkDecorator:
    """Return the marker of pytest that says the same of a test for one library."""
    reason = f"{name}: {mark.kwargs['reason']}"
    if mark.name == SKIP:
        return pytest.mark.skip(reason=reason)
    raises = mark.kwargs.get("raises")
    return pytest.mark.xfail(reason=reason, raises=raises, strict=True)


def misuse(mark: pytest.Mark, item: pytest.Item) -> str | None:
    """Say what is wrong with a marker, if something is."""
    wrong = choice.unknown(mark.args)
    if wrong:
        return (
            f"{mark.name}: no backend is called {wrong[0]!r}; known are "
            f"{', '.join(sorted(backend.known))}."
        )
    if not mark.args:
        every = mark.name.removeprefix("autograd_")
        return (
            f"{mark.name}: names no backend. Name some, or use pytest.mark.{every} for "
            "all."
        )
    allowed = {"reason", "raises"} if mark.name == XFAIL else {"reason"}
    if strangers := sorted(set(mark.kwargs) - allowed):
        return (
            f"{mark.name}: takes {' and '.join(sorted(allowed))}; got {strangers[0]}."
        )
    reason = mark.kwargs.get("reason")
    if not (isinstance(reason, str) and reason.strip()):
        return f"{mark.name}: has no reason. Say why: reason='...'."
    own = mark in getattr(item, "own_markers", ())
    if own and FIXTURE not in getattr(item, "fixturenames", ()):
        return f"{mark.name}: the test takes neither xp nor {FIXTURE}."
    return None


# ------------------------------------------------------------------ what is reported


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the libraries and their versions where a project has chosen some."""
    return description(config) if has_chosen(config) else None


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> list[str]:
    """Name them after the collection where tests use the default."""
    quiet = has_chosen(config) or config.get_verbosity() < 0
    used = not quiet and any(parameter(item) is not None for item in items)
    return [description(config)] if used else []


def has_chosen(config: pytest.Config) -> bool:
    """Say whether the option or the setting was given."""
    return config.getoption(OPTION) is not None or bool(config.getini(SETTING))


def description(config: pytest.Config) -> str:
    """Return ``autograd backends: numpy 2.3.0, torch (not installed)``."""
    return f"autograd backends: {choice.labelled(chosen(config))}"
