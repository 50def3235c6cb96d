"""What is chosen among: candidates by name, and the two ways to make a model of one."""

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_actsel import activations, layers
from keras_actsel.search._compile import fresh_compile_arguments
from keras_actsel.search._data import Data
from keras_actsel.search._random import reseed, seed_everything
from keras_actsel.surgery import rebuild, sites, sublayers

SHORTLIST = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
"""The default candidates: one of each family that trains well in hidden layers, the cheap ones first.

A rectifier and its leaky form, an exponential one, the two smooth gates of transformers and convnets, and the classic
sigmoidal one. Selecting among near twins costs time and rarely tells them apart.
"""

Candidate: TypeAlias = activations.ActivationFunction | keras.Layer


def named(candidates: Iterable[Any] | None) -> dict[str, Candidate]:
    """Candidates by their name in the leaderboard; equal ones once.

    Raises:
        ValueError: For an unknown activation, one that changes the shape, or two different ones of one name.
    """
    found: dict[str, Candidate] = {}
    for given in _listed(candidates):
        candidate = given if isinstance(given, keras.Layer) else activations.get(given)
        _refuse_shape_changing(candidate)
        name = candidate.name if isinstance(candidate, keras.Layer) else str(candidate)
        if name in found and found[name] is not candidate and found[name] != candidate:
            raise ValueError(f"Two different candidates have the name {name!r}. Give one of them another name=.")
        found[name] = candidate
    if not found:
        raise ValueError(
            "There is no candidate. Received: an empty list. Expected activations such as ['relu', 'gelu']."
        )
    return found


def _listed(candidates: Any) -> list[Any]:
    if candidates is None:
        return list(SHORTLIST)
    if isinstance(candidates, (str, keras.Layer)) or not isinstance(candidates, Iterable):
        raise ValueError(f"candidates must be a list such as ['relu', 'gelu']. Received: {candidates!r}.")
    return list(candidates)


def _refuse_shape_changing(candidate: Candidate) -> None:
    record = getattr(candidate, "activation", None) if isinstance(candidate, keras.Layer) else candidate
    if isinstance(record, activations.ActivationFunction) and record.kind == "shape_changing":
        raise ValueError(
            f"{str(record)!r} changes the shape of its input, so it can't take another activation's place. "
            f"Use `keras_actsel.layers.{record.layer_name}` as a layer of the model."
        )


class ModelSource(ABC):
    """Where the models of a search come from.

    Args:
        candidates: Name and activation of each, the baseline included; None stands for the model as given.
        baseline: The name of the one that the others are held against.
    """

    candidates: dict[str, Candidate | None]
    baseline: str

    @abstractmethod
    def make(self, name: str, seed: int, data: Data) -> keras.Model:
        """A compiled model of a candidate whose random parts follow the seed."""


class GivenModel(ModelSource):
    """Copies of a compiled Sequential or Functional model, with the candidate at its hidden sites."""

    def __init__(self, model: keras.Model, candidates: dict[str, Candidate]) -> None:
        if not model.compiled:
            raise ValueError(
                f"Model {model.name!r} is not compiled. Call model.compile(optimizer, loss, metrics) before select."
            )
        self.model = model
        self.sites = _hidden_sites(model)
        shared = _shared_activation(self.sites)
        self.baseline = "as given" if shared is None else str(shared)
        others = {name: candidate for name, candidate in candidates.items() if candidate != shared}
        if not others:
            raise ValueError(
                f"There is no candidate beside the baseline {self.baseline!r}, the model's own activation. "
                f"Received: {list(candidates)}."
            )
        if self.baseline in others:
            raise ValueError(f"A candidate has the baseline's name {self.baseline!r}. Give it another name=.")
        self.candidates = {self.baseline: None, **others}
        self._check_shapes()

    def _check_shapes(self) -> None:
        for name, candidate in self.candidates.items():
            if not isinstance(candidate, keras.Layer):
                continue
            for site in self.sites:
                shape = self._output_shape(name, candidate, site)
                if shape != tuple(site.shape):
                    raise ValueError(
                        f"Candidate {name!r} changes the shape at {site.path!r} from {site.shape} to {shape}. "
                        "A candidate must keep it; use such a layer as a layer of the model."
                    )

    @staticmethod
    def _output_shape(name: str, candidate: keras.Layer, site: Any) -> tuple[int | None, ...]:
        copy = type(candidate).from_config(candidate.get_config())
        try:
            return tuple(copy(keras.KerasTensor(site.shape)).shape)
        except Exception as error:
            raise ValueError(
                f"Candidate {name!r} can't be applied at {site.path!r}, to an input of shape {site.shape}: {error}"
            ) from error

    def make(self, name: str, seed: int, data: Data) -> keras.Model:  # noqa: ARG002 - the copy is built already
        """A copy of the model, drawn anew by the seed and compiled as the original was."""
        model = rebuild(self.model, self.candidates[name], seed=seed)
        model.compile(**fresh_compile_arguments(self.model))
        return model


