"""How mean and variance go through layers without a kernel: a table of rules, each a function of plain numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree


@dataclass(frozen=True)
class Signal:
    """What is known of a tensor.

    Args:
        mean: The mean over its elements, and over inputs and weights.
        variance: The variance, likewise.
        shape: Its shape, None for the batch and what is not known.
        value: Its value for a batch, where one is given.
        between: The part of the variance that is between the means of the channels. It is the same at every
            position, so that no average over positions takes it away.
        kept: The share of its squared mean that the next kernel is to let through, from 0 to 1.
        normalized: Whether nothing but reshaping and dropout stands between it and a normalization.
    """

    mean: float
    variance: float
    shape: tuple[int | None, ...]
    value: Any = None
    between: float = 0.0
    kept: float = 1.0
    normalized: bool = False

    @property
    def square(self) -> float:
        """The mean square."""
        return self.variance + self.mean**2


class Moments(NamedTuple):
    """Mean, variance, and the part of it that is between the means of the channels."""

    mean: float
    variance: float
    between: float = 0.0


Rule = Callable[[Any, Sequence[Signal]], Moments]


def rule_of(op: Any) -> Rule | None:
    """The rule for an operation; None for one of unknown effect."""
    for kind in type(op).__mro__:
        if kind in _LAYERS:
            return _LAYERS[kind]
    return _NODES.get(type(op).__name__) if type(op).__module__.startswith("keras.") else None


def _same(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    (signal,) = inputs
    return Moments(signal.mean, signal.variance, signal.between)


def _sum(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    return Moments(*(sum(getattr(s, part) for s in inputs) for part in Moments._fields))


def _difference(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    first, second = inputs
    return Moments(first.mean - second.mean, first.variance + second.variance, first.between + second.between)


def _average(op: Any, inputs: Sequence[Signal]) -> Moments:
    mean, variance, between = _sum(op, inputs)
    return Moments(mean / len(inputs), variance / len(inputs) ** 2, between / len(inputs) ** 2)


def _product(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    mean = math.prod(s.mean for s in inputs)
    means = math.prod(s.between + s.mean**2 for s in inputs)
    return Moments(mean, math.prod(s.square for s in inputs) - mean**2, means - mean**2)


def _concatenation(op: Any, inputs: Sequence[Signal]) -> Moments:
    sizes = [s.shape[getattr(op, "axis", -1)] or 1 for s in inputs]
    mean = float(np.average([s.mean for s in inputs], weights=sizes))
    square, means = (
        float(np.average(values, weights=sizes))
        for values in ([s.square for s in inputs], [s.between + s.mean**2 for s in inputs])
    )
    return Moments(mean, square - mean**2, means - mean**2)


def _average_pooling(op: Any, inputs: Sequence[Signal]) -> Moments:
    (signal,) = inputs
    within = signal.variance - signal.between
    return Moments(signal.mean, signal.between + within / _window(op, signal), signal.between)


def _max_pooling(op: Any, inputs: Sequence[Signal]) -> Moments:
    (signal,) = inputs
    within = max(signal.variance - signal.between, 0.0)
    mean, variance = _largest_of(_window(op, signal))
    return Moments(signal.mean + within**0.5 * mean, signal.between + within * variance, signal.between)


def _window(op: Any, signal: Signal) -> int:
    """How many elements one of the output is made of; sizes that are not known count as 1."""
    if hasattr(op, "pool_size"):
        size = op.pool_size
        return math.prod(size) if isinstance(size, (tuple, list)) else int(size)
    spatial = signal.shape[1:-1] if op.data_format == "channels_last" else signal.shape[2:]
    return math.prod(size or 1 for size in spatial)


@cache
def _largest_of(count: int) -> tuple[float, float]:
    """Mean and variance of the largest of `count` independent standard normal variables."""
    from scipy.stats import norm

    z = np.linspace(-12.0, 12.0, 20001)
    density = count * norm.pdf(z) * norm.cdf(z) ** (count - 1)
    mean = float(np.trapezoid(z * density, z))
    return mean, float(np.trapezoid(z * z * density, z)) - mean**2


def _normalized(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    """Mean 0 and variance 1 before the layer's own scale and shift, as in training."""
    return _scaled(op, 0.0, 1.0)


def _root_mean_square(op: Any, inputs: Sequence[Signal]) -> Moments:
    (signal,) = inputs
    root = max(signal.square, 1e-12) ** 0.5
    return _scaled(op, signal.mean / root, signal.variance / root**2)


def _scaled(op: Any, mean: float, variance: float) -> Moments:
    """After a scale and a shift for each channel."""
    gamma, beta = (_values(getattr(op, a, None), b) for a, b in (("gamma", 1.0), ("beta", 0.0)))
    if getattr(op, "gamma", None) is None:
        gamma = _values(getattr(op, "scale", None), 1.0)
    means = gamma * mean + beta
    return Moments(float(means.mean()), float((gamma**2).mean() * variance + means.var()), float(means.var()))


def _values(weight: Any, default: float) -> Any:
    of_weight = weight is not None and not isinstance(weight, (bool, float, int))
    return np.asarray(ops.convert_to_numpy(weight), "float64") if of_weight else np.array([default])


