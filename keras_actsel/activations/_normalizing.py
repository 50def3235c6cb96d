"""Activations of a whole axis: normalizers, whose outputs share it, and the gated linear unit, which halves it."""

import math

import keras
from keras import ops

from keras_actsel.activations import _formula
from keras_actsel.activations._catalogue import activation


@activation(
    kind="axiswise",
    formula="softmax(x, axis)",
    derivative="softmax(x, axis)*(1 - softmax(x, axis))",
    range=(0.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="high",
    strengths="Probabilities of mutually exclusive classes; the weights of attention.",
    traps="With a loss that has from_logits=True it is applied twice; in hidden layers it lets almost nothing through.",
    source="Bridle 1990, https://doi.org/10.1007/978-3-642-76153-9_28",
)
def softmax(x, axis=-1):
    """Normalized exponential: exp(x) divided by its sum along an axis.

    For the output of a classifier with one right class.

    Args:
        x: A floating tensor.
        axis: Integer: the axis whose values sum to one.
    """
    # Keras's function leaves the logits on its output, from which the loss is computed without rounding.
    return keras.activations.softmax(x, axis=axis)


@activation(
    kind="axiswise",
    formula="log(softmax(x, axis))",
    derivative="1 - softmax(x, axis)",
    range=(-math.inf, 0.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="high",
    strengths="Log-probabilities without the rounding and the infinities of log(softmax(x)).",
    traps="Keras's cross-entropies expect probabilities or logits; log-probabilities count as logits.",
    source="Goodfellow, Bengio & Courville 2016, https://www.deeplearningbook.org/contents/mlp.html",
)
def log_softmax(x, axis=-1):
    """Logarithm of the softmax along an axis.

    For losses written on log-probabilities.

    Args:
        x: A floating tensor.
        axis: Integer: the axis whose exponentials sum to one.
    """
    return ops.log_softmax(x, axis=axis)


@activation(
    kind="axiswise",
    formula="sparsemax(x, axis)",
    derivative="Piecewise((1 - 1/support(x, axis), sparsemax(x, axis) > 0), (0, True))",
    range=(0.0, 1.0),
    smoothness=0,
    monotonic=True,
    belongs=("output",),
    cost="high",
    strengths="Probabilities that can be exactly zero: attention and mixtures one can read.",
    traps="With cross-entropy a true class at probability 0 gives an infinite loss and no gradient.",
    source="Martins & Astudillo 2016, https://arxiv.org/abs/1602.02068",
    agrees_with_keras=False,
)
def sparsemax(x, axis=-1):
    """Sparse softmax: the nearest point of the probability simplex.

    For attention that should ignore most positions. Keras 3.15's own sparsemax is another function: it adds up the
    running sums in place of the entries, so with two or more entries in the support its values need not sum to one.

    Args:
        x: A floating tensor.
        axis: Integer: the axis whose values sum to one.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    z, support, size = _simplex_support(x, axis)
    tau = (ops.sum(ops.where(support, z, 0.0), axis=axis, keepdims=True) - 1.0) / size
    return ops.cast(ops.relu(z - tau), dtype)


def _simplex_support(x, axis):
    """The input relative to its maximum, which entries are positive in its sparsemax, and how many."""
    x = ops.cast(x, "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32")
    z = x - ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))
    descending = -ops.sort(-ops.stop_gradient(z), axis=axis)
    rank = ops.cumsum(ops.ones_like(z), axis=axis)
    above = descending * rank > ops.cumsum(descending, axis=axis) - 1.0
    smallest = ops.min(ops.where(above, descending, 1.0), axis=axis, keepdims=True)
    # Written so that NaN counts as part and spreads over the axis.
    support = ops.logical_not(ops.stop_gradient(z) < smallest)
    return z, support, ops.sum(ops.cast(support, z.dtype), axis=axis, keepdims=True)


_formula.define("sparsemax", sparsemax.function)
_formula.define("support", lambda x, axis: _simplex_support(x, axis)[2])


@activation(
    kind="shape_changing",
    width="1/2",
    formula="a*sigmoid(b)",
    # Half as many outputs as inputs: there is no derivative in one variable.
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="A gate with weights of its own: strong in sequence models, and it has a linear path for gradients.",
    traps="It halves the axis, so the layer before it needs twice the units.",
    source="Dauphin, Fan, Auli & Grangier 2017, https://arxiv.org/abs/1612.08083",
    layer_name="GLU",
)
def glu(x, axis=-1):
    """Gated linear unit: the first half of an axis times the sigmoid of the second half.

    For convolutional and feed-forward blocks of sequence models. In the formula a and b are the halves; with two
    inputs for each output it has no closed derivative here.

    Args:
        x: A floating tensor with an even size along the axis.
        axis: Integer: the axis that is halved.
    """
    return ops.glu(x, axis=axis)
