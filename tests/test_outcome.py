"""What several runs came to: the mean and standard deviation of those that did not fail."""

import math

from gan_jax.outcome import Outcome, groups, mean_and_sd, table


def outcome(seed, loss, failure='', **values):
    return Outcome(
        f'seed_{seed}', seed, values, {'generator_loss': loss, 'other': 1.0}, '' if failure else 'ab', failure
    )


def test_mean_and_standard_deviation():
    assert mean_and_sd([2.0, 4.0, 9.0]) == (5.0, math.sqrt((9 + 1 + 16) / 2))
    assert mean_and_sd([3.0]) == (3.0, None)
    assert mean_and_sd([]) == (None, None)
    assert mean_and_sd([3.0, None]) == (None, None)
    rates = [
        outcome(0, 1.0, rate=0.1),
        outcome(1, 3.0, rate=0.1),
        outcome(0, 5.0, rate=0.2),
        outcome(1, 7.0, 'nan', rate=0.2),
    ]
    first, second = groups(rates)
    assert first == {
        'values': {'rate': 0.1},
        'seeds': 2,
        'mean': {'generator_loss': 2.0, 'other': 1.0},
        'sd': {'generator_loss': math.sqrt(2), 'other': 0.0},
    }
    assert second['seeds'] == 1
    assert second['mean']['generator_loss'] == 5.0
    assert second['sd']['generator_loss'] is None
    lines = table(rates).splitlines()
    assert lines[0].split() == ['run', 'loss', 'G', 'state', 'sha256']
    assert lines[4].split() == ['seed_1', '7', 'failed']
    assert lines[5].split('  ')[0] == '0.1: mean ± sd of 2'
    assert lines[5].endswith('2 ± 1.414')
    assert lines[6].endswith('5 ± -')
