"""The run, top to bottom: data, state, then dispatch after dispatch, with what each leaves behind."""

import contextlib
import math
import os
import shlex
import signal
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import checkpoint, parallel
from gan_jax.augment import normalize, random_flip
from gan_jax.base import GAN, Preempted, TrainingFailed, UserError
from gan_jax.compilation import Programs, keep_on_disk
from gan_jax.config import check_workdir, to_json
from gan_jax.data.pipeline import feed, fits_on_device, order
from gan_jax.data.source import open_images
from gan_jax.gans import load_system
from gan_jax.latents import example_keys
from gan_jax.pictures import curves_png, image_grid, save_png, write_atomically
from gan_jax.schedule import Dispatch, dispatches, last_dispatch
from gan_jax.stopwatch import Stopwatch
from gan_jax.train_state import TrainState, create_train_state
from gan_jax.train_step import train_step
from gan_jax.writers import MetricsWriter, progress, read_records, say

NUM_SAMPLES = 64  # pictures in a grid
NUM_FIRST_IMAGES = 1000  # reals from which an initialisation may take statistics
# Folded into keys where no step number comes to: steps stop at 2³¹ - 1.
SAMPLES, READING = 2**32 - 2, 2**32 - 3


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
    axis_name = parallel.axis_name(devices)
    gans = {stage: system.make(config, stage, axis_name) for stage in stages}
    images = open_images(config.data)
    check_batch_sizes(stages, len(images), len(devices))
    check_workdir(workdir, config)
    if config.compilation_cache:
        keep_on_disk()

    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        is_resident = fits_on_device(images, config.data.placement)
        resident = parallel.replicate(images.all_images() if is_resident else (), devices)
        first_images = images.images(order(len(images), config.seed, 0, min(len(images), NUM_FIRST_IMAGES)))
        first_batch = {'image': normalize(jnp.asarray(first_images))}

        checkpoints = checkpoint.open_checkpoints(workdir, config.keep_checkpoints)
        stack.callback(checkpoints.close)
        create = partial(create_train_state, gan=gans[stages[0]])
        rng = jax.random.key(config.seed)
        saved_step = checkpoints.latest_step()
        if saved_step is None:
            state = parallel.create_replicated(create, rng, first_batch, devices=devices)
        else:
            state = checkpoint.restore(checkpoints, saved_step, jax.eval_shape(create, rng, first_batch))
            state = parallel.replicate_state(state, devices)
        first_step, end = saved_step or 0, last_dispatch(stages)
        curves_path = workdir / 'curves.png'
        if first_step >= end.last_step:
            if not curves_path.exists():  # a kill may come between the last checkpoint and the curves
                curves_png(curves_path, read_records(workdir / 'metrics.jsonl'))
            print(checkpoint.summary(state))
            return state
        write_atomically(workdir / 'config.json', to_json(config).encode())
        if first_step:
            say(f'going on from the checkpoint at step {first_step}')

        writer = stack.enter_context(contextlib.closing(MetricsWriter(workdir, first_step)))
        report = stack.enter_context(progress(end.last_step, end.last_image / 1000, first_step))
        sample_rng = jax.random.fold_in(rng, SAMPLES)
        inputs = gans[stages[0]].sample_inputs(sample_rng, NUM_SAMPLES, first_batch)
        inputs = jax.device_put(inputs, devices[0])
        run_steps = {
            stage: parallel.parallelize(step_function(config, gans[stage], axis_name), devices)
            for stage in stages
        }
        samplers = {stage: jax.jit(gans[stage].sample) for stage in stages}
        programs = stack.enter_context(contextlib.closing(Programs()))

        intervals = [config.log_every_steps, config.sample_every_steps, config.checkpoint_every_steps]
        schedule = partial(dispatches, stages, [config.steps_per_dispatch, *intervals], first_step)
        requests = (
            (each.first_image, each.num_steps * each.stage.critic_steps, each.stage.batch_size)
            for each in schedule()
        )
        items = feed(images, requests, seed=config.seed, num_devices=len(devices), resident=is_resident)
        stack.enter_context(contextlib.closing(items))
        stack.enter_context(jax.transfer_guard('disallow'))

        unchecked = None  # the dispatch before this one, looked at while the devices work on this one
        stopwatch = Stopwatch()
        for dispatch in schedule():
            with stopwatch.waiting():
                item = parallel.shard(next_item(items, dispatch), devices)
            stage = dispatch.stage
            program = stage, dispatch.num_steps
            state, metrics = programs.run(program, run_steps[stage], state, resident, item)
            if unchecked:
                check_finite(*unchecked, checkpoints)
            if not unchecked or stage != unchecked[0].stage:  # its sampler is compiled while it trains
                programs.prepare(stage, samplers[stage], *averaged_generator(state), inputs)
            unchecked = dispatch, metrics
            step, kimg = dispatch.last_step, dispatch.last_image / 1000
            log, sample, save = (step % interval == 0 or step == end.last_step for interval in intervals)
            stopped_by = ''.join(stop[:1])  # looked at once, as a signal may come at any moment
            if log or sample or save or stopped_by or not stopwatch.is_running:
                check_finite(dispatch, metrics, checkpoints)
            stopwatch.count(dispatch.num_steps * dispatch.stage.images_per_step)

            if log:
                values = {
                    name: value[-1] for name, value in parallel.fetch(metrics).items()
                } | stopwatch.read()
                writer.write(step, kimg, values)
                report(step, kimg, values)
                stopwatch.restart()
            if sample:
                pictures = programs.run(stage, samplers[stage], *averaged_generator(state), inputs)
                grid = image_grid(jax.device_get(pictures))
                grid_path = workdir / 'samples' / f'step_{step:08d}.png'
                save_png(grid_path, grid, {'step': str(step), 'seed': str(config.seed)})
                writer.image(step, grid)
            if save or stopped_by:
                checkpoint.save(checkpoints, state)
            if stopped_by and step < end.last_step:
                checkpoints.wait_until_finished()
                go_on = shlex.join(sys.orig_argv)
                raise Preempted(f'{stopped_by} at step {step}: checkpoint written; to go on: {go_on}')
        checkpoints.wait_until_finished()
        curves_png(curves_path, writer.records())
    print(f'samples     {grid_path}\ncurves      {curves_path}\ncheckpoint  {workdir}/checkpoints/{step}')
    print(checkpoint.summary(state))
    return state


