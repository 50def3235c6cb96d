"""Where the activations of a model are, which role they have, and models with others in their place."""

from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_array_equal

from keras_actsel import activations, layers
from keras_actsel.surgery import Site, replace, sites

L = keras.layers


def everywhere(site):
    return True


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def called(model, x):
    return keras.tree.map_structure(ops.convert_to_numpy, model(x, training=False))


def perceptron(activation="relu", **kwargs):
    return keras.Sequential(
        [keras.Input((4,)), L.Dense(8, activation, name="a"), L.Dense(3, "softmax", name="b")], **kwargs
    )


def functional(build, *shapes, **kwargs):
    inputs = [keras.Input(shape, name=f"in{i}") for i, shape in enumerate(shapes or ((4,),))]
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, build(*inputs), **kwargs)


def roles(model):
    return {site.path: site.role for site in sites(model)}


def records(model):
    return {site.path: str(site.activation) for site in sites(model)}


def assert_same_function(model, other, *shape):
    x = numbers(5, *(shape or (4,)))
    for before, after in zip(keras.tree.flatten(called(model, x)), keras.tree.flatten(called(other, x)), strict=True):
        assert_array_equal(before, after)


# --- sites ----------------------------------------------------------------------------------------------------------


def test_a_site_tells_path_activation_shape_role_and_layer():
    site, last = sites(perceptron())
    assert site == Site("a", activations.get("relu"), (None, 8), "hidden", "Dense")
    assert (last.path, last.role, last.shape) == ("b", "output", (None, 3))


@pytest.mark.parametrize(
    ("layer", "record"),
    [
        (lambda: L.Activation("silu"), "silu"),
        (lambda: L.Activation("linear"), "linear"),
        (L.ReLU, "relu"),
        (lambda: L.ReLU(max_value=6.0), "relu(max_value=6.0)"),
        (L.LeakyReLU, "leaky_relu(negative_slope=0.3)"),
        (lambda: L.ELU(alpha=0.5), "elu(alpha=0.5)"),
        (L.Softmax, "softmax"),
        (lambda: L.Softmax(axis=1), "softmax(axis=1)"),
        (lambda: layers.Activation("leaky_relu", negative_slope=0.1), "leaky_relu(negative_slope=0.1)"),
        (layers.LeakyReLU, "leaky_relu"),
    ],
)
def test_activation_layers_become_records(layer, record):
    model = keras.Sequential([keras.Input((3, 4)), layer(), L.Dense(1)])
    assert [str(site.activation) for site in sites(model)] == [record]


@pytest.mark.parametrize(
    "layer",
    [
        L.PReLU,
        lambda: L.Softmax(axis=(1, 2)),
        lambda: layers.ActivationMixture(["relu", "linear"]),
        lambda: layers.Activation("leaky_relu", trainable="negative_slope"),
    ],
)
def test_layers_that_no_record_describes_stand_for_themselves(layer):
    model = keras.Sequential([keras.Input((3, 4)), layer(), L.Dense(1)])
    assert [site.activation for site in sites(model)] == [model.layers[0]]


@pytest.mark.parametrize(
    ("function", "record"),
    [
        (ops.relu, "relu"),
        (ops.relu6, "relu6"),
        (ops.silu, "silu"),
        (ops.tanh, "tanh"),
        (ops.sigmoid, "sigmoid"),
        (lambda x: ops.leaky_relu(x, 0.05), "leaky_relu(negative_slope=0.05)"),
        (lambda x: keras.activations.relu(x, max_value=6.0), "relu(max_value=6.0)"),
        (lambda x: ops.elu(x, alpha=0.5), "elu(alpha=0.5)"),
    ],
)
def test_operations_are_sites(function, record):
    model = functional(lambda x: L.Dense(1)(function(L.Dense(3)(x))))
    assert [str(site.activation) for site in sites(model)] == [record]
    assert_same_function(model, replace(model, record))


