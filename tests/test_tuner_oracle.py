"""Oracles of keras-tuner as strategies: with a table of numbers in place of training, and on the digits."""

import math
import tempfile
from collections import Counter

import keras
import keras_tuner
import numpy as np
import pytest
from keras import ops

import keras_actsel
from keras_actsel.results import Trial
from keras_actsel.search import TrialError, select
from keras_actsel.tuner import OracleStrategy

oracles = keras_tuner.oracles
NAMES = [f"a{i}" for i in range(9)]


def run(oracle, score, seeds=(0,), direction="max", names=NAMES):
    """The requests of a search in which `score(request)` stands for training; NaN is a diverged trial."""
    search, asked, trials = OracleStrategy(oracle).search(names, list(seeds), direction), [], None
    while True:
        try:
            requests = next(search) if trials is None else search.send(trials)
        except StopIteration:
            return asked
        asked += requests
        scores = [score(request) for request in requests]
        trials = [
            Trial(r.candidate, r.seed, "search", value, 1.0, not math.isfinite(value), r.epochs)
            for r, value in zip(requests, scores, strict=True)
        ]


def number(request):
    return float(request.candidate[1:])


EVERY = {
    "random": lambda: oracles.RandomSearchOracle(max_trials=6, seed=3),
    "bayesian": lambda: oracles.BayesianOptimizationOracle(max_trials=6, seed=3),
    "grid": lambda: oracles.GridSearchOracle(max_trials=6),
    "hyperband": lambda: oracles.HyperbandOracle(max_epochs=9, seed=3),
}


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("direction", ["max", "min"])
def test_an_oracle_is_told_the_mean_over_the_seeds_in_the_direction_of_select(kind, direction):
    oracle = EVERY[kind]()
    asked = run(oracle, lambda r: number(r) + r.seed, seeds=(10, 20), direction=direction)
    assert [r.seed for r in asked] == [10, 20] * (len(asked) // 2)
    assert len(set(asked)) == len(asked)
    assert oracle.objective.direction == direction
    for trial in oracle.trials.values():
        assert trial.status == "COMPLETED"
        assert trial.score == float(trial.hyperparameters.values["activation"][1:]) + 15
    order = max if direction == "max" else min
    best = oracle.get_best_trials()[0].hyperparameters.values["activation"]
    assert number(order(asked, key=number)) == float(best[1:])


def test_grid_search_asks_for_every_candidate_and_random_search_for_as_many_as_told():
    assert [r.candidate for r in run(oracles.GridSearchOracle(), number)] == NAMES
    assert len(run(oracles.RandomSearchOracle(max_trials=4), number)) == 4


@pytest.mark.parametrize("direction", ["max", "min"])
def test_hyperband_promotes_the_best_from_where_they_ended(direction):
    asked = run(oracles.HyperbandOracle(max_epochs=9, seed=3), number, direction=direction)
    best = sorted(NAMES, reverse=direction == "max")
    assert Counter((r.initial_epoch, r.epochs) for r in asked) == {(0, 1): 9, (1, 3): 3, (3, 9): 1}
    assert [r.candidate for r in asked if r.epochs == 3] == best[:3]
    assert [r.candidate for r in asked if r.epochs == 9] == best[:1]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_diverged_trial_is_the_worst_and_does_not_keep_hyperband_from_promoting(direction):
    def score(request):
        return math.nan if request.candidate in ("a8", "a0") and request.seed == 1 else number(request)

    oracle = oracles.HyperbandOracle(max_epochs=9, seed=3)
    asked = run(oracle, score, seeds=(0, 1), direction=direction)
    promoted = {r.candidate for r in asked if r.epochs > 1}
    assert promoted == ({"a7", "a6", "a5"} if direction == "max" else {"a1", "a2", "a3"})
    assert {r.epochs for r in asked} == {1, 3, 9}


def test_what_diverged_is_not_trained_further():
    asked = run(oracles.HyperbandOracle(max_epochs=9, seed=3), lambda r: math.nan if r.candidate != "a4" else 1.0)
    assert Counter((r.candidate, r.epochs) for r in asked) == Counter(
        [*((name, 1) for name in NAMES), ("a4", 3), ("a4", 9)]
    )


@pytest.mark.parametrize("kind", ["random", "bayesian", "grid"])
@pytest.mark.parametrize("worst", [math.nan, math.inf, -math.inf])
def test_no_model_of_an_oracle_sees_what_is_not_finite(kind, worst):
    """And so many failures in a row do not end its search."""
    oracle = EVERY[kind]()
    asked = run(oracle, lambda r: worst, direction="min")
    assert len(asked) == 6
    assert {trial.status for trial in oracle.trials.values()} == {"FAILED"}
    assert {trial.score for trial in oracle.trials.values()} == {None}


def test_bayesian_optimization_goes_on_after_a_divergence():
    oracle = oracles.BayesianOptimizationOracle(max_trials=8, seed=3)
    run(oracle, lambda r: math.nan if r.candidate == "a8" else number(r))
    assert len(oracle.trials) > 4  # it draws three that finish before it computes any
    assert Counter(t.status for t in oracle.trials.values())["FAILED"] >= 1
    assert oracle.get_best_trials()[0].score == 7.0


class Repeats(keras_tuner.Oracle):
    """Proposes one candidate for ever."""

    def populate_space(self, trial_id):
        return {"status": "RUNNING", "values": {"activation": "a1"}}


def test_what_is_known_is_not_trained_again_and_a_search_that_learns_nothing_ends():
    oracle = Repeats()
    assert [r.candidate for r in run(oracle, number)] == ["a1"]
    assert len(oracle.trials) == 1 + 21  # as many repetitions as keras-tuner's own drawing bears
    oracle = oracles.BayesianOptimizationOracle(max_trials=50, seed=3)
    asked = run(oracle, number, names=NAMES[:3])
    assert sorted(r.candidate for r in asked) == NAMES[:3]
    assert len(oracle.trials) < 50  # all is known


def test_an_oracle_that_waits_for_nothing_is_refused():
    class Waits(keras_tuner.Oracle):
        def populate_space(self, trial_id):
            return {"status": "IDLE"}

    with pytest.raises(
        ValueError, match=r"Waits answers IDLE although no trial runs that it could wait for\. Expected"
    ):
        run(Waits(), number)


def test_nothing_is_written_but_for_the_time_of_the_search(tmp_path, monkeypatch, capfd):
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    seen = []

    def score(request):
        seen.extend(path.name for path in (tmp_path / "temporary").rglob("oracle.json"))
        return number(request)

    run(oracles.RandomSearchOracle(max_trials=3), score)
    assert seen  # the oracle did save its state
    search = OracleStrategy(oracles.RandomSearchOracle(max_trials=3)).search(NAMES, [0], "max")
    next(search)
    search.close()
    assert [path for path in tmp_path.rglob("*") if path.name not in ("here", "temporary")] == []
    assert capfd.readouterr() == ("", "")


def test_the_number_of_trials_is_what_is_trained_at_most():
    for kind, expected in [("random", 6), ("bayesian", 6), ("grid", 6), ("hyperband", 13)]:
        strategy = OracleStrategy(EVERY[kind]())
        assert strategy.number_of_trials(NAMES, [0, 1]) == 2 * expected
        assert len(run(EVERY[kind](), number)) <= expected
    names = [f"a{i}" for i in range(40)]
    for iterations, expected in [(1, 23), (2, 46), (None, 52)]:
        once, again = (oracles.HyperbandOracle(max_epochs=9, hyperband_iterations=iterations, seed=1) for _ in range(2))
        assert OracleStrategy(once).number_of_trials(names, [0]) == expected
        trained = len(run(again, number, names=names))
        # At the end of the candidates its drawing may end by chance.
        assert trained == expected if iterations else expected - 6 <= trained <= expected
    assert OracleStrategy(oracles.GridSearchOracle()).number_of_trials(NAMES, [0]) == 9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: oracles.RandomSearchOracle, r"Received: the class RandomSearchOracle\. Pass a new one"),
        (lambda: "random", r"needs an oracle of keras-tuner\. Received: str\..*RandomSearchOracle\(max_trials=6\)"),
    ],
)
def test_what_is_no_oracle(given, message):
    with pytest.raises(ValueError, match=message):
        OracleStrategy(given())


