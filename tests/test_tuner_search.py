"""Searches with the real tuners of keras-tuner, on real data."""

import math

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.errors import FatalRuntimeError, FatalValueError

from keras_actsel import activations, data, layers
from keras_actsel.tuner import ActivationHyperModel, hp_activation

DIGITS = data.load("digits")
X, XV = (part.reshape(len(part), 64).astype("float32") / 16 for part in (DIGITS.x_train[:300], DIGITS.x_test[:100]))
Y, YV = DIGITS.y_train[:300], DIGITS.y_test[:100]
FIT = {"x": X, "y": Y, "validation_data": (XV, YV), "epochs": 2, "verbose": 0}
LEARNED = ["prelu", layers.ActivationMixture(["relu", "tanh"])]


def network(middle, units=16, rate=1e-2):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(units), middle, keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def given():
    return network(keras.layers.Activation("relu"))


@pytest.fixture
def tuner_of(tmp_path):
    def tuner(hypermodel, kind=keras_tuner.RandomSearch, **kwargs):
        settings = {"objective": "val_accuracy", "max_trials": 2, "seed": 1, "directory": str(tmp_path), **kwargs}
        if kind is keras_tuner.Hyperband:
            del settings["max_trials"]
        return kind(hypermodel, **settings)

    return tuner


def completed(tuner):
    return [trial for trial in tuner.oracle.trials.values() if trial.status == "COMPLETED"]


def score(model):
    return model.evaluate(XV, YV, verbose=0, return_dict=True)["accuracy"]


# Every tuner, with winners that have weights


@pytest.mark.parametrize(
    ("kind", "kwargs", "trials"),
    [
        (keras_tuner.RandomSearch, {}, 2),
        (keras_tuner.GridSearch, {"max_trials": 4}, 4),
        pytest.param(
            keras_tuner.BayesianOptimization, {"max_trials": 3, "num_initial_points": 2}, 3, marks=pytest.mark.slow
        ),
        pytest.param(keras_tuner.Hyperband, {"max_epochs": 2, "factor": 2}, 4, marks=pytest.mark.slow),
    ],
)
def test_a_search_by_hp_activation(tuner_of, capsys, kind, kwargs, trials):
    def build(hp):
        return network(hp_activation(hp, candidates=LEARNED), hp.Choice("units", [8, 16]))

    fit = {key: value for key, value in FIT.items() if kind is not keras_tuner.Hyperband or key != "epochs"}
    tuner = tuner_of(build, kind, **kwargs)
    tuner.search(**fit)
    assert len(completed(tuner)) >= trials
    best = tuner.get_best_hyperparameters()[0]
    assert best["activation"] in ("prelu", "activation_mixture")
    (model,) = tuner.get_best_models()
    assert model.layers[1].trainable_weights
    assert score(model) == pytest.approx(tuner.oracle.get_best_trials()[0].score, abs=1e-6)
    tuner.results_summary()
    assert f"activation: {best['activation']}" in capsys.readouterr().out

    reloaded = tuner_of(build, kind, **kwargs)
    assert reloaded.get_best_hyperparameters()[0].values == best.values
    assert score(reloaded.get_best_models()[0]) == pytest.approx(score(model), abs=1e-6)


@pytest.mark.parametrize("tie", ["model", "site"])
def test_a_search_by_a_hypermodel_reloads_and_saves(tuner_of, tmp_path, tie):
    hypermodel = ActivationHyperModel(given(), LEARNED, tie)
    tuner = tuner_of(hypermodel)
    tuner.search(**FIT)
    reloaded = tuner_of(ActivationHyperModel(given(), LEARNED, tie))
    assert reloaded.get_best_hyperparameters()[0].values == tuner.get_best_hyperparameters()[0].values
    (model,) = reloaded.get_best_models()
    assert score(model) == pytest.approx(tuner.oracle.get_best_trials()[0].score, abs=1e-6)
    model.save(tmp_path / "best.keras")
    again = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(again.predict(XV, verbose=0), model.predict(XV, verbose=0), rtol=1e-6)


def test_a_model_of_a_class_of_its_own(tuner_of):
    class Own(keras.Model):
        def __init__(self, activation):
            super().__init__()
            self.dense, self.act, self.out = keras.layers.Dense(8), activation, keras.layers.Dense(10, "softmax")

        def call(self, x):
            return self.out(self.act(self.dense(x)))

    def build(hp, activation):
        model = Own(layers.Activation(activation))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        if called:
            model(np.zeros((1, 64), "float32"))
        return model

    hypermodel = ActivationHyperModel(build, ["prelu", "gelu"])
    called = False
    with pytest.warns(UserWarning, match=r"is not built.*get_best_models fails.*Call it once"):
        hypermodel.check(tuner_of(hypermodel))
    called = True
    tuner = tuner_of(hypermodel, overwrite=True)
    tuner.search(**FIT)
    (model,) = tuner.get_best_models()
    assert score(model) == pytest.approx(tuner.oracle.get_best_trials()[0].score, abs=1e-6)
    assert len(hypermodel.scores(tuner)) == 2


