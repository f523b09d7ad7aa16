"""What a field of a config may hold: its type, the values allowed, and how it is read from a command line."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Field(NamedTuple):
    """One field's contract."""

    kind: type
    allowed: str  # for people, after "takes"
    accepts: Callable[[Any], bool]  # of a value that has the kind

    def parse(self, text: str) -> Any:
        """The value that `text` from a command line means; raises ValueError where it means none."""
        if self.kind is bool:
            return {'true': True, 'false': False}[text.lower()] if text.lower() in ('true', 'false') else text
        return self.kind(text)

    def takes(self, value: Any) -> bool:
        """Whether the field may hold `value`; a whole number will do where a real one is asked for."""
        kinds = (int, float) if self.kind is float else self.kind
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind is not bool):
            return False
        return self.accepts(value)


def whole(least: int, most: int = 2**31 - 1) -> Field:
    """A whole number from `least` to `most`, both included."""
    bounds = f'at least {least}' if most == 2**31 - 1 else f'from {least} to {most}'
    return Field(int, f'a whole number, {bounds}', lambda value: least <= value <= most)


def number(
    least: float = -math.inf, above: float = -math.inf, most: float = math.inf, below: float = math.inf
) -> Field:
    """A finite real number between the bounds given."""
    given = {'at least': least, 'above': above, 'at most': most, 'below': below}
    bounds = ' and '.join(f'{word} {bound:g}' for word, bound in given.items() if math.isfinite(bound))
    return Field(
        float,
        f'a finite number, {bounds}' if bounds else 'a finite number',
        lambda value: math.isfinite(value) and least <= value <= most and above < value < below,
    )


def flag() -> Field:
    """True or false."""
    return Field(bool, 'true or false', lambda value: True)


def one_of(names: Iterable[str]) -> Field:
    """One of a few words."""
    names = tuple(names)
    return Field(str, 'one of ' + ', '.join(names), lambda value: value in names)


def text(what: str, accepts: Callable[[str], bool] = bool) -> Field:
    """Free text; `what` describes it."""
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
        f'optimizer.{player}.momentum_kimg': number(above=0),
    }
