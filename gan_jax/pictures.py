"""Arrays made into pictures: grids of images, the curves of a run, and PNG files that say their source."""

import io
import math
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = {
    'discriminator': '#0072B2',
    'generator': '#D55E00',
    'D(real)': '#009E73',
    'D(fake)': '#CC79A7',
    'all devices': '#444444',
}
PLAYERS = ('discriminator', 'generator')
BELIEFS = {'real_probability': 'D(real)', 'fake_probability': 'D(fake)'}

# The panels of a run's curves: title, unit of the y axis, kind of y axis, {metric: label}.
PANELS = (
    ('Losses', 'loss', 'robust', {f'{player}_loss': player for player in PLAYERS}),
    ('What the discriminator believes', 'probability of being real', 'probability', BELIEFS),
    ('Gradient norms', 'Euclidean norm', 'log', {f'{player}_gradient_norm': player for player in PLAYERS}),
    ('Throughput', 'images per second', 'from zero', {'images_per_second': 'all devices'}),
)


DISTANCES = re.compile(r'(.* )?(FD-\w+|FD|FID)')  # the names of Fréchet distances
# Those of what a run has been measured by: title, unit, kind of y axis, how the metrics' names begin or end.
MEASURED = (
    ('Distance from the reals', 'Fréchet distance', 'from zero', DISTANCES),
    ('Precision and recall', 'share of the pictures', 'share', re.compile(r'(.* )?(precision|recall)')),
    ('Modes', 'modes covered', 'from zero', re.compile('modes')),
    ('Near a mode', 'share of the points', 'share', re.compile('high_quality')),
)
PALETTE = '#0072B2', '#D55E00', '#009E73', '#CC79A7'  # of metrics whose names say no more


def to_uint8(images):
    """Maps images from [-1, 1] to {0, …, 255}.

    Args:
        images: [N, H, W, C] or any other shape, float in [-1, 1]; what lies outside is clipped, NaN black.

    Returns:
        The same shape in uint8: -1 gives 0, 0 gives 128, 1 gives 255.
    """
    images = np.nan_to_num(np.asarray(images, np.float32), nan=-1)
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def image_grid(columns, num_columns=None, border=2, at_least=500):
    """Lays images out in one near-square picture, on white.

    With one entry in `columns` the images fill the grid row by row. With several (CycleGAN: real, fake,
    cycled) the images of one example stand side by side, and examples fill the grid row by row, 4 borders
    apart, so that the eye keeps together what belongs together.

    Args:
        columns: {name: images [N, H, W, C]}, float in [-1, 1], C 1 or 3 in each; N, H and W agree.
        num_columns: examples in a row; None: as many as bring the picture nearest to a square.
        border: pixels between pictures and around the grid.
        at_least: pixels; small pictures are enlarged by the least whole factor that makes the longer side of
            the grid this long.

    Returns:
        uint8 [height, width, C], with C 3 if any of the images has 3 channels.
    """
    images = [to_uint8(column) for column in columns.values()]
    n, h, w, _ = images[0].shape
    channels = max(column.shape[-1] for column in images)
    if num_columns is None:
        # Among equally square layouts the wider one, as screens are.
        sides = {m: (m * len(images) * w, math.ceil(n / m) * h) for m in range(1, n + 1)}
        num_columns = min(sides, key=lambda m: (abs(sides[m][0] - sides[m][1]), -m))
    num_rows = math.ceil(n / num_columns)
    factor = max(1, math.ceil(at_least / max(num_columns * len(images) * w, num_rows * h)))
    h, w = h * factor, w * factor

    gap = border if len(images) == 1 else 4 * border
    example_width = len(images) * (w + border) - border
    width = num_columns * (example_width + gap) - gap + 2 * border
    grid = np.full((num_rows * (h + border) + border, width, channels), 255, np.uint8)  # white
    for i in range(n):
        row, column = divmod(i, num_columns)
        top, left = border + row * (h + border), border + column * (example_width + gap)
        for j, column_images in enumerate(images):
            x = left + j * (w + border)
            grid[top : top + h, x : x + w] = column_images[i].repeat(factor, 0).repeat(factor, 1)
    return grid


def save_png(path, picture, metadata=None):
    """Writes a PNG whole or not at all, creating its folder.

    Args:
        path: the file.
        picture: uint8 [H, W, 1 or 3].
        metadata: {keyword: text}, kept as text chunks; `PIL.Image.open(path).text` gives them back. A keyword
            is 1 to 79 Latin-1 characters long.
    """
    chunks = PngImagePlugin.PngInfo()
    for keyword, text in (metadata or {}).items():
        chunks.add_text(keyword, text)
    buffer = io.BytesIO()
    pixels = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(pixels).save(buffer, 'png', pnginfo=chunks)
    write_atomically(path, buffer.getvalue())