# Seeds


def test_trials_are_paired_by_seed_and_every_score_is_kept(tuner_of):
    """One function under two names scores the same on each seed, and seeds differ."""
    twin = activations.ActivationFunction(keras.ops.tanh, "twin")
    hypermodel = ActivationHyperModel(given(), ["tanh", twin], seed=5)
    tuner = tuner_of(hypermodel, keras_tuner.GridSearch, executions_per_trial=2)
    tuner.search(**FIT)
    first, second = hypermodel.scores(tuner).values()
    assert first == second
    assert list(first) == [5, 6]
    assert first[5] != first[6]
    means = [trial.score for trial in completed(tuner)]
    assert means == pytest.approx([sum(first.values()) / 2] * 2)
    reloaded = tuner_of(hypermodel, keras_tuner.GridSearch, executions_per_trial=2)
    assert list(hypermodel.scores(reloaded).values()) == [first, second]


def test_a_search_leaves_random_numbers_as_they_would_be_and_models_that_differ(tuner_of):
    hypermodel = ActivationHyperModel(given(), ["tanh", "relu"])
    tuner = tuner_of(hypermodel, max_trials=1)
    keras.utils.set_random_seed(3)
    before = np.random.get_state()[1].copy()
    tuner.search(**{**FIT, "epochs": 1})
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    best = tuner.get_best_hyperparameters()[0]
    kernels = [hypermodel.build(best).get_weights()[0] for _ in range(2)]
    assert not np.array_equal(*kernels)  # outside a trial no seed is set


