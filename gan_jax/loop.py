"""The run, top to bottom: data, state, then dispatch after dispatch, with what each leaves behind."""

import contextlib
import math
import shlex
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import checkpoint, parallel
from gan_jax.augment import normalize
from gan_jax.base import Preempted, TrainingFailed
from gan_jax.compilation import Programs, keep_on_disk
from gan_jax.config import check_workdir, to_json
from gan_jax.data.domains import open_domains
from gan_jax.data.pipeline import feed, first_images, fits_on_device
from gan_jax.device_step import item_like, next_item, step_function
from gan_jax.fitting import check_batch_sizes, check_memory, heaviest, local_devices, stage_name
from gan_jax.gallery import fixed_inputs, keep_level, sample_arguments, save_grid, save_last_pictures
from gan_jax.gans import load_system
from gan_jax.pictures import write_atomically
from gan_jax.schedule import Dispatch, dispatches, last_dispatch
from gan_jax.stopping import stop_signals
from gan_jax.stopwatch import StageClock, Stopwatch
from gan_jax.train_state import TrainState, create_train_state, reset_optimizers
from gan_jax.writers import MetricsWriter, progress, read_records, say

# Folded into keys, where no step number comes to: steps stop at 2³¹ - 1.
SAMPLES = 2**32 - 2


def train(config, workdir, devices=None) -> TrainState:
    """Trains from the last checkpoint in `workdir`, or from the start, to the end of the schedule.

    Args:
        config: as `gan_jax.config.load_config` gives it.
        workdir: the folder for everything that the run leaves behind.
        devices: to run on; by default all local ones.

    Raises:
        UserError: data, workdir or devices do not fit the config; nothing has been written.
        Preempted: SIGTERM or SIGINT came, and a checkpoint has been written.
        TrainingFailed: a loss or a gradient was not finite.
    """
    workdir, devices = Path(workdir), devices or local_devices()
    system = load_system(config.system)
    stages = system.stages(config)
    grows = stages[0].resolution < config.data.resolution
    axis_name = parallel.axis_name(devices)
    gans = {stage: system.make(config, stage, axis_name) for stage in stages}
    images = open_domains(config.data)
    check_batch_sizes(stages, min(map(len, images.values())), len(devices))
    check_workdir(workdir, config)
    if config.compilation_cache:
        keep_on_disk()

    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        intervals = [config.log_every_steps, config.sample_every_steps, config.checkpoint_every_steps]
        schedule = partial(dispatches, stages, [config.steps_per_dispatch, *intervals])
        is_resident = fits_on_device(images, config.data.placement)
        pictures = {domain: each.all_images() for domain, each in images.items()} if is_resident else ()
        resident = parallel.replicate(pictures, devices)
        first_batch = jax.tree.map(
            lambda images: normalize(jnp.asarray(images)), first_images(images, config.seed)
        )

        create = partial(create_train_state, gan=gans[stages[0]])
        rng = jax.random.key(config.seed)
        run_steps = {
            stage: parallel.parallelize(step_function(config, stage, gan, axis_name), devices)
            for stage, gan in gans.items()
        }
        programs = stack.enter_context(contextlib.closing(Programs()))
        state_like = parallel.replicated_like(jax.eval_shape(create, rng, first_batch), devices)

        def prepare(dispatch: Dispatch):
            program = dispatch.stage, dispatch.num_steps
            item = parallel.sharded_like(item_like(dispatch, images, is_resident, len(devices)), devices)
            programs.prepare(program, run_steps[dispatch.stage], state_like, resident, item)
            return program

        if not (workdir / 'checkpoints').exists():  # before anything is written
            first = {
                stage: prepare(next(schedule(stage.first_step))) for stage in [*heaviest(stages), stages[0]]
            }
            for stage, program in first.items():
                check_memory(stage, programs.compiled(program), devices)
        checkpoints = checkpoint.open_checkpoints(workdir, config.keep_checkpoints)
        stack.callback(checkpoints.close)
        first_step, end = checkpoints.latest_step() or 0, last_dispatch(stages)
        state = saved_or_new(checkpoints, create, rng, first_batch, devices)
        if first_step >= end.last_step:  # a kill may come between the last checkpoint and the last pictures
            save_last_pictures(workdir, read_records(workdir / 'metrics.jsonl'))
            print(checkpoint.summary(state))
            return state
        write_atomically(workdir / 'config.json', to_json(config).encode())
        if first_step:
            say(f'going on from the checkpoint at step {first_step}')

        writer = stack.enter_context(contextlib.closing(MetricsWriter(workdir, first_step)))
        report = stack.enter_context(progress(end.last_step, end.last_image / 1000, first_step))
        inputs = fixed_inputs(gans, state, jax.random.fold_in(rng, SAMPLES), first_batch, devices[0])
        samplers = {stage: jax.jit(gans[stage].sample) for stage in stages}

        requests = (
            (each.first_image, each.num_steps * each.stage.critic_steps, each.stage.batch_size)
            for each in schedule(first_step)
        )
        items = feed(images, requests, seed=config.seed, num_devices=len(devices), resident=is_resident)
        stack.enter_context(contextlib.closing(items))
        stack.enter_context(jax.transfer_guard('disallow'))

        unchecked = None  # the dispatch before this one, looked at while the devices work on this one
        stopwatch = Stopwatch()
        for dispatch in schedule(first_step):
            with stopwatch.waiting():
                item = parallel.shard(next_item(items, dispatch), devices)
            stage, program = dispatch.stage, prepare(dispatch)
            step, kimg = dispatch.last_step, dispatch.last_image / 1000
            is_new_stage = not unchecked or stage != unchecked[0].stage
            if is_new_stage:
                compiled = programs.compiled(program)
                check_memory(stage, compiled, devices)
                stage_clock = StageClock(dispatch.first_image, programs.seconds(program))
                if stage.reset_optimizer and dispatch.first_step == stage.first_step:
                    reset = partial(reset_optimizers, gan=gans[stage])
                    state = parallel.create_replicated(reset, state, devices=devices)
            state, metrics = programs.run(program, run_steps[stage], state, resident, item)
            if unchecked:
                check_finite(*unchecked, checkpoints, config.on_nonfinite)
            if is_new_stage:  # its sampler and the next stage's step are compiled while it trains
                programs.prepare(stage, samplers[stage], *sample_arguments(state, inputs[stage]))
                if following := next(schedule(stage.last_step), None):
                    prepare(following)
            unchecked = dispatch, metrics
            ends_stage = step == stage.last_step
            log, sample, save = (ends_stage or step % interval == 0 for interval in intervals)
            stopped_by = ''.join(stop[:1])  # looked at once, as a signal may come at any moment
            if log or sample or save or stopped_by or not stopwatch.is_running:
                check_finite(dispatch, metrics, checkpoints, config.on_nonfinite)
            stopwatch.count(dispatch.num_steps * dispatch.stage.images_per_step)

            if log:
                values = {
                    name: value[-1] for name, value in parallel.fetch(metrics).items()
                } | stopwatch.read()
                if grows:
                    values['resolution'] = stage.resolution
                    values['stage_seconds_per_kimg'] = stage_clock.seconds_per_kimg(dispatch.last_image)
                writer.write(step, kimg, values)
                report(step, kimg, values)
                stopwatch.restart()
            if sample:
                pictures = jax.device_get(
                    programs.run(stage, samplers[stage], *sample_arguments(state, inputs[stage]))
                )
                grid_path, grid = save_grid(workdir, step, config.seed, pictures)
                writer.image(step, grid)
                if grows and ends_stage:
                    keep_level(workdir, pictures)
                    seconds = stage_clock.seconds_per_kimg(dispatch.last_image)
                    say(f'{stage_name(stage)} done: {seconds:.3g} s/kimg, compilation included')
            if save or stopped_by:
                checkpoint.save(checkpoints, state)
            if stopped_by and step < end.last_step:
                checkpoints.wait_until_finished()
                go_on = shlex.join(sys.orig_argv)
                raise Preempted(f'{stopped_by} at step {step}: checkpoint written; to go on: {go_on}')
        checkpoints.wait_until_finished()
        save_last_pictures(workdir, writer.records())
    print(
        f'samples     {grid_path}\ncurves      {workdir}/curves.png\ncheckpoint  {workdir}/checkpoints/{step}'
    )
    print(checkpoint.summary(state))
    return state


