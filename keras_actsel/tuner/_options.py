"""What an activation hyperparameter may be: candidates by the text that keras-tuner stores, and their parameters."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
from keras_tuner.engine import hyperparameters

from keras_actsel import activations, layers
from keras_actsel._spelling import did_you_mean
from keras_actsel.search import SHORTLIST
from keras_actsel.search._candidates import named
from keras_actsel.surgery import copied

_COUNT = re.compile(r"_\d+$")
SAMPLINGS = ("linear", "log", "reverse_log")


@dataclass(frozen=True)
class Range:
    """The values of a parameter to search among.

    Args:
        low: The least, or None for a list.
        high: The greatest, or None for a list.
        sampling: `"linear"`, `"log"` or `"reverse_log"`.
        values: The values of a list.
    """

    low: Any = None
    high: Any = None
    sampling: str = "linear"
    values: tuple[Any, ...] = ()

    def declare(self, hp: Any, name: str, start: Any) -> Any:
        """Its value in a trial, with `start` as its default where it lies inside."""
        if self.values:
            return hp.Choice(name, list(self.values), default=start if start in self.values else None)
        default = start if self.low <= start <= self.high else self.low
        kind = hp.Int if isinstance(self.low, int) else hp.Float
        return kind(name, self.low, self.high, sampling=self.sampling, default=default)

    def agrees_with(self, declared: Any) -> bool:
        """Whether a hyperparameter of keras-tuner has the same values in any order, or is fixed to one of them."""
        if isinstance(declared, hyperparameters.Fixed):
            return declared.value in self.values if self.values else self.low <= declared.value <= self.high
        if self.values:
            return set(getattr(declared, "values", ())) == set(self.values)
        limits = [getattr(declared, key, None) for key in ("min_value", "max_value", "sampling")]
        return limits == [self.low, self.high, self.sampling]

    def __str__(self) -> str:
        return str(list(self.values)) if self.values else f"{self.low} to {self.high} ({self.sampling})"


@dataclass(frozen=True)
class Option:
    """A candidate.

    Args:
        candidate: Its record, or layer.
        ranges: The parameters to search, by name.
    """

    candidate: Any
    ranges: Mapping[str, Range] = field(default_factory=lambda: MappingProxyType({}))

    def activation(self, parameters: Mapping[str, Any], trainable: Sequence[str] = ()) -> Any:
        """Its record with values for the searched parameters, or a new layer where it has or learns weights."""
        if isinstance(self.candidate, keras.Layer):
            return copied(self.candidate, name=None)  # a model may hold several, and Keras wants their names to differ
        record = self.candidate.with_parameters(**parameters)
        asked = [key for key in trainable if key in record.parameters]
        if not asked and not record.needs_layer:
            return record
        learned = tuple(dict.fromkeys((*record.trainable, *asked))) if asked else None
        return layers.Activation(record, trainable=learned)

    def layer(self, parameters: Mapping[str, Any], trainable: Sequence[str] = ()) -> keras.Layer:
        """A new layer of it."""
        activation = self.activation(parameters, trainable)
        return activation if isinstance(activation, keras.Layer) else layers.Activation(activation)


def options(candidates: Any) -> dict[str, Option]:
    """Candidates by the text that keras-tuner stores for each.

    Args:
        candidates: A list of names, spellings, records, functions or layers, in which a dict stands for activations
            with parameters to search; or such a dict; or None for the shortlist.

    Raises:
        ValueError: For what is no activation, no parameter of it or no range of the parameter, and for two different
            candidates of one name.
    """
    found: dict[str, Option] = {}
    for given, ranges in _pairs(SHORTLIST if candidates is None else candidates):
        ((_, candidate),) = named([given]).items()
        key, option = _key(candidate), Option(candidate, _ranges(candidate, ranges))
        if key in found and found[key] != option:
            raise ValueError(
                f"Two different candidates have the name {key!r}, which is what keras-tuner would store for both. "
                "Give a layer another one by name=, and ranges of a parameter once."
            )
        found[key] = option
    if not found:
        raise ValueError("There is no candidate. Received: none. Expected activations such as ['relu', 'gelu'].")
    return found


def _pairs(candidates: Any) -> list[tuple[Any, Mapping[str, Any]]]:
    """Each candidate with what is to be searched of its parameters."""
    if isinstance(candidates, Mapping):
        return list(candidates.items())
    if isinstance(candidates, (str, keras.Layer)) or not isinstance(candidates, Iterable):
        raise ValueError(f"candidates must be a list such as ['relu', 'gelu'], or a dict. Received: {candidates!r}.")
    return [pair for item in candidates for pair in (item.items() if isinstance(item, Mapping) else [(item, {})])]


def _key(candidate: Any) -> str:
    """A text that is the same in every process: Keras counts up the names that it gives to layers."""
    if not isinstance(candidate, keras.Layer):
        return str(candidate)
    automatic = _COUNT.sub("", Option(candidate).layer({}).name)
    return automatic if _COUNT.sub("", candidate.name) == automatic else str(candidate.name)


def _ranges(candidate: Any, given: Any) -> Mapping[str, Range]:
    if not isinstance(given, Mapping):
        raise ValueError(
            f"The parameters of {str(candidate)!r} to search must be a dict by name, such as "
            f"{{'negative_slope': (0.01, 0.3)}}. Received: {given!r}."
        )
    if given and isinstance(candidate, keras.Layer):
        raise ValueError(
            f"Parameters of the layer {candidate.name!r} can't be searched. Received: {dict(given)!r}. "
            "Expected an activation's name for that, or one layer for each value."
        )
    return MappingProxyType({key: _range(candidate, key, value) for key, value in given.items()})


def _range(record: activations.ActivationFunction, key: str, given: Any) -> Range:
    label = f"{key!r} of {record.name!r}"
    if key not in record.parameters:
        raise ValueError(
            f"{record.name!r} has no parameter {key!r}. "
            f"Expected one of: {', '.join(record.parameters) or 'it has none'}.{did_you_mean(key, record.parameters)}"
        )
    spec = record.specs[key]
    if isinstance(given, list) and given:
        return Range(values=tuple(spec.checked(value, label) for value in given))
    is_pair = isinstance(given, tuple) and len(given) in (2, 3)
    if not is_pair or (len(given) == 3 and given[2] not in SAMPLINGS):
        raise ValueError(
            f"What to search of {label} must be a range, (low, high) or (low, high, 'log'), or a list of values. "
            f"Received: {given!r}. Samplings: {SAMPLINGS}."
        )
    low, high = (spec.checked(value, label) for value in given[:2])
    sampling = given[2] if len(given) == 3 else "linear"
    if isinstance(low, (bool, str, tuple)) or low is None or not low < high or (sampling != "linear" and low <= 0):
        raise ValueError(
            f"The range of {label} must go from a number to a larger one, both above 0 unless it is linear. "
            f"Received: {given!r}. A list gives single values."
        )
    return Range(low, high, sampling)
