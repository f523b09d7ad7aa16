"""The game of one generator fed with z against one discriminator: what each of the two minimises."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import regularizers
from gan_jax.base import GAN, Aux, Stage
from gan_jax.latents import example_keys
from gan_jax.losses import AdversarialLoss


def latent_gan(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    draw_latents: Callable,
    loss: AdversarialLoss,
    penalty: Callable,
    optimizers: dict,
    least_flops: Callable,
) -> GAN:
    """Two networks, a source of z and a loss as a `GAN`.

    Args:
        generator: `(z [N, D], train) -> images [N, H, W, C]` in [-1, 1].
        discriminator: `(images, keys, train) -> logits [N]`; `keys` [N] are for its dropout.
        draw_latents: `keys [N] -> z [N, D]`.
        loss: what each player minimises of D's logits.
        penalty: `(discriminate, real, fake, mix) -> scalar` added to D's loss, see `penalty_from`.
        optimizers: one `optax.GradientTransformation` for each player.
        least_flops: `batch_size -> flops`, see `GAN`.
    """

    def generator_forward(params, model_state, z):
        variables = {'params': params, **model_state}
        return generator.apply(variables, z, train=True, mutable=list(model_state))

    def discriminator_forward(params, model_state, images, keys):
        variables = {'params': params, **model_state}
        return discriminator.apply(variables, images, keys, train=True, mutable=list(model_state))

    def init(rng, batch):
        generator_rng, discriminator_rng = jax.random.split(rng)
        keys = example_keys(rng, jnp.arange(1))
        # In training mode, as an evaluating D takes no keys and would leave nothing of its dropout to check.
        initialized = {
            'generator': generator.init(generator_rng, draw_latents(keys), train=True),
            'discriminator': discriminator.init(discriminator_rng, batch['image'][:1], keys, train=True),
        }
        params = {player: variables['params'] for player, variables in initialized.items()}
        model_state = {
            player: {name: tree for name, tree in variables.items() if name != 'params'}
            for player, variables in initialized.items()
        }
        return params, model_state, ()

    def generate(params, state, batch, rng):
        z = draw_latents(example_keys(rng, batch['position']))
        fake, model_state = generator_forward(params, state.model_state['generator'], z)
        return {'fake': fake}, model_state

    def discriminator_loss(params, outputs, state, batch, rng):
        real, fake = batch['image'], outputs['fake']
        keys = jax.vmap(partial(jax.random.split, num=4), out_axes=1)(example_keys(rng, batch['position']))
        # Reals and fakes are batches of their own: a batch norm over both would tell D which is which.
        model_state = state.model_state['discriminator']
        real_logits, model_state = discriminator_forward(params, model_state, real, keys[0])
        fake_logits, model_state = discriminator_forward(params, model_state, fake, keys[1])
        discriminate = lambda images: discriminator_forward(params, model_state, images, keys[2])[0]
        mix = jax.vmap(jax.random.uniform)(keys[3])
        value = loss.discriminator(real_logits, fake_logits) + penalty(discriminate, real, fake, mix)
        metrics = {
            'real_probability': jnp.mean(jax.nn.sigmoid(real_logits)),
            'fake_probability': jnp.mean(jax.nn.sigmoid(fake_logits)),
        }
        return value, Aux(model_state, metrics)

    def generator_loss(params, outputs, state, batch, rng):
        del params  # G's gradient comes through its outputs alone
        discriminator_params = state.params['discriminator']
        model_state = state.model_state['discriminator']
        keys = jax.vmap(partial(jax.random.split, num=2), out_axes=1)(example_keys(rng, batch['position']))
        fake_logits, _ = discriminator_forward(discriminator_params, model_state, outputs['fake'], keys[0])
        # Relativistic losses compare with the reals; where a loss does not, the compiler drops this pass.
        real_logits, _ = discriminator_forward(discriminator_params, model_state, batch['image'], keys[1])
        return loss.generator(real_logits, fake_logits), Aux((), {})

    def sample_inputs(rng, n, batch):
        del batch  # z is drawn, not taken from pictures
        return draw_latents(example_keys(rng, jnp.arange(n)))

    def sample(params, model_state, inputs):
        return {'generated': generator.apply({'params': params, **model_state}, inputs, train=False)}

    return GAN(
        init=init,
        optimizers=optimizers,
        generate=generate,
        losses={'discriminator': discriminator_loss, 'generator': generator_loss},
        sample_inputs=sample_inputs,
        sample=sample,
        least_flops=least_flops,
    )


def penalty_from(name: str, weight: float) -> Callable:
    """The regularizer of D that a config names, for `latent_gan`.

    `weight` is γ of R1 (Mescheder et al. 2018) and λ of the gradient penalty (Gulrajani et al. 2017: 10).
    """
    return {
        'none': lambda discriminate, real, fake, mix: 0.0,
        'r1': lambda discriminate, real, fake, mix: weight * regularizers.r1(discriminate, real),
        'gradient_penalty': lambda discriminate, real, fake, mix: (
            weight * regularizers.gradient_penalty(discriminate, real, fake, mix)
        ),
    }[name]


PENALTIES = ('none', 'r1', 'gradient_penalty')


def one_stage(config) -> list[Stage]:
    """The schedule of a system whose step never changes."""
    return [Stage(0, 0, config.num_steps, config.batch_size, config.data.resolution)]


def least_step_flops(generator: list[int], discriminator: list[int], penalty: str) -> int:
    """The least one example costs in a step, from the forward flops of each layer in order.

    G: forward, gradient to its weights and to its input (nobody needs that to z). D: two forward passes in
    its own step, with gradients to weights and input (not to the images), then one forward in G's step, with
    the gradient to the input alone. R1 shares D's forward and first backward pass on reals and adds the
    gradient to the images and both products of its derivative; a gradient penalty has its passes to itself.
    """
    g, d = sum(generator), sum(discriminator)
    return (
        3 * g
        - generator[0]
        + 8 * d
        - 2 * discriminator[0]
        + {'none': 0, 'r1': 3, 'gradient_penalty': 6}[penalty] * d
    )