def saved_or_new(checkpoints, create, rng, batch, devices) -> TrainState:
    """The state of the last checkpoint or, where there is none, `create(rng, batch)`; on all devices."""
    step = checkpoints.latest_step()
    if step is None:
        return parallel.create_replicated(create, rng, batch, devices=devices)
    state = checkpoint.restore(checkpoints, step, jax.eval_shape(create, rng, batch))
    return parallel.replicate_state(state, devices)


def check_finite(dispatch: Dispatch, metrics, checkpoints, on_nonfinite: str) -> None:
    """Waits for a dispatch; raises TrainingFailed at its first step with a loss or gradient not finite,
    unless such steps are to be skipped."""
    values = {name: value.tolist() for name, value in parallel.fetch(metrics).items()}
    if on_nonfinite == 'skip':
        return
    saved = checkpoints.latest_step()
    last_good = (
        'there is no checkpoint yet' if saved is None else f'the last good checkpoint is at step {saved}'
    )
    for step in range(dispatch.num_steps):
        for name, value in values.items():
            if not math.isfinite(value[step]):
                player, _, what = name.partition('_')
                raise TrainingFailed(
                    f"step {dispatch.first_step + step + 1}: the {player}'s {what.replace('_', ' ')} "
                    f'is {value[step]}; {last_good}'
                )
