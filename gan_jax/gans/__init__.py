"""One file for each paper. A config's `system` names the file, and nothing but that file is loaded."""

import importlib
from pathlib import Path
from types import ModuleType

from gan_jax.base import UserError


def load_system(name: str) -> ModuleType:
    """The module `gan_jax.gans.<name>`; raises UserError where there is none."""
    names = sorted(path.stem for path in Path(__file__).parent.glob('*.py') if path.stem != '__init__')
    if name not in names:
        raise UserError(f'--config.system: no such system {name!r}; takes one of {", ".join(names)}')
    return importlib.import_module(f'gan_jax.gans.{name}')
