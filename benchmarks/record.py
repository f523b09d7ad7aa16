"""Trains a config with several seeds, measures how good each is at its end, and keeps what came out.

    python benchmarks/record.py --config=configs/gan_25_gaussians.py --seeds=0,1,2,3,4

Each seed is a run of train.py with nothing compiled before, then one of `gan_jax.evaluate` as the config's
`evaluation.*` says. It becomes a line of docs/results.jsonl, which `results.py` makes docs/results.md of; its
seconds are those of the training, from the start of the command to its end. With `--peer`, the PyTorch side
takes as many steps on the same pictures instead.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peer import HERE, peer_python
from gan_jax import cli, fields
from gan_jax.base import TrainingFailed, UserError
from gan_jax.config import load_config, replaced, to_json
from gan_jax.data.domains import open_domains
from gan_jax.gans import load_system

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT / 'docs/results.jsonl'
PEERS = ('gan', 'dcgan')  # systems that the PyTorch side trains from start to end
AVERAGED, AS_THEY_ARE = 'averaged', 'as they are'  # the generator's weights


def main(arguments: list[str]) -> None:
    """Reads the command line, and adds a line for each seed as soon as it is measured."""
    options, overrides, config = parse(arguments)
    changed = {name: value for name, value in overrides.items() if name != 'data.data_dir'}
    trainer, train = ('pytorch', trained_peer) if options.peer else ('gan_jax', trained)
    stages = load_system(config.system).stages(config)
    about = {
        **{'config': Path(options.config).stem, 'changed': changed, 'trainer': trainer},
        **{'images': sum(stage.num_steps * stage.images_per_step for stage in stages)},
        **surroundings(),
    }
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            workdir = Path(options.keep or folder) / f'seed_{seed}'
            result = train(
                options, {**overrides, 'seed': str(seed)}, replaced(config, {'seed': seed}), workdir
            )
        line = json.dumps({**about, 'seed': seed, **result})
        print(line, flush=True)
        with open(options.out, 'a') as lines:
            print(line, file=lines)


def parse(arguments: list[str]):
    """(options, overrides of the config, the config); raises UserError."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add('--config', required=True, help='file with get_config(); --config.x=1 sets its x')
    seeds = cli.value_of(fields.Several(fields.whole(least=0)))  # type: ignore[arg-type]
    add('--seeds', type=seeds, default=(0, 1, 2), help='comma-separated')
    add('--peer', action='store_true', help='train the PyTorch side')
    add('--peer_python', type=cli.path('a Python'), help="of the PyTorch side's environment")
    add('--out', type=cli.path('a file'), default=str(RECORDED), help='to add the lines to')
    add('--keep', type=cli.path('a folder'), help='for the workdirs, which are deleted by default')
    overrides, others = cli.config_overrides(arguments)
    options = parser.parse_args(others)
    config: Any = load_config(options.config, overrides)
    if os.path.isdir(options.out) or not Path(options.out).absolute().parent.is_dir():
        raise UserError(f'--out: {options.out!r} will not do; takes a file in a folder that exists')
    cli.check_writable('--out', Path(options.out).absolute().parent)
    if len(set(options.seeds)) < len(options.seeds):
        raise UserError(f'--seeds: {",".join(map(str, options.seeds))} will not do; takes each once')
    if 'seed' in overrides:
        raise UserError(f'--config.seed: {overrides["seed"]!r} will not do; --seeds takes all of them')
    if options.keep and os.path.exists(options.keep):
        raise UserError(f'--keep: {options.keep!r} is there already; takes a new folder')
    if options.peer and config.system not in PEERS:
        raise UserError(f'--peer: {config.system} is not written there; takes {", ".join(PEERS)}')
    return options, overrides, config


