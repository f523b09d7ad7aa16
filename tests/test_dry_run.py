"""What `--dry_run` tells: for people and as JSON, the same numbers."""

import json

from gan_jax import dry_run
from helpers import small_config


def test_a_report_has_a_row_for_each_stage_and_says_what_does_not_fit(monkeypatch):
    config = small_config('progan')
    # Which takes half the time; test_new_gan has a report with what it counts.
    monkeypatch.setattr(dry_run, 'step_flops', lambda step, state, batch: 1e6)
    result = dry_run.report(config)
    assert result['config'] == json.loads(json.dumps(config.to_dict()))
    fade = [stage['fade'] for stage in result['stages']]
    assert fade == [False, True, False]
    assert [stage['resolution'] for stage in result['stages']] == [4, 8, 8]
    assert [stage['num_steps'] for stage in result['stages']] == [4, 2, 2]
    for stage in result['stages']:
        assert stage['batch_size'] == 16 < stage['largest_batch_size']
        assert stage['flops_per_step'] == 1e6
    small, fading, settled = (stage['memory_bytes'] for stage in result['stages'])
    assert small < min(fading, settled)  # which of them needs more is the compiler's, where networks are tiny

    result['stages'][1]['largest_batch_size'] = 8
    monkeypatch.setattr(dry_run, 'report', lambda config: result)
    assert json.loads(dry_run.dry_run(config, 'json')) == result
    rows = dry_run.dry_run(config, 'text').splitlines()[-3:]
    assert [row.endswith('does not fit') for row in rows] == [False, True, False]
