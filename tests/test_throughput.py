"""The benchmark: its one JSON object, its turns with a peer, its sweeps."""

import contextlib
import json
import sys

import pytest

from benchmarks import measure, throughput
from benchmarks.peer import Peer
from gan_jax.base import UserError
from gan_jax.data.domains import example_shape
from helpers import ROOT, flags

FIELDS = {
    *('system', 'resolution', 'batch_size', 'dtype', 'num_devices', 'device_kind', 'jax_version'),
    *('steps_per_dispatch', 'step_seconds', 'images_per_second', 'images_per_second_per_device'),
    *('seconds_per_kimg', 'flops_per_step', 'least_flops_per_step', 'achieved_flops_per_second', 'mfu'),
    *('peak_memory_bytes', 'compile_seconds', 'time_to_first_step_seconds', 'data_wait_fraction'),
    *('program_memory_bytes', 'product_flops_per_second', 'pipeline_step_seconds', 'pipeline_to_synthetic'),
}
# Plays a peer: a hundredth of a second a step.
STUB = """#!{python}
import sys
sys.stdin.readline()
print('{{"pytorch_version": "none"}}', flush=True)
for line in sys.stdin:
    print(0.01 * int(line), flush=True)
print(12345, flush=True)
"""


def run(tmp_path, *arguments):
    """The benchmark's JSON."""
    throughput.main([*arguments, f'--json={tmp_path / "a.json"}'])
    return json.loads((tmp_path / 'a.json').read_text())


def stub(tmp_path, text):
    """A file to give as the peer's Python."""
    path = tmp_path / 'python'
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def test_a_measurement_has_its_fields_and_they_fit_together(tmp_path, capsys):
    result = run(tmp_path, *flags('gan'), '--repeats=3', '--peak-tflops=0.5', f'--trace={tmp_path / "trace"}')
    assert set(result) == FIELDS
    assert result['num_devices'] == 8
    seconds = result['step_seconds']
    assert 0 < seconds['min'] <= seconds['median'] <= seconds['max']
    assert abs(result['images_per_second'] * seconds['median'] - 16) < 1e-6
    assert result['compile_seconds'] > 0
    assert result['peak_memory_bytes'] > 10**6
    least_per_second = result['least_flops_per_step'] / seconds['median']
    assert result['mfu'] == pytest.approx(least_per_second / 8 / 0.5e12)
    assert 0 <= result['data_wait_fraction'] < 1
    first = result['time_to_first_step_seconds']
    assert first['cold'] > 0
    assert first['warm'] > 0
    assert list((tmp_path / 'trace').rglob('*.xplane.pb'))
    assert 'images_per_second' in capsys.readouterr().out


def test_a_peer_takes_turns_and_data_that_are_not_prepared_leave_nulls(tmp_path, capsys):
    data = [f'--config.data.data_dir={tmp_path}', '--config.data.name=cifar10']
    others = [flag for flag in flags('gan') if 'data.split' not in flag]
    result = run(tmp_path, *others, *data, '--repeats=3', '--peer', f'--peer_python={stub(tmp_path, STUB)}')
    assert set(result) == FIELDS | {'peer', 'best_peer', 'ratio_to_peer'}
    for form in ('eager', 'channels_last', 'compile'):
        peer = result['peer'][form]
        assert peer['median'] == pytest.approx(0.01)
        assert peer['peak_memory_bytes'] == 12345
    assert result['ratio_to_peer']['median'] == pytest.approx(0.01 / result['step_seconds']['median'])
    for name in ('pipeline_step_seconds', 'pipeline_to_synthetic', 'data_wait_fraction'):
        assert result[name] is None
    assert result['time_to_first_step_seconds'] is None
    assert 'cifar10' in capsys.readouterr().err


def test_a_peer_that_does_not_run_is_told(tmp_path):
    broken = '#!/bin/sh\necho "no module named torch" >&2\n'
    with pytest.raises(UserError, match=r"--peer.*'eager'.*no module named torch"):
        run(tmp_path, *flags('gan'), '--only_step', '--peer', f'--peer_python={stub(tmp_path, broken)}')


def test_a_peer_that_ended_before_its_first_request_is_told(tmp_path):
    peer = Peer(
        throughput.load_config(str(ROOT / 'configs/gan_fashion_mnist.py'), {}),
        16,
        'eager',
        stub(tmp_path, '#!/bin/sh\n'),
    )
    peer.process.wait()
    with contextlib.closing(peer), pytest.raises(UserError, match=r"'eager'.*it ended"):
        peer.warm_up()


def test_a_sweep_has_a_row_and_a_point_for_each_value(tmp_path, capsys):
    plot = tmp_path / 'plot.png'
    result = run(tmp_path, *flags('gan'), '--repeats=1', '--sweep=num_devices=1,2', f'--plot={plot}')
    assert result['sweep'] == 'num_devices'
    assert [each['num_devices'] for each in result['results']] == [1, 2]
    assert [each['batch_size'] for each in result['results']] == [16, 32]  # the same for each device
    assert plot.read_bytes().startswith(b'\x89PNG')
    assert len(capsys.readouterr().out.splitlines()) == 4
    for value, message in (('num_devices=9', '9 will not do'), ('seed=1', "'seed=1' will not do")):
        with pytest.raises(UserError, match=message):
            run(tmp_path, *flags('gan'), f'--sweep={value}')


def test_the_stages_of_a_run_that_grows_add_up(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure, 'step_flops', lambda step, state, batch: 1e6)  # which takes half the time
    result = run(tmp_path, *flags('progan'), '--repeats=1', '--stages')
    assert [(each['resolution'], each['fade']) for each in result['stages']] == [
        (4, False),
        (8, True),
        (8, False),
    ]
    seconds = [each['compile_seconds'] + each['kimg'] * each['seconds_per_kimg'] for each in result['stages']]
    assert result['run_seconds'] == pytest.approx(sum(seconds))
    assert len(capsys.readouterr().out.splitlines()) == 5
    second = run(tmp_path, *flags('progan'), '--repeats=1', '--only_step', '--stage=2')
    for name in ('resolution', 'least_flops_per_step', 'program_memory_bytes'):
        assert second[name] == result['stages'][1][name]
    for more, message in (
        (['--stages', '--peer'], '--stages: will not do with --stage, --sweep or --peer'),
        (['--stage=4'], '--stage: 4 will not do; takes at most 3'),
        (['--stage=4', '--sweep=steps_per_dispatch=1'], '--stage: 4 will not do; takes at most 3'),
        (['--sweep=batch_size=8'], '--sweep: batch_size will not do where each stage has its batch size'),
    ):
        with pytest.raises(UserError, match=message):
            run(tmp_path, *flags('progan'), *more)


def test_every_config_that_trains_on_images_has_a_peer():
    for path in ROOT.glob('configs/*.py'):
        config = throughput.load_config(str(path), {})
        is_of_points = len(example_shape(config.data)) == 1
        assert (ROOT / f'benchmarks/peers/{config.system}.py').exists() != is_of_points
