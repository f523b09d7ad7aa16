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

    By domain, `item` is uint8 images [B, H, W, C] or float32 points [B, 2], or int32 indices [B] into
    `resident`, [N, …] of either; with several critic steps it has an axis of them in front.
    """

    def read(rng, resident, item):
        number = len(jax.tree.leaves(item)[0])
        positions = jnp.arange(number) if axis_name is None else parallel.example_positions(number)

        def of_domain(place, domain):
            data = item[domain]
            images = normalize(resident[domain][data] if data.ndim == 1 else data)
            augment_key, flip_key = jax.random.split(jax.random.fold_in(rng, place))
            images = gan.augment(images, example_keys(augment_key, positions))
            return random_flip(images, example_keys(flip_key, positions)) if config.data.flip else images

        images = {domain: of_domain(place, domain) for place, domain in enumerate(item)}
        return {**images, 'position': positions}

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
    """The data of a dispatch: by domain [devices, K, B, …], or [devices, K, critic steps, B, …]."""
    try:
        item = next(items)
    except UserError as error:  # it was right when the run began
        raise TrainingFailed(f'step {dispatch.first_step + 1}: {error}') from None
    if dispatch.stage.critic_steps == 1:
        return item
    steps = dispatch.num_steps, dispatch.stage.critic_steps
    return jax.tree.map(lambda x: x.reshape(len(x), *steps, *x.shape[2:]), item)


def item_like(dispatch: Dispatch, images, is_resident: bool, num_devices: int):
    """The shape and type of what `next_item` gives for a dispatch."""
    stage = dispatch.stage
    minibatches = () if stage.critic_steps == 1 else (stage.critic_steps,)
    shape = (num_devices, dispatch.num_steps, *minibatches, stage.batch_size // num_devices)

    def of_domain(source):
        if is_resident:
            return jax.ShapeDtypeStruct(shape, jnp.int32)
        return jax.ShapeDtypeStruct((*shape, *source.shape), source.dtype)

    return {domain: of_domain(source) for domain, source in images.items()}
