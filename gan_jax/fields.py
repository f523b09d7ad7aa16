"""What a field of a config may hold: its type, the values allowed, and how it is read from a command line."""

import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

MOST = 2**31 - 1  # what an int32 holds, and so every count and every seed
LARGEST = 1e18  # of a real number: its square fits into a float32, and so does what the code makes of it


class Field(NamedTuple):
    """One field's contract."""

    kind: type
    allowed: str  # for people, after "takes"
    accepts: Callable[[Any], bool]  # of a value that has the kind

    def parse(self, text: str) -> Any:
        """What `text` from a command line means, numbers as Python reads them (`10_000`, `2e-4`).

        Raises:
            ValueError: it means none, or one that the field does not take.
        """
        with contextlib.suppress(KeyError, ValueError):
            value = {'true': True, 'false': False}[text.lower()] if self.kind is bool else self.kind(text)
            return self.check(value)
        raise ValueError(self.refusal(text))

    def check(self, value: Any) -> Any:
        """`value`, as the field's kind: a whole number will do where a real one is asked for.

        Raises:
            ValueError: the field does not take it.
        """
        kinds = (int, float) if self.kind is float else self.kind
        if isinstance(value, kinds) and (self.kind is bool or not isinstance(value, bool)):
            with contextlib.suppress(OverflowError):  # a whole number that no float holds
                converted = self.kind(value)
                if self.accepts(converted):
                    return converted
        raise ValueError(self.refusal(value))

    def refusal(self, value: Any) -> str:
        """What to tell a person who gave `value`."""
        return f'{value!r} will not do; takes {self.allowed}'


class Several(NamedTuple):
    """One value of a field's kind or several, comma-separated on a command line: a `Field` for tuples."""

    each: Field
    most: int = MOST

    kind = tuple

    @property
    def allowed(self) -> str:
        """For people, after "takes"."""
        number = 'one or more' if self.most == MOST else f'at most {self.most}'
        return f'{number}, comma-separated, each {self.each.allowed}'

    def parse(self, text: str) -> tuple:
        """See `Field.parse`."""
        return self.check(tuple(self.each.parse(part.strip()) for part in text.split(',')))

    def check(self, value: Any) -> tuple:
        """See `Field.check`; a list will do, as a config.json has it."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= self.most:
            raise ValueError(f'{value!r} will not do; takes {self.allowed}')
        return tuple(self.each.check(each) for each in value)


def for_each(values: tuple, number: int) -> tuple:
    """A value for each of `number` things, where one alone stands for all of them."""
    return values * number if len(values) == 1 else values


def whole(least: int, most: int = MOST) -> Field:
    """A whole number from `least` to `most`, both included."""
    return Field(int, f'a whole number from {least} to {most}', lambda value: least <= value <= most)


def number(
    least: float = -LARGEST, above: float = -math.inf, most: float = LARGEST, below: float = math.inf
) -> Field:
    """A finite real number between the bounds given."""
    told = {
        'at least': least if math.isinf(above) else math.inf,
        'above': above,
        'at most': most if math.isinf(below) else math.inf,
        'below': below,
    }
    bounds = ' and '.join(f'{word} {bound:g}' for word, bound in told.items() if math.isfinite(bound))
    return Field(
        float,
        f'a finite number, {bounds}',
        lambda value: least <= value <= most and above < value < below,
    )


def flag() -> Field:
    """True or false."""
    return Field(bool, 'true or false', lambda value: True)


def one_of(choices: Iterable[str | int]) -> Field:
    """One of a few words, or of a few numbers."""
    listed = tuple(choices)
    return Field(type(listed[0]), 'one of ' + ', '.join(map(str, listed)), lambda value: value in listed)


def text(what: str, accepts: Callable[[str], bool] = bool) -> Field:
    """Free text that is not empty, or that `accepts` takes; `what` describes it."""
    return Field(str, what, accepts)


def adam(player: str) -> dict[str, Field]:
    """The fields of a player's Adam."""
    return {
        f'optimizer.{player}.learning_rate': number(above=0),
        f'optimizer.{player}.b1': number(least=0, below=1),
        f'optimizer.{player}.b2': number(least=0, below=1),
    }


def momentum(player: str) -> dict[str, Field]:
    """The fields of a player's SGD with a decaying rate and a growing momentum."""
    return {
        f'optimizer.{player}.learning_rate': number(above=0),
        f'optimizer.{player}.decay_factor': number(least=1),
        f'optimizer.{player}.min_learning_rate': number(least=0),
        f'optimizer.{player}.momentum': number(least=0, below=1),
        f'optimizer.{player}.final_momentum': number(least=0, below=1),
        f'optimizer.{player}.momentum_kimg': number(above=0, most=MOST // 1000),
    }
