"""Activations of this package in a model: the operations that are one, and those that have one inside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_actsel.activations import ActivationFunction
from keras_actsel.layers import Activation, ActivationMixture
from keras_actsel.surgery._config import Keys, config_of, lambdas_allowed, names_activation, sublayers
from keras_actsel.surgery._sites import Flow, Step, applies_last
from keras_actsel.surgery._stock import stock_activation, stock_layer
from keras_actsel.surgery._terms import Combination, input_shape

_REGISTERED = "keras_actsel>"
Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Place:
    """An activation of this package that an operation is, or has.

    Args:
        op: The operation.
        activation: A mixture, an `Activation`, a record, or another layer that an `Activation` applies.
        shape: The shape of its input, None where any size will do.
        dtype: The dtype it computes in.
        keys: The way to it through the operation's config; empty for an operation that is nothing but the activation.
        doubt: Why the number of axes of its input may be another; empty where it is known.
    """

    op: Any
    activation: Any
    shape: Shape
    dtype: str
    keys: Keys = ()
    doubt: str = ""

    @property
    def is_mixture(self) -> bool:
        """Whether rules choose among its candidates."""
        return isinstance(self.activation, ActivationMixture)

    @property
    def ends(self) -> bool:
        """Whether the operation's output is the activation's."""
        last = self.keys == ("activation",) and applies_last(self.op) and not isinstance(self.op, keras.layers.RNN)
        return not self.keys or last

    def function(self, combined: Combination) -> Any:
        """What computes a combination in the activation's place, as `stock_activation` returns it.

        Raises:
            ValueError: If it has to know how many axes its input has, and can't.
        """
        function = stock_activation(combined, self.shape, self.dtype)
        if isinstance(function, keras.Model) and self.doubt:
            raise ValueError(
                f"{_described(self.activation)} in the layer {self.op.name!r} would become `keras.ops` nodes, which "
                f"are made for inputs of one number of axes. Received: {self.doubt}. Expected a layer of its own for "
                "each number of axes, or a function that Keras has."
            )
        regularizer = getattr(self.activation, "activity_regularizer", None)
        if regularizer is None or self.activation is self.op or not _is_layer(self.activation):
            return function
        return stock_layer(function, self.activation.name, self.activation.dtype_policy, regularizer)

    def spelled(self, function: Any) -> Any:
        """What stands for the activation in the operation's config."""
        if not names_activation(self.keys[-1]):  # a layer is wanted there, not a function
            function = stock_layer(function, self.activation.name, self.activation.dtype_policy)
        elif len(self.keys) == 1:
            return function
        return keras.saving.serialize_keras_object(function)


def own(thing: Any) -> Any:
    """The activation of this package that a layer or function is, or applies and is nothing but that; else None.

    Of an `Activation` around another layer it is that layer, whosoever it is.
    """
    if isinstance(thing, Activation) and isinstance(thing.activation, keras.Layer):
        return own(thing.activation) or thing.activation
    if isinstance(thing, keras.layers.Activation):
        return own(thing.activation)
    return thing if isinstance(thing, (ActivationMixture, Activation, ActivationFunction)) else None


def alone(layer: Any) -> Place | None:
    """The place of a layer without a model; None if it is no built layer of this package."""
    activation = own(layer)
    return Place(layer, activation, _free(activation, ()), layer.compute_dtype) if _is_built(activation) else None


def places(flow: Flow) -> list[Place]:
    """The activations of this package in a data flow, in the order of the operations.

    Raises:
        ValueError: If one is out of reach.
    """
    calls: dict[int, list[Step]] = {}
    for step in flow.steps:
        calls.setdefault(id(step.op), []).append(step)
    return [place for steps in calls.values() for place in _places(steps)]


def _places(steps: Sequence[Step]) -> list[Place]:
    op, shape = steps[0].op, steps[0].shape
    if (activation := own(op)) is not None:
        return [Place(op, activation, _free(activation, shape), op.compute_dtype, doubt=_doubt(steps))]
    if not isinstance(op, keras.Layer):
        return []
    found = [_inside(steps, keys, spelled) for keys, spelled in _spelled(config_of(op))]
    held = [] if found else [part for part in sublayers(op).values() if _is_layer(part)]
    if held:
        raise ValueError(_out_of_reach(op, held[0]))
    return found


