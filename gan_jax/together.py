"""Several runs as one program, top to bottom, as `loop.train` is one: each dispatch is a step of them all."""

import contextlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import ensemble, parallel
from gan_jax.augment import normalize
from gan_jax.base import UserError
from gan_jax.checkpoint import Checkpoints
from gan_jax.compilation import Programs, keep_on_disk
from gan_jax.data.pipeline import feed, first_images, fits_on_device
from gan_jax.device_step import next_item
from gan_jax.dry_run import abstract_arguments
from gan_jax.ending import check_saved
from gan_jax.evaluation import Evaluation, open_look
from gan_jax.fitting import device_memory_bytes, heaviest, memory_bytes
from gan_jax.gallery import Samplers, fixed_inputs, save_last_pictures
from gan_jax.lock import locked
from gan_jax.loop import SAMPLES, opened
from gan_jax.members import Member, traced
from gan_jax.outcome import Outcome
from gan_jax.record import Record
from gan_jax.records import Records
from gan_jax.schedule import Dispatch, dispatches, last_dispatch
from gan_jax.state_bytes import state_sha256, without_typed_key
from gan_jax.steps import Steps
from gan_jax.stopwatch import Stopwatch
from gan_jax.watchdogs import StalledInput, spread
from gan_jax.writers import read_records, say, surviving


class Result(NamedTuple):
    """Of all runs."""

    runs: list[Outcome]
    step: int  # the last
    images_per_second: float | None  # of all together after the first dispatch; None where it is the only one
    compile_seconds: float  # of all programs, some of them while others ran


def train_members(members: list[Member], workdir: Path, devices=None) -> Result:
    """Trains all members from their start to the end of the schedule, each into its own folder of `workdir`.

    Each device has as many members as the next, and the whole batches of these. A member in which something
    is not finite, and not to be skipped, stays as it was before that and is told as failed in its `Outcome`;
    the others go on.

    Args:
        members: that differ in their seeds and in numbers that their program computes with.
        workdir: a folder that is new or empty.
        devices: of this process alone, by default all; as many of them do the work as the members can be
            shared among evenly.

    Raises:
        UserError: data or devices do not fit; nothing has been written.
        TrainingFailed: an end could not be saved.
    """
    config, number = members[0].config, len(members)
    devices = ensemble.devices_for(number, devices or parallel.all_devices())
    with contextlib.ExitStack() as stack:
        stages, images = opened(config, devices[:1])
        gans_of = {stage: traced(config, stage, axis_name=None) for stage in stages}
        over = {stage: ensemble.over_members(stage, gan_of({}), devices) for stage, gan_of in gans_of.items()}
        if config.compilation_cache:
            keep_on_disk()
        intervals = [config.log_every_steps, config.sample_every_steps, config.checkpoint_every_steps]
        schedule = partial(dispatches, stages, [config.steps_per_dispatch, *intervals])
        is_resident = fits_on_device(images, config.data.placement)
        pictures = {domain: each.all_images() for domain, each in images.items()} if is_resident else ()
        pictures = parallel.replicate(pictures, devices)

        state, values, inputs, spreads = begun(members, images, gans_of, devices)
        programs = stack.enter_context(contextlib.closing(Programs()))
        layout = {'images': images, 'is_resident': is_resident, 'num_devices': len(devices)}
        steps = Steps(
            {
                stage: parallel.parallelize_apart(
                    ensemble.member_step(config, stage, gan_of), devices, over[stage]
                )
                for stage, gan_of in gans_of.items()
            },
            partial(ensemble.joined_item_like, number=number, **layout),
            (values, pictures),
            parallel.sharded_like(state, devices),
            devices,
            programs,
        )
        of_all = lambda stage, function: parallel.each_its_own(over[stage](function), devices)
        samplers = Samplers(
            {stage: of_all(stage, ensemble.member_sample(gan_of)) for stage, gan_of in gans_of.items()},
            {stage: (values, each) for stage, each in inputs.items()},
            programs,
            place=lambda player: player,
        )
        evaluations, doubts = [], []
        if config.evaluate_every_steps:  # here at the end alone
            look = open_look(config.evaluation, devices, programs)
            evaluation = Evaluation(config, look, config.seed)
            doubts = evaluation.doubts()
            evaluations = [evaluation.with_seed(member.config.seed) for member in members]
        firsts = [next(schedule(stage.first_step)) for stage in [*heaviest(stages), stages[0]]]
        for dispatch in firsts:
            steps.prepare(dispatch)
        for dispatch in firsts:  # before anything is written
            check_memory(steps, dispatch, number, devices)

        stack.enter_context(locked(workdir))
        records = Records(members, workdir, stages, spreads)
        stack.enter_context(records.files(last_dispatch(stages)))
        for doubt in doubts:
            say(doubt)
        stalled = StalledInput(config.watchdogs.stalled_input_seconds, lambda: False, say)
        items = stack.enter_context(contextlib.closing(items_of(members, schedule, layout, stalled)))
        stack.enter_context(jax.transfer_guard('disallow'))

        current_stage = None
        unchecked = None  # the dispatch before this one, looked at while the devices work on this one
        stopwatch, whole = Stopwatch(), Stopwatch()
        for dispatch in schedule():
            stage, step = dispatch.stage, dispatch.last_step
            stalled.step = step
            with stopwatch.waiting():
                item = parallel.shard(next(items), devices)
            is_new_stage = stage != current_stage
            if is_new_stage:
                check_memory(steps, dispatch, number, devices)
                if stage.reset_optimizer:
                    reset = of_all(stage, ensemble.member_reset(gans_of[stage]))
                    state = programs.run(('reset', stage), reset, state, values)
            state, metrics = steps.run(dispatch, state, item)
            if unchecked:
                records.look(*unchecked)
            if is_new_stage:  # the next stage's step is compiled while this one trains
                records.begin_stage(dispatch, steps.seconds(dispatch))
                samplers.prepare(stage, state)
                if following := next(schedule(stage.last_step), None):
                    steps.prepare(following)
            unchecked, current_stage = (dispatch, metrics), stage
            log, sample, _ = (step == stage.last_step or step % interval == 0 for interval in intervals)
            if log or sample or not stopwatch.is_running:
                records.look(*unchecked)
                unchecked = None
            if not records.living():
                break
            for watch in (stopwatch, whole):
                watch.count(number * dispatch.num_steps * stage.images_per_step)
            if log:
                records.log(dispatch, metrics, stopwatch.read())
                stopwatch.restart()
            if sample:
                records.sample(dispatch, samplers.columns(stage, state))
        speed = whole.read() if whole.is_running else {}
        states = ensemble.fetched(without_typed_key(state))
        ends = {place: ensemble.member(states, place) for place in records.living()}
        hashes = {place: saved(records.records[place], own) for place, own in ends.items()}
        for place, own in ends.items():  # with all of them safe
            if evaluations:
                records.add(place, step, measured(evaluations[place], members[place], stage, own))
            with surviving(step, 'curves.png'):
                record = records.records[place]
                save_last_pictures(record.workdir, read_records(record.workdir / 'metrics.jsonl'))
        runs, speed = records.outcomes(hashes), speed.get('images_per_second')
        return Result(runs, step, speed, programs.all_seconds())


