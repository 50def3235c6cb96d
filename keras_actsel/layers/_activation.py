"""The layer that applies an activation from the catalogue, with parameters that it may learn."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_actsel import activations

MARGIN = 1e-3
"""How far inside its limits a learned parameter stays."""

_OF_THE_BASE_LAYER = {"name", "dtype", "autocast", "activity_regularizer"}


class Within(keras.constraints.Constraint):
    """Keeps weights between two limits, by a margin."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low + MARGIN, high - MARGIN

    def __call__(self, w: Any) -> Any:
        """The nearest weights inside."""
        return ops.clip(w, self.low, self.high)


@keras.saving.register_keras_serializable(package="keras_actsel")
class Activation(keras.layers.Layer):
    """Applies an activation function; its parameters can be set, and learned.

    A drop-in for `keras.layers.Activation` that also knows the catalogue's names, records and parameters.

    Args:
        activation: A name, a spelling with parameters, a record, or a function: whatever `activations.get` reads. Or
            a layer, such as an `ActivationMixture`: this one then applies a copy of it, and builds it in time.
        trainable: The names of the parameters to learn; a bool is Keras's own `trainable`. By default what the
            record says: `"prelu"` learns its slope, most learn nothing.
        axis: Integer or list: the axes along which a learned parameter has a value for each index, -1 for one per
            channel of a channels-last tensor. None: one value for the layer. Default: the channels' axis for a record
            that learns by itself and for each channel (`"prelu"`), else None. Beside parameters that differ by channel,
            one that the record shares keeps a single value (`"dynamic_tanh"`). For a function of an axis (`"softmax"`,
            `"glu"`) it is that axis.
        seed: For a function that draws random numbers in training (`"rrelu"`): an integer that makes them repeatable.
        data_format: Where that default finds the channels: `"channels_first"` is axis 1 of inputs of more than three
            axes, such as (batch, channels, height, width); `"channels_last"`, and any other input, is -1. Default:
            `keras.config.image_data_format()` when the layer is made; it is saved with the layer.
        **kwargs: Parameters of the activation; for a learned one `alpha`, say, also `alpha_initializer`,
            `alpha_regularizer` and `alpha_constraint`; and the base layer's `name`, `dtype`, ...

    Input shape: Any. Only the sizes along `axis` must be known.
    Output shape: That of the input, except for functions that change the width (`"glu"`).

    Raises:
        ValueError: For an unknown activation or parameter, an axis whose size is unknown, or an argument that would
            do nothing: an axis where nothing is learned along it, a seed where nothing is drawn.

    Example:
        >>> import numpy as np
        >>> from keras_actsel import layers
        >>> layer = layers.Activation("leaky_relu", negative_slope=0.1, trainable="negative_slope", axis=-1)
        >>> layer(np.array([[-1.0, 2.0]])).shape[-1], [tuple(w.shape) for w in layer.weights]
        (2, [(2,)])
    """

    learned: tuple[str, ...]
    learning: dict[str, Any]
    axis: int | Sequence[int] | None
    seed: int | None
    data_format: str | None

    def __init__(
        self,
        activation: Any,
        *,
        trainable: bool | str | Sequence[str] | None = None,
        axis: int | Sequence[int] | None = None,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(activation, dict):
            activation = keras.saving.deserialize_keras_object(activation)
        if isinstance(activation, keras.Layer):
            self._init_around(activation, trainable, axis, seed, kwargs)
            return
        record = activations.get(activation)
        parameters = {key: kwargs.pop(key) for key in list(kwargs) if key in record.parameters}
        if "axis" in record.parameters and axis is not None:
            parameters["axis"], axis = axis, None
        learning = {key: kwargs.pop(key) for key in list(kwargs) if _says_how_to_learn(key, record)}
        self._refuse_unknown(record, kwargs)
        super().__init__(trainable=trainable if isinstance(trainable, bool) else True, **kwargs)
        self.supports_masking = True
        self.activation = record.with_parameters(**parameters)
        self._choose_learned(trainable, axis, data_format)
        self.learning = {key: _HOW_TO_LEARN[key.rpartition("_")[2]].get(value) for key, value in learning.items()}
        self._check_learned()
        self._check_used(seed)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed) if record.stochastic else None

    def _init_around(self, layer: keras.Layer, trainable: Any, axis: Any, seed: Any, kwargs: dict[str, Any]) -> None:
        if axis is not None or seed is not None or (trainable and not isinstance(trainable, bool)):
            raise ValueError(
                f"The layer {layer.name!r} says itself what it learns along which axis, and what it draws. "
                f"Received: trainable={trainable!r}, axis={axis!r}, seed={seed!r}. Expected none of them."
            )
        super().__init__(trainable=trainable if isinstance(trainable, bool) else True, **kwargs)
        self.supports_masking = True
        copied = type(layer).from_config(layer.get_config())
        if not self.trainable:  # Keras passes a later `trainable = False` on, but not this one
            copied.trainable = False
        self.activation = copied
        self.learned: tuple[str, ...] = ()
        self.learning: dict[str, Any] = {}
        self.axis = self.seed = self.seed_generator = self.data_format = None

    @staticmethod
    def _refuse_unknown(record: activations.ActivationFunction, kwargs: dict[str, Any]) -> None:
        if unknown := set(kwargs) - _OF_THE_BASE_LAYER:
            raise ValueError(
                f"Unknown arguments {sorted(unknown)}. Expected parameters of {record.name!r} "
                f"({', '.join(record.parameters) or 'it has none'}), or 'name', 'dtype'."
            )

    def _choose_learned(self, trainable: Any, axis: Any, data_format: str | None) -> None:
        """What is learned and along which axes: as asked for, else as the record says."""
        by_default = trainable is None or isinstance(trainable, bool)
        names = self.activation.trainable if by_default else (trainable,) if isinstance(trainable, str) else trainable
        self.learned = tuple(names)
        per_channel = by_default and any(self.activation.specs[key].per_channel for key in self.learned)
        images = _checked_format(data_format or keras.config.image_data_format())
        along_channels = axis is None and per_channel
        # Which axis comes first is known with the input's rank; that it is the last one is known now.
        self.data_format = images if along_channels and images == "channels_first" else None
        self.axis = -1 if along_channels and self.data_format is None else axis

    def _check_learned(self) -> None:
        numbers = [key for key, value in self.activation.parameters.items() if isinstance(value, (float, tuple))]
        for key in self.learned:
            if key not in numbers:
                raise ValueError(
                    f"{self.activation.name!r} has no parameter {key!r} that can be learned. "
                    f"Expected some of: {numbers}. Received: trainable={list(self.learned)}."
                )
        for key in self.learning:
            if key.rpartition("_")[0] not in self.learned:
                raise ValueError(
                    f"{key}= is for a parameter that is learned. Received: trainable={list(self.learned)}. "
                    f"Expected {key.rpartition('_')[0]!r} among them."
                )

    def _check_used(self, seed: int | None) -> None:
        if axes(self.axis) and not self.learned:
            raise ValueError(
                f"{str(self.activation)!r} learns nothing here that could differ along an axis. "
                f"Received: axis={self.axis!r}. Expected axis=None, or `trainable=` with a parameter's name."
            )
        if seed is not None and not self.activation.stochastic:
            raise ValueError(
                f"{str(self.activation)!r} draws no random numbers. Received: seed={seed!r}. "
                "Expected a seed for a function that does, such as 'rrelu', only."
            )

    def build(self, input_shape: Any) -> None:
        """Create a weight for each learned parameter: its own shape, times as many as `axis` has indices."""
        if isinstance(self.activation, keras.Layer):
            self.activation.build(input_shape)
        axis = self.axis if self.data_format is None else 1 if len(input_shape) > 3 else -1
        sizes = axis_sizes(self.name, axis, input_shape)
        for key in self.learned:
            own = () if self._is_shared(key) else tuple(sizes.values())
            setattr(self, key, self._add_parameter(key, own))
        self._broadcast = broadcast_shape(sizes, len(input_shape))
        self.built = True

    def _is_shared(self, key: str) -> bool:
        """Whether a parameter has one value whatever the axis: it is learned beside others that differ by channel."""
        specs = self.activation.specs
        return not specs[key].per_channel and any(specs[other].per_channel for other in self.learned)

    def _add_parameter(self, key: str, sizes: tuple[int, ...]) -> Any:
        spec, value = self.activation.specs[key], self.activation.parameters[key]
        length = (len(value),) if spec.is_vector else ()
        published = keras.initializers.get(spec.initializer) if value == spec.default else None
        limits = None if spec.bounds == _UNLIMITED else Within(*spec.bounds)
        return self.add_weight(
            shape=(*length, *sizes),
            initializer=self.learning.get(f"{key}_initializer") or published or _start(value, sizes),
            regularizer=self.learning.get(f"{key}_regularizer"),
            constraint=self.learning.get(f"{key}_constraint") or limits,
            name=key,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The activation of `inputs`, of the same shape unless the function changes the width."""
        if self.learned and not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        learned = self.learned_values(inputs.dtype)
        drawn = {"seed": self.seed_generator} if training and self.seed_generator is not None else {}
        return self.activation(inputs, **learned, **drawn)

    @property
    def broadcast_shape(self) -> tuple[int, ...]:
        """The shape (1, ..., size, ..., 1) of one number for each index along `axis`; () where one is for all.

        Known when the layer is built.
        """
        return self._broadcast

    def learned_values(self, dtype: Any) -> dict[str, Any]:
        """The learned parameters by name, in shapes that broadcast against the input.

        Args:
            dtype: The dtype they are cast to.

        Returns:
            For each a tensor of shape () or `broadcast_shape`; for a vector of n values (n,) or (n, *broadcast_shape).
        """
        return {key: ops.reshape(ops.cast(getattr(self, key), dtype), self._shape(key)) for key in self.learned}

    def _shape(self, key: str) -> tuple[int, ...]:
        length = (-1,) if self.activation.specs[key].is_vector else ()
        return (*length, *(() if self._is_shared(key) else self._broadcast))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape, or what a width-changing function makes of it."""
        if isinstance(self.activation, keras.Layer):
            return tuple(self.activation.compute_output_shape(input_shape))
        if self.activation.kind != "shape_changing":
            return tuple(input_shape)
        return tuple(self.activation(keras.KerasTensor(input_shape)).shape)

    def get_config(self) -> dict[str, Any]:
        """The activation with its starting parameters, what is learned, how, and along which axis."""
        config = super().get_config()
        config["activation"] = keras.saving.serialize_keras_object(self.activation)
        learning = {key: keras.saving.serialize_keras_object(value) for key, value in self.learning.items()}
        given = {"seed": self.seed, "data_format": self.data_format}
        given = {key: value for key, value in given.items() if value is not None}
        return {**config, "learned": list(self.learned), "axis": self.axis, **learning, **given}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Activation":
        """The layer that `get_config` describes."""
        config = dict(config)
        unfrozen, learned = config.pop("trainable", True), config.pop("learned", None)
        by_default = "data_format" in config  # which is kept for what is learned by default alone
        layer = cls(trainable=None if by_default else learned, **config)
        layer.trainable = unfrozen
        return layer


_UNLIMITED = activations.Parameter().bounds
_HOW_TO_LEARN = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
}


