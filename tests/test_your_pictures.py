"""A folder of mixed, partly broken pictures goes through `prepare`, and the command it prints trains."""

import io
import shlex
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from commands import train, tree
from gan_jax import cli, prepare
from gan_jax.data.source import open_images
from gan_jax.explorer import own_pictures
from gan_jax.explorer.views import Run
from gan_jax.reading import read_picture
from helpers import ROOT

BROKEN = {'truncated.jpg', 'truncated.png', 'empty.png', 'text.jpg', 'nowhere.png', 'floats.tif', 'deep.tif'}


def photo(seed, size):
    """A smooth colour picture."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(picture, kind, **keywords):
    file = io.BytesIO()
    picture.save(file, kind, **keywords)
    return file.getvalue()


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def mixed(folder):
    """200 pictures of which `BROKEN` cannot be read, and what is none."""
    below = folder / 'holiday ünï コード' / 'deep' / 'er'
    below.mkdir(parents=True)
    kinds = ['JPEG', 'PNG', 'WEBP', 'BMP', 'GIF', 'TIFF', 'JPEG', 'PNG']
    modes = ['RGB', 'RGBA', 'RGB', 'L', 'P', 'RGB', 'CMYK', '1']
    for place in range(176):
        kind, mode = kinds[place % 8], modes[place % 8]
        picture = photo(place, (17 + place * 7 % 60, 90 - place * 5 % 70)).convert(mode)
        suffix = {'JPEG': '.jpg', 'TIFF': '.TIF'}.get(kind, f'.{kind.lower()}')
        (below if place % 3 else folder).joinpath(f'{place:03} 写真{suffix}').write_bytes(
            encoded(picture, kind)
        )
    for orientation in range(1, 9):
        picture = photo(orientation, (40, 24))
        picture.save(folder / f'turned{orientation}.jpg', exif=oriented(orientation))
    frames = [photo(frame, (30, 30)) for frame in range(3)]
    for kind in ('gif', 'webp', 'png', 'tiff'):
        frames[0].save(folder / f'animated.{kind}', save_all=True, append_images=frames[1:])
    gray = np.linspace(0, 65535, 32 * 32).reshape(32, 32)
    Image.fromarray(gray.astype(np.uint16)).save(folder / 'sixteen.png')
    photo(0, (20, 20)).convert('LA').save(folder / 'alpha.png')
    (folder / 'exif.jpg').write_bytes(encoded(photo(0, (20, 20)), 'JPEG', exif=b'Exif\0\0II*\0\xff\xff\xff'))
    (folder / 'colours.png').write_bytes(encoded(photo(0, (20, 20)).quantize(9), 'PNG', transparency=0))
    (folder / 'line.png').write_bytes(encoded(photo(0, (300, 1)), 'PNG'))
    photo(1, (64, 64)).save(folder / 'truncated.jpg')
    photo(1, (64, 64)).save(folder / 'truncated.png')
    for name in ('truncated.jpg', 'truncated.png'):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'text.jpg').write_text('no picture')
    (folder / 'nowhere.png').symlink_to(folder / 'nothing')
    Image.fromarray(gray.astype(np.float32)).save(folder / 'floats.tif')
    Image.fromarray((gray * 9).astype(np.int32)).save(folder / 'deep.tif')
    (folder / 'notes.txt').write_text('no picture either')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('mixed')
    mixed(folder)
    return folder


def read(data_dir, **fields):
    asked = {'name': 'mine', 'data_dir': str(data_dir), 'split': 'train', 'resolution': 16, 'channels': 3}
    return open_images(SimpleNamespace(**asked, fit='crop', **fields)).all_images()


def printed_command(out):
    """The arguments of train.py in what `prepare` has printed."""
    python, script, *arguments = shlex.split(out.splitlines()[-1])
    assert (python, script) == ('python', 'train.py')
    return arguments


TINY = ['--config.gan.width=4', '--config.gan.latent_dim=8', '--config.num_steps=2']
TINY += ['--config.steps_per_dispatch=2', '--config.compilation_cache=false']


def test_from_a_folder_to_a_trained_dcgan(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    data = tmp_path / 'my data'
    where = ['--name=mine', '--resolution=16', f'--data_dir={data}', '--num_workers=2']
    monkeypatch.setattr(sys, 'argv', ['prepare', 'images', str(folder), *where])
    assert cli.run(prepare.main) == 0
    out, err = capsys.readouterr()
    assert '193 pictures in ' in out
    assert '7 broken files left out' in out
    lines = err.splitlines()
    assert {line.split(': ')[0].rsplit('/', 1)[-1] for line in lines} == BROKEN
    assert len(lines) == len(BROKEN)

    arguments = [each for each in printed_command(out) if not each.startswith('--workdir')]
    workdir = tmp_path / 'run'
    train([*arguments, f'--workdir={workdir}', *TINY])
    assert 'step 2 · ' in capsys.readouterr().out
    assert (workdir / 'checkpoints' / '2').is_dir()

    run = Run(workdir)  # what the explorer's page shows
    seen = run.seen(2, run.z(0))
    assert seen.pixels.shape == (16, 16, 3)
    own = read_picture(next(folder.rglob('*.webp')), 3)
    judged = own_pictures.judged(run, 2, own_pictures.as_trained(own, run.config.data, 16))
    assert 0 <= seen.probability <= 1
    assert 0 <= judged.probability <= 1


def test_every_picture_is_upright_and_of_the_first_frame(folder, tmp_path, capsys):
    chosen = tmp_path / 'chosen'
    chosen.mkdir()
    for path in [*folder.glob('turned*'), *folder.glob('animated*'), folder / 'sixteen.png']:
        (chosen / path.name).write_bytes(path.read_bytes())
    prepare.main(['images', str(chosen), '--name=mine', '--resolution=16', f'--data_dir={tmp_path / "data"}'])
    pictures = read(tmp_path / 'data')
    first = np.asarray(photo(0, (30, 30)).resize((16, 16), Image.Resampling.LANCZOS), int)
    for animated in pictures[:4].astype(int):
        assert np.abs(animated - first).mean() < 12  # GIF has few colours
    assert (np.diff(pictures[4].mean((1, 2))) > 10).all()  # 16 bits from black to white, not cut off
    for orientation in range(1, 9):
        as_stored = Image.open(chosen / f'turned{orientation}.jpg')
        expected = ImageOps.fit(ImageOps.exif_transpose(as_stored), (16, 16), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(pictures[4 + orientation], np.asarray(expected))


def test_processes_change_no_byte(folder, tmp_path, capsys):
    archive = tmp_path / 'mixed.zip'
    with zipfile.ZipFile(archive, 'w') as file:
        for path in sorted(folder.rglob('*.jpg')):
            file.write(path, f'all/{path.relative_to(folder)}')
    made = []
    for source, labels in ((folder, []), (archive, []), (archive, [])):
        for workers in (1, 2):
            data = tmp_path / f'data{len(made)}'
            where = ['--name=mine', '--resolution=8', f'--data_dir={data}', f'--num_workers={workers}']
            prepare.main(['images', str(source), *where, *labels])
            made.append({path.removeprefix(str(data)): value for path, value in tree(data).items()})
            made[-1]['stderr'] = capsys.readouterr().err
    assert made[0] == made[1]
    assert made[2] == made[3] == made[4] == made[5]
