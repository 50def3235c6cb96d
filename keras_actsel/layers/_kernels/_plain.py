"""The sum as written: what kernels are measured against, and where they do not apply."""

from collections.abc import Callable, Sequence
from typing import Any


def plain_sum(x: Any, weights: Any, offset: Any, functions: Sequence[Callable[[Any], Any]]) -> Any:
    """The sum over k of weights[k] * functions[k](x), and the offset."""
    total = sum(weights[k] * function(x) for k, function in enumerate(functions))
    return total if offset is None else total + offset
