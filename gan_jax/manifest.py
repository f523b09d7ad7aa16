"""What a folder of files must hold to be whole: every file's size and SHA-256, in one file beside them."""

import hashlib
import json
import math
import os
from pathlib import Path

NAME = 'manifest.json'
KEEP = 'keep'  # a file of this name is nobody's business but the one's who put it there
BEST = 'best'  # one of this name holds a number, by which a checkpoint is the best so far
MOST_BYTES = 2**24  # of a manifest; larger ones are not read


def write(folder: Path, facts: dict) -> None:
    """Describes all files below `folder` in its manifest.json, with `facts`, JSON values by name."""
    contents = {'facts': facts, 'files': {name: _describe(folder / name) for name in _names(folder)}}
    with open(folder / NAME, 'w') as file:
        json.dump({**contents, 'sha256': _own_hash(contents)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> dict:
    """The facts of a folder that is whole.

    Raises:
        ValueError: it is not, and says which of its files is missing, too many, cut off or changed.
    """
    path = folder / NAME
    if not path.is_file():
        raise ValueError(f'{NAME} is missing')
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f'{NAME} has more than {MOST_BYTES} bytes')
    try:
        contents = json.loads(path.read_bytes())
        own_hash, facts, files = contents.pop('sha256'), dict(contents['facts']), dict(contents['files'])
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise ValueError(f'{NAME} is damaged') from None
    if own_hash != _own_hash(contents) or not all(map(_is_description, files.values())):
        raise ValueError(f'{NAME} is damaged')
    found = _names(folder)
    if missing := sorted(set(files) - set(found)):
        raise ValueError(f'{missing[0]} is missing')
    if strange := sorted(set(found) - set(files)):
        raise ValueError(f'{strange[0]} is not in {NAME}')
    for name, said in files.items():  # sizes first, as they cost nothing
        if (folder / name).stat().st_size != said['bytes']:
            raise ValueError(f'{name} has {(folder / name).stat().st_size} bytes instead of {said["bytes"]}')
    for name, said in files.items():
        if _describe(folder / name) != said:
            raise ValueError(f'{name} has changed')
    return facts


def rank(folder: Path) -> float:
    """How good the state in a folder is, as its file `best` says; minus infinity where it says nothing."""
    try:
        with open(folder / BEST) as file:
            return float(file.read(100))
    except (OSError, ValueError):
        return -math.inf


def _names(folder: Path) -> list[str]:
    """The files below a folder but the manifest, and nothing that a link would bring in from elsewhere."""
    below = [path.relative_to(folder) for path in folder.rglob('*') if path.is_symlink() or not path.is_dir()]
    return sorted(str(path) for path in below if str(path) not in (NAME, KEEP, BEST))


def _describe(path: Path) -> dict:
    if path.is_symlink():
        raise ValueError(f'{path.name} is a link')
    with open(path, 'rb') as file:
        return {'bytes': path.stat().st_size, 'sha256': hashlib.file_digest(file, 'sha256').hexdigest()}


def _is_description(said) -> bool:
    return isinstance(said, dict) and set(said) == {'bytes', 'sha256'}


def _own_hash(contents: dict) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
