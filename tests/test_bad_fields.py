"""Every field of every system turns down what it does not take: one line, and nothing is written."""

import pytest

from commands import train
from gan_jax.config import FIELDS
from gan_jax.gans import load_system
from helpers import ROOT, SMALL, config_path, flags

SYSTEMS = sorted(path.stem for path in (ROOT / 'gan_jax/gans').glob('[!_]*.py'))
KNOWN = {system: {**FIELDS, **load_system(system).FIELDS} for system in SYSTEMS}
PLAYERS = ('discriminator', 'generator')

WHOLE, FLAG = 'takes a whole number from ', 'takes true or false'
FROM_0, FROM_1 = (f'{WHOLE}{least} to 2147483647' for least in (0, 1))
POSITIVE, NOT_NEGATIVE = 'takes a finite number, above 0', 'takes a finite number, at least 0'
SHARE, UNDER_1 = (
    'takes a finite number, above 0 and at most 1',
    'takes a finite number, at least 0 and below 1',
)
BAD = [
    # Each: a field, what no system that has it takes, what the line says beside the two.
    ('num_steps', '-5', WHOLE),
    ('num_steps', '', WHOLE),
    ('num_steps', '1.5', WHOLE),
    ('num_steps', '1e3', WHOLE),
    ('num_steps', '0x10', WHOLE),
    ('num_steps', 'many', WHOLE),
    ('num_steps', '2147483648', WHOLE),
    ('batch_size', '-64', WHOLE),
    ('batch_size', 'None', WHOLE),
    ('steps_per_dispatch', '0', FROM_1),
    ('log_every_steps', '0', FROM_1),
    ('sample_every_steps', '0', FROM_1),
    ('checkpoint_every_steps', '0', FROM_1),
    ('evaluate_every_steps', '-1', FROM_0),
    ('evaluation.metrics', 'fid', 'fd, kid, pr, dc'),
    ('evaluation.metrics', 'fd,', 'fd, kid, pr, dc'),
    ('evaluation.network', 'vgg', 'takes one of '),
    ('evaluation.weights', 'missing.npz', ''),
    ('evaluation.num_samples', '9', 'takes a whole number from 10 to 1000000'),
    ('evaluation.split', 'validation', 'takes one of train, test'),
    ('keep_checkpoints', '0', FROM_1),
    ('seed', '-1', FROM_0),
    ('seed', '2147483648', FROM_0),
    ('ema_half_life_kimg', '-1', NOT_NEGATIVE),
    ('on_nonfinite', 'ignore', 'takes one of stop, skip'),
    ('dtype', 'float16', 'takes one of float32, bfloat16'),
    ('system', '../x', "takes '"),
    ('system', 'os', "takes '"),
    ('compilation_cache', 'no', FLAG),
    ('deterministic', '1', FLAG),
    ('watchdogs.replicas', 'all', FLAG),
    ('watchdogs.collapse_kimg', '-0.5', NOT_NEGATIVE),
    ('watchdogs.stalled_input_seconds', '0', POSITIVE),
    ('distributed.coordinator', 'host', 'takes host:port of the first process'),
    ('distributed.num_processes', '0', WHOLE),
    ('distributed.process_id', '-1', WHOLE),
    ('data.flip', 'maybe', FLAG),
    ('data.flip', '', FLAG),
    ('data.fit', 'stretch', 'takes one of crop, pad'),
    ('data.placement', 'gpu', 'takes one of auto, device, host'),
    ('data.name', '', 'takes '),
    ('data.name', '../fashion_mnist_10k', "takes 'name'"),
    ('data.name', 'no_such_set', 'is not prepared in'),
    ('data.data_dir', '/no/such/folder', 'takes a folder that exists'),
    ('data.split', 'validation', 'takes one of train, test'),
    ('data.split', 'train[:0]', 'takes one of train, test'),
    ('data.invert', 'true,1', FLAG),
    ('data.resolution', '0', 'takes a whole number from 4 to 1024'),
    ('data.resolution', '2048', 'takes a whole number from 4 to 1024'),
    ('data.load_resolution', '5000', 'takes a whole number from 4 to 4096'),
    ('data.channels', '2', 'takes one of 1, 3'),
    *(
        (f'optimizer.{player}.{name}', text, allowed)
        for player in PLAYERS
        for name, text, allowed in [
            ('learning_rate', 'nan', POSITIVE),
            ('learning_rate', 'inf', POSITIVE),
            ('learning_rate', '1e400', POSITIVE),
            ('learning_rate', '0', POSITIVE),
            ('learning_rate', '-1e-4', POSITIVE),
            ('learning_rate', '', POSITIVE),
            ('b1', '1', UNDER_1),
            ('b2', 'nan', UNDER_1),
            ('decay_factor', '0.99', 'takes a finite number, at least 1'),
            ('min_learning_rate', '-1', NOT_NEGATIVE),
            ('momentum', '1', UNDER_1),
            ('final_momentum', '1.5', UNDER_1),
            ('momentum_kimg', '0', POSITIVE),
            ('momentum_kimg', '1e308', 'takes a finite number, above 0 and at most 2.14748e+06'),
        ]
    ),
    ('gan.width', '0', 'takes a whole number from 1 to 65536'),
    ('gan.latent_dim', '65537', 'takes a whole number from 1 to 65536'),
    ('gan.latent', 'gaussian', 'takes one of normal, uniform, inverse_transform'),
    ('gan.loss', 'nonsaturating', 'takes one of minimax, non_saturating, least_squares'),
    ('gan.critic_steps', '0', 'takes a whole number from 1 to 100'),
    ('gan.regularizer', 'r3', 'takes one of none, r1, r2, drift, gradient_penalty'),
    ('gan.regularizer_weight', 'nan', NOT_NEGATIVE),
    ('gan.spectral_norm', '1', FLAG),
    ('gan.generator_units', '0', 'takes a whole number from 1 to 65536'),
    ('gan.discriminator_units', '1e3', 'takes a whole number from 1 to 65536'),
    ('gan.maxout_pieces', '-1', 'takes a whole number from 1 to 65536'),
    ('gan.keep_pixels', '0', SHARE),
    ('gan.keep_hidden', '1.01', SHARE),
    ('gan.generator_layers', '0', 'takes a whole number from 1 to 100'),
    ('gan.generator_width', '0', 'takes a whole number from 1 to 65536'),
    ('gan.residual_blocks', '1001', 'takes a whole number from 1 to 1000'),
    ('gan.discriminator_width', '65537', 'takes a whole number from 1 to 65536'),
    ('gan.discriminator_layers', '6', 'takes a whole number from 1 to 5'),
    ('gan.remat', 'auto', FLAG),
    ('gan.cycle_weight', '-inf', NOT_NEGATIVE),
    ('gan.identity_weight', '-0.1', NOT_NEGATIVE),
    ('gan.pool_size', '-1', 'takes a whole number from 0 to 100000'),
    ('gan.constant_kimg', '1e308', 'takes a finite number, at least 0 and at most 2.14748e+06'),
    ('gan.decay_kimg', '-1', NOT_NEGATIVE),
    ('gan.resolution', '24', 'takes one of 4, 8, 16'),
    ('gan.stddev_group', '0', FROM_1),
    ('gan.fade_kimg', '', 'takes a finite number, above 0'),
    ('gan.settle_kimg', '0', 'takes a finite number, above 0'),
    ('gan.settle_kimg', '1e308', 'takes a finite number, above 0 and at most 2.14748e+06'),
    ('gan.batch_sizes', '0', FROM_1),
    ('gan.learning_rate_factors', '-1', POSITIVE),
    ('gan.feature_base', '0', FROM_1),
    ('gan.max_features', '65537', 'takes a whole number from 1 to 65536'),
    ('gan.fused_scale', 'yes', FLAG),
    ('gan.gradient_penalty_weight', '-10', NOT_NEGATIVE),
    ('gan.gradient_penalty_target', '0', POSITIVE),
    ('gan.drift_weight', 'much', NOT_NEGATIVE),
]
OTHERWISE = {
    # The same for fields that one system takes other values of: in place of the lines above.
    ('points', 'data.name'): [
        ('', 'takes one of 25_gaussians, 8_gaussians'),
        ('fashion_mnist_10k', 'takes one of 25_gaussians, 8_gaussians'),
    ],
    ('points', 'data.data_dir'): [('/no/such/folder', "takes '', as points are made, not read")],
    ('points', 'data.resolution'): [('28', 'takes one of 1')],
    ('points', 'data.channels'): [('1', 'takes one of 2')],
    ('points', 'data.fit'): [('crop', 'takes one of none')],
    ('points', 'data.flip'): [('true', 'takes false, as points have no mirror'), ('maybe', 'takes false')],
    ('points', 'gan.discriminator_layers'): [('0', 'takes a whole number from 1 to 100')],
}
BAD_OF = {
    (system, name): OTHERWISE.get((system, name))
    or [(text, allowed) for field, text, allowed in BAD if field == name]
    for system in SYSTEMS
    for name in KNOWN[system]
}


