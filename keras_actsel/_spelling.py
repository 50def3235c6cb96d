"""Help with misspelt names."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to a misspelt one, or nothing.

    Example:
        >>> did_you_mean("minst", ["mnist", "cifar10"])
        " Did you mean 'mnist'?"
    """
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
