"""Surgery: a new model like a given one, with other activations at some of its sites."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree

from keras_actsel import activations, layers
from keras_actsel.surgery import _operations as operations
from keras_actsel.surgery._config import Keys, made_again, portable
from keras_actsel.surgery._feeding import feeding, kernel_edits
from keras_actsel.surgery._graph import Graph, checked, repeat, tensors
from keras_actsel.surgery._sites import Flow, Paths, Site, Spot, opens, survey
from keras_actsel.surgery._state import copy_frozen, copy_state, copy_trainable

Where = Callable[[Site], bool]


def replace(model: Any, activation: Any, where: Where | None = None) -> Any:
    """A copy of a model with another activation at some of its sites.

    Weights and all other state are kept, as are names, dtype policies, shared layers and what is frozen. An
    activation without weights takes the old one's place; one with weights becomes a layer of its own.

    Args:
        model: A built `keras.Sequential` or `keras.Model(inputs, outputs)`. It is left as it is.
        activation: A name, a spelling with parameters, a record or a function; or a layer such as
            `layers.ActivationMixture(["relu", "mish"])`, of which every site gets a copy.
        where: A function of a `Site` that says whether to replace there. Default: the hidden ones.

    Returns:
        A new model of the same kind, not compiled.

    Raises:
        ValueError: If the model can't be copied, nothing is to be replaced, or the activation can't be used there.

    Example:
        >>> import keras
        >>> from keras_actsel.surgery import replace, sites
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(1)])
        >>> [str(site.activation) for site in sites(replace(model, "leaky_relu(negative_slope=0.1)"))]
        ['leaky_relu(negative_slope=0.1)']
    """  # noqa: E501
    return rebuild(model, _replacement(activation), where)


def rebuild(
    model: Any,
    activation: Any = None,
    where: Where | None = None,
    *,
    each: Mapping[str, Any] | None = None,
    fresh: bool = False,
    kernel_initializer: Any = None,
) -> Any:
    """Like `replace`; if wanted, layers that learn start afresh, and others draw the weights before the activations.

    Args:
        model: As for `replace`.
        activation: As for `replace`; None copies the model as it is.
        where: As for `replace`.
        each: Activations by the path of the site that each is for, in place of `activation` and `where`.
        fresh: Whether layers that learn are drawn anew by their initializers. Frozen weights and layers that do not
            learn keep their state.
        kernel_initializer: A Keras initializer for the kernels of the layers that feed the chosen sites, frozen ones
            left out. It stands in the copy's config; weights are drawn by it only if `fresh`.

    Returns:
        A new model of the same kind, not compiled.

    Raises:
        ValueError: As for `replace`, or if no layer feeds the chosen sites.
    """
    paths = Paths()
    found = survey(checked(model), paths)
    if each is not None:
        plan = _plan_each(found, each)
    else:
        plan = {} if activation is None else _plan(found, _replacement(activation), where)
    kernels = {} if kernel_initializer is None else _kernels(model, found, paths, where, kernel_initializer)
    builder = Builder(plan, paths, fresh, kernels)
    new = builder.model(model, "")
    builder.carry_over()
    return new


def _kernels(
    model: Any, found: list[tuple[Site, Spot]], paths: Paths, where: Where | None, initializer: Any
) -> dict[int, dict[Keys, Any]]:
    """Edits of the layers that feed the chosen sites, by the layer's id."""
    chosen = [site.path for site, _ in found if (where or is_replaced)(site)]
    layers_before = [op for op in feeding(Flow(model, paths), chosen) if op.trainable]
    if not layers_before:
        raise ValueError(
            f"No layer feeds the activations at {', '.join(chosen) or 'no site'}, so there is no kernel for an "
            "initializer to draw. Expected a Dense, a convolution or another layer with a `kernel` before them, "
            "not frozen."
        )
    return {id(op): kernel_edits(op, initializer) for op in layers_before}


