"""Errors of grids and models, and what libraries say in theirs; in a module that loads no codec."""

from __future__ import annotations

import re


class GridError(ValueError):
    """A bad grid; the message lists every problem on a line of its own."""


class MissingExtraError(GridError):
    """A grid that lacks nothing but libraries that are not installed here.

    Attributes:
        extras: the extras of this package that bring them.
    """

    def __init__(self, message: str, extras: tuple[str, ...]) -> None:
        super().__init__(message)
        self.extras = extras


class ModelNoiseError(Exception):
    """A model that cannot be changed as asked; where a node is in the way, the message names it."""


def plain_message(error: Exception) -> str:
    """What a library says, on one line and without the addresses of its objects."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error))
    return " ".join(text.split()) or type(error).__name__
