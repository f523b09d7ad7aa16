"""DCGAN in PyTorch: the networks and optimizers of `gan_jax/gans/dcgan.py`."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.latent_gan import Players, non_saturating


class Generator(nn.Module):
    """z [N, D] -> images [N, channels, H, W] in (-1, 1)."""

    def __init__(self, latent_dim, base, depth, width, channels):
        super().__init__()
        features = [width * 2**level for level in reversed(range(depth))]
        self.base = base
        # On a single pixel the first transposed convolution is a matrix product, and faster as one.
        self.project = nn.Linear(latent_dim, base**2 * features[0], bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(each) for each in features)
        sizes = itertools.pairwise([*features, channels])
        self.convs = nn.ModuleList(nn.ConvTranspose2d(*each, 4, 2, 1, bias=False) for each in sizes)

    def forward(self, z):
        x = self.project(z).view(len(z), self.base, self.base, -1).permute(0, 3, 1, 2)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(functional.relu(norm(x), inplace=True))
        return torch.tanh(x.float())


class Discriminator(nn.Module):
    """images [N, channels, H, W] -> logits [N]."""

    def __init__(self, base, depth, width, channels):
        super().__init__()
        features = [channels, *(width * 2**level for level in range(depth))]
        sizes = itertools.pairwise(features)
        self.convs = nn.ModuleList(nn.Conv2d(*each, 4, 2, 1, bias=False) for each in sizes)
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(each) for each in features[2:])])
        self.logit = nn.Conv2d(features[-1], 1, base, bias=False)

    def forward(self, x):
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = functional.leaky_relu(norm(conv(x)), 0.2, inplace=True)
        return self.logit(x).view(-1)


def make(config) -> Players:
    """The players as the config asks for them; ValueError where they are not written here."""
    gan, channels = config.gan, config.data.channels
    if gan.spectral_norm:
        raise ValueError('has no spectral normalization')
    base, depth = config.data.resolution, 0
    while base % 2 == 0 and base >= 8:
        base, depth = base // 2, depth + 1
    generator = Generator(gan.latent_dim, base, depth, gan.width, channels)
    discriminator = Discriminator(base, depth, gan.width, channels)
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            if 'norms' not in name:
                nn.init.normal_(parameter, 0.0, 0.02)
            elif name.endswith('weight'):
                nn.init.normal_(parameter, 1.0, 0.02)
    adam = lambda network, each: torch.optim.Adam(
        network.parameters(), lr=each.learning_rate, betas=(each.b1, each.b2), fused=True
    )
    optimizers = {
        'generator': adam(generator, config.optimizer.generator),
        'discriminator': adam(discriminator, config.optimizer.discriminator),
    }
    return Players(generator, discriminator, optimizers, non_saturating(config))
