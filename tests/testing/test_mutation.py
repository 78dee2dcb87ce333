"""The mutation run: faults are planted, told from none, and caught by what they break.

The whole run takes long, and is started from the shell; here are a sample of it, and
the faults that each one property exists for.
"""

import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.declare import elementwise, sample
from autograd_core.operation import registry
from autograd_core.testing import gradients, operations
from autograd_core.testing.faults import (
    FAULTS,
    FORWARD,
    MODES,
    REVERSE,
    mutated,
)
from autograd_core.testing.mutation import (
    CAUGHT,
    EQUIVALENT,
    SURVIVED,
    Mutant,
    judge,
    main,
    mutants,
    run,
)
from autograd_core.testing.witnesses import Witnesses

WITH_RULES = [operation for operation in registry.values() if any(operation.jvp)]


@pytest.fixture(autouse=True)
def numpy_backend():
    with ag.use_backend("numpy"):
        yield


def outcome_of(name, fault, modes=MODES[0], scenario=None):
    """Judge one mutant of a first argument."""
    operation = registry[name]
    mutant = Mutant(FAULTS[fault], operation, 0, modes)
    return judge(mutant, Witnesses(operation), scenario)


# ------------------------------------------------------------------ the run


def test_a_sample_of_all_mutants_is_caught():
    summary = run(sample=15, seed=20240229)
    assert len(summary.outcomes) == 15
    assert len(summary.of(CAUGHT)) > 8
    assert not summary.survivors, str(summary)


EXCUSED = {
    "seed_returned": "the core copies",
    "view_of_the_seed_returned": "the core copies",
    "one_buffer_for_all": "the core copies",
    "wrong_beside_another_dtype": "the core promotes",
    "of_another_library": "NumPy computes",
}
"""Faults that change nothing, and why not."""


@pytest.fixture(scope="module")
def witnesses():
    names = ("tanh", "multiply", "sum", "logaddexp", "tril", "var", "abs")
    return [Witnesses(registry[name]) for name in names]


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in EXCUSED])
def test_every_fault_is_planted_and_caught(name, witnesses):
    """In one of few operations that between them have a place for all of them."""
    for original in witnesses:
        for mutant in mutants(original.operation, [FAULTS[name]]):
            outcome = judge(mutant, original)
            assert outcome.verdict != SURVIVED
            if outcome.verdict == CAUGHT:
                return
    pytest.fail("it is equivalent everywhere")


@pytest.mark.parametrize("name", [n for n in EXCUSED if "core" in EXCUSED[n]])
def test_what_the_core_puts_right_is_no_fault(name):
    assert outcome_of("add", name).verdict == EQUIVALENT


def test_a_run_can_be_repeated():
    once, again = (run(["sin", "exp"], sample=3, seed=5) for _ in range(2))
    assert once.outcomes == again.outcomes
    assert once.outcomes != run(["sin", "exp"], sample=1, seed=6).outcomes


def test_a_new_operation_changes_a_sample_in_its_own_places_only():
    chosen = {"faults": ["negated", "scaled", "noisy"], "sample": 6}
    before = run(["sin", "exp"], **chosen).outcomes
    after = run(["sin", "exp", "tan"], **chosen).outcomes
    new = [outcome for outcome in after if outcome.operation == "tan"]
    stays = [outcome for outcome in after if outcome.operation != "tan"]
    assert new
    assert stays
    assert set(stays) <= set(before)


def test_several_processes_do_the_same():
    chosen = {"operations": ["sin", "exp"], "faults": ["negated", "noisy"]}
    assert run(**chosen, jobs=2).outcomes == run(**chosen).outcomes


def test_progress_is_told_after_each_operation():
    lines = []
    run(["sin", "exp"], ["negated"], progress=lines.append)
    assert lines[-1].startswith("2 of 2 operations, 6 mutants: 6 caught, 0 survived")


# ------------------------------------------------------------------ mutants


def test_mutants_are_of_each_argument_and_mode():
    places = [
        (mutant.argument, mutant.mode)
        for mutant in mutants(registry["divide"], [FAULTS["scaled"]])
    ]
    modes = ["both modes", "jvp", "vjp"]
    assert places == [(x, mode) for x in ("x1", "x2") for mode in modes]


