"""The seconds of a step: ours on synthetic data, ours on the config's own data, and the peers', in turns."""

import contextlib
import itertools
import statistics
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.memory import peak_bytes, restart_peak
from gan_jax import parallel
from gan_jax.base import UserError
from gan_jax.data.pipeline import feed, fits_on_device
from gan_jax.data.source import open_images
from gan_jax.dry_run import abstract_arguments, step_flops
from gan_jax.gans import load_system
from gan_jax.loop import check_batch_sizes, next_item, step_function
from gan_jax.schedule import Dispatch
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step

NUM_EXAMPLES = 4096  # synthetic, on the devices
# Floating point operations a second of a chip, dense, as its maker states them. What JAX makes of float32
# there by default is TF32 on NVIDIA's and bfloat16 on Google's.
PEAK_FLOPS = {
    'H100 PCIe': {'bfloat16': 756e12, 'float32': 378e12},
    'H100': {'bfloat16': 989e12, 'float32': 494e12},
    'H200': {'bfloat16': 989e12, 'float32': 494e12},
    'A100': {'bfloat16': 312e12, 'float32': 156e12},
    'TPU v4': {'bfloat16': 275e12, 'float32': 275e12},
    'TPU v5 lite': {'bfloat16': 197e12, 'float32': 197e12},
    'TPU v5': {'bfloat16': 459e12, 'float32': 459e12},
    'TPU v6 lite': {'bfloat16': 918e12, 'float32': 918e12},
}


def measure(config, devices, peers, *, repeats, with_pipeline, peak_tflops=None, trace=None) -> dict:
    """Times `repeats` dispatches of the config's last stage on each side, after one that is not counted.

    Args:
        config: as `load_config` gives it.
        devices: to run on.
        peers: the PyTorch processes to take turns with.
        repeats: timed dispatches of each side.
        with_pipeline: whether to time the config's own data too, where they are prepared.
        peak_tflops: of one device in the config's dtype, where `PEAK_FLOPS` does not know better.
        trace: folder for a profile of one more dispatch.

    Returns:
        The fields that docs/performance.md explains.
    """
    system = load_system(config.system)
    stage = system.stages(config)[-1]
    dispatch = Dispatch(stage, 0, config.steps_per_dispatch)
    ours = Ours(config, system, dispatch, devices)
    images = prepared_images(config.data) if with_pipeline else None
    pipeline = Pipeline(config, images, ours, dispatch, devices) if images else None
    sides = [side for side in (ours, pipeline, *peers) if side]
    with contextlib.closing(pipeline) if pipeline else contextlib.nullcontext():
        for round_number in range(repeats + 1):
            for side in sides:
                side.run(dispatch.num_steps, is_counted=round_number > 0)
    if trace:
        with jax.profiler.trace(trace):
            ours.run(dispatch.num_steps, is_counted=False)

    single = system.make(config, stage, None)
    step = partial(train_step, gan=single, ema=1000 * config.ema_half_life_kimg, axis_name=None)
    flops = step_flops(step, *abstract_arguments(config, single, stage))
    least_flops = float(single.least_flops(stage.batch_size))
    seconds = spread(ours.step_seconds)
    median, num_devices, kind = seconds['median'], len(devices), devices[0].device_kind
    known = [peak[config.dtype] for name, peak in PEAK_FLOPS.items() if name in kind]
    peak = peak_tflops * 1e12 if peak_tflops else next(iter(known), None)
    result = {
        'system': config.system,
        'resolution': stage.resolution,
        'batch_size': stage.batch_size,
        'dtype': config.dtype,
        'num_devices': num_devices,
        'device_kind': kind,
        'jax_version': jax.__version__,
        'steps_per_dispatch': config.steps_per_dispatch,
        'step_seconds': seconds,
        'images_per_second': stage.images_per_step / median,
        'images_per_second_per_device': stage.images_per_step / median / num_devices,
        'seconds_per_kimg': 1000 * median / stage.images_per_step,
        'flops_per_step': flops,
        'least_flops_per_step': least_flops,
        'achieved_flops_per_second': flops / median,
        'mfu': least_flops / median / num_devices / peak if peak else None,
        'peak_memory_bytes': ours.peak_memory,
        'compile_seconds': ours.compile_seconds,
        'pipeline_step_seconds': pipeline and spread(pipeline.step_seconds),
        'pipeline_to_synthetic': pipeline and ratio(pipeline.step_seconds, ours.step_seconds),
        'data_wait_fraction': pipeline
        and pipeline.waited / (sum(pipeline.step_seconds) * dispatch.num_steps),
    }
    if peers:
        best = min(peers, key=lambda peer: statistics.median(peer.step_seconds))
        result['peer'] = {peer.form: peer.report() | spread(peer.step_seconds) for peer in peers}
        result['best_peer'] = best.form
        result['ratio_to_peer'] = ratio(best.step_seconds, ours.step_seconds)
    return result