def test_other_operations_are_none():
    model = functional(lambda x: L.Dense(1)(ops.exp(x) + ops.sqrt(ops.abs(x)) * ops.maximum(x, 0.0)))
    assert sites(model) == ()


def test_linear_arguments_are_none():
    assert sites(keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dense(2, "linear")])) == ()


def test_layers_with_an_activation_argument():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            L.Conv2D(3, 3, activation="relu", name="conv"),
            L.DepthwiseConv2D(3, activation="silu", name="depthwise"),
            L.SeparableConv2D(3, 3, activation="elu", name="separable"),
            L.Flatten(),
            L.EinsumDense("ab,bc->ac", output_shape=4, activation="gelu", name="einsum"),
            L.Dense(1),
        ]
    )
    assert records(model) == {"conv": "relu", "depthwise": "silu", "separable": "elu", "einsum": "gelu"}
    assert set(records(replace(model, "tanh")).values()) == {"tanh"}


def test_an_activation_argument_that_is_a_layer():
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, activation=L.ReLU(max_value=6.0)), L.Dense(1)])
    assert str(sites(model)[0].activation) == "relu(max_value=6.0)"
    learned = keras.Sequential([keras.Input((4,)), L.Dense(3, activation=L.PReLU()), L.Dense(1)])
    called(learned, numbers(2, 4))
    assert isinstance(sites(learned)[0].activation, L.PReLU)
    replaced = replace(learned, "relu")
    assert records(replaced)[learned.layers[0].name] == "relu"
    assert_array_equal(replaced.layers[0].kernel, learned.layers[0].kernel)


def test_recurrent_layers_and_wrappers():
    model = keras.Sequential(
        [
            keras.Input((5, 4)),
            L.Bidirectional(L.LSTM(3, return_sequences=True), name="both"),
            L.GRU(3, return_sequences=True, name="gru"),
            L.RNN(L.SimpleRNNCell(3, name="cell"), return_sequences=True, name="rnn"),
            L.TimeDistributed(L.Dense(3, "relu"), name="steps"),
            L.Dense(1),
        ]
    )
    found = roles(model)
    assert found.pop("steps/layer") == "hidden"
    assert set(found.values()) == {"recurrent"}
    assert {"both/layer", "both/layer.recurrent_activation", "gru", "gru.recurrent_activation", "rnn/cell"} <= set(
        found
    )
    changed = replace(model, "elu", where=lambda s: "recurrent_activation" in s.path or s.path == "steps/layer")
    assert {path for path, record in records(changed).items() if record == "elu"} == {
        "both/layer.recurrent_activation",
        "both/backward_layer.recurrent_activation",
        "gru.recurrent_activation",
        "steps/layer",
    }


@keras.saving.register_keras_serializable(package="test_surgery")
class Block(keras.layers.Layer):
    """Names its activations as layers of other libraries do."""

    def __init__(self, units, hidden_activation="relu", activation="gelu", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden_activation = keras.activations.get(hidden_activation)
        self.activation = keras.activations.get(activation)
        self.first = L.Dense(units, self.hidden_activation)
        self.second = L.Dense(units)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], self.units))

    def call(self, x):
        return self.second(self.activation(self.first(x)))

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "hidden_activation": keras.activations.serialize(self.hidden_activation),
            "activation": keras.activations.serialize(self.activation),
        }


def test_layers_of_other_libraries_name_activations_in_their_config():
    model = keras.Sequential([keras.Input((4,)), Block(3, name="block")])
    assert records(model) == {"block.hidden_activation": "relu", "block": "gelu"}
    assert set(roles(model).values()) == {"hidden"}
    assert_same_function(model, replace(model, "relu", where=lambda s: s.path == "block.hidden_activation"))
    with pytest.raises(ValueError, match=r"'block.hidden_activation', inside a layer of type Block"):
        replace(model, L.PReLU())


