"""What XLA has compiled: kept on disk from run to run, and made beside the run before it is needed."""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax

DETERMINISTIC = '--xla_gpu_deterministic_ops=true'


def cache_folder() -> Path | None:
    """The user's, for what takes long to compute; None for a user without a home."""
    with contextlib.suppress(RuntimeError):
        return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'gan_jax'
    return None


def keep_on_disk() -> None:
    """Keeps compiled programs in the user's cache folder, unless JAX_COMPILATION_CACHE_DIR names another."""
    folder = cache_folder()
    if folder and not os.environ.get('JAX_COMPILATION_CACHE_DIR'):
        jax.config.update('jax_compilation_cache_dir', str(folder))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)


def fix_choices() -> None:
    """Has XLA take the same, deterministic algorithms on a GPU every time; call it before JAX has devices.

    Otherwise it tries several and takes the fastest, which differs from run to run, and with it the rounding;
    with this flag it does not try.
    """
    flags = os.environ.get('XLA_FLAGS', '')
    if DETERMINISTIC not in flags:
        os.environ['XLA_FLAGS'] = f'{flags} {DETERMINISTIC}'.strip()


class Programs:
    """Jitted functions, each compiled once for the shapes it is first given, in a thread beside the run.

    A program is known by a key of the caller's. `prepare` begins its compilation and returns at once, so that
    a sampler or the next stage is ready when the run gets there.
    """

    def __init__(self):
        self._threads = ThreadPoolExecutor(thread_name_prefix='compile')
        self._compiled, self._seconds = {}, {}

    def prepare(self, key, function, *arguments) -> None:
        """Begins to compile `function`, jitted, for arrays like `arguments`, unless that has been done."""
        if key not in self._compiled:
            # Shapes, as the arrays themselves may have been donated by the time the thread looks at them.
            shapes = jax.tree.map(_shape, arguments)
            self._compiled[key] = self._threads.submit(self._compile, key, function, shapes)

    def _compile(self, key, function, shapes):
        started = time.perf_counter()
        compiled = function.lower(*shapes).compile()
        self._seconds[key] = time.perf_counter() - started
        return compiled

    def compiled(self, key):
        """What `prepare` has begun to compile, once it is there; raises what its compilation raised."""
        return self._compiled[key].result()

    def seconds(self, key) -> float:
        """How long the compilation took."""
        self.compiled(key)
        return self._seconds[key]

    def all_seconds(self) -> float:
        """How long all compilations took that have ended."""
        return sum(self._seconds.values())

    def run(self, key, function, *arguments):
        """`function(*arguments)`, once it is compiled."""
        self.prepare(key, function, *arguments)
        return self.compiled(key)(*arguments)

    def close(self) -> None:
        """Lets go of the threads; a compilation that has begun is waited for at the end of the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _shape(x):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
