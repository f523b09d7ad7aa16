"""Emoji of two designers as two domains, A from a font (Noto, OFL 1.1) and B from files (Fluent, MIT)."""

import io
from pathlib import Path
from typing import Any, NamedTuple

from gan_jax.base import UserError
from gan_jax.reading import MOST_BYTES_READ, picture_files

FONT = '/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf'  # where Debian's fonts-noto-color-emoji has it
# What tells variants of a character apart: joiner, signs of gender, selector of colour, tones of skin.
VARIANTS = {0x200D, 0x2640, 0x2642, 0xFE0F, *range(0x1F3FB, 0x1F400)}


class Glyph(NamedTuple):
    """A picture of a font."""

    points: tuple[int, ...]
    png: bytes

    def __str__(self):
        return ' '.join(f'U+{point:X}' for point in self.points)

    def open(self, mode='rb'):
        """Its PNG file."""
        return io.BytesIO(self.png)


def splits(font: str, folder: Path, test_every: int) -> dict[str, list]:
    """{'trainA': pictures, …, 'testB': …} as TFDS's cycle_gan names them: paths, or glyphs.

    A character lies with all its variants, such as tones of skin, on one side, and in both domains on the
    same: its highest code point but for `VARIANTS` decides, as fonts have some sequences backwards.

    Args:
        font: the path of A's.
        folder: of B's files.
        test_every: characters at a multiple of it are for testing.

    Raises:
        UserError: the font has no pictures, a file's name no code points, or a split would be empty.
    """
    base = lambda points: max(set(points) - VARIANTS or points)
    result = {}
    for domain, pictures in (('A', of_font(font)), ('B', of_files(folder))):
        for split, is_tested in (('train', False), ('test', True)):
            chosen = [points for points in sorted(pictures) if (base(points) % test_every == 0) == is_tested]
            if not chosen:
                raise UserError(f'DIR: {str(folder)!r} leaves {split}{domain} empty; takes more emoji')
            result[split + domain] = [pictures[points] for points in chosen]
    return result


def of_files(folder: Path) -> dict[tuple[int, ...], Path]:
    """Files named as 1f468-200d-1f33e.webp, by their code points."""
    try:
        return {tuple(int(each, 16) for each in path.stem.split('-')): path for path in picture_files(folder)}
    except ValueError as error:
        raise UserError(f'DIR: {str(folder)!r} has a file that no code points name: {error}') from None


def of_font(path: str) -> dict[tuple[int, ...], Glyph]:
    """The colour bitmaps of a font by the code points that they stand for."""
    from fontTools.ttLib import TTFont  # here, as nothing else needs it

    try:
        with open(path, 'rb') as file:
            content = file.read(MOST_BYTES_READ)
        if content.startswith(b'wOF'):  # a font for the web, whose tables are unpacked without a limit
            raise ValueError('compressed')
        font: Any = TTFont(io.BytesIO(content), lazy=True)
        strike = font['CBDT'].strikeData[0]
        characters = {glyph: (point,) for point, glyph in font.getBestCmap().items()}
        lookups = font['GSUB'].table.LookupList.Lookup
    except Exception as error:  # fontTools raises what it meets
        raise UserError(f'--font: {path!r} has no colour bitmaps ({type(error).__name__}: {error})') from None
    # Sequences are ligatures, whose parts may be ligatures themselves.
    tables = [table for lookup in lookups if lookup.LookupType == 4 for table in lookup.SubTable]
    ligatures = [
        ((first, *ligature.Component), ligature.LigGlyph)
        for table in tables
        for first, begun in table.ligatures.items()
        for ligature in begun
    ]
    for _ in range(2):
        for parts, glyph in ligatures:
            if all(part in characters for part in parts):
                characters.setdefault(glyph, tuple(point for part in parts for point in characters[part]))
    pictures = ((points, strike.get(glyph)) for glyph, points in characters.items())
    return {points: Glyph(points, bitmap.imageData) for points, bitmap in pictures if bitmap}
