"""What a config would run, without data: parameters, stages, arithmetic and memory, for one device."""

import json
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax import parallel
from gan_jax.config import to_json
from gan_jax.data.domains import domain_names, example_shape
from gan_jax.fitting import device_memory_bytes, largest_batch_size, memory_bytes
from gan_jax.flops import step_flops
from gan_jax.gans import load_system
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step


def dry_run(config, form: str) -> str:
    """The report as 'text' for people or as one 'json' object."""
    result = report(config)
    return json.dumps(result, indent=2) if form == 'json' else as_text(result)


def report(config) -> dict:
    """What `config` would run: `config`, `parameters` by player, and for each stage its steps, batch size,
    resolution, fade, flops (XLA's count and the hand count of the least), memory in bytes and the largest
    batch that would fit into this machine's device."""
    system = load_system(config.system)
    stages, available = [], device_memory_bytes(parallel.all_devices()[:1])
    for stage in system.stages(config):
        gan = system.make(config, stage, axis_name=None)
        state, batch = abstract_arguments(config, gan, stage)
        step = partial(train_step, gan=gan, ema=stage.ema_half_life, axis_name=None)
        compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
        stages.append(
            {
                'num_steps': stage.num_steps,
                'batch_size': stage.batch_size,
                'resolution': stage.resolution,
                'fade': stage.fade > 0,
                'flops_per_step': step_flops(step, state, batch),
                'least_flops_per_step': float(gan.least_flops(stage.batch_size)),
                'memory_bytes': memory_bytes(compiled),
                'largest_batch_size': largest_batch_size(stage.batch_size, compiled, available, 1),
            }
        )
    parameters = {
        player: sum(leaf.size for leaf in jax.tree.leaves(params)) for player, params in state.params.items()
    }
    return {'config': json.loads(to_json(config)), 'parameters': parameters, 'stages': stages}


def abstract_arguments(config, gan, stage):
    """Shapes of a state and of the batch of one device alone, as `train_step` takes them."""
    images = jax.ShapeDtypeStruct((stage.batch_size, *example_shape(config.data)), jnp.float32)
    minibatch: Any = dict.fromkeys(domain_names(config.data), images)
    minibatch['position'] = jax.ShapeDtypeStruct((stage.batch_size,), jnp.int32)
    state = jax.eval_shape(partial(create_train_state, gan=gan), jax.random.key(config.seed), minibatch)
    if stage.critic_steps == 1:
        return state, minibatch
    several = lambda x: jax.ShapeDtypeStruct((stage.critic_steps, *x.shape), x.dtype)
    return state, jax.tree.map(several, minibatch)


def as_text(result: dict) -> str:
    """The report as a person reads it."""
    lines = [as_lines(result['config']), '']
    lines += [f'{player:<14} {count:>12,} parameters' for player, count in result['parameters'].items()]
    lines += [
        '',
        'stage   steps  batch  pixels  fade   Gflop/step   least Gflop   ratio   memory MiB  batch that fits',
    ]
    for number, stage in enumerate(result['stages'], start=1):
        flops, least = stage['flops_per_step'], stage['least_flops_per_step']
        lines.append(
            f'{number:>5} {stage["num_steps"]:>7} {stage["batch_size"]:>6} {stage["resolution"]:>7} '
            f'{"yes" if stage["fade"] else "no":>5} {flops / 1e9:>12.3f} {least / 1e9:>13.3f} '
            f'{flops / least:>7.3f} {stage["memory_bytes"] / 2**20:>12.1f} {stage["largest_batch_size"]:>16,}'
            + ('' if stage['batch_size'] <= stage['largest_batch_size'] else '  does not fit')
        )
    return '\n'.join(lines)


def as_lines(config: dict, prefix: str = '') -> str:
    """One field a line, as the command line names them."""
    lines = []
    for name, value in config.items():
        lines.append(
            as_lines(value, f'{prefix}{name}.') if isinstance(value, dict) else f'{prefix}{name} = {value!r}'
        )
    return '\n'.join(lines)
