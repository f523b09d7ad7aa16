"""A run that is killed or stopped and started again ends in the very state of one that was not."""

import shlex
import signal
import subprocess
import sys

import pytest

from helpers import ROOT, flags
from runs import end, last_line, start, wait_for

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
        pytest.param('dcgan', signal.SIGKILL, [40], {'steps_per_dispatch': 4}, marks=pytest.mark.slow),
        ('dcgan', signal.SIGINT, [40], {'steps_per_dispatch': 5, **EVERYTHING}),
        pytest.param(
            *('points', signal.SIGKILL, [40], {'steps_per_dispatch': 20, 'data__placement': 'host'}),
            marks=pytest.mark.slow,
        ),
        ('progan', signal.SIGKILL, [80], GROWING),  # in a fade; faults/test_kills.py kills at any step
        ('cyclegan', signal.SIGKILL, [80], FULL_AND_SLOWING),  # full pools
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
