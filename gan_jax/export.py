"""A generator taken elsewhere: python -m gan_jax.export --workdir=runs/a --out=g.stablehlo --verify

Its averaged weights and its arithmetic in one file, for any number of examples: as StableHLO, which JAX alone
runs on CPUs, GPUs and TPUs, or as ONNX. docs/export.md has the programs that run either.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from gan_jax import cli, onnx
from gan_jax.base import TrainingFailed, UserError
from gan_jax.compilation import keep_on_disk
from gan_jax.convolution import plain_convolutions
from gan_jax.gallery import are_points
from gan_jax.gans import load_system
from gan_jax.pictures import write_atomically
from gan_jax.trained import CHECKPOINTS, Trained, open_run, which_checkpoint
from gan_jax.translate import LEAST, MULTIPLE

OUT = 'a name that ends in .stablehlo or .onnx'
PLATFORMS = ('cpu', 'cuda', 'tpu')  # that one file serves
BATCH_SIZES = (1, 7, 64)  # that --verify tries
TOLERANCE = 1e-5  # of what --verify finds, for outputs of about 1
DISTRIBUTIONS = {  # of each number of z, by their names in gan_jax/latents.py
    'normal': 'normal, mean 0, variance 1',
    'uniform': 'uniform from -1.7320508 to 1.7320508',
    'inverse_transform': 'normal, mean 0, variance 1',
}


class Generator(NamedTuple):
    """A function to take elsewhere, its weights in it."""

    function: Callable  # inputs [N, …] -> images [N, H, W, C] or points [N, 2], all float32
    draw: Callable  # n -> inputs to try it with
    shape: tuple[int, ...]  # of an input
    is_translation: bool  # of pictures, of any size
    about: dict[str, Any]  # what a person who gets the file has to know


def main(arguments: list[str]) -> None:
    """Reads the command line and writes the file."""
    options = parse(arguments)
    out = Path(options.out)
    run = open_run(options.workdir, options.checkpoint)
    if run.config.compilation_cache:
        keep_on_disk()
    # Else a GPU would round each factor to ten bits, a TPU to seven, and no two platforms would agree.
    with jax.default_matmul_precision('highest'):
        generator = generator_of(run, options.no_ema, options.direction, 'direction' in options.given)
        write, load = FORMATS[out.suffix]
        data = write(generator)
        if options.verify:
            verify(generator, load(data))
    if out.suffix != onnx.SUFFIX:  # in which it stands
        about = json.dumps(generator.about, indent=2, ensure_ascii=False) + '\n'
        write_atomically(f'{out}.json', about.encode())
    write_atomically(out, data)
    print(out)


def parse(arguments: list[str]):
    """The command line; raises UserError."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--workdir', type=cli.path('the folder of a run'), required=True, help='of the run')
    parser.add_argument('--out', type=cli.path(OUT), required=True, help=OUT)
    parser.add_argument('--checkpoint', type=which_checkpoint, help=CHECKPOINTS)
    parser.add_argument('--no_ema', action='store_true', help='the weights as they are, not their average')
    parser.add_argument(
        '--direction', choices=('a2b', 'b2a'), default='a2b', help='of a run that translates, a2b by default'
    )
    parser.add_argument(
        '--verify', action='store_true', help='run what was made, and compare; exits with 1 where it differs'
    )
    options = parser.parse_args(arguments)
    options.given = vars(options).get('given', {})
    out = Path(options.out)
    if out.suffix not in FORMATS:
        raise UserError(f'--out: {options.out!r} will not do; takes {OUT}')
    cli.check_place('--out', options.out)
    return options


