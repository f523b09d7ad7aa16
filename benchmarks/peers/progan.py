"""Progressive Growing of GANs in PyTorch, at its last level: the networks of `gan_jax/gans/progan.py`."""

import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peers.latent_gan import Players

HE = math.sqrt(2)


class Dense(nn.Module):
    """Matrix product with an equalized learning rate."""

    def __init__(self, inputs, features, gain=HE, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, inputs))
        self.bias = nn.Parameter(torch.zeros(features)) if bias else None
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x):
        return functional.linear(x, self.weight * self.scale, self.bias)


class Conv(nn.Module):
    """Convolution with an equalized learning rate; doubling and halving are fused into it."""

    def __init__(self, inputs, features, size=3, gain=HE, scale=''):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(features))
        self.gain, self.scale, self.padding = gain / math.sqrt(inputs * size**2), scale, (size - 1) // 2

    def forward(self, x):
        weight = self.weight * self.gain
        if self.scale == 'up':
            weight = sums_of_neighbours(weight.flip(2, 3).transpose(0, 1))
            return functional.conv_transpose2d(x, weight, self.bias, stride=2, padding=1)
        if self.scale == 'down':
            return functional.conv2d(x, sums_of_neighbours(weight) / 4, self.bias, stride=2, padding=1)
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


def sums_of_neighbours(weight):
    """Each sum of 2 x 2 neighbouring taps."""
    weight = functional.pad(weight, (1, 1, 1, 1))
    return weight[..., 1:, 1:] + weight[..., 1:, :-1] + weight[..., :-1, 1:] + weight[..., :-1, :-1]


def pixel_norm(x):
    """Each pixel's features over their root mean square."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def activate(x):
    """LeakyReLU."""
    return functional.leaky_relu(x, 0.2)


class Generator(nn.Module):
    """z [N, D] -> images [N, channels, H, W]. The layers that lower levels show their images with rest."""

    def __init__(self, latent_dim, features, channels):
        super().__init__()
        self.features = features
        self.project = Dense(latent_dim, 16 * features[0], HE / 4, bias=False)
        self.bias = nn.Parameter(torch.zeros(1, features[0], 1, 1))
        layers = {}
        for level, each in enumerate(features):
            if level > 0:
                layers[f'level_{level}_conv_0'] = Conv(features[level - 1], each, scale='up')
            layers[f'level_{level}_conv_1'] = Conv(each, each)
            layers[f'level_{level}_to_image'] = Conv(each, channels, 1, gain=1)
        self.layers = nn.ModuleDict(layers)

    def forward(self, z):
        # A row of the projection holds 4 x 4 pixels of all features, as ours does.
        x = self.project(pixel_norm(z)).view(len(z), 4, 4, self.features[0]).permute(0, 3, 1, 2)
        x = pixel_norm(activate(x + self.bias))
        top = len(self.features) - 1
        for level in range(top + 1):
            for name in (f'level_{level}_conv_0', f'level_{level}_conv_1'):
                if name in self.layers:
                    x = pixel_norm(activate(self.layers[name](x)))
        return self.layers[f'level_{top}_to_image'](x).float()


class Discriminator(nn.Module):
    """images [N, channels, H, W] -> logits [N]."""

    def __init__(self, features, channels, group):
        super().__init__()
        self.features, self.group = features, group
        layers = {}
        for level, each in enumerate(features):
            layers[f'level_{level}_from_image'] = Conv(channels, each, 1)
            if level > 0:
                layers[f'level_{level}_conv_0'] = Conv(each, each)
                layers[f'level_{level}_conv_1'] = Conv(each, features[level - 1], scale='down')
        layers['level_0_conv_0'] = Conv(features[0] + 1, features[0])
        self.layers = nn.ModuleDict(layers)
        self.hidden = Dense(16 * features[0], features[0])
        self.logit = Dense(features[0], 1, gain=1)

    def forward(self, x):
        top = len(self.features) - 1
        x = activate(self.layers[f'level_{top}_from_image'](x))
        for level in range(top, 0, -1):
            for number in (0, 1):
                x = activate(self.layers[f'level_{level}_conv_{number}'](x))
        groups = x.reshape(-1, min(self.group, len(x)), *x.shape[1:]).float()
        stddev = torch.sqrt(groups.var(1, unbiased=False) + 1e-8).mean((1, 2, 3))
        maps = stddev.repeat_interleave(groups.shape[1]).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
        x = activate(self.layers['level_0_conv_0'](torch.cat([x, maps.to(x.dtype)], 1)))
        x = activate(self.hidden(x.permute(0, 2, 3, 1).flatten(1)))
        return self.logit(x).view(-1)


def make(config) -> Players:
    """The players as the config asks for them; ValueError where they are not written here."""
    gan = config.gan
    if gan.loss != 'wasserstein' or not gan.fused_scale or gan.resolution != config.data.resolution:
        raise ValueError('has WGAN-GP with fused scaling alone, on pictures of the last level')
    features = [min(gan.feature_base // 2 ** (level + 1), gan.max_features) for level in range(9)]
    features = features[: int(math.log2(gan.resolution)) - 1]
    generator = Generator(gan.latent_dim, features, config.data.channels)
    discriminator = Discriminator(features, config.data.channels, gan.stddev_group)
    factors = gan.learning_rate_factors
    adam = lambda network, each: torch.optim.Adam(
        network.parameters(), lr=factors[-1] * each.learning_rate, betas=(each.b1, each.b2), fused=True
    )
    optimizers = {
        'generator': adam(generator, config.optimizer.generator),
        'discriminator': adam(discriminator, config.optimizer.discriminator),
    }

    def discriminator_loss(real_logits, fake_logits):
        return fake_logits.mean() - real_logits.mean() + gan.drift_weight * real_logits.square().mean()

    def penalty(real, fake, mix):
        # On D as it is: torch.compile does not differentiate twice.
        between = torch.lerp(real, fake, mix.view(-1, 1, 1, 1)).requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
        norms = gradient.square().sum((1, 2, 3)).clamp(min=1e-12).sqrt()
        target = gan.gradient_penalty_target
        return gan.gradient_penalty_weight * ((norms - target) ** 2).mean() / target**2

    losses = discriminator_loss, lambda fake_logits: -fake_logits.mean()
    return Players(generator, discriminator, optimizers, losses, penalty)
