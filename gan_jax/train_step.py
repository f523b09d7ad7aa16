"""One step of any GAN: the fakes once, then each player in turn down its own gradient."""

import jax
import jax.numpy as jnp
import optax

from gan_jax.base import GAN, Batch
from gan_jax.train_state import TrainState


def train_step(state: TrainState, batch: Batch, *, gan: GAN, ema: float, axis_name: str | None):
    """Updates every player once, the players other than the generator `gan.critic_steps` times.

    Args:
        state: the state, the same on every device.
        batch: this device's share of the global batch, leaves [B, ...]; with `critic_steps` above 1, leaves
            [critic_steps, B, ...], a minibatch for each.
        gan: the system.
        ema: half-life of the generator's average in images; 0 makes the average the generator itself.
        axis_name: the mapped axis over devices, None without one.

    Returns:
        (state, metrics): the next state and scalars of this step, both the same on every device. A step in
        which a loss or a gradient is not finite is counted in `skipped_steps` and changes nothing else.
    """
    rng = jax.random.fold_in(state.rng, state.step)
    critics = [player for player in gan.losses if player != 'generator']
    new_state = state
    if gan.critic_steps > 1:
        earlier, batch = jax.tree.map(lambda x: x[:-1], batch), jax.tree.map(lambda x: x[-1], batch)

        def critic_step(state, minibatch):
            index, batch = minibatch
            return _update(state, batch, jax.random.fold_in(rng, index), critics, gan, axis_name)

        minibatches = (jnp.arange(1, gan.critic_steps), earlier)
        new_state, critic_metrics = jax.lax.scan(critic_step, new_state, minibatches)
    new_state, metrics = _update(new_state, batch, jax.random.fold_in(rng, 0), gan.losses, gan, axis_name)
    if gan.critic_steps > 1:  # what is not finite in an earlier minibatch is told as that of the last
        for name, values in critic_metrics.items():
            metrics[name] = jnp.where(jnp.all(jnp.isfinite(values)), metrics[name], jnp.nan)

    examples = gan.critic_steps * jax.tree.leaves(batch)[0].shape[0]
    images = examples * (1 if axis_name is None else jax.lax.axis_size(axis_name))
    new_state = new_state.replace(
        ema_params=_average(state.ema_params, new_state.params['generator'], images, ema),
        ema_model_state=_average(state.ema_model_state, new_state.model_state['generator'], images, ema),
    )

    finite = jnp.all(jnp.isfinite(jnp.stack([metrics[name] for name in sorted(metrics)])))
    new_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), new_state.replace(rng=()), state.replace(rng=())
    )
    new_state = new_state.replace(
        rng=state.rng,
        step=state.step + 1,
        images_seen=state.images_seen + images,
        skipped_steps=state.skipped_steps + ~finite,
    )
    return new_state, {**metrics, 'skipped_steps': new_state.skipped_steps}


def _update(state, batch, rng, players, gan, axis_name):
    """Generates once, then moves each of `players` in turn; the outputs stay those of the old generator."""
    outputs, pullback, generator_state = jax.vjp(
        lambda params: gan.generate(params, state, batch, jax.random.fold_in(rng, 0)),
        state.params['generator'],
        has_aux=True,
    )
    metrics = {}
    for turn, player in enumerate(players, start=1):
        arguments = (state.params[player], outputs, state, batch, jax.random.fold_in(rng, turn))
        if player == 'generator':
            # The chain rule by hand: dL/dG = (dL/d outputs) (d outputs/dG), the second factor known already.
            loss_and_gradient = jax.value_and_grad(gan.losses[player], argnums=(0, 1), has_aux=True)
            (loss, aux), (direct, cotangent) = loss_and_gradient(*arguments)
            gradient = jax.tree.map(jnp.add, direct, *pullback(cotangent))
        else:
            (loss, aux), gradient = jax.value_and_grad(gan.losses[player], has_aux=True)(*arguments)
        loss_metrics = {f'{player}_loss': loss, **aux.metrics}
        if axis_name is not None:
            gradient, loss_metrics = jax.lax.pmean((gradient, loss_metrics), axis_name)
        optimizer = gan.optimizers[player]
        updates, opt_state = optimizer.update(gradient, state.opt_state[player], state.params[player])
        metrics |= loss_metrics | {f'{player}_gradient_norm': _norm(gradient)}
        model_state = generator_state if player == 'generator' else aux.model_state
        state = state.replace(
            params={**state.params, player: optax.apply_updates(state.params[player], updates)},
            opt_state={**state.opt_state, player: opt_state},
            model_state={**state.model_state, player: model_state},
            memory=aux.memory if jax.tree.leaves(aux.memory) else state.memory,
        )
    return state, metrics


def _norm(gradient):
    """Of all entries; by rows first, which XLA's CPU backend does in one pass over the memory."""
    return optax.tree.norm(jax.tree.map(lambda x: jnp.linalg.norm(jnp.atleast_1d(x), axis=-1), gradient))


def _average(old, new, images, half_life):
    """The exponential moving average `images` images later: half of what it was is left after `half_life`."""
    keep = 0.5 ** (images / half_life) if half_life else 0.0
    return jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, old, new) if keep else new
