"""Budgets of epochs: a strategy trains a little, continues what is promising, and nothing is lost on the way."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_actsel.search import Request, Strategy, TrialError, select
from keras_actsel.search._random import seed_from

pytestmark = pytest.mark.slow

GENERATOR = np.random.default_rng(0)
Y = np.arange(90) % 3
X = np.stack([np.cos(2 * Y), np.sin(2 * Y)], 1) + 0.3 * GENERATOR.normal(size=(90, 2))
DATA = {"x": X, "y": Y, "validation_data": (X[:60], Y[:60]), "verbose": 0}
STEPS = 3  # batches in an epoch


def twin(x):
    """ReLU by another name: what differs between the two is the training, not the function."""
    return ops.relu(x)


def network(activation="relu"):
    layers = [keras.Input((2,)), keras.layers.Dense(8, activation), keras.layers.Dropout(0.2)]
    model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
    # Eager steps spare the compilation, which is most of the time at this size.
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", run_eagerly=True)
    return model


class Asks(Strategy):
    """Asks for the given batches, and moves the random state of the process in between."""

    def __init__(self, *batches):
        self.batches = batches

    def search(self, candidates, seeds, direction):
        for place, batch in enumerate(self.batches):
            keras.utils.set_random_seed(100 + place)
            yield batch


class Watch(keras.callbacks.Callback):
    """Notes the epochs of each training, and the optimizer's state at its beginning and end."""

    def __init__(self):
        super().__init__()
        self.epochs, self.begins, self.ends, self.weights = [], [], [], []

    def state(self):
        return [np.array(ops.convert_to_numpy(v)) for v in self.model.optimizer.variables]

    def on_train_begin(self, logs=None):
        self.epochs.append([])
        self.begins.append(self.state())

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs[-1].append(epoch)

    def on_train_end(self, logs=None):
        self.ends.append(self.state())
        self.weights.append([np.array(ops.convert_to_numpy(w)) for w in self.model.trainable_variables])


def equal(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_continued_trial_has_its_weights_and_the_state_of_its_optimizer():
    watch = Watch()
    ask = Asks([Request("relu", 0, epochs=2)], [Request("twin", 0)], [Request("relu", 0, epochs=4, initial_epoch=2)])
    found = select(network(), **DATA, candidates=[twin], seeds=1, confirm=0, epochs=4, strategy=ask, callbacks=[watch])
    assert watch.epochs == [[0, 1], [0, 1, 2, 3], [2, 3]]
    assert [trial.epochs for trial in found.trials] == [2, 4, 4]
    assert equal(watch.begins[2], watch.ends[0])
    iterations, *moments = (value for value in watch.begins[2] if value.dtype.kind in "iu" or value.ndim > 0)
    assert iterations == 2 * STEPS
    assert len(moments) == 8
    assert all(np.abs(moment).max() > 0 for moment in moments)
    assert [int(end[0]) for end in watch.ends] == [2 * STEPS, 4 * STEPS, 4 * STEPS]


def test_continued_trials_of_a_seed_are_paired():
    """Two names of one function: continued at the same epoch, they end with the same weights."""
    watch = Watch()
    names = ("relu", "twin")
    batches = [[Request(name, 5, epochs=1)] for name in names]
    batches += [[Request(name, 5, epochs=3, initial_epoch=1)] for name in names]
    found = select(
        network(), **DATA, candidates=[twin], seeds=[5], confirm=0, epochs=3, strategy=Asks(*batches), callbacks=[watch]
    )
    scores = [trial.score for trial in found.trials]
    assert scores[0] == scores[1]
    assert scores[2] == scores[3]
    assert equal(watch.weights[2], watch.weights[3])
    assert not equal(watch.weights[0], watch.weights[2])


def test_the_order_of_the_data_is_another_from_another_epoch():
    assert seed_from(7, 0) == 7
    assert len({seed_from(seed, epoch) for seed in range(10) for epoch in range(10)}) == 100


def test_only_trials_of_the_whole_budget_serve_as_the_model():
    ask = Asks([Request("relu", 0, epochs=1), Request("twin", 0)])
    found = select(network(), **DATA, candidates=[twin], seeds=1, confirm=0, epochs=2, strategy=ask)
    assert (found.best, found.recommended, found.model) == ("twin", "relu", None)
    found = select(network(), **DATA, candidates=[twin], seeds=1, confirm=2, epochs=2, strategy=ask)
    assert {trial.epochs for trial in found.trials if trial.stage == "confirm"} == {2}
    confirmed = [trial.score for trial in found.trials if trial.candidate == "relu" and trial.stage == "confirm"]
    assert found.model.evaluate(*DATA["validation_data"], verbose=0) == pytest.approx(min(confirmed), rel=1e-5)


@pytest.mark.parametrize(
    "batches",
    [
        [[Request("relu", 0, epochs=5)]],  # further than fit would go
        [[Request("relu", 0, epochs=0)]],
        [[Request("relu", 0, epochs=2, initial_epoch=1)]],  # nothing to continue
        [[Request("relu", 0, epochs=1)], [Request("relu", 1, epochs=2, initial_epoch=1)]],
        [[Request("relu", 0, epochs=1)], [Request("relu", 0, epochs=3, initial_epoch=2)]],
        [[Request("relu", 0, epochs=1)], [Request("relu", 0, initial_epoch=1)]],
        [[Request("relu", 0, epochs=1), Request("relu", 0, epochs=1)]],
        [[Request("relu", 0, epochs=4)], [Request("relu", 0)]],  # both are all of fit's epochs
    ],
)
def test_budgets_that_can_not_be_trained(batches):
    expected = r"to an epoch from 1 to 4, with initial_epoch 0 or where the last trial of this candidate and seed ended"
    with pytest.raises(TrialError, match=expected):
        select(network(), **DATA, candidates=[twin], seeds=2, confirm=0, epochs=4, strategy=Asks(*batches))


def test_a_strategy_can_refuse_before_anything_is_trained():
    class Refuses(Asks):
        def check(self, candidates, objective, fit_arguments):
            assert candidates == ["relu", "twin"]
            assert (objective.name, objective.direction) == ("val_loss", "min")
            raise ValueError(f"Not for {fit_arguments['epochs']} epochs.")

    watch = Watch()
    with pytest.raises(ValueError, match="Not for 4 epochs"):
        select(network(), **DATA, candidates=[twin], epochs=4, strategy=Refuses(), callbacks=[watch])
    assert watch.epochs == []


def test_a_strategy_is_closed_when_a_trial_fails():
    closed = []

    class Opens(Strategy):
        def search(self, candidates, seeds, direction):
            try:
                yield [Request("relu", 0)]
            finally:
                closed.append(True)

    class Fails(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            raise KeyError("no such thing")

    with pytest.raises(TrialError):
        select(network(), **DATA, candidates=[twin], seeds=1, confirm=0, strategy=Opens(), callbacks=[Fails()])
    assert closed == [True]
