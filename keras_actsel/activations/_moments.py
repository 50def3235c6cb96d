"""Means and second moments of activations of a normal variable, by quadrature."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

REACH = 13.0
"""Standard deviations to which the integrals go: beyond lies a share of 1e-38."""

PANEL = 0.25
"""Width of a panel, in standard deviations: narrow enough for sin(30 x) with the nodes of one panel."""


def moments(
    functions: Sequence[Callable[[Any], Any]],
    kinks: Sequence[float] = (),
    mean: float = 0.0,
    variance: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """E[f_i(z)] and E[f_i(z) f_j(z)] for z ~ N(mean, variance).

    Gauss-Legendre quadrature on panels that end at the kinks, so that every piece is smooth. The functions are
    evaluated in float32, the sums are taken in float64.

    Args:
        functions: K elementwise functions of a tensor.
        kinks: Points where one of them or its slope jumps.
        mean: The variable's mean.
        variance: The variable's variance, 0 or more.

    Returns:
        The means, of shape (K,), and the matrix of second moments, of shape (K, K).
    """
    deviation = max(float(variance), 1e-12) ** 0.5
    z, weights = _rule(tuple((k - mean) / deviation for k in kinks))
    density = weights * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    f = values(functions, mean + deviation * z)  # (K, nodes)
    return f @ density, (f * density) @ f.T


@cache
def _rule(kinks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [-REACH, REACH], in panels that end at the kinks."""
    edges = np.union1d(np.arange(-REACH, REACH + PANEL / 2, PANEL), [k for k in kinks if abs(k) < REACH])
    x, w = np.polynomial.legendre.leggauss(16)
    centres, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    return (centres[:, None] + halves[:, None] * x).ravel(), (halves[:, None] * w).ravel()


def values(functions: Sequence[Callable[[Any], Any]], points: np.ndarray) -> np.ndarray:
    """The values of K functions at an array of points, of shape (K, *points.shape): computed in float32, kept in 64."""
    with outside_graphs():
        x = ops.convert_to_tensor(points.astype("float32"))
        return np.stack([np.asarray(ops.convert_to_numpy(f(x)), "float64") for f in functions])


@contextmanager
def outside_graphs() -> Iterator[None]:
    """Compute at once, also where a model is being traced, and record no gradient."""
    if keras.backend.backend() == "jax":
        import jax

        with jax.ensure_compile_time_eval():
            yield
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.init_scope():
            yield
    elif keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            yield
    else:
        yield
