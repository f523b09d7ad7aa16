"""What the explorer shows of a run: what G makes of a z at any checkpoint, and what D says to a picture."""

import contextlib
import functools
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import checkpoint
from gan_jax.base import UserError
from gan_jax.compilation import keep_on_disk
from gan_jax.data.domains import open_domains
from gan_jax.data.points import modes
from gan_jax.directions import Directions, principal_directions
from gan_jax.gallery import NUM_POINTS, are_points
from gan_jax.gans import load_system
from gan_jax.latents import spherical_interpolation
from gan_jax.losses import LOSSES
from gan_jax.pictures import curves_png, to_uint8
from gan_jax.reading import read_picture
from gan_jax.scatter import scatter
from gan_jax.schedule import begun
from gan_jax.trained import open_run
from gan_jax.writers import read_records

KEPT = 8  # checkpoints in memory at a time
COMPANIONS = 15  # that a picture is judged beside, where D looks at several at once
NUM_DIRECTIONS = 8
ARC = jax.jit(spherical_interpolation)
AT_ONCE = 2**22  # pixels that G makes in one go, at most


class Seen(NamedTuple):
    """A picture and D's word on it."""

    pixels: np.ndarray  # uint8 [H, W, C]
    probability: float


class Checkpoint(NamedTuple):
    """What is kept of one: on the device, and without what only training needs."""

    images_seen: int
    generator: tuple[Any, Any]  # (params, model_state)
    discriminator: tuple[Any, Any]


