"""Checks of the layer, of what is saved and copied, and of parameters that are learned."""

import copy
import math
import pickle
import re
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_actsel.testing import _exact
from keras_actsel.testing._backend import dtype_of, require, tensor, to_numpy, with_gradients
from keras_actsel.testing._subject import Subject, checks, elementwise

X = np.random.default_rng(0).normal(size=(2, 3, 6)).astype("float32")
PLACES = np.array([-3.317, -1.713, -0.211, 0.307, 1.619, 2.113, 3.229, 0.871, -7.137, 6.731])
TOUCHING = 1e-5
LARGE = 1e3


@checks()
def layer(subject: Subject) -> None:
    """The layer gives what the function gives, in the shape that it says."""
    made = subject.layer(trainable=[])
    y = made(X)
    np.testing.assert_allclose(to_numpy(y), to_numpy(subject.record(X)), rtol=1e-5, atol=1e-6)
    require(tuple(made.compute_output_shape((None, 3, 6))) == (None, *y.shape[1:]), "the output shape differs")


@checks()
def masks(subject: Subject) -> None:
    """The layer passes the mask on."""
    made, mask = subject.layer(), np.ones((2, 3), bool)
    require(made.supports_masking, "the layer does not support masks")
    require(made.compute_mask(X, mask) is mask, "the layer drops the mask")


@checks()
def mixed_precision(subject: Subject) -> None:
    """Under half policies the layer computes in float16; under the mixed one its weights stay float32."""
    for policy in ("mixed_float16", "float16"):
        made = subject.layer(dtype=policy)
        y = made(X)
        require(dtype_of(y) == "float16", f"{policy} gives {dtype_of(y)}")
        wide = {w.dtype for w in made.trainable_weights}
        require(policy == "float16" or wide <= {"float32"}, f"under {policy} learned weights are {wide}")
        exact = subject.layer(dtype="float32")
        exact.build(X.shape)
        exact.set_weights(made.get_weights())
        wide_x = X.astype("float16").astype("float32")
        np.testing.assert_allclose(to_numpy(y), to_numpy(exact(wide_x)), rtol=2e-2, atol=2e-2)


@checks()
def record_copies(subject: Subject) -> None:
    """Configuration, pickle and deepcopy give the same record."""
    record = subject.record
    copies = {
        "get_config": type(record).from_config(record.get_config()),
        "pickle": pickle.loads(pickle.dumps(record)),  # noqa: S301
        "deepcopy": copy.deepcopy(record),
    }
    lost = {how: str(again) for how, again in copies.items() if again != record}
    require(not lost, f"{record} comes back as {lost}")


@checks()
def saving(subject: Subject) -> None:
    """A model with the layer gives the same after it was saved and loaded."""
    model = keras.Sequential([keras.Input((3, 6)), subject.layer(name="checked")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        again = keras.saving.load_model(path)
    np.testing.assert_allclose(to_numpy(again(X)), to_numpy(model(X)), rtol=1e-5, atol=1e-6)
    require(len(again.trainable_weights) == len(model.trainable_weights), "the output shape differs")


def _learnable(subject: Subject) -> dict[str, Any]:
    return {key: v for key, v in subject.record.parameters.items() if isinstance(v, (float, tuple))}


def _of_parameters(subject: Subject, names: list[str]) -> Any:
    return with_gradients(lambda x, *values: subject.record(x, **dict(zip(names, values, strict=True))))


@checks(elementwise, lambda subject: subject.reference is None, _learnable)
def parameter_gradients(subject: Subject) -> None:
    """The gradient of each parameter is that of the formula, by differences."""
    values, weights = _learnable(subject), np.linspace(0.5, 1.5, len(PLACES))
    tensors = [tensor(v) for v in values.values()]
    _, (_, *slopes) = _of_parameters(subject, list(values))(tensor(weights), tensor(PLACES), *tensors)
    for (key, given), found in zip(values.items(), slopes, strict=True):
        direction = np.cos(np.arange(np.size(given)) + 0.3).reshape(np.shape(given))
        up, down = (_total(subject, key, np.asarray(given) + s * 1e-5 * direction, weights) for s in (1, -1))
        exact, actual = (up - down) / 2e-5, float(np.sum(found * direction))
        require(abs(actual - exact) <= 2e-3 * (1 + abs(exact)), f"{key}: gradient {actual:.6g} instead of {exact:.6g}")


def _total(subject: Subject, key: str, value: np.ndarray, weights: np.ndarray) -> float:
    parameters = {**subject.record.parameters, key: tuple(value.tolist()) if value.ndim else float(value)}
    values = _exact.on_arrays(_exact.expression(str(subject.record.formula), parameters))(PLACES)
    return float(weights @ values)


@checks(elementwise, _learnable)
def parameter_bounds(subject: Subject) -> None:
    """No value between the bounds gives NaN, in value or gradient; one outside is an error that says so."""
    values = _learnable(subject)
    run, x = _of_parameters(subject, list(values)), np.resize([p for p in _exact.POINTS if abs(p) <= 1e4], 96)
    for key in values:
        low, high = subject.record.specs[key].bounds
        for extreme in (max(low + TOUCHING, -LARGE), min(high - TOUCHING, LARGE)):
            changed = {**values, key: np.full(np.shape(values[key]), extreme)}
            value, slopes = run(tensor(1.0), tensor(x), *map(tensor, changed.values()))
            require(not any(np.isnan(part).any() for part in (value, *slopes)), f"{key} = {extreme:g} gives NaN")
        if math.isfinite(low):
            _assert_refused(subject, key, low)


def _assert_refused(subject: Subject, key: str, value: float) -> None:
    given = subject.record.parameters[key]
    try:
        subject.record.with_parameters(**{key: (value,) * len(given) if isinstance(given, tuple) else value})
    except ValueError as error:
        require(
            re.search(r"must lie between .* Received: ", str(error)), f"the error does not name the bounds: {error}"
        )
    else:
        raise AssertionError(f"{key} = {value:g} is out of bounds and no error")


@checks(elementwise, _learnable)
def parameter_shapes(subject: Subject) -> None:
    """Learned per channel, on an input with unknown sizes, each weight has its shape and starts at its value."""
    values = _learnable(subject)
    for key, given in values.items():
        made = subject.layer(trainable=[key], axis=-1)
        made.build((None, None, 6))
        weight = to_numpy(getattr(made, key).value)
        require(weight.shape == (*np.shape(given), 6), f"{key} has shape {weight.shape}")
        if subject.record.specs[key].initializer is None:
            np.testing.assert_allclose(weight, np.broadcast_to(np.asarray(given)[..., None], weight.shape), rtol=1e-6)
