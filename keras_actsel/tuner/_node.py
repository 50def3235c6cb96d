"""An activation with weights has to be a layer of its own in a model."""

import functools
import sys
from typing import Any

import keras
from keras_tuner.errors import FatalValueError


def as_own_node(layer: keras.Layer, given: str) -> keras.Layer:
    """The layer, which will not be built as the `activation` of another one if it has weights.

    Args:
        layer: A new layer, returned as it is but for this.
        given: What the user's code says for it, such as `"hp_activation(...)"`.
    """
    build = layer.build

    @functools.wraps(build)
    def build_alone(*args: Any, **kwargs: Any) -> None:
        if not layer.weights:  # Keras on PyTorch tries a second time after an error
            build(*args, **kwargs)
        host = _host(layer)
        if host is not None and layer.weights:
            layer.built = False
            raise FatalValueError(_late(host, given))

    layer.build = build_alone
    return layer


def _host(layer: keras.Layer) -> keras.Layer | None:
    """The layer of Keras that is calling this one as its activation: Keras keeps no note of it, but the calls do."""
    frame = sys._getframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        of_keras = isinstance(caller, keras.Layer) and type(caller).__module__.startswith("keras.")
        if of_keras and getattr(caller, "activation", None) is layer:
            return caller
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _late(host: keras.Layer, given: str) -> str:
    kind, units = type(host).__name__, getattr(host, "units", getattr(host, "filters", "..."))
    return (
        f"{kind}({units}, activation={given}): the activation has weights, which Keras makes only when "
        f"{host.name!r} is first called, too late for `tuner.get_best_models`. Expected a layer of its own: "
        f"`model.add({kind}({units})); model.add({given})`, or `x = {given}({kind}({units})(x))`."
    )
