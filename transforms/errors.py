"""Errors of grids and models, in a module that loads no codec."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sysnoise.transforms.problems import DocumentPath


class TransformError(Exception):
    """The base of the transforms' errors that a user can fix."""


class LibraryError(TransformError):
    """A library that is installed, but cannot be loaded."""


class GridProblem(NamedTuple):
    """Something that is wrong with a grid.

    Attributes:
        path: where in the grid's document it is.
        message: what is wrong.
        extra: the extra of this package whose installation solves it, if one does.
    """

    path: DocumentPath
    message: str
    extra: str | None = None


class GridError(TransformError, ValueError):
    """A bad grid; the message lists every problem on a line of its own.

    Attributes:
        problems: what the message lists; empty where the grid could not be read at all.
    """

    def __init__(self, message: str, problems: Iterable[GridProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of this package that bring libraries that are missing, sorted."""
        return tuple(sorted({each.extra for each in self.problems if each.extra}))


class MissingExtraError(GridError):
    """A grid whose only problem is that libraries are not installed here."""


def grid_error(problems: Sequence[GridProblem], lines: Iterable[str]) -> GridError:
    """Return the error for a grid with these problems.

    Its message has these lines, and one that installs all that is missing.
    """
    from sysnoise.transforms.methods import install_line  # Only for messages.

    only_extras = all(each.extra for each in problems)
    error = (MissingExtraError if only_extras else GridError)("\n".join(lines), problems)
    if error.extras:
        error.args = (f"{error}\nto install what is missing: {install_line(*error.extras)}",)
    return error


class ModelNoiseError(TransformError):
    """A model that cannot be changed as requested; the message names the node that prevents it."""


def plain_message(error: Exception) -> str:
    """Return a library's message on one line, without the addresses of its objects."""
    text = re.sub(r" at 0x[0-9a-f]+", "", str(error))
    return " ".join(text.split()) or type(error).__name__
