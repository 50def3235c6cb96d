"""The sites of a model: where an activation acts, and in which role."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_actsel.surgery import _operations as operations
from keras_actsel.surgery._config import Keys, entries, sublayers
from keras_actsel.surgery._graph import Call, Graph, checked, is_built, is_graph, tensors, trace
from keras_actsel.surgery._roles import Acting, Event, is_squashing, roles


@dataclass(frozen=True)
class Site:
    """A place in a model where an activation acts.

    Args:
        path: The way to it: `"dense_1"`, `"backbone/relu"` in a nested model, `"lstm.recurrent_activation"` for an
            argument that is not called `activation`, `"bidirectional/layer"` in a wrapped layer, `"relu[1]"` for the
            second call of an activation layer without weights.
        activation: The `ActivationFunction`, or the layer where the activation is a layer with weights.
        shape: The shape of what comes out, None for the batch.
        role: `"hidden"`, `"output"`, `"gate"`, `"recurrent"` or `"attention"`.
        layer: The class of the layer or operation that has it.
        frozen: Whether that layer is frozen (`trainable=False`): its weights were fitted to this activation.
    """

    path: str
    activation: Any
    shape: tuple[int | None, ...]
    role: str
    layer: str = ""
    frozen: bool = False


@dataclass(frozen=True)
class Spot:
    """How a site is reached by surgery.

    Args:
        path: The path of the site.
        activation: Its record, or layer.
        keys: The way to it through the config of the layer that has it; empty for an activation of its own.
        final: Whether the layer's output is the activation's output.
        can_follow: Whether a layer after that one could take the activation's place.
        recurrent: Whether it belongs to a recurrent layer.
    """

    path: str
    activation: Any
    keys: Keys = ()
    final: bool = True
    can_follow: bool = True
    recurrent: bool = False


def sites(model: Any) -> tuple[Site, ...]:
    """The places in a model where an activation acts, in the order of its graph.

    Activation layers, `activation=` arguments other than linear, and operations such as `keras.ops.relu(x)`, also
    in nested models, wrapped layers and layers of other libraries that name activations in their config.

    The role of a site is

    - `"recurrent"` inside a recurrent layer,
    - `"gate"` where values between 0 and 1 multiply another tensor, as in squeeze-and-excite,
    - `"output"` where the value reaches an output of the model, with no weights or activations in between,
    - `"attention"` for softmax and its kin elsewhere,
    - `"hidden"` for all else.

    Args:
        model: A built `keras.Sequential` or `keras.Model(inputs, outputs)`. It is left as it is.

    Returns:
        A tuple of `Site`.

    Raises:
        ValueError: If the model is not built, or has a class of its own.

    Example:
        >>> import keras
        >>> from keras_actsel.surgery import sites
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(2, "softmax", name="b")]
        >>> [(site.path, str(site.activation), site.role) for site in sites(keras.Sequential(layers))]
        [('a', 'relu', 'hidden'), ('b', 'softmax', 'output')]
    """  # noqa: E501
    return tuple(site for site, _ in survey(checked(model), Paths()))


def survey(model: Any, paths: "Paths") -> list[tuple[Site, Spot]]:
    """The sites of a model, each with the way to reach it."""
    flow = Flow(model, paths)
    events = [Event(s.inputs, s.outputs, _kind(s), tuple(map(_acting, s.spots))) for s in flow.steps]
    by_path = roles(events, flow.outputs)
    found: dict[str, tuple[Site, Spot]] = {}
    for step in flow.steps:
        for spot in step.spots:
            frozen = not getattr(step.op, "trainable", True)
            site = Site(spot.path, spot.activation, step.shape, by_path[spot.path], type(step.op).__name__, frozen)
            found.setdefault(spot.path, (site, spot))
    return list(found.values())


def _acting(spot: Spot) -> Acting:
    return Acting(spot.path, spot.activation, spot.final, spot.recurrent)


@dataclass(frozen=True)
class Step:
    """A call in the data flow of the outermost model, nested models opened; tensors are numbers."""

    op: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[int | None, ...]
    spots: tuple[Spot, ...]


def _kind(step: Step) -> str:
    if operations.has_weights(step.op):
        return "weighted"
    if len(step.inputs) > 1:
        return "product" if operations.is_product(step.op) else "plain"
    if operations.is_scaling(step.op):
        return "scaling"
    return "shift" if operations.is_shift(step.op) else "plain"


class Paths:
    """The paths of calls; a layer or nested model that is used in several places goes by its first path."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}
        self._graphs: dict[int, Graph] = {}
        self._spots: dict[tuple[int, str], tuple[Spot, ...]] = {}

    def graph(self, model: Any) -> Graph:
        """The graph of a model, walked once."""
        if id(model) not in self._graphs:
            self._graphs[id(model)] = trace(model)
        return self._graphs[id(model)]

    def spots(self, op: Any, path: str) -> tuple[Spot, ...]:
        """The sites of an operation at a path, looked for once."""
        if (id(op), path) not in self._spots:
            self._spots[id(op), path] = tuple(spots(op, path))
        return self._spots[id(op), path]

    def of_calls(self, graph: Graph, prefix: str) -> list[str]:
        """A path for each call; a weightless activation layer has a site for each of its calls."""
        total = Counter(id(call.op) for call in graph.calls)
        seen: Counter[int] = Counter()
        return [self._of_call(call, prefix, total[id(call.op)], seen) for call in graph.calls]

    def _of_call(self, call: Call, prefix: str, total: int, seen: Counter[int]) -> str:
        path = f"{prefix}{call.op.name}"
        if not by_call(call.op):
            return self._first.setdefault(id(call.op), path)
        seen[id(call.op)] += 1
        return f"{path}[{seen[id(call.op)] - 1}]" if total > 1 else path


