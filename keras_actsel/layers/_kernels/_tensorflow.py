"""The mixture on TensorFlow: value and gradients as clusters that XLA compiles, each a single pass over memory.

Without XLA, which on a CPU is Keras's default, every operation reads and writes memory. One cluster for all would
write down what its parts have in common; clusters of their own are small, and run beside one another.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import tensorflow as tf

from keras_actsel.layers._kernels._plain import plain_sum

_WIDTH = 512


def mix(x: Any, weights: Any, offset: Any, functions: Any) -> Any:
    """`plain_sum`, with a tensor held for the backward pass instead of some for each function."""
    # Where XLA compiles the whole step, as Keras has it on GPUs, clusters of their own are in its way.
    if _is_compiled() or tf.config.list_physical_devices("GPU"):
        return plain_sum(x, weights, offset, functions)
    value, slope = _value(functions), _slope(functions)
    sums = [_weighted_sum(function) for function in functions]

    @tf.custom_gradient
    def mixed(x: Any, weights: Any) -> Any:
        def gradients(upstream: Any) -> Any:
            shape = weights.shape[1:]
            parts = [partial_sums(x, upstream, tuple(shape)) for partial_sums in sums]
            dweights = [tf.reshape(tf.reduce_sum(part, axis=_first(shape)), shape) for part in parts]
            return slope(x, weights, upstream), tf.stack(dweights)

        return value(x, weights), gradients

    total = mixed(x, weights)
    return total if offset is None else total + offset


def _is_compiled() -> bool:
    """Whether XLA compiles all that is traced here, as under `compile(jit_compile=True)`.

    TensorFlow says so of the graph from which a compiled function is called, which is one of the outer graphs.
    """
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if any(context.IsXLAContext() for context in _contexts(graph)):
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


def _contexts(graph: Any) -> Iterator[Any]:
    # Private, as TensorFlow has no public way to ask. Should it be gone, kernels are used: right, if slower.
    context = getattr(graph, "_get_control_flow_context", lambda: None)()
    while context is not None:
        yield context
        context = context.outer_context


def _first(shape: Any) -> Any:
    """The axes along which partial sums remain to be added: all, or the batch if there are channels."""
    return 0 if len(shape) else None


@cache
def _value(functions: Any) -> Any:
    @tf.function(jit_compile=True)
    def value(x: Any, weights: Any) -> Any:
        return plain_sum(x, weights, None, functions)

    return value


@cache
def _slope(functions: Any) -> Any:
    @tf.function(jit_compile=True)
    def slope(x: Any, weights: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = plain_sum(x, weights, None, functions)
        return tape.gradient(value, x, upstream)

    return slope


@cache
def _weighted_sum(function: Any) -> Any:
    @tf.function(jit_compile=True)
    def partial_sums(x: Any, upstream: Any, shape: tuple[int, ...]) -> Any:
        """Sums of upstream * function(x), for each channel if there are some, else in vectors that fit registers."""
        if shape:
            axes = [axis for axis, size in enumerate(shape) if size == 1 and axis > 0]
            return tf.reduce_sum(upstream * function(x), axis=axes, keepdims=True)
        size = math.prod(x.shape[1:])
        width = math.gcd(size, _WIDTH)
        parts = (-1, size // width, width)
        return tf.reduce_sum(tf.reshape(upstream, parts) * function(tf.reshape(x, parts)), axis=1)

    return partial_sums
