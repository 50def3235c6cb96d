"""Constants of an activation moved into the layers that read it: their kernels are scaled, their biases shifted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_actsel.surgery._sites import Flow, Step
from keras_actsel.surgery._terms import Combination

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_GLOBAL_AVERAGES = (
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
)
_GLOBAL_MAXIMA = (keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D, keras.layers.GlobalMaxPooling3D)
_GLOBAL = (*_GLOBAL_AVERAGES, *_GLOBAL_MAXIMA)
_MAXIMA = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D, *_GLOBAL_MAXIMA)
_AVERAGES = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D, keras.layers.AveragePooling3D)
_POOLINGS = (*_AVERAGES, *_MAXIMA, *_GLOBAL_AVERAGES)
_RESHAPING = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute)


@dataclass(frozen=True, eq=False)
class Constants:
    """What a tensor is short of: scale * tensor + offset is what it stands for.

    Args:
        scale: A number, or an array that broadcasts against the tensor.
        offset: Likewise.
        shape: The shape of the tensor.
    """

    scale: Any
    offset: Any
    shape: tuple[int | None, ...]

    def moved(self, function: Callable[[Any], Any], shape: Sequence[int | None]) -> "Constants":
        """The constants behind a layer that only moves values about, or averages equal ones."""
        return Constants(function(self.scale), function(self.offset), tuple(shape))

    @property
    def shifts(self) -> bool:
        """Whether anything is added."""
        return bool(np.any(self.offset))

    @property
    def change(self) -> bool:
        """Whether there is anything to do at all."""
        return self.shifts or bool(np.any(np.not_equal(self.scale, 1.0)))

    def varies_along(self, axis: int) -> bool:
        """Whether the values differ along no axis but this one."""
        others = [np.delete(np.shape(part), axis) for part in (self.scale, self.offset) if np.size(part) > 1]
        return all(np.prod(sizes) == 1 for sizes in others)


@dataclass(frozen=True, eq=False)
class Fold:
    """A layer and what it takes in: a factor and an offset for each of its input channels.

    Args:
        layer: The layer of the model that is collapsed.
        scale: A number, or an array of as many as it has input channels.
        offset: Likewise.
    """

    layer: Any
    scale: Any
    offset: Any

    def apply(self, layer: Any) -> None:
        """Change the weights of the layer's copy accordingly."""
        kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
        column = [np.reshape(part, (-1, 1)) for part in (self.scale, self.offset)]
        if np.any(self.offset):
            reach = np.sum(kernel * column[1], axis=tuple(range(kernel.ndim - 1)))
            layer.bias.assign(ops.convert_to_numpy(layer.bias) + reach)
        layer.kernel.assign(kernel * column[0])


def folded(flow: Flow, sites: Mapping[int, Combination]) -> tuple[dict[int, Combination], list[Fold]]:
    """Combinations without the constants that the layers behind them take in, and what these take in.

    Args:
        flow: The data flow of the outermost model.
        sites: The combinations by the id of the operation whose output they are.
    """
    readers = _Readers(flow)
    left, folds = dict(sites), list[Fold]()
    for step in flow.steps:
        if id(step.op) in sites and readers.calls[id(step.op)] == 1:
            left[id(step.op)], taken = _relieved(step, sites[id(step.op)], readers)
            folds += taken
    return left, folds


def _relieved(step: Step, combined: Combination, readers: "_Readers") -> tuple[Combination, list[Fold]]:
    """A combination without what can be folded: of scale and offset both, else the scale, else the offset."""
    scale, offset = combined.scale, combined.offset
    for factor, shift in ((scale, offset), (scale, 0.0), (1.0, offset)):
        wanted = Constants(factor, shift, step.shape)
        if wanted.change and (taken := readers.folds(step.outputs[0], wanted)):
            return combined.without(factor, shift), taken
    return combined, []


