"""Makes docs/results.md of the runs that `record.py` has kept: python benchmarks/results.py

A table for each way of measuring, a row for each config: mean ± sample standard deviation over its seeds. A
config that nobody has recorded yet stands in the last table with its command, and no number.
"""

import ast
import json
import math
import re
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.record import RECORDED, ROOT
from gan_jax import cli
from gan_jax.config import load_config
from gan_jax.data.points import MIXTURES
from gan_jax.data.source import EMBEDDED
from gan_jax.data.stacked import PREFIX
from gan_jax.metrics.figures import counts_of, too_few, with_counts
from gan_jax.outcome import mean_and_sd
from gan_jax.pictures import write_atomically

PAGE = ROOT / 'docs/results.md'
INTRODUCTION = """# Results

Made by `python benchmarks/results.py` from the runs in [results.jsonl](results.jsonl), each of which
`python benchmarks/record.py --config=… --seeds=0,1,2` has trained and measured. Numbers are the mean ± the
sample standard deviation over the seeds. The generator is measured with its weights averaged over training,
and as they are at the end; below a table stands what all of its rows share, and
[evaluation.md](evaluation.md) says what that means. Time is that of the training of one seed, compilation and
its own evaluations included, which the PyTorch side does not have; other work may have run beside it.
Figures compare with those of their own table, and with no others.
"""
# Of a protocol: rows that agree in these, and in all numbers of pictures, are one table.
COUNTS = 'number of '
MEASURED_BY = ('reals', 'split', 'network', 'weights sha256')
# By data set: who reports it, of what, and modes, share of high quality and reverse KL as in their tables.
PUBLISHED_MODES = {
    '25_gaussians': [
        ('Srivastava et al. 2017', 'GAN', '3.3', '0.005', ''),
        ('Srivastava et al. 2017', 'VEEGAN', '24.6', '0.40', ''),
        ('Lin et al. 2018', 'GAN', '17.3 ± 0.8', '0.948 ± 0.007', '0.70 ± 0.07'),
        ('Lin et al. 2018', 'PacGAN2', '23.8 ± 0.7', '0.913 ± 0.008', '0.14 ± 0.04'),
        ('Lin et al. 2018', 'PacGAN4', '24.8 ± 0.2', '0.936 ± 0.006', '0.04 ± 0.01'),
    ],
    '8_gaussians': [
        ('Srivastava et al. 2017', 'GAN', '1', '0.993', ''),
        ('Srivastava et al. 2017', 'VEEGAN', '8', '0.529', ''),
        ('Lin et al. 2018', 'GAN', '6.3 ± 0.5', '0.982 ± 0.002', '0.45 ± 0.09'),
        ('Lin et al. 2018', 'PacGAN2', '7.9 ± 0.1', '0.956 ± 0.020', '0.07 ± 0.03'),
        ('Lin et al. 2018', 'PacGAN4', '7.8 ± 0.1', '0.959 ± 0.014', '0.07 ± 0.02'),
    ],
}
UNCHECKED = """The papers were not at hand when these published figures were written down. Of all of them,
the 17.3 modes and the 0.948 of the plain GAN on 25 Gaussians have been checked; look into the papers before
citing another.
"""
# By config: what others report of the same paper's method, by protocols of their own.
PUBLISHED = {
    'dcgan_cifar10': 'FID 48.29 (StudioGAN), 42.72 (pytorch-gan-collections), 28.95 (mimicry, 10k/10k)',
    'progan_cifar10': 'inception score 8.80 (Karras et al. 2017)',
    'progan_celeb_a_hq': 'FID 7.30 (Karras et al. 2017)',
}


def main(arguments: list[str]) -> None:
    """Reads the runs and writes the page."""
    cli.Parser(__doc__).parse_args(arguments)
    write_atomically(PAGE, page(recorded()).encode())
    print(PAGE)


def recorded() -> list[dict]:
    """The newest run of each config, trainer and seed."""
    runs = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    return list({json.dumps([*_who(run), run['seed']]): run for run in runs}.values())


def page(runs: list[dict]) -> str:
    """The whole page, Markdown."""
    parts, groups = [INTRODUCTION], {}
    for run in runs:
        counts = {name: number for name, number in run['protocol'].items() if name.startswith(COUNTS)}
        how = {name: run['protocol'].get(name) for name in MEASURED_BY} | counts
        groups.setdefault(json.dumps(how, sort_keys=True), []).append(run)
    for group in groups.values():
        reals, network = (shorten(group[0]['protocol'][name]) for name in ('reals', 'network'))
        parts += [f'## {reals}, {network}\n', *measured(group)]
        if published := PUBLISHED_MODES.get(reals):
            heading = ['published by', 'of', 'modes', 'high_quality', 'reverse_kl']
            parts += [table([heading, *published]), UNCHECKED]
    known = {run['config'] for run in runs if run['trainer'] == 'gan_jax' and not run['changed']}
    parts += ['## Without figures so far\n', not_yet(known)]
    return '\n'.join(parts)


