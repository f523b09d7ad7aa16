"""A person's mistake: exit code 2, one line that says what is wrong and what is right, nothing written."""

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers import ROOT, flags, make_gan, small_config

from gan_jax import checkpoint, cli, sample
from gan_jax.config import to_json
from gan_jax.data.source import EMBEDDED
from gan_jax.train_state import create_train_state

train = runpy.run_path(str(ROOT / 'train.py'))['main']
DCGAN = f'--config={ROOT}/configs/dcgan_fashion_mnist.py'


def tree(folder):
    """Every path below a folder with a hash of what it holds."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'not a file'
        for path in sorted(Path(folder).rglob('*'))
    }


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """`refused(main, arguments, *texts)`: runs a command that must fail by the contract and say the texts."""
    monkeypatch.chdir(tmp_path)

    def check(main, arguments, *texts):
        before = tree(tmp_path)
        capsys.readouterr()
        monkeypatch.setattr(sys, 'argv', ['command', *map(str, arguments)])
        assert cli.run(main) == 2
        out, err = capsys.readouterr()
        assert out == ''
        assert err.endswith('\n')
        assert err.count('\n') == 1, err
        for text in texts:
            assert text in err
        assert tree(tmp_path) == before

    return check


@pytest.fixture(scope='module')
def finished_run(tmp_path_factory):
    """A workdir with a checkpoint of an untrained GAN at step 0."""
    workdir, config = tmp_path_factory.mktemp('runs') / 'finished', small_config('gan')
    workdir.mkdir()
    (workdir / 'config.json').write_text(to_json(config))
    shape = (config.batch_size, config.data.resolution, config.data.resolution, config.data.channels)
    create = partial(create_train_state, gan=make_gan(config))
    state = jax.jit(create)(jax.random.key(0), {'image': np.zeros(shape, np.float32)})
    checkpoints = checkpoint.open_checkpoints(workdir, keep=1)
    checkpoint.save(checkpoints, state)
    checkpoints.close()
    return workdir


@pytest.fixture
def workdir(finished_run, tmp_path):
    """A copy of `finished_run` that a test may spoil."""
    return shutil.copytree(finished_run, tmp_path / 'run')


WHOLE, POSITIVE = 'takes a whole number from 1 to 2147483647', 'takes a finite number, above 0'
FIELDS = [
    # Each: a field, what a person gives it, what the line says beside them.
    ('num_steps', '0', WHOLE),
    ('num_steps', '-5', WHOLE),
    ('num_steps', '', WHOLE),
    ('num_steps', '1.5', WHOLE),
    ('num_steps', '1e3', WHOLE),
    ('num_steps', '0x10', WHOLE),
    ('num_steps', 'many', WHOLE),
    ('num_steps', '2147483648', WHOLE),
    ('batch_size', '0', WHOLE),
    ('batch_size', '-64', WHOLE),
    ('batch_size', 'None', WHOLE),
    ('steps_per_dispatch', '0', WHOLE),
    ('log_every_steps', '0', WHOLE),
    ('sample_every_steps', '0', WHOLE),
    ('checkpoint_every_steps', '0', WHOLE),
    ('keep_checkpoints', '0', WHOLE),
    ('seed', '-1', 'takes a whole number from 0 to 2147483647'),
    ('seed', '2147483648', 'takes a whole number from 0 to 2147483647'),
    ('optimizer.generator.learning_rate', 'nan', POSITIVE),
    ('optimizer.generator.learning_rate', 'inf', POSITIVE),
    ('optimizer.generator.learning_rate', '1e400', POSITIVE),
    ('optimizer.generator.learning_rate', '0', POSITIVE),
    ('optimizer.discriminator.learning_rate', '-1e-4', POSITIVE),
    ('optimizer.discriminator.learning_rate', '', POSITIVE),
    ('optimizer.discriminator.b1', '1', 'takes a finite number, at least 0 and below 1'),
    ('optimizer.discriminator.b2', 'nan', 'takes a finite number, at least 0 and below 1'),
    ('ema_half_life_kimg', '-1', 'takes a finite number, at least 0'),
    ('gan.regularizer_weight', 'nan', 'takes a finite number, at least 0'),
    ('gan.width', '0', 'takes a whole number from 1 to 65536'),
    ('gan.loss', 'nonsaturating', 'takes one of minimax, non_saturating, least_squares'),
    ('gan.regularizer', 'r3', 'takes one of none, r1, r2, drift, gradient_penalty'),
    ('gan.latent', 'gaussian', 'takes one of normal, uniform, inverse_transform'),
    ('gan.spectral_norm', '1', 'takes true or false'),
    ('gan', '5', 'takes --config.gan.latent_dim, '),
    ('optimizer.generator', 'adam', 'takes --config.optimizer.generator.learning_rate, '),
    ('on_nonfinite', 'ignore', 'takes one of stop, skip'),
    ('dtype', 'float16', 'takes one of float32, bfloat16'),
    ('system', 'gan', "takes 'dcgan'"),
    ('system', '../x', "takes 'dcgan'"),
    ('data.flip', 'maybe', 'takes true or false'),
    ('data.flip', '', 'takes true or false'),
    ('data.fit', 'stretch', 'takes one of crop, pad'),
    ('data.placement', 'gpu', 'takes one of auto, device, host'),
    ('data.name', '', 'takes the name of a TFDS data set'),
    ('data.name', '../fashion_mnist_10k', "takes 'name'"),
    ('data.name', 'no_such_set', 'is not prepared in'),
    ('data.data_dir', '/no/such/folder', 'takes a folder that exists'),
    ('data.split', 'validation', 'takes one of train, test'),
    ('data.split', 'train[:0]', 'takes one of train, test'),
    ('data.resolution', '0', 'takes a whole number from 4 to 1024'),
    ('data.resolution', '2048', 'takes a whole number from 4 to 1024'),
]
DATA = [
    # The same for values that only the data, the network or the devices turn down: the value unquoted.
    ('data.resolution', '30', 'DCGAN cannot make 30 pixels; 4, 5, 6 or 7 doubled: 8, 10, 12'),
    ('data.resolution', '24', "got 24, but 'fashion_mnist_10k' has pictures of 28×28 pixels"),
    ('data.channels', '2', 'takes one of 1, 3'),
    ('data.channels', '3', "got 3, but 'fashion_mnist_10k' has 1"),
    ('batch_size', '60', '60 will not do on 8 devices; takes a multiple of 8'),
    ('batch_size', '10048', '10048 is more than the data set holds; takes at most 10000'),
]


@pytest.mark.parametrize(('name', 'text', 'allowed'), FIELDS)
def test_a_field_that_does_not_fit(refused, name, text, allowed):
    refused(
        train, [DCGAN, f'--config.{name}={text}', '--workdir=new'], f'--config.{name}: ', repr(text), allowed
    )


@pytest.mark.parametrize(('name', 'text', 'allowed'), DATA)
def test_a_field_that_does_not_fit_another(refused, name, text, allowed):
    arguments = [DCGAN, f'--config.{name}={text}', '--workdir=new/run']
    refused(train, arguments, f'--config.{name}: ', text, allowed)


@pytest.mark.parametrize(
    ('name', 'nearest'),
    [
        ('num_step', 'num_steps'),
        ('batchsize', 'batch_size'),
        ('learning_rate', 'optimizer.discriminator.learning_rate'),
        ('optimizer.generator.lr', 'optimizer.generator.b'),
        ('data.loss', 'gan.loss'),
        ('batch_size.x', 'batch_size'),
        ('', ''),
    ],
)
def test_a_field_that_is_unknown(refused, name, nearest):
    expected = f'--config.{name}: no such field; the nearest is --config.{nearest}'
    refused(train, [DCGAN, f'--config.{name}=3', '--workdir=new'], expected)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['stray'], 'stray: no such argument; takes --help, --config, --workdir, --dry_run'),
        (['num_steps=5'], 'num_steps=5: no such argument; takes'),
        (['--confg=configs/x.py'], '--confg=configs/x.py: no such argument; the nearest is --config'),
        (['--work_dir', 'new'], '--work_dir: no such argument; the nearest is --workdir'),
        (['--dry-run'], '--dry-run: no such argument; the nearest is --dry_run'),
        (['--work=new'], '--work=new: no such argument; the nearest is --workdir'),  # flags in full only
        (['-x'], '-x: no such argument'),
        (['--', 'stray'], 'no such argument; takes --help'),
        (['--workdir'], '--workdir: expected one argument'),
        (['--workdir', '--config.seed=1'], '--workdir: expected one argument'),
        (['--workdir='], "--workdir: '' will not do; takes a folder"),
        (['--workdir=a', '--workdir=b'], "--workdir: given twice, 'a' and 'b'; takes one value"),
        (['--dry_run=xml'], "--dry_run: invalid choice: 'xml' (choose from "),
        (['--dry_run', 'xml'], "--dry_run: invalid choice: 'xml' (choose from "),
        (['--config.num_steps'], '--config.num_steps: a value is missing; takes --config.num_steps=<value>'),
        (['--config.num_steps', '--workdir=new'], '--config.num_steps: a value is missing'),
        (['--config.num_steps', '--dry_run', '5'], '--config.num_steps: a value is missing'),
        (['--config.num_steps', '-5'], "--config.num_steps: '-5' will not do; " + WHOLE),
        (['--config.num_steps', '5', '6'], '6: no such argument'),
        (
            ['--config.seed=1', '--config.seed', '2'],
            "--config.seed: given twice, '1' and '2'; takes one value",
        ),
    ],
)
def test_arguments(refused, arguments, expected):
    refused(train, [DCGAN, *arguments], expected)


GOOD = (ROOT / 'configs/dcgan_fashion_mnist.py').read_text()
CONFIG_FILES = {
    'syntax': ('def get_config(:', 'does not run: SyntaxError: '),
    'not_utf8': (b'x = "\xff"', 'does not run: SyntaxError: '),
    'a_null': (b'x = 1\0', 'does not run: '),
    'empty': ('', 'has no get_config()'),
    'an_argument': ('def get_config(x): pass', 'does not run: TypeError: get_config() missing 1 required'),
    'raising': ('def get_config(): raise OSError("two\\nlines")', 'does not run: OSError: two lines'),
    'exiting': ('import sys; sys.exit("bye")', 'does not run: SystemExit: bye'),
    'dict': ('def get_config(): return {"system": "dcgan"}', 'returns dict; takes '),
    'none': ('def get_config(): pass', 'returns NoneType; takes '),
    'not_a_function': ('get_config = 3', 'does not run: TypeError'),
    'placeholder': (
        GOOD.replace('3000,', '__import__("ml_collections").config_dict.required_placeholder(int),'),
        'does not run: RequiredValueError: ',
    ),
}
CONFIG_FIELDS = {
    'missing_field': (("'num_steps': 3000,", ''), '--config.num_steps: missing from ', WHOLE),
    'missing_system': (
        ("'system': 'dcgan',", ''),
        '--config.system: no such system ',
        'takes one of cyclegan, dcgan, gan',
    ),
    'strange_system': (
        ("'dcgan'", "'os'"),
        "--config.system: no such system 'os'",
        'takes one of cyclegan, dcgan, gan',
    ),
    'system_of_another_type': (
        ("'dcgan'", '5'),
        '--config.system: no such system 5',
        'takes one of cyclegan, dcgan, gan',
    ),
    'extra_field': (("'seed': 0,", "'seed': 0, 'sed': 1,"), '--config.sed: ', 'nearest is --config.seed'),
    'text_for_a_number': (('3000,', "'3000',"), "--config.num_steps: '3000' will not do", WHOLE),
    'real_for_a_whole_number': (('3000,', '2000.0,'), '--config.num_steps: 2000.0 will not do', WHOLE),
    'flag_for_a_number': (('3000,', 'True,'), '--config.num_steps: True will not do', WHOLE),
    'number_for_a_flag': (("'flip': False", "'flip': 0"), '--config.data.flip: 0 ', 'true or false'),
    'nothing': (("'seed': 0,", "'seed': None,"), '--config.seed: None will not do', 'a whole number from 0'),
    'list': (("'seed': 0,", "'seed': [1, 2],"), '--config.seed: ', 'a whole number from 0'),
    'nan': (('5.0,', "float('nan'),"), '--config.ema_half_life_kimg: nan will not do', 'at least 0'),
    'beyond_floats': (('5.0,', '10**400,'), '--config.ema_half_life_kimg: 1000', 'at least 0'),
    'number_for_a_group': (("'gan': {", "'gan': 3, 'other': {"), '--config.gan: 3 ', '--config.gan.width'),
    'group_for_a_number': (("'seed': 0,", "'seed': {'x': 0},"), '--config.seed.x: ', 'is --config.seed'),
}


@pytest.mark.parametrize('case', CONFIG_FILES)
def test_a_config_file_that_does_not_run(refused, tmp_path, case):
    source, expected = CONFIG_FILES[case]
    path = tmp_path / f'{case}.py'
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    takes = 'takes a Python file with get_config() -> ConfigDict'
    refused(train, [f'--config={path}', '--workdir=new'], f'--config: {str(path)!r} {expected}', takes)


@pytest.mark.parametrize('case', CONFIG_FIELDS)
def test_a_config_file_with_a_wrong_field(refused, tmp_path, case):
    (old, new), *expected = CONFIG_FIELDS[case]
    assert GOOD.count(old) == 1
    (tmp_path / 'config.py').write_text(GOOD.replace(old, new))
    refused(train, ['--config=config.py', '--workdir=new'], *expected)


@pytest.mark.parametrize('path', ['', 'missing.py', '.', 'x' * 300, '/dev/null'])
def test_a_config_file_that_is_none(refused, path):
    refused(
        train, [f'--config={path}', '--workdir=new'], f'--config: {path!r} is not a file; takes a Python file'
    )


def test_a_dry_run_turns_down_the_same_fields(refused):
    refused(train, [DCGAN, '--dry_run', '--config.batch_size=0'], "--config.batch_size: '0'", WHOLE)


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('resolution', '24', "'24' will not do; takes one of 4, 8, 16"),
        ('resolution', '64', '64 will not do with pictures of 32 pixels'),
        ('settle_kimg', '1,1,1', '3 values will not do for 2 levels'),
        ('settle_kimg', '0', "'0' will not do; takes a finite number, above 0"),
        ('settle_kimg', '1e308', "'1e308' will not do; takes a finite number, above 0 and at most"),
        ('batch_sizes', '16,6', '4 will not do with a batch of 6'),
    ],
)
def test_a_schedule_that_is_none_ends_the_command(refused, name, value, expected):
    growing = [*flags('progan'), '--workdir=new']
    given = [flag for flag in growing if f'.gan.{name}=' not in flag]
    refused(train, [*given, f'--config.gan.{name}={value}'], expected)
    refused(
        train, [DCGAN, '--dry_run=json', '--config.data.resolution=30'], '--config.data.resolution: ', '30'
    )


@pytest.mark.parametrize(
    ('damage', 'text'),
    [
        (lambda folder: (folder / 'dataset_info.json').write_text('{'), 'cannot be read'),
        (lambda folder: (folder / 'features.json').unlink(), 'cannot be read'),
        (lambda folder: next(folder.glob('*train*')).write_bytes(b'not a shard'), 'cannot be read'),
        (lambda folder: next(folder.glob('*train*')).unlink(), 'cannot be read'),
    ],
)
def test_a_damaged_data_set(refused, tmp_path, damage, text):
    folder = shutil.copytree(EMBEDDED / 'fashion_mnist_10k', tmp_path / 'data' / 'fashion_mnist_10k')
    damage(next(folder.glob('*.*.*')))
    arguments = [DCGAN, f'--config.data.data_dir={tmp_path}/data', '--workdir=new']
    refused(train, arguments, "--config.data.name: 'fashion_mnist_10k'", text)


def test_a_shard_damaged_in_the_middle(refused, tmp_path):
    folder = shutil.copytree(EMBEDDED / 'fashion_mnist_10k', tmp_path / 'data' / 'fashion_mnist_10k')
    shard = next(folder.glob('*.*.*/*train*'))
    data = bytearray(shard.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    shard.write_bytes(data)
    arguments = [DCGAN, f'--config.data.data_dir={tmp_path}/data', '--workdir=new']
    refused(train, arguments, "--config.data.name: 'fashion_mnist_10k'", 'cannot be read')


def test_a_workdir_made_by_another_config(refused, workdir):
    expected = ["--workdir: 'run' was made by another config: ", '--config.seed (was 0, now 3)']
    expected += ['--config.gan.loss (was ', '--config.optimizer.generator.momentum (was 0.5, now 0.25)']
    changes = {'seed': 3, 'gan__loss': 'hinge', 'optimizer__generator__momentum': 0.25}
    refused(train, [*flags('gan', **changes), '--workdir=run'], *expected)
    refused(train, [*flags('dcgan'), '--workdir=run'], "--config.system (was 'gan', now 'dcgan')")


def test_workdirs_that_cannot_be_written(refused, tmp_path):
    (tmp_path / 'file').write_text('mine')
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nowhere')
    for workdir, folder, what in [
        ('file', 'file', 'is a file; takes a folder'),
        ('file/run', f'{tmp_path}/file', 'is a file; takes a folder'),
        ('dangling', 'dangling', 'is a file; takes a folder'),
        # Root passes permission bits; even root makes no files here.
        ('/proc/x', '/proc', 'cannot be written to'),
        ('/proc/x/y', '/proc', 'cannot be written to'),
        ('x' * 300, 'x' * 300, 'will not do; takes a folder'),
    ]:
        refused(train, [*flags('gan'), f'--workdir={workdir}'], f'--workdir: {folder!r} {what}')


def test_a_workdir_that_has_lost_its_config(refused, workdir):
    (workdir / 'config.json').unlink()
    refused(train, [*flags('gan'), '--workdir=run'], "--workdir: 'run' has checkpoints but no config.json")


def changed(config, **fields):
    """The text of a config.json with fields of its top level replaced, or left out where None."""
    values = {**json.loads(config), **fields}
    return json.dumps({name: value for name, value in values.items() if value is not None})


CONFIG_JSON = {
    'cut_off': (lambda config: config[:-5], 'line '),
    'empty': (lambda config: '', 'Expecting value'),
    'list': (lambda config: '[1, 2]', 'a list instead of fields'),
    'deep': (lambda config: '[' * 100_000, 'recursion'),
    'bytes': (lambda config: b'\xff\xfe\xff', ''),
    'no_system': (partial(changed, system=None), 'takes one of cyclegan, dcgan, gan'),
    'system_above': (
        partial(changed, system='../x'),
        "no such system '../x'; takes one of cyclegan, dcgan, gan",
    ),
    'system_elsewhere': (
        partial(changed, system='os'),
        "no such system 'os'; takes one of cyclegan, dcgan, gan",
    ),
    'no_seed': (partial(changed, seed=None), '--config.seed: missing from config.json; takes a whole number'),
    'no_data': (partial(changed, data=None), '--config.data.name: missing from config.json'),
    'flat_group': (partial(changed, gan=1), '--config.gan: 1 will not do'),
    'extra': (partial(changed, sed=1), '--config.sed: no such field; the nearest is --config.seed'),
    'wrong': (partial(changed, batch_size='x'), "--config.batch_size: 'x' will not do; takes a whole number"),
    'infinite': (partial(changed, ema_half_life_kimg=float('inf')), '--config.ema_half_life_kimg: inf'),
}


@pytest.mark.parametrize('case', CONFIG_JSON)
def test_a_config_json_that_is_damaged(refused, workdir, case):
    damage, text = CONFIG_JSON[case]
    damaged = damage((workdir / 'config.json').read_text())
    (workdir / 'config.json').write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    refused(sample.main, ['--workdir=run'], "--workdir: 'run/config.json' is not the config of a run: ", text)
    refused(train, [*flags('gan'), '--workdir=run'], "--workdir: 'run/config.json' is not the config", text)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--out=grid.jpg'], "--out: 'grid.jpg' will not do; takes a name that ends in .png or .npz"),
        (['--out='], "--out: '' will not do; takes a name that ends in .png or .npz"),
        (['--out=no/grid.png'], "--out: 'no/grid.png' will not do; takes a file in a folder that exists"),
        (['--out=folder.png'], "--out: 'folder.png' will not do; takes a file in a folder that exists"),
        (['--out=/proc/grid.png'], "--out: '/proc' cannot be written to"),
        (['--num=0'], "--num: '0' will not do; takes a whole number from 1 to 1000000"),
        (['--num=99999999999'], "--num: '99999999999' will not do; takes a whole number from 1 to 1000000"),
        (['--seed=-1'], "--seed: '-1' will not do; takes a whole number from 0 to 2147483647"),
        (['--seed=4294967296'], "--seed: '4294967296' will not do"),
        (['--seed=0', '--seed=1'], '--seed: given twice, 0 and 1; takes one value'),
        (['--checkpoint=unknown'], "--checkpoint: 'unknown' will not do; takes a whole number from 0"),
        (['--checkpoint=7'], '--checkpoint: 7 is not there; takes one of 0'),
        (['--interpolate=1'], "--interpolate: '1' will not do; takes a whole number from 2 to 1000"),
        (['--nun=3'], '--nun=3: no such argument; the nearest is --num'),
        (['grid.png'], 'grid.png: no such argument'),
    ],
)
def test_arguments_of_sample(refused, workdir, tmp_path, arguments, expected):
    (tmp_path / 'folder.png').mkdir()
    refused(sample.main, ['--workdir=run', *arguments], expected)


@pytest.mark.parametrize('main', [sample.main, checkpoint.main])
def test_workdirs_that_hold_nothing_to_read(refused, workdir, main):
    refused(main, [], '--workdir')
    refused(main, ['--workdir='], "--workdir: '' will not do; takes the folder of a run")
    refused(main, ['--workdr=run'], '--workdr=run: no such argument; the nearest is --workdir')
    refused(main, ['--workdir=missing'], "--workdir: 'missing' ", 'takes the folder of a run')
    refused(main, ['--workdir=run/config.json'], "--workdir: 'run/config.json' ", 'takes the folder of a run')
    refused(main, ['--workdir=' + 'x' * 300], "--workdir: 'xxx", 'takes the folder of a run')
    shutil.rmtree(workdir / 'checkpoints' / '0')
    refused(main, ['--workdir=run'], "--workdir: 'run' has no checkpoint; takes the folder of a run")
    shutil.rmtree(workdir / 'checkpoints')
    refused(main, ['--workdir=run'], "--workdir: 'run' has no checkpoint; takes the folder of a run")


@pytest.mark.parametrize('main', [sample.main, checkpoint.main, train])
def test_a_checkpoint_that_is_damaged(refused, workdir, main):
    shutil.rmtree(workdir / 'checkpoints/0/default')
    arguments = ['--workdir=run', *(flags('gan') if main is train else [])]
    refused(main, arguments, "--workdir: the checkpoint '", "run/checkpoints/0' cannot be read (")


def command(*arguments, cwd=ROOT):
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['train.py', '--config.num_step=5'], '--config.num_step: no such field'),
        (['train.py', '--config.data.split=none', '--workdir=/proc/x'], "--config.data.split: got 'none'"),
        (['-m', 'gan_jax.sample', '--workdir=/no/run'], "--workdir: '/no/run' has no config.json"),
        (['-m', 'gan_jax.checkpoint', '--workdir=/no/run'], "--workdir: '/no/run' has no checkpoint"),
    ],
)
def test_nothing_else_is_on_stderr_of_a_process(arguments, expected):
    ended = command(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ''
    assert ended.stderr.count('\n') == 1, ended.stderr
    assert ended.stderr.startswith(expected)


@pytest.mark.parametrize('arguments', [['train.py'], ['-m', 'gan_jax.sample'], ['-m', 'gan_jax.checkpoint']])
def test_help(arguments):
    ended = command(*arguments, '--help')
    assert ended.returncode == 0
    assert ended.stderr == ''
    assert '--workdir' in ended.stdout


def test_a_regularizer_without_a_weight(refused):
    arguments = [*flags('gan', gan__regularizer='r1'), '--workdir=run']
    refused(
        train, arguments, '--config.gan.regularizer_weight: 0 will not do with r1; takes a number above 0'
    )
