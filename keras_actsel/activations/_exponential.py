"""Activations with an exponential or a smooth bend on one side and a line on the other."""

import math

from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import SMALL, choose, in_units, like, magnitude, scaled_below

# Klambauer et al. 2017, equation 14: the fixed point of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@activation(
    formula="Piecewise((x, x > 0), (alpha*(exp(x) - 1), True))",
    derivative="Piecewise((1, x > 0), (alpha*exp(x), True))",
    range=(-1.0, math.inf),
    smoothness=1,
    monotonic=True,
    kinks=("0",),
    specs={"alpha": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="medium",
    strengths="Negative values bring the mean of its output near zero; with alpha = 1 it has no kink.",
    traps="It saturates below about -4; with alpha other than 1 it has a kink at 0.",
    source="Clevert, Unterthiner & Hochreiter 2016, https://arxiv.org/abs/1511.07289",
    layer_name="ELU",
)
def elu(x, alpha=1.0):
    """Exponential linear unit: x above zero, an exponential that levels off at -alpha below.

    For deep networks without batch normalization, in place of relu.

    Args:
        x: A floating tensor.
        alpha: Minus the limit for very negative x, above 0.
    """
    if isinstance(alpha, int | float) and alpha == 1:
        return ops.elu(x)
    return scaled_below(ops.elu(x), x, alpha)


