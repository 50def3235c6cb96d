"""Activations whose shape is learned: ratios of polynomials, hinges and splines, each with vectors of parameters."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_actsel.activations import _formula
from keras_actsel.activations._catalogue import activation, get
from keras_actsel.activations._moments import values as values_at
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import like
from keras_actsel.activations._record import ActivationFunction

KNOTS = tuple(k / 2 for k in range(-8, 9))
STEP = 0.5
RELU_AT_KNOTS = tuple(max(knot, 0.0) for knot in KNOTS)
HINGE = 2.0**-20
"""Scale at which the terms of an APL are added, so that large ones of opposite sign do not overflow to NaN."""


def _wide(x, *vectors):
    """The tensor and the values of vectors in float32 or wider: sums of many terms are too coarse in half types."""
    dtype = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
    return ops.cast(x, dtype), *(tuple(_cast(value, dtype) for value in vector) for vector in vectors)


def _cast(value, dtype):
    return value if isinstance(value, (int, float)) else ops.cast(value, dtype)


def _absolute(x):
    """|x| with slope 0 at 0 on every backend."""
    return ops.relu(x) + ops.relu(-x)


def _p(coefficients, x):
    """c_0 + c_1 x + c_2 x^2 + ..., by Horner's rule."""
    *rest, total = coefficients
    for coefficient in reversed(rest):
        total = coefficient + x * total
    return total


def _p_slope(coefficients, x):
    return _p([i * c for i, c in enumerate(coefficients)][1:], x)


def _q(coefficients, x):
    """c_0 x + c_1 x^2 + ..."""
    return x * _p(coefficients, x)


def _q_slope(coefficients, x):
    return _p([(i + 1) * c for i, c in enumerate(coefficients)], x)


_formula.define("P", _p, arithmetic=True)
_formula.define("P_slope", _p_slope, arithmetic=True)
_formula.define("Q", _q, arithmetic=True)
_formula.define("Q_slope", _q_slope, arithmetic=True)


def _near_and_far(x):
    """Whether |x| is at most 1, x there, and x elsewhere: within 1e9, beyond which all is a line, and 1 if unused."""
    inside = ops.abs(x) <= 1
    far = ops.where(inside, 1.0, ops.where(x > 1e9, 1e9, ops.where(x < -1e9, -1e9, x)))
    return inside, ops.where(inside, x, 0.0), far


def _rational_slope(x, numerator, denominator):
    inside, near, far = _near_and_far(x)
    p, q = _p(numerator, near), _q(denominator, near)
    bottom = 1.0 + ops.abs(q)
    inner = (_p_slope(numerator, near) - p / bottom * ops.sign(q) * _q_slope(denominator, near)) / bottom
    # Elsewhere f(x) = x N(y)/(y^4 + |B(y)|) with y = 1/x, so that no power overflows.
    y, n, b = 1.0 / far, numerator[::-1], denominator[::-1]
    bottom = y**4 + ops.abs(_p(b, y))
    bend = 4.0 * y**3 + ops.sign(_p(b, y)) * _p_slope(b, y)
    outer = (_p(n, y) - y * (_p_slope(n, y) - _p(n, y) / bottom * bend)) / bottom
    return ops.where(inside, inner, outer)


@activation(
    formula="P(numerator, x)/(1 + Abs(Q(denominator, x)))",
    derivative=(
        "P_slope(numerator, x)/(1 + Abs(Q(denominator, x)))"
        " - P(numerator, x)*sign(Q(denominator, x))*Q_slope(denominator, x)/(1 + Abs(Q(denominator, x)))**2"
    ),
    stable_derivative=_rational_slope,
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    specs={"numerator": Parameter(trainable=True), "denominator": Parameter(trainable=True)},
    belongs=("hidden",),
    cost="high",
    strengths="Ten weights for a layer learn almost any smooth shape; it starts close to a leaky relu, or as fitted.",
    traps=(
        "It costs as much as 35 to 90 relus, weight decay on its weights bends it, it gets a kink wherever Q changes "
        "sign, and outside the inputs that it has seen its shape is anybody's guess."
    ),
    source="Molina, Schramowski & Kersting 2020, https://arxiv.org/abs/1907.06732",
)
def rational(
    x,
    numerator=(0.03356, 0.505, 1.6534, 2.01, 0.932, 0.15242),
    denominator=(0.0, 3.9802, 0.0, 0.30183),
):
    """Padé activation unit in its safe form: P(x)/(1 + |Q(x)|), with both polynomials learned.

    Where the shape of the activation itself should be fitted. P has degree 5, and Q degree 4 and no constant, so there
    is no pole whatever the coefficients. The degrees are fixed, so that it grows like a line. The defaults are the
    published fit to a leaky relu on [-3, 3], without two coefficients of 1e-6; further out it is the line x/2 on both
    sides. `activations.fitted("rational", to="gelu")` starts as gelu. The layer learns one shape for all channels.

    Args:
        x: A floating tensor.
        numerator: The 6 coefficients of P, that of x^0 first.
        denominator: The 4 coefficients of Q, that of x^1 first.
    """
    z, a, b = _wide(x, numerator, denominator)
    inside, near, far = _near_and_far(z)
    y = 1.0 / far
    # Outside [-1, 1] both are divided by x^4, so that no power overflows: (x N(y))/(y^4 + |...|) with y = 1/x.
    outer = _p(a[::-1], y) / (ops.square(y * y) + _absolute(_p(b[::-1], y)))
    inner = _p(a, near) / (1.0 + _absolute(_q(b, near)))
    return like(ops.where(inside, inner, z * outer), x)


