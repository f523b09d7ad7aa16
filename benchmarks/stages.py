"""The stages of a run that grows: what each costs, and what all of them would."""

from benchmarks.sweep import aligned


def whole_run(stages, results: list[dict]) -> dict:
    """The measurements of all stages, with their lengths and the seconds of a run of them."""
    measured = []
    for stage, result in zip(stages, results, strict=True):
        seconds = result['compile_seconds'] + stage.num_steps * result['step_seconds']['median']
        measured.append(
            {
                **result,
                'fade': stage.fade > 0,
                'kimg': stage.num_steps * stage.images_per_step / 1000,
                'stage_seconds': seconds,
            }
        )
    return {'stages': measured, 'run_seconds': sum(each['stage_seconds'] for each in measured)}


def stages_table(result: dict) -> str:
    """A stage a row, and the whole below them; s/kimg is without compilation, hours are with it, MiB are what
    XLA plans for the step on each device."""
    rows = [
        ['pixels', 'fade', 'batch', 'kimg', 'images/s', 's/kimg', 'Gflop/step', 'MiB', 'compile s', 'hours']
    ]
    for each in result['stages']:
        rows.append(
            [
                str(each['resolution']),
                'yes' if each['fade'] else 'no',
                str(each['batch_size']),
                f'{each["kimg"]:,.0f}',
                f'{each["images_per_second"]:,.1f}',
                f'{each["seconds_per_kimg"]:.2f}',
                f'{each["flops_per_step"] / 1e9:,.1f}',
                f'{each["program_memory_bytes"] / 2**20:,.0f}',
                f'{each["compile_seconds"]:.0f}',
                f'{each["stage_seconds"] / 3600:.2f}',
            ]
        )
    kimg = sum(each['kimg'] for each in result['stages'])
    hours = result['run_seconds'] / 3600
    return f'{aligned(rows)}\na run of {kimg:,.0f} kimg: {hours:.2f} hours'