@activation(
    formula=f"{SELU_SCALE}*Piecewise((x, x > 0), ({SELU_ALPHA}*(exp(x) - 1), True))",
    derivative=f"{SELU_SCALE}*Piecewise((1, x > 0), ({SELU_ALPHA}*exp(x), True))",
    range=(-SELU_SCALE * SELU_ALPHA, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    belongs=("hidden",),
    cost="medium",
    strengths="Keeps mean 0 and variance 1 from layer to layer in plain dense networks, without normalization.",
    traps="Its promise needs LecunNormal weights, standardized inputs and AlphaDropout instead of Dropout.",
    source="Klambauer, Unterthiner, Mayr & Hochreiter 2017, https://arxiv.org/abs/1706.02515",
    layer_name="SELU",
)
def selu(x):
    """Scaled exponential linear unit: elu with two constants that make activations normalize themselves.

    For deep dense networks on standardized tabular data. At exactly 0 the gradient is that of the negative side, on
    every backend; Keras on TensorFlow gives that of the positive side.
    """
    return SELU_SCALE * scaled_below(ops.elu(x), x, SELU_ALPHA)


@activation(
    formula="Piecewise((x, x > 0), (alpha*(exp(x/alpha) - 1), True))",
    derivative="Piecewise((1, x > 0), (exp(x/alpha), True))",
    range=(-1.0, math.inf),
    smoothness=1,
    monotonic=True,
    specs={"alpha": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="medium",
    strengths="An elu without a kink for any alpha, and homogeneous in alpha.",
    traps="With alpha = 1 it is exactly elu; do not count it as a second candidate.",
    source="Barron 2017, https://arxiv.org/abs/1704.07483",
    layer_name="CELU",
)
def celu(x, alpha=1.0):
    """Continuously differentiable exponential linear unit: an elu that is smooth at 0 for every alpha.

    Instead of elu when alpha is tuned or learned. Its gradient at 0 is 1; Keras on TensorFlow gives 2 there.

    Args:
        x: A floating tensor.
        alpha: Minus the limit for very negative x, above 0.
    """
    if isinstance(alpha, int | float) and alpha == 1:
        return ops.elu(x)
    return scaled_below(_elu_of_ratio(x, alpha), x, alpha)


def _elu_of_ratio(x, width):
    """elu(x/width) where x is below 0, and x elsewhere."""
    root = width**-0.5  # twice: 1/width, and sooner its gradient, overflows in float16 for small width
    return ops.elu(scaled_below(scaled_below(x, x, root), x, root))


@activation(
    formula="Piecewise((a/b*x, x > 0), (a*(exp(x/b) - 1), True))",
    derivative="Piecewise((a/b, x > 0), (a/b*exp(x/b), True))",
    range=(-1.0, math.inf),
    smoothness=1,
    monotonic=True,
    specs=dict.fromkeys(("a", "b"), Parameter(bounds=(0.0, math.inf), trainable=True)),
    belongs=("hidden",),
    cost="medium",
    strengths="Training finds the slope, the limit on the left and the decay of an elu, and it stays smooth.",
    traps="Weight decay shrinks a and b; while b is small the slope a/b is large.",
    source="Trottier, Giguère & Chaib-draa 2016, https://arxiv.org/abs/1605.09332",
    layer_name="PELU",
)
def pelu(x, a=1.0, b=1.0):
    """Parametric exponential linear unit: a line of slope a/b above zero, below it an exponential that ends at -a.

    When elu works and its shape should fit the layer. It starts as elu; as in the paper, a layer learns one a and one
    b, and with `axis=-1` those of each channel.

    Args:
        x: A floating tensor.
        a: Minus the limit for very negative x, above 0.
        b: The decay on the left, above 0, on the scale of x.
    """
    # The slope a/b, whose gradient overflows in float16, as a square.
    root = choose(x > 0, a**0.5 * b**-0.5, a**0.5, x)
    return _elu_of_ratio(x, b) * root * root


@activation(
    formula="exp(x)",
    derivative="exp(x)",
    range=(0.0, math.inf),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="medium",
    strengths="The inverse of the log link: positive outputs such as rates and scales.",
    traps="It overflows above 88 in float32 and bfloat16 and above 11 in float16; softplus does not.",
    source="Nelder & Wedderburn 1972, https://doi.org/10.2307/2344614",
)
def exponential(x):
    """Exponential: e to the power x.

    For the output of a Poisson or log-linear regression; never for hidden layers.
    """
    return ops.exp(x)


@activation(
    formula="log(1 + exp(x))",
    derivative="sigmoid(x)",
    range=(0.0, math.inf),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden", "output"),
    cost="high",
    strengths="A smooth relu with a gradient everywhere; makes outputs such as standard deviations positive.",
    traps="Its output is never zero: 0.69 at 0, which shifts the mean of the next layer's input.",
    source="Dugas et al. 2001, https://proceedings.neurips.cc/paper/2000/hash/44968aece94f667e4095002d140b5896-Abstract.html",
)
def softplus(x):
    """Smooth rectifier: log(1 + exp(x)).

    For outputs that must be positive, and where second derivatives of the network are needed.
    """
    return ops.softplus(x)


@activation(
    formula="(x + sqrt(x**2 + b))/2",
    # The plain form (1 + x/sqrt(x**2 + b))/2 overflows where x**2 does.
    derivative="(1 + sign(x)/sqrt(1 + b/x**2))/2",
    range=(0.0, math.inf),
    smoothness=math.inf,
    monotonic=True,
    specs={"b": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden", "output"),
    cost="medium",
    strengths="A softplus made of a square root: no exponential or logarithm is needed, and its tail is heavier.",
    traps="It approaches 0 slowly, like b/(4|x|), so it is never sparse.",
    source="Barron 2021, https://arxiv.org/abs/2112.11687",
    agrees_with_keras=False,
)
def squareplus(x, b=4.0):
    """Algebraic smooth rectifier: half of x plus the root of x squared plus b.

    Instead of softplus where XLA compiles the model, or on hardware without an exponential; eager PyTorch and graphs
    of TensorFlow compute softplus sooner. Keras computes x squared and so overflows in float16 from |x| = 256; this
    one does not.

    Args:
        x: A floating tensor.
        b: How round the bend is, above 0; the value at 0 is sqrt(b)/2.
    """
    a, s = magnitude(x), b**0.5
    v = in_units(a, 1.0 / s)
    # (sqrt(a**2 + b) - a)/2, without the difference of large numbers: b/4 over (sqrt(a**2 + b) + a)/2.
    return ops.relu(x) + 0.25 * b / (a + 16.0 * s * (ops.sqrt(v * v + SMALL) - v))


@activation(
    formula="Piecewise((0, x <= -1), ((x + 1)**2/4, x < 1), (x, True))",
    derivative="Piecewise((0, x <= -1), ((x + 1)/2, x < 1), (1, True))",
    range=(0.0, math.inf),
    smoothness=1,
    monotonic=True,
    belongs=("hidden",),
    cost="low",
    strengths="A relu whose bend is a parabola: exact zeros and no kink.",
    traps="Units that stay below -1 get no gradient and die, as with relu.",
    source="Blondel, Martins & Niculae 2020, https://arxiv.org/abs/1901.02324",
)
def sparse_plus(x):
    """Sparse softplus: 0 up to -1, a parabola between, x from 1 on.

    When zeros are wanted and the kink of relu is not. Keras's gradient is NaN for very negative x on JAX and PyTorch.
    """
    bend = ops.relu(1.0 - magnitude(x))
    return ops.relu(x) + 0.25 * bend * bend


@activation(
    formula="log(1 + exp(beta*x))/beta",
    derivative="sigmoid(beta*x)",
    range=(0.0, math.inf),
    smoothness=math.inf,
    monotonic=True,
    specs={"beta": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden", "output"),
    cost="high",
    strengths="A relu that is smooth to the degree one chooses: for gradients of gradients, and for saliency maps.",
    traps="With beta = 1 it is softplus; a large beta brings back the kink, a small one is nearly a line.",
    source=(
        "Dugas et al. 2001, "
        "https://proceedings.neurips.cc/paper/2000/hash/44968aece94f667e4095002d140b5896-Abstract.html; "
        "with beta Dombrowski et al. 2019, https://arxiv.org/abs/1906.07983"
    ),
)
def scaled_softplus(x, beta=5.0):
    """Softplus with a sharpness: log(1 + exp(beta x))/beta.

    For fields whose derivatives are trained too, and in place of relu where its explanations must be smooth.

    Args:
        x: A floating tensor.
        beta: The sharpness of the bend, above 0; the value at 0 is log(2)/beta.
    """
    root = beta**-0.5  # twice: the gradient of 1/beta overflows in float16 for small beta
    return ops.relu(x) + ops.softplus(magnitude(x) * -beta) * root * root


@activation(
    formula="Piecewise((x, x >= 0), (x/sqrt(1 + alpha*x**2), True))",
    derivative="Piecewise((1, x >= 0), (1/sqrt(1 + alpha*x**2)**3, True))",
    range=(-1.0, math.inf),
    smoothness=2,
    monotonic=True,
    specs={"alpha": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="medium",
    strengths="The shape of elu from a square root, with a continuous second derivative and no exponential.",
    traps="Its limit -1/sqrt(alpha) is reached slowly, so the negative side saturates later than that of elu.",
    source="Carlile, Delamarter, Kinney, Marti & Whitney 2017, https://arxiv.org/abs/1710.09967",
    layer_name="ISRLU",
)
def isrlu(x, alpha=1.0):
    """Inverse square root linear unit: x above zero, x/sqrt(1 + alpha x**2) below.

    In place of elu where XLA compiles the model, or on hardware without an exponential; eager PyTorch and graphs of
    TensorFlow compute elu sooner.

    Args:
        x: A floating tensor.
        alpha: The limit for very negative x is -1/sqrt(alpha); above 0.
    """
    v = in_units(x, alpha**0.5) * like(x <= 0, x)
    return ops.relu(x) + v / ops.sqrt(v * v + SMALL) * alpha**-0.5


@activation(
    formula="Piecewise((x/(1 + exp(-x)), x > 0), ((exp(x) - 1)/(1 + exp(-x)), True))",
    derivative=(
        "Piecewise((sigmoid(x)*(1 + x*sigmoid(-x)), x > 0), (sigmoid(x)*(exp(x) + (exp(x) - 1)*sigmoid(-x)), True))"
    ),
    # The least value, where exp(x) = sqrt(2) - 1.
    range=(2.0 * math.sqrt(2.0) - 3.0, math.inf),
    smoothness=1,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="Above zero it is silu, below it dips less: gradients pass on both sides near zero.",
    traps="Two exponentials for a curve close to silu; units far below zero get no gradient.",
    source="Basirat & Roth 2018, https://arxiv.org/abs/1808.00783",
    layer_name="ELiSH",
)
def elish(x):
    """Exponential linear sigmoid squashing: elu(x) times sigmoid(x).

    Beside silu and elu in convolutional networks; found by a genetic search.
    """
    return ops.elu(x) * ops.sigmoid(x)


@activation(
    formula="x*tanh(x)",
    derivative="tanh(x) + x*(1 - tanh(x)**2)",
    range=(0.0, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="A smooth absolute value: no side of zero loses its gradient.",
    traps="It is even, so it forgets the sign of its input, and its slope at 0 is 0; deep networks may not train.",
    source="Roy, Manna, Dubey & Chaudhuri 2019, https://arxiv.org/abs/1901.05894",
    layer_name="LiSHT",
)
def lisht(x):
    """Linearly scaled hyperbolic tangent: x times tanh(x).

    For features whose size matters and whose sign does not.
    """
    # tanh is 1 to all digits at 20; without the bound JAX multiplies the gradient's 0 by infinity.
    return x * ops.tanh(ops.where(x > 20, 20.0, ops.where(x < -20, -20.0, x)))


@activation(
    formula="x*erf(log(1 + exp(x)))",
    derivative="erf(softplus(x)) + x*exp(-softplus(x)**2)*sigmoid(x)*2/sqrt(pi)",
    range=(-0.3484374587596064, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="high",
    strengths="Close to mish with a slightly deeper dip and a quicker approach to x.",
    traps="An exponential, a logarithm and an error function, which LiteRT lacks; mish is nearly the same without it.",
    source="Nag & Bhattacharyya 2021, https://arxiv.org/abs/2108.09598",
)
def serf(x):
    """Log-softplus error activation: x times erf(softplus(x)).

    For deep networks, beside mish and gelu.
    """
    bounded = ops.where(ops.abs(x) >= 100, 0.0, x)  # beyond it is 0 or x, and gradients of erf overflow in float16
    return ops.where(x <= -100, 0.0, ops.where(x >= 100, x, bounded * ops.erf(ops.softplus(bounded))))
