"""Trained mixtures become stock layers: the same function, and nothing of this package in what is saved."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from keras_actsel import activation, activations, collapse, drift, replace, surgery
from keras_actsel.layers import Activation, ActivationMixture

L = keras.layers


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def parts(layer):
    """The layer and all layers inside."""
    return [layer, *surgery.sublayers(layer).values()]


def trained(model):
    """The model with weights as if it had been trained: no bias is 0, no candidate alone."""
    for seed, weight in enumerate(model.trainable_weights):
        weight.assign(ops.convert_to_numpy(weight) + 0.3 * numbers(*weight.shape, seed=seed))
    return model


def dense(*mixtures, last=None):
    hidden = [layer for mixture in mixtures for layer in (L.Dense(6), mixture)]
    return trained(keras.Sequential([keras.Input((5,)), *hidden, *(last or [L.Dense(2)])]))


def image(mixture, *after):
    after = after or (L.MaxPooling2D(), L.Conv2D(3, 2), L.Flatten(), L.Dense(2))
    return trained(keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(4, 3), mixture, *after]))


def difference(before, after, x):
    return drift(before, after, x).largest


def stock_of(model, name):
    """What the layer of that name applies, as a name."""
    layer = model.get_layer(name)
    function = getattr(layer, "activation", layer)
    return getattr(function, "name", getattr(function, "__name__", ""))


def is_stock(layer):
    return not any(type(part).__module__.startswith("keras_actsel") for part in parts(layer))


# Keep


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("axis", [None, -1])
@pytest.mark.parametrize(
    ("combination", "initial"),
    [("affine", None), ("affine", "relu"), ("convex", None), ("linear", "tanh")],
)
def test_keep_computes_the_same(combination, initial, axis, standardize):
    def mixture():
        candidates = ["relu", "linear", "tanh", "snake"]
        return ActivationMixture(candidates, combination, axis, standardize=standardize, initial=initial)

    for model, x in ((dense(mixture(), mixture()), numbers(9, 5)), (image(mixture()), numbers(3, 8, 8, 2))):
        result = collapse(model)
        assert difference(model, result, x) < 5e-6
        assert is_stock(result)
        assert type(result) is keras.Sequential
        assert not result.compiled


def test_what_was_trained_in_candidates_becomes_constants_for_each_channel():
    model = dense(ActivationMixture(["snake", "parametric_swish", "prelu", "apl"], axis=-1, name="mix"))
    layer = model.get_layer("mix")
    assert len(layer.trainable_weights) > 4
    result = collapse(model)
    assert not result.get_layer("mix").weights
    assert difference(model, result, numbers(9, 5)) < 5e-6


def test_candidates_that_were_dropped_or_weigh_nothing_are_left_out():
    mixture = ActivationMixture(["relu", "tanh", "sigmoid"], "linear", standardize=False, name="mix")
    model = dense(mixture)
    mixture.drop("relu")
    mixture.mixing_weights.assign([0.5, 0.0, 2.0])
    assert stock_of(collapse(model), "mix") == "sigmoid"
    assert difference(model, collapse(model), numbers(9, 5)) < 1e-6


def test_the_input_stays_as_it_was():
    model = image(ActivationMixture(["relu", "tanh"]))
    x = numbers(2, 8, 8, 2)
    before, config = model.predict(x, verbose=0), model.to_json()
    collapse(model, "nearest", x)
    assert model.to_json() == config
    assert_array_equal(model.predict(x, verbose=0), before)


# Lines with one kink


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([0.0, 2.0], "relu"), ([2.0, 0.0], "linear"), ([0.3, 0.5], "leaky_re_lu"), ([0.3, -0.9], "leaky_relu")],
)
def test_lines_with_a_kink_at_zero_become_one_function_of_keras(weights, expected):
    mixture = ActivationMixture(["linear", "relu"], "linear", standardize=False, name="mix")
    model = dense(mixture)
    mixture.mixing_weights.assign(weights)
    result = collapse(model)
    found = result.get_layer("mix")
    assert type(found).__name__ == "LeakyReLU" if expected == "leaky_re_lu" else stock_of(result, "mix") == expected
    assert difference(model, result, numbers(9, 5)) < 1e-6


def test_a_line_that_is_flat_on_the_right_keeps_both_of_its_slopes(numpy_of):
    layer = ActivationMixture(["linear", "relu"], "linear", standardize=False)
    layer.build((None, 1))
    layer.mixing_weights.assign([2.0, -2.0])
    x = np.array([[-3.0], [0.0], [4.0]], "float32")
    assert_array_equal(numpy_of(collapse(layer)(x)), [[-6.0], [0.0], [0.0]])


@pytest.mark.parametrize("name", ["relu(max_value=6)", "relu(threshold=0.5)", "hard_tanh", "elu", "squared_relu"])
def test_a_function_with_more_than_a_kink_at_zero_is_no_line(name, numpy_of):
    layer = ActivationMixture(["linear", name])
    x = np.linspace(-9, 9, 64, dtype="float32")
    expected = numpy_of(layer(x))
    assert_allclose(numpy_of(collapse(layer)(x)), expected, atol=5e-6, rtol=1e-6)


def test_lines_beside_a_curve_become_one_of_two_functions():
    layer = ActivationMixture(["linear", "tanh", "relu"], "linear", standardize=False)
    layer.build((None, 3))
    layer.mixing_weights.assign([0.25, 1.0, 0.5])
    assert collapse(layer).activation.name == "leaky_relu_tanh"


# Largest


@pytest.mark.parametrize(("initial", "scale"), [(None, 1.0), ("relu", 0.58381)])
def test_largest_stays_on_the_scale_of_the_mixture(initial, scale, numpy_of):
    layer = ActivationMixture(["relu", "tanh"], initial=initial)
    layer.build((None, 3))
    layer.mixing_weights.assign([0.1, 0.9])
    x = numbers(7, 3)
    deviation = (1.0 - 0.6057055) ** 0.5  # of tanh, whose mean square is 1 - E[tanh'(z)]
    expected = (0.39894 if initial else 0.0) + scale * np.tanh(x) / deviation
    assert_allclose(numpy_of(collapse(layer, "largest")(x)), expected, atol=2e-4)


def test_largest_of_a_linear_combination_keeps_its_coefficient(numpy_of):
    layer = ActivationMixture(["relu", "tanh"], "linear", standardize=False)
    layer.build((None, 3))
    layer.mixing_weights.assign([3.0, 0.1])
    x = numbers(7, 3)
    assert_allclose(numpy_of(collapse(layer, "largest")(x)), 3.0 * np.maximum(x, 0), rtol=1e-6)


def test_largest_of_equal_shares_is_the_first():
    layer = ActivationMixture(["tanh", "sigmoid"], standardize=False)
    layer.build((None, 3))
    assert stock_of(keras.Sequential([keras.Input((3,)), collapse(layer, "largest")]), layer.name) == "tanh"


def test_largest_is_each_channels_own_and_channels_keep_their_order(numpy_of):
    layer = ActivationMixture(["tanh", "exponential", "sigmoid"], "convex", axis=-1, standardize=False)
    layer.build((None, 5))
    order = [1, 0, 2, 1, 0]
    layer.mixing_weights.assign(np.eye(3)[:, order])
    x = numbers(6, 5)
    functions = [np.tanh, np.exp, lambda t: 1 / (1 + np.exp(-t))]
    expected = np.stack([functions[k](x[:, i]) for i, k in enumerate(order)], axis=1)
    assert_allclose(numpy_of(collapse(layer, "largest")(x)), expected, rtol=1e-5)


def test_a_channel_without_a_function_is_spared_its_overflow(numpy_of, gradient):
    layer = ActivationMixture(["tanh", "exponential"], "convex", axis=-1, standardize=False)
    layer.build((None, 2))
    layer.mixing_weights.assign([[1.0, 0.0], [0.0, 1.0]])
    stock = collapse(layer, "largest")
    x = np.array([[300.0, 0.0]], "float32")
    assert_allclose(numpy_of(stock(x)), [[1.0, 1.0]])
    assert_allclose(gradient(stock, x), [[0.0, 1.0]])


# Nearest


def test_nearest_finds_the_function_that_the_mixture_is(numpy_of):
    mixture = ActivationMixture(["tanh", "gelu"], "linear", standardize=False, name="mix")
    model = dense(mixture)
    mixture.mixing_weights.assign([0.0, -2.0])
    x = numbers(64, 5)
    result = collapse(model, "nearest", x)
    assert stock_of(result, "mix") == "gelu"
    assert difference(model, result, x) < 1e-5


def test_nearest_is_closer_over_what_it_has_seen_than_other_functions():
    model = image(ActivationMixture(["relu", "tanh", "linear"], "convex", axis=-1, name="mix"))
    x = numbers(32, 8, 8, 2)
    result = collapse(model, "nearest", x)
    assert 0 < difference(model, result, x) < difference(model, collapse(model, "largest"), x)
    assert activations.get(stock_of(result, "mix")) in activations.catalogue(kind="elementwise")


def test_nearest_takes_what_predict_takes():
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    mixed = ActivationMixture(["relu", "tanh"], name="mix")(L.Dense(4)(L.Add()([one, two])))
    model = trained(keras.Model({"one": one, "two": two}, {"a": L.Dense(1)(mixed), "b": mixed}))
    x = {"one": numbers(40, 3), "two": numbers(40, 3, seed=1)}
    result = collapse(model, "nearest", x)
    assert set(result.predict(x, verbose=0)) == {"a", "b"}
    assert drift(model, result, x).mean < 0.1


def test_nearest_of_one_mixture_takes_its_inputs(numpy_of):
    layer = ActivationMixture(["relu", "tanh"], "linear", standardize=False, name="mix")
    layer.build((None, 3))
    layer.mixing_weights.assign([0.0, 1.5])
    x = numbers(50, 3)
    assert_allclose(numpy_of(collapse(layer, "nearest", x)(x)), 1.5 * np.tanh(x), atol=1e-5)


# Folding


def tanh_twice(**kwargs):
    """A layer that computes -2 tanh(x), but for an offset where it is standardized."""
    return ActivationMixture(["tanh", "sigmoid"], "linear", standardize=False, name="mix", **kwargs)


def prepared(model, weights=(-2.0, 0.0)):
    layer = next(part for part in parts(model) if isinstance(part, ActivationMixture))
    shape = layer.mixing_weights.shape
    layer.mixing_weights.assign(np.broadcast_to(np.reshape(weights, (-1, *(1 for _ in shape[1:]))), shape))
    return model


@pytest.mark.parametrize(
    "after",
    [
        lambda: [L.Conv2D(3, 2)],
        lambda: [L.Conv2D(3, 2, padding="same", use_bias=False)],
        lambda: [L.Dense(3)],
        lambda: [L.Flatten(), L.Dense(3)],
        lambda: [L.AveragePooling2D(2), L.Dropout(0.5), L.Flatten(), L.Dense(3)],
        lambda: [L.AveragePooling2D(2, padding="same"), L.Conv2D(3, 2)],
        lambda: [L.GlobalAveragePooling2D(), L.Dense(3)],
        lambda: [L.Reshape((36, 4)), L.Conv1D(3, 2, padding="causal")],
    ],
)
def test_a_factor_goes_into_the_layer_behind(after):
    model = prepared(image(tanh_twice(), *after()))
    result = collapse(model)
    assert stock_of(result, "mix") == "tanh"
    assert difference(model, result, numbers(3, 8, 8, 2)) < 2e-6


@pytest.mark.parametrize(
    "after",
    [
        lambda: [L.MaxPooling2D(), L.Dense(3)],  # the largest of -x is not that of x
        lambda: [L.LayerNormalization(), L.Dense(3)],
        lambda: [L.Dense(3, kernel_constraint="non_neg")],
        lambda: [L.Conv2D(4, 2, groups=2)],
        lambda: [L.Activation("relu"), L.Dense(3)],
        lambda: [L.Dropout(0.5)],
    ],
)
def test_a_factor_stays_where_it_would_not_be_the_same(after):
    model = prepared(image(tanh_twice(), *after()))
    result = collapse(model)
    assert type(result.get_layer("mix").activation).__name__ == "Functional"
    assert difference(model, result, numbers(3, 8, 8, 2)) < 2e-6


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (lambda: [L.Conv2D(3, 2)], True),
        (lambda: [L.MaxPooling2D(padding="same"), L.Flatten(), L.Dense(3)], True),
        (lambda: [L.GlobalMaxPooling2D(), L.Dense(3)], True),
        (lambda: [L.AveragePooling2D(2), L.Conv2D(3, 2)], True),
        (lambda: [L.Permute((3, 1, 2)), L.Flatten(), L.Dense(3)], True),
        (lambda: [L.AveragePooling2D(2, padding="same"), L.Dense(3)], False),
        (lambda: [L.Conv2D(3, 2, padding="same")], False),
        (lambda: [L.Dense(3, use_bias=False)], False),
        (lambda: [L.Dropout(0.5), L.Dense(3)], False),
        (lambda: [L.ZeroPadding2D(), L.Conv2D(3, 2)], False),
    ],
)
@pytest.mark.parametrize("axis", [None, -1])
def test_an_offset_goes_into_a_bias_where_borders_and_dropout_allow(after, expected, axis):
    model = image(ActivationMixture(["tanh", "sigmoid"], "affine", axis, initial="sigmoid", name="mix"), *after())
    result = collapse(prepared(model, weights=(1.0, 0.0)))
    assert (result.get_layer("mix").activation is keras.activations.tanh) == expected
    assert difference(model, result, numbers(3, 8, 8, 2)) < 2e-6


@pytest.mark.parametrize(
    ("weights", "axis", "factors"),
    [
        ((0.5, 2.0), None, 1),  # sigmoid + tanh / 4, and 2 in the kernel behind
        ((-2.0, 0.5), None, 1),
        (([0.5, 3.0, -1.0, 2.0], [2.0, 2.0, 2.0, 2.0]), -1, 1),
        (([0.0, 3.0, 1.0, 2.0], [2.0, 0.0, 2.0, 2.0]), -1, 2),  # each is missing in some channel
    ],
)
def test_of_a_sum_the_factor_of_its_heaviest_function_goes_into_the_layer_behind(weights, axis, factors):
    options = {"combination": "linear", "axis": axis, "standardize": False, "name": "mix"}
    model = image(ActivationMixture(["tanh", "sigmoid"], **options), L.Conv2D(3, 2), L.Flatten(), L.Dense(2))
    model.get_layer("mix").mixing_weights.assign(weights)
    result = collapse(model)
    nodes = [type(node).__name__ for node in result.get_layer("mix").activation.operations]
    assert nodes.count("Multiply") == factors
    kept = np.array_equal(result.layers[-3].get_weights()[0], model.layers[-3].get_weights()[0])
    assert kept == (factors == 2)
    assert difference(model, result, numbers(3, 8, 8, 2)) < 2e-6


@pytest.mark.parametrize(("shape", "axis"), [((4, 4, 4), 1), ((4, 3, 4), 1), ((4, 4), 1), ((4, 4, 3), 2), ((4, 4), -1)])
def test_an_offset_by_channel_stays_at_its_axis(shape, axis, numpy_of):
    """Also where the last axis has as many values: Keras's `ops.add` on TensorFlow adds (1, 4, 1) along that."""
    for mixture in (
        ActivationMixture(["relu", "tanh"], axis=axis),
        ActivationMixture(["relu", added_along_axis_1], axis=axis, standardize=False),
        ActivationMixture(["tanh", "tlu"], axis=axis),
    ):
        model = trained(keras.Sequential([keras.Input(shape), mixture]))
        assert difference(model, collapse(model), numbers(5, *shape)) < 2e-6


