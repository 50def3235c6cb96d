"""What a parameter of an activation may be, and how its layer learns it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """A parameter of an activation: its default, its shape, its limits, and how a layer learns it.

    The default, and with it the type, is that of the function's keyword.

    Args:
        default: A number, a bool, a word, None for a limit that is not set, or a tuple of numbers for a vector.
        bounds: The open interval that every number in it must lie in.
        choices: The words it may be, where it is a word.
        trainable: Whether its layer learns it unless told otherwise.
        per_channel: Whether its layer learns a value for each channel unless told otherwise, or one for all.
        any_length: Whether a vector may have another length than its default.
        initializer: How learned values start where it has its default: a name or config of a Keras initializer.
            None: at the parameter's value.

    Example:
        >>> from keras_actsel import activations
        >>> alpha = activations.get("prelu").specs["alpha"]
        >>> alpha.default, alpha.shape, alpha.trainable
        (0.25, ('channels',), True)
    """

    default: Any = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    choices: tuple[str, ...] = ()
    trainable: bool = False
    per_channel: bool = False
    any_length: bool = False
    initializer: str | Mapping[str, Any] | None = None

    @property
    def is_vector(self) -> bool:
        """Whether it is a vector of numbers."""
        return isinstance(self.default, tuple)

    @property
    def shape(self) -> tuple[int | str, ...]:
        """The shape of its learned values: `()`, `(5,)`, `("channels",)` or `(5, "channels")`."""
        length = (len(self.default),) if self.is_vector else ()
        return (*length, "channels") if self.per_channel else length

    def checked(self, value: Any, label: str) -> Any:
        """The value as plain Python numbers of the default's kind.

        Args:
            value: What the parameter is to be.
            label: What it is called in the error, such as `"'alpha' of 'elu'"`.

        Raises:
            ValueError: For a value that the parameter can't have.
        """
        if self.is_vector:
            return self._vector(value, label)
        if isinstance(self.default, str):
            return self._word(value, label)
        return None if value is None and self.default is None else self._number(value, label)

    def _vector(self, value: Any, label: str) -> tuple[float, ...]:
        values = value.tolist() if hasattr(value, "tolist") else value
        listed = isinstance(values, Sequence) and not isinstance(values, str)
        if not listed or not (len(values) if self.any_length else len(values) == len(self.default)):
            number = "one or more" if self.any_length else len(self.default)
            raise ValueError(f"Parameter {label} must be {number} numbers. Received: {value!r}.")
        return tuple(self._number(v, label) for v in values)

    def _word(self, value: Any, label: str) -> str:
        if value not in self.choices:
            raise ValueError(f"Parameter {label} must be one of {self.choices}. Received: {value!r}.")
        return str(value)

    def _number(self, value: Any, label: str) -> Any:
        kind, word = next((k, w) for type_, k, w in _KINDS_OF_NUMBER if isinstance(self.default, type_))
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool) or value != value:  # noqa: PLR0124
            raise ValueError(
                f"Parameter {label} must be {word}. Received: {value!r}. "
                "A parameter that varies or is learned belongs to `layers.Activation(..., trainable=...)`."
            )
        low, high = self.bounds
        if kind is not bool and not low < value < high:
            raise ValueError(f"Parameter {label} must lie between {low:g} and {high:g}. Received: {value!r}.")
        return float(value) if kind is Real else int(value) if kind is Integral else value


# By the type of a parameter's default (None: a limit that is not set): what its numbers must be.
_KINDS_OF_NUMBER: tuple[tuple[type, Any, str], ...] = (
    (bool, bool, "True or False"),
    (int, Integral, "an integer"),
    (object, Real, "a number"),
)
