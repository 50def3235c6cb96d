"""A combination of functions as an activation that Keras can save by itself."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_actsel.surgery._graph import repeat, trace
from keras_actsel.surgery._terms import Combination, Term, constant


def stock_activation(combined: Combination, shape: Sequence[int | None], dtype: str) -> Any:
    """Keras's own function, a stock layer, or else a small model of `keras.ops` nodes that is called as a function.

    Args:
        combined: What to compute.
        shape: The shape of its input, None where any size will do.
        dtype: The dtype it computes in.

    Raises:
        ValueError: If a function can't be traced.
    """
    if (function := _whole(combined)) is not None:
        return function
    x = keras.Input(batch_shape=tuple(shape), dtype=dtype)
    parts = [_weighted(term, x) for term in combined.terms] or [ops.zeros_like(x)]
    total = parts[0]
    for part in parts[1:]:
        total = ops.add(total, part)
    if np.any(combined.offset):
        total = _shifted(total, _factor(combined.offset, dtype))
    model = keras.Model(x, total, name="_".join(term.name for term in combined.terms) or "constant")
    model.supports_masking = True  # else Keras warns, though the layer that holds it hands masks on
    return model


def stock_layer(function: Any, name: str, dtype: Any, regularizer: Any = None) -> Any:
    """The layer that applies what `stock_activation` returned; `regularizer` is one of its output."""
    kwargs = {"name": name, "dtype": dtype, "activity_regularizer": regularizer}
    if isinstance(function, keras.layers.LeakyReLU):
        return keras.layers.LeakyReLU(function.negative_slope, **kwargs)
    if not isinstance(function, keras.Model) or function.output_shape == function.input_shape:
        return keras.layers.Activation(function, **kwargs)
    # One that changes the shape stays a model, as `keras.layers.Activation` takes it that the shape stays.
    end = keras.layers.Activation("linear", **{**kwargs, "name": f"{name}_output"})
    return keras.Model(function.input, function.output if regularizer is None else end(function.output), name=name)


def _whole(combined: Combination) -> Any:
    """The stock function that is all of the combination; None if it is more, or has no stock function."""
    if len(combined.terms) != 1 or np.any(combined.offset):
        return None
    (term,) = combined.terms
    return term.stock if np.all(np.equal(term.weight, 1.0)) else None


def _shifted(x: Any, constants: Any) -> Any:
    """The sum. Not by `ops.add`, which on TensorFlow takes (1, n, 1) to be a bias of the last axis if that has n."""
    return ops.subtract(x, -constants)


def _factor(value: Any, dtype: str) -> Any:
    """A constant to multiply by or add: in float64 a tensor, as Keras on PyTorch rounds numbers to float32."""
    return ops.convert_to_tensor(value, dtype=dtype) if dtype == "float64" else constant(value, dtype)


def _weighted(term: Term, x: Any) -> Any:
    """The weighted term at x; exactly 0 in channels of weight 0, also where the function overflows."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    weight = _factor(term.weight, dtype)
    if np.all(term.weight) or term.slopes is not None:  # a line can't overflow
        value = _traced(term, x)
        return value if np.all(np.equal(term.weight, 1.0)) else ops.multiply(weight, value)
    used = ops.convert_to_tensor(np.not_equal(term.weight, 0))
    if term.elementwise:  # 0 goes in where it is not used, so that neither value nor gradient can overflow
        return ops.multiply(weight, _traced(term, ops.where(used, x, ops.zeros_like(x))))
    value = ops.multiply(weight, _traced(term, x))
    return ops.where(used, value, ops.zeros_like(value))


def _traced(term: Term, x: Any) -> Any:
    try:
        return _called(term, x)
    except Exception as error:  # whatever a user's function raises on a symbolic tensor
        raise ValueError(_untraceable(term.name, " ".join(str(error).split())[:200])) from error


def _untraceable(name: str, reason: str) -> str:
    return (
        f"The function {name!r} can't be turned into `keras.ops` nodes: {reason}. Expected a function that takes a "
        "symbolic tensor (`keras.KerasTensor`) and computes with `keras.ops` alone: no functions of a backend or of "
        "NumPy on x, no Python `if` on its values. Rewrite it so, or drop it from the mixture."
    )


def _called(term: Term, x: Any) -> Any:
    """The function at a symbolic x, with its trained parameters as constants.

    Arrays among them take part as inputs of their own first, and their values replace these in a second pass: some
    backends' arrays can't be combined with symbolic tensors by operators.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    constants = {key: constant(value, dtype) for key, value in term.parameters.items()}
    arrays = [leaf for leaf in tree.flatten(constants) if not isinstance(leaf, float)]
    stand_ins = [keras.Input(batch_shape=tuple(array.shape), dtype=dtype) for array in arrays]
    by_id = dict(zip(map(id, arrays), stand_ins, strict=True))
    start = keras.Input(batch_shape=x.shape, dtype=dtype)
    value = term.function(start, **tree.map_structure(lambda leaf: by_id.get(id(leaf), leaf), constants))
    if not isinstance(value, keras.KerasTensor):
        raise TypeError(f"it returned a {type(value).__name__}")
    graph = trace(keras.Model([start, *stand_ins], value))
    return repeat(graph, [x, *arrays], lambda index, args, kwargs: _applied(graph.calls[index].op, args, kwargs))


def _applied(op: Any, args: Any, kwargs: Any) -> Any:
    adds_array = type(op).__name__ == "Add" and not isinstance(args[-1], (keras.KerasTensor, float, int, list))
    return _shifted(*args) if adds_array else op(*args, **kwargs)
