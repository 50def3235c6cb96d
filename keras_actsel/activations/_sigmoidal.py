"""S-shaped activations, and the logarithm of one."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import SMALL, in_units, on_torch, scaled_below


@activation(
    formula="1/(1 + exp(-x))",
    derivative="sigmoid(x)*sigmoid(-x)",
    range=(0.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden", "output", "gate"),
    cost="medium",
    strengths="Probabilities of independent yes-or-no outputs, and the gates of recurrent cells.",
    traps="In hidden layers it saturates, and its slope of at most 1/4 makes gradients vanish with depth.",
    source="Rumelhart, Hinton & Williams 1986, https://doi.org/10.1038/323533a0",
)
def sigmoid(x):
    """Logistic function: 1/(1 + exp(-x)).

    For binary outputs and gates; seldom for hidden layers.
    """
    # Keras's function leaves the logits on its output, from which the loss is computed without rounding.
    return keras.activations.sigmoid(x)


@activation(
    formula="Piecewise((0, x <= -3), (x/6 + 1/2, x < 3), (1, True))",
    derivative="Piecewise((0, x <= -3), (1/6, x < 3), (0, True))",
    range=(0.0, 1.0),
    smoothness=0,
    monotonic=True,
    kinks=("-3", "3"),
    belongs=("gate",),
    cost="low",
    strengths="A sigmoid without an exponential, made for quantized inference.",
    traps="Beyond -3 and 3 the gradient is exactly zero; Keras 2 and older papers used the slope 1/5.",
    source="Howard et al. 2019, https://arxiv.org/abs/1905.02244",
)
def hard_sigmoid(x):
    """Piecewise linear sigmoid: x/6 + 1/2, cut off at 0 and 1.

    For gates and squeeze-and-excite blocks on small devices.
    """
    return ops.hard_sigmoid(x)


@activation(
    formula="Piecewise((0, x <= -1), ((x + 1)/2, x < 1), (1, True))",
    derivative="Piecewise((0, x <= -1), (1/2, x < 1), (0, True))",
    range=(0.0, 1.0),
    smoothness=0,
    monotonic=True,
    kinks=("-1", "1"),
    belongs=("gate",),
    cost="low",
    strengths="Probabilities that can be exactly 0 and 1: the two-class sparsemax.",
    traps="Beyond -1 and 1 the gradient is exactly zero, so train it with the sparsemax loss, not with log loss.",
    source="Blondel, Martins & Niculae 2020, https://arxiv.org/abs/1901.02324",
)
def sparse_sigmoid(x):
    """Sparse sigmoid: (x + 1)/2, cut off at 0 and 1.

    For gates that should close fully. The gradient at -1 and 1 is 0; Keras on JAX gives 1/4.
    """
    return ops.relu6(3.0 * (x + 1.0)) / 6.0


@activation(
    formula="tanh(x)",
    derivative="1 - tanh(x)**2",
    range=(-1.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden", "output"),
    cost="medium",
    strengths="Zero-centred and bounded: the state of recurrent cells, outputs in [-1, 1].",
    traps="It saturates beyond about 3, so gradients vanish in deep feed-forward networks.",
    source="LeCun, Bottou, Orr & Müller 1998, https://doi.org/10.1007/3-540-49430-8_2",
)
def tanh(x):
    """Hyperbolic tangent.

    For recurrent cells, bounded outputs and shallow networks, with Glorot initialization.
    """
    return ops.tanh(x)


@activation(
    formula="Piecewise((-1, x <= -1), (x, x < 1), (1, True))",
    derivative="Piecewise((0, x <= -1), (1, x < 1), (0, True))",
    range=(-1.0, 1.0),
    smoothness=0,
    monotonic=True,
    kinks=("-1", "1"),
    belongs=("hidden", "output"),
    cost="low",
    strengths="A tanh without an exponential, exact in the middle.",
    traps="Beyond -1 and 1 the gradient is exactly zero and a unit can die.",
    source="Collobert 2004, https://ronan.collobert.com/pub/matos/2004_phdthesis_lip6.pdf",
)
def hard_tanh(x):
    """Piecewise linear tanh: x, cut off at -1 and 1.

    For bounded outputs. The gradient at -1 and 1 is 0; Keras gives 1 on JAX and TensorFlow.
    """
    if on_torch():
        return ops.hard_tanh(x)
    return ops.where(x <= -1, -1.0, ops.where(x >= 1, 1.0, x))


@activation(
    formula="x/(1 + Abs(x))",
    derivative="1/(1 + Abs(x))**2",
    range=(-1.0, 1.0),
    smoothness=1,
    monotonic=True,
    belongs=("hidden",),
    cost="low",
    strengths="Saturates far more slowly than tanh, so its gradients last longer.",
    traps="It needs |x| = 99 to reach 0.99, so outputs near the bounds are hard to learn.",
    source="Glorot & Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html",
)
def softsign(x):
    """Algebraic sigmoid: x/(1 + |x|).

    In place of tanh when units saturate early in training.
    """
    return ops.softsign(x)


@activation(
    formula="x/sqrt(1 + alpha*x**2)",
    derivative="1/sqrt(1 + alpha*x**2)**3",
    range=(-1.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    specs={"alpha": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="medium",
    strengths="A tanh made of a square root, about as quick as tanh where XLA compiles it, not in eager PyTorch.",
    traps="It reaches its limits 1/sqrt(alpha) more slowly than tanh, and still saturates in deep networks.",
    source="Carlile, Delamarter, Kinney, Marti & Whitney 2017, https://arxiv.org/abs/1710.09967",
    layer_name="ISRU",
)
def isru(x, alpha=1.0):
    """Inverse square root unit: x/sqrt(1 + alpha x**2).

    In place of tanh, also in recurrent cells, where its tails should be heavier.

    Args:
        x: A floating tensor.
        alpha: The limits are -1/sqrt(alpha) and 1/sqrt(alpha); above 0.
    """
    v = in_units(x, alpha**0.5)
    return v * ops.rsqrt(v * v + SMALL) * alpha**-0.5


@activation(
    formula="Piecewise((tanh(x), x > 0), (tanh(x)/4, True))",
    derivative="Piecewise((1 - tanh(x)**2, x > 0), ((1 - tanh(x)**2)/4, True))",
    range=(-0.25, 1.0),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    belongs=("hidden",),
    cost="medium",
    strengths="The most stable of 21 activations over many tasks of natural language in the comparison of Eger et al.",
    traps="It saturates on both sides like tanh, has a kink at 0, and its mean is above zero.",
    source=(
        "Xu, Huang & Li 2016, https://arxiv.org/abs/1602.05980; "
        "compared by Eger, Youssef & Gurevych 2018, https://arxiv.org/abs/1901.02671"
    ),
)
def penalized_tanh(x):
    """Penalized hyperbolic tangent: tanh(x) above zero, a quarter of it below.

    In place of tanh in networks for text, the gates of LSTM cells included.
    """
    return scaled_below(ops.tanh(x), x, 0.25)


@activation(
    formula="1.7159*tanh(2*x/3)",
    derivative="1.7159*2/3*(1 - tanh(2*x/3)**2)",
    range=(-1.7159, 1.7159),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden",),
    cost="medium",
    strengths="Targets of 1 and -1 lie inside its range, where it is steep still: f(1) = 1 and f(-1) = -1.",
    traps="It was meant to keep variance 1, and takes a normal input of variance 1 to 0.75; its slope at 0 is 1.14.",
    source="LeCun, Bottou, Orr & Müller 1998, https://doi.org/10.1007/3-540-49430-8_2",
    layer_name="LeCunTanh",
)
def lecun_tanh(x):
    """Scaled hyperbolic tangent: 1.7159 tanh(2x/3).

    For shallow networks on standardized inputs, with weights of variance 1/fan_in.
    """
    return 1.7159 * ops.tanh(x * (2.0 / 3.0))


@activation(
    formula="atan(x)",
    derivative="1/(1 + x**2)",
    range=(-math.pi / 2.0, math.pi / 2.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden",),
    cost="medium",
    strengths="A bounded S whose gradient falls off like 1/x**2, far more slowly than that of tanh.",
    traps="Its limits of about 1.57 are approached slowly; LiteRT does not know it.",
    source="Kunc & Kléma 2024 (a survey), https://arxiv.org/abs/2402.09092",
    layer_name="ArcTan",
)
def arctan(x):
    """Inverse tangent: the angle of slope x.

    In place of tanh when units saturate early, between tanh and softsign.
    """
    return ops.arctan(x)


@activation(
    formula="-log(1 + exp(-x))",
    derivative="sigmoid(-x)",
    range=(-math.inf, 0.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="high",
    strengths="Log-probabilities without the rounding of log(sigmoid(x)).",
    traps="Its values are not probabilities: a loss that takes the logarithm itself must not follow it.",
    source="Goodfellow, Bengio & Courville 2016, https://www.deeplearningbook.org/contents/prob.html",
)
def log_sigmoid(x):
    """Logarithm of the sigmoid: -log(1 + exp(-x)).

    For losses written on log-probabilities, such as noise-contrastive ones.
    """
    return ops.log_sigmoid(x)
