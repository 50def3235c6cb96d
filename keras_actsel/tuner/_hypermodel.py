"""`ActivationHyperModel`: a model or a build function whose activations keras-tuner searches."""

import math
import weakref
from collections.abc import Callable, Sequence
from numbers import Integral
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
from keras_actsel.tuner._checks import check_direction, check_project, check_resumable, described, warn_if_not_built
from keras_actsel.tuner._choice import check_trainable, choose
from keras_actsel.tuner._errors import fatal
from keras_actsel.tuner._options import Option, options
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
            `keras_actsel.sites`; `"block"`, those of a block as most of keras.applications name them (`"block2a_..."`),
            or of a nested model, and each other one by itself; or a function of a `Site` that returns what is the same
            for those that share a choice. Groups are numbered as sites are.
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

    options: dict[str, Option]
    trainable: tuple[str, ...]
    seed: int

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
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**30:
            raise ValueError(f"seed must be an integer from 0 to 2**30 - 1. Received: {seed!r}.")
        self.trainable, self.seed = tuple(trainable), int(seed)
        self.options = options(candidates)
        check_trainable(trainable, self.options)
        self._checked: weakref.WeakSet[Any] = weakref.WeakSet()
        # The scores of a run's executions, by its token.
        self._scores: weakref.WeakKeyDictionary[Any, dict[int, float]] = weakref.WeakKeyDictionary()

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
        if run.tuner not in self._checked:
            self.check(run.tuner)
        scores = self._scores.setdefault(run.token, {})
        seed = self.seed + len(scores)
        with fatal():
            _check_validated(kwargs)
        try:
            results = self._seeded_fit(seed, hp, model, args, kwargs)
        except (FailedTrialError, FatalError):
            raise
        except Exception as error:
            if run.is_hopeless:
                raise FatalRuntimeError(_failed(error)) from error
            raise
        with fatal():
            scores[seed] = _runs.score(results, run.objective)
        run.keep(scores)
        if math.isnan(scores[seed]):
            raise FatalRuntimeError(_NO_RESULT) if run.ends_in_nothing else FailedTrialError(_ended_in_nan(seed))
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
            declared = keras_tuner.HyperParameters()
            try:
                model = self.build(declared)
            except KeyError:  # the build function asks for what was declared to the tuner alone
                declared = tuner.oracle.get_space()
                model = self.build(declared)
            check_direction(tuner.oracle.objective, model)
            objective = {"objective": str(tuner.oracle.objective), "seed": self.seed, "trainable": list(self.trainable)}
            check_project(tuner, {**described(self.options, model, declared), **objective})
            self.build(tuner.oracle.get_space())  # in which names may stand for something else
            check_resumable(tuner)
            check_space(tuner.oracle, stacklevel=3)
            warn_if_not_built(model, stacklevel=3)
        self._checked.add(tuner)

    def scores(self, tuner: Any) -> dict[str, dict[int, float]]:
        """The score of each execution of each trial, by the trial's id and the execution's seed.

        The seeds are the same for all trials, so differences between trials can be paired by seed. An execution that
        ended in NaN or infinity has NaN.

        Args:
            tuner: A `keras_tuner.Tuner` of this hypermodel, after its search, also in another process.

        Raises:
            ValueError: If no trial was completed, if none was trained by this hypermodel's `fit`, or as in `check`.
        """
        trials = tuner.oracle.trials
        listed = ", ".join(f"{key}: {trial.status}" for key, trial in trials.items()) or "none"
        if not any(trial.status == "COMPLETED" for trial in trials.values()):
            raise ValueError(
                f"No trial of the search was completed, so there is no result. Trials: {listed}. "
                "`tuner.results_summary()` shows the error of each."
            )
        found = {key: _runs.kept(tuner, key) for key in trials}
        if not any(found.values()):
            raise ValueError(
                f"No score of an execution was kept. Trials: {listed}. A tuner with a `run_trial` of its own has to "
                "call `self.hypermodel.fit` with keras-tuner's callbacks for that."
            )
        if tuner not in self._checked:
            self.check(tuner)
        return found


def _assign(model: keras.Model, drawn: keras.Model) -> None:
    """Give a model the weights of another one like it."""
    for own, other in zip(model.weights, drawn.weights, strict=True):
        own.assign(other)


def _check_validated(arguments: Any) -> None:
    if arguments.get("validation_freq", 1) != 1:
        raise ValueError(
            "keras-tuner takes the epochs' logs apart, and needs validation in each. Received: "
            f"validation_freq={arguments['validation_freq']!r}. Leave it out."
        )


def _failed(error: Exception) -> str:
    return (
        f"No trial of this search is completed, and its trials fail: {reason(error)} keras-tuner would go on, and end "
        "two such trials without an error. Mend it; or, if some configurations are bound to fail, raise "
        "keras_tuner.errors.FailedTrialError for these in the build function."
    )


def _ended_in_nan(seed: int) -> str:
    return (
        f"Training ended in NaN or infinity with seed {seed}. If several trials in a row end so, keras-tuner stops; "
        "max_consecutive_failed_trials= of the tuner sets how many may."
    )


_NO_RESULT = (
    "Training ended in NaN or infinity in this trial, the last, and no other was completed: the search has no result. "
    "Lower the learning rate, or bring the inputs to a common scale."
)
