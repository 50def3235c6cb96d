"""What a trial's executions scored: keras-tuner keeps their mean alone."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner

# Where keras-tuner keeps what tells a `fit` which trial it is part of, and which run of that trial.
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch, TunerCallback, validate_trial_results

from keras_actsel.results import json_ready
from keras_actsel.tuner._files import write_json
from keras_actsel.tuner._space import configurations


@dataclass(frozen=True)
class Run:
    """The run of a trial that a `fit` belongs to: all its executions, unless they are interrupted.

    Args:
        tuner: The `keras_tuner.Tuner`.
        trial_id: The trial's id.
        token: An object that is the same for the executions of a run, and of no other run.
    """

    tuner: Any
    trial_id: str
    token: Any

    @property
    def objective(self) -> Any:
        """What the tuner scores."""
        return self.tuner.oracle.objective

    @property
    def ends_in_nothing(self) -> bool:
        """Whether the search ends with this trial, as far as can be told, and no other one was completed."""
        return self._is_last and "COMPLETED" not in self._others

    @property
    def is_hopeless(self) -> bool:
        """Whether no trial was completed and another one failed, or there is no other."""
        retried = getattr(self.tuner.oracle, "max_retries_per_trial", 0) > 0
        failed = "FAILED" in self._others and "COMPLETED" not in self._others
        return failed or (self.ends_in_nothing and not retried)

    @property
    def _others(self) -> list[str]:
        """The states of the search's other trials; none in a worker, where the chief has them."""
        trials = getattr(self.tuner.oracle, "trials", {})
        return [trial.status for key, trial in trials.items() if key != self.trial_id]

    @property
    def _is_last(self) -> bool:
        oracle = self.tuner.oracle
        if isinstance(oracle, keras_tuner.oracles.HyperbandOracle) or not hasattr(oracle, "trials"):
            return False
        grid = isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
        most = oracle.max_trials or len(oracle.trials) + 1
        return len(oracle.trials) >= min(most, configurations(oracle.get_space(), most, grid=grid))

    def keep(self, scores: dict[int, float]) -> None:
        """Write the score of each seed beside what keras-tuner keeps of the trial."""
        write_json(_path(self.tuner, self.trial_id), json_ready({str(seed): score for seed, score in scores.items()}))


def run_of(callbacks: Any) -> Run | None:
    """The run that keras-tuner's own callbacks belong to; None outside a search."""
    of = next((callback for callback in callbacks or () if isinstance(callback, TunerCallback)), None)
    if of is None:
        return None
    # One object for all executions; a tuner that runs trials in a way of its own may have none.
    token = next((callback for callback in callbacks if isinstance(callback, SaveBestEpoch)), of)
    return Run(of.tuner, of.trial.trial_id, token)


def kept(tuner: Any, trial_id: str) -> dict[int, float]:
    """The score of each seed of a trial; NaN where it diverged, and nothing for a trial that was not run."""
    path = _path(tuner, trial_id)
    if not path.exists():
        return {}
    found = json.loads(path.read_text())
    return {int(seed): math.nan if score is None else score for seed, score in found.items()}


def _path(tuner: Any, trial_id: str) -> Path:
    return Path(tuner.get_trial_dir(trial_id)) / "scores.json"


# What `fit` returned: a History, a dict, a number, or a list of these


def score(results: Any, objective: Any) -> float:
    """The best epoch's value of the objective, as keras-tuner takes it; NaN if training ended in NaN or infinity.

    Raises:
        ValueError: If the objective is not in the logs.
    """
    validate_trial_results(results, objective, "HyperModel.fit()")
    if isinstance(results, list):
        return sum(score(part, objective) for part in results) / len(results)
    logs = _epochs(results, objective)
    if not logs or not objective.has_value(logs[-1]):
        raise ValueError(
            f"The tuner's objective {objective.name!r} is not among what training reported: "
            f"{sorted(logs[-1]) if logs else 'nothing'}. Names that start with 'val_' need validation_data= in "
            "`tuner.search`."
        )
    values = [float(objective.get_value(epoch)) for epoch in logs]
    if not math.isfinite(values[-1]) or not math.isfinite(_last_loss(results)):
        return math.nan
    best = values[0]
    for value in values[1:]:
        best = value if objective.better_than(value, best) or math.isnan(best) else best
    return best


def _epochs(results: Any, objective: Any) -> list[dict[str, float]]:
    """The logs of each epoch; of a dict or a number, a single one."""
    if isinstance(results, keras.callbacks.History):
        logs = results.history
        return [dict(zip(logs, values, strict=True)) for values in zip(*logs.values(), strict=False)]
    return [dict(results) if isinstance(results, dict) else {objective.name: float(results)}]


def _last_loss(results: Any) -> float:
    losses = results.history.get("loss", []) if isinstance(results, keras.callbacks.History) else []
    return float(losses[-1]) if losses else 0.0
