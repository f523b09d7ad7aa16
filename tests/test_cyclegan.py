"""CycleGAN: its networks, its players' gradients, its rate, and what it says of a person's mistakes."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import augment, image_pool, loop
from gan_jax.base import UserError
from gan_jax.convolution import plain_convolutions
from gan_jax.gans import cyclegan
from gan_jax.image_pool import ImagePool
from gan_jax.train_state import create_train_state
from helpers import domain_batches, make_gan, single_step, small_config

RATE = 0.1


def conv(x, layer, strides=1, padding=(0, 0), dilation=1):
    y = jax.lax.conv_general_dilated(
        x,
        layer['kernel'],
        (strides, strides),
        [padding, padding],
        lhs_dilation=(dilation, dilation),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )
    return y + layer['bias'].reshape(1, 1, 1, -1)


def turned(layer):
    """The kernel of the convolution whose input is spread out, which a transposed convolution is."""
    return {**layer, 'kernel': layer['kernel'][::-1, ::-1].swapaxes(2, 3)}


def norm(x):
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5)


def reflected(x, pixels):
    return jnp.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode='reflect')


def test_the_networks_are_the_papers():
    """Appendix 7.2, written out."""
    sizes = {'data__resolution': 16, 'data__load_resolution': 16}
    config = small_config('cyclegan', gan__residual_blocks=2, gan__discriminator_layers=2, **sizes)
    batch = {domain: jnp.asarray(images[0][:2]) for domain, images in domain_batches(config, 1).items()}
    gan = make_gan(config)
    params, _, _ = jax.jit(gan.init)(jax.random.key(0), batch)
    noisy = lambda path, x: x + 0.1 * jax.random.normal(jax.random.key(len(str(path))), x.shape)
    params = jax.tree_util.tree_map_with_path(noisy, params)  # or no bias would show

    def generator(p, x):
        x = nn.relu(norm(conv(reflected(x, 3), p['Conv_0'])))
        for name in ('Conv_1', 'Conv_2'):
            x = nn.relu(norm(conv(x, p[name], 2, (1, 1))))
        for number in range(2):
            block = jax.tree.map(lambda leaf: leaf[number], p['blocks'])  # noqa: B023
            y = nn.relu(norm(conv(reflected(x, 1), block['Conv_0'])))
            x = x + norm(conv(reflected(y, 1), block['Conv_1']))
        for name in ('ConvTranspose_0', 'ConvTranspose_1'):
            x = nn.relu(norm(conv(x, turned(p[name]), padding=(1, 2), dilation=2)))
        return jnp.tanh(conv(reflected(x, 3), p['to_image']))

    def discriminator(p, x):
        leaky = lambda x: jnp.where(x > 0, x, 0.2 * x)
        x = leaky(conv(x, p['Conv_0'], 2, (1, 1)))
        x = leaky(norm(conv(x, p['Conv_1'], 2, (1, 1))))
        x = leaky(norm(conv(x, p['Conv_2'], 1, (1, 1))))
        return conv(x, p['logit'], 1, (1, 1))[..., 0]

    expected = jax.jit(generator)(params['generator']['a_to_b'], batch['a'])
    translated = jax.jit(gan.sample)(params['generator'], {}, {'a': batch['a']}, 0)['a_to_b']
    np.testing.assert_allclose(translated, expected, rtol=1e-4, atol=1e-5)
    judge = params['discriminator']['b']
    expected = jax.jit(discriminator)(judge, batch['b'])
    logits = jax.jit(cyclegan.Discriminator(4, 2, jnp.float32).apply)({'params': judge}, batch['b'])
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_the_networks_begin_as_the_authors_do():
    config = small_config('cyclegan', gan__generator_width=16, gan__discriminator_width=16)
    batch = {domain: jnp.zeros((1, 8, 8, 1)) for domain in 'ab'}
    params, _, _ = jax.jit(make_gan(config).init)(jax.random.key(0), batch)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key == 'bias':
            assert not leaf.any()
        elif leaf.size > 5000:
            np.testing.assert_allclose([leaf.mean(), leaf.std()], [0, 0.02], atol=1e-3)
    one, other = (jax.tree.leaves(params['generator'][way]) for way in ('a_to_b', 'b_to_a'))
    assert all((x != y).any() for x, y in zip(one, other, strict=True) if x.any())


@pytest.mark.parametrize(('layers', 'patches', 'sees'), [(1, 62, 16), (2, 30, 34), (3, 14, 70)])
def test_a_logit_sees_a_patch(layers, patches, sees, monkeypatch):
    """Its gradient reaches so many pixels, where norms do not look at the whole picture."""
    monkeypatch.setattr(cyclegan, 'instance_norm', lambda x: x)
    discriminator = cyclegan.Discriminator(2, layers, jnp.float32)
    images = jax.random.normal(jax.random.key(0), (1, 128, 128, 1))
    variables = jax.jit(discriminator.init)(jax.random.key(0), images)
    middle = lambda images: discriminator.apply(variables, images)[0, patches // 2, patches // 2]
    reached = np.nonzero(np.asarray(jax.jit(jax.grad(middle))(images))[0, :, :, 0])
    assert [int(np.ptp(places)) + 1 for places in reached] == [sees, sees]
    assert jax.eval_shape(discriminator.apply, variables, images).shape == (1, patches, patches)


def test_blocks_computed_again_give_the_same_in_less_memory():
    images = jax.random.normal(jax.random.key(0), (1, 64, 64, 1))

    def gradient_and_memory(remat):
        generator = cyclegan.Generator(4, 6, 1, remat, jnp.float32)
        loss = lambda params, images: jnp.mean(generator.apply(params, images)[:, ::2] ** 2)
        params = jax.jit(generator.init)(jax.random.key(1), images)
        compiled = jax.jit(jax.value_and_grad(loss)).lower(params, images).compile()
        return compiled(params, images), compiled.memory_analysis().temp_size_in_bytes

    (once, memory), (again, less_memory) = gradient_and_memory(False), gradient_and_memory(True)
    assert less_memory < 0.75 * memory
    assert jax.tree.structure(again) == jax.tree.structure(once)
    for x, y in zip(jax.tree.leaves(again), jax.tree.leaves(once), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def test_both_players_follow_their_own_gradient():
    """Against the textbook: all fakes made anew for G's loss; D on fakes of the old G, from full pools."""
    sgd = {'discriminator': optax.sgd(RATE), 'generator': optax.sgd(RATE)}
    config = small_config('cyclegan', gan__identity_weight=5, gan__cycle_weight=3)
    step, state, batch = single_step(config, optimizers=sgd)
    noise = lambda place: jax.random.uniform(jax.random.key(place), (20, 8, 8, 1), minval=-1)
    pools = {domain: ImagePool(noise(place), jnp.int32(20)) for place, domain in enumerate('ab')}
    state = state.replace(memory=pools)
    new_state, metrics = step(state, batch)
    turn = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.rng, 0), 0), 2)
    apply = lambda network: lambda params, images: network.apply({'params': params}, images)
    g, d = (
        apply(cyclegan.Generator(2, 1, 1, False, jnp.float32)),
        apply(cyclegan.Discriminator(4, 1, jnp.float32)),
    )
    a, b = batch['a'], batch['b']

    def generator_loss(params):
        to_b, to_a = partial(g, params['a_to_b']), partial(g, params['b_to_a'])
        judges = state.params['discriminator']
        adversarial = jnp.mean((d(judges['b'], to_b(a)) - 1) ** 2) + jnp.mean(
            (d(judges['a'], to_a(b)) - 1) ** 2
        )
        cycle = jnp.mean(jnp.abs(to_a(to_b(a)) - a)) + jnp.mean(jnp.abs(to_b(to_a(b)) - b))
        identity = jnp.mean(jnp.abs(to_a(a) - a)) + jnp.mean(jnp.abs(to_b(b) - b))
        return adversarial + 3 * cycle + 5 * identity

    def discriminator_loss(params):
        old = state.params['generator']
        fakes = {'a': g(old['b_to_a'], b), 'b': g(old['a_to_b'], a)}
        for place, domain in enumerate('ab'):
            key, new = jax.random.fold_in(turn, place), fakes[domain]
            fakes[domain], _ = image_pool.query(pools[domain], new, key, jnp.arange(16), None)
        of = lambda x: (
            (jnp.mean((d(params[x], batch[x]) - 1) ** 2) + jnp.mean(d(params[x], fakes[x]) ** 2)) / 2
        )
        return of('a') + of('b')

    for player, loss in (('generator', generator_loss), ('discriminator', discriminator_loss)):
        with plain_convolutions():  # not the form that the step has had
            value, gradient = jax.jit(jax.value_and_grad(loss))(state.params[player])
        np.testing.assert_allclose(metrics[f'{player}_loss'], value, rtol=1e-5)
        updated = jax.tree.map(lambda p, g: p - RATE * g, state.params[player], gradient)
        rounding = 1e-6 * float(metrics[f'{player}_gradient_norm'])  # all that biases under a norm learn from
        for x, y in zip(jax.tree.leaves(updated), jax.tree.leaves(new_state.params[player]), strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-4, atol=rounding)


