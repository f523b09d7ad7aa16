"""A run that is killed or stopped and started again ends in the very state of one that was not."""

import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from helpers import ROOT, flags

ENVIRONMENT = {**os.environ, 'JAX_NUM_CPU_DEVICES': '2'}


def start(arguments):
    # Into files, as a run would wait for ever to be rid of what it says into a pipe that nobody reads.
    out, err = (tempfile.TemporaryFile('w+') for _ in range(2))  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, str(ROOT / 'train.py'), *arguments], env=ENVIRONMENT, stdout=out, stderr=err
    )
    process.streams = out, err
    return process


def end(process, timeout=300):
    """-> what it said, (out, err), once it has ended"""
    process.wait(timeout)
    said = []
    for stream in process.streams:
        stream.seek(0)
        said.append(stream.read())
        stream.close()
    return said


def last_line(arguments):
    process = start(arguments)
    out, err = end(process)
    assert process.returncode == 0, err
    return out.splitlines()[-1]


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, f'ended before {path.name} was there: {end(process)[1]}'
        time.sleep(0.01)


# `dcgan` twice: with its plain steps, and with every other piece of state there is.
EVERYTHING = {
    'gan__spectral_norm': 'true',
    'gan__regularizer': 'r1',
    'gan__regularizer_weight': 1,
    'data__flip': 'true',
    'data__placement': 'host',
}


# Level 0 to step 48, fading in to step 120, settled to step 240.
GROWING = {
    'steps_per_dispatch': 4,
    'gan__settle_kimg': '0.768,1.92',
    'gan__fade_kimg': '1.152',
}
# Pools of 63 steps' fakes; the rate falls from the 63rd step on.
FULL_AND_SLOWING = {'gan__pool_size': 1000, 'gan__constant_kimg': 1, 'gan__decay_kimg': 4}
EVERY = {'checkpoint_every_steps': 40, 'log_every_steps': 20, 'sample_every_steps': 120}


@pytest.mark.parametrize(
    ('system', 'how', 'after', 'overrides'),
    [
        ('gan', signal.SIGKILL, [40], {'steps_per_dispatch': 1}),  # its D has dropout
        ('gan', signal.SIGTERM, [40], {'steps_per_dispatch': 3}),  # and 2, up to each line of the log
        ('dcgan', signal.SIGKILL, [40], {'steps_per_dispatch': 4}),
        ('dcgan', signal.SIGINT, [40], {'steps_per_dispatch': 5, **EVERYTHING}),
        ('progan', signal.SIGKILL, [80, 120, 160], GROWING),  # in a fade, at its end, settled
        ('cyclegan', signal.SIGKILL, [40, 80], FULL_AND_SLOWING),  # with 640 in each of its pools, and full
    ],
)
def test_resumed_is_unbroken(system, how, after, overrides, tmp_path):
    arguments = flags(system, num_steps=240, **EVERY, **overrides)
    unbroken = last_line([*arguments, f'--workdir={tmp_path}/unbroken'])
    assert unbroken.startswith('step 240 · 3.84 kimg · state sha256 ')

    workdir = tmp_path / 'broken'
    arguments.append(f'--workdir={workdir}')
    for step in after:
        process = start(arguments)
        wait_for(workdir / 'checkpoints' / str(step), process)
        process.send_signal(how)
        out, err = end(process)
        assert 'sha256' not in out, 'it had ended before the signal came'
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 75, err
            message = err.splitlines()[-1]
            assert how.name in message
            assert message.endswith(shlex.join(arguments))
    assert last_line(arguments) == unbroken
    metrics = (workdir / 'metrics.jsonl').read_text().splitlines()
    steps = [int(line.split(',')[0].split(':')[1]) for line in metrics]
    edges = {48} if system == 'progan' else set()
    assert steps == sorted({*range(20, 241, 20), *edges})


def test_a_finished_run_says_so_again_and_lists_its_checkpoints(tmp_path):
    arguments = [*flags('gan', num_steps=16), f'--workdir={tmp_path}']
    ended = last_line(arguments)
    assert last_line(arguments) == ended
    listed = subprocess.run(
        [sys.executable, '-m', 'gan_jax.checkpoint', f'--workdir={tmp_path}'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.splitlines()[-1] == ended
    assert len(listed.stdout.splitlines()) == 3  # keep_checkpoints


@pytest.mark.slow
def test_killed_again_and_again_at_any_moment_it_still_ends_the_same(tmp_path):
    """Before the first step, while a checkpoint is written, between the last one and the curves: anywhere."""
    every = {'checkpoint_every_steps': 20, 'log_every_steps': 20, 'sample_every_steps': 100}
    unbroken = last_line([*flags('gan', num_steps=3000, **every), f'--workdir={tmp_path}/unbroken'])
    arguments = [*flags('gan', num_steps=3000, **every), f'--workdir={tmp_path}/broken']
    moments = random.Random(0)
    for _ in range(6):
        process = start(arguments)
        try:
            end(process, moments.uniform(3, 20))
        except subprocess.TimeoutExpired:
            process.kill()
            end(process)
    assert last_line(arguments) == unbroken
    assert (tmp_path / 'broken' / 'curves.png').exists()
