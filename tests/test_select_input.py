"""Bad input to `select`: a clear error before anything is trained. And the data that it splits."""

import keras
import numpy as np
import pytest
from test_select import DATA, X, Y, network

from keras_actsel import layers
from keras_actsel.search import select
from keras_actsel.search._data import prepare, split


class Untrained(keras.callbacks.Callback):
    """Fails the test if anything is trained before the error."""

    def on_train_begin(self, logs=None):
        pytest.fail("trained before the input was checked")


def refused(message, model=None, x=X, y=Y, **arguments):
    arguments = {"candidates": ["tanh"], "seeds": 1, "confirm": 0, "verbose": 0, **arguments}
    with pytest.raises(ValueError, match=message):
        select(network() if model is None else model, x, y, callbacks=[Untrained()], **arguments)


def uncompiled():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3)])


def without_hidden_activation():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def unbuilt():
    model = keras.Sequential([keras.layers.Dense(4, "relu"), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    return model


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(x)


def subclassed():
    model = Subclassed()
    model(X[:1])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (uncompiled, r"is not compiled\. Call model\.compile\("),
        (unbuilt, r"[Bb]uil(d|t)"),
        (subclassed, r"def build\(activation\)"),
        (without_hidden_activation, r"no hidden activation to choose.*dense_?\d* \(output: softmax\)"),
    ],
)
def test_models(model, message):
    refused(message, model())


@pytest.mark.parametrize("model", [3, "relu"])
def test_what_is_no_model(model):
    refused(r"model must be a compiled keras\.Model, or a function build\(activation\).*Received: ", model)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["mihs"], r"Unknown activation 'mihs'\. Did you mean 'mish'\?"),
        (["tanh", 3], r"Received: 3 of type int"),
        ([], r"There is no candidate\. Received: an empty list"),
        (["relu"], r"no candidate beside the baseline 'relu', the model's own activation\. Received: \['relu'\]"),
        ("tanh", r"candidates must be a list such as \['relu', 'gelu'\]\. Received: 'tanh'"),
        (["glu"], r"'glu' makes its axis 1/2 times as wide.*Use `keras_actsel\.layers\.GLU`"),
        ([layers.GLU()], r"'glu' makes its axis 1/2 times as wide.*Use `keras_actsel\.layers\.GLU`"),
        (
            [keras.layers.UpSampling1D(2, name="up")],
            r"Candidate 'up' can't be applied at 'dense.*', to an input of shape \(None, 8\)",
        ),
        ([keras.layers.Dense(7, name="seven")], r"'seven' changes the shape at '.*' from \(None, 8\) to \(None, 7\)"),
        (
            [keras.layers.PReLU(name="same"), keras.layers.LeakyReLU(name="same")],
            r"Two different candidates have the name 'same'\. Give it another one: a layer by name=",
        ),
        ([keras.layers.PReLU], r"Received: the class PReLU\. Pass an instance: PReLU\(\)"),
        ({"a": "tanh"}, r"candidates must be a list"),
        ([keras.layers.ReLU(), layers.ReLU()], r"no candidate beside the baseline 'relu'"),
        ([lambda x: x[..., :1]], r"'<lambda>' changes the shape at '.*' from \(None, 8\) to \(None, 1\)"),
        ([lambda x: x.no_such_thing], r"Candidate '<lambda>' can't be applied at"),
        ([keras.layers.PReLU(name="relu")], r"A candidate has the baseline's name 'relu'"),
    ],
)
def test_candidates(candidates, message):
    refused(message, candidates=candidates)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, r"seeds must be a positive number, or a list of different integers.*Received: 0"),
        ({"seeds": [1, 1]}, r"Received: \[1, 1\]"),
        ({"seeds": [-1]}, r"Received: \[-1\]"),
        ({"seeds": 1.5}, r"seeds must be a positive number.*Received: 1.5"),
        ({"seeds": True}, r"Received: True"),
        ({"seeds": [0.5]}, r"Received: \[0.5\]"),
        ({"confirm": True}, r"confirm must be 0, or 2 or more.*Received: True"),
        ({"epochs": 0}, r"Nothing would be trained\. Received: epochs=0, initial_epoch=0"),
        ({"epochs": 2, "initial_epoch": 2}, r"Nothing would be trained\. Received: epochs=2, initial_epoch=2"),
        ({"epoch": 3}, r"select has no argument 'epoch', and neither has model\.fit\. Did you mean 'epochs'\?"),
        ({"objective": ("val_accuracy", "min")}, r"For 'accuracy' the better direction is 'max'\. Received: 'min'"),
        ({"y": None}, r"The model's loss needs targets\. Received: None for y"),
        ({"validation_data": (X,)}, r"Received: None for the targets of validation_data"),
        ({"validation_data": True}, r"validation_data must be arrays or a dataset of batches\. Received: True"),
        ({"x": np.array([[1, "a"]] * 90, dtype=object)}, r"x holds Python objects\. .*Encode its columns as numbers"),
        ({"confirm": 1}, r"confirm must be 0, or 2 or more.*Received: 1"),
        ({"initializer": "he_norml"}, r"initializer must be \"model\".*Received: 'he_norml'"),
        ({"strategy": "exhaustive"}, r"strategy must be a Strategy such as Exhaustive\(\)\. Received: 'exhaustive'"),
        ({"verbose": 3}, r"verbose must be 0, 1 or \"auto\"\. Received: 3"),
        ({"validation_split": 0.2}, r"validation_split would score each trial on the last rows"),
        ({"objective": 3}, r"objective must be a name .*Received: 3"),
        ({"objective": ("val_loss", "up")}, r"objective must be a name .*Received: \('val_loss', 'up'\)"),
        ({"objective": "val_acc"}, r"Unknown objective 'val_acc'\. Expected one of: val_accuracy, val_loss"),
    ],
)
def test_settings(arguments, message):
    refused(message, **arguments)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (None, Y, r"x is missing"),
        (X[:0], Y[:0], r"x is empty\. Received sizes: x 0, y 0"),
        (X, Y[:-1], r"differ in length \(x\)\. Received sizes: x 90, y 89"),
        (np.where(np.arange(90)[:, None] == 3, np.nan, X), Y, r"x holds NaN or infinity: 2 of 180 numbers"),
        (X, np.where(Y == 2, np.inf, Y), r"y holds NaN or infinity: 30 of 90 numbers"),
        (
            X,
            Y + 1,
            r"y holds labels from 1 to 3, but the output has 3 units: expected 0 to 2\. Give the output 4 units",
        ),
        (X, Y - 1, r"y holds labels from -1 to 1"),
        (X, Y + 0.5, r"y must hold whole numbers for sparse_categorical_crossentropy\. Received: values such as \d\.5"),
        (X, np.eye(3)[Y], r"y has a column for each class.*Use loss='categorical_crossentropy' or y\.argmax"),
        (X, np.array(list("abc"))[Y], r"y holds text or objects\. Received: dtype <U1\. Encode classes as integers"),
        ((row for row in X), None, r"x is a generator, which the first trial would use up"),
        (X[:3], Y[:3], r"Too few samples to hold a fifth out\. Received: 3"),
    ],
)
def test_data(x, y, message):
    refused(message, x=x, y=y)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        ("categorical_crossentropy", Y, r"wants a column for each class.*Use loss='sparse_categorical_crossentropy'"),
        (
            "categorical_crossentropy",
            np.eye(4)[Y],
            r"y does not fit the output: .*shape \(None, 4\).*shape \(None, 3\)",
        ),
        (keras.losses.CategoricalCrossentropy(), 2 * np.eye(3)[Y], r"must lie between 0 and 1 .*values from 0 to 2"),
        ("binary_crossentropy", 2 * np.eye(3)[Y] - 1, r"must lie between 0 and 1 for binary_crossentropy.*-1 to 1"),
        ("mse", Y[:, None] * 1.0, r"mean_squared_error would broadcast one against the other"),
        (
            keras.losses.mean_absolute_error,
            np.ones((90, 2)),
            r"mean_absolute_error would broadcast one against the other",
        ),
    ],
)
def test_labels_that_do_not_fit_the_loss(loss, y, message):
    refused(message, network(loss=loss, metrics=()), y=y)


