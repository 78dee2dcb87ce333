"""``torch.special`` under the names of SciPy, and what of it is not taken."""

from __future__ import annotations

from functools import partial
from typing import Any


class SpecialFunctions:
    """The special functions of the backend of PyTorch."""

    torch: Any

    def extension(self, name: str) -> Any:
        return (
            TorchSpecial(self.torch) if name == "special" else super().extension(name)  # type: ignore[misc]
        )

    def special_polygamma(self, n: Any, x: Any, /) -> Any:
        """Return it by `zeta`, as PyTorch's own is right to nine digits for n = 1."""
        n = self.torch.asarray(n, device=x.device)
        order = self.torch.where(n == 0, 1, n).to(x.dtype)
        size = self.torch.exp(self.torch.lgamma(order + 1))
        y = -((-1.0) ** order) * size * self.torch.special.zeta(order + 1, x)
        return self.torch.where(n == 0, self.torch.special.digamma(x), y)

    def special_zeta(self, x: Any, q: Any = None, /) -> Any:
        return self.torch.special.zeta(x, 1.0 if q is None else q)


class TorchSpecial:
    """``torch.special`` under the names of SciPy; numbers become tensors."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        if name in OTHERWISE:
            raise AttributeError(name)
        function = getattr(self._torch.special, SPELLED.get(name, name))
        return partial(self._of_tensors, function)

    def _of_tensors(self, function: Any, *arguments: Any) -> Any:
        is_tensor = self._torch.is_tensor
        like = next(x for x in arguments if is_tensor(x))
        tensors = (
            x if is_tensor(x) else self._torch.full_like(like, x) for x in arguments
        )
        return function(*tensors)


SPELLED = {
    "k0": "modified_bessel_k0",
    "k1": "modified_bessel_k1",
    "k0e": "scaled_modified_bessel_k0",
    "k1e": "scaled_modified_bessel_k1",
}

OTHERWISE = ("softmax", "log_softmax", "logsumexp", "multigammaln")
"""Functions of PyTorch that take other parameters than SciPy's."""
