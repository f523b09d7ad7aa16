"""What watching over a run costs, as a share of its time: python benchmarks/watchdogs.py --config=…

Replicas are compared and metrics looked at with every line of the log; a dispatch's metrics are fetched and
looked through with every dispatch. All of it is timed alone, though a run does most of it while its devices
work, so that the share is the most it can be.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sides import Ours
from gan_jax import cli, parallel
from gan_jax.compilation import Programs
from gan_jax.config import load_config
from gan_jax.gans import load_system
from gan_jax.schedule import Dispatch
from gan_jax.watchdogs import Collapse, Replicas, first_nonfinite

REPEATS = 20


def main(arguments: list[str]) -> None:
    """Reads the command line, measures and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', required=True, help='file with get_config(); --config.x=1 sets its x')
    overrides, others = cli.config_overrides(arguments)
    config: Any = load_config(parser.parse_args(others).config, overrides)
    devices, system = parallel.all_devices(), load_system(config.system)
    dispatch = Dispatch(system.stages(config)[-1], 0, config.steps_per_dispatch)
    ours, programs = Ours(config, system, dispatch, devices), Programs()
    state, metrics = jax.block_until_ready(ours.compiled(ours.state, ours.resident, ours.items))
    replicas = Replicas(devices, state, programs)
    collapse = Collapse(config.watchdogs.collapse_kimg, 0.5, print)
    rng = np.random.default_rng(0)
    samples = {'samples': rng.random((64, *jax.tree.leaves(ours.resident)[0].shape[1:]), np.float32)}

    def a_dispatch():
        nonlocal state, metrics
        state, metrics = jax.block_until_ready(ours.compiled(state, ours.resident, ours.items))

    def look():
        collapse.see(samples)
        collapse.look(0, 0, {name: value[-1] for name, value in parallel.fetch(metrics).items()})

    measured = {
        'a dispatch': a_dispatch,
        'replicas': lambda: replicas.check(0, state),
        'finite': lambda: first_nonfinite(dispatch, metrics),
        'collapse': look,
    }
    seconds = {name: [] for name in measured}
    for repeat in range(REPEATS + 1):
        for name, function in measured.items():
            started = time.perf_counter()
            function()
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    dispatches = config.log_every_steps / config.steps_per_dispatch
    of_run = dispatches * median['a dispatch']
    shares = {
        'finite': dispatches * median['finite'] / of_run,
        'replicas': median['replicas'] / of_run if len(devices) > 1 else 0.0,
        'collapse': median['collapse'] / of_run,
    }
    print(f'{len(devices)} {devices[0].device_kind}, {config.system}; medians of {REPEATS}')
    print(f'a dispatch of {config.steps_per_dispatch} steps {1000 * median["a dispatch"]:10.3f} ms')
    for name, share in shares.items():
        print(f'{name:<24} {1000 * median[name]:10.3f} ms {100 * share:8.3f} % of a run')
    print(f'all of them {100 * sum(shares.values()):34.3f} % of a run')


if __name__ == '__main__':
    sys.exit(cli.run(main))
