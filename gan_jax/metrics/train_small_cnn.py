"""Train the small classifier; what this writes without arguments is what the package brings.

    python -m gan_jax.metrics.train_small_cnn [--name=mnist] [--data_dir=DIR] [--out=small_cnn.npz]

It learns from the train split and prints the share of the test split that it tells right.
"""

import io
import sys
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import cli
from gan_jax.base import UserError
from gan_jax.data.pipeline import order
from gan_jax.data.source import open_images
from gan_jax.metrics.networks import SMALL_CNN
from gan_jax.metrics.small_cnn import SmallCNN
from gan_jax.metrics.weights import filled, named_arrays
from gan_jax.pictures import write_atomically

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 30, 100, 4e-3, 1e-3
SHIFT = 2  # pixels, at most, by which a picture is moved
KEPT = 0.8  # of the features, while it learns
SMOOTHING = 0.1  # of the labels
network: Any = SmallCNN()


def main(arguments: list[str]) -> None:
    """Reads the command line, trains, writes the weights and prints how good they are."""
    parser = cli.Parser(__doc__)
    parser.add_argument('--name', default='fashion_mnist_10k', help='of a TFDS data set of gray pictures')
    parser.add_argument('--data_dir', default='', help='where it was prepared')
    parser.add_argument('--out', type=cli.path('a .npz file'), default=str(SMALL_CNN), help='for the weights')
    options = parser.parse_args(arguments)
    cli.check_file('--out', options.out, '.npz')
    (images, labels), test = (labelled(options.name, options.data_dir, split) for split in ('train', 'test'))
    variables = trained(jnp.asarray(images), jnp.asarray(labels))
    # In half precision, which costs no accuracy and half the bytes.
    arrays: dict[str, Any] = {
        name: array.astype(np.float16) for name, array in named_arrays(variables).items()
    }
    file = io.BytesIO()
    np.savez(file, **arrays)
    write_atomically(options.out, file.getvalue())
    print(f'{options.out}: {accuracy(filled(network, arrays, channels=1), *test):.4f} of the test split')


def labelled(name: str, data_dir: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [N, H, W, 1] and their classes int32 [N]; raises UserError."""
    import tensorflow_datasets as tfds  # here, because it takes a while

    described = {'resolution': 28, 'channels': 1, 'fit': 'crop'}
    try:
        images = open_images(SimpleNamespace(name=name, data_dir=data_dir, split=split, **described))
    except UserError as error:
        raise UserError(str(error).replace('--config.data.', '--')) from None
    builder: Any = tfds.builder_from_directory(images.folder)  # `open_images` has looked at what it names
    if 'label' not in builder.info.features:
        raise UserError(f'--name: {name!r} has no labels; takes a data set with some')
    records = builder.as_data_source(split)
    labels = [records[place]['label'] for place in range(len(records))]
    return images.all_images(), np.array(labels, np.int32)


def trained(images, labels):
    """The network's variables after the last epoch."""
    variables = network.init(jax.random.key(0), images[:1].astype(jnp.float32))
    steps = EPOCHS * len(images) // BATCH_SIZE
    optimizer = optax.adamw(optax.cosine_onecycle_schedule(steps, LEARNING_RATE), weight_decay=WEIGHT_DECAY)

    def loss(variables, images, labels, key):
        moved, dropped = jax.random.split(key)
        images = jax.vmap(changed)(images.astype(jnp.float32), jax.random.split(moved, len(images)))
        features, _ = network.apply(variables, images)
        features = features * jax.random.bernoulli(dropped, KEPT, features.shape) / KEPT
        classes = optax.smooth_labels(jax.nn.one_hot(labels, 10), SMOOTHING)
        return jnp.mean(
            optax.softmax_cross_entropy(network.apply(variables, features, method='classify'), classes)
        )

    @jax.jit
    def step(variables, optimizer_state, batch, number):
        key = jax.random.fold_in(jax.random.key(1), number)
        gradient = jax.grad(loss)(variables, images[batch], labels[batch], key)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state, variables)
        return optax.apply_updates(variables, updates), optimizer_state

    optimizer_state = optimizer.init(variables)
    for number in range(steps):
        batch = order(len(images), 0, number * BATCH_SIZE, (number + 1) * BATCH_SIZE)
        variables, optimizer_state = step(variables, optimizer_state, batch, number)
    return variables


def changed(image, key):
    """A picture [H, W, 1] moved by some pixels, and half of them seen in a mirror."""
    flip, shift = jax.random.split(key)
    image = jnp.where(jax.random.bernoulli(flip), image[:, ::-1], image)
    padded = jnp.pad(image, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    top, left = jax.random.randint(shift, (2,), 0, 2 * SHIFT + 1)
    return jax.lax.dynamic_slice(padded, (top, left, 0), image.shape)


def accuracy(variables, images, labels) -> float:
    """The share of pictures uint8 [N, H, W, 1] that are told to be of their class."""
    classify = jax.jit(
        lambda images: jnp.argmax(network.apply(variables, images.astype(jnp.float32))[1], axis=1)
    )
    return float(np.mean(np.asarray(classify(images)) == labels))


if __name__ == '__main__':
    sys.exit(cli.run(main))
