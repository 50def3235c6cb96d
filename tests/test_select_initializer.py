"""`select(..., initializer=)`: pairs of activation and initializer, which kernels they draw, what the verdict says."""

import json

import keras
import numpy as np
import pytest

import keras_actsel
from keras_actsel import layers, surgery
from keras_actsel.cli._select import initializers_of
from keras_actsel.search import select

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(48, 4))
Y = X[:, :1] * X[:, 1:2]
HE = keras.initializers.HeNormal
DENSE = keras.layers.Dense


def network(activation="relu"):
    layers_ = [keras.Input((4,)), DENSE(8, activation, name="a"), DENSE(6, activation, name="b"), DENSE(1, name="out")]
    return compiled(keras.Sequential(layers_))


def compiled(model):
    model.compile("adam", "mse", run_eagerly=True)
    return model


def build(activation, initializer="glorot_uniform"):
    dense = DENSE(8, activation, kernel_initializer=initializer)
    return compiled(keras.Sequential([keras.Input((4,)), dense, DENSE(1)]))


def build_of_one(activation):
    return build(activation)


def found(model=None, **arguments):
    return select(
        model or network(), X, Y, **{"candidates": ["gelu"], "seeds": 1, "confirm": 0, "verbose": 0, **arguments}
    )


def names(selection):
    return list(dict.fromkeys(trial.candidate for trial in selection.trials))


def drawn(model):
    """Names of the layers whose kernels HeNormal draws."""
    return {layer.name for layer in model.layers if "HeNormal" in repr(layer.get_config())}


def rebuilt(inputs, outputs, **arguments):
    model = keras.Model(inputs, outputs)
    return surgery.rebuild(model, "tanh", fresh=True, kernel_initializer=HE(), **arguments)


def test_pairs_are_named_and_the_model_as_given_runs_beside_them():
    pairs = found(candidates=["relu", "gelu"], initializer=["model", "matched"])
    assert names(pairs) == ["relu", "relu, matched", "gelu", "gelu, matched"]
    assert pairs.baseline == "relu"
    assert names(found(candidates=["relu"], initializer=HE())) == ["relu", "relu, HeNormal"]


def test_baseline_is_untouched():
    scores = [
        next(t.score for t in found(initializer=initializer).trials if t.candidate == "relu")
        for initializer in ("model", "he_normal")
    ]
    assert scores[0] == scores[1]


class Kept(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_train_begin(self, logs=None):
        self.kernels.append([layer.get_config()["kernel_initializer"] for layer in self.model.layers])


def test_matched_kernels_stand_in_the_config_of_what_was_trained():
    kept = Kept()
    found(initializer="matched", callbacks=[kept])
    expected = keras.initializers.serialize(keras_actsel.initializers.matched("gelu"))
    base, (a, b, out) = kept.kernels
    assert [k["class_name"] for k in base] == ["GlorotUniform"] * 3
    assert a["config"] == b["config"] == expected["config"]
    assert out["class_name"] == "GlorotUniform"


def test_separate_activation_behind_normalization_and_dropout():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.ReLU()(keras.layers.Dropout(0.1)(keras.layers.BatchNormalization()(x)))
    x = keras.layers.ReLU()(keras.layers.SeparableConv2D(4, 3, name="separable")(x))
    x = keras.layers.ReLU()(keras.layers.DepthwiseConv2D(3, name="depthwise")(x))
    out = DENSE(2, name="out")(keras.layers.Flatten()(x))
    copy = rebuilt(inputs, out)
    assert drawn(copy) == {"conv", "separable", "depthwise"}
    config = copy.get_layer("separable").get_config()
    assert {config["depthwise_initializer"]["class_name"], config["pointwise_initializer"]["class_name"]} == {
        "HeNormal"
    }
    assert drawn(keras.Model.from_config(copy.get_config())) == {"conv", "separable", "depthwise"}


def test_both_branches_of_a_sum_and_no_layer_behind_a_bend():
    inputs = keras.Input((4,))
    x = keras.layers.Activation("sigmoid", name="output_like")(DENSE(4, name="bent")(inputs))
    total = keras.layers.Add()([DENSE(4, name="left")(x), DENSE(4, name="right")(inputs), x])
    out = DENSE(1, name="out")(keras.layers.Activation("relu", name="site")(total))
    assert drawn(rebuilt(inputs, out, where=lambda site: site.path == "site")) == {"left", "right"}


def test_wrapped_layer_and_recurrent_layer():
    inputs = keras.Input((3, 4))
    x = keras.layers.TimeDistributed(DENSE(5, "relu"), name="wrapped")(inputs)
    x = DENSE(3, "relu", name="head")(keras.layers.LSTM(4, name="lstm")(x))
    assert drawn(rebuilt(inputs, DENSE(1, name="out")(x))) == {"wrapped", "head"}


def test_frozen_layers_are_left_alone():
    model = network()
    model.get_layer("a").trainable = False
    copy = surgery.rebuild(model, fresh=True, kernel_initializer=HE())
    assert drawn(copy) == {"b"}
    assert np.array_equal(copy.get_layer("a").get_weights()[0], model.get_layer("a").get_weights()[0])


def test_nothing_feeds_the_site():
    inputs = keras.Input((4,))
    model = compiled(keras.Model(inputs, DENSE(1)(keras.layers.Activation("relu", name="first")(inputs))))
    with pytest.raises(ValueError, match=r"No layer feeds the activations at first, .*Expected a Dense"):
        found(model, initializer="he_normal")


def test_candidate_that_is_a_layer():
    layer = layers.Activation("gelu", name="mine")
    assert names(found(candidates=[layer], initializer="matched")) == ["relu", "mine, matched"]


def test_build_gets_the_initializer():
    seen = []

    def noting(activation, *initializer):
        seen.append([type(i).__name__ for i in initializer])
        return build(activation, *initializer)

    selection = found(noting, candidates=["relu", "gelu"], initializer=["model", "he_normal"])
    assert names(selection) == ["relu", "relu, HeNormal", "gelu", "gelu, HeNormal"]
    assert selection.baseline == "relu"
    assert [] in seen
    assert ["HeNormal"] in seen
    assert names(found(build, candidates=["relu"], initializer="he_normal")) == ["relu", "relu, HeNormal"]


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        ("he_norml", r"initializer must be \"model\".*Received: 'he_norml'"),
        (3, r"initializer must be \"model\".*Received: 3"),
        ([], r"There is no initializer\. Received: an empty list"),
    ],
)
def test_what_is_no_initializer(initializer, message):
    with pytest.raises(ValueError, match=message):
        found(initializer=initializer)