def check_replacement(model: Any, activation: Any, where: Where | None = None, kernel_initializer: Any = None) -> None:
    """Raise the error that `rebuild` with these arguments would raise, without making a model.

    Raises:
        ValueError: As for `rebuild`.
    """
    paths = Paths()
    found = survey(checked(model), paths)
    _plan(found, _replacement(activation), where)
    if kernel_initializer is not None:
        _kernels(model, found, paths, where, kernel_initializer)


def _replacement(activation: Any) -> Any:
    """The function to put in, or the layer to put copies of in.

    Raises:
        ValueError: For what is no activation, or changes the shape.
    """
    if isinstance(activation, keras.Layer):
        return activation
    if isinstance(activation, type):
        raise ValueError(
            f"Expected an activation or a layer. Received the class {activation.__name__}. "
            f"Pass an instance of it: `{activation.__name__}()`."
        )
    record = activations.get(activation)
    record.check_keeps_shape("stand in for another activation")
    if record.needs_layer:
        return layers.Activation(record)
    # Keras's own function where it agrees, so that the model can be loaded without this package.
    return record.keras_equivalent or record


def is_replaced(site: Site) -> bool:
    """Whether `replace` changes a site unless told otherwise: hidden ones, where what keeps the shape can stand in."""
    return site.role == "hidden" and getattr(site.activation, "kind", "") != "shape_changing"


def _plan(found: list[tuple[Site, Spot]], replacement: Any, where: Where | None) -> dict[str, "Change"]:
    """What to do at each chosen site, by path."""
    chosen = [(site, spot) for site, spot in found if (where or is_replaced)(site)]
    if not chosen:
        listed = ", ".join(f"{site.path} ({site.activation}, {site.role})" for site, _ in found) or "none"
        raise ValueError(
            "There is no activation to replace. "
            f"Expected `where` to hold for one or more of the model's sites: {listed}. "
            "Without `where`, those with the role 'hidden' are replaced."
        )
    for site, spot in chosen:
        _check(site, spot, replacement)
    return {site.path: Change(spot, replacement) for site, spot in chosen}


def _plan_each(found: list[tuple[Site, Spot]], activations_by_path: Mapping[str, Any]) -> dict[str, "Change"]:
    """What to do at each site that is named, by path."""
    plan: dict[str, Change] = {}
    for path, activation in activations_by_path.items():
        plan.update(_plan(found, _replacement(activation), lambda site, path=path: site.path == path))  # type: ignore[misc]
    return plan


def _check(site: Site, spot: Spot, replacement: Any) -> None:
    if getattr(site.activation, "kind", "") == "shape_changing":
        raise ValueError(
            f"The activation {str(site.activation)!r} at {site.path!r} changes the shape, so nothing that keeps it can "
            "stand in for it. Leave it out by `where`."
        )
    if isinstance(replacement, keras.Layer) and not spot.can_follow:
        raise ValueError(
            f"The layer {replacement.name!r} can't be put at {site.path!r}, inside a layer of type {site.layer}: "
            "it has to be a node of its own in the graph. Expected an activation without weights there. "
            "Leave the site out by `where`, or build the model around the layer."
        )


@dataclass(frozen=True)
class Change:
    """What happens at a site."""

    spot: Spot
    replacement: Any

    @property
    def follows(self) -> bool:
        """Whether a layer is added after the one that had the activation."""
        return bool(self.spot.keys) and isinstance(self.replacement, keras.Layer)

    @property
    def edits(self) -> dict[Keys, Any]:
        if not self.spot.keys:
            return {}
        return {self.spot.keys: "linear" if self.follows else portable(self.replacement)}


class _Names:
    """The names of a model's operations, and new ones that differ from them."""

    def __init__(self, graph: Graph) -> None:
        self.taken = {op.name for op in (*graph.input_layers, *(call.op for call in graph.calls))}

    def new(self, wish: str) -> str:
        name = next(n for n in _numbered(wish) if n not in self.taken)
        self.taken.add(name)
        return name


