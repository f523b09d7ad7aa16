"""How every command reads its arguments and ends: one line and an exit code for what a person can mend."""

import argparse
import sys
from collections.abc import Callable

from gan_jax.base import Preempted, TrainingFailed, UserError


class Parser(argparse.ArgumentParser):
    """argparse that takes flags in full only and raises UserError instead of printing its usage."""

    def __init__(self, description: str):
        super().__init__(
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message):
        raise UserError(message.replace('argument ', '', 1))


def whole_number(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number, at least `least`."""

    def parse(text):
        if not text.lstrip('-').isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f'{text!r} will not do; takes a whole number, at least {least}')
        return int(text)

    return parse


def config_overrides(arguments: list[str]) -> dict[str, str]:
    """`--config.x=1` and `--config.x 1` to {'x': '1'}; raises UserError on anything else."""
    overrides, rest = {}, list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith('--config.'):
            raise UserError(f'{argument}: no such argument; see --help')
        name, equals, text = argument.removeprefix('--config.').partition('=')
        if not equals:
            if not rest or rest[0].startswith('--'):
                raise UserError(f'{argument}: a value is missing')
            text = rest.pop(0)
        overrides[name] = text
    return overrides


def run(main: Callable[[list[str]], None]) -> int:
    """Calls `main` with the command line and turns what it raises into an exit code; a defect keeps its traceback."""
    exit_codes = {UserError: 2, TrainingFailed: 1, Preempted: 75}
    try:
        main(sys.argv[1:])
    except tuple(exit_codes) as stop:
        print(' '.join(str(stop).split()), file=sys.stderr)
        return exit_codes[type(stop)]
    return 0
