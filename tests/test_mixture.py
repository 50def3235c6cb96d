"""ActivationMixture: coefficients, standardization, starting points, and how it learns."""

import json
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel import activations, collapse, initializers, layers, replace, select

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(32, 1)).astype("float32")
WIDE = np.linspace(-6.0, 6.0, 48).reshape(12, 4).astype("float32")
POOL = ["linear", "relu", "tanh"]
MANY = ["linear", "relu", "tanh", "gelu", "softplus", "elu", "sine", "sigmoid"]
Mixture = layers.ActivationMixture


def model_with(*middle, optimizer=None):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), *middle, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss="mse")
    return model


def fit(model, epochs=2):
    return model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0)


def plain_sum(layer, x, numpy_of):
    """The definition, in float64: f(x) = m + s sum of c_k (f_k(x) - mu_k)/sigma_k."""
    c = numpy_of(layer.coefficients).astype("float64")
    total = 0.0
    offset, scale = 0.0, 1.0
    for k, record in enumerate(layer.candidates):
        mean, deviation = of_normal(record) if layer.standardize else (0.0, 1.0)
        if record == layer.initial:
            offset, scale = mean, deviation
        total = total + c[k] * (numpy_of(record(x)).astype("float64") - mean) / deviation
    return offset + scale * total


def of_normal(record):
    means, gram = activations.moments([record], record.kink_points)
    return means[0], (gram[0, 0] - means[0] ** 2) ** 0.5


def set_weights(layer, *values):
    """Weights w, given per candidate; the same for each channel."""
    shape = layer.mixing_weights.shape
    w = np.reshape(values, (-1, *(1 for _ in shape[1:]))) / layer.rate
    layer.mixing_weights.assign(np.broadcast_to(w, shape).astype("float32"))


