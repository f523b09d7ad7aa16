"""The inception score: how sure a classifier is, and how many of its classes come (Salimans et al. 2016)."""

import itertools

import numpy as np

SPLITS, SEED = 10, 2020  # those of torch-fidelity


def inception_score(logits, splits: int = SPLITS, seed: int = SEED) -> tuple[float, float]:
    """exp E KL(p(y | x) || p(y)), between 1 and the number of classes.

    Args:
        logits: [N, K] of fakes.
        splits: parts of them that are scored by themselves.
        seed: of the order in which they are split.

    Returns:
        Its mean and standard deviation over the parts.
    """
    order = np.random.RandomState(seed).permutation(len(logits))  # the reference implementation's
    logits = np.asarray(logits, np.float64)[order]
    log_p = logits - _log_sum_exp(logits)
    places = [part * len(logits) // splits for part in range(splits + 1)]
    scores = [_score(log_p[start:end]) for start, end in itertools.pairwise(places)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(log_p) -> float:
    p = np.exp(log_p)
    marginal = np.mean(p, axis=0, keepdims=True)
    # A class that never comes contributes nothing, not 0 · log 0.
    divergence = np.sum(p * (log_p - np.log(np.maximum(marginal, np.finfo(np.float64).tiny))), axis=1)
    return float(np.exp(np.mean(divergence)))


def _log_sum_exp(logits):
    most = np.max(logits, axis=1, keepdims=True)
    return most + np.log(np.sum(np.exp(logits - most), axis=1, keepdims=True))
