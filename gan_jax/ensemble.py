"""Several runs as one program: the functions of a run, mapped over the members that a device has.

All that is a member's own has two axes in front, [devices, members of each, …]; see `parallelize_apart`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import parallel
from gan_jax.device_step import item_like, step_function
from gan_jax.schedule import Dispatch
from gan_jax.train_state import TrainState, create_train_state, reset_optimizers

LARGE_STEP = 1e8  # floating point operations, from which on members take turns on a CPU


def devices_for(number: int, devices: list) -> list:
    """The most of these devices among which so many members can be shared evenly."""
    return devices[: max(each for each in range(1, len(devices) + 1) if number % each == 0)]


def over_members(stage, gan, devices) -> Callable:
    """What maps a function over the members of a device: `jax.vmap`, or `in_turn` for a large step on a CPU.

    There a large step keeps a processor busy by itself, and convolutions of several kernels at once are
    slow; `benchmarks/seeds.py` times what either gives.
    """
    is_large = gan.least_flops(stage.batch_size) > LARGE_STEP
    return in_turn if is_large and devices[0].platform == 'cpu' else jax.vmap


def in_turn(function: Callable) -> Callable:
    """Like `jax.vmap`, one after another."""
    return lambda *arguments: jax.lax.map(lambda each: function(*each), arguments)


def member_step(config, stage, gan_of):
    """A member's step on a device, `(state, (values, resident), item) -> (state, metrics)`.

    Args:
        config, stage: see `device_step.step_function`.
        gan_of: `values -> GAN`, see `members.traced`.
    """

    def step(state: TrainState, shared, item):
        values, resident = shared
        return step_function(config, stage, gan_of(values), axis_name=None)(state, resident, item)

    return step


def member_sample(gan_of):
    """A member's `GAN.sample`; its `inputs` are (values, inputs)."""

    def sample(params, model_state, inputs, images_seen):
        values, inputs = inputs
        return gan_of(values).sample(params, model_state, inputs, images_seen)

    return sample


def member_reset(gan_of):
    """`(state, values) -> state` with optimizers that have seen nothing."""
    return lambda state, values: reset_optimizers(state, gan_of(values))


def member_create(gan_of):
    """`(rng, batch, values) -> state`, as `create_train_state` makes it."""
    return lambda rng, batch, values: create_train_state(rng, batch, gan_of(values))


def joined(trees: list, devices):
    """What each member has, as one pytree on all devices: leaves [devices, members of each, …]."""
    each = len(trees) // len(devices)
    groups = [trees[start : start + each] for start in range(0, len(trees), each)]
    stack = lambda *leaves: jnp.stack(leaves)
    return parallel.side_by_side([jax.tree.map(stack, *group) for group in groups], devices)


def fetched(tree):
    """What all members have, as NumPy arrays [members, …]; waits for it."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.device_get(tree))


def member(tree, place: int):
    """Of what was `fetched`, that of one."""
    return jax.tree.map(lambda x: x[place], tree)


def joined_items(items: list[dict], num_devices: int) -> dict:
    """What `next_item` gave for each member on one device, by domain [devices, members of each, K, …]."""
    stack = lambda *every: np.concatenate(every).reshape(num_devices, -1, *every[0].shape[1:])
    return jax.tree.map(stack, *items)


def joined_item_like(dispatch: Dispatch, images: dict, is_resident: bool, num_devices: int, number: int):
    """The shape and type of what `joined_items` gives for so many members."""
    shape = lambda x: (num_devices, number // num_devices, *x.shape[1:])
    like = item_like(dispatch, images, is_resident, num_devices=1)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(shape(x), x.dtype), like)
