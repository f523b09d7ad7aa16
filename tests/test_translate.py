"""A person's own pictures through a generator that translates, whatever they are like."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from commands import make_run
from gan_jax import sample, translate
from gan_jax.base import TrainingFailed, UserError
from gan_jax.reading import read_picture
from gan_jax.trained import open_run


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs') / 'run'
    make_run(folder, 'cyclegan')
    return folder


@pytest.fixture
def folder(tmp_path):
    """Of any size and kind, two of one name."""
    folder, noise = tmp_path / 'own', np.random.default_rng(0)
    (folder / 'below').mkdir(parents=True)
    random = lambda *shape: Image.fromarray(noise.integers(0, 256, shape, np.uint8))
    random(21, 30, 3).save(folder / 'a.jpg')
    (folder / 'no.png').mkdir()
    random(16, 16, 4).save(folder / 'a.png')
    random(5, 1).save(folder / 'below' / 'small.png')
    turned = random(10, 14, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(folder / 'turned.jpg', exif=exif)
    return folder


def main(workdir, *arguments):
    sample.main([f'--workdir={workdir}', *map(str, arguments)])


def sizes(out):
    found = {}
    for path in sorted(out.iterdir()):
        with Image.open(path) as picture:
            found[path.name] = picture.size
    return found


def test_each_picture_keeps_its_size_and_its_name(workdir, folder, tmp_path, capsys):
    main(workdir, f'--images={folder}', '--direction=a2b', f'--out={tmp_path / "out"}')
    assert sizes(tmp_path / 'out') == {
        'a.jpg.png': (30, 21),
        'a.png.png': (16, 16),
        'small.png': (1, 5),
        'turned.png': (10, 14),
    }
    assert f'4 pictures in {tmp_path / "out"}' in capsys.readouterr().out


def test_each_direction_has_its_generator(workdir, folder, tmp_path):
    for direction in ('a2b', 'b2a'):
        main(workdir, f'--images={folder}/a.png', f'--direction={direction}', f'--out={tmp_path / direction}')
    one, other = (np.asarray(Image.open(tmp_path / each / 'a.png')) for each in ('a2b', 'b2a'))
    assert (one != other).any()
    run = open_run(workdir)
    picture = np.asarray(read_picture(folder / 'a.png', 1), np.float32)[None, :, :, None] / 127.5 - 1
    columns = run.gan.sample(*run.generator(), {'a': picture}, 0)
    np.testing.assert_allclose(one, (columns['a_to_b'][0, :, :, 0] + 1) * 127.5, atol=1)


def test_a_broken_file_is_named_and_the_rest_is_done(workdir, folder, tmp_path, capsys):
    (folder / 'broken.png').write_bytes(b'no picture')
    long = folder / f'{"a" * 248}.png'  # what it is written as would be too long
    Image.new('RGB', (8, 8)).save(long)
    with pytest.raises(
        TrainingFailed, match=rf'^2 of 6 files could not be translated: {long}, .*broken.png$'
    ):
        main(workdir, f'--images={folder}', f'--out={tmp_path / "out"}')
    assert len(list((tmp_path / 'out').iterdir())) == 4
    assert 'broken.png: UnidentifiedImageError' in capsys.readouterr().err


def test_a_huge_picture_is_named_and_the_rest_is_done(workdir, folder, tmp_path, capsys):
    picture = (folder / 'a.png').read_bytes()
    header = struct.pack('>II', 100_000, 100_000) + picture[24:29]
    checksum = struct.pack('>I', zlib.crc32(b'IHDR' + header))
    (folder / 'huge.png').write_bytes(picture[:16] + header + checksum + picture[33:])
    with pytest.raises(TrainingFailed, match=r'^1 of 5 files could not be translated: .*huge.png$'):
        main(workdir, f'--images={folder}', f'--out={tmp_path / "out"}')
    assert len(list((tmp_path / 'out').iterdir())) == 4
    told = 'huge.png: ValueError: 100000 × 100000 pixels are too many; takes at most 89,478,485\n'
    assert told in capsys.readouterr().err


def test_a_reader_without_words_is_told_by_its_kind(monkeypatch):
    def fails(file, channels):
        raise EOFError

    monkeypatch.setattr(translate, 'read_picture', fails)
    with pytest.raises(OSError, match=r'^EOFError: $'):
        translate.read('a.png', 1)


def test_deep_pictures_are_read_whole_or_not_at_all(tmp_path):
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    for name in ('a.png', 'a.tiff'):
        Image.fromarray(ramp).save(tmp_path / name)
        read = np.asarray(read_picture(tmp_path / name, 1))
        np.testing.assert_array_equal(read.ravel(), np.arange(256))
    Image.fromarray((ramp / 65535).astype(np.float32)).save(tmp_path / 'floats.tiff')
    with pytest.raises(ValueError, match='floats'):
        read_picture(tmp_path / 'floats.tiff', 1)


@pytest.mark.parametrize(('size', 'becomes'), [(1, 8), (7, 8), (8, 8), (9, 12), (256, 256), (257, 260)])
def test_sizes_become_what_a_generator_takes(size, becomes):
    picture = np.arange(size, dtype=np.uint8).reshape(1, size, 1, 1)
    padded = translate.padded(picture)
    assert padded.shape == (1, becomes, 8, 1)
    np.testing.assert_array_equal(padded[:, :size, :1], picture)
    if 1 < size < becomes:
        assert padded[0, size, 0, 0] == picture[0, size - 2, 0, 0]  # reflected


def test_mistakes_write_nothing(workdir, folder, tmp_path):
    out = tmp_path / 'out'
    empty = tmp_path / 'empty'
    empty.mkdir()
    for arguments, message in (
        ([f'--out={out}.png'], r'^--images: missing, as this run translates'),
        ([f'--images={empty}', f'--out={out}'], r'^--images: .*empty. has no pictures'),
        ([f'--images={tmp_path}/none.png', f'--out={out}'], r'^--images: .*none.png. has no pictures'),
        ([f'--images={folder}', f'--out={folder}'], r'^--out: .*own. will not do; takes a folder apart'),
        (
            [f'--images={folder}/a.png', f'--out={folder}'],
            r'^--out: .*own. will not do; takes a folder apart',
        ),
        (
            [f'--images={folder}', f'--out={folder}/below'],
            r'^--out: .*below. will not do; takes a folder apart',
        ),
        (
            [f'--images={folder}', f'--out={folder}/a.png/x'],
            r'^--out: .*x. will not do; takes a folder apart',
        ),
        ([f'--images={folder}', f'--out={out}', '--num=3'], r'^--num: 3 will not do with --images'),
        ([f'--out={out}.png', '--direction=b2a'], r"^--direction: 'b2a' will not do without --images"),
        ([f'--images={folder}', '--direction=a2c', f'--out={out}'], r'^--direction: invalid choice'),
    ):
        with pytest.raises(UserError, match=message):
            main(workdir, *arguments)
    assert not out.exists()


def test_a_run_that_draws_from_z_translates_nothing(folder, tmp_path):
    make_run(tmp_path / 'run')
    with pytest.raises(UserError, match=r'^--images: .* will not do, as this run draws from z'):
        main(tmp_path / 'run', f'--images={folder}', f'--out={tmp_path / "out"}')
    assert not (tmp_path / 'out').exists()


def test_a_translation_says_what_it_is_of_and_is_made_again_as_it_was(workdir, folder, tmp_path):
    main(workdir, f'--images={folder / "a.png"}', f'--out={tmp_path / "out"}')
    with Image.open(tmp_path / 'out' / 'a.png') as picture:
        assert picture.info['source'] == 'a.png'
        assert picture.info['arguments'] == '--checkpoint=0 --direction=a2b'
        assert 'seed' not in picture.info
    with pytest.raises(UserError, match='is a translation; made again with --images'):
        main(workdir, f'--like={tmp_path / "out" / "a.png"}', f'--out={tmp_path / "again.png"}')
