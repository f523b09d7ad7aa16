"""What a picture says of how it was made, so that it can be made again, bit for bit."""

import re

from gan_jax.base import UserError
from gan_jax.reading import open_picture
from gan_jax.trained import Trained

# Of the options of `sample`, those that a picture depends on beside the checkpoint.
KEPT = ('num', 'seed', 'truncation', 'interpolate', 'grid', 'neighbours', 'video', 'fps', 'direction')
ARGUMENTS = re.compile(r'--[a-z_]+(=[\w.+-]+)?( --[a-z_]+(=[\w.+-]+)?)*')
MOST_LETTERS = 1000


def facts_of(run: Trained, options) -> dict[str, str]:
    """A run's step and state, and the arguments that make the picture again: {keyword: text}."""
    chosen = [f'--{name}={getattr(options, name)}' for name in KEPT if getattr(options, name) is not None]
    of_z = {} if options.seed is None else {'seed': str(options.seed)}
    which = [f'--checkpoint={run.step}', *(['--no_ema'] if options.no_ema else [])]
    return {
        'step': str(run.step),
        **of_z,
        'averaged': str(run.is_averaged(options.no_ema)),
        'state_sha256': run.sha256,
        'arguments': ' '.join(which + chosen),
    }


def check_alone(given: dict) -> None:
    """Raises UserError where more is asked for than the picture that `--like` names."""
    for name in ('checkpoint', *KEPT):
        if name in given:
            raise UserError(f'--{name}: {given[name]!r} will not do with --like; takes none')


def read_facts(path: str) -> dict[str, str]:
    """What a PNG says by `facts_of`; raises UserError where it says nothing of the kind."""
    takes = 'takes a PNG that gan_jax.sample has made'
    if not path.endswith('.png'):
        raise UserError(f'--like: {path!r} will not do; {takes}')
    try:
        with open(path, 'rb') as file, open_picture(file) as picture:
            said = {name: str(picture.info[name])[:MOST_LETTERS] for name in ('state_sha256', 'arguments')}
    except KeyError:
        raise UserError(f'--like: {path!r} does not say how it was made; {takes}') from None
    except Exception as error:  # Pillow raises what its readers raise
        raise UserError(f'--like: {path!r} cannot be read ({error}); {takes}') from None
    if '--direction' in said['arguments']:
        raise UserError(f'--like: {path!r} is a translation; made again with --images and what it translates')
    if not ARGUMENTS.fullmatch(said['arguments']):
        raise UserError(f'--like: {path!r} has strange arguments, {said["arguments"]!r:.99}; {takes}')
    return said


def check_same(run: Trained, said: dict[str, str], path: str) -> None:
    """Raises UserError where a picture is of another state than the run's."""
    if said['state_sha256'] != run.sha256:
        raise UserError(
            f'--like: {path!r} is of the state {said["state_sha256"]:.12}…, and the checkpoint at step '
            f'{run.step} holds {run.sha256:.12}…; takes a picture of this run'
        )
