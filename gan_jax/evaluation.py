"""How good a generator is: its pictures beside the reals, as a feature network sees both, on all devices."""

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import fields, processes, references
from gan_jax.augment import normalize
from gan_jax.base import GAN, UserError
from gan_jax.compilation import Programs
from gan_jax.data.domains import open_domains
from gan_jax.metrics.features import Interrupted, Look, look_with
from gan_jax.metrics.figures import (
    ALL,
    METRICS,
    check_enough,
    counted,
    figures,
    needs_features,
    needs_reals,
    settings,
    too_few,
)
from gan_jax.metrics.networks import NETWORKS, STACKED, open_network

FIELDS = {
    'evaluate_every_steps': fields.whole(least=0),
    'evaluation.metrics': fields.Several(fields.one_of(METRICS)),
    'evaluation.network': fields.one_of(NETWORKS),
    'evaluation.weights': fields.text('a file of weights', accepts=lambda value: True),
    'evaluation.num_samples': fields.whole(least=10, most=10**6),
    'evaluation.split': fields.text('a split, such as test or train[:10%]'),
}
LATENTS = 2**32 - 4  # folded into keys, where no step number comes to


class Quality(NamedTuple):
    """What is known of a generator at one moment; in the first process alone."""

    figures: dict[str, float]  # by their names
    counts: dict[str, int]  # of the fakes and of the reals of each column, for the protocol
    rank: float  # by the first metric: higher is better


def open_look(evaluation, devices, programs: Programs, flag='--config.evaluation.weights') -> Look:
    """The network that `config.evaluation`, or what has its fields, names; on devices; raises UserError."""
    if 'stacked' in evaluation.metrics and evaluation.network != STACKED:
        asked = flag.replace('weights', 'network')
        raise UserError(f'{asked}: {evaluation.network!r} will not do for stacked; takes {STACKED}')
    network = open_network(evaluation.network, evaluation.weights, flag)
    return look_with(network, needs_features(evaluation.metrics), devices, programs)


