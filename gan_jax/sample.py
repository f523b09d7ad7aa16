"""Pictures from a generator: python -m gan_jax.sample --workdir=runs/a --out=grid.png --num=64 --seed=0

Or of your own, translated: python -m gan_jax.sample --workdir=runs/b --images=DIR --direction=a2b --out=DIR
"""

import io
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import cli, latents, provenance, video
from gan_jax.base import UserError
from gan_jax.compilation import keep_on_disk
from gan_jax.fields import number
from gan_jax.gallery import are_points, draw, num_shown
from gan_jax.nearest import beside_nearest
from gan_jax.pictures import save_png, to_uint8, write_atomically
from gan_jax.trained import CHECKPOINTS, Trained, open_run, sample_in_chunks, which_checkpoint
from gan_jax.translate import add_images, check_translation, translate_files

OUT = 'a name that ends in .png, .npz, .mp4 or .gif'
WAYS = ('interpolate', 'grid', 'video', 'neighbours')  # of which one picture shows one
MOST_SHOWN = {'video': 4096, 'neighbours': 4096}  # as frames and training pictures multiply them
FPS = 25  # which a GIF can keep
MOST_FPS_OF_GIF = 50  # browsers take a frame of one hundredth of a second for one of ten


def main(arguments: list[str]) -> None:
    """Reads the command line, makes the pictures and writes them."""
    options, said = parse(arguments), None
    if options.like:
        provenance.check_alone(options.given)
        said = provenance.read_facts(options.like)
        options = parse([*arguments, *said['arguments'].split()])
    run, out = open_run(options.workdir, options.checkpoint), Path(options.out)
    if said:
        provenance.check_same(run, said, options.like)
    if run.config.compilation_cache:
        keep_on_disk()
    player = run.generator(options.no_ema)
    inputs = jax.eval_shape(partial(run.gan.sample_inputs, jax.random.key(0), 1), run.batch)
    check_images(options, takes_pictures=isinstance(inputs, dict))
    if options.images:
        options.seed = None
        facts, channels = provenance.facts_of(run, options), run.config.data.channels
        translate_files(run.gan, player, options.direction, Path(options.images), out, channels, facts)
        return
    options.direction = None
    shown = jax.eval_shape(run.gan.sample, *player, inputs, run.state.images_seen)
    options.num = options.num or usual_number(options, shown)
    z = latents_of(options, run)
    facts = provenance.facts_of(run, options)
    if options.video:
        comment = ' '.join(f'{name}={value};' for name, value in facts.items())
        video.save_video(out, frames_of(run, player, z), options.fps, comment)
    else:
        columns = sample_in_chunks(run.gan, player, z.reshape(-1, z.shape[-1]), run.state.images_seen)
        if options.neighbours:
            columns, found = beside_nearest(columns, run.config.data, options.neighbours)
            print(found)
        if out.suffix == '.npz':
            write_atomically(out, as_npz(z, columns, facts))
        else:
            save_png(out, draw(columns, run.config.data, options.interpolate or options.grid), facts)
    print(out)


