"""The only place that trains: a request becomes a trial."""

import gc
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_actsel.results import Trial, TrialError, reason
from keras_actsel.search._candidates import ModelSource
from keras_actsel.search._data import Data, is_arrays
from keras_actsel.search._objective import Objective
from keras_actsel.search._random import (
    preserved_randomness,
    reseed_generators,
    seed_everything,
    seed_from,
    weights_drawn_by,
)
from keras_actsel.search._strategy import Request


def seeded_model(source: ModelSource, name: str, seed: int, data: Data) -> keras.Model:
    """A compiled model of a candidate; what it draws by itself, such as dropout, follows the seed."""
    seed_everything(seed)
    model = source.make(name, data)
    reseed_generators(model, seed)
    return model


LARGE = 1_000_000
"""Parameters of a model that is worth collecting garbage for, which took 0.4 s a trial on TensorFlow."""


class Evaluator:
    """Trains what is asked for, and keeps the best model of each candidate.

    Models of a smaller budget than `fit`'s own epochs are no result, but live on until they are continued.

    Args:
        source: Makes the models.
        data: What they train and are scored on.
        objective: What scores them.
        fit_arguments: Further arguments for `model.fit`.
        announce: Called with each request before it is trained.
    """

    def __init__(
        self,
        source: ModelSource,
        data: Data,
        objective: Objective,
        fit_arguments: dict[str, Any],
        announce: Callable[[Request], None] = lambda request: None,  # noqa: ARG005
    ) -> None:
        self.source, self.data, self.objective = source, data, objective
        # Keras shuffles by default, and warns that it does not where a stream shuffles by itself.
        shuffle = {} if is_arrays(data.fit["x"]) else {"shuffle": False}
        self.fit_arguments, self.announce = {**shuffle, **fit_arguments}, announce
        self.epochs = int(fit_arguments.get("epochs", 1))
        self.trials: list[Trial] = []
        self._unfinished: dict[tuple[str, int], keras.Model] = {}
        self._models: dict[str, tuple[float, keras.Model]] = {}
        self._large = False

    def run(self, requests: list[Request]) -> list[Trial]:
        """Train each request in turn.

        Raises:
            TrialError: If training raises; it names the candidate and the seed and carries the finished trials.
        """
        trials = []
        for request in requests:
            trials.append(self._train(request))
            if self._large:
                gc.collect()  # a Keras model refers to itself: one that is not kept would linger
        return trials

    def model(self, name: str) -> keras.Model | None:
        """The trained model of a candidate's best trial to the last epoch; None if it has none, or all diverged."""
        return self._models[name][1] if name in self._models else None

    def keep_only(self, names: set[str]) -> None:
        """Let go of the models of all other candidates, and of those that could be continued."""
        self._unfinished.clear()
        self._models = {name: kept for name, kept in self._models.items() if name in names}
        gc.collect()

    def _train(self, request: Request) -> Trial:
        self.announce(request)
        start = time.perf_counter()
        try:
            with preserved_randomness():
                model, score, diverged = self._fitted(request)
        except KeyboardInterrupt as interrupt:
            interrupt.trials = tuple(self.trials)  # type: ignore[attr-defined]
            raise
        except Exception as error:
            raise TrialError(
                f"The {request.stage} trial of {request.candidate!r} with seed {request.seed} failed: "
                f"{reason(error)} ({len(self.trials)} finished trials are in this error's `.trials`.)",
                tuple(self.trials),
            ) from error
        seconds = time.perf_counter() - start
        self._large = sum(math.prod(weight.shape) for weight in model.weights) > LARGE
        epochs = self.epochs if request.epochs is None else request.epochs
        trial = Trial(request.candidate, request.seed, request.stage, score, seconds, diverged, epochs)
        self.trials.append(trial)
        self._keep(trial, model)
        return trial

    def _fitted(self, request: Request) -> tuple[keras.Model, float, bool]:
        with weights_drawn_by(request.seed):
            model = self._begun(request)
            # Making the model drew numbers, and more of them for some candidates: the order of the data must not depend
            # on that.
            seed_everything(seed_from(request.seed, request.initial_epoch))
            history = model.fit(**self.data.fit, **self._validation(), verbose=0, **self._arguments(request))
        logs = model.evaluate(**self.data.evaluate, **self._batching(), verbose=0, return_dict=True)
        score = float(logs[self.objective.key])
        losses = [*history.history.get("loss", [])[-1:], logs.get("loss", 0.0), score]
        return model, score, not bool(np.isfinite(np.asarray(losses, dtype=float)).all())

    def _begun(self, request: Request) -> keras.Model:
        """A new model; or the live one, if the request continues it: so the optimizer keeps its state."""
        if request.initial_epoch:
            return self._unfinished.pop((request.candidate, request.seed))
        return seeded_model(self.source, request.candidate, request.seed, self.data)

    def _arguments(self, request: Request) -> dict[str, Any]:
        if request.epochs is None:
            return self.fit_arguments
        return {**self.fit_arguments, "epochs": request.epochs, "initial_epoch": request.initial_epoch}

    def _validation(self) -> dict[str, Any]:
        """Validation data for `fit`: needed there by callbacks alone, as each trial is scored after training."""
        if not self.fit_arguments.get("callbacks"):
            return {}
        evaluate = self.data.evaluate
        parts = tuple(evaluate[key] for key in ("x", "y", "sample_weight") if key in evaluate)
        return {"validation_data": parts if len(parts) > 1 else parts[0]}

    def _batching(self) -> dict[str, Any]:
        size = self.fit_arguments.get("validation_batch_size") or self.fit_arguments.get("batch_size")
        steps = self.fit_arguments.get("validation_steps")
        return {key: value for key, value in (("batch_size", size), ("steps", steps)) if value is not None}

    def _keep(self, trial: Trial, model: keras.Model) -> None:
        if trial.epochs != self.epochs:
            self._unfinished[trial.candidate, trial.seed] = model
            return
        if trial.diverged:
            return
        value = trial.score if self.objective.direction == "max" else -trial.score
        if trial.candidate not in self._models or value > self._models[trial.candidate][0]:
            self._models[trial.candidate] = (value, model)