def test_the_rate_falls_to_zero_in_a_straight_line():
    config = small_config('cyclegan', gan__constant_kimg=0.032, gan__decay_kimg=0.064)  # 2 and 4 steps of 16
    optimizer = make_gan(config).optimizers['generator']
    state, moves = optimizer.init(jnp.zeros(())), []
    for _ in range(8):
        update, state = optimizer.update(jnp.ones(()), state)
        moves.append(-float(update) / 2e-4)  # Adam's own step is 1
    np.testing.assert_allclose(moves, [1, 1, 1, 0.75, 0.5, 0.25, 0, 0], rtol=1e-4, atol=1e-6)
    for constant, decay, batch_size, num_steps in ((0.032, 0.064, 16, 6), (16.1, 16.1, 1, 32_200)):
        rate = {'gan__constant_kimg': constant, 'gan__decay_kimg': decay}
        config = small_config('cyclegan', **rate, num_steps=0, batch_size=batch_size)
        assert cyclegan.stages(config)[0].num_steps == num_steps


def test_pictures_are_cut_out_of_larger_ones():
    images = jnp.broadcast_to(jnp.linspace(-1, 1, 16)[None, :, None, None], (32, 16, 16, 1))
    cut = augment.enlarge_and_crop(images, jax.random.split(jax.random.key(0), 32), 20)
    assert cut.shape == images.shape
    slopes = np.diff(np.asarray(cut), axis=1)[:, 5:-5]
    np.testing.assert_allclose(slopes, 2 / 15 * 16 / 20, rtol=1e-3)
    assert len(set(np.asarray(cut)[:, 8, 0, 0].round(3).tolist())) == 5
    np.testing.assert_allclose(
        augment.enlarge_and_crop(images, jax.random.split(jax.random.key(0), 32), 16), images, atol=1e-6
    )


