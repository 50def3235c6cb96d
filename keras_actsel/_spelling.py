"""Help with misspelt names."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the known word nearest to a misspelt one, or nothing.

    Capitals and underscores make no difference, so that the name of a layer finds its function.

    Example:
        >>> did_you_mean("minst", ["mnist", "cifar10"])
        " Did you mean 'mnist'?"
        >>> did_you_mean("LeakyReLU", ["relu", "leaky_relu"])
        " Did you mean 'leaky_relu'?"
    """
    plain = {_plain(word): word for word in known}
    matches = difflib.get_close_matches(_plain(name), plain, n=1)
    return f" Did you mean {plain[matches[0]]!r}?" if matches else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "")
