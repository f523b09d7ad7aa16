"""How many modes a GAN of points covers, and how well, over several seeds.

python benchmarks/mode_coverage.py --config=configs/gan_25_gaussians.py --seeds=0,1,2,3,4 --json=result.json

Each seed is a run of train.py in a folder that is gone afterwards, with nothing compiled before; 2,500
samples of G's average are counted as in VEEGAN and PacGAN (gan_jax/metrics/modes.py). Seconds are from the
start of the command to its end, and those of all processors.
"""

import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sweep import aligned
from gan_jax import cli, fields, sample
from gan_jax.base import TrainingFailed, UserError
from gan_jax.config import load_config
from gan_jax.data.domains import open_domains
from gan_jax.data.points import Points
from gan_jax.gallery import NUM_POINTS
from gan_jax.metrics.modes import mode_coverage
from gan_jax.pictures import write_atomically

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {  # of the table: heading and form
    'modes': ('modes', '{:.1f}'),
    'high_quality': ('high quality', '{:.4f}'),
    'reverse_kl': ('reverse KL', '{:.4f}'),
    'seconds': ('seconds', '{:.0f}'),
    'processor_seconds': ('processor s', '{:.0f}'),
}


def main(arguments: list[str]) -> None:
    """Reads the command line, trains each seed, prints a table and writes one JSON object."""
    parser = cli.Parser(__doc__)
    default = str(ROOT / 'configs/gan_25_gaussians.py')
    parser.add_argument('--config', default=default, help='file with get_config(); --config.x=1 sets x')
    seeds = cli.value_of(fields.Several(fields.whole(least=0)))  # type: ignore[arg-type]
    parser.add_argument('--seeds', type=seeds, default=(0, 1, 2, 3, 4), help='comma-separated')
    parser.add_argument('--json', type=cli.path('a file'), help='file for the result, one JSON object')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    config: Any = load_config(options.config, overrides)
    source = next(iter(open_domains(config.data).values()))
    if not isinstance(source, Points):
        raise UserError(f'--config: {options.config!r} will not do; takes one whose data are points')
    overrides = {'compilation_cache': 'false', **overrides}
    results = [
        {'seed': seed, **of_seed(options.config, {**overrides, 'seed': seed}, source)}
        for seed in options.seeds
    ]
    print(table(results))
    if options.json:
        result = {'config': config.to_dict(), 'seeds': results}
        write_atomically(options.json, (json.dumps(result, indent=2) + '\n').encode())


def of_seed(config: str, overrides: dict, source: Points) -> dict[str, float]:
    """Trains as the command line does; the coverage of its samples, and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / 'train.py'), f'--config={config}', f'--workdir={folder}/run']
        command += [f'--config.{name}={value}' for name, value in overrides.items()]
        started, used = time.perf_counter(), processor_seconds()
        run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        spent = {'seconds': time.perf_counter() - started, 'processor_seconds': processor_seconds() - used}
        if run.returncode:
            told = [
                line for line in run.stderr.splitlines() if not re.match(r'[IWEF]\d{4} ', line)
            ]  # XLA's log
            raise TrainingFailed(f'the run ended with code {run.returncode}: {told[-1]}')
        system, run_config = sample.open_system(Path(folder) / 'run')
        _, state, gan, batch = sample.read_state(Path(folder) / 'run', None, system, run_config)
    inputs = gan.sample_inputs(jax.random.key(0), NUM_POINTS, batch)
    player = state.ema_params, state.ema_model_state
    (points,) = sample.sample_in_chunks(gan, player, inputs, state.images_seen).values()
    return {**mode_coverage(points, source.centres, source.deviation), **spent}


def processor_seconds() -> float:
    """Those that commands begun here have used so far, on all processors."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(results: list[dict]) -> str:
    """A seed a row; then the mean of each column and, of several seeds, the standard deviation."""
    rows = [['seed', *(heading for heading, _ in COLUMNS.values())]]

    def add(label, value_of):
        rows.append([label, *(form.format(value_of(name)) for name, (_, form) in COLUMNS.items())])

    for result in results:
        add(str(result['seed']), result.get)
    values = {name: [result[name] for result in results] for name in COLUMNS}
    add('mean', lambda name: statistics.mean(values[name]))
    if len(results) > 1:
        add('sd', lambda name: statistics.stdev(values[name]))
    return aligned(rows)


if __name__ == '__main__':
    sys.exit(cli.run(main))
