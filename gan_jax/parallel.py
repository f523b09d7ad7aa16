"""The one place that knows of several devices: the pmap, what lies where, and whether replicas agree."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = 'batch'
# Most of a CPU's time to the first step would go into optimising code that runs once.
QUICK_TO_COMPILE = {'xla_backend_optimization_level': 0}


def _mesh(devices):
    return Mesh(np.array(devices), (AXIS,))


def replicate(tree, devices):
    """Puts a pytree on every device, without a device axis."""
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def shard(tree, devices):
    """Puts leaves [len(devices), ...] on the devices, one slice each."""
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec(AXIS)))


def replicated_like(tree, devices):
    """The shapes of a pytree as `replicate` would lay it out."""
    return _with_sharding(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def sharded_like(tree, devices):
    """The shapes of a pytree as `shard` would lay it out."""
    return _with_sharding(tree, NamedSharding(_mesh(devices), PartitionSpec(AXIS)))


def _with_sharding(tree, sharding):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def create_replicated(create, *arguments, devices):
    """`create(*arguments)` under jit, straight onto every device; no two leaves share a buffer."""
    options = QUICK_TO_COMPILE if devices[0].platform == 'cpu' else None
    everywhere = NamedSharding(_mesh(devices), PartitionSpec())
    return jax.jit(create, out_shardings=everywhere, compiler_options=options)(*arguments)


def replicate_state(state, devices):
    """Like `replicate`, in buffers of their own: the step donates them; NumPy's memory may be borrowed."""
    return create_replicated(
        lambda state: jax.tree.map(jnp.copy, state), replicate(state, devices), devices=devices
    )


def on_one_device(tree):
    """The first device's copy of a replicated pytree, still on that device."""
    return jax.tree.map(lambda x: x.addressable_shards[0].data, tree)


def axis_name(devices) -> str | None:
    """The axis to average over; None for a device alone, which an average over itself would cost time."""
    return AXIS if len(devices) > 1 else None


def example_positions(num_examples: int) -> jax.Array:
    """Global positions [num_examples] of this device's examples in the batch; call it under the pmap."""
    return jax.lax.axis_index(AXIS) * num_examples + jnp.arange(num_examples)


def parallelize(step_fn, devices):
    """Runs K steps on every device in one dispatch.

    Args:
        step_fn: `(state, resident, item) -> (state, metrics)` for one device; see `axis_name`.
        devices: the local devices to run on.

    Returns:
        `(state, resident, items) -> (state, metrics)`: state and resident data are replicated without a
        device axis, the state's buffers are donated; `items` are leaves [len(devices), K, ...]; metrics come
        back as [K], the values of each step.
    """

    def steps(state, resident, items):
        return jax.lax.scan(lambda state, item: step_fn(state, resident, item), state, items)

    return jax.pmap(
        steps, AXIS, in_axes=(None, None, 0), out_axes=None, donate_argnums=0, devices=list(devices)
    )


def fetch(tree):
    """One device's copy of a replicated pytree, without typed keys, as NumPy arrays; waits for it."""
    return jax.device_get(on_one_device(tree))


def replicas_that_differ(tree) -> list[str]:
    """Paths of the leaves whose copies are not the same bits on every device.

    A gradient that nobody averaged raises nothing under `out_axes=None`: the copies drift apart in silence.
    """
    different = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        data = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        copies = [np.asarray(shard.data).tobytes() for shard in data.addressable_shards]
        if any(copy != copies[0] for copy in copies):
            different.append(jax.tree_util.keystr(path, simple=True, separator='/'))
    return different
