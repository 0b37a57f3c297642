"""Strikes: how often a worker died on a sample, counted until the set is finished."""

from __future__ import annotations

from sysnoise.manifests.json_documents import DocumentError, json_bytes, read_document
from sysnoise.manifests.layout import strikes_path
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root

STRIKES_TO_REJECT = 2
"""Number of strikes after which a sample is rejected."""


def read_strikes(output: Root, shard: int) -> dict[str, int]:
    """Return the number of strikes of the samples of a shard that have any, by key.

    Raises:
        OSError: they cannot be read.
    """
    data = read_if_there(output, strikes_path(shard))
    if data is None:
        return {}
    try:
        return read_document(data, dict[str, int])
    except DocumentError as error:
        raise OSError(f"{output.child(strikes_path(shard))!r} is damaged: {error}") from error


def add_strike(output: Root, shard: int, key: str) -> None:
    """Count one more death of a worker on a sample.

    Raises:
        OSError: the count cannot be read.
        OutputError: the count cannot be written.
    """
    strikes = read_strikes(output, shard)
    strikes[key] = strikes.get(key, 0) + 1
    write_file(output, strikes_path(shard), json_bytes(strikes))
