"""Many runs as one program: each is the run that train.py makes of its config; what they come to is told."""

import json
import os
import re
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest

from commands import train
from gan_jax import checkpoint, ensemble, loop, parallel, sample, seeds, together
from gan_jax.base import TrainingFailed, UserError
from gan_jax.config import load_config
from gan_jax.gans import load_system
from gan_jax.members import members_of, traced
from gan_jax.state_bytes import state_sha256
from gan_jax.together import train_members
from gan_jax.train_state import TrainState
from gan_jax.trained import open_run
from gan_jax.writers import read_records
from helpers import ROOT, config_path, flags, small_config, small_overrides

RATE_OF_D = 'optimizer.discriminator.learning_rate'
# So large that a step moves the weights by more than they were rounded.
RATES = {f'optimizer__{player}__learning_rate': 0.01 for player in ('generator', 'discriminator')}
EACH_SYSTEM = {
    'gan': {'gan__critic_steps': 2, 'data__flip': 'true'},
    'dcgan': {'data__placement': 'host'},
    'progan': {},
    'cyclegan': {  # see test_devices
        'num_steps': 3,
        'data__resolution': 16,
        'data__load_resolution': 16,
        'gan__generator_width': 4,
        **dict.fromkeys(RATES, 1e-4),
    },
}


@pytest.fixture
def plain_sgd(monkeypatch):
    """In Adam's place, which would magnify the rounding of gradients that are nearly zero."""
    monkeypatch.setattr(optax, 'adam', lambda rate, b1, b2: optax.sgd(rate))


def small_members(system, num_seeds, sweeps=None, **overrides):
    path = f'{ROOT}/configs/{system}_fashion_mnist.py'
    return members_of(path, small_overrides(system, **overrides), num_seeds, sweeps or {})


def state_of(workdir) -> TrainState:
    """That of the newest checkpoint, as `sample` reads it."""
    return open_run(workdir).state


def assert_same_run(folder, alone, rtol=1e-4, atol=2e-6):
    """A member's folder holds the state of a run alone, to rounding."""
    state, other = (
        jax.tree_util.tree_leaves_with_path(each.replace(rng=())) for each in (state_of(folder), alone)
    )
    for (path, a), (_, b) in zip(state, other, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol, atol, err_msg=jax.tree_util.keystr(path))
    assert (jax.random.key_data(state_of(folder).rng) == jax.random.key_data(alone.rng)).all()


@pytest.mark.parametrize(
    ('system', 'num_devices', 'over'),
    [
        ('gan', 1, jax.vmap),
        ('dcgan', 1, ensemble.in_turn),
        # Other systems, and members that have a device each, as those of `swept` have.
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ('gan', 8, jax.vmap),  # of which two do
                ('gan', 2, ensemble.in_turn),
                ('dcgan', 1, jax.vmap),
                ('progan', 2, jax.vmap),
                ('progan', 1, ensemble.in_turn),
                ('cyclegan', 1, jax.vmap),
                ('cyclegan', 2, ensemble.in_turn),
            )
        ],
    ],
)
def test_a_member_is_the_run_of_its_seed_alone(system, num_devices, over, tmp_path, plain_sgd, monkeypatch):
    monkeypatch.setattr(ensemble, 'over_members', lambda *_: over)
    devices, overrides = jax.local_devices()[:num_devices], {**RATES, **EACH_SYSTEM[system]}
    members = small_members(system, 2, **overrides)
    assert [member.name for member in members] == ['seed_0', 'seed_1']
    result = train_members(members, tmp_path / 'all', devices)
    config = small_config(system, seed=1, **overrides)
    assert members[1].config == config
    alone = loop.train(config, tmp_path / 'alone', devices)
    assert_same_run(tmp_path / 'all/seed_1', alone)
    read = lambda folder: [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    for ours, theirs in zip(read(tmp_path / 'all/seed_1'), read(tmp_path / 'alone'), strict=True):
        assert set(ours) == set(theirs)
        for name in ('step', 'kimg', 'discriminator_loss', 'generator_loss', 'discriminator_gradient_norm'):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3), name
    pictures = lambda folder: sorted(path.name for path in folder.rglob('*.png'))
    assert pictures(tmp_path / 'all/seed_1') == pictures(tmp_path / 'alone')
    first, second = (state_of(tmp_path / 'all' / member.name) for member in members)
    assert state_sha256(first) != state_sha256(second)
    assert [run.state_sha256 for run in result.runs] == [state_sha256(first), state_sha256(second)]


