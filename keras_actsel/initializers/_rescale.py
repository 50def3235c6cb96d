"""`rescale`: weights of a whole model scaled so that its signals neither vanish nor explode at the start."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_actsel.initializers._operating import STANDARD, kept_share, operating_point
from keras_actsel.initializers._propagation import (
    Moments,
    Signal,
    is_normalized,
    measured,
    merges,
    propagated,
    value_of,
)
from keras_actsel.initializers._response import linear_share, response
from keras_actsel.surgery import activation_in, fed, rebuild, walk

_SAMPLES = 512
_After = tuple[Moments, float]


def rescale(model: Any, x: Any = None) -> Any:
    """A copy of a model whose weighted layers have outputs of mean 0 and variance about 1 at the start.

    Mean and variance are followed through the graph: a layer whose inputs have mean m and variance v has, in unit u,
    outputs of mean m sum(w_u) + b_u and variance v sum(w_u^2). Its kernel is multiplied by one number, so that over
    inputs and units the mean square is 1. The bias takes the part of m away that only hides the signal: as much as
    lets gradients keep their size, E[f'(z)^2] over the mean square that is left being 1 where it can be. That is all of
    it for sigmoid, and nothing for relu, whose weights are then those of He et al. Activations, pooling, normalization,
    sums, products and concatenations follow by quadrature and by the rules for independent variables. Batch
    normalization counts as it acts in training: before the first step it lets `predict` through as it is.

    A few activations have no stable flow there. Where they shrink what is small, or oscillate, the layers that feed
    them get the variance nearest to 1, from 1/64 to 64, at which samples and gradients keep their size. Where they grow
    like a square, the biases also get a mean of 1, around which those functions are close to a line. Neither is done
    behind a normalization, where nothing can grow from layer to layer.

    Of functions of a whole axis and of gated units only the size of the outputs is known, not whether deep stacks of
    them are stable in training. Embeddings get the mean square 1 too; weights inside recurrent and attention layers
    stay as they are.

    For models about to be trained, above all deep ones without normalization. Weights that were trained are scaled
    like others and their biases lost; frozen layers (`trainable=False`) stay as they are.

    Args:
        model: A built `keras.Sequential` or `keras.Model(inputs, outputs)`. It is left as it is.
        x: A batch of inputs, of some hundred samples, as `model.predict` takes it. From it the mean and variance of
            the inputs are measured, and of what comes out of layers whose effect is not known (recurrent ones,
            attention, those of your own). Without it inputs are taken to have mean 0 and variance 1.

    Returns:
        A new model of the same kind, not compiled.

    Raises:
        ValueError: If the model can't be copied, `x` has not a batch for each of its inputs, or is not finite.

    Warns:
        UserWarning: If there are layers whose effect is not known, and no `x` to measure it with.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_actsel import rescale
        >>> deep = [keras.layers.Dense(64, activation="sigmoid") for _ in range(10)]
        >>> model = keras.Sequential([keras.Input((64,)), *deep, keras.layers.Dense(1)])
        >>> x = np.random.default_rng(0).normal(size=(256, 64)).astype("float32")
        >>> y = rescale(model).predict(x, verbose=0)
        >>> bool(np.var(model.predict(x, verbose=0)) < 1e-3), bool(0.1 < np.var(y) < 10)
        (True, True)

    Source: the idea is AutoInit's, Bingham & Miikkulainen 2023, https://arxiv.org/abs/2109.08958
    """
    copy = rebuild(model)
    scaler = _Scaler({layer: operating_point(activation) for layer, activation in fed(copy).items()})
    walk(copy, _inputs(copy, x), scaler.call)
    if scaler.unknown:
        warnings.warn(
            f"The effect of {', '.join(scaler.unknown)} on mean and variance is not known: their weights are as they "
            "were, and their outputs are taken to have mean 0 and variance 1. Pass `x`, a batch of inputs, to measure "
            "them.",
            stacklevel=2,
        )
    return copy


def _inputs(model: Any, x: Any) -> list[Signal]:
    """A signal for each input of the model."""
    signals = [Signal(0.0, 1.0, tuple(tensor.shape)) for tensor in model.inputs]
    if x is None:
        return signals
    values = tree.flatten(x)
    if len(values) != len(signals):
        raise ValueError(
            f"x must be a batch for each input of the model. Expected {len(signals)}. Received: {len(values)}."
        )
    starts = [measured(s, ops.convert_to_tensor(v)) for s, v in zip(signals, values, strict=True)]
    if not all(math.isfinite(start.square) for start in starts):
        raise ValueError("x has values that are not finite. Received: NaN or infinity. Expected numbers.")
    return starts


class _Scaler:
    """Scales the layers that it meets, each at its first call, and says what comes out.

    Args:
        targets: Mean and variance that the outputs of a layer are to have, by its id; 0 and 1 where none are named.
    """

    def __init__(self, targets: Mapping[int, Moments]) -> None:
        self.unknown: dict[str, None] = {}
        self._targets = targets
        self._scaled: set[int] = set()

    def call(self, op: Any, args: Any, kwargs: Any, shapes: Any) -> Any:
        """The signals that come out of a call, in the structure of `shapes`."""
        inputs = [leaf for leaf in tree.flatten((args, kwargs)) if isinstance(leaf, Signal)]
        after = self._after(op, inputs)
        (mean, variance, between), kept = after or (Moments(0.0, 1.0), 1.0)
        signal = Signal(mean, variance, (), between=between, kept=kept, normalized=is_normalized(op, inputs))
        signals = [replace(signal, shape=tuple(tensor.shape)) for tensor in tree.flatten(shapes)]
        if inputs and all(signal.value is not None for signal in inputs):
            values = zip(signals, tree.flatten(value_of(op, args, kwargs)), strict=True)
            by_rule = after is not None and not merges(op, inputs)
            signals = [replace(s, value=value) if by_rule else measured(s, value) for s, value in values]
        elif after is None:
            self.unknown[op.name] = None
        return tree.pack_sequence_as(shapes, signals)

    def _after(self, op: Any, inputs: Sequence[Signal]) -> _After | None:
        """Moments and the kept share after an operation; None if its effect is not known."""
        if len(inputs) == 1 and (activation := activation_in(op)) is not None:
            return _activated(activation, inputs[0], inputs[0].shape)
        layer = op.layer if isinstance(op, keras.layers.TimeDistributed) else op
        if isinstance(layer, keras.layers.Embedding):
            return self._embedded(layer), 1.0
        if len(inputs) == 1 and (stages := _stages(layer)):
            # Behind a normalization nothing can grow from layer to layer, wherever the activation works.
            target = STANDARD if inputs[0].normalized else self._targets.get(id(op), STANDARD)
            moments = self._weighted(layer, stages, inputs[0], target)
            activation = getattr(layer, "activation", None)
            return (moments, 1.0) if activation is None else _activated(activation, moments, inputs[0].shape)
        known = propagated(op, inputs)
        return None if known is None else (known, min((signal.kept for signal in inputs), default=1.0))

    def _first_time(self, layer: Any) -> bool:
        """Whether a layer is to be scaled now: it learns, and was not met before."""
        new = id(layer) not in self._scaled and bool(layer.trainable)
        self._scaled.add(id(layer))
        return new

    def _embedded(self, layer: Any) -> Moments:
        table = _numbers(layer.embeddings)
        if self._first_time(layer) and table.any():
            table = table / np.sqrt((table**2).mean())
            layer.embeddings.assign(table)
        return Moments(float(table.mean()), float(table.var()))

    def _weighted(self, layer: Any, stages: Sequence["_Stage"], signal: Signal, target: Moments) -> Moments:
        before, first = Moments(signal.mean, signal.variance, signal.between), self._first_time(layer)
        for stage in stages:
            if first:
                stage.scale(before, signal.kept, target if stage is stages[-1] else STANDARD)
            before = stage.outcome(before)
        return before


def _activated(activation: Any, before: Signal | Moments, shape: Sequence[int | None]) -> _After:
    """What an activation makes of a normal variable; by a sample where it takes a whole axis."""
    mean, variance = before.mean, before.variance
    try:
        first, second = response(activation, mean, variance)
    except ValueError:
        return _sampled(activation, mean, variance, shape)
    passed = linear_share(activation, mean, variance) * before.between / max(variance, 1e-12)
    return Moments(first, max(second - first**2, 0.0), passed), kept_share(activation, mean, variance)


def _sampled(activation: Any, mean: float, variance: float, shape: Sequence[int | None]) -> _After:
    sizes = [size or 8 for size in shape[1:]]
    drawn = np.random.default_rng(0).normal(mean, variance**0.5, (_SAMPLES, *sizes)).astype("float32")
    sample = measured(Signal(0.0, 1.0, ()), activation(ops.convert_to_tensor(drawn)))
    return Moments(sample.mean, sample.variance), 1.0


class _Stage:
    """A kernel, the axes over which a unit sums, and the bias that is added.

    Args:
        kernel: The variable.
        axes: The axes of the kernel that are summed over.
        bias: The bias with an element for each unit; None if there is none.
        share: The share of the kernel that meets one element of the output: 1/stride in transposed convolutions.
    """

    def __init__(self, kernel: Any, axes: Sequence[int], bias: Any = None, share: float = 1.0) -> None:
        self.kernel, self.axes, self.bias, self.share = kernel, tuple(axes), bias, share

    def _sums(self) -> tuple[Any, Any]:
        """The sum of a unit's weights, and of their squares."""
        w = _numbers(self.kernel)
        return self.share * w.sum(axis=self.axes), self.share * (w**2).sum(axis=self.axes)

    def scale(self, before: Moments, kept: float, target: Moments) -> None:
        """Scale the kernel to the target's variance; the bias takes away the mean not kept, and adds the target's."""
        kept = 1.0 if self.bias is None else kept
        total, squares = self._sums()
        mean, variance, _ = before
        size = variance * squares.mean() + kept * mean**2 * (total**2).mean()
        if not size > 1e-30:
            return  # a constant input, or a kernel of zeros
        offset, spread, _ = target
        factor = (spread / size) ** 0.5
        self.kernel.assign(_numbers(self.kernel) * factor)
        if self.bias is not None:
            self.bias.assign((offset - (1.0 - kept**0.5) * factor * mean * total).reshape(self.bias.shape))

    def outcome(self, before: Moments) -> Moments:
        """Mean and variance of the outputs, over the units too."""
        total, squares = self._sums()
        offset = 0.0 if self.bias is None else _numbers(self.bias).reshape(total.shape)
        means = before.mean * total + offset
        variance, between = (float(part * squares.mean() + means.var()) for part in before[1:])
        return Moments(float(means.mean()), variance, between)


def _numbers(weight: Any) -> Any:
    return np.asarray(ops.convert_to_numpy(ops.cast(weight, "float32")), "float64")


def _stages(layer: Any) -> list[_Stage]:
    """The kernels of a layer in the order in which they act; none for a layer of another kind."""
    bias = getattr(layer, "bias", None)
    for kinds, stages in _STAGES:
        if isinstance(layer, kinds):
            return stages(layer, bias)
    return []


def _named(*patterns: str) -> tuple[type, ...]:
    names = [pattern.format(n) for pattern in patterns for n in (1, 2, 3)]
    return tuple(getattr(keras.layers, name) for name in names if hasattr(keras.layers, name))


def _all_but(kernel: Any, *kept: int) -> list[int]:
    rank = len(kernel.shape)
    return [axis for axis in range(rank) if axis - rank not in kept]


def _dense(layer: Any, bias: Any) -> list[_Stage]:
    return [_Stage(layer.kernel, _all_but(layer.kernel, -1), bias)]


def _transposed(layer: Any, bias: Any) -> list[_Stage]:
    return [_Stage(layer.kernel, _all_but(layer.kernel, -2), bias, 1.0 / math.prod(layer.strides))]


def _depthwise(layer: Any, bias: Any) -> list[_Stage]:
    return [_Stage(layer.kernel, _all_but(layer.kernel, -1, -2), bias)]


def _separable(layer: Any, bias: Any) -> list[_Stage]:
    spread = _Stage(layer.depthwise_kernel, _all_but(layer.depthwise_kernel, -1, -2))
    return [spread, _Stage(layer.pointwise_kernel, _all_but(layer.pointwise_kernel, -1), bias)]


def _einsum(layer: Any, bias: Any) -> list[_Stage]:
    inputs, _, output = layer.equation.partition("->")
    letters = inputs.partition(",")[2].strip()
    axes = [axis for axis, letter in enumerate(letters) if letter not in output]
    units = math.prod(size for axis, size in enumerate(layer.kernel.shape) if axis not in axes)
    fits = bias is not None and math.prod(bias.shape) == units
    return [_Stage(layer.kernel, axes, bias if fits else None)]


_STAGES = (
    (_named("Conv{}DTranspose"), _transposed),
    (_named("DepthwiseConv{}D"), _depthwise),
    (_named("SeparableConv{}D"), _separable),
    ((keras.layers.EinsumDense,), _einsum),
    ((keras.layers.Dense, *_named("Conv{}D")), _dense),
)
