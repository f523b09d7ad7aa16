"""CycleGAN (Zhu, Park, Isola and Efros 2017): two domains of pictures, translated both ways, without pairs.

The generator player is two networks, 'a_to_b' and 'b_to_a', and the discriminator two, one a domain.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax import fields, image_pool, layers
from gan_jax.augment import enlarge_and_crop
from gan_jax.base import GAN, Aux, Stage, UserError
from gan_jax.data import domains
from gan_jax.data.domains import DOMAINS
from gan_jax.layers import conv_flops, instance_norm, reflect
from gan_jax.losses import LOSSES
from gan_jax.schedule import check_countable

FIELDS = {
    **domains.FIELDS,
    'num_steps': fields.whole(least=0),
    'data.load_resolution': fields.whole(least=4, most=4096),
    'gan.generator_width': fields.whole(least=1, most=65_536),
    'gan.residual_blocks': fields.whole(least=1, most=1000),
    'gan.discriminator_width': fields.whole(least=1, most=65_536),
    'gan.discriminator_layers': fields.whole(least=1, most=5),
    'gan.remat': fields.flag(),
    'gan.loss': fields.one_of(LOSSES),
    'gan.cycle_weight': fields.number(least=0),
    'gan.identity_weight': fields.number(least=0),
    'gan.pool_size': fields.whole(least=0, most=100_000),
    'gan.constant_kimg': fields.number(least=0, most=fields.MOST // 1000),
    'gan.decay_kimg': fields.number(least=0, most=fields.MOST // 1000),
    **fields.adam('discriminator'),
    **fields.adam('generator'),
}

Conv = partial(layers.Conv, kernel_init=layers.normal_around(0.0, 0.02))
ConvTranspose = partial(layers.ConvTranspose, kernel_init=layers.normal_around(0.0, 0.02))
WAYS = {'a_to_b': ('a', 'b', 'b_to_a'), 'b_to_a': ('b', 'a', 'a_to_b')}  # from, to, and the way back


class ResidualBlock(nn.Module):
    """x + F(x), F two convolutions of 3 x 3: [N, H, W, C] -> [N, H, W, C], and None: a step of a scan."""

    dtype: Any

    @nn.compact
    def __call__(self, x, _):
        y = Conv(x.shape[-1], (3, 3), dtype=self.dtype)(reflect(x, 1))
        y = Conv(x.shape[-1], (3, 3), dtype=self.dtype)(reflect(nn.relu(instance_norm(y)), 1))
        return x + instance_norm(y), None


class Generator(nn.Module):
    """Pictures [N, H, W, C] in [-1, 1] -> the same of the other domain; H and W multiples of 4 (7.2)."""

    width: int  # channels at full size
    blocks: int
    channels: int
    remat: bool  # whether to compute a block's inside again where its gradient needs it
    dtype: Any

    @nn.compact
    def __call__(self, x):
        norm_relu = lambda x: nn.relu(instance_norm(x))
        x = norm_relu(Conv(self.width, (7, 7), dtype=self.dtype)(reflect(x, 3)))
        for factor in (2, 4):
            x = norm_relu(Conv(factor * self.width, (3, 3), 2, 1, dtype=self.dtype)(x))
        x, _ = self.residual_blocks()(self.dtype, name='blocks')(x, None)
        for factor in (2, 1):
            x = norm_relu(ConvTranspose(factor * self.width, (3, 3), 2, 1, 1, dtype=self.dtype)(x))
        x = Conv(self.channels, (7, 7), dtype=self.dtype, name='to_image')(reflect(x, 3))
        return jnp.tanh(x.astype(jnp.float32))

    def residual_blocks(self):
        """All as one module, whose parameters are [blocks, …]."""
        # Written out they are faster. In a loop no compiler computes anything again before it is needed.
        return nn.scan(
            nn.remat(ResidualBlock, prevent_cse=False) if self.remat else ResidualBlock,
            variable_axes={'params': 0},
            split_rngs={'params': True},
            length=self.blocks,
            unroll=1 if self.remat else self.blocks,
        )


class Discriminator(nn.Module):
    """Pictures [N, H, W, C] in [-1, 1] -> logits [N, h, w], each of a patch: 70 pixels with 3 layers."""

    width: int  # channels of the first map
    layers: int  # that halve
    dtype: Any

    @nn.compact
    def __call__(self, x):
        conv = partial(Conv, kernel_size=(4, 4), padding=1, dtype=self.dtype)
        x = nn.leaky_relu(conv(self.width, strides=2)(x), 0.2)
        for layer in range(1, self.layers + 1):
            strides = 2 if layer < self.layers else 1
            x = nn.leaky_relu(instance_norm(conv(self.width * min(2**layer, 8), strides=strides)(x)), 0.2)
        return conv(1, name='logit')(x)[..., 0].astype(jnp.float32)


def stages(config) -> list[Stage]:
    """One, to the end of the rate's schedule, or to `num_steps` where that comes first."""
    images = round(1000 * (config.gan.constant_kimg + config.gan.decay_kimg))
    to_the_end = math.ceil(images / config.batch_size)
    return [
        Stage(
            first_step=0,
            first_image=0,
            num_steps=min(config.num_steps or to_the_end, to_the_end),
            batch_size=config.batch_size,
            resolution=config.data.resolution,
            ema_half_life=1000 * config.ema_half_life_kimg,
        )
    ]


