"""A run's config: read from a file, changed from the command line, checked field by field, kept."""

import difflib
import json
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from gan_jax import evaluation, fields, processes, watchdogs
from gan_jax.base import UserError
from gan_jax.cli import check_writable
from gan_jax.gans import load_system

# The fields of every config; each system adds its own in gan_jax/gans.
FIELDS = {
    'system': fields.text('the name of a file in gan_jax/gans'),
    'seed': fields.whole(least=0),
    'batch_size': fields.whole(least=1),
    'num_steps': fields.whole(least=1),
    'steps_per_dispatch': fields.whole(least=1),
    'dtype': fields.one_of(('float32', 'bfloat16')),
    'data.name': fields.text('the name of a TFDS data set'),
    'data.data_dir': fields.text('a folder', accepts=lambda value: True),
    'data.split': fields.text('a split, such as train or train[:10%]'),
    'data.resolution': fields.whole(least=4, most=1024),
    'data.channels': fields.one_of((1, 3)),
    'data.fit': fields.one_of(('crop', 'pad')),
    'data.flip': fields.flag(),
    'data.placement': fields.one_of(('auto', 'device', 'host')),
    'compilation_cache': fields.flag(),
    'deterministic': fields.flag(),
    'ema_half_life_kimg': fields.number(least=0),
    'on_nonfinite': fields.one_of(('stop', 'skip')),
    'log_every_steps': fields.whole(least=1),
    'sample_every_steps': fields.whole(least=1),
    'checkpoint_every_steps': fields.whole(least=1),
    'keep_checkpoints': fields.whole(least=1),
    **evaluation.FIELDS,
    **watchdogs.FIELDS,
    **processes.FIELDS,
}

# What may differ when a run goes on: how long it lasts, what it writes and where its data lies.
FREE = (
    'num_steps',
    'log_every_steps',
    'sample_every_steps',
    'checkpoint_every_steps',
    'keep_checkpoints',
    'compilation_cache',
    'data.data_dir',
    'data.placement',
    *evaluation.FIELDS,
    *watchdogs.FIELDS,
    *processes.FIELDS,
)
MOST_BYTES = 2**20  # of a config.json; larger ones are not read
# Those that come along: inside an installed package, or beside it in a clone.
CONFIGS = next(folder for path in Path(__file__).parents[:2] if (folder := path / 'configs').is_dir())


def load_config(path: str, overrides: dict[str, str]) -> ConfigDict:
    """The config of a file, with fields from the command line in place of the file's.

    Args:
        path: a Python file with `get_config() -> ConfigDict`; else the name of one of `CONFIGS`.
        overrides: field, without the leading "config.", -> text.

    Raises:
        UserError: no such file, a file that does not run, a field that is unknown, missing or out of range.
    """
    values = _flatten(_run_config_file(path))
    known = known_fields(values.get('system', ''))
    for name, text in overrides.items():
        if name not in known:
            raise UserError(_no_such_field(name, text, known))
        if name == 'system' and text != values['system']:
            raise UserError(f'--config.system: {text!r} will not do; {path!r} takes {values["system"]!r}')
        values[name] = _take(name, known[name].parse, text)
    return _checked(values, path)


def read_config(workdir: Path) -> ConfigDict:
    """The config that made a workdir; raises UserError where there is none."""
    path = workdir / 'config.json'
    if not os.path.isfile(path):
        raise UserError(f'--workdir: {str(workdir)!r} has no config.json; takes the folder of a run')
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f'it has more than {MOST_BYTES} bytes')
        return _checked(_flatten(json.loads(path.read_bytes())), path.name)
    except (OSError, ValueError, RecursionError, UserError) as error:
        raise UserError(f'--workdir: {str(path)!r} is not the config of a run: {error}') from None


def to_json(config: ConfigDict) -> str:
    """The config as it stands in a workdir."""
    return json.dumps(config.to_dict(), indent=2) + '\n'


def as_flags(config: ConfigDict) -> dict[str, Any]:
    """{'--config.data.name': …} of all fields."""
    return {f'--config.{name}': value for name, value in _flatten(config.to_dict()).items()}


def replaced(config: ConfigDict, values: dict[str, Any]) -> ConfigDict:
    """The config with other values, {'data.name': …}, of its fields; what they hold is not checked."""
    return _unflatten({**_flatten(config.to_dict()), **values}) if values else config


