"""What is chosen among: candidates by name, and the two ways to make a model of one."""

import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import keras

from keras_actsel import activations, layers
from keras_actsel.results import reason
from keras_actsel.search._data import Data
from keras_actsel.search._initializers import MODEL, Pair, paired
from keras_actsel.surgery import (
    Site,
    as_record,
    check_replacement,
    copied,
    fresh_compile_arguments,
    is_replaced,
    rebuild,
    sites,
    sublayers,
)

SHORTLIST = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh")
"""The default candidates: one of each family that trains well in hidden layers, the cheap ones first.

A rectifier and its leaky form, an exponential one, the two smooth gates of transformers and convnets, and the classic
sigmoidal one. Selecting among near twins costs time and rarely tells them apart.
"""

RENAME = "Give it another one: a layer by name=, a function by def."

Candidate: TypeAlias = activations.ActivationFunction | keras.Layer


def named(candidates: Iterable[Any] | None) -> dict[str, Candidate]:
    """Candidates by their name in the leaderboard; equal ones once.

    Raises:
        ValueError: For an unknown activation, one that changes the shape, or two different ones of one name.
    """
    found: dict[str, Candidate] = {}
    for given in _listed(candidates):
        if isinstance(given, type):
            raise ValueError(
                f"A candidate is an activation or a layer. Received: the class {given.__name__}. "
                f"Pass an instance: {given.__name__}()."
            )
        candidate = given if isinstance(given, keras.Layer) else activations.get(given)
        _refuse_shape_changing(candidate)
        name = candidate.name if isinstance(candidate, keras.Layer) else str(candidate)
        if name in found and found[name] is not candidate and found[name] != candidate:
            raise ValueError(f"Two different candidates have the name {name!r}. {RENAME}")
        found[name] = candidate
    if not found:
        raise ValueError(
            "There is no candidate. Received: an empty list. Expected activations such as ['relu', 'gelu']."
        )
    return found


def _listed(candidates: Any) -> list[Any]:
    if candidates is None:
        return list(SHORTLIST)
    if isinstance(candidates, (str, Mapping, keras.Layer)) or not isinstance(candidates, Iterable):
        raise ValueError(f"candidates must be a list such as ['relu', 'gelu']. Received: {candidates!r}.")
    return list(candidates)


def _refuse_shape_changing(candidate: Candidate) -> None:
    record = getattr(candidate, "activation", None) if isinstance(candidate, keras.Layer) else candidate
    if isinstance(record, activations.ActivationFunction):
        record.check_keeps_shape("be a candidate")


class ModelSource(ABC):
    """Where the models of a search come from.

    Args:
        candidates: Name and pair of each, the baseline included; None stands for the model as given.
        baseline: The name of the one that the others are held against.
    """

    candidates: dict[str, Pair | None]
    baseline: str

    @abstractmethod
    def make(self, name: str, data: Data) -> keras.Model:
        """A compiled model of a candidate, with new weights."""


class GivenModel(ModelSource):
    """Copies of a compiled Sequential or Functional model, with the candidate at its hidden sites."""

    def __init__(
        self, model: keras.Model, candidates: dict[str, Candidate], initializers: Mapping[str, Any] | None = None
    ) -> None:
        if not model.compiled:
            raise ValueError(
                f"Model {model.name!r} is not compiled. Call model.compile(optimizer, loss, metrics) before select."
            )
        self.model = model
        self.sites = _chosen_sites(model)
        shared = _shared_activation(self.sites)
        self.baseline = "as given" if shared is None else str(shared)
        others = {
            name: pair
            for name, pair in paired(candidates, initializers or {MODEL: MODEL}).items()
            if pair.initializer is not None or as_record(pair.activation) != shared
        }
        if not others:
            raise ValueError(
                f"There is no candidate beside the baseline {self.baseline!r}, the model's own activation. "
                f"Received: {list(candidates)}."
            )
        if self.baseline in others:
            raise ValueError(f"A candidate has the baseline's name {self.baseline!r}. {RENAME}")
        self.candidates = {self.baseline: None, **others}
        self._check_candidates()

    def _check_candidates(self) -> None:
        """Each must keep the shape at every site, and be allowed to stand there."""
        for name, pair in self.candidates.items():
            if pair is None:
                continue
            for site in self.sites:
                shape = _output_shape(name, pair.activation, site)
                if shape != tuple(site.shape):
                    raise ValueError(
                        f"Candidate {name!r} changes the shape at {site.path!r} from {site.shape} to {shape}. "
                        "A candidate must keep it; use such a layer as a layer of the model."
                    )
            check_replacement(self.model, pair.activation, is_chosen, pair.initializer)

    def make(self, name: str, data: Data) -> keras.Model:  # noqa: ARG002 - the copy is built already
        """A copy of the model, drawn anew and compiled as the original was."""
        pair = self.candidates[name] or Pair(None)
        model = rebuild(self.model, pair.activation, is_chosen, fresh=True, kernel_initializer=pair.initializer)
        model.compile(**fresh_compile_arguments(self.model))
        return model


