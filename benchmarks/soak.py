"""Whether a long run stays as it began: python benchmarks/soak.py --steps=20000

Runs the real command line, with pictures and a checkpoint every 500 steps, and looks at the memory of its
process all the while. The last 2,000 steps are timed in turns with the same run started afresh, which has
done 1,000: 100 steps of one, then 100 of the other, as minutes apart the clock would tell of what else this
machine does. Prints all this, and fails where the end takes more than 2 % above the 2,000 steps after the
first 1,000, in memory or in time.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gan_jax import cli
from gan_jax.base import TrainingFailed

ROOT = Path(__file__).resolve().parent.parent
EVERY = 100  # steps of a turn, and in a line of the log
FIRST, COMPARED = 1000, 2000  # steps that are left out, then those that are compared with the last
LOOK_SECONDS = 0.005  # from one look at a run to the next
MOST = 1.02  # at the end, of what it was at the beginning


class Run(NamedTuple):
    """One that is at work, in a process of its own."""

    process: subprocess.Popen
    log: Path


def main(arguments: list[str]) -> None:
    """Reads the command line, runs and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', default=str(ROOT / 'configs/gan_fashion_mnist.py'), help='of the run')
    parser.add_argument('--steps', type=cli.whole_number(5000), default=20_000, help='of the run')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    every = {'num_steps': options.steps, 'log_every_steps': EVERY}
    every |= {'sample_every_steps': 500, 'checkpoint_every_steps': 500, **overrides}
    command = [sys.executable, str(ROOT / 'train.py'), f'--config={options.config}']
    command += [f'--config.{name}={value}' for name, value in every.items()]
    with tempfile.TemporaryDirectory() as folder:
        memory, seconds = soak(command, options.steps, Path(folder))
    print(f'memory {memory:.4f}, a step {seconds:.4f} of that after {FIRST} steps')
    if max(memory, seconds) > MOST:
        raise TrainingFailed(f'that is more than {MOST}')


def soak(command: list[str], steps: int, folder: Path) -> tuple[float, float]:
    """Memory and time of a step at the end, each over that at the beginning."""
    print(f'{"steps":>15} {"MiB":>9} {"ms/step":>9}', flush=True)
    last = steps - COMPARED
    with running(command, folder / 'long') as long:
        watch(long, FIRST)
        beginning = tell(long, FIRST, FIRST + COMPARED)
        tell(long, FIRST + COMPARED, last)
        pause(long)
        with running(command, folder / 'fresh') as fresh:
            watch(fresh, FIRST)
            pause(fresh)
            end, ratios = [], []
            for done in range(EVERY, COMPARED + 1, EVERY):
                memory, seconds = turn(long, last + done)
                ratios.append(seconds / turn(fresh, FIRST + done)[1])
                end += memory
        go_on(long)
        if code := long.process.wait():
            raise TrainingFailed(f'the run ended with code {code}')
    return statistics.median(end) / statistics.median(beginning), statistics.median(ratios)


def tell(run: Run, first: int, last: int) -> list[int]:
    """What `watch` saw between two steps, printed for each thousand."""
    seen = []
    for step in range(first + 1000, last + 1, 1000):
        started = time.perf_counter()
        memory = watch(run, step)
        milliseconds = time.perf_counter() - started  # for one step, as they were for a thousand
        mebibytes = statistics.median(memory) / 2**20
        print(f'{step - 1000:6} – {step:6} {mebibytes:9.1f} {milliseconds:9.3f}', flush=True)
        seen += memory
    return seen + watch(run, last)


def turn(run: Run, step: int) -> tuple[list[int], float]:
    """What `watch` saw of a paused run that goes on to a step, and the seconds until there."""
    go_on(run)
    started = time.perf_counter()
    memory = watch(run, step)
    seconds = time.perf_counter() - started
    pause(run)
    return memory, seconds


def watch(run: Run, step: int) -> list[int]:
    """Bytes that were resident at each look, until its log has that step."""
    memory = []
    while not run.log.exists() or run.log.read_bytes().count(b'\n') < step // EVERY:
        if run.process.poll():
            raise TrainingFailed(f'the run ended with code {run.process.returncode}')
        time.sleep(LOOK_SECONDS)
        memory.append(resident_bytes(run.process.pid))
    return memory


@contextlib.contextmanager
def running(command: list[str], workdir: Path) -> Iterator[Run]:
    """A run that is killed where it has not ended by then."""
    # On a GPU two of them have to fit.
    environment = {'XLA_PYTHON_CLIENT_PREALLOCATE': 'false', **os.environ}
    process = subprocess.Popen(
        [*command, f'--workdir={workdir}'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield Run(process, workdir / 'metrics.jsonl')
    finally:
        process.kill()
        process.wait()


def pause(run: Run) -> None:
    """Has it stand still."""
    run.process.send_signal(signal.SIGSTOP)


def go_on(run: Run) -> None:
    """Ends a pause."""
    run.process.send_signal(signal.SIGCONT)


def resident_bytes(pid: int) -> int:
    """Of a process, 0 where it has ended."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS')), 0)


if __name__ == '__main__':
    sys.exit(cli.run(main))
