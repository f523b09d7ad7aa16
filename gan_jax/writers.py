"""What a run leaves behind (metrics.jsonl, TensorBoard events) and what the terminal shows while it runs."""

import collections
import contextlib
import json
import math
import sys
import time
from pathlib import Path

from tqdm import tqdm

from gan_jax.base import UserError
from gan_jax.events import Events
from gan_jax.pictures import DISTANCES, write_atomically

MOST_BYTES, MOST_BYTES_OF_A_LINE = 2**32, 2**16  # of a metrics.jsonl; what is larger is not read


class MetricsWriter:
    """Writes a run's numbers and pictures into its workdir: metrics.jsonl, and TensorBoard events beside it.

    metrics.jsonl has one JSON object per line: `step`, `kimg` (thousands of reals seen), then the metrics.
    A run that goes on from a checkpoint takes back what was written after it, so that no step stands twice.
    Where something cannot be written, as on a full disk, that is said, and what was there before stays whole.
    """

    def __init__(self, workdir, step=0):
        """Opens the workdir, creating it where it is missing.

        Args:
            workdir: the run's folder.
            step: steps done at the checkpoint that the run goes on from, 0 where it starts.
        """
        self.path = Path(workdir) / 'metrics.jsonl'
        kept = [json.dumps(record) + '\n' for record in read_records(self.path) if record['step'] <= step]
        write_atomically(self.path, ''.join(kept).encode())
        self.events = Events(Path(workdir) / 'tensorboard', step)

    def write(self, step, kimg, metrics):
        """Appends one record, on disk when this returns.

        Args:
            step: steps done.
            kimg: thousands of reals seen.
            metrics: {name: number}; one that is not finite becomes null, and a gap in TensorBoard.
        """
        metrics = finite(metrics)
        append_record(self.path, {'step': int(step), 'kimg': float(kimg), **metrics})
        with surviving(step, "TensorBoard's numbers"):
            self.events.scalars(step, {name: value for name, value in metrics.items() if value is not None})

    def image(self, step, picture):
        """Shows a picture in TensorBoard: uint8 [H, W, 1 or 3]."""
        with surviving(step, "TensorBoard's picture"):
            self.events.image(step, picture)

    def add(self, step, metrics):
        """More of a step that has been written."""
        metrics = finite(metrics)
        with surviving(step, 'more numbers'):
            amend(self.path, {'step': int(step)}, metrics)
            self.events.scalars(step, {name: value for name, value in metrics.items() if value is not None})

    def close(self):
        """Lets go of the files."""
        self.events.close()


def amend(path, facts: dict, metrics: dict) -> None:
    """Adds metrics, {name: number or None}, to those records of metrics.jsonl that have these facts."""
    records = read_records(path)
    for record in records:
        if facts.items() <= record.items():
            record |= metrics
    write_atomically(path, ''.join(json.dumps(record) + '\n' for record in records).encode())