def _rescaling(op: Any, inputs: Sequence[Signal]) -> Moments:
    (signal,) = inputs
    scale, offset = np.asarray(op.scale, "float64"), np.asarray(op.offset, "float64")
    means = scale * signal.mean + offset
    squares = (scale**2).mean()
    between = float(squares * signal.between + means.var())
    return Moments(float(means.mean()), float(squares * signal.variance + means.var()), between)


def _standard(op: Any, inputs: Sequence[Signal]) -> Moments:  # noqa: ARG001
    return Moments(0.0, 1.0)


def _named(pattern: str) -> list[type]:
    """Keras's layers of this name for each number of dimensions."""
    names = [pattern.format(n) for n in (1, 2, 3)]
    return [getattr(keras.layers, name) for name in names if hasattr(keras.layers, name)]


_LAYERS: dict[type, Rule] = {
    **dict.fromkeys(
        [
            *(keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute, keras.layers.RepeatVector),
            *(keras.layers.Dropout, keras.layers.AlphaDropout, keras.layers.GaussianDropout, keras.layers.Identity),
            *(keras.layers.GaussianNoise, keras.layers.ActivityRegularization, keras.layers.Masking),
            *_named("SpatialDropout{}D"),
            *_named("ZeroPadding{}D"),
            *_named("Cropping{}D"),
            *_named("UpSampling{}D"),
        ],
        _same,
    ),
    **dict.fromkeys([*_named("AveragePooling{}D"), *_named("GlobalAveragePooling{}D")], _average_pooling),
    **dict.fromkeys([*_named("MaxPooling{}D"), *_named("GlobalMaxPooling{}D")], _max_pooling),
    **dict.fromkeys(
        [keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.GroupNormalization], _normalized
    ),
    keras.layers.RMSNormalization: _root_mean_square,
    keras.layers.Normalization: _standard,
    keras.layers.Rescaling: _rescaling,
    keras.layers.Add: _sum,
    keras.layers.Subtract: _difference,
    keras.layers.Average: _average,
    keras.layers.Multiply: _product,
    keras.layers.Concatenate: _concatenation,
}

# Nodes of the graph that are no layers, such as `a + b`, by their name.
_NODES: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Transpose", "Squeeze", "ExpandDims", "Swapaxes", "Moveaxis", "Cast"), _same),
    "Concatenate": _concatenation,
}
_OF_TWO: dict[str, Rule] = {"Add": _sum, "Subtract": _difference, "Multiply": _product}


def propagated(op: Any, inputs: Sequence[Signal]) -> Moments | None:
    """Mean and variance after an operation without a kernel; None if its effect is not known."""
    of_two = not isinstance(op, keras.Layer) and len(inputs) == 2
    rule = _OF_TWO.get(type(op).__name__) if of_two else rule_of(op)
    return None if rule is None else rule(op, inputs)


def merges(op: Any, inputs: Sequence[Signal]) -> bool:
    """Whether an operation joins elements whose dependence the rules do not know."""
    return len(inputs) > 1 or rule_of(op) in (_average_pooling, _max_pooling)


def is_normalized(op: Any, inputs: Sequence[Signal]) -> bool:
    """Whether what comes out of an operation is as a normalization left it."""
    rule = rule_of(op)
    return rule in (_normalized, _root_mean_square) or (rule is _same and all(s.normalized for s in inputs))


def value_of(op: Any, args: Any, kwargs: Any) -> Any:
    """What an operation makes of the values of signals, as in training where that makes a difference of scale."""
    args, kwargs = tree.map_structure(lambda leaf: leaf.value if isinstance(leaf, Signal) else leaf, (args, kwargs))
    if isinstance(op, keras.layers.BatchNormalization):
        return _normalized_by_batch(op, args[0])
    return op(*args, **kwargs)


def _normalized_by_batch(op: Any, value: Any) -> Any:
    """Batch normalization by the batch's own statistics, those of the layer left as they are."""
    axis = op.axis % len(value.shape)
    mean, variance = ops.moments(value, [i for i in range(len(value.shape)) if i != axis], keepdims=True)
    shape = tuple(mean.shape)
    gamma, beta = (ops.reshape(p, shape) if p is not None else c for p, c in ((op.gamma, 1.0), (op.beta, 0.0)))
    return (value - mean) * ops.rsqrt(variance + op.epsilon) * gamma + beta


def measured(signal: Signal, value: Any) -> Signal:
    """The signal with the mean and variance of a value."""
    numbers = np.asarray(ops.convert_to_numpy(ops.cast(value, "float32")), "float64")
    axis = -1 if numbers.ndim < 4 or keras.config.image_data_format() == "channels_last" else 1
    channels = np.moveaxis(numbers, axis, -1).reshape(-1, numbers.shape[axis]) if numbers.ndim > 2 else numbers[:1]
    between = float(channels.mean(axis=0).var()) if numbers.ndim > 2 else 0.0
    return replace(signal, mean=float(numbers.mean()), variance=float(numbers.var()), between=between, value=value)
