"""Functional GAN training in pure JAX."""

import sys
from importlib.metadata import version

if version('jaxlib') == '0.10.2':
    # Not an ImportError: every command begins with this import and owes the person one line, not a traceback.
    print(
        'jaxlib 0.10.2 computes wrong results on CPUs (jax issue 39103): pip install -r requirements.txt',
        file=sys.stderr,
    )
    sys.exit(2)
