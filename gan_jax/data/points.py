"""Points in the plane instead of pictures: a mixture of equal Gaussians, whose modes are known to a digit."""

import dataclasses
import math

import numpy as np

from gan_jax import fields

NUM_POINTS = 100_000  # of each split, as in PacGAN's code
SPLITS = ('train', 'test')

# Name -> what `modes` gives.
MIXTURES = {
    # A grid: VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018), section 4.1 of both.
    '25_gaussians': ([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)], 0.05),
    # A ring: Unrolled GAN (Metz et al. 2017), appendix A. PacGAN's has half the radius and the deviation.
    '8_gaussians': ([(2 * math.cos(k * math.pi / 4), 2 * math.sin(k * math.pi / 4)) for k in range(8)], 0.02),
}

# The fields of every config that says where pictures come from, as points take them.
FIELDS = {
    'data.name': fields.one_of(MIXTURES),
    'data.data_dir': fields.text("'', as points are made, not read", accepts=lambda value: not value),
    'data.split': fields.one_of(SPLITS),
    'data.resolution': fields.one_of((1,)),
    'data.channels': fields.one_of((2,)),
    'data.fit': fields.one_of(('none',)),
    'data.flip': fields.Field(bool, 'false, as points have no mirror', accepts=lambda value: not value),
}


@dataclasses.dataclass(frozen=True)
class Points:
    """One split of a mixture, used as `Images` are: each point a function of its index alone."""

    points: np.ndarray  # float32 [N, 2]
    centres: np.ndarray  # [M, 2], of modes that are equally likely
    deviation: float  # of each mode, in both directions

    shape = (2,)  # of an example
    resolution, channels = 1, 2  # as `config.data` has them
    files = ()  # that it is read from
    dtype = np.dtype(np.float32)

    def __len__(self):
        return len(self.points)

    def images(self, indices):
        """The points at `indices`: float32 [n, 2]."""
        return self.points[np.asarray(indices, dtype=np.int64).reshape(-1)]

    def all_images(self):
        """Every point in order, float32 [N, 2]."""
        return self.points


def modes(name: str) -> tuple[np.ndarray, float]:
    """Of a mixture: the means [M, 2] of its modes, and the standard deviation of each in both directions."""
    centres, deviation = MIXTURES[name]
    return np.array(centres, np.float64), deviation


def open_points(config) -> Points:
    """The split of a mixture that `config.data` asks for, whose fields have been checked."""
    centres, deviation = modes(config.name)
    # Box and Muller's normal numbers out of the counter's raw ones: NumPy promises those alone for ever, and
    # the last bit, in which the logarithms of two machines may differ, is lost in float32.
    raw = np.random.Philox(key=[SPLITS.index(config.split), len(centres)]).random_raw(2 * NUM_POINTS)
    radius, angle = ((raw >> 11) + 0.5).reshape(2, -1) / 2**53  # uniform in (0, 1)
    radius, angle = np.sqrt(-2 * np.log(radius)), 2 * np.pi * angle
    noise = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    points = centres[np.arange(NUM_POINTS) % len(centres)] + deviation * noise  # as many of each mode
    return Points(points.astype(np.float32), centres, deviation)
