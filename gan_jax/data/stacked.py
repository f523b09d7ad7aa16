"""Colour pictures whose channels are gray ones, as stacked MNIST: 1,000 modes out of 10 classes."""

import dataclasses
import functools
from types import SimpleNamespace

import numpy as np

from gan_jax.base import UserError
from gan_jax.data.source import Images, open_images

PREFIX = 'stacked:'  # of `data.name`, before that of the gray data set
CHANNELS = 3
NUM_STACKED = 50_000  # of each split


@dataclasses.dataclass(frozen=True)
class Stacked:
    """Three pictures of a gray data set each, used as `Images` are (Metz et al. 2017, section 3.3.1)."""

    gray: Images

    channels = CHANNELS
    dtype = np.dtype(np.uint8)

    @property
    def resolution(self):
        """Pixels."""
        return self.gray.resolution

    @property
    def shape(self):
        """Of an example: (H, W, C)."""
        return self.resolution, self.resolution, CHANNELS

    @property
    def files(self):
        """All that the gray data set consists of: a list of paths."""
        return self.gray.files

    def __len__(self):
        return NUM_STACKED

    def images(self, indices):
        """The examples at `indices`, uint8 [n, H, W, 3]. Raises what `Images.images` raises."""
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        # Each example a function of its index alone, as NumPy promises the raw numbers for ever.
        places = self._raw[indices] % len(self.gray)
        return np.moveaxis(self._pictures[places, ..., 0], 1, -1)

    def all_images(self):
        """Every example in order, uint8 [N, H, W, 3]. Raises what `images` raises."""
        return self.images(np.arange(len(self)))

    @functools.cached_property
    def _raw(self):
        return np.random.Philox(key=[0, CHANNELS]).random_raw(NUM_STACKED * CHANNELS).reshape(-1, CHANNELS)

    @functools.cached_property
    def _pictures(self):
        return self.gray.all_images()


def open_stacked(config, split_flag: str) -> Stacked:
    """The stacked pictures that `config.data` asks for by the name 'stacked:' and that of a gray data set.

    Args:
        config: as `open_images` takes it.
        split_flag: where a person has the split from, for messages.

    Raises:
        UserError: `open_images` does, or `channels` is not 3.
    """
    if config.channels != CHANNELS:
        raise UserError(
            f'--config.data.channels: got {config.channels}, takes {CHANNELS} for {config.name!r}'
        )
    gray = {**vars(config), 'name': config.name.removeprefix(PREFIX), 'channels': 1}
    return Stacked(open_images(SimpleNamespace(**gray), split_flag=split_flag))
