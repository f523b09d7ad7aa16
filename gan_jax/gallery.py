"""The pictures that a run leaves behind: of the same inputs from its first step to its last."""

from pathlib import Path

import jax

from gan_jax import parallel
from gan_jax.pictures import curves_png, growth_strip, image_grid, save_level, save_png
from gan_jax.train_state import TrainState

NUM_SAMPLES = 64  # pictures in a grid, at most
NUM_ROWS = 8  # pictures in a strip of a growing generator
MOST_PIXELS = 2**22  # in a grid, where that leaves it a strip's pictures


def fixed_inputs(gans: dict, rng, batch, device) -> dict:
    """What each stage's generator is sampled with: {stage: inputs}, as many as its grid shows."""
    inputs = next(iter(gans.values())).sample_inputs(rng, NUM_SAMPLES, batch)

    def shown(resolution):
        number = max(NUM_ROWS, min(NUM_SAMPLES, MOST_PIXELS // resolution**2))
        return jax.tree.map(lambda x: x[:number], inputs)

    return {stage: jax.device_put(shown(stage.resolution), device) for stage in gans}


def sample_arguments(state: TrainState, inputs):
    """What `GAN.sample` takes, on the first device: the averages, `inputs` and the images seen."""
    params, model_state, images_seen = parallel.on_one_device(
        (state.ema_params, state.ema_model_state, state.images_seen)
    )
    return params, model_state, inputs, images_seen


def save_grid(workdir: Path, step: int, seed: int, columns: dict):
    """Writes `samples/step_….png` of {column: images}; returns its path and the grid, uint8 [H, W, C]."""
    path, grid = workdir / 'samples' / f'step_{step:08d}.png', image_grid(columns)
    save_png(path, grid, {'step': str(step), 'seed': str(seed)})
    return path, grid


def keep_level(workdir: Path, columns: dict) -> None:
    """Keeps the first pictures of a level that has settled, or faded in, for `growth.png`."""
    (images,) = columns.values()
    save_level(workdir / 'growth', images[:NUM_ROWS])


def save_last_pictures(workdir: Path, records: list[dict]) -> None:
    """Writes `curves.png` and, where levels have been kept, `growth.png`."""
    curves_png(workdir / 'curves.png', records)
    if (workdir / 'growth').exists():
        save_png(workdir / 'growth.png', growth_strip(workdir / 'growth'))
