"""The measurements of the checker, in small: they run, and they can tell."""

import time
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.operation import registry
from bench import (
    __main__ as bench,
)
from bench import (
    checkers,
    command,
    contenders,
    declare,
    false_alarms,
    history,
    measure,
    peak,
    report,
)
from bench.workloads import WORKLOADS, chains, linear_algebra

OURS = ("ours, given rules", "ours, declared")
FAULTS = {fault.name: fault for fault in checkers.faults()}


@pytest.fixture(autouse=True)
def numpy_backend():
    with ag.use_backend("numpy"):
        yield


# ------------------------------------------------------------------ planted faults


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_planted_fault_is_caught(fault, name):
    verdicts = {checkers.verdict(name, fault, 3, dtype, {}) for dtype in fault.dtypes}
    assert verdicts == {"n.a." if name in fault.absent else "caught"}


def test_declared_faults_do_not_stay_declared():
    before = set(registry)
    checkers.verdict("ours, declared", FAULTS["zero"], 3, "float64", {})
    assert set(registry) == before


@pytest.mark.parametrize(
    ("checker", "name", "package"),
    [
        ("PyTorch", "sign flipped", "torch"),
        ("PyTorch fast", "sign flipped", "torch"),
        ("ours on PyTorch", "times 1 + 1e-6", "torch"),
        ("JAX", "times 1 + 1e-3", "jax"),
        ("ours on JAX", "times 1 + 1e-6", "jax"),
        ("HIPS", "times 1 + 1e-3", "autograd"),
        ("scipy", "times 1 + 1e-3", "scipy"),
    ],
)
def test_peers_catch_what_they_can(checker, name, package):
    pytest.importorskip(package)
    assert checkers.verdict(checker, FAULTS[name], 3, "float64", {}) == "caught"


def refusing(planted):
    def refuse():
        raise AssertionError

    return [refuse]


def hesitating(planted):
    """Accept what is right, and do not know of anything else."""

    def judge():
        if planted.push is not FAULTS["zero"].function.push:
            raise checkers.InconclusiveError

    return [judge]


@pytest.mark.parametrize(
    ("checker", "verdict"),
    [
        (lambda planted: [lambda: None], "missed"),
        (refusing, "alarm"),
        (hesitating, "unsure"),
    ],
)
def test_verdicts_tell_checkers_apart(monkeypatch, checker, verdict):
    monkeypatch.setitem(checkers.CHECKERS, "toy", (checker, "autograd_core"))
    found = checkers.verdict("toy", FAULTS["zero"], 3, "float64", {})
    assert found == verdict


def test_the_table_of_planted_faults(capsys):
    checkers.main(["--sizes", "3", "--only", "sign", "--checkers", "; ".join(OURS)])
    lines = capsys.readouterr().out.splitlines()
    assert "| sign flipped | float64 | caught | caught |" in lines
    assert "| **caught** | cases | 2 | 2 |" in lines


def test_a_cell_names_the_sizes_that_differ():
    assert checkers.summary({3: "caught", 30: "caught"}) == "caught"
    assert checkers.summary({3: "caught", 30: "missed"}) == "missed at 30"


# ------------------------------------------------------------------ false alarms


def double(x):
    return 2 * x


def wrong_jvp(primals, tangents):
    return 2 * primals[0], 3 * tangents[0]


def failing(x):
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("function", "keywords", "expected"),
    [
        (double, {}, "passed"),
        (double, {"jvp": wrong_jvp}, "false alarm"),
        (failing, {}, "error"),
    ],
)
def test_outcomes_of_cases(function, keywords, expected):
    case = false_alarms.Case("case", function, (np.ones(2),), keywords)
    assert false_alarms.outcome(case)[0] == expected


# JAX compiles every operation of every shape: minutes, for one case.
@pytest.mark.parametrize("kind", [k for k in false_alarms.KINDS if "JAX" not in k])
def test_a_case_of_each_kind_is_right(kind):
    make, package, _ = false_alarms.KINDS[kind]
    pytest.importorskip(package)
    with false_alarms.quiet():
        how, said = false_alarms.outcome(make(false_alarms.Draw(0, 1)))
    assert how == "passed", said


