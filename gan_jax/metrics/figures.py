"""Every metric by its name in a config, as the figures that it gives of fakes beside reals."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gan_jax.base import UserError
from gan_jax.metrics.features import Seen
from gan_jax.metrics.frechet import frechet_distance
from gan_jax.metrics.inception_score import SPLITS, inception_score
from gan_jax.metrics.kernel import SEED, SUBSET_SIZE, SUBSETS, kernel_distance
from gan_jax.metrics.modes import WITHIN, mode_coverage, stacked_modes
from gan_jax.metrics.neighbours import FOR_DENSITY, FOR_PRECISION, density_coverage, precision_recall

BLOCKS = f'{SUBSETS} blocks of {SUBSET_SIZE:,} or as many as there are, chosen by seed {SEED}'
FRECHET_OR_KERNEL = re.compile(r'(FID|FD|KID|KD)(-\w+)?')  # the names of their distances
NUM_CLASSES = 10  # of a channel of stacked pictures


class Metric(NamedTuple):
    """How figures come out of what was seen of reals and fakes, and which of them are the better ones."""

    figures: Callable  # (name_of, real, fake, source) -> {name: number}; see `figures`
    rank: Callable  # (figures) -> a number that is higher where they are better
    least: int  # pictures in each set
    needs_features: bool = True  # of each picture, beyond their moments
    needs_reals: bool = True
    settings: str = ''  # what its figures depend on besides features


def _frechet(name_of: Callable, real: Seen, fake: Seen, source) -> dict[str, float]:
    return {name_of('FID', 'FD'): frechet_distance(real.moments, fake.moments)}


def _kernel(name_of: Callable, real: Seen, fake: Seen, source) -> dict[str, float]:
    return _with_deviation(name_of('KID', 'KD'), *kernel_distance(fake.features, real.features))


def _score(name_of: Callable, real: Seen, fake: Seen, source) -> dict[str, float]:
    return _with_deviation(name_of('IS', 'IS'), *inception_score(fake.logits))


def _stacked(name_of: Callable, real: Seen, fake: Any, source) -> dict[str, float]:
    classes = np.argmax(fake.logits.reshape(len(fake.logits), -1, NUM_CLASSES), axis=-1)
    return stacked_modes(classes, NUM_CLASSES)


def _with_deviation(name: str, mean: float, deviation: float | None) -> dict[str, float]:
    return {name: mean} if deviation is None else {name: mean, f'{name} sd': deviation}


def _first(found: dict[str, float]) -> float:
    return next(iter(found.values()))


METRICS = {
    'fd': Metric(_frechet, lambda found: -_first(found), least=2, needs_features=False),
    'kid': Metric(_kernel, lambda found: -_first(found), least=2, settings=BLOCKS),
    'pr': Metric(
        lambda _, real, fake, __: precision_recall(real.features, fake.features),
        _first,
        least=4,
        settings=f'neighbours {FOR_PRECISION}',
    ),
    'dc': Metric(
        lambda _, real, fake, __: density_coverage(real.features, fake.features),
        _first,
        least=6,
        settings=f'neighbours {FOR_DENSITY}',
    ),
    'is': Metric(_score, _first, least=SPLITS, needs_reals=False, settings=f'{SPLITS} parts'),
    'stacked': Metric(_stacked, _first, least=1, needs_reals=False),
}
# Of points, whose modes are known.
OF_POINTS = {
    'modes': Metric(
        lambda _, real, fake, source: mode_coverage(fake.features, source.centres, source.deviation),
        lambda found: found['modes'] + found['high_quality'],
        least=1,
        needs_reals=False,  # their source says where their modes are
        settings=f'within {WITHIN} standard deviations',
    ),
    **{name: METRICS[name] for name in ('fd', 'kid', 'pr', 'dc')},
}
ALL = METRICS | OF_POINTS


def figures(metrics, name_of: Callable, real: Seen | None, fake: Seen, source=None) -> dict[str, float]:
    """All that the metrics of these names give, in order.

    Args:
        metrics: names in `ALL`.
        name_of: see `FeatureNetwork`.
        real, fake: what was seen; `real` may be None where none of them `needs_reals`.
        source: where the reals are from, which knows the modes of points.
    """
    found = {}
    for name in metrics:
        found |= ALL[name].figures(name_of, real, fake, source)
    return found


def settings(metrics) -> dict[str, str]:
    """What the figures of each depend on besides features, by name."""
    return {name: ALL[name].settings for name in metrics if ALL[name].settings}


def counted(fakes: int, reals: int | None, column: str = '') -> dict[str, int]:
    """How many of each were looked at, by what that is called in a protocol; None where no reals were."""
    of_column = f' ({column})' if column else ''
    numbers = {f'number of fakes{of_column}': fakes, f'number of reals{of_column}': reals}
    return {name: number for name, number in numbers.items() if number is not None}


def with_counts(figure: str, protocol: dict) -> str:
    """A figure's name and, of a distance, how many fakes and reals it is of: 'FID (50k/10k)'."""
    column, _, name = figure.rpartition(' ')
    numbers = counts_of(protocol, column)
    return f'{figure} ({numbers})' if numbers and FRECHET_OR_KERNEL.fullmatch(name) else figure


def counts_of(protocol: dict, column: str = '') -> str:
    """How many fakes and reals a protocol has of a column, '50k/10k'; '' where it does not say."""
    short = lambda number: f'{number / 1000:g}k' if number >= 1000 else str(number)
    keys = counted(0, 0, column)
    return '/'.join(short(protocol[key]) for key in keys) if keys.keys() <= protocol.keys() else ''


def needs_features(metrics) -> bool:
    """Whether any of them looks at more than moments."""
    return any(ALL[name].needs_features for name in metrics)


def needs_reals(metrics) -> bool:
    """Whether any of them looks at the reals' features."""
    return any(ALL[name].needs_reals for name in metrics)


def check_enough(metrics, number: int, flag: str) -> None:
    """Raises UserError, about `flag`, where so many pictures are too few for a metric."""
    for name in metrics:
        if number < ALL[name].least:
            raise UserError(f'{flag}: {number} will not do for {name}; takes {ALL[name].least} or more')


def too_few(metrics, name_of: Callable, num_features: int, number: int) -> list[str]:
    """What to tell a person where so many pictures are too few for a figure to mean what it says."""
    told = []
    if 'fd' in metrics and number <= num_features:
        told.append(
            f'{name_of("FID", "FD")}: {number} pictures are no more than its {num_features} features, and '
            f'it comes out too large; takes {num_features + 1} or more'
        )
    if 'kid' in metrics and number < SUBSET_SIZE:
        name = name_of('KID', 'KD')
        told.append(f'{name}: {number} pictures make small blocks; takes {SUBSET_SIZE} for the usual ones')
    return told