class Run:
    """A trained run: its checkpoints are read, and its programs compiled, when they are asked for.

    Seeds, and steps of checkpoints, are whole numbers; z is [D] of one picture or [N, D].
    """

    def __init__(self, workdir: Path):
        """Opens the newest checkpoint; raises UserError where there is none."""
        self.workdir = workdir
        newest = open_run(workdir)
        self.config, self.stages, self.gan, self.batch = (
            newest.config,
            newest.stages,
            newest.gan,
            newest.batch,
        )
        self.is_averaged, self.last_step = newest.is_averaged(), newest.step
        self.steps = [step for step in checkpoint.open_existing(workdir).steps() if step <= newest.step]
        inputs = jax.eval_shape(functools.partial(self.gan.sample_inputs, jax.random.key(0), 1), self.batch)
        self._shown = jax.eval_shape(self.gan.sample, *newest.generator(), inputs, newest.state.images_seen)
        self.domains = tuple(inputs) if isinstance(inputs, dict) else ()  # that it translates between
        self.makes_points = are_points(self._shown)
        loss = LOSSES.get(self.config.gan.get('loss', ''))
        self.is_probability = loss is None or loss.is_probability  # what D says
        opened = functools.lru_cache(KEPT)(lambda step: _kept(open_run(workdir, step)))
        self._newest = _kept(newest)
        self.at = lambda step: self._newest if step == self.last_step else opened(step)
        self.programs = functools.cache(self._programs)
        self.crowd = functools.lru_cache(KEPT)(self._crowd)
        self.backdrop = functools.lru_cache(KEPT)(self._backdrop)
        self._drawn = functools.lru_cache(1)(self._curves)
        self._directions: Directions | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Compiles what the first picture needs, or finds it where it was kept."""
        if self.config.compilation_cache:
            keep_on_disk()
        if not self.domains:
            self.seen(self.last_step, self.z(0))

    def _programs(self, stage) -> tuple[Any, Any]:
        """The stage's `GAN.sample` and `GAN.judge`, jitted."""
        gan = load_system(str(self.config.system)).make(self.config, stage, axis_name=None)
        return jax.jit(gan.sample), jax.jit(gan.judge)

    def stage(self, step: int):
        """The stage that a checkpoint is of."""
        return begun(self.stages, step)[-1]

    def where(self, step: int) -> str:
        """What a checkpoint is, in a line."""
        return f'step {step:,} · {self.at(step).images_seen / 1000:,g} kimg'

    # A z and what G makes of it

    def _inputs(self, seed: int, number: int = 1):
        return self.gan.sample_inputs(jax.random.key(seed), number, self.batch)

    def z(self, seed: int) -> np.ndarray:
        """The z [D] that `python -m gan_jax.sample --seed` begins with."""
        return np.asarray(self._inputs(seed)[0])

    def between(self, start: np.ndarray, end: np.ndarray, fractions) -> np.ndarray:
        """z [F, D] on the great arc from one z to another."""
        return np.asarray(ARC(start, end, np.float32(fractions)))

    def columns(self, step: int, inputs, stage=None) -> dict:
        """As `GAN.sample`, of the checkpoint's G, in a stage other than its own if one is given."""
        sample, _ = self.programs(stage or self.stage(step))
        at = self.at(step)
        return sample(*at.generator, inputs, at.images_seen)

    def pixels(self, step: int, z: np.ndarray, stage=None) -> np.ndarray:
        """What the checkpoint's G makes of z [N, D], at a stage other than its own if one is given: uint8."""
        chunk = max(1, min(len(z), AT_ONCE // (stage or self.stage(step)).resolution ** 2))
        padded = np.pad(z, ((0, -len(z) % chunk), (0, 0)), mode='wrap')
        made = [
            to_uint8(jax.tree.leaves(self.columns(step, part, stage))[0])
            for part in np.split(padded, len(padded) // chunk)
        ]
        return np.concatenate(made)[: len(z)]

    def seen(self, step: int, z: np.ndarray) -> Seen:
        """What the checkpoint's G makes of z [D], and what its D says to that."""
        columns = self.columns(step, z[None])
        (made,) = columns.values()
        probability = self.probability(step, columns)
        if self.makes_points:
            return Seen(self.plotted(step, np.asarray(made)), probability)
        return Seen(to_uint8(made[0]), probability)

    def words(self, step: int, z: np.ndarray) -> list[float | None]:
        """What the checkpoint's D says to each picture of z [N, D]; None where that depends on the others."""
        if self.looks_around:
            return [None] * len(z)
        return np.asarray(self.beliefs(step, self.columns(step, z))).tolist()

    def levels(self, step: int) -> list:
        """Of each resolution up to the checkpoint's the stage that has settled, or that goes on: [stage]."""
        return list({stage.resolution: stage for stage in begun(self.stages, step)}.values())

    def directions(self) -> Directions:
        """The newest G's, for all checkpoints, so that a slider means the same z in each."""
        with self._lock:
            if self._directions is None:
                at, draw = self.at(self.last_step), functools.partial(self._inputs, 1)
                self._directions = principal_directions(
                    self.gan, at.generator, draw, at.images_seen, NUM_DIRECTIONS
                )
        return self._directions

    # What D says

    def _crowd(self, step: int) -> dict:
        """Pictures of the checkpoint's own G, the same at every call."""
        return self.columns(step, self._inputs(2, COMPANIONS))

    def beliefs(self, step: int, columns: dict) -> jax.Array:
        """As `GAN.judge`, of the checkpoint's D and a single column."""
        _, judge = self.programs(self.stage(step))
        at = self.at(step)
        (probabilities,) = judge(*at.discriminator, columns, at.images_seen).values()
        return probabilities

    @functools.cached_property
    def looks_around(self) -> bool:
        """Whether D's word on a picture depends on those beside it."""
        if self.domains:
            return False
        column, image = next(iter(self._shown.items()))
        picture = np.random.default_rng(0).uniform(-1, 1, image.shape).astype(np.float32)
        beside = [np.concatenate([picture, other]) for other in (picture, -picture)]
        one, other = (float(self.beliefs(self.last_step, {column: pair})[0]) for pair in beside)
        return abs(one - other) > 1e-6

    def probability(self, step: int, columns: dict) -> float:
        """How real the checkpoint's D takes one picture to be, {column: [1, H, W, C] in [-1, 1]}."""
        if self.looks_around:
            columns = jax.tree.map(lambda *x: jnp.concatenate(x), columns, self.crowd(step))
        return float(self.beliefs(step, columns)[0])

    # What there is beside

    def _backdrop(self, step: int) -> np.ndarray:
        (points,) = self.columns(step, self._inputs(3, NUM_POINTS)).values()
        return np.asarray(points)

    def plotted(self, step: int, point: np.ndarray) -> np.ndarray:
        """A point [1, 2] among many others of the checkpoint's G: uint8 [H, W, 3]."""
        return scatter(self.backdrop(step), *modes(self.config.data.name), marked=point)

    def curves(self) -> np.ndarray | None:
        """The run's curves as they stand now, uint8 [H, W, 3]; None where nothing has been logged."""
        path = self.workdir / 'metrics.jsonl'
        return self._drawn(path.stat().st_mtime_ns) if path.exists() else None

    def _curves(self, _) -> np.ndarray | None:
        records = read_records(self.workdir / 'metrics.jsonl')
        if not records:
            return None
        with tempfile.TemporaryDirectory() as folder:
            curves_png(Path(folder) / 'curves.png', records)
            return np.asarray(read_picture(Path(folder) / 'curves.png', 3))

    @functools.cached_property
    def data(self) -> dict:
        """What the run was trained on, by its name in a batch; {} where it is not on this machine."""
        with contextlib.suppress(UserError, OSError):
            return open_domains(self.config.data)
        return {}


def _kept(trained) -> Checkpoint:
    """What the page needs of an opened run."""
    players = jax.device_put((trained.generator(), trained.discriminator()))
    return Checkpoint(int(trained.state.images_seen), *players)
