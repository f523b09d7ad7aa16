"""A PyTorch process that does the same steps when it is told to, in an environment of its own."""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gan_jax.base import UserError
from gan_jax.config import to_json

HERE = Path(__file__).parent
FORMS = ('eager', 'channels_last', 'compile')  # the last is torch.compile on channels_last


class Peer:
    """One form of the peer; it starts beside the others and then waits idly for its turns."""

    def __init__(self, config, batch_size: int, form: str, python: str):
        self.form, self.step_seconds = form, []
        self.errors = tempfile.TemporaryFile('w+')  # noqa: SIM115, as it lives as long as the process
        fields = {**json.loads(to_json(config)), 'batch_size': batch_size}
        request = json.dumps({'form': form, 'config': fields})
        self.process = subprocess.Popen(
            [python, HERE / 'peers' / 'serve.py', request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.requests: Any = self.process.stdin
        self.answers: Any = self.process.stdout

    def warm_up(self) -> None:
        """Has it compile and take its first steps; raises UserError with its last words where it ends."""
        self.about = json.loads(self._answer_to('warm up'))

    def run(self, num_steps, is_counted):
        """Has it do `num_steps`."""
        seconds = float(self._answer_to(num_steps))
        if is_counted:
            self.step_seconds.append(seconds / num_steps)

    def report(self) -> dict:
        """Its version and its peak of memory; ends it."""
        self.requests.close()
        return {**self.about, 'peak_memory_bytes': json.loads(self._answer())}

    def close(self) -> None:
        """Ends it, however far it got."""
        self.process.kill()
        self.process.wait()
        for stream in (self.requests, self.answers, self.errors):
            with contextlib.suppress(BrokenPipeError):  # a request that it no longer read
                stream.close()

    def _answer_to(self, request) -> str:
        with contextlib.suppress(BrokenPipeError):  # it has ended; its last words are below
            print(request, file=self.requests, flush=True)
        return self._answer()

    def _answer(self) -> str:
        line = self.answers.readline()
        if not line:
            self.errors.seek(0)
            last = [text for text in self.errors.read().splitlines() if text.strip()][-1:] or ['it ended']
            raise UserError(f'--peer: the form {self.form!r} of the peer: {last[0]}')
        return line


def peer_python(given: str | None) -> str:
    """The Python that was given, else the one that `make bench` sets up, else this one."""
    made = HERE.parent / '.venv-peers' / 'bin' / 'python'
    return given or (str(made) if made.exists() else sys.executable)
