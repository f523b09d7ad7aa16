"""Emoji of a font and of files become two domains, split by their characters."""

import io
import struct
import zlib
from types import SimpleNamespace

import fontTools.ttLib
import numpy as np
import pytest
from PIL import Image

from gan_jax import emoji, prepare
from gan_jax.base import UserError
from gan_jax.data.source import open_images

FACE, FARMER, TONE, WHEAT, STAFF, JOINER = 0x1F600, 0x1F468, 0x1F3FD, 0x1F33E, 0x2695, 0x200D


def png(colour):
    file = io.BytesIO()
    Image.new('RGBA', (12, 8), colour).save(file, 'png')
    return file.getvalue()


class Font(dict):
    """A font of a face and of a man with a tone of skin, alone, with wheat and, backwards, with a staff."""

    def __init__(self, file, lazy):
        assert (file.read(), lazy) == (b'a font', True)
        ligature = lambda glyph, *rest: SimpleNamespace(LigGlyph=glyph, Component=list(rest))
        # The longer one is made of the shorter, and comes first.
        tables = [
            SimpleNamespace(ligatures={'toned': [ligature('farmer', 'joiner', 'wheat')]}),
            SimpleNamespace(ligatures={'staff': [ligature('healer', 'joiner', 'toned')]}),
            SimpleNamespace(ligatures={'man': [ligature('toned', 'tone')]}),
        ]
        lookups = [SimpleNamespace(LookupType=1), SimpleNamespace(LookupType=4, SubTable=tables)]
        pictures = {'face': 'red', 'toned': 'green', 'farmer': 'blue', 'healer': 'white'}
        super().__init__(
            CBDT=SimpleNamespace(
                strikeData=[
                    {name: SimpleNamespace(imageData=png(colour)) for name, colour in pictures.items()}
                ]
            ),
            GSUB=SimpleNamespace(table=SimpleNamespace(LookupList=SimpleNamespace(Lookup=lookups))),
        )

    def getBestCmap(self):
        parts = {FARMER: 'man', TONE: 'tone', WHEAT: 'wheat', STAFF: 'staff', JOINER: 'joiner'}
        return {FACE: 'face', **parts, 0x20: 'space'}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(fontTools.ttLib, 'TTFont', Font)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'font.ttf').write_bytes(b'a font')
    folder = tmp_path / 'files'
    folder.mkdir()
    for name in ('1f600', '1f468-1f3fd', '1f601'):
        Image.new('RGB', (8, 8), 'yellow').save(folder / f'{name}.webp', lossless=True)
    return folder


def test_sequences_are_found(folder):
    pictures = emoji.of_font('font.ttf')
    man = FARMER, TONE
    assert set(pictures) == {(FACE,), man, (*man, JOINER, WHEAT), (STAFF, JOINER, *man)}
    assert str(pictures[FARMER, TONE]) == 'U+1F468 U+1F3FD'


def test_a_character_is_tested_with_all_its_variants_and_in_both_domains(folder):
    splits = emoji.splits('font.ttf', folder, FARMER)  # of which the man alone is a multiple
    assert [len(splits[name]) for name in ('trainA', 'testA', 'trainB', 'testB')] == [1, 3, 2, 1]
    assert splits['testB'] == [folder / '1f468-1f3fd.webp']


def test_prepared_on_white_and_whole(folder, tmp_path, capsys):
    data = tmp_path / 'data'
    where = [
        '--name=pair',
        '--resolution=12',
        f'--data_dir={data}',
        '--font=font.ttf',
        f'--test_every={FARMER}',
    ]
    prepare.main(['emoji', str(folder), *where])
    out = capsys.readouterr().out
    assert '7 pictures in ' in out
    assert '--config=configs/cyclegan_images.py' in out
    config = {'name': 'pair', 'data_dir': str(data), 'resolution': 12, 'channels': 3, 'fit': 'crop'}
    face = open_images(SimpleNamespace(**config, split='trainA+testA')).images([0])
    assert (face[0, :2] == 255).all()  # 12 x 8 pixels in a square
    np.testing.assert_array_equal(face[0, 4], np.broadcast_to([255, 0, 0], (12, 3)))
    assert len(open_images(SimpleNamespace(**config, split='testA'))) == 3


def test_mistakes_are_one_line(folder, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r'^DIR: .*files. leaves testA empty; takes more emoji'):
        emoji.splits('font.ttf', folder, 10)
    (folder / 'smile.png').write_bytes(b'')
    with pytest.raises(UserError, match=r"^DIR: .*a file that no code points name: .*'smile'"):
        emoji.of_files(folder)
    monkeypatch.undo()
    (tmp_path / 'no.ttf').write_bytes(b'no font')
    with pytest.raises(UserError, match=r'^--font: .*no.ttf. has no colour bitmaps'):
        emoji.of_font(str(tmp_path / 'no.ttf'))
    (tmp_path / 'no.ttf').write_bytes(b'wOFF' + bytes(100))  # its tables might unpack to anything
    with pytest.raises(
        UserError, match=r'^--font: .*no.ttf. has no colour bitmaps \(ValueError: compressed\)'
    ):
        emoji.of_font(str(tmp_path / 'no.ttf'))


def test_a_huge_picture_of_a_font_is_named(folder, tmp_path, monkeypatch, capsys):
    header = struct.pack('>II', 100_000, 100_000) + bytes([8, 6, 0, 0, 0])
    good = png('red')
    huge = good[:16] + header + struct.pack('>I', zlib.crc32(b'IHDR' + header)) + good[33:]
    monkeypatch.setattr('test_emoji.png', lambda colour: huge if colour == 'green' else good)
    where = [
        '--name=pair',
        '--resolution=12',
        f'--data_dir={tmp_path / "data"}',
        '--font=font.ttf',
        f'--test_every={FARMER}',
    ]
    prepare.main(['emoji', str(folder), *where])
    assert (
        'left out U+1F468 U+1F3FD: ValueError: 100000 × 100000 pixels are too many' in capsys.readouterr().err
    )
