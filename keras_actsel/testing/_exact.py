"""What a record should give: its formula in 120-digit arithmetic, or the user's reference in float64."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from keras_actsel.activations import _formula

DIGITS = 120
"""Of the arithmetic: squareplus at -3e38 loses 77 of them."""

# Those of few digits are exact in float16 and bfloat16 too, and the others in float32.
_POSITIVE = (
    *(2.0**-20, 2.0**-10, 1e-3, 0.1, 0.25, 0.375, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.25, 4.0, 5.0, 6.0),
    *(7.0, 8.0, 9.5, 10.0, 12.0, 15.5, 20.0, 30.0, 50.0, 80.0, 100.0, 304.0, 1024.0, 1e4, 61440.0, 1.75 * 2.0**127),
)
POINTS = sorted({0.0, *(sign * float(np.float32(p)) for p in _POSITIVE for sign in (-1, 1))})

ROWS = np.array(
    [
        (0.5, -1.25, 2.0, 0.0, 1.75, -3.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        (8.0, -8.0, 7.5, 7.0, 0.25, 6.5),
        (1024.0, 1023.5, -1024.0, 1020.0, 0.0, 50.0),
        (0.25, 0.125, 0.5, 0.375, 0.0, -0.125),
    ]
)
WEIGHTS = np.array([1.0, -0.5, 0.25, 2.0, -1.0, 0.75, 1.25, -2.0, 0.5, -0.75, 1.5, -0.25])
"""The gradient that is checked for a function of rows is that of its outputs' sum with these weights."""

STEP = 2.0**-18
"""Of the differences of a float64 reference: rounding and curvature each cost about 1e-10 of the slope."""


@dataclass(frozen=True)
class Truth:
    """Inputs, one row each, with the exact outputs, the exact gradients, and how far rounding of x alone moves them.

    Args:
        x: Shape (n,), or (n, width) for functions of an axis.
        value: f(x), of shape (n,) or (n, units).
        slope: The gradient of sum(weights*f(x)), of x's shape; NaN at kinks.
        moved: |x f'(x)|, by which f changes per relative change of x; of value's shape.
        bent: |x f''(x)|, the same for the slope; of x's shape.
        weights: Shape () or (units,).
        diagonal: For functions of an axis the diagonal of the Jacobian.
    """

    x: np.ndarray
    value: np.ndarray
    slope: np.ndarray
    moved: np.ndarray
    bent: np.ndarray
    weights: np.ndarray
    diagonal: np.ndarray

    def in_dtype(self, dtype: str, limit: float = math.inf) -> "Truth":
        """The rows whose inputs are exact in the dtype, repeated to a multiple of 96: one shape, compiled once."""
        exact = _exact_in(dtype, self.x) & (np.abs(self.x) < limit)
        rows = np.flatnonzero(exact.reshape(len(exact), -1).all(axis=1))
        rows = np.resize(rows, 96 * math.ceil(len(rows) / 96))
        parts = ("x", "value", "slope", "moved", "bent", "diagonal")
        return replace(self, **{name: getattr(self, name)[rows] for name in parts})


def _exact_in(dtype: str, x: np.ndarray) -> np.ndarray:
    narrow = x.astype("float32")
    if dtype == "bfloat16":
        return np.asarray(narrow.view("uint32") & 0xFFFF == 0)
    with np.errstate(over="ignore"):
        return np.asarray(narrow.astype(dtype) == x)


# From the formula


def libraries() -> SimpleNamespace:
    """SymPy and mpmath.

    Raises:
        ImportError: If one of them is missing.
    """
    try:
        import mpmath
        import sympy
    except ModuleNotFoundError as error:
        raise ImportError(
            f"Checking a formula needs SymPy and mpmath, and {error.name!r} is not installed. "
            'Install them with: pip install "keras-actsel[testing]". Or give a NumPy `reference`.'
        ) from error
    return SimpleNamespace(sympy=sympy, mpmath=mpmath)


def expression(text: str, parameters: Mapping[str, Any]) -> Any:
    """A formula as a SymPy expression in the real variable x; its decimal numbers are taken as exact."""
    return _parsed(text, tuple(sorted(parameters.items(), key=lambda item: item[0])))


@cache
def _parsed(text: str, parameters: tuple[tuple[str, Any], ...]) -> Any:
    sympy = libraries().sympy
    x = sympy.Symbol("x", real=True)
    names = {"x": x, **_own_words(), **{key: _symbolic(value) for key, value in parameters}}
    parsed = sympy.sympify(text, locals=names, rational=True)
    corners = (sympy.Abs, sympy.Max, sympy.Min, sympy.sign)
    return parsed.rewrite(corners, sympy.Piecewise) if parsed.has(*corners) else parsed


def _own_words() -> dict[str, Callable[[Any], Any]]:
    """What formulas say beyond SymPy's own words."""
    sympy = libraries().sympy
    return {
        "sigmoid": lambda z: 1 / (1 + sympy.exp(-z)),
        "softplus": lambda z: sympy.log(1 + sympy.exp(z)),
        "log_sigmoid": lambda z: -sympy.log(1 + sympy.exp(-z)),
        **_formula.ARITHMETIC,
    }


def vocabulary() -> set[str]:
    """The words that formulas may use."""
    return {*vars(libraries().sympy), *_own_words()}


