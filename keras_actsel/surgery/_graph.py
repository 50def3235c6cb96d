"""The graph walk: a built Sequential or Functional model as plain data, with no trace left on the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree

_RESHAPED_CALLS = ("call", "train_step", "test_step", "predict_step", "compute_loss")


@dataclass(frozen=True)
class Call:
    """One call of an operation.

    Args:
        op: The layer, nested model or other operation.
        args: Its positional arguments, tensors being symbolic.
        kwargs: Its keyword arguments.
        result: The symbolic tensor, or structure of tensors, that came out.
    """

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any


@dataclass(frozen=True)
class Graph:
    """A model's calls in an order in which they can be repeated.

    Args:
        input_layers: The model's input layers, in the order of `model.inputs`.
        inputs: The symbolic inputs, in the structure that the model takes.
        calls: All calls but those of the input layers.
        outputs: The symbolic outputs, in the structure that the model returns.
    """

    input_layers: tuple[Any, ...]
    inputs: Any
    calls: tuple[Call, ...]
    outputs: Any


def is_graph(op: Any) -> bool:
    """Whether `op` is a model made of nothing but its graph: Sequential, or Keras's own Functional class."""
    return type(op) is keras.Sequential or (_is_functional(op) and type(op).__module__.startswith("keras."))


def _is_functional(op: Any) -> bool:
    return isinstance(op, keras.Model) and hasattr(op, "operations")


def checked(model: Any) -> Any:
    """The model, if its graph can be walked.

    Raises:
        ValueError: If it is no Keras model, has a class of its own, or is not built.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"Expected a Keras model. Received: {model!r} of type {type(model).__name__}. "
            "Wrap layers in a `keras.Sequential`, or in a `keras.Model(inputs, outputs)`."
        )
    if not is_graph(model):
        raise ValueError(_own_class(model))
    if not is_built(model):
        raise ValueError(
            f"The model {model.name!r} is not built, so its layers have no shapes yet. Expected a built model. "
            "Build it: give it an `Input` as its first layer, or call it once on data."
        )
    return model


def _own_class(model: Any) -> str:
    overridden = [name for name in _RESHAPED_CALLS if name in vars(type(model))]
    reason = f"overrides {', '.join(overridden)}" if overridden else "has a class of its own"
    return (
        f"The model {model.name!r} of type {type(model).__name__} {reason}, so its graph does not tell what it does. "
        "Expected a `keras.Sequential` or a `keras.Model(inputs, outputs)`. "
        "Write a function that builds it for an activation, and give that to the search: "
        f"`def build(activation): return {type(model).__name__}(..., activation=activation)`, "
        "then `select(build, x, y)`."
    )


def is_built(model: Any) -> bool:
    """Whether a Sequential or Functional model knows its inputs and outputs."""
    try:
        return bool(model.inputs) and bool(model.outputs)
    except (AttributeError, ValueError):
        return False


class _Probe(keras.Operation):
    """Stands for one call on a copy of the graph: it has the same outputs and does nothing."""

    def __init__(self, result: Any, name: str) -> None:
        super().__init__(name=name)
        self.result = result

    def compute_output_spec(self, *_: Any, **__: Any) -> Any:
        return tree.map_structure(lambda t: keras.KerasTensor(t.shape, t.dtype, t.sparse, t.ragged), self.result)


def trace(model: Any) -> Graph:
    """The graph of a built model.

    Cloning with probes in the place of layers makes Keras walk the graph without creating a weight, or adding a node
    to the model's layers.
    """
    calls: list[Call] = []

    def record(op: Any, *args: Any, **kwargs: Any) -> Any:
        probe = _Probe(op.compute_output_spec(*args, **kwargs), f"call_{len(calls)}")
        result = probe(*args, **kwargs)
        calls.append(Call(op, args, kwargs, result))
        return result

    view = _uncompiled(model)
    walked = keras.models.clone_model(view, clone_function=lambda layer: layer, call_function=record)
    return Graph(_input_layers(view), walked.input, tuple(calls), walked.output)


def _uncompiled(model: Any) -> Any:
    """A model on the same tensors: cloning a compiled one would compile the clone, which fails for some losses."""
    if isinstance(model, keras.Sequential):
        outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
        return keras.Model(model.inputs[0], outputs, name=model.name)
    return keras.Model(model.input, model.output, name=model.name)


def _input_layers(view: Any) -> tuple[Any, ...]:
    layers = {id(op.output): op for op in view.operations if isinstance(op, keras.layers.InputLayer)}
    return tuple(layers[id(tensor)] for tensor in view.inputs)


def tensors(structure: Any) -> list[Any]:
    """The symbolic tensors in a structure, in order."""
    return [leaf for leaf in tree.flatten(structure) if isinstance(leaf, keras.KerasTensor)]


def repeat(graph: Graph, inputs: Any, call_function: Callable[[int, Any, Any], Any]) -> Any:
    """Run through the calls again on other inputs.

    Args:
        graph: What `trace` returned.
        inputs: Tensors in the structure of `graph.inputs`.
        call_function: Gets a call's index, args and kwargs; returns the result in the structure of the call's.

    Returns:
        The outputs, in the structure of `graph.outputs`.
    """
    known = {id(old): new for old, new in zip(tensors(graph.inputs), tree.flatten(inputs), strict=True)}

    def current(structure: Any) -> Any:
        return tree.map_structure(lambda leaf: known.get(id(leaf), leaf), structure)

    for index, call in enumerate(graph.calls):
        result = call_function(index, current(call.args), current(call.kwargs))
        known.update((id(old), new) for old, new in zip(tensors(call.result), tree.flatten(result), strict=True))
    return current(graph.outputs)
