"""The run, top to bottom: data, state, then dispatch after dispatch, with what each leaves behind."""

import contextlib
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from gan_jax import parallel, processes
from gan_jax.augment import normalize
from gan_jax.checkpoint import Checkpoints
from gan_jax.compilation import Programs, fix_choices, keep_on_disk
from gan_jax.config import as_flags, check_workdir
from gan_jax.data.domains import open_domains
from gan_jax.data.pipeline import feed, first_images, fits_on_device
from gan_jax.device_step import next_item
from gan_jax.ending import check_finite, check_saved, preempted, tell_the_end
from gan_jax.evaluation import Evaluation, open_look
from gan_jax.fitting import check_batch_sizes, heaviest
from gan_jax.gallery import Samplers, fixed_inputs
from gan_jax.gans import load_system
from gan_jax.lock import locked
from gan_jax.record import Record
from gan_jax.schedule import Dispatch, dispatches, last_dispatch
from gan_jax.state_bytes import from_bytes, to_bytes
from gan_jax.steps import steps_of_run
from gan_jax.stopping import stop_signals
from gan_jax.stopwatch import Stopwatch
from gan_jax.train_state import TrainState, create_train_state, reset_optimizers
from gan_jax.watchdogs import Replicas, StalledInput, StoppedWaiting, spread
from gan_jax.writers import say

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
    if config.deterministic:
        fix_choices()
    processes.join(config.distributed)
    workdir, devices = Path(workdir), devices or parallel.all_devices()
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        stages, images = processes.of_all(partial(opened, config, devices))
        processes.check_same(what_is_the_same(config, images))
        axis_name = parallel.axis_name(devices)
        gans = {stage: load_system(config.system).make(config, stage, axis_name) for stage in stages}
        is_new = processes.of_first(partial(look_at, workdir, config)) == b'new'
        if config.compilation_cache:
            keep_on_disk()

        intervals = [config.log_every_steps, config.sample_every_steps, config.checkpoint_every_steps]
        evaluates_every = config.evaluate_every_steps or last_dispatch(stages).last_step + 1
        schedule = partial(dispatches, stages, [config.steps_per_dispatch, evaluates_every, *intervals])
        is_resident = fits_on_device(images, config.data.placement)
        every = lambda: {domain: each.all_images() for domain, each in images.items()}
        resident = parallel.replicate(processes.of_all(every) if is_resident else (), devices)
        first = processes.of_all(lambda: first_images(images, config.seed))
        first_batch = jax.tree.map(lambda images: normalize(jnp.asarray(images)), first)

        create, rng = partial(create_train_state, gan=gans[stages[0]]), jax.random.key(config.seed)
        state_like = parallel.replicated_like(jax.eval_shape(create, rng, first_batch), devices)
        programs = stack.enter_context(contextlib.closing(Programs()))
        steps = steps_of_run(config, gans, images, resident, state_like, devices, programs)
        evaluation = None
        if config.evaluate_every_steps:
            look = lambda: open_look(config.evaluation, devices, programs)
            open_evaluation = lambda: Evaluation(config, look(), config.seed)
            evaluation = processes.of_all(open_evaluation)
        if is_new:  # before anything is written
            begun = [next(schedule(stage.first_step)) for stage in [*heaviest(stages), stages[0]]]
            for function in (steps.prepare, steps.check_memory):
                for dispatch in begun:
                    function(dispatch)

        processes.of_first(lambda: occupy(stack, workdir, config))
        checkpoints = Checkpoints(workdir, config.keep_checkpoints, say)
        stack.callback(checkpoints.close)
        state = saved_or_new(checkpoints, create, rng, first_batch, devices)
        step, end = int(parallel.fetch(state.step)), last_dispatch(stages)
        if step >= end.last_step:  # a kill may come between the last checkpoint and the last pictures
            processes.of_first(lambda: tell_the_end(workdir, state))
            return state
        record, samplers = None, None
        if processes.is_first():
            inputs = fixed_inputs(gans, state, jax.random.fold_in(rng, SAMPLES), first_batch, devices[0])
            sample_of = {stage: jax.jit(gan.sample) for stage, gan in gans.items()}
            samplers = Samplers(sample_of, inputs, programs, parallel.on_one_device)
            record = Record(config, workdir, stages, min(map(spread, jax.tree.leaves(first_batch))))
            for doubt in evaluation.doubts() if evaluation else []:
                say(doubt)
        processes.of_first(lambda: begin(stack, record, state, end))

        requests = (
            (each.first_image, each.num_steps * each.stage.critic_steps, each.stage.batch_size)
            for each in schedule(step)
        )
        stalled = StalledInput(config.watchdogs.stalled_input_seconds, lambda: bool(stop), say)
        mine = parallel.local_places(devices)
        layout = {'num_devices': len(devices), 'resident': is_resident, 'mine': mine}
        items = feed(images, requests, seed=config.seed, stalled=stalled, **layout)
        stack.enter_context(contextlib.closing(items))
        stack.enter_context(jax.transfer_guard('disallow'))

        compares = config.watchdogs.replicas and len(devices) > 1
        replicas = Replicas(devices, state_like, programs) if compares else None
        nonfinite, current_stage = '', None  # what was not finite since the last line of the log
        unchecked = None  # the dispatch before this one, looked at while the devices work on this one
        ask_to_stop = lambda: processes.in_any(lambda: bool(stop), devices)()
        stopwatch = Stopwatch()
        for dispatch in schedule(step):
            stalled.step = dispatch.last_step
            try:
                with stopwatch.waiting():
                    item = parallel.shard(next_item(items, dispatch), devices)
            except StoppedWaiting:
                if unchecked:
                    check_finite(*unchecked, checkpoints, config.on_nonfinite)
                if replicas:
                    replicas.check(step, state)
                checkpoints.save(state)
                raise preempted(stop, step, checkpoints) from None
            is_stopped = processes.in_any(lambda: bool(stop), devices)
            stage = dispatch.stage
            is_new_stage = stage != current_stage
            if is_new_stage:
                steps.check_memory(dispatch)
                if stage.reset_optimizer and dispatch.first_step == stage.first_step:
                    reset = partial(reset_optimizers, gan=gans[stage])
                    state = parallel.create_replicated(reset, state, devices=devices)
            state, metrics = steps.run(dispatch, state, item)
            if unchecked:
                found = check_finite(*unchecked, checkpoints, config.on_nonfinite)
                nonfinite = nonfinite or found
            if is_new_stage:  # the next stage's step is compiled while this one trains
                if record and samplers:
                    record.begin_stage(dispatch, steps.seconds(dispatch))
                    samplers.prepare(stage, state)
                if following := next(schedule(stage.last_step), None):
                    steps.prepare(following)
            unchecked, current_stage, step = (dispatch, metrics), stage, dispatch.last_step
            log, sample, save = (step == stage.last_step or step % interval == 0 for interval in intervals)
            evaluates = evaluation if step == end.last_step or step % evaluates_every == 0 else None
            stopped = is_stopped()  # asked once, as a signal may come at any moment
            if log or sample or save or evaluates or stopped or not stopwatch.is_running:
                found = check_finite(*unchecked, checkpoints, config.on_nonfinite)
                nonfinite, unchecked = nonfinite or found, None
            stopwatch.count(dispatch.num_steps * dispatch.stage.images_per_step)

            if replicas and (log or save or stopped):
                replicas.check(step, state)
            speed, quality = stopwatch.read(), None
            if evaluates and not stopped:
                player = state.ema_params, state.ema_model_state
                quality = evaluates.of(
                    gans[stage], stage, player, state.images_seen, first_batch, ask_to_stop
                )
            if log or quality:
                if record:
                    figures = quality.figures if quality else {}
                    record.log(dispatch, parallel.fetch(metrics), speed | figures, nonfinite)
                nonfinite = ''
                stopwatch.restart()
            if sample and record and samplers:
                record.sample(dispatch, samplers.columns(stage, state))
            best = quality.rank if record and quality and checkpoints.is_best(quality.rank) else None
            if record and (save or stopped or best is not None):
                checkpoints.save(state, best)
            if stopped and step < end.last_step:
                raise preempted(stop, step, checkpoints)
        check_saved(checkpoints, step)
        processes.of_first(lambda: tell_the_end(workdir, state))
    return state


