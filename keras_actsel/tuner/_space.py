"""Whether a space has enough configurations for an oracle, said before anything is trained.

keras-tuner's oracles draw at random, and end the search when they draw only what they have tried before: `COLLISIONS`
times in a row.
"""

import itertools
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras_tuner

COLLISIONS = 21
TOLERATED = 0.05
"""The largest probability of an end before enough was drawn that goes unsaid."""


def check_space(oracle: Any, space: keras_tuner.HyperParameters | None = None, stacklevel: int = 2) -> None:
    """Refuse a space that is too small for Hyperband, and warn of one that is too small for another random oracle.

    Args:
        oracle: A keras-tuner oracle. Nothing is done for the client of one, as in a worker: the chief has checked.
        space: Its space. Default: `oracle.get_space()`.
        stacklevel: Of the warning, as in `warnings.warn`.

    Raises:
        ValueError: If Hyperband would end, or would probably end, before it promotes anything.

    Example:
        >>> space = keras_tuner.HyperParameters()
        >>> _ = space.Choice("activation", ["relu", "gelu", "tanh"])
        >>> check_space(keras_tuner.oracles.HyperbandOracle(max_epochs=100), space)
        Traceback (most recent call last):
        ...
        ValueError: Hyperband first draws 98 configurations (max_epochs=100, factor=3)...
    """
    if not isinstance(oracle, keras_tuner.Oracle):
        return
    space = oracle.get_space() if space is None else space
    if isinstance(oracle, keras_tuner.oracles.HyperbandOracle):
        _check_hyperband(oracle, space, stacklevel + 1)
    elif isinstance(oracle, (keras_tuner.oracles.RandomSearchOracle, keras_tuner.oracles.BayesianOptimizationOracle)):
        _check_random(oracle, space, stacklevel + 1)


def hyperband_brackets(max_epochs: int, factor: float) -> list[list[int]]:
    """How many trials Hyperband runs in each round of each bracket, as keras-tuner rounds them.

    Example:
        >>> hyperband_brackets(9, 3)
        [[9, 3, 1], [5, 2], [3]]
    """
    last = next(bracket for bracket in itertools.count() if max_epochs / factor ** (bracket + 1) < 1)
    size = math.ceil(1 + math.log(max_epochs, factor))
    return [
        [math.ceil(size / (bracket + 1) * factor**left) for left in range(bracket, -1, -1)]
        for bracket in range(last, -1, -1)
    ]


def configurations(space: keras_tuner.HyperParameters, limit: int, *, grid: bool = False) -> int:
    """How many different configurations a space has; `limit` if there are as many or more.

    Args:
        space: The space.
        limit: Where to stop counting.
        grid: Whether to count those of a grid search, which takes ten values of a range without a step.

    Example:
        >>> space = keras_tuner.HyperParameters()
        >>> _ = space.Choice("activation", ["relu", "leaky_relu"])
        >>> _ = space.Choice("slope", [0.01, 0.1, 0.3], parent_name="activation", parent_values=["leaky_relu"])
        >>> configurations(space, limit=100)
        4
    """
    return _count(space.space, {}, limit, grid)


def _count(hyperparameters: Sequence[Any], values: dict[str, Any], limit: int, grid: bool) -> int:
    """Configurations of hyperparameters whose parents have these values; parents come before their children."""
    if not hyperparameters:
        return 1
    first, rest = hyperparameters[0], hyperparameters[1:]
    if not all(condition.is_active(values) for condition in first.conditions):
        return _count(rest, values, limit, grid)
    choices = first.values if grid else _choices(first)
    if choices is None:
        return limit
    total = 0
    for value in choices:
        total += _count(rest, {**values, first.name: value}, limit - total, grid)
        if total >= limit:
            return limit
    return total


def _choices(hyperparameter: Any) -> Iterable[Any] | None:
    """The values of a hyperparameter; None for a range without a step, of which it would name ten only."""
    return None if getattr(hyperparameter, "step", 1) is None else hyperparameter.values


