"""Makes a TFDS data set of pictures, without TensorFlow, and says how to train on it.

    python -m gan_jax.prepare images DIR --name=mine --resolution=128 --data_dir=data
    python -m gan_jax.prepare pair A B --name=mine --resolution=128 --data_dir=data      # for CycleGAN
    python -m gan_jax.prepare emoji DIR --name=noto_to_fluent --resolution=64 --data_dir=data
    python -m gan_jax.prepare fashion_mnist --data_dir=data

DIR, A and B are each a folder with all below it, a zip archive, which is read without being extracted, an IDX
file, as MNIST's, or a folder with one, or an .npz with an array. A pair may also be one folder or archive
that has trainA, trainB, testA and testB.
"""

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

from gan_jax import catalogue, cli, emoji, sources
from gan_jax.base import TrainingFailed, UserError
from gan_jax.sources import Labelled
from gan_jax.squares import Broken, Shape, processes, squares

FOR = {'labels': ('images',), 'test_every': ('pair', 'emoji'), 'font': ('emoji',)}  # flags of some kinds
PER_PROCESS = 32  # pictures that repay a process's start


class Plan(NamedTuple):
    """What is to be made."""

    shape: Shape  # of each picture
    classes: list[str] | None  # the names of their labels, if they have any
    splits: dict[str, list[Labelled]]
    config: str  # that trains on them


