"""Whether a long run stays as it began: python benchmarks/soak.py --steps=20000

Runs the real command line and looks at the memory of its process and the seconds of its steps all the while.
Prints both over the run, and those of its last 2,000 steps over those of the 2,000 after the first 1,000, and
fails where one is more than 2 % above. Pictures and checkpoints come every 500 steps, the first before that.
It needs the machine for itself.
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
MOST = 1.02  # at the end, of what it was at the beginning


class Row(NamedTuple):
    """What was seen between two lines of the log."""

    step: int
    resident_bytes: float  # mean, as memory for a dispatch comes and goes
    step_seconds: float


def main(arguments: list[str]) -> None:
    """Reads the command line, runs and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', default=str(ROOT / 'configs/gan_fashion_mnist.py'), help='of the run')
    parser.add_argument('--steps', type=cli.whole_number(5000), default=20_000, help='of the run')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    with tempfile.TemporaryDirectory() as workdir:
        seen = watch(options, overrides, Path(workdir))
    print(f'{"steps":>15} {"MiB":>9} {"ms/step":>9}')
    for first in range(0, options.steps, 1000):
        memory, seconds = medians(seen, first, first + 1000)
        print(f'{first:6} – {first + 1000:6} {memory / 2**20:9.1f} {1000 * seconds:9.3f}')
    beginning, end = medians(seen, 1000, 3000), medians(seen, options.steps - 2000, options.steps)
    ratios = [after / before for before, after in zip(beginning, end, strict=True)]
    print('memory {:.4f}, a step {:.4f} of that after 1,000 steps'.format(*ratios))
    if max(ratios) > MOST:
        raise TrainingFailed(f'that is more than {MOST}')


def medians(seen: list[Row], after: int, until: int) -> tuple[float, float]:
    """Bytes and seconds of a step among the lines of the log of those steps."""
    rows = [row for row in seen if after < row.step <= until]
    return (
        statistics.median(row.resident_bytes for row in rows),
        statistics.median(row.step_seconds for row in rows),
    )


def watch(options, overrides: dict, workdir: Path) -> list[Row]:
    """A row for each line of the log."""
    command = [sys.executable, str(ROOT / 'train.py'), f'--config={options.config}']
    every = {f'{name}_every_steps': 500 for name in ('sample', 'checkpoint')} | {'log_every_steps': EVERY}
    every |= {'num_steps': options.steps, **overrides}
    command += [f'--workdir={workdir}/run', *(f'--config.{name}={value}' for name, value in every.items())]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    log, seen, memory = workdir / 'run/metrics.jsonl', [], []
    while process.poll() is None:
        time.sleep(0.05)
        memory.append(resident_bytes(process.pid))
        lines = log.read_text().splitlines()[len(seen) :] if log.exists() else []
        for line in lines:
            record = json.loads(line)
            batch_size = 1000 * record['kimg'] / record['step']
            seconds = batch_size / record.get('images_per_second', float('nan'))
            seen.append(Row(record['step'], statistics.mean(memory), seconds))
        if lines:
            memory.clear()
    if process.returncode:
        raise TrainingFailed(f'the run ended with code {process.returncode}')
    return seen


def resident_bytes(pid: int) -> int:
    """Of a process, 0 where it has ended."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS')), 0)


if __name__ == '__main__':
    sys.exit(cli.run(main))
