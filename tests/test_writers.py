"""Promises of what a run writes as it goes: no doubles, no tears, plain lines."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

from gan_jax import pictures, writers
from gan_jax.base import UserError


def read_events(workdir):
    """TensorBoard's record format: length (8 bytes), its checksum (4), an Event, its checksum (4)."""
    events = []
    for path in sorted((workdir / 'tensorboard').iterdir()):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], 'little')
            events.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return events


def write_run(workdir, steps, step=0):
    writer = writers.MetricsWriter(workdir, step)
    for i in steps:
        writer.write(i, i * 0.064, {'generator_loss': np.float32(i / 4)})
    writer.close()
    return writer


def test_records_read_back_at_once_and_in_order(tmp_path):
    writer = writers.MetricsWriter(tmp_path / 'new' / 'run')
    writer.write(10, 0.64, {'generator_loss': np.float32(2.5)})
    writer.write(np.int32(20), 1.28, {})
    expected = [{'step': 10, 'kimg': 0.64, 'generator_loss': 2.5}, {'step': 20, 'kimg': 1.28}]
    assert writers.read_records(tmp_path / 'new' / 'run' / 'metrics.jsonl') == expected
    assert writer.path.read_text().startswith('{"step": 10, "kimg": 0.64, "generator_loss": 2.5}\n')
    writer.close()


@pytest.mark.parametrize(('step', 'kept'), [(0, []), (20, [10, 20]), (25, [10, 20]), (30, [10, 20, 30])])
def test_resume_cuts_back_to_the_checkpoint(tmp_path, step, kept):
    path = write_run(tmp_path, (10, 20, 30)).path
    before = path.read_bytes().splitlines()
    write_run(tmp_path, (40,), step=step)
    assert [record['step'] for record in writers.read_records(path)] == [*kept, 40]
    assert path.read_bytes().splitlines()[:-1] == before[: len(kept)]  # what stays, stays byte for byte
    assert sorted(path.name for path in tmp_path.iterdir()) == ['metrics.jsonl', 'tensorboard']


@pytest.mark.parametrize(
    'tail', ['{"step": 30, "kimg": 1', '{"step": 15}', '{"step": 15, "\n', '\x00\n', '3\n']
)
def test_torn_last_line_is_dropped(tmp_path, tail):
    path = write_run(tmp_path, (10, 20)).path
    with open(path, 'a') as file:
        file.write(tail)
    assert [record['step'] for record in writers.read_records(path)] == [10, 20]
    writer = write_run(tmp_path, (40,), step=30)
    assert [json.loads(line)['step'] for line in path.read_text().splitlines()] == [10, 20, 40]
    assert len(writers.read_records(writer.path)) == 3


def test_non_finite_metrics_are_valid_json(tmp_path):
    writer = writers.MetricsWriter(tmp_path)
    writer.write(1, 0.1, {'a': np.float32('nan'), 'b': float('inf'), 'c': -np.inf, 'd': 3})
    writer.close()

    def refuse(constant):
        raise AssertionError(constant)

    record = json.loads(writer.path.read_text(), parse_constant=refuse)
    assert record == {'step': 1, 'kimg': 0.1, 'a': None, 'b': None, 'c': None, 'd': 3.0}


def test_tensorboard_events(tmp_path):
    picture = np.full((4, 6, 1), 7, np.uint8)
    writer = writers.MetricsWriter(tmp_path)
    writer.write(5, 0.3, {'generator_loss': 1.5, 'discriminator_loss': float('nan')})
    writer.image(5, picture)
    writer.close()
    values = [(event.step, value) for event in read_events(tmp_path) for value in event.summary.value]
    assert [(step, value.tag) for step, value in values] == [(5, 'generator_loss'), (5, 'samples')]
    assert values[0][1].simple_value == 1.5
    shown = np.asarray(Image.open(io.BytesIO(values[1][1].image.encoded_image_string)))
    np.testing.assert_array_equal(shown[..., :1], picture)


def test_tensorboard_hides_what_was_taken_back(tmp_path):
    write_run(tmp_path, (10, 20, 30))
    write_run(tmp_path, (30, 40), step=20)
    events = read_events(tmp_path)
    restarts = [event.step for event in events if event.HasField('session_log')]
    assert restarts == [1, 21]  # from this step on, what came before in the file order is hidden
    assert [event.step for event in events if event.summary.value] == [10, 20, 30, 30, 40]


def test_a_failed_event_hides_nothing_and_leaves_no_empty_file(tmp_path, monkeypatch):
    """On a disk that is full from step 30 to 50."""
    writer = writers.MetricsWriter(tmp_path)
    flush, full = EventsWriter.flush, []

    def flush_unless_full(events):
        if full:
            raise OSError(full.pop(), 'No space left on device')
        return flush(events)

    monkeypatch.setattr(EventsWriter, 'flush', flush_unless_full)
    for step in range(10, 70, 10):
        if 30 <= step <= 50:
            full.append(errno.ENOSPC)
        writer.write(step, step * 0.064, {'generator_loss': 1})
    writer.close()
    shown = []
    for event in read_events(tmp_path):
        if event.HasField('session_log'):
            shown = [step for step in shown if step < event.step]
        elif event.summary.value:
            shown.append(event.step)
    assert shown == [10, 20, 60]
    assert len(list((tmp_path / 'tensorboard').iterdir())) == 2


