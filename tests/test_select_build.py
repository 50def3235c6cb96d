"""`select` with a `build(activation)` function: subclassed models and training steps of the user's own."""

import keras
import numpy as np
import pytest
from keras import ops
from test_select import DATA, Watch, X, Y, equal

from keras_actsel import layers
from keras_actsel.search import TrialError, select

pytestmark = pytest.mark.slow

FEW = {"seeds": 2, "confirm": 0, "verbose": 0}


class Net(keras.Model):
    """A subclassed network with fixed seeds where a user may leave them."""

    def __init__(self, activation):
        super().__init__()
        fixed = keras.initializers.HeNormal(seed=1)
        self.first = keras.layers.Dense(8, activation=activation, kernel_initializer=fixed)
        self.dropout = keras.layers.Dropout(0.3, seed=3)
        self.second = keras.layers.Dense(3, activation="softmax", kernel_initializer=fixed)

    def call(self, x, training=None):
        return self.second(self.dropout(self.first(x), training=training))


def build(activation):
    model = Net(activation)
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


def test_subclassed_models_with_fixed_seeds():
    watch = Watch()
    found = select(build, **DATA, candidates=["tanh", "relu", "silu"], callbacks=[watch], **FEW)
    assert (found.baseline, found.best in ("tanh", "relu", "silu")) == ("tanh", True)
    assert [t.candidate for t in found.trials] == ["tanh", "relu", "silu"] * 2
    assert equal(watch.starts[0], watch.starts[1])
    assert not np.array_equal(watch.starts[0][0], watch.starts[3][0])
    assert not np.array_equal(watch.starts[0][0], watch.starts[0][2][:2])
    assert isinstance(found.model, Net)


def test_the_order_of_the_data_and_the_dropout_follow_the_seed():
    seen = []

    class Noting(Net):
        def call(self, x, training=None):
            if training:
                dropped = self.dropout(ops.ones((1, 64)), training=True)
                seen.append((np.array(ops.convert_to_numpy(x)), np.array(ops.convert_to_numpy(dropped))))
            return super().call(x, training=training)

    def noting(activation):
        model = Noting(activation)
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
        return model

    with_extra_draws = layers.Activation("prelu", name="learned")
    select(noting, **DATA, candidates=["relu", with_extra_draws], batch_size=45, **FEW)
    order = [batch for batch, _ in seen if isinstance(batch, np.ndarray) and len(batch) == 45]
    masks = [mask for batch, mask in seen if len(batch) == 45]
    assert len(order) == 8  # two batches of two candidates on two seeds
    assert np.array_equal(order[0], order[2])
    assert np.array_equal(masks[0], masks[2])
    assert not np.array_equal(order[0], order[4])
    assert not np.array_equal(masks[0], masks[4])


def test_pretrained_weights_stay():
    def fine_tuned(activation):
        model = build(activation)
        model(X[:1])
        model.first.set_weights([np.full((2, 8), 0.25), np.zeros(8)])
        return model

    watch = Watch()
    select(fine_tuned, **DATA, candidates=["tanh", "relu"], callbacks=[watch], **FEW)
    assert all(np.all(start[0] == 0.25) for start in watch.starts)
    assert not np.array_equal(watch.starts[0][2], watch.starts[2][2])


def test_a_layer_is_placed_through_our_activation():
    def placed(activation):
        inputs = keras.Input((2,))
        x = layers.Activation(activation)(keras.layers.Dense(8)(inputs))
        x = layers.Activation(activation)(keras.layers.Dense(6)(x))
        model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    mixture = layers.ActivationMixture(["relu", "tanh"], axis=-1, name="mix")
    watch = Watch()
    select(placed, **DATA, candidates=["relu", mixture, "prelu"], callbacks=[watch], seeds=1, confirm=0, verbose=0)
    assert [len(start) for start in watch.starts] == [6, 8, 8]


def test_one_layer_at_two_places_is_refused():
    def sharing(activation):
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(8, activation),
                keras.layers.Dense(8, activation),
                keras.layers.Dense(3),
            ]
        )
        model.compile("adam", "mse")
        return model

    with pytest.raises(
        TrialError, match=r"put one layer, 'prelu', at 2 places: .*Place `keras_actsel\.layers\.Activat"
    ):
        select(sharing, X, np.eye(3)[Y], candidates=["relu", "prelu"], **FEW)


