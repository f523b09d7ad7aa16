"""The one place that knows of several devices: the pmap, what lies where, and whether replicas agree."""

import collections
import contextlib
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gan_jax.base import UserError

AXIS = 'batch'
# Most of a CPU's time to the first step would go into optimising code that runs once.
QUICK_TO_COMPILE = {'xla_backend_optimization_level': 0}


def all_devices() -> list:
    """Those of all processes, each process's side by side, the first process's first.

    Raises:
        UserError: JAX finds none, or more in one process than in another.
    """
    try:
        devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    except Exception as error:  # JAX raises what its plugins raise, assertions among it
        platforms = os.environ.get('JAX_PLATFORMS', '')
        raise UserError(
            f'JAX_PLATFORMS: {platforms!r} gives no devices: {error}; takes cpu, cuda or tpu'
        ) from None
    each = collections.Counter(device.process_index for device in devices)
    if len(set(each.values())) > 1:
        raise UserError(
            f'--config.distributed: the processes have {list(each.values())} devices; takes as many in each'
        )
    return devices


def local(devices) -> list:
    """Those that belong to this process."""
    return [device for device in devices if device.process_index == jax.process_index()]


def local_places(devices) -> slice:
    """Where this process's stand among all."""
    first = devices.index(local(devices)[0])
    return slice(first, first + len(local(devices)))


def replicated(devices):
    """A sharding: whole on every device."""
    return NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec())


def sharded(devices):
    """A sharding: the first axis over the devices."""
    return NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec(AXIS))


def replicate(tree, devices):
    """Puts a pytree on every device, without a device axis; each process gives all of it."""
    copies = lambda x: jax.device_put([x] * len(local(devices)), local(devices))
    return jax.tree.map(lambda x: _whole(np.shape(x), replicated(devices), copies(x)), tree)


def shard(tree, devices):
    """Puts leaves [devices of this process, ...] on them, one slice each: arrays [devices, ...]."""
    slices = lambda x: jax.device_put(np.split(x, len(x)), local(devices))
    shape = lambda x: (len(devices), *x.shape[1:])
    return jax.tree.map(lambda x: _whole(shape(x), sharded(devices), slices(x)), tree)


# An array of all processes out of this one's pieces, about which no other process is asked.
_whole = jax.make_array_from_single_device_arrays


def replicated_like(tree, devices):
    """The shapes of a pytree as `replicate` would lay it out."""
    return _with_sharding(tree, replicated(devices))


def sharded_like(tree, devices):
    """The shapes of a pytree as `shard` would lay it out."""
    return _with_sharding(tree, sharded(devices))


def _with_sharding(tree, sharding):
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), tree)


def create_replicated(create, *arguments, devices):
    """`create(*arguments)` under jit, straight onto every device; no two leaves share a buffer."""
    options = QUICK_TO_COMPILE if devices[0].platform == 'cpu' else None
    return jax.jit(create, out_shardings=replicated(devices), compiler_options=options)(*arguments)


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


class Parallel(NamedTuple):
    """A function on every device at once, to be compiled for the shapes it is given."""

    mapped: Any  # by pmap

    def lower(self, *like):
        """Like `jit`'s; arrays and shapes are those of all processes together."""
        # From abstract values, as pmap would copy between its view of one process and that of all.
        return self.mapped.lower(*jax.tree.map(lambda x: ShapedArray(x.shape, x.dtype), like))


def parallelize(step_fn, devices) -> Parallel:
    """Runs K steps on every device in one dispatch.

    Args:
        step_fn: `(state, resident, item) -> (state, metrics)` for one device; see `axis_name`.
        devices: to run on, those of all processes.

    Returns:
        `(state, resident, items) -> (state, metrics)`: state and resident data are replicated without a
        device axis, the state's buffers are donated; `items` are leaves [len(devices), K, ...]; metrics come
        back as [K], the values of each step.
    """

    def steps(state, resident, items):
        return jax.lax.scan(lambda state, item: step_fn(state, resident, item), state, items)

    axes = {'in_axes': (None, None, 0), 'out_axes': None}
    return Parallel(jax.pmap(steps, AXIS, **axes, donate_argnums=0, devices=list(devices)))


