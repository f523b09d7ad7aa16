"""Metrics are what the references compute, and what a closed form says."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from gan_jax.data.points import open_points
from gan_jax.metrics.frechet import Moments, exact_moments, frechet_distance, merged, moments
from gan_jax.metrics.inception_score import inception_score
from gan_jax.metrics.kernel import kernel_distance
from gan_jax.metrics.neighbours import density_coverage, precision_recall

REFERENCE = {  # printed by `print_references` of test_metric_peers.py, with torch-fidelity 0.4.0 and prdc 0.2
    'fd': 1.333310906820543,
    'fd of few': 31.500671369440653,
    'kid': (1.2831995919407166, 0.2285260469957547),
    'precision': 0.7863636612892151,
    'recall': 0.9383333325386047,
    'density': 0.7465454545454546,
    'coverage': 0.9116666666666666,
    'is': (3.870489074851335, 0.2028257291392602),
}


def two_sets():
    """Features of 1,200 reals and of 1,100 fakes, of falling variance and none below 0: float32 [N, 24]."""
    random = np.random.RandomState(7)
    mix = random.randn(24, 24) * np.exp(-np.arange(24) / 8)
    real = np.maximum(random.randn(1200, 24) @ mix, 0)
    fake = np.maximum(1.1 * random.randn(1100, 24) @ mix + 0.05, 0)
    return real.astype(np.float32), fake.astype(np.float32)


def some_logits():
    """Of a classifier: float32 [1100, 10]."""
    return (3 * np.random.RandomState(8).randn(1100, 10)).astype(np.float32)


REAL, FAKE = two_sets()


def close(value):
    return pytest.approx(value, rel=1e-4)


def test_the_frechet_distance_is_the_references():
    assert frechet_distance(exact_moments(REAL), exact_moments(FAKE)) == close(REFERENCE['fd'])
    few = exact_moments(REAL[:15]), exact_moments(FAKE[:20])  # fewer than features
    assert frechet_distance(*few) == close(REFERENCE['fd of few'])


def test_the_kernel_distance_is_the_references():
    assert kernel_distance(REAL, FAKE) != close(REFERENCE['kid'])  # the blocks of a are drawn first
    assert kernel_distance(FAKE, REAL) == close(REFERENCE['kid'])


def test_precision_and_recall_are_the_references():
    found = precision_recall(REAL, FAKE)
    assert found == {name: close(REFERENCE[name]) for name in ('precision', 'recall')}


def test_density_and_coverage_are_the_references():
    found = density_coverage(REAL, FAKE)
    assert found == {name: close(REFERENCE[name]) for name in ('density', 'coverage')}


def test_the_inception_score_is_the_references():
    assert inception_score(some_logits()) == close(REFERENCE['is'])


def test_the_distance_of_gaussians_has_a_closed_form():
    """From N(0, I) to N(μ, Σ): |μ|² + Σ (√λ - 1)², λ being Σ's eigenvalues."""
    random = np.random.RandomState(0)
    vectors, _ = np.linalg.qr(random.randn(50, 50))
    values, mean = random.uniform(0, 4, 50), random.randn(50)
    covariance = (vectors * values) @ vectors.T
    standard = Moments(2, np.zeros(50), np.eye(50))
    other = Moments(2, mean, covariance)
    expected = mean @ mean + np.sum((np.sqrt(values) - 1) ** 2)
    assert frechet_distance(standard, other) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('count', [2, 20, 1200])
def test_a_set_has_no_distance_from_itself(count):
    itself = exact_moments(REAL[:count])
    assert frechet_distance(itself, itself) < 1e-6 * np.trace(itself.covariance)


