"""Where a run is cut into dispatches: a function of the absolute step alone, so no resume moves a cut."""

from collections.abc import Iterator
from typing import NamedTuple

from gan_jax.base import Stage, UserError


def check_countable(stages: list[Stage], flag: str, value) -> None:
    """Raises UserError, about `value` of `flag`, where a run sees more images than an int32 counts."""
    last = stages[-1]
    if last.first_image + last.num_steps * last.images_per_step >= 2**31:
        raise UserError(
            f'{flag}: {value} will not do; takes one with which the run sees fewer than 2147483648 images'
        )


def begun(stages: list[Stage], step: int) -> list[Stage]:
    """Those that a run of so many steps has come to; it is in the last of them, or has just ended that."""
    return [stage for stage in stages if stage.first_step < max(step, 1)]


class Dispatch(NamedTuple):
    """Steps that run in one call of the devices."""

    stage: Stage
    first_step: int  # steps done before it
    num_steps: int

    @property
    def last_step(self) -> int:
        """Steps done after it."""
        return self.first_step + self.num_steps

    @property
    def first_image(self) -> int:
        """Reals seen before it."""
        return self.stage.first_image + (self.first_step - self.stage.first_step) * self.stage.images_per_step

    @property
    def last_image(self) -> int:
        """Reals seen after it."""
        return self.first_image + self.num_steps * self.stage.images_per_step


def dispatches(stages: list[Stage], intervals: list[int], first_step: int = 0) -> Iterator[Dispatch]:
    """The dispatches from `first_step` to the end of the last stage.

    They end at every multiple of every interval and at the edges of the stages.

    Args:
        stages: in order and without gaps.
        intervals: `steps_per_dispatch` and all `*_every_steps`.
        first_step: where to begin, a step at which some dispatch ends.
    """
    for stage in stages:
        end = stage.last_step
        step = max(first_step, stage.first_step)
        while step < end:
            cut = min([end, *(step - step % interval + interval for interval in intervals)])
            yield Dispatch(stage, step, cut - step)
            step = cut


def last_dispatch(stages: list[Stage]) -> Dispatch:
    """The last stage as a whole: its end is the run's end."""
    return Dispatch(stages[-1], stages[-1].first_step, stages[-1].num_steps)
