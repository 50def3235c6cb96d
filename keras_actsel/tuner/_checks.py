"""What is checked of a tuner before it trains anything."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_actsel.search._objective import better_direction
from keras_actsel.surgery import sublayers
from keras_actsel.tuner._files import write_json
from keras_actsel.tuner._space import configurations

_PROJECT = "keras_actsel.json"
_MEND = "Pass overwrite=True to the tuner to start anew, or another project_name to keep both."


def check_objective(objective: Any, model: keras.Model) -> None:
    """Refuse a direction that is not that of the metric: keras-tuner guesses it from the name, often "min".

    Raises:
        ValueError: With the objective to pass.
    """
    for one in getattr(objective, "objectives", [objective]):
        known = _direction(one.name.removeprefix("val_"), model)
        if known not in (None, one.direction):
            raise ValueError(
                f"The tuner's objective {one.name!r} has the direction {one.direction!r}, which keras-tuner guesses "
                f"from a name; for this metric of the model it is {known!r}. Expected: "
                f"objective=keras_tuner.Objective({one.name!r}, {known!r})."
            )


def _direction(key: str, model: keras.Model) -> str | None:
    """The better direction of what the model logs under a name; None if it is not known."""
    if key.endswith("loss"):
        return "min"
    given = model._compile_config.config if model.compiled else {}
    metrics = keras.tree.flatten([given.get("metrics") or [], given.get("weighted_metrics") or []])
    for metric in metrics:
        # With several outputs Keras prefixes a metric's name by its output's.
        name = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", None))
        if name is not None and (key == name or key.endswith(f"_{name}")):
            return better_direction(keras.metrics.get(metric) if isinstance(metric, str) else metric)
    return None


def warn_if_not_built(model: keras.Model, stacklevel: int) -> None:
    """Warn of a model that keras-tuner can train and not load: it is not built until `fit` calls it."""
    if not model.built:
        warnings.warn(
            f"The model of type {type(model).__name__} that the build function returns is not built, and keras-tuner's "
            "get_best_models fails for such a model after the search. Call it once in the build function, on a few "
            "zeros of the inputs' shape.",
            UserWarning,
            stacklevel=stacklevel,
        )


def structure(model: keras.Model) -> str:
    """A digest of a model's layers and the shapes of their weights, without the names that Keras counts up."""
    parts = [type(model).__name__]
    for layer in sublayers(model).values():
        shapes = [tuple(weight.shape) for weight in getattr(layer, "weights", [])]
        parts.append(f"{type(layer).__name__} {shapes}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def check_project(tuner: Any, search: dict[str, Any]) -> None:
    """Note what a project directory is a search over, or refuse one that is over something else.

    Args:
        tuner: The tuner.
        search: What its search is over, as JSON can hold it.

    Raises:
        ValueError: Naming what differs.
    """
    path = Path(tuner.project_dir) / _PROJECT
    if path.exists():
        held = json.loads(path.read_text())
        differing = [
            f"{key}: {held.get(key)} there, {value} here" for key, value in search.items() if held.get(key) != value
        ]
        if differing:
            raise ValueError(
                f"The project directory {tuner.project_dir} holds a search over something else "
                f"({'; '.join(differing)}). Its trials would be taken for this search's. {_MEND}"
            )
    elif _ended(tuner):
        raise ValueError(
            f"The project directory {tuner.project_dir} holds {len(_ended(tuner))} trials of another search. They "
            f"would be taken for this search's. {_MEND}"
        )
    else:
        write_json(path, search)


def check_resumable(tuner: Any) -> None:
    """Refuse an interrupted grid search: keras-tuner 1.4.8 does not keep where it was.

    Raises:
        ValueError: With what can be resumed.
    """
    if not isinstance(tuner.oracle, keras_tuner.oracles.GridSearchOracle) or not _ended(tuner):
        return
    space, limit = tuner.oracle.get_space(), tuner.oracle.max_trials or 10**6
    left = min(configurations(space, limit), limit) - len(_ended(tuner))
    if left > 0:
        raise ValueError(
            f"This GridSearch was interrupted with {left} configurations left. keras-tuner can't resume one: it raises "
            "a KeyError or stops without a word (https://github.com/keras-team/keras-tuner/issues/1055). "
            f"{_MEND} RandomSearch and BayesianOptimization can be resumed."
        )


def _ended(tuner: Any) -> list[Any]:
    """The trials that the project directory brought along; in a worker the chief has them."""
    return [trial for trial in getattr(tuner.oracle, "trials", {}).values() if trial.status in ("COMPLETED", "FAILED")]
