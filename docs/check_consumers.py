"""Differentiate functions of other libraries, unmodified, and print what is right.

    pip install scipy scikit-learn einops xarray array-api-extra
    SCIPY_ARRAY_API=1 python docs/check_consumers.py > consumers.md
    python docs/generate.py --insert consumers < consumers.md

Each line below is a call of a library that is written for the Array API standard. It is
evaluated on tracked arrays, and its first derivatives, in both modes, are compared with
differences of the same call on NumPy arrays by `check_grads`.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

import autograd_core as ag
from autograd_core.testing import InconclusiveError, check_grads

CALLS = {
    "scipy.special": """
        erf(x)
        erfc(x)
        erfinv(p - 0.5)
        expit(x)
        logit(p)
        log_expit(x)
        gammaln(1 + p)
        gammainc(2.0, 1 + p)
        gammaincc(2.0, 1 + p)
        betaln(1 + p, 2 + p)
        betainc(2.0, 3.0, p)
        digamma(1 + p)
        psi(1 + p)
        polygamma(1, 1 + p)
        zeta(2 + p, 1.5)
        i0(x)
        i0e(x)
        i1(x)
        i1e(x)
        j0(x)
        j1(x)
        ndtr(x)
        log_ndtr(x)
        ndtri(p)
        stdtr(3.0, x)
        chdtr(2.0, 1 + p)
        chdtrc(2.0, 1 + p)
        entr(p)
        rel_entr(p, 1 - p)
        kl_div(p, 1 - p)
        xlogy(p, 1 - p)
        xlog1py(p, 1 - p)
        sinc(x)
        exprel(x)
        softmax(x)
        log_softmax(x)
        softplus(x)
        logsumexp(x)
        logsumexp(x, b=p)
    """,
    "scipy.stats": """
        zscore(x)
        moment(x, order=3)
        skew(x)
        kurtosis(x)
        gmean(p)
        hmean(p)
        pmean(p, 3)
        sem(x)
        variation(1 + p)
        gstd(1 + p)
        entropy(p)
        kstat(x, 3)
        kstatvar(x, 2)
        lmoment(x)
        differential_entropy(x)
        trim_mean(x, 0.2)
        tmean(x)
        tvar(x)
        tstd(x)
        tsem(x)
        circmean(x)
        circvar(x)
        circstd(x)
        ttest_1samp(x, 0.1).statistic
        ttest_1samp(x, 0.1).pvalue
        ttest_ind(x, y).statistic
        ttest_rel(x, y).pvalue
        pearsonr(x, y).statistic
        pearsonr(x, y).pvalue
        chisquare(1 + p).statistic
        power_divergence(p, sum(p) / 6, lambda_=0.5).statistic
        jarque_bera(x).statistic
        skewtest(x20).statistic
        kurtosistest(x20).pvalue
        normaltest(x20).statistic
        bartlett(x, y).statistic
        combine_pvalues(p, method="fisher").statistic
        combine_pvalues(p, method="stouffer").pvalue
        directional_stats(m).mean_direction
        f_oneway(x, y).statistic
        quantile(x, 0.3)
        sigmaclip(x).clipped
        boxcox_llf(0.5, 1 + p)
        yeojohnson_llf(0.5, x)
    """,
    "scipy.integrate": """
        trapezoid(x)
        trapezoid(x, grid)
        simpson(x)
        cumulative_trapezoid(x)
        cumulative_simpson(x)
        tanhsinh(gaussian, 0 * p, 1 + p).integral
        cubature(oscillation, [0.0], [1.0], args=(p,)).estimate
    """,
    "scipy.differentiate": """
        derivative(sine, x).df
        jacobian(squares, x).df
        hessian(cubes, x).ddf
    """,
    "scipy.optimize": """
        rosen(x)
        rosen_der(x)
        rosen_hess(x)
    """,
    "scipy.optimize.elementwise": """
        find_root(shifted, (-3 + 0 * p, 3 + 0 * p), args=(p,)).x
        find_minimum(bowl, (-3 + 0 * p, 0 * p, 3 + 0 * p), args=(p,)).f_x
    """,
    "scipy.signal": """
        convolve(x, y)
        convolve(x, y, mode="same", method="fft")
        fftconvolve(x, y)
        correlate(x, y)
        detrend(x)
        detrend(x, type="constant")
        hilbert(x)
        oaconvolve(x, y)
        envelope(x)
    """,
    "scipy.fft": """
        fft(x)
        rfft(x)
        irfft(x)
        fftn(m)
        hfft(x)
        fftshift(x)
        dct(x)
        fht(p, 0.1, 0.5)
    """,
    "scipy.spatial.transform": """
        Rotation.from_quat(q).as_matrix()
        Rotation.from_rotvec(x[:3]).as_matrix()
        Rotation.from_rotvec(x[:3]).apply(y[:3])
        Rotation.from_matrix(rotation(q)).as_quat()
        Rotation.from_euler("xyz", x[:3]).as_rotvec()
        Rotation.from_quat(q).inv().as_euler("xyz")
    """,
    "scipy.cluster.vq": """
        whiten(m)
    """,
    "array_api_extra": """
        atleast_nd(x, ndim=2)
        cov(m)
        create_diagonal(x)
        expand_dims(x, axis=(0, -1))
        kron(x, y)
        nan_to_num(x)
        pad(x, 2)
        setdiff1d(x, y)
        sinc(x)
        at(x)[1:3].set(y[1:3], copy=True)
        at(x)[mask].multiply(2.0, copy=True)
        at(x)[0].add(y[0], copy=True)
        apply_where(p > 0.5, (p,), lambda p: p**2, lambda p: 1 - p)
        angle(x + 0j)
    """,
    "sklearn.metrics": """
        mean_squared_error(m + 0.3, m * m, multioutput="raw_values")
        root_mean_squared_error(m + 0.3, m * m, multioutput="raw_values")
        mean_absolute_error(m + 0.3, m * m, multioutput="raw_values")
        mean_pinball_loss(m + 0.3, m * m, multioutput="raw_values")
        r2_score(m + 0.3, m * m, multioutput="raw_values")
        explained_variance_score(m + 0.3, m * m, multioutput="raw_values")
        mean_squared_error(target, x)
        mean_squared_log_error(positive, p)
        mean_tweedie_deviance(positive, p, power=1.5)
        r2_score(target, x)
        log_loss(labels01, p)
    """,
    "sklearn.metrics.pairwise": """
        cosine_similarity(m)
        cosine_distances(m, m + 1.0)
        euclidean_distances(m, m + 1.0)
        linear_kernel(m)
        polynomial_kernel(m)
        rbf_kernel(m, m + 1.0)
        sigmoid_kernel(m)
        chi2_kernel(abs(m))
        paired_euclidean_distances(m, m + 1.0)
    """,
    "einops.array_api": """
        rearrange(m, "a b -> (b a)")
        reduce(m, "a b -> a", "mean")
        reduce(m, "a b -> b", "max")
        repeat(x, "a -> a 2")
        pack([x, y], "*")[0]
    """,
    "xarray": """
        DataArray(m, dims=("a", "b")).sum("a").data
        DataArray(m, dims=("a", "b")).mean("b").data
        DataArray(m, dims=("a", "b")).mean("b", skipna=False).data
        DataArray(m, dims=("a", "b")).std("b", skipna=False).data
        DataArray(m, dims=("a", "b")).std("b").data
        (DataArray(x, dims="a") * DataArray(y, dims="b")).data
        DataArray(m, dims=("a", "b")).transpose("b", "a").data
        DataArray(x, dims="a").clip(0.0, 1.0).data
        DataArray(m, dims=("a", "b")).isel(a=1).data
        DataArray(x, dims="a").where(DataArray(x > 0, dims="a"), 0.0).data
        DataArray(m, dims=("a", "b")).max("a").data
    """,
}
"""Calls by module. `x`, `y` and `x20` are rows of numbers, `p` numbers between 0 and 1,
`m` a matrix, `q` a quaternion: these are differentiated; `given` makes the rest."""

VALUES = {
    "x": [0.3, -1.2, 0.8, 1.9, -0.4, 1.1],
    "y": [1.3, 0.2, -0.9, 0.5, 2.1, -1.6],
    "p": [0.12, 0.47, 0.33, 0.81, 0.64, 0.25],
    "m": [[0.3, -1.2, 0.8], [1.9, -0.4, 1.1]],
    "q": [0.1, -0.4, 0.5, 0.7],
    "x20": list(2.1 * np.sin(np.arange(1.0, 21.0) ** 2)),
}


def given(module: str) -> dict[str, Any]:
    """Return the names that calls use: the module's own, and helpers."""
    xp = ag.ops
    own = importlib.import_module(module)
    names = {name: getattr(own, name) for name in dir(own)}
    helpers = {
        "xp": xp,
        "sum": xp.sum,
        "abs": xp.abs,
        "grid": np.asarray([0.0, 0.4, 1.0, 1.7, 2.0, 3.1]),
        "target": np.asarray([0.1, -1.0, 1.1, 1.5, -0.2, 0.9]),
        "positive": np.asarray([0.2, 0.5, 0.1, 0.9, 0.5, 0.3]),
        "labels01": np.asarray([0, 1, 0, 1, 1, 0]),
        "mask": np.asarray([True, False, True, True, False, False]),
        "sine": lambda x: xp.sin(x),
        "gaussian": lambda t: xp.exp(-(t**2)),
        "oscillation": lambda t, p: xp.cos(t * p),
        "squares": lambda x: x**2,
        "cubes": lambda x: xp.sum(x**3, axis=0),
        "shifted": lambda t, p: t**3 - p,
        "bowl": lambda t, p: (t - p) ** 2 + p,
    }
    if hasattr(own, "Rotation"):
        helpers["rotation"] = lambda q: own.Rotation.from_quat(q).as_matrix()
    return {**names, **helpers}


