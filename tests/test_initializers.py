"""Gains against published figures and another quadrature; initializers that Keras itself can load."""

import re

import keras
import numpy as np
import pytest
from scipy import integrate

from keras_actsel import activations, initializers, layers

# Published or computed independently, to the digits given.
GAINS = {
    "linear": 1.0,
    "relu": 2**0.5,
    "leaky_relu(negative_slope=0.3)": 1.355,
    "prelu": 1.372,
    "elu": 1.245,
    "selu": 1.0,
    "tanh": 1.5925,
    "sigmoid": 1.846,
    "softplus": 1.042,
    "softsign": 2.338,
    "silu": 1.677,
    "gelu": 1.534,
    "mish": 1.487,
    "hard_silu": 1.737,
}
MIXTURES = {
    ("linear", "relu"): 1.265,
    ("linear", "tanh"): 1.239,
    ("relu", "tanh"): 1.633,
    ("linear", "relu", "tanh"): 1.382,
    ("tanh", "elu", "relu", "silu", "linear"): 1.413,
}


@pytest.mark.parametrize(("name", "value"), GAINS.items())
def test_published_gains(name, value):
    assert initializers.gain(name) == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.25, 1.0])
def test_gain_of_a_leaky_relu_is_that_of_he(slope):
    for activation in (f"leaky_relu(negative_slope={slope})", activations.get("prelu", alpha=slope)):
        assert initializers.gain(activation) == pytest.approx((2 / (1 + slope**2)) ** 0.5, rel=1e-6)


@pytest.mark.parametrize(("names", "value"), MIXTURES.items(), ids=str)
def test_gain_of_a_mixture_at_its_start(names, value):
    assert initializers.gain(layers.ActivationMixture(names, standardize=False)) == pytest.approx(value, abs=6e-4)


def second_moment(function):
    """E[f(z)^2] by adaptive quadrature in float64."""
    density = lambda z: function(z) ** 2 * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)  # noqa: E731
    return sum(integrate.quad(density, *side, limit=200)[0] for side in ([-12, 0], [0, 12]))


@pytest.mark.parametrize(
    ("ours", "function"),
    [
        ("tanh", np.tanh),
        ("elu(alpha=0.7)", lambda z: z if z > 0 else 0.7 * np.expm1(z)),
        (keras.ops.sin, np.sin),
        (lambda x: x + keras.ops.sin(30 * x), lambda z: z + np.sin(30 * z)),
    ],
)
def test_gain_by_another_quadrature(ours, function):
    assert initializers.gain(ours) == pytest.approx(second_moment(function) ** -0.5, rel=2e-4)


# Layers


def test_gain_of_learned_values_of_each_channel():
    layer = layers.Activation("prelu")
    assert initializers.gain(layer) == pytest.approx(initializers.gain("prelu"), rel=1e-6)
    layer.build((None, 3))
    layer.alpha.assign([0.0, 0.5, 1.0])
    assert initializers.gain(layer) == pytest.approx((2 / (1 + (0 + 0.25 + 1) / 3)) ** 0.5, rel=1e-6)


def test_starting_values_are_those_of_the_initializer():
    layer = layers.Activation("prelu", alpha_initializer="ones")
    assert initializers.gain(layer) == pytest.approx(1.0, rel=1e-6)
    assert not layer.built


def test_gain_of_mixtures_follows_their_coefficients():
    layer = layers.ActivationMixture(["linear", "relu"], "linear", axis=-1, standardize=False)
    layer.build((None, 2))
    layer.mixing_weights.assign([[1.0, 0.0], [0.0, 1.0]])  # the identity on one channel, relu on the other
    assert initializers.gain(layer) == pytest.approx((2 / 1.5) ** 0.5, rel=1e-6)
    assert initializers.gain(layers.Activation(layer)) == pytest.approx(
        initializers.gain(layers.ActivationMixture(["linear", "relu"], standardize=False)), rel=1e-6
    )  # `Activation` applies a copy, which starts anew


def test_a_mixture_takes_what_its_candidates_have_learned():
    layer = layers.ActivationMixture(["prelu", "relu"], standardize=False)
    layer.build((None, 2))
    layer.branches[0].alpha.assign([0.0, 0.0])
    assert initializers.gain(layer) == pytest.approx(2**0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (keras.layers.ReLU(), "relu"),
        (keras.layers.LeakyReLU(), "leaky_relu(negative_slope=0.3)"),
        (keras.layers.ELU(), "elu"),
        (keras.layers.PReLU("ones"), "linear"),
        (keras.layers.PReLU(shared_axes=[1, 2]), "relu"),
        (keras.layers.Activation("gelu"), "gelu"),
        (layers.Mish(), "mish"),
        (layers.Activation(keras.layers.ReLU(max_value=6.0)), "relu6"),
    ],
)
def test_gain_of_activation_layers(layer, name):
    assert initializers.gain(layer) == pytest.approx(initializers.gain(name), rel=1e-6)


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("softmax", "'softmax', which is axiswise, has no gain. Expected an activation that is applied to each"),
        ("glu", "'glu', which is shape-changing, has no gain."),
        (lambda x: 0 * x, "is 0 for a standard normal input, so no weights make up for it."),
        (layers.ActivationMixture(["relu", "softmax"]), "'softmax', which is axiswise, has no gain."),
        (keras.layers.Dense(3), "of type Dense has no gain."),
        ("rulu", "Unknown activation 'rulu'"),
    ],
)
def test_what_has_no_gain(activation, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        initializers.gain(activation)


# Initializers


def settings(initializer):
    return initializer.scale, initializer.mode, initializer.distribution


def test_matched_is_what_keras_has_for_relu_and_selu():
    assert settings(initializers.matched("relu")) == settings(keras.initializers.HeNormal())
    assert settings(initializers.matched("relu", "uniform")) == settings(keras.initializers.HeUniform())
    assert settings(initializers.matched("selu")) == settings(keras.initializers.LecunNormal())


def test_matched_is_saved_as_keras_saves_its_own():
    initializer = initializers.matched("gelu", seed=3)
    config = keras.initializers.serialize(initializer)
    assert config["module"] == "keras.initializers"
    again = keras.initializers.deserialize(config)
    assert settings(again) == settings(initializer)
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(i((4, 5))) for i in (initializer, again)))


@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_weights_have_the_variance_that_the_gain_asks_for(distribution):
    weights = keras.ops.convert_to_numpy(initializers.matched("tanh", distribution, seed=1)((400, 300)))
    assert weights.var() * 400 == pytest.approx(initializers.gain("tanh") ** 2, rel=0.03)


def test_parameters_are_taken_by_name():
    spelled = initializers.gain("leaky_relu(negative_slope=0.1)")
    assert initializers.gain("leaky_relu", negative_slope=0.1) == spelled == pytest.approx((2 / 1.01) ** 0.5)
    assert initializers.matched("leaky_relu", negative_slope=0.1).scale == pytest.approx(2 / 1.01, rel=1e-5)
    with pytest.raises(ValueError, match="slope"):
        initializers.matched("leaky_relu", slope=0.1)
