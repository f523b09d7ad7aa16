"""What a data set says of itself, as far as that is safe: TFDS would import any module that it names."""

import re
from pathlib import Path
from typing import Any

OURS = 'tensorflow_datasets.core.features.'  # where TFDS's own classes of features are
PICTURES = {f'{OURS}image_feature.Image', f'{OURS}labeled_image.LabeledImage'}
MOST_BYTES = 2**24  # of each description; most have some thousands
MOST_SHARDS = 2**16
TEMPLATE = re.compile(r'([^{}]|\{[A-Z_]+\})*')  # of a shard's name; str.format would take widths, too


class Refused(Exception):
    """A data set that is not opened; the message goes on from its name and its folder."""


def open_builder(folder: Path) -> Any:
    """TFDS's builder of a prepared data set: told of the picture alone, it looks for no other feature.

    Args:
        folder: of one version, with its dataset_info.json, features.json and shards.

    Returns:
        The builder, whose `info.features` are {'image': …}.

    Raises:
        Refused: there are no pictures, a description is too large, or it names code or too many shards.
        Exception: what protobuf and TFDS raise where it is damaged.
    """
    import tensorflow_datasets as tfds  # here, because it takes a while and is not needed for a dry run
    from google.protobuf import json_format
    from tensorflow_datasets.core import proto
    from tensorflow_datasets.core.read_only_builder import builder_from_metadata

    protos: Any = proto

    def parsed(name, message):
        path = inside(folder, folder / name)
        if path.stat().st_size > MOST_BYTES:
            raise Refused(f'has a {name} of {path.stat().st_size:,} bytes; takes at most {MOST_BYTES:,}')
        return json_format.Parse(path.read_bytes(), message)

    info = parsed('dataset_info.json', protos.dataset_info_pb2.DatasetInfo())
    top = parsed('features.json', protos.feature_pb2.Feature())
    foreign = [name for name in classes(top) if not name.startswith(OURS)]
    if foreign:
        raise Refused(f'has features of the class {foreign[0]!r:.99}; takes those of {OURS}* alone')
    for split in info.splits:
        if not TEMPLATE.fullmatch(split.filepath_template):
            raise Refused(f'names its shards {split.filepath_template!r:.99}; takes {{SPLIT}} and the like')
    num_shards = sum(len(split.shard_lengths) for split in info.splits)
    if num_shards > MOST_SHARDS:
        raise Refused(f'has {num_shards:,} shards; takes at most {MOST_SHARDS:,}')

    features = dict(top.features_dict.features)
    image = features.get('image', protos.feature_pb2.Feature())
    shape = tuple(None if size < 0 else size for size in image.image.shape.dimensions)
    if image.python_class_name not in PICTURES or image.image.dtype != 'uint8' or len(shape) != 3:
        raise Refused(f"has no feature 'image' of 8-bit pictures; it has {', '.join(sorted(features))}")
    # Never none, or TFDS would read features.json itself.
    known = tfds.features.FeaturesDict({'image': tfds.features.Image(shape=shape)})
    info.features.CopyFrom(known.to_proto())
    return builder_from_metadata(folder, info)


def classes(feature):
    """The names of the Python classes of a feature and of those in it."""
    yield feature.python_class_name
    for part in feature.features_dict.features.values():
        yield from classes(part)
    if feature.HasField('sequence'):
        yield from classes(feature.sequence.feature)


def check_shards(folder: Path, shards) -> None:
    """Raises Refused where a shard lies elsewhere, or they cannot hold what is said of them.

    Args:
        folder: of the data set.
        shards: TFDS's file instructions.
    """
    paths = {inside(folder, shard.filename) for shard in shards}
    num_examples, num_bytes = sum(shard.take for shard in shards), sum(path.stat().st_size for path in paths)
    if num_examples > num_bytes:  # a picture takes far more than a byte
        raise Refused(f'claims {num_examples:,} examples in {num_bytes:,} bytes; takes one a byte at most')


def inside(folder: Path, path) -> Path:
    """Where the file `path` really is; raises Refused unless that is in `folder`."""
    found = Path(path).resolve(strict=True)
    if not found.is_relative_to(folder.resolve()) or not found.is_file():
        raise Refused(f'has {str(path)!r}, which is {str(found)!r}; takes files in its own folder')
    return found
