"""When a growing GAN grows: its stages, from the thousands of images that each level fades in and settles."""

import math

from gan_jax import fields
from gan_jax.base import Stage, UserError
from gan_jax.schedule import check_countable

RESOLUTIONS = tuple(4 * 2**level for level in range(9))  # of the levels, in pixels

KIMG = fields.number(above=0, most=fields.MOST // 1000)
FIELDS = {
    'batch_size': fields.whole(least=0),
    'num_steps': fields.whole(least=0),
    'gan.resolution': fields.one_of(RESOLUTIONS),
    'gan.stddev_group': fields.whole(least=1),
    'gan.fade_kimg': fields.Several(KIMG),
    'gan.settle_kimg': fields.Several(KIMG),
    'gan.batch_sizes': fields.Several(fields.whole(least=1)),
    'gan.learning_rate_factors': fields.Several(fields.number(above=0)),
}


def stages(config) -> list[Stage]:
    """Level 0, then for each further level its fading in and its settling (section 2 and appendix A.1).

    A stage lasts its kimg, rounded up to whole dispatches, so that each is compiled once.
    """
    gan, levels = config.gan, RESOLUTIONS.index(config.gan.resolution) + 1
    batch_sizes = [min(size, config.batch_size or size) for size in fields.for_each(gan.batch_sizes, levels)]
    settle_kimg, fade_kimg = (
        fields.for_each(gan.settle_kimg, levels),
        (0, *fields.for_each(gan.fade_kimg, levels - 1)),
    )
    planned, step, image = [], 0, 0
    for level, batch_size in enumerate(batch_sizes):
        images_per_step = batch_size * gan.critic_steps
        for is_fade in (True, False) if level else (False,):
            kimg = fade_kimg[level] if is_fade else settle_kimg[level]
            a_dispatch = config.steps_per_dispatch
            # One at least: of the smallest floats the quotient is 0.
            num_steps = max(1, math.ceil(1000 * kimg / images_per_step / a_dispatch)) * a_dispatch
            planned.append(
                Stage(
                    first_step=step,
                    first_image=image,
                    num_steps=num_steps,
                    batch_size=batch_size,
                    resolution=RESOLUTIONS[level],
                    critic_steps=gan.critic_steps,
                    # The paper's average is one over steps, whatever their batch size.
                    ema_half_life=1000 * config.ema_half_life_kimg * batch_size / batch_sizes[-1],
                    fade=num_steps * images_per_step if is_fade else 0,
                    reset_optimizer=step > 0,
                )
            )
            step, image = step + num_steps, image + num_steps * images_per_step
    end = config.num_steps or step
    return [
        stage._replace(num_steps=min(stage.num_steps, end - stage.first_step))
        for stage in planned
        if stage.first_step < end
    ]


def check(config) -> None:
    """Raises UserError where fields that are each right do not fit together."""
    gan = config.gan
    levels = RESOLUTIONS.index(gan.resolution) + 1
    if config.data.resolution % gan.resolution:
        raise UserError(
            f'--config.gan.resolution: {gan.resolution} will not do with pictures of '
            f'{config.data.resolution} pixels; takes one that they are a whole number of times as large as'
        )
    of_each = {'fade_kimg': 'above 4', 'settle_kimg': '', 'batch_sizes': '', 'learning_rate_factors': ''}
    for name, above in of_each.items():
        known = RESOLUTIONS[1 if above else 0 : levels]
        if len(gan[name]) not in (1, len(known)):
            raise UserError(
                f'--config.gan.{name}: {len(gan[name])} values will not do for {len(known)} levels; '
                f'takes one value, or one for each of {", ".join(map(str, known)) or "no level"}'
            )
    of_all = stages(config)
    for stage in of_all:
        if stage.batch_size % min(stage.batch_size, gan.stddev_group):
            raise UserError(
                f'--config.gan.stddev_group: {gan.stddev_group} will not do with a batch of '
                f'{stage.batch_size} at {stage.resolution} pixels; takes a number that divides it'
            )
    check_countable(of_all, '--config.gan.settle_kimg', gan.settle_kimg)
