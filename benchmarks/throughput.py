"""How fast a config trains, on synthetic and on its own data, alone or beside PyTorch.

python benchmarks/throughput.py --config=configs/dcgan_fashion_mnist.py --peer --json=result.json

All sides take turns in one run, A B A B, so that a machine that slows down slows them all alike.
docs/performance.md says how each number is taken.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.first_step import first_step_seconds
from benchmarks.measure import measure
from benchmarks.peer import FORMS, Peer, peer_python
from benchmarks.stages import stages_table, whole_run
from benchmarks.sweep import draw, table
from gan_jax import cli, fields, parallel
from gan_jax.base import UserError
from gan_jax.compilation import fix_choices
from gan_jax.config import load_config
from gan_jax.gans import load_system
from gan_jax.pictures import write_atomically


def main(arguments: list[str]) -> None:
    """Reads the command line, measures, prints a table and writes one JSON object."""
    options, overrides = parse(arguments)
    if overrides.get('deterministic') == 'true':
        fix_choices()
    devices = parallel.all_devices()
    if options.sweep:
        field, values = options.sweep
        plot = options.plot or f'runs/throughput_{field}.png'
        results = [
            benchmark(options, *at(field, value, options, overrides, devices), options.stage)
            for value in values
        ]
        result = {'sweep': field, 'results': results}
        print(table(field, results))
        draw(plot, field, results)
        print(f'plot  {plot}')
    elif options.stages:
        config: Any = load_config(options.config, overrides)
        stages = load_system(config.system).stages(config)
        results = [benchmark(options, overrides, devices, number) for number in range(1, len(stages) + 1)]
        result = whole_run(stages, results)
        print(stages_table(result))
    else:
        result = benchmark(options, overrides, devices, options.stage)
        print(listing(result))
    if options.json:
        write_atomically(options.json, (json.dumps(result, indent=2) + '\n').encode())


def parse(arguments: list[str]):
    """(options, the config's overrides)."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add(
        '--config',
        default='configs/dcgan_fashion_mnist.py',
        help='file with get_config(); --config.x=1 sets x',
    )
    add('--repeats', type=cli.whole_number(1), default=10, help='timed dispatches of each side')
    add('--json', type=cli.path('a file'), help='file for the result, one JSON object')
    add('--trace', type=cli.path('a folder'), help='folder for a profile of one dispatch')
    add('--peer', action='store_true', help='the same step in PyTorch, in turns with ours')
    add(
        '--peer_python',
        type=cli.path('a Python'),
        help='a Python that has PyTorch; default: .venv-peers, or ours',
    )
    add(
        '--sweep',
        type=sweep,
        help='batch_size=64,128 (or num_devices, or steps_per_dispatch): one measurement for each',
    )
    add('--stage', type=cli.whole_number(1), help='number of the stage to measure; default: the last')
    add('--stages', action='store_true', help='each stage of the config, and the time of the whole run')
    add('--plot', type=cli.path('a file'), help='PNG of a sweep; default: runs/throughput_<field>.png')
    add('--only_step', action='store_true', help='leave out the pipeline and the time to the first step')
    add(
        '--peak-tflops',
        type=cli.value_of(fields.number(above=0)),
        help="the chip's peak in the config's dtype, for mfu; known for some",
    )
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    if options.stages and (options.sweep or options.peer or options.stage):
        raise UserError('--stages: will not do with --stage, --sweep or --peer; takes ours alone')
    return options, overrides


def sweep(text: str) -> tuple[str, list[int]]:
    """An argparse type: 'batch_size=64,128' to ('batch_size', [64, 128])."""
    field, _, values = text.partition('=')
    if field not in ('batch_size', 'num_devices', 'steps_per_dispatch'):
        takes = 'takes batch_size=64,128, num_devices=1,2 or steps_per_dispatch=1,16'
        raise UserError(f'--sweep: {text!r} will not do; {takes}')
    return field, [cli.whole_number(1)(value) for value in values.split(',')]


def at(field: str, value: int, options, overrides: dict, devices: list):
    """(overrides, devices) of one point of a sweep. More devices get a batch as many times larger."""
    config: Any = load_config(options.config, overrides)
    if field != 'steps_per_dispatch' and len(load_system(config.system).stages(config)) > 1:
        raise UserError(
            f'--sweep: {field} will not do where each stage has its batch size; takes steps_per_dispatch=1,16'
        )
    if field != 'num_devices':
        return {**overrides, field: str(value)}, devices
    if value > len(devices):
        raise UserError(f'--sweep: num_devices={value} will not do; takes at most {len(devices)} here')
    return {**overrides, 'batch_size': str(value * config.batch_size)}, devices[:value]


def benchmark(options, overrides: dict, devices: list, number: int | None) -> dict:
    """One measurement of a stage by its number, None for the last, with all that is asked for beside it."""
    config: Any = load_config(options.config, overrides)
    stages = load_system(config.system).stages(config)
    number = number or len(stages)
    if number > len(stages):
        raise UserError(f'--stage: {number} will not do; takes at most {len(stages)} with this config')
    stage = stages[number - 1]
    if options.peer and len(devices) > 1 and devices[0].platform != 'cpu':
        raise UserError(
            f'--peer: PyTorch gets one device, we have {len(devices)}; takes CUDA_VISIBLE_DEVICES=0'
        )
    with contextlib.ExitStack() as stack:
        peers = []
        for form in FORMS if options.peer else ():
            peers.append(Peer(config, stage.batch_size, form, peer_python(options.peer_python)))
            stack.callback(peers[-1].close)
        for peer in peers:
            peer.warm_up()
        result = measure(
            config,
            stage,
            devices,
            peers,
            repeats=options.repeats,
            with_pipeline=not (options.only_step or options.sweep or options.stages),
            peak_tflops=options.peak_tflops,
            trace=options.trace,
        )
    is_prepared = result['data_wait_fraction'] is not None
    result['time_to_first_step_seconds'] = (
        first_step_seconds(options.config, overrides, config.steps_per_dispatch) if is_prepared else None
    )
    return result


def listing(result: dict) -> str:
    """A number a line."""
    width = max(map(len, result))
    return '\n'.join(f'{name:<{width}}  {json.dumps(value)}' for name, value in result.items())


if __name__ == '__main__':
    sys.exit(cli.run(main))
