"""What one device does in a step, from stored bytes to new parameters, and what it is given for it."""

import jax
import jax.numpy as jnp

from gan_jax import parallel
from gan_jax.augment import normalize, random_flip
from gan_jax.base import GAN, Stage, TrainingFailed, UserError
from gan_jax.latents import example_keys
from gan_jax.schedule import Dispatch
from gan_jax.train_state import TrainState
from gan_jax.train_step import train_step

READING = 2**32 - 3  # folded into keys, where no step number comes to


def step_function(config, stage: Stage, gan: GAN, axis_name: str | None):
    """One device's step, `(state, resident, item) -> (state, metrics)`, from stored bytes to new parameters.

    `item` is uint8 images [B, H, W, C], or int32 indices [B] into `resident`, uint8 images [N, H, W, C]; with
    several critic steps it has an axis of them in front.
    """

    def read(rng, resident, item):
        positions = parallel.example_positions(item.shape[0])
        images = normalize(resident[item] if item.ndim == 1 else item)
        if config.data.flip:
            images = random_flip(images, example_keys(rng, positions))
        return {'image': images, 'position': positions}

    def step(state: TrainState, resident, item):
        rng = jax.random.fold_in(jax.random.fold_in(state.rng, state.step), READING)
        if gan.critic_steps > 1:
            rngs = jax.random.split(rng, gan.critic_steps)
            batch = jax.vmap(read, in_axes=(0, None, 0))(rngs, resident, item)
        else:
            batch = read(rng, resident, item)
        return train_step(state, batch, gan=gan, ema=stage.ema_half_life, axis_name=axis_name)

    return step


def next_item(items, dispatch: Dispatch):
    """The data of a dispatch: [devices, K, B, …], with several critic steps [devices, K, steps, B, …]."""
    try:
        item = next(items)
    except UserError as error:  # it was right when the run began
        raise TrainingFailed(f'step {dispatch.first_step + 1}: {error}') from None
    if dispatch.stage.critic_steps == 1:
        return item
    return item.reshape(item.shape[0], dispatch.num_steps, dispatch.stage.critic_steps, *item.shape[2:])


def item_like(dispatch: Dispatch, images, is_resident: bool, num_devices: int):
    """The shape and type of what `next_item` gives for a dispatch."""
    stage = dispatch.stage
    minibatches = () if stage.critic_steps == 1 else (stage.critic_steps,)
    picture = () if is_resident else (images.resolution, images.resolution, images.channels)
    shape = (num_devices, dispatch.num_steps, *minibatches, stage.batch_size // num_devices, *picture)
    return jax.ShapeDtypeStruct(shape, jnp.int32 if is_resident else jnp.uint8)