def config_of(system):
    return f'--config={config_path(system)}'


DCGAN = config_of('dcgan')


@pytest.mark.parametrize(('system', 'name'), BAD_OF)
def test_a_field_that_does_not_fit(refused, system, name):
    assert BAD_OF[system, name], f'{name} has no line in BAD'
    for text, allowed in BAD_OF[system, name]:
        wrong = text.split(',')[-1]
        arguments = [config_of(system), f'--config.{name}={text}', '--workdir=new']
        if name.startswith('evaluation.'):  # which is looked at when the devices are there
            arguments.append('--config.batch_size=16')
        refused(train, arguments, f'--config.{name}: ', repr(wrong), allowed)


@pytest.mark.parametrize('system', SYSTEMS)
def test_a_field_of_the_wrong_type_in_a_file(refused, tmp_path, system):
    source = config_path(system).read_text()
    for name in KNOWN[system]:
        where = ''.join(f'[{part!r}]' for part in name.split('.'))
        changed = f'{source}\nof_file = get_config\n\n\ndef get_config():\n    config = of_file()\n'
        changed += f'    with config.ignore_type():\n        config{where} = None\n    return config\n'
        (tmp_path / 'config.py').write_text(changed)
        words = ['None', 'takes '] if name != 'system' else ['no such system None']
        refused(train, ['--config=config.py', '--workdir=new'], f'--config.{name}: ', *words)


