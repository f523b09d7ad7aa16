"""Makes docs/results.md of the runs that `record.py` has kept: python benchmarks/results.py

A table for each way of measuring, a row for each config: mean ± sample standard deviation over its seeds. A
config that nobody has recorded yet stands in the last table with its command, and no number.
"""

import ast
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.record import RECORDED, ROOT
from gan_jax import cli
from gan_jax.outcome import mean_and_sd
from gan_jax.pictures import write_atomically

PAGE = ROOT / 'docs/results.md'
INTRODUCTION = """# Results

Made by `python benchmarks/results.py` from the runs in [results.jsonl](results.jsonl), each of which
`python benchmarks/record.py --config=… --seeds=0,1,2` has trained and measured. Numbers are the mean ± the
sample standard deviation over the seeds. The generator is measured with its weights averaged over training,
and as they are at the end; below a table stands what all of its rows share, and
[evaluation.md](evaluation.md) says what that means. Time is that of the training of one seed, compilation and
its own evaluations included. A figure compares with those of its own table, and with no others.
"""
# Of a protocol: rows that agree in these are one table.
MEASURED_BY = ('reals', 'split', 'network', 'weights sha256')
# By data set: who reports it, of what, and modes, share of high quality in percent, reverse KL as there.
PUBLISHED_MODES = {
    '25_gaussians': [
        ('Srivastava et al. 2017', 'GAN', '3.3', '0.5', ''),
        ('Srivastava et al. 2017', 'VEEGAN', '24.6', '40', ''),
        ('Lin et al. 2018', 'GAN', '17.3 ± 0.8', '94.8 ± 0.7', '0.70 ± 0.07'),
        ('Lin et al. 2018', 'PacGAN2', '23.8 ± 0.7', '91.3 ± 0.8', '0.14 ± 0.04'),
    ],
    '8_gaussians': [
        ('Srivastava et al. 2017', 'GAN', '1', '99.3', ''),
        ('Srivastava et al. 2017', 'VEEGAN', '8', '52.9', ''),
        ('Lin et al. 2018', 'GAN', '6.3 ± 0.5', '98.2 ± 0.2', '0.45 ± 0.09'),
        ('Lin et al. 2018', 'PacGAN2', '7.9 ± 0.1', '95.6 ± 2.0', '0.07 ± 0.03'),
    ],
}
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
        groups.setdefault(tuple(run['protocol'].get(name) for name in MEASURED_BY), []).append(run)
    for (reals, *_), group in groups.items():
        parts += [f'## {reals}, {group[0]["protocol"]["network"]}\n', *measured(group)]
        if published := PUBLISHED_MODES.get(reals):
            heading = ['published by', 'of', 'modes', 'high quality, %', 'reverse KL']
            parts.append(table([heading, *published]))
    known = {run['config'] for run in runs}
    parts += ['## Without figures so far\n', not_yet(known)]
    return '\n'.join(parts)


def measured(runs: list[dict]) -> list[str]:
    """The table of runs that are measured in one way, and what they share."""
    protocols = [run['protocol'] for run in runs]
    shared = {
        name: value
        for name, value in protocols[0].items()
        if name == 'seed' or all(protocol.get(name) == value for protocol in protocols)
    }
    has_pixels = 'resolution' not in shared
    rows, figures = [], {}
    for of_config in _grouped(runs):
        for label, columns in columns_of(of_config).items():
            first = of_config[0]
            figures |= dict.fromkeys(columns)
            pixels = [str(first['protocol']['resolution'])] if has_pixels else []
            rows.append(([name_of(first), label, *pixels, f'{first["images"]:,}'], columns, of_config))
    heading = ['run', 'generator', *(['pixels'] if has_pixels else []), 'images seen', *figures]
    lines = [[*heading, 'seeds', 'time', 'with', 'commit']]
    for start, columns, of_config in rows:
        numbers = [spread(columns[figure]) if figure in columns else '' for figure in figures]
        lines.append([*start, *numbers, *circumstances(of_config)])
    told = ', '.join(f'{name} {shorten(value)}' for name, value in shared.items())
    return [table(lines), f'{told}.\n']


def columns_of(runs: list[dict]) -> dict[str, dict[str, list]]:
    """{what was measured of a generator: {figure: of each seed}}; of one that translates, each way."""
    found = {}
    for weights, figures in runs[0]['figures'].items():
        for name in figures:
            if not name.endswith(' sd'):  # within one evaluation
                way, _, figure = name.rpartition(' ')
                column = [run['figures'][weights][name] for run in runs]
                found.setdefault(way or weights, {})[figure] = column
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
            text = path.read_text()
            what = str(ast.get_docstring(ast.parse(text))).partition('\n')[0].rstrip('.')
            data = ' --config.data.data_dir=DIR' if 'data_dir=' in text else ''
            command = f'`python benchmarks/record.py --config=configs/{path.name}{data}`'
            rows.append([_link(path.stem), what, command, PUBLISHED.get(path.stem, '')])
    return table(rows)


def name_of(run: dict) -> str:
    """A row's: the config, what was changed in it, and the peer's."""
    changes = ', '.join(f'`{name}={value}`' for name, value in run['changed'].items())
    trainer = 'PyTorch: ' if run['trainer'] == 'pytorch' else ''
    return trainer + _link(run['config']) + (f', {changes}' if changes else '')


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation, to what the latter leaves of the digits."""
    mean, deviation = mean_and_sd(values)
    if mean is None:
        return 'not finite'
    return f'{mean:.3g}' + ('' if deviation is None else f' ± {deviation:.2g}')


def shorten(value) -> str:
    """A number with its thousands, a hash by its first digits."""
    text = f'{value:,}' if isinstance(value, int) else str(value)
    return f'{text[:12]}…' if len(text) == 64 else text


def table(rows: list) -> str:
    """Markdown, its first row the heading."""
    line = lambda cells: f'| {" | ".join(cells)} |\n'
    heading, *others = rows
    return line(heading) + line(['---'] * len(heading)) + ''.join(map(line, others))


def _grouped(runs: list[dict]) -> list[list[dict]]:
    groups = {}
    for run in runs:
        groups.setdefault(json.dumps(_who(run)), []).append(run)
    return list(groups.values())


def _who(run: dict) -> list:
    return [run['trainer'], run['config'], run['changed']]


def _link(config: str) -> str:
    return f'[{config}](../configs/{config}.py)'


if __name__ == '__main__':
    sys.exit(cli.run(main))