def test_axiswise_candidates_have_no_matched_initializer():
    with pytest.raises(ValueError, match="Candidate 'softmax' has no matched initializer"):
        found(candidates=["softmax"], initializer="matched")


def test_build_must_take_an_initializer():
    with pytest.raises(ValueError, match=r'Expected: `def build\(activation, initializer="glorot_uniform"\)`'):
        found(build_of_one, candidates=["relu", "gelu"], initializer="matched")


def test_names_tell_initializers_of_one_class_apart():
    two = [keras.initializers.RandomNormal(stddev=0.1), keras.initializers.RandomNormal(stddev=0.2), HE(seed=1), HE()]
    expected = ["relu", "gelu, RandomNormal(stddev=0.1)", "gelu, RandomNormal(stddev=0.2)", "gelu, HeNormal"]
    assert names(found(initializer=two)) == expected


class Silent(keras.initializers.Initializer):
    """Of a user's own, with an argument that no config tells."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None, **kwargs):
        return keras.ops.full(shape, self.value, dtype)


def test_initializers_that_names_cannot_tell_apart():
    with pytest.raises(ValueError, match=r"Two different initializers have the name 'Silent'\. Give distinct ones"):
        found(initializer=[Silent(0.1), Silent(0.2)])
    assert names(found(initializer=[Silent(0.1), Silent(0.1)])) == ["relu", "gelu, Silent"]


@pytest.mark.parametrize(
    ("initializer", "said", "verdict"),
    [
        ("model", "model", "(the model's own initializers, 10 "),
        (
            ["model", "he_normal"],
            "model and HeNormal",
            "(weights drawn by the model's own initializers and HeNormal, 10 ",
        ),
        ("he_normal", "HeNormal", "(weights drawn by HeNormal, the baseline's by the model's own initializers, 10 "),
    ],
)
def test_verdict_and_json_name_the_initializers(initializer, said, verdict):
    selection = found(initializer=initializer)
    assert selection.initializer == json.loads(selection.to_json())["initializer"] == said
    assert verdict in selection.verdict


def test_command_line_names():
    assert initializers_of([]) == "model"
    assert initializers_of(["matched"]) == ["matched"]
    assert initializers_of(["model, matched", "he_normal"]) == ["model", "matched", "he_normal"]


def test_digits():
    digits = keras_actsel.data.load("digits")
    flat = [keras.layers.Flatten(), DENSE(16, "sigmoid"), DENSE(10, "softmax")]
    model = keras.Sequential([keras.Input((8, 8)), *flat])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = digits.x_train / 16, digits.y_train
    selection = select(
        model, x, y, candidates=["tanh"], initializer=["matched"], seeds=2, confirm=2, epochs=2, verbose=0
    )
    assert selection.best == "tanh, matched"
    assert "tanh, matched" in selection.verdict
