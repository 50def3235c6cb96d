"""Activations whose shape is learned: ratios of polynomials, hinges and splines, each with vectors of parameters."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter

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


def _like(y, x):
    return ops.cast(y, keras.backend.standardize_dtype(x.dtype))


def _polynomial(coefficients, x):
    """c_0 + c_1 x + c_2 x^2 + ..., by Horner's rule."""
    *rest, total = coefficients
    for coefficient in reversed(rest):
        total = coefficient + x * total
    return total


def _absolute(x):
    """|x| with slope 0 at 0 on every backend."""
    return ops.relu(x) + ops.relu(-x)


# The texts of P(x), Q(x) and their slopes, and of both divided by x^4 as functions of y = 1/x.
_P = "+".join(f"numerator[{i}]*x**{i}" for i in range(6))
_Q = "+".join(f"denominator[{i - 1}]*x**{i}" for i in range(1, 5))
_P_SLOPE = "+".join(f"{i}*numerator[{i}]*x**{i - 1}" for i in range(1, 6))
_Q_SLOPE = "+".join(f"{i}*denominator[{i - 1}]*x**{i - 1}" for i in range(1, 5))
_N = "+".join(f"numerator[{5 - i}]*(1/x)**{i}" for i in range(6))
_N_SLOPE = "+".join(f"{i}*numerator[{5 - i}]*(1/x)**{i - 1}" for i in range(1, 6))
_D_INNER = "+".join(f"denominator[{3 - i}]*(1/x)**{i}" for i in range(4))
_D_INNER_SLOPE = "+".join(f"{i}*denominator[{3 - i}]*(1/x)**{i - 1}" for i in range(1, 4))
_D = f"((1/x)**4 + Abs({_D_INNER}))"
_D_SLOPE = f"(4*(1/x)**3 + sign({_D_INNER})*({_D_INNER_SLOPE}))"


@activation(
    formula=f"({_P})/(1 + Abs({_Q}))",
    derivative=(
        f"Piecewise(((({_P_SLOPE})*(1 + Abs({_Q})) - ({_P})*sign({_Q})*({_Q_SLOPE}))/(1 + Abs({_Q}))**2, Abs(x) <= 1), "
        f"(({_N})/{_D} - (({_N_SLOPE})*{_D} - ({_N})*{_D_SLOPE})/{_D}**2/x, True))"
    ),
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    specs={"numerator": Parameter(trainable=True), "denominator": Parameter(trainable=True)},
    belongs=("hidden",),
    cost="low",
    strengths="Ten weights for a layer learn almost any smooth shape; it starts close to a leaky relu.",
    traps=(
        "Outside the inputs that it has seen its shape is anybody's guess, weight decay on its weights bends it, "
        "and it gets a kink wherever Q changes sign."
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
    is no pole whatever the coefficients. The defaults are the published fit to a leaky relu on [-3, 3], without two
    coefficients of 1e-6; further out it is the line x/2 on both sides. The layer learns one shape for all channels.

    Args:
        x: A floating tensor.
        numerator: The 6 coefficients of P, that of x^0 first.
        denominator: The 4 coefficients of Q, that of x^1 first.
    """
    z, a, b = _wide(x, numerator, denominator)
    inside = ops.abs(z) <= 1
    near = ops.where(inside, z, 0.0)
    far = ops.where(inside, 1.0, ops.where(z > 1e9, 1e9, ops.where(z < -1e9, -1e9, z)))
    y = 1.0 / far
    # Outside [-1, 1] both are divided by x^4, so that no power overflows: (x N(y))/(y^4 + |...|) with y = 1/x.
    outer = _polynomial(a[::-1], y) / (ops.square(y * y) + _absolute(_polynomial(b[::-1], y)))
    inner = _polynomial(a, near) / (1.0 + _absolute(near * _polynomial(b, near)))
    return _like(ops.where(inside, inner, z * outer), x)


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
            initializer={"class_name": "RandomUniform", "config": {"minval": -0.2, "maxval": 0.2}},
        ),
        "hinges": Parameter(
            trainable=True,
            per_channel=True,
            initializer={"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.5}},
        ),
    },
    belongs=("hidden",),
    cost="low",
    strengths="Each channel learns a shape of its own out of hinges, also one that is not monotonic.",
    traps="Four weights per channel that overfit small data; the paper puts an L2 penalty of 0.001 on them.",
    source="Agostinelli, Hoffman, Sadowski & Baldi 2015, https://arxiv.org/abs/1412.6830",
    layer_name="APL",
)
def apl(x, slopes=(0.0, 0.0), hinges=(0.0, 0.0)):
    """Adaptive piecewise linear unit: relu(x) plus learned hinges, each a slope times relu(hinge - x).

    For convolutional networks with data to spare. As a plain function its defaults make it relu; the layer starts with
    slopes and hinges drawn around them.

    Args:
        x: A floating tensor.
        slopes: The slopes of the 2 hinges; learned from a uniform start in [-0.2, 0.2].
        hinges: Where they begin, going left; learned from a normal start of standard deviation 0.5.
    """
    z, a, b = _wide(x, slopes, hinges)
    terms = (slope * (HINGE * ops.relu(hinge - z)) for slope, hinge in zip(a, b, strict=True))
    return _like((HINGE * ops.relu(z) + sum(terms)) / HINGE, x)


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
    cost="low",
    strengths="Learns any shape on [-4, 4] for each channel, and no piece of it bends the others.",
    traps="Seventeen weights per channel: without a penalty it overfits, and it costs as much as sixteen relus.",
    source="Bohra, Campos, Gupta, Aziznejad & Unser 2020, https://doi.org/10.1109/OJSP.2020.3039379",
)
def linear_spline(x, values=RELU_AT_KNOTS):
    """Linear spline on fixed knots: straight lines between learned values at -4, -3.5, ..., 4, and on beyond them.

    Where the shape of the activation itself should be fitted, after normalization that keeps inputs on the knots. It
    starts as relu.

    Args:
        x: A floating tensor.
        values: The 17 values at the knots.
    """
    z, v = _wide(x, values)
    total = v[0]
    for i, knot in enumerate(KNOTS[:-1]):
        total = total + (v[i + 1] - v[i]) / STEP * _part(z - knot, first=i == 0, last=i == len(KNOTS) - 2)
    return _like(total, x)


def _part(u, first, last):
    """How much of a piece that begins at u = 0 lies below u; its slope at a knot is that on the left."""
    u = u if first else ops.where(u <= 0, 0.0, u)
    return u if last else ops.where(u > STEP, STEP, u)