@pytest.fixture(scope='module')
def swept(tmp_path_factory):
    """A folder of two seeds for each of two rates, as the command leaves it, and what was compiled for it."""
    workdir, compiled = tmp_path_factory.mktemp('seeds') / 'all', []

    def listen(event, seconds, **facts):
        if event == '/jax/core/compile/backend_compile_duration':
            compiled.append(facts['fun_name'])

    jax.monitoring.register_event_duration_secs_listener(listen)
    arguments = [
        *flags('gan', num_steps=6),
        '--num_seeds=2',
        f'--workdir={workdir}',
        f'--sweep={RATE_OF_D}=2,5e-1',
    ]
    seeds.main([*arguments, '--sweep', 'optimizer.generator.momentum=0.25'])
    return workdir, tuple(compiled)


def test_members_are_shared_out_among_devices_evenly():
    devices = list('abcdefgh')
    assert [len(ensemble.devices_for(number, devices)) for number in (1, 2, 3, 7, 8, 9, 12, 16, 17)] == [
        *(1, 2, 3, 7, 8, 3, 6, 8, 1)
    ]


@pytest.mark.parametrize(
    ('number', 'cores', 'expected'), [(8, 2, 2), (8, 3, 4), (3, 2, 3), (7, 2, 1), (4, 16, 4)]
)
def test_a_processor_is_as_many_devices_as_the_members_need(number, cores, expected, monkeypatch):
    told = {}
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: range(cores))
    monkeypatch.setattr(jax.config, 'update', told.__setitem__)
    parallel.have_cpus(number)
    assert told == {}  # as a person has said how many, conftest here
    monkeypatch.delenv('JAX_NUM_CPU_DEVICES')
    parallel.have_cpus(number)
    assert told == {'jax_num_cpu_devices': expected}


def test_large_steps_take_turns_on_a_cpu():
    config = load_config(f'{ROOT}/configs/gan_fashion_mnist.py', {})
    stage = load_system('gan').stages(config)[0]
    cpu, gpu = ([SimpleNamespace(platform=platform)] for platform in ('cpu', 'gpu'))
    large = traced(config, stage, None)({})
    small = traced(small_config('gan'), stage, None)({})
    assert ensemble.over_members(stage, large, cpu) is ensemble.in_turn
    assert ensemble.over_members(stage, large, gpu) is jax.vmap
    assert ensemble.over_members(stage, small, cpu) is jax.vmap


def summary_of(workdir):
    return json.loads((workdir / 'summary.json').read_text())


def test_a_swept_value_is_that_of_a_run_alone(swept, tmp_path):
    folder = swept[0] / '0.5_0.25_seed_1'
    sets = {RATE_OF_D.replace('.', '__'): 0.5, 'optimizer__generator__momentum': 0.25}
    config = small_config('gan', num_steps=6, seed=1, **sets)
    assert open_run(folder).config == config
    assert_same_run(folder, loop.train(config, tmp_path))
    others = [state_of(swept[0] / name) for name in ('2.0_0.25_seed_1', '0.5_0.25_seed_0')]
    for other in others:
        with pytest.raises(AssertionError):
            assert_same_run(folder, other)


def test_all_runs_are_one_program(swept):
    assert swept[1].count('jit(_fun)') == 2, swept[1]  # pmap's name for the step, and for the sampler
    assert swept[1].count('jit(<lambda>)') == 1  # makes the state of each


def test_all_is_told_in_one_place(swept):
    workdir, _ = swept
    names = [f'{rate}_0.25_seed_{seed}' for rate in ('2.0', '0.5') for seed in (0, 1)]
    told = summary_of(workdir)
    assert [run['name'] for run in told['runs']] == names
    assert told['step'] == 6
    assert told['images_per_second'] > 0
    assert told['compile_seconds'] > 0
    records = [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]
    assert [(record['step'], record['member']) for record in records] == [(4, name) for name in names] + [
        (6, name) for name in names
    ]
    for record, run in zip(records[4:], told['runs'], strict=True):
        own = (workdir / run['name'] / 'metrics.jsonl').read_text().splitlines()[-1]
        assert {**json.loads(own), **run['metrics']} == json.loads(own)
        assert record == {**json.loads(own), 'member': run['name'], 'seed': run['seed'], **run['values']}
    for group, runs in zip(told['groups'], (told['runs'][:2], told['runs'][2:]), strict=True):
        assert group['values'] == runs[0]['values'] == runs[1]['values']
        losses = [run['metrics']['generator_loss'] for run in runs]
        assert group['mean']['generator_loss'] == pytest.approx(np.mean(losses))
        assert group['sd']['generator_loss'] == pytest.approx(np.std(losses, ddof=1))


def test_a_members_folder_is_a_workdir(swept, tmp_path, capsys):
    workdir, _ = swept
    run = summary_of(workdir)['runs'][2]
    sample.main([f'--workdir={workdir}/{run["name"]}', f'--out={tmp_path}/grid.png'])
    checkpoint.main([f'--workdir={workdir}/{run["name"]}'])
    line = f'step 6 · 0.096 kimg · state sha256 {run["state_sha256"]}\n'
    assert capsys.readouterr().out == f'{tmp_path}/grid.png\n{line}'
    sets = {RATE_OF_D.replace('.', '__'): 0.5, 'optimizer__generator__momentum': 0.25, 'num_steps': 6}
    train([*flags('gan', **sets), f'--workdir={workdir}/{run["name"]}'])
    assert capsys.readouterr().out.endswith(line)