def generator_of(run: Trained, no_ema: bool, direction: str, is_given: bool) -> Generator:
    """The run's generator as a function of z, or of pictures; computes in float32 whatever the run does.

    Args:
        run: at a checkpoint.
        no_ema: the weights as they are, not their average.
        direction: 'a2b' or 'b2a', of a run that translates.
        is_given: whether the person chose it; raises UserError where it means nothing.
    """
    config: Any = run.config.copy_and_resolve_references()
    config.dtype = 'float32'  # which every runtime has, and which the weights are
    gan = load_system(config.system).make(config, run.stage, axis_name=None)
    player, images_seen = jax.device_get((run.generator(no_ema), run.state.images_seen))
    inputs = jax.eval_shape(partial(gan.sample_inputs, jax.random.key(0), 1), run.batch)
    is_translation = isinstance(inputs, dict)
    if is_given and not is_translation:
        raise UserError(f'--direction: {direction!r} will not do, as this run draws from z; takes none')
    if is_translation:
        domain, target = direction.split('2')
        shape = inputs[domain].shape[1:]
        column = f'{domain}_to_{target}'
        function = lambda images: gan.sample(*player, {domain: images}, images_seen)[column]
        draw = lambda n: jax.random.uniform(jax.random.key(0), (n, *shape), minval=-1, maxval=1)
        sizes = [f'multiples of {MULTIPLE} from {LEAST}'] * 2
        source = {
            'input': f'pictures of domain {domain}, from -1 to 1',
            'input_shape': ['n', *sizes, shape[-1]],
        }
    else:
        shape = inputs.shape[1:]
        (column,) = jax.eval_shape(gan.sample, *player, inputs, images_seen)
        function = lambda z: gan.sample(*player, z, images_seen)[column]
        draw = lambda n: gan.sample_inputs(jax.random.key(0), n, run.batch)
        source = {'input': f'z, each number {DISTRIBUTIONS[config.gan.latent]}', 'input_shape': ['n', *shape]}
    made = jax.eval_shape(function, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    are_images = not are_points({column: made})
    about = {
        'system': config.system,
        'data': config.data.name,
        'step': run.step,
        'images_seen': int(images_seen),
        'state_sha256': run.sha256,
        'averaged': run.is_averaged(no_ema),
        **source,
        'output': 'images, -1 black to 1 white; clip what lies outside' if are_images else 'points',
        'output_shape': source['input_shape'] if is_translation else ['n', *made.shape[1:]],
        'dtype': 'float32',
    }
    return Generator(function, draw, shape, is_translation, about)


def to_stablehlo(generator: Generator) -> bytes:
    """What `jax.export.deserialize` takes, for any number of examples, on any of `PLATFORMS`.

    The same generator gives the same bytes. Pictures to translate may be of any size that the network takes.
    """
    rest = ', '.join(map(str, generator.shape))
    constraints = []
    if generator.is_translation:
        rest = f'{MULTIPLE}*h, {MULTIPLE}*w, {generator.shape[-1]}'
        constraints = [f'{side} >= {LEAST // MULTIPLE}' for side in 'hw']
    shape = export.symbolic_shape(f'n, {rest}', constraints=constraints)

    def generate(inputs):
        return generator.function(inputs)

    # Where in which source files each operation comes from is nobody's business elsewhere.
    setting = 'jax_traceback_in_locations_limit'
    frames = getattr(jax.config, setting)
    jax.config.update(setting, 0)
    try:
        with plain_convolutions():  # the forms for this machine's CPU would be wrong for a GPU
            exported = export.export(jax.jit(generate), platforms=PLATFORMS)(
                jax.ShapeDtypeStruct(shape, jnp.float32)
            )
    finally:
        jax.config.update(setting, frames)
    return bytes(exported.serialize())


def load_stablehlo(data: bytes) -> Callable:
    """The function that is in it: inputs [N, …] -> outputs."""
    return jax.jit(export.deserialize(bytearray(data)).call)


def verify(generator: Generator, function: Callable) -> None:
    """Prints by how much the function's outputs differ from the generator's own; raises TrainingFailed."""
    live, differs = jax.jit(generator.function), False
    for n in BATCH_SIZES:
        inputs = np.asarray(generator.draw(n))
        expected = np.asarray(live(inputs))
        difference = float(np.max(np.abs(np.asarray(function(inputs)) - expected)))
        print(f'batch of {n}: largest difference {difference:.1e}')
        # Not above, so that NaN is a difference.
        differs |= not difference <= TOLERANCE * max(1.0, float(np.max(np.abs(expected))))
    if differs:
        raise TrainingFailed(f'--verify: the outputs differ by more than {TOLERANCE:g}; nothing was written')


FORMATS = {  # by the suffix of a file: how it is made of a generator, and how it is run
    '.stablehlo': (to_stablehlo, load_stablehlo),
    onnx.SUFFIX: (
        lambda generator: onnx.to_onnx(generator.function, generator.shape, generator.about),
        onnx.load_onnx,
    ),
}

if __name__ == '__main__':
    sys.exit(cli.run(main))
