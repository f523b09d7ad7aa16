"""How far a generator's pictures are from the reals: python -m gan_jax.evaluate --workdir=runs/a

Or a folder's: --images=DIR --workdir=runs/a, or --images=DIR --against=DIR --network=efficientnet_lite0.
Or two arrays of features [N, D]: --features_a=FAKES.npy --features_b=REALS.npy
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from gan_jax import cli, parallel, references
from gan_jax.base import UserError
from gan_jax.compilation import Programs, keep_on_disk
from gan_jax.config import known_fields, read_config, replaced
from gan_jax.data.domains import DOMAINS
from gan_jax.data.folder import open_folder
from gan_jax.evaluation import FIELDS, Evaluation, open_look
from gan_jax.metrics.features import Seen
from gan_jax.metrics.figures import (
    check_enough,
    counted,
    figures,
    needs_reals,
    settings,
    too_few,
    with_counts,
)
from gan_jax.metrics.frechet import exact_moments
from gan_jax.pictures import write_atomically
from gan_jax.trained import CHECKPOINTS, open_run, which_checkpoint
from gan_jax.writers import finite

METRICS = ('fd', 'kid', 'pr', 'dc')  # where no config says which; those that need no classes
IN_PLACE = ('metrics', 'network', 'weights', 'num_samples', 'split')  # of a run's `evaluation.*`
WITHOUT_RUN = {'metrics': METRICS, 'network': 'efficientnet_lite0', 'weights': ''}
LARGEST = 1e15  # of a feature, whose squares are summed in float32


def main(arguments: list[str]) -> None:
    """Reads the command line, measures, prints a table and writes the JSON that was asked for."""
    options = parse(arguments)
    measured, protocol, doubts = options.way.compare(options)
    for doubt in doubts:
        print(doubt, file=sys.stderr)
    width = max(map(len, [*(with_counts(name, protocol) for name in measured), *protocol]))
    for name, value in protocol.items():
        print(f'{name:<{width}}  {", ".join(map(str, value)) if isinstance(value, tuple) else value}')
    for name, value in measured.items():
        if not name.endswith(' sd'):
            deviation = f' ± {measured[f"{name} sd"]:.3g}' if f'{name} sd' in measured else ''
            print(f'{with_counts(name, protocol):<{width}}  {value:.6g}{deviation}')
    if options.json:
        text = json.dumps({'figures': finite(measured), 'protocol': protocol}, indent=2)
        write_atomically(options.json, f'{text}\n'.encode())


def of_run(options) -> tuple[dict, dict, list]:
    """The figures of a checkpoint's generator, what they depend on, and what is to be doubted."""
    config, run = config_of(options), open_run(options.workdir, options.checkpoint)
    if len(run.gan.targets) > 1 and 'seed' in options.given:
        raise UserError(f'--seed: {options.seed} will not do, as the run draws no z; takes none')
    evaluation = opened(config, options.seed)
    generator = run.generator(options.no_ema), run.state.images_seen
    generator, images_seen = parallel.replicate(generator, evaluation.look.devices)
    quality = evaluation.of(run.gan, run.step, generator, images_seen, run.batch)
    assert quality, 'nobody interrupts it'
    weights = 'averaged' if run.is_averaged(options.no_ema) else 'as they are'
    fakes = {'fakes': str(Path(options.workdir)), 'step': run.step, 'weights': weights}
    if len(run.gan.targets) == 1:  # else they are made of pictures
        fakes['seed of z'] = options.seed
    return quality.figures, fakes | quality.counts | evaluation.protocol, evaluation.doubts()


def opened(config, seed: int = 0) -> Evaluation:
    """What a run's config says, on this machine's devices; raises UserError."""
    look = open_look(config.evaluation, parallel.all_devices(), Programs(), '--weights')
    try:
        return Evaluation(config, look, seed, '--split')
    except UserError as error:
        raise UserError(str(error).replace('--config.data.data_dir:', '--data_dir:')) from None


