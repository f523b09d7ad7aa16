"""How long a person waits for the first step: train.py from its start to the end of its first dispatch."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAIN = Path(__file__).parent.parent / 'train.py'


def first_step_seconds(
    config_path: str, overrides: dict[str, str], steps_per_dispatch: int
) -> dict[str, float]:
    """Seconds 'cold', with nothing compiled before, and 'warm', after that."""
    overrides = {**overrides, 'log_every_steps': str(steps_per_dispatch), 'compilation_cache': 'true'}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, 'XDG_CACHE_HOME': f'{folder}/cache'}
        environment.pop('JAX_COMPILATION_CACHE_DIR', None)
        return {
            temperature: _seconds(
                [
                    *(f'--config={config_path}', f'--workdir={folder}/{temperature}'),
                    *(f'--config.{name}={value}' for name, value in overrides.items()),
                ],
                Path(folder) / temperature / 'metrics.jsonl',
                environment,
            )
            for temperature in ('cold', 'warm')
        }


def _seconds(arguments, metrics, environment) -> float:
    """Until the first record stands in the run's metrics; the run is ended there."""
    started = time.perf_counter()
    command = [sys.executable, TRAIN, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        try:
            while not (metrics.exists() and metrics.stat().st_size):
                if run.poll() is not None:
                    raise RuntimeError(
                        f'train.py ended before its first step: {run.communicate()[1].decode()}'
                    )
                time.sleep(0.02)
            return time.perf_counter() - started
        finally:
            run.kill()
