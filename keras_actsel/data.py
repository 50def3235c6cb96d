"""Data sets by name or file, and a sensible default network for each.

The digits come with the package: E. Alpaydin & C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from keras_actsel import datasets
from keras_actsel._spelling import did_you_mean
from keras_actsel.datasets._csv import read_csv
from keras_actsel.datasets._npz import read_npz

Array = np.ndarray[Any, Any]

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100", "california_housing", "boston_housing")
FOLDER_VARIABLE = "KERAS_ACTSEL_DATA"
TABLE_SUFFIXES = (".csv", ".tsv")
MOST_CLASSES = 20
"""Whole numbers of more than so many values in a table are quantities, not classes."""
SMALLEST_PICTURE = 16
"""Below so many pixels a side, convolution and pooling have nothing to gain."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to train on and, where there are any, others to validate on.

    Args:
        name: Its name, or the name of its file.
        x_train: Inputs, samples first.
        y_train: Targets: integers or one-hot rows for classes, floats for quantities.
        x_test: Inputs to validate on; None leaves the choice of a held-out part to `select`.
        y_test: Their targets.

    Raises:
        ValueError: For empty or non-finite arrays, or arrays that do not fit each other.

    Example:
        >>> import numpy as np
        >>> print(Dataset("toy", np.zeros((4, 2)), np.array([0, 1, 1, 0])))
        toy: 4 training samples of shape 2, 2 classes
    """

    name: str
    x_train: Array = field(repr=False)
    y_train: Array = field(repr=False)
    x_test: Array | None = field(default=None, repr=False)
    y_test: Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_part(self.name, "train", self.x_train, self.y_train)
        if (self.x_test is None) != (self.y_test is None):
            given, missing = ("y_test", "x_test") if self.x_test is None else ("x_test", "y_test")
            raise ValueError(f"{self.name} has {given} but no {missing}. Give both or neither.")
        if self.x_test is not None and self.y_test is not None:
            _check_part(self.name, "test", self.x_test, self.y_test)
            _check_same_shape(self.name, "x", self.x_train, self.x_test)
            _check_same_shape(self.name, "y", self.y_train, self.y_test)

    def __str__(self) -> str:
        test = "" if self.x_test is None else f" and {len(self.x_test):,} test"
        shape = " x ".join(map(str, self.x_train.shape[1:]))
        goal = "a quantity to predict" if task(self) == "regression" else f"{_class_count(self)} classes"
        return f"{self.name}: {len(self.x_train):,} training{test} samples of shape {shape}, {goal}"


def _check_part(name: str, part: str, x: Array, y: Array) -> None:
    for key, array in ((f"x_{part}", x), (f"y_{part}", y)):
        _check_numeric(name, key, array)
    if len(x) != len(y):
        raise ValueError(
            f"{name}: x_{part} has {len(x)} samples, but y_{part} has {len(y)} targets. Expected one target per sample."
        )
    if x.ndim < 2:
        raise ValueError(
            f"{name}: x_{part} has the shape {x.shape}. Expected samples and features, such as x.reshape(-1, 1)."
        )


def _check_numeric(name: str, key: str, array: Array) -> None:
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name}: {key} is empty. Received: shape {array.shape}. Expected one sample or more.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: {key} must hold numbers. Received: dtype {array.dtype}. Encode it as numbers.")
    bad = array.size - np.count_nonzero(np.isfinite(array)) if array.dtype.kind == "f" else 0
    if bad:
        raise ValueError(
            f"{name}: {key} has values that are NaN or infinite. Received: {bad} of {array.size}. "
            "Expected finite numbers: fill or drop them."
        )


def _check_same_shape(name: str, key: str, train: Array, test: Array) -> None:
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(
            f"{name}: samples of {key}_train and {key}_test differ in shape. "
            f"Received: {train.shape[1:]} and {test.shape[1:]}. Expected the same."
        )


def load(source: str | os.PathLike[str], target: str | None = None) -> Dataset:
    """A data set by its name or from a file.

    Args:
        source: `"digits"`, which comes with the package; a name of `keras.datasets`, which is downloaded unless the
            folder that the environment variable KERAS_ACTSEL_DATA names has it as `<name>.npz`; an .npz file with
            `x_train`, `y_train` and, if wanted, `x_test`, `y_test`; or a .csv file with a header, separated by comma,
            semicolon or tab.
        target: For a .csv file, the column to predict. Text, or whole numbers of at most 20 values (and five rows each,
            on average), are classes, numbered from 0 in sorted order; other numbers are quantities.

    Returns:
        The `Dataset`. Inputs are as in the file: `default_model` scales them itself.

    Raises:
        ValueError: For an unknown name, a missing or malformed file, or data that can't be trained on.

    Example:
        >>> digits = load("digits")
        >>> digits.x_train.shape, digits.x_test.shape
        ((1437, 8, 8), (360, 8, 8))
    """
    text, path = os.fspath(source), Path(source).expanduser()
    if path.suffix.lower() in TABLE_SUFFIXES:
        x, y = read_csv(path, target)
        return Dataset(path.name, x, _numbered(y))
    if target is not None:
        raise ValueError(f"A target column belongs to a .csv file. Received: target={target!r} with {text!r}.")
    if text in _names():
        return _named(text)
    if path.suffix.lower() == ".npz":
        return _from_arrays(path.name, read_npz(path))
    raise _unknown(text, path)


def _unknown(text: str, path: Path) -> ValueError:
    if path.is_file():
        return ValueError(f"Unknown kind of file. Received: {text!r}. Expected .npz or .csv.")
    if path.is_dir() or path.name != text:
        datasets.require_file(path)
    return ValueError(
        f"Unknown data set {text!r}.{did_you_mean(text, _names())} "
        f"Expected one of: {', '.join(_names())}; or a path to an .npz or .csv file."
    )


def _names() -> list[str]:
    folder = _folder()
    own = sorted(file.stem for file in folder.glob("*.npz")) if folder else []
    return list(dict.fromkeys(["digits", *KERAS_DATASETS, *own]))


def _folder() -> Path | None:
    """The folder of the user's own copies of data sets, where one is set."""
    text = os.environ.get(FOLDER_VARIABLE)
    if not text:
        return None
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise ValueError(f"The environment variable {FOLDER_VARIABLE} must name a folder. Received: {text!r}.")
    return folder


