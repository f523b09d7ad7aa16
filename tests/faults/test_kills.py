"""Twenty SIGKILLs at random moments of one run, for every system: it ends as one that had none."""

import math
import random
import time

import pytest

from gan_jax.checkpoint import Checkpoints
from helpers import flags
from runs import kill, last_line, start, wait_for

KILLS = 20
RUNS = {
    # Level 0 to step 100, fading in to step 300, settled to the end.
    'progan': {'steps_per_dispatch': 4, 'gan__settle_kimg': '1.6,11.2', 'gan__fade_kimg': '3.2'},
    # Pools that are full from step 63 on; a rate that falls from step 200 on.
    'cyclegan': {'gan__pool_size': 1000, 'gan__constant_kimg': 3.2, 'gan__decay_kimg': 3.2},
    'gan': {'num_steps': 4000, 'steps_per_dispatch': 3},
    'dcgan': {
        'num_steps': 2000,
        'data__placement': 'host',
        'data__flip': 'true',
        'gan__spectral_norm': 'true',
    },
}
STEPS = {'progan': 1000, 'cyclegan': 400, 'gan': 4000, 'dcgan': 2000}


def newest(workdir):
    """The step of the newest checkpoint, and at the least 0."""
    return max([0, *Checkpoints(workdir).steps()])


@pytest.mark.faults
@pytest.mark.parametrize('system', RUNS)
def test_twenty_kills(system, tmp_path):
    steps = STEPS[system]
    every = {
        'checkpoint_every_steps': steps // 40,
        'log_every_steps': steps // 40,
        'sample_every_steps': steps // 5,
    }
    arguments = flags(system, **{'num_steps': steps, **RUNS[system], **every})
    unbroken = last_line([*arguments, f'--workdir={tmp_path}/unbroken'])
    assert unbroken.startswith(f'step {steps} ')

    workdir = tmp_path / 'broken'
    arguments.append(f'--workdir={workdir}')
    moments = random.Random(system)
    places = sorted(moments.uniform(0.1, 0.8) * steps for _ in range(KILLS // 2))
    process = start(arguments)
    wait_for(workdir / 'checkpoints' / str(steps // 40), process)
    kill(process)
    start_up = math.inf
    for life in range(1, KILLS):
        begun, before = time.monotonic(), newest(workdir)
        process = start(arguments)
        if life % 2:  # somewhere along the schedule
            until = math.inf
            place = max(before, places[life // 2])
        else:  # while it starts: imports, data, the checkpoint, compilation, first steps
            until = begun + moments.uniform(0.1, 1) * start_up
            place = before
        while newest(workdir) <= place and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.01)
        start_up = min(start_up, time.monotonic() - begun) if life % 2 else start_up
        time.sleep(moments.uniform(0, 0.1))
        assert steps // 40 <= newest(workdir) < steps
        kill(process)
    assert last_line(arguments) == unbroken
    assert (workdir / 'curves.png').exists()
