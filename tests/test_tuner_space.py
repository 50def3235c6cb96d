"""Spaces that are too small for an oracle: how many configurations there are, and what drawing from them comes to."""

import math
import warnings

import keras_tuner
import pytest

from keras_actsel.tuner._space import (
    COLLISIONS,
    check_space,
    configurations,
    ends_early,
    hyperband_brackets,
)

pytestmark = pytest.mark.on_one_backend

oracles = keras_tuner.oracles


def space(count=None, **choices):
    """A space of one choice among so many, or of several choices."""
    hp = keras_tuner.HyperParameters()
    for name, values in (choices or {"activation": [f"a{i}" for i in range(count)]}).items():
        hp.Choice(name, values)
    return hp


def test_configurations_are_counted():
    hp = space(activation=["relu", "gelu", "leaky_relu"])
    hp.Boolean("norm")
    hp.Fixed("units", 32)
    hp.Int("depth", 1, 3)
    hp.Int("width", 8, 64, step=2, sampling="log")  # 8, 16, 32, 64
    hp.Float("dropout", 0.0, 0.5, step=0.25)  # 0, 0.25, 0.5
    assert configurations(hp, 10_000) == 3 * 2 * 1 * 3 * 4 * 3
    assert configurations(hp, 100) == 100
    assert configurations(keras_tuner.HyperParameters(), 100) == 1


@pytest.mark.parametrize(
    "add",
    [
        lambda hp: hp.Float("rate", 1e-4, 1e-2),
        lambda hp: hp.Float("rate", 1e-4, 1e-2, sampling="log"),
        lambda hp: hp.Int("units", 8, 512, sampling="log"),
        lambda hp: hp.Int("units", 1, 10**9),
    ],
)
def test_ranges_without_a_step_have_no_end_of_configurations(add):
    hp = space(3)
    add(hp)
    assert configurations(hp, 5000) == 5000


def test_conditional_hyperparameters_count_under_their_parents_values():
    hp = space(activation=["relu", "leaky_relu", "elu"])
    hp.Choice("slope", [0.01, 0.1, 0.3], parent_name="activation", parent_values=["leaky_relu"])
    hp.Choice("alpha", [0.5, 1.0], parent_name="activation", parent_values=["elu"])
    with hp.conditional_scope("activation", ["elu"]):
        hp.Boolean("deep", parent_name="alpha", parent_values=[1.0])
    assert configurations(hp, 100) == 1 + 3 + (1 + 2)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("max_epochs", [1, 2, 3, 5, 9, 10, 27, 81, 100, 243, 1000])
def test_brackets_are_those_of_keras_tuner(max_epochs, factor):
    oracle = oracles.HyperbandOracle(max_epochs=max_epochs, factor=factor)
    theirs = [
        [oracle._get_size(bracket, number) for number in range(oracle._get_num_rounds(bracket))]
        for bracket in reversed(range(oracle._get_num_brackets()))
    ]
    assert hyperband_brackets(max_epochs, factor) == theirs


@pytest.mark.parametrize(("draws", "count"), [(9, 9), (20, 20), (20, 22), (3, 2)])
def test_the_probability_of_an_early_end_is_what_keras_tuner_shows(draws, count):
    runs, early = 400, 0
    for seed in range(1, runs + 1):
        oracle = oracles.RandomSearchOracle(max_trials=draws, hyperparameters=space(count), seed=1000 * seed)
        for _ in range(draws):
            values = oracle._random_values()
            if values is None:
                early += 1
                break
            oracle._tried_so_far.add(oracle._compute_values_hash(values))
    assert oracle._max_collisions + 1 == COLLISIONS
    expected = ends_early(draws, count)
    # Three standard errors of a count of runs.
    assert abs(early / runs - expected) <= 3 * math.sqrt(expected * (1 - expected) / runs)


