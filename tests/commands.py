"""What people type, run within the tests, and what it must not touch."""

import hashlib
from pathlib import Path

import pytest

from gan_jax import __main__ as gan_jax
from gan_jax import checkpoint, cli, evaluate, explore, export, prepare, sample, seeds
from gan_jax.config import to_json
from gan_jax.data import make_fashion_mnist_10k
from gan_jax.metrics import train_small_cnn
from gan_jax.train import main as train
from helpers import plain_step, single_step, small_config

VERBS = {  # file -> what it runs
    'gan_jax/__main__.py': gan_jax.main,
    'gan_jax/train.py': train,
    'gan_jax/sample.py': sample.main,
    'gan_jax/evaluate.py': evaluate.main,
    'gan_jax/export.py': export.main,
    'gan_jax/checkpoint.py': checkpoint.main,
    'gan_jax/explore.py': explore.main,
    'gan_jax/prepare.py': prepare.main,
    'gan_jax/seeds.py': seeds.main,
    'gan_jax/data/make_fashion_mnist_10k.py': make_fashion_mnist_10k.main,
    'gan_jax/metrics/train_small_cnn.py': train_small_cnn.main,
}


def tree(folder):
    """Every path below a folder with a hash of what it holds, but for a run's lock, which says who has it."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else 'not a file'
        for path in sorted(Path(folder).rglob('*'))
        if path.name != 'lock'
    }


def parser_of(main):
    """The parser of a command's arguments."""

    class Made(Exception):
        pass

    def instead_of_parsing(parser, arguments):
        raise Made(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli.Parser, 'parse_args', instead_of_parsing)
        with pytest.raises(Made) as made:
            main([])
    return made.value.args[0]


def make_run(workdir, system='gan', **overrides):
    """Makes the workdir of an untrained GAN with a checkpoint at step 0."""
    config = small_config(system, **overrides)
    workdir.mkdir()
    (workdir / 'config.json').write_text(to_json(config))
    _, state, _ = single_step(config) if overrides else plain_step(system)
    checkpoints = checkpoint.Checkpoints(workdir, keep=1)
    checkpoints.save(state)
    checkpoints.close()