# --- roles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        lambda x: x,
        L.Reshape((4, 1)),
        lambda x: L.Dropout(0.5)(L.Flatten()(x)),
        L.Activation("linear", name="end"),
        lambda x: x * 3.0,
        L.Rescaling(2.0),
        lambda x: L.Concatenate()([x, x]),
    ],
)
def test_the_last_activation_is_the_output(tail):
    model = functional(lambda x: tail(L.Dense(4, "tanh", name="last")(L.Dense(4, "tanh", name="first")(x))))
    assert roles(model)["last"] == "output"
    assert roles(model)["first"] == "hidden"


def test_an_activation_before_a_linear_head_is_hidden():
    assert roles(functional(lambda x: L.Dense(1)(L.Dense(4, "sigmoid", name="a")(x)))) == {"a": "hidden"}


@pytest.mark.parametrize(
    "gate",
    [
        lambda x, s: L.Multiply()([x, s(x)]),
        lambda x, s: x * s(x),
        lambda x, s: ops.multiply(s(x), x),
        lambda x, s: x * L.Reshape((4,))(L.Dropout(0.1)(s(x))),
        lambda x, s: x * (1.0 - s(x)),
        lambda x, s: x * (0.5 * s(x)),
    ],
)
@pytest.mark.parametrize(
    "sigmoid", ["sigmoid", "hard_sigmoid", lambda: L.Dense(4, "sigmoid"), lambda: L.Activation("sigmoid")]
)
def test_a_sigmoid_that_multiplies_another_tensor_is_a_gate(gate, sigmoid):
    function = L.Activation(sigmoid) if isinstance(sigmoid, str) else sigmoid()
    model = functional(lambda x: L.Dense(1)(gate(L.Dense(4, "relu", name="main")(x), function)))
    found = roles(model)
    assert found.pop("main") == "hidden"
    assert list(found.values()) == ["gate"]


def test_a_gate_at_the_output_is_a_gate():
    assert "gate" in roles(functional(lambda x: x * L.Dense(4, "sigmoid")(x))).values()


def test_a_square_is_no_gate():
    assert roles(functional(lambda x: L.Dense(1)(ops.multiply(*[L.Dense(4, "sigmoid", name="s")(x)] * 2)))) == {
        "s": "hidden"
    }


@pytest.mark.parametrize(
    "gate",
    [
        lambda x: L.Multiply()([x, L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)]),
        lambda x: x * ops.relu6(x + 3.0) / 6.0,
        lambda x: x * (ops.relu6(x) / 6.0),
    ],
)
def test_a_hard_sigmoid_made_of_a_clipped_relu_is_a_gate(gate):
    assert list(roles(functional(lambda x: L.Dense(1)(gate(L.Dense(4)(x))))).values()) == ["gate"]


def test_a_clipped_relu_that_is_multiplied_as_it_is_is_hidden():
    model = functional(lambda x: L.Dense(1)(L.ReLU(6.0, name="main")(x) * L.Dense(4, "sigmoid", name="gate")(x)))
    assert roles(model) == {"main": "hidden", "gate": "gate"}


def test_softmax_inside_is_attention():
    model = functional(lambda x: L.Dense(1)(L.Dense(4, "softmax", name="weights")(x) * x))
    assert roles(model) == {"weights": "attention"}


# --- nested and shared ----------------------------------------------------------------------------------------------


def nested():
    inner = functional(lambda x: L.ReLU(name="inner_relu")(L.Dense(4)(x)), name="inner")
    backbone = functional(lambda x: L.Dense(4, "tanh", name="top")(inner(x)), name="backbone")
    return functional(lambda x: L.Dense(2, name="head")(backbone(L.Dense(4, "elu", name="stem")(x))), name="outer")


def test_nested_models_have_paths_and_no_output_of_their_own():
    assert roles(nested()) == {"stem": "hidden", "backbone/inner/inner_relu": "hidden", "backbone/top": "hidden"}


def test_the_end_of_a_nested_model_may_be_the_output():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, "sigmoid", name="end")], name="inner")
    assert roles(functional(lambda x: inner(L.Dense(4)(x)))) == {"inner/end": "output"}