def test_a_build_that_seeds_itself_still_starts_from_the_seed_of_the_trial():
    def seeding(activation):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(8, activation), keras.layers.Dense(3, "softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    watch = Watch()
    select(seeding, **DATA, candidates=["relu", "tanh"], callbacks=[watch], **FEW)
    assert equal(watch.starts[0], watch.starts[1])
    assert not np.array_equal(watch.starts[0][0], watch.starts[2][0])


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="on JAX a training step needs stateless_call, so a call")
def test_training_and_test_steps_of_ones_own_and_no_call():
    class Autoencoder(keras.Model):
        def __init__(self, activation):
            super().__init__()
            self.encoder = keras.layers.Dense(4, activation, kernel_initializer=keras.initializers.HeNormal(seed=1))
            self.decoder = keras.layers.Dense(2)
            self.encoder.build((None, 2))
            self.decoder.build((None, 4))
            self.built = True

        def train_step(self, data):
            return self.test_step(data)

        def test_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            return {"error": ops.mean(ops.square(self.decoder(self.encoder(x)) - x))}

    def make(activation):
        model = Autoencoder(activation)
        model.compile("adam")
        return model

    found = select(make, X, candidates=["relu", "tanh"], objective=("error", "min"), **FEW)
    assert (found.objective, found.direction) == ("val_error", "min")
    assert len(found.trials) == 4
    by_candidate = [[t.score for t in found.trials if t.candidate == name] for name in ("relu", "tanh")]
    assert all(first != second for first, second in by_candidate)


FIXED = keras.initializers.HeNormal(seed=1)


class Awkward(keras.layers.Layer):
    """Fixed seeds that no config shows."""

    def build(self, shape):
        self.table = self.add_weight((shape[-1], 3), FIXED, name="table")
        self.noise = keras.layers.Dropout(0.5, seed=3)

    def call(self, x, training=None):
        return self.noise(ops.matmul(x, self.table), training=training)


def test_no_fixed_seed_escapes():
    def awkward(activation):
        inputs = keras.Input((4, 4, 3))
        x = keras.layers.SeparableConv2D(3, 3, depthwise_initializer=FIXED, pointwise_initializer=FIXED)(inputs)
        x = keras.layers.DepthwiseConv2D(2, padding="same", depthwise_initializer=FIXED, activation=activation)(x)
        x = keras.layers.GRU(3, kernel_initializer=FIXED, recurrent_initializer=FIXED)(keras.layers.Reshape((4, 3))(x))
        model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(Awkward()(x)))
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    for source, candidates in ((awkward, ["relu", "tanh"]), (awkward("relu"), ["tanh"])):
        watch = Watch()
        images = np.random.default_rng(0).normal(size=(30, 4, 4, 3))
        select(source, images, Y[:30], candidates=candidates, callbacks=[watch], **FEW)
        assert equal(watch.starts[0], watch.starts[1])
        drawn = [(a, b) for a, b in zip(watch.starts[0], watch.starts[2], strict=True) if np.ptp(a) > 0]
        assert len(drawn) >= 6
        assert not any(np.array_equal(a, b) for a, b in drawn)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda activation: None, r"build\(activation\) must return a compiled keras\.Model\. Received: NoneType"),
        (lambda activation: keras.Sequential([keras.layers.Dense(1)]), r"Received: a model that is not compiled"),
    ],
)
def test_what_build_must_return(bad, message):
    with pytest.raises(ValueError, match=message):
        select(bad, **DATA, candidates=["relu", "tanh"], **FEW)


def test_a_failing_build_names_candidate_and_seed():
    def failing(activation):
        raise RuntimeError("out of luck")

    with pytest.raises(TrialError, match=r"Making a model of 'relu' with seed 0 failed: RuntimeError: out of luck"):
        select(failing, **DATA, candidates=["relu", "tanh"], **FEW)


def test_a_build_that_returns_one_model_again_is_refused():
    model = build("relu")
    with pytest.raises(TrialError, match=r"returned a model that it had returned before.*make it inside the function"):
        select(lambda activation: model, **DATA, candidates=["relu", "tanh"], **FEW)


def test_build_needs_two_candidates():
    with pytest.raises(ValueError, match=r"There is no candidate beside the baseline\. Received: \['relu'\]"):
        select(build, **DATA, candidates=["relu"], **FEW)
