"""Several runs as one program: each function of a run mapped over an axis of members in front."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import parallel
from gan_jax.device_step import item_like, step_function
from gan_jax.dry_run import abstract_arguments
from gan_jax.schedule import Dispatch
from gan_jax.train_state import TrainState, create_train_state, reset_optimizers
from gan_jax.train_step import train_step

# It is the first axis of each leaf of a state and of what a single step is given, and comes after that of the
# steps in what a dispatch is given and gives: data [devices, K, members, …], metrics [K, members].


def over_members(config, stage, gan_of, devices) -> Callable:
    """What maps a function over the members: `jax.vmap`, or `in_turn` for convolutions on a CPU.

    There XLA has fast convolutions of one kernel alone; docs/performance.md has the figures.
    """
    if devices[0].platform != 'cpu':
        return jax.vmap
    gan = gan_of({})
    step = partial(train_step, gan=gan, ema=stage.ema_half_life, axis_name=None)
    program = jax.make_jaxpr(step)(*abstract_arguments(config, gan, stage))
    return in_turn if 'conv_general_dilated' in str(program) else jax.vmap


def in_turn(function: Callable) -> Callable:
    """Like `jax.vmap`, one member after another."""
    return lambda *arguments: jax.lax.map(lambda each: function(*each), arguments)


def members_step(config, stage, gan_of, axis_name: str | None, over: Callable):
    """One device's step of all members, `(states, (values, resident), items) -> (states, metrics)`.

    Args:
        config, stage, axis_name: see `device_step.step_function`, which is what each member does.
        gan_of: `values -> GAN`, see `members.traced`.
        over: see `over_members`.
    """

    def step(states: TrainState, shared, items):
        values, resident = shared  # the pictures are the same for all

        def of_member(state, values, item):
            return step_function(config, stage, gan_of(values), axis_name)(state, resident, item)

        return over(of_member)(states, values, items)

    return step


def members_sample(gan_of, over: Callable):
    """`GAN.sample` of all members; `inputs` are (values, inputs)."""

    def of_member(params, model_state, inputs, images_seen):
        values, inputs = inputs
        return gan_of(values).sample(params, model_state, inputs, images_seen)

    return over(of_member)


def members_reset(gan_of):
    """`(states, values) -> states` with optimizers that have seen nothing."""
    return jax.vmap(lambda state, values: reset_optimizers(state, gan_of(values)))


def member_create(gan_of):
    """`(rng, batch, values) -> state` of one member, as `create_train_state` makes it."""
    return lambda rng, batch, values: create_train_state(rng, batch, gan_of(values))


def stacked(*trees):
    """Those of the members, each leaf [members, …]."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def member(tree, number):
    """That of one."""
    return jax.tree.map(lambda leaf: leaf[number], tree)


def stacked_items(items: list[dict]) -> dict:
    """What `next_item` gave for each member, as one dispatch of all."""
    return {domain: np.stack([item[domain] for item in items], axis=2) for domain in items[0]}


def stacked_item_like(dispatch: Dispatch, images: dict, is_resident: bool, num_devices: int, number: int):
    """The shape and type of what `stacked_items` gives for so many members."""
    insert = lambda x: jax.ShapeDtypeStruct((*x.shape[:2], number, *x.shape[2:]), x.dtype)
    return jax.tree.map(insert, item_like(dispatch, images, is_resident, num_devices))


def states_like(state_like, number: int, devices):
    """The shapes of the states of so many members, on all devices."""
    insert = lambda x: jax.ShapeDtypeStruct((number, *x.shape), x.dtype)
    return parallel.replicated_like(jax.tree.map(insert, state_like), devices)
