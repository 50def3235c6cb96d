"""How a search goes about it: a strategy asks for trials and never trains."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from keras_actsel.results import Trial


@dataclass(frozen=True)
class Request:
    """A trial that is wanted.

    Args:
        candidate: The candidate's name.
        seed: The seed that everything random in it follows.
        stage: `"search"` or `"confirm"`.
    """

    candidate: str
    seed: int
    stage: str = "search"


class Strategy(ABC):
    """How to search among candidates; subclass it to search in a way of your own.

    A strategy proposes a leader, and no more: whether the leader is better than the baseline is decided afterwards, on
    seeds that no strategy has seen. The leader is the best of those candidates that were trained on most seeds.
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

    def number_of_trials(self, candidates: Sequence[str], seeds: Sequence[int]) -> int:
        """How many trials the search takes at most, for the progress display."""
        return len(candidates) * len(seeds)
