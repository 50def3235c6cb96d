"""Rectified activations: piecewise linear, with one or two kinks."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import choose, floored, like, scaled_below


@activation(
    formula="Piecewise((negative_slope*(x - threshold), x <= threshold), (x, x < max_value), (max_value, True))",
    derivative="Piecewise((negative_slope, x <= threshold), (1, x < max_value), (0, True))",
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("threshold", "max_value"),
    specs={"max_value": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="low",
    strengths="Cheap, sparse and a strong default with He initialization and normalization.",
    traps="A unit whose input stays negative gets no gradient and dies; the mean of its output is not zero.",
    source="Nair & Hinton 2010, https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf",
    layer_name="ReLU",
)
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Rectified linear unit: max(x, 0), with an optional leak, ceiling and threshold.

    The first choice for hidden layers of convolutional and dense networks, and the baseline for any other.

    Args:
        x: A floating tensor.
        negative_slope: The slope below the threshold; 0 to 1 in practice.
        max_value: The ceiling, above 0; None for no ceiling.
        threshold: Inputs up to this value are cut off.
    """
    flat = isinstance(negative_slope, int | float) and negative_slope == 0
    if flat and max_value is None and isinstance(threshold, int | float) and threshold == 0:
        return ops.relu(x)
    above = x if max_value is None else ops.where(x >= max_value, max_value, x)
    below = 0.0 if flat else negative_slope * (x - threshold)
    # NaN fails every comparison, so the last branch is the one that contains x.
    return ops.where(x <= threshold, below, above)


@activation(
    formula="Piecewise((0, x <= 0), (x, x < 6), (6, True))",
    derivative="Piecewise((0, x <= 0), (1, x < 6), (0, True))",
    range=(0.0, 6.0),
    smoothness=0,
    monotonic=True,
    kinks=("0", "6"),
    belongs=("hidden",),
    cost="low",
    strengths="Its bounded output survives low-precision arithmetic and quantization.",
    traps="It dies on both sides: no gradient below 0 and none above 6.",
    source="Krizhevsky 2010, https://www.cs.toronto.edu/~kriz/conv-cifar10-aug2010.pdf",
    layer_name="ReLU6",
)
def relu6(x):
    """Rectified linear unit with a ceiling of 6.

    For networks that will run quantized on small devices (MobileNet); elsewhere plain relu does as well.
    """
    return ops.relu6(x)


@activation(
    formula="Piecewise((x, x > 0), (negative_slope*x, True))",
    derivative="Piecewise((1, x > 0), (negative_slope, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    belongs=("hidden",),
    cost="low",
    strengths="A unit that is never positive still learns, and XLA computes it as quickly as relu.",
    traps="Defaults differ: 0.2 in keras.activations, 0.3 in keras.layers.LeakyReLU, 0.01 in the paper.",
    source="Maas, Hannun & Ng 2013, https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
    layer_name="LeakyReLU",
)
def leaky_relu(x, negative_slope=0.2):
    """Leaky rectified linear unit: x above zero, a small multiple of x below.

    When relu units die, and in the discriminators of generative adversarial networks. At exactly 0 the gradient is
    the slope below, on every backend; Keras on JAX gives 1 there.

    Args:
        x: A floating tensor.
        negative_slope: The slope below zero; 0.01 to 0.3 in practice.
    """
    return scaled_below(x, x, negative_slope)


@activation(
    formula="Piecewise((x, x > 0), (alpha*x, True))",
    derivative="Piecewise((1, x > 0), (alpha, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    specs={"alpha": Parameter(trainable=True, per_channel=True)},
    belongs=("hidden",),
    cost="low",
    strengths="Training finds the slope below zero, for one more weight per channel.",
    traps=(
        "Not Keras's PReLU, whose slopes start at 0 and differ at every position; "
        "weight decay on the slopes pulls them towards relu."
    ),
    source="He, Zhang, Ren & Sun 2015, https://arxiv.org/abs/1502.01852",
    layer_name="PReLU",
)
def prelu(x, alpha=0.25):
    """Parametric rectified linear unit: x above zero, a learned multiple of x below.

    When relu underfits and a few more weights are affordable. As a layer it learns one slope per channel; as a plain
    function it is a leaky_relu.

    Args:
        x: A floating tensor.
        alpha: The slope below zero, or where it starts when learned.
    """
    return scaled_below(x, x, alpha)


