"""Samples of a set by number, in any order, for readers that shuffle.

Of a shard that is a tar file, the places of its samples are kept once one of them is asked for: 16
bytes a sample. A Parquet file is read by row groups, of which the latest is kept, so that samples
in stored order are quick to read, and those in random order are not.
"""

from __future__ import annotations

import bisect
import functools
import io
import itertools
from array import array
from collections.abc import Sequence

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.records import PairedSample
from sysnoise.manifests.stored import (
    StoredSample,
    row_places,
    stored_row_group,
    stored_samples,
    tar_places,
)
from sysnoise.manifests.tar_files import END_BYTES


class SamplesByNumber:
    """The samples of some variants of a set by number, from 0 on, in stored order.

    Attributes:
        found: the set.
        variants: ids of the variants.
        first: number of the first sample of each shard, and behind them the number of all samples.
    """

    def __init__(self, found: FinishedSet, variants: Sequence[str]) -> None:
        """Find out how many samples each shard has; no shard is read yet.

        Args:
            found: the set.
            variants: ids or slugs; at least one.

        Raises:
            SetError: the set does not hold a variant, or is damaged.
        """
        self.found = found
        self.variants = found.variant_ids(variants)
        counts = [self._count(shard) for shard in range(found.shards)]
        self.first = list(itertools.accumulate(counts, initial=0))
        self._places: dict[str, array[int]] = {}
        self._latest: dict[str, tuple[str, int, list[StoredSample]]] = {}

    def __len__(self) -> int:
        """The number of samples of each variant."""
        return self.first[-1]

    def __getitem__(self, number: int) -> PairedSample:
        """Read a sample in all variants.

        Raises:
            IndexError: there is no such number.
            SetError: a file is missing or damaged.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"{self.found.url!r} has no sample {number}, but {len(self)}")
        shard = bisect.bisect_right(self.first, number) - 1
        files = {each: self.found.shard_file(each, shard) for each in self.variants}
        row = number - self.first[shard]
        stored = [self._stored(variant, file, row) for variant, file in files.items()]
        return self.found.paired_sample(files, stored)

    def _count(self, shard: int) -> int:
        """Return the number of samples of a shard, which is the same in all variants."""
        counts = {self.found.shard_file(each, shard).samples for each in self.variants}
        count = counts.pop()
        if counts or count is None:
            raise SetError(
                f"{self.found.url!r} is damaged: the variants {', '.join(self.variants)} do not "
                f"have the same number of samples in shard {shard}; 'sysnoise verify' says more"
            )
        return count

    def _stored(self, variant: str, file: FileRow, row: int) -> StoredSample:
        """Read a sample of a shard file as it is stored."""
        is_parquet = self.found.shard_format is ShardFormat.PARQUET
        if file.path not in self._places:
            found = self.found.read_shard(file, row_places if is_parquet else tar_places)
            self._places[file.path] = array("q", itertools.chain.from_iterable(found))
        place, other = self._places[file.path][2 * row : 2 * row + 2]
        if is_parquet:
            return self._row_group(variant, file, place)[other]
        data = self.found.part_of_shard(file, place, other) + bytes(END_BYTES)
        return next(self.found.parse_shard(file, io.BytesIO(data), stored_samples))

    def _row_group(self, variant: str, file: FileRow, group: int) -> list[StoredSample]:
        """Return the samples of a row group, the latest of the variant, which is kept."""
        path, number, samples = self._latest.get(variant, ("", 0, []))
        if (path, number) != (file.path, group):
            parse = functools.partial(stored_row_group, group=group)
            with self.found.open_shard(file) as opened:
                samples = list(self.found.parse_shard(file, opened, parse))
            self._latest[variant] = file.path, group, samples
        return samples
