"""A disk that is full while something is written: it is told, what was there stays whole, the run goes on."""

import contextlib
import json
import pkgutil
import subprocess

import pytest

from gan_jax.checkpoint import Checkpoints
from helpers import flags
from runs import end, ended, last_line, start

RUN = {'num_steps': 240, 'checkpoint_every_steps': 40, 'log_every_steps': 10, 'sample_every_steps': 80}
# Fills the disk at the second call of a function, and frees it when that has returned.
TROUBLE = """
from gan_jax import {module}
def full_during(owner, name):
    whole, calls = getattr(owner, name), []
    def wrapped(*arguments, **keywords):
        calls.append(True)
        if len(calls) != {call}:
            return whole(*arguments, **keywords)
        fill()
        try:
            return whole(*arguments, **keywords)
        finally:
            os.unlink({filler!r})
    setattr(owner, name, wrapped)
def fill():
    with open({filler!r}, 'wb', buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
full_during({owner}, {name!r})
"""
WRITES = {
    'a checkpoint': (
        'checkpoint',
        'checkpoint.Checkpoints',
        '_write',
        'step 80: the checkpoint could not be',
    ),
    "a checkpoint's arrays": (
        'checkpoint',
        'checkpoint.ocp.Checkpointer',
        'save',
        'step 80: the checkpoint could not be written (No space left on device); the last good checkpoint is',
    ),
    "a checkpoint's manifest": ('manifest', 'manifest', 'write', 'step 80: the checkpoint could not be'),
    "TensorBoard's events": (
        'events',
        'events.Events',
        'image',
        "step 160: TensorBoard's picture could not be",
    ),
    'samples': ('record', 'record', 'save_samples', 'step 160: the samples could not be'),
    'the curves': ('ending', 'ending', 'save_last_pictures', 'step 240: curves.png could not be'),
}


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of 8 MB of its own."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f'no small disk can be mounted here: {mounted.stderr.decode().strip()}')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    return last_line([*flags('gan', **RUN), f'--workdir={tmp_path_factory.mktemp("unbroken")}'])


def whole(workdir, steps):
    """Asserts that the log has these steps and that every checkpoint is whole."""
    lines = (workdir / 'metrics.jsonl').read_text().splitlines()
    assert [json.loads(line)['step'] for line in lines] == steps
    checkpoints = Checkpoints(workdir)
    assert [checkpoints.facts(step)['step'] for step in checkpoints.steps()] == checkpoints.steps()
    assert not list(workdir.rglob('*.tmp'))
    return checkpoints.steps()


def test_what_gets_into_trouble_is_there():
    """So that `make test` tells of a name that has moved."""
    for _, owner, name, _ in WRITES.values():
        assert callable(pkgutil.resolve_name(f'gan_jax.{owner}.{name}'))


@pytest.mark.faults
@pytest.mark.parametrize('what', WRITES)
def test_full_while_writing(what, disk, unbroken, tmp_path):
    module, owner, name, told = WRITES[what]
    call = 1 if what == 'the curves' else 2
    trouble = TROUBLE.format(module=module, owner=owner, name=name, call=call, filler=str(disk / 'filler'))
    workdir = disk / 'run'
    process = start(
        [*flags('gan', **RUN), f'--workdir={workdir}', '--config.keep_checkpoints=9'], trouble=trouble
    )
    out, err = end(process)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == unbroken
    assert told in err, err
    assert 'No space left on device' in err
    assert err.count('\n') == 25  # a line for each of the log, and this one
    expected = [40, 80, 120, 160, 200, 240]
    if 'checkpoint' in what:
        expected.remove(80)
    assert whole(workdir, list(range(10, 241, 10))) == expected


@pytest.mark.faults
def test_full_for_long(disk, unbroken, tmp_path):
    """From the first checkpoint to step 170: all that is written fails, and then no more."""
    workdir = disk / 'run'
    trouble = TROUBLE.rpartition('full_during')[0].format(
        module='loop, record', filler=str(disk / 'filler'), call=0
    )
    trouble += """
def act(record, dispatch, *arguments):
    if dispatch.last_step == 50:
        while not os.path.exists(FIRST):  # it is written beside the run
            pass
        fill()
    if dispatch.last_step == 170:
        os.unlink(FILLER)
log = record.Record.log
def logged(self, dispatch, *arguments):
    act(self, dispatch)
    log(self, dispatch, *arguments)
record.Record.log = logged
""".replace('FILLER', repr(str(disk / 'filler'))).replace('FIRST', repr(f'{workdir}/checkpoints/40'))
    process = start(
        [*flags('gan', **RUN), f'--workdir={workdir}', '--config.keep_checkpoints=9'], trouble=trouble
    )
    out, err = end(process)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == unbroken
    for step in (80, 120, 160):
        assert f'step {step}: the checkpoint could not be written' in err
    for what in ('the line in metrics.jsonl', "TensorBoard's numbers", 'the samples'):
        assert f'{what} could not be written (No space left on device)' in err, what
    lines = [json.loads(line)['step'] for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    assert lines[:5] == [10, 20, 30, 40, 50][: len(lines[:5])]
    assert lines[-8:] == list(range(170, 241, 10))
    assert lines == sorted(set(lines))
    assert whole(workdir, lines) == [40, 200, 240]


@pytest.mark.faults
@pytest.mark.parametrize('redirect', ['2>/dev/full', '2>&-', '0<&- 2>&-'])
def test_nobody_can_be_told(redirect, unbroken, tmp_path):
    """stderr is a file on a full disk, too, or closed: a run ends as it would, whatever way it ends."""
    arguments = [*flags('gan', **RUN), f'--workdir={tmp_path}/run']
    ended(start([*arguments, '--config.seed=-1'], redirect=redirect), 2)
    assert not (tmp_path / 'run').exists()
    stopped = (
        'from gan_jax import checkpoint\n'
        "before(checkpoint.Checkpoints, 'save', once(lambda: os.kill(os.getpid(), signal.SIGTERM)))"
    )
    ended(start(arguments, trouble=stopped, redirect=redirect), 75)
    assert Checkpoints(tmp_path / 'run').steps()
    assert last_line(arguments, redirect=redirect) == unbroken


@pytest.mark.faults
def test_full_at_the_end(disk, tmp_path):
    """What cannot be saved is no success: the same command makes it good when there is room."""
    workdir, filler = disk / 'run', disk / 'filler'
    arguments = [*flags('gan', **RUN), f'--workdir={workdir}']
    trouble = TROUBLE.format(
        module='checkpoint', owner='checkpoint.Checkpoints', name='_write', call=6, filler=str(filler)
    )
    ended(
        start(arguments, trouble=trouble),
        1,
        'step 240: the state could not be saved; the last good checkpoint is at step 200',
    )
    assert last_line(arguments).startswith('step 240 ')


@pytest.mark.faults
def test_full_from_the_start(disk, tmp_path):
    with contextlib.suppress(OSError), open(disk / 'filler', 'wb', buffering=0) as file:
        while True:
            file.write(bytes(2**12))
    process = start([*flags('gan', **RUN), f'--workdir={disk}/run'])
    err = ended(process, 2, '--workdir: ', 'cannot be written to (No space left on device)')
    assert err.count('\n') == 1, err
