"""Activations that change the width of an axis: gated units, which halve it, and their kin."""

import math

import keras
from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._gated import gelu
from keras_actsel.activations._parameter import Parameter

_SHAZEER = "Shazeer 2020, https://arxiv.org/abs/2002.05202"


def _pieces(x, number, axis):
    """Equal consecutive pieces of an axis."""
    size = x.shape[axis]
    if size is not None and size % number:
        raise ValueError(
            f"Expected a size along axis {axis} that {number} divides. Received: input shape {tuple(x.shape)}. "
            f"Give the layer before it a multiple of {number} units."
        )
    return ops.split(x, number, axis=axis)


def _wide(x):
    """The tensor in float32 or wider.

    In float16 the product of both halves in a gradient overflows, and infinity times the slope 0 of a gate that is
    fully open is NaN.
    """
    return x if keras.backend.standardize_dtype(x.dtype) == "float64" else ops.cast(x, "float32")


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
    traps="The layer before it needs twice the units.",
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
    value, gate = _pieces(x, 2, axis)
    return value * ops.sigmoid(gate)


@activation(
    kind="shape_changing",
    width="1/2",
    formula="a*Max(b, 0)",
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=False,
    belongs=("hidden",),
    cost="low",
    strengths="The cheapest gated unit with exact zeros; close to geglu and swiglu in transformers.",
    traps="A gate that stays negative gets no gradient, nor does its value; the layer before needs twice the units.",
    source=_SHAZEER,
    layer_name="ReGLU",
)
def reglu(x, axis=-1):
    """Rectified gated linear unit: the first half of an axis times the relu of the second half.

    For the feed-forward blocks of transformers. In the formula a and b are the halves.

    Args:
        x: A floating tensor with an even size along the axis.
        axis: Integer: the axis that is halved.
    """
    value, gate = _pieces(x, 2, axis)
    return value * ops.relu(gate)


@activation(
    kind="shape_changing",
    width="1/2",
    formula="a*gelu(b, approximate)",
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="It and swiglu had the lowest perplexities of the units that Shazeer compared in a transformer.",
    traps=(
        "T5 v1.1 uses the tanh approximation: set approximate=True for its weights. It grows like a square and "
        "overflows float16 where both halves pass 256."
    ),
    source=_SHAZEER,
    layer_name="GEGLU",
)
def geglu(x, axis=-1, approximate=False):
    """Gated linear unit with gelu: the first half of an axis times the gelu of the second half.

    For the feed-forward blocks of transformers (T5 v1.1). In the formula a and b are the halves.

    Args:
        x: A floating tensor with an even size along the axis.
        axis: Integer: the axis that is halved.
        approximate: Whether its gelu is the tanh formula, as in T5 v1.1, in place of the exact one.
    """
    value, gate = _pieces(_wide(x), 2, axis)
    return ops.cast(value * gelu(gate, approximate=approximate), keras.backend.standardize_dtype(x.dtype))


@activation(
    kind="shape_changing",
    width="1/2",
    formula="a*b*sigmoid(b)",
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="medium",
    strengths="The usual feed-forward unit of large language models (PaLM, LLaMA).",
    traps=(
        "For equal weights make the block 2/3 as wide; published code often has the gate in the first half, "
        "here it is the second."
    ),
    source=_SHAZEER,
    layer_name="SwiGLU",
)
def swiglu(x, axis=-1):
    """Gated linear unit with swish: the first half of an axis times the silu of the second half.

    For the feed-forward blocks of transformers. In the formula a and b are the halves.

    Args:
        x: A floating tensor with an even size along the axis.
        axis: Integer: the axis that is halved.
    """
    value, gate = _pieces(_wide(x), 2, axis)
    return ops.cast(value * ops.silu(gate), keras.backend.standardize_dtype(x.dtype))


@activation(
    kind="shape_changing",
    width="1/2",
    formula="a*b",
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=False,
    belongs=("hidden",),
    cost="low",
    strengths="A gated unit with no nonlinearity but the product: cheap, smooth and a polynomial of its input.",
    traps="It grows like a square: without normalization deep stacks of it overflow.",
    source=_SHAZEER,
)
def bilinear(x, axis=-1):
    """Product of the two halves of an axis.

    For the feed-forward blocks of transformers, and for networks to be analysed as polynomials. In the formula a and
    b are the halves.

    Args:
        x: A floating tensor with an even size along the axis.
        axis: Integer: the axis that is halved.
    """
    first, second = _pieces(x, 2, axis)
    return first * second


@activation(
    kind="shape_changing",
    width="2",
    formula="(Max(x, 0), Max(-x, 0))",
    derivative=None,
    range=(0.0, math.inf),
    smoothness=0,
    monotonic=False,
    belongs=("hidden",),
    cost="low",
    strengths="Keeps both phases of a filter, so no information is lost and half as many filters do.",
    traps="It doubles the weights of the next layer.",
    source="Shang, Sohn, Almeida & Lee 2016, https://arxiv.org/abs/1603.05201",
    layer_name="CReLU",
)
def crelu(x, axis=-1):
    """Concatenated rectified linear unit: relu(x) and relu(-x), one after the other.

    For the first layers of convolutional networks, whose filters tend to come in opposite pairs.

    Args:
        x: A floating tensor.
        axis: Integer: the axis that is doubled.
    """
    return ops.concatenate([ops.relu(x), ops.relu(-x)], axis=axis)


@activation(
    kind="shape_changing",
    width="1/num_pieces",
    formula="Max(a, b)",
    derivative=None,
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    specs={"num_pieces": Parameter(bounds=(1, math.inf))},
    belongs=("hidden",),
    cost="low",
    strengths=(
        "With enough pieces it approximates any convex function, two give one bend; and it never dies, as some piece "
        "always has a gradient."
    ),
    traps="The layer before it needs num_pieces times the units, so it costs that many times the weights.",
    source="Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, https://arxiv.org/abs/1302.4389",
)
def maxout(x, num_pieces=2, axis=-1):
    """Maximum over equal pieces of an axis.

    For dense and convolutional networks with dropout. In the formula a and b are two pieces. Of equal pieces the
    first gets the gradient.

    Args:
        x: A floating tensor whose size along the axis is a multiple of `num_pieces`.
        num_pieces: Integer above 1: how many pieces the axis is cut into.
        axis: Integer: the axis that is cut.
    """
    largest, *others = _pieces(x, num_pieces, axis)
    for piece in others:
        # NaN is in the result wherever it is in a piece.
        largest = ops.where(ops.logical_or(piece > largest, ops.isnan(piece)), piece, largest)
    return largest
