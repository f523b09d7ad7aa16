"""Whether a long run stays as it began: python benchmarks/soak.py --steps=20000

Runs the real command line and looks at the memory of its process and the time of its steps all the while, by
the clock and of the processors: on a shared machine the clock tells of the others, too. Prints them over the
run, and those of its last 2,000 steps over those of the 2,000 after the first 1,000; fails where memory or
processor time is more than 2 % above. Pictures and checkpoints come every 500 steps, the first before that.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_jax import cli
from gan_jax.base import TrainingFailed

ROOT = Path(__file__).resolve().parent.parent
EVERY = 100  # steps in a line of the log
MOST = 1.02  # at the end, of what it was at the beginning


class Row(NamedTuple):
    """What was seen between two lines of the log."""

    step: int
    resident_bytes: float  # mean, as memory for a dispatch comes and goes
    step_seconds: float
    processor_seconds: float  # of a step, by all threads


def main(arguments: list[str]) -> None:
    """Reads the command line, runs and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', default=str(ROOT / 'configs/gan_fashion_mnist.py'), help='of the run')
    parser.add_argument('--steps', type=cli.whole_number(5000), default=20_000, help='of the run')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    with tempfile.TemporaryDirectory() as workdir:
        seen = watch(options, overrides, Path(workdir))
    print(f'{"steps":>15} {"MiB":>9} {"ms/step":>9} {"processors":>11}')
    for first in range(0, options.steps, 1000):
        memory, seconds, processor = medians(seen, first, first + 1000)
        times = f'{1000 * seconds:9.3f} {1000 * processor:11.3f}'
        print(f'{first:6} – {first + 1000:6} {memory / 2**20:9.1f} {times}')
    beginning, end = medians(seen, 1000, 3000), medians(seen, options.steps - 2000, options.steps)
    memory, seconds, processor = (after / before for before, after in zip(beginning, end, strict=True))
    print(
        f'memory {memory:.4f}, a step {seconds:.4f}, of processors {processor:.4f} of that after 1,000 steps'
    )
    if max(memory, processor) > MOST:
        raise TrainingFailed(f'that is more than {MOST}')


def medians(seen: list[Row], after: int, until: int) -> list[float]:
    """Bytes, and both times of a step, among the lines of the log of those steps."""
    rows = [row for row in seen if after < row.step <= until]
    _, *columns = zip(*rows, strict=True)
    return [statistics.median(column) for column in columns]


def watch(options, overrides: dict, workdir: Path) -> list[Row]:
    """A row for each line of the log."""
    command = [sys.executable, str(ROOT / 'train.py'), f'--config={options.config}']
    every = {f'{name}_every_steps': 500 for name in ('sample', 'checkpoint')} | {'log_every_steps': EVERY}
    every |= {'num_steps': options.steps, **overrides}
    command += [f'--workdir={workdir}/run', *(f'--config.{name}={value}' for name, value in every.items())]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    log, seen, memory, used = workdir / 'run/metrics.jsonl', [], [], 0.0
    while process.poll() is None:
        time.sleep(0.05)
        memory.append(resident_bytes(process.pid))
        lines = log.read_text().splitlines()[len(seen) :] if log.exists() else []
        if lines:
            before, used = used, processor_seconds(process.pid)
        for line in lines:
            record = json.loads(line)
            batch_size = 1000 * record['kimg'] / record['step']
            seconds = batch_size / record.get('images_per_second', float('nan'))
            processor = (used - before) / len(lines) / EVERY
            seen.append(Row(record['step'], statistics.mean(memory), seconds, processor))
            memory = memory[-1:]
    if process.returncode:
        raise TrainingFailed(f'the run ended with code {process.returncode}')
    return seen


def processor_seconds(pid: int) -> float:
    """Of a process, of all its threads, so far; 0 where it has ended."""
    try:
        numbers = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return 0.0
    return sum(map(int, numbers[11:13])) / os.sysconf('SC_CLK_TCK')


def resident_bytes(pid: int) -> int:
    """Of a process, 0 where it has ended."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS')), 0)


if __name__ == '__main__':
    sys.exit(cli.run(main))
