"""The PyTorch peers of the benchmark take our step: the same counts, outputs, losses and update."""

import importlib
import json
import re
from functools import partial
from operator import itemgetter
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from benchmarks import record
from commands import make_run
from gan_jax.config import load_config, to_json
from gan_jax.gans import load_system
from gan_jax.latents import example_keys, normal
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step
from gan_jax.trained import open_run
from helpers import ROOT

torch = pytest.importorskip('torch', reason='PyTorch is not installed here: make test-peers')

BATCH_SIZE = 16
CONFIGS = {
    'gan_fashion_mnist': {
        'gan.keep_pixels': '1',
        'gan.keep_hidden': '1',
    },  # dropout draws other numbers there
    'dcgan_fashion_mnist': {},
    'dcgan_cifar10': {'gan.width': '8'},
    'dcgan_celeb_a': {'gan.width': '16'},
    'progan_cifar10': {'gan.feature_base': '512', 'gan.batch_sizes': str(BATCH_SIZE)},
}


@pytest.fixture(scope='module', params=CONFIGS)
def pair(request):
    """Ours and the peer with the same weights: (config, gan, state, batch, z of the step, players, step)."""
    overrides = {'batch_size': str(BATCH_SIZE), **CONFIGS[request.param]}
    config = load_config(str(ROOT / f'configs/{request.param}.py'), overrides)
    system = load_system(config.system)
    stage = system.stages(config)[-1]
    gan = system.make(config, stage, None)
    size, channels = config.data.resolution, config.data.channels
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, size, size, channels), np.uint8)
    batch = {'image': jnp.asarray(pixels) / 127.5 - 1, 'position': jnp.arange(BATCH_SIZE)}
    state = create_train_state(jax.random.key(0), batch, gan=gan)

    attributes = json.loads(to_json(config), object_hook=lambda fields: SimpleNamespace(**fields))
    players = importlib.import_module(f'benchmarks.peers.{config.system}').make(attributes)
    for player in ('generator', 'discriminator'):
        copy_weights(state.params[player], getattr(players, player))
    peer = importlib.import_module('benchmarks.peers.latent_gan')
    images = torch.tensor(pixels.transpose(0, 3, 1, 2))
    real = peer.read(images, torch.arange(BATCH_SIZE), flip=False)
    return config, gan, state, batch, players, partial(peer.make_step(players, attributes), real)


def latents_of(state, step, config):
    """The z that `train_step` draws in a step."""
    rng = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.rng, step), 0), 0)
    return torch.tensor(np.array(normal(example_keys(rng, jnp.arange(BATCH_SIZE)), config.gan.latent_dim)))


def mix_of(state, step):
    """Where between reals and fakes `train_step` takes the penalty on a gradient."""
    rng = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.rng, step), 0), 1)
    keys = jax.vmap(partial(jax.random.split, num=3))(example_keys(rng, jnp.arange(BATCH_SIZE)))[:, 2]
    return torch.tensor(np.array(jax.vmap(jax.random.uniform)(keys)))


def copy_weights(params, network):
    """Ours into a PyTorch network whose layers have the same names, or stand in the same order."""
    if hasattr(network, 'layers'):
        modules = dict(network.named_modules())
        for name, layer in params.items():
            module = modules.get(f'layers.{name}', modules.get(name))
            if module is None:  # G's first bias, which is no layer's
                network.bias.data = torch.tensor(np.asarray(layer).transpose(0, 3, 1, 2))
                continue
            kernel = np.asarray(layer['kernel'])
            if getattr(module, 'scale', '') == 'up':  # ours is the transposed convolution's
                kernel = kernel[::-1, ::-1].swapaxes(2, 3)
            turned = kernel.transpose((3, 2, 0, 1) if kernel.ndim == 4 else (1, 0))
            module.weight.data = torch.tensor(turned.copy())  # PyTorch reads no array backwards
            if 'bias' in layer:
                module.bias.data = torch.tensor(np.asarray(layer['bias']))
        return
    weights = [leaf for _, leaf in sorted(jax.tree_util.tree_leaves_with_path(params), key=in_order)]
    with torch.no_grad():
        for parameter, ours in zip(ordered_parameters(network), weights, strict=True):
            ours = np.asarray(ours)
            # Kernels [k_h, k_w, C, D] and matrices [inputs, outputs] are the other way round there.
            axes = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[ours.ndim]
            parameter.copy_(torch.tensor(ours.transpose(axes)))


