"""Squares of one size out of pictures of any, by several processes at once, which load nothing but Pillow.

Each square is a function of its picture alone and they come in the pictures' order: how many processes there
are changes no byte.
"""

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
import threading
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import Any, NamedTuple

from PIL import Image, ImageOps

from gan_jax.base import TrainingFailed
from gan_jax.reading import read_picture

CHUNK = 8  # pictures that a process is given at a time
AHEAD = 3  # of them for each process, beyond the one that is waited for: what has been made takes memory


class Shape(NamedTuple):
    """What every square is like."""

    resolution: int  # pixels
    channels: int  # 1 or 3
    fit: str  # 'crop' (the central square) or 'pad' (all of it, on the background)
    background: str  # a colour that Pillow knows


class Broken(NamedTuple):
    """A picture that cannot be read."""

    name: str
    why: str


def square(source, shape: Shape) -> bytes:
    """A picture as PNG, upright, on the background, made square and resized by Lanczos, antialiased.

    Args:
        source: as `read_picture` takes it.
        shape: of the result.

    Raises:
        ValueError: it would become thinner than half a pixel.
        Exception: what `read_picture` raises.
    """
    picture = read_picture(source, shape.channels, shape.background)
    size, lanczos = (shape.resolution, shape.resolution), Image.Resampling.LANCZOS
    if shape.fit == 'pad':
        # Of which ImageOps would leave nothing.
        if 2 * min(picture.size) * shape.resolution <= max(picture.size):
            raise ValueError(f'{picture.width} × {picture.height} pixels are too thin to be padded')
        picture = ImageOps.pad(picture, size, lanczos, color=shape.background)
    else:
        picture = ImageOps.fit(picture, size, lanczos)
    file = io.BytesIO()
    # Deflate that looks for runs alone, as zlib has it for PNG: photographs take a quarter of the time.
    picture.save(file, 'png', compress_level=1, compress_type=zlib.Z_RLE)
    return file.getvalue()


def squares(sources: list, shape: Shape) -> list[bytes | Broken]:
    """`square` of each, or why there is none."""
    made = []
    for source in sources:
        try:
            with warnings.catch_warnings(action='ignore'):  # Pillow has much to say of damaged EXIF data
                made.append(square(source, shape))
        except Exception as error:  # Pillow and zipfile raise what they meet
            made.append(Broken(str(source), f'{type(error).__name__}: {error}'))
    return made


@contextlib.contextmanager
def processes(number: int) -> Iterator[Callable[..., Iterator]]:
    """Gives `each(function, items, *more)`, which yields what `function(chunk, *more)` lists, in order.

    Args:
        number: of processes; 1: none but this.

    Raises:
        TrainingFailed: in `each`, a process has died.
    """
    if number == 1:
        yield lambda function, items, *more: (
            made for chunk in chunks(items) for made in function(chunk, *more)
        )
        return
    # Not forked: threads may run here, and a process is to hold no more than it needs.
    spawned = multiprocessing.get_context('spawn')
    pool = ProcessPoolExecutor(number, spawned, initializer=end_with_parent)

    def each(function, items, *more):
        ahead: deque[Any] = deque()
        for chunk in chunks(items):
            with interrupts_held():  # which processes that begin here inherit
                ahead.append(pool.submit(function, chunk, *more))
            if len(ahead) > number * AHEAD:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()

    try:
        yield each
    except BrokenProcessPool as error:
        raise TrainingFailed(
            f'--num_workers: one of {number} processes has been killed, perhaps for want of memory; try fewer'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def chunks(items: Iterable) -> Iterator[list]:
    """`CHUNK` items at a time."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk


@contextlib.contextmanager
def interrupts_held():
    """Ctrl-C reaches every process of a terminal; those that work for another shall end with it, silently.

    And this one is not to leave a process half begun: another thread may be told, which no mask here holds.
    For the main thread alone.
    """
    told = []
    handler = signal.signal(signal.SIGINT, lambda *_: told.append(True))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if told:
            signal.raise_signal(signal.SIGINT)


def end_with_parent() -> None:
    """Has this process end when the one that began it does, however that ended."""
    parent: Any = multiprocessing.parent_process()

    def wait():
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
