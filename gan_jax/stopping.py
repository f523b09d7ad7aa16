"""SIGTERM and SIGINT as a question that the loop asks when it is ready for them."""

import contextlib
import os
import shlex
import signal
import sys
import threading

from gan_jax.base import Preempted

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_outside_a_run() -> None:
    """Has either signal end the process as `Preempted` does: before a run, and after it, nothing is lost."""

    def end(number, frame):
        name, go_on = signal.Signals(number).name, shlex.join(sys.orig_argv)
        with contextlib.suppress(OSError):
            os.write(2, f'{name} while no run was at work; to go on: {go_on}\n'.encode())
        os._exit(Preempted.exit_code)  # an exception might be caught by what is being imported

    for number in SIGNALS:
        signal.signal(number, end)


@contextlib.contextmanager
def stop_signals():
    """A list that holds the name of a signal once it has come; a second one ends the process at once.

    A thread of its own hears them, as handlers wait for the main thread, which may be in XLA for long.
    """
    received = []
    hearing, saying = os.pipe()
    os.set_blocking(saying, False)  # or Python refuses it

    def listen():
        while number := os.read(hearing, 1):
            if number[0] in SIGNALS:
                if received:
                    os._exit(128 + number[0])  # as a shell would call death by it
                received.append(signal.Signals(number[0]).name)

    listener = threading.Thread(target=listen, name='signals', daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(saying, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda number, frame: None) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(saying)
        listener.join()
        os.close(hearing)