def check(config) -> None:
    """Raises UserError where fields that are each right do not fit together."""
    gan, data = config.gan, config.data
    smallest = max(8, 3 * 2**gan.discriminator_layers)  # of which D sees a patch, and a quarter is reflected
    if data.resolution % 4 or data.resolution < smallest:
        raise UserError(
            f'--config.data.resolution: {data.resolution} will not do with {gan.discriminator_layers} layers '
            f'of D; takes a multiple of 4 from {smallest}'
        )
    if data.load_resolution < data.resolution:
        raise UserError(
            f'--config.data.load_resolution: {data.load_resolution} will not do; takes the '
            f'{data.resolution} of --config.data.resolution, which is cut out of it, or more'
        )
    check_countable(stages(config), '--config.gan.constant_kimg', gan.constant_kimg)
    if not stages(config)[0].num_steps:
        given = f'{gan.constant_kimg:g} will not do with a decay_kimg of {gan.decay_kimg:g}'
        raise UserError(f'--config.gan.constant_kimg: {given}; takes one with which the run sees a picture')


def make(config, stage: Stage, axis_name: str | None) -> GAN:
    """The networks, losses (equations 1 to 3; identity: section 5.2) and optimizers that a config has."""
    gan, data, dtype = config.gan, config.data, jnp.dtype(config.dtype)
    generator: Any = Generator(gan.generator_width, gan.residual_blocks, data.channels, gan.remat, dtype)
    discriminator: Any = Discriminator(gan.discriminator_width, gan.discriminator_layers, dtype)
    loss = LOSSES[gan.loss]
    translate = lambda params, way, images: generator.apply({'params': params[way]}, images)
    judge = lambda params, domain, images: discriminator.apply({'params': params[domain]}, images)
    distance = lambda x, y: jnp.mean(jnp.abs(x - y))

    def init(rng, batch):
        networks = {
            'generator': (generator, {way: source for way, (source, _, _) in WAYS.items()}),
            'discriminator': (discriminator, {domain: domain for domain in DOMAINS}),
        }
        keys = iter(jax.random.split(rng, 4))
        params = {
            player: {name: network.init(next(keys), batch[sees][:1])['params'] for name, sees in of.items()}
            for player, (network, of) in networks.items()
        }
        memory = {domain: image_pool.empty(gan.pool_size, batch[domain].shape[1:]) for domain in DOMAINS}
        return params, {player: {} for player in params}, memory if gan.pool_size else ()

    def generate(params, state, batch, _):
        fakes = {target: translate(params, way, batch[source]) for way, (source, target, _) in WAYS.items()}
        return fakes, state.model_state['generator']

    def generator_loss(params, fakes, state, batch, _):
        adversarial, cycle, identity = 0.0, 0.0, 0.0
        for way, (source, target, back) in WAYS.items():
            judged = partial(judge, state.params['discriminator'], target)
            # Relativistic losses compare with the reals; where a loss does not, the compiler drops that pass.
            adversarial += loss.generator(judged(batch[target]), judged(fakes[target]))  # equation 1
            # Equation 2: E ‖G_back(G_way(x)) - x‖₁, x of the source domain.
            cycle += distance(translate(params, back, fakes[target]), batch[source])
            if gan.identity_weight:  # what is of the target domain already should stay as it is
                identity += distance(translate(params, way, batch[target]), batch[target])
        value = adversarial + gan.cycle_weight * cycle + gan.identity_weight * identity  # equation 3
        parts = {'adversarial': adversarial, 'cycle_consistency': cycle, 'identity': identity}
        return value, Aux((), {f'generator_{name}': part for name, part in parts.items()})

    def discriminator_loss(params, fakes, state, batch, rng):
        value, real_probability, fake_probability, memory = 0.0, 0.0, 0.0, {}
        for place, domain in enumerate(DOMAINS):
            shown, key = fakes[domain], jax.random.fold_in(rng, place)
            if gan.pool_size:
                pool, positions = state.memory[domain], batch['position']
                shown, memory[domain] = image_pool.query(pool, shown, key, positions, axis_name)
            real, fake = judge(params, domain, batch[domain]), judge(params, domain, shown)
            value += loss.discriminator(real, fake) / 2  # the authors' factor
            real_probability += jnp.mean(loss.probability(real)) / 2
            fake_probability += jnp.mean(loss.probability(fake)) / 2
        metrics = {'real_probability': real_probability, 'fake_probability': fake_probability}
        return value, Aux({}, metrics, memory)

    def sample_inputs(_, n, batch):
        number = min(n, *(len(batch[domain]) for domain in DOMAINS))
        return {domain: batch[domain][:number] for domain in DOMAINS}

    def sample(params, _, inputs, images_seen):
        """Of each domain that `inputs` has: the pictures, translated, and translated back."""
        columns = {}
        for way, (source, _, back) in WAYS.items():
            if source in inputs:
                columns[source], columns[way] = inputs[source], translate(params, way, inputs[source])
                columns[f'{way}_to_{source}'] = translate(params, back, columns[way])
        return columns

    def judge_columns(params, _, columns, images_seen):
        """By the D of the domain that a column is in, or shall look like; the mean over its patches."""
        belief = lambda name, images: loss.probability(judge(params, name[-1], images)).mean((1, 2))
        return {name: belief(name, images) for name, images in columns.items()}

    return GAN(
        init=init,
        optimizers={player: adam(each, config) for player, each in config.optimizer.items()},
        generate=generate,
        losses={'generator': generator_loss, 'discriminator': discriminator_loss},
        sample_inputs=sample_inputs,
        sample=sample,
        judge=judge_columns,
        least_flops=lambda batch_size: batch_size * least_example_flops(config),
        augment=partial(enlarge_and_crop, size=data.load_resolution),
        targets={way: target for way, (_, target, _) in WAYS.items()},
        cycles={f'{way}_to_{source}': source for way, (source, _, _) in WAYS.items()},
    )


