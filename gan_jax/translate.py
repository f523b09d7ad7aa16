"""A person's own pictures, of any size, through a generator that translates."""

import os
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import cli
from gan_jax.base import TrainingFailed, UserError
from gan_jax.pictures import save_png, to_uint8
from gan_jax.reading import picture_files, read_picture

MULTIPLE, LEAST = 4, 8  # of pixels that a generator takes
# What a command line may say of pictures that are drawn from z.
FROM_Z = {'num', 'seed', 'truncation', 'interpolate', 'grid', 'video', 'fps', 'neighbours', 'like'}


def add_images(parser) -> None:
    """Adds what a command line says about a person's own pictures."""
    path = cli.path('a picture or a folder with some')
    parser.add_argument('--images', type=path, help='your own, to translate into PNGs in the folder --out')
    parser.add_argument('--direction', choices=('a2b', 'b2a'), default='a2b', help='from which domain')


def check_translation(options) -> None:
    """Raises UserError where there are no pictures, or no place for their translations."""
    source, out = Path(options.images), Path(options.out or 'translated')
    options.out = str(out)
    for name in sorted(set(options.given) & FROM_Z):
        raise UserError(f'--{name}: {options.given[name]!r} will not do with --images; takes none')
    files = source_files(source)
    if not files or not files[0].is_file():
        raise UserError(f'--images: {options.images!r} has no pictures; takes one or a folder with some')
    folder = next(each for each in (out, *out.absolute().parents) if os.path.lexists(each))
    is_mixed = any(file.parent.resolve() == out.resolve() for file in files)
    if not folder.is_dir() or is_mixed or source.resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f'--out: {options.out!r} will not do; takes a folder apart from that of --images')
    cli.check_writable('--out', folder)


def source_files(source: Path) -> list[Path]:
    """A picture alone, or all in a folder and below it."""
    return picture_files(source) if source.is_dir() else [source]


def translate_files(gan, player, direction: str, source: Path, out: Path, channels: int, facts: dict) -> None:
    """Translates each picture at `source` into a PNG in `out`.

    Args:
        gan: whose `sample` takes pictures by domain.
        player: (params, model_state) of its generator.
        direction: 'a2b' or 'b2a'.
        source: a picture, or a folder with some, at any depth.
        out: a folder, made where it is missing.
        channels: 1 or 3, as the generator has them.
        facts: what each picture says of itself, {keyword: text}.

    Raises:
        TrainingFailed: some of the files could not be translated; all others have been.
    """
    domain, target = direction.split('2')
    way = f'{domain}_to_{target}'
    files = source_files(source)
    # The other way's pictures are dropped by the compiler.
    run = jax.jit(lambda *player, images: gan.sample(*player, {domain: images}, 0)[way])
    broken = []
    for file, name in zip(files, names_of(files), strict=True):
        try:
            picture = read(file, channels)
            height, width = picture.shape[:2]
            images = padded(picture.reshape(1, height, width, channels))
            translated = run(*player, images=jnp.asarray(images, jnp.float32) / 127.5 - 1)
            save_png(out / name, to_uint8(translated[0, :height, :width]), {**facts, 'source': file.name})
        except (OSError, jax.errors.JaxRuntimeError) as error:  # as a name too long, or a picture too large
            first_line = str(error).partition('\n')[0]
            print(f'left out {file}: {first_line}', file=sys.stderr)
            broken.append(file)
    print(f'{len(files) - len(broken)} pictures in {out}')
    if broken:
        names = ', '.join(map(str, broken))
        raise TrainingFailed(f'{len(broken)} of {len(files)} files could not be translated: {names}')


def read(file: Path, channels: int) -> np.ndarray:
    """A picture, uint8 [H, W, C] or [H, W]; raises OSError whatever Pillow's readers raise."""
    try:
        return np.asarray(read_picture(file, channels))
    except Exception as error:
        raise OSError(f'{type(error).__name__}: {error}') from error


def names_of(files: list[Path]) -> list[str]:
    """A PNG's name for each: the file's own without its suffix, with it where two would be the same."""
    stems = Counter(file.stem for file in files)
    names = [f'{file.stem}.png' if stems[file.stem] == 1 else f'{file.name}.png' for file in files]
    repeated = Counter(names)
    return [name if repeated[name] == 1 else f'{number}_{name}' for number, name in enumerate(names)]


def padded(images: np.ndarray) -> np.ndarray:
    """[N, H, W, C] reflected at its lower and right edge, to sizes that a generator takes."""
    missing = [max(LEAST, -(-size // MULTIPLE) * MULTIPLE) - size for size in images.shape[1:3]]
    return np.pad(images, ((0, 0), *((0, more) for more in missing), (0, 0)), mode='reflect')
