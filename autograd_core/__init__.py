"""Gradients for every array library.

A differentiation core that knows graphs and the chain rule but no numerics, a table of
operations that emit calls against an Array-API namespace, and numerical libraries that
plug in behind it. This package is the front door: it brings the operations up.

>>> import autograd_core as ag
>>> xp = ag.ops
>>> print(ag.grad(lambda x: xp.sin(x) * x)(0.0))
0.0
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import autograd_backends as _backends  # noqa: F401 (declares the libraries)
import autograd_ops as ops
from autograd_core import pytree
from autograd_core.backend import (
    Backend,
    backends,
    get_backend,
    register_backend,
    set_backend,
    use_backend,
)
from autograd_core.forward import jvp
from autograd_core.operators.checkpointing import checkpoint, checkpoint_name
from autograd_core.operators.control_flow import (
    cond,
    fori_loop,
    map,
    scan,
    switch,
    while_loop,
)
from autograd_core.operators.custom import custom_jvp, custom_vjp
from autograd_core.operators.hooks import gradient_hook
from autograd_core.operators.jacobians import (
    derivative,
    elementwise_grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    laplacian,
)
from autograd_core.operators.linear import linear_transpose, linearize
from autograd_core.operators.ravel import ravel_pytree
from autograd_core.operators.residuals import saved_residuals
from autograd_core.operators.vmap import vmap
from autograd_core.programs.compiling import compile
from autograd_core.programs.program import GuardError, Program
from autograd_core.programs.recording import placeholder, spec, trace
from autograd_core.reverse import grad, stop_gradient, value_and_grad, vjp
from autograd_core.tensor import Constant, Tensor

__version__ = "0.1.0"

__all__ = [
    "Backend",
    "Constant",
    "GuardError",
    "Program",
    "Tensor",
    "backends",
    "checkpoint",
    "checkpoint_name",
    "compile",
    "cond",
    "custom_jvp",
    "custom_vjp",
    "derivative",
    "elementwise_grad",
    "fori_loop",
    "get_backend",
    "grad",
    "gradient_hook",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "laplacian",
    "linear_transpose",
    "linearize",
    "load",
    "map",
    "ops",
    "placeholder",
    "pytree",
    "ravel_pytree",
    "register_backend",
    "saved_residuals",
    "scan",
    "set_backend",
    "spec",
    "stop_gradient",
    "switch",
    "testing",
    "trace",
    "use_backend",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


if _TYPE_CHECKING:
    from autograd_core.programs.storage import load


def __getattr__(name: str) -> _Any:
    """Import what few programs use when somebody asks for it."""
    if name == "testing":
        return _import_module("autograd_core.testing")
    if name == "load":  # which needs zipfile, a tenth of the import
        return _import_module("autograd_core.programs.storage").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
