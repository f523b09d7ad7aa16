"""What each paper fixes: parameter counts, shapes, first values, and the arithmetic of a step."""

import functools
from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax import layers
from gan_jax.config import load_config
from gan_jax.convolution import on_cpu, plain_convolutions
from gan_jax.data.domains import domain_names
from gan_jax.dry_run import abstract_arguments
from gan_jax.flops import step_flops
from gan_jax.gans import load_system
from gan_jax.gans.dcgan import base_and_depth
from gan_jax.nearest import shrunk
from gan_jax.train_step import train_step
from helpers import ROOT, SMALL, make_gan, plain_step, random_batches, single_step, small_config


def parameters(config):
    system = load_system(config.system)
    stage = system.stages(config)[-1]
    state, _ = abstract_arguments(config, system.make(config, stage, None), stage)
    return {
        player: sum(leaf.size for leaf in jax.tree.leaves(params)) for player, params in state.params.items()
    }


@pytest.mark.parametrize(
    ('config', 'overrides', 'generator', 'discriminator'),
    [
        ('dcgan_celeb_a', {}, 3_576_704, 2_765_568),
        ('dcgan_fashion_mnist', {}, 369_600, 166_784),
        ('cyclegan_monet2photo', {}, 2 * 11_378_179, 2 * 2_764_737),
        # 100·1200 + 1200 + 1200² + 1200 + 1200·784 + 784; 784·1200 + 1200 + 240·1200 + 1200 + 240 + 1
        ('gan_fashion_mnist', {}, 2_503_984, 1_231_441),
        # 2·128 + 128 + 2·(128² + 128) + 128·2 + 2; 2·128 + 128 + 2·(128² + 128) + 128 + 1
        ('gan_25_gaussians', {}, 33_666, 33_537),
    ],
)
def test_parameter_counts(config, overrides, generator, discriminator):
    config = load_config(str(ROOT / f'configs/{config}.py'), overrides)
    assert parameters(config) == {'generator': generator, 'discriminator': discriminator}


TO_8_PIXELS = {'gan.resolution': '8', 'gan.settle_kimg': '4', 'gan.fade_kimg': '4', 'gan.batch_sizes': '128'}


@pytest.mark.parametrize(
    ('config', 'overrides'),
    [
        ('dcgan_fashion_mnist', {}),
        ('dcgan_celeb_a', {}),
        ('dcgan_fashion_mnist', {'gan.regularizer': 'r1', 'gan.regularizer_weight': '10'}),
        ('gan_fashion_mnist', {}),
        ('gan_fashion_mnist', {'gan.regularizer': 'r1', 'gan.regularizer_weight': '10'}),
        ('dcgan_fashion_mnist', {'gan.regularizer': 'gradient_penalty', 'gan.regularizer_weight': '10'}),
        pytest.param(
            'gan_fashion_mnist',
            {'gan.regularizer': 'r2', 'gan.regularizer_weight': '10'},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'gan_fashion_mnist',
            {'gan.regularizer': 'gradient_penalty', 'gan.regularizer_weight': '10'},
            marks=pytest.mark.slow,
        ),
        ('gan_fashion_mnist', {'gan.loss': 'relativistic', 'gan.critic_steps': '3'}),
        ('gan_25_gaussians', {}),
        ('gan_25_gaussians', {'gan.regularizer': 'gradient_penalty', 'gan.critic_steps': '2'}),
        pytest.param('gan_8_gaussians', {}, marks=pytest.mark.slow),
        ('progan_fashion_mnist', TO_8_PIXELS),
        pytest.param(
            'progan_fashion_mnist', {**TO_8_PIXELS, 'gan.fused_scale': 'false'}, marks=pytest.mark.slow
        ),
        ('cyclegan_fashion_mnist', {}),
        pytest.param('cyclegan_emoji', {'batch_size': '1'}, marks=pytest.mark.slow),
        pytest.param(
            'cyclegan_fashion_mnist',
            {'gan.identity_weight': '0', 'gan.discriminator_layers': '1'},
            marks=pytest.mark.slow,
        ),
        pytest.param('cyclegan_fashion_mnist', {'gan.loss': 'relativistic'}, marks=pytest.mark.slow),
    ],
)
def test_a_step_does_no_more_than_the_least_work(config, overrides):
    """XLA's own count, on plain convolutions, against the count by hand."""
    config = load_config(str(ROOT / f'configs/{config}.py'), overrides)
    system = load_system(config.system)
    for stage in system.stages(config):
        gan = system.make(config, stage, None)
        step = functools.partial(train_step, gan=gan, ema=1.0, axis_name=None)
        flops = step_flops(step, *abstract_arguments(config, gan, stage))
        ratio = flops / gan.least_flops(stage.batch_size)
        print(f'{flops:.4g} flops, {ratio:.3f} of the least')
        assert 0.95 < ratio < 1.05