def local_devices() -> list:
    """All devices of this process; raises UserError where JAX finds none."""
    try:
        return jax.local_devices()
    except Exception as error:  # JAX raises what its plugins raise, assertions among it
        platforms = os.environ.get('JAX_PLATFORMS', '')
        raise UserError(
            f'JAX_PLATFORMS: {platforms!r} gives no devices: {error}; takes cpu, cuda or tpu'
        ) from None


def averaged_generator(state: TrainState):
    """The parameters and the model state to sample with, on the first device."""
    return parallel.on_one_device((state.ema_params, state.ema_model_state))


def next_item(items, dispatch: Dispatch):
    """The data of a dispatch: [devices, K, B, …], with several critic steps [devices, K, steps, B, …]."""
    try:
        item = next(items)
    except UserError as error:  # it was right when the run began
        raise TrainingFailed(f'step {dispatch.first_step + 1}: {error}') from None
    if dispatch.stage.critic_steps == 1:
        return item
    return item.reshape(item.shape[0], dispatch.num_steps, dispatch.stage.critic_steps, *item.shape[2:])


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


def step_function(config, gan: GAN, axis_name: str | None):
    """One device's step, `(state, resident, item) -> (state, metrics)`, from stored bytes to new parameters.

    `item` is uint8 images [B, H, W, C], or int32 indices [B] into `resident`, uint8 images [N, H, W, C]; with
    several critic steps it has an axis of them in front.
    """
    ema = 1000 * config.ema_half_life_kimg

    def read(rng, resident, item):
        positions = parallel.example_positions(item.shape[0])
        images = normalize(resident[item] if item.ndim == 1 else item)
        if config.data.flip:
            images = random_flip(images, example_keys(rng, positions))
        return {'image': images, 'position': positions}

    def step(state: TrainState, resident, item):
        rng = jax.random.fold_in(jax.random.fold_in(state.rng, state.step), READING)
        if gan.critic_steps > 1:
            rngs = jax.random.split(rng, gan.critic_steps)
            batch = jax.vmap(read, in_axes=(0, None, 0))(rngs, resident, item)
        else:
            batch = read(rng, resident, item)
        return train_step(state, batch, gan=gan, ema=ema, axis_name=axis_name)

    return step


def check_finite(dispatch: Dispatch, metrics, checkpoints) -> None:
    """Waits for a dispatch; raises TrainingFailed at its first step with a loss or gradient not finite."""
    values = {name: value.tolist() for name, value in parallel.fetch(metrics).items()}
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


@contextlib.contextmanager
def stop_signals():
    """A list that holds the name of SIGTERM or SIGINT once one has come; a second ends the process."""
    received = []

    def receive(number, frame):
        received.append(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    previous = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