def test_a_function_linear_in_all_its_arguments_has_no_forward_rule_to_break():
    found = mutants(registry["concat"], [FAULTS["scaled"]])
    assert [mutant.mode for mutant in found] == ["vjp"]


def test_a_fault_that_asks_for_what_there_is_not_has_no_place():
    faults = [FAULTS["wrong_for_negative_axes"], FAULTS["rules_swapped"]]
    assert not list(mutants(registry["sin"], faults))


def test_the_registry_stays_as_it_is():
    sin = registry["sin"]
    before = dict(vars(sin))
    for mutant in mutants(sin):
        assert mutant.wrong is not sin
    assert vars(registry["sin"]) == before
    assert ag.grad(ag.ops.sin)(0.0) == 1.0


@pytest.mark.parametrize("modes", MODES)
def test_a_fault_is_planted_in_the_modes_that_are_asked_for(modes):
    wrong = FAULTS["negated"].plant(registry["sin"], 0, modes).function
    x = np.asarray(0.5)
    forward = ag.jvp(wrong, (x,), (np.asarray(1.0),))[1]
    reverse = ag.grad(wrong)(x)
    assert np.sign(forward) == (-1 if FORWARD in modes else 1)
    assert np.sign(reverse) == (-1 if REVERSE in modes else 1)


def test_only_the_chosen_argument_is_wrong():
    wrong = FAULTS["negated"].plant(registry["multiply"], 1, MODES[0]).function
    assert ag.grad(wrong, argnums=(0, 1))(2.0, 3.0) == (3.0, -2.0)


def test_names_are_sentences():
    for name, fault in FAULTS.items():
        assert re.fullmatch(r"[A-Z].*\.", fault.sentence), name
        assert "|" not in fault.sentence, "it would end a cell of a table"


def test_the_conjugate_is_forgotten_where_certificates_draw_complex_numbers():
    fault = FAULTS["conjugate_missing"]
    assert fault.plant(registry["hypot"], 0, MODES[0]) is None
    rule = fault.plant(registry["conj"], 0, (REVERSE,)).vjp[0].function
    assert rule(np, np.asarray([1 + 2j])) == [1 + 2j]
    assert rule(np, np.asarray([1.0])) == [1.0]


def test_a_mask_does_not_hide_a_fault():
    """A rule that returns one is wrong in its numbers."""
    wrong = FAULTS["negated"].plant(registry["maximum"], 0, (REVERSE,)).function
    assert ag.grad(lambda x: wrong(x, 1.0))(2.0) == -1.0


# ------------------------------------------------------------------ what is no mutant


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("add", "rules_swapped"),
        ("hypot", "broadcast_mean"),
        ("reshape", "residuals_detached"),
        ("maximum", "residuals_detached"),
        ("asin", "wrong_for_huge_values"),
        ("square", "missing"),
    ],
)
def test_what_changes_no_bit_is_told_from_a_fault(operation, fault):
    expected = {"broadcast_mean": CAUGHT, "missing": CAUGHT}.get(fault, EQUIVALENT)
    outcome = outcome_of(operation, fault, FAULTS[fault].modes[0])
    assert outcome.verdict == expected
    if expected == EQUIVALENT:
        assert re.fullmatch(r"the same bits in \d+ calls", outcome.witness)
        assert int(outcome.witness.split()[4]) > 50


@pytest.mark.parametrize("operation", ["sin", "multiply", "sum", "concat", "take"])
def test_a_copy_differs_in_nothing(operation):
    original = registry[operation]
    assert Witnesses(original).difference(mutated(original)) is None


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("scaled", "sin(float64[3,4])"),
        ("wrong_at_zero", "values whole"),
        ("wrong_in_single_precision", "float32"),
        ("wrong_for_reversed_seeds", "reversed"),
        ("wrong_for_seeds_of_ones", "seeds of ones"),
        ("wrong_for_three_axes", "sin(float64[2,3,4])"),
        ("wrong_for_large_arrays", "float64[36,37]"),
        ("wrong_at_third_order", "order 3"),
        ("seed_written_to", "sin(float64[3,4])"),
        ("noisy", "sin(float64[3,4])"),
        ("value_changed_by_tracking", "sin(float64[3,4])"),
    ],
)
def test_a_witness_is_a_call_in_which_the_mutant_differs(fault, seen):
    sin = registry["sin"]
    wrong = FAULTS[fault].plant(sin, 0, MODES[0])
    assert seen in str(Witnesses(sin).difference(wrong))


