"""Errors that a user can mend; the command prints them without a traceback."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 10

GO_ON = "run the same command again, without --overwrite: finished shards are kept"
"""The way on after a run that was broken off."""

AGAIN = "run the same command again: what has arrived is kept"
"""The same for a copy."""

GO_ON_EVALUATING = "run the same command again: predictions that are done are kept"
"""The same for an evaluation."""


class UsageError(Exception):
    """The command line asks for something that does not exist or does not go together."""


class InputError(Exception):
    """The source data cannot be used as it is."""


class OutputError(Exception):
    """The output cannot be written, or is not what this run may write to."""


class ShardError(Exception):
    """Shards that could not be made."""


class DamageError(Exception):
    """A set that is not what its manifest says; the message is the summary."""


def unwritable(doing: str, error: OSError) -> OutputError:
    """Return the error of an output that the system does not let be changed.

    Args:
        doing: what was being done, to which file or folder.
        error: of the system.
    """
    return OutputError(f"{doing}: {error.strerror or error}; mend that and {GO_ON}")


def listed(problems: Sequence[str]) -> str:
    """Return the first problems, one a line, and how many more there are."""
    lines = [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    return "\n".join(lines)


def named(names: Sequence[str]) -> str:
    """Return the first names in quotes, on one line, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
