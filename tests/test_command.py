"""gan-jax VERB is python -m gan_jax.VERB; what it tells of them costs no time."""

import os
import runpy
import subprocess
import sys

import pytest

import gan_jax
from gan_jax import __main__ as command
from gan_jax import cli
from helpers import ROOT


def test_the_verbs_are_the_files_that_are_commands():
    files = (ROOT / 'gan_jax').glob('*.py')
    commands = {path.stem for path in files if 'cli.run(main)' in path.read_text()}
    assert {*command.VERBS, '__main__'} == commands
    assert len(set(command.VERBS)) == len(command.VERBS)


@pytest.mark.parametrize('verb', command.VERBS)
def test_a_verb_gets_its_arguments_as_they_are(verb, monkeypatch):
    begun = []
    monkeypatch.setattr(runpy, 'run_module', lambda *names, **how: begun.append((names, how, sys.argv[1:])))
    arguments = ['--help', 'x y', '--version', '--config.seed', '1']
    monkeypatch.setattr(sys, 'argv', ['gan-jax', verb, *arguments])
    command.main(sys.argv[1:])
    assert begun == [((f'gan_jax.{verb}',), {'run_name': '__main__', 'alter_sys': True}, arguments)]


def test_a_verb_ends_as_it_does_alone(tmp_path):
    def ended(*arguments):
        environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
        command = [sys.executable, *arguments, '--workdir=']
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        return result.returncode, result.stdout, result.stderr

    alone = ended('-m', 'gan_jax.train')
    assert alone == (2, '', "--workdir: '' will not do; takes a folder\n")
    assert ended('-m', 'gan_jax', 'train') == alone
    assert ended(ROOT / 'train.py') == alone


def test_a_command_that_is_printed_is_as_the_one_that_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for typed, expected in [
        (['python', '/venv/bin/gan-jax', 'prepare'], 'gan-jax train'),
        (['python', '-m', 'gan_jax.prepare'], 'python -m gan_jax.train'),
        (['python'], 'python -m gan_jax.train'),
    ]:
        monkeypatch.setattr(sys, 'orig_argv', typed)
        assert cli.command('train') == expected
    monkeypatch.chdir(ROOT)
    assert cli.command('train') == 'python train.py'
    assert cli.command('sample') == 'python -m gan_jax.sample'


@pytest.mark.parametrize('arguments', [[], ['--help'], ['-h']])
def test_each_verb_is_told_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 0
    told = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith('  ')]
    told = {words[0]: words[1] for words in told if words[0] in command.VERBS}
    assert set(told) == set(command.VERBS)
    assert min(map(len, told.values())) > 10
    assert max(map(len, told.values())) < 90
    assert {text[-1] for text in told.values()} & set('.:,') == set()


def test_what_it_tells_imports_nothing_heavy():
    code = (
        'import sys; from gan_jax.__main__ import main\n'
        'try: main(["--help"])\n'
        'except SystemExit: print({"jax", "numpy", "ml_collections"} & set(sys.modules))\n'
    )
    ended = subprocess.run(
        [sys.executable, '-W', 'error', '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == 'set()'


def test_the_version_has_a_section_in_the_changelog(capsys):
    with pytest.raises(SystemExit):
        command.main(['--version'])
    assert capsys.readouterr().out == f'gan-jax {gan_jax.__version__}\n'
    headings = [line for line in (ROOT / 'CHANGELOG.md').read_text().splitlines() if line.startswith('## ')]
    assert headings[0] == '## [Unreleased]'
    assert headings[1].startswith(f'## [{gan_jax.__version__}] - ')