def finite(metrics):
    """{name: float}, None where a number is not finite."""
    metrics = {name: float(value) for name, value in metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def append_record(path, record):
    """Appends a line of JSON to a metrics.jsonl, or says why it could not be."""
    with surviving(record['step'], f'the line in {path.name}'):
        append_whole(path, (json.dumps(record, allow_nan=False) + '\n').encode())


@contextlib.contextmanager
def surviving(step, what):
    """Says when `what` could not be written for want of room or rights, and goes on."""
    try:
        yield
    except OSError as error:
        say(f'step {step}: {what} could not be written ({error.strerror or error}); the run goes on')


def append_whole(path, data):
    """Appends `data` (bytes) to a file, or leaves it as long as it was and raises OSError."""
    with open(path, 'ab', buffering=0) as file:
        size = file.tell()
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(size)
            raise


def read_records(path):
    """Reads metrics.jsonl: a list of dicts, oldest first, None where a metric was not finite.

    A file that is missing has no records. A line that a kill tore, without its end or broken, is left out.

    Raises:
        UserError: it is too large to be a run's.
    """
    path = Path(path)
    if not path.exists():
        return []
    if path.stat().st_size > MOST_BYTES:
        raise UserError(
            f'--workdir: {str(path)!r} has more than {MOST_BYTES} bytes; takes the folder of a run'
        )
    records = []
    with open(path, 'rb') as file:
        while line := file.readline(MOST_BYTES_OF_A_LINE):
            with contextlib.suppress(ValueError, RecursionError):
                if line.endswith(b'\n') and _is_record(record := json.loads(line)):
                    records.append(record)
    return records


def _is_record(record):
    is_number = lambda x: isinstance(x, int | float) and not isinstance(x, bool)
    return isinstance(record, dict) and all(is_number(record.get(name)) for name in ('step', 'kimg'))


@contextlib.contextmanager
def progress(total_steps, total_kimg, initial=0, stream=None, clock=time.monotonic):
    """Shows how far the run is: a bar on a terminal, one plain line per report anywhere else.

    Used as `with progress(…) as report:` and then `report(step, kimg, metrics)` at every log. No metric is
    required. The time left comes from the images per second over the last 20 reports, and is unknown (?)
    at the first, whose time is mostly compilation.

    Args:
        total_steps: steps at the end of the run.
        total_kimg: thousands of reals seen at the end of the run (not from the steps: batch sizes change).
        initial: steps done when the run starts or goes on.
        stream: where to, stderr if None.
        clock: () -> seconds.

    Yields:
        report: (step, kimg, metrics) -> None.
    """
    stream = sys.stderr if stream is None else stream
    recent = collections.deque(maxlen=20)

    def facts(step, kimg, metrics):
        recent.append((clock(), kimg))
        seconds, thousands = recent[-1][0] - recent[0][0], recent[-1][1] - recent[0][1]
        left = _duration((total_kimg - kimg) * seconds / thousands) if thousands > 0 else '?'
        speed = metrics.get('images_per_second')
        return {
            'step': f'step {step}/{total_steps}',
            'kimg': f'{_short(kimg)} kimg',
            'losses': _named(metrics, {'loss D': 'discriminator_loss', 'G': 'generator_loss'}),
            'beliefs': _named(metrics, {'D(real)': 'real_probability', 'D(fake)': 'fake_probability'}),
            'quality': ' '.join(f'{name} {_short(value)}' for name, value in _quality(metrics)),
            'speed': '' if speed is None else f'{_short(speed)} images/s',
            'left': f'{left} left',
        }

    if not stream.isatty():

        def report(step, kimg, metrics):
            line = ' · '.join(filter(None, facts(step, kimg, metrics).values()))
            with contextlib.suppress(OSError, ValueError):  # see `say`
                print(line, file=stream, flush=True)

        yield report
        return

    bar_format = '{bar} {desc}'  # no percentage: 80 columns hold the facts and a short bar
    first = f'step {initial}/{total_steps} · compiling'
    options = {'file': stream, 'dynamic_ncols': True, 'bar_format': bar_format}
    with tqdm(desc=first, total=total_steps, initial=initial, **options) as bar:

        def report(step, kimg, metrics):
            shown = facts(step, kimg, metrics)
            bar.n = step
            text = ' · '.join(
                shown[name] for name in ('step', 'speed', 'losses', 'quality', 'left') if shown[name]
            )
            bar.set_description_str(text)

        yield report


def say(text):
    """Prints a line on stderr without tearing a progress bar that is being shown.

    A run does not end because nobody can be told: stderr may be closed, or a file on a full disk.
    """
    with contextlib.suppress(OSError, ValueError):
        tqdm.write(text, file=sys.stderr)


def _short(number):
    """Four digits, never an exponent for what is large: 0.6931, 12.8, 1280, 24310."""
    return f'{number:.0f}' if abs(number) >= 1000 else f'{number:.4g}'


def _quality(metrics):
    """Of what has been measured, the Fréchet distances and the modes."""
    return [(name, metrics[name]) for name in metrics if DISTANCES.fullmatch(name) or name == 'modes']


def _named(metrics, names):
    return ' '.join(f'{label} {metrics[name]:.3f}' for label, name in names.items() if name in metrics)


def _duration(seconds):
    """The two largest units of a time: 4 s, 3 min 20 s, 2 h 5 min, 1 d 3 h."""
    seconds = round(seconds)
    for name, size, small_name, small in (
        ('d', 86400, 'h', 3600),
        ('h', 3600, 'min', 60),
        ('min', 60, 's', 1),
    ):
        if seconds >= size:
            return f'{seconds // size} {name} {seconds % size // small} {small_name}'
    return f'{seconds} s'
