"""How every command reads its arguments and ends: one line and an exit code for what a person can mend."""

import argparse
import contextlib
import difflib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from gan_jax import fields
from gan_jax.base import Preempted, TrainingFailed, UserError


class Parser(argparse.ArgumentParser):
    """argparse that takes flags in full and once only, and raises UserError instead of printing its usage."""

    def __init__(self, description: str | None):
        super().__init__(
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.register('action', None, _StoreOnce)  # what `add_argument` does unless told otherwise

    def parse_args(self, args=None, namespace=None):
        """The options; a mistyped flag is told before whatever is missing because of it."""
        args = sys.argv[1:] if args is None else args
        for argument in args:
            flag, _, text = argument.partition('=')
            # A number below zero is a value.
            if re.match('-[^0-9.]', argument) and flag not in self._option_string_actions:
                raise UserError(self._no_such_argument(argument))
            if text == '--':  # argparse would take it for the end of the flags
                raise UserError(f'{flag}: {text!r} will not do; takes a value')
        options, stray = self.parse_known_args(args, namespace)
        if stray:
            raise UserError(self._no_such_argument(stray[0]))
        return options

    def error(self, message):
        """Raises what argparse would print."""
        raise UserError(message.removeprefix('argument '))

    def _no_such_argument(self, argument: str) -> str:
        flags = [flag for flag in self._option_string_actions if flag.startswith('--')]
        nearest = difflib.get_close_matches(argument.partition('=')[0], flags, n=1)
        takes = f'the nearest is {nearest[0]}' if nearest else f'takes {", ".join(flags)}'
        return f'{argument}: no such argument; {takes}'


class _StoreOnce(argparse.Action):
    """Keeps a flag's value, and refuses a second one that differs."""

    def __call__(self, parser, namespace, values, option_string=None):
        first = vars(namespace).setdefault('given', {}).setdefault(self.dest, values)
        if first != values:
            raise argparse.ArgumentError(self, f'given twice, {first!r} and {values!r}; takes one value')
        setattr(namespace, self.dest, values)


def value_of(field: fields.Field) -> Callable[[str], Any]:
    """An argparse type: what a config's field of this kind would take."""

    def parse(text):
        try:
            return field.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(error) from None

    return parse


def whole_number(least: int, most: int = fields.MOST) -> Callable[[str], int]:
    """An argparse type: a whole number from `least` to `most`."""
    return value_of(fields.whole(least, most))


def path(what: str) -> Callable[[str], str]:
    """An argparse type: the path of `what`; not the empty one, which would be the current folder."""
    most_of_name, most = 250, 3000  # bytes: systems take 255 and 4095, and files are written beside and below

    def accepts(text):
        encoded = text.encode()  # raises ValueError where it is not UTF-8, in which no checkpoint is written
        is_short = len(encoded) <= most and max(map(len, encoded.split(b'/'))) <= most_of_name
        return text != '' and is_short and b'\0' not in encoded

    return value_of(fields.text(what, accepts))


def config_overrides(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Takes `--config.x=1` and `--config.x 1` out of a command line.

    Returns:
        {'x': '1'} and the other arguments.

    Raises:
        UserError: a value is missing, or a field is given two of them.
    """
    overrides, others, coming = {}, [], list(arguments)
    while coming:
        argument = coming.pop(0)
        if not argument.startswith('--config.'):
            others.append(argument)
            continue
        flag, equals, text = argument.partition('=')
        if not equals:
            if not coming or coming[0].startswith('--'):
                raise UserError(f'{flag}: a value is missing; takes {flag}=<value>')
            text = coming.pop(0)
        first = overrides.setdefault(flag.removeprefix('--config.'), text)
        if first != text:
            raise UserError(f'{flag}: given twice, {first!r} and {text!r}; takes one value')
    return overrides, others


def check_file(flag: str, path: str, suffix: str) -> None:
    """Raises UserError unless `path` ends in `suffix` and can be written to; leaves nothing there."""
    takes = f'a {suffix} file'
    if Path(path).suffix != suffix:
        raise UserError(f'{flag}: {path!r} will not do; takes {takes} in a folder that exists')
    check_place(flag, path, takes)


def check_place(flag: str, path: str, what: str = 'a file') -> None:
    """Raises UserError unless a file can be written there; leaves nothing there."""
    folder = Path(path).absolute().parent
    if os.path.isdir(path) or not os.path.isdir(folder):
        raise UserError(f'{flag}: {path!r} will not do; takes {what} in a folder that exists')
    check_writable(flag, folder)


def check_writable(flag: str, folder: Path) -> None:
    """Raises UserError where `folder` takes no files; leaves nothing there."""
    try:
        # Tried, as permission bits do not tell: root passes them all, and /proc takes nothing even so.
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise unwritable(flag, folder, error) from None


def unwritable(flag: str, folder: Path, error: OSError) -> UserError:
    """What to tell a person where `folder` takes no files."""
    return UserError(
        f'{flag}: {str(folder)!r} cannot be written to ({error.strerror}); takes a folder that can'
    )


def command(verb: str) -> str:
    """How whoever started this process starts another verb: as `gan-jax train`, or with `python`."""
    if Path([*sys.orig_argv, '', ''][1]).name == 'gan-jax':
        return f'gan-jax {verb}'
    is_script = verb == 'train' and os.path.isfile('train.py')
    return 'python train.py' if is_script else f'python -m gan_jax.{verb}'


def run(main: Callable[[list[str]], None]) -> int:
    """Calls `main` with the command line; the exit code. A defect keeps its traceback."""
    _open_streams()
    try:
        main(sys.argv[1:])
    except (UserError, TrainingFailed, Preempted) as stop:
        line = ' '.join(str(stop).split())
        # What a file said may be in it, and is not to command the terminal.
        _tell(''.join(letter if letter.isprintable() else '�' for letter in line))
        return stop.exit_code
    except KeyboardInterrupt:
        _tell('interrupted')
        return 130
    return 0


def _open_streams() -> None:
    """Has those that are closed lead nowhere: another file would take their place."""
    for number, name in enumerate(('stdin', 'stdout', 'stderr')):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'r+'))  # noqa: SIM115


def _tell(line: str) -> None:
    """Prints a line on stderr, if anybody hears: it may be on a disk that is full."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr)


def leave(code: int) -> NoReturn:
    """Ends the process with `code`, all files being closed.

    Not by `sys.exit`, which would wait for threads that compile what nobody will run, or hang on a dead disk.
    """
    if jax := sys.modules.get('jax'):
        jax.distributed.shutdown()  # as the interpreter would, where several processes are one run
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
