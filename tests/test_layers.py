"""The layers: Activation, its named kin and a mixture among them, from arguments to training and saving."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import activations, layers

RECORDS = [r for r in activations.catalogue() if r.function.__module__.startswith("keras_actsel.")]
X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 1)).astype("float32")


def model_with(*middle, units=4):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), *middle, keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return model


def copies(model, folder):
    """The model saved and loaded, and cloned with its weights."""
    model.save(folder / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return keras.saving.load_model(folder / "model.keras"), clone


def rebuilt(layer):
    """The layer after a round trip through its configuration."""
    return keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))


def config_of(layer):
    """Its configuration as text, in which a shape read from a file is what it was before."""
    return json.dumps(layer.get_config())


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


# Activation: what it reads


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("relu", "relu"),
        ("swish", "silu"),
        (None, "linear"),
        (keras.activations.mish, "mish"),
        (keras.saving.serialize_keras_object(keras.activations.elu), "elu"),
        (activations.get("mish"), "mish"),
        ("leaky_relu(negative_slope=0.1)", "leaky_relu(negative_slope=0.1)"),
        (activations.get("elu", alpha=0.5), "elu(alpha=0.5)"),
    ],
)
def test_identifiers(identifier, expected, numpy_of):
    layer = layers.Activation(identifier)
    assert str(layer.activation) == expected
    np.testing.assert_array_equal(numpy_of(layer(X)), numpy_of(activations.get(expected)(X)))


def test_parameters_are_keywords():
    layer = layers.Activation("relu", max_value=6, negative_slope=0.1, name="mine", dtype="float16")
    assert layer.activation == activations.get("relu", max_value=6.0, negative_slope=0.1)
    assert (layer.name, layer.compute_dtype, layer.weights) == ("mine", "float16", [])


def test_a_function_of_your_own(numpy_of):
    np.testing.assert_allclose(numpy_of(layers.Activation(lambda x: 2.0 * x)(X)), 2.0 * X)


KERAS_NAMES = sorted({r.name for r in RECORDS if r.keras_equivalent is not None} | {"squareplus"})


@pytest.mark.parametrize("name", KERAS_NAMES)
def test_drop_in_for_keras(name, numpy_of):
    ours, theirs = layers.Activation(name)(X), keras.layers.Activation(name)(X)
    np.testing.assert_allclose(numpy_of(ours), numpy_of(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_named_layer(record, numpy_of):
    layer = getattr(layers, record.layer_name)()
    assert layer.activation is record
    y = numpy_of(layer(X))
    if all(spec.initializer is None for spec in record.specs.values()):  # acon_c starts at random
        np.testing.assert_allclose(y, numpy_of(record(X)), rtol=1e-5, atol=1e-6)
    again = rebuilt(layer)
    assert type(again) is type(layer)
    assert config_of(again) == config_of(layer)
    assert record.summary in type(layer).__doc__
    assert layer.compute_output_shape((None, 4)) == (None, y.shape[-1])


def test_axis_of_an_axiswise_function(numpy_of):
    layer = rebuilt(layers.Softmax(axis=1))
    assert layer.activation.parameters["axis"] == 1
    np.testing.assert_allclose(numpy_of(layer(np.ones((2, 4, 3)))).sum(axis=1), 1.0, rtol=1e-5)
    assert layers.GLU(axis=1).compute_output_shape((None, 4, 3)) == (None, 2, 3)


# Activation: what it learns


@pytest.mark.parametrize(
    ("axis", "shape", "weight"),
    [
        (None, (None, 5, 6, 3), ()),
        (-1, (None, 5, 6, 3), (3,)),
        (1, (None, 5, 6, 3), (5,)),
        ([1, 3], (None, 5, 6, 3), (5, 3)),
        ([-1, 1], (None, 5, 6, 3), (5, 3)),
        (-1, (None, None, None, 3), (3,)),
    ],
)
def test_one_weight_for_each_index_of_the_axis(axis, shape, weight, numpy_of):
    layer = layers.Activation("leaky_relu", negative_slope=0.1, trainable="negative_slope", axis=axis)
    layer.build(shape)
    assert layer.negative_slope.shape == weight
    values = np.random.default_rng(0).normal(size=weight)
    layer.set_weights([values])
    full = np.full((2, 5, 6, 3), -1.0, "float32")
    along = {(): (), (3,): (1, 1, 1, 3), (5,): (1, 5, 1, 1), (5, 3): (1, 5, 1, 3)}[weight]
    np.testing.assert_allclose(numpy_of(layer(full)), full * values.reshape(along), rtol=1e-5)


def test_prelu_learns_one_slope_per_channel_from_a_quarter(numpy_of):
    layer = layers.PReLU()
    layer.build((None, None, None, 3))
    np.testing.assert_array_equal(numpy_of(layer.alpha), [0.25] * 3)
    assert layers.PReLU(alpha=0.1, trainable="alpha").axis is None


def test_channels_of_images_that_come_first(channels_first, numpy_of):
    layer = layers.PReLU()
    keras.config.set_image_data_format("channels_last")  # the layer keeps what held when it was made
    for again in (layer, rebuilt(layer), layers.PReLU(data_format="channels_first")):
        again.build((None, 3, 8, 5))
        assert tuple(again.alpha.shape) == (3,)
        again.alpha.assign([1.0, 2.0, 3.0])
        image = np.full((2, 3, 8, 5), -1.0, "float32")
        np.testing.assert_allclose(numpy_of(again(image)), image * np.reshape([1.0, 2.0, 3.0], (1, 3, 1, 1)))
    assert config_of(rebuilt(layer)) == config_of(layer)


@pytest.mark.parametrize(("shape", "channels"), [((None, 4), 4), ((None, 7, 4), 4), ((None, 4, 7, 7, 7), 4)])
def test_channels_first_counts_for_images_alone(channels_first, shape, channels):
    layer = layers.PReLU()
    layer.build(shape)
    assert tuple(layer.alpha.shape) == (channels,)


def test_an_axis_that_is_given_holds_for_any_data_format(channels_first):
    for layer, weight in ((layers.PReLU(axis=-1), (5,)), (layers.PReLU(trainable="alpha"), ())):
        for again in (layer, rebuilt(layer)):
            again.build((None, 3, 8, 5))
            assert tuple(again.alpha.shape) == weight
            assert "data_format" not in again.get_config()


def test_dynamic_tanh_has_one_alpha_and_a_gamma_for_each_channel(numpy_of):
    for layer in (layers.DynamicTanh(), rebuilt(layers.DynamicTanh())):
        layer.build((None, 5, 3))
        assert {w.name: tuple(w.shape) for w in layer.weights} == {"alpha": (), "gamma": (3,), "beta": (3,)}
    x = np.linspace(-2, 2, 30, dtype="float32").reshape(2, 5, 3)
    layer.gamma.assign([1.0, 2.0, 3.0])
    np.testing.assert_allclose(numpy_of(layer(x)), np.tanh(0.5 * x) * [1.0, 2.0, 3.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("layer", "moves"),
    [
        (layers.PReLU, True),
        (lambda: layers.PReLU(trainable=False), False),
        (lambda: layers.PReLU(trainable=True), True),
        (lambda: layers.Activation("elu", trainable=["alpha"]), True),
        (lambda: layers.Squareplus(trainable="b"), True),
    ],
)
def test_learned_parameters_move_in_training(layer, moves):
    layer = layer()
    model = model_with(layer)
    before = [w.copy() for w in layer.get_weights()]
    model.fit(X, Y, epochs=1, verbose=0)
    assert len(before) == 1
    assert (np.abs(before[0] - layer.get_weights()[0]).max() > 1e-6) == moves


def test_nothing_to_learn_means_no_weights():
    assert layers.PReLU(trainable=[]).learned == ()
    layer = layers.PReLU(trainable=[])
    layer(X)
    assert layer.weights == []


def test_integers_reach_learned_parameters_as_floats(numpy_of):
    whole = np.array([[-4, 2]])
    np.testing.assert_allclose(numpy_of(layers.PReLU()(whole)), [[-1.0, 2.0]])
    np.testing.assert_allclose(
        numpy_of(layers.ActivationMixture(["linear", "relu"], standardize=False)(whole)), [[-2.0, 2.0]]
    )


# Activation: copies


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Activation("relu", max_value=6),
        lambda: layers.Activation("elu", alpha=0.5, trainable="alpha", axis=[1]),
        layers.PReLU,
        lambda: layers.PReLU(trainable=False),
        lambda: layers.PReLU(trainable=[]),
        layers.Softmax,
        lambda: layers.Activation(layers.ActivationMixture(["relu", "tanh"])),
        lambda: layers.ActivationMixture(["relu", "tanh", "leaky_relu(negative_slope=0.1)"]),
        lambda: layers.ActivationMixture(["prelu", "tanh"], combination="convex", axis=-1),
    ],
)
def test_save_load_clone(layer, tmp_path, numpy_of):
    layer = layer()
    model = model_with(layer)
    model.fit(X, Y, epochs=1, verbose=0)
    for again in copies(model, tmp_path):
        np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        assert type(again.layers[1]) is type(layer)
        assert config_of(again.layers[1]) == config_of(layer)
        assert len(again.trainable_weights) == len(model.trainable_weights)
    assert config_of(rebuilt(layer)) == config_of(layer)


def test_freezing_after_building_survives_saving(tmp_path):
    model = model_with(layers.PReLU())
    model.layers[1].trainable = False
    loaded, clone = copies(model, tmp_path)
    assert loaded.layers[1].trainable is clone.layers[1].trainable is False
    assert loaded.layers[1].learned == ("alpha",)


@pytest.mark.parametrize("spelling", ["mish", "leaky_relu(negative_slope=0.1)", "relu(max_value=6)"])
def test_record_inside_a_keras_layer(spelling, tmp_path):
    record = activations.get(spelling)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation=record), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(X, Y, epochs=1, verbose=0)
    for again in copies(model, tmp_path):
        assert again.layers[0].activation == record
        np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_mixed_precision_keeps_weights_wide(mixed_float16, numpy_of):
    layer = layers.PReLU()
    y = layer(ops.cast(X, "float16"))
    assert (keras.backend.standardize_dtype(y.dtype), layer.alpha.dtype) == ("float16", "float32")
    mixture = layers.ActivationMixture(["relu", "tanh"], axis=-1)
    y = mixture(ops.cast(X, "float16"))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert keras.backend.standardize_dtype(mixture.coefficients.dtype) == "float32"
    # In float16 the two weights would be equal, and so would the coefficients.
    convex = layers.ActivationMixture(["linear", "relu"], "convex", standardize=False)
    convex.build((None, 1))
    convex.mixing_weights.assign([4001.0, 4000.0])
    np.testing.assert_allclose(numpy_of(convex(np.array([[-1.0]]))), [[-0.7311]], rtol=1e-3)
    model = model_with(layers.PReLU(), layers.ActivationMixture(["relu", "tanh"]))
    model.fit(X, Y, epochs=1, verbose=0)
    assert np.isfinite(model.predict(X, verbose=0)).all()


def test_masks_pass():
    inputs = keras.Input((3,), dtype="int32")
    h = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
    h = layers.ActivationMixture(["relu", "tanh"])(layers.Mish()(h))
    assert h._keras_mask is not None


# Errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Activation("mihs"), "Unknown activation 'mihs'. Did you mean 'mish'? `catalogue()` lists all."),
        (
            lambda: layers.Activation("relu", slope=1.0),
            "Unknown arguments ['slope']. Expected parameters of 'relu' "
            "(negative_slope, max_value, threshold), or 'name', 'dtype'.",
        ),
        (lambda: layers.Mish(beta=1.0), "Unknown arguments ['beta']. Expected parameters of 'mish' (it has none)"),
        (
            lambda: layers.Activation("gelu", trainable="approximate"),
            "'gelu' has no parameter 'approximate' that can "
            "be learned. Expected some of: []. Received: trainable=['approximate'].",
        ),
        (lambda: layers.Activation("elu", trainable="slope"), "Expected some of: ['alpha']."),
        (
            lambda: layers.PReLU(name="p").build((None, None)),
            "Layer 'p' has a value for each index along axis -1, "
            "whose size must be known and which can't be the batch. Received: input shape (None, None).",
        ),
        (
            lambda: layers.Activation(layers.ActivationMixture(["relu", "tanh"], name="m"), axis=-1),
            "The layer 'm' says itself what it learns along which axis, and what it draws. "
            "Received: trainable=None, axis=-1, seed=None. Expected none of them.",
        ),
        (
            lambda: layers.Activation("relu", axis=-1),
            "'relu' learns nothing here that could differ along an axis. Received: axis=-1. "
            "Expected axis=None, or `trainable=` with a parameter's name.",
        ),
        (
            lambda: layers.Activation("relu", seed=3),
            "'relu' draws no random numbers. Received: seed=3. Expected a seed for a function that does",
        ),
        (
            lambda: layers.Activation("prelu", axis="channels"),
            "`axis` must be an integer, a list of integers, or None. Received: 'channels'.",
        ),
        (lambda: layers.PReLU(axis=[1, True]), "Received: [1, True]."),
        (
            lambda: layers.PReLU(data_format="first"),
            "`data_format` must be 'channels_first' or 'channels_last'. Received: 'first'.",
        ),
        (
            lambda: layers.LeakyReLU(0.1),
            "LeakyReLU takes its arguments by name. Received: 0.1. Expected LeakyReLU(negative_slope=0.1).",
        ),
        (lambda: layers.Mish(0.1), "Mish takes its arguments by name. Received: 0.1. 'mish' has no parameters."),
        (lambda: layers.Activation("GELU"), "Unknown activation 'GELU'. Did you mean 'gelu'?"),
        (lambda: layers.Activation("LeakyReLU"), "Unknown activation 'LeakyReLU'. Did you mean 'leaky_relu'?"),
        (lambda: layers.PReLU(axis=0).build((8, 4)), "can't be the batch"),
        (lambda: layers.PReLU(axis=5).build((8, 4)), "along axis 5"),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_missing_attributes():
    with pytest.raises(AttributeError, match=r"'Msih'\. It has: Activation, ActivationMixture, "):
        _ = layers.Msih
    with pytest.raises(AttributeError, match="Did you mean 'mish'"):
        _ = activations.mihs
    assert {"get", "mish", "relu"} <= set(dir(activations))
