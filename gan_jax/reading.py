"""Pictures from outside, whoever made them: which files are read, and how large one may be."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

SUFFIXES = {'.png', '.jpg', '.jpeg', '.jfif', '.webp', '.bmp', '.gif', '.tif', '.tiff'}
# Pictures that are not read; a person is to hear of it.
OTHER_SUFFIXES = {'.heic', '.heif', '.avif', '.jp2', '.jxl', '.ppm', '.pgm', '.tga', '.svg', '.psd', '.exr'}
# How a file of each kind begins, and Pillow's reader of it. `Image.open` would try whatever Pillow knows, of
# which some starts other programs, and would print a warning of its own where a picture is large.
READERS = {
    rb'\x89PNG': PngImageFile,
    rb'\xff\xd8\xff': JpegImageFile,
    rb'RIFF....WEBP': WebPImageFile,
    rb'BM': BmpImageFile,
    rb'GIF8': GifImageFile,
    rb'II|MM': TiffImageFile,
}
# In a picture; from here on Pillow itself warns at every touch. `read_picture` holds four copies: 1.4 GB.
MOST_PIXELS_READ = 89_478_485
MOST_BYTES_READ = 4 * MOST_PIXELS_READ  # in a file: a picture of four channels that is not compressed
TILE = 322, 323  # the tags of width and length of a TIFF's tiles, each of which is decoded whole


def picture_files(folder, suffixes=SUFFIXES):
    """All pictures in a folder and below it, by their suffixes, in order: a list of paths."""
    pictures = (path for path in Path(folder).rglob('*') if path.suffix.lower() in suffixes)
    # Links to nowhere are told as broken; folders are left out, and pipes, on which reading would wait.
    return sorted(path for path in pictures if path.is_file() or not path.exists())


def open_picture(file):
    """A Pillow image of which the header alone has been read, and of a size that may be decoded.

    Args:
        file: a binary file that is open.

    Raises:
        ValueError: it has too many bytes or pixels.
        Exception: what Pillow's readers raise.
    """
    num_bytes = file.seek(0, io.SEEK_END)
    if num_bytes > MOST_BYTES_READ:
        raise ValueError(f'{num_bytes:,} bytes are too many; takes at most {MOST_BYTES_READ:,}')
    file.seek(0)
    beginning = file.read(12)
    file.seek(0)
    reader = next((READERS[kind] for kind in READERS if re.match(kind, beginning, re.DOTALL)), None)
    if reader is None:
        raise UnidentifiedImageError(f'none of {", ".join(sorted(SUFFIXES))}')
    try:
        picture = reader(file)
    except SyntaxError as error:  # Pillow's word for what is not of the kind that it began as
        raise UnidentifiedImageError(str(error)) from None
    tags = getattr(picture, 'tag_v2', {})
    for width, height in (picture.size, [int(tags.get(tag, 1)) for tag in TILE]):
        if width * height > MOST_PIXELS_READ:
            raise ValueError(f'{width} × {height} pixels are too many; takes at most {MOST_PIXELS_READ:,}')
    return picture


def read_picture(source, channels, background='white'):
    """A person's picture, upright, on `background` where it is transparent: a Pillow image.

    Args:
        source: a path, or what else has `open`, which gives a binary file; of several pictures in it the
            first is read.
        channels: 1 or 3.
        background: a colour that Pillow knows.

    Raises:
        ValueError: it is too large, or its pixels are floats or of more than 16 bits, of any range.
        Exception: what Pillow's readers raise.
    """
    mode = 'L' if channels == 1 else 'RGB'
    with source.open('rb') as file, open_picture(file) as opened:
        opened.load()
        picture = turned_upright(opened)
        if picture.mode == 'F':
            raise ValueError('its pixels are floats')
        if picture.mode.startswith('I'):  # 16 bits, which Pillow would cut off at 255
            picture = Image.fromarray(high_bytes(np.asarray(picture)))
        if picture.has_transparency_data:
            picture = picture.convert('RGBA')
            canvas = Image.new('RGBA', picture.size, background)
            canvas.alpha_composite(picture)
            picture = canvas
        picture = picture if picture.mode == mode else picture.convert(mode)
    picture.info.clear()  # what else the file says, as a place or a colour profile, goes into no other file
    return picture


def turned_upright(picture):
    """The Pillow image itself, turned as its EXIF data say, or as it is where they alone are damaged."""
    with contextlib.suppress(Exception):  # what a reader of EXIF data meets
        ImageOps.exif_transpose(picture, in_place=True)
    return picture


def high_bytes(values):
    """Integers of 16 bits as uint8; raises ValueError where they have more."""
    if values.min() < 0 or values.max() >= 2**16:
        raise ValueError('its pixels have more than 16 bits')
    return (values / 257).astype(np.uint8)


def square(picture, size, fit):
    """A Pillow image as a square of `size` pixels, uint8 [size, size] or [size, size, 3].

    Args:
        picture: of any size.
        size: pixels.
        fit: 'crop' (the central square, resized by Lanczos if its size differs) or 'pad' (in the middle of a
            square of value 0, never resized).

    Raises:
        ValueError: it is too large to be padded.
    """
    width, height = picture.size
    if fit == 'pad':
        if max(width, height) > size:
            raise ValueError(f'has {width}×{height} pixels; takes at most {size}×{size}')
        canvas = Image.new(picture.mode, (size, size))
        canvas.paste(picture, ((size - width) // 2, (size - height) // 2))
        return np.asarray(canvas)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    cropped = picture.crop((left, top, left + side, top + side))
    return np.asarray(cropped if side == size else cropped.resize((size, size), Image.Resampling.LANCZOS))