def in_order(path_and_leaf):
    """Layers by kind and number, and a layer's weight before its bias."""
    layer, leaf = (key.key for key in path_and_leaf[0])
    kind = ['project', 'hidden', 'maxout', 'Conv', 'ConvTranspose', 'pixels', 'to', 'logit', 'BatchNorm']
    name, _, number = layer.partition('_')
    return kind.index(name), number, leaf == 'bias'


def ordered_parameters(network):
    """As `in_order` has ours: those of the norms come last."""
    named = list(network.named_parameters())
    return [parameter for norms in (False, True) for name, parameter in named if ('norms' in name) == norms]


def test_pictures_are_mirrored_at_random():
    read = importlib.import_module('benchmarks.peers.latent_gan').read
    images = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 1, 8)
    read_often = read(images, torch.zeros(64, dtype=torch.long), flip=True)
    seen = {tuple(row) for row in ((read_often + 1) * 127.5).round().int().reshape(64, 8).tolist()}
    assert seen == {tuple(range(8)), tuple(reversed(range(8)))}


def test_parameter_counts(pair):
    _, _, state, _, players, _ = pair
    for player in ('generator', 'discriminator'):
        ours = sum(leaf.size for leaf in jax.tree.leaves(state.params[player]))
        assert sum(each.numel() for each in getattr(players, player).parameters()) == ours


def test_outputs_losses_and_update(pair):
    config, gan, state, batch, players, peer_step = pair
    z = latents_of(state, 0, config)
    with torch.no_grad():
        theirs = players.generator(z).numpy().transpose(0, 2, 3, 1)
    rng = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(state.rng, 0), 0), 0)
    ours, _ = gan.generate(state.params['generator'], state, batch, rng)
    np.testing.assert_allclose(ours['fake'], theirs, rtol=1e-4, atol=1e-5)

    step = jax.jit(partial(train_step, gan=gan, ema=0.0, axis_name=None))
    for number in range(2):  # the second step's losses tell whether the first has moved both alike
        z = latents_of(state, number, config)
        state, metrics = step(state, batch)
        discriminator_loss, generator_loss = peer_step(z, mix_of(state, number))
        np.testing.assert_allclose(metrics['discriminator_loss'], discriminator_loss.item(), rtol=1e-4)
        np.testing.assert_allclose(metrics['generator_loss'], generator_loss.item(), rtol=1e-4)


