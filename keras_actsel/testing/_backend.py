"""What the checks ask of a backend: tensors, gradients, compilation; and how exact its numbers may be asked to be."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LARGEST = {"float32": 3.4e38, "float16": 65504.0, "bfloat16": 3.38e38}
TINY = {"float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126}

# TensorFlow's kernel computes exp(x) - 1 as written, so tiny results are right to the last place of 1 only. It stays,
# because it is what exporters know; expm1 they do not.
COARSE_NEAR_ZERO = {("tensorflow", name) for name in ("celu", "elish", "elu", "pelu", "selu")}

# PyTorch's fused kernel computes x*(1 + erf(x/sqrt(2))) before it halves, which overflows above 1.7e38. A kernel of
# our own would cost every user of gelu several times its speed for inputs that no network survives.
OVERFLOWS = {("torch", "gelu"): 1.7e38}


def tensor(values: Any, dtype: str = "float32") -> Any:
    """A tensor of numbers that may be infinite or NaN."""
    return ops.cast(ops.convert_to_tensor(np.asarray(values, "float32")), dtype)


def to_numpy(x: Any) -> np.ndarray:
    """A tensor as a NumPy array; half types as float32, which holds them exactly."""
    narrow = dtype_of(x) in ("float16", "bfloat16")
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float32") if narrow else x))


def dtype_of(x: Any) -> str:
    """The name of a tensor's dtype."""
    return str(keras.backend.standardize_dtype(x.dtype))


def with_gradients(function: Callable[..., Any]) -> Callable[..., tuple[np.ndarray, list[np.ndarray]]]:
    """The function of (weights, *tensors) that gives f(*tensors) and the gradients of sum(weights*f(*tensors))."""
    run = {"jax": _jax_gradients, "tensorflow": _tensorflow_gradients, "torch": _torch_gradients}
    differentiated = run[keras.backend.backend()](function)

    def on_tensors(weights: Any, *tensors: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        value, gradients = differentiated(weights, *tensors)
        zeros = [np.zeros(tuple(t.shape)) for t in tensors]
        return to_numpy(value), [z if g is None else to_numpy(g) for g, z in zip(gradients, zeros, strict=True)]

    return on_tensors


def _weights_like(weights: Any, value: Any) -> Any:
    return ops.broadcast_to(ops.cast(weights, dtype_of(value)), tuple(value.shape))


def _jax_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    def run(weights: Any, *tensors: Any) -> Any:
        value, pull = jax.vjp(function, *tensors)
        return value, pull(_weights_like(weights, value))

    return jax.jit(run)


def _tensorflow_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    def run(weights: Any, *tensors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        return value, tape.gradient(value, tensors, output_gradients=_weights_like(weights, value))

    return run


def _torch_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def run(weights: Any, *tensors: Any) -> Any:
        leaves = [t.detach().clone().requires_grad_(True) for t in tensors]
        value = function(*leaves)
        require(value.requires_grad, "the output does not depend on the input")
        return value.detach(), torch.autograd.grad(value, leaves, _weights_like(weights, value), allow_unused=True)

    return run


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as the backend compiles or traces it."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    import torch

    torch.compiler.reset()  # it gives up on code that it has compiled for many functions
    return torch.compile(function, backend="eager")


def assert_near(actual: np.ndarray, exact: np.ndarray, allowed: np.ndarray, where: np.ndarray, dtype: str) -> None:
    """Each value that fits the dtype is within what is allowed of the exact one; NaN in `exact` asks for nothing."""
    asked = (np.abs(exact) < LARGEST[dtype]) & ~np.isnan(exact)
    with np.errstate(invalid="ignore"):
        wrong = asked & ~(np.abs(actual - exact) <= allowed + TINY[dtype])
    found = [
        f"{a:.9g} instead of {e:.9g} at x = {x}"
        for a, e, x in zip(actual[wrong], exact[wrong], _places(where, exact)[wrong], strict=True)
    ]
    require(not found, f"in {dtype}: {len(found)} wrong, " + "; ".join(found[:4]))


def _places(where: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """For each exact value the point, or the row, that it belongs to, as text."""
    texts = np.array([str(row.tolist()) for row in where], object)
    return np.broadcast_to(texts.reshape(-1, *(1 for _ in exact.shape[1:])), exact.shape)


def limit_of(name: str) -> float:
    """Up to which |x| a record's kernel on this backend is asked to be right."""
    return OVERFLOWS.get((keras.backend.backend(), name), math.inf)


def require(condition: Any, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds, also where Python drops `assert`."""
    if not condition:
        raise AssertionError(message)
