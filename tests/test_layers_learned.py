"""Parameters that a layer learns: their shapes, starts, limits and settings, whatever the activation."""

import math
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import activations, layers
from keras_actsel.activations import Parameter, activation

WIDE = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 1.0}}


@activation(
    formula="slopes[0]*x + slopes[1]*Max(x, 0)/scale + shift",
    specs={
        "slopes": Parameter(trainable=True, per_channel=True),
        "scale": Parameter(bounds=(0.0, math.inf), trainable=True, per_channel=True),
        "shift": Parameter(initializer=WIDE),
    },
)
def two_slopes(x, slopes=(0.5, 1.0), scale=2.0, shift=0.0):
    """A record with a vector, a limit and an initializer of its own."""
    return slopes[0] * x + slopes[1] * ops.relu(x) / scale + shift


def shapes(layer):
    return {w.name: tuple(w.shape) for w in layer.weights}


def test_specs_tell_shapes():
    specs = two_slopes.specs
    assert specs["slopes"].shape == (2, "channels")
    assert specs["scale"].shape == ("channels",)
    assert specs["shift"].shape == ()
    assert activations.get("prelu").specs["alpha"].shape == ("channels",)


def test_vector_for_each_channel_with_unknown_sizes(numpy_of):
    layer = layers.Activation(two_slopes)
    layer.build((None, None, 3))
    assert shapes(layer) == {"slopes": (2, 3), "scale": (3,)}
    np.testing.assert_array_equal(numpy_of(layer.slopes.value), [[0.5] * 3, [1.0] * 3])
    layer.slopes.assign([[0.0, 1.0, 2.0], [0.0, 0.0, 4.0]])
    x = np.array([[[1.0, -1.0, 2.0]]], "float32")
    np.testing.assert_allclose(numpy_of(layer(x)), [[[0.0, -1.0, 8.0]]])


def test_vector_for_the_layer_and_along_other_axes(numpy_of):
    whole = layers.Activation(two_slopes, trainable="slopes")
    rows = layers.Activation(two_slopes, trainable=["slopes"], axis=1)
    for layer in (whole, rows):
        layer.build((None, 4, 3))
    assert (shapes(whole), shapes(rows)) == ({"slopes": (2,)}, {"slopes": (2, 4)})
    x = np.linspace(-2, 2, 12, dtype="float32").reshape(1, 4, 3)
    np.testing.assert_allclose(numpy_of(whole(x)), numpy_of(two_slopes(x)), rtol=1e-6)
    np.testing.assert_allclose(numpy_of(rows(x)), numpy_of(two_slopes(x)), rtol=1e-6)


def test_vectors_are_given_as_any_sequence_and_survive_a_config():
    for given in ((1, 2), [1.0, 2.0], np.array([1.0, 2.0])):
        layer = layers.Activation(two_slopes, slopes=given)
        assert layer.activation.parameters["slopes"] == (1.0, 2.0)
    again = layers.Activation.from_config(layer.get_config())
    assert again.activation == layer.activation
    assert repr(layer.activation) == "two_slopes(slopes=(1.0, 2.0))"
    assert activations.get("two_slopes(slopes=(1.0, 2.0))") == layer.activation


def test_published_initializer_holds_for_the_default_alone(numpy_of):
    drawn = layers.Activation(two_slopes, trainable="shift", axis=-1)
    given = layers.Activation(two_slopes, shift=0.25, trainable="shift", axis=-1)
    for layer in (drawn, given):
        layer.build((None, 200))
    assert 0.8 < numpy_of(drawn.shift.value).std() < 1.2
    np.testing.assert_array_equal(numpy_of(given.shift.value), np.full(200, 0.25, "float32"))


def test_learned_values_stay_inside_their_limits(numpy_of):
    model = keras.Sequential([keras.Input((3,)), layers.Activation(two_slopes)])
    model.compile(keras.optimizers.SGD(10.0), "mse")
    x = np.ones((8, 3), "float32")
    model.fit(x, 50.0 + np.zeros_like(x), epochs=3, verbose=0)
    scale = numpy_of(model.layers[0].scale.value)
    assert (scale > 0).all()
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_settings_of_a_learned_parameter_are_kept(numpy_of):
    layer = layers.PReLU(
        alpha_initializer="ones", alpha_regularizer=keras.regularizers.L2(0.5), alpha_constraint="non_neg"
    )
    layer = keras.layers.deserialize(keras.layers.serialize(layer))
    layer.build((None, 2))
    np.testing.assert_array_equal(numpy_of(layer.alpha.value), [1.0, 1.0])
    assert numpy_of(layer.losses[0]) == pytest.approx(1.0)
    assert isinstance(layer.alpha.constraint, keras.constraints.NonNeg)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: layers.Activation(two_slopes, slopes=(1.0, 2.0, 3.0)),
            "Parameter 'slopes' of 'two_slopes' must be 2 numbers. Received: (1.0, 2.0, 3.0).",
        ),
        (lambda: layers.Activation(two_slopes, slopes=1.0), "must be 2 numbers. Received: 1.0."),
        (lambda: layers.Activation(two_slopes, slopes=(1.0, "a")), "'slopes' of 'two_slopes' must be a number"),
        (
            lambda: layers.Activation("relu", negative_slope_regularizer="l2"),
            "negative_slope_regularizer= is for a parameter that is learned. Received: trainable=[]. "
            "Expected 'negative_slope' among them.",
        ),
        (
            lambda: activations.get("binary_step", surrogate="none"),
            "Parameter 'surrogate' of 'binary_step' must be one of ('straight_through', 'sigmoid'). Received: 'none'.",
        ),
        (
            lambda: activation(specs={"slope": Parameter()})(lambda x, alpha=1.0: x),
            "'<lambda>' has no parameters ['slope'], of which `specs` speaks.",
        ),
        (lambda: activation(cost="free"), "Unknown cost 'free'. Expected one of ('low', 'medium', 'high')."),
        (lambda: activation(belongs=("input",)), "Unknown belongs 'input'. Expected one of ('hidden', "),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