class Evaluation:
    """Figures of a generator whenever they are asked for: always of the same z, or the same pictures."""

    def __init__(self, config, look: Look, seed: int, flag: str = '--config.evaluation.split'):
        """
        Args:
            config: of the run; `evaluation.*` and `data.*` say what is compared with what.
            look: with the network, on the devices.
            seed: of z.
            flag: where a person has `evaluation.split` from, for messages.

        Raises:
            UserError: there are no such reals.
        """
        self.config, self.look = config, look
        self.rng = jax.random.fold_in(jax.random.key(seed), LATENTS)
        self.images = open_domains(config.data, config.evaluation.split, flag)
        if look.network.name == STACKED and config.data.channels != look.network.channels:
            raise UserError(
                f'{flag.replace("split", "network")}: {STACKED!r} will not do where '
                f'--config.data.channels is {config.data.channels}; takes {look.network.channels} there'
            )
        for images in self.images.values():
            check_enough(config.evaluation.metrics, len(images), flag)
        self._reals: dict[str, Any] = {}

    def with_seed(self, seed: int) -> 'Evaluation':
        """The same with other z; the reals are looked at once for both."""
        other = copy.copy(self)
        other.rng = jax.random.fold_in(jax.random.key(seed), LATENTS)
        return other

    @property
    def protocol(self) -> dict[str, Any]:
        """What the figures depend on beside the fakes, by name."""
        data, evaluation = self.config.data, self.config.evaluation
        how = {name: data[name] for name in ('invert', 'resolution', 'channels', 'fit') if name in data}
        reals = {'reals': data.name, 'split': evaluation.split, **how}
        return reals | self.look.network.protocol | settings(evaluation.metrics)

    def doubts(self) -> list[str]:
        """What to tell a person where there are too few pictures for a figure to mean what it says."""
        number = min(self.config.evaluation.num_samples, *map(len, self.images.values()))
        network = self.look.network
        return too_few(self.config.evaluation.metrics, network.name_of, network.num_features, number)

    def of(self, gan: GAN, key, player, images_seen, batch, is_stopped=lambda: False) -> Quality | None:
        """How good a generator is; None where that was not to be waited for. All processes take part.

        Args:
            gan: the system.
            key: of its programs, another one for other shapes.
            player: (params, model_state) of the generator, on all devices.
            images_seen: as `GAN.sample` takes it, on all devices.
            batch: as `GAN.sample_inputs` takes it; abstract will do.
            is_stopped: asked with every batch of pictures.

        Raises:
            UserError: the reals cannot be read.
        """
        try:
            with jax.transfer_guard('allow'):  # figures are few
                return self._of(gan, key, {'player': player, 'images_seen': images_seen}, batch, is_stopped)
        except Interrupted:
            return None

    def _of(self, gan, key, given, batch, is_stopped) -> Quality:
        resolution, metrics = self.config.data.resolution, self.config.evaluation.metrics
        columns, found, counts, rank = functools.partial(_fakes, gan, resolution), {}, {}, 0.0
        for source, read, count in self._inputs(gan, batch):
            fakes, errors = self.look.at((key, source), columns, given, read, count, resolution, is_stopped)
            for name, fake in fakes.items():
                real = self.real(gan.targets[name], is_stopped=is_stopped)
                images, many = self.images[gan.targets[name]], len(gan.targets) > 1
                reals = len(images) if needs_reals(metrics) else None
                counts |= counted(count, reals, name if many else '')
                if processes.is_first():
                    of_column = figures(metrics, self.look.network.name_of, real, fake, images)
                    rank += ALL[metrics[0]].rank(of_column)
                    prefix = f'{name} ' if many else ''
                    found |= {f'{prefix}{figure}': value for figure, value in of_column.items()}
            found |= {f'{name} error': error for name, error in errors.items()}
        return Quality(found, counts, rank)

    def real(self, domain: str, **waiting) -> Any:
        """What is seen in the reals of a domain, in the first process; None where no metric needs it."""
        if not needs_reals(self.config.evaluation.metrics):
            return None
        if domain not in self._reals:
            facts = {**self.config.data.to_dict(), 'split': self.config.evaluation.split, 'domain': domain}
            self._reals[domain] = references.seen_in(self.look, self.images[domain], facts, **waiting)
        return self._reals[domain]

    def _inputs(self, gan: GAN, batch) -> Iterator[tuple[str, Callable, int]]:
        """What a generator is fed with: the domain that it is of, `indices -> inputs`, how many there are."""
        number = self.config.evaluation.num_samples
        draw = functools.partial(gan.sample_inputs, self.rng, number)
        if not isinstance(jax.eval_shape(draw, batch), dict):
            latents = jax.device_get(draw(batch))
            yield 'z', latents.__getitem__, number
            return
        for domain, images in self.images.items():
            read = lambda indices, domain=domain, images=images: {domain: images.images(indices)}
            yield domain, read, min(number, len(images))


def _fakes(gan: GAN, resolution: int, given, inputs):
    """What `gan.targets` names, as large as the reals, and the errors of `gan.cycles`, each picture's mean.

    `inputs` are z, or pictures by domain.
    """
    if isinstance(inputs, dict):
        inputs = jax.tree.map(normalize, inputs)
    images = gan.sample(*given['player'], inputs, given['images_seen'])
    pictures = {name: _enlarged(images[name], resolution) for name in gan.targets if name in images}
    error = lambda x, y: jnp.mean(jnp.abs(x - y), axis=(1, 2, 3))
    errors = {
        name: error(images[name], images[original]) for name, original in gan.cycles.items() if name in images
    }
    return pictures, errors


def _enlarged(images, resolution: int):
    """A growing generator's images as large as the reals; points as they are."""
    factor = resolution // images.shape[1] if images.ndim == 4 else 1
    return images if factor == 1 else jnp.repeat(jnp.repeat(images, factor, 1), factor, 2)
