"""What a data set may be made from: arrays, classes by folder, two domains; and how it is told to train."""

import gzip
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax import prepare
from gan_jax.base import TrainingFailed
from gan_jax.config import load_config
from gan_jax.data import writing
from gan_jax.data.domains import open_domains
from gan_jax.data.source import open_images
from gan_jax.squares import processes
from gan_jax.training_command import shell_line, training_command
from helpers import ROOT

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 8, 8), np.uint8)


def idx(array):
    """An array as an IDX file."""
    shape = b''.join(size.to_bytes(4, 'big') for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + shape + array.tobytes()


def make(tmp_path, *arguments):
    """Prepares a set `mine` of 8 x 8 pixels and returns the folder that it is in."""
    data = tmp_path / 'data'
    given = ' '.join(map(str, arguments))
    defaults = {'--name': 'mine', '--resolution': '8'}
    more = [f'{flag}={value}' for flag, value in defaults.items() if flag not in given]
    prepare.main([*map(str, arguments), *more, f'--data_dir={data}'])
    return data


def read(data, channels=1, split='train', size=8):
    asked = {'name': 'mine', 'data_dir': str(data), 'split': split, 'fit': 'crop'}
    return open_images(SimpleNamespace(**asked, resolution=size, channels=channels)).all_images()


def labels_of(data, split='train'):
    """The labels as TFDS reads them, with their names."""
    builder = tfds.builder_from_directory(data / 'mine' / '1.0.0')
    records = builder.as_data_source(split, decoders={'image': tfds.decode.SkipDecoding()})
    return [int(record['label']) for record in records], builder.info.features['label'].names


@pytest.mark.parametrize('name', ['train-images-idx3-ubyte', 'train-images-idx3-ubyte.gz'])
def test_idx_files_with_the_labels_beside(tmp_path, name):
    pack = gzip.compress if name.endswith('.gz') else bytes
    folder = tmp_path / 'mnist'
    folder.mkdir()
    (folder / name).write_bytes(pack(idx(PICTURES)))
    (folder / name.replace('train', 't10k')).write_bytes(pack(idx(PICTURES[:2])))
    labels = name.replace('images-idx3', 'labels-idx1')
    (folder / labels).write_bytes(pack(idx(np.array([0, 2, 1, 2, 0], np.uint8))))
    data = make(tmp_path, 'images', folder, '--channels=1')
    np.testing.assert_array_equal(read(data)[..., 0], PICTURES)
    assert labels_of(data) == ([0, 2, 1, 2, 0], ['0', '1', '2'])


def test_fashion_mnist_out_of_its_four_files(tmp_path, capsys):
    for stem, number in (('train', 5), ('t10k', 2)):
        pictures = np.pad(PICTURES[:number], ((0, 0), (10, 10), (10, 10)))
        (tmp_path / f'{stem}-images-idx3-ubyte').write_bytes(idx(pictures))
        (tmp_path / f'{stem}-labels-idx1-ubyte').write_bytes(idx(np.arange(number, dtype=np.uint8)))
    data = tmp_path / 'data'
    prepare.main(['fashion_mnist', str(tmp_path), f'--data_dir={data}'])
    for split, number in (('train', 5), ('test', 2)):
        asked = {'name': 'fashion_mnist', 'data_dir': str(data), 'split': split, 'fit': 'crop'}
        stored = open_images(SimpleNamespace(**asked, resolution=28, channels=1)).all_images()
        np.testing.assert_array_equal(stored[:, 10:-10, 10:-10, 0], PICTURES[:number])
    assert '--config.data.name=fashion_mnist' in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize('shape', [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3), (5, 8, 8, 4)])
@pytest.mark.parametrize('order', ['C', 'F'])
def test_npz_files(tmp_path, shape, order):
    values = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    if shape[-1] == 4:
        values[..., 3] = 0  # all of it transparent
    np.savez_compressed(tmp_path / 'a.npz', x_test=values[:2], x_train=np.asarray(values, order=order), y=[1])
    data = make(tmp_path, 'images', tmp_path / 'a.npz', '--background=#102030')
    expected = values.reshape(5, 8, 8, -1)[..., :3] if shape[-1] != 4 else np.array([16, 32, 48])
    np.testing.assert_array_equal(read(data, 3), np.broadcast_to(expected, (5, 8, 8, 3)))


