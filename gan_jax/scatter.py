"""Points [N, 2] as a picture: where the samples of a GAN lie, and which modes of the data they reach."""

import numpy as np

from gan_jax.metrics.modes import WITHIN, mode_coverage, nearest_modes

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = {'in a mode': '#0072B2', 'astray': '#D55E00', 'modes': '#009E73'}


def scatter(points, centres, deviation: float, marked=None) -> np.ndarray:
    """Samples over the modes that they should cover, each a circle of 3 standard deviations.

    The frame depends on the modes alone, so that the pictures of a run can be compared.

    Args:
        points: [N, 2]; those outside the frame are counted below it.
        centres: [M, 2], the means of the modes.
        deviation: the standard deviation of each, in both directions.
        marked: [K, 2], points that a person looks for.

    Returns:
        uint8 [H, W, 3].
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here, as it takes half a second
    from matplotlib.collections import EllipseCollection
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    points, centres = np.asarray(points, np.float64), np.asarray(centres, np.float64)
    figure = Figure(figsize=(6.4, 6.8), dpi=120, layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15))
    axes = figure.add_subplot()
    limit = 1.25 * np.abs(centres).max()
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect='equal', axisbelow=True)
    axes.grid(color='#eeeeee', linewidth=0.8)
    axes.spines[:].set_color('#cccccc')
    axes.tick_params(color='#cccccc')

    _, is_good = nearest_modes(points, centres, deviation)
    for is_shown, label in ((~is_good, 'astray'), (is_good, 'in a mode')):
        x, y = points[is_shown].T
        axes.scatter(x, y, 6, COLOURS[label], alpha=0.5, linewidths=0, label=label)
    diameters = np.full(len(centres), 2 * WITHIN * deviation)
    circles = {'offsets': centres, 'offset_transform': axes.transData, 'units': 'xy'}
    axes.add_collection(
        EllipseCollection(
            diameters, diameters, 0, **circles, facecolors='none', edgecolors=COLOURS['modes'], linewidths=1.2
        )
    )
    if marked is not None:
        x, y = np.asarray(marked).T
        axes.scatter(
            x, y, 160, 'black', marker='*', edgecolors='white', linewidths=1, zorder=3, label='this z'
        )

    coverage = mode_coverage(points, centres, deviation)
    axes.set_title(
        f'{coverage["modes"]:.0f} of {len(centres)} modes · {100 * coverage["high_quality"]:.1f} % of '
        f'{len(points):,} samples within {WITHIN} standard deviations',
        fontsize=10.5,
        loc='left',
    )
    num_outside = np.sum(~np.all(np.abs(points) <= limit, axis=1))
    axes.set_xlabel(f'{num_outside:,} outside the frame', loc='right')  # 0, too, or the frame would move
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
