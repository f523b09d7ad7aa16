"""Several processes as one run: how they find each other, and the little on which they have to agree."""

import contextlib
import functools
import json
import re
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from gan_jax import fields, parallel
from gan_jax.base import UserError

JOINING_SECONDS = 300  # that a process waits for the others when it begins
HEARTBEAT_SECONDS = 30  # a process silent for so long is taken for dead, and all others end
SHUTDOWN_SECONDS = 20  # that one which ends by a mistake of its own waits for the others
ADDRESS = re.compile(r'([^\s:]+|\[[\da-fA-F:.]+\]):(\d{1,5})')


def _is_address(text: str) -> bool:
    match = ADDRESS.fullmatch(text)
    return text in ('', 'auto') or (match is not None and int(match[2]) < 2**16)


FIELDS = {
    'distributed.coordinator': fields.text(
        "host:port of the first process, auto (TPU pod, Slurm or Open MPI), or '' for a process alone",
        _is_address,
    ),
    'distributed.num_processes': fields.whole(least=1, most=2**20),
    'distributed.process_id': fields.whole(least=0, most=2**20),
}


def check(distributed) -> None:
    """Raises UserError where the fields of `config.distributed` do not fit together."""
    number, own = distributed.num_processes, distributed.process_id
    if own >= number:
        raise UserError(
            f'--config.distributed.process_id: {own} will not do with {number} processes; '
            f'takes 0 to {number - 1}'
        )
    if number > 1 and not distributed.coordinator:
        raise UserError(
            "--config.distributed.coordinator: '' will not do with several processes; "
            'takes host:port of the first'
        )
    if number > 1 and distributed.coordinator == 'auto':
        raise UserError(
            f"--config.distributed.num_processes: {number} will not do with 'auto', which tells it; takes 1"
        )


def join(distributed) -> None:
    """Makes this process one of several, as `config.distributed` says; call it before JAX has devices.

    Where one of them dies, JAX ends all others within a minute: at once for the first, otherwise after
    HEARTBEAT_SECONDS.

    Raises:
        UserError: the others could not be found.
    """
    if not distributed.coordinator or jax.distributed.is_initialized():
        return
    # Its handler of SIGTERM would take the place of the run's, which knows SIGINT as well.
    jax.config.update('jax_enable_preemption_service', False)
    given = ()
    try:
        if distributed.coordinator != 'auto':
            given = distributed.coordinator, distributed.num_processes, distributed.process_id
            _meet(*given)
        jax.distributed.initialize(
            *given,
            initialization_timeout=JOINING_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        first_line = str(error).partition('\n')[0]
        raise UserError(
            f'--config.distributed.coordinator: {distributed.coordinator!r} gives no other process '
            f'({first_line}); takes host:port of the first, reachable from here'
        ) from None


def _meet(address: str, num_processes: int, process_id: int) -> None:
    """Returns when all processes are there; raises OSError where they are not within JOINING_SECONDS.

    JAX would wait as long, but then end the process by a signal.
    """
    host, port = address.rsplit(':', 1)
    host, until = host.strip('[]'), time.monotonic() + JOINING_SECONDS
    if process_id == 0:
        print(f'waiting for {num_processes - 1} more at {address}', file=sys.stderr)
        _gather_the_others(int(port), num_processes, until)
        return
    socket.getaddrinfo(host, port)  # a name that nobody knows will not be known later
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=5) as first:
                first.sendall(b'%d\n' % process_id)
                first.settimeout(max(1, until - time.monotonic()))
                if first.recv(1) == b'+':
                    return
                problem = ConnectionError('the first process waits no longer')
        except OSError as error:  # it may start later than this one, or again
            problem = error
        if time.monotonic() > until:
            raise problem
        time.sleep(0.5)


def _gather_the_others(port: int, num_processes: int, until: float) -> None:
    """Waits at `port` until each of them has said its number, and then tells all to go on.

    One that has hung up meanwhile is waited for again: it has tried before, and will once more.
    """
    there = []  # numbers, and the connections of those who have said them
    with contextlib.ExitStack() as stack:
        is_dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if is_dual else socket.AF_INET
        door = stack.enter_context(socket.create_server(('', port), family=family, dualstack_ipv6=is_dual))
        while missing := set(range(1, num_processes)) - {number for number, _ in there}:
            door.settimeout(max(0.01, until - time.monotonic()))
            try:
                other, _ = door.accept()
            except TimeoutError:
                raise TimeoutError(
                    f'process {min(missing)} was not there after {JOINING_SECONDS} s'
                ) from None
            stack.enter_context(other)
            other.settimeout(5)
            with contextlib.suppress(OSError, ValueError):  # a stranger
                number = int(other.recv(16))
                if 0 < number < num_processes:
                    there.append((number, other))
            there = [(number, other) for number, other in there if not _has_hung_up(other)]
        for _, other in there:
            with contextlib.suppress(OSError):  # it has died since, which JAX will find
                other.sendall(b'+')
                other.recv(1)  # until it has hung up, as the port of who does so first stays taken