def test_the_folder_of_all_is_none(swept, monkeypatch, capsys):
    workdir, _ = swept
    for main, arguments in [
        (train, [*flags('gan'), f'--workdir={workdir}']),
        (sample.main, [f'--workdir={workdir}']),
        (seeds.main, [*flags('gan'), f'--workdir={workdir}']),
    ]:
        with pytest.raises(
            UserError, match=r'--workdir: .* (is not the config of a run|has something in it)'
        ):
            main(arguments)


def test_a_run_that_diverges_does_not_touch_the_others(tmp_path, capsys):
    one, other = '1e+18_seed_0', '0.1_seed_0'
    arguments = [*flags('gan', num_steps=6, gan__loss='wasserstein'), f'--workdir={tmp_path}/all']
    with pytest.raises(TrainingFailed, match=rf"^{re.escape(one)}: step \d: the \w+'s [\w ]+ is (nan|inf)$"):
        seeds.main([*arguments, f'--sweep={RATE_OF_D}=1e18,0.1'])
    out, err = capsys.readouterr()
    assert f'{one}: step ' in err
    assert 'mean ± sd of 0' in out
    failed, finished = summary_of(tmp_path / 'all')['runs']
    assert failed['failure'] in err
    assert failed['state_sha256'] == ''
    assert not (tmp_path / 'all' / one / 'checkpoints').exists()
    assert finished['failure'] == ''
    rate = {RATE_OF_D.replace('.', '__'): 0.1}
    config = small_config('gan', num_steps=6, gan__loss='wasserstein', **rate)
    assert_same_run(tmp_path / 'all' / other, loop.train(config, tmp_path / 'alone'))


def test_where_all_diverge_at_once_that_is_told(tmp_path, capsys):
    rates = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    arguments = [*flags('points', gan__loss='wasserstein', **rates), '--num_seeds=2']
    with pytest.raises(TrainingFailed, match=r'^seed_0: step 1: .*; seed_1: step 1: '):
        seeds.main([*arguments, f'--workdir={tmp_path}/all'])
    assert [run['state_sha256'] for run in summary_of(tmp_path / 'all')['runs']] == ['', '']


def test_steps_that_are_to_be_skipped_are_counted_by_each(tmp_path, capsys):
    members = small_members(
        'gan', 1, {RATE_OF_D: ['1e18', '0.1']}, gan__loss='wasserstein', on_nonfinite='skip'
    )
    diverging, sound = train_members(members, tmp_path).runs
    assert diverging.failure == ''
    assert diverging.metrics['skipped_steps'] > 0
    assert sound.metrics['skipped_steps'] == 0
    assert re.search(
        r"1e\+18_seed_0: step \d: the \w+'s .* of the last \d steps were skipped", capsys.readouterr().err
    )


def test_runs_that_do_not_fit_are_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(together, 'device_memory_bytes', lambda devices: 10**5)
    with pytest.raises(
        UserError, match=r'--num_seeds: 2 runs need \S+ GiB on each device, which has \S+ GiB; '
    ):
        train_members(small_members('gan', 2), tmp_path / 'all')
    assert not (tmp_path / 'all').exists()


def test_each_is_measured_at_its_end(tmp_path, capsys):
    """As a run alone measures itself, with z of its own seed; what is to be doubted is said."""
    fields = {'evaluate_every_steps': 8, 'evaluation__metrics': 'fd,kid,modes'}
    runs = members_of(str(config_path('points')), small_overrides('points', **fields), 2, {})
    result = train_members(runs, tmp_path / 'together', jax.devices()[:2])
    assert 'KD-points: 40 pictures make small blocks; takes 1000' in capsys.readouterr().err
    together = read_records(tmp_path / 'together/metrics.jsonl')[-2:]
    for member, outcome, line in zip(runs, result.runs, together, strict=True):
        assert (line['member'], line['FD-points']) == (member.name, outcome.metrics['FD-points'])
        own = read_records(tmp_path / 'together' / member.name / 'metrics.jsonl')[-1]
        assert own['FD-points'] == outcome.metrics['FD-points']
    second, told = runs[1], result.runs[1].metrics
    loop.train(second.config, tmp_path / 'alone', jax.devices()[:2])
    last = read_records(tmp_path / 'alone/metrics.jsonl')[-1]
    assert told['FD-points'] == pytest.approx(last['FD-points'], rel=1e-3)
    assert told['modes'] == last['modes']
    assert list(read_records(tmp_path / 'together' / second.name / 'metrics.jsonl')[-1]) == list(last)
    assert result.runs[0].metrics['FD-points'] != result.runs[1].metrics['FD-points']
