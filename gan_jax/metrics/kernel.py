"""The kernel distance of two sets of features: KID, where they are Inception's (Bińkowski et al. 2018)."""

import numpy as np

SUBSETS, SUBSET_SIZE, SEED = 100, 1000, 2020  # those of torch-fidelity


def kernel_distance(a, b, subset_size: int = SUBSET_SIZE, seed: int = SEED) -> tuple[float, float | None]:
    """The squared maximum mean discrepancy under k(x, y) = (x · y / D + 1)³, without bias.

    Args:
        a, b: features [N, D] and [M, D].
        subset_size: features of each set in a block, at most N and M of them.
        seed: of the choice of the `SUBSETS` blocks.

    Returns:
        Its mean and standard deviation over the blocks; None for the latter where each block is all of both
        sets. The mean may be a little below 0.
    """
    size = min(subset_size, len(a), len(b))
    if size == len(a) == len(b):
        return _discrepancy(*(np.asarray(features, np.float64) for features in (a, b))), None
    generator = np.random.RandomState(seed)  # the reference implementation's, so that figures agree

    def block(features):
        return np.asarray(features[generator.choice(len(features), size, replace=False)], np.float64)

    distances = [_discrepancy(block(a), block(b)) for _ in range(SUBSETS)]
    return float(np.mean(distances)), float(np.std(distances))


def _discrepancy(x, y) -> float:
    """Of [m, D] and [m, D]: the kernel's means within each, without the diagonal, less twice that between."""
    size = len(x)
    within = sum(np.sum(k) - np.trace(k) for k in (_kernel(x, x), _kernel(y, y)))
    return float(within / (size * (size - 1)) - 2 * np.mean(_kernel(x, y)))


def _kernel(x, y) -> np.ndarray:
    """(x · y / D + 1)³ of each of [m, D] and each of [n, D]: [m, n]."""
    base = x @ y.T / x.shape[1] + 1
    return base * base * base  # a power takes twice as long, or longer