def spread(values: list[float]) -> dict[str, float]:
    """The smallest, the one in the middle and the largest."""
    return {'min': min(values), 'median': statistics.median(values), 'max': max(values)}


def ratio(values: list[float], to: list[float]) -> dict[str, float]:
    """The spread of the ratios within each round: what slows a whole round cancels out."""
    return spread([value / other for value, other in zip(values, to, strict=True)])


class Ours:
    """Our step on synthetic data that lie on the devices."""

    def __init__(self, config, system, dispatch, devices):
        stage, axis_name = dispatch.stage, parallel.axis_name(devices)
        gan = system.make(config, stage, axis_name)
        num_examples = max(NUM_EXAMPLES, stage.batch_size)
        check_batch_sizes([stage], num_examples, len(devices))
        rng = np.random.default_rng(0)
        shape = (num_examples, stage.resolution, stage.resolution, config.data.channels)
        self.resident = parallel.replicate(rng.integers(0, 256, shape, np.uint8), devices)
        per_dispatch = (
            len(devices),
            dispatch.num_steps * stage.critic_steps,
            stage.batch_size // len(devices),
        )
        indices = next_item(iter([rng.integers(0, num_examples, per_dispatch, np.int32)]), dispatch)
        self.items = parallel.shard(indices, devices)
        batch = {'image': jnp.zeros((2, *shape[1:]))}
        create = partial(create_train_state, gan=gan)
        self.state = parallel.create_replicated(create, jax.random.key(config.seed), batch, devices=devices)
        self.jitted = parallel.parallelize(step_function(config, gan, axis_name), devices)
        started = time.perf_counter()
        self.compiled = self.jitted.lower(self.state, self.resident, self.items).compile()
        self.compile_seconds = time.perf_counter() - started
        self.devices, self.step_seconds, self.peak_memory = devices, [], None

    def run(self, num_steps, is_counted):
        """One dispatch."""
        restart_peak()
        started = time.perf_counter()
        self.state, _ = jax.block_until_ready(self.compiled(self.state, self.resident, self.items))
        if is_counted:
            self.step_seconds.append((time.perf_counter() - started) / num_steps)
            self.peak_memory = device_peak_bytes(self.devices[0])


class Pipeline:
    """The same step, from a state of its own, on the config's data as a run reads it."""

    def __init__(self, config, images, ours, dispatch, devices):
        stage = dispatch.stage
        is_resident = fits_on_device(images, config.data.placement)
        self.resident = parallel.replicate(images.all_images() if is_resident else (), devices)
        batches, batch_size = dispatch.num_steps * stage.critic_steps, stage.batch_size
        requests = ((number * batches * batch_size, batches, batch_size) for number in itertools.count())
        self.items = feed(images, requests, seed=config.seed, num_devices=len(devices), resident=is_resident)
        self.state = parallel.replicate_state(ours.state, devices)
        self.jitted, self.dispatch, self.devices = ours.jitted, dispatch, devices
        self.step_seconds, self.waited = [], 0.0

    def run(self, num_steps, is_counted):
        """One dispatch, from asking for its data to its end."""
        started = time.perf_counter()
        item = parallel.shard(next_item(self.items, self.dispatch), self.devices)
        waited = time.perf_counter() - started
        self.state, _ = jax.block_until_ready(self.jitted(self.state, self.resident, item))
        if is_counted:
            self.step_seconds.append((time.perf_counter() - started) / num_steps)
            self.waited += waited

    def close(self):
        """Ends the thread that reads ahead."""
        self.items.close()


def prepared_images(data):
    """The config's images, None where they cannot be read here; says why."""
    try:
        return open_images(data)
    except (UserError, ModuleNotFoundError) as error:
        print(f'the pipeline is not measured: {error}', file=sys.stderr)
        return None


def device_peak_bytes(device) -> int | None:
    """The most memory in use: of a GPU or TPU so far, of this process on a CPU since `restart_peak`."""
    statistics_of_device = device.memory_stats()
    return statistics_of_device['peak_bytes_in_use'] if statistics_of_device else peak_bytes()
