"""What a feature network sees in any number of pictures: on all devices, a batch at a time."""

import collections
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import parallel
from gan_jax.augment import normalize
from gan_jax.compilation import Programs
from gan_jax.metrics.frechet import Moments, merged, moments
from gan_jax.metrics.networks import FeatureNetwork

MOST_PICTURES, MOST_PIXELS = 128, 2**20  # in a batch of one device


def _never() -> bool:
    return False


class Seen(NamedTuple):
    """What is known of a set of pictures: enough for a Fréchet distance, and more where it was asked for."""

    moments: Moments  # of their features
    features: np.ndarray | None = None  # [N, D]
    logits: np.ndarray | None = None  # [N, K]


class Interrupted(Exception):
    """Nobody waits any more for what is to be seen."""


class Look(NamedTuple):
    """A feature network on devices, ready to look at pictures."""

    network: FeatureNetwork
    params: Any  # its own, on all devices
    keeps: bool  # whether features and logits are asked for, beside the moments of the features
    devices: list  # those of all processes
    programs: Programs

    def at(
        self, key, columns: Callable, given, read: Callable, count: int, resolution: int, is_stopped=_never
    ):
        """What is seen of `count` pictures, and their mean errors: {name: Seen}, {name: error}.

        Args:
            key: of the program, another one for other shapes.
            columns: `(given, inputs [B, ...]) -> (pictures, errors)` by their names, images [B, H, W, C] in
                [-1, 1] and numbers [B].
            given: what `columns` needs beside inputs, on all devices.
            read: `indices [n] -> inputs`, a tree of arrays [n, ...]; indices are below `count`.
            count: of pictures, the same for all processes.
            resolution: of the pictures, which the size of a batch follows from.
            is_stopped: asked before each batch.

        Raises:
            Interrupted: `is_stopped()`.
        """
        step = feature_step(self.network, columns, self.keeps, parallel.axis_name(self.devices))
        function = parallel.parallelize(step, self.devices)
        resident = {'network': self.params, 'given': given}
        size = len(self.devices) * max(1, min(MOST_PICTURES, MOST_PIXELS // resolution**2))
        run = lambda item: self.programs.run((self.network.name, key), function, (), resident, item)[1]
        return see(read, count, size, run, self.devices, is_stopped)

    def at_pictures(self, images, is_stopped=_never) -> Seen:
        """What is seen in stored pictures: an `Images`, or anything like it. Raises Interrupted."""
        columns = lambda given, inputs: ({'stored': normalize(inputs)}, {})
        key = images.resolution, images.channels
        seen, _ = self.at(key, columns, (), images.images, len(images), images.resolution, is_stopped)
        return seen['stored']


def look_with(network: FeatureNetwork, keeps: bool, devices, programs: Programs) -> Look:
    """A `Look` whose parameters lie on the devices."""
    return Look(network, parallel.replicate(network.params, devices), keeps, devices, programs)


def feature_step(network: FeatureNetwork, columns: Callable, keeps: bool, axis_name: str | None):
    """One device's `((), resident, item) -> ((), ({name: (moments, kept)}, {name: sum of errors}))`."""
    gather = lambda x: jax.lax.all_gather(x, axis_name, tiled=True) if axis_name else x
    total = lambda x: jax.lax.psum(x, axis_name) if axis_name else x

    def step(state, resident, item):
        weight = item['weight']  # 1 of a picture that counts, 0 of one that fills up the last batch
        pictures, errors = columns(resident['given'], item['inputs'])
        seen = {}
        for name, images in pictures.items():
            features, logits = network.apply(resident['network'], images)
            kept = gather((features, logits)) if keeps else ()
            seen[name] = moments(features, weight, axis_name), kept
        return state, (seen, {name: total(jnp.sum(error * weight)) for name, error in errors.items()})

    return step


def see(read: Callable, count: int, size: int, run: Callable, devices, is_stopped: Callable):
    """See `Look.at`; `size` is that of a batch, and `run` makes of one what `feature_step` does."""
    mine = parallel.local_places(devices)

    def batch(start):
        indices = np.arange(start, start + size).reshape(len(devices), 1, -1)[mine]
        inputs = read(np.minimum(indices, count - 1).reshape(-1))
        inputs = jax.tree.map(lambda x: x.reshape(*indices.shape, *x.shape[1:]), inputs)
        return {'inputs': inputs, 'weight': (indices < count).astype(np.float32)}

    moments_of, arrays_of, error_of = {}, collections.defaultdict(list), collections.Counter()
    with ThreadPoolExecutor(1, thread_name_prefix='pictures') as thread:
        starts = range(0, count, size)
        ahead = thread.submit(batch, 0)
        for start in starts:
            if is_stopped():
                raise Interrupted
            item = parallel.shard(ahead.result(), devices)
            ahead = thread.submit(batch, min(start + size, starts[-1]))  # read while the devices work
            seen, errors = jax.tree.map(lambda x: x[0], parallel.fetch(run(item)))
            for name, (part, arrays) in seen.items():
                moments_of[name] = merged(moments_of[name], part) if name in moments_of else part
                arrays_of[name].append(arrays)
            error_of.update({name: float(error) / count for name, error in errors.items()})
    whole = lambda batches: [np.concatenate(arrays)[:count] for arrays in zip(*batches, strict=True)]
    seen = {name: Seen(moments_of[name], *whole(batches)) for name, batches in arrays_of.items()}
    return seen, dict(error_of)
