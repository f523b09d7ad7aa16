"""The game of one generator fed with z against one discriminator: what each of the two minimises."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import fields, regularizers
from gan_jax.base import GAN, Aux, Stage, UserError
from gan_jax.latents import LATENTS, example_keys
from gan_jax.losses import LOSSES, AdversarialLoss
from gan_jax.schedule import check_countable


def latent_gan(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    draw_latents: Callable,
    loss: AdversarialLoss,
    penalty: Callable,
    optimizers: dict,
    least_flops: Callable,
    critic_steps: int = 1,
    progress: Callable = lambda images_seen: {},
    prepare_reals: Callable = lambda images: images,
) -> GAN:
    """Two networks, a source of z and a loss as a `GAN`.

    Args:
        generator: `(z [N, D], train) -> images [N, H, W, C]` in [-1, 1], or points [N, 2] in place of images
            here and below.
        discriminator: `(images, keys, train) -> logits [N]`; `keys` [N], one an example, for its dropout.
        draw_latents: `keys [N] -> z [N, D]`.
        loss: what each player minimises of D's logits.
        penalty: what is added to D's loss, `(real, fake, mix [N]) -> scalar`, the first two `Judged`.
        optimizers: one `optax.GradientTransformation` for each player.
        least_flops: `batch_size -> flops`, see `GAN`.
        critic_steps: see `GAN`.
        progress: `images_seen -> {name: scalar}`, what changes in the networks while they train; both of them
            and `prepare_reals` are called with it, and it is reported with the metrics.
        prepare_reals: `images [N, H, W, C] -> images` that the fakes shall look like.
    """

    def generator_forward(params, model_state, z, **now):
        variables = {'params': params, **model_state}
        return generator.apply(variables, z, train=True, mutable=list(model_state), **now)

    def discriminator_forward(params, model_state, images, keys, **now):
        variables = {'params': params, **model_state}
        return discriminator.apply(variables, images, keys, train=True, mutable=list(model_state), **now)

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
        # D's step and G's see the same fakes, as in the authors' code; Algorithm 1 draws new z for G's step.
        z = draw_latents(example_keys(rng, batch['position']))
        now = progress(state.images_seen)
        fake, model_state = generator_forward(params, state.model_state['generator'], z, **now)
        return {'fake': fake}, model_state

    def judge(params, model_state, images, keys, **now):
        discriminate = lambda images: discriminator_forward(params, model_state, images, keys, **now)
        logits, pullback, model_state = jax.vjp(discriminate, images, has_aux=True)
        gradient = lambda: pullback(jnp.ones_like(logits))[0]
        return Judged(images, logits, gradient, lambda images: discriminate(images)[0]), model_state

    def discriminator_loss(params, outputs, state, batch, rng):
        keys = jax.vmap(partial(jax.random.split, num=3), out_axes=1)(example_keys(rng, batch['position']))
        now = progress(state.images_seen)
        # Reals and fakes are batches of their own: a batch norm over both would tell D which is which.
        before = state.model_state['discriminator']
        real, between = judge(params, before, prepare_reals(batch['image'], **now), keys[0], **now)
        fake, model_state = judge(params, between, outputs['fake'], keys[1], **now)
        mix = jax.vmap(jax.random.uniform)(keys[2])
        value = loss.discriminator(real.logits, fake.logits) + penalty(real, fake, mix)
        metrics = {
            'real_probability': jnp.mean(loss.probability(real.logits)),
            'fake_probability': jnp.mean(loss.probability(fake.logits)),
            **now,
        }
        return value, Aux(model_state, metrics)

    def generator_loss(params, outputs, state, batch, rng):
        del params  # G's gradient comes through its outputs alone
        discriminator_params = state.params['discriminator']
        model_state = state.model_state['discriminator']
        keys = jax.vmap(partial(jax.random.split, num=2), out_axes=1)(example_keys(rng, batch['position']))
        now = progress(state.images_seen)
        judge = lambda images, keys: discriminator_forward(
            discriminator_params, model_state, images, keys, **now
        )
        fake_logits, _ = judge(outputs['fake'], keys[0])
        # Relativistic losses compare with the reals; where a loss does not, the compiler drops this pass.
        real_logits, _ = judge(prepare_reals(batch['image'], **now), keys[1])
        return loss.generator(real_logits, fake_logits), Aux((), {})

    def sample_inputs(rng, n, batch):
        del batch  # z is drawn, not taken from pictures
        return draw_latents(example_keys(rng, jnp.arange(n)))

    def sample(params, model_state, inputs, images_seen):
        variables = {'params': params, **model_state}
        return {'generated': generator.apply(variables, inputs, train=False, **progress(images_seen))}

    def judge_columns(params, model_state, columns, images_seen):
        """Without dropout, by running averages; a D that compares examples has each column as a batch."""
        variables, now = {'params': params, **model_state}, progress(images_seen)
        belief = lambda images: loss.probability(
            discriminator.apply(variables, images, None, train=False, **now)
        )
        return {name: belief(images) for name, images in columns.items()}

    return GAN(
        init=init,
        optimizers=optimizers,
        generate=generate,
        losses={'discriminator': discriminator_loss, 'generator': generator_loss},
        sample_inputs=sample_inputs,
        sample=sample,
        judge=judge_columns,
        least_flops=least_flops,
        critic_steps=critic_steps,
    )


class Judged(NamedTuple):
    """Images that D has judged in its own step, and D as it was then: with the same dropout and state."""

    images: jax.Array  # [N, H, W, C], or points [N, 2]
    logits: jax.Array  # [N]
    gradient: Callable  # () -> of the logits to the images, as large as they, for no second forward pass
    discriminate: Callable  # images -> logits [N]


# Penalties on D by their names in a config, (real, fake, mix [N]) -> scalar.
PENALTIES = {
    'none': lambda real, fake, mix: 0.0,
    'r1': lambda real, fake, mix: regularizers.zero_centered(real.gradient()),
    'r2': lambda real, fake, mix: regularizers.zero_centered(fake.gradient()),
    'drift': lambda real, fake, mix: regularizers.drift(real.logits),
    'gradient_penalty': lambda real, fake, mix: regularizers.gradient_penalty(
        real.discriminate, real.images, fake.images, mix
    ),
}

# The fields of `config.gan` that any such game has.
GAME_FIELDS = {
    'gan.latent_dim': fields.whole(least=1, most=65_536),
    'gan.latent': fields.one_of(LATENTS),
    'gan.loss': fields.one_of(LOSSES),
    'gan.critic_steps': fields.whole(least=1, most=100),
}

# Those of one whose D is kept smooth by whatever the config names.
FIELDS = {
    **GAME_FIELDS,
    'gan.spectral_norm': fields.flag(),
    'gan.regularizer': fields.one_of(PENALTIES),
    'gan.regularizer_weight': fields.number(least=0),
}


def check(config) -> None:
    """Raises UserError where a regularizer has no weight, or the run sees more images than can be counted."""
    if config.gan.regularizer != 'none' and config.gan.regularizer_weight == 0:
        raise UserError(
            f'--config.gan.regularizer_weight: 0 will not do with {config.gan.regularizer}; '
            'takes a number above 0'
        )
    check_countable(stages(config), '--config.num_steps', config.num_steps)


def penalty(gan) -> Callable:
    """The regularizer that `config.gan` names, with its weight: γ of R1 and R2 (Mescheder et al. 2018),
    λ of the gradient penalty."""
    return lambda *judged: gan.regularizer_weight * PENALTIES[gan.regularizer](*judged)


def stages(config) -> list[Stage]:
    """The schedule of a system whose step never changes."""
    return [
        Stage(
            first_step=0,
            first_image=0,
            num_steps=config.num_steps,
            batch_size=config.batch_size,
            resolution=config.data.resolution,
            critic_steps=config.gan.critic_steps,
            ema_half_life=1000 * config.ema_half_life_kimg,
        )
    ]


def least_step_flops(
    gan, generator: list[int], discriminator: list[int], num_nonlinear: int, regularizer: str
) -> int:
    """The least that one example of a minibatch costs in a step, by hand.

    G: forward, gradient to its weights and to its input (nobody needs that to z). D: two forward passes in
    its own step, with gradients to weights and input (not to the images), then one forward in G's step, with
    the gradient to the input alone; a relativistic loss has it judge the reals there too. Each further critic
    step is a forward pass of G and D's own step.

    A penalty on a gradient adds the gradient to the images and both products of its derivative; R1 and R2
    share D's forward pass; the gradient penalty has one of its own and a backward pass from where D's
    gradient last depends on its activations, which that of a piecewise linear D nowhere does.

    Args:
        gan: `config.gan`.
        generator, discriminator: forward flops of each layer, in order.
        num_nonlinear: D's layers below its last function that is not piecewise linear.
        regularizer: the name of the penalty in `PENALTIES`.
    """
    g, d = sum(generator), sum(discriminator)
    of_penalty = {
        'none': 0,
        'drift': 0,
        'r1': 3 * d,
        'r2': 3 * d,
        'gradient_penalty': 4 * d + 2 * sum(discriminator[:num_nonlinear]),
    }
    critic = 6 * d - 2 * discriminator[0] + of_penalty[regularizer]
    rest = 3 * g - generator[0] + (3 if gan.loss == 'relativistic' else 2) * d
    return gan.critic_steps * critic + (gan.critic_steps - 1) * g + rest
