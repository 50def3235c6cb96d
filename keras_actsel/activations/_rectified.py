"""Rectified activations: piecewise linear, with one or two kinks."""

import math

from keras import ops

from keras_actsel.activations._record import activation


@activation(
    formula="Piecewise((negative_slope*(x - threshold), x <= threshold), (Min(x, max_value), True))",
    derivative="Piecewise((negative_slope, x <= threshold), (1, x < max_value), (0, True))",
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("threshold", "max_value"),
    strengths="Cheap, sparse and a strong default with He initialization and normalization.",
    traps="A unit whose input stays negative gets no gradient and dies; the mean of its output is not zero.",
    source="Nair & Hinton 2010, https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf",
    layer_name="ReLU",
)
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Rectified linear unit: max(x, 0), with an optional leak, ceiling and threshold."""
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return ops.relu(x)
    above = x if max_value is None else ops.where(x < max_value, x, max_value)
    return ops.where(x > threshold, above, negative_slope * (x - threshold))


@activation(
    formula="Piecewise((x, x > 0), (negative_slope*x, True))",
    derivative="Piecewise((1, x > 0), (negative_slope, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("0",),
    strengths="As cheap as relu, and no unit can die.",
    traps="Defaults differ: 0.2 in keras.activations, 0.3 in keras.layers.LeakyReLU, 0.01 in the paper.",
    source="Maas, Hannun & Ng 2013, https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
    layer_name="LeakyReLU",
)
def leaky_relu(x, negative_slope=0.2):
    """Leaky rectified linear unit: x above zero, a small multiple of x below."""
    return ops.relu(x) - negative_slope * ops.relu(-x)
