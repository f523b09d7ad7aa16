"""Several processes as one run: the same numbers, the same ends, and nothing lost when one of them dies."""

import json
import os
import signal

import numpy as np
import pytest

from gan_jax.checkpoint import Checkpoints
from helpers import flags
from runs import end, ended, kill, last_line, start, start_several, wait_for

EVERY = {
    'steps_per_dispatch': 10,
    'checkpoint_every_steps': 40,
    'log_every_steps': 20,
    'sample_every_steps': 200,
}


def end_well(processes):
    """The last line that the first says; the others say nothing."""
    said = [end(process) for process in processes]
    for process, (_, err) in zip(processes, said, strict=True):
        assert process.returncode == 0, err
    lines = [[line for line in out.splitlines() if 'Gloo' not in line] for out, _ in said]
    assert lines[1:] == [[]] * (len(processes) - 1)
    return lines[0][-1]


def records(workdir):
    return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


@pytest.mark.parametrize('placement', ['device', pytest.param('host', marks=pytest.mark.faults)])
def test_two_by_two_is_one_by_four(placement, tmp_path):
    """Over 20 steps of the original GAN, which takes SGD; replicas are compared at each line, and at the end
    all take part in measuring it."""
    arguments = flags(
        'gan',
        num_steps=20,
        log_every_steps=1,
        evaluate_every_steps=20,
        evaluation__metrics='fd,pr',
        data__placement=placement,
    )
    one, two = tmp_path / 'one', tmp_path / 'two'
    last_line([*arguments, f'--workdir={one}'], num_devices=4)
    last = end_well(start_several([*arguments, f'--workdir={two}'], 2, 2))
    assert last.startswith('step 20 ')
    assert [record['step'] for record in records(two)] == list(range(1, 21))
    for ours, theirs in zip(records(two), records(one), strict=True):
        for name in theirs:
            if name not in ('images_per_second', 'data_wait_fraction'):
                rtol = 1e-3 if name == 'FD-small_cnn' else 1e-5  # a small difference of large numbers
                np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=1e-8, err_msg=name)
    assert records(two)[-1]['FD-small_cnn'] > 0


@pytest.mark.faults
def test_slurm_tells_where_the_others_are(tmp_path):
    arguments = flags('gan', num_steps=8, distributed__coordinator='auto')
    job = {'SLURM_JOB_ID': str(os.getpid()), 'SLURM_STEP_NODELIST': 'localhost', 'SLURM_STEP_NUM_NODES': '1'}
    processes = [
        start(
            [*arguments, f'--workdir={tmp_path}/run'],
            **job,
            SLURM_NTASKS='2',
            SLURM_PROCID=str(number),
            SLURM_LOCALID=str(number),
        )
        for number in range(2)
    ]
    assert end_well(processes).startswith('step 8 ')


@pytest.mark.faults
@pytest.mark.parametrize('hangs', [False, True])
@pytest.mark.parametrize('victim', [0, 1])
def test_one_dies_or_hangs_all_end_and_go_on_together(victim, hangs, unbroken, tmp_path):
    """One that hangs cannot be reached any more, as where a network is cut."""
    workdir = tmp_path / 'run'
    arguments = [*flags('gan', num_steps=400, **EVERY), f'--workdir={workdir}']
    processes = start_several(arguments, 2, 2)
    wait_for(workdir / 'checkpoints' / '80', processes[0])
    if hangs:
        processes[victim].send_signal(signal.SIGSTOP)
    else:
        kill(processes[victim])
    ended(processes[1 - victim], -signal.SIGABRT, 'another task died', timeout=60)
    if hangs:
        processes[victim].send_signal(signal.SIGCONT)
        ended(processes[victim], -signal.SIGABRT, timeout=60)
    assert end_well(start_several(arguments, 2, 2)) == unbroken


@pytest.mark.faults
@pytest.mark.parametrize('told', [[0], [1], [0, 1]])
def test_one_is_told_to_stop_all_stop_at_one_step(told, unbroken, tmp_path):
    workdir = tmp_path / 'run'
    arguments = [*flags('gan', num_steps=400, **EVERY), f'--workdir={workdir}']
    processes = start_several(arguments, 2, 2)
    wait_for(workdir / 'checkpoints' / '40', processes[0])
    for number in told:
        processes[number].send_signal(signal.SIGTERM)
    steps = set()
    for number, process in enumerate(processes):
        by = 'SIGTERM' if number in told else 'another process'
        said = ended(process, 75, f'{by} at step ', 'checkpoint written')
        steps.add(int(said.rpartition(' at step ')[2].partition(':')[0]))
    assert len(steps) == 1
    assert Checkpoints(workdir).steps()[-1] == steps.pop() < 400
    assert end_well(start_several(arguments, 2, 2)) == unbroken


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    """The last line of the run of two processes with two devices each."""
    folder = tmp_path_factory.mktemp('unbroken')
    return end_well(start_several([*flags('gan', num_steps=400, **EVERY), f'--workdir={folder}'], 2, 2))


