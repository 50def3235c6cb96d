"""The role of each activation, from the data flow of the outermost model. Pure functions of plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_actsel.activations import ActivationFunction

ROLES = ("recurrent", "gate", "output", "attention", "hidden")
_SIGMOIDS = ("sigmoid", "hard_sigmoid", "sparse_sigmoid")
_AXISWISE = ("softmax", "log_softmax", "sparsemax")


@dataclass(frozen=True)
class Acting:
    """An activation that acts in an event.

    Args:
        path: The path of its site.
        activation: Its record, or a layer.
        final: Whether the event's output is the activation's output.
        recurrent: Whether it belongs to a recurrent layer.
    """

    path: str
    activation: Any
    final: bool = True
    recurrent: bool = False


@dataclass(frozen=True)
class Event:
    """One call in the data flow; tensors are numbers.

    Args:
        inputs: The tensors it reads.
        outputs: The tensors it makes.
        kind: `"weighted"`, `"product"`, `"scaling"`, `"shift"` or `"plain"`.
        acting: The activations in it.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    kind: str = "plain"
    acting: tuple[Acting, ...] = field(default=())

    @property
    def transparent(self) -> bool:
        """Whether values pass without weights or a bend."""
        return self.kind != "weighted" and all(is_named(a.activation, "linear") for a in self.acting)


def roles(events: Sequence[Event], outputs: Sequence[int]) -> dict[str, str]:
    """The role of each site by its path.

    Args:
        events: The calls of the data flow, in order. A site called several times has several events.
        outputs: The tensors that leave the outermost model.
    """
    at_output = _reaching(events, set(outputs))
    found: dict[str, str] = {}
    for index, event in enumerate(events):
        for acting in event.acting:
            role = _role(acting, index, events, at_output)
            found[acting.path] = min(role, found.get(acting.path, "hidden"), key=ROLES.index)
    return found


def _role(acting: Acting, index: int, events: Sequence[Event], at_output: set[int]) -> str:
    if acting.recurrent:
        return "recurrent"
    if acting.final and _is_gate(acting.activation, index, events):
        return "gate"
    if acting.final and at_output.intersection(events[index].outputs):
        return "output"
    return "attention" if _is_axiswise(acting.activation) else "hidden"


def _reaching(events: Sequence[Event], outputs: set[int]) -> set[int]:
    """The tensors whose values reach an output through transparent events."""
    reached = set(outputs)
    for event in reversed(events):
        if event.transparent and reached.intersection(event.outputs):
            reached.update(event.inputs)
    return reached


def _is_gate(activation: Any, index: int, events: Sequence[Event]) -> bool:
    if is_sigmoidal(activation):
        return _multiplies_another(index, events, scaled=True)
    return _is_clipped_at_six(activation) and _multiplies_another(index, events, scaled=_is_shifted(index, events))


def _multiplies_another(index: int, events: Sequence[Event], scaled: bool) -> bool:
    """Whether the event's value, once scaled, is multiplied with a tensor that is not made of it alone."""
    reached = dict.fromkeys(events[index].outputs, scaled)
    for event in events[index + 1 :]:
        known = [reached[tensor] for tensor in event.inputs if tensor in reached]
        if not known or not event.transparent:
            continue
        if len(known) == len(event.inputs):
            reached.update(dict.fromkeys(event.outputs, any(known) or event.kind == "scaling"))
        elif event.kind == "product" and any(known):
            return True
    return False


def _is_shifted(index: int, events: Sequence[Event]) -> bool:
    """Whether a constant was added to what the event reads."""
    source = events[index].inputs[:1]
    return any(e.kind == "shift" and len(e.inputs) == 1 and e.outputs == source for e in events[:index])


def is_sigmoidal(activation: Any) -> bool:
    """Whether an activation grows from 0 to 1, as a gate does."""
    if not isinstance(activation, ActivationFunction):
        return False
    low, high = activation.range or (-1.0, 2.0)
    bounded = activation.monotonic is True and low >= 0 and high <= 1
    return activation.name in _SIGMOIDS or (bounded and not _is_axiswise(activation))


def _is_clipped_at_six(activation: Any) -> bool:
    if not isinstance(activation, ActivationFunction):
        return False
    return activation.name == "relu6" or (activation.name == "relu" and activation.parameters.get("max_value") == 6)


def _is_axiswise(activation: Any) -> bool:
    if isinstance(activation, ActivationFunction):
        return activation.kind == "axiswise" or activation.name in _AXISWISE
    return isinstance(activation, keras.layers.Softmax)


def is_squashing(activation: Any) -> bool:
    """Whether an activation turns scores into probabilities or another bounded target."""
    return is_sigmoidal(activation) or _is_axiswise(activation) or is_named(activation, "tanh")


def is_named(activation: Any, name: str) -> bool:
    """Whether an activation is a record of that name; a layer's name is its user's choice and says nothing."""
    return isinstance(activation, ActivationFunction) and activation.name == name
