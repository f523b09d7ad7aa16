"""Eight CPU devices, strict rank promotion: set before JAX starts."""

import os

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_NUM_CPU_DEVICES'] = '8'

import jax

jax.config.update('jax_numpy_rank_promotion', 'raise')