def _named(name: str) -> Dataset:
    folder = _folder()
    if name == "digits":
        return _digits()
    if folder is not None and (folder / f"{name}.npz").exists():
        return _from_arrays(name, read_npz(folder / f"{name}.npz"))
    return _downloaded(name)


def _digits() -> Dataset:
    images, labels = datasets.digits()
    test = spread(labels, 360)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Dataset("digits", images[train], labels[train], images[test], labels[test])


def _downloaded(name: str) -> Dataset:
    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a plain Exception where a download fails
        raise ValueError(
            f"Could not download {name!r}: {error}. Give the path of an .npz file instead, or set {FOLDER_VARIABLE} to "
            f"a folder that holds {name}.npz."
        ) from error
    return Dataset(name, x_train, y_train, x_test, y_test)


def _from_arrays(name: str, arrays: dict[str, Array]) -> Dataset:
    targets = [key for key in ("y_train", "y_test") if key in arrays]
    if any(arrays[key].dtype.kind in "US" for key in targets):
        numbered = _numbered(np.concatenate([arrays[key] for key in targets]))
        parts = np.split(numbered, [len(arrays["y_train"])])
        arrays = {**arrays, **dict(zip(targets, parts, strict=False))}
    return Dataset(name, **arrays)


def _numbered(y: Array) -> Array:
    """Classes as numbers from 0, in sorted order; quantities as they are."""
    if y.dtype.kind in "US" or _has_classes(y):
        return np.unique(y, return_inverse=True)[1]
    return y


def _has_classes(y: Array) -> bool:
    """Whether the column of a table holds classes."""
    return y.dtype.kind == "b" or (y.dtype.kind in "iu" and len(np.unique(y)) <= min(MOST_CLASSES, max(2, len(y) // 5)))


def task(dataset: Dataset) -> str:
    """What is to be learned: `"classification"` or `"regression"`.

    Whole numbers are classes where the inputs are pictures, and in a table if they have at most 20 values and, on
    average, five rows each; so are one-hot rows.

    Example:
        >>> task(load("digits"))
        'classification'
    """
    y = dataset.y_train
    if is_one_hot(y):
        return "classification"
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] > 1):
        return "regression"
    whole_numbers_of_pictures = dataset.x_train.ndim > 2 and y.dtype.kind in "biu"
    return "classification" if whole_numbers_of_pictures or _has_classes(y) else "regression"


def is_one_hot(y: Array) -> bool:
    """Whether targets are rows with a single 1 and else 0."""
    return y.ndim == 2 and y.shape[1] > 1 and bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())


def _labels(y: Array) -> Array:
    """One label for each sample."""
    return y.argmax(axis=1) if is_one_hot(y) else y.reshape(len(y), -1)[:, 0]


def _class_count(dataset: Dataset) -> int:
    if is_one_hot(dataset.y_train):
        return dataset.y_train.shape[1]
    parts = [y for y in (dataset.y_train, dataset.y_test) if y is not None]
    return max(int(y.max()) for y in parts) + 1


def spread(y: Array, count: int, seed: int = 0) -> Array:
    """Indices of some samples, in random order, whose targets are spread like all: each class keeps its share.

    Args:
        y: Targets of all samples.
        count: How many to choose.
        seed: The same seed chooses the same ones.

    Example:
        >>> import numpy as np
        >>> y = np.array([0] * 80 + [1] * 20)
        >>> np.bincount(y[spread(y, 10)]).tolist()
        [8, 2]
    """
    random = np.random.default_rng(seed)
    shuffled = random.permutation(len(y))
    by_target = shuffled[np.argsort(_labels(y)[shuffled], kind="stable")]
    # Even steps through the sorted targets meet each class, or each range of a quantity, by its share.
    steps = np.floor((np.arange(count) + 0.5) * len(y) / count).astype(int)
    return random.permutation(by_target[steps])


