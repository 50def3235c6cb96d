"""Activations that normalize: softmax and its kin, whose outputs share an axis, and dynamic tanh."""

import math

import keras
from keras import ops

from keras_actsel.activations import _formula
from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter


@activation(
    kind="axiswise",
    formula="softmax(x, axis)",
    derivative="softmax(x, axis)*(1 - softmax(x, axis))",
    range=(0.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    belongs=("output",),
    cost="medium",
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
    kind="axiswise",
    formula="softmax(-x, axis)",
    derivative="-softmax(-x, axis)*(1 - softmax(-x, axis))",
    range=(0.0, 1.0),
    smoothness=math.inf,
    monotonic=False,
    belongs=("output",),
    cost="medium",
    strengths="Probabilities from distances or energies, of which the least is the likeliest.",
    traps="It is softmax of -x: a loss that has from_logits=True needs -x, not x.",
    source="Bridle 1990 (softmax), https://doi.org/10.1007/978-3-642-76153-9_28",
)
def softmin(x, axis=-1):
    """Normalized exponential of -x: the smallest entry gets the largest share.

    For outputs that are distances to classes, and for attention over costs.

    Args:
        x: A floating tensor.
        axis: Integer: the axis whose values sum to one.
    """
    return ops.softmax(-x, axis=axis)


@activation(
    kind="axiswise",
    formula="entmax15(x, axis)",
    derivative="sqrt(entmax15(x, axis))*(1 - sqrt(entmax15(x, axis))/root_sum(x, axis))",
    range=(0.0, 1.0),
    smoothness=1,
    monotonic=True,
    belongs=("output",),
    cost="high",
    strengths="Between softmax and sparsemax: exact zeros, and a slope that does not jump.",
    traps="It needs a sort; with cross-entropy a true class at probability 0 gives an infinite loss and no gradient.",
    source="Peters, Niculae & Martins 2019, https://arxiv.org/abs/1905.05702",
)
def entmax15(x, axis=-1):
    """Sparse softmax of order 1.5: squares of what exceeds a threshold, which sum to one.

    For attention and for outputs with many classes, of which few are plausible.

    Args:
        x: A floating tensor.
        axis: Integer: the axis whose values sum to one.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    root = _entmax15_root(x, axis)
    return ops.cast(root * root, dtype)


def _entmax15_root(x, axis):
    """The square roots of entmax15: relu(z - tau) with z half the input, and tau such that their squares sum to 1."""
    x = ops.cast(x, "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32")
    z = 0.5 * (x - ops.stop_gradient(ops.max(x, axis=axis, keepdims=True)))
    # Entries a unit below the largest get nothing; cut there, their squares do not overflow.
    cut = ops.where(z < -1, -1.0, z)
    descending = -ops.sort(-ops.stop_gradient(cut), axis=axis)
    rank = ops.cumsum(ops.ones_like(z), axis=axis)
    sums, squares = ops.cumsum(descending, axis=axis), ops.cumsum(descending * descending, axis=axis)
    inside = descending > _entmax15_threshold(sums, squares, rank)
    smallest = ops.min(ops.where(inside, descending, 1.0), axis=axis, keepdims=True)
    support = ops.logical_not(ops.stop_gradient(cut) < smallest)
    kept = ops.where(support, cut, 0.0)
    sums, squares = (ops.sum(v, axis=axis, keepdims=True) for v in (kept, kept * kept))
    size = ops.sum(ops.cast(support, z.dtype), axis=axis, keepdims=True)
    return ops.relu(z - _entmax15_threshold(sums, squares, size))


def _entmax15_threshold(sums, squares, size):
    """The tau for which the squares of z - tau sum to 1 over so many entries."""
    mean = sums / size
    spread = (1.0 - (squares - sums * mean)) / size
    # The root of what is too wide for the support to reach, 0, would have an infinite gradient.
    possible = spread > 0
    return mean - ops.where(possible, ops.sqrt(ops.where(possible, spread, 1.0)), 0.0)


_formula.define("entmax15", entmax15.function)
_formula.define("root_sum", lambda x, axis: ops.sum(_entmax15_root(x, axis), axis=axis, keepdims=True))


@activation(
    formula="gamma*tanh(alpha*x) + beta",
    derivative="gamma*alpha*(1 - tanh(alpha*x)**2)",
    range=(-1.0, 1.0),
    smoothness=math.inf,
    monotonic=True,
    specs={
        "alpha": Parameter(trainable=True),
        **dict.fromkeys(("gamma", "beta"), Parameter(trainable=True, per_channel=True)),
    },
    belongs=("hidden",),
    cost="medium",
    strengths="Stands in for layer normalization in transformers without any statistics of the batch or the axis.",
    traps="It replaces a normalization, not the activation of a layer; in large models alpha must be tuned.",
    source="Zhu, Chen, He, LeCun & Liu 2025, https://arxiv.org/abs/2503.10622",
    aliases=("dyt",),
)
def dynamic_tanh(x, alpha=0.5, gamma=1.0, beta=0.0):
    """Scaled tanh in place of a normalization: gamma tanh(alpha x) + beta.

    For transformers, where LayerNormalization or RMSNormalization stood. As a layer it learns one alpha, and gamma and
    beta for each channel.

    Args:
        x: A floating tensor.
        alpha: The scale inside, or where it starts when learned.
        gamma: The scale outside, or where it starts when learned.
        beta: The shift, or where it starts when learned.
    """
    return gamma * ops.tanh(alpha * x) + beta
