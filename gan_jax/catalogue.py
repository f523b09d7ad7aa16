"""Data sets that a person may name: those of registries whose files are there, and how the others are had."""

import difflib
from pathlib import Path

from gan_jax import sources
from gan_jax.base import UserError
from gan_jax.sources import Labelled

FASHION_MNIST = 'fashion_mnist'
FASHION_MNIST_DIR = '/usr/share/datasets/fashion-mnist'  # where Debian's dataset-fashion-mnist has it
KINDS = 'images', 'pair', 'emoji', FASHION_MNIST


def check_kind(what: str, data_dir: str | None) -> None:
    """Raises UserError unless `what` is made here: it says how a set of TFDS's catalogue is had."""
    if what in KINDS:
        return
    import tensorflow_datasets as tfds  # here, as it takes a while

    base, known = what.partition('/')[0], tfds.list_builders(with_community_datasets=False)
    if base in known:
        folder = data_dir or 'data'
        raise UserError(
            f'what: {what!r} is a data set of TFDS, which TensorFlow prepares, once: '
            f'pip install tensorflow-cpu, then tfds build {what} --data_dir={folder} '
            f'--file_format=array_record; then train with --config.data.name={what} '
            f'--config.data.data_dir={folder} (no TensorFlow is needed for that)'
        )
    nearest = difflib.get_close_matches(base, [*KINDS, *known], n=1)
    raise UserError(
        f'what: {what!r} will not do; takes one of {", ".join(KINDS)}, or the name of a TFDS data set'
        + (f'; the nearest is {nearest[0]}' if nearest else '')
    )


def fashion_mnist(folder: Path) -> dict[str, list[Labelled]]:
    """The 60,000 pictures for training and the 10,000 for testing, of ten classes, from their IDX files.

    Raises:
        UserError: a file is missing, or is none.
    """
    splits = {}
    for split, stem in (('train', 'train'), ('test', 't10k')):
        files = [folder / f'{stem}-images-idx3-ubyte{ending}' for ending in ('.gz', '')]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            raise UserError(
                f'DIR: {str(folder)!r} has no {files[0].name}; takes the folder of the four files of '
                f'Fashion-MNIST, as of apt-get install dataset-fashion-mnist ({FASHION_MNIST_DIR})'
            )
        source = sources.open_source(file)
        if source.labels is None:
            raise UserError(f'DIR: {str(folder)!r} has no labels beside {file.name}; takes all four files')
        if source.labels.max() > 9:
            raise UserError(f'DIR: {str(folder)!r} has a label {source.labels.max()}; takes labels of 0 to 9')
        splits[split] = sources.labelled(source, 'beside')[1]
    return splits
