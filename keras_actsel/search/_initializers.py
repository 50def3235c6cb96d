"""What draws the weights of a candidate: initializers by name, and pairs of an activation and one of them."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_actsel.initializers import matched
from keras_actsel.results import reason

MODEL, MATCHED = "model", "matched"


@dataclass(frozen=True)
class Pair:
    """A candidate: an activation, and what draws the weights before it.

    Args:
        activation: The record or layer.
        initializer: A Keras initializer; None for the model's own ones.
    """

    activation: Any
    initializer: Any = None


def initializers_named(given: Any) -> dict[str, Any]:
    """Initializers by their name in the leaderboard; equal ones once.

    Raises:
        ValueError: For what is no initializer, or for two different ones of one name.
    """
    found: dict[str, Any] = {}
    for item in given if isinstance(given, (list, tuple)) else [given]:
        initializer = _one(item)
        name = initializer if isinstance(initializer, str) else _name(initializer)
        if name in found and not _alike(found[name], initializer):
            raise ValueError(
                f"Two different initializers have the name {name!r}. Give distinct ones: of classes of their own, or "
                "of one class with a get_config that tells their arguments."
            )
        found[name] = initializer
    if not found:
        raise ValueError("There is no initializer. Received: an empty list. Expected such as ['model', 'matched'].")
    return found


def _one(given: Any) -> Any:
    if isinstance(given, str) and given in (MODEL, MATCHED):
        return given
    try:
        initializer = keras.initializers.get(given) if isinstance(given, (str, Mapping)) else given
    except ValueError:
        initializer = None
    if not isinstance(initializer, keras.initializers.Initializer):
        raise ValueError(
            'initializer must be "model" (the model\'s own initializers), "matched", a Keras initializer or its name '
            f'such as "he_normal", or a list of these. Received: {given!r}.'
        )
    return initializer


def _config(initializer: Any) -> dict[str, Any]:
    """Its config but for the seed, which each trial sets anew."""
    return {key: value for key, value in initializer.get_config().items() if key != "seed"}


def _name(initializer: Any) -> str:
    """Its class, with the arguments that differ from their defaults: `"VarianceScaling(scale=2.0)"`."""
    defaults = inspect.signature(type(initializer).__init__).parameters
    changed = {
        key: value
        for key, value in _config(initializer).items()
        if key not in defaults or value != defaults[key].default
    }
    arguments = ", ".join(f"{key}={value}" for key, value in changed.items())
    return f"{type(initializer).__name__}({arguments})" if arguments else type(initializer).__name__


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, str) or isinstance(second, str) or type(first) is not type(second):
        return bool(first == second)
    # A class without a get_config of its own, such as Zeros, tells nothing by it: its attributes must agree.
    without = type(first).get_config is keras.initializers.Initializer.get_config
    return vars(first) == vars(second) if without else _config(first) == _config(second)


def paired(activations: Mapping[str, Any], initializers: Mapping[str, Any]) -> dict[str, Pair]:
    """Every activation with every initializer, by name: `"gelu"` for the model's own, else `"gelu, matched"`."""
    return {
        activation if drawn == MODEL else f"{activation}, {drawn}": Pair(
            candidate, _of(initializer, activation, candidate)
        )
        for activation, candidate in activations.items()
        for drawn, initializer in initializers.items()
    }


def _of(initializer: Any, name: str, candidate: Any) -> Any:
    if not isinstance(initializer, str):
        return initializer
    return _matched(name, candidate) if initializer == MATCHED else None


def _matched(name: str, candidate: Any) -> Any:
    record = getattr(candidate, "activation", candidate)
    if getattr(record, "kind", "elementwise") == "axiswise":
        raise ValueError(
            f"Candidate {name!r} has no matched initializer: it acts along an axis, so that its gain is not that of "
            'one value. Leave it out, or use initializer="model" or an initializer such as "he_normal".'
        )
    try:
        return matched(candidate)
    except ValueError as error:
        raise ValueError(f"Candidate {name!r} has no matched initializer: {reason(error)}") from error


def described(initializers: Mapping[str, Any]) -> str:
    """What was asked, as `Selection.initializer` has it: `"model and matched"`."""
    return " and ".join(initializers)
