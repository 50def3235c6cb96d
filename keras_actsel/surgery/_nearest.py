"""Which catalogue entry is closest to a mixture over the inputs that it sees."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_actsel import activations, layers
from keras_actsel.surgery import _operations as operations
from keras_actsel.surgery._graph import trace
from keras_actsel.surgery._rebuild import rebuild
from keras_actsel.surgery._terms import Combination, combination, term_of
from keras_actsel.surgery._walk import walk

_SAMPLES = 1024
_ROWS = 8192
_COSTS = ("low", "medium", "high")


def seen(model: Any, x: Any) -> list[tuple[Any, Any]]:
    """The inputs and outputs of the mixtures of a model, in the order in which they are first called, for inputs x."""
    copy = rebuild(model)  # as a second call of the model's own layers would stay in its graph
    graph = trace(copy)
    starts = [type(layer).from_config(layer.get_config()) for layer in graph.input_layers]
    inputs = tree.pack_sequence_as(graph.inputs, [layer.output for layer in starts])
    found: dict[int, list[Any]] = {}

    def call(op: Any, args: Any, kwargs: Any, _: Any) -> Any:
        result = op(*args, **kwargs)
        if operations.is_activation(op) and isinstance(operations.activation_of(op), layers.ActivationMixture):
            found.setdefault(id(op), []).append((args[0], result))
        return result

    walk(copy, inputs, call)
    pairs = [pair for calls in found.values() for pair in calls]
    values = keras.Model(inputs, [tensor for pair in pairs for tensor in pair]).predict(_some(x), verbose=0)
    rows = iter(zip(values[::2], values[1::2], strict=True))
    return [_joined([next(rows) for _ in calls]) for calls in found.values()]


def _some(x: Any) -> Any:
    """Evenly spaced samples of arrays; anything else as it is."""
    leaves = tree.flatten(x)
    if not all(hasattr(leaf, "shape") and hasattr(leaf, "__getitem__") for leaf in leaves):
        return x
    if len(leaves[0]) == 0:
        raise ValueError("The rule 'nearest' compares functions over the samples in `x`. Received: none.")
    chosen = np.unique(np.linspace(0, len(leaves[0]) - 1, _SAMPLES).astype(int))
    return tree.map_structure(lambda leaf: np.asarray(leaf)[chosen], x)


def _joined(calls: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """The values of all calls of a mixture, which may differ in size along other axes than its own."""
    return [pair[0] for pair in calls], [pair[1] for pair in calls]


def nearest(mixture: layers.ActivationMixture, inputs: Any, outputs: Any) -> Combination:
    """The a + b f that is closest to a mixture over inputs, for the best f of the catalogue.

    Elementwise entries without trained parameters compete at their defaults; the cheaper goes first among equals. A
    mixture of lines with their only kink at 0 is itself a leaky relu, and nothing is closer.

    Args:
        mixture: The mixture, built.
        inputs: What it sees: an array, or a list of arrays.
        outputs: What it makes of them, likewise.

    Raises:
        ValueError: If these are not finite.
    """
    exact = combination(mixture)
    if all(term.slopes is not None for term in exact.terms):
        return exact
    x, target = (_rows(values, mixture.broadcast_shape) for values in (inputs, outputs))
    if not (np.isfinite(x).all() and np.isfinite(target).all()):
        raise ValueError(
            f"The rule 'nearest' compares functions over finite numbers. Received: NaN or infinite ones in what the "
            f"mixture {mixture.name!r} gets or makes of the inputs `x`. Expected inputs for which the model is finite."
        )
    records = [r for r in activations.catalogue(kind="elementwise") if not r.needs_layer]
    fits = [(_fit(record, x, target), record) for record in sorted(records, key=lambda r: _COSTS.index(r.cost))]
    (_, offset, weight), best = min(fits, key=lambda fit: fit[0][0])
    shape = mixture.broadcast_shape
    return Combination((term_of(best, weight.reshape(shape)),), offset.reshape(shape))


def _rows(values: Any, shape: Sequence[int]) -> np.ndarray:
    """Values as a matrix with a column for each number of a broadcast shape; at most some thousand rows of it."""
    parts = values if isinstance(values, list) else [values]
    kept = [i for i, size in enumerate(shape) if size > 1]
    width = int(np.prod(shape))
    arrays = [np.moveaxis(np.asarray(part, "float32"), kept, range(-len(kept), 0)) for part in parts]
    rows = np.concatenate([array.reshape(-1, width) for array in arrays])
    return rows[np.unique(np.linspace(0, len(rows) - 1, _ROWS if shape else 4 * _ROWS).astype(int))]


def _fit(record: activations.ActivationFunction, x: np.ndarray, target: np.ndarray) -> tuple[float, Any, Any]:
    """The sum of squares that a + b f leaves, and a and b of each column."""
    f = np.asarray(ops.convert_to_numpy(record(ops.convert_to_tensor(x))), "float64")
    if not np.isfinite(f).all():
        return np.inf, 0.0, 0.0
    y = target.astype("float64")
    centred, rise = f - f.mean(axis=0), y - y.mean(axis=0)
    spread = np.sum(centred**2, axis=0)
    b = np.sum(centred * rise, axis=0) / np.where(spread > 0, spread, 1.0)
    return float(np.sum((rise - b * centred) ** 2)), y.mean(axis=0) - b * f.mean(axis=0), b
