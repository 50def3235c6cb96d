"""A trained activation as plain numbers: an offset and a sum of weighted functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_actsel import activations
from keras_actsel.layers import Activation, ActivationMixture

_STEEPEST = 1e4
"""Beyond this ratio of its two slopes a kinked line is not written as a leaky relu: the product would lose digits."""

_LIGHTEST = 1e-3
"""A function with less than this part of another's weight in some channel is nothing to divide by."""


@dataclass(frozen=True, eq=False)
class Term:
    """A function and what it is multiplied by.

    Args:
        name: The function's name.
        function: The function of a tensor and of `parameters`.
        weight: Its factor: a number, or an array that broadcasts against the input.
        parameters: Its parameters that were trained: numbers, arrays that broadcast, or tuples of these.
        stock: The function or layer of Keras that is the same; None if there is none.
        slopes: The slopes right and left of 0 if it is nothing but a line with a kink at 0.
        elementwise: Whether each value depends on one input alone.
    """

    name: str
    function: Callable[..., Any]
    weight: Any = 1.0
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    stock: Any = None
    slopes: tuple[Any, Any] | None = None
    elementwise: bool = True


@dataclass(frozen=True, eq=False)
class Combination:
    """What a mixture computes: offset + the sum of its terms.

    Args:
        terms: The terms, in the order of the candidates.
        offset: A number, or an array that broadcasts against the input.
    """

    terms: tuple[Term, ...]
    offset: Any = 0.0

    @property
    def scale(self) -> Any:
        """What all of it can be divided by, so that one function is not multiplied: the weight of the heaviest.

        1 if each function has in some channel the weight 0, by which nothing can be divided, or next to nothing beside
        another's.
        """
        if not self.terms:
            return 1.0
        weights = np.abs(np.stack(np.broadcast_arrays(*(term.weight for term in self.terms))))
        heaviest = np.max(weights, axis=0)
        parts = np.divide(weights, heaviest, out=np.zeros_like(weights), where=heaviest > 0)
        least = parts.reshape(len(weights), -1).min(axis=1)
        best = int(np.argmax(least))
        return self.terms[best].weight if least[best] >= _LIGHTEST else 1.0

    def without(self, scale: Any, offset: Any) -> "Combination":
        """What is left once `scale` is multiplied and `offset` is added elsewhere: (f - offset) / scale."""
        terms = tuple(replace(term, weight=np.divide(term.weight, scale)) for term in self.terms)
        return Combination(terms, np.divide(np.subtract(self.offset, offset), scale))


def combination(mixture: ActivationMixture, largest: bool = False) -> Combination:
    """A built mixture as it is, or only its largest candidate, for each channel its own.

    What is left of it stands on the mixture's own scale, for which the layers behind it were trained: where the
    coefficients sum to one, it has the coefficient 1; else, in a linear combination, its own.
    """
    dtype = keras.backend.standardize_dtype(mixture.coefficients.dtype)
    coefficients = ops.convert_to_numpy(mixture.coefficients).astype("float64")
    if largest:
        coefficients = _vertex(coefficients, keep_size=mixture.combination == "linear")
    offset, weights = (ops.convert_to_numpy(part) for part in mixture.effective(coefficients.astype(dtype)))
    shape = mixture.broadcast_shape
    pairs = zip(mixture.branches, weights, strict=True)
    terms = [_term(branch, weight.reshape(shape)) for branch, weight in pairs if np.any(weight)]
    return simplified(Combination(tuple(terms), np.reshape(offset, shape)))


def input_shape(layer: Any) -> tuple[int | None, ...]:
    """The shape a layer was built for."""
    return tuple(layer.get_build_config()["input_shape"])


def _vertex(coefficients: np.ndarray, keep_size: bool) -> np.ndarray:
    best = np.argmax(np.abs(coefficients), axis=0)
    chosen = np.arange(len(coefficients)).reshape(-1, *(1 for _ in best.shape)) == best
    return np.where(chosen, coefficients if keep_size else 1.0, 0.0)


def plain(activation: Any) -> Combination:
    """An activation that is no mixture: a record, an `Activation` with what it has learned, or a layer of Keras."""
    if isinstance(activation, keras.Layer) and not isinstance(activation, Activation):
        term = Term(activation.name, activation, stock=_copied(activation))
    else:
        term = _term(activation, 1.0) if isinstance(activation, Activation) else term_of(activation, 1.0)
    alone = Combination((term,))
    return alone if term.stock is not None else simplified(alone)


def _copied(layer: Any) -> Any:
    copy = type(layer).from_config(layer.get_config())
    if layer.weights:
        copy.build_from_config(layer.get_build_config())
        copy.set_weights(layer.get_weights())
    return copy


def _term(layer: Activation, weight: Any) -> Term:
    dtype = "float64" if layer.variable_dtype == "float64" else "float32"
    values = {key: ops.convert_to_numpy(value) for key, value in layer.learned_values(dtype).items()}
    vectors = {key: tuple(value) for key, value in values.items() if layer.activation.specs[key].is_vector}
    return term_of(layer.activation, weight, {**values, **vectors})


