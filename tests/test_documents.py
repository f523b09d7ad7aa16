"""Every command of a page or a config is one that its program takes; `make docs` runs them."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

import run_documents
from commands import VERBS, parser_of
from documents import (
    CONFIGS,
    DEFAULT,
    LANGUAGES,
    OTHERS,
    OURS,
    Command,
    check,
    commands,
    files_of,
    is_whole,
    main_of,
    program,
)
from gan_jax import config as configs
from gan_jax.base import UserError
from gan_jax.config import load_config
from helpers import ROOT, SMALL
from pages import PAGES, blocks, read

EACH_PAGE = [*PAGES, *CONFIGS]
EACH = [command for page in EACH_PAGE for command in commands(page)]
FLAG = re.compile(r'(?<![\w.-])--[a-z][\w-]*')
FIELD = re.compile(r'--config\.([\w.]*\w)(?:=([^\s`",]+))?')
ANY = ('field', 'x')  # stand for the name of a field
MISTAKES = {'gan.width=0'}  # which a page shows the answer to
# How flags of others begin.
OF_OTHERS = ('--xla_', '--no-deps', '--requeue', '--signal', '--worker', '--kill')


@pytest.mark.parametrize('command', EACH, ids=lambda command: f'{command.page}: {command.text[:60]}')
def test_its_program_takes_it(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    check(command.text, is_whole=command.is_shown or is_whole(command.text))


@pytest.mark.parametrize('page', EACH_PAGE)
def test_it_is_run_or_there_is_a_reason(page, monkeypatch):
    """And what is run in its place is something that its program takes as well."""
    monkeypatch.chdir(ROOT)
    run = run_documents.to_run(page)
    for command in run:
        check(run_documents.shortened(command.text))
    for command in commands(page):
        assert (command in run) != bool(run_documents.why_not(command)) or not is_whole(command.text)


@pytest.mark.parametrize('page', EACH_PAGE)
def test_what_is_opened_has_been_made_before(page):
    """A run by an earlier command, or by one that the page takes for granted; pictures by `make_folder`."""
    texts = [*run_documents.BEFORE.get(page, []), *(command.text for command in run_documents.to_run(page))]
    trained = set()
    for text in map(run_documents.shortened, texts):
        if run_documents.TRAINS.search(text):
            config = re.search(r'--config=(?:\S*/)?(\w+)', text)
            workdir = re.search(r'--workdir=(\S+)', text)
            trained.add(workdir[1] if workdir else f'runs/{config[1] if config else Path(DEFAULT).stem}')
        elif opened := re.search(r'--workdir=(\S+)', text):
            assert opened[1] in trained, text
        if sources := re.search(r'prepare (?:images|pair) ((?:(?!--)\S+ )+)', text):
            assert all(source.startswith('FOLDER/') for source in sources[1].split()), text


def test_every_row_is_needed():
    texts = [command.text for command in EACH]
    patterns = [pattern for pattern, *_ in [*run_documents.NOT_RUN, *run_documents.CHANGED]]
    for pattern in patterns:
        assert any(re.search(pattern, text) for text in texts), pattern
    assert {*run_documents.BEFORE, *run_documents.GENERATED} <= set(PAGES)
    for page in PAGES:
        assert not files_of(page) or (ROOT / run_documents.test_of(page)).is_file()


@pytest.mark.parametrize('page', PAGES)
def test_a_block_says_what_it_is(page):
    """Commands stand in blocks of sh, or nobody would look at them."""
    for block in blocks(page):
        assert block.language in LANGUAGES
        if block.language in ('', 'text'):
            first_words = {program(line.split()) for line in block.text.splitlines() if line.strip()}
            assert first_words.isdisjoint({*OURS, *OTHERS}), f'a block of commands without sh: {block.text}'


def known_flags():
    """Those of all our programs."""
    files = [*VERBS, *(f'benchmarks/{name}.py' for name in ('throughput', 'record', 'seeds', 'soak'))]
    return {flag for file in files for flag in parser_of(main_of(file))._option_string_actions}


@pytest.mark.parametrize('page', EACH_PAGE)
def test_flags_in_its_sentences_are_there(page):
    sentences = re.sub(r'^```.*?^```$', '', read(page), flags=re.MULTILINE | re.DOTALL)
    shown = [command.text for command in commands(page)]
    for text in re.findall(r'`([^`]+)`', sentences) if page in PAGES else []:
        if ' '.join(text.split()) not in shown:
            unknown = {flag for flag in FLAG.findall(text) if not flag.startswith(OF_OTHERS)}
            assert unknown - known_flags() - {'--config'} == set(), text
    for name, text in FIELD.findall(sentences):
        if name not in ANY and f'{name}={text}' not in MISTAKES:
            takes_it(name, text.strip("'.;)"))


def takes_it(name, text):
    """Asserts that some system has this field, or group of fields, and takes the text, where there is one."""
    known = [(key, field) for system in SMALL for key, field in configs.known_fields(system).items()]
    if not text:
        assert any(key == name or key.startswith(f'{name}.') for key, _ in known), name
    else:
        assert any(is_taken(field, text) for key, field in known if key == name), f'{name}={text}'


def is_taken(field, text):
    try:
        field.parse(text)
    except ValueError:
        return False
    return True


def test_the_fields_of_a_config_go_together():
    """Those which the config of growing emoji gives for a GPU."""
    page = 'configs/progan_emoji.py'
    given = {name: text for name, text in FIELD.findall(read(page)) if text}
    assert len(given) > 5
    load_config(str(ROOT / page), given)


@pytest.mark.parametrize(
    'text',
    [
        'python train.py --confg=configs/dcgan_fashion_mnist.py',
        'python train.py --config=configs/dcgan.py',
        'python train.py --config.num_step=3',
        'python train.py --config.gan.loss=hing',
        'JAX_NUM_CPU_DEVICES=8 python train.py --dry_run=xml',
        'python trian.py',
        'python -m gan_jax.smaple --workdir=runs/a',
        'python -m gan_jax.sample --out=grid.png',
        'gan-jax sample --out=grid.png',
        'python -m gan_jax.sample --workdir=runs/a --config.seed=1',
        'python -m gan_jax.evaluate --workdir=runs/a --checkpoint=newest',
        'python benchmarks/throughput.py --sweep num_device=1',
        'for i in 0 1; do python train.py --config.distributed.process=$i & done; wait',
        'srun --ntasks=2 python train.py --workdr=a',
        "gcloud compute tpus tpu-vm ssh pod --worker=all --command='cd a && python train.py --workdr=a'",
        'until python train.py --workdr=a; do echo again; done',
        'make trian',
        'make PYTHN=python3.12 train',
        'pip install -r requirements.txt -r requirements-explorer.txt',
        'pytest tests/test_nothing.py',
        'pytest -m fault tests',
        'pytest -k "least or nothing_of_the_kind"',
        'conda install jax',
    ],
)
def test_a_command_that_is_wrong_is_found(text, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError):
        check(text)


def test_a_mention_may_leave_out_what_is_required(monkeypatch):
    monkeypatch.chdir(ROOT)
    check('python -m gan_jax.sample --no_ema', is_whole=False)
    check('python train.py --config=… --workdir=runs/a', is_whole=False)
    with pytest.raises(UserError):
        check('python -m gan_jax.sample --no_emma', is_whole=False)
    assert not is_whole('python -m gan_jax.sample --no_ema')
    assert is_whole('python -m gan_jax.checkpoint --workdir=runs/a')


def test_what_a_page_says_is_printed_is_looked_for():
    """Numbers may differ, words may not."""
    alike = run_documents.without_numbers
    assert alike('step 3000 · 192 kimg · state sha256 bab3ab5f18835c47') == alike(
        'step 8 · 0.128 kimg · state sha256 0123456789abcdef'
    )
    assert alike('step 3000 · 192 kimg') != alike('steps 3000 · 192 kimg')
    said = 'step 8 · 0.128 kimg · state sha256 0123456789abcdef\n'
    assert run_documents.not_printed('README.md', said) == []
    assert len(run_documents.not_printed('README.md', 'nothing')) >= 1


@pytest.fixture
def outcome(tmp_path, monkeypatch):
    """`outcome(*texts)`: what comes of a page of these commands, in a repository that is empty."""

    def run(*texts):
        root, folder = tmp_path / 'root', tmp_path / 'folder'
        shutil.rmtree(folder, ignore_errors=True)
        for each in (root, folder / 'files'):
            each.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(run_documents, 'ROOT', root)
        monkeypatch.setattr(
            run_documents, 'to_run', lambda page: [Command(page, text, True) for text in texts]
        )
        return run_documents.run('page', folder, run_documents.script('page', folder))

    return run


def test_commands_run_in_order_in_one_shell(outcome):
    came = outcome(
        'mkdir a && cd a', 'touch b', '[ -f ../a/b ]', 'for i in 0 1; do [ $i -lt 2 ] & done; wait'
    )
    assert (came.failure, len(came.seconds)) == ('', 4)


@pytest.mark.parametrize('fails', ['false', 'echo no; exit 75', 'for i in 0 1; do [ $i = 0 ] & done; wait'])
def test_a_command_that_fails_is_told_and_the_last(outcome, fails):
    came = outcome('echo one', fails, 'echo two')
    assert came.failure.startswith(f'{fails}\nended with ')
    assert ('no' in came.failure.splitlines()) == ('no' in fails)
    assert len(came.seconds) == 1


def test_a_server_ends_when_it_has_told_its_address(outcome):
    serves = "import time; print('at http://127.0.0.1:1'); time.sleep(100)"
    assert outcome(f'served {shlex.quote(f"python -c {shlex.quote(serves)}")}', 'true').failure == ''
    assert 'ended with 1' in outcome('served "echo nothing"', 'true').failure
