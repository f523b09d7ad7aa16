"""Pictures in a folder become a data set that a run can read."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan_jax import prepare
from gan_jax.base import UserError
from gan_jax.data.source import open_images


@pytest.fixture
def folder(tmp_path):
    """A wide red picture, a transparent one below it, a gray one, and a file that is none."""
    folder = tmp_path / 'pictures'
    (folder / 'below').mkdir(parents=True)
    Image.new('RGB', (60, 40), 'red').save(folder / 'a.jpg', quality=95)
    Image.new('RGBA', (20, 20), (0, 0, 255, 0)).save(folder / 'below' / 'b.webp', lossless=True)
    Image.new('L', (16, 16), 100).save(folder / 'c.PNG')
    (folder / 'broken.png').write_bytes(b'no picture')
    (folder / 'notes.txt').write_text('no picture either')
    return folder


def arguments(folder, tmp_path, *more):
    return [
        'images',
        str(folder),
        '--name=mine',
        '--resolution=16',
        f'--data_dir={tmp_path / "data"}',
        *more,
    ]


def read(tmp_path, channels):
    return open_images(
        SimpleNamespace(
            name='mine',
            data_dir=str(tmp_path / 'data'),
            split='train',
            resolution=16,
            channels=channels,
            fit='crop',
        )
    ).all_images()


def test_colour_on_white(folder, tmp_path, capsys):
    prepare.main(arguments(folder, tmp_path))
    pictures = read(tmp_path, 3)
    assert pictures.shape == (3, 16, 16, 3)
    red, transparent, gray = pictures
    np.testing.assert_allclose(red.mean((0, 1)), [254, 0, 0], atol=2)
    assert (transparent == 255).all()
    assert (gray == 100).all()
    out, err = capsys.readouterr()
    assert '3 pictures in ' in out
    assert '1 broken files left out' in out
    assert '--config.data.name=mine' in out
    assert 'broken.png: UnidentifiedImageError' in err


def test_gray_on_a_colour(folder, tmp_path):
    prepare.main(arguments(folder, tmp_path, '--channels=1', '--background=black'))
    pictures = read(tmp_path, 1)
    assert (pictures[1] == 0).all()
    assert (pictures[2] == 100).all()


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--background=nothing'], "--background: 'nothing' is no colour; takes a name or #rrggbb"),
        (['--channels=2'], '--channels: invalid choice: 2'),
    ],
)
def test_mistakes_write_nothing(folder, tmp_path, more, message):
    with pytest.raises(UserError, match=message):
        prepare.main(arguments(folder, tmp_path, *more))
    assert not (tmp_path / 'data').exists()


def test_a_name_that_is_none(folder, tmp_path):
    named = [flag.replace('mine', 'My set') for flag in arguments(folder, tmp_path)]
    with pytest.raises(UserError, match=r"--name: 'My set' will not do; takes small letters, digits and _"):
        prepare.main(named)


def test_broken_pictures_alone_are_no_data_set(folder, tmp_path):
    for path in (folder / 'a.jpg', folder / 'below' / 'b.webp', folder / 'c.PNG'):
        path.write_bytes(b'no picture')
    with pytest.raises(UserError, match=r'DIR: .* has broken pictures alone \(.*a.jpg: .*\)'):
        prepare.main(arguments(folder, tmp_path))
    assert not (tmp_path / 'data').exists()


def test_a_folder_without_pictures_and_a_name_that_is_taken(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=r'DIR: .* has no pictures'):
        prepare.main(arguments(tmp_path / 'empty', tmp_path))
    (tmp_path / 'data' / 'mine').mkdir(parents=True)
    with pytest.raises(UserError, match=r'--name: .* is there already'):
        prepare.main(arguments(folder, tmp_path))
    (tmp_path / 'data' / 'mine' / 'incomplete.ABCDEF_1.0.0').mkdir()  # as a kill leaves it
    with pytest.raises(UserError, match=r'--name: .* is half made \(delete it'):
        prepare.main(arguments(folder, tmp_path))
