"""Make the embedded data set `fashion_mnist_10k` out of Fashion-MNIST, byte for byte alike anywhere.

    python -m gan_jax.data.make_fashion_mnist_10k --source=DIR_WITH_IDX_GZ [--out=DIR]

The result lies in `DIR/fashion_mnist_10k/1.0.0`; without `--out`, in the package itself. It holds the first
1,000 pictures of each class of the train split and 100 of the test split, in original order. The source is
four `*-ubyte.gz` files (Debian's dataset-fashion-mnist puts them in /usr/share/datasets/fashion-mnist).
"""

import contextlib
import io
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from gan_jax import cli
from gan_jax.arrays import read_idx
from gan_jax.base import UserError
from gan_jax.data.writing import sort_fields

CLASSES = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat']
CLASSES += ['Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot']
PER_CLASS = {'train': 1000, 'test': 100}
EMBEDDED = Path(__file__).parent / 'embedded'


def png(image):
    """A grey PNG with the pixels stored, not deflated: deflate's bytes depend on the zlib that is installed.

    array_record compresses each example itself, so little is lost.

    Args:
        image: uint8 [H, W], at most 65,535 bytes with one more per row.

    Returns:
        The bytes of the file.
    """
    height, width = image.shape
    rows = b''.join(b'\0' + row.tobytes() for row in image)  # 0: the row is not filtered
    stored = b'\x78\x01\x01' + struct.pack('<HH', len(rows), len(rows) ^ 0xFFFF) + rows
    stored += struct.pack('>I', zlib.adler32(rows))
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    chunks = [(b'IHDR', header), (b'IDAT', stored), (b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        for kind, body in chunks
    )


def read(path):
    """The uint8 array in an IDX file; raises UserError where it is missing, or is none."""
    try:
        return read_idx(path)
    except (OSError, ValueError) as error:
        raise UserError(f'--source: {path} is not a gzipped IDX file of bytes ({error})') from error


def first_of_each_class(source, split):
    """Images uint8 [n, 28, 28] and labels uint8 [n]: the first `PER_CLASS[split]` of each class, in order."""
    stem = {'train': 'train', 'test': 't10k'}[split]
    images = read(source / f'{stem}-images-idx3-ubyte.gz')
    labels = read(source / f'{stem}-labels-idx1-ubyte.gz')
    places = [np.flatnonzero(labels == label)[: PER_CLASS[split]] for label in range(len(CLASSES))]
    places = np.sort(np.concatenate(places))
    return images[places], labels[places]


class FashionMnist10k(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Fashion-MNIST, the first 1,000 (train) and 100 (test) pictures of each class."""

    name = 'fashion_mnist_10k'
    VERSION = tfds.core.Version('1.0.0')
    # The metadata names the module; under `python -m` it would be '__main__'.
    __module__ = 'gan_jax.data.make_fashion_mnist_10k'

    def __init__(self, source, **kwargs):
        self._source = source
        super().__init__(**kwargs)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description='10,000 + 1,000 pictures of Fashion-MNIST: the first 1,000 and 100 of each class.',
            features=tfds.features.FeaturesDict(
                {
                    'image': tfds.features.Image(shape=(28, 28, 1)),
                    'label': tfds.features.ClassLabel(names=CLASSES),
                }
            ),
            homepage='https://github.com/zalandoresearch/fashion-mnist',
            license='MIT, Copyright (c) 2017 Zalando SE, https://tech.zalando.com',
            disable_shuffling=True,
        )

    def _split_generators(self, download_manager):
        return {split: self._generate_examples(split) for split in PER_CLASS}

    def _generate_examples(self, split):
        images, labels = first_of_each_class(self._source, split)
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {'image': png(image), 'label': int(label)}


def make(source, out):
    """Write the data set.

    Args:
        source: folder with Fashion-MNIST's four `*-ubyte.gz` files.
        out: data_dir to write to; `fashion_mnist_10k/1.0.0` in it must not be there yet.

    Returns:
        The folder that holds the data set.

    Raises:
        UserError: a file of `source` cannot be read, or the data set is there already.
    """
    source, out = Path(source), Path(out)
    folder = out / FashionMnist10k.name / str(FashionMnist10k.VERSION)
    if folder.exists():
        raise UserError(f'--out: {folder} is there already; remove it first')
    for split in PER_CLASS:
        first_of_each_class(source, split)  # fails here in one line, before anything is written
    tfds.disable_progress_bar()
    with tempfile.TemporaryDirectory() as downloads, contextlib.redirect_stdout(io.StringIO()):
        builder = FashionMnist10k(source, data_dir=out, file_format='array_record')
        builder.download_and_prepare(download_dir=downloads)
    for shard in folder.glob('*.array_record-*'):
        sort_fields(shard)
    return folder


def main(arguments):
    """Reads the command line and makes the data set."""
    parser = cli.Parser((__doc__ or '').partition('\n')[0])
    folder = cli.path('a folder')
    parser.add_argument('--source', type=folder, required=True, help='folder with the four *-ubyte.gz files')
    parser.add_argument(
        '--out', type=folder, default=str(EMBEDDED), help='data_dir to write to (default: the package itself)'
    )
    options = parser.parse_args(arguments)
    cli.check_writable(
        '--out',
        next(path for path in (Path(options.out), *Path(options.out).absolute().parents) if path.exists()),
    )
    print(make(options.source, options.out))


if __name__ == '__main__':
    sys.exit(cli.run(main))
