"""Errors of sets, in a module that loads no library."""

from __future__ import annotations

from sysnoise.manifests.secrets import without_secrets


class SetError(Exception):
    """A folder that is not a finished set, or one that is not what its manifest says."""

    def __init__(self, message: str) -> None:
        """Cut the secrets of URLs out of the message."""
        super().__init__(without_secrets(message))


class UnfinishedError(SetError):
    """A place where there is no finished set."""


class NotHeldError(SetError):
    """A file that the set does not hold, because it is a copy without it."""


class ManifestError(SetError, ValueError):
    """A manifest that does not follow its schema; the message lists all problems."""


class PartError(SetError, ValueError):
    """A ``part.json`` that is damaged, or of another set."""
