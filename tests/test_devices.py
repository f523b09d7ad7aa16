"""One device or eight: the same run to rounding, and replicas that are the same to the bit.

That they stay so under each system's own optimizer is in test_loop.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import device_step, parallel
from gan_jax.gans import load_system
from gan_jax.train_state import TrainState
from helpers import make_gan, replicas_that_differ, run_parallel, run_steps, small_config

RATES = {'cyclegan': 1e-4}  # as G's gradient is a hundred times as large there


def sgd(system):
    """For both players, as Adam would magnify gradients that are nearly zero."""
    return dict.fromkeys(('discriminator', 'generator'), optax.sgd(RATES.get(system, 0.01)))


EVERYTHING = {
    'gan__loss': 'relativistic',
    'gan__regularizer': 'gradient_penalty',
    'gan__regularizer_weight': 1,
    'gan__spectral_norm': 'true',
}


FADING = {'gan__settle_kimg': 0.032, 'gan__fade_kimg': 0.064}  # from the third step on


# On maps of 2 x 2 pixels instance norm doubles any rounding.
LARGER = {'data__resolution': 16, 'data__load_resolution': 16, 'gan__generator_width': 4}


@pytest.mark.parametrize(
    ('system', 'overrides', 'stage', 'num_steps'),
    [
        ('gan', {}, 0, 5),
        pytest.param('dcgan', {}, 0, 5, marks=pytest.mark.slow),  # less than the next
        ('dcgan', EVERYTHING, 0, 5),
        ('points', {}, 0, 5),
        pytest.param('progan', {}, 0, 5, marks=pytest.mark.slow),  # as above
        ('progan', FADING, 1, 5),
        # Its pools are full after two steps. The gradient of the cycle's L1 is a sign at each pixel, which
        # rounding turns sooner or later, and that shows as 1e-4 at once.
        ('cyclegan', LARGER, 0, 3),
        pytest.param('cyclegan', {**LARGER, 'gan__cycle_weight': 0}, 0, 5, marks=pytest.mark.slow),
    ],
)
def test_eight_devices_compute_what_one_does(system, overrides, stage, num_steps):
    config = small_config(system, **overrides)
    one, one_metrics = run_steps(config, 1, num_steps, optimizers=sgd(system), stage=stage)
    eight, eight_metrics = run_steps(config, 8, num_steps, optimizers=sgd(system), stage=stage)
    for name in one_metrics:
        np.testing.assert_allclose(eight_metrics[name], one_metrics[name], rtol=1e-4, atol=1e-6, err_msg=name)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path((one.params, one.model_state, one.ema_params, one.memory)),
        jax.tree.leaves((eight.params, eight.model_state, eight.ema_params, eight.memory)),
        strict=True,
    ):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=2e-6, err_msg=jax.tree_util.keystr(path))
    assert replicas_that_differ(eight) == []


def test_pictures_are_cut_and_mirrored_alike_on_any_number_of_devices(monkeypatch):
    def show(state, batch, *, axis_name, **_):
        images = {domain: batch[domain] for domain in 'ab'}
        return state, images if axis_name is None else jax.lax.all_gather(images, axis_name, tiled=True)

    monkeypatch.setattr(device_step, 'train_step', show)
    config = small_config('cyclegan', data__load_resolution=12, data__flip='true')
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    stored = np.broadcast_to(picture, (2, 2, 16, 8, 8, 1))  # [domain, step, …]

    def seen(num_devices):
        devices = jax.local_devices()[:num_devices]
        axis_name = parallel.axis_name(devices)
        gan, stage = make_gan(config, axis_name), load_system(config.system).stages(config)[0]
        of_devices = stored.reshape(2, 2, num_devices, -1, 8, 8, 1).swapaxes(1, 2)
        items = parallel.shard(dict(zip('ab', of_devices, strict=True)), devices)
        like = TrainState(0, 0, jax.random.key(0), 0, {}, {}, {}, {}, {}, ())
        state = parallel.create_replicated(lambda: jax.tree.map(jnp.asarray, like), devices=devices)
        step = device_step.step_function(config, stage, gan, axis_name)
        return run_parallel(parallel.parallelize(step, devices), state, (), items)[1]

    one, eight = seen(1), seen(8)
    for domain in 'ab':
        np.testing.assert_allclose(eight[domain], one[domain], atol=1e-6)
        assert len({image.tobytes() for image in np.asarray(one[domain]).reshape(-1, 64)}) > 10  # of 50


def test_a_forgotten_average_is_found():
    config = small_config('gan')
    devices = jax.local_devices()
    drift = parallel.parallelize(lambda state, resident, item: (state + item.sum(), item.sum()), devices)
    items = parallel.shard(np.arange(8, dtype=np.float32).reshape(8, 1, 1), devices)
    state, _ = run_parallel(drift, parallel.replicate(np.float32(config.seed), devices), (), items)
    assert replicas_that_differ({'weight': state}) == ['weight']