def test_no_line_is_about_a_field_that_is_gone():
    assert {name for name, *_ in BAD} == {name for known in KNOWN.values() for name in known}
    assert set(SYSTEMS) == set(SMALL)


@pytest.mark.parametrize(
    ('name', 'text', 'allowed'),
    [
        ('num_steps', '0', FROM_1),
        ('batch_size', '0', FROM_1),
        ('system', 'gan', "takes 'dcgan'"),
        ('gan', '5', 'takes --config.gan.latent_dim, '),
        ('optimizer.generator', 'adam', 'takes --config.optimizer.generator.learning_rate, '),
    ],
)
def test_a_field_that_does_not_fit_dcgan(refused, name, text, allowed):
    arguments = [DCGAN, f'--config.{name}={text}', '--workdir=new']
    refused(train, arguments, f'--config.{name}: {text!r} will not do', allowed)


MISFITS = [
    # The same for values that only the data, the network or the devices turn down: the value unquoted.
    ('data.resolution', '30', 'DCGAN cannot make 30 pixels; 4, 5, 6 or 7 doubled: 8, 10, 12'),
    ('data.resolution', '24', "got 24, but 'fashion_mnist_10k' has pictures of 28×28 pixels"),
    ('data.channels', '3', "got 3, but 'fashion_mnist_10k' has 1"),
    ('batch_size', '60', '60 will not do on 8 devices; takes a multiple of 8'),
    ('batch_size', '10048', '10048 is more than the data set holds; takes at most 10000'),
    ('num_steps', '2147483647', '2147483647 will not do; takes one with which the run sees fewer than'),
]


