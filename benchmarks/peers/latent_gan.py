"""The update of one G fed with z against one D in PyTorch, as its best users write it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


def non_saturating(config) -> tuple[Callable, Callable]:
    """D's loss of (real_logits, fake_logits) and G's of fake_logits; ValueError for any other."""
    if config.gan.loss != 'non_saturating' or config.gan.regularizer != 'none':
        raise ValueError('has the non-saturating loss alone, without a regularizer')
    discriminator = lambda real, fake: functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return discriminator, lambda fake: functional.softplus(-fake).mean()


class Players(NamedTuple):
    """What the file of a system makes of its config."""

    generator: nn.Module  # z [N, D] -> images [N, C, H, W] in [-1, 1], or an nn.ModuleDict of several
    discriminator: nn.Module  # images -> logits [N], or an nn.ModuleDict of several
    optimizers: dict  # by player
    losses: tuple[Callable, Callable] | None  # see `non_saturating`
    penalty: Callable | None = None  # (real, fake, mix [N]) -> what is added to D's loss
    schedule: Callable = lambda step: None  # sets what changes from step to step in the optimizers
    domains: int = 1  # batches of images that a step takes
    make_step: Callable = lambda players, config: make_step(players, config)


def read(images, indices, flip: bool, load_resolution: int = 0):
    """Images [N, C, H, W] in [-1, 1] out of uint8 [examples, C, H, W], mirrored at random where `flip`, and
    cut at random out of an enlargement to `load_resolution` pixels where that is more than they have."""
    real = images[indices].float() / 127.5 - 1
    size = real.shape[-1]
    if load_resolution > size:
        enlarged = functional.interpolate(real, (load_resolution, load_resolution), mode='bicubic').clamp(
            -1, 1
        )
        corners = torch.randint(load_resolution - size + 1, (len(real), 2)).tolist()
        real = torch.stack(
            [image[:, y : y + size, x : x + size] for image, (y, x) in zip(enlarged, corners, strict=True)]
        )
    if flip:
        is_mirrored = torch.rand(len(real), 1, 1, 1, device=real.device) < 0.5
        real = torch.where(is_mirrored, real.flip(3), real)
    return real


def make_step(players: Players, config) -> Callable:
    """The step that `gan_jax.train_step` takes: D on reals and fakes, then G through the updated D.

    Args:
        players: the networks and what moves them.
        config: the config, as attributes.

    Returns:
        `(real [N, C, H, W], z=None, mix=None) -> (discriminator_loss, generator_loss)`: one step on these
        images, the random numbers drawn where none are given.

    Raises:
        ValueError: the config asks for further critic steps, which are not written here.
    """
    if config.gan.critic_steps > 1:
        raise ValueError('has one critic step alone')
    generator, discriminator, optimizers = players.generator, players.discriminator, players.optimizers
    discriminator_loss_of, generator_loss_of = players.losses
    penalty, schedule = players.penalty, players.schedule
    device = next(generator.parameters()).device
    averaged = [parameter.detach().clone() for parameter in generator.parameters()]
    half_life = 1000 * config.ema_half_life_kimg
    forget = 1 - 0.5 ** (config.batch_size / half_life) if half_life else 1.0
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == 'bfloat16')
    num_steps = 0

    def step(real, z=None, mix=None):
        nonlocal num_steps
        schedule(num_steps)
        num_steps += 1
        if z is None:
            z = torch.randn(len(real), config.gan.latent_dim, device=device)

        with autocast:
            fake = generator(z)
            real_logits, fake_logits = discriminator(real), discriminator(fake.detach())
        discriminator_loss = discriminator_loss_of(real_logits.float(), fake_logits.float())
        if penalty:
            mix = torch.rand(len(real), device=device) if mix is None else mix
            with autocast:
                discriminator_loss = discriminator_loss + penalty(real, fake.detach(), mix)
        optimizers['discriminator'].zero_grad()
        discriminator_loss.backward()
        optimizers['discriminator'].step()

        discriminator.requires_grad_(False)  # G's step needs no gradient to D's weights
        with autocast:
            fake_logits = discriminator(fake)
        generator_loss = generator_loss_of(fake_logits.float())
        optimizers['generator'].zero_grad()
        generator_loss.backward()
        optimizers['generator'].step()
        discriminator.requires_grad_(True)

        torch._foreach_lerp_(averaged, [each.detach() for each in generator.parameters()], forget)
        return discriminator_loss.detach(), generator_loss.detach()

    return step
