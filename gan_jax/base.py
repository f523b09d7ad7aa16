"""The types that every part shares, and nothing else."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Params = Any  # a pytree of float32 arrays
Batch = dict[str, Any]  # what one device sees of one global batch; 'position' is each example's global index


class GAN(NamedTuple):
    """A generative adversarial network as a tuple of pure functions, like `optax.GradientTransformation`.

    A player is 'generator' or 'discriminator'; one player may hold several networks.
    """

    init: Callable  # (rng, batch) -> (params, model_state, memory), the first two dicts by player
    optimizers: dict  # player -> optax.GradientTransformation, its schedules included
    generate: Callable  # (generator_params, state, batch, rng) -> (outputs, model_state); once a step
    losses: dict  # player -> (params, outputs, state, batch, rng) -> (loss, Aux), in update order
    sample_inputs: Callable  # (rng, n, batch) -> inputs: z, pictures of a domain, or points
    # (params, model_state, inputs, images_seen) -> {column: images [N, H, W, C] in [-1, 1], or points [N, 2]}
    sample: Callable
    # D's, (params, model_state, columns, images_seen) -> {column: its probability [N] that each is real}; of
    # columns as `sample` gives them, or of reals by their domain
    judge: Callable
    least_flops: Callable  # (batch_size) -> hand count of the floating point operations that one step needs
    # Updates of the other players, each on a minibatch of its own, per generator update.
    critic_steps: int = 1
    augment: Callable = lambda images, keys: images  # of the reals [N, H, W, C], by each one's key [N]
    # By columns of `sample`: the domain that one shall look like, and the column that one shall be equal to.
    targets: Mapping[str, str] = MappingProxyType({'generated': 'image'})
    cycles: Mapping[str, str] = MappingProxyType({})


class Aux(NamedTuple):
    """What a loss gives beside its value."""

    model_state: Any  # this player's, after the forward passes of the loss
    metrics: dict  # name -> scalar of this device's share of the batch
    memory: Any = ()  # `TrainState.memory` after the loss; () leaves it as it is


class Stage(NamedTuple):
    """A stretch of training that is one compiled step. Most systems have one, Progressive Growing many."""

    first_step: int
    first_image: int  # reals seen before it
    num_steps: int
    batch_size: int  # over all devices
    resolution: int  # pixels
    critic_steps: int = 1  # minibatches, of `batch_size` each, in a step; see `GAN`
    ema_half_life: float = 0.0  # images after which half of G's average is new; 0: it is G itself
    fade: int = 0  # images over which a new level is faded in; 0: none is
    reset_optimizer: bool = False  # it begins with optimizers as new

    @property
    def last_step(self) -> int:
        """Steps done after it."""
        return self.first_step + self.num_steps

    @property
    def images_per_step(self) -> int:
        """Reals that a step consumes."""
        return self.batch_size * self.critic_steps


class UserError(Exception):
    """A mistake of the person at the keyboard: shown as one line on stderr, nothing written."""

    exit_code = 2


class TrainingFailed(Exception):
    """The work itself failed, through no fault of a field: one line on stderr."""

    exit_code = 1


class Preempted(Exception):
    """Stopped by SIGTERM or SIGINT after a checkpoint: one line on stderr, and the same command goes on."""

    exit_code = 75
