"""Fourier transforms (the standard's extension of that name).

All are linear. The adjoint of a transform is the opposite one, with the factor of the
norm on the other side (``backward`` and ``forward`` change places), cut or padded with
zeros to the length of the input. Half a spectrum stands for a whole one, in which all
frequencies but 0 and, for an even length, the highest one occur twice: `irfft` counts
those twice, and so does its adjoint; the adjoint of `rfft` counts them half. Of the
frequencies that occur once the imaginary part has no influence on what `irfft` returns,
and no gradient.
"""

from __future__ import annotations

from typing import Any

from autograd_core.declare import composite, linear, sample
from autograd_core.edges import converted
from autograd_core.graph import Array
from autograd_ops import batching_rules as batched
from autograd_ops import shape_rules as shaped
from autograd_ops.axes import Shape, along, normalized, transformed
from autograd_ops.creation_functions import OF_NUMBERS, asarray, like_tracked
from autograd_ops.manipulation_functions import roll
from autograd_ops.undeclared import members, undeclared

EXTENSION = "fft"

OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def __getattr__(name: str) -> Any:
    """Return a function of the default backend that has no derivative rule."""
    return undeclared(name, EXTENSION)


def __dir__() -> list[str]:
    """Return what belongs to the extension: no rules, no imports."""
    return members(EXTENSION)


# ------------------------------------------------------------------ lengths


def fitted(xp: Any, x: Array, shape: Shape) -> Array:
    """Cut each axis, or pad it with zeros, to a shape.

    It is its own adjoint, with the shape it came from.
    """
    short = tuple(map(min, x.shape, shape))
    key = tuple(slice(0, n) for n in short)
    if short != tuple(x.shape):
        x = x[key]
    return x if short == tuple(shape) else xp.pad_index(x, key=key, shape=tuple(shape))


def nothing(xp: Any, t: Array, shape: Shape, dtype: Any) -> Array:
    """Return the cotangent, zeros, of what an empty result has: JAX transforms none."""
    return converted(xp, fitted(xp, t, shape), dtype)


def scaled_inside(xp: Any, x: Array, n: int, axis: int, factor: float) -> Array:
    """Scale the frequencies that half a spectrum of length ``n`` counts twice."""
    end = (n + 1) // 2
    first, inside = x[along(axis, slice(0, 1))], x[along(axis, slice(1, end))]
    return xp.concat(
        [first, inside * factor, x[along(axis, slice(end, None))]], axis=axis
    )


# ------------------------------------------------------------------ one axis

COMPLEX = (
    sample((5,)).complex(),
    sample((3, 4), axis=0, norm="ortho").complex(),
    sample((2, 3), n=5, axis=-1).complex(),
    sample((6,), n=4, norm="forward").complex(),
)


def fft_adjoint(xp: Any, t: Array, x_shape: Shape, axis: int, norm: str) -> Array:
    return fitted(xp, xp.fft.ifft(t, axis=axis, norm=OPPOSITE[norm]), x_shape)


@linear(x=fft_adjoint, adjoint=True, samples=COMPLEX, shape=shaped.spectrum)
def fft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Discrete Fourier transform along an axis, ``sum(x[j] exp(-2 pi i j k / n))``."""


def ifft_adjoint(xp: Any, t: Array, x_shape: Shape, axis: int, norm: str) -> Array:
    return fitted(xp, xp.fft.fft(t, axis=axis, norm=OPPOSITE[norm]), x_shape)


@linear(x=ifft_adjoint, adjoint=True, samples=COMPLEX, shape=shaped.spectrum)
def ifft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Inverse discrete Fourier transform along an axis."""


REAL_LINES = (
    sample((5,)),
    sample((6,)),
    sample((3, 4), axis=0, norm="ortho"),
    sample((2, 3), n=6),
    sample((6,), n=3, norm="forward"),
    sample((3,), n=1),
)


def rfft_adjoint(
    xp: Any, t: Array, x_shape: Shape, n: int | None, axis: int, norm: str
) -> Array:
    (axis,) = normalized(axis, len(x_shape))
    length = x_shape[axis] if n is None else n
    half = scaled_inside(xp, t, length, axis, 0.5)
    x = xp.fft.irfft(half, n=length, axis=axis, norm=OPPOSITE[norm])
    return fitted(xp, x, x_shape)