def test_a_translations_outputs_losses_and_update():
    config = load_config(str(ROOT / 'configs/cyclegan_fashion_mnist.py'), {'batch_size': '2'})
    system = load_system(config.system)
    gan = system.make(config, system.stages(config)[0], None)
    rng = np.random.default_rng(0)
    images = {domain: rng.uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32) for domain in 'ab'}
    batch = {**images, 'position': jnp.arange(2)}
    state = create_train_state(jax.random.key(0), batch, gan=gan)

    attributes = json.loads(to_json(config), object_hook=lambda fields: SimpleNamespace(**fields))
    players = importlib.import_module('benchmarks.peers.cyclegan').make(attributes)
    kinds = ['Conv', 'block', 'ConvTranspose', 'to', 'logit']

    def unstacked(blocks=None, **params):
        numbers = range(config.gan.residual_blocks if blocks else 0)
        return params | {f'block_{number}': jax.tree.map(itemgetter(number), blocks) for number in numbers}

    def layer_by_layer(path_and_leaf):
        *layers, leaf = (key.key for key in path_and_leaf[0])
        return [(kinds.index(layer.partition('_')[0]), layer) for layer in layers], leaf == 'bias'

    for player in ('generator', 'discriminator'):
        for name, params in state.params[player].items():
            leaves = sorted(jax.tree_util.tree_leaves_with_path(unstacked(**params)), key=layer_by_layer)
            theirs = getattr(players, player)[name].parameters()
            for (_, ours), parameter in zip(leaves, theirs, strict=True):
                parameter.data = torch.tensor(
                    np.asarray(ours.transpose(3, 2, 0, 1) if ours.ndim == 4 else ours)
                )

    to_torch = lambda x: torch.tensor(x.transpose(0, 3, 1, 2))
    columns = gan.sample(state.params['generator'], {}, images, 0)
    theirs = players.generator['a_to_b'](to_torch(images['a'])).detach().numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(columns['a_to_b'], theirs, rtol=1e-4, atol=1e-5)
    step = jax.jit(partial(train_step, gan=gan, ema=0.0, axis_name=None))
    peer_step = players.make_step(players, attributes)
    # Adam's first moves are of the gradient's sign alone: where that is near 0 rounding decides, which the
    # losses of a third step would show.
    for _ in range(2):
        state, metrics = step(state, batch)
        discriminator_loss, generator_loss = peer_step(*map(to_torch, images.values()))
        np.testing.assert_allclose(metrics['discriminator_loss'], discriminator_loss.item(), rtol=1e-4)
        np.testing.assert_allclose(metrics['generator_loss'], generator_loss.item(), rtol=1e-4)


@pytest.mark.parametrize('system', record.PEERS)
def test_a_peer_trains_on_pictures_and_draws(system, tmp_path, capsys):
    """As `benchmarks/record.py --peer` asks for it."""
    train = importlib.import_module('benchmarks.peers.train')
    fields = {'num_steps': '3', 'batch_size': str(BATCH_SIZE), 'evaluation.num_samples': '20'}
    config = load_config(str(ROOT / f'configs/{system}_fashion_mnist.py'), fields)
    size = config.data.resolution
    np.save(tmp_path / 'images.npy', np.random.default_rng(0).integers(0, 256, (40, size, size, 1), np.uint8))
    train.main(json.dumps({'config': json.loads(to_json(config)), 'workdir': str(tmp_path)}))
    told = json.loads(capsys.readouterr().out)
    assert told['pytorch'] == torch.__version__
    assert told['seconds_of_drawing'] > 0
    pictures = [np.asarray(Image.open(path)) for path in sorted(tmp_path.glob('pictures/*.png'))]
    assert len(pictures) == 20
    assert all(picture.shape == (size, size) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 20


def test_a_peer_sees_every_picture_once_an_epoch():
    train = importlib.import_module('benchmarks.peers.train')
    batches = train.order(10, 4, 'cpu')
    seen = torch.cat([next(batches) for _ in range(5)]).tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_the_mapping_in_the_docs(tmp_path, monkeypatch):
    """The very snippet of docs/export.md makes a PyTorch generator of ours."""
    make_run(tmp_path / 'run', 'dcgan')
    text = (ROOT / 'docs/export.md').read_text()
    (snippet,) = [code for code in re.findall(r'^```python\n(.*?)^```$', text, re.M | re.S) if 'nn.' in code]
    namespace = {}
    exec(snippet.replace('runs/dcgan_fashion_mnist', str(tmp_path / 'run')), namespace)
    run = open_run(tmp_path / 'run')
    z = np.random.default_rng(0).standard_normal((5, run.config.gan.latent_dim), np.float32)
    ours = run.gan.sample(*run.generator(), z, 0)['generated']
    with torch.no_grad():
        theirs = namespace['generator'](torch.tensor(z)[:, :, None, None]).numpy()
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)
