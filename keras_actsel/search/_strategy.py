"""How a search goes about it: a strategy asks for trials and never trains."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_actsel.results import Trial
from keras_actsel.search._objective import Objective


@dataclass(frozen=True)
class Request:
    """A trial that is wanted.

    Args:
        candidate: The candidate's name.
        seed: The seed that everything random in it follows.
        stage: `"search"` or `"confirm"`.
        epochs: The budget: train to this epoch, no further than `fit` would. None for all of `fit`'s own epochs.
        initial_epoch: Continue the last trial of this candidate and seed, which ended at this epoch, with its weights
            and its optimizer's state. 0 for a new model.
    """

    candidate: str
    seed: int
    stage: str = "search"
    epochs: int | None = None
    initial_epoch: int = 0


class Strategy(ABC):
    """How to search among candidates; subclass it to search in a way of your own.

    A strategy proposes a leader, and no more: whether the leader is better than the baseline is decided afterwards, on
    seeds that no strategy has seen. The leader is the best of those candidates that were trained for most epochs, and
    of these on most seeds.
    """

    @abstractmethod
    def search(
        self, candidates: Sequence[str], seeds: Sequence[int], direction: str
    ) -> Generator[list[Request], list[Trial], None]:
        """Yield batches of requests and receive the trials of each, in the same order.

        Args:
            candidates: The candidates' names, the baseline first.
            seeds: The seeds of the search; no others may be asked for.
            direction: `"max"` if a larger score is better, else `"min"`.
        """

    def check(  # noqa: B027 - most strategies have nothing to refuse
        self, candidates: Sequence[str], objective: Objective, fit_arguments: Mapping[str, Any]
    ) -> None:
        """Refuse what the search could not do, before anything is trained.

        Args:
            candidates: The candidates' names, the baseline first.
            objective: What scores the trials: its `name`, such as `"val_accuracy"`, and its `direction`.
            fit_arguments: The arguments for `model.fit`, such as `epochs`.

        Raises:
            ValueError: For what the strategy can't search.
        """

    def number_of_trials(self, candidates: Sequence[str], seeds: Sequence[int]) -> int:
        """How many trials the search takes at most, for the progress display."""
        return len(candidates) * len(seeds)