def _hidden_sites(model: keras.Model) -> list[Any]:
    found = sites(model)
    hidden = [site for site in found if site.role == "hidden"]
    if not hidden:
        others = ", ".join(f"{site.path} ({site.role}: {site.activation})" for site in found) or "none at all"
        raise ValueError(
            f"Model {model.name!r} has no hidden activation to choose. Activations it has: {others}. "
            "Give its hidden layers an `activation=`, or pass a function `build(activation)`."
        )
    return hidden


def _shared_activation(hidden: list[Any]) -> activations.ActivationFunction | None:
    """The one function at all hidden sites, if they share one."""
    first = hidden[0].activation
    alike = all(site.activation == first for site in hidden)
    return first if alike and isinstance(first, activations.ActivationFunction) else None


class BuildFunction(ModelSource):
    """Models from a user's `build(activation)`; the first candidate is the baseline."""

    def __init__(self, build: Callable[[Any], keras.Model], candidates: dict[str, Candidate]) -> None:
        if len(candidates) < 2:
            raise ValueError(
                f"There is no candidate beside the baseline. Received: {list(candidates)}. Expected two or more."
            )
        self.build = build
        self.candidates = dict(candidates)
        self.baseline = next(iter(candidates))
        self._starts: dict[str, dict[int, str | None]] = {}

    def make(self, name: str, seed: int, data: Data) -> keras.Model:
        """What `build` returns, with weights and generators of fixed seeds drawn anew."""
        activation = self._fresh(name)
        seed_everything(seed)  # whatever a layer drew when it was copied, all candidates start alike
        model = self.build(activation)
        if not isinstance(model, keras.Model) or not model.compiled:
            raise ValueError(f"build(activation) must return a compiled keras.Model. Received: {_described(model)}.")
        if not model.built:
            _build_by_calling(model, data)
        if isinstance(activation, keras.Layer):
            _refuse_shared(model, activation)
        reseed(model, seed)
        self._warn_of_equal_starts(model, name, seed)
        return model

    def _warn_of_equal_starts(self, model: keras.Model, name: str, seed: int) -> None:
        digest = _starting_digest(model)
        earlier = self._starts.setdefault(name, {})
        if digest is not None and digest in earlier.values() and seed not in earlier:
            warnings.warn(
                f"build(activation) gave {name!r} the same starting weights for the seeds {[*earlier, seed]}. Either "
                "all of them are pretrained, or build sets a random seed of its own: then the seeds are no independent "
                "runs and the verdict is too sure. Leave seeding to `select`.",
                stacklevel=2,
            )
        earlier[seed] = digest

    def _fresh(self, name: str) -> Any:
        """What `build` is given: the record itself, or a copy of the layer for this trial alone."""
        candidate = self.candidates[name]
        if isinstance(candidate, keras.Layer):
            return type(candidate).from_config(candidate.get_config())
        # A record that learns by itself, such as prelu, does so as a layer only.
        if candidate is not None and candidate.trainable:
            return layers.Activation(candidate, name=candidate.name)
        return candidate


def _described(model: Any) -> str:
    return "a model that is not compiled" if isinstance(model, keras.Model) else f"{type(model).__name__}"


def _build_by_calling(model: keras.Model, data: Data) -> None:
    try:
        model(data.few, training=False)
    except NotImplementedError:
        # A model that only has a train_step of its own: `fit` builds it. Its fixed seeds stay unknown until then.
        return


def _refuse_shared(model: keras.Model, activation: keras.Layer) -> None:
    """A layer with weights must not act at two places: they would learn one set of weights together."""
    places = [
        f"{layer.name}.{attribute}"
        for layer in (model, *sublayers(model).values())
        # On PyTorch a layer keeps its sublayers apart from its other attributes.
        for attribute, value in {**vars(layer), **vars(layer).get("_modules", {})}.items()
        if value is activation
    ]
    if len(places) > 1:
        raise ValueError(
            f"build(activation) put one layer, {activation.name!r}, at {len(places)} places: {', '.join(places)}. "
            "They would share its weights. Place `keras_actsel.layers.Activation(activation)` at each: it copies it."
        )


def _starting_digest(model: keras.Model) -> str | None:
    """A digest of the trainable weights that are not constant; None if there are none (yet)."""
    weights = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    drawn = [weight for weight in weights if weight.size and np.ptp(weight) > 0]
    return hashlib.sha256(b"".join(weight.tobytes() for weight in drawn)).hexdigest() if drawn else None
