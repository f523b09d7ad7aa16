"""Cuts depend on the absolute step alone."""

import itertools

from gan_jax.base import Stage
from gan_jax.schedule import dispatches, last_dispatch

STAGES = [Stage(0, 0, 23, 8, 16), Stage(23, 23 * 8, 10, 4, 32)]


def test_dispatches_end_at_every_multiple_and_edge_and_leave_no_gap():
    schedule = list(dispatches(STAGES, [5, 12]))
    assert [each.last_step for each in schedule] == [5, 10, 12, 15, 20, 23, 24, 25, 30, 33]
    for one, other in itertools.pairwise(schedule):
        assert one.last_step == other.first_step
        assert one.last_image == other.first_image
    assert schedule[-1].last_image == 23 * 8 + 10 * 4 == last_dispatch(STAGES).last_image


def test_a_run_that_goes_on_makes_the_cuts_of_one_that_never_stopped():
    schedule = list(dispatches(STAGES, [5, 12]))
    for begun, dispatch in enumerate(schedule):
        assert list(dispatches(STAGES, [5, 12], dispatch.first_step)) == schedule[begun:]
    assert list(dispatches(STAGES, [5, 12], 33)) == []
