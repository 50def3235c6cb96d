"""Shrinking activations: they pull small values to zero and let large ones through."""

import math

from keras import ops

from keras_actsel.activations._catalogue import activation
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._pieces import like, on_torch


@activation(
    formula="Piecewise((x - threshold, x > threshold), (x + threshold, x < -threshold), (0, True))",
    derivative="Piecewise((1, x > threshold), (1, x < -threshold), (0, True))",
    range=(-math.inf, math.inf),
    smoothness=0,
    monotonic=True,
    kinks=("-threshold", "threshold"),
    specs={"threshold": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="low",
    strengths="The proximal step of an L1 penalty: denoising, sparse coding, unrolled optimization.",
    traps="Every large value is biased towards zero by the threshold; inputs of small scale are lost entirely.",
    source="Donoho 1995, https://doi.org/10.1109/18.382009",
)
def soft_shrink(x, threshold=0.5):
    """Soft thresholding: moves x towards zero by the threshold, and stops there.

    For sparse codes and networks that imitate iterative shrinkage. NaN stays NaN; Keras makes it 0 on JAX and
    TensorFlow.

    Args:
        x: A floating tensor.
        threshold: How far x is moved, above 0; on the scale of x.
    """
    return ops.relu(x - threshold) - ops.relu(-x - threshold)


@activation(
    formula="Piecewise((0, Abs(x) <= threshold), (x, True))",
    derivative="Piecewise((0, Abs(x) <= threshold), (1, True))",
    range=(-math.inf, math.inf),
    smoothness=-1,
    monotonic=True,
    kinks=("-threshold", "threshold"),
    specs={"threshold": Parameter(bounds=(0.0, math.inf))},
    belongs=("hidden",),
    cost="low",
    strengths="Removes small values and leaves large ones unbiased.",
    traps="It jumps at the threshold, and the threshold itself gets no gradient.",
    source="Donoho & Johnstone 1994, https://doi.org/10.1093/biomet/81.3.425",
)
def hard_shrink(x, threshold=0.5):
    """Hard thresholding: x where it is larger than the threshold in size, else 0.

    For denoising, where the size of what remains matters. NaN stays NaN; Keras makes it 0 on JAX and TensorFlow.

    Args:
        x: A floating tensor.
        threshold: The size up to which x is removed, above 0; on the scale of x.
    """
    size = ops.abs(x)
    # XLA turns the product into a `where` that loses NaN.
    return x * like(size > threshold, x) if on_torch() else ops.where(size <= threshold, 0.0, x)


@activation(
    formula="x - tanh(x)",
    derivative="tanh(x)**2",
    range=(-math.inf, math.inf),
    smoothness=math.inf,
    monotonic=True,
    belongs=("hidden",),
    cost="medium",
    strengths="A shrinkage that is smooth everywhere.",
    traps="Its slope at 0 is 0, so a network that starts with small activations learns slowly.",
    source="Paszke et al. 2019 (PyTorch's Tanhshrink), https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanhshrink.html",
)
def tanh_shrink(x):
    """Smooth shrinkage: x minus tanh(x).

    For sparse codes trained by gradient; seldom for classification.
    """
    return ops.tanh_shrink(x)
