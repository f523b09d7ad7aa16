"""Tabs of the explorer's page that move the z: by directions, by its numbers, to another z."""

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np

from gan_jax.explorer import fragments
from gan_jax.explorer.bench import (
    QUICK,
    REACH,
    SEED,
    Bench,
    Tab,
    forgiving,
    moved,
    stage,
    step_of,
    told,
)
from gan_jax.explorer.views import Run

IN_STRIP = 7  # pictures under a slider
PER_PAGE = 10  # coordinates at a time
FARTHEST = 4.0  # the largest number that one can be set to


def strip(run: Run, step: int, zs: np.ndarray, captions: list[str]) -> str:
    """What becomes of z [N, D] and what D says to it, side by side; nothing where they are points."""
    if run.makes_points:
        return ''
    zs = zs.astype(np.float32)
    shown = zip(run.pixels(step, zs), captions, run.words(step, zs), strict=True)
    return fragments.strip(
        [fragments.figure(pixels, caption, caption, fragments.word(word)) for pixels, caption, word in shown]
    )


def directions(run: Run, bench: Bench) -> Tab:
    """Sliders along the principal directions, each over what it would make of the z alone."""
    with gr.Tab('Directions') as tab:
        gr.HTML(
            fragments.paragraph(
                'The ways of moving z that change the first thing G computes the most (its principal '
                'components, as in GANSpace). Drag one: 0 is the z as it was, 1 a standard deviation away. '
                'Below each picture stands how real D takes it to be.'
            )
        )
        strips = []
        for slider in bench.sliders:
            with gr.Group(elem_classes='direction'):
                slider.render()
                strips.append(gr.HTML(fragments.WAITING))
        back = gr.Button('All back to 0', size='sm')

    def show(z, step, coordinates):
        found, reach = run.directions(), np.linspace(-REACH, REACH, IN_STRIP)
        captions = [f'{each:+.0f}' if each else '0' for each in reach]
        shown = []
        for place, coordinate in enumerate(coordinates):
            if place >= len(found.steps):
                shown.append(fragments.paragraph('G makes nothing of this one.'))
                continue
            share = fragments.paragraph(f'{100 * found.explained[place]:.1f} % of the variance')
            shown.append(
                strip(run, step, z + (reach - coordinate)[:, None] * found.steps[place], captions) + share
            )
        return shown

    def to_zero(origin, number):
        zeros = [0] * len(bench.sliders)
        return [stage(run, origin, number), *zeros, *show(origin, step_of(run, number), zeros)]

    outputs = [bench.picture, *bench.sliders, *strips]
    back.click(told(to_zero), [bench.origin, bench.checkpoint], outputs, **QUICK)
    return Tab(tab, [], strips, show)


def numbers(run: Run, bench: Bench) -> Tab:
    """Sliders for the numbers of z themselves, some at a time."""
    latent_dim = bench.origin.value.shape[0]
    starts = range(0, latent_dim, PER_PAGE)
    names = {f'{start} to {min(start + PER_PAGE, latent_dim) - 1}': start for start in starts}
    with gr.Tab('Numbers of z') as tab:
        gr.HTML(
            fragments.paragraph(
                f'z itself: {latent_dim} numbers, drawn at random. One alone seldom means anything to a '
                'person; compare with the directions.'
            )
        )
        which = gr.Dropdown(list(names), value=next(iter(names)), label='Which', visible=len(names) > 1)
        sliders = [
            forgiving(
                gr.Slider(-FARTHEST, FARTHEST, 0, step=0.01, label=f'z[{number}]', elem_id=f'number-{number}')
            )
            for number in range(min(PER_PAGE, latent_dim))
        ]

    def show(z, step, coordinates, which):
        first = names.get(which, 0)
        return [
            gr.update(
                value=round(float(np.clip(z[i], -FARTHEST, FARTHEST)), 2), label=f'z[{i}]', visible=True
            )
            if i < latent_dim
            else gr.update(visible=False)
            for i in range(first, first + len(sliders))
        ]

    def live(place):
        def set_number(value, which, origin, number, *coordinates):
            z, index = moved(run, origin, coordinates).copy(), names.get(which, 0) + place
            changed = origin.copy()
            changed[index] += np.float32(value) - z[index]
            z[index] = value
            return changed, stage(run, z, number)

        return told(set_number)

    for place, slider in enumerate(sliders):
        inputs = [slider, which, *bench.inputs]
        slider.input(live(place), inputs, [bench.origin, bench.picture], **QUICK)
    look = told(
        lambda which, origin, number, *coordinates: show(
            moved(run, origin, coordinates), 0, coordinates, which
        )
    )
    which.input(look, [which, *bench.inputs], sliders, **QUICK)
    return Tab(tab, [which], sliders, show)


def between(run: Run, bench: Bench) -> Tab:
    """A slider over the great arc between two z."""
    with gr.Tab('Between two') as tab:
        gr.HTML(
            fragments.paragraph(
                'From one z to another, over the sphere that random z lie near: a G that has learned more '
                'than single pictures has one for every z on the way.'
            )
        )
        with gr.Row():
            seed_a = forgiving(gr.Number(1, label='Seed of A', **SEED))
            seed_b = forgiving(gr.Number(2, label='Seed of B', **SEED))
        share = forgiving(gr.Slider(0, 1, 0, step=0.01, label='From A to B', elem_id='between'))
        pictures = gr.HTML(fragments.WAITING)

    def arc(seed_a, seed_b, fractions):
        return run.between(run.z(int(seed_a or 0)), run.z(int(seed_b or 0)), np.float32(fractions))

    def show(z, step, coordinates, seed_a, seed_b):
        fractions = np.linspace(0, 1, IN_STRIP)
        captions = ['A', *(f'{each:.2f}' for each in fractions[1:-1]), 'B']
        return [strip(run, step, arc(seed_a, seed_b, fractions), captions)]

    def live(share, seed_a, seed_b, number):
        (z,) = arc(seed_a, seed_b, [share])
        return [z, stage(run, z, number), *[0] * len(bench.sliders)]

    inputs, outputs = [share, seed_a, seed_b, bench.checkpoint], [bench.origin, bench.picture, *bench.sliders]
    share.input(told(live), inputs, outputs, **QUICK)
    look = told(lambda seed_a, seed_b, number: show(None, step_of(run, number), None, seed_a, seed_b))
    for seed in (seed_a, seed_b):
        seed.input(look, [seed_a, seed_b, bench.checkpoint], pictures, **QUICK)
        seed.input(told(live), inputs, outputs, **QUICK)
    return Tab(tab, [seed_a, seed_b], [pictures], show)
