"""A run that is killed or stopped and started again ends in the very state of one that was not."""

import shlex
import signal

import pytest

from commands import train
from gan_jax import checkpoint
from helpers import flags
from runs import end, last_line, start, wait_for

# Every piece of state that options bring, beside dropout in the original GAN's D.
EVERYTHING = {
    'gan__spectral_norm': 'true',
    'gan__regularizer': 'r1',
    'gan__regularizer_weight': 1,
    'data__flip': 'true',
    'data__placement': 'host',
}
# Level 0 to step 24, fading in to step 60, settled to step 120.
GROWING = {
    'num_steps': 120,
    'steps_per_dispatch': 4,
    'gan__settle_kimg': '0.384,0.96',
    'gan__fade_kimg': '0.576',
}
# Pools of 30 steps' fakes; the rate falls from the 25th step on.
FULL_AND_SLOWING = {
    'num_steps': 120,
    'gan__pool_size': 480,
    'gan__constant_kimg': 0.4,
    'gan__decay_kimg': 2,
}
EVERY = {'checkpoint_every_steps': 40, 'log_every_steps': 20, 'sample_every_steps': 120}
KILLED = {40: signal.SIGKILL}


@pytest.mark.parametrize(
    ('system', 'signals', 'overrides'),
    [
        (
            'gan',
            {40: signal.SIGTERM, 80: signal.SIGINT, 120: signal.SIGKILL},
            {'steps_per_dispatch': 5, **EVERYTHING},
        ),
        # Each system goes on unbroken in test_loop, too; faults/test_kills.py kills at any step.
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ('gan', KILLED, {'steps_per_dispatch': 1}),
                ('gan', {40: signal.SIGTERM}, {'steps_per_dispatch': 3}),  # and 2, up to each line of the log
                ('dcgan', KILLED, {'steps_per_dispatch': 4, **EVERYTHING}),
                ('points', KILLED, {'steps_per_dispatch': 20, 'data__placement': 'host'}),
                ('progan', KILLED, GROWING),  # in a fade
                ('cyclegan', KILLED, FULL_AND_SLOWING),  # full pools
            )
        ],
    ],
)
def test_resumed_is_unbroken(system, signals, overrides, tmp_path):
    """`signals` come when the checkpoints of these steps are there."""
    overrides = {'num_steps': 240, **EVERY, **overrides}
    num_steps, arguments = overrides['num_steps'], flags(system, **overrides)
    unbroken = last_line([*arguments, f'--workdir={tmp_path}/unbroken'])
    assert unbroken.startswith(f'step {num_steps} · {num_steps * 16 / 1000:.2f} kimg · state sha256 ')

    workdir = tmp_path / 'broken'
    arguments.append(f'--workdir={workdir}')
    for step, how in signals.items():
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
    edges = {24} if system == 'progan' else set()
    assert steps == sorted({*range(20, num_steps + 1, 20), *edges})


def test_a_finished_run_says_so_again_and_lists_its_checkpoints(tmp_path, capsys):
    arguments, ended = [*flags('gan', num_steps=16), f'--workdir={tmp_path}'], []
    for _ in range(2):
        train(arguments)
        ended += capsys.readouterr().out.splitlines()[-1:]
    checkpoint.main([f'--workdir={tmp_path}'])
    listed = capsys.readouterr().out.splitlines()
    assert ended == 2 * [listed[-1]]
    assert len(listed) == 3  # keep_checkpoints
