"""Checks of the function itself: values, gradients, and inputs of all sorts."""

import inspect
import math

import keras
import numpy as np

from keras_actsel.testing._backend import EPSILON, assert_near, compiled, dtype_of, require, tensor, to_numpy
from keras_actsel.testing._subject import Subject, checks, elementwise, states


def _check_value(subject: Subject, dtype: str) -> None:
    truth, y = subject.expected(dtype), subject.record(tensor(subject.expected(dtype).x, dtype))
    require(dtype_of(y) == dtype, f"{dtype} in gives {dtype_of(y)} out")
    assert_near(to_numpy(y), truth.value, subject.allowed_value(dtype), truth.x, dtype)


def _check_gradient(subject: Subject, dtype: str) -> None:
    truth = subject.expected(dtype)
    assert_near(subject.slopes(dtype), truth.slope, subject.allowed_slope(dtype), truth.x, dtype)


@checks()
def value(subject: Subject) -> None:
    """Values are those of the formula."""
    _check_value(subject, "float32")


@checks(lambda subject: subject.record.surrogate is None)
def gradient(subject: Subject) -> None:
    """What training follows is the slope of the formula."""
    _check_gradient(subject, "float32")


@checks(states("surrogate"))
def surrogate(subject: Subject) -> None:
    """What training follows is the surrogate's formula."""
    _check_gradient(subject, "float32")


@checks()
def float16(subject: Subject) -> None:
    """Value and gradient hold in float16, finite wherever the true ones fit."""
    _check_value(subject, "float16")
    _check_gradient(subject, "float16")


@checks()
def bfloat16(subject: Subject) -> None:
    """Value and gradient hold in bfloat16."""
    _check_value(subject, "bfloat16")
    _check_gradient(subject, "bfloat16")


@checks(elementwise, states("derivative_formula"), lambda subject: subject.record.surrogate is None)
def gradient_at_kinks(subject: Subject) -> None:
    """At a kink training uses the slope that the record's `derivative` gives."""
    x, slopes = subject.expected("float32").x, subject.slopes("float32")
    closed = to_numpy(subject.record.derivative(tensor(x)))
    at = np.isin(x, np.asarray(subject.record.kink_points, "float32"))
    assert_near(
        slopes[at], closed[at].astype("float64"), 32 * EPSILON["float32"] * (1 + abs(closed[at])), x[at], "float32"
    )


@checks(states("derivative_formula"))
def derivative(subject: Subject) -> None:
    """The closed derivative is that of the formula, the diagonal of the Jacobian for functions of an axis."""
    truth = subject.truth.in_dtype("float32")
    closed = to_numpy(subject.record.derivative(tensor(truth.x)))
    lost = truth.x[np.isnan(closed) & ~np.isnan(truth.diagonal)]
    require(
        not lost.size,
        f"nan instead of a number at x = {lost[:2].tolist()}: the text overflows there, to 0 times infinity or "
        "infinity by infinity, or divides 0 by 0. Order its factors so that it does not, give a `stable_derivative`, "
        "or leave `derivative` out",
    )
    allowed = EPSILON["float32"] * (8.0 * np.abs(truth.diagonal) + 32.0 + truth.bent)
    assert_near(closed, truth.diagonal, allowed, truth.x, "float32")


@checks(elementwise)
def nan(subject: Subject) -> None:
    """NaN in gives NaN out, there alone, and no NaN in the gradient beside it."""
    x = np.resize([math.nan, 0.75, -0.75], 96)
    y, (slopes,) = subject.differentiated(tensor(1.0), tensor(x))
    require(np.isnan(y[::3]).all(), "NaN in gives a number out")
    clean = np.delete(np.stack([y, slopes]), np.arange(0, 96, 3), axis=1)
    require(np.isfinite(clean).all(), "NaN spreads to other elements")


@checks(lambda subject: not subject.elementwise)
def nan_along_an_axis(subject: Subject) -> None:
    """NaN stays in its row."""
    rows = np.array([[math.nan, 0.5, -1.0, 2.0, 0.25, 1.0], [0.0, 0.5, -1.0, 2.0, 0.25, 1.0]])
    y = to_numpy(subject.record(tensor(rows)))
    require(np.isnan(y[0]).any(), "NaN in gives numbers out")
    require(np.isfinite(y[1]).all(), "NaN spreads to other rows")


@checks()
def integers(subject: Subject) -> None:
    """Integers become Keras's default float type."""
    whole = np.array([[-4, -1, 0, 2, 3, 5]])
    y = subject.record(whole)
    require(dtype_of(y) == keras.config.floatx(), f"integers give {dtype_of(y)}")
    np.testing.assert_array_equal(to_numpy(y), to_numpy(subject.record(whole.astype(keras.config.floatx()))))


@checks()
def symbolic(subject: Subject) -> None:
    """On shapes with None it gives the shape and dtype that it gives on numbers."""
    eager = subject.record(tensor(np.ones((2, 3, 6)), "float16"))
    for shape in ((None, 3, 6), (None, None, 6)):
        y = subject.record(keras.KerasTensor(shape, "float16"))
        expected = (*shape[:-1], eager.shape[-1])
        require(tuple(y.shape) == expected, f"shape {shape} gives {tuple(y.shape)}, expected {expected}")
        require(y.dtype == dtype_of(eager), f"symbolic dtype {y.dtype}, eager {dtype_of(eager)}")


@checks()
def jit(subject: Subject) -> None:
    """Compiled it gives what it gives eagerly."""
    truth = subject.expected("float32")
    x = tensor(truth.x)
    eager = to_numpy(subject.record(x)).astype("float64")
    once = to_numpy(compiled(subject.record)(x))
    assert_near(once, eager, 2 * subject.allowed_value("float32"), truth.x, "float32")


@checks(lambda subject: "axis" in subject.record.parameters)
def axis(subject: Subject) -> None:
    """`axis=` moves the axis."""
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype("float32")
    moved = to_numpy(subject.record.with_parameters(axis=-1)(np.moveaxis(x, 1, -1)))
    along = to_numpy(subject.record.with_parameters(axis=1)(x))
    np.testing.assert_allclose(along, np.moveaxis(moved, -1, 1), rtol=1e-5, atol=1e-6)


@checks()
def deterministic(subject: Subject) -> None:
    """Without a seed it gives the same twice."""
    x = tensor(np.linspace(-3.0, 3.0, 6)[None])
    np.testing.assert_array_equal(to_numpy(subject.record(x)), to_numpy(subject.record(x)), "differs between calls")


@checks(lambda subject: "seed" in inspect.signature(subject.record.function).parameters)
def stochastic(subject: Subject) -> None:
    """In training it draws, repeatably with a seed, within its range; the layer draws in training alone."""
    x = tensor(np.linspace(-3.0, 3.0, 96))
    drawn, again = (to_numpy(subject.record(x, seed=keras.random.SeedGenerator(1))) for _ in range(2))
    np.testing.assert_array_equal(drawn, again, "the seed does not make it repeatable")
    low, high = subject.record.range or (-math.inf, math.inf)
    require((drawn >= low).all() and (drawn <= high).all(), "a draw leaves the range")
    layer = subject.layer(seed=1)
    training, inference = to_numpy(layer(x, training=True)), to_numpy(layer(x, training=False))
    require((training != inference).any(), "the layer does not draw in training")
    np.testing.assert_array_equal(inference, to_numpy(subject.record(x)), "the layer draws at inference")
