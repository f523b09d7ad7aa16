"""Whether a run fits where it is to run: its batches on the devices, its programs into their memory."""

import os
from pathlib import Path
from typing import Any

from gan_jax import parallel
from gan_jax.base import Stage, UserError

CGROUP = Path('/sys/fs/cgroup/memory.max')  # a container's share of the machine's memory


def check_batch_sizes(stages, num_examples: int, num_devices: int) -> None:
    """Raises UserError where a batch cannot be shared out evenly or is larger than the data set."""
    for stage in stages:
        if stage.batch_size % num_devices:
            raise UserError(
                f'--config.batch_size: {stage.batch_size} will not do on {num_devices} devices; '
                f'takes a multiple of {num_devices}'
            )
        if stage.batch_size > num_examples:
            raise UserError(
                f'--config.batch_size: {stage.batch_size} is more than the data set holds; '
                f'takes at most {num_examples}'
            )


def heaviest(stages) -> list[Stage]:
    """Those that none exceeds in batch size, resolution, critic steps and fading: they need most memory."""
    size = lambda stage: (stage.batch_size, stage.resolution, stage.critic_steps, stage.fade > 0)
    one_of_each = {size(stage): stage for stage in stages}
    exceeds = lambda a, b: a != b and all(x >= y for x, y in zip(a, b, strict=True))
    return [stage for a, stage in one_of_each.items() if not any(exceeds(b, a) for b in one_of_each)]


def check_memory(stage: Stage, compiled, devices) -> None:
    """Raises UserError where the compiled step of a stage needs more memory than a device has."""
    needed, available = memory_bytes(compiled), device_memory_bytes(parallel.local(devices))
    if needed > available:
        largest = largest_batch_size(stage.batch_size, compiled, available, len(devices))
        raise UserError(
            f'--config.batch_size: {stage.batch_size} at {stage_name(stage)} needs {needed / 2**30:.3g} GiB '
            f'on each device, which has {available / 2**30:.3g} GiB; takes '
            + (f'at most {largest} there' if largest else f'none there: {len(devices)} would not fit, either')
        )


def stage_name(stage: Stage) -> str:
    """'8 x 8' or '8 x 8, fading in'."""
    return f'{stage.resolution} x {stage.resolution}' + (', fading in' if stage.fade else '')


def memory_bytes(compiled) -> int:
    """What a compiled program needs on each device: arguments, results and what lies between."""
    memory: Any = compiled.memory_analysis()
    # A donated state is argument and result at once.
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )


def device_memory_bytes(devices) -> int:
    """The memory that each of this process's devices may use; CPU devices share the machine's."""
    statistics = devices[0].memory_stats()
    if statistics:
        return statistics['bytes_limit']
    machine = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    limit = CGROUP.read_text().strip() if CGROUP.exists() else 'max'
    return min(machine, machine if limit == 'max' else int(limit)) // len(devices)


def largest_batch_size(batch_size: int, compiled, available: int, num_devices: int) -> int:
    """The largest batch over all devices that would fit: temporary memory grows with it alone."""
    temporary = compiled.memory_analysis().temp_size_in_bytes
    left = available - (memory_bytes(compiled) - temporary)
    return max(0, int(left / temporary * batch_size / num_devices)) * num_devices
