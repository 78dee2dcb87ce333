"""Layers: a pair of functions, one that draws parameters and one that uses them.

A layer holds no state. `Layer.init` draws its parameters, a pytree of arrays of the
active backend, from a NumPy generator, so that one seed gives the same parameters on
every backend; ``Layer.apply(parameters, x)`` is a plain function of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy

import autograd_core as ag
from autograd_train.types import Array, Tree

xp = ag.ops


class Layer(NamedTuple):
    """A layer, as two functions.

    Attributes
    ----------
    init : callable
        ``init(generator, dtype="float64")``: draw the parameters with a
        ``numpy.random.Generator``.
    apply : callable
        ``apply(parameters, x)``: the output for a batch `x` of rows.
    """

    init: Callable[..., Tree]
    apply: Callable[[Tree, Array], Array]


def dense(inputs: int, outputs: int) -> Layer:
    """Return the affine layer ``x @ weight + bias``.

    The weights, of shape (inputs, outputs), are drawn from the uniform distribution
    on ``[-a, a]`` with ``a = sqrt(6 / (inputs + outputs))`` (Glorot and Bengio, 2010);
    the biases, of shape (outputs,), start at 0.

    Parameters
    ----------
    inputs, outputs : int
        Columns of the layer's input, and of its output.

    Raises
    ------
    ValueError
        If a size is below 1; in `Layer.apply`, if `x` has not `inputs` columns.

    Examples
    --------
    >>> import numpy
    >>> init, apply = dense(3, 2)
    >>> parameters = init(numpy.random.default_rng(0))
    >>> parameters["weight"].shape, parameters["bias"].shape
    ((3, 2), (2,))
    >>> apply(parameters, xp.ones((5, 3))).shape
    (5, 2)
    """
    if inputs < 1 or outputs < 1:
        raise ValueError(
            f"dense: inputs and outputs must be at least 1; got {inputs} and "
            f"{outputs}. Give the numbers of columns that go in and come out."
        )
    limit = math.sqrt(6.0 / (inputs + outputs))

    def init(generator: numpy.random.Generator, dtype: str = "float64") -> Tree:
        weight = generator.uniform(-limit, limit, (inputs, outputs))
        return {
            "weight": xp.asarray(weight.astype(dtype)),
            "bias": xp.asarray(numpy.zeros(outputs, dtype)),
        }

    def apply(parameters: Tree, x: Array) -> Array:
        if x.shape[-1:] != (inputs,):
            raise ValueError(
                f"dense: x must have {inputs} columns; got shape {tuple(x.shape)}. "
                f"Give rows of shape (..., {inputs})."
            )
        return xp.matmul(x, parameters["weight"]) + parameters["bias"]

    return Layer(init, apply)


def serial(*stages: Layer | Callable[[Array], Array]) -> Layer:
    """Return the layer that applies stages one after the other.

    A stage is a `Layer` or a plain function of one array, such as ``xp.tanh``. The
    parameters are a list with one entry for each stage that is a `Layer`.

    Examples
    --------
    >>> import numpy
    >>> network = serial(dense(1, 8), xp.tanh, dense(8, 3))
    >>> parameters = network.init(numpy.random.default_rng(0))
    >>> len(parameters)
    2
    >>> network.apply(parameters, xp.ones((5, 1))).shape
    (5, 3)
    """
    layers = [stage for stage in stages if isinstance(stage, Layer)]

    def init(generator: numpy.random.Generator, dtype: str = "float64") -> Tree:
        return [layer.init(generator, dtype) for layer in layers]

    def apply(parameters: Tree, x: Array) -> Array:
        remaining = iter(parameters)
        for stage in stages:
            if isinstance(stage, Layer):
                x = stage.apply(next(remaining), x)
            else:
                x = stage(x)
        return x

    return Layer(init, apply)


def mlp(
    inputs: int,
    hidden: Sequence[int],
    outputs: int,
    activation: Callable[[Array], Array] = xp.tanh,
) -> Layer:
    """Return a multi-layer perceptron: dense layers with activations between them.

    Without hidden layers it is one affine layer. The parameters are a list of
    ``{"weight": ..., "bias": ...}``, input side first.

    Parameters
    ----------
    inputs : int
        Columns of the input.
    hidden : sequence of int
        Width of each hidden layer.
    outputs : int
        Columns of the output.
    activation : callable, default: ``xp.tanh``
        The function after each hidden layer.

    Examples
    --------
    >>> import numpy
    >>> parameters = mlp(2, [64, 32], 1).init(numpy.random.default_rng(0))
    >>> [layer["weight"].shape for layer in parameters]
    [(2, 64), (64, 32), (32, 1)]
    """
    stages: list[Layer | Callable[[Array], Array]] = []
    for width_in, width_out in zip([inputs, *hidden], hidden, strict=False):
        stages += [dense(width_in, width_out), activation]
    last = hidden[-1] if hidden else inputs
    return serial(*stages, dense(last, outputs))
