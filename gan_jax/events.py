"""TensorBoard's event files, each event on disk when it has been written."""

import contextlib
import sys
import time
from pathlib import Path
from typing import Any


class Events:
    """Writes numbers and pictures where TensorBoard finds them; by tensorboardX, without its thread.

    That thread ends at the first write that fails, and then the run would wait for it for ever.
    """

    def __init__(self, folder: Path, step: int):
        """
        Args:
            folder: for the files, made with the first event.
            step: steps done; what older files say about later ones is not shown any more.
        """
        self.folder, self.step = folder, step
        self.file, self.number = None, 0

    def scalars(self, step: int, values: dict) -> None:
        """{name: finite number}; raises OSError where they cannot be written."""
        tensorboard = _tensorboard()
        self._write(step, [tensorboard.summary.scalar(name, value) for name, value in values.items()])

    def image(self, step: int, picture) -> None:
        """uint8 [H, W, 1 or 3]; raises OSError where it cannot be written."""
        self._write(step, [_tensorboard().summary.image('samples', picture, dataformats='HWC')])

    def close(self) -> None:
        """Lets go of the file."""
        if self.file:
            with contextlib.suppress(OSError):  # all that could be written has been
                self.file.close()

    def _write(self, step, summaries):
        event = _tensorboard().event_file_writer.event_pb2.Event
        is_new = not self.file
        try:
            self.file = self.file or self._open(event)
            for summary in summaries:
                self.file.write_event(event(wall_time=time.time(), step=step, summary=summary))
            self.file.flush()
        except OSError:
            # It may end in half an event, after which nothing would be read: the next one begins a new file.
            self.close()
            if is_new and self.file:
                Path(self.file._file_name).unlink(missing_ok=True)
            self.file = None
            raise
        self.step = step

    def _open(self, event):
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two files of one second would have one name but for the suffix.
        suffix = f'.{self.step:08d}.{self.number}'
        self.number += 1
        file = _tensorboard().event_file_writer.EventsWriter(str(self.folder / 'events'), suffix)
        log = _tensorboard().event_file_writer.event_pb2.SessionLog
        start = log(status=log.START)  # takes back what older files say from that step on
        file.write_event(event(wall_time=time.time(), step=self.step + 1, session_log=start))
        return file


def _tensorboard() -> Any:
    """tensorboardX, without the PyTorch that it imports wherever it is installed.

    That would take seconds and put a second set of CUDA libraries beside JAX's.
    """
    hide = 'torch' not in sys.modules
    if hide:
        # Makes `import torch` an ImportError, which tensorboardX expects.
        sys.modules['torch'] = None  # pyright: ignore[reportArgumentType]
    try:
        import tensorboardX.event_file_writer
        import tensorboardX.summary
    finally:
        if hide:
            del sys.modules['torch']
    return tensorboardX
