"""What `ActivationHyperModel` wraps: a model, or a function that builds one, and where activations go in it."""

import inspect
import re
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner

from keras_actsel.search._candidates import fresh, is_chosen, refuse_known, refuse_shared
from keras_actsel.surgery import Site, fresh_compile_arguments, rebuild, sites
from keras_actsel.tuner._errors import fatal
from keras_actsel.tuner._node import as_own_node

TIES = ("model", "block", "site")
Choose = Callable[[str], Any]
"""What chooses an activation by the label of its group, `""` for the only one."""

_BLOCK = re.compile(r".*?block_?\d+[a-z]?(?![a-z0-9])", re.IGNORECASE)


class Source(ABC):
    """Where models come from."""

    @abstractmethod
    def make(self, hp: Any, choose: Choose) -> keras.Model:
        """A new model, with activations chosen."""


class _Sites(Source):
    """Puts activations at the sites of a model.

    Args:
        tie: Which sites share one choice.
        where: A function of a site that says whether to choose there.
    """

    def __init__(self, tie: Any, where: Any) -> None:
        self.tie, self.where = tie, where or is_chosen

    def _with_chosen(self, model: keras.Model, choose: Choose, anew: bool) -> keras.Model:
        with fatal():
            labels = grouped([site for site in sites(model) if self.where(site)], self.tie)
            if not labels:
                raise ValueError(_nothing_to_choose(model))
            chosen = {label: choose(label) for label in dict.fromkeys(labels.values())}
            new = rebuild(model, each={path: chosen[label] for path, label in labels.items()}, fresh=anew)
        if model.compiled:
            new.compile(**fresh_compile_arguments(model))
        return new


class GivenModel(_Sites):
    """Copies of a compiled model, drawn anew."""

    def __init__(self, model: keras.Model, tie: Any, where: Any) -> None:
        super().__init__(tie, where)
        if not model.compiled:
            raise ValueError(
                f"The model {model.name!r} is not compiled. Call model.compile(optimizer, loss, metrics) first."
            )
        self.model = model

    def make(self, hp: Any, choose: Choose) -> keras.Model:  # noqa: ARG002 - it has no hyperparameters of its own
        """A copy with activations chosen, compiled as the original was."""
        return self._with_chosen(self.model, choose, anew=True)


class Built(_Sites):
    """Copies of what `build(hp)` returns."""

    def __init__(self, build: Callable[[Any], keras.Model], tie: Any, where: Any) -> None:
        super().__init__(tie, where)
        self.function = build
        self._made: weakref.WeakSet[keras.Model] = weakref.WeakSet()

    def make(self, hp: Any, choose: Choose) -> keras.Model:
        """What `build(hp)` returns, with activations chosen and its weights as they are."""
        model = _checked_model(self.function(hp), "build(hp)")
        with fatal():
            refuse_known(model, self._made, "build(hp)")
        if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
            with fatal():
                raise ValueError(
                    f"build(hp) returned a model of a class of its own, {type(model).__name__}, whose activations "
                    "can't be exchanged from outside. Expected a Sequential or Functional model, or a function "
                    "`build(hp, activation)` that places the activation itself."
                )
        return self._with_chosen(model, choose, anew=False)


class BuiltWith(Source):
    """What `build(hp, activation)` returns."""

    def __init__(self, build: Callable[[Any, Any], keras.Model]) -> None:
        self.function = build
        self._made: weakref.WeakSet[keras.Model] = weakref.WeakSet()

    def make(self, hp: Any, choose: Choose) -> keras.Model:
        """A model that places the activation itself."""
        activation = fresh(choose(""))
        if isinstance(activation, keras.Layer):
            as_own_node(activation, "activation")
        model = _checked_model(self.function(hp, activation), "build(hp, activation)")
        with fatal():
            refuse_known(model, self._made, "build(hp, activation)")
            refuse_shared(model, activation, "build(hp, activation)")
        return model


def source_of(given: Any, tie: Any, where: Any) -> Source:
    """The source that a model, a build function or a HyperModel is.

    Raises:
        ValueError: For anything else, or a tie that it can't have.
    """
    if not callable(tie) and tie not in TIES:
        raise ValueError(f"tie must be one of {TIES}, or a function of a site. Received: {tie!r}.")
    if isinstance(given, keras.Model):
        return GivenModel(given, tie, where)
    if isinstance(given, type):
        raise ValueError(f"Expected an instance. Received: the class {given.__name__}. Pass {given.__name__}().")
    if isinstance(given, keras_tuner.HyperModel):
        return Built(given.build, tie, where)
    if not callable(given):
        raise ValueError(
            "Expected a compiled keras.Model, a function build(hp) or build(hp, activation), or a "
            f"keras_tuner.HyperModel. Received: {given!r} of type {type(given).__name__}."
        )
    if not _takes_activation(given):
        return Built(given, tie, where)
    if tie != "model" or where is not None:
        raise ValueError(
            "build(hp, activation) is given one activation and places it itself. "
            f"Received: tie={tie!r}, where={where!r}. Expected tie='model' and no `where`, or a function build(hp)."
        )
    return BuiltWith(given)


def _takes_activation(build: Callable[..., Any]) -> bool:
    parameters = inspect.signature(build).parameters.values()
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and (places[1].default is places[1].empty or places[1].name == "activation")


def grouped(found: Sequence[Site], tie: Any) -> dict[str, str]:
    """The label of the choice for each site, by path: `""` for one of the whole model, else a number."""
    if tie == "model":
        return {site.path: "" for site in found}
    key = tie if callable(tie) else {"block": _block, "site": lambda site: site.path}[tie]
    keys = {site.path: key(site) for site in found}
    # Numbers in the order of the graph: Keras counts up the names that it gives to layers, from model to model.
    order = {k: str(i) for i, k in enumerate(dict.fromkeys(keys.values()), start=1)}
    return {path: order[k] for path, k in keys.items()}


def _block(site: Site) -> str:
    """The part of a path that names a block, as in keras.applications; else the nested model; else the site."""
    match = _BLOCK.match(site.path)
    return match.group() if match else site.path.rpartition("/")[0] or site.path


def _checked_model(model: Any, call: str) -> keras.Model:
    if not isinstance(model, keras.Model):
        with fatal():
            raise ValueError(f"{call} must return a keras.Model. Received: {model!r} of type {type(model).__name__}.")
    return model


def _nothing_to_choose(model: keras.Model) -> str:
    others = ", ".join(f"{site.path} ({site.role}: {site.activation})" for site in sites(model)) or "none at all"
    return (
        f"The model {model.name!r} has no hidden activation to choose. Activations it has: {others}. Give its hidden "
        "layers an `activation=`, choose others by `where=`, or write build(hp, activation)."
    )
