"""The benchmark of mode coverage: real runs, their samples counted, and a table of all seeds."""

import json

import pytest

from benchmarks import mode_coverage
from gan_jax.base import TrainingFailed, UserError
from helpers import ROOT, flags


def test_each_seed_is_a_run_and_a_row(tmp_path, capsys):
    mode_coverage.main([*flags('points', num_steps=2), '--seeds=3,4', f'--json={tmp_path}/a.json'])
    result = json.loads((tmp_path / 'a.json').read_text())
    assert [each['seed'] for each in result['seeds']] == [3, 4]
    for each in result['seeds']:
        assert 0 <= each['modes'] <= 25
        assert 0 <= each['high_quality'] <= 1
        assert each['reverse_kl'] >= 0
        assert each['seconds'] > 0
        assert each['processor_seconds'] > 0
    one, other = ([each[name] for name in ('high_quality', 'reverse_kl')] for each in result['seeds'])
    assert one != other
    heading, *rows = capsys.readouterr().out.splitlines()
    assert ' '.join(heading.split()) == 'seed modes high quality reverse KL seconds processor s'
    assert [row.split()[0] for row in rows] == ['3', '4', 'mean', 'sd']


def test_a_table_ends_with_the_mean_and_the_deviation():
    rows = [dict.fromkeys(mode_coverage.COLUMNS, value) | {'seed': value} for value in (1, 2, 3)]
    _, *_, mean, deviation = (line.split() for line in mode_coverage.table(rows).splitlines())
    assert mean[:3] == ['mean', '2.0', '2.0000']
    assert deviation[:3] == ['sd', '1.0', '1.0000']
    assert len(mode_coverage.table(rows[:1]).splitlines()) == 3


def test_what_cannot_be_counted_is_told():
    with pytest.raises(UserError, match='takes one whose data are points'):
        mode_coverage.main([f'--config={ROOT}/configs/gan_fashion_mnist.py'])
    diverging = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    with pytest.raises(TrainingFailed, match='ended with code 1: step 1: the '):
        mode_coverage.main([*flags('points', gan__loss='wasserstein', **diverging), '--seeds=0'])