def write_atomically(path, data):
    """Writes `data` (bytes) so that a reader, or a kill at any moment, finds the old file or the new one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.tmp')  # one name: the next write takes over what a kill leaves
    temporary.unlink(missing_ok=True)  # a link would lead elsewhere
    try:
        with open(temporary, 'xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def curves_png(path, records):
    """Draws a run over the images seen: losses, D(real) and D(fake), gradient norms, throughput.

    A panel whose metrics no record has is left out. Above 100 records each curve is drawn faintly, with its
    running median over it.

    Args:
        path: the PNG file, written whole or not at all.
        records: the lines of metrics.jsonl: dicts of `step`, `kimg` and metrics, None where not finite.
    """
    from matplotlib.figure import Figure  # here, as it takes half a second; pyplot would be global state
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names = list(dict.fromkeys(name for record in records for name in record))
    measured = [
        (*about, {name: name for name in names if pattern.fullmatch(name)}) for *about, pattern in MEASURED
    ]
    panels = [*PANELS, *measured]
    curves = {name: _curve(records, name) for *_, metrics in panels for name in metrics}
    panels = [panel for panel in panels if any(curves[name][0].size for name in panel[3])]
    num_columns = 2 if len(panels) > 1 else 1
    num_rows = max(1, math.ceil(len(panels) / num_columns))
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches
    figure = Figure(figsize=(6 * num_columns, 0.7 + 3.4 * num_rows), dpi=120, layout=layout)
    reached = f'step {records[-1]["step"]:,} · {records[-1]["kimg"]:,g} kimg' if records else 'no records yet'
    figure.suptitle(f'Training curves · {reached}', fontsize=13, fontweight='bold')
    for i, (title, unit, scale, metrics) in enumerate(panels):
        axes = figure.add_subplot(num_rows, num_columns, i + 1)
        for place, (name, label) in enumerate(metrics.items()):
            if curves[name][0].size:
                _draw(axes, *curves[name], label, COLOURS.get(label, PALETTE[place % len(PALETTE)]))
        _dress(axes, title, unit, scale, np.concatenate([curves[name][1] for name in metrics]))
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    write_atomically(path, buffer.getvalue())


def _curve(records, name):
    """kimg and values, float [N] each, of the records that have the metric; None becomes NaN, a gap."""
    points = [(record['kimg'], record[name]) for record in records if name in record]
    kimg, values = np.array(points, np.float64).reshape(-1, 2).T
    return kimg, values


def _draw(axes, kimg, values, label, colour):
    if len(values) <= 100:
        axes.plot(kimg, values, color=colour, label=label, linewidth=1.6, marker='o', markersize=4)
        return
    axes.plot(kimg, values, color=colour, alpha=0.2, linewidth=0.6)
    # The median, as one wild step must not bend the curve; at 400 places, as a page has no room for more.
    half = len(values) // 100
    places = np.unique(np.linspace(0, len(values) - 1, 400).astype(int))
    windows = [values[max(0, i - half) : i + half + 1] for i in places]
    medians = [np.nanmedian(window) if np.isfinite(window).any() else np.nan for window in windows]
    axes.plot(kimg[places], medians, color=colour, label=label, linewidth=2)


def _dress(axes, title, unit, scale, values):
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_title(title, fontsize=11, loc='left')
    axes.set_xlabel('thousands of images seen [kimg]')
    axes.set_ylabel(unit)
    axes.grid(color='#e4e4e4', linewidth=0.8)
    axes.spines[['top', 'right']].set_visible(False)
    axes.margins(x=0.02)
    axes.locator_params(axis='x', nbins=6)
    finite = values[np.isfinite(values)]
    if scale == 'log' and (finite > 0).any():
        decades = np.ptp(np.log10(finite[finite > 0]))
        axes.set_yscale('log')
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif scale in ('probability', 'share'):
        axes.set_ylim(-0.02, 1.02)
        if scale == 'probability':
            axes.axhline(0.5, color='#888888', linewidth=1, linestyle='--')
    elif scale == 'from zero' and (finite > 0).any():
        axes.set_ylim(0, 1.15 * np.max(finite))
    elif scale == 'robust' and len(finite) > 200:
        # One wild step must not press everything else flat; with few records all are shown.
        low, high = np.percentile(finite, [0.5, 99.5])
        room = 0.08 * (high - low) or 0.1
        axes.set_ylim(low - room, high + room)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter('{x:,g}')
    axes.legend(frameon=False, fontsize=9, ncols=2, loc='lower right', bbox_to_anchor=(1, 1), borderaxespad=0)
