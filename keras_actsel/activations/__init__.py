"""The catalogue of activation functions: `get`, `catalogue`, `activation`, and every entry by its name."""

# Importing a family fills the catalogue.
from keras_actsel.activations import (  # noqa: F401
    _exponential,
    _gated,
    _normalizing,
    _rectified,
    _shrinking,
    _sigmoidal,
)
from keras_actsel.activations._record import ActivationFunction, activation, catalogue, get

__all__ = ["ActivationFunction", "activation", "catalogue", "get"]


def __getattr__(name: str) -> ActivationFunction:
    try:
        return get(name)
    except ValueError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. {error}") from None


def __dir__() -> list[str]:
    return sorted([*__all__, *(record.name for record in catalogue())])
