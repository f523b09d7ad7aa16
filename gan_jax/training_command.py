"""The very command that trains on a data set that has just been made."""

import shlex
from pathlib import Path
from typing import Any

from gan_jax import cli
from gan_jax.base import UserError
from gan_jax.config import CONFIGS, load_config

LARGEST = 256  # pixels that are trained on unless a person says otherwise


def training_command(config: str, overrides: dict, num_examples: int) -> list[str]:
    """The arguments of `train`: those that a config of this name takes.

    Networks make pictures of some sizes alone, which the reader resizes to: the command has the largest that
    the config takes, up to that of the data set.

    Args:
        config: the name of a file in configs.
        overrides: field -> value; with `data.resolution`, that of the data set.
        num_examples: of the smallest split that is trained on.

    Returns:
        ['--config=…', …]
    """
    path = CONFIGS / f'{config}.py'
    given = {name: str(value) for name, value in overrides.items()}
    batch_size: Any = load_config(str(path), {}).batch_size
    if batch_size > num_examples:
        given['batch_size'] = str(2 ** (num_examples.bit_length() - 1))  # most numbers of devices divide it
    if 'data.resolution' in given:
        given |= fitting(path, given, overrides['data.resolution'])
    arguments = [f'--config=configs/{config}.py', f'--workdir=runs/{overrides["data.name"]}']
    return arguments + [f'--config.{name}={value}' for name, value in given.items()]


def fitting(path: Path, given: dict[str, str], resolution: int) -> dict[str, str]:
    """`data.resolution`, and what follows from it, of the nearest size that a config's networks make."""
    own = load_config(str(path), {}).to_dict()['data']
    smaller = range(min(resolution, LARGEST), 3, -1)
    for size in (*smaller, *range(min(resolution, LARGEST) + 1, LARGEST + 1)):
        fields = {'data.resolution': str(size)}
        if 'load_resolution' in own:  # as much larger as the config's own
            fields['data.load_resolution'] = str(round(size * own['load_resolution'] / own['resolution']))
        try:
            load_config(str(path), {**given, **fields})
        except UserError:
            continue
        return fields
    return {}


def shell_line(arguments: list[str]) -> str:
    """As a person may paste it, in the folder that they are in."""
    return f'{cli.command("train")} {shlex.join(arguments)}'
