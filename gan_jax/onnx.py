"""Functions as ONNX, for what runs neither Python nor JAX; needs jax2onnx, which is installed apart."""

import contextlib
import importlib
import io
import json
import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jax.extend.core import jaxpr_as_fun

from gan_jax.base import TrainingFailed, UserError
from gan_jax.convolution import plain_convolutions

SUFFIX = '.onnx'
INSTALL = (
    'pip install -r requirements-onnx.txt, or with the extra gan-jax[onnx], '
    'and pip install --no-deps "jax2onnx>=0.17.1,<0.18"'
)


def to_onnx(function: Callable, shape: tuple[int, ...], about: dict[str, Any]) -> bytes:
    """A model with one input, 'inputs' [N, …], and one output, 'outputs', N being free.

    Args:
        function: of an array [N, *shape], traced in any form but that of a CPU's convolutions.
        shape: of one example; of pictures their sizes are fixed.
        about: name -> what goes into the model's metadata: text as it is, all else as JSON.

    Raises:
        UserError: jax2onnx or what it needs is not installed.
        TrainingFailed: it has no operation of ONNX for one of JAX's.
    """
    convert = installed('jax2onnx').to_onnx
    (n,) = export.symbolic_shape('N')
    inputs = jax.ShapeDtypeStruct((n, *shape), jnp.float32)
    # Traced here, as jax2onnx puts functions of its own into JAX, which Flax's scan cannot do with.
    with plain_convolutions():
        traced = jax.make_jaxpr(function)(inputs)
    logging.getLogger('onnx_ir').setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = convert(
                lambda x: jaxpr_as_fun(traced)(x)[0],
                inputs=[inputs],
                model_name='generator',
                input_names=['inputs'],
                output_names=['outputs'],
            )
    except Exception as error:  # whatever its plugins raise
        first_line = str(error).partition('\n')[0]
        raise TrainingFailed(
            f'--out: jax2onnx {version("jax2onnx")} with jax {jax.__version__} cannot convert this generator '
            f'({type(error).__name__}: {first_line}); .stablehlo can be made of any'
        ) from error
    for name, value in about.items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=name, value=text)
    return model.SerializeToString(deterministic=True)


def load_onnx(data: bytes) -> Callable:
    """The model run by onnxruntime on this machine's CPU: inputs [N, …] -> outputs."""
    runtime = installed('onnxruntime')
    runtime.set_default_logger_severity(3)  # errors alone
    session = runtime.InferenceSession(data, providers=['CPUExecutionProvider'])
    return lambda inputs: session.run(None, {'inputs': np.asarray(inputs)})[0]


def installed(name: str) -> Any:
    """A module; raises UserError where it, or what it needs, is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f'--out: {SUFFIX} needs {name} ({error}); {INSTALL}') from None
