"""The step of every stage on all devices, compiled beside the run for the dispatches that come."""

from collections.abc import Callable
from functools import partial

from gan_jax import parallel
from gan_jax.compilation import Programs
from gan_jax.device_step import item_like, step_function
from gan_jax.fitting import check_memory
from gan_jax.schedule import Dispatch


class Steps:
    """Compiled steps by stage and number of steps in a dispatch."""

    def __init__(
        self, functions: dict, item_like: Callable, resident, state_like, devices, programs: Programs
    ):
        """
        Args:
            functions: {stage: K steps on all devices}, as `parallel.parallelize` gives them.
            item_like: dispatch -> the shapes of its data, as `device_step.item_like` gives them.
            resident: what a step is given beside its data, on the devices: the pictures, or ().
            state_like: shapes of the state, on all devices.
            devices: to run on, those of all processes.
            programs: to compile with.
        """
        self.item_like, self.resident, self.state_like = item_like, resident, state_like
        self.functions, self.devices, self.programs = functions, devices, programs

    def prepare(self, dispatch: Dispatch) -> None:
        """Begins to compile what a dispatch needs, and returns at once."""
        item = parallel.sharded_like(self.item_like(dispatch), self.devices)
        function = self.functions[dispatch.stage]
        self.programs.prepare(_key(dispatch), function, self.state_like, self.resident, item)

    def check_memory(self, dispatch: Dispatch) -> None:
        """Compiles what a dispatch needs; raises UserError where that does not fit the devices."""
        check_memory(dispatch.stage, self.compiled(dispatch), self.devices)

    def compiled(self, dispatch: Dispatch):
        """What a dispatch needs, once it is compiled."""
        self.prepare(dispatch)
        return self.programs.compiled(_key(dispatch))

    def seconds(self, dispatch: Dispatch) -> float:
        """How long the compilation took."""
        return self.programs.seconds(_key(dispatch))

    def run(self, dispatch: Dispatch, state, item):
        """(state, metrics [K]) after a dispatch of K steps; the buffers of `state` are given away."""
        function = self.functions[dispatch.stage]
        return self.programs.run(_key(dispatch), function, state, self.resident, item)


def steps_of_run(config, gans: dict, images: dict, resident, state_like, devices, programs: Programs):
    """The `Steps` of {stage: GAN} on {domain: images}, which lie on the devices unless `resident` is ()."""
    axis_name = parallel.axis_name(devices)
    functions = {
        stage: parallel.parallelize(step_function(config, stage, gan, axis_name), devices)
        for stage, gan in gans.items()
    }
    like = partial(item_like, images=images, is_resident=resident != (), num_devices=len(devices))
    return Steps(functions, like, resident, state_like, devices, programs)


def _key(dispatch: Dispatch):
    return dispatch.stage, dispatch.num_steps
