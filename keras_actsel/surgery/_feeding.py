"""Which layers feed an activation: those whose kernel decides how large its input is."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras

from keras_actsel.surgery._config import Keys, config_of
from keras_actsel.surgery._operations import has_weights
from keras_actsel.surgery._sites import Flow, Paths, Step

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_INITIALIZERS = ("kernel_initializer", "depthwise_initializer", "pointwise_initializer")
_NORMALIZING = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)


def feeding(flow: Flow, chosen: Collection[str]) -> list[Any]:
    """The layers with a kernel whose output reaches a chosen site with no other kernel or bend in between.

    Args:
        flow: The data flow of the outermost model.
        chosen: The paths of the sites.

    Returns:
        Each layer once, frozen ones included. A fused activation is fed by its own layer; others by what stands before
        them, beyond normalizations, dropout, pooling, reshapes, sums and the like.
    """
    made_by = {tensor: step for step in flow.steps for tensor in step.outputs}
    found: dict[int, Any] = {}
    for step in flow.steps:
        for spot in step.spots:
            if spot.path in chosen:
                fused = kernel_keys(step.op) and spot.keys
                found.update({id(op): op for op in ([step.op] if fused else _before(step, made_by))})
    return list(found.values())


def fed(model: Any) -> dict[int, Any]:
    """The activation that each layer with a kernel feeds, by the layer's id; of several the first."""
    flow, found = Flow(model, Paths()), dict[int, Any]()
    for step in flow.steps:
        for spot in step.spots:
            for layer in feeding(flow, [spot.path]):
                found.setdefault(id(layer), spot.activation)
    return found


def _before(site: Step, made_by: Mapping[int, Step]) -> Iterator[Any]:
    """The layers with a kernel that are met first on the ways back from a site."""
    waiting, seen = list(site.inputs), set[int]()
    while waiting:
        tensor = waiting.pop()
        step = made_by.get(tensor)
        if tensor in seen or step is None or step.spots:  # an input of the model, or a bend
            continue
        seen.add(tensor)
        if kernel_keys(step.op):
            yield step.op
        elif not has_weights(step.op) or isinstance(step.op, _NORMALIZING):
            waiting += step.inputs


def kernel_keys(layer: Any) -> tuple[Keys, ...]:
    """The ways through a layer's config to the initializers of its kernels; none for recurrent layers and attention."""
    wrapped = isinstance(layer, keras.layers.Wrapper)
    owner = layer.layer if wrapped else layer
    if not any(getattr(owner, kernel, None) is not None for kernel in _KERNELS):
        return ()
    config = config_of(owner) or {}
    return tuple(("layer", "config", key) if wrapped else (key,) for key in _INITIALIZERS if key in config)


def kernel_edits(layer: Any, initializer: Any) -> dict[Keys, Any]:
    """What to change in a layer's config, so that its kernels are drawn by an initializer."""
    return {keys: _copy(initializer) for keys in kernel_keys(layer)}


def _copy(initializer: Any) -> Any:
    """One for each kernel: an initializer that is used twice draws the same numbers again."""
    if type(initializer).get_config is keras.initializers.Initializer.get_config:
        return initializer  # a config that may leave out arguments
    return type(initializer).from_config(initializer.get_config())
