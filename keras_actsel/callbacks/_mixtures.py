"""The mixtures of a model, wherever they are."""

from typing import Any

import keras

from keras_actsel.layers import ActivationMixture
from keras_actsel.surgery import sublayers


def mixtures(model: Any) -> dict[str, ActivationMixture]:
    """The mixtures of a model of any kind by path, each once, under the first path that leads to it.

    Raises:
        ValueError: If it has none.
    """
    found: dict[str, ActivationMixture] = {}
    _collect(model, "", found, set())
    if not found:
        raise ValueError(
            f"The model {model.name!r} has no ActivationMixture. Expected one or more; `keras_actsel.replace` puts "
            "them into a model. A model that makes its layers when it is built has to be called once before `fit`."
        )
    return found


def _collect(layer: Any, path: str, found: dict[str, ActivationMixture], seen: set[int]) -> None:
    for inner in _children(layer):
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        # What a layer uses as its activation is the same site as the layer, as in `keras_actsel.sites`.
        fused = not isinstance(layer, keras.Model) and inner is getattr(layer, "activation", None)
        way = path if fused else f"{path}/{inner.name}".removeprefix("/")
        if isinstance(inner, ActivationMixture):
            found[_unused(way, found)] = inner
        else:
            _collect(inner, way, found, seen)


def _children(layer: Any) -> list[Any]:
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    inside = sublayers(layer)
    return [inner for keys, inner in inside.items() if not any(keys[:n] in inside for n in range(1, len(keys)))]


def _unused(path: str, found: dict[str, ActivationMixture]) -> str:
    """The path, with a number where layers of a subclassed model share a name."""
    ways = (path if n == 0 else f"{path}[{n}]" for n in range(len(found) + 1))
    return next(way for way in ways if way not in found)
