"""Layers: `Activation`, `ActivationMixture`, and a named layer for each entry of the catalogue."""

from typing import Any

import keras

from keras_actsel import activations
from keras_actsel.layers._activation import Activation
from keras_actsel.layers._combination import EntropyRegularizer
from keras_actsel.layers._mixture import ActivationMixture


def _named_layer(record: activations.ActivationFunction) -> type[Activation]:
    """The class that binds `Activation` to one entry: `layers.Mish` for `mish`."""

    def __init__(self: Activation, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if args:
            raise ValueError(_by_name(record, args))
        Activation.__init__(self, kwargs.pop("activation", record), **kwargs)

    body = {"__init__": __init__, "__module__": __name__, "__doc__": f"`Activation({record.name!r})`: {record.summary}"}
    return keras.saving.register_keras_serializable(package="keras_actsel")(
        type(record.layer_name, (Activation,), body)
    )


def _by_name(record: activations.ActivationFunction, args: tuple[Any, ...]) -> str:
    """What to say of arguments without names."""
    named = ", ".join(f"{key}={value!r}" for key, value in zip(record.parameters, args, strict=False))
    return f"{record.layer_name} takes its arguments by name. Received: {', '.join(map(repr, args))}. " + (
        f"Expected {record.layer_name}({named})." if named else f"{record.name!r} has no parameters."
    )


_NAMED = {record.layer_name: _named_layer(record) for record in activations.catalogue()}
globals().update(_NAMED)
__all__ = ["Activation", "ActivationMixture", "EntropyRegularizer", *_NAMED]  # noqa: PLE0604


def __getattr__(name: str) -> type[Activation]:
    """The layer of an entry that was made after this module: one of the user's own."""
    for record in activations.catalogue(layer_name=name):
        layer = _NAMED[name] = globals()[name] = _named_layer(record)
        return layer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}. It has: {', '.join(__all__)}.")
