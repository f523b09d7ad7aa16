"""Nothing that is read can run code, and how large a picture is gets known before there is memory for it."""

import ast
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from gan_jax.reading import MOST_BYTES_READ, MOST_PIXELS_READ, open_picture, picture_files, read_picture
from helpers import ROOT

UNSAFE_MODULES = {'pickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal', 'yaml', 'torch'}
UNSAFE_MODULES |= {'importlib', 'runpy', 'subprocess'}
UNSAFE_CALLS = {'eval', 'exec', 'compile', '__import__', 'np.load', 'jnp.load', 'os.system', 'os.popen'}
UNSAFE_CALLS |= {'tfds.load', 'tfds.builder', 'tfds.builder_from_directory', 'tfds.builder_from_directories'}
UNSAFE_CALLS |= {'Image.open'}  # it knows kinds of files that start other programs
MEANT = {
    ('__main__.py', 'runpy'),  # a verb, by a name that stands there
    ('arrays.py', 'np.load'),  # of a header that has been looked at, arrays alone
    ('config.py', 'runpy'),  # a --config file is code, and the person's own
    ('gans/__init__.py', 'importlib'),  # a system, by its name, inside this package
    ('onnx.py', 'importlib'),  # what is not there for all, by names that stand there
    ('metrics/networks.py', 'importlib'),  # asks where a package lies, by a name that stands there
    ('metrics/torch_file.py', 'pickle'),  # an unpickler that knows tensors alone, see test_torch_file
    ('metrics/weights.py', 'np.load'),  # arrays alone
    ('references.py', 'np.load'),  # the same
    ('video.py', 'subprocess'),  # ffmpeg, with arguments of our own
    ('metrics/train_small_cnn.py', 'tfds.builder_from_directory'),  # behind `open_images`, which has looked
}