def main(arguments: list[str]) -> None:
    """Reads the command line, writes the data set and says how to train on it."""
    options = parse(arguments)
    plan = planned(options)
    from gan_jax.data.writing import Form, write  # here, as processes that read pictures import this file

    total = sum(map(len, plan.splits.values()))
    broken: dict[str, list[Broken]] = {split: [] for split in plan.splits}
    workers = min(options.num_workers, 1 + total // PER_PROCESS)
    form = Form(options.name, plan.shape.resolution, plan.shape.channels, plan.classes)
    try:
        with processes(workers) as each, tqdm(total=total, unit=' pictures', disable=None) as bar:
            examples = {
                split: made(each, pictures, plan.shape, broken[split], bar)
                for split, pictures in plan.splits.items()
            }
            folder = write(Path(options.data_dir), form, examples)
    except Exception as error:
        for split, pictures in plan.splits.items():
            if len(broken[split]) == len(pictures):  # TFDS has no empty splits
                (name, why), given = broken[split][0], ' '.join(options.sources)
                where = '' if len(plan.splits) == 1 else f' in {split}'
                raise UserError(
                    f'DIR: {given!r} has broken pictures alone{where} ({name}: {why}); takes whole ones'
                ) from error
        if isinstance(error, OSError):
            raise TrainingFailed(f'--data_dir: {options.data_dir!r} took no more ({error})') from error
        raise
    tell(options, plan, folder, broken)


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    add, folder = parser.add_argument, cli.path('a folder')
    add('what', help=f'one of {", ".join(catalogue.KINDS)}; of another TFDS data set, says how it is had')
    add('sources', type=folder, nargs='*', metavar='DIR', help='with the pictures; for a pair, two of them')
    add('--name', help='of the data set: letters, digits and _')
    add('--resolution', type=cli.whole_number(4, 1024), help='pixels of the square pictures')
    add('--channels', type=int, choices=(1, 3), help='1: gray, 3: colour (the default)')
    add('--fit', choices=('crop', 'pad'), help='the central square (the default), or all on the background')
    add('--background', default='white', help='colour behind what is transparent')
    labels = "to store: those beside an IDX file (the default), or each picture's folder at the top"
    add('--labels', choices=('none', 'folders', 'beside'), default='beside', help=labels)
    add('--test_every', type=cli.whole_number(0), default=10, help='one of so many of a pair is for testing')
    add('--data_dir', type=folder, help='to write to')
    add('--num_workers', type=cli.whole_number(1, 256), default=os.cpu_count() or 1, help='processes')
    add('--font', type=cli.path('a font'), default=emoji.FONT, help='whose emoji are domain A')
    options = parser.parse_args(arguments)
    catalogue.check_kind(options.what, options.data_dir)
    defaults = {'channels': 3, 'fit': 'pad' if options.what == 'emoji' else 'crop'}
    if options.what == catalogue.FASHION_MNIST:
        defaults |= {'channels': 1, 'name': options.what, 'resolution': 28}
        options.sources = options.sources or [catalogue.FASHION_MNIST_DIR]
    for name, default in defaults.items():
        setattr(options, name, getattr(options, name) or default)
    missing = [name for name in ('name', 'resolution', 'data_dir') if getattr(options, name) is None]
    missing += [] if options.sources else ['DIR']
    if missing:
        names = ', '.join(name if name == 'DIR' else f'--{name}' for name in missing)
        raise UserError(f'the following arguments are required: {names}')
    check(options)
    return options


def check(options) -> None:
    """Raises UserError where the options do not fit together, or what they name is not there."""
    if len(options.sources) > (2 if options.what == 'pair' else 1):
        raise UserError(f'DIR: {options.sources[-1]!r} is one too many; {options.what} takes fewer')
    for flag in FOR.keys() & options.given.keys():
        if options.what not in FOR[flag]:
            given, takes = getattr(options, flag), ' or '.join(FOR[flag])
            raise UserError(f'--{flag}: {given!r} will not do with {options.what}; takes {takes}')
    if options.what == 'emoji' and not options.test_every:
        raise UserError('--test_every: 0 will not do with emoji; takes 1 or more')
    if not re.fullmatch('[a-z][a-z0-9_]{0,99}', options.name):
        raise UserError(
            f'--name: {options.name!r} will not do; takes small letters, digits and _, 100 at most'
        )
    for source in map(Path, options.sources):
        if not source.is_dir() and (options.what not in ('images', 'pair') or not source.is_file()):
            raise UserError(f'DIR: {str(source)!r} is not there; {sources.TAKES}')
    try:
        Image.new('RGB', (1, 1), options.background)
    except (ValueError, OverflowError):
        raise UserError(
            f'--background: {options.background!r} is no colour; takes a name or #rrggbb'
        ) from None
    there = Path(options.data_dir) / options.name
    if there.exists():
        is_half = any(there.glob('incomplete.*'))  # TFDS's name until all is written
        what = 'is half made (delete it, if nothing is at work on it)' if is_half else 'is there already'
        raise UserError(f'--name: {str(there)!r} {what}; takes another name')
    parents = (Path(options.data_dir), *Path(options.data_dir).absolute().parents)
    cli.check_writable('--data_dir', next(path for path in parents if path.exists()))


def planned(options) -> Plan:
    """What the options ask for, from what is there; raises UserError."""
    shape = Shape(options.resolution, options.channels, options.fit, options.background)
    paths = [Path(source) for source in options.sources]
    if options.what == 'images':
        classes, pictures = sources.labelled(sources.open_source(paths[0]), options.labels)
        return Plan(shape, classes, {'train': pictures}, 'dcgan_images')
    if options.what == catalogue.FASHION_MNIST:
        from gan_jax.data.make_fashion_mnist_10k import CLASSES

        return Plan(shape, CLASSES, catalogue.fashion_mnist(paths[0]), 'dcgan_fashion_mnist')
    if options.what == 'pair':
        splits = sources.two_domains(paths, options.test_every)
    else:
        by_split = emoji.splits(options.font, paths[0], options.test_every)
        splits = {split: sources.unlabelled(pictures) for split, pictures in by_split.items()}
    return Plan(shape, None, splits, 'cyclegan_images')


def made(each, pictures: list[Labelled], shape: Shape, broken: list[Broken], bar):
    """Yields the examples of a split, (PNG file, label), and puts into `broken` what has become none."""
    squares_made = each(squares, (labelled.picture for labelled in pictures), shape)
    for (_, label), square in zip(pictures, squares_made, strict=True):
        bar.update()
        if isinstance(square, Broken):
            broken.append(square)
        else:
            yield square, label


def tell(options, plan: Plan, folder: Path, broken: dict[str, list[Broken]]) -> None:
    """Prints what has been made, what has been left out, and the command that trains on it."""
    from gan_jax.training_command import shell_line, training_command

    for name, why in (each for of_split in broken.values() for each in of_split):
        # What a file's name and its reader say is not to command the terminal.
        line = f'left out {name}: {" ".join(why.split())}'
        print(''.join(letter if letter.isprintable() else '�' for letter in line), file=sys.stderr)
    for source in map(Path, options.sources):
        others = sources.of_other_kinds(source)
        if others:
            kinds = ', '.join(sorted({path.suffix.lower() for path in others}))
            print(f'left out {len(others)} of {kinds} in {source}: takes {sources.KINDS}', file=sys.stderr)
    sizes = {split: len(pictures) - len(broken[split]) for split, pictures in plan.splits.items()}
    listed = ', '.join(f'{split} {size}' for split, size in sizes.items())
    number = sum(map(len, broken.values()))
    print(f'{sum(sizes.values())} pictures in {folder}, {number} broken files left out ({listed})')
    trained = [split for split in sizes if split.startswith('train')]
    overrides = {'data.name': options.name, 'data.data_dir': options.data_dir}
    overrides |= {'data.resolution': plan.shape.resolution, 'data.channels': plan.shape.channels}
    print('train on them with')
    print(shell_line(training_command(plan.config, overrides, min(sizes[split] for split in trained))))


if __name__ == '__main__':
    sys.exit(cli.run(main))