@activation(
    formula="Piecewise((default_value, x <= threshold), (x, True))",
    derivative="Piecewise((0, x <= threshold), (1, True))",
    range=(0.0, math.inf),
    smoothness=-1,
    monotonic=True,
    kinks=("threshold",),
    belongs=("hidden",),
    cost="low",
    strengths="Sparse codes without a bias: what passes keeps its full size.",
    traps="It jumps at the threshold, and the gradient does not know of the jump.",
    source="Konda, Memisevic & Krueger 2015, https://arxiv.org/abs/1402.3337",
)
def threshold(x, threshold=1.0, default_value=0.0):
    """Thresholded rectified linear unit: x above a threshold, a constant up to it.

    For sparse autoencoders without biases. The defaults are the paper's. `keras.activations.threshold`, which has none,
    agrees with the same arguments, but gives the constant for NaN on JAX and TensorFlow.

    Args:
        x: A floating tensor.
        threshold: What x must exceed to pass.
        default_value: What stands for an x that does not pass.
    """
    return floored(x, threshold, default_value)


@activation(
    formula="Piecewise((x, x > 0), ((lower + upper)/2*x, True))",
    derivative="Piecewise((1, x > 0), ((lower + upper)/2, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    belongs=("hidden",),
    cost="low",
    strengths="The random slope below zero regularizes, which helps most on small data sets.",
    traps=(
        "Its slope without training is the mean of the slopes, 0.229, as in PyTorch; the paper draws the divisor "
        "instead and takes x*2/(3 + 8), a slope of 0.182."
    ),
    source="Xu, Wang, Chen & Li 2015, https://arxiv.org/abs/1505.00853",
    layer_name="RReLU",
)
def rrelu(x, lower=1 / 8, upper=1 / 3, seed=None):
    """Randomized leaky rectified linear unit: in training each element below zero draws its own slope.

    When a convolutional network on a small data set overfits with leaky_relu. As a plain function, and in a layer
    outside training, it is the leaky_relu with the mean slope.

    Args:
        x: A floating tensor.
        lower: The smallest slope below zero.
        upper: The largest slope below zero.
        seed: A `keras.random.SeedGenerator`, or an integer, to draw the slopes uniformly; None for their mean.
    """
    if seed is None:
        return scaled_below(x, x, 0.5 * lower + 0.5 * upper)
    share = keras.random.uniform(ops.shape(x), dtype=keras.backend.standardize_dtype(x.dtype), seed=seed)
    return scaled_below(x, x, lower + (upper - lower) * share)


