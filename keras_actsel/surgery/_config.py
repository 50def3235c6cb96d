"""Configs of layers: the activations named in them, edits, and layers made from them."""

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_actsel import activations
from keras_actsel.surgery._operations import record_of
from keras_actsel.surgery._roles import is_named

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Entry:
    """An activation named in a layer's config.

    Args:
        keys: The way to it through the config.
        label: The way to it as a site's path shows it: "", "/layer", ".recurrent_activation", ...
        activation: Its record, or the layer that is used as one.
        recurrent: Whether it belongs to a recurrent layer or cell.
    """

    keys: Keys
    label: str
    activation: Any
    recurrent: bool


@contextlib.contextmanager
def lambdas_allowed() -> Iterator[None]:
    """Keras warns of lambdas in configs, as they can't be read back from a file. Here nothing is saved."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The object being serialized includes a `lambda`")
        yield


@lambdas_allowed()
def config_of(layer: Any) -> dict[str, Any] | None:
    """A layer's config, or None for a layer that can't give one."""
    try:
        return dict(layer.get_config())
    except Exception:  # whatever a user's get_config raises
        return None


def entries(layer: Any) -> list[Entry]:
    """The activations in a layer's config, linear ones left out."""
    config = config_of(layer) or {}
    recurrent = isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
    found = list(_entries(config, (), "", recurrent, layer))
    return [entry for entry in found if not is_named(entry.activation, "linear")]


def _entries(config: Any, keys: Keys, label: str, recurrent: bool, owner: Any = None) -> Iterator[Entry]:
    recurrent = recurrent or "recurrent_initializer" in config
    for key, value in config.items():
        if names_activation(key) and (function := _function(value, getattr(owner, key, None))) is not None:
            shown = label if key == "activation" else f"{label}.{key}"
            yield Entry((*keys, key), shown, record_of(function), recurrent)
        else:
            for inner_keys, name, inner in _objects(key, value):
                yield from _entries(inner, (*keys, *inner_keys), f"{label}/{name}", recurrent)


def names_activation(key: Any) -> bool:
    """Whether a key of a config is one under which layers name an activation."""
    return isinstance(key, str) and (key in ("activation", "activation_fn") or key.endswith(_SUFFIXES))


_SUFFIXES = ("_activation", "_activation_fn")


def _function(value: Any, live: Any) -> Any:
    """The function that a config's value stands for; the one the layer holds, where it does."""
    if value is None or callable(live):
        return live
    try:
        function = keras.activations.get(value)
    except Exception:  # no activation after all: anything may stand under such a key
        return None
    return function if callable(function) else None


def _objects(key: str, value: Any) -> Iterator[tuple[Keys, Any, dict[str, Any]]]:
    """The configs of objects nested under a key, with the keys to them and a name for each."""
    if _is_object(value):
        yield (key, "config"), key, value["config"]
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if _is_object(item):
                yield (key, index, "config"), item["config"].get("name", f"{key}_{index}"), item["config"]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and isinstance(value.get("config"), dict)


def edited(config: Any, keys: Keys, value: Any) -> Any:
    """A copy of a config with another value at `keys`."""
    if not keys:
        return value
    copy: Any = list(config) if isinstance(config, (list, tuple)) else dict(config)
    copy[keys[0]] = edited(copy[keys[0]], keys[1:], value)
    return copy


@lambdas_allowed()
def portable(function: Any) -> Any:
    """A function as configs spell it, or itself where that spelling could not be read back."""
    spelled = keras.saving.serialize_keras_object(function)
    return spelled if _reads_back(spelled, function) else function


def _reads_back(spelled: Any, function: Any) -> bool:
    try:
        return bool(keras.saving.deserialize_keras_object(spelled) == function)
    except Exception:  # a lambda, a function of a local scope, ...
        return False


