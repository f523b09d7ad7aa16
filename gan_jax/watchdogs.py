"""What watches over a run: numbers that are not finite, replicas that differ, players out of the game.

What is found names the step, the player and the value.
"""

import math
from collections.abc import Callable

import jax
import numpy as np

from gan_jax import fields, parallel
from gan_jax.base import TrainingFailed
from gan_jax.compilation import Programs
from gan_jax.schedule import Dispatch

FIELDS = {
    'watchdogs.replicas': fields.flag(),
    'watchdogs.collapse_kimg': fields.number(least=0),
    'watchdogs.stalled_input_seconds': fields.number(above=0, most=1e6),
}
# Where a player is out of the game: D's loss, a gradient's norm, and the samples' spread over the reals'.
WON_LOSS, GONE_NORM, ALIKE_SPREAD = 0.02, 1e-7, 0.05


def first_nonfinite(dispatch: Dispatch, metrics) -> str:
    """Step, player and value of the first loss or gradient of a dispatch that is not finite, '' if all are.

    Waits for the dispatch.
    """
    return nonfinite_in(dispatch, parallel.fetch(metrics))


def nonfinite_in(dispatch: Dispatch, metrics: dict) -> str:
    """The same of metrics that have been fetched, {name: [K]}."""
    values = {name: value.tolist() for name, value in metrics.items()}
    for step in range(dispatch.num_steps):
        for name, value in values.items():
            if not math.isfinite(value[step]):
                player, _, what = name.partition('_')
                number = dispatch.first_step + step + 1
                return f"step {number}: the {player}'s {what.replace('_', ' ')} is {value[step]}"
    return ''


class StoppedWaiting(Exception):
    """A run is to stop while it waits for data."""


class StalledInput:
    """Warns when data do not come, and gives up waiting when the run is to stop."""

    def __init__(self, patience: float, is_stopped: Callable[[], bool], say: Callable[[str], None]):
        """
        Args:
            patience: seconds after which, and after each of which again, it is said.
            is_stopped: whether to give up. Several processes cannot: the others are at work on the step.
            say: (text) -> None, to a person.
        """
        self.patience, self.is_stopped, self.say = patience, is_stopped, say
        self.step, self.told = 0, 0

    def __call__(self, seconds: float) -> None:
        """Data for `step` have been waited for so long; raises StoppedWaiting."""
        if jax.process_count() == 1 and self.is_stopped():
            raise StoppedWaiting
        number = int(seconds / self.patience)
        if number > self.told:
            self.say(
                f'step {self.step}: the data have brought nothing for {seconds:.0f} s; '
                'is their disk or network at work?'
            )
        self.told = number


class Replicas:
    """Compares the copies of the state on all devices by numbers computed on each."""

    def __init__(self, devices, state_like, programs: Programs):
        self._places = parallel.shard(np.arange(len(parallel.local(devices))), devices)
        self._programs, self._fingerprints = programs, parallel.fingerprints(devices)
        programs.prepare('fingerprints', self._fingerprints, state_like, self._places)

    def check(self, step: int, state) -> None:
        """Raises TrainingFailed where they differ, and says in what and on which device."""
        numbers_of = self._programs.run('fingerprints', self._fingerprints, state, self._places)
        for name, numbers in parallel.fetch(numbers_of).items():
            if (numbers != numbers[0]).any():
                device = int(np.argmax(numbers != numbers[0]))
                raise TrainingFailed(
                    f'step {step}: device {device} has another {name} than device 0 (fingerprints '
                    f'{numbers[device]:08x} and {numbers[0]:08x}), though all replicas should be the same; a '
                    'gradient that nobody averaged, or a device that computes wrongly'
                )


class Collapse:
    """Warns, once each time, when a player has been out of the game for long."""

    def __init__(self, after_kimg: float, spread_of_reals: float, say: Callable[[str], None]):
        """
        Args:
            after_kimg: thousands of images that a symptom lasts before it is said; 0: it never is.
            spread_of_reals: see `spread`.
            say: (text) -> None, to a person.
        """
        self.after_kimg, self.spread_of_reals, self.say = after_kimg, spread_of_reals, say
        self.spread_of_samples = None
        self.since: dict[str, float] = {}  # symptom -> kimg when it was first seen, infinite once it is said

    def see(self, columns: dict) -> None:
        """Takes note of samples, {column: images [N, H, W, C] or points [N, 2]}."""
        self.spread_of_samples = min(spread(images) for images in columns.values())

    def look(self, step: int, kimg: float, values: dict) -> None:
        """At the metrics of a step."""
        found = symptoms(values, self.spread_of_samples, self.spread_of_reals)
        self.since = {name: self.since.get(name, kimg) for name in found}
        for name, what in found.items():
            if self.after_kimg and kimg - self.since[name] >= self.after_kimg:
                self.say(f'step {step}: for {kimg - self.since[name]:.4g} kimg {what}')
                self.since[name] = math.inf


def symptoms(values: dict, spread_of_samples: float | None, spread_of_reals: float) -> dict[str, str]:
    """What is wrong with the players by the metrics of one step, {name: what, and what to try}."""
    found = {}
    loss = values['discriminator_loss']
    real, fake = values['real_probability'], values['fake_probability']
    if 0 <= loss < WON_LOSS and real - fake > 0.5:
        found['won'] = (
            f'the discriminator has told all apart (its loss is {loss:.2g}, D(real) {real:.3f}, D(fake) '
            f'{fake:.3f}), and the generator learns little from it; try a lower '
            'optimizer.discriminator.learning_rate, gan.regularizer=r1 or another gan.loss'
        )
    for player in ('discriminator', 'generator'):
        norm = values[f'{player}_gradient_norm']
        if norm < GONE_NORM:
            found[player] = (
                f'the {player} has had next to no gradient (norm {norm:.2g}); try another '
                'gan.loss, or a lower learning rate from a checkpoint before that'
            )
    if spread_of_samples is not None and spread_of_samples < ALIKE_SPREAD * spread_of_reals:
        found['alike'] = (
            f"the generator's samples have been alike (their spread is {spread_of_samples:.2g}, that of the "
            f'data {spread_of_reals:.2g}); try a lower optimizer.generator.learning_rate, '
            'gan.regularizer=r1 or a larger batch_size'
        )
    return found


def spread(images) -> float:
    """How much examples [N, ...] differ: the standard deviation over them, averaged over all else."""
    return float(np.mean(np.std(np.asarray(images, np.float32), axis=0)))
