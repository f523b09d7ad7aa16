"""Writes a TFDS data set of encoded pictures in array_record format, the same bytes for the same pictures."""

import contextlib
import io
import shutil
import tempfile
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


class Pictures(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Square pictures of one size, in the splits given."""

    VERSION = tfds.core.Version('1.0.0')

    def __init__(self, form: Form, splits: Mapping[str, Iterable[Example]], **keywords):
        self.name = form.name  # pyright: ignore[reportAttributeAccessIssue]
        self._form, self._splits = form, splits
        super().__init__(**keywords)

    def _info(self):
        size, channels, classes = self._form.resolution, self._form.channels, self._form.classes
        features: dict[str, Any] = {
            'image': tfds.features.Image(shape=(size, size, channels), encoding_format='png')
        }
        if classes is not None:
            features['label'] = tfds.features.ClassLabel(names=classes)
        return tfds.core.DatasetInfo(
            builder=self,
            description=f'Pictures of {size} x {size} pixels, made by gan_jax.prepare.',
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, download_manager):
        return {split: self._generate_examples(examples) for split, examples in self._splits.items()}

    def _generate_examples(self, examples):
        for key, (png, label) in enumerate(examples):
            yield key, {'image': png} | ({} if label is None else {'label': label})


def write(data_dir: Path, form: Form, splits: Mapping[str, Iterable[Example]]) -> Path:
    """Writes the data set to a folder that is not there yet, or nothing at all.

    Args:
        data_dir: the folder to write to is in it, by the name of the set; both are made.
        form: of the set.
        splits: the examples of each split; read once, one split after the other.

    Returns:
        The folder of the set's version.

    Raises:
        Exception: what reading the examples raises, or the disk.
    """
    tfds.disable_progress_bar()
    with nothing_half_made(data_dir / form.name):
        with tempfile.TemporaryDirectory() as downloads, contextlib.redirect_stdout(io.StringIO()):
            builder = Pictures(form, splits, data_dir=data_dir, file_format='array_record')
            builder.download_and_prepare(download_dir=downloads)
        folder = Path(builder.data_path)
        if form.classes is not None:
            for shard in folder.glob('*.array_record-*'):
                sort_fields(shard)
    return folder


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
    """Writes a shard again with the fields of each example sorted: protobuf leaves their order to chance."""
    reader, sorted_shard = ArrayRecordReader(str(shard)), shard.with_name('sorted')
    writer = ArrayRecordWriter(str(sorted_shard), 'group_size:1')  # as TFDS writes them
    for place in range(reader.num_records()):
        example = tf_example_pb2.Example.FromString(  # pyright: ignore[reportAttributeAccessIssue]
            reader.read([place])[0]
        )
        writer.write(example.SerializeToString(deterministic=True))
    writer.close()
    reader.close()
    sorted_shard.replace(shard)
