"""The statistics behind a verdict: intervals and one paired t test, on SciPy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True)
class PairedTest:
    """What paired differences say about their mean: a two-sided Student's t test at 5 %.

    Args:
        difference: The mean of the differences.
        low: Lower end of the 95 % interval of that mean.
        high: Upper end.
        p_value: Chance of a mean at least so far from zero if there were no difference.
        detectable: The smallest true difference that as many pairs, as scattered as these, find in 80 % of cases;
            NaN where the differences do not vary.
        pairs: How many differences.
    """

    difference: float
    low: float
    high: float
    p_value: float
    detectable: float
    pairs: int

    @property
    def significant(self) -> bool:
        """Whether the difference is significant at 5 %."""
        return self.p_value < 1 - CONFIDENCE


def paired_test(differences: Sequence[float], resolution: float = 0.0) -> PairedTest:
    """Test whether the mean of paired differences is zero.

    Differences that do not vary tell nothing about their scatter, so Student's test can't be used on them. Then the
    exact sign test is: all n of one sign have p = 2 / 2**n, which is significant from six pairs on.

    Args:
        differences: Two or more finite numbers, one for each pair.
        resolution: Variation (standard deviation) up to this is rounding, and counts as none.

    Raises:
        ValueError: For fewer than two differences, or one that is not finite.

    Example:
        >>> result = paired_test([0.02, 0.03, 0.01, 0.02, 0.02])
        >>> result.significant, round(result.difference, 3), round(result.low, 3)
        (True, 0.02, 0.011)

    Source: Student 1908, https://doi.org/10.1093/biomet/6.1.1
    """
    from scipy import stats

    values = _checked(differences)
    count, mean = len(values), float(values.mean())
    deviation = float(values.std(ddof=1))
    if deviation <= max(resolution, 1e-12 * abs(mean)):
        p_value = 1.0 if abs(mean) <= resolution else min(1.0, 2 * 0.5**count)
        return PairedTest(mean, mean, mean, p_value, math.nan, count)
    error = deviation / math.sqrt(count)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    p_value = 2 * float(stats.t.sf(abs(mean) / error, count - 1))
    return PairedTest(mean, mean - reach, mean + reach, p_value, error * _noncentrality(count), count)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval by Student's t; a single value has the interval (-inf, inf).

    Example:
        >>> [round(v, 2) for v in mean_interval([0.9, 0.92, 0.91])]
        [0.91, 0.89, 0.93]
    """
    from scipy import stats

    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, -math.inf, math.inf
    error = float(array.std(ddof=1)) / math.sqrt(len(array))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1)) * error
    return mean, mean - reach, mean + reach


def _checked(differences: Sequence[float]) -> np.ndarray:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"A paired test needs two or more finite differences. Received: {list(differences)}.")
    return values


@cache
def _noncentrality(count: int) -> float:
    """How many standard errors a true difference must measure for the t test to find it with 80 % power."""
    from scipy import optimize, stats

    freedom = count - 1
    critical = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return float(optimize.brentq(lambda shift: stats.nct.sf(critical, freedom, shift) - POWER, 0.0, 10 * critical))
