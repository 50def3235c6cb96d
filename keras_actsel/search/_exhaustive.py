"""The plainest strategy: everything, on every seed."""

from collections.abc import Generator, Sequence

from keras_actsel.results import Trial
from keras_actsel.search._strategy import Request, Strategy


class Exhaustive(Strategy):
    """Every candidate on the same seeds, seed by seed, so that a search cut short has compared all alike.

    Example:
        >>> search = Exhaustive().search(["relu", "gelu"], [0], "max")
        >>> [request.candidate for request in next(search)]
        ['relu', 'gelu']
    """

    def search(
        self,
        candidates: Sequence[str],
        seeds: Sequence[int],
        direction: str,  # noqa: ARG002 - it drops nothing
    ) -> Generator[list[Request], list[Trial], None]:
        """One batch for each seed, with every candidate in it."""
        for seed in seeds:
            yield [Request(candidate, seed) for candidate in candidates]
