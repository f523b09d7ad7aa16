"""A person's mistake: exit code 2, one line that says what is wrong and what is right, nothing written.

Here with configs and workdirs; arguments are in test_arguments, fields and data in test_bad_fields and
test_bad_data.
"""

import json
import shutil
import subprocess
import sys
from functools import partial

import pytest

from commands import train
from gan_jax import checkpoint, sample
from helpers import ROOT, flags
from test_arguments import EACH_ARGUMENT
from test_bad_data import FAULTS
from test_bad_fields import BAD, IN_A_FILE, MISFITS

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


@pytest.mark.parametrize('case', CONFIG_FILES)
def test_a_config_file_that_does_not_run(refused, tmp_path, case):
    source, expected = CONFIG_FILES[case]
    path = tmp_path / f'{case}.py'
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    takes = 'takes a Python file with get_config() -> ConfigDict'
    refused(train, [f'--config={path}', '--workdir=new'], f'--config: {str(path)!r} {expected}', takes)


@pytest.mark.parametrize('path', ['', 'missing.py', '.', 'x' * 300, '/dev/null'])
def test_a_config_file_that_is_none(refused, path):
    refused(
        train, [f'--config={path}', '--workdir=new'], f'--config: {path!r} is not a file; takes a Python file'
    )


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


@pytest.mark.parametrize('main', [sample.main, train])
def test_checkpoints_that_are_all_damaged(refused, workdir, main):
    shutil.rmtree(workdir / 'checkpoints/0/state')
    arguments = ['--workdir=run', *(flags('gan') if main is train else [])]
    refused(main, arguments, '--workdir: no checkpoint in ', 'is whole, that of step 0 as state/')


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


@pytest.mark.parametrize(
    'arguments',
    [['train.py'], *(['-m', f'gan_jax.{verb}'] for verb in ('sample', 'checkpoint', 'seeds'))],
)
def test_help(arguments):
    ended = command(*arguments, '--help')
    assert ended.returncode == 0
    assert ended.stderr == ''
    assert '--workdir' in ended.stdout


def test_there_are_sixty_cases_and_more():
    arguments = {(verb, *arguments) for verb, arguments, _ in EACH_ARGUMENT}
    fields = {(name, text) for name, text, _ in [*BAD, *MISFITS]}
    assert min(map(len, (arguments, fields, FAULTS))) > 40
    assert len(arguments | fields) + len(FAULTS) + len({**IN_A_FILE, **CONFIG_FILES, **CONFIG_JSON}) > 250
