"""Steps per second of a config: python benchmarks/throughput.py --config=configs/dcgan_fashion_mnist.py

Synthetic data, so that the step alone is measured, on all local devices. A first dispatch compiles and a
second warms up; then come `--repeats` timed ones.
"""

import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import cli, parallel
from gan_jax.config import load_config
from gan_jax.dry_run import abstract_arguments, step_flops
from gan_jax.gans import load_system
from gan_jax.loop import check_batch_sizes, next_item, step_function
from gan_jax.pictures import write_atomically
from gan_jax.schedule import Dispatch
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step

NUM_EXAMPLES = 4096  # synthetic, on the devices


def main(arguments: list[str]) -> None:
    """Measures and prints a table, and writes one JSON object with --json."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', default='configs/dcgan_fashion_mnist.py', help='a file with get_config()')
    parser.add_argument('--repeats', type=cli.whole_number(1), default=10, help='timed dispatches')
    parser.add_argument('--json', help='file for the result')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    result = measure(load_config(options.config, overrides), options.repeats)
    width = max(map(len, result))
    for name, value in result.items():
        print(f'{name:<{width}}  {json.dumps(value)}')
    if options.json:
        write_atomically(options.json, (json.dumps(result, indent=2) + '\n').encode())


def measure(config, repeats: int) -> dict:
    """Times `repeats` dispatches of the config's last stage."""
    system = load_system(config.system)
    stage = system.stages(config)[-1]
    devices = jax.local_devices()
    axis_name = parallel.axis_name(devices)
    gan = system.make(config, stage, axis_name)
    num_examples = max(NUM_EXAMPLES, stage.batch_size)
    shape = (num_examples, stage.resolution, stage.resolution, config.data.channels)
    rng = np.random.default_rng(0)
    resident = parallel.replicate(rng.integers(0, 256, shape, np.uint8), devices)
    check_batch_sizes([stage], num_examples, len(devices))
    steps = config.steps_per_dispatch
    dispatch = Dispatch(stage, 0, steps)
    items_shape = (len(devices), steps * stage.critic_steps, stage.batch_size // len(devices))
    items = parallel.shard(
        next_item(iter([rng.integers(0, num_examples, items_shape, np.int32)]), dispatch), devices
    )
    batch = {'image': jnp.zeros((2, *shape[1:]))}
    create = partial(create_train_state, gan=gan)
    state = parallel.create_replicated(create, jax.random.key(config.seed), batch, devices=devices)
    run_steps = parallel.parallelize(step_function(config, gan, axis_name), devices)

    seconds = []
    for _ in range(repeats + 2):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(run_steps(state, resident, items))
        seconds.append(time.perf_counter() - started)
    first, _, *timed = seconds
    step_seconds = [each / config.steps_per_dispatch for each in timed]
    median = statistics.median(step_seconds)

    single = system.make(config, stage, None)
    arguments = abstract_arguments(config, single, stage)
    step = partial(train_step, gan=single, ema=1000 * config.ema_half_life_kimg, axis_name=None)
    flops = step_flops(step, *arguments)
    return {
        'system': config.system,
        'resolution': stage.resolution,
        'batch_size': stage.batch_size,
        'dtype': config.dtype,
        'num_devices': len(devices),
        'device_kind': devices[0].device_kind,
        'jax_version': jax.__version__,
        'steps_per_dispatch': config.steps_per_dispatch,
        'step_seconds': {'min': min(step_seconds), 'median': median, 'max': max(step_seconds)},
        'images_per_second': stage.images_per_step / median,
        'images_per_second_per_device': stage.images_per_step / median / len(devices),
        'seconds_per_kimg': 1000 * median / stage.images_per_step,
        'flops_per_step': flops,
        'least_flops_per_step': float(single.least_flops(stage.batch_size)),
        'achieved_flops_per_second': flops / median,
        'compile_seconds': first - statistics.median(timed),
    }


if __name__ == '__main__':
    sys.exit(cli.run(main))
