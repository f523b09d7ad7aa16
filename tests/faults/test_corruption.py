"""A run whose newest checkpoints are broken says so and goes on from the one before, to the same end."""

import signal

import pytest

from helpers import flags
from runs import end, ended, last_line, start, wait_for

RUN = {'num_steps': 240, 'checkpoint_every_steps': 40, 'log_every_steps': 20, 'sample_every_steps': 120}


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


@pytest.mark.faults
@pytest.mark.parametrize('system', ['gan', 'cyclegan'])
def test_broken_checkpoints_are_passed_over(system, tmp_path):
    arguments = flags(system, **RUN)
    unbroken = last_line([*arguments, f'--workdir={tmp_path}/unbroken'])
    workdir = tmp_path / 'broken'
    arguments.append(f'--workdir={workdir}')
    process = start(arguments)
    wait_for(workdir / 'checkpoints' / '120', process)
    process.send_signal(signal.SIGTERM)
    ended(process, 75)
    steps = sorted(int(path.name) for path in (workdir / 'checkpoints').glob('[0-9]*'))
    largest = max(
        (workdir / 'checkpoints' / str(steps[-1])).rglob('d/*'), key=lambda path: path.stat().st_size
    )
    flip(largest)
    (workdir / 'checkpoints' / str(steps[-2]) / 'manifest.json').unlink()
    process = start(arguments)
    out, err = end(process)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == unbroken
    assert f'the checkpoint at step {steps[-1]} is broken (' in err
    assert f'the checkpoint at step {steps[-2]} is broken (manifest.json is missing): passed over' in err
    assert f'going on from the checkpoint at step {steps[-3]}' in err


@pytest.mark.faults
def test_two_runs_do_not_share_a_workdir(tmp_path):
    arguments = [*flags('gan', num_steps=100_000), f'--workdir={tmp_path}/run']
    first = start(arguments)
    wait_for(tmp_path / 'run' / 'checkpoints' / '4', first)
    err = ended(start(arguments), 2, f"run' is in use by process {first.pid} on ")
    assert err.count('\n') == 1
    first.send_signal(signal.SIGTERM)
    ended(first, 75)
