"""Activations that are no mixtures become stock ones as well, wherever they are, and stay the same functions."""

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal

from keras_actsel import activations, collapse, drift, layers, surgery

L = keras.layers
get = activations.get


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def trained(model):
    """The model with weights as if it had been trained, learned parameters inside their limits."""
    for seed, weight in enumerate(model.trainable_weights):
        moved = ops.convert_to_numpy(weight) + 0.1 * numbers(*weight.shape, seed=seed)
        weight.assign(moved if weight.constraint is None else weight.constraint(ops.convert_to_tensor(moved)))
    return model


def dense(*hidden):
    """A Dense before each of some layers, and one behind."""
    chain = [layer for act in hidden for layer in (L.Dense(6), act)]
    return trained(keras.Sequential([keras.Input((5,)), *chain, L.Dense(2)]))


def difference(before, after, x):
    return drift(before, after, x).largest


def assert_stock(model):
    assert "keras_actsel" not in model.to_json()
    for layer in model.layers:
        for part in (layer, *surgery.sublayers(layer).values()):
            assert not type(part).__module__.startswith("keras_actsel")


# Every function, in every place


def test_every_entry_of_the_catalogue(predicted_elsewhere):
    inputs, records = keras.Input((12,)), activations.catalogue()
    model = trained(keras.Model(inputs, [layers.Activation(r, name=f"as_{r.name}")(inputs) for r in records]))
    x = 2 * numbers(32, 12)
    result = collapse(model)
    assert_stock(result)
    assert result.output_shape == model.output_shape
    expected, elsewhere = model.predict(x, verbose=0), predicted_elsewhere(result, x)
    for record, here, there in zip(records, expected, elsewhere, strict=True):
        assert_allclose(there, here, rtol=1e-5, atol=2e-6, err_msg=record.name)


def places():
    """A model with activations of this package in all places where layers of Keras take one."""
    inputs, shared, learned = keras.Input((4, 6)), layers.Serf(name="shared"), layers.Snake(name="learned")
    inner_in = keras.Input((6,))
    inner = keras.Model(inner_in, layers.Activation("prelu", name="inner_prelu")(L.Dense(6, get("apl"))(inner_in)))
    h = L.Dense(6, activation=get("leaky_relu(negative_slope=0.1)"))(inputs)
    h = L.Activation(get("logish"), name="held")(L.Conv1D(6, 2, padding="same", activation=get("serf"))(h))
    h = L.TimeDistributed(layers.Mish())(L.TimeDistributed(L.Dense(6, activation=get("golu")))(h))
    h = L.TimeDistributed(layers.Activation("prelu"))(h)
    h = learned(shared(L.Dense(6)(learned(shared(h)))))
    h = L.Bidirectional(L.GRU(3, activation=get("snake"), return_sequences=True))(h)
    h = L.RNN([L.LSTMCell(4, activation=get("mish")), L.LSTMCell(6, recurrent_activation=get("tlu"))])(h)
    h = L.Dense(6, activation=layers.Activation("prelu", axis=-1))(inner(inner(h)))
    outputs = L.Dense(3, activation=get("softmin"))(layers.GLU()(h))
    return keras.Model(inputs, outputs)


def test_every_place(predicted_elsewhere):
    model, x = places(), numbers(8, 4, 6)
    model.predict(x, verbose=0)  # which builds the layer that is an activation
    trained(model)
    result = collapse(model)
    assert_stock(result)
    assert difference(model, result, x) < 1e-6
    assert [layer.name for layer in result.layers] == [layer.name for layer in model.layers]
    assert result.get_layer("held").activation.name == "logish"
    called_twice = {f"{name}[{call}]" for name in ("shared", "learned") for call in (0, 1)}
    assert called_twice <= {site.path for site in surgery.sites(result)}
    assert_allclose(*predicted_elsewhere(result, x), model.predict(x, verbose=0), atol=1e-6)


def test_convolutions_with_memory():
    inputs = keras.Input((3, 5, 5, 2))
    model = trained(keras.Model(inputs, L.ConvLSTM2D(2, 2, activation=get("snake"))(inputs)))
    result = collapse(model)
    assert_stock(result)
    assert difference(model, result, numbers(2, 3, 5, 5, 2)) < 1e-6


# What it becomes


@pytest.mark.parametrize("make", [layers.Activation, L.Activation])
@pytest.mark.parametrize(
    ("spelling", "expected"),
    [("mish", keras.activations.mish), ("hard_tanh", keras.activations.hard_tanh), ("relu", keras.activations.relu)],
)
def test_what_keras_has_becomes_its_function(make, spelling, expected):
    model = dense(make(get(spelling), name="act"))
    result = collapse(model)
    assert type(result) is keras.Sequential
    assert result.get_layer("act").activation is expected
    assert_array_equal(result.predict(numbers(9, 5), verbose=0), model.predict(numbers(9, 5), verbose=0))


