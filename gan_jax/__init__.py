"""Functional GAN training in pure JAX."""

import os
import sys
from importlib.metadata import version

__version__ = '0.2.0'  # which pyproject.toml reads from here

if version('jaxlib') == '0.10.2':
    # Not an ImportError: every command begins with this import and owes the person one line, not a traceback.
    print(
        'jaxlib 0.10.2 computes wrong results on CPUs (jax issue 39103): pip install -r requirements.txt',
        file=sys.stderr,
    )
    sys.exit(2)
if version('jaxlib').startswith('0.10.'):
    # On CPUs with AVX-512 it calls all that the compilation cache holds unfit, at length (jax issue 38445).
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
