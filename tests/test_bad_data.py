"""Whatever is wrong with a data set: one line that names it and says what to do, and no run begins.

What it must not do to whoever reads it is in test_safe_data.py.
"""

import ast
import inspect
import json
import os
import shutil
import traceback

import numpy as np
import pytest
import tensorflow_datasets as tfds
from ml_collections import ConfigDict

from commands import train
from gan_jax.base import UserError
from gan_jax.data import domains, source
from gan_jax.data.source import EMBEDDED, open_images
from helpers import flags
from tiny_data import encoded, prepare

PICTURE = np.zeros((8, 8, 1), np.uint8)
EMBEDDED_SET = {'name': 'fashion_mnist_10k', 'data_dir': '', 'split': 'train'}
EMBEDDED_SET |= {'resolution': 28, 'channels': 1, 'fit': 'crop'}
IMAGE = tfds.features.Image(shape=(None, None, 1))
NOISE = encoded(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8))
HALF = NOISE[: len(NOISE) // 2]


def copy(data_dir):
    """A copy of the embedded set that may be damaged: its folder."""
    return shutil.copytree(EMBEDDED / 'fashion_mnist_10k', data_dir / 'fashion_mnist_10k') / '1.0.0'


def remove(path):
    path.unlink()


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def corrupt(path):
    with path.open('r+b') as file:
        file.seek(path.stat().st_size // 3)
        file.write(bytes(3000))


def empty(path):
    path.write_bytes(b'')


def other(path):
    path.write_bytes(b'{"a": [')


def harmed(harm, pattern):
    """A maker of the embedded set with a file harmed."""
    return lambda data_dir: harm(next(copy(data_dir).glob(pattern)))


def tfrecord(data_dir):
    info = copy(data_dir) / 'dataset_info.json'
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))


def without_examples(data_dir):
    info = prepare(data_dir, [PICTURE] * 8) / 'dataset_info.json'
    values = json.loads(info.read_text())
    values['splits'][0]['shardLengths'] = ['0']
    info.write_text(json.dumps(values))


def configurations(data_dir):
    shutil.move(prepare(data_dir, [PICTURE] * 8), data_dir / 'pair' / 'a2b' / '1.0.0')


def deep(data_dir):
    features = {'image': tfds.features.Image(shape=(8, 8, 1), dtype=np.uint16)}
    prepare(data_dir, [{'image': encoded(PICTURE[..., 0].astype(np.uint16))}], features)


def of(*pictures, features=None):
    """A maker of a set of these pictures."""
    return lambda data_dir: prepare(data_dir, list(pictures), features)


def nothing(data_dir):
    pass


