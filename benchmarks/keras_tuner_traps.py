"""What does keras-tuner itself do where users of activations get hurt? Each line is one experiment, without our hooks.

Run with `python benchmarks/keras_tuner_traps.py`; about two minutes on two cores. Needs `keras-actsel[tuner]`.
"""

import contextlib
import io
import tempfile
import warnings

import keras
import keras_tuner
import numpy as np

from keras_actsel import data

SIX = ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"]
digits = data.load("digits")
X, Y = digits.x_train[:200].reshape(200, 64) / 16, digits.y_train[:200]
FIT = {"x": X, "y": Y, "validation_data": (X, Y), "verbose": 0}


def network(activation, rate=1e-3, metrics=("accuracy",)):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8, activation), keras.layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=list(metrics))
    return model


def by_choice(hp):
    return network(hp.Choice("activation", SIX))


def searched(kind, build=by_choice, directory=None, fit=None, **kwargs):
    """A tuner after its search, silently."""
    settings = {"objective": "val_accuracy", "seed": 1, **kwargs}
    with contextlib.redirect_stdout(io.StringIO()):
        tuner = kind(build, directory=directory or tempfile.mkdtemp(), **settings)
        tuner.search(**{**FIT, **(fit or {})})
    return tuner


def hyperband_over_six():
    """Hyperband with its defaults (100 epochs, factor 3) over six activations."""
    tuner = searched(keras_tuner.Hyperband)
    epochs = sorted({trial.hyperparameters["tuner/epochs"] for trial in tuner.oracle.trials.values()})
    return f"{len(tuner.oracle.trials)} trials, of {epochs} epochs; no error"


def random_over_sixty_four():
    """RandomSearch with max_trials=64 over 64 configurations, 20 seeds: how many it tries."""
    counts = []
    for seed in range(1, 21):
        space = keras_tuner.HyperParameters()
        for name in "abc":
            space.Choice(name, [1, 2, 3, 4])
        oracle = keras_tuner.oracles.RandomSearchOracle("val_accuracy", 64, hyperparameters=space, seed=seed)
        oracle._set_project_dir(tempfile.mkdtemp(), "p")
        oracle.verbose = 0
        while (trial := oracle.create_trial("t")).status == "RUNNING":
            oracle.update_trial(trial.trial_id, {"val_accuracy": 0.5})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
        counts.append(len(oracle.trials))
    return f"{min(counts)} to {max(counts)}, mean {np.mean(counts):.1f}"


def interrupted_grid():
    """GridSearch over six, interrupted in the third trial and started again."""
    directory = tempfile.mkdtemp()
    made = []

    def build(hp):
        made.append(hp)
        return by_choice(hp)

    class Stop(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            if len(made) == 4:  # one build belongs to the tuner itself
                raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        searched(keras_tuner.GridSearch, build, directory, fit={"callbacks": [Stop()]})
    try:
        tuner = searched(keras_tuner.GridSearch, by_choice, directory)
    except KeyError as error:
        return f"KeyError {error}"
    return f"{len(tuner.oracle.trials)} of 6 trials; no error"


def late_nan():
    """A model that is NaN from its second epoch on, and one that is not: which wins by val_accuracy?"""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if self.model.spoilt:
                self.model.layers[-1].bias.assign([np.nan] * 10)

    def build(hp):
        spoilt = hp.Choice("spoilt", [True, False])
        keras.utils.set_random_seed(1)
        model = network("relu", rate=1e-2 if spoilt else 1e-5)
        model.spoilt = spoilt
        return model

    tuner = searched(keras_tuner.GridSearch, build, fit={"epochs": 3, "callbacks": [Spoil()]})
    best = tuner.oracle.get_best_trials()[0]
    return f"{'the one that became NaN' if best.hyperparameters['spoilt'] else 'the other'}, status {best.status}"


def guessed_directions():
    """Directions guessed from names: metrics of which more is better."""
    guess = keras_tuner.engine.metrics_tracking.infer_metric_direction
    names = ("accuracy", "auc", "f1_score", "F1Score", "R2Score", "cosine_similarity", "CosineSimilarity")
    return ", ".join(f"{name}: {guess('val_' + name)}" for name in names)


def unseeded_executions():
    """The same configuration three times, seed=1: scores of the executions, and what is kept."""
    scores = []

    class Hyper(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Choice("same", [1])
            return network("relu", rate=1e-2)

        def fit(self, hp, model, *args, **kwargs):
            history = model.fit(*args, **kwargs)
            scores.append(round(history.history["val_accuracy"][-1], 3))
            return history

    tuner = searched(keras_tuner.RandomSearch, Hyper(), max_trials=1, executions_per_trial=3)
    return f"{scores}; kept: {tuner.oracle.get_best_trials()[0].score:.3f}"


def lost_optimizer():
    """Hyperband (4 epochs, factor 2): the optimizer's step at the start of promoted trials, 7 steps an epoch."""
    steps = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            if self.params["epochs"] > 1:
                steps.append(int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)))

    searched(keras_tuner.Hyperband, max_epochs=4, factor=2, fit={"callbacks": [Look()]})
    return f"{steps}"


def other_candidates():
    """A directory with a finished search over relu and tanh, then a search over gelu and silu in it: the winner."""
    directory = tempfile.mkdtemp()
    searched(keras_tuner.GridSearch, lambda hp: network(hp.Choice("activation", ["relu", "tanh"])), directory)
    tuner = searched(keras_tuner.GridSearch, lambda hp: network(hp.Choice("activation", ["gelu", "silu"])), directory)
    return f"{tuner.get_best_hyperparameters()[0]['activation']}; no error"


def failing_trials():
    """Two trials, both of which raise in fit."""
    tuner = searched(keras_tuner.RandomSearch, max_trials=2, fit={"class_weight": {0: "x"}})
    return f"search returns; statuses {[trial.status for trial in tuner.oracle.trials.values()]}"


EXPERIMENTS = (
    hyperband_over_six, random_over_sixty_four, interrupted_grid, late_nan, guessed_directions, unseeded_executions,
    lost_optimizer, other_candidates, failing_trials,
)  # fmt: skip

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(f"{keras.backend.backend()}\n\n| what | what happens |\n|---|---|")
    for experiment in EXPERIMENTS:
        print(f"| {experiment.__doc__.removesuffix('.')} | {experiment()} |", flush=True)
