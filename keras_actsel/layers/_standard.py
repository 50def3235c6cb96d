"""Mean and standard deviation of activations under N(0, 1): the constants that put candidates on one scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_actsel import activations
from keras_actsel.activations._moments import values

_ROWS = 4096


def mean_and_deviation(
    record: activations.ActivationFunction, input_shape: Sequence[int | None]
) -> tuple[float, float]:
    """E[f(z)] and the standard deviation of f(z), z ~ N(0, 1).

    By quadrature; for a function of an axis (softmax) from a fixed sample of as many elements as the axis has.

    Raises:
        ValueError: For a function that is constant or overflows there, or an axis whose size is not known.
    """
    first, second = _sampled(record, input_shape) if record.kind == "axiswise" else _integrated(record)
    deviation = max(second - first**2, 0.0) ** 0.5
    if not (np.isfinite(first) and np.isfinite(deviation) and deviation > 1e-6 * max(1.0, abs(first))):
        raise ValueError(
            f"{str(record)!r} can't be standardized: for a standard normal input its mean is {first:g} and its "
            f"standard deviation {deviation:g}. Expected a finite one above 0. Use `standardize=False`."
        )
    return first, deviation


def _integrated(record: activations.ActivationFunction) -> tuple[float, float]:
    means, gram = activations.moments([record], record.kink_points)
    return float(means[0]), float(gram[0, 0])


def _sampled(record: Any, input_shape: Sequence[int | None]) -> tuple[float, float]:
    axis = record.parameters["axis"]
    if (size := input_shape[axis]) is None:
        raise ValueError(
            f"{str(record)!r} can't be standardized along axis {axis}, whose size is not known. "
            f"Received: input shape {tuple(input_shape)}. Give the axis a size, or use `standardize=False`."
        )
    rows = np.random.default_rng(0).normal(size=(_ROWS, size))
    (f,) = values([record.with_parameters(axis=-1)], rows)
    return float(f.mean()), float((f**2).mean())