def term_of(record: activations.ActivationFunction, weight: Any, parameters: Mapping[str, Any] | None = None) -> Term:
    """The term of a catalogue entry or a user's function, with values for its trained parameters."""
    parameters = dict(parameters or {})
    return Term(
        name=record.name,
        function=record,
        weight=weight,
        parameters=parameters,
        # `keras.layers.Activation` takes it that the shape stays.
        stock=None if parameters or record.kind == "shape_changing" else record.keras_equivalent,
        slopes=_slopes(record, parameters),
        elementwise=record.kind == "elementwise",
    )


def _slopes(record: activations.ActivationFunction, parameters: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The slopes right and left of 0 of a function that is linear on both sides and 0 at 0; None for any other.

    The kinks that a catalogue entry states say where to look. Functions without a stated derivative stay as they are.
    """
    if record.kind != "elementwise" or record.derivative_formula is None or not _kinks_at_zero(record, parameters):
        return None
    values = [np.asarray(v) for p in parameters.values() for v in (p if isinstance(p, tuple) else (p,))]
    rank = max((v.ndim for v in values), default=0)
    x = np.outer([1.0, 1.5], 2.0 ** np.arange(-20, 21)).ravel().reshape(-1, *(1 for _ in range(max(rank - 1, 0))))
    right, left = (_at(record, sign * x, parameters) / x for sign in (1, -1))
    bent = any(np.ptp(s, axis=0).max() > 1e-6 * np.abs(s).max() for s in (right, left))
    return None if bent or not np.isfinite(right + left).all() else (_first(right, rank), -_first(left, rank))


def _kinks_at_zero(record: activations.ActivationFunction, parameters: Mapping[str, Any]) -> bool:
    return set(record.kinks) <= {"0"} if parameters else set(record.kink_points) <= {0.0}


def _at(record: activations.ActivationFunction, x: np.ndarray, parameters: Mapping[str, Any]) -> np.ndarray:
    tensor = ops.convert_to_tensor(x.astype("float32"))
    given = {key: constant(value, "float32") for key, value in parameters.items()}
    return np.asarray(ops.convert_to_numpy(record(tensor, **given)), "float64")


def _first(slopes: np.ndarray, rank: int) -> Any:
    return slopes[:1] if rank else slopes[0]


def constant(value: Any, dtype: str) -> Any:
    """A number as Python's, so that it takes on the dtype of what it meets; an array as a tensor of that dtype."""
    if isinstance(value, tuple):
        return tuple(constant(v, dtype) for v in value)
    return float(np.reshape(value, ())) if np.size(value) == 1 else ops.convert_to_tensor(value, dtype=dtype)


# Lines with one kink at 0


def simplified(combined: Combination) -> Combination:
    """The same with all lines that have their only kink at 0 made one, which takes the place of the first."""
    lines = [term for term in combined.terms if term.slopes is not None]
    if not lines:
        return combined
    right, left = (sum(np.multiply(t.weight, t.slopes[side]) for t in lines) for side in (0, 1))  # type: ignore[index]
    at = combined.terms.index(lines[0])
    rest = [term for term in combined.terms if term.slopes is None]
    return Combination((*rest[:at], *_line(right, left), *rest[at:]), combined.offset)


def _line(right: Any, left: Any) -> list[Term]:
    """The function right * x above 0 and left * x below, as a weighted relu, identity or leaky relu where it is one."""
    if not np.any(right) and not np.any(left):
        return []
    if not np.any(left):
        return [term_of(activations.get("relu"), right)]
    if np.any(np.abs(left) > _STEEPEST * np.abs(right)) or not np.all(right):
        return [Term("two_slopes", two_slopes, 1.0, {"right": right, "left": left}, slopes=(right, left))]
    slope = np.divide(left, right)
    if np.ptp(slope) > 1e-7 * np.abs(slope).max():
        return [Term("leaky_relu", two_slopes, right, {"right": 1.0, "left": slope}, slopes=(1.0, slope))]
    return [_leaky_relu(float(np.ravel(slope)[0]), right)]


def _leaky_relu(slope: float, weight: Any) -> Term:
    if slope in (0.0, 1.0):
        return term_of(activations.get("linear" if slope else "relu"), weight)
    stock = keras.layers.LeakyReLU(slope) if slope > 0 else None  # which refuses to bend a line upwards
    return Term("leaky_relu", ops.leaky_relu, weight, {"negative_slope": slope}, stock, slopes=(1.0, slope))


def two_slopes(x: Any, right: Any, left: Any) -> Any:
    """The function that is right * x above 0 and left * x below."""
    below = ops.multiply(left, ops.relu(ops.negative(x)))
    return ops.subtract(ops.multiply(right, ops.relu(x)), below)
