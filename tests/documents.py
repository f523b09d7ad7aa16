"""The commands that pages and configs show: found, and read by the parsers that they call."""

import functools
import importlib
import itertools
import re
import shlex
import subprocess
from typing import NamedTuple

from commands import parser_of, train
from gan_jax import cli
from gan_jax.base import UserError
from gan_jax.config import load_config
from helpers import ROOT
from pages import FENCE, PAGES, blocks, read

CONFIGS = sorted(f'configs/{path.name}' for path in (ROOT / 'configs').glob('*.py'))
# Commands of others, whose arguments we do not know.
OTHERS = {
    *('pip', 'apt-get', 'npm', 'tar', 'tfds', 'xprof', 'jupyter', 'pre-commit'),
    *('sbatch', 'scontrol', 'scancel'),
    *('touch', 'cp', 'cd', 'echo', 'mkdir', 'exit', 'wait', 'set', 'export', 'source', '.', '['),
}
# Those that have another command as their arguments, or in one of them.
BEFORE_A_COMMAND = ('srun', 'mpirun', 'timeout', 'exec', 'env', 'gcloud', 'trap')
OURS = ('python', 'gan-jax', 'make', 'pytest')
# sh: commands. text: what they print. None: neither, or what none of the page's commands can print.
LANGUAGES = {'sh', 'text', '', 'python', 'py', 'json', 'toml', 'yaml'}
ASSIGNMENT = re.compile(r'\w+=')
VERB = re.compile(r'\bVERB\b')  # stands for any
SHELL_VARIABLE = re.compile(r'\$\{?\w+\}?')
DEFAULT = 'configs/dcgan_fashion_mnist.py'
KEYWORDS = {'do', 'then', 'else', 'while', 'until', 'if', '{', '}', '(', ')', '!', 'done', 'fi'}


class Command(NamedTuple):
    """What a person may type; `page` is a path from the root."""

    page: str
    text: str
    is_shown: bool  # as lines of a block, not as words of a sentence


@functools.cache
def commands(page: str) -> list[Command]:
    """All of a page in order, those that are shown before those in its sentences, each once."""
    text = read(page)
    if page in PAGES:
        shown = [block.text for block in blocks(page) if block.language == 'sh']
        sentences = FENCE.sub('', text)
    else:
        lines = text.splitlines()
        shown = [' '.join(line.split()) for line in lines if is_command(line)]
        sentences = '\n'.join(line for line in lines if not is_command(line))
    spans = [' '.join(span.split()) for span in re.findall(r'`([^`]+)`', sentences)]
    found = [Command(page, command, True) for block in shown for command in apart(block)]
    found += [Command(page, span, False) for span in spans if is_command(span)]
    return list({(command.text, command.is_shown): command for command in found}.values())


def is_command(line: str) -> bool:
    """Whether a line, or words of a sentence, begin as a command does and have more than a name."""
    words = line.split()
    while words and (ASSIGNMENT.match(words[0]) or words[0] in KEYWORDS):
        words = words[1:]
    return len(words) > 1 and program(words) in {*OURS, *OTHERS, *BEFORE_A_COMMAND} - {'.', '['}


def apart(block: str) -> list[str]:
    """The commands of a block; loops and scripts whole, continued lines joined, comments left out."""
    found, begun = [], ''
    text = f'(\n{block})\n' if block.startswith('#!') else block
    for line in re.sub(r'\\\n\s*', '', text).splitlines():
        begun += re.sub(r'(^|\s+)#.*$', '', line).strip() + '\n'
        if not begun.strip():
            begun = ''
        elif subprocess.run(['bash', '-n', '-c', begun], capture_output=True, check=False).returncode == 0:
            found.append(begun.strip())
            begun = ''
    assert not begun, f'no shell would take: {begun}'
    return found


def simple(text: str) -> list[list[str]]:
    """The words of each program that a command calls, without its assignments and redirections."""
    lexer = shlex.shlex(re.sub(r'\d?>&\d', '', text), posix=True, punctuation_chars=';&|\n')
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = ' \t\r', True, ''
    called, words = [], []
    for token in [*lexer, ';']:
        if set(token) <= set(';&|\n'):
            called.append(words)
            words = []
        elif words or not (ASSIGNMENT.match(token) or token in KEYWORDS):
            words.append(token)
    return [
        [word for word in words if not re.match(r'\d?[<>]', word)]
        for words in called
        if words and words[0] != 'for'
    ]


def program(words: list[str]) -> str:
    """The name of what is called: 'python' of .venv/bin/python."""
    name = words[0].rpartition('/')[2] or words[0]
    return 'python' if name == 'python3' else name


