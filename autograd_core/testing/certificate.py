"""Certificates: tables of what was checked, and how it went."""

from __future__ import annotations

from dataclasses import dataclass, field

PASSED, FAILED, SKIPPED = "passed", "FAILED", "not applicable"


class CertificationError(AssertionError):
    """What was to be certified fails a scenario; the message is the table."""


@dataclass(frozen=True)
class Row:
    """One scenario: what it asks, how it went, and why."""

    scenario: str
    outcome: str
    detail: str = ""


@dataclass
class Certificate:
    """What was asked of an operation or a backend, and how it went.

    Attributes
    ----------
    subject
        What was checked.
    rows
        One for each scenario, in order.
    """

    subject: str
    rows: list[Row] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether something was checked, and nothing failed."""
        outcomes = [row.outcome for row in self.rows]
        return FAILED not in outcomes and PASSED in outcomes

    def record(self, scenario: str, outcome: str, detail: str = "") -> None:
        """Add a row."""
        self.rows.append(Row(scenario, outcome, detail))

    def require(self) -> Certificate:
        """Return the certificate itself, or raise it.

        Raises
        ------
        CertificationError
            If a scenario failed, or if none applied.
        """
        if not self.passed:
            raise CertificationError(str(self))
        return self

    def __str__(self) -> str:
        """Return the table; failures come last, each with what is wrong."""
        width = max((len(row.scenario) for row in self.rows), default=0)
        counts = ", ".join(
            f"{n} {outcome}"
            for outcome in (PASSED, FAILED, SKIPPED)
            if (n := sum(row.outcome == outcome for row in self.rows))
        )
        lines = [f"{self.subject}: {counts or 'nothing was checked'}"]
        for row in self.rows:
            brief = row.detail if row.outcome == SKIPPED else ""
            lines.append(f"  {row.scenario:<{width}}  {row.outcome}  {brief}".rstrip())
        for row in self.rows:
            if row.outcome == FAILED:
                lines += ["", f"{row.scenario}:", row.detail]
        return "\n".join(lines)
