"""The catalogue of activation functions: `get`, `catalogue`, `activation`, and every entry by its name."""

# Importing a family fills the catalogue.
from keras_actsel.activations import (  # noqa: F401
    _exponential,
    _gated,
    _learned,
    _normalizing,
    _oscillating,
    _quadratic,
    _rectified,
    _shrinking,
    _sigmoidal,
    _widths,
)
from keras_actsel.activations._catalogue import activation, catalogue, get
from keras_actsel.activations._learned import fitted
from keras_actsel.activations._moments import moments
from keras_actsel.activations._parameter import Parameter
from keras_actsel.activations._record import ActivationFunction

__all__ = ["ActivationFunction", "Parameter", "activation", "catalogue", "fitted", "get", "moments"]


def __getattr__(name: str) -> ActivationFunction:
    try:
        return get(name)
    except ValueError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}. {error}") from None


def __dir__() -> list[str]:
    return sorted([*__all__, *(record.name for record in catalogue())])