class _Readers:
    """Who reads each tensor of a data flow, and what constants of it they take in."""

    def __init__(self, flow: Flow) -> None:
        self.calls = Counter(id(step.op) for step in flow.steps)
        self._outputs = set(flow.outputs)
        self._steps: dict[int, list[Step]] = {}
        for step in flow.steps:
            for tensor in step.inputs:
                self._steps.setdefault(tensor, []).append(step)

    def folds(self, tensor: int, constants: Constants) -> list[Fold]:
        """The layers that take in the constants of a tensor; none if any of its readers can't."""
        steps = self._steps.get(tensor, [])
        branches = [] if tensor in self._outputs else [self._through(step, constants) for step in steps]
        return [fold for branch in branches for fold in branch] if all(branches) else []

    def _through(self, step: Step, constants: Constants) -> list[Fold]:
        if len(step.inputs) != 1 or self.calls[id(step.op)] > 1:
            return []
        if _takes_in(step.op, constants):
            return [Fold(step.op, _column(constants.scale), _column(constants.offset))]
        passed = _passed_on(step.op, constants, step.shape)
        return [] if passed is None else self.folds(step.outputs[0], passed)


def _column(part: Any) -> np.ndarray:
    return np.ravel(np.asarray(part, "float64"))


def _takes_in(op: Any, constants: Constants) -> bool:
    """Whether a layer computes the same of scale * x + offset, with other weights, as of x."""
    if type(op) not in (keras.layers.Dense, *_CONVOLUTIONS) or not _has_plain_kernel(op):
        return False
    if constants.shifts and not op.use_bias:
        return False
    if type(op) is keras.layers.Dense:
        return constants.varies_along(-1)
    at_borders = constants.shifts and op.padding != "valid"  # where the padding is 0 and not the offset
    return op.groups == 1 and not at_borders and constants.varies_along(_channels(op))


def _has_plain_kernel(op: Any) -> bool:
    constrained = op.kernel_constraint is not None or op.bias_constraint is not None
    return not constrained and op.quantization_mode is None and not getattr(op, "lora_enabled", False)


def _channels(op: Any) -> int:
    return 1 if op.data_format == "channels_first" else -1


def _passed_on(op: Any, constants: Constants, shape: Sequence[int | None]) -> Constants | None:
    """The constants behind a layer that commutes with them; None for one that does not."""
    if type(op) in _DROPOUTS and not constants.shifts:
        return constants.moved(_same, shape)
    if type(op) in _RESHAPING:
        return _reshaped(op, constants, shape)
    if type(op) in _POOLINGS and _commutes(op, constants) and constants.varies_along(_channels(op)):
        return constants.moved(_on_arrays(op) if type(op) in _GLOBAL else _same, shape)
    return None


def _commutes(pooling: Any, constants: Constants) -> bool:
    if type(pooling) in _MAXIMA:
        return bool(np.all(np.greater_equal(constants.scale, 0)))
    # An average over a border may count what is outside as 0.
    return not constants.shifts or getattr(pooling, "padding", "valid") == "valid"


def _reshaped(op: Any, constants: Constants, shape: Sequence[int | None]) -> Constants | None:
    sizes = [size for size in constants.shape[1:] if size is not None]
    if len(sizes) < len(constants.shape) - 1:
        return constants.moved(_same, shape) if np.size(constants.scale) == np.size(constants.offset) == 1 else None
    move = _on_arrays(op)
    return constants.moved(lambda part: move(np.broadcast_to(part, (1, *sizes)) if np.size(part) > 1 else part), shape)


def _same(part: Any) -> Any:
    return part


def _on_arrays(op: Any) -> Callable[[Any], Any]:
    """A layer without weights as a function of arrays; numbers stay as they are."""
    copy = type(op).from_config({**op.get_config(), "dtype": "float32"})
    return lambda part: ops.convert_to_numpy(copy(np.array(part, "float32"))) if np.size(part) > 1 else part
