"""The step of every stage on all devices, compiled beside the run for the dispatches that come."""

from gan_jax import parallel
from gan_jax.compilation import Programs
from gan_jax.device_step import item_like, step_function
from gan_jax.fitting import check_memory
from gan_jax.schedule import Dispatch


class Steps:
    """Compiled steps by stage and number of steps in a dispatch."""

    def __init__(self, config, gans: dict, images: dict, resident, state_like, devices, programs: Programs):
        """
        Args:
            config: of the run.
            gans: {stage: GAN}.
            images: {domain: images}, for their shape.
            resident: the data on the devices, or ().
            state_like: shapes of the state, on all devices.
            devices: to run on, those of all processes.
            programs: to compile with.
        """
        axis_name = parallel.axis_name(devices)
        self.images, self.resident, self.state_like = images, resident, state_like
        self.devices, self.programs = devices, programs
        self.functions = {
            stage: parallel.parallelize(step_function(config, stage, gan, axis_name), devices)
            for stage, gan in gans.items()
        }

    def prepare(self, dispatch: Dispatch) -> None:
        """Begins to compile what a dispatch needs, and returns at once."""
        item = item_like(dispatch, self.images, self.resident != (), len(self.devices))
        item = parallel.sharded_like(item, self.devices)
        function = self.functions[dispatch.stage]
        self.programs.prepare(_key(dispatch), function, self.state_like, self.resident, item)

    def check_memory(self, dispatch: Dispatch) -> None:
        """Compiles what a dispatch needs; raises UserError where that does not fit the devices."""
        self.prepare(dispatch)
        check_memory(dispatch.stage, self.programs.compiled(_key(dispatch)), self.devices)

    def seconds(self, dispatch: Dispatch) -> float:
        """How long the compilation took."""
        return self.programs.seconds(_key(dispatch))

    def run(self, dispatch: Dispatch, state, item):
        """(state, metrics [K]) after a dispatch of K steps; the buffers of `state` are given away."""
        function = self.functions[dispatch.stage]
        return self.programs.run(_key(dispatch), function, state, self.resident, item)


def _key(dispatch: Dispatch):
    return dispatch.stage, dispatch.num_steps
