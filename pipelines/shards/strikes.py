"""Strikes: how often a worker died on a sample, counted until the set is finished."""

from __future__ import annotations

from enum import Enum

from sysnoise.manifests.json_documents import DocumentError, json_bytes, read_document
from sysnoise.manifests.layout import strikes_path
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root

STRIKES_TO_REJECT = 2
"""Number of strikes after which a sample is rejected."""


class WorkStep(Enum):
    """What a worker is doing with a sample."""

    READING = "reading"
    MAKING = "making"


Strikes = dict[WorkStep, int]
"""Number of strikes of a sample, by the step in which the workers died."""


def read_strikes(output: Root, shard: int) -> dict[str, Strikes]:
    """Return the strikes of the samples of a shard that have any, by key.

    No run leaves a damaged file; where there is one, counting starts again.

    Raises:
        OSError: they cannot be read.
    """
    data = read_if_there(output, strikes_path(shard))
    try:
        return {} if data is None else read_document(data, dict[str, Strikes])
    except DocumentError:
        return {}


def add_strike(output: Root, shard: int, key: str, step: WorkStep) -> None:
    """Count one more death of a worker on a sample.

    Raises:
        OSError: the count cannot be read.
        OutputError: the count cannot be written.
    """
    strikes = read_strikes(output, shard)
    own = strikes.setdefault(key, {})
    own[step] = own.get(step, 0) + 1
    write_file(output, strikes_path(shard), json_bytes(strikes))