@activation(
    formula="Piecewise((-1, x <= -1), (x, True))",
    derivative="Piecewise((0, x <= -1), (1, True))",
    range=(-1.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("-1",),
    belongs=("hidden",),
    cost="low",
    strengths="About the cost of relu, with a mean nearer to zero: the line goes on down to -1.",
    traps="Units that stay below -1 get no gradient and die; a value of -1 is not sparse.",
    source="Clevert, Unterthiner & Hochreiter 2016, https://arxiv.org/abs/1511.07289",
    layer_name="ShiftedReLU",
)
def shifted_relu(x):
    """Shifted rectified linear unit: max(x, -1).

    In place of elu where an exponential costs too much; the piecewise linear rival in the paper of elu.
    """
    return floored(x, -1.0, -1.0)


@activation(
    formula="Piecewise((tau, x <= tau), (x, True))",
    derivative="Piecewise((0, x <= tau), (1, True))",
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("tau",),
    specs={"tau": Parameter(trainable=True, per_channel=True)},
    belongs=("hidden",),
    cost="low",
    strengths="Each channel learns where to cut: what relu lacks after a normalization that does not centre.",
    traps="It starts as relu, and a bias before and after it can do the same; it gains where these are missing.",
    source="Singh & Krishnan 2019, https://arxiv.org/abs/1911.09737",
    layer_name="TLU",
)
def tlu(x, tau=0.0):
    """Thresholded linear unit: max(x, tau) with a learned tau.

    After filter response normalization, for which it was made, and other normalizations that leave the mean alone.

    Args:
        x: A floating tensor.
        tau: The floor of the output, or where it starts when learned.
    """
    return floored(x, tau, tau)


@activation(
    formula=(
        "Piecewise((t_right + a_right*(x - t_right), x >= t_right), (t_left + a_left*(x - t_left), x <= t_left), "
        "(x, True))"
    ),
    derivative="Piecewise((a_right, x >= t_right), (a_left, x <= t_left), (1, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("t_left", "t_right"),
    specs=dict.fromkeys(
        ("t_right", "a_right", "t_left", "a_left"),
        Parameter(trainable=True, per_channel=True),
    ),
    belongs=("hidden",),
    cost="low",
    strengths="Each channel learns two thresholds and two slopes, so convex, concave and S shapes are in reach.",
    traps=(
        "Four weights per channel; where t_left passes t_right the function jumps, and with a_right = 1, its start, "
        "t_right gets no gradient. Clevert et al. give the name SReLU to shifted_relu."
    ),
    source="Jin, Xu, Feng, Wei, Xiong & Yan 2015, https://arxiv.org/abs/1512.07030",
    aliases=("srelu",),
    layer_name="SReLU",
)
def s_shaped_relu(x, t_right=1.0, a_right=1.0, t_left=0.0, a_left=0.2):
    """S-shaped rectified linear unit: x between two thresholds, and beyond each a line of its own slope.

    When the data are many and prelu still underfits. It starts as a leaky_relu; the paper freezes it for the first
    epochs and then starts t_right at a high quantile of the inputs.

    Args:
        x: A floating tensor.
        t_right: The threshold on the right; from it on the right line holds, whatever t_left is.
        a_right: The slope from t_right on.
        t_left: The threshold on the left.
        a_left: The slope up to t_left.
    """
    right, left = x >= t_right, x <= t_left
    slope = choose(right, a_right, choose(left, a_left, 1.0, x), x)
    # Each line goes through (t, t).
    return x * slope + choose(right, t_right - a_right * t_right, choose(left, t_left - a_left * t_left, 0.0, x), x)


@activation(
    formula="Piecewise((1, x >= 0), (0, True))",
    derivative="0",
    surrogate="Piecewise((1, surrogate == 'straight_through'), (sigmoid(x)*sigmoid(-x), True))",
    range=(0.0, 1.0),
    smoothness=-1,
    monotonic=True,
    kinks=("0",),
    specs={"surrogate": Parameter(choices=("straight_through", "sigmoid"))},
    belongs=("gate",),
    cost="low",
    strengths="The hard decision: exact gates, spikes and threshold logic, trained through a stand-in for its slope.",
    traps="Its true gradient is zero, so what training follows is not the slope of the loss, and is biased.",
    source=(
        "McCulloch & Pitts 1943, https://doi.org/10.1007/BF02478259; "
        "straight-through gradient Bengio, Léonard & Courville 2013, https://arxiv.org/abs/1308.3432"
    ),
)
def binary_step(x, surrogate="straight_through"):
    """Heaviside step: 1 for x >= 0, else 0; training is given the slope of a stand-in.

    For hard gates and binary units.

    Args:
        x: A floating tensor.
        surrogate: The slope that training uses: `"straight_through"`, that of x itself, or `"sigmoid"`, that of the
            logistic function, which dies out away from 0.
    """
    finite = ops.where(ops.isinf(x), 0.0, x)
    smooth = finite if surrogate == "straight_through" else ops.sigmoid(finite)
    # Adds 0, and the slope of `smooth`; NaN where x is.
    return like(x >= 0, x) + (smooth - ops.stop_gradient(smooth))


@activation(
    formula="x",
    derivative="1",
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="low",
    strengths="The output of a regression, and the neutral candidate of a mixture.",
    traps="Layers with nothing but linear between them collapse into one linear layer.",
    source="Goodfellow, Bengio & Courville 2016, https://www.deeplearningbook.org/contents/mlp.html",
)
def linear(x):
    """Identity: x itself.

    For outputs that may take any value, and for layers that another layer's activation follows.
    """
    return x
