"""The run, top to bottom: data, state, then dispatch after dispatch, with what each leaves behind."""

import contextlib
import shlex
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import parallel, processes
from gan_jax.augment import normalize
from gan_jax.base import Preempted, TrainingFailed
from gan_jax.checkpoint import Checkpoints
from gan_jax.cli import unwritable
from gan_jax.compilation import Programs, fix_choices, keep_on_disk
from gan_jax.config import check_workdir, to_json
from gan_jax.data.domains import open_domains
from gan_jax.data.pipeline import feed, first_images, fits_on_device
from gan_jax.device_step import item_like, next_item, step_function
from gan_jax.fitting import check_batch_sizes, check_memory, heaviest
from gan_jax.gallery import fixed_inputs, save_last_pictures
from gan_jax.gans import load_system
from gan_jax.lock import locked
from gan_jax.pictures import write_atomically
from gan_jax.record import Record
from gan_jax.schedule import Dispatch, dispatches, last_dispatch
from gan_jax.state_bytes import from_bytes, summary, to_bytes
from gan_jax.stopping import stop_signals
from gan_jax.stopwatch import Stopwatch
from gan_jax.train_state import TrainState, create_train_state, reset_optimizers
from gan_jax.watchdogs import Replicas, first_nonfinite, spread
from gan_jax.writers import read_records, say, surviving

# Folded into keys, where no step number comes to: steps stop at 2³¹ - 1.
SAMPLES = 2**32 - 2


def train(config, workdir, devices=None) -> TrainState:
    """Trains from the last checkpoint in `workdir`, or from the start, to the end of the schedule.

    Args:
        config: as `gan_jax.config.load_config` gives it.
        workdir: the folder for everything that the run leaves behind; only the first process looks at it.
        devices: to run on; by default all those of all processes.

    Raises:
        UserError: data, workdir or devices do not fit the config; nothing has been written.
        Preempted: SIGTERM or SIGINT came, and a checkpoint has been written.
        TrainingFailed: a loss or a gradient was not finite, replicas differ, or the end could not be saved.
    """
    workdir = Path(workdir)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        if config.deterministic:
            fix_choices()
        processes.join(config.distributed)
        devices, is_first = devices or parallel.all_devices(), processes.is_first()
        system = load_system(config.system)
        stages = system.stages(config)
        axis_name = parallel.axis_name(devices)
        gans = {stage: system.make(config, stage, axis_name) for stage in stages}
        images = open_domains(config.data)
        check_batch_sizes(stages, min(map(len, images.values())), len(devices))

        def look() -> bytes:
            check_workdir(workdir, config)
            return b'begun' if (workdir / 'checkpoints').exists() else b'new'

        is_new = processes.of_first(look) == b'new'
        if config.compilation_cache:
            keep_on_disk()

        intervals = [config.log_every_steps, config.sample_every_steps, config.checkpoint_every_steps]
        schedule = partial(dispatches, stages, [config.steps_per_dispatch, *intervals])
        is_resident = fits_on_device(images, config.data.placement)
        pictures = {domain: each.all_images() for domain, each in images.items()} if is_resident else ()
        resident = parallel.replicate(pictures, devices)
        first = first_images(images, config.seed)
        first_batch = jax.tree.map(lambda images: normalize(jnp.asarray(images)), first)

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

        if is_new:  # before anything is written
            begun = {
                stage: prepare(next(schedule(stage.first_step))) for stage in [*heaviest(stages), stages[0]]
            }
            for stage, program in begun.items():
                check_memory(stage, programs.compiled(program), devices)

        def occupy():
            stack.enter_context(locked(workdir))
            check_workdir(workdir, config)  # again, as another run may have been here first

        processes.of_first(occupy)
        checkpoints = Checkpoints(workdir, config.keep_checkpoints, say)
        stack.callback(checkpoints.close)
        state = saved_or_new(checkpoints, create, rng, first_batch, devices)
        first_step, end = int(parallel.fetch(state.step)), last_dispatch(stages)
        if first_step >= end.last_step:  # a kill may come between the last checkpoint and the last pictures
            if is_first:
                with surviving(first_step, 'curves.png'):
                    save_last_pictures(workdir, read_records(workdir / 'metrics.jsonl'))
                print(summary(state))
            return state
        record = None

        def begin():
            nonlocal record
            inputs = fixed_inputs(gans, state, jax.random.fold_in(rng, SAMPLES), first_batch, devices[0])
            least_spread = min(map(spread, jax.tree.leaves(first_batch)))
            record = Record(config, workdir, gans, inputs, least_spread)
            try:
                write_atomically(workdir / 'config.json', to_json(config).encode())
                stack.enter_context(record.open(state, end))
            except OSError as error:
                raise unwritable('--workdir', workdir, error) from None

        processes.of_first(begin)
        if record and first_step:
            say(f'going on from the checkpoint at step {first_step}')

        requests = (
            (each.first_image, each.num_steps * each.stage.critic_steps, each.stage.batch_size)
            for each in schedule(first_step)
        )
        dispatch = next(schedule(first_step))
        items = feed(
            images,
            requests,
            seed=config.seed,
            num_devices=len(devices),
            resident=is_resident,
            mine=parallel.local_places(devices),
            patience=config.watchdogs.stalled_input_seconds,
            stalled=lambda seconds: say(
                f'step {dispatch.last_step}: the data have brought nothing for {seconds:g} s; '
                'is their disk or network at work?'
            ),
        )
        stack.enter_context(contextlib.closing(items))
        stack.enter_context(jax.transfer_guard('disallow'))

        compares = config.watchdogs.replicas and len(devices) > 1
        replicas = Replicas(devices, state_like, programs) if compares else None
        nonfinite, current_stage = '', None  # what was not finite since the last line of the log
        unchecked = None  # the dispatch before this one, looked at while the devices work on this one
        stopwatch = Stopwatch()
        for dispatch in schedule(first_step):
            with stopwatch.waiting():
                item = parallel.shard(next_item(items, dispatch), devices)
            is_stopped = processes.in_any(lambda: bool(stop), devices)
            stage, program = dispatch.stage, prepare(dispatch)
            is_new_stage = stage != current_stage
            if is_new_stage:
                compiled = programs.compiled(program)
                check_memory(stage, compiled, devices)
                if stage.reset_optimizer and dispatch.first_step == stage.first_step:
                    reset = partial(reset_optimizers, gan=gans[stage])
                    state = parallel.create_replicated(reset, state, devices=devices)
            state, metrics = programs.run(program, run_steps[stage], state, resident, item)
            if unchecked:
                found = check_finite(*unchecked, checkpoints, config.on_nonfinite)
                nonfinite = nonfinite or found
            if is_new_stage:  # the next stage's step is compiled while this one trains
                if record:
                    record.begin_stage(dispatch, programs.seconds(program), state, programs)
                if following := next(schedule(stage.last_step), None):
                    prepare(following)
            unchecked, current_stage, step = (dispatch, metrics), stage, dispatch.last_step
            log, sample, save = (step == stage.last_step or step % interval == 0 for interval in intervals)
            stopped = is_stopped()  # asked once, as a signal may come at any moment
            if log or sample or save or stopped or not stopwatch.is_running:
                found = check_finite(*unchecked, checkpoints, config.on_nonfinite)
                nonfinite, unchecked = nonfinite or found, None
            stopwatch.count(dispatch.num_steps * dispatch.stage.images_per_step)

            if replicas and (log or save or stopped):
                replicas.check(step, state)
            if log:
                if record:
                    record.log(dispatch, metrics, stopwatch.read(), nonfinite)
                nonfinite = ''
                stopwatch.restart()
            if sample and record:
                record.sample(dispatch, state, programs)
            if (save or stopped) and is_first:
                checkpoints.save(state)
            if stopped and step < end.last_step:
                check_saved(checkpoints, step)
                by, go_on = stop[0] if stop else 'another process', shlex.join(sys.orig_argv)
                raise Preempted(f'{by} at step {step}: checkpoint written; to go on: {go_on}')
        check_saved(checkpoints, step)
        if record:
            record.end(step)
    if record:
        print(f'samples     {record.grid_path}\ncurves      {workdir}/curves.png')
        print(f'checkpoint  {workdir}/checkpoints/{step}\n{summary(state)}')
    return state


