"""Makes a TFDS data set of pictures: python -m gan_jax.prepare images DIR --name=mine --resolution=128 …

DIR is a folder, or a zip archive, which is read without being extracted.
Or of two domains of emoji: python -m gan_jax.prepare emoji DIR --name=noto_to_fluent --resolution=64 …
"""

import contextlib
import functools
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

import tensorflow_datasets as tfds
from PIL import Image, ImageOps
from tqdm import tqdm

from gan_jax import archive, cli, emoji
from gan_jax.base import UserError
from gan_jax.reading import picture_files, read_picture

TAKES = 'takes a folder with pictures or, for images, a zip archive'


def main(arguments: list[str]) -> None:
    """Reads the command line, writes the data set and says how to train on it."""
    options = parse(arguments)
    folder = Path(options.folder)
    pictures = picture_files(folder) if folder.is_dir() else archive.members(folder)
    if not pictures:
        raise UserError(f'DIR: {options.folder!r} has no pictures; {TAKES}')
    if options.what == 'emoji':
        splits = emoji.splits(options.font, folder)
        fit = functools.partial(ImageOps.pad, color=options.background)
    else:
        splits, fit = {'train': pictures}, ImageOps.fit
    number, broken = sum(map(len, splits.values())), []
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory() as downloads, contextlib.redirect_stdout(io.StringIO()):
        builder = Pictures(
            options, splits, fit, broken, data_dir=options.data_dir, file_format='array_record'
        )
        try:
            builder.download_and_prepare(download_dir=downloads)
        except BaseException:
            shutil.rmtree(there(options), ignore_errors=True)  # half a data set is none
            if len(broken) < number:
                raise
    if len(broken) == number:
        with contextlib.suppress(OSError):  # where others are, it stays
            Path(options.data_dir).rmdir()
        path, why = broken[0]
        raise UserError(
            f'DIR: {options.folder!r} has broken pictures alone ({path}: {why}); takes one with whole ones'
        )
    for path, why in broken:
        print(f'left out {path}: {why}', file=sys.stderr)
    print(f'{number - len(broken)} pictures in {builder.data_path}, {len(broken)} broken files left out')
    trained = ','.join(split for split in splits if split.startswith('train'))
    print(
        f'train on them with --config.data.name={options.name} --config.data.split={trained} '
        f'--config.data.data_dir={options.data_dir} --config.data.resolution={options.resolution} '
        f'--config.data.channels={options.channels}'
    )


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    add, folder = parser.add_argument, cli.path('a folder')
    add(
        'what',
        choices=('images', 'emoji'),
        help="pictures in a folder and all below it; or a font's emoji (A) and those in a folder (B)",
    )
    add('folder', type=folder, metavar='DIR', help='with the pictures; for images also a zip archive')
    add('--name', required=True, help='of the data set: letters, digits and _')
    add('--resolution', type=cli.whole_number(4, 1024), required=True, help='pixels of the square pictures')
    add('--channels', type=int, choices=(1, 3), default=3, help='1: gray, 3: colour')
    add('--background', default='white', help='colour behind what is transparent')
    add('--data_dir', type=folder, required=True, help='to write to')
    add('--font', type=cli.path('a font'), default=emoji.FONT, help='whose emoji are domain A')
    options = parser.parse_args(arguments)
    if not re.fullmatch('[a-z][a-z0-9_]{0,99}', options.name):
        raise UserError(
            f'--name: {options.name!r} will not do; takes small letters, digits and _, 100 at most'
        )
    source = Path(options.folder)
    if not source.is_dir() and not (options.what == 'images' and source.is_file()):
        raise UserError(f'DIR: {options.folder!r} is not there; {TAKES}')
    try:
        Image.new('RGB', (1, 1), options.background)
    except (ValueError, OverflowError):
        raise UserError(
            f'--background: {options.background!r} is no colour; takes a name or #rrggbb'
        ) from None
    if there(options).exists():
        is_half = any(there(options).glob('incomplete.*'))  # TFDS's name until all is written
        what = 'is half made (delete it, if nothing is at work on it)' if is_half else 'is there already'
        raise UserError(f'--name: {str(there(options))!r} {what}; takes another name')
    parents = (Path(options.data_dir), *Path(options.data_dir).absolute().parents)
    cli.check_writable('--data_dir', next(path for path in parents if path.exists()))
    return options


def there(options) -> Path:
    """The folder that the data set is written to."""
    return Path(options.data_dir) / options.name


class Pictures(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Square pictures of one size, in the splits given."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(self, options, splits, fit, broken, **keywords):
        self.name = options.name  # pyright: ignore[reportAttributeAccessIssue]
        self._options, self._splits, self._fit, self._broken = options, splits, fit, broken
        super().__init__(**keywords)

    def _info(self):
        size, channels = self._options.resolution, self._options.channels
        image = tfds.features.Image(shape=(size, size, channels), encoding_format='png')
        return tfds.core.DatasetInfo(
            builder=self,
            description=f'Pictures of {size} x {size} pixels, made by gan_jax.prepare.',
            features=tfds.features.FeaturesDict({'image': image}),
            disable_shuffling=True,
        )

    def _split_generators(self, download_manager):
        return {split: self._generate_examples(files) for split, files in self._splits.items()}

    def _generate_examples(self, files):
        for key, path in enumerate(tqdm(files, unit=' pictures', disable=None)):
            try:
                picture = square(path, self._options, self._fit)
            except Exception as error:  # Pillow and zipfile raise what they meet
                self._broken.append((path, f'{type(error).__name__}: {error}'))
                continue
            yield key, {'image': picture}


def square(source, options, fit) -> bytes:
    """A picture as PNG, upright, on the background, made square by `fit` and resized by Lanczos."""
    picture = read_picture(source, options.channels, options.background)
    file = io.BytesIO()
    fit(picture, (options.resolution, options.resolution), Image.Resampling.LANCZOS).save(file, 'png')
    return file.getvalue()


if __name__ == '__main__':
    sys.exit(cli.run(main))
