"""What keeps D smooth: penalties on its gradient with respect to images, and on its output's size."""

import jax
import jax.numpy as jnp


def _squared_norms(gradients):
    """Of each image's gradient [N, H, W, C], or each point's [N, 2]: [N]."""
    return jnp.sum(gradients**2, axis=tuple(range(1, gradients.ndim)))


def gradient_penalty(discriminator, real, fake, mix, target=1.0):
    """E(‖∇D(x̂)‖ - target)², x̂ between a real and a fake (Gulrajani et al. 2017, equation 3).

    Args:
        discriminator: images [N, H, W, C] -> logits [N].
        real, fake: images.
        mix: [N] in [0, 1), how far from the real towards the fake each x̂ lies.
    """
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    gradients = jax.grad(lambda images: jnp.sum(discriminator(images)))(real + mix * (fake - real))
    # The root's slope at 0 is infinite; a D that is flat there would make the whole step not a number.
    norms = jnp.sqrt(jnp.maximum(_squared_norms(gradients), 1e-12))
    return jnp.mean((norms - target) ** 2)


def zero_centered(gradients):
    """½ E‖∇D(x)‖², of D's gradients [N, H, W, C] on reals R1, on fakes R2; its weight is the paper's γ
    (Mescheder et al. 2018, equations 9 and 10)."""
    return 0.5 * jnp.mean(_squared_norms(gradients))


def drift(real_logits):
    """E D(x)², which ties down the free constant of a Wasserstein D (Karras et al. 2017, appendix A.1)."""
    return jnp.mean(real_logits**2)
