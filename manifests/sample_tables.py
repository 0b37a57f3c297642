"""The tables of samples of a finished set, each read once.

Scoring, evaluation and report look at these tables several times. One object reads them, and keeps
them as long as they fit into memory.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.tables import DatasetKind, SampleStatus, target_fields
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

HELD_BYTES = 2**28
"""Size of the tables that are kept; further ones are read again when they are needed again."""


class SampleTables:
    """The tables of samples of a finished set.

    Attributes:
        found: the set.
    """

    def __init__(self, found: FinishedSet) -> None:
        """Take the set; its tables are read when they are needed."""
        self.found = found
        self._held: dict[int, pa.Table] = {}
        self._held_bytes = 0
        self._changing = threading.Lock()  # The workers of an evaluation are threads.

    @property
    def kind(self) -> DatasetKind:
        """The kind of the dataset."""
        return DatasetKind(self.found.manifest["dataset"]["kind"])

    def accepted(self, shard: int, columns: Sequence[str]) -> pa.Table:
        """Return columns of the samples that a shard holds, in stored order, rejects left out.

        Args:
            shard: number of the shard.
            columns: names of columns of :func:`sysnoise.manifests.tables.samples_schema`, except
                ``differences``.

        Raises:
            SetError: the set has no such shard, or its table is missing or damaged.
        """
        with self._changing:
            table = self._held.get(shard)
            if table is None:
                table = self._read(shard)
                if self._held_bytes + table.nbytes <= HELD_BYTES:
                    self._held[shard] = table
                    self._held_bytes += table.nbytes
        return table.select(list(columns))

    def rows(self, shard: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return the same as rows, by column."""
        rows: list[dict[str, Any]] = self.accepted(shard, columns).to_pylist()
        return rows

    def sizes(self, geometry: str = FIRST_GEOMETRY) -> Counter[tuple[int, int]]:
        """Return how many images have each width and height, in pixels.

        Args:
            geometry: the name of the geometry; by default that of the baseline.

        Raises:
            SetError: a table is missing or damaged.
        """
        counts: Counter[tuple[int, int]] = Counter()
        for shard in range(self.found.shards):
            place = ["geometry"] if geometry == FIRST_GEOMETRY else ["geometries", geometry]
            column = self.accepted(shard, place[:1])[place[0]]
            sides = (
                pc.struct_field(column, [*place[1:], f"output_{side}"])
                for side in ("width", "height")
            )
            counts.update(zip(*(side.to_pylist() for side in sides), strict=True))
        return counts

    def _read(self, shard: int) -> pa.Table:
        names = [
            *("key", "source_sha256", "status", "decoders", "geometry"),
            *(["geometries"] if other_geometries(self.found.manifest["grid"]) else []),
            *(field.name for field in target_fields(self.kind)),
            *(variant["slug"] for variant in self.found.variants.values()),
        ]
        table = self.found.samples_table(shard, names)
        accepted = table.filter(pc.equal(table["status"], SampleStatus.OK.value))
        return accepted.combine_chunks()
