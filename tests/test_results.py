"""Recorded runs, and the page of results that is made of them."""

import json
import re
import sys

import pytest

from benchmarks import record, results
from gan_jax.base import TrainingFailed, UserError
from gan_jax.metrics.figures import counted
from helpers import ROOT, flags

PROTOCOL = {'reals': 'garments', 'split': 'train', 'network': 'small_cnn', 'resolution': 32}
PROTOCOL |= {'number of fakes': 10_000, 'number of reals': 2_500, 'features': 128}
# Stands in for the environment with PyTorch: draws gray pictures, as many as an evaluation looks at.
DRAWS = f"""#!{sys.executable}
import json, pathlib, sys
from PIL import Image
import numpy as np
request = json.loads(sys.argv[2])
workdir, size = pathlib.Path(request['workdir']), request['config']['data']['resolution']
assert np.load(workdir / 'images.npy').shape[1:] == (size, size, 1)
(workdir / 'pictures').mkdir()
for place in range(request['config']['evaluation']['num_samples']):
    Image.new('L', (size, size), place).save(workdir / 'pictures' / f'{{place}}.png')
print(json.dumps({{'pytorch': '2.0', 'seconds_of_drawing': 0.25}}))
"""


def run_of(seed, seconds=61.0, trainer='gan_jax', changed=(), pixels=32, **figures):
    """A line of results.jsonl."""
    return {
        **{'config': 'dcgan_fashion_mnist', 'changed': dict(changed), 'trainer': trainer, 'seed': seed},
        **{'commit': 'abc', 'hardware': '2 cores', 'images': 192_000, 'jax': '0.10', 'seconds': seconds},
        **{'figures': {'averaged': figures}, 'protocol': {**PROTOCOL, 'resolution': pixels}},
    }


def rows_of(page, heading):
    """The cells of each row of the first table below a heading."""
    below = page.partition(f'## {heading}\n')[2].partition('\n## ')[0].strip()
    lines = below.partition('\n\n')[0].splitlines()
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_a_run_of_points_is_trained_measured_and_kept(tmp_path):
    out = tmp_path / 'a.jsonl'
    arguments = flags('points', num_steps=2, evaluation__num_samples=500)
    record.main([*arguments, '--seeds=3', f'--out={out}', f'--keep={tmp_path}/kept'])
    (run,) = map(json.loads, out.read_text().splitlines())
    assert run['seed'] == 3
    assert run['config'] == 'gan_25_gaussians'
    assert run['changed']['num_steps'] == '2'
    assert re.fullmatch('[0-9a-f]{10}[+]?|[+]?', run['commit'])
    assert run['seconds'] > 0
    for figures in (run['figures']['averaged'], run['figures']['as they are']):
        assert 0 <= figures['modes'] <= 25
        assert 0 <= figures['high_quality'] <= 1
        assert figures['reverse_kl'] >= 0
    assert run['figures']['averaged'] != run['figures']['as they are']
    assert run['protocol']['number of fakes'] == 500
    assert str(tmp_path) not in out.read_text()
    assert json.loads((tmp_path / 'kept/seed_3/config.json').read_text())['seed'] == 3


def test_the_other_trainer_is_measured_by_its_pictures(tmp_path):
    python, out = tmp_path / 'python', tmp_path / 'a.jsonl'
    python.write_text(DRAWS)
    python.chmod(0o755)
    small = ['--config.evaluation.num_samples=20', '--config.evaluation.metrics=fd', '--seeds=0']
    config = f'--config={ROOT}/configs/dcgan_fashion_mnist.py'
    record.main([config, *small, '--peer', f'--peer_python={python}', f'--out={out}'])
    (run,) = map(json.loads, out.read_text().splitlines())
    assert (run['trainer'], run['pytorch'], run['images']) == ('pytorch', '2.0', 3000 * 64)
    assert run['figures']['as they are']['FD-small_cnn'] > 0
    assert run['protocol']['number of fakes'] == 20


def test_a_run_that_fails_is_told(tmp_path):
    diverging = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    arguments = flags('points', gan__loss='wasserstein', **diverging)
    with pytest.raises(TrainingFailed, match=r'ended with code 1: (.* \| )?step 1: the '):
        record.main([*arguments, '--seeds=0', f'--out={tmp_path}/a.jsonl'])
    assert not (tmp_path / 'a.jsonl').exists()


def test_seeds_are_a_row_with_their_mean_and_deviation():
    runs = [run_of(seed, 60 + seed, FD=value) for seed, value in enumerate((1.0, 2.0, 3.0))]
    heading, _, row = rows_of(results.page(runs), 'garments, small_cnn')
    assert heading == ['run', 'generator', 'images seen', 'FD (10k/2.5k)', 'seeds', 'time', 'with', 'commit']
    assert row[1:] == ['averaged', '192,000', '2.0 ± 1.0', '3', '1 min 1 s', 'jax 0.10; 2 cores', 'abc']
    assert 'resolution 32' in results.page(runs)