@pytest.mark.faults
def test_a_mistake_that_only_the_first_can_see_ends_all(tmp_path):
    arguments = flags('gan', num_steps=20)
    last_line([*arguments, f'--workdir={tmp_path}'])
    others = [*flags('gan', num_steps=20, seed=5), f'--workdir={tmp_path}']
    for process in start_several(others, 2, 2):
        ended(process, 2, 'was made by another config: --config.seed (was 0, now 5)')


@pytest.mark.faults
@pytest.mark.parametrize(
    ('mistake', 'told'),
    [
        (
            'log_every_steps=5',
            '--config.log_every_steps: 20 in the first process and 5 in process 1; takes one',
        ),
        ('seed=5', '--config.seed: 0 in the first process and 5 in process 1; takes one value in all'),
        ('data.data_dir=/no/such/folder', "'/no/such/folder', takes a folder that exists (process 1)"),
        (
            'data.split=train[:300]',
            "--config.data.split: 'train[:200]' in the first process and 'train[:300]'",
        ),
    ],
)
def test_a_mistake_in_one_process_is_told_by_all(mistake, told, tmp_path):
    name = mistake.partition('=')[0]
    everything = [*flags('gan', num_steps=20, **EVERY), f'--workdir={tmp_path}/run']
    right = [each for each in everything if each.startswith(f'--config.{name}=')]
    arguments = [each for each in everything if each not in right]
    for process in start_several(arguments, 2, 1, own={0: right, 1: [f'--config.{mistake}']}):
        ended(process, 2, told)
    assert not (tmp_path / 'run').exists()


@pytest.mark.faults
def test_a_process_that_fails_alone_ends_the_others(tmp_path):
    """Its data cannot be read any more, say; it tells why, and the other ends within a minute."""
    arguments = [*flags('gan', num_steps=100_000, **EVERY), f'--workdir={tmp_path}/run']
    fails = (
        'from gan_jax import loop\n'
        'from gan_jax.base import TrainingFailed\n'
        'calls = []\n'
        'def act():\n'
        '    calls.append(True)\n'
        '    if len(calls) == 30:\n'
        "        raise TrainingFailed('the disk is gone')\n"
        "before(loop, 'next_item', act)"
    )
    first, second = start_several(arguments, 2, 2, {1: fails})
    err = ended(second, -signal.SIGABRT)  # JAX's own, which waits for the first in vain
    assert err.startswith('the disk is gone\n')
    ended(first, -signal.SIGABRT, timeout=60)


@pytest.mark.faults
def test_a_first_process_whose_others_do_not_come(tmp_path):
    arguments = [*flags('gan', num_steps=8), f'--workdir={tmp_path}/run']
    first, second = start_several(
        arguments, 2, 2, {0: 'from gan_jax import processes\nprocesses.JOINING_SECONDS = 3'}, {1: ['--help']}
    )
    ended(second, 0)
    said = ended(first, 2, '(process 1 was not there after 3 s); takes host:port of the first')
    assert said.count('\n') == 2  # the other line tells whom it waits for
    assert not (tmp_path / 'run').exists()


@pytest.mark.faults
def test_other_devices_and_other_processes_go_on_with_the_same_numbers(tmp_path):
    """8 devices, then 2, then 2 processes with one each, then 1, in one run: as 8 all along, to rounding."""
    arguments = flags('gan', num_steps=400, **EVERY)
    last_line([*arguments, f'--workdir={tmp_path}/eight'], num_devices=8)
    workdir = tmp_path / 'run'
    arguments.append(f'--workdir={workdir}')
    for num_processes, num_devices, step in ((1, 8, 80), (1, 2, 160), (2, 1, 240)):
        several = num_processes > 1
        processes = (
            start_several(arguments, num_processes, num_devices)
            if several
            else [start(arguments, num_devices)]
        )
        wait_for(workdir / 'checkpoints' / str(step), processes[0])
        processes[0].send_signal(signal.SIGTERM)
        for process in processes:
            ended(process, 75)
    last_line(arguments, num_devices=1)
    for ours, theirs in zip(records(workdir), records(tmp_path / 'eight'), strict=True):
        for player in ('discriminator', 'generator'):
            name = f'{player}_loss'
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, err_msg=f'{name} {ours["step"]}')
