"""`autograd_ops.special`: derivatives against mpmath, at extreme points too."""

import subprocess
import sys

import numpy as np
import pytest

import autograd_core as ag
from autograd_core import backend as backends
from autograd_core.operation import registry
from autograd_core.testing import calls
from autograd_core.testing.arrays import to_numpy
from autograd_core.testing.samples import outputs

special = pytest.importorskip("scipy.special")
xp = ag.ops
NAMES = [name for name in registry if name.startswith("special.")]


# ------------------------------------------------------------------ against mpmath


def references():
    """Return for each operation its formula in mpmath, and points."""
    mp = pytest.importorskip("mpmath")

    def ndtr(x):
        return mp.ncdf(x)

    def expit(x):
        return 1 / (1 + mp.exp(-x))

    def sinc(x):
        return mp.sincpi(x)

    def exprel(x):
        return mp.hyp1f1(1, 2, x)

    def scaled(function, sign):
        return lambda x: mp.exp(sign * abs(x)) * function(x)

    return {
        "erf": (mp.erf, [-3.0, 0.0, 0.5, 6.0]),
        "erfc": (mp.erfc, [-3.0, 0.5, 10.0]),
        "erfcx": (
            lambda x: mp.exp(x * x) * mp.erfc(x),
            [-3.0, 0.0, 2.0, 7.9, 8.1, 40.0, 1e4],
        ),
        "erfinv": (mp.erfinv, [-0.999999, 0.3, 0.999999999]),
        "ndtr": (ndtr, [-30.0, 0.0, 5.0]),
        "log_ndtr": (
            lambda x: mp.log(ndtr(x)) if x < 0 else mp.log1p(-ndtr(-x)),
            [-1e5, -40.0, -8.0, -1.0, 0.0, 1.0, 9.0, 30.0],
        ),
        "expit": (expit, [-1000.0, -40.0, 0.0, 1.5, 40.0, 700.0]),
        "log_expit": (lambda x: mp.log(expit(x)), [-700.0, -40.0, 0.0, 40.0, 700.0]),
        "softplus": (lambda x: mp.log1p(mp.exp(x)), [-700.0, -40.0, 0.0, 40.0, 700.0]),
        "logit": (lambda x: mp.log(x / (1 - x)), [1e-100, 0.3, 1 - 2**-40]),
        "gamma": (mp.gamma, [-2.5, 0.01, 1.0, 30.0]),
        "gammaln": (
            lambda x: mp.log(abs(mp.gamma(x))),
            [-20.25, -0.5, 1e-8, 1.5, 1e6],
        ),
        "rgamma": (mp.rgamma, [-3.0, -1.0, 0.0, 0.4, 3.0, 20.0]),
        "psi": (mp.digamma, [1e-3, 0.5, 3.0, 1e5]),
        "sinc": (sinc, [-1e-9, 0.0, 1e-4, 0.3, 0.49, 0.51, 1.0, 7.25]),
        "exprel": (exprel, [-700.0, -1.5, -1e-9, 0.0, 0.5, 1.5, 300.0]),
        "cosm1": (lambda x: mp.cos(x) - 1, [0.0, 1e-8, 2.0]),
        "entr": (lambda x: -x * mp.log(x), [1e-300, 0.3, 1e10]),
        "cbrt": (mp.cbrt, [1e-10, 2.0]),
        "exp1": (mp.e1, [1e-10, 1.0, 30.0]),
        "expi": (mp.ei, [1e-10, 1.0, 30.0]),
        "spence": (lambda x: mp.polylog(2, 1 - x), [0.01, 0.71, 0.999, 1.0, 1.2]),
        "ellipk": (mp.ellipk, [-5.0, -0.29, 0.0, 0.1, 0.5, 0.999]),
        "ellipe": (mp.ellipe, [-5.0, -0.29, 0.0, 0.1, 0.5, 0.999]),
        "ellipkm1": (lambda p: mp.ellipk(1 - p), [1e-12, 0.5, 1.0]),
        "j0": (lambda x: mp.besselj(0, x), [0.0, 0.5, 20.0]),
        "j1": (lambda x: mp.besselj(1, x), [-0.5, 0.0, 0.99, 20.0]),
        "y0": (lambda x: mp.bessely(0, x), [0.01, 20.0]),
        "y1": (lambda x: mp.bessely(1, x), [0.01, 20.0]),
        "i0": (lambda x: mp.besseli(0, x), [-2.0, 0.0, 30.0]),
        "i1": (lambda x: mp.besseli(1, x), [-2.0, 0.0, 0.5, 30.0]),
        "i0e": (scaled(lambda x: mp.besseli(0, x), -1), [-2.0, 1e-3, 30.0]),
        "i1e": (scaled(lambda x: mp.besseli(1, x), -1), [-2.0, 1e-3, 30.0]),
        "k0": (lambda x: mp.besselk(0, x), [0.01, 30.0]),
        "k1": (lambda x: mp.besselk(1, x), [0.01, 30.0]),
        "k0e": (scaled(lambda x: mp.besselk(0, x), 1), [0.01, 30.0]),
        "k1e": (scaled(lambda x: mp.besselk(1, x), 1), [0.01, 30.0]),
        "zetac": (mp.zeta, [-44.0, -5.5, -1.5, 0.0, 0.5, 1.25, 3.0]),
    }