def usual_number(options, shown: dict) -> int | None:
    """How many are shown where nobody says: examples, or rows of an interpolation; None of a grid."""
    if options.grid:
        return None
    if options.interpolate:
        return 8
    if are_points(shown):
        return num_shown(shown)
    if options.video:  # as large a picture as a screen's, and one at least
        pixels = sum(column.shape[1] * column.shape[2] for column in shown.values())
        return max(1, min(16, 2**20 // pixels))
    return 16 if options.neighbours else num_shown(shown)


def latents_of(options, run: Trained) -> jax.Array:
    """The z of a picture, [N, D]; of an interpolation or a grid [rows, columns, D]; of a video [F, N, D]."""
    draw_z = lambda n: run.gan.sample_inputs(jax.random.key(options.seed), n, run.batch)
    psi = 1.0 if options.truncation is None else options.truncation
    if options.truncation is not None:
        check_truncation(options, run, draw_z(1))
    if options.interpolate:
        return latents.rows(latents.truncated(draw_z(2 * options.num), psi), options.interpolate)
    if options.grid:
        return latents.plane(latents.truncated(draw_z(4), psi), options.grid)
    if options.video:
        return latents.circles(latents.truncated(draw_z(2 * options.num), psi), options.video)
    return latents.truncated(draw_z(options.num), psi)


def check_truncation(options, run: Trained, z: jax.Array) -> None:
    """Raises UserError where a generator looks at the direction of z alone, as one with a pixel norm does."""
    make = lambda z: next(iter(run.gan.sample(*run.generator(), z, run.state.images_seen).values()))
    if jnp.allclose(make(z), make(z / 2), atol=1e-4):
        raise UserError(
            f'--truncation: {options.truncation} will not do, as the length of z makes no difference to this '
            'generator; takes none'
        )


def frames_of(run: Trained, player, z: jax.Array) -> Iterator[np.ndarray]:
    """A picture, uint8 [H, W, C], of each frame's z [N, D], one after another."""
    sample = jax.jit(run.gan.sample)
    for frame in z:
        yield draw(jax.device_get(sample(*player, frame, run.state.images_seen)), run.config.data)


def as_npz(z, columns: dict, facts: dict[str, str]) -> bytes:
    """`inputs` (z), the columns as uint8 or, of points, as floats, and each fact as text."""
    stored = columns if are_points(columns) else jax.tree.map(to_uint8, columns)
    arrays: dict[str, Any] = {'inputs': np.asarray(z).reshape(-1, z.shape[-1]), **stored, **facts}
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    add, whole, path = parser.add_argument, cli.whole_number, cli.path
    add('--workdir', type=path('the folder of a run'), required=True, help='of the run')
    add(
        '--out',
        type=path(OUT),
        help='.png: one picture, samples.png by default; .npz: uint8 images, or points, and their z; '
        '.mp4 or .gif: with --video',
    )
    add(
        '--num',
        type=whole(1, 10**6),
        help='images, 64 by default, or points, 2500; rows with --interpolate, 8; at most 16 by default '
        'where they move or have neighbours',
    )
    add('--seed', type=whole(0), default=0, help='where z comes from')
    add('--checkpoint', type=which_checkpoint, help=CHECKPOINTS)
    add(
        '--truncation',
        type=cli.value_of(number(least=0, most=2)),
        help='z times this: below 1 nearer to its mean, pictures more typical and less varied',
    )
    add('--interpolate', type=whole(2, 1000), help='pictures a row, from one z to another over the sphere')
    add('--grid', type=whole(2, 100), help='pictures a side of a square between four z, over the sphere')
    add(
        '--video',
        type=whole(2, 100_000),
        help='frames of a loop, in which each z goes round a great circle of the sphere once',
    )
    add('--fps', type=whole(1, 100), help=f'frames of a video a second, {FPS} by default')
    add(
        '--neighbours',
        type=whole(1, 100),
        help='training pictures beside each, those whose pixels are nearest: does it copy?',
    )
    add('--no_ema', action='store_true', help='the weights as they are, not their average')
    add('--like', type=path('a PNG that sample has made'), help='that is made again, into --out')
    add_images(parser)
    options = parser.parse_args(arguments)
    if options.images:
        check_translation(options)
        return options
    check_ways(options)
    options.out = options.out or 'samples.png'
    out = Path(options.out)
    wanted = video.SUFFIXES if options.video else ('.png',) if options.like else ('.png', '.npz')
    if out.suffix not in wanted:
        with_it = ' with --video' if options.video else ''
        raise UserError(
            f'--out: {options.out!r} will not do{with_it}; takes a name that ends in {" or ".join(wanted)}'
        )
    if out.suffix == '.gif' and options.fps > MOST_FPS_OF_GIF:
        raise UserError(
            f'--fps: {options.fps} will not do with a GIF, which browsers would slow down; takes at most '
            f'{MOST_FPS_OF_GIF}'
        )
    cli.check_place('--out', options.out)
    return options


def check_ways(options) -> None:
    """Raises UserError where two things are asked for that no picture is at once; fills in `fps`."""
    given = [name for name in WAYS if getattr(options, name)]
    if len(given) > 1:
        raise UserError(
            f'--{given[1]}: {getattr(options, given[1])} will not do with --{given[0]}; takes none'
        )
    if options.grid and options.num:
        raise UserError(f'--num: {options.num} will not do with --grid, which is one square; takes none')
    if options.fps and not options.video:
        raise UserError(f'--fps: {options.fps} will not do without --video; takes none')
    for name, most in MOST_SHOWN.items():
        if getattr(options, name) and (options.num or 0) > most:
            raise UserError(f'--num: {options.num} will not do with --{name}; takes at most {most}')
    options.fps = options.fps or (FPS if options.video else None)


def check_images(options, takes_pictures: bool) -> None:
    """Raises UserError where a run that translates got no pictures, or another one did."""
    if options.images and not takes_pictures:
        raise UserError(f'--images: {options.images!r} will not do, as this run draws from z; takes none')
    if 'direction' in options.given and not options.images:
        raise UserError(f'--direction: {options.direction!r} will not do without --images; takes none')
    if takes_pictures and not options.images:
        raise UserError('--images: missing, as this run translates; takes a picture or a folder with some')


if __name__ == '__main__':
    sys.exit(cli.run(main))
