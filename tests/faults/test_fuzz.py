"""Whatever is typed or a workdir holds: the work would begin, or one line says why not; no traceback."""

import contextlib
import functools
import io
import json
import os
import resource
import shutil
import signal
import sys
import warnings
from collections import Counter
from operator import getitem
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from commands import VERBS, parser_of, train, tree
from gan_jax import cli, evaluate, explore, export, loop, sample, seeds, together
from gan_jax.config import load_config
from gan_jax.dry_run import abstract_arguments
from gan_jax.gans import load_system
from gan_jax.train_step import train_step
from helpers import ROOT, config_path, flags, small_overrides
from test_bad_fields import KNOWN, SYSTEMS
from wild import ATOMS, JSON, NUMBERS, PATHS, TEXTS, VALUES, WORDS

pytestmark = pytest.mark.faults
SECONDS, BYTES = 5, 2**30  # of a processor's time, and of memory beyond what there is, for one command
EXAMPLES = int(os.environ.get('FUZZ_EXAMPLES', '1200'))  # more of them are others
fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,  # what fails here fails there
    database=None,
    print_blob=True,
    deadline=None,  # other tests share the processors: their time is measured instead
    suppress_health_check=list(HealthCheck),
)


class Begun(Exception):
    """Nothing was wrong with the command, and the work itself begins."""


class TooLong(BaseException):
    """Not an Exception, so that nothing that is tried catches it."""


@pytest.fixture(scope='module', autouse=True)
def without_the_work():
    """Ends each command where its work would begin: data decoded, networks compiled, pictures written."""

    def begins(*_, **__):
        raise Begun

    def samples(gan, player, inputs, images_seen):
        jax.eval_shape(gan.sample, *player, inputs, images_seen)
        raise Begun

    nothing = lambda *_: None
    with pytest.MonkeyPatch.context() as patch:
        for run in (loop, together):
            patch.setattr(run, 'fits_on_device', begins)  # the first after all that may refuse a config
            patch.setattr(run, 'keep_on_disk', nothing)  # JAX's settings outlive a test
        patch.setattr(sample, 'sample_in_chunks', samples)
        patch.setattr(sample, 'translate_files', begins)
        patch.setattr('gan_jax.data.writing.write', begins)
        patch.setattr(explore, 'load_page', nothing)
        patch.setattr(explore, 'serve', begins)
        patch.setattr(evaluate.Evaluation, 'of', begins)
        patch.setattr(evaluate, 'figures', begins)
        patch.setattr('gan_jax.metrics.features.Look.at_pictures', begins)
        patch.setattr(evaluate, 'keep_on_disk', nothing)
        patch.setattr('gan_jax.dry_run.report', begins)
        patch.setattr('gan_jax.processes.join', nothing)  # it would wait for others
        patch.setattr(loop, 'fix_choices', nothing)
        patch.setattr(seeds, 'fix_choices', nothing)
        patch.setattr(sample, 'keep_on_disk', nothing)
        patch.setattr(export, 'keep_on_disk', nothing)
        patch.setattr(export, 'FORMATS', dict.fromkeys(export.FORMATS, (begins, begins)))
        yield


