"""Run the array API standard's own suite on `autograd_ops` and on the raw library.

The suite, https://github.com/data-apis/array-api-tests, is run from a checkout beside
this repository. What it says of a library itself is no concern of ours: counted are the
tests that fail with us and pass with the library. Each must be listed, under a comment
that says why, in ``failures/BACKEND.txt`` or, for recorded computations,
``failures/BACKEND-tracked.txt``. The files are such as the suite takes with
``--xfails-file``.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FAILURES = HERE / "failures"
ROOMS = (ROOT, ROOT / "ops", ROOT / "backends", HERE)

LIBRARIES = {"numpy": "array_api_compat.numpy", "array-api-strict": "array_api_strict"}
"""The backends, and the modules that the suite tests in their stead."""

EXAMPLES = 50
"""Random calls for each test of the suite."""

ROUNDS = 20
"""How often at most a test is run again, with other calls, where it matters.

The suite draws its calls at random, and some faults of libraries show in half of them.
"""

NO_CHECKOUT = """\
There is no checkout of the suite at {path}. Get one, and what it needs:

    git clone --recurse-submodules https://github.com/data-apis/array-api-tests
    python -m pip install -r array-api-tests/requirements.txt
    python tests/conformance/run.py --checkout array-api-tests
"""

Outcomes = dict[str, str]
"""The outcome of each test of the suite: passed, failed or skipped."""


class SuiteError(Exception):
    """Something that keeps the suites from being compared."""


# ------------------------------------------------------------------ comparing


@dataclass
class Comparison:
    """What there is to say of two runs and a list: test ids, or nothing."""

    unlisted: list[str]
    """Fail with us, pass with the library, and are not listed."""
    stale: list[str]
    """Listed, but do not fail with us, or fail with the library too."""
    unknown: list[str]
    """Listed, but no tests of the suite."""

    @property
    def good(self) -> bool:
        """Whether the list says exactly what is so."""
        return not (self.unlisted or self.stale or self.unknown)


def own_failures(raw: Outcomes, ours: Outcomes) -> set[str]:
    """Return the tests that fail with us and not with the library."""
    return {
        test
        for test in ours.keys() | raw.keys()
        if ours.get(test, "missing") in ("failed", "missing")
        and raw.get(test) != "failed"
    }


def compare(raw: Outcomes, ours: Outcomes, listed: Sequence[str]) -> Comparison:
    """Compare two runs of the same tests, and a list of what may differ."""
    own = own_failures(raw, ours)
    return Comparison(
        unlisted=sorted(own - set(listed)),
        stale=sorted(test for test in listed if test in ours and test not in own),
        unknown=sorted(test for test in listed if test not in ours),
    )


def doubtful(raw: Outcomes, ours: Outcomes, listed: Sequence[str]) -> list[str]:
    """Return the tests that the list is wrong of, unless other calls say otherwise."""
    comparison = compare(raw, ours, listed)
    return sorted({*comparison.unlisted, *comparison.stale} & raw.keys() & ours.keys())


def add_round(outcomes: Outcomes, more: Outcomes) -> None:
    """Add the outcomes of another round: what failed once has failed."""
    for test, outcome in more.items():
        if outcomes.get(test) != "failed":
            outcomes[test] = outcome


def read_list(text: str) -> list[str]:
    """Return the test ids of a list of failures; each has its reason over it."""
    tests: list[str] = []
    reason = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            reason = False
        elif line.startswith("#"):
            reason = bool(line.strip("# "))
        elif not reason:
            raise SuiteError(f"line {number}: no reason over {line!r}")
        elif line in tests:
            raise SuiteError(f"line {number}: {line!r} is listed twice")
        else:
            tests.append(line)
            reason = False
    return tests


def table(title: str, rows: dict[str, Outcomes]) -> str:
    """Return the numbers of tests that passed, failed and were skipped."""
    kinds = ("passed", "failed", "skipped")
    width = max(map(len, (title, *rows)))
    lines = [f"{title:{width}}" + "".join(f"{kind:>9}" for kind in kinds)]
    for name, outcomes in rows.items():
        counts = Counter(outcomes.values())
        numbers = "".join(f"{counts[kind]:>9}" for kind in kinds)
        lines.append(f"{name:{width}}{numbers}")
    return "\n".join(lines)


def report(comparison: Comparison) -> str:
    """Return what is wrong, or that nothing is."""
    says = {
        "fail with us only, and are not listed": comparison.unlisted,
        "are listed, and pass with us or fail with the library too": comparison.stale,
        "are listed, and are no tests of the suite": comparison.unknown,
    }
    lines = []
    for what, tests in says.items():
        if tests:
            lines += [f"{len(tests)} {what}:", *(f"  {test}" for test in tests)]
    return "\n".join(lines)


# ------------------------------------------------------------------ running


def outcomes_of(report: dict[str, object]) -> Outcomes:
    """Read the report of pytest-json-report; what broke has failed."""
    tests = report["tests"]
    assert isinstance(tests, list)
    kind = {"error": "failed", "xfailed": "failed", "xpassed": "passed"}
    return {
        test["nodeid"]: kind.get(test["outcome"], test["outcome"]) for test in tests
    }


def run_suite(
    checkout: pathlib.Path,
    module: str,
    backend: str,
    *,
    examples: int,
    arguments: Sequence[str],
    seed: int = 0,
) -> Outcomes:
    """Run the suite, or the tests that arguments name, on a module."""
    paths = [*map(str, ROOMS), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "AUTOGRAD_BACKEND": backend,
        "ARRAY_API_TESTS_MODULE": module,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest"]
        command += ["--json-report-omit", "log", "streams", "warnings", "keywords"]
        command += ["--json-report", f"--json-report-file={file}"]
        command += ["--quiet", "--tb=no", "--no-header", "-p", "no:cacheprovider"]
        command += [f"--hypothesis-seed={seed}", f"--max-examples={examples}"]
        command += ["--disable-deadline"]
        done = subprocess.run(
            [*command, *arguments],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1) or not file.exists():
            said = (done.stdout + done.stderr)[-3000:]
            raise SuiteError(f"the suite did not run on {module}:\n{said}")
        return outcomes_of(json.loads(file.read_text()))


def check(
    checkout: pathlib.Path,
    backend: str,
    *,
    tracked: bool,
    examples: int,
    arguments: Sequence[str],
) -> bool:
    """Run the suite on a library and on us, print the numbers, and judge."""
    modules = LIBRARIES[backend], "autograd_ops_tracked" if tracked else "autograd_ops"
    name = f"{backend}-tracked" if tracked else backend
    file = FAILURES / f"{name}.txt"
    try:
        listed = read_list(file.read_text())
    except SuiteError as fault:
        raise SuiteError(f"{file}: {fault}") from None
    whole = arguments or ["array_api_tests"]
    raw, ours = (
        run_suite(checkout, module, backend, examples=examples, arguments=whole)
        for module in modules
    )
    for seed in range(1, ROUNDS + 1):
        again = doubtful(raw, ours, listed)
        if not again:
            break
        for module, outcomes in zip(modules, (raw, ours), strict=True):
            more = run_suite(
                checkout,
                module,
                backend,
                examples=examples,
                arguments=again,
                seed=seed,
            )
            add_round(outcomes, more)
    print(table(name, dict(zip(modules, (raw, ours), strict=True))))
    comparison = compare(raw, ours, listed)
    if arguments:  # a part of the suite says nothing of the rest of the list
        comparison.unknown = []
    own = own_failures(raw, ours)
    print(f"failures that the library does not have: {len(own)}, listed: {len(listed)}")
    if not comparison.good:
        print(report(comparison))
    print(flush=True)
    return comparison.good


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line; 0 if all is as listed, 1 if not, 2 without a suite."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkout", type=pathlib.Path, help="where the suite is")
    parser.add_argument("--backend", choices=sorted(LIBRARIES), help="default: each")
    parser.add_argument(
        "--tracked", action="store_true", help="with Tensors for floats"
    )
    parser.add_argument("--max-examples", type=int, default=EXAMPLES)
    options, rest = parser.parse_known_args(arguments)
    checkout = options.checkout
    if checkout is None or not (checkout / "array_api_tests").is_dir():
        print(NO_CHECKOUT.format(path=checkout or "hand"), file=sys.stderr)
        return 2
    backends = [options.backend] if options.backend else sorted(LIBRARIES)
    good = True
    for backend in backends:
        try:
            good &= check(
                checkout,
                backend,
                tracked=options.tracked,
                examples=options.max_examples,
                arguments=rest,
            )
        except SuiteError as fault:
            print(fault, file=sys.stderr)
            return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
