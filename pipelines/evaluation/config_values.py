"""Values of CONFIG.yaml; each reader raises ValueError where a value is wrong, and says why."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from sysnoise.pipelines.scoring.statistics import is_finite_number
from sysnoise.transforms.methods import unknown_name

Choice = TypeVar("Choice", bound=Enum)
Value = TypeVar("Value")
Triple = tuple[float, float, float]

LONGEST_SIDE = 2**13
"""Largest number of pixels of a side of the input."""
MOST_ANCHORS = 1000
"""Largest number of anchors of an output, of which detectors have three to nine."""
LARGEST_LEVEL = 1e6
"""Largest mean, scale and anchor, and the inverse of the smallest scale: float32 holds more."""
SHOWN = 80
"""Number of characters of a value that a message shows."""


class Background(Enum):
    """Which class of a model is not a class of the dataset."""

    FIRST = "first"
    LAST = "last"
    NONE = "none"


def one_of(kind: type[Choice]) -> Callable[[Any], Choice]:
    """Return a reader of the values of an enumeration."""
    valid = {member.value: member for member in kind}

    def read(value: Any) -> Choice:
        if not isinstance(value, str) or value not in valid:
            raise ValueError(unknown_name("choice", value, valid))
        return valid[value]

    return read


def text(value: Any) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        hint = "; put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"expected a text, found {shown(value)}{hint}")
    return value


def entries(value: Any) -> list[Any]:
    """Return a list that is not empty."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of at least one entry, found {shown(value)}")
    return value


def list_of(read: Callable[[Any], Value]) -> Callable[[Any], tuple[Value, ...]]:
    """Return a reader of lists that are not empty."""
    return lambda value: tuple(map(read, entries(value)))


def whole_number(most: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers from 1."""

    def read(value: Any) -> int:
        if type(value) is not int or value < 1:
            raise ValueError(f"expected a whole number of at least 1, found {shown(value)}")
        if value > most:
            raise ValueError(f"expected at most {most}, found {shown(value)}")
        return value

    return read


def shown(value: object) -> str:
    """Return a value as a message shows it, whatever its length."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def gray(value: Any) -> int:
    """Return a gray level, 0 to 255."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
        raise ValueError(f"expected a whole number from 0 to 255, found {shown(value)}")
    return value


def share(value: Any) -> float:
    """Return a number from 0 to 1."""
    if not is_finite_number(value) or not 0 <= value <= 1:
        raise ValueError(f"expected a number from 0 to 1, found {shown(value)}")
    return float(value)


def length(value: Any) -> float:
    """Return a number above 0."""
    if not is_finite_number(value) or not 0 < value <= LARGEST_LEVEL:
        raise ValueError(
            f"expected a number above 0 and at most {LARGEST_LEVEL:.0f}, found {shown(value)}"
        )
    return float(value)


def size(value: Any) -> tuple[int, int]:
    """Return height and width in pixels."""
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(f"expected [height, width], found {shown(value)}")
    side = whole_number(LONGEST_SIDE)
    return side(value[0]), side(value[1])


def three_numbers(value: Any) -> Triple:
    """Return three numbers, one for each channel."""
    given = value if isinstance(value, list) else [value] * 3
    if len(given) != 3 or not all(map(is_finite_number, given)):
        raise ValueError(
            f"expected a number, or three in the order of channels, found {shown(value)}"
        )
    if max(map(abs, given)) > LARGEST_LEVEL:
        raise ValueError(f"expected at most {LARGEST_LEVEL:.0f}, found {shown(value)}")
    return float(given[0]), float(given[1]), float(given[2])


def three_divisors(value: Any) -> Triple:
    """Return three numbers that levels are divided by."""
    divisors = three_numbers(value)
    if min(map(abs, divisors)) < 1 / LARGEST_LEVEL:
        raise ValueError(f"levels are divided by it, so it cannot be 0, found {shown(value)}")
    if max(map(abs, divisors)) < 1:
        raise ValueError(
            f"counts levels of 0 to 255, found {shown(value)}; give mean and scale x 255"
        )
    return divisors


def numbers(value: Any) -> tuple[float, ...]:
    """Return numbers, or a number alone as one of one."""
    found = value if isinstance(value, list) and value else [value]
    if not all(map(is_finite_number, found)):
        raise ValueError(f"expected a number or a list of numbers, found {shown(value)}")
    return tuple(map(float, found))


def anchors(value: Any) -> tuple[tuple[float, float], ...]:
    """Return widths and heights in pixels of the input."""
    pairs = entries(value)
    if len(pairs) > MOST_ANCHORS:
        raise ValueError(f"expected at most {MOST_ANCHORS} anchors, found {len(pairs)}")
    for pair in pairs:
        sizes = pair if isinstance(pair, list) and len(pair) == 2 else [0]
        if not all(is_finite_number(number) and 0 < number <= LARGEST_LEVEL for number in sizes):
            raise ValueError(
                f"expected [width, height] in pixels of the input, found {shown(pair)}"
            )
    return tuple((float(width), float(height)) for width, height in pairs)
