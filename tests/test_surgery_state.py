"""What surgery carries over: all kinds of state, layers of any class, and fresh starts from a seed."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal

from keras_actsel import layers
from keras_actsel.search._random import reseed_generators, weights_drawn_by
from keras_actsel.surgery import rebuild, replace, sites

L = keras.layers
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="strings need TensorFlow")


def drawn(model, activation=None, *, seed):
    """A fresh start as the search makes it."""
    with weights_drawn_by(seed):
        new = rebuild(model, activation, fresh=True)
    reseed_generators(new, seed)
    return new


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def called(model, x):
    return ops.convert_to_numpy(model(x, training=False))


def chain(*parts, shape=(4,), dtype=None, name=None):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts], name=name)


def values(model):
    return [np.array(ops.convert_to_numpy(w)) for w in model.weights]


def assert_copied(model, *shape):
    x = numbers(5, *(shape or (4,)))
    assert_array_equal(called(rebuild(model), x), called(model, x))


# --- state ----------------------------------------------------------------------------------------------------------


def test_batch_statistics_are_kept():
    model = chain(L.Dense(3, "relu"), L.BatchNormalization(), L.Dense(1))
    model.compile("sgd", "mse")
    model.fit(numbers(16, 4), numbers(16, 1), epochs=2, verbose=0)
    assert_copied(model)


def test_normalization_is_kept_with_what_it_derives():
    norm = L.Normalization()
    norm.adapt(numbers(50, 4) * 3 + 1)
    model = chain(norm, L.Dense(3, "relu"), L.Dense(1))
    assert_copied(model)
    x = numbers(5, 4)
    assert_array_equal(called(drawn(model, seed=1).layers[0], x), called(norm, x))


def test_bins_are_kept():
    bins = L.Discretization(num_bins=4, output_mode="one_hot")
    bins.adapt(numbers(50, 1))
    assert_copied(chain(bins, L.Dense(3, "relu"), L.Dense(1), shape=(1,)), 1)


@on_tensorflow
def test_vocabularies_are_kept():
    lookup = L.StringLookup(output_mode="multi_hot")
    lookup.adapt(np.array([["a"], ["b"], ["c"]]))
    model = chain(lookup, L.Dense(3, "relu"), L.Dense(1), shape=(1,), dtype="string")
    x = np.array([["b"], ["z"]])
    assert_array_equal(called(replace(model, "relu"), x), called(model, x))
    fresh = drawn(model, "relu", seed=1)
    assert fresh.layers[0].get_vocabulary() == lookup.get_vocabulary()


@on_tensorflow
@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_text_vocabularies_are_kept(mode):
    text = L.TextVectorization(output_mode=mode, **({"output_sequence_length": 3} if mode == "int" else {}))
    text.adapt(np.array(["one two", "two three", "three three four"]))
    x = np.array([["two four"], ["five"]])
    head = [L.Embedding(10, 4), L.Flatten()] if mode == "int" else []
    model = chain(text, *head, L.Dense(3, "relu"), L.Dense(1), shape=(1,), dtype="string")
    assert_array_equal(called(replace(model, "relu"), x), called(model, x))


def test_random_state_is_kept():
    model = chain(L.Dense(8, "relu"), L.Dropout(0.5), L.Dense(1))
    x = numbers(4, 4)
    model(x, training=True)
    states = [[ops.convert_to_numpy(v) for v in m.variables] for m in (model, rebuild(model))]
    assert len(states[0]) == len(model.weights) + 1
    for state, copied in zip(*states, strict=True):
        assert_array_equal(state, copied)


def test_the_copy_has_memory_of_its_own():
    model = chain(L.Dense(8, "relu"), L.Dense(1))
    before = values(model)
    copy = rebuild(model)
    copy.compile("adam", "mse")
    copy.fit(numbers(8, 4), numbers(8, 1), epochs=2, verbose=0)
    for weight, value in zip(values(model), before, strict=True):
        assert_array_equal(weight, value)
    model.compile("adam", "mse")
    model.fit(numbers(8, 4), numbers(8, 1), epochs=2, verbose=0)
    assert np.all(np.isfinite(called(copy, numbers(2, 4))))


def test_attention_and_recurrent_layers_are_copied():
    x = keras.Input((5, 4))
    y = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.MultiHeadAttention(2, 3)(x, x))
    y = L.RNN(L.StackedRNNCells([L.GRUCell(3), L.LSTMCell(2)]))(L.LayerNormalization()(y))
    assert_copied(keras.Model(x, L.Dense(1)(y)), 5, 4)


def test_adapters_and_quantized_kernels_are_copied():
    model = chain(L.Dense(8, "relu"), L.Dense(2))
    model.layers[0].enable_lora(2)
    model.layers[0].lora_kernel_b.assign(numbers(2, 8))
    assert_copied(model)
    model = chain(L.Dense(8, "relu"), L.Dense(2))
    model.quantize("int8")
    assert_copied(model)


# --- layers of any class --------------------------------------------------------------------------------------------

SCALE = 2.0


def shifted(x):
    return x + 1.0


def test_lambda_layers_are_copied_with_their_functions():
    local = 3.0
    model = chain(
        L.Lambda(lambda x: x * SCALE + local),
        L.Lambda(shifted, arguments={}),
        L.Lambda(lambda x, by: x * by, arguments={"by": 2.0}, output_shape=lambda shape: shape),
        L.Dense(3, "relu"),
        L.Dense(1),
    )
    assert_copied(model)


def local_function():
    def doubled(x):
        return ops.tanh(x) * 2.0

    return doubled


@pytest.mark.parametrize("function", [lambda x: x * 0.5, shifted, local_function()])
def test_functions_as_activations_are_copied(function):
    model = chain(L.Dense(3, function), L.Activation(function), L.Dense(1))
    assert len(sites(model)) == 2
    assert_copied(model)
    replaced = replace(chain(L.Dense(3, "relu"), L.ReLU(), L.Dense(1)), function)
    assert [site.activation.function for site in sites(replaced)] == [function, function]


def own_classes():
    class Scaled(keras.layers.Layer):
        def __init__(self, factor, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor
            self.inner = L.Dense(3, "relu")

        def build(self, shape):
            self.inner.build(shape)
            self.scale = self.add_weight(shape=(3,), initializer="random_normal")

        def call(self, x):
            return self.inner(x) * self.scale * self.factor

        def get_config(self):
            return {**super().get_config(), "factor": self.factor}

    class Wrapping(keras.layers.Wrapper):
        def call(self, x):
            return self.layer(x)

    return Scaled, Wrapping


def test_unregistered_classes_are_copied():
    scaled, wrapping = own_classes()
    assert_copied(chain(scaled(2.0), wrapping(scaled(0.5)), L.Dense(3, "relu"), L.Dense(1)))


def test_a_layer_without_a_config_is_named():
    class Opaque(keras.layers.Layer):
        def __init__(self, function):
            super().__init__(name="opaque")
            self.function = function

        def call(self, x):
            return self.function(x)

    model = chain(Opaque(ops.sin), L.Dense(3, "relu"), L.Dense(1))
    message = r"'opaque' of type Opaque can't be made again.*Give the class a `get_config`.*`build\(activation\)`"
    with pytest.raises(ValueError, match=message):
        replace(model, "mish")


def test_a_layer_whose_config_forgets_an_argument_is_named():
    class Forgetful(keras.layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(name="forgetful")
            self.units = units

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], self.units))

        def call(self, x):
            return x @ self.w

        def get_config(self):
            return {}

    with pytest.raises(ValueError, match=r"'forgetful'.*has other variables: .* \(4, 3\).*Expected: .* \(4, 5\)"):
        rebuild(chain(Forgetful(5), L.Dense(3, "relu")))


def test_shared_layers_of_two_models_are_copied_once():
    dense = L.Dense(4, "relu", name="both")
    inner = keras.Sequential([keras.Input((4,)), dense], name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1)(inner(dense(x))))
    copy = replace(model, "mish")
    assert copy.get_layer("both") is copy.get_layer("inner").get_layer("both")
    assert len(copy.weights) == len(model.weights)
    assert_copied(model)


def test_operations_with_constants_are_copied():
    x = keras.Input((4, 3))
    y = ops.einsum("abc,cd->abd", x, numbers(3, 2))
    y = ops.where(y > 0.0, y, 0.1 * y)[:, 1:, ..., None]
    y = ops.add(ops.transpose(y, (0, 2, 1, 3)), numbers(2, 3, 1))
    first, second = ops.split(ops.reshape(y, (-1, 6)), 2, axis=-1)
    assert_copied(keras.Model(x, ops.stack([ops.relu(first), second], axis=1)), 4, 3)


def test_calls_with_arguments_are_repeated():
    inner = chain(L.Dropout(0.5, seed=1), L.BatchNormalization(), name="inner")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1, "relu")(inner(x, training=False)))
    copy = rebuild(model)
    data = numbers(3, 4)
    assert_array_equal(
        ops.convert_to_numpy(copy(data, training=True)), ops.convert_to_numpy(model(data, training=True))
    )


def test_single_frozen_variables_stay_frozen():
    model = chain(L.Dense(3, "relu", name="a"), L.Dense(1))
    model.layers[0].kernel.trainable = False
    copy = rebuild(model)
    assert [v.trainable for v in copy.layers[0].variables] == [False, True]


# --- fresh starts ---


def start(model):
    return {f"{i} {w.path}": np.array(ops.convert_to_numpy(w)) for i, w in enumerate(model.weights)}


def seeded_model():
    scaled, _ = own_classes()
    he = keras.initializers.HeNormal
    inner = chain(L.Dense(4, "relu", kernel_initializer=he(seed=1), name="i"), name="inner")
    x = keras.Input((4,))
    y = L.Dense(4, "relu", kernel_initializer=he(seed=1), name="fixed")(inner(x))
    y = L.Dense(4, "relu", kernel_initializer=he(), name="free")(L.Dropout(0.5, seed=3)(y))
    return keras.Model(x, L.Dense(1, name="head")(scaled(2.0, name="own")(y)))


def kernel(model, name):
    return np.array(ops.convert_to_numpy(model.get_layer(name).kernel))


def test_equal_seeds_give_equal_starts_whatever_the_automatic_names():
    first, second = (drawn(chain(L.Dense(3, "relu"), L.Dense(1)), seed=5) for _ in range(2))
    assert first.layers[0].name != second.layers[0].name
    for one, other in zip(first.weights, second.weights, strict=True):
        assert_array_equal(one, other)


def test_equal_seeds_give_equal_starts_for_every_candidate():
    model = seeded_model()
    first = drawn(model, seed=5)
    for new in ("mish", L.PReLU(), layers.ActivationMixture(["relu", "mish"])):
        other = drawn(model, new, seed=5)
        for name in ("fixed", "free", "head"):
            assert_array_equal(kernel(other, name), kernel(first, name))
        assert_array_equal(kernel(other.get_layer("inner"), "i"), kernel(first.get_layer("inner"), "i"))
        for weight, expected in zip(other.get_layer("own").weights, first.get_layer("own").weights, strict=True):
            assert_array_equal(weight, expected)


def test_different_seeds_share_no_start():
    model = seeded_model()
    first, second = drawn(model, seed=5), drawn(model, seed=6)
    for name in ("fixed", "free", "head"):
        assert np.all(kernel(first, name) != kernel(second, name))
        assert np.all(kernel(first, name) != kernel(model, name))
    assert np.all(kernel(first, "fixed") != kernel(first, "free"))
    own = [np.array(ops.convert_to_numpy(m.get_layer("own").scale)) for m in (first, second, model)]
    assert np.all(own[0] != own[1])
    assert np.all(own[0] != own[2])


def test_seeds_reach_dropout_and_recurrent_layers():
    x = keras.Input((5, 4))
    y = L.Dropout(0.5, seed=1, name="drop")(L.Bidirectional(L.LSTM(3, dropout=0.5, seed=2), name="both")(x))
    model = keras.Model(x, L.Dense(1)(y))
    data = numbers(3, 5, 4)
    runs = [ops.convert_to_numpy(drawn(model, seed=seed)(data, training=True)) for seed in (1, 1, 2)]
    assert_array_equal(runs[0], runs[1])
    assert np.any(runs[0] != runs[2])


def test_frozen_weights_keep_their_values_in_a_fresh_start():
    base = chain(L.Dense(4, "relu", name="d"), L.BatchNormalization(name="n"), name="base")
    x = keras.Input((4,))
    model = keras.Model(x, L.Dense(1, name="head")(L.BatchNormalization(name="last")(base(x))))
    for weight in model.weights:
        weight.assign(np.abs(numbers(*weight.shape, seed=1)) + 2.0)
    base.trainable = False
    fresh = drawn(model, "mish", seed=1)
    for weight, expected in zip(fresh.get_layer("base").weights, base.weights, strict=True):
        assert_array_equal(weight, expected)
    assert not fresh.get_layer("base").trainable
    assert np.all(kernel(fresh, "head") != kernel(model, "head"))
    assert_array_equal(fresh.get_layer("last").moving_mean, np.zeros(4))


def test_a_partly_frozen_composite_keeps_its_frozen_part():
    scaled, _ = own_classes()
    layer = scaled(2.0, name="own")
    model = chain(layer, L.Dense(1, "relu"))
    layer.inner.trainable = False
    fresh = drawn(model, seed=1).layers[0]
    assert_array_equal(fresh.inner.kernel, layer.inner.kernel)
    assert not fresh.inner.trainable
    assert fresh.scale.trainable
    assert np.all(ops.convert_to_numpy(fresh.scale) != ops.convert_to_numpy(layer.scale))


def test_single_frozen_variables_keep_their_values_in_a_fresh_start():
    model = chain(L.Dense(3, "relu", name="a"), L.Dense(1))
    model.layers[0].bias.assign([1.0, 2.0, 3.0])
    model.layers[0].bias.trainable = False
    fresh = drawn(model, seed=1).layers[0]
    assert_array_equal(fresh.bias, [1.0, 2.0, 3.0])
    assert np.all(ops.convert_to_numpy(fresh.kernel) != ops.convert_to_numpy(model.layers[0].kernel))
