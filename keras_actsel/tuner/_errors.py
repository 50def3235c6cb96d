"""Errors that stop a search of keras-tuner."""

from collections.abc import Iterator
from contextlib import contextmanager

from keras_tuner.errors import FatalError, FatalValueError


@contextmanager
def fatal() -> Iterator[None]:
    """Raise a ValueError as keras-tuner's own fatal one: any other it takes for a failed trial, and goes on."""
    try:
        yield
    except FatalError:
        raise
    except ValueError as error:
        raise FatalValueError(str(error)) from error
