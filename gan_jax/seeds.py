"""Several runs of a config as one program, a seed each: python -m gan_jax.seeds --config=… --num_seeds=8

And for each value of a real number: … --sweep optimizer.generator.learning_rate=1e-4,2e-4
The folder of each run is a workdir, as train.py leaves one. What is interrupted leaves no checkpoint.
"""

import json
import os
from pathlib import Path
from typing import Any

from gan_jax import cli, heap, parallel
from gan_jax.base import TrainingFailed, UserError
from gan_jax.compilation import fix_choices
from gan_jax.config import check_workdir, load_config
from gan_jax.members import members_of, sweep
from gan_jax.outcome import groups, table
from gan_jax.pictures import write_atomically
from gan_jax.together import train_members
from gan_jax.writers import surviving


def main(arguments: list[str]) -> None:
    """Reads the command line, trains all runs and tells what they came to."""
    overrides, options = parse(arguments)
    sweeps = {}
    for name, values in options.sweep:
        if name in sweeps:
            raise UserError(f'--sweep: {name} is given twice; takes all of its values at once')
        sweeps[name] = values
    config: Any = load_config(options.config, overrides)
    if config.distributed.coordinator:
        raise UserError(
            f'--config.distributed.coordinator: {config.distributed.coordinator!r} will not do, as all runs '
            "are one process; takes ''"
        )
    members = members_of(options.config, overrides, options.num_seeds or (1 if sweeps else 8), sweeps)
    workdir = Path(options.workdir or f'runs/{Path(options.config).stem}_seeds')
    check_is_new(workdir, config)
    parallel.have_cpus(len(members))
    if config.deterministic:
        fix_choices()
    result = train_members(members, workdir)

    told = {
        **result._asdict(),
        'runs': [each._asdict() for each in result.runs],
        'groups': groups(result.runs),
    }
    summary, step = workdir / 'summary.json', result.step
    with surviving(step, summary.name):
        write_atomically(summary, (json.dumps(told, indent=2) + '\n').encode())
    print(table(result.runs))
    if result.images_per_second:
        print(f'{result.images_per_second:,.0f} images/s in all; compiled in {result.compile_seconds:.1f} s')
    if summary.exists():
        print(summary)
    if failures := [f'{each.name}: {each.failure}' for each in result.runs if each.failure]:
        raise TrainingFailed('; '.join(failures))


def parse(arguments: list[str]):
    """(overrides of the config, options); raises UserError."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add('--config', required=True, help='file with get_config(); --config.x=1 sets its x')
    add(
        '--num_seeds',
        type=cli.whole_number(1),
        help="runs for each swept value, their seeds counting up from the config's; 8, or 1 with --sweep",
    )
    add(
        '--sweep',
        type=sweep,
        action='append',
        default=[],
        help='field=value,value: a run for each; of several fields, for each combination',
    )
    add('--workdir', type=cli.path('a folder'), help='a new one; default: runs/<name of the config>_seeds')
    overrides, others = cli.config_overrides(arguments)
    return overrides, parser.parse_args(others)


def check_is_new(workdir: Path, config) -> None:
    """Raises UserError where the runs may not begin in `workdir`; leaves nothing there."""
    if os.path.isdir(workdir) and os.listdir(workdir):
        raise UserError(
            f'--workdir: {str(workdir)!r} has something in it, and these runs do not go on; takes another'
        )
    check_workdir(workdir, config)


if __name__ == '__main__':
    heap.bound()
    cli.leave(cli.run(main))
