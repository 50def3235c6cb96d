"""`select`: search proposes, confirmation on fresh seeds decides."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from numbers import Integral
from typing import Any

import keras

from keras_actsel._spelling import did_you_mean
from keras_actsel.results import Selection, Trial, TrialError, reason
from keras_actsel.search import _candidates
from keras_actsel.search._allowed import Allowed
from keras_actsel.search._compilation import kept_compilations
from keras_actsel.search._data import Data, as_arrays, first_batch, is_arrays, prepare, take
from keras_actsel.search._evaluate import Evaluator, seeded_model
from keras_actsel.search._exhaustive import Exhaustive
from keras_actsel.search._initializers import described, initializers_named
from keras_actsel.search._labels import check_labels
from keras_actsel.search._objective import Objective, resolve
from keras_actsel.search._progress import progress
from keras_actsel.search._random import preserved_randomness
from keras_actsel.search._strategy import Request, Strategy


def select(  # noqa: PLR0913 - the one function that users call, in Keras's and `fit`'s own terms
    model: keras.Model | Callable[..., keras.Model],
    x: Any,
    y: Any = None,
    *,
    candidates: Iterable[Any] | None = None,
    validation_data: Any = None,
    seeds: int | Sequence[int] = 3,
    confirm: int = 5,
    objective: str | tuple[str, str] | None = None,
    initializer: Any = "model",
    strategy: Strategy | None = None,
    verbose: int | str = "auto",
    **fit_arguments: Any,
) -> Selection:
    """Choose the activation of a model's hidden layers, and say how sure the choice is.

    Every candidate is trained from scratch on the same seeds, in the same order of the same data. The one with the best
    mean score leads. If that is not the model's own activation, leader and baseline are trained again on fresh seeds,
    and one paired t test on these alone decides whether the leader is recommended. "No significant difference" is a
    frequent and a good answer.

    Args:
        model: A compiled Sequential or Functional model; it is never changed, and with its own activation it is the
            baseline. Or a function `build(activation)` that returns a compiled model, for anything else (subclassed
            models, training steps of your own); then the first candidate is the baseline. Weights that can be trained
            are drawn anew for each trial; frozen layers and fitted preprocessing keep theirs.
        x: Training inputs, `(samples, ...)`: an array, a list or dict of arrays, or a dataset of batches.
        y: Training targets; None where x brings them.
        candidates: Names, spellings such as `"leaky_relu(negative_slope=0.1)"`, records, functions or layers. Every
            site of every trial gets a copy of its own of a layer. Default: `SHORTLIST`.
        validation_data: `(x, y)` or `(x, y, sample_weight)` or a dataset, which scores the trials. Default: a shuffled
            fifth of the training data, stratified by class, the same for all trials.
        seeds: How many seeds, or a list of them, for the search.
        confirm: How many fresh seeds for the confirmation; 0 for none, and no claim.
        objective: The name of a compiled metric, or of the loss, such as `"val_accuracy"`; or a pair of the name and
            `"max"` or `"min"`. Default: the first compiled metric, else the loss.
        initializer: What draws the kernels before the hidden activations: `"model"`, the model's own initializers;
            `"matched"`, `keras_actsel.initializers.matched` of each candidate; a Keras initializer or its name; or a
            list of these. Then each candidate is a pair, such as `"gelu, matched"`, and the model as given runs
            beside them untouched. A verdict holds for its initializers and is not carried to others. A `build`
            function is given the initializer as a second argument, but for `"model"`.
        strategy: How to search. Default: `Exhaustive()`.
        verbose: 0 prints nothing; otherwise progress and the time left go to standard error.
        **fit_arguments: Further arguments of `model.fit`, such as `epochs`, `batch_size`, `callbacks`, `class_weight`.

    Returns:
        The `Selection`: leaderboard, verdict, recommended activation and a trained model of it.

    Raises:
        ValueError: For input that can't give a right answer; before anything is trained.
        TrialError: If training a candidate raises; the finished trials are in its `.trials`.

    Example:
        >>> import keras, numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> selection = select(model, x, x[:, :1] ** 2, candidates=["tanh"], seeds=2, confirm=2, verbose=0)
        >>> selection.baseline, len(selection.leaderboard())
        ('relu', 2)
    """
    strategy = Exhaustive() if strategy is None else strategy
    fit_arguments, sample_weight = _checked_fit_arguments(fit_arguments)
    seeds, fresh = _checked_seeds(seeds, confirm)
    _check_rest(strategy, verbose)
    drawn = initializers_named(initializer)
    source = _source(model, _candidates.named(candidates), drawn)
    data = prepare(x, y, validation_data, sample_weight)
    _check_targets_are_there(model, data)
    goal = _rehearse(source, data, objective, seeds[0])
    names = list(source.candidates)
    strategy.check(names, goal, fit_arguments)
    total = strategy.number_of_trials(names, seeds) + 2 * len(fresh)
    with kept_compilations(), progress(verbose, total) as announce:
        evaluator = Evaluator(source, data, goal, fit_arguments, announce)
        trials = _search(strategy, evaluator, names, seeds)
        found = Selection(
            trials, source.baseline, goal.name, goal.direction, data.validation_size, data.held_out, described(drawn)
        )
        return _confirmed(found, evaluator, fresh)


_OWN = ("candidates", "validation_data", "seeds", "confirm", "objective", "initializer", "strategy", "verbose")


def _search(strategy: Strategy, evaluator: Evaluator, names: list[str], seeds: list[int]) -> tuple[Trial, ...]:
    """Train what the strategy asks for until it asks no more."""
    allowed = Allowed(type(strategy).__name__, names, seeds, evaluator.epochs)
    trials: list[Trial] | None = None
    with closing(strategy.search(names, seeds, evaluator.objective.direction)) as asking:
        while True:
            try:
                requests = next(asking) if trials is None else asking.send(trials)
                allowed.check(requests)
            except StopIteration:
                break
            except Exception as error:
                raise TrialError(
                    f"The strategy {type(strategy).__name__} failed: {reason(error)}",
                    tuple(evaluator.trials),
                ) from error
            trials = evaluator.run(requests)
    if not evaluator.trials:
        raise ValueError(f"The strategy {type(strategy).__name__} asked for no trial. Expected one or more.")
    return tuple(evaluator.trials)


def _confirmed(found: Selection, evaluator: Evaluator, fresh: list[int]) -> Selection:
    """The selection after leader and baseline have met on the fresh seeds, if they differ, with its model."""
    pair = (found.best, found.baseline)
    evaluator.keep_only(set(pair))
    if found.best != found.baseline:
        for seed in fresh:
            evaluator.run([Request(name, seed, "confirm") for name in pair])
    settled = replace(found, trials=tuple(evaluator.trials))
    return replace(settled, model=evaluator.model(settled.recommended))


def _source(model: Any, named: dict[str, Any], drawn: dict[str, Any]) -> _candidates.ModelSource:
    if isinstance(model, keras.Model):
        return _candidates.GivenModel(model, named, drawn)
    if callable(model):
        return _candidates.BuildFunction(model, named, drawn)
    raise ValueError(
        "model must be a compiled keras.Model, or a function build(activation) that returns one. "
        f"Received: {model!r} of type {type(model).__name__}."
    )


def _rehearse(source: _candidates.ModelSource, data: Data, wanted: Any, seed: int) -> Objective:
    """Try the baseline on a few samples: do the data fit, what is there to score, is its direction known?"""
    with preserved_randomness():
        model = _first_model(source, seed, data)
        _check_targets(model, data)
        try:
            logs = model.evaluate(**_few(data.evaluate), verbose=0, return_dict=True)
        except Exception as error:
            raise ValueError(f"The model can't be evaluated on the validation data: {reason(error)}") from error
    return resolve(wanted, model, logs)


def _first_model(source: _candidates.ModelSource, seed: int, data: Data) -> keras.Model:
    try:
        return seeded_model(source, source.baseline, seed, data)
    except ValueError as error:
        error.add_note(f"This was met while making the first model, {source.baseline!r} with seed {seed}.")
        raise
    except Exception as error:
        raise TrialError(f"Making a model of {source.baseline!r} with seed {seed} failed: {reason(error)}") from error


def _few(evaluate: dict[str, Any]) -> dict[str, Any]:
    if not is_arrays(evaluate["x"]):
        return {**evaluate, "steps": 1}
    return {key: keras.tree.map_structure(lambda leaf: leaf[:32], value) for key, value in evaluate.items()}


def _check_targets_are_there(model: Any, data: Data) -> None:
    if not isinstance(model, keras.Model) or not model.loss:
        return  # a build function may return a model that makes its own targets
    for name, arguments in (("y", data.fit), ("the targets of validation_data", data.evaluate)):
        if is_arrays(arguments["x"]) and "y" not in arguments:
            raise ValueError(f"The model's loss needs targets. Received: None for {name}.")


def _check_targets(model: keras.Model, data: Data) -> None:
    for arguments in (data.fit, data.evaluate):
        x, y = first_batch(arguments)
        if y is not None and is_arrays(y):
            try:
                outputs = model(take(x, slice(0, 2)), training=False)
            except NotImplementedError:
                return  # a model with a train_step and no call: what its outputs are is its own affair
            check_labels(model, y, outputs)


def _checked_fit_arguments(arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    if "validation_split" in arguments:
        raise ValueError(
            "validation_split would score each trial on the last rows of the data, in their order. "
            "Leave it out: a shuffled, stratified fifth is held out; or pass validation_data=."
        )
    known = inspect.signature(keras.Model.fit).parameters
    for name in arguments:
        if name not in known:
            raise ValueError(
                f"select has no argument {name!r}, and neither has model.fit.{did_you_mean(name, [*known, *_OWN])}"
            )
    first, last = arguments.get("initial_epoch", 0), arguments.get("epochs", 1)
    if not first < last:
        raise ValueError(f"Nothing would be trained. Received: epochs={last!r}, initial_epoch={first!r}.")
    arguments = dict(arguments)
    weight = arguments.pop("sample_weight", None)
    return arguments, None if weight is None else as_arrays(weight)


def _checked_seeds(seeds: int | Sequence[int], confirm: int) -> tuple[list[int], list[int]]:
    """The seeds of the search and, disjoint from them, those of the confirmation."""
    if isinstance(seeds, bool) or not isinstance(seeds, (Integral, Iterable)):
        raise ValueError(f"seeds must be a positive number, or a list of different integers. Received: {seeds!r}.")
    listed: list[Any] = list(range(int(seeds)) if isinstance(seeds, Integral) else seeds)
    whole = all(isinstance(seed, Integral) for seed in listed)
    if not listed or not whole or len(set(listed)) < len(listed) or min(listed) < 0 or max(listed) >= 2**30:
        raise ValueError(
            "seeds must be a positive number, or a list of different integers from 0 to 2**30 - 1. "
            f"Received: {seeds!r}."
        )
    if isinstance(confirm, bool) or not isinstance(confirm, Integral) or confirm < 0 or confirm == 1:
        raise ValueError(
            f"confirm must be 0, or 2 or more: a single pair tells nothing about scatter. Received: {confirm!r}."
        )
    first = int(max(listed)) + 1
    return [int(seed) for seed in listed], list(range(first, first + int(confirm)))


def _check_rest(strategy: Any, verbose: Any) -> None:
    if not isinstance(strategy, Strategy):
        raise ValueError(f"strategy must be a Strategy such as Exhaustive(). Received: {strategy!r}.")
    if verbose not in (0, 1, "auto"):
        raise ValueError(f'verbose must be 0, 1 or "auto". Received: {verbose!r}.')
