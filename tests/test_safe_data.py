"""A data set is data: it runs no code, its files stay in its folder, no size that it claims is believed."""

import json
import os
import shutil
import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from gan_jax.base import UserError
from gan_jax.data.source import EMBEDDED, open_images
from tiny_data import encoded, prepare


def config(data_dir, **changes):
    fields = {'name': 'fashion_mnist_10k', 'data_dir': str(data_dir), 'split': 'train', 'fit': 'crop'}
    return SimpleNamespace(**(fields | {'resolution': 28, 'channels': 1} | changes))


def refused(data, *words):
    with pytest.raises(UserError) as caught:
        open_images(data).all_images()
    message = str(caught.value)
    assert message.startswith('--config.data.')
    assert '\n' not in message
    for word in words:
        assert word in message


@pytest.fixture
def copy(tmp_path):
    """A copy of the embedded set that may be spoilt: its folder."""
    return shutil.copytree(EMBEDDED / 'fashion_mnist_10k', tmp_path / 'fashion_mnist_10k') / '1.0.0'


FOREIGN = 'foreign_code.Feature'  # of a module that leaves a file when it is imported
CORE = 'tensorflow_datasets.core.features'
LABEL = {'pythonClassName': f'{CORE}.class_label_feature.ClassLabel', 'classLabel': {'numClasses': '10'}}


def change(path, *keys, value):
    """Sets a value deep in a JSON file."""
    document = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(document))


@pytest.fixture
def foreign_code(tmp_path, monkeypatch):
    (tmp_path / 'foreign_code.py').write_text(f'open({str(tmp_path / "ran")!r}, "w").close()')
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert not (tmp_path / 'ran').exists()
    assert 'foreign_code' not in sys.modules


FEATURES = 'featuresDict', 'features'
NAMED = {
    'all': (['pythonClassName'], FOREIGN),
    'picture': ([*FEATURES, 'image', 'pythonClassName'], FOREIGN),
    'label': ([*FEATURES, 'label', 'pythonClassName'], FOREIGN),
    'near': ([*FEATURES, 'label', 'pythonClassName'], 'tensorflow_datasets.core.featuresx.Feature'),
    'other': ([*FEATURES, 'more'], {'pythonClassName': FOREIGN, 'jsonFeature': {'json': '{}'}}),
    'written_otherwise': ([*FEATURES, 'more'], {'python_class_name': FOREIGN}),
    'in_a_sequence': (
        [*FEATURES, 'more'],
        {
            'pythonClassName': f'{CORE}.sequence_feature.Sequence',
            'sequence': {'feature': {'pythonClassName': FOREIGN}},
        },
    ),
    'in_a_dictionary': (
        [*FEATURES, 'more'],
        {
            'pythonClassName': f'{CORE}.features_dict.FeaturesDict',
            'featuresDict': {'features': {'x': {'pythonClassName': FOREIGN}}},
        },
    ),
}


@pytest.mark.parametrize('case', NAMED)
def test_code_that_features_name_is_not_imported(copy, foreign_code, case):
    keys, value = NAMED[case]
    change(copy / 'features.json', *keys, value=value)
    words = "has features of the class '", f'; takes those of {CORE}.* alone'
    refused(config(copy.parents[1]), "'fashion_mnist_10k' in ", *words)


def test_code_that_is_named_elsewhere_is_not_imported(copy, foreign_code):
    """TFDS would look for features in all these places."""
    legacy = {'type': FOREIGN, 'content': {}}
    nested = {'pythonClassName': f'{CORE}.features_dict.FeaturesDict'}
    nested['jsonFeature'] = {'json': json.dumps({'x': legacy})}
    change(copy / 'features.json', *FEATURES, 'more', value=nested)
    info = copy / 'dataset_info.json'
    change(info, 'features', value={'pythonClassName': FOREIGN, 'jsonFeature': {'json': '{}'}})
    change(info, 'moduleName', value='foreign_code')
    change(info, 'supervisedKeys', value={'input': 'image', 'output': FOREIGN})
    assert len(open_images(config(copy.parents[1]))) == 10_000
    change(copy / 'features.json', *FEATURES, 'image', 'image', 'dtype', value='uint16')
    refused(config(copy.parents[1]), "has no feature 'image' of 8-bit pictures; it has image, label, more")
    (copy / 'features.json').write_text(json.dumps(legacy))  # as TFDS wrote them before 4.3
    refused(config(copy.parents[1]), 'cannot be read')


