"""Checks of derivatives, of operations and of backends, stricter than differences.

`check_grads` checks the derivative of any function, ours or not, and says what is wrong
with it. `certify_operation` and `certify_backend` put an operation or a library through
everything that this project asks of its own. `strategies` draws arrays and calls for
hypothesis. docs/testing.md shows them at work.

Nothing here is imported by the core; NumPy does the judging, whatever library computed.
The modules are loaded when they are asked for, so that the pytest plugin costs nothing
where it is not used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from autograd_core.testing.backends import certify_backend
    from autograd_core.testing.certificate import Certificate, CertificationError
    from autograd_core.testing.gradients import check_grads
    from autograd_core.testing.operations import certify_operation
    from autograd_core.testing.report import GradientError, InconclusiveError, Report
    from autograd_core.testing.samples import calls

_HOMES = {
    "Certificate": "certificate",
    "CertificationError": "certificate",
    "GradientError": "report",
    "InconclusiveError": "report",
    "Report": "report",
    "calls": "samples",
    "certify_backend": "backends",
    "certify_operation": "operations",
    "check_grads": "gradients",
}

__all__ = [
    "Certificate",
    "CertificationError",
    "GradientError",
    "InconclusiveError",
    "Report",
    "calls",
    "certify_backend",
    "certify_operation",
    "check_grads",
]


def __getattr__(name: str) -> _Any:
    """Import what is asked for; `strategies` needs hypothesis."""
    if name in _HOMES:
        found = getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name in ("strategies", "mutation"):
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
