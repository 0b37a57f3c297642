"""Ranges of shards as users type them: ``A:B``, half-open, as Python slices."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from sysnoise.pipelines.errors import UsageError


@dataclass(frozen=True)
class Range:
    """A part of ``0, 1, ..., count - 1`` whose count is not known yet.

    Attributes:
        start: the first number; None for the beginning.
        stop: the first number after it; None for the end.
    """

    start: int | None = None
    stop: int | None = None

    def resolve(self, count: int) -> range:
        """Return the numbers of the range that are below ``count``.

        Raises:
            UsageError: there are none.
        """
        numbers = range(count)[self.start : self.stop]
        if not numbers:
            raise UsageError(f"the range {self} names none of the {count} shards, 0 to {count - 1}")
        return numbers

    def __str__(self) -> str:
        return (
            f"{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}"
        )


def parse_range(text: str) -> Range:
    """Parse ``A:B``, of which A or B may be left out.

    Raises:
        argparse.ArgumentTypeError: the text is something else, or an empty range.
    """
    match = re.fullmatch(r"([0-9]*):([0-9]*)", text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"expected A:B, from shard A up to but not including shard B, found {text!r}"
        )
    start, stop = (int(number) if number else None for number in match.groups())
    if stop is not None and stop <= (start or 0):
        raise argparse.ArgumentTypeError(f"the range {text!r} is empty: it ends at its start")
    return Range(start, stop)
