"""Leaderboard, verdict and recommendation, from tables of numbers in place of training."""

import dataclasses
import json
import math

import numpy as np
import pytest

from keras_actsel.results import Selection, Trial

pytestmark = pytest.mark.on_one_backend


def selection(search, confirm=None, *, baseline="relu", direction="max", **settings):
    """A selection of the given scores by candidate; NaN stands for a diverged trial."""
    trials = []
    for stage, table, first in (("search", search, 0), ("confirm", confirm or {}, 100)):
        for name, scores in table.items():
            trials += [
                Trial(name, first + i, stage, score, 1.5, not math.isfinite(score)) for i, score in enumerate(scores)
            ]
    settings.setdefault("validation_size", 1000)
    return Selection(tuple(trials), baseline, "val_accuracy", direction, **settings)


SEARCH = {"relu": [0.90, 0.91, 0.92], "gelu": [0.93, 0.94, 0.95], "tanh": [0.80, 0.81, 0.82]}
BETTER = {"gelu": [0.93, 0.95, 0.94, 0.96, 0.95], "relu": [0.90, 0.91, 0.92, 0.91, 0.92]}
EQUAL = {"gelu": [0.93, 0.91, 0.92, 0.90, 0.95], "relu": [0.92, 0.92, 0.91, 0.92, 0.93]}


def test_a_confirmed_leader_is_recommended():
    found = selection(SEARCH, BETTER)
    assert (found.best, found.recommended) == ("gelu", "gelu")
    assert found.comparison.pairs == 5
    assert found.verdict.startswith(
        "Use gelu: better than relu, its val_accuracy differs by +0.034 over 5 fresh seeds, 95 % interval "
    )
    assert "5 such seeds can detect a difference of 0.019" in found.verdict
    assert found.verdict.endswith("(the model's own initializers, 1000 validation samples).")
    assert found.verdict.count(". ") == 0


def test_no_significant_difference_keeps_the_baseline():
    found = selection(SEARCH, EQUAL, held_out=True)
    assert (found.best, found.recommended) == ("gelu", "relu")
    assert found.verdict.startswith("No significant difference, keep relu: gelu led the search")
    assert "held out of the training data" in found.verdict


def test_a_leader_that_proves_worse_is_not_recommended():
    found = selection(SEARCH, {"gelu": BETTER["relu"], "relu": BETTER["gelu"]})
    assert found.recommended == "relu"
    assert found.verdict.startswith(
        "Keep relu: gelu led the search, but is worse on fresh seeds: its val_accuracy differs by -0.034"
    )


def test_smaller_is_better_turns_the_signs():
    search = {name: [1 - s for s in scores] for name, scores in SEARCH.items()}
    confirm = {name: [1 - s for s in scores] for name, scores in BETTER.items()}
    found = selection(search, confirm, direction="min")
    assert (found.best, found.recommended) == ("gelu", "gelu")
    assert "val_accuracy differs by -0.034" in found.verdict


def test_a_leading_baseline_claims_nothing():
    found = selection(SEARCH, baseline="gelu")
    assert (found.best, found.recommended, found.comparison) == ("gelu", "gelu", None)
    assert found.verdict.startswith("Keep gelu: it led the search with a mean val_accuracy of 0.94 over 3 seeds")
    assert "no difference is claimed" in found.verdict


def test_without_confirmation_nothing_is_claimed():
    found = selection(SEARCH)
    assert (found.best, found.recommended) == ("gelu", "relu")
    assert "without confirmation on fresh seeds (confirm=5) no difference is claimed" in found.verdict


def test_differences_without_scatter_are_decided_by_their_number():
    found = selection(SEARCH, {"gelu": [0.75] * 5, "relu": [0.5] * 5})
    assert found.recommended == "relu"
    assert found.comparison.p_value == 2 / 2**5
    assert "val_accuracy differs by +0.25 over 5 fresh seeds, p = 0.062; the same on every seed" in found.verdict
    assert "six or more (confirm=6) would decide" in found.verdict
    found = selection(SEARCH, {"gelu": [0.75] * 6, "relu": [0.5] * 6})
    assert (found.recommended, found.comparison.p_value) == ("gelu", 2 / 2**6)


def test_the_rounding_of_scores_is_no_scatter():
    """Accuracies that differ by 0.01 on each seed, but for float32: the t test would be certain of itself."""
    relu = [float(np.float32(v)) for v in (0.90, 0.91, 0.92, 0.93, 0.94)]
    gelu = [float(np.float32(v)) for v in (0.91, 0.92, 0.93, 0.94, 0.95)]
    assert selection(SEARCH, {"gelu": gelu, "relu": relu}).comparison.p_value == 2 / 2**5