def test_constants_are_folded_into_every_reader_or_none(numpy_of):
    def model(*readers):
        inputs = keras.Input((5,))
        mixed = tanh_twice()(L.Dense(4)(inputs))
        return prepared(trained(keras.Model(inputs, [reader(mixed) for reader in readers])))

    x = numbers(9, 5)
    both, one = model(L.Dense(2), L.Dense(3)), model(L.Dense(2), L.Softmax())
    assert stock_of(collapse(both), "mix") == "tanh"
    assert difference(both, collapse(both), x) < 2e-6
    assert collapse(one).get_layer("mix").activation is not keras.activations.tanh
    assert difference(one, collapse(one), x) < 2e-6


def test_a_layer_that_is_called_elsewhere_takes_nothing_in():
    shared, inputs = L.Dense(5), keras.Input((5,))
    model = prepared(trained(keras.Model(inputs, shared(tanh_twice()(shared(inputs))))))
    result = collapse(model)
    assert_array_equal(*[m.get_layer(shared.name).get_weights()[0] for m in (model, result)])
    assert difference(model, result, numbers(9, 5)) < 2e-6


def test_what_is_frozen_stays_frozen_and_other_weights_are_the_same():
    model = dense(tanh_twice(), last=[L.BatchNormalization(), L.Dense(2, name="end")])
    model.get_layer("end").trainable = False
    prepared(model)
    result = collapse(model)
    assert not result.get_layer("end").trainable
    kept = [[w for layer in m.layers if layer.name != "mix" for w in layer.get_weights()] for m in (model, result)]
    for before, after in zip(*kept, strict=True):
        assert_array_equal(before, after)