CANCELS = {"i0e": 1e-10, "i1e": 1e-10, "k0e": 1e-10, "k1e": 1e-10, "erfcx": 5e-12}
"""Second derivatives that are differences of what is nearly equal."""


DIGITS = dict.fromkeys(("expit", "log_expit", "softplus", "log_ndtr"), 700)
"""Decimals, where 1 and something tiny are added."""


def derivative_of(mp, reference, x, order):
    """Return a derivative by mpmath, with steps in proportion to x."""
    if x == 0:
        return mp.diff(reference, 0, order)
    return mp.diff(lambda s: reference(x * s), 1, order) / mp.mpf(x) ** order


@pytest.mark.parametrize(
    "name",
    [
        *("erf", "erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "expit", "log_expit"),
        *("softplus", "logit", "gamma", "gammaln", "rgamma", "psi", "sinc", "exprel"),
        *("cosm1", "entr", "cbrt", "exp1", "expi", "spence", "ellipk", "ellipe"),
        *("ellipkm1", "j0", "j1", "y0", "y1", "i0", "i1", "i0e", "i1e", "k0", "k1"),
        *("k0e", "k1e", "zetac"),
    ],
)
def test_derivatives_against_mpmath(name):
    mp = pytest.importorskip("mpmath")
    reference, points = references()[name]
    function = getattr(xp.special, name)
    second = ag.grad(ag.grad(function))
    with mp.workdps(DIGITS.get(name, 60)):
        for x in points:
            tolerance = 1e-12
            for order, derivative in ((1, ag.grad(function)), (2, second)):
                expected = derivative_of(mp, reference, x, order)
                with np.errstate(over="ignore", under="ignore"):
                    got = float(derivative(x))
                if not (got == 0 and abs(expected) < 1e-50):  # 0 to what mpmath knows
                    error = abs(mp.mpf(got) - expected)
                    assert error <= tolerance * abs(expected), (x, order, got, expected)
                tolerance = CANCELS.get(name, 2e-11)


# ------------------------------------------------------------------ two arguments


def lower_gamma(mp, a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def lower_beta(mp, a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


SHAPES = [
    ("gammainc", lower_gamma, (0.5, 0.2)),
    ("gammainc", lower_gamma, (3.0, 9.0)),
    ("gammainc", lower_gamma, (40.0, 35.0)),
    ("gammaincc", lambda mp, a, x: 1 - lower_gamma(mp, a, x), (2.0, 25.0)),
    ("gammainc", lower_gamma, (0.003, 1e-9)),
    ("gammainc", lower_gamma, (0.003, 2.0)),
    ("betainc", lower_beta, (0.5, 2.5, 0.3)),
    ("betainc", lower_beta, (0.003, 0.7, 1e-6)),
    ("betainc", lower_beta, (2.0, 0.003, 0.999)),
    ("betainc", lower_beta, (4.0, 2.0, 0.97)),
    ("zeta", lambda mp, x, q: mp.zeta(x, q), (1.25, 0.5)),
    ("zeta", lambda mp, x, q: mp.zeta(x, q), (6.0, 30.0)),
    ("betaln", lambda mp, a, b: mp.log(mp.beta(a, b)), (0.25, 40.0)),
    ("poch", lambda mp, z, m: mp.rf(z, m), (1.5, 3.25)),
    ("binom", lambda mp, n, k: mp.binomial(n, k), (10.5, 3.25)),
    ("boxcox", lambda mp, x, p: (x**p - 1) / p, (3.0, 1e-3)),
    ("inv_boxcox", lambda mp, x, p: (1 + p * x) ** (1 / p), (3.0, 0.25)),
    ("inv_boxcox", lambda mp, x, p: (1 + p * x) ** (1 / p), (0.5, 0.125)),
]


@pytest.mark.parametrize(
    ("name", "point", "orders"),
    [
        ("gammainc_derivative", (2.0, 0.5), {"order": -1}),
        ("gammainc_derivative", (2.0, 0.5), {"order": 1.5}),
        ("betainc_derivative", (2.0, 3.0, 0.5), {"m": 1, "n": -1}),
        ("zeta_derivative", (2.0, 0.5), {"order": -1}),
    ],
)
def test_an_order_is_a_whole_number_from_0_on(name, point, orders):
    function = getattr(xp.special, name)
    arguments = [np.asarray(x) for x in point]
    for call in (function, ag.grad(function)):
        with pytest.raises(ValueError, match=f"special.{name}: . must|: order must"):
            call(*arguments, **orders)


@pytest.mark.parametrize("place", [0.3, 0.9])
def test_no_derivative_is_the_function_itself(place):
    """Both below the mean and above it."""
    x = np.asarray(place)
    got = xp.special.gammainc_derivative(0.5, x, order=0)
    assert got == special.gammainc(0.5, x)
    assert xp.special.betainc_derivative(2.0, 3.0, x) == special.betainc(2.0, 3.0, x)
    slopes = [
        float(ag.grad(f)(np.asarray(0.5)))
        for f in (
            lambda a: xp.special.gammainc_derivative(a, x, order=0),
            lambda a: xp.special.gammainc(a, x),
        )
    ]
    assert slopes[0] == slopes[1]


@pytest.mark.parametrize(("name", "reference", "point"), SHAPES)
def test_every_partial_derivative_against_mpmath(name, reference, point):
    mp = pytest.importorskip("mpmath")
    function, places = getattr(xp.special, name), tuple(range(len(point)))
    gradient = ag.grad(function, argnums=places)
    with mp.workdps(40):
        for i in places:
            row = ag.grad(lambda *x, i=i: gradient(*x)[i], argnums=places)(*point)
            for j, got in [(None, gradient(*point)[i]), *enumerate(row)]:
                orders = [int(k == i) + int(k == j) for k in places]
                exact = tuple(map(mp.mpf, point))
                expected = mp.diff(lambda *x: reference(mp, *x), exact, tuple(orders))
                error = abs(mp.mpf(float(got)) - expected)
                assert error <= 1e-10 * abs(expected) + 1e-15, (orders, got, expected)


@pytest.mark.parametrize(
    ("inverse", "function", "point"),
    [
        ("gammaincinv", "gammainc", (2.5, 0.3)),
        ("gammainccinv", "gammaincc", (2.5, 0.3)),
        ("betaincinv", "betainc", (2.5, 1.5, 0.3)),
        ("betainccinv", "betaincc", (2.5, 1.5, 0.3)),
        ("chdtri", "chdtrc", (3.0, 0.3)),
        ("fdtri", "fdtr", (3.0, 4.0, 0.3)),
        ("stdtrit", "stdtr", (3.0, 0.7)),
        ("pdtri", "pdtr", (2, 0.3)),
        ("bdtri", "bdtr", (2, 5, 0.3)),
        ("nbdtri", "nbdtr", (2, 5, 0.3)),
        ("ndtri", "ndtr", (0.3,)),
        ("ndtri_exp", "log_ndtr", (-30.0,)),
        ("erfcinv", "erfc", (0.3,)),
        ("inv_boxcox1p", "boxcox1p", (0.3, 0.5)),
    ],
)
def test_inverses_undo_with_their_derivatives(inverse, function, point):
    """``f(a, inverse(a, p)) = p`` for all a and p: the derivatives say so too."""
    function, inverse = getattr(xp.special, function), getattr(xp.special, inverse)
    boxcox = inverse is xp.special.inv_boxcox1p

    def undone(*x):
        if boxcox:
            return function(inverse(*x), x[-1])
        return function(*x[:-1], inverse(*x))

    given = [k for k, x in enumerate(point) if isinstance(x, float)]
    gradient = ag.grad(undone, argnums=tuple(given))(*point)
    expected = [float(k == (0 if boxcox else len(point) - 1)) for k in given]
    np.testing.assert_allclose(gradient, expected, atol=1e-9)


# ------------------------------------------------------------------ at 0, at infinity


def test_sinc_at_zero_at_every_order():
    third = ag.grad(ag.grad(ag.grad(xp.special.sinc)))
    assert ag.grad(xp.special.sinc)(0.0) == 0
    assert np.isclose(ag.grad(ag.grad(xp.special.sinc))(0.0), -(np.pi**2) / 3, 1e-15)
    assert third(0.0) == 0
    assert np.isclose(ag.grad(third)(0.0), np.pi**4 / 5, rtol=1e-14)


def test_sums_of_exponentials_at_infinity():
    low, high = -np.inf, np.inf
    for function in (xp.special.logsumexp, xp.special.log_sum_exp):
        gradient = ag.grad(function)
        np.testing.assert_array_equal(gradient(np.asarray([low, low])), [0.5, 0.5])
        both = np.asarray([high, 0.0, high])
        np.testing.assert_array_equal(gradient(both), [0.5, 0, 0.5])
        np.testing.assert_array_equal(gradient(np.asarray([low, 2.0])), [0, 1])
        np.testing.assert_array_equal(gradient(np.asarray([1e4, 1e4])), [0.5, 0.5])
        np.testing.assert_array_equal(gradient(np.asarray([high, 0.0])), [1, 0])
        second = ag.jvp(gradient, (np.asarray([low, 2.0]),), (np.ones(2),))[1]
        np.testing.assert_array_equal(second, [0, 0])


def test_weighted_sums_at_infinity():
    """In proportion to the weights: equal ones give what no weights give."""
    low, high = -np.inf, np.inf
    gradient = ag.grad(lambda a, b: xp.special.logsumexp(a, b=b), argnums=(0, 1))
    for end in (low, high):
        a, b = np.asarray([end, end, low]), np.asarray([1.0, 3.0, 0.0])
        by_a, by_b = gradient(a, b)
        np.testing.assert_array_equal(by_a, [0.25, 0.75, 0.0])
        np.testing.assert_array_equal(by_b[:2], [0.25, 0.25])
    for a in ([low, low], [high, 0.0], [high, high], [low, 2.0]):
        a = np.asarray(a)
        equal = ag.grad(xp.special.logsumexp)(a)
        np.testing.assert_array_equal(gradient(a, np.ones(2))[0], equal)


def test_a_weight_of_zero_does_not_hide_what_it_could_add():
    a, b = np.asarray([2.0, 1.0]), np.asarray([0.0, 1.0])
    gradient = ag.grad(lambda b: xp.special.logsumexp(a, b=b))
    np.testing.assert_allclose(gradient(b), [np.e, 1.0], rtol=1e-15)


def test_a_weight_of_zero_and_a_sign():
    a, b = np.asarray([1000.0, 0.5]), np.asarray([0.0, 3.0])

    def weighted(a, b):
        return xp.special.logsumexp(a, b=b)

    np.testing.assert_array_equal(ag.grad(weighted)(a, b), [0, 1])
    assert ag.grad(weighted, argnums=1)(a, b)[1] == 1 / 3
    y, pullback = ag.vjp(lambda b: xp.special.logsumexp(a, b=b, return_sign=True), -b)
    assert y == special.logsumexp(a, b=-b, return_sign=True)
    assert pullback((np.asarray(1.0), np.asarray(0.0)))[0][1] == -1 / 3


def test_what_is_not_known_raises():
    with pytest.raises(NotImplementedError, match=r"special\.jv: has no .* argument v"):
        ag.grad(xp.special.jv)(1.5, 2.0)


# ------------------------------------------------------------------ libraries


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_stays(backend, name):
    """Of results and gradients, of numbers of Python beside the arrays too."""
    operation = registry[name]
    for call in calls(operation) if operation.arguments else ():
        if any(isinstance(static, list) for static in call.sample.statics.values()):
            continue  # an array of another precision
        x, *others = (np.asarray(value, dtype=np.float32) for value in call.values)
        numbers = [float(value.flat[0]) for value in others]

        def f(x, call=call, numbers=numbers):
            return outputs(call.bound())(x, *numbers)[0]

        with np.errstate(all="ignore"):
            assert f(xp.asarray(x)).dtype == xp.float32
            y, pullback = ag.vjp(f, xp.asarray(x))
            assert pullback(y)[0].dtype == xp.float32


def test_scipys_functions_on_tracked_arrays():
    x = np.asarray([0.2, 0.7])
    for name in ("erf", "gammaln", "expit", "ndtri", "psi", "betaln"):
        inputs = (x, 2.0)[: getattr(special, name).nin]
        gradient = ag.grad(lambda *x, name=name: xp.sum(getattr(special, name)(*x)))
        own = ag.grad(lambda *x, name=name: xp.sum(getattr(xp.special, name)(*x)))
        np.testing.assert_array_equal(gradient(*inputs), own(*inputs))


def test_every_function_that_scipy_looks_for_is_there():
    from scipy.special import _support_alternative_backends as looked_for

    for each in looked_for._special_funcs:
        assert f"special.{each.name}" in registry


def test_nothing_of_scipy_is_imported_before_it_is_used():
    code = """
import sys, numpy, autograd_core as ag
ag.grad(lambda x: ag.ops.sum(ag.ops.sin(x)))(numpy.ones(2))
assert not any(name.startswith("scipy") for name in sys.modules)
ag.grad(ag.ops.special.erf)(1.0)
assert "scipy.special" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_scipy(monkeypatch):
    """Formulas still compute; the rest says what to install."""
    numpy_backend = type(ag.get_backend())
    if numpy_backend.name != "numpy":
        pytest.skip("of NumPy")
    bare = numpy_backend()
    monkeypatch.setattr(numpy_backend, "extension", lambda self, name: None)
    x = np.asarray([0.3, -700.0])
    np.testing.assert_allclose(bare.special.expit(x), special.expit(x), rtol=1e-15)
    monkeypatch.setitem(backends._instances, "numpy", bare)
    with pytest.raises(ImportError, match=r"special\.erf: .*pip install scipy"):
        bare.special.erf(x)


def test_a_portable_formula_is_scipys_function():
    names = ("expit", "log_expit", "softplus", "logit", "xlogy", "xlog1py", "entr")
    names += ("rel_entr", "kl_div", "sinc", "exprel", "cosm1", "exp2", "exp10")
    names += ("huber", "pseudo_huber")
    strict = pytest.importorskip("array_api_strict")
    x = np.asarray([-800.0, -1.5, -0.0, 0.0, 1e-9, 0.3, 1.0, 2.5, 300.0])
    y = np.asarray([0.0, 0.5, 0.0, 2.0, 1e-9, np.inf, np.nan, 1.0, 0.1])
    for name in names:
        own = getattr(special, name)
        inputs = (x, y)[: getattr(own, "nin", 1)]
        arrays = map(strict.asarray, inputs)
        with np.errstate(all="ignore"):
            got = getattr(xp.special, name)(*arrays)
            expected = own(*inputs)
        np.testing.assert_allclose(to_numpy(got), expected, 1e-14, 0, err_msg=name)