def _spelled(config: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """The outermost objects of this package in a config, with the keys to each."""
    if isinstance(config, dict) and str(config.get("registered_name")).startswith(_REGISTERED):
        yield keys, config
    elif isinstance(config, (dict, list, tuple)):
        for key, value in config.items() if isinstance(config, dict) else enumerate(config):
            yield from _spelled(value, (*keys, key))


def _inside(steps: Sequence[Step], keys: Keys, spelled: Any) -> Place:
    op, way = steps[0].op, _way(steps[0].op, keys)
    live = _live(way[-1], spelled)
    activation = own(keras.saving.deserialize_keras_object(spelled)) if live is None else live
    nested = any(isinstance(holder, keras.Model) for holder in way[1:-1])  # whose config is more than its layers'
    if activation is None or nested or (_has_state(activation) and not _is_reached(live, way)):
        raise ValueError(_out_of_reach(op, spelled["class_name"] if activation is None else activation))
    shape = _free(activation, _input_inside(steps[0], way))
    dtype = next(holder.compute_dtype for holder in reversed(way[:-1]) if isinstance(holder, keras.Layer))
    doubt = "" if _is_built(activation) else _doubt_inside(way)
    return Place(op, activation, shape, dtype, keys, doubt or _doubt(steps))


def _way(op: Any, keys: Keys) -> list[Any]:
    """The operation, the layers inside it on the way that its config shows, and what is there."""
    way = [op]
    for key in keys:
        if isinstance(key, int):
            held = way[-1] if isinstance(way[-1], (list, tuple)) else ()
            way.append(held[key] if key < len(held) else None)
        elif key != "config":  # the `layer` of a Bidirectional's config is its `forward_layer`
            way.append(getattr(way[-1], key, getattr(way[-1], f"forward_{key}", None)))
    return way


@lambdas_allowed()
def _live(thing: Any, spelled: Any) -> Any:
    """The activation that a layer holds, if it is the one that the config spells."""
    known = own(thing) is not None and keras.saving.serialize_keras_object(thing) == spelled
    return own(thing) if known else None


def _has_state(activation: Any) -> bool:
    learns = isinstance(activation, ActivationMixture) or bool(getattr(activation, "learned", ()))
    return learns or (isinstance(activation, keras.Layer) and not _is_layer(activation) and bool(activation.weights))


def _is_reached(live: Any, way: Sequence[Any]) -> bool:
    """Whether what an activation has learned is known, and the same in all copies that the operation makes of it."""
    return _is_built(live) and not isinstance(way[0], keras.layers.Bidirectional)


def _is_layer(thing: Any) -> bool:
    return isinstance(thing, (Activation, ActivationMixture))


def _is_built(thing: Any) -> bool:
    return _is_layer(thing) and bool(thing.built)


# Shapes


def _input_inside(step: Step, way: Sequence[Any]) -> Shape:
    """The shape of an activation's input inside an operation, by what Keras's layers do."""
    shape = step.shape
    for holder in way[:-1]:
        if isinstance(holder, keras.layers.TimeDistributed):
            shape = (shape[0], *shape[2:])
        if isinstance(holder, keras.layers.RNN):
            shape = (None,) * (2 + getattr(holder.cell, "rank", 0))
    return shape


def _free(activation: Any, shape: Shape) -> Shape:
    """The shape of an activation's input, with None wherever another size will do as well."""
    if _is_built(activation):
        shape = input_shape(activation)
    records = activation.kept if isinstance(activation, ActivationMixture) else [_function(activation)]
    if any(getattr(record, "kind", "elementwise") != "elementwise" for record in records):
        return (None, *shape[1:])
    sizes = (activation.broadcast_shape if _is_built(activation) else ()) or (1,) * len(shape)
    return tuple(size if size > 1 else None for size in sizes)


def _function(activation: Any) -> Any:
    return activation.activation if isinstance(activation, Activation) else activation


def _doubt(steps: Sequence[Step]) -> str:
    counts = sorted({len(step.shape) for step in steps})
    return f"calls on inputs of {' and '.join(map(str, counts))} axes" if len(counts) > 1 else ""


def _doubt_inside(way: Sequence[Any]) -> str:
    """Layers of Keras are known to keep the number of axes; of others nobody knows."""
    other = next(
        (h for h in way[:-1] if isinstance(h, keras.Layer) and not type(h).__module__.startswith("keras.")), None
    )
    return "" if other is None else f"a layer of the type {type(other).__name__}, which does not tell"


# Words


def _described(activation: Any) -> str:
    if isinstance(activation, ActivationMixture):
        return f"The mixture {activation.name!r}"
    return f"The activation {getattr(activation, 'name', activation)!r}"


def _out_of_reach(op: Any, activation: Any) -> str:
    kind, name = type(op).__name__, _described(activation).replace("The", "the")
    return (
        f"The layer {op.name!r} of type {kind} holds {name} inside, where it can't be exchanged. Expected activations "
        "that are layers of the model, the `activation` of one of Keras's layers, or in `TimeDistributed`, in a model "
        f"that was called once on data. Make a new {kind} with `collapse(activation)` in its place."
    )