@activation(
    formula="Max(x, 0) + slopes[0]*Max(hinges[0] - x, 0) + slopes[1]*Max(hinges[1] - x, 0)",
    derivative=(
        "Piecewise((1, x > 0), (0, True)) - Piecewise((slopes[0], x < hinges[0]), (0, True))"
        " - Piecewise((slopes[1], x < hinges[1]), (0, True))"
    ),
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0", "hinges[0]", "hinges[1]"),
    specs={
        "slopes": Parameter(
            trainable=True,
            per_channel=True,
            any_length=True,
            initializer={"class_name": "RandomUniform", "config": {"minval": -0.2, "maxval": 0.2}},
        ),
        "hinges": Parameter(
            trainable=True,
            per_channel=True,
            any_length=True,
            initializer={"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.5}},
        ),
    },
    belongs=("hidden",),
    cost="low",
    strengths="Each channel learns a shape of its own out of hinges, also one that is not monotonic.",
    traps="Two weights per hinge and channel overfit small data; the paper puts an L2 penalty of 0.001 on them.",
    source="Agostinelli, Hoffman, Sadowski & Baldi 2015, https://arxiv.org/abs/1412.6830",
    layer_name="APL",
)
def apl(x, slopes=(0.0, 0.0), hinges=(0.0, 0.0)):
    """Adaptive piecewise linear unit: relu(x) plus learned hinges, each a slope times relu(hinge - x).

    For convolutional networks with data to spare. As a plain function its defaults make it relu; the layer starts with
    slopes and hinges drawn around them. Formula and derivative are known for the two hinges of the default. Any other
    number may be given, and starts as given: `layers.APL(slopes=[0, 0, 0], hinges=[-2, 0, 2])`.

    Args:
        x: A floating tensor.
        slopes: The slope of each hinge; by default 2, learned from a uniform start in [-0.2, 0.2].
        hinges: Where each begins, going left; by default learned from a normal start of standard deviation 0.5.
    """
    if len(slopes) != len(hinges):
        raise ValueError(
            "'apl' needs as many slopes as hinges. "
            f"Received: {len(slopes)} slopes and {len(hinges)} hinges. Give both, in equal numbers."
        )
    z, a, b = _wide(x, slopes, hinges)
    terms = (slope * (HINGE * ops.relu(hinge - z)) for slope, hinge in zip(a, b, strict=True))
    return like((HINGE * ops.relu(z) + sum(terms)) / HINGE, x)


def _spline(piece):
    """SymPy text of the pieces of the spline, each given its index, the outer ones without end."""
    *inner, last = range(len(KNOTS) - 1)
    branches = [f"({piece(i)}, x <= {KNOTS[i + 1]})" for i in inner]
    return f"Piecewise({', '.join(branches)}, ({piece(last)}, True))"


@activation(
    formula=_spline(lambda i: f"values[{i}] + (values[{i + 1}] - values[{i}])/{STEP}*(x - ({KNOTS[i]}))"),
    derivative=_spline(lambda i: f"(values[{i + 1}] - values[{i}])/{STEP}"),
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=tuple(str(knot) for knot in KNOTS[1:-1]),
    specs={"values": Parameter(trainable=True, per_channel=True)},
    belongs=("hidden",),
    cost="high",
    strengths="Learns any shape on [-4, 4] for each channel, and no piece of it bends the others.",
    traps="Seventeen weights per channel: without a penalty it overfits. It costs as much as 40 to 200 relus.",
    source="Bohra, Campos, Gupta, Aziznejad & Unser 2020, https://doi.org/10.1109/OJSP.2020.3039379",
)
def linear_spline(x, values=RELU_AT_KNOTS):
    """Linear spline on fixed knots: straight lines between learned values at -4, -3.5, ..., 4, and on beyond them.

    Where the shape of the activation itself should be fitted, after normalization that keeps inputs on the knots. It
    starts as relu, or as `activations.fitted("linear_spline", to="gelu")`. Both knots and their number are fixed.

    Args:
        x: A floating tensor.
        values: The 17 values at the knots.
    """
    z, v = _wide(x, values)
    total = v[0]
    for i, knot in enumerate(KNOTS[:-1]):
        total = total + (v[i + 1] - v[i]) / STEP * _part(z - knot, first=i == 0, last=i == len(KNOTS) - 2)
    return like(total, x)


def _part(u, first, last):
    """How much of a piece that begins at u = 0 lies below u; its slope at a knot is that on the left."""
    u = u if first else ops.where(u <= 0, 0.0, u)
    return u if last else ops.where(u > STEP, STEP, u)


REACH = 3.0
"""A rational function is fitted on [-REACH, REACH], as in its paper."""


def fitted(name: str, to: Any) -> ActivationFunction:
    """An activation of learned shape that starts as a named one.

    `"rational"` gets the coefficients of least squares on [-3, 3], and no kink: there it is within 1e-5 of silu and
    tanh, 0.003 of gelu, 0.04 of relu and 0.06 of hard_tanh. `"linear_spline"` equals the function at its knots, and
    between them is within 0.025 of gelu. Further out each goes on as a line of its own.

    Args:
        name: `"rational"` or `"linear_spline"`.
        to: The elementwise activation to start as: whatever `activations.get` reads.

    Returns:
        The record with these parameters; a layer of it learns on from there.

    Raises:
        ValueError: For another name, or a function that is not elementwise, or not finite there.

    Example:
        >>> from keras_actsel import activations, layers
        >>> start = activations.fitted("rational", to="gelu")
        >>> abs(float(start(1.0)) - float(activations.get("gelu")(1.0))) < 0.003
        True
        >>> layers.Activation(start).learned
        ('numerator', 'denominator')

    Source: for the rational function Molina, Schramowski & Kersting 2020, https://arxiv.org/abs/1907.06732
    """
    fit, target = _FITS.get(name), get(to)
    if fit is None:
        raise ValueError(f"{name!r} can't be fitted to another activation. Expected one of {sorted(_FITS)}.")
    if target.kind != "elementwise":
        raise ValueError(f"{str(target)!r} is {target.kind}, so nothing can be fitted to it. Expected elementwise.")
    return get(name, **fit(target))


def _at(target: ActivationFunction, points: Any) -> Any:
    (y,) = values_at([target], points)
    if not np.isfinite(y).all():
        raise ValueError(f"{str(target)!r} is not finite at x = {points[~np.isfinite(y)][0]:g}, so can't be fitted.")
    return y


def _interpolation(target: ActivationFunction) -> dict[str, Any]:
    return {"values": _at(target, np.array(KNOTS)).tolist()}


def _least_squares(target: ActivationFunction) -> dict[str, Any]:
    """The coefficients of the rational function that is nearest in the mean square."""
    from scipy.optimize import least_squares

    x = np.linspace(-REACH, REACH, 601)
    y, powers = _at(target, x), x[:, None] ** np.arange(6)

    def denominator(u: Any) -> Any:
        """Q = x^2 (u_0^2 + (u_1 + u_2 x)^2 + x^2/10000): it never changes sign, so there is no kink, here or beyond."""
        return np.array([0.0, u[0] ** 2 + u[1] ** 2, 2.0 * u[1] * u[2], u[2] ** 2 + 1e-4])

    def basis(u: Any) -> Any:
        """The powers over 1 + Q, of which the function is a sum."""
        return powers / (1.0 + powers[:, 1:5] @ denominator(u))[:, None]

    def error(p: Any) -> Any:
        return basis(p[6:]) @ p[:6] - y

    start = np.array([1.0, 0.0, 0.3])
    first = np.linalg.lstsq(basis(start), y, rcond=None)[0]
    best = least_squares(error, np.r_[first, start], method="lm", max_nfev=1000).x
    return {"numerator": best[:6].tolist(), "denominator": denominator(best[6:]).tolist()}


_FITS = {"rational": _least_squares, "linear_spline": _interpolation}
