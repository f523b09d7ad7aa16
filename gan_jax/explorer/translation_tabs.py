"""The explorer's page of a run that translates: a picture of one domain, the other's, and the way back."""

import gradio as gr  # pyright: ignore[reportMissingImports]
import numpy as np

from gan_jax.base import UserError
from gan_jax.explorer import fragments, own_pictures
from gan_jax.explorer.bench import QUICK, SLOW, forgiving, header, step_of, told
from gan_jax.explorer.views import Run


def fill(run: Run) -> None:
    """Puts the page of a G that translates into the `gr.Blocks` that is open."""
    gr.HTML(header(run, 'A generator G translates pictures of two domains, A and B, into each other'))
    with gr.Tabs():
        for domain in run.domains:
            translation(run, domain)
        with gr.Tab('Curves') as tab:
            curves = gr.HTML()
        tab.select(lambda: fragments.curves(run.curves()), outputs=curves, **QUICK)


def translation(run: Run, domain: str) -> None:
    """A tab for pictures of one domain."""
    other = next(each for each in run.domains if each != domain)
    with gr.Tab(f'{domain.upper()} to {other.upper()}'):
        gr.HTML(
            fragments.paragraph(
                f'A picture of domain {domain.upper()}, what G makes of it for {other.upper()}, and that '
                'translated back, which should be the picture again. Below each, how real the D of its '
                'domain takes it to be.'
            )
        )
        result = gr.HTML(elem_id=f'result-{domain}')
        picture = gr.State(own_pictures.example(run, run.last_step, domain))
        slider = forgiving(
            gr.Slider(
                *(1, max(2, len(run.steps)), len(run.steps)),
                step=1,
                label='Checkpoint: the same picture over training',
                elem_id=f'checkpoint-{domain}',
                visible=len(run.steps) > 1,
            )
        )
        with gr.Row():
            upload = gr.File(
                label='A picture of yours', file_count='single', height=130, elem_id=f'upload-{domain}'
            )
            of_data = gr.Button('Another one that the run was trained on', elem_id=f'of-data-{domain}')

    def shown(pixels, number):
        if pixels is None:
            return fragments.paragraph('Upload a picture to begin.')
        step = step_of(run, number)
        figures = []
        for name, seen in own_pictures.translated(run, step, domain, np.asarray(pixels)).items():
            way = name.upper().replace('_TO_', ' → ')
            caption = {0: f'{way}: the picture', 1: way, 2: f'{way}: and back'}[len(figures)]
            figures.append(
                fragments.figure(
                    seen.pixels, way, caption, fragments.belief(seen.probability, run.is_probability)
                )
            )
        return fragments.paragraph(run.where(step)) + fragments.row(figures)

    def look(path, number):
        if path is None:
            return gr.skip(), gr.skip(), gr.skip()
        try:
            picture = own_pictures.read_upload(path, run.config.data.channels)
        except UserError as error:  # in the pictures' place, so that the next one may be uploaded
            return gr.skip(), fragments.paragraph(str(error)), None
        pixels = own_pictures.for_translation(picture, run.config.data.resolution)
        return pixels, shown(pixels, number), None

    def another(number):
        pixels = own_pictures.example(run, run.last_step, domain)
        if pixels is None:
            raise gr.Error(
                'The data that this run was trained on are not on this machine.', print_exception=False
            )
        return pixels, shown(pixels, number)

    result.value = shown(picture.value, len(run.steps))
    upload.upload(told(look), [upload, slider], [picture, result, upload], **SLOW)
    of_data.click(told(another), slider, [picture, result], **QUICK)
    slider.input(told(shown), [picture, slider], result, **QUICK)