@pytest.mark.parametrize('size', [2**20, 2**40], ids=['a line', 'a file'])
def test_a_log_that_no_run_has_written_is_not_read_into_memory(size, tmp_path):
    path = write_run(tmp_path, (10, 20)).path
    os.truncate(path, size)  # takes no room on the disk
    if size == 2**40:
        with pytest.raises(UserError, match=r"^--workdir: '.*metrics.jsonl' has more than 4294967296 bytes"):
            writers.read_records(path)
    else:
        assert [record['step'] for record in writers.read_records(path)] == [10, 20]


def test_a_line_of_brackets_is_no_record(tmp_path):
    path = write_run(tmp_path, (10, 20)).path
    with open(path, 'a') as file:
        file.write('[' * 60_000 + '\n')
    assert [record['step'] for record in writers.read_records(path)] == [10, 20]


def test_pytorch_is_not_imported(tmp_path):
    (tmp_path / 'torch.py').write_text('raise SystemExit("imported")')
    code = 'import sys; from gan_jax import writers; writers.MetricsWriter("run").close(); '
    code += 'sys.exit("torch" in sys.modules or "tensorflow" in sys.modules)'
    root = str(pictures.Path(writers.__file__).parents[1])
    environment = {'PYTHONPATH': f'{tmp_path}:{root}'}
    done = subprocess.run([sys.executable, '-W', 'error', '-c', code], cwd=tmp_path, env=environment)
    assert done.returncode == 0


def run_progress(stream):
    times = iter([60, 70, 80])  # a minute of compilation, then 6,400 images in ten seconds
    with writers.progress(4000, 256, initial=100, stream=stream, clock=lambda: next(times)) as report:
        losses = {'discriminator_loss': 1.25, 'generator_loss': float('nan')}
        report(200, 12.8, {**losses, 'real_probability': 0.75, 'fake_probability': 0.125})
        report(300, 19.2, {**losses, 'images_per_second': 640.4, 'other': 1})
        report(4000, 256, {})
    return stream.getvalue()


def test_progress_is_plain_lines_without_a_terminal():
    assert run_progress(io.StringIO()).split('\n') == [
        'step 200/4000 · 12.8 kimg · loss D 1.250 G nan · D(real) 0.750 D(fake) 0.125 · ? left',
        'step 300/4000 · 19.2 kimg · loss D 1.250 G nan · 640.4 images/s · 6 min 10 s left',
        'step 4000/4000 · 256 kimg · 0 s left',
        '',
    ]


def test_progress_is_one_line_on_a_terminal():
    stream = io.StringIO()
    stream.isatty = lambda: True
    shown = run_progress(stream)
    assert shown.count('\n') == 1  # the end
    assert 'compiling' in shown.split('\r')[1]
    line = 'step 300/4000 · 640.4 images/s · loss D 1.250 G nan · 6 min 10 s left'
    assert line in shown


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0.4, '0 s'), (59.6, '1 min 0 s'), (3599, '59 min 59 s'), (7500, '2 h 5 min'), (97300, '1 d 3 h')],
)
def test_duration(seconds, text):
    assert writers._duration(seconds) == text


def test_a_line_that_does_not_fit_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    """Half of it has been written when the disk is full."""
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(b'{"step": 1}\n')

    class Full(io.FileIO):
        def write(self, data):
            if len(data) < 8:
                raise OSError(errno.ENOSPC, 'No space left on device')
            return super().write(data[: len(data) // 2])

    monkeypatch.setattr(writers, 'open', lambda path, mode, buffering: Full(path, mode), raising=False)
    with pytest.raises(OSError, match='No space'):
        writers.append_whole(path, b'{"step": 2, "kimg": 3}\n')
    assert path.read_bytes() == b'{"step": 1}\n'


@pytest.mark.parametrize(
    'line', [b'{"step": null, "kimg": 1}', b'{"step": 1}', b'{"step": true, "kimg": 1}', b'[1]']
)
def test_lines_that_are_no_records_are_left_out(line, tmp_path):
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(b'{"step": 1, "kimg": 0.1}\n' + line + b'\n')
    assert writers.read_records(path) == [{'step': 1, 'kimg': 0.1}]


def test_nobody_listens(monkeypatch):
    """A run does not end because stderr is closed, or a file on a full disk."""
    full = open('/dev/full', 'w')  # noqa: SIM115
    monkeypatch.setattr(sys, 'stderr', full)
    writers.say('the disk is full')
    with writers.progress(10, 1, stream=full) as report:
        report(1, 0.1, {})
    with contextlib.suppress(OSError):
        full.close()
    writers.say('it is closed')