# ------------------------------------------------------------------ what catches what


@pytest.mark.parametrize(
    ("operation", "fault", "modes", "caught_by"),
    [
        ("sin", "scaled", MODES[0], "forward mode is the derivative"),
        ("sin", "scaled", (REVERSE,), "reverse mode is the transpose"),
        ("add", "broadcast_mean", (REVERSE,), "reverse mode is the transpose"),
        ("add", "wrong_beside_another_shape", (REVERSE,), "reverse mode is the transp"),
        ("square", "seed_detached", (FORWARD,), "all nestings agree"),
        ("square", "residuals_detached", (REVERSE,), "all nestings agree"),
        ("square", "nan_at_zeros_of_the_seed", (FORWARD,), "forward mode is linear"),
        ("square", "nan_at_zeros_of_the_seed", (REVERSE,), "reverse mode is linear"),
        ("square", "widened", (REVERSE,), "derivatives are like their primals"),
        ("square", "wrong_in_single_precision", MODES[0], "derivatives are like their"),
        ("square", "seed_written_to", (REVERSE,), "nothing is written to or shared"),
        ("square", "input_written_to", MODES[0], "nothing is written to or shared"),
        ("square", "noisy", (REVERSE,), "two runs are bit-equal"),
        ("square", "wrong_for_reversed_seeds", (REVERSE,), "memory layout does not"),
        ("square", "value_changed_by_tracking", MODES[0], "values are the function's"),
        ("square", "refuses_to_nest", (REVERSE,), "raises TypeError"),
    ],
)
def test_a_fault_is_caught_by_the_property_that_forbids_it(
    operation, fault, modes, caught_by
):
    outcome = outcome_of(operation, fault, modes)
    assert outcome.verdict == CAUGHT
    assert caught_by in outcome.property


@pytest.mark.parametrize(
    ("operation", "fault", "scenario"),
    [
        ("square", "wrong_for_large_arrays", "large arrays"),
        ("square", "wrong_for_axes_of_length_1", "axes of length 1 and 0"),
        ("square", "wrong_for_three_axes", "more axes and fewer"),
        ("mean", "wrong_for_an_empty_tuple_of_axes", "every axis and none"),
        ("square", "wrong_for_huge_values", "other magnitudes"),
        ("sin", "wrong_at_zero", "whole numbers"),
        ("multiply", "wrong_beside_an_integer", "Python numbers for arrays"),
    ],
)
def test_a_fault_is_caught_in_the_scenario_that_shows_it(operation, fault, scenario):
    assert outcome_of(operation, fault).scenario == scenario


def test_another_gradient_than_the_declared_one_is_caught_at_a_kink():
    """Also where it lies between the slopes on both sides."""
    fault, scenario = "wrong_at_declared_kinks", "declared kinks"
    outcome = outcome_of("abs", fault, (REVERSE,), scenario)
    assert outcome.scenario == scenario
    assert outcome.property == "the declared gradient"


def test_large_arrays_do_not_loosen_the_check():
    """A checker whose tolerance grows with the size accepts this."""
    for modes in MODES[1:]:
        outcome = outcome_of("square", "one_of_many_elements_off", modes)
        assert (outcome.verdict, outcome.scenario) == (CAUGHT, "large arrays")


def test_an_operation_that_somebody_declares_is_tested_in_the_same_way():
    def cube_x(xp, t, x):
        return t * (3 * x**2)

    def cube_forward(xp, x):
        return x**3

    try:

        @elementwise(x=cube_x, implementation=cube_forward, samples=[sample((3,))])
        def cube_of_mine(x, /):
            """Cube."""

        summary = run(["cube_of_mine"], ["scaled", "residuals_detached"])
        assert [outcome.verdict for outcome in summary.outcomes] == [CAUGHT] * 6
    finally:
        registry.pop("cube_of_mine", None)


# ------------------------------------------------------------------ a blind checker


def test_a_checker_that_sees_nothing_lets_everything_survive(monkeypatch):
    monkeypatch.setattr(operations, "check_grads", lambda *a, **k: None)
    summary = run(["sin"], ["scaled", "negated"])
    assert {outcome.verdict for outcome in summary.outcomes} == {SURVIVED}
    assert len(summary.survivors) == 6
    assert "survived: sin of x, jvp: scaled (seen at sin(float64[3,4]" in str(summary)