def test_hyperband_over_too_few_is_refused():
    message = (
        r"Hyperband first draws 98 configurations \(max_epochs=100, factor=3\), and promotes none before it has them "
        r"all\. Received: a space of 12 configurations, which never suffices, and the winner would be a trial of "
        r"2 epochs\. Expected: 121 configurations or more\. Use GridSearch, which covers a small space; or "
        r"max_epochs=9, for which 9 are drawn\."
    )
    with pytest.raises(ValueError, match=message):
        check_space(oracles.HyperbandOracle(max_epochs=100), space(12))
    with pytest.raises(ValueError, match=r"a space of 100 configurations, which suffices by chance: with probability "):
        check_space(oracles.HyperbandOracle(), space(100))
    with pytest.raises(ValueError, match=r"a space of 1 configuration, .*a trial of 1 epoch\..*a small space\.$"):
        check_space(oracles.HyperbandOracle(max_epochs=3), space(1))


def test_the_remedies_for_hyperband_are_right():
    hyperband = oracles.HyperbandOracle
    with pytest.warns(UserWarning, match=r"draws 166 different configurations for the brackets in"):
        check_space(hyperband(max_epochs=100), space(121))
    with pytest.raises(ValueError, match="Hyperband first draws"):
        check_space(hyperband(max_epochs=100), space(120))
    with pytest.warns(UserWarning, match=r"draws 14 different configurations for the br.*the space has 12 conf"):
        check_space(hyperband(max_epochs=9), space(12))
    with pytest.warns(UserWarning, match=r"draws 31 different configurations"):
        check_space(hyperband(max_epochs=9, hyperband_iterations=2), space(20))


def test_random_drawing_that_will_not_have_them_all_is_said():
    message = r"The space of RandomSearchOracle has 6 configurations\. It has max_trials=10, more than there are\. Grid"
    with pytest.warns(UserWarning, match=message):
        check_space(oracles.RandomSearchOracle(max_trials=10), space(6))
    with pytest.warns(UserWarning, match=r"has 9 configurations\. It will draw 9 of them for max_trials=9, and with "):
        check_space(oracles.RandomSearchOracle(max_trials=9), space(9))
    with pytest.warns(UserWarning, match=r"The space of BayesianOptimizationOracle has 6 configurations"):
        check_space(oracles.BayesianOptimizationOracle(max_trials=10), space(6))
    with pytest.warns(UserWarning, match=r"It will draw 9 of them for max_trials=9"):
        check_space(oracles.BayesianOptimizationOracle(max_trials=9, num_initial_points=9), space(9))


@pytest.mark.parametrize(
    ("oracle", "count"),
    [
        (oracles.RandomSearchOracle(max_trials=6), 6),
        (oracles.RandomSearchOracle(max_trials=10), 20),
        (oracles.RandomSearchOracle(max_trials=None), 9),
        (oracles.BayesianOptimizationOracle(max_trials=9), 9),  # it draws three, and computes the others
        (oracles.GridSearchOracle(), 3),
        (oracles.HyperbandOracle(max_epochs=1), 2),  # it is a random search
        (oracles.HyperbandOracle(max_epochs=9), 16),
        (oracles.HyperbandOracle(max_epochs=9, hyperband_iterations=None), 16),  # it goes on until it ends
        (oracles.HyperbandOracle(), 500),
    ],
)
def test_spaces_that_suffice(oracle, count):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_space(oracle, space(count))


def test_the_oracles_own_space_is_meant_and_clients_of_an_oracle_are_left_alone():
    with pytest.raises(ValueError, match="a space of 3 configurations"):
        check_space(oracles.HyperbandOracle(hyperparameters=space(3)))
    check_space(object())


def test_the_warning_names_the_line_that_asked():
    with pytest.warns(UserWarning, match="GridSearch covers them all") as caught:
        check_space(oracles.RandomSearchOracle(max_trials=10), space(6))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("count", [2, 4, 7, 8])
def test_hyperband_itself_promotes_nothing_in_a_space_that_is_refused(count, tmp_path):
    oracle = oracles.HyperbandOracle(max_epochs=9, hyperparameters=space(count), objective="val_loss", seed=1)
    oracle._set_project_dir(tmp_path, "search")
    oracle.verbose = 0
    epochs = []
    while (trial := oracle.create_trial("me")).status == "RUNNING":
        epochs.append(trial.hyperparameters.values["tuner/epochs"])
        oracle.update_trial(trial.trial_id, {"val_loss": 1.0})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert epochs == [1] * len(epochs)
    with pytest.raises(ValueError, match=r"the winner would be a trial of 1 epoch"):
        check_space(oracle, space(count))