def test_what_differs_is_a_row_of_its_own():
    other = run_of(0, pixels=28, changed={'gan.loss': 'hinge'}, FD=4.0)
    page = results.page([run_of(0, FD=1.0), other, run_of(0, trainer='pytorch', FD=8.0)])
    heading, _, *rows = rows_of(page, 'garments, small_cnn')
    assert [row[heading.index('FD (10k/2.5k)')] for row in rows] == ['1', '8', '4']
    assert [row[heading.index('pixels')] for row in rows] == ['32', '32', '28']
    assert rows[1][0].startswith('PyTorch: ')
    assert '`gan.loss=hinge`' in rows[2][0]  # behind the configs themselves
    assert 'resolution' not in page.partition('## Without')[0]


def test_each_way_of_a_translation_is_a_row():
    ways = {
        'a_to_b FD': 1.0,
        'a_to_b KD': 2.0,
        'a_to_b KD sd': 0.1,
        'b_to_a FD': 3.0,
        'a_to_b_to_a error': 4.0,
    }
    run = run_of(0, **ways)
    for name in ('number of fakes', 'number of reals'):
        run['protocol'].pop(name)
    run['protocol'] |= counted(12, 18, 'a_to_b') | counted(18, 12, 'b_to_a')
    heading, _, *rows = rows_of(results.page([run]), 'garments, small_cnn')
    assert heading[3:6] == ['FD', 'KD', 'error']
    assert [row[1] for row in rows] == [
        'a_to_b, 12/18, averaged',
        'b_to_a, 18/12, averaged',
        'a_to_b_to_a, averaged',
    ]
    assert [row[3:6] for row in rows] == [['1', '2', ''], ['3', '', ''], ['', '', '4']]


def test_other_numbers_of_pictures_are_another_table():
    few = run_of(1, FD=3.0)
    few['protocol'] = {**few['protocol'], 'number of fakes': 1000}
    both = {**few, 'protocol': {**few['protocol'], **counted(5, 6, 'a_to_b')}}
    page = results.page([run_of(0, FD=1.0), few, both])
    assert page.count('## garments, small_cnn') == 3
    assert 'FD (1k/2.5k)' in page
    assert page.count('FD-small_cnn: 5 pictures are no more than its 128 features') == 1


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([12.31, 12.35], '12.330 ± 0.028'),
        ([1234.0, 1290.0], '1262 ± 40'),
        ([25.0, 25.0], '25 ± 0'),
        ([0.123456], '0.1235'),
        ([1.0, None], 'not finite'),
    ],
)
def test_a_mean_has_as_many_places_as_its_deviation(values, expected):
    assert results.spread(values) == expected


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (
            ['--out=missing/a.jsonl'],
            '--out: .missing/a.jsonl. will not do; takes a file in a folder that exists',
        ),
        (['--keep=/'], '--keep: ./. is there already; takes a new folder'),
        (['--peer'], '--peer: points is not written there; takes gan, dcgan'),
        (['--seeds=0,1,0'], '--seeds: 0,1,0 will not do; takes each once'),
        (['--config.seed=3'], "--config.seed: '3' will not do; --seeds takes all of them"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(arguments, expected):
    with pytest.raises(UserError, match=expected):
        record.main([*flags('points'), *arguments])


def test_a_config_without_a_run_has_its_command_and_no_number():
    heading, _, *rows = rows_of(results.page([run_of(0, FD=1.0)]), 'Without figures so far')
    cells = {row[0].partition(']')[0].strip('['): row for row in rows}
    configs = {path.stem for path in (ROOT / 'configs').glob('*.py')}
    assert set(cells) == configs - {'dcgan_fashion_mnist'}
    changed = results.page(
        [run_of(0, changed={'num_steps': '2'}, FD=1.0), run_of(0, trainer='pytorch', FD=1.0)]
    )
    assert '[dcgan_fashion_mnist]' in changed.partition('## Without figures')[2]
    assert 'data_dir' not in cells['dcgan_stacked_fashion_mnist'][heading.index('command')]
    command = cells['dcgan_cifar10'][heading.index('command')]
    assert command == (
        '`python benchmarks/record.py --config=configs/dcgan_cifar10.py --config.data.data_dir=DIR`'
    )


def test_the_page_is_what_the_recorded_runs_say():
    """python benchmarks/results.py"""
    assert results.PAGE.read_text() == results.page(results.recorded())