def calls() -> Iterator[tuple[str, str, Callable[..., Any], list[Any]]]:
    """Yield each call: its module, its text, its function and the arguments."""
    for module, block in CALLS.items():
        try:
            names = given(module)
        except ImportError as reason:
            print(f"{module}: {reason}", file=sys.stderr)
            continue
        for line in filter(None, map(str.strip, block.splitlines())):
            code = compile(line, f"<{module}>", "eval")
            used = [name for name in VALUES if name in code.co_names]
            scope = {name: value for name, value in names.items() if name not in used}

            def function(
                *arrays: Any, code: Any = code, used: Any = used, scope: Any = scope
            ) -> Any:
                return eval(code, scope | dict(zip(used, arrays, strict=True)))

            yield module, line, function, [np.asarray(VALUES[name]) for name in used]


def verdict(function: Callable[..., Any], arguments: list[Any]) -> str:
    """Return ``right``, or why not."""
    try:
        function(*arguments)
    except Exception as reason:
        return f"the library refuses NumPy arrays: {first_line(reason)}"
    if not arguments:
        return "takes no array"
    jvp, vjp = partial(ag.jvp, function), partial(ag.vjp, function)
    try:  # all arguments are tracked: libraries refuse to mix
        check_grads(function, *arguments, jvp=jvp, vjp=vjp, order=1, shrink=False)
    except InconclusiveError:
        return "cannot be judged"
    except AssertionError:
        return "WRONG"
    except Exception as reason:
        return first_line(reason)
    return "right"