@linear(
    x=rfft_adjoint,
    adjoint=True,
    takes_complex=False,
    samples=REAL_LINES,
    shape=shaped.half_spectrum,
)
def rfft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Discrete Fourier transform of real numbers: the frequencies up to ``n // 2``."""


def not_empty(xp: Any, x: Array) -> Array:
    """Return a half spectrum that has a frequency.

    Of an empty one NumPy 2.4 returns memory as it finds it.
    """
    if 0 in x.shape:
        raise ValueError("half a spectrum has at least the frequency 0")
    return x


HALF_LINES = tuple(
    half.complex().of(not_empty)
    for half in (
        sample((4,)),
        sample((4,), n=7, norm="ortho"),
        sample((3, 2), axis=0),
        sample((2, 3), n=8, norm="forward"),
        sample((6,), n=5),
        sample((3,), n=1),
    )
)


def irfft_adjoint(
    xp: Any, t: Array, x_shape: Shape, x_dtype: Any, axis: int, norm: str
) -> Array:
    (axis,) = normalized(axis, len(x_shape))
    if 0 in t.shape:
        return nothing(xp, t, x_shape, x_dtype)
    half = xp.fft.rfft(t, axis=axis, norm=OPPOSITE[norm])
    half = scaled_inside(xp, half, t.shape[axis], axis, 2.0)
    return converted(xp, fitted(xp, half, x_shape), x_dtype)


@linear(
    x=irfft_adjoint, adjoint=True, samples=HALF_LINES, shape=shaped.of_half_spectrum
)
def irfft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Inverse of `rfft`: real numbers from half of their spectrum.

    The imaginary part of frequency 0, and for even ``n`` of the highest one, has no
    influence, so that its gradient is 0.
    """


def hfft_adjoint(
    xp: Any, t: Array, x_shape: Shape, x_dtype: Any, axis: int, norm: str
) -> Array:
    (axis,) = normalized(axis, len(x_shape))
    if 0 in t.shape:
        return nothing(xp, t, x_shape, x_dtype)
    half = xp.fft.ihfft(t, axis=axis, norm=OPPOSITE[norm])
    half = scaled_inside(xp, half, t.shape[axis], axis, 2.0)
    return converted(xp, fitted(xp, half, x_shape), x_dtype)


@linear(x=hfft_adjoint, adjoint=True, samples=HALF_LINES, shape=shaped.of_half_spectrum)
def hfft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Discrete Fourier transform of half of a signal whose spectrum is real."""


def ihfft_adjoint(
    xp: Any, t: Array, x_shape: Shape, n: int | None, axis: int, norm: str
) -> Array:
    (axis,) = normalized(axis, len(x_shape))
    length = x_shape[axis] if n is None else n
    half = scaled_inside(xp, t, length, axis, 0.5)
    x = xp.fft.hfft(half, n=length, axis=axis, norm=OPPOSITE[norm])
    return fitted(xp, x, x_shape)


@linear(
    x=ihfft_adjoint,
    adjoint=True,
    takes_complex=False,
    samples=REAL_LINES,
    shape=shaped.half_spectrum,
)
def ihfft(
    x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward"
) -> Array:
    """Inverse of `hfft`: half of a signal from its spectrum, which is real."""


# ------------------------------------------------------------------ several axes

COMPLEX_BOXES = (
    sample((3, 4)).complex(),
    sample((2, 3, 4), axes=(0, -1), norm="ortho").complex(),
    sample((2, 5), s=(3, 4), axes=(1, 0), norm="forward").complex(),
)


def fftn_adjoint(
    xp: Any, t: Array, x_shape: Shape, s: Any, axes: Any, norm: str
) -> Array:
    _, axes = transformed(x_shape, s, axes)
    return fitted(xp, xp.fft.ifftn(t, axes=axes, norm=OPPOSITE[norm]), x_shape)


@linear(
    x=fftn_adjoint,
    batching=batched.boxes,
    adjoint=True,
    samples=COMPLEX_BOXES,
    shape=shaped.spectra,
)
def fftn(
    x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
) -> Array:
    """Discrete Fourier transform along several axes."""


def ifftn_adjoint(
    xp: Any, t: Array, x_shape: Shape, s: Any, axes: Any, norm: str
) -> Array:
    _, axes = transformed(x_shape, s, axes)
    return fitted(xp, xp.fft.fftn(t, axes=axes, norm=OPPOSITE[norm]), x_shape)


