"""A zip archive of pictures becomes a data set like a folder, and one made to do harm does none."""

import io
import os
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_jax import archive, prepare
from gan_jax.base import UserError
from gan_jax.data.source import open_images
from gan_jax.reading import MOST_BYTES_READ, read_picture
from helpers import ROOT

# Where the directory at an archive's end says so of a member, and as what
FLAGS, METHOD, CRC, SIZE = (8, '<H'), (10, '<H'), (16, '<I'), (24, '<I')


def encoded(colour, kind='png'):
    file = io.BytesIO()
    Image.new('RGB', (20, 10), colour).save(file, kind)
    return file.getvalue()


def change(path, place, value, member=0):
    """Changes what an archive says of one of its members."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        start = file.start_dir
    for _ in range(member):
        start = content.index(b'PK\1\2', start + 1)
    offset, kind = place
    struct.pack_into(kind, content, start + offset, value)
    path.write_bytes(content)


@pytest.fixture
def path(tmp_path):
    """With two pictures, of which one would be beside the archive, and what is none."""
    path = tmp_path / 'pictures.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as file:
        file.writestr('../b.PNG', encoded('red'))
        file.writestr('below/a.jpg', encoded('blue', 'jpeg'))
        file.writestr('below/notes.txt', 'none')
        file.writestr('folder.png/', '')
        file.writestr('__MACOSX/below/._a.jpg', b'none')
    return path


def run(path, *more):
    data_dir = path.parent / 'data'
    prepare.main(['images', str(path), '--name=mine', '--resolution=16', f'--data_dir={data_dir}', *more])
    asked = {'name': 'mine', 'data_dir': str(data_dir), 'split': 'train', 'fit': 'crop'}
    return open_images(SimpleNamespace(**asked, resolution=16, channels=3)).all_images()


def test_a_zip_archive_becomes_a_data_set(path, capsys):
    pictures = run(path)
    assert pictures.shape == (2, 16, 16, 3)
    np.testing.assert_allclose(pictures.mean((1, 2)), [[255, 0, 0], [0, 0, 254]], atol=2)
    out, err = capsys.readouterr()
    assert '2 pictures in ' in out
    assert '0 broken files left out' in out
    assert err == ''
    assert sorted(each.name for each in path.parent.iterdir()) == [
        'data',
        'pictures.zip',
    ]  # nothing beside it


def test_each_broken_member_is_named_and_the_rest_is_done(path, capsys):
    with zipfile.ZipFile(path, 'a') as file:
        for name in ('encrypted', 'crc', 'longer', 'shorter', 'huge', 'deflate64'):
            file.writestr(f'broken/{name}.png', encoded('green'))
        file.writestr('broken/bzip2.png', encoded('green'), zipfile.ZIP_BZIP2)
        file.writestr('broken/lzma.png', encoded('green'), zipfile.ZIP_LZMA)
        file.writestr('broken/nested.png', path.read_bytes())
        file.writestr('broken/line\nbreak\x1b[2J.png', b'')
    for member, (place, value) in enumerate(
        [(FLAGS, 1), (CRC, 7), (SIZE, 10_000), (SIZE, 20), (SIZE, MOST_BYTES_READ + 1), (METHOD, 9)], 5
    ):
        change(path, place, value, member)
    assert len(run(path)) == 2
    out, err = capsys.readouterr()
    assert '10 broken files left out' in out
    said = dict(line.removeprefix(f'left out {path}/broken/').split('.png: ', 1) for line in err.splitlines())
    expected = {
        'encrypted': 'is encrypted, password required',
        'crc': 'Bad CRC-32',
        'longer': 'bytes instead of the 10,000 stated',
        'shorter': 'Bad CRC-32',
        'huge': 'ValueError: 357,913,941 bytes are too many; takes at most 357,913,940',
        'deflate64': 'ValueError: packed by method 9; takes 0 (stored) or 8 (deflate)',
        'bzip2': 'ValueError: packed by method 12; takes 0',
        'lzma': 'ValueError: packed by method 14; takes 0',
        'nested': 'UnidentifiedImageError: none of .bmp',
        r'line\nbreak\x1b[2J': 'UnidentifiedImageError: none of .bmp',
    }
    assert said.keys() == expected.keys()
    for name, words in expected.items():
        assert words in said[name]


@pytest.mark.parametrize('content', [b'', b'none', b'PK\5\6' + bytes(17), b'PK\5\6' + b'\xff' * 18])
def test_a_file_that_is_no_archive(tmp_path, content):
    path = tmp_path / 'pictures.zip'
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"^DIR: '.*pictures.zip' is no zip archive \(.*\); takes one, or a"):
        run(path)
    assert not (tmp_path / 'data').exists()


def test_what_has_no_pictures(path, tmp_path):
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.txt', 'none')
    for given, message in ((path, 'has no pictures of .*'), (tmp_path / 'x.zip', 'is not there')):
        with pytest.raises(UserError, match=rf"^DIR: '.*' {message}; takes a folder with pictures, a zip"):
            run(given)
    with pytest.raises(UserError, match=r"^DIR: '.*' is not there"):
        prepare.main(['emoji', str(path), '--name=mine', '--resolution=16', f'--data_dir={tmp_path}/data'])


# Bombs

UNIT = 2**20


def zeros(mebibytes):
    """A deflated stream of zeros, a thousand times as small, in no time: a stretch of it is used again."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    stretch = pack.compress(bytes(UNIT)) + pack.flush(zlib.Z_FULL_FLUSH)
    return stretch * mebibytes + pack.flush()


