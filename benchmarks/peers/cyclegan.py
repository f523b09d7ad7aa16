"""CycleGAN in PyTorch: the networks and the update of `gan_jax/gans/cyclegan.py`."""

import itertools
import random

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.latent_gan import Players

WAYS = {'a_to_b': ('a', 'b', 'b_to_a'), 'b_to_a': ('b', 'a', 'a_to_b')}  # from, to, and the way back


class ResidualBlock(nn.Module):
    """x + F(x)."""

    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=1, padding_mode='reflect')
        norm = lambda: nn.InstanceNorm2d(width)
        self.inside = nn.Sequential(conv(), norm(), nn.ReLU(True), conv(), norm())

    def forward(self, x):
        return x + self.inside(x)


class Generator(nn.Sequential):
    """Pictures of one domain [N, C, H, W] -> of the other."""

    def __init__(self, width, blocks, channels):
        norm_relu = lambda features: (nn.InstanceNorm2d(features), nn.ReLU(True))
        around = lambda inputs, outputs: nn.Conv2d(inputs, outputs, 7, padding=3, padding_mode='reflect')
        layers = [around(channels, width), *norm_relu(width)]
        for factor in (1, 2):
            layers += [nn.Conv2d(factor * width, 2 * factor * width, 3, 2, 1), *norm_relu(2 * factor * width)]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for factor in (2, 1):
            layers += [
                nn.ConvTranspose2d(2 * factor * width, factor * width, 3, 2, 1, 1),
                *norm_relu(factor * width),
            ]
        super().__init__(*layers, around(width, channels), nn.Tanh())


class Discriminator(nn.Sequential):
    """Pictures [N, C, H, W] -> logits [N, 1, h, w]."""

    def __init__(self, width, layers, channels):
        features = [width * min(2**layer, 8) for layer in range(layers + 1)]
        parts = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(features), start=1):
            conv = nn.Conv2d(inputs, outputs, 4, 2 if layer < layers else 1, 1)
            parts += [conv, nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2, True)]
        super().__init__(*parts, nn.Conv2d(features[-1], 1, 4, 1, 1))


class Pool:
    """The fakes kept for D."""

    def __init__(self, size):
        self.size, self.images = size, []

    def query(self, images):
        if not self.size:
            return images
        taken = []
        for image in images.split(1):
            if len(self.images) < self.size:
                self.images.append(image)
                taken.append(image)
            elif random.random() < 0.5:
                place = random.randrange(self.size)
                taken.append(self.images[place])
                self.images[place] = image
            else:
                taken.append(image)
        return torch.cat(taken)


def make(config) -> Players:
    """The players as the config asks for them; ValueError where they are not written here."""
    gan, channels = config.gan, config.data.channels
    if gan.loss != 'least_squares' or gan.remat or config.ema_half_life_kimg:
        raise ValueError('has the least-squares loss alone, no blocks computed again and no average')
    generator = nn.ModuleDict(
        {way: Generator(gan.generator_width, gan.residual_blocks, channels) for way in WAYS}
    )
    discriminator = nn.ModuleDict(
        {
            domain: Discriminator(gan.discriminator_width, gan.discriminator_layers, channels)
            for domain in ('a', 'b')
        }
    )
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            if name.endswith('weight'):
                nn.init.normal_(parameter, 0.0, 0.02)
            else:
                nn.init.zeros_(parameter)
    adam = lambda network, each: torch.optim.Adam(
        network.parameters(), lr=each.learning_rate, betas=(each.b1, each.b2), fused=True
    )
    optimizers = {
        'generator': adam(generator, config.optimizer.generator),
        'discriminator': adam(discriminator, config.optimizer.discriminator),
    }
    constant, decay = 1000 * gan.constant_kimg, 1000 * gan.decay_kimg

    def schedule(step):
        left = (constant + decay - step * config.batch_size) / decay if decay else 1.0
        for player, optimizer in optimizers.items():
            rate = getattr(config.optimizer, player).learning_rate
            optimizer.param_groups[0]['lr'] = rate * min(1.0, max(0.0, left))

    return Players(
        generator, discriminator, optimizers, losses=None, schedule=schedule, domains=2, make_step=make_step
    )


def make_step(players: Players, config):
    """The step that `gan_jax.train_step` takes: both generators, then both discriminators on pooled fakes.

    Args:
        players: the networks and what moves them.
        config: the config, as attributes.

    Returns:
        `(a [N, C, H, W], b [N, C, H, W]) -> (discriminator_loss, generator_loss)`: one step.
    """
    generator, discriminator, optimizers = players.generator, players.discriminator, players.optimizers
    pools = {domain: Pool(config.gan.pool_size) for domain in discriminator}
    device = next(generator.parameters()).device
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == 'bfloat16')
    num_steps = 0

    def generator_loss(real, fake):
        loss = 0.0
        for way, (source, target, back) in WAYS.items():
            loss = loss + (discriminator[target](fake[target]).float() - 1).square().mean()
            cycled = generator[back](fake[target]).float()
            loss = loss + config.gan.cycle_weight * functional.l1_loss(cycled, real[source])
            if config.gan.identity_weight:
                same = generator[way](real[target]).float()
                loss = loss + config.gan.identity_weight * functional.l1_loss(same, real[target])
        return loss

    def discriminator_loss(real, fake):
        loss = 0.0
        for domain, judge in discriminator.items():
            shown = pools[domain].query(fake[domain].detach())
            real_logits, fake_logits = judge(real[domain]).float(), judge(shown).float()
            loss = loss + ((real_logits - 1).square().mean() + fake_logits.square().mean()) / 2
        return loss

    def update(player, loss):
        optimizers[player].zero_grad()
        loss.backward()
        optimizers[player].step()
        return loss.detach()

    def step(a, b):
        nonlocal num_steps
        players.schedule(num_steps)
        num_steps += 1
        real = {'a': a, 'b': b}
        discriminator.requires_grad_(False)  # G's step needs no gradient to D's weights
        with autocast:
            fake = {target: generator[way](real[source]) for way, (source, target, _) in WAYS.items()}
            loss = generator_loss(real, fake)
        of_generator = update('generator', loss)
        discriminator.requires_grad_(True)
        with autocast:
            loss = discriminator_loss(real, fake)
        return update('discriminator', loss), of_generator

    return step