def subset(dataset: Dataset, count: int) -> Dataset:
    """The same data set with only some of its training samples, always the same ones, each class with its share.

    Raises:
        ValueError: If `count` is not between 1 and the number of training samples.

    Example:
        >>> print(subset(load("digits"), 200))
        digits: 200 training and 360 test samples of shape 8 x 8, 10 classes
    """
    available = len(dataset.x_train)
    if not 1 <= count <= available:
        raise ValueError(
            f"The subset must be between 1 and {available}, the training samples of {dataset.name}. Received: {count}."
        )
    chosen = spread(dataset.y_train, count)
    return replace(dataset, x_train=dataset.x_train[chosen], y_train=dataset.y_train[chosen])


def default_model(dataset: Dataset) -> keras.Model:
    """A small compiled network that suits the data: inputs as they are in the data set, hidden activations relu.

    Pictures of 16 pixels a side or more get two convolutions and a dense layer, all else three dense layers of 64
    units. Scaling is its first layer, so that the trained model takes raw inputs.

    Raises:
        ValueError: If there is nothing to tell apart: one class, or a target that never varies; or for labels below 0.

    Example:
        >>> default_model(load("digits")).output_shape
        (None, 10)
    """
    x = dataset.x_train
    flat = [layers.Flatten()] if x.ndim > 2 else []
    hidden = _convolutions(x.shape[1:]) if _is_picture(x.shape[1:]) else [*flat, *_dense(3)]
    if task(dataset) == "classification":
        output, compiled = _classifier(dataset)
    else:
        output, compiled = _regressor(dataset)
    model = keras.Sequential([keras.Input(x.shape[1:]), _scaling(x), *hidden, *output], name="default_network")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), **compiled)
    return model


def _is_picture(shape: Sequence[int]) -> bool:
    channels_last = len(shape) == 2 or (len(shape) == 3 and shape[2] <= 4)
    return channels_last and min(shape[:2]) >= SMALLEST_PICTURE


def _dense(count: int) -> list[keras.Layer]:
    return [layers.Dense(64, activation="relu") for _ in range(count)]


def _convolutions(shape: Sequence[int]) -> list[keras.Layer]:
    """Two convolutions, each halved by pooling, and a dense layer."""
    arguments = {"padding": "same", "activation": "relu", "data_format": "channels_last"}
    found = [] if len(shape) == 3 else [layers.Reshape((*shape, 1))]
    for filters in (16, 32):
        found += [layers.Conv2D(filters, 3, **arguments), layers.MaxPooling2D(data_format="channels_last")]
    return [*found, layers.Flatten(), *_dense(1)]


def _scaling(x: Array) -> keras.Layer:
    """Pictures and series to at most 1 in size; columns of a table to mean 0 and variance 1."""
    if x.ndim > 2:
        return layers.Rescaling(1 / (max(abs(float(x.min())), abs(float(x.max()))) or 1.0))
    columns = x.astype(float)
    variance = columns.var(axis=0)
    # A column that never varies must not be blown up by its rounding errors.
    return layers.Normalization(mean=columns.mean(axis=0), variance=np.where(variance > 0, variance, 1.0))


def _classifier(dataset: Dataset) -> tuple[list[keras.Layer], dict[str, Any]]:
    y, name = dataset.y_train, dataset.name
    if len(np.unique(_labels(y))) < 2:
        raise ValueError(f"{name}: y_train holds one class only, {_labels(y)[0]}. Expected two classes or more.")
    if y.min() < 0:
        raise ValueError(f"{name}: y_train holds the class {y.min()}. Expected classes numbered from 0.")
    loss = "categorical_crossentropy" if is_one_hot(y) else "sparse_categorical_crossentropy"
    output = layers.Dense(_class_count(dataset), activation="softmax")
    return [output], {"loss": loss, "metrics": ["accuracy"]}


def _regressor(dataset: Dataset) -> tuple[list[keras.Layer], dict[str, Any]]:
    y = dataset.y_train.reshape(len(dataset.y_train), -1).astype(float)
    variance = float(y.var(axis=0).mean())
    if variance == 0:
        raise ValueError(f"{dataset.name}: every target in y_train is {y.flat[0]:g}. Expected targets that vary.")
    # The output is in the target's own units, while the network and its loss work in standard deviations.
    output = [layers.Dense(y.shape[1]), layers.Rescaling(variance**0.5, offset=float(y.mean()))]
    return output, {"loss": "mse", "loss_weights": [1 / variance], "metrics": [keras.metrics.R2Score(name="r2")]}
