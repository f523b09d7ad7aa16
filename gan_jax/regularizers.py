"""What keeps D smooth: penalties on its gradient with respect to images, and on its output's size.

`discriminator` is a function of images [N, H, W, C] that gives logits [N].
"""

import jax
import jax.numpy as jnp


def _squared_gradient_norms(discriminator, images):
    """‖∇D(x)‖² of each image: [N, H, W, C] -> [N]."""
    gradients = jax.grad(lambda images: jnp.sum(discriminator(images)))(images)
    return jnp.sum(gradients**2, axis=tuple(range(1, images.ndim)))


def gradient_penalty(discriminator, real, fake, mix, target=1.0):
    """E(‖∇D(x̂)‖ - target)², x̂ between a real and a fake (Gulrajani et al. 2017, equation 3).

    Args:
        mix: [N] in [0, 1), how far from the real towards the fake each x̂ lies.
    """
    mix = mix.reshape(-1, *[1] * (real.ndim - 1))
    squared_norms = _squared_gradient_norms(discriminator, real + mix * (fake - real))
    # The root's slope at 0 is infinite; a D that is flat there would make the whole step not a number.
    norms = jnp.sqrt(jnp.maximum(squared_norms, 1e-12))
    return jnp.mean((norms - target) ** 2)


def r1(discriminator, real):
    """½ E‖∇D(x)‖² on reals; its weight is the paper's γ (Mescheder et al. 2018, equation 9)."""
    return 0.5 * jnp.mean(_squared_gradient_norms(discriminator, real))


def r2(discriminator, fake):
    """½ E‖∇D(x)‖² on fakes (Mescheder et al. 2018, equation 10)."""
    return 0.5 * jnp.mean(_squared_gradient_norms(discriminator, fake))


def drift(real_logits):
    """E D(x)², which ties down the free constant of a Wasserstein D (Karras et al. 2017, appendix A.1)."""
    return jnp.mean(real_logits**2)
