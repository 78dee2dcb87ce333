"""The numerical libraries, one short file each; none is imported until asked for.

Importing this package declares them to the core. A third party's package declares its
own through the entry-point group ``autograd_core.backends``.
"""

from autograd_backends.abstract import Abstract
from autograd_backends.array_api_strict import ArrayAPIStrict
from autograd_backends.cupy import CuPy
from autograd_backends.jax import JAX
from autograd_backends.numpy import NumPy
from autograd_backends.torch import PyTorch

__all__ = ["JAX", "Abstract", "ArrayAPIStrict", "CuPy", "NumPy", "PyTorch"]