def test_no_file_but_descriptions_and_shards_is_opened(copy):
    for name in ('label.labels.txt', 'metadata.json', 'image.labels.txt'):
        (copy / name).unlink(missing_ok=True)
        os.mkfifo(copy / name)  # on which reading would wait
    assert len(open_images(config(copy.parents[1]))) == 10_000


@pytest.mark.parametrize(
    ('keys', 'value'),
    [
        (['splits', 0, 'filepathTemplate'], '../1.0.0_/{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'),
        (['splits', 0, 'filepathTemplate'], '/proc/self/environ'),
        (['splits', 0, 'filepathTemplate'], 'folder'),
        (['name'], '../1.0.0_/fashion_mnist_10k'),
    ],
)
def test_shards_lie_in_their_folder(copy, keys, value):
    shutil.copytree(copy, copy.with_name('1.0.0_'))
    (copy / 'folder').mkdir()
    change(copy / 'dataset_info.json', *keys, value=value)
    refused(config(copy.parents[1]), str(copy), 'has ', '; takes files in its own folder')


@pytest.mark.parametrize('pattern', ['*-train.*', 'dataset_info.json', 'features.json'])
def test_links_stay_in_their_folder(copy, pattern):
    path = next(copy.glob(pattern))
    path.rename(copy.parent / 'elsewhere')
    path.symlink_to('../elsewhere')
    refused(config(copy.parents[1]), path.name, '/elsewhere', 'takes files in its own')


def test_links_inside_and_to_a_whole_data_set_are_followed(copy, tmp_path):
    path = next(copy.glob('*-train.*'))
    path.rename(copy / 'shard')
    path.symlink_to('shard')
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'fashion_mnist_10k').symlink_to(copy.parent)
    assert len(open_images(config(tmp_path / 'data'))) == 10_000


def test_array_record_beside_another_format(copy):
    change(copy / 'dataset_info.json', 'fileFormat', value='tfrecord')
    change(copy / 'dataset_info.json', 'alternativeFileFormats', value=['array_record'])
    assert len(open_images(config(copy.parents[1], split='train[:50%]+test'))) == 6_000


DEEP = '[' * 100_000, '{"featuresDict":' * 100_000, '{"a":' * 900 + '1' + '}' * 900


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json'])
@pytest.mark.parametrize('text', DEEP, ids=range(3))
def test_deep_descriptions(copy, name, text):
    (copy / name).write_text(text)
    refused(config(copy.parents[1]), 'cannot be read')


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json'])
def test_long_descriptions(copy, name):
    os.truncate(copy / name, 2**40)  # takes no room on the disk
    words = f'has a {name} of 1,099,511,627,776 bytes; takes at most 16,777,216'
    refused(config(copy.parents[1]), words)


@pytest.mark.parametrize(
    ('key', 'value', 'words'),
    [
        ('shardLengths', ['10000000000000000'], 'claims 10,000,000,000,000,000 examples in 6,488,064 bytes'),
        ('shardLengths', ['1'] * 70_000, 'has 70,001 shards; takes at most 65,536'),
        ('shardLengths', ['-5'], 'which is empty'),
        ('filepathTemplate', '{SPLIT:>9999999999}', "names its shards '{SPLIT:>9999999999}'"),
        ('filepathTemplate', '{SPLIT.__class__}', "names its shards '{SPLIT.__class__}'"),
    ],
)
def test_sizes_that_cannot_be(copy, key, value, words):
    change(copy / 'dataset_info.json', 'splits', 0, key, value=value)
    refused(config(copy.parents[1]), words)


def test_a_picture_too_large_to_decode(tmp_path):
    good = encoded(np.zeros((8, 8), np.uint8))
    header = struct.pack('>II', 100_000, 100_000) + good[24:29]
    huge = good[:16] + header + struct.pack('>I', zlib.crc32(b'IHDR' + header)) + good[33:]
    features = {'image': tfds.features.Image(shape=(None, None, 1))}
    prepare(tmp_path, [{'image': each} for each in (good, huge, good)], features)
    asked = config(tmp_path, name='tiny', resolution=8)
    refused(asked, '100000 × 100000 pixels are too many; takes at most 89,478,485')
