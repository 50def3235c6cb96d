"""A walk over a model's graph with anything in the place of its tensors."""

from collections.abc import Callable
from typing import Any

import keras
from keras import tree

from keras_actsel.surgery import _operations as operations
from keras_actsel.surgery._graph import Call, repeat, trace
from keras_actsel.surgery._sites import opens


def walk(model: Any, inputs: Any, call_function: Callable[[Any, Any, Any, Any], Any]) -> Any:
    """Run through the calls of a model, those of nested models in their place.

    Args:
        model: A built Sequential or Functional model.
        inputs: What stands for the inputs, in the structure that the model takes.
        call_function: Gets an operation, its args and kwargs, and the symbolic result; returns what stands for the
            result, in its structure.

    Returns:
        What stands for the outputs.
    """
    graph = trace(model)

    def step(index: int, args: Any, kwargs: Any) -> Any:
        call = graph.calls[index]
        if opens(call.op):
            return walk(call.op, _standing_for_tensors(call, args, kwargs), call_function)
        return call_function(call.op, args, kwargs, call.result)

    return repeat(graph, inputs, step)


def _standing_for_tensors(call: Call, args: Any, kwargs: Any) -> list[Any]:
    before, now = tree.flatten((call.args, call.kwargs)), tree.flatten((args, kwargs))
    return [new for old, new in zip(before, now, strict=True) if isinstance(old, keras.KerasTensor)]


def activation_in(op: Any) -> Any:
    """The record or layer of an operation that is nothing but an activation; None for any other."""
    return operations.activation_of(op) if operations.is_activation(op) else None
