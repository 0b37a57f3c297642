"""Errors of grids, images and models, in a module that loads no codec."""

from __future__ import annotations

import re


class TransformError(Exception):
    """An error of the transforms that a user can fix; every such error has this base."""


class GridError(TransformError, ValueError):
    """A bad grid; the message lists every problem on a line of its own."""


class MissingExtraError(GridError):
    """A grid whose only problem is that libraries are not installed here.

    Attributes:
        extras: the extras of this package that bring them.
    """

    def __init__(self, message: str, extras: tuple[str, ...]) -> None:
        super().__init__(message)
        self.extras = extras


class ModelNoiseError(TransformError):
    """A model that cannot be changed as asked; the message names the node that prevents it."""


def plain_message(error: Exception) -> str:
    """Return what a library says, on one line and without the addresses of its objects."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error))
    return " ".join(text.split()) or type(error).__name__
