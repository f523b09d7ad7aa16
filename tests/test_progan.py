"""Progressive Growing: the paper's counts, layers and schedule, and levels that grow out of one another."""

import functools
import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import equalized, regularizers
from gan_jax.base import UserError
from gan_jax.config import load_config
from gan_jax.dry_run import abstract_arguments
from gan_jax.fitting import memory_bytes
from gan_jax.gans import progan
from gan_jax.train_step import train_step
from helpers import ROOT, small_config


def make(config, number):
    """The system in its stage of that number, and the stage."""
    stage = progan.stages(config)[number]
    return progan.make(config, stage, None), stage


def state_of(gan, config):
    images = jnp.zeros((1, config.data.resolution, config.data.resolution, config.data.channels))
    return jax.jit(gan.init)(jax.random.key(0), {'image': images})


def grown(config, number):
    """G's pictures and D's logits for fixed inputs, as functions of the images seen, and the stage."""
    gan, stage = make(config, number)
    params, model_state, _ = state_of(gan, config)
    z = gan.sample_inputs(jax.random.key(1), 4, None)
    sample = jax.jit(gan.sample)
    generated = lambda seen: sample(params['generator'], model_state['generator'], z, seen)['generated']
    return generated, params, stage


def judged(config, number, params, images, fade=None):
    stage = progan.stages(config)[number]
    level = progan.RESOLUTIONS.index(stage.resolution)
    features = progan.features_of_levels(config.gan)
    discriminator = progan.Discriminator(features, level, True, 4, jnp.float32, None)
    judge = lambda params, images, fade: discriminator.apply({'params': params}, images, None, True, fade)
    return jax.jit(judge)(params['discriminator'], images, fade)


@pytest.mark.parametrize(
    ('config', 'generator', 'discriminator'),
    [('progan_celeb_a_hq', 23_079_115, 23_087_249)],
)
def test_all_levels_have_their_parameters_from_the_first_stage(config, generator, discriminator):
    config = load_config(str(ROOT / f'configs/{config}.py'), {})
    for number in (0, -1):
        gan, _ = make(config, number)
        params, _, _ = jax.eval_shape(lambda gan=gan: state_of(gan, config))
        counts = {player: sum(leaf.size for leaf in jax.tree.leaves(tree)) for player, tree in params.items()}
        assert counts == {'generator': generator, 'discriminator': discriminator}