def of_folder(options) -> tuple[dict, dict, list]:
    """The figures of a folder's pictures beside a data set's, and what they depend on."""
    config = config_of(options)
    evaluation = opened(config)
    domains, look = list(evaluation.images), evaluation.look
    if 'domain' in options.given and len(domains) == 1:
        raise UserError(f'--domain: {options.domain!r} will not do, as the run has one alone; takes none')
    domain = options.domain if len(domains) > 1 else domains[0]
    reals = evaluation.images[domain]
    if len(reals.shape) != 3:
        raise UserError(f'--images: {options.images!r} will not do, as the run is of points; takes none')
    fakes = open_folder(options.images, '--images', reals.resolution, reals.channels, config.data.fit)
    check_enough(config.evaluation.metrics, len(fakes), '--images')
    measured = figures(
        config.evaluation.metrics, look.network.name_of, evaluation.real(domain), look.at_pictures(fakes)
    )
    doubts = too_few(
        config.evaluation.metrics,
        look.network.name_of,
        look.network.num_features,
        min(len(fakes), len(reals)),
    )
    beside = {'fakes': options.images} | ({'domain': domain} if len(domains) > 1 else {})
    counts = counted(len(fakes), len(reals) if needs_reals(config.evaluation.metrics) else None)
    return measured, beside | counts | evaluation.protocol, doubts


def of_two_folders(options) -> tuple[dict, dict, list]:
    """The figures of a folder's pictures beside another's, and what they depend on."""
    asked = SimpleNamespace(**(WITHOUT_RUN | chosen(options, FIELDS)))
    look = open_look(asked, parallel.all_devices(), Programs(), '--weights')
    channels, name_of = look.network.channels, look.network.name_of
    reals = open_folder(options.against, '--against', options.resolution, channels)
    fakes = open_folder(options.images, '--images', reals.resolution, channels)
    for flag, folder in (('--against', reals), ('--images', fakes)):
        check_enough(asked.metrics, len(folder), flag)
    facts = {'resolution': reals.resolution, 'channels': channels, 'fit': 'crop'}
    real = references.seen_in(look, reals, facts)
    measured = figures(asked.metrics, name_of, real, look.at_pictures(fakes))
    folders = {'fakes': options.images, 'reals': options.against}
    how = facts | look.network.protocol | settings(asked.metrics)
    doubts = too_few(asked.metrics, name_of, look.network.num_features, min(len(fakes), len(reals)))
    return measured, folders | counted(len(fakes), len(reals)) | how, doubts


def of_features(options) -> tuple[dict, dict, list]:
    """The figures of two arrays of features, and what they depend on."""
    metrics = chosen(options, FIELDS).get('metrics', METRICS)
    for name in metrics:
        if name not in METRICS:
            raise UserError(f'--metrics: {name} will not do without pictures; takes {", ".join(METRICS)}')
    fake, real = (read_features(options, metrics, name) for name in ('features_a', 'features_b'))
    if fake.shape[1] != real.shape[1]:
        raise UserError(
            f'--features_b: got {real.shape[1]} features; takes {fake.shape[1]}, as --features_a has'
        )
    seen = [Seen(exact_moments(array), array) for array in (real, fake)]
    arrays = {'fakes': options.features_a, 'reals': options.features_b, 'features': fake.shape[1]}
    name_of = lambda _, general: general  # whose features they are, the file does not say
    number = min(len(fake), len(real))
    protocol = arrays | counted(len(fake), len(real)) | settings(metrics)
    return figures(metrics, name_of, *seen), protocol, too_few(metrics, name_of, fake.shape[1], number)


def config_of(options) -> Any:
    """The config of the run in `--workdir`, with what the command line says in its place."""
    config: Any = read_config(Path(options.workdir))
    values = chosen(options, known_fields(config.system))
    changes = {f'evaluation.{name}': value for name, value in values.items()}
    if options.data_dir:
        changes['data.data_dir'] = options.data_dir
    if config.compilation_cache:
        keep_on_disk()
    return replaced(config, changes)


def chosen(options, known: dict) -> dict[str, Any]:
    """What the command line has in place of `evaluation.*`, as these fields take it; raises UserError."""
    values = {}
    for name in IN_PLACE:
        if name in options.given:
            try:
                values[name] = known[f'evaluation.{name}'].parse(getattr(options, name))
            except ValueError as error:
                raise UserError(f'--{name}: {error}') from None
    return values


