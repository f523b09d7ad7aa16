"""How many modes of a known distribution samples cover, and how evenly.

As in VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018), section 4.1 of both.
"""

import numpy as np

WITHIN = 3  # standard deviations of its mode, where a sample is of high quality


def mode_coverage(points, centres, deviation: float) -> dict[str, float]:
    """Of samples from a mixture of Gaussians.

    Args:
        points: [N, D].
        centres: [M, D], the means of equally likely modes.
        deviation: the standard deviation of each, the same in all directions.

    Returns:
        'modes', those with a sample of high quality; 'high_quality', the share of such samples; 'reverse_kl',
        that of the samples' nearest modes, whatever their quality, from the uniform distribution, in nats.
    """
    nearest, is_good = nearest_modes(points, centres, deviation)
    return {
        'modes': float(len(np.unique(nearest[is_good]))),
        'high_quality': float(np.mean(is_good)),
        'reverse_kl': reverse_kl(nearest, len(centres)),
    }


def nearest_modes(points, centres, deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """The mode [N] that each point is nearest to, and whether the point is of high quality [N]."""
    squares = np.sum((np.asarray(points)[:, None] - np.asarray(centres)[None]) ** 2, axis=-1)
    return np.argmin(squares, axis=1), np.min(squares, axis=1) <= (WITHIN * deviation) ** 2


def stacked_modes(classes, num_classes: int = 10) -> dict[str, float]:
    """Of pictures whose channels are a gray picture each, as stacked MNIST's 1,000 modes (Metz et al. 2017).

    Args:
        classes: int [N, C], a classifier's answer for each channel.
        num_classes: of them.

    Returns:
        'modes', the combinations that come, and their 'reverse_kl' from the uniform distribution, in nats.
    """
    classes = np.asarray(classes)
    modes = np.ravel_multi_index(tuple(classes.T), (num_classes,) * classes.shape[1])
    return {
        'modes': float(len(np.unique(modes))),
        'reverse_kl': reverse_kl(modes, num_classes ** classes.shape[1]),
    }


def reverse_kl(modes, num_modes: int) -> float:
    """KL(q || uniform) in nats, q being the frequencies of modes [N]: 0 where all come equally often."""
    frequencies = np.bincount(modes, minlength=num_modes) / len(modes)
    coming = frequencies[frequencies > 0]
    return float(np.sum(coming * np.log(coming * num_modes)))
