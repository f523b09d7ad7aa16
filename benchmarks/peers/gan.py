"""The original GAN in PyTorch: the networks and optimizers of `gan_jax/gans/gan.py`."""

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.latent_gan import Players, non_saturating


class Generator(nn.Module):
    """z [N, D] -> images [N, C, H, W] in [-1, 1]."""

    def __init__(self, latent_dim, units, image_shape):
        super().__init__()
        self.image_shape = image_shape
        channels, height, width = image_shape
        self.hidden = nn.ModuleList([nn.Linear(latent_dim, units), nn.Linear(units, units)])
        self.pixels = nn.Linear(units, channels * height * width)

    def forward(self, z):
        for layer in self.hidden:
            z = functional.relu(layer(z), inplace=True)
        return (2 * torch.sigmoid(self.pixels(z).float()) - 1).view(-1, *self.image_shape)


class Discriminator(nn.Module):
    """images [N, C, H, W] -> logits [N], through maxout layers with dropout on their inputs."""

    def __init__(self, pixels, units, pieces, keep_pixels, keep_hidden):
        super().__init__()
        self.pieces, self.drop_pixels, self.drop_hidden = pieces, 1 - keep_pixels, 1 - keep_hidden
        self.hidden = nn.ModuleList([nn.Linear(pixels, units * pieces), nn.Linear(units, units * pieces)])
        self.logit = nn.Linear(units, 1)

    def forward(self, x):
        x, drop = ((x + 1) / 2).flatten(1), self.drop_pixels
        for layer in self.hidden:
            x = layer(functional.dropout(x, drop)).view(len(x), -1, self.pieces).amax(-1)
            drop = self.drop_hidden
        return self.logit(functional.dropout(x, drop)).view(-1)


def make(config) -> Players:
    """The players as the config asks for them; ValueError where they are not written here."""
    gan, size, channels = config.gan, config.data.resolution, config.data.channels
    if gan.spectral_norm:
        raise ValueError('has no spectral normalization')
    generator = Generator(gan.latent_dim, gan.generator_units, (channels, size, size))
    discriminator = Discriminator(
        channels * size**2, gan.discriminator_units, gan.maxout_pieces, gan.keep_pixels, gan.keep_hidden
    )
    for network, bound in ((generator, 0.05), (discriminator, 0.005)):
        for name, parameter in network.named_parameters():
            if name.endswith('weight'):
                nn.init.uniform_(parameter, -bound, bound)
            else:
                nn.init.zeros_(parameter)
    fields = {
        generator: config.optimizer.generator,
        discriminator: config.optimizer.discriminator,
    }
    optimizers = [
        torch.optim.SGD(network.parameters(), lr=each.learning_rate, momentum=each.momentum, fused=True)
        for network, each in fields.items()
    ]

    def schedule(step):
        for optimizer, each in zip(optimizers, fields.values(), strict=True):
            share = min(1.0, step * config.batch_size / (1000 * each.momentum_kimg))
            (group,) = optimizer.param_groups
            group['lr'] = max(each.learning_rate * each.decay_factor**-step, each.min_learning_rate)
            group['momentum'] = each.momentum + share * (each.final_momentum - each.momentum)

    discriminator_loss, generator_loss = non_saturating(config)
    return Players(
        generator,
        discriminator,
        dict(zip(('generator', 'discriminator'), optimizers, strict=True)),
        # The authors' cost is the mean of D's two halves.
        (lambda real, fake: discriminator_loss(real, fake) / 2, generator_loss),
        schedule=schedule,
    )
