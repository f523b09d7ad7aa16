"""How a run ends: at its last step, told to stop, or failed; each time it says what is left."""

import shlex
import sys
from pathlib import Path

from gan_jax import parallel, processes
from gan_jax.base import Preempted, TrainingFailed
from gan_jax.checkpoint import Checkpoints
from gan_jax.gallery import save_last_pictures
from gan_jax.schedule import Dispatch
from gan_jax.state_bytes import summary
from gan_jax.train_state import TrainState
from gan_jax.watchdogs import first_nonfinite
from gan_jax.writers import read_records, surviving


def tell_the_end(workdir: Path, state: TrainState) -> None:
    """Draws the pictures of the whole run and prints where everything is, last the hash of the state."""
    step = int(parallel.fetch(state.step))
    with surviving(step, 'curves.png'):
        save_last_pictures(workdir, read_records(workdir / 'metrics.jsonl'))
    grid, curves = workdir / 'samples' / f'step_{step:08d}.png', workdir / 'curves.png'
    left = {'samples': grid, 'curves': curves, 'checkpoint': workdir / 'checkpoints' / str(step)}
    for name, path in left.items():
        if path.exists():
            print(f'{name:<11} {path}')
    print(summary(state))


def preempted(stop: list[str], step: int, checkpoints: Checkpoints) -> Preempted:
    """What ends a run that was told to stop, its checkpoint being there; else raises TrainingFailed."""
    check_saved(checkpoints, step)
    by, go_on = stop[0] if stop else 'another process', shlex.join(sys.orig_argv)
    return Preempted(f'{by} at step {step}: checkpoint written; to go on: {go_on}')


def check_saved(checkpoints: Checkpoints, step: int) -> None:
    """Waits for the checkpoint of `step`; raises TrainingFailed, in all processes, where there is none."""

    def missing() -> bytes:
        checkpoints.wait()
        return b'' if checkpoints.saved_step == step else checkpoints.last_good().encode()

    if last_good := processes.of_first(missing):
        raise TrainingFailed(f'step {step}: the state could not be saved; {last_good.decode()}')


def check_finite(dispatch: Dispatch, metrics, checkpoints: Checkpoints, on_nonfinite: str) -> str:
    """Waits for a dispatch; what is not finite in it, '' where all is.

    Raises:
        TrainingFailed: something is not, and such steps are not to be skipped.
    """
    found = first_nonfinite(dispatch, metrics)
    if found and on_nonfinite == 'stop':  # as it is in all processes
        checkpoints.wait()
        last_good = processes.of_first(lambda: checkpoints.last_good().encode()).decode()
        raise TrainingFailed(f'{found}; {last_good}')
    return found
