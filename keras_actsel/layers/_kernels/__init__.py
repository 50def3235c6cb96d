"""The sum of coefficient times function, and its gradients: one kernel for each backend that has a faster one.

A kernel computes what `plain_sum` computes, to the rounding of the last digits, and keeps the input alone for the
backward pass instead of tensors for each function.
"""

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_actsel.activations import ActivationFunction
from keras_actsel.layers._kernels._plain import plain_sum

Function = Callable[[Any], Any]

_LARGE = {"jax": 2**18, "tensorflow": 2**18, "torch": 2**17}  # elements: below, a kernel costs more than it saves
_BATCH = 32  # samples, where TensorFlow does not know how many


def mix(x: Any, weights: Any, offset: Any, functions: Sequence[Function], training: bool | None) -> Any:
    """The sum over k of weights[k] * functions[k](x), and the offset.

    Args:
        x: A tensor of floats.
        weights: A tensor of x's dtype, of shape (K,), or (K, ...) with all behind K broadcasting to x.
        offset: A tensor like one of the weights; None for 0.
        functions: K functions that keep the shape.
        training: Kernels are for training: what is predicted or exported consists of plain operations.

    Returns:
        A tensor of x's shape.
    """
    backend = keras.backend.backend()
    fits = training and backend in _LARGE and _is_large(x, _LARGE[backend])
    fused = [k for k, function in enumerate(functions) if _is_known(function)] if fits else []
    if len(fused) < 2:
        return plain_sum(x, weights, offset, functions)
    kernel = importlib.import_module(f"keras_actsel.layers._kernels._{backend}")
    rest = [k for k in range(len(functions)) if k not in fused]
    total = kernel.mix(x, rows(weights, fused), offset, tuple(functions[k] for k in fused))
    return sum((weights[k] * functions[k](x) for k in rest), start=total)


def rows(weights: Any, indices: Sequence[int]) -> Any:
    """The weights at some indices or all."""
    return weights if len(indices) == weights.shape[0] else ops.take(weights, list(indices), axis=0)


def _is_known(function: Function) -> bool:
    """Whether a function is one of numbers: then it can be computed in parts, and again, with the same result."""
    return (
        isinstance(function, ActivationFunction)
        and function.kind == "elementwise"
        and function.formula is not None
        and not function.needs_layer
    )


def _is_large(x: Any, enough: int) -> bool:
    """Whether x is of a size for which kernels pay; of an unknown size only the number of samples is guessed."""
    samples, *sizes = x.shape or (1,)
    if samples is None and keras.backend.backend() == "tensorflow":
        samples = _BATCH
    known = all(isinstance(size, int) for size in (samples, *sizes))
    return known and math.prod((samples, *sizes)) >= enough and keras.backend.standardize_dtype(x.dtype) == "float32"