def bomb(path, mebibytes, stated, number=1):
    """An archive of zeros of which it states another size."""
    with zipfile.ZipFile(path, 'w') as file:
        for place in range(number):
            file.writestr(f'{place}.png', zeros(mebibytes))
    for place in range(number):
        change(path, METHOD, 8, place)
        change(path, SIZE, stated, place)


@pytest.mark.parametrize('stated', [3 * 2**30, 1000, 2**20, 0])
def test_a_member_of_gigabytes_is_not_unpacked(tmp_path, stated):
    bomb(tmp_path / 'a.zip', 3 * 2**10, stated)
    assert (tmp_path / 'a.zip').stat().st_size < 4 * UNIT
    (member,) = archive.members(tmp_path / 'a.zip')
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(Exception, match=r'too many|Bad CRC-32|none of'):
        read_picture(member, 3)
    assert time.monotonic() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 16 * UNIT
    tracemalloc.stop()


def test_members_on_top_of_each_other(tmp_path):
    """Ten thousand entries for one stream."""
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.png', encoded('red') + bytes(10_000))
        start = file.fp.tell()
    content, number = path.read_bytes(), 10_000
    entry = content[start:-22]
    end = struct.pack('<IHHHHIIH', 0x06054B50, 0, 0, number, number, number * len(entry), start, 0)
    path.write_bytes(content[:start] + number * entry + end)
    assert len(zipfile.ZipFile(path).infolist()) == number
    began = time.monotonic()
    with pytest.raises(
        UserError, match=r"^DIR: '.*a.zip' has members on top of each other; takes an archive"
    ):
        run(path)
    assert time.monotonic() - began < 1
    assert not (tmp_path / 'data').exists()


def test_bombs_take_little_memory(tmp_path):
    """By the process's own count, in which Pillow's and zlib's memory is, too."""
    bomb(tmp_path / 'a.zip', 3 * 2**10, 3 * 2**30 - 1)
    bomb(tmp_path / 'b.zip', 100, 2**20, number=20)
    code = (
        'import resource, sys\nfrom pathlib import Path\n'
        'from gan_jax import archive, reading\n'
        'unit = 2**10 if sys.platform == "linux" else 2**20\n'
        'peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit\n'
        'before, broken = peak(), 0\n'
        'for path in map(Path, sys.argv[1:]):\n'
        '    for member in archive.members(path):\n'
        '        try: reading.read_picture(member, 3)\n'
        '        except Exception: broken += 1\n'
        'print(broken, peak() - before)\n'
    )
    ended = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code, tmp_path / 'a.zip', tmp_path / 'b.zip'],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ''
    broken, mebibytes = map(int, ended.stdout.split())
    assert broken == 21
    assert mebibytes < 64
