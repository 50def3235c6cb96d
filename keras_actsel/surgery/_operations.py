"""What an operation in a graph is: an activation, a product, something with weights, ..."""

import re
from typing import Any

import keras

from keras_actsel import activations, layers

_STOCK = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Softmax)
_HOLDERS = (keras.layers.Activation, layers.Activation)
_LEARNING = (keras.layers.PReLU, layers.ActivationMixture)


def snake_case(name: str) -> str:
    """`"LeakyReLU"` -> `"leaky_relu"`, `"Relu6"` -> `"relu6"`."""
    name = name.replace("PReLU", "Prelu").replace("ReLU", "Relu")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def is_activation(op: Any) -> bool:
    """Whether an operation is nothing but an activation: a layer, or a node such as `keras.ops.relu(x)`."""
    if isinstance(op, keras.Layer):
        return isinstance(op, (*_STOCK, *_HOLDERS, *_LEARNING))
    of_keras = type(op).__module__.startswith("keras.")
    return of_keras and callable(getattr(keras.activations, snake_case(type(op).__name__), None))


def activation_of(op: Any) -> Any:
    """The record of an activation operation, or the layer itself where no record tells all of it."""
    if isinstance(op, _LEARNING) or bool(getattr(op, "learned", ())):
        return op
    if isinstance(op, _HOLDERS):
        return record_of(op.activation)
    return _with_attributes(snake_case(type(op).__name__), op)


def _with_attributes(name: str, op: Any) -> Any:
    """The record called `name` with the values that the operation has for its parameters."""
    name = next((n for n in (name, *map(snake_case, _stock_bases(op))) if hasattr(keras.activations, n)), name)
    record = record_of(getattr(keras.activations, name))
    given = {key: getattr(op, key) for key in record.parameters if hasattr(op, key)}
    try:
        return record.with_parameters(**given)
    except ValueError:  # such as Softmax(axis=(1, 2))
        return op


def _stock_bases(op: Any) -> list[str]:
    return [base.__name__ for base in type(op).__mro__ if base in _STOCK]


def record_of(function: Any) -> Any:
    """The record of a function that a layer holds; a layer held as a function is returned as it is."""
    if isinstance(function, keras.Layer):
        return activation_of(function) if is_activation(function) and not function.weights else function
    try:
        return activations.get(function)
    except ValueError:  # a function of Keras that the catalogue does not have
        return activations.ActivationFunction(function, getattr(function, "__name__", type(function).__name__))


def has_weights(op: Any) -> bool:
    """Whether an operation is a layer with weights."""
    return isinstance(op, keras.Layer) and bool(op.weights)


def is_product(op: Any) -> bool:
    """Whether an operation multiplies its inputs."""
    return isinstance(op, keras.layers.Multiply) or type(op).__name__ == "Multiply"


def is_scaling(op: Any) -> bool:
    """Whether an operation, given one tensor, multiplies or divides it by a constant."""
    return isinstance(op, keras.layers.Rescaling) or type(op).__name__ in ("Multiply", "Divide", "TrueDivide")


def is_shift(op: Any) -> bool:
    """Whether an operation, given one tensor, adds a constant to it."""
    return type(op).__name__ in ("Add", "Subtract")