def test_a_function_in_a_dense_layer_stays_there():
    model = trained(keras.Sequential([keras.Input((5,)), L.Dense(6, get("mish"), name="a"), L.Dense(6, get("snake"))]))
    result = collapse(model)
    assert result.get_layer("a").activation is keras.activations.mish
    assert len(result.layers) == 2
    assert difference(model, result, numbers(9, 5)) < 1e-6


def test_what_channels_have_learned_becomes_constants():
    learned = layers.Activation("prelu", axis=-1, name="act")
    model = trained(keras.Sequential([keras.Input((6, 6, 2)), L.Conv2D(4, 3), learned, L.Flatten(), L.Dense(2)]))
    learned.alpha.assign([0.1, -0.5, 0.7, 0.0])
    result = collapse(model)
    assert not result.get_layer("act").weights
    assert difference(model, result, numbers(3, 6, 6, 2)) < 1e-6


def test_one_learned_slope_becomes_a_leaky_relu():
    learned = layers.Activation("prelu", trainable="alpha", name="act")
    model = dense(learned)
    result = collapse(model)
    assert type(result.get_layer("act")).__name__ == "LeakyReLU"
    assert result.get_layer("act").negative_slope == pytest.approx(float(ops.convert_to_numpy(learned.alpha)))


def test_what_is_random_in_training_becomes_what_it_is_in_inference():
    model = dense(layers.RReLU(lower=0.1, upper=0.3, name="act"))
    result = collapse(model)
    assert result.get_layer("act").negative_slope == pytest.approx(0.2)
    x = numbers(9, 5)
    assert_allclose(ops.convert_to_numpy(result(x, training=True)), model.predict(x, verbose=0), atol=1e-6)


def test_a_layer_of_keras_that_ours_applies_keeps_its_weights():
    model = dense(layers.Activation(L.PReLU(), name="act"))
    model.predict(numbers(9, 5), verbose=0)
    trained(model)
    result = collapse(model)
    assert_stock(result)
    assert len(result.trainable_weights) == len(model.trainable_weights)
    assert difference(model, result, numbers(9, 5)) < 1e-6


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_dtype_policy_is_kept(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = dense(layers.Snake(name="a"), layers.Activation("prelu", name="b"), L.Activation(get("apl"), name="c"))
    finally:
        keras.config.set_dtype_policy("float32")
    result = collapse(model)
    for name in "abc":
        assert result.get_layer(name).dtype_policy.name == policy
        assert result.get_layer(name).output.dtype == model.get_layer(name).output.dtype
    assert difference(model, result, numbers(9, 5)) < 0.05


@pytest.mark.parametrize(
    "make",
    [
        lambda regularizer: layers.Snake(activity_regularizer=regularizer),
        lambda regularizer: layers.Activation("prelu", activity_regularizer=regularizer),
        lambda regularizer: layers.ActivationMixture(["relu", "tanh"], activity_regularizer=regularizer),
        lambda regularizer: layers.GLU(activity_regularizer=regularizer),
        lambda regularizer: L.Activation(get("snake"), activity_regularizer=regularizer),
        lambda regularizer: L.Dense(3, layers.ActivationMixture(["relu", "snake"], activity_regularizer=regularizer)),
    ],
)
def test_regularizers_of_the_output_are_kept(make):
    model, x = keras.Sequential([keras.Input((6,)), make(keras.regularizers.L2(0.3))]), numbers(9, 6)
    model(x)
    result = collapse(model)
    read_back = keras.Sequential.from_config(result.get_config())
    read_back.set_weights(result.get_weights())
    losses = []
    for each in (model, result, read_back):
        each(x)
        losses.append(float(ops.convert_to_numpy(sum(each.losses))))
    assert losses[0] > 0.1
    assert_allclose(losses, losses[0], rtol=1e-5)


# Beside mixtures


@pytest.mark.parametrize("rule", ["keep", "largest", "nearest"])
def test_rules_are_for_mixtures_alone(rule):
    regularizer, x = layers.EntropyRegularizer(0.01), numbers(64, 5)
    mixture = layers.ActivationMixture(["relu", "tanh", "sine"], name="mix", coefficient_regularizer=regularizer)
    model = dense(layers.Snake(name="snake"), mixture)
    model.add(layers.Activation("prelu", name="prelu"))
    result = collapse(model, rule, x if rule == "nearest" else None)
    assert_stock(result)
    assert (difference(model, result, x) < 2e-6) == (rule == "keep")
    z = numbers(9, 6)
    for name in ("snake", "prelu"):
        width = model.get_layer(name).output.shape[-1]
        values = [ops.convert_to_numpy(m.get_layer(name)(z[:, :width])) for m in (model, result)]
        assert_allclose(*values, atol=1e-6)


def test_weights_of_other_layers_are_the_same():
    model = dense(layers.Snake(), layers.Activation("leaky_relu(negative_slope=0.3)"))
    model.layers[-1].trainable = False
    result = collapse(model)
    assert not result.layers[-1].trainable
    kept = [
        [w for layer in m.layers if isinstance(layer, L.Dense) for w in layer.get_weights()] for m in (model, result)
    ]
    for before, after in zip(*kept, strict=True):
        assert_array_equal(before, after)


def test_nearest_needs_no_mixture():
    model, x = dense(layers.Snake()), numbers(9, 5)
    assert difference(model, collapse(model, "nearest", x), x) < 1e-6


def test_a_layer_alone(numpy_of):
    layer, x = layers.Activation("prelu", name="act"), numbers(9, 5)
    expected = numpy_of(layer(x))
    for rule in ("keep", "nearest"):
        result = collapse(layer, rule, x)
        assert result.name == "act"
        assert type(result).__module__.startswith("keras.")
        assert_allclose(numpy_of(result(x)), expected, atol=1e-6)


# Numbers of axes


def twice(layer):
    """A layer that is called on inputs of two and of three axes."""
    inputs = keras.Input((5,))
    return keras.Model(inputs, [layer(inputs), layer(L.Reshape((5, 1))(inputs))])


@pytest.mark.parametrize(
    "make",
    [
        layers.Mish,
        lambda: layers.Activation("prelu", trainable="alpha"),
        lambda: layers.ActivationMixture(["relu", "linear"], "linear", standardize=False),
        lambda: L.Activation(get("elu")),
    ],
)
def test_functions_of_keras_take_any_number_of_axes(make):
    model = twice(make())
    assert difference(model, collapse(model), numbers(9, 5)) < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Snake(name="a"), r"The activation 'a' .*Received: calls on inputs of 2 and 3 axes.*its own"),
        (lambda: layers.ActivationMixture(["relu", "tanh"], name="a"), r"The mixture 'a' .*calls on inputs of 2 and 3"),
        (lambda: L.Activation(get("snake"), name="a"), r"The activation 'snake' in the layer 'a'.*2 and 3 axes"),
    ],
)
def test_nodes_are_made_for_one_number_of_axes(make, message):
    with pytest.raises(ValueError, match=message):
        collapse(twice(make()))