@pytest.mark.parametrize(
    ("blind_for", "operation", "fault", "modes"),
    [
        ("two runs are bit-equal", "square", "noisy", MODES[0]),
        ("derivatives are like their primals", "square", "widened", (REVERSE,)),
        ("values are the function's own", "sin", "value_changed_by_tracking", MODES[0]),
        (
            "memory layout does not matter",
            "sin",
            "wrong_for_transposed_seeds",
            MODES[1],
        ),
    ],
)
def test_a_checker_that_lacks_a_property_lets_its_faults_survive(
    monkeypatch, blind_for, operation, fault, modes
):
    rows = [row for row in gradients.PROPERTIES if row.name != blind_for]
    assert len(rows) == len(gradients.PROPERTIES) - 1
    monkeypatch.setattr(gradients, "PROPERTIES", rows)
    assert outcome_of(operation, fault, modes).verdict == SURVIVED


# ------------------------------------------------------------------ the summary


def cells(line):
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def tables(markdown):
    """Return the tables in a text, each a list of rows."""
    blocks = [block.splitlines() for block in markdown.split("\n\n")]
    return [list(map(cells, block)) for block in blocks if block and "|" in block[0]]


def test_the_summary_in_markdown():
    summary = run(["add"], ["scaled", "rules_swapped"])
    faults, catches = tables(summary.markdown())
    for rows in (faults, catches):
        assert rows[1] == ["---"] * len(rows[0])
        assert all(len(a) == len(b) for a, b in pairwise(rows))
    assert faults[0] == ["fault", "caught", "survived", "equivalent", "caught by"]
    by_sentence = {row[0]: row[1:] for row in faults[2:]}
    assert by_sentence[FAULTS["rules_swapped"].sentence] == ["0", "0", "3", ""]
    assert by_sentence[FAULTS["scaled"].sentence] == [
        "6",
        "0",
        "0",
        "forward mode is the derivative (4), reverse mode is the transpose (2)",
    ]
    assert sum(int(row[2]) for row in catches[2:]) == len(summary.of(CAUGHT)) == 6
    assert summary.markdown().startswith(
        "6 mutants: 6 caught, 0 survived (3 more differ from the original in no bit)"
    )


def test_survivors_are_listed_in_markdown(monkeypatch):
    monkeypatch.setattr(operations, "check_grads", lambda *a, **k: None)
    text = run(["sin"], ["scaled"]).markdown()
    assert text.count("- survived: sin of x") == 3


# ------------------------------------------------------------------ the command


def test_the_command_ends_with_0_if_all_are_caught(capsys):
    assert main(["--operations", "sin", "--faults", "scaled, negated"]) == 0
    assert capsys.readouterr().out.startswith("6 mutants: 6 caught, 0 survived")


def test_the_command_ends_with_1_if_one_survives(capsys, monkeypatch):
    monkeypatch.setattr(operations, "check_grads", lambda *a, **k: None)
    assert main(["--operations", "sin", "--faults", "scaled", "--sample", "1"]) == 1
    assert "survived: sin of x" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--operations", "sinn"], "Did you mean 'sin'"),
        (["--faults", "negate"], "Did you mean 'negated'"),
        (["--operations", "astyp"], "Did you mean 'astype'"),
        (["--backend", "nunpy"], "numpy"),
    ],
)
def test_the_command_ends_with_2_if_a_name_is_unknown(capsys, options, message):
    assert main(options) == 2
    assert message in capsys.readouterr().err


def test_the_command_prints_tables(capsys):
    assert main(["--operations", "exp", "--faults", "scaled", "--markdown"]) == 0
    assert len(tables(capsys.readouterr().out)) == 2


def test_another_library(capsys):
    pytest.importorskip("array_api_strict")
    options = ["--operations", "sin", "--faults", "scaled,of_another_library"]
    assert main([*options, "--backend", "array-api-strict"]) == 0
    assert capsys.readouterr().out.startswith("6 mutants: 6 caught, 0 survived")


def test_the_module_is_a_command():
    command = [sys.executable, "-m", "autograd_core.testing.mutation"]
    options = ["--operations", "sin", "--faults", "negated", "--jobs", "2"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 mutants: 3 caught, 0 survived")
    assert not done.stderr
