"""What takes turns in a benchmark beside the peers. Each side runs a dispatch when it is told to."""

import itertools
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.memory import peak_bytes, restart_peak
from benchmarks.synthetic import num_examples
from gan_jax import parallel
from gan_jax.data.domains import domain_names, example_shape
from gan_jax.data.pipeline import feed, fits_on_device
from gan_jax.device_step import next_item, step_function
from gan_jax.fitting import check_batch_sizes
from gan_jax.train_state import create_train_state


class Ours:
    """Our step on synthetic data that lie on the devices."""

    def __init__(self, config, system, dispatch, devices):
        stage, axis_name = dispatch.stage, parallel.axis_name(devices)
        gan = system.make(config, stage, axis_name)
        examples = num_examples(config.data.resolution, config.data.channels, stage.batch_size)
        check_batch_sizes([stage], examples, len(devices))
        rng, domains = np.random.default_rng(0), domain_names(config.data)
        shape = (examples, *example_shape(config.data))
        pixels, is_picture = partial(rng.integers, 0, 256, shape, np.uint8), len(shape) == 4
        points = partial(rng.standard_normal, shape, np.float32)
        images = {domain: pixels() if is_picture else points() for domain in domains}
        self.resident = parallel.replicate(images, devices)
        per_dispatch = (
            len(devices),
            dispatch.num_steps * stage.critic_steps,
            stage.batch_size // len(devices),
        )
        indices = {domain: rng.integers(0, examples, per_dispatch, np.int32) for domain in domains}
        self.items = parallel.shard(next_item(iter([indices]), dispatch), devices)
        batch = dict.fromkeys(domains, jnp.zeros((2, *shape[1:])))
        create = partial(create_train_state, gan=gan)
        self.state = parallel.create_replicated(create, jax.random.key(config.seed), batch, devices=devices)
        self.step = parallel.parallelize(step_function(config, stage, gan, axis_name), devices)
        started = time.perf_counter()
        self.compiled = self.step.lower(self.state, self.resident, self.items).compile()
        self.compile_seconds = time.perf_counter() - started
        self.devices, self.step_seconds, self.peak_memory = devices, [], None

    def run(self, num_steps, is_counted):
        """One dispatch."""
        restart_peak()
        started = time.perf_counter()
        self.state, _ = jax.block_until_ready(self.compiled(self.state, self.resident, self.items))
        if is_counted:
            self.step_seconds.append((time.perf_counter() - started) / num_steps)
            self.peak_memory = device_peak_bytes(self.devices[0])


class Pipeline:
    """The same step, from a state of its own, on the config's data as a run reads it."""

    def __init__(self, config, images, ours, dispatch, devices):
        stage = dispatch.stage
        is_resident = fits_on_device(images, config.data.placement)
        pictures = {domain: each.all_images() for domain, each in images.items()} if is_resident else ()
        self.resident = parallel.replicate(pictures, devices)
        batches, batch_size = dispatch.num_steps * stage.critic_steps, stage.batch_size
        requests = ((number * batches * batch_size, batches, batch_size) for number in itertools.count())
        self.items = feed(images, requests, seed=config.seed, num_devices=len(devices), resident=is_resident)
        self.state = parallel.replicate_state(ours.state, devices)
        self.step, self.compiled, self.dispatch, self.devices = ours.step, None, dispatch, devices
        self.step_seconds, self.waited = [], 0.0

    def run(self, num_steps, is_counted):
        """One dispatch, from asking for its data to its end."""
        started = time.perf_counter()
        item = parallel.shard(next_item(self.items, self.dispatch), self.devices)
        waited = time.perf_counter() - started
        if self.compiled is None:  # in the dispatch that is not counted
            self.compiled = self.step.lower(self.state, self.resident, item).compile()
        self.state, _ = jax.block_until_ready(self.compiled(self.state, self.resident, item))
        if is_counted:
            self.step_seconds.append((time.perf_counter() - started) / num_steps)
            self.waited += waited

    def close(self):
        """Ends the thread that reads ahead."""
        self.items.close()


class MatrixProduct:
    """One large product on the first device: what its arithmetic reaches when nothing stands in the way."""

    def __init__(self, dtype, device):
        self.size = 2048 if device.platform == 'cpu' else 8192
        self.matrix = jax.device_put(jnp.full((self.size, self.size), 1 / self.size, dtype), device)
        self.multiply = jax.jit(lambda x: x @ x)
        self.flops_per_second = []

    def run(self, num_steps, is_counted):
        """One product, however many steps the others make."""
        del num_steps
        started = time.perf_counter()
        jax.block_until_ready(self.multiply(self.matrix))
        if is_counted:
            self.flops_per_second.append(2 * self.size**3 / (time.perf_counter() - started))


def device_peak_bytes(device) -> int | None:
    """The most memory in use: of a GPU or TPU so far, of this process on a CPU since `restart_peak`."""
    statistics_of_device = device.memory_stats()
    return statistics_of_device['peak_bytes_in_use'] if statistics_of_device else peak_bytes()