# Of the networks that cyclegan_horse2zebra and gan_25_gaussians have.
TWINS = ('cyclegan_monet2photo', 'gan_8_gaussians')


@pytest.mark.parametrize(
    'form',
    [plain_convolutions, pytest.param(nullcontext, marks=pytest.mark.slow)],
    ids=['plain', 'for_this_cpu'],
)
@pytest.mark.parametrize(
    'path',
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem in TWINS else [], id=path.stem)
        for path in sorted(ROOT.glob('configs/*.py'))
    ],
)
def test_a_step_at_full_size_takes_and_gives_the_same_state(path, form):
    config = load_config(str(path), {})
    system = load_system(config.system)
    stages = system.stages(config)
    # One that fades in runs all that a settled one does, and more.
    stage = next((stage for stage in reversed(stages) if stage.fade), stages[-1])
    like = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    gan = system.make(config, stage, None)
    state, batch = abstract_arguments(config, gan, stage)
    step = functools.partial(train_step, gan=gan, ema=1.0, axis_name=None)
    with form():
        after, _ = jax.eval_shape(step, state, batch)
    assert like(after) == like(state)


@pytest.mark.parametrize('config', ['dcgan_fashion_mnist', 'dcgan_celeb_a'])
def test_the_form_for_cpus_does_no_more_than_all_taps(config, monkeypatch):
    """A product or an overlap-add computes the taps on the padding, too; nothing else may be added."""

    def all_taps(size, kernel, strides, padding, inputs, outputs):
        places = (size + 2 * padding - kernel) // strides + 1
        return 2 * (places * kernel) ** 2 * inputs * outputs

    monkeypatch.setattr(layers, 'conv_flops', all_taps)
    monkeypatch.setattr(on_cpu, 'CACHED', 2**40)  # XLA counts one of a scan's pieces alone
    config = load_config(str(ROOT / f'configs/{config}.py'), {'batch_size': '64'})
    gan = make_gan(config)
    state, batch = abstract_arguments(config, gan, load_system(config.system).stages(config)[0])
    step = jax.jit(functools.partial(train_step, gan=gan, ema=1.0, axis_name=None))
    flops = step.lower(state, batch).compile().cost_analysis()['flops']
    print(f'{flops:.4g} flops, {flops / gan.least_flops(64):.3f} of all taps')
    assert 0.8 < flops / gan.least_flops(64) < 1.05


def test_dcgan_64_costs_what_was_counted_before():
    config = load_config(str(ROOT / 'configs/dcgan_celeb_a.py'), {})
    least = make_gan(config).least_flops(1)
    np.testing.assert_allclose(least, 1.965e9, rtol=1e-3)


@pytest.mark.parametrize('resolution', [28, 32, 64, 128])
def test_depth_follows_from_the_resolution(resolution):
    base, depth = base_and_depth(resolution)
    assert base * 2**depth == resolution
    config = small_config(
        'dcgan', data__resolution=resolution, data__fit='pad' if resolution == 32 else 'crop'
    )
    gan = make_gan(config)
    images = jax.ShapeDtypeStruct((2, resolution, resolution, 1), jnp.float32)
    batch = {'image': images}
    params, model_state, _ = jax.eval_shape(gan.init, jax.random.key(0), batch)
    z = jax.eval_shape(lambda: gan.sample_inputs(jax.random.key(0), 2, None))
    pictures = jax.eval_shape(gan.sample, params['generator'], model_state['generator'], z, 0)
    assert pictures['generated'].shape == images.shape