def test_a_tuner_is_no_oracle_and_neither_is_the_oracle_of_one_with_a_space(tmp_path):
    def build(hp):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [2, 4]))])
        model.compile("adam", "mse")
        return model

    tuner = keras_tuner.RandomSearch(build, "val_loss", max_trials=2, directory=tmp_path)
    with pytest.raises(ValueError, match=r"Received: RandomSearch\. A tuner trains by itself, and its `tuner\.oracle`"):
        OracleStrategy(tuner)
    with pytest.raises(ValueError, match=r"Received: units\. Expected an empty space: select searches the activation "):
        OracleStrategy(tuner.oracle)


def check(oracle, candidates=NAMES, epochs=1, **fit_arguments):
    objective = keras_actsel.search._objective.Objective("accuracy", "max")
    OracleStrategy(oracle).check(candidates, objective, {"epochs": epochs, **fit_arguments})


def test_what_the_oracle_and_select_must_agree_on():
    with pytest.raises(
        ValueError, match=r"Received: 'val_loss' \(min\) for the oracle, 'val_accuracy' \(max\) for sel"
    ):
        check(oracles.RandomSearchOracle("val_loss", max_trials=6))
    check(oracles.RandomSearchOracle("val_accuracy", max_trials=6))
    message = r"Received: max_epochs=9, epochs=5\..*pass epochs=9 to select, or HyperbandOracle\(max_epochs=5\)"
    with pytest.raises(ValueError, match=message):
        check(oracles.HyperbandOracle(max_epochs=9), epochs=5)
    with pytest.raises(ValueError, match=r"Received: initial_epoch=1\. Leave initial_epoch out"):
        check(oracles.HyperbandOracle(max_epochs=9), epochs=9, initial_epoch=1)
    with pytest.raises(ValueError, match=r"Hyperband first draws 9 configurations.*a space of 4 configurations"):
        check(oracles.HyperbandOracle(max_epochs=9), NAMES[:4], epochs=9)
    with pytest.warns(UserWarning, match="has 4 configurations. It has max_trials=6"):
        check(oracles.RandomSearchOracle(max_trials=6), NAMES[:4])


