"""Configs: each file is whole and explained, each field is read as its type, and a workdir keeps them."""

import ast
import json
import math
import re

import pytest
from ml_collections import ConfigDict

from gan_jax import config as configs
from gan_jax import fields
from gan_jax.base import UserError
from gan_jax.config import FREE, check_workdir, load_config, read_config, to_json
from gan_jax.gans import load_system
from helpers import ROOT, small_config

FILES = sorted((ROOT / 'configs').glob('*.py'))
DCGAN = ROOT / 'configs/dcgan_fashion_mnist.py'
# What needs no comment: its name and value say it, or a group's comment does.
EVIDENT = {
    *(
        'split',
        'channels',
        'maxout_pieces',
        'learning_rate',
        'min_learning_rate',
        'final_momentum',
        'b1',
        'b2',
    ),
    *('log_every_steps', 'sample_every_steps', 'checkpoint_every_steps'),
}


def leaves(config):
    return configs._flatten(config.to_dict())


def write(workdir, config):
    workdir.mkdir()
    (workdir / 'config.json').write_text(to_json(config))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
class TestEveryFile:
    def test_loads_with_the_fields_of_its_system_and_no_others(self, path):
        config = load_config(str(path), {})
        known = {**configs.FIELDS, **load_system(config.system).FIELDS}
        assert set(leaves(config)) == set(known)
        for name, value in leaves(config).items():
            assert type(value) is known[name].kind

    def test_says_its_command(self, path):
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert f'python train.py --config=configs/{path.name} --workdir=runs/{path.stem}' in docstring

    def test_explains_its_fields(self, path):
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse(path.read_text())):
            pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
            for key, value in pairs:
                is_group = isinstance(value, ast.Dict | ast.Call)
                if not is_group and key.value not in EVIDENT:
                    assert '  # ' in lines[value.end_lineno - 1], f'{key.value} has no comment'

    def test_survives_the_workdir(self, path, tmp_path):
        config = load_config(str(path), {})
        write(tmp_path / 'run', config)
        again = read_config(tmp_path / 'run')
        assert again == config
        assert to_json(again) == to_json(config)
        assert again.is_locked
        check_workdir(tmp_path / 'run', config)


@pytest.mark.parametrize(
    ('name', 'text', 'value'),
    [
        ('num_steps', '500', 500),
        ('num_steps', '20_000', 20_000),  # as the config files write it
        ('seed', '+0', 0),
        ('seed', ' 5', 5),
        ('seed', '2147483647', 2**31 - 1),
        ('optimizer.generator.learning_rate', '1e-3', 1e-3),
        ('optimizer.generator.learning_rate', '1', 1.0),
        ('ema_half_life_kimg', '0', 0.0),
        ('gan.spectral_norm', 'true', True),
        ('gan.spectral_norm', 'False', False),
        ('data.data_dir', '', ''),
        ('data.data_dir', '/my data=sets', '/my data=sets'),
        ('data.split', 'train[:10%]', 'train[:10%]'),
        ('dtype', 'bfloat16', 'bfloat16'),
        ('system', 'dcgan', 'dcgan'),
        ('data.channels', '3', 3),
    ],
)
def test_an_override_has_the_type_of_its_field(name, text, value):
    config = load_config(str(DCGAN), {name: text})
    changed = leaves(config)
    assert changed.pop(name) == value
    assert type(leaves(config)[name]) is type(value)
    unchanged = leaves(load_config(str(DCGAN), {}))
    del unchanged[name]
    assert changed == unchanged


def test_a_whole_number_in_a_file_will_do_for_a_real_one(tmp_path):
    (tmp_path / 'config.py').write_text(DCGAN.read_text().replace('5.0,', '5,'))
    value = load_config(str(tmp_path / 'config.py'), {}).ema_half_life_kimg
    assert value == 5
    assert type(value) is float


def test_an_override_mends_what_the_file_has_wrong(tmp_path):
    (tmp_path / 'config.py').write_text(DCGAN.read_text().replace('3000,', '0,'))
    assert load_config(str(tmp_path / 'config.py'), {'num_steps': '7'}).num_steps == 7


def test_a_file_is_read_anew_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / 'config.py'
    for steps in ('1111', '2222'):  # within a second and of one size, which bytecode would not notice
        path.write_text(DCGAN.read_text().replace('3000,', f'{steps},'))
        assert load_config(str(path), {}).num_steps == int(steps)
    assert list(tmp_path.iterdir()) == [path]


def test_a_config_takes_no_new_fields():
    config = load_config(str(DCGAN), {})
    with pytest.raises(AttributeError):
        config.gan.wdith = 3
    with pytest.raises(KeyError):
        config['num_step'] = 3


OTHER = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value / 2 + 0.1,
    tuple: lambda value: (*value, *value),
}


def changed(config, name):
    """The config with another value of one field."""
    values = leaves(config)
    values[name] = OTHER.get(type(values[name]), lambda value: value + 'x')(values[name])
    return configs._unflatten(values)


@pytest.mark.parametrize('system', ['gan', 'dcgan'])
def test_a_run_goes_on_with_its_own_config_and_the_free_fields_changed(tmp_path, system):
    config = small_config(system)
    write(tmp_path / 'run', config)
    before = sorted(tmp_path.rglob('*'))
    for name in leaves(config):
        if name in FREE:
            check_workdir(tmp_path / 'run', changed(config, name))
        else:
            with pytest.raises(
                UserError, match=rf'made by another config: --config\.{name} \(was .*, now .*\)$'
            ):
                check_workdir(tmp_path / 'run', changed(config, name))
    assert sorted(tmp_path.rglob('*')) == before


