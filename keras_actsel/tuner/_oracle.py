"""Any oracle of keras-tuner as a strategy of `select`: it proposes, and `select` trains and judges."""

import math
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras_tuner

from keras_actsel.results import Trial
from keras_actsel.search import Request, Strategy
from keras_actsel.search._objective import Objective
from keras_actsel.tuner._space import COLLISIONS, check_space, hyperband_brackets

NAME = "activation"
SCORE = "score"
UNSET = "default_objective"
"""How keras-tuner names the objective of an oracle that was given none."""


class OracleStrategy(Strategy):
    """Search as an oracle of keras-tuner proposes.

    For more candidates than can all be trained, where the oracle's way of choosing among them is wanted. It is told the
    mean score over the seeds of each candidate that it proposes. What it proposes again is not trained again, and the
    search ends when all is known. Hyperband's epochs are followed: a promoted candidate goes on from where it ended,
    with the state of its optimizer, and `max_epochs` must be the `epochs` of `select`. A candidate that diverged on a
    seed is the worst there is. The oracle's objective, its directory (a temporary one) and its limit of failed trials
    are set here, and it serves one search.

    Args:
        oracle: A new oracle, such as `keras_tuner.oracles.RandomSearchOracle(max_trials=6)`, of which every argument
            but the number of trials and the seed can be left out.

    Raises:
        ValueError: If it is no oracle, or one that has a space or trials already.

    Example:
        >>> import keras_tuner
        >>> strategy = OracleStrategy(keras_tuner.oracles.GridSearchOracle())
        >>> search = strategy.search(["relu", "gelu"], seeds=[0, 1], direction="max")
        >>> [(request.candidate, request.seed) for request in next(search)]
        [('relu', 0), ('relu', 1)]

    Source:
        keras-tuner, https://keras.io/keras_tuner/api/oracles/
    """

    def __init__(self, oracle: keras_tuner.Oracle) -> None:
        _check_is_oracle(oracle)
        _check_is_new(oracle)
        self.oracle = oracle

    def check(self, candidates: Sequence[str], objective: Objective, fit_arguments: Mapping[str, Any]) -> None:
        """Refuse an oracle that was used, or that can't search so few candidates, or by another objective or budget."""
        _check_is_new(self.oracle)
        _check_objective(self.oracle, objective)
        if isinstance(self.oracle, keras_tuner.oracles.HyperbandOracle):
            _check_epochs(self.oracle.max_epochs, fit_arguments)
        space = keras_tuner.HyperParameters()
        space.Choice(NAME, list(candidates))
        check_space(self.oracle, space, stacklevel=4)

    def number_of_trials(self, candidates: Sequence[str], seeds: Sequence[int]) -> int:
        """At most every candidate once; with Hyperband, as its brackets draw and promote them."""
        if isinstance(self.oracle, keras_tuner.oracles.HyperbandOracle):
            return _trials_of_hyperband(self.oracle, len(candidates)) * len(seeds)
        return min(self.oracle.max_trials or len(candidates), len(candidates)) * len(seeds)

    def search(
        self, candidates: Sequence[str], seeds: Sequence[int], direction: str
    ) -> Generator[list[Request], list[Trial], None]:
        """One batch for each proposal: a candidate on all seeds."""
        known: dict[tuple[str, int | None], list[Trial]] = {}
        repeated = 0
        with _prepared(self.oracle, candidates, direction):
            while not _is_complete(known, candidates) and repeated < COLLISIONS:
                proposal = _proposal(self.oracle)
                if proposal is None:
                    return
                values = proposal.hyperparameters.values
                candidate, epochs = values[NAME], values.get("tuner/epochs")
                repeated = repeated + 1 if (candidate, epochs) in known else 0
                trials = known.get((candidate, epochs)) or _diverged(known, candidate)
                if trials is None:
                    begin = values.get("tuner/initial_epoch", 0)
                    trials = yield [Request(candidate, seed, "search", epochs, begin) for seed in seeds]
                known[candidate, epochs] = trials
                _tell(self.oracle, proposal, trials)


def _check_is_oracle(oracle: Any) -> None:
    if isinstance(oracle, keras_tuner.Oracle):
        return
    received = f"the class {oracle.__name__}" if isinstance(oracle, type) else f"{type(oracle).__name__}"
    hint = ""
    if isinstance(oracle, keras_tuner.engine.base_tuner.BaseTuner):
        hint = " A tuner trains by itself, and its `tuner.oracle` searches the space of its own hypermodel."
    raise ValueError(
        f"OracleStrategy needs an oracle of keras-tuner. Received: {received}.{hint} "
        "Pass a new one: keras_tuner.oracles.RandomSearchOracle(max_trials=6)."
    )


