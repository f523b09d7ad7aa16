"""The checkpoints of a run: python -m gan_jax.checkpoint --workdir=runs/a

Written beside the run, whole or not at all, and read back onto any number of devices.
"""

import contextlib
import functools
import math
import os
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from gan_jax import cli, manifest
from gan_jax.base import TrainingFailed, UserError
from gan_jax.disk import check_room, why
from gan_jax.parallel import fetch
from gan_jax.state_bytes import line_of, shapes, state_sha256, without_typed_key
from gan_jax.train_state import TrainState

FACTS = {'step': int, 'images_seen': int, 'state_sha256': str}  # what a manifest says beside the files


class Checkpoints:
    """The checkpoints of a workdir: `checkpoints/<step>/`, each with the hashes of its files in a manifest.

    A folder gets its name when all is in it, so that a kill leaves none that is half written.
    """

    def __init__(self, workdir: Path, keep: int | None = None, say: Callable[[str], None] = print):
        """Opens them: to read where `keep` is None, else to write, with the newest `keep` staying.

        Args:
            workdir: the folder of a run.
            keep: how many; those with a file `keep` in them stay beside these.
            say: (text) -> None, to a person: a checkpoint that is broken, or could not be written.
        """
        self.folder, self.keep, self.say = (workdir / 'checkpoints').absolute(), keep, say
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='checkpoint')
        self._writing: Future | None = None
        self._copy: Any = None  # of the state; always in the same memory, or a long run's would grow
        self.saved_step: int | None = None  # of the newest that is known to be whole

    def steps(self) -> list[int]:
        """Of all checkpoints, whole or not, in order."""
        names = [path.name for path in self.folder.glob('*') if path.is_dir()]
        return sorted(int(name) for name in names if re.fullmatch('0|[1-9][0-9]{0,9}', name))

    def restore_newest(self, like: TrainState) -> TrainState | None:
        """The newest checkpoint's state as `restore` gives it, None where there is no checkpoint at all.

        One that is broken is named, set aside if the run is to write, and passed over for the one before.

        Raises:
            UserError: all are broken.
        """
        if self.keep is not None:
            for unfinished in self.folder.glob('.*.tmp'):  # what a kill has left
                shutil.rmtree(unfinished, ignore_errors=True)
        broken, steps = {}, self.steps()
        for step in reversed(steps):
            try:
                state = self.restore(step, like)
            except ValueError as error:
                if step in self.steps():
                    broken[step] = error
                continue
            self.saved_step = step
            for number, problem in broken.items():
                self.say(f'the checkpoint at step {number} is broken ({problem}): passed over')
                if self.keep is not None:
                    self._set_aside(number)
            return state
        if broken:
            newest, error = next(iter(broken.items()))
            raise UserError(
                f'--workdir: no checkpoint in {str(self.folder)!r} is whole, that of step {newest} as '
                f'{error}; takes a workdir with one, or a new one'
            )
        # Where all have gone while they were read, the run that deletes them has left newer ones.
        return self.restore_newest(like) if steps else None

    def restore(self, step: int, like: TrainState) -> TrainState:
        """The state of `step` as NumPy arrays, with the structure and shapes of `like` (abstract will do).

        Raises:
            ValueError: it is not whole, or another config's.
        """
        facts, path = self.facts(step), self.folder / str(step) / 'state'
        like = without_typed_key(like)
        # Of one number each, as a config may ask for more than there is memory for.
        target = jax.tree.map(lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), like)
        try:
            # Orbax would make arrays of whatever size the files say.
            strange = set(_shapes_on_disk(path).items()) ^ set(shapes(like).items())
            state = None if strange else _checkpointer().restore(path, args=ocp.args.StandardRestore(target))
        except Exception as error:  # Orbax and TensorStore raise what they please, over pages
            raise ValueError(f'it cannot be read: {type(error).__name__}: {str(error)[:200]} …') from error
        if state is None:
            name, (shape, dtype) = min(strange)
            raise ValueError(f'it is of another network: {name} is {dtype}{list(shape)} in one of them alone')
        if state_sha256(state) != facts['state_sha256']:
            raise ValueError('the state is not the one that was saved')
        return state.replace(rng=jax.random.wrap_key_data(state.rng))

    def facts(self, step: int) -> dict:
        """`step`, `images_seen` and `state_sha256` of one; raises ValueError where it is not whole."""
        try:
            facts = manifest.read(self.folder / str(step))
        except OSError as error:  # a disk that cannot read it
            raise ValueError(f'it cannot be read: {error.strerror or error}') from None
        if {name: type(fact) for name, fact in facts.items()} != FACTS:
            raise ValueError(f'{manifest.NAME} is of another version')
        if facts['step'] != step:
            raise ValueError(f'it is that of step {facts["step"]}')
        return facts

    def save(self, state: TrainState, best: float | None = None) -> None:
        """Copies the state off the devices, so that its buffers may be donated, and begins to write it.

        One that is being written is waited for, and one that is there already is not written again. Where
        writing fails, that is said, nothing of the new checkpoint is left, and all others stay.

        Args:
            state: to be saved.
            best: its rank where it is the best so far, and stays until there is a better one.
        """
        self.wait()
        if int(fetch(state.step)) == self.saved_step:
            return
        fetched = fetch(without_typed_key(state))
        self._copy = self._copy or jax.tree.map(np.empty_like, fetched)
        jax.tree.map(np.copyto, self._copy, fetched)
        self._writing = self._thread.submit(self._write, self._copy, best)

    def is_best(self, rank: float) -> bool:
        """Whether none of the checkpoints has a rank as high as that, which has to be a number."""
        self.wait()
        return math.isfinite(rank) and all(
            rank > manifest.rank(self.folder / str(step)) for step in self.steps()
        )

    def best(self) -> int | None:
        """The step of the best so far; None where the run has not measured itself."""
        ranks = {step: manifest.rank(self.folder / str(step)) for step in self.steps()}
        best = max(ranks, key=lambda step: ranks[step], default=None)
        return None if best is None or ranks[best] == -math.inf else best

    def wait(self) -> None:
        """Until what `save` began has been written, or has failed."""
        if self._writing is not None:
            self._writing.result()

    def last_good(self) -> str:
        """The newest one that is known to be whole, for a person."""
        if self.saved_step is None:
            return 'there is no checkpoint yet'
        return f'the last good checkpoint is at step {self.saved_step}'

    def close(self) -> None:
        """Waits, and lets go of the thread."""
        self._thread.shutdown()

    def _write(self, state, best) -> None:
        step = int(state.step)
        unfinished = self.folder / f'.{step}.tmp'
        try:
            check_room(self.folder, state)
            _checkpointer().save(unfinished / 'state', args=ocp.args.StandardSave(state))
            facts = {'step': step, 'images_seen': int(state.images_seen), 'state_sha256': state_sha256(state)}
            manifest.write(unfinished, facts)
            if best is not None:
                (unfinished / manifest.BEST).write_text(f'{best!r}\n')
            os.rename(unfinished, self.folder / str(step))
        except Exception as error:  # what a full disk makes of Orbax and TensorStore has no type of its own
            shutil.rmtree(unfinished, ignore_errors=True)
            self.say(f'step {step}: the checkpoint could not be written ({why(error)}); {self.last_good()}')
            return
        self.saved_step = step
        assert self.keep is not None, 'opened to read'
        if best is not None:  # now that the new one is there
            for other in set(self.steps()) - {step}:
                (self.folder / str(other) / manifest.BEST).unlink(missing_ok=True)
        for old in superfluous(self.steps(), self.keep, self._is_kept):
            self._delete(old)

    def _is_kept(self, step: int) -> bool:
        return any((self.folder / str(step) / name).exists() for name in (manifest.KEEP, manifest.BEST))

    def _delete(self, step: int) -> None:
        """Takes the name away first, so that a kill leaves no half of it under that name."""
        leaving = self.folder / f'.{step}.tmp'
        with contextlib.suppress(OSError):
            os.rename(self.folder / str(step), leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def _set_aside(self, step: int) -> None:
        aside = self.folder / f'{step}.broken'
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(self.folder / str(step), aside)


def superfluous(steps: list[int], keep: int, is_kept: Callable[[int], bool]) -> list[int]:
    """Which of these checkpoints to delete: never one of the newest `keep`, 1 or more, nor one `is_kept`."""
    return [step for step in sorted(steps)[:-keep] if not is_kept(step)]


def open_existing(workdir: Path) -> Checkpoints:
    """The checkpoints of a workdir, to read from; raises UserError where there are none."""
    checkpoints = Checkpoints(workdir, say=lambda text: print(text, file=sys.stderr))
    if not checkpoints.steps():
        raise UserError(f'--workdir: {str(workdir)!r} has no checkpoint; takes the folder of a run')
    return checkpoints


def _shapes_on_disk(path: Path) -> dict[str, tuple]:
    """As `shapes`, of a state that Orbax has written."""
    metadata: Any = _checkpointer().metadata(path).item_metadata
    leaves = jax.tree.leaves(metadata.tree)
    return {leaf.name: (leaf.shape, str(leaf.dtype)) for leaf in leaves}


@functools.cache
def _checkpointer() -> ocp.Checkpointer:
    """Orbax's, for the first of several processes alone: the state is the same in all."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix='first'
    )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def main(arguments: list[str]) -> None:
    """Prints a line per checkpoint; raises TrainingFailed where some are broken."""
    parser = cli.Parser('Lists the checkpoints of a workdir: step, images seen and the hash of the state.')
    parser.add_argument('--workdir', type=cli.path('the folder of a run'), required=True, help='of the run')
    checkpoints = open_existing(Path(parser.parse_args(arguments).workdir))
    broken = []
    for step in checkpoints.steps():
        try:
            print(line_of(**checkpoints.facts(step)))
        except ValueError as error:
            if step in checkpoints.steps():  # else the run, being at work, has deleted it
                broken.append(f'the checkpoint at step {step} is broken: {error}')
    if broken:
        raise TrainingFailed('; '.join(broken))


if __name__ == '__main__':
    sys.exit(cli.run(main))