def test_an_npz_that_unpacks_to_gigabytes_is_refused_by_its_header(refused, tmp_path):
    header = repr({'descr': '|u1', 'fortran_order': False, 'shape': (2**20, 64, 64)}).ljust(117) + '\n'
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('a.npy', b'\x93NUMPY\1\0' + len(header).to_bytes(2, 'little') + header.encode())
    arguments = ['images', 'a.npz', '--name=mine', '--resolution=8', '--data_dir=data']
    refused(prepare.main, arguments, 'a has 4,294,967,296 bytes; takes at most 2,147,483,648')


@pytest.fixture
def animals(tmp_path):
    """Two pictures of cats, one below another folder, and one of a dog."""
    folder = tmp_path / 'animals'
    for name, colour in (('cat/a.png', 10), ('cat/below/b.png', 20), ('dog\n/c.png', 30)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('L', (8, 8), colour).save(folder / name)
    return folder


def test_folders_are_classes_where_that_is_asked_for(tmp_path, animals):
    data = make(tmp_path, 'images', animals, '--labels=folders', '--channels=1')
    np.testing.assert_array_equal(read(data)[:, 0, 0, 0], [10, 20, 30])
    assert labels_of(data) == ([0, 0, 1], ['cat', r'dog\n'])


def test_an_archive_of_classes_may_have_them_in_a_folder(tmp_path, animals):
    archive = shutil.make_archive(str(tmp_path / 'packed'), 'zip', tmp_path, 'animals')
    data = make(tmp_path, 'images', archive, '--labels=folders', '--channels=1')
    assert labels_of(data)[0] == [0, 0, 1]


def domain(folder, number, colour):
    folder.mkdir(parents=True)
    for place in range(number):
        Image.new('RGB', (8, 8), (place, colour, 0)).save(folder / f'{place:02}.png')
    return folder


def test_two_folders_are_two_domains_of_which_each_tenth_picture_is_for_testing(tmp_path, capsys):
    a, b = domain(tmp_path / 'a', 12, 100), domain(tmp_path / 'b', 21, 200)
    data = make(tmp_path, 'pair', a, b)
    assert read(data, 3, 'testA')[:, 0, 0].tolist() == [[0, 100, 0], [10, 100, 0]]
    assert read(data, 3, 'trainB')[:, 0, 0, 0].tolist() == [*range(1, 10), *range(11, 20)]
    out = capsys.readouterr().out
    assert '(trainA 10, trainB 18, testA 2, testB 3)' in out
    config = printed_config(out)
    opened = open_domains(config.data, config.evaluation.split)
    assert [len(images) for images in opened.values()] == [2, 3]


def test_a_pair_without_testing_and_one_as_the_authors_lay_it_out(tmp_path, capsys):
    for name, number in (('trainA', 3), ('trainB', 4), ('testA', 2), ('testB', 2)):
        domain(tmp_path / 'four' / name, number, 50)
    data = make(tmp_path, 'pair', tmp_path / 'four')
    assert len(read(data, 3, 'trainB')) == 4
    assert len(read(data, 3, 'testA')) == 2
    make(tmp_path, 'pair', tmp_path / 'four/trainA', tmp_path / 'four/trainB', '--test_every=0', '--name=two')
    assert '(trainA 3, trainB 4)' in capsys.readouterr().out


def test_all_of_a_picture_on_the_background(tmp_path):
    folder = tmp_path / 'wide'
    folder.mkdir()
    Image.new('RGB', (40, 20), 'red').save(folder / 'a.png')
    data = make(tmp_path, 'images', folder, '--fit=pad', '--background=blue')
    (picture,) = read(data, 3)
    expected = np.broadcast_to(np.array([0, 0, 255]), (8, 8, 3)).copy()
    expected[2:6] = [255, 0, 0]
    np.testing.assert_array_equal(picture, expected)


def test_a_picture_too_thin_to_be_padded_is_named(tmp_path, capsys):
    folder = tmp_path / 'thin'
    folder.mkdir()
    Image.new('RGB', (8, 8)).save(folder / 'a.png')
    Image.new('RGB', (500, 1)).save(folder / 'b.png')
    make(tmp_path, 'images', folder, '--fit=pad')
    assert 'b.png: ValueError: 500 × 1 pixels are too thin to be padded' in capsys.readouterr().err


def printed_config(out):
    """The config of the command that `prepare` has printed."""
    *_, line = out.splitlines()
    config, _, *fields = [word for word in shlex.split(line) if word.startswith('--')]
    overrides = dict(field.removeprefix('--config.').split('=', 1) for field in fields)
    return load_config(str(ROOT / config.removeprefix('--config=')), overrides)


@pytest.mark.parametrize('config', ['dcgan_images', 'cyclegan_images'])
@pytest.mark.parametrize(
    ('resolution', 'trained'),
    [(4, (8, 12)), (64, (64, 64)), (100, (96, 100)), (101, (96, 100)), (1024, (256, 256))],
)
def test_the_command_takes_any_resolution_and_number_of_pictures(config, resolution, trained):
    name, data_dir = 'mine', "my data/it's $HOME"
    given = {'data.name': name, 'data.data_dir': data_dir, 'data.resolution': resolution, 'data.channels': 1}
    line = shell_line(training_command(config, given, 5))
    made = printed_config(line)
    assert made.data.resolution == trained[config == 'cyclegan_images']
    assert made.data.data_dir == data_dir
    assert made.batch_size == min(4, load_config(str(ROOT / f'configs/{config}.py'), {}).batch_size)


# Processes


def test_processes_that_read_pictures_load_little():
    code = (
        'import sys, gan_jax.prepare\n'  # which a process that it starts imports, too
        'assert not {"jax", "tensorflow_datasets", "flax", "matplotlib"} & set(sys.modules)\n'
    )
    subprocess.run([sys.executable, '-W', 'error', '-c', code], cwd=ROOT, check=True, timeout=60)


def die(chunk):
    os._exit(1)


def test_a_process_that_is_killed_is_told():
    killed = pytest.raises(TrainingFailed, match='--num_workers: one of 2 processes has been killed')
    with killed, processes(2) as each:
        list(each(die, [0]))


def test_ctrl_c_leaves_nothing(tmp_path):
    folder = domain(tmp_path / 'many', 200, 1)
    arguments = ['images', folder, '--name=mine', '--resolution=1024', f'--data_dir={tmp_path}/new/data']
    process = subprocess.Popen(
        [sys.executable, '-m', 'gan_jax.prepare', *arguments, '--num_workers=2'],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob('new/data/mine/incomplete*/*')):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it, the processes of the pool, too
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, '', 'interrupted\n')
    assert not (tmp_path / 'new').exists()
    with pytest.raises(ProcessLookupError):  # noqa: PT012
        while time.monotonic() < deadline:  # Python's own process that tidies up ends a moment later
            os.killpg(process.pid, 0)
            time.sleep(0.01)