def saved_or_new(checkpoints: Checkpoints, create, rng, batch, devices) -> TrainState:
    """The state of the last checkpoint or, where there is none, `create(rng, batch)`; on all devices."""
    like = jax.eval_shape(create, rng, batch)

    def saved() -> bytes:
        state = checkpoints.restore_newest(like)
        return to_bytes(state) if state else b''

    data = processes.of_first(saved)  # which alone has to see the workdir
    if not data:
        return parallel.create_replicated(create, rng, batch, devices=devices)
    return parallel.replicate_state(from_bytes(data, like), devices)


def check_saved(checkpoints: Checkpoints, step: int) -> None:
    """Waits for the checkpoint of `step`; raises TrainingFailed, in all processes, where there is none."""

    def saved() -> bytes:
        checkpoints.wait()
        return b'saved' if checkpoints.saved_step == step else b''

    if not processes.of_first(saved):
        raise TrainingFailed(f'step {step}: the state could not be saved; {checkpoints.last_good()}')


def check_finite(dispatch: Dispatch, metrics, checkpoints: Checkpoints, on_nonfinite: str) -> str:
    """Waits for a dispatch; what is not finite in it, '' where all is.

    Raises:
        TrainingFailed: something is not, and such steps are not to be skipped.
    """
    found = first_nonfinite(dispatch, metrics)
    if found and on_nonfinite == 'stop':
        checkpoints.wait()
        raise TrainingFailed(f'{found}; {checkpoints.last_good()}')
    return found