def test_dcgan_begins_as_the_paper_says():
    params, _, _ = make_gan(small_config('dcgan', gan__width=32)).init(
        jax.random.key(0), {'image': jnp.zeros((1, 16, 16, 1))}
    )
    kernel = params['generator']['ConvTranspose_0']['kernel']
    np.testing.assert_allclose([kernel.mean(), kernel.std()], [0, 0.02], atol=5e-4)
    scale = params['discriminator']['BatchNorm_0']['scale']
    np.testing.assert_allclose([scale.mean(), scale.std()], [1, 0.02], atol=6e-3)
    assert 'bias' not in params['discriminator']['Conv_0']


def test_the_original_generator_begins_at_the_mean_image():
    images = (random_batches(small_config('gan'), 1)[0] + 1) / 4  # pixels from 0 to 0.5
    params, _, _ = make_gan(small_config('gan')).init(jax.random.key(0), {'image': jnp.asarray(images)})
    bias = params['generator']['pixels']['bias']
    np.testing.assert_allclose(2 * jax.nn.sigmoid(bias) - 1, images.mean(0).reshape(-1), rtol=1e-4)
    for name, bound in (('generator', 0.05), ('discriminator', 0.005)):
        for layer in params[name].values():
            assert 0.8 * bound < jnp.abs(layer['kernel']).max() <= bound


def test_the_original_optimizer_decays_its_rate_and_builds_its_momentum():
    overrides = {
        f'optimizer__{player}__{name}': value
        for player in ('generator', 'discriminator')
        for name, value in {'decay_factor': 2, 'min_learning_rate': 0.03, 'momentum_kimg': 0.016}.items()
    }
    optimizer = make_gan(small_config('gan', **overrides)).optimizers['generator']  # batch 16: one update
    state, velocity = optimizer.init(jnp.zeros(())), 0.0
    for rate, momentum in ((0.1, 0.5), (0.05, 0.7), (0.03, 0.7)):
        update, state = optimizer.update(jnp.ones(()), state)
        velocity = momentum * velocity - rate
        np.testing.assert_allclose(update, velocity, rtol=1e-5)


@pytest.mark.parametrize('system', ['gan', 'progan', 'cyclegan', 'points'])
def test_d_is_asked_what_it_was_trained_to_say(system):
    """Its belief in the reals is the one reported of the step, where nothing in D is random or averaged."""
    surely = {'gan__keep_pixels': 1, 'gan__keep_hidden': 1} if system == 'gan' else {}
    config = small_config(system, **surely)
    step, state, batch = single_step(config) if surely else plain_step(system)
    gan, metrics = make_gan(config), step(state, batch)[1]
    resolution = load_system(system).stages(config)[0].resolution
    at_level = lambda images: images if images.ndim < 4 else shrunk(np.asarray(images), resolution)
    reals = {domain: at_level(batch[domain]) for domain in domain_names(config.data)}
    player = state.params['discriminator'], state.model_state['discriminator']
    beliefs = jax.jit(gan.judge)(*player, reals, state.images_seen)
    assert {name: belief.shape for name, belief in beliefs.items()} == dict.fromkeys(reals, (16,))
    np.testing.assert_allclose(metrics['real_probability'], np.mean(list(beliefs.values())), rtol=1e-5)


@pytest.mark.parametrize('system', SMALL)
def test_d_has_a_belief_in_every_picture_of_g(system):
    _, state, batch = plain_step(system)
    gan = make_gan(small_config(system))
    columns = jax.jit(gan.sample)(
        state.params['generator'],
        state.model_state['generator'],
        gan.sample_inputs(jax.random.key(0), 3, batch),
        state.images_seen,
    )
    player = state.params['discriminator'], state.model_state['discriminator']
    beliefs = jax.jit(gan.judge)(*player, columns, state.images_seen)
    assert set(beliefs) == set(columns)
    for belief in beliefs.values():
        assert belief.shape == (3,)
        assert np.all((belief >= 0) & (belief <= 1))
