"""Do the labels fit the loss and the output? Some backends train on silently where they don't."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_actsel.search._data import leaves


def check_labels(model: keras.Model, y: Any, output_shapes: Sequence[tuple[int | None, ...]]) -> None:
    """Check targets against the loss and the output that they belong to.

    Args:
        model: A compiled model.
        y: Targets, an array or a nest with one array for each output.
        output_shapes: The shape of each output, batch first.

    Raises:
        ValueError: For labels out of range, of the wrong kind for the loss, or of a shape that only broadcasts.
    """
    targets = leaves(y)
    losses = _losses(model, [path for path, _ in targets])
    if len(targets) != len(output_shapes) or len(losses) != len(targets):
        return  # a structure of the user's own: Keras itself reports one that does not fit
    for (path, labels), loss, shape in zip(_in_output_order(model, targets), losses, output_shapes, strict=True):
        _check_one(f"y{path}", labels, _loss_name(loss), shape)


def _losses(model: keras.Model, paths: list[str]) -> list[Any]:
    loss = model.loss
    if isinstance(loss, dict):
        return [loss.get(name) for name in getattr(model, "output_names", loss)]
    return list(loss) if isinstance(loss, (list, tuple)) else [loss] * len(paths)


def _in_output_order(model: keras.Model, targets: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Targets given by name come in the dict's order; losses and shapes come in the outputs'."""
    by_path = dict(targets)
    ordered = [f"[{name!r}]" for name in getattr(model, "output_names", None) or []]
    return [(path, by_path[path]) for path in ordered] if set(ordered) == set(by_path) else targets


def _loss_name(loss: Any) -> str:
    """Keras's name for a loss given as text, function or object; '' for one of the user's own."""
    if isinstance(loss, str):
        aliases = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "bce": "binary_crossentropy"}
        return aliases.get(loss.lower(), loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    module = getattr(loss, "__module__", "") if isinstance(loss, type(_loss_name)) else type(loss).__module__
    return str(name) if str(module).startswith("keras.") else ""


def _check_one(name: str, labels: Any, loss: str, shape: tuple[int | None, ...]) -> None:
    if labels.dtype.kind in "OSU":
        raise ValueError(f"{name} holds text or objects. Received: dtype {labels.dtype}. Encode classes as integers.")
    if loss in ("sparse_categorical_crossentropy",) or (loss in ("crossentropy", "ce") and _is_sparse(labels, shape)):
        _check_sparse(name, labels, shape)
    elif loss == "binary_crossentropy":
        _check_range(name, labels, loss)
        _check_shape(name, labels, loss, shape)
    elif loss == "categorical_crossentropy":
        _check_categorical(name, labels, loss, shape)
    elif loss in ("mean_squared_error", "mean_absolute_error", "huber", "huber_loss", "log_cosh"):
        _check_shape(name, labels, loss, shape)


def _is_sparse(labels: Any, shape: tuple[int | None, ...]) -> bool:
    return shape[-1] != 1 and (labels.ndim < len(shape) or labels.shape[-1] == 1)


def _check_sparse(name: str, labels: Any, shape: tuple[int | None, ...]) -> None:
    classes = shape[-1]
    if labels.ndim == len(shape) and labels.shape[-1] not in (1, None) and classes == labels.shape[-1]:
        raise ValueError(
            f"{name} has a column for each class, but sparse_categorical_crossentropy wants one integer for each "
            f"sample. Received: shape {_each(labels)}. Use loss='categorical_crossentropy' or y.argmax(-1)."
        )
    if not np.array_equal(labels, np.round(labels)):
        raise ValueError(
            f"{name} must hold whole numbers for sparse_categorical_crossentropy. "
            f"Received: values such as {labels[labels != np.round(labels)].flat[0]!s}."
        )
    low, high = int(labels.min()), int(labels.max())
    if classes is not None and (low < 0 or high >= classes):
        raise ValueError(
            f"{name} holds labels from {low} to {high}, but the output has {classes} units: expected 0 to "
            f"{classes - 1}. Give the output {max(high + 1, classes)} units, or number the classes from 0."
        )


def _check_categorical(name: str, labels: Any, loss: str, shape: tuple[int | None, ...]) -> None:
    if labels.ndim < len(shape) or labels.shape[-1] == 1:
        raise ValueError(
            f"{name} holds one number for each sample, but {loss} wants a column for each class. "
            f"Received: shape {_each(labels)}, output {shape}. Use loss='sparse_categorical_crossentropy'."
        )
    _check_range(name, labels, loss)
    _check_shape(name, labels, loss, shape)


def _each(labels: Any) -> tuple[int | None, ...]:
    """The shape of labels without their number, which may be that of a part of the data."""
    return (None, *labels.shape[1:])


def _check_range(name: str, labels: Any, loss: str) -> None:
    low, high = float(labels.min()), float(labels.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie between 0 and 1 for {loss}. Received: values from {low:g} to {high:g}.")


def _check_shape(name: str, labels: Any, loss: str, shape: tuple[int | None, ...]) -> None:
    """Equal shapes, but for a last axis of one that either may lack: Keras fits that itself."""
    given, wanted = tuple(labels.shape[1:]), tuple(shape[1:])
    if len(given) + 1 == len(wanted) and wanted[-1] == 1:
        given = (*given, 1)
    elif len(wanted) + 1 == len(given) and given[-1] == 1:
        wanted = (*wanted, 1)
    fits = len(given) == len(wanted) and all(b is None or a == b for a, b in zip(given, wanted, strict=True))
    if not fits:
        raise ValueError(
            f"{name} does not fit the output: {loss} would broadcast one against the other. "
            f"Received: targets of shape {_each(labels)}, output of shape {tuple(shape)}."
        )
