"""The learned combination of activation functions."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_actsel import activations
from keras_actsel.layers._activation import Activation, axis_sizes

COMBINATIONS = ("affine", "convex", "linear")


@keras.saving.register_keras_serializable(package="keras_actsel")
class ActivationMixture(keras.layers.Layer):
    """A combination of activation functions, with coefficients that training learns.

    f(x) = sum over k of c_k f_k(x), with the coefficients c made of the trained weights w:

    - `"affine"`: c_k = w_k + (1 - sum w)/K. They sum to one; signs are free.
    - `"convex"`: c = softmax(w). They sum to one and are positive.
    - `"linear"`: c = w. They are free.

    It starts as the plain average of its K candidates.

    Args:
        candidates: Two or more different activations: names, records or functions that keep the shape.
        combination: `"affine"`, `"convex"` or `"linear"`.
        axis: None for one vector of coefficients for the layer; -1 for one for each channel of a channels-last
            tensor; or a list of axes.
        **kwargs: The base layer's `name`, `dtype`, ...

    Input shape: Any. Only the sizes along `axis` must be known.
    Output shape: That of the input.

    Raises:
        ValueError: For fewer than two candidates, two equal ones, or one that changes the shape.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_actsel import layers
        >>> layer = layers.ActivationMixture(["linear", "relu"])
        >>> ops.convert_to_numpy(layer(np.array([-1.0, 2.0]))).tolist()
        [-0.5, 2.0]

    Source: Manessi & Rozza 2018, https://arxiv.org/abs/1801.09403
    """

    def __init__(
        self,
        candidates: Sequence[Any],
        combination: str = "affine",
        axis: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.candidates = tuple(activations.get(candidate) for candidate in _listed(candidates))
        self.combination = combination
        self.axis = axis
        self._check()
        self._branches = [Activation(record, dtype=self.dtype_policy) for record in self.candidates]

    def _check(self) -> None:
        if self.combination not in COMBINATIONS:
            raise ValueError(f"Unknown combination. Expected one of {COMBINATIONS}. Received: {self.combination!r}.")
        if len(self.candidates) < 2 or len(set(self.candidates)) < len(self.candidates):
            raise ValueError(
                "A mixture needs two or more different candidates. "
                f"Received: {[str(record) for record in self.candidates]}."
            )
        for record in self.candidates:
            record.check_keeps_shape("be mixed")

    def build(self, input_shape: Any) -> None:
        """Create the weights, (K,) or (K, sizes along `axis`)."""
        sizes = axis_sizes(self.name, self.axis, input_shape)
        count = len(self.candidates)
        start = 0.0 if self.combination == "convex" else 1.0 / count
        self.mixing_weights = self.add_weight(
            shape=(count, *sizes.values()),
            initializer=keras.initializers.Constant(start),
            autocast=False,  # coefficients stay in float32 under mixed precision
            name="mixing_weights",
        )
        self._broadcast = tuple(sizes.get(i, 1) for i in range(len(input_shape))) if sizes else ()
        for branch in self._branches:
            branch.build(input_shape)
        self.built = True

    @property
    def coefficients(self) -> Any:
        """The coefficients c, of shape (K,) or (K, sizes along `axis`), in the order of the candidates."""
        w = ops.convert_to_tensor(self.mixing_weights)
        if self.combination == "affine":
            return w + (1.0 - ops.sum(w, axis=0, keepdims=True)) / len(self.candidates)
        return ops.softmax(w, axis=0) if self.combination == "convex" else w

    def call(self, inputs: Any) -> Any:
        """The combination of the candidates' values at `inputs`."""
        if not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        shape = (len(self.candidates), *self._broadcast)
        coefficients = ops.reshape(ops.cast(self.coefficients, inputs.dtype), shape)
        return sum(coefficients[k] * branch(inputs) for k, branch in enumerate(self._branches))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Candidates, combination and axis."""
        candidates = [keras.saving.serialize_keras_object(record) for record in self.candidates]
        return {
            **super().get_config(),
            "candidates": candidates,
            "combination": self.combination,
            "axis": self.axis,
        }


def _listed(candidates: Any) -> list[Any]:
    if isinstance(candidates, str) or not isinstance(candidates, Sequence):
        raise ValueError(f"`candidates` must be a list of activations. Received: {candidates!r}.")
    return list(candidates)
