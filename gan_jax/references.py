"""What a feature network saw in a set of pictures, kept in the user's cache, as each run on them asks."""

import contextlib
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax import processes
from gan_jax.compilation import cache_folder
from gan_jax.metrics.features import Look, Seen
from gan_jax.metrics.frechet import Moments
from gan_jax.pictures import write_atomically

VERSION = 2  # of what is computed: another one finds nothing that was kept


def seen_in(look: Look, images, facts: dict, **waiting) -> Any:
    """What `look` sees in stored pictures, in the first process; the others take part where it is not kept.

    Args:
        look: the network on the devices.
        images: an `Images`, or anything like it.
        facts: JSON values by name: what was read out of `images.files`, and how.
        waiting: as `Look.at_pictures` has it.
    """
    facts = {**facts, 'keeps': look.keeps, 'network': look.network.name, 'sha256': look.network.sha256}
    path = path_of(facts, images.files) if processes.is_first() else None
    kept = read(path)
    if processes.of_first(lambda: b'' if kept is None else b'kept'):
        return kept
    seen = look.at_pictures(images, **waiting)
    if processes.is_first():
        write(path, seen)
    return seen


def path_of(facts: dict, files: list[Path]) -> Path | None:
    """Where it is kept: a name made of all that it depends on. None for a user without a cache.

    Args:
        facts: JSON values by name: what is read out of the files, how, and by which network.
        files: that the pictures lie in, known by their names, sizes and times.
    """
    described = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    key = json.dumps([VERSION, facts, sorted(described)], sort_keys=True)
    folder = cache_folder()
    return folder and folder / 'references' / f'{hashlib.sha256(key.encode()).hexdigest()}.npz'


def read(path: Path | None) -> Seen | None:
    """What was kept there, None where nothing whole is."""
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        if path and path.is_file():
            with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
                moments = Moments(float(arrays['count']), arrays['mean'], arrays['scatter'])
                return Seen(moments, *(arrays[name] for name in ('features', 'logits') if name in arrays))
    return None


def write(path: Path | None, seen: Seen) -> None:
    """Keeps it, where there is room."""
    file = io.BytesIO()
    arrays = {**seen.moments._asdict(), 'features': seen.features, 'logits': seen.logits}
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    with contextlib.suppress(OSError):
        if path:
            write_atomically(path, file.getvalue())
