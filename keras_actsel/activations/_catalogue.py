"""The catalogue: the decorator that enters a function, the lookup by name, and the query by facts."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import keras

from keras_actsel._spelling import did_you_mean
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._record import (
    ALIASES,
    COSTS,
    ENTRIES,
    KINDS,
    PLACES,
    ActivationFunction,
    entry,
    of_function,
    origin,
)

_STATED = {f.name for f in fields(ActivationFunction)} - {"function", "name", "parameters"}
_DERIVED = {
    name for name, value in vars(ActivationFunction).items() if isinstance(value, property) and not name.startswith("_")
}


def activation(**facts: Any) -> Callable[[Callable[..., Any]], ActivationFunction]:
    """Decorator: enter a function of `keras.ops` into the catalogue, with its facts.

    The function's first argument is the tensor; its keyword defaults are its parameters.

    Args:
        **facts: Fields of `ActivationFunction`; `derivative` is short for `derivative_formula`. `specs` need only say
            what is not plain: limits, what is learned.

    Returns:
        A decorator that turns the function into its `ActivationFunction`.

    Raises:
        ValueError: If the name is taken, or a fact or what it says is unknown.

    Example:
        >>> from keras import ops
        >>> from keras_actsel.activations import activation
        >>> @activation(formula="(x + tanh(x))/2", derivative="1 - tanh(x)**2/2", monotonic=True)
        ... def half_tanh(x):
        ...     "Half identity, half tanh: its slope is between 1/2 and 1."
        ...     return 0.5 * (x + ops.tanh(x))
        >>> float(half_tanh(0.0)), float(half_tanh.derivative(0.0))
        (0.0, 1.0)
    """
    facts["derivative_formula"] = facts.pop("derivative", None)
    if unknown := set(facts) - _STATED:
        raise ValueError(f"Unknown facts {sorted(unknown)}. Expected some of: {sorted(_STATED)}.")
    _check_words(facts)

    def register(function: Callable[..., Any]) -> ActivationFunction:
        name = function.__name__
        specs = _specs(function, facts.get("specs", {}))
        defaults = MappingProxyType({key: spec.default for key, spec in specs.items()})
        own = {"layer_name": "".join(word.capitalize() for word in name.split("_")), **facts, "specs": specs}
        record = ActivationFunction(function, name, defaults, **own)
        for key in (name, *record.aliases):
            _refuse_taken(key, record)
        ENTRIES[name] = record
        ALIASES.update(dict.fromkeys(record.aliases, name))
        return record

    return register


def _check_words(facts: Mapping[str, Any]) -> None:
    """Facts that are words must be words that are known."""
    for key, words, given in (
        ("kind", KINDS, [facts.get("kind", KINDS[0])]),
        ("cost", COSTS, [facts["cost"]] if "cost" in facts else []),
        ("belongs", PLACES, [places] if isinstance(places := facts.get("belongs", ()), str) else places),
    ):
        if unknown := [word for word in given if word not in words]:
            hint = did_you_mean(unknown[0], words)
            raise ValueError(f"Unknown {key} {unknown[0]!r}.{hint} Expected one of {words}.")


def _specs(function: Callable[..., Any], stated: Mapping[str, Parameter]) -> Mapping[str, Parameter]:
    """A `Parameter` for each keyword of a function, with its default."""
    _, *keywords = inspect.signature(function).parameters.values()
    keywords = [p for p in keywords if p.name != "seed"]
    if missing := [p.name for p in keywords if p.default is p.empty]:
        raise ValueError(f"Parameters of {function.__name__!r} need default values. Received none for: {missing}.")
    if unknown := set(stated) - {p.name for p in keywords}:
        raise ValueError(f"{function.__name__!r} has no parameters {sorted(unknown)}, of which `specs` speaks.")
    return MappingProxyType({p.name: replace(stated.get(p.name, Parameter()), default=p.default) for p in keywords})


def _refuse_taken(key: str, record: ActivationFunction) -> None:
    """A name belongs to one function; the same function may be defined again (a reloaded module, a rerun cell)."""
    holder = ENTRIES.get(ALIASES.get(key, key))
    if holder is not None and origin(holder.function) != origin(record.function):
        raise ValueError(f"The name {key!r} is taken by {holder} of {holder.function.__module__}. Choose another name.")


def get(identifier: Any, **parameters: Any) -> ActivationFunction:
    """Look an activation up.

    Args:
        identifier: A name or alias (`"mish"`, `"swish"`), a spelling with parameters
            (`"leaky_relu(negative_slope=0.1)"`), a record, a function of `keras.activations`, any other function of a
            tensor, what `keras.saving.serialize_keras_object` makes of these, or None for `"linear"`.
        **parameters: Values for the function's parameters.

    Returns:
        The `ActivationFunction`. A function that is not in the catalogue gets a record without facts. One that changes
        the width (`"glu"`) is for a layer of its own, `layers.GLU()`: given as `activation=` of another layer, Keras
        would take that layer's units for its width, and build the next layer for the wrong one.

    Raises:
        ValueError: For an unknown name, a parameter the function does not have, or something that is no activation.

    Example:
        >>> from keras_actsel import activations
        >>> activations.get("swish")
        silu
        >>> activations.get("leaky_relu(negative_slope=0.1)") == activations.get("leaky_relu", negative_slope=0.1)
        True
    """
    if identifier is None:
        identifier = "linear"
    if isinstance(identifier, str):
        name, spelled = _parse(identifier)
        return entry(name).with_parameters(**{**spelled, **parameters})
    if isinstance(identifier, ActivationFunction):
        return identifier.with_parameters(**parameters)
    if isinstance(identifier, dict):
        return get(keras.saving.deserialize_keras_object(identifier), **parameters)
    if isinstance(identifier, type):
        raise ValueError(
            f"Expected an activation function. Received the class {identifier.__name__}. "
            f"Give a name, a function, or where layers are wanted an instance: `{identifier.__name__}()`."
        )
    if isinstance(identifier, keras.Layer):
        raise ValueError(
            f"Expected an activation function. Received the layer {identifier.name!r}. "
            "Use the layer itself where a layer is wanted, as a node of its own."
        )
    if callable(identifier):
        return of_function(identifier).with_parameters(**parameters)
    raise ValueError(
        "An activation is given by its name, a record or a function. "
        f"Received: {identifier!r} of type {type(identifier).__name__}. `catalogue()` lists all names."
    )


def _parse(spelling: str) -> tuple[str, dict[str, Any]]:
    """Split `"name(parameter=value)"` into name and parameters."""
    spelling = spelling.strip()
    if "(" not in spelling:
        return spelling, {}
    try:
        call = ast.parse(spelling, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("not a call with keywords")
        return call.func.id, {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"Could not read the activation {spelling!r}. "
            'Expected a name, or a name with parameters such as "leaky_relu(negative_slope=0.1)".'
        ) from error


def catalogue(**facts: Any) -> tuple[ActivationFunction, ...]:
    """All records, or those whose facts equal the given ones, sorted by name.

    Args:
        **facts: Fields and properties of `ActivationFunction` and the values wanted. Of facts with several words, such
            as `belongs`, one is enough.

    Raises:
        ValueError: For a fact that records do not have, or a word that none has for it.

    Example:
        >>> from keras_actsel import activations
        >>> activations.get("silu") in activations.catalogue(monotonic=False, belongs="hidden")
        True
    """
    known = {f.name for f in fields(ActivationFunction)} | _DERIVED
    if unknown := set(facts) - known:
        hint = did_you_mean(min(unknown), known)
        raise ValueError(f"Records have no fact {sorted(unknown)}.{hint} Expected some of: {sorted(known)}.")
    _check_words(facts)
    records = (ENTRIES[name] for name in sorted(ENTRIES))
    return tuple(r for r in records if all(_matches(getattr(r, key), value) for key, value in facts.items()))


def _matches(fact: Any, wanted: Any) -> bool:
    return fact == wanted or (isinstance(fact, tuple) and isinstance(wanted, str) and wanted in fact)
