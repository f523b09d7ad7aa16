"""Many runs as one program against the same runs one after another: python benchmarks/seeds.py --config=…

Both train on the config's own data and take turns, dispatch by dispatch: one of each run alone, by a compiled
step that they share, and one of all together. The seconds are those of reading the data and of the steps; to
compile is told apart, and what a run writes is left out.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

import jax

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import ratio, spread
from gan_jax import cli, ensemble, parallel
from gan_jax.data.pipeline import fits_on_device
from gan_jax.device_step import item_like, step_function
from gan_jax.loop import opened
from gan_jax.members import members_of, traced
from gan_jax.schedule import Dispatch
from gan_jax.state_bytes import without_typed_key
from gan_jax.together import begun, items_of, items_of_seed
from gan_jax.watchdogs import StalledInput


class Program:
    """A step, compiled for what it is given, and how long that took."""

    def __init__(self, function, state, resident, item_like):
        started = time.perf_counter()
        self.run = function.lower(state, resident, item_like).compile()
        self.seconds = time.perf_counter() - started


class Side:
    """A state and its data, which a program is given dispatch by dispatch."""

    def __init__(self, program: Program, state, resident, items, devices):
        self.program, self.state, self.resident = program, state, resident
        self.items, self.devices = items, devices

    def run(self) -> float:
        """A dispatch; the seconds from asking for its data to its end."""
        started = time.perf_counter()
        item = parallel.shard(next(self.items), self.devices)
        self.state, _ = jax.block_until_ready(self.program.run(self.state, self.resident, item))
        return time.perf_counter() - started


def main(arguments: list[str]) -> None:
    """Reads the command line, measures and prints."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--config', required=True, help='file with get_config(); --config.x=1 sets its x')
    parser.add_argument('--num_seeds', type=cli.whole_number(1), default=8, help='runs')
    parser.add_argument('--repeats', type=cli.whole_number(1), default=10, help='timed dispatches of each')
    parser.add_argument('--full', action='store_true', help="as many as the config's last stage has instead")
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    members = members_of(options.config, overrides, options.num_seeds, {})
    measure(members, None if options.full else options.repeats)


def measure(members, repeats: int | None) -> None:
    """Times `repeats` dispatches of the last stage, or all of it, after one that is not counted; prints."""
    config, number = members[0].config, len(members)
    parallel.have_cpus(number)
    devices = ensemble.devices_for(number, parallel.all_devices())
    first = devices[:1]
    stages, images = opened(config, first)
    stage, num_steps = stages[-1], config.steps_per_dispatch
    rounds = 1 + (stage.num_steps // num_steps if repeats is None else repeats)
    schedule = lambda: (Dispatch(stage, place * num_steps, num_steps) for place in range(rounds))
    is_resident = fits_on_device(images, config.data.placement)
    pictures = {domain: each.all_images() for domain, each in images.items()} if is_resident else ()
    layout = {'images': images, 'is_resident': is_resident, 'num_devices': len(devices)}
    feeding = schedule, layout, StalledInput(60, lambda: False, print)
    gan_of, dispatch = traced(config, stage, axis_name=None), next(schedule())
    gan, step = gan_of({}), ensemble.member_step(config, stage, gan_of)
    over = ensemble.over_members(stage, gan, devices)
    state, values, _, _ = begun(members, images, {stage: gan_of}, devices)
    ends = ensemble.fetched(without_typed_key(state))

    def of_member(place):
        state = parallel.replicate(ensemble.member(ends, place), first)
        return state.replace(rng=jax.random.wrap_key_data(state.rng))

    shared = values, parallel.replicate(pictures, devices)
    every = Program(
        parallel.parallelize_apart(step, devices, over),
        state,
        shared,
        parallel.sharded_like(ensemble.joined_item_like(dispatch, **layout, number=number), devices),
    )
    pictures = parallel.replicate(pictures, first)
    like = item_like(dispatch, images, is_resident, num_devices=1)
    one = parallel.parallelize(step_function(config, stage, gan, axis_name=None), first)
    each = Program(one, of_member(0), pictures, parallel.sharded_like(like, first))
    seconds = {'one after another': [], 'together': []}
    with contextlib.ExitStack() as stack:
        close = lambda items: stack.enter_context(contextlib.closing(items))
        alone = [
            Side(each, of_member(place), pictures, close(items_of_seed(own.config.seed, *feeding)), first)
            for place, own in enumerate(members)
        ]
        together = Side(every, state, shared, close(items_of(members, *feeding)), devices)
        for _ in range(rounds):
            seconds['one after another'].append(sum(side.run() for side in alone))
            seconds['together'].append(together.run())
    print(
        f'{number} runs on {len(devices)} {devices[0].platform} devices, '
        f'{"in turn" if over is ensemble.in_turn else "mapped"}; batch {stage.batch_size}, {num_steps} steps '
        f'a dispatch; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}'
    )
    counted = {name: values[1:] for name, values in seconds.items()}
    report(num_steps, counted, {'one after another': each, 'together': every})


def report(num_steps: int, seconds: dict, programs: dict) -> None:
    """Prints the seconds of all dispatches of both ways, and their ratio."""
    for name, values in seconds.items():
        least, median, most = (1000 * each / num_steps for each in spread(values).values())
        print(
            f'{name:<18}{median:9.3f} ms ({least:.3f} – {most:.3f}) a step of all, {sum(values):.1f} s for '
            f'{len(values) * num_steps:,} of them; compiled in {programs[name].seconds:.1f} s'
        )
    rounds = ratio(seconds['one after another'], seconds['together'])
    whole = sum(seconds['one after another']) / sum(seconds['together'])
    print(
        f'together is {rounds["median"]:.2f} ({rounds["min"]:.2f} – {rounds["max"]:.2f}) times as fast, '
        f'{whole:.2f} in all'
    )


if __name__ == '__main__':
    sys.exit(cli.run(main))