def _output_shape(name: str, candidate: Candidate, site: Site) -> tuple[int | None, ...]:
    tensor = keras.KerasTensor(site.shape)
    try:
        applied = copied(candidate) if isinstance(candidate, keras.Layer) else candidate
        return tuple(applied(tensor).shape)
    except Exception as error:
        raise ValueError(
            f"Candidate {name!r} can't be applied at {site.path!r}, to an input of shape {site.shape}: {reason(error)}"
        ) from error


def is_chosen(site: Site) -> bool:
    """Whether candidates go to a site: not to frozen layers, whose weights were fitted to what is there."""
    return is_replaced(site) and not site.frozen


def _chosen_sites(model: keras.Model) -> list[Site]:
    found = sites(model)
    chosen = [site for site in found if is_chosen(site)]
    if not chosen:
        frozen = {True: "frozen, ", False: ""}
        others = ", ".join(f"{s.path} ({frozen[s.frozen]}{s.role}: {s.activation})" for s in found) or "none at all"
        raise ValueError(
            f"Model {model.name!r} has no hidden activation to choose. Activations it has: {others}. "
            "Give its hidden layers an `activation=`, or pass a function `build(activation)`."
        )
    return chosen


def _shared_activation(chosen: list[Site]) -> activations.ActivationFunction | None:
    """The one function at all chosen sites, if they share one."""
    first = chosen[0].activation
    alike = all(site.activation == first for site in chosen)
    return first if alike and isinstance(first, activations.ActivationFunction) else None


class BuildFunction(ModelSource):
    """Models from a user's `build(activation)`; the first candidate, drawn as `build` likes, is the baseline."""

    def __init__(
        self,
        build: Callable[..., keras.Model],
        candidates: dict[str, Candidate],
        initializers: Mapping[str, Any] | None = None,
    ) -> None:
        self.baseline = next(iter(candidates))
        pairs = paired(candidates, initializers or {MODEL: MODEL})
        self.candidates = {self.baseline: Pair(candidates[self.baseline]), **pairs}
        if len(self.candidates) < 2:
            raise ValueError(
                f"There is no candidate beside the baseline. Received: {list(candidates)}. Expected two or more."
            )
        if any(pair.initializer is not None for pair in pairs.values()):
            _check_takes_initializer(build)
        self.build = build
        self._made: weakref.WeakSet[keras.Model] = weakref.WeakSet()

    def make(self, name: str, data: Data) -> keras.Model:
        """What `build` returns, built."""
        activation, initializer = fresh(self._pair(name).activation), self._pair(name).initializer
        model = self.build(activation) if initializer is None else self.build(activation, initializer)
        if not isinstance(model, keras.Model) or not model.compiled:
            raise ValueError(f"build(activation) must return a compiled keras.Model. Received: {_described(model)}.")
        refuse_known(model, self._made, "build(activation)")
        if not model.built:
            _build_by_calling(model, data)
        refuse_shared(model, activation, "build(activation)")
        return model

    def _pair(self, name: str) -> Pair:
        return self.candidates[name] or Pair(None)


def _check_takes_initializer(build: Callable[..., Any]) -> None:
    try:
        inspect.signature(build).bind("relu", "he_normal")
    except TypeError as error:
        raise ValueError(
            "build must take an initializer as its second argument, to draw weights by others than its own. "
            "Received: a function that takes the activation alone. Expected: "
            '`def build(activation, initializer="glorot_uniform")`.'
        ) from error


def _described(model: Any) -> str:
    return "a model that is not compiled" if isinstance(model, keras.Model) else f"{type(model).__name__}"


def _build_by_calling(model: keras.Model, data: Data) -> None:
    try:
        model(data.few, training=False)
    except NotImplementedError:
        # A model that only has a train_step of its own: `fit` builds it.
        return


def fresh(candidate: Candidate) -> Any:
    """What a build function is given: the record itself, or a copy of the layer for one trial alone."""
    if isinstance(candidate, keras.Layer):
        return copied(candidate)
    # A record that learns or draws by itself, such as prelu and rrelu, does so as a layer only.
    if candidate.needs_layer:
        return layers.Activation(candidate, name=candidate.name)
    # Keras's own function where it agrees, so that the model can be loaded without this package.
    return candidate.keras_equivalent or candidate


def refuse_known(model: keras.Model, made: "weakref.WeakSet[keras.Model]", call: str) -> None:
    """A model must be new: else one trial would go on where another ended."""
    if model in made:
        raise ValueError(
            f"{call} returned a model that it had returned before, so that one trial would go on where another ended. "
            "Expected a new model from each call: make it inside the function."
        )
    made.add(model)


def refuse_shared(model: keras.Model, activation: Any, call: str) -> None:
    """A layer with weights must not act at two places: they would learn one set of weights together."""
    if not isinstance(activation, keras.Layer):
        return
    places = [
        f"{layer.name}.{attribute}"
        for layer in (model, *sublayers(model).values())
        # On PyTorch a layer keeps its sublayers apart from its other attributes.
        for attribute, value in {**vars(layer), **vars(layer).get("_modules", {})}.items()
        if value is activation
    ]
    if len(places) > 1:
        raise ValueError(
            f"{call} put one layer, {activation.name!r}, at {len(places)} places: {', '.join(places)}. "
            "They would share its weights. Place `keras_actsel.layers.Activation(activation)` at each: it copies it."
        )