def test_labels_of_one_output_of_several():
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(4, "relu")(inputs)
    outputs = {
        "a": keras.layers.Dense(1, name="a")(hidden),
        "b": keras.layers.Dense(3, "softmax", name="b")(hidden),
    }
    model = keras.Model(inputs, outputs)
    model.compile("adam", {"a": "mse", "b": "sparse_categorical_crossentropy"})
    refused(r"y\['b'\] holds labels from 1 to 3", model, y={"b": Y + 1, "a": Y * 1.0})


def test_validation_data():
    refused(
        r"y of validation_data holds NaN or infinity: 1 of 90 numbers",
        validation_data=(X, np.where(np.arange(90) == 1, np.nan, Y)),
    )
    refused(
        r"validation_data must be \(x, y\) or \(x, y, sample_weight\)\. Received: 4 things", validation_data=(X,) * 4
    )
    refused(r"y holds labels from 1 to 3", validation_data=(X, Y + 1))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, Y

    refused(r"stream of batches needs validation data of its own", x=Batches(), y=None)
    refused(r"stream of batches that bring their own targets", x=Batches(), y=Y, validation_data=(X, Y))


def test_inputs_that_the_model_does_not_take():
    refused(r"(can't be evaluated|[Ii]ncompatible|does not take|[Ii]nvalid|shape)", x=np.ones((90, 5)))


@pytest.mark.parametrize("labels", [Y, Y[:, None], Y * 1.0, np.eye(3)[Y], np.array(list("abc"))[Y]])
def test_the_held_out_fifth_is_stratified_shuffled_and_fixed(labels):
    skewed = np.concatenate([np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:10], np.flatnonzero(Y == 2)[:20]])
    labels = labels[skewed]
    train, held_out = split(60, labels)
    assert sorted([*train, *held_out]) == list(range(60))
    assert [int(np.sum(Y[skewed][held_out] == k)) for k in range(3)] == [6, 2, 4]
    assert not np.array_equal(held_out, np.sort(held_out))
    again = split(60, labels)
    assert np.array_equal(train, again[0])
    assert np.array_equal(held_out, again[1])


@pytest.mark.parametrize("labels", [None, np.linspace(0, 1, 60), np.arange(60), {"a": Y[:60]}, np.ones((60, 2, 2))])
def test_without_classes_the_fifth_is_plainly_shuffled(labels):
    train, held_out = split(60, labels)
    assert (len(train), len(held_out)) == (48, 12)


def test_sample_weights_and_nests_are_split_with_their_samples():
    data = prepare({"a": X, "b": [X[:, 0].tolist(), X[:, 1].tolist()][0]}, Y, None, sample_weight=np.arange(90.0))
    assert np.array_equal(data.fit["x"]["a"][:, 0], data.fit["x"]["b"])
    assert np.array_equal(Y[data.evaluate["sample_weight"].astype(int)], data.evaluate["y"])
    assert len(data.fit["y"]) == 72


def test_the_data_is_not_copied_or_changed():
    data = prepare(X, Y, (X, Y))
    assert data.fit["x"] is X
    assert data.evaluate["y"] is Y
    assert DATA["x"] is X
