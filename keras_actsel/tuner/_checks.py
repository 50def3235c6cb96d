"""What is checked of a tuner before it trains anything."""

import hashlib
import inspect
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from keras_actsel.activations import ActivationFunction
from keras_actsel.search._objective import better_direction, logged_as
from keras_actsel.surgery import sublayers
from keras_actsel.tuner._files import write_json
from keras_actsel.tuner._options import Option
from keras_actsel.tuner._space import configurations

_PROJECT = "keras_actsel.json"
_MEND = "Pass overwrite=True to the tuner to start anew, or another project_name to keep both."


def check_direction(objective: Any, model: keras.Model) -> None:
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
    given = model._compile_config.config if model.compiled else {}
    metrics = keras.tree.flatten([given.get("metrics") or [], given.get("weighted_metrics") or []])
    for metric in metrics:
        name = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))
        if key in logged_as(name, model):
            return better_direction(keras.metrics.get(metric) if isinstance(metric, str) else metric)
    return "min" if key in logged_as("loss", model) else None


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


# What a search is over, as texts that are the same in every process and on every backend


def described(
    candidates: Mapping[str, Option], model: keras.Model, declared: keras_tuner.HyperParameters
) -> dict[str, Any]:
    """What a search is over: its candidates, its model at the default values, and its hyperparameters."""
    return {
        "candidates": {key: _candidate(option.candidate) for key, option in candidates.items()},
        "model": _structure(model),
        "hyperparameters": [str(known) for known in declared.space],
    }


def _candidate(candidate: Any) -> str:
    if isinstance(candidate, keras.Layer):
        # Without its name, which Keras may have counted up.
        config = {**keras.saving.serialize_keras_object(candidate)["config"], "name": None}
        return f"{type(candidate).__name__} {_digest(json.dumps(config, sort_keys=True, default=str))}"
    own = isinstance(candidate, ActivationFunction) and candidate.formula is None and not candidate.keras_equivalent
    return f"{candidate} {_digest(_source(candidate.function))}" if own else str(candidate)


def _source(function: Any) -> str:
    """The text of a function of the user's own, or its bytecode where there is no text, as in a notebook's past."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return getattr(function, "__name__", "")
        return f"{code.co_code.hex()} {[part for part in code.co_consts if not inspect.iscode(part)]}"


def _structure(model: keras.Model) -> str:
    """The kinds and sizes of a model's layers."""
    parts = []
    for layer in (model, *sublayers(model).values()):
        shapes = [tuple(weight.shape) for weight in getattr(layer, "weights", [])]
        parts.append(f"{type(layer).__name__} {shapes}")
    counted = f"{len(parts)} layers with {model.count_params():,} weights" if model.built else type(model).__name__
    # Sorted: on PyTorch a model's attributes stand in another order.
    return f"{counted} ({_digest(' '.join(sorted(parts)))})"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


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
        other = [
            f"{key}: {held.get(key)} there, {value} here" for key, value in search.items() if held.get(key) != value
        ]
        if other:
            raise ValueError(
                f"The project directory {tuner.project_dir} holds a search over something else ({'; '.join(other)}). "
                f"Its trials would be taken for this search's. {_MEND}"
            )
    elif _ended(tuner):
        raise ValueError(
            f"The project directory {tuner.project_dir} holds another search (trials: {len(_ended(tuner))}). Its "
            f"trials would be taken for this search's. {_MEND}"
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
    limit = tuner.oracle.max_trials or 10**6
    left = configurations(tuner.oracle.get_space(), limit, grid=True) - len(_ended(tuner))
    if left > 0:
        raise ValueError(
            f"This GridSearch was interrupted with {left} configurations left. keras-tuner can't resume one: it raises "
            "a KeyError or stops without a word (https://github.com/keras-team/keras-tuner/issues/1055). "
            f"{_MEND} RandomSearch and BayesianOptimization can be resumed."
        )


def _ended(tuner: Any) -> list[Any]:
    """The trials that the project directory brought along; in a worker the chief has them."""
    trials = getattr(tuner.oracle, "trials", {}).values()
    return [trial for trial in trials if trial.status in ("COMPLETED", "FAILED", "INVALID")]
