"""Do the labels fit the loss and the output? Some backends train on silently where they don't."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_actsel.search._data import leaves

TOLERANCE = 1e-5
"""Soft labels made in float32 may pass 0 and 1 by so much."""


@dataclass(frozen=True)
class _Case:
    """Labels of one output.

    Args:
        name: Where they are, such as "y" or "y['price']".
        labels: The labels, `(samples, ...)`.
        shape: The shape of the output, `(None, ...)`.
        loss: Its loss as an object or function of Keras.
        loss_name: That function's name.
    """

    name: str
    labels: Any
    shape: tuple[int | None, ...]
    loss: Any
    loss_name: str

    @property
    def given(self) -> tuple[int | None, ...]:
        """The labels' shape without their number, which may be that of a part of the data."""
        return (None, *self.labels.shape[1:])


def check_labels(model: keras.Model, y: Any, outputs: Any) -> None:
    """Check targets against the loss and the output that they belong to.

    Args:
        model: A compiled model.
        y: Targets, an array or a nest with one array for each output.
        outputs: What the model gives for a few samples: an array or a nest of the same kind.

    Raises:
        ValueError: For labels out of range, of the wrong kind for the loss, or of a shape that only broadcasts.
    """
    targets, predictions = dict(leaves(y)), dict(leaves(outputs))
    losses = _losses(model, list(predictions))
    if set(targets) != set(predictions) or set(losses) != set(targets):
        return  # a structure of the user's own: Keras itself reports one that does not fit
    for path, labels in targets.items():
        if labels.dtype.kind in "OSU":
            raise ValueError(
                f"y{path} holds text or objects. Received: dtype {labels.dtype}. Encode classes as integers."
            )
        shape = (None, *tuple(predictions[path].shape)[1:])
        loss, name = _resolved(losses[path])
        if check := _CHECKS.get(name):
            check(_Case(f"y{path}", labels, shape, loss, name))


def _losses(model: keras.Model, paths: Sequence[str]) -> dict[str, Any]:
    """The loss of each output, by its place among the outputs."""
    loss = model.loss
    if isinstance(loss, dict):
        return {f"[{name!r}]": item for name, item in loss.items()}
    if isinstance(loss, (list, tuple)):
        return dict(zip(paths, loss, strict=False))
    return dict.fromkeys(paths, loss)


def _resolved(loss: Any) -> tuple[Any, str]:
    """A loss as Keras resolves it, and the name of its function; '' for one of the user's own."""
    if loss is None or (isinstance(loss, str) and loss in ("crossentropy", "ce")):
        return loss, loss or ""
    loss = keras.losses.get(loss)
    function = loss if not isinstance(loss, keras.losses.Loss) else getattr(loss, "fn", None)
    known = getattr(keras.losses, getattr(function, "__name__", ""), None)
    if known is not None and known is function:
        return loss, function.__name__
    # Losses that are no plain wrapper of a function are told by their class.
    return loss, type(loss).__name__ if type(loss).__module__.startswith("keras.") else ""


def _check_sparse(case: _Case) -> None:
    labels, axis = case.labels, getattr(case.loss, "_fn_kwargs", {}).get("axis", -1)
    ignored = getattr(case.loss, "_fn_kwargs", {}).get("ignore_class")
    classes = case.shape[axis]
    if labels.ndim == len(case.shape) and labels.shape[axis] == classes != 1:
        raise ValueError(
            f"{case.name} has a column for each class, but sparse_categorical_crossentropy wants one integer for each "
            f"sample. Received: shape {case.given}. Use loss='categorical_crossentropy' or y.argmax(-1)."
        )
    if not np.array_equal(labels, np.round(labels)):
        raise ValueError(
            f"{case.name} must hold whole numbers for sparse_categorical_crossentropy. "
            f"Received: values such as {labels[labels != np.round(labels)].flat[0]!s}."
        )
    used = labels if ignored is None else labels[labels != ignored]
    low, high = (int(used.min()), int(used.max())) if used.size else (0, 0)
    if classes is not None and (low < 0 or high >= classes):
        raise ValueError(
            f"{case.name} holds labels from {low} to {high}, but the output has {classes} units: expected 0 to "
            f"{classes - 1}. Give the output {max(high + 1, classes)} units, or number the classes from 0."
        )


def _check_categorical(case: _Case) -> None:
    if case.labels.ndim < len(case.shape) or case.labels.shape[-1] == 1 != case.shape[-1]:
        raise ValueError(
            f"{case.name} holds one number for each sample, but {case.loss_name} wants a column for each class. "
            f"Received: shape {case.given}, output {case.shape}. Use loss='sparse_categorical_crossentropy'."
        )
    _check_probabilities(case)


def _check_either(case: _Case) -> None:
    """The loss "crossentropy": Keras chooses the kind by the shapes."""
    sparse = case.shape[-1] != 1 and (case.labels.ndim < len(case.shape) or case.labels.shape[-1] == 1)
    (_check_sparse if sparse else _check_probabilities)(case)


def _check_probabilities(case: _Case) -> None:
    low, high = float(case.labels.min()), float(case.labels.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(
            f"{case.name} must lie between 0 and 1 for {case.loss_name}. Received: values from {low:g} to {high:g}."
        )
    _check_shape(case)


def _check_shape(case: _Case) -> None:
    """Equal shapes, but for a last axis of one that either may lack: Keras fits that itself."""
    given, wanted = case.given[1:], case.shape[1:]
    if len(given) + 1 == len(wanted) and wanted[-1] == 1:
        given = (*given, 1)
    elif len(wanted) + 1 == len(given) and given[-1] == 1:
        wanted = (*wanted, 1)
    if len(given) != len(wanted) or any(b is not None and a != b for a, b in zip(given, wanted, strict=True)):
        raise ValueError(
            f"{case.name} does not fit the output: {case.loss_name} would broadcast one against the other. "
            f"Received: targets of shape {case.given}, output of shape {case.shape}."
        )


_CHECKS: dict[str, Callable[[_Case], None]] = {
    "crossentropy": _check_either,
    "ce": _check_either,
    "sparse_categorical_crossentropy": _check_sparse,
    "categorical_crossentropy": _check_categorical,
    "categorical_focal_crossentropy": _check_categorical,
    "binary_crossentropy": _check_probabilities,
    "binary_focal_crossentropy": _check_probabilities,
    "mean_squared_error": _check_shape,
    "mean_absolute_error": _check_shape,
    "mean_absolute_percentage_error": _check_shape,
    "mean_squared_logarithmic_error": _check_shape,
    "huber": _check_shape,
    "log_cosh": _check_shape,
    "poisson": _check_shape,
}
