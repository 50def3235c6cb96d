"""Activations with an exponential or a smooth bend on one side and a line on the other."""

import math

from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter

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
    return ops.where(x > 0, x, alpha * ops.elu(x))


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
    return SELU_SCALE * ops.where(x > 0, x, SELU_ALPHA * ops.elu(x))


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
    below = ops.where(x > 0, 0.0, x)
    return ops.where(x > 0, x, alpha * ops.elu(below / alpha))


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
    cost="high",
    strengths="A softplus made of a square root: no exponential, so it is quick on hardware without one.",
    traps="It approaches 0 slowly, like b/(4|x|), so it is never sparse.",
    source="Barron 2021, https://arxiv.org/abs/2112.11687",
    agrees_with_keras=False,
)
def squareplus(x, b=4.0):
    """Algebraic smooth rectifier: half of x plus the root of x squared plus b.

    Instead of softplus where the exponential is the bottleneck. Keras computes x squared and so overflows in float16
    from |x| = 256; this one does not.

    Args:
        x: A floating tensor.
        b: How round the bend is, above 0; the value at 0 is sqrt(b)/2.
    """
    positive = x >= 0
    a, s = ops.where(positive, x, -x), b**0.5
    # sqrt(a**2 + b) without a square that overflows; both factors are smooth and positive.
    root = ops.sqrt(a + s) * ops.sqrt(a + s * ((s - a) / (s + a)))
    # For negative x the sum x + root would cancel; b/(root - x) does not. Halves inside keep it from overflowing.
    return ops.where(positive, x, 0.0) + 0.25 * b / (0.5 * root + 0.5 * a)


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
    bend = ops.relu(ops.where(x >= 1, 0.0, x) + 1.0)
    return ops.where(x >= 1, x, 0.25 * bend * bend)