def test_replace_reaches_nested_models():
    model = nested()
    replaced = replace(model, "mish")
    assert set(records(replaced).values()) == {"mish"}
    assert replaced.get_layer("backbone").get_layer("inner").get_layer("inner_relu").name == "inner_relu"
    assert_same_function(model, replace(model, "relu", where=lambda s: str(s.activation) == "relu"))
    learned = replace(model, L.PReLU())
    assert list(records(learned)) == ["stem_prelu", "backbone/inner/inner_relu", "backbone/top_prelu"]


def test_a_shared_nested_model_stays_shared():
    tower = keras.Sequential([keras.Input((4,)), L.Dense(3, "relu", name="d")], name="tower")
    model = functional(lambda a, b: L.Dense(1)(L.Concatenate()([tower(a), tower(b)])), (4,), (4,))
    assert records(model) == {"tower/d": "relu"}
    replaced = replace(model, L.PReLU())
    assert len([layer for layer in replaced.layers if layer.name == "tower"]) == 1
    assert records(replaced).keys() == {"tower/d_prelu"}
    x = [numbers(2, 4), numbers(2, 4, seed=1)]
    assert_array_equal(called(replace(model, "relu"), x), called(model, x))


@pytest.mark.parametrize("new", ["mish", L.PReLU])
def test_a_shared_layer_stays_shared_with_its_activation(new):
    dense = L.Dense(3, "relu", name="twin")
    model = functional(lambda a, b: L.Dense(1)(L.Subtract()([dense(a), dense(b)])), (4,), (4,))
    replaced = replace(model, new if isinstance(new, str) else new())
    assert len(sites(replaced)) == 1
    same = numbers(2, 4)
    bias = ops.convert_to_numpy(replaced.layers[-1].bias)
    assert_array_equal(called(replaced, [same, same]), np.broadcast_to(bias, (2, 1)))


def twice():
    relu = L.ReLU(name="relu")
    return functional(lambda x: L.Dense(1)(relu(L.Dense(4)(relu(L.Dense(4)(x))))))


def test_each_call_of_a_weightless_activation_layer_is_a_site():
    assert list(records(twice())) == ["relu[0]", "relu[1]"]


def test_each_call_gets_its_own_copy_of_a_layer_with_weights():
    replaced = replace(twice(), L.PReLU())
    copies = [layer for layer in replaced.layers if isinstance(layer, L.PReLU)]
    assert [layer.name for layer in copies] == ["relu", "relu_1"]


def test_a_function_is_put_at_both_calls_or_at_one():
    model = twice()
    both = replace(model, "mish")
    assert list(records(both).values()) == ["mish", "mish"]
    assert [layer.name for layer in both.layers if isinstance(layer, L.Activation)] == ["relu"]
    one = replace(model, "mish", where=lambda s: s.path == "relu[1]")
    assert records(one) == {"relu": "relu", "relu_1": "mish"}
    assert_same_function(model, replace(model, "relu", where=lambda s: s.path == "relu[0]"))


def test_layers_that_a_sequential_model_uses_twice():
    relu, dense = L.ReLU(name="relu"), L.Dense(4, "tanh", name="dense")
    model = keras.Sequential([keras.Input((4,)), dense, relu, dense, relu, L.Dense(1, name="end")])
    names = [layer.name for layer in replace(model, L.PReLU()).layers]
    assert names == ["dense", "dense_prelu", "relu", "dense", "dense_prelu", "relu_1", "end"]
    assert_same_function(model, replace(model, "relu", where=lambda s: s.path != "dense"))


def test_a_model_inside_a_wrapper():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(3, "relu", name="a"), L.Dense(2, name="b")], name="inner")
    model = keras.Sequential([keras.Input((5, 4)), L.TimeDistributed(inner, name="steps"), L.Flatten(), L.Dense(1)])
    assert records(model) == {"steps/layer/a": "relu"}
    assert records(replace(model, "elu")) == {"steps/layer/a": "elu"}
    assert_same_function(model, replace(model, "relu"), 5, 4)