def test_the_free_fields_are_those_that_no_result_depends_on():
    assert set(FREE) < set(configs.FIELDS)
    assert set(FREE) == {
        *('num_steps', 'log_every_steps', 'sample_every_steps', 'checkpoint_every_steps', 'keep_checkpoints'),
        'compilation_cache',
        'evaluate_every_steps',
        *(f'evaluation.{name}' for name in ('metrics', 'network', 'weights', 'num_samples', 'split')),
        *('data.data_dir', 'data.placement'),
        *('distributed.coordinator', 'distributed.num_processes', 'distributed.process_id'),
        *('watchdogs.replicas', 'watchdogs.collapse_kimg', 'watchdogs.stalled_input_seconds'),
    }


def test_a_new_workdir_is_not_made_by_the_check(tmp_path):
    check_workdir(tmp_path / 'a' / 'b', small_config('gan'))
    (tmp_path / 'empty').mkdir()
    check_workdir(tmp_path / 'empty', small_config('gan'))
    assert [path.name for path in tmp_path.rglob('*')] == ['empty']


def test_config_json_has_the_groups_of_the_config(tmp_path):
    values = json.loads(to_json(small_config('dcgan')))
    assert values['data']['resolution'] == 16
    assert list(values) == list(load_config(str(DCGAN), {}))


def test_a_system_checks_its_config_in_a_workdir_too(tmp_path):
    values = leaves(small_config('dcgan'))
    write(tmp_path / 'run', configs._unflatten({**values, 'data.resolution': 30}))
    with pytest.raises(
        UserError, match=r'config\.json. is not the config of a run: --config\.data\.resolution'
    ):
        read_config(tmp_path / 'run')


@pytest.mark.parametrize(
    ('field', 'good', 'bad'),
    [
        (fields.whole(1, 3), [1, 3], [0, 4, 1.0, True, '1', None, [1]]),
        (fields.number(), [0, -1e18, 1.5], [math.nan, math.inf, -math.inf, 1.1e18, True, '1', 10**400]),
        (fields.number(least=0, below=1), [0, 0.999], [-1e-9, 1]),
        (fields.number(above=0, most=1), [1e-30, 1], [0, 1.0001]),
        (fields.flag(), [True, False], [0, 1, 'true', None]),
        (fields.one_of(('a', 'b')), ['a'], ['', 'c', 1, ['a'], None]),
        (fields.one_of((1, 3)), [1, 3], [2, '1', True, 1.0]),
        (fields.text('a word'), ['x'], ['', 1, None]),
        (fields.text('anything', lambda value: True), ['', 'x'], [None]),
    ],
)
def test_fields_take_what_they_say(field, good, bad):
    for value in good:
        assert field.check(value) == value
        assert type(field.check(value)) is field.kind
    for value in bad:
        with pytest.raises(ValueError, match=' will not do; takes ' + re.escape(field.allowed)):
            field.check(value)


def test_the_bounds_of_numbers_are_told():
    assert fields.whole(0).allowed == 'a whole number from 0 to 2147483647'
    assert fields.number().allowed == 'a finite number, at least -1e+18 and at most 1e+18'
    assert fields.number(least=0, below=1).allowed == 'a finite number, at least 0 and below 1'
    assert fields.number(above=0, most=1).allowed == 'a finite number, above 0 and at most 1'
    assert fields.one_of((1, 3)).allowed == 'one of 1, 3'


def test_any_config_dict_will_do(tmp_path):
    source = DCGAN.read_text().replace('return ConfigDict(', 'return FrozenConfigDict(')
    source = source.replace('import ConfigDict', 'import FrozenConfigDict')
    (tmp_path / 'config.py').write_text(source)
    config = load_config(str(tmp_path / 'config.py'), {'seed': '4'})
    assert isinstance(config, ConfigDict)
    assert config.seed == 4


@pytest.mark.parametrize('path', ['gan_fashion_mnist', 'configs/gan_fashion_mnist.py'])
def test_configs_that_come_along_are_found_by_name(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'gan_fashion_mnist').mkdir()  # a folder is no file
    assert load_config(path, {}) == load_config(str(ROOT / 'configs/gan_fashion_mnist.py'), {})


@pytest.mark.parametrize('path', ['gan_fashion_mnist', 'configs/gan_fashion_mnist.py'])
def test_a_file_that_is_there_comes_before_one_that_comes_along(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').mkdir()
    source = (ROOT / 'configs/gan_fashion_mnist.py').read_text()
    (tmp_path / path).write_text(source.replace("'seed': 0", "'seed': 9"))
    assert load_config(path, {}).seed == 9


@pytest.mark.parametrize('path', ['cyclegan_emojis', 'configs/cyclegan_emojis.py'])
def test_names_near_to_one_that_is_not_there_are_told(path):
    with pytest.raises(UserError, match=r'is not a file; .*; near are cyclegan_emoji\b'):
        load_config(path, {})


@pytest.mark.parametrize('path', ['configs/../gan_fashion_mnist', 'no/configs/gan_fashion_mnist.py'])
def test_a_path_is_no_name(path):
    with pytest.raises(UserError, match='is not a file'):
        load_config(path, {})