def check_workdir(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError where the run may not go on, or begin, in `workdir`; leaves nothing there."""
    folder = next(each for each in (workdir, *workdir.absolute().parents) if os.path.lexists(each))
    if not folder.is_dir():
        raise UserError(f'--workdir: {str(folder)!r} is a file; takes a folder')
    if (workdir / 'config.json').exists():
        made_by, asked = _flatten(read_config(workdir).to_dict()), _flatten(config.to_dict())
        changes = [
            f'--config.{name} (was {value!r}, now {asked[name]!r})'
            for name, value in made_by.items()
            if name in asked and name not in FREE and value != asked[name]
        ]
        if changes:
            raise UserError(f'--workdir: {str(workdir)!r} was made by another config: {", ".join(changes)}')
    elif any(workdir.glob('checkpoints/*')):  # the folder alone is what a kill at the start leaves
        raise UserError(f'--workdir: {str(workdir)!r} has checkpoints but no config.json; takes another')
    check_writable('--workdir', folder)


def _config_file(path: str) -> str:
    if os.path.isfile(path):
        return path
    files = {file.stem: str(file) for file in sorted(CONFIGS.glob('*.py'))}
    for name, file in files.items():
        if path in (name, f'configs/{name}.py'):
            return file
    nearest = difflib.get_close_matches(Path(path).stem, files)
    raise _bad_config_file(path, 'is not a file', f'; near are {", ".join(nearest)}' if nearest else '')


def _run_config_file(path: str) -> dict:
    file = _config_file(path)
    try:
        names = runpy.run_path(file)  # an import would keep bytecode, and read what an older file left
        config = names['get_config']() if 'get_config' in names else None
        values = config.to_dict() if isinstance(config, ConfigDict) else None
    except (Exception, SystemExit) as error:  # whatever a person's file raises, it is their file
        raise _bad_config_file(path, f'does not run: {type(error).__name__}: {error}') from None
    if 'get_config' not in names:
        raise _bad_config_file(path, 'has no get_config()')
    if values is None:
        raise _bad_config_file(path, f'returns {type(config).__name__}')
    return values


def _bad_config_file(path: str, what: str, nearest: str = '') -> UserError:
    takes = 'takes a Python file with get_config() -> ConfigDict, as configs/dcgan_fashion_mnist.py'
    return UserError(f'--config: {path!r} {what}; {takes}{nearest}')


def known_fields(system: str) -> dict[str, Any]:
    """Those of a system's config, {'data.name': Field, …}; raises UserError where there is no such system."""
    return {**FIELDS, **load_system(system).FIELDS}


def _checked(values: dict, source: str) -> ConfigDict:
    """The config of these values, {'data.name': …}, if it has every field of its system and each fits."""
    known = known_fields(values.get('system', ''))
    for name, value in values.items():
        if name not in known:
            raise UserError(_no_such_field(name, value, known))
    for name, field in known.items():
        if name not in values:
            raise UserError(f'--config.{name}: missing from {source}; takes {field.allowed}')
    config = _unflatten({name: _take(name, field.check, values[name]) for name, field in known.items()})
    processes.check(config.distributed)
    load_system(values['system']).check(config)
    return config


def _take(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        raise UserError(f'--config.{name}: {error}') from None


def _no_such_field(name: str, value: Any, known: dict) -> str:
    """Says what may have been meant: a field of the group, the one of that name elsewhere, the nearest."""
    group = [f'--config.{full}' for full in known if full.startswith(f'{name}.')]
    if group:
        return f'--config.{name}: {value!r} will not do, as it is a group of fields; takes {", ".join(group)}'
    leaf = name.rsplit('.', 1)[-1]
    near = [full for full in known if full.rsplit('.', 1)[-1] == leaf]
    near += difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f'--config.{name}: no such field; the nearest is --config.{near[0]}'


def _flatten(tree: dict, prefix: str = '') -> dict:
    """{'data': {'name': …}} to {'data.name': …}; raises ValueError on anything but a dict."""
    if not isinstance(tree, dict):
        raise ValueError(f'a {type(tree).__name__} instead of fields')
    flat = {}
    for name, value in tree.items():
        flat |= _flatten(value, f'{prefix}{name}.') if isinstance(value, dict) else {f'{prefix}{name}': value}
    return flat


def _unflatten(values: dict) -> ConfigDict:
    """{'data.name': …} to a config whose fields cannot be added to."""
    tree = {}
    for name, value in values.items():
        *parents, leaf = name.split('.')
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return ConfigDict(tree).lock()
