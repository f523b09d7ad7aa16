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

    generator: nn.Module  # z [N, D] -> images [N, C, H, W] in [-1, 1]
    discriminator: nn.Module  # images -> logits [N]
    optimizers: dict  # by player
    losses: tuple[Callable, Callable]  # see `non_saturating`
    penalty: Callable | None = None  # (real, fake, mix [N]) -> what is added to D's loss
    schedule: Callable = lambda step: None  # sets what changes from step to step in the optimizers


def read(images, indices, flip: bool):
    """Images [N, C, H, W] in [-1, 1] out of uint8 [examples, C, H, W], mirrored at random where `flip`."""
    real = images[indices].float() / 127.5 - 1
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
    generator, discriminator, optimizers, (discriminator_loss_of, generator_loss_of), penalty, schedule = (
        players
    )
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