def test_a_leader_that_trains_sometimes_replaces_a_baseline_that_never_does():
    nan = math.nan
    found = selection({**SEARCH, "relu": [nan] * 3}, {"gelu": [nan, 0.9, 0.9, 0.9, 0.9], "relu": [nan] * 5})
    assert found.recommended == "gelu"
    assert "gelu diverged once and relu 5 times" in found.verdict
    found = selection({**SEARCH, "relu": [nan] * 3}, {"gelu": [nan] * 5, "relu": [nan] * 5})
    assert found.recommended == "relu"


def test_diverged_seeds_of_the_baseline_are_told():
    found = selection(SEARCH, {**BETTER, "relu": [0.9, math.nan, 0.92, 0.91, 0.92]})
    assert "over 4 fresh seeds (relu diverged once besides)" in found.verdict


def test_candidates_given_up_early_rank_below_those_that_went_on():
    board = selection({"relu": [0.5, 0.5], "elu": [0.9], "tanh": [0.6, 0.6]}).leaderboard()
    assert [row.candidate for row in board] == ["tanh", "relu", "elu"]


def budgeted(scores):
    """A selection of scores by candidate and epochs."""
    trials = [
        Trial(name, seed, "search", score, 2.0, not math.isfinite(score), epochs)
        for (name, epochs), own in scores.items()
        for seed, score in enumerate(own)
    ]
    return Selection(tuple(trials), "relu", "val_accuracy", "max")


HALVED = {
    ("relu", 1): [0.99, 0.99],
    ("gelu", 1): [0.40, 0.42],
    ("tanh", 1): [0.98, 0.98],
    ("relu", 3): [0.60, 0.62],
    ("gelu", 3): [0.50, 0.52],
    ("gelu", 9): [0.55, 0.57],
}


def test_larger_budgets_rank_first_and_are_never_mixed_in_a_mean():
    board = budgeted(HALVED).leaderboard()
    assert [(row.candidate, row.epochs, row.seeds) for row in board] == [("gelu", 9, 2), ("relu", 3, 2), ("tanh", 1, 2)]
    assert board[0].mean == pytest.approx(0.56)
    assert [row.seconds for row in board] == [6.0, 4.0, 2.0]  # of a seed, through all its budgets


def test_epochs_are_a_column_where_they_differ():
    header, *rows = str(budgeted(HALVED).leaderboard()).splitlines()
    assert header.split()[:3] == ["candidate", "epochs", "val_accuracy"]
    assert [row.split()[1] for row in rows] == ["9", "3", "1"]
    assert len({len(line) for line in (header, *rows)}) == 1
    assert "epochs" not in str(budgeted({("relu", 3): [0.5], ("gelu", 3): [0.6]}).leaderboard())
    mixed = budgeted({("relu", None): [0.5], ("gelu", 3): [0.6]}).leaderboard()
    assert [line.split()[1] for line in str(mixed).splitlines()] == ["epochs", "all", "3"]


def test_a_candidate_that_diverged_on_every_seed_is_last_whatever_its_budget():
    found = budgeted({("relu", 1): [0.5], ("gelu", 1): [0.9], ("gelu", 3): [math.nan], ("tanh", 1): [math.nan]})
    assert [row.candidate for row in found.leaderboard()] == ["relu", "gelu", "tanh"]
    assert found.verdict.startswith("Keep relu: it led the search")


def test_diverged_trials_are_counted_and_ranked_last_and_never_averaged():
    board = selection({**SEARCH, "selu": [math.nan, 0.99, math.inf]}).leaderboard()
    assert [row.candidate for row in board] == ["gelu", "relu", "tanh", "selu"]
    assert (board[3].diverged, board[3].seeds, board[3].mean) == (2, 3, 0.99)
    board = selection({"relu": [0.5, math.nan], "sine": [math.nan] * 2}).leaderboard()
    assert [row.candidate for row in board] == ["relu", "sine"]
    assert math.isnan(board[1].mean)


def test_a_leader_that_diverges_when_confirmed_is_not_recommended():
    found = selection(SEARCH, {**BETTER, "gelu": [0.93, math.nan, 0.94, 0.96, 0.95]})
    assert found.recommended == "relu"
    assert "gelu led the search, but on the 5 fresh seeds gelu diverged once and relu never" in found.verdict