# What is out of reach


@keras.saving.register_keras_serializable(package="tests")
class Holder(keras.layers.Layer):
    """A layer of a user's own that applies an activation inside."""

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def call(self, x):
        return self.activation(x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


class Hidden(Holder):
    def get_config(self):
        return {"name": self.name}


def test_a_layer_of_ones_own_takes_what_keras_has():
    model = dense(Holder(get("mish"), name="own"))
    result = collapse(model)
    assert_stock(result)
    assert result.get_layer("own").activation is keras.activations.mish
    assert difference(model, result, numbers(9, 5)) < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Holder(get("snake"), name="a"),
            r"The activation 'snake' in the layer 'a'.*type Holder",
        ),
        (lambda: Hidden(layers.Mish(name="m"), name="a"), r"'a' of type Hidden holds the activation 'm' inside"),
        (
            lambda: L.Dense(6, layers.Activation("prelu", name="p"), name="a"),
            r"'a' of type Dense holds the activation",
        ),
        (
            lambda: L.Dense(6, kernel_regularizer=layers.EntropyRegularizer(0.1), name="a"),
            r"'a' of type Dense holds the activation 'EntropyRegularizer' inside",
        ),
    ],
)
def test_what_is_out_of_reach_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        collapse(dense(make()))


def test_a_model_inside_a_wrapper_is_out_of_reach():
    inner = keras.Sequential([keras.Input((5,)), L.Dense(3), layers.Mish(name="m")])
    model = keras.Sequential([keras.Input((4, 5)), L.TimeDistributed(inner, name="each")])
    with pytest.raises(ValueError, match=r"'each' of type TimeDistributed holds the activation 'm' inside"):
        collapse(model)


def test_copies_that_learn_apart_are_out_of_reach():
    learned = layers.Activation("prelu", trainable="alpha", name="p")
    model = keras.Sequential([keras.Input((4, 5)), L.Bidirectional(L.SimpleRNN(3, activation=learned), name="both")])
    with pytest.raises(ValueError, match=r"'both' of type Bidirectional holds the activation"):
        collapse(model)