def added_along_axis_1(x):
    return x + np.arange(4, dtype="float32").reshape(4, *(1 for _ in x.shape[2:]))


# Places


def test_shared_nested_and_wrapped_mixtures():
    shared = ActivationMixture(["relu", "tanh"], name="shared")
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, L.Dense(4)(ActivationMixture(["relu", "sigmoid"], axis=-1)(L.Dense(4)(inner_in))))
    inputs = keras.Input((3, 4))
    h = L.TimeDistributed(ActivationMixture(["tanh", "elu"], axis=-1))(inputs)
    h = shared(L.Dense(4)(shared(h)))
    h = Activation(ActivationMixture(["swish", "relu"]))(h)
    h = L.Dense(4, activation=ActivationMixture(["gelu", "tanh"]))(h)
    model = keras.Model(inputs, inner(inner(L.GlobalAveragePooling1D()(h))))
    x = numbers(9, 3, 4)
    model.predict(x, verbose=0)
    result = collapse(trained(model))
    assert is_stock(result)
    assert "keras_actsel" not in result.to_json()
    assert difference(model, result, x) < 5e-6
    assert len(result.layers) == len(model.layers)


def test_several_inputs_and_outputs_keep_their_names():
    one, two = keras.Input((3,), name="one"), keras.Input((3,), name="two")
    mixed = ActivationMixture(["relu", "tanh"], name="mix")(L.Concatenate()([one, two]))
    model = trained(keras.Model([one, two], [mixed, L.Dense(1, name="end")(mixed)]))
    result = collapse(model)
    assert result.output_names == model.output_names == ["mix", "end"]
    assert difference(model, result, [numbers(9, 3), numbers(9, 3, seed=1)]) < 2e-6


