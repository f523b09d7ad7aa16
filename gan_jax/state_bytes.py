"""A state as bytes: the hash that identifies it, and how it gets from one process to another."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.train_state import TrainState


def state_sha256(state) -> str:
    """A hash over every leaf's path, dtype, shape and bytes, in the order of their paths."""
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(without_typed_key(state))
    }
    digest = hashlib.sha256()
    for path, leaf in sorted(leaves.items()):
        digest.update(f'{path} {leaf.dtype} {leaf.shape} '.encode())
        digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)  # not a copy of it
    return digest.hexdigest()


def summary(state: TrainState) -> str:
    """The line that identifies a state: how far it is, and its hash."""
    return line_of(int(state.step), int(state.images_seen), state_sha256(state))


def line_of(step: int, images_seen: int, state_sha256: str) -> str:
    """See `summary`."""
    return f'step {step} · {images_seen / 1000:g} kimg · state sha256 {state_sha256}'


def shapes(tree) -> dict[str, tuple]:
    """{path of a leaf, as params.generator.…: (shape, dtype)}."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator='.')
    return {name(path): (leaf.shape, str(leaf.dtype)) for path, leaf in paths}


def without_typed_key(state):
    """The state with its key as plain numbers, which any reader of the checkpoint understands."""
    is_key = lambda x: hasattr(x, 'dtype') and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state)):
        return jax.eval_shape(
            lambda state: jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, state), state
        )
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, state)


def to_bytes(state: TrainState) -> bytes:
    """All leaves of a state of NumPy arrays, one after another."""
    return b''.join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(without_typed_key(state)))


def from_bytes(data, like: TrainState) -> TrainState:
    """What `to_bytes` was given, out of its bytes and the structure and shapes of `like`."""
    leaves, structure = jax.tree.flatten(without_typed_key(like))
    ends = np.cumsum([leaf.size * leaf.dtype.itemsize for leaf in leaves])
    arrays = [
        np.frombuffer(data[end - leaf.size * leaf.dtype.itemsize : end], leaf.dtype).reshape(leaf.shape)
        for leaf, end in zip(leaves, ends, strict=True)
    ]
    state = jax.tree.unflatten(structure, arrays)
    return state.replace(rng=jax.random.wrap_key_data(state.rng))