def test_one_domain_can_be_sampled_alone():
    config = small_config('cyclegan')
    gan = make_gan(config)
    batch = {domain: jnp.asarray(images[0]) for domain, images in domain_batches(config, 1).items()}
    state = jax.jit(partial(create_train_state, gan=gan))(jax.random.key(0), batch)
    sample = jax.jit(gan.sample)  # which gives its columns in the order of their names
    columns = sample(state.ema_params, state.ema_model_state, batch, 0)
    assert list(columns) == ['a', 'a_to_b', 'a_to_b_to_a', 'b', 'b_to_a', 'b_to_a_to_b']
    alone = sample(state.ema_params, state.ema_model_state, {'b': batch['b']}, 0)
    assert list(alone) == ['b', 'b_to_a', 'b_to_a_to_b']
    np.testing.assert_allclose(alone['b_to_a'], columns['b_to_a'], atol=1e-5)


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        ({'data__load_resolution': 6}, r'^--config.data.load_resolution: 6 will not do; takes the 8 of'),
        ({'data__resolution': 10}, r'^--config.data.resolution: 10 .*takes a multiple of 4 from 8'),
        ({'gan__discriminator_layers': 3}, r'^--config.data.resolution: 8 .*with 3 layers.*from 24'),
        ({'gan__discriminator_layers': 6}, r'^--config.gan.discriminator_layers: .6. .*from 1 to 5'),
        ({'gan__constant_kimg': 0, 'gan__decay_kimg': 0}, r'^--config.gan.constant_kimg: 0 will not do'),
        (
            {'gan__decay_kimg': 2_147_483, 'num_steps': 0},
            r'^--config.gan.constant_kimg: .*fewer than 2147483648',
        ),
        ({'data__split': 'train,test,train'}, r'^--config.data.split: .*takes at most 2'),
        ({'data__invert': 'true,maybe'}, r"^--config.data.invert: 'maybe' will not do; takes true or false"),
        ({'data__split': 'train,trainC'}, r"^--config.data.split: got 'trainC', but there are no such"),
        ({'data__split': 'train,train[:0]'}, r"^--config.data.split: got 'train\[:0\]', which is empty"),
        ({'data__split': 'train,train[:1]'}, r"^--config.data.split: got 'train\[:1\]', a single picture"),
        ({'data__channels': 3}, r'^--config.data.channels: got 3, but .fashion_mnist_10k. has 1'),
        ({'data__name': 'fashion_mnist_10k,no_such'}, r"^--config.data.name: 'no_such' is not prepared"),
    ],
)
def test_mistakes_are_one_line(overrides, message, tmp_path):
    with pytest.raises(UserError, match=message):
        loop.train(small_config('cyclegan', **overrides), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
