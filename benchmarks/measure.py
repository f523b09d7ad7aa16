"""The seconds of a step: ours on synthetic data, ours on the config's own data, and the peers', in turns."""

import contextlib
import statistics
import sys
from functools import partial

import jax

from benchmarks.sides import MatrixProduct, Ours, Pipeline
from gan_jax.base import UserError
from gan_jax.data.domains import open_domains
from gan_jax.dry_run import abstract_arguments
from gan_jax.fitting import memory_bytes
from gan_jax.flops import step_flops
from gan_jax.gans import load_system
from gan_jax.schedule import Dispatch
from gan_jax.train_step import train_step

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


def measure(config, stage, devices, peers, *, repeats, with_pipeline, peak_tflops=None, trace=None) -> dict:
    """Times `repeats` dispatches of a stage on each side, after one that is not counted.

    Args:
        config: as `load_config` gives it.
        stage: one of its stages.
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
    single = system.make(config, stage, None)
    step = partial(train_step, gan=single, ema=stage.ema_half_life, axis_name=None)
    flops = step_flops(step, *abstract_arguments(config, single, stage))
    dispatch = Dispatch(stage, 0, config.steps_per_dispatch)
    ours = Ours(config, system, dispatch, devices)
    images = prepared_images(config.data) if with_pipeline else None
    pipeline = Pipeline(config, images, ours, dispatch, devices) if images else None
    product = MatrixProduct(config.dtype, devices[0])
    sides = [side for side in (product, ours, pipeline, *peers) if side]
    with contextlib.closing(pipeline) if pipeline else contextlib.nullcontext():
        for round_number in range(repeats + 1):
            for side in sides:
                side.run(dispatch.num_steps, is_counted=round_number > 0)
    if trace:
        with jax.profiler.trace(trace):
            ours.run(dispatch.num_steps, is_counted=False)

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
        'product_flops_per_second': statistics.median(product.flops_per_second),
        'mfu': least_flops / median / num_devices / peak if peak else None,
        'peak_memory_bytes': ours.peak_memory,
        'program_memory_bytes': memory_bytes(ours.compiled),
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


def prepared_images(data):
    """The config's images, None where they cannot be read here; says why."""
    try:
        return open_domains(data)
    except (UserError, ModuleNotFoundError) as error:
        print(f'the pipeline is not measured: {error}', file=sys.stderr)
        return None
