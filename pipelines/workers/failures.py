"""What failed in a run: a shard, why, and what to do.

They are apart from what makes shards, so that those who report them need no codec.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class FailureKind(Enum):
    """Why a shard was not made."""

    SOURCE = "source"
    CHANGED_SOURCE = "changed source"
    OUTPUT = "output"
    CRASH = "crash"
    MODEL = "model"
    INTERNAL = "internal"

    @property
    def stops_run(self) -> bool:
        """Whether other shards would fail in the same way, or are not worth their time."""
        kinds = FailureKind
        return self in (kinds.CHANGED_SOURCE, kinds.OUTPUT, kinds.CRASH, kinds.MODEL)


class Failure(msgspec.Struct, frozen=True):
    """A shard that was not made, and why.

    Attributes:
        shard: number of the shard.
        kind: the kind of the failure.
        message: what was being done, what was found and what to do.
    """

    shard: int
    kind: FailureKind
    message: str