def begun(members: list[Member], images: dict, gans_of: dict, devices):
    """What `loop.train` begins with, of all members: states, swept values and {stage: what to sample with},
    all on the devices, and the spreads of the reals.

    Each state is made alone, by the program that makes that of a single run, and so of the same bits.
    """
    create = ensemble.member_create(next(iter(gans_of.values())))
    gans = {stage: gan_of({}) for stage, gan_of in gans_of.items()}

    def of_member(member):
        rng = jax.random.key(member.config.seed)
        first = first_images(images, member.config.seed)
        batch = jax.tree.map(lambda images: normalize(jnp.asarray(images)), first)
        values = {name: jnp.float32(value) for name, value in member.values.items()}
        state = parallel.create_replicated(create, rng, batch, values, devices=devices[:1])
        inputs = fixed_inputs(gans, state, jax.random.fold_in(rng, SAMPLES), batch, devices[0])
        return (state, values, inputs), min(map(spread, jax.tree.leaves(batch)))

    of_each, spreads = map(list, zip(*map(of_member, members), strict=True))
    return *ensemble.joined(of_each, devices), spreads


def check_memory(steps: Steps, dispatch: Dispatch, number: int, devices) -> None:
    """Raises UserError where the step of all members does not fit the devices."""
    needed, available = memory_bytes(steps.compiled(dispatch)), device_memory_bytes(devices)
    if needed > available:
        raise UserError(
            f'--num_seeds: {number} runs need {needed / 2**30:.3g} GiB on each device, which has '
            f'{available / 2**30:.3g} GiB; takes fewer, or a smaller --config.batch_size'
        )


def items_of_seed(seed: int, schedule, layout: dict, stalled):
    """What each dispatch of one run on one device is given, see `next_item`."""
    requests = (
        (each.first_image, each.num_steps * each.stage.critic_steps, each.stage.batch_size)
        for each in schedule()
    )
    how = {'seed': seed, 'num_devices': 1, 'resident': layout['is_resident'], 'stalled': stalled}
    with contextlib.closing(feed(layout['images'], requests, **how)) as items:
        for dispatch in schedule():
            yield next_item(items, dispatch)


def items_of(members: list[Member], schedule, layout: dict, stalled):
    """What each dispatch of all members is given; those with the same seed see the same examples."""
    seeds = [member.config.seed for member in members]
    with contextlib.ExitStack() as stack:
        every = {seed: items_of_seed(seed, schedule, layout, stalled) for seed in dict.fromkeys(seeds)}
        for items in every.values():
            stack.enter_context(contextlib.closing(items))
        for _ in schedule():
            of_seed = {seed: next(items) for seed, items in every.items()}
            yield ensemble.joined_items([of_seed[seed] for seed in seeds], layout['num_devices'])


def measured(evaluation: Evaluation, member: Member, stage, state) -> dict[str, float]:
    """The figures of a member's generator at its end, those of its run alone."""
    gan = traced(member.config, stage, axis_name=None)({})
    with jax.transfer_guard('allow'):  # a few numbers
        _, batch = abstract_arguments(member.config, gan, stage)
    player = (state.ema_params, state.ema_model_state)
    player, images_seen = parallel.replicate((player, state.images_seen), evaluation.look.devices)
    quality = evaluation.of(gan, (stage, *member.values.items()), player, images_seen, batch)
    return quality.figures if quality else {}


def saved(record: Record, state) -> str:
    """Writes the end of a member's run, `state` in NumPy arrays, as train.py would; the hash of the state."""
    on_device = jax.device_put(state)
    on_device = on_device.replace(rng=jax.random.wrap_key_data(on_device.rng))
    checkpoints = Checkpoints(record.workdir, record.config.keep_checkpoints, record.say)
    with contextlib.closing(checkpoints):
        checkpoints.save(on_device)
        check_saved(checkpoints, int(state.step))
    return state_sha256(state)