# --- what is kept ---------------------------------------------------------------------------------------------------


def outline(model):
    return [(id(layer), layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model.layers]


@pytest.mark.parametrize("new", ["mish", L.PReLU, lambda: layers.ActivationMixture(["relu", "mish"])])
def test_the_model_is_left_as_it_is(new):
    model = nested()
    parts = [model, model.get_layer("backbone"), model.get_layer("backbone").get_layer("inner")]
    before = [(outline(part), [ops.convert_to_numpy(w) for w in part.weights]) for part in parts]
    tensor = model.get_layer("stem").output
    replaced = replace(model, new if isinstance(new, str) else new())
    assert not replaced.compiled
    for part, (layout, weights) in zip(parts, before, strict=True):
        assert outline(part) == layout
        for weight, value in zip(part.weights, weights, strict=True):
            assert_array_equal(weight, value)
    assert model.get_layer("stem").output is tensor
    keras.Model(replaced.input, replaced.get_layer("stem").output)


def test_features_can_be_taken_from_the_copy():
    replaced = replace(perceptron(), "mish")
    features = keras.Model(replaced.inputs[0], replaced.get_layer("a").output)
    assert called(features, numbers(2, 4)).shape == (2, 8)


@pytest.mark.parametrize("where", [everywhere, lambda s: s.role == "hidden"])
def test_replacing_relu_by_relu_changes_nothing(where):
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(8, "relu"), L.BatchNormalization(), L.Dense(8), L.ReLU(), L.Dense(1, "relu")]
    )
    for weight in model.weights:
        weight.assign(weight + np.abs(numbers(*weight.shape)))
    replaced = replace(model, "relu", where=where)
    assert type(replaced) is keras.Sequential
    assert_same_function(model, replaced)


def test_names_inputs_and_outputs_are_kept():
    first, second = keras.Input((4,), name="first"), keras.Input((3,), name="second")
    hidden = L.Dense(5, "relu", name="hidden")(L.Concatenate()([first, second]))
    outputs = {"score": L.Dense(1, "sigmoid", name="score")(hidden), "kind": L.Dense(2, "softmax", name="kind")(hidden)}
    model = keras.Model({"first": first, "second": second}, outputs, name="two")
    x = {"first": numbers(2, 4), "second": numbers(2, 3)}
    for new in ("mish", L.PReLU()):
        replaced = replace(model, new, where=everywhere)
        assert (replaced.name, replaced.output_names) == (model.name, model.output_names)
        assert {key: tensor.name for key, tensor in replaced.input.items()} == {"first": "first", "second": "second"}
        result = called(replaced, x)
        assert {key: value.shape for key, value in result.items()} == {"score": (2, 1), "kind": (2, 2)}
        assert replaced.get_layer("hidden").name == "hidden"
    assert_array_equal(called(replace(model, "relu"), x)["kind"], called(model, x)["kind"])


def test_lists_of_outputs_and_operations_at_the_output_keep_names():
    model = functional(lambda x: [ops.relu(L.Dense(2)(x)), L.ReLU(name="end")(L.Dense(3)(x))])
    replaced = replace(model, L.PReLU(), where=everywhere)
    assert replaced.output_names == model.output_names
    assert [value.shape for value in called(replaced, numbers(2, 4))] == [(2, 2), (2, 3)]


def test_inputs_keep_shape_type_and_whether_they_are_optional():
    fixed = keras.Input(batch_shape=(2, 4), dtype="float16", name="x")
    rest = keras.Input((4,), optional=True, name="rest")
    model = keras.Model([fixed, rest], [L.Dense(1)(L.ReLU()(fixed)), L.Identity()(rest)])
    replaced = replace(model, "mish")
    assert [(t.shape, t.dtype, t.name) for t in replaced.inputs] == [(t.shape, t.dtype, t.name) for t in model.inputs]
    assert [layer.optional for layer in replaced.layers if isinstance(layer, L.InputLayer)] == [False, True]