def test_a_large_set_lies_in_several_files_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, 'SHARD_BYTES', 100)
    colours = [Image.new('L', (8, 8), 10 * number) for number in range(7)]
    form = writing.Form('many', 8, 1, None)
    folder = writing.write(tmp_path, form, {'train': ((png_file(each), None) for each in colours)})
    shards = sorted(path.name for path in folder.glob('*array_record*'))
    assert len(shards) > 2
    assert shards[0] == f'many-train.array_record-00000-of-{len(shards):05}'
    asked = {'name': 'many', 'data_dir': str(tmp_path), 'split': 'train', 'resolution': 8, 'channels': 1}
    images = open_images(SimpleNamespace(**asked, fit='crop')).all_images()
    assert images[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60]


def png_file(picture):
    file = io.BytesIO()
    picture.save(file, 'png')
    return file.getvalue()


def test_pictures_of_other_kinds_are_told(tmp_path, capsys):
    folder = tmp_path / 'phone'
    folder.mkdir()
    for name in ('a.jpg', 'b.jfif'):
        Image.new('RGB', (9, 9), 'red').save(folder / name, 'jpeg')
    for name in ('c.HEIC', 'd.heic', 'e.avif', 'notes.txt'):
        (folder / name).write_bytes(b'not looked into')
    make(tmp_path, 'images', folder)
    out, err = capsys.readouterr()
    assert out.startswith('2 pictures in ')
    assert err.startswith(f'left out 3 of .avif, .heic in {folder}: takes .bmp, ')
