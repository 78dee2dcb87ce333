"""The differentiable Array-API namespace: one file per chapter of the standard.

Raw arrays in give raw arrays out, computed by their own library. Tracked arrays in give
tracked arrays out. Names without a declared operation are the default backend's.
"""

import sys as _sys
from math import e, inf, nan, pi
from typing import Any as _Any

import autograd_core.tensor as _tensor
from autograd_core.backend import get_backend as _get_backend
from autograd_core.operation import functions as _functions
from autograd_ops import fft, linalg, special
from autograd_ops import undeclared as _undeclared
from autograd_ops.beyond_the_standard import *
from autograd_ops.creation_functions import *
from autograd_ops.data_type_functions import *
from autograd_ops.elementwise_functions import *
from autograd_ops.indexing_functions import *
from autograd_ops.linear_algebra_functions import *
from autograd_ops.manipulation_functions import *
from autograd_ops.numpy_protocol import array_function, array_ufunc
from autograd_ops.searching_functions import *
from autograd_ops.set_functions import *
from autograd_ops.sorting_functions import *
from autograd_ops.statistical_functions import *
from autograd_ops.uniform import uniform
from autograd_ops.utility_functions import *
from autograd_ops.writing_functions import *

newaxis = None


def __getattr__(name: str) -> _Any:
    """Return an operation declared elsewhere, or a name of the default backend."""
    if name in ("__array_api_version__", "__array_namespace_info__"):
        return getattr(_get_backend().namespace, name)
    return _undeclared.undeclared(name)


def __dir__() -> list[str]:
    """Return what belongs to the namespace: no rules, no imports."""
    constants = {"e", "inf", "nan", "newaxis", "pi", "fft", "linalg", "special"}
    return sorted(
        {*_undeclared.members(""), *_functions, *constants, *_undeclared.DTYPES}
    )


_tensor.install(_sys.modules[__name__])
