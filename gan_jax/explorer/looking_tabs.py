"""Tabs of the explorer's page that look at the z: over training, at every level; and D at other pictures."""

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np

from gan_jax.base import UserError
from gan_jax.explorer import fragments, own_pictures
from gan_jax.explorer.bench import QUICK, SLOW, Bench, Tab, moved, step_of, told
from gan_jax.explorer.views import Run

MOST_SHOWN = 8  # checkpoints in a strip


def training(run: Run, bench: Bench) -> Tab:
    """The same z at every checkpoint, and the curves of the run."""
    with gr.Tab('Over training') as tab:
        gr.HTML(fragments.paragraph('The same z at each checkpoint that the run has kept, oldest first.'))
        if len(run.steps) > 1:
            bench.checkpoint.render()
        else:
            gr.HTML(fragments.paragraph('This run has kept one only.'))
        pictures, curves = gr.HTML(fragments.WAITING), gr.HTML()

    def show(z, step, coordinates):
        chosen = sorted({run.steps[i] for i in np.linspace(0, len(run.steps) - 1, MOST_SHOWN).astype(int)})
        shown = '' if run.makes_points or len(chosen) == 1 else over_training(z, chosen, step)
        return [shown, fragments.curves(run.curves())]

    def over_training(z, chosen, step):
        figures = [
            fragments.figure(
                run.pixels(each, z[None])[0],
                f'step {each}',
                f'{each:,}',
                fragments.word(run.words(each, z[None])[0]),
            )
            for each in chosen
        ]
        return fragments.strip(figures, chosen.index(step) if step in chosen else None)

    def mark(origin, number, *coordinates):
        return show(moved(run, origin, coordinates), step_of(run, number), coordinates)[0]

    bench.checkpoint.release(told(mark), bench.inputs, pictures, **QUICK)
    return Tab(tab, [], [pictures, curves], show)


def levels(run: Run, bench: Bench) -> Tab:
    """The same z at every resolution that a growing G has reached."""
    with gr.Tab('Levels') as tab:
        gr.HTML(
            fragments.paragraph(
                'This G has grown: it began with few pixels and got more, level by level. The same z at '
                'each, with the weights of the checkpoint.'
            )
        )
        pictures = gr.HTML(fragments.WAITING)

    def show(z, step, coordinates):
        figures = []
        for each in run.levels(step):
            size = f'{each.resolution} × {each.resolution}'
            figures.append(fragments.figure(run.pixels(step, z[None], each)[0], size, size))
        return [fragments.strip(figures)]

    return Tab(tab, [], [pictures], show)


def own_picture(run: Run, bench: Bench) -> Tab:
    """D's word on a picture that the person uploads, or on one that the run was trained on."""
    with gr.Tab('Your picture') as tab:
        gr.HTML(
            fragments.paragraph(
                'What D says to a picture of yours, made as large as those that it was trained on. It stays '
                'on the machine that this page is from, and is deleted as soon as it has been read.'
            )
        )
        upload = gr.File(label='A picture', file_count='single', height=130, elem_id='upload')
        of_data = gr.Button('One of the pictures that the run was trained on', size='sm', elem_id='of-data')
        result = gr.HTML()

    def look(path, number):
        if path is None:
            return gr.skip(), gr.skip()
        try:
            picture = own_pictures.read_upload(path, run.config.data.channels)
        except UserError as error:  # in the picture's place, so that the next one may be uploaded
            return fragments.paragraph(str(error)), None
        step = step_of(run, number)
        pixels = own_pictures.as_trained(picture, run.config.data, run.stage(step).resolution)
        return shown(pixels, step, 'your picture as D sees it'), None

    def look_at_data(number):
        step = step_of(run, number)
        pixels = own_pictures.example(run, step)
        if pixels is None:
            raise gr.Error(
                'The data that this run was trained on are not on this machine.', print_exception=False
            )
        return shown(pixels, step, 'a picture that the run was trained on')

    def shown(pixels, step, what):
        seen = own_pictures.judged(run, step, pixels)
        caption = f'{what}, {pixels.shape[1]} × {pixels.shape[0]} pixels, at step {step:,}'
        return fragments.row(
            [fragments.figure(pixels, what, caption, fragments.belief(seen.probability, run.is_probability))]
        )

    upload.upload(told(look), [upload, bench.checkpoint], [result, upload], **SLOW)
    of_data.click(told(look_at_data), bench.checkpoint, result, **SLOW)
    return Tab(tab, [], [], lambda *_: [])
