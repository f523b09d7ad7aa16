"""Each watchdog sees what it watches for, names it, and is silent otherwise."""

import re
import time

import jax
import numpy as np
import pytest

from gan_jax import loop, train_step, watchdogs
from gan_jax.base import TrainingFailed
from gan_jax.compilation import Programs
from gan_jax.data.pipeline import feed
from gan_jax.watchdogs import Collapse, Replicas, StalledInput, StoppedWaiting, spread, symptoms
from helpers import run_steps, small_config

HEALTHY = {
    'discriminator_loss': 1.1,
    'generator_loss': 0.9,
    'real_probability': 0.6,
    'fake_probability': 0.4,
    'discriminator_gradient_norm': 0.3,
    'generator_gradient_norm': 0.2,
}


@pytest.fixture(scope='module')
def state():
    """On eight devices."""
    return run_steps(small_config('dcgan'), 8, 1)[0]


def drifted(state, leaf):
    """The state with one other bit in a leaf on the sixth device."""
    copies = [np.array(shard.data) for shard in leaf.addressable_shards]
    copies[5].reshape(-1)[-1:].view(np.uint32)[...] ^= 1
    pieces = jax.device_put(copies, jax.local_devices())
    changed = jax.make_array_from_single_device_arrays(leaf.shape, leaf.sharding, pieces)
    return jax.tree.map(lambda x: changed if x is leaf else x, state)


@pytest.mark.parametrize(
    ('part', 'leaf_of'),
    [
        ('params/generator', lambda state: jax.tree.leaves(state.params['generator'])[0]),
        ('opt_state/discriminator', lambda state: jax.tree.leaves(state.opt_state['discriminator'])[-1]),
        ('ema_params/', lambda state: jax.tree.leaves(state.ema_params)[2]),
        ('model_state/generator', lambda state: jax.tree.leaves(state.model_state['generator'])[0]),
        ('images_seen', lambda state: state.images_seen),
    ],
)
def test_one_bit_on_one_device_is_found_and_named(part, leaf_of, state):
    replicas = Replicas(jax.local_devices(), state, Programs())
    replicas.check(7, state)
    with pytest.raises(TrainingFailed, match=rf'step 7: device 5 has another {part}\S* than device 0 \('):
        replicas.check(7, drifted(state, leaf_of(state)))


def test_a_gradient_that_nobody_averages_ends_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(train_step.jax.lax, 'pmean', lambda x, axis_name: x)
    config = small_config('gan', log_every_steps=2, num_steps=4)
    with pytest.raises(TrainingFailed, match=r'step 2: device \d has another \S+ than device 0'):
        loop.train(config, tmp_path)
    assert not list((tmp_path / 'checkpoints').glob('*'))  # what differs is not saved


def test_whoever_turns_it_off_is_not_told(tmp_path, monkeypatch):
    monkeypatch.setattr(train_step.jax.lax, 'pmean', lambda x, axis_name: x)
    loop.train(small_config('gan', num_steps=2, watchdogs__replicas='false'), tmp_path)


@pytest.mark.parametrize(
    ('values', 'spread_of_samples', 'expected'),
    [
        ({}, 0.5, set()),
        ({}, None, set()),
        ({'discriminator_loss': 0.01, 'real_probability': 0.99, 'fake_probability': 0.01}, 0.5, {'won'}),
        # A critic's loss passes through 0, and its outputs are no probabilities.
        ({'discriminator_loss': -50.0, 'real_probability': 1.0, 'fake_probability': 0.0}, 0.5, set()),
        ({'discriminator_loss': 0.01, 'real_probability': 0.5, 'fake_probability': 0.5}, 0.5, set()),
        ({'discriminator_gradient_norm': 0.0}, 0.5, {'discriminator'}),
        ({'generator_gradient_norm': 1e-9}, 0.5, {'generator'}),
        ({}, 0.01, {'alike'}),
    ],
)
def test_symptoms(values, spread_of_samples, expected):
    found = symptoms({**HEALTHY, **values}, spread_of_samples, spread_of_reals=0.6)
    assert set(found) == expected
    for text in found.values():
        assert '; try ' in text or ', try ' in text


def test_a_collapse_is_told_once_when_it_has_lasted_and_again_when_it_comes_back():
    said = []
    collapse = Collapse(10, 0.6, said.append)
    lost = {**HEALTHY, 'generator_gradient_norm': 0.0}
    for kimg in range(0, 30, 2):
        collapse.look(kimg * 10, kimg, lost)
    assert len(said) == 1
    assert said[0].startswith('step 100: for 10 kimg the generator has had next to no gradient (norm 0)')
    collapse.look(300, 30, HEALTHY)
    for kimg in range(32, 60, 2):
        collapse.look(kimg * 10, kimg, lost)
    assert len(said) == 2


def test_no_time_means_never():
    said = []
    collapse = Collapse(0, 0.6, said.append)
    for kimg in range(0, 3000, 100):
        collapse.look(kimg, kimg, {**HEALTHY, 'generator_gradient_norm': 0.0})
    assert said == []


def test_a_generator_that_draws_one_picture_is_told(tmp_path, capsys, monkeypatch):
    """In a run: whatever z is, the samples are alike."""
    config = small_config('gan', watchdogs__collapse_kimg=0.05, sample_every_steps=2, log_every_steps=2)
    monkeypatch.setattr(watchdogs, 'ALIKE_SPREAD', 10.0)
    loop.train(config, tmp_path)
    said = capsys.readouterr().err
    assert said.count("the generator's samples have been alike") == 1, said


def test_spread_is_that_over_examples():
    assert spread(np.ones((5, 4, 4, 1))) == 0
    images = np.random.default_rng(0).normal(0, 0.3, (2000, 2, 2, 1))
    assert spread(images) == pytest.approx(0.3, rel=0.05)


def test_skipped_steps_are_told_with_player_and_value(tmp_path, capsys):
    rates = {f'optimizer__{player}__learning_rate': 1e18 for player in ('generator', 'discriminator')}
    config = small_config('gan', gan__loss='wasserstein', on_nonfinite='skip', **rates)
    loop.train(config, tmp_path)
    said = capsys.readouterr().err
    for step in (1, 5):
        expected = rf"step {step}: the generator's \w[\w ]+ is nan; 4 of the last 4 steps were skipped"
        assert re.search(expected, said), said


class Slow:
    """Pictures that take their time."""

    def __len__(self):
        return 16

    def images(self, indices):
        time.sleep(0.8)
        return np.zeros((len(indices), 2, 2, 1), np.uint8)


def stalling(images, **how):
    return feed({'image': images}, [(0, 1, 4)], seed=0, num_devices=2, resident=False, **how)


def test_data_that_keep_the_run_waiting_are_told_again_and_again():
    said = []
    stalled = StalledInput(0.25, lambda: False, said.append)
    stalled.step = 7
    items = stalling(Slow(), stalled=stalled)
    assert next(items)['image'].shape == (2, 1, 2, 2, 2, 1)
    items.close()
    assert len(said) >= 2
    assert all(line.startswith('step 7: the data have brought nothing for ') for line in said)
    stalled(0.1)  # of the next wait
    assert stalled.told == 0


def test_who_is_told_to_stop_does_not_wait_for_data():
    items = stalling(Slow(), stalled=StalledInput(99, lambda: True, print))
    with pytest.raises(StoppedWaiting):
        next(items)


def test_a_timeout_of_the_data_themselves_is_no_stall():
    class Failing(Slow):
        def images(self, indices):
            raise TimeoutError('the network')

    with pytest.raises(TimeoutError, match='the network'):
        next(stalling(Failing(), stalled=print))
