"""The comparison that `run.py` makes, with faults planted in it; no checkout needed."""

import inspect
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import autograd_ops_tracked
import run

import autograd_core as ag

RAW = {"a": "passed", "b": "failed", "c": "skipped", "d": "passed"}


def wrong(raw, ours, listed=()):
    """Return what a comparison finds, without what it finds nothing of."""
    found = run.compare(raw, ours, listed)
    return {name: tests for name, tests in vars(found).items() if tests}


def test_the_same_outcomes_are_good():
    assert run.compare(RAW, RAW, []).good
    assert wrong(RAW, RAW) == {}


def test_a_failure_of_the_library_is_not_ours():
    assert wrong(RAW, {**RAW, "b": "passed"}) == {}


@pytest.mark.parametrize("test", ["a", "c"])
def test_a_failure_that_is_not_listed(test):
    ours = {**RAW, test: "failed"}
    assert wrong(RAW, ours) == {"unlisted": [test]}
    assert wrong(RAW, ours, [test]) == {}
    assert not run.compare(RAW, ours, []).good


def test_a_test_that_is_gone_has_failed():
    """Say, one whose parameters come from the module under test."""
    ours = {name: outcome for name, outcome in RAW.items() if name != "a"}
    assert wrong(RAW, ours) == {"unlisted": ["a"]}


def test_a_test_that_only_we_have():
    assert wrong(RAW, {**RAW, "e": "failed"}) == {"unlisted": ["e"]}
    assert wrong(RAW, {**RAW, "e": "passed"}) == {}


@pytest.mark.parametrize("outcome", ["passed", "skipped"])
def test_a_listed_test_that_does_not_fail(outcome):
    assert wrong(RAW, {**RAW, "a": outcome}, ["a"]) == {"stale": ["a"]}


def test_a_listed_test_that_the_library_fails_too():
    assert wrong(RAW, RAW, ["b"]) == {"stale": ["b"]}


def test_a_listed_test_that_there_is_not():
    assert wrong(RAW, RAW, ["z"]) == {"unknown": ["z"]}


# ------------------------------------------------------------------ again


def test_only_what_matters_is_run_again():
    ours = {**RAW, "a": "failed", "b": "passed"}
    assert run.doubtful(RAW, ours, []) == ["a"]
    assert run.doubtful(RAW, ours, ["a", "d"]) == ["d"]
    assert run.doubtful(RAW, RAW, []) == []
    assert run.doubtful(RAW, RAW, ["z"]) == []


def test_what_failed_once_has_failed():
    outcomes = {"a": "failed", "b": "passed", "c": "passed"}
    run.add_round(outcomes, {"a": "passed", "b": "failed"})
    assert outcomes == {"a": "failed", "b": "failed", "c": "passed"}


# ------------------------------------------------------------------ the lists


def test_a_list_is_read():
    text = "# A list.\n\n# Because.\na[x y]\n\n# Two lines\n# of reason.\nb\n"
    assert run.read_list(text) == ["a[x y]", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n", "line 1: no reason over 'a'"),
        ("# Why.\na\nb\n", "line 3: no reason over 'b'"),
        ("# Why.\n\na\n", "line 3: no reason over 'a'"),
        ("#\na\n", "line 2: no reason over 'a'"),
        ("# Why.\na\n# Why.\na\n", "line 4: 'a' is listed twice"),
    ],
)
def test_a_list_without_reasons(text, message):
    with pytest.raises(run.SuiteError, match=message):
        run.read_list(text)


@pytest.mark.parametrize("backend", run.LIBRARIES)
@pytest.mark.parametrize("kind", ["", "-tracked"])
def test_the_lists_of_this_repository(backend, kind):
    for test in run.read_list((run.FAILURES / f"{backend}{kind}.txt").read_text()):
        assert test.startswith("array_api_tests/test_")
        assert "::" in test


# ------------------------------------------------------------------ the command


def test_the_table():
    rows = {"library": RAW, "autograd_ops": {**RAW, "a": "failed"}}
    assert run.table("numpy", rows).splitlines() == [
        "numpy          passed   failed  skipped",
        "library             2        1        1",
        "autograd_ops        1        2        1",
    ]


def test_the_report_of_pytest():
    tests = [
        {"nodeid": name, "outcome": name}
        for name in ("passed", "failed", "skipped", "error", "xfailed", "xpassed")
    ]
    assert run.outcomes_of({"tests": tests}) == {
        **{name: name for name in ("passed", "failed", "skipped")},
        "error": "failed",
        "xfailed": "failed",
        "xpassed": "passed",
    }