@pytest.mark.slow
def test_hyperband_goes_on_from_weights_of_earlier_rounds(tuner_of):
    kernels = {}

    class Remember(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.trial = len(kernels)
            kernels[self.trial] = [self.model.get_weights()[0]]

        def on_train_end(self, logs=None):
            kernels[self.trial].append(self.model.get_weights()[0])

        def __deepcopy__(self, memo):
            return Remember()

    hypermodel = ActivationHyperModel(given_at, ["prelu", "gelu"])
    tuner = tuner_of(hypermodel, keras_tuner.Hyperband, max_epochs=2, factor=2)
    tuner.search(**{key: value for key, value in FIT.items() if key != "epochs"}, callbacks=[Remember()])
    promoted = [trial for trial in tuner.oracle.trials.values() if "tuner/trial_id" in trial.hyperparameters.values]
    assert promoted
    for trial in promoted:
        earlier = int(trial.hyperparameters["tuner/trial_id"])
        begun, ended = kernels[int(trial.trial_id)][0], kernels[earlier][1]
        np.testing.assert_array_equal(begun, ended)
    (model,) = tuner.get_best_models()
    assert score(model) == pytest.approx(tuner.oracle.get_best_trials()[0].score, abs=1e-6)


def given_at(hp):
    return network(keras.layers.Activation("relu"), rate=hp.Float("rate", 1e-3, 1e-1, sampling="log"))


# NaN


def explode(x):
    return keras.ops.exp(keras.ops.exp(10 * keras.ops.abs(x) + 5))


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_nan_is_the_worst_result_whatever_the_direction(tuner_of, objective):
    hypermodel = ActivationHyperModel(given(), [explode, "relu"])
    tuner = tuner_of(hypermodel, keras_tuner.GridSearch, objective=objective)
    tuner.search(**FIT)
    failed, finished = tuner.oracle.trials.values()
    assert (failed.status, finished.status) == ("FAILED", "COMPLETED")
    assert "Training ended in NaN or infinity with seed 0." in failed.message
    assert tuner.get_best_hyperparameters()[0]["activation"] == "relu"
    scores = hypermodel.scores(tuner)
    assert math.isnan(scores[failed.trial_id][0])
    assert math.isfinite(scores[finished.trial_id][0])


def test_a_late_nan_does_not_hide_behind_an_early_epoch():
    from keras_actsel.tuner._runs import score as best_score

    history = keras.callbacks.History()
    history.history = {"loss": [1.0, math.nan], "val_accuracy": [0.9, 0.1]}
    objective = keras_tuner.Objective("val_accuracy", "max")
    assert math.isnan(best_score(history, objective))
    history.history["loss"] = [1.0, 2.0]
    assert best_score(history, objective) == 0.9
    assert best_score(history, keras_tuner.Objective("val_accuracy", "min")) == 0.1
    history.history = {"loss": [1.0, 1.0, math.nan], "val_accuracy": [0.9, 0.8]}  # validated less often
    assert math.isnan(best_score(history, objective))
    assert best_score([{"val_accuracy": 0.5}, {"val_accuracy": 0.7}], objective) == pytest.approx(0.6)
    assert best_score(0.5, keras_tuner.Objective("default_objective", "min")) == 0.5
    assert math.isnan(best_score({"val_accuracy": math.inf}, objective))


@pytest.mark.parametrize("max_trials", [2, None])
def test_a_search_without_a_completed_trial_is_an_error(tuner_of, max_trials):
    hypermodel = ActivationHyperModel(given(), [explode, activations.ActivationFunction(explode, "again")])
    tuner = tuner_of(hypermodel, keras_tuner.GridSearch, max_trials=max_trials)
    with pytest.raises(FatalRuntimeError, match=r"no other was completed: the search has no result."):
        tuner.search(**FIT)
    with pytest.raises(ValueError, match=r"No trial of the search was completed.*: FAILED"):
        hypermodel.scores(tuner)


# Interrupted and resumed


class Interrupt(keras.callbacks.Callback):
    """Stops the process, as it were, in the n-th fit."""

    fits = 0

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_train_begin(self, logs=None):
        Interrupt.fits += 1
        if Interrupt.fits == self.at:
            raise KeyboardInterrupt


def interrupted(tuner, at=2):
    Interrupt.fits = 0
    with pytest.raises(KeyboardInterrupt):
        tuner.search(**FIT, callbacks=[Interrupt(at)])


@pytest.mark.slow
def test_interrupted_in_a_notebook_and_started_again(tuner_of):
    """The same tuner and hypermodel go on, in the middle of a trial's executions."""
    hypermodel = ActivationHyperModel(given(), ["relu", "gelu"])
    tuner = tuner_of(hypermodel, executions_per_trial=2)
    interrupted(tuner, at=2)
    tuner.search(**FIT)
    assert [list(scores) for scores in hypermodel.scores(tuner).values()] == [[0, 1]] * 2


def test_a_run_trial_of_ones_own_is_told_that_nothing_is_kept(tuner_of):
    class Plain(keras_tuner.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            return {"val_accuracy": 0.5}

    hypermodel = ActivationHyperModel(given(), ["relu", "gelu"])
    tuner = tuner_of(hypermodel, Plain)
    tuner.search()
    with pytest.raises(ValueError, match="No score of an execution was kept"):
        hypermodel.scores(tuner)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [keras_tuner.RandomSearch, keras_tuner.BayesianOptimization])
def test_interrupted_and_resumed(tuner_of, kind):
    def hypermodel():
        return ActivationHyperModel(given_at, ["prelu", "gelu", "relu"])

    interrupted(tuner_of(hypermodel(), kind, max_trials=4), at=3)
    resumed = tuner_of(hypermodel(), kind, max_trials=4)
    assert len(completed(resumed)) == 2
    resumed.search(**FIT)
    assert len(completed(resumed)) == 4
    scores = resumed.hypermodel.scores(resumed)
    assert [list(scored) for scored in scores.values()] == [[0]] * 4
    assert score(resumed.get_best_models()[0]) == pytest.approx(resumed.oracle.get_best_trials()[0].score, abs=1e-6)


def test_an_interrupted_grid_is_explained(tuner_of):
    interrupted(
        tuner_of(ActivationHyperModel(given(), ["relu", "gelu", "tanh"]), keras_tuner.GridSearch, max_trials=None)
    )
    hypermodel = ActivationHyperModel(given(), ["relu", "gelu", "tanh"])
    resumed = tuner_of(hypermodel, keras_tuner.GridSearch, max_trials=None)
    expected = r"This GridSearch was interrupted with 2 configurations left. keras-tuner can't resume one"
    with pytest.raises(FatalValueError, match=expected):
        hypermodel.check(resumed)
    with pytest.raises(FatalValueError, match=expected):
        resumed.search(**FIT)


def test_a_finished_grid_is_read_without_complaint(tuner_of):
    hypermodel = ActivationHyperModel(given(), ["relu", "gelu"])
    tuner_of(hypermodel, keras_tuner.GridSearch, max_trials=None).search(**FIT)
    hypermodel.check(tuner_of(hypermodel, keras_tuner.GridSearch, max_trials=None))


# A build function that seeds nothing and a callback of the user's own are none of our business


def test_callbacks_and_fit_arguments_reach_fit(tuner_of):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, self.params["steps"]))

    tuner_of(ActivationHyperModel(given(), ["relu", "gelu"]), max_trials=1).search(
        **FIT, batch_size=100, callbacks=[Watch()]
    )
    assert seen == [(0, 3), (1, 3)]


def test_outside_of_a_search_fit_is_plain():
    hypermodel = ActivationHyperModel(given(), ["relu", "gelu"])
    hp = keras_tuner.HyperParameters()
    history = hypermodel.fit(hp, hypermodel.build(hp), **FIT)
    assert len(history.history["val_accuracy"]) == 2
