"""Derivatives of the Hurwitz zeta function in its first argument."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from autograd_core.graph import Array
from autograd_ops.special_moments import require_order, together

TERMS = 12
"""Terms summed before the Euler-Maclaurin formula takes the rest."""

BERNOULLI = [
    Fraction(1, 6),
    Fraction(-1, 30),
    Fraction(1, 42),
    Fraction(-1, 30),
    Fraction(5, 66),
    Fraction(-691, 2730),
    Fraction(7, 6),
    Fraction(-3617, 510),
    Fraction(43867, 798),
    Fraction(-174611, 330),
    Fraction(854513, 138),
    Fraction(-236364091, 2730),
]
"""The Bernoulli numbers B2, B4, ..."""

FACTORS = [
    float(number / math.factorial(2 * j)) for j, number in enumerate(BERNOULLI, start=1)
]


def hurwitz_derivative(xp: Any, x: Array, q: Array, order: int) -> Array:
    """Sum ``f(u) = (-log(u))**order / u**x`` over ``u = q, q + 1, ...``.

    The Euler-Maclaurin formula (Digital Library of Mathematical Functions, 25.11.5,
    differentiated in x): the first terms, the integral of the rest, half of the next
    term, and its odd derivatives times Bernoulli numbers.
    """
    require_order("special.zeta_derivative", order=order)
    x, q = together(xp, x, q)
    total = xp.zeros_like(x)
    for k in range(TERMS):
        total = total + term(xp, x, q + k, order)
    u = q + TERMS
    total = total + integral_beyond(xp, x, u, order) + term(xp, x, u, order) / 2
    return total - corrections(xp, x, u, order)


def term(xp: Any, x: Array, u: Array, order: int) -> Array:
    """Return ``(-log(u))**order u**-x``."""
    logarithm = xp.log(u)
    return (-logarithm) ** order * xp.exp(-x * logarithm)


def integral_beyond(xp: Any, x: Array, u: Array, order: int) -> Array:
    """Integrate ``f`` from ``u`` to infinity, by parts ``order`` times."""
    logarithm, total = xp.log(u), xp.zeros_like(u)
    for k in range(order + 1):
        part = logarithm ** (order - k) / (x - 1) ** (k + 1)
        total = total + math.perm(order, k) * part
    return (-1) ** order * xp.exp((1 - x) * logarithm) * total


def corrections(xp: Any, x: Array, u: Array, order: int) -> Array:
    """Return the sum of ``B2j / (2j)! f^(2j-1)(u)``.

    The derivatives are ``u**(-x-j) p(log(u))``, of polynomials with
    ``p_next = p' - (x + j) p``.
    """
    zero = xp.zeros_like(x)
    polynomial = [zero] * order + [zero + (-1.0) ** order]
    logarithm, total = xp.log(u), zero
    for j in range(2 * len(FACTORS) - 1):
        raised = [*polynomial[1:], zero]
        polynomial = [
            (k + 1) * above - (x + j) * here
            for k, (here, above) in enumerate(zip(polynomial, raised, strict=True))
        ]
        if j % 2 == 0:
            value = zero
            for coefficient in reversed(polynomial):
                value = value * logarithm + coefficient
            total = total + FACTORS[j // 2] * value * xp.exp(-(x + j + 1) * logarithm)
    return total