def _check_is_new(oracle: keras_tuner.Oracle) -> None:
    if oracle.trials:
        raise ValueError(
            f"The oracle has trials of another search. Received: {len(oracle.trials)} trials. "
            "Pass a new one: an oracle serves one search."
        )
    others = [hyperparameter.name for hyperparameter in oracle.get_space().space]
    if others:
        raise ValueError(
            f"The oracle's space has hyperparameters already. Received: {', '.join(others)}. Expected an empty space: "
            "select searches the activation alone, and puts it there. To search others with it, wrap the model in "
            "keras_actsel.tuner.ActivationHyperModel and use a tuner."
        )


def _check_objective(oracle: keras_tuner.Oracle, objective: Objective) -> None:
    given = oracle.objective
    if given.name != UNSET and (given.name, given.direction) != (objective.name, objective.direction):
        raise ValueError(
            f"The oracle and select have different objectives. Received: {given.name!r} ({given.direction}) for the "
            f"oracle, {objective.name!r} ({objective.direction}) for select. Leave the oracle's out: it is told what "
            "select scores."
        )


def _check_epochs(max_epochs: int, fit_arguments: Mapping[str, Any]) -> None:
    epochs, initial = fit_arguments.get("epochs", 1), fit_arguments.get("initial_epoch", 0)
    if epochs != max_epochs:
        raise ValueError(
            f"Hyperband's largest budget is not what select trains for. Received: max_epochs={max_epochs}, "
            f"epochs={epochs}. The leader would be found at one and confirmed at the other: pass epochs={max_epochs} "
            f"to select, or HyperbandOracle(max_epochs={epochs})."
        )
    if initial:
        raise ValueError(
            f"Hyperband sets where each trial begins. Received: initial_epoch={initial}. Leave initial_epoch out."
        )


def _trials_of_hyperband(oracle: Any, candidates: int) -> int:
    """How many trials it runs for a seed: no candidate is drawn twice, and none is promoted from a round half full."""
    trials = 0
    iterations = min(oracle.hyperband_iterations, candidates)  # each draws a candidate, or it is the last
    for drawn, *promoted in hyperband_brackets(oracle.max_epochs, oracle.factor) * iterations:
        trials += min(drawn, candidates) + (sum(promoted) if drawn <= candidates else 0)
        candidates = max(0, candidates - drawn)
    return trials


@contextmanager
def _prepared(oracle: Any, candidates: Sequence[str], direction: str) -> Iterator[None]:
    """The oracle with the candidates as its space, the direction as given, and a directory for as long as it runs."""
    oracle.hyperparameters.Choice(NAME, list(candidates))
    oracle.objective = keras_tuner.Objective(SCORE, direction)
    oracle.verbose = 0
    # Candidates may diverge, one after the other; errors never come here.
    oracle.max_consecutive_failed_trials = math.inf
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        # It saves its state with each trial, and only a tuner can tell it where.
        oracle._set_project_dir(directory, "select")
        yield


def _proposal(oracle: Any) -> Any:
    """The next trial that the oracle wants, or None when it wants no more."""
    trial = oracle.create_trial("select")
    if trial.status == "IDLE":
        raise ValueError(
            f"{type(oracle).__name__} answers IDLE although no trial runs that it could wait for. "
            "Expected RUNNING with values, or STOPPED."
        )
    return None if trial.status == "STOPPED" else trial


def _is_complete(known: Mapping[tuple[str, int | None], list[Trial]], candidates: Sequence[str]) -> bool:
    """Whether every candidate was trained without a budget, so that nothing is left to ask for."""
    return all((candidate, None) in known for candidate in candidates)


def _diverged(known: Mapping[tuple[str, int | None], list[Trial]], candidate: str) -> list[Trial] | None:
    """A candidate's trials of any budget in which one diverged: a larger one would go on from there."""
    own = (trials for (name, _), trials in known.items() if name == candidate)
    return next((trials for trials in own if any(trial.diverged for trial in trials)), None)


def _tell(oracle: Any, proposal: Any, trials: Sequence[Trial]) -> None:
    """Report the mean over the seeds, or that one of them diverged."""
    proposal.status = "COMPLETED"
    if not any(trial.diverged for trial in trials):
        oracle.update_trial(proposal.trial_id, {SCORE: sum(trial.score for trial in trials) / len(trials)})
    elif isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        # A failed trial would keep its whole round from being promoted. Hyperband only sorts, so that infinity will do.
        oracle.update_trial(proposal.trial_id, {SCORE: -math.inf if oracle.objective.direction == "max" else math.inf})
    else:
        proposal.status, proposal.message = "FAILED", "The training diverged."
    oracle.end_trial(proposal)
