"""What a strategy may ask for."""

from collections.abc import Sequence

from keras_actsel.search._strategy import Request


class Allowed:
    """Checks the requests of a strategy.

    Seeds of the confirmation must stay unseen, a trial that is counted twice would be no evidence, and a trial can only
    be continued from where it ended.

    Args:
        strategy: The strategy's name, for messages.
        names: The candidates' names.
        seeds: The seeds of the search.
        epochs: The epochs of `fit`, the largest budget.
    """

    def __init__(self, strategy: str, names: Sequence[str], seeds: Sequence[int], epochs: int) -> None:
        self.strategy, self.names, self.seeds, self.epochs = strategy, list(names), list(seeds), epochs
        self._budgets: dict[tuple[str, int], list[int]] = {}

    def check(self, requests: Sequence[Request]) -> None:
        """Note what is asked for.

        Raises:
            ValueError: For what may not be asked for.
        """
        for request in requests:
            asked = self._budgets.setdefault((request.candidate, request.seed), [])
            if not (self._is_known(request) and self._is_new(request, asked)):
                raise ValueError(
                    f"The strategy {self.strategy} asked for {request}. Expected each request once, in the stage "
                    f"'search', with a candidate of {self.names} and a seed of {self.seeds}, to an epoch from 1 to "
                    f"{self.epochs}, with initial_epoch 0 or where the last trial of this candidate and seed ended."
                )
            asked.append(self._budget(request))

    def _is_known(self, request: Request) -> bool:
        return request.candidate in self.names and request.seed in self.seeds and request.stage == "search"

    def _is_new(self, request: Request, asked: list[int]) -> bool:
        """Whether it trains something, which was not trained before."""
        continues = request.initial_epoch in asked[-1:] and request.epochs is not None
        begins = request.initial_epoch == 0
        budget = self._budget(request)
        return (begins or continues) and request.initial_epoch < budget <= self.epochs and budget not in asked

    def _budget(self, request: Request) -> int:
        return self.epochs if request.epochs is None else request.epochs