def by_call(op: Any) -> bool:
    """Whether each call of an operation is a site of its own."""
    return operations.is_activation(op) and not operations.has_weights(op)


def opens(op: Any) -> bool:
    """Whether an operation is a nested model whose graph can be walked."""
    return is_graph(op) and is_built(op)


class Flow:
    """The calls of a model, with those of its nested models in their place.

    Args:
        model: The outermost model.
        paths: Where graphs and paths are kept.
    """

    def __init__(self, model: Any, paths: Paths) -> None:
        self.steps: list[Step] = []
        self._paths = paths
        self._numbers = itertools.count()
        self.outputs = self._open(model, "", [next(self._numbers) for _ in model.inputs])

    def _open(self, model: Any, prefix: str, inputs: Sequence[int]) -> list[int]:
        """Append a model's calls to `steps`; return the numbers of its outputs."""
        graph = self._paths.graph(model)
        known = dict(zip(map(id, tensors(graph.inputs)), inputs, strict=False))
        for call, path in zip(graph.calls, self._paths.of_calls(graph, prefix), strict=True):
            read = [known.get(id(t), -1) for t in _read(call)]
            made = self._open(call.op, f"{path}/", read) if opens(call.op) else self._step(call, path, read)
            known.update(zip(map(id, tensors(call.result)), made, strict=True))
        return [known[id(t)] for t in tensors(graph.outputs)]

    def _step(self, call: Call, path: str, read: Sequence[int]) -> list[int]:
        results = tensors(call.result)
        made = [next(self._numbers) for _ in results]
        spots = self._paths.spots(call.op, path)
        self.steps.append(Step(call.op, tuple(read), tuple(made), tuple(results[0].shape), spots))
        return made


def _read(call: Call) -> list[Any]:
    """The tensors a call reads, masks left out: they carry no values."""
    values: Mapping[str, Any] = {key: value for key, value in call.kwargs.items() if not key.endswith("mask")}
    return tensors((call.args, dict(values)))


def spots(op: Any, path: str) -> list[Spot]:
    """The sites that an operation has."""
    if operations.is_activation(op):
        return [Spot(path, operations.activation_of(op))]
    if not hasattr(op, "get_config") or not hasattr(op, "weights"):
        return []
    return [_fused(op, path, entry) for entry in entries(op)]


def _fused(layer: Any, path: str, entry: Any) -> Spot:
    known = applies_last(layer) and entry.keys in (("activation",), ("layer", "config", "activation"))
    final = known or _seems_last(layer, entry)
    can_follow = known and len(entry.keys) == 1 and not entry.recurrent
    return Spot(path + entry.label, entry.activation, entry.keys, final, can_follow, entry.recurrent)


def applies_last(layer: Any) -> bool:
    """Whether a layer computes as Keras's own layers do, which apply `activation` last."""
    return type(layer).call.__module__.startswith("keras.")


def _seems_last(layer: Any, entry: Any) -> bool:
    """A guess for a layer of unknown inside: to spare an output is better than to replace one."""
    key = entry.keys[-1] if len(entry.keys) == 1 else ""
    if key == "activation":
        return is_squashing(entry.activation) or not sublayers(layer)
    return str(key).startswith("output_") or (str(key) == "activation_fn" and not sublayers(layer))
