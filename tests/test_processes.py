"""How a process finds the others, and what a person is told who has given it the wrong address.

Runs of several processes are in tests/faults/test_several_processes.py.
"""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from gan_jax import parallel, processes
from gan_jax.base import UserError
from runs import free_port


def distributed(coordinator='', num_processes=1, process_id=0):
    return SimpleNamespace(coordinator=coordinator, num_processes=num_processes, process_id=process_id)


@pytest.mark.parametrize(
    'fields',
    [
        distributed(),
        distributed('auto'),
        distributed('host0:1234', 2, 1),
        distributed('[fe80::1]:1234', 8, 7),
    ],
)
def test_fields_that_fit_together(fields):
    processes.check(fields)


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        (distributed('host0:1234', 2, 2), 'process_id: 2 will not do with 2 processes; takes 0 to 1'),
        (distributed('', 2, 0), "coordinator: '' will not do with several processes; takes host:port"),
        (distributed('auto', 2, 0), "num_processes: 2 will not do with 'auto', which tells it; takes 1"),
    ],
)
def test_fields_that_do_not_fit_together(fields, expected):
    with pytest.raises(UserError, match=f'--config.distributed.{expected}'):
        processes.check(fields)


@pytest.mark.parametrize('text', ['host', 'host:', ':1234', 'host:port', 'a b:1', 'host:1234567', '::1'])
def test_addresses_that_are_none(text):
    field = processes.FIELDS['distributed.coordinator']
    with pytest.raises(ValueError, match='takes host:port of the first process'):
        field.parse(text)


def test_a_host_that_nobody_knows(monkeypatch):
    fields = distributed('no-such-host.invalid:1234', 2, 1)
    with pytest.raises(UserError, match=r"coordinator: 'no-such-host.invalid:1234' gives no other process"):
        processes.join(fields)


def test_a_first_process_that_does_not_come(monkeypatch):
    monkeypatch.setattr(processes, 'JOINING_SECONDS', 0.1)
    with pytest.raises(UserError, match='refused'):
        processes.join(distributed('localhost:1', 2, 1))


def test_others_that_do_not_come(monkeypatch):
    monkeypatch.setattr(processes, 'JOINING_SECONDS', 0.1)
    with pytest.raises(UserError, match=r'process 1 was not there after 0.1 s'):
        processes.join(distributed(f'localhost:{free_port()}', 3, 0))


def test_they_meet_whatever_strangers_say():
    """Each returns when all are there; one has tried before, and a port scanner and a browser come by."""
    port = free_port()
    with ThreadPoolExecutor() as threads:
        meeting = [threads.submit(processes._meet, f'localhost:{port}', 3, number) for number in (0, 1)]
        for said in (b'', b'GET / HTTP/1.1', b'7', b'0', b'1'):
            while True:
                with (
                    contextlib.suppress(ConnectionError),
                    socket.create_connection(('localhost', port)) as it,
                ):
                    it.sendall(said)
                    break
            assert not any(each.done() for each in meeting)
        meeting.append(threads.submit(processes._meet, f'localhost:{port}', 3, 2))
        assert [each.result(20) for each in meeting] == [None] * 3


def test_one_that_has_hung_up_is_waited_for_again():
    """As it may have tried, and given up, before the others came."""
    port = free_port()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(processes._meet, f'localhost:{port}', 3, 0)
        while True:
            with contextlib.suppress(ConnectionError), socket.create_connection(('localhost', port)) as it:
                it.sendall(b'1\n')
                break
        second = threads.submit(processes._meet, f'localhost:{port}', 3, 2)
        with pytest.raises(TimeoutError):
            first.result(1)
        late = threads.submit(processes._meet, f'localhost:{port}', 3, 1)
        assert [each.result(20) for each in (first, second, late)] == [None] * 3


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(('', 0))
        taken.listen()
        with pytest.raises(UserError, match='in use'):
            processes.join(distributed(f'localhost:{taken.getsockname()[1]}', 2, 0))


def test_auto_where_nobody_tells():
    with pytest.raises(UserError, match="'auto' gives no other process"):
        processes.join(distributed('auto'))


def test_a_process_alone_asks_itself():
    devices = parallel.all_devices()
    told = []
    answer = processes.in_any(lambda: bool(told), devices)
    assert not answer()
    told.append('SIGTERM')  # after it was asked
    assert answer()
    assert processes.of_first(lambda: b'what it says') == b'what it says'
    assert not processes.of_first(lambda: None)
    assert processes.is_first()
    assert parallel.local(devices) == devices
    assert parallel.local_places(devices) == slice(0, 8)
