"""Errors of grids, in a module that loads no codec."""

from __future__ import annotations


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
