"""Writes a TFDS data set of encoded pictures in array_record format, the same bytes for the same pictures."""

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
from tensorflow_datasets.proto import tf_example_pb2

Example = tuple[bytes, int | None]  # a PNG file, and its class if there are any


class Form(NamedTuple):
    """What a data set is like."""

    name: str
    resolution: int  # pixels of the square pictures
    channels: int  # 1 or 3
    classes: list[str] | None  # the names of the labels; None: there are no labels


VERSION = '1.0.0'
SHARD_BYTES = 2**28  # after which another file begins


def write(data_dir: Path, form: Form, splits: Mapping[str, Iterable[Example]]) -> Path:
    """Writes the data set to a folder that is not there yet, or nothing at all.

    One example after another: TFDS's builder keeps all in memory, and beyond a gigabyte needs TensorFlow.

    Args:
        data_dir: the folder to write to is in it, by the name of the set; both are made.
        form: of the set.
        splits: the examples of each split; read once, one split after the other.

    Returns:
        The folder of the set's version.

    Raises:
        ValueError: a split is empty.
        Exception: what reading the examples raises, or the disk.
    """
    features, folder = features_of(form), data_dir / form.name / VERSION
    with nothing_half_made(data_dir / form.name):
        unfinished = folder.with_name(f'incomplete.{VERSION}')
        unfinished.mkdir(parents=True)
        infos = [
            write_split(unfinished, f'{form.name}-{split}', split, features, examples)
            for split, examples in splits.items()
        ]
        tfds.folder_dataset.write_metadata(
            data_dir=unfinished,
            features=features,
            split_infos=infos,
            version=VERSION,
            check_data=False,  # by TensorFlow
            description=f'Pictures of {form.resolution} x {form.resolution} pixels, made by gan_jax.prepare.',
            disable_shuffling=True,
        )
        unfinished.rename(folder)
    return folder


def features_of(form: Form) -> tfds.features.FeaturesDict:
    """What an example of the set holds."""
    shape = (form.resolution, form.resolution, form.channels)
    features: dict[str, Any] = {'image': tfds.features.Image(shape=shape, encoding_format='png')}
    if form.classes is not None:
        features['label'] = tfds.features.ClassLabel(names=form.classes)
    return tfds.features.FeaturesDict(features)


def write_split(folder: Path, stem: str, split: str, features, examples: Iterable[Example]):
    """Writes a split's shards; returns TFDS's SplitInfo of them. Raises ValueError where it is empty."""
    lengths, sizes, writer = [], [], None
    for png, label in examples:
        if writer is None or sizes[-1] > SHARD_BYTES:
            if writer:
                writer.close()
            writer = ArrayRecordWriter(str(folder / f'{len(sizes)}'), 'group_size:1')  # as TFDS writes them
            lengths.append(0)
            sizes.append(0)
        example = {'image': png} | ({} if label is None else {'label': label})
        record = sorted_fields(features.serialize_example(features.encode_example(example)))
        writer.write(record)
        lengths[-1] += 1
        sizes[-1] += len(record)
    if writer is None:
        raise ValueError(f'{split} is empty')
    writer.close()
    for shard in range(len(sizes)):
        (folder / f'{shard}').rename(folder / f'{stem}.array_record-{shard:05}-of-{len(sizes):05}')
    template = tfds.core.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder),
        dataset_name=stem.removesuffix(f'-{split}'),
        split=split,
        filetype_suffix='array_record',
    )
    return tfds.core.SplitInfo(
        name=split, shard_lengths=lengths, num_bytes=sum(sizes), filename_template=template
    )


def sorted_fields(record: bytes) -> bytes:
    """An example with its fields sorted: protobuf leaves their order to chance."""
    example = tf_example_pb2.Example.FromString(record)  # pyright: ignore[reportAttributeAccessIssue]
    return example.SerializeToString(deterministic=True)


@contextlib.contextmanager
def nothing_half_made(folder: Path):
    """Removes a new folder, and those above made for it, if what follows fails or is interrupted."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in new[1:]:
            with contextlib.suppress(OSError):  # others have put something there
                parent.rmdir()
        raise


def sort_fields(shard: Path) -> None:
    """Writes a shard of TFDS's again with the fields of each example sorted."""
    reader, sorted_shard = ArrayRecordReader(str(shard)), shard.with_name('sorted')
    writer = ArrayRecordWriter(str(sorted_shard), 'group_size:1')
    for place in range(reader.num_records()):
        writer.write(sorted_fields(reader.read([place])[0]))
    writer.close()
    reader.close()
    sorted_shard.replace(shard)
