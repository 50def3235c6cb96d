"""The conformance kit: checks any activation, the catalogue's or one of your own, as ours are checked."""

from collections.abc import Callable, Iterable
from typing import Any

from keras_actsel import activations
from keras_actsel.testing import _facts, _layers, _numbers, _probe  # noqa: F401
from keras_actsel.testing._subject import CHECKS, Subject

__all__ = ["CHECKS", "Subject", "check"]


def check(
    activation: Any,
    reference: Callable[[Any], Any] | None = None,
    *,
    layer: Callable[..., Any] | None = None,
    checks: Iterable[str] | None = None,
) -> None:
    """Check an activation: its numbers, its layer, what is saved of it, and the facts it states.

    Facts that a record does not state are not checked. What is checked against a formula needs SymPy and mpmath:
    `pip install "keras-actsel[testing]"`.

    Args:
        activation: Whatever `activations.get` reads.
        reference: A NumPy function of float64 arrays with the same values, in place of a formula; for functions of an
            axis it gets rows, of shape (rows, 6), and gives (rows, units).
        layer: Makes the layer to check, given keyword arguments; by default `layers.Activation` of the record.
        checks: Names of `CHECKS`; all by default.

    Raises:
        AssertionError: If a check fails; the message lists all that fail, and what was found where.
        ValueError: If there is nothing that could be checked: neither formula nor reference to check against, a
            formula that can't be read, or a function that is not written in `keras.ops`.
        ImportError: If SymPy or mpmath is needed and missing.

    Example:
        >>> import numpy as np
        >>> from keras_actsel import testing
        >>> testing.check("tanh", reference=np.tanh, checks=["value", "gradient", "nan"])
    """
    record = activations.get(activation)
    if reference is None and (record.formula is None or record.kind != "elementwise"):
        raise ValueError(
            f"Can't check {str(record)!r} of kind {record.kind!r} without something to compare with. Received: no "
            "`reference`. Expected a NumPy function of its values, or an elementwise record with a `formula`."
        )
    _probe.require_readable(record, by_sympy=reference is None)
    _probe.require_traceable(record)
    subject = Subject(record, reference, layer)
    failures = {name: message for name in checks or CHECKS if (message := _failure(name, subject))}
    if failures:
        found = "\n".join(f"  {name}: {message}" for name, message in failures.items())
        raise AssertionError(f"{record} fails {len(failures)} checks:\n{found}")


def _failure(name: str, subject: Subject) -> str:
    """What a check found; any error that the activation raises is a finding too."""
    try:
        CHECKS[name](subject)
    except Exception as error:
        text = " ".join(str(error).split())
        return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
    return ""