def measured(runs: list[dict]) -> list[str]:
    """The table of runs that are measured in one way, and what they share."""
    protocols = [run['protocol'] for run in runs]
    shared = {
        name: value
        for name, value in protocols[0].items()
        if all(protocol.get(name) == value for protocol in protocols)
    }
    has_pixels = 'resolution' not in shared
    rows, figures = [], {}
    for of_config in _grouped(runs):
        for label, columns in columns_of(of_config).items():
            first = of_config[0]
            figures |= dict.fromkeys(columns)
            pixels = [str(first['protocol']['resolution'])] if has_pixels else []
            rows.append(([name_of(first), label, *pixels, f'{first["images"]:,}'], columns, of_config))
    names = [with_counts(figure, shared) for figure in figures]
    heading = ['run', 'generator', *(['pixels'] if has_pixels else []), 'images seen', *names]
    lines = [[*heading, 'seeds', 'time', 'with', 'commit']]
    for start, columns, of_config in rows:
        numbers = [spread(columns[figure]) if figure in columns else '' for figure in figures]
        lines.append([*start, *numbers, *circumstances(of_config)])
    told = ' · '.join(f'{name} {shorten(value)}' for name, value in shared.items())
    return [table(lines), f'{told}.\n', *(f'{doubt}.\n' for doubt in doubts(shared, figures))]


def doubts(protocol: dict, figures) -> list[str]:
    """What is said of figures that so few pictures make."""
    numbers = [number for name, number in protocol.items() if name.startswith(COUNTS)]
    initials = {figure[0] for figure in figures}
    metrics = [name for name, initial in (('fd', 'F'), ('kid', 'K')) if initial in initials]
    name_of = lambda _, general: f'{general}-{protocol["network"]}'
    return too_few(metrics, name_of, protocol['features'], min(numbers))


def columns_of(runs: list[dict]) -> dict[str, dict[str, list]]:
    """{what was measured of a generator: {figure: of each seed}}; of one that translates, each way."""
    found = {}
    for weights, figures in runs[0]['figures'].items():
        for name in figures:
            if not name.endswith(' sd'):  # within one evaluation
                way, _, figure = name.rpartition(' ')
                numbers = counts_of(runs[0]['protocol'], way)
                label = ', '.join(part for part in (way, numbers, weights) if part) if way else weights
                column = [run['figures'][weights][name] for run in runs]
                found.setdefault(label, {})[figure] = column
    return found


def circumstances(runs: list[dict]) -> list[str]:
    """Cells: how many seeds, their mean time, the software and hardware, the commits."""
    seconds = round(statistics.fmean(run['seconds'] for run in runs))
    time = f'{seconds // 60} min {seconds % 60} s' if seconds >= 60 else f'{seconds} s'
    with_ = [f'{name} {run[name]}' for run in runs for name in ('jax', 'pytorch') if name in run]
    distinct = lambda values: ', '.join(dict.fromkeys(values))
    hardware = distinct(run['hardware'] for run in runs)
    return [str(len(runs)), time, f'{distinct(with_)}; {hardware}', distinct(run['commit'] for run in runs)]


def not_yet(known: set[str]) -> str:
    """The configs that are not `known`, each with what it is and the command that would record it."""
    rows = [['config', 'what', 'command', 'published']]
    for path in sorted((ROOT / 'configs').glob('*.py')):
        if path.stem not in known:
            what = str(ast.get_docstring(ast.parse(path.read_text()))).partition('\n')[0].rstrip('.')
            data = '' if has_its_data(load_config(str(path), {}).data) else ' --config.data.data_dir=DIR'
            command = f'`python benchmarks/record.py --config=configs/{path.name}{data}`'
            rows.append([_link(path.stem), what, command, PUBLISHED.get(path.stem, '')])
    return table(rows)


def has_its_data(data) -> bool:
    """Whether `config.data` is made, or comes with the package."""
    names = [data.name] if isinstance(data.name, str) else data.name
    return all(name in MIXTURES or (EMBEDDED / name.removeprefix(PREFIX)).is_dir() for name in names)


def name_of(run: dict) -> str:
    """A row's: the config, what was changed in it, and the peer's."""
    changes = ', '.join(f'`{name}={value}`' for name, value in run['changed'].items())
    trainer = 'PyTorch: ' if run['trainer'] == 'pytorch' else ''
    return trainer + _link(run['config']) + (f', {changes}' if changes else '')


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation, the latter to two digits or to ones, the mean to as many places."""
    mean, deviation = mean_and_sd(values)
    if mean is None:
        return 'not finite'
    if not deviation:
        return f'{mean:.4g}' + ('' if deviation is None else ' ± 0')
    places = max(0, 1 - math.floor(math.log10(deviation)))
    return f'{mean:.{places}f} ± {deviation:.{places}f}'


def shorten(value) -> str:
    """A number with its thousands, several values side by side, a hash by its first digits."""
    text = f'{value:,}' if isinstance(value, int) else str(value)
    if isinstance(value, list | tuple):
        text = ', '.join(map(str, value))
    return f'{text[:12]}…' if re.fullmatch('[0-9a-f]{64}', text) else text


def table(rows: list) -> str:
    """Markdown, its first row the heading."""
    line = lambda cells: f'| {" | ".join(cells)} |\n'
    heading, *others = rows
    return line(heading) + line(['---'] * len(heading)) + ''.join(map(line, others))


def _grouped(runs: list[dict]) -> list[list[dict]]:
    groups = {}
    for run in runs:
        groups.setdefault(json.dumps(_who(run)), []).append(run)
    return sorted(groups.values(), key=lambda group: bool(group[0]['changed']))  # the config itself first


def _who(run: dict) -> list:
    return [run['trainer'], run['config'], run['changed']]


def _link(config: str) -> str:
    return f'[{config}](../configs/{config}.py)'


if __name__ == '__main__':
    sys.exit(cli.run(main))