def parallelize_apart(step_fn, devices, over: Callable) -> Parallel:
    """Runs K steps of several runs on every device in one dispatch; no run knows of the others.

    Args:
        step_fn: `(state, (own, resident), item) -> (state, metrics)` of one run, on a device alone.
        devices: to run on, all of this process; each has as many runs, N.
        over: maps a function over the runs of a device, as `jax.vmap` does.

    Returns:
        `(states, (own, resident), items) -> (states, metrics)`: leaves of states and of what is own are
        [len(devices), N, ...], resident data are replicated, the states' buffers are donated; `items` are
        leaves [len(devices), N, K, ...]; metrics come back as [len(devices), N, K].
    """

    def of_device(states, shared, items):
        own, resident = shared

        def steps(state, own, items):
            return jax.lax.scan(lambda state, item: step_fn(state, (own, resident), item), state, items)

        return over(steps)(states, own, items)

    axes = {'in_axes': (0, (0, None), 0), 'out_axes': 0}
    return Parallel(jax.pmap(of_device, AXIS, **axes, donate_argnums=0, devices=list(devices)))


def each_its_own(function, devices) -> Parallel:
    """`function` on every device, of leaves [len(devices), ...] each one's own."""
    return Parallel(jax.pmap(function, AXIS, devices=list(devices)))


def side_by_side(trees, devices):
    """One pytree for each device, wherever they lie, as arrays [len(devices), ...] with each on its own."""
    place = lambda leaves: [
        jax.device_put(x[None], device) for x, device in zip(leaves, devices, strict=True)
    ]
    join = lambda *leaves: _whole((len(devices), *leaves[0].shape), sharded(devices), place(leaves))
    return jax.tree.map(join, *trees)


def have_cpus(number: int) -> None:
    """Has JAX take the processor for several devices, among which so many runs can be shared out evenly.

    As many as there are cores, or a few more, unless JAX_NUM_CPU_DEVICES says how many. Call it before JAX
    has devices; those of other kinds stay as they are.
    """
    cores = len(os.sched_getaffinity(0))
    even = [each for each in range(1, number + 1) if number % each == 0]
    few_more = [each for each in even if cores <= each <= 2 * cores]
    if 'JAX_NUM_CPU_DEVICES' not in os.environ:
        with contextlib.suppress(RuntimeError):  # it has
            chosen = min(few_more, default=max(each for each in even if each <= cores))
            jax.config.update('jax_num_cpu_devices', chosen)


def fetch(tree):
    """One device's copy of a replicated pytree, without typed keys, as NumPy arrays; waits for it."""
    return jax.device_get(on_one_device(tree))


def fingerprints(devices) -> Parallel:
    """Numbers that tell whether the copies of a tree are the same bits on all devices.

    Returns:
        `(tree, places) -> {path: uint32 [len(devices)]}`, `places` being `shard`ed numbers, one a device: for
        each leaf's path down to the second name, as params/generator, each device's number of its own copy.
    """

    def of_device(tree, place):
        del place  # says to pmap on how many devices
        sums = collections.defaultdict(lambda: jnp.uint32(0))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            name = jax.tree_util.keystr(path[:2], simple=True, separator='/')
            sums[name] = sums[name] * jnp.uint32(31) + _fingerprint(leaf)
        return jax.lax.all_gather(dict(sums), AXIS)

    return Parallel(jax.pmap(of_device, AXIS, in_axes=(None, 0), out_axes=None, devices=list(devices)))


def _fingerprint(leaf) -> jax.Array:
    """A weighted sum, modulo 2³², of a leaf's bits: one changed entry always changes it."""
    data = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
    unsigned = jnp.dtype(f'uint{8 * data.dtype.itemsize}')
    bits = jax.lax.bitcast_convert_type(data, unsigned).astype(jnp.uint32)
    odd = 2 * jax.lax.iota(jnp.uint32, bits.size).reshape(bits.shape) + 1  # invertible, and no two alike
    return jnp.sum(bits * odd, dtype=jnp.uint32)