def _has_hung_up(other: socket.socket) -> bool:
    """Whether nobody is at the other end of a connection, on which nothing more is to be said."""
    patience = other.gettimeout()
    other.setblocking(False)
    try:
        return other.recv(1, socket.MSG_PEEK) == b''
    except BlockingIOError:  # it waits
        return False
    except OSError:
        return True
    finally:
        other.settimeout(patience)


def is_first() -> bool:
    """Whether this is the process that writes: logs, pictures and checkpoints."""
    return jax.process_index() == 0


def of_all(function: Callable[[], Any]) -> Any:
    """What `function()` gives in this process; raises in all of them the UserError that it raised in one."""
    result, mistake = None, b''
    try:
        result = function()
    except UserError as error:
        mistake = str(error).encode()
    for number, text in enumerate(_gather(mistake)):
        if text:
            raise UserError(
                text.decode() if jax.process_count() == 1 else f'{text.decode()} (process {number})'
            )
    return result


def check_same(facts: dict[str, Any]) -> None:
    """Raises UserError, in all processes, where one has another value of a fact than the first."""
    first, *others = (json.loads(text) for text in _gather(json.dumps(facts).encode()))
    for number, other in enumerate(others, start=1):
        for name in sorted(first | other):
            ours, theirs = first.get(name), other.get(name)
            if ours != theirs:
                values = f'{ours!r} in the first process and {theirs!r} in process {number}'
                raise UserError(f'{name}: {values}; takes one value in all')


def of_first(function: Callable[[], Any], pack: Callable = bytes, unpack: Callable = bytes) -> Any:
    """What `function()` gives in the first process, in all; raises the UserError that it raised there.

    Args:
        function: called in the first process alone.
        pack: what it gives -> bytes, to be sent; None gives none.
        unpack: bytes -> what it gave.
    """
    if jax.process_count() == 1:
        return function()
    given = b''
    if is_first():
        try:
            result = function()
            given = b'+' + (b'' if result is None else pack(result))
        except UserError as error:
            given = b'-' + str(error).encode()
    with jax.transfer_guard('allow'):
        size = int(_broadcast(_eight_bytes(len(given))).view(np.int64)[0])
        # As bytes: a sum of floats, which a broadcast is, would lose the sign of zero.
        given = _broadcast(np.frombuffer(given or bytes(size), np.uint8)).tobytes()
    if given[:1] == b'-':
        raise UserError(given[1:].decode())
    return unpack(memoryview(given)[1:])


def _broadcast(numbers: np.ndarray) -> np.ndarray:
    return np.asarray(multihost_utils.broadcast_one_to_all(numbers))


def _gather(text: bytes) -> list[bytes]:
    """Those of all processes."""
    if jax.process_count() == 1:
        return [text]
    with jax.transfer_guard('allow'):
        sizes = multihost_utils.process_allgather(_eight_bytes(len(text))).view(np.int64).reshape(-1)
        padded = np.frombuffer(text.ljust(max(1, sizes.max()), b' '), np.uint8)
        rows = multihost_utils.process_allgather(padded)
    return [row.tobytes()[:size] for row, size in zip(rows, sizes, strict=True)]


def _eight_bytes(number: int) -> np.ndarray:
    return np.array([number], np.int64).view(np.uint8)


def in_any(flag: Callable[[], bool], devices) -> Callable[[], bool]:
    """Asks all processes whether `flag()`; all must ask at the same place between their dispatches.

    Returns:
        The answer, `() -> bool`, the same in all. In several processes it is about this moment and comes when
        the devices get there; a process alone asks itself when it is called.
    """
    if jax.process_count() == 1:
        return flag
    votes = np.full(len(parallel.local(devices)), flag())
    answer = _any_of(tuple(devices))(parallel.shard(votes, devices))
    return lambda: bool(parallel.fetch(answer))


@functools.cache
def _any_of(devices):
    return jax.jit(jnp.any, out_shardings=parallel.replicated(devices))
