"""Checkpoints: written in the background, read back onto any number of devices, identified by a hash."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from gan_jax import cli
from gan_jax.base import UserError
from gan_jax.parallel import fetch
from gan_jax.train_state import TrainState


def open_checkpoints(workdir: Path, keep: int | None = None) -> ocp.CheckpointManager:
    """The checkpoints of a workdir; the newest `keep` stay, all of them where it is None.

    Saving goes on in the background: `wait_until_finished()` before relying on one, `close()` at the end.
    """
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, cleanup_tmp_directories=keep is not None)
    return ocp.CheckpointManager((workdir / 'checkpoints').absolute(), options=options)


def open_existing(workdir: Path) -> ocp.CheckpointManager:
    """The checkpoints of a workdir, to read from; raises UserError where there are none."""
    checkpoints = open_checkpoints(workdir) if (workdir / 'checkpoints').is_dir() else None
    if checkpoints is None or not checkpoints.all_steps():
        raise UserError(f'--workdir: {str(workdir)!r} has no checkpoint; takes the folder of a run')
    return checkpoints


def save(checkpoints: ocp.CheckpointManager, state: TrainState) -> None:
    """Copies the state off the devices, so that its buffers may be donated, and begins to write it."""
    checkpoints.save(int(fetch(state.step)), args=ocp.args.StandardSave(fetch(_without_typed_key(state))))


def restore(checkpoints: ocp.CheckpointManager, step: int, like: TrainState) -> TrainState:
    """The state of `step` as NumPy arrays, with the structure and shapes of `like` (abstract will do)."""
    state = _read(checkpoints, step, _as_numpy(_without_typed_key(like)))
    return state.replace(rng=jax.random.wrap_key_data(state.rng))


def read_raw(checkpoints: ocp.CheckpointManager, step: int) -> dict:
    """The state of `step` as nested dicts and lists of NumPy arrays, for a reader who knows no system."""
    return _read(checkpoints, step, None)


def _read(checkpoints: ocp.CheckpointManager, step: int, target) -> Any:
    try:
        return checkpoints.restore(step, args=ocp.args.StandardRestore(target))
    except Exception as error:  # Orbax and TensorStore raise what they please, over pages
        folder, cause = str(checkpoints.directory / str(step)), f'{type(error).__name__}: {str(error)[:200]}'
        raise UserError(
            f'--workdir: the checkpoint {folder!r} cannot be read ({cause} …); '
            'without that folder the one before it is taken'
        ) from error


def state_sha256(state) -> str:
    """A hash over every leaf's path, dtype, shape and bytes, in the order of their paths."""
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(_without_typed_key(state))
    }
    digest = hashlib.sha256()
    for path, leaf in sorted(leaves.items()):
        digest.update(f'{path} {leaf.dtype} {leaf.shape} '.encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def summary(state) -> str:
    """The line that identifies a state: how far it is, and its hash."""
    tree = state if isinstance(state, dict) else vars(state)
    kimg = int(tree['images_seen']) / 1000
    return f'step {int(tree["step"])} · {kimg:g} kimg · state sha256 {state_sha256(state)}'


def _without_typed_key(state):
    """The state with its key as plain numbers, which any reader of the checkpoint understands."""
    is_key = lambda x: hasattr(x, 'dtype') and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(state)):
        return jax.eval_shape(
            lambda state: jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, state), state
        )
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, state)


def _as_numpy(tree):
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), tree)


def main(arguments: list[str]) -> None:
    """Prints a line per checkpoint."""
    parser = cli.Parser('Lists the checkpoints of a workdir: step, images seen and the hash of the state.')
    parser.add_argument('--workdir', type=cli.path('the folder of a run'), required=True, help='of the run')
    checkpoints = open_existing(Path(parser.parse_args(arguments).workdir))
    for step in sorted(checkpoints.all_steps()):
        print(summary(read_raw(checkpoints, step)))
    checkpoints.close()


if __name__ == '__main__':
    sys.exit(cli.run(main))