@pytest.mark.parametrize("arguments", [[], ["--checkout", "no/such/folder"]])
def test_without_a_checkout_it_says_where_to_get_one(arguments, capsys):
    assert run.main(arguments) == 2
    printed = capsys.readouterr()
    assert "git clone --recurse-submodules https://github.com/data-apis" in printed.err
    assert printed.out == ""


@pytest.fixture
def suite(monkeypatch, tmp_path):
    """Stand in for the suite: outcomes by module, and a list, to be set by tests."""
    (tmp_path / "array_api_tests").mkdir()
    rounds = []
    outcomes = {"array_api_compat.numpy": [RAW], "autograd_ops": [RAW]}

    def run_suite(checkout, module, backend, *, examples, arguments, seed=0):
        rounds.append((module, tuple(arguments), seed))
        found = outcomes[module][min(seed, len(outcomes[module]) - 1)]
        return {
            test: outcome
            for test, outcome in found.items()
            if "array_api_tests" in arguments or test in arguments
        }

    def listed(text):
        (tmp_path / "numpy.txt").write_text(text)

    listed("")
    monkeypatch.setattr(run, "run_suite", run_suite)
    monkeypatch.setattr(run, "FAILURES", tmp_path)
    command = ["--checkout", str(tmp_path), "--backend", "numpy"]
    return command, outcomes, listed, rounds


def test_the_command_succeeds(suite, capsys):
    command, _, _, rounds = suite
    assert run.main(command) == 0
    assert "numpy" in capsys.readouterr().out
    assert len(rounds) == 2


def test_the_command_fails_for_a_failure_of_ours(suite, capsys):
    command, outcomes, listed, rounds = suite
    outcomes["autograd_ops"] = [{**RAW, "a": "failed"}]
    assert run.main(command) == 1
    assert "1 fail with us only, and are not listed:\n  a" in capsys.readouterr().out
    assert {tests for _, tests, seed in rounds if seed} == {("a",)}
    listed("# Why.\na\n")
    assert run.main(command) == 0


def test_the_command_fails_for_a_list_that_is_out_of_date(suite, capsys):
    command, _, listed, _ = suite
    listed("# Why.\na\n# Why.\nz\n")
    assert run.main(command) == 1
    printed = capsys.readouterr().out
    assert (
        "1 are listed, and pass with us or fail with the library too:\n  a" in printed
    )
    assert "1 are listed, and are no tests of the suite:\n  z" in printed


def test_a_failure_of_the_library_may_show_in_a_later_round(suite):
    command, outcomes, _, rounds = suite
    outcomes["autograd_ops"] = [{**RAW, "a": "failed"}, RAW]
    outcomes["array_api_compat.numpy"] = [RAW, RAW, {**RAW, "a": "failed"}]
    assert run.main(command) == 0
    assert max(seed for *_, seed in rounds) == 2


def test_a_list_without_reasons_stops_the_command(suite, capsys):
    command, _, listed, _ = suite
    listed("a\n")
    assert run.main(command) == 2
    assert "no reason over 'a'" in capsys.readouterr().err


# ------------------------------------------------------------------ the module


def test_the_tracked_module_tracks_all_floats():
    xp = autograd_ops_tracked
    made = [
        xp.asarray([1.0, 2.0]),
        xp.zeros((2,)),
        xp.linspace(0.0, 1.0, 3),
        xp.astype(xp.asarray([1, 2]), xp.float32),
        *xp.meshgrid(xp.arange(3.0), xp.ones(2)),
    ]
    for x in made:
        assert isinstance(x, ag.Tensor)
        x[0] = 5.0  # a result: it can be written to
    assert isinstance(xp.sin(made[0]), ag.Tensor)
    assert not isinstance(xp.asarray([1, 2]), ag.Tensor)


def test_the_tracked_module_makes_all_that_the_standard_creates():
    from support.standard import SIGNATURES

    created = set(SIGNATURES["creation_functions"]) | {"astype"}
    assert created <= set(autograd_ops_tracked.CREATING)
    for name in autograd_ops_tracked.CREATING:
        ours = getattr(autograd_ops_tracked, name)
        assert inspect.signature(ours) == inspect.signature(getattr(ag.ops, name))