def trained(options, overrides: dict, config, workdir: Path) -> dict:
    """Trains as the command line does; what it took and what it came to."""
    overrides = {'compilation_cache': 'false', **overrides}
    chosen = [f'--config.{name}={value}' for name, value in overrides.items()]
    command = [ROOT / 'train.py', f'--config={options.config}', f'--workdir={workdir}', *chosen]
    printed, seconds = timed([sys.executable, *command])
    has_average = config.ema_half_life_kimg > 0
    measured = {AVERAGED: evaluated(f'--workdir={workdir}')} if has_average else {}
    measured[AS_THEY_ARE] = evaluated(f'--workdir={workdir}', '--no_ema')
    sha256 = re.findall(r'state sha256 (\w+)', printed)[-1]
    return {'jax': metadata.version('jax'), 'seconds': seconds, 'state_sha256': sha256, **joined(measured)}


def trained_peer(options, overrides: dict, config, workdir: Path) -> dict:
    """Has PyTorch train and draw; what it took and what it came to."""
    del overrides  # which the config has
    workdir.mkdir(parents=True)
    (workdir / 'config.json').write_text(to_json(config))
    (images,) = open_domains(config.data).values()
    np.save(workdir / 'images.npy', images.all_images())
    request = {'config': json.loads(to_json(config)), 'workdir': str(workdir)}
    python = peer_python(options.peer_python)
    try:
        printed, seconds = timed([python, HERE / 'peers' / 'train.py', json.dumps(request)])
    except TrainingFailed as error:  # mostly as it is not written there
        raise UserError(f'--peer: {error}') from None
    about = json.loads(printed.splitlines()[-1])  # its version, and the seconds that drawing took
    seconds -= about.pop('seconds_of_drawing')
    measured = evaluated(f'--images={workdir}/pictures', f'--workdir={workdir}')
    return {**about, 'seconds': seconds, **joined({AS_THEY_ARE: measured})}


def timed(command: list) -> tuple[str, float]:
    """What a command prints, and the seconds that it takes; raises TrainingFailed with its last words."""
    started = time.perf_counter()
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - started
    if run.returncode:
        told = [line for line in run.stderr.splitlines() if not re.match(r'[IWEF]\d{4} ', line)]  # XLA's log
        last = ' | '.join(told[-3:]) or 'it said nothing'  # Python may have something to say at its end
        raise TrainingFailed(f'the run ended with code {run.returncode}: {last}')
    return run.stdout, seconds


def evaluated(*flags: str) -> dict:
    """What `gan_jax.evaluate` writes."""
    with tempfile.TemporaryDirectory() as folder:
        timed([sys.executable, '-m', 'gan_jax.evaluate', *flags, f'--json={folder}/a.json'])
        return json.loads((Path(folder) / 'a.json').read_text())


def joined(measured: dict[str, dict]) -> dict:
    """{weights: what `evaluated` gave} as the figures of each and the protocol of all."""
    first = next(iter(measured.values()))
    own = ('fakes', 'weights', 'step')  # of a run, and not how it is measured
    return {
        'figures': {weights: each['figures'] for weights, each in measured.items()},
        'protocol': {name: value for name, value in first['protocol'].items() if name not in own},
    }


def surroundings() -> dict:
    """The commit and the machine. JAX is asked elsewhere, as it would keep an accelerator's memory."""
    ask = 'import jax; d = jax.devices(); print(len(d), d[0].platform, d[0].device_kind)'
    run = lambda *command: subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    number, kind, name = run(sys.executable, '-c', ask).split(maxsplit=2)
    changes = run('git', 'status', '--porcelain', '--untracked-files=no', '--', ':!docs')
    commit = run('git', 'rev-parse', '--short=10', 'HEAD') + ('+' if changes else '')
    return {'commit': commit, 'hardware': processor() if kind == 'cpu' else f'{number} × {name}'}


def processor() -> str:
    """This machine's, as far as it says."""
    information, name, has_avx512 = Path('/proc/cpuinfo'), platform.processor() or platform.machine(), False
    if information.exists():
        text = information.read_text()
        (name, *_) = re.findall(r'model name\s*: (.*)', text) or [name]
        has_avx512 = 'avx512f' in text
    return f'{os.cpu_count()} cores of {name}' + (', AVX-512' if has_avx512 else '')


if __name__ == '__main__':
    sys.exit(cli.run(main))