def _says_how_to_learn(key: str, record: activations.ActivationFunction) -> bool:
    parameter, _, what = key.rpartition("_")
    return parameter in record.parameters and what in _HOW_TO_LEARN


def _start(value: Any, sizes: tuple[int, ...]) -> Any:
    """The initializer that starts every index along the axes at a parameter's value."""
    if not isinstance(value, tuple):
        return keras.initializers.Constant(value)

    def vector(shape: Any, dtype: Any = None) -> Any:
        column = ops.reshape(ops.convert_to_tensor(value, dtype=dtype), (-1, *(1 for _ in sizes)))
        return column + ops.zeros(shape, dtype)  # memory of its own: PyTorch's broadcasting shares it

    return vector


def _checked_format(data_format: str) -> str:
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"`data_format` must be 'channels_first' or 'channels_last'. Received: {data_format!r}.")
    return data_format


def axes(axis: Any) -> tuple[int, ...]:
    """An `axis` argument as a tuple; of None it is empty.

    Raises:
        ValueError: If it is anything but an integer, a list of integers, or None.
    """
    wanted = () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
    if not all(isinstance(a, int) and not isinstance(a, bool) for a in wanted):
        raise ValueError(
            f"`axis` must be an integer, a list of integers, or None. Received: {axis!r}. "
            "The channels of a channels-last tensor are along axis -1."
        )
    return tuple(wanted)


def broadcast_shape(sizes: dict[int, int], rank: int) -> tuple[int, ...]:
    """What broadcasting sizes along some axes against `rank` of them needs: (1, ..., size, ..., 1), or ()."""
    return tuple(sizes.get(i, 1) for i in range(rank)) if sizes else ()


def axis_sizes(layer_name: str, axis: int | Sequence[int] | None, input_shape: Sequence[int | None]) -> dict[int, int]:
    """The sizes along `axis` of a shape, by non-negative axis; None dimensions elsewhere are no concern."""
    wanted, sizes = axes(axis), dict[int, int]()
    for a in sorted(i % len(input_shape) if -len(input_shape) <= i < len(input_shape) else i for i in wanted):
        size = input_shape[a] if a < len(input_shape) and a >= 0 else None
        if size is None or a == 0:
            raise ValueError(
                f"Layer {layer_name!r} has a value for each index along axis {axis}, whose size must be known and "
                f"which can't be the batch. Received: input shape {tuple(input_shape)}."
            )
        sizes[a] = size
    return sizes
