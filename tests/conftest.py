"""Eight CPU devices, strict rank promotion, and little time spent on compiling: set before JAX starts."""

import os
import tempfile
from importlib.metadata import version

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUM_CPU_DEVICES'] = '8'
# Tests take few steps of many programs, often the same one in several processes.
os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'
if version('jaxlib').startswith('0.10.'):  # later ones do not know it and would abort
    os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} --xla_cpu_use_fusion_emitters=false'
if 'PYTEST_XDIST_WORKER' not in os.environ:
    cache = tempfile.TemporaryDirectory(prefix='gan_jax_tests_')  # gone when the tests are
    os.environ['JAX_COMPILATION_CACHE_DIR'] = cache.name
    os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
    os.environ['JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES'] = '-1'

import jax

jax.config.update('jax_numpy_rank_promotion', 'raise')