@contextlib.contextmanager
def bounded():
    """Little time and memory, or an exception."""

    def stop(number, frame):
        raise TooLong(f'more than {SECONDS} seconds of computing')

    used = int(Path('/proc/self/statm').read_text().split()[5]) * os.sysconf('SC_PAGE_SIZE')
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    previous = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_DATA, (used + BYTES, limits[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.signal(signal.SIGVTALRM, previous)


def ended(main, arguments) -> str:
    """Runs a command as a process would: 'refused', 'begun' or 'done', each as promised."""
    before, argv = tree('..'), sys.argv
    out = io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), 'utf-8', 'backslashreplace', write_through=True)
    try:
        sys.argv = ['command', *arguments]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), bounded():
            code = cli.run(main)
    except Begun:
        code = 'begun'
    except SystemExit as end:
        assert {'-h', '--help'} & set(arguments)
        code = end.code
    except TooLong as slow:
        raise AssertionError(str(slow)) from slow
    finally:
        sys.argv = argv
    assert tree('..') == before
    out, err = (stream.buffer.getvalue().decode() for stream in (out, err))
    if code == 2:
        assert out == ''
        assert err.strip()
        assert err.endswith('\n')
        assert err.count('\n') == 1
        return 'refused'
    assert err == ''
    return code or 'done'


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder that commands run in: empty, and so is the one that it is in."""
    (tmp_path / 'cwd').mkdir()
    monkeypatch.chdir(tmp_path / 'cwd')


def takes(field, text):
    """Whether a field alone would take it."""
    try:
        field.parse(text)
    except ValueError:
        return False
    return True


def fitting(system):
    """Of each field of a system: texts that it takes, whatever the others hold."""
    config = load_config(str(config_path(system)), {})
    texts = {}
    for name, field in KNOWN[system].items():
        own = functools.reduce(getitem, name.split('.'), config)
        own = ','.join(map(str, own)) if isinstance(own, tuple) else str(own)
        texts[name] = [own, *(text for text in [*NUMBERS, *WORDS, *PATHS] if takes(field, text))]
    return texts


FITTING = {system: fitting(system) for system in SYSTEMS}
ALL_FIELDS = sorted({name for fields in FITTING.values() for name in fields})


@st.composite
def overrides(draw):
    """A system with one to four of its fields changed, now and then one that it does not have."""
    system = draw(st.sampled_from(SYSTEMS))
    fields, values = FITTING[system], {}
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4, unique=True))
    if draw(st.integers(0, 29)) == 0:
        chosen[0] = draw(st.sampled_from(ALL_FIELDS) | TEXTS)
    for name in chosen:
        fits = name in fields and draw(st.integers(0, 4))  # or most would end at the first of them
        values[name] = draw(st.sampled_from(fields[name]) if fits else VALUES)
    return system, values


def test_fields(here):
    counts = Counter()

    @fuzzed
    @given(overrides())
    def any_values(drawn):
        system, values = drawn
        path = str(config_path(system))
        arguments = [f'--config.{name}={value}' for name, value in values.items()]
        end = ended(train, [f'--config={path}', *arguments, '--workdir=new/run'])
        counts[end] += 1
        if end == 'begun':
            check_stages(load_config(path, values))

    any_values()
    assert set(counts) == {'refused', 'begun'}
    assert min(counts.values()) > EXAMPLES / 10


def check_stages(config):
    """Each begins where the one before it ends, has a step at least, and all can be counted."""
    step = image = 0
    for stage in load_system(config.system).stages(config):
        assert (stage.first_step, stage.first_image) == (step, image)
        assert min(stage.num_steps, stage.batch_size, stage.images_per_step) >= 1
        step, image = stage.last_step, image + stage.num_steps * stage.images_per_step
    assert image < 2**31


@pytest.mark.parametrize('edge', [min, max])
@pytest.mark.parametrize('system', SYSTEMS)
def test_numbers_at_their_edges_are_numbers_to_the_devices(system, edge):
    """Each real number of a config is taken as it is by a step: no overflow, no division by what became 0."""
    values = small_overrides(system)
    for name, field in KNOWN[system].items():
        if field.kind is float and not name.endswith(('constant_kimg', 'decay_kimg')):  # they are a length
            values[name] = edge(FITTING[system][name], key=float)
    if 'gan.regularizer' in KNOWN[system]:
        values['gan.regularizer'] = 'none'  # as no other takes a weight of 0
    config = load_config(str(config_path(system)), values)
    for stage in load_system(system).stages(config):
        gan = load_system(system).make(config, stage, axis_name=None)
        step = functools.partial(train_step, gan=gan, ema=stage.ema_half_life, axis_name=None)
        with warnings.catch_warnings(action='error'):
            jax.eval_shape(step, *abstract_arguments(config, gan, stage))


ENOUGH = {
    'gan_jax/train.py': [f'--config={ROOT}/configs/gan_fashion_mnist.py', '--workdir=new'],
    'gan_jax/sample.py': ['--workdir=run', '--out=new.png'],
    'gan_jax/evaluate.py': ['--workdir=run', '--json=new.json'],
    'gan_jax/export.py': ['--workdir=run', '--out=new.stablehlo'],
    'gan_jax/checkpoint.py': ['--workdir=run'],
    'gan_jax/explore.py': ['--workdir=run', '--port=0'],
    'gan_jax/prepare.py': ['images', 'pictures', '--name=mine', '--resolution=16', '--data_dir=data'],
    'gan_jax/seeds.py': [
        f'--config={ROOT}/configs/gan_fashion_mnist.py',
        '--config.batch_size=96',  # of eight devices
        '--workdir=new',
    ],
}
FLAGS = {verb: list(parser_of(VERBS[verb])._option_string_actions) for verb in ENOUGH}
FLAGS['gan_jax/train.py'] += ['--config.', '--config.seed', '--config.gan.loss', '--config.gan']
NAMES = ['run', 'pictures', 'run/config.json', 'pictures/1.png', 'new', 'folder.png', 'images', 'a2b', 'json']
OFTEN = {  # what comes near to what a flag takes
    '--sweep': [
        f'{field}={values}'
        for field in ('optimizer.generator.learning_rate', 'gan.keep_pixels', 'gan.loss', 'seed', 'x', '')
        for values in ('1e-4,2e-4', '0.5', '0', 'nan', 'hinge', '1,1', ',', '1e18,5e-324')
    ],
    '--background': ['#fff', '#fffffffff', 'rgb(1,2,3)', f'rgb({10**20},0,0)', 'hsl(0,0%,0%)', 'hsv(,,)'],
    '--name': ['a', 'a' * 300, 'a' * 200, 'A', 'a/b', 'ä', '1', '..', 'a\n'],
}


@st.composite
def command_lines(draw):
    """A verb and what would be enough for it, with some of it otherwise, left out or put in."""
    verb = draw(st.sampled_from(sorted(ENOUGH)))
    line = list(ENOUGH[verb])
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        flag = draw(st.sampled_from(FLAGS[verb]))
        text = draw(st.sampled_from(OFTEN.get(flag, NAMES)) if draw(st.booleans()) else ATOMS)
        text = text.lstrip('/')  # below which is too much to look at
        how = draw(st.integers(0, 9))
        if how < 8:
            line = [argument for argument in line if argument.partition('=')[0] != flag]
        odd = [[], [flag], [text], [flag, text], [flag[:-1]], [f'{flag[:-1]}={text}'], [f'{flag}={text}'] * 2]
        place = draw(st.integers(0, len(line)))
        line[place:place] = [f'{flag}={text}'] if how < 7 else draw(st.sampled_from(odd))
    return verb, [argument for argument in line if draw(st.integers(0, 39))]


def test_command_lines(here, workdir):
    shutil.move(workdir, 'run')
    for name in ('pictures', 'folder.png', 'data'):
        Path(name).mkdir()
    Image.new('RGB', (8, 8)).save('pictures/1.png')
    counts = Counter()

    @fuzzed
    @given(command_lines())
    def any_line(drawn):
        verb, line = drawn
        counts[verb, ended(VERBS[verb], line)] += 1

    any_line()
    begun = dict.fromkeys(ENOUGH, 'begun') | {'gan_jax/checkpoint.py': 'done'}
    assert set(counts) >= {*begun.items(), *((verb, 'refused') for verb in ENOUGH)}


@st.composite
def changes(draw):
    """Of a config.json: bytes from and to a place replaced, or the values of some fields."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.binary(max_size=20)))
    names = st.sampled_from(sorted(FITTING['gan'])) | st.sampled_from(ALL_FIELDS) | TEXTS
    fields, values = KNOWN['gan'], {}
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        fits = name in fields and draw(st.booleans())
        values[name] = fields[name].parse(draw(st.sampled_from(FITTING['gan'][name]))) if fits else draw(JSON)
    return values


