"""The record under examination, what is true of it, and the register of checks."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from keras_actsel import activations, layers
from keras_actsel.testing import _exact
from keras_actsel.testing._backend import COARSE_NEAR_ZERO, EPSILON, limit_of, tensor, with_gradients

CHECKS: dict[str, Callable[["Subject"], None]] = {}
"""The checks by name."""

GRID = np.arange(-8.0, 8.0, 2.0**-8) + 2.0**-10
"""Where facts are looked up: no kink of the catalogue lies on it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What is checked.

    Args:
        record: The record.
        reference: A NumPy function that gives its values in float64, or None: its formula says.
        make_layer: Makes its layer, given keyword arguments.
    """

    record: activations.ActivationFunction
    reference: Callable[[Any], Any] | None = None
    make_layer: Callable[..., keras.Layer] | None = None

    def layer(self, **kwargs: Any) -> keras.Layer:
        """A new layer of the record."""
        return layers.Activation(self.record, **kwargs) if self.make_layer is None else self.make_layer(**kwargs)

    @property
    def elementwise(self) -> bool:
        """Whether each output depends on one input."""
        return self.record.kind == "elementwise"

    @cached_property
    def expression(self) -> Any:
        """The formula, in SymPy."""
        return _exact.expression(str(self.record.formula), self.record.parameters)

    @cached_property
    def f(self) -> Callable[[np.ndarray], np.ndarray]:
        """The elementwise function in float64."""
        return self.reference or _exact.on_arrays(self.expression)

    @cached_property
    def slope(self) -> Callable[[np.ndarray], np.ndarray]:
        """Its true derivative in float64."""
        if self.reference is not None:
            return functools.partial(_exact.differences, self.reference)
        return _exact.on_arrays(_exact.derivative(self.expression))

    @cached_property
    def truth(self) -> _exact.Truth:
        """The true values and derivatives."""
        if self.reference is not None:
            return _exact.of_reference(self.reference, self.record.kink_points, self.elementwise)
        return _exact.of_formula(self.expression, _exact.derivative(self.expression), self.record.kink_points)

    @cached_property
    def trained(self) -> _exact.Truth:
        """The true values, and the slopes that training should use."""
        if self.record.surrogate is None:
            return self.truth
        stand_in = _exact.expression(self.record.surrogate, self.record.parameters)
        if self.reference is None:
            return _exact.of_formula(self.expression, stand_in, ())
        x = self.truth.x
        return replace(self.truth, slope=_exact.at_numbers(stand_in, x))

    @functools.cache  # noqa: B019
    def expected(self, dtype: str) -> _exact.Truth:
        """What is true of the inputs that are exact in a dtype."""
        return self.trained.in_dtype(dtype, limit_of(self.record.name))

    @cached_property
    def differentiated(self) -> Callable[..., Any]:
        """The record with its gradient."""
        return with_gradients(self.record)

    @functools.cache  # noqa: B019
    def slopes(self, dtype: str) -> np.ndarray:
        """The gradient that the backend computes at the expected inputs."""
        truth = self.expected(dtype)
        _, (slopes,) = self.differentiated(tensor(truth.weights, dtype), tensor(truth.x, dtype))
        return np.asarray(slopes)

    def allowed_value(self, dtype: str) -> np.ndarray:
        """A few units of the last place of the value, of a small x, and of what rounding x does."""
        truth = self.expected(dtype)
        coarse = (keras.backend.backend(), self.record.name) in COARSE_NEAR_ZERO or not self.elementwise
        units = 8.0 if coarse else 8.0 * np.minimum(np.abs(truth.x), 1.0)
        return EPSILON[dtype] * (8.0 * np.abs(truth.value) + units + truth.moved)

    def allowed_slope(self, dtype: str) -> np.ndarray:
        """A few units of the last place; terms such as x*(1 - tanh(x)**2) lose a digit, which half types hide."""
        truth = self.expected(dtype)
        units = 32.0 if dtype == "float32" else 4.0
        return EPSILON[dtype] * (8.0 * np.abs(truth.slope) + units + truth.bent)


Check = Callable[[Subject], None]


def checks(*conditions: Callable[[Subject], Any]) -> Callable[[Check], Check]:
    """Decorator: register a check, for the subjects that meet the conditions."""

    def register(check: Check) -> Check:
        @functools.wraps(check)
        def where_it_applies(subject: Subject) -> None:
            if all(condition(subject) for condition in conditions):
                check(subject)

        CHECKS[check.__name__.strip("_")] = where_it_applies
        return where_it_applies

    return register


def elementwise(subject: Subject) -> bool:
    """For functions of single numbers."""
    return subject.elementwise


def states(fact: str) -> Callable[[Subject], bool]:
    """For records that state a fact."""
    return lambda subject: getattr(subject.record, fact) not in (None, "", ())
