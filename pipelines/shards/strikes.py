"""How often a worker died on a sample: strikes, counted until the set is finished."""

from __future__ import annotations

import json

from sysnoise.manifests.layout import strikes_path
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.json_files import json_bytes
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root

STRIKES_TO_REJECT = 2


def read_strikes(output: Root, shard: int) -> dict[str, int]:
    """Return the number of strikes of the samples of a shard that have any, by key.

    Raises:
        OSError: they cannot be read.
    """
    try:
        return dict(json.loads(read_file(output, strikes_path(shard))))
    except FileNotFoundError:
        return {}


def add_strike(output: Root, shard: int, key: str) -> None:
    """Count one more death of a worker on a sample.

    Raises:
        OSError: the count cannot be read.
        OutputError: the count cannot be written.
    """
    strikes = read_strikes(output, shard)
    strikes[key] = strikes.get(key, 0) + 1
    write_file(output, strikes_path(shard), json_bytes(strikes))
