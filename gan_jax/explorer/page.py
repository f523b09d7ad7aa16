"""The explorer's page: the picture of a z with D's word on it, beside tabs that move the z or look at it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np
from gradio.themes import Default, Font  # pyright: ignore[reportMissingImports]

from gan_jax.explorer import looking_tabs, tabs, translation_tabs
from gan_jax.explorer.bench import QUICK, REACH, SEED, Bench, forgiving, header, moved, stage, step_of, told
from gan_jax.explorer.guard import guarded
from gan_jax.explorer.views import NUM_DIRECTIONS, Run

UNREAD = (60, 600)  # every so many seconds, uploads that nobody has read for so many are deleted
# A slider comes to rest by the keyboard as well, of which Gradio tells nothing.
KEYS = """<script>
addEventListener('keyup', event => event.target.type === 'range'
    && event.target.dispatchEvent(new Event('pointerup', {bubbles: true})));
</script>"""


def application(run: Run, fonts: tuple[str, ...], most_bytes: int, names: tuple[str, ...] | None):
    """The page of a run as an ASGI application, which asks no other machine for anything.

    Args:
        run: to look at.
        fonts: that the page may use, the first that there is.
        most_bytes: of a file that a person uploads.
        names: of this machine that it may be asked for by, in small letters; None for any.
    """
    from fastapi import FastAPI  # pyright: ignore[reportMissingImports]

    title = f'Explore {run.workdir.resolve().name}'
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=UNREAD) as blocks:
        if run.domains:
            translation_tabs.fill(run)
        else:
            fill(run, blocks, tabs_of(run))
    installed = [Font(name) for name in fonts]  # Gradio's own are asked of Google
    app = FastAPI(openapi_url=None)
    mounted = gr.mount_gradio_app(
        app,
        blocks,
        path='/',
        theme=Default(primary_hue='blue', neutral_hue='slate', font=installed, font_mono=installed),
        css_paths=Path(__file__).with_name('page.css'),
        max_file_size=most_bytes,
        head=KEYS,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        show_error=True,
        enable_monitoring=False,
        app_kwargs={'openapi_url': None},
    )
    # Until then Gradio takes the path of any file for an upload; only its own `launch` says so itself.
    blocks.has_launched = True
    return guarded(mounted, 2 * most_bytes, names)


def tabs_of(run: Run) -> list[Callable]:
    """Those that a run has something to show in."""
    of_levels = [looking_tabs.levels] if len(run.levels(run.last_step)) > 1 else []
    of_pictures = [] if run.makes_points else [looking_tabs.own_picture]
    moving = [tabs.directions, tabs.numbers, tabs.between]
    return [*moving, looking_tabs.training, *of_levels, *of_pictures]


def fill(run: Run, blocks, tabs: list[Callable]) -> None:
    """Puts the page of a G that draws from z into `blocks`, a `gr.Blocks` that is open.

    Args:
        run: to look at.
        blocks: to be filled.
        tabs: each `(run, bench) -> Tab`, called within the page's tabs, in order.
    """
    start = run.z(0)
    bench = Bench(
        origin=gr.State(start),
        sliders=[
            forgiving(
                gr.Slider(
                    -REACH,
                    REACH,
                    0,
                    step=0.05,
                    label=f'Direction {number}',
                    elem_id=f'direction-{number}',
                    render=False,
                )
            )
            for number in range(1, min(NUM_DIRECTIONS, len(start)) + 1)
        ],
        checkpoint=forgiving(
            gr.Slider(
                1,
                max(2, len(run.steps)),
                len(run.steps),
                step=1,
                label='Checkpoint',
                elem_id='checkpoint',
                render=False,
            )
        ),
        picture=gr.HTML(stage(run, start, len(run.steps)), elem_id='stage', render=False),
    )
    active = gr.State(0)
    gr.HTML(
        header(
            run, f'A generator G turns random numbers z into {"points" if run.makes_points else "pictures"}'
        )
    )
    with gr.Row(elem_id='explore'):
        with gr.Column(scale=2, min_width=280, elem_id='picture-column'):
            with gr.Row(elem_id='seed-row'):
                seed = forgiving(gr.Number(0, label='Seed of z', elem_id='seed', **SEED))
                new = gr.Button('New z', variant='primary', min_width=90, elem_id='new')
            bench.picture.render()
        with gr.Column(scale=3, min_width=300), gr.Tabs():
            made = [tab(run, bench) for tab in tabs]

    of_all = [component for tab in made for component in tab.outputs]
    own = [component for tab in made for component in tab.inputs]

    def at_rest(chosen, origin, number, *rest):
        """What the open tab shows; the others wait until they are opened."""
        coordinates, given = rest[: len(bench.sliders)], list(rest[len(bench.sliders) :])
        values = []
        for place, tab in enumerate(made):
            arguments = [given.pop(0) for _ in tab.inputs]
            if place != int(chosen):
                values += [gr.skip()] * len(tab.outputs)
                continue
            shown = tab.show(moved(run, origin, coordinates), step_of(run, number), coordinates, *arguments)
            values += shown
        return values

    look = {'fn': told(at_rest), 'inputs': [active, *bench.inputs, *own], 'outputs': of_all, **QUICK}
    for place, tab in enumerate(made):
        tab.tab.select(lambda place=place: place, outputs=active, **QUICK)
        # Drawn without asking which tab is open, so that neither waits for the other.
        tab.tab.select(**{**look, 'fn': told(partial(at_rest, place)), 'inputs': look['inputs'][1:]})
    gr.on([blocks.load, *(slider.release for slider in bench.sliders)], **look)

    def drawn(seed, number):
        z = run.z(int(seed or 0))
        return [z, stage(run, z, number), *[0] * len(bench.sliders)]

    def another():
        return int(np.random.default_rng().integers(10_000))

    to_seed = {'fn': told(drawn), 'inputs': [seed, bench.checkpoint]}
    to_seed |= {'outputs': [bench.origin, bench.picture, *bench.sliders], **QUICK}
    new.click(another, outputs=seed, **QUICK).then(**to_seed).then(**look)
    seed.input(**to_seed).then(**look)

    live = told(lambda origin, number, *coordinates: stage(run, moved(run, origin, coordinates), number))
    moves = [*(slider.input for slider in bench.sliders), bench.checkpoint.input]
    for move in moves:  # each its own, so that one slider's answers do not wait for another's
        move(live, bench.inputs, bench.picture, **QUICK)
