"""What several runs came to: each one's last numbers, their mean and standard deviation over the seeds."""

import math
import statistics
from typing import NamedTuple

from gan_jax.pictures import DISTANCES

# Of the last line of a run, for the table; those that a run does not have are left out.
SHOWN = {
    'discriminator_loss': 'loss D',
    'generator_loss': 'loss G',
    'real_probability': 'D(real)',
    'fake_probability': 'D(fake)',
}


class Outcome(NamedTuple):
    """Of one run."""

    name: str
    seed: int
    values: dict[str, float]  # of the fields that were swept
    metrics: dict[str, float | None]  # of the last line of its log, None where not finite
    state_sha256: str  # '' where it failed
    failure: str  # what was not finite, '' where all was


def groups(outcomes: list[Outcome]) -> list[dict]:
    """For each combination of swept values: `values`, `seeds` (how many runs did not fail), and over those
    the `mean` and the sample standard deviation `sd` of each metric, None where there are too few."""
    found = []
    for values in _distinct([outcome.values for outcome in outcomes]):
        own = [each.metrics for each in outcomes if each.values == values and not each.failure]
        columns = {name: [metrics[name] for metrics in own] for name in (own[0] if own else ())}
        found.append(
            {
                'values': values,
                'seeds': len(own),
                'mean': {name: mean_and_sd(column)[0] for name, column in columns.items()},
                'sd': {name: mean_and_sd(column)[1] for name, column in columns.items()},
            }
        )
    return found


def mean_and_sd(numbers: list) -> tuple[float | None, float | None]:
    """The mean and, from two numbers on, the sample standard deviation (over n - 1); None if one is None."""
    if not numbers or not all(number is not None and math.isfinite(number) for number in numbers):
        return None, None
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None


def table(outcomes: list[Outcome]) -> str:
    """A row a run, and under them one of mean ± sd for each combination of swept values."""
    names = dict.fromkeys(name for each in outcomes for name in each.metrics)
    measured = [name for name in names if DISTANCES.fullmatch(name) or name in ('modes', 'high_quality')]
    shown = [name for name in SHOWN if name in names] + measured
    rows = [['run', *(SHOWN.get(name, name) for name in shown), 'state sha256']]
    for each in outcomes:
        numbers = [_short(each.metrics.get(name)) for name in shown]
        rows.append([each.name, *numbers, each.state_sha256[:12] or 'failed'])
    for group in groups(outcomes):
        own = '_'.join(map(repr, group['values'].values()))
        spreads = [f'{_short(group["mean"].get(name))} ± {_short(group["sd"].get(name))}' for name in shown]
        rows.append([(f'{own}: ' if own else '') + f'mean ± sd of {group["seeds"]}', *spreads, ''])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = lambda row: '  '.join(f'{cell:<{width}}' for cell, width in zip(row, widths, strict=True))
    return '\n'.join(line(row).rstrip() for row in rows)


def _distinct(values: list[dict]) -> list[dict]:
    return [each for place, each in enumerate(values) if each not in values[:place]]


def _short(number: float | None) -> str:
    return '-' if number is None else f'{number:.4g}'