def unsafe(path):
    """What a file of ours imports or calls of all that can run what it reads."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from {alias.name.split('.')[0] for alias in node.names} & UNSAFE_MODULES
        elif isinstance(node, ast.ImportFrom) and node.module != 'importlib.metadata' and not node.level:
            yield from {(node.module or '').split('.')[0]} & UNSAFE_MODULES
        elif isinstance(node, ast.Call):
            yield from {ast.unparse(node.func)} & UNSAFE_CALLS
            is_off = lambda value: isinstance(value, ast.Constant) and value.value is False
            asked = {keyword.arg for keyword in node.keywords if not is_off(keyword.value)}
            yield from asked & {'allow_pickle', 'shell'}


def test_what_can_run_code_is_used_where_it_is_meant_alone():
    package = ROOT / 'gan_jax'
    files = {str(path.relative_to(package)): path for path in package.rglob('*.py')}
    files['train.py'] = ROOT / 'train.py'
    assert {(name, word) for name, path in files.items() for word in unsafe(path)} == MEANT


# Pictures whose headers say more than there is


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png(width, height, bits=8, colour=2):
    """A PNG that claims to be so large."""
    header = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    chunks = ((b'IHDR', header), (b'IDAT', zlib.compress(bytes(1000))), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*each) for each in chunks)


def tiff(width, height, tile):
    """A TIFF of one tile, which may be larger than the picture."""
    content = zlib.compress(bytes(1000))
    tags = {256: width, 257: height, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 0, 325: 0}
    tags |= {324: 8 + 2 + 12 * len(tags) + 4, 325: len(content)}
    directory = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags.items())
    return b'II*\0' + struct.pack('<IH', 8, len(tags)) + directory + bytes(4) + content


def jpeg(width, height):
    file = io.BytesIO()
    Image.new('RGB', (8, 8)).save(file, 'jpeg')
    before, after = file.getvalue().split(struct.pack('>HHB', 8, 8, 3), 1)
    return before + struct.pack('>HHB', height, width, 3) + after


def webp(width, height):
    content = b'\x2f' + struct.pack('<I', (width - 1) | (height - 1) << 14) + bytes(63)
    parts = b'WEBPVP8L' + struct.pack('<I', len(content)) + content
    return b'RIFF' + struct.pack('<I', len(parts)) + parts


def bmp(width, height):
    information = struct.pack('<IiiHHIIiiII', 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b'BM' + struct.pack('<IHHI', 54, 0, 0, 54) + information + bytes(100)


def gif(width, height):
    image = b',' + struct.pack('<HHHH', 0, 0, 1, 1) + b'\0\x02\x02D\x01\0;'
    return b'GIF89a' + struct.pack('<HHBBB', width, height, 0x80, 0, 0) + bytes(6) + image


HUGE = {
    'png': (png(100_000, 100_000), '100000 × 100000 pixels'),
    'png_where_pillow_raises': (png(20_000, 20_000), '20000 × 20000 pixels'),
    'png_where_pillow_warns': (png(10_000, 10_000), '10000 × 10000 pixels'),
    'png_of_a_bit': (png(9_460, 9_459, 1, 0), '9460 × 9459 pixels'),
    'png_in_a_line': (png(2**31 - 1, 1), '2147483647 × 1 pixels'),
    'jpeg': (jpeg(65_500, 65_500), '65500 × 65500 pixels'),
    'bmp': (bmp(100_000, 100_000), '100000 × 100000 pixels'),
    'gif': (gif(65_535, 65_535), '65535 × 65535 pixels'),
    'webp_where_pillow_warns': (webp(10_000, 10_000), '10000 × 10000 pixels'),
    'tiff': (tiff(100_000, 100_000, 16), '100000 × 100000 pixels'),
    'tiff_of_a_huge_tile': (tiff(8, 8, 46_000), '46000 × 46000 pixels'),
}


@pytest.mark.parametrize('case', HUGE)
def test_a_huge_picture_is_refused_by_its_header(case, recwarn):
    content, size = HUGE[case]
    with pytest.raises(ValueError, match=f'^{size} are too many; takes at most 89,478,485$'):
        open_picture(io.BytesIO(content))
    assert not recwarn.list


def test_no_huge_picture_takes_memory(tmp_path):
    """In a process of its own, as the most that one has held is never forgotten."""
    for case, (content, _) in HUGE.items():
        (tmp_path / f'{case}.png').write_bytes(content)
    (tmp_path / 'largest.png').write_bytes(webp(16_383, 16_383))  # Pillow itself raises
    (tmp_path / 'long.webp').write_bytes(webp(8, 8))
    os.truncate(tmp_path / 'long.webp', 2**33)  # takes no room on the disk
    code = (
        'import resource, sys\nfrom pathlib import Path\n'
        'from gan_jax.reading import picture_files, read_picture\n'
        'unit = 2**10 if sys.platform == "linux" else 2**20\n'
        'peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit\n'
        'files, before, broken = picture_files(sys.argv[1]), peak(), 0\n'
        'for file in files:\n'
        '    try: read_picture(file, 3)\n'
        '    except Exception: broken += 1\n'
        'print(broken, peak() - before)\n'
    )
    ended = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code, tmp_path],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stderr == ''
    broken, mebibytes = map(int, ended.stdout.split())
    assert broken == len(HUGE) + 2
    assert mebibytes < 64


def test_the_largest_picture_is_taken(recwarn):
    picture = open_picture(io.BytesIO(png(9_459, 9_459, 1, 0)))
    assert picture.size[0] * picture.size[1] <= MOST_PIXELS_READ
    assert not recwarn.list


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with open(tmp_path / 'a.webp', 'wb') as file:
        file.write(webp(8, 8))
        file.truncate(MOST_BYTES_READ + 1)
    with pytest.raises(ValueError, match=r'^357,913,941 bytes are too many; takes at most 357,913,940$'):
        read_picture(tmp_path / 'a.webp', 3)


OTHERS = {
    'eps': b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n',
    'pdf': b'%PDF-1.7\n',
    'psd': b'8BPS\0\x01' + bytes(100),
    'ppm': b'P6 2 2 255 ' + bytes(12),
    'fits': b'SIMPLE  =                    T' + bytes(3000),
    'ico': b'\0\0\1\0\1\0' + bytes(100),
    'tga': bytes(2) + b'\2' + bytes(9) + struct.pack('<HHBB', 2, 2, 24, 0) + bytes(12),
    'jp2': b'\0\0\0\x0cjP  \r\n\x87\n' + bytes(100),
    'dds': b'DDS |' + bytes(200),
    'empty': b'',
}


@pytest.mark.parametrize('kind', OTHERS)
def test_other_kinds_reach_no_reader(kind, tmp_path):
    (tmp_path / 'a.png').write_bytes(OTHERS[kind])
    with pytest.raises(UnidentifiedImageError, match=r'^none of .bmp, .gif, .jfif'):
        read_picture(tmp_path / 'a.png', 3)


@pytest.mark.parametrize('kind', ['png', 'jpeg', 'webp', 'bmp', 'gif', 'tiff'])
def test_kinds_that_are_read(kind, tmp_path):
    Image.new('RGB', (9, 5), 'white').save(tmp_path / 'a.png', kind)
    assert (np.asarray(read_picture(tmp_path / 'a.png', 3)) == np.full((5, 9, 3), 255)).all()


def test_pipes_are_no_pictures(tmp_path):
    os.mkfifo(tmp_path / 'a.png')
    (tmp_path / 'b.png').symlink_to(tmp_path / 'a.png')
    (tmp_path / 'c.png').symlink_to('nowhere')
    assert picture_files(tmp_path) == [tmp_path / 'c.png']
