"""Self-gated activations: x times a gate between 0 and 1 that depends on x."""

import math

from keras import ops

from keras_actsel.activations import _formula
from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter

ROOT_2_OVER_PI = math.sqrt(2.0 / math.pi)
STANDARD_NORMAL = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 1.0}}


def _within(x, low, high):
    """The nearest number between two limits; NaN stays NaN."""
    return ops.where(x > high, high, ops.where(x < low, low, x))


def _settled(derivative, low, high):
    """A derivative's text as a function of tensors; beyond these limits it is what it is at them, to every digit."""
    return lambda x, **parameters: _formula.evaluate(derivative, _within(x, low, high), parameters)


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


_U = "sqrt(2/pi)*(x + 0.044715*x**3)"
_GELU_SLOPE = (
    f"Piecewise(((1 + tanh({_U}))/2 + x*(1 - tanh({_U})**2)*sqrt(2/pi)*(1 + 0.134145*x**2)/2, approximate), "
    "((1 + erf(x/sqrt(2)))/2 + x*exp(-x**2/2)/sqrt(2*pi), True))"
)


@activation(
    formula=f"Piecewise((x*(1 + tanh({_U}))/2, approximate), (x*(1 + erf(x/sqrt(2)))/2, True))",
    derivative=_GELU_SLOPE,
    stable_derivative=_settled(_GELU_SLOPE, -12.0, 12.0),
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
    bounded = _within(x, -12.0, 12.0)
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


@activation(
    formula="x/(1 + exp(-1.702*x))",
    # The product is ordered so that no factor is infinite where another is 0.
    derivative="sigmoid(1.702*x) + 1.702*(x*sigmoid(1.702*x)*sigmoid(-1.702*x))",
    range=(-0.16361018963635359, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="Within 0.021 of gelu for the price of a silu; what CLIP and its descendants were trained with.",
    traps="It is not gelu: weights that were trained with one lose accuracy under the other.",
    source="Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415",
    layer_name="QuickGELU",
)
def quick_gelu(x):
    """Sigmoid approximation of gelu: x times sigmoid(1.702 x).

    For loading weights that were trained with it (CLIP); otherwise gelu.
    """
    return x * ops.sigmoid(1.702 * x)


@activation(
    formula="x/(1 + exp(-beta*x))",
    derivative="sigmoid(beta*x) + beta*(x*sigmoid(beta*x)*sigmoid(-beta*x))",
    range=(-0.2784645427610738, math.inf),
    smoothness=math.inf,
    monotonic=False,
    specs={"beta": Parameter(trainable=True)},
    belongs=("hidden",),
    cost="medium",
    strengths="Training finds its place between x/2 (beta = 0) and relu (beta large), for one weight per layer.",
    traps="With beta = 1 it is silu; a learned beta seldom repays its extra cost over silu.",
    source="Ramachandran, Zoph & Le 2017, https://arxiv.org/abs/1710.05941",
    layer_name="Swish",
)
def parametric_swish(x, beta=1.0):
    """Swish with a learned gate: x times sigmoid(beta x).

    Where silu is a candidate and the sharpness of its bend is to be learned. The name "swish" means silu, as in Keras.

    Args:
        x: A floating tensor.
        beta: How sharp the bend is, or where it starts when learned.
    """
    return x * ops.sigmoid(beta * x)


@activation(
    formula="x*log(1 + 1/(1 + exp(-x)))",
    derivative="log(1 + sigmoid(x)) + x*sigmoid(x)*sigmoid(-x)/(1 + sigmoid(x))",
    range=(-0.25276881678944039, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="A silu with a flatter dip and a gentler slope, for deep convolutional networks.",
    traps="Its slope tends to log(2) = 0.69, not 1, so signals shrink with depth unless weights are scaled for it.",
    source="Zhu, Zeng, Liu & Zhang 2021, https://doi.org/10.1016/j.neucom.2021.06.067",
)
def logish(x):
    """Logarithmic gate: x times log(1 + sigmoid(x)).

    For convolutional networks, beside silu and mish.
    """
    # log(1 + s) as written is wrong to the last place of 1, which x then multiplies.
    return x * ops.log1p(ops.sigmoid(x))


_TANH_EXP_SLOPE = "tanh(exp(x)) + x*exp(x)*(1 - tanh(exp(x))**2)"


@activation(
    formula="x*tanh(exp(x))",
    derivative=_TANH_EXP_SLOPE,
    stable_derivative=_settled(_TANH_EXP_SLOPE, -math.inf, 4.0),
    range=(-0.35328577784821127, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="Almost linear above 1 and steep near 0, so it learns fast in small convolutional networks.",
    traps="An exponential and a tanh; its slope overshoots 1, to 1.06 near x = 0.7.",
    source="Liu & Di 2020, https://arxiv.org/abs/2003.09855",
)
def tanh_exp(x):
    """Gate of an exponential: x times tanh(exp(x)).

    For lightweight convolutional networks, beside mish.
    """
    # tanh(exp(4)) is 1 to 47 digits, and larger powers would make the gradient 0 times infinity.
    return x * ops.tanh(ops.exp(_within(x, -math.inf, 4.0)))


@activation(
    formula="x*exp(-exp(-x))",
    derivative="exp(-exp(-x)) + x*exp(-x - exp(-x))",
    range=(-0.097260131227639405, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="A gate that is steeper for positive x than for negative: a shallower dip than gelu or silu.",
    traps="Two exponentials, and a slope that vanishes doubly fast: below -3 units hardly learn.",
    source="Das et al. 2025, https://arxiv.org/abs/2502.03654",
    layer_name="GoLU",
)
def golu(x):
    """Gompertz linear unit: x times exp(-exp(-x)).

    For transformers and convolutional networks, beside gelu and silu.
    """
    # At -5 the gate is 3e-65, and larger powers would make the gradient 0 times infinity.
    return x * ops.exp(-ops.exp(-ops.where(x < -5, -5.0, x)))


@activation(
    formula="Piecewise((alpha_p*x**2 + x/2, x > 0), (alpha_n*(exp(x) - 1 - x) + x/2, True))",
    derivative="Piecewise((2*alpha_p*x + 1/2, x > 0), (alpha_n*(exp(x) - 1) + 1/2, True))",
    range=(-0.20575122409648213, math.inf),
    smoothness=1,
    monotonic=False,
    specs={
        "alpha_p": Parameter(bounds=(0.0, math.inf), trainable=True),
        "alpha_n": Parameter(bounds=(0.5, math.inf), trainable=True),
    },
    belongs=("hidden",),
    cost="medium",
    strengths="A squared relu whose two sides are learned, made for the feed-forward blocks of language models.",
    traps="It grows with the square of x: overflow in float16 from about 285, and it rises again for very negative x.",
    source="Huang & Schlag 2024, https://arxiv.org/abs/2411.13010",
    layer_name="XIELU",
)
def xielu(x, alpha_p=0.8, alpha_n=0.8):
    """Expanded integral of the elu: a parabola above zero, an integrated exponential below.

    For the feed-forward blocks of transformers, in place of a squared relu or of swiglu. Its slope at zero is the
    published beta of 0.5, which alpha_n must exceed for the slope to turn negative on the far left.

    Args:
        x: A floating tensor.
        alpha_p: Half the curvature above zero, above 0; or where it starts when learned.
        alpha_n: The curvature just below zero, above 0.5; or where it starts when learned.
    """
    above, below = ops.where(x > 0, x, 0.0), ops.where(x > 0, 0.0, x)
    # exp(x) - 1 without its cancellation near 0, on every backend.
    half = ops.tanh(0.5 * below)
    powers = 2.0 * half / (1.0 - half)
    return ops.where(x > 0, above * (alpha_p * above + 0.5), alpha_n * (powers - below) + 0.5 * below)


@activation(
    formula="(p1 - p2)*x/(1 + exp(-beta*(p1 - p2)*x)) + p2*x",
    derivative=(
        "p1*sigmoid(beta*(p1 - p2)*x) + p2*sigmoid(-beta*(p1 - p2)*x)"
        " + beta*(p1 - p2)**2*(x*sigmoid(beta*(p1 - p2)*x)*sigmoid(-beta*(p1 - p2)*x))"
    ),
    range=(-0.2784645427610738, math.inf),
    smoothness=math.inf,
    monotonic=False,
    specs={
        **dict.fromkeys(("p1", "p2"), Parameter(trainable=True, per_channel=True, initializer=STANDARD_NORMAL)),
        "beta": Parameter(trainable=True, per_channel=True),
    },
    belongs=("hidden",),
    cost="high",
    strengths="Learns for each channel both slopes and whether to bend at all: a smooth maximum of two lines.",
    traps="Three weights per channel, drawn at random at the start; as a plain function its defaults make it silu.",
    source="Ma, Zhang, Liu & Sun 2021, https://arxiv.org/abs/2009.04759",
    layer_name="AconC",
)
def acon_c(x, p1=1.0, p2=0.0, beta=1.0):
    """Activate or not: a smooth maximum of the lines p1 x and p2 x.

    For convolutional networks (ShuffleNet, ResNet) in place of relu. As a layer it learns all three for each channel.

    Args:
        x: A floating tensor.
        p1: The slope on one side; learned from a standard normal start.
        p2: The slope on the other side; learned from a standard normal start.
        beta: How sharp the bend is; 0 makes it the line of the mean slope.
    """
    gate = beta * (p1 - p2) * x
    # Beyond 128 the gate is closed or open; a gradient through an infinite one would be NaN.
    gate = ops.where(gate > 128, 128.0, ops.where(gate < -128, -128.0, gate))
    # The published form (p1 - p2)*x*s + p2*x overflows where the result does not.
    return x * (p1 * ops.sigmoid(gate) + p2 * ops.sigmoid(-gate))
