"""The statistics, against SciPy's own test, closed forms and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_actsel.statistics import mean_interval, paired_test

pytestmark = pytest.mark.on_one_backend


def test_agrees_with_scipy():
    leader, baseline = np.random.default_rng(0).normal(size=(2, 7))
    ours = paired_test(leader - baseline)
    theirs = stats.ttest_rel(leader, baseline)
    low, high = theirs.confidence_interval(0.95)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((low, high))
    assert ours.pairs == 7
    assert ours.significant == (theirs.pvalue < 0.05)


@pytest.mark.parametrize("pairs", [2, 3, 5, 12])
def test_the_detectable_difference_is_found_in_80_percent_of_cases(pairs):
    generator = np.random.default_rng(pairs)
    # Scale the sample to standard deviation one, so that `detectable` is in standard deviations of a difference.
    sample = generator.normal(size=pairs)
    detectable = paired_test((sample - sample.mean()) / sample.std(ddof=1)).detectable
    draws = generator.normal(loc=detectable, size=(20_000, pairs))
    found = stats.ttest_1samp(draws, 0.0, axis=1)
    power = np.mean((found.pvalue < 0.05) & (found.statistic > 0))
    assert power == pytest.approx(0.8, abs=0.015)


def test_differences_that_do_not_vary_get_the_sign_test():
    same = paired_test([0.0, 0.0, 0.0])
    assert (same.p_value, same.significant) == (1.0, False)
    constant = paired_test([0.9 - 0.8, 0.8 - 0.7, 0.7 - 0.6])  # equal but for rounding
    assert constant.p_value == stats.binomtest(3, 3).pvalue
    assert math.isnan(constant.detectable)
    assert paired_test([1e-3, 1.0001e-3, 0.9999e-3], resolution=1e-6).p_value == 0.25
    assert paired_test([1e-13, 2e-13, 1.5e-13, 1e-13]).p_value < 0.05  # small is not the same as equal


@pytest.mark.parametrize("bad", [[], [0.1], [0.1, math.nan], [0.1, math.inf], [[0.1, 0.2]]])
def test_bad_differences_are_refused(bad):
    with pytest.raises(ValueError, match=r"two or more finite differences\. Received"):
        paired_test(bad)


def test_mean_interval():
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2.0, 2.0 - 4.302653 / 3**0.5, 2.0 + 4.302653 / 3**0.5), rel=1e-6)
    assert mean_interval([0.5]) == (0.5, -math.inf, math.inf)