def changed(content, change):
    if isinstance(change, tuple):
        start, stop, inserted = change
        return content[:start] + inserted + content[stop:]
    config = json.loads(content)
    for name, value in change.items():
        *groups, leaf = name.split('.')
        group = config
        for part in groups:
            if not isinstance(group.get(part), dict):  # an earlier change has put a value there
                group[part] = {}
            group = group[part]
        group[leaf] = value
    return json.dumps(config).encode()


# What looks at a workdir's config.
BY_CONFIG = (
    'gan_jax/train.py',
    'gan_jax/sample.py',
    'gan_jax/evaluate.py',
    'gan_jax/export.py',
    'gan_jax/explore.py',
)


def test_config_files_of_workdirs(here, workdir):
    shutil.move(workdir, 'run')
    path = Path('run/config.json')
    good = path.read_bytes()
    counts = Counter()

    @fuzzed
    @given(changes())
    def any_file(change):
        path.write_bytes(changed(good, change))
        for verb, arguments in ENOUGH.items():
            if '--workdir=run' in arguments:
                counts[verb, ended(VERBS[verb], arguments)] += 1
        counts['gan_jax/train.py', ended(train, [*flags('gan'), '--workdir=run'])] += 1

    any_file()
    path.write_bytes(good)
    assert set(counts) == {
        ('gan_jax/checkpoint.py', 'done'),
        *((verb, end) for verb in BY_CONFIG for end in ('refused', 'begun')),
    }