def test_sizes_that_were_open_stay_open():
    inputs = keras.Input((None, None, 3))
    mixed = ActivationMixture(["relu", "tanh"], axis=-1)(inputs)
    model = trained(keras.Model(inputs, mixed))
    for size in (4, 7):
        assert difference(model, collapse(model), numbers(2, size, size, 3)) < 2e-6


def test_masks_go_on():
    inputs = keras.Input((5,), dtype="int32")
    h = L.Embedding(7, 4, mask_zero=True)(inputs)
    model = trained(keras.Model(inputs, L.LSTM(3)(ActivationMixture(["relu", "tanh"])(h))))
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 1, 2]])
    assert difference(model, collapse(model), x) < 2e-6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_dtype_policy_is_kept(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = image(ActivationMixture(["snake", "tanh", "relu"], axis=-1, name="mix"))
    finally:
        keras.config.set_dtype_policy("float32")
    result = collapse(model)
    assert result.get_layer("mix").dtype_policy.name == policy
    assert result.get_layer("mix").output.dtype == model.get_layer("mix").output.dtype
    assert difference(model, result, numbers(2, 8, 8, 2)) < 0.1


def test_functions_of_an_axis_and_random_ones():
    model = dense(ActivationMixture(["softmax", "rrelu", "tanh"], axis=-1))
    assert difference(model, collapse(model), numbers(9, 5)) < 2e-6


def test_a_users_function_becomes_nodes():
    def wavy(x):
        return ops.sin(x) + 0.5 * ops.relu(x)

    model = dense(ActivationMixture(["relu", wavy]))
    result = collapse(model)
    assert is_stock(result)
    assert difference(model, result, numbers(9, 5)) < 2e-6


def test_a_model_of_a_class_of_its_own_gets_collapsed_layers():
    class Net(keras.Model):
        def __init__(self, act):
            super().__init__()
            self.first, self.act, self.last = L.Dense(4), act, L.Dense(1)

        def call(self, x):
            return self.last(self.act(self.first(x)))

    x = numbers(9, 5)
    model = Net(ActivationMixture(["relu", "tanh"], axis=-1))
    model(x)
    trained(model)
    with pytest.raises(ValueError, match=r"class of its own, Net.*act = collapse\(model.act\).*Net\(activation=act\)"):
        collapse(model)
    result = Net(collapse(model.act))
    result(x)
    for name in ("first", "last"):
        getattr(result, name).set_weights(getattr(model, name).get_weights())
    assert difference(model, result, x) < 2e-6


# What becomes of it


@pytest.mark.parametrize("rule", ["keep", "largest"])
def test_it_loads_and_predicts_without_this_package(rule, predicted_elsewhere):
    mixture = ActivationMixture(["snake", "prelu", "gelu"], axis=-1)
    model = image(mixture, L.LayerNormalization(), L.Flatten(), L.Dense(2))
    x = numbers(3, 8, 8, 2)
    result = collapse(model, rule)
    (elsewhere,) = predicted_elsewhere(result, x)
    assert_allclose(elsewhere, result.predict(x, verbose=0), atol=1e-6)


def test_it_trains_on():
    model = dense(ActivationMixture(["relu", "tanh"], axis=-1))
    result = collapse(model, "largest")
    result.compile("adam", "mse")
    losses = result.fit(numbers(64, 5), numbers(64, 2, seed=1), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_what_replace_put_in_can_be_taken_out_again():
    model = keras.Sequential([keras.Input((5,)), L.Dense(4, "relu", name="a"), L.Dense(1)])
    mixed = replace(model, ActivationMixture(["relu", "tanh"], initial="relu"))
    result = collapse(mixed)
    assert [str(site.activation) for site in surgery.sites(result)] == ["relu"]
    assert difference(model, result, numbers(9, 5)) < 1e-6


# Errors


class Block(keras.layers.Layer):
    def __init__(self, act, **kwargs):
        super().__init__(**kwargs)
        self.act = act

    def call(self, x):
        return self.act(x)

    def compute_output_shape(self, input_shape):
        return input_shape


def values_of_the_backend(x):
    return ops.convert_to_tensor(np.sin(ops.convert_to_numpy(x)))


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda: dense(tanh_twice()), {"rule": "best"}, r"Unknown rule. Expected one of .*Received: 'best'"),
        (lambda: dense(tanh_twice()), {"rule": "nearest"}, r"'nearest' needs inputs.*pass `x=`"),
        (lambda: dense(L.ReLU()), {}, r"no activation of keras_actsel to collapse.*replace"),
        (lambda: dense(Block(tanh_twice(), name="b")), {}, r"'b' of type Block holds the mixture 'mix'"),
        (tanh_twice, {}, r"a built activation layer of keras_actsel.* Received: 'mix'.*not built"),
        (lambda: L.Dense(3, name="d"), {}, r"a built activation layer of keras_actsel.*Received: 'd' of type Dense"),
        (lambda: "model", {}, r"Expected a Keras model. Received: 'model'"),
        (lambda: keras.Sequential([L.Dense(3)]), {}, r"not built"),
    ],
)
def test_errors_say_what_to_do(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        collapse(make(), **arguments)


def test_a_function_that_is_no_graph_is_named():
    layer = ActivationMixture([values_of_the_backend, "relu"], standardize=False)
    layer.build((None, 3))
    with pytest.raises(ValueError, match=r"'values_of_the_backend' can't be turned into `keras.ops` nodes.*Rewrite it"):
        collapse(layer)


@pytest.mark.parametrize(
    ("x", "message"), [(numbers(0, 5), r"Received: none"), (np.full((3, 5), np.nan), r"what the mixture 'mix' gets")]
)
def test_nearest_needs_finite_inputs(x, message):
    model = dense(ActivationMixture(["relu", "tanh"], name="mix"))
    with pytest.raises(ValueError, match=message):
        collapse(model, "nearest", x)


def test_nearest_can_not_see_inside_other_layers():
    model = keras.Sequential([keras.Input((3, 4)), L.TimeDistributed(ActivationMixture(["relu", "tanh"], name="in"))])
    with pytest.raises(ValueError, match=r"inputs of 'in' can't be seen.*'keep' or 'largest'"):
        collapse(model, "nearest", numbers(4, 3, 4))


# Drift


def scored(**kwargs):
    model = dense(ActivationMixture(["relu", "tanh"]), last=[L.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", **kwargs)
    return model


def test_drift_measures_outputs_and_what_the_model_was_compiled_with():
    model, x, y = scored(metrics=["accuracy"]), numbers(40, 5), np.arange(40) % 3
    result = drift(model, collapse(model, "largest"), x, y)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result.before == pytest.approx(expected, abs=1e-5)
    assert set(result.after) == {"accuracy", "loss"}
    assert result.after["loss"] != result.before["loss"]
    outputs = [m.predict(x, verbose=0) for m in (model, collapse(model, "largest"))]
    assert result.largest == pytest.approx(np.abs(outputs[0] - outputs[1]).max())
    assert result.mean == pytest.approx(np.abs(outputs[0] - outputs[1]).mean())
    assert str(result).startswith("outputs differ by")
    assert "accuracy" in str(result)


def test_drift_of_several_outputs():
    inputs = keras.Input((5,))
    mixed = ActivationMixture(["relu", "tanh"])(inputs)
    model = trained(keras.Model(inputs, {"a": L.Dense(1, name="a")(mixed), "b": L.Dense(2, name="b")(mixed)}))
    model.compile("adam", {"a": "mse", "b": "mae"}, metrics={"b": ["mse"]})
    x, y = numbers(20, 5), {"a": numbers(20, 1), "b": numbers(20, 2)}
    result = drift(model, collapse(model), x, y)
    assert result.largest < 2e-6
    assert result.before == pytest.approx(result.after, abs=1e-5)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result.before["loss"] == pytest.approx(expected["loss"], abs=1e-5)


def test_drift_scores_as_evaluate_does_with_masks_penalties_and_lists_of_outputs():
    words = keras.Input((6,), dtype="int32")
    embedded = L.Embedding(9, 4, mask_zero=True, embeddings_regularizer="l2")(words)
    steps = L.Dense(1, name="steps")(ActivationMixture(["relu", "tanh"], name="mix")(embedded))
    model = keras.Model(words, [steps, L.Dense(1, name="last")(L.LSTM(3)(steps))])
    model.compile("adam", {"steps": "mse", "last": "mae"}, metrics={"steps": ["mae"]})
    x = np.random.default_rng(0).integers(1, 9, (40, 6)) * (np.arange(6) < 4)
    y = [np.where(x[..., None] > 0, numbers(40, 6, 1), 99.0), numbers(40, 1)]
    result = drift(model, collapse(model), x, y)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert result.before == pytest.approx(expected, abs=1e-5)
    assert result.after == pytest.approx(expected, abs=1e-5)
    assert expected["steps_mae"] < 50, "padding would count"


def test_drift_says_what_it_needs():
    model = dense(ActivationMixture(["relu", "tanh"]))
    with pytest.raises(ValueError, match=r"is not compiled.*before.compile"):
        drift(model, model, numbers(4, 5), numbers(4, 2))
    with pytest.raises(ValueError, match=r"different shapes.*\(4, 2\)"):
        drift(model, dense(L.ReLU(), last=[L.Dense(3)]), numbers(4, 5))
    with pytest.raises(ValueError, match=r"read twice.*shape \(0, 5\)"):
        drift(model, model, numbers(0, 5))
    with pytest.raises(ValueError, match=r"read twice.*generator"):
        drift(model, model, (numbers(4, 5) for _ in range(2)))


def test_entries_of_ones_own_are_candidates_too():
    @activation(formula="x*sin(x)", derivative="sin(x) + x*cos(x)", range=(-np.inf, np.inf), smoothness=np.inf)
    def own_wave(x):
        """A wave that grows."""
        return x * ops.sin(x)

    try:
        model = dense(ActivationMixture(["relu", "own_wave"]))
        assert difference(model, collapse(model), numbers(9, 5)) < 5e-6
    finally:
        from keras_actsel.activations import _record

        del _record.ENTRIES["own_wave"]