# ---- On the digits.

DIGITS = keras_actsel.data.load("digits")
X, Y = DIGITS.x_train[:240].reshape(240, -1) / 16, DIGITS.y_train[:240]
XV, YV = DIGITS.x_test[:200].reshape(200, -1) / 16, DIGITS.y_test[:200]
DATA = {"x": X, "y": Y, "validation_data": (XV, YV), "batch_size": 80, "verbose": 0}
STEPS = 3


@keras.saving.register_keras_serializable("tests_oracle")
def dead(x):
    """A baseline that every activation beats: it passes nothing on."""
    return x * 0.0


def network(activation=dead):
    layers = [keras.Input((64,)), keras.layers.Dense(16, activation), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    # Eager steps spare the compilation, which is most of the time at this size.
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True
    )
    return model


class Watch(keras.callbacks.Callback):
    """Counts the epochs, and notes where each training's optimizer began."""

    def __init__(self):
        super().__init__()
        self.epochs, self.begins = [], []

    def on_train_begin(self, logs=None):
        variables = [np.array(ops.convert_to_numpy(v)) for v in self.model.optimizer.variables]
        self.begins.append((int(variables[0]), all(np.abs(v).max() > 0 for v in variables if v.ndim)))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


def broken(x):
    return x * float("nan")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "random",
        # What differs between the kinds is the order of the proposals, which keras-tuner computes with NumPy.
        pytest.param("bayesian", marks=pytest.mark.on_one_backend),
        pytest.param("grid", marks=pytest.mark.on_one_backend),
    ],
)
def test_an_oracle_proposes_and_select_decides(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    candidates, oracle = ["relu", "tanh", broken], EVERY[kind]()
    oracle.max_trials = 4
    found = select(
        network(), **DATA, candidates=candidates, seeds=2, confirm=3, epochs=3, strategy=OracleStrategy(oracle)
    )
    assert found.best in ("relu", "tanh")
    assert (found.recommended, found.baseline) == (found.best, "dead")
    assert "over 3 fresh seeds" in found.verdict
    assert len({(t.candidate, t.seed) for t in found.trials if t.stage == "search"}) == sum(
        row.seeds for row in found.leaderboard()
    )
    scores = [t.score for t in found.trials if t.candidate == found.best]
    assert found.model.evaluate(XV, YV, verbose=0, return_dict=True)["accuracy"] == pytest.approx(max(scores))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_hyperband_trains_exactly_the_epochs_that_it_says_and_keeps_the_optimizer():
    watch, oracle = Watch(), oracles.HyperbandOracle(max_epochs=4, factor=2, seed=1)
    candidates = [
        "relu",
        "tanh",
        "elu",
        "gelu",
        "silu",
        "selu",
        "softplus",
        "softsign",
        "mish",
        "leaky_relu",
        "hard_tanh",
    ]
    strategy = OracleStrategy(oracle)
    found = select(
        network(), **DATA, candidates=candidates, seeds=1, confirm=2, epochs=4, strategy=strategy, callbacks=[watch]
    )
    search = [t for t in found.trials if t.stage == "search"]
    assert Counter(t.epochs for t in search) == {1: 4, 2: 2 + 3, 4: 1 + 2 + 3}
    assert len(search) == strategy.number_of_trials(["dead", *candidates], [0])
    said = [
        epoch
        for t in oracle.trials.values()
        for epoch in range(t.hyperparameters.values["tuner/initial_epoch"], t.hyperparameters.values["tuner/epochs"])
    ]
    confirmed = [t for t in found.trials if t.stage == "confirm"]
    assert Counter(watch.epochs) == Counter([*said, *len(confirmed) * [0, 1, 2, 3]])
    begun = [t.hyperparameters.values["tuner/initial_epoch"] for t in oracle.trials.values()]
    assert [steps for steps, _ in watch.begins[: len(search)]] == [STEPS * epoch for epoch in begun]
    assert all(moments for steps, moments in watch.begins if steps)  # and Adam's moments came along
    assert {1, 2} <= set(begun)
    assert found.leaderboard()[0].epochs == 4
    assert found.model is not None


@pytest.mark.slow
def test_errors_come_before_anything_is_trained():
    watch = Watch()
    arguments = {**DATA, "candidates": ["relu", "tanh"], "callbacks": [watch]}
    with pytest.raises(ValueError, match=r"max_epochs=9, epochs=5"):
        select(network(), **arguments, epochs=5, strategy=OracleStrategy(oracles.HyperbandOracle(max_epochs=9)))
    with pytest.raises(ValueError, match=r"Hyperband first draws 9 configurations"):
        select(network(), **arguments, epochs=9, strategy=OracleStrategy(oracles.HyperbandOracle(max_epochs=9)))
    assert watch.epochs == []
    strategy = OracleStrategy(oracles.GridSearchOracle())
    select(network(), **arguments, seeds=1, confirm=0, strategy=strategy)
    trained = len(watch.epochs)
    with pytest.raises(
        ValueError, match=r"has trials of another search\. Received: 3 trials\. Pass a new one: an oracle"
    ):
        select(network(), **arguments, strategy=strategy)
    assert len(watch.epochs) == trained


@pytest.mark.slow
def test_errors_of_the_users_code_and_of_the_oracle_keep_what_is_finished():
    class Fails(keras_tuner.oracles.GridSearchOracle):
        def populate_space(self, trial_id):
            return super().populate_space(trial_id) if len(self.trials) < 2 else 1 / 0

    few = {**DATA, "candidates": ["relu", "tanh"], "seeds": 1, "confirm": 0}
    with pytest.raises(TrialError, match=r"The strategy OracleStrategy failed: ZeroDivisionError") as caught:
        select(network(), **few, strategy=OracleStrategy(Fails()))
    assert [t.candidate for t in caught.value.trials] == ["dead", "relu"]

    class Odd(keras_tuner.Oracle):
        def populate_space(self, trial_id):
            return {"status": "RUNNING", "values": {"activation": "relu", "tuner/epochs": 9}}

    with pytest.raises(TrialError, match=r"asked for Request\(candidate='relu'.*to an epoch from 1 to 1"):
        select(network(), **few, strategy=OracleStrategy(Odd()))
