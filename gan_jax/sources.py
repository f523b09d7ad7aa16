"""What a data set may be made from, and which of its pictures are for training, which for testing."""

import itertools
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from gan_jax import archive, arrays
from gan_jax.base import UserError
from gan_jax.reading import OTHER_SUFFIXES, SUFFIXES, picture_files

TAKES = 'takes a folder with pictures, a zip archive, an IDX file or an .npz'
KINDS = ', '.join(sorted(SUFFIXES))
FOUR = 'trainA', 'trainB', 'testA', 'testB'  # as the authors of CycleGAN name folders, and TFDS splits


class Labelled(NamedTuple):
    """A picture of a data set in the making."""

    picture: Any  # a path, or what else has `open`
    label: int | None = None


class Source(NamedTuple):
    """The pictures of a folder, an archive or an array, in order."""

    path: Path
    pictures: list  # paths, or what else has `open`
    places: list[PurePath]  # where each lies in it
    labels: np.ndarray | None  # whole numbers from 0 that lie beside, one for each picture


def open_source(path: Path) -> Source:
    """What lies there: a folder with all below it, a zip archive, an IDX file or a folder with one, an .npz.

    Of a folder with several IDX files the one named train… is taken, or the first.

    Raises:
        UserError: there are no pictures, or it cannot be read.
    """
    if path.is_dir():
        files = picture_files(path)
        if not files and (idx := idx_file(path)):
            return of_array(idx)
        source = Source(path, files, [file.relative_to(path) for file in files], None)
    elif not path.is_file():
        raise UserError(f'DIR: {str(path)!r} is not there; {TAKES}')
    elif path.suffix == '.npz' or path.name.endswith(('-ubyte', '-ubyte.gz')):
        return of_array(path)
    else:
        members = archive.members(path)
        places = [PurePosixPath(member.info.filename) for member in members]
        source = Source(path, members, without_common_folder(places), None)
    if not source.pictures:
        raise UserError(f'DIR: {str(path)!r} has no pictures of {KINDS}; {TAKES}')
    return source


def of_other_kinds(path: Path) -> list[Path]:
    """Pictures in a folder that are none of those that are read."""
    return picture_files(path, OTHER_SUFFIXES) if path.is_dir() else []


def idx_file(folder: Path) -> Path | None:
    """The IDX file of pictures in a folder that is for training, if there is any."""
    found = arrays.idx_files(folder)
    return next((file for file in found if file.name.startswith('train')), next(iter(found), None))


def of_array(path: Path) -> Source:
    """The pictures of an IDX file, with the labels that lie beside, or of an .npz; raises UserError."""
    labels = None
    try:
        if path.suffix == '.npz':
            array = arrays.read_npz(path)
        else:
            array, labels = arrays.read_idx(path), arrays.labels_beside(path)
        pictures = arrays.pictures(path, array)
        if labels is not None and labels.shape != (len(array),):
            raise ValueError(f'{len(array)} pictures, but labels {list(labels.shape)} beside them')
    except Exception as error:  # zipfile and NumPy raise what they meet
        why = ' '.join(str(error).split()) or type(error).__name__
        raise UserError(f'DIR: {str(path)!r} cannot be read ({why:.500}); {TAKES}') from error
    return Source(path, pictures, [PurePath(picture.name) for picture in pictures], labels)


def without_common_folder(places: list) -> list:
    """Places in an archive seen from the folder that all of them lie in."""
    if not places:
        return places
    folders = zip(*(place.parts[:-1] for place in places), strict=False)  # by their depth
    depth = sum(1 for _ in itertools.takewhile(lambda names: len(set(names)) == 1, folders))
    return [PurePosixPath(*place.parts[depth:]) for place in places]


def labelled(source: Source, by: str) -> tuple[list[str] | None, list[Labelled]]:
    """The classes of a source, if there are any, and its pictures with them.

    Args:
        source: of the pictures.
        by: 'folders' (each folder at the top is a class), 'beside' (an IDX file's, if they are there) or
            'none'.

    Raises:
        UserError: 'folders' of an array, or a picture that lies in none.
    """
    if by == 'folders':
        outside = next((place for place in source.places if len(place.parts) < 2), None)
        if outside:
            raise UserError(
                f'--labels: {by!r} will not do, as {str(outside)!r} of {str(source.path)!r} is in no '
                'subfolder; takes them with every picture in one'
            )
        classes = sorted({place.parts[0] for place in source.places})
        number = {name: place for place, name in enumerate(classes)}
        pairs = zip(source.pictures, source.places, strict=True)
        pictures = [Labelled(picture, number[place.parts[0]]) for picture, place in pairs]
        # Without line breaks, which part the names in TFDS's file of them.
        return [repr(name)[1:-1] for name in classes], pictures
    if by == 'beside' and source.labels is not None:
        pairs = zip(source.pictures, source.labels.tolist(), strict=True)
        classes = [str(label) for label in range(int(source.labels.max()) + 1)]
        return classes, [Labelled(*pair) for pair in pairs]
    return None, unlabelled(source.pictures)


def unlabelled(pictures: list) -> list[Labelled]:
    """The pictures, of no class."""
    return [Labelled(picture) for picture in pictures]


def two_domains(paths: list[Path], test_every: int) -> dict[str, list[Labelled]]:
    """The splits of a pair: {'trainA': pictures, …, 'testB': …} as TFDS's cycle_gan names them.

    Args:
        paths: of two sources, A and B, or of one that has folders trainA, trainB, testA and testB.
        test_every: of two sources, in order of names: each picture at a multiple of it, the first among them,
            is for testing; 0: none is.

    Raises:
        UserError: a source cannot be read, or a split would be empty.
    """
    if len(paths) == 1:
        source = open_source(paths[0])
        named = {
            name: [
                picture
                for picture, place in zip(source.pictures, source.places, strict=True)
                if place.parts[0] == name
            ]
            for name in FOUR
        }
        takes = 'takes two folders, A and B, or one that has trainA, trainB, testA and testB'
        empty = ', '.join(name for name, pictures in named.items() if not pictures)
        if empty:
            raise UserError(f'DIR: {str(paths[0])!r} has no pictures in {empty}; {takes}')
        return {name: unlabelled(pictures) for name, pictures in named.items()}
    splits = {}
    for domain, path in zip('AB', paths, strict=True):
        pictures = open_source(path).pictures
        is_tested = [test_every > 0 and place % test_every == 0 for place in range(len(pictures))]
        for split, wanted in (('train', False), ('test', True)):
            pairs = zip(pictures, is_tested, strict=True)
            chosen = [picture for picture, tested in pairs if tested == wanted]
            if chosen:
                splits[split + domain] = unlabelled(chosen)
            elif split == 'train' or test_every:
                raise UserError(
                    f'DIR: {str(path)!r} leaves {split}{domain} empty; takes more pictures, or --test_every=0'
                )
    return {name: splits[name] for name in FOUR if name in splits}
