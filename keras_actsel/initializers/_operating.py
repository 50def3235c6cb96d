"""Where an activation is to work: how much of its mean goes on, and how large its input is to be."""

import math
from typing import Any

from keras_actsel.initializers._response import mean_square_slope, response

_VARIANCES = (1.0, 1 / 4, 4.0, 1 / 16, 16.0, 1 / 64, 64.0)
_LARGEST_ELASTICITY = 1.3
_LARGEST_GROWTH = 1.35


def kept_share(activation: Any, mean: float = 0.0, variance: float = 1.0) -> float:
    """The share of its squared mean that the next kernel is to let through, so that gradients keep their size.

    After f(z), z ~ N(m, v), kernels that make outputs of variance v again multiply squared gradients by v E[f'(z)^2]
    over the mean square that they let through, Var f + share (E f)^2: the share makes the two equal, where it can.
    """
    first, second = response(activation, mean, variance)
    slope = variance * mean_square_slope(activation, mean, variance)
    return min(max((slope - (second - first**2)) / max(first**2, 1e-12), 0.0), 1.0)


def operating_variance(activation: Any) -> float:
    """The variance of its inputs at which an activation lets samples and gradients keep their size in deep networks.

    It is 1 if two things hold there. The elasticity d log E[f(z)^2]/d log v, by whose power a sample that is larger
    than others grows from layer to layer, is at most 1.3, also for samples of twice the size; and squared gradients
    grow by at most 1.35. Else it is the nearest at which both hold; and 1 where there is none, as for a pure square,
    or where f is not elementwise.
    """
    try:
        return next((v for v in _VARIANCES if _is_stable(activation, v)), 1.0)
    except ValueError:
        return 1.0


def _is_stable(activation: Any, variance: float) -> bool:
    samples = all(_elasticity(activation, v) <= _LARGEST_ELASTICITY for v in (variance, 4.0 * variance))
    return samples and _growth_of_gradients(activation, variance) <= _LARGEST_GROWTH


def _elasticity(activation: Any, variance: float) -> float:
    below, above = (response(activation, 0.0, variance * factor)[1] for factor in (0.98, 1.02))
    return math.log(above / below) / math.log(1.02 / 0.98) if below > 0 else math.inf


def _growth_of_gradients(activation: Any, variance: float) -> float:
    first, second = response(activation, 0.0, variance)
    let_through = second - (1.0 - kept_share(activation, 0.0, variance)) * first**2
    return variance * mean_square_slope(activation, 0.0, variance) / max(let_through, 1e-30)
