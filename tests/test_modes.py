"""Coverage of modes, against cases made by hand."""

import math

import numpy as np
import pytest

from gan_jax.metrics.modes import mode_coverage, stacked_modes

CENTRES = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0), (10.0, 10.0)]


def test_a_mode_counts_with_one_sample_within_three_deviations():
    points = [(0.1, 0.1), (0, 2.9), (12.2, 2.2), (10, 3.1), (3.1, 10)]  # good, good, not, not, not
    coverage = mode_coverage(points, CENTRES, 1.0)
    assert coverage['modes'] == 1
    assert coverage['high_quality'] == pytest.approx(2 / 5)
    # By the nearest mode, however far: 2, 2 and 1 of the 5, against a quarter each.
    frequencies = np.array([2, 2, 1]) / 5
    assert coverage['reverse_kl'] == pytest.approx(np.sum(frequencies * np.log(4 * frequencies)))


@pytest.mark.parametrize(('num_covered', 'expected'), [(4, 0), (2, math.log(2)), (1, math.log(4))])
def test_even_coverage_of_some_modes_is_the_logarithm_of_their_share(num_covered, expected):
    points = np.repeat(CENTRES[:num_covered], 5, axis=0)
    coverage = mode_coverage(points, CENTRES, 0.1)
    assert coverage == {
        'modes': num_covered,
        'high_quality': 1,
        'reverse_kl': pytest.approx(expected, abs=1e-12),
    }


def test_samples_that_are_no_numbers_are_of_no_quality():
    coverage = mode_coverage([(0, 0), (math.nan, 0), (math.inf, 0)], CENTRES, 1.0)
    assert coverage['modes'] == 1
    assert coverage['high_quality'] == pytest.approx(1 / 3)


def test_stacked_digits_are_modes_of_all_channels_together():
    coverage = stacked_modes([(0, 0, 1), (0, 0, 1), (1, 0, 0), (9, 9, 9)])
    assert coverage['modes'] == 3
    frequencies = np.array([2, 1, 1]) / 4
    assert coverage['reverse_kl'] == pytest.approx(np.sum(frequencies * np.log(1000 * frequencies)))
