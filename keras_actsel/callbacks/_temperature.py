"""Convex mixtures that settle: the temperature falls while they learn."""

from typing import Any

import keras

from keras_actsel.callbacks._mixtures import mixtures
from keras_actsel.layers import ActivationMixture

KINDS = ("exponential", "linear")


class TemperatureAnnealing(keras.callbacks.Callback):
    """Sets the temperature of the convex mixtures at the begin of each epoch, without compiling anew.

    At temperature T the coefficients are softmax(w/T): 1 leaves them as they are, and near 0 all but the largest
    vanish. With p = epoch/(epochs - 1), from 0 to 1, the temperature is

    - `"exponential"`: start·(end/start)^p
    - `"linear"`: start + (end - start)·p

    and stays at `end` afterwards. For another schedule, override `temperature_at`. Frozen mixtures, with
    `trainable = False`, are left as they are. Each `fit` anneals anew, unless `initial_epoch` says where it goes on.

    Args:
        start: The temperature of the first epoch, above 0.
        end: The temperature of the last epoch, above 0.
        epochs: Over how many epochs; None for those of `fit`.
        kind: `"exponential"` or `"linear"`.

    Raises:
        ValueError: For a temperature that is not above 0, no epochs, or an unknown kind; in `fit`, for a model
            without a convex mixture that learns.

    Example:
        >>> from keras_actsel import callbacks
        >>> annealing = callbacks.TemperatureAnnealing(1.0, 0.01, epochs=3)
        >>> [round(annealing.temperature_at(epoch), 6) for epoch in range(4)]
        [1.0, 0.1, 0.01, 0.01]

    Source: softmax with a temperature that is annealed, Jang et al. 2017, https://arxiv.org/abs/1611.01144
    """

    def __init__(
        self, start: float = 1.0, end: float = 0.1, epochs: int | None = None, kind: str = "exponential"
    ) -> None:
        super().__init__()
        for name, value in (("start", start), ("end", end)):
            if not 0 < value < float("inf"):
                raise ValueError(f"`{name}` must be a temperature above 0. Received: {value}.")
        if epochs is not None and epochs < 1:
            raise ValueError(f"`epochs` must be 1 or more, or None for those of `fit`. Received: {epochs}.")
        if kind not in KINDS:
            raise ValueError(f"Unknown kind of annealing. Expected one of {KINDS}. Received: {kind!r}.")
        self.start, self.end, self.epochs, self.kind = float(start), float(end), epochs, kind

    def temperature_at(self, epoch: int) -> float:
        """The temperature of an epoch, counted from 0."""
        last = (self.epochs or self.params["epochs"]) - 1
        p = min(epoch / last, 1.0) if last > 0 else 1.0
        if self.kind == "linear":
            return self.start + (self.end - self.start) * p
        return float(self.start * (self.end / self.start) ** p)

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """See that there is something to anneal."""
        if not self._annealed():
            raise ValueError(
                f"The model {self.model.name!r} has no convex mixture that learns, and others have no temperature. "
                "Expected `layers.ActivationMixture(..., combination='convex')` with `trainable = True`."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Set the temperature."""
        temperature = self.temperature_at(epoch)
        for mixture in self._annealed():
            if mixture.built:
                mixture.temperature.assign(temperature)
            else:  # on TensorFlow a model may be built by its first batch
                mixture.start_temperature = temperature

    def _annealed(self) -> list[ActivationMixture]:
        found = mixtures(self.model).values()
        return [mixture for mixture in found if mixture.combination == "convex" and mixture.trainable]