def test_cases_do_not_depend_on_the_count():
    few = list(false_alarms.measure(3, 4, 1))
    many = list(false_alarms.measure(3, 0, 6))
    assert few[0][:3] == many[4][:3]


def test_the_table_of_false_alarms(capsys):
    false_alarms.main(["--count", "20", "--only", "kinks"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("| **all** | 5 |")


# ------------------------------------------------------------------ workloads


@pytest.fixture
def quick(monkeypatch):
    """Rounds of a millisecond: what is measured does not matter, but that it is."""
    monkeypatch.setattr(measure, "SHORTEST", 1e-3)


SMALL = ["--size", "smoke", "--repeats", "2", "--no-memory"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_contenders_of_every_workload_agree(name, quick, capsys):
    status = bench.main([name, *SMALL, "--only", "autograd-core;HIPS;eager;func"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert printed.startswith(f"**{name}** ({WORKLOADS[name].what}): ")
    assert "| autograd-core | failed" not in printed


def test_all_peers_agree(quick, capsys):
    pytest.importorskip("jax")
    assert bench.main(["W1", *SMALL, "--only", "JAX;HIPS;MyGrad;micrograd;advect"]) == 0
    assert "| JAX jit |" in capsys.readouterr().out


def test_who_takes_part():
    options = declare.Options(only=("HIPS", "core"), without=("compiled",), base="X")
    names = ("HIPS autograd", declare.OURS, declare.COMPILED, "JAX jit", "base", "X")
    taking_part = [options.wants(name, "base") for name in names]
    assert taking_part == [True, True, False, False, True, True]


def test_unknown_workloads_are_named():
    with pytest.raises(SystemExit, match="no workload 'W99'; there are W1, W2"):
        bench.main(["W99"])


X = np.linspace(0.1, 1.0, 5)


def square(xp, x):
    return xp.sum(x * x)


def square_by_hand(x):
    return np.sum(x * x), (2 * x,)


def case_with(**makes):
    """Return a case of two that are right, and more."""
    right = declare.Differentiated(square, (X,), (0,), square_by_hand, contenders=())
    return declare.Case("planted", {**dict(right.makes()), **makes})


def results_of(case, repeats=2):
    options = declare.Options(repeats=repeats)
    return {r.contender: r for r in measure.measured("W2", case, options)}


def test_a_wrong_gradient_is_refused_before_it_is_timed(quick):
    calls = []

    def wrong():
        calls.append(1)
        return np.sum(X * X), (2 * X * (1 + 1e-6),)

    found = results_of(case_with(wrong=lambda: (wrong, None)))
    assert found["wrong"].why.startswith("refused: off by 2e-06 in result 1")
    assert found["wrong"].median is None
    assert len(calls) == 1
    assert found["NumPy by hand"].median == 1
    assert command.wrong(found["wrong"])


def test_a_gradient_of_another_shape_is_refused(quick):
    found = results_of(case_with(flat=lambda: (lambda: (1.0, (np.ones(4),)), None)))
    assert found["flat"].why == "refused: arrays of the shapes (), (4,)"


def test_who_is_missing_or_fails_says_so(quick, monkeypatch):
    class Nowhere(contenders.Contender):
        packages = ("no_such_library",)

    def unable():
        raise contenders.Unavailable("no sin")

    def broken():
        raise RecursionError("too deep")

    monkeypatch.setitem(contenders.CONTENDERS, "nowhere", Nowhere)
    found = results_of(
        case_with(
            nowhere=lambda: contenders.contender("nowhere"),
            unable=unable,
            broken=lambda: (broken, None),
        )
    )
    assert found["nowhere"].why == "missing"
    assert found["unable"].why == "n.a.: no sin"
    assert found["broken"].why == "failed: RecursionError: too deep"
    assert not any(map(command.wrong, found.values()))


def test_compiled_contenders_are_missing_until_there_is_a_compiler():
    name = declare.COMPILED
    if hasattr(ag, "compile"):
        assert contenders.contender(name).compiles
    else:
        with pytest.raises(ImportError, match="autograd_core has no compile"):
            contenders.contender(name)


def test_slow_contenders_sit_out():
    def runner(name, seconds):
        def timing(calls):
            return measure.elapsed(lambda: time.sleep(seconds), calls)

        return measure.Runner(name, timing, compiles=False, first=1.0)

    slow, fast = runner("slow", 0.02), runner("fast", 0.0001)
    measure.turns([slow, fast], declare.Options(repeats=6, limit=0.08))
    assert sum(s is not None for s in slow.seconds) == measure.FEWEST
    assert None not in fast.seconds


def test_ratios_are_of_the_same_round():
    assert measure.quotients([2.0, None, 9.0], [1.0, 5.0, 3.0]) == [2.0, 3.0]


def test_processes_of_their_own_take_turns(quick):
    case = next(WORKLOADS["W3"].cases("smoke"))
    makes = {name: case.makes[name] for name in ("NumPy by hand", "autograd-core")}
    case = replace(case, makes=makes, apart=True)
    options = declare.Options(size="smoke", repeats=2, memory=False)
    hand, ours = measure.measured("W3", case, options)
    assert hand.median == 1
    assert ours.median > 0


@pytest.mark.skipif(not peak.STATUS.exists(), reason="only Linux tells the peak")
def test_peak_memory_of_a_part_of_a_process():
    peak.forget()
    before = peak.highest()
    np.ones(5_000_000)
    assert 38e6 < peak.highest() - before < 60e6
    peak.forget()
    assert peak.highest() - before < 10e6


def test_peak_memory_of_a_contender_is_measured_in_a_process_of_its_own():
    held = measure.held_by("W2", "float64[8]", "autograd-core", "smoke")
    assert held is not None
    assert held < 30e6


def test_linear_algebra_tells_a_wrong_contender():
    found = next(linear_algebra.cases("smoke"))
    makes = {**found.makes, "wrong": lambda: (lambda: (0.0, (np.eye(3),)), None)}
    case = replace(found, makes=makes)
    _, absent = measure.prepared("linear algebra", case, declare.Options())
    assert absent["wrong"].startswith("refused: off by")


# ------------------------------------------------------------------ reports


def result(contender, *rounds, **more):
    numbers = measure.spread(list(rounds))
    return declare.Result(
        "W2", "float64[8]", contender, "of base", *numbers, rounds=rounds, **more
    )


@pytest.mark.parametrize(("seconds", "verdict"), [(0.7, "met"), (0.8, "**missed**")])
def test_bars(seconds, verdict):
    bar = declare.Bar("ours", "theirs", 0.75)
    ours, theirs = result("ours", seconds, seconds), result("theirs", 1.0, 1.0)
    ((place, goal, found, met),) = report.verdicts("W2", bar, [ours, theirs], "default")
    assert place == "W2, float64[8]"
    assert goal == "ours: time at most 0.75 of theirs"
    assert (found, met) == (f"{seconds:g}", verdict)


def test_bars_of_memory_and_of_those_that_are_missing():
    ours = result("ours", 1.0, peak=120.0, result_bytes=100)
    bar = declare.Bar("ours", "its gradient's bytes", 1.1, measure=declare.PEAK)
    ((*_, found, met),) = report.verdicts("W2", bar, [ours], "default")
    assert (found, met) == ("1.2", "**missed**")
    bar = declare.Bar("ours", "theirs", 1.0)
    missing = declare.Result("W2", "float64[8]", "theirs", why="missing")
    ((*_, found, met),) = report.verdicts("W2", bar, [ours, missing], "default")
    assert (found, met) == ("", "missing")


def test_every_bar_is_of_something_measured():
    """Names in bars are those of contenders and cases, or nothing would be checked."""
    for workload in WORKLOADS.values():
        for bar in workload.bars:
            if workload.cases is None or bar.measure not in (
                declare.TIME,
                declare.PEAK,
            ):
                continue
            size = "default" if bar.case else "smoke"
            cases = [c for c in workload.cases(size) if bar.case in c.title]
            cases = [case for case in cases if bar.contender in case.makes]
            assert cases
            for case in cases:
                assert bar.measure == declare.PEAK or bar.against in case.makes


def test_the_plot_is_a_picture_of_all_contenders():
    results = [result("NumPy by hand", 1.0), result("autograd-core", 2.5, 3.5)]
    picture = ElementTree.fromstring(report.plot(results))
    words = [element.text for element in picture.iter() if element.text]
    assert {"NumPy by hand", "autograd-core", "3"} <= set(words)


# ------------------------------------------------------------------ history


def run_with(**rounds):
    results = [
        result(name.replace("_", "-"), *values) for name, values in rounds.items()
    ]
    return history.record(results, declare.Options(), 1)


WAS = [1.0, 1.01, 1.02]


@pytest.mark.parametrize(
    ("now", "verdict", "status"),
    [
        (WAS, "", 0),
        ([1.3, 1.31, 1.32], "regression", 1),
        ([0.9, 1.3, 1.4], "", 0),  # larger, but the spreads overlap
        ([0.5, 0.51, 0.52], "better", 0),
    ],
)
def test_compare_shows_a_planted_regression(now, verdict, status, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    history.write(old, run_with(autograd_core=WAS, peer=WAS))
    history.write(new, run_with(autograd_core=now, peer=WAS))
    assert bench.main(["compare", str(old), str(new)]) == status
    *_, ours, peer = capsys.readouterr().out.splitlines()
    assert (
        ours == f"| W2, float64[8]: autograd-core | 1.01 | {now[1]:.3g} | {verdict} |"
    )
    assert peer.endswith("| 1.01 | 1.01 |  |")


def test_a_peer_that_became_slower_is_shown_and_is_no_failure(tmp_path, capsys):
    file = tmp_path / "history.jsonl"
    for values in ([9.0], WAS, [3.0, 3.0]):
        history.write(file, run_with(autograd_core=WAS, peer=values))
    assert bench.main(["compare", str(file)]) == 0  # the last two
    assert "peer | 1.01 | 3 | regression |" in capsys.readouterr().out


def test_what_can_no_longer_be_computed_is_a_regression():
    old, new = run_with(autograd_core=WAS), run_with(autograd_core=WAS)
    new["results"][0] |= {"median": None, "why": "failed: ValueError: no"}
    lines, fine = history.comparison(old, new)
    assert not fine
    assert lines[-1].endswith("| lost: failed: ValueError: no |")


def test_a_history_needs_two_runs(tmp_path):
    file = tmp_path / "history.jsonl"
    history.write(file, run_with(autograd_core=WAS))
    with pytest.raises(ValueError, match=r"history.jsonl has 1 runs; compare needs 2"):
        history.read(file, 2)


def test_the_command_writes_what_it_found(quick, tmp_path, capsys):
    whole, lines, plot = (tmp_path / n for n in ("a.json", "a.jsonl", "a.svg"))
    files = ["--json", str(whole), "--plot", str(plot), "--history", str(lines)]
    words = ["W2", *SMALL, "--only", "HIPS"]
    assert bench.main([*words, *files[:4]]) == 0
    assert bench.main([*words, *files[4:]]) == 0
    found = history.read(whole)
    assert found["libraries"]["numpy"] == np.__version__
    assert "rounds" in found["results"][0]
    assert "rounds" not in history.read(lines)["results"][0]
    assert plot.read_text().startswith("<svg")
    assert bench.main(["compare", str(whole), str(lines), "--slower", "1000"]) == 0


# ------------------------------------------------------------------ memory


def test_memory_of_chains():
    """In arrays: what the rules keep, the memory of the gradient, that by hand."""
    found = chains.chains(depth=16, size=10_000)
    by_hand, less = "NumPy by hand", chains.CHECKPOINTED
    kept, few = found[chains.KEPT], found[chains.KEPT + less]
    assert kept == 16 * chains.WIDTH
    assert few == 16
    assert max(kept, found[by_hand]) - 1 < found["autograd-core"]
    assert found["autograd-core"] < 1.1 * found[by_hand]
    assert few < found["autograd-core" + less] < 1.1 * found[by_hand + less]


def test_memory_of_recurrences():
    plain, less = chains.recurrences(900).values()
    assert less < plain / 4
