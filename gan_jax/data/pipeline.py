"""Which examples each step sees, a pure function of seed and position, and the feed that brings them."""

import collections
import functools
import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from gan_jax.base import UserError

RESIDENT_BYTES = 2 * 1024**3  # up to this size 'auto' keeps the whole data set on each device
POLL_SECONDS = 0.2  # between two looks at whether a run that waits for data is to stop
AHEAD = 2  # dispatches prepared beyond the one in use
FIRST_IMAGES, FIRST_PIXELS = 1000, 2**23  # at most, of those seen before a run begins


def permutation(num_examples, seed, epoch):
    """The order of an epoch, int64 [num_examples]."""
    # By sorting the counter-based generator's raw numbers: NumPy promises those for ever, not its shuffles.
    numbers = np.random.Philox(key=[seed, epoch]).random_raw(num_examples)
    return np.argsort(numbers, kind='stable')


def order(num_examples, seed, start, stop, permutation=permutation):
    """The examples at positions start .. stop - 1 of an endless stream that is reshuffled every epoch.

    Args:
        num_examples: of the data set, N.
        seed: 0 or more.
        start, stop: positions, 0 <= start <= stop: how many examples were seen before and after.
        permutation: of an epoch, or something that remembers what this one gave.

    Returns:
        int64 [stop - start]; positions e N .. (e + 1) N - 1 permute the data set, for every epoch e.
    """
    epochs = range(start // num_examples, -(-stop // num_examples))
    stream = [np.zeros(0, np.int64), *(permutation(num_examples, seed, epoch) for epoch in epochs)]
    first = epochs.start * num_examples
    return np.concatenate(stream)[start - first : stop - first]


def feed(images, dispatches, *, seed, num_devices, resident, mine=slice(None), stalled=None):
    """Yields what each dispatch needs, prepared ahead by a background thread.

    Args:
        images: by domain `Images` or `Points`, or anything with `len()` and `images(indices)`; each is walked
            in an order of its own.
        dispatches: iterator of (first_image, num_steps K, examples_per_step B): the position in the stream,
            the steps of the dispatch, and the examples of one step over all devices, a multiple of D.
        seed: of the order, 0 or more.
        num_devices: D. Device d gets examples d * B / D .. (d + 1) * B / D - 1 of each step, so that the
            global batch is the same for any D.
        resident: whether the data set lies on the devices, so that they need indices alone.
        mine: which of the D devices to feed, those of this process.
        stalled: (seconds) -> None, told over and over for how long what was asked for has not come; what it
            raises ends the waiting.

    Yields:
        by domain, int32 indices [D', K, B / D] if resident, else images [D', K, B / D, H, W, C] or points
        [D', K, B / D, 2] as stored, D' being the number of `mine`.

    Raises:
        UserError: what `images.images` raises, when the dispatch that met it is asked for.
    """
    remembered = functools.lru_cache(maxsize=4)(permutation)  # of this feed: other seeds may have theirs

    def of_domain(source, seed, first_image, num_steps, examples_per_step):
        last_image = first_image + num_steps * examples_per_step
        indices = order(len(source), seed, first_image, last_image, remembered)
        indices = indices.reshape(num_steps, num_devices, -1).swapaxes(0, 1)[mine]
        if resident:
            return indices.astype(np.int32)
        pictures = source.images(indices.reshape(-1))
        return pictures.reshape(*indices.shape, *pictures.shape[1:])

    def prepare(*dispatch):
        return {domain: of_domain(source, own, *dispatch) for domain, source, own in seeded(images, seed)}

    thread = ThreadPoolExecutor(1, thread_name_prefix='feed')
    ready = collections.deque()
    dispatches = iter(dispatches)
    try:
        while True:
            for dispatch in itertools.islice(dispatches, AHEAD + 1 - len(ready)):
                ready.append(thread.submit(prepare, *dispatch))
            if not ready:
                return
            yield _wait(ready.popleft(), stalled)
    finally:
        thread.shutdown(wait=False, cancel_futures=True)  # it may hang on a disk that does not answer


def _wait(future, stalled):
    begun = time.monotonic()
    while stalled:
        done, _ = wait([future], timeout=POLL_SECONDS)
        if done:
            break
        stalled(time.monotonic() - begun)
    return future.result()


def first_images(images, seed):
    """What an initialisation may take statistics from: by domain images [n, H, W, C], few if large, or points
    [n, 2], as stored.

    Args:
        images: `Images` or `Points` by domain.
        seed: of the order, 0 or more.
    """
    number = lambda source: min(len(source), FIRST_IMAGES, FIRST_PIXELS // math.prod(source.shape[:-1]))
    return {
        domain: source.images(order(len(source), own, 0, number(source)))
        for domain, source, own in seeded(images, seed)
    }


def seeded(images, seed):
    """(domain, its images, a seed of its own); seeds have 31 bits, so that these are all different."""
    return [(domain, source, seed + (place << 32)) for place, (domain, source) in enumerate(images.items())]


def fits_on_device(images, placement):
    """Whether the data shall lie on the devices.

    Args:
        images: `Images` or `Points` by domain, as opened.
        placement: 'device', 'host', or 'auto': on the devices when they take at most 2 GiB.

    Raises:
        UserError: `placement` is none of these.
    """
    if placement not in ('auto', 'device', 'host'):
        raise UserError(f"--config.data.placement: got {placement!r}, takes 'auto', 'device' or 'host'")
    num_bytes = sum(len(each) * math.prod(each.shape) * each.dtype.itemsize for each in images.values())
    return placement == 'device' or (placement == 'auto' and num_bytes <= RESIDENT_BYTES)
