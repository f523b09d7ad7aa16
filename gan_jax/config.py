"""A run's config: read from a file, changed from the command line, checked field by field, kept in the workdir."""

import difflib
import importlib.util
import json
import os
from pathlib import Path

from ml_collections import ConfigDict

from gan_jax import fields
from gan_jax.base import UserError
from gan_jax.gans import load_system

FIELDS = {
    'system': fields.text('the name of a file in gan_jax/gans'),
    'seed': fields.whole(least=0),
    'batch_size': fields.whole(least=1),
    'num_steps': fields.whole(least=1),
    'steps_per_dispatch': fields.whole(least=1),
    'dtype': fields.one_of(('float32', 'bfloat16')),
    'data.name': fields.text('the name of a TFDS data set'),
    'data.data_dir': fields.text('a folder', lambda value: True),
    'data.split': fields.text('a split, such as train or train[:10%]'),
    'data.resolution': fields.whole(least=4, most=1024),
    'data.channels': fields.whole(least=1, most=3),
    'data.fit': fields.one_of(('crop', 'pad')),
    'data.flip': fields.flag(),
    'data.placement': fields.one_of(('auto', 'device', 'host')),
    'ema_half_life_kimg': fields.number(least=0),
    'log_every_steps': fields.whole(least=1),
    'sample_every_steps': fields.whole(least=1),
    'checkpoint_every_steps': fields.whole(least=1),
    'keep_checkpoints': fields.whole(least=1),
}

# What may differ when a run goes on: how long it lasts, what it writes and where its data lies.
FREE = (
    'num_steps',
    'log_every_steps',
    'sample_every_steps',
    'checkpoint_every_steps',
    'keep_checkpoints',
    'data.data_dir',
    'data.placement',
)


def load_config(path: str, overrides: dict[str, str]) -> ConfigDict:
    """The config of a file, with fields from the command line in place of the file's.

    Args:
        path: a Python file with `get_config() -> ConfigDict`.
        overrides: field, without the leading "config.", -> text.

    Raises:
        UserError: no such file, a file that does not run, a field that is unknown, missing or out of range.
    """
    config = _run_config_file(path)
    system = load_system(config.get('system', ''))
    known = {**FIELDS, **system.FIELDS}
    values = _flatten(config.to_dict())
    for name in [*overrides, *values]:
        if name not in known:
            raise UserError(f'--config.{name}: no such field{_nearest(name, known)}')
    for name, text in overrides.items():
        if name == 'system':
            raise UserError(f'--config.system: {path} is written for {config.system}; use a config of {text!r}')
        try:
            values[name] = known[name].parse(text)
        except ValueError:
            raise UserError(_refusal(name, text, known)) from None
    for name, field in known.items():
        if name not in values:
            raise UserError(f'--config={path}: the field {name} is missing; takes {field.allowed}')
        if not field.takes(values[name]):
            raise UserError(_refusal(name, values[name], known))
        values[name] = field.kind(values[name])
    config = unflatten(values)
    system.check(config)
    return config


def _run_config_file(path: str) -> ConfigDict:
    if not Path(path).is_file():
        raise UserError(f'--config: no such file {path!r}; takes a Python file such as configs/dcgan_fashion_mnist.py')
    spec = importlib.util.spec_from_file_location('gan_jax_config', path)
    if spec is None or spec.loader is None:
        raise UserError(f'--config: {path!r} is not a Python file')
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        config = module.get_config()
    except Exception as error:  # whatever a person's file raises, it is their file
        cause = ' '.join(str(error).split())
        raise UserError(f'--config: {path!r} does not run: {type(error).__name__}: {cause}') from None
    if not isinstance(config, ConfigDict):
        raise UserError(f'--config: get_config() of {path!r} returns {type(config).__name__}, not a ConfigDict')
    return config


def _nearest(name: str, known: dict) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        leaf = [full for full in known if full.rsplit('.', 1)[-1] == name.rsplit('.', 1)[-1]]
        near = leaf or difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f'; the nearest is --config.{near[0]}' if near else ''


def _refusal(name: str, value, known: dict) -> str:
    return f'--config.{name}: {value!r} will not do; takes {known[name].allowed}'


def _flatten(tree: dict, prefix: str = '') -> dict:
    flat = {}
    for name, value in tree.items():
        flat |= _flatten(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
    return flat


def unflatten(values: dict) -> ConfigDict:
    """{'data.name': …} to a config whose fields cannot be added to."""
    tree = {}
    for name, value in values.items():
        *parents, leaf = name.split('.')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return ConfigDict(tree).lock()


def to_json(config: ConfigDict) -> str:
    """The config as it stands in a workdir."""
    return json.dumps(config.to_dict(), indent=2) + '\n'


def read_config(workdir: Path) -> ConfigDict:
    """The config that made a workdir; raises UserError where there is none."""
    path = workdir / 'config.json'
    if not path.is_file():
        raise UserError(f'--workdir: {str(workdir)!r} holds no run: there is no config.json in it')
    try:
        config = unflatten(_flatten(json.loads(path.read_text())))
        load_system(config.system)
    except (ValueError, AttributeError, OSError) as error:
        raise UserError(f'--workdir: {str(path)!r} cannot be read: {" ".join(str(error).split())}') from None
    return config


def check_workdir(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError where the run may not go on, or begin, in `workdir`; writes nothing."""
    nearest_folder = next(folder for folder in (workdir, *workdir.absolute().parents) if folder.exists())
    if not nearest_folder.is_dir():
        raise UserError(f'--workdir: {str(nearest_folder)!r} is a file; takes a folder')
    if not _is_writable(nearest_folder):
        raise UserError(f'--workdir: {str(nearest_folder)!r} is not writable')
    if not (workdir / 'config.json').exists():
        if workdir.exists() and (workdir / 'checkpoints').exists():
            raise UserError(f'--workdir: {str(workdir)!r} holds checkpoints but no config.json')
        return
    made_by, asked = _flatten(read_config(workdir).to_dict()), _flatten(config.to_dict())
    different = [name for name in {**made_by, **asked} if name not in FREE and made_by.get(name) != asked.get(name)]
    if different:
        changes = ', '.join(f'{name} (was {made_by.get(name)!r}, now {asked.get(name)!r})' for name in different)
        raise UserError(f'--workdir: {str(workdir)!r} was made by another config: {changes}')


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)
