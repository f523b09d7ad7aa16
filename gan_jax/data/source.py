"""Open a data set in TFDS's own format, without TensorFlow, and hand out its pictures as uint8 arrays."""

import dataclasses
import fnmatch
import io
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.base import UserError
from gan_jax.data.description import Refused, check_shards, open_builder
from gan_jax.reading import open_picture, square

EMBEDDED = Path(__file__).parent / 'embedded'
# name, name/configuration, name:version; no file system takes more letters of four bytes
NAME = re.compile(r'(\w{1,60})(?:/([\w+.-]{1,60}))?(?::([\d.*]{1,60}))?')
THREADS = min(16, os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class Images:
    """The pictures of one split, squares of one size, decoded when asked for."""

    name: str  # as in the config, for messages
    folder: Path  # that holds the shards
    records: Any  # TFDS's random access source of serialized examples
    encoded: Callable  # (record) -> the bytes of its PNG or JPEG file
    resolution: int  # pixels
    channels: int  # 1 or 3
    fit: str  # 'crop' or 'pad'
    invert: bool = False  # as negatives

    dtype = np.dtype(np.uint8)

    @property
    def shape(self):
        """Of an example: (H, W, C)."""
        return self.resolution, self.resolution, self.channels

    def __len__(self):
        return len(self.records)

    @property
    def files(self):
        """All that the data set consists of: a list of paths."""
        return sorted(self.folder.iterdir())

    def images(self, indices):
        """The pictures at `indices`, decoded by several threads.

        Args:
            indices: integers [n], each in 0 .. len(self) - 1.

        Returns:
            uint8 [n, H, W, C], H = W = resolution.

        Raises:
            UserError: a shard is missing or damaged, a picture cannot be decoded or is too large to pad.
        """
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        pictures = np.empty((len(indices), self.resolution, self.resolution, self.channels), np.uint8)

        chunk = min(max(-(-len(indices) // THREADS), 16), 256)  # fewer than 16 do not repay a thread

        def fill(start):
            part = indices[start : start + chunk].tolist()
            try:
                for place, record in enumerate(self.records.__getitems__(part), start):
                    pictures[place] = self._decode(record)
            except Exception as error:
                raise _unreadable(self.name, self.folder, error) from error

        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(fill, range(0, len(indices), chunk)):
                pass
        return 255 - pictures if self.invert else pictures

    def all_images(self):
        """Every picture in order, uint8 [N, H, W, C]. Raises what `images` raises."""
        return self.images(np.arange(len(self)))

    def _decode(self, record):
        with open_picture(io.BytesIO(self.encoded(record))) as file:
            picture = file.convert('L' if self.channels == 1 else 'RGB')
        try:
            return square(picture, self.resolution, self.fit).reshape(self.resolution, self.resolution, -1)
        except ValueError:
            raise _too_large(self, *picture.size) from None


def open_images(config, invert=False, split_flag='--config.data.split'):
    """Open a split of a prepared TFDS data set.

    Args:
        config: has the attributes
            name: 'mnist', 'cycle_gan/monet2photo' or 'mnist:3.0.1';
            data_dir: where it was prepared; '' means the package's embedded sets if `name` is one of them,
                otherwise TFDS's own folder (`TFDS_DATA_DIR` or ~/tensorflow_datasets);
            split: a TFDS split or slice of it, as 'train[:10%]';
            resolution: pixels, of square pictures;
            channels: 1 or 3, as the data set has;
            fit: 'crop' (the central square, resized by Lanczos if its size differs) or 'pad' (in the middle
                of a square of value 0, never resized).
        invert: whether to hand out negatives.
        split_flag: where a person has the split from, for messages.

    Returns:
        An `Images`.

    Raises:
        UserError: a field is wrong, or the data set is not there or damaged; the first and the last example
            are decoded to find that out early.
    """
    for field, allowed in (('channels', (1, 3)), ('fit', ('crop', 'pad'))):
        if getattr(config, field) not in allowed:
            choice = ' or '.join(map(repr, allowed))
            raise UserError(f'--config.data.{field}: got {getattr(config, field)!r}, takes {choice}')
    if config.resolution < 1:
        raise UserError(f'--config.data.resolution: got {config.resolution}, takes 1 or more pixels')
    folder = _find(config.name, config.data_dir)
    import tensorflow_datasets as tfds  # here, because it takes a while and is not needed for a dry run

    try:
        builder = open_builder(folder)
        splits = builder.info.splits
        formats = sorted(format.value for format in builder.info.available_file_formats())
    except Exception as error:
        raise _unreadable(config.name, folder, error) from error
    if 'array_record' not in formats:
        raise UserError(
            f'--config.data.name: {config.name!r} in {folder} is in the format {_list(formats)}, which '
            'cannot be read at random without TensorFlow; convert it, once: pip install tensorflow-cpu, '
            f'then tfds convert_format --dataset_version_dir={folder} --out_file_format=array_record'
        )
    features = builder.info.features
    height, width, channels = features['image'].shape
    if channels not in (None, config.channels):
        raise UserError(f'--config.data.channels: got {config.channels}, but {config.name!r} has {channels}')
    _check_split(config, splits, split_flag)
    try:
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        records = builder.as_data_source(config.split, deserialize_method=raw, file_format='array_record')
        check_shards(folder, builder.info.splits[config.split].file_instructions)  # none is open yet
    except Exception as error:
        raise _unreadable(config.name, folder, error) from error
    skip = {'image': tfds.decode.SkipDecoding()}  # Pillow decodes, whether or not OpenCV is installed

    def encoded(record):
        return features.deserialize_example_np(record, decoders=skip)['image']

    images = Images(
        config.name, folder, records, encoded, config.resolution, config.channels, config.fit, invert
    )
    if config.fit == 'pad' and max(height or 0, width or 0) > config.resolution:
        raise _too_large(images, width, height)
    images.images([0, len(images) - 1])
    return images


def _check_split(config, splits, flag):
    """Raises UserError unless `config.split` names at least one example of `splits`."""
    import tensorflow_datasets as tfds

    got = f'{flag}: got {config.split!r}, '
    takes = f'takes one of {_list(splits)}, or a slice of it such as {next(iter(splits), "train")}[:10%]'
    try:
        tfds.core.ReadInstruction.from_spec(config.split)
    except Exception as error:
        raise UserError(f'{got}which is no split; {takes}') from error
    try:
        num_examples = splits[config.split].num_examples
    except Exception as error:
        raise UserError(f'{got}but there are no such examples ({_first_line(error)}); {takes}') from error
    if num_examples < 1:
        raise UserError(f'{got}which is empty; {takes}')


def _find(name, data_dir):
    """The folder of a data set's newest prepared version that fits `name`; raises UserError."""
    match = NAME.fullmatch(name)
    if match is None:
        raise UserError(f"--config.data.name: got {name!r}, takes 'name', 'name/config' or 'name:1.0.0'")
    base, configuration, version = match.groups()
    if data_dir:
        root = Path(os.path.expanduser(data_dir))
        if not os.path.isdir(root):  # False, too, where the system takes no such name
            raise UserError(f'--config.data.data_dir: got {data_dir!r}, takes a folder that exists')
    elif (EMBEDDED / base).is_dir():
        root = EMBEDDED
    else:
        root = Path(os.path.expanduser(os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'))
    folder = root / base / (configuration or '')
    versions = [path.name for path in folder.glob('*.*.*') if re.fullmatch(r'\d+\.\d+\.\d+', path.name)]
    versions = fnmatch.filter(versions, version or '*')
    if versions:
        return folder / max(versions, key=lambda text: [int(part) for part in text.split('.')])
    below = sorted(path.parent.parent.name for path in folder.glob('*/*.*.*/dataset_info.json'))
    if below and not configuration:
        choice = ', '.join(f'{base}/{each}' for each in dict.fromkeys(below))
        raise UserError(f'--config.data.name: got {name!r}, takes one of its configurations: {choice}')
    raise UserError(
        f'--config.data.name: {name!r} is not prepared in {root}. A data set of the TFDS catalogue, once: '
        f'pip install tensorflow-cpu, then tfds build {name} --data_dir={root} --file_format=array_record '
        '(TensorFlow is needed for that alone)'
    )


def _unreadable(name, folder, error):
    if isinstance(error, Refused):
        return UserError(f'--config.data.name: {name!r} in {folder} {error}')
    if isinstance(error, UserError):
        return error
    cause = f'{type(error).__name__}: {_first_line(error)}'
    return UserError(f'--config.data.name: {name!r} in {folder} cannot be read, prepare it again ({cause})')


def _too_large(images, width, height):
    return UserError(
        f'--config.data.resolution: got {images.resolution}, but {images.name!r} has pictures of '
        f"{width}×{height} pixels; --config.data.fit='pad' takes that or more, 'crop' any"
    )


def _first_line(error):
    return next(iter(str(error).strip().splitlines()), '')


def _list(names):
    return ', '.join(map(str, names))
