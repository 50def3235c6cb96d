"""The data of a search: checked once, split once, the same for every trial."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_actsel.data import is_one_hot, spread

HELD_OUT_SHARE = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class Data:
    """What every trial trains and is scored on.

    Args:
        fit: Arguments for `model.fit`: `x`, `y` and `sample_weight` where given.
        evaluate: Arguments for `model.evaluate` on the validation data.
        validation_size: Number of validation samples; None for a stream of unknown length.
        held_out: Whether the validation data was split off the training data.
    """

    fit: dict[str, Any]
    evaluate: dict[str, Any]
    validation_size: int | None
    held_out: bool

    @property
    def few(self) -> Any:
        """A first few validation inputs, to build and to try a model with."""
        return take(first_batch(self.evaluate)[0], slice(0, 2))


def first_batch(arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Inputs and targets: all of them where they are arrays, the first batch of a stream; None for no targets."""
    if is_arrays(arguments["x"]):
        return arguments["x"], arguments.get("y")
    batch = next(iter(arguments["x"]))
    x, y = (batch[0], batch[1] if len(batch) > 1 else None) if isinstance(batch, (tuple, list)) else (batch, None)
    return as_arrays(x), None if y is None else as_arrays(y)


def prepare(x: Any, y: Any, validation_data: Any, sample_weight: Any = None) -> Data:
    """Check the data and, where no validation data is given, hold a stratified fifth of it out.

    Raises:
        ValueError: For empty or non-finite data, inputs and targets of different length, a one-shot generator, or a
            stream without validation data.
    """
    fit = _arguments("x", x, y, sample_weight)
    if validation_data is not None:
        evaluate = _validation_arguments(validation_data)
        return Data(fit, evaluate, size(evaluate["x"]), held_out=False)
    if not is_arrays(fit["x"]):
        raise ValueError(
            "A search over a stream of batches needs validation data of its own. "
            f"Received: x of type {type(x).__name__} and no validation_data. Pass validation_data=."
        )
    train, held_out = split(size(fit["x"]) or 0, fit.get("y"))
    parts = [{key: take(value, rows) for key, value in fit.items()} for rows in (train, held_out)]
    return Data(parts[0], parts[1], len(held_out), held_out=True)


def _validation_arguments(validation_data: Any) -> dict[str, Any]:
    if isinstance(validation_data, (tuple, list)):
        if not 1 <= len(validation_data) <= 3:
            raise ValueError(
                f"validation_data must be (x, y) or (x, y, sample_weight). Received: {len(validation_data)} things."
            )
        return _arguments("validation_data", *validation_data)
    return _arguments("validation_data", validation_data)


def _arguments(name: str, x: Any, y: Any = None, sample_weight: Any = None) -> dict[str, Any]:
    if hasattr(x, "__next__"):
        raise ValueError(
            f"{name} is a generator, which the first trial would use up. Received: {type(x).__name__}. "
            "Pass arrays, a keras.utils.PyDataset, a tf.data.Dataset or a torch DataLoader."
        )
    if x is not None and not hasattr(x, "shape") and not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise ValueError(f"{name} must be arrays or a dataset of batches. Received: {x!r} of type {type(x).__name__}.")
    given = {"x": x, "y": y, "sample_weight": sample_weight}
    arrays = {key: as_arrays(value) for key, value in given.items() if value is not None}
    if "x" not in arrays:
        raise ValueError(f"{name} is missing. Received: None.")
    if is_arrays(arrays["x"]):
        _check_arrays(name, arrays)
    elif len(arrays) > 1:
        raise ValueError(
            f"{name} is a stream of batches that bring their own targets, so y and sample_weight must be None."
        )
    return arrays


def _check_arrays(name: str, arrays: dict[str, Any]) -> None:
    sizes = {f"{key}{path}": len(leaf) for key, value in arrays.items() for path, leaf in leaves(value)}
    if 0 in sizes.values():
        raise ValueError(f"{name} is empty. Received sizes: {_listed(sizes)}. Expected one sample or more.")
    if len(set(sizes.values())) > 1:
        raise ValueError(f"Inputs and targets differ in length ({name}). Received sizes: {_listed(sizes)}.")
    for key, value in arrays.items():
        for path, leaf in leaves(value):
            place = f"{key}{path}" if name == "x" else f"{key}{path} of {name}"
            if leaf.dtype.kind == "O" and not isinstance(leaf.flat[0], str):
                raise ValueError(
                    f"{place} holds Python objects. Received: an array of dtype object. Encode its columns as numbers."
                )
            bad = 0 if leaf.dtype.kind != "f" else int(np.size(leaf) - np.count_nonzero(np.isfinite(leaf)))
            if bad:
                raise ValueError(
                    f"{place} holds NaN or infinity: {bad} of {leaf.size} numbers. "
                    "Fill or drop them, or mark what a masking loss should skip by a finite number."
                )


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{key} {count}" for key, count in sizes.items())


def is_arrays(value: Any) -> bool:
    """Whether this is an array or a nest of arrays, and not a stream of batches."""
    return isinstance(value, np.ndarray) or (
        isinstance(value, (dict, list, tuple)) and all(isinstance(leaf, np.ndarray) for _, leaf in leaves(value))
    )


def as_arrays(value: Any) -> Any:
    """Lists, data frames and tensors as NumPy arrays, nests of them leaf by leaf; streams as they are."""
    if isinstance(value, dict):
        return {key: as_arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        nested = any(hasattr(item, "shape") and np.ndim(item) > 0 for item in value)
        return type(value)(as_arrays(item) for item in value) if nested else np.asarray(value)
    if isinstance(value, np.ndarray):
        return value
    if keras.ops.is_tensor(value):
        return np.asarray(keras.ops.convert_to_numpy(value))
    return np.asarray(value) if hasattr(value, "shape") else value


def leaves(value: Any) -> list[tuple[str, Any]]:
    """The arrays of a nest with their places in it, such as `['image']`; a lone array has the place ''."""
    if isinstance(value, dict):
        return [(f"[{key!r}]{path}", leaf) for key, item in value.items() for path, leaf in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [(f"[{index}]{path}", leaf) for index, item in enumerate(value) for path, leaf in leaves(item)]
    return [("", value)]


def size(value: Any) -> int | None:
    """The number of samples; None for a stream."""
    return len(leaves(value)[0][1]) if is_arrays(value) else None


def take(value: Any, rows: Any) -> Any:
    """The same nest with only some samples of each array."""
    return keras.tree.map_structure(lambda leaf: leaf[rows], value)


def split(count: int, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Indices of a training part and of a held-out fifth, drawn by a fixed seed, stratified where y has classes.

    Raises:
        ValueError: If there are too few samples to hold any out.
    """
    if count < 5:
        raise ValueError(f"Too few samples to hold a fifth out. Received: {count}. Pass validation_data=.")
    classes = _classes(y)
    strata = np.zeros(count, int) if classes is None else classes
    held_out = spread(strata, round(HELD_OUT_SHARE * count), SPLIT_SEED)
    return np.setdiff1d(np.arange(count), held_out), held_out


def _classes(y: Any) -> np.ndarray | None:
    """The class of each sample; None where y has no classes, or too many to share out."""
    if not isinstance(y, np.ndarray) or y.ndim > 2:
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(axis=1) if is_one_hot(y) else None
    flat = y.reshape(len(y))
    if flat.dtype.kind in "biuOSU":
        return flat if len(np.unique(flat)) <= len(flat) / 5 else None
    whole = bool((flat == np.round(flat)).all())
    return flat if whole and len(np.unique(flat)) <= min(20, len(flat) / 5) else None
