"""Checks of derivatives, of operations and of backends, stricter than differences.

`check_grads` checks the derivative of any function, ours or not, and says what is wrong
with it. `certify_operation` and `certify_backend` put an operation or a library through
everything that this project asks of its own. `strategies` draws arrays and calls for
hypothesis. docs/testing.md shows them at work.

Nothing here is imported by the core; NumPy does the judging, whatever library computed.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from autograd_core.testing.calls import calls
from autograd_core.testing.certificate import Certificate, CertificationError
from autograd_core.testing.gradients import check_grads
from autograd_core.testing.operations import certify_operation
from autograd_core.testing.report import GradientError, InconclusiveError, Report

__all__ = [
    "Certificate",
    "CertificationError",
    "GradientError",
    "InconclusiveError",
    "Report",
    "calls",
    "certify_operation",
    "check_grads",
]


def __getattr__(name: str) -> _Any:
    """Import the strategies, and with them hypothesis, when somebody asks for them."""
    if name == "strategies":
        return _import_module("autograd_core.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