def adam(optimizer, config) -> optax.GradientTransformation:
    """At a constant rate, and then at one that falls to zero in a straight line (section 4)."""
    constant, decay = 1000 * config.gan.constant_kimg, 1000 * config.gan.decay_kimg
    left = lambda step: jnp.clip((constant + decay - step * config.batch_size) / decay, 0, 1) if decay else 1
    return optax.adam(lambda step: optimizer.learning_rate * left(step), b1=optimizer.b1, b2=optimizer.b2)


def least_example_flops(config) -> int:
    """The least work of one picture of each domain in one step, counted by hand from the shapes."""
    gan, size, channels = config.gan, config.data.resolution, config.data.channels
    wide = [gan.generator_width * factor for factor in (1, 2, 4)]
    first = conv_flops(size + 6, 7, 1, 0, channels, wide[0])  # and last
    halvings = conv_flops(size, 3, 2, 1, wide[0], wide[1]) + conv_flops(size // 2, 3, 2, 1, wide[1], wide[2])
    block = 2 * conv_flops(size // 4 + 2, 3, 1, 0, wide[2], wide[2])
    g = 2 * (first + halvings) + gan.residual_blocks * block

    wide = [gan.discriminator_width * min(2**layer, 8) for layer in range(gan.discriminator_layers + 1)]
    seen = conv_flops(size, 4, 2, 1, channels, wide[0])
    d, size = seen, size // 2
    for layer in range(1, gan.discriminator_layers):
        d += conv_flops(size, 4, 2, 1, wide[layer - 1], wide[layer])
        size //= 2
    d += conv_flops(size, 4, 1, 1, wide[-2], wide[-1]) + conv_flops(size - 1, 4, 1, 1, wide[-1], 1)
    # Forward, to the weights and to the input, which nobody asks of a picture that is not generated.
    of_pictures = (2 if gan.identity_weight else 1) * (3 * g - first)
    judging = (3 if gan.loss == 'relativistic' else 2) * d  # in G's step, which needs no gradient to D
    return 2 * (of_pictures + 3 * g + judging + 2 * (3 * d - seen))
