"""What functions share: casting to the dtype of x, and putting pieces together.

On PyTorch's CPU `where` mispredicts a branch at every second sign of a random x, and takes 30 times as long as relu.
There the pieces are put together by products with 0 and 1.
"""

import math
from typing import Any

import keras
from keras import ops

SMALL = 1.0 / 32.0**2


def on_torch() -> bool:
    """Whether `where` is slow, as PyTorch is the backend."""
    return bool(keras.backend.backend() == "torch")


def like(value: Any, x: Any) -> Any:
    """The value in the dtype of x; of a condition 1 where it holds and 0 elsewhere."""
    return ops.cast(value, keras.backend.standardize_dtype(x.dtype))


def choose(condition: Any, chosen: Any, other: Any, x: Any) -> Any:
    """`chosen` where the condition holds and `other` elsewhere, both finite, in the dtype of x."""
    if not on_torch():
        return like(ops.where(condition, chosen, other), x)
    holds = like(condition, x)
    where_chosen = holds if isinstance(chosen, float) and chosen == 1.0 else holds * chosen
    return where_chosen + (1.0 - holds) * other


def scaled_below(value: Any, x: Any, factor: Any) -> Any:
    """`value` where x is above 0, and `factor` times `value` elsewhere."""
    return value * choose(x > 0, 1.0, factor, x)


def magnitude(x: Any) -> Any:
    """|x|, whose slope at 0 is -1 on every backend: with that of relu, 0, it makes what is smooth at 0."""
    return scaled_below(x, x, -1.0)


def floored(x: Any, threshold: Any, value: Any) -> Any:
    """`value` where x is at most the threshold, and x elsewhere."""
    if not on_torch():
        return ops.where(x <= threshold, value, x)
    if isinstance(threshold, int | float) and isinstance(value, int | float):
        return ops.threshold(x, threshold, value)  # on other backends it turns NaN into the value
    return choose(x <= threshold, value, ops.where(x == -math.inf, 0.0, x), x)


def in_units(x: Any, rate: Any) -> Any:
    """rate*x/32 as v, within 128: for roots of 1 + (rate*x)**2, which are |rate*x| to all digits beyond.

    As 32*sqrt(v**2 + SMALL) they need no square that overflows, in float16 neither.
    """
    return ops.clip(x * (rate / 32.0), -128.0, 128.0)
