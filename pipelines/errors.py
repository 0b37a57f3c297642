"""Errors that a user can fix, and what to do after an interruption.

The command prints them without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_LISTED = 10
"""Number of problems or names that a message lists; it counts the others."""

MAX_SHOWN = 10_000
"""Number of characters of a listed problem or name that a message shows; a traceback has 5,000."""

RESUME_GENERATING = "run the same command again, without --overwrite: finished shards are kept"
"""What to do after a run of ``generate`` was interrupted that may have begun anew."""

RESUME_WITHOUT_OVERWRITE = "run the same command again: finished shards are kept"
"""The same after a run that was not told to overwrite."""

RESUME_COPYING = "run the same command again: files that have arrived are kept"
"""What to do after a copy was interrupted."""

RESUME_EVALUATING = "run the same command again: finished predictions are kept"
"""What to do after an evaluation was interrupted."""


class CommandError(Exception):
    """An error of the pipelines that a user can fix; every such error has this base."""


class UsageError(CommandError):
    """The command line asks for something that does not exist or does not go together."""


class InputError(CommandError):
    """The source data cannot be used as it is."""


class OutputError(CommandError):
    """The output cannot be written, or is not what this run may write to."""


class UnwritableError(OutputError):
    """The system refuses a change of the output; the command adds how to resume."""


class ShardError(CommandError):
    """Shards that could not be made."""


class ChangedSourceError(ShardError):
    """Source files that are not what they were when the set was planned, or begun."""


class RejectsError(CommandError):
    """More samples are rejected than the user allows."""


class DamageError(CommandError):
    """A set that is not what its manifest says; the message is the summary."""


def unwritable(doing: str, error: OSError) -> UnwritableError:
    """Return the error for a change of the output that the system refuses.

    Args:
        doing: what was being done, to which file or folder.
        error: what the system raised.
    """
    return UnwritableError(f"{doing}: {error.strerror or error}")


def lines_of(problems: Sequence[str]) -> str:
    """Return the first problems, one per line, and how many more there are."""
    lines = [f"  {_shortened(problem)}" for problem in problems[:MAX_LISTED]]
    if len(problems) > MAX_LISTED:
        lines.append(f"  and {len(problems) - MAX_LISTED} more")
    return "\n".join(lines)


def quoted(names: Sequence[str]) -> str:
    """Return the first names in quotes, on one line, and how many more there are."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(repr(_shortened(name)) for name in names[:MAX_LISTED]) + more


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
