"""Which runs are trained as one: one for each seed and for each value of the fields that are swept."""

import itertools
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.base import GAN, UserError
from gan_jax.config import known_fields, load_config, replaced
from gan_jax.dry_run import abstract_arguments
from gan_jax.gans import load_system
from gan_jax.train_state import create_train_state
from gan_jax.train_step import train_step

MOST_MEMBERS = 1024
# Why a field of this kind cannot differ between runs of one program.
CHOOSES = {
    int: 'a whole number sets shapes, or where a run is cut',
    str: 'a word chooses what is computed',
    bool: 'a flag chooses what is computed',
    tuple: 'a list sets the stages of a run',
}


class Member(NamedTuple):
    """One of the runs."""

    name: str  # of its folder: seed_3, or with a sweep 0.0002_seed_3
    values: dict[str, float]  # of the fields that are swept
    config: Any  # with which train.py would train it alone


def sweep(text: str) -> tuple[str, list[str]]:
    """'optimizer.generator.learning_rate=1e-4,2e-4' as field and values; raises UserError."""
    field, equals, values = text.partition('=')
    if not field or not equals or not all(values.split(',')):
        raise UserError(f'--sweep: {text!r} will not do; takes field=value,value, as {EXAMPLE}')
    return field, values.split(',')


EXAMPLE = 'optimizer.generator.learning_rate=1e-4,2e-4'


def members_of(path: str, overrides: dict, num_seeds: int, sweeps: dict[str, list[str]]) -> list[Member]:
    """For each combination of swept values `num_seeds` runs, whose seeds count up from the config's.

    Args:
        path, overrides: of the config, see `load_config`.
        num_seeds: 1 or more.
        sweeps: {field: values, as they are typed}.

    Raises:
        UserError: a config will not do, or a field cannot differ between runs of one program.
    """
    config: Any = load_config(path, overrides)
    check_sweeps(path, config, overrides, sweeps)
    combinations = [dict(zip(sweeps, texts, strict=True)) for texts in itertools.product(*sweeps.values())]
    if num_seeds * len(combinations) > MOST_MEMBERS:
        raise UserError(
            f'--num_seeds: {num_seeds} of each of {len(combinations)} values will not do; '
            f'takes at most {MOST_MEMBERS} runs in all'
        )
    known, members = known_fields(config.system), []
    for texts in combinations:
        values = {name: known[name].parse(text) for name, text in texts.items()}
        last_seed = config.seed + num_seeds - 1
        own: Any = load_config(path, {**overrides, **texts, 'seed': str(last_seed)})
        for seed in range(config.seed, last_seed + 1):
            name = '_'.join([*map(repr, values.values()), f'seed_{seed:0{len(str(last_seed))}}'])
            members.append(Member(name, values, replaced(own, {'seed': seed})))
    check_programs(members)
    return members


def check_sweeps(path: str, config, overrides: dict, sweeps: dict) -> None:
    """Raises UserError where a field does not hold a real number, or is set beside its sweep."""
    known = known_fields(config.system)
    for name, texts in sweeps.items():
        if name in overrides:
            raise UserError(f'--sweep: {name} will not do beside --config.{name}; takes one of the two')
        if name not in known:
            load_config(path, {**overrides, name: texts[0]})  # says so
        if known[name].kind is not float:
            raise UserError(
                f'--sweep: {name} will not do, as {CHOOSES[known[name].kind]}, and all runs are one program; '
                f'takes a real number that a step computes with, as {EXAMPLE}'
            )
        values = [_parsed(name, known[name], text) for text in texts]
        for place, value in enumerate(values):
            if value in values[:place]:
                raise UserError(f'--sweep: {name} is given {value!r} twice; takes each value once')


def _parsed(name: str, field, text: str) -> float:
    try:
        return field.parse(text)
    except ValueError as error:
        raise UserError(f'--sweep: {name}: {error}') from None


def traced(config, stage, axis_name: str | None):
    """`values -> GAN`, the config's system with {field: number} in place of its own, which JAX may trace."""
    system = load_system(config.system)
    return lambda values: system.make(replaced(config, values), stage, axis_name)


def check_programs(members: list[Member]) -> None:
    """Raises UserError where a swept field makes another program of each value."""
    first = members[0].config
    system = load_system(first.system)
    stages = system.stages(first)
    for name in members[0].values:
        refuse = partial(_refusal, name, [member.values[name] for member in members])
        alone = [replaced(first, {name: member.values[name]}) for member in members]
        if any(system.stages(config) != stages for config in alone):
            raise refuse('it sets the stages of a run')
        uses = [_use(first, stage, name) for stage in stages]
        for why in filter(None, uses):
            if why != UNUSED:
                raise refuse(why)
        if all(uses):
            raise refuse(UNUSED)


UNUSED = 'a step does not compute with it'


def _use(config, stage, name: str) -> str:
    """Why a field's value cannot be an argument of a stage's program, '' where it can."""
    gan_of = traced(config, stage, axis_name=None)
    state, batch = abstract_arguments(config, gan_of({}), stage)

    def program(value, state, batch):
        gan: GAN = gan_of({name: value})
        minibatch = batch if stage.critic_steps == 1 else jax.tree.map(lambda x: x[0], batch)
        created = create_train_state(state.rng, minibatch, gan)
        return created, train_step(state, batch, gan=gan, ema=stage.ema_half_life, axis_name=None)[0]

    try:
        # JAX has the value as a number that is not known yet, as it is where each run has another.
        value = jax.ShapeDtypeStruct((), jnp.float32)
        jaxpr, (created, stepped) = jax.make_jaxpr(program, return_shape=True)(value, state, batch)
    except jax.errors.JAXTypeError:
        return 'its value decides what the program is'
    types = lambda tree: [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]
    if not types(created) == types(stepped) == types(state):
        return 'the state would be of another type'
    argument = jaxpr.jaxpr.invars[0]
    return '' if any(argument is each for line in jaxpr.eqns for each in line.invars) else UNUSED


def _refusal(name: str, values: list[float], why: str) -> UserError:
    listed = ','.join(map(repr, dict.fromkeys(values)))
    return UserError(
        f'--sweep: {name}={listed} will not do, as {why}, and all runs are one program; '
        f'takes a real number that a step computes with, as {EXAMPLE}'
    )