def test_masks_are_kept():
    model = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            L.Embedding(7, 3, mask_zero=True),
            L.Activation("relu"),
            L.LSTM(2),
            L.Dense(1),
        ]
    )
    for new in ("relu", L.PReLU()):
        replaced = replace(model, new)
        x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
        assert called(replaced, x).shape == (2, 1)
    assert_array_equal(called(replace(model, "relu"), x), called(model, x))


def test_dtype_policies_are_kept():
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(8, "relu", dtype="mixed_float16"), L.ReLU(dtype="mixed_float16"), L.Dense(1)]
    )
    for new in ("mish", L.PReLU(), layers.ActivationMixture(["relu", "mish"])):
        policies = [layer.dtype_policy.name for layer in replace(model, new).layers]
        assert policies == ["mixed_float16"] * (len(policies) - 1) + ["float32"]


def test_frozen_layers_stay_frozen():
    model = nested()
    model.get_layer("backbone").trainable = False
    for new in ("mish", L.PReLU()):
        replaced = replace(model, new)
        assert not replaced.get_layer("backbone").trainable
        assert replaced.get_layer("backbone").trainable_weights == []
        assert replaced.get_layer("head").trainable
    model.get_layer("backbone").get_layer("top").trainable = True
    assert len(replace(model, "mish").get_layer("backbone").get_layer("top").trainable_weights) == 2
    model.trainable = False
    assert not replace(model, "mish").trainable


# --- layers with weights as replacements ----------------------------------------------------------------------------


def test_a_record_that_learns_becomes_a_layer():
    learns = [record for record in activations.catalogue() if record.trainable]
    if not learns:
        pytest.skip("no record learns by itself")
    replaced = replace(perceptron(), learns[0])
    assert [type(layer) for layer in replaced.layers] == [L.Dense, layers.Activation, L.Dense]
    assert replaced.layers[1].weights


@pytest.mark.parametrize("new", [L.PReLU, lambda: layers.ActivationMixture(["relu", "linear"], axis=-1)])
def test_a_layer_with_weights_trains_saves_and_loads(new, tmp_path):
    replaced = replace(perceptron(), new())
    assert isinstance(replaced, keras.Sequential)
    replaced.compile("sgd", "sparse_categorical_crossentropy")
    added = replaced.layers[1].weights[0]
    before = ops.convert_to_numpy(added).copy()
    replaced.fit(numbers(8, 4), np.arange(8) % 3, epochs=1, verbose=0)
    assert np.any(ops.convert_to_numpy(added) != before)
    replaced.save(tmp_path / "model.keras")
    assert_same_function(replaced, keras.models.load_model(tmp_path / "model.keras"))


def test_learned_weights_of_other_activation_layers_are_kept():
    model = keras.Sequential([keras.Input((4,)), L.PReLU(name="p"), L.Dense(2, "relu", name="d"), L.Dense(1)])
    model.layers[0].alpha.assign([1.0, 2.0, 3.0, 4.0])
    replaced = replace(model, "mish", where=lambda s: s.path == "d")
    assert_array_equal(replaced.get_layer("p").alpha, [1.0, 2.0, 3.0, 4.0])


def test_a_learned_activation_can_be_replaced():
    model = replace(perceptron(), layers.ActivationMixture(["relu", "linear"]))
    again = replace(model, "relu")
    assert records(again)["a_activation_mixture"] == "relu"


def test_the_replaced_model_saves_and_loads(tmp_path):
    model = replace(nested(), "leaky_relu(negative_slope=0.1)")
    model.save(tmp_path / "model.keras")
    assert_same_function(model, keras.models.load_model(tmp_path / "model.keras"))


def test_a_compiled_model_with_any_loss_can_be_replaced():
    model = perceptron()
    model.compile("adam", loss=lambda y, p: ops.mean(p))
    assert not replace(model, "mish").compiled


# --- errors ---------------------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    def call(self, x):
        return x