@pytest.mark.parametrize(('name', 'text', 'allowed'), MISFITS)
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


GOOD = (ROOT / 'configs/dcgan_fashion_mnist.py').read_text()
IN_A_FILE = {
    'missing_field': (("'num_steps': 3000,", ''), '--config.num_steps: missing from ', FROM_1),
    'missing_system': (
        ("'system': 'dcgan',", ''),
        '--config.system: no such system ',
        'takes one of cyclegan, dcgan, gan, points, progan',
    ),
    'strange_system': (
        ("'dcgan'", "'os'"),
        "--config.system: no such system 'os'",
        'takes one of cyclegan, dcgan, gan, points, progan',
    ),
    'system_of_another_type': (
        ("'dcgan'", '5'),
        '--config.system: no such system 5',
        'takes one of cyclegan, dcgan, gan, points, progan',
    ),
    'extra_field': (("'seed': 0,", "'seed': 0, 'sed': 1,"), '--config.sed: ', 'nearest is --config.seed'),
    'text_for_a_number': (('3000,', "'3000',"), "--config.num_steps: '3000' will not do", FROM_1),
    'real_for_a_whole_number': (('3000,', '2000.0,'), '--config.num_steps: 2000.0 will not do', FROM_1),
    'flag_for_a_number': (('3000,', 'True,'), '--config.num_steps: True will not do', FROM_1),
    'number_for_a_flag': (("'flip': False", "'flip': 0"), '--config.data.flip: 0 ', FLAG),
    'list': (("'seed': 0,", "'seed': [1, 2],"), '--config.seed: ', FROM_0),
    'nan': (('5.0,', "float('nan'),"), '--config.ema_half_life_kimg: nan will not do', NOT_NEGATIVE),
    'beyond_floats': (('5.0,', '10**400,'), '--config.ema_half_life_kimg: 1000', NOT_NEGATIVE),
    'number_for_a_group': (("'gan': {", "'gan': 3, 'other': {"), '--config.gan: 3 ', '--config.gan.width'),
    'group_for_a_number': (("'seed': 0,", "'seed': {'x': 0},"), '--config.seed.x: ', 'is --config.seed'),
}


@pytest.mark.parametrize('case', IN_A_FILE)
def test_a_config_file_with_a_wrong_field(refused, tmp_path, case):
    (old, new), *expected = IN_A_FILE[case]
    assert GOOD.count(old) == 1
    (tmp_path / 'config.py').write_text(GOOD.replace(old, new))
    refused(train, ['--config=config.py', '--workdir=new'], *expected)


def test_a_dry_run_turns_down_the_same_fields(refused):
    refused(train, [DCGAN, '--dry_run', '--config.batch_size=0'], "--config.batch_size: '0'", FROM_1)
    refused(
        train, [DCGAN, '--dry_run=json', '--config.data.resolution=30'], '--config.data.resolution: ', '30'
    )


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('resolution', '64', '64 will not do with pictures of 32 pixels'),
        ('settle_kimg', '1,1,1', '3 values will not do for 2 levels'),
        ('batch_sizes', '16,6', '4 will not do with a batch of 6'),
    ],
)
def test_a_schedule_that_is_none_ends_the_command(refused, name, value, expected):
    growing = [*flags('progan'), '--workdir=new']
    given = [flag for flag in growing if f'.gan.{name}=' not in flag]
    refused(train, [*given, f'--config.gan.{name}={value}'], expected)


def test_a_regularizer_without_a_weight(refused):
    arguments = [*flags('gan', gan__regularizer='r1'), '--workdir=run']
    refused(
        train, arguments, '--config.gan.regularizer_weight: 0 will not do with r1; takes a number above 0'
    )


def test_a_schedule_without_a_picture(refused):
    arguments = [*flags('cyclegan', gan__constant_kimg=1e-9, gan__decay_kimg=0), '--workdir=run']
    refused(train, arguments, '--config.gan.constant_kimg: 1e-09 will not do with a decay_kimg of 0; takes')
