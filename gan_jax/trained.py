"""What a run has come to: a checkpoint's networks, ready to be called."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import checkpoint, cli
from gan_jax.base import GAN, Stage, UserError
from gan_jax.config import read_config
from gan_jax.dry_run import abstract_arguments
from gan_jax.gans import load_system
from gan_jax.manifest import BEST
from gan_jax.schedule import begun
from gan_jax.state_bytes import state_sha256
from gan_jax.train_state import TrainState

CHECKPOINTS = "step of the checkpoint, or best: the run's best so far; the newest by default"
CHUNK = 64  # examples made at once, so that any number fits into memory


class Trained(NamedTuple):
    """A run, as it was at one of its checkpoints."""

    config: Any
    stages: list[Stage]  # all of the run
    stage: Stage  # that the checkpoint was written in
    state: TrainState  # NumPy arrays
    gan: GAN  # of that stage
    batch: Any  # the shapes of a batch of that stage
    sha256: str  # of the state

    @property
    def step(self) -> int:
        """Updates done."""
        return int(self.state.step)

    def generator(self, no_ema: bool = False) -> tuple[Any, Any]:
        """Its (params, model_state), averaged over the images seen where the run does so and may."""
        if self.is_averaged(no_ema):
            return self.state.ema_params, self.state.ema_model_state
        return self.state.params['generator'], self.state.model_state['generator']

    def is_averaged(self, no_ema: bool = False) -> bool:
        """Whether `generator` gives averages."""
        return self.config.ema_half_life_kimg > 0 and not no_ema

    def discriminator(self) -> tuple[Any, Any]:
        """Its (params, model_state)."""
        return self.state.params['discriminator'], self.state.model_state['discriminator']


def open_run(workdir: Path | str, step: int | str | None = None) -> Trained:
    """The run in a workdir at one of its checkpoints.

    Args:
        workdir: of the run.
        step: of the checkpoint; 'best' for the one that the run has found to be, None for the newest.

    Raises:
        UserError: it is no workdir, or has no such checkpoint that is whole.
    """
    config: Any = read_config(Path(workdir))
    system = load_system(config.system)
    checkpoints = checkpoint.open_existing(Path(workdir))
    stages = system.stages(config)
    like, _ = abstract_arguments(config, system.make(config, stages[0], axis_name=None), stages[0])
    state = _restored(checkpoints, step, like)
    stage = begun(stages, int(state.step))[-1]
    gan = system.make(config, stage, axis_name=None)
    batch = abstract_arguments(config, gan, stage)[1]
    return Trained(config, stages, stage, state, gan, batch, state_sha256(state))


def _restored(checkpoints, step: int | str | None, like: TrainState) -> TrainState:
    """One of the checkpoints, as `open_run` asks for it."""
    taken = ', '.join(map(str, checkpoints.steps()))
    if step == BEST:
        step = checkpoints.best()
        if step is None:
            raise UserError(
                f'--checkpoint: {BEST!r} is not there, as the run has not measured itself; '
                f'takes one of {taken}'
            )
    if step is None:
        return checkpoints.restore_newest(like)
    if step not in checkpoints.steps():
        raise UserError(f'--checkpoint: {step} is not there; takes one of {taken}')
    try:
        return checkpoints.restore(step, like)
    except ValueError as error:
        raise UserError(f'--checkpoint: {step} is broken ({error}); takes another') from None


def which_checkpoint(text: str) -> int | str:
    """An argparse type: a step, or 'best'."""
    try:
        return text if text == BEST else cli.whole_number(0)(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f'{error}, or {BEST}') from None


def sample_in_chunks(gan: GAN, player, inputs: jax.Array, images_seen) -> dict[str, np.ndarray]:
    """`gan.sample` over all z [N, D], a chunk at a time: {column: images [N, H, W, C] or points [N, 2]}."""
    sample = jax.jit(gan.sample)
    padded = jnp.pad(inputs, ((0, -len(inputs) % CHUNK), (0, 0)), mode='wrap')
    chunks = [
        jax.device_get(sample(*player, chunk, images_seen))
        for chunk in jnp.split(padded, len(padded) // CHUNK)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks])[: len(inputs)] for name in chunks[0]}