def copied(layer: Any, **changes: Any) -> Any:
    """A new, unbuilt layer like a given one, also if it holds functions that Keras can't read back from a config.

    Args:
        layer: The layer.
        **changes: New values of its config.

    Raises:
        ValueError: If the layer's class has no config that makes it again.
    """
    return made_again(layer, layer.name, {(key,): value for key, value in changes.items()})


@lambdas_allowed()
def made_again(layer: Any, path: str, edits: Mapping[Keys, Any]) -> Any:
    """A new, unbuilt layer from a layer's config.

    Args:
        layer: The layer.
        path: Its path in the model, for messages.
        edits: New values by the keys to them in its config.

    Raises:
        ValueError: If the layer's class has no config that makes it again.
    """
    try:
        config = _with_live_functions(layer.get_config(), layer)
        for keys, value in edits.items():
            config = edited(config, keys, value)
        return _from_config(layer, config)
    except Exception as error:
        raise ValueError(
            f"The layer {path!r} of type {type(layer).__name__} can't be made again from its config. "
            f"Expected `from_config(get_config())` to give an equal layer. Received: {_reason(error)} "
            "Give the class a `get_config` that returns all its arguments, or pass `select` a function "
            "`build(activation)` that builds the model."
        ) from error


def _with_live_functions(config: dict[str, Any], layer: Any) -> dict[str, Any]:
    """The config with the layer's own functions where Keras would refuse to read them back, such as lambdas."""
    return {key: _live(value, getattr(layer, key, None)) for key, value in config.items()}


def _live(value: Any, live: Any) -> Any:
    if isinstance(value, list) and isinstance(live, (list, tuple)) and len(value) == len(live):
        return list(map(_live, value, live))
    is_function = inspect.isfunction(live) or isinstance(live, activations.ActivationFunction)
    unreadable = isinstance(value, dict) and is_function and not _reads_back(value, live)
    return live if unreadable else value


def _reason(error: Exception) -> str:
    """What went wrong, without the configs and examples that Keras puts around it."""
    text = str(error).rpartition("Exception encountered: ")[2].strip().partition("\n\n")[0]
    return " ".join(text.split())


def _from_config(layer: Any, config: dict[str, Any]) -> Any:
    if isinstance(layer, keras.layers.Lambda):
        return _lambda_again(layer, config)
    with keras.saving.custom_object_scope({type(part).__name__: type(part) for part in _own_classes(layer)}):
        return type(layer).from_config(config)


def _lambda_again(layer: Any, config: dict[str, Any]) -> Any:
    """Lambda.from_config refuses Python lambdas, and loses their globals."""
    base = {key: value for key, value in config.items() if key not in ("function", "output_shape", "mask", "arguments")}
    # The layer keeps `output_shape` in a private attribute only, and its config loses a function's globals.
    shape = layer._output_shape
    return type(layer)(layer.function, output_shape=shape, mask=layer.mask, arguments=layer.arguments, **base)


def _own_classes(layer: Any) -> list[Any]:
    """The sublayers whose classes Keras may not find by itself."""
    return [part for part in sublayers(layer).values() if not type(part).__module__.startswith("keras.")]


def sublayers(layer: Any) -> dict[Keys, Any]:
    """All layers inside a layer, at any depth, each once, by the way of attributes that leads to it."""
    found: dict[Keys, Any] = {}
    _collect(layer, (), found, {id(layer)})
    return found


def _collect(thing: Any, keys: Keys, found: dict[Keys, Any], seen: set[int]) -> None:
    for key, value in _parts(thing):
        if id(value) in seen:
            continue
        if isinstance(value, keras.Layer):
            seen.add(id(value))
            found[(*keys, key)] = value
        if isinstance(value, (keras.Layer, list, tuple, dict)):
            _collect(value, (*keys, key), found, seen)


def _parts(thing: Any) -> list[tuple[str | int, Any]]:
    if isinstance(thing, keras.Operation):
        return sorted(vars(thing).items())
    items = thing.items() if isinstance(thing, dict) else enumerate(thing)
    return [(key, value) for key, value in items if isinstance(key, (str, int))]
