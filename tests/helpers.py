"""Configs small enough for tests, and a step to run them with."""

from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import parallel
from gan_jax.config import load_config
from gan_jax.data.domains import domain_names, example_shape
from gan_jax.gans import load_system
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step

ROOT = Path(__file__).parent.parent
SMALL = {
    'dcgan': {'gan.width': 4, 'gan.latent_dim': 8, 'data.resolution': 16, 'data.fit': 'crop'},
    'gan': {
        'gan.generator_units': 16,
        'gan.discriminator_units': 8,
        'gan.latent_dim': 8,
        'data.resolution': 8,
    },
    'progan': {
        'batch_size': 16,
        'data.resolution': 32,
        'gan.resolution': 8,
        'gan.feature_base': 16,
        'gan.latent_dim': 8,
        'gan.settle_kimg': '0.064,0.064',
        'gan.fade_kimg': '0.032',
        'gan.batch_sizes': '16',
    },
    'cyclegan': {
        'data.split': 'train[:200],train[200:500]',
        'evaluation.split': 'test[:20],test[20:50]',
        'data.resolution': 8,
        'data.load_resolution': 9,
        'data.fit': 'crop',
        'gan.generator_width': 2,
        'gan.residual_blocks': 1,
        'gan.discriminator_width': 4,
        'gan.discriminator_layers': 1,
        'gan.pool_size': 20,
        'gan.identity_weight': 0,
    },
    'points': {
        'data.split': 'train',
        'evaluation.split': 'train',
        'gan.generator_units': 16,
        'gan.generator_layers': 2,
        'gan.discriminator_units': 16,
        'gan.discriminator_layers': 2,
    },
}
SHORT = {
    'data.split': 'train[:200]',
    'evaluation.split': 'train[:200]',
    'evaluation.num_samples': 40,
    'batch_size': 16,
    'num_steps': 8,
    'steps_per_dispatch': 2,
    'log_every_steps': 4,
    'sample_every_steps': 8,
    'evaluate_every_steps': 0,
    'checkpoint_every_steps': 4,
    'compilation_cache': False,
}


def small_overrides(system, **overrides):
    """Field -> text, as a command line would give them; `data__split` stands for `data.split`."""
    named = {name.replace('__', '.'): value for name, value in overrides.items()}
    return {name: str(value) for name, value in {**SHORT, **SMALL[system], **named}.items()}


def config_path(system):
    """The config of a system on data that come with the package."""
    return ROOT / 'configs' / ('gan_25_gaussians.py' if system == 'points' else f'{system}_fashion_mnist.py')


def small_config(system, **overrides):
    """The system's config with tiny networks and few steps."""
    return load_config(str(config_path(system)), small_overrides(system, **overrides))


def flags(system, **overrides):
    """`small_config` as arguments of train.py."""
    return [
        f'--config={config_path(system)}',
        *(f'--config.{name}={value}' for name, value in small_overrides(system, **overrides).items()),
    ]


def make_gan(config, axis_name=None, stage=0, **replacements):
    """The config's system in the stage of that number."""
    system = load_system(config.system)
    return system.make(config, system.stages(config)[stage], axis_name)._replace(**replacements)


def random_batches(config, num_steps, seed=0):
    """Noise instead of images or points: [num_steps, B, H, W, C], or [num_steps, B, 2], in [-1, 1]."""
    shape = (num_steps, config.batch_size, *example_shape(config.data))
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def domain_batches(config, num_steps):
    """The same by domain, each its own."""
    return {
        domain: random_batches(config, num_steps, seed=place)
        for place, domain in enumerate(domain_names(config.data))
    }


def run_steps(config, num_devices, num_steps, **replacements):
    """`num_steps` in one dispatch on `num_devices`: (state, metrics [num_steps]); for more see `make_gan`."""
    devices = jax.local_devices()[:num_devices]
    axis_name = parallel.axis_name(devices)
    gan = make_gan(config, axis_name, **replacements)
    batches = domain_batches(config, num_steps)
    create = partial(create_train_state, gan=gan)
    first = {domain: images[0] for domain, images in batches.items()}
    state = parallel.create_replicated(create, jax.random.key(0), first, devices=devices)

    def step(state, resident, images):
        num_examples = len(jax.tree.leaves(images)[0])
        batch = {**images, 'position': parallel.example_positions(num_examples)}
        return train_step(state, batch, gan=gan, ema=100.0, axis_name=axis_name)

    share = lambda x: x.reshape(num_steps, num_devices, -1, *x.shape[2:]).swapaxes(0, 1)
    items = parallel.shard(jax.tree.map(share, batches), devices)
    return run_parallel(parallel.parallelize(step, devices), state, (), items)


def run_parallel(function, *arguments):
    """What `parallel.parallelize` or `fingerprints` gives, compiled for these arguments and run."""
    return function.lower(*arguments).compile()(*arguments)


@cache
def plain_step(system):
    """`single_step` of the system's small config, made and compiled once for all tests of a process."""
    return single_step(small_config(system))


def single_step(config, **replacements):
    """A jitted step on one device without an axis, with a state and a batch for it."""
    gan = make_gan(config, **replacements)
    images = {domain: jnp.asarray(images[0]) for domain, images in domain_batches(config, 1).items()}
    batch = {**images, 'position': jnp.arange(config.batch_size)}
    state = jax.jit(partial(create_train_state, gan=gan))(jax.random.key(config.seed), batch)
    return jax.jit(partial(train_step, gan=gan, ema=0.0, axis_name=None)), state, batch


def replicas_that_differ(tree) -> list[str]:
    """Paths of the leaves whose copies are not the same bits on every device."""
    different = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        data = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        copies = [np.asarray(shard.data).tobytes() for shard in data.addressable_shards]
        if any(copy != copies[0] for copy in copies):
            different.append(jax.tree_util.keystr(path, simple=True, separator='/'))
    return different
