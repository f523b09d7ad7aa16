"""The benchmark's one JSON object."""

import importlib.util
import json

from helpers import ROOT, flags


def test_a_measurement_has_its_fields_and_they_fit_together(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location('throughput', ROOT / 'benchmarks' / 'throughput.py')
    throughput = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(throughput)
    throughput.main([*flags('gan'), '--repeats=3', f'--json={tmp_path / "a.json"}'])
    result = json.loads((tmp_path / 'a.json').read_text())
    assert result['num_devices'] == 8
    seconds = result['step_seconds']
    assert 0 < seconds['min'] <= seconds['median'] <= seconds['max']
    assert abs(result['images_per_second'] * seconds['median'] - 16) < 1e-6
    assert result['compile_seconds'] > 0
    assert result['least_flops_per_step'] > 0
    assert 'images_per_second' in capsys.readouterr().out