def first_line(reason: Exception) -> str:
    """Return the kind of an error and the beginning of what it says."""
    text = str(reason).strip().partition("\n")[0].partition(" (at ")[0]
    text = re.sub(r" from '[^']*'", "", text).replace("|", "\\|")  # no paths of modules
    return f"{type(reason).__name__}: {text[:120]}"


def configure() -> SimpleNamespace:
    """Tell libraries that have a switch to follow the standard."""
    try:
        import sklearn
    except ImportError:
        return SimpleNamespace()
    sklearn.set_config(array_api_dispatch=True)
    return SimpleNamespace(sklearn=sklearn)


def main() -> None:
    """Run the command."""
    if not os.environ.get("SCIPY_ARRAY_API"):  # read when SciPy is imported
        sys.exit("Set SCIPY_ARRAY_API=1, SciPy's own switch for the standard.")
    configure()
    wanted = sys.argv[1:]
    found: list[tuple[str, str, str]] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for module, line, function, arguments in calls():
            if not wanted or module in wanted:
                result = verdict(function, arguments)
                print(f"{module}: {line}: {result}", file=sys.stderr)
                found.append((module, line, result))
    print("| module | right | of |\n|---|---|---|")
    for module in dict.fromkeys(module for module, _, _ in found):
        results = [result for of, _, result in found if of == module]
        print(f"| `{module}` | {results.count('right')} | {len(results)} |")
    total = [result for _, _, result in found]
    print(f"| all | {total.count('right')} | {len(total)} |")
    print("\n| call | derivative |\n|---|---|")
    for module, line, result in found:
        shown = line.replace("|", "\\|")
        print(f"| `{module}`: `{shown}` | {result} |")


if __name__ == "__main__":
    main()
