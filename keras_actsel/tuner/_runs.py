"""What a trial's executions scored: keras-tuner keeps their mean alone."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_actsel.results import json_ready
from keras_actsel.tuner._files import write_json


@dataclass(frozen=True)
class Run:
    """The tuner and the trial that a `fit` belongs to.

    Args:
        tuner: The `keras_tuner.Tuner`.
        trial_id: The trial's id.
    """

    tuner: Any
    trial_id: str

    @property
    def objective(self) -> Any:
        """What the tuner scores."""
        return self.tuner.oracle.objective

    @property
    def is_local(self) -> bool:
        """Whether the oracle is in this process, not behind a chief."""
        return hasattr(self.tuner.oracle, "trials")

    @property
    def completed(self) -> list[Any]:
        """The search's completed trials."""
        return [trial for trial in self.tuner.oracle.trials.values() if trial.status == "COMPLETED"]

    def keep(self, scores: dict[int, float]) -> None:
        """Write the score of each seed beside what keras-tuner keeps of the trial."""
        write_json(_path(self.tuner, self.trial_id), json_ready({str(seed): score for seed, score in scores.items()}))


def run_of(callbacks: Any) -> Run | None:
    """The run that keras-tuner's own callback belongs to; None outside a search."""
    for callback in callbacks or ():
        if hasattr(callback, "tuner") and hasattr(callback, "trial"):
            return Run(callback.tuner, callback.trial.trial_id)
    return None


def kept(tuner: Any, trial_id: str) -> dict[int, float]:
    """The score of each seed of a trial; NaN where it diverged, and nothing for a trial that was not run."""
    path = _path(tuner, trial_id)
    if not path.exists():
        return {}
    found = json.loads(path.read_text())
    return {int(seed): math.nan if score is None else score for seed, score in found.items()}


def _path(tuner: Any, trial_id: str) -> Path:
    return Path(tuner.get_trial_dir(trial_id)) / "scores.json"


# What `fit` returned: a History, a dict or a number


def epochs(results: Any, objective: Any) -> list[dict[str, float]]:
    """The logs of each epoch; of a dict or a number, a single one."""
    if isinstance(results, keras.callbacks.History):
        logs = results.history
        return [dict(zip(logs, values, strict=True)) for values in zip(*logs.values(), strict=False)]
    return [dict(results) if isinstance(results, dict) else {objective.name: float(results)}]


def score(results: Any, objective: Any) -> float:
    """The best epoch's value of the objective, as keras-tuner takes it; NaN if training ended in NaN or infinity.

    Raises:
        ValueError: If the objective is not in the logs.
    """
    logs = epochs(results, objective)
    if not logs or not objective.has_value(logs[-1]):
        raise ValueError(
            f"The tuner's objective {objective.name!r} is not among what training reported: "
            f"{sorted(logs[-1]) if logs else 'nothing'}. Names that start with 'val_' need validation_data= in "
            "`tuner.search`."
        )
    values = [float(objective.get_value(epoch)) for epoch in logs]
    if not math.isfinite(values[-1]) or not math.isfinite(float(logs[-1].get("loss", 0.0))):
        return math.nan
    best = values[0]
    for value in values[1:]:
        best = value if objective.better_than(value, best) or math.isnan(best) else best
    return best
