"""Errors of sets, in a module that loads no library."""

from __future__ import annotations


class SetError(Exception):
    """A folder that is not a finished set, or one that is not what its manifest says."""


class NotHeldError(SetError):
    """A file that is not at hand: the copy is without it."""
