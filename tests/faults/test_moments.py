"""SIGTERM and SIGINT at each of the moments of a run: exit code 75, and then the state of an unbroken run."""

import pkgutil
import signal
import time

import pytest

from gan_jax.checkpoint import Checkpoints
from helpers import flags
from runs import end, ended, kill, last_line, start, wait_for, wait_for_line

# Level 0 to step 48, fading in to step 96, settled to step 160.
GROWING = {
    'steps_per_dispatch': 4,
    'gan__settle_kimg': '0.768,1.024',
    'gan__fade_kimg': '0.768',
    'log_every_steps': 20,
    'sample_every_steps': 40,
    'checkpoint_every_steps': 40,
    'evaluate_every_steps': 60,
    'num_steps': 160,
}
# Tells where the run was when the signal came.
SIGNAL = """
from gan_jax import {module}, loop
noted, next_item = [0], loop.next_item
def note(items, dispatch):
    noted[0] = dispatch.last_step
    return next_item(items, dispatch)
loop.next_item = note
def act():
    print(f'told in the dispatch to {{noted[0]}}', file=sys.stderr)
    os.kill(os.getpid(), signal.{signal})
before({owner}, {name!r}, once(act))
"""
MOMENTS = {
    'the data are being opened': ('loop', 'open_domains', 'SIGTERM'),
    'the first compilation': ('compilation.Programs', '_compile', 'SIGTERM'),
    'memory is being checked': ('steps', 'check_memory', 'SIGINT'),
    'the state is being made': ('loop', 'saved_or_new', 'SIGTERM'),
    'data are being waited for': ('loop', 'next_item', 'SIGINT'),
    'a line is being written': ('writers.MetricsWriter', 'write', 'SIGTERM'),
    'samples are being drawn': ('record', 'save_samples', 'SIGTERM'),
    'samples are being written': ('pictures', 'write_atomically', 'SIGINT'),
    'pictures are being looked at': ('metrics.features', 'see', 'SIGTERM'),
    'figures are being computed': ('evaluation', 'figures', 'SIGINT'),
    'a checkpoint is being begun': ('checkpoint.Checkpoints', 'save', 'SIGTERM'),
    'a checkpoint is being written': ('checkpoint', '_checkpointer', 'SIGTERM'),
    'a checkpoint is being finished': ('manifest', 'write', 'SIGINT'),
    'an old checkpoint is being deleted': ('checkpoint.Checkpoints', '_delete', 'SIGTERM'),
    'one stage gives way to the next': ('loop', 'reset_optimizers', 'SIGTERM'),
    'a level of growth is being kept': ('record', 'keep_level', 'SIGINT'),
}


def trouble(owner, name, number):
    module, _, attribute = owner.partition('.')
    owner = f'{module}.{attribute}' if attribute else module
    return SIGNAL.format(module=module, owner=owner, name=name, signal=number)


@pytest.fixture(scope='module')
def unbroken(tmp_path_factory):
    return last_line([*flags('progan', **GROWING), f'--workdir={tmp_path_factory.mktemp("unbroken")}'])


def test_what_is_interrupted_is_there():
    """So that `make test` tells of a name that has moved."""
    for owner, name, _ in MOMENTS.values():
        assert callable(pkgutil.resolve_name(f'gan_jax.{owner}.{name}'))


@pytest.mark.faults
@pytest.mark.parametrize('moment', MOMENTS)
def test_a_signal_while(moment, unbroken, tmp_path):
    owner, name, number = MOMENTS[moment]
    arguments = [*flags('progan', keep_checkpoints=1, **GROWING), f'--workdir={tmp_path}/run']
    process = start(arguments, trouble=trouble(owner, name, number))
    said = ended(process, 75, f'{number} at step ', 'checkpoint written')
    step = int(said.rpartition(f'{number} at step ')[2].partition(':')[0])
    told = int(said.partition('told in the dispatch to ')[2].split()[0])
    assert told <= step <= told + GROWING['steps_per_dispatch']  # within one dispatch
    assert Checkpoints(tmp_path / 'run').steps()[-1] == step < 160
    assert last_line(arguments) == unbroken


