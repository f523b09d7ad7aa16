"""All verbs by one name: gan-jax VERB … is python -m gan_jax.VERB …"""

import argparse
import ast
import difflib
import runpy
import sys
from pathlib import Path

import gan_jax
from gan_jax import cli

# The files beside this one.
VERBS = ('train', 'sample', 'evaluate', 'explore', 'export', 'prepare', 'checkpoint', 'seeds')


def main(arguments: list[str]) -> None:
    """Runs a verb with the arguments behind it; raises UserError where there is no such verb."""
    parser = cli.Parser('\n'.join(f'  {name:12}{summary(name)}' for name in VERBS))
    parser.prog = 'gan-jax'
    parser.epilog = 'gan-jax VERB … is python -m gan_jax.VERB …; gan-jax VERB --help tells what it takes.'
    parser.add_argument('--version', action='version', version=f'gan-jax {gan_jax.__version__}')
    parser.add_argument('verb', type=verb, metavar='VERB', help='one of the above')
    name = parser.parse_args(arguments[:1] or ['--help']).verb
    sys.argv[1:] = arguments[1:]
    runpy.run_module(f'gan_jax.{name}', run_name='__main__', alter_sys=True)


def verb(text: str) -> str:
    """An argparse type: the name of a verb."""
    if text in VERBS:
        return text
    nearest = difflib.get_close_matches(text, VERBS, n=1)
    takes = f'the nearest is {nearest[0]}' if nearest else f'takes one of {", ".join(VERBS)}'
    raise argparse.ArgumentTypeError(f'{text!r} will not do; {takes}')


def summary(name: str) -> str:
    """What a verb says of itself on its first line, read and not imported: some take seconds for that."""
    source = Path(__file__).with_name(f'{name}.py').read_text('utf-8')
    first = (ast.get_docstring(ast.parse(source)) or '').partition('\n')[0]
    return first.partition(': python ')[0].removesuffix('.')


def command() -> None:
    """The process."""
    sys.exit(cli.run(main))


if __name__ == '__main__':
    command()
