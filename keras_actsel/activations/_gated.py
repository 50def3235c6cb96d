"""Self-gated activations: x times a gate between 0 and 1 that depends on x."""

import math

from keras import ops

from keras_actsel.activations._catalogue import activation

ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@activation(
    formula="x/(1 + exp(-x))",
    derivative="sigmoid(x)*(1 + x*sigmoid(-x))",
    range=(-0.2784645427610738, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="A smooth relu that lets small negative values through; often better than relu in deep networks.",
    traps="Costs an exponential, and weights scaled for relu start it with too little variance.",
    source=(
        "Elfwing, Uchibe & Doya 2017, https://arxiv.org/abs/1702.03118; "
        "as swish Ramachandran, Zoph & Le 2017, https://arxiv.org/abs/1710.05941"
    ),
    aliases=("swish",),
    layer_name="SiLU",
)
def silu(x):
    """Sigmoid linear unit, or swish: x times sigmoid(x).

    For deep convolutional networks (EfficientNet) and the feed-forward blocks of language models.
    """
    return ops.silu(x)


@activation(
    formula="Piecewise((0, x <= -3), (x*(x + 3)/6, x < 3), (x, True))",
    derivative="Piecewise((0, x <= -3), ((2*x + 3)/6, x < 3), (1, True))",
    range=(-0.375, math.inf),
    smoothness=0,
    monotonic=False,
    kinks=("-3", "3"),
    belongs=("hidden",),
    cost="low",
    strengths="Nearly the accuracy of silu without an exponential; quantizes well.",
    traps="Not smooth: its slope jumps by 1/2 at -3 and at 3, and below -3 units die.",
    source="Howard et al. 2019, https://arxiv.org/abs/1905.02244",
    aliases=("hard_swish",),
    layer_name="HardSiLU",
)
def hard_silu(x):
    """Piecewise quadratic silu: x times hard_sigmoid(x).

    For networks that run on phones (MobileNetV3).
    """
    # PyTorch's own kernel multiplies before it divides and overflows above 5.6e37.
    return x * ops.hard_sigmoid(x)


@activation(
    formula=(
        "Piecewise((x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2, approximate), (x*(1 + erf(x/sqrt(2)))/2, True))"
    ),
    # The middle piece is 0/0 in floating point where x**3 overflows; it is 0 or 1 to 50 digits well before.
    derivative=(
        "Piecewise((0, approximate & (x < -12)), (1, approximate & (x > 12)), "
        "((1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2"
        " + x*(1 - tanh(sqrt(2/pi)*(x + 0.044715*x**3))**2)*sqrt(2/pi)*(1 + 0.134145*x**2)/2, approximate), "
        "((1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi), True))"
    ),
    range=(-0.16997120747990369, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="The standard of transformers: a smooth relu that weighs x by the chance that a normal variable is less.",
    traps="Mind the default: keras.activations.gelu is exact, keras.ops.gelu approximates, and they differ by 0.0005.",
    source="Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415",
    layer_name="GELU",
)
def gelu(x, approximate=False):
    """Gaussian error linear unit: x times the normal distribution function at x.

    For transformers, and wherever silu is a candidate.

    Args:
        x: A floating tensor.
        approximate: Whether to use the tanh formula of BERT and GPT-2 in place of the exact one. Keras's gradient of
            it is NaN in float16 from |x| = 100 on JAX and TensorFlow; this one is finite.
    """
    if not approximate:
        return ops.gelu(x, approximate=False)
    # (1 + tanh(u))/2 = sigmoid(2u). The cube of a bounded x keeps 0 times infinity out of the gradient; at 12 the
    # sigmoid is 0 or 1 to 50 digits.
    bounded = ops.where(x > 12, 12.0, ops.where(x < -12, -12.0, x))
    return x * ops.sigmoid(2.0 * ROOT_2_OVER_PI * (x + 0.044715 * bounded * bounded * bounded))


@activation(
    formula="x*tanh(log(1 + exp(x)))",
    derivative="tanh(softplus(x)) + x*sigmoid(x)*(1 - tanh(softplus(x))**2)",
    range=(-0.30884341301725043, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="Close to silu with a slightly deeper dip; strong in object detectors (YOLOv4).",
    traps="About the most expensive of the common ones: an exponential, a logarithm and a tanh.",
    source="Misra 2019, https://arxiv.org/abs/1908.08681",
)
def mish(x):
    """Self-regularized non-monotonic gate: x times tanh(softplus(x)).

    For deep convolutional networks, beside silu and gelu.
    """
    return x * ops.tanh(ops.softplus(x))
