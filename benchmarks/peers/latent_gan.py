"""The update of one G fed with z against one D in PyTorch, as its best users write it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional


class Players(NamedTuple):
    """What the file of a system makes of its config."""

    generator: nn.Module  # z [N, D] -> images [N, C, H, W] in [-1, 1]
    discriminator: nn.Module  # images -> logits [N]
    optimizers: dict  # by player
    schedule: Callable = lambda step: None  # sets what changes from step to step in the optimizers
    discriminator_loss_scale: float = 1.0


def make_step(players: Players, images, config) -> Callable:
    """The step that `gan_jax.train_step` takes: D on reals and fakes, then G through the updated D.

    Args:
        players: the networks and what moves them.
        images: uint8 [examples, C, H, W] on the device.
        config: the config, as attributes.

    Returns:
        `(indices [N], z=None) -> (discriminator_loss, generator_loss)`: one step on these images, z drawn
        where none is given.

    Raises:
        ValueError: the config asks for a loss, regularizer or critic steps that are not written here.
    """
    if config.gan.loss != 'non_saturating' or config.gan.regularizer != 'none' or config.gan.critic_steps > 1:
        raise ValueError('has the non-saturating loss alone, without a regularizer or further critic steps')
    generator, discriminator, optimizers, schedule, scale = players
    device = images.device
    averaged = [parameter.detach().clone() for parameter in generator.parameters()]
    half_life = 1000 * config.ema_half_life_kimg
    forget = 1 - 0.5 ** (config.batch_size / half_life) if half_life else 1.0
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == 'bfloat16')
    num_steps = 0

    def step(indices, z=None):
        nonlocal num_steps
        schedule(num_steps)
        num_steps += 1
        real = images[indices].float() / 127.5 - 1
        if z is None:
            z = torch.randn(len(indices), config.gan.latent_dim, device=device)

        with autocast:
            fake = generator(z)
            real_logits, fake_logits = discriminator(real), discriminator(fake.detach())
        discriminator_loss = scale * (
            functional.softplus(-real_logits.float()).mean() + functional.softplus(fake_logits.float()).mean()
        )
        optimizers['discriminator'].zero_grad()
        discriminator_loss.backward()
        optimizers['discriminator'].step()

        discriminator.requires_grad_(False)  # G's step needs no gradient to D's weights
        with autocast:
            fake_logits = discriminator(fake)
        generator_loss = functional.softplus(-fake_logits.float()).mean()
        optimizers['generator'].zero_grad()
        generator_loss.backward()
        optimizers['generator'].step()
        discriminator.requires_grad_(True)

        torch._foreach_lerp_(averaged, [each.detach() for each in generator.parameters()], forget)
        return discriminator_loss.detach(), generator_loss.detach()

    return step