def _numbered(wish: str) -> Any:
    yield wish
    number = 0
    while True:
        number += 1
        yield f"{wish}_{number}"


class Builder:
    """Makes the layers and models of the copy, each once, and remembers what each was made from.

    Args:
        plan: What happens at each chosen site, by its path.
        paths: Where graphs and paths are kept.
        fresh: Whether layers that learn are drawn anew.
        edits: Further changes of layers' configs, by the layer's id.
        dropped: The ids of variables that leave a layer with these changes.
    """

    def __init__(
        self,
        plan: Mapping[str, Change],
        paths: Paths,
        fresh: bool = False,
        edits: Mapping[int, Mapping[Keys, Any]] | None = None,
        dropped: Iterable[int] = (),
    ) -> None:
        self.plan = plan
        self.paths = paths
        self.fresh = fresh
        self.edits = edits or {}
        self.dropped = {*dropped, *(id(v) for change in plan.values() for v in _weights_in(change))}
        self.made: dict[Any, Any] = {}
        self.copies: list[tuple[Any, Any, str]] = []
        self.added: list[tuple[Any, Any]] = []

    def model(self, old: Any, prefix: str) -> Any:
        """The copy of a model."""
        if id(old) not in self.made:
            self.made[id(old)] = new = _ModelCopy(self, old, prefix).model()
            self.copies.append((old, new, prefix))
        return self.made[id(old)]

    def operation(self, op: Any, path: str, edits: Mapping[Keys, Any]) -> Any:
        """The copy of a layer or other operation."""
        if id(op) not in self.made:
            self.made[id(op)] = new = made_again(op, path, {**edits, **self.edits.get(id(op), {})})
            if isinstance(op, keras.Layer):
                self.copies.append((op, new, path))
            elif new.name != op.name:  # some operations take no name when made
                new.name = op.name
        return self.made[id(op)]

    def replacement(self, key: Any, host: Any, path: str, name: Callable[[], str], dtype: Any) -> Any:
        """The layer that applies a site's new activation."""
        if key not in self.made:
            activation = self.plan[path].replacement
            self.made[key] = new = self.applying(activation, path, name(), dtype)
            self.added.append((host, new))
        return self.made[key]

    def applying(self, activation: Any, path: str, name: str, dtype: Any) -> Any:
        """A new layer that applies an activation at a site."""
        if not isinstance(activation, keras.Layer):
            return keras.layers.Activation(activation, name=name, dtype=dtype)
        edits: dict[Keys, Any] = {("name",): name}
        if activation.dtype_policy == keras.config.dtype_policy():
            edits["dtype",] = dtype
        return made_again(activation, path, edits)

    def carry_over(self) -> None:
        """Copy the state and then the flags, those of models before those of their layers."""
        for old, new, path in self.copies:
            if opens(old):
                continue
            if not self.fresh:
                copy_state(old, new, path, self.dropped)
            else:
                copy_frozen(old, new)
        for old, new, path in reversed(self.copies):
            if opens(old):
                new.trainable = old.trainable
            else:
                copy_trainable(old, new, path, self.dropped)
        for host, new in self.added:
            if isinstance(host, keras.Layer):
                new.trainable = host.trainable


def _weights_in(change: Change) -> list[Any]:
    """The weights that leave a layer with its old activation."""
    activation = change.spot.activation
    return list(activation.variables) if change.spot.keys and isinstance(activation, keras.Layer) else []