@linear(
    x=ifftn_adjoint,
    batching=batched.boxes,
    adjoint=True,
    samples=COMPLEX_BOXES,
    shape=shaped.spectra,
)
def ifftn(
    x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
) -> Array:
    """Inverse discrete Fourier transform along several axes."""


def rfftn_adjoint(
    xp: Any, t: Array, x_shape: Shape, x_dtype: Any, s: Any, axes: Any, norm: str
) -> Array:
    lengths, axes = transformed(x_shape, s, axes)
    if 0 in t.shape:
        return nothing(xp, t, x_shape, x_dtype)
    half = scaled_inside(xp, t, lengths[-1], axes[-1], 0.5)
    x = xp.fft.irfftn(half, s=lengths, axes=axes, norm=OPPOSITE[norm])
    return fitted(xp, x, x_shape)


@linear(
    x=rfftn_adjoint,
    batching=batched.boxes,
    adjoint=True,
    takes_complex=False,
    samples=(
        sample((4, 3)),
        sample((5, 3), norm="forward"),
        sample((2, 3, 4), axes=(-1, 0), norm="ortho"),
        sample((4, 3), s=(3, 4), axes=(0, 1)),
    ),
    shape=shaped.half_spectra,
)
def rfftn(
    x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
) -> Array:
    """Discrete Fourier transform of real numbers along several axes.

    Along the last of them only the frequencies up to ``n // 2``.
    """


def irfftn_adjoint(
    xp: Any, t: Array, x_shape: Shape, x_dtype: Any, s: Any, axes: Any, norm: str
) -> Array:
    _, axes = transformed(x_shape, s, axes)
    if 0 in t.shape:
        return nothing(xp, t, x_shape, x_dtype)
    half = xp.fft.rfftn(t, axes=axes, norm=OPPOSITE[norm])
    last = axes[-1]
    half = scaled_inside(xp, half, t.shape[last], last, 2.0)
    return converted(xp, fitted(xp, half, x_shape), x_dtype)


@linear(
    x=irfftn_adjoint,
    batching=batched.boxes,
    adjoint=True,
    samples=(
        sample((3, 3)).complex().of(not_empty),
        sample((3, 2, 3), axes=(-1, 0), norm="ortho").complex().of(not_empty),
        sample((4, 3), s=(3, 5), axes=(0, 1)).complex().of(not_empty),
        sample((2, 4), s=(3, 4), axes=(0, 1), norm="forward").complex().of(not_empty),
    ),
    shape=shaped.of_half_spectra,
)
def irfftn(
    x: Array, /, *, s: Any = None, axes: Any = None, norm: str = "backward"
) -> Array:
    """Inverse of `rfftn`: real numbers from half of their spectrum.

    As of `irfft`, parts that have no influence have gradient 0.
    """


# ------------------------------------------------------------------ order and names


def halves(shape: Shape, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return half the length of each axis, rounded down, and the axes."""
    named = normalized(axes, len(shape))
    return tuple(shape[k] // 2 for k in named), named


SHIFTS = (
    sample((5,)),
    sample((3, 4)),
    sample((3, 4), axes=1),
    sample((2, 3, 4), axes=(0, -1)),
)


@composite("x", samples=SHIFTS)
def fftshift(x: Array, /, *, axes: Any = None) -> Array:
    """Move frequency 0 to the middle of each axis."""
    by, named = halves(x.shape, axes)
    return roll(x, by, axis=named)


@composite("x", samples=SHIFTS)
def ifftshift(x: Array, /, *, axes: Any = None) -> Array:
    """Undo `fftshift`."""
    by, named = halves(x.shape, axes)
    return roll(x, tuple(-n for n in by), axis=named)


@composite("d", samples=OF_NUMBERS, shape=shaped.frequencies)
def fftfreq(n: int, /, *, d: Any = 1.0, dtype: Any = None, device: Any = None) -> Array:
    """Frequencies of `fft`, for samples at distance ``d``."""
    xp, like = like_tracked("fftfreq", d)
    return asarray(xp.fft.fftfreq(n, **like) / d, dtype=dtype, device=device)


@composite("d", samples=OF_NUMBERS, shape=shaped.half_frequencies)
def rfftfreq(
    n: int, /, *, d: Any = 1.0, dtype: Any = None, device: Any = None
) -> Array:
    """Frequencies of `rfft`, for samples at distance ``d``."""
    xp, like = like_tracked("rfftfreq", d)
    return asarray(xp.fft.rfftfreq(n, **like) / d, dtype=dtype, device=device)
