"""Special functions: what array programs expect beyond the standard."""

from __future__ import annotations

from typing import Any

from autograd_ops.special_bessel_functions import *
from autograd_ops.special_distribution_functions import *
from autograd_ops.special_elementary_functions import *
from autograd_ops.special_error_functions import *
from autograd_ops.special_gamma_functions import *
from autograd_ops.special_integral_functions import *
from autograd_ops.special_reduction_functions import *
from autograd_ops.undeclared import members, undeclared

EXTENSION = "special"


def __getattr__(name: str) -> Any:
    """Return a function of the default backend that has no derivative rule."""
    return undeclared(name, EXTENSION)


def __dir__() -> list[str]:
    """Return what belongs to the extension: no rules, no imports."""
    return members(EXTENSION)
