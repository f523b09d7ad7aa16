"""Whether a long run stays as it began: python benchmarks/soak.py --steps=20000

Runs the real command line and looks at the memory of its process and the seconds of its steps all the while.
Prints both over the run, and those at its end over those after the first 1,000 steps.
"""

import json
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


class Row(NamedTuple):
    """What was seen when a line of the log came."""

    step: int
    resident_bytes: int
    step_seconds: float


def main(arguments: list[str]) -> None:
    """Reads the command line, runs and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', default=str(ROOT / 'configs/gan_fashion_mnist.py'), help='of the run')
    parser.add_argument('--steps', type=cli.whole_number(3000), default=20_000, help='of the run')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    with tempfile.TemporaryDirectory() as workdir:
        seen = watch(options, overrides, Path(workdir))
    early = [row for row in seen if 1000 < row.step <= 2000]
    late = [row for row in seen if row.step > options.steps - 1000]
    print(f'{"step":>8} {"MiB":>9} {"ms/step":>9}')
    for row in seen[:: max(1, len(seen) // 20)]:
        print(f'{row.step:8} {row.resident_bytes / 2**20:9.1f} {1000 * row.step_seconds:9.3f}')
    for name in ('resident_bytes', 'step_seconds'):
        first, last = (statistics.median(getattr(row, name) for row in rows) for rows in (early, late))
        print(f'{name}: end over beginning {last / first:.4f}')


def watch(options, overrides: dict, workdir: Path) -> list[Row]:
    """A row for each line of the log."""
    command = [sys.executable, str(ROOT / 'train.py'), f'--config={options.config}']
    every = {'num_steps': options.steps, 'log_every_steps': EVERY, **overrides}
    command += [f'--workdir={workdir}/run', *(f'--config.{name}={value}' for name, value in every.items())]
    process, log, seen = (
        subprocess.Popen(command, stderr=subprocess.DEVNULL),
        workdir / 'run/metrics.jsonl',
        [],
    )
    while process.poll() is None:
        time.sleep(0.05)
        lines = log.read_text().splitlines() if log.exists() else []
        for line in lines[len(seen) :]:
            record = json.loads(line)
            batch_size = 1000 * record['kimg'] / record['step']
            seconds = batch_size / record.get('images_per_second', float('nan'))
            seen.append(Row(record['step'], resident_bytes(process.pid), seconds))
    if process.returncode:
        raise TrainingFailed(f'the run ended with code {process.returncode}')
    return [row for row in seen if row.resident_bytes]


def resident_bytes(pid: int) -> int:
    """Of a process, 0 where it has ended."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS')), 0)


if __name__ == '__main__':
    sys.exit(cli.run(main))
