"""Certifying a backend: scenarios that an array library must come through."""

from __future__ import annotations

from collections.abc import Sequence
from traceback import extract_tb
from typing import Any

import autograd_core as ag
from autograd_core.errors import error
from autograd_core.testing import array_scenarios, operation_scenarios
from autograd_core.testing.certificate import FAILED, PASSED, SKIPPED, Certificate
from autograd_core.testing.libraries import Library
from autograd_core.testing.scenario import NotApplicableError, Scenario, scenarios

__all__ = ["array_scenarios", "certify_backend", "operation_scenarios"]

SHOWN = 10
"""Operations for which a certificate shows a fault of one scenario."""


def certify_backend(
    name_or_namespace: Any,
    *,
    rtol: float = 1e-10,
    only: Sequence[str] = (),
    raises: bool = True,
) -> Certificate:
    """Put an array library through everything that is asked of a backend.

    Parameters
    ----------
    name_or_namespace
        What `use_backend` takes: the name of a backend, or an Array-API namespace.
    rtol
        Relative error that the library's functions may have in float64. In float32,
        and so for libraries without float64, it is a hundred roundings if that is
        more.
    only
        Names of scenarios, such as ``"index_add"``, to run these alone while at work on
        a backend. By default all are run.
    raises
        Whether a failure raises. If not, look at ``certificate.passed``.

    Returns
    -------
    Certificate
        One row for each scenario; prints as a table. Rows that are not applicable say
        why.

    Raises
    ------
    CertificationError
        If a scenario failed; the message is the table, with what was asked, expected
        and got.
    ValueError, ImportError, TypeError
        If there is no such backend.

    Notes
    -----
    What is right is what NumPy gives by the same derivative rules; whether the rules
    are right is for `certify_operation` to say.

    Examples
    --------
    >>> certificate = certify_backend("numpy", only=["getitem", "pad_index"])
    >>> certificate.passed
    True
    """
    with ag.use_backend(name_or_namespace) as chosen:
        library = Library(chosen, rtol)
        certificate = Certificate(
            f"backend {chosen} ({library.real}, rtol {library.relative():.1e})"
        )
        for each in _chosen(only):
            outcome, detail = _run(each, library)
            certificate.record(f"{each.name}: {each.asks}", outcome, detail)
    return certificate.require() if raises else certificate


def _chosen(only: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of some names, or all."""
    unknown = [name for name in only if name not in scenarios]
    if unknown:
        raise error(
            ValueError,
            "certify_backend",
            "`only` names scenarios",
            ", ".join(unknown),
            f"There are {', '.join(scenarios)}.",
        )
    return [each for name, each in scenarios.items() if not only or name in only]


def _run(asked: Scenario, library: Library) -> tuple[str, str]:
    """Run a scenario in all of its cases: one that fails does not stop the others."""
    faults, reasons, checked, unable = [], [], 0, 0
    try:
        cases = [(case,) for case in asked.cases(library)] if asked.cases else [()]
    except Exception as cause:
        return FAILED, f"  {_described(cause)}"
    for case in cases:
        label = f"{case[0][0]}: " if case else ""
        library.made.clear()
        try:
            found = asked.faults(library, *(given for _, given in case))
            faults += [label + fault for fault in found]
            checked += 1
        except NotApplicableError as unasked:
            reasons.append(str(unasked))
        except Exception as cause:
            lacking = _missing(library, cause)
            if lacking:
                reasons.append(f"the library has no {lacking!r}")
                unable += 1
            else:
                faults.append(label + _described(cause))
    if faults:
        return FAILED, _shown(faults)
    return PASSED if checked > unable else SKIPPED, "; ".join(dict.fromkeys(reasons))


def _shown(faults: list[str]) -> str:
    """Return the first fault of each operation, wrong values first, and who else."""
    groups: dict[str, list[str]] = {}
    for fault in faults:
        groups.setdefault(fault.partition("(")[0], []).append(fault)
    values = [name for name, found in groups.items() if ": value: " in found[0]]
    names = list(dict.fromkeys([*values, *groups]))
    lines = []
    for name in names[:SHOWN]:
        first, *rest = groups[name]
        lines.append(f"  {first}" + (f" (and {len(rest)} more)" if rest else ""))
    if names[SHOWN:]:
        lines.append(f"  and {len(names) - SHOWN} others: {'; '.join(names[SHOWN:])}")
    return "\n".join(lines)


def _missing(library: Library, cause: Exception) -> str:
    """Return the function of the standard that a library was asked for and lacks."""
    if not isinstance(cause, AttributeError) or cause.name not in dir(ag.ops):
        return ""
    return cause.name if cause.obj in (library.xp, library.xp.namespace) else ""


def _described(cause: Exception) -> str:
    """Return an exception's text, what it says of the operation, and its place."""
    text = " ".join(f"{cause}".split())
    place = extract_tb(cause.__traceback__)[-1]
    said = [f"raised {type(cause).__name__}: {text}", *getattr(cause, "__notes__", ())]
    return f"{'; '.join(said)} ({place.filename}:{place.lineno} in {place.name})"
