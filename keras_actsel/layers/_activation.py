"""The layer that applies an activation from the catalogue, with parameters that it may learn."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_actsel import activations


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
            channel of a channels-last tensor. None: one value for the layer. Default: -1 for a record that learns by
            itself (`"prelu"`), else None. For a function of an axis (`"softmax"`, `"glu"`) it is that axis.
        **kwargs: Parameters of the activation, and the base layer's `name`, `dtype`, ...

    Input shape: Any. Only the sizes along `axis` must be known.
    Output shape: That of the input, except for functions that change the width (`"glu"`).

    Raises:
        ValueError: For an unknown activation or parameter, or an axis whose size is unknown.

    Example:
        >>> import numpy as np
        >>> from keras_actsel import layers
        >>> layer = layers.Activation("leaky_relu", negative_slope=0.1, trainable="negative_slope", axis=-1)
        >>> layer(np.array([[-1.0, 2.0]])).shape[-1], [tuple(w.shape) for w in layer.weights]
        (2, [(2,)])
    """

    def __init__(
        self,
        activation: Any,
        *,
        trainable: bool | str | Sequence[str] | None = None,
        axis: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(activation, dict):
            activation = keras.saving.deserialize_keras_object(activation)
        if isinstance(activation, keras.Layer):
            self._init_around(activation, trainable, axis, kwargs)
            return
        record = activations.get(activation)
        parameters = {key: kwargs.pop(key) for key in list(kwargs) if key in record.parameters}
        if "axis" in record.parameters and axis is not None:
            parameters["axis"], axis = axis, None
        self._refuse_unknown(record, kwargs)
        super().__init__(trainable=trainable if isinstance(trainable, bool) else True, **kwargs)
        self.supports_masking = True
        self.activation = record.with_parameters(**parameters)
        by_default = trainable is None or isinstance(trainable, bool)
        names = record.trainable if by_default else (trainable,) if isinstance(trainable, str) else trainable
        self.learned = tuple(names)  # type: ignore[arg-type]
        self.axis = -1 if axis is None and by_default and self.learned else axis
        self._check_learned()

    def _init_around(self, layer: keras.Layer, trainable: Any, axis: Any, kwargs: dict[str, Any]) -> None:
        if axis is not None or (trainable and not isinstance(trainable, bool)):
            raise ValueError(
                f"The layer {layer.name!r} says itself what it learns along which axis. "
                f"Received: trainable={trainable!r}, axis={axis!r}. Expected none of them."
            )
        super().__init__(trainable=trainable if isinstance(trainable, bool) else True, **kwargs)
        self.supports_masking = True
        self.activation = type(layer).from_config(layer.get_config())
        self.learned = ()
        self.axis = None

    @staticmethod
    def _refuse_unknown(record: activations.ActivationFunction, kwargs: dict[str, Any]) -> None:
        if unknown := set(kwargs) - {"name", "dtype", "autocast", "activity_regularizer"}:
            raise ValueError(
                f"Unknown arguments {sorted(unknown)}. Expected parameters of {record.name!r} "
                f"({', '.join(record.parameters) or 'it has none'}), or 'name', 'dtype'."
            )

    def _check_learned(self) -> None:
        for key in self.learned:
            value = self.activation.parameters.get(key)
            if not isinstance(value, float):
                numbers = [k for k, v in self.activation.parameters.items() if isinstance(v, float)]
                raise ValueError(
                    f"{self.activation.name!r} has no parameter {key!r} that can be learned. "
                    f"Expected some of: {numbers}. Received: trainable={list(self.learned)}."
                )

    def build(self, input_shape: Any) -> None:
        """Create a weight for each learned parameter: a scalar, or as many values as `axis` has indices."""
        if isinstance(self.activation, keras.Layer):
            self.activation.build(input_shape)
        sizes = axis_sizes(self.name, self.axis, input_shape)
        for key in self.learned:
            start = keras.initializers.Constant(self.activation.parameters[key])
            setattr(self, key, self.add_weight(shape=tuple(sizes.values()), initializer=start, name=key))
        # What broadcasting against the input needs: (1, ..., size, ..., 1).
        self._broadcast = tuple(sizes.get(i, 1) for i in range(len(input_shape))) if sizes else ()
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The activation of `inputs`, of the same shape unless the function changes the width."""
        if self.learned and not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        learned = {
            key: ops.reshape(ops.cast(getattr(self, key), inputs.dtype), self._broadcast) for key in self.learned
        }
        return self.activation(inputs, **learned)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape, or what a width-changing function makes of it."""
        if isinstance(self.activation, keras.Layer):
            return tuple(self.activation.compute_output_shape(input_shape))
        if self.activation.kind != "shape_changing":
            return tuple(input_shape)
        return tuple(self.activation(keras.KerasTensor(input_shape)).shape)

    def get_config(self) -> dict[str, Any]:
        """The activation with its starting parameters, what is learned, and along which axis."""
        config = super().get_config()
        config["activation"] = keras.saving.serialize_keras_object(self.activation)
        return {**config, "learned": list(self.learned), "axis": self.axis}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Activation":
        """The layer that `get_config` describes."""
        config = dict(config)
        unfrozen = config.pop("trainable", True)
        layer = cls(trainable=config.pop("learned", None), **config)
        layer.trainable = unfrozen
        return layer


def axis_sizes(layer_name: str, axis: int | Sequence[int] | None, input_shape: Sequence[int | None]) -> dict[int, int]:
    """The sizes along `axis` of a shape, by non-negative axis; None dimensions elsewhere are no concern."""
    wanted = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    sizes: dict[int, int] = {}
    for a in sorted(i % len(input_shape) if -len(input_shape) <= i < len(input_shape) else i for i in wanted):
        size = input_shape[a] if a < len(input_shape) and a >= 0 else None
        if size is None or a == 0:
            raise ValueError(
                f"Layer {layer_name!r} has a value for each index along axis {axis}, whose size must be known and "
                f"which can't be the batch. Received: input shape {tuple(input_shape)}."
            )
        sizes[a] = size
    return sizes