def check(text: str, is_whole: bool = True) -> None:
    """Has each program that a command calls read its arguments.

    Args:
        text: of a `Command`.
        is_whole: nothing that is required is missing; else `…` stands for what the reader knows.

    Raises:
        UserError: what the program itself would say; or nobody knows it.
    """
    for words in simple(text):
        if VERB.search(' '.join(words)):
            continue
        name, arguments = program(words), words[1:]
        if name in BEFORE_A_COMMAND:
            _check_wrapped(name, arguments, is_whole)
        elif name == 'make':
            _check_make(arguments)
        elif name == 'pip':
            _check_pip(arguments)
        elif name == 'pytest' or arguments[:2] == ['-m', 'pytest']:
            _check_pytest(arguments)
        elif name in ('python', 'gan-jax'):
            _check_python(name, arguments, is_whole)
        elif name not in OTHERS:
            raise UserError(f'{name}: nobody knows this command; takes a row in {__name__}.OTHERS')


def _check_wrapped(name: str, arguments: list[str], is_whole: bool) -> None:
    inner = [word.partition('=')[2] for word in arguments if word.startswith('--command=')]
    places = [place for place, word in enumerate(arguments) if program([word]) in OURS]
    if name in ('gcloud', 'trap'):
        inner += arguments[:1] if name == 'trap' else []
        for text in inner:
            check(text, is_whole)
    elif places:
        check(shlex.join(arguments[places[0] :]), is_whole)


def _check_make(arguments: list[str]) -> None:
    makefile = (ROOT / 'Makefile').read_text()
    for word in arguments:
        if word == '-n':
            continue
        if '=' in word and not re.search(rf'^{word.partition("=")[0]} \?=', makefile, re.MULTILINE):
            raise UserError(f'make: {word!r} will not do; the Makefile has no such variable')
        if '=' not in word and not re.search(rf'^{word}:', makefile, re.MULTILINE):
            raise UserError(f'make: {word!r} will not do; the Makefile has no such target')


def _check_pip(arguments: list[str]) -> None:
    for before, word in itertools.pairwise(arguments):
        if before == '-r' and not (ROOT / word).is_file():
            raise UserError(f'pip: {word!r} is not there')


def _check_pytest(arguments: list[str]) -> None:
    markers = {None, 'pytest', 'faults', 'slow', 'not slow', 'not faults'}
    for before, word in zip([None, *arguments], arguments, strict=False):
        if before == '-m' and word not in markers:
            raise UserError(f'pytest: {word!r} will not do; takes a marker')
        if before == '-k':
            tests = '\n'.join(path.read_text() for path in (ROOT / 'tests').glob('test_*.py'))
            names = ' '.join(re.findall(r'def (test_\w+)', tests))
            for part in set(re.findall(r'\w+', word)) - {'and', 'or', 'not'}:
                if part not in names and f'configs/{part}.py' not in {*CONFIGS, *files_of_pages()}:
                    raise UserError(f'pytest: -k {part!r} is in no test')
        if word.startswith('tests') and not (ROOT / word).exists():
            raise UserError(f'pytest: {word!r} is not there')


def _check_python(name: str, arguments: list[str], is_whole: bool) -> None:
    file, arguments = _file(name, [SHELL_VARIABLE.sub('0', word) for word in arguments])
    parser = parser_of(main_of(file))
    if not is_whole:
        arguments = [word for word in arguments if '…' not in word]
        for action in parser._actions:
            action.required = False
    overrides, others = cli.config_overrides(arguments)
    given = vars(parser.parse_args(others))
    if 'config' not in given and overrides:
        raise UserError(f'--config.{next(iter(overrides))}: {file} has no such argument')
    if 'config' in given and given['config'] not in files_of_pages():
        load_config(path_of_config(given['config'] or DEFAULT), overrides)


def path_of_config(text: str) -> str:
    """That of what a command names, wherever this runs."""
    return str(ROOT / text) if (ROOT / text).is_file() else text


def files_of(page: str) -> list[str]:
    """Those that a page has its reader write: the names above blocks of Python."""
    return re.findall(r'^`(\S+\.py)`:\n\n```python$', read(page), re.MULTILINE)


@functools.cache
def files_of_pages() -> set[str]:
    """Those of all pages."""
    return {file for page in PAGES for file in files_of(page)}


def _file(name: str, arguments: list[str]) -> tuple[str, list[str]]:
    """(the path of what is run, its arguments)."""
    if name == 'gan-jax' or arguments[:2] == ['-m', 'gan_jax']:
        arguments = arguments[2:] if name == 'python' else arguments
        arguments = ['-m', f'gan_jax.{arguments[0]}', *arguments[1:]]
        if arguments[1] == 'gan_jax.train':
            return 'train.py', arguments[2:]
    is_module = arguments[0] == '-m'
    file = arguments[1].replace('.', '/') + '.py' if is_module else arguments[0]
    if not (ROOT / file).is_file():
        raise UserError(f'{file}: is not there')
    return file, arguments[2 if is_module else 1 :]


def main_of(file: str):
    """What a file of ours runs, by its path from the root."""
    if file == 'train.py':
        return train
    return importlib.import_module(file.removesuffix('.py').replace('/', '.')).main


def is_whole(text: str) -> bool:
    """Whether words of a sentence are all that has to be typed, and so can be run; a verb's name is not."""
    if VERB.search(text) or re.fullmatch(r'(python -m gan_jax[. ]|gan-jax )\S+', text):
        return False
    try:
        check(text)
    except UserError:
        return False
    return '…' not in text
