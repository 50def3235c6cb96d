"""`drift`: how far two models are apart on the same inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_actsel.surgery._compile import fresh_compile_arguments


@dataclass(frozen=True)
class Drift:
    """How far the outputs of two models are apart.

    Args:
        largest: The largest absolute difference between two output values.
        mean: The mean absolute difference, over all values of all outputs.
        before: Loss and metrics of the first model by name, as its `evaluate` returns them; empty without targets.
        after: Those of the second.
    """

    largest: float
    mean: float
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        outputs = f"outputs differ by {self.largest:.3g} at most, {self.mean:.3g} on average"
        changes = [f"{key} {value:.4g} -> {self.after[key]:.4g}" for key, value in self.before.items()]
        return "; ".join([outputs, *changes])


def drift(before: Any, after: Any, x: Any, y: Any = None) -> Drift:
    """How far a model has moved from another: by its outputs and, with targets, by loss and metrics.

    To be asked after `collapse`, whose rules "largest" and "nearest" approximate.

    Args:
        before: The model to compare with. With `y` it has to be compiled: by its loss and metrics both are measured.
        after: The other model; it need not be compiled.
        x: Inputs, as `model.predict` takes them, but for generators, which can be read only once.
        y: Targets for all of them, in the structure that `before.evaluate` takes.

    Returns:
        A `Drift`; printed, it is a line of text.

    Raises:
        ValueError: If the outputs have different shapes, there are none, or `before` is not compiled and there are
            targets.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_actsel import drift
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> drift(model, model, np.ones((8, 4), "float32")).largest
        0.0
    """
    if y is not None and not before.compiled:
        raise ValueError(
            f"The model {before.name!r} is not compiled, so there is no loss or metric to measure with. Expected a "
            "compiled model as `before`: call `before.compile(loss=..., metrics=[...])`, or leave out `y`."
        )
    if x is None or hasattr(x, "__next__") or 0 in [len(part) for part in tree.flatten(x) if hasattr(part, "shape")]:
        raise ValueError(f"`drift` needs inputs that can be read twice, one sample or more. Received: x={_short(x)}.")
    outputs = [tree.flatten(model.predict(x, verbose=0)) for model in (before, after)]
    differences = _differences(*outputs)
    scored = [] if y is None else [before, _scored_as(before, after)]
    scores = [model.evaluate(x, y, verbose=0, return_dict=True) for model in scored]
    return Drift(float(differences.max()), float(differences.mean()), *scores)


def _differences(first: list[Any], second: list[Any]) -> np.ndarray:
    shapes = [[np.shape(part) for part in parts] for parts in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The models have outputs of different shapes. Received: {shapes[0]} and {shapes[1]}. "
            "Expected two models for the same task."
        )
    pairs = zip(first, second, strict=True)
    return np.concatenate([np.ravel(np.abs(np.asarray(a, "float64") - np.asarray(b, "float64"))) for a, b in pairs])


class _Stand(keras.Model):
    """Another model under a compilation of its own, so that the other is not changed."""

    def __init__(self, model: Any) -> None:
        super().__init__(name=model.name)
        self.model = model
        if hasattr(model, "output_names"):
            self.output_names = model.output_names  # by which losses and metrics may be given

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.model(inputs, training=training)


def _scored_as(before: Any, after: Any) -> Any:
    """What evaluates a model by the loss and the metrics of another."""
    stand = _Stand(after)
    stand.compile(**fresh_compile_arguments(before))
    return stand


def _short(x: Any) -> str:
    return f"an array of shape {x.shape}" if hasattr(x, "shape") else type(x).__name__