class _ModelCopy:
    """Repeats the calls of one model with copies of its layers."""

    def __init__(self, builder: Builder, old: Any, prefix: str) -> None:
        self.builder = builder
        self.plan = builder.plan
        self.old = old
        self.graph = builder.paths.graph(old)
        self.paths = builder.paths.of_calls(self.graph, prefix)
        self.names = _Names(self.graph)
        self.reused: set[str] = set()
        self.chain: list[Any] = []
        self.ends = {id(t) for t in tensors(self.graph.outputs)} if not prefix else set()

    def model(self) -> Any:
        """The copy."""
        starts = [type(layer).from_config(layer.get_config()) for layer in self.graph.input_layers]
        inputs = tree.pack_sequence_as(self.graph.inputs, [layer.output for layer in starts])
        outputs = repeat(self.graph, inputs, self._call)
        if isinstance(self.old, keras.Sequential):
            return keras.Sequential([*starts, *self.chain], name=self.old.name)
        return keras.Model(inputs, outputs, name=self.old.name)

    def _call(self, index: int, args: Any, kwargs: Any) -> Any:
        op, path = self.graph.calls[index].op, self.paths[index]
        if opens(op):
            return self._apply(self.builder.model(op, f"{path}/"), *args, **kwargs)
        if path in self.plan and not self.plan[path].spot.keys:
            return self._apply(self._stand_in(op, path, args, kwargs), tensors((args, kwargs))[0])
        return self._apply_fused(index, args, kwargs)

    def _apply(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(op, keras.Layer):
            self.chain.append(op)
        return op(*args, **kwargs)

    def _stand_in(self, op: Any, path: str, args: Any, kwargs: Any) -> Any:
        """The layer in the place of an activation; one without weights is shared by the calls of the old one."""
        shared = not isinstance(self.plan[path].replacement, keras.Layer)
        key = (id(self.old), op.name if shared else path)
        dtype = _dtype(op, tensors((args, kwargs))[0])
        return self.builder.replacement(key, op, path, lambda: self._name_in_place(op), dtype)

    def _name_in_place(self, op: Any) -> str:
        """The old name, unless the old activation stays at another call or the name is given away already."""
        calls = [path for call, path in zip(self.graph.calls, self.paths, strict=True) if call.op is op]
        if op.name in self.reused or not all(path in self.plan for path in calls):
            return self.names.new(op.name)
        self.reused.add(op.name)
        return str(op.name)

    def _apply_fused(self, index: int, args: Any, kwargs: Any) -> Any:
        """Call the copy of a layer, and what follows it in place of its activation."""
        op, path = self.graph.calls[index].op, self.paths[index]
        changes = self._changes(op, path)
        edits = {keys: value for change in changes for keys, value in change.edits.items()}
        following = next((change for change in changes if change.follows), None)
        if following is None:
            return self._apply(self.builder.operation(op, path, edits), *args, **kwargs)
        gives_name = self._is_output(index)
        if gives_name:
            edits["name",] = self.names.new(f"{op.name}_linear")
        result = self._apply(self.builder.operation(op, path, edits), *args, **kwargs)
        wish = f"{op.name}_{_kind_name(following.replacement)}"
        name = (lambda: op.name) if gives_name else (lambda: self.names.new(wish))
        key = (id(op), following.spot.path)
        return self._apply(self.builder.replacement(key, op, following.spot.path, name, _dtype(op, result)), result)

    def _changes(self, op: Any, path: str) -> list[Change]:
        return [self.plan[s.path] for s in self.builder.paths.spots(op, path) if s.path in self.plan]

    def _is_output(self, index: int) -> bool:
        """Whether an output of the outermost model is named after this call."""
        call = self.graph.calls[index]
        calls = sum(other.op is call.op for other in self.graph.calls)
        return calls == 1 and any(id(t) in self.ends for t in tensors(call.result))


def _kind_name(layer: Any) -> str:
    record = getattr(layer, "activation", None)
    if isinstance(layer, layers.Activation) and record is not None:
        return str(record.name)
    return operations.snake_case(type(layer).__name__)


def _dtype(op: Any, tensor: Any) -> str:
    """The name of the dtype policy for a layer in the place of `op`, or after it."""
    policy = getattr(op, "dtype_policy", None)
    if policy is None or getattr(policy, "quantization_mode", None) is not None:
        return str(tensor.dtype)
    return str(policy.name)
