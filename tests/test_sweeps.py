"""What seeds may sweep: any real number that a step computes with, and nothing that is another program."""

import pytest

from gan_jax import seeds
from helpers import flags

RATE = 'optimizer.generator.learning_rate'
STEP = 'takes a real number that a step computes with'
REFUSED = [
    ('gan', 'gan.generator_units=16,32', 'as a whole number sets shapes, or where a run is cut'),
    ('gan', 'seed=1,2', 'as a whole number sets shapes, or where a run is cut'),
    ('gan', 'gan.loss=hinge,wasserstein', 'as a word chooses what is computed'),
    ('gan', 'data.flip=true,false', 'as a flag chooses what is computed'),
    ('progan', 'gan.fade_kimg=1', 'as a list sets the stages of a run'),
    ('gan', 'gan.keep_hidden=0.5,0.75', 'as its value decides what the program is'),
    ('gan', 'optimizer.generator.decay_factor=1.1,1.2', 'as its value decides what the program is'),
    ('cyclegan', 'gan.identity_weight=0,5', 'as its value decides what the program is'),
    ('gan', 'ema_half_life_kimg=1,2', 'as it sets the stages of a run'),
    ('gan', 'watchdogs.collapse_kimg=1,2', 'as a step does not compute with it'),
]


@pytest.mark.parametrize(('system', 'typed', 'reason'), REFUSED)
def test_a_field_that_cannot_be_swept(refused, system, typed, reason):
    name = typed.partition('=')[0]
    arguments = [*flags(system, num_steps=6), '--workdir=new', f'--sweep={typed}']
    arguments = [each for each in arguments if not each.startswith(f'--config.{name}=')]
    refused(
        seeds.main,
        arguments,
        f'--sweep: {name}',
        'will not do, ',
        f'{reason}, and all runs are one program; ',
        STEP,
    )


def test_a_value_that_its_field_does_not_take(refused):
    begin = [*flags('gan'), '--workdir=new']
    refused(
        seeds.main,
        [*begin, f'--sweep={RATE}=0.1,0'],
        f"--sweep: {RATE}: '0' will not do; takes a finite number",
    )
    refused(
        seeds.main, [*begin, f'--sweep={RATE}=0.1,0.10'], f'--sweep: {RATE} is given 0.1 twice; takes each'
    )
    refused(seeds.main, [*begin, f'--sweep={RATE}=1', f'--sweep={RATE}=2'], f'--sweep: {RATE} is given twice')
    refused(
        seeds.main,
        [*begin, f'--config.{RATE}=1', f'--sweep={RATE}=2'],
        f'--sweep: {RATE} will not do beside ',
    )
    refused(
        seeds.main, [*begin, '--sweep=sed=2'], '--config.sed: no such field; the nearest is --config.seed'
    )
    refused(
        seeds.main,
        [*begin, '--config.seed=2147483640', '--num_seeds=9'],
        "--config.seed: '2147483648' will not do",
    )
    refused(
        seeds.main,
        [*begin, '--config.distributed.coordinator=a:1'],
        "--config.distributed.coordinator: 'a:1' will not do, as all runs are one process; takes ''",
    )
