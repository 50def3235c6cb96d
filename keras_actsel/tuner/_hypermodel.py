"""`ActivationHyperModel`: a model or a build function whose activations keras-tuner searches."""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner
from keras_tuner.errors import FailedTrialError, FatalError, FatalRuntimeError

from keras_actsel.results import reason
from keras_actsel.search._random import (
    preserved_randomness,
    reseed_generators,
    seed_everything,
    seed_from,
    weights_drawn_by,
)
from keras_actsel.surgery import Site
from keras_actsel.tuner import _runs
from keras_actsel.tuner._checks import check_objective, check_project, check_resumable, structure, warn_if_not_built
from keras_actsel.tuner._choice import check_trainable, choose
from keras_actsel.tuner._errors import fatal
from keras_actsel.tuner._options import options
from keras_actsel.tuner._sources import source_of
from keras_actsel.tuner._space import check_space


class ActivationHyperModel(keras_tuner.HyperModel):
    """Searches the activations of a model with any tuner of keras-tuner, beside other hyperparameters.

    Each trial builds and compiles a model afresh; what was given is never changed. Execution i of every trial follows
    the seed `seed` + i: weights, order of the data, dropout. So trials are compared on the same seeds, and the score
    of each seed is kept: see `scores`.

    Before the first execution a tuner is checked (`check`). A trial whose training ends in NaN or infinity is FAILED,
    which ranks it below all others, also if an early epoch was good.

    Args:
        model: A compiled Sequential or Functional model: trials are copies of it, drawn anew. Or a function `build(hp)`
            with hyperparameters of its own that returns one, or a `keras_tuner.HyperModel` of such a function: the
            activations of what it returns are exchanged, and weights stay as it made them. Or a function
            `build(hp, activation)` that places the activation itself, for models of a class of their own; a layer that
            is to act at several places it wraps as `keras_actsel.layers.Activation(activation)`.
        candidates: As for `hp_activation`.
        tie: Which of the model's hidden activations are chosen together: `"model"`, all of them, by the hyperparameter
            `"activation"`; `"site"`, each by its own, `"activation_1"`, `"activation_2"`, ... in the order of
            `keras_actsel.sites`; `"block"`, those of a block as keras.applications names them (`"block2a_..."`), or of
            a nested model; or a function of a `Site` that returns the name of its group.
        name: The name of the hyperparameter.
        where: A function of a `Site` that says whether to choose there. Default: hidden ones that are not frozen.
        trainable: As for `hp_activation`.
        seed: The seed of the first execution.

    Raises:
        ValueError: For what can't be searched.

    Example:
        >>> import keras, keras_tuner
        >>> from keras_actsel.tuner import ActivationHyperModel
        >>> def build(hp):
        ...     units = hp.Int("units", 8, 32, step=8)
        ...     model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     return model
        >>> hp = keras_tuner.HyperParameters()
        >>> model = ActivationHyperModel(build, ["gelu", "relu"]).build(hp)
        >>> hp.values, model.layers[0].activation.__name__
        ({'units': 8, 'activation': 'gelu'}, 'gelu')
    """

    def __init__(
        self,
        model: Any,
        candidates: Any = None,
        tie: str | Callable[[Site], str] = "model",
        *,
        name: str = "activation",
        where: Callable[[Site], bool] | None = None,
        trainable: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(name=name)
        self.source = source_of(model, tie, where)
        self.inner = model if isinstance(model, keras_tuner.HyperModel) else keras_tuner.HyperModel()
        self.tie, self.trainable, self.seed = tie, tuple(trainable), int(seed)
        self.options = options(candidates)
        check_trainable(trainable, self.options)
        # Of tuners that were checked: the scores of their trials' executions.
        self._scores: weakref.WeakKeyDictionary[Any, dict[str, dict[int, float]]] = weakref.WeakKeyDictionary()

    def declare_hyperparameters(self, hp: Any) -> None:
        """Those of a wrapped HyperModel."""
        self.inner.declare_hyperparameters(hp)

    def build(self, hp: Any) -> keras.Model:
        """A new model, with the activations that `hp` has chosen."""
        return self.source.make(hp, lambda label: self._chosen(hp, label))

    def _chosen(self, hp: Any, label: str) -> Any:
        with fatal():
            chosen = choose(hp, f"{self.name}_{label}" if label else self.name, self.options)
        assert chosen is not None  # noqa: S101 - there is no condition under which it was not declared
        return chosen[0].activation(chosen[1], self.trainable)

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train a model by the seed of its execution, and keep the score of that."""
        run = _runs.run_of(kwargs.get("callbacks"))
        if run is None:  # outside a search
            return self.inner.fit(hp, model, *args, **kwargs)
        if run.tuner not in self._scores:
            self.check(run.tuner)
        done = self._scores[run.tuner].setdefault(run.trial_id, {})
        if len(done) >= getattr(run.tuner, "executions_per_trial", 1):  # the trial is tried again
            done.clear()
        seed = self.seed + len(done)
        try:
            results = self._seeded_fit(seed, hp, model, args, kwargs)
            with fatal():
                done[seed] = _runs.score(results, run.objective)
        except (FailedTrialError, FatalError):
            raise
        except Exception as error:
            done.clear()
            if run.is_local and not run.completed:
                raise FatalRuntimeError(_failed(error)) from error
            raise
        run.keep(done)
        _check_finite(done[seed], seed, run)
        return results

    def _seeded_fit(self, seed: int, hp: Any, model: keras.Model, args: Any, kwargs: Any) -> Any:
        begun = hp.values.get("tuner/initial_epoch", 0)  # Hyperband goes on with the weights of an earlier trial
        with preserved_randomness(), weights_drawn_by(seed):
            seed_everything(seed)
            if not begun:
                _assign(model, self.build(hp))
            reseed_generators(model, seed_from(seed, begun))
            # Making a model drew numbers, and more of them for some candidates: the data's order is not to follow that.
            seed_everything(seed_from(seed, begun))
            return self.inner.fit(hp, model, *args, **kwargs)

    def check(self, tuner: Any) -> None:
        """Refuse a tuner whose search could not give a right answer; called before its first execution.

        Call it right after making a tuner whose project directory may hold an earlier search: one that has all its
        trials builds nothing, and so nothing would be checked.

        Args:
            tuner: A `keras_tuner.Tuner` of this hypermodel.

        Raises:
            ValueError: For an objective whose direction is not that of the metric; for a space that is too small for
                the tuner; for a project directory that holds a search over other candidates or another model; for an
                interrupted `GridSearch`, which keras-tuner can't resume. It is keras-tuner's `FatalValueError`.
        """
        with fatal():
            model = self.build(tuner.oracle.get_space())
            check_objective(tuner.oracle.objective, model)
            tie = self.tie if isinstance(self.tie, str) else getattr(self.tie, "__qualname__", "a function")
            check_project(tuner, {"candidates": list(self.options), "tie": tie, "model": structure(model)})
            check_resumable(tuner)
            check_space(tuner.oracle, stacklevel=3)
            warn_if_not_built(model, stacklevel=3)
        self._scores.setdefault(tuner, {})

    def scores(self, tuner: Any) -> dict[str, dict[int, float]]:
        """The score of each execution of each trial, by the trial's id and the execution's seed.

        The seeds are the same for all trials, so differences between trials can be paired by seed. An execution that
        ended in NaN or infinity has NaN.

        Args:
            tuner: A `keras_tuner.Tuner` of this hypermodel, after its search, also in another process.

        Raises:
            ValueError: If no trial was completed.
        """
        trials = tuner.oracle.trials
        if not any(trial.status == "COMPLETED" for trial in trials.values()):
            listed = ", ".join(f"{key}: {trial.status}" for key, trial in trials.items()) or "none"
            raise ValueError(
                f"No trial of the search was completed, so there is no result. Trials: {listed}. "
                "`tuner.results_summary()` shows the error of each."
            )
        return {key: _runs.kept(tuner, key) for key in trials}


def _assign(model: keras.Model, drawn: keras.Model) -> None:
    """Give a model the weights of another one like it."""
    for own, other in zip(model.weights, drawn.weights, strict=True):
        own.assign(other)


def _failed(error: Exception) -> str:
    return (
        f"The search has no completed trial yet, and this one failed: {reason(error)} keras-tuner would go on, and end "
        "two such trials without an error. Mend it; or, if some configurations are bound to fail, raise "
        "keras_tuner.errors.FailedTrialError for these in the build function."
    )


def _check_finite(score: float, seed: int, run: _runs.Run) -> None:
    """A trial that ended in NaN is a failed one for keras-tuner: it ranks below all others, whatever the direction.

    Raises:
        FailedTrialError: For NaN; a fatal error if the search ends with no completed trial.
    """
    if not math.isnan(score):
        return
    ended = f"Training ended in NaN or infinity with seed {seed}."
    if run.is_local and not run.completed and run.tuner.remaining_trials == 0:
        raise FatalRuntimeError(f"{ended} So did all other trials: the search has no result. Lower the learning rate.")
    raise FailedTrialError(
        f"{ended} If several trials in a row end so, keras-tuner stops; "
        "max_consecutive_failed_trials= of the tuner sets how many may."
    )
