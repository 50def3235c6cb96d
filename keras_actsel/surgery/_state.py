"""Carrying state from layers to the layers that were made again from them: weights, vocabularies, trainable flags."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_actsel.surgery._config import sublayers


def copy_state(old: Any, new: Any, path: str, dropped: Collection[int]) -> None:
    """Give a layer all state of the layer it was made from.

    Args:
        old: The layer copied from, which is left as it is.
        new: The layer copied to, built.
        path: The path of the layer, for messages.
        dropped: The ids of the variables of `old` that `new` does not have any more.

    Raises:
        ValueError: If the two have different variables.
    """
    for source, target in _matched(old, new):
        _load_derived(source, target)
    for source, target in _variables(old, new, path, dropped):
        target.assign(_copied(source))


def copy_frozen(old: Any, new: Any) -> None:
    """Give a layer what training does not change: all of its parts without trainable weights, and frozen weights."""
    for source, target in _matched(old, new):
        weights = list(zip(_own_weights(source), _own_weights(target), strict=False))
        learns = source.trainable and any(weight.trainable for weight, _ in weights)
        if not learns:
            _load_derived(source, target)
        for weight, other in weights:
            if not learns or (other.trainable and not weight.trainable):
                other.assign(_copied(weight))


def copy_trainable(old: Any, new: Any, path: str, dropped: Collection[int]) -> None:
    """Freeze what is frozen: the layer, its sublayers and single variables."""
    for source, target in _matched(old, new):
        target.trainable = source.trainable
    for source, target in _variables(old, new, path, dropped):
        if target.trainable != source.trainable:
            target.trainable = source.trainable


def _copied(variable: Any) -> Any:
    """The value in memory of its own: JAX gives the buffers of a model in training to the next step."""
    return np.array(keras.ops.convert_to_numpy(variable))


def _matched(old: Any, new: Any) -> Iterator[tuple[Any, Any]]:
    """The layer and its sublayers, each with its counterpart, outer ones first."""
    yield old, new
    counterparts = sublayers(new)
    for keys, source in sublayers(old).items():
        if type(counterparts.get(keys)) is type(source):
            yield source, counterparts[keys]


def _variables(old: Any, new: Any, path: str, dropped: Collection[int]) -> Sequence[tuple[Any, Any]]:
    sources = [v for v in old.variables if id(v) not in dropped]
    targets = new.variables
    if [tuple(v.shape) for v in sources] != [tuple(v.shape) for v in targets]:
        raise ValueError(
            f"The layer {path!r} of type {type(old).__name__}, made again from its config, has other variables: "
            f"{_shapes(targets)}. Expected: {_shapes(sources)}. Give the class a `get_config` that returns all its "
            "arguments, or pass `select` a function `build(activation)` that builds the model."
        )
    return list(zip(sources, targets, strict=True))


def _shapes(variables: Sequence[Any]) -> str:
    return ", ".join(f"{v.name} {tuple(v.shape)}" for v in variables) or "none"


def _own_weights(layer: Any) -> list[Any]:
    inner = {id(weight) for part in sublayers(layer).values() for weight in part.weights}
    return [weight for weight in layer.weights if id(weight) not in inner]


def _load_derived(old: Any, new: Any) -> None:
    """Use the layer's own way of saving and loading where it derives more from its state than variables."""
    if hasattr(old, "finalize_state") or not type(old).load_own_variables.__module__.startswith("keras."):
        store: dict[str, Any] = {}
        old.save_own_variables(store)
        new.load_own_variables({key: _copied(value) for key, value in store.items()})
    if hasattr(old, "save_assets") and hasattr(new, "load_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