def opened(config, devices):
    """The stages of a run and its images by domain; raises UserError where they do not fit the devices."""
    stages, images = load_system(config.system).stages(config), open_domains(config.data)
    check_batch_sizes(stages, min(map(len, images.values())), len(devices))
    return stages, images


def what_is_the_same(config, images: dict) -> dict:
    """What all processes of a run have to agree on, or they would wait for each other for ever."""
    own = {f'--config.{name}' for name in ('data.data_dir', *processes.FIELDS)}
    fields = {name: value for name, value in as_flags(config).items() if name not in own}
    return fields | {
        f'pictures in --config.data.data_dir ({domain})': len(each) for domain, each in images.items()
    }


def look_at(workdir: Path, config) -> bytes:
    """Whether the run in a workdir is b'new' or b'begun'; raises UserError where it is another's."""
    check_workdir(workdir, config)
    return b'begun' if (workdir / 'checkpoints').exists() else b'new'


def occupy(stack: contextlib.ExitStack, workdir: Path, config) -> None:
    """Takes the workdir until the end; raises UserError where another run has it, or has had it meanwhile."""
    stack.enter_context(locked(workdir))
    check_workdir(workdir, config)


def begin(stack: contextlib.ExitStack, record, state: TrainState, end: Dispatch) -> None:
    """Opens the record until the end; raises UserError where it cannot be written."""
    stack.enter_context(record.open(state, end))


def saved_or_new(checkpoints: Checkpoints, create, rng, batch, devices) -> TrainState:
    """The state of the last checkpoint or, where there is none, `create(rng, batch)`; on all devices."""
    like = jax.eval_shape(create, rng, batch)
    saved = processes.of_first(  # which alone has to see the workdir
        lambda: checkpoints.restore_newest(like),
        to_bytes,
        lambda data: from_bytes(data, like) if data else None,
    )
    if saved is None:
        return parallel.create_replicated(create, rng, batch, devices=devices)
    return parallel.replicate_state(saved, devices)
