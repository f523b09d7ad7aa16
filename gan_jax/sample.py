"""Pictures from a generator: python -m gan_jax.sample --workdir=runs/a --out=grid.png --num=64 --seed=0

Or of your own, translated: python -m gan_jax.sample --workdir=runs/b --images=DIR --direction=a2b --out=DIR
"""

import io
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import cli
from gan_jax.base import UserError
from gan_jax.compilation import keep_on_disk
from gan_jax.gallery import are_points, draw, num_shown
from gan_jax.latents import spherical_interpolation
from gan_jax.pictures import save_png, to_uint8, write_atomically
from gan_jax.trained import CHECKPOINTS, open_run, sample_in_chunks, which_checkpoint
from gan_jax.translate import add_images, check_translation, translate_files

OUT = 'a name that ends in .png or .npz'
ROWS = 8  # of an interpolation, by default


def main(arguments: list[str]) -> None:
    """Reads the command line, makes the pictures and writes them."""
    options = parse(arguments)
    workdir, out = Path(options.workdir), Path(options.out)
    run = open_run(workdir, options.checkpoint)
    if run.config.compilation_cache:
        keep_on_disk()
    gan, player = run.gan, run.generator(options.no_ema)
    inputs = jax.eval_shape(partial(gan.sample_inputs, jax.random.key(0), 1), run.batch)
    check_images(options, takes_pictures=isinstance(inputs, dict))
    if options.images:
        translate_files(gan, player, options.direction, Path(options.images), out, run.config.data.channels)
        return
    shown = num_shown(jax.eval_shape(gan.sample, *player, inputs, run.state.images_seen))
    number = options.num or (ROWS if options.interpolate else shown)
    ends = 2 if options.interpolate else 1
    inputs = gan.sample_inputs(jax.random.key(options.seed), ends * number, run.batch)
    if options.interpolate:
        inputs = interpolated(inputs, options.interpolate)
    columns = sample_in_chunks(gan, player, inputs, run.state.images_seen)
    if out.suffix == '.npz':
        file = io.BytesIO()
        stored = columns if are_points(columns) else jax.tree.map(to_uint8, columns)
        arrays: dict[str, Any] = {'inputs': np.asarray(inputs), **stored}
        np.savez(file, **arrays)
        write_atomically(out, file.getvalue())
    else:
        picture = draw(columns, run.config.data, num_columns=options.interpolate or None)
        save_png(
            out,
            picture,
            {
                'step': str(run.step),
                'seed': str(options.seed),
                'averaged': str(run.is_averaged(options.no_ema)),
            },
        )
    print(out)


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    whole, path = cli.whole_number, cli.path
    parser.add_argument('--workdir', type=path('the folder of a run'), required=True, help='of the run')
    parser.add_argument(
        '--out',
        type=path(OUT),
        help='.png: one picture, samples.png by default; .npz: uint8 images, or points, and their z',
    )
    parser.add_argument(
        '--num',
        type=whole(1, 10**6),
        help='images, 64 by default, or points, 2500 by default; rows with --interpolate, 8 by default',
    )
    parser.add_argument('--seed', type=whole(0), default=0, help='where z comes from')
    parser.add_argument('--checkpoint', type=which_checkpoint, help=CHECKPOINTS)
    parser.add_argument(
        '--interpolate', type=whole(2, 1000), help='pictures a row, from one z to another over the sphere'
    )
    parser.add_argument('--no_ema', action='store_true', help='the weights as they are, not their average')
    add_images(parser)
    options = parser.parse_args(arguments)
    if options.images:
        check_translation(options)
        return options
    options.out = options.out or 'samples.png'
    out = Path(options.out)
    if out.suffix not in ('.png', '.npz'):
        raise UserError(f'--out: {options.out!r} will not do; takes {OUT}')
    if os.path.isdir(out) or not os.path.isdir(out.absolute().parent):
        raise UserError(f'--out: {options.out!r} will not do; takes a file in a folder that exists')
    cli.check_writable('--out', out.absolute().parent)
    return options


def check_images(options, takes_pictures: bool) -> None:
    """Raises UserError where a run that translates got no pictures, or another one did."""
    if options.images and not takes_pictures:
        raise UserError(f'--images: {options.images!r} will not do, as this run draws from z; takes none')
    if 'direction' in options.given and not options.images:
        raise UserError(f'--direction: {options.direction!r} will not do without --images; takes none')
    if takes_pictures and not options.images:
        raise UserError('--images: missing, as this run translates; takes a picture or a folder with some')


def interpolated(inputs: jax.Array, frames: int) -> jax.Array:
    """Pairs of z [2 R, D] to rows of `frames` points between the two of each: [R · frames, D]."""
    starts, ends = jnp.split(inputs, 2)
    rows = jax.vmap(spherical_interpolation, in_axes=(0, 0, None))(starts, ends, jnp.linspace(0, 1, frames))
    return rows.reshape(-1, inputs.shape[-1])


if __name__ == '__main__':
    sys.exit(cli.run(main))