def read_features(options, metrics, name: str) -> np.ndarray:
    """The array [N, D] of a flag; raises UserError where its file does not hold such a one."""
    path = getattr(options, name)
    takes = f'takes a .npy file with floats [N, D] within ±{LARGEST:g}'
    try:
        array = np.lib.format.open_memmap(path, mode='r')  # no more memory than there is file
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f'--{name}: {path!r} cannot be read ({error}); {takes}') from None
    if array.ndim != 2 or not array.shape[1] or not np.issubdtype(array.dtype, np.floating):
        raise UserError(f'--{name}: {path!r} holds {array.dtype}{list(array.shape)}; {takes}')
    if not (np.isfinite(array).all() and max(float(array.max()), -float(array.min())) <= LARGEST):
        raise UserError(f'--{name}: {path!r} holds numbers that are not finite, or too large; {takes}')
    check_enough(metrics, len(array), f'--{name}')
    return array


class Way(NamedTuple):
    """One of the things that are compared."""

    flags: tuple[str, ...]  # all of which it needs
    others: tuple[str, ...]  # that it takes beside them
    compare: Callable  # (options) -> (figures, protocol, what is to be doubted)


OF_A_CONFIG = ('metrics', 'network', 'weights', 'split', 'data_dir', 'json')
WAYS = (
    Way(('workdir',), ('checkpoint', 'no_ema', 'num_samples', 'seed', *OF_A_CONFIG), of_run),
    Way(('workdir', 'images'), ('domain', *OF_A_CONFIG), of_folder),
    Way(('images', 'against'), ('metrics', 'network', 'weights', 'resolution', 'json'), of_two_folders),
    Way(('features_a', 'features_b'), ('metrics', 'json'), of_features),
)


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    add, whole, folder = parser.add_argument, cli.whole_number, cli.path('a folder')
    add('--workdir', type=folder, help='of a run, whose config says what is compared with what')
    add('--checkpoint', type=which_checkpoint, help=CHECKPOINTS)
    add('--no_ema', action='store_true', help='the weights as they are, not their average')
    add('--images', type=folder, help='with fakes, in place of a generator')
    add('--against', type=folder, help='with reals, in place of a data set')
    add('--features_a', type=cli.path('a .npy file'), help='of fakes, [N, D]')
    add('--features_b', type=cli.path('a .npy file'), help='of reals, [M, D]')
    in_place = "in place of the run's evaluation."
    add('--metrics', help=f'{in_place}metrics, of fd, kid, pr, dc, is, stacked, and of points modes')
    add('--network', help=f'{in_place}network; without a run efficientnet_lite0')
    add('--weights', help=f'{in_place}weights')
    add('--num_samples', help=f'{in_place}num_samples, of a generator')
    add('--split', help=f'{in_place}split, that of the reals')
    add('--data_dir', type=folder, help='where the data set lies by now')
    add('--domain', choices=DOMAINS, default='b', help="that a folder's pictures are of, where there are two")
    add('--resolution', type=whole(4, 4096), help='pixels of all pictures; those of the first of --against')
    add('--seed', type=whole(0), default=0, help='where z comes from')
    add('--json', type=cli.path('a file'), help='for the figures and all that they depend on')
    options = parser.parse_args(arguments)
    given = set(vars(options).setdefault('given', {})) | ({'no_ema'} if options.no_ema else set())
    flagged = {flag for way in WAYS for flag in way.flags} & given
    options.way = next((way for way in WAYS if set(way.flags) == flagged), None)
    named = lambda flags: ' with '.join(f'--{flag}' for flag in flags)
    if options.way is None:
        takes = ', or '.join(named(way.flags) for way in WAYS)
        first = min(flagged, default='workdir')
        raise UserError(f'--{first}: got {named(sorted(flagged)) or "none"}; takes {takes}')
    for name in sorted(given - flagged - set(options.way.others)):
        raise UserError(
            f'--{name}: {getattr(options, name)!r} will not do with {named(options.way.flags)}; takes none'
        )
    if options.json:
        cli.check_file('--json', options.json, '.json')
    return options


if __name__ == '__main__':
    sys.exit(cli.run(main))
