"""The measurements of the checker, in small: they run, and they can tell."""

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.operation import registry
from bench import checkers, false_alarms, hessians, linalg, memory

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


# ------------------------------------------------------------------ linear algebra


@pytest.mark.parametrize("name", linalg.PROGRAMS)
def test_contenders_of_linear_algebra_agree(name):
    linalg.agree(linalg.workload(name, 4))


def test_a_contender_that_is_wrong_is_found():
    found = linalg.workload("solve", 3)
    found["wrong"] = lambda: (0.0, np.zeros((3, 3)))
    with pytest.raises(AssertionError, match="wrong is off by"):
        linalg.agree(found)


def test_the_table_of_linear_algebra(capsys):
    linalg.main(["--repeats", "1", "--sizes", "3,4", "--only", "solve"])
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("| program | size | NumPy by hand | autograd-core |")
    assert header.count("|") == rule.count("|") == rows[0].count("|")
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| solve", "3", "1.00"],
        ["| solve", "4", "1.00"],
    ]


# ------------------------------------------------------------------ second derivatives

peers_warn = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.func


@peers_warn
@pytest.mark.parametrize("name", hessians.PROGRAMS)
def test_contenders_of_hessians_agree(name):
    found = hessians.contenders(name)
    assert list(found) == [f"{name}, Hessian", f"{name}, product"]
    for runs in found.values():
        hessians.agree(runs)


def test_a_hessian_that_is_wrong_is_found():
    right = hessians.contenders("Rosenbrock")["Rosenbrock, Hessian"]["arithmetic"]
    with pytest.raises(AssertionError, match="wrong is off by"):
        hessians.agree({hessians.ARITHMETIC: right, "wrong": lambda: right() + 1e-3})


@peers_warn
def test_the_table_of_hessians(capsys):
    hessians.main(["--repeats", "1", "--only", "product"])
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith(
        "| workload | arithmetic | autograd-core | HIPS autograd |"
    )
    assert [row.split(" | ")[0] for row in rows] == [
        "| Rosenbrock, product",
        "| logistic, product",
    ]


# ------------------------------------------------------------------ memory


def test_memory_of_chains():
    """In arrays: what the rules keep, the memory of the gradient, that by hand."""
    found = memory.chains(depth=16, size=10_000)
    kept, by_hand, ours, _, few, few_by_hand, ours_again, _ = found.values()
    assert list(found)[2:7:4] == ["autograd-core", "autograd-core, checkpointed"]
    assert kept == 16 * memory.WIDTH
    assert few == 16
    assert max(kept, by_hand) - 1 < ours < 1.1 * by_hand
    assert few < ours_again < 1.1 * few_by_hand


def test_the_table_of_memory(capsys):
    memory.main(["--depth", "2", "--size", "1000", "--steps", "900"])
    lines = capsys.readouterr().out.splitlines()
    plain, less = [float(line.split("|")[2]) for line in lines[-2:]]
    assert lines[0] == "| chain | arrays at the peak |"
    assert less < plain / 4