def test_a_baseline_that_never_trains_is_replaced():
    found = selection({**SEARCH, "relu": [math.nan] * 3}, {**BETTER, "relu": [math.nan] * 5})
    assert found.recommended == "gelu"
    assert found.verdict.startswith("Use gelu: on the 5 fresh seeds gelu diverged never and relu 5 times")


def test_too_few_finished_pairs_decide_nothing():
    found = selection(SEARCH, {**BETTER, "relu": [0.9, *[math.nan] * 4]})
    assert found.recommended == "relu"
    assert "relu 4 times, which leaves too few pairs to compare" in found.verdict


def test_all_diverged():
    found = selection({"relu": [math.nan], "gelu": [math.nan]})
    assert (found.best, found.recommended) == ("relu", "relu")
    assert "Every candidate diverged on every seed" in found.verdict


def test_one_seed_has_no_interval():
    (row,) = selection({"relu": [0.9]}).leaderboard()
    assert (row.low, row.high) == (-math.inf, math.inf)
    assert str(selection({"relu": [0.9]}).leaderboard()).splitlines()[1].split()[:3] == ["relu", "0.9000", "-"]


def test_the_leaderboard_is_a_sequence_with_a_table():
    board = selection(SEARCH, BETTER).leaderboard("confirm")
    assert [row.candidate for row in board[:]] == ["gelu", "relu"]
    assert len(board) == 2
    header, first, second = str(board).splitlines()
    assert header.split() == "candidate val_accuracy 95 % interval seeds diverged seconds".split()  # noqa: SIM905
    assert len(header) == len(first) == len(second)
    assert board.__rich__().row_count == 2
    with pytest.raises(
        ValueError, match=r"Unknown stage\. Expected one of \('search', 'confirm'\)\. Received: 'final'"
    ):
        selection(SEARCH).leaderboard("final")


def test_json_is_strict_and_complete():
    found = selection({**SEARCH, "sine": [math.nan] * 3}, BETTER)
    content = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert content["recommended"] == "gelu"
    assert content["verdict"] == found.verdict
    assert len(content["trials"]) == len(found.trials)
    assert [t["score"] for t in content["trials"] if t["candidate"] == "sine"] == [None] * 3
    assert content["comparison"]["pairs"] == 5
    content = json.loads(budgeted(HALVED).to_json())
    assert [row["epochs"] for row in content["leaderboard"]] == [9, 3, 1]
    assert [trial["epochs"] for trial in content["trials"][::2]] == [1, 1, 1, 3, 3, 9]


def test_a_selection_shows_itself_shortly():
    assert repr(selection(SEARCH, BETTER)) == "<Selection best='gelu' recommended='gelu' baseline='relu', 19 trials>"
    assert repr(selection(SEARCH).leaderboard()) == str(selection(SEARCH).leaderboard())


def test_a_selection_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        selection(SEARCH).baseline = "tanh"


@pytest.mark.parametrize("candidates", [2, 8, 16])
def test_candidates_that_are_equal_are_called_different_no_more_often_than_stated(candidates):
    """The whole procedure under a null: scores share a seed's luck, and no candidate is better."""
    generator = np.random.default_rng(candidates)
    names = ["relu", *map(str, range(1, candidates))]
    runs = 1500

    def scores(chosen, seeds):
        luck = generator.normal(size=seeds)
        return {name: list(luck + generator.normal(size=seeds)) for name in chosen}

    different = better = 0
    for _ in range(runs):
        search = scores(names, 3)
        leader = selection(search).best
        found = selection(search, scores({leader, "relu"}, 5) if leader != "relu" else None)
        different += found.comparison is not None and found.comparison.significant
        better += found.recommended != "relu"
    # The stated rate is 5 %; three standard errors of the simulation are added.
    assert different / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert better / runs <= 0.025 + 3 * (0.025 * 0.975 / runs) ** 0.5
    assert different > 0  # a test that never claims anything would pass, too


def test_a_true_lead_of_three_standard_deviations_is_mostly_found():
    generator = np.random.default_rng(1)
    found = 0
    for _ in range(300):
        search = {"relu": generator.normal(size=3), "gelu": 3 + generator.normal(size=3)}
        confirm = {"relu": generator.normal(size=5), "gelu": 3 + generator.normal(size=5)}
        found += selection(search, confirm).recommended == "gelu"
    assert found / 300 > 0.85
