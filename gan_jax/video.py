"""Pictures in motion: an MP4 through imageio's own ffmpeg, or a GIF, written frame by frame."""

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan_jax.pictures import write_atomically

SUFFIXES = ('.mp4', '.gif')


def save_video(path: Path, frames: Iterable[np.ndarray], fps: int, comment: str) -> None:
    """Writes it whole or not at all; shown again and again, where the format can say so.

    Args:
        path: ends in .mp4 (H.264, its colours halved in resolution) or .gif (256 colours a frame).
        frames: uint8 [H, W, 1 or 3], all of one size; an odd one gains a white row or column in an MP4.
        fps: frames a second; a GIF keeps hundredths of a second, so that 24 become 25.
        comment: kept in the file.
    """
    write_atomically(path, (mp4 if path.suffix == '.mp4' else gif)(frames, fps, comment))


def mp4(frames: Iterable[np.ndarray], fps: int, comment: str) -> bytes:
    """See `save_video`."""
    import imageio.v2 as imageio  # here, as nothing else needs it

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'video.mp4'
        tags = ['-metadata', f'comment={comment}', '-movflags', '+faststart']
        options = {'fps': fps, 'codec': 'libx264', 'quality': 8, 'macro_block_size': 1, 'output_params': tags}
        writer: Any = imageio.get_writer(path, format='FFMPEG', mode='I', **options)
        with writer:
            for frame in frames:
                writer.append_data(even(frame))
        return path.read_bytes()


def gif(frames: Iterable[np.ndarray], fps: int, comment: str) -> bytes:
    """See `save_video`."""
    pictures = (Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames)
    file, options = io.BytesIO(), {'duration': 1000 / fps, 'loop': 0, 'comment': comment}
    next(pictures).save(file, 'gif', save_all=True, append_images=pictures, **options)
    return file.getvalue()


def even(frame: np.ndarray) -> np.ndarray:
    """[H, W, C] as colour with sides that H.264 takes, white where there was nothing."""
    h, w, _ = frame.shape
    whole = np.pad(frame, ((0, h % 2), (0, w % 2), (0, 0)), constant_values=255)
    return np.broadcast_to(whole, (*whole.shape[:2], 3))
