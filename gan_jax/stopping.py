"""SIGTERM and SIGINT as a question that the loop asks when it is ready for them."""

import contextlib
import signal


@contextlib.contextmanager
def stop_signals():
    """A list that holds the name of SIGTERM or SIGINT once one has come; a second ends the process."""
    received = []

    def receive(number, frame):
        received.append(signal.Signals(number).name)
        for each in previous:
            signal.signal(each, signal.SIG_DFL)

    previous = dict.fromkeys((signal.SIGTERM, signal.SIGINT))
    for number in previous:
        previous[number] = signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
