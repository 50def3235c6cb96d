"""`rescale`: signals of mean 0 and variance about 1 through networks of all sorts."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import layers, rescale
from keras_actsel.initializers._propagation import _largest_of
from keras_actsel.initializers._response import mean_square_slope

X = np.random.default_rng(0).normal(size=(512, 64)).astype("float32")
IMAGES = np.random.default_rng(1).normal(size=(128, 12, 12, 8)).astype("float32")


def outputs_of(model, kinds, x):
    """What comes out of each layer of some kinds."""
    found = [layer.output for layer in model.layers if isinstance(layer, kinds)]
    return keras.Model(model.inputs, found).predict(x, verbose=0)


def assert_standard(values, mean=0.25, low=0.5, high=2.0):
    for index, value in enumerate(values):
        assert abs(value.mean()) < mean, f"layer {index} has mean {value.mean()}"
        assert low < value.var() < high, f"layer {index} has variance {value.var()}"


def deep(activation, depth=10, units=128, **kwargs):
    hidden = [
        layer for _ in range(depth) for layer in (keras.layers.Dense(units, **kwargs), layers.Activation(activation))
    ]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(64)])


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu", "selu", "snake", "softplus", "prelu"])
def test_deep_networks_keep_their_signals(activation):
    model = deep(activation)
    before = [w.copy() for w in model.get_weights()]
    assert_standard(outputs_of(rescale(model), keras.layers.Dense, X))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_biases():
    assert_standard(outputs_of(rescale(deep("relu", use_bias=False)), keras.layers.Dense, X))


@pytest.mark.parametrize(
    ("activation", "mean"), [("squared_relu", 1.0), ("star_relu", 1.0), ("xielu", 1.0), ("gcu", 0.0)]
)
def test_samples_keep_their_size_where_a_function_bends_strongly(activation, mean):
    *hidden, last = outputs_of(rescale(deep(activation, depth=16)), keras.layers.Dense, X)
    assert_standard([last])
    for index, value in enumerate(hidden):
        assert value.mean() == pytest.approx(mean, abs=0.1), f"layer {index}"
        assert 1 / 128 < value.var() < 1 / 32, f"layer {index}"
        sizes = value.var(axis=1)
        assert sizes.max() < 10.0 * np.median(sizes), f"layer {index}"


def test_relu_gets_the_weights_of_he_and_sigmoid_loses_its_mean(numpy_of):
    relu, sigmoid = (rescale(deep(name, depth=2)) for name in ("relu", "sigmoid"))
    kernel, bias = (numpy_of(w.value) for w in (relu.layers[2].kernel, relu.layers[2].bias))
    assert (kernel**2).sum(axis=0).mean() == pytest.approx(2.0, rel=0.05)
    np.testing.assert_allclose(bias, 0.0, atol=0.05)
    inside = keras.Model(sigmoid.inputs, sigmoid.layers[2].output).predict(X, verbose=0)
    assert np.abs(inside.mean(axis=0)).mean() < 0.25 * inside.std()


def test_gradients_keep_their_size():
    """The mean square slope over the mean square let through is 1 for relu and sigmoid."""
    assert mean_square_slope("relu") == pytest.approx(0.5, abs=0.02)
    assert mean_square_slope("tanh") == pytest.approx(0.464, abs=2e-3)
    assert mean_square_slope("sigmoid", 0.0, 4.0) == pytest.approx(0.0288, rel=0.02)


def test_fused_activations_and_mixtures():
    mixture = layers.ActivationMixture(["linear", "relu", "tanh"])
    stack = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(128), mixture, keras.layers.Dense(128)]
    assert_standard([rescale(keras.Sequential([keras.Input((64,)), *stack])).predict(X, verbose=0)])


def test_convolutions_pooling_and_branches():
    inputs = keras.Input((12, 12, 8))
    h = keras.layers.Conv2D(32, 3, activation="relu", name="a")(inputs)
    h = keras.layers.DepthwiseConv2D(3, activation="tanh", name="b")(h)
    h = keras.layers.MaxPooling2D(2)(keras.layers.Dropout(0.2)(h))
    left = keras.layers.SeparableConv2D(32, 3, padding="same", name="c")(h)
    right = keras.layers.Conv2DTranspose(32, 3, padding="same", name="d")(h)
    h = ops.relu(left + right)
    h = keras.layers.Concatenate()([h, keras.layers.Multiply()([left, right])])
    h = keras.layers.BatchNormalization()(h)
    h = keras.layers.GlobalAveragePooling2D()(h)
    model = rescale(keras.Model(inputs, keras.layers.Dense(64, name="e")(h)))
    for name in "abcd":
        value = keras.Model(model.inputs, model.get_layer(name).output).predict(IMAGES, verbose=0)
        assert 0.15 < value.var() < 2.5, f"{name}: {value.var()}"


@pytest.mark.parametrize("with_batch", [False, True])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_what_channels_have_in_common_is_not_averaged_away(activation, with_batch):
    inputs = keras.Input((12, 12, 8))
    h = keras.layers.Conv2D(24, 3, padding="same")(inputs)
    for _ in range(4):
        residual = h
        for _ in range(2):
            h = keras.layers.Conv2D(24, 3, padding="same")(keras.layers.Activation(activation)(h))
        h = keras.layers.Add()([h, residual])
    h = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation(activation)(h))
    model = rescale(keras.Model(inputs, keras.layers.Dense(64)(h)), IMAGES if with_batch else None)
    assert 0.3 < (model.predict(IMAGES, verbose=0) ** 2).mean() < 3.0


def test_einsum_embedding_and_time_distributed():
    inputs = keras.Input((6,), dtype="int32")
    h = keras.layers.Embedding(50, 32, name="table")(inputs)
    h = keras.layers.EinsumDense("abc,cd->abd", output_shape=(None, 64), bias_axes="d", activation="relu", name="e")(h)
    h = keras.layers.TimeDistributed(keras.layers.Dense(64), name="t")(h)
    model = rescale(keras.Model(inputs, h))
    tokens = np.random.default_rng(0).integers(0, 50, (64, 6))
    values = [
        keras.Model(model.inputs, model.get_layer(name).output).predict(tokens, verbose=0) for name in ("table", "t")
    ]
    assert_standard(values)


def test_nested_and_shared_models():
    block = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, activation="tanh", name="twice")])
    inputs = keras.Input((64,))
    outputs = keras.layers.Dense(64, name="last")(block(block(inputs)))
    model = rescale(keras.Model(inputs, outputs))
    assert_standard([model.predict(X, verbose=0)])
    assert len(model.weights) == 4


def test_frozen_layers_stay_and_are_reckoned_with(numpy_of):
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(64, kernel_initializer="he_normal"), keras.layers.Dense(64)]
    )
    model.layers[0].kernel.assign(5.0 * numpy_of(model.layers[0].kernel.value))
    model.layers[0].trainable = False
    again = rescale(model)
    np.testing.assert_array_equal(numpy_of(again.layers[0].kernel.value), numpy_of(model.layers[0].kernel.value))
    assert_standard([again.predict(X, verbose=0)])


def unknown():
    inputs = keras.Input((6, 8))
    h = keras.layers.LSTM(32, name="memory")(inputs)
    return keras.Model(inputs, keras.layers.Dense(64)(h))


def test_unknown_layers_are_measured_from_a_batch(numpy_of):
    model = unknown()
    x = np.random.default_rng(0).normal(size=(256, 6, 8)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        measured = rescale(model, x)
    assert_standard([measured.predict(x, verbose=0)])
    for old, new in zip(model.get_layer("memory").weights, measured.get_layer("memory").weights, strict=True):
        np.testing.assert_array_equal(numpy_of(old.value), numpy_of(new.value))


def test_unknown_layers_without_a_batch_are_named():
    with pytest.warns(UserWarning, match=r"The effect of memory on mean and variance is not known.*Pass `x`"):
        rescale(unknown())


def test_inputs_are_measured_and_counted():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128), keras.layers.Dense(64)])
    x = 20.0 * X + 3.0
    assert_standard([rescale(model, x).predict(x, verbose=0)])
    with pytest.raises(ValueError, match=r"x must be a batch for each input of the model. Expected 1. Received: 2."):
        rescale(model, [x, x])
    with pytest.raises(ValueError, match=r"x has values that are not finite. Received: NaN or infinity."):
        rescale(model, np.full((5, 64), np.nan))


def test_half_precision_and_policies():
    model = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(128, "sigmoid", dtype="mixed_float16"), keras.layers.Dense(64)]
    )
    again = rescale(model)
    assert again.layers[0].dtype_policy.name == "mixed_float16"
    assert_standard([again.predict(X, verbose=0)])


def test_largest_of_several():
    assert _largest_of(1) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert _largest_of(4) == pytest.approx((1.0294, 0.4917), abs=1e-3)


def test_a_rescaled_model_needs_nothing_of_this_package():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    configs = [str(layer.get_config()) for layer in rescale(model).layers]
    assert not any("keras_actsel" in config for config in configs)


def test_behind_a_normalization_functions_work_where_they_were_meant_to():
    stack = [keras.layers.LayerNormalization(), keras.layers.Dropout(0.1), keras.layers.Dense(128, name="d")]
    model = rescale(keras.Sequential([keras.Input((64,)), *stack, layers.Activation("squared_relu")]))
    values = keras.Model(model.inputs, model.get_layer("d").output).predict(X, verbose=0)
    assert_standard([values])


def test_batch_normalization_counts_as_in_training_also_with_a_batch():
    inputs = h = keras.Input((12, 12, 8))
    for _ in range(6):
        r = keras.layers.Conv2D(8, 3, padding="same")(keras.layers.Activation("relu")(h))
        h = keras.layers.Add()([h, keras.layers.BatchNormalization()(r)])
        h = keras.layers.BatchNormalization()(h + r)
    last = keras.layers.Conv2D(8, 1)(keras.layers.Add()([h, inputs]))
    variances = []
    for batch in (None, IMAGES):
        model = rescale(keras.Model(inputs, last), batch)
        outputs = model(IMAGES, training=True)
        variances.append(float(ops.convert_to_numpy(ops.var(outputs))))
    assert all(0.7 < v < 1.4 for v in variances), variances
