"""Everything that a run is at one moment, as one pytree without a device axis."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from gan_jax.base import GAN, Batch, Params


@struct.dataclass
class TrainState:
    """What `train_step` maps to its successor, and what a checkpoint holds.

    Dicts are keyed by player. Randomness is derived from `rng` and `step`, never advanced, and the data
    position is `images_seen`, so that nothing about a run lives outside this tree.
    """

    step: jax.Array  # int32 [], generator updates so far
    images_seen: jax.Array  # int32 [], real examples consumed so far
    rng: jax.Array  # a typed key, the same from the first step to the last
    skipped_steps: jax.Array  # int32 [], steps left out because a loss or gradient was not finite
    params: dict[str, Params]
    model_state: dict[str, Any]  # batch statistics, power-iteration vectors
    opt_state: dict[str, Any]
    ema_params: Params  # the generator's, averaged over images seen
    ema_model_state: Any  # averaged weights need averaged batch statistics
    memory: Any  # () or what a system remembers between steps, CycleGAN's image pools
    replace: ClassVar[Callable[..., 'TrainState']]  # no field: flax adds it and its stubs do not say so


def create_train_state(rng: jax.Array, batch: Batch, gan: GAN) -> TrainState:
    """The state before the first step.

    Call it under `jax.jit`: the leaves are donated to the step, so no two of them may share a buffer, as
    `params` and `ema_params` would here.

    Args:
        rng: a typed key from which all randomness of the run is derived.
        batch: real examples that give the shapes, and whatever an initialisation takes from the data.
        gan: the system.
    """
    params, model_state, memory = gan.init(
        jax.random.fold_in(rng, 2**32 - 1), batch
    )  # no step comes to that number
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        images_seen=jnp.zeros((), jnp.int32),
        rng=rng,
        skipped_steps=jnp.zeros((), jnp.int32),
        params=params,
        model_state=model_state,
        opt_state={player: optimizer.init(params[player]) for player, optimizer in gan.optimizers.items()},
        ema_params=params['generator'],
        ema_model_state=model_state['generator'],
        memory=memory,
    )


def reset_optimizers(state: TrainState, gan: GAN) -> TrainState:
    """The state with optimizers that have seen nothing."""
    opt_state = {player: gan.optimizers[player].init(state.params[player]) for player in state.opt_state}
    return state.replace(opt_state=opt_state)