def _symbolic(value: Any) -> Any:
    sympy = libraries().sympy
    if isinstance(value, tuple):
        return sympy.Tuple(*map(_symbolic, value))
    if isinstance(value, str):
        return value
    return sympy.oo if value is None else sympy.sympify(repr(value), rational=True)


@cache
def derivative(expr: Any) -> Any:
    """d(expr)/dx, without the spikes at jumps."""
    sympy = libraries().sympy
    return sympy.diff(expr, sympy.Symbol("x", real=True)).replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


@cache
def on_arrays(expr: Any) -> Callable[[np.ndarray], np.ndarray]:
    """The expression as a function of a float64 array."""
    sympy = libraries().sympy
    function = sympy.lambdify(sympy.Symbol("x", real=True), expr, ["scipy", "numpy"])

    def evaluate(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(x), "float64"), np.shape(x))

    return evaluate


@cache
def on_numbers(expr: Any) -> Callable[[Any], Any]:
    """The expression as a function of a number, in mpmath."""
    sympy, mpmath = libraries().sympy, libraries().mpmath
    huge = 2**200

    def exp(t: Any) -> Any:
        # mpmath would need as many digits as the exponent says.
        tame = -1e100 < t < 1e100
        return mpmath.exp(t) if tame else mpmath.ldexp(1, huge if t > 0 else -huge)

    def tanh(t: Any) -> Any:
        # Of exp(x) likewise; beyond 1000 it is 1 in all the digits there are.
        return mpmath.tanh(t) if -1e3 < t < 1e3 else mpmath.sign(t)

    return sympy.lambdify(sympy.Symbol("x", real=True), expr, [{"exp": exp, "tanh": tanh}, "mpmath"])


def at_numbers(expr: Any, points: np.ndarray) -> np.ndarray:
    """The expression at each point, computed with `DIGITS` digits."""
    mpmath, function = libraries().mpmath, on_numbers(expr)
    with mpmath.workdps(DIGITS):
        return np.array([_as_float(function(mpmath.mpf(float(p)))) for p in points])


def _as_float(value: Any) -> float:
    mpmath = libraries().mpmath
    return float(mpmath.mpmathify(value))


def inputs(kinks: tuple[float, ...]) -> np.ndarray:
    """The common points, each kink, and right beside each."""
    beside = [float(np.float32(k + s * max(abs(k) * 2.0**-20, 2.0**-100))) for k in kinks for s in (-1, 1)]
    return np.array(sorted({*POINTS, *np.asarray(kinks, "float32").tolist(), *beside}))


def of_formula(value: Any, slope: Any, kinks: tuple[float, ...]) -> Truth:
    """The truth of an elementwise function, given the expressions of its values and of what training uses as slope."""
    x = inputs(kinks)
    at_kink = np.isin(x, np.asarray(kinks, "float32").astype("float64"))
    values, slopes = at_numbers(value, x), np.full(len(x), math.nan)
    smooth = x[~at_kink]
    slopes[~at_kink] = at_numbers(slope, smooth)
    nearby = np.full(len(x), math.nan)
    nearby[~at_kink] = at_numbers(slope, np.nextafter(smooth * (1 + 2.0**-30), smooth))
    with np.errstate(over="ignore", invalid="ignore"):
        bent = np.nan_to_num(np.abs(nearby - slopes) * 2.0**30, nan=0.0, posinf=0.0)
        moved = np.nan_to_num(np.abs(x * slopes), nan=0.0, posinf=0.0)
    return Truth(x, values, slopes, moved, bent, np.array(1.0), slopes)


# From a reference


def of_reference(reference: Callable[[Any], Any], kinks: tuple[float, ...], elementwise: bool) -> Truth:
    """The truth as a NumPy function of float64 has it; slopes by differences, where these are exact enough."""
    if not elementwise:
        return _of_rows(reference)
    x = inputs(kinks)
    slopes = differences(reference, x)
    slopes[(np.abs(x) > 100.0) | np.isin(x, np.asarray(kinks, "float32"))] = math.nan
    slopes[[np.abs(p - np.array(kinks)).min(initial=math.inf) < 2 * STEP for p in x]] = math.nan
    with np.errstate(all="ignore"):
        value = np.asarray(reference(x), "float64")
    moved = np.nan_to_num(np.abs(x * slopes), nan=0.0)
    return Truth(x, value, slopes, moved, moved, np.array(1.0), slopes)


def differences(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """The central difference quotient of an elementwise function."""
    with np.errstate(all="ignore"):
        return np.asarray((function(x + STEP) - function(x - STEP)) / (2 * STEP), "float64")


def _of_rows(reference: Callable[[Any], Any]) -> Truth:
    value = np.asarray(reference(ROWS), "float64")
    units, weights = value.shape[1], WEIGHTS[: value.shape[1]]
    unit = np.eye(ROWS.shape[1]) * STEP
    ahead = np.stack([reference(ROWS + e) - value for e in unit], axis=1) / STEP  # (rows, inputs, units)
    behind = np.stack([value - reference(ROWS - e) for e in unit], axis=1) / STEP
    jacobian = np.where(np.abs(ahead - behind) > 1e-3, math.nan, (ahead + behind) / 2)
    slope = jacobian @ weights
    diagonal = np.einsum("rii->ri", jacobian) if units == ROWS.shape[1] else value
    sizes = [np.nan_to_num(np.abs(part)).max(axis=1, keepdims=True) for part in (value, slope)]
    return Truth(ROWS, value, slope, 0 * value, 4 * sizes[1] + 0 * ROWS, weights, diagonal)
