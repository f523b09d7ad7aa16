"""What the parts of the explorer's page share: the z that is looked at, and how quickly its events answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np

from gan_jax.base import UserError
from gan_jax.explorer import fragments
from gan_jax.explorer.views import COMPANIONS, Run

REACH = 3  # standard deviations that a direction's slider goes to either side
# An answer within a frame or two: no queue, no veil over what is shown, the latest position alone.
QUICK: dict[str, Any] = {
    'queue': False,
    'show_progress': 'hidden',
    'trigger_mode': 'always_last',
    'api_visibility': 'private',
}
SLOW: dict[str, Any] = {**QUICK, 'show_progress': 'minimal'}
SEED: dict[str, Any] = {'precision': 0, 'minimum': 0, 'maximum': 2**31 - 1, 'min_width': 90}


def forgiving(number):
    """The `gr.Slider` or `gr.Number`, which takes what stands in it while a person types.

    An empty field is the value that it began with, and what lies beyond an end is that end: Gradio itself
    answers either with an error, and with a traceback where the page was started.
    """
    preprocess = number.preprocess

    def instead(value):
        value = number.value if value is None else value
        return preprocess(min(max(value, number.minimum), number.maximum))

    number.preprocess = instead
    return number


class Bench(NamedTuple):
    """What all tabs share: where the z is, and at which checkpoint it is looked at."""

    origin: Any  # gr.State of z [D], what the directions' sliders start from
    sliders: list  # of the directions
    checkpoint: Any  # gr.Slider over 1 .. len(run.steps), or gr.State of 1
    picture: Any  # gr.HTML

    @property
    def inputs(self) -> list:
        """Of a function (origin, number of the checkpoint, *coordinates)."""
        return [self.origin, self.checkpoint, *self.sliders]


class Tab(NamedTuple):
    """A tab that looks at the z whenever it comes to rest."""

    tab: Any  # gr.Tab
    inputs: list  # of its own
    outputs: list
    show: Callable  # (z [D], step, coordinates, *inputs) -> a value for each output


def told(function: Callable) -> Callable:
    """The same, with what a person can mend told on the page in a line."""

    def instead(*arguments):
        try:
            return function(*arguments)
        except UserError as error:
            raise gr.Error(str(error), title='That will not do', print_exception=False) from None

    return instead


def moved(run: Run, origin: np.ndarray, coordinates) -> np.ndarray:
    """The z [D] at these coordinates, in standard deviations, along the principal directions."""
    if not any(coordinates):
        return origin
    steps = run.directions().steps
    return (origin + np.asarray(coordinates, np.float32)[: len(steps)] @ steps).astype(np.float32)


def step_of(run: Run, number) -> int:
    """The step of a checkpoint by its number from 1."""
    return run.steps[int(np.clip(int(number or 1), 1, len(run.steps))) - 1]


def stage(run: Run, z: np.ndarray, number) -> str:
    """The picture of a z at a checkpoint, and what there is to say of it."""
    step = step_of(run, number)
    seen = run.seen(step, z)
    what = 'what G makes of this z'
    return fragments.stage(
        seen.pixels, what, run.where(step), fragments.belief(seen.probability, run.is_probability), z
    )


def header(run: Run, what_it_does: str) -> str:
    """What is looked at, and what has to be known of D to read its numbers."""
    weights = 'the average of G’s weights' if run.is_averaged else 'G’s weights'
    words = [
        f'{what_it_does}; a discriminator D says how real it takes a picture to be. Shown with {weights}, '
        f'up to {run.where(run.last_step)}.'
    ]
    if not run.is_probability:
        words.append(
            f'The {run.config.gan.loss} loss gives no probability: shown is D’s score through a sigmoid, '
            'which says no more than which of two pictures D likes better.'
        )
    if run.looks_around:
        words.append(
            'This D looks at several pictures at once, to see whether they differ. Its word on a picture is '
            f'that on it beside {COMPANIONS} others of G, always the same; beside others it would differ.'
        )
    return fragments.title(f'Explore {run.workdir.resolve().name}', ' '.join(words))
