"""Where an activation is to work: how much of its mean goes on, and around which point its input is to lie."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_actsel.initializers._propagation import Moments
from keras_actsel.initializers._response import mean_square_slope, response

STANDARD = Moments(0.0, 1.0)
_MEANS = (0.0, 1.0)
_VARIANCES = (1.0, 1 / 4, 4.0, 1 / 16, 16.0, 1 / 64, 64.0)
_SAMPLES = (1.0, 4.0, 16.0)
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


def operating_point(activation: Any) -> Moments:
    """Mean and variance of its inputs at which an activation lets samples and gradients keep their size in deep nets.

    That is (0, 1) if two things hold there. The elasticity d log q / d log v of what the next kernel lets through, by
    whose power a sample that is larger than others grows from layer to layer, is at most 1.3, also for samples of 4
    and 16 times the variance; and squared gradients grow by at most 1.35. Else it is the nearest variance at which
    both hold; else, as for functions that grow like a square, one around the mean 1, where they are close to a line;
    and (0, 1) where there is none, or where f is not elementwise.
    """
    points = (Moments(mean, variance) for mean in _MEANS for variance in _VARIANCES)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not stable
            return next((point for point in points if _is_stable(activation, point.mean, point.variance)), STANDARD)
    except ValueError:
        return STANDARD


def _is_stable(activation: Any, mean: float, variance: float) -> bool:
    taken_away = (1.0 - kept_share(activation, mean, variance) ** 0.5) * response(activation, mean, variance)[0]

    def let_through(v: float) -> float:
        of_sample, square = response(activation, mean, v)
        return square - of_sample**2 + (of_sample - taken_away) ** 2

    samples = all(_elasticity(let_through, factor * variance) <= _LARGEST_ELASTICITY for factor in _SAMPLES)
    slope = variance * mean_square_slope(activation, mean, variance)
    return samples and slope <= _LARGEST_GROWTH * max(let_through(variance), 1e-30)


def _elasticity(function: Callable[[float], float], at: float) -> float:
    below, above = (function(at * factor) for factor in (0.98, 1.02))
    return math.log(above / below) / math.log(1.02 / 0.98) if below > 0 else math.inf