TINY = {'name': 'tiny', 'resolution': 8}
NO_SUCH = ('takes one of train, test, or a slice of it such as train[:10%]',)
UNREADABLE = ("'fashion_mnist_10k'", 'cannot be read, prepare it again')
FAULTS = {
    # What is wrong: how it comes to be, what the config says, the field that is named, and words of the line.
    **{
        f'folder {folder[:15]!r}': (nothing, {'data_dir': folder}, 'data_dir', [repr(folder), 'that exists'])
        for folder in ('nowhere', '~nobody_here/x', 'a' * 300, 'a/' * 3000, 'a\0b', '/dev/null')
    },
    'missing set': (
        lambda data_dir: None,
        {'name': 'mnist'},
        'name',
        ["'mnist' is not prepared", 'pip install tensorflow-cpu', 'then tfds build mnist --data_dir='],
    ),
    'wrong version': (copy, {'name': 'fashion_mnist_10k:2.0.0'}, 'name', ['is not prepared in']),
    'folder without a set': (
        lambda data_dir: (data_dir / 'mnist' / '3.0.1').mkdir(parents=True),
        {'name': 'mnist'},
        'name',
        ['mnist/3.0.1', 'cannot be read'],
    ),
    **{
        f'name {name[:15]!r}': (nothing, {'name': name}, 'name', [repr(name), "takes 'name'"])
        for name in ('a/b/c', '../mnist', 'mnist:new', 'a b', 'a' * 300, f'mnist/{"b" * 300}', 'a\0b')
    },
    'no configuration given': (configurations, {'name': 'pair'}, 'name', ["'pair'", 'takes', 'pair/a2b']),
    'wrong format': (
        tfrecord,
        {},
        'name',
        ['format tfrecord', 'tfds convert_format --dataset_version_dir=', '--out_file_format=array_record'],
    ),
    'no image': (
        of({'label': 1}, features={'label': tfds.features.Scalar(np.int64)}),
        TINY,
        'name',
        ["no feature 'image'", 'it has label'],
    ),
    'image of 16 bits': (deep, TINY, 'name', ["no feature 'image' of 8-bit pictures"]),
    **{
        f'{pattern} {harm.__name__}': (harmed(harm, pattern), {}, 'name', UNREADABLE)
        for pattern in ('*-train.*', 'dataset_info.json', 'features.json')
        for harm in (remove, truncate, corrupt)
    },
    **{
        f'{pattern} {harm.__name__}': (harmed(harm, pattern), {}, 'name', UNREADABLE)
        for pattern in ('dataset_info.json', 'features.json')
        for harm in (empty, other)
    },
    '*-train.* empty': (harmed(empty, '*-train.*'), {}, 'name', ['claims 10,000 examples in 0 bytes']),
    **{
        f'split {split!r}': (nothing, {'split': split}, 'split', [repr(split), *NO_SUCH])
        for split in ('valid', 'train[', 'train[:10001]', 'train[:0]', 'train[50%:20%]', 'train+x', ',')
    },
    'empty split': (without_examples, TINY, 'split', ["'train'"]),
    'too few pictures': (of(*[PICTURE] * 7), TINY, 'batch_size', ['8 is more than the data set holds']),
    'one picture of a domain': (
        of(PICTURE),
        {'system': 'cyclegan', 'name': 'tiny', 'split': 'train', 'resolution': 8},
        'split',
        ["'train', a single picture; takes two or more"],
    ),
    'wrong channels': (nothing, {'channels': 3}, 'channels', ['got 3', 'has 1']),
    'too large to pad': (
        nothing,
        {'resolution': 16, 'fit': 'pad'},
        'resolution',
        ['got 16', '28×28', "'pad' takes that or more"],
    ),
    'one that is too large to pad': (  # found only when it is decoded
        of(*[PICTURE] * 7, np.zeros((8, 20, 1), np.uint8), *[PICTURE] * 8),
        {**TINY, 'fit': 'pad'},
        'resolution',
        ['got 8', '20×8'],
    ),
    **{
        f'broken picture, {where}': (
            of(*[{'image': each} for each in pictures], features={'image': IMAGE}),
            TINY,
            'name',
            ["'tiny'", 'cannot be read'],
        )
        for where, pictures in {
            'the first': [HALF, *[NOISE] * 15],
            'in the middle': [*[NOISE] * 8, HALF, *[NOISE] * 8],
            'none at all': [*[NOISE] * 15, b'GIF8'],
            'no bytes': [*[NOISE] * 15, b''],
        }.items()
    },
}
OF_NO_CONFIG = {
    # Fields turn these down before any data is opened.
    'channels': (2, ['got 2', '1 or 3']),
    'fit': ('stretch', ["'stretch'", "'crop' or 'pad'"]),
    'resolution': (0, ['got 0', '1 or more']),
}


def made(fault, data_dir):
    """Makes the data with that fault: the fields that lead to them, those of a group `data`."""
    make, changes, *_ = FAULTS[fault]
    data_dir.mkdir()
    make(data_dir)
    where = {} if make is nothing else {'data_dir': str(data_dir)}
    return {**EMBEDDED_SET, **where, **changes}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_of_the_data(refused, tmp_path, fault):
    fields = made(fault, tmp_path / 'data')
    system = fields.pop('system', 'gan')
    overrides = {f'data__{name}': value for name, value in fields.items()}
    *_, field, words = FAULTS[fault]
    named = field if field == 'batch_size' else f'data.{field}'
    arguments = [*flags(system, batch_size=8, **overrides), '--workdir=new/run']
    refused(train, arguments, f'--config.{named}: ', *words)


@pytest.mark.parametrize('field', OF_NO_CONFIG)
def test_a_value_that_no_config_has(field):
    value, words = OF_NO_CONFIG[field]
    with pytest.raises(UserError, match=f'^--config.data.{field}: .*{words[0]}.*{words[1]}'):
        open_images(ConfigDict({**EMBEDDED_SET, field: value}))


def refusals(module):
    """The lines of a module at which it turns something down."""
    return {
        (module.__file__, node.lineno)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Raise)
    }


def test_every_line_that_turns_data_down_has_a_case(tmp_path):
    configs = [made(fault, tmp_path / str(number)) for number, fault in enumerate(FAULTS)]
    reached = set()
    for given in [*configs, *({**EMBEDDED_SET, field: value} for field, (value, _) in OF_NO_CONFIG.items())]:
        if given.pop('system', None) == 'cyclegan':
            given |= {'name': (given['name'],), 'split': (given['split'],), 'invert': (False,)}
        try:
            for images in domains.open_domains(ConfigDict(given)).values():
                images.all_images()
        except UserError as error:
            reached |= {(at.filename, at.lineno) for at in traceback.extract_tb(error.__traceback__)}
    assert refusals(source) | refusals(domains) <= reached