# Definition


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_definition_at_the_start_and_after_training(combination, axis, standardize, numpy_of):
    layer = Mixture(POOL, combination, axis, standardize=standardize)
    np.testing.assert_allclose(numpy_of(layer(X)), plain_sum(layer, X, numpy_of), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(numpy_of(layer.coefficients), np.full((3, 4) if axis else 3, 1 / 3), rtol=1e-6)
    fit(model_with(layer))
    coefficients = numpy_of(layer.coefficients)
    assert np.abs(coefficients - 1 / 3).max() > 1e-3, "they move in training"
    np.testing.assert_allclose(numpy_of(layer(X)), plain_sum(layer, X, numpy_of), rtol=1e-4, atol=1e-5)
    if combination != "linear":
        np.testing.assert_allclose(coefficients.sum(axis=0), np.ones(coefficients.shape[1:]), rtol=1e-5)
    if combination == "convex":
        assert (coefficients > 0).all()


def test_affine_weights_of_any_size_give_coefficients_that_sum_to_one(numpy_of):
    layer = Mixture(["linear", "relu"])
    layer.build((None, 4))
    set_weights(layer, 3.0, -7.0)
    np.testing.assert_allclose(numpy_of(layer.coefficients), [5.5, -4.5])


def test_temperature_sharpens(numpy_of):
    layer = Mixture(POOL, "convex", temperature=0.5)
    layer.build((None, 4))
    set_weights(layer, 1.0, 0.0, -1.0)
    expected = np.exp([2.0, 0.0, -2.0])
    np.testing.assert_allclose(numpy_of(layer.coefficients), expected / expected.sum(), rtol=1e-5)
    layer.temperature.assign(1e-3)
    np.testing.assert_allclose(numpy_of(layer.coefficients), [1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_standardized_starts_have_mean_0_and_a_gain_that_fits(combination, numpy_of):
    layer = Mixture(MANY, combination)
    y = numpy_of(layer(np.random.default_rng(3).normal(size=(100_000, 4))))
    assert abs(y.mean()) < 0.01
    assert initializers.gain(layer) == pytest.approx((y**2).mean() ** -0.5, rel=0.01)


def test_several_axes_and_channels_first(numpy_of):
    layer = Mixture(POOL, axis=1)
    y = layer(np.ones((2, 3, 5, 5), "float32"))
    assert tuple(layer.coefficients.shape) == (3, 3)
    layer.mixing_weights.assign(np.eye(3, dtype="float32"))  # linear, relu and tanh for one channel each
    offset, weights = (numpy_of(part) for part in layer.effective())
    x = -np.ones((2, 3, 5, 5), "float32")
    y = numpy_of(layer(x))
    for channel, name in enumerate(POOL):
        raw = offset[channel] + weights[channel, channel] * numpy_of(activations.get(name)(x[:, channel]))
        np.testing.assert_allclose(y[:, channel], raw, rtol=1e-5)
    both = Mixture(POOL, axis=[1, -1])
    both.build((None, 7, 5))
    assert tuple(both.mixing_weights.shape) == (3, 7, 5)


def test_unknown_sizes():
    layer = Mixture(POOL, axis=-1)
    inputs = keras.Input((None, None, 3))
    assert tuple(layer(inputs).shape) == (None, None, None, 3)
    assert tuple(layer.compute_output_shape((None, 8))) == (None, 8)
    with pytest.raises(ValueError, match=r"has a value for each index along axis -1, whose size must be known"):
        Mixture(POOL, axis=-1).build((None, None))


# Starting as one candidate


@pytest.mark.parametrize("rate", [1.0, 10.0])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("combination", ["affine", "linear"])
@pytest.mark.parametrize("initial", ["relu", "tanh", "gelu", "softplus", "linear"])
def test_starts_as_exactly_one_candidate(initial, combination, standardize, rate, numpy_of):
    layer = Mixture(MANY, combination, standardize=standardize, initial=initial, rate=rate)
    np.testing.assert_array_equal(numpy_of(layer(WIDE)), numpy_of(activations.get(initial)(WIDE)))
    offset, weights = (numpy_of(part) for part in layer.effective())
    assert offset == 0.0
    np.testing.assert_array_equal(weights, np.eye(len(MANY))[MANY.index(initial)])


@pytest.mark.parametrize(
    ("combination", "standardize", "rate"),  # each pair of settings once
    [("affine", True, 1.0), ("affine", False, 10.0), ("linear", True, 10.0), ("linear", False, 1.0)],
)
@pytest.mark.parametrize("initial", ["tanh", "linear"])
def test_what_starts_as_one_candidate_trains_as_defined(initial, combination, standardize, rate, numpy_of):
    layer = Mixture(MANY, combination, standardize=standardize, initial=initial, rate=rate)
    fit(model_with(layer))
    assert np.abs(numpy_of(layer.coefficients) - np.eye(len(MANY))[MANY.index(initial)]).max() > 1e-3
    np.testing.assert_allclose(numpy_of(layer(WIDE)), plain_sum(layer, WIDE, numpy_of), rtol=1e-4, atol=1e-4)


def test_surgery_keeps_the_function():
    model = keras.Sequential(
        [keras.Input((4,)), *(keras.layers.Dense(16, "relu") for _ in range(3)), keras.layers.Dense(1)]
    )
    mixed = replace(model, Mixture(POOL, axis=-1, initial="relu"))
    assert sum(isinstance(layer, Mixture) for layer in mixed.layers) == 3
    np.testing.assert_array_equal(mixed.predict(X, verbose=0), model.predict(X, verbose=0))


def swish_2(x):
    return x * ops.sigmoid(2.0 * x)


@pytest.mark.parametrize("own", [swish_2, lambda x: x * ops.sigmoid(2.0 * x)])
def test_functions_of_ones_own_are_mixed_in_copies_of_models(own):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    mixed = replace(model, Mixture([own, "relu"], initial="relu", name="own"))
    np.testing.assert_array_equal(mixed.predict(X, verbose=0), model.predict(X, verbose=0))
    assert not any(isinstance(layer, Mixture) for layer in replace(mixed, "tanh").layers)
    found = select(model, X, Y, candidates=["relu", Mixture([own, "relu"])], epochs=1, seeds=1, confirm=0, verbose=0)
    assert len(found.trials) > 1


# Learning


def test_rate_is_a_faster_rate_of_adam(numpy_of):
    moved = {}
    for rate in (1.0, 8.0):
        keras.utils.set_random_seed(0)
        layer = Mixture(POOL, rate=rate)
        fit(model_with(layer, optimizer=keras.optimizers.Adam(1e-4)), epochs=1)
        moved[rate] = np.abs(numpy_of(layer.coefficients) - 1 / 3).max()
    assert moved[8.0] / moved[1.0] == pytest.approx(8.0, rel=0.1)


def test_candidates_learn_inside_a_mixture():
    layer = Mixture(["prelu", "tanh"])
    model = model_with(layer)
    assert len(layer.trainable_weights) == 2
    before = layer.get_weights()
    fit(model)
    assert all(np.abs(a - b).max() > 1e-6 for a, b in zip(before, layer.get_weights(), strict=True))


@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_a_frozen_mixture_changes_in_nothing(combination):
    layer = Mixture(["prelu", "tanh"], combination, coefficient_regularizer="l2", trainable=False)
    model = model_with(layer)
    before = [w.copy() for w in layer.get_weights()]
    fit(model)
    assert not model.losses
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_regularizers_see_the_coefficients(rate, numpy_of):
    layer = Mixture(POOL, axis=-1, rate=rate, coefficient_regularizer=keras.regularizers.L1(0.5))
    model = model_with(layer)
    set_weights(layer, 2.0, 0.0, -1.0)
    (loss,) = model.losses
    assert float(numpy_of(loss)) == pytest.approx(0.5 * 4 * 3.0, rel=1e-5)


def test_entropy_and_its_regularizer(numpy_of):
    layer = Mixture(POOL, coefficient_regularizer=layers.EntropyRegularizer(0.1))
    model = model_with(layer)
    assert float(numpy_of(layer.entropy)) == pytest.approx(np.log(3), rel=1e-5)
    assert float(numpy_of(model.losses[0])) == pytest.approx(0.1 * np.log(3), rel=1e-5)
    set_weights(layer, 0.5, -0.25, 0.75)
    np.testing.assert_allclose(numpy_of(layer.shares), np.array([0.5, 0.25, 0.75]) / 1.5, rtol=1e-5)
    set_weights(layer, 0.0, 1.0, 0.0)
    assert float(numpy_of(layer.entropy)) == pytest.approx(0.0, abs=1e-5)


def test_the_entropy_regularizer_makes_it_settle(numpy_of):
    entropies = []
    for strength in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        regularizer = layers.EntropyRegularizer(strength)
        layer = Mixture(POOL, "convex", rate=5.0, coefficient_regularizer=regularizer)
        fit(model_with(layer), epochs=60)
        entropies.append(float(numpy_of(layer.entropy)))
    assert entropies[1] < 0.5 * entropies[0]


def test_constraints_hold_after_each_step(numpy_of):
    layer = Mixture(POOL, "linear", rate=4.0, coefficient_constraint=keras.constraints.NonNeg())
    model = model_with(layer)
    set_weights(layer, 0.01, -0.5, 0.01)
    fit(model)
    assert (numpy_of(layer.coefficients) >= 0).all()


@pytest.mark.parametrize("dtype", ["mixed_float16", "float16"])
def test_half_precision_keeps_the_coefficients_wide(dtype, numpy_of):
    layer = Mixture(MANY, axis=-1, initial="relu", dtype=dtype)
    y = layer(WIDE.astype("float16"))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert keras.backend.standardize_dtype(layer.coefficients.dtype) == "float32"
    np.testing.assert_array_equal(numpy_of(y), np.maximum(WIDE.astype("float16"), 0).astype("float32"))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 on request only")
@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_float64(combination):
    layer = Mixture(POOL, combination, dtype="float64")
    assert keras.backend.standardize_dtype(layer(X.astype("float64")).dtype) == "float64"
    assert keras.backend.standardize_dtype(layer.coefficients.dtype) == "float64"


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 on request only")
def test_float64_starts_as_exactly_one_candidate_and_collapses_to_its_own_digits(numpy_of):
    pool = MANY[1:]  # with linear there would be a leaky relu, whose slope TensorFlow keeps in float32
    layer = Mixture(pool, initial="relu", dtype="float64")
    x = WIDE.astype("float64")
    np.testing.assert_array_equal(numpy_of(layer(x)), np.maximum(x, 0))
    layer.mixing_weights.assign(np.linspace(-1, 1, len(pool)))
    np.testing.assert_allclose(numpy_of(collapse(layer)(x)), numpy_of(layer(x)), rtol=1e-12, atol=1e-12)


# Dropping candidates


@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_dropped_candidates_are_out(combination, numpy_of):
    layer = Mixture(POOL, combination)
    model = model_with(layer)
    fit(model)
    layer.drop("relu")
    model.compile("adam", loss="mse")
    fit(model)
    c = numpy_of(layer.coefficients)
    assert c[1] == 0.0
    if combination != "linear":
        assert c.sum() == pytest.approx(1.0, rel=1e-5)
    assert [str(record) for record in layer.kept] == ["linear", "tanh"]
    np.testing.assert_allclose(numpy_of(layer(X)), plain_sum(layer, X, numpy_of), rtol=1e-4, atol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.kept == layer.kept


@pytest.mark.parametrize("combination", ["affine", "convex", "linear"])
def test_a_file_of_weights_says_what_was_dropped(combination, tmp_path):
    models = [model_with(Mixture(POOL, combination)) for _ in range(2)]
    fit(models[0])
    models[0].layers[1].drop("relu")
    models[0].compile("adam", loss="mse")
    fit(models[0])
    models[0].save_weights(tmp_path / "x.weights.h5")
    models[1].load_weights(tmp_path / "x.weights.h5")
    assert models[1].layers[1].kept == models[0].layers[1].kept
    np.testing.assert_allclose(models[1].predict(X, verbose=0), models[0].predict(X, verbose=0), rtol=1e-6, atol=1e-6)


def test_a_dropped_candidate_is_not_computed():
    calls = []

    def counted(x):
        calls.append(x)
        return ops.tanh(x)

    layer = Mixture(["relu", counted], standardize=False)
    layer(X)
    before = len(calls)
    assert before > 0
    layer.drop(counted)
    layer(X)
    assert len(calls) == before


# Saving


@pytest.mark.parametrize(
    "layer",
    [
        lambda: Mixture(POOL, axis=-1, initial="relu", rate=8.0),
        lambda: Mixture(
            ["prelu", "tanh"], "convex", -1, temperature=0.5, coefficient_regularizer=layers.EntropyRegularizer(0.01)
        ),
        lambda: Mixture(["relu", "leaky_relu(negative_slope=0.1)"], "linear", coefficient_constraint="non_neg"),
        lambda: Mixture(["relu", "softmax"]),
    ],
)
def test_saved_loaded_and_cloned(layer, tmp_path):
    model = model_with(layer())
    fit(model)
    model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for again in (keras.saving.load_model(tmp_path / "model.keras"), clone):
        np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        configs = [json.dumps(m.layers[1].get_config(), sort_keys=True) for m in (again, model)]
        assert configs[0] == configs[1]


def test_channels_first_is_kept():
    keras.config.set_image_data_format("channels_first")
    try:
        layer = Mixture(["prelu", "relu"])
    finally:
        keras.config.set_image_data_format("channels_last")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    for mixture in (layer, again):
        mixture.build((None, 3, 8, 8))
        assert [tuple(w.shape) for w in mixture.weights] == [(2,), (3,)]


def test_masks_pass():
    layer = Mixture(POOL)
    mask = np.array([[True, False]])
    assert layer.compute_mask(np.zeros((1, 2, 3)), mask) is mask


# As published


def test_the_published_forms(numpy_of):
    for make, combination in ((Mixture.aff, "affine"), (Mixture.conv, "convex")):
        layer = make()
        assert [str(record) for record in layer.candidates] == POOL
        assert (layer.combination, layer.standardize, layer.rate) == (combination, False, 1.0)
        expected = (WIDE + np.maximum(WIDE, 0) + np.tanh(WIDE)) / 3
        np.testing.assert_allclose(numpy_of(layer(WIDE)), expected, rtol=1e-5, atol=1e-6)
    assert Mixture.conv(["relu", "gelu"], axis=-1).axis == -1


# Errors


def constant(x):
    return ops.ones_like(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Mixture(["relu"]), "A mixture needs two or more different candidates. Received: ['relu']."),
        (lambda: Mixture(["silu", "swish"]), "Received: ['silu', 'silu']."),
        (lambda: Mixture("relu"), "`candidates` must be a list of activations. Received: 'relu'."),
        (
            lambda: Mixture(["relu", "glu"]),
            "'glu' makes its axis 1/2 times as wide, so it can't be mixed. Expected an activation that "
            "keeps the shape. Use `keras_actsel.layers.GLU` as a layer of the model: for 60 units after one of 120.",
        ),
        (
            lambda: Mixture(["relu", "tanh"], "sum"),
            "Unknown combination. Expected one of ('affine', 'convex', 'linear'). Received: 'sum'.",
        ),
        (
            lambda: Mixture(POOL, initial="gelu"),
            "`initial` must be one of the candidates ['linear', 'relu', 'tanh']. Received: 'gelu'.",
        ),
        (
            lambda: Mixture(POOL, "convex", initial="relu"),
            "A convex mixture can't start as one of its candidates: its coefficients are above 0 for all. "
            "Received: initial='relu'. Expected None, or combination 'affine' or 'linear'.",
        ),
        (lambda: Mixture(POOL, rate=0), "`rate` must be a number above 0. Received: 0.0."),
        (lambda: Mixture(POOL, "convex", temperature=-1), "`temperature` must be a number above 0. Received: -1.0."),
        (
            lambda: Mixture(["relu", constant]).build((None, 4)),
            "'constant' can't be standardized: for a standard normal input its mean is 1 and its standard deviation 0. "
            "Expected a finite one above 0. Use `standardize=False`.",
        ),
        (
            lambda: Mixture(["relu", "softmax"]).build((None, None)),
            "'softmax' can't be standardized along axis -1, whose size is not known. "
            "Received: input shape (None, None). Give the axis a size, or use `standardize=False`.",
        ),
        (lambda: Mixture([keras.layers.ReLU, "tanh"]), "Received the class ReLU. Give a name, a function, or"),
        (lambda: Mixture(POOL, name="m").coefficients, "The mixture 'm' has no coefficients before it is built."),
        (lambda: Mixture(POOL, name="m").entropy, "The mixture 'm' has no coefficients before it is built."),
        (lambda: Mixture(POOL).drop("gelu"), "Can't drop ['gelu']. Expected some of ['linear', 'relu', 'tanh']."),
        (lambda: Mixture(POOL).drop(*POOL), "Can't drop all candidates."),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