class Penalized(keras.Model):
    def train_step(self, *args):
        return {}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: L.Dense(1), "Expected a Keras model. Received: <Dense"),
        (lambda: "relu", "Expected a Keras model. Received: 'relu' of type str"),
        (lambda: keras.Sequential([L.Dense(1, "relu")]), "Build it: give it an `Input` as its first layer, or call it"),
        (Subclassed, r"type Subclassed overrides call, .*`def build\(activation\)"),
        (lambda: functional_of(Penalized), r"Penalized overrides train_step.*`select\(build, x, y\)`"),
    ],
)
def test_models_that_can_not_be_walked(model, message):
    for verb in (sites, lambda m: replace(m, "relu")):
        with pytest.raises(ValueError, match=message):
            verb(model())


def functional_of(cls):
    x = keras.Input((4,))
    return cls(x, L.Dense(1, "relu")(x))


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("mihs", "Did you mean 'mish'"),
        (3, "given by its name, a record or a function"),
        (L.PReLU, r"Received the class PReLU. Pass an instance of it: `PReLU\(\)`"),
    ],
)
def test_what_is_no_activation(activation, message):
    with pytest.raises(ValueError, match=message):
        replace(perceptron(), activation)


def test_an_activation_that_changes_the_shape():
    changing = activations.ActivationFunction(ops.glu, "half", kind="shape_changing", layer_name="Half")
    with pytest.raises(ValueError, match=r"'half' makes its axis 1 times as wide.*Use `keras_actsel.layers.Half`"):
        replace(perceptron(), changing)
    model = functional(lambda x: L.Dense(1)(ops.glu(L.Dense(4)(x))))
    with pytest.raises(ValueError, match="There is no activation to replace"):
        replace(model, "relu")
    with pytest.raises(ValueError, match=r"at 'glu.*' changes the shape"):
        replace(model, "relu", where=everywhere)


def test_no_site_to_replace():
    message = r"no activation to replace.*a \(relu, hidden\), b \(softmax, output\)"
    with pytest.raises(ValueError, match=message):
        replace(perceptron(), "mish", where=lambda s: False)
    with pytest.raises(ValueError, match="model's sites: none"):
        replace(keras.Sequential([keras.Input((4,)), L.Dense(1)]), "mish")


def test_a_layer_with_weights_can_not_be_put_inside_another():
    model = keras.Sequential([keras.Input((5, 4)), L.LSTM(3, name="lstm"), L.Dense(1)])
    with pytest.raises(ValueError, match=r"can't be put at 'lstm', inside a layer of type LSTM.*node of its own"):
        replace(model, L.PReLU(), where=everywhere)
    wrapped = keras.Sequential([keras.Input((5, 4)), L.TimeDistributed(L.Dense(3, "relu"), name="steps"), L.Dense(1)])
    with pytest.raises(ValueError, match="can't be put at 'steps/layer'"):
        replace(wrapped, L.PReLU())


# --- models in use --------------------------------------------------------------------------------------------------


def draw_by_numpy(initializer, shape, dtype=None, **kwargs):
    return ops.convert_to_tensor(np.random.normal(size=shape), dtype=dtype)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("application", "gates", "hidden"),
    [("EfficientNetV2B0", 16, 55), ("MobileNetV3Small", 9, 33), ("MobileNetV2", 0, 35)],
)
def test_applications(application, gates, hidden, monkeypatch):
    # On JAX drawing compiles for every shape anew, most of a minute for a large model.
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", draw_by_numpy)
    model = getattr(keras.applications, application)(weights=None, input_shape=(32, 32, 3), classes=3)
    found = sites(model)
    assert Counter(site.role for site in found) == Counter(hidden=hidden, output=1, gate=gates)
    replaced = replace(model, "tanh")
    assert records(replaced) == {s.path: "tanh" if s.role == "hidden" else str(s.activation) for s in found}
    assert len(replaced.weights) == len(model.weights)
    for weight, other in zip(replaced.weights, model.weights, strict=True):
        assert_array_equal(weight, other)
