"""Pictures in motion: an MP4, by the ffmpeg that imageio brings, or a GIF; written frame by frame."""

import contextlib
import io
import itertools
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image

from gan_jax.base import TrainingFailed
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
    """See `save_video`; raises TrainingFailed where ffmpeg fails."""
    from imageio_ffmpeg import get_ffmpeg_exe  # here, as nothing else needs it

    pictures = (even(frame) for frame in frames)
    first = next(pictures)
    height, width, _ = first.shape
    raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', f'{width}x{height}', '-r', str(fps), '-i', '-']
    kept = ['-c:v', 'libx264', '-crf', '16', '-pix_fmt', 'yuv420p', '-metadata', f'comment={comment}']
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'video.mp4'
        command = [get_ffmpeg_exe(), '-loglevel', 'error', *raw, *kept, '-movflags', '+faststart', str(path)]
        # Not by imageio's own writer, which forks this process, and JAX's threads with it.
        with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
            with contextlib.suppress(BrokenPipeError):  # what ffmpeg had to say, it has said
                for picture in itertools.chain([first], pictures):
                    ffmpeg.stdin.write(picture.tobytes())  # pyright: ignore[reportOptionalMemberAccess]
            ffmpeg.communicate()
        if ffmpeg.returncode:
            raise TrainingFailed(f'the video could not be written: ffmpeg ended with {ffmpeg.returncode}')
        return path.read_bytes()


def gif(frames: Iterable[np.ndarray], fps: int, comment: str) -> bytes:
    """See `save_video`.

    Not by Pillow's own `save`, which makes one frame of two that are equal.
    """
    file, duration = io.BytesIO(), 1000 / fps
    for place, frame in enumerate(frames):
        picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
        picture = picture.convert('P', palette=Image.Palette.ADAPTIVE)
        if place == 0:
            header, _ = GifImagePlugin.getheader(picture, info={'loop': 0, 'comment': comment})
            file.writelines(header)
        file.writelines(GifImagePlugin.getdata(picture, duration=duration, include_color_table=True))
    file.write(b';')
    return file.getvalue()


def even(frame: np.ndarray) -> np.ndarray:
    """[H, W, C] as colour with sides that H.264 takes, white where there was nothing."""
    h, w, _ = frame.shape
    whole = np.pad(frame, ((0, h % 2), (0, w % 2), (0, 0)), constant_values=255)
    return np.broadcast_to(whole, (*whole.shape[:2], 3))
