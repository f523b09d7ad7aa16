"""What is typed after each command, and what the line says that turns it down; a new flag needs one."""

import shutil

import numpy as np
import pytest
from PIL import Image

from commands import VERBS, parser_of
from helpers import ROOT

DCGAN = f'--config={ROOT}/configs/dcgan_fashion_mnist.py'
ENOUGH = {
    # What a verb needs, beside which each mistake is made.
    'gan_jax/__main__.py': [],
    'gan_jax/train.py': [DCGAN],
    'gan_jax/sample.py': ['--workdir=run'],
    'gan_jax/evaluate.py': ['--workdir=run'],
    'gan_jax/export.py': ['--workdir=run', '--out=g.stablehlo'],
    'gan_jax/checkpoint.py': ['--workdir=run'],
    'gan_jax/explore.py': ['--workdir=run', '--port=0'],
    'gan_jax/prepare.py': ['--name=mine', '--resolution=16', '--data_dir=data'],
    'gan_jax/seeds.py': [DCGAN],
    'gan_jax/data/make_fashion_mnist_10k.py': ['--source=pictures', '--out=out'],
    'gan_jax/metrics/train_small_cnn.py': ['--out=out.npz'],
}
IMAGES, EMOJI = ['images', 'pictures'], ['emoji', 'pictures']
ARGUMENTS = {
    # What is typed beside that, or in its place, and how the line begins. A new flag needs one of its own.
    'gan_jax/__main__.py': [
        (['sampel', '--workdir=run'], "VERB: 'sampel' will not do; the nearest is sample"),
        (['loop'], "VERB: 'loop' will not do; takes one of train, sample, "),  # a file, and no verb
        (['../train'], "VERB: '../train' will not do; "),
        ([''], "VERB: '' will not do; takes one of train, sample, "),
        (['--workdir=run', 'sample'], '--workdir=run: no such argument; takes --help, --version'),
        (['--'], '--: no such argument; takes --help, --version'),
        (['-x'], '-x: no such argument; takes --help, --version'),
        (['--version=x'], "--version: ignored explicit argument 'x'"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/train.py': [
        (['stray'], 'stray: no such argument; takes --help, --config, --workdir, --dry_run'),
        (['num_steps=5'], 'num_steps=5: no such argument; takes'),
        (['--confg=configs/x.py'], '--confg=configs/x.py: no such argument; the nearest is --config'),
        (['--work_dir', 'new'], '--work_dir: no such argument; the nearest is --workdir'),
        (['--dry-run'], '--dry-run: no such argument; the nearest is --dry_run'),
        (['--work=new'], '--work=new: no such argument; the nearest is --workdir'),  # flags in full only
        (['-x'], '-x: no such argument'),
        (['--', 'stray'], 'no such argument; takes --help'),
        (['--workdir'], '--workdir: expected one argument'),
        (['--workdir', '--config.seed=1'], '--workdir: expected one argument'),
        (['--workdir='], "--workdir: '' will not do; takes a folder"),
        (['--workdir=a', '--workdir=b'], "--workdir: given twice, 'a' and 'b'; takes one value"),
        (['--dry_run=xml'], "--dry_run: invalid choice: 'xml' (choose from "),
        (['--dry_run', 'xml'], "--dry_run: invalid choice: 'xml' (choose from "),
        (['--config.num_steps'], '--config.num_steps: a value is missing; takes --config.num_steps=<value>'),
        (['--config.num_steps', '--workdir=new'], '--config.num_steps: a value is missing'),
        (['--config.num_steps', '--dry_run', '5'], '--config.num_steps: a value is missing'),
        (['--config.num_steps', '-5'], "--config.num_steps: '-5' will not do; takes a whole number"),
        (['--config.num_steps', '5', '6'], '6: no such argument'),
        (
            ['--config.seed=1', '--config.seed', '2'],
            "--config.seed: given twice, '1' and '2'; takes one value",
        ),
        (['--config=missing.py'], "--config: 'missing.py' is not a file; takes a Python file"),
        (['--config=../configs/dcgan_fashion_mnist'], "--config: '../configs/dcgan_fashion_mnist' is not a"),
        (['--workdir=' + 'x' * 300], "--workdir: 'xxx"),
        (['--workdir=' + 'x/' * 2000], "--workdir: 'x/x"),
        (['--workdir=a\0b'], "--workdir: 'a\\x00b' will not do; takes a folder"),
        (['--workdir=\udcff'], "--workdir: '\\udcff' will not do; takes a folder"),  # not UTF-8
        (['--workdir=--'], "--workdir: '--' will not do; takes a value"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/sample.py': [
        (['--out=grid.jpg'], "--out: 'grid.jpg' will not do; takes a name that ends in .png or .npz"),
        (['--out='], "--out: '' will not do; takes a name that ends in .png, .npz, .mp4 or .gif"),
        (['--out=no/grid.png'], "--out: 'no/grid.png' will not do; takes a file in a folder that exists"),
        (['--out=folder.png'], "--out: 'folder.png' will not do; takes a file in a folder that exists"),
        (['--out=/proc/grid.png'], "--out: '/proc' cannot be written to"),
        (['--num=0'], "--num: '0' will not do; takes a whole number from 1 to 1000000"),
        (['--num=99999999999'], "--num: '99999999999' will not do; takes a whole number from 1 to 1000000"),
        (['--seed=-1'], "--seed: '-1' will not do; takes a whole number from 0 to 2147483647"),
        (['--seed=4294967296'], "--seed: '4294967296' will not do"),
        (['--seed=0', '--seed=1'], '--seed: given twice, 0 and 1; takes one value'),
        (['--checkpoint=unknown'], "--checkpoint: 'unknown' will not do; takes a whole number from 0"),
        (['--checkpoint=7'], '--checkpoint: 7 is not there; takes one of 0'),
        (['--checkpoint=best'], "--checkpoint: 'best' is not there, as the run has not measured itself"),
        (['--interpolate=1'], "--interpolate: '1' will not do; takes a whole number from 2 to 1000"),
        (['--interpolate=3', '--grid=3'], '--grid: 3 will not do with --interpolate; takes none'),
        (['--grid=1'], "--grid: '1' will not do; takes a whole number from 2 to 100"),
        (['--grid=3', '--num=3'], '--num: 3 will not do with --grid, which is one square; takes none'),
        (
            ['--truncation=3'],
            "--truncation: '3' will not do; takes a finite number, at least 0 and at most 2",
        ),
        (['--truncation=nan'], "--truncation: 'nan' will not do; takes a finite number"),
        (['--video=1'], "--video: '1' will not do; takes a whole number from 2 to 100000"),
        (['--video=5'], "--out: 'samples.png' will not do with --video; takes a name that ends in .mp4 or"),
        (['--out=loop.gif'], "--out: 'loop.gif' will not do; takes a name that ends in .png or .npz"),
        (
            ['--video=5', '--out=a.gif', '--num=5000'],
            '--num: 5000 will not do with --video; takes at most 4096',
        ),
        (['--fps=0'], "--fps: '0' will not do; takes a whole number from 1 to 100"),
        (['--fps=5'], '--fps: 5 will not do without --video; takes none'),
        (['--neighbours=0'], "--neighbours: '0' will not do; takes a whole number from 1 to 100"),
        (['--like=missing.png'], "--like: 'missing.png' cannot be read ("),
        (['--like=loop.gif'], "--like: 'loop.gif' will not do; takes a PNG that gan_jax.sample has made"),
        (['--images=pictures', '--out=new', '--grid=3'], '--grid: 3 will not do with --images; takes none'),
        (['--nun=3'], '--nun=3: no such argument; the nearest is --num'),
        (['grid.png'], 'grid.png: no such argument'),
        (['--workdir=missing'], "--workdir: 'missing' has no config.json; takes the folder of a run"),
        (['--no_ema=1'], "--no_ema: ignored explicit argument '1'"),
        (['--images=missing'], "--images: 'missing' has no pictures; takes one or a folder with some"),
        (['--images=pictures', '--out=new'], "--images: 'pictures' will not do, as this run draws from z"),
        (['--images=pictures', '--out=new', '--num=3'], '--num: 3 will not do with --images; takes none'),
        (['--images=pictures', '--out=pictures/x'], "--out: 'pictures/x' will not do; takes a folder apart"),
        (['--direction=a2c'], "--direction: invalid choice: 'a2c' (choose from "),
        (['--direction=b2a'], "--direction: 'b2a' will not do without --images; takes none"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/evaluate.py': [
        (['--workdir=missing'], "--workdir: 'missing' has no config.json; takes the folder of a run"),
        (['--checkpoint=7'], '--checkpoint: 7 is not there; takes one of 0'),
        (['--checkpoint=best'], "--checkpoint: 'best' is not there, as the run has not measured itself"),
        (['--no_ema=1'], "--no_ema: ignored explicit argument '1'"),
        (['--images=missing'], "--images: 'missing' has no pictures; takes a folder with some"),
        (['--images=pictures'], '--images: 1 will not do for fd; takes 2 or more'),
        (['--images=pictures', '--no_ema'], '--no_ema: True will not do with --workdir with --images'),
        (
            ['--against=pictures'],
            '--against: got --against with --workdir; takes --workdir, or --workdir with',
        ),
        (['--features_a=x.npy', '--features_b=x.npy'], '--features_a: got --features_a with'),
        (['--features_b='], "--features_b: '' will not do; takes a .npy file"),
        (['--metrics=fid'], "--metrics: 'fid' will not do; takes one of fd, kid, pr, dc, is, stacked"),
        (['--network=vgg'], "--network: 'vgg' will not do; takes one of small_cnn, "),
        (['--network=inception_v3'], '--weights: missing for inception_v3; takes the file that the FID'),
        (['--weights=missing.npz'], "--weights: 'missing.npz' cannot be read"),
        (['--weights=run/config.json'], "--weights: 'run/config.json' does not fit small_cnn"),
        (['--num_samples=3'], "--num_samples: '3' will not do; takes a whole number from 10 to 1000000"),
        (['--split=nothing'], "--split: got 'nothing', but there are no such examples"),
        (['--split=train[:1]'], '--split: 1 will not do for fd; takes 2 or more'),
        (['--data_dir=missing'], "--data_dir: got 'missing', takes a folder that exists"),
        (['--domain=c'], "--domain: invalid choice: 'c' (choose from "),
        (['--domain=a'], "--domain: 'a' will not do with --workdir; takes none"),
        (['--resolution=2'], "--resolution: '2' will not do; takes a whole number from 4 to 4096"),
        (['--seed=-1'], "--seed: '-1' will not do; takes a whole number from 0 to 2147483647"),
        (['--json=no/x.json'], "--json: 'no/x.json' will not do; takes a .json file in a folder that exists"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/export.py': [
        (['--out=g.pb'], "--out: 'g.pb' will not do; takes a name that ends in .stablehlo or .onnx"),
        (['--out='], "--out: '' will not do; takes a name that ends in .stablehlo or .onnx"),
        (['--out=no/g.onnx'], "--out: 'no/g.onnx' will not do; takes a file in a folder that exists"),
        (['--out=/proc/g.onnx'], "--out: '/proc' cannot be written to"),
        (['--workdir=missing'], "--workdir: 'missing' has no config.json; takes the folder of a run"),
        (['--checkpoint=7'], '--checkpoint: 7 is not there; takes one of 0'),
        (['--checkpoint=best'], "--checkpoint: 'best' is not there, as the run has not measured itself"),
        (['--no_ema=1'], "--no_ema: ignored explicit argument '1'"),
        (['--direction=a2c'], "--direction: invalid choice: 'a2c' (choose from "),
        (['--direction=b2a'], "--direction: 'b2a' will not do, as this run draws from z; takes none"),
        (['--verify=1'], "--verify: ignored explicit argument '1'"),
        (['--format=onnx'], '--format=onnx: no such argument; '),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/checkpoint.py': [
        (['--workdir=missing'], "--workdir: 'missing' has no checkpoint; takes the folder of a run"),
        (['--workdir='], "--workdir: '' will not do; takes the folder of a run"),
        (['run'], 'run: no such argument; takes --help, --workdir'),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/explore.py': [
        (['--workdir=missing'], "--workdir: 'missing' has no config.json; takes the folder of a run"),
        (['--workdir='], "--workdir: '' will not do; takes the folder of a run"),
        (['--host='], "--host: '' will not do; takes an address or a name of this machine"),
        (['--host=192.0.2.1'], "--host: '192.0.2.1' will not do ("),  # nobody's, for examples
        (['--host=no host'], "--host: 'no host' will not do ("),
        (['--host=x\0'], "--host: 'x\\x00' will not do"),
        (['--host=::zz'], "--host: '::zz' will not do ("),
        (['--port=-1'], "--port: '-1' will not do; takes a whole number from 0 to 65535"),
        (['--port=65536'], "--port: '65536' will not do; takes a whole number from 0 to 65535"),
        (['--share'], '--share: no such argument; the nearest is --help'),
        (['run'], 'run: no such argument; takes --help, --workdir'),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/prepare.py': [
        (
            ['movies', 'pictures'],
            "what: 'movies' will not do; takes one of images, pair, emoji, fashion_mnist",
        ),
        (['cifar10'], "what: 'cifar10' is a data set of TFDS, which TensorFlow prepares, once: pip install"),
        (['cycle_gan/horse2zebra'], "what: 'cycle_gan/horse2zebra' is a data set of TFDS, which"),
        (['fashion_mnist', 'empty'], "DIR: 'empty' has no train-images-idx3-ubyte.gz; takes the folder of"),
        (['images', 'missing'], "DIR: 'missing' is not there; takes a folder"),
        (['images', 'empty'], "DIR: 'empty' has no pictures of .bmp, .gif, .jfif, .jpeg, .jpg, .png, "),
        (['images', ''], "DIR: '' will not do; takes a folder"),
        (['images', 'run/config.json'], "DIR: 'run/config.json' is no zip archive"),
        (['images'], 'the following arguments are required: DIR'),
        ([*IMAGES, 'more'], "DIR: 'more' is one too many; images takes fewer"),
        (['pair', *3 * ['pictures']], "DIR: 'pictures' is one too many; pair takes fewer"),
        (['pair', 'pictures'], "DIR: 'pictures' has no pictures in trainA, trainB, testA, testB; takes two"),
        (['pair', 'pictures', 'missing'], "DIR: 'missing' is not there; takes a folder with pictures"),
        (['pair', 'pictures', 'pictures'], "DIR: 'pictures' leaves trainA empty; takes more pictures"),
        (['pair', 'two', 'pictures'], "DIR: 'pictures' leaves trainB empty; takes more pictures"),
        (
            ['images', 'broken.npz'],
            "DIR: 'broken.npz' cannot be read (File is not a zip file); takes a folder",
        ),
        (
            ['images', 'none.npz'],
            "DIR: 'none.npz' cannot be read (it has no array of pictures (a float64 [3])",
        ),
        (
            ['images', 'objects.npz'],
            "DIR: 'objects.npz' cannot be read (it has no array of pictures (a object",
        ),
        (['images', 'several.npz'], "DIR: 'several.npz' cannot be read (it has several arrays of pictures ("),
        (['images', 'broken-ubyte'], "DIR: 'broken-ubyte' cannot be read (it does not begin as one); takes"),
        (
            ['images', 'short-ubyte'],
            "DIR: 'short-ubyte' cannot be read (it is longer or shorter than the 8 by",
        ),
        (
            ['images', 'huge-ubyte'],
            "DIR: 'huge-ubyte' cannot be read (9,903,520,300,447,984,150,353,281,023 b",
        ),
        (['images', 'idx'], "DIR: 'idx/train-images-idx3-ubyte' cannot be read (2 pictures, but labels [3]"),
        (
            ['images', 'flat-ubyte'],
            "DIR: 'flat-ubyte' cannot be read (uint8 [2] will not do; takes uint8 [N,",
        ),
        (
            [*IMAGES, '--labels=folders'],
            "--labels: 'folders' will not do, as '1f600.png' of 'pictures' is in",
        ),
        (
            ['pair', 'two', 'two', '--labels=folders'],
            "--labels: 'folders' will not do with pair; takes images",
        ),
        ([*IMAGES, '--labels=x'], "--labels: invalid choice: 'x' (choose from "),
        ([*IMAGES, '--fit=stretch'], "--fit: invalid choice: 'stretch' (choose from "),
        ([*IMAGES, '--num_workers=0'], "--num_workers: '0' will not do; takes a whole number from 1 to 256"),
        ([*IMAGES, '--test_every=-1'], "--test_every: '-1' will not do; takes a whole number from 0"),
        ([*IMAGES, '--test_every=5'], '--test_every: 5 will not do with images; takes pair or emoji'),
        ([*IMAGES, '--font=a.ttf'], "--font: 'a.ttf' will not do with images; takes emoji"),
        ([*EMOJI, '--test_every=0'], '--test_every: 0 will not do with emoji; takes 1 or more'),
        ([*IMAGES, '--name=My set'], "--name: 'My set' will not do; takes small letters, digits and _"),
        ([*IMAGES, '--name=' + 'a' * 250], "--name: 'aaa"),  # of which files of longer names are made
        ([*IMAGES, '--resolution=2'], "--resolution: '2' will not do; takes a whole number from 4 to 1024"),
        ([*IMAGES, '--channels=2'], '--channels: invalid choice: 2 (choose from '),
        ([*IMAGES, '--background=nothing'], "--background: 'nothing' is no colour; takes a name or #rrggbb"),
        (
            [*IMAGES, f'--background=rgb({10**20},0,0)'],
            "--background: 'rgb(100000000000000000000,0,0)' is no",
        ),
        ([*IMAGES, '--data_dir='], "--data_dir: '' will not do; takes a folder"),
        ([*IMAGES, '--data_dir=/proc/x'], "--data_dir: '/proc' cannot be written to"),
        ([*IMAGES, '--data_dir=taken'], "--name: 'taken/mine' is there already; takes another name"),
        ([*IMAGES, '--font='], "--font: '' will not do; takes a font"),
        ([*EMOJI, '--font=missing.ttf'], "--font: 'missing.ttf' has no colour bitmaps"),
        ([*IMAGES, '--colour=white'], '--colour=white: no such argument; '),
        ([*IMAGES, '--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/seeds.py': [
        (['--config=missing.py'], "--config: 'missing.py' is not a file; takes a Python file"),
        (['--config'], '--config: expected one argument'),
        (['--num_seeds=0'], "--num_seeds: '0' will not do; takes a whole number from 1 to 2147483647"),
        (['--num_seeds=1025'], '--num_seeds: 1025 of each of 1 values will not do; takes at most 1024 runs'),
        (['--num_seeds=2', '--num_seeds=3'], '--num_seeds: given twice, 2 and 3; takes one value'),
        (['--sweep=gan.width'], "--sweep: 'gan.width' will not do; takes field=value,value, as optimizer."),
        (['--sweep=gan.width=8,'], "--sweep: 'gan.width=8,' will not do; takes field=value,value"),
        (['--sweep=gan.width=8,16'], '--sweep: gan.width will not do, as a whole number sets shapes'),
        (['--workdir='], "--workdir: '' will not do; takes a folder"),
        (
            ['--workdir=run'],
            "--workdir: 'run' has something in it, and these runs do not go on; takes another",
        ),
        (['--workdir=run/config.json'], "--workdir: 'run/config.json' is a file; takes a folder"),
        (['--workdir=/proc/x'], "--workdir: '/proc' cannot be written to"),
        (['--seeds=8'], '--seeds=8: no such argument; the nearest is --num_seeds'),
        (['8'], '8: no such argument; takes --help, --config, --num_seeds, --sweep, --workdir'),
        (['--config.seed=x'], "--config.seed: 'x' will not do; takes a whole number"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/data/make_fashion_mnist_10k.py': [
        (['--source=missing'], '--source: missing/train-images-idx3-ubyte.gz is not a gzipped IDX file'),
        (['--source='], "--source: '' will not do; takes a folder"),
        (['--out=/proc/x'], "--out: '/proc' cannot be written to"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
    'gan_jax/metrics/train_small_cnn.py': [
        (['--name=missing'], "--name: 'missing' is not prepared in "),
        (['--data_dir=missing'], "--data_dir: got 'missing', takes a folder that exists"),
        (['--out=no/x.npz'], "--out: 'no/x.npz' will not do; takes a .npz file in a folder that exists"),
        (['--out=x.txt'], "--out: 'x.txt' will not do; takes a .npz file in a folder that exists"),
        (['--help=x'], "-h/--help: ignored explicit argument 'x'"),
    ],
}
ARRAYS = {
    # Files that are no arrays of pictures, or not what they say.
    'broken.npz': b'none',
    'broken-ubyte': b'none',
    'short-ubyte': bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1)),
    'huge-ubyte': bytes((0, 0, 8, 3, *3 * (127, 255, 255, 255))),
    'flat-ubyte': bytes((0, 0, 8, 1, 0, 0, 0, 2, 1, 1)),
    'idx/train-images-idx3-ubyte': bytes((0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1)),
    'idx/train-labels-idx1-ubyte': bytes((0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2)),
}
EACH_ARGUMENT = [(verb, *case) for verb, cases in ARGUMENTS.items() for case in cases]


@pytest.fixture
def surroundings(workdir, tmp_path):
    """What the arguments speak of: a run, pictures, and what is no such thing."""
    for name in ('folder.png', 'pictures', 'empty', 'taken/mine'):
        (tmp_path / name).mkdir(parents=True)
    Image.new('RGB', (8, 8)).save(tmp_path / 'pictures/1f600.png')
    (tmp_path / 'two').mkdir()
    for name in 'ab':
        shutil.copy(tmp_path / 'pictures/1f600.png', tmp_path / f'two/{name}.png')
    pictures = np.zeros((2, 4, 4), np.uint8)
    np.savez(tmp_path / 'none.npz', a=np.zeros(3))
    np.savez(tmp_path / 'objects.npz', a=np.array([pictures, None], object))
    np.savez(tmp_path / 'several.npz', a=pictures, b=pictures)
    for name, content in ARRAYS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)


@pytest.mark.parametrize(('verb', 'arguments', 'expected'), EACH_ARGUMENT)
def test_arguments(refused, surroundings, verb, arguments, expected):
    given = {argument.partition('=')[0] for argument in arguments}
    enough = [flag for flag in ENOUGH[verb] if flag.partition('=')[0] not in given]
    refused(VERBS[verb], [*enough, *arguments], expected)


@pytest.mark.parametrize('verb', ARGUMENTS)
def test_every_argument_of_a_verb_is_turned_down_somehow(verb):
    lines = [expected for _, expected in ARGUMENTS[verb]]
    for action in parser_of(VERBS[verb])._actions:
        name = '/'.join(action.option_strings) or action.metavar or action.dest
        assert any(line.startswith(f'{name}: ') for line in lines), f'{name} has no line in ARGUMENTS'


def test_every_verb_is_here():
    files = (ROOT / 'gan_jax').rglob('*.py')
    verbs = {str(path.relative_to(ROOT)) for path in files if 'cli.run(main)' in path.read_text()}
    assert verbs == set(VERBS) == set(ARGUMENTS) == set(ENOUGH)
