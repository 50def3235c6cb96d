"""The learned combination of activation functions."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_actsel import activations
from keras_actsel.layers._activation import Activation, axis_sizes, broadcast_shape
from keras_actsel.layers._combination import COMBINATIONS, coefficients_of, entropy_of, shares_of
from keras_actsel.layers._kernels import mix, rows
from keras_actsel.layers._standard import mean_and_deviation

_PUBLISHED = ("linear", "relu", "tanh")


@keras.saving.register_keras_serializable(package="keras_actsel")
class ActivationMixture(keras.layers.Layer):
    """A combination of activation functions, with coefficients that training learns.

    f(x) = sum over k of c_k f_k(x), with the coefficients c made of the trained weights w:

    - `"affine"`: c_k = w_k + (1 - sum w)/K. They sum to one; signs are free.
    - `"convex"`: c = softmax(w / temperature). They sum to one and are positive.
    - `"linear"`: c = w. They are free.

    Standardized, each candidate enters as (f_k - mu_k)/sigma_k, with its mean and standard deviation under N(0, 1):
    fixed numbers, no statistics of batches. Else the candidate of the largest scale has most of the say. It starts as
    the plain average of its K candidates, or with `initial` as exactly one of them: then f is
    mu_i + sigma_i sum_k c_k (f_k - mu_k)/sigma_k, which is f_i where c is 1 for i and 0 else.

    Args:
        candidates: Two or more different activations: names, records or functions that keep the shape.
        combination: `"affine"`, `"convex"` or `"linear"`.
        axis: None for one vector of coefficients for the layer; -1 for one for each channel of a channels-last
            tensor; or a list of axes.
        standardize: Whether candidates are brought to mean 0 and standard deviation 1.
        initial: The candidate to start as; None for the average. Not for `"convex"`, which has no such point.
        rate: How many times faster than other weights the coefficients learn: w is `rate` times the variable that is
            trained. So with Adam and its kin, whose steps are as large as the learning rate; with SGD it is squared.
        temperature: For `"convex"`: above 0; small values sharpen. A weight of the layer that callbacks may change.
        **kwargs: `coefficient_regularizer`, a function of the coefficients such as `EntropyRegularizer` or
            `keras.regularizers.L1`; `coefficient_constraint`, applied to w after each step; `data_format`, as for
            `layers.Activation`; and the base layer's `name`, `dtype`, `trainable`, ...

    Attributes:
        candidates: The candidates' records.
        branches: The layers that hold the candidates' own weights, one for each.

    Large float32 tensors are mixed by kernels in training, which hold one tensor for the backward pass. A candidate
    that overflows at an input makes the mixture NaN there, whatever its coefficient: 0 times infinity is NaN. Files of
    weights say which candidates were dropped; the arrays of `get_weights` do not.

    Input shape: Any. Only the sizes along `axis` must be known.
    Output shape: That of the input.

    Raises:
        ValueError: For fewer than two candidates, two equal ones, or one that changes the shape; for `initial` that
            is not a candidate; when built, for a candidate that can't be standardized.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from keras_actsel import layers
        >>> layer = layers.ActivationMixture(["linear", "relu"], initial="relu")
        >>> ops.convert_to_numpy(layer(np.array([-1.0, 2.0]))).tolist()
        [0.0, 2.0]
        >>> ops.convert_to_numpy(layer.coefficients).tolist()
        [0.0, 1.0]

    Source: Manessi & Rozza 2018, https://arxiv.org/abs/1801.09403
    """

    def __init__(
        self,
        candidates: Sequence[Any],
        combination: str = "affine",
        axis: int | Sequence[int] | None = None,
        *,
        standardize: bool = True,
        initial: Any = None,
        rate: float = 1.0,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.coefficient_regularizer = keras.regularizers.get(kwargs.pop("coefficient_regularizer", None))
        self.coefficient_constraint = keras.constraints.get(kwargs.pop("coefficient_constraint", None))
        dropped = kwargs.pop("dropped", ())
        self.data_format = kwargs.pop("data_format", None) or keras.config.image_data_format()
        super().__init__(**kwargs)
        self.supports_masking = True
        self.candidates = tuple(activations.get(candidate) for candidate in _listed(candidates))
        self.combination = combination
        self.axis = axis
        self.standardize = bool(standardize)
        self.initial = None if initial is None else activations.get(initial)
        self.rate = float(rate)
        self.start_temperature = float(temperature)
        self._check()
        self._kept = tuple(k for k in range(len(self.candidates)) if k not in dropped)
        self.branches = [
            Activation(record, dtype=self.dtype_policy, data_format=self.data_format) for record in self.candidates
        ]
        for branch in self.branches:  # Keras passes a later `trainable = False` on, but not this one
            branch.trainable = self.trainable

    @classmethod
    def aff(cls, candidates: Sequence[Any] = _PUBLISHED, **kwargs: Any) -> "ActivationMixture":
        """The affine combination as Manessi & Rozza published it: not standardized, by default of id, relu and tanh."""
        return cls(candidates, "affine", standardize=False, rate=1.0, **kwargs)

    @classmethod
    def conv(cls, candidates: Sequence[Any] = _PUBLISHED, **kwargs: Any) -> "ActivationMixture":
        """The convex combination as Manessi & Rozza published it: not standardized, by default of id, relu and tanh."""
        return cls(candidates, "convex", standardize=False, rate=1.0, **kwargs)

    def _check(self) -> None:
        if self.combination not in COMBINATIONS:
            raise ValueError(f"Unknown combination. Expected one of {COMBINATIONS}. Received: {self.combination!r}.")
        names = [str(record) for record in self.candidates]
        if len(self.candidates) < 2 or len(set(self.candidates)) < len(self.candidates):
            raise ValueError(f"A mixture needs two or more different candidates. Received: {names}.")
        for record in self.candidates:
            record.check_keeps_shape("be mixed")
        if self.initial is not None and self.initial not in self.candidates:
            raise ValueError(f"`initial` must be one of the candidates {names}. Received: {str(self.initial)!r}.")
        if self.initial is not None and self.combination == "convex":
            raise ValueError(
                "A convex mixture can't start as one of its candidates: its coefficients are above 0 for all. "
                f"Received: initial={str(self.initial)!r}. Expected None, or combination 'affine' or 'linear'."
            )
        for key, value in (("rate", self.rate), ("temperature", self.start_temperature)):
            if not 0 < value < float("inf"):
                raise ValueError(f"`{key}` must be a number above 0. Received: {value}.")

    def build(self, input_shape: Any) -> None:
        """Create the weights, (K,) or (K, sizes along `axis`)."""
        sizes = axis_sizes(self.name, self.axis, input_shape)
        self._broadcast = broadcast_shape(sizes, len(input_shape))
        if self.standardize:
            self._set_constants(input_shape, rank=len(sizes))
        self.mixing_weights = self.add_weight(
            shape=(len(self.candidates), *sizes.values()),
            initializer=self._start,
            regularizer=self.coefficient_regularizer and self._regularize,
            constraint=self.coefficient_constraint and self._constrain,
            dtype=self._wide_dtype,  # coefficients stay in float32 where all else is in half precision
            autocast=False,
            name="mixing_weights",
        )
        if self.combination == "convex":
            start = keras.initializers.Constant(self.start_temperature)
            self.temperature = self.add_weight(
                shape=(), initializer=start, dtype=self._wide_dtype, trainable=False, autocast=False, name="temperature"
            )
        for branch in self.branches:
            branch.build(input_shape)
        self.built = True

    @property
    def _wide_dtype(self) -> str:
        return "float64" if self.variable_dtype == "float64" else "float32"

    def _set_constants(self, input_shape: Any, rank: int) -> None:
        """What turns coefficients into offset and weights of the raw functions; see `effective`."""
        pairs = [mean_and_deviation(record, input_shape) for record in self.candidates]
        means, deviations = np.array(pairs).T
        self._offset, scale = (0.0, 1.0) if self.initial is None else pairs[self.candidates.index(self.initial)]
        # The ratio first: of the candidate to start as it is exactly 1, so that nothing is left of the others.
        ratios = scale / deviations
        column = (2, -1, *(1 for _ in range(rank)))
        self._ratios_and_shifts = np.stack([ratios, ratios * means]).astype(self._wide_dtype).reshape(column)

    def _start(self, shape: Any, dtype: Any = None) -> Any:
        count = len(self.candidates)
        column = np.full(count, 0.0 if self.combination == "convex" else 1.0 / count)
        if self.initial is not None:
            column = np.eye(count)[self.candidates.index(self.initial)]
        column = (column / self.rate).reshape(-1, *(1 for _ in shape[1:]))
        return ops.convert_to_tensor(np.broadcast_to(column, shape).copy(), dtype=dtype)

    def _combine(self, variable: Any) -> Any:
        """The coefficients that a value of the trained variable stands for."""
        w = ops.convert_to_tensor(variable)
        w = w if self.rate == 1 else self.rate * w
        temperature = self.temperature if self.combination == "convex" else None
        return coefficients_of(w, self.combination, temperature, self._mask(w))

    def _mask(self, w: Any) -> Any:
        """1 for each candidate that is in the mixture and 0 for one that was dropped; None if all are in."""
        if len(self._kept) == len(self.candidates):
            return None
        kept = [float(k in self._kept) for k in range(len(self.candidates))]
        return ops.reshape(ops.convert_to_tensor(kept, self._wide_dtype), (-1, *(1 for _ in w.shape[1:])))

    def _regularize(self, variable: Any) -> Any:
        return self.coefficient_regularizer(self._combine(variable))

    def _constrain(self, variable: Any) -> Any:
        return self.coefficient_constraint(self.rate * ops.convert_to_tensor(variable)) / self.rate

    @property
    def coefficients(self) -> Any:
        """The coefficients c, of shape (K,) or (K, sizes along `axis`), in the order of the candidates.

        Raises:
            ValueError: Before the layer is built.
        """
        if not self.built:
            raise ValueError(
                f"The mixture {self.name!r} has no coefficients before it is built. "
                "Call its model on data, or `build` with the shape of its input."
            )
        return self._combine(self.mixing_weights)

    @property
    def shares(self) -> Any:
        """The share of each candidate in the sum of absolute coefficients, of the coefficients' shape."""
        return shares_of(self.coefficients)

    @property
    def entropy(self) -> Any:
        """The entropy of the shares in nats, from 0 to log K, of shape () or (sizes along `axis`)."""
        return entropy_of(self.coefficients)

    @property
    def broadcast_shape(self) -> tuple[int, ...]:
        """The shape (1, ..., size, ..., 1) of one number for each index along `axis`; () where one is for all.

        Known when the layer is built.
        """
        return self._broadcast

    def effective(self, coefficients: Any = None) -> tuple[Any, Any]:
        """What the mixture is on the raw functions: f(x) = offset + sum over k of weights_k f_k(x).

        Args:
            coefficients: Others than its own, of their shape.

        Returns:
            The offset, of shape () or (sizes along `axis`), and the weights, of the coefficients' shape.
        """
        c = self.coefficients if coefficients is None else ops.convert_to_tensor(coefficients)
        if not self.standardize:
            return ops.zeros(c.shape[1:], c.dtype), c
        both = ops.multiply(c, self._ratios_and_shifts)  # one operation rather than two, for eager backends
        return self._offset - ops.sum(both[1], axis=0), both[0]

    def drop(self, *candidates: Any) -> None:
        """Take candidates out of the mixture: their coefficients become 0, and they are no longer computed.

        The others keep their weights, and share what the sum of one leaves. A compiled model has to be compiled anew,
        or told: `model.make_train_function(force=True)`, likewise for test and predict.

        Args:
            *candidates: Candidates of the mixture.

        Raises:
            ValueError: For what is not a candidate, or if none would be left.
        """
        gone = {activations.get(candidate) for candidate in candidates}
        names = [str(record) for record in self.candidates]
        if unknown := gone.difference(self.candidates):
            raise ValueError(f"Can't drop {sorted(map(str, unknown))}. Expected some of {names}.")
        kept = tuple(k for k in self._kept if self.candidates[k] not in gone)
        if not kept:
            raise ValueError(f"Can't drop all candidates. Received: {sorted(map(str, gone))} of {names}.")
        self._kept = kept

    @property
    def kept(self) -> tuple[activations.ActivationFunction, ...]:
        """The candidates that are still in the mixture."""
        return tuple(self.candidates[k] for k in self._kept)

    def save_own_variables(self, store: Any) -> None:
        """Weights, and which candidates are still in the mixture, for a file."""
        super().save_own_variables(store)
        store["kept"] = np.array(self._kept)

    def load_own_variables(self, store: Any) -> None:
        """Weights of a file, and which candidates were in the mixture.

        If these are others than are in it here, a compiled model has to be compiled anew, as after `drop`.
        """
        if "kept" in store:
            self._kept = tuple(int(k) for k in np.array(store["kept"]))
        super().load_own_variables({key: store[key] for key in store.keys() if key != "kept"})  # noqa: SIM118

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The combination of the candidates' values at `inputs`."""
        if not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        offset, weights = (ops.cast(part, inputs.dtype) for part in self.effective())
        if self._broadcast:
            offset, weights = ops.reshape(offset, self._broadcast), ops.reshape(weights, (-1, *self._broadcast))
        functions = [self._function(k) for k in self._kept]
        return mix(inputs, rows(weights, self._kept), offset if self.standardize else None, functions, training)

    def _function(self, k: int) -> Any:
        """A candidate as a function: the record itself, unless the layer holds state for it."""
        record = self.candidates[k]
        return self.branches[k] if record.needs_layer else record

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Candidates, and how they are combined."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "candidates": [serialize(record) for record in self.candidates],
            "combination": self.combination,
            "axis": self.axis,
            "standardize": self.standardize,
            "initial": self.initial and serialize(self.initial),
            "rate": self.rate,
            "temperature": self.start_temperature,
            "data_format": self.data_format,
            "coefficient_regularizer": serialize(self.coefficient_regularizer),
            "coefficient_constraint": serialize(self.coefficient_constraint),
            "dropped": [k for k in range(len(self.candidates)) if k not in self._kept],
        }


def _listed(candidates: Any) -> list[Any]:
    if isinstance(candidates, str) or not isinstance(candidates, Sequence):
        raise ValueError(f"`candidates` must be a list of activations. Received: {candidates!r}.")
    return list(candidates)