def test_moments_of_batches_are_those_of_the_whole():
    """With the last batch filled up by what does not count."""
    padded = np.concatenate([REAL, REAL[-80:]]) + 100  # far from 0, where squares would cancel
    weights = (np.arange(1280) < 1200).astype(np.float32)
    streamed = None
    for start in range(0, 1280, 128):
        batch = slice(start, start + 128)
        part = jax.device_get(jax.jit(moments)(padded[batch], weights[batch]))
        streamed = merged(streamed, part) if streamed else part
    whole = exact_moments(padded[:1200])
    assert streamed.count == 1200
    np.testing.assert_allclose(streamed.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(streamed.covariance, whole.covariance, atol=1e-5 * np.max(whole.covariance))


def test_moments_of_devices_are_those_of_the_whole():
    batches, weights = REAL[:1200].reshape(8, 150, 24), np.ones((8, 150), np.float32)
    together = jax.vmap(lambda x, w: moments(x, w, 'devices'), axis_name='devices')(batches, weights)
    whole = exact_moments(REAL)
    np.testing.assert_allclose(together.mean[3], whole.mean, rtol=1e-5)
    np.testing.assert_allclose(together.scatter[3], whole.scatter, atol=1e-5 * np.max(whole.scatter))


def test_what_is_the_same_has_full_precision_recall_and_coverage():
    assert precision_recall(REAL, REAL) == {'precision': 1, 'recall': 1}
    assert density_coverage(REAL, REAL)['coverage'] == 1
    assert precision_recall(REAL, REAL + 1000) == {'precision': 0, 'recall': 0}


def test_repeated_pictures_lie_on_the_edges_of_each_others_balls():
    """Which precision and recall count in, as torch-fidelity, and density and coverage do not, as prdc."""
    repeated = np.repeat(REAL[:60], 6, axis=0)
    assert precision_recall(repeated, repeated) == {'precision': 1, 'recall': 1}
    assert density_coverage(repeated, repeated) == {'density': 0, 'coverage': 0}
    fakes = np.concatenate([repeated[:30], FAKE[:100] + 1000])
    assert precision_recall(repeated, fakes)['precision'] == pytest.approx(30 / 130)


def test_neighbours_that_are_close_together_are_told_apart():
    """As those of a mixture's points are, for its spread: by the distances themselves, one by one."""
    source = open_points(SimpleNamespace(name='25_gaussians', split='train'))
    points = source.images(np.arange(3000)).astype(np.float64)
    real, fake = points[:2500], points[2500:]
    squares = lambda a, b: np.sum((a[:, None] - b[None]) ** 2, axis=-1)
    within = squares(real, real) + np.diag(np.full(len(real), np.inf))
    radii = {k: np.sort(within, axis=1)[:, k - 1] for k in (3, 5)}
    between = squares(fake, real)
    assert precision_recall(real, fake)['precision'] == pytest.approx(np.mean((between <= radii[3]).any(1)))
    covered = density_coverage(real, fake)
    assert covered['density'] == pytest.approx(np.mean(np.sum(between < radii[5], axis=1)) / 5)
    assert covered['coverage'] == pytest.approx(np.mean((between < radii[5]).any(axis=0)))


def test_what_is_not_finite_has_no_distance():
    broken = REAL[:50].copy()
    broken[3, 2] = np.nan
    assert np.isnan(frechet_distance(exact_moments(broken), exact_moments(REAL)))


def test_a_single_block_has_no_deviation():
    assert kernel_distance(REAL[:50], FAKE[:50])[1] is None
    assert kernel_distance(REAL[:50], FAKE[:60])[1] > 0


def test_the_inception_score_at_its_ends():
    sure = 100 * np.eye(10)[np.arange(1000) % 10]
    assert inception_score(sure, splits=1)[0] == pytest.approx(10)  # all classes, no doubt
    assert inception_score(np.zeros((1000, 10))) == (pytest.approx(1), pytest.approx(0))


def test_the_kernel_distance_is_without_bias():
    """Of sets alike it is 0 on average, and as often below as above."""
    random = np.random.RandomState(3)
    mean, deviation = kernel_distance(random.randn(3000, 8), random.randn(3000, 8), subset_size=200)
    assert abs(mean) < deviation / 3
