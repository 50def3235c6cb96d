"""S-shaped activations, and the logarithm of one."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation


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
    return ops.where(x <= -1, 0.0, ops.where(x >= 1, 1.0, 0.5 * (x + 1.0)))


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

    For bounded outputs at low cost. The gradient at -1 and 1 is 0; Keras gives 1 on JAX and TensorFlow.
    """
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
