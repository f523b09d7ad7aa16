"""What the explorer shows, as fragments of HTML: pictures enlarged by whole pixels, strips of them, D's word.

All of a picture is in the fragment itself, so that it appears with the text that belongs to it, and no file
is written for it.
"""

import base64
import html
import io

import numpy as np
from PIL import Image

WAITING = '<p class="note">being drawn …</p>'
BARS = 48  # pixels high, the picture of z
SMALL = 512  # pixels to a side, up to which each is shown as a square of its own
REACH = 3.0  # what half of that height stands for
BELOW, ABOVE, MIDDLE = (0, 114, 178), (213, 94, 0), (200, 200, 200)  # Okabe and Ito's blue and vermilion


def data_uri(pixels: np.ndarray) -> str:
    """A picture, uint8 [H, W, 1, 3 or 4], as a PNG inside an address."""
    file = io.BytesIO()
    flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    Image.fromarray(flat).save(file, 'png', compress_level=1)  # a page on the same machine needs no less
    return f'data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}'


def image(pixels: np.ndarray, what: str, css: str = 'pixels') -> str:
    """The picture, uint8 [H, W, C]; `what` tells those who cannot see it."""
    if css == 'pixels' and max(pixels.shape) > SMALL:
        css = 'picture'
    return f'<img class="{css}" src="{data_uri(pixels)}" alt="{html.escape(what)}">'


def figure(pixels: np.ndarray, what: str, caption: str = '', below: str = '') -> str:
    """A picture over its caption and over what is HTML already."""
    words = f'<figcaption>{html.escape(caption)}</figcaption>' if caption else ''
    return f'<figure>{image(pixels, what)}{words}{below}</figure>'


def strip(figures: list[str], is_current: int | None = None) -> str:
    """Figures side by side, one of them marked."""
    marked = [
        f'<div{" class=current" if i == is_current else ""}>{each}</div>' for i, each in enumerate(figures)
    ]
    return f'<div class="strip">{"".join(marked)}</div>'


def belief(probability: float, is_probability: bool = True) -> str:
    """D's probability that a picture is real, or what stands in its place: as a number and as a bar."""
    what = 'D’s probability that it is real' if is_probability else 'D’s score, through a sigmoid'
    percent = 100 * float(probability)
    number = f'{percent:.1f} %' if np.isfinite(percent) else 'not a number'
    width = f'{np.clip(np.nan_to_num(percent), 0, 100):.1f}'
    return (
        f'<div class="belief"><span>{what}</span>'
        f'<b class="probability" title="{probability:.6f}">{number}</b>'
        f'<div class="bar"><i style="width:{width}%"></i></div></div>'
    )


def word(probability: float | None) -> str:
    """The same of a small picture, as a number alone; nothing where there is none."""
    return '' if probability is None else f'<div class="word">D {100 * probability:.0f} %</div>'


def paragraph(text: str) -> str:
    """A sentence or two beside a picture."""
    return f'<p class="note">{html.escape(text)}</p>'


def bars(z: np.ndarray) -> np.ndarray:
    """The numbers of z [D], each a bar up from the middle or down from it: uint8 [BARS, D · width, 4]."""
    width = max(1, 320 // len(z))
    height = np.clip(np.nan_to_num(z) / REACH, -1, 1) * (BARS // 2)
    row = BARS // 2 - 0.5 - np.arange(BARS)[:, None]
    is_in = (row * height > 0) & (np.abs(row) < np.abs(height))
    picture = np.zeros((BARS, len(z), 4), np.uint8)
    picture[is_in] = (*BELOW, 255)
    picture[is_in & (row > 0)] = (*ABOVE, 255)
    picture[BARS // 2] = np.where(is_in[BARS // 2][:, None], picture[BARS // 2], (*MIDDLE, 255))
    picture = picture.repeat(width, axis=1)
    if width > 2:
        picture[:, width - 1 :: width, 3] = 0  # air between the bars
    return picture


def stage(pixels: np.ndarray, what: str, where: str, below: str, z: np.ndarray) -> str:
    """What the page is about: one picture, what there is to say of it, and the z that it comes from."""
    return (
        f'<div class="stage"><div class="main">{image(pixels, what)}</div>'
        f'<div class="facts"><div class="where">{html.escape(where)}</div>{below}'
        f'<div class="numbers">{image(bars(z), "the numbers of z as bars", "bars")}'
        f'<span>z: the {len(z)} numbers that this picture is made of, each a bar</span></div></div></div>'
    )


def title(name: str, text: str) -> str:
    """The page's first lines."""
    return f'<div class="title"><h1>{html.escape(name)}</h1><p>{html.escape(text)}</p></div>'


def row(figures: list[str]) -> str:
    """Figures side by side, or below each other where there is no room."""
    return f'<div class="row-of-figures">{"".join(figures)}</div>'


def curves(pixels: np.ndarray | None) -> str:
    """The curves of a run, uint8 [H, W, 3], None where there are none yet."""
    if pixels is None:
        return paragraph('The run has logged nothing yet.')
    return image(pixels, 'losses, gradient norms and speed over training', 'curves')
