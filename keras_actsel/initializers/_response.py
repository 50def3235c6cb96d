"""What an activation makes of a normal variable: mean and mean square, learned values and mixtures included."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_actsel import activations, layers, surgery
from keras_actsel.activations import ActivationFunction

CHANNELS = 64
"""Of a layer with learned values for more channels than this, as many are looked at, evenly spread."""

Combination = tuple[tuple[ActivationFunction, ...], tuple[float, ...], float]


def response(activation: Any, mean: float = 0.0, variance: float = 1.0) -> tuple[float, float]:
    """E[f(z)] and E[f(z)^2] for z ~ N(mean, variance), each the mean over channels where f is learned for each.

    Raises:
        ValueError: If f is not elementwise.
    """
    of_channels = Counter(_combinations(as_activation(activation)))
    values = [_response(*combination, mean, variance) for combination in of_channels]
    first, second = np.average(values, axis=0, weights=list(of_channels.values()))
    return float(first), float(second)


def linear_share(activation: Any, mean: float, variance: float) -> float:
    """The part of the variance of f(z), z ~ N(mean, variance), that follows z in a line: (E[f(z) (z - mean)])^2/v.

    Of what varies with z alike in many places, about this much is left alike after f.

    Raises:
        ValueError: If f is not elementwise.
    """
    of_channels = Counter(_combinations(as_activation(activation)))
    values = [_covariance(*combination, mean, variance) ** 2 for combination in of_channels]
    return float(np.average(values, weights=list(of_channels.values())) / max(variance, 1e-12))


def mean_square_slope(activation: Any, mean: float = 0.0, variance: float = 1.0) -> float:
    """E[f'(z)^2] for z ~ N(mean, variance), by differences over a tenth of a standard deviation.

    A jump counts as a steep slope, as it does for inputs that lie apart by that much.

    Raises:
        ValueError: If f is not elementwise.
    """
    step = 0.05 * max(variance, 1e-12) ** 0.5
    of_channels = Counter(_combinations(as_activation(activation)))
    values = [_slope(*combination, mean, variance, step) for combination in of_channels]
    return float(np.average(values, weights=list(of_channels.values())))


def _slope(
    records: Sequence[ActivationFunction],
    coefficients: Sequence[float],
    _offset: float,
    mean: float,
    variance: float,
    step: float,
) -> float:
    shifts = [(record, sign * step) for sign in (1, -1) for record in records]
    kinks = sorted({point - shift for record, shift in shifts for point in record.kink_points})
    functions = [lambda z, record=record, shift=shift: record(z + shift) for record, shift in shifts]
    _, gram = activations.moments(functions, kinks, mean, variance)
    c = np.concatenate([coefficients, np.negative(coefficients)]) / (2.0 * step)
    return float(c @ gram @ c)


def as_activation(activation: Any) -> Any:
    """The record of whatever names an activation, or the layer where no record tells all of it.

    Raises:
        ValueError: For an unknown name.
    """
    if not isinstance(activation, keras.Layer):
        return activations.get(activation)
    inside = getattr(activation, "activation", None)
    if isinstance(activation, (keras.layers.Activation, layers.Activation)) and isinstance(inside, keras.Layer):
        return as_activation(inside)
    return surgery.as_record(activation)


def _response(
    records: Sequence[ActivationFunction], coefficients: Sequence[float], offset: float, mean: float, variance: float
) -> tuple[float, float]:
    """E[f] = a + c'm and E[f^2] = a^2 + 2a c'm + c'Gc of f = a + sum c_k f_k."""
    kinks = sorted({point for record in records for point in record.kink_points})
    means, gram = activations.moments(records, kinks, mean, variance)
    c = np.asarray(coefficients)
    first = float(c @ means)
    return offset + first, offset * (offset + 2.0 * first) + float(c @ gram @ c)


def _covariance(
    records: Sequence[ActivationFunction], coefficients: Sequence[float], _offset: float, mean: float, variance: float
) -> float:
    """E[f(z) (z - mean)] of f = sum c_k f_k."""
    kinks = sorted({point for record in records for point in record.kink_points})
    _, gram = activations.moments([*records, lambda z: z - mean], kinks, mean, variance)
    return float(np.asarray(coefficients) @ gram[:-1, -1])


def _combinations(activation: Any) -> list[Combination]:
    """For each channel, the elementwise functions, coefficients and offset that the activation is made of there."""
    if not isinstance(activation, layers.ActivationMixture):
        return [((record,), (1.0,), 0.0) for record in _records(activation)]
    mixture = _built(activation)
    offset, weights = mixture.effective()
    offsets = [value for (value,) in _columns(offset, 1)]
    columns = _columns(weights, len(mixture.candidates))
    branches = [_records(branch) for branch in mixture.branches]
    count = max(len(columns), *map(len, branches))
    return [
        (tuple(_at(b, i, count) for b in branches), _at(columns, i, count), _at(offsets, i, count))
        for i in range(count)
    ]


def _at(values: Sequence[Any], index: int, count: int) -> Any:
    """The value for one of `count` channels; a single value is that of all."""
    return values[index * len(values) // count]


def _records(activation: Any) -> list[ActivationFunction]:
    """For each channel, the activation at the values that it has learned, or starts with."""
    if isinstance(activation, keras.layers.PReLU):
        slopes = _columns(_built(activation).alpha, 1)
        return [activations.get("prelu", alpha=slope) for (slope,) in slopes]
    if isinstance(activation, layers.Activation) and activation.learned:
        return _learned(_built(activation))
    record = activation.activation if isinstance(activation, layers.Activation) else activation
    if not isinstance(record, ActivationFunction) or record.kind != "elementwise":
        raise ValueError(
            f"{_label(record)} has no gain. Expected an activation that is applied to each element by itself: "
            "a name, a record, a function, or a layer of such."
        )
    return [record]


def _label(activation: Any) -> str:
    if isinstance(activation, ActivationFunction):
        return f"{str(activation)!r}, which is {activation.kind.replace('_', '-')},"
    return f"The layer {activation.name!r} of type {type(activation).__name__}"


def _learned(layer: layers.Activation) -> list[ActivationFunction]:
    record = layer.activation
    columns = {key: _columns(getattr(layer, key), _length(record.parameters[key])) for key in layer.learned}
    count = max(map(len, columns.values()))
    return [
        record.with_parameters(**{key: _one(record, key, _at(column, i, count)) for key, column in columns.items()})
        for i in range(count)
    ]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else 1


def _one(record: ActivationFunction, key: str, column: tuple[float, ...]) -> Any:
    return column if record.specs[key].is_vector else column[0]


def _columns(weight: Any, length: int) -> list[tuple[float, ...]]:
    """The `length` values of a weight for each channel."""
    values = np.asarray(ops.convert_to_numpy(ops.cast(weight, "float32")), "float64").reshape(length, -1)
    chosen = np.linspace(0, values.shape[1] - 1, min(values.shape[1], CHANNELS)).round().astype(int)
    return [tuple(column) for column in values[:, chosen].T.tolist()]


def _built(layer: Any) -> Any:
    """The layer, or a copy of it that shows its starting values."""
    if layer.built:
        return layer
    axes = getattr(layer, "shared_axes", None) or getattr(layer, "axis", None) or ()
    rank = max(np.abs(np.atleast_1d(axes)), default=1)
    copy = surgery.copied(layer)
    copy.build((None, *[CHANNELS] * int(rank)))
    return copy
