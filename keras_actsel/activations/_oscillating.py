"""Oscillating activations: sine, cosine and functions made of them."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import like


def _angle(x, frequency):
    """The product as an angle in float32 or wider: half types know no angle beyond a few turns.

    Where it overflows, the angle is as good as any other: 0 stands for it, not the NaN of an infinite angle.
    """
    wide = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
    x = ops.cast(x, wide)
    angle = x * ops.cast(frequency, wide)
    return ops.where(ops.abs(angle) == math.inf, x - x, angle)


def _sinc(u, scale=1.0):
    """scale*sin(u)/u with its limit at 0, where the quotient's gradient would cancel."""
    near = ops.abs(u) < 0.25
    square = ops.square(ops.where(near, u, 0.0))
    series = 1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0))
    away = ops.where(near, 1.0, u)
    # Of a huge u the reciprocal is 0 in float32, its ratio to a huge scale is not.
    return ops.where(near, scale * series, (scale / away) * ops.sin(away))


def _sinc_slope(x):
    """(cos(x) - sin(x)/x)/x, near 0 by its series, since the difference cancels there."""
    near, angle = ops.abs(x) < 0.25, _angle(x, 1.0)
    small, away = ops.where(near, angle, 0.0), ops.where(near, 1.0, angle)
    square = small * small
    series = -small / 3.0 * (1.0 - square / 10.0 * (1.0 - square / 28.0))
    return ops.where(near, series, (ops.cos(away) - ops.sin(away) / away) / away)


@activation(
    formula="sin(omega*x)",
    derivative="omega*cos(omega*x)",
    range=(-1.0, 1.0),
    smoothness=math.inf,
    monotonic=False,
    specs={"omega": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="medium",
    strengths="Fits signals and all their derivatives: images, sound and solutions of differential equations.",
    traps=(
        "SIREN needs omega=30 and its own weights: uniform within 1/fan_in in the first layer, within "
        "sqrt(6/fan_in)/omega in the others."
    ),
    source="Sitzmann, Martel, Bergman, Lindell & Wetzstein 2020, https://arxiv.org/abs/2006.09661",
)
def sine(x, omega=1.0):
    """Sine of x, or of a multiple of it.

    For coordinate networks (SIREN), physics-informed networks and periodic data. The default is the plain sine, whose
    slope at 0 is 1 as the usual initializers expect; SIREN's 30 belongs with SIREN's weights.

    Args:
        x: A floating tensor.
        omega: The frequency in radians for each unit of x, above 0; 30 in SIREN.
    """
    return like(ops.sin(_angle(x, omega)), x)


@activation(
    formula="cos(x)",
    derivative="-sin(x)",
    range=(-1.0, 1.0),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="Random Fourier features: with random weights and phases a layer of it approximates a Gaussian kernel.",
    traps="It is even with slope 0 at 0 and mean 0.61 for a standard normal input: give it a bias over a whole turn.",
    source="Rahimi & Recht 2007, https://papers.nips.cc/paper/2007/hash/013a006f03dbc5392effeb8f18fda755-Abstract.html",
)
def cosine(x):
    """Cosine of x.

    For Fourier features in front of a linear layer.
    """
    return like(ops.cos(_angle(x, 1.0)), x)


@activation(
    formula="Piecewise((x, alpha == 0), (x + sin(alpha*x)**2/alpha, True))",
    derivative="1 + 2*sin(alpha*x)*cos(alpha*x)",
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=True,
    specs={"alpha": Parameter(trainable=True, per_channel=True)},
    belongs=("hidden",),
    cost="high",
    strengths="Extrapolates periods that relu and tanh cannot, and still rises; strong in neural vocoders.",
    traps=(
        "The period is hard to learn: start alpha near pi divided by the data's period; the paper takes 5 to 50 for "
        "strongly periodic data."
    ),
    source="Ziyin, Hartwig & Ueda 2020, https://arxiv.org/abs/2006.08195",
)
def snake(x, alpha=1.0):
    """Line with a wave on it: x + sin(alpha x)^2/alpha, and x where alpha is 0.

    For periodic data such as sound and seasons. As a layer it learns alpha for each channel.

    Args:
        x: A floating tensor.
        alpha: Half the angular frequency of the wave, whose period is pi/alpha; or where it starts when learned.
    """
    angle = _angle(x, alpha)
    wide = ops.cast(x, angle.dtype)
    return like(wide + _sinc(angle, wide) * ops.sin(angle), x)


@activation(
    formula="x*cos(x)",
    derivative="cos(x) - x*sin(x)",
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="A single neuron of it can learn xor; it does not saturate, on either side.",
    traps="Its slope grows with x and changes sign every half turn: keep inputs small by normalization.",
    source="Noel, Arunkumar, Trivedi & Dutta 2021, https://arxiv.org/abs/2108.12943",
    layer_name="GCU",
)
def gcu(x):
    """Growing cosine unit: x times cos(x).

    For convolutional layers, with relu in the dense ones.
    """
    angle = _angle(x, 1.0)
    return like(angle * ops.cos(angle), x)


@activation(
    formula="Piecewise((1, Eq(x, 0)), (sin(x)/x, True))",
    derivative="Piecewise((0, Eq(x, 0)), ((cos(x) - sin(x)/x)/x, True))",
    stable_derivative=_sinc_slope,
    range=(-0.21723362821122166, 1.0),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="The kernel of band-limited signals: reconstructs images and fields from coordinates.",
    traps="Flat at 0 and fading away from it, so inputs must be scaled to its few waves.",
    source="Saratchandran, Ramasinghe, Shevchenko, Long & Lucey 2024, https://arxiv.org/abs/2402.05427",
)
def sinc(x):
    """Cardinal sine: sin(x)/x, and 1 at 0.

    For coordinate networks, beside sine.
    """
    return like(_sinc(_angle(x, 1.0)), x)
