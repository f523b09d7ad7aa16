"""SIGTERM and SIGINT as a question that the loop asks when it is ready for them."""

import contextlib
import signal


@contextlib.contextmanager
def stop_signals():
    """A list that holds the name of SIGTERM or SIGINT once one has come; a second ends the process."""
    received = []

    def receive(number, frame):
        received.append(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    previous = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
