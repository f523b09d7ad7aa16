"""What D and G minimise: the adversarial losses, each a pair of functions of D's logits.

D's probability that an image is real is `sigmoid(logit)`; `log D = -softplus(-logit)` and
`log(1 - D) = -softplus(logit)` keep the logarithms finite however sure D is.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

softplus = jax.nn.softplus


class AdversarialLoss(NamedTuple):
    """What each player minimises, of (real_logits, fake_logits) of one shape [N, ...]; and D's belief."""

    discriminator: Callable
    generator: Callable
    probability: Callable = jax.nn.sigmoid  # D's logits -> its probability that an image is real
    is_probability: bool = True  # or a score, squeezed between 0 and 1 for people


# Goodfellow et al. 2014, Algorithm 1: D ascends E log D(x) + E log(1 - D(G(z))), G descends its second term.
minimax = AdversarialLoss(
    discriminator=lambda real, fake: jnp.mean(softplus(-real)) + jnp.mean(softplus(fake)),
    generator=lambda real, fake: -jnp.mean(softplus(fake)),
)

# The same paper, section 3: G ascends E log D(G(z)) instead, whose gradient is strong while D still wins.
non_saturating = AdversarialLoss(
    discriminator=minimax.discriminator,
    generator=lambda real, fake: jnp.mean(softplus(-fake)),
)

# Mao et al. 2017, equation 2 with a = 0, b = c = 1, and without its factors 1/2, as CycleGAN writes it.
least_squares = AdversarialLoss(
    discriminator=lambda real, fake: jnp.mean((real - 1) ** 2) + jnp.mean(fake**2),
    generator=lambda real, fake: jnp.mean((fake - 1) ** 2),
    probability=lambda logits: jnp.clip(logits, 0, 1),  # what D is regressed on: 1 for real, 0 for fake
)

# Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
hinge = AdversarialLoss(
    discriminator=lambda real, fake: jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake)),
    generator=lambda real, fake: -jnp.mean(fake),
    is_probability=False,
)

# Arjovsky et al. 2017, equation 2: D estimates a distance and must be kept smooth by a regularizer.
wasserstein = AdversarialLoss(
    discriminator=lambda real, fake: jnp.mean(fake) - jnp.mean(real),
    generator=lambda real, fake: -jnp.mean(fake),
    is_probability=False,
)

# Jolicoeur-Martineau 2019; Huang et al. 2024 (R3GAN), equation 2: each real is judged against its own fake.
relativistic = AdversarialLoss(
    discriminator=lambda real, fake: jnp.mean(softplus(fake - real)),
    generator=lambda real, fake: jnp.mean(softplus(real - fake)),
    is_probability=False,
)

LOSSES = {
    'minimax': minimax,
    'non_saturating': non_saturating,
    'least_squares': least_squares,
    'hinge': hinge,
    'wasserstein': wasserstein,
    'relativistic': relativistic,
}
