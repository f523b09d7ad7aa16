"""Data sets of a few pictures, as TFDS would prepare them."""

import io

import tensorflow_datasets as tfds
from PIL import Image


def encoded(pixels):
    """uint8 [H, W] or [H, W, 3] as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'png')
    return file.getvalue()


def prepare(data_dir, pictures, features=None, name='tiny', version='1.0.0', **kwargs):
    """A TFDS set with a split 'train' of the given uint8 [H, W, C] pictures or ready examples: its folder."""

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)

        def _info(self):
            shape = (None, None, 1 if features else pictures[0].shape[-1])
            dictionary = tfds.features.FeaturesDict(features or {'image': tfds.features.Image(shape=shape)})
            return tfds.core.DatasetInfo(builder=self, features=dictionary, disable_shuffling=True)

        def _split_generators(self, download_manager):
            return {'train': self._generate_examples()}

        def _generate_examples(self):
            for key, picture in enumerate(pictures):
                example = {'image': encoded(picture.squeeze())} if features is None else picture
                yield key, example

    Tiny.name = name
    tfds.disable_progress_bar()
    builder = Tiny(data_dir=data_dir, file_format='array_record', **kwargs)
    builder.download_and_prepare(download_dir=data_dir / 'downloads')
    return data_dir / name / version
