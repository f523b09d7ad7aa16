"""What a run tells as it goes: lines of numbers, pictures, warnings. The first process alone does."""

import contextlib
from pathlib import Path

from gan_jax import parallel
from gan_jax.cli import unwritable
from gan_jax.config import to_json
from gan_jax.fitting import stage_name
from gan_jax.gallery import keep_level, save_samples
from gan_jax.pictures import write_atomically
from gan_jax.schedule import Dispatch
from gan_jax.stopwatch import StageClock
from gan_jax.train_state import TrainState
from gan_jax.watchdogs import Collapse
from gan_jax.writers import MetricsWriter, progress, say, surviving


class Record:
    """The record of a run in its workdir and on the terminal. What cannot be written is said and left out."""

    def __init__(self, config, workdir: Path, stages: list, spread_of_reals: float, name: str = ''):
        """
        Args:
            config: of the run.
            workdir: where to keep it.
            stages: of the run.
            spread_of_reals: see `watchdogs.spread`.
            name: of the run, told before what is said of it where there are several.
        """
        self.config, self.workdir = config, workdir
        self.grows = stages[0].resolution < config.data.resolution
        self.say = lambda text: say(f'{name}: {text}' if name else text)
        self.collapse = Collapse(config.watchdogs.collapse_kimg, spread_of_reals, self.say)
        self.skipped = self.last_step = 0
        self.report = lambda step, kimg, values: None  # to a person

    @contextlib.contextmanager
    def open(self, state: TrainState, end: Dispatch):
        """Goes on from `state` in its files, and shows how far it is to the end of the run.

        Raises:
            UserError: the files cannot be written.
        """
        self.last_step, self.skipped = (int(parallel.fetch(x)) for x in (state.step, state.skipped_steps))
        first_step = self.last_step
        with self.files():
            if first_step:
                say(f'going on from the checkpoint at step {first_step}')
            with progress(end.last_step, end.last_image / 1000, first_step) as self.report:
                yield self

    @contextlib.contextmanager
    def files(self):
        """Opens them at the step that the run goes on from; raises UserError where they cannot be written."""
        try:
            write_atomically(self.workdir / 'config.json', to_json(self.config).encode())
            self.writer = MetricsWriter(self.workdir, self.last_step)
        except OSError as error:
            raise unwritable('--workdir', self.workdir, error) from None
        with contextlib.closing(self.writer):
            yield self

    def begin_stage(self, dispatch: Dispatch, compile_seconds: float) -> None:
        """With its first dispatch."""
        self.clock = StageClock(dispatch.first_image, compile_seconds)

    def log(self, dispatch: Dispatch, metrics: dict, speed: dict[str, float], nonfinite: str) -> None:
        """A line of numbers: those of the dispatch's last step, and `speed`.

        Args:
            dispatch: the last one.
            metrics: of each of its steps, {name: [K]}.
            speed: see `Stopwatch.read`.
            nonfinite: what was not finite since the last line, '' where all was.
        """
        step, kimg = dispatch.last_step, dispatch.last_image / 1000
        values = {name: value[-1] for name, value in metrics.items()} | speed
        if self.grows:
            values['resolution'] = dispatch.stage.resolution
            values['stage_seconds_per_kimg'] = self.clock.seconds_per_kimg(dispatch.last_image)
        self.writer.write(step, kimg, values)
        self.report(step, kimg, values)
        self.collapse.look(step, kimg, values)
        skipped, steps = int(values['skipped_steps']) - self.skipped, step - self.last_step
        if skipped:
            self.say(f'{nonfinite}; {skipped} of the last {steps} steps were skipped')
        self.skipped, self.last_step = self.skipped + skipped, step

    def sample(self, dispatch: Dispatch, columns: dict) -> None:
        """A picture of {column: images or points}, and a level of `growth.png` at the end of a stage."""
        stage, step = dispatch.stage, dispatch.last_step
        self.collapse.see(columns)
        with surviving(step, 'the samples'):
            picture = save_samples(self.workdir, step, self.config, columns)
            self.writer.image(step, picture)
        if self.grows and step == stage.last_step:
            with surviving(step, 'a level of growth.png'):
                keep_level(self.workdir, columns)
            seconds = self.clock.seconds_per_kimg(dispatch.last_image)
            self.say(f'{stage_name(stage)} done: {seconds:.3g} s/kimg, compilation included')
