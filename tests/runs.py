"""Runs of the real command line in processes of their own, to be killed, signalled and put into trouble."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from helpers import ROOT

# As a person's is: JAX, imported by the tests, has set a log level for itself.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
STARTED = []  # which conftest ends, where a test has not
# What a process does first that gets into trouble at a moment of its own.
PRELUDE = """
import os, runpy, signal, sys
sys.path.insert(0, {root!r})
def before(owner, name, action):
    whole = getattr(owner, name)
    def wrapped(*arguments, **keywords):
        action()
        return whole(*arguments, **keywords)
    setattr(owner, name, wrapped)
def once(action):
    def act():
        if not done:
            done.append(True)
            action()
    done = []
    return act
{trouble}
sys.argv[0] = {train!r}
runpy.run_path({train!r}, run_name='__main__')
"""


def start(arguments, num_devices=2, trouble=None, redirect='', **environment):
    """train.py with `arguments`, begun; `trouble` is code for it to run first, `redirect` for its shell."""
    # Into files, as a run would wait for ever to be rid of what it says into a pipe that nobody reads.
    out, err = (tempfile.TemporaryFile('w+') for _ in range(2))  # noqa: SIM115
    train = str(ROOT / 'train.py')
    command = (
        [train] if trouble is None else ['-c', PRELUDE.format(root=str(ROOT), train=train, trouble=trouble)]
    )
    process = subprocess.Popen(
        ['sh', '-c', f'exec "$@" {redirect}', 'sh', sys.executable, *command, *arguments],
        env={**ENVIRONMENT, 'JAX_NUM_CPU_DEVICES': str(num_devices), **environment},
        stdout=out,
        stderr=err,
    )
    process.streams = out, err
    STARTED.append(process)
    return process


def start_several(arguments, num_processes, num_devices, trouble=None, own=None):
    """The same as several processes, each with so many devices; of each its `trouble` and `own` arguments."""
    port = free_port()
    return [
        start(
            [
                *arguments,
                f'--config.distributed.coordinator=localhost:{port}',
                f'--config.distributed.num_processes={num_processes}',
                f'--config.distributed.process_id={number}',
                *(own or {}).get(number, []),
            ],
            num_devices,
            (trouble or {}).get(number),
        )
        for number in range(num_processes)
    ]


def free_port():
    """A port of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(('', 0))
        return free.getsockname()[1]


def end(process, timeout=300):
    """What it said, (out, err), once it has ended."""
    process.wait(timeout)
    said = []
    for stream in process.streams:
        stream.seek(0)
        said.append(stream.read())
        stream.close()
    return said


def last_line(arguments, **how):
    """The last line of a run that ends well: step, kimg and the hash of the state."""
    process = start(arguments, **how)
    out, err = end(process)
    assert process.returncode == 0, err
    return out.splitlines()[-1]


def ended(process, code, *texts, timeout=300):
    """Asserts how a process ends, and that it says the texts; what it said on stderr."""
    out, err = end(process, timeout)
    assert process.returncode == code, f'{process.returncode} instead of {code}: {err}'
    for text in texts:
        assert text in err, err
    if code != 0:
        assert 'sha256' not in out, 'it had come to its end'
    return err


def wait_for(path, process):
    """Until a file is there; asserts that the process is at work all the while."""
    while not path.exists():
        assert process.poll() is None, f'ended before {path.name} was there: {end(process)[1]}'
        time.sleep(0.01)


def wait_for_line(process, text, timeout=200):
    """Until a process has said a text on stderr."""
    until = time.monotonic() + timeout
    err = process.streams[1]
    while text not in os.pread(err.fileno(), 2**24, 0).decode():
        assert process.poll() is None, end(process)[1]
        assert time.monotonic() < until, os.pread(err.fileno(), 2**24, 0).decode()
        time.sleep(0.05)


def kill(process):
    """SIGKILL to one that is at work; asserts that it was."""
    assert process.poll() is None, f'ended before it was killed: {end(process)}'
    process.send_signal(signal.SIGKILL)
    ended(process, -signal.SIGKILL)