@pytest.mark.faults
@pytest.mark.parametrize('number', ['SIGTERM', 'SIGINT'])
@pytest.mark.parametrize('owner', ['config.load_config', 'processes.join'])
def test_a_signal_before_a_run_has_begun(owner, number, unbroken, tmp_path):
    """While what it needs is being imported, say: nothing is lost, and a script goes on."""
    arguments = [*flags('progan', **GROWING), f'--workdir={tmp_path}/run']
    module, _, name = owner.partition('.')
    told = f'from gan_jax import {module}\n'
    told += f'before({module}, {name!r}, lambda: os.kill(os.getpid(), signal.{number}))'
    for is_new in (True, False):
        ended(start(arguments, trouble=told), 75, f'{number} while no run was at work; to go on: ')
        assert (tmp_path / 'run').exists() != is_new
        if is_new:
            process = start(arguments)
            wait_for(tmp_path / 'run/checkpoints/40', process)
            kill(process)
    assert last_line(arguments) == unbroken


@pytest.mark.faults
def test_a_second_signal_is_heard_while_xla_is_at_work(tmp_path):
    """Handlers of Python's would wait until the main thread comes back from it."""
    waits = (
        'import hashlib\n'
        'from gan_jax import loop\n'
        'def act():\n'
        "    print('it is at work', file=sys.stderr, flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)  # as deaf as XLA\n"
        "before(loop, 'next_item', act)"
    )
    process = start([*flags('gan', num_steps=40), f'--workdir={tmp_path}/run'], trouble=waits)
    wait_for_line(process, 'it is at work')
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # or the system hands them over in an order of its own
    process.send_signal(signal.SIGINT)
    end(process, timeout=10)
    assert process.returncode == 128 + signal.SIGINT


@pytest.mark.faults
@pytest.mark.parametrize('second', ['SIGTERM', 'SIGINT'])
def test_a_second_signal_ends_at_once_and_leaves_the_last_good_checkpoint(second, unbroken, tmp_path):
    arguments = [*flags('progan', **GROWING), f'--workdir={tmp_path}/run']
    twice = (
        'from gan_jax import checkpoint\n'
        'calls = []\n'
        'def act():\n'
        '    calls.append(True)\n'
        '    if len(calls) == 2:\n'
        '        os.kill(os.getpid(), signal.SIGTERM)\n'
        '        import time; time.sleep(1)  # in the main thread, which answers the first\n'
        f'        os.kill(os.getpid(), signal.{second})\n'
        "before(checkpoint.Checkpoints, 'save', act)"
    )
    process = start(arguments, trouble=twice)
    out, _ = end(process)
    assert process.returncode == 128 + getattr(signal, second)
    assert 'sha256' not in out
    assert Checkpoints(tmp_path / 'run').steps() == [40]
    assert last_line(arguments) == unbroken


@pytest.mark.faults
def test_a_signal_while_data_do_not_come(tmp_path):
    """The state is there, so that nothing has to be waited for."""
    arguments = flags('progan', data__placement='host', **GROWING)
    unbroken = last_line([*arguments, f'--workdir={tmp_path}/unbroken'])
    arguments.append(f'--workdir={tmp_path}/run')
    hangs = (
        'import time\n'
        'from gan_jax.data import source\n'
        'calls = []\n'
        'def act():\n'
        '    calls.append(True)\n'
        '    if len(calls) == 20:\n'
        '        time.sleep(1000)\n'
        "before(source.Images, 'images', act)"
    )
    process = start([*arguments, '--config.watchdogs.stalled_input_seconds=1'], trouble=hangs)
    wait_for_line(process, 'the data have brought nothing for 2 s')
    process.send_signal(signal.SIGTERM)
    ended(process, 75, 'SIGTERM at step ', 'checkpoint written', timeout=20)
    assert last_line(arguments) == unbroken


@pytest.mark.faults
def test_a_compilation_that_nobody_will_use_is_not_waited_for(unbroken, tmp_path):
    """That of the next stage's step, which has just begun when the signal comes."""
    arguments = [*flags('progan', **GROWING), f'--workdir={tmp_path}/run']
    slow = (
        'import threading, time\n'
        'from gan_jax import compilation\n'
        'def act():\n'
        '    calls.append(True)\n'
        '    if len(calls) == 6:\n'
        "        print('it compiles', file=sys.stderr, flush=True)\n"
        '        time.sleep(1000)\n'
        'calls = []\n'
        "before(compilation.Programs, '_compile', act)"
    )
    process = start(arguments, trouble=slow)
    wait_for_line(process, 'it compiles')
    process.send_signal(signal.SIGTERM)
    ended(process, 75, 'checkpoint written', timeout=60)
    assert last_line(arguments) == unbroken