def ends_early(draws: int, count: int) -> float:
    """The probability that the drawing ends before so many different configurations of `count` were drawn.

    All are taken for equally likely. Where they are not, it is larger.

    Example:
        >>> round(ends_early(9, 9), 3), round(ends_early(9, 10), 3)
        (0.089, 0.01)
    """
    if draws > count:
        return 1.0
    return 1 - math.prod(1 - (tried / count) ** COLLISIONS for tried in range(draws))


def _enough(draws: int) -> int:
    """The smallest number of configurations from which so many are drawn but for the tolerated probability."""
    return next(count for count in itertools.count(draws) if ends_early(draws, count) <= TOLERATED)


def _check_hyperband(oracle: Any, space: keras_tuner.HyperParameters, stacklevel: int) -> None:
    brackets = hyperband_brackets(oracle.max_epochs, oracle.factor)
    # The last bracket trains for all epochs at once.
    promoting = brackets * (1 if math.isinf(oracle.hyperband_iterations) else oracle.hyperband_iterations)
    drawn = [bracket[0] for bracket in promoting[:-1]]
    if not drawn:
        return
    first, every = drawn[0], sum(drawn)
    count = configurations(space, 10 * every)
    budget = f"max_epochs={oracle.max_epochs}, factor={oracle.factor}"
    if ends_early(first, count) > TOLERATED:
        raise ValueError(
            f"Hyperband first draws {first} configurations ({budget}), and promotes none before it has them all. "
            f"Received: a space of {_number(count)}, which {_ending(first, count)}, and the winner would be a trial of "
            f"{_first_epochs(oracle, brackets)}. Expected: {_enough(first)} configurations or more. Use GridSearch, "
            f"which covers a small space{_fewer(oracle, count)}."
        )
    if ends_early(every, count) > TOLERATED:
        warnings.warn(
            f"Hyperband draws {every} different configurations for the brackets in which it promotes ({budget}), and "
            f"the space has {_number(count)}: the last ones drawn will be trained for a few epochs and not promoted, "
            f"however good they are. {_enough(every)} configurations or more suffice, and GridSearch covers a small "
            "space.",
            UserWarning,
            stacklevel=stacklevel,
        )


def _ending(draws: int, count: int) -> str:
    """What comes of drawing from a space that is too small."""
    if draws > count:
        return "never suffices"
    return f"suffices by chance: with probability {ends_early(draws, count):.0%} it draws what it had before too often"


def _first_epochs(oracle: Any, brackets: list[list[int]]) -> str:
    epochs = math.ceil(oracle.max_epochs / oracle.factor ** (len(brackets) - 1))
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _fewer(oracle: Any, count: int) -> str:
    """The remedy of a smaller budget, where there is one that still promotes."""
    for epochs in range(oracle.max_epochs - 1, 1, -1):
        brackets = hyperband_brackets(epochs, oracle.factor)
        if len(brackets) > 1 and ends_early(brackets[0][0], count) <= TOLERATED:
            return f"; or max_epochs={epochs}, for which {brackets[0][0]} are drawn"
    return ""


def _check_random(oracle: Any, space: keras_tuner.HyperParameters, stacklevel: int) -> None:
    trials = oracle.max_trials
    if trials is None:
        return  # it is meant to go on until it ends
    count = configurations(space, 10 * trials)
    draws = min(trials, count, _drawn(oracle, space))
    if trials > count:
        said = f"It has max_trials={trials}, more than there are."
    elif (probability := ends_early(draws, count)) > TOLERATED:
        said = (
            f"It will draw {draws} of them for max_trials={trials}, and with probability {probability:.0%} end before, "
            "having drawn what it had before too often."
        )
    else:
        return
    warnings.warn(
        f"The space of {type(oracle).__name__} has {_number(count)}. {said} GridSearch covers them all, each once.",
        UserWarning,
        stacklevel=stacklevel,
    )


def _drawn(oracle: Any, space: keras_tuner.HyperParameters) -> float:
    """How many trials an oracle draws; the others it computes, whether it tried them before or not."""
    if isinstance(oracle, keras_tuner.oracles.BayesianOptimizationOracle):
        return oracle.num_initial_points or max(3 * len(space.space), 3)
    return math.inf


def _number(count: int) -> str:
    return "1 configuration" if count == 1 else f"{count} configurations"
