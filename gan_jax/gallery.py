"""The pictures that a run leaves behind: of the same inputs from its first step to its last."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np

from gan_jax.compilation import Programs
from gan_jax.data.points import modes
from gan_jax.pictures import curves_png, image_grid, save_png, to_uint8
from gan_jax.reading import open_picture
from gan_jax.scatter import scatter
from gan_jax.train_state import TrainState

NUM_SAMPLES = 64  # pictures in a grid, at most
NUM_POINTS = 2500  # in a scatter plot, as VEEGAN and PacGAN count them
NUM_ROWS = 8  # pictures in a strip of a growing generator
MOST_PIXELS = 2**22  # in a grid, where that leaves it a strip's pictures


def fixed_inputs(gans: dict, state: TrainState, rng, batch, device) -> dict:
    """What each stage's generator is sampled with: {stage: inputs}, as many as its picture shows."""
    gan = next(iter(gans.values()))
    sample_inputs = partial(gan.sample_inputs, rng, batch=batch)
    player = state.ema_params, state.ema_model_state
    columns = jax.eval_shape(gan.sample, *player, sample_inputs(1), state.images_seen)
    at_most = num_shown(columns)
    inputs = sample_inputs(at_most)

    def shown(resolution):
        number = max(NUM_ROWS, min(at_most, MOST_PIXELS // (len(columns) * resolution**2)))
        return jax.tree.map(lambda x: x[:number], inputs)

    return {stage: jax.device_put(shown(stage.resolution), device) for stage in gans}


def are_points(columns: dict) -> bool:
    """Whether {column: images [N, H, W, C] or points [N, 2]} are points."""
    return all(len(column.shape) == 2 for column in columns.values())


def num_shown(columns: dict) -> int:
    """How many examples a picture of such columns shows, at most."""
    return NUM_POINTS if are_points(columns) else NUM_SAMPLES


def draw(columns: dict, data, num_columns: int | None = None) -> np.ndarray:
    """One picture of all columns, uint8 [H, W, C]: images in a grid, points over the modes of their mixture.

    Args:
        columns: {name: images [N, H, W, C] in [-1, 1] or points [N, 2]}.
        data: `config.data`, for the modes.
        num_columns: of a grid, see `image_grid`.
    """
    if are_points(columns):
        (points,) = columns.values()
        return scatter(points, *modes(data.name))
    return image_grid(columns, num_columns)


class Samplers:
    """Each stage's generator, sampled from the same inputs throughout and compiled beside the run."""

    def __init__(self, functions: dict, inputs: dict, programs: Programs, place: Callable):
        """
        Args:
            functions: {stage: as `GAN.sample`, jitted}.
            inputs: {stage: what it is sampled with}.
            programs: to compile with.
            place: a pytree of a state to where it is sampled.
        """
        self.functions, self.inputs, self.programs, self.place = functions, inputs, programs, place

    def prepare(self, stage, state: TrainState) -> None:
        """Begins to compile a stage's, and returns at once."""
        self.programs.prepare(stage, self.functions[stage], *self._arguments(stage, state))

    def columns(self, stage, state: TrainState) -> dict[str, np.ndarray]:
        """What the averaged generator makes of its inputs, as `GAN.sample`."""
        arguments = self._arguments(stage, state)
        return jax.device_get(self.programs.run(stage, self.functions[stage], *arguments))

    def _arguments(self, stage, state: TrainState):
        player = state.ema_params, state.ema_model_state, state.images_seen
        params, model_state, images_seen = self.place(player)
        return params, model_state, self.inputs[stage], images_seen


def save_samples(workdir: Path, step: int, config, columns: dict) -> np.ndarray:
    """Writes `samples/step_….png` of {column: images or points}; returns the picture, uint8 [H, W, C]."""
    picture, source = draw(columns, config.data), {'step': str(step), 'seed': str(config.seed)}
    save_png(workdir / 'samples' / f'step_{step:08d}.png', picture, source)
    return picture


def keep_level(workdir: Path, columns: dict) -> None:
    """Keeps the first pictures, [N, H, W, C] in [-1, 1], as their resolution's column of `growth.png`."""
    (images,) = columns.values()
    column = to_uint8(images[:NUM_ROWS])
    _, h, w, c = column.shape
    save_png(workdir / 'growth' / f'{h:04}.png', column.reshape(-1, w, c))


def growth_strip(folder: Path):
    """The kept resolutions side by side, each enlarged to the size of the largest: uint8 [H, W, C]."""
    levels = []
    for path in sorted(folder.glob('*.png')):
        with path.open('rb') as file:
            try:
                column = np.asarray(open_picture(file))
            except Exception as error:  # Pillow raises what its readers raise
                raise OSError(f'{path} cannot be read: {error}') from error
        levels.append(column.reshape(-1, column.shape[1], column.shape[1], *column.shape[2:] or (1,)))
    size = levels[-1].shape[1]
    enlarged = {
        str(level.shape[1]): level.repeat(size // level.shape[1], 1).repeat(size // level.shape[1], 2) / 127.5
        - 1
        for level in levels
    }
    return image_grid(enlarged, num_columns=1)


def save_last_pictures(workdir: Path, records: list[dict]) -> None:
    """Writes `curves.png` and, where levels have been kept, `growth.png`."""
    curves_png(workdir / 'curves.png', records)
    if (workdir / 'growth').exists():
        save_png(workdir / 'growth.png', growth_strip(workdir / 'growth'))