def test_a_level_grows_out_of_the_one_below_and_into_itself():
    config = small_config('progan')
    below, _, _ = grown(config, 0)
    fading, params, stage = grown(config, 1)
    settled, _, _ = grown(config, 2)
    first, last = stage.first_image, stage.first_image + stage.fade
    assert fading(first).shape == (4, 8, 8, 1)
    np.testing.assert_allclose(fading(first), equalized.upscale(below(0)), atol=1e-6)
    np.testing.assert_allclose(fading(last), settled(0), atol=1e-6)
    np.testing.assert_allclose(fading((first + last) // 2), (fading(first) + fading(last)) / 2, atol=1e-6)
    assert jnp.abs(fading(first) - fading(last)).max() > 0.01

    images = jax.random.normal(jax.random.key(2), (4, 8, 8, 1))
    start, end = (judged(config, 1, params, images, jnp.float32(fade)) for fade in (0, 1))
    smaller = equalized.downscale(images, 2)
    np.testing.assert_allclose(start, judged(config, 0, params, smaller), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(end, judged(config, 2, params, images), rtol=1e-6, atol=1e-6)
    assert jnp.abs(start - end).max() > 1e-3


def test_the_schedule_is_the_papers():
    config = load_config(str(ROOT / 'configs/progan_celeb_a_hq.py'), {'steps_per_dispatch': '1'})
    stages = progan.stages(config)
    assert len(stages) == 17
    assert [stage.resolution for stage in stages[::2]] == list(progan.RESOLUTIONS)
    batch_sizes = {stage.resolution: stage.batch_size for stage in stages}
    assert batch_sizes == {4: 512, 8: 256, 16: 128, 32: 64, 64: 32, 128: 32, 256: 32, 512: 32, 1024: 32}
    for stage, following in itertools.pairwise(stages):
        kimg = (following.first_image - stage.first_image) / 1000
        assert 600 <= kimg < 600 + stage.batch_size / 1000
        assert following.first_step == stage.last_step
        assert following.reset_optimizer
        assert bool(following.fade) == (following.resolution > stage.resolution)
    last = stages[-1]
    assert 12_000_000 <= last.first_image + last.num_steps * last.batch_size < 12_010_000
    assert not stages[0].reset_optimizer
    # 0.999 a step at every level.
    for stage in stages:
        np.testing.assert_allclose(0.5 ** (stage.batch_size / stage.ema_half_life), 0.999, rtol=1e-5)
    rates = [
        jax.tree.leaves(optimizer_update(config, number))[0] for number in (0, -9, -7, -5, -3, -1)
    ]  # of 4, 64, 128, 256, 512 and 1024 pixels
    np.testing.assert_allclose(-np.array(rates), [1e-3, 1e-3, 1.5e-3, 2e-3, 3e-3, 3e-3], rtol=1e-4)


def optimizer_update(config, number):
    optimizer = make(config, number)[0].optimizers['generator']
    return optimizer.update(jnp.ones(()), optimizer.init(jnp.zeros(())))[0]


def test_a_cap_on_steps_cuts_the_schedule_and_leaves_the_fade_its_speed():
    whole = progan.stages(small_config('progan', num_steps=0))
    cut = progan.stages(small_config('progan', num_steps=whole[1].first_step + 2))
    assert [stage.num_steps for stage in cut] == [whole[0].num_steps, 2]
    assert cut[1]._replace(num_steps=whole[1].num_steps) == whole[1]


def test_a_cap_on_the_batch_size_binds_where_it_is_smaller():
    config = small_config('progan', gan__batch_sizes='32,8', batch_size=16, num_steps=0)
    assert [stage.batch_size for stage in progan.stages(config)] == [16, 8, 8]


def test_reals_lose_detail_while_a_level_fades_in():
    config = small_config('progan')
    gan, stage = make(config, 1)
    params, model_state, _ = state_of(gan, config)

    @jax.jit
    def loss_and_fade(images, images_seen):
        state = SimpleNamespace(params=params, model_state=model_state, images_seen=images_seen)
        fake = {'fake': jnp.zeros((4, 8, 8, 1))}
        batch = {'image': images, 'position': jnp.arange(4)}
        value, aux = gan.losses['discriminator'](
            params['discriminator'], fake, state, batch, jax.random.key(0)
        )
        return value, aux.metrics['fade']

    # At fade 0 D sees 2 x 2 boxes of the level's pixels, 8 x 8 of the data's: a checkerboard is gray.
    checks = jnp.tile(jnp.kron(jnp.array([[1.0, -1.0], [-1.0, 1.0]]), jnp.ones((4, 4))), (4, 4, 4))[..., None]
    gray = jnp.zeros_like(checks)
    start, end = stage.first_image, stage.first_image + stage.fade
    loss = lambda images, images_seen: loss_and_fade(images, images_seen)[0]
    np.testing.assert_allclose(loss(checks, start), loss(gray, start), rtol=1e-5)
    assert abs(loss(checks, end) - loss(gray, end)) > 1e-4
    assert loss_and_fade(gray, end)[1] == 1


def test_the_discriminators_loss_is_the_papers():
    """E[D(fake)] - E[D(real)] + λ/t² E[(|∇D| - t)²] + ε E[D(real)²], for several λ, t and ε."""

    def loss(weight, target, drift):
        config = small_config(
            'progan',
            gan__gradient_penalty_weight=weight,
            gan__gradient_penalty_target=target,
            gan__drift_weight=drift,
        )
        gan, _ = make(config, 0)
        params, model_state, _ = state_of(gan, config)
        state = SimpleNamespace(params=params, model_state=model_state, images_seen=0)
        value, _ = gan.losses['discriminator'](
            params['discriminator'], {'fake': fake}, state, batch, jax.random.key(0)
        )
        return float(value), params

    images = jax.random.normal(jax.random.key(5), (4, 32, 32, 1))
    batch = {'image': images, 'position': jnp.arange(4)}
    fake = jax.random.normal(jax.random.key(6), (4, 4, 4, 1))
    plain, params = loss(0, 1, 0)
    config = small_config('progan')
    real_logits, fake_logits = (
        judged(config, 0, params, each) for each in (equalized.downscale(images, 8), fake)
    )
    np.testing.assert_allclose(plain, fake_logits.mean() - real_logits.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        loss(0, 1, 0.5)[0] - plain, 0.5 * np.mean(real_logits**2), rtol=1e-4, atol=1e-6
    )
    # λ/t² (E[n²] - 2 t E[n] + t²) at three targets: two unknowns, so the third is told by the others.
    penalties = [(loss(10, target, 0)[0] - plain) * target**2 / 10 for target in (0.25, 0.5, 1)]
    rows = [[1, -2 * target] for target in (0.25, 0.5, 1)]
    left = [penalty - target**2 for penalty, target in zip(penalties, (0.25, 0.5, 1), strict=True)]
    (mean_square, mean), *_ = np.linalg.lstsq(rows, left)
    np.testing.assert_allclose(np.array(rows) @ [mean_square, mean], left, rtol=1e-3, atol=1e-5)
    assert mean_square >= mean**2 > 0


@pytest.mark.slow
def test_a_step_at_1024_pixels_fits_into_20_gigabytes():
    config = load_config(str(ROOT / 'configs/progan_celeb_a_hq.py'), {'batch_size': '4'})
    stage = progan.stages(config)[-2]
    assert (stage.resolution, stage.batch_size, stage.fade > 0) == (1024, 4, True)
    gan = progan.make(config, stage, None)
    state, batch = abstract_arguments(config, gan, stage)
    step = jax.jit(functools.partial(train_step, gan=gan, ema=1.0, axis_name=None), donate_argnums=0)
    needed = memory_bytes(step.lower(state, batch).compile())
    print(f'{needed / 2**30:.1f} GiB')
    assert needed < 20e9


def test_the_penaltys_second_derivative_by_finite_differences():
    config = small_config('progan', gan__feature_base=8)
    _, params, _ = grown(config, 2)
    real, fake = jax.random.normal(jax.random.key(3), (2, 4, 8, 8, 1))
    mix = jnp.linspace(0.1, 0.9, 4)
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), tree)
        params, real, fake, mix = wide((params['discriminator'], real, fake, mix))
        features = progan.features_of_levels(config.gan)
        network = progan.Discriminator(features, 1, True, 4, jnp.float64, None)

        def penalty(params):
            judge = lambda images: network.apply({'params': params}, images, None, True)
            return regularizers.gradient_penalty(judge, real, fake, mix)

        leaves, structure = jax.tree.flatten(params)
        gradient = jax.tree.leaves(jax.jit(jax.grad(penalty))(params))
        penalty = jax.jit(penalty)
        for key in jax.random.split(jax.random.key(4), 3):
            noise = [
                jax.random.normal(each, x.shape, x.dtype)
                for each, x in zip(jax.random.split(key, len(leaves)), leaves, strict=True)
            ]

            def at(step, noise=noise):
                moved = [x + step * direction for x, direction in zip(leaves, noise, strict=True)]
                return penalty(jax.tree.unflatten(structure, moved))

            numeric = (at(1e-5) - at(-1e-5)) / 2e-5
            exact = sum(jnp.vdot(g, direction) for g, direction in zip(gradient, noise, strict=True))
            np.testing.assert_allclose(exact, numeric, rtol=1e-4)


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        ({'gan__resolution': 24}, r'--config.gan.resolution: .24. will not do; takes one of 4, 8, 16'),
        ({'gan__resolution': 64}, r'--config.gan.resolution: 64 will not do with pictures of 32 pixels'),
        (
            {'gan__settle_kimg': '1,1,1'},
            r'--config.gan.settle_kimg: 3 values will not do for 2 levels; .* 4, 8',
        ),
        ({'gan__fade_kimg': '1,1'}, r'--config.gan.fade_kimg: 2 values will not do for 1 levels; .* 8'),
        ({'gan__fade_kimg': '0'}, r'--config.gan.fade_kimg: .0. will not do; takes a finite number, above 0'),
        ({'gan__settle_kimg': '1,0'}, r'--config.gan.settle_kimg: .0. will not do'),
        ({'gan__batch_sizes': '8,'}, r'--config.gan.batch_sizes: .. will not do; takes a whole number'),
        ({'gan__batch_sizes': '16,6'}, r'--config.gan.stddev_group: 4 will not do with a batch of 6 at 8 '),
        (
            {'gan__settle_kimg': '1,2147483', 'num_steps': 0},
            r'--config.gan.settle_kimg: .* fewer than 2147483648 images',
        ),
    ],
)
def test_fields_that_do_not_fit_are_told(overrides, message):
    with pytest.raises(UserError, match=message):
        small_config('progan', **overrides)
