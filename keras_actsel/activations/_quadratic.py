"""Rectified activations with a parabola: squares of relu, and a relu with a rounded bend."""

import math

from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import magnitude


@activation(
    formula="Piecewise((x**2, x > 0), (0, True))",
    derivative="Piecewise((2*x, x > 0), (0, True))",
    range=(0.0, math.inf),
    smoothness=1,
    monotonic=True,
    belongs=("hidden",),
    cost="low",
    strengths="As sparse as relu and without a kink; trains language models in fewer steps than relu or gelu.",
    traps="Outputs and gradients grow with the input: it overflows above 255 in float16 and needs normalization.",
    source="So et al. 2021, https://arxiv.org/abs/2109.08668",
    layer_name="SquaredReLU",
)
def squared_relu(x):
    """Squared rectified linear unit: max(x, 0) squared.

    For the feed-forward blocks of transformers with normalization before them (Primer).
    """
    above = ops.relu(x)
    return above * above


@activation(
    formula="Piecewise((scale*x**2 + bias, x > 0), (bias, True))",
    derivative="Piecewise((2*scale*x, x > 0), (0, True))",
    range=(-0.4472, math.inf),
    smoothness=1,
    monotonic=True,
    specs={"scale": Parameter(trainable=True), "bias": Parameter(trainable=True)},
    belongs=("hidden",),
    cost="low",
    strengths="A squared relu of mean 0 and variance 1 for normal inputs, without an exponential or error function.",
    traps="It grows with the square of its input; the authors' code starts at scale 1 and bias 0, not as derived.",
    source="Yu et al. 2022, https://arxiv.org/abs/2210.13452",
    layer_name="StarReLU",
)
def star_relu(x, scale=0.8944, bias=-0.4472):
    """Scaled and shifted squared rectified linear unit, with a learned scale and shift.

    For vision transformers and their kin (MetaFormer), in place of gelu.

    Args:
        x: A floating tensor.
        scale: The factor of the square, or where it starts when learned.
        bias: What is added, or where it starts when learned.
    """
    above = ops.relu(x)
    return scale * above * above + bias


@activation(
    formula="Piecewise((0, x <= -beta), ((x + beta)**2/(4*beta), x < beta), (x, True))",
    derivative="Piecewise((0, x <= -beta), ((x + beta)/(2*beta), x < beta), (1, True))",
    range=(0.0, math.inf),
    smoothness=1,
    monotonic=True,
    specs={"beta": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="low",
    strengths="A relu without its kink: networks trained twice agree better.",
    traps="Units that stay below -beta get no gradient and die; with beta = 1 it is sparse_plus.",
    source="Shamir, Lin & Coviello 2020, https://arxiv.org/abs/2010.09931",
    layer_name="SmeLU",
)
def smelu(x, beta=0.5):
    """Smooth rectified linear unit: relu with a parabola in place of its kink.

    When predictions must be reproducible from one training to the next, as in ranking and recommendation.

    Args:
        x: A floating tensor.
        beta: Half the width of the parabola, above 0, on the scale of x.
    """
    # Dividing by sqrt(beta) twice: the gradient of 1/beta overflows in float16 for small beta.
    bend = ops.relu(beta - magnitude(x)) * (0.5 * beta**-0.5)
    return ops.relu(x) + bend * bend
