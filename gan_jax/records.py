"""What several runs tell as they go: each in its own workdir, and all of them line by line in one file."""

import contextlib
import json
from pathlib import Path

import numpy as np

from gan_jax.cli import unwritable
from gan_jax.ensemble import fetched, member
from gan_jax.lock import locked
from gan_jax.members import Member
from gan_jax.outcome import Outcome
from gan_jax.pictures import write_atomically
from gan_jax.record import Record
from gan_jax.schedule import Dispatch
from gan_jax.watchdogs import nonfinite_in
from gan_jax.writers import amend, append_record, finite, progress, surviving


class Records:
    """The records of all members. One that has failed gets no more of anything."""

    def __init__(self, members: list[Member], workdir: Path, stages: list, spreads: list[float]):
        """
        Args:
            members: whose records to keep.
            workdir: folder of all, in which each has its own.
            stages: of the runs.
            spreads: of the members' reals, see `watchdogs.spread`.
        """
        self.members, self.path = members, workdir / 'metrics.jsonl'
        self.records = [
            Record(each.config, workdir / each.name, stages, spread, each.name)
            for each, spread in zip(members, spreads, strict=True)
        ]
        self.failures: dict[int, str] = {}  # place of a member -> what was not finite
        self.nonfinite: dict[int, str] = {}  # the same since the last line, where steps are skipped
        self.lines: dict[int, dict] = {}  # place of a member -> the numbers of its last line

    @contextlib.contextmanager
    def files(self, end: Dispatch):
        """Opens all of them, and shows how far they are to the end."""
        told = {each.name: {'seed': each.config.seed, **each.values} for each in self.members}
        content = {**self.members[0].config.to_dict(), 'members': told}  # train.py takes it for no run's
        with contextlib.ExitStack() as stack:
            try:
                write_atomically(
                    self.path.with_name('config.json'), (json.dumps(content, indent=2) + '\n').encode()
                )
            except OSError as error:
                raise unwritable('--workdir', self.path.parent, error) from None
            for record in self.records:
                stack.enter_context(locked(record.workdir))
                stack.enter_context(record.files())
            self.report = stack.enter_context(progress(end.last_step, end.last_image / 1000))
            yield self

    def living(self) -> list[int]:
        """The places of members that have not failed."""
        return [place for place in range(len(self.members)) if place not in self.failures]

    def begin_stage(self, dispatch: Dispatch, compile_seconds: float) -> None:
        """With its first dispatch."""
        for record in self.records:
            record.begin_stage(dispatch, compile_seconds)

    def look(self, dispatch: Dispatch, metrics) -> None:
        """Waits for a dispatch, and takes note of members in which something is not finite."""
        every = fetched(metrics)
        if all(np.isfinite(values).all() for values in every.values()):
            return
        for place in self.living():
            found = nonfinite_in(dispatch, member(every, place))
            if found and self.members[place].config.on_nonfinite == 'stop':
                self.failures[place] = found
                self.records[place].say(f'{found}; the others go on')
            elif found:
                self.nonfinite.setdefault(place, found)

    def log(self, dispatch: Dispatch, metrics, speed: dict[str, float]) -> None:
        """A line of numbers for each member; `speed` is that of all together."""
        every, step, kimg = fetched(metrics), dispatch.last_step, dispatch.last_image / 1000
        own_speed = dict(speed)
        if speed:
            own_speed['images_per_second'] /= len(self.members)
        for place in self.living():
            name, values, config = self.members[place]
            own = member(every, place)
            self.records[place].log(dispatch, own, own_speed, self.nonfinite.pop(place, ''))
            self.lines[place] = finite(member(own, -1) | own_speed)
            facts = {'step': step, 'kimg': kimg, 'member': name, 'seed': config.seed, **values}
            append_record(self.path, facts | self.lines[place])
        means = {name: np.mean(values[self.living(), -1]) for name, values in every.items()}
        if self.living():
            self.report(step, kimg, means | speed)

    def add(self, place: int, step: int, figures: dict[str, float]) -> None:
        """How good a member's generator is, to its line of that step."""
        self.lines[place] |= finite(figures)
        self.records[place].writer.add(step, figures)
        with surviving(step, 'figures'):
            amend(self.path, {'step': step, 'member': self.members[place].name}, finite(figures))

    def sample(self, dispatch: Dispatch, columns: dict) -> None:
        """A grid for each member of {column: images [devices, members of each, N, H, W, C]}."""
        every = fetched(columns)
        for place in self.living():
            self.records[place].sample(dispatch, member(every, place))

    def outcomes(self, hashes: dict[int, str]) -> list[Outcome]:
        """Of all members, whose states at the end have these hashes, {place: sha256}."""
        return [
            Outcome(
                each.name,
                each.config.seed,
                each.values,
                self.lines.get(place, {}),
                hashes.get(place, ''),
                self.failures.get(place, ''),
            )
            for place, each in enumerate(self.members)
        ]
